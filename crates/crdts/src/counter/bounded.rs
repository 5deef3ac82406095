//! A counter that never goes below zero, however the replicas are cut off from each other.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use rejoin_vclock::ReplicaId;

use crate::cell::CellRef;
use crate::counter::{Rights, Share};
use crate::crdt::leaf_value;
use crate::delta::{Effect, RightsTotals};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::Kind;

/// The choice of replicas to ask for rights when one's own do not suffice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TransferPolicy {
    /// Asks the replicas that hold the most first, for just the missing amount: the fewest
    /// messages.
    OnDemand,
    /// Asks all replicas that hold any, in turn from the next id on, for equal parts: nobody runs
    /// dry before the others.
    RoundRobin,
}

/// A request that one replica pass rights to another. The holder grants it with
/// [`BoundedCounterEditor::transfer`], as far as it can by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RightsRequest {
    /// The replica that is asked.
    pub from: ReplicaId,
    /// Number of rights.
    pub amount: u64,
}

/// Replicas under whose ids nobody writes any more, and nobody ever will.
///
/// Like a [`FreshId`](rejoin_vclock::FreshId), it stands for a fact that no program can find out
/// and that a person has to answer for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetiredIds(BTreeSet<ReplicaId>);

impl RetiredIds {
    /// Declares that no store goes on under any of these ids: not the device, not a copy of its
    /// disk, not a virtual machine that is put back; that everything that they promised to anybody
    /// is known here, or was never promised; and that nobody else takes over their rights.
    ///
    /// All of that is true for the former ids of a store that was restarted without its witness, if
    /// there is no copy of it. For a store that was restored from a backup it is true only once the
    /// store has caught up with all whom it had met.
    #[must_use]
    pub fn assume_retired(ids: impl IntoIterator<Item = ReplicaId>) -> Self {
        Self(ids.into_iter().collect())
    }
}

/// A counter that never goes below zero.
///
/// # Example
/// ```
/// use rejoin_crdts::{BoundedCounter, EditError, FreshId, Replica, ReplicaId, RetiredIds};
///
/// let mut north = Replica::<BoundedCounter>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// north.edit(|seats| seats.add(10))?;
/// let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
///
/// // South knows of ten seats and may sell none of them: nobody has passed it any rights.
/// let refused = south.edit(|seats| seats.spend(1)).unwrap_err();
/// assert!(matches!(refused, EditError::NotEnoughRights { held: 0, .. }));
///
/// let passed = north.edit(|seats| seats.transfer(4, ReplicaId::from_u128(2)))?;
/// south.apply(&passed);
/// south.edit(|seats| seats.spend(3))?; // needs no network from here on
/// assert_eq!(south.value()?, 7);
///
/// // North's disk is gone for good, with all that it held. Somebody who knows that says so.
/// let lost = RetiredIds::assume_retired([ReplicaId::from_u128(1)]);
/// south.edit(|seats| seats.reclaim(&lost).map(drop))?;
/// assert_eq!(south.rights_of(ReplicaId::from_u128(2)), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Both regions sell while they are apart. Can the last seat be sold twice?
/// ```text
/// north  add 10, pass 4 --+-- sell 6, sell 1: refused --+--> value 0, no promise broken
///                         |                             x
/// south                   +-- sell 4, sell 1: refused --+--> value 0
/// ```
///
/// # Semantics
/// Adding gives the adder as many *rights*; spending takes rights that the spender holds; a
/// transfer passes rights on. Only the holder writes any of these, so a replica knows without
/// asking how much it may spend. The value is everything that was added less everything that was
/// spent.
///
/// Rights of a replica that writes no more are [taken over](BoundedCounterEditor::reclaim) by
/// another, on the declaration of somebody who knows that it is gone ([`RetiredIds`]): no timeout
/// and no proof of place can tell a store that is lost from one that is out of reach.
///
/// Nothing that was added, spent or passed can be undone, as rights that came of it may be spent
/// meanwhile: whoever undoes a transaction with such an operation has to say that this part of it
/// cannot be undone.
///
/// A bound other than zero is a matter of counting from there: seats left, not seats sold.
///
/// # Anomalies
/// The value that a replica sees can be more than it may spend, and can be more than there is
/// elsewhere. The rights of a replica are out of reach while the replica is; those of a lost one
/// stay out of reach until somebody declares it retired. A new incarnation inherits none by itself.
/// Where a declaration is false, both may spend the same right until they hear of each other; the
/// value can then be below zero, which a read [says](crate::ReadError::Oversold).
///
/// # Invariants
/// 1. One share per replica, in the order of slots; its totals only grow.
/// 2. What a replica spent and passed on never exceeds what it added, was passed and took over.
///
/// # Retained
/// Every share, for ever: rights are promises. So it cannot stand below a key that can be removed.
///
/// # Complexity
/// | operation | time | metadata | delta |
/// |---|---|---|---|
/// | add, spend, transfer | O(n log n) | 120 bytes per replica, 24 per pair that met | 3 numbers |
/// | reclaim | O(n log n) | 16 bytes per retired one | 3 numbers each |
/// | value, merge | O(n) | | |
/// | rights, holders | O(n log n) | | |
///
/// n: replicas and pairs that passed rights.
///
/// # References
/// O'Neil, *The escrow transactional method*, 1986; Balegas et al., *Extending eventually
/// consistent cloud databases for enforcing numeric invariants*, SRDS 2015 (Bounded Counter).
#[derive(Clone, Default, PartialEq, Debug)]
pub struct BoundedCounter {
    rights: Rights,
}

