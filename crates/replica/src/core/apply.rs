//! Applying: entries become state, own ones and those of others, in one place.

use rejoin_crdts::delta::{Change as Operation, Delta};
use rejoin_crdts::edit::{Draft, Overlay, Staged, View};
use rejoin_crdts::index::Index;
use rejoin_crdts::ordered::Orders;
use rejoin_crdts::value::{decisions, news_among};
use rejoin_crdts::{ConflictRecord, Crdt, Kind, RawAtom};
use rejoin_resolve::{Siblings, policies};
use rejoin_vclock::HybridTimestamp;

use crate::core::conflicts::Answered;
use crate::core::{Change, Event, Now, SpaceCore};
use crate::error::Result;
use crate::format::entry::{Entry, Head, HeadAt, Label, Record};
use crate::receipt::Receipt;
use crate::state::{Stands, StateSource, stands};

/// The cells as a transaction's draft left them, the operations of its entry, and how many of them
/// are applied there. Without any the operations are those in the entry's bytes.
#[derive(Default, Debug)]
pub(crate) struct Drafted {
    pub cells: Overlay,
    pub orders: Orders,
    pub operations: Vec<Operation>,
    pub applied: usize,
}

impl SpaceCore {
    /// Begins a transaction: returns its stamp, for a draft over the state.
    pub fn stamp(&mut self, now: Now) -> HybridTimestamp {
        let stamp = self.hybrid.tick(now);
        self.hear_of_clock();
        stamp
    }

    /// Reports that own stamps came from the future, if they did.
    pub(crate) fn hear_of_clock(&mut self) {
        if let Some(skew) = self.hybrid.take_report() {
            self.report(Event::OwnSkew(skew));
        }
    }

