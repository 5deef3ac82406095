//! What the simulated users ask for: small transactions over a few objects, often the same ones.

use rejoin_crdts::cursor::Cursor;
use rejoin_crdts::draft::Draft;
use rejoin_crdts::{Crdt, EditError};

use super::objects::{Family, Lines, NAMES, Note, OBJECTS, Place, Shelves, Tags};
use super::rng::Rng;

/// One wish of a user. The checkers know its meaning from the documentation alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// Adds an amount to a counter.
    Count(Place, i64),
    /// Writes a text into a register.
    Write(Place, String),
    /// Adds an element to a set.
    Insert(Place),
    /// Takes away everything that is seen at a place and below.
    Take(Place),
}

impl Operation {
    /// Does it in a transaction, with the editors that a user has.
    pub(super) fn apply(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let place = match self {
            Self::Count(place, _)
            | Self::Write(place, _)
            | Self::Insert(place)
            | Self::Take(place) => place,
        };
        let cursor = Cursor::new(draft, place.object_path());
        let names = place.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match place.family() {
            Family::Lines => self.edit_lines(Lines::editor(cursor), &names),
            Family::Note => self.edit_note(Note::editor(cursor)),
            Family::Tags => self.edit_tags(Tags::editor(cursor), &names),
            Family::Shelves => self.edit_shelves(Shelves::editor(cursor), &names),
        }
    }

    fn edit_lines(
        &self,
        mut lines: <Lines as Crdt>::Editor<'_>,
        names: &[&str],
    ) -> Result<(), EditError> {
        match (self, names) {
            (Self::Count(_, amount), [key]) => lines.entry(*key).add(*amount),
            (Self::Take(_), [key]) => lines.remove(*key),
            (Self::Take(_), []) => lines.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_note(&self, mut note: <Note as Crdt>::Editor<'_>) -> Result<(), EditError> {
        match self {
            Self::Write(_, text) => note.set(text.as_str()),
            Self::Take(_) => note.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_tags(
        &self,
        mut tags: <Tags as Crdt>::Editor<'_>,
        names: &[&str],
    ) -> Result<(), EditError> {
        match (self, names) {
            (Self::Insert(_), [element]) => tags.insert(*element),
            (Self::Take(_), [element]) => tags.remove(*element),
            (Self::Take(_), []) => tags.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_shelves(
        &self,
        mut shelves: <Shelves as Crdt>::Editor<'_>,
        names: &[&str],
    ) -> Result<(), EditError> {
        match (self, names) {
            (Self::Insert(_), [key, element]) => shelves.entry(*key).insert(*element),
            (Self::Take(_), [key, element]) => shelves.entry(*key).remove(*element),
            (Self::Take(_), [key]) => shelves.remove(*key),
            (Self::Take(_), []) => shelves.clear(),
            _ => misplaced(self),
        }
    }
}

fn misplaced(operation: &Operation) -> Result<(), EditError> {
    Err(EditError::Aborted(format!("{operation:?} does not fit its place")))
}

/// A transaction: mostly one to four wishes, now and then a whole set filled at once.
pub(super) fn transaction(rng: &mut Rng) -> Vec<Operation> {
    if rng.percent(8) {
        return fill(rng);
    }
    (0..rng.within(1..=4)).map(|_| operation(rng)).collect()
}

/// Fills a set, so that clearing it later is cheaper by vector than by dots.
fn fill(rng: &mut Rng) -> Vec<Operation> {
    let set = match *rng.pick(&[2, 3, 6, 7]) {
        shelves @ (3 | 7) => Place::object(shelves).below(rng_name(rng)),
        tags => Place::object(tags),
    };
    (0..NAMES).map(|element| Operation::Insert(set.below(element))).collect()
}

fn operation(rng: &mut Rng) -> Operation {
    let object = Place::object(rng.pick(&[0, 1, 2, 3, 4, 5, 6, 7]).to_owned());
    let takes = rng.percent(30);
    let everything = rng.percent(20);
    let key = object.below(rng_name(rng));
    match object.family() {
        _ if takes && everything => Operation::Take(object),
        Family::Lines if takes => Operation::Take(key),
        Family::Lines => Operation::Count(key, amount(rng)),
        Family::Note if takes => Operation::Take(object),
        Family::Note => Operation::Write(object, format!("note {:04x}", rng.below(1 << 16))),
        Family::Tags if takes => Operation::Take(key),
        Family::Tags => Operation::Insert(key),
        Family::Shelves if takes && rng.percent(50) => Operation::Take(key),
        Family::Shelves if takes => Operation::Take(key.below(rng_name(rng))),
        Family::Shelves => Operation::Insert(key.below(rng_name(rng))),
    }
}

fn rng_name(rng: &mut Rng) -> u8 {
    u8::try_from(rng.below(u64::from(NAMES))).unwrap_or(0)
}

/// Between -5 and 9; zero too, which makes a line visible and changes nothing else.
fn amount(rng: &mut Rng) -> i64 {
    i64::try_from(rng.below(15)).unwrap_or(0) - 5
}

const _: () = assert!(OBJECTS.len() == 8, "the generator above names every object");
