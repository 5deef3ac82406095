//! The same changes under other dots: a branch of an origin's history, rewritten.
//!
//! When two copies of a store wrote under one id, one of them gives it up, and the entries that
//! only it has continue under another id. The result is a function of the origin's entries alone,
//! so that all holders of the branch compute the same. All dots of the branch are mapped: its own,
//! those that it ends, those that name list items and tree nodes, those inside their places, and
//! those that siblings have replaced or were made of. Totals of counters run over the whole life of
//! an origin, so those of the branch are counted from its beginning.
//!
//! Some of the branch may be lost. Data that only the lost part names go with it; its counts are
//! there again, because later totals include them.
//!
//! # Invariants
//! 1. The branch has the same effect on everything else as before, dot by dot.
//! 2. For counters and rights, the old id keeps what it had at the beginning of the branch; the sum
//!    is the same. The effect of the branch on the balance of rights still belongs to the old id:
//!    the branch may have spent rights that were there before.
//! 3. Dots that are lost, or that nobody here has seen, are named nowhere but in places: a thing
//!    that stood beside a lost item stands at the end of its list.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::codec::Reader;
use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::delta::{
    Change, Correction, Delta, Effect, Ends, Floor, Point, RightsTotals, Span, Totals,
};
use crate::path::atom;
use crate::path::{Atom, Kind, Path, RawAtom};
use crate::register::siblings::{Base as SiblingBase, Written};

/// A map of dots: the dots of some replicas beyond a counter become those of others. There may be
/// several, as one history may build upon another that is rewritten.
#[derive(Clone, Default, Debug)]
pub struct Rebase {
    branches: BTreeMap<ReplicaId, Branch>,
    /// The dots of others that are there; `None` if all are.
    seen: Option<VersionVector>,
    /// The totals of each origin where its branch begins.
    bases: BTreeMap<ReplicaId, Base>,
}

/// The history of one origin beyond a counter.
#[derive(Clone, Debug)]
struct Branch {
    common: u64,
    to: (ReplicaId, u64),
    /// Ranges of the branch that are lost, inclusive, ascending.
    lost: Vec<(u64, u64)>,
    /// The totals of the origin where the branch begins.
    base: Base,
    /// The counter records of the branch that do not begin where they did: those that continue one
    /// from before, and those whose beginning is lost. Their old and new beginnings.
    begun: BTreeMap<Path, (u64, u64)>,
    /// The last counter records of the branch, with their new dots.
    last: BTreeMap<Path, Floor>,
}

/// The totals of an origin for counters and rights.
#[derive(Clone, Default, Debug)]
struct Base {
    counted: BTreeMap<Path, Floor>,
    rights: BTreeMap<Path, Rights>,
}

#[derive(Clone, Default, Debug)]
struct Rights {
    granted: u64,
    spent: u64,
    moved: BTreeMap<ReplicaId, u64>,
}

impl Rebase {
    /// For a copy that has `seen` these events, and will see no more of those that were lost.
    pub fn in_a_place_that_has(seen: VersionVector) -> Self {
        Self { seen: Some(seen), ..Self::default() }
    }

    /// Maps dot `from.1 + n` of `from.0` to dot `onto + n` of `to` from here on. `lost`: the ranges
    /// of counters (inclusive, ascending) that nobody will bring back; the dots behind them close
    /// up.
    pub fn branch(
        &mut self,
        from: (ReplicaId, u64),
        (to, onto): (ReplicaId, u64),
        lost: Vec<(u64, u64)>,
    ) {
        let base = self.bases.remove(&from.0).unwrap_or_default();
        let (begun, last) = (BTreeMap::new(), BTreeMap::new());
        let branch = Branch { common: from.1, to: (to, onto), lost, base, begun, last };
        self.branches.insert(from.0, branch);
    }

    /// True if a dot belongs to a branch.
    pub fn has(&self, (id, counter): (ReplicaId, u64)) -> bool {
        self.branches.get(&id).is_some_and(|branch| counter > branch.common)
    }

    /// Takes in a delta of an origin from before its branch, in order: totals continue from there.
    pub fn learn(&mut self, delta: &Delta) {
        let base = match self.branches.get_mut(&delta.origin()) {
            Some(branch) => &mut branch.base,
            None => self.bases.entry(delta.origin()).or_default(),
        };
        for (change, counter) in delta.changes().zip(delta.first()..) {
            match (&change.effect, Dot::new(delta.origin(), counter)) {
                (Effect::Count(totals), Ok(last)) => {
                    base.counted.insert(change.path.clone(), Floor { last, totals: *totals });
                }
                (Effect::Rights(totals), _) => {
                    let rights = base.rights.entry(change.path.clone()).or_default();
                    (rights.granted, rights.spent) = (totals.granted, totals.spent);
                    rights.moved.extend(totals.moved);
                }
                _ => {}
            }
        }
    }

