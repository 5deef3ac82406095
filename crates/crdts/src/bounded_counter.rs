//! A counter that never goes below zero, however the replicas are cut off from each other.
//!
//! # Example
//! ```
//! use rejoin_crdts::bounded_counter::RetiredIds;
//! use rejoin_crdts::{BoundedCounter, EditError, FreshId, Replica, ReplicaId};
//!
//! let mut north = Replica::<BoundedCounter>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
//! north.edit(|seats| seats.add(10))?;
//! let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
//!
//! // South knows of ten seats and may sell none of them: nobody has passed it any rights.
//! let refused = south.edit(|seats| seats.spend(1)).unwrap_err();
//! assert!(matches!(refused, EditError::NotEnoughRights { held: 0, .. }));
//!
//! let passed = north.edit(|seats| seats.transfer(4, ReplicaId::from_u128(2)))?;
//! south.apply(&passed);
//! south.edit(|seats| seats.spend(3))?; // needs no network from here on
//! assert_eq!(south.value()?, 7);
//!
//! // North's disk is gone for good, with all that it held. Somebody who knows that says so.
//! let lost = RetiredIds::assume_retired([ReplicaId::from_u128(1)]);
//! south.edit(|seats| seats.reclaim(&lost).map(drop))?;
//! assert_eq!(south.rights_of(ReplicaId::from_u128(2)), 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Both regions sell while they are apart. Can the last seat be sold twice?
//! ```text
//! north  add 10, pass 4 --+-- sell 6, sell 1: refused --+--> value 0, no promise broken
//!                         |                             x
//! south                   +-- sell 4, sell 1: refused --+--> value 0
//! ```
//!
//! # Semantics
//! Adding gives the adder as many *rights*; spending takes rights that the spender holds; a
//! transfer passes rights on. Only the holder writes any of these, so what a replica may spend is
//! known to it without asking. The value is all that was added less all that was spent.
//!
//! Rights of a replica that writes no more are [taken over](BoundedCounterEditor::reclaim) by
//! another, on the word of somebody who knows that it is gone ([`RetiredIds`]): no timeout and no
//! proof of place can tell a store that is lost from one that is out of reach.
//!
//! A bound other than zero is a matter of counting from there: seats left, not seats sold.
//!
//! # Anomalies
//! The value that a replica sees can be more than it may spend, and can be more than there is
//! elsewhere. Rights that a replica holds are out of reach while it is; those of a lost one stay so
//! until somebody declares it retired. A new incarnation inherits none by itself. Where a declaration
//! is false, both may spend the same right until they hear of each other; the value can then be
//! below zero, which a read [says](crate::ReadError::Overflow).
//!
//! # Invariants
//! 1. One share per replica, in the order of slots; its totals only grow.
//! 2. What a replica spent and passed on never exceeds what it added, was passed and took over.
//!
//! # Retained
//! Every share, for ever: rights are promises. So it cannot stand below a key that can be removed.
//!
//! # Complexity
//! | operation | time | metadata | delta |
//! |---|---|---|---|
//! | add, spend, transfer | O(n log n) | 72 bytes per replica, 24 per pair that met | 3 numbers |
//! | reclaim | O(retired x n log n) | 16 bytes per retired one | 3 numbers each |
//! | value, merge | O(n) | | |
//! | rights, holders | O(n log n) | | |
//!
//! n: replicas and pairs that passed rights.
//!
//! # References
//! O'Neil, *The escrow transactional method*, 1986; Balegas et al., *Extending eventually
//! consistent cloud databases for enforcing numeric invariants*, SRDS 2015 (Bounded Counter).

use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::ReplicaId;
use smallvec::SmallVec;

use crate::cell::{Cell, Leaf};
use crate::context::{Join, LocalDot, Slot};
use crate::crdt::leaf_value;
use crate::cursor::{Cursor, View};
use crate::delta::{At, Covered, Effect};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;

/// What one replica added, spent, passed on and took over, all in all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub owner: ReplicaId,
    /// Its last dot here.
    pub last: LocalDot,
    pub granted: u64,
    pub spent: u64,
    /// By receiver, in the order of ids.
    pub moved: SmallVec<[(ReplicaId, u64); 1]>,
    /// Those whose rights it took over because they write no more, ascending.
    pub retired: Vec<ReplicaId>,
}

