//! Origins that lie: deltas that end dots they cannot know, go back in time, or invent sums.
//!
//! A liar may write what it likes below its own dots. But two honest replicas that have seen the
//! same deltas must never show different values, or save bytes that nobody can load.

mod court;

use rejoin_crdts::delta::Delta;
use rejoin_crdts::{
    BoundedCounter, Kind, OrMap, OrSet, Path, PnCounter, ReadError, Replica, RwSet,
};
use rejoin_vclock::codec::{Decode, Encode};

use crate::forge::{Claim, Forgery};
use crate::world::{fresh, id};

/// A delta that names dots that nobody here has seen waits for them, and changes nothing.
#[test]
fn what_nobody_has_seen_is_waited_for() {
    let root = Path::root(Kind::Set);
    let element = root.key(&"x".to_owned(), Kind::Element);
    let unseen = vec![(1, 2)];
    let claims = [
        (element.clone(), Claim::Element { ends: unseen.clone(), add: false }),
        (element, Claim::Element { ends: unseen.clone(), add: true }),
        (root, Claim::Below { seen: unseen }),
    ];
    for (path, claim) in claims {
        let mut origin = Replica::<OrSet<String>>::new(fresh(1));
        let first = origin.edit(|set| set.insert("x")).expect("an edit");
        let second = origin.edit(|set| set.insert("x")).expect("an edit");
        let forged = Forgery::first(8, path, claim).delta();

        let mut early = Replica::<OrSet<String>>::new(fresh(2));
        early.apply(&first);
        let before = early.save();
        assert!(!early.apply(&forged), "it names 1:2, which is not here");
        assert_eq!((early.held(), early.save()), (1, before));
        assert_eq!(early.missing().get(id(1)), 2);
        early.apply(&second);

        let mut late = Replica::<OrSet<String>>::new(fresh(3));
        [&first, &second, &forged].iter().for_each(|delta| _ = late.apply(delta));
        assert_eq!(early.version_vector(), late.version_vector());
        assert_eq!(early.save(), late.save());
    }
}

/// A floor that names a count that is not here waits for it, too.
#[test]
fn a_floor_for_what_nobody_has_seen_is_waited_for() {
    let mut origin = Replica::<PnCounter>::new(fresh(1));
    let first = origin.edit(|counter| counter.add(5)).expect("an edit");
    let second = origin.edit(|counter| counter.add(5)).expect("an edit");
    let floors = vec![((1, 2), [1, 10, 0])];
    let path = Path::root(Kind::Counter);
    let forged = Forgery::first(8, path, Claim::Reset { floors }).delta();
    let mut receiver = Replica::<PnCounter>::new(fresh(2));
    receiver.apply(&first);
    assert!(!receiver.apply(&forged));
    assert_eq!(receiver.value(), Ok(5));
    receiver.apply(&second);
    assert_eq!((receiver.value(), receiver.held()), (Ok(0), 0));
}

/// A claim of an operation about its own origin's future is refused when its bytes are decoded.
#[test]
fn what_comes_later_in_its_own_history_is_refused() {
    let set = Path::root(Kind::Set).key(&1_u8, Kind::Element);
    let contested = Path::root(Kind::RwSet).key(&1_u8, Kind::Contested);
    let counter = Path::root(Kind::Counter);
    let floors = vec![((8, 3), [1, 1, 0])];
    for (path, claim) in [
        (set.clone(), Claim::Element { ends: vec![(8, 3)], add: false }),
        (set, Claim::Element { ends: vec![(8, 4)], add: true }),
        (contested.clone(), Claim::Contest { ends: vec![(8, 3)], put: Some(true) }),
        (contested, Claim::Contest { ends: vec![(8, 9)], put: None }),
        (counter.clone(), Claim::Count([4, 1, 0])),
        (counter, Claim::Reset { floors }),
    ] {
        let forgery = Forgery::at(8, 3, path, claim);
        assert!(forgery.decode().is_err(), "{forgery:?}");
    }
}

/// A delta of a stranger about a counter at the root.
fn claims(origin: u128, first: u64, claim: Claim) -> Delta {
    Forgery::at(origin, first, Path::root(Kind::Counter), claim).delta()
}

