//! One copy of a value, with an identity, in memory.
//!
//! What its type does not know is kept beside the value; the two are read as one whole. The time
//! comes from a clock that the owner hands in.

mod clock;
mod in_place;
mod recent;
mod whole;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use rejoin_vclock::codec::DecodeError;
use rejoin_vclock::{FreshId, HybridClock, OwnSkew, ReplicaId, SkewReport, VersionVector};

use crate::crdt::Crdt;
use crate::delta::{Admission, Causal, Change, Delta};
use crate::edit::{Cursor, Draft, Stage, View};
use crate::error::EditError;
use crate::ordered::Orders;
use crate::path::{Kind, Path};
use crate::state::{Context, Parts, Saver, read_saved};
use crate::value::{ConflictRecord, Value, decisions, news_among};
use in_place::{InPlace, Room};
use recent::Recent;
use whole::{Looked, Whole};

pub use clock::{Clock, Logical};
pub use recent::BelowFloor;

/// Maximum bytes of deltas that came too early; a single delta may be longer.
const HELD_BYTES: usize = 4 << 20;

/// One copy of a value.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, OrMap, PnCounter, Replica, ReplicaId};
///
/// type Lines = OrMap<String, PnCounter>;
/// let mut phone = Replica::<Lines>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// let delta = phone.edit(|lines| lines.entry("apples").add(2))?;
/// laptop.edit(|lines| lines.entry("apples").add(1))?;
/// assert!(laptop.apply(&delta));
/// assert!(!laptop.apply(&delta)); // again: nothing new
/// assert_eq!(laptop.at("apples").value()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Semantics A replica owns the context: the vector of everything it has seen. Editing makes a
/// delta; applying takes one in when it is the next of its origin and its deps are there, and holds
/// it back otherwise. Merging joins a whole state. Both are infallible and return true if anything
/// changed.
///
/// A replica is neither `Clone` nor deserializable: two copies under one id would make two events
/// under one dot. A copy is a [`fork`](Replica::fork) under a fresh id, and so is a saved state
/// that is [loaded](Replica::load).
pub struct Replica<T, C = Logical> {
    value: T,
    /// Data that the type does not know: fields of a newer version, children of another kind.
    beside: Parts,
    orders: Orders,
    causal: Causal<Delta>,
    recent: Recent,
    /// False if nothing here was ever hidden, so that nobody has to look for what hides.
    may_hide: bool,
    hybrid: HybridClock,
    clock: C,
    skew: Option<SkewReport>,
    own_skew: Option<OwnSkew>,
    room: Room,
}

impl<T: Crdt, C: Clock + Default> Replica<T, C> {
    /// A new value under a fresh id.
    pub fn new(id: FreshId) -> Self {
        Self::with_clock(id, C::default())
    }

    /// A copy that goes its own way under a fresh id.
    #[must_use]
    pub fn fork(&self, id: FreshId) -> Self
    where
        T: Clone,
    {
        let mut fork = Self::over(self.causal.context().clone(), id, C::default());
        fork.value = self.value.clone();
        fork.beside = self.beside.clone();
        fork.may_hide = self.may_hide;
        fork.hybrid = self.hybrid.clone();
        fork.causal.remember_as(&self.causal);
        fork
    }

    /// A copy of a [saved](Self::save) state under a fresh id.
    ///
    /// Takes at most 64 KiB and 128 times the length of the bytes, whatever they are: the memory of
    /// the value, beside its cells.
    ///
    /// # Errors
    /// Bytes that no replica saved.
    pub fn load(bytes: &[u8], id: FreshId) -> Result<Self, DecodeError> {
        let (mut value, mut beside, mut may_hide) = (T::empty(), Parts::default(), false);
        let read = read_saved(bytes, &mut |path, cell| {
            may_hide |= cell.lend().hidings().is_some_and(|hidings| !hidings.is_empty());
            in_place::load(&mut value, &mut beside, path, cell.into());
        })?;
        let mut cells = beside.iter().count();
        value.visit(&Path::root(T::KIND), &mut |_, _| cells += 1);
        read.check(cells)?;
        let loaded = Self::over(read.context, id, C::default());
        Ok(Self { value, beside, may_hide, ..loaded })
    }
}

impl<T: Crdt, C: Clock> Replica<T, C> {
    /// A new value under a fresh id, with a clock of one's own.
    pub fn with_clock(id: FreshId, clock: C) -> Self {
        Self::over(Context::default(), id, clock)
    }

