//! The rows of the conflict log: those in storage, under those that are on their way there.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::format::row;
use crate::storage::{Row, RowWrite, StorageRead};

/// Number of rows that are read at a time.
const CHUNK: usize = 1024;

#[derive(Debug)]
pub(super) struct Rows {
    storage: Arc<dyn StorageRead>,
    space: u32,
    /// What is not known to be durable: `None` for a row that goes.
    unwritten: BTreeMap<Vec<u8>, Unwritten>,
    /// The number of times that rows were handed out which are not known to be durable.
    in_flight: usize,
}

#[derive(Debug)]
struct Unwritten {
    bytes: Option<Vec<u8>>,
    is_handed_out: bool,
}

impl Rows {
    pub(super) fn over(storage: Arc<dyn StorageRead>, space: u32) -> Self {
        Self { storage, space, unwritten: BTreeMap::new(), in_flight: 0 }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, bytes: Option<Vec<u8>>) {
        self.unwritten.insert(key, Unwritten { bytes, is_handed_out: false });
    }

    /// The rows that were put since the last call.
    pub(super) fn poll(&mut self) -> Vec<RowWrite> {
        let fresh = self.unwritten.iter_mut().filter(|(_, row)| !row.is_handed_out);
        let rows: Vec<RowWrite> = fresh
            .map(|(key, row)| {
                row.is_handed_out = true;
                (key.clone(), row.bytes.clone())
            })
            .collect();
        self.in_flight += usize::from(!rows.is_empty());
        rows
    }

    /// Notes that what was handed out once is durable.
    pub(super) fn handle_written(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight == 0 {
            self.unwritten.retain(|_, row| !row.is_handed_out);
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.unwritten.get(key) {
            Some(row) => Ok(row.bytes.clone()),
            None => self.storage.row(self.space, key),
        }
    }

    /// The first row from a key on.
    pub(super) fn next(&self, from: &[u8]) -> Result<Option<Row>> {
        let mut from = from.to_vec();
        loop {
            let stored = self.storage.rows(self.space, &from, 1)?.pop();
            let Some((key, row)) = self.unwritten.range(from.clone()..).next() else {
                return Ok(stored);
            };
            match (&row.bytes, stored) {
                (_, Some(stored)) if stored.0 < *key => return Ok(Some(stored)),
                (Some(bytes), _) => return Ok(Some((key.clone(), bytes.clone()))),
                (None, _) => from = [key, &[0][..]].concat(),
            }
        }
    }

    /// The rows of a table of the conflict log.
    pub(super) fn all(&self, table: u8) -> Result<Vec<Row>> {
        self.range(&row::conflict_table(table), &row::conflict_table(table + 1))
    }

    /// The rows from a key on, up to another one.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> Result<Vec<Row>> {
        let (mut rows, mut next) = (BTreeMap::new(), from.to_vec());
        loop {
            let found = self.storage.rows(self.space, &next, CHUNK)?;
            let is_last = found.len() < CHUNK;
            rows.extend(found.into_iter().take_while(|(key, _)| key.as_slice() < to));
            match rows.last_key_value() {
                Some((last, _)) if !is_last && *last >= next => next = [last, &[0][..]].concat(),
                _ => break,
            }
        }
        for (key, row) in self.unwritten.range(from.to_vec()..to.to_vec()) {
            match &row.bytes {
                Some(bytes) => rows.insert(key.clone(), bytes.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }
}
