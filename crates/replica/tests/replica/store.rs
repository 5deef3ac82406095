//! A store from the outside: spaces, transactions, receipts, keys, watching.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rejoin_crdts::{EditError, OrMap, OrSet, ReadError};
use rejoin_replica::storage::Storage;
use rejoin_replica::{Config, Durability, Once, Removal, Space, Store, StoreError, Ticket};

use crate::medium::{Clock, Medium, until};
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn memory() -> (Store, Carts) {
    let store = Store::memory().expect("memory does not fail");
    let carts = store.create_space("carts").expect("a first space");
    (store, carts)
}

fn add(carts: &Carts, line: &str, amount: i64) -> rejoin_replica::Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(amount)).expect("a transaction").receipt
}

fn line(carts: &Carts, line: &str) -> i64 {
    carts.object("alice").at(line).value().expect("a small number")
}

#[test]
fn a_store_file_keeps_identity_spaces_and_values() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop.rejoin");
    let store = Store::open(&path).expect("a new store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    add(&carts, "apples", 2);
    add(&carts, "pears", -1);
    let (id, digest, ticket) = (store.replica_id(), carts.digest(), carts.ticket().clone());
    drop((store, carts));
    assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 1, "one file");
    for _ in 0..3 {
        let store = Store::open(&path).expect("the same store");
        assert_eq!(store.replica_id(), id);
        assert_eq!(store.spaces(), Ok(vec!["carts".to_owned()]));
        let carts: Carts = store.open_space("carts").expect("the same space");
        assert_eq!((carts.digest(), carts.ticket()), (digest.clone(), &ticket));
        assert_eq!((line(&carts, "apples"), line(&carts, "pears")), (2, -1));
        assert_eq!(carts.keys(), Ok(vec!["alice".to_owned()]));
        assert_eq!(carts.stats().expect("stats").entries, 2);
    }
}

#[test]
fn every_start_in_memory_is_a_new_replica() {
    let ids: std::collections::BTreeSet<_> = (0..8).map(|_| memory().0.replica_id()).collect();
    assert_eq!(ids.len(), 8);
}

#[test]
fn a_transaction_is_seen_as_a_whole_and_by_itself() {
    let (_, carts) = memory();
    let watch = carts.watch().expect("a watch");
    let committed = carts.transact(|tx| {
        tx.object("alice").entry("apples").add(2)?;
        assert_eq!(tx.read("alice").at("apples").value()?, 2, "it sees itself");
        tx.object("bob").entry("pears").add(3)?;
        tx.object("alice").remove("apples")?;
        Ok("the value comes back")
    });
    let committed = committed.expect("a transaction");
    assert_eq!(committed.value, "the value comes back");
    assert_eq!((committed.first(), committed.last()), (1, 3));
    assert!(committed.is_durable() && !committed.is_empty());
    let change = watch.try_next().expect("no lag").expect("one change");
    assert_eq!((change.first, change.last, change.edits().count()), (1, 3, 3));
    assert_eq!(watch.try_next(), Ok(None), "one transaction, one change");
    assert_eq!(carts.keys(), Ok(vec!["bob".to_owned()]), "alice's cart is empty again");
    carts.transact(|tx| tx.remove("bob")).expect("an object is removed");
    assert_eq!(carts.keys(), Ok(vec![]));
}

#[test]
fn an_error_aborts_all_of_a_transaction() {
    let (_, carts) = memory();
    add(&carts, "apples", 1);
    let watch = carts.watch().expect("a watch");
    let before = (carts.digest(), carts.version_vector(), carts.stats());
    let failed: Result<_, StoreError> = carts.transact(|tx| {
        tx.object("alice").entry("apples").add(5)?;
        tx.object("bob").entry("pears").add(5)?;
        Err::<(), _>(EditError::Aborted("changed my mind".to_owned()))
    });
    assert_eq!(failed, Err(StoreError::Edit(EditError::Aborted("changed my mind".to_owned()))));
    let overflow = carts.transact(|tx| {
        tx.object("alice").entry("apples").add(i64::MAX)?;
        tx.object("alice").entry("apples").add(i64::MAX)?;
        tx.object("alice").entry("apples").add(i64::MAX)
    });
    assert_eq!(overflow.map(|_| ()), Err(StoreError::Edit(EditError::Overflow)));
    assert_eq!((carts.digest(), carts.version_vector(), carts.stats()), before);
    assert_eq!(watch.try_next(), Ok(None));
}

