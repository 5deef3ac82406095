//! The disk is full, and then there is room: reads go on all the time, a change that could not be
//! written leaves no trace, and the same handle goes on.

use std::sync::Arc;

use rejoin::prelude::*;
use rejoin_replica::OpenOptions;
use rejoin_replica::storage::power_loss::{Choice, FaultyFile, Room, Trouble};
use rejoin_replica::storage::{RedbFile, StorageError};

#[derive(Crdt, Default)]
struct Cart {
    apples: PnCounter,
    remark: LwwRegister<String>,
}

type Carts = Space<Cart>;

const FULL: [Room; 2] = [Room { pages: 0, copies: false }, Room { pages: 0, copies: true }];

fn open(file: &FaultyFile) -> Store {
    let storage = RedbFile::over_raw(file.clone()).expect("a store file");
    OpenOptions::new().over(Arc::new(storage)).expect("a store")
}

/// Makes a store with ten apples.
fn shop(file: &FaultyFile) -> (Store, Carts) {
    let store = open(file);
    let carts: Carts = store.create_space("carts").expect("a first space");
    for key in 0..10_u8 {
        order(&carts, &[key]).expect("there is room");
    }
    (store, carts)
}

/// Orders an apple, with a remark that takes most of a page.
fn order(carts: &Carts, key: &[u8]) -> Result<Once<()>, StoreError> {
    carts.transact_once(key, |tx| {
        tx.object("alice").remark().set("x".repeat(3000).as_str())?;
        tx.object("alice").apples().add(1)
    })
}

fn apples(carts: &Carts) -> i64 {
    carts.object("alice").apples().value().expect("reads go on")
}

#[test]
fn fault_10_a_full_disk_loses_nothing_and_the_handle_goes_on() {
    for room in FULL {
        for spare in 0..12 {
            let file = FaultyFile::default();
            let (store, carts) = shop(&file);
            let before = carts.digest().expect("readable");
            file.set_room(Some(Room { pages: spare, ..room }));
            let mut there = 10;
            for attempt in 0..30_u8 {
                let key = [100 + attempt];
                match order(&carts, &key) {
                    Ok(_) => there += 1,
                    Err(error) => {
                        assert_eq!(error, StoreError::Storage(StorageError::Full));
                        assert!(error.is_retryable());
                        assert!(!error.to_string().contains("reopen"), "{error}");
                    }
                }
                assert_eq!(apples(&carts), there, "{room:?}, {spare}");
            }
            assert!(there < 40, "it never was full");
            if there == 10 {
                assert_eq!(carts.digest().expect("readable"), before, "as if it had never been");
            }
            file.set_room(None);
            for attempt in 0..30_u8 {
                order(&carts, &[100 + attempt]).expect("there is room again");
            }
            assert_eq!(apples(&carts), 40, "each order once: {room:?}, {spare}");
            drop((carts, store));
            let there = open(&FaultyFile::new(file.bytes()));
            assert_eq!(apples(&there.open_space("carts").expect("the space")), 40);
        }
    }
}

/// A crash on a full disk leaves everything acknowledged, once, and nothing that was withdrawn.
#[test]
fn fault_10_a_crash_on_a_full_disk_brings_back_nothing_that_was_withdrawn() {
    for room in FULL {
        for spare in [0, 3, 7] {
            let file = FaultyFile::default();
            let (_store, carts) = shop(&file);
            file.set_room(Some(Room { pages: spare, ..room }));
            let acknowledged = (0..9_u8).filter(|n| order(&carts, &[100 + n]).is_ok()).count();
            let recording = file.recording();
            for choice in [Choice::None, Choice::All] {
                let image = FaultyFile::new(recording.image(recording.len(), choice));
                let carts: Carts = open(&image).open_space("carts").expect("the space");
                let expected = 10 + i64::try_from(acknowledged).expect("a few");
                assert_eq!(apples(&carts), expected, "{room:?}, {spare}, {choice:?}");
            }
        }
    }
}

#[test]
fn fault_10_watchers_and_receipts_are_told_of_what_was_withdrawn() {
    let file = FaultyFile::default();
    let (_store, carts) = shop(&file);
    let watch = carts.watch().expect("a watch");
    file.set_room(Some(FULL[1]));
    let buffered = carts.with_durability(Durability::Buffered);
    let waiting = order(&buffered, b"waits").expect("it need not be written yet");
    let waiting = *waiting.receipt();
    assert!(!waiting.is_durable());
    assert_eq!(apples(&carts), 11);
    order(&carts, b"synced").expect_err("there is no room");
    assert_eq!(apples(&carts), 10, "both are withdrawn: the one stands before the other");
    let told: Vec<_> = std::iter::from_fn(|| watch.try_next().expect("none are missed")).collect();
    let what: Vec<_> = told.iter().map(|change| (change.first, change.is_withdrawn)).collect();
    let (first, second) = (waiting.first(), waiting.last() + 1);
    assert_eq!(what, [(first, false), (second, false), (first, true), (second, true)]);
    assert_eq!(told[2].origin, waiting.origin());
    assert!(told[2].edits().next().is_some());
    file.set_room(None);
    let again = order(&carts, b"another").expect("there is room");
    assert_eq!(again.receipt().first(), first, "nobody has seen those dots: they are used again");
    let later = carts.receipt(waiting).expect("readable");
    assert!(later.is_withdrawn() && !later.is_durable(), "and not taken for the other's");
    assert_eq!(carts.held_by(&waiting).expect("readable"), []);
    assert!(!carts.receipt(*again.receipt()).expect("readable").is_withdrawn());
    assert!(matches!(order(&carts, b"waits"), Ok(Once::First(_))), "its key is free again");
    assert_eq!(apples(&carts), 12);
}

/// S6: after a failed sync the store cannot go on, whatever reason the system gives.
#[test]
fn fault_10_a_failed_sync_is_for_good() {
    let mut failed = 0;
    for calls in 0..40 {
        let file = FaultyFile::default();
        let (_store, carts) = shop(&file);
        file.fail_at(file.calls() + calls, Trouble::Error);
        let Err(error) = order(&carts, b"lost") else { continue };
        assert!(error.to_string().ends_with("reopen the store"), "{error}");
        assert!(!error.is_retryable());
        order(&carts, b"again").expect_err("the handle is of no use");
        failed += 1;
    }
    assert!(failed > 3, "{failed}");
}