    /// Rewrites a delta of a branch; deltas come in order. `opening`: for the first one, changes
    /// that go before its own. A change that only ended something lost is left out, and its dot
    /// with it; `None` if nothing is left.
    ///
    /// The first one depends on the last entry that was there before the branch, beside its own
    /// deps: everything else in its origin follows on itself.
    pub fn rewrite(&mut self, delta: &Delta, mut opening: Vec<Change>) -> Option<Delta> {
        let from = delta.origin();
        let more = opening.len() as u64;
        let branch = self.branches.get_mut(&from)?;
        branch.to.1 += more;
        let (common, is_first) = (branch.common, more > 0);
        let ((origin, first), changes) = self.moved(delta);
        if changes.is_empty() {
            self.branches.get_mut(&from)?.to.1 -= more;
            return None;
        }
        let mut deps = self.deps(delta, origin);
        if is_first && common > 0 {
            deps.set_at_least(from, common);
        }
        opening.extend(changes);
        let deps: Vec<_> = deps.iter().collect();
        Some(Delta::of(origin, first - more, delta.stamp(), &deps, &opening))
    }

    /// Maps the changes to their other dots, and returns them with the first of these dots.
    fn moved(&mut self, delta: &Delta) -> ((ReplicaId, u64), Vec<Change>) {
        let origin = delta.origin();
        let (mut first, mut changes) = (delta.first(), Vec::with_capacity(delta.changes().len()));
        for (change, own) in delta.changes().zip(delta.first()..) {
            let effect = self.effect(&change, (origin, own));
            if effect.does_nothing() {
                if let Some(branch) = self.branches.get_mut(&origin) {
                    let place = branch.lost.partition_point(|&(first, _)| first < own);
                    branch.lost.insert(place, (own, own));
                }
                continue;
            }
            if changes.is_empty() {
                first = own;
            }
            changes.push(Change { path: self.path(&change.path), effect });
        }
        (self.pair((origin, first)), changes)
    }

    /// Returns the deps of a delta of a branch under its new `origin`.
    fn deps(&self, delta: &Delta, origin: ReplicaId) -> VersionVector {
        let mut deps = VersionVector::new();
        for pair in delta.deps() {
            let (id, counter) = if self.has(pair) { self.last_there(pair) } else { pair };
            if id != origin && counter > 0 && !self.is_lost((id, counter)) {
                deps.set_at_least(id, counter);
            }
        }
        deps
    }

    /// True if a dot will never be there.
    fn is_lost(&self, (id, counter): (ReplicaId, u64)) -> bool {
        if let Some(branch) = self.branches.get(&id).filter(|branch| counter > branch.common) {
            return branch.lost.iter().any(|&(first, last)| (first..=last).contains(&counter));
        }
        self.seen.as_ref().is_some_and(|seen| counter > seen.get(id))
    }

    /// Maps a dot of a branch. A lost dot stays as it is.
    fn pair(&self, (id, counter): (ReplicaId, u64)) -> (ReplicaId, u64) {
        let branch = self.branches.get(&id).filter(|branch| counter > branch.common);
        let Some(branch) = branch.filter(|_| !self.is_lost((id, counter))) else {
            return (id, counter);
        };
        let before = branch.lost.iter().take_while(|&&(_, last)| last < counter);
        let closed: u64 = before.map(|(first, last)| last - first + 1).sum();
        (branch.to.0, branch.to.1 + counter - branch.common - closed)
    }

    /// Returns the dot under which an event stands once it is rewritten.
    pub fn dot(&self, dot: Dot) -> Dot {
        let (id, counter) = self.pair((dot.replica(), dot.counter()));
        Dot::new(id, counter).unwrap_or(dot)
    }

    fn dots(&self, dots: &[Dot]) -> Ends {
        let is_there = |dot: &&Dot| !self.is_lost((dot.replica(), dot.counter()));
        let mut dots: Ends = dots.iter().filter(is_there).map(|&dot| self.dot(dot)).collect();
        dots.sort_unstable();
        dots
    }

    /// Maps a path, which may name list items and tree nodes by their dots.
    fn path(&self, path: &Path) -> Path {
        let mut mapped = Vec::with_capacity(path.as_bytes().len());
        let mut above = Kind::Map;
        let mut rest = path.as_bytes();
        while let Some((name, kind, below)) = crate::path::split(rest) {
            match name.to::<Dot>() {
                Ok(dot) if above.names_by_dot() => self.dot(dot).write(&mut mapped),
                _ => name.write(&mut mapped),
            }
            mapped.push(kind.tag());
            (above, rest) = (kind, below);
        }
        Path::parse(mapped).unwrap_or_else(|_| path.clone())
    }

