//! The objects that the simulated users work on, and how to read them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rejoin_crdts::{
    BoundedCounter, Crdt, DisableWinsFlag, EnableWinsFlag, List, LwwRegister, MaxRegister,
    MvRegister, OrMap, OrSet, PnCounter, ReadError, RwSet, Tree,
};
use rejoin_resolve::Policy;
use rejoin_vclock::ReplicaId;

use super::Wishes;
use super::content::{self, Crew, Draft, Price, Prices, Written};
use super::rules;
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
    /// Siblings that are texts.
    Draft,
    /// Siblings that are numbers.
    Price,
    /// A map of siblings that are numbers.
    Prices,
    /// Siblings that are lists of names.
    Crew,
    /// The policies of the space, by the numbers of their patterns.
    Policies,
    Stock,
}

/// All objects of the space. A path begins with an index into this list.
pub(super) const OBJECTS: [Family; 22] = [
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
    Family::Draft,
    Family::Price,
    Family::Prices,
    Family::Crew,
    Family::Policies,
    Family::Stock,
];

/// The number of the policies among the objects.
pub(super) const POLICIES: u8 = 20;

const _: () = assert!(matches!(OBJECTS[POLICIES as usize], Family::Policies));

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

    /// Returns the number of the first name below the object.
    pub(super) fn number_below(&self) -> Option<u8> {
        self.0.get(1).copied()
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
        if let Some(pattern) = rules::pattern(self) {
            return write!(f, "policy of {pattern}");
        }
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
    Siblings(Vec<Written>),
    Policy(Policy),
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
        Family::Draft => siblings(content::read(snapshot, &snapshot.object::<Draft>(&key))?),
        Family::Price => siblings(content::read(snapshot, &snapshot.object::<Price>(&key))?),
        Family::Crew => siblings(content::read(snapshot, &snapshot.object::<Crew>(&key))?),
        Family::Prices => {
            let prices = snapshot.object::<Prices>(&key);
            for key in prices.keys()? {
                let value = siblings(content::read(snapshot, &prices.at(&*key))?);
                shown.extend(value.map(|value| Ok((child(&place, &key)?, value))).transpose()?);
            }
            None
        }
        Family::Policies => return read_policies(snapshot, shown),
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

fn siblings(written: Vec<Written>) -> Option<Value> {
    (!written.is_empty()).then_some(Value::Siblings(written))
}

fn read_policies(snapshot: &Snapshot<'_, Wishes>, shown: &mut Shown) -> Reading {
    for set in snapshot.policies()? {
        let unknown = || ReadError::Unavailable(format!("nobody ever set {set:?}"));
        let place = rules::place_of(&set.pattern).ok_or_else(unknown)?;
        shown.insert(place, Value::Policy(set.policy.clone().map_err(|_| unknown())?));
    }
    Ok(())
}

fn child(place: &ObjectPath, name: &str) -> Result<ObjectPath, ReadError> {
    let unknown = || ReadError::Unavailable(format!("nobody ever wrote {name:?}"));
    number(name).map(|number| place.below(number)).ok_or_else(unknown)
}
