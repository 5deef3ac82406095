//! The canonical bytes of a delta.
//!
//! ```text
//! origin (16) · first · stamp · ids: n, then n x 16 ascending · deps: n, then n x (id, counter)
//! · changes: n, then n x (shared, length, path suffix, flags, payload)
//! ```
//!
//! Numbers are varints. An id is 0 for the origin or its place in `ids` plus one. A path repeats
//! the beginning of the path before it, as long as the decoded bytes stay within a small multiple
//! of the bytes sent. Flags: 1 something is put, 2 dots end, 4 everything seen below ends, 8 the
//! put dot stands for a remove, 16 the put value is only moved, 32 the put value is a removal that
//! hides, 64 rights of a retired replica are taken over, 128 those of the origin are another's. On
//! a counter: 32 corrections end, 64 the operation is a correction, which with 8 takes back. The
//! kind of the path determines the payload.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{HybridTimestamp, ReplicaId, VersionVector};
use smallvec::SmallVec;

use crate::cell::Shape;
use crate::delta::correction::SPAN_BYTES;
use crate::delta::ids::{IdTable, Ids, cannot_know};
use crate::delta::{
    AddOrRemove, Change, Correction, Delta, Effect, Floor, Outline, RightsTotals, Span, Totals,
};
use crate::path::{Atom, Kind, Path, RawAtom, shared_prefix};

const PUT: u8 = 1;
const ENDS: u8 = 2;
const BELOW: u8 = 4;
const AGAINST: u8 = 8;
const MOVES: u8 = 16;
const HIDES: u8 = 32;
const RETIRES: u8 = 64;
const YIELDS: u8 = 128;
const LIFTS: u8 = 32;
const CORRECTS: u8 = 64;

const UNSHARED: DecodeError = DecodeError::Invalid("a shared path prefix");

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

impl Delta {
    /// Makes the delta of these parts, without checking its first dot and the number of its
    /// changes.
    pub(crate) fn of(
        origin: ReplicaId,
        first: u64,
        stamp: HybridTimestamp,
        deps: &[(ReplicaId, u64)],
        changes: &[Change],
    ) -> Self {
        Self::written(&mut Vec::new(), origin, first, stamp, deps, changes)
    }

    /// As [`of`](Self::of), over a buffer that whoever makes many deltas keeps.
    pub(crate) fn written(
        out: &mut Vec<u8>,
        origin: ReplicaId,
        first: u64,
        stamp: HybridTimestamp,
        deps: &[(ReplicaId, u64)],
        changes: &[Change],
    ) -> Self {
        out.clear();
        out.reserve(64 + 16 * changes.len());
        let ids = IdTable::of(origin, deps, changes);
        origin.encode(out);
        write_varint(out, first);
        stamp.encode(out);
        write_varint(out, ids.others.len() as u64);
        ids.others.iter().for_each(|id| id.encode(out));
        write_varint(out, deps.len() as u64);
        for &(id, counter) in deps {
            ids.write(id, counter, out);
        }
        write_varint(out, changes.len() as u64);
        let changes_at = out.len();
        let mut previous: &[u8] = &[];
        let mut decoded = 0;
        for change in changes {
            let path = change.path.as_bytes();
            let shared = sharable(previous, path, decoded, out.len());
            write_varint(out, shared as u64);
            write_length_prefixed(out, path.get(shared..).unwrap_or(&[]));
            write_effect(&change.effect, &ids, out);
            decoded += path.len();
            previous = path;
        }
        let changes = changes.len();
        let outline = Outline { origin, first, stamp, changes_at, changes };
        Self { bytes: out.as_slice().into(), outline }
    }

    /// Takes canonical bytes over, without a copy.
    ///
    /// # Errors
    /// As [`decode`](Decode::decode), and when bytes are left over.
    pub fn from_shared(bytes: Arc<[u8]>) -> Result<Self, DecodeError> {
        let (outline, length) = check(&bytes)?;
        match bytes.len() - length {
            0 => Ok(Self { bytes, outline }),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }

    /// Iterates over the operations, in order; operation `i` has the dot `first + i`. Each is read
    /// when the iterator reaches it.
    pub fn changes(&self) -> Changes<'_> {
        let head = self.head();
        let mut reader = Reader::new(&self.bytes);
        let skipped = reader.bytes(self.outline.changes_at);
        debug_assert!(skipped.is_ok(), "the changes stand in the bytes");
        Changes::new(&head, reader, self.outline.changes, true)
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head::read(&mut Reader::new(&self.bytes)).unwrap_or_else(|_| checked_before())
    }

