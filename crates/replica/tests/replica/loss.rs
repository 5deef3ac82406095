//! Records that nobody will bring back: entries that wait for them are rewritten, if that is safe.

use std::sync::Arc;

use rejoin::prelude::*;
use rejoin_replica::ops::Depth;
use rejoin_replica::{Accepted, Loss, Once};

use crate::identity::sync;
use crate::medium::Medium;
use crate::rebase::{Things, begin, go_on, read, run};
use crate::verification::go_on as whatever;

/// Makes a store with an only copy: some transactions, one on something else, and some more.
fn only_copy(before: impl FnOnce(&Things), after: impl FnOnce(&Things)) -> (Arc<Medium>, Lost) {
    let medium = Medium::new();
    let store = medium.open();
    let things: Things = store.create_space("things").expect("a first space");
    before(&things);
    let other = things.transact_once(b"lost", |tx| tx.object("other").lines().entry("x").add(5));
    other.expect("a transaction");
    let record = things.stats().expect("readable").entries - 1;
    after(&things);
    things.transact(|tx| tx.object("other").lines().entry("x").add(2)).expect("a transaction");
    things.transact_once(b"kept", |tx| tx.object("other").tags().insert("late")).expect("written");
    let lost = Lost { record, reads: read(&things), id: store.replica_id() };
    (medium.after_power_loss(), lost)
}

/// The content that the store read before it lost a record.
struct Lost {
    record: u64,
    reads: Vec<String>,
    id: Option<ReplicaId>,
}

fn harm(medium: &Medium, lost: &Lost) {
    medium.damage_record(0, lost.record, |bytes| bytes[20] ^= 4);
}

/// Checks that nothing waits, everything is whole, and a peer gets all of it.
fn assert_whole(medium: &Arc<Medium>, reads: &[String]) {
    for medium in [Arc::clone(medium), medium.after_power_loss()] {
        let store = medium.open();
        let things: Things = store.open_space("things").expect("the space");
        assert_eq!(read(&things), reads);
        let lines = things.object("other").lines().at("x").value();
        assert_eq!(lines, Ok(7), "later totals have what a lost record counted");
        assert_eq!(things.accept_loss(Loss::Unseen), Ok(Accepted::default()), "nothing waits");
        let found = store.verify(Depth::Replayed, &mut whatever).expect("readable");
        assert!(found.is_sound(), "{:?}", found.findings);
        assert_eq!(found.spaces[0].quarantined, 0);
        let peer = Medium::new().open();
        let there: Things = peer.join_space("things", things.ticket()).expect("joined");
        sync(&things.link(), &there.link());
        assert_eq!(read(&there), reads);
        assert_eq!(things.digest(), there.digest());
        let theirs = there.stats().expect("readable");
        assert_eq!(theirs.waiting, 0);
    }
}

#[test]
fn an_only_copy_goes_on_without_a_lost_record() {
    let (medium, lost) = only_copy(begin, go_on);
    harm(&medium, &lost);
    let store = medium.open();
    let things: Things = store.open_space("things").expect("the space");
    assert_ne!(read(&things), lost.reads, "what comes after it waits");
    let kept = |things: &Things| {
        let again = things.transact_once::<()>(b"kept", |_| panic!("it was run before"));
        matches!(again, Ok(Once::Repeated(receipt)) if receipt.is_durable())
    };
    assert!(kept(&things), "a key that waits is used");
    // What is written meanwhile did not see what waits, and is not removed by it.
    things.transact(|tx| tx.object("thing").tags().insert("new")).expect("a transaction");
    let accepted = things.accept_loss(Loss::Unseen).expect("nobody else has it");
    assert_eq!((accepted.lost, accepted.rewritten, accepted.waiting), (1, 6, 0));
    assert!(things.object("thing").tags().contains("new").expect("readable"));
    things.transact(|tx| tx.object("thing").tags().remove("new")).expect("a transaction");
    assert!(kept(&things));
    assert_ne!(store.replica_id(), lost.id);
    drop((things, store));
    assert_whole(&medium, &lost.reads);
}

