//! Deltas that come before their deps: they wait, within a bound, and the replica reports what is
//! missing.

use rejoin_crdts::path::MAX_VALUE_BYTES;
use rejoin_crdts::{Delta, LwwRegister, OrSet, Replica};

use crate::forge::{Claim, Forgery};
use crate::world::{fresh, id};

type Note = LwwRegister<Vec<u8>>;

/// One mebibyte: four of these fill the room for waiting deltas.
const LARGE: usize = 1 << 20;

fn large_notes(origin: &mut Replica<Note>, count: u8) -> Vec<Delta> {
    let write = |n| origin.edit(|note| note.set(vec![n; LARGE])).expect("an edit");
    (0..count).map(write).collect()
}

#[test]
fn what_waits_is_bounded_and_comes_again() {
    let mut origin = Replica::<Note>::new(fresh(1));
    let deltas = large_notes(&mut origin, 8);
    let mut reader = Replica::<Note>::new(fresh(2));
    for delta in deltas[1..].iter().rev() {
        assert!(!reader.apply(delta), "the first is missing");
    }
    assert_eq!(reader.held(), 3, "three and their frames fit into four mebibytes");
    assert!(reader.version_vector().is_empty());
    assert_eq!(reader.missing().get(id(1)), 5, "the rest waits here");

    assert!(reader.apply(&deltas[0]));
    assert_eq!(reader.version_vector().get(id(1)), 1, "those that waited are the last three");
    assert_eq!(reader.missing().get(id(1)), 5);
    let changed = deltas[1..].iter().filter(|delta| reader.apply(delta)).count();
    assert_eq!(changed, 4, "the fifth brings along the three that waited");
    assert_eq!((reader.held(), reader.missing().is_empty()), (0, true));
    assert_eq!(reader.save(), origin.save());
}

/// It used to be dropped silently, and nothing reported it as missing.
#[test]
fn fault_11_the_largest_delta_waits_like_any_other() {
    let mut origin = Replica::<Note>::new(fresh(1));
    let first = origin.edit(|note| note.set(vec![1])).expect("an edit");
    let largest = origin.edit(|note| note.set(vec![0; MAX_VALUE_BYTES])).expect("an edit");
    let mut reader = Replica::<Note>::new(fresh(2));
    assert!(!reader.apply(&largest));
    assert_eq!((reader.held(), reader.missing().get(id(1))), (1, 1));
    assert!(reader.apply(&first));
    assert_eq!(reader.save(), origin.save());
}

#[test]
fn room_is_given_back() {
    let mut origin = Replica::<Note>::new(fresh(1));
    let mut reader = Replica::<Note>::new(fresh(2));
    for round in 0..5 {
        let deltas = large_notes(&mut origin, 4);
        deltas[1..].iter().for_each(|delta| _ = reader.apply(delta));
        assert_eq!(reader.held(), 3, "round {round}");
        reader.apply(&deltas[0]);
        assert_eq!(reader.held(), 0, "round {round}");
    }
    assert_eq!(reader.save(), origin.save());
}

#[test]
fn a_merge_lets_go_of_what_waited() {
    let mut origin = Replica::<OrSet<u8>>::new(fresh(1));
    let deltas: Vec<Delta> =
        (0..4).map(|n| origin.edit(|set| set.insert(&n)).expect("an edit")).collect();
    let mut half = Replica::<OrSet<u8>>::new(fresh(2));
    deltas[..2].iter().for_each(|delta| _ = half.apply(delta));

    let mut reader = Replica::<OrSet<u8>>::new(fresh(3));
    for late in [1, 3, 2] {
        assert!(!reader.apply(&deltas[late]));
    }
    assert_eq!(reader.held(), 3);
    assert!(reader.merge(&half));
    assert_eq!((reader.held(), reader.len()), (0, 4), "one was in the state, two became ready");
    assert_eq!(reader.save(), origin.save());
}

/// The same delta held twice waits once.
#[test]
fn a_duplicate_takes_no_room() {
    let mut origin = Replica::<Note>::new(fresh(1));
    let deltas = large_notes(&mut origin, 2);
    let mut reader = Replica::<Note>::new(fresh(2));
    (0..9).for_each(|_| _ = reader.apply(&deltas[1]));
    assert_eq!(reader.held(), 1);
    reader.apply(&deltas[0]);
    assert_eq!((reader.held(), reader.save()), (0, origin.save()));
}

/// A delta that waits reserves nothing: an own edit takes the same dots, and the stranger's delta,
/// which claims to be this replica's, is dropped (automerge 24ae6de5).
#[test]
fn an_orphan_reserves_no_dot() {
    let mut writer = Replica::<OrSet<u8>>::new(fresh(1));
    let path = rejoin_crdts::Path::root(rejoin_crdts::Kind::Set);
    let element = path.key(&7_u8, rejoin_crdts::Kind::Element);
    let claim = Claim::Element { ends: Vec::new(), add: true };
    let orphan = Forgery::at(1, 2, element, claim).delta();
    assert!(!writer.apply(&orphan));
    assert_eq!(writer.held(), 1);
    let own = writer
        .edit(|set| {
            set.insert(&1)?;
            set.insert(&2)
        })
        .expect("an edit");
    assert_eq!((own.first(), own.last()), (1, 2));
    let loaded = Replica::<OrSet<u8>>::load(&writer.save(), fresh(9)).expect("what is saved loads");
    assert_eq!(loaded.save(), writer.save());
    let mut other = Replica::<OrSet<u8>>::new(fresh(2));
    let news = other.edit(|set| set.insert(&3)).expect("an edit");
    assert!(writer.apply(&news), "an honest delta lets the orphan go");
    assert_eq!((writer.held(), writer.contains(&7)), (0, false));
}