    fn effect(&mut self, change: &Change, own: (ReplicaId, u64)) -> Effect {
        match &change.effect {
            Effect::Element { ends, add } => Effect::Element { ends: self.dots(ends), add: *add },
            Effect::Register { ends, value } => {
                let value = value.as_ref().map(|value| match change.path.kind() {
                    Some(Kind::ListItem | Kind::TreeNode) => self.atom(value),
                    Some(Kind::Siblings) => self.written(value),
                    _ => value.clone(),
                });
                Effect::Register { ends: self.dots(ends), value }
            }
            Effect::Move { ends, value } => {
                Effect::Move { ends: self.dots(ends), value: self.atom(value) }
            }
            Effect::Hide { ends, seen } => {
                Effect::Hide { ends: self.dots(ends), seen: Box::new(self.seen_now(seen)) }
            }
            Effect::Count(totals) => Effect::Count(self.totals(&change.path, *totals, own)),
            Effect::Reset { floors, ends } => {
                let mut floors: Vec<Floor> =
                    floors.iter().flat_map(|floor| self.floor(&change.path, floor)).collect();
                floors.sort_unstable_by_key(|floor| floor.last);
                Effect::Reset { floors, ends: self.dots(ends) }
            }
            Effect::Correct { ends, put } => Effect::Correct {
                ends: self.dots(ends),
                put: put.as_ref().and_then(|put| self.correction(&change.path, put)),
            },
            Effect::Contest { ends, put } => Effect::Contest { ends: self.dots(ends), put: *put },
            Effect::Rights(totals) => {
                let branch = self.branches.get(&own.0);
                let base = branch.and_then(|branch| branch.base.rights.get(&change.path));
                let base = base.cloned().unwrap_or_default();
                let passed = |(to, amount): (ReplicaId, u64)| {
                    let before = base.moved.get(&to).copied().unwrap_or_default();
                    (to, amount.saturating_sub(before))
                };
                Effect::Rights(Box::new(RightsTotals {
                    granted: totals.granted.saturating_sub(base.granted),
                    spent: totals.spent.saturating_sub(base.spent),
                    moved: totals.moved.map(passed),
                    retires: totals.retires,
                    yields: match rejoin_vclock::mutant!("branch-keeps-its-balance") {
                        true => totals.yields,
                        false => totals.yields.or(Some(own.0)),
                    },
                }))
            }
            Effect::Below { seen } => {
                // The origin's own dots from before the branch are another id's now, and were seen.
                let mut seen = self.seen_now(seen);
                if let Some(branch) = self.branches.get(&own.0).filter(|at| at.common > 0) {
                    seen.set_at_least(own.0, branch.common);
                }
                Effect::Below { seen: Box::new(seen) }
            }
        }
    }

    /// Maps a vector of seen events to those that are there: for a branch, the events before it and
    /// those of it that are there.
    fn seen_now(&self, seen: &VersionVector) -> VersionVector {
        let mut now = VersionVector::new();
        for (id, counter) in seen {
            let there = match (self.branches.get(&id), &self.seen) {
                (Some(branch), _) => counter.min(branch.common),
                (None, Some(seen)) => counter.min(seen.get(id)),
                (None, None) => counter,
            };
            let beyond = self.has((id, counter)).then(|| self.last_there((id, counter)));
            for (id, counter) in beyond.into_iter().chain([(id, there)]) {
                if counter > 0 {
                    now.set_at_least(id, counter);
                }
            }
        }
        now
    }

    /// Returns the last dot of a branch up to this one that is not lost, after mapping.
    fn last_there(&self, (id, counter): (ReplicaId, u64)) -> (ReplicaId, u64) {
        let Some(branch) = self.branches.get(&id) else { return (id, counter) };
        let there = (branch.common + 1..=counter).rev().find(|&at| !self.is_lost((id, at)));
        there.map_or((id, branch.common), |at| self.pair((id, at)))
    }

    /// Returns the record that was there where the branch began, if `totals` continues it.
    fn before(&self, origin: ReplicaId, path: &Path, totals: &Totals) -> Option<Floor> {
        if rejoin_vclock::mutant!("rebase-keeps-totals") {
            return None;
        }
        let branch = self.branches.get(&origin)?;
        let base = branch.base.counted.get(path)?;
        let goes_on = base.totals.start == totals.start && totals.start <= branch.common;
        goes_on.then_some(*base)
    }

