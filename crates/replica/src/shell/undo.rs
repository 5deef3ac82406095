//! Undo: the inverse of one's own transaction, as an ordinary transaction.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use rejoin_crdts::edit::{Before, Inverse, Remains};
use rejoin_crdts::{Crdt, Dot, Path, RawAtom};

use crate::core::apply::undo_of;
use crate::error::{CannotUndo, StoreError};
use crate::format::entry::Entry;
use crate::receipt::Receipt;
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::{Committed, Space};

impl<T: Crdt> Space<T> {
    /// Undoes a transaction of this store, as far as its effects still stand: a register shows
    /// again what it showed before, unless somebody has written to it since; what was counted is
    /// counted back; what was added goes, and what was removed is there again, unless somebody else
    /// removed it, too. What stays as it is, and what cannot be undone, is in the answer.
    ///
    /// The undo is an ordinary transaction, which every copy takes in, and the history names it. An
    /// undo is undone in the same way, by its own receipt: that does it again. Where two copies of
    /// a store undo one transaction while they are apart, it is undone once.
    ///
    /// The cost follows the history of the objects that the transaction changed. The first call
    /// makes the index of the [history](Self::history), if it is not kept yet.
    ///
    /// ```
    /// # use rejoin_crdts::{OrMap, PnCounter};
    /// # use rejoin_replica::Store;
    /// # let store = Store::memory()?;
    /// let carts = store.create_space::<OrMap<String, PnCounter>>("carts")?;
    /// carts.transact(|tx| tx.object("alice").entry("apples").add(2))?;
    /// let removed = carts.transact(|tx| tx.object("alice").remove("apples"))?;
    ///
    /// let undone = carts.undo(&removed)?;
    /// assert_eq!(carts.object("alice").at("apples").value()?, 2);
    /// carts.undo(&undone)?; // once more: it is removed again
    /// assert_eq!(carts.object("alice").at("apples").value()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::CannotUndo`] with the reason; otherwise as [`transact`](Self::transact).
    pub fn undo(&self, receipt: &Receipt) -> Result<Committed<Remains>, StoreError> {
        let undoing = self.shared.undoing(receipt)?;
        let Undoing { dot, inverse, since } = undoing;
        let mut inverse = Some(inverse);
        self.transact(|tx| {
            tx.undoes(dot);
            match inverse.take() {
                Some(inverse) => inverse.write(tx.stage(), &|place| since.has_changed(place)),
                None => Ok(Remains::default()),
            }
        })
    }
}

/// A transaction that is to be undone.
struct Undoing {
    /// Its last dot.
    dot: Dot,
    inverse: Inverse,
    since: Since,
}

/// What came into the log after a transaction.
#[derive(Default)]
struct Since {
    changed: BTreeSet<Vec<u8>>,
    removed: Vec<Vec<u8>>,
}

impl Since {
    fn note(&mut self, entry: &Entry) {
        for operation in entry.delta().changes() {
            self.removed.extend(operation.removed().map(<[u8]>::to_vec));
            self.changed.insert(operation.path().as_bytes().to_vec());
        }
    }

    fn has_changed(&self, place: &[u8]) -> bool {
        self.changed.contains(place) || self.removed.iter().any(|above| place.starts_with(above))
    }
}

impl Shared {
    fn undoing(&self, receipt: &Receipt) -> Result<Undoing, StoreError> {
        let refused = |reason| Err(StoreError::CannotUndo(reason));
        self.check_writable()?;
        let inner = self.lock_with_history()?;
        let core = &inner.driver.core;
        if receipt.is_of_another(core.hash.mark()) {
            return refused(CannotUndo::OtherSpace);
        }
        let receipt = core.as_moved(*receipt);
        let origin = receipt.origin();
        if !core.is_own(origin) {
            return refused(CannotUndo::NotOwn { origin });
        }
        let at = core.log().first_after(origin, receipt.last().saturating_sub(1))?;
        let found = match at {
            Some(sequence) => self.entry_at(sequence)?.map(|entry| (sequence, entry)),
            None => None,
        };
        let is_it = |(_, entry): &(u64, Entry)| {
            let delta = entry.delta();
            (delta.origin(), delta.first(), delta.last())
                == (origin, receipt.first(), receipt.last())
        };
        let Some((sequence, entry)) = found.filter(is_it) else {
            return refused(CannotUndo::NotHere);
        };
        let Ok(dot) = Dot::new(origin, receipt.last()) else {
            return refused(CannotUndo::NotHere);
        };
        if let Some(by) = self.undo_that_holds(&inner, dot, sequence)?
            && !rejoin_vclock::mutant!("undone-again")
        {
            return refused(CannotUndo::AlreadyUndone { by });
        }
        self.look_around(&inner, dot, sequence, &entry)
    }

    /// Reads what the author of a transaction saw before it, and what came later, of the objects
    /// that it changed.
    fn look_around(
        &self,
        inner: &Inner,
        dot: Dot,
        sequence: u64,
        entry: &Entry,
    ) -> Result<Undoing, StoreError> {
        let name = |path: &Path| path.names().next();
        let paths: Vec<Path> = entry.delta().changes().map(|it| it.path().clone()).collect();
        let objects: BTreeSet<RawAtom> = paths.iter().filter_map(name).collect();
        let mut sequences = BTreeSet::new();
        let mut one_of_each: Vec<&Path> = paths.iter().collect();
        one_of_each.dedup_by_key(|path| name(path));
        for path in one_of_each {
            let history = inner.driver.core.history_of(path.as_bytes(), None, usize::MAX)?;
            sequences.extend(history);
        }
        let Some(mut before) = Before::new(dot.replica()) else {
            return Err(StoreError::CannotUndo(CannotUndo::NotHere));
        };
        let mut since = Since::default();
        for at in sequences {
            let Some(other) = self.entry_at(at)? else { continue };
            if at > sequence {
                since.note(&other);
            } else if at < sequence {
                let is_wanted = |path: &Path| name(path).is_some_and(|it| objects.contains(&it));
                let shown: Result<(), rejoin_crdts::ReadError> =
                    before.replay(other.delta(), is_wanted, |_, _, _| Ok(()));
                shown?;
            }
        }
        Ok(Undoing { dot, inverse: Inverse::of(entry.delta(), before)?, since })
    }

    /// The undo of a transaction at a sequence that is not undone itself, if there is one. An undo
    /// comes after what it undoes, whatever it claims.
    fn undo_that_holds(
        &self,
        inner: &Inner,
        dot: Dot,
        after: u64,
    ) -> Result<Option<Dot>, StoreError> {
        let undos = inner.driver.core.history_of(&undo_of(&dot), None, usize::MAX)?;
        for sequence in undos.into_iter().filter(|sequence| *sequence > after) {
            let Some(undo) = self.entry_at(sequence)? else { continue };
            let delta = undo.delta();
            let Ok(by) = Dot::new(delta.origin(), delta.last()) else { continue };
            if self.undo_that_holds(inner, by, sequence)?.is_none() {
                return Ok(Some(by));
            }
        }
        Ok(None)
    }
}
