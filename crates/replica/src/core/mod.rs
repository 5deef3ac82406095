//! One space without any I/O: its state, its log's index, and its sessions.
//!
//! The core never touches a file, a socket or a clock. Records to write are handed out by
//! [`poll_write`](SpaceCore::poll_write), and [`handle_written`](SpaceCore::handle_written) says
//! when they are durable; until then neither the entry nor a vector that covers it leaves
//! ([`crate::core::sync`] has that half).
//!
//! # Invariants
//! 1. State, vector and log hold the same entries: state and vector are functions of the log alone.
//! 2. `durable <= log end`; entries from `durable` on are known to nobody else.
//! 3. Every entry is applied once, when it is the next of its origin and its deps are covered.

pub(crate) mod canonical;
pub(crate) mod digest;
pub(crate) mod externalized;
pub(crate) mod fingerprint;
pub(crate) mod flush;
pub(crate) mod forks;
pub(crate) mod head_check;
pub(crate) mod incarnation;
pub(crate) mod missing;
pub(crate) mod once;
pub(crate) mod peers;
pub(crate) mod progress;
pub(crate) mod receipt;
pub(crate) mod recovery;
pub(crate) mod reincarnation;
pub(crate) mod reports;
pub(crate) mod rollback;
pub mod session;
pub mod sync;
pub(crate) mod timing;
pub(crate) mod transact;
pub(crate) mod twice;
pub(crate) mod withdrawal;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rejoin_crdts::delta::{Admission, Causal, Change as Operation};
use rejoin_crdts::edit::{Draft, Overlay};
use rejoin_crdts::ordered::Orders;
use rejoin_crdts::state::Context;
use rejoin_crdts::value::decisions;
use rejoin_crdts::{ConflictRecord, Delta, Path};
pub use rejoin_vclock::Now;
use rejoin_vclock::{HybridClock, HybridTimestamp, ReplicaId, VersionVector};

use crate::config::Config;
use crate::core::externalized::Externalized;
use crate::core::forks::Fork;
use crate::core::head_check::{DurableHeads, Step};
use crate::core::missing::Missing;
use crate::core::peers::Peers;
use crate::core::progress::Heard;
use crate::core::reincarnation::{Moved, Rewritten};
use crate::core::reports::Reports;
pub use crate::core::reports::{Change, Event};
use crate::core::rollback::SuspectedRollback;
use crate::core::session::{Session, SessionId};
use crate::core::timing::Timing;
use crate::core::twice::Twice;
use crate::core::withdrawal::Withdrawals;
use crate::format::entry::{Entry, Head, HeadAt, Record};
use crate::format::message::SpaceHash;
use crate::log::Log;
use crate::receipt::Receipt;
use crate::state::{Checkpoint, Limits, State, StateSource};
use crate::storage::{Memory, StorageError, StorageRead};

/// Maximum number of decisions that are kept for [`SpaceCore::conflicts`].
const CONFLICTS: usize = 10_000;

/// The cells as a transaction's draft left them, and how many of the operations are applied there.
#[derive(Default, Debug)]
pub(crate) struct Drafted {
    pub cells: Overlay,
    pub orders: Orders,
    pub operations: usize,
}

/// An entry that arrived, and the heads of its origin before and after it at the sender, if they
/// are known from the sender's stream.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub entry: Entry,
    pub heads: Option<(Head, Head)>,
}

impl AsRef<Delta> for Arrival {
    fn as_ref(&self) -> &Delta {
        self.entry.delta()
    }
}

/// One space: state, log index, sessions.
#[derive(Debug)]
pub struct SpaceCore {
    pub(crate) hash: SpaceHash,
    pub(crate) config: Config,
    /// The identities under which this copy wrote before, the oldest first.
    pub(crate) before: Vec<ReplicaId>,
    pub(crate) causal: Causal<Arrival>,
    pub(crate) state: State,
    pub(crate) hybrid: HybridClock,
    pub(crate) log: Log,
    /// Per origin, the running hash of its entries that are applied here.
    pub(crate) heads: BTreeMap<ReplicaId, Head>,
    pub(crate) durable_heads: DurableHeads,
    /// Steps of the head check that wait for heads from the log.
    pub(crate) steps: VecDeque<Step>,
    /// The counter of the last head that is shared, of the probe that is being answered.
    pub(crate) common: u64,
    pub(crate) forks: BTreeMap<ReplicaId, Fork>,
    /// Forked origins for which a person chose the branch that is here.
    pub(crate) kept: BTreeSet<ReplicaId>,
    pub(crate) suspected: Option<SuspectedRollback>,
    /// The flushed entries whose log records are missing.
    pub(crate) missing: Missing,
    pub(crate) externalized: Externalized,
    pub(crate) twice: Twice,
    /// True if records of the log are missing, as far as it was read.
    pub(crate) has_holes: bool,
    /// Own entries that were moved to another id.
    pub(crate) moved: Vec<Moved>,
    pub(crate) unwritten: VecDeque<(u64, Record)>,
    /// Entries before this sequence are durable.
    pub(crate) durable: u64,
    /// The vector of what is durable. No vector that leaves covers more.
    pub(crate) durable_vector: VersionVector,
    pub(crate) withdrawals: Withdrawals,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) next_session: u64,
    /// The own entries that each peer is known to have made durable.
    pub(crate) peers: Peers,
    pub(crate) heard: Heard,
    pub(crate) asked: BTreeMap<ReplicaId, crate::core::sync::Asked>,
    pub(crate) conflicts: VecDeque<ConflictRecord>,
    pub(crate) reports: Reports,
    pub(crate) timing: Timing,
}

