//! Equal sets of entries give equal bytes, whoever holds them and in whatever order they came.

use std::collections::BTreeMap;

use rejoin_replica::{Digest, Fingerprint, SpaceCore};
use rejoin_vclock::codec::Encode;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::violation::{Broken, Checked};

/// The digest and the fingerprint of every set of entries that was looked at so far.
#[derive(Default, Debug)]
pub(crate) struct Convergence(BTreeMap<Vec<u8>, Seen>);

#[derive(Debug)]
struct Seen {
    vector: VersionVector,
    digest: Digest,
    fingerprint: Fingerprint,
    by: ReplicaId,
}

impl Convergence {
    /// Compares a replica with all that held the same entries before.
    pub(crate) fn look(&mut self, core: &SpaceCore) -> Checked {
        let (vector, digest) = (core.version_vector(), core.digest()?);
        let (fingerprint, by) = (core.fingerprint()?, core.replica());
        let here = Seen { vector, digest, fingerprint, by };
        let seen = self.0.entry(here.vector.to_bytes()).or_insert(here);
        let is_same = (seen.digest, seen.fingerprint) == (digest, fingerprint);
        Broken::unless(is_same, "convergence", || {
            let (other, vector) = (seen.by, &seen.vector);
            let differ = if seen.digest == digest { "have other fingerprints" } else { "differ" };
            format!("{by:?} and {other:?} hold the same entries, {vector:?}, and {differ}")
        })
    }

    /// Forgets the entries of an origin beyond a counter: they never happened, and their dots will
    /// be used again.
    pub(crate) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.0.retain(|_, seen| seen.vector.get(origin) <= after);
    }
}
