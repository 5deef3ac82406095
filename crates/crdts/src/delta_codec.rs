//! The canonical bytes of a delta.
//!
//! ```text
//! origin (16) · first · stamp · ids: n, then n x 16 ascending · deps: n, then n x (id, counter)
//! · changes: n, then n x (shared, length, path suffix, flags, payload)
//! ```
//!
//! Numbers are varints. An id is 0 for the origin or its place in `ids` plus one. A path repeats
//! the beginning of the path before it, as long as what is decoded stays within a small multiple of
//! what is sent. Flags: 1 something is put, 2 dots end, 4 everything seen below ends, 8 what is put
//! stands for a remove, 16 what is put is only moved, 32 what is
//! put is a removal that hides. The payload is as the kind of the path says.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId, VersionVector};

use crate::atom::{Atom, RawAtom};
use crate::cell::Shape;
use crate::delta::{Change, Delta, Effect, Floor, Stand, Totals};
use crate::kind::Kind;
use crate::path::{Path, shared_prefix};

const PUT: u8 = 1;
const ENDS: u8 = 2;
const BELOW: u8 = 4;
const AGAINST: u8 = 8;
const MOVES: u8 = 16;
const HIDES: u8 = 32;

/// The prefix that a path takes over from the one before it.
///
/// Both sides compute the same answer, so sharing stays canonical; the bound keeps the paths of a
/// hostile delta within five times its length.
pub(crate) fn sharable(previous: &[u8], path: &[u8], decoded: usize, coded: usize) -> usize {
    if may_share(decoded, coded) { shared_prefix(previous, path) } else { 0 }
}

const fn may_share(decoded: usize, coded: usize) -> bool {
    decoded <= 4 * coded + 4096
}

impl Encode for Delta {
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let ids = Ids::of(self);
        self.origin.encode(out);
        write_varint(out, self.first);
        self.stamp.encode(out);
        write_varint(out, ids.others.len() as u64);
        ids.others.iter().for_each(|id| id.encode(out));
        write_varint(out, self.deps.len() as u64);
        for &(id, counter) in &self.deps {
            ids.write(id, counter, out);
        }
        write_varint(out, self.changes.len() as u64);
        let mut previous: &[u8] = &[];
        let mut decoded = 0;
        for change in &self.changes {
            let path = change.path.as_bytes();
            let shared = sharable(previous, path, decoded, out.len() - start);
            write_varint(out, shared as u64);
            write_length_prefixed(out, path.get(shared..).unwrap_or(&[]));
            write_effect(&change.effect, &ids, out);
            decoded += path.len();
            previous = path;
        }
    }
}

impl Decode for Delta {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.position();
        let origin = ReplicaId::decode(reader)?;
        let first = reader.varint()?;
        let stamp = HybridTimestamp::decode(reader)?;
        let mut ids = Ids::decode(origin, reader)?;
        let deps = ids.read_list(reader)?;
        let ascending = deps.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
        if !ascending || deps.iter().any(|&(id, _)| id == origin) {
            return Err(DecodeError::NotCanonical("deps of a delta"));
        }
        let count = reader.count(4)?;
        if !Self::in_range(first, count) {
            return Err(DecodeError::OutOfRange { what: "counter of a delta", value: first });
        }
        let mut changes: Vec<Change> = Vec::with_capacity(count);
        let mut decoded = 0;
        for _ in 0..count {
            let previous = changes.last().map_or(&[][..], |change| change.path.as_bytes());
            let path = read_path(previous, decoded, reader.position() - start, reader)?;
            decoded += path.as_bytes().len();
            let effect = read_effect(&path, &mut ids, reader)?;
            changes.push(Change { path, effect });
        }
        let delta = Self { origin, first, stamp, deps, changes };
        if !ids.all_used() || !delta.speaks_only_of_the_past() {
            return Err(DecodeError::Invalid("a delta that names what it cannot know"));
        }
        Ok(delta)
    }
}

pub(crate) fn read_path(
    previous: &[u8],
    decoded: usize,
    coded: usize,
    reader: &mut Reader<'_>,
) -> Result<Path, DecodeError> {
    let shared = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
    let suffix = reader.length_prefixed()?;
    let prefix = previous.get(..shared).ok_or(DecodeError::Invalid("a shared path prefix"))?;
    let mut bytes = Vec::with_capacity(prefix.len() + suffix.len());
    bytes.extend_from_slice(prefix);
    bytes.extend_from_slice(suffix);
    if shared != sharable(previous, &bytes, decoded, coded) {
        return Err(DecodeError::NotCanonical("a shared path prefix"));
    }
    Path::parse(bytes)
}

