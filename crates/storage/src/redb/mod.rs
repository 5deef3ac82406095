//! Storage in one file, by the engine redb.
//!
//! `redb_file` is the backend, and `redb_reader` the same for a file that is only read, also
//! `beside` a process that writes to it. Between the engine and its file stand `deferred_writes`,
//! which keeps back what the engine writes until the first commit, and `checksummed_file`, which
//! compares what it reads. `damaged_file` reads what is left of a damaged file without the engine,
//! whose pages `engine_pages` knows. `raw_file` is for simulated files.

mod beside;
mod checksummed_file;
pub(crate) mod damaged_file;
mod deferred_writes;
mod engine_pages;
mod frozen_file;
#[cfg(feature = "conformance")]
pub(crate) mod raw_file;
pub(crate) mod redb_file;
pub(crate) mod redb_reader;
