//! Undo: the inverse of one's own transaction, as an ordinary transaction.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rejoin_crdts::delta::Delta;
use rejoin_crdts::edit::{Before, Inverse, Later, Remains, Since};
use rejoin_crdts::{Crdt, Dot, Path, RawAtom, ReadError};
use rejoin_vclock::{ReplicaId, VersionVector};

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
    /// once, and whichever of them undoes that has done it again for both.
    ///
    /// The cost follows the history of the objects that the transaction changed; for one that this
    /// store wrote under an id from before a restore, it may read what it wrote until then. The
    /// first call makes the index of the [history](Self::history), if it is not kept yet.
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
        let Undoing { dots, inverse, since } = self.shared.undoing(&inner, receipt)?;
        inner.driver.claim()?;
        let mut inverse = Some(inverse);
        let once = self.run_under(inner, &[], |tx| {
            tx.undoes(&dots);
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
    /// Its last dot, and those of other undos of what it undoes, if it is an undo itself.
    dots: Vec<Dot>,
    inverse: Inverse,
    since: After,
}

/// What the author of a transaction had not seen, or what came after it; but for what was undone
/// since and those undos: they leave things as they were.
#[derive(Default)]
struct After {
    changed: BTreeSet<Vec<u8>>,
    removed: Vec<Vec<u8>>,
    replaced: BTreeSet<(Vec<u8>, Dot)>,
    /// The entries that are left out, by origin and range.
    void: Vec<(ReplicaId, RangeInclusive<u64>)>,
}

impl After {
    fn note(&mut self, entry: &Entry, is_void: bool) {
        let delta = entry.delta();
        if is_void {
            self.void.push((delta.origin(), delta.first()..=delta.last()));
            return;
        }
        for operation in delta.changes() {
            let path = operation.path().as_bytes();
            let replaced = operation.replaced().iter();
            self.replaced.extend(replaced.map(|write| (path.to_vec(), *write)));
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

    fn has_replaced(&self, place: &[u8], write: Dot) -> bool {
        self.replaced.contains(&(place.to_vec(), write))
            && !rejoin_vclock::mutant!("undo-puts-back-what-others-replaced")
    }

    fn stands_in(&self, dot: Dot) -> bool {
        let is_in = |(origin, range): &(ReplicaId, RangeInclusive<u64>)| {
            *origin == dot.replica() && range.contains(&dot.counter())
        };
        self.void.iter().any(is_in)
    }
}

/// Which transactions among some entries of the log, in its order, are undone by an undo that is
/// not undone itself, and by which one. A transaction is undone by its own store alone: `is_one`
/// tells whether two ids are of one store.
fn undone_among(
    entries: &[&Entry],
    is_one: impl Fn(ReplicaId, ReplicaId) -> bool,
) -> BTreeMap<Dot, Dot> {
    let (mut undone, mut later) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries.iter().rev() {
        let Some(by) = last_of(entry) else { continue };
        later.insert(by);
        if undone.contains_key(&by) {
            continue;
        }
        // An undo comes after what it undoes, whatever it claims.
        let is_undone = |of: &Dot| !later.contains(of) && is_one(by.replica(), of.replica());
        for of in entry.undoes().into_iter().filter(is_undone) {
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
        let mut others = Vec::new();
        for at in sequences.into_iter().filter(|at| *at != sequence) {
            others.extend(self.entry_at(at)?.map(|other| (at < sequence, other)));
        }
        self.look_back(inner, entry, &mut others)?;
        let mut later = Vec::new();
        for (is_seen, other) in others {
            if is_seen {
                let is_wanted = |path: &Path| name(path).is_some_and(|it| objects.contains(&it));
                let shown: Result<(), ReadError> =
                    before.replay(other.delta(), is_wanted, |_, _, _| Ok(()));
                shown?;
            } else {
                later.push(other);
            }
        }
        let own = inner.driver.core.continuations_of(dot.replica())?;
        let is_one = |a, b| a == b || (own.contains(&a) && own.contains(&b));
        let undone = undone_among(&[entry].into_iter().chain(&later).collect::<Vec<_>>(), is_one);
        if let Some(&by) = undone.get(&dot)
            && !rejoin_vclock::mutant!("undone-again")
        {
            return Err(StoreError::CannotUndo(CannotUndo::AlreadyUndone { by }));
        }
        let (mut since, mut dots) = (After::default(), vec![dot]);
        let undoes = entry.undoes();
        for other in &later {
            let Some(last) = last_of(other) else { continue };
            let undone_by_it = other.undoes();
            let stands = !undone.contains_key(&last);
            // What another copy of this store has undone, too, is done again once.
            let is_twin = stands
                && !rejoin_vclock::mutant!("redone-by-one-copy-alone")
                && own.contains(&last.replica())
                && dots.len() < MAX_UNDONE
                && undone_by_it.iter().any(|of| undoes.contains(of));
            if is_twin {
                dots.push(last);
            }
            let undoes_later = |of: &Dot| *of != dot && undone.get(of) == Some(&last);
            since.note(other, !stands || is_twin || undone_by_it.iter().any(undoes_later));
        }
        dots.sort_unstable();
        Ok(Undoing { dots, inverse: Inverse::of(entry.delta(), before)?, since })
    }

    /// Corrects which of other entries the author of one had seen, where the log does not tell by
    /// its order.
    ///
    /// What a store writes, it writes behind all that it has seen. But what it had written before
    /// it was restored from a backup came back from others, maybe behind what it had not seen. So
    /// for a former id the entries say it themselves: each names what was new to its author, so
    /// they are read from the last to the first, until all is found.
    fn look_back(
        &self,
        inner: &Inner,
        entry: &Entry,
        others: &mut [(bool, Entry)],
    ) -> Result<(), StoreError> {
        let core = &inner.driver.core;
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        if origin == core.replica() || rejoin_vclock::mutant!("undo-by-the-order-of-the-log") {
            return Ok(());
        }
        let mut unseen: Vec<&mut (bool, Entry)> = others.iter_mut().filter(|it| it.0).collect();
        let (mut seen, mut to_read) = (VersionVector::new(), vec![(origin, first - 1)]);
        note_deps(entry.delta(), &mut seen);
        let mut read = BTreeSet::new();
        loop {
            let is_seen = |other: &Delta| seen.get(other.origin()) >= other.last();
            unseen.retain(|(_, other)| !is_seen(other.delta()));
            let Some((id, counter)) = to_read.pop().filter(|_| !unseen.is_empty()) else { break };
            if counter == 0 || !read.insert((id, counter)) {
                continue;
            }
            // Of what is not in the log any more nobody knows better than the order of the rest.
            let Some(at) = core.log().ending_at(id, counter)? else { return Ok(()) };
            let Some(earlier) = self.entry_at(at)? else { return Ok(()) };
            let delta = earlier.delta();
            note_deps(delta, &mut seen);
            to_read.extend(delta.deps().into_iter().filter(|(id, _)| core.is_own(*id)));
            to_read.push((id, delta.first() - 1));
        }
        unseen.into_iter().for_each(|(is_seen, _)| *is_seen = false);
        Ok(())
    }
}

/// Notes what the author of an own transaction had seen anew, and its own ones before it.
fn note_deps(own: &Delta, seen: &mut VersionVector) {
    for (id, counter) in own.deps().into_iter().chain([(own.origin(), own.first() - 1)]) {
        seen.set_at_least(id, counter);
    }
}

/// At most so many transactions are named by one that undoes them: a section has its limits.
const MAX_UNDONE: usize = 256;