fn write_effect(effect: &Effect, ids: &Ids, out: &mut Vec<u8>) {
    let flags = |put: bool, ends: bool| (u8::from(put) * PUT) | (u8::from(ends) * ENDS);
    match effect {
        Effect::Element { ends, add } => {
            out.push(flags(*add, !ends.is_empty()));
            ids.write_dots(ends, out);
        }
        Effect::Register { ends, value } => {
            out.push(flags(value.is_some(), !ends.is_empty()));
            ids.write_dots(ends, out);
            if let Some(value) = value {
                value.write(out);
            }
        }
        Effect::Move { ends, value } => {
            out.push(flags(true, !ends.is_empty()) | MOVES);
            ids.write_dots(ends, out);
            value.write(out);
        }
        Effect::Hide { ends, seen } => {
            out.push(flags(!seen.is_empty(), !ends.is_empty()) | HIDES);
            ids.write_dots(ends, out);
            if !seen.is_empty() {
                ids.write_vector(seen, out);
            }
        }
        Effect::Counter { totals, floors } => {
            out.push(flags(totals.is_some(), !floors.is_empty()));
            if !floors.is_empty() {
                write_varint(out, floors.len() as u64);
            }
            for floor in floors {
                ids.write(floor.last.replica(), floor.last.counter(), out);
                write_totals(&floor.totals, out);
            }
            if let Some(totals) = totals {
                write_totals(totals, out);
            }
        }
        Effect::Contest { ends, put } => {
            let against = u8::from(*put == Some(Stand::Remove)) * AGAINST;
            out.push(flags(put.is_some(), !ends.is_empty()) | against);
            ids.write_dots(ends, out);
        }
        Effect::Rights { granted, spent, moved } => {
            out.push(flags(true, moved.is_some()));
            write_varint(out, *granted);
            write_varint(out, *spent);
            if let Some((to, amount)) = moved {
                to.encode(out);
                write_varint(out, *amount);
            }
        }
        Effect::Below { seen } => {
            out.push(BELOW);
            ids.write_vector(seen, out);
        }
    }
}

fn read_effect(path: &Path, ids: &mut Ids, reader: &mut Reader<'_>) -> Result<Effect, DecodeError> {
    let flags = reader.byte()?;
    let kind = path.kind().ok_or(DecodeError::Invalid("an empty path"))?;
    if flags == BELOW && !kind.is_leaf() {
        return read_below(ids, reader);
    }
    let is_place = matches!(kind, Kind::ListItem | Kind::TreeNode);
    if flags & (MOVES | HIDES) != 0 && (is_place || kind == Kind::MapKey) {
        return read_place(flags, is_place, ids, reader);
    }
    let shape = Shape::of(kind);
    let (put, ends, against) = (flags & PUT != 0, flags & ENDS != 0, flags & AGAINST != 0);
    let known = flags & !(PUT | ENDS | AGAINST) == 0 && (put || ends);
    if !known || (against && !(put && shape == Some(Shape::Contest))) {
        return Err(DecodeError::UnknownTag { what: "effect", tag: flags });
    }
    match shape {
        Some(Shape::Dots) => Ok(Effect::Element { ends: ids.read_dots(ends, reader)?, add: put }),
        Some(Shape::Writes) => {
            let ends = ids.read_dots(ends, reader)?;
            let value = if put { Some(RawAtom::read(reader)?) } else { None };
            Ok(Effect::Register { ends, value })
        }
        Some(Shape::Counter) => {
            let floors = if ends { read_floors(ids, reader)? } else { Vec::new() };
            let totals = if put { Some(read_totals(reader)?) } else { None };
            Ok(Effect::Counter { totals, floors })
        }
        Some(Shape::Contest) => {
            let ends = ids.read_dots(ends, reader)?;
            let put = put.then_some(if against { Stand::Remove } else { Stand::Add });
            Ok(Effect::Contest { ends, put })
        }
        Some(Shape::Rights) if put => read_rights(ends, reader),
        Some(Shape::Rights | Shape::Hidings) | None => {
            Err(DecodeError::UnknownTag { what: "effect", tag: flags })
        }
    }
}

/// A move, or a removal that hides.
fn read_place(
    flags: u8,
    is_place: bool,
    ids: &mut Ids,
    reader: &mut Reader<'_>,
) -> Result<Effect, DecodeError> {
    let (put, ends) = (flags & PUT != 0, flags & ENDS != 0);
    match flags & !(PUT | ENDS) {
        MOVES if put && is_place => {
            let ends = ids.read_dots(ends, reader)?;
            Ok(Effect::Move { ends, value: RawAtom::read(reader)? })
        }
        HIDES if put || ends => {
            let ends = ids.read_dots(ends, reader)?;
            let seen = if put { ids.read_vector(reader)? } else { VersionVector::new() };
            match put && seen.is_empty() {
                false => Ok(Effect::Hide { ends, seen }),
                true => Err(DecodeError::NotCanonical("a vector in a delta")),
            }
        }
        _ => Err(DecodeError::UnknownTag { what: "effect", tag: flags }),
    }
}

fn read_below(ids: &mut Ids, reader: &mut Reader<'_>) -> Result<Effect, DecodeError> {
    let seen = ids.read_vector(reader)?;
    match seen.get(ids.origin) {
        0 => Ok(Effect::Below { seen }),
        _ => Err(DecodeError::NotCanonical("a vector in a delta")),
    }
}

