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

use crate::cell::CellRef;
use crate::delta::codec::sharable;
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
    context.version_vector().iter().map(|(id, _)| id).collect()
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
        let start = out.len();
        let shared = sharable(&self.previous, path, self.decoded, self.coded);
        write_varint(out, shared as u64);
        write_length_prefixed(out, path.get(shared..).unwrap_or(&[]));
        self.names.write_cell(cell, out);
        self.decoded += path.len();
        self.coded += out.len() - start;
        self.previous.clear();
        self.previous.extend_from_slice(path);
    }
}

/// Reads a state that [`encode_state`] wrote.
///
/// # Errors
/// Any deviation from the canonical bytes, and any invariant of cells that does not hold, by name.
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
    let (mut parts, mut dots) = (Parts::default(), OneDotOnePlace::default());
    let count = reader.count(4)?;
    let (mut previous, mut decoded, start) = (Vec::new(), 0, reader.position());
    for _ in 0..count {
        let coded = reader.position() - start;
        let path = crate::delta::codec::read_path(&previous, decoded, coded, reader)?;
        if path.as_bytes() <= previous.as_slice() {
            return Err(DecodeError::NotCanonical("the order of cells"));
        }
        decoded += path.as_bytes().len();
        let none = DecodeError::Invalid("a cell where no cell can stand");
        let cell = names.read_cell(path.kind().ok_or(none)?, reader)?;
        dots.add(cell.lend());
        previous = path.as_bytes().to_vec();
        let _ = parts.load(&previous, cell.into());
    }
    dots.check()?;
    Ok((context, parts))
}
