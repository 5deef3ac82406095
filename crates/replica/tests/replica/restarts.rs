//! The deps of the first entry of an incarnation, which name the entries before it.

use std::sync::Arc;

use rejoin_replica::entry::{Entry, Record};
use rejoin_replica::{OpenOptions, Space, Store};
use rejoin_vclock::ReplicaId;

use crate::identity::sync;
use crate::medium::Medium;
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn add(carts: &Carts) -> ReplicaId {
    let added = carts.transact(|tx| tx.object("alice").entry("figs").add(1));
    added.expect("a transaction").receipt.origin()
}

/// Opens a store that has no witness to prove its place.
fn started(medium: &Arc<Medium>) -> (Store, Carts) {
    let store = OpenOptions::new().unproven().over(medium.clone()).expect("a store");
    let carts = store.open_space("carts").expect("the space");
    (store, carts)
}

/// Makes a store and two peers: it had an entry of the first before its last write, and one of the
/// second after.
fn shop() -> (Arc<Medium>, [ReplicaId; 3], Carts) {
    let medium = Medium::new();
    let store = medium.open();
    let carts: Carts = store.create_space("carts").expect("a first space");
    let join = |_| Store::memory().expect("memory").join_space("carts", carts.ticket());
    let [before, after] = [(), ()].map(join).map(|peer| peer.expect("joined"));
    let early = add(&before);
    sync(&carts.link(), &before.link());
    let own = add(&carts);
    let late = add(&after);
    sync(&carts.link(), &after.link());
    (medium, [own, early, late], carts)
}

fn last_entry(medium: &Medium) -> Entry {
    let (_, bytes) = medium.stored(0).pop().expect("a record");
    Record::decode(&bytes).expect("whole").entry
}

fn sorted<const N: usize>(mut deps: [(ReplicaId, u64); N]) -> Vec<(ReplicaId, u64)> {
    deps.sort_unstable();
    deps.to_vec()
}

#[test]
fn it_names_the_last_entry_before_it_and_what_was_applied_since() {
    let (medium, [own, _, late], _) = shop();
    let medium = medium.after_power_loss();
    let (store, carts) = started(&medium);
    let id = add(&carts);
    assert_eq!(last_entry(&medium).delta().deps(), sorted([(own, 1), (late, 1)]));
    add(&carts);
    assert_eq!(last_entry(&medium).delta().deps(), []);
    // The next one names this one, and nothing else.
    drop((store, carts));
    let (_, carts) = started(&medium);
    add(&carts);
    assert_eq!(last_entry(&medium).delta().deps(), [(id, 3)]);
}

/// The deps of a missing record are unknown, so all entries that are left are named.
#[test]
fn where_a_record_is_missing_it_names_all() {
    let (medium, [own, early, late], _) = shop();
    let medium = medium.log_alone();
    let last = medium.records(0) as u64 - 1;
    medium.damage_record(0, last, |bytes| bytes[20] ^= 4);
    let (_, carts) = started(&medium);
    add(&carts);
    let (entry, whole) = (last_entry(&medium), sorted([(own, 1), (early, 1)]));
    assert_eq!(entry.delta().deps(), whole, "{late} is quarantined");
}

/// Two copies of one store continue after the same entry, and the second one knows of the first.
#[test]
fn all_that_come_after_one_entry_are_told() {
    let (medium, [own, ..], carts) = shop();
    let copies = [(); 2].map(|()| started(&medium.after_power_loss()));
    let first = add(&copies[0].1);
    sync(&copies[0].1.link(), &copies[1].1.link());
    let second = add(&copies[1].1);
    for (_, copy) in &copies {
        (0..2).for_each(|_| sync(&copy.link(), &carts.link()));
    }
    let told = carts.incarnations().expect("readable");
    let ids: Vec<_> = told.iter().map(|told| (told.id, told.predecessor, told.counter)).collect();
    let mut expected = vec![(first, own, 1), (second, own, 1)];
    expected.sort_unstable();
    assert_eq!(ids, expected);
}
