//! The decisions of a merge, each with its rule.
//!
//! Every merge here is deterministic and loses nothing, and people still want to know: two of you
//! wrote the delivery note, and yours was overridden. A record is local and derived: it is no part
//! of the state.
//!
//! # Timeline
//! ```text
//! phone   a --+-- removes a ------+--> report: added by laptop, overridden removed by phone
//!             |                   x
//! laptop      +-- adds a again ---+--> report: the same
//! ```
//!
//! # Invariants
//! 1. Of two concurrent changes of which one does not hold, whoever applies both gets a report when
//!    the second one comes, in whichever order they come; so do both authors.
//! 2. A change whose author had seen what it replaces is in no report.
//! 3. What is overridden is never empty where something was: a removal is a side like any other.
//!
//! # What it does not guarantee
//! - Whoever removed something and gets the change that survives it hears of that if the removal is
//!   among the last 10,000 that were applied: the state keeps no trace of a removal.
//! - A state that is merged or adopted whole reports nothing.

mod decide;
mod moves;

use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;
use rejoin_vclock::codec::DecodeError;
use rejoin_vclock::{Dot, HybridTimestamp};

use crate::delta::{Causal, Change, Delta};
use crate::edit::Source;
use crate::error::ReadError;
use crate::hash::Seeded;
use crate::path::{Atom, Path, RawAtom};
use crate::value::conflict::decide::Judge;

pub(super) use decide::{absent, clamped, present};

/// The rule by which concurrent changes of one place were brought together.
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
    /// An item or node that somebody removed is gone, even if somebody moved or changed it
    /// meanwhile: those changes are overridden. So is the place of a node that was put below one
    /// that is gone.
    RemovedIsGone,
    /// An item or node that was removed unless edited is still there: somebody who had not seen the
    /// removal moved or changed it, and the removal is overridden.
    EditKeeps,
    /// Of concurrent moves of a node the one stands that was made above more moves, then the one of
    /// the greater dot.
    HighestMoveWins,
    /// Of concurrent moves that would hang nodes below each other, the least has no effect.
    NoCycles,
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
            Self::RemovedIsGone => "what is removed is gone",
            Self::EditKeeps => "an edit keeps what is removed unless edited",
            Self::HighestMoveWins => "of two moves of a node one wins",
            Self::NoCycles => "nothing hangs below itself",
            Self::ResetSparesUnseen => "a removal takes away only what it had seen",
        })
    }
}

/// One side's part in a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Action {
    /// It wrote a value.
    Wrote(RawAtom),
    /// It counted: this is what its author has counted there in all, since the counter was removed
    /// last if it was; not the step alone, which an operation does not say.
    Counted(i64),
    /// It undid an operation on a counter: the amount by which the counter changed, if all of that
    /// still stood. Zero where it undid an undo.
    Corrected(i64),
    /// It put something there: an element, an item, a node, an empty map.
    Added,
    /// It took the thing away, or something above it.
    Removed,
    /// It moved an item or node.
    Moved,
    /// It enabled a flag.
    SwitchedOn,
    /// It disabled a flag.
    SwitchedOff,
}

impl Action {
    /// The value that was written or the amount that was counted, as a type.
    ///
    /// # Errors
    /// When it is of another type, or nothing was written or counted.
    pub fn value<T: Atom>(&self) -> Result<T, DecodeError> {
        match self {
            Self::Wrote(value) => value.to(),
            Self::Counted(amount) | Self::Corrected(amount) => RawAtom::of(amount).to(),
            _ => Err(DecodeError::Invalid("an action that wrote no value")),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrote(value) => write!(f, "{value}"),
            Self::Counted(amount) => write!(f, "{amount:+}"),
            Self::Corrected(amount) => write!(f, "corrected by {amount:+}"),
            Self::Added => f.write_str("added"),
            Self::Removed => f.write_str("removed"),
            Self::Moved => f.write_str("moved"),
            Self::SwitchedOn => f.write_str("on"),
            Self::SwitchedOff => f.write_str("off"),
        }
    }
}