    /// Returns the events that the origin had newly applied since its own previous delta, ascending
    /// by replica.
    pub fn deps(&self) -> Vec<(ReplicaId, u64)> {
        let mut reader = Reader::new(&self.bytes);
        let head = Head::read(&mut reader).unwrap_or_else(|_| checked_before());
        Ids::new(&head, true).read_list(&mut reader).unwrap_or_else(|_| checked_before())
    }
}

fn checked_before() -> ! {
    unreachable!("the bytes of a delta were checked when they came in, or written here")
}

impl Encode for Delta {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }
}

impl Decode for Delta {
    /// Takes as much memory as the bytes, and a few KiB while it decodes.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ahead = reader.clone();
        let (outline, length) = check(ahead.bytes(ahead.remaining())?)?;
        Ok(Self { bytes: reader.bytes(length)?.into(), outline })
    }
}

/// The fields before a delta's deps.
pub(crate) struct Head<'a> {
    pub origin: ReplicaId,
    pub first: u64,
    pub stamp: HybridTimestamp,
    /// The ids that it names beside its origin, 16 bytes each.
    pub ids: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (origin, first) = (ReplicaId::decode(reader)?, reader.varint()?);
        let stamp = HybridTimestamp::decode(reader)?;
        let ids = reader.count(16)?;
        Ok(Self { origin, first, stamp, ids: reader.bytes(16 * ids)? })
    }
}

/// Checks the bytes of a delta, which other bytes may follow. Returns its outline and its length.
fn check(bytes: &[u8]) -> Result<(Outline, usize), DecodeError> {
    let mut reader = Reader::new(bytes);
    let head = Head::read(&mut reader)?;
    let mut ids = Ids::new(&head, false);
    ids.check()?;
    let mut before = None;
    for _ in 0..reader.count(2)? {
        let (id, _) = ids.read_pair(&mut reader)?;
        if id == head.origin || before >= Some(id) {
            return Err(DecodeError::NotCanonical("deps of a delta"));
        }
        before = Some(id);
    }
    let count = reader.count(4)?;
    if !Delta::in_range(head.first, count) {
        return Err(DecodeError::OutOfRange { what: "counter of a delta", value: head.first });
    }
    let changes_at = reader.position();
    let mut changes = Changes { ids, ..Changes::new(&head, reader, count, false) };
    for _ in 0..count {
        changes.read()?;
    }
    if !changes.ids.all_used() {
        return Err(cannot_know());
    }
    let Head { origin, first, stamp, .. } = head;
    let outline = Outline { origin, first, stamp, changes_at, changes: count };
    Ok((outline, changes.reader.position()))
}

/// The operations of a delta, each read when the iterator reaches it.
#[derive(Debug)]
pub struct Changes<'a> {
    reader: Reader<'a>,
    ids: Ids<'a>,
    left: usize,
    /// The path of the operation that was read last.
    path: SmallVec<[u8; 64]>,
    decoded: usize,
}

impl<'a> Changes<'a> {
    fn new(head: &Head<'a>, reader: Reader<'a>, left: usize, keep: bool) -> Self {
        let ids = Ids::new(head, keep);
        Self { reader, ids, left, path: SmallVec::new(), decoded: 0 }
    }

