//! A counter that never goes below zero, however the replicas are cut off from each other.
//!
//! # Example
//! ```
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
//! A bound other than zero is a matter of counting from there: seats left, not seats sold.
//!
//! # Anomalies
//! The value that a replica sees can be more than it may spend, and can be more than there is
//! elsewhere. Rights that a replica holds are out of reach while it is; those of a lost one stay so
//! until they are reclaimed by agreement. A new incarnation inherits none.
//!
//! # Invariants
//! 1. One share per replica, in the order of slots; its totals only grow.
//! 2. What a replica spent and passed on never exceeds what it added and was passed.
//!
//! # Retained
//! Every share, for ever: rights are promises. So it cannot stand below a key that can be removed.
//!
//! # Complexity
//! | operation | time | metadata | delta |
//! |---|---|---|---|
//! | add, spend, transfer | O(replicas) | 48 bytes per replica, 24 per pair that met | 3 numbers |
//! | value, rights, merge | O(replicas + pairs) | | |
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

/// What one replica added, spent and passed on, all in all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub owner: ReplicaId,
    /// Its last dot here.
    pub last: LocalDot,
    pub granted: u64,
    pub spent: u64,
    /// By receiver, in the order of ids.
    pub moved: SmallVec<[(ReplicaId, u64); 1]>,
}

/// The shares of all replicas, in the order of slots.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Rights(pub SmallVec<[Share; 1]>);

impl Share {
    fn moved_to(&self, to: ReplicaId) -> u64 {
        self.moved.iter().find(|(id, _)| *id == to).map_or(0, |&(_, amount)| amount)
    }

    fn move_to(&mut self, to: ReplicaId, amount: u64) {
        match self.moved.binary_search_by_key(&to, |&(id, _)| id) {
            Ok(place) => self.moved[place].1 = amount,
            Err(place) => self.moved.insert(place, (to, amount)),
        }
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

    /// What a replica may spend. Only a dishonest one can be below zero, and then has nothing.
    fn held_by(&self, id: ReplicaId) -> u64 {
        let is_new = || self.0.iter().all(|share| share.owner != id);
        if rejoin_vclock::mutant!("rights-pass-to-a-copy") && is_new() {
            return self.value().unwrap_or(0);
        }
        let net: i128 = self
            .0
            .iter()
            .map(|share| {
                let passed = i128::from(share.moved_to(id));
                if share.owner != id {
                    return passed;
                }
                let gone: i128 = share.moved.iter().map(|&(_, amount)| i128::from(amount)).sum();
                passed + i128::from(share.granted) - i128::from(share.spent) - gone
            })
            .sum();
        u64::try_from(net.max(0)).unwrap_or(u64::MAX)
    }

    /// Everybody who holds rights, the most first.
    fn holders(&self) -> Vec<(ReplicaId, u64)> {
        let receivers = self.0.iter().flat_map(|share| share.moved.iter().map(|&(id, _)| id));
        let mut ids: Vec<ReplicaId> = self.0.iter().map(|share| share.owner).collect();
        ids.extend(receivers);
        ids.sort_unstable();
        ids.dedup();
        let mut holders: Vec<_> = ids.into_iter().map(|id| (id, self.held_by(id))).collect();
        holders.retain(|&(_, held)| held > 0);
        holders.sort_by_key(|&(id, held)| (Reverse(held), id));
        holders
    }
}

impl Leaf for Rights {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Rights { granted, spent, moved } = *effect else { return false };
        let place = self.place(at.dot.slot()).unwrap_or_else(|place| {
            let owner = at.context.id(at.dot.slot());
            let moved = SmallVec::new();
            self.0.insert(place, Share { owner, last: at.dot, granted: 0, spent: 0, moved });
            place
        });
        let share = &mut self.0[place];
        (share.last, share.granted, share.spent) = (at.dot, granted, spent);
        if let Some((to, amount)) = moved {
            share.move_to(to, amount);
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
        self.cursor.write(Effect::Rights { granted, spent: own.spent, moved: None })
    }

    /// Spends an amount out of this replica's own rights.
    ///
    /// # Errors
    /// [`EditError::NotEnoughRights`], which says who holds rights; otherwise as
    /// [`add`](Self::add).
    pub fn spend(&mut self, amount: u64) -> Result<(), EditError> {
        let own = self.holding(amount)?;
        let spent = own.spent.checked_add(amount).ok_or(EditError::Overflow)?;
        self.cursor.write(Effect::Rights { granted: own.granted, spent, moved: None })
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
        let Share { granted, spent, .. } = own;
        self.cursor.write(Effect::Rights { granted, spent, moved: Some((to, total)) })
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

    fn own(&self) -> Result<Share, EditError> {
        let last = self.cursor.next_dot();
        let owner = self.cursor.view().dot(last).replica();
        let cell = self.cursor.cell()?;
        let rights = cell.as_ref().and_then(Cell::as_rights);
        let mine =
            rights.and_then(|rights| Some(rights.0[rights.place(last.slot()).ok()?].clone()));
        let none = Share { owner, last, granted: 0, spent: 0, moved: SmallVec::new() };
        Ok(mine.unwrap_or(none))
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
        Err(EditError::NotEnoughRights { needed, held, holders })
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