fn read_rights(moved: bool, reader: &mut Reader<'_>) -> Result<Effect, DecodeError> {
    let (granted, spent) = (reader.varint()?, reader.varint()?);
    let moved = if moved { Some((ReplicaId::decode(reader)?, reader.varint()?)) } else { None };
    Ok(Effect::Rights { granted, spent, moved })
}

fn read_floors(ids: &mut Ids, reader: &mut Reader<'_>) -> Result<Vec<Floor>, DecodeError> {
    let count = reader.count(5)?;
    let mut floors: Vec<Floor> = Vec::with_capacity(count);
    for _ in 0..count {
        let last = ids.read_dot(reader)?;
        let totals = read_totals(reader)?;
        let after = floors.last().is_none_or(|before| before.last.replica() < last.replica());
        if !after || totals.start > last.counter() {
            return Err(DecodeError::NotCanonical("floors of a counter"));
        }
        floors.push(Floor { last, totals });
    }
    if floors.is_empty() {
        return Err(DecodeError::NotCanonical("floors of a counter"));
    }
    Ok(floors)
}

pub(crate) fn write_totals(totals: &Totals, out: &mut Vec<u8>) {
    write_varint(out, totals.start);
    write_varint(out, totals.increments);
    write_varint(out, totals.decrements);
}

pub(crate) fn read_totals(reader: &mut Reader<'_>) -> Result<Totals, DecodeError> {
    let totals = Totals {
        start: reader.varint()?,
        increments: reader.varint()?,
        decrements: reader.varint()?,
    };
    if totals.start == 0 {
        return Err(DecodeError::OutOfRange { what: "start of a counter record", value: 0 });
    }
    Ok(totals)
}

/// The replicas that a delta names, each once.
struct Ids {
    origin: ReplicaId,
    others: Vec<ReplicaId>,
    used: Vec<bool>,
}

impl Ids {
    fn of(delta: &Delta) -> Self {
        let mut others: Vec<ReplicaId> = delta.needs().map(|(id, _)| id).collect();
        others.sort_unstable();
        others.dedup();
        Self { origin: delta.origin, others, used: Vec::new() }
    }

    fn decode(origin: ReplicaId, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count(16)?;
        let mut others: Vec<ReplicaId> = Vec::with_capacity(count);
        for _ in 0..count {
            let id = ReplicaId::decode(reader)?;
            if id == origin || others.last().is_some_and(|&before| before >= id) {
                return Err(DecodeError::NotCanonical("replicas of a delta"));
            }
            others.push(id);
        }
        let used = alloc::vec![false; count];
        Ok(Self { origin, others, used })
    }

    fn all_used(&self) -> bool {
        self.used.iter().all(|&used| used)
    }

    fn write(&self, id: ReplicaId, counter: u64, out: &mut Vec<u8>) {
        let index = self.others.binary_search(&id).map_or(0, |index| index as u64 + 1);
        write_varint(out, index);
        write_varint(out, counter);
    }

    fn write_dots(&self, dots: &[Dot], out: &mut Vec<u8>) {
        if !dots.is_empty() {
            write_varint(out, dots.len() as u64);
        }
        dots.iter().for_each(|dot| self.write(dot.replica(), dot.counter(), out));
    }

    fn read_dot(&mut self, reader: &mut Reader<'_>) -> Result<Dot, DecodeError> {
        let index = reader.varint()?;
        let id = match index.checked_sub(1) {
            None => self.origin,
            Some(place) => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                let unknown = DecodeError::OutOfRange { what: "replica of a delta", value: index };
                *self.used.get_mut(place).ok_or(unknown)? = true;
                *self.others.get(place).ok_or(unknown)?
            }
        };
        let counter = reader.varint()?;
        Dot::new(id, counter)
            .map_err(|_| DecodeError::OutOfRange { what: "counter of a dot", value: counter })
    }

    fn read_list(&mut self, reader: &mut Reader<'_>) -> Result<Vec<(ReplicaId, u64)>, DecodeError> {
        let count = reader.count(2)?;
        (0..count)
            .map(|_| self.read_dot(reader).map(|dot| (dot.replica(), dot.counter())))
            .collect()
    }

    fn write_vector(&self, vector: &VersionVector, out: &mut Vec<u8>) {
        write_varint(out, vector.len() as u64);
        vector.iter().for_each(|(id, counter)| self.write(id, counter, out));
    }

    fn read_vector(&mut self, reader: &mut Reader<'_>) -> Result<VersionVector, DecodeError> {
        let pairs = self.read_list(reader)?;
        match pairs.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0)) {
            true => Ok(pairs.into_iter().collect()),
            false => Err(DecodeError::NotCanonical("a vector in a delta")),
        }
    }

    fn read_dots(&mut self, any: bool, reader: &mut Reader<'_>) -> Result<Vec<Dot>, DecodeError> {
        if !any {
            return Ok(Vec::new());
        }
        let count = reader.count(2)?;
        let dots: Vec<Dot> = (0..count).map(|_| self.read_dot(reader)).collect::<Result<_, _>>()?;
        let ascending = dots.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if dots.is_empty() || !ascending {
            return Err(DecodeError::NotCanonical("dots of a delta"));
        }
        Ok(dots)
    }
}
