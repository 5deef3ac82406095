//! Changes with values: as they come, from the log, and both in one, without a gap.

use std::sync::Arc;

use rejoin_crdts::{Edit, EditError};
use rejoin_replica::storage::StorageError;
use rejoin_replica::{Change, Durability, Receipt, Space, Store, StoreError, Watch};
use rejoin_vclock::VersionVector;

use crate::identity::sync;
use crate::medium::{Medium, Trouble};
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn add(carts: &Carts, line: &str, amount: i64) -> Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(amount)).expect("a transaction").receipt
}

fn told(change: &Change) -> Vec<String> {
    change.edits().map(|Edit { path, action }| format!("{path} {action}")).collect()
}

fn all(carts: &Carts, since: &VersionVector) -> Vec<Change> {
    let changes = carts.changes(since).expect("a readable space");
    changes.collect::<Result<_, _>>().expect("readable")
}

fn drained(watch: &Watch) -> Vec<Change> {
    std::iter::from_fn(|| watch.try_next().expect("nothing is missed")).collect()
}

/// The same change, from the log: what was decided is known only when it comes.
fn logged(changes: &[Change]) -> Vec<Change> {
    let mut changes = changes.to_vec();
    changes.iter_mut().for_each(|change| change.decisions.clear());
    changes
}

#[test]
fn the_log_tells_the_same_as_a_watch() {
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let here: Carts = stores[0].create_space("carts").expect("a first space");
    let there: Carts = stores[1].join_space("carts", here.ticket()).expect("joined");
    let watch = here.watch().expect("a watch");
    for round in 0..20 {
        add(&here, "apples", 1);
        add(&there, &format!("line {}", round % 3), round);
        there.transact(|tx| tx.object("alice").remove("apples")).expect("a transaction");
        sync(&here.link(), &there.link());
    }
    let live = drained(&watch);
    assert!(live.iter().any(|change| !change.decisions.is_empty()));
    assert_eq!(all(&here, &VersionVector::new()), logged(&live));
    assert_eq!(watch.position(), here.version_vector().expect("readable"));
    // From each position on it is the rest, in the same order.
    let mut since = VersionVector::new();
    for (index, change) in live.iter().enumerate() {
        assert_eq!(all(&here, &since), logged(&live[index..]));
        since.set_at_least(change.origin, change.last);
    }
    // The other copy applied them in another order, and has the same.
    let mut theirs = all(&there, &VersionVector::new());
    let mut ours = logged(&live);
    ours.sort_by_key(|change| (change.origin, change.first));
    theirs.sort_by_key(|change| (change.origin, change.first));
    assert_eq!(ours, theirs);
}

#[test]
fn a_watch_goes_on_after_a_restart_without_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("carts.rejoin");
    let (mut seen, mut position) = (Vec::new(), VersionVector::new());
    for life in 0..4 {
        let store = Store::open(&path).expect("the store");
        let carts: Carts = match life {
            0 => store.create_space("carts").expect("a first space"),
            _ => store.open_space("carts").expect("the space"),
        };
        let quick = carts.with_durability(Durability::Buffered);
        for _ in 0..700 {
            add(&quick, "before", 1);
        }
        let watch = carts.watch_since(&position).expect("a watch");
        for _ in 0..700 {
            add(&quick, "after", 1);
        }
        // Not all of it is taken: the rest comes in the next life.
        for _ in 0..1_000 {
            seen.push(watch.try_next().expect("nothing is missed").expect("there is more").last);
        }
        position = watch.position();
    }
    let store = Store::open(&path).expect("the store");
    let carts: Carts = store.open_space("carts").expect("the space");
    let rest = carts.changes(&position).expect("readable");
    seen.extend(rest.map(|change| change.expect("readable").last));
    assert_eq!(seen, (1..=4 * 1_400).collect::<Vec<u64>>());
}

