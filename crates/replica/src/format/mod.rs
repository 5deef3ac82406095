//! The formats of what is stored and sent: entries, log records, messages, tickets, and the
//! envelope with a mark, a version and a checksum that all of them stand in.

#[cfg(test)]
pub(crate) mod doc;
pub mod entry;
pub(crate) mod envelope;
pub mod message;
pub(crate) mod row;
pub(crate) mod section;
pub(crate) mod space;
pub(crate) mod ticket;