/// Checks two orders of the same deltas, and both merged in either order: one value, and bytes that
/// load.
fn agree(one: &[&Delta], other: &[&Delta]) -> Replica<PnCounter> {
    let [mut left, mut right] = [21, 22].map(|id| Replica::<PnCounter>::new(fresh(id)));
    let mut half = Replica::<PnCounter>::new(fresh(23));
    one.iter().for_each(|delta| _ = left.apply(delta));
    other.iter().for_each(|delta| _ = right.apply(delta));
    one[..one.len() / 2].iter().for_each(|delta| _ = half.apply(delta));
    assert_eq!(left.version_vector(), right.version_vector());
    assert_eq!(left.save(), right.save(), "two orders");
    half.merge(&left);
    assert_eq!(half.save(), left.save(), "the log and a merge");
    assert!(Replica::<PnCounter>::load(&left.save(), fresh(24)).is_ok());
    left
}

/// A floor beyond the last count, over a dot that counted somewhere else.
#[test]
fn a_floor_beyond_its_record_is_kept_alike() {
    type Both = OrMap<String, PnCounter>;
    let mut honest = Replica::<Both>::new(fresh(1));
    let here = honest.edit(|both| both.entry("here").add(5)).expect("an edit");
    let there = honest.edit(|both| both.entry("there").add(5)).expect("an edit");
    let path = Path::root(Kind::Map).key(&"here".to_owned(), Kind::Counter);
    let claim = Claim::Reset { floors: vec![((1, 2), [1, 5, 0])] };
    let forged = Forgery::first(8, path, claim).delta();
    let mut reader = Replica::<Both>::new(fresh(2));
    [&here, &there, &forged].iter().for_each(|delta| _ = reader.apply(delta));
    assert_eq!(reader.at("here").value(), Ok(0));
    let loaded = Replica::<Both>::load(&reader.save(), fresh(3)).expect("what is saved loads");
    assert_eq!(loaded.save(), reader.save());
    honest.merge(&loaded);
    honest.edit(|both| both.entry("here").add(1)).expect("an edit");
    assert_eq!(honest.at("here").value(), Ok(1), "the owner starts anew");
}

/// A floor from before the record's start does not displace one that holds, however late a dot it
/// names: otherwise the replica that hears of it last would hold no floor at all.
#[test]
fn a_void_floor_displaces_nothing() {
    let mut honest = Replica::<PnCounter>::new(fresh(1));
    let mut edit = |amount| {
        let change = honest.edit(|counter| match amount {
            Some(amount) => counter.add(amount),
            None => counter.reset(),
        });
        change.expect("an edit")
    };
    // Count, reset, count again: the record starts at 1:3.
    let deltas = [edit(Some(3)), edit(None), edit(Some(4))];
    let mut other = Replica::<PnCounter>::new(fresh(2));
    deltas.iter().for_each(|delta| _ = other.apply(delta));
    let floor = other.edit(|counter| counter.reset()).expect("an edit");
    let later = edit(Some(5));
    let void = claims(8, 1, Claim::Reset { floors: vec![((1, 4), [1, 3, 0])] });
    let [a, b, c] = &deltas;
    let all = agree(&[a, b, c, &later, &floor, &void], &[a, b, c, &later, &void, &floor]);
    assert_eq!(all.value(), Ok(5), "the 4 that were seen are gone, the 5 are not");
}

/// A record's start never goes back: by the log the last claim would stand, by a merge the one with
/// the greatest start.
#[test]
fn a_start_that_goes_back_is_ignored() {
    let forged = [claims(8, 1, Claim::Count([1, 1, 0])), claims(8, 2, Claim::Count([2, 2, 0]))];
    let back = claims(8, 3, Claim::Count([1, 9, 0]));
    let all = [&forged[0], &forged[1], &back];
    assert_eq!(agree(&all, &all).value(), Ok(2));
    let mut half = Replica::<PnCounter>::new(fresh(2));
    half.apply(all[0]);
    half.apply(all[1]);
    assert!(half.apply(&back), "it is new");
    assert_eq!(half.value(), Ok(2), "it changes nothing that is to be seen");
}

