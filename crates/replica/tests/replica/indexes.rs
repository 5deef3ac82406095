//! Declared indexes beside a walk through everything: the same at every moment, whatever happens
//! to the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use rejoin::crdts::RawAtom;
use rejoin::prelude::*;
use rejoin_replica::{Change, Config, Found, Past, Transaction};
use rejoin_vclock::VersionVector;

use crate::chance::Chance;
use crate::identity::sync;
use crate::medium::{Medium, Trouble};

#[derive(Crdt)]
struct Item {
    #[crdt(index)]
    assignee: LwwRegister<String>,
    #[crdt(index)]
    packed: EnableWinsFlag,
    #[crdt(index)]
    sizes: MvRegister<i64>,
    note: LwwRegister<String>,
}

#[derive(Crdt)]
struct Trip {
    items: OrMap<String, Item>,
    order: List<Item>,
    plan: Tree<Item>,
    #[crdt(index)]
    tags: OrSet<String>,
    #[crdt(index, rename = "at")]
    place: LwwRegister<String>,
    #[crdt(index)]
    height: MaxRegister<i64>,
}

type Trips = Space<Trip>;

const TRIPS: [&str; 3] = ["oslo", "porto", "rome"];
const NAMES: [&str; 4] = ["ann", "ben", "cleo", ""];

/// What an index has: the values, and their places as text.
type Entries = BTreeSet<(RawAtom, String)>;

fn found(trips: &Trips, index: &str) -> Entries {
    let mut all: Vec<Found> = Vec::new();
    loop {
        // Pages of three, to be put together without a gap.
        let page: Vec<Found> =
            trips.find::<String>(index, .., all.last(), 3).expect("a declared index");
        if page.is_empty() {
            let order: Vec<_> = all.iter().map(|it| (it.value.clone(), it.path.clone())).collect();
            assert!(order.is_sorted(), "by value, then by place");
            let entries: Entries =
                all.iter().map(|it| (it.value.clone(), it.path.to_string())).collect();
            assert_eq!(entries.len(), all.len(), "each once");
            return entries;
        }
        all.extend(page);
    }
}

/// The same by a walk through all that can be read.
fn walked(trips: &Trips, index: &str) -> Entries {
    let mut entries = Entries::new();
    let mut put = |value: RawAtom, place: String| {
        entries.insert((value, place));
    };
    let (field, of_item) = index.split_once('.').map_or((index, None), |(a, b)| (a, Some(b)));
    for object in trips.keys().expect("readable") {
        let trip = trips.object(&object);
        let mut item = |at: String, item: ItemReader<'_>| match of_item {
            Some("assignee") => {
                if let Some(value) = item.assignee().get().expect("readable") {
                    put(RawAtom::of(&value), format!("{at}/assignee"));
                }
            }
            Some("packed") => {
                if item.packed().is_enabled().expect("readable") {
                    put(RawAtom::of(&true), format!("{at}/packed"));
                }
            }
            Some("sizes") => {
                for value in item.sizes().values().expect("readable") {
                    put(RawAtom::of(&value), format!("{at}/sizes"));
                }
            }
            _ => unreachable!("no such field of an item"),
        };
        match field {
            "items" => {
                for key in trip.items().keys().expect("readable") {
                    item(format!("{object}/items/{key}"), trip.items().at(&key));
                }
            }
            "order" => {
                for (id, reader) in trip.order().items().expect("readable") {
                    item(format!("{object}/order/{}", RawAtom::of(&id.dot())), reader);
                }
            }
            "plan" => {
                let outline = trip.plan().outline().expect("readable");
                for (id, _) in outline.iter() {
                    let reader = trip.plan().get(id).expect("readable").expect("a node");
                    item(format!("{object}/plan/{}", RawAtom::of(&id.dot())), reader);
                }
            }
            "tags" => {
                for tag in trip.tags().items().expect("readable") {
                    put(RawAtom::of(&tag), format!("{object}/tags/{tag}"));
                }
            }
            "at" => {
                if let Some(place) = trip.place().get().expect("readable") {
                    put(RawAtom::of(&place), format!("{object}/at"));
                }
            }
            _ => {
                if let Some(height) = trip.height().get().expect("readable") {
                    put(RawAtom::of(&height), format!("{object}/height"));
                }
            }
        }
    }
    entries
}

