//! The state of some places by the operations that made it, one after the other: of a part of the
//! log, or of all but some transactions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::{ControlFlow, RangeInclusive};

use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::delta::{Causal, Change, Delta, Effect};
use crate::edit::Source;
use crate::error::ReadError;
use crate::path::{Kind, Path};
use crate::state::{Context, Parts};

/// The state of some places after some deltas.
#[derive(Debug)]
pub struct Replayed {
    parts: Parts,
    causal: Causal<Delta>,
}

impl Replayed {
    /// The state before everything. `None` when there is no slot for the replica.
    pub fn new(own: ReplicaId) -> Option<Self> {
        let context = Context::over(&VersionVector::new())?;
        Some(Self { parts: Parts::default(), causal: Causal::new(context, own, 0)? })
    }

    /// Applies the operations of a delta at some places, as they are.
    pub fn apply(&mut self, delta: &Delta, is_wanted: impl Fn(&Path) -> bool) {
        let Ok(()) = self.replay(delta, is_wanted, |_, _, change| Ok::<_, Infallible>(change));
    }

    /// Applies the operations of a delta at some places, each as `shown` returns it. The deltas
    /// come in an order in which each comes after those that its author had seen.
    ///
    /// # Errors
    /// Those of `shown`.
    pub fn replay<E>(
        &mut self,
        delta: &Delta,
        is_wanted: impl Fn(&Path) -> bool,
        mut shown: impl FnMut(&Self, Dot, Change) -> Result<Change, E>,
    ) -> Result<(), E> {
        let Some(first) = self.causal.begin(delta) else { return Ok(()) };
        let stamp = delta.stamp();
        for (index, change) in delta.changes().enumerate() {
            let Ok(dot) = Dot::new(delta.origin(), delta.first() + index as u64) else { break };
            if is_wanted(change.path()) {
                let change = shown(self, dot, change)?;
                self.parts.apply(&change, &self.causal.at(first, index, stamp));
            }
        }
        self.causal.finish(delta, first);
        Ok(())
    }

    pub(crate) fn source(&self) -> impl Source + '_ {
        self.parts.with(self.causal.context())
    }
}

/// A transaction that is left out.
#[derive(Debug)]
struct LeftOut {
    origin: ReplicaId,
    range: RangeInclusive<u64>,
    /// True if it is the one that is undone now.
    is_undone: bool,
}

impl LeftOut {
    fn has(&self, dot: Dot) -> bool {
        self.origin == dot.replica() && self.range.contains(&dot.counter())
    }
}

/// The state of some places as if some transactions had never been, by all others.
///
/// Whoever writes to a place, or removes what is there, names the events that are alive there and
/// means all that is seen. What one of these transactions had ended is not among them, though it
/// would have been. So where its author had seen that transaction, a later operation ends this,
/// too.
#[derive(Debug)]
pub struct Without {
    pub(crate) rest: Replayed,
    all: Replayed,
    left_out: Vec<LeftOut>,
    /// By what is alive without them: which of the transactions ended it.
    ended: BTreeMap<Dot, Vec<Dot>>,
    removed: Vec<Vec<u8>>,
}

impl Without {
    /// Nothing so far. `None` when there is no slot for the replica.
    pub fn new(own: ReplicaId) -> Option<Self> {
        let [rest, all] = [Replayed::new(own)?, Replayed::new(own)?];
        let (left_out, ended, removed) = (Vec::new(), BTreeMap::new(), Vec::new());
        Some(Self { rest, all, left_out, ended, removed })
    }

    /// Leaves a transaction out: one that is undone now, or one that was before, and its undo.
    ///
    /// # Errors
    /// None in practice: all is in memory.
    pub fn leave_out(
        &mut self,
        delta: &Delta,
        is_wanted: impl Fn(&Path) -> bool,
        is_undone: bool,
    ) -> Result<(), ReadError> {
        let (origin, range) = (delta.origin(), delta.first()..=delta.last());
        self.left_out.push(LeftOut { origin, range, is_undone });
        let Ok(last) = Dot::new(delta.origin(), delta.last()) else { return Ok(()) };
        let Self { all, ended, .. } = self;
        let mut before = BTreeSet::new();
        let places: BTreeSet<Vec<u8>> = delta
            .changes()
            .filter(|change| is_wanted(change.path()))
            .map(|change| change.removed().unwrap_or(change.path().as_bytes()).to_vec())
            .collect();
        places.iter().try_for_each(|place| all.alive(place, &mut before))?;
        all.apply(delta, is_wanted);
        let mut after = BTreeSet::new();
        places.iter().try_for_each(|place| all.alive(place, &mut after))?;
        for dot in before.difference(&after) {
            ended.entry(*dot).or_default().push(last);
        }
        Ok(())
    }

