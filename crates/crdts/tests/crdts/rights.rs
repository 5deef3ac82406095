//! Rights of a bounded counter: who may spend, how much a cut-off region may promise, whom to ask.

use rejoin_crdts::counter::{RightsRequest, TransferPolicy};
use rejoin_crdts::{
    BoundedCounter, Delta, EditError, Kind, OrSet, Path, ReadError, Replica, RetiredIds,
};

use crate::forge::{Claim, Forgery};
use crate::world::{Shop, fresh, id};

type Seats = Replica<BoundedCounter>;

fn add(seats: &mut Seats, amount: u64) -> Delta {
    seats.edit(|seats| seats.add(amount)).expect("an edit")
}

fn pass(seats: &mut Seats, amount: u64, to: u128) -> Delta {
    seats.edit(|seats| seats.transfer(amount, id(to))).expect("rights to pass")
}

fn sell(seats: &mut Seats, amount: u64) -> bool {
    match seats.edit(|seats| seats.spend(amount)) {
        Ok(_) => true,
        Err(EditError::NotEnoughRights { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// A store that holds ten units is copied, by a fork and from its bytes: the copies sell nothing,
/// and no unit that the original sells is sold twice.
#[test]
fn line_56_a_copy_under_a_new_id_inherits_no_rights() {
    let mut store = Seats::new(fresh(1));
    add(&mut store, 10);
    let mut fork = store.fork(fresh(2));
    let mut restored = Seats::load(&store.save(), fresh(3)).expect("what is saved loads");
    assert!(!sell(&mut fork, 1) && !sell(&mut restored, 1));
    let refused = fork.edit(|seats| seats.transfer(1, id(3))).expect_err("no rights to pass on");
    let holders = vec![(id(1), 10)];
    let former = Vec::new();
    assert_eq!(refused, EditError::NotEnoughRights { needed: 1, held: 0, holders, former });
    assert!(sell(&mut store, 10) && !sell(&mut store, 1));
    fork.merge(&store);
    restored.merge(&fork);
    assert_eq!((restored.value(), restored.holders()), (Ok(0), vec![]));
}

/// The same if the counter is a field, beside fields that a copy may well change.
#[test]
fn line_56_a_copied_struct_inherits_no_rights() {
    let mut shop = Replica::<Shop>::new(fresh(1));
    shop.edit(|shop| shop.seats().add(1)).expect("an edit");
    let mut copy = shop.fork(fresh(2));
    copy.edit(|copy| copy.lines().entry("pears").add(1)).expect("lines are free");
    assert!(copy.edit(|copy| copy.seats().spend(1)).is_err());
    shop.edit(|shop| shop.seats().spend(1)).expect("the only seat");
}

/// North and South hold rights and are cut off; each sells all it may, and no seat is sold twice.
#[test]
fn both_regions_sell_while_they_are_apart() {
    let mut north = Seats::new(fresh(1));
    add(&mut north, 10);
    pass(&mut north, 4, 2);
    let mut south = north.fork(fresh(2));
    let sold = |seats: &mut Seats| (0..20).filter(|_| sell(seats, 1)).count();
    assert_eq!((sold(&mut north), sold(&mut south)), (6, 4));
    assert_eq!((north.value(), south.value()), (Ok(4), Ok(6)), "what the other sold is unknown");
    north.merge(&south);
    south.merge(&north);
    assert_eq!((north.value(), south.value()), (Ok(0), Ok(0)));
    assert_eq!(north.save(), south.save());
    add(&mut south, 1);
    assert!(!sell(&mut north, 1) && sell(&mut south, 1));
}

/// Transferred rights are gone from the sender at once, and reach the receiver when it hears of the
/// transfer: if it is lost they are nobody's, if it is late they come once, and the same delta
/// again adds nothing.
#[test]
fn a_transfer_is_lost_late_or_doubled() {
    let mut north = Seats::new(fresh(1));
    let grant = add(&mut north, 5);
    let first = pass(&mut north, 2, 2);
    let second = pass(&mut north, 1, 2);
    assert_eq!(north.rights_of(id(1)), 2);
    assert!(!sell(&mut north, 3), "they are passed on, heard of or not");
    let mut south = Seats::new(fresh(2));
    assert!(south.apply(&grant) && !south.apply(&second));
    assert!(!sell(&mut south, 1), "the first transfer is lost: the second waits for it");
    assert!(south.apply(&first));
    assert!(!south.apply(&first) && !south.apply(&second) && !south.merge(&north));
    assert_eq!((south.rights_of(id(2)), south.value()), (3, Ok(5)));
    assert!(sell(&mut south, 3) && !sell(&mut south, 1));
    pass(&mut south, 0, 1);
    north.merge(&south);
    assert_eq!((north.value(), north.holders()), (Ok(2), vec![(id(1), 2)]));
}

/// Rights go round: passed on, passed back, and to oneself, which changes nothing.
#[test]
fn rights_go_round() {
    let mut a = Seats::new(fresh(1));
    add(&mut a, 3);
    let own = a.edit(|seats| seats.transfer(3, id(1))).expect("to oneself");
    assert!(own.is_empty());
    assert!(a.edit(|seats| seats.transfer(4, id(1))).is_err(), "not even to oneself");
    pass(&mut a, 3, 2);
    let mut b = a.fork(fresh(2));
    pass(&mut b, 2, 3);
    let mut c = b.fork(fresh(3));
    pass(&mut c, 1, 1);
    a.merge(&c);
    assert_eq!(a.holders(), [(id(1), 1), (id(2), 1), (id(3), 1)]);
    assert!(sell(&mut a, 1) && sell(&mut b, 1) && sell(&mut c, 1));
    a.merge(&b);
    a.merge(&c);
    assert_eq!(a.value(), Ok(0));
}

/// A transaction sees the rights that it has taken itself.
#[test]
fn one_transaction_spends_only_once() {
    let mut seats = Seats::new(fresh(1));
    let twice = seats.edit(|seats| {
        seats.add(3)?;
        seats.spend(2)?;
        assert_eq!((seats.rights(), seats.value()), (Ok(1), Ok(1)));
        seats.spend(2)
    });
    assert!(matches!(twice, Err(EditError::NotEnoughRights { needed: 2, held: 1, .. })));
    assert!(seats.version_vector().is_empty(), "nothing of it happened");
    let most = seats.edit(|seats| {
        seats.add(u64::MAX)?;
        seats.add(1)
    });
    assert_eq!(most, Err(EditError::Overflow));
}

fn reclaim(seats: &mut Seats, from: &[u128]) -> u64 {
    let retired = RetiredIds::assume_retired(from.iter().map(|&from| id(from)));
    let mut taken = 0;
    let edited = seats.edit(|seats| seats.reclaim(&retired).map(|rights| taken = rights));
    edited.expect("an edit");
    taken
}

/// A replica is gone. Its rights go to another one, with those that were on the way to it.
#[test]
fn fault_12_rights_of_a_retired_replica_are_taken_over() {
    let mut north = Seats::new(fresh(1));
    add(&mut north, 10);
    let mut south = north.fork(fresh(2));
    let on_the_way = pass(&mut north, 3, 4);
    pass(&mut south, 0, 3);
    south.merge(&north);
    assert!(!sell(&mut south, 1));
    assert_eq!(reclaim(&mut south, &[1, 2, 9]), 7, "not its own, and nothing of a stranger");
    let before = south.version_vector();
    assert_eq!((reclaim(&mut south, &[1]), south.version_vector()), (0, before), "once is enough");
    assert_eq!(south.holders(), [(id(2), 7), (id(4), 3)]);
    assert!(sell(&mut south, 7) && !sell(&mut south, 1));
    // Rights that somebody passed to the retired replica become known here later.
    let mut fourth = Seats::new(fresh(4));
    fourth.merge(&north);
    assert!(fourth.apply(&on_the_way) || fourth.rights_of(id(4)) == 3);
    pass(&mut fourth, 2, 1);
    south.merge(&fourth);
    assert_eq!((south.rights_of(id(2)), south.rights_of(id(1))), (2, 0));
    assert!(sell(&mut south, 2) && !sell(&mut south, 1));
    fourth.merge(&south);
    assert_eq!((fourth.value(), fourth.holders()), (Ok(1), vec![(id(4), 1)]));
}

/// A replica that holds nothing at the moment is retired all the same: rights that a replica that
/// has not heard of that passes to it are its heir's.
#[test]
fn fault_12_a_retired_replica_without_rights() {
    let mut first = Seats::new(fresh(1));
    add(&mut first, 10);
    pass(&mut first, 0, 2);
    let mut third = first.fork(fresh(3));
    pass(&mut first, 5, 3);
    third.merge(&first);
    assert_eq!(reclaim(&mut first, &[2]), 0);
    pass(&mut third, 4, 2);
    first.merge(&third);
    assert_eq!(first.holders(), [(id(1), 9), (id(3), 1)]);
}

/// A replica that is wrongly declared retired overspends until the two hear of each other, and no
/// longer.
#[test]
fn fault_12_a_false_declaration_does_harm_once() {
    let mut north = Seats::new(fresh(1));
    add(&mut north, 10);
    let mut south = north.fork(fresh(2));
    assert_eq!(reclaim(&mut south, &[1]), 10);
    assert!(sell(&mut south, 10) && sell(&mut north, 4), "nobody knows yet");
    north.merge(&south);
    south.merge(&north);
    assert_eq!(north.value(), Err(ReadError::Oversold { by: 4 }), "told, and not hidden");
    assert_eq!(north.save(), south.save());
    let retired = Err(EditError::Retired { id: id(1), heir: id(2) });
    assert_eq!(north.edit(|seats| seats.spend(1)), retired);
    assert_eq!(north.edit(|seats| seats.add(6)), retired);
    assert_eq!(north.edit(|seats| seats.transfer(0, id(2))), retired);
    let others = RetiredIds::assume_retired([id(2)]);
    assert_eq!(north.edit(|seats| seats.reclaim(&others).map(drop)), retired);
    assert!(!sell(&mut south, 1));
    add(&mut south, 6);
    assert_eq!((south.value(), south.holders()), (Ok(2), vec![(id(2), 2)]));
    assert_eq!(south.edit(|seats| seats.transfer(1, id(1))), retired, "nor can it be passed any");
    // Under a new id it is a replica like any other.
    north.merge(&south);
    let mut north = north.fork(fresh(3));
    north.apply(&pass(&mut south, 1, 3));
    assert!(sell(&mut north, 1) && !sell(&mut north, 1));
}

/// A store was restored and repeated what it had forgotten: a replica that takes over both has it
/// once.
#[test]
fn fault_12_what_two_took_over_is_there_once() {
    let mut first = Seats::new(fresh(9));
    add(&mut first, 10);
    let (mut second, mut again) = (first.fork(fresh(5)), first.fork(fresh(6)));
    assert_eq!((reclaim(&mut second, &[9]), reclaim(&mut again, &[9])), (10, 10));
    assert!(sell(&mut second, 3) && sell(&mut again, 2));
    let mut last = second.fork(fresh(7));
    last.merge(&again);
    assert_eq!(last.holders(), [(id(5), 7)], "the lesser id has it");
    assert_eq!(reclaim(&mut last, &[6, 9, 5]), 5);
    assert_eq!((last.value(), last.holders()), (Ok(5), vec![(id(7), 5)]));
}

/// Each declared the other gone: one of them has everything, the same one everywhere.
#[test]
fn fault_12_two_who_declare_each_other_retired() {
    let mut north = Seats::new(fresh(1));
    add(&mut north, 10);
    pass(&mut north, 4, 2);
    let mut south = north.fork(fresh(2));
    assert_eq!((reclaim(&mut north, &[2]), reclaim(&mut south, &[1])), (4, 6));
    north.merge(&south);
    south.merge(&north);
    assert_eq!(north.holders(), [(id(2), 10)]);
    assert_eq!(north.save(), south.save());
}

/// One restart after the other: each costs the same, and the last has what is left.
#[test]
fn fault_12_a_long_line_of_successors() {
    let mut seats = Seats::new(fresh(1));
    add(&mut seats, 2_000);
    let mut sizes = Vec::new();
    for (number, left) in (2..=1_000).zip((0..=2_000).rev()) {
        seats = seats.fork(fresh(number));
        assert_eq!(reclaim(&mut seats, &[number - 1]), left);
        assert!(sell(&mut seats, 1));
        sizes.push(seats.save().len());
    }
    assert_eq!(seats.holders(), [(id(1_000), 1_001)]);
    let grown: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(grown.iter().all(|&bytes| bytes <= 64), "{:?}", grown.iter().max());
}

fn asked(requests: &[RightsRequest]) -> Vec<(u128, u64)> {
    let number = |request: &RightsRequest| u128::from_be_bytes(request.from.to_bytes()) >> 96;
    requests.iter().map(|request| (number(request), request.amount)).collect()
}

/// The replicas to ask: those that hold the most, or all in turn; never the asker itself, never for
/// more than is missing, and for less when there is not enough.
#[test]
fn requests_by_policy() {
    let mut seats = Seats::new(fresh(2));
    add(&mut seats, 17);
    [(1, 2), (3, 4), (4, 9)].into_iter().for_each(|(to, amount)| _ = pass(&mut seats, amount, to));
    let ask = |policy, asker, needed| asked(&seats.requests(policy, id(asker), needed));
    let (on_demand, in_turn) = (TransferPolicy::OnDemand, TransferPolicy::RoundRobin);
    assert_eq!(seats.holders(), [(id(4), 9), (id(3), 4), (id(1), 2), (id(2), 2)]);
    for policy in [on_demand, in_turn] {
        assert_eq!(ask(policy, 2, 2), [], "it may already");
        assert_eq!(ask(policy, 9, 0), []);
        let all = ask(policy, 2, 100);
        assert_eq!(all.iter().map(|(_, amount)| amount).sum::<u64>(), 15, "all that others hold");
        assert!(all.iter().all(|&(from, _)| from != 2));
    }
    assert_eq!(ask(on_demand, 2, 6), [(4, 4)]);
    assert_eq!(ask(on_demand, 2, 13), [(4, 9), (3, 2)]);
    assert_eq!(ask(in_turn, 2, 8), [(3, 2), (4, 2), (1, 2)], "the next id first");
    assert_eq!(ask(in_turn, 2, 14), [(3, 4), (4, 6), (1, 2)], "the poor give what they have");
    assert_eq!(ask(in_turn, 9, 4).len(), 4);
    let by_reader = seats.read(|seats| seats.requests(in_turn, id(2), 8));
    assert_eq!(by_reader.map(|asked_for| asked(&asked_for)), Ok(ask(in_turn, 2, 8)));
}

/// Below a key that can be removed there is no bounded counter; if bytes from outside put one
/// there, a removal fails with that reason and leaves everything as it was.
#[test]
fn nothing_above_rights_is_removed() {
    type Untyped = rejoin_crdts::OrMap<String, OrSet<String>>;
    let place = Path::root(Kind::Map).key(&"k".to_owned(), Kind::Map);
    let path = place.key(&"seats".to_owned(), Kind::BoundedCounter);
    let claim = Claim::Rights { granted: 5, spent: 0, moved: None, retires: None, yields: None };
    let mut map = Replica::<rejoin_crdts::OrMap<String, Untyped>>::new(fresh(1));
    map.apply(&Forgery::first(7, path.clone(), claim).delta());
    map.edit(|map| map.entry("k").entry("set").insert("x")).expect("an edit");
    let before = map.save();
    assert_eq!(map.edit(|map| map.remove("k")), Err(EditError::CannotReset { path: path.clone() }));
    assert_eq!(map.edit(|map| map.clear()), Err(EditError::CannotReset { path }));
    assert_eq!(map.save(), before);
    map.edit(|map| map.entry("k").remove("set")).expect("beside it, all is free");
}
