//! What a delta did, as places and actions with their values.

use rejoin_crdts::map::DocEditor;
use rejoin_crdts::ordered::{ItemId, NodeId, Parent};
use rejoin_crdts::{
    Delta, DisableWinsFlag, Doc, Edit, EditError, EnableWinsFlag, List, LwwRegister, MvRegister,
    OrMap, OrSet, PnCounter, Replica, RwSet, Tree,
};

use crate::world::fresh;

type Docs = Replica<Doc>;

fn told(delta: &Delta) -> Vec<String> {
    let edits = Edit::of(delta).map(|Edit { path, action }| format!("{path}: {action}"));
    edits.collect()
}

fn edited(
    doc: &mut Docs,
    edit: impl FnOnce(&mut DocEditor<'_>) -> Result<(), EditError>,
) -> Vec<String> {
    told(&doc.edit(edit).expect("an edit"))
}

#[test]
fn an_edit_says_what_was_done_with_its_value() {
    let mut doc = Docs::new(fresh(1));
    let done = edited(&mut doc, |doc| {
        doc.at::<LwwRegister<String>>("title").set("Rome")?;
        doc.at::<MvRegister<i64>>("year").set(2026)?;
        doc.at::<PnCounter>("days").add(5)?;
        doc.at::<OrSet<String>>("tags").insert("sun")?;
        doc.at::<RwSet<String>>("bans").insert("rain")?;
        doc.at::<EnableWinsFlag>("booked").enable()?;
        doc.at::<DisableWinsFlag>("paid").enable()?;
        doc.at::<OrMap<String, PnCounter>>("costs").entry("hotel").add(200)
    });
    assert_eq!(
        done,
        [
            "title: Rome",
            "year: 2026",
            "days: +5",
            "tags/sun: added",
            "bans/rain: added",
            "booked: on",
            "paid: on",
            "costs/hotel: +200"
        ]
    );
    let undone = edited(&mut doc, |doc| {
        // In all.
        doc.at::<PnCounter>("days").add(-2)?;
        doc.at::<OrSet<String>>("tags").remove("sun")?;
        doc.at::<RwSet<String>>("bans").remove("rain")?;
        doc.at::<EnableWinsFlag>("booked").disable()?;
        doc.at::<DisableWinsFlag>("paid").disable()?;
        doc.at::<OrMap<String, PnCounter>>("costs").remove("hotel")
    });
    assert_eq!(
        undone,
        [
            "days: +3",
            "tags/sun: removed",
            "bans/rain: removed",
            "booked: off",
            "paid: off",
            "costs/hotel: removed"
        ]
    );
}

#[test]
fn items_and_nodes_are_added_moved_and_removed() {
    let mut doc = Docs::new(fresh(1));
    type Items = List<LwwRegister<String>>;
    let added = edited(&mut doc, |doc| {
        doc.at::<Items>("items").push()?.set("tent")?;
        doc.at::<Items>("items").push()?.set("rope")
    });
    let shown: Vec<_> =
        added.iter().map(|edit| edit.rsplit_once(": ").expect("a pair").1).collect();
    assert_eq!(shown, ["added", "tent", "added", "rope"]);
    let moved = edited(&mut doc, |doc| doc.at::<Items>("items").move_to(0, 1));
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert!(moved[0].ends_with(": moved"), "{moved:?}");
    let removed = edited(&mut doc, |doc| doc.at::<Items>("items").remove(0));
    assert!(removed.iter().all(|edit| edit.ends_with(": removed")), "{removed:?}");
    type Plan = Tree<LwwRegister<String>>;
    let mut ids = Vec::new();
    let planted = edited(&mut doc, |doc| {
        for _ in 0..2 {
            ids.push(doc.at::<Plan>("plan").create(Parent::Root)?);
        }
        Ok(())
    });
    assert!(planted.iter().all(|edit| edit.ends_with(": added")), "{planted:?}");
    let hung = edited(&mut doc, |doc| doc.at::<Plan>("plan").move_to(ids[1], Parent::Node(ids[0])));
    assert_eq!(hung.len(), 1, "the rank of a move is no edit: {hung:?}");
    assert!(hung[0].ends_with(": moved"), "{hung:?}");
}

#[test]
fn a_value_reads_as_its_type() {
    let mut doc = Docs::new(fresh(1));
    let delta = doc.edit(|doc| doc.at::<LwwRegister<i64>>("year").set(2026)).expect("an edit");
    let edit = Edit::of(&delta).next().expect("one");
    assert_eq!(edit.action.value::<i64>(), Ok(2026));
    assert!(edit.action.value::<String>().is_err());
}

/// The id of an item in a register points to it, wherever it moves.
#[test]
fn an_id_is_a_value() {
    let mut doc = Docs::new(fresh(1));
    let mut id = None;
    doc.edit(|doc| {
        let mut items = doc.at::<List<LwwRegister<String>>>("items");
        let mut item = items.push()?;
        id = Some(item.item_id());
        item.set("tent")?;
        doc.at::<LwwRegister<ItemId>>("first").set(id.ok_or(EditError::Aborted(String::new()))?)
    })
    .expect("an edit");
    let read = doc.read(|doc| doc.at::<LwwRegister<ItemId>>("first").get()).expect("readable");
    assert_eq!(read, id);
    let mut node = None;
    doc.edit(|doc| {
        node = Some(doc.at::<Tree<LwwRegister<String>>>("plan").create(Parent::Root)?);
        doc.at::<LwwRegister<NodeId>>("root").set(node.ok_or(EditError::Aborted(String::new()))?)
    })
    .expect("an edit");
    let read = doc.read(|doc| doc.at::<LwwRegister<NodeId>>("root").get()).expect("readable");
    assert_eq!(read, node);
}