#[test]
fn a_panic_in_a_transaction_aborts_it_and_leaves_the_space_usable() {
    let (_, carts) = memory();
    add(&carts, "apples", 1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        carts.transact(|tx| -> Result<(), EditError> {
            tx.object("alice").entry("apples").add(5)?;
            panic!("a bug of the caller, as the test asked for")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(line(&carts, "apples"), 1);
    add(&carts, "apples", 1);
    assert_eq!(line(&carts, "apples"), 2);
}

#[test]
fn a_transaction_that_changes_nothing_writes_nothing() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    let commits = medium.commits();
    let nothing = carts.transact(|tx| tx.object("alice").remove("apples")).expect("nothing to do");
    assert!(nothing.is_empty() && nothing.is_durable());
    assert_eq!((medium.commits(), carts.stats().expect("stats").entries), (commits, 0));
    let keyed = carts.transact_once(b"key", |_| Ok(())).expect("nothing to do");
    assert!(matches!(keyed, Once::First(committed) if committed.is_empty()));
    let again = carts.transact_once(b"key", |tx| tx.object("alice").entry("apples").add(1));
    assert!(matches!(again, Ok(Once::First(_))), "a key is kept in the record, and there was none");
}

#[test]
fn a_repeated_key_gives_the_first_receipt_and_applies_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop.rejoin");
    let once = |carts: &Carts| {
        carts.transact_once(b"order 17", |tx| tx.object("alice").entry("apples").add(2))
    };
    let first = {
        let store = Store::open(&path).expect("a new store");
        let carts: Carts = store.create_space("carts").expect("a first space");
        add(&carts, "pears", 1);
        let Once::First(first) = once(&carts).expect("it runs") else { panic!("not run before") };
        add(&carts, "pears", 1);
        assert_eq!(once(&carts), Ok(Once::Repeated(first.receipt)));
        assert_eq!(line(&carts, "apples"), 2);
        first.receipt
    };
    let store = Store::open(&path).expect("the same store");
    let carts: Carts = store.open_space("carts").expect("the same space");
    assert_eq!(once(&carts), Ok(Once::Repeated(first)), "also after a restart");
    let other = carts.transact_once(b"order 18", |tx| tx.object("alice").entry("apples").add(2));
    assert!(matches!(other, Ok(Once::First(_))));
    assert_eq!((line(&carts, "apples"), line(&carts, "pears")), (4, 2));
    let others: Carts = store.create_space("others").expect("a second space");
    assert!(matches!(once(&others), Ok(Once::First(_))), "keys are a space's own");
}

/// Several threads send the same unknown outcome again: one of them runs it.
#[test]
fn a_key_is_used_once_however_many_send_it() {
    let (_, carts) = memory();
    let barrier = Barrier::new(8);
    let firsts = std::thread::scope(|scope| {
        let send = || {
            barrier.wait();
            let sent = carts.transact_once(b"order", |tx| tx.object("alice").entry("a").add(1));
            usize::from(matches!(sent.expect("it is answered"), Once::First(_)))
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<usize>()
    });
    assert_eq!((firsts, line(&carts, "a")), (1, 1));
}

/// While one commit is under way, eight more transactions queue up; one commit writes them all.
#[test]
fn those_who_wait_are_written_together() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    let before = medium.commits();
    medium.hold();
    std::thread::scope(|scope| {
        scope.spawn(|| add(&carts, "first", 1));
        until(|| medium.commits() != before);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| add(&carts, "apples", 1))).collect();
        until(|| carts.stats().expect("stats").entries >= 9);
        assert_eq!(medium.records(0), 0, "nothing is durable yet");
        assert!(threads.iter().all(|thread| !thread.is_finished()), "nothing is acknowledged");
        medium.release();
        for thread in threads {
            assert!(thread.join().expect("no panic").is_durable());
        }
    });
    assert_eq!(medium.commits() - before, 2);
    assert_eq!((medium.records(0), line(&carts, "apples")), (9, 8));
}

#[test]
fn a_space_is_not_called_from_inside_its_transaction() {
    let (store, carts) = memory();
    let orders: Carts = store.create_space("orders").expect("a second space");
    carts
        .transact(|tx| {
            let nested = carts.transact(|tx| tx.object("alice").entry("apples").add(1));
            assert_eq!(nested.map(|_| ()), Err(StoreError::Nested));
            assert_eq!(carts.digest(), Err(StoreError::Nested));
            assert_eq!(
                orders.keys(),
                Err(StoreError::Nested),
                "two such could wait for each other"
            );
            let read = carts.object("alice").at("apples").value();
            assert!(
                matches!(read, Err(ReadError::Unavailable(why)) if why.contains("transaction"))
            );
            tx.object("alice").entry("apples").add(2)
        })
        .expect("the outer one goes through");
    let inside = carts.read(|snapshot| {
        assert_eq!(carts.stats().map(|_| ()), Err(StoreError::Nested));
        snapshot.object("alice").at("apples").value()
    });
    assert_eq!(inside.expect("a snapshot"), Ok(2));
    assert_eq!(line(&carts, "apples"), 2);
    let contributions = carts.object("alice").at("apples").contributions().expect("readable");
    assert_eq!(contributions.len(), 1);
}