    /// Reads the next operation. What was checked before, and is kept now, is not checked again.
    fn read(&mut self) -> Result<Effect, DecodeError> {
        let coded = self.reader.position();
        let shared = usize::try_from(self.reader.varint()?).unwrap_or(usize::MAX);
        let suffix = self.reader.length_prefixed()?;
        check_shared(&self.path, shared, suffix, may_share(self.decoded, coded))?;
        self.path.truncate(shared);
        self.path.extend_from_slice(suffix);
        if !self.ids.keep {
            Path::check_bytes(&self.path)?;
        }
        self.decoded += self.path.len();
        let kind = self.path.last().map(|&tag| Kind::from_tag(tag)).transpose()?;
        let effect = read_effect(kind, &mut self.ids, &mut self.reader)?;
        self.ids.own += 1;
        Ok(effect)
    }
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.left = self.left.checked_sub(1)?;
        let effect = self.read().unwrap_or_else(|_| checked_before());
        Some(Change { path: Path::joined(&self.path, &[]), effect })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Changes<'_> {}

pub(crate) fn read_path(
    previous: &[u8],
    decoded: usize,
    coded: usize,
    reader: &mut Reader<'_>,
) -> Result<Path, DecodeError> {
    let shared = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
    let suffix = reader.length_prefixed()?;
    let prefix = previous.get(..shared).ok_or(UNSHARED)?;
    let path = Path::parse_pieces(prefix, suffix)?;
    check_shared(previous, shared, suffix, may_share(decoded, coded))?;
    Ok(path)
}

/// Checks that a path takes over from the one before it what [`sharable`] says.
fn check_shared(
    previous: &[u8],
    shared: usize,
    suffix: &[u8],
    may_share: bool,
) -> Result<(), DecodeError> {
    let left = previous.get(shared..).ok_or(UNSHARED)?;
    let shares_more = !left.is_empty() && left.first() == suffix.first();
    let is_right = if may_share { !shares_more } else { shared == 0 };
    is_right.then_some(()).ok_or(DecodeError::NotCanonical("a shared path prefix"))
}

fn write_effect(effect: &Effect, ids: &IdTable, out: &mut Vec<u8>) {
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
        Effect::Count(totals) => {
            out.push(PUT);
            write_totals(totals, out);
        }
        Effect::Reset { floors, ends } => {
            let lifts = u8::from(!ends.is_empty()) * LIFTS;
            out.push(flags(false, !floors.is_empty()) | lifts);
            if !floors.is_empty() {
                write_varint(out, floors.len() as u64);
            }
            for floor in floors {
                ids.write(floor.last.replica(), floor.last.counter(), out);
                write_totals(&floor.totals, out);
            }
            ids.write_dots(ends, out);
        }
        Effect::Correct { ends, put } => {
            let takes = u8::from(put.as_ref().is_some_and(|put| put.takes)) * AGAINST;
            out.push(flags(put.is_some(), !ends.is_empty()) | takes | CORRECTS);
            ids.write_dots(ends, out);
            put.iter().for_each(|put| write_spans(&put.spans, ids, out));
        }
        Effect::Contest { ends, put } => {
            let against = u8::from(*put == Some(AddOrRemove::Remove)) * AGAINST;
            out.push(flags(put.is_some(), !ends.is_empty()) | against);
            ids.write_dots(ends, out);
        }
        Effect::Rights(totals) => {
            let RightsTotals { granted, spent, moved, retires, yields } = &**totals;
            let passes = u8::from(retires.is_some()) * RETIRES;
            out.push(flags(true, moved.is_some()) | passes | (u8::from(yields.is_some()) * YIELDS));
            write_varint(out, *granted);
            write_varint(out, *spent);
            if let Some((to, amount)) = moved {
                to.encode(out);
                write_varint(out, *amount);
            }
            retires.iter().chain(yields).for_each(|id| id.encode(out));
        }
        Effect::Below { seen } => {
            out.push(BELOW);
            ids.write_vector(seen, out);
        }
    }
}

fn write_spans(spans: &[Span], ids: &IdTable, out: &mut Vec<u8>) {
    write_varint(out, spans.len() as u64);
    for span in spans {
        ids.write(span.owner, span.to.counter, out);
        span.write_below(out);
    }
}

fn read_effect(
    kind: Option<Kind>,
    ids: &mut Ids<'_>,
    reader: &mut Reader<'_>,
) -> Result<Effect, DecodeError> {
    let flags = reader.byte()?;
    let kind = kind.ok_or(DecodeError::Invalid("an empty path"))?;
    if flags == BELOW && !kind.is_leaf() {
        let (seen, _) = ids.read_vector(reader, false)?;
        return Ok(Effect::Below { seen: Box::new(seen) });
    }
    let may_hide = matches!(kind, Kind::ListItem | Kind::TreeNode | Kind::MapKey);
    if flags & (MOVES | HIDES) != 0 && may_hide {
        return read_place(flags, kind, ids, reader);
    }
    let shape = Shape::of(kind);
    if shape == Some(Shape::Rights) {
        return read_rights(flags, reader);
    }
    if shape == Some(Shape::Counter) {
        return read_counter(flags, ids, reader);
    }
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
            value.iter().try_for_each(|place| ids.check_place(kind, place))?;
            Ok(Effect::Register { ends, value })
        }
        Some(Shape::Contest) => {
            let ends = ids.read_dots(ends, reader)?;
            let put = put.then_some(if against { AddOrRemove::Remove } else { AddOrRemove::Add });
            Ok(Effect::Contest { ends, put })
        }
        Some(Shape::Counter | Shape::Rights | Shape::Hidings) | None => {
            Err(DecodeError::UnknownTag { what: "effect", tag: flags })
        }
    }
}

