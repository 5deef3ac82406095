//! Policies of a space: the same on every replica, whoever sets them and whatever comes first.

use rejoin::prelude::*;
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{Kind, Path};
use rejoin_resolve::{Misfit, PathPattern, Record, ResolveError};

use crate::identity::sync;
use crate::medium::{Medium, Trouble};

#[derive(Crdt)]
struct Product {
    price: Siblings<u64>,
    text: Siblings<String>,
    stock: PnCounter,
    notes: OrMap<String, Siblings<Record>>,
    shelf: List<Siblings<String>>,
    more: Doc,
}

type Products = Space<Product>;

/// Policies as they stand in a space.
type Stored = OrMap<String, LwwRegister<Vec<u8>>>;

fn pattern(text: &str) -> PathPattern {
    text.parse().expect("a pattern")
}

fn stores<const N: usize>() -> [Store; N] {
    [(); N].map(|()| Store::memory().expect("a store"))
}

/// Spaces of one lineage, none of which has met another since.
fn apart(stores: &[Store]) -> Vec<Products> {
    let first: Products = stores[0].create_space("products").expect("a first space");
    let join = |store: &Store| store.join_space("products", first.ticket()).expect("joined");
    let rest: Vec<Products> = stores[1..].iter().map(join).collect();
    [first].into_iter().chain(rest).collect()
}

fn meet(spaces: &[Products]) {
    for _ in 0..2 {
        for pair in spaces.windows(2) {
            sync(&pair[0].link(), &pair[1].link());
        }
    }
}

fn price(space: &Products) -> Option<u64> {
    let resolved = space.object("tent").price().resolved().expect("resolved");
    resolved.to().expect("a price")
}

fn set_price(space: &Products, to: u64) {
    space.transact(|tx| tx.object("tent").price().set(to)).expect("a transaction");
}

#[test]
fn every_replica_resolves_by_the_policies_of_the_space() {
    let stores = stores::<2>();
    let spaces = apart(&stores);
    set_price(&spaces[0], 300);
    set_price(&spaces[1], 250);
    meet(&spaces);
    assert!(spaces.iter().all(|space| price(space).is_none()), "nobody said how");
    spaces[1].set_policy(&pattern("*/price"), &Policy::Min).expect("set");
    assert_eq!((price(&spaces[0]), price(&spaces[1])), (None, Some(250)));
    meet(&spaces);
    assert_eq!(price(&spaces[0]), Some(250));
    // The more specific one counts, until it is taken away.
    spaces[0].set_policy(&pattern("tent/*"), &Policy::Max).expect("set");
    assert_eq!(price(&spaces[0]), Some(300));
    spaces[0].set_policy(&pattern("**"), &Policy::Sum).expect("set");
    assert_eq!(price(&spaces[0]), Some(300));
    spaces[0].remove_policy("tent/*").expect("removed");
    assert_eq!(price(&spaces[0]), Some(250));
    spaces[0].remove_policy("*/price").expect("removed");
    assert_eq!(price(&spaces[0]), Some(550));
    meet(&spaces);
    assert_eq!(price(&spaces[1]), Some(550));
    let listed = spaces[1].policies().expect("readable");
    let listed: Vec<_> = listed.iter().map(|it| (it.pattern.as_str(), it.policy.clone())).collect();
    assert_eq!(listed, [("**", Ok(Policy::Sum))]);
    assert_eq!(spaces[1].keys().expect("readable"), ["tent"], "policies are no objects");
    let changes = spaces[1].changes(&Default::default()).expect("readable");
    let hidden = changes.flat_map(|change| change.expect("readable").edits().collect::<Vec<_>>());
    assert!(hidden.into_iter().all(|edit| edit.path.object_key().is_some()));
}

