//! Counters as subjects.

use rejoin_crdts::crdt::AtPlace;
use rejoin_crdts::{BoundedCounter, Crdt, EditError, GCounter, PnCounter, RetiredIds};

use super::super::act::{Place, What};
use super::super::history::{Leaf, Picture};
use super::super::id;
use super::{Subject, misplaced};

impl Subject for PnCounter {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Count(amount)) => editor.add(amount),
            ([], What::End) => editor.reset(),
            ([], What::Undo(_)) => Ok(()),
            ([], What::Undoes(inverse)) => {
                let (mut place, _) = editor.place();
                inverse.by.iter().try_for_each(|undoing| place.undo(undoing).map(drop))
            }
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

/// Alphabets add one or more at a time: a reader does not distinguish a zero from nothing.
impl Subject for GCounter {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Count(amount @ 1..)) => editor.add(amount.unsigned_abs()),
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        assert_eq!(self.is_visible(), self.value() != Ok(0));
        show_sum(self.value().expect("small amounts"), at, picture);
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        show_sum(reader.value().expect("small amounts"), at, picture);
    }
}

fn show_sum(value: u64, at: &[String], picture: &mut Picture) {
    if value > 0 {
        picture.insert(at.to_vec(), Leaf::Count(i64::try_from(value).expect("small amounts")));
    }
}

impl Subject for BoundedCounter {
    fn perform(editor: &mut Self::Editor<'_>, place: Place, what: What) -> Result<(), EditError> {
        match (place, what) {
            ([], What::Grant(amount)) => editor.add(amount),
            ([], What::Spend(amount)) => editor.spend(amount),
            ([], What::Pass(amount, to)) => editor.transfer(amount, id(to)),
            ([], What::Reclaim(from)) => {
                let retired = RetiredIds::assume_retired([id(from)]);
                editor.reclaim(&retired).map(drop)
            }
            _ => misplaced(place, what),
        }
    }

    fn show(&self, at: &mut Vec<String>, picture: &mut Picture) {
        let (value, holders) = (self.value().expect("never below zero"), self.holders());
        assert!(holders.iter().all(|&(id, held)| self.rights_of(id) == held));
        let sum = holders.iter().map(|&(_, held)| held).sum::<u64>();
        assert!(sum >= value, "all is held, and more where two took over the same");
        if self.is_visible() {
            picture.insert(at.clone(), Leaf::Rights(value, holders));
        }
    }

    fn read(reader: &Self::Reader<'_>, at: &mut Vec<String>, picture: &mut Picture) {
        let value = reader.value().expect("never below zero");
        let holders = reader.holders().expect("memory can be read");
        assert!(holders.iter().all(|&(id, held)| reader.rights_of(id) == Ok(held)));
        if value > 0 {
            picture.insert(at.clone(), Leaf::Rights(value, holders));
        }
    }
}
