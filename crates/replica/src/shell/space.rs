//! Spaces: typed objects that are replicated together.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, Deref, RangeBounds};
use std::panic::resume_unwind;
use std::sync::{Arc, MutexGuard};

use rejoin_crdts::edit::{Cursor, Stage, View};
use rejoin_crdts::index::{Declared, Index};
use rejoin_crdts::{Crdt, Dot, EditError, Kind, Path};
use rejoin_vclock::VersionVector;

use crate::core::Event;
use crate::core::digest::Digest;
use crate::core::incarnation::Incarnation;
use crate::core::once::Used;
use crate::core::peers::progress::SyncProgress;
use crate::core::transact::Transacted;
use crate::error::{StoreError, at_most};
use crate::format::entry::{Label, MAX_KEY_BYTES, MAX_LABEL_BYTES};
use crate::format::ticket::Ticket;
use crate::receipt::Receipt;
use crate::shell::link::Link;
use crate::shell::loss::{Accepted, Loss};
use crate::shell::shared::{Inner, Inside, Shared};
use crate::state::{Fingerprint, StateSource};

/// The moment at which a transaction returns.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Durability {
    /// When the transaction survives a power loss.
    #[default]
    Synced,
    /// At once. It is written with the next synced transaction, or by [`Space::flush`]; it leaves
    /// this process only after that. If the medium is full then, it is withdrawn: it is as if it
    /// had never been, [watchers](Space::watch) are notified, and the
    /// [receipt](Receipt::is_withdrawn) says so when it is asked for again.
    Buffered,
}

/// A set of objects of type `T` that are replicated together.
///
/// A handle: clones are the same space.
pub struct Space<T> {
    pub(crate) shared: Arc<Shared>,
    durability: Durability,
    indexes: Arc<[Index]>,
    object: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Space<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl<T> Clone for Space<T> {
    fn clone(&self) -> Self {
        let (shared, indexes) = (Arc::clone(&self.shared), Arc::clone(&self.indexes));
        Self { shared, durability: self.durability, indexes, object: PhantomData }
    }
}

/// The value that a transaction's closure returned, and the receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed<R> {
    /// The closure's `Ok` value.
    pub value: R,
    /// The receipt of the writes.
    pub receipt: Receipt,
}

impl<R> Deref for Committed<R> {
    type Target = Receipt;

    fn deref(&self) -> &Receipt {
        &self.receipt
    }
}

/// The outcome of a transaction under an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Once<R> {
    /// It ran now.
    First(Committed<R>),
    /// It had run before; this is its receipt. The closure was not called.
    Repeated(Receipt),
    /// It has run under an [id that this store had before](crate::Store::predecessors), and came
    /// from a peer; this is its receipt. The closure was not called.
    ///
    /// Either this store ran it itself, and was restored from a backup that does not know of it, or
    /// it was run by a copy of this store that goes its own way and may have meant something else
    /// by the key. If keys are unique over all devices, as random ones are, it was this
    /// transaction: take it as done. If every device counts its own, it may be the copy's; to run
    /// it all the same, send it under a key of its own.
    DoneByFormer(Receipt),
}

impl<R> Once<R> {
    /// The receipt, either way.
    pub const fn receipt(&self) -> &Receipt {
        match self {
            Self::First(committed) => &committed.receipt,
            Self::Repeated(receipt) | Self::DoneByFormer(receipt) => receipt,
        }
    }
}

/// The size of a space, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct SpaceStats {
    /// The length of the log: entries, and holes in the place of quarantined ones.
    pub entries: u64,
    /// Their encoded length in bytes.
    pub entry_bytes: u64,
    /// Entries that wait for others that they depend on.
    pub waiting: usize,
}

/// A transaction while its closure runs.
#[derive(Debug)]
pub struct Transaction<'a, T> {
    stage: &'a mut dyn Stage,
    label: Label,
    object: PhantomData<fn() -> T>,
}

