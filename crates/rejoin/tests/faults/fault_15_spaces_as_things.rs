//! Spaces as objects: removed together with their disk space, joined again, renamed; and the
//! progress of a first sync.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin::prelude::*;
use rejoin::replica::ops::{Depth, Progress};
use rejoin::replica::{Config, Now, OpenOptions, Time};

use crate::wire::{Wire, sync};

type Cart = OrMap<String, PnCounter>;

/// A clock that is set by hand.
#[derive(Default, Debug)]
struct Clock(AtomicU64);

impl Time for Clock {
    fn now(&self) -> Now {
        let elapsed = self.0.load(Ordering::Relaxed);
        Now { wall: 1_700_000_000_000 + elapsed, elapsed }
    }
}

fn memory() -> (Store, Arc<Clock>) {
    let clock = Arc::new(Clock::default());
    let storage = Arc::new(rejoin::replica::storage::Memory::default());
    let store = Store::with_storage(storage, Config::default(), clock.clone()).unwrap();
    (store, clock)
}

fn add(carts: &Space<Cart>, apples: i64) -> Receipt {
    carts.transact(|tx| tx.object("alice").entry("apples").add(apples)).unwrap().receipt
}

fn apples(carts: &Space<Cart>) -> i64 {
    carts.object("alice").at("apples").value().unwrap()
}

/// Syncs, and lets both ends announce what is durable.
fn sync_and_tell(a: &Space<Cart>, b: &Space<Cart>, clocks: &[&Arc<Clock>]) {
    let mut wire = Wire::between(a, b);
    for _ in 0..3 {
        wire.settle();
        clocks.iter().for_each(|clock| _ = clock.0.fetch_add(100, Ordering::Relaxed));
        [a, b].into_iter().for_each(|space| space.link().tick().unwrap());
    }
}

#[test]
fn a_space_whose_entries_nobody_else_has_stays_unless_it_is_said_that_it_may_go() {
    let [(store, clock), (other, other_clock)] = [memory(), memory()];
    let carts: Space<Cart> = store.create_space("carts").unwrap();
    add(&carts, 1);
    let own = store.replica_id().unwrap();
    let refused = store.remove_space("carts", Removal::IfHeld).unwrap_err();
    let expected = StoreError::OnlyHere { name: "carts".to_owned(), own: vec![(own, 1..=1)] };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains(&own.to_string()), "{refused}");
    assert_eq!(apples(&carts), 1, "it stays");
    let elsewhere: Space<Cart> = other.join_space("carts", carts.ticket()).unwrap();
    sync_and_tell(&carts, &elsewhere, &[&clock, &other_clock]);
    add(&carts, 1);
    let refused = store.remove_space("carts", Removal::IfHeld).unwrap_err();
    assert!(matches!(refused, StoreError::OnlyHere { own, .. } if own[0].1 == (2..=2)));
    sync_and_tell(&carts, &elsewhere, &[&clock, &other_clock]);
    store.remove_space("carts", Removal::IfHeld).unwrap();
    assert_eq!(store.spaces().unwrap(), Vec::<String>::new());
    let gone = carts.transact(|tx| tx.object("alice").entry("apples").add(1)).unwrap_err();
    assert_eq!(gone, StoreError::SpaceRemoved { name: "carts".to_owned() });
    assert!(carts.link().tick().is_err() && carts.keys().is_err());
    let none = store.remove_space("carts", Removal::Anyway).unwrap_err();
    assert!(matches!(none, StoreError::NoSuchSpace { .. }));
    assert_eq!(apples(&elsewhere), 2, "peers keep it");
}

#[test]
fn a_removed_space_gives_its_room_back_and_its_place_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.rejoin");
    let open = || OpenOptions::new().state_dir(directory.path().join("state")).open(&path).unwrap();
    let store = open();
    let id = store.replica_id();
    let [kept, large, later] = ["kept", "large", "later"];
    let [first, second]: [Space<Cart>; 2] =
        [kept, large].map(|name| store.create_space(name).unwrap());
    add(&first, 7);
    for n in 0..60 {
        let text = format!("{n}{}", "x".repeat(4000));
        second.transact(|tx| tx.object(&text).entry("apples").add(1)).unwrap();
    }
    store.close().unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    store.remove_space(large, Removal::Anyway).unwrap();
    let third: Space<Cart> = store.create_space(later).unwrap();
    assert_eq!(third.keys().unwrap(), Vec::<String>::new(), "nothing is left for a successor");
    add(&third, 3);
    let go_on = &mut |_: Progress<'_>| ControlFlow::Continue(());
    assert_eq!(store.verify(Depth::Replayed, go_on).unwrap().findings, []);
    store.backup(directory.path().join("backup"), go_on).unwrap();
    store.compact(go_on).unwrap();
    drop((first, second, third, store));
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after * 2 < before, "{before} bytes, then {after}");
    let store = open();
    assert_eq!(store.replica_id(), id, "it is the same store");
    assert_eq!(store.spaces().unwrap(), [kept, later]);
    assert_eq!(apples(&store.open_space(kept).unwrap()), 7);
    assert_eq!(apples(&store.open_space(later).unwrap()), 3);
}