#[test]
fn readers_and_snapshots_read_by_key_and_part() {
    let (store, carts) = memory();
    for (object, line, amount) in
        [("bob", "pears", 1), ("alice", "apples", 2), ("alice", "figs", 3)]
    {
        let add = carts.transact(|tx| tx.object(object).entry(line).add(amount));
        add.expect("a transaction");
    }
    let alice = carts.object("alice");
    assert_eq!(alice.keys(), Ok(vec!["apples".to_owned(), "figs".to_owned()]));
    assert_eq!((alice.len(), alice.contains_key("pears")), (Ok(2), Ok(false)));
    assert_eq!(alice.get("figs").expect("readable").map(|line| line.value()), Some(Ok(3)));
    assert!(alice.get("pears").expect("readable").is_none());
    assert_eq!(carts.object("nobody").is_empty(), Ok(true));
    let sums = carts.read(|snapshot| {
        let keys = snapshot.keys()?;
        let lines = |key: &String| snapshot.object(key).len();
        Ok::<_, StoreError>(keys.iter().map(lines).collect::<Result<Vec<_>, _>>()?)
    });
    assert_eq!(sums, Ok(Ok(vec![2, 1])));
    let tags: Space<OrMap<String, OrSet<String>>> = store.create_space("tags").expect("a space");
    tags.transact(|tx| {
        let mut shelf = tx.object("shelf");
        shelf.entry("a").insert("fragile")?;
        shelf.entry("a").insert("cold")?;
        shelf.entry("b").insert("cold")
    })
    .expect("a transaction");
    let items = tags.object("shelf").at("a").items();
    assert_eq!(items, Ok(vec!["cold".to_owned(), "fragile".to_owned()]));
    assert_eq!(store.spaces(), Ok(vec!["carts".to_owned(), "tags".to_owned()]));
}

/// One element is moved to and fro: whoever reads the keys finds it once, and never half-way.
#[test]
fn a_read_sees_no_half_of_a_transaction() {
    let store = Store::memory().expect("memory does not fail");
    let boxes: Space<OrMap<String, OrSet<u8>>> = store.create_space("boxes").expect("a space");
    let put = |from: &str, to: &str| {
        let moved = boxes.transact(|tx| {
            let mut boxes = tx.object("shelf");
            boxes.entry(to).insert(&1)?;
            boxes.entry(from).remove(&1)
        });
        moved.expect("a transaction");
    };
    put("none", "a");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                put("a", "z");
                put("z", "a");
            }
        });
        let look = |_| boxes.object("shelf").keys().map(|keys| keys.len());
        let counts: Vec<_> = (0..30_000).map(look).collect();
        is_done.store(true, Ordering::Relaxed);
        assert!(counts.iter().all(|count| *count == Ok(1)), "a key twice, or none");
    });
}

#[test]
fn a_subscriber_that_is_too_slow_hears_how_much_it_missed() {
    let (_, carts) = memory();
    add(&carts, "before", 1);
    let (fast, slow) = (carts.watch().expect("a watch"), carts.watch().expect("another"));
    for _ in 0..5_000 {
        add(&carts, "apples", 1);
        assert!(matches!(fast.next_within(Duration::ZERO), Ok(Some(_))));
    }
    assert_eq!(slow.try_next(), Err(StoreError::ChangesMissed { missed: 5_000 - 4_096 }));
    let rest = std::iter::from_fn(|| slow.try_next().expect("told once"));
    let firsts: Vec<_> = rest.map(|change| change.first).collect();
    assert_eq!((firsts.len(), firsts.last()), (4_096, Some(&5_001)));
    assert_eq!(fast.try_next(), Ok(None), "others are not touched by it");
}

#[test]
fn spaces_are_named_and_joined_with_care() {
    let (north, carts) = memory();
    assert_eq!(
        north.create_space::<Cart>("carts").map(|_| ()),
        Err(StoreError::SpaceExists { name: "carts".to_owned() })
    );
    assert_eq!(
        north.open_space::<Cart>("orders").map(|_| ()),
        Err(StoreError::NoSuchSpace { name: "orders".to_owned() })
    );
    let text = carts.ticket().to_string();
    let ticket: Ticket = text.parse().expect("its own text");
    assert_eq!((&ticket, ticket.name()), (carts.ticket(), "carts"));
    let (south, _) = memory();
    assert_eq!(
        south.join_space::<Cart>("carts", &ticket).map(|_| ()),
        Err(StoreError::OtherLineage { name: "carts".to_owned() })
    );
    let joined: Carts = south.join_space("northern carts", &ticket).expect("another name");
    let again: Carts = south.join_space("northern carts", &ticket).expect("it is opened");
    add(&joined, "apples", 1);
    assert_eq!(line(&again, "apples"), 1, "two handles, one space");
    // Under a second name it would write different entries under the same dots.
    for store in [&south, &north] {
        let twin = store.join_space::<Cart>("twin", &ticket).map(|_| ());
        assert!(matches!(twin, Err(StoreError::SpaceExists { .. })), "{twin:?}");
    }
}

