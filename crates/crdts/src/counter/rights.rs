//! The rights of a bounded counter: the holder of each right, and the heirs of retired replicas.

use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::ReplicaId;
use smallvec::SmallVec;

use crate::cell::Leaf;
use crate::delta::{At, Covered, Effect, RightsTotals};
use crate::error::{EditError, ReadError};
use crate::state::{Join, LocalDot, Slot};

/// The totals that one replica added, spent, passed on and took over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub owner: ReplicaId,
    /// Its last dot here.
    pub last: LocalDot,
    pub granted: u64,
    pub spent: u64,
    /// Rights passed on, by receiver, in the order of ids.
    pub moved: SmallVec<[(ReplicaId, u64); 1]>,
    /// The replicas whose rights it took over because they write no more, ascending.
    pub retired: Vec<ReplicaId>,
    /// The replica that owns its rights, if this is a part of that one's history.
    pub yields: Option<ReplicaId>,
}

/// The shares of all replicas, in the order of slots.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Rights(pub Vec<Share>);

impl Share {
    pub(crate) fn new(owner: ReplicaId, last: LocalDot) -> Self {
        let moved = SmallVec::new();
        Self { owner, last, granted: 0, spent: 0, moved, retired: Vec::new(), yields: None }
    }

    pub(crate) fn moved_to(&self, to: ReplicaId) -> u64 {
        self.moved.iter().find(|(id, _)| *id == to).map_or(0, |&(_, amount)| amount)
    }

    fn move_to(&mut self, to: ReplicaId, amount: u64) {
        match self.moved.binary_search_by_key(&to, |&(id, _)| id) {
            Ok(place) => self.moved[place].1 = amount,
            Err(place) => self.moved.insert(place, (to, amount)),
        }
    }

    fn retire(&mut self, id: ReplicaId) {
        if let Err(place) = self.retired.binary_search(&id) {
            self.retired.insert(place, id);
        }
    }
}

/// The heirs: each replica that no longer has its own rights, with the replica that has them now,
/// ascending.
///
/// A part of a history that was rewritten under another id belongs to the id of that history, first
/// of all. If several took over one replica, the least id has it; if somebody took over that one in
/// turn, everything is together again. In a circle (two replicas that declared each other retired)
/// the greatest keeps its own.
struct Heirs(Vec<(ReplicaId, ReplicaId)>);

impl Heirs {
    fn of(Rights(shares): &Rights) -> Self {
        let mut passed = Vec::new();
        for share in shares {
            passed.extend(share.yields.map(|heir| (false, share.owner, heir)));
            passed.extend(share.retired.iter().map(|&id| (true, id, share.owner)));
        }
        passed.sort_unstable();
        let mut heirs = Self(passed.iter().map(|&(_, id, _)| (id, id)).collect());
        heirs.0.sort_unstable();
        heirs.0.dedup();
        for (_, id, heir) in passed {
            let heir = heirs.heir(heir);
            if let (Ok(place), true) = (heirs.place(id), heirs.heir(id) == id) {
                heirs.0[place].1 = heir;
            }
        }
        heirs
    }

    fn place(&self, id: ReplicaId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |&(id, _)| id)
    }

    /// Returns the holder of a replica's rights: itself, or the replica that took them over. The
    /// way is remembered, so that a long line of successors is not walked for each of them.
    fn heir(&mut self, id: ReplicaId) -> ReplicaId {
        let mut way = SmallVec::<[usize; 4]>::new();
        let mut heir = id;
        while let Some(place) = self.place(heir).ok().filter(|&place| self.0[place].1 != heir) {
            way.push(place);
            heir = self.0[place].1;
        }
        way.into_iter().for_each(|place| self.0[place].1 = heir);
        heir
    }
}