impl BoundedCounter {
    /// Returns everything that was added less everything that was spent.
    ///
    /// # Errors
    /// [`ReadError::Oversold`] when more was spent than there was, [`ReadError::Overflow`] when it
    /// does not fit 64 bits.
    pub fn value(&self) -> Result<u64, ReadError> {
        self.rights.value()
    }

    /// Returns how much a replica may spend without asking anybody, as far as is known here.
    pub fn rights_of(&self, replica: ReplicaId) -> u64 {
        self.rights.held_by(replica)
    }

    /// Returns all replicas that hold rights, those with the most first.
    pub fn holders(&self) -> Vec<(ReplicaId, u64)> {
        self.rights.holders()
    }

    /// Returns the requests that `asker` should send so that it may spend `needed`. Empty when it
    /// may already; the sum is less than the missing amount when there is not enough.
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
            // The poorest first, so that the others make up for what they cannot give.
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
        cell: rights,
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
    /// [`EditError::Overflow`] when this replica's totals would leave 64 bits;
    /// [`EditError::Retired`] when it was declared retired; otherwise [`EditError`] when the place
    /// cannot be read or named.
    pub fn add(&mut self, amount: u64) -> Result<(), EditError> {
        let own = self.own()?;
        let granted = own.granted.checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(&Share { granted, ..own }, None, None)
    }

    /// Spends an amount out of this replica's own rights.
    ///
    /// # Errors
    /// [`EditError::NotEnoughRights`], which says who holds rights; otherwise as
    /// [`add`](Self::add).
    pub fn spend(&mut self, amount: u64) -> Result<(), EditError> {
        let own = self.holding(amount)?;
        let spent = own.spent.checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(&Share { spent, ..own }, None, None)
    }

    /// Passes rights of this replica to another, which can spend them once it has heard of the
    /// transfer.
    ///
    /// # Errors
    /// [`EditError::Retired`] also when the other was declared retired; otherwise as
    /// [`spend`](Self::spend).
    pub fn transfer(&mut self, amount: u64, to: ReplicaId) -> Result<(), EditError> {
        let own = self.holding(amount)?;
        if to == own.owner {
            return Ok(());
        }
        self.cursor.cell(|cell| {
            cell.and_then(CellRef::as_rights).map_or(Ok(()), |rights| rights.check_in_force(to))
        })??;
        let total = own.moved_to(to).checked_add(amount).ok_or(EditError::Overflow)?;
        self.write(&own, Some((to, total)), None)
    }

    /// Takes over the rights of replicas that write no more: the former ids of this very store, or
    /// those of a device that is lost. Returns how many rights that are; 0 if there are none or
    /// somebody took them over before. An id that this counter has not heard of is passed over.
    ///
    /// Facts about a retired replica that become known later are taken over with it: rights that
    /// were passed to it, and rights that it had spent. So a replica that was wrongly taken for
    /// lost overspends only until the two hear of each other; from then on it holds nothing, gets
    /// [`EditError::Retired`], and continues under a new id, to which its heir can pass rights.
    ///
    /// If two replicas took over the same one, the one with the lesser id has it; if two took over
    /// each other, the one with the greater id has both.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn reclaim(&mut self, retired: &RetiredIds) -> Result<u64, EditError> {
        let (own, held_before) = (self.own()?, self.rights()?);
        let balances =
            self.cursor.cell(|cell| cell.and_then(CellRef::as_rights).map(Rights::balances))?;
        for (id, _) in balances.unwrap_or_default() {
            if id != own.owner && retired.0.contains(&id) {
                self.write(&own, None, Some(id))?;
            }
        }
        Ok(self.rights()?.saturating_sub(held_before))
    }

    /// Returns how much this replica may spend, as this transaction sees it.
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
        &Share { granted, spent, .. }: &Share,
        moved: Option<(ReplicaId, u64)>,
        retires: Option<ReplicaId>,
    ) -> Result<(), EditError> {
        self.cursor.write(Effect::Rights(Box::new(RightsTotals {
            granted,
            spent,
            moved,
            retires,
            yields: None,
        })))
    }

    /// This replica's share.
    fn own(&self) -> Result<Share, EditError> {
        let last = self.cursor.next_dot();
        let owner = self.cursor.view().dot(last).replica();
        self.cursor.cell(|cell| {
            let none = || Share::new(owner, last);
            let Some(rights) = cell.and_then(CellRef::as_rights) else { return Ok(none()) };
            rights.check_in_force(owner)?;
            Ok(rights.place(last.slot()).map_or_else(|_| none(), |place| rights.0[place].clone()))
        })?
    }

    /// Returns this replica's share, if it holds at least `needed` rights.
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
    /// [`ReadError::Oversold`] when more was spent than there was, [`ReadError::Overflow`] when it
    /// does not fit 64 bits; otherwise as the source.
    pub fn value(&self) -> Result<u64, ReadError> {
        self.view.leaf(|cell| cell.as_rights().map_or(Ok(0), Rights::value))
    }

    /// Returns how much a replica may spend without asking anybody, as far as is known here.
    ///
    /// # Errors
    /// As the source.
    pub fn rights_of(&self, replica: ReplicaId) -> Result<u64, ReadError> {
        self.view.leaf(|cell| Ok(cell.as_rights().map_or(0, |rights| rights.held_by(replica))))
    }

    /// Returns all replicas that hold rights, those with the most first.
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