/// Several threads make a store in one place at once: one gets it, and nothing it writes is lost.
#[test]
fn two_who_make_a_store_at_once_get_one() {
    let directory = tempfile::tempdir().expect("a directory");
    for round in 0..10 {
        let path = directory.path().join(format!("{round}.rejoin"));
        let barrier = Arc::new(Barrier::new(4));
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                Store::open(&path)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let (held, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((held.len(), refused.len()), (1, 3));
        for error in refused.into_iter().map(Result::unwrap_err) {
            assert!(error.is_retryable() && matches!(error, StoreError::AlreadyOpen { .. }));
        }
        let store = held.into_iter().flatten().next().expect("the one");
        let carts: Carts = store.create_space("carts").expect("a first space");
        add(&carts, "apples", 1);
        let id = store.replica_id();
        drop((carts, store));
        let store = Store::open(&path).expect("the same store");
        assert_eq!(store.replica_id(), id);
        assert_eq!(line(&store.open_space("carts").expect("the space"), "apples"), 1);
    }
    let names = std::fs::read_dir(&directory).expect("readable").count();
    assert_eq!(names, 10, "nothing else is left in the directory");
}

#[test]
fn a_store_has_to_have_a_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().join("no such directory").join("shop.rejoin");
    for path in [directory.path(), nowhere.as_path()] {
        let error = Store::open(path).expect_err("no place for a store");
        assert!(matches!(error, StoreError::NoPlace { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        let says = ["name a file in it", "make it first"];
        assert!(says.iter().any(|what| error.to_string().contains(what)), "{error}");
        assert!(!error.is_retryable() && !error.is_corruption());
    }
    assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 0);
}

/// Whoever removes a space waits for its transactions, and holds the table of spaces meanwhile.
#[test]
fn line_40_no_space_is_opened_inside_a_transaction() {
    let store = Medium::new().open();
    let carts: Carts = store.create_space("carts").expect("a first space");
    store.create_space::<Cart>("others").expect("a second space");
    let mut opened = None;
    let inside = carts.transact(|tx| {
        opened = Some(store.open_space::<Cart>("others").map(drop));
        tx.object("alice").entry("apples").add(1)
    });
    assert!(inside.is_ok());
    assert_eq!(opened, Some(Err(StoreError::Nested)));
    let removed = carts.read(|_| store.remove_space("others", Removal::Anyway)).expect("readable");
    assert_eq!(removed, Err(StoreError::Nested));
    assert!(store.open_space::<Cart>("others").is_ok());
}

/// What is buffered is written when the last handle goes, wherever that is.
#[test]
fn the_last_handle_may_go_inside_a_transaction_of_another_store() {
    let medium = Medium::new();
    let store = medium.open();
    let carts = store.create_space::<Cart>("carts").expect("a first space");
    let buffered = carts.with_durability(Durability::Buffered);
    add(&buffered, "apples", 5);
    let (_other, others) = memory();
    let held = (carts, buffered, store);
    others
        .transact(|tx| {
            drop(held);
            tx.object("alice").entry("apples").add(1)
        })
        .expect("a transaction");
    let carts: Carts = medium.open().open_space("carts").expect("the space");
    assert_eq!(line(&carts, "apples"), 5);
}

/// Records without an identity are no empty store.
#[test]
fn a_store_without_its_blobs_is_damaged() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    add(&carts, "apples", 5);
    drop(carts);
    let bare = medium.without_blobs();
    let storage: Arc<dyn Storage> = bare.clone();
    let opened = Store::with_storage(storage, Config::default(), Arc::new(Clock::default()));
    assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
    assert_eq!(bare.commits(), 0, "nothing was written over it");
}

/// Times of "never" are times like any other.
#[test]
fn heartbeats_may_be_off() {
    let mut never = Config::default();
    (never.idle_timeout, never.heartbeat) = (u64::MAX, u64::MAX);
    (never.have_interval, never.request_timeout) = (u64::MAX, u64::MAX);
    let (one, two) = (Medium::new().open_with(never), Medium::new().open_with(never));
    let here: Carts = one.create_space("carts").expect("a first space");
    let there: Carts = two.join_space("carts", here.ticket()).expect("joined");
    add(&here, "apples", 5);
    crate::store_sync::settle(&here.link(), &there.link()).expect("both go on");
    here.link().tick().expect("a tick");
    assert!(there.link().next_tick().is_ok());
    assert_eq!(line(&there, "apples"), 5);
}