#[test]
fn what_a_peer_may_have_is_given_up_only_for_good() {
    let (medium, lost) = only_copy(begin, |_| ());
    let store = medium.open();
    let things: Things = store.open_space("things").expect("the space");
    let peer = Medium::new().open();
    let there: Things = peer.join_space("things", things.ticket()).expect("joined");
    sync(&things.link(), &there.link());
    let reads = there.digest();
    drop((things, store));
    let medium = medium.log_alone_but(&[6]);
    harm(&medium, &lost);
    let store = medium.open();
    let things: Things = store.open_space("things").expect("the space");
    let refused = things.accept_loss(Loss::Unseen);
    assert_eq!(refused, Err(StoreError::MayComeBack { records: 2 }));
    let copy = medium.after_power_loss();
    // It does come back.
    for _ in 0..3 {
        sync(&things.link(), &there.link());
    }
    assert_eq!(things.digest(), reads);
    assert_eq!(things.accept_loss(Loss::ForGood), Ok(Accepted::default()));
    // It never does.
    let alone: Things = copy.open().open_space("things").expect("the space");
    let accepted = alone.accept_loss(Loss::ForGood).expect("it is said to be lost");
    assert_eq!((accepted.lost, accepted.rewritten, accepted.waiting), (1, 2, 0));
    assert_eq!(read(&alone), lost.reads);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever was written before and after a lost record, everything reads as before, if the lost
    /// one was about something else.
    #[test]
    fn whatever_waits_reads_as_before(
        before in proptest::collection::vec(0u8..=255, 1..20),
        after in proptest::collection::vec(0u8..=255, 1..20),
    ) {
        let (medium, lost) = only_copy(|things| run(things, &before), |things| run(things, &after));
        harm(&medium, &lost);
        let things: Things = medium.open().open_space("things").expect("the space");
        things.accept_loss(Loss::Unseen).expect("nobody else has it");
        drop(things);
        assert_whole(&medium, &lost.reads);
    }

    /// Whichever records are lost, the rest is whole, and the same everywhere.
    #[test]
    fn whichever_records_are_lost_the_rest_is_whole(
        choices in proptest::collection::vec(0u8..=255, 10..50),
        lost in proptest::collection::btree_set(0u64..10, 1..4),
    ) {
        let medium = Medium::new();
        let things: Things = medium.open().create_space("things").expect("a first space");
        run(&things, &choices);
        let entries = things.stats().expect("readable").entries;
        let medium = medium.after_power_loss();
        let lost = lost.into_iter().filter(|&at| at < entries);
        lost.for_each(|at| medium.damage_record(0, at, |bytes| bytes[20] ^= 4));
        let store = medium.open();
        let things: Things = store.open_space("things").expect("the space");
        things.accept_loss(Loss::Unseen).expect("nobody else has it");
        let again = things.accept_loss(Loss::Unseen).expect("nothing waits");
        proptest::prop_assert_eq!(again, Accepted::default());
        let found = store.verify(Depth::Replayed, &mut whatever).expect("readable");
        proptest::prop_assert!(found.is_sound(), "{:?}", found.findings);
        let peer = Medium::new().open();
        let there: Things = peer.join_space("things", things.ticket()).expect("joined");
        sync(&things.link(), &there.link());
        proptest::prop_assert_eq!(read(&things), read(&there));
        proptest::prop_assert_eq!(things.digest(), there.digest());
        proptest::prop_assert_eq!(there.stats().expect("readable").waiting, 0);
    }
}

/// A record that was flushed before it was lost, and that no peer has: nothing after it can be
/// passed on until its loss is accepted. Then all but it is everywhere.
#[test]
fn a_flushed_record_that_nobody_has_is_given_up() {
    for is_last in [false, true] {
        let medium = Medium::new();
        let store = medium.open();
        let things: Things = store.create_space("things").expect("a first space");
        let peer = Medium::new().open();
        let there: Things = peer.join_space("things", things.ticket()).expect("joined");
        begin(&things);
        let tag = |text: &str| {
            let tagged = things.transact(|tx| tx.object("thing").tags().insert(text));
            tagged.expect("a transaction");
        };
        tag("lost");
        let record = things.stats().expect("readable").entries - 1;
        if !is_last {
            tag("kept");
        }
        store.close().expect("flushed");
        let old = store.replica_id();
        drop((things, store));
        medium.damage_record(0, record, |bytes| bytes[20] ^= 4);
        let store = medium.open();
        let things: Things = store.open_space("things").expect("the space");
        for _ in 0..3 {
            sync(&things.link(), &there.link());
        }
        assert_ne!(things.digest(), there.digest(), "the record cannot be passed on");
        let refused = things.accept_loss(Loss::Unseen);
        assert!(
            matches!(refused, Err(StoreError::MayComeBack { .. })),
            "it was offered: {refused:?}"
        );
        let accepted = things.accept_loss(Loss::ForGood).expect("it is said to be lost");
        assert_eq!(accepted.rewritten, u64::from(!is_last), "last: {is_last}");
        assert_ne!(store.replica_id(), old, "its last dots may have been seen");
        things.transact(|tx| tx.object("thing").tags().insert("new")).expect("a transaction");
        for _ in 0..3 {
            sync(&things.link(), &there.link());
        }
        assert_eq!(things.digest(), there.digest(), "last: {is_last}");
        let tags = there.object("thing").tags().items().expect("readable");
        assert!(tags.contains(&"new".to_owned()) && !tags.contains(&"lost".to_owned()), "{tags:?}");
        assert_eq!(tags.contains(&"kept".to_owned()), !is_last, "{tags:?}");
        assert!(there.forks().expect("readable").is_empty());
    }
}
