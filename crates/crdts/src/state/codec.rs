//! The canonical bytes of a state: its vector, then its cells in the order of their paths.
//!
//! ```text
//! vector · cells: n, then n x (shared, length, path suffix, cell)
//! ```
//!
//! An id is its place in the vector. No slot, no layout and nothing local appears, so equal sets of
//! entries give equal bytes: digests and law tests compare these.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::cell::{Cell, CellRef};
use crate::delta::codec::{read_path, sharable};
use crate::path::{Path, shared_prefix};
use crate::state::invariants::OneDotOnePlace;
use crate::state::{Context, Parts};

pub use crate::cell::codec::{Names, write_in_full};

/// Appends the canonical bytes of the cells under their context. `cells` ascend by path.
pub fn encode_state<'a>(
    context: &Context,
    cells: impl IntoIterator<Item = (&'a [u8], CellRef<'a>)>,
    out: &mut Vec<u8>,
) {
    let ids = ids(context);
    let cells: Vec<_> = cells.into_iter().collect();
    let mut writer = StateWriter::new(context, &ids, cells.len() as u64, out);
    cells.into_iter().for_each(|(path, cell)| writer.cell(path, cell, out));
}

/// The replicas that the vector of a context names, ascending.
pub fn ids(context: &Context) -> Vec<ReplicaId> {
    context.ascending().filter(|(_, seen)| *seen > 0).map(|(id, _)| id).collect()
}

/// Writes canonical bytes piece by piece, for states that are too large to hold in memory.
#[derive(Debug)]
pub struct StateWriter<'a> {
    names: Names<'a>,
    previous: Vec<u8>,
    decoded: usize,
    coded: usize,
}

impl<'a> StateWriter<'a> {
    /// Begins a state of `cells` cells. `ids` are those of the [context](ids).
    pub fn new(context: &'a Context, ids: &'a [ReplicaId], cells: u64, out: &mut Vec<u8>) -> Self {
        context.version_vector().encode(out);
        write_varint(out, cells);
        Self { names: Names { context, ids }, previous: Vec::new(), decoded: 0, coded: 0 }
    }

    /// Appends the next cell; paths ascend. The caller may empty `out` before each call.
    pub fn cell(&mut self, path: &[u8], cell: CellRef<'_>, out: &mut Vec<u8>) {
        let names = self.names;
        self.encoded(path, out, |out| names.write_cell(cell, out));
    }

    fn encoded(&mut self, path: &[u8], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        let shared = sharable(&self.previous, path, self.decoded, self.coded);
        write_varint(out, shared as u64);
        write_length_prefixed(out, path.get(shared..).unwrap_or(&[]));
        write(out);
        self.decoded += path.len();
        self.coded += out.len() - start;
        self.previous.clear();
        self.previous.extend_from_slice(path);
    }
}

/// Cells in any order, which are put into the canonical one: those of hash tables.
pub(crate) struct Unordered<'a> {
    context: &'a Context,
    ids: Vec<ReplicaId>,
    /// Of all cells, the path and then the cell, encoded.
    bytes: Vec<u8>,
    cells: Vec<Entry>,
}

/// Where a cell stands among the bytes, behind as much of its path as compares at once.
struct Entry {
    rank: u64,
    start: usize,
    path: usize,
    end: usize,
}

impl<'a> Unordered<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self { context, ids: ids(context), bytes: Vec::new(), cells: Vec::new() }
    }

    pub(crate) fn add(&mut self, path: &[u8], cell: CellRef<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(path);
        Names { context: self.context, ids: &self.ids }.write_cell(cell, &mut self.bytes);
        self.cells.push(Entry { rank: 0, start, path: path.len(), end: self.bytes.len() });
    }

    fn path(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.start..entry.start + entry.path).unwrap_or_default()
    }

    /// Appends the state.
    pub(crate) fn encode(mut self, out: &mut Vec<u8>) {
        let mut cells = core::mem::take(&mut self.cells);
        if !rejoin_vclock::mutant!("bytes-in-table-order") {
            self.sort(&mut cells);
        }
        out.reserve(self.bytes.len());
        let mut writer = StateWriter::new(self.context, &self.ids, cells.len() as u64, out);
        for entry in &cells {
            let cell = self.bytes.get(entry.start + entry.path..entry.end).unwrap_or_default();
            writer.encoded(self.path(entry), out, |out| out.extend_from_slice(cell));
        }
    }

    fn sort(&self, cells: &mut [Entry]) {
        let Some((first, rest)) = cells.split_first() else { return };
        // What all paths share says nothing about their order.
        let first = self.path(first);
        let shared = |shared: usize, other: &Entry| {
            shared_prefix(first.get(..shared).unwrap_or_default(), self.path(other))
        };
        let shared = rest.iter().fold(first.len(), shared);
        for entry in &mut *cells {
            let path = self.path(entry).get(shared..).unwrap_or_default();
            let mut rank = [0; 8];
            rank.iter_mut().zip(path).for_each(|(rank, byte)| *rank = *byte);
            entry.rank = u64::from_be_bytes(rank);
        }
        cells.sort_unstable_by(|a, b| {
            a.rank.cmp(&b.rank).then_with(|| self.path(a).cmp(self.path(b)))
        });
    }
}

/// Reads a state that [`encode_state`] wrote.
///
/// # Errors
/// Any deviation from the canonical bytes, and any invariant of cells that does not hold, by name.
pub fn decode_state(reader: &mut Reader<'_>) -> Result<(Context, Parts), DecodeError> {
    let mut parts = Parts::default();
    let context = read_state(reader, &mut |path, cell| {
        let _ = parts.load(path.as_bytes(), cell.into());
    })?;
    Ok((context, parts))
}

/// As [`decode_state`], showing each cell as soon as it is read. What was shown of bytes that are
/// refused in the end is no state.
///
/// # Errors
/// As [`decode_state`].
pub(crate) fn read_state(
    reader: &mut Reader<'_>,
    show: &mut dyn FnMut(&Path, Cell),
) -> Result<Context, DecodeError> {
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
    let mut dots = OneDotOnePlace::default();
    let count = reader.count(4)?;
    let (mut previous, mut decoded, start) = (Path::default(), 0, reader.position());
    for _ in 0..count {
        let coded = reader.position() - start;
        let path = read_path(previous.as_bytes(), decoded, coded, reader)?;
        if path <= previous {
            return Err(DecodeError::NotCanonical("the order of cells"));
        }
        decoded += path.as_bytes().len();
        let none = DecodeError::Invalid("a cell where no cell can stand");
        let cell = names.read_cell(path.kind().ok_or(none)?, reader)?;
        dots.add(cell.lend());
        show(&path, cell);
        previous = path;
    }
    dots.check(context.seen_by_slot())?;
    Ok(context)
}