impl Rights {
    pub(crate) fn place(&self, slot: Slot) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |share| share.last.slot())
    }

    pub(crate) fn value(&self) -> Result<u64, ReadError> {
        let total = self.total();
        u64::try_from(total).map_err(|_| match u64::try_from(-total) {
            Ok(by) => ReadError::Oversold { by },
            Err(_) => ReadError::Overflow { total },
        })
    }

    pub(crate) fn total(&self) -> i128 {
        self.0.iter().map(|share| i128::from(share.granted) - i128::from(share.spent)).sum()
    }

    /// True if any replica's rights belong to another.
    pub(crate) fn have_heirs(&self) -> bool {
        self.0.iter().any(|share| !share.retired.is_empty() || share.yields.is_some())
    }

    /// Returns the balance of each replica that holds its own rights, ascending. Only liars are
    /// below zero, and replicas that spent rights that somebody else took over as well.
    pub(crate) fn balances(&self) -> Vec<(ReplicaId, i128)> {
        let mut heirs = Heirs::of(self);
        let mut parts = Vec::with_capacity(2 * self.0.len());
        for share in &self.0 {
            let mut own = i128::from(share.granted) - i128::from(share.spent);
            for &(to, amount) in &share.moved {
                own -= i128::from(amount);
                let heir = match rejoin_vclock::mutant!("passed-to-the-retired") {
                    true => to,
                    false => heirs.heir(to),
                };
                parts.push((heir, i128::from(amount)));
            }
            parts.push((heirs.heir(share.owner), own));
        }
        parts.sort_unstable_by_key(|&(id, _)| id);
        let mut balances: Vec<(ReplicaId, i128)> = Vec::with_capacity(self.0.len());
        for (id, amount) in parts {
            match balances.last_mut() {
                Some((last, balance)) if *last == id => *balance += amount,
                _ => balances.push((id, amount)),
            }
        }
        balances
    }

    fn balance_of(&self, id: ReplicaId) -> i128 {
        let balances = self.balances();
        let place = balances.binary_search_by_key(&id, |&(id, _)| id);
        place.map_or(0, |place| balances[place].1)
    }

    /// Returns how much a replica may spend: nothing if its balance is below zero.
    pub(crate) fn held_by(&self, id: ReplicaId) -> u64 {
        let is_new = || self.0.iter().all(|share| share.owner != id);
        if rejoin_vclock::mutant!("rights-pass-to-a-copy") && is_new() {
            return self.value().unwrap_or(0);
        }
        held(self.balance_of(id))
    }

    /// Checks that nobody else has the rights of a replica.
    pub(crate) fn check_in_force(&self, id: ReplicaId) -> Result<(), EditError> {
        match Heirs::of(self).heir(id) {
            heir if heir == id => Ok(()),
            heir => Err(EditError::Retired { id, heir }),
        }
    }

    /// Returns all replicas that hold rights, those with the most first.
    pub(crate) fn holders(&self) -> Vec<(ReplicaId, u64)> {
        let balances = self.balances().into_iter();
        let mut holders: Vec<_> = balances.map(|(id, balance)| (id, held(balance))).collect();
        holders.retain(|&(_, held)| held > 0);
        holders.sort_by_key(|&(id, held)| (Reverse(held), id));
        holders
    }
}

fn held(balance: i128) -> u64 {
    u64::try_from(balance.max(0)).unwrap_or(u64::MAX)
}

impl Leaf for Rights {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Rights(totals) = effect else { return false };
        let RightsTotals { granted, spent, moved, retires, yields } = **totals;
        let place = self.place(at.dot.slot()).unwrap_or_else(|place| {
            self.0.insert(place, Share::new(at.context.id(at.dot.slot()), at.dot));
            place
        });
        let share = &mut self.0[place];
        (share.last, share.granted, share.spent) = (at.dot, granted, spent);
        if let Some((to, amount)) = moved {
            share.move_to(to, amount);
        }
        if let Some(id) = retires {
            share.retire(id);
        }
        share.yields = share.yields.or(yields);
        true
    }

    /// Nothing takes rights away.
    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    /// Keeps the later share of each replica: only the replica writes its own.
    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        for other in &theirs.0 {
            let last = join.dot(other.last);
            let other = Share { last, ..other.clone() };
            match self.place(last.slot()) {
                Ok(place) if self.0[place].last >= last => continue,
                Ok(place) => self.0[place] = other,
                Err(place) => self.0.insert(place, other),
            }
            changed = true;
        }
        changed
    }

    fn is_visible(&self) -> bool {
        !self.0.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}
