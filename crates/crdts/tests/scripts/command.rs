//! The edits of a document in a script: `<type> <name> <verb> <arguments>`.
//!
//! A name is a path of map keys, `lines/apples`. Types: `counter`, `up`, `seats` (bounded), `lww`,
//! `mv`, `max`, `min`, `ew`, `dw`, `set`, `grow`, `rw`, `2p`, `list`, `tree`, `map`. The scripts of
//! rejoin-replica have the same edits.

use std::collections::BTreeMap;

use rejoin_crdts::counter::BoundedCounterEditor;
use rejoin_crdts::map::DocEditor;
use rejoin_crdts::ordered::{NodeId, Parent};
use rejoin_crdts::{
    DisableWinsFlag, Doc, EditError, EnableWinsFlag, GCounter, GSet, Kind, List, LwwRegister,
    MaxRegister, MinRegister, MvRegister, OrSet, PnCounter, ReplicaId, RwSet, Tree, TwoPhaseSet,
};

type Done = Result<Result<(), EditError>, String>;

pub(crate) type Nodes = BTreeMap<String, NodeId>;

/// Performs one edit; the outer error is the script's, the inner one the library's.
pub(crate) fn perform(doc: &mut DocEditor<'_>, edit: &str, nodes: &mut Nodes) -> Done {
    let words: Vec<&str> = edit.split_whitespace().collect();
    let [kind, name, verb, arguments @ ..] = words.as_slice() else {
        return Err(format!("{edit:?} is no `<type> <name> <verb>`"));
    };
    let (above, name) = name.rsplit_once('/').unwrap_or(("", name));
    let above: Vec<&str> = above.split('/').filter(|name| !name.is_empty()).collect();
    below(doc, &above, &mut |doc| {
        in_map(doc, kind, name, verb, arguments, nodes)
            .ok_or_else(|| format!("no {kind} does {verb} {arguments:?}"))
    })
}

