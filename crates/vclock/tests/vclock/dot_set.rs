//! Dot sets compared with plain sets of events.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rejoin_vclock::{Causality, Dot, DotSet, MAX_COUNTER, ReplicaId, VersionVector, codec::Encode};

use crate::strategies::{dot, dot_sets, id, short_runs};

type Events = BTreeSet<Dot>;

/// Every event of a world of two replicas with four events each.
fn universe() -> Vec<Dot> {
    [0, 4].into_iter().flat_map(|n| (1..=4).map(move |counter| dot(n, counter))).collect()
}

/// All 256 sets over the universe, each beside its oracle.
fn small_world() -> Vec<(DotSet, Events)> {
    let universe = universe();
    let subset = |bits: u32| universe.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1);
    (0..1u32 << universe.len())
        .map(|bits| {
            let events: Events = subset(bits).map(|(_, dot)| *dot).collect();
            (events.iter().copied().collect(), events)
        })
        .collect()
}

fn checked(set: &DotSet) -> &DotSet {
    assert_eq!(set.validate(), Ok(()), "{set:?}");
    set
}

fn events_of(set: &DotSet) -> Events {
    let events: Vec<Dot> = checked(set).iter().collect();
    assert!(events.is_sorted(), "{set:?} lists {events:?}");
    events.into_iter().collect()
}

fn join(left: &DotSet, right: &DotSet) -> DotSet {
    let mut joined = left.clone();
    joined.join(right);
    checked(&joined);
    joined
}

#[test]
fn every_small_world_behaves_like_a_set_of_events() {
    let world = small_world();
    for (left, left_events) in &world {
        assert_eq!(&events_of(left), left_events);
        for (right, right_events) in &world {
            check_pair((left, left_events), (right, right_events));
        }
    }
}

fn check_pair(left: (&DotSet, &Events), right: (&DotSet, &Events)) {
    let ((left, left_events), (right, right_events)) = (left, right);
    let mut joined = left.clone();
    let changed = joined.join(right);
    assert_eq!(events_of(&joined), left_events | right_events, "{left:?} and {right:?}");
    assert_eq!(changed, joined != *left, "{left:?} and {right:?}");

    let covers = left_events.is_superset(right_events);
    let is_covered = left_events.is_subset(right_events);
    let causality = match (covers, is_covered) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::After,
        (false, true) => Causality::Before,
        (false, false) => Causality::Concurrent,
    };
    assert_eq!(left.covers(right), covers, "{left:?} and {right:?}");
    assert_eq!(left.compare(right), causality, "{left:?} and {right:?}");
    assert_eq!(left.partial_cmp(right), causality.into(), "{left:?} and {right:?}");
    assert_eq!(left == right, left_events == right_events, "{left:?} and {right:?}");
    assert_eq!(left.to_bytes() == right.to_bytes(), left == right, "{left:?} and {right:?}");
}

#[test]
fn every_insertion_into_every_small_world_is_right() {
    for (set, events) in small_world() {
        for dot in universe() {
            let (mut grown, mut grown_events) = (set.clone(), events.clone());
            assert_eq!(set.contains(dot), events.contains(&dot), "{set:?} contains {dot}");
            assert_eq!(grown.insert(dot), grown_events.insert(dot), "{set:?} + {dot}");
            assert_eq!(events_of(&grown), grown_events, "{set:?} + {dot}");
        }
        for (first, last) in (1..=4).flat_map(|first| (0..=4).map(move |last| (first, last))) {
            check_run((&set, &events), first, last);
        }
    }
}

fn check_run((set, events): (&DotSet, &Events), first: u64, last: u64) {
    let mut grown = set.clone();
    let outcome = grown.insert_run(id(4), first, last);
    if last == 0 {
        assert_eq!(outcome.expect_err("there is no event 0").counter, 0);
        assert_eq!(grown, *set);
        return;
    }
    let grown_events: Events =
        events.iter().copied().chain((first..=last).map(|n| dot(4, n))).collect();
    assert_eq!(outcome, Ok(grown_events != *events), "{set:?} + {first}..={last}");
    assert_eq!(events_of(&grown), grown_events, "{set:?} + {first}..={last}");
}

#[test]
fn every_vector_joins_every_small_world() {
    for (set, events) in small_world() {
        for (here, there) in (0..=4).flat_map(|here| (0..=4).map(move |there| (here, there))) {
            let vector = VersionVector::from_iter([(id(0), here), (id(4), there)]);
            let covered = (1..=here).map(|n| dot(0, n)).chain((1..=there).map(|n| dot(4, n)));
            let joined_events: Events = events.iter().copied().chain(covered).collect();
            let mut joined = set.clone();
            assert_eq!(joined.join_vector(&vector), joined_events != events, "{set:?}, {vector:?}");
            assert_eq!(events_of(&joined), joined_events, "{set:?}, {vector:?}");
        }
    }
}

/// One replica with six events: all sets, all triples of them.
#[test]
fn every_small_world_obeys_the_join_laws() {
    let world: Vec<DotSet> = (0..1u64 << 5)
        .map(|bits| (1..=5).filter(|n| bits >> (n - 1) & 1 == 1).map(|n| dot(0, n)).collect())
        .collect();
    for a in &world {
        for b in &world {
            for c in &world {
                check_join_laws(a, b, c);
            }
        }
    }
}