const INDEXES: [&str; 12] = [
    "items.assignee",
    "items.packed",
    "items.sizes",
    "order.assignee",
    "order.packed",
    "order.sizes",
    "plan.assignee",
    "plan.packed",
    "plan.sizes",
    "tags",
    "at",
    "height",
];

/// The history of an object is what the log says of it, page by page.
fn check_history(trips: &Trips, when: &str) {
    let changes = trips.changes(&VersionVector::new()).expect("readable");
    let changes: Vec<Change> = changes.map(|change| change.expect("readable")).collect();
    for object in TRIPS {
        let is_of = |edit: &Edit| edit.path.object_key().as_deref() == Some(object);
        let of_it = changes.iter().rev().filter(|change| change.edits().any(|edit| is_of(&edit)));
        let mut all: Vec<Past> = Vec::new();
        loop {
            let page = trips.history(object, all.last(), 3).expect("readable");
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        let found: Vec<_> =
            all.iter().map(|past| (past.change.origin, past.change.first)).collect();
        let there: Vec<_> = of_it.map(|change| (change.origin, change.first)).collect();
        assert_eq!(found, there, "{object}, {when}");
        for past in &all {
            let edits: Vec<Edit> = past.change.edits().filter(is_of).collect();
            let told: Vec<&Edit> = past.edits.iter().map(|past| &past.edit).collect();
            assert_eq!(told, edits.iter().collect::<Vec<_>>(), "{object}, {when}");
        }
    }
}

fn check(trips: &Trips, when: &str) {
    check_history(trips, when);
    for index in INDEXES {
        assert_eq!(found(trips, index), walked(trips, index), "{index}, {when}");
    }
}

/// Some change to a trip. What cannot be done, such as a move of a node below itself, is not.
fn change(trips: &Trips, chance: &mut Chance) {
    let (trip, name) = (*chance.pick(&TRIPS), *chance.pick(&NAMES));
    let (key, size) = (*chance.pick(&["tent", "rope", "stove"]), chance.below(4));
    let size = i64::try_from(size).expect("small");
    let (what, where_) = (chance.below(9), chance.below(3));
    let at = chance.index(4);
    let edit = |mut item: ItemEditor<'_>| match what {
        0 | 1 => item.assignee().set(name),
        2 => item.assignee().clear(),
        3 => item.packed().enable(),
        4 => item.packed().disable(),
        5 => item.sizes().set(size),
        _ => item.note().set(name),
    };
    let done = trips.transact(|tx| {
        let nodes: Vec<_> = tx.read(trip).plan().outline()?.iter().map(|(id, _)| id).collect();
        let items = tx.read(trip).order().items()?;
        let items: Vec<_> = items.into_iter().map(|(id, _)| id).collect();
        let length = items.len();
        let mut object = tx.object(trip);
        match (what, where_) {
            (7, 0) => object.items().remove(key),
            (8, 0) => object.items().remove_unless_edited(key),
            (_, 0) => edit(object.items().entry(key)),
            (7, 1) if length > 0 => object.order().remove(at % length),
            (8, 1) if length > 0 => object.order().remove_unless_edited(at % length),
            (_, 1) if length > 2 => edit(object.order().into_item(items[at % length])?),
            (_, 1) => edit(object.order().into_push()?.into_editor()),
            (7, _) if nodes.len() > 1 => object.plan().remove(nodes[at % nodes.len()]),
            (8, _) if nodes.len() > 1 => {
                object.plan().remove_unless_edited(nodes[at % nodes.len()])
            }
            (6, _) if nodes.len() > 1 => {
                let moved = object.plan().move_to(nodes[0], Parent::Node(nodes[at % nodes.len()]));
                drop(moved);
                Ok(())
            }
            (5, _) => object.tags().insert(name),
            (4, _) => object.tags().remove(name),
            (3, _) => object.place().set(name),
            (2, _) => object.height().set(size),
            _ if nodes.len() < 3 => object.plan().create(Parent::Root).map(drop),
            _ => edit(object.plan().into_node(nodes[at % nodes.len()])?),
        }
    });
    done.expect("a transaction");
    if chance.percent(5) {
        trips.transact(|tx| tx.remove(trip)).expect("a transaction");
    }
}

