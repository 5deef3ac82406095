//! The version of the engine whose pages we read, and what has to be checked before it moves.
//!
//! `checksummed_file`, `frozen_file` and `engine_pages`, all in `src/storage`, know how redb lays
//! out its file. That is no part of its interface, so the version is exact in the workspace's
//! manifest. Whoever moves it reads these places in the new source, then changes [`CHECKED`] and
//! the manifest:
//!
//! - Pages have 4,096 bytes, and all writes but those of the header are of whole pages (`header.rs`
//!   there; `PAGE` and `State::note` here).
//! - The header takes 320 bytes, and nothing else is written in the first page, so our line at
//!   2,048 is left alone (`header.rs`; `HEADER`, `ACKNOWLEDGED_AT`).
//! - Of byte 9, bit 0 says which commit counts and bit 1 that the file was not closed. Bit 2, that
//!   the last commit took two phases, is for the engine alone. Bit 3 is set only where several
//!   processes share a file, which they never do here (`header.rs`; `commit_number`, `is_closed`,
//!   `Pages::commits`).
//! - At 16, 20, 24 and 28 are the pages of a region's header, the pages of a region, the number of
//!   full regions and the pages of the last one; one page stands before all regions (`header.rs`,
//!   `layout.rs`; `engine_length`).
//! - The commits are at 64 and 192, of format version 3, with the root of the tree of tables at 8
//!   and their number at 104 (`header.rs`; `commit_number`, `Pages::commits`).
//! - In a commit a flag at 2 says whether there is a root of the engine's own tables, that is at
//!   40, and at 112 is the XXH3 of what stands before it. Without that root the engine makes its
//!   tables anew when it opens a file that was not closed (`header.rs`; `cut_own_root`).
//! - A read transaction keeps all pages of the users' tables of its commit and of later ones, and
//!   none of the engine's own tables (`transactions.rs`; `RedbFile::pin`).
//! - The 128 bytes from 2^62 + 896 on are locked by backends alone; of them the engine's own
//!   backend takes the first two (`db.rs`, `optimized.rs`; `READING`, `CHANGING`, `PINNED`).
//! - The number of a page has 5 bits of order, then 20 of region and 20 of index; a region has 2^20
//!   pages and no header (`base.rs`, `layout.rs`; `Pages::run`, `REGION_PAGES`).
//! - A leaf begins with 1 and a branch with 2, both have the number of their keys at 2; then come
//!   where keys and values end, or checksums of 16 bytes and the children (`btree_base.rs`;
//!   `pairs_of`, `children`, `LEAF`, `BRANCH`).
//! - The entry of a table is 3, its number of pairs, a flag and its root (`table_tree_base.rs`;
//!   `tables`, `TABLE`).
//! - A key `(u32, u64)` is 12 bytes, little-endian (`tuple_types.rs`; `LOG_KEY` in `damaged_file`).
//! - The engine calls `close` last, and neither reads nor writes after it (`page_manager.rs`;
//!   `ChecksummedFile::close`).
//! - After a failed write it does nothing more, and what it finds when it opens the file again is
//!   the last commit that is whole (`page_manager.rs`; `redb_file`).
//!
//! Then these: `cargo test -p rejoin-storage --test storage`, and `cargo xtask images`, `flips` and
//! `full`, on files that the former version made, too.

use rejoin_storage::power_loss::FaultyFile;
use rejoin_storage::{Batch, RedbFile, Storage};

/// The version whose source was read.
const CHECKED: &str = "4.5.0";

#[test]
fn the_engine_is_of_the_version_whose_pages_were_looked_at() {
    let lock = include_str!("../../../../Cargo.lock");
    let of_engine = |package: &&str| package.contains("name = \"redb\"\n");
    let locked: Vec<&str> = lock.split("[[package]]").filter(of_engine).collect();
    let expected = format!("version = \"{CHECKED}\"\n");
    let moved = "redb has moved: see the list at the top of this file, then change CHECKED";
    assert!(locked.len() == 1 && locked[0].contains(&expected), "{moved}: {locked:?}");
    let manifest = include_str!("../../../../Cargo.toml");
    assert!(manifest.contains(&format!("\nredb = \"={CHECKED}\"\n")), "redb is not pinned");
}

/// What can be seen of the list from outside, on a file that was closed and on one that was not.
#[test]
fn the_first_page_is_laid_out_as_it_is_read() {
    let file = FaultyFile::default();
    let storage = RedbFile::over_raw(file.clone()).expect("a new file");
    let batch = Batch { meta: vec![("name".to_owned(), vec![7; 40])], ..Batch::default() };
    storage.commit(&batch).expect("a commit");
    let open = file.bytes();
    drop(storage);
    let closed = file.bytes();
    for (bytes, is_closed) in [(&open, false), (&closed, true)] {
        assert_eq!(&bytes[..9], b"redb\x1a\x0a\xa9\x0d\x0a");
        assert_eq!(bytes[9] & 0b1111_1000, 0, "bits that we do not know");
        assert_eq!(bytes[9] & 2 == 0, is_closed);
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        assert_eq!((field(12), field(16), field(20)), (4096, 0, 1 << 20));
        let slot = &bytes[64 + 128 * usize::from(bytes[9] & 1)..][..128];
        assert_eq!(slot[0], 3, "the version of the engine's format");
        let number = u64::from_le_bytes(slot[104..112].try_into().expect("8 bytes"));
        assert!((1..100).contains(&number), "{number}");
        let unused = bytes[320..4096].iter().enumerate().filter(|&(_, &byte)| byte != 0);
        let of_line = (2048 - 320)..(2048 - 320 + 12);
        assert!(unused.into_iter().all(|(at, _)| of_line.contains(&at)), "more than our line");
    }
}
