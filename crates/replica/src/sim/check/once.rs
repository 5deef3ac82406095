//! A transaction happens at most once per idempotency key, however often it is sent.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::ReplicaId;

use crate::Receipt;
use crate::sim::violation::{Broken, Checked};

/// Which transaction carried which key.
#[derive(Default, Debug)]
pub(in crate::sim) struct Once {
    known: BTreeMap<Vec<u8>, (ReplicaId, u64)>,
    /// Those that may be forgotten, with a log record that was set aside; or come back with it.
    unsure: BTreeSet<(Vec<u8>, (ReplicaId, u64))>,
}

fn broken(what: String) -> Checked {
    Err(Broken { checker: "once", what })
}

impl Once {
    /// A transaction was committed under a key.
    pub(in crate::sim) fn committed(&mut self, key: &[u8], receipt: &Receipt) -> Checked {
        let dot = (receipt.origin(), receipt.last());
        match self.known.insert(key.to_vec(), dot) {
            None => Ok(()),
            Some(first) => {
                let key = String::from_utf8_lossy(key);
                broken(format!("key {key:?} happened twice, as {first:?} and as {dot:?}"))
            }
        }
    }

    /// A key was answered with an earlier receipt.
    pub(in crate::sim) fn repeated(&self, key: &[u8], receipt: &Receipt) -> Checked {
        let (answer, truth) = ((receipt.origin(), receipt.last()), self.known.get(key));
        if truth == Some(&answer) || self.unsure.contains(&(key.to_vec(), answer)) {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        broken(format!("key {key:?} is answered with {answer:?}; it happened as {truth:?}"))
    }

    /// The transactions of an origin beyond a counter are those of another beyond another.
    pub(in crate::sim) fn moved(&mut self, from: (ReplicaId, u64), to: (ReplicaId, u64)) {
        for (id, last) in
            self.known.values_mut().filter(|(id, last)| *id == from.0 && *last > from.1)
        {
            (*id, *last) = (to.0, *last - from.1 + to.1);
        }
    }

    /// The records of an origin beyond a counter are set aside; their entries may come back without
    /// their keys.
    pub(in crate::sim) fn doubt(&mut self, origin: ReplicaId, after: u64) {
        let set_aside = |(_, dot): &(Vec<u8>, (ReplicaId, u64))| dot.0 == origin && dot.1 > after;
        let all = std::mem::take(&mut self.known).into_iter();
        let (unsure, known): (BTreeMap<_, _>, _) = all.partition(set_aside);
        self.known = known;
        self.unsure.extend(unsure);
    }

    /// The transactions of an origin beyond a counter never happened: a crash took them.
    pub(in crate::sim) fn forget(&mut self, origin: ReplicaId, after: u64) {
        let stays = |(id, last): (ReplicaId, u64)| id != origin || last <= after;
        self.known.retain(|_, dot| stays(*dot));
        self.unsure.retain(|(_, dot)| stays(*dot));
    }
}
