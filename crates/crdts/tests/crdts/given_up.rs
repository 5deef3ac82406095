//! Transactions that are given up, by an error or a panic: nothing is left, whatever they had
//! changed where it stands. (Every edit of every [world](crate::world) is preceded by one.)

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rejoin_crdts::ordered::{ItemId, Parent};
use rejoin_crdts::{
    Doc, EditError, Kind, List, LwwRegister, OrMap, OrSet, Path, PnCounter, Replica, RwSet, Tree,
};
use rejoin_derive::Crdt;

use crate::dice::Dice;
use crate::world::fresh;

#[derive(Crdt, Clone, Default, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Trip {
    name: LwwRegister<String>,
    budget: PnCounter,
    bring: OrSet<String>,
    never: RwSet<String>,
    stops: List<LwwRegister<u64>>,
    folders: Tree<LwwRegister<u64>>,
    lines: OrMap<String, OrMap<u64, PnCounter>>,
    notes: Doc,
}

/// Does something of every kind, most of it twice.
fn everything(trip: &mut TripEditor<'_>, n: u64) -> Result<(), EditError> {
    for n in n..n + 2 {
        trip.name().set(format!("trip {n}"))?;
        trip.budget().add(i64::try_from(n).expect("a small number"))?;
        trip.bring().insert(&format!("tent {n}"))?;
        trip.never().remove(&format!("tent {n}"))?;
        trip.stops().insert(0)?.set(n)?;
        let folder = trip.folders().create(Parent::Root)?;
        trip.folders().node(folder)?.set(n)?;
        trip.lines().entry("food").entry(&n).add(3)?;
        trip.lines().entry(&format!("more {n}")).entry(&1).add(1)?;
        trip.notes().set("note", n)?;
    }
    trip.budget().reset()?;
    trip.bring().clear()?;
    trip.lines().remove("food")?;
    trip.lines().remove_unless_edited(&format!("more {n}"))?;
    trip.stops().remove(0)?;
    trip.notes().clear()
}

#[test]
fn a_panic_leaves_everything_as_it_was() {
    let mut trip = Replica::<Trip>::new(fresh(1));
    for n in 0..5 {
        let (before, seen) = (trip.save(), trip.version_vector());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            trip.edit(|trip| {
                everything(trip, n)?;
                panic!("in the middle");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!((trip.save(), trip.version_vector()), (before, seen));
        trip.edit(|trip| everything(trip, n)).expect("an edit");
        let mut other = Replica::<Trip>::new(fresh(2));
        other.merge(&trip);
        assert_eq!(other.save(), trip.save());
        assert_eq!(other.to_value(), trip.to_value());
    }
}

#[test]
fn the_order_of_a_list_is_as_before() {
    let mut list = Replica::<List<LwwRegister<u64>>>::new(fresh(1));
    list.edit(|list| (0..50_u64).try_for_each(|n| list.push()?.set(n))).expect("an edit");
    let shown = |list: &Replica<List<LwwRegister<u64>>>| -> Vec<Option<u64>> {
        list.iter().map(|item| item.get().expect("a number")).collect()
    };
    let before = shown(&list);
    let given_up = list.edit(|list| {
        list.move_to(3, 40)?;
        list.insert(7)?.set(1000_u64)?;
        list.remove(0)?;
        list.at(9)?.set(9000_u64)?;
        Err(EditError::Aborted("changed my mind".to_owned()))
    });
    assert!(given_up.is_err());
    assert_eq!(shown(&list), before);
    list.edit(|list| list.insert(1)?.set(77_u64)).expect("an edit");
    assert_eq!(shown(&list)[..3], [Some(0), Some(77), Some(1)]);
    let again = list.edit(|list| list.move_to(0, 50)).expect("an edit");
    let mut other = Replica::<List<LwwRegister<u64>>>::new(fresh(2));
    other.merge(&list);
    assert!(!other.apply(&again));
    assert_eq!(shown(&other), shown(&list));
}

/// An item of a transaction that was given up is no item.
#[test]
fn an_id_that_was_handed_out_names_nothing() {
    let mut list = Replica::<List<LwwRegister<u64>>>::new(fresh(1));
    let mut handed_out: Option<ItemId> = None;
    let given_up = list.edit(|list| {
        handed_out = Some(list.push()?.item_id());
        Err(EditError::Aborted("no".to_owned()))
    });
    assert!(given_up.is_err());
    let item = handed_out.expect("it was inserted");
    let changed = list.edit(|list| list.item(item)?.set(1_u64));
    assert!(matches!(changed, Err(EditError::NoSuchItem { .. })), "{changed:?}");
}

/// A transaction that walks through what it changes sees each of its changes at once.
#[test]
fn a_walk_within_a_transaction_sees_its_changes() {
    for seed in 1..40 {
        let mut dice = Dice::new(seed);
        let mut map = Replica::<OrMap<u64, PnCounter>>::new(fresh(1));
        map.edit(|map| (0..10).try_for_each(|n| map.entry(&n).add(1))).expect("an edit");
        let mut model: BTreeSet<u64> = (0..10).collect();
        map.edit(|map| {
            for _ in 0..30 {
                let key = dice.roll(20);
                match dice.roll(4) {
                    0 => map.remove(&key)?,
                    1 => map.remove_unless_edited(&key)?,
                    _ => map.entry(&key).add(1)?,
                }
                let is_there = map.reader().contains_key(&key)?;
                if is_there {
                    model.insert(key)
                } else {
                    model.remove(&key)
                };
                assert_eq!(map.reader().keys()?, model.iter().copied().collect::<Vec<_>>());
            }
            if dice.roll(2) == 0 { map.clear() } else { Ok(()) }
        })
        .expect("an edit");
        let left: BTreeSet<u64> = map.iter().map(|(key, _)| *key).collect();
        assert!(left.is_empty() || left == model, "{left:?} {model:?}");
    }
}

/// Data of another kind beside the type's own are put back, too.
#[test]
fn data_beside_the_type_are_put_back() {
    let mut doc = Replica::<Doc>::new(fresh(1));
    doc.edit(|doc| doc.at::<PnCounter>("a").add(2)).expect("an edit");
    doc.edit(|doc| doc.at::<OrSet<u64>>("a").insert(&5)).expect("an edit");
    let mut typed =
        Replica::<OrMap<String, PnCounter>>::load(&doc.save(), fresh(2)).expect("a state");
    let before = typed.save();
    let given_up = typed.edit_as::<Doc>(|doc| {
        doc.at::<OrSet<u64>>("a").insert(&6)?;
        doc.remove_kind("a", Kind::Set)?;
        doc.set("b", 1_u64)?;
        doc.clear()?;
        Err(EditError::Aborted("no".to_owned()))
    });
    assert!(given_up.is_err());
    assert_eq!(typed.save(), before);
    let place = Path::root(Kind::Map).key(&"a".to_owned(), Kind::Set);
    typed.remove_kind(&place, Kind::Set).expect("an edit");
    assert_eq!(typed.read(|map| map.at("a").value()), Ok(2));
}
