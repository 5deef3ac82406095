//! How a store is opened.

use std::path::Path;
#[cfg(feature = "redb")]
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::error::StoreError;
#[cfg(feature = "redb")]
use crate::shell::identity::first_batch;
use crate::shell::identity::{Claim, Randomness};
#[cfg(feature = "machine")]
use crate::shell::machine::{self, MachineTime};
use crate::shell::store::Store;
use crate::shell::time::Time;
#[cfg(feature = "redb")]
use crate::shell::witness::WitnessPath;
use crate::storage::Storage;

/// The options for opening a store: settings for sync, a clock, and where the proof of its place is
/// kept.
///
/// ```
/// use rejoin_replica::OpenOptions;
///
/// # let directory = tempfile::tempdir()?;
/// # let (data, state) = (directory.path().join("shop.rejoin"), directory.path().join("state"));
/// let store = OpenOptions::new().state_dir(&state).open(&data)?;
/// let id = store.replica_id();
/// drop(store);
/// assert_eq!(OpenOptions::new().state_dir(&state).open(&data)?.replica_id(), id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    config: Config,
    time: Arc<dyn Time>,
    random: Randomness,
    #[cfg(feature = "redb")]
    state_dir: Option<PathBuf>,
    #[cfg(feature = "redb")]
    engine_cache_bytes: usize,
    unproven: bool,
}

#[cfg(feature = "machine")]
impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "machine")]
impl Store {
    /// Opens a store file, or makes one where there is none.
    ///
    /// A file that was copied, restored from a backup or moved to another file system goes on under
    /// a new id; see [`replica_id`](Self::replica_id). For everything that can be set, see
    /// [`OpenOptions`].
    ///
    /// # Errors
    /// [`StoreError::AlreadyOpen`] when another handle or process holds it;
    /// [`StoreError::Damaged`] when it is not whole, in which case it is left as it is.
    #[cfg(feature = "redb")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        OpenOptions::new().open(path)
    }

    /// Opens a store file to read it as it is now, beside a process that has it open and writes to
    /// it.
    ///
    /// Spaces are opened and read as in any store, all at the moment of the last durable commit; to
    /// see what comes later, open it again. Nothing is written, neither to the file nor elsewhere.
    /// What would write answers [`StoreError::ReadOnly`] before it does anything, and
    /// [`replica_id`](Self::replica_id) is `None`.
    ///
    /// The process that writes neither waits for readers nor writes more for them. As long as this
    /// is open, it does not use the room again that is freed in the file, which therefore grows.
    /// All of the file is read and compared with its checksums here, unless it was closed in order.
    ///
    /// Damage that a store repairs when it is opened is an error here. The file of a process that
    /// was killed can be read.
    ///
    /// ```
    /// use rejoin_crdts::PnCounter;
    /// use rejoin_replica::{Store, StoreError};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("shop.rejoin");
    /// let store = Store::open(&path)?;
    /// let visits = store.create_space::<PnCounter>("visits")?;
    /// visits.transact(|tx| tx.object("front page").add(1))?;
    ///
    /// let now = Store::open_read_only(&path)?.open_space::<PnCounter>("visits")?;
    /// visits.transact(|tx| tx.object("front page").add(1))?;
    /// assert_eq!(now.object("front page").value()?, 1);
    /// let refused = now.transact(|tx| tx.object("front page").add(1));
    /// assert_eq!(refused.err(), Some(StoreError::ReadOnly));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::NoPlace`] when there is no such file; [`StoreError::Damaged`] when it is not
    /// whole; [`StoreError::AlreadyOpen`] when the process that has it open leaves no room for
    /// readers, as on a file system without locks, or where the system lets nobody read a file that
    /// is locked. Later, when a process has opened the file for writing or compacted it since,
    /// every read may answer [`StoreError::Outdated`].
    #[cfg(feature = "redb")]
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        OpenOptions::new().open_read_only(path)
    }

    /// A store that lasts as long as the process, under a new identity.
    ///
    /// # Errors
    /// None in practice: memory does not fail.
    pub fn memory() -> Result<Self, StoreError> {
        OpenOptions::new().over(Arc::new(crate::storage::Memory::default()))
    }

    /// A store over storage of one's own, under the identity that it holds; an empty one is given a
    /// new identity. The caller vouches that the storage is neither a copy nor older than what was
    /// written to it; where it may be, use [`OpenOptions::unproven`].
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it holds something but no identity; [`StoreError::Storage`]
    /// when it fails.
    ///
    /// # Example
    /// A store in a directory (feature `fjall`):
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use rejoin_crdts::PnCounter;
    /// use rejoin_replica::storage::FjallDirectory;
    /// use rejoin_replica::{Config, MachineTime, Store};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("shop");
    /// let open = || -> Result<Store, Box<dyn std::error::Error>> {
    ///     let storage = Arc::new(FjallDirectory::open(&path)?);
    ///     let time = Arc::new(MachineTime::default());
    ///     Ok(Store::with_storage(storage, Config::default(), time)?)
    /// };
    /// let visits = open()?.create_space::<PnCounter>("visits")?;
    /// visits.transact(|tx| tx.object("front page").add(1))?;
    /// # drop(visits);
    /// let visits = open()?.open_space::<PnCounter>("visits")?;
    /// assert_eq!(visits.object("front page").value()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_storage(
        storage: Arc<dyn Storage>,
        config: Config,
        time: Arc<dyn Time>,
    ) -> Result<Self, StoreError> {
        OpenOptions::new().config(config).time(time).over(storage)
    }
}

