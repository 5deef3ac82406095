//! Version vectors compared with a map from id to count, and with plain sets of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rejoin_vclock::{
    Causality, CounterOutOfRange, Dot, MAX_COUNTER, ReplicaId, VersionVector, codec::Encode,
};

use crate::strategies::{counters, dot, dots, equal_rosters, id, ids, vectors};

type Events = BTreeSet<(u8, u64)>;

/// Three replicas with up to two events each, under ids whose order and halves differ by `layout`.
fn small_world(layout: [u8; 3]) -> Vec<(VersionVector, Events)> {
    let mut world = Vec::new();
    for code in 0..27u64 {
        let counts = [code % 3, code / 3 % 3, code / 9];
        let entries = layout.into_iter().zip(counts);
        let events = entries.clone().flat_map(|(n, count)| (1..=count).map(move |c| (n, c)));
        world.push((entries.map(|(n, count)| (id(n), count)).collect(), events.collect()));
    }
    world
}

/// Ids that are twins, strangers, and two twins with a stranger.
const LAYOUTS: [[u8; 3]; 3] = [[0, 1, 2], [0, 4, 8], [5, 6, 0]];

fn causality_of(mine: &Events, theirs: &Events) -> Causality {
    match (mine.is_superset(theirs), mine.is_subset(theirs)) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::After,
        (false, true) => Causality::Before,
        (false, false) => Causality::Concurrent,
    }
}

fn checked(vector: &VersionVector) -> &VersionVector {
    assert_eq!(vector.validate(), Ok(()), "{vector:?}");
    vector
}

fn events_of(vector: &VersionVector, layout: [u8; 3]) -> Events {
    layout.into_iter().flat_map(|n| (1..=vector.get(id(n))).map(move |c| (n, c))).collect()
}

#[test]
fn every_small_world_behaves_like_a_set_of_events() {
    for layout in LAYOUTS {
        let world = small_world(layout);
        for (left, left_events) in &world {
            assert_eq!(&events_of(checked(left), layout), left_events);
            for (right, right_events) in &world {
                check_pair(layout, (left, left_events), (right, right_events));
            }
        }
    }
}

fn check_pair(layout: [u8; 3], left: (&VersionVector, &Events), right: (&VersionVector, &Events)) {
    let ((left, left_events), (right, right_events)) = (left, right);
    let context = format!("{left:?} and {right:?}");

    let mut joined = left.clone();
    let changed = joined.join(right);
    assert_eq!(events_of(checked(&joined), layout), left_events | right_events, "{context}");
    assert_eq!(changed, joined != *left, "{context}");
    let met = left.meet(right);
    assert_eq!(events_of(checked(&met), layout), left_events & right_events, "{context}");

    let causality = causality_of(left_events, right_events);
    assert_eq!(left.compare(right), causality, "{context}");
    assert_eq!(left.partial_cmp(right), causality.into(), "{context}");
    assert_eq!(left.covers(right), left_events.is_superset(right_events), "{context}");
    assert_eq!(left == right, left_events == right_events, "{context}");
    assert_eq!(left.to_bytes() == right.to_bytes(), left == right, "{context}");

    let number = |replica| layout.into_iter().find(|n| id(*n) == replica).expect("of this world");
    let missing: Events = left
        .missing_from(right)
        .flat_map(|(replica, after, upto)| (after + 1..=upto).map(move |c| (number(replica), c)))
        .collect();
    assert_eq!(missing, left_events - right_events, "{context}");
}

#[test]
fn every_small_world_obeys_the_join_laws() {
    for layout in LAYOUTS {
        let world = small_world(layout);
        for (a, _) in &world {
            for (b, _) in &world {
                for (c, _) in &world {
                    check_join_laws(a, b, c);
                }
            }
        }
    }
}

fn join(left: &VersionVector, right: &VersionVector) -> VersionVector {
    let mut joined = left.clone();
    joined.join(right);
    checked(&joined);
    joined
}

fn check_join_laws(a: &VersionVector, b: &VersionVector, c: &VersionVector) {
    let operands = || format!("a = {a:?}, b = {b:?}, c = {c:?}");
    let ab = join(a, b);
    assert_eq!(ab, join(b, a), "commutative: {}", operands());
    assert_eq!(join(&ab, c), join(a, &join(b, c)), "associative: {}", operands());
    assert_eq!(join(&ab, &ab), ab, "idempotent: {}", operands());
    assert!(ab.covers(a) && ab.covers(b), "inflation: {}", operands());
    assert_eq!(a.covers(b), ab == *a, "the order is the one of join: {}", operands());
    assert_eq!(a.compare(b), b.compare(a).reverse(), "antisymmetric: {}", operands());
    assert!(a.covers(&a.meet(b)) && b.covers(&a.meet(b)), "meet is below: {}", operands());
    assert_eq!(join(a, &a.meet(b)), *a, "absorption: {}", operands());
}

/// An operation of a user on a vector.
#[derive(Clone, Debug)]
enum Command {
    Observe(Dot),
    SetAtLeast(ReplicaId, u64),
    Increment(ReplicaId),
    Join(VersionVector),
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        dots().prop_map(Command::Observe),
        (ids(), prop_oneof![Just(0), counters()]).prop_map(|(id, n)| Command::SetAtLeast(id, n)),
        ids().prop_map(Command::Increment),
        vectors().prop_map(Command::Join),
    ]
}

