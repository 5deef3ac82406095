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
use crate::path::Path;
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
    paths: PathWriter,
}

impl<'a> StateWriter<'a> {
    /// Begins a state of `cells` cells. `ids` are those of the [context](ids).
    pub fn new(context: &'a Context, ids: &'a [ReplicaId], cells: u64, out: &mut Vec<u8>) -> Self {
        context.version_vector().encode(out);
        write_varint(out, cells);
        Self { names: Names { context, ids }, paths: PathWriter::default() }
    }

    /// Appends the next cell; paths ascend. The caller may empty `out` before each call.
    pub fn cell(&mut self, path: &[u8], cell: CellRef<'_>, out: &mut Vec<u8>) {
        let names = self.names;
        self.paths.write(path, out, |out| names.write_cell(cell, out));
    }
}

/// Writes paths that ascend, each without what it shares with the one before.
#[derive(Default, Debug)]
pub(crate) struct PathWriter {
    previous: Vec<u8>,
    decoded: usize,
    coded: usize,
}

impl PathWriter {
    /// Appends a path, and what stands there.
    pub(crate) fn write(
        &mut self,
        path: &[u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
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

/// Reads what a [`PathWriter`] wrote.
#[derive(Default)]
pub(crate) struct PathReader {
    previous: Path,
    decoded: usize,
    start: Option<usize>,
}

impl PathReader {
    /// Reads the next path; what stands there has been read before the next one is.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<&Path, DecodeError> {
        let coded = reader.position() - *self.start.get_or_insert(reader.position());
        let path = read_path(self.previous.as_bytes(), self.decoded, coded, reader)?;
        if path <= self.previous {
            return Err(DecodeError::NotCanonical("the order of cells"));
        }
        self.decoded += path.as_bytes().len();
        self.previous = path;
        Ok(&self.previous)
    }
}

/// Reads cells one by one.
pub(crate) struct CellReader<'a> {
    names: Names<'a>,
    paths: PathReader,
    left: usize,
}

impl<'a> CellReader<'a> {
    pub(crate) fn new(names: Names<'a>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { names, paths: PathReader::default(), left: reader.count(4)? })
    }

    pub(crate) fn next(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Option<(&Path, Cell)>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let path = self.paths.read(reader)?;
        let none = DecodeError::Invalid("a cell where no cell can stand");
        let cell = self.names.read_cell(path.kind().ok_or(none)?, reader)?;
        Ok(Some((path, cell)))
    }
}

/// The context of a vector, and its replicas in the order of their slots.
pub(crate) fn read_context(
    vector: &VersionVector,
) -> Result<(Context, Vec<ReplicaId>), DecodeError> {
    let mut context = Context::default();
    let mut ids = Vec::with_capacity(vector.len());
    for (id, seen) in vector {
        let full = DecodeError::Invalid("a vector of more than 2^24 replicas");
        let slot = context.intern(id).ok_or(full)?;
        context.advance(slot, seen);
        ids.push(id);
    }
    Ok((context, ids))
}

/// Reads a state that [`encode_state`] wrote.
///
/// # Errors
/// Any deviation from the canonical bytes, and any invariant of cells that does not hold, by name.
pub fn decode_state(reader: &mut Reader<'_>) -> Result<(Context, Parts), DecodeError> {
    let (context, ids) = read_context(&VersionVector::decode(reader)?)?;
    let (mut parts, mut dots) = (Parts::default(), OneDotOnePlace::default());
    let mut cells = CellReader::new(Names { context: &context, ids: &ids }, reader)?;
    while let Some((path, cell)) = cells.next(reader)? {
        dots.add(cell.lend());
        let _ = parts.load(path.as_bytes(), cell.into());
    }
    dots.check(context.seen_by_slot())?;
    Ok((context, parts))
}