fn below(
    doc: &mut DocEditor<'_>,
    above: &[&str],
    then: &mut dyn FnMut(&mut DocEditor<'_>) -> Done,
) -> Done {
    match above {
        [] => then(doc),
        [name, rest @ ..] => below(&mut doc.at::<Doc>(name), rest, then),
    }
}

/// Performs an edit of bounded seats: `seats add 3`, `seats spend 1`, `seats pass 1 to south`.
pub(crate) fn seats(
    seats: &mut BoundedCounterEditor<'_>,
    edit: &str,
    ids: &BTreeMap<String, ReplicaId>,
) -> Done {
    let words: Vec<&str> = edit.split_whitespace().skip(1).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    match words.as_slice() {
        ["add", amount] => Ok(seats.add(number(amount)?)),
        ["spend", amount] => Ok(seats.spend(number(amount)?)),
        ["pass", amount, "to", who] => {
            let to = ids.get(*who).ok_or_else(|| format!("nobody is called {who}"))?;
            Ok(seats.transfer(number(amount)?, *to))
        }
        _ => Err(format!("no seats do {edit}")),
    }
}

fn in_map(
    doc: &mut DocEditor<'_>,
    kind: &str,
    name: &str,
    verb: &str,
    arguments: &[&str],
    nodes: &mut Nodes,
) -> Option<Result<(), EditError>> {
    let number = || arguments.first().and_then(|text| text.parse::<i64>().ok());
    let natural = || number().map(i64::unsigned_abs);
    Some(match (kind, verb, arguments) {
        ("counter", "add", _) => doc.at::<PnCounter>(name).add(number()?),
        ("counter", "reset", []) => doc.at::<PnCounter>(name).reset(),
        ("up", "add", _) => doc.at::<GCounter>(name).add(natural()?),
        ("lww", "set", [text]) => doc.at::<LwwRegister<String>>(name).set(*text),
        ("lww", "clear", []) => doc.at::<LwwRegister<String>>(name).clear(),
        ("mv", "set", [text]) => doc.at::<MvRegister<String>>(name).set(*text),
        ("max", "set", _) => doc.at::<MaxRegister<i64>>(name).set(number()?),
        ("min", "set", _) => doc.at::<MinRegister<i64>>(name).set(number()?),
        ("max", "clear", []) => doc.at::<MaxRegister<i64>>(name).clear(),
        ("ew", "on", []) => doc.at::<EnableWinsFlag>(name).enable(),
        ("ew", "off", []) => doc.at::<EnableWinsFlag>(name).disable(),
        ("dw", "on", []) => doc.at::<DisableWinsFlag>(name).enable(),
        ("dw", "off", []) => doc.at::<DisableWinsFlag>(name).disable(),
        ("set", "insert", [element]) => doc.at::<OrSet<String>>(name).insert(*element),
        ("set", "remove", [element]) => doc.at::<OrSet<String>>(name).remove(*element),
        ("grow", "insert", [element]) => doc.at::<GSet<String>>(name).insert(*element),
        ("rw", "insert", [element]) => doc.at::<RwSet<String>>(name).insert(*element),
        ("rw", "remove", [element]) => doc.at::<RwSet<String>>(name).remove(*element),
        ("2p", "insert", [element]) => doc.at::<TwoPhaseSet<String>>(name).insert(*element),
        ("2p", "remove", [element]) => doc.at::<TwoPhaseSet<String>>(name).remove(*element),
        ("map", "create", []) => doc.at::<Doc>(name).create(),
        ("map", "remove", []) => doc.remove(name),
        ("map", "remove", ["unless", "edited"]) => doc.remove_unless_edited(name),
        ("map", "remove", ["counter"]) => doc.remove_kind(name, Kind::Counter),
        ("list", ..) => return in_list(doc, name, verb, arguments),
        ("tree", ..) => return in_tree(doc, name, verb, arguments, nodes),
        _ => return None,
    })
}

fn in_list(
    doc: &mut DocEditor<'_>,
    name: &str,
    verb: &str,
    arguments: &[&str],
) -> Option<Result<(), EditError>> {
    let mut list = doc.at::<List<LwwRegister<String>>>(name);
    let index = |text: &str| text.parse::<usize>().ok();
    Some(match (verb, arguments) {
        ("create", []) => list.create(),
        ("insert", [at, text]) => list.insert(index(at)?).and_then(|mut item| item.set(*text)),
        ("push", texts) => {
            texts.iter().try_for_each(|text| list.push().and_then(|mut item| item.set(*text)))
        }
        ("set", [at, text]) => list.at(index(at)?).and_then(|mut item| item.set(*text)),
        ("move", [from, to]) => list.move_to(index(from)?, index(to)?),
        ("remove", [at]) => list.remove(index(at)?),
        ("remove", [at, "unless", "edited"]) => list.remove_unless_edited(index(at)?),
        _ => return None,
    })
}

fn in_tree(
    doc: &mut DocEditor<'_>,
    name: &str,
    verb: &str,
    arguments: &[&str],
    nodes: &mut Nodes,
) -> Option<Result<(), EditError>> {
    let mut tree = doc.at::<Tree<LwwRegister<String>>>(name);
    let parent = |nodes: &Nodes, name: &str| match name {
        "root" => Some(Parent::Root),
        name => nodes.get(name).map(|&id| Parent::Node(id)),
    };
    Some(match (verb, arguments) {
        ("create", [label, "under", above]) => tree.create(parent(nodes, above)?).and_then(|id| {
            nodes.insert((*label).to_owned(), id);
            tree.node(id)?.set(*label)
        }),
        ("rename", [label, text]) => {
            tree.node(*nodes.get(*label)?).and_then(|mut value| value.set(*text))
        }
        ("move", [label, "under", above]) => {
            tree.move_to(*nodes.get(*label)?, parent(nodes, above)?)
        }
        ("remove", [label]) => tree.remove(*nodes.get(*label)?),
        ("remove", [label, "unless", "edited"]) => tree.remove_unless_edited(*nodes.get(*label)?),
        _ => return None,
    })
}
