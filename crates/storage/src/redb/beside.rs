//! Reading a file beside a process that writes to it.
//!
//! The engine's own modes for that make each commit wait for the disk twice. Here the writer stays
//! as it is, and tells readers by locks on bytes that the engine leaves to whoever stands between
//! it and its file. A reader tells the writer by such a lock that it is there; the writer then
//! keeps what was committed from being overwritten, by a read transaction of its own.
//!
//! ```text
//! byte       held by    as long as
//! READING    readers    they have the file open, shared
//! CHANGING   a writer   it changes the file, from before it looks for readers until after it has
//!                       acknowledged
//! PINNED     a writer   it keeps for readers what was committed
//! ```
//!
//! # What a reader reads
//! ```text
//!   a reader                              a writer
//!     | READING                             | CHANGING; nobody is READING
//!     | sees CHANGING and not PINNED: waits | commits 7, acknowledges it, not CHANGING
//!     |                                     | CHANGING; somebody is READING: keeps 7, PINNED
//!     | sees PINNED: reads 7, the last      | commits 8, 9, 10; what 7 refers to stays
//!     |   commit that is acknowledged       |
//! ```
//!
//! Where nobody is changing the file, the last commit in it is whole, or the one before it is; the
//! engine finds out. The reader takes the first page as it is then (`frozen_file`) and the pages
//! below it from the file. A later change begins with a look for readers, so it keeps what that
//! page refers to. The trees of the engine's own bookkeeping are not kept, so they are cut off of a
//! frozen page: the engine makes them anew, in memory.
//!
//! # What it does not guarantee
//! A writer that is opened later does not know what a reader has read before it, nor does a
//! compaction wait for readers. The reader has compared all pages with the engine's checksums when
//! it opened the file, and knows their sums since: a page that is not the same any more is an
//! error. If the file has changed meanwhile, that is no damage; the reader is to open it again.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::Bound;

use redb::StorageBackend;

/// The first of the bytes that the engine does not lock.
const LEFT_TO_BACKENDS: u64 = (1 << 62) + 896;
/// Held by readers.
const READING: u64 = LEFT_TO_BACKENDS + 100;
/// Held by a writer while it changes the file.
const CHANGING: u64 = LEFT_TO_BACKENDS + 101;
/// Held by a writer that keeps for readers what was committed.
const PINNED: u64 = LEFT_TO_BACKENDS + 102;

const fn byte(at: u64) -> (Bound<u64>, Bound<u64>) {
    (Bound::Included(at), Bound::Included(at))
}

/// Locks a byte of a writer, or gives it back. Where there are no such locks, nobody reads beside.
fn hold(file: &dyn StorageBackend, at: u64, holds: bool) {
    let (start, end) = byte(at);
    if holds {
        drop(file.try_lock_range(start, end));
    } else {
        drop(file.unlock_range(start, end));
    }
}

/// Tells readers whether the file is being changed.
pub(super) fn mark_changing(file: &dyn StorageBackend, changing: bool) {
    hold(file, CHANGING, changing);
}

/// Tells readers whether what was committed is kept for them.
pub(super) fn mark_pinned(file: &dyn StorageBackend, pinned: bool) {
    hold(file, PINNED, pinned);
}

/// Returns true if somebody reads the file beside its writer.
pub(super) fn has_readers(file: &dyn StorageBackend) -> bool {
    is_held(file, READING, false)
}

/// Tells writers that somebody reads the file, for as long as it is open.
pub(super) fn announce_reader(file: &dyn StorageBackend) {
    let (start, end) = byte(READING);
    drop(file.try_lock_shared_range(start, end));
}

/// Returns true if a writer is changing the file, or `unknown` where that cannot be told.
pub(super) fn is_changing(file: &dyn StorageBackend, unknown: bool) -> bool {
    is_held(file, CHANGING, unknown)
}

/// Returns true if a writer keeps for readers what was committed, or where that cannot be told.
pub(super) fn is_pinned(file: &dyn StorageBackend) -> bool {
    is_held(file, PINNED, true)
}

fn is_held(file: &dyn StorageBackend, at: u64, unknown: bool) -> bool {
    let (start, end) = byte(at);
    file.query_lock_range(start, end).unwrap_or(unknown)
}
