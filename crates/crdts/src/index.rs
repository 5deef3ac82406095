//! Declared indexes: which places of a type's values an index names, and under which values.
//!
//! An index is derived: whoever keeps one notes, for every place that it names, the values that
//! stand there. What is said here is all that such a keeper needs: the places that a type declares
//! ([`Declared`]), the [values](standing) of a cell, and whether a place [can be seen](is_seen),
//! which no cell knows of itself.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::String;
use alloc::vec::Vec;

use rejoin_vclock::codec::{DecodeError, Reader, write_varint};

use crate::cell::{CellRef, KindRef};
use crate::crdt::Crdt;
use crate::edit::{Source, View};
use crate::error::ReadError;
use crate::path::{Atom, Kind, Path, RawAtom, atom, last_field, last_segment, name_ends, split};
use crate::register::extreme::standing as extreme;
use crate::register::{Greatest, Least};
use crate::value::visible::{has, hiding_parts, items_over};

/// One level of the places of an index.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Level {
    /// The encoded name of a field; `None` for whatever keys, ids or elements there are.
    field: Option<Vec<u8>>,
    kind: Kind,
}

/// The places that one index names, in all objects of a space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Index {
    levels: Vec<Level>,
}

impl Index {
    /// The index over the values of these kinds below each other, under whatever keys; the last
    /// one is that of what it names.
    pub fn over(kinds: &[Kind]) -> Self {
        Self { levels: kinds.iter().map(|&kind| Level { field: None, kind }).collect() }
    }

    /// The names of the fields on the way, joined by dots: `items.assignee`.
    pub fn name(&self) -> String {
        let fields = self.levels.iter().filter_map(|level| level.field.as_deref());
        let names = fields.filter_map(last_field);
        names.collect::<Vec<_>>().join(".")
    }

    /// True if it names the place at a path.
    pub fn names(&self, path: &[u8]) -> bool {
        // Most paths differ in the last byte already.
        if self.levels.last().map(|level| level.kind.tag()) != path.last().copied() {
            return false;
        }
        let mut rest = path;
        for Level { field, kind } in &self.levels {
            let length = match field {
                Some(field) if rest.starts_with(field) => field.len(),
                Some(_) => return false,
                None => match name_ends(rest, 0).next() {
                    Some(end) => end,
                    None => return false,
                },
            };
            match rest.get(length..).and_then(<[u8]>::split_first) {
                Some((tag, below)) if *tag == kind.tag() => rest = below,
                _ => return false,
            }
        }
        rest.is_empty()
    }

    /// The names on the way to a place that are not those of fields: the object's key, then keys
    /// and ids, and the element of a set.
    pub fn keys(&self, path: &[u8]) -> Vec<RawAtom> {
        let (mut rest, mut keys) = (path, Vec::new());
        for level in &self.levels {
            let Some((name, _, below)) = split(rest) else { break };
            if level.field.is_none() {
                keys.push(name);
            }
            rest = below;
        }
        keys
    }

    /// Its encoding: for each level its kind, then the length and the bytes of a field's name, or
    /// nothing.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Level { field, kind } in &self.levels {
            bytes.push(kind.tag());
            let field = field.as_deref().unwrap_or_default();
            write_varint(&mut bytes, field.len() as u64);
            bytes.extend(field);
        }
        bytes
    }

    /// Reads an index back.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut levels = Vec::new();
        while !reader.is_empty() {
            let kind = Kind::from_tag(reader.byte()?)?;
            let length = reader.count(1)?;
            let field = reader.bytes(length)?;
            let field = (!field.is_empty()).then(|| field.to_vec());
            levels.push(Level { field, kind });
        }
        Ok(Self { levels })
    }
}

/// Collects the indexes that a type declares, while it walks through its fields.
#[derive(Default, Debug)]
pub struct Declared {
    levels: Vec<Level>,
    found: Vec<Index>,
    /// The types on the way, and how many indexes were found before each.
    within: Vec<(&'static str, usize, bool)>,
}

impl Declared {
    /// The indexes of a type whose values are the objects of a space.
    pub fn of<T: Crdt>() -> Vec<Index> {
        let mut declared = Self::default();
        declared.any::<T>();
        declared.found
    }

    /// Goes through the fields of a type. One that nests in itself has endless places: nothing in
    /// it is indexed.
    pub fn within<T>(&mut self, walk: impl FnOnce(&mut Self)) {
        let name = core::any::type_name::<T>();
        if let Some((.., is_endless)) = self.within.iter_mut().find(|(known, ..)| *known == name) {
            *is_endless = true;
            return;
        }
        self.within.push((name, self.found.len(), false));
        walk(self);
        if let Some((_, before, true)) = self.within.pop() {
            self.found.truncate(before);
        }
    }

