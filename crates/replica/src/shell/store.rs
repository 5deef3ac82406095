//! A store: one identity, any number of spaces, one file.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rejoin_crdts::Crdt;
use rejoin_vclock::ReplicaId;

use crate::config::Config;
#[cfg(feature = "redb")]
use crate::core::Now;
use crate::core::recovery::Stored;
use crate::error::{StoreError, at_most};
use crate::format::space::{SPACE, read_space, write_space};
use crate::format::ticket::{MAX_NAME_BYTES, Ticket};
use crate::shell::clearing::clear_all;
use crate::shell::driver::Driver;
use crate::shell::identity::{Claim, Identity, NoIdentity, Randomness, first_batch};
use crate::shell::loss::{Accepted, Loss};
use crate::shell::shared::{Inside, Shared};
use crate::shell::space::Space;
use crate::shell::time::Time;
use crate::storage::{Batch, FailStop, Holder, Storage, StorageError, StorageRead};

/// A store: an identity and the spaces it holds.
///
/// A handle: clones are the same store. Its file is held by one process at a time; others may
/// [read](Self::open_read_only) it meanwhile.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    label: std::path::PathBuf,
    storage: Arc<FailStop>,
    identity: Arc<Identity>,
    config: Config,
    time: Arc<dyn Time>,
    open: Mutex<HashMap<String, Arc<Shared>>>,
}

impl Store {
    pub(crate) fn over(
        label: &Path,
        storage: Arc<dyn Storage>,
        claim: Claim,
        config: Config,
        time: Arc<dyn Time>,
    ) -> Result<Self, StoreError> {
        if storage.metas("")?.is_empty() {
            // The first space is number 0.
            if storage.log_end(0)? > 0 || !storage.rows(0, &[], 1)?.is_empty() {
                return Err(damaged(label, "it has no identity"));
            }
            if storage.is_read_only() {
                return Err(damaged(label, "it has no identity"));
            }
            storage.commit(&first_batch(claim.random).1)?;
        }
        let storage = Arc::new(FailStop::new(storage));
        let mut records = 0;
        for (_, stored) in storage.metas(SPACE).map_err(|error| explain(label, error))? {
            // One that cannot be read is reported when it is opened.
            let Ok((number, _)) = read_space(&stored) else { continue };
            let end = storage.log_end(number).map_err(|error| explain(label, error))?;
            records = u64::saturating_add(records, end);
        }
        let identity = Identity::open(Arc::clone(&storage), claim, records);
        let identity = Arc::new(identity.map_err(|error| match error {
            NoIdentity::Damaged(what) => damaged(label, what),
            NoIdentity::Storage(error) => explain(label, error),
        })?);
        let cleared = if storage.is_read_only() { Ok(()) } else { clear_all(&storage) };
        match cleared {
            Ok(()) | Err(StorageError::Full) => {} // there will be room at another start
            Err(error) => return Err(explain(label, error)),
        }
        let (label, open) = (label.to_owned(), Mutex::new(HashMap::new()));
        Ok(Self { inner: Arc::new(Inner { label, storage, identity, config, time, open }) })
    }

