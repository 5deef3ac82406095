//! The part of a space that its handles share: the core behind a lock, and the writer that makes it
//! durable.
//!
//! Whoever finds no writer at work becomes the writer: it takes everything that waits, of
//! everybody, and commits it in one batch (group commit). The lock is not held meanwhile, so others
//! queue up for the next round. A failed write ends the use of the whole store, without a retry
//! ([`FailStop`]); on a full medium, what was to be written is withdrawn
//! ([`crate::core::withdrawal`]), and everybody who waits gets that error.

use std::cell::Cell as ThreadCell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use rejoin_crdts::cell::CellRef;
use rejoin_crdts::edit::Source;
use rejoin_crdts::ordered::Order;
use rejoin_crdts::state::LocalDot;
use rejoin_crdts::{Dot, Kind, ReadError};
use rejoin_vclock::EARLIEST_MILLIS;

use crate::core::{Event, Now, SpaceCore};
use crate::error::StoreError;
use crate::format::ticket::Ticket;
use crate::log::records::Records;
use crate::receipt::Mark;
use crate::receipt::Receipt;
use crate::shell::driver::Driver;
use crate::shell::identity::{Identity, Incarnations};
use crate::shell::time::Time;
use crate::shell::watch::Watchers;
use crate::storage::{FailStop, Storage, StorageError};

/// With each commit this many bytes of state are flushed besides what its records earn.
const FLUSHED: usize = 16 << 10;
/// At most this many reports wait to be asked for.
const REPORTS: usize = 1000;

thread_local! {
    static INSIDE: ThreadCell<bool> = const { ThreadCell::new(false) };
}

/// Called when a space may have something to send, or to write, for as long as somebody keeps it.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

type WeakWake = Weak<dyn Fn() + Send + Sync>;

pub(crate) struct Shared {
    pub storage: Arc<FailStop>,
    pub identity: Arc<Identity>,
    pub time: Arc<dyn Time>,
    pub ticket: Ticket,
    pub number: u32,
    inner: Mutex<Inner>,
    written: Condvar,
}

pub(crate) struct Inner {
    pub driver: Driver,
    pub watchers: Watchers,
    pub reports: VecDeque<Event>,
    pub wakes: Vec<WeakWake>,
    /// True once the space was removed from the store.
    pub is_removed: bool,
    writing: bool,
}

/// Marks the time during which user code runs under the lock.
pub(crate) struct Inside;

impl Inside {
    /// Runs user code. A panic in it is caught, to be [resumed](std::panic::resume_unwind) without
    /// the lock: a lock that is poisoned was held by a panic of our own.
    pub(crate) fn run<R>(user: impl FnOnce() -> R) -> std::thread::Result<R> {
        INSIDE.set(true);
        let _inside = Self;
        catch_unwind(AssertUnwindSafe(user))
    }

