//! Undo: the inverse of one's own transaction, as an ordinary transaction.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::delta::Delta;
use rejoin_crdts::edit::{Inverse, Remains, Replayed, Without};
use rejoin_crdts::{Crdt, Dot, EditError, Path, RawAtom};
use rejoin_vclock::ReplicaId;

use crate::core::SpaceCore;
use crate::core::incarnation::Incarnation;
use crate::error::{CannotUndo, StoreError};
use crate::format::entry::Entry;
use crate::receipt::Receipt;
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::{Committed, Once, Space, Transaction};

impl<T: Crdt> Space<T> {
    /// Undoes a transaction of this store: each place that it touched becomes what it would be
    /// without it, by all that is known here. What others did stays, and what they removed or
    /// replaced, too, does not come back. Where the transaction makes no difference any more, and
    /// what cannot be undone, is in the answer.
    ///
    /// The undo is an ordinary transaction, which every copy takes in, and the history names it. An
    /// undo is undone in the same way, by its own receipt: that does it again. What was undone
    /// since counts as never done, so transactions can be undone one after the other, in any order.
    /// Where two copies of a store undo one transaction while they are apart, it is undone once,
    /// and whichever of them undoes that has done it again for both.
    ///
    /// Who undoes something while others change the same place elsewhere has written beside them.
    /// (So two who have replaced one value, and both undo that at the same time, leave nothing
    /// there: each had seen the other's.)
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
    /// What a transaction did to a bounded counter, and moves, are not taken back, and the rest is:
    /// where that half is worse than nothing, look first, with [`undo_with`](Self::undo_with).
    ///
    /// # Errors
    /// [`StoreError::CannotUndo`] with the reason; otherwise as [`transact`](Self::transact).
    pub fn undo(&self, receipt: &Receipt) -> Result<Committed<Remains>, StoreError> {
        self.undo_with(receipt, |_, _| Ok(()))
    }

