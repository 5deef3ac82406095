//! Storage that counts, waits, fails and lies on request, and a clock that is set by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rejoin_replica::storage::{Batch, Memory, Row, Storage, StorageError, StorageRead, Stored};
use rejoin_replica::{Config, Now, Store, Time};

/// Waits for another thread to do something, and fails if that never happens.
pub(crate) fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < patience, "it never happened");
        std::thread::yield_now();
    }
}

/// The way a commit goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// Nothing is written, and an error is returned.
    Lost,
    /// It is written, but an error is returned.
    Unsure,
    /// The engine panics.
    Panics,
    /// There is no room, and nothing is written.
    Full,
}

/// Storage in memory under a test's control.
#[derive(Default, Debug)]
pub(crate) struct Medium {
    content: Memory,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default, Debug)]
struct State {
    commits: usize,
    log_bytes: usize,
    reads: usize,
    held: bool,
    trouble: Option<Trouble>,
    /// The number of reads until one that fails.
    reads_left: Option<usize>,
}

impl Medium {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens a store on this medium.
    pub(crate) fn open(self: &Arc<Self>) -> Store {
        self.open_with(Config::default())
    }

    /// Opens a store on this medium, with settings.
    pub(crate) fn open_with(self: &Arc<Self>, config: Config) -> Store {
        let storage: Arc<dyn Storage> = self.clone();
        Store::with_storage(storage, config, Arc::new(Clock::default()))
            .expect("a medium with an identity, or an empty one")
    }

    /// Returns a copy that has lost all rows of the first space; log and named blobs remain.
    pub(crate) fn log_alone(&self) -> Arc<Self> {
        self.log_alone_but(&[])
    }

    /// Does the same, but keeps the rows whose keys begin with `kept`, unless that is empty.
    pub(crate) fn log_alone_but(&self, kept: &[u8]) -> Arc<Self> {
        let copy = self.after_power_loss();
        let rows =
            copy.rows().into_iter().filter(|(key, _)| kept.is_empty() || !key.starts_with(kept));
        let rows = rows.map(|(key, _)| (0, key, None)).collect();
        copy.content.commit(&Batch { rows, ..Batch::default() }).unwrap();
        copy
    }

    /// Returns a copy that has lost its named blobs.
    pub(crate) fn without_blobs(&self) -> Arc<Self> {
        let log = self.stored(0).into_iter().map(|(at, bytes)| (0, at, bytes)).collect();
        let rows = self.rows().into_iter().map(|(key, bytes)| (0, key, Some(bytes))).collect();
        let copy = Self::new();
        copy.content.commit(&Batch { log, rows, ..Batch::default() }).unwrap();
        copy
    }

