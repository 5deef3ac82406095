//! Records: values with named fields, for the policies that look at each field.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use rejoin_crdts::path::Items;
use rejoin_crdts::{Atom, Key, RawAtom};
use rejoin_vclock::codec::{DecodeError, Reader};

/// The first item of a record's list, which tells it from other lists.
pub(crate) const MARK: &str = "{}";

/// A value with named fields, which is written as a whole: a record as one knows it from JSON.
///
/// [`PerField`](crate::Policy::PerField) and [`ThreeWay`](crate::Policy::ThreeWay) bring concurrent
/// records together field by field. As an atom it is a list: the string `{}`, then name and value
/// of each field, in ascending order of the names. So it nests as deep as lists do:
/// [`MAX_DEPTH`](rejoin_crdts::path::MAX_DEPTH) less the one of the siblings.
///
/// ```
/// use rejoin_resolve::Record;
///
/// let mut door = Record::default();
/// door.set("colour", &"red".to_owned());
/// door.set("hinges", &3_i64);
/// assert_eq!(door.get::<i64>("hinges"), Some(3));
/// assert_eq!(door.get::<i64>("colour"), None); // a string
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Record(pub BTreeMap<String, RawAtom>);

impl Record {
    /// The value of a field; `None` without such a field, or one of another type.
    pub fn get<T: Atom>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.to().ok()
    }

    /// Sets a field.
    pub fn set(&mut self, name: impl Into<String>, value: &impl Atom) {
        self.0.insert(name.into(), RawAtom::of(value));
    }
}

impl Atom for Record {
    fn write(&self, out: &mut Vec<u8>) {
        let fields = self.0.iter().flat_map(|(name, value)| [RawAtom::of(name), value.clone()]);
        let items = [RawAtom::of_str(MARK)].into_iter().chain(fields);
        Items(items.collect()).write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Items(items) = Items::<RawAtom>::read(reader)?;
        let no_record = || DecodeError::Invalid("a list that is no record");
        let (mark, fields) = items.split_first().ok_or_else(no_record)?;
        if *mark != RawAtom::of_str(MARK) {
            return Err(no_record());
        }
        let mut record = Self::default();
        for field in fields.chunks(2) {
            let [name, value] = field else { return Err(no_record()) };
            let name: String = name.to()?;
            if record.0.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(DecodeError::NotCanonical("the fields of a record"));
            }
            record.0.insert(name, value.clone());
        }
        Ok(record)
    }
}

impl Key for Record {}