    /// The draft of a transaction that was [stamped](Self::stamp).
    pub fn draft<'a>(
        &'a self,
        base: &'a StateSource<'a>,
        stamp: HybridTimestamp,
    ) -> Draft<'a, Staged<'a>> {
        Draft::new(Staged::over(base), self.causal.context(), self.causal.own(), stamp)
    }

    /// Makes an entry of the operations of a draft. `None` when there are none.
    pub fn entry(&self, mut operations: Vec<Operation>, stamp: HybridTimestamp) -> Option<Entry> {
        self.entry_once(&mut operations, stamp, &[], &Label::default())
    }

    /// As [`entry`](Self::entry), of a transaction that has an idempotency key, or says something
    /// of itself. Adds the operations that the replica says of itself.
    pub(crate) fn entry_once(
        &self,
        operations: &mut Vec<Operation>,
        stamp: HybridTimestamp,
        key: &[u8],
        label: &Label,
    ) -> Option<Entry> {
        if !operations.is_empty() {
            operations.extend(self.announcement(stamp));
        }
        let first = self.causal.context().seen(self.replica()) + 1;
        let deps = self.next_deps();
        let delta = Delta::new(self.replica(), first, stamp, &deps, operations)?;
        let key = self.key_hash(key).filter(|_| !rejoin_vclock::mutant!("key-not-in-entry"));
        Some(Entry::labelled(delta, key, label))
    }

    /// Applies an own entry and hands it to [`poll_write`](Self::poll_write).
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read; nothing has
    /// happened then.
    pub fn commit(&mut self, entry: Entry, key: Vec<u8>) -> Result<Receipt> {
        self.commit_drafted(entry, key, Drafted::default())
    }

    /// As [`commit`](Self::commit), with the cells as its draft left them.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn commit_drafted(
        &mut self,
        entry: Entry,
        key: Vec<u8>,
        drafted: Drafted,
    ) -> Result<Receipt> {
        let head = self.head(self.replica()).after(&entry);
        self.commit_record(Record { key, head, entry }, drafted)
    }

    /// Applies the entry of a record, which is the next of its origin, and queues the record to be
    /// written.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn commit_record(&mut self, record: Record, drafted: Drafted) -> Result<Receipt> {
        let sequence = self.take_in(&record.entry, record.head, drafted, true)?;
        let receipt = self.remember_key(record.key.clone(), &record.entry, sequence);
        self.outbox.push(sequence, record);
        Ok(receipt)
    }

    /// Turns an entry into state; this is the only place where that happens. `head` is the head of
    /// its origin after it. Returns its sequence in the log.
    ///
    /// If a block cannot be read, nothing has changed.
    pub(crate) fn take_in(
        &mut self,
        entry: &Entry,
        head: Head,
        drafted: Drafted,
        tell: bool,
    ) -> Result<u64> {
        let delta = entry.delta();
        let Some(first) = self.causal.begin(delta) else {
            unreachable!("a space meets fewer than 2^24 replicas")
        };
        let is_remote = delta.origin() != self.replica();
        let stamp = delta.stamp();
        let Drafted { cells: mut changed, orders, operations: mut all, applied } = drafted;
        if all.is_empty() {
            all = delta.changes().collect();
        }
        debug_assert!(delta.changes().eq(all.iter().cloned()), "the operations of the entry");
        let (done, to_do) = all.split_at(applied);
        // Where no read can fail half-way, cells are changed in place: a copy costs as much as the
        // cell is large, and a counter has a record of every replica.
        let (mut named, mut before) = (Vec::new(), Vec::new());
        let on_one_cell = |it: &Operation| it.is_on_one_cell() && !it.is_of_hiding();
        let in_place = done.is_empty() && to_do.iter().all(on_one_cell);
        let hides = self.state.hides();
        if in_place {
            let paths = || to_do.iter().map(|operation| operation.path().as_bytes());
            self.bring(paths().collect())?;
            named = self.told(self.state.named(paths(), hides, &[&self.source()]))?;
            before = self.told(stands(&named, &self.source(), hides))?;
            changed = self.state.take_memtable(paths());
        }
        let source = self.state.with(self.causal.context());
        for (index, operation) in (done.len()..).zip(to_do) {
            if is_remote
                && delta.last().is_multiple_of(7)
                && rejoin_vclock::mutant!("skip-one-effect")
            {
                continue;
            }
            let at = self.causal.at(first, index, stamp);
            if in_place {
                changed.apply_brought(operation, &at);
            } else {
                self.told(changed.apply(&source, operation, &at))?;
            }
        }
        // Everything is in memory by now.
        let after = if in_place {
            self.state.put_memtable(changed);
            self.told(stands(&named, &self.source(), hides))?
        } else {
            let after;
            let hides = hides || all.iter().any(Operation::is_of_hiding);
            (before, after) = self.absorb(changed, hides)?;
            after
        };
        self.state.note_changed(before, after);
        self.state.hear(orders, &all);
        let decided = if is_remote && tell { self.decide(delta, &all) } else { Vec::new() };
        if tell {
            self.log_conflicts(delta, &all, &decided);
        }
        self.causal.note(delta, &all);
        self.causal.finish(delta, first);
        if tell {
            self.report(Event::Applied(Change::of(entry, decided, false)));
        }
        let sequence = self.history.push(entry, head);
        if !(is_remote && rejoin_vclock::mutant!("history-of-own-changes-alone")) {
            let paths = all.iter().map(|operation| operation.path().as_bytes());
            self.state.note_history(sequence, paths);
        }
        let (origin, counter) = (delta.origin(), delta.last());
        self.outbox.expect(sequence, HeadAt { origin, counter, head });
        Ok(sequence)
    }

    /// Takes over changed cells. Returns the entries of the places that indexes name among those
    /// that this changes, as they were and as they are.
    fn absorb(&mut self, changed: Overlay, hides: bool) -> Result<(Stands, Stands)> {
        let source = self.state.with(self.causal.context());
        let over = changed.over(&source);
        let paths = changed.range(&[]).map(|(path, _)| path);
        let named = self.told(self.state.named(paths, hides, &[&source, &over]))?;
        let before = self.told(stands(&named, &source, hides))?;
        let after = self.told(stands(&named, &over, hides))?;
        drop(named);
        self.state.absorb(changed);
        if hides {
            self.state.note_hiding();
        }
        Ok((before, after))
    }

    /// Makes the indexes among these that are not kept yet, from all cells.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn keep_indexes(&mut self, wanted: &[Index]) -> Result<()> {
        let kept = self.state.keep_indexes(wanted, self.causal.context());
        self.told(kept)
    }

    /// The sequences of at most `most` entries that changed the object of a path, the latest first,
    /// before one of them.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read.
    pub(crate) fn history_of(
        &self,
        path: &[u8],
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<u64>> {
        self.told(self.state.history(path, before, most))
    }

    /// Keeps which entries change an object, from these on: all that are in the log.
    ///
    /// # Errors
    /// The first error among them; the history is not kept then.
    pub(crate) fn keep_history(
        &mut self,
        entries: impl Iterator<Item = Result<(u64, Entry)>>,
    ) -> Result<()> {
        let number = self.state.begin_history();
        for found in entries {
            let (sequence, entry) = found?;
            let operations: Vec<Operation> = entry.delta().changes().collect();
            let paths = operations.iter().map(|operation| operation.path().as_bytes());
            self.state.note_history_under(number, sequence, paths);
        }
        self.state.keep_history(number);
        Ok(())
    }

    /// Reads the latest entries from before the opening, once: decisions tell what is concurrent
    /// with them from what follows them.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when they cannot be read; the next call tries
    /// again.
    fn look_back(&mut self) -> Result<()> {
        if let Some(end) = self.history.earlier {
            for delta in self.history.log.latest_before(end)? {
                self.causal.look_back(&delta);
            }
            self.history.earlier = None;
        }
        Ok(())
    }

    /// Finds the conflicts that an entry caused which was just applied. A read that fails is
    /// reported: the entry is applied.
    fn decide(&mut self, delta: &Delta, operations: &[Operation]) -> Vec<ConflictRecord> {
        let mut read = self.look_back();
        let after = self.state.with(self.causal.context());
        let (found, decided) = decisions(delta, operations, &after, &self.causal);
        read = read.and(self.told(decided));
        if let Err(error) = read {
            let (by, last) = (delta.origin(), delta.last());
            self.report(Event::Undecided { by, last, what: error.to_string() });
        }
        news_among(found, delta, &mut self.causal)
    }

    /// Notes in the conflict log what an entry decided, and what it settled. Where that log cannot
    /// be read it is reported: the entry is applied.
    fn log_conflicts(
        &mut self,
        delta: &Delta,
        operations: &[Operation],
        decided: &[ConflictRecord],
    ) {
        let (causal, origin) = (&self.causal, delta.origin());
        let knew = |dot| origin == causal.id() || causal.knew(origin, dot);
        let settled = self.conflicts.settle(delta, operations, knew);
        let source = self.state.with(self.causal.context()).beside(&self.customs);
        let recorded = self.conflicts.record(decided, |record| answer(&source, record));
        if let Err(error) = settled.and(recorded) {
            let (by, last) = (origin, delta.last());
            self.report(Event::Undecided { by, last, what: error.to_string() });
        }
    }

    /// Reports an event to whoever listens.
    pub(crate) fn report(&mut self, event: Event) {
        self.reports.push(event);
    }
}

/// How the policy of the space answers at the place of a decision, if there are siblings.
fn answer(source: &StateSource<'_>, record: &ConflictRecord) -> Option<Answered> {
    if record.path.kind() != Some(Kind::Siblings) {
        return None;
    }
    let policy = policies::of(source, &record.path).ok()?;
    let view = View::new(source, record.path.clone());
    // Without the function of its own, every value stays here.
    let resolution = Siblings::<RawAtom>::reader(view).resolved().unwrap_or_default();
    Some(Answered { policy, resolution })
}
