//! Atoms of any number of atoms.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use rejoin_vclock::codec::{DecodeError, Reader};

use super::atom::{Atom, END, Key, LIST, wrong};

/// Any number of atoms, as a list. (A `Vec` of bytes is bytes.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Items<T>(pub Vec<T>);

impl<T: Atom> Atom for Items<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(LIST);
        self.0.iter().for_each(|item| item.write(out));
        out.push(END);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_items(reader).map(Self)
    }
}

impl<T: Key> Key for Items<T> {}

/// The elements, ascending, as a list.
impl<T: Key> Atom for BTreeSet<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(LIST);
        self.iter().for_each(|element| element.write(out));
        out.push(END);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let elements: Vec<T> = read_items(reader)?;
        match elements.is_sorted_by(|a, b| a < b) {
            true => Ok(elements.into_iter().collect()),
            false => Err(DecodeError::NotCanonical("a set as a list")),
        }
    }
}

impl<T: Key> Key for BTreeSet<T> {}

/// Reads the items of a list.
fn read_items<T: Atom>(reader: &mut Reader<'_>) -> Result<Vec<T>, DecodeError> {
    match reader.byte()? {
        LIST => {}
        tag => return wrong("list atom", tag),
    }
    let mut items = Vec::new();
    loop {
        let mut ahead = reader.clone();
        if ahead.byte()? == END {
            *reader = ahead;
            return Ok(items);
        }
        items.push(T::read(reader)?);
    }
}
