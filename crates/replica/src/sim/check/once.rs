//! A transaction happens at most once per idempotency key, however often it is sent.

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::Receipt;
use crate::sim::violation::{Broken, Checked};

/// Which transaction carried which key.
#[derive(Default, Debug)]
pub(in crate::sim) struct Once(BTreeMap<Vec<u8>, (ReplicaId, u64)>);

fn broken(what: String) -> Checked {
    Err(Broken { checker: "once", what })
}

impl Once {
    /// A transaction was committed under a key.
    pub(in crate::sim) fn committed(&mut self, key: &[u8], receipt: &Receipt) -> Checked {
        let dot = (receipt.origin(), receipt.last());
        match self.0.insert(key.to_vec(), dot) {
            None => Ok(()),
            Some(first) => {
                let key = String::from_utf8_lossy(key);
                broken(format!("key {key:?} happened twice, as {first:?} and as {dot:?}"))
            }
        }
    }

    /// A key was answered with an earlier receipt.
    pub(in crate::sim) fn repeated(&self, key: &[u8], receipt: &Receipt) -> Checked {
        let (answer, truth) = ((receipt.origin(), receipt.last()), self.0.get(key));
        if truth == Some(&answer) {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        broken(format!("key {key:?} is answered with {answer:?}; it happened as {truth:?}"))
    }

    /// The transactions of an origin beyond a counter are those of another beyond another.
    pub(in crate::sim) fn moved(&mut self, from: (ReplicaId, u64), to: (ReplicaId, u64)) {
        for (id, last) in self.0.values_mut().filter(|(id, last)| *id == from.0 && *last > from.1) {
            (*id, *last) = (to.0, *last - from.1 + to.1);
        }
    }

    /// The transactions of an origin beyond a counter never happened: a crash took them.
    pub(in crate::sim) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.0.retain(|_, &mut (id, last)| id != origin || last <= after);
    }
}
