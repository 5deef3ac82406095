//! A name that holds another kind is never read as empty: for every pair of kinds, at the root and
//! below a key, typed and untyped.

use rejoin_crdts::{
    Crdt, Delta, Doc, EditError, Kind, List, LwwRegister, OrMap, OrSet, Path, PnCounter, ReadError,
    Replica, RwSet,
};

use crate::samples::{
    Answers, PerSample, Sample, assert_clash, assert_edits_refused, assert_read, assert_refused,
    each, each_resettable,
};
use crate::world::fresh;

/// The delta that one type writes, and its answers about deltas that others wrote, without the
/// type, so that the pairs share their code.
struct Row {
    kind: Kind,
    resettable: bool,
    write: fn(u128) -> Delta,
    say: Say,
}

type Say = fn(&[Delta], Option<(&Path, Kind)>) -> Said;

/// The answers of a replica, after one kind was taken away if that is asked for.
struct Said {
    reads: Answers<ReadError>,
    edits: Answers<EditError>,
    /// Answers about the keys, if it is a map that has the value.
    keys: Answers<ReadError>,
    shown: String,
}

/// The value as the root.
struct Roots(Vec<Row>);

impl PerSample for Roots {
    fn with<S: Sample>(&mut self) {
        let write = |id| Replica::<S>::new(fresh(id)).edit(S::write).expect("a legal edit");
        let say = |deltas: &[Delta], removed: Option<(&Path, Kind)>| {
            let replica = received::<S>(deltas, removed);
            let mut edits = Vec::new();
            let edited = replica.fork(fresh(8)).edit(|value| {
                edits = S::edits(value);
                Ok(())
            });
            edited.expect("what fails changes nothing");
            let (reads, shown) = (replica.read(S::reads), replica.to_value().to_string());
            Said { reads, edits, keys: Vec::new(), shown }
        };
        self.0.push(Row { kind: S::KIND, resettable: S::RESETTABLE, write, say });
    }
}

/// The value below a key of a map.
struct BelowKeys(Vec<Row>);

impl PerSample for BelowKeys {
    fn with<S: Sample>(&mut self) {
        let write = |id| {
            let mut map = Replica::<OrMap<String, S>>::new(fresh(id));
            map.edit(|map| S::write(&mut map.entry("pears"))).expect("a legal edit")
        };
        let say = |deltas: &[Delta], removed: Option<(&Path, Kind)>| {
            let replica = received::<OrMap<String, S>>(deltas, removed);
            let mut edits = Vec::new();
            let edited = replica.fork(fresh(8)).edit(|map| {
                edits = S::edits(&mut map.entry("pears"));
                edits.push(("remove", map.remove("pears").err()));
                Ok(())
            });
            edited.expect("what fails changes nothing");
            let (mut reads, keys) = replica.read(|map| {
                let keys = vec![
                    ("keys", map.keys().err()),
                    ("page", map.page(None::<&str>, 1).err()),
                    ("len", map.len().err()),
                    ("is_empty", map.is_empty().err()),
                    ("contains_key", map.contains_key("pears").err()),
                    ("get", map.get("pears").err()),
                ];
                (S::reads(&map.at("pears")), keys)
            });
            // A document answers the same for the same deltas.
            let untyped = received::<Doc>(deltas, removed);
            reads.extend(untyped.read(|doc| S::reads(&doc.at::<S>("pears"))));
            Said { reads, edits, keys, shown: replica.to_value().to_string() }
        };
        self.0.push(Row { kind: S::KIND, resettable: S::RESETTABLE, write, say });
    }
}

fn received<T: Crdt>(deltas: &[Delta], removed: Option<(&Path, Kind)>) -> Replica<T> {
    let mut replica = Replica::<T>::new(fresh(9));
    assert!(deltas.iter().all(|delta| replica.apply(delta)));
    if let Some((path, kind)) = removed {
        replica.remove_kind(path, kind).expect("it can be taken away");
    }
    replica
}

/// Runs over every pair of different kinds.
fn over_pairs(rows: &[Row], at: &str) {
    for (newer, older) in rows.iter().flat_map(|newer| rows.iter().map(move |row| (newer, row))) {
        if newer.kind == older.kind {
            continue;
        }
        let kinds = [newer.kind, older.kind];
        let [by_older, by_newer] = [(older.write)(1), (newer.write)(2)];
        assert_read(&(newer.say)(&[], None).reads);
        let said = (newer.say)(std::slice::from_ref(&by_older), None);
        assert_refused(&said.reads, at, kinds);
        assert_edits_refused(said.edits, at, kinds);
        if !said.keys.is_empty() {
            assert_refused(&said.keys, at, kinds);
        }
        let both = [by_older, by_newer];
        let clash = (newer.say)(&both, None);
        let path = assert_clash(&clash.reads, at, &kinds);
        // One key is enough to say that a map is not empty.
        let keys = clash.keys.into_iter().filter(|(call, _)| !["page", "is_empty"].contains(call));
        keys.for_each(|(call, error)| drop(assert_clash(&vec![(call, error)], at, &kinds)));
        for kind in kinds {
            assert!(clash.shown.contains(&format!("{kind}: ")), "{}", clash.shown);
        }
        if older.resettable {
            let one = (newer.say)(&both, Some((&path, older.kind)));
            assert_read(&one.reads);
            assert_read(&one.keys);
        }
    }
}

