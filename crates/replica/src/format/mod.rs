//! The formats of what is stored and sent: entries, log records, messages, tickets. What is stored
//! stands in an envelope, which the storage below knows, too.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub(crate) mod conflict;
pub(crate) mod conflict_segment;
pub(crate) mod direction;
#[cfg(test)]
#[path = "../../../storage/src/format_doc.rs"]
pub(crate) mod doc;
pub mod entry;
pub(crate) mod location;
pub mod message;
pub(crate) mod relative;
pub(crate) mod row;
pub(crate) mod section;
pub(crate) mod space;
pub(crate) mod stable_hash;
pub(crate) mod ticket;

pub(crate) use crate::storage::envelope;