    /// Passes a field; `is_indexed` if it is to be indexed itself.
    pub fn field<V: Crdt>(&mut self, name: &str, is_indexed: bool) {
        let mut field = Vec::new();
        atom::write_str(name, &mut field);
        self.levels.push(Level { field: Some(field), kind: V::KIND });
        if is_indexed {
            let mut levels = self.levels.clone();
            levels.extend(V::KIND.element().map(|kind| Level { field: None, kind }));
            self.found.push(Index { levels });
        }
        V::indexes(self);
        self.levels.pop();
    }

    /// Passes the values under any keys or ids.
    pub fn any<V: Crdt>(&mut self) {
        self.levels.push(Level { field: None, kind: V::KIND });
        V::indexes(self);
        self.levels.pop();
    }
}

/// Refuses, when it is compiled, an index over what has no values to be found by.
#[doc(hidden)]
pub const fn check(kind: Kind) {
    let is_register = matches!(
        kind,
        Kind::LwwRegister | Kind::MvRegister | Kind::MaxRegister | Kind::MinRegister
    );
    let is_flag = matches!(kind, Kind::EnableWinsFlag | Kind::DisableWinsFlag);
    assert!(
        is_register || is_flag || kind.element().is_some(),
        "only a register, a flag or a set has an index, and `Siblings` has none"
    );
}

/// Shows the values under which an index finds the place of a cell, encoded: of a register those
/// that stand, of a flag that is on `true`, of a set's element itself.
pub fn each_standing(path: &[u8], cell: CellRef<'_>, show: &mut dyn FnMut(&[u8])) {
    let kind = path.last().and_then(|&tag| Kind::from_tag(tag).ok());
    match (cell.0, kind) {
        (KindRef::Register(writes), Some(Kind::MvRegister)) => {
            let values = writes.distinct(Kind::MvRegister);
            values.iter().for_each(|value| show(value.as_bytes()));
        }
        (KindRef::Register(writes), Some(Kind::MaxRegister)) => {
            extreme::<Greatest>(writes).into_iter().for_each(|value| show(value.as_bytes()));
        }
        (KindRef::Register(writes), Some(Kind::MinRegister)) => {
            extreme::<Least>(writes).into_iter().for_each(|value| show(value.as_bytes()));
        }
        (KindRef::Register(writes), _) => {
            writes.0.first().into_iter().for_each(|write| show(write.value.as_bytes()));
        }
        (_, Some(Kind::EnableWinsFlag | Kind::DisableWinsFlag)) if cell.is_visible() => {
            show(RawAtom::of(&true).as_bytes());
        }
        (_, Some(Kind::Element | Kind::Contested)) if cell.is_visible() => {
            let element = path.get(last_segment(path)..).unwrap_or_default();
            // Without the kind behind it.
            show(element.split_last().map_or(element, |(_, element)| element));
        }
        _ => {}
    }
}

/// The values of [`each_standing`].
pub fn standing(path: &[u8], cell: CellRef<'_>) -> Vec<RawAtom> {
    let mut values = Vec::new();
    each_standing(path, cell, &mut |value| {
        values.extend(RawAtom::read(&mut Reader::new(value)).ok());
    });
    values
}

/// Returns the names on the way to a path, its own included, under which removals [hide](is_hidden)
/// what is not spared: a change at the path may change that.
///
/// # Errors
/// As the source.
pub fn hiding(source: &dyn Source, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut names = hiding_parts(source, path)?;
    names.iter_mut().for_each(|name| _ = name.pop());
    Ok(names)
}

/// True if removals hide a place, or something that it stands in.
///
/// # Errors
/// As the source.
pub fn is_hidden(source: &dyn Source, path: &[u8]) -> Result<bool, ReadError> {
    for part in hiding_parts(source, path)? {
        let Some(cell) = source.cell(&part)? else { continue };
        if !has(source, &part, cell.lend())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if a place is seen by whoever reads it: no item, node or key on the way is gone or hidden.
///
/// # Errors
/// As the source.
pub fn is_seen(source: &dyn Source, path: &Path) -> Result<bool, ReadError> {
    for part in items_over(path.as_bytes()) {
        let Some(cell) = source.cell(&part)? else { return Ok(false) };
        if !has(source, &part, cell.lend())? {
            return Ok(false);
        }
    }
    Ok(!View::new(source, path.clone()).is_hidden()?)
}
