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
use crate::cursor::Source;
use crate::delta::{Change, Delta, Effect};
use crate::dots::Dots;
use crate::kind::Kind;
use crate::lww_register::{Write, Writes};
use crate::path::Path;
use crate::tally::{Record, Tally};

/// How concurrent changes of one place were brought together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Rule {
    /// Of concurrent writes the latest stands, by hybrid timestamp, then replica id.
    LastWriterWins,
    /// Concurrent writes all stay, until somebody who has seen them writes.
    EveryValueStays,
    /// Of concurrent writes the greatest stands.
    GreatestWins,
    /// Of concurrent writes the least stands.
    LeastWins,
    /// An add that the remover had not seen beats the remove.
    AddWins,
    /// A remove beats the adds that had not seen it.
    RemoveWins,
    /// Concurrent changes of a counter all count.
    EveryChangeCounts,
    /// A reset takes away what it had seen; what it had not seen stays.
    ResetSparesUnseen,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LastWriterWins => "the last writer wins",
            Self::EveryValueStays => "every concurrent value stays",
            Self::GreatestWins => "the greatest value wins",
            Self::LeastWins => "the least value wins",
            Self::AddWins => "an add beats a remove that had not seen it",
            Self::RemoveWins => "a remove beats an add that had not seen it",
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
    let mut show = |path: &[u8], cell: &Cell| {
        if let Ok(path) = Path::parse(path.to_vec())
            && let Some(kind) = path.kind()
            && let Some((rule, kept, set_aside)) = decide(change, delta, kind, cell, causal)
            && let Ok(by) = Dot::new(delta.origin(), delta.last())
        {
            report(ConflictRecord { path, rule, kept, set_aside, by });
        }
    };
    // Only a removal by vector speaks about what is below its place.
    let decided = if matches!(change.effect, Effect::Below { .. }) {
        state.visit(place, place, &mut |path, cell| {
            show(path, cell);
            ControlFlow::Continue(())
        })
    } else {
        state.look(place, &mut |cell| show(place, cell))
    };
    debug_assert!(decided.is_ok(), "the state that was just written can be read");
}

type Decision = (Rule, Vec<Side>, Vec<Side>);

fn decide<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    kind: Kind,
    cell: &Cell,
    causal: &Causal<D>,
) -> Option<Decision> {
    let side = |dot: LocalDot, value| Side { dot: causal.context().dot(dot), value };
    match &cell.0 {
        CellKind::Element(dots) if change.removes() && cell.is_visible() => {
            let null = RawAtom::of(&None::<bool>);
            let kept = dots.0.iter().map(|&dot| side(dot, null.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Register(writes) if writes.0.len() > 1 => {
            decide_register(delta, kind, writes, causal)
        }
        CellKind::Register(writes) if change.removes() && cell.is_visible() => {
            let kept = writes.0.iter().map(|write| side(write.dot, write.value.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Counter(counter) if cell.is_visible() => {
            decide_counter(change, delta, counter, causal)
        }
        CellKind::Contest(contest) if !contest.adds.0.is_empty() && !cell.is_visible() => {
            let null = RawAtom::of(&None::<bool>);
            let sides = |dots: &Dots| dots.0.iter().map(|&dot| side(dot, null.clone())).collect();
            Some((Rule::RemoveWins, sides(&contest.removes), sides(&contest.adds)))
        }
        _ => None,
    }
}

/// Where more replicas than this count, nobody would look through what each has counted.
const PARTIES: usize = 16;

/// Among several live writes. A write beaten before it was made is alive and no conflict.
fn decide_register<D: AsRef<Delta>>(
    delta: &Delta,
    kind: Kind,
    Writes(writes): &Writes,
    causal: &Causal<D>,
) -> Option<Decision> {
    let dot = |write: &Write| causal.context().dot(write.dot);
    let side = |write: &Write| Side { dot: dot(write), value: write.value.clone() };
    let values = || writes.iter().map(|write| &write.value);
    let (rule, best) = match kind {
        Kind::MvRegister => (Rule::EveryValueStays, None),
        Kind::MaxRegister => (Rule::GreatestWins, values().max()),
        Kind::MinRegister => (Rule::LeastWins, values().min()),
        _ => {
            let mut sides = writes.iter().map(side);
            let kept = sides.by_ref().take(1).collect();
            return Some((Rule::LastWriterWins, kept, sides.collect()));
        }
    };
    let stands = |write: &&Write| best.is_none_or(|best| write.value == *best);
    let (kept, set_aside): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(stands);
    let alike = values().all(|value| *value == writes[0].value);
    let concurrent = writes.iter().any(|write| !causal.knew(delta, dot(write)));
    let sides = |writes: Vec<&Write>| writes.into_iter().map(side).collect();
    (concurrent && !alike).then(|| (rule, sides(kept), sides(set_aside)))
}

fn decide_counter<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    counter: &Tally,
    causal: &Causal<D>,
) -> Option<Decision> {
    let context = causal.context();
    let amount = |net: i128| RawAtom::of(&i64::try_from(net).unwrap_or(i64::MAX));
    let side = |record: &Record, last: u64, net: i128| Side {
        dot: context.dot(LocalDot::new(record.slot, last)),
        value: amount(net),
    };
    if counter.records().len() > PARTIES && !change.removes() {
        let record = counter.of(context.slot(delta.origin())?)?;
        let floor = record.floor.as_ref()?;
        let unseen = !causal.knew(delta, context.dot(floor.tag));
        let kept = alloc::vec![side(record, record.last, record.net())];
        let taken = alloc::vec![side(record, floor.last, floor.totals.net())];
        return unseen.then_some((Rule::ResetSparesUnseen, kept, taken));
    }
    let alive = || counter.records().iter().filter(|record| !record.is_dead());
    let mut kept: Vec<Side> = alive().map(|r| side(r, r.last, r.net())).collect();
    kept.sort_unstable_by_key(|side| side.dot);
    let floors = || counter.records().iter().filter_map(|r| Some((r, r.floor.as_ref()?)));
    // A reset names all that it saw: what is alive beside one that either side did not know of is
    // what it did not see.
    let unseen_reset = floors().any(|(_, floor)| !causal.knew(delta, context.dot(floor.tag)));
    if change.removes() || unseen_reset {
        let taken = floors().map(|(r, floor)| side(r, floor.last, floor.totals.net()));
        return Some((Rule::ResetSparesUnseen, kept, taken.collect()));
    }
    let concurrent = kept.iter().any(|side| !causal.knew(delta, side.dot));
    concurrent.then_some((Rule::EveryChangeCounts, kept, Vec::new()))
}

impl Side {
    /// The value as a type.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn value<T: Atom>(&self) -> Result<T, rejoin_vclock::codec::DecodeError> {
        self.value.to()
    }
}