fn check_join_laws(a: &DotSet, b: &DotSet, c: &DotSet) {
    let operands = || format!("a = {a:?}, b = {b:?}, c = {c:?}");
    let ab = join(a, b);
    assert_eq!(ab, join(b, a), "commutative: {}", operands());
    assert_eq!(join(&ab, c), join(a, &join(b, c)), "associative: {}", operands());
    assert_eq!(join(&ab, &ab), ab, "idempotent: {}", operands());
    assert!(ab.covers(a) && ab.covers(b), "inflation: {}", operands());
    assert_eq!(a.covers(b), ab == *a, "the order is the one of join: {}", operands());
}

/// An operation of a user on a set.
#[derive(Clone, Debug)]
enum Command {
    Insert(Dot),
    InsertRun(ReplicaId, u64, u64),
    Join(DotSet),
    JoinVector(VersionVector),
}

fn commands() -> impl Strategy<Value = Command> {
    let small_vectors = proptest::collection::vec(((0..5u8).prop_map(id), 1..20u64), 0..3)
        .prop_map(VersionVector::from_iter);
    let single_dots = short_runs().prop_map(|(id, n, _)| Dot::new(id, n).expect("in range"));
    prop_oneof![
        4 => single_dots.prop_map(Command::Insert),
        4 => short_runs().prop_map(|(id, first, last)| Command::InsertRun(id, first, last)),
        1 => dot_sets().prop_map(Command::Join),
        1 => small_vectors.prop_map(Command::JoinVector),
    ]
}

fn run(set: &mut DotSet, oracle: &mut Events, command: &Command) {
    let before = oracle.clone();
    let changed = match command {
        Command::Insert(dot) => {
            oracle.insert(*dot);
            set.insert(*dot)
        }
        Command::InsertRun(id, first, last) => {
            oracle.extend((*first..=*last).map(|n| Dot::new(*id, n).expect("in range")));
            set.insert_run(*id, *first, *last).expect("in range")
        }
        Command::Join(other) => {
            oracle.extend(other.iter());
            set.join(other)
        }
        Command::JoinVector(vector) => {
            oracle.extend(DotSet::from(vector.clone()).iter());
            set.join_vector(vector)
        }
    };
    assert_eq!(changed, *oracle != before, "{command:?} on {set:?}");
}

proptest! {
    #[test]
    fn any_history_agrees_with_the_oracle(history in proptest::collection::vec(commands(), 0..40)) {
        let (mut set, mut oracle) = (DotSet::new(), Events::new());
        for command in &history {
            run(&mut set, &mut oracle, command);
            checked(&set);
        }
        prop_assert_eq!(events_of(&set), oracle.clone());
        prop_assert_eq!(set.is_empty(), oracle.is_empty());
        prop_assert_eq!(set.is_contiguous(), set.runs().next().is_none());
        prop_assert_eq!(oracle.iter().copied().collect::<DotSet>(), set.clone());
        prop_assert_eq!(oracle.iter().rev().copied().collect::<DotSet>(), set);
    }

    #[test]
    fn the_join_laws_hold(a in dot_sets(), b in dot_sets(), c in dot_sets()) {
        check_join_laws(&a, &b, &c);
    }

    #[test]
    fn the_vector_is_the_greatest_prefix(set in dot_sets()) {
        for (replica, count) in set.vector() {
            prop_assert!(set.contains(Dot::new(replica, count).expect("in range")));
            if count < MAX_COUNTER {
                prop_assert!(!set.contains(Dot::new(replica, count + 1).expect("in range")));
            }
        }
    }
}

#[test]
fn a_run_out_of_range_changes_nothing() {
    let mut set = DotSet::from_iter([dot(0, 2)]);
    let before = set.clone();
    for (first, last) in [(0, 3), (3, MAX_COUNTER + 1), (MAX_COUNTER + 1, u64::MAX)] {
        assert!(set.insert_run(id(0), first, last).is_err(), "{first}..={last}");
        assert_eq!(set, before);
    }
    assert_eq!(set.insert_run(id(0), 5, 3), Ok(false), "an empty run");
    assert_eq!(set, before);
}

#[test]
fn a_run_of_all_events_costs_one_entry() {
    let mut set = DotSet::new();
    assert_eq!(set.insert_run(id(0), 2, MAX_COUNTER), Ok(true));
    assert_eq!(checked(&set).runs().count(), 1);
    assert!(set.insert(dot(0, 1)));
    assert!(checked(&set).is_contiguous());
    assert_eq!(set.vector().get(id(0)), MAX_COUNTER);
}

#[test]
fn debug_shows_runs() {
    let set = DotSet::from_iter([dot(0, 1), dot(0, 2), dot(0, 4)]);
    assert_eq!(format!("{set:?}"), "{00000000:1..=2, 00000000:4..=4}");
    let run = set.runs().next().expect("a run beyond the gap");
    assert_eq!((run.replica(), run.first(), run.last()), (id(0), 4, 4));
    assert_eq!(run.dots().collect::<Vec<_>>(), [dot(0, 4)]);
}
