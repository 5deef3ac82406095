//! Two undo what they did to one place without knowing of each other: every pair of operations on
//! every type, in all orders that a person would notice.

use rejoin::prelude::*;
use rejoin_replica::Transaction;

use crate::undo::{KEY, Product, Products, meet, pair, shown};

type Act = fn(&mut Transaction<'_, Product>) -> Result<(), EditError>;

macro_rules! acts {
    ($($field:ident: $($($method:ident($($value:expr),*)).+),+;)+) => {
        vec![$((stringify!($field), vec![$({
            let act: Act = |tx| tx.object(KEY).$field()$(.$method($($value),*))+;
            act
        }),+])),+]
    };
}

/// The operations on each field.
fn acts() -> Vec<(&'static str, Vec<Act>)> {
    acts! {
        note: set("x"), set("y"), clear();
        marks: set(1_u64), set(2_u64), clear();
        price: set(1_u64), set(2_u64), clear();
        best: set(3_u64), set(8_u64), clear();
        tags: insert("a"), insert("b"), remove("a"), clear();
        bans: insert("a"), remove("a");
        on_sale: enable(), disable();
        calm: enable(), disable();
        stock: add(2), reset();
        lines: entry("a").add(2), entry("b").add(5), remove("a"), remove_unless_edited("a"),
            clear();
        shelves: entry("a").insert("x"), entry("a").insert("y"), entry("a").remove("x"),
            remove("a"), remove_unless_edited("a");
        more: set("a", 1_u64), set("a", 2_u64), remove("a"), remove_unless_edited("a");
    }
}

struct Pair {
    _stores: [Store; 2],
    spaces: [Products; 2],
}

impl Pair {
    /// Two that have the same after some operations.
    fn after(acts: &[Act]) -> Self {
        let (stores, spaces) = pair();
        let pair = Self { _stores: stores, spaces };
        acts.iter().for_each(|act| _ = pair.act(0, *act));
        pair.meet();
        pair
    }

    fn act(&self, who: usize, act: Act) -> Receipt {
        self.spaces[who].transact(act).expect("a transaction").receipt
    }

    /// Undoes a transaction, if it did anything.
    fn undo(&self, who: usize, receipt: Receipt) -> Receipt {
        if receipt.is_empty() {
            return receipt;
        }
        let undone = self.spaces[who].undo(&receipt).expect("undone");
        assert_eq!(undone.value.cannot, []);
        undone.receipt
    }

    /// Lets both have the same, and returns what is to be seen.
    fn meet(&self) -> String {
        meet(&self.spaces);
        assert_eq!(self.spaces[0].digest(), self.spaces[1].digest());
        assert_eq!(shown(&self.spaces[0]), shown(&self.spaces[1]));
        shown(&self.spaces[0])
    }
}

/// What is to be seen when one of two has done something.
fn shown_after(base: &[Act], who: usize, act: Act) -> String {
    let pair = Pair::after(base);
    pair.act(who, act);
    pair.meet()
}

fn bases(acts: &[Act]) -> Vec<Vec<Act>> {
    [vec![]].into_iter().chain(acts.iter().map(|act| vec![*act])).collect()
}

/// Runs something for each base of each pair of operations on one field.
fn of_each_pair(check: impl Fn(&str, &[Act], [Act; 2])) {
    for (field, acts) in acts() {
        for (number, base) in bases(&acts).iter().enumerate() {
            for (a, one) in acts.iter().enumerate() {
                for (b, other) in acts.iter().enumerate() {
                    let does = if (field, a) == ("lines", 3) || (field, a) == ("shelves", 4) {
                        "hides"
                    } else {
                        "acts"
                    };
                    let what = format!("{field}: base {number}, {a} {does} beside {b}");
                    check(&what, base, [*one, *other]);
                }
            }
        }
    }
}

#[test]
fn when_both_have_undone_theirs_all_is_as_before() {
    of_each_pair(|what, base, [one, other]| {
        let pair = Pair::after(base);
        let before = pair.meet();
        let receipts = [pair.act(0, one), pair.act(1, other)];
        pair.meet();
        for (who, receipt) in receipts.into_iter().enumerate() {
            pair.undo(who, receipt);
            pair.meet();
        }
        assert_eq!(pair.meet(), before, "{what}");
    });
}

#[test]
fn one_that_is_done_again_is_as_if_it_had_not_been_undone() {
    of_each_pair(|what, base, [one, other]| {
        let alone = shown_after(base, 0, one);
        let pair = Pair::after(base);
        let receipts = [pair.act(0, one), pair.act(1, other)];
        let both = pair.meet();
        let undone = pair.undo(0, receipts[0]);
        pair.undo(0, undone);
        assert_eq!(pair.meet(), both, "{what}: done again");
        pair.undo(1, receipts[1]);
        assert_eq!(pair.meet(), alone, "{what}: without the other");
    });
}

#[test]
fn what_both_have_undone_comes_back_by_what_is_done_again() {
    of_each_pair(|what, base, [one, other]| {
        let alone = shown_after(base, 1, other);
        let pair = Pair::after(base);
        let receipts = [pair.act(0, one), pair.act(1, other)];
        pair.meet();
        pair.undo(0, receipts[0]);
        pair.meet();
        let undone = pair.undo(1, receipts[1]);
        pair.meet();
        pair.undo(1, undone);
        assert_eq!(pair.meet(), alone, "{what}");
    });
}

/// One after the other, undone from the last to the first, each by whoever did it.
#[test]
fn in_turn_and_back() {
    of_each_pair(|what, base, [one, other]| {
        let pair = Pair::after(base);
        let mut steps = Vec::new();
        for (who, act) in [(0, one), (1, other), (0, other), (1, one)] {
            let before = pair.meet();
            steps.push((who, pair.act(who, act), before));
        }
        for (who, receipt, before) in steps.into_iter().rev() {
            pair.meet();
            pair.undo(who, receipt);
            assert_eq!(pair.meet(), before, "{what}");
        }
    });
}

/// The first is undone, and then what came after it.
#[test]
fn the_first_and_then_the_second_of_ones_own() {
    of_each_pair(|what, base, [one, other]| {
        let pair = Pair::after(base);
        let before = pair.meet();
        let receipts = [one, other].map(|act| pair.act(0, act));
        let both = pair.meet();
        let undone = pair.undo(0, receipts[0]);
        pair.undo(0, undone);
        assert_eq!(pair.meet(), both, "{what}: done again");
        pair.undo(0, receipts[0]);
        pair.undo(0, receipts[1]);
        assert_eq!(pair.meet(), before, "{what}");
    });
}

/// One that others have gone on from is undone as if it had never been, whoever went on.
#[test]
fn what_came_after_it_stays_as_it_would_be_without_it() {
    of_each_pair(|what, base, [one, other]| {
        for who in [0, 1] {
            let without = shown_after(base, who, other);
            let pair = Pair::after(base);
            let receipt = pair.act(0, one);
            pair.meet();
            let later = pair.act(who, other);
            pair.meet();
            pair.undo(0, receipt);
            // Of what did nothing then nobody knows; and what adds to a hidden key removes for good
            // what was hidden there.
            if later.is_empty() || what.contains(" hides ") {
                continue;
            }
            assert_eq!(pair.meet(), without, "{what}, by {who}");
        }
    });
}