/// A record that continues one that nobody has: a floor that was named before it came would hold
/// for the replicas that hear of the floor last, and would be unknown to those that heard of it
/// first.
#[test]
fn a_record_begins_where_it_begins() {
    let element = Path::root(Kind::Set).key(&7_u8, Kind::Element);
    let other = Claim::Element { ends: Vec::new(), add: true };
    let elsewhere = Forgery::at(8, 1, element, other).delta();
    let floor = claims(9, 1, Claim::Reset { floors: vec![((8, 1), [1, 6, 0])] });
    let continued = claims(8, 2, Claim::Count([1, 6, 0]));
    let value = agree(&[&elsewhere, &floor, &continued], &[&elsewhere, &continued, &floor]);
    assert_eq!(value.value(), Ok(6));
}

/// Somebody writes under another replica's id. The victim gets that write back in a state, and its
/// deltas can still be understood: none of them names the victim itself among its deps.
#[test]
fn who_was_impersonated_is_still_understood() {
    let mut victim = Replica::<OrSet<u8>>::new(fresh(1));
    victim.edit(|set| set.insert(&1)).expect("an edit");
    let mut other = victim.fork(fresh(2));
    let element = Path::root(Kind::Set).key(&7_u8, Kind::Element);
    let claim = Claim::Element { ends: Vec::new(), add: true };
    assert!(other.apply(&Forgery::at(1, 2, element, claim).delta()));
    assert!(victim.merge(&other));
    let next = victim.edit(|set| set.insert(&2)).expect("an edit");
    assert_eq!((next.first(), next.deps()), (3, Vec::new()));
    assert_eq!(Delta::from_bytes(&next.to_bytes()), Ok(next));
}

/// An origin ends a retained remove without an add, as no honest one does: the effect is the same
/// for everybody.
#[test]
fn a_remove_that_a_liar_ends_is_gone_everywhere() {
    let mut honest = Replica::<RwSet<String>>::new(fresh(1));
    let add = honest.edit(|set| set.insert("x")).expect("an edit");
    let mut other = Replica::<RwSet<String>>::new(fresh(2));
    other.apply(&add);
    let remove = other.edit(|set| set.remove("x")).expect("an edit");
    let element = Path::root(Kind::RwSet).key(&"x".to_owned(), Kind::Contested);
    let claim = Claim::Contest { ends: vec![(2, 1)], put: None };
    let forged = Forgery::first(8, element, claim).delta();
    let mut early = Replica::<RwSet<String>>::new(fresh(3));
    assert!(!early.apply(&forged), "it names 2:1, which is not here");
    [&add, &remove].into_iter().for_each(|delta| _ = early.apply(delta));
    other.apply(&forged);
    honest.merge(&other);
    assert_eq!((honest.save(), early.save()), (other.save(), other.save()));
    assert!(honest.is_empty());
}

/// Shares that go below zero, or back: everybody shows the same, the liar may spend nothing, and
/// the rights of the honest are untouched.
#[test]
fn a_liar_overspends_alone() {
    let path = Path::root(Kind::BoundedCounter);
    let rights = |first, granted, spent, moved| {
        let claim = Claim::Rights { granted, spent, moved, retires: None, yields: None };
        Forgery::at(8, first, path.clone(), claim).delta()
    };
    let lies = [rights(1, 2, 9, None), rights(2, 1, 9, Some((1, 3))), rights(3, 0, 0, None)];
    let mut honest = Replica::<BoundedCounter>::new(fresh(1));
    let own = honest.edit(|seats| seats.add(20)).expect("an edit");
    let mut copy = Replica::<BoundedCounter>::new(fresh(2));
    for lie in &lies {
        honest.apply(lie);
        assert_eq!(honest.rights_of(id(8)), 0);
        assert!(honest.rights_of(id(1)) >= 20);
        let loaded = Replica::<BoundedCounter>::load(&honest.save(), fresh(4));
        assert_eq!(loaded.expect("what is saved loads").save(), honest.save());
    }
    [&own, &lies[0], &lies[1]].into_iter().for_each(|delta| _ = copy.apply(delta));
    assert_eq!(copy.value(), Ok(12));
    copy.merge(&honest);
    assert_eq!(copy.save(), honest.save());
    honest.edit(|seats| seats.spend(20)).expect("its own rights");
    let mut beggar = Replica::<BoundedCounter>::new(fresh(5));
    beggar.apply(&lies[0]);
    assert_eq!(beggar.value(), Err(ReadError::Oversold { by: 7 }), "a named error");
}
