//! One space, which waits for nothing: its state, the histories that make it, and its peers.
//!
//! The core writes nothing, and touches no socket and no clock. It reads, through the
//! [`StorageRead`] that it is opened over: blocks of state where a cell is not in memory, chunks of
//! the log's index, and the heads in log records that a peer's have to be compared with. Records to
//! write are handed out by [`poll_write`](SpaceCore::poll_write), and
//! [`handle_written`](SpaceCore::handle_written) says when they are durable; until then neither the
//! entry nor a vector that covers it leaves ([`crate::core::sync`] has that half).
//!
//! It is composed of parts that know nothing of it or of each other's insides: `History`,
//! `Outbox`, `Peers`, `Reports`. What needs several of them is an `impl SpaceCore` in a file
//! of its own, by subject, and no part imports such a file.
//!
//! Its verbs, everywhere:
//!
//! - *getters* read (`version_vector`, `digest`);
//! - *commands* change state on the user's behalf (`commit`, `open_session`);
//! - `handle_*` takes input: a message, the passing of time, the news that something is durable;
//! - `poll_*` returns output: records to write, notes of what will be externalized (to be written
//!   with them), frames to send, events to report.
//!
//! # Invariants
//! 1. State, vector and log hold the same entries: state and vector are functions of the log alone.
//! 2. Entries that are not durable are known to nobody else.
//! 3. Every entry is applied once, when it is the next of its origin and its deps are covered.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub(crate) mod apply;
pub(crate) mod conflicts;
pub(crate) mod digest;
pub(crate) mod externalized;
pub(crate) mod flush;
pub(crate) mod forks;
pub(crate) mod head_check;
pub(crate) mod history;
pub(crate) mod incarnation;
pub(crate) mod once;
pub(crate) mod outbox;
pub(crate) mod peers;
pub(crate) mod receipt;
pub(crate) mod receive;
pub(crate) mod recovery;
pub(crate) mod reincarnation;
pub(crate) mod reports;
pub(crate) mod rollback;
pub mod sync;
pub(crate) mod timeout;
pub(crate) mod timing;
pub(crate) mod transact;
pub(crate) mod twice;
pub(crate) mod withdrawal;

use std::collections::BTreeMap;
use std::sync::Arc;

use rejoin_crdts::delta::Causal;
use rejoin_crdts::state::Context;
use rejoin_resolve::Customs;
pub use rejoin_vclock::Now;
use rejoin_vclock::{HybridClock, ReplicaId, VersionVector};

use crate::config::Config;
use crate::core::conflicts::ConflictLog;
use crate::core::history::rewritten::Moved;
use crate::core::history::{Arrival, History};
use crate::core::outbox::Outbox;
use crate::core::outbox::notes::Externalized;
use crate::core::peers::Peers;
pub use crate::core::peers::session;
use crate::core::peers::session::SuspectedRollback;
use crate::core::reports::Reports;
pub use crate::core::reports::{Change, Event};
use crate::core::timing::Timing;
use crate::error::Result;
use crate::format::entry::{Head, Record};
use crate::format::message::SpaceHash;
use crate::log::Log;
use crate::state::{Limits, State, StateSource};
use crate::storage::{Memory, StorageError, StorageRead};

/// One space: its state, the histories that make it, and the peers that it is shared with.
#[derive(Debug)]
pub struct SpaceCore {
    pub(crate) hash: SpaceHash,
    pub(crate) config: Config,
    /// The identities under which this copy wrote before, the oldest first.
    pub(crate) before: Vec<ReplicaId>,
    pub(crate) causal: Causal<Arrival>,
    pub(crate) state: State,
    pub(crate) hybrid: HybridClock,
    pub(crate) history: History,
    pub(crate) outbox: Outbox,
    pub(crate) externalized: Externalized,
    pub(crate) peers: Peers,
    pub(crate) suspected: Option<SuspectedRollback>,
    /// Own entries that were moved to another id.
    pub(crate) moved: Vec<Moved>,
    pub(crate) reports: Reports,
    pub(crate) conflicts: ConflictLog,
    pub(crate) timing: Timing,
    /// The policies of the application's own, as long as the space is open.
    pub(crate) customs: Customs,
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
    ) -> Result<Self> {
        Self::over(hash, replica, config, rows, number, true)
    }

    /// As [`open`](Self::open). Rows that are damaged are not to be used: all of them are rewritten
    /// then, and the whole log has to be fed to it.
    fn over(
        hash: SpaceHash,
        replica: ReplicaId,
        config: Config,
        rows: Arc<dyn StorageRead>,
        number: u32,
        uses_rows: bool,
    ) -> Result<Self> {
        let limits = Limits::of(&config);
        let (state, checkpoint) = State::open(Arc::clone(&rows), number, limits, uses_rows)?;
        let full = || StorageError::Damaged("a vector of more than 2^24 replicas".to_owned());
        let context = Context::over(&checkpoint.vector).ok_or_else(full)?;
        let causal = Causal::new(context, replica, config.waiting_bytes).ok_or_else(full)?;
        let origins = checkpoint.vector.iter().map(|(id, _)| id);
        let heads: BTreeMap<_, _> = origins.zip(checkpoint.heads).collect();
        let notes = Externalized::read(&*rows, number, replica)?;
        let conflicts = ConflictLog::over(Arc::clone(&rows), number, &config);
        let log = Log::open(rows, number, checkpoint.sequence, checkpoint.log_bytes)?;
        let mut core = Self {
            hash,
            config,
            before: Vec::new(),
            causal: causal.with_news(checkpoint.news),
            state,
            hybrid: HybridClock::resume(checkpoint.stamp).with_max_skew_millis(config.max_skew),
            externalized: notes,
            outbox: Outbox::over(checkpoint.sequence, checkpoint.vector, &heads),
            history: History::over(log, heads),
            peers: Peers::default(),
            suspected: None,
            moved: Vec::new(),
            reports: Reports::default(),
            conflicts,
            timing: Timing::default(),
            customs: Customs::default(),
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
        self.outbox.vector()
    }

    /// The state, to read from.
    pub const fn source(&self) -> StateSource<'_> {
        self.state.with(self.causal.context()).beside(&self.customs)
    }

    /// The running hash of an origin's entries that are applied here.
    pub fn head(&self, origin: ReplicaId) -> Head {
        self.history.head(origin)
    }

    /// The log's index.
    pub const fn log(&self) -> &Log {
        &self.history.log
    }

    /// The sequence before which all entries are durable.
    pub const fn durable(&self) -> u64 {
        self.outbox.durable()
    }

    /// The number of entries that wait for others that they depend on.
    pub fn waiting(&self) -> usize {
        self.causal.waiting()
    }

    // Input.

    /// Notes that everything before this sequence is durable.
    pub fn handle_written(&mut self, end: u64) {
        let own = self.causal.id();
        let of_others = self.outbox.written(end).filter(|&origin| origin != own).count();
        self.timing.news += of_others as u64;
    }

    /// The functions of the application's own for its policies, to register some. They are known
    /// as long as the space is open.
    pub const fn customs(&mut self) -> &mut Customs {
        &mut self.customs
    }

    // Output.

    /// Returns the records to write next, in order, with their sequences. They are durable only
    /// once [`handle_written`](Self::handle_written) says so.
    pub fn poll_write(&mut self) -> Vec<(u64, Record)> {
        self.outbox.take()
    }

    /// True if anything waits to be written.
    pub fn wants_to_write(&self) -> bool {
        self.outbox.waiting().len() > 0 || self.externalization().is_some()
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
