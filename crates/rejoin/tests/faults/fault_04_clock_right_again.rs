//! A clock that was wrong and is right again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin::crdts::Clock;
use rejoin::prelude::*;
use rejoin::replica::storage::Memory;
use rejoin::replica::{Event, Now, OpenOptions, Time};

use crate::wire::sync;

const TODAY: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
const YEAR: u64 = 31_557_600_000;

/// Two clocks that are set by hand and shared by all handles.
#[derive(Clone, Default, Debug)]
struct Hands {
    /// Error of the wall clock.
    ahead: Arc<AtomicU64>,
    elapsed: Arc<AtomicU64>,
}

impl Hands {
    fn set_ahead(&self, millis: u64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }

    fn pass(&self, millis: u64) {
        self.elapsed.fetch_add(millis, Ordering::Relaxed);
    }

    /// The time of a right clock.
    fn right(&self) -> u64 {
        TODAY + self.elapsed.load(Ordering::Relaxed)
    }
}

impl Time for Hands {
    fn now(&self) -> Now {
        let elapsed = self.elapsed.load(Ordering::Relaxed);
        Now { wall: self.right() + self.ahead.load(Ordering::Relaxed), elapsed }
    }
}

impl Clock for Hands {
    fn now_millis(&mut self) -> u64 {
        Time::now(self).wall
    }

    fn now(&mut self) -> Now {
        Time::now(self)
    }
}

type Notes = Space<LwwRegister<String>>;

fn open(memory: &Arc<Memory>, hands: &Hands) -> Store {
    OpenOptions::new().time(Arc::new(hands.clone())).over(memory.clone()).unwrap()
}

/// Writes, and returns how far the stamp is ahead of the right time.
fn write(notes: &Notes, hands: &Hands, text: &str) -> u64 {
    let watch = notes.watch().unwrap();
    notes.transact(|tx| tx.object("note").set(text)).unwrap();
    let change = watch.try_next().unwrap().expect("a change");
    change.stamp.millis().saturating_sub(hands.right())
}

fn own_reports(notes: &Notes) -> usize {
    let reports = notes.take_reports().unwrap();
    reports.iter().filter(|report| matches!(report, Event::OwnSkew(_))).count()
}

#[test]
fn stamps_return_to_the_wall_clock_and_the_store_is_told() {
    let (memory, hands) = (Arc::new(Memory::default()), Hands::default());
    let store = open(&memory, &hands);
    let notes: Notes = store.create_space("notes").unwrap();
    hands.set_ahead(10 * YEAR);
    assert_eq!(write(&notes, &hands, "from ten years ahead"), 10 * YEAR);
    hands.set_ahead(0);
    hands.pass(MINUTE);
    assert!(write(&notes, &hands, "not yet") > 9 * YEAR, "it may be set back for a moment only");
    assert_eq!(own_reports(&notes), 1);
    hands.pass(5 * MINUTE);
    assert_eq!(write(&notes, &hands, "as it should be"), 0);
    assert_eq!(own_reports(&notes), 0, "once");
    assert_eq!(notes.object("note").get().unwrap().as_deref(), Some("as it should be"));
}

/// After a restart, and in a new incarnation, nothing vouches for the wrong time any more.
#[test]
fn nothing_goes_on_in_the_future_after_a_start() {
    for unproven in [false, true] {
        let (memory, hands) = (Arc::new(Memory::default()), Hands::default());
        let store = open(&memory, &hands);
        let notes: Notes = store.create_space("notes").unwrap();
        hands.set_ahead(10 * YEAR);
        write(&notes, &hands, "from ten years ahead");
        drop((notes, store));
        hands.set_ahead(0);
        let mut options = OpenOptions::new().time(Arc::new(hands.clone()));
        if unproven {
            options = options.unproven();
        }
        let store = options.over(memory.clone()).unwrap();
        let notes: Notes = store.open_space("notes").unwrap();
        assert_eq!(write(&notes, &hands, "as it should be"), 0, "unproven: {unproven}");
        assert_eq!(own_reports(&notes), 1);
        assert_eq!(notes.object("note").get().unwrap().as_deref(), Some("as it should be"));
    }
}

/// While its clock is wrong the store cannot know that; a peer that does not follow reveals it.
#[test]
fn a_peers_answer_shows_it() {
    let hands = Hands::default();
    let right = Hands::default();
    let store = open(&Arc::default(), &hands);
    let notes: Notes = store.create_space("notes").unwrap();
    let peer = open(&Arc::default(), &right);
    let there: Notes = peer.join_space("notes", notes.ticket()).unwrap();
    hands.set_ahead(10 * YEAR);
    write(&notes, &hands, "from ten years ahead");
    sync(&notes, &there);
    assert_eq!(own_reports(&notes), 0);
    write(&there, &right, "an answer");
    sync(&notes, &there);
    assert_eq!(own_reports(&notes), 1);
    assert_eq!(notes.object("note").get().unwrap().as_deref(), Some("an answer"));
    write(&there, &right, "another");
    sync(&notes, &there);
    assert_eq!(own_reports(&notes), 0, "once");
}

#[test]
fn a_store_that_boots_in_1970_stamps_no_such_time() {
    #[derive(Debug)]
    struct Unset;
    impl Time for Unset {
        fn now(&self) -> Now {
            Now::default()
        }
    }
    let hands = Hands::default();
    let memory = Arc::new(Memory::default());
    let unset = || OpenOptions::new().time(Arc::new(Unset)).over(memory.clone()).unwrap();
    let earliest = |notes: &Notes, text| {
        let watch = notes.watch().unwrap();
        notes.transact(|tx| tx.object("note").set(text)).unwrap();
        watch.try_next().unwrap().expect("a change").stamp.millis()
    };
    let notes: Notes = unset().create_space("notes").unwrap();
    assert_eq!(earliest(&notes, "new"), rejoin::vclock::EARLIEST_MILLIS);
    drop(notes);
    let notes: Notes = open(&memory, &hands).open_space("notes").unwrap();
    assert_eq!(write(&notes, &hands, "right"), 0);
    drop(notes);
    let notes: Notes = unset().open_space("notes").unwrap();
    // Each opening begins at a random place within a millisecond, which may be the next one.
    let again = earliest(&notes, "unset again");
    assert!((TODAY..=TODAY + 1).contains(&again), "it goes on from the last that was believed");
}

/// A replica in memory, without a store.
#[test]
fn a_plain_replica_follows_its_clock_again() {
    let hands = Hands::default();
    let id = FreshId::random();
    type Note = rejoin::crdts::Replica<LwwRegister<String>, Hands>;
    let mut note = Note::with_clock(id, hands.clone());
    let stamp = |note: &mut Note| note.edit(|note| note.set("text")).unwrap().stamp().millis();
    hands.set_ahead(10 * YEAR);
    assert_eq!(stamp(&mut note), TODAY + 10 * YEAR);
    hands.set_ahead(0);
    hands.pass(MINUTE);
    assert!(stamp(&mut note) > TODAY + 9 * YEAR);
    assert!(note.own_skew().is_some());
    hands.pass(5 * MINUTE);
    assert_eq!(stamp(&mut note), hands.right());
}
