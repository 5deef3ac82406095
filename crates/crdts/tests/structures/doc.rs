//! Documents: any shape, their views, and kinds side by side.

use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{
    BoundedCounter, Crdt as _, Doc, EditError, EnableWinsFlag, Kind, List, LwwRegister, MvRegister,
    OrMap, OrSet, PnCounter, ReadError, Replica, Tree,
};
use rejoin_derive::Crdt;
use serde_json::json;

use crate::copies::fresh;

type Texts = LwwRegister<String>;

fn doc(number: u128) -> Replica<Doc> {
    Replica::new(fresh(number))
}

fn edit(
    doc: &mut Replica<Doc>,
    change: impl FnOnce(&mut rejoin_crdts::map::DocEditor<'_>) -> Result<(), EditError>,
) {
    doc.edit(change).expect("a legal edit");
}

#[test]
fn what_is_shown_is_json() {
    let mut a = doc(1);
    edit(&mut a, |doc| {
        doc.set("title", "a \"quoted\"\nline")?;
        doc.set("price", 2.5)?;
        doc.at::<PnCounter>("stock").add(-3)?;
        doc.at::<OrSet<String>>("tags").insert("new")?;
        doc.at::<EnableWinsFlag>("paid").enable()?;
        doc.at::<Doc>("empty").create()?;
        let mut rows = doc.at::<List<Doc>>("rows");
        rows.push()?.at::<List<Texts>>("cells").push()?.set("deep")?;
        rows.push()?.create()?;
        let mut tree = doc.at::<Tree<Texts>>("tree");
        let root = tree.create(Parent::Root)?;
        let leaf = tree.create(Parent::Node(root))?;
        tree.node(leaf)?.set("leaf")
    });
    let expected = json!({
        "title": "a \"quoted\"\nline",
        "price": {"float": "2.5"},
        "stock": -3,
        "tags": ["new"],
        "paid": true,
        "empty": {},
        "rows": [{"cells": ["deep"]}, {}],
        "tree": [
            {"depth": 0, "value": null, "lost": false},
            {"depth": 1, "value": "leaf", "lost": false},
        ],
    });
    assert_eq!(serde_json::to_value(&a).expect("readable"), expected);
    assert_eq!(serde_json::to_value(a.value()).expect("readable"), expected);
    let read = a.read(|doc| doc.value()).expect("memory can be read");
    assert_eq!(read, a.value());
    assert!(a.value().to_string().contains(r#""title": "a \"quoted\"\nline""#));
    let bytes = a.save();
    let loaded = Replica::<Doc>::load(&bytes, fresh(2)).expect("what is saved loads");
    assert_eq!((loaded.value(), loaded.save()), (a.value(), bytes));
}

#[test]
fn two_kinds_under_one_name_are_shown_and_one_is_taken_away() {
    let [mut a, mut b] = [doc(1), doc(2)];
    edit(&mut a, |doc| doc.at::<PnCounter>("stock").add(3));
    edit(&mut b, |doc| doc.at::<MvRegister<String>>("stock").set("plenty"));
    a.merge(&b);
    let clash = json!({"stock": {"clash": [["Counter", 3], ["MvRegister", ["plenty"]]]}});
    assert_eq!(serde_json::to_value(a.value()).expect("readable"), clash);
    let read = a.read(|doc| doc.at::<PnCounter>("stock").value());
    let Err(ReadError::KindClash { path, kinds }) = read else { panic!("a clash: {read:?}") };
    assert_eq!(path.to_string(), "stock");
    assert_eq!(kinds, [Kind::Counter, Kind::MvRegister]);
    let names = a.read(|doc| doc.names()).expect("memory can be read");
    assert_eq!(names.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>(), kinds);
    edit(&mut a, |doc| doc.remove_kind("stock", Kind::MvRegister));
    assert_eq!(a.read(|doc| doc.at::<PnCounter>("stock").value()), Ok(3));
    let other = a.read(|doc| doc.get::<String>("stock"));
    assert!(matches!(other, Err(ReadError::WrongKind { found: Kind::Counter, .. })), "{other:?}");
    edit(&mut a, |doc| doc.remove("stock"));
    assert_eq!(a.value().to_string(), "{}");
}

/// The places of a list in a list, and of a tree in a tree, are not mistaken for the outer one's
/// own.
#[test]
fn what_nests_in_itself_is_read_apart() {
    let mut lists = Replica::<List<List<Texts>>>::new(fresh(1));
    lists
        .edit(|rows| {
            let mut first = rows.push()?;
            first.push()?.set("a")?;
            first.push()?.set("b")?;
            rows.push()?.push()?.set("c")
        })
        .expect("a legal edit");
    assert_eq!(lists.to_value().to_string(), r#"[["a", "b"], ["c"]]"#);
    assert_eq!(lists.read(|rows| rows.len()), Ok(2));
    lists.edit(|rows| rows.move_to(0, 1)).expect("a legal edit");
    assert_eq!(lists.to_value().to_string(), r#"[["c"], ["a", "b"]]"#);
    let mut trees = Replica::<Tree<Tree<Texts>>>::new(fresh(2));
    trees
        .edit(|tree| {
            let outer = tree.create(Parent::Root)?;
            let inner = tree.node(outer)?.create(Parent::Root)?;
            tree.node(outer)?.node(inner)?.set("deep")
        })
        .expect("a legal edit");
    assert_eq!(trees.to_value().to_string(), r#"(("deep"))"#);
    assert_eq!(trees.read(|tree| tree.outline()).map(|outline| outline.len()), Ok(1));
}

/// A document in a typed map reports its clashes, too.
#[test]
fn a_clash_in_a_nested_document_is_named() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<OrMap<String, Doc>>::new(fresh(n)));
    a.edit(|docs| docs.entry("d").at::<PnCounter>("x").add(1)).expect("a legal edit");
    b.edit(|docs| docs.entry("d").set("x", "y")).expect("a legal edit");
    a.merge(&b);
    let read = a.read(|docs| docs.at("d").at::<PnCounter>("x").value());
    assert!(matches!(read, Err(ReadError::KindClash { .. })), "{read:?}");
    let in_transaction =
        a.edit(|docs| docs.entry("d").at::<PnCounter>("x").value().map(drop).map_err(Into::into));
    assert!(in_transaction.is_err(), "{in_transaction:?}");
}

/// A clash above hides the data below, in either kind.
#[test]
fn a_clash_on_the_way_is_named() {
    let [mut a, mut b] = [doc(1), doc(2)];
    edit(&mut a, |doc| doc.at::<OrMap<String, PnCounter>>("lines").entry("apples").add(1));
    edit(&mut b, |doc| doc.at::<OrSet<String>>("lines").insert("apples"));
    a.merge(&b);
    let below = a.read(|doc| doc.at::<OrMap<String, PnCounter>>("lines").at("apples").value());
    let Err(ReadError::KindClash { path, kinds }) = below else { panic!("a clash: {below:?}") };
    assert_eq!((path.to_string().as_str(), kinds), ("lines", vec![Kind::Map, Kind::Set]));
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Hall {
    seats: BoundedCounter,
}

#[test]
fn a_bounded_counter_is_used_and_never_made_or_removed_in_a_document() {
    let mut hall = Replica::<Hall>::new(fresh(1));
    let made = hall.edit_as::<Doc>(|doc| doc.bounded_counter("seats")?.add(5));
    assert!(matches!(made, Err(EditError::CannotReset { .. })), "{made:?}");
    hall.edit(|hall| hall.seats().add(5)).expect("a legal edit");
    hall.edit_as::<Doc>(|doc| doc.bounded_counter("seats")?.spend(2)).expect("rights are held");
    assert_eq!(hall.seats().value(), Ok(3));
    for removal in [
        hall.edit_as::<Doc>(|doc| doc.remove("seats")),
        hall.edit_as::<Doc>(|doc| doc.clear()),
        hall.edit(|hall| hall.clear()),
    ] {
        let Err(EditError::CannotReset { path }) = removal else { panic!("{removal:?}") };
        assert_eq!(path.to_string(), "seats");
    }
    assert_eq!(hall.seats().value(), Ok(3));
    assert_eq!(hall.to_value().to_string(), r#"{"seats": 3}"#);
}

/// A map is there because something in it is, or because it was created, and goes with its key.
#[test]
fn an_empty_map_is_there_until_it_is_removed() {
    let [mut a, mut b] = [doc(1), doc(2)];
    edit(&mut a, |doc| doc.at::<Doc>("box").create());
    b.merge(&a);
    edit(&mut a, |doc| doc.remove("box"));
    assert!(!a.is_visible());
    edit(&mut b, |doc| doc.at::<Doc>("box").create());
    a.merge(&b);
    assert_eq!(a.value().to_string(), r#"{"box": {}}"#, "created again, unseen by the removal");
}