    /// Returns the rows of the first space.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.content.rows(0, &[], usize::MAX).unwrap()
    }

    /// Puts or removes a row without the store's knowledge.
    pub(crate) fn put_row(&self, key: &[u8], bytes: Option<Vec<u8>>) {
        let rows = vec![(0, key.to_vec(), bytes)];
        self.content.commit(&Batch { rows, ..Batch::default() }).unwrap();
    }

    /// Returns the number of commits, including failed ones.
    pub(crate) fn commits(&self) -> usize {
        self.state.lock().unwrap().commits
    }

    /// Returns the number of bytes of log records that were committed.
    pub(crate) fn log_bytes(&self) -> usize {
        self.state.lock().unwrap().log_bytes
    }

    /// Makes commits wait until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.state.lock().unwrap().held = true;
    }

    pub(crate) fn release(&self) {
        self.state.lock().unwrap().held = false;
        self.released.notify_all();
    }

    /// Makes one read fail, after this many that do not.
    pub(crate) fn fail_a_read_after(&self, reads: usize) {
        self.state.lock().unwrap().reads_left = Some(reads);
    }

    /// True if the read that was to fail has failed.
    pub(crate) fn has_failed_a_read(&self) -> bool {
        self.state.lock().unwrap().reads_left.is_none()
    }

    fn read(&self) -> Result<(), StorageError> {
        let mut state = self.state.lock().unwrap();
        state.reads += 1;
        let left = &mut state.reads_left;
        match left.take() {
            Some(0) => Err(StorageError::Io("a read failed, as the test asked for".to_owned())),
            reads => {
                *left = reads.map(|reads| reads - 1);
                Ok(())
            }
        }
    }

    /// Makes every commit from now on go wrong.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.state.lock().unwrap().trouble = Some(trouble);
    }

    /// Ends whatever went wrong.
    pub(crate) fn end_trouble(&self) {
        self.state.lock().unwrap().trouble = None;
    }

    /// Returns the number of reads of rows and records.
    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    /// Flips a bit in each block of the first space, without the store's knowledge.
    pub(crate) fn damage_rows(&self) {
        for (key, mut bytes) in self.rows().into_iter().filter(|(key, _)| key[0] == 1) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            self.put_row(&key, Some(bytes));
        }
    }

    /// Returns what a power loss at this moment leaves.
    pub(crate) fn after_power_loss(&self) -> Arc<Self> {
        let meta = self.content.metas("").unwrap();
        let records = |space| {
            let records = self.content.log(space, 0, usize::MAX).unwrap().into_iter();
            records.map(move |(sequence, bytes)| (space, sequence, bytes))
        };
        let rows = |space| {
            let rows = self.content.rows(space, &[], usize::MAX).unwrap().into_iter();
            rows.map(move |(key, bytes)| (space, key, Some(bytes)))
        };
        let (log, rows) = ((0..8).flat_map(records).collect(), (0..8).flat_map(rows).collect());
        let copy = Self::new();
        copy.content.commit(&Batch { meta, log, rows, ..Batch::default() }).unwrap();
        copy
    }

    /// Returns the records of a space that are durable, by sequence.
    pub(crate) fn stored(&self, space: u32) -> Vec<Stored> {
        self.content.log(space, 0, usize::MAX).unwrap()
    }

    /// Returns the number of records of a space that are durable.
    pub(crate) fn records(&self, space: u32) -> usize {
        self.stored(space).len()
    }

    /// Changes a stored record without the store's knowledge.
    pub(crate) fn damage_record(
        &self,
        space: u32,
        sequence: u64,
        damage: impl FnOnce(&mut Vec<u8>),
    ) {
        let (_, mut bytes) = self.content.log(space, sequence, 1).unwrap().remove(0);
        damage(&mut bytes);
        let log = vec![(space, sequence, bytes)];
        self.content.commit(&Batch { log, ..Batch::default() }).unwrap();
    }

    /// Like [`damage_record`](Self::damage_record), for a named blob.
    pub(crate) fn damage_meta(&self, name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.content.meta(name).unwrap().unwrap_or_default();
        damage(&mut bytes);
        let meta = vec![(name.to_owned(), bytes)];
        self.content.commit(&Batch { meta, ..Batch::default() }).unwrap();
    }
}

impl StorageRead for Medium {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.content.meta(name)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.content.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        self.read()?;
        self.content.log(space, from, limit)
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        self.content.log_end(space)
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read()?;
        self.content.row(space, key)
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.read()?;
        self.content.rows(space, from, limit)
    }
}

impl Storage for Medium {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut state = self.state.lock().unwrap();
        state.commits += 1;
        let mut state = self.released.wait_while(state, |state| state.held).unwrap();
        let trouble = state.trouble;
        if !matches!(trouble, Some(Trouble::Lost | Trouble::Panics | Trouble::Full)) {
            state.log_bytes += batch.log.iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>();
            self.content.commit(batch)?;
        }
        drop(state);
        match trouble {
            None => Ok(()),
            Some(Trouble::Full) => Err(StorageError::Full),
            Some(Trouble::Panics) => panic!("the engine is broken, as the test asked it to be"),
            Some(_) => Err(StorageError::Io("the disk is gone".to_owned())),
        }
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        self.content.snapshot()
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.content.compact()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.content.verify()
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.content.size()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Default, Debug)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Time for Clock {
    fn now(&self) -> Now {
        let elapsed = self.0.load(Ordering::Relaxed);
        Now { wall: 1_700_000_000_000 + elapsed, elapsed }
    }
}