    /// True if user code runs under a lock in this thread.
    pub(crate) fn is_entered() -> bool {
        INSIDE.get()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

impl Shared {
    pub(crate) fn new(driver: Driver, identity: Arc<Identity>, time: Arc<dyn Time>) -> Self {
        let Driver { storage, ticket, number, .. } = &driver;
        let (storage, ticket, number) = (Arc::clone(storage), ticket.clone(), *number);
        let inner = Inner {
            driver,
            watchers: Watchers::default(),
            reports: VecDeque::new(),
            wakes: Vec::new(),
            is_removed: false,
            writing: false,
        };
        let (inner, written) = (Mutex::new(inner), Condvar::new());
        Self { storage, identity, time, ticket, number, inner, written }
    }

    /// The lock on the space.
    ///
    /// # Errors
    /// [`StoreError::Nested`] inside a transaction of this thread, which would wait for itself;
    /// [`StoreError::Storage`] after a failed write; [`StoreError::SpaceRemoved`].
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        if INSIDE.get() {
            return Err(StoreError::Nested);
        }
        let mut inner = match self.inner.lock() {
            Ok(inner) => inner,
            // A panic of our own may have left an entry half applied.
            Err(_) => {
                let what = "a panic inside the store; what it wrote is whole".to_owned();
                return Err(self.storage.fail(StorageError::Io(what)).into());
            }
        };
        self.check(&inner)?;
        while inner.driver.core.is_damaged() {
            if inner.writing {
                inner = self.written.wait(inner).unwrap_or_else(PoisonError::into_inner);
            } else if self.storage.is_read_only() {
                let what = "a block, or the log's index; open the store for writing once, which \
                            makes them anew";
                return Err(StorageError::Damaged(what.to_owned()).into());
            } else {
                inner.driver.repair()?;
                Self::tell(&mut inner);
            }
        }
        Ok(inner)
    }

    /// Checks that others can still find what is written: for what is acknowledged without a write.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        if rejoin_vclock::mutant!("acknowledge-unseen-what-needs-no-write") {
            return Ok(());
        }
        Ok(self.storage.check_place()?)
    }

    /// The records of the log, to be read without the lock: they do not change.
    pub(crate) fn records(&self) -> Records<'_> {
        Records { storage: &*self.storage, number: self.number, space: Some(self.ticket.name()) }
    }

    /// Checks that the space can still be used.
    fn check(&self, inner: &Inner) -> Result<(), StoreError> {
        self.storage.check()?;
        if inner.is_removed {
            return Err(StoreError::SpaceRemoved { name: self.ticket.name().to_owned() });
        }
        Ok(())
    }

    /// Checks that the store was not opened to be read only.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        if self.storage.is_read_only() { Err(StoreError::ReadOnly) } else { Ok(()) }
    }

    /// The time now. Where the wall clock says what cannot be, it is the earliest that can be.
    pub(crate) fn now(&self) -> Now {
        let now = self.time.now();
        Now { wall: now.wall.max(EARLIEST_MILLIS), ..now }
    }

    /// Locks the space for what needs an id: to write, or to meet a peer.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub(crate) fn lock_as_self(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        self.check_writable()?;
        let mut inner = self.lock()?;
        inner.driver.claim()?;
        Ok(inner)
    }

    /// Takes in what was quarantined and can be used by now.
    pub(crate) fn retry(&self) -> Result<(), StoreError> {
        let now = self.now();
        let mut inner = self.lock()?;
        inner.driver.retry(now)?;
        Self::tell(&mut inner);
        Ok(())
    }

    /// The records that wait to be written, whatever the state of the storage.
    #[cfg(feature = "redb")]
    pub(crate) fn unwritten(&self) -> Vec<crate::storage::Stored> {
        let mut inner = self.locked();
        while inner.writing {
            inner = self.written.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.driver.core.outbox.waiting().map(|(at, record)| (*at, record.encode())).collect()
    }

    /// The lock for what does not depend on the core's being whole.
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody who sends or writes for the space.
    pub(crate) fn wake(&self, inner: MutexGuard<'_, Inner>) {
        let wakes = inner.wakes.clone();
        drop(inner);
        call(&wakes);
    }

    /// Waits until all entries before a mark are durable, writing them if nobody else does.
    pub(crate) fn write_until(&self, mark: Mark) -> Result<(), StoreError> {
        self.write(self.lock()?, FLUSHED, |core| core.has_written(mark), |_| ())
    }

    /// Writes the rows that wait for records, if none have come.
    pub(crate) fn write_rows(&self) -> Result<(), StoreError> {
        let mut inner = self.lock_quiet()?;
        let result = inner.driver.write_rows(self.now());
        Self::tell(&mut inner);
        Ok(result?)
    }

    /// Returns a receipt once what it is about is durable.
    pub(crate) fn await_durable<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner>,
        receipt: Receipt,
    ) -> Result<Receipt, StoreError> {
        let until = |core: &SpaceCore| core.has_written(receipt.mark());
        self.write(inner, FLUSHED, until, |core| core.refresh(receipt))
    }

    /// Notes what is about to be externalized, if that is not noted yet.
    pub(crate) fn write_offer(&self) -> Result<(), StoreError> {
        let inner = self.lock()?;
        let Some(externalization) = inner.driver.core.externalization() else { return Ok(()) };
        self.write(inner, FLUSHED, |core| Ok(core.is_noted(&externalization)), |_| ())
    }

    /// Writes everything that changed, and flushes the state, so that the next start is quick.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let mut inner = self.lock()?;
        inner.driver.core.request_flush();
        let round = inner.driver.core.mark().round;
        let until = |core: &SpaceCore| -> Result<bool, StorageError> {
            core.outbox.withdrawals.none_since(round)?;
            Ok(!core.wants_to_write() && !core.is_flushing())
        };
        self.write(inner, FLUSHED, until, |_| ())
    }

    /// Merges the runs that are there now, about `budget` bytes per write, until the core says that
    /// it is done or `until` says so. Changes are flushed first.
    pub(crate) fn compact(
        &self,
        budget: usize,
        mut until: impl FnMut(&SpaceCore) -> bool,
    ) -> Result<(), StoreError> {
        self.flush()?;
        let mut inner = self.lock()?;
        inner.driver.core.request_compaction();
        let round = inner.driver.core.mark().round;
        let until = |core: &SpaceCore| -> Result<bool, StorageError> {
            core.outbox.withdrawals.none_since(round)?;
            Ok(!core.is_compacting() || until(core))
        };
        self.write(inner, budget, until, |_| ())
    }

    /// Writes, together with whoever else does, until `until` is true of the core; then looks at it
    /// with `finish`. Each commit flushes about `budget` bytes of state, and more for a large one.
    fn write<'a, R>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
        budget: usize,
        mut until: impl FnMut(&SpaceCore) -> Result<bool, StorageError>,
        finish: impl FnOnce(&SpaceCore) -> R,
    ) -> Result<R, StoreError> {
        let mut wakes = Vec::new();
        while !until(&inner.driver.core)? {
            self.check(&inner)?;
            if inner.writing {
                inner = self.written.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let Some(mut write) = inner.driver.poll_write(budget) else { break };
            inner.writing = true;
            drop(inner);
            let result = self.storage.commit(&write.take_batch(self.number));
            if result.is_ok() {
                self.identity.wrote(write.records.len());
            }
            inner = self.locked();
            inner.writing = false;
            self.written.notify_all();
            if let Err(error) = result {
                let error = inner.driver.fail_write(write.records, error, self.now());
                Self::tell(&mut inner);
                return Err(error.into());
            }
            inner.driver.handle_written(&write);
            wakes.clone_from(&inner.wakes);
        }
        let result = finish(&inner.driver.core);
        drop(inner);
        call(&wakes);
        Ok(result)
    }

    /// Goes on under a new id, if it has been found out that this has to be.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub(crate) fn resolve_rollback(&self) -> Result<(), StoreError> {
        if self.lock()?.driver.core.rollback().is_none() {
            return Ok(());
        }
        let mut inner = self.lock_idle()?;
        let resolved = inner.driver.resolve_rollback(self.now());
        // It has written what waited, too.
        self.written.notify_all();
        Self::tell(&mut inner);
        if resolved?.is_some() {
            self.wake(inner);
        }
        Ok(())
    }

    /// The lock on the space when nobody writes.
    fn lock_idle(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.lock()?;
        while inner.writing {
            inner = self.written.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(inner)
    }

    /// The lock on the space when nobody writes and no record is left to write.
    pub(crate) fn lock_quiet(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.lock_idle()?;
        let result = inner.driver.write_records(self.now());
        self.written.notify_all();
        Self::tell(&mut inner);
        result?;
        Ok(inner)
    }

    /// The lock on the space when everything in it can be read from the storage.
    pub(crate) fn lock_to_look(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        if self.check_writable().is_err() { self.lock() } else { self.lock_quiet() }
    }

    /// Hands the core's events to whoever listens.
    pub(crate) fn tell(inner: &mut Inner) {
        inner.watchers.miss(inner.driver.core.take_events_lost());
        while let Some(event) = inner.driver.core.poll_event() {
            match event {
                Event::Applied(change) | Event::Withdrawn(change) => inner.watchers.tell(&change),
                report => {
                    if inner.reports.len() == REPORTS {
                        inner.reports.pop_front();
                    }
                    inner.reports.push_back(report);
                }
            }
        }
    }

    fn read<R>(&self, read: impl FnOnce(&SpaceCore) -> R) -> Result<R, ReadError> {
        let inner = self.lock().map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(read(&inner.driver.core))
    }
}

