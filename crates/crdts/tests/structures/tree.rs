//! Trees: the oracle after every step, and the effects that people notice.

use proptest::prelude::*;
use rejoin_crdts::ordered::{NodeId, Outline, Parent};
use rejoin_crdts::{Delta, EditError, LwwRegister, Replica, Tree};

use crate::copies::{Event, Kind, Seen, exhaust, fresh, search};
use crate::tree_oracle::{self, Act, On, Picture};

type Folders = Tree<LwwRegister<String>>;

struct Trees;

/// Nodes are named by their place among those that are there; `None` is the root.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Create { below: Option<usize> },
    Move { node: usize, below: Option<usize> },
    Remove(usize),
    Hide(usize),
    Write(usize),
}

fn nodes(copy: &Replica<Folders>) -> Vec<NodeId> {
    copy.outline().iter().map(|(id, _)| id).collect()
}

fn on(parent: Parent) -> On {
    match parent {
        Parent::Root => On::Root,
        Parent::Node(id) => On::Node(id.dot()),
        Parent::Lost => On::Lost,
    }
}

impl Kind for Trees {
    type Value = Folders;
    type Wish = Wish;
    type Act = Act;
    type Picture = Picture;

    fn wishes() -> BoxedStrategy<Wish> {
        let node = 0..5_usize;
        let below = proptest::option::weighted(0.8, node.clone());
        prop_oneof![
            3 => below.clone().prop_map(|below| Wish::Create { below }),
            6 => (node.clone(), below).prop_map(|(node, below)| Wish::Move { node, below }),
            1 => node.clone().prop_map(Wish::Remove),
            2 => node.clone().prop_map(Wish::Hide),
            2 => node.prop_map(Wish::Write),
        ]
        .boxed()
    }

    fn perform(copy: &mut Replica<Folders>, wish: &Wish) -> (Option<Act>, Option<Delta>) {
        let there = nodes(copy);
        let parent = |below: Option<usize>| match below {
            None => Some(Parent::Root),
            Some(index) => there.get(index).map(|&id| Parent::Node(id)),
        };
        match *wish {
            Wish::Create { below } => {
                let Some(parent) = parent(below) else { return (None, None) };
                let delta = copy.edit(|tree| tree.create(parent).map(drop));
                (Some(Act::Create { on: on(parent) }), Some(delta.expect("a legal edit")))
            }
            Wish::Move { node, below } => {
                let (Some(&node), Some(parent)) = (there.get(node), parent(below)) else {
                    return (None, None);
                };
                let outline = copy.outline();
                let cycle = matches!(parent, Parent::Node(id) if outline.below(node).contains(&id));
                match copy.edit(|tree| tree.move_to(node, parent)) {
                    Ok(delta) => {
                        assert!(!cycle, "a move below itself");
                        (Some(Act::Move { node: node.dot(), on: on(parent) }), Some(delta))
                    }
                    Err(error) => {
                        assert!(cycle && matches!(error, EditError::BelowItself { .. }), "{error}");
                        (None, None)
                    }
                }
            }
            Wish::Remove(index) => {
                let Some(&node) = there.get(index) else { return (None, None) };
                let nodes = copy.outline().below(node).into_iter().map(NodeId::dot).collect();
                let delta = copy.edit(|tree| tree.remove(node)).expect("a legal edit");
                (Some(Act::Remove { nodes }), Some(delta))
            }
            Wish::Hide(index) => {
                let Some(&node) = there.get(index) else { return (None, None) };
                let nodes = copy.outline().below(node).into_iter().map(NodeId::dot).collect();
                let delta = copy.edit(|tree| tree.remove_unless_edited(node));
                (Some(Act::Hide { nodes }), Some(delta.expect("a legal edit")))
            }
            Wish::Write(index) => {
                let Some(&node) = there.get(index) else { return (None, None) };
                let text = format!("text {}", copy.version_vector().get(copy.id()));
                let delta = copy.edit(|tree| tree.node(node)?.set(text.as_str()));
                let act = Act::Write { node: node.dot(), text };
                (Some(act), Some(delta.expect("a legal edit")))
            }
        }
    }

    fn picture(copy: &Replica<Folders>) -> Picture {
        let outline = copy.outline();
        validate(&outline);
        assert_eq!(copy.len(), outline.len());
        assert_eq!(copy.read(|tree| tree.outline()), Ok(outline.clone()));
        let shown = outline.iter().map(|(id, parent)| {
            let value = copy.get(id).expect("a node of the outline").get().expect("a string");
            (id.dot(), (on(parent), value))
        });
        shown.collect()
    }

    fn oracle(events: &[Event<Act>], seen: Seen) -> Picture {
        tree_oracle::picture(events, seen)
    }

    /// An own move always stands: its priority beats all that was seen.
    fn took_effect(copy: &Replica<Folders>, act: &Act) {
        if let Act::Move { node, on: parent } = act {
            let outline = copy.outline();
            let hangs = outline.iter().find(|(id, _)| id.dot() == *node).map(|(_, at)| on(at));
            assert_eq!(hangs, Some(*parent), "the move of {node} stands");
        }
    }
}

