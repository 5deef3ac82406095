//! Asking what became of a transaction.

use rejoin_crdts::Crdt;
use rejoin_vclock::ReplicaId;

use crate::core::Change;
use crate::error::StoreError;
use crate::receipt::Receipt;
use crate::shell::space::Space;

impl<T: Crdt> Space<T> {
    /// Updates a receipt to the present state. One that an earlier run wrote down is looked up in
    /// the log: it is durable if its entry is there under its id. (Not so if it was rewritten under
    /// another id since, or if the store is a copy from before it.)
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn receipt(&self, receipt: Receipt) -> Result<Receipt, StoreError> {
        self.shared.check_place()?;
        Ok(self.shared.lock()?.driver.core.refresh(receipt))
    }

    /// The receipt of a transaction that is in the [history](Self::history), or that was heard of.
    ///
    /// ```
    /// # use rejoin_crdts::LwwRegister;
    /// # use rejoin_replica::Store;
    /// # let store = Store::memory()?;
    /// let notes = store.create_space::<LwwRegister<String>>("notes")?;
    /// notes.transact(|tx| tx.object("door").set("ring once"))?;
    /// let last = notes.history("door", None, 1)?.remove(0);
    /// notes.undo(&notes.receipt_of(&last.change)?)?;
    /// assert_eq!(notes.object("door").get()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`receipt`](Self::receipt).
    pub fn receipt_of(&self, change: &Change) -> Result<Receipt, StoreError> {
        self.receipt(Receipt::recalled(change.origin, change.first, change.last))
    }

    /// The replicas that are known to hold what a receipt is about, ascending: peers that said so,
    /// and replicas behind them once something is here that they wrote after it. What is known is
    /// remembered as long as this process runs.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn held_by(&self, receipt: &Receipt) -> Result<Vec<ReplicaId>, StoreError> {
        Ok(self.shared.lock()?.driver.core.held_by(receipt))
    }
}