/// Policies that are set apart converge: of one pattern the last one stands, everywhere.
#[test]
fn policies_that_are_set_apart_converge() {
    let stores = stores::<3>();
    let spaces = apart(&stores);
    set_price(&spaces[0], 300);
    set_price(&spaces[1], 250);
    set_price(&spaces[2], 270);
    spaces[0].set_policy(&pattern("*/price"), &Policy::Max).expect("set");
    spaces[1].set_policy(&pattern("*/price"), &Policy::Min).expect("set");
    spaces[2].set_policy(&pattern("tent/text"), &Policy::KeepAll).expect("set");
    meet(&spaces);
    let policies = spaces[0].policies().expect("readable");
    assert_eq!(policies.len(), 2);
    for space in &spaces {
        assert_eq!(space.policies().expect("readable"), policies);
        assert_eq!(price(space), price(&spaces[0]));
        assert_eq!(space.digest().expect("a digest"), spaces[0].digest().expect("a digest"));
    }
}

/// A replica that lacks a function serves the siblings and names it; so does a transaction.
#[test]
fn who_lacks_a_function_serves_the_siblings() {
    let stores = stores::<2>();
    let spaces = apart(&stores);
    let nearest =
        |siblings: &[rejoin_resolve::Sibling]| siblings.first().map(|it| it.value.clone());
    spaces[0].register_policy("nearest", 1, nearest).expect("registered");
    spaces[0].set_policy(&pattern("*/price"), &Policy::custom("nearest", 1)).expect("set");
    set_price(&spaces[0], 300);
    set_price(&spaces[1], 250);
    meet(&spaces);
    let known = price(&spaces[0]).expect("an answer");
    let missing = spaces[1].object("tent").price().resolved();
    let Err(ResolveError::Missing(missing)) = missing else { panic!("{missing:?}") };
    assert_eq!((missing.custom.name.as_str(), missing.custom.version), ("nearest", 1));
    assert_eq!(spaces[1].object("tent").price().values(), Ok(vec![250, 300]));
    let inside = spaces[1].transact(|tx| {
        assert!(tx.object("tent").price().reader().resolved().is_err());
        tx.object("tent").price().set(250_u64)
    });
    inside.expect("a transaction");
    spaces[1].register_policy("nearest", 1, nearest).expect("registered");
    set_price(&spaces[0], 310);
    set_price(&spaces[1], 240);
    meet(&spaces);
    assert_eq!(price(&spaces[1]), price(&spaces[0]));
    assert_ne!(price(&spaces[1]), Some(known));
}

/// What is no policy here, as a later version or a broken program writes it, is named; the siblings
/// are there, and setting it anew mends it.
#[test]
fn a_malformed_policy_is_named_and_loses_nothing() {
    let stores = stores::<1>();
    let spaces = apart(&stores);
    let space = &spaces[0];
    set_price(space, 300);
    for (text, bytes) in [("*/price", vec![99_u8, 1]), ("**/x", vec![1]), ("*/text", vec![])] {
        let raw = space.transact(|tx| {
            let place = Path::root(Kind::Map).field("policies", Kind::Map);
            Stored::editor(Cursor::new(tx.stage(), place)).entry(text).set(bytes.clone())
        });
        raw.expect("a transaction");
    }
    let broken = space.object("tent").price().resolved();
    let Err(ResolveError::Malformed { pattern: named, .. }) = &broken else { panic!("{broken:?}") };
    assert_eq!(named, "*/price");
    assert!(broken.unwrap_err().to_string().starts_with("the policy of */price is none that"));
    assert_eq!(space.object("tent").price().values(), Ok(vec![300]));
    assert_eq!(space.policies().expect("readable").len(), 3);
    space.set_policy(&pattern("*/price"), &Policy::Max).expect("set");
    assert_eq!(price(space), Some(300));
}