impl<T: Crdt> Transaction<'_, T> {
    /// The editor of an object; the object exists as soon as something is written there.
    pub fn object(&mut self, key: &str) -> T::Editor<'_> {
        T::editor(Cursor::new(self.stage, Path::object(key, T::KIND)))
    }

    /// Removes all of an object, as far as it is seen here. What somebody changes in it meanwhile
    /// stays, and is all that there is of it then. A removal that takes that too, or spares all
    /// of the object, is one of a part: of a list's item, or by `remove_unless_edited`, of a map's
    /// key; so keep such things in a map or list of one object.
    ///
    /// # Errors
    /// [`EditError::Read`] when the object is of another kind only, or cannot be read.
    pub fn remove(&mut self, key: &str) -> Result<(), EditError> {
        Cursor::new(self.stage, Path::object(key, T::KIND)).reset()
    }

    /// Removes what stands at a path as one kind, and leaves what stands there as another: this is
    /// how a [`KindClash`](rejoin_crdts::ReadError::KindClash) or a
    /// [`WrongKind`](rejoin_crdts::ReadError::WrongKind) is resolved, with the path that it names.
    ///
    /// # Errors
    /// [`EditError::CannotReset`] for a bounded counter, or what holds one; otherwise
    /// [`EditError`] when the place cannot be read.
    pub fn remove_kind(&mut self, path: &Path, kind: Kind) -> Result<(), EditError> {
        Cursor::new(self.stage, path.clone()).reset_kind(kind)
    }

    /// Says what the transaction is about, in a sentence: whoever follows the changes of the space
    /// sees it ([`Change::label`](crate::Change::label)). It goes with the transaction to every
    /// copy; the last call counts, and an empty text is none.
    ///
    /// # Errors
    /// [`EditError::LabelTooLong`] beyond [`MAX_LABEL_BYTES`].
    pub fn describe(&mut self, message: &str) -> Result<(), EditError> {
        self.label.message = label(message)?;
        Ok(())
    }

    /// Says who makes the transaction, as people call them; otherwise as
    /// [`describe`](Self::describe). Nobody checks it.
    ///
    /// # Errors
    /// As there.
    pub fn author(&mut self, name: &str) -> Result<(), EditError> {
        self.label.author = label(name)?;
        Ok(())
    }

    /// Says which transactions this one undoes, by their last dots, ascending.
    pub(crate) fn undoes(&mut self, dots: &[Dot]) {
        self.label.undoes = dots.to_vec();
    }

    /// The stage that it writes to: for what no editor stands at.
    #[doc(hidden)]
    pub fn stage(&mut self) -> &mut dyn Stage {
        self.stage
    }

    /// An object as this transaction sees it.
    pub fn read(&self, key: &str) -> T::Reader<'_> {
        T::reader(View::new(&*self.stage, Path::object(key, T::KIND)))
    }
}

fn label(text: &str) -> Result<Option<String>, EditError> {
    match text.len() {
        0 => Ok(None),
        1..=MAX_LABEL_BYTES => Ok(Some(text.to_owned())),
        bytes => Err(EditError::LabelTooLong { bytes, most: MAX_LABEL_BYTES }),
    }
}

/// The objects of a space at one moment.
#[derive(Debug)]
pub struct Snapshot<'a, T> {
    pub(crate) source: &'a StateSource<'a>,
    pub(crate) indexes: &'a [Index],
    object: PhantomData<fn() -> T>,
}

impl<T: Crdt> Snapshot<'_, T> {
    /// The reader of an object, which reads as the default where it does not exist.
    pub fn object(&self, key: &str) -> T::Reader<'_> {
        T::reader(View::new(self.source, Path::object(key, T::KIND)))
    }

    /// The keys of the objects that exist, ascending.
    ///
    /// # Errors
    /// [`StoreError::Read`] when one of them is of another kind than `T`, or when the space cannot
    /// be read.
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.keys_in(.., usize::MAX)
    }

    /// At most `most` keys within a range of the objects that exist, ascending. To go on, begin
    /// behind the last one: `(Bound::Excluded(last), Bound::Unbounded)`.
    ///
    /// # Errors
    /// As [`keys`](Self::keys), of the keys that are looked at.
    pub fn keys_in<'k>(
        &self,
        range: impl RangeBounds<&'k str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let (start, is_in) = (range.start_bound().cloned(), |key: &str| range.contains(&key));
        Ok(self.objects().object_keys(T::KIND, start, is_in, most)?)
    }

    /// At most `most` keys of the objects that exist which begin with a prefix, ascending, after
    /// one if that is given.
    ///
    /// # Errors
    /// As [`keys_in`](Self::keys_in).
    pub fn keys_with_prefix(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let after = after.filter(|after| *after >= prefix);
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let is_in = |key: &str| key.starts_with(prefix);
        Ok(self.objects().object_keys(T::KIND, start, is_in, most)?)
    }

    fn objects(&self) -> View<'_> {
        View::new(self.source, Path::default())
    }
}