/// Checks that no node is below itself, and that every node can be reached from the root or from
/// lost, once.
fn validate(outline: &Outline) {
    let tops = [Parent::Root, Parent::Lost];
    let reached: Vec<NodeId> = tops
        .iter()
        .flat_map(|&top| outline.children(top))
        .flat_map(|&node| outline.below(node))
        .collect();
    let mut once = reached.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), reached.len()), (outline.len(), outline.len()), "{outline:?}");
}

#[test]
fn random_scripts() {
    search::<Trees>();
}

/// Every order of three moves among three nodes on three copies: no cycle, and all agree.
#[test]
fn small_worlds() {
    let start = [Wish::Create { below: None }; 3];
    let into = |node, below| Wish::Move { node, below: Some(below) };
    exhaust::<Trees>(&start, &[into(0, 1), into(1, 2), into(2, 0), Wish::Remove(1)], 3);
    // Removals of either kind against moves and changes.
    let start = [Wish::Create { below: None }, Wish::Create { below: Some(0) }];
    exhaust::<Trees>(&start, &[into(1, 0), Wish::Write(0), Wish::Hide(0), Wish::Remove(0)], 3);
}

/// y-crdt 2022: cycles of moves, and moves across ancestors, cause no endless walk.
#[test]
fn line_07_cycles_of_moves_are_broken_and_deep_trees_are_walked() {
    let mut a = Replica::<Tree<LwwRegister<String>>>::new(fresh(1));
    let mut ids = Vec::new();
    a.edit(|tree| {
        let mut below = Parent::Root;
        for _ in 0..20_000 {
            let id = tree.create(below)?;
            ids.push(id);
            below = Parent::Node(id);
        }
        Ok(())
    })
    .expect("a legal edit");
    let (top, bottom) = (ids[0], ids[19_999]);
    let refused = a.edit(|tree| tree.move_to(top, Parent::Node(bottom)));
    assert!(matches!(refused, Err(EditError::BelowItself { .. })));
    assert!(a.edit(|tree| tree.move_to(top, Parent::Node(top))).is_err());
    let mut b = a.fork(fresh(2));
    // Each copy lifts one half out and hangs the other half below it.
    let middle = ids[10_000];
    a.edit(|tree| {
        tree.move_to(middle, Parent::Root)?;
        tree.move_to(top, Parent::Node(bottom))
    })
    .expect("a legal edit");
    b.edit(|tree| tree.move_to(bottom, Parent::Node(top))).expect("a legal edit");
    a.merge(&b);
    b.merge(&a);
    assert_eq!(a.outline(), b.outline());
    validate(&a.outline());
    assert_eq!(a.outline().len(), 20_000);
    assert!(a.to_value().to_string().len() > 40_000, "shown without a deep stack");
}

#[test]
fn what_is_put_into_a_removed_folder_is_found_under_lost() {
    let mut a = Replica::<Folders>::new(fresh(1));
    let mut folder = None;
    a.edit(|tree| {
        folder = Some(tree.create(Parent::Root)?);
        Ok(())
    })
    .expect("a legal edit");
    let folder = folder.expect("it was created");
    let mut b = a.fork(fresh(2));
    a.edit(|tree| tree.remove(folder)).expect("a legal edit");
    b.edit(|tree| {
        let photo = tree.create(Parent::Node(folder))?;
        tree.node(photo)?.set("photo")
    })
    .expect("a legal edit");
    a.merge(&b);
    let outline = a.outline();
    let lost = outline.children(Parent::Lost);
    assert_eq!((outline.len(), lost.len()), (1, 1));
    assert_eq!(a.get(lost[0]).map(|value| value.get()), Some(Ok(Some("photo".into()))));
    let gone = a.edit(|tree| tree.create(Parent::Node(folder)).map(drop));
    assert!(matches!(gone, Err(EditError::NoSuchNode { .. })), "{gone:?}");
    let onto = a.edit(|tree| tree.create(Parent::Lost).map(drop));
    assert!(matches!(onto, Err(EditError::OntoLost { .. })), "{onto:?}");
    let rescued = lost[0];
    a.edit(|tree| tree.move_to(rescued, Parent::Root)).expect("a legal edit");
    assert_eq!(a.outline().parent(rescued), Some(Parent::Root));
}

/// An id that a program has saved still names the node later.
#[test]
fn ids_survive_serde() {
    let mut tree = Replica::<Folders>::new(fresh(1));
    tree.edit(|tree| {
        let root = tree.create(Parent::Root)?;
        tree.create(Parent::Node(root)).map(drop)
    })
    .expect("a legal edit");
    for (id, parent) in tree.outline().iter() {
        let text = serde_json::to_string(&(id, parent)).expect("readable");
        assert_eq!(serde_json::from_str::<(NodeId, Parent)>(&text).ok(), Some((id, parent)));
    }
    let shown = serde_json::to_value(tree.outline()).expect("readable");
    assert_eq!(shown.as_array().map(Vec::len), Some(2));
    let list = list_ids();
    let text = serde_json::to_string(&list).expect("readable");
    assert_eq!(serde_json::from_str::<Vec<rejoin_crdts::ordered::ItemId>>(&text).ok(), Some(list));
}

fn list_ids() -> Vec<rejoin_crdts::ordered::ItemId> {
    let mut list = Replica::<rejoin_crdts::List<LwwRegister<String>>>::new(fresh(2));
    list.edit(|list| list.push()?.set("a")).expect("a legal edit");
    list.items().into_iter().map(|(id, _)| id).collect()
}
