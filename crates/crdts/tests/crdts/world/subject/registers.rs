//! Registers as subjects, and flags, which are registers of one bit.

use rejoin_crdts::register::{Extreme, ExtremeRegister};
use rejoin_crdts::set::FlagReader;
use rejoin_crdts::{
    Crdt, DisableWinsFlag, EditError, EnableWinsFlag, Kind, LwwRegister, MvRegister,
};

use super::super::act::{Place, What};
use super::super::history::{Leaf, Picture};
use super::{Subject, misplaced};

impl Subject for LwwRegister<String> {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Write(text)) => editor.set(text),
            ([], What::End) => editor.clear(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        let all = self.concurrent().expect("strings");
        assert_eq!(self.get().expect("a string").as_ref(), all.first());
        if !all.is_empty() {
            picture.insert(at.clone(), Leaf::Written(all));
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let all = reader.concurrent().expect("strings");
        assert_eq!(reader.get().expect("a string").as_ref(), all.first());
        if !all.is_empty() {
            picture.insert(at.clone(), Leaf::Written(all));
        }
    }
}

impl Subject for MvRegister<String> {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Keep(text)) => editor.set(text),
            ([], What::End) => editor.clear(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        let values = self.values().expect("strings");
        assert_eq!(self.is_conflict(), values.len() > 1);
        if self.is_visible() {
            picture.insert(at.clone(), Leaf::Kept(values));
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let values = reader.values().expect("strings");
        if !values.is_empty() {
            picture.insert(at.clone(), Leaf::Kept(values));
        }
    }
}

impl<E: Extreme> Subject for ExtremeRegister<String, E> {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what, E::KIND) {
            ([], What::Raise(text), Kind::MaxRegister)
            | ([], What::Lower(text), Kind::MinRegister) => editor.set(text),
            ([], What::End, _) => editor.clear(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        if let Some(value) = self.get().expect("a string") {
            picture.insert(at.clone(), Leaf::Stands(value));
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        if let Some(value) = reader.get().expect("a string") {
            picture.insert(at.clone(), Leaf::Stands(value));
        }
    }
}

impl Subject for EnableWinsFlag {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Member) => editor.enable(),
            ([], What::End) => editor.disable(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        show_flag(self.is_enabled(), at, picture);
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        read_flag(reader, at, picture);
    }
}

impl Subject for DisableWinsFlag {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Admit) => editor.enable(),
            ([], What::Bar) => editor.disable(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        show_flag(self.is_enabled(), at, picture);
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        read_flag(reader, at, picture);
    }
}

fn show_flag(on: bool, at: &[String], picture: &mut Picture) {
    if on {
        picture.insert(at.to_vec(), Leaf::Member);
    }
}

fn read_flag(reader: &FlagReader<'_>, at: &[String], picture: &mut Picture) {
    show_flag(reader.is_enabled().expect("memory can be read"), at, picture);
}
