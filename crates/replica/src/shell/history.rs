//! The history of an object: who changed what there, and when, from what to what.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::MutexGuard;

use rejoin_crdts::{Action, Crdt, Dot, Edit, Path};

use crate::core::Change;
use crate::error::StoreError;
use crate::format::entry::Entry;
use crate::log::records::{Content, Found};
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::Space;

/// Number of log records that are read at a time.
const CHUNK: usize = 256;

/// A transaction that changed an object, or a place in one.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Past {
    /// The transaction: whose it was, when, and what it said of itself.
    pub change: Change,
    /// What it did there, in its order.
    pub edits: Vec<PastEdit>,
    sequence: u64,
}

/// One thing that a transaction did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PastEdit {
    /// The place and the action.
    pub edit: Edit,
    /// Of a register, what it replaced: several actions where several values stood there. Empty
    /// for a first value, and for anything else than a register.
    pub replaced: Vec<Action>,
}

impl<T: Crdt> Space<T> {
    /// The transactions that changed an object, at most `most`, the latest applied here first. To
    /// go on, give the last one. First it waits until all that was written is durable.
    ///
    /// They are found by an index of their own, at the cost of what is read. The first call makes
    /// it from the whole log; from then on every transaction keeps it, and it is stored with the
    /// state.
    ///
    /// ```
    /// # use rejoin_crdts::LwwRegister;
    /// # use rejoin_replica::Store;
    /// # let store = Store::memory()?;
    /// let notes = store.create_space::<LwwRegister<String>>("notes")?;
    /// notes.transact(|tx| tx.object("door").set("ring once"))?;
    /// notes.transact(|tx| {
    ///     tx.author("Mira")?;
    ///     tx.object("door").set("ring twice")
    /// })?;
    /// let last = notes.history("door", None, 10)?.remove(0);
    /// assert_eq!(last.change.label().author.as_deref(), Some("Mira"));
    /// assert_eq!(last.edits[0].edit.action.value::<String>()?, "ring twice");
    /// assert_eq!(last.edits[0].replaced[0].value::<String>()?, "ring once");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the space or its log cannot be read.
    pub fn history(
        &self,
        key: &str,
        before: Option<&Past>,
        most: usize,
    ) -> Result<Vec<Past>, StoreError> {
        self.history_at(&Path::object(key, T::KIND), before, most)
    }

    /// As [`history`](Self::history), of a place in an object and of what is below it, and of what
    /// was removed above it. Paths are in [edits](Edit), [reports](rejoin_crdts::ConflictRecord)
    /// and [findings](crate::Found).
    ///
    /// # Errors
    /// As there.
    pub fn history_at(
        &self,
        place: &Path,
        before: Option<&Past>,
        most: usize,
    ) -> Result<Vec<Past>, StoreError> {
        let inner = self.shared.lock_with_history()?;
        let (mut found, mut before) = (Vec::new(), before.map(|past| past.sequence));
        while found.len() < most {
            let left = most - found.len();
            let sequences = inner.driver.core.history_of(place.as_bytes(), before, left)?;
            let Some(&last) = sequences.last() else { break };
            before = Some(last);
            for sequence in sequences {
                let past = self.shared.past(&inner, sequence, place)?;
                found.extend(past.filter(|past| !past.edits.is_empty()));
            }
        }
        Ok(found)
    }
}

/// True if an edit changes a place, or what it stands in or holds.
fn concerns(edit: &Edit, place: &Path) -> bool {
    let (edited, place) = (edit.path.as_bytes(), place.as_bytes());
    let is_above = edit.action == Action::Removed && place.starts_with(edited);
    edited.starts_with(place) || is_above
}

impl Shared {
    /// The lock on the space, when the history of its objects is kept and nothing is left to write.
    pub(crate) fn lock_with_history(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.lock_to_look()?;
        if inner.driver.core.state.keeps_history() {
            return Ok(inner);
        }
        let end = inner.driver.core.log().end();
        let entries = self.records().reading(0, CHUNK).filter_map(|found| match found {
            Err(error) => Some(Err(error)),
            Ok(Found { sequence, content: Content::Record(record), .. }) if sequence < end => {
                Some(Ok((sequence, record.entry)))
            }
            Ok(_) => None,
        });
        inner.driver.core.keep_history(entries)?;
        Ok(inner)
    }

    /// What an entry of the log did at a place. `None` where a record was lost.
    fn past(&self, inner: &Inner, sequence: u64, place: &Path) -> Result<Option<Past>, StoreError> {
        let Some(entry) = self.entry_at(sequence)? else { return Ok(None) };
        let mut edits = Vec::new();
        for operation in entry.delta().changes() {
            let replaced = operation.replaced().to_vec();
            let edit = Edit::of_change(operation).filter(|edit| concerns(edit, place));
            let Some(edit) = edit else { continue };
            let mut actions = Vec::new();
            for dot in replaced {
                actions.extend(self.action_of(inner, dot)?);
            }
            edits.push(PastEdit { edit, replaced: actions });
        }
        let change = Change::of(&entry, Vec::new(), false);
        Ok(Some(Past { change, edits, sequence }))
    }

    /// What the operation of a dot did, if the log has it.
    fn action_of(&self, inner: &Inner, dot: Dot) -> Result<Option<Action>, StoreError> {
        let entry = self.entry_of(inner, dot)?;
        let operation = entry.and_then(|entry| entry.operation(dot.counter()));
        Ok(operation.and_then(Edit::of_change).map(|edit| edit.action))
    }

    /// The entry of a dot; `None` where the log does not have it.
    pub(crate) fn entry_of(&self, inner: &Inner, dot: Dot) -> Result<Option<Entry>, StoreError> {
        let log = inner.driver.core.log();
        match log.first_after(dot.replica(), dot.counter() - 1)? {
            Some(sequence) => self.entry_at(sequence),
            None => Ok(None),
        }
    }

    /// An entry of the log; `None` where its record was lost.
    pub(crate) fn entry_at(&self, sequence: u64) -> Result<Option<Entry>, StoreError> {
        let found = self.records().reading(sequence, 1).next().transpose()?;
        Ok(match found.filter(|found| found.sequence == sequence).map(|found| found.content) {
            Some(Content::Record(record)) => Some(record.entry),
            _ => None,
        })
    }
}
