//! The application on the replicas of a simulation: the built-in objects, or one of your own.

use std::fmt;

use rejoin_crdts::edit::{Cursor, Source, Stage, View};
use rejoin_crdts::{Crdt, EditError, Path, ReadError};
use rejoin_resolve::{Customs, PathPattern, Policy, SpacePolicy, policies};
use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use super::check::Acknowledged;
use super::history::{Committed, History};
use super::rng::Rng;
use super::violation::{Broken, Checked};

/// An application under test: what its users ask for, and what must hold whatever goes wrong.
///
/// The simulator decides who asks when and at which replica, crashes replicas, cuts them off, and
/// records what was really committed. The application defines what a request is, carries it out in
/// a transaction, and checks what a replica shows against the requests behind it.
///
/// A checker should work from the requests and from the documentation alone, never from what the
/// replicas say: a checker that asks the code under test agrees with its bugs.
pub trait Application: fmt::Debug {
    /// A user's request, which one transaction carries out.
    type Request: fmt::Debug;

    /// The command that replays a run when `--first-seed`, `--seeds`, `--hours` and `--keep` are
    /// added, if there is one.
    const REPLAY: Option<&'static str> = None;

    /// Makes a new request. All chance must come from `rng`, or a run cannot be repeated.
    fn request(&self, rng: &mut Rng) -> Self::Request;

    /// Carries a request out, with the editors that the application uses for real.
    ///
    /// # Errors
    /// An error undoes the whole transaction, as it does in a space; the simulator then asks
    /// [`refused`](Self::refused) whether that was right.
    fn apply(
        &self,
        request: &Self::Request,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), EditError>;

    /// Judges the refusal of a request. By default every refusal breaks a promise.
    ///
    /// # Errors
    /// [`Broken`] if it should not have been refused.
    fn refused(&self, request: &Self::Request, error: &EditError) -> Checked {
        Err(Broken::new("values", format!("{request:?} is refused: {error}")))
    }

    /// Checks a replica from time to time during the run.
    ///
    /// # Errors
    /// [`Broken`] when it shows what it must not show.
    fn check(&mut self, snapshot: &Snapshot<'_, Self::Request>) -> Checked;

    /// Checks a replica at the end, when all have converged and nothing is pending.
    ///
    /// # Errors
    /// As [`check`](Self::check), which it calls by default.
    fn check_end(&mut self, snapshot: &Snapshot<'_, Self::Request>) -> Checked {
        self.check(snapshot)
    }

    /// Registers the application's own functions for policies at the replica of this number, as a
    /// program does each time that it opens the space. A replica knows them until it stops.
    fn register(&self, site: usize, customs: &mut Customs) {
        let _ = (site, customs);
    }

    /// Notes that the transactions of an origin beyond a counter were lost, and never happened.
    /// Their dots will be used again, for others.
    fn forget(&mut self, origin: ReplicaId, after: u64) {
        let _ = (origin, after);
    }
}

/// A transaction at a replica, while a request is carried out.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) stage: &'a mut dyn Stage,
    pub(super) replicas: &'a [ReplicaId],
}

impl Transaction<'_> {
    /// Returns the editor of an object; one space can have objects of several types.
    pub fn object<T: Crdt>(&mut self, key: &str) -> T::Editor<'_> {
        T::editor(Cursor::new(self.stage, Path::object(key, T::KIND)))
    }

    /// Returns the reader of an object as this transaction sees it.
    pub fn read<T: Crdt>(&self, key: &str) -> T::Reader<'_> {
        T::reader(View::new(&*self.stage, Path::object(key, T::KIND)))
    }

    /// Sets the policy of the places that a pattern fits.
    ///
    /// # Errors
    /// [`EditError`] when it cannot be written.
    pub fn set_policy(&mut self, pattern: &PathPattern, policy: &Policy) -> Result<(), EditError> {
        policies::set(self.stage, pattern, policy)
    }

    /// Takes away the policy of a pattern.
    ///
    /// # Errors
    /// [`EditError`] when it cannot be written.
    pub fn remove_policy(&mut self, pattern: &str) -> Result<(), EditError> {
        policies::remove(self.stage, pattern)
    }

    /// Returns every replica of the cluster, in the order of their numbers.
    pub const fn replicas(&self) -> &[ReplicaId] {
        self.replicas
    }
}

/// A replica at one moment, and the requests behind what it shows.
#[derive(Debug)]
pub struct Snapshot<'a, R> {
    pub(super) replica: ReplicaId,
    pub(super) site: usize,
    pub(super) replicas: &'a [ReplicaId],
    pub(super) source: &'a dyn Source,
    pub(super) vector: VersionVector,
    pub(super) history: &'a History<R>,
    pub(super) acknowledged: &'a Acknowledged,
    pub(super) was_fooled: bool,
}

impl<R> Snapshot<'_, R> {
    /// Returns the id of the replica.
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Returns its number, which stays the same when it goes on under another id.
    pub const fn site(&self) -> usize {
        self.site
    }

    /// Returns every replica of the cluster, in the order of their numbers.
    pub const fn replicas(&self) -> &[ReplicaId] {
        self.replicas
    }

    /// Returns the reader of an object, which reads as the default if it does not exist.
    pub fn object<T: Crdt>(&self, key: &str) -> T::Reader<'_> {
        T::reader(View::new(self.source, Path::object(key, T::KIND)))
    }

    /// Returns the policies of the space, in the order of their patterns.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn policies(&self) -> Result<Vec<SpacePolicy>, ReadError> {
        policies::all(self.source)
    }

    /// Returns true if, in this run, a store was restored from a copy and went on under the id of
    /// the copy without noticing. It may then have used rights that it had used before.
    pub const fn was_fooled(&self) -> bool {
        self.was_fooled
    }

    /// Returns the vector of the transactions that the replica has applied.
    pub const fn version_vector(&self) -> &VersionVector {
        &self.vector
    }

    /// Iterates over the transactions that the replica has applied, each origin's in order.
    pub fn applied(&self) -> impl Iterator<Item = &Committed<R>> {
        self.history.within(&self.vector, None)
    }

    /// Iterates over those that it has applied since it had an earlier vector.
    pub fn applied_since(&self, vector: &VersionVector) -> impl Iterator<Item = &Committed<R>> {
        self.history.within(&self.vector, Some(vector))
    }

    /// Finds the transaction that a dot belongs to.
    pub fn transaction_of(&self, dot: Dot) -> Option<&Committed<R>> {
        self.history.transaction_of(dot)
    }

    /// Iterates over the transactions that were committed anywhere and not lost in a crash.
    pub fn happened(&self) -> impl Iterator<Item = &Committed<R>> {
        self.history.all()
    }

    /// Says whether a user was told that a transaction is durable.
    pub fn is_acknowledged(&self, committed: &Committed<R>) -> bool {
        self.acknowledged.last_of(committed.origin) >= committed.last
    }
}
