//! The objects that the simulated users work on, and how to read them all.

use std::collections::BTreeMap;
use std::fmt;

use rejoin_crdts::cursor::{Source, View};
use rejoin_crdts::{Crdt, Kind, LwwRegister, OrMap, OrSet, Path, PnCounter, ReadError};

pub(super) type Lines = OrMap<String, PnCounter>;
pub(super) type Note = LwwRegister<String>;
pub(super) type Tags = OrSet<String>;
pub(super) type Shelves = OrMap<String, OrSet<String>>;

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Lines,
    Note,
    Tags,
    Shelves,
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Note => "note",
            Self::Tags => "tags",
            Self::Shelves => "shelves",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Lines => Lines::KIND,
            Self::Note => Note::KIND,
            Self::Tags => Tags::KIND,
            Self::Shelves => Shelves::KIND,
        }
    }
}

/// Every object of the space. A place begins with a number of this list.
pub(super) const OBJECTS: [Family; 8] = [
    Family::Lines,
    Family::Note,
    Family::Tags,
    Family::Shelves,
    Family::Lines,
    Family::Note,
    Family::Tags,
    Family::Shelves,
];

/// How many names there are for keys and for elements.
pub(super) const NAMES: u8 = 12;

pub(super) fn name(number: u8) -> String {
    format!("item-{number}")
}

fn number(name: &str) -> Option<u8> {
    name.strip_prefix("item-")?.parse().ok()
}

/// The number of an object, then of a key, then of an element, as far down as it goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place(Vec<u8>);

impl Place {
    pub(super) fn object(object: u8) -> Self {
        Self(vec![object])
    }

    pub(super) fn below(&self, name: u8) -> Self {
        let mut place = self.clone();
        place.0.push(name);
        place
    }

    /// Whether it is another place or stands below it.
    pub(super) fn is_in(&self, scope: &Self) -> bool {
        self.0.starts_with(&scope.0)
    }

    pub(super) fn family(&self) -> Family {
        OBJECTS[usize::from(self.0[0])]
    }

    /// The names below the object.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().skip(1).map(|&number| name(number)).collect()
    }

    /// Where the object stands in the space.
    pub(super) fn object_path(&self) -> Path {
        Path::object(&self.object_name(), self.family().kind())
    }

    fn object_name(&self) -> String {
        format!("{}-{}", self.family().name(), self.0[0])
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object_name())?;
        self.names().iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// What a user sees at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Count(i64),
    Text(String),
    Present,
}

/// Everything that a user sees, read with the readers that a user has.
pub(super) fn read_all(source: &dyn Source) -> Result<BTreeMap<Place, Value>, ReadError> {
    let mut seen = BTreeMap::new();
    for object in (0..).take(OBJECTS.len()) {
        let place = Place::object(object);
        let view = View::new(source, place.object_path());
        match place.family() {
            Family::Lines => {
                let lines = Lines::reader(view);
                for key in lines.keys()? {
                    seen.insert(child(&place, &key)?, Value::Count(lines.at(&*key).value()?));
                }
            }
            Family::Note => {
                if let Some(text) = Note::reader(view).get()? {
                    seen.insert(place, Value::Text(text));
                }
            }
            Family::Tags => read_set(&place, &Tags::reader(view).items()?, &mut seen)?,
            Family::Shelves => {
                let shelves = Shelves::reader(view);
                for key in shelves.keys()? {
                    let shelf = child(&place, &key)?;
                    read_set(&shelf, &shelves.at(&*key).items()?, &mut seen)?;
                }
            }
        }
    }
    Ok(seen)
}

fn read_set(
    place: &Place,
    items: &[String],
    seen: &mut BTreeMap<Place, Value>,
) -> Result<(), ReadError> {
    for item in items {
        seen.insert(child(place, item)?, Value::Present);
    }
    Ok(())
}

fn child(place: &Place, name: &str) -> Result<Place, ReadError> {
    let unknown = || ReadError::Unavailable(format!("nobody ever wrote {name:?}"));
    number(name).map(|number| place.below(number)).ok_or_else(unknown)
}