    fn over(context: Context, id: FreshId, clock: C) -> Self {
        let causal = Causal::new(context, id.into_id(), HELD_BYTES)
            .unwrap_or_else(|| unreachable!("a context that fits 2^24 replicas takes one more"));
        Self {
            value: T::empty(),
            beside: Parts::default(),
            orders: Orders::default(),
            causal,
            recent: Recent::default(),
            may_hide: false,
            hybrid: HybridClock::new(),
            clock,
            skew: None,
            own_skew: None,
            room: Room::default(),
        }
    }

    /// Its identity.
    pub fn id(&self) -> ReplicaId {
        self.causal.id()
    }

    /// Everything it has seen.
    pub fn version_vector(&self) -> VersionVector {
        self.causal.context().version_vector()
    }

    /// Changes the value in one transaction and returns the delta for others to apply; it is empty
    /// if nothing was changed. An error from the closure, or a panic in it, leaves everything as it
    /// was; ids of items and nodes that it handed out name nothing then, and may name others later.
    /// To give up for a reason of your own, return [`EditError::Aborted`].
    ///
    /// # Errors
    /// Whatever the closure returns.
    pub fn edit(
        &mut self,
        edit: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
    ) -> Result<Delta, EditError> {
        self.edit_as::<T>(edit)
    }

