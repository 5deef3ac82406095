//! A field changed its kind, and the newer program read `[]`: the data looked lost.
//!
//! For every pair of kinds: a value that one version wrote is an error in everything that the other
//! version reads, until somebody takes one of the two away. The error names both kinds and the
//! place.

use rejoin::crdts::{Crdt as Mergeable, Kind, Path};
use rejoin::prelude::{
    Crdt, EditError, List, LwwRegister, OrMap, OrSet, PnCounter, ReadError, Space, Store,
    StoreError,
};

use crate::samples::{
    Answers, PerSample, Sample, assert_clash, assert_edits_refused, assert_read, assert_refused,
    each, each_resettable,
};
use crate::wire::sync;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Crdt, Default, Debug)]
struct V1 {
    tags: List<LwwRegister<String>>,
}

#[derive(Crdt, Default, Debug)]
struct V2 {
    tags: OrSet<String>,
}

/// The smallest program, over two stores and a session.
#[test]
fn a_field_that_changed_its_kind_is_not_empty() -> Outcome {
    let (old, new) = (Store::memory()?, Store::memory()?);
    let v1 = old.create_space::<V1>("labels")?;
    v1.transact(|tx| tx.object("jam").tags().push()?.set("red"))?;
    let joined = new.join_space::<V1>("labels", v1.ticket())?;
    sync(&v1, &joined);

    let v2 = new.open_space::<V2>("labels")?;
    let jam = v2.object("jam");
    let told = jam.tags().items().expect_err("the tags are not lost").to_string();
    assert_eq!(
        told,
        "jam/tags holds a list where a set was asked for; read it as a list, or take it away with \
         remove_kind"
    );
    // A write does not check the kind: both stand, and the read says so.
    v2.transact(|tx| tx.object("jam").tags().insert("green"))?;
    let Err(ReadError::KindClash { path, kinds }) = jam.tags().items() else {
        panic!("two kinds stand there")
    };
    assert_eq!(kinds, [Kind::Set, Kind::List]);
    v2.transact(|tx| tx.remove_kind(&path, Kind::List))?;
    assert_eq!(jam.tags().items()?, ["green"]);
    Ok(())
}

fn keys_of(space: &Space<impl Mergeable>) -> Vec<(&'static str, Option<ReadError>)> {
    let read = |keys: Result<Vec<String>, StoreError>| match keys {
        Ok(_) => None,
        Err(StoreError::Read(error)) => Some(error),
        Err(other) => panic!("{other}"),
    };
    let snapshot = space.read(|snapshot| snapshot.keys()).expect("memory can be read");
    vec![("keys", read(space.keys())), ("snapshot", read(snapshot))]
}

/// The operations of one type in the space "shop" of a store, without the type, so that the pairs
/// share their code.
struct Row {
    kind: Kind,
    resettable: bool,
    /// Writes the object "x".
    write: fn(&Store),
    /// Joins another store's space, writes the object "x", and syncs.
    join_and_write: fn(&Store),
    say: fn(&Store) -> Said,
    remove: fn(&Store, &Path, Kind),
}

/// The answers of a space about the object "x".
struct Said {
    reads: Answers<ReadError>,
    edits: Answers<EditError>,
    keys: Answers<ReadError>,
    /// Answers about the object "y", which nobody wrote.
    elsewhere: Answers<ReadError>,
}

fn shop<T: Mergeable>(store: &Store) -> Space<T> {
    let space = store.open_space("shop");
    space.or_else(|_| store.create_space("shop")).expect("a space")
}

struct Objects(Vec<Row>);

impl PerSample for Objects {
    fn with<S: Sample>(&mut self) {
        self.0.push(Row {
            kind: S::KIND,
            resettable: S::RESETTABLE,
            write: |store| {
                let space = shop::<S>(store);
                space.transact(|tx| S::write(&mut tx.object("x"))).expect("a legal edit");
            },
            join_and_write: |store| {
                let (space, other) = (shop::<S>(store), Store::memory().expect("a store"));
                let joined = other.join_space::<S>("shop", space.ticket()).expect("a space");
                joined.transact(|tx| S::write(&mut tx.object("x"))).expect("a legal edit");
                sync(&space, &joined);
                assert_eq!(format!("{:?}", S::reads(&joined.object("x"))), clash_of(&space));
            },
            say: |store| {
                let space = shop::<S>(store);
                let mut edits = Vec::new();
                let aborted = space.transact(|tx| {
                    edits = S::edits(&mut tx.object("x"));
                    edits.push(("remove", tx.remove("x").err()));
                    let reads = S::reads(&tx.read("x")).into_iter();
                    edits.extend(reads.map(|(call, error)| (call, error.map(EditError::Read))));
                    Err::<(), _>(EditError::Aborted("to look only".into()))
                });
                assert!(aborted.is_err());
                let [reads, elsewhere] = ["x", "y"].map(|key| S::reads(&space.object(key)));
                Said { reads, edits, keys: keys_of(&space), elsewhere }
            },
            remove: |store, path, kind| {
                let space = shop::<S>(store);
                space.transact(|tx| tx.remove_kind(path, kind)).expect("a legal edit");
            },
        });
    }
}