/// The oracle: a map, raised entry by entry.
fn raise(oracle: &mut BTreeMap<ReplicaId, u64>, replica: ReplicaId, counter: u64) -> bool {
    let before = oracle.get(&replica).copied().unwrap_or(0);
    if counter > before {
        oracle.insert(replica, counter);
    }
    counter > before
}

fn run(vector: &mut VersionVector, oracle: &mut BTreeMap<ReplicaId, u64>, command: &Command) {
    match command {
        Command::Observe(dot) => {
            let news = raise(oracle, dot.replica(), dot.counter());
            assert_eq!(vector.observe(*dot), news);
            assert!(vector.contains(*dot));
        }
        Command::SetAtLeast(id, n) => {
            assert_eq!(vector.set_at_least(*id, *n), raise(oracle, *id, *n));
        }
        Command::Increment(id) => {
            let next = oracle.get(id).copied().unwrap_or(0) + 1;
            assert_eq!(vector.increment(*id), Dot::new(*id, next));
            if next <= MAX_COUNTER {
                oracle.insert(*id, next);
            }
        }
        Command::Join(other) => {
            let raised = other.iter().map(|(id, n)| raise(oracle, id, n)).filter(|news| *news);
            assert_eq!(raised.count() > 0, vector.join(other));
        }
    }
}

proptest! {
    #[test]
    fn any_history_agrees_with_the_oracle(history in proptest::collection::vec(commands(), 0..40)) {
        let (mut vector, mut oracle) = (VersionVector::new(), BTreeMap::new());
        for command in &history {
            run(&mut vector, &mut oracle, command);
            checked(&vector);
        }
        prop_assert!(vector.iter().eq(oracle.iter().map(|(id, n)| (*id, *n))));
        prop_assert_eq!(vector.len(), oracle.len());
        prop_assert_eq!(vector.is_empty(), oracle.is_empty());
        prop_assert_eq!(vector.iter().len(), oracle.len());
        prop_assert_eq!(VersionVector::from_iter(oracle), vector);
    }

    #[test]
    fn collecting_keeps_the_greatest_count(
        entries in proptest::collection::vec((ids(), prop_oneof![Just(0), counters()]), 0..60),
    ) {
        let mut oracle = BTreeMap::new();
        for (id, n) in &entries {
            raise(&mut oracle, *id, *n);
        }
        let vector = VersionVector::from_iter(entries);
        prop_assert!(checked(&vector).iter().eq(oracle));
    }

    #[test]
    fn the_join_laws_hold(a in vectors(), b in vectors(), c in vectors()) {
        check_join_laws(&a, &b, &c);
    }

    #[test]
    fn the_join_laws_hold_on_equal_rosters((a, b) in equal_rosters(), c in vectors()) {
        check_join_laws(&a, &b, &c);
        check_join_laws(&c, &a, &b);
    }

    #[test]
    fn equal_rosters_compare_like_their_counts((a, b) in equal_rosters()) {
        let pairs = || a.iter().zip(&b).map(|((_, mine), (_, theirs))| (mine, theirs));
        let covers = pairs().all(|(mine, theirs)| mine >= theirs);
        prop_assert_eq!(a.covers(&b), covers);
        let mut joined = a.clone();
        prop_assert_eq!(joined.join(&b), !covers);
        let greater = pairs().map(|(mine, theirs)| mine.max(theirs));
        prop_assert!(joined.iter().map(|(_, n)| n).eq(greater));
    }

    #[test]
    fn what_is_missing_is_exactly_what_a_join_brings(a in vectors(), b in vectors()) {
        let mut caught_up = b.clone();
        for (replica, after, upto) in a.missing_from(&b) {
            prop_assert_eq!(after, b.get(replica));
            prop_assert!(after < upto);
            caught_up.set_at_least(replica, upto);
        }
        prop_assert_eq!(caught_up, join(&a, &b));
    }
}

#[test]
fn a_thousand_replicas_stay_sorted_whatever_the_order_of_arrival() {
    let scrambled = |n: u128| ReplicaId::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060));
    let (mut upward, mut downward) = (VersionVector::new(), VersionVector::new());
    for n in 1..=1000 {
        upward.increment(scrambled(n)).expect("the first event");
        downward.increment(scrambled(1001 - n)).expect("the first event");
    }
    assert_eq!(checked(&upward), checked(&downward));
    assert_eq!(upward.len(), 1000);
}

#[test]
fn a_replica_at_the_last_counter_gets_no_further() {
    let mut vector = VersionVector::from_iter([(id(0), MAX_COUNTER)]);
    let before = vector.clone();
    let refused: CounterOutOfRange = vector.increment(id(0)).expect_err("no counter is left");
    assert_eq!(refused.counter, MAX_COUNTER + 1);
    assert_eq!(vector, before);
    assert!(vector.contains(dot(0, MAX_COUNTER)));
}

#[test]
#[should_panic(expected = "counter 1099511627776 is beyond 1099511627775")]
fn a_count_out_of_range_is_a_bug_of_the_caller() {
    VersionVector::new().set_at_least(id(0), MAX_COUNTER + 1);
}

#[test]
fn zero_is_the_same_as_never_seen() {
    let mut vector = VersionVector::from_iter([(id(0), 0)]);
    assert!(!vector.set_at_least(id(1), 0));
    assert_eq!(vector, VersionVector::new());
    assert_eq!(vector.get(id(0)), 0);
}

#[test]
fn debug_shows_a_map() {
    let vector = VersionVector::from_iter([(ReplicaId::from_u128(7 << 96), 3)]);
    assert_eq!(format!("{vector:?}"), "{r:00000007: 3}");
}