impl SpaceCore {
    /// An empty space of a replica, all of it in memory.
    pub fn new(hash: SpaceHash, replica: ReplicaId, config: Config) -> Self {
        Self::open(hash, replica, config, Arc::new(Memory::default()), 0)
            .unwrap_or_else(|error| unreachable!("there is nothing to read: {error}"))
    }

    /// A space of a replica as far as it is flushed to the rows of storage. Feed it the rest of
    /// its log, from [`end`](Log::end) on, with [`recover`](Self::recover) before use.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be read or are damaged.
    pub fn open(
        hash: SpaceHash,
        replica: ReplicaId,
        config: Config,
        rows: Arc<dyn StorageRead>,
        number: u32,
    ) -> Result<Self, StorageError> {
        let (state, checkpoint) = State::open(Arc::clone(&rows), number, Limits::of(&config))?;
        Self::over(hash, replica, config, rows, number, state, checkpoint)
    }

    /// As [`open`](Self::open) where the rows are damaged: none of them is used, and all are
    /// rewritten. The whole log has to be fed to it.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be listed.
    pub fn rebuild(
        hash: SpaceHash,
        replica: ReplicaId,
        config: Config,
        rows: Arc<dyn StorageRead>,
        number: u32,
    ) -> Result<Self, StorageError> {
        let state = State::renew(Arc::clone(&rows), number, Limits::of(&config))?;
        Self::over(hash, replica, config, rows, number, state, Checkpoint::new())
    }

    fn over(
        hash: SpaceHash,
        replica: ReplicaId,
        config: Config,
        rows: Arc<dyn StorageRead>,
        number: u32,
        state: State,
        checkpoint: Checkpoint,
    ) -> Result<Self, StorageError> {
        let full = || StorageError::Damaged("a vector of more than 2^24 replicas".to_owned());
        let context = Context::over(&checkpoint.vector).ok_or_else(full)?;
        let causal = Causal::new(context, replica, config.waiting_bytes).ok_or_else(full)?;
        let origins = checkpoint.vector.iter().map(|(id, _)| id);
        let heads: BTreeMap<_, _> = origins.zip(checkpoint.heads).collect();
        let mut core = Self {
            hash,
            config,
            before: Vec::new(),
            causal: causal.with_news(checkpoint.news),
            state,
            hybrid: HybridClock::resume(checkpoint.stamp).with_max_skew_millis(config.max_skew),
            externalized: Externalized::read(&*rows, number, replica)?,
            log: Log::open(rows, number, checkpoint.sequence, checkpoint.log_bytes)?,
            durable_heads: DurableHeads::over(&checkpoint.vector, &heads),
            heads,
            steps: VecDeque::new(),
            common: 0,
            forks: BTreeMap::new(),
            kept: BTreeSet::new(),
            suspected: None,
            missing: Missing::default(),
            twice: Twice::default(),
            has_holes: false,
            moved: Vec::new(),
            unwritten: VecDeque::new(),
            durable: checkpoint.sequence,
            durable_vector: checkpoint.vector,
            withdrawals: Withdrawals::default(),
            sessions: BTreeMap::new(),
            next_session: 0,
            peers: Peers::default(),
            heard: Heard::default(),
            asked: BTreeMap::new(),
            conflicts: VecDeque::new(),
            reports: Reports::default(),
            timing: Timing::default(),
        };
        // If the state cannot be read it is rebuilt, and this with it.
        drop(core.find_rewritten());
        Ok(core)
    }

    // Getters.

    /// The identity of this copy.
    pub fn replica(&self) -> ReplicaId {
        self.causal.id()
    }

    /// The vector of all that is applied, durable or not.
    pub fn version_vector(&self) -> VersionVector {
        self.causal.context().version_vector()
    }

    /// The vector of all that is durable here.
    pub const fn durable_vector(&self) -> &VersionVector {
        &self.durable_vector
    }

