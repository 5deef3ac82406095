//! The storage of a store: a small trait, and the backends behind it.
//!
//! There are three tables. The *log* has one record per transaction under sequential keys; a commit
//! writes only that, because random small writes cost an engine tens of times their payload.
//! *Rows* are derived from the log: blocks of state and indexes, written later, in order and in
//! bulk. *Meta* is a few small named blobs.
//!
//! A backend knows nothing of what it keeps. [`Storage`] has its duties; [`Memory`], `RedbFile`
//! (a file, feature `redb`) and `FjallDirectory` (a directory, feature `fjall`) do them. The suite
//! of the feature `conformance` tells whether a backend of your own does, too.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
#[doc(hidden)]
pub mod envelope;
mod error;
mod fail_stop;
#[cfg(feature = "fjall")]
mod fjall_directory;
#[cfg(test)]
mod format_doc;
mod holder;
mod memory;
#[cfg(any(feature = "redb", feature = "fjall"))]
mod place;
#[cfg(all(feature = "redb", feature = "conformance"))]
pub mod power_loss;
#[cfg(feature = "redb")]
mod redb;

#[cfg(all(feature = "redb", feature = "conformance"))]
pub use crate::redb::raw_file::RawFile;
#[cfg(feature = "redb")]
pub use crate::redb::redb_file::RedbFile;
#[cfg(feature = "redb")]
pub use crate::redb::redb_reader::RedbReader;
pub use contract::{Batch, Gone, MAX_STORED_BYTES, Row, RowWrite, Storage, StorageRead, Stored};
pub use error::StorageError;
#[cfg(feature = "fjall")]
pub use fjall_directory::FjallDirectory;
pub use holder::Holder;
pub use memory::Memory;

// For the store above, which has the formats of what is kept; with `envelope`, not for users, and
// changed whenever the store needs it.
#[cfg(feature = "redb")]
#[doc(hidden)]
pub use crate::redb::damaged_file::{DamagedFile, Formats, ValueRef};
#[doc(hidden)]
pub use fail_stop::FailStop;
#[doc(hidden)]
pub use holder::FileId;