/// One side of a decision: the event, and its part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// The event.
    pub dot: Dot,
    /// The value written, the amount counted, or what else was done.
    pub action: Action,
}

/// A decision that a merge took at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConflictRecord {
    /// The place.
    pub path: Path,
    /// The rule.
    pub rule: Rule,
    /// The sides that stand.
    pub kept: Vec<Side>,
    /// The sides that do not.
    pub overridden: Vec<Side>,
    /// The last dot of the delta that caused the decision.
    pub by: Dot,
    /// The time of that delta, by its origin's hybrid clock.
    pub stamp: HybridTimestamp,
}

impl fmt::Display for ConflictRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sides: &[Side]| {
            sides.iter().enumerate().try_for_each(|(index, side)| {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{} by {}", side.action, side.dot)
            })
        };
        write!(f, "{}: {}", self.path, self.rule)?;
        if !self.kept.is_empty() {
            f.write_str("; kept ")?;
            list(f, &self.kept)?;
        }
        if !self.overridden.is_empty() {
            f.write_str("; overridden ")?;
            list(f, &self.overridden)?;
        }
        Ok(())
    }
}

/// A rule, the sides that stand, and those that do not.
type Decision = (Rule, Vec<Side>, Vec<Side>);

/// Returns the decisions that a delta of another replica caused, once its changes are applied to
/// the state and before its removals are [noted](Causal::note). Where the state cannot be read,
/// beside the error those that were found.
pub fn decisions<D: AsRef<Delta>>(
    delta: &Delta,
    changes: &[Change],
    state: &dyn Source,
    causal: &Causal<D>,
) -> (Vec<ConflictRecord>, Result<(), ReadError>) {
    let (mut records, mut read) = (Vec::new(), Ok(()));
    let Ok(by) = Dot::new(delta.origin(), delta.last()) else { return (records, read) };
    // One place, one decision by each rule: that about the last change. A removal of a key with a
    // counter names both, the key first; beside it, that every change counts is no news.
    let kind = |rule| match rule {
        Rule::ResetSparesUnseen | Rule::EveryChangeCounts => Rule::AddWins,
        rule => rule,
    };
    let mut told: HashMap<(Vec<u8>, Rule), usize, Seeded> = HashMap::default();
    let mut report = |path: &[u8], (rule, kept, overridden): Decision| {
        let Ok(path) = Path::parse(path.to_vec()) else { return };
        let at = *told.entry((path.as_bytes().to_vec(), kind(rule))).or_insert(records.len());
        let stamp = delta.stamp();
        let record = ConflictRecord { path, rule, kept, overridden, by, stamp };
        match records.get_mut(at) {
            Some(_) if rule == Rule::EveryChangeCounts => {}
            Some(earlier) => *earlier = record,
            None => records.push(record),
        }
    };
    let (context, concurrency) = (causal.context(), causal.concurrency());
    for (counter, change) in (delta.first()..).zip(changes) {
        let Ok(dot) = Dot::new(delta.origin(), counter) else { continue };
        let judge = Judge { delta, change, dot, state, context, concurrency };
        let judged = judge.each_cell(&mut report).and_then(|()| judge.tree(&mut report));
        read = read.and(judged);
    }
    (records, read)
}

/// Leaves out what was reported before: that a change survived a removal is told once, and not for
/// each change that its author makes before hearing of the removal.
pub fn news_among<D: AsRef<Delta>>(
    mut records: Vec<ConflictRecord>,
    delta: &Delta,
    causal: &mut Causal<D>,
) -> Vec<ConflictRecord> {
    let was_before =
        |side: &&Side| side.dot.replica() != delta.origin() || side.dot.counter() < delta.first();
    records.retain(|record| {
        let survives =
            matches!(record.rule, Rule::AddWins | Rule::ResetSparesUnseen | Rule::EditKeeps);
        let mut removals = record.overridden.iter().filter(was_before).peekable();
        if !survives || removals.peek().is_none() {
            return true;
        }
        removals.fold(false, |news, side| {
            causal.concurrency_mut().survives(record.path.as_bytes(), side.dot) | news
        })
    });
    records
}
