//! A derived struct with a field of every kind, as most values are.

use rejoin_crdts::{EditError, LwwRegister, OrMap, OrSet, PnCounter};
use rejoin_derive::Crdt;

use super::history::{Picture, Place, What};
use super::subject::{Subject, misplaced};

type Lines = OrMap<String, PnCounter>;
type Tags = OrSet<String>;
type Note = LwwRegister<String>;

/// A field of every kind.
#[derive(Crdt, Clone, Default, Debug)]
#[crdt(crate = rejoin_crdts)]
pub(crate) struct Record {
    lines: Lines,
    tags: Tags,
    note: Note,
    total: PnCounter,
}

impl Subject for Record {
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match place {
            ["lines", below @ ..] => Lines::act(&mut editor.lines(), below, what),
            ["tags", below @ ..] => Tags::act(&mut editor.tags(), below, what),
            ["note", below @ ..] => Note::act(&mut editor.note(), below, what),
            ["total", below @ ..] => PnCounter::act(&mut editor.total(), below, what),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "lines", |at| self.lines.show(at, picture));
        below(at, "tags", |at| self.tags.show(at, picture));
        below(at, "note", |at| self.note.show(at, picture));
        below(at, "total", |at| self.total.show(at, picture));
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        below(at, "lines", |at| Lines::read(&reader.lines(), at, picture));
        below(at, "tags", |at| Tags::read(&reader.tags(), at, picture));
        below(at, "note", |at| Note::read(&reader.note(), at, picture));
        below(at, "total", |at| PnCounter::read(&reader.total(), at, picture));
    }

    fn validate(&self) {
        Subject::validate(&self.lines);
        Subject::validate(&self.tags);
    }
}

fn below(at: &mut Vec<String>, field: &str, show: impl FnOnce(&mut Vec<String>)) {
    at.push(field.to_owned());
    show(at);
    at.pop();
}
