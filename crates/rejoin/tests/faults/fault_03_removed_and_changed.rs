//! Removed here, moved or edited there: the thing is gone everywhere, never an empty shell, and
//! both sides get a report.

use rejoin::crdts::ordered::{NodeId, Parent};
use rejoin::crdts::{FreshId, Replica, ReplicaId, Rule};
use rejoin::prelude::*;

use crate::wire::sync;

#[derive(Crdt, Default, Clone)]
struct Task {
    title: LwwRegister<String>,
    packed: EnableWinsFlag,
}

#[derive(Crdt, Default, Clone)]
struct Trip {
    things: List<Task>,
    letters: List<LwwRegister<String>>,
    folders: Tree<LwwRegister<String>>,
}

/// Two stores in memory that share a space, with three things, two letters and two folders.
fn two() -> [(Store, Space<Trip>); 2] {
    let phone_store = Store::memory().unwrap();
    let phone = phone_store.create_space::<Trip>("trip").unwrap();
    phone
        .transact(|tx| {
            let mut trip = tx.object("rome");
            for title in ["tent", "rope", "map"] {
                trip.things().push()?.title().set(title)?;
            }
            trip.letters().push()?.set("a")?;
            trip.letters().push()?.set("b")?;
            let photos = trip.folders().create(Parent::Root)?;
            trip.folders().node(photos)?.set("photos")?;
            let films = trip.folders().create(Parent::Root)?;
            trip.folders().node(films)?.set("films")
        })
        .unwrap();
    let laptop_store = Store::memory().unwrap();
    let laptop = laptop_store.join_space::<Trip>("trip", phone.ticket()).unwrap();
    sync(&phone, &laptop);
    [(phone_store, phone), (laptop_store, laptop)]
}

fn letters(space: &Space<Trip>) -> Vec<Option<String>> {
    let object = space.object("rome");
    let list = object.letters();
    list.items().unwrap().iter().map(|(_, letter)| letter.get().unwrap()).collect()
}

fn titles(space: &Space<Trip>) -> Vec<Option<String>> {
    let object = space.object("rome");
    let list = object.things();
    list.items().unwrap().iter().map(|(_, thing)| thing.title().get().unwrap()).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|&text| Some(text.to_owned())).collect()
}

fn node(space: &Space<Trip>, name: &str) -> NodeId {
    let object = space.object("rome");
    let folders = object.folders();
    let outline = folders.outline().unwrap();
    let named = |&(id, _): &(NodeId, Parent)| {
        let value = folders.get(id).unwrap().unwrap();
        value.get().unwrap().as_deref() == Some(name)
    };
    outline.iter().find(named).unwrap().0
}

/// The conflicts that a space reports about removals that stand, each with the changes that it
/// overrode.
fn told(space: &Space<Trip>) -> Vec<String> {
    let stands = |conflict: &Conflict| {
        conflict.rule.to_string() == "what is removed is gone" && !conflict.overridden.is_empty()
    };
    let conflicts = space.conflicts().oldest_first().page(usize::MAX).unwrap();
    conflicts.into_iter().filter(stands).map(|conflict| conflict.to_string()).collect()
}

fn both_agree_and_are_told([(_, phone), (_, laptop)]: &[(Store, Space<Trip>); 2]) {
    sync(phone, laptop);
    assert_eq!(phone.digest().unwrap(), laptop.digest().unwrap());
    for space in [phone, laptop] {
        assert!(
            !told(space).is_empty(),
            "{:?}",
            space.conflicts().oldest_first().page(usize::MAX).unwrap()
        );
    }
}

#[test]
fn fault_03_a_letter_removed_here_and_moved_there() {
    let spaces = two();
    let [(_, phone), (_, laptop)] = &spaces;
    phone.transact(|tx| tx.object("rome").letters().remove(1)).unwrap();
    laptop.transact(|tx| tx.object("rome").letters().move_to(1, 0)).unwrap();
    both_agree_and_are_told(&spaces);
    assert_eq!(letters(phone), some(&["a"]));
    assert_eq!(letters(laptop), some(&["a"]));
}

