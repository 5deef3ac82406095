//! uuid: random ids, and ids printed by other systems.

use std::collections::BTreeSet;

use rejoin_vclock::{FreshId, ReplicaId};
use uuid::Uuid;

#[test]
fn random_ids_differ() {
    let ids: BTreeSet<ReplicaId> = (0..1000).map(|_| FreshId::random().into_id()).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn a_random_id_is_a_version_4_uuid() {
    let uuid = Uuid::from(FreshId::random().into_id());
    assert_eq!(uuid.get_version_num(), 4);
}

#[test]
fn uuid_and_id_are_the_same_bits() {
    let uuid = Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff);
    let id = ReplicaId::from(uuid);
    assert_eq!(id.to_bytes(), *uuid.as_bytes());
    assert_eq!(id.to_string(), uuid.simple().to_string());
    assert_eq!(Uuid::from(id), uuid);
}
