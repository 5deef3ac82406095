//! Derived structs, as most values are: one that can be removed, and one that holds rights.

use rejoin_crdts::{
    BoundedCounter, EditError, LwwRegister, MaxRegister, OrMap, OrSet, PnCounter, RwSet,
};
use rejoin_derive::Crdt;

use super::act::{Place, What};
use super::history::Picture;
use super::subject::{Subject, misplaced};

type Lines = OrMap<String, PnCounter>;
type Tags = OrSet<String>;
type Note = LwwRegister<String>;
type Members = RwSet<String>;
type Best = MaxRegister<String>;

/// A field of every shape that can be removed.
#[derive(Crdt, Clone, Default, Debug)]
#[crdt(crate = rejoin_crdts)]
pub(crate) struct Record {
    lines: Lines,
    tags: Tags,
    note: Note,
    total: PnCounter,
    members: Members,
    best: Best,
}

/// A field that cannot be removed, beside those that can.
#[derive(Crdt, Clone, Default, Debug)]
#[crdt(crate = rejoin_crdts)]
pub(crate) struct Shop {
    seats: BoundedCounter,
    lines: Lines,
}

impl Subject for Record {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match place {
            ["lines", below @ ..] => Lines::perform(&mut editor.lines(), below, what),
            ["tags", below @ ..] => Tags::perform(&mut editor.tags(), below, what),
            ["note", below @ ..] => Note::perform(&mut editor.note(), below, what),
            ["total", below @ ..] => PnCounter::perform(&mut editor.total(), below, what),
            ["members", below @ ..] => Members::perform(&mut editor.members(), below, what),
            ["best", below @ ..] => Best::perform(&mut editor.best(), below, what),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "lines", |at| self.lines.show(at, picture));
        below(at, "tags", |at| self.tags.show(at, picture));
        below(at, "note", |at| self.note.show(at, picture));
        below(at, "total", |at| self.total.show(at, picture));
        below(at, "members", |at| self.members.show(at, picture));
        below(at, "best", |at| self.best.show(at, picture));
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "lines", |at| Lines::read(&reader.lines(), at, picture));
        below(at, "tags", |at| Tags::read(&reader.tags(), at, picture));
        below(at, "note", |at| Note::read(&reader.note(), at, picture));
        below(at, "total", |at| PnCounter::read(&reader.total(), at, picture));
        below(at, "members", |at| Members::read(&reader.members(), at, picture));
        below(at, "best", |at| Best::read(&reader.best(), at, picture));
    }

    fn validate(&self) {
        Subject::validate(&self.lines);
        Subject::validate(&self.tags);
        Subject::validate(&self.members);
    }
}

impl Subject for Shop {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match place {
            ["seats", below @ ..] => BoundedCounter::perform(&mut editor.seats(), below, what),
            ["lines", below @ ..] => Lines::perform(&mut editor.lines(), below, what),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "seats", |at| self.seats.show(at, picture));
        below(at, "lines", |at| self.lines.show(at, picture));
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "seats", |at| BoundedCounter::read(&reader.seats(), at, picture));
        below(at, "lines", |at| Lines::read(&reader.lines(), at, picture));
    }
}

fn below(at: &mut Vec<String>, field: &str, show: impl FnOnce(&mut Vec<String>)) {
    at.push(field.to_owned());
    show(at);
    at.pop();
}