    /// As [`edit`](Self::edit), with the editor of another type of the same kind: a struct as a
    /// [`Doc`](crate::Doc), an older struct as a newer one. Does not compile for another kind.
    ///
    /// # Errors
    /// Whatever the closure returns.
    pub fn edit_as<U: Crdt>(
        &mut self,
        edit: impl FnOnce(&mut U::Editor<'_>) -> Result<(), EditError>,
    ) -> Result<Delta, EditError> {
        const { assert!(U::KIND.tag() == T::KIND.tag(), "a value is edited as its own kind") };
        self.draft(|stage| edit(&mut U::editor(Cursor::new(stage, Path::root(U::KIND)))))
    }

    fn draft(
        &mut self,
        edit: impl FnOnce(&mut dyn Stage) -> Result<(), EditError>,
    ) -> Result<Delta, EditError> {
        let stamp = self.hybrid.tick(self.clock.now());
        self.hear();
        let context = self.causal.context();
        let (value, beside, orders) = (&mut self.value, &mut self.beside, &mut self.orders);
        let target = InPlace::new(value, beside, context, orders, self.may_hide, &mut self.room);
        let mut draft = Draft::new(target, context, self.causal.own(), stamp);
        edit(&mut draft)?;
        let (changes, _) = draft.finish();
        let (id, deps) = (self.causal.id(), self.causal.deps());
        let first = context.seen_by_slot()[self.causal.own().index()] + 1;
        let delta = Delta::written(&mut self.room.bytes, id, first, stamp, &deps, &changes);
        if !changes.is_empty() {
            self.may_hide |= changes.iter().any(Change::is_of_hiding);
            self.causal.made(&changes, &deps, stamp);
            self.recent.remember(&delta);
        }
        self.room.leave(changes);
        Ok(delta)
    }

    /// Takes away the data of one kind at a place, and leaves those of another: the way to resolve
    /// a [`ReadError::KindClash`](crate::ReadError::KindClash) or
    /// [`ReadError::WrongKind`](crate::ReadError::WrongKind), with the path that it names.
    ///
    /// # Errors
    /// [`EditError::CannotReset`] for a bounded counter, or a value that holds one.
    pub fn remove_kind(&mut self, path: &Path, kind: Kind) -> Result<Delta, EditError> {
        self.draft(|stage| Cursor::new(stage, path.clone()).reset_kind(kind))
    }

    /// Reads through the type's reader, which also sees the data beside the type: a name that holds
    /// another kind is a named error there. The plain value, to which a replica derefs, has only
    /// data of its type.
    pub fn read<R>(&self, read: impl FnOnce(&T::Reader<'_>) -> R) -> R {
        self.read_as::<T, R>(read)
    }

    /// As [`read`](Self::read), with the reader of another type of the same kind. Does not compile
    /// for another kind.
    pub fn read_as<U: Crdt, R>(&self, read: impl FnOnce(&U::Reader<'_>) -> R) -> R {
        const { assert!(U::KIND.tag() == T::KIND.tag(), "a value is read as its own kind") };
        let context = self.causal.context();
        let looked = Looked::default();
        let whole = Whole::new(&self.value, &self.beside, context, &looked);
        read(&U::reader(View::new(&whole, Path::root(U::KIND))))
    }

    /// Returns everything visible, whatever the type, with the data beside the type, even those in
    /// the type's own place.
    pub fn to_value(&self) -> Value {
        let mut cells = BTreeMap::new();
        self.value.visit(&Path::root(T::KIND), &mut |path, cell| {
            cells.insert(path.as_bytes().to_vec(), cell.to_cell());
        });
        cells.extend(self.beside.iter().map(|(path, cell)| (path.to_vec(), cell.to_cell())));
        Value::at_name(T::KIND, &cells)
    }

    /// Takes in a delta of another replica. True if anything changed, even if it is only the set of
    /// known events: a delta that is known changes nothing, and one that came too early is
    /// [held](Self::held), up to 4 MiB of them, or a single longer one. A delta that finds no room
    /// has to be handed in again: it is not in the [vector](Self::version_vector).
    pub fn apply(&mut self, delta: &Delta) -> bool {
        self.apply_reporting(delta, &mut |_| {})
    }

    /// As [`apply`](Self::apply), reporting the decisions.
    pub fn apply_reporting(
        &mut self,
        delta: &Delta,
        report: &mut dyn FnMut(ConflictRecord),
    ) -> bool {
        if delta.is_empty() {
            return false;
        }
        match self.causal.admit(delta) {
            Admission::Ready => {}
            Admission::Early => {
                self.causal.keep(delta.clone(), delta.bytes().len());
                return false;
            }
            Admission::Known | Admission::Overlaps => return false,
        }
        self.observe_and_take_in(delta, report);
        while let Some(waited) = self.causal.take_ready() {
            self.observe_and_take_in(&waited, report);
        }
        true
    }

    fn observe_and_take_in(&mut self, delta: &Delta, report: &mut dyn FnMut(ConflictRecord)) {
        if let Err(skew) = self.hybrid.observe(delta.stamp(), self.clock.now()) {
            self.skew = Some(skew);
        }
        if let Some(own) = self.causal.answered_by(delta) {
            self.hybrid.answered(own, delta.stamp());
        }
        self.hear();
        self.take_in(delta, &delta.changes().collect::<Vec<_>>(), report);
    }

    /// Takes over the report about the own clock, if there is one.
    fn hear(&mut self) {
        self.own_skew = self.hybrid.take_report().or(self.own_skew.take());
    }

    /// Takes in a delta of another replica, of which these are the changes.
    fn take_in(
        &mut self,
        delta: &Delta,
        changes: &[Change],
        report: &mut dyn FnMut(ConflictRecord),
    ) {
        let Some(first) = self.causal.begin(delta) else { return };
        let stamp = delta.stamp();
        for (index, change) in changes.iter().enumerate() {
            self.orders.hear(change);
            let at = self.causal.at(first, index, stamp);
            in_place::apply(&mut self.value, &mut self.beside, change, &at);
        }
        let looked = Looked::default();
        let whole = Whole::new(&self.value, &self.beside, self.causal.context(), &looked);
        let (decided, read) = decisions(delta, changes, &whole, &self.causal);
        debug_assert!(read.is_ok(), "memory can be read");
        news_among(decided, delta, &mut self.causal).into_iter().for_each(report);
        self.may_hide |= changes.iter().any(Change::is_of_hiding);
        self.causal.note(delta, changes);
        self.causal.finish(delta, first);
        self.recent.remember(delta);
    }

    /// Returns the deltas that whoever has this vector misses, in an order in which they can be
    /// applied: those made here and those taken in, as far as they are
    /// [remembered](Self::remember). So nobody has to keep deltas to send little.
    ///
    /// # Example
    /// ```
    /// use rejoin_crdts::{FreshId, OrSet, Replica, ReplicaId};
    ///
    /// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    /// let mut phone = Replica::<OrSet<String>>::new(id(1));
    /// let mut laptop = phone.fork(id(2));
    /// phone.edit(|tags| tags.insert("fragile"))?;
    /// phone.edit(|tags| tags.remove("fragile"))?;
    /// match phone.delta_since(&laptop.version_vector()) {
    ///     Ok(deltas) => deltas.iter().for_each(|delta| _ = laptop.apply(delta)),
    ///     Err(_below_floor) => _ = laptop.merge(&phone),
    /// }
    /// assert_eq!(phone.version_vector(), laptop.version_vector());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Between two processes the vector, the deltas and, below the floor, the state go as bytes:
    ///
    /// ```
    /// use rejoin_crdts::{Delta, FreshId, OrSet, Replica, ReplicaId};
    /// use rejoin_vclock::VersionVector;
    /// use rejoin_vclock::codec::{Decode, Encode};
    ///
    /// type Tags = Replica<OrSet<String>>;
    ///
    /// /// What the phone answers: deltas, or its state.
    /// fn answer(phone: &Tags, asked: &[u8]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    ///     let vector = VersionVector::from_bytes(asked).expect("a vector");
    ///     let deltas = phone.delta_since(&vector).map_err(|_below_floor| phone.save())?;
    ///     Ok(deltas.iter().map(|delta| delta.bytes().to_vec()).collect())
    /// }
    ///
    /// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    /// let (mut phone, mut laptop) = (Tags::new(id(1)), Tags::new(id(2)));
    /// phone.edit(|tags| tags.insert("fragile"))?;
    /// match answer(&phone, &laptop.version_vector().to_bytes()) {
    ///     Ok(deltas) => {
    ///         for bytes in deltas {
    ///             laptop.apply(&Delta::from_shared(bytes.into())?);
    ///         }
    ///     }
    ///     // A loaded state needs an id, under which nobody writes here.
    ///     Err(state) => _ = laptop.merge(&Tags::load(&state, id(3))?),
    /// }
    /// assert_eq!(phone.save(), laptop.save());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BelowFloor`] when some of them are not remembered: they are too old, or came with a state
    /// that was merged, loaded or forked. Then [merge](Self::merge) the state, or send what is
    /// [saved](Self::save). It is all or nothing; and whoever merges a state answers so in turn to
    /// those who have not seen what came with it.
    pub fn delta_since(&self, vector: &VersionVector) -> Result<Vec<Delta>, BelowFloor> {
        self.recent.since(vector, &self.version_vector())
    }

    /// Sets how much memory remembered deltas may take, in bytes: 256 KiB if it is not set, which
    /// is some 2,000 small edits (their bytes, and about 100 more each). With 0 none are
    /// remembered. What is forgotten stays forgotten when there is more room later.
    pub fn remember(&mut self, bytes: usize) {
        self.recent.set_room(bytes);
    }

    /// Joins the whole state of another replica. True if anything changed, even if it is only the
    /// set of known events.
    pub fn merge<D>(&mut self, theirs: &Replica<T, D>) -> bool {
        self.orders.clear();
        self.may_hide |= theirs.may_hide;
        let (value, beside) = (&mut self.value, &mut self.beside);
        let joined = self.causal.merge(theirs.causal.context(), |join| {
            value.merge(&theirs.value, join) | beside.merge(&theirs.beside, join)
        });
        let now = self.clock.now();
        self.skew = self.hybrid.observe(theirs.hybrid.last(), now).err().or(self.skew.take());
        self.hear();
        let mut changed = joined == Some(true);
        while let Some(waited) = self.causal.take_ready() {
            self.observe_and_take_in(&waited, &mut |_| {});
            changed = true;
        }
        changed
    }

    /// Returns the number of deltas that wait for others; [`missing`](Self::missing) names those.
    pub fn held(&self) -> usize {
        self.causal.waiting()
    }

    /// Returns the counters up to which deltas are missing that held ones depend on.
    pub fn missing(&self) -> VersionVector {
        self.causal.missing()
    }

    /// The last stamp that was too far in the future for the own clock to follow.
    pub const fn skew(&self) -> Option<&SkewReport> {
        self.skew.as_ref()
    }

    /// Returns the last report about the own clock: stamps that were made here came from the
    /// future. That is noticed when the clock is set right, or when somebody answers who did not
    /// follow them.
    pub const fn own_skew(&self) -> Option<&OwnSkew> {
        self.own_skew.as_ref()
    }

    /// The canonical bytes of the state: equal sets of deltas give equal bytes, whoever saves.
    pub fn save(&self) -> Vec<u8> {
        let mut saver = Saver::new(self.causal.context());
        self.value.visit(&Path::root(T::KIND), &mut |path, cell| saver.add(path.as_bytes(), cell));
        self.beside.iter().for_each(|(path, cell)| saver.add(path, cell));
        saver.finish()
    }
}

impl<T, C> Deref for Replica<T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug, C> fmt::Debug for Replica<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("value", &self.value).finish_non_exhaustive()
    }
}
