//! Stores that sync: entries that arrive are durable, watched, decided and acknowledged.

use std::sync::Arc;

use rejoin_crdts::{LwwRegister, Rule};
use rejoin_replica::message::Frames;
use rejoin_replica::{
    Config, Durability, Event, Link, LinkError, SessionEnd, SessionId, Space, Store, StoreError,
};

use crate::medium::{Clock, Medium};
use crate::pipes::Cart;

type Carts = Space<Cart>;
type Notes = Space<LwwRegister<String>>;

/// Two links joined by hand.
struct Wire {
    ends: [(Link, SessionId, Frames); 2],
}

impl Wire {
    fn between(a: &Link, b: &Link) -> Self {
        let end =
            |link: &Link| (link.clone(), link.open().expect("a usable store"), Frames::default());
        Self { ends: [end(a), end(b)] }
    }

    /// Moves frames until nothing moves, or a session is over.
    fn settle(&mut self) -> Result<(), LinkError> {
        let mut moved = true;
        while moved {
            moved = false;
            for _ in 0..2 {
                self.ends.rotate_left(1);
                let [from, to] = &mut self.ends;
                while let Some(frame) = from.0.transmit(from.1)? {
                    moved = true;
                    to.2.push(&frame);
                    to.0.handle(to.1, &mut to.2)?;
                }
            }
        }
        Ok(())
    }
}

/// Joins two links until nothing moves, or one of them fails.
pub(crate) fn settle(a: &Link, b: &Link) -> Result<(), LinkError> {
    Wire::between(a, b).settle()
}

/// Makes a store in memory with the given clock.
fn store(clock: &Arc<Clock>) -> Store {
    Store::with_storage(Medium::new(), Config::default(), clock.clone()).expect("a new store")
}

fn add(carts: &Carts, line: &str, amount: i64) -> rejoin_replica::Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(amount)).expect("a transaction").receipt
}

#[test]
fn synced_stores_are_equal_and_stay_so_when_reopened() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["north", "south"].map(|name| directory.path().join(name));
    let stores = paths.each_ref().map(|path| Store::open(path).expect("a new store"));
    let north: Carts = stores[0].create_space("carts").expect("a first space");
    let south: Carts = stores[1].join_space("carts", north.ticket()).expect("joined");
    add(&north, "apples", 2);
    add(&south, "apples", 3);
    let mut wire = Wire::between(&north.link(), &south.link());
    wire.settle().expect("both go on");
    south.transact(|tx| tx.object("alice").remove("apples")).expect("a transaction");
    add(&north, "apples", 1);
    wire.settle().expect("both go on");
    let digest = north.digest().expect("a digest");
    assert_eq!(south.digest(), Ok(digest));
    assert_eq!(north.object("alice").at("apples").value(), Ok(1));
    let vector = south.version_vector();
    drop((north, south, stores, wire));
    for path in &paths {
        let store = Store::open(path).expect("the same store");
        let carts: Carts = store.open_space("carts").expect("the same space");
        assert_eq!((carts.digest(), carts.version_vector()), (Ok(digest), vector.clone()));
    }
}