impl OpenOptions {
    /// The default options, with the machine's clock and randomness.
    #[cfg(feature = "machine")]
    pub fn new() -> Self {
        Self::hosted(Arc::new(MachineTime::default()), machine::random)
    }

    /// The default options, with the host's clock and source of randomness: for a browser, or
    /// wherever else the standard library has neither (without the feature `machine`).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use rejoin_replica::storage::Memory;
    /// use rejoin_replica::{Now, OpenOptions, Time};
    ///
    /// #[derive(Debug)]
    /// struct Page; // in a browser: Date.now(), performance.now() and crypto.getRandomValues()
    ///
    /// impl Time for Page {
    ///     fn now(&self) -> Now {
    ///         Now { wall: 1_800_000_000_000, elapsed: 0 }
    ///     }
    /// }
    ///
    /// fn random() -> [u8; 16] {
    ///     // ...
    ///     # rejoin_vclock::FreshId::random().into_id().to_bytes()
    /// }
    ///
    /// let store = OpenOptions::hosted(Arc::new(Page), random).over(Arc::new(Memory::default()))?;
    /// assert!(store.replica_id().is_some());
    /// # Ok::<(), rejoin_replica::StoreError>(())
    /// ```
    pub fn hosted(time: Arc<dyn Time>, random: Randomness) -> Self {
        // The secret of the hash tables, as peers choose the keys; a process keeps its first one.
        let [_, _, _, _, _, _, _, _, seed @ ..] = random();
        rejoin_crdts::hash::set_seed(u64::from_le_bytes(seed));
        Self {
            config: Config::default(),
            time,
            random,
            #[cfg(feature = "redb")]
            state_dir: None,
            #[cfg(feature = "redb")]
            engine_cache_bytes: 16 << 20,
            unproven: false,
        }
    }