    fn totals(&mut self, path: &Path, totals: Totals, own: (ReplicaId, u64)) -> Totals {
        let base = self.before(own.0, path, &totals);
        let (to, here) = self.pair(own);
        let is_begun = base.is_some() || self.is_lost((own.0, totals.start));
        let began = self.pair((own.0, totals.start)).1;
        let Some(branch) = self.branches.get_mut(&own.0) else { return totals };
        let start = match branch.begun.get(path) {
            Some(&(began, start)) if began == totals.start => start,
            _ if is_begun => {
                branch.begun.insert(path.clone(), (totals.start, here));
                here
            }
            _ => began,
        };
        let totals = match base {
            Some(base) => since(&base, totals, start),
            None => Totals { start, ..totals },
        };
        if let Ok(last) = Dot::new(to, here) {
            branch.last.insert(path.clone(), Floor { last, totals });
        }
        totals
    }

    /// Maps a floor. A floor under a record that continues one from before becomes a floor under
    /// each. A lost dot has no record: the floor becomes one under the record before it, if there
    /// is one.
    fn floor(&self, path: &Path, floor: &Floor) -> Vec<Floor> {
        let named = (floor.last.replica(), floor.last.counter());
        let last = self.dot(floor.last);
        let base = || self.before(named.0, path, &floor.totals);
        let branch = self.branches.get(&named.0);
        if self.is_lost(named) {
            let before = branch.and_then(|branch| branch.last.get(path)).copied();
            return base().into_iter().chain(before).collect();
        }
        if last == floor.last {
            return alloc::vec![*floor];
        }
        let base = base();
        let start = match branch.and_then(|branch| branch.begun.get(path)) {
            Some(&(began, start)) if began == floor.totals.start => start,
            _ if base.is_some() => last.counter(),
            _ => self.pair((named.0, floor.totals.start)).1,
        };
        let here = |totals| Floor { last, totals };
        match base {
            Some(base) => alloc::vec![base, here(since(&base, floor.totals, start))],
            None => alloc::vec![here(Totals { start, ..floor.totals })],
        }
    }

    /// Maps a correction; `None` if it names nothing that is there. A span is what one floor takes
    /// away and another does not, and floors are mapped.
    fn correction(&self, path: &Path, correction: &Correction) -> Option<Correction> {
        let floors = |owner, point: &Point| {
            let last = Dot::new(owner, point.counter).ok();
            let floor = last.map(|last| Floor { last, totals: point.totals });
            floor.map_or_else(Vec::new, |floor| self.floor(path, &floor))
        };
        let mut spans = Vec::new();
        for span in &correction.spans {
            let begins = span.from == Point::before(span.to.totals.start);
            let before = if begins { Vec::new() } else { floors(span.owner, &span.from) };
            spans.extend(floors(span.owner, &span.to).iter().filter_map(|to| {
                let from = before.iter().find(|from| from.last.replica() == to.last.replica());
                let from = from.map_or(Point::before(to.totals.start), Point::of);
                Span::new(to.last.replica(), from, Point::of(to))
            }));
        }
        spans.sort_unstable();
        (!spans.is_empty()).then_some(Correction { takes: correction.takes, spans })
    }

    /// Maps the dots that a write of siblings has replaced, and that of its base. The base of a
    /// write that is lost is nothing that others have seen.
    fn written(&self, value: &RawAtom) -> RawAtom {
        let written = value.to::<Written>().ok();
        let written = written.filter(|_| !rejoin_vclock::mutant!("rebase-spares-siblings"));
        let Some(Written { value, parents, base }) = written else { return value.clone() };
        let base = base.filter(|base| !self.is_lost((base.dot.replica(), base.dot.counter())));
        let base = base.map(|base| SiblingBase { dot: self.dot(base.dot), ..base });
        RawAtom::of(&Written { value, parents: self.dots(&parents).into_vec(), base })
    }

    /// Maps the dots in an atom, at any depth.
    fn atom(&self, value: &RawAtom) -> RawAtom {
        let mut mapped = Vec::new();
        let mut rest = value.as_bytes();
        while !rest.is_empty() {
            let mut reader = Reader::new(rest);
            if let Ok(dot) = Dot::read(&mut reader) {
                self.dot(dot).write(&mut mapped);
            } else {
                reader = Reader::new(rest);
                // A list is entered; any other atom is copied whole.
                let whole = atom::opens_list(rest).then_some(1);
                let end = whole.unwrap_or_else(|| match atom::skip(&mut reader) {
                    Ok(bytes) => bytes.len(),
                    Err(_) => 1,
                });
                mapped.extend_from_slice(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            rest = &rest[reader.position()..];
        }
        RawAtom::from_bytes(mapped).unwrap_or_else(|| value.clone())
    }
}

/// Returns the totals since the branch began.
fn since(base: &Floor, totals: Totals, start: u64) -> Totals {
    Totals {
        start,
        increments: totals.increments.saturating_sub(base.totals.increments),
        decrements: totals.decrements.saturating_sub(base.totals.decrements),
    }
}
