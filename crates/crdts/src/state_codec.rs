//! The canonical bytes of a state: its vector, then its cells in the order of their paths.
//!
//! ```text
//! vector · cells: n, then n x (shared, length, path suffix, cell)
//! element   n, then n x dot
//! register  n, then n x (dot, stamp, value), the one that stands first
//! counter   n, then n x (id, last, totals, 0) or (id, last, totals, 1, last, totals, tag)
//! contest   n, then n x dot of an add, then n, then n x dot of a remove
//! rights    n, then n x (id, last, granted, spent, n, then n x (id in full, amount))
//! places    n, then n x (dot, stamp, value) and, in a list, 0 or (1, tag)
//! ```
//!
//! An id is its place in the vector. No slot, no layout and nothing local appears, so equal sets of
//! entries give equal bytes: digests and law tests compare these.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId, VersionVector};

use crate::atom::{Atom, RawAtom};
use crate::bounded_counter::Rights;
use crate::cell::{Cell, CellKind};
use crate::contest::Contest;
use crate::context::{Context, LocalDot};
use crate::delta_codec::{read_totals, sharable, write_totals};
use crate::dots::Dots;
use crate::lww_register::{Write, Writes};
use crate::parts::Parts;
use crate::path::Path;
use crate::places::{Candidates, Positions};
use crate::tally::{Record, Taken, Tally};
use crate::tree::Mark;

/// Appends the canonical bytes of the cells under their context. `cells` ascend by path.
pub fn encode_state<'a>(
    context: &Context,
    cells: impl IntoIterator<Item = (&'a [u8], &'a Cell)>,
    out: &mut Vec<u8>,
) {
    let vector = context.version_vector();
    let ids: Vec<ReplicaId> = vector.iter().map(|(id, _)| id).collect();
    let names = Names { context, ids: &ids };
    vector.encode(out);
    let cells: Vec<_> = cells.into_iter().collect();
    write_varint(out, cells.len() as u64);
    let start = out.len();
    let (mut previous, mut decoded): (&[u8], usize) = (&[], 0);
    for (path, cell) in cells {
        let shared = sharable(previous, path, decoded, out.len() - start);
        write_varint(out, shared as u64);
        write_length_prefixed(out, path.get(shared..).unwrap_or(&[]));
        names.write_cell(cell, out);
        decoded += path.len();
        previous = path;
    }
}

/// Reads a state that [`encode_state`] wrote.
///
/// # Errors
/// Any deviation from the canonical bytes, by name.
pub fn decode_state(reader: &mut Reader<'_>) -> Result<(Context, Parts), DecodeError> {
    let vector = VersionVector::decode(reader)?;
    let mut context = Context::default();
    let mut ids = Vec::with_capacity(vector.len());
    for (id, seen) in &vector {
        let full = DecodeError::Invalid("a vector of more than 2^24 replicas");
        let slot = context.intern(id).ok_or(full)?;
        context.advance(slot, seen);
        ids.push(id);
    }
    let names = Names { context: &context, ids: &ids };
    let mut parts = Parts::default();
    let count = reader.count(4)?;
    let (mut previous, mut decoded, start) = (Vec::new(), 0, reader.position());
    for _ in 0..count {
        let coded = reader.position() - start;
        let path = crate::delta_codec::read_path(&previous, decoded, coded, reader)?;
        if path.as_bytes() <= previous.as_slice() {
            return Err(DecodeError::NotCanonical("the order of cells"));
        }
        decoded += path.as_bytes().len();
        let cell = names.read_cell(&path, reader)?;
        previous = path.as_bytes().to_vec();
        parts.load(previous.clone(), cell);
    }
    Ok((context, parts))
}

/// Dots by the place of their replica in the vector.
pub(crate) struct Names<'a> {
    context: &'a Context,
    ids: &'a [ReplicaId],
}