#[test]
fn fault_03_a_thing_removed_here_and_packed_there() {
    let spaces = two();
    let [(_, phone), (_, laptop)] = &spaces;
    phone.transact(|tx| tx.object("rome").things().remove(0)).unwrap();
    laptop.transact(|tx| tx.object("rome").things().at(0)?.packed().enable()).unwrap();
    laptop.transact(|tx| tx.object("rome").things().move_to(0, 2)).unwrap();
    both_agree_and_are_told(&spaces);
    assert_eq!(titles(phone), some(&["rope", "map"]));
    assert_eq!(titles(laptop), some(&["rope", "map"]));
}

#[test]
fn fault_03_a_folder_removed_here_and_moved_and_renamed_there() {
    let spaces = two();
    let [(_, phone), (_, laptop)] = &spaces;
    let (photos, films) = (node(phone, "photos"), node(phone, "films"));
    phone.transact(|tx| tx.object("rome").folders().remove(photos)).unwrap();
    laptop
        .transact(|tx| {
            let mut trip = tx.object("rome");
            trip.folders().move_to(photos, Parent::Node(films))?;
            trip.folders().node(photos)?.set("pictures")
        })
        .unwrap();
    both_agree_and_are_told(&spaces);
    for space in [phone, laptop] {
        let outline = space.object("rome").folders().outline().unwrap();
        assert_eq!(outline.iter().collect::<Vec<_>>(), [(films, Parent::Root)]);
    }
}

/// A list whose only item is gone is nothing: its key is gone too, in the value in memory, through
/// a reader and in a document.
#[test]
fn fault_03_a_key_whose_list_lost_its_last_item_is_gone() {
    type Lists = OrMap<String, List<LwwRegister<String>>>;
    let fresh = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    let mut phone = Replica::<Lists>::new(fresh(1));
    phone.edit(|lists| lists.entry("a").push()?.set("milk")).unwrap();
    let mut laptop = phone.fork(fresh(2));
    let removed = phone.edit(|lists| lists.entry("a").remove(0)).unwrap();
    let edited = laptop.edit(|lists| lists.entry("a").at(0)?.set("oat milk")).unwrap();
    for (copy, delta) in [(&mut phone, &edited), (&mut laptop, &removed)] {
        let mut told = Vec::new();
        copy.apply_reporting(delta, &mut |record| told.push(record));
        let [record] = told.as_slice() else { panic!("one decision: {told:?}") };
        assert_eq!(record.rule, Rule::RemovedIsGone);
        assert_eq!(record.overridden[0].action.value::<String>().unwrap(), "oat milk");
        assert!(copy.is_empty());
        assert!(copy.read(|lists| lists.keys()).unwrap().is_empty());
        assert!(copy.read(|lists| lists.is_empty()).unwrap());
        assert_eq!(copy.to_value().to_string(), "{}");
    }
    assert_eq!(phone.save(), laptop.save());
}

/// A person whose number is changed while the person is removed is there with that number, and the
/// reader says that the name is missing.
#[test]
fn fault_03_the_fields_that_a_removal_took_are_named() {
    #[derive(Crdt, Default, Clone)]
    struct Person {
        name: LwwRegister<String>,
        phone: LwwRegister<String>,
    }
    type People = OrMap<String, Person>;
    let fresh = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    let mut phone = Replica::<People>::new(fresh(1));
    phone
        .edit(|people| {
            people.entry("ada").name().set("Ada")?;
            people.entry("ada").phone().set("1")
        })
        .unwrap();
    let mut laptop = phone.fork(fresh(2));
    assert!(phone.read(|people| people.missing_fields("ada")).unwrap().is_empty());
    phone.edit(|people| people.remove("ada")).unwrap();
    assert!(phone.read(|people| people.missing_fields("ada")).unwrap().is_empty());
    laptop.edit(|people| people.entry("ada").phone().set("2")).unwrap();
    phone.merge(&laptop);
    assert_eq!(phone.read(|people| people.missing_fields("ada")).unwrap(), ["name"]);
}