/// The shares of all replicas, in the order of slots.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Rights(pub SmallVec<[Share; 1]>);

impl Share {
    fn new(owner: ReplicaId, last: LocalDot) -> Self {
        let moved = SmallVec::new();
        Self { owner, last, granted: 0, spent: 0, moved, retired: Vec::new() }
    }

    fn moved_to(&self, to: ReplicaId) -> u64 {
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

/// Who speaks for the retired: each with whoever has its rights now, ascending.
///
/// Of several that took over one, the least id has it: whoever took over that one in turn, all is
/// together again. In a circle (each of two was told that the other is gone) the greatest stays
/// its own.
struct Heirs(Vec<(ReplicaId, ReplicaId)>);

impl Heirs {
    fn of(Rights(shares): &Rights) -> Self {
        let mut taken = Vec::new();
        for share in shares {
            taken.extend(share.retired.iter().map(|&id| (id, share.owner)));
        }
        taken.sort_unstable();
        let mut heirs = Self(taken.iter().map(|&(id, _)| (id, id)).collect());
        heirs.0.dedup();
        for (id, heir) in taken {
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

    /// Who has the rights of a replica: itself, or whoever took them over. What was gone through is
    /// remembered, so that a long line of successors is not walked for each of them.
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
    fn place(&self, slot: Slot) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |share| share.last.slot())
    }

    fn value(&self) -> Result<u64, ReadError> {
        let total = self.total();
        u64::try_from(total).map_err(|_| ReadError::Overflow { total })
    }

    pub(crate) fn total(&self) -> i128 {
        self.0.iter().map(|share| i128::from(share.granted) - i128::from(share.spent)).sum()
    }

    /// Whether anybody took over the rights of a retired replica.
    pub(crate) fn takes_over(&self) -> bool {
        self.0.iter().any(|share| !share.retired.is_empty())
    }

    /// What each replica has, ascending. Below zero are only liars, and who spent what somebody
    /// else took over as well.
    fn balances(&self) -> Vec<(ReplicaId, i128)> {
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

    /// What a replica may spend. Who is below zero has nothing.
    fn held_by(&self, id: ReplicaId) -> u64 {
        let is_new = || self.0.iter().all(|share| share.owner != id);
        if rejoin_vclock::mutant!("rights-pass-to-a-copy") && is_new() {
            return self.value().unwrap_or(0);
        }
        held(self.balance_of(id))
    }

    /// Everybody who holds rights, the most first.
    fn holders(&self) -> Vec<(ReplicaId, u64)> {
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
        let Effect::Rights { granted, spent, moved, retires } = *effect else { return false };
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
        true
    }

    /// Nothing takes rights away.
    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    /// Of each replica the later share: only it writes its own.
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

/// Whom to ask for rights when one's own do not suffice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TransferPolicy {
    /// Whoever holds the most first, for just what is missing: the fewest messages.
    OnDemand,
    /// Everybody who holds any in turn, from the next id on, for equal parts: nobody runs dry
    /// before the others.
    RoundRobin,
}

/// A wish that one replica pass rights to another. The holder grants it with
/// [`BoundedCounterEditor::transfer`], as far as it then can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RightsRequest {
    /// Who is asked.
    pub from: ReplicaId,
    /// How many rights.
    pub amount: u64,
}

/// Replicas under whose ids nobody writes any more, and nobody ever will.
///
/// Like a [`FreshId`](rejoin_vclock::FreshId), it stands for something that no program can find out
/// and a person has to answer for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetiredIds(Vec<ReplicaId>);

impl RetiredIds {
    /// Declares that no store goes on under any of these ids: not the device, not a copy of its
    /// disk, not a virtual machine that is put back; that all that they promised to anybody is known
    /// here, or was never promised; and that nobody else takes over their rights.
    ///
    /// Of a store that was restarted without the proof of its place, and of which there is no copy,
    /// all of that is true for its former ids. Of one that was put back from a backup it is not
    /// before it has caught up with all whom it had met.
    #[must_use]
    pub fn assume_retired(ids: impl IntoIterator<Item = ReplicaId>) -> Self {
        Self(ids.into_iter().collect())
    }
}

/// A counter that never goes below zero; see the [module](self).
#[derive(Clone, Default, PartialEq, Debug)]
pub struct BoundedCounter {
    rights: Rights,
}

impl BoundedCounter {
    /// All that was added less all that was spent.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits.
    pub fn value(&self) -> Result<u64, ReadError> {
        self.rights.value()
    }

    /// What a replica may spend without asking anybody, as far as is known here.
    pub fn rights_of(&self, replica: ReplicaId) -> u64 {
        self.rights.held_by(replica)
    }

    /// Everybody who holds rights, the most first.
    pub fn holders(&self) -> Vec<(ReplicaId, u64)> {
        self.rights.holders()
    }

    /// Whom `asker` should ask so that it may spend `needed`. Empty when it may already; the sum is
    /// less than what is missing when there is not enough.
    pub fn requests(
        &self,
        policy: TransferPolicy,
        asker: ReplicaId,
        needed: u64,
    ) -> Vec<RightsRequest> {
        requests(&self.rights, policy, asker, needed)
    }
}

fn requests(
    rights: &Rights,
    policy: TransferPolicy,
    asker: ReplicaId,
    needed: u64,
) -> Vec<RightsRequest> {
    let mut missing = needed.saturating_sub(rights.held_by(asker));
    let mut holders = rights.holders();
    holders.retain(|&(id, _)| id != asker);
    let mut shares = alloc::vec![0; holders.len()];
    match policy {
        TransferPolicy::OnDemand => {
            for (share, &(_, held)) in shares.iter_mut().zip(&holders) {
                *share = held.min(missing);
                missing -= *share;
            }
        }
        TransferPolicy::RoundRobin => {
            holders.sort_by_key(|&(id, _)| (id < asker, id));
            // The poorest first, so that what they cannot give falls on the others.
            let mut by_means: Vec<usize> = (0..holders.len()).collect();
            by_means.sort_by_key(|&place| holders[place].1);
            for (asked, &place) in by_means.iter().enumerate() {
                let fair = missing.div_ceil((holders.len() - asked) as u64);
                shares[place] = holders[place].1.min(fair);
                missing -= shares[place];
            }
        }
    }
    let asked = holders.iter().zip(shares).filter(|(_, amount)| *amount > 0);
    asked.map(|(&(from, _), amount)| RightsRequest { from, amount }).collect()
}

leaf_value! {
    impl [] for BoundedCounter {
        kind: Kind::BoundedCounter,
        cell: rights as Rights,
        editor: BoundedCounterEditor { cursor },
        reader: BoundedCounterReader { view },
    }
    const RESETTABLE: bool = false;
}

/// Changes a [`BoundedCounter`] in a transaction.
#[derive(Debug)]
pub struct BoundedCounterEditor<'a> {
    cursor: Cursor<'a>,
}

impl BoundedCounterEditor<'_> {
    /// Adds an amount, and as many rights for this replica.
    ///
    /// # Errors
    /// [`EditError::Overflow`] when this replica's totals would leave 64 bits; otherwise
    /// [`EditError`] when the place cannot be read or named.
    pub fn add(&mut self, amount: u64) -> Result<(), EditError> {
        let own = self.own()?;
        let granted = own.granted.checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(Share { granted, ..own }, None, None)
    }