fn small() -> Config {
    let mut config = Config::default();
    // Flushes and merges all the while.
    (config.memtable_bytes, config.cache_bytes) = (2_000, 20_000);
    config
}

/// Random changes on two stores that meet, are killed, fill up and are damaged.
#[test]
fn an_index_says_what_a_walk_says() {
    for seed in 1..=12 {
        let mut chance = Chance::new(seed);
        let config = if seed % 2 == 0 { small() } else { Config::default() };
        let mut media = [Medium::new(), Medium::new()];
        let mut stores = media.each_ref().map(|medium| medium.open_with(config));
        let first: Trips = stores[0].create_space("trips").expect("a first space");
        let second: Trips = stores[1].join_space("trips", first.ticket()).expect("joined");
        let mut trips = [first, second];
        // The indexes of some are made when there is much already.
        let asked_from = chance.below(60);
        for step in 0..150 {
            let at = chance.index(2);
            change(&trips[at], &mut chance);
            if chance.percent(20) {
                sync(&trips[0].link(), &trips[1].link());
            }
            let when = format!("seed {seed}, step {step}");
            if step >= asked_from && chance.percent(30) {
                check(&trips[at], &when);
            }
            if chance.percent(4) {
                media[at] = media[at].after_power_loss();
                stores[at] = media[at].open_with(config);
                trips[at] = stores[at].open_space("trips").expect("the space");
                check(&trips[at], &format!("{when}, after a kill"));
            }
            if chance.percent(3) {
                media[at].trouble(Trouble::Full);
                let refused = trips[at].transact(|tx| tx.object("oslo").place().set("gone"));
                assert!(refused.is_err());
                media[at].end_trouble();
                check(&trips[at], &format!("{when}, after a full medium"));
            }
            if chance.percent(2) {
                media[at] = media[at].after_power_loss();
                media[at].damage_rows();
                stores[at] = media[at].open_with(config);
                trips[at] = stores[at].open_space("trips").expect("the space");
                // Whoever meets the damage first hears of it.
                drop(trips[at].digest());
                check(&trips[at], &format!("{when}, after damage"));
            }
        }
        sync(&trips[0].link(), &trips[1].link());
        for index in INDEXES {
            assert_eq!(found(&trips[0], index), found(&trips[1], index), "seed {seed}");
        }
        trips[0].flush().expect("written");
    }
}

