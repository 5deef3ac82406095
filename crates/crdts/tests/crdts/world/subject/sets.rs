//! Sets as subjects: they differ in the operations they take, and are shown in the same way.

use rejoin_crdts::set::SetReader;
use rejoin_crdts::{EditError, GSet, OrSet, RwSet, TwoPhaseSet};

use super::super::act::{Place, What};
use super::super::history::{Leaf, Picture};
use super::{Subject, misplaced};

/// A set whose editor performs, for an operation at `[element]` or at `[]`, the expressions of the
/// arms.
macro_rules! set {
    ($set:ident, |$editor:ident| { $($place:pat, $what:pat => $edit:expr,)* }) => {
        impl Subject for $set<String> {
            fn perform(
                $editor: &mut Self::Editor<'_>,
                place: Place,
                what: What,
            ) -> Result<(), EditError> {
                match (place, what) {
                    $(($place, $what) => $edit,)*
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
                read(reader, at, picture);
            }

            fn validate(&self) {
                Self::validate(self);
            }
        }
    };
}

set!(OrSet, |editor| {
    [element], What::Member => editor.insert(*element),
    [element], What::End => editor.remove(*element),
    [], What::End => editor.clear(),
});

set!(GSet, |editor| {
    [element], What::Member => editor.insert(*element),
});

set!(RwSet, |editor| {
    [element], What::Admit => editor.insert(*element),
    [element], What::Bar => editor.remove(*element),
    [], What::BarAll => editor.clear(),
});

set!(TwoPhaseSet, |editor| {
    [element], What::Enter => editor.insert(*element),
    [element], What::Leave => editor.remove(*element),
});

fn read(reader: &SetReader<'_, String>, at: &[String], picture: &mut Picture) {
    let items = reader.items().expect("strings");
    assert_eq!(reader.len(), Ok(items.len()));
    assert_eq!(reader.is_empty(), Ok(items.is_empty()));
    assert!(items.is_sorted(), "{items:?}");
    for element in items {
        assert_eq!(reader.contains(element.as_str()), Ok(true));
        picture.insert(at.iter().cloned().chain([element]).collect(), Leaf::Member);
    }
}
