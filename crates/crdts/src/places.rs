//! Where one item of a list stands: its live positions, and the dead ones that others anchor on.
//!
//! A position is a node of the list's order (see [`crate::sequence`]). Moving or removing the item
//! ends the positions that were seen; an ended position is kept as a *dead anchor*, because a
//! concurrent insertion may hang on it. It carries its tag, the dot of the operation that ended it
//! (of several the smallest), by which a cut judges it.

use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use crate::atom::Atom;
use crate::cell::Leaf;
use crate::context::{Context, Join, LocalDot};
use crate::delta::{At, Covered, Effect};
use crate::dots::sorted;
use crate::lww_register::Write;
use crate::state_codec::Names;

/// One position: what was written, and since when it is dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub write: Write,
    pub dead: Option<LocalDot>,
}

/// The positions of one item, the one that stands first: the live ones, the latest first, then the
/// dead ones, the latest first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Places(pub Vec<Place>);

type Rank = (ReplicaId, u64);

impl Places {
    pub(crate) fn live(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter(|place| place.dead.is_none())
    }

    pub(crate) fn dots(&self, context: &Context) -> Vec<Dot> {
        sorted(self.live().map(|place| place.write.dot), context)
    }

    fn sort(&mut self, rank: impl Fn(LocalDot) -> Rank) {
        self.0.sort_by_key(|place| {
            (place.dead.is_some(), Reverse((place.write.stamp, rank(place.write.dot))))
        });
    }

    /// Lets the positions that `ended` names die of the operation `tag`. Whether anything changed.
    fn kill(
        &mut self,
        tag: LocalDot,
        ended: impl Fn(LocalDot) -> bool,
        rank: impl Fn(LocalDot) -> Rank,
    ) -> bool {
        let mut changed = false;
        for place in self.0.iter_mut().filter(|place| ended(place.write.dot)) {
            changed |= place.die(tag, &rank);
        }
        if changed {
            self.sort(rank);
        }
        changed
    }

    pub(crate) fn write(&self, names: &Names<'_>, out: &mut Vec<u8>) {
        write_varint(out, self.0.len() as u64);
        for Place { write, dead } in &self.0 {
            names.write_local(write.dot, out);
            write.stamp.encode(out);
            write.value.write(out);
            match dead {
                None => out.push(0),
                Some(tag) => {
                    out.push(1);
                    names.write_local(*tag, out);
                }
            }
        }
    }

    pub(crate) fn read(
        count: usize,
        names: &Names<'_>,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let mut places = Self(Vec::with_capacity(count));
        let mut before = None;
        for _ in 0..count {
            let dot = names.read_dot(reader)?;
            let stamp = HybridTimestamp::decode(reader)?;
            let value = Atom::read(reader)?;
            let dead = match reader.byte()? {
                0 => None,
                1 => Some(names.read_dot(reader)?),
                tag => return Err(DecodeError::UnknownTag { what: "position", tag }),
            };
            let rank = Some((Reverse(dead.is_some()), stamp, names.dot(dot)));
            if before.is_some() && rank >= before {
                return Err(DecodeError::NotCanonical("the order of positions"));
            }
            before = rank;
            places.0.push(Place { write: Write { dot, stamp, value }, dead });
        }
        Ok(places)
    }
}

impl Place {
    /// Dies of an operation; of several the smallest is the tag. Whether anything changed.
    fn die(&mut self, tag: LocalDot, rank: impl Fn(LocalDot) -> Rank) -> bool {
        let earlier = self.dead.is_none_or(|before| rank(tag) < rank(before));
        if earlier {
            self.dead = Some(tag);
        }
        earlier
    }
}

impl Leaf for Places {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Register { ends, value } = effect else { return false };
        let rank = |dot: LocalDot| (at.context.id(dot.slot()), dot.counter());
        let ended = self.kill(at.dot, |dot| ends.contains(&at.context.dot(dot)), rank);
        if let Some(value) = value {
            let write = Write { dot: at.dot, stamp: at.stamp, value: value.clone() };
            self.0.push(Place { write, dead: None });
            self.sort(rank);
        }
        ended || value.is_some()
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.kill(covered.tag, |dot| covered.contains(dot), |dot| covered.rank(dot))
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let rank = |dot: LocalDot| (join.id(dot.slot()), dot.counter());
        let their = |dot: LocalDot| theirs.0.iter().find(|other| join.dot(other.write.dot) == dot);
        let before = self.0.len();
        self.0.retain(|mine| their(mine.write.dot).is_some() || !join.they_saw(mine.write.dot));
        let mut changed = self.0.len() < before;
        for mine in &mut self.0 {
            if let Some(tag) = their(mine.write.dot).and_then(|other| other.dead) {
                changed |= mine.die(join.dot(tag), rank);
            }
        }
        for other in &theirs.0 {
            let dot = join.dot(other.write.dot);
            if !join.we_saw(dot) {
                let write = Write { dot, ..other.write.clone() };
                self.0.push(Place { write, dead: other.dead.map(|tag| join.dot(tag)) });
                changed = true;
            }
        }
        if changed {
            self.sort(rank);
        }
        changed
    }

    fn is_visible(&self) -> bool {
        self.live().next().is_some()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}
