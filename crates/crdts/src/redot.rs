//! The same changes under other dots: a branch of an origin's history, written anew.
//!
//! When two copies of a store wrote under one id, one of them gives it up, and what only it has
//! goes on under a new id. All dots of the branch are mapped: its own, those that it ends, those
//! that name list items and tree nodes, and those inside of their places. Totals of counters run
//! over the whole life of an origin, so those of the branch are counted from where it began.
//!
//! # Invariants
//! 1. What the branch did to everything else is what it did before, dot by dot.
//! 2. Of counters and rights, the old id keeps what it had where the branch began; the sum is the
//!    same.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::codec::Reader;
use rejoin_vclock::{Dot, ReplicaId};

use crate::atom::{self, Atom, RawAtom};
use crate::delta::{Change, Delta, Effect, Floor, Totals};
use crate::kind::Kind;
use crate::path::Path;

/// A map of dots: those of one replica beyond a counter become those of another beyond another.
#[derive(Clone, Debug)]
pub struct Redot {
    from: (ReplicaId, u64),
    to: (ReplicaId, u64),
    /// What the origin had counted where the branch begins, by path.
    counted: BTreeMap<Path, Floor>,
    /// Where the counter records of the branch begin that go on with one from before.
    begun: BTreeMap<Path, u64>,
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
        Self { from, to, counted: BTreeMap::new(), begun: BTreeMap::new(), rights: BTreeMap::new() }
    }

    /// How much a counter beyond the branch's beginning is greater under the new id.
    pub const fn onto(&self) -> u64 {
        self.to.1
    }

    /// Takes in a delta of the origin before the branch, in order: totals go on from there.
    pub fn learn(&mut self, delta: &Delta) {
        for (change, counter) in delta.changes.iter().zip(delta.first..) {
            match (&change.effect, Dot::new(delta.origin, counter)) {
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

    /// The first delta of the branch: `extra` changes go before its own, and its deps are given.
    pub fn first(
        &mut self,
        delta: &Delta,
        deps: Vec<(ReplicaId, u64)>,
        extra: Vec<Change>,
    ) -> Delta {
        let first = self.to.1 + 1;
        self.to.1 += extra.len() as u64;
        let Delta { origin, stamp, changes, .. } = self.apply(delta);
        let changes = extra.into_iter().chain(changes).collect();
        Delta { origin, first, stamp, deps, changes }
    }

    /// A later delta of the branch, in order.
    pub fn apply(&mut self, delta: &Delta) -> Delta {
        let change = |(change, own): (&Change, u64)| Change {
            path: self.path(&change.path),
            effect: self.effect(change, own),
        };
        let changes = delta.changes.iter().zip(delta.first..).map(change).collect();
        let (origin, first) = self.pair((delta.origin, delta.first));
        let mut deps: Vec<_> = delta.deps.iter().map(|&pair| self.pair(pair)).collect();
        deps.sort_unstable();
        Delta { origin, first, stamp: delta.stamp, deps, changes }
    }

    fn pair(&self, (id, counter): (ReplicaId, u64)) -> (ReplicaId, u64) {
        match counter.checked_sub(self.from.1) {
            Some(beyond) if id == self.from.0 && beyond > 0 => (self.to.0, self.to.1 + beyond),
            _ => (id, counter),
        }
    }

    fn dot(&self, dot: Dot) -> Dot {
        let (id, counter) = self.pair((dot.replica(), dot.counter()));
        Dot::new(id, counter).unwrap_or(dot)
    }

    fn dots(&self, dots: &[Dot]) -> Vec<Dot> {
        let mut dots: Vec<Dot> = dots.iter().map(|&dot| self.dot(dot)).collect();
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
        let Some(base) = self.before(path, &totals) else {
            let (_, start) = self.pair((self.from.0, totals.start));
            return Totals { start, ..totals };
        };
        let (_, own) = self.pair((self.from.0, own));
        let start = *self.begun.entry(path.clone()).or_insert(own);
        since(&base, totals, start)
    }

    /// A floor under a record that goes on with one from before is one under each.
    fn floor(&self, path: &Path, floor: &Floor) -> Vec<Floor> {
        let last = self.dot(floor.last);
        if last == floor.last {
            return alloc::vec![*floor];
        }
        match self.before(path, &floor.totals) {
            Some(base) => {
                let start = self.begun.get(path).copied().unwrap_or(last.counter());
                alloc::vec![base, Floor { last, totals: since(&base, floor.totals, start) }]
            }
            None => {
                let (_, start) = self.pair((self.from.0, floor.totals.start));
                alloc::vec![Floor { last, totals: Totals { start, ..floor.totals } }]
            }
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
