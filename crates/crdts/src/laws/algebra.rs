//! The laws of merge, of deltas and of the order, each a function over three copies.
//!
//! The copies have diverged by a script before. A law changes only forks of them. Compared copies
//! have the same id, so that only [`Law::EqualBytes`] depends on traces of a copy's identity in its
//! bytes.
//!
//! [`Law::EqualBytes`]: super::Law::EqualBytes

use std::format;
use std::vec::Vec;

use super::counterexample::{Broken, Held};
use super::subject::DeltaCrdt;
use super::world::{READER, outside};

/// Three copies, and three operations for a law to perform.
pub(super) struct Operands<'a, C: DeltaCrdt> {
    pub(super) a: &'a C,
    pub(super) b: &'a C,
    pub(super) c: &'a C,
    pub(super) edits: &'a [C::Op; 3],
}

/// Returns the same state under the reader's id, for comparing.
pub(super) fn reader<C: DeltaCrdt>(copy: &C) -> C {
    copy.fork(READER)
}

/// Returns `ours` joined with `theirs`; both stay as they are.
pub(super) fn join<C: DeltaCrdt>(ours: &C, theirs: &C) -> C {
    let mut joined = reader(ours);
    joined.merge(theirs);
    joined
}

/// True if two copies are in one state and show it alike.
pub(super) fn same<C: DeltaCrdt>(x: &C, y: &C) -> bool {
    x.save() == y.save() && x.view() == y.view()
}

/// True if merging `older` into `newer` brings nothing new. Always true where merging a copy with
/// itself is not even idempotent.
pub(super) fn covers<C: DeltaCrdt>(newer: &C, older: &C) -> bool {
    same(&join(newer, older), &reader(newer)) || !same(&join(older, older), &reader(older))
}