#[test]
fn who_joins_again_does_not_use_its_dots_again() {
    let [(store, clock), (other, other_clock)] = [memory(), memory()];
    let carts: Space<Cart> = store.create_space("carts").unwrap();
    let elsewhere: Space<Cart> = other.join_space("theirs", carts.ticket()).unwrap();
    let ticket = carts.ticket().clone();
    let before = add(&carts, 3);
    let beside: Space<Cart> = store.create_space("beside").unwrap();
    assert_eq!(add(&beside, 1).origin(), before.origin());
    sync_and_tell(&carts, &elsewhere, &[&clock, &other_clock]);
    store.remove_space("carts", Removal::IfHeld).unwrap();
    let again: Space<Cart> = store.join_space("again", &ticket).unwrap();
    let after = add(&again, 1);
    add(&beside, 1); // the whole store goes on under the new id
    assert!(store.predecessors().contains(&before.origin()));
    assert_ne!((after.origin(), after.first()), (before.origin(), before.first()));
    sync(&again, &elsewhere);
    assert_eq!([apples(&again), apples(&elsewhere)], [4, 4]);
    assert_eq!(again.digest().unwrap(), elsewhere.digest().unwrap());
    assert_eq!(apples(&beside), 2);
    assert!(again.take_reports().unwrap().is_empty() && elsewhere.forks().unwrap().is_empty());
    // A copy that has only read may come back under its old id.
    let id = other.replica_id();
    other.remove_space("theirs", Removal::IfHeld).unwrap();
    let back: Space<Cart> = other.join_space("theirs", &ticket).unwrap();
    add(&back, 1);
    assert_eq!(other.replica_id(), id);
}

#[test]
fn a_space_is_renamed_here_alone() {
    let (store, _) = memory();
    let carts: Space<Cart> = store.create_space("carts").unwrap();
    store.create_space::<Cart>("taken").unwrap();
    let ticket = carts.ticket().clone();
    add(&carts, 1);
    assert!(matches!(store.rename_space("carts", "taken"), Err(StoreError::SpaceExists { .. })));
    assert!(matches!(store.rename_space("none", "new"), Err(StoreError::NoSuchSpace { .. })));
    store.rename_space("carts", "baskets").unwrap();
    assert_eq!(store.spaces().unwrap(), ["baskets", "taken"]);
    add(&carts, 1);
    let baskets: Space<Cart> = store.open_space("baskets").unwrap();
    assert_eq!((apples(&baskets), baskets.ticket()), (2, &ticket));
    assert!(matches!(store.open_space::<Cart>("carts"), Err(StoreError::NoSuchSpace { .. })));
    let (other, _) = memory();
    let joined: Space<Cart> = other.join_space("carts", &ticket).unwrap();
    sync(&joined, &baskets);
    assert_eq!(apples(&joined), 2);
}

#[test]
fn joined_and_empty_is_not_joined_and_not_fetched() {
    let [(store, _), (other, _)] = [memory(), memory()];
    let carts: Space<Cart> = store.create_space("carts").unwrap();
    let joined: Space<Cart> = other.join_space("carts", carts.ticket()).unwrap();
    let progress = joined.progress().unwrap();
    assert_eq!((progress.has_heard, progress.known, progress.received), (false, 0, 0));
    assert!(!joined.is_caught_up().unwrap(), "nobody was heard yet");
    sync(&carts, &joined);
    assert!(joined.progress().unwrap().has_heard && joined.is_caught_up().unwrap(), "it is empty");
    let many = 2_000; // more than go at once
    (0..many).for_each(|_| _ = add(&carts, 1));
    let mut wire = Wire::between(&carts, &joined);
    let mut seen = vec![joined.progress().unwrap()];
    while wire.step() {
        seen.push(joined.progress().unwrap());
    }
    assert!(seen.iter().any(|at| at.known == many && at.received < many), "{seen:?}");
    assert!(seen.is_sorted_by_key(|at| at.received));
    let last = seen.last().unwrap();
    assert_eq!((last.known, last.received, last.is_caught_up()), (many, many, true));
}
