//! The tables of a run: what its keys begin with, and what their values are.

use rejoin_crdts::Kind;
use rejoin_crdts::cell::Cell;
use rejoin_crdts::state::{Context, Names};
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::error::Result;
use crate::receipt::Receipt;
use crate::storage::StorageError;

/// First byte of the keys, in a run, of idempotency keys that came back.
pub(super) const RETURNED: u8 = 0;
/// First byte of the keys of cells in a run.
pub(super) const CELLS: u8 = 1;
/// First byte of the keys of idempotency keys in a run.
pub(super) const KEYS: u8 = 2;
/// First byte of the keys of fingerprints in a run.
pub(super) const PRINTS: u8 = 3;
/// First byte of the keys of entries of indexes in a run.
pub(super) const INDEX: u8 = 4;

pub(super) fn prefixed(table: u8, key: &[u8]) -> Vec<u8> {
    [&[table], key].concat()
}

/// Reads the cell of a run's entry; `None` if the entry says that it is gone.
pub(super) fn read_cell(
    value: &[u8],
    path: &[u8],
    ids: &[ReplicaId],
    context: &Context,
) -> Result<Option<Cell>> {
    if value.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(value);
    let read = |reader: &mut Reader<'_>| {
        let tag = path.last().ok_or(DecodeError::Invalid("a cell without a path"))?;
        let cell = Names { context, ids }.read_cell(Kind::from_tag(*tag)?, reader)?;
        reader.finish()?;
        Ok(cell)
    };
    let damage = |error: DecodeError| StorageError::Damaged(format!("a cell: {error}"));
    read(&mut reader).map(Some).map_err(damage)
}

pub(super) fn write_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    receipt.origin().encode(out);
    write_varint(out, receipt.first());
    write_varint(out, receipt.last());
    write_varint(out, receipt.sequence());
}

pub(super) fn read_receipt(bytes: &[u8]) -> Result<Receipt, DecodeError> {
    let mut reader = Reader::new(bytes);
    let origin = ReplicaId::decode(&mut reader)?;
    let (first, last) = (reader.varint()?, reader.varint()?);
    let receipt = Receipt::new(origin, first, last, reader.varint()?);
    reader.finish()?;
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_receipt_is_as_documented() {
        let bytes = example("receipt");
        let receipt = read_receipt(&bytes).expect("a receipt");
        let mut again = Vec::new();
        write_receipt(&receipt, &mut again);
        assert_eq!(again, bytes);
    }
}