impl<C: DeltaCrdt> Operands<'_, C> {
    pub(super) fn commutative(&self) -> Held {
        let (a, b) = (self.a, self.b);
        let (left, right) = (join(a, b), join(b, a));
        if same(&left, &right) {
            return Ok(());
        }
        let broken = Broken::new("the two ways of merging a and b give different states");
        let broken = broken.operand("a", a).operand("b", b);
        Err(broken.compare("a merges b", &left).compare("b merges a", &right))
    }

    pub(super) fn associative(&self) -> Held {
        let Self { a, b, c, .. } = *self;
        let (left, right) = (join(&join(a, b), c), join(a, &join(b, c)));
        if same(&left, &right) {
            return Ok(());
        }
        let broken = Broken::new("which two are merged first makes a difference");
        let broken = broken.operand("a", a).operand("b", b).operand("c", c);
        let broken = broken.compare("(a merges b) merges c", &left);
        Err(broken.compare("a merges (b merges c)", &right))
    }

    pub(super) fn idempotent(&self) -> Held {
        let (before, after) = (reader(self.a), join(self.a, self.a));
        if same(&before, &after) {
            return Ok(());
        }
        let broken = Broken::new("merging a with itself changes it").operand("a", self.a);
        Err(broken.compare("a", &before).compare("a merges a", &after))
    }

    pub(super) fn identity(&self) -> Held {
        let new = C::new(outside(1));
        let mut caught_up = C::new(READER);
        caught_up.merge(self.a);
        let before = reader(self.a);
        for (name, after) in [("new merges a", &caught_up), ("a merges new", &join(self.a, &new))] {
            if !same(&before, after) {
                let broken = Broken::new("a new copy is not neutral");
                let broken = broken.operand("a", self.a).operand("new", &new);
                return Err(broken.compare("a", &before).compare(name, after));
            }
        }
        Ok(())
    }

    /// Checks a copy that has the state on which the edit was made, and one that has more.
    pub(super) fn delta_is_mutation(&self) -> Held {
        let Self { a, b, edits: [op, ..], .. } = *self;
        let mut writer = a.fork(outside(1));
        let Some(delta) = writer.edit(op) else { return Ok(()) };
        let mut hearer = reader(a);
        hearer.apply(&delta);
        let edited = reader(&writer);
        if !same(&hearer, &edited) {
            let broken = Broken::new("the delta does not do what the edit did");
            let broken = broken.operand("a", a).note("edit", op).note("its delta", &delta);
            return Err(broken.compare("a after the edit", &edited).compare("a + delta", &hearer));
        }
        let mut further = join(a, b);
        further.apply(&delta);
        let by_state = join(&writer, b);
        if same(&further, &by_state) {
            return Ok(());
        }
        let broken = Broken::new("a copy that knows more takes the delta for something else");
        let broken = broken.operand("a", a).operand("b", b);
        let broken = broken.note("edit of a", op).note("its delta", &delta);
        let broken = broken.compare("(a after the edit) merges b", &by_state);
        Err(broken.compare("(a merges b) + delta", &further))
    }

    pub(super) fn delta_again(&self) -> Held {
        let Self { a, b, edits: [op, ..], .. } = *self;
        let mut writer = a.fork(outside(1));
        let Some(delta) = writer.edit(op) else { return Ok(()) };
        let mut hearer = join(a, b);
        hearer.apply(&delta);
        let once = reader(&hearer);
        hearer.apply(&delta);
        if same(&once, &hearer) {
            return Ok(());
        }
        let broken = Broken::new("applying the delta a second time changes the state again");
        let broken = broken.operand("a merges b", &join(a, b));
        let broken = broken.note("edit of a", op).note("its delta", &delta);
        Err(broken.compare("with the delta once", &once).compare("twice", &hearer))
    }

    pub(super) fn inflation(&self) -> Held {
        let Self { a, b, edits: [op, ..], .. } = *self;
        let mut writer = a.fork(outside(1));
        let delta = writer.edit(op);
        match &delta {
            None => unchanged(a, &writer, op)?,
            Some(_) => only_adds("an edit", a, &writer)?,
        }
        if let Some(delta) = &delta {
            let mut hearer = reader(b);
            hearer.apply(delta);
            only_adds("applying a delta", b, &hearer)?;
        }
        only_adds("merging", a, &join(a, b))?;
        only_adds("being merged", b, &join(a, b))
    }

    pub(super) fn truthful(&self) -> Held {
        let Self { a, b, edits: [op, ..], .. } = *self;
        let mut copy = a.fork(outside(1));
        for what in ["merging b", "merging b again"] {
            let before = copy.save();
            let told = copy.merge(b);
            told_truly(what, told, before != copy.save(), self)?;
        }
        let Some(delta) = b.fork(outside(2)).edit(op) else { return Ok(()) };
        for what in ["applying a delta made on b", "applying that delta again"] {
            let before = copy.save();
            let told = copy.apply(&delta);
            told_truly(what, told, before != copy.save(), self)
                .map_err(|broken| broken.note("edit of b", op).note("its delta", &delta))?;
        }
        Ok(())
    }

    pub(super) fn order(&self) -> Held {
        let Self { a, b, .. } = *self;
        let mut edited = a.fork(outside(1));
        edited.edit(&self.edits[0]);
        let both = join(a, b);
        let copies = [("a", a), ("b", b), ("a merges b", &both), ("a after an edit", &edited)];
        for (one, x) in &copies {
            for (other, y) in &copies {
                let Some(by_hand) = x.is_covered_by(y) else { return Ok(()) };
                if by_hand != covers(*y, *x) {
                    let broken = Broken::new(format!(
                        "`is_covered_by` says {by_hand} of x and y, and merging x into y {}",
                        if by_hand { "is something new" } else { "is nothing new" },
                    ));
                    let broken = broken.note("x", one).note("y", other);
                    return Err(broken.operand("x", *x).operand("y", *y));
                }
            }
        }
        Ok(())
    }

    pub(super) fn concurrent_order(&self) -> Held {
        let base = join(&join(self.a, self.b), self.c);
        let writers = (1..).zip(self.edits);
        let deltas: Vec<(&C::Op, C::Delta)> = writers
            .filter_map(|(number, op)| Some((op, base.fork(outside(number)).edit(op)?)))
            .collect();
        let mut first = None;
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut hearer = reader(&base);
            let heard = order.iter().filter_map(|&number| deltas.get(number));
            heard.for_each(|(_, delta)| _ = hearer.apply(delta));
            let (first_order, first) = first.get_or_insert_with(|| (order, reader(&hearer)));
            if same(first, &hearer) {
                continue;
            }
            let broken =
                Broken::new("the order in which concurrent deltas come makes a difference");
            let mut broken = broken.operand("base", &base);
            for (number, (op, delta)) in (1..).zip(&deltas) {
                broken = broken.note(&format!("edit {number} of base"), op);
                broken = broken.note("its delta", delta);
            }
            let name = |order: [usize; 3]| {
                let [x, y, z] = order.map(|number| number + 1);
                format!("base + deltas in the order {x} {y} {z}")
            };
            let broken = broken.compare(&name(*first_order), first);
            return Err(broken.compare(&name(order), &hearer));
        }
        Ok(())
    }
}

/// Checks that an edit without a delta has left the copy as it was.
fn unchanged<C: DeltaCrdt>(before: &C, after: &C, op: &C::Op) -> Held {
    let (before, after) = (reader(before), reader(after));
    if same(&before, &after) {
        return Ok(());
    }
    let broken = Broken::new("an edit changes the copy and has no delta to tell others of it");
    let broken = broken.operand("a", &before).note("edit of a", op);
    Err(broken.compare("a", &before).compare("a after the edit", &after))
}

/// Checks that the earlier state is still covered.
fn only_adds<C: DeltaCrdt>(what: &str, before: &C, after: &C) -> Held {
    if covers(after, before) {
        return Ok(());
    }
    let broken = Broken::new(format!("{what} takes away what was there before"));
    let broken = broken.operand("before", before).operand("after", after);
    let broken = broken.compare("after", &reader(after));
    Err(broken.compare("after merges before", &join(after, before)))
}

fn told_truly<C: DeltaCrdt>(
    what: &str,
    told: bool,
    changed: bool,
    operands: &Operands<'_, C>,
) -> Held {
    if told == changed {
        return Ok(());
    }
    let is = if changed { "changes the state" } else { "changes nothing" };
    let broken = Broken::new(format!("{what} {is}, and the answer is {told}"));
    Err(broken.operand("a", operands.a).operand("b", operands.b))
}
