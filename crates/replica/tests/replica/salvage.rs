//! New stores made out of damaged files: everything whole comes over, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoin_crdts::LwwRegister;
use rejoin_replica::entry::Record;
use rejoin_replica::ops::{Depth, OperationError, Salvaged, salvage, verify_file};
use rejoin_replica::storage::{RedbFile, StorageRead};
use rejoin_replica::{OpenOptions, Space, Store, StoreError};

use crate::medium::Clock;
use crate::pipes::Cart;
use crate::store_sync::settle;
use crate::verification::go_on;

type Carts = Space<Cart>;
type Notes = Space<LwwRegister<String>>;

const WRITES: u64 = 90;
/// Distance in bytes between the flipped bits.
const STEP: usize = 661;

/// A store file, its content, and a peer that has all of it.
struct Case {
    directory: tempfile::TempDir,
    clock: Arc<Clock>,
    /// The file as a kill leaves it, and closed.
    files: [Vec<u8>; 2],
    records: BTreeSet<(u32, Vec<u8>)>,
    peer: Store,
}

fn options(clock: &Arc<Clock>, directory: &Path) -> OpenOptions {
    OpenOptions::new().time(clock.clone()).state_dir(directory.join("state"))
}

fn spaces(store: &Store) -> Result<(Carts, Notes), StoreError> {
    Ok((store.open_space("carts")?, store.open_space("notes")?))
}

