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

use crate::cell::Cell;
use crate::cell_codec::Names;
use crate::context::Context;
use crate::delta_codec::sharable;
use crate::parts::Parts;

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