    /// Applies what another transaction did at some places. `is_later`: it came after the one that
    /// is undone. `knew` tells if its author had seen a transaction that is left out, by its last
    /// dot.
    ///
    /// # Errors
    /// Those of `knew`.
    pub fn keep<E: From<ReadError>>(
        &mut self,
        delta: &Delta,
        is_wanted: impl Fn(&Path) -> bool,
        is_later: bool,
        mut knew: impl FnMut(Dot) -> Result<bool, E>,
    ) -> Result<(), E> {
        // What is hidden is there.
        for change in delta.changes().filter(|change| is_later && !change.is_of_hiding()) {
            let whole = change.removes().then(|| change.path().as_bytes());
            self.removed.extend(change.removed().or(whole).map(<[u8]>::to_vec));
        }
        let Self { rest, all, ended, .. } = self;
        rest.replay(delta, &is_wanted, |rest, _, mut change| {
            if ended.is_empty() {
                return Ok(change);
            }
            let (mut here, mut there) = (BTreeSet::new(), BTreeSet::new());
            let path = change.path().as_bytes();
            let place = match &change.effect {
                Effect::Hide { .. } => change.removed().unwrap_or(path),
                _ => path,
            };
            rest.alive(place, &mut here)?;
            all.alive(place, &mut there)?;
            let mut meant = Vec::new();
            for dot in here.difference(&there) {
                for by in ended.get(dot).into_iter().flatten() {
                    if knew(*by)? {
                        meant.push(*dot);
                        break;
                    }
                }
            }
            let kind = change.path().kind();
            if !rejoin_vclock::mutant!("undo-by-named-events-alone") {
                change.effect.end_also(&meant, kind);
            }
            Ok::<_, E>(change)
        })?;
        all.apply(delta, is_wanted);
        Ok(())
    }

    /// True for an event of a transaction that is left out.
    pub(crate) fn is_left_out(&self, dot: Dot) -> bool {
        self.left_out.iter().any(|it| it.has(dot))
    }

    /// True for an event of what is undone now.
    pub(crate) fn is_undone(&self, dot: Dot) -> bool {
        self.left_out.iter().any(|it| it.is_undone && it.has(dot))
    }

    /// True if a later transaction has removed what is at a place, or something above it.
    pub(crate) fn is_removed(&self, place: &[u8]) -> bool {
        self.removed.iter().any(|above| place.starts_with(above))
    }
}

impl Replayed {
    /// Adds the events that are alive at a place and below it, removals that hide among them.
    fn alive(&self, place: &[u8], alive: &mut BTreeSet<Dot>) -> Result<(), ReadError> {
        let source = self.source();
        source.visit(place, place, &mut |_, cell| {
            cell.each_dot(&mut |dot| _ = alive.insert(source.dot(dot)));
            let hidings = cell.hidings().into_iter().flat_map(|hidings| &hidings.0);
            alive.extend(hidings.map(|hiding| source.dot(hiding.dot)));
            ControlFlow::Continue(())
        })
    }
}

impl Effect {
    /// Ends other events as well, or has seen them, on places where an operation means all that is
    /// seen. (A greatest or least value ends what it beats, and that alone.)
    fn end_also(&mut self, others: &[Dot], kind: Option<Kind>) {
        let ends = match self {
            Self::Register { value: Some(_), .. }
                if matches!(kind, Some(Kind::MaxRegister | Kind::MinRegister)) =>
            {
                return;
            }
            Self::Register { ends, .. }
            | Self::Element { ends, .. }
            | Self::Contest { ends, .. } => ends,
            Self::Hide { ends, seen } => {
                if !seen.is_empty() {
                    others.iter().for_each(|it| _ = seen.set_at_least(it.replica(), it.counter()));
                }
                ends
            }
            _ => return,
        };
        ends.extend_from_slice(others);
        ends.sort_unstable();
        ends.dedup();
    }
}
