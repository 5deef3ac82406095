//! Idempotency keys: finding out what was done under one.
//!
//! The key of a transaction is in its log record, and so in the state that is flushed from it: that
//! answers for what was written here. It goes where the file goes, and when the file is restored
//! from a backup, what came after the backup is gone with its keys.
//!
//! So a hash of the key also travels inside the entry. Entries that this store wrote under an
//! earlier id, and has no record of, come back from peers like everybody's entries, and bring their
//! keys. But a restored backup and a copy that went its own way look alike from inside: two tills
//! that were cloned from one image number their orders alike, and the order of one is not done
//! because the other has done its own. So a key that came back gets an answer of its own
//! ([`Used::ByFormer`]), for the caller to judge. It is recognized because it came from a peer, and
//! not by the counter at which this incarnation began: a later incarnation would take the other
//! till's orders for its own.
//!
//! Keys of stores whose ids were never this one's are their own.

use rejoin_vclock::ReplicaId;

use crate::core::SpaceCore;
use crate::error::Result;
use crate::format::entry::{Entry, KeyHash};
use crate::receipt::Receipt;
use crate::state::Receipts;

/// The context that separates these hashes from all others that are made of a space.
const CONTEXT: &str = "rejoin 2026-11-28 idempotency keys of a space";

/// The id under which a key was used: the present one, or a former one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Used {
    /// It was used here.
    Here(Receipt),
    /// It was used under an id that this store had before, as an entry from a peer shows.
    ByFormer(Receipt),
}

impl SpaceCore {
    /// Hashes an idempotency key as it stands in this space's entries. `None` for an empty key,
    /// which counts as none.
    pub fn key_hash(&self, key: &[u8]) -> Option<KeyHash> {
        if key.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.hash.0).update(key);
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        Some(KeyHash(hash))
    }

    /// The receipt of a transaction that carried this idempotency key here.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read.
    pub fn receipt_of(&self, key: &[u8]) -> Result<Option<Receipt>> {
        if key.is_empty() {
            return Ok(None);
        }
        let known = self.state.receipt(Receipts::Written, key)?;
        Ok(known.map(|receipt| self.refresh(receipt.as_of(self.outbox.withdrawals.round()))))
    }

    /// Looks up whether an idempotency key was used: what was written here goes before what came
    /// back.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read.
    pub fn used(&self, key: &[u8]) -> Result<Option<Used>> {
        if let Some(receipt) = self.receipt_of(key)? {
            return Ok(Some(Used::Here(receipt)));
        }
        let Some(KeyHash(hash)) = self.key_hash(key) else { return Ok(None) };
        let returned = self.state.receipt(Receipts::Returned, &hash)?;
        let now = |receipt: Receipt| self.refresh(receipt.as_of(self.outbox.withdrawals.round()));
        Ok(returned.map(now).map(|receipt| {
            // Nobody else has written under the present id: a record was lost here, and came back.
            let is_own = receipt.origin() == self.replica();
            match is_own || rejoin_vclock::mutant!("former-key-repeated") {
                true => Used::Here(receipt),
                false => Used::ByFormer(receipt),
            }
        }))
    }

    /// Remembers under which key an entry was made, as far as it is this store's: `key` is that of
    /// its log record, empty where it has none or the entry came from a peer. Returns the entry's
    /// receipt.
    pub(crate) fn remember_key(&mut self, key: Vec<u8>, entry: &Entry, sequence: u64) -> Receipt {
        let delta = entry.delta();
        let receipt = Receipt::new(delta.origin(), delta.first(), delta.last(), sequence)
            .of_space(self.hash.mark())
            .as_of(self.outbox.withdrawals.round());
        if !key.is_empty() {
            self.state.remember(Receipts::Written, key, receipt);
        } else if let Some(KeyHash(hash)) = entry.key().filter(|_| self.was(delta.origin())) {
            self.state.remember(Receipts::Returned, hash.to_vec(), receipt);
        }
        receipt
    }

    /// True if this store writes under an id, or did before.
    pub(crate) fn is_own(&self, id: ReplicaId) -> bool {
        id == self.replica() || self.before.contains(&id)
    }

    /// True if this store writes under an id, or did before, or if another holder of its entries
    /// rewrote them under that id.
    fn was(&self, id: ReplicaId) -> bool {
        let origin = self.history.rewritten.origin_of(id);
        self.is_own(id) || origin.is_some_and(|origin| self.is_own(origin))
    }
}
