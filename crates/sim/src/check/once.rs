//! A transaction happens at most once per idempotency key, however often it is sent.
//!
//! A disk that is restored from a copy has forgotten keys. Until their entries come back, these
//! keys may run again, because nobody there can know of them. From then on they neither run again
//! nor count as done here: the answer says that they were done under a former id.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_replica::{Receipt, Used};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::violation::{Broken, Checked};

type Dot = (ReplicaId, u64);

/// The transaction that carried each key.
#[derive(Default, Debug)]
pub(crate) struct Once {
    known: BTreeMap<Vec<u8>, Dot>,
    /// Keys whose log record was quarantined: they may be forgotten, or come back with it.
    unsure: BTreeSet<(Vec<u8>, Dot)>,
    /// Keys of which their site has no record any more; their entries may come back.
    former: BTreeSet<(Vec<u8>, Dot)>,
}

impl Once {
    /// Checks a transaction that was committed under a key, by a site that had applied `seen`.
    pub(crate) fn committed(
        &mut self,
        key: &[u8],
        receipt: &Receipt,
        seen: &VersionVector,
    ) -> Checked {
        let dot = (receipt.origin(), receipt.last());
        let mut former = self.former.iter().filter(|(at, _)| at == key).map(|&(_, dot)| dot);
        let had_come_back = former.find(|&(id, last)| seen.get(id) >= last);
        let first = self.known.insert(key.to_vec(), dot).or(had_come_back);
        let Some(first) = first else { return Ok(()) };
        let key = String::from_utf8_lossy(key);
        let what = format!("key {key:?} happened twice, as {first:?} and as {dot:?}");
        Err(Broken::new("once", what))
    }

    /// Checks the answer to a key with the receipt of an earlier transaction.
    pub(crate) fn answered(&self, key: &[u8], answer: &Used) -> Checked {
        let (receipt, is_right) = match answer {
            Used::Here(receipt) => (receipt, self.known.get(key) == Some(&dot(receipt))),
            Used::ByFormer(receipt) => {
                (receipt, self.former.contains(&(key.to_vec(), dot(receipt))))
            }
        };
        let is_unsure = self.unsure.contains(&(key.to_vec(), dot(receipt)));
        Broken::unless(is_right || is_unsure, "once", || {
            let (key, truth) = (String::from_utf8_lossy(key), self.known.get(key));
            format!("key {key:?} is answered with {answer:?}; it happened as {truth:?}")
        })
    }

    /// Moves the transactions of an origin beyond a counter to another origin, beyond another
    /// counter.
    pub(crate) fn moved(&mut self, from: Dot, to: Dot) {
        for (id, last) in
            self.known.values_mut().filter(|(id, last)| *id == from.0 && *last > from.1)
        {
            (*id, *last) = (to.0, *last - from.1 + to.1);
        }
    }

    /// Notes that records of an origin beyond a counter may be quarantined; their entries may come
    /// back from others.
    pub(crate) fn suspect_rollback(&mut self, origin: ReplicaId, after: u64) {
        let unsure = self.take_known(origin, after);
        self.unsure.extend(unsure);
    }

    /// Notes that a site has an older disk, which ends at a counter of an origin that it knows as
    /// its own.
    pub(crate) fn put_back(&mut self, origin: ReplicaId, after: u64) {
        let former = self.take_known(origin, after);
        self.former.extend(former);
    }

    /// Notes that a site has the disk of another one, which does not know this origin as its own.
    pub(crate) fn abandon(&mut self, origin: ReplicaId) {
        self.suspect_rollback(origin, 0);
        let all = std::mem::take(&mut self.former).into_iter();
        let (abandoned, former): (BTreeSet<_>, _) = all.partition(|(_, dot)| dot.0 == origin);
        self.former = former;
        self.unsure.extend(abandoned);
    }

    fn take_known(&mut self, origin: ReplicaId, after: u64) -> BTreeMap<Vec<u8>, Dot> {
        let all = std::mem::take(&mut self.known).into_iter();
        let (taken, known) = all.partition(|&(_, dot)| is_beyond(dot, origin, after));
        self.known = known;
        taken
    }

    /// Forgets the transactions of an origin beyond a counter, which its site does not know any
    /// more.
    pub(crate) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.known.retain(|_, dot| !is_beyond(*dot, origin, after));
        self.unsure.retain(|(_, dot)| !is_beyond(*dot, origin, after));
    }

    /// Forgets the transactions of an origin beyond a counter, which are left nowhere.
    pub(crate) fn gone(&mut self, origin: ReplicaId, after: u64) {
        self.forget(origin, after);
        self.former.retain(|(_, dot)| !is_beyond(*dot, origin, after));
    }
}

fn dot(receipt: &Receipt) -> Dot {
    (receipt.origin(), receipt.last())
}

fn is_beyond((id, last): Dot, origin: ReplicaId, after: u64) -> bool {
    id == origin && last > after
}