#[test]
fn a_range_is_sorted_by_value_and_paged() {
    let store = Store::memory().expect("a store");
    let trips: Trips = store.create_space("trips").expect("a first space");
    for n in 0..100_i64 {
        trips
            .transact(|tx| tx.object(&format!("trip {n}")).height().set(n * 7 % 100))
            .expect("set");
    }
    let mut heights = Vec::new();
    let mut after = None;
    loop {
        let page = trips.find("height", 20_i64..60, after.as_ref(), 7).expect("a page");
        heights.extend(page.iter().map(|it| it.value.to::<i64>().expect("a height")));
        match page.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    assert_eq!(heights, (20..60).collect::<Vec<i64>>());
    let one = trips.find("height", 20_i64..=20, None, 7).expect("a page");
    assert_eq!(trips.object(&one[0].object()).height().get(), Ok(Some(20)));
    assert!(trips.find("height", 20_i64..60, None, 0).expect("a page").is_empty());
    // Of another type there is none, wherever that type stands in the order.
    for none in [
        trips.find("height", String::new().., None, 7),
        trips.find("height", ..="z".to_owned(), None, 7),
        trips.find("height", ..1e9_f64, None, 7),
    ] {
        assert_eq!(none, Ok(Vec::new()));
    }
    assert_eq!(trips.find::<String>("height", .., None, 7).expect("a page").len(), 7);
    let unknown = trips.find("hight", 0_i64.., None, 7);
    assert!(matches!(unknown, Err(StoreError::NoSuchIndex { name, declared }) if name == "hight"
        && declared.len() == 12));
}

/// Values that agree in their first bytes are told apart, and are no more than a page.
#[test]
fn long_values_are_found_by_all_of_them() {
    let store = Store::memory().expect("a store");
    let trips: Trips = store.create_space("trips").expect("a first space");
    let long = |end: &str| format!("{}{end}", "x".repeat(5_000));
    for end in ["a", "b", "c"] {
        trips.transact(|tx| tx.object(end).place().set(long(end))).expect("set");
    }
    let found = trips.find("at", long("b")..=long("b"), None, 10).expect("a page");
    assert_eq!(found.iter().map(Found::object).collect::<Vec<_>>(), ["b"]);
    assert_eq!(trips.find("at", long("b").., None, 10).expect("a page").len(), 2);
    trips.transact(|tx| tx.object("b").place().set(long("d"))).expect("set");
    assert!(trips.find("at", long("b")..=long("b"), None, 10).expect("a page").is_empty());
}

/// Two concurrent values with one entry, of which one goes.
#[test]
fn long_values_that_stand_side_by_side_share_an_entry() {
    #[derive(Crdt)]
    struct Note {
        #[crdt(index)]
        text: MvRegister<String>,
    }
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let here: Space<Note> = stores[0].create_space("notes").expect("a first space");
    let there: Space<Note> = stores[1].join_space("notes", here.ticket()).expect("joined");
    let long = |end: &str| format!("{}{end}", "x".repeat(300));
    let set = |notes: &Space<Note>, end: &str| {
        notes.transact(|tx| tx.object("door").text().set(long(end))).expect("set");
    };
    let found = || {
        let page = here.find("text", long("").., None, 10).expect("a page");
        page.iter().map(|it| it.value.to::<String>().expect("a text")).collect::<Vec<_>>()
    };
    assert!(found().is_empty());
    // The index that was just made is flushed with this; the rest is in memory alone.
    here.transact(|tx| tx.object("gate").text().set("x")).expect("set");
    set(&here, "a");
    set(&there, "b");
    sync(&here.link(), &there.link());
    assert_eq!(found(), [long("a"), long("b")]);
    set(&there, "c");
    sync(&here.link(), &there.link());
    assert_eq!(found(), [long("c")]);
}

/// What was made once is not made again: a start reads the index, and not all cells.
#[test]
fn an_index_is_stored_with_the_state() {
    let medium = Medium::new();
    let write = |store: &Store| {
        let trips: Trips = store.open_space("trips").expect("the space");
        drop(trips.find("at", String::new().., None, 1).expect("a page"));
        trips.flush().expect("written");
    };
    let store = medium.open();
    let trips: Trips = store.create_space("trips").expect("a first space");
    for n in 0..2_000 {
        let trips = trips.with_durability(rejoin::prelude::Durability::Buffered);
        trips.transact(|tx| tx.object(&format!("trip {n}")).place().set("here")).expect("set");
    }
    write(&store);
    drop((trips, store));
    let reads = |medium: &Arc<Medium>| {
        let store = medium.open();
        let trips: Trips = store.open_space("trips").expect("the space");
        let before = medium.reads();
        assert_eq!(trips.find("at", String::new().., None, 1).expect("a page").len(), 1);
        medium.reads() - before
    };
    assert!(reads(&medium) < 10, "a page of one");
}

/// What removals hide is in no index, so that nobody wades through it; whatever of it somebody
/// changed meanwhile is there again, with all that it has.
#[test]
fn what_is_hidden_costs_a_page_nothing() {
    let (medium, other) = (Medium::new(), Medium::new());
    let store = medium.open();
    let trips: Trips = store.create_space("trips").expect("a first space");
    trips
        .transact(|tx| {
            let mut object = tx.object("oslo");
            for n in 0..1_500 {
                let mut item = object.order().into_push()?.into_editor();
                item.assignee().set(if n == 700 { "ben" } else { "ann" })?;
                item.packed().enable()?;
            }
            Ok(())
        })
        .expect("a transaction");
    let there: Trips = other.open().join_space("trips", trips.ticket()).expect("joined");
    sync(&trips.link(), &there.link());
    assert_eq!(found(&trips, "order.packed").len(), 1_500);
    trips
        .transact(|tx| {
            let mut order = tx.object("oslo").into_order();
            (0..1_499).try_for_each(|_| order.remove_unless_edited(0))
        })
        .expect("a transaction");
    trips.flush().expect("written");
    let link = trips.link();
    drop((trips, link, store));

    let store = medium.open();
    let trips: Trips = store.open_space("trips").expect("the space");
    let before = medium.reads();
    assert_eq!(trips.find("order.assignee", String::new().., None, 5).expect("a page").len(), 1);
    let reads = medium.reads() - before;
    assert!(reads < 10, "{reads} reads for a page of one");

    // The note brings back the assignee and the flag, too.
    let items = there.object("oslo").order().items().expect("readable");
    let note = |tx: &mut Transaction<'_, Trip>| {
        tx.object("oslo").order().into_item(items[700].0)?.note().set("mine")
    };
    there.transact(note).expect("an item");
    sync(&trips.link(), &there.link());
    for index in ["order.assignee", "order.packed"] {
        assert_eq!(found(&trips, index), walked(&trips, index));
        assert_eq!(found(&trips, index).len(), 2);
    }
}