#[test]
fn a_policy_for_what_is_no_sibling_is_refused() {
    let stores = stores::<1>();
    let spaces = apart(&stores);
    let set = |text: &str| spaces[0].set_policy(&pattern(text), &Policy::Max);
    for (text, misfit) in [
        ("*/stock", Misfit::Kind(Kind::Counter)),
        ("tent/notes", Misfit::Kind(Kind::Map)),
        ("*/prise", Misfit::NoSuchField("prise".to_owned())),
    ] {
        let refused = set(text);
        let named = StoreError::PolicyMisfit { pattern: text.to_owned(), misfit };
        assert_eq!(refused.map(drop), Err(named));
    }
    for text in ["*/price", "*/notes/*", "tent/shelf/*", "*/more/anything", "**", "*/**", "*/*"] {
        set(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let deep = (0..20).fold(Policy::Max, |inner, _| Policy::Chain(vec![inner]));
    let deep = spaces[0].set_policy(&pattern("*/price"), &deep);
    assert!(matches!(deep, Err(StoreError::PolicyTooLarge(_))));
}

/// They stand in maps, lists and documents; they outlive a kill, and functions that are registered
/// outlive a full medium.
#[test]
fn siblings_in_every_place_and_after_faults() {
    let mut medium = Medium::new();
    let store = medium.open();
    let space: Products = store.create_space("products").expect("a first space");
    space.register_policy("one", 1, |all| all.first().map(|it| it.value.clone())).expect("here");
    space.set_policy(&pattern("*/notes/*"), &Policy::ThreeWay).expect("set");
    space.set_policy(&pattern("*/shelf/*"), &Policy::custom("one", 1)).expect("set");
    let mut record = Record::default();
    record.set("colour", &"red".to_owned());
    let filled = space.transact(|tx| {
        tx.object("tent").notes().entry("a").set(record.clone())?;
        tx.object("tent").shelf().push()?.into_editor().set("left")?;
        tx.object("tent").more().at::<Siblings<String>>("x").set("y")
    });
    filled.expect("a transaction");
    let [other] = stores::<1>();
    let there: Products = other.join_space("products", space.ticket()).expect("joined");
    space.set_policy(&pattern("*/price"), &Policy::custom("one", 1)).expect("set");
    set_price(&space, 1);
    set_price(&there, 2);
    space.link().meet(&there.link()).expect("met");
    let known = price(&space);
    medium.trouble(Trouble::Full);
    assert!(space.transact(|tx| tx.object("tent").stock().add(1)).is_err());
    medium.end_trouble();
    assert_eq!(price(&space), known, "the function is still known");
    {
        let shelf = space.object("tent").shelf();
        let shelf = shelf.items().expect("readable");
        let first = shelf[0].1.resolved().expect("resolved");
        assert_eq!(first.to(), Ok(Some("left".to_owned())));
    }
    drop((space, store));
    medium = medium.after_power_loss();
    let space: Products = medium.open().open_space("products").expect("the space");
    let note = space.object("tent").notes().at("a").resolved().expect("resolved");
    assert_eq!(note.to::<Record>(), Ok(Some(record)));
    assert_eq!(space.policies().expect("readable").len(), 3);
}

/// A replica that is named in a priority is named for its later incarnations: here the nearest shop
/// goes on with a copy of its file, under a new id.
#[test]
fn a_priority_follows_an_incarnation() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let open = |name: &str| {
        let options = rejoin_replica::OpenOptions::new().state_dir(path("state"));
        options.open(path(name)).expect("a store")
    };
    let near = open("near");
    let here: Products = near.create_space("products").expect("a first space");
    let id = near.replica_id().expect("at its place");
    here.set_policy(&pattern("*/price"), &Policy::Priority(vec![id])).expect("set");
    set_price(&here, 100);
    let [other] = stores::<1>();
    let there: Products = other.join_space("products", here.ticket()).expect("joined");
    sync(&here.link(), &there.link());
    drop((here, near));

    std::fs::copy(path("near"), path("again")).expect("a copy");
    let again = open("again");
    let here: Products = again.open_space("products").expect("the space");
    set_price(&here, 300);
    set_price(&there, 200);
    assert_ne!(again.replica_id(), Some(id));
    here.link().meet(&there.link()).expect("met");
    assert_eq!((price(&here), price(&there)), (Some(300), Some(300)));
}
