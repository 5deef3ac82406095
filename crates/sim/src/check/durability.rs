//! Nothing leaves before it is durable (rule S2 of the storage contract).
//!
//! Every outgoing frame is decoded and compared with what is synced on the sender's disk: its
//! entries, and the vectors that announce what the sender holds. Counters that it *asks* for are
//! exempt: nobody relies on a request once the session is gone. And no own entry leaves before the
//! disk notes that it may have been seen: after a restart nothing else says so.

use rejoin_replica::entry::Entry;
use rejoin_replica::message::Message;
use rejoin_replica::{Receipt, SpaceCore};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::violation::{Broken, Checked};

fn broken(what: String) -> Checked {
    Err(Broken { checker: "durability", what })
}

/// Checks a message that leaves a replica with this much on its disk.
pub(crate) fn check_leaving(from: ReplicaId, message: &Message, synced: &VersionVector) -> Checked {
    let unsynced = |&(id, counter): &(ReplicaId, u64)| synced.get(id) < counter;
    let early = match message {
        Message::Entries(entries) => {
            let mut dots = entries.iter().map(|e| (e.delta().origin(), e.delta().last()));
            dots.find(unsynced)
        }
        Message::Hello { vector, .. } => vector.iter().find(unsynced),
        Message::Have(pairs) => pairs.iter().copied().find(unsynced),
        Message::Agree { behind: heads, .. } | Message::Heads(heads) | Message::Probe(heads) => {
            heads.iter().map(|at| (at.origin, at.counter)).find(unsynced)
        }
        Message::Want(_) | Message::Refuse(_) | Message::Common { .. } | Message::Same => None,
    };
    let Some((id, counter)) = early else { return Ok(()) };
    let has = synced.get(id);
    broken(format!("{from:?} lets out {id:?}:{counter} with {has} of it on its disk"))
}

/// Checks an entry that leaves a replica. `externalized`: the last own counter that its disk notes
/// as possibly seen by others.
pub(crate) fn check_externalized(from: ReplicaId, entry: &Entry, externalized: u64) -> Checked {
    let delta = entry.delta();
    if delta.origin() != from || delta.last() <= externalized {
        return Ok(());
    }
    let last = delta.last();
    broken(format!("{from:?} lets out its own {last}; its disk says that nobody has seen it"))
}

/// Checks that each replica that is said to hold a receipt's transaction has it on its disk.
pub(crate) fn check_holders(
    teller: &SpaceCore,
    receipt: &Receipt,
    disk_of: impl Fn(ReplicaId) -> u64,
) -> Checked {
    let holders = teller.held_by(receipt);
    let Some(liar) = holders.into_iter().find(|&peer| disk_of(peer) < receipt.last()) else {
        return Ok(());
    };
    let (by, last) = (teller.replica(), receipt.last());
    broken(format!("{by:?} believes that {liar:?} holds its {last}, which is on no disk there"))
}
