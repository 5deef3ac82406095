//! The value that the runs are about: a struct of every type, plain and below the keys of a map.

use std::collections::BTreeSet;
use std::fmt::Debug;

use rejoin::crdts::ReadError;
use rejoin::prelude::*;
use rejoin::{Crdt, crdts};

use crate::model::{Rule, Shape, Shown};

/// One field of each type that can stand anywhere.
#[derive(Crdt, Default, Clone)]
pub(crate) struct Leaves {
    visits: GCounter,
    sum: PnCounter,
    last: LwwRegister<u64>,
    several: MvRegister<u64>,
    most: MaxRegister<u64>,
    least: MinRegister<u64>,
    siblings: Siblings<u64>,
    on: EnableWinsFlag,
    off: DisableWinsFlag,
    readers: GSet<String>,
    tags: OrSet<String>,
    members: RwSet<String>,
    tickets: TwoPhaseSet<String>,
    deep: OrMap<String, PnCounter>,
    list: List<LwwRegister<u64>>,
    tree: Tree<LwwRegister<u64>>,
    doc: Doc,
}

/// The whole value of a replica.
#[derive(Crdt, Default, Clone)]
pub(crate) struct World {
    pub(crate) plain: Leaves,
    pub(crate) seats: BoundedCounter,
    pub(crate) named: OrMap<String, Leaves>,
}

const LAST: Shape = Shape::Register(Rule::Last);
pub(crate) const LEAVES: Shape = Shape::Struct(&[
    ("visits", Shape::Counter),
    ("sum", Shape::Counter),
    ("last", LAST),
    ("several", Shape::Register(Rule::All)),
    ("most", Shape::Register(Rule::Greatest)),
    ("least", Shape::Register(Rule::Least)),
    ("siblings", Shape::Register(Rule::All)),
    ("on", Shape::Flag),
    ("off", Shape::ContestedFlag),
    ("readers", Shape::Set),
    ("tags", Shape::Set),
    ("members", Shape::ContestedSet),
    ("tickets", Shape::ContestedSet),
    ("deep", Shape::Map(&Shape::Counter)),
    ("list", Shape::Items(&LAST)),
    ("tree", Shape::Items(&LAST)),
    ("doc", Shape::Doc),
]);
pub(crate) const WORLD: Shape =
    Shape::Struct(&[("plain", LEAVES), ("seats", Shape::Bounded), ("named", Shape::Map(&LEAVES))]);

type Lines<'a> = &'a mut Shown;

/// Adds a line if there is anything to say.
fn line(out: Lines<'_>, at: &str, field: &str, value: Option<String>) {
    if let Some(value) = value {
        out.insert(format!("{at}/{field}"), value);
    }
}

fn some(is: bool, value: &dyn Debug) -> Option<String> {
    is.then(|| format!("{value:?}"))
}

fn set_of<T: Ord + Debug>(items: Vec<T>) -> Option<String> {
    let items: BTreeSet<T> = items.into_iter().collect();
    some(!items.is_empty(), &items)
}

type ReaderOf<'a, T> = <T as Crdt>::Reader<'a>;

/// What a reader of the leaves shows.
pub(crate) fn read_leaves(
    leaves: &ReaderOf<'_, Leaves>,
    at: &str,
    out: Lines<'_>,
) -> Result<(), ReadError> {
    let (visits, sum) = (leaves.visits().value()?, leaves.sum().value()?);
    line(out, at, "visits", some(visits != 0, &visits));
    line(out, at, "sum", some(sum != 0, &sum));
    let last = leaves.last().concurrent()?;
    assert_eq!(leaves.last().get()?, last.first().copied(), "the first one stands");
    line(out, at, "last", some(!last.is_empty(), &last));
    line(out, at, "several", set_of(leaves.several().values()?));
    line(out, at, "siblings", set_of(leaves.siblings().values()?));
    line(out, at, "most", leaves.most().get()?.map(|value| value.to_string()));
    line(out, at, "least", leaves.least().get()?.map(|value| value.to_string()));
    line(out, at, "on", leaves.on().is_enabled()?.then(|| "on".into()));
    line(out, at, "off", leaves.off().is_enabled()?.then(|| "on".into()));
    line(out, at, "readers", set_of(leaves.readers().items()?));
    line(out, at, "tags", set_of(leaves.tags().items()?));
    line(out, at, "members", set_of(leaves.members().items()?));
    line(out, at, "tickets", set_of(leaves.tickets().items()?));
    for key in leaves.deep().keys()? {
        out.insert(format!("{at}/deep/{key}"), "key".into());
        let value = leaves.deep().at(&key).value()?;
        if value != 0 {
            out.insert(format!("{at}/deep/{key}"), value.to_string());
        }
    }
    for (id, value) in leaves.list().items()? {
        item(out, format!("{at}/list/#{id}"), &value.concurrent()?);
    }
    for (id, _) in leaves.tree().outline()?.iter() {
        let value = leaves.tree().get(id)?.expect("what the outline has is there");
        item(out, format!("{at}/tree/#{id}"), &value.concurrent()?);
    }
    read_doc(&leaves.doc(), at, out)
}