/// A watch that nobody drains does not keep the file; its position says where to go on.
#[test]
fn a_store_is_closed_whatever_a_watch_has_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("carts.rejoin");
    let store = Store::open(&path).expect("the store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    for _ in 0..600 {
        add(&carts.with_durability(Durability::Buffered), "apples", 1);
    }
    let watch = carts.watch_since(&VersionVector::new()).expect("a watch");
    add(&carts, "pears", 1);
    for _ in 0..10 {
        watch.try_next().expect("readable").expect("a change");
    }
    drop((carts, store));
    let store = Store::open(&path).expect("the file is free");
    // What was read with the ten is there; the rest was missed, and what came then is here.
    let (mut told, mut missed) = (10, 0);
    loop {
        match watch.try_next() {
            Ok(Some(_)) => told += 1,
            Ok(None) => break,
            Err(StoreError::ChangesMissed { missed: more }) => missed += more,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((told + missed, missed > 300), (601, true));
    let carts: Carts = store.open_space("carts").expect("the space");
    let rest = carts.changes(&watch.position()).expect("readable").count();
    assert!(rest as u64 >= missed, "{rest} are told again");
}

#[test]
fn where_changes_were_missed_the_position_stays_before_them() {
    let store = Store::memory().expect("a store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    let watch = carts.watch().expect("a watch");
    for _ in 0..5_000 {
        add(&carts, "apples", 1);
    }
    assert!(matches!(watch.try_next(), Err(StoreError::ChangesMissed { missed: 904 })));
    assert_eq!(drained(&watch).len(), 4_096);
    assert!(watch.position().is_empty());
    let again = carts.watch_since(&watch.position()).expect("a watch");
    assert_eq!(drained(&again).len(), 5_000);
}

/// A copy that joins later gets from its peer what the subscriber has elsewhere.
#[test]
fn what_a_vector_covers_is_not_told_when_it_comes() {
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let here: Carts = stores[0].create_space("carts").expect("a first space");
    for _ in 0..3 {
        add(&here, "apples", 1);
    }
    let known = here.version_vector().expect("readable");
    let there: Carts = stores[1].join_space("carts", here.ticket()).expect("joined");
    let watch = there.watch_since(&known).expect("a watch");
    sync(&here.link(), &there.link());
    assert_eq!(drained(&watch), []);
    add(&here, "apples", 1);
    sync(&here.link(), &there.link());
    assert_eq!(drained(&watch).len(), 1);
}

#[test]
fn a_withdrawn_change_takes_the_position_back() {
    let medium = Medium::new();
    let store = medium.open();
    let carts: Carts = store.create_space("carts").expect("a first space");
    let watch = carts.watch().expect("a watch");
    add(&carts, "apples", 1);
    medium.trouble(Trouble::Full);
    let refused = carts.transact(|tx| tx.object("alice").entry("pears").add(1));
    assert!(matches!(refused, Err(StoreError::Storage(StorageError::Full))));
    let changes = drained(&watch);
    let withdrawn: Vec<bool> = changes.iter().map(|change| change.is_withdrawn).collect();
    assert_eq!(withdrawn, [false, false, true]);
    assert_eq!(told(&changes[2]), ["alice/pears +1"]);
    assert_eq!(watch.position(), carts.version_vector().expect("readable"));
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_the_rest_follows() {
    let medium = Medium::new();
    let store = medium.open();
    let carts: Carts = store.create_space("carts").expect("a first space");
    for _ in 0..5 {
        add(&carts, "apples", 1);
    }
    medium.damage_record(0, 2, |bytes| bytes[20] ^= 4);
    let changes: Vec<_> = carts.changes(&VersionVector::new()).expect("readable").collect();
    let lasts: Vec<_> =
        changes.iter().map(|change| change.as_ref().ok().map(|it| it.last)).collect();
    assert_eq!(lasts, [Some(1), Some(2), None, Some(4), Some(5)]);
    assert!(matches!(changes[2], Err(StoreError::Storage(StorageError::Damaged(_)))));
}

#[test]
fn the_changes_of_a_space_that_was_removed_are_no_short_list() {
    let store = Arc::new(Store::memory().expect("a store"));
    let carts: Carts = store.create_space("carts").expect("a first space");
    add(&carts, "apples", 1);
    let mut changes = carts.changes(&VersionVector::new()).expect("readable");
    let watch = carts.watch().expect("a watch");
    store.remove_space("carts", rejoin_replica::Removal::Anyway).expect("removed");
    assert!(matches!(changes.next(), Some(Err(StoreError::SpaceRemoved { .. }))));
    assert!(changes.next().is_none());
    assert_eq!(watch.next_within(std::time::Duration::from_secs(60)), Ok(None), "at once");
}

/// What a transaction says of itself goes everywhere with it, by every way in which changes are
/// read, and stays after a restart.
#[test]
fn a_transaction_says_who_made_it_and_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("carts.rejoin");
    let store = Store::open(&path).expect("the store");
    let here: Carts = store.create_space("carts").expect("a first space");
    let other = Store::memory().expect("a store");
    let there: Carts = other.join_space("carts", here.ticket()).expect("joined");
    let watch = there.watch().expect("a watch");
    here.transact(|tx| {
        tx.author("Ben")?;
        tx.describe("moved to aisle 4")?;
        tx.author("Mira")?;
        tx.object("alice").entry("apples").add(1)
    })
    .expect("a transaction");
    add(&here, "pears", 1);
    here.link().meet(&there.link()).expect("met");
    let label = |change: &Change| (change.label().author, change.label().message);
    let told = drained(&watch);
    let mira = (Some("Mira".to_owned()), Some("moved to aisle 4".to_owned()));
    assert_eq!(told.iter().map(label).collect::<Vec<_>>(), [mira.clone(), (None, None)]);
    drop((here, store));
    let store = Store::open(&path).expect("the store");
    let here: Carts = store.open_space("carts").expect("the space");
    assert_eq!(label(&all(&here, &VersionVector::new())[0]), mira);

    let (fits, long) = ("x".repeat(1024), "x".repeat(1025));
    here.transact(|tx| {
        tx.describe(&fits)?;
        tx.object("alice").entry("apples").add(1)
    })
    .expect("a transaction");
    let refused = here.transact(|tx| tx.describe(&long));
    let too_long = EditError::LabelTooLong { bytes: 1025, most: 1024 };
    assert_eq!(refused.map(drop), Err(StoreError::Edit(too_long)));
    let nothing = here.transact(|tx| tx.describe("nothing")).expect("nothing to do");
    assert!(nothing.is_empty(), "what changes nothing is written nowhere");
}
