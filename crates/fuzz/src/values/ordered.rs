//! Deeds at the list and the tree, with what their author must see at once.

use rejoin::crdts::ordered::{ItemId, NodeId, Parent};
use rejoin::crdts::{EditError, List, LwwRegister, Tree};

use super::author::Author;
use super::deeds::Leaf;
use super::perform::{Done, below};
use super::world::{EditorOf, Leaves};
use crate::model::{Act, Rule};

type Items<'a> = EditorOf<'a, List<LwwRegister<u64>>>;
type Nodes<'a> = EditorOf<'a, Tree<LwwRegister<u64>>>;

pub(crate) fn perform(
    leaves: &mut EditorOf<'_, Leaves>,
    place: &[String],
    leaf: Leaf,
    author: &mut Author<'_>,
) -> Done {
    match leaf {
        Leaf::Insert(..)
        | Leaf::SetItem(..)
        | Leaf::MoveItem(..)
        | Leaf::RemoveItem(_)
        | Leaf::HideItem(_)
        | Leaf::ClearList => at_list(&mut leaves.list(), &below(place, "list"), leaf, author),
        _ => at_tree(&mut leaves.tree(), &below(place, "tree"), leaf, author),
    }
}

fn order(list: &mut Items<'_>) -> Result<Vec<ItemId>, EditError> {
    (0..list.len()?).map(|index| list.id_at(index)).collect()
}

fn at_list(list: &mut Items<'_>, place: &[String], leaf: Leaf, author: &mut Author<'_>) -> Done {
    let mut expected = order(list)?;
    let mut names: Vec<_> = expected.iter().map(|id| format!("#{id}")).collect();
    names.sort();
    let items = author.items(place);
    author.check(items == names, || format!("the author has {names:?}, and not {items:?}"));
    if let Leaf::ClearList = leaf {
        author.note(place.to_vec(), Act::Remove);
        return list.clear();
    }
    if let Leaf::Insert(at, value) = leaf {
        let at = at % (expected.len() + 1);
        let mut item = list.insert(at)?;
        let (id, name) = (item.item_id(), below(place, &format!("#{}", item.item_id())));
        author.note(name.clone(), Act::Exist);
        author.note(name.clone(), Act::Put(None));
        if let Some(value) = value {
            author.note(name, Act::Write(Rule::Last, value));
            item.set(value)?;
        }
        expected.insert(at, id);
    } else if !expected.is_empty() {
        at_item(list, place, leaf, &mut expected, author)?;
    }
    let came = order(list)?;
    author.check(came == expected, || format!("the order is {came:?}, and not {expected:?}"));
    Ok(())
}

fn at_item(
    list: &mut Items<'_>,
    place: &[String],
    leaf: Leaf,
    expected: &mut Vec<ItemId>,
    author: &mut Author<'_>,
) -> Done {
    let pick = |which: usize| which % expected.len();
    let named = |at: usize| below(place, &format!("#{}", expected[at]));
    match leaf {
        Leaf::SetItem(which, value) => {
            author.note(named(pick(which)), Act::Write(Rule::Last, value));
            list.item(expected[pick(which)])?.set(value)
        }
        Leaf::MoveItem(which, to) => {
            let (from, to) = (pick(which), pick(to));
            // A move to where it stands is none: the documentation does not say so.
            if from != to {
                author.note(named(from), Act::Put(None));
            }
            let id = expected.remove(from);
            expected.insert(to, id);
            list.move_item(id, to)
        }
        Leaf::RemoveItem(which) => {
            let at = pick(which);
            author.note(named(at), Act::Remove);
            list.remove_item(expected.remove(at))
        }
        Leaf::HideItem(which) => {
            let at = pick(which);
            author.note(named(at), Act::Hide);
            list.remove_item_unless_edited(expected.remove(at))
        }
        _ => Ok(()),
    }
}

fn at_tree(tree: &mut Nodes<'_>, place: &[String], leaf: Leaf, author: &mut Author<'_>) -> Done {
    let outline = tree.outline()?;
    let mut nodes: Vec<NodeId> = outline.iter().map(|(id, _)| id).collect();
    nodes.sort_by_key(|id| id.to_string());
    let names: Vec<_> = nodes.iter().map(|id| format!("#{id}")).collect();
    let items = author.items(place);
    author.check(items == names, || format!("the author has {names:?}, and not {items:?}"));
    let parent = |which: usize| match which % (nodes.len() + 1) {
        0 => Parent::Root,
        at => Parent::Node(nodes[at - 1]),
    };
    let named = |id: NodeId| below(place, &format!("#{id}"));
    if let Leaf::ClearTree = leaf {
        author.note(place.to_vec(), Act::Remove);
        return tree.clear();
    }
    if let Leaf::Create(on) = leaf {
        let id = tree.create(parent(on))?;
        author.note(named(id), Act::Exist);
        return put(tree, place, id, parent(on), author);
    }
    if nodes.is_empty() {
        return Ok(());
    }
    let pick = |which: usize| nodes[which % nodes.len()];
    match leaf {
        Leaf::SetNode(which, value) => {
            author.note(named(pick(which)), Act::Write(Rule::Last, value));
            tree.node(pick(which))?.set(value)
        }
        Leaf::MoveNode(which, to) => {
            let (node, to) = (pick(which), parent(to));
            let below_itself = to == Parent::Node(node)
                || outline.below(node).iter().any(|id| to == Parent::Node(*id));
            let done = tree.move_to(node, to);
            if below_itself {
                let right = matches!(done, Err(EditError::BelowItself { .. }));
                author.check(right, || format!("a move below itself answers {done:?}"));
                return Ok(());
            }
            done?;
            put(tree, place, node, to, author)
        }
        Leaf::RemoveNode(which) => {
            let node = pick(which);
            outline.below(node).into_iter().chain([node]).for_each(|id| {
                author.note(named(id), Act::Remove);
            });
            tree.remove(node)
        }
        Leaf::HideNode(which) => {
            let node = pick(which);
            outline.below(node).into_iter().chain([node]).for_each(|id| {
                author.note(named(id), Act::Hide);
            });
            tree.remove_unless_edited(node)
        }
        _ => Ok(()),
    }
}

/// Notes where a node was put, and looks if its author sees it there.
fn put(
    tree: &Nodes<'_>,
    place: &[String],
    node: NodeId,
    parent: Parent,
    author: &mut Author<'_>,
) -> Done {
    let on = if let Parent::Node(id) = parent { Some(format!("#{id}")) } else { None };
    author.note(below(place, &format!("#{node}")), Act::Put(on));
    author.note(place.to_vec(), Act::Mark);
    let came = tree.outline()?.parent(node);
    author.check(came == Some(parent), || format!("{node} was put on {parent:?}, not {came:?}"));
    Ok(())
}
