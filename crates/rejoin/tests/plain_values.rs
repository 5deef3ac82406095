//! The promises of `#[derive(Atom)]` and `#[derive(Key)]`: a user's own scalars, readable by
//! whoever lacks the type.

use rejoin::crdts::RawAtom;
use rejoin::prelude::*;

#[derive(Atom, Key, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Priority {
    Low,
    #[crdt(rename = "Normal")]
    Medium,
    High,
}

/// The same in an older version.
#[derive(Atom, Clone, Copy, PartialEq, Debug)]
enum OlderPriority {
    Low,
    Normal,
}

#[derive(Atom, Key, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Person(String);

#[derive(Atom, Clone, PartialEq, Debug)]
struct Metres {
    value: f64,
}

#[derive(Atom, Key, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Tagged<T>(T);

#[derive(Crdt, Default, Clone)]
struct Task {
    priority: LwwRegister<Priority>,
    height: LwwRegister<Metres>,
    assigned: OrSet<Person>,
    hours: OrMap<Person, PnCounter>,
    marks: MvRegister<Tagged<u64>>,
}

#[derive(Crdt, Default, Clone)]
struct OlderTask {
    priority: LwwRegister<OlderPriority>,
    assigned: OrSet<String>,
    hours: OrMap<String, PnCounter>,
}

fn ann() -> Person {
    Person("Ann".to_owned())
}

#[test]
fn own_scalars_are_values_keys_and_elements() {
    let store = Store::memory().unwrap();
    let tasks = store.create_space::<Task>("tasks").unwrap();
    tasks
        .transact(|tx| {
            let mut task = tx.object("roof");
            task.priority().set(Priority::Medium)?;
            task.height().set(Metres { value: 2.5 })?;
            task.assigned().insert(&ann())?;
            task.hours().entry(&ann()).add(3)?;
            task.marks().set(Tagged(7))
        })
        .unwrap();
    let task = tasks.object("roof");
    assert_eq!(task.priority().get(), Ok(Some(Priority::Medium)));
    assert_eq!(task.height().get(), Ok(Some(Metres { value: 2.5 })));
    assert_eq!(task.assigned().items(), Ok(vec![ann()]));
    assert_eq!(task.hours().at(&ann()).value(), Ok(3));
    assert_eq!(task.hours().keys(), Ok(vec![ann()]));
    assert_eq!(task.marks().values(), Ok(vec![Tagged(7)]));
}

#[test]
fn who_lacks_the_type_reads_a_name_or_what_is_wrapped() {
    let fresh = |id| FreshId::assume_fresh(ReplicaId::from_u128(id));
    let mut task = Replica::<Task>::new(fresh(1));
    task.edit(|task| {
        task.priority().set(Priority::Medium)?;
        task.assigned().insert(&ann())?;
        task.hours().entry(&ann()).add(3)
    })
    .unwrap();
    let shown = r#"{"assigned": {"Ann"}, "hours": {"Ann": 3}, "priority": "Normal"}"#;
    assert_eq!(task.to_value().to_string(), shown);
    let mut older = Replica::<OlderTask>::load(&task.save(), fresh(2)).unwrap();
    assert_eq!(older.priority().get(), Ok(Some(OlderPriority::Normal)));
    assert!(older.assigned().contains("Ann"));
    assert_eq!(older.hours().at("Ann").value(), Ok(3));
    // A variant that it does not know is a named error, and is kept.
    let high = task.edit(|task| task.priority().set(Priority::High)).unwrap();
    older.apply(&high);
    let error = older.read(|task| task.priority().get()).unwrap_err();
    assert!(matches!(&error, ReadError::WrongType { .. }), "{error:?}");
    assert!(error.to_string().contains("High"), "{error}");
    let again = Replica::<Task>::load(&older.save(), fresh(3)).unwrap();
    assert_eq!(again.priority().get(), Ok(Some(Priority::High)));
    let name = again.read_as::<Doc, _>(|task| task.get::<RawAtom>("priority")).unwrap();
    assert_eq!(name.map(|name| name.to_string()), Some("High".to_owned()));
}
