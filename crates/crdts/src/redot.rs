//! The same changes under other dots: a branch of an origin's history, written anew.
//!
//! When two copies of a store wrote under one id, one of them gives it up, and what only it has
//! goes on under a new id. All dots of the branch are mapped: its own, those that it ends, those
//! that name list items and tree nodes, and those inside of their places. Totals of counters run
//! over the whole life of an origin, so those of the branch are counted from where it began.
//!
//! Some of the branch may be lost. What only the lost part names goes with it; what it counted is
//! there again, as later totals have it.
//!
//! # Invariants
//! 1. What the branch did to everything else is what it did before, dot by dot.
//! 2. Of counters and rights, the old id keeps what it had where the branch began; the sum is the
//!    same.
//! 3. Dots that are lost, or that nobody here has seen, are named nowhere but in places: what stood
//!    beside a lost item stands at the end of its list.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::codec::Reader;
use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::atom::{self, Atom, RawAtom};
use crate::delta::{Change, Delta, Effect, Floor, Totals};
use crate::kind::Kind;
use crate::path::Path;

/// A map of dots: those of one replica beyond a counter become those of another beyond another.
#[derive(Clone, Debug)]
pub struct Redot {
    from: (ReplicaId, u64),
    to: (ReplicaId, u64),
    /// Ranges of the branch that are lost, both ends in them, ascending.
    lost: Vec<(u64, u64)>,
    /// What of others is there; `None` where all is.
    seen: Option<VersionVector>,
    /// What the origin had counted where the branch begins, by path.
    counted: BTreeMap<Path, Floor>,
    /// The counter records of the branch that do not begin where they did: those that go on with
    /// one from before, and those whose beginning is lost. Where they began, and where now.
    begun: BTreeMap<Path, (u64, u64)>,
    /// The last counter records of the branch, as they are now.
    last: BTreeMap<Path, Floor>,
    /// What the origin had of rights where the branch begins.
    rights: BTreeMap<Path, Rights>,
}

#[derive(Clone, Default, Debug)]
struct Rights {
    granted: u64,
    spent: u64,
    moved: BTreeMap<ReplicaId, u64>,
}

impl Redot {
    /// Dot `from.1 + n` of `from.0` becomes dot `to.1 + n` of `to.0`.
    pub fn new(from: (ReplicaId, u64), to: (ReplicaId, u64)) -> Self {
        let (lost, seen) = (Vec::new(), None);
        let (counted, begun) = (BTreeMap::new(), BTreeMap::new());
        let (last, rights) = (BTreeMap::new(), BTreeMap::new());
        Self { from, to, lost, seen, counted, begun, last, rights }
    }

    /// As [`new`](Self::new), for a branch of which some is lost, in a place that has `seen` so
    /// much: the ranges of counters (both ends in them, ascending) that nobody will bring back. The
    /// dots behind them close up.
    pub fn without(
        from: (ReplicaId, u64),
        to: (ReplicaId, u64),
        lost: Vec<(u64, u64)>,
        seen: VersionVector,
    ) -> Self {
        Self { lost, seen: Some(seen), ..Self::new(from, to) }
    }

    /// How much a counter beyond the branch's beginning is greater under the new id.
    pub const fn onto(&self) -> u64 {
        self.to.1
    }

    /// Takes in a delta of the origin before the branch, in order: totals go on from there.
    pub fn learn(&mut self, delta: &Delta) {
        let origin = delta.origin();
        for (change, counter) in delta.changes().zip(delta.first()..) {
            match (&change.effect, Dot::new(origin, counter)) {
                (Effect::Counter { totals: Some(totals), .. }, Ok(last)) => {
                    self.counted.insert(change.path.clone(), Floor { last, totals: *totals });
                }
                (Effect::Rights { granted, spent, moved }, _) => {
                    let rights = self.rights.entry(change.path.clone()).or_default();
                    (rights.granted, rights.spent) = (*granted, *spent);
                    rights.moved.extend(*moved);
                }
                _ => {}
            }
        }
    }

    /// A delta of the branch, in order, with the deps that it has now; `extra` changes go before
    /// its own. `None` where it does nothing any more.
    pub fn anew(
        &mut self,
        delta: &Delta,
        deps: &[(ReplicaId, u64)],
        mut extra: Vec<Change>,
    ) -> Option<Delta> {
        let more = extra.len() as u64;
        self.to.1 += more;
        let ((origin, first), changes) = self.moved(delta);
        if changes.is_empty() {
            self.to.1 -= more;
            return None;
        }
        extra.extend(changes);
        Some(Delta::of(origin, first - more, delta.stamp(), deps, &extra))
    }