impl Case {
    fn new() -> Self {
        // Thousands of stores are made: the time they wait for syncs does not matter here.
        let in_memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = in_memory.expect("a directory");
        let (path, clock) = (directory.path().join("whole"), Arc::new(Clock::default()));
        let store = options(&clock, directory.path()).open(&path).expect("a new store");
        let carts: Carts = store.create_space("carts").expect("a first space");
        let notes: Notes = store.create_space("notes").expect("a second space");
        let peer = OpenOptions::new().time(clock.clone()).unproven();
        let peer = peer.over(Arc::new(rejoin_replica::storage::Memory::default())).expect("memory");
        let theirs: Carts = peer.join_space("carts", carts.ticket()).expect("joined");
        let their_notes: Notes = peer.join_space("notes", notes.ticket()).expect("joined");
        for number in 0..WRITES {
            clock.pass(1);
            let line = format!("line {}", number % 17);
            carts.transact(|tx| tx.object("alice").entry(&line).add(1)).expect("a transaction");
            let long = if number % 9 == 4 { 150 } else { 1 };
            let text = "text ".repeat(usize::try_from(number % 20 * long).unwrap());
            notes.transact(|tx| tx.object("n").set(text)).expect("a transaction");
            if number % 10 == 3 {
                theirs.transact(|tx| tx.object("bob").entry(&line).add(2)).expect("a transaction");
                settle(&carts.link(), &theirs.link()).expect("both go on");
            }
        }
        settle(&carts.link(), &theirs.link()).expect("both go on");
        settle(&notes.link(), &their_notes.link()).expect("both go on");
        let killed = std::fs::read(&path).expect("readable");
        drop((carts, notes, store));
        let records = records(&path);
        let files = [killed, std::fs::read(&path).expect("readable")];
        Self { directory, clock, files, records, peer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// True if a store with these bytes opens and can be read.
    fn opens(&self, bytes: &[u8]) -> bool {
        let path = self.path("damaged");
        std::fs::write(&path, bytes).expect("writable");
        let read = || {
            let store = options(&self.clock, self.directory.path()).open(&path)?;
            let (carts, notes) = spaces(&store)?;
            carts.digest()?;
            notes.digest()
        };
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
        std::fs::write(&path, bytes).expect("writable");
        opened.expect("no panic").is_ok()
    }

    fn salvage(&self) -> Result<Salvaged, OperationError> {
        drop(std::fs::remove_file(self.path("salvaged")));
        let before = std::fs::read(self.path("damaged")).expect("readable");
        let salvaged = salvage(self.path("damaged"), self.path("salvaged"), 7, &mut go_on);
        assert!(before == std::fs::read(self.path("damaged")).expect("readable"));
        salvaged
    }

    /// Returns the records that did not come over; no record came that was not there before.
    fn lost(&self, how: &str) -> Vec<(u32, Vec<u8>)> {
        let there = records(&self.path("salvaged"));
        let mut invented = there.difference(&self.records);
        let first = invented.next().map(|(space, bytes)| (space, Record::decode(bytes)));
        assert!(first.is_none(), "{how}: a record that never was: {first:?}");
        self.records.difference(&there).cloned().collect()
    }

    /// Checks that it opens, is whole, and becomes equal to the peer.
    fn assert_goes_on(&self, how: &str) {
        let path = self.path("salvaged");
        let found = verify_file(&path, Depth::Replayed, &mut go_on).expect("readable");
        assert!(found.is_sound(), "{how}: {:?}", found.findings);
        let store = options(&self.clock, self.directory.path()).open(&path).expect("a store");
        let (carts, notes) = spaces(&store).expect("both spaces");
        let (theirs, their_notes) = spaces(&self.peer).expect("both spaces");
        for _ in 0..3 {
            settle(&carts.link(), &theirs.link()).expect("both go on");
            settle(&notes.link(), &their_notes.link()).expect("both go on");
        }
        let ours = (carts.digest().unwrap(), notes.digest().unwrap());
        assert_eq!(ours, (theirs.digest().unwrap(), their_notes.digest().unwrap()), "{how}");
        drop((carts, notes, store));
        let found = verify_file(&path, Depth::Replayed, &mut go_on).expect("readable");
        assert!(found.is_sound(), "{how}: {:?}", found.findings);
    }
}

/// Returns the records of a store, in the log or quarantined.
fn records(path: &Path) -> BTreeSet<(u32, Vec<u8>)> {
    let file = RedbFile::open(path).expect("a store");
    let mut found = BTreeSet::new();
    for space in 0..2 {
        let log = file.log(space, 0, usize::MAX).expect("readable").into_iter();
        let quarantine = file.rows(space, &[4], usize::MAX).expect("readable").into_iter();
        let quarantine = quarantine.filter(|(key, _)| key[0] == 4).map(|(_, bytes)| bytes);
        let stored = log.map(|(_, bytes)| bytes).chain(quarantine);
        found.extend(stored.filter(|bytes| Record::decode(bytes).is_ok()).map(|b| (space, b)));
    }
    found
}

/// Pages that were never written are all zeros, and damage to them does not matter.
fn is_blank(file: &[u8], at: usize) -> bool {
    file[at..].iter().take(1024).all(|&byte| byte == 0)
}

/// True if a byte of a file belongs to a record.
fn is_hit(file: &[u8], at: usize, record: &[u8]) -> bool {
    let from = at.saturating_sub(record.len());
    let around = &file[from..file.len().min(at + record.len())];
    around.windows(record.len()).any(|window| window == record)
}

#[test]
fn whatever_bit_is_flipped_only_the_record_that_it_hits_is_lost() {
    let case = Case::new();
    let (mut tried, mut hits, mut tickets, mut uncounted) = (0, 0, 0, 0);
    for (file, state) in case.files.iter().zip(["killed", "closed"]) {
        for at in (0..file.len()).step_by(STEP).filter(|&at| !is_blank(file, at)) {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << (at % 8);
            if !case.opens(&flipped) {
                let how = format!("{state}, byte {at}");
                let salvaged = case.salvage().unwrap_or_else(|error| panic!("{how}: {error}"));
                let lost = case.lost(&how);
                assert!(lost.len() <= 1, "{how}: {} records are lost", lost.len());
                let is_hit = lost.iter().all(|(_, record)| is_hit(file, at, record));
                assert!(is_hit, "{how}: a record that was whole is lost");
                (tried, hits) = (tried + 1, hits + lost.len());
                if salvaged.spaces.iter().any(|space| space.is_nameless) {
                    // A ticket has one copy in the file, and is hit here.
                    tickets += 1;
                    continue;
                }
                let is_complete = salvaged.is_counted && lost.is_empty();
                assert_eq!(salvaged.is_complete(), is_complete, "{how}: {salvaged:?}");
                uncounted += usize::from(!salvaged.is_counted);
                if tried % 16 == 0 || !lost.is_empty() && hits % 4 == 0 {
                    case.assert_goes_on(&how);
                }
            }
        }
    }
    println!("{tried} salvaged, {hits} records hit, {tickets} tickets hit");
    assert!(tried > 100 && hits > 50 && tickets < 5 && uncounted < 20, "{uncounted} uncounted");
}

/// The second half of a file is gone: records in the first half come over.
#[test]
fn what_a_file_that_was_cut_off_still_has_comes_over() {
    let case = Case::new();
    for file in &case.files {
        let cut = &file[..file.len() / 2];
        assert!(!case.opens(cut));
        let salvaged = case.salvage().expect("a half is more than nothing");
        let lost = case.lost("cut in half");
        assert!(!salvaged.is_complete() && !lost.is_empty());
        let is_there = |record: &[u8]| cut.windows(record.len()).any(|window| window == record);
        assert!(!lost.iter().any(|(_, record)| is_there(record)));
    }
}

/// However much of a file is gone, it is not said to be complete if anything is lost.
#[test]
fn what_is_cut_off_anywhere_is_not_complete() {
    let case = Case::new();
    let file = &case.files[1];
    for pages in 1..file.len() / 4096 {
        std::fs::write(case.path("damaged"), &file[..pages * 4096]).expect("writable");
        let _ = std::fs::remove_file(case.path("salvaged"));
        let Ok(salvaged) = case.salvage() else { continue };
        let lost = case.lost("cut off");
        assert!(!salvaged.is_complete() || lost.is_empty(), "{pages} pages: {salvaged:?}");
    }
}

/// A page of zeros replaces every branch and the header: only records are left.
#[test]
fn records_are_found_where_nothing_leads_to_them() {
    let case = Case::new();
    for file in &case.files {
        let mut bytes = file.clone();
        bytes[..4096].fill(0);
        for page in bytes.chunks_mut(4096).filter(|page| page[0] == 2 && page[1] == 0) {
            page.fill(0);
        }
        assert!(!case.opens(&bytes));
        let salvaged = case.salvage().expect("the records are there");
        assert_eq!(case.lost("without branches"), [], "{salvaged:?}");
        let store = options(&case.clock, case.directory.path()).open(case.path("salvaged"));
        assert_eq!(store.expect("a store").replica_id(), None, "it is a copy");
        case.assert_goes_on("without branches");
    }
}

#[test]
fn where_nothing_is_left_it_says_so_and_makes_nothing() {
    let case = Case::new();
    let noise: Vec<u8> =
        (0..70_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    for bytes in [&noise[..], &[0; 9000], b"customer_id,stock_code", b""] {
        std::fs::write(case.path("damaged"), bytes).expect("writable");
        let error = case.salvage().expect_err("there is nothing");
        assert_eq!(error, OperationError::NothingLeft { path: case.path("damaged") });
        assert!(error.is_corruption() && !case.path("salvaged").exists());
    }
    let taken = salvage(case.path("damaged"), case.path("whole"), 7, &mut go_on);
    assert_eq!(taken, Err(OperationError::Exists { path: case.path("whole") }));
    let missing = salvage(case.path("none"), case.path("salvaged"), 7, &mut go_on);
    assert!(matches!(missing, Err(OperationError::Missing { .. })));
    let _open = Store::open(case.path("whole")).expect("a store");
    let open = salvage(case.path("whole"), case.path("salvaged"), 7, &mut go_on);
    assert!(matches!(open, Err(OperationError::Store(StoreError::AlreadyOpen { .. }))));
}

/// Records that wait for a lost one come back with it, even if the store was closed in between.
#[test]
fn what_was_set_aside_comes_back_with_what_it_waits_for() {
    let case = Case::new();
    let file = &case.files[0]; // nothing is flushed
    let lost = case.records.iter().find(|(space, record)| {
        let record = Record::decode(record).expect("a record");
        *space == 0 && record.entry.delta().first() == 40
    });
    let (_, lost) = lost.expect("there are more");
    let mut bytes = file.clone();
    for at in 0..bytes.len() - lost.len() {
        if bytes[at..].starts_with(lost) {
            bytes[at + lost.len() / 2] ^= 1;
        }
    }
    std::fs::write(case.path("damaged"), bytes).expect("writable");
    let salvaged = case.salvage().expect("all but one");
    assert!(salvaged.spaces.iter().any(|space| space.quarantined > 1), "{salvaged:?}");
    for _ in 0..2 {
        let store = options(&case.clock, case.directory.path()).open(case.path("salvaged"));
        let (carts, _) = spaces(&store.expect("a store")).expect("both spaces");
        carts.transact(|tx| tx.object("eve").entry("pears").add(1)).expect("a transaction");
    }
    case.assert_goes_on("closed twice");
}
