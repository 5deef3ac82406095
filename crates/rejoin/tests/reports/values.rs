//! Reports about values: documents, their fields, and who wins.

use rejoin::crdts::{Clock, PutJson, Replica};
use rejoin::prelude::{
    Crdt, Doc, FreshId, LwwRegister, MvRegister, OrMap, OrSet, PnCounter, ReplicaId,
};
use serde_json::json;

use crate::Outcome;

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

/// A plan is written whole on one side, and one of its fields is changed on the other.
#[test]
fn a_field_changed_there_outlives_a_document_written_whole_here() -> Outcome {
    let mut phone = Replica::<Doc>::new(fresh(1));
    phone.edit(|doc| doc.put_json(&json!({ "plan": { "days": 3, "city": "Oslo" } })))?;
    let mut laptop = phone.fork(fresh(2));
    phone.edit(|doc| doc.put_json(&json!({ "plan": { "days": 3, "city": "Bergen" } })))?;
    laptop.edit(|doc| doc.put_json(&json!({ "plan": { "days": 7, "city": "Oslo" } })))?;
    phone.merge(&laptop);
    laptop.merge(&phone);
    let both = json!({ "plan": { "days": 7, "city": "Bergen" } });
    assert_eq!((phone.value().to_json(), laptop.value().to_json()), (both.clone(), both));
    Ok(())
}

/// Two devices that are both cut off write a line under one name.
#[test]
fn of_two_lines_written_offline_neither_is_lost() -> Outcome {
    let mut phone = Replica::<OrMap<String, MvRegister<String>>>::new(fresh(1));
    let mut desk = phone.fork(fresh(2));
    phone.edit(|pages| pages.entry("today").set("from the phone"))?;
    desk.edit(|pages| pages.entry("today").set("from the desk"))?;
    phone.merge(&desk);
    desk.merge(&phone);
    for copy in [&phone, &desk] {
        assert_eq!(copy.at("today").values()?, ["from the desk", "from the phone"]);
        assert!(copy.at("today").is_conflict());
    }
    Ok(())
}

/// A clock that is set by hand.
struct Set(u64);

impl Clock for Set {
    fn now_millis(&mut self) -> u64 {
        self.0
    }
}

/// A watch whose clock is five minutes slow goes on from what the server had.
#[test]
fn who_has_seen_a_value_replaces_it_however_slow_the_clock() -> Outcome {
    let minutes = |n: u64| 1_800_000_000_000 + 60_000 * n;
    let mut server = Replica::<LwwRegister<u64>, _>::with_clock(fresh(1), Set(minutes(10)));
    let mut watch = Replica::<LwwRegister<u64>, _>::with_clock(fresh(2), Set(minutes(5)));
    watch.apply(&server.edit(|heard| heard.set(600_u64))?);
    let listened = watch.edit(|heard| heard.set(900_u64))?;
    server.apply(&listened);
    assert_eq!((server.get()?, watch.get()?), (Some(900), Some(900)));
    Ok(())
}

/// A device that only ever received goes on writing: its writes are not older than what it knows.
#[test]
fn a_device_that_long_only_received_is_not_behind_for_ever() -> Outcome {
    let mut busy = Replica::<LwwRegister<u64>>::new(fresh(1));
    let mut quiet = Replica::<LwwRegister<u64>>::new(fresh(2));
    for n in 0..1_000_u64 {
        quiet.apply(&busy.edit(|file| file.set(n))?);
    }
    let own = quiet.edit(|file| file.set(5_000_u64))?;
    busy.apply(&own);
    assert_eq!(busy.get()?, Some(5_000));
    Ok(())
}

#[derive(Crdt, Default, Clone)]
struct Note {
    title: LwwRegister<String>,
}

#[derive(Crdt, Default, Clone)]
struct LaterNote {
    title: LwwRegister<String>,
    alarm: LwwRegister<u64>,
    seen: PnCounter,
}

/// An app that is older than the fields takes a note in, changes it, and hands it on.
#[test]
fn fields_pass_through_an_app_that_does_not_know_them() -> Outcome {
    let mut new = Replica::<OrMap<String, LaterNote>>::new(fresh(1));
    let written = new.edit(|notes| {
        notes.entry("milk").title().set("buy milk")?;
        notes.entry("milk").alarm().set(7_u64)?;
        notes.entry("milk").seen().add(2)
    })?;
    let mut old = Replica::<OrMap<String, Note>>::new(fresh(2));
    old.apply(&written);
    old.edit(|notes| notes.entry("milk").title().set("buy oat milk"))?;
    let third = Replica::<OrMap<String, LaterNote>>::load(&old.save(), fresh(3))?;
    let note = third.at("milk");
    assert_eq!(note.title().get()?.as_deref(), Some("buy oat milk"));
    assert_eq!((note.alarm().get()?, note.seen().value()?), (Some(7), 2));
    Ok(())
}

/// Two keys are set over and over: what is saved does not grow with that.
#[test]
fn what_is_overwritten_leaves_nothing() -> Outcome {
    let mut map = Replica::<OrMap<String, LwwRegister<u64>>>::new(fresh(1));
    let mut set = Replica::<OrSet<String>>::new(fresh(1));
    let mut sizes = Vec::new();
    for n in 0..20_000_u64 {
        map.edit(|map| {
            map.entry("left").set(n)?;
            map.entry("right").set(n)
        })?;
        set.edit(|set| if n % 2 == 0 { set.insert("bold") } else { set.remove("bold") })?;
        if n == 101 || n == 19_999 {
            sizes.push((map.save().len(), set.save().len()));
        }
    }
    let [(few, toggled), (many, toggled_more)] = sizes[..] else { unreachable!("two sizes") };
    assert!(many < few + 16 && toggled_more < toggled + 16, "{sizes:?}");
    Ok(())
}

/// Two devices that have not met begin with the same content: what has a name is there once. Items
/// of a list have no names: the guide says so, and what to do.
#[test]
fn the_same_beginning_on_two_devices_is_there_once_where_it_has_names() -> Outcome {
    let (mut phone, mut laptop) = (Replica::<Doc>::new(fresh(1)), Replica::<Doc>::new(fresh(2)));
    let content = json!({ "settings": { "color": "green" }, "lists": ["food", "work"] });
    phone.edit(|doc| doc.put_json(&content))?;
    laptop.edit(|doc| doc.put_json(&content))?;
    phone.merge(&laptop);
    let there = phone.value().to_json();
    assert_eq!(there["settings"], content["settings"]);
    assert_eq!(there["lists"].as_array().map(Vec::len), Some(4));
    Ok(())
}