    /// A delta of the branch, in order, with the deps that it had. What only ended something
    /// that is lost is left out, and its dot with it.
    pub fn apply(&mut self, delta: &Delta) -> Delta {
        let ((origin, first), changes) = self.moved(delta);
        let mut deps: Vec<_> = delta.deps().into_iter().map(|pair| self.pair(pair)).collect();
        deps.sort_unstable();
        Delta::of(origin, first, delta.stamp(), &deps, &changes)
    }

    /// The changes under their other dots, and the first of these.
    fn moved(&mut self, delta: &Delta) -> ((ReplicaId, u64), Vec<Change>) {
        let (mut first, mut changes) = (delta.first(), Vec::with_capacity(delta.changes().len()));
        for (change, own) in delta.changes().zip(delta.first()..) {
            let effect = self.effect(&change, own);
            if effect.does_nothing() {
                let place = self.lost.partition_point(|&(first, _)| first < own);
                self.lost.insert(place, (own, own));
                continue;
            }
            if changes.is_empty() {
                first = own;
            }
            changes.push(Change { path: self.path(&change.path), effect });
        }
        (self.pair((delta.origin(), first)), changes)
    }

    /// Whether a dot will never be there.
    fn is_lost(&self, (id, counter): (ReplicaId, u64)) -> bool {
        if id == self.from.0 && counter > self.from.1 {
            return self.lost.iter().any(|&(first, last)| (first..=last).contains(&counter));
        }
        self.seen.as_ref().is_some_and(|seen| counter > seen.get(id))
    }

    /// What is lost stays what it is.
    fn pair(&self, (id, counter): (ReplicaId, u64)) -> (ReplicaId, u64) {
        let beyond = counter.checked_sub(self.from.1).filter(|&beyond| beyond > 0);
        let Some(beyond) = beyond.filter(|_| id == self.from.0 && !self.is_lost((id, counter)))
        else {
            return (id, counter);
        };
        let before = self.lost.iter().take_while(|&&(_, last)| last < counter);
        let closed: u64 = before.map(|(first, last)| last - first + 1).sum();
        (self.to.0, self.to.1 + beyond - closed)
    }

    /// All of a replica up to a counter: of the branch's, what was before it and what is there of
    /// it.
    fn up_to(&self, (id, counter): (ReplicaId, u64)) -> Vec<(ReplicaId, u64)> {
        if id != self.from.0 || counter <= self.from.1 {
            let seen = self.seen.as_ref().filter(|_| id != self.from.0);
            let counter = seen.map_or(counter, |seen| seen.get(id).min(counter));
            return [(id, counter)].into_iter().filter(|&(_, counter)| counter > 0).collect();
        }
        let before = |&&(first, _): &&(u64, u64)| first <= counter;
        let lost = self.lost.iter().take_while(before);
        let closed: u64 = lost.map(|&(first, last)| last.min(counter) - first + 1).sum();
        let beyond = counter - self.from.1 - closed;
        let branch = (self.to.0, if beyond == 0 { 0 } else { self.to.1 + beyond });
        [(id, self.from.1), branch].into_iter().filter(|&(_, counter)| counter > 0).collect()
    }

    fn dot(&self, dot: Dot) -> Dot {
        let (id, counter) = self.pair((dot.replica(), dot.counter()));
        Dot::new(id, counter).unwrap_or(dot)
    }

    fn dots(&self, dots: &[Dot]) -> Vec<Dot> {
        let is_there = |dot: &&Dot| !self.is_lost((dot.replica(), dot.counter()));
        let mut dots: Vec<Dot> = dots.iter().filter(is_there).map(|&dot| self.dot(dot)).collect();
        dots.sort_unstable();
        dots
    }

    /// A path may name list items and tree nodes by their dots.
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

