//! The storage contract: acknowledged writes are durable, and a failed write is the last.

use std::sync::Arc;

use rejoin_replica::message::Frames;
use rejoin_replica::storage::StorageError;
use rejoin_replica::{Durability, LinkError, Once, Receipt, Space, StoreError};

use crate::medium::{Medium, Trouble, until};
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn add(carts: &Carts, amount: i64) -> Result<Receipt, StoreError> {
    carts
        .transact(|tx| tx.object("alice").entry("apples").add(amount))
        .map(|committed| committed.receipt)
}

fn apples(medium: &Arc<Medium>) -> i64 {
    let carts: Carts = medium.open().open_space("carts").expect("the space");
    carts.object("alice").at("apples").value().expect("readable")
}

/// S1: whenever the power fails, acknowledged writes are there.
#[test]
fn what_is_acknowledged_survives_a_power_loss() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    for amount in 1..=20 {
        let receipt = add(&carts, 1).expect("a transaction");
        assert!(receipt.is_durable());
        assert_eq!(apples(&medium.after_power_loss()), amount);
    }
}

/// S1: a weaker durability is chosen by name, and the receipt says so.
#[test]
fn a_buffered_receipt_says_that_it_is_not_durable() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    let buffered = carts.with_durability(Durability::Buffered);
    let receipt = add(&buffered, 1).expect("a transaction");
    assert!(!receipt.is_durable());
    let once = |carts: &Carts, key: &[u8]| {
        carts.transact_once(key, |tx| tx.object("bob").entry("a").add(1)).expect("it goes through")
    };
    assert!(!once(&buffered, b"key").receipt().is_durable());
    assert!(!once(&buffered, b"key").receipt().is_durable(), "nor is it when it is repeated");
    assert_eq!(carts.object("alice").at("apples").value(), Ok(1), "and it can be read");
    assert_eq!(apples(&medium.after_power_loss()), 0);
    buffered.flush().expect("the medium is fine");
    assert!(carts.receipt(receipt).expect("a receipt").is_durable());
    assert_eq!(apples(&medium.after_power_loss()), 1);
    once(&buffered, b"late");
    let repeated = once(&carts, b"late");
    assert!(matches!(repeated, Once::Repeated(receipt) if receipt.is_durable()), "it waits");
    let second = add(&buffered, 1).expect("a transaction");
    assert!(matches!(once(&carts, b"key"), Once::Repeated(receipt) if receipt.is_durable()));
    assert!(
        !carts.receipt(second).expect("a receipt").is_durable(),
        "that one was written long ago"
    );
    add(&carts, 1).expect("a synced transaction takes along what waits");
    assert!(carts.receipt(second).expect("a receipt").is_durable());
    assert_eq!(apples(&medium.after_power_loss()), 3);
}

/// Makes every call of a store, and returns the errors after a failed write.
fn every_call(
    carts: &Carts,
    other: &Carts,
    store: &rejoin_replica::Store,
) -> Vec<Option<StoreError>> {
    let link = |error: LinkError| match error {
        LinkError::Store(error) => error,
        other => panic!("{other:?}"),
    };
    let read = |carts: &Carts| carts.object("alice").at("apples").value();
    assert!(read(carts).is_err() && read(other).is_err(), "readers, too");
    assert!(read(carts).expect_err("unreadable").to_string().contains("reopen the store"));
    let once = |key| carts.transact_once(key, |tx| tx.object("alice").entry("apples").add(1));
    let (session, receipt) = (foreign_session(), foreign_receipt());
    vec![
        add(carts, 1).err(),
        add(other, 1).err(),
        add(&carts.with_durability(Durability::Buffered), 1).err(),
        once(b"key").err(),
        carts.flush().err(),
        carts.keys().err(),
        carts.watch().err(),
        carts.conflicts().oldest_first().page(usize::MAX).err(),
        carts.digest().err(),
        carts.stats().err(),
        other.version_vector().err(),
        other.read(|_| ()).err(),
        carts.receipt(receipt).err(),
        carts.held_by(&receipt).err(),
        carts.take_reports().err(),
        carts.link().open().err(),
        carts.link().tick().err(),
        carts.link().connected().err(),
        carts.link().transmit(session).err().map(link),
        carts.link().handle(session, &mut Frames::default()).err().map(link),
        store.spaces().err(),
        store.open_space::<Cart>("carts").err(),
        store.create_space::<Cart>("third").err(),
        store.join_space::<Cart>("third", carts.ticket()).err(),
    ]
}