/// A program that knows no indexes has flushed since: what it wrote is found.
#[test]
fn an_index_that_was_not_kept_for_a_while_is_made_again() {
    let medium = Medium::new();
    drop(medium.open().create_space::<Trip>("trips").expect("a first space"));
    // A store that is closed flushes.
    let write_and_count = |to: &str| {
        let store = medium.open();
        let trips: Trips = store.open_space("trips").expect("the space");
        trips.transact(|tx| tx.object(to).place().set("here")).expect("set");
        trips.find::<String>("at", .., None, 10).expect("a page").len()
    };
    let row = || medium.rows().into_iter().find(|(key, _)| key == &[8]).expect("a row");
    assert_eq!(write_and_count("oslo"), 1);
    let (key, before) = row();
    assert_eq!(write_and_count("porto"), 2);
    assert_ne!(row().1, before);
    // As that program leaves the row: it says nothing of the last flush.
    medium.put_row(&key, Some(before));
    assert_eq!(write_and_count("rome"), 3);
    let next_number = usize::from(row().1[7]);
    assert_eq!(next_number, 2 * INDEXES.len(), "the entries that were there are not used");
}

/// The row that names an index is written with the entries that it was made of, and not with those
/// of a flush that had begun before.
#[test]
fn an_index_that_is_made_during_a_flush_is_not_lost() {
    let mut config = Config::default();
    config.memtable_bytes = 60_000;
    for made_at in 90..150 {
        let medium = Medium::new();
        let store = medium.open_with(config);
        let trips: Trips = store.create_space("trips").expect("a first space");
        let write = |n: usize| {
            let place = "x".repeat(500);
            trips.transact(|tx| tx.object(&format!("{n}")).place().set(place)).expect("set");
        };
        (0..made_at).for_each(write);
        assert_eq!(trips.find::<String>("at", .., None, 1).expect("a page").len(), 1);
        for n in made_at..made_at + 6 {
            write(n);
            let killed = medium.after_power_loss().open_with(config);
            let trips: Trips = killed.open_space("trips").expect("the space");
            let found = trips.find::<String>("at", .., None, 1_000).expect("a page");
            assert_eq!(found.len(), n + 1, "made at {made_at}");
        }
    }
}

/// A type that nests in itself has endless places: nothing in it is indexed, and that is said.
#[test]
fn a_type_that_nests_in_itself_has_no_index() {
    #[derive(Crdt)]
    struct Folder {
        #[crdt(index)]
        name: LwwRegister<String>,
        folders: OrMap<String, Folder>,
    }
    #[derive(Crdt)]
    struct Disk {
        #[crdt(index)]
        label: LwwRegister<String>,
        root: Folder,
    }
    let store = Store::memory().expect("a store");
    let disks: Space<Disk> = store.create_space("disks").expect("a first space");
    let refused = disks.find("root.name", String::new().., None, 1);
    assert!(
        matches!(refused, Err(StoreError::NoSuchIndex { declared, .. }) if declared == ["label"])
    );
}
