//! What a merge decided, and by which rule.
//!
//! Every merge here is deterministic and loses nothing, and people still want to know: two of you
//! wrote the delivery note, and yours was set aside. A record is local and derived: it is no part
//! of the state, and no two copies need agree on theirs.

use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::atom::{Atom, RawAtom};
use crate::causal::Causal;
use crate::cell::{Cell, CellKind};
use crate::context::LocalDot;
use crate::counter::{PnCounter, Record};
use crate::cursor::Source;
use crate::delta::{Change, Delta};
use crate::path::Path;

/// How concurrent changes of one place were brought together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// Of concurrent writes the latest stands, by hybrid timestamp, then replica id.
    LastWriterWins,
    /// An add that the remover had not seen beats the remove.
    AddWins,
    /// Concurrent changes of a counter all count.
    EveryChangeCounts,
    /// A reset takes away what it had seen; what it had not seen stays.
    ResetSparesUnseen,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LastWriterWins => "the last writer wins",
            Self::AddWins => "an add beats a remove that had not seen it",
            Self::EveryChangeCounts => "every change counts",
            Self::ResetSparesUnseen => "a removal takes away only what it had seen",
        })
    }
}

/// One side of a decision: who, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// The event.
    pub dot: Dot,
    /// The value written, the amount counted or taken away; null for an element.
    pub value: RawAtom,
}

/// A decision that a merge took at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConflictRecord {
    /// Where.
    pub path: Path,
    /// By which rule.
    pub rule: Rule,
    /// What stands.
    pub kept: Vec<Side>,
    /// What does not.
    pub set_aside: Vec<Side>,
    /// The last dot of the delta that brought it about.
    pub by: Dot,
}

impl fmt::Display for ConflictRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sides: &[Side]| {
            sides.iter().enumerate().try_for_each(|(index, side)| {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{} by {}", side.value, side.dot)
            })
        };
        write!(f, "{}: {}; kept ", self.path, self.rule)?;
        list(f, &self.kept)?;
        if !self.set_aside.is_empty() {
            f.write_str("; set aside ")?;
            list(f, &self.set_aside)?;
        }
        Ok(())
    }
}

/// The decisions that a change of another replica brought about, once it is applied.
pub fn decisions<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    state: &dyn Source,
    causal: &Causal<D>,
    report: &mut dyn FnMut(ConflictRecord),
) {
    let place = change.path().as_bytes();
    let decided = state.visit(place, place, &mut |path, cell| {
        if let Some((rule, kept, set_aside)) = decide(change, delta, cell, causal)
            && let Ok(path) = Path::parse(path.to_vec())
            && let Ok(by) = Dot::new(delta.origin(), delta.last())
        {
            report(ConflictRecord { path, rule, kept, set_aside, by });
        }
        ControlFlow::Continue(())
    });
    debug_assert!(decided.is_ok(), "the state that was just written can be read");
}

type Decision = (Rule, Vec<Side>, Vec<Side>);

fn decide<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    cell: &Cell,
    causal: &Causal<D>,
) -> Option<Decision> {
    if !cell.is_visible() {
        return None;
    }
    let side = |dot: LocalDot, value| Side { dot: causal.context().dot(dot), value };
    match &cell.0 {
        CellKind::Element(dots) if change.removes() => {
            let null = RawAtom::of(&None::<bool>);
            let kept = dots.0.iter().map(|&dot| side(dot, null.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Register(writes) if writes.0.len() > 1 => {
            let mut sides = writes.0.iter().map(|write| side(write.dot, write.value.clone()));
            let kept = sides.by_ref().take(1).collect();
            Some((Rule::LastWriterWins, kept, sides.collect()))
        }
        CellKind::Register(writes) if change.removes() => {
            let kept = writes.0.iter().map(|write| side(write.dot, write.value.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Counter(counter) => decide_counter(change, delta, counter, causal),
        CellKind::Element(_) | CellKind::Register(_) => None,
    }
}

fn decide_counter<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    counter: &PnCounter,
    causal: &Causal<D>,
) -> Option<Decision> {
    let context = causal.context();
    let last = |record: &Record| context.dot(LocalDot::new(record.slot, record.last));
    let amount = |net: i128| RawAtom::of(&i64::try_from(net).unwrap_or(i64::MAX));
    let alive: Vec<&Record> = counter.records().iter().filter(|record| !record.is_dead()).collect();
    let kept = alive.iter().map(|r| Side { dot: last(r), value: amount(r.net()) }).collect();
    let spared: Vec<&&Record> = alive.iter().filter(|record| record.floor.is_some()).collect();
    let own = context.slot(delta.origin());
    let about_a_reset = change.removes() || spared.iter().any(|record| Some(record.slot) == own);
    if about_a_reset && !spared.is_empty() {
        let taken = counter.records().iter().filter_map(|record| {
            let floor = record.floor.as_ref()?;
            let net = i128::from(floor.totals.increments) - i128::from(floor.totals.decrements);
            let dot = context.dot(LocalDot::new(record.slot, floor.last));
            Some(Side { dot, value: amount(net) })
        });
        return Some((Rule::ResetSparesUnseen, kept, taken.collect()));
    }
    let concurrent = alive.iter().any(|record| !causal.knew(delta, last(record)));
    (concurrent && !change.removes()).then_some((Rule::EveryChangeCounts, kept, Vec::new()))
}

/// Keeps raw atoms printable in a side.
impl Side {
    /// The value as a type.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn value<T: Atom>(&self) -> Result<T, rejoin_vclock::codec::DecodeError> {
        self.value.to()
    }
}
