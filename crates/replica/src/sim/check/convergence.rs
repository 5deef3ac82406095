//! Equal sets of entries, equal bytes: whoever holds them, whenever, in whatever order they came.

use std::collections::BTreeMap;

use rejoin_vclock::codec::Encode;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::Digest;
use crate::core::SpaceCore;
use crate::sim::violation::{Broken, Checked};

/// The digest of every set of entries that was looked at so far.
#[derive(Default, Debug)]
pub(in crate::sim) struct Convergence(BTreeMap<Vec<u8>, Seen>);

#[derive(Debug)]
struct Seen {
    vector: VersionVector,
    digest: Digest,
    by: ReplicaId,
}

impl Convergence {
    /// Compares a replica with all that held the same entries before.
    pub(in crate::sim) fn look(&mut self, core: &SpaceCore) -> Checked {
        let (vector, digest) = (core.version_vector(), core.digest()?);
        let by = core.replica();
        let seen = self.0.entry(vector.to_bytes()).or_insert(Seen { vector, digest, by });
        if seen.digest == digest {
            return Ok(());
        }
        let (other, vector) = (seen.by, &seen.vector);
        let what = format!("{by:?} and {other:?} hold the same entries, {vector:?}, and differ");
        Err(Broken { checker: "convergence", what })
    }

    /// The entries of an origin beyond a counter never happened; their dots will be used again.
    pub(in crate::sim) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.0.retain(|_, seen| seen.vector.get(origin) <= after);
    }
}