fn clash_of<S: Sample>(space: &Space<S>) -> String {
    format!("{:?}", S::reads(&space.object("x")))
}

#[test]
fn an_object_of_each_kind_as_each_other() {
    let mut rows = Objects(Vec::new());
    each(&mut rows);
    for (newer, older) in rows.0.iter().flat_map(|row| rows.0.iter().map(move |other| (row, other)))
    {
        if newer.kind == older.kind {
            continue;
        }
        let kinds = [newer.kind, older.kind];
        let store = Store::memory().expect("a store");
        // The absence of other kinds is remembered, and must not be remembered for too long.
        assert_read(&(newer.say)(&store).reads);
        (older.write)(&store);
        let said = (newer.say)(&store);
        assert_refused(&said.reads, "x", kinds);
        assert_refused(&said.keys, "x", kinds);
        assert_edits_refused(said.edits, "x", kinds);
        assert_read(&said.elsewhere);
        (newer.join_and_write)(&store);
        let said = (newer.say)(&store);
        let path = assert_clash(&said.reads, "x", &kinds);
        assert_clash(&said.keys, "x", &kinds);
        if older.resettable {
            (newer.remove)(&store, &path, older.kind);
            let said = (newer.say)(&store);
            assert_read(&said.reads);
            assert_read(&said.keys);
        }
    }
}

/// For each sample below a key, the answers of a map of sets and of a map of counters.
struct BelowKey(usize);

impl PerSample for BelowKey {
    fn with<S: Sample>(&mut self) {
        let store = Store::memory().expect("a store");
        let older = shop::<OrMap<String, S>>(&store);
        older.transact(|tx| S::write(&mut tx.object("x").entry("y"))).expect("a legal edit");
        self.refused::<OrSet<String>>(&store, S::KIND);
        self.refused::<PnCounter>(&store, S::KIND);
        self.refused::<List<LwwRegister<String>>>(&store, S::KIND);
    }
}

impl BelowKey {
    fn refused<B: Sample>(&mut self, store: &Store, found: Kind) {
        if found == B::KIND {
            return;
        }
        let (newer, kinds) = (shop::<OrMap<String, B>>(store), [B::KIND, found]);
        let map = newer.object("x");
        let answers = vec![
            ("keys", map.keys().err()),
            ("page", map.page(None::<&str>, 1).err()),
            ("len", map.len().err()),
            ("is_empty", map.is_empty().err()),
            ("contains_key", map.contains_key("y").err()),
            ("get", map.get("y").err()),
        ];
        assert_refused(&answers, "x/y", kinds);
        assert_refused(&B::reads(&map.at("y")), "x/y", kinds);
        assert_eq!(newer.keys().expect("the object is a map, whatever is in it"), ["x"]);
        self.0 += 1;
    }
}

#[test]
fn a_value_of_each_kind_below_a_key() {
    let mut below = BelowKey(0);
    each_resettable(&mut below);
    assert_eq!(below.0, 3 * 17 - 3);
}

/// A value of another type, from an older version: the error says what it is, where it stands, and
/// who wrote it.
#[test]
fn a_register_whose_type_changed_says_who_wrote_it() -> Outcome {
    let (old, new) = (Store::memory()?, Store::memory()?);
    let older = old.create_space::<OrMap<String, LwwRegister<String>>>("shop")?;
    older.transact(|tx| tx.object("jam").entry("price").set("two pounds"))?;
    let joined = new.join_space("shop", older.ticket())?;
    sync(&older, &joined);
    let newer = new.open_space::<OrMap<String, LwwRegister<u64>>>("shop")?;
    let told = newer.object("jam").at("price").get().expect_err("no number").to_string();
    let writer = older.version_vector()?.iter().next().map(|(id, _)| id.to_string());
    let told_first = format!(
        "jam/price holds the string two pounds, written by {},",
        writer.expect("somebody wrote")
    );
    assert!(told.starts_with(&told_first), "{told}");
    newer.transact(|tx| tx.object("jam").entry("price").set(2u64))?;
    assert_eq!(newer.object("jam").at("price").get()?, Some(2));
    Ok(())
}

/// Counters under a key of a nested map are no reason to refuse the sets beside them.
#[test]
fn what_stands_elsewhere_is_read() -> Outcome {
    let store = Store::memory()?;
    let tags = store.create_space::<OrMap<String, OrSet<String>>>("shop")?;
    let counts = store.open_space::<OrMap<String, PnCounter>>("shop")?;
    tags.transact(|tx| tx.object("x").entry("tags").insert("ripe"))?;
    counts.transact(|tx| tx.object("x").entry("count").add(2))?;
    assert!(tags.object("x").at("tags").contains("ripe")?);
    assert_eq!(counts.object("x").at("count").value()?, 2);
    assert!(matches!(counts.object("x").keys(), Err(ReadError::WrongKind { .. })));
    assert!(!tags.object("y").contains_key("tags")?);
    Ok(())
}