    /// Spends an amount out of this replica's own rights.
    ///
    /// # Errors
    /// [`EditError::NotEnoughRights`], which says who holds rights; otherwise as
    /// [`add`](Self::add).
    pub fn spend(&mut self, amount: u64) -> Result<(), EditError> {
        let own = self.holding(amount)?;
        let spent = own.spent.checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(Share { spent, ..own }, None, None)
    }

    /// Passes rights of this replica to another, which can spend them once it has heard of it.
    ///
    /// # Errors
    /// As [`spend`](Self::spend).
    pub fn transfer(&mut self, amount: u64, to: ReplicaId) -> Result<(), EditError> {
        let own = self.holding(amount)?;
        if to == own.owner {
            return Ok(());
        }
        let total = own.moved_to(to).checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(own, Some((to, total)), None)
    }

    /// Takes over what replicas hold that write no more: the former ids of this very store, or
    /// those of a device that is lost. Returns how many rights that are, 0 where there are none or
    /// somebody took them over before.
    ///
    /// What becomes known of a retired replica later is taken over with it: rights that were passed
    /// to it, and what it had spent. So one that was taken for lost and goes on overspends only
    /// until the two hear of each other; from then on it holds nothing. Where two took over the
    /// same one, the one with the lesser id has it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn reclaim(&mut self, retired: &RetiredIds) -> Result<u64, EditError> {
        let held_before = self.rights()?;
        for &id in &retired.0 {
            let own = self.own()?;
            let has = |rights: &Rights| rights.balance_of(id) != 0;
            let has = self.cursor.cell()?.as_ref().and_then(Cell::as_rights).is_some_and(has);
            if has && id != own.owner {
                self.write(own, None, Some(id))?;
            }
        }
        Ok(self.rights()?.saturating_sub(held_before))
    }

    /// What this replica may spend, as this transaction sees it.
    ///
    /// # Errors
    /// As [`BoundedCounterReader::value`].
    pub fn rights(&self) -> Result<u64, ReadError> {
        let own = self.cursor.next_dot();
        let view = self.cursor.view();
        let id = view.dot(own).replica();
        BoundedCounterReader { view }.rights_of(id)
    }

    /// The value as this transaction sees it.
    ///
    /// # Errors
    /// As [`BoundedCounterReader::value`].
    pub fn value(&self) -> Result<u64, ReadError> {
        BoundedCounterReader { view: self.cursor.view() }.value()
    }

    fn write(
        &mut self,
        Share { granted, spent, .. }: Share,
        moved: Option<(ReplicaId, u64)>,
        retires: Option<ReplicaId>,
    ) -> Result<(), EditError> {
        self.cursor.write(Effect::Rights { granted, spent, moved, retires })
    }

    fn own(&self) -> Result<Share, EditError> {
        let last = self.cursor.next_dot();
        let owner = self.cursor.view().dot(last).replica();
        let cell = self.cursor.cell()?;
        let rights = cell.as_ref().and_then(Cell::as_rights);
        let mine =
            rights.and_then(|rights| Some(rights.0[rights.place(last.slot()).ok()?].clone()));
        Ok(mine.unwrap_or_else(|| Share::new(owner, last)))
    }

    /// This replica's share, when it holds so many rights.
    fn holding(&self, needed: u64) -> Result<Share, EditError> {
        let own = self.own()?;
        let held = self.rights()?;
        if held >= needed {
            return Ok(own);
        }
        let mut holders = BoundedCounterReader { view: self.cursor.view() }.holders()?;
        holders.retain(|&(id, _)| id != own.owner);
        Err(EditError::NotEnoughRights { needed, held, holders, former: Vec::new() })
    }
}