    /// Settings for sync.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn time(mut self, time: Arc<dyn Time>) -> Self {
        self.time = time;
        self
    }

    /// Where the proof of the store's place is kept: a file of about a hundred bytes per store.
    ///
    /// By default `$REJOIN_STATE_DIR`, else `$XDG_STATE_HOME/rejoin`, else `~/.local/state/rejoin`.
    /// It must outlive the process and must not be copied, backed up or restored together with the
    /// store. In a container that loses its own files at every start, give it a volume beside the
    /// one with the data. Where it cannot be written, each start of the store takes a new id,
    /// vectors grow by one entry each time, and rights of a bounded counter stay with the id before
    /// ([`RetiredIds`](rejoin_crdts::RetiredIds)).
    #[cfg(feature = "redb")]
    #[must_use]
    pub fn state_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.state_dir = Some(directory.as_ref().to_owned());
        self
    }

    /// Number of bytes of a store file's pages that are kept in memory; 16 MiB by default.
    ///
    /// A store takes about this much memory, and for each open space
    /// [`memtable_bytes`](Config::memtable_bytes) + [`cache_bytes`](Config::cache_bytes), and
    /// [`waiting_bytes`](Config::waiting_bytes) while entries of peers arrive in the wrong order; a
    /// transaction takes a small multiple of its own size. Pages are read where a block is not in
    /// memory. Where memory is short, a fair beginning is a quarter of it for the pages, and an
    /// eighth for each of the two settings of a space.
    #[cfg(feature = "redb")]
    #[must_use]
    pub const fn engine_cache_bytes(mut self, bytes: usize) -> Self {
        self.engine_cache_bytes = bytes;
        self
    }

    /// Treats the store as a copy: it goes on under a new id, even if its place is proved. A store
    /// file remembers that until it has one; over storage of one's own, every opening says so until
    /// then.
    #[must_use]
    pub const fn unproven(mut self) -> Self {
        self.unproven = true;
        self
    }

    /// Opens a store file, or makes one where there is none.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[cfg(feature = "redb")]
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store, StoreError> {
        use crate::storage::{RedbFile, StorageError};
        let path = path.as_ref();
        let explain = |error| crate::shell::store::explain(path, error);
        let cache = self.engine_cache_bytes;
        let no_place = |what| StoreError::NoPlace { path: path.to_owned(), what };
        if path.is_dir() {
            return Err(no_place("it is a directory; name a file in it".to_owned()));
        }
        crate::shell::store::check_directory(path)?;
        let exists = path.try_exists().map_err(|error| StorageError::Io(error.to_string()))?;
        let mut made = None;
        let storage = if exists {
            RedbFile::open_with_cache(path, cache).map_err(explain)?
        } else {
            let (id, batch) = first_batch(self.random);
            made = Some(id);
            RedbFile::create_with_cache(path, &batch, cache).map_err(explain)?
        };
        let witness_path = Some(WitnessPath::new(path, self.state_dir));
        let Self { random, unproven, .. } = self;
        let claim = Claim { random, unproven, witness_path, made };
        Store::over(path, Arc::new(storage), claim, self.config, self.time)
    }

    /// Opens a store file to read it as it is now; see [`Store::open_read_only`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "redb")]
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Store, StoreError> {
        use crate::storage::RedbReader;
        let path = path.as_ref();
        if !path.is_file() {
            let what =
                if path.exists() { "it is no file" } else { "there is no file of that name" };
            let what = what.to_owned();
            return Err(StoreError::NoPlace { path: path.to_owned(), what });
        }
        let storage = RedbReader::open(path, self.engine_cache_bytes);
        let storage = storage.map_err(|error| crate::shell::store::explain(path, error))?;
        let claim = Claim { random: self.random, unproven: false, witness_path: None, made: None };
        Store::over(path, Arc::new(storage), claim, self.config, self.time)
    }

    /// Makes a store over storage of your own; see [`Store::with_storage`].
    ///
    /// # Errors
    /// As [`Store::with_storage`].
    pub fn over(self, storage: Arc<dyn Storage>) -> Result<Store, StoreError> {
        let Self { random, unproven, .. } = self;
        let claim = Claim { random, unproven, witness_path: None, made: None };
        Store::over(Path::new("(storage)"), storage, claim, self.config, self.time)
    }
}