impl Names<'_> {
    /// A dot in everybody's terms.
    pub(crate) fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    pub(crate) fn write_local(&self, dot: LocalDot, out: &mut Vec<u8>) {
        self.write_dot(self.dot(dot), out);
    }

    pub(crate) fn write_dots(&self, dots: &Dots, out: &mut Vec<u8>) {
        dots.to_dots(self.context).into_iter().for_each(|dot| self.write_dot(dot, out));
    }

    pub(crate) fn write_dot(&self, dot: Dot, out: &mut Vec<u8>) {
        let place = self.ids.binary_search(&dot.replica()).unwrap_or(0);
        write_varint(out, place as u64);
        write_varint(out, dot.counter());
    }

    pub(crate) fn read_dot(&self, reader: &mut Reader<'_>) -> Result<LocalDot, DecodeError> {
        let index = reader.varint()?;
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let unknown = DecodeError::OutOfRange { what: "replica of a state", value: index };
        let id = *self.ids.get(place).ok_or(unknown)?;
        let counter = reader.varint()?;
        let outside = DecodeError::OutOfRange { what: "dot beyond the vector", value: counter };
        let dot = Dot::new(id, counter).map_err(|_| outside)?;
        self.context.local(dot).filter(|&dot| self.context.covers(dot)).ok_or(outside)
    }

    fn write_cell(&self, cell: &Cell, out: &mut Vec<u8>) {
        match &cell.0 {
            CellKind::Element(dots) => {
                write_varint(out, dots.0.len() as u64);
                self.write_dots(dots, out);
            }
            CellKind::Register(writes) | CellKind::Mark(Mark(writes)) => {
                self.write_writes(writes, out);
            }
            CellKind::Counter(counter) => self.write_counter(counter, out),
            CellKind::Contest(contest) => contest.write(self, out),
            CellKind::Rights(rights) => rights.write(self, out),
            CellKind::Positions(places) => places.write(self, out),
            CellKind::Candidates(places) => places.write(self, out),
        }
    }

    fn write_writes(&self, Writes(writes): &Writes, out: &mut Vec<u8>) {
        write_varint(out, writes.len() as u64);
        for write in writes {
            self.write_local(write.dot, out);
            write.stamp.encode(out);
            write.value.write(out);
        }
    }

    fn write_counter(&self, counter: &Tally, out: &mut Vec<u8>) {
        let last = |record: &Record| self.context.dot(LocalDot::new(record.slot, record.last));
        let mut records: Vec<&Record> = counter.records().iter().collect();
        records.sort_unstable_by_key(|record| last(record));
        write_varint(out, records.len() as u64);
        for record in records {
            self.write_dot(last(record), out);
            write_totals(&record.totals, out);
            match &record.floor {
                None => out.push(0),
                Some(floor) => {
                    out.push(1);
                    write_varint(out, floor.last);
                    write_totals(&floor.totals, out);
                    self.write_dot(self.context.dot(floor.tag), out);
                }
            }
        }
    }

    fn read_cell(&self, path: &Path, reader: &mut Reader<'_>) -> Result<Cell, DecodeError> {
        let none = DecodeError::Invalid("a cell where no cell can stand");
        let empty = path.kind().and_then(Cell::empty).ok_or(none)?;
        let count = reader.count(2)?;
        let cell = Cell(match empty.0 {
            CellKind::Contest(_) => CellKind::Contest(Contest::read(count, self, reader)?),
            CellKind::Element(_) => CellKind::Element(self.read_dots(count, reader)?),
            CellKind::Register(_) => CellKind::Register(self.read_writes(count, reader)?),
            CellKind::Mark(_) => CellKind::Mark(Mark(self.read_writes(count, reader)?)),
            CellKind::Counter(_) => CellKind::Counter(self.read_counter(count, reader)?),
            CellKind::Rights(_) => CellKind::Rights(Rights::read(count, self, reader)?),
            CellKind::Positions(_) => CellKind::Positions(Positions::read(count, self, reader)?),
            CellKind::Candidates(_) => CellKind::Candidates(Candidates::read(count, self, reader)?),
        });
        if cell.is_gone() {
            return Err(DecodeError::NotCanonical("a cell with nothing in it"));
        }
        Ok(cell)
    }

    pub(crate) fn read_dots(
        &self,
        count: usize,
        reader: &mut Reader<'_>,
    ) -> Result<Dots, DecodeError> {
        let mut dots = Dots::default();
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let known = Some(self.context.dot(dot));
            if known <= before {
                return Err(DecodeError::NotCanonical("the order of dots"));
            }
            before = known;
            dots.0.push(dot);
        }
        Ok(dots)
    }

    fn read_writes(&self, count: usize, reader: &mut Reader<'_>) -> Result<Writes, DecodeError> {
        let mut writes = Writes::default();
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let stamp = HybridTimestamp::decode(reader)?;
            let rank = (stamp, self.context.dot(dot));
            if before.is_some_and(|before| rank >= before) {
                return Err(DecodeError::NotCanonical("the order of writes"));
            }
            before = Some(rank);
            writes.0.push(Write { dot, stamp, value: RawAtom::read(reader)? });
        }
        Ok(writes)
    }

    fn read_counter(&self, count: usize, reader: &mut Reader<'_>) -> Result<Tally, DecodeError> {
        let mut counter = Tally::default();
        let mut before = None;
        for _ in 0..count {
            let last = self.read_dot(reader)?;
            let totals = read_totals(reader)?;
            let floor = match reader.byte()? {
                0 => None,
                1 => Some(Box::new(Taken {
                    last: reader.varint()?,
                    totals: read_totals(reader)?,
                    tag: self.read_dot(reader)?,
                })),
                tag => return Err(DecodeError::UnknownTag { what: "floor", tag }),
            };
            let id = self.context.id(last.slot());
            // A floor beyond the record is a lie that every copy keeps alike, so it must load.
            let floor_fits = floor.as_ref().is_none_or(|floor| {
                totals.start <= floor.totals.start
                    && floor.totals.start <= floor.last
                    && floor.last <= self.context.seen(id)
            });
            if Some(id) <= before || totals.start > last.counter() || !floor_fits {
                return Err(DecodeError::NotCanonical("the records of a counter"));
            }
            before = Some(id);
            let (slot, last) = (last.slot(), last.counter());
            counter.push_record(Record { slot, last, totals, floor });
        }
        Ok(counter)
    }
}
