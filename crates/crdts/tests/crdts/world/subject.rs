//! How each type performs the operations of a script, and how it shows itself.

use std::fmt::Debug;

use rejoin_crdts::{Crdt, EditError, LwwRegister, OrMap, OrSet, PnCounter};

use super::history::{Leaf, Picture, Place, What};

/// A type under test.
pub(crate) trait Subject: Crdt + Clone + Debug + 'static {
    /// Performs one operation below a place of this type.
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError>;

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

impl Subject for PnCounter {
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Count(amount)) => editor.add(amount),
            ([], What::End) => editor.reset(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        let value = self.value().expect("small amounts");
        if self.is_visible() {
            picture.insert(at.clone(), Leaf::Count(value));
        } else {
            assert_eq!(value, 0, "a counter that is not there counts nothing");
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let value = reader.value().expect("small amounts");
        let contributions = reader.contributions().expect("memory can be read");
        assert_eq!(contributions.iter().map(|(_, net)| net).sum::<i128>(), i128::from(value));
        if !contributions.is_empty() {
            picture.insert(at.clone(), Leaf::Count(value));
        }
    }
}

impl Subject for LwwRegister<String> {
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
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

impl Subject for OrSet<String> {
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([element], What::Member) => editor.insert(*element),
            ([element], What::End) => editor.remove(*element),
            ([], What::End) => editor.clear(),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        assert_eq!(self.len(), self.iter().count());
        assert_eq!(self.is_empty(), self.iter().next().is_none());
        for element in self.iter() {
            assert!(self.contains(element.as_str()));
            let place = at.iter().chain([element]).cloned().collect();
            assert_eq!(picture.insert(place, Leaf::Member), None, "an element twice");
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let items = reader.items().expect("strings");
        assert_eq!(reader.len(), Ok(items.len()));
        assert_eq!(reader.is_empty(), Ok(items.is_empty()));
        assert!(items.is_sorted(), "{items:?}");
        for element in items {
            assert_eq!(reader.contains(element.as_str()), Ok(true));
            picture.insert(at.iter().cloned().chain([element]).collect(), Leaf::Member);
        }
    }

    fn validate(&self) {
        Self::validate(self);
    }
}

impl<V: Subject> Subject for OrMap<String, V> {
    fn act(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::End) => editor.clear(),
            ([key], What::End) => editor.remove(*key),
            ([key, below @ ..], what) => V::act(&mut editor.entry(*key), below, what),
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