#[test]
fn every_kind_that_can_stand_under_a_name_has_a_sample() {
    let mut roots = Roots(Vec::new());
    each(&mut roots);
    // The type of siblings stands in rejoin-resolve.
    let is_here = |kind: &&Kind| !kind.is_part() && **kind != Kind::Siblings;
    let values: Vec<_> = Kind::ALL.iter().filter(is_here).collect();
    assert!(values.iter().all(|kind| roots.0.iter().any(|row| row.kind == **kind)));
    assert_eq!((values.len(), Kind::ALL.len()), (16, 22), "the other five are parts of these");
}

#[test]
fn at_the_root() {
    let mut roots = Roots(Vec::new());
    each(&mut roots);
    over_pairs(&roots.0, "the value");
}

#[test]
fn below_a_key() {
    let mut below = BelowKeys(Vec::new());
    each_resettable(&mut below);
    over_pairs(&below.0, "pears");
}

/// Data of a typed copy are also refused to a reader of another type.
#[test]
fn a_typed_copy_that_is_read_as_another_type() {
    struct ReadAs(usize);
    impl PerSample for ReadAs {
        fn with<S: Sample>(&mut self) {
            let mut map = Replica::<OrMap<String, S>>::new(fresh(1));
            map.edit(|map| S::write(&mut map.entry("pears"))).expect("a legal edit");
            let answers = map.read_as::<Doc, _>(|doc| {
                vec![
                    ("items", doc.at::<OrSet<String>>("pears").items().err()),
                    ("get", doc.get::<String>("pears").err()),
                ]
            });
            for (answer, kind) in answers.into_iter().zip([Kind::Set, Kind::LwwRegister]) {
                if kind != S::KIND {
                    assert_refused(&vec![answer], "pears", [kind, S::KIND]);
                    self.0 += 1;
                }
            }
        }
    }
    let mut read = ReadAs(0);
    each_resettable(&mut read);
    assert_eq!(read.0, 32);
}

#[test]
fn a_clash_names_every_kind() {
    let mut doc = Replica::<Doc>::new(fresh(1));
    let tree = doc.edit(|doc| {
        doc.at::<PnCounter>("x").add(1)?;
        doc.at::<OrSet<String>>("x").insert("ripe")?;
        doc.at::<RwSet<String>>("x").insert("ripe")?;
        doc.at::<List<PnCounter>>("x").create()
    });
    tree.expect("a legal edit");
    let answers = vec![("items", doc.read(|doc| doc.at::<RwSet<String>>("x").items().err()))];
    assert_clash(&answers, "x", &[Kind::RwSet, Kind::Set, Kind::Counter, Kind::List]);
    let answers = vec![("get", doc.read(|doc| doc.get::<String>("x").err()))];
    let path = assert_clash(&answers, "x", &[Kind::Set, Kind::Counter, Kind::RwSet, Kind::List]);
    for kind in [Kind::Set, Kind::RwSet, Kind::List] {
        doc.remove_kind(&path, kind).expect("it can be taken away");
    }
    let one = doc.read(|doc| doc.get::<String>("x").err());
    assert_refused(&vec![("get", one)], "x", [Kind::LwwRegister, Kind::Counter]);
}

/// A map that was created and has something in it as well is one key.
#[test]
fn a_key_is_counted_once() {
    let mut docs = Replica::<OrMap<String, Doc>>::new(fresh(1));
    let edited = docs.edit(|docs| {
        docs.entry("a").create()?;
        docs.entry("a").set("title", "Shopping")
    });
    edited.expect("a legal edit");
    docs.read(|docs| {
        assert_eq!(docs.len(), Ok(1));
        assert_eq!(docs.keys(), Ok(vec!["a".to_owned()]));
    });
}

/// In addition, the error for a value of another type says what it is, where it stands and who
/// wrote it.
#[test]
fn a_value_of_another_type_is_named() {
    let mut older = Replica::<OrMap<String, LwwRegister<String>>>::new(fresh(7));
    let red = older.edit(|map| map.entry("colour").set("red")).expect("a legal edit");
    let mut newer = Replica::<OrMap<String, LwwRegister<Option<u32>>>>::new(fresh(2));
    newer.apply(&red);
    let error = newer.read(|map| map.at("colour").get()).expect_err("a string is no number");
    let ReadError::WrongType { path: Some(path), writer, found, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((path.to_string().as_str(), *writer), ("colour", Some(older.id())));
    assert_eq!(found.to(), Ok("red".to_owned()));
    let told = error.to_string();
    let start = format!("colour holds the string red, written by {},", older.id());
    assert!(told.starts_with(&start) && told.contains("Option<u32>"), "{told}");
    assert!(!told.contains("tag") && !told.contains("newer"), "{told}");
    // Read in memory, a value does not know its place.
    let plain = newer.at("colour").get().expect_err("a string is no number");
    assert!(matches!(plain, ReadError::WrongType { path: None, writer: None, .. }), "{plain:?}");
    let long = older.edit(|map| map.entry("colour").set("é".repeat(1000))).expect("a legal edit");
    newer.apply(&long);
    let told = newer.read(|map| map.at("colour").get()).expect_err("no number").to_string();
    assert!(told.len() < 300, "{told}");
}

/// The same for names: keys and elements.
#[test]
fn a_name_of_another_type_is_named() {
    let mut numbers = Replica::<OrSet<u16>>::new(fresh(1));
    let mut words = Replica::<OrSet<String>>::new(fresh(2));
    words.apply(&numbers.edit(|set| set.insert(&700)).expect("a legal edit"));
    let error = words.read(|set| set.items()).expect_err("a number is no string");
    let ReadError::WrongType { writer, found, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*writer, found.to()), (Some(numbers.id()), Ok(700u16)));
    assert!(error.to_string().starts_with("the value holds the integer 700"), "{error}");
}