/// Returns a session of some other store, to call with.
fn foreign_session() -> rejoin_replica::SessionId {
    let carts: Carts = Medium::new().open().create_space("carts").expect("a first space");
    carts.link().open().expect("a usable store")
}

fn foreign_receipt() -> Receipt {
    let carts: Carts = Medium::new().open().create_space("carts").expect("a first space");
    add(&carts, 1).expect("a transaction")
}

/// S6: after a failed write the content of the medium is unknown: no retry, and no further use.
#[test]
fn a_failed_write_is_the_last_one() {
    for trouble in [Trouble::Lost, Trouble::Unsure, Trouble::Panics] {
        let medium = Medium::new();
        let store = medium.open();
        let carts: Carts = store.create_space("carts").expect("a first space");
        let other: Carts = store.create_space("other").expect("a second space");
        add(&carts, 1).expect("a transaction");
        medium.trouble(trouble);
        let failed = carts.transact_once(b"order", |tx| tx.object("alice").entry("apples").add(5));
        let error = failed.expect_err("it failed");
        assert!(matches!(error, StoreError::Storage(StorageError::Io(_))), "{error:?}");
        assert!(error.to_string().ends_with("reopen the store") && !error.is_retryable());
        let commits = medium.commits();
        for (index, answer) in every_call(&carts, &other, &store).into_iter().enumerate() {
            let what = answer.map(|error| error.to_string()).unwrap_or_default();
            assert!(what.contains("the medium failed"), "call {index}: {what:?}");
        }
        assert_eq!(medium.commits(), commits, "the medium is left alone");
        // A new start finds whatever was durable, even if the answer was an error.
        let there = medium.after_power_loss();
        let again: Carts = there.open().open_space("carts").expect("the space");
        let repeated =
            again.transact_once(b"order", |tx| tx.object("alice").entry("apples").add(5));
        let unsure = trouble == Trouble::Unsure;
        assert_eq!(matches!(repeated, Ok(Once::Repeated(_))), unsure, "{trouble:?}");
        assert_eq!(apples(&there), 6, "the unknown outcome, sent again, counts once");
    }
}

/// S6: all threads that wait for a write learn that it failed.
#[test]
fn nobody_waits_for_ever_for_a_write_that_failed() {
    for trouble in [Trouble::Lost, Trouble::Panics, Trouble::Full] {
        let medium = Medium::new();
        let carts: Carts = medium.open().create_space("carts").expect("a first space");
        medium.hold();
        let failures = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| add(&carts, 1))).collect();
            until(|| carts.stats().expect("stats").entries >= 4);
            medium.trouble(trouble);
            medium.release();
            let outcomes = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            outcomes.filter(Result::is_err).count()
        });
        assert_eq!((failures, medium.records(0)), (4, 0));
        if trouble == Trouble::Full {
            assert_eq!(carts.object("alice").at("apples").value(), Ok(0), "all are withdrawn");
        }
    }
}

/// S5: making a space fails like a write, and leaves no half a space.
#[test]
fn a_space_that_could_not_be_written_does_not_exist() {
    let medium = Medium::new();
    let store = medium.open();
    medium.trouble(Trouble::Lost);
    let failed = store.create_space::<Cart>("carts").map(|_| ());
    assert!(matches!(failed, Err(StoreError::Storage(_))), "{failed:?}");
    assert_eq!(medium.after_power_loss().open().spaces(), Ok(vec![]));
}