/// A move, or a removal that hides.
fn read_place(
    flags: u8,
    kind: Kind,
    ids: &mut Ids<'_>,
    reader: &mut Reader<'_>,
) -> Result<Effect, DecodeError> {
    let (put, ends) = (flags & PUT != 0, flags & ENDS != 0);
    match flags & !(PUT | ENDS) {
        MOVES if put && kind != Kind::MapKey => {
            let (ends, value) = (ids.read_dots(ends, reader)?, RawAtom::read(reader)?);
            ids.check_place(kind, &value)?;
            Ok(Effect::Move { ends, value })
        }
        HIDES if put || ends => {
            let ends = ids.read_dots(ends, reader)?;
            let (seen, named) =
                if put { ids.read_vector(reader, true)? } else { (VersionVector::new(), 0) };
            match put && named == 0 {
                false => Ok(Effect::Hide { ends, seen: Box::new(seen) }),
                true => Err(DecodeError::NotCanonical("a vector in a delta")),
            }
        }
        _ => Err(DecodeError::UnknownTag { what: "effect", tag: flags }),
    }
}

fn read_rights(flags: u8, reader: &mut Reader<'_>) -> Result<Effect, DecodeError> {
    if flags & PUT == 0 || flags & !(PUT | ENDS | RETIRES | YIELDS) != 0 {
        return Err(DecodeError::UnknownTag { what: "effect", tag: flags });
    }
    let (granted, spent) = (reader.varint()?, reader.varint()?);
    let has = |flag| flags & flag != 0;
    let moved = if has(ENDS) { Some((ReplicaId::decode(reader)?, reader.varint()?)) } else { None };
    let retires = if has(RETIRES) { Some(ReplicaId::decode(reader)?) } else { None };
    let yields = if has(YIELDS) { Some(ReplicaId::decode(reader)?) } else { None };
    Ok(Effect::Rights(Box::new(RightsTotals { granted, spent, moved, retires, yields })))
}

fn read_counter(
    flags: u8,
    ids: &mut Ids<'_>,
    reader: &mut Reader<'_>,
) -> Result<Effect, DecodeError> {
    let (put, ends) = (flags & PUT != 0, flags & ENDS != 0);
    let (lifts, takes) = (flags & LIFTS != 0, flags & AGAINST != 0);
    match flags & !(PUT | ENDS | LIFTS | AGAINST) {
        0 if put && !ends && !lifts && !takes => {
            let totals = read_totals(reader)?;
            if totals.start > ids.own {
                return Err(cannot_know());
            }
            Ok(Effect::Count(totals))
        }
        0 if !put && !takes && (ends || lifts) => {
            let floors = if ends { read_floors(ids, reader)? } else { Vec::new() };
            Ok(Effect::Reset { floors, ends: ids.read_dots(lifts, reader)? })
        }
        CORRECTS if !lifts && if takes { put } else { put || ends } => {
            let ends = ids.read_dots(ends, reader)?;
            let spans = if put { Some(read_spans(ids, reader)?) } else { None };
            Ok(Effect::Correct { ends, put: spans.map(|spans| Correction { takes, spans }) })
        }
        _ => Err(DecodeError::UnknownTag { what: "effect", tag: flags }),
    }
}

fn read_spans(ids: &mut Ids<'_>, reader: &mut Reader<'_>) -> Result<Vec<Span>, DecodeError> {
    let (mut spans, mut before) = (Vec::new(), None);
    for _ in 0..reader.count(SPAN_BYTES)? {
        let last = ids.read_dot(reader)?;
        let span = Span::read_below(last, reader)?;
        span.check_after(before.as_ref())?;
        before = Some(span);
        if ids.keep {
            spans.push(span);
        }
    }
    if before.is_none() {
        return Err(DecodeError::NotCanonical("the counts of a correction"));
    }
    Ok(spans)
}

fn read_floors(ids: &mut Ids<'_>, reader: &mut Reader<'_>) -> Result<Vec<Floor>, DecodeError> {
    let count = reader.count(5)?;
    let mut floors: Vec<Floor> = Vec::with_capacity(if ids.keep { count } else { 0 });
    let mut before = None;
    for _ in 0..count {
        let last = ids.read_dot(reader)?;
        let totals = read_totals(reader)?;
        if before >= Some(last.replica()) || totals.start > last.counter() {
            return Err(DecodeError::NotCanonical("floors of a counter"));
        }
        before = Some(last.replica());
        if ids.keep {
            floors.push(Floor { last, totals });
        }
    }
    if before.is_none() {
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