#[test]
fn a_watch_sees_remote_changes_and_what_was_decided() {
    let clock = Arc::new(Clock::default());
    let (north, south) = (store(&clock), store(&clock));
    let here: Notes = north.create_space("notes").expect("a first space");
    let there: Notes = south.join_space("notes", here.ticket()).expect("joined");
    let write = |notes: &Notes, text: &str| {
        notes.transact(|tx| tx.object("alice").set(text)).expect("a transaction");
    };
    let watch = here.watch().expect("a watch");
    write(&here, "ring once");
    clock.pass(1_000);
    write(&there, "ring twice");
    Wire::between(&here.link(), &there.link()).settle().expect("both go on");
    let own = watch.try_next().expect("no lag").expect("one's own change");
    assert_eq!((Some(own.origin), own.decisions.len()), (north.replica_id(), 0));
    let remote = watch.try_next().expect("no lag").expect("the other's change");
    assert_eq!(Some(remote.origin), south.replica_id());
    assert_eq!(remote.edits().next().unwrap().path.object_key().as_deref(), Some("alice"));
    assert_eq!(watch.try_next(), Ok(None));
    let conflicts = here.conflicts().oldest_first().page(usize::MAX).expect("conflicts");
    let told = |decided: &dyn ToString| decided.to_string();
    let told_twice =
        (remote.decisions.iter().map(|it| told(it)), conflicts.iter().map(|it| told(it)));
    assert!(told_twice.0.eq(told_twice.1));
    let [conflict] = &conflicts[..] else { panic!("one conflict: {conflicts:?}") };
    assert_eq!(conflict.rule, Rule::LastWriterWins);
    assert_eq!(conflict.kept[0].action.value::<String>().as_deref(), Ok("ring twice"));
    assert_eq!(conflict.overridden[0].action.value::<String>().as_deref(), Ok("ring once"));
    assert_eq!(here.object("alice").get(), Ok(Some("ring twice".to_owned())));
    write(&here, "ring at the back");
    assert_eq!(here.object("alice").concurrent(), Ok(vec!["ring at the back".to_owned()]));
    assert_eq!(there.take_reports(), Ok(vec![]));
}

/// More arrives at once than the core keeps for a watch: the subscriber learns how much it missed.
#[test]
fn a_watch_counts_what_was_dropped_on_the_way_to_it() {
    let clock = Arc::new(Clock::default());
    let (north, south) = (store(&clock), store(&clock));
    let here: Carts = north.create_space("carts").expect("a first space");
    let there: Carts = south.join_space("carts", here.ticket()).expect("joined");
    for _ in 0..100_100 {
        add(&here, "apples", 1);
    }
    let watch = there.watch().expect("a watch");
    let [from, to] = [here.link(), there.link()];
    let [there_now, here_now] = [to.open(), from.open()].map(|session| session.expect("usable"));
    let (mut frames, mut answers) = (Frames::default(), Frames::default());
    answers.push(&to.transmit(there_now).expect("it goes on").expect("a hello"));
    from.handle(here_now, &mut answers).expect("fine");
    while let Some(frame) = from.transmit(here_now).expect("it goes on") {
        frames.push(&frame);
    }
    to.handle(there_now, &mut frames).expect("it goes on");
    assert_eq!(there.digest(), here.digest());
    assert_eq!(
        watch.try_next().map(|_| ()),
        Err(StoreError::ChangesMissed { missed: 100_100 - 4_096 })
    );
    assert_eq!(watch.try_next().map(|change| change.map(|change| change.last)), Ok(Some(96_005)));
}

#[test]
fn a_peer_says_what_it_holds_once_that_is_durable() {
    let clock = Arc::new(Clock::default());
    let (north, south) = (store(&clock), store(&clock));
    let here: Carts = north.create_space("carts").expect("a first space");
    let there: Carts = south.join_space("carts", here.ticket()).expect("joined");
    let mut wire = Wire::between(&here.link(), &there.link());
    let receipt = add(&here, "apples", 1);
    wire.settle().expect("both go on");
    assert_eq!(here.held_by(&receipt), Ok(vec![]));
    clock.pass(50);
    wire.settle().expect("both go on");
    assert_eq!(here.held_by(&receipt), Ok(Vec::from_iter(south.replica_id())));
    assert_eq!(here.link().connected(), Ok(Vec::from_iter(south.replica_id())));
}

