//! The replicas that a delta names, and dots that name their replica by them.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_vclock::codec::{DecodeError, Reader, write_varint};
use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::delta::codec::Head;
use crate::delta::{Change, Ends};
use crate::ordered::Anchor;
use crate::path::{Kind, RawAtom};

/// The error for a delta that honest origins cannot make.
pub(crate) const fn cannot_know() -> DecodeError {
    DecodeError::Invalid("a delta that names what it cannot know")
}

/// The replicas that a delta names beside its origin, each once, for writing it.
pub(crate) struct IdTable {
    pub others: Vec<ReplicaId>,
}

impl IdTable {
    pub(crate) fn of(origin: ReplicaId, deps: &[(ReplicaId, u64)], changes: &[Change]) -> Self {
        let mut others = Vec::new();
        let mut add = |(id, _): (ReplicaId, u64)| {
            if id != origin {
                others.push(id);
            }
        };
        deps.iter().copied().for_each(&mut add);
        changes.iter().for_each(|change| change.effect.named().for_each(&mut add));
        others.sort_unstable();
        others.dedup();
        Self { others }
    }

    pub(crate) fn write(&self, id: ReplicaId, counter: u64, out: &mut Vec<u8>) {
        let index = self.others.binary_search(&id).map_or(0, |index| index as u64 + 1);
        write_varint(out, index);
        write_varint(out, counter);
    }

    pub(crate) fn write_vector(&self, vector: &VersionVector, out: &mut Vec<u8>) {
        write_varint(out, vector.len() as u64);
        vector.iter().for_each(|(id, counter)| self.write(id, counter, out));
    }

    pub(crate) fn write_dots(&self, dots: &[Dot], out: &mut Vec<u8>) {
        if !dots.is_empty() {
            write_varint(out, dots.len() as u64);
        }
        dots.iter().for_each(|dot| self.write(dot.replica(), dot.counter(), out));
    }
}

/// The replicas that a delta names, as they stand in its bytes.
#[derive(Debug)]
pub(crate) struct Ids<'a> {
    origin: ReplicaId,
    others: &'a [u8],
    /// The counter of the operation that is being read.
    pub own: u64,
    /// Decoded values are kept. A reader that only checks needs no memory for them.
    pub keep: bool,
    /// The ids that were named; used by a reader that checks.
    used: Vec<bool>,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(head: &Head<'a>, keep: bool) -> Self {
        let used = if keep { Vec::new() } else { alloc::vec![false; head.ids.len() / 16] };
        Self { origin: head.origin, others: head.ids, own: head.first, keep, used }
    }

    /// Checks that the ids ascend, and that the origin is not among them.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let mut before = None;
        for id in self.others.chunks(16).filter_map(|id| id.first_chunk()) {
            let id = ReplicaId::from_bytes(*id);
            if id == self.origin || before >= Some(id) {
                return Err(DecodeError::NotCanonical("replicas of a delta"));
            }
            before = Some(id);
        }
        Ok(())
    }

    /// Checks that a position in a list hangs on one that was there before.
    pub(crate) fn check_place(&self, kind: Kind, place: &RawAtom) -> Result<(), DecodeError> {
        match Dot::new(self.origin, self.own) {
            Ok(own) if kind == Kind::ListItem && !Anchor::of(place).is_earlier(own) => {
                Err(cannot_know())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn all_used(&self) -> bool {
        self.used.iter().all(|&used| used)
    }

    pub(crate) fn read_pair(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<(ReplicaId, u64), DecodeError> {
        self.read_dot(reader).map(|dot| (dot.replica(), dot.counter()))
    }

    /// Reads a dot; a dot of the origin itself has to come before the operation.
    pub(crate) fn read_dot(&mut self, reader: &mut Reader<'_>) -> Result<Dot, DecodeError> {
        let index = reader.varint()?;
        let id = match index.checked_sub(1) {
            None => self.origin,
            Some(place) => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                let unknown = DecodeError::OutOfRange { what: "replica of a delta", value: index };
                let bytes = self.others.get(place.saturating_mul(16)..).ok_or(unknown)?;
                self.used.get_mut(place).into_iter().for_each(|used| *used = true);
                ReplicaId::from_bytes(*bytes.first_chunk().ok_or(unknown)?)
            }
        };
        let counter = reader.varint()?;
        if id == self.origin && counter >= self.own {
            return Err(cannot_know());
        }
        Dot::new(id, counter)
            .map_err(|_| DecodeError::OutOfRange { what: "counter of a dot", value: counter })
    }

    pub(crate) fn read_list(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<(ReplicaId, u64)>, DecodeError> {
        let count = reader.count(2)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push(self.read_pair(reader)?);
        }
        Ok(pairs)
    }

    /// Reads a vector, and returns it with the number of replicas it names; it names the origin
    /// only if it may.
    pub(crate) fn read_vector(
        &mut self,
        reader: &mut Reader<'_>,
        may_name_origin: bool,
    ) -> Result<(VersionVector, usize), DecodeError> {
        let (mut before, mut ahead) = (None, reader.clone());
        let count = ahead.count(2)?;
        for _ in 0..count {
            let (id, _) = self.read_pair(&mut ahead)?;
            if (id == self.origin && !may_name_origin) || before >= Some(id) {
                return Err(DecodeError::NotCanonical("a vector in a delta"));
            }
            before = Some(id);
        }
        let seen = if self.keep { self.read_list(reader)? } else { Vec::new() };
        *reader = ahead;
        Ok((seen.into_iter().collect(), count))
    }

    pub(crate) fn read_dots(
        &mut self,
        any: bool,
        reader: &mut Reader<'_>,
    ) -> Result<Ends, DecodeError> {
        if !any {
            return Ok(Ends::new());
        }
        let count = reader.count(2)?;
        let mut dots = Ends::with_capacity(if self.keep { count } else { 0 });
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            if before >= Some(dot) {
                return Err(DecodeError::NotCanonical("dots of a delta"));
            }
            before = Some(dot);
            if self.keep {
                dots.push(dot);
            }
        }
        if before.is_none() {
            return Err(DecodeError::NotCanonical("dots of a delta"));
        }
        Ok(dots)
    }
}