fn call(wakes: &[WeakWake]) {
    wakes.iter().filter_map(Weak::upgrade).for_each(|wake| wake());
}

/// A store that is closed in order starts quickly. If the flush fails, the log has everything.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.storage.check().is_ok() && !self.storage.is_read_only() && !std::thread::panicking()
        {
            // This is the last handle: nobody can wait for the lock, whatever transaction of
            // another space this thread is inside of.
            let inside = INSIDE
                .replace(rejoin_vclock::mutant!("last-drop-inside-is-nested") && INSIDE.get());
            drop(self.flush());
            INSIDE.set(inside);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("name", &self.ticket.name()).finish_non_exhaustive()
    }
}

/// Every read is under the lock: of one cell, or of all that [one read](Source::at_once) needs.
impl Source for Shared {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.read(|core| core.source().look(path, show))?
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.read(|core| core.source().visit(below, from, visit))?
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.locked().driver.core.source().dot(local)
    }

    fn at_once(&self, show: &mut dyn FnMut(&dyn Source)) -> Result<(), ReadError> {
        if rejoin_vclock::mutant!("read-in-pieces") {
            return Ok(());
        }
        self.read(|core| show(&core.source()))
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.read(|core| core.source().other_kind(name, than))?
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        self.read(|core| core.source().order(list, show))?
    }
}
