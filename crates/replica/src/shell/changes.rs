//! The log of a space, read as changes.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use rejoin_crdts::Crdt;
use rejoin_vclock::VersionVector;

use crate::core::Change;
use crate::error::StoreError;
use crate::log::records::{Content, Found};
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::Space;
use crate::shell::watch::Watch;

/// Number of log records that are read at a time.
const CHUNK: usize = 256;

impl<T: Crdt> Space<T> {
    /// Subscribes to the changes from now on.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read; [`StoreError::ReadOnly`], as no changes come
    /// to what is only read.
    pub fn watch(&self) -> Result<Watch, StoreError> {
        self.shared.check_writable()?;
        let mut inner = self.shared.lock()?;
        let position = inner.driver.core.version_vector();
        Ok(inner.watchers.subscribe(position, None))
    }

    /// Subscribes to all changes that a vector does not cover: those that are here already, as
    /// [`changes`](Self::changes) reads them, and then those that come. For a search index, a
    /// notification or a mirror that goes on after a restart where [it was](Watch::position).
    ///
    /// # Errors
    /// As [`changes`](Self::changes), and [`watch`](Self::watch).
    pub fn watch_since(&self, since: &VersionVector) -> Result<Watch, StoreError> {
        self.shared.check_writable()?;
        let mut inner = self.shared.lock()?;
        let mut reading = Self::reading(&inner, since)?;
        // What nobody reads does not keep the store open.
        let shared = Arc::downgrade(&self.shared);
        let backlog = std::iter::from_fn(move || match shared.upgrade() {
            Some(shared) => reading.next(&shared),
            None => reading.give_up(),
        });
        let watch = inner.watchers.subscribe(since.clone(), Some(Box::new(backlog)));
        drop(inner);
        self.flush()?;
        Ok(watch)
    }

    /// The changes that are here and that a vector does not cover, read from the log. First it
    /// waits until all of them are durable.
    ///
    /// To go on later, note how far you are, change by change:
    /// `vector.set_at_least(change.origin, change.last)`; a vector is stored by its `to_bytes` (the
    /// trait `vclock::codec::Encode`) or by serde. It works on a store that is open to be read
    /// only, too: a program that follows what another process writes opens the store anew from time
    /// to time, and asks for what came since.
    ///
    /// ```
    /// # use rejoin_crdts::{Action, LwwRegister};
    /// # use rejoin_replica::Store;
    /// # let store = Store::memory()?;
    /// let notes = store.create_space::<LwwRegister<String>>("notes")?;
    /// notes.transact(|tx| tx.object("door").set("ring once"))?;
    /// let since = notes.version_vector()?;
    /// notes.transact(|tx| tx.object("door").set("ring twice"))?;
    /// for change in notes.changes(&since)? {
    ///     let edits: Vec<_> = change?.edits().collect();
    ///     assert_eq!(edits[0].path.to_string(), "door");
    ///     assert_eq!(edits[0].action.value::<String>()?, "ring twice");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read, or the medium fails.
    pub fn changes(&self, since: &VersionVector) -> Result<Changes, StoreError> {
        let reading = Self::reading(&*self.shared.lock()?, since)?;
        if self.shared.check_writable().is_ok() {
            self.flush()?;
        }
        Ok(Changes { shared: Arc::clone(&self.shared), reading })
    }

    fn reading(inner: &Inner, since: &VersionVector) -> Result<Reading, StoreError> {
        let log = inner.driver.core.log();
        let end = match rejoin_vclock::mutant!("watch-begins-with-a-gap") {
            true => inner.driver.core.outbox.durable(),
            false => log.end(),
        };
        let mut first = log.end();
        for origin in log.origins() {
            let found = log.first_after(origin, since.get(origin))?;
            first = first.min(found.unwrap_or(first));
        }
        Ok(Reading { since: since.clone(), next: first, end, read: VecDeque::new() })
    }
}

/// The changes of a space that a version vector does not cover, in the order in which they were
/// applied here: local and remote, each after what it depends on.
///
/// They are read from the log as they are asked for, a few hundred at a time, without the space's
/// lock. Their [decisions](Change::decisions) are empty: those are made when a change is applied. A
/// record that cannot be read is an error, and the ones after it follow.
pub struct Changes {
    shared: Arc<Shared>,
    reading: Reading,
}

impl Iterator for Changes {
    type Item = Result<Change, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reading.next(&self.shared)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { next, end, .. } = &self.reading;
        f.debug_struct("Changes").field("next", next).field("end", end).finish()
    }
}

/// How far changes have been read. They are to be durable by then.
struct Reading {
    since: VersionVector,
    /// The sequences that are still to be read.
    next: u64,
    end: u64,
    read: VecDeque<Result<Change, StoreError>>,
}

impl Reading {
    fn next(&mut self, shared: &Shared) -> Option<Result<Change, StoreError>> {
        while self.read.is_empty() && self.next < self.end {
            if let Err(error) = self.read(shared) {
                self.next = self.end;
                return Some(Err(error));
            }
        }
        self.read.pop_front()
    }

    /// Ends the reading: what has not been read from the log was missed.
    fn give_up(&mut self) -> Option<Result<Change, StoreError>> {
        let missed = std::mem::replace(&mut self.next, self.end);
        let missed = self.end.saturating_sub(missed);
        if missed > 0 {
            self.read.push_back(Err(StoreError::ChangesMissed { missed }));
        }
        self.read.pop_front()
    }

    fn read(&mut self, shared: &Shared) -> Result<(), StoreError> {
        // The space may have been removed.
        drop(shared.lock()?);
        let records = shared.records();
        let found: Vec<Found> =
            records.reading(self.next, CHUNK).take(CHUNK).collect::<Result<_, _>>()?;
        self.next = found.last().map_or(self.end, |last| last.sequence + 1);
        for found in found.into_iter().filter(|found| found.sequence < self.end) {
            self.read.extend(match found.content {
                Content::Hole => None,
                Content::Damaged(error) => {
                    Some(Err(records.damaged(found.sequence, &error).into()))
                }
                Content::Record(record) => {
                    let delta = record.entry.delta();
                    let is_new = delta.last() > self.since.get(delta.origin());
                    is_new.then(|| Ok(Change::of(&record.entry, Vec::new(), false)))
                }
            });
        }
        Ok(())
    }
}