fn item(out: Lines<'_>, at: String, values: &[u64]) {
    let shown = if values.is_empty() { "item".into() } else { format!("{values:?}") };
    out.insert(at, shown);
}

fn read_doc(doc: &ReaderOf<'_, Doc>, at: &str, out: Lines<'_>) -> Result<(), ReadError> {
    for (name, _) in doc.names()? {
        let name: String = name.to().expect("names are strings");
        out.insert(format!("{at}/doc/{name}/"), "name".into());
        if name.starts_with('c') {
            let value = doc.at::<PnCounter>(&name).value()?;
            line(out, at, &format!("doc/{name}"), some(value != 0, &value));
        } else {
            let values = doc.at::<LwwRegister<u64>>(&name).concurrent()?;
            line(out, at, &format!("doc/{name}"), some(!values.is_empty(), &values));
        }
    }
    Ok(())
}

/// What the value of a replica shows through its reader.
pub(crate) fn read(world: &ReaderOf<'_, World>) -> Result<Shown, ReadError> {
    let mut out = Shown::new();
    read_leaves(&world.plain(), "plain", &mut out)?;
    seats(world.seats().value()?, world.seats().holders()?, &mut out);
    for key in world.named().keys()? {
        out.insert(format!("named/{key}"), "key".into());
        read_leaves(&world.named().at(&key), &format!("named/{key}"), &mut out)?;
    }
    Ok(out)
}

fn seats(value: u64, holders: Vec<(ReplicaId, u64)>, out: Lines<'_>) {
    let holders: std::collections::BTreeMap<_, _> = holders.into_iter().collect();
    if value != 0 || !holders.is_empty() {
        out.insert("seats".into(), format!("{value} {holders:?}"));
    }
}

/// What the plain value shows, without a reader, as far as it is there: a document below it shows
/// names that are hidden, as its documentation says, and is left to the reader.
pub(crate) fn plain(world: &World) -> Result<Shown, ReadError> {
    let mut out = Shown::new();
    plain_leaves(&world.plain, "plain", &mut out)?;
    seats(world.seats.value()?, world.seats.holders(), &mut out);
    for (key, leaves) in world.named.iter() {
        out.insert(format!("named/{key}"), "key".into());
        plain_leaves(leaves, &format!("named/{key}"), &mut out)?;
    }
    Ok(out)
}

fn plain_leaves(leaves: &Leaves, at: &str, out: Lines<'_>) -> Result<(), ReadError> {
    let (visits, sum) = (leaves.visits.value()?, leaves.sum.value()?);
    line(out, at, "visits", some(visits != 0, &visits));
    line(out, at, "sum", some(sum != 0, &sum));
    let last = leaves.last.concurrent()?;
    line(out, at, "last", some(!last.is_empty(), &last));
    line(out, at, "several", set_of(leaves.several.values()?));
    line(out, at, "siblings", set_of(leaves.siblings.values()?));
    line(out, at, "most", leaves.most.get()?.map(|value| value.to_string()));
    line(out, at, "least", leaves.least.get()?.map(|value| value.to_string()));
    line(out, at, "on", leaves.on.is_enabled().then(|| "on".into()));
    line(out, at, "off", leaves.off.is_enabled().then(|| "on".into()));
    line(out, at, "readers", set_of(leaves.readers.iter().collect()));
    line(out, at, "tags", set_of(leaves.tags.iter().collect()));
    line(out, at, "members", set_of(leaves.members.iter().collect()));
    line(out, at, "tickets", set_of(leaves.tickets.iter().collect()));
    for (key, count) in leaves.deep.iter() {
        let value = count.value()?;
        let shown = if value == 0 { "key".into() } else { value.to_string() };
        out.insert(format!("{at}/deep/{key}"), shown);
    }
    for (id, value) in leaves.list.items() {
        item(out, format!("{at}/list/#{id}"), &value.concurrent()?);
    }
    for (id, _) in leaves.tree.outline().iter() {
        let value = leaves.tree.get(id).expect("what the outline has is there");
        item(out, format!("{at}/tree/#{id}"), &value.concurrent()?);
    }
    Ok(())
}

/// Whose editors a deed goes to.
pub(crate) type EditorOf<'a, T> = <T as Crdt>::Editor<'a>;

/// The error with which a closure gives up of its own accord.
pub(crate) fn given_up() -> EditError {
    crdts::EditError::Aborted("the run gives up".into())
}