    /// The state, to read from.
    pub const fn source(&self) -> StateSource<'_> {
        self.state.with(self.causal.context())
    }

    /// The running hash of an origin's entries that are applied here.
    pub fn head(&self, origin: ReplicaId) -> Head {
        self.heads.get(&origin).copied().unwrap_or_default()
    }

    /// The log's index.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The sequence before which all entries are durable.
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// The latest decisions, oldest first.
    pub fn conflicts(&self) -> impl Iterator<Item = &ConflictRecord> {
        self.conflicts.iter()
    }

    /// The number of entries that wait for others that they depend on.
    pub fn waiting(&self) -> usize {
        self.causal.waiting()
    }

    // Commands.

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
    pub fn draft<'a>(&'a self, base: &'a StateSource<'a>, stamp: HybridTimestamp) -> Draft<'a> {
        Draft::new(base, self.causal.context(), self.causal.own(), stamp)
    }

    /// Makes an entry of the operations of a draft. `None` when there are none.
    pub fn entry(&self, operations: Vec<Operation>, stamp: HybridTimestamp) -> Option<Entry> {
        self.entry_once(operations, stamp, &[])
    }

    /// As [`entry`](Self::entry), of a transaction that has an idempotency key.
    pub fn entry_once(
        &self,
        mut operations: Vec<Operation>,
        stamp: HybridTimestamp,
        key: &[u8],
    ) -> Option<Entry> {
        if !operations.is_empty() {
            operations.extend(self.announcement(stamp));
        }
        let first = self.causal.context().seen(self.replica()) + 1;
        let deps = self.next_deps();
        let delta = Delta::new(self.replica(), first, stamp, &deps, &operations)?;
        let key = self.key_hash(key).filter(|_| !rejoin_vclock::mutant!("key-not-in-entry"));
        Some(match key {
            None => Entry::new(delta),
            Some(key) => Entry::with_key(delta, key),
        })
    }

    /// Applies an own entry and hands it to [`poll_write`](Self::poll_write).
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read; nothing has happened then.
    pub fn commit(&mut self, entry: Entry, key: Vec<u8>) -> Result<Receipt, StorageError> {
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
    ) -> Result<Receipt, StorageError> {
        let head = self.head(self.replica()).after(&entry);
        let sequence = self.take_in(&entry, head, drafted, true)?;
        let receipt = self.remember_key(key.clone(), &entry, sequence);
        self.unwritten.push_back((sequence, Record { key, head, entry }));
        Ok(receipt)
    }

    /// Takes in an entry of another replica: applies it and whatever waited for it, or keeps it
    /// until it is ready.
    pub(crate) fn deliver(
        &mut self,
        id: SessionId,
        arrival: Arrival,
        now: Now,
    ) -> Result<(), StorageError> {
        let entry = &arrival.entry;
        let (origin, last) = (entry.delta().origin(), entry.delta().last());
        if rejoin_vclock::mutant!("successor-retires-predecessor")
            && self.goes_beyond_a_bound(origin, last)
        {
            return Ok(());
        }
        match self.causal.admit(entry.delta()) {
            Admission::Known => {
                self.match_missing(&arrival.entry);
                return Ok(());
            }
            Admission::Early if !rejoin_vclock::mutant!("apply-out-of-order") => {
                let bytes = entry.bytes().len();
                if rejoin_vclock::mutant!("orphan-reserves-sequence") {
                    self.log.push(entry.delta(), bytes);
                }
                self.causal.keep(arrival, bytes);
                return Ok(());
            }
            Admission::Overlaps => {
                let (origin, first) = (entry.delta().origin(), entry.delta().first());
                self.report(Event::Overlap { origin, first });
                let counter = self.causal.context().seen(origin);
                let theirs = HeadAt { origin, counter, head: Head::default() };
                self.disagree(Some(id), theirs, self.head(origin));
                return Ok(());
            }
            _ => {}
        }
        if self.continues(Some(id), &arrival) {
            self.apply_remote(arrival, now)?;
        }
        self.apply_waiting(now)
    }

    /// Applies the waiting entries that are ready by now, and drops those that have arrived in
    /// another way.
    pub(crate) fn apply_waiting(&mut self, now: Now) -> Result<(), StorageError> {
        while let Some(waited) = self.causal.take_ready() {
            let origin = waited.entry.delta().origin();
            if !self.is_frozen(origin) && self.continues(None, &waited) {
                self.apply_remote(waited, now)?;
            }
        }
        Ok(())
    }

    fn apply_remote(
        &mut self,
        Arrival { entry, heads }: Arrival,
        now: Now,
    ) -> Result<(), StorageError> {
        if let Err(skew) = self.hybrid.observe(entry.delta().stamp(), now) {
            self.report(Event::Skew(skew));
        }
        if let Some(own) = self.causal.answered_by(entry.delta()) {
            self.hybrid.answered(own, entry.delta().stamp());
        }
        self.hear_of_clock();
        let own = self.head(entry.delta().origin());
        let known = heads.filter(|(before, _)| *before == own);
        let head = known.map_or_else(|| own.after(&entry), |(_, after)| after);
        let sequence = self.take_in(&entry, head, Drafted::default(), true)?;
        let key = Vec::new();
        self.remember_key(key.clone(), &entry, sequence);
        self.unwritten.push_back((sequence, Record { key, head, entry }));
        Ok(())
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
    ) -> Result<u64, StorageError> {
        let delta = entry.delta();
        let Some(first) = self.causal.begin(delta) else {
            unreachable!("a space meets fewer than 2^24 replicas")
        };
        let is_remote = delta.origin() != self.replica();
        let Drafted { cells: mut changed, orders, operations } = drafted;
        let all: Vec<Operation> = delta.changes().collect();
        let (done, to_do) = all.split_at(operations.min(all.len()));
        // Where no read can fail half-way, cells are changed in place: a copy costs as much as the
        // cell is large, and a counter has a record of every replica.
        let in_place = done.is_empty() && to_do.iter().all(Operation::is_on_one_cell);
        if in_place {
            let paths = || to_do.iter().map(|operation| operation.path().as_bytes());
            self.bring(paths().collect())?;
            changed = self.state.take_memtable(paths());
        }
        let source = self.state.with(self.causal.context());
        let mut paths: Vec<Path> = done.iter().map(|done| done.path().clone()).collect();
        for (index, operation) in (done.len()..).zip(to_do) {
            if is_remote
                && delta.last().is_multiple_of(7)
                && rejoin_vclock::mutant!("skip-one-effect")
            {
                continue;
            }
            let at = self.causal.at(first, index, delta);
            let has_changed = if in_place {
                changed.apply_brought(operation, &at)
            } else {
                self.told(changed.apply(&source, operation, &at))?
            };
            if has_changed && tell {
                paths.push(operation.path().clone());
            }
        }
        if in_place {
            self.state.put_memtable(changed);
        } else {
            self.state.absorb(changed);
        }
        self.state.hear(orders, &all);
        let mut decided = Vec::new();
        if is_remote && tell {
            let after = self.state.with(self.causal.context());
            for operation in &all {
                let mut keep = |decision| decided.push(decision);
                decisions(operation, delta, &after, &self.causal, &mut keep);
            }
        }
        Rewritten::told_by(entry).iter().for_each(|branch| self.twice.add(branch));
        self.causal.finish(delta, first);
        self.remember_conflicts(&decided);
        if tell {
            self.tell(delta, paths, decided);
        }
        self.heads.insert(delta.origin(), head);
        let sequence = self.log.push(delta, entry.bytes().len());
        let (origin, counter) = (delta.origin(), delta.last());
        self.durable_heads.expect(sequence, HeadAt { origin, counter, head });
        Ok(sequence)
    }

    fn tell(&mut self, delta: &Delta, paths: Vec<Path>, decisions: Vec<ConflictRecord>) {
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        let stamp = delta.stamp();
        let is_withdrawn = false;
        let change = Change { origin, first, last, stamp, paths, decisions, is_withdrawn };
        self.report(Event::Applied(change));
    }

    fn remember_conflicts(&mut self, decided: &[ConflictRecord]) {
        self.conflicts.extend(decided.iter().cloned());
        let excess = self.conflicts.len().saturating_sub(CONFLICTS);
        self.conflicts.drain(..excess);
    }

    /// Reports an event to whoever listens.
    pub(crate) fn report(&mut self, event: Event) {
        self.reports.push(event);
    }

    /// Notes that everything before this sequence is durable.
    pub fn handle_written(&mut self, end: u64) {
        while self.durable < end {
            if let Some(place) = self.log.recent(self.durable) {
                self.durable_vector.set_at_least(place.origin, place.last);
                self.timing.news += u64::from(place.origin != self.causal.id());
            }
            self.durable += 1;
        }
        self.durable_heads.written(end);
        self.ask_for_the_early();
    }

    // Output.

    /// Returns the records to write next, in order, with their sequences. They are durable only
    /// once [`handle_written`](Self::handle_written) says so.
    pub fn poll_write(&mut self) -> Vec<(u64, Record)> {
        self.unwritten.drain(..).collect()
    }

    /// True if anything waits to be written.
    pub fn wants_to_write(&self) -> bool {
        !self.unwritten.is_empty() || self.externalization().is_some()
    }

    /// The next event for whoever listens.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.reports.poll()
    }

    /// Returns the number of events that were dropped since the last call because nobody took them.
    pub fn take_events_lost(&mut self) -> u64 {
        self.reports.take_lost()
    }
}
