#!/usr/bin/env bash
# redb 4.5.0: in ConcurrencyMode::SingleWriter every commit syncs the file twice, whether anybody reads
# or not.
#
# Expected: the documentation of `ConcurrencyMode` says that one process writes and others may read
#   and follow, and names locks. A commit in that mode looks as durable as before at one sync, as in
#   the default mode, plus some locks.
# Seen: two syncs per commit in place of one, because the mode switches two-phase commit on (a comment
#   in `transactions.rs` says so; `set_two_phase_commit(false)` does not change it). Also about ten
#   lock calls per commit, and the backend of a user has to have shared, waiting and asking locks.
#
# Exits with 0 as long as this is what is seen, with 1 once it has changed, with 2 if it cannot be run.
set -euo pipefail

here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
mkdir "$here/src"
cat > "$here/Cargo.toml" <<'TOML'
[package]
name = "redb_read_beside_writer"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
redb = "=4.5.0"
TOML
cat > "$here/src/main.rs" <<'RUST'
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, ConcurrencyMode, ReadableDatabase, ReadableTableMetadata};
use redb::{StorageBackend, TableDefinition};

const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const COMMITS: u64 = 200;

#[derive(Debug, Default)]
struct Counts {
    syncs: AtomicU64,
    locks: AtomicU64,
}

/// The engine's own backend, with its calls counted.
#[derive(Debug)]
struct Counted(FileBackend, Arc<Counts>);

impl Counted {
    fn lock(&self) -> &FileBackend {
        self.1.locks.fetch_add(1, Relaxed);
        &self.0
    }
}

type Locked<T> = Result<T, BackendError>;

impl StorageBackend for Counted {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.0.set_len(length)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.1.syncs.fetch_add(1, Relaxed);
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> std::io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.lock().try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.lock().try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.lock().lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.lock().lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.lock().unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.lock().query_lock_range(start, end)
    }
}

/// Syncs and lock calls of some commits.
fn commits(path: &str, mode: ConcurrencyMode) -> (u64, u64) {
    let open = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(path);
    let (file, counts) = (FileBackend::new(open.unwrap()).unwrap(), Arc::new(Counts::default()));
    let mut builder = Builder::new();
    builder.set_concurrency_mode(mode);
    let counted = Counted(file, Arc::clone(&counts));
    let database = builder.create_with_backend(counted).unwrap();
    let write = |number: u64| {
        let mut write = database.begin_write().unwrap();
        write.set_two_phase_commit(false);
        write.open_table(LOG).unwrap().insert(number, &[7; 300][..]).unwrap();
        write.commit().unwrap();
    };
    write(0); // makes the table
    let before = (counts.syncs.load(Relaxed), counts.locks.load(Relaxed));
    (1..=COMMITS).for_each(write);
    let after = (counts.syncs.load(Relaxed), counts.locks.load(Relaxed));
    if mode == ConcurrencyMode::SingleWriter {
        let reader = builder.open_read_only(path).expect("beside the writer");
        let read = reader.begin_read().unwrap();
        assert_eq!(read.open_table(LOG).unwrap().len().unwrap(), COMMITS + 1);
    }
    (after.0 - before.0, after.1 - before.1)
}

fn main() {
    let alone = commits("alone.redb", ConcurrencyMode::ExclusiveWriter);
    let beside = commits("beside.redb", ConcurrencyMode::SingleWriter);
    println!("redb 4.5.0, {COMMITS} commits: syncs, lock calls");
    println!("ExclusiveWriter: {alone:?}");
    println!("SingleWriter:    {beside:?}");
    let as_before = alone == (COMMITS, 0) && beside.0 == 2 * COMMITS && beside.1 > COMMITS;
    println!("{}", if as_before { "as it was found" } else { "it has changed" });
    std::process::exit(if as_before { 0 } else { 1 });
}
RUST
cd "$here"
cargo build --quiet --release || exit 2
./target/release/redb_read_beside_writer