impl<T: Crdt> Space<T> {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let indexes = Declared::of::<T>().into();
        Self { shared, durability: Durability::Synced, indexes, object: PhantomData }
    }

    /// The same space with transactions that return before they are durable.
    #[must_use]
    pub fn with_durability(&self, durability: Durability) -> Self {
        Self { durability, ..self.clone() }
    }

    /// Runs a transaction: all of it happens, or, when the closure returns an error, none. To abort
    /// for a reason of your own, return [`EditError::Aborted`].
    ///
    /// # Errors
    /// The closure's error, or why the transaction cannot be made or stored;
    /// [`StoreError::ReadOnly`] before anything is run.
    pub fn transact<R>(
        &self,
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError>,
    ) -> Result<Committed<R>, StoreError> {
        match self.run(&[], edit)? {
            Once::First(committed) => Ok(committed),
            _ => unreachable!("only a key makes a transaction repeat another"),
        }
    }

    /// As [`transact`](Self::transact), at most once per key: a second call with the same key
    /// returns the first one's receipt, also after a crash and under another handle.
    ///
    /// The key is kept in the transaction's own log record, as long as that is (the log is not
    /// trimmed yet), and a hash of it travels with the entry. So a store that was restored from a
    /// backup, and has caught up with a peer that knows what came after, answers [as done under a
    /// former id](Once::DoneByFormer). Until then the transaction runs: after a restore, wait for
    /// [`is_caught_up`](Self::is_caught_up) before sending anything again. The key is known to this
    /// store only: where the outcome is unknown, send it to the same store again. A backup does not
    /// know the ids that the store took after it: what ran under such an id runs again if the same
    /// backup is restored a second time. A transaction that changes nothing leaves no record and
    /// does not use its key up; an empty key counts as none.
    ///
    /// # Errors
    /// As [`transact`](Self::transact); [`StoreError::NameTooLong`] when the key is longer than
    /// [`MAX_KEY_BYTES`].
    pub fn transact_once<R>(
        &self,
        key: &[u8],
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError>,
    ) -> Result<Once<R>, StoreError> {
        at_most(MAX_KEY_BYTES, "idempotency key", key)?;
        self.run(key, edit)
    }

    fn run<R>(
        &self,
        key: &[u8],
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError>,
    ) -> Result<Once<R>, StoreError> {
        self.run_under(self.shared.lock_as_self()?, key, edit)
    }

    /// As [`run`](Self::run), under a lock that is held, with the id to write under.
    pub(crate) fn run_under<R>(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        key: &[u8],
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError>,
    ) -> Result<Once<R>, StoreError> {
        let now = self.shared.now();
        let (mut edit, mut value, mut panicked) = (Some(edit), None, None);
        let transacted = inner.driver.transact(now, key, &mut |stage| {
            let Some(edit) = edit.take() else { return Ok(Label::default()) };
            let label = Label::default();
            let mut transaction = Transaction { stage, label, object: PhantomData };
            match Inside::run(|| edit(&mut transaction)) {
                Ok(edited) => value = Some(edited?),
                Err(panic) => {
                    panicked = Some(panic);
                    return Err(EditError::Aborted(String::new()));
                }
            }
            Ok(transaction.label)
        });
        if let Some(panic) = panicked {
            // The core is as it was: edits are staged.
            drop(inner);
            resume_unwind(panic);
        }
        let receipt = match transacted? {
            Transacted::Committed(receipt, _) => {
                Shared::tell(&mut inner);
                self.await_durable(inner, receipt)?
            }
            // Nothing is written for the others, which would see to that.
            Transacted::Unchanged(receipt) => {
                drop(inner);
                self.shared.check_place()?;
                receipt
            }
            Transacted::Used(used) => {
                drop(inner);
                self.shared.check_place()?;
                let inner = self.shared.lock()?;
                return Ok(match used {
                    Used::Here(receipt) => Once::Repeated(self.await_durable(inner, receipt)?),
                    Used::ByFormer(receipt) => {
                        Once::DoneByFormer(self.await_durable(inner, receipt)?)
                    }
                });
            }
        };
        let Some(value) = value else { unreachable!("a transaction that ran has a value") };
        Ok(Once::First(Committed { value, receipt }))
    }

    /// Waits until a receipt is as durable as asked for.
    fn await_durable<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner>,
        receipt: Receipt,
    ) -> Result<Receipt, StoreError> {
        match self.durability {
            Durability::Synced => self.shared.await_durable(inner, receipt),
            Durability::Buffered => {
                let receipt = inner.driver.core.refresh(receipt);
                self.shared.wake(inner);
                Ok(receipt)
            }
        }
    }

    /// Waits until everything written so far is durable.
    ///
    /// # Errors
    /// [`StoreError::Storage`] when the medium fails; [`StoreError::ReadOnly`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.shared.check_writable()?;
        let mark = self.shared.lock()?.driver.core.mark();
        self.shared.write_until(mark)?;
        self.shared.check_place()
    }

    /// The reader of an object. Every read sees the space at its own moment; to read several at one
    /// moment, use [`read`](Self::read).
    pub fn object(&self, key: &str) -> T::Reader<'_> {
        T::reader(View::new(&*self.shared, Path::object(key, T::KIND)))
    }

    /// Reads several objects at one moment.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn read<R>(&self, read: impl FnOnce(&Snapshot<'_, T>) -> R) -> Result<R, StoreError> {
        let mut inner = self.shared.lock()?;
        inner.driver.core.keep_indexes(&self.indexes)?;
        let source = inner.driver.core.source();
        let snapshot = Snapshot { source: &source, indexes: &self.indexes, object: PhantomData };
        let done = Inside::run(|| read(&snapshot));
        drop(inner);
        Ok(done.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// The keys of the objects that exist, ascending.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.read(|snapshot| snapshot.keys())?
    }

    /// [`Snapshot::keys_in`], by itself.
    ///
    /// ```
    /// # use rejoin_crdts::OrSet;
    /// # use rejoin_replica::Store;
    /// # let store = Store::memory()?;
    /// let trips = store.create_space::<OrSet<String>>("trips")?;
    /// for trip in ["2025 oslo", "2026 porto", "2026 rome", "2027 paris"] {
    ///     trips.transact(|tx| tx.object(trip).insert("tent"))?;
    /// }
    /// assert_eq!(trips.keys_in("2026".."2027", 10)?, ["2026 porto", "2026 rome"]);
    /// assert_eq!(trips.keys_with_prefix("2026 ", None, 1)?, ["2026 porto"]);
    /// assert_eq!(trips.keys_with_prefix("2026 ", Some("2026 porto"), 1)?, ["2026 rome"]);
    /// # Ok::<(), rejoin_replica::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn keys_in<'k>(
        &self,
        range: impl RangeBounds<&'k str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|snapshot| snapshot.keys_in(range, most))?
    }

    /// [`Snapshot::keys_with_prefix`], by itself.
    ///
    /// # Errors
    /// As there.
    pub fn keys_with_prefix(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|snapshot| snapshot.keys_with_prefix(prefix, after, most))?
    }

    /// Takes the reports that wait, up to 1,000: stamps from the future, one's own among them
    /// ([`Event::OwnSkew`]); two histories under one id; damage; a new id. A program that runs for
    /// long should look from time to time.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn take_reports(&self) -> Result<Vec<Event>, StoreError> {
        Ok(self.shared.lock()?.reports.drain(..).collect())
    }

    /// The vector of everything that is applied here.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn version_vector(&self) -> Result<VersionVector, StoreError> {
        Ok(self.shared.lock()?.driver.core.version_vector())
    }

    /// The digest of the canonical state: equal on all replicas that hold the same entries. It
    /// reads everything; the cost of a [`fingerprint`](Self::fingerprint) follows what changed.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        Ok(self.shared.lock()?.driver.core.digest()?)
    }

    /// The fingerprint of all cells: equal on all replicas that hold the same entries, at a cost
    /// that follows what changed since it was last asked for. To compare the vectors as well, also
    /// about entries that left nothing behind, use [`digest`](Self::digest), which reads
    /// everything.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, StoreError> {
        Ok(self.shared.lock()?.driver.core.fingerprint()?)
    }

    /// Returns the size of the space, in numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn stats(&self) -> Result<SpaceStats, StoreError> {
        let inner = self.shared.lock()?;
        let log = inner.driver.core.log();
        let (entries, entry_bytes, waiting) = (log.end(), log.bytes(), inner.driver.core.waiting());
        Ok(SpaceStats { entries, entry_bytes, waiting })
    }

    /// Goes on without log records that are lost here. What this store wrote after them waits until
    /// a peer brings them back; if nobody will, this rewrites it, under a derived id that is then
    /// one of the store's [predecessors](crate::Store::predecessors). Does nothing if nothing
    /// waits.
    ///
    /// # Errors
    /// [`StoreError::MayComeBack`] when a peer may still have what is lost, and the loss is to be
    /// of what [nobody else can have](Loss::Unseen); [`StoreError::Storage`] when the medium fails.
    pub fn accept_loss(&self, loss: Loss) -> Result<Accepted, StoreError> {
        self.shared.check_writable()?;
        self.shared.accept_loss(loss)
    }

    /// The ticket with which another store joins this space.
    pub fn ticket(&self) -> &Ticket {
        &self.shared.ticket
    }

    /// The side of the space that a transport drives.
    pub fn link(&self) -> Link {
        Link::new(Arc::clone(&self.shared))
    }
}

impl<T: Crdt> Space<T> {
    /// The stores that went on under a new id after they had written here, by their new ids:
    /// copies, restored backups, files that were moved.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        self.shared.lock()?.driver.core.incarnations()
    }
}

impl<T: Crdt> Space<T> {
    /// Returns how far the space has caught up with what its peers have announced. The cost grows
    /// with the number of replicas and of connected peers.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn progress(&self) -> Result<SyncProgress, StoreError> {
        Ok(self.shared.lock()?.driver.core.progress())
    }

    /// True if everything is here that any peer has announced since the store was opened; never
    /// before one was heard.
    ///
    /// # Errors
    /// As [`progress`](Self::progress).
    pub fn is_caught_up(&self) -> Result<bool, StoreError> {
        Ok(self.progress()?.is_caught_up())
    }
}
