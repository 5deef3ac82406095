//! What bit others, under every policy. The numbers are those of `docs/failures.md`.

use std::cell::Cell;
use std::rc::Rc;

use rejoin_crdts::{Clock, FreshId, RawAtom, Replica, ReplicaId};
use rejoin_resolve::{Context, Policy, Resolution, Siblings};

use crate::laws::{all, customs};

/// A clock that a test sets.
#[derive(Clone, Default)]
struct Hands(Rc<Cell<u64>>);

impl Clock for Hands {
    fn now_millis(&mut self) -> u64 {
        self.0.get()
    }
}

type Copy = Replica<Siblings<RawAtom>, Hands>;

fn copies<const N: usize>(hands: &Hands) -> [Copy; N] {
    let mut ids = 0;
    [(); N].map(|()| {
        ids += 1;
        let id = FreshId::assume_fresh(ReplicaId::from_u128(ids));
        Replica::with_clock(id, hands.clone())
    })
}

fn set(copy: &mut Copy, value: &RawAtom) {
    copy.edit(|text| text.set(value.clone())).expect("an edit");
}

fn answer(copy: &Copy, policy: &Policy) -> Resolution {
    let customs = customs();
    copy.read(|text| text.resolve(policy, &Context::with(&customs))).expect("an answer")
}

fn count(copy: &Copy) -> usize {
    copy.read(|text| text.all()).expect("readable").len()
}

#[test]
fn line_05_a_tie_is_decided_alike_everywhere() {
    let values = [RawAtom::of_str("a\n"), RawAtom::of_str("b\n"), RawAtom::of(&3_i64)];
    for policy in all() {
        let [mut a, mut b, mut c] = copies(&Hands::default());
        set(&mut a, &values[0]);
        set(&mut b, &values[1]);
        set(&mut c, &values[2]);
        let siblings = {
            let mut whole = b.fork(FreshId::assume_fresh(ReplicaId::from_u128(9)));
            whole.merge(&a);
            whole.merge(&c);
            whole.read(|text| text.all()).expect("readable")
        };
        let (there, mut back) = (siblings.clone(), siblings);
        back.reverse();
        let customs = customs();
        let context = Context::with(&customs);
        let resolved = [there, back].map(|all| policy.resolve(&all, &context).expect("an answer"));
        assert_eq!(resolved[0], resolved[1], "{policy}");
    }
    let [mut a, mut b] = copies(&Hands::default());
    set(&mut a, &values[1]);
    set(&mut b, &values[0]);
    a.merge(&b);
    assert_eq!(answer(&a, &Policy::LastWriterWins).value(), Some(&values[0]), "the greater id");
}

/// Writers that hear each other leave one sibling, and there are never more than writers.
#[test]
fn line_19_siblings_do_not_explode() {
    let mut copies: [Copy; 3] = copies(&Hands::default());
    for round in 0..60_usize {
        let (from, to) = (round % 3, (round + 1) % 3);
        let said = copies[from].fork(FreshId::assume_fresh(ReplicaId::from_u128(99)));
        copies[to].merge(&said);
        set(&mut copies[to], &RawAtom::of(&(round as u64)));
        assert_eq!(count(&copies[to]), 1);
        if round % 7 == 0 {
            set(&mut copies[from], &RawAtom::of(&(round as u64)));
        }
        assert!(copies.iter().all(|copy| count(copy) <= 3));
    }
}

/// A stamp from the future wins among concurrent writes alone: whoever has seen it writes over it.
#[test]
fn line_20_a_clock_that_is_ahead_locks_nothing() {
    for policy in all() {
        let hands = Hands::default();
        let [mut ahead, mut right] = copies(&hands);
        hands.0.set(4_000_000_000_000);
        set(&mut ahead, &RawAtom::of_str("from 2096"));
        hands.0.set(1_700_000_000_000);
        set(&mut right, &RawAtom::of_str("from today"));
        right.merge(&ahead);
        set(&mut right, &RawAtom::of_str("after both"));
        ahead.merge(&right);
        for copy in [&ahead, &right] {
            let value = answer(copy, &policy);
            assert_eq!(value.value(), Some(&RawAtom::of_str("after both")), "{policy}");
        }
    }
}

/// A removal has seen one of two values. Whichever it is and in whatever order the three are heard,
/// the other one stands: nothing was pruned because another value beat it.
#[test]
fn line_43_nothing_is_pruned_by_its_value() {
    let values = [10_i64, 7].map(|n| RawAtom::of(&n));
    for policy in all() {
        for seen in [0, 1] {
            let [mut a, mut b, mut c, mut p, mut q] = copies(&Hands::default());
            set(&mut a, &values[0]);
            set(&mut b, &values[1]);
            c.merge(if seen == 0 { &a } else { &b });
            c.edit(|text| text.clear()).expect("an edit");
            for from in [&a, &b, &c] {
                p.merge(from);
                assert!(!answer(&p, &policy).values.is_empty());
            }
            for from in [&c, &b, &a] {
                q.merge(from);
            }
            let left = &values[1 - seen];
            assert_eq!(answer(&p, &policy).value(), Some(left), "{policy}");
            assert_eq!(answer(&q, &policy), answer(&p, &policy), "{policy}");
        }
    }
}

/// Two replicas that both write down one sum do not double it.
#[test]
fn line_43_a_sum_that_two_write_down_counts_once() {
    let [mut a, mut b] = copies(&Hands::default());
    set(&mut a, &RawAtom::of(&3_i64));
    set(&mut b, &RawAtom::of(&4_i64));
    a.merge(&b);
    b.merge(&a);
    for copy in [&mut a, &mut b] {
        let sum = answer(copy, &Policy::Sum);
        set(copy, sum.value().expect("a sum"));
    }
    a.merge(&b);
    assert_eq!(count(&a), 2);
    assert_eq!(answer(&a, &Policy::Sum).to::<i64>(), Ok(Some(7)));
}

/// Two that settle a conflict alike are one answer, as early as the first and as late as the last.
#[test]
fn what_is_settled_twice_was_written_at_both_times() {
    let hands = Hands::default();
    let [mut a, mut b, mut c] = copies(&hands);
    let write = |copy: &mut Copy, millis: u64, value: i64| {
        hands.0.set(1_700_000_000_000 + millis);
        set(copy, &RawAtom::of(&value));
    };
    write(&mut a, 0, 1);
    b.merge(&a);
    c.merge(&a);
    write(&mut a, 10, 3);
    write(&mut b, 20, 4);
    write(&mut c, 30, 3);
    a.merge(&b);
    a.merge(&c);
    let value = |copy: &Copy, policy| answer(copy, &policy).to::<i64>();
    assert_eq!(value(&a, Policy::LastWriterWins), Ok(Some(3)), "as a register");
    assert_eq!(value(&a, Policy::FirstWriterWins), Ok(Some(3)));
    assert_eq!(value(&a, Policy::Sum), Ok(Some(7)));
}

/// A base is one that all have seen: of two first values, none is the other's beginning.
#[test]
fn a_value_that_one_side_has_never_seen_is_no_base() {
    let hands = Hands::default();
    let [mut a, mut b, mut c] = copies(&hands);
    set(&mut a, &RawAtom::of_str("milk\nbread\n"));
    b.merge(&a);
    set(&mut b, &RawAtom::of_str("milk\nbread\napples\n"));
    // Somebody who knows nothing of all that has written the same text as the first one.
    set(&mut c, &RawAtom::of_str("milk\nbread\n"));
    b.merge(&c);
    assert!(answer(&b, &Policy::ThreeWay).is_open(), "nobody has taken the apples out");
}