    fn effect(&mut self, change: &Change, own: u64) -> Effect {
        match &change.effect {
            Effect::Element { ends, add } => Effect::Element { ends: self.dots(ends), add: *add },
            Effect::Register { ends, value } => {
                let named = matches!(change.path.kind(), Some(Kind::ListItem | Kind::TreeNode));
                let value = value.as_ref().map(|value| match named {
                    true => self.atom(value),
                    false => value.clone(),
                });
                Effect::Register { ends: self.dots(ends), value }
            }
            Effect::Move { ends, value } => {
                Effect::Move { ends: self.dots(ends), value: self.atom(value) }
            }
            Effect::Hide { ends, seen } => {
                let seen = seen.iter().flat_map(|pair| self.up_to(pair)).collect();
                Effect::Hide { ends: self.dots(ends), seen }
            }
            Effect::Counter { totals, floors } => {
                let mut floors: Vec<Floor> =
                    floors.iter().flat_map(|floor| self.floor(&change.path, floor)).collect();
                floors.sort_unstable_by_key(|floor| floor.last);
                let totals = totals.map(|totals| self.totals(&change.path, totals, own));
                Effect::Counter { totals, floors }
            }
            Effect::Contest { ends, put } => Effect::Contest { ends: self.dots(ends), put: *put },
            Effect::Rights { granted, spent, moved } => {
                let base = self.rights.get(&change.path).cloned().unwrap_or_default();
                let passed = |(to, amount): (ReplicaId, u64)| {
                    let before = base.moved.get(&to).copied().unwrap_or_default();
                    (to, amount.saturating_sub(before))
                };
                Effect::Rights {
                    granted: granted.saturating_sub(base.granted),
                    spent: spent.saturating_sub(base.spent),
                    moved: moved.map(passed),
                }
            }
            Effect::Below { seen } => {
                // What was one's own before the branch is another's now, and was seen.
                let before = (self.from.0, self.from.1);
                let others = seen.iter().filter(|&(id, _)| id != self.to.0);
                let there = |(id, counter)| match &self.seen {
                    Some(seen) if id != self.from.0 => (id, seen.get(id).min(counter)),
                    _ => (id, counter),
                };
                let others = others.map(there).filter(|&(_, counter)| counter > 0);
                Effect::Below { seen: others.chain((before.1 > 0).then_some(before)).collect() }
            }
        }
    }

    /// The record that was there where the branch began, if `totals` goes on with it.
    fn before(&self, path: &Path, totals: &Totals) -> Option<Floor> {
        if rejoin_vclock::mutant!("redot-keeps-totals") {
            return None;
        }
        let base = self.counted.get(path)?;
        (base.totals.start == totals.start && totals.start <= self.from.1).then_some(*base)
    }

    fn totals(&mut self, path: &Path, totals: Totals, own: u64) -> Totals {
        let base = self.before(path, &totals);
        let (to, own) = self.pair((self.from.0, own));
        let start = match self.begun.get(path) {
            Some(&(began, start)) if began == totals.start => start,
            _ if base.is_some() || self.is_lost((self.from.0, totals.start)) => {
                self.begun.insert(path.clone(), (totals.start, own));
                own
            }
            _ => self.pair((self.from.0, totals.start)).1,
        };
        let totals = match base {
            Some(base) => since(&base, totals, start),
            None => Totals { start, ..totals },
        };
        if let Ok(last) = Dot::new(to, own) {
            self.last.insert(path.clone(), Floor { last, totals });
        }
        totals
    }

    /// A floor under a record that goes on with one from before is one under each. Of what is lost
    /// there is no record: it took away the one before that, if there is one.
    fn floor(&self, path: &Path, floor: &Floor) -> Vec<Floor> {
        let named = (floor.last.replica(), floor.last.counter());
        let last = self.dot(floor.last);
        if self.is_lost(named) {
            let of_branch = named.0 == self.from.0;
            let base = of_branch.then(|| self.before(path, &floor.totals)).flatten();
            let before = self.last.get(path).filter(|_| of_branch).copied();
            return base.into_iter().chain(before).collect();
        }
        if last == floor.last {
            return alloc::vec![*floor];
        }
        let base = self.before(path, &floor.totals);
        let start = match self.begun.get(path) {
            Some(&(began, start)) if began == floor.totals.start => start,
            _ if base.is_some() => last.counter(),
            _ => self.pair((self.from.0, floor.totals.start)).1,
        };
        let here = |totals| Floor { last, totals };
        match base {
            Some(base) => alloc::vec![base, here(since(&base, floor.totals, start))],
            None => alloc::vec![here(Totals { start, ..floor.totals })],
        }
    }

    /// An atom in which dots may stand, at any depth.
    fn atom(&self, value: &RawAtom) -> RawAtom {
        let mut mapped = Vec::new();
        let mut rest = value.as_bytes();
        while !rest.is_empty() {
            let mut reader = Reader::new(rest);
            if let Ok(dot) = Dot::read(&mut reader) {
                self.dot(dot).write(&mut mapped);
            } else {
                reader = Reader::new(rest);
                // A list is entered, anything else is taken over whole.
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

/// What was counted since the branch began.
fn since(base: &Floor, totals: Totals, start: u64) -> Totals {
    Totals {
        start,
        increments: totals.increments.saturating_sub(base.totals.increments),
        decrements: totals.decrements.saturating_sub(base.totals.decrements),
    }
}
