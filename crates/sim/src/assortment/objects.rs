//! The objects that the simulated users work on, and how to read them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rejoin_crdts::{
    BoundedCounter, Crdt, DisableWinsFlag, EnableWinsFlag, List, LwwRegister, MaxRegister,
    MvRegister, OrMap, OrSet, PnCounter, ReadError, RwSet, Tree,
};
use rejoin_vclock::ReplicaId;

use super::Wishes;
use crate::application::Snapshot;

pub(super) type Lines = OrMap<String, PnCounter>;
pub(super) type Note = LwwRegister<String>;
pub(super) type Tags = OrSet<String>;
pub(super) type Shelves = OrMap<String, OrSet<String>>;
pub(super) type Racks = OrMap<String, Lines>;
pub(super) type Choice = MvRegister<String>;
pub(super) type Record = MaxRegister<u64>;
pub(super) type Members = RwSet<String>;
pub(super) type Steps = List<Note>;
pub(super) type Folders = Tree<Note>;

/// The type of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Lines,
    Note,
    Tags,
    Shelves,
    Racks,
    Choice,
    Record,
    Members,
    /// A flag on which enabling wins over concurrent disabling.
    Open,
    /// A flag on which disabling wins over concurrent enabling.
    Calm,
    /// Titles in an order that users change.
    Steps,
    /// Titles that hang below each other.
    Folders,
    Stock,
}

/// All objects of the space. A path begins with an index into this list.
pub(super) const OBJECTS: [Family; 17] = [
    Family::Lines,
    Family::Note,
    Family::Tags,
    Family::Shelves,
    Family::Lines,
    Family::Note,
    Family::Tags,
    Family::Shelves,
    Family::Racks,
    Family::Choice,
    Family::Record,
    Family::Members,
    Family::Open,
    Family::Calm,
    Family::Steps,
    Family::Folders,
    Family::Stock,
];

/// Number of names for keys and for elements.
pub(super) const NAMES: u8 = 12;

pub(super) fn name(number: u8) -> String {
    format!("item-{number}")
}

fn number(name: &str) -> Option<u8> {
    name.strip_prefix("item-")?.parse().ok()
}

/// The number of an object, followed by those of a key and of an element where there are any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectPath(Vec<u8>);

impl ObjectPath {
    pub(super) fn object(object: u8) -> Self {
        Self(vec![object])
    }

    pub(super) fn below(&self, name: u8) -> Self {
        let mut place = self.clone();
        place.0.push(name);
        place
    }

    /// Returns true if it is the scope itself or lies below it.
    pub(super) fn is_in(&self, scope: &Self) -> bool {
        self.0.starts_with(&scope.0)
    }

    /// Iterates over the paths that it lies in, from its object down to itself.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Self> {
        (1..=self.0.len()).map(|levels| Self(self.0[..levels].to_vec()))
    }

    pub(super) fn family(&self) -> Family {
        OBJECTS[usize::from(self.0[0])]
    }

    /// Returns the names below the object.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().skip(1).map(|&number| name(number)).collect()
    }

    /// Returns the key of the object in the space.
    pub(super) fn key(&self) -> String {
        format!("object-{}", self.0[0])
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}-{}", self.family(), self.0[0])?;
        self.names().iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// The form that a story prints.
impl fmt::Debug for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value that a user sees at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Count(i64),
    Text(String),
    Texts(BTreeSet<String>),
    Number(u64),
    Present,
    Rights(BTreeMap<ReplicaId, u64>),
}

/// The values that a user sees, by path.
pub(super) type Shown = BTreeMap<ObjectPath, Value>;

/// Reads everything that a user sees, with the readers that users have.
pub(super) fn read_all(snapshot: &Snapshot<'_, Wishes>) -> Result<Shown, ReadError> {
    let mut shown = Shown::new();
    for object in (0..).take(OBJECTS.len()) {
        read(snapshot, ObjectPath::object(object), &mut shown)?;
    }
    Ok(shown)
}

fn read(snapshot: &Snapshot<'_, Wishes>, place: ObjectPath, shown: &mut Shown) -> Reading {
    let key = place.key();
    let value = match place.family() {
        Family::Lines => return read_lines(&place, &snapshot.object::<Lines>(&key), shown),
        Family::Racks => {
            let racks = snapshot.object::<Racks>(&key);
            for key in racks.keys()? {
                read_lines(&child(&place, &key)?, &racks.at(&*key), shown)?;
            }
            None
        }
        Family::Tags => return read_set(&place, &snapshot.object::<Tags>(&key).items()?, shown),
        Family::Members => {
            return read_set(&place, &snapshot.object::<Members>(&key).items()?, shown);
        }
        Family::Shelves => {
            let shelves = snapshot.object::<Shelves>(&key);
            for key in shelves.keys()? {
                read_set(&child(&place, &key)?, &shelves.at(&*key).items()?, shown)?;
            }
            None
        }
        Family::Note => snapshot.object::<Note>(&key).get()?.map(Value::Text),
        Family::Record => snapshot.object::<Record>(&key).get()?.map(Value::Number),
        Family::Choice => {
            let texts = snapshot.object::<Choice>(&key).values()?;
            (!texts.is_empty()).then(|| Value::Texts(texts.into_iter().collect()))
        }
        Family::Open => {
            snapshot.object::<EnableWinsFlag>(&key).is_enabled()?.then_some(Value::Present)
        }
        Family::Calm => {
            snapshot.object::<DisableWinsFlag>(&key).is_enabled()?.then_some(Value::Present)
        }
        Family::Steps => {
            let steps = snapshot.object::<Steps>(&key);
            for (id, step) in steps.items()? {
                has_title(step.get()?, id)?;
            }
            None
        }
        Family::Folders => {
            let folders = snapshot.object::<Folders>(&key);
            for (id, _) in folders.outline()?.iter() {
                let folder = folders.get(id)?;
                has_title(folder.map(|folder| folder.get()).transpose()?.flatten(), id)?;
            }
            None
        }
        Family::Stock => {
            let holders = snapshot.object::<BoundedCounter>(&key).holders()?;
            (!holders.is_empty()).then(|| Value::Rights(holders.into_iter().collect()))
        }
    };
    shown.extend(value.map(|value| (place, value)));
    Ok(())
}

type Reading = Result<(), ReadError>;

fn read_lines(
    place: &ObjectPath,
    lines: &<Lines as Crdt>::Reader<'_>,
    shown: &mut Shown,
) -> Reading {
    for key in lines.keys()? {
        shown.insert(child(place, &key)?, Value::Count(lines.at(&*key).value()?));
    }
    Ok(())
}

/// Checks that an item or node has its title: each is made with one, and nobody ever removes the
/// title alone.
fn has_title(title: Option<String>, id: impl fmt::Display) -> Result<(), ReadError> {
    let shell = || ReadError::Unavailable(format!("{id} is there, and what was in it is not"));
    title.map(drop).ok_or_else(shell)
}

fn read_set(place: &ObjectPath, items: &[String], shown: &mut Shown) -> Result<(), ReadError> {
    for item in items {
        shown.insert(child(place, item)?, Value::Present);
    }
    Ok(())
}

fn child(place: &ObjectPath, name: &str) -> Result<ObjectPath, ReadError> {
    let unknown = || ReadError::Unavailable(format!("nobody ever wrote {name:?}"));
    number(name).map(|number| place.below(number)).ok_or_else(unknown)
}
