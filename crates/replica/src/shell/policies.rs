//! The policies of a space: set by a transaction, and the same on every replica.

use rejoin_crdts::{Crdt, RawAtom};
use rejoin_resolve::{PathPattern, Policy, Sibling, SpacePolicy, policies};
use rejoin_vclock::codec::{Decode, Encode};

use crate::error::StoreError;
use crate::shell::space::{Committed, Snapshot, Space};

impl<T: Crdt> Space<T> {
    /// Sets the policy by which the siblings at the places of a pattern are brought together:
    /// [`resolved`](rejoin_resolve::SiblingsReader::resolved) asks for it. It is replicated, and of
    /// policies that were set concurrently the last one stands; replicas that have the same entries
    /// show the same answers.
    ///
    /// ```
    /// # use rejoin_derive::Crdt;
    /// # use rejoin_replica::Store;
    /// # use rejoin_resolve::{Policy, Siblings};
    /// # mod rejoin { pub use rejoin_crdts as crdts; }
    /// #[derive(Crdt)]
    /// # #[crdt(crate = rejoin_crdts)]
    /// struct Product {
    ///     price: Siblings<u64>,
    /// }
    ///
    /// # let (north, south) = (Store::memory()?, Store::memory()?);
    /// let here = north.create_space::<Product>("products")?;
    /// here.set_policy(&"*/price".parse()?, &Policy::Max)?;
    /// here.transact(|tx| tx.object("tent").price().set(300_u64))?;
    ///
    /// let there = south.join_space::<Product>("products", here.ticket())?;
    /// there.transact(|tx| tx.object("tent").price().set(250_u64))?;
    /// here.link().meet(&there.link())?;
    /// assert_eq!(there.object("tent").price().resolved()?.to::<u64>()?, Some(300));
    /// assert_eq!(there.object("tent").price().values()?, [250, 300]); // nothing is lost
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::PolicyMisfit`] where the type has no siblings at these places,
    /// [`StoreError::PolicyTooLarge`]; otherwise as [`transact`](Self::transact).
    pub fn set_policy(
        &self,
        pattern: &PathPattern,
        policy: &Policy,
    ) -> Result<Committed<()>, StoreError> {
        if let Some(misfit) = pattern.misfit(T::schema()) {
            return Err(StoreError::PolicyMisfit { pattern: pattern.to_string(), misfit });
        }
        Policy::from_bytes(&policy.to_bytes()).map_err(StoreError::PolicyTooLarge)?;
        self.transact(|tx| policies::set(tx.stage(), pattern, policy))
    }

    /// Takes the policy of a pattern away, in its text as [`policies`](Self::policies) has it: then
    /// the next most specific one counts, and where there is none every value stays.
    ///
    /// # Errors
    /// As [`transact`](Self::transact).
    pub fn remove_policy(&self, pattern: &str) -> Result<Committed<()>, StoreError> {
        self.transact(|tx| policies::remove(tx.stage(), pattern))
    }

    /// The policies of the space, in the order of their patterns. One that this program cannot read
    /// is there with the reason.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn policies(&self) -> Result<Vec<SpacePolicy>, StoreError> {
        self.read(|snapshot| snapshot.policies())?
    }

    /// Registers a function of the application's own for the policy
    /// [`Custom`](rejoin_resolve::Policy::Custom) of this name and version, as long as the space is
    /// open here. It must not use the store.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be used.
    pub fn register_policy(
        &self,
        name: &str,
        version: u32,
        decide: impl Fn(&[Sibling]) -> Option<RawAtom> + Send + Sync + 'static,
    ) -> Result<(), StoreError> {
        self.shared.lock()?.driver.core.customs().register(name, version, decide);
        Ok(())
    }
}

impl<T: Crdt> Snapshot<'_, T> {
    /// [`Space::policies`] at this moment.
    ///
    /// # Errors
    /// As there.
    pub fn policies(&self) -> Result<Vec<SpacePolicy>, StoreError> {
        Ok(policies::all(self.source)?)
    }
}