#[test]
fn spaces_of_one_store_sync_apart() {
    let clock = Arc::new(Clock::default());
    let (north, south) = (store(&clock), store(&clock));
    let [carts, orders] = ["carts", "orders"].map(|name| north.create_space::<Cart>(name));
    let (carts, orders) = (carts.expect("a space"), orders.expect("a space"));
    let joined: Carts = south.join_space("orders", orders.ticket()).expect("joined");
    add(&carts, "apples", 1);
    add(&orders, "pears", 1);
    let mut wire = Wire::between(&orders.link(), &joined.link());
    wire.settle().expect("both go on");
    assert_eq!(joined.digest(), orders.digest());
    assert_eq!(joined.object("alice").keys(), Ok(vec!["pears".to_owned()]));
    let mut wrong = Wire::between(&carts.link(), &joined.link());
    let before = (carts.digest(), joined.digest());
    let refused = wrong.settle().expect_err("two lineages never merge");
    assert!(refused.to_string().contains("join it by its ticket"), "{refused}");
    assert!(matches!(refused, LinkError::Ended(SessionEnd::Refused(_))));
    assert_eq!((carts.digest(), joined.digest()), before);
}

/// S2 at the level of a store: a peer sees nothing that is written but not yet durable.
#[test]
fn what_is_buffered_stays_at_home() {
    let clock = Arc::new(Clock::default());
    let (north, south) = (store(&clock), store(&clock));
    let here: Carts = north.create_space("carts").expect("a first space");
    let there: Carts = south.join_space("carts", here.ticket()).expect("joined");
    let mut wire = Wire::between(&here.link(), &there.link());
    wire.settle().expect("both go on");
    let buffered = here.with_durability(Durability::Buffered);
    let receipt = add(&buffered, "apples", 1);
    clock.pass(60);
    wire.settle().expect("both go on");
    assert!(!here.receipt(receipt).expect("a receipt").is_durable());
    assert_eq!(there.object("alice").at("apples").value(), Ok(0));
    // A hello that is made now must not claim it either.
    let mut second = Wire::between(&here.link(), &there.link());
    second.settle().expect("both go on");
    assert_eq!(there.held_by(&receipt), Ok(vec![]));
    here.link().tick().expect("a usable store"); // a transport calls this from time to time
    assert!(here.receipt(receipt).expect("a receipt").is_durable());
    second.settle().expect("both go on");
    assert_eq!(there.object("alice").at("apples").value(), Ok(1));
}

/// A lost record is quarantined, asked for again, and there after a restart.
#[test]
fn a_damaged_record_is_not_passed_on_and_comes_back_from_a_peer() {
    let clock = Arc::new(Clock::default());
    let medium = Medium::new();
    let north = Store::with_storage(medium.clone(), Config::default(), clock.clone());
    let (north, south, east) = (north.expect("a new store"), store(&clock), store(&clock));
    let here: Carts = north.create_space("carts").expect("a first space");
    let [there, third]: [Carts; 2] =
        [&south, &east].map(|store| store.join_space("carts", here.ticket()).expect("joined"));
    for line in ["apples", "pears", "plums"] {
        add(&here, line, 1);
    }
    settle(&here.link(), &there.link()).expect("it goes on");
    north.close().expect("closed");
    medium.damage_record(0, 1, |bytes| bytes[20] ^= 4);
    settle(&here.link(), &third.link()).expect("it goes on");
    assert_eq!(third.stats().expect("stats").entries, 1, "what comes after it cannot be used");
    let reports = here.take_reports().expect("readable");
    let [Event::Damage { what, .. }] = &reports[..] else { panic!("{reports:?}") };
    assert!(what.contains("log record 1 of \"carts\""), "{what}");
    let mut wire = Wire::between(&here.link(), &there.link());
    wire.settle().expect("it goes on");
    here.link().tick().expect("it asks again");
    wire.settle().expect("it goes on");
    for restarted in [false, true] {
        let again =
            Store::with_storage(medium.after_power_loss(), Config::default(), clock.clone());
        let again = again.expect("a store").open_space("carts").expect("there");
        let from: &Carts = if restarted { &again } else { &here };
        let fresh: Carts = store(&clock).join_space("carts", here.ticket()).expect("joined");
        settle(&from.link(), &fresh.link()).expect("it goes on");
        assert_eq!(fresh.digest(), here.digest(), "it is there again, restarted: {restarted}");
    }
}