    /// Writes all that is left to write, with the state flushed, so that the next start is quick.
    /// The handles can be used on: it only flushes. Dropping the last one does the same, and cannot
    /// report a failure. The file is not free for others before that: spaces, links, and what a
    /// node shares of the store are handles, too.
    ///
    /// # Errors
    /// [`StoreError::Storage`] when the medium fails.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.storage.check()?;
        if self.inner.storage.is_read_only() {
            return Ok(());
        }
        self.opened()?.iter().try_for_each(|shared| shared.flush())?;
        Ok(self.inner.storage.check_place()?)
    }

    /// The identity under which this store writes. `None` for a store that could not prove that it
    /// is the only one with its identity, until it has written or synced: then it has a new one.
    /// `None` also for a store that is only read.
    ///
    /// A store file proves its place by a witness outside of it
    /// ([`state_dir`](crate::OpenOptions::state_dir)). The store keeps its id after a crash. A copy
    /// of it, a restored backup, and a file that went to another file system or whose witness is
    /// gone do not keep it, or two stores would write under one id.
    pub fn replica_id(&self) -> Option<ReplicaId> {
        self.inner.identity.proven()
    }

    /// The identities under which this store wrote before, the oldest first; among them the derived
    /// ones under which entries of it were rewritten. The holder of the original of a copy may
    /// still write under the others.
    pub fn predecessors(&self) -> Vec<ReplicaId> {
        let (id, mut before) = self.inner.identity.history();
        if self.replica_id().is_none() {
            before.push(id);
        }
        before
    }

    /// Makes a space with a lineage of its own. A program that runs more than once opens it, and
    /// makes it if there is none:
    ///
    /// ```
    /// use rejoin_crdts::OrSet;
    /// use rejoin_replica::{Store, StoreError};
    ///
    /// # let store = Store::memory()?;
    /// let list = match store.open_space::<OrSet<String>>("list") {
    ///     Err(StoreError::NoSuchSpace { .. }) => store.create_space("list"),
    ///     opened => opened,
    /// }?;
    /// # list.transact(|tx| tx.object("home").insert("milk"))?;
    /// # Ok::<(), StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::SpaceExists`] when there is one of that name; [`StoreError::NameTooLong`] when
    /// it is longer than [`MAX_NAME_BYTES`]; [`StoreError::ReadOnly`].
    pub fn create_space<T: Crdt>(&self, name: &str) -> Result<Space<T>, StoreError> {
        self.add(name, &Ticket::with_lineage(name, (self.inner.identity.random)()), false)
    }

    /// Opens a space that is here. One space may be open as several types at a time, as an older
    /// struct and a newer one, or as a [`Doc`](rejoin_crdts::Doc), which sees everything: all see
    /// the same space.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSpace`] when there is none of that name; [`StoreError::Damaged`] when
    /// its log cannot be trusted.
    pub fn open_space<T: Crdt>(&self, name: &str) -> Result<Space<T>, StoreError> {
        Ok(Space::new(self.shared(name)?))
    }

    /// A space that is here, whatever its type.
    pub(crate) fn shared(&self, name: &str) -> Result<Arc<Shared>, StoreError> {
        let mut open = self.open_spaces()?;
        self.inner.storage.check()?;
        if let Some(shared) = open.get(name) {
            return Ok(Arc::clone(shared));
        }
        let (number, ticket) = self
            .stored_space(name)?
            .ok_or_else(|| StoreError::NoSuchSpace { name: name.to_owned() })?;
        let shared = Arc::new(self.recover(number, ticket)?);
        open.insert(name.to_owned(), Arc::clone(&shared));
        Ok(shared)
    }

    pub(crate) fn storage(&self) -> &Arc<FailStop> {
        &self.inner.storage
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    #[cfg(feature = "redb")]
    pub(crate) fn now(&self) -> Now {
        self.inner.time.now()
    }

    #[cfg(feature = "redb")]
    pub(crate) fn label(&self) -> &Path {
        &self.inner.label
    }

    /// The spaces that are open.
    pub(crate) fn opened(&self) -> Result<Vec<Arc<Shared>>, StoreError> {
        Ok(self.open_spaces()?.values().cloned().collect())
    }

    /// The named blobs that follow from what is in memory.
    #[cfg(feature = "redb")]
    pub(crate) fn known_blobs(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let open = self.open_spaces()?;
        let space = |(name, shared): (&String, &Arc<Shared>)| {
            (format!("{SPACE}{name}"), write_space(shared.number, name, &shared.ticket))
        };
        Ok(open.iter().map(space).chain([self.inner.identity.stored()]).collect())
    }

    /// Joins a space of another store, under a name of one's own. It is empty until it is synced. A
    /// space that was joined before is opened.
    ///
    /// # Errors
    /// [`StoreError::OtherLineage`] when another space has that name here;
    /// [`StoreError::SpaceExists`] when the ticket's space is here under another name;
    /// [`StoreError::NameTooLong`] when either name is longer than [`MAX_NAME_BYTES`];
    /// [`StoreError::ReadOnly`].
    pub fn join_space<T: Crdt>(&self, name: &str, ticket: &Ticket) -> Result<Space<T>, StoreError> {
        self.add(name, ticket, true)
    }

    /// The names of the spaces here, ascending.
    ///
    /// # Errors
    /// [`StoreError::Storage`] when the medium cannot be read.
    pub fn spaces(&self) -> Result<Vec<String>, StoreError> {
        let found = self.inner.storage.metas(SPACE).map_err(|error| self.explain(error))?;
        Ok(found.iter().filter_map(|(name, _)| name.strip_prefix(SPACE)).map(Into::into).collect())
    }

    /// [`Space::accept_loss`], whatever the type of the space.
    ///
    /// # Errors
    /// As there; [`StoreError::NoSuchSpace`] when there is none of that name.
    pub fn accept_loss(&self, name: &str, loss: Loss) -> Result<Accepted, StoreError> {
        self.check_writable()?;
        self.shared(name)?.accept_loss(loss)
    }

    fn add<T: Crdt>(
        &self,
        name: &str,
        ticket: &Ticket,
        join: bool,
    ) -> Result<Space<T>, StoreError> {
        self.check_writable()?;
        let open = self.open_spaces()?;
        if let Some((_, here)) = self.stored_space(name)? {
            drop(open);
            return match (join, here == *ticket) {
                (true, true) => self.open_space(name),
                (true, false) => Err(StoreError::OtherLineage { name: name.to_owned() }),
                (false, _) => Err(StoreError::SpaceExists { name: name.to_owned() }),
            };
        }
        at_most(MAX_NAME_BYTES, "name of a space", name.as_bytes())?;
        at_most(MAX_NAME_BYTES, "name in the ticket", ticket.name().as_bytes())?;
        let spaces = self.spaces()?;
        for there in &spaces {
            // Two spaces of one lineage here would write different entries under one dot.
            if self.stored_space(there)?.is_some_and(|(_, here)| here == *ticket) {
                return Err(StoreError::SpaceExists { name: there.clone() });
            }
        }
        let gone = if join { self.return_to(ticket)? } else { Vec::new() };
        let number = self.free_number()?;
        let meta = vec![(format!("{SPACE}{name}"), write_space(number, name, ticket))];
        let batch = Batch { meta, gone, ..Batch::default() };
        self.inner.storage.commit(&batch).map_err(|error| self.explain(error))?;
        drop(open);
        self.open_space(name)
    }

    /// Checks that the store was not opened to be read only.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        if self.inner.storage.is_read_only() { Err(StoreError::ReadOnly) } else { Ok(()) }
    }

    pub(crate) fn stored_space(&self, name: &str) -> Result<Option<(u32, Ticket)>, StoreError> {
        let stored = self.inner.storage.meta(&format!("{SPACE}{name}"));
        let stored = stored.map_err(|error| self.explain(error))?;
        let read = |bytes: Vec<u8>| read_space(&bytes);
        stored.map(read).transpose().map_err(|error| damaged(&self.inner.label, error))
    }

    /// The space as it was when it was last written to.
    pub(crate) fn recover(&self, number: u32, ticket: Ticket) -> Result<Shared, StoreError> {
        let Inner { label, storage, identity, config, time, .. } = &*self.inner;
        let (storage, time) = (Arc::clone(storage), Arc::clone(time));
        let (replica, before) = identity.history();
        let stored = Stored { storage, number, ticket, replica, before, config: *config };
        let driver =
            Driver::recover(stored, Arc::clone(identity) as _, random_life(identity.random));
        let driver = driver.map_err(|error| explain(label, error))?;
        let shared = Shared::new(driver, Arc::clone(identity), time);
        if !shared.storage.is_read_only() {
            shared.retry()?;
        }
        shared.recall_choices()?;
        Ok(shared)
    }

    pub(crate) fn explain(&self, error: StorageError) -> StoreError {
        explain(&self.inner.label, error)
    }

    /// The lock on the table of open spaces.
    ///
    /// # Errors
    /// [`StoreError::Nested`] inside a transaction: who removes a space holds this lock while
    /// waiting for that transaction.
    pub(crate) fn open_spaces(
        &self,
    ) -> Result<MutexGuard<'_, HashMap<String, Arc<Shared>>>, StoreError> {
        if Inside::is_entered() && !rejoin_vclock::mutant!("spaces-opened-inside") {
            return Err(StoreError::Nested);
        }
        // The table is changed by single inserts: a panic elsewhere leaves it whole.
        Ok(self.inner.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A number that no other life of this store will have had, most likely.
fn random_life(random: Randomness) -> u16 {
    let [high, low, ..] = random();
    u16::from_be_bytes([high, low])
}

pub(crate) fn damaged(label: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { path: label.to_owned(), what: what.to_string() }
}

/// Checks that there is a directory for a file.
#[cfg(feature = "redb")]
pub(crate) fn check_directory(path: &Path) -> Result<(), StoreError> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let Some(above) = above.filter(|above| !above.is_dir()) else { return Ok(()) };
    let what = format!("{} is no directory; make it first", above.display());
    Err(StoreError::NoPlace { path: path.to_owned(), what })
}

pub(crate) fn explain(path: &Path, error: StorageError) -> StoreError {
    match error {
        StorageError::AlreadyOpen => {
            StoreError::AlreadyOpen { path: path.to_owned(), holder: Holder::of(path) }
        }
        StorageError::Damaged(what) => damaged(path, what),
        StorageError::OtherVersion(what) => damaged(path, what),
        StorageError::Io(what) => {
            StoreError::Storage(StorageError::Io(format!("{}: {what}", path.display())))
        }
        error => error.into(),
    }
}