    /// As [`undo`](Self::undo), and shows what is not undone before anything is stored: to write in
    /// the same transaction what makes up for it, or to give up, by an error.
    ///
    /// ```
    /// # use rejoin_crdts::{EditError, LwwRegister, OrMap};
    /// # use rejoin_derive::Crdt;
    /// # use rejoin_replica::Store;
    /// #[derive(Crdt)]
    /// # #[crdt(crate = rejoin_crdts)]
    /// struct Pot {
    ///     left: rejoin_crdts::BoundedCounter,
    ///     note: LwwRegister<String>,
    /// }
    ///
    /// # let store = Store::memory()?;
    /// let pots = store.create_space::<Pot>("pots")?;
    /// pots.transact(|tx| tx.object("ours").left().add(100))?;
    /// let spent = pots.transact(|tx| {
    ///     tx.object("ours").note().set("shoes")?;
    ///     tx.object("ours").left().spend(30)
    /// })?;
    ///
    /// let all_or_none = pots.undo_with(&spent, |_, remains| match remains.cannot.is_empty() {
    ///     true => Ok(()),
    ///     false => Err(EditError::Aborted("30 would stay spent".into())),
    /// });
    /// assert!(all_or_none.is_err());
    /// assert_eq!(pots.object("ours").note().get()?.as_deref(), Some("shoes"));
    ///
    /// pots.undo_with(&spent, |tx, _| tx.object("ours").left().add(30))?;
    /// assert_eq!(pots.object("ours").left().value()?, 100);
    /// assert_eq!(pots.object("ours").note().get()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`undo`](Self::undo), and those of the closure.
    pub fn undo_with(
        &self,
        receipt: &Receipt,
        then: impl FnOnce(&mut Transaction<'_, T>, &Remains) -> Result<(), EditError>,
    ) -> Result<Committed<Remains>, StoreError> {
        // Under one lock: what comes between would be overwritten, or revived.
        let mut inner = self.shared.lock_with_history()?;
        let Undoing { dots, inverse, without } = self.shared.undoing(&inner, receipt)?;
        inner.driver.claim()?;
        let once = self.run_under(inner, &[], |tx| {
            tx.undoes(&dots);
            let remains = inverse.write(tx.stage(), &without)?;
            then(tx, &remains).map(|()| remains)
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
    without: Without,
}

/// Which transactions among some entries of the log, in its order, are undone by an undo that is
/// not undone itself, and by which one. A transaction is undone by its own store alone.
fn undone_among<'a>(
    entries: impl DoubleEndedIterator<Item = &'a Entry>,
    families: &Families,
) -> BTreeMap<Dot, Dot> {
    let (mut undone, mut later) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries.rev() {
        let Some(by) = last_of(entry) else { continue };
        later.insert(by);
        if undone.contains_key(&by) {
            continue;
        }
        // An undo comes after what it undoes, whatever it claims.
        let is_undone =
            |of: &Dot| !later.contains(of) && families.is_one(by.replica(), of.replica());
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

    /// Reads all that is in the log of the objects that a transaction changed, and takes it
    /// together without that transaction, and without what was undone since, and its undos.
    fn look_around(
        &self,
        inner: &Inner,
        dot: Dot,
        sequence: u64,
        entry: &Entry,
    ) -> Result<Undoing, StoreError> {
        let core = &inner.driver.core;
        let name = |path: &Path| path.names().next();
        let mut paths: Vec<Path> = entry.delta().changes().map(|it| it.path().clone()).collect();
        let objects: BTreeSet<RawAtom> = paths.iter().filter_map(name).collect();
        let is_wanted = |path: &Path| name(path).is_some_and(|it| objects.contains(&it));
        paths.dedup_by_key(|path| name(path));
        let mut sequences = BTreeSet::from([sequence]);
        for path in &paths {
            sequences.extend(core.history_of(path.as_bytes(), None, usize::MAX)?);
        }
        let mut all = Vec::new();
        for at in sequences {
            all.extend(self.entry_at(at)?.map(|entry| (at, entry)));
        }
        let families = Families::of(core)?;
        let undone = undone_among(all.iter().map(|(_, entry)| entry), &families);
        if let Some(&by) = undone.get(&dot)
            && !rejoin_vclock::mutant!("undone-again")
        {
            return Err(StoreError::CannotUndo(CannotUndo::AlreadyUndone { by }));
        }
        let Some((mut before, mut without)) =
            Replayed::new(dot.replica()).zip(Without::new(dot.replica()))
        else {
            return Err(StoreError::CannotUndo(CannotUndo::NotHere));
        };
        let known = self.known_undos(&all, &undone, entry.delta(), sequence)?;
        let is_new = |undo: &Dot| !known.contains(undo);
        let (undoes, mut dots, mut heard) = (entry.undoes(), Vec::new(), Vec::new());
        for (at, other) in &all {
            let Some(last) = last_of(other) else { continue };
            let (delta, theirs) = (other.delta(), other.undoes());
            // What another copy of this store has undone, too, is done again once.
            let is_twin = !undone.contains_key(&last)
                && !rejoin_vclock::mutant!("redone-by-one-copy-alone")
                && dots.len() < MAX_UNDONE
                && theirs.iter().any(|of| undoes.contains(of))
                && families.is_one(last.replica(), dot.replica());
            let is_it = last == dot || is_twin;
            dots.extend(is_it.then_some(last));
            let is_undone = undone.get(&last).is_some_and(is_new) && !undoes.contains(&last);
            let is_undo = is_new(&last) && theirs.iter().any(|of| undone.get(of) == Some(&last));
            if *at < sequence {
                before.apply(delta, is_wanted);
            }
            if is_it || is_undone || is_undo {
                without.leave_out(delta, is_wanted, is_it)?;
                heard.push(Heard::of(last, *at));
            } else {
                without.keep(delta, is_wanted, *at > sequence, |of| {
                    let heard = heard.iter_mut().find(|heard| heard.of == of);
                    heard.map_or(Ok(false), |heard| self.had_heard(heard, *at, delta))
                })?;
            }
        }
        dots.sort_unstable();
        Ok(Undoing { dots, inverse: Inverse::of(entry.delta(), before)?, without })
    }

    /// The undos that the author of a transaction had seen: what they made of things is what it
    /// changed.
    fn known_undos(
        &self,
        all: &[(u64, Entry)],
        undone: &BTreeMap<Dot, Dot>,
        delta: &Delta,
        sequence: u64,
    ) -> Result<BTreeSet<Dot>, StoreError> {
        let undos: BTreeSet<Dot> = undone.values().copied().collect();
        let mut known = BTreeSet::new();
        if rejoin_vclock::mutant!("undo-looks-behind-earlier-undos") {
            return Ok(known);
        }
        for (at, other) in all.iter().filter(|(at, _)| *at < sequence) {
            if let Some(last) = last_of(other).filter(|last| undos.contains(last))
                && self.had_heard(&mut Heard::of(last, *at), sequence, delta)?
            {
                known.insert(last);
            }
        }
        Ok(known)
    }
}

/// Who had heard of a transaction, as far as the log is read.
struct Heard {
    of: Dot,
    /// The sequence of the next entry to be read.
    next: u64,
    /// From which counter on, by origin.
    from: BTreeMap<ReplicaId, u64>,
}

impl Heard {
    fn of(of: Dot, at: u64) -> Self {
        Self { of, next: at + 1, from: BTreeMap::from([(of.replica(), of.counter())]) }
    }

    fn has(&self, origin: ReplicaId, counter: u64) -> bool {
        self.from.get(&origin).is_some_and(|from| counter >= *from)
    }
}

impl Shared {
    /// True if the author of an entry had seen a transaction. What it wrote itself tells it at
    /// once; otherwise the log between the two is read: each entry names what was new to its
    /// author.
    fn had_heard(&self, heard: &mut Heard, at: u64, delta: &Delta) -> Result<bool, StoreError> {
        let (origin, last) = (delta.origin(), delta.last());
        while !heard.has(origin, last) && heard.next <= at {
            let entry = self.entry_at(heard.next)?;
            heard.next += 1;
            let Some(entry) = entry else { continue };
            let between = entry.delta();
            if between.deps().iter().any(|(id, counter)| heard.has(*id, *counter)) {
                heard.from.entry(between.origin()).or_insert(between.last());
            }
        }
        Ok(heard.has(origin, last))
    }
}

/// At most so many transactions are named by one that undoes them: a section has its limits.
const MAX_UNDONE: usize = 256;

/// Which ids are of one store, as far as it is known here.
struct Families(BTreeMap<ReplicaId, ReplicaId>);

impl Families {
    fn of(core: &SpaceCore) -> Result<Self, StoreError> {
        let mut first = BTreeMap::new();
        for Incarnation { id, predecessor, .. } in core.incarnations()? {
            first.insert(id, predecessor);
        }
        let own: Vec<ReplicaId> = core.own_ids().collect();
        for pair in own.windows(2) {
            if let [before, after] = pair {
                first.entry(*after).or_insert(*before);
            }
        }
        Ok(Self(first))
    }

    /// The first id of a store; a circle, which no honest store makes, ends somewhere.
    fn first(&self, mut id: ReplicaId) -> ReplicaId {
        for _ in 0..=self.0.len() {
            match self.0.get(&id) {
                Some(before) => id = *before,
                None => break,
            }
        }
        id
    }

    fn is_one(&self, a: ReplicaId, b: ReplicaId) -> bool {
        a == b || self.first(a) == self.first(b)
    }
}