/// Removed unless edited: a copy that packed or moved it gets it back whole, and both sides get a
/// report.
#[test]
fn fault_03_removed_unless_edited_and_changed_there() {
    let spaces = two();
    let [(_, phone), (_, laptop)] = &spaces;
    let photos = node(phone, "photos");
    phone
        .transact(|tx| {
            let mut trip = tx.object("rome");
            trip.things().remove_unless_edited(0)?;
            trip.things().remove_unless_edited(0)?;
            trip.letters().remove_unless_edited(1)?;
            trip.folders().remove_unless_edited(photos)
        })
        .unwrap();
    assert_eq!((titles(phone), letters(phone)), (some(&["map"]), some(&["a"])));
    laptop
        .transact(|tx| {
            let mut trip = tx.object("rome");
            trip.things().at(0)?.packed().enable()?;
            trip.letters().move_to(1, 0)?;
            let films = trip.folders().create(Parent::Root)?;
            trip.folders().move_to(photos, Parent::Node(films))
        })
        .unwrap();
    sync(phone, laptop);
    assert_eq!(phone.digest().unwrap(), laptop.digest().unwrap());
    for space in [phone, laptop] {
        assert_eq!(titles(space), some(&["tent", "map"]), "the rope was not touched");
        assert!(
            space.object("rome").things().get(0).unwrap().unwrap().packed().is_enabled().unwrap()
        );
        assert_eq!(letters(space), some(&["b", "a"]));
        assert_eq!(node(space, "photos"), photos);
        let kept = |conflict: &Conflict| {
            conflict.rule == Rule::EditKeeps && !conflict.overridden.is_empty()
        };
        assert!(
            space
                .conflicts()
                .oldest_first()
                .page(usize::MAX)
                .unwrap()
                .iter()
                .filter(|conflict| kept(conflict))
                .count()
                >= 3
        );
    }
    // A change to an item that was kept means that it stays: the removal does not have the last
    // word.
    phone.transact(|tx| tx.object("rome").things().at(0)?.title().set("large tent")).unwrap();
    sync(phone, laptop);
    laptop.transact(|tx| tx.object("rome").things().at(0)?.packed().disable()).unwrap();
    sync(phone, laptop);
    assert_eq!(titles(phone), some(&["large tent", "map"]));
}

/// The rule belongs to the removal: a copy that knows the key as an older struct or as a document
/// sees the same, and a write by a copy that has seen the removal finds nothing there.
#[test]
fn fault_03_a_key_removed_unless_edited() {
    #[derive(Crdt, Default, Clone)]
    struct Person {
        name: LwwRegister<String>,
        phone: LwwRegister<String>,
    }
    #[derive(Crdt, Default, Clone)]
    struct OlderPerson {
        name: LwwRegister<String>,
    }
    type People = OrMap<String, Person>;
    let fresh = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    let mut phone = Replica::<People>::new(fresh(1));
    phone
        .edit(|people| {
            people.entry("ada").name().set("Ada")?;
            people.entry("ada").phone().set("1")?;
            people.entry("bob").name().set("Bob")
        })
        .unwrap();
    let mut laptop = phone.fork(fresh(2));
    phone
        .edit(|people| {
            people.remove_unless_edited("ada")?;
            people.remove_unless_edited("bob")
        })
        .unwrap();
    assert!(phone.is_empty());
    let older = |copy: &Replica<People>| {
        copy.read_as::<OrMap<String, OlderPerson>, _>(|people| {
            (people.keys().unwrap(), people.at("ada").name().get().unwrap())
        })
    };
    assert_eq!(older(&phone), (vec![], None));
    assert_eq!(phone.read_as::<Doc, _>(|doc| doc.names().unwrap()), []);
    laptop.edit(|people| people.entry("ada").phone().set("2")).unwrap();
    phone.edit(|people| people.entry("bob").phone().set("3")).unwrap();
    phone.merge(&laptop);
    laptop.merge(&phone);
    for copy in [&phone, &laptop] {
        let shown = r#"{"ada": {"name": "Ada", "phone": "2"}, "bob": {"phone": "3"}}"#;
        assert_eq!(copy.to_value().to_string(), shown);
        assert_eq!(copy.read_as::<Doc, _>(|doc| doc.value().unwrap()).to_string(), shown);
        assert_eq!(older(copy), (vec!["ada".into(), "bob".into()], Some("Ada".into())));
        assert_eq!((copy.len(), copy.at("bob").name.get().unwrap()), (2, None));
        let loaded = Replica::<Doc>::load(&copy.save(), fresh(9)).unwrap();
        assert_eq!((loaded.value().to_string(), loaded.save()), (shown.to_owned(), copy.save()));
    }
    assert_eq!(phone.save(), laptop.save());
}