/// Reads a [`BoundedCounter`] in a space.
#[derive(Debug)]
pub struct BoundedCounterReader<'a> {
    view: View<'a>,
}

impl BoundedCounterReader<'_> {
    /// All that was added less all that was spent.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits; otherwise as the source.
    pub fn value(&self) -> Result<u64, ReadError> {
        self.view.leaf(|cell| cell.as_rights().map_or(Ok(0), Rights::value))
    }

    /// What a replica may spend without asking anybody, as far as is known here.
    ///
    /// # Errors
    /// As the source.
    pub fn rights_of(&self, replica: ReplicaId) -> Result<u64, ReadError> {
        self.view.leaf(|cell| Ok(cell.as_rights().map_or(0, |rights| rights.held_by(replica))))
    }

    /// Everybody who holds rights, the most first.
    ///
    /// # Errors
    /// As the source.
    pub fn holders(&self) -> Result<Vec<(ReplicaId, u64)>, ReadError> {
        self.view.leaf(|cell| Ok(cell.as_rights().map_or_else(Vec::new, Rights::holders)))
    }

    /// As [`BoundedCounter::requests`].
    ///
    /// # Errors
    /// As the source.
    pub fn requests(
        &self,
        policy: TransferPolicy,
        asker: ReplicaId,
        needed: u64,
    ) -> Result<Vec<RightsRequest>, ReadError> {
        self.view.leaf(|cell| {
            let empty = Rights::default();
            Ok(requests(cell.as_rights().unwrap_or(&empty), policy, asker, needed))
        })
    }
}
