//! The branches that were rewritten under derived ids ([`crate::core::reincarnation`]), and which
//! of them are here ([`crate::core::twice`]).

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use rejoin_crdts::{Delta, Dot, GSet, Kind, Path};
use rejoin_vclock::ReplicaId;

use crate::format::entry::{Entry, Head, HeadAt, Record};
use crate::receipt::Receipt;

/// The set of (derived id, first dot of the branch, running hash after its first entry).
pub(crate) type Branches = GSet<((ReplicaId, Dot), Vec<u8>)>;

/// The path of that set in a space.
pub(crate) fn path_of_branches() -> Path {
    Path::root(Kind::Map).field("branches", Kind::GSet)
}

/// A branch that was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rewritten {
    /// The id that its entries have now.
    pub id: ReplicaId,
    /// The id that they had.
    pub origin: ReplicaId,
    /// The counter of the first dot of its first entry.
    pub first: u64,
    /// The running hash after that entry.
    pub head: Head,
}

impl Rewritten {
    /// Derives the branch of an origin whose first entry this record has. `cause`: the derived id
    /// of the branch that it builds upon, if it is one only because of that.
    pub(crate) fn beginning_with(record: &Record, cause: Option<ReplicaId>) -> Self {
        let (origin, first) = (record.entry.delta().origin(), record.entry.delta().first());
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"rejoin: a branch that is written anew");
        hasher.update(&origin.to_bytes()).update(&(first - 1).to_le_bytes());
        hasher.update(&record.head.0);
        hasher.update(&cause.map_or([0; 16], |cause| cause.to_bytes()));
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        if rejoin_vclock::mutant!("branch-under-a-random-id") {
            let random = RandomState::new().hash_one(0).to_le_bytes();
            hasher.update(&random).finalize_xof().fill(&mut id);
        }
        Self { id: ReplicaId::from_bytes(id), origin, first, head: record.head }
    }

    /// Reads the announcement in an entry, if it is the first of a derived id.
    pub(crate) fn told_by(entry: &Entry) -> Option<Self> {
        let delta = entry.delta();
        if delta.first() > 1 {
            return None;
        }
        let change = delta.changes().next()?;
        let rest = change.path().as_bytes().strip_prefix(path_of_branches().as_bytes())?;
        let (element, ..) = rejoin_crdts::path::split(rest)?;
        Self::read(element.to().ok()?).filter(|told| told.id == delta.origin())
    }

    /// Reads an element of the set of branches.
    pub(crate) fn read(((id, first), head): ((ReplicaId, Dot), Vec<u8>)) -> Option<Self> {
        let (origin, first) = (first.replica(), first.counter());
        Some(Self { id, origin, first, head: Head(head.try_into().ok()?) })
    }

    /// The head at which the branch begins.
    pub(crate) const fn begins(&self) -> HeadAt {
        HeadAt { origin: self.origin, counter: self.first, head: self.head }
    }
}

/// The rewritten branches that are here under derived ids.
#[derive(Default, Debug)]
pub(crate) struct RewrittenHere {
    /// The heads at their beginnings, by origin and first counter.
    begins: BTreeMap<(ReplicaId, u64), Vec<Head>>,
    /// The derived ids, and the ids under which their entries were written.
    derived: BTreeMap<ReplicaId, ReplicaId>,
}

impl RewrittenHere {
    pub(crate) fn add(&mut self, branch: &Rewritten) {
        self.begins.entry((branch.origin, branch.first)).or_default().push(branch.head);
        self.derived.insert(branch.id, branch.origin);
    }

    /// True if a branch that is here under a derived id begins with an entry of this first dot.
    pub(crate) fn begins_at(&self, origin: ReplicaId, first: u64) -> bool {
        self.begins.contains_key(&(origin, first))
    }

    /// True if the branch that begins with this head is here under a derived id.
    pub(crate) fn is_here(&self, at: HeadAt) -> bool {
        self.begins.get(&(at.origin, at.counter)).is_some_and(|heads| heads.contains(&at.head))
    }

    /// True if an id is derived: nobody ever wrote under it, and all that it has was rewritten.
    pub(crate) fn is_derived(&self, id: ReplicaId) -> bool {
        self.derived.contains_key(&id)
    }

    /// The id under which the entries of a derived one were written.
    pub(crate) fn origin_of(&self, id: ReplicaId) -> Option<ReplicaId> {
        self.derived.get(&id).copied()
    }
}

/// Own entries that were moved to another id.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// The id that they had.
    pub from: ReplicaId,
    /// The counter after which they began there.
    pub after: u64,
    /// The id that they have now.
    pub to: ReplicaId,
    /// The counter under the new id that the one in `after` becomes: those beyond it go on from
    /// there.
    pub onto: u64,
    /// The end of the log when they were moved. Records behind that are of the other history.
    pub until: u64,
}

impl Moved {
    /// The move of one entry: the last dot of one is that of the other.
    pub(crate) fn between(entry: &Delta, rewritten: &Delta) -> Self {
        let (from, after) = (entry.origin(), entry.first() - 1);
        let onto = (rewritten.last() + after).saturating_sub(entry.last());
        Self { from, after, to: rewritten.origin(), onto, until: u64::MAX }
    }

    /// The receipt of a transaction under the id that it has now.
    pub(crate) fn apply(&self, receipt: Receipt) -> Receipt {
        match receipt.sequence() < self.until {
            true => receipt.moved((self.from, self.after), (self.to, self.onto)),
            false => receipt,
        }
    }
}
