//! Undo: the inverse of one's own transaction, as an ordinary transaction.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rejoin_crdts::edit::{Before, Inverse, Later, Remains, Since};
use rejoin_crdts::{Crdt, Dot, Path, RawAtom, ReadError};
use rejoin_vclock::ReplicaId;

use crate::error::{CannotUndo, StoreError};
use crate::format::entry::Entry;
use crate::receipt::Receipt;
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::{Committed, Once, Space};

impl<T: Crdt> Space<T> {
    /// Undoes a transaction of this store, as far as its effects still stand: a register shows
    /// again what it showed before, unless somebody has written to it since; what was counted is
    /// counted back; what was added goes, and what was removed is there again, unless somebody else
    /// removed it, too. What stays as it is, and what cannot be undone, is in the answer.
    ///
    /// The undo is an ordinary transaction, which every copy takes in, and the history names it. An
    /// undo is undone in the same way, by its own receipt: that does it again. What was undone
    /// since counts as never done, so transactions can be undone one after the other, the last one
    /// first. Where two copies of a store undo one transaction while they are apart, it is undone
    /// once.
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
        // Under one lock: what comes between would be overwritten, or revived.
        let mut inner = self.shared.lock_with_history()?;
        let Undoing { dot, inverse, since } = self.shared.undoing(&inner, receipt)?;
        inner.driver.claim()?;
        let mut inverse = Some(inverse);
        let once = self.run_under(inner, &[], |tx| {
            tx.undoes(dot);
            inverse.take().map_or_else(|| Ok(Remains::default()), |it| it.write(tx.stage(), &since))
        })?;
        match once {
            Once::First(committed) => Ok(committed),
            _ => unreachable!("only a key makes a transaction repeat another"),
        }
    }
}

/// A transaction that is to be undone.
struct Undoing {
    /// Its last dot.
    dot: Dot,
    inverse: Inverse,
    since: After,
}

/// What came into the log after a transaction, but for what was undone since and those undos: they
/// leave things as they were.
#[derive(Default)]
struct After {
    changed: BTreeSet<Vec<u8>>,
    removed: Vec<Vec<u8>>,
    /// The undos that are left out, by origin and range.
    undos: Vec<(ReplicaId, RangeInclusive<u64>)>,
}

impl After {
    fn note(&mut self, entry: &Entry, is_void: bool) {
        let delta = entry.delta();
        if is_void {
            self.undos.push((delta.origin(), delta.first()..=delta.last()));
            return;
        }
        for operation in delta.changes() {
            let path = operation.path().as_bytes();
            match operation.removed() {
                Some(removed) => self.removed.push(removed.to_vec()),
                None if operation.removes() => self.removed.push(path.to_vec()),
                None => _ = self.changed.insert(path.to_vec()),
            }
        }
    }
}

impl Later for After {
    fn since(&self, place: &[u8]) -> Since {
        if self.removed.iter().any(|above| place.starts_with(above)) {
            return Since::Removed;
        }
        if self.changed.contains(place) { Since::Changed } else { Since::Untouched }
    }

    fn stands_in(&self, dot: Dot) -> bool {
        let is_in = |(origin, range): &(ReplicaId, RangeInclusive<u64>)| {
            *origin == dot.replica() && range.contains(&dot.counter())
        };
        self.undos.iter().any(is_in)
    }
}

/// Which transactions among some entries of the log, in its order, are undone by an undo that is
/// not undone itself, and by which one.
fn undone_among(entries: &[&Entry]) -> BTreeMap<Dot, Dot> {
    let (mut undone, mut later) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries.iter().rev() {
        let Some(by) = last_of(entry) else { continue };
        later.insert(by);
        // An undo comes after what it undoes, whatever it claims.
        if let Some(of) = entry.undoes().filter(|of| !later.contains(of))
            && !undone.contains_key(&by)
        {
            undone.entry(of).or_insert(by);
        }
    }
    undone
}

fn last_of(entry: &Entry) -> Option<Dot> {
    let delta = entry.delta();
    Dot::new(delta.origin(), delta.last()).ok()
}

impl Shared {
    fn undoing(&self, inner: &Inner, receipt: &Receipt) -> Result<Undoing, StoreError> {
        let refused = |reason| Err(StoreError::CannotUndo(reason));
        self.check_writable()?;
        let core = &inner.driver.core;
        if !receipt.is_of(core.hash.mark()) {
            return refused(CannotUndo::OtherSpace);
        }
        if receipt.is_empty() {
            return refused(CannotUndo::NotHere);
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
        self.look_around(inner, dot, sequence, &entry)
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
        let mut paths: Vec<Path> = entry.delta().changes().map(|it| it.path().clone()).collect();
        let objects: BTreeSet<RawAtom> = paths.iter().filter_map(name).collect();
        paths.dedup_by_key(|path| name(path));
        let mut sequences = BTreeSet::new();
        for path in &paths {
            let history = inner.driver.core.history_of(path.as_bytes(), None, usize::MAX)?;
            sequences.extend(history);
        }
        let Some(mut before) = Before::new(dot.replica()) else {
            return Err(StoreError::CannotUndo(CannotUndo::NotHere));
        };
        let mut later = Vec::new();
        for at in sequences {
            let Some(other) = self.entry_at(at)? else { continue };
            if at > sequence {
                later.push(other);
            } else if at < sequence {
                let is_wanted = |path: &Path| name(path).is_some_and(|it| objects.contains(&it));
                let shown: Result<(), ReadError> =
                    before.replay(other.delta(), is_wanted, |_, _, _| Ok(()));
                shown?;
            }
        }
        let core = &inner.driver.core;
        let continues = core.continuations_of(dot.replica())?;
        let of_own = later.iter().filter(|it| continues.contains(&it.delta().origin()));
        let undone = undone_among(&[entry].into_iter().chain(of_own).collect::<Vec<_>>());
        if let Some(&by) = undone.get(&dot)
            && !rejoin_vclock::mutant!("undone-again")
        {
            return Err(StoreError::CannotUndo(CannotUndo::AlreadyUndone { by }));
        }
        let mut since = After::default();
        for other in &later {
            let last = last_of(other);
            let is_undone = last.is_some_and(|last| undone.contains_key(&last));
            let undoes_later =
                other.undoes().is_some_and(|of| of != dot && undone.get(&of) == last.as_ref());
            since.note(other, is_undone || undoes_later);
        }
        Ok(Undoing { dot, inverse: Inverse::of(entry.delta(), before)?, since })
    }
}
