//! The code of each type that performs the operations of a script, and shows the type's value.

mod counters;
mod registers;
mod sets;

use std::fmt::Debug;

use rejoin_crdts::{Crdt, EditError, OrMap};

use super::act::{Place, What};
use super::history::Picture;
use super::plan::is_refusal;

/// A type under test.
pub(crate) trait Subject: Crdt + Clone + Debug + 'static {
    /// Performs one operation below a place of this type.
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError>;

    /// As [`perform`](Self::perform), ignoring operations that the type refuses by its contract.
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match Self::perform(editor, place, what) {
            Err(error) if is_refusal(&error) => Ok(()),
            result => result,
        }
    }

    /// Shows the value in memory.
    fn show(&self, at: &mut Vec<String>, picture: &mut Picture);

    /// Shows the value through its reader.
    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture);

    /// Checks the type's own invariants.
    fn validate(&self) {}
}

pub(super) fn misplaced(place: Place, what: What) -> ! {
    panic!("the alphabet says {what:?} at {place:?}, where there is no such thing")
}

impl<V: Subject> Subject for OrMap<String, V> {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::End) => editor.clear(),
            ([key], What::End) => editor.remove(*key),
            ([key], What::Veil) => editor.remove_unless_edited(*key),
            ([key, below @ ..], what) => V::perform(&mut editor.entry(*key), below, what),
            ([], _) => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        assert_eq!(self.len(), self.iter().count());
        assert_eq!(self.is_empty(), self.iter().next().is_none());
        for (key, child) in self.iter() {
            assert!(self.get(key.as_str()).is_some_and(V::is_visible));
            at.push(key.clone());
            let before = picture.len();
            child.show(at, picture);
            assert!(picture.len() > before, "a key without anything to see: {at:?}");
            at.pop();
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let keys = reader.keys().expect("strings");
        assert_eq!(reader.len(), Ok(keys.len()));
        assert_eq!(reader.is_empty(), Ok(keys.is_empty()));
        assert!(keys.is_sorted(), "{keys:?}");
        for key in keys {
            assert_eq!(reader.contains_key(key.as_str()), Ok(true));
            let child = reader.get(key.as_str()).expect("memory can be read");
            at.push(key);
            V::read(&child.expect("a key that is there"), at, picture);
            at.pop();
        }
    }

    fn validate(&self) {
        self.iter().for_each(|(_, child)| child.validate());
    }
}
