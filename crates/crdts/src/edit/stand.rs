//! Making something stand at a place, whatever its type, over all that is seen there: how a
//! conflict is settled by somebody who knows the place by its path alone.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use rejoin_vclock::{Dot, HybridTimestamp};

use crate::cell::CellRef;
use crate::delta::AddOrRemove;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::index::{is_hidden, is_seen, standing};
use crate::path::{Kind, RawAtom};
use crate::register::siblings;

impl Cursor<'_> {
    /// Writes a value to a register over every value seen.
    ///
    /// # Errors
    /// As [`overwrite`](Self::overwrite).
    pub fn settle_on(&mut self, value: RawAtom) -> Result<(), EditError> {
        match self.path.kind() {
            Some(Kind::Siblings) => siblings::set(self, value),
            _ => self.overwrite(value),
        }
    }

    /// Puts the element or the flag of this place there.
    ///
    /// # Errors
    /// As [`Stage::write`](crate::edit::Stage::write).
    pub fn put_there(&mut self) -> Result<(), EditError> {
        match self.path.kind() {
            Some(Kind::Contested | Kind::DisableWinsFlag) => self.contend(AddOrRemove::Add),
            Some(Kind::Element | Kind::EnableWinsFlag) => self.add(),
            _ => Ok(()),
        }
    }

    /// Takes away what is seen at this place.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    pub fn take_away(&mut self) -> Result<(), EditError> {
        match self.path.kind() {
            Some(Kind::Contested | Kind::DisableWinsFlag) => self.contend(AddOrRemove::Remove),
            _ => self.reset(),
        }
    }
}

impl View<'_> {
    /// The live events at this place.
    ///
    /// # Errors
    /// As the source.
    pub fn live(&self) -> Result<Vec<Dot>, ReadError> {
        let mut live = Vec::new();
        self.source.look(self.path.as_bytes(), &mut |cell| {
            cell.each_dot(&mut |dot| live.push(dot));
        })?;
        Ok(live.into_iter().map(|dot| self.dot(dot)).collect())
    }

    /// The live writes of a register: each with its author's time, and its value as people see it.
    ///
    /// # Errors
    /// As the source.
    pub fn writes(&self) -> Result<Vec<(Dot, HybridTimestamp, RawAtom)>, ReadError> {
        let kind = self.path.kind();
        let live = self.leaf(|cell| {
            let writes = cell.as_writes().map_or(&[][..], |writes| &writes.0);
            let shown = |value| siblings::shown(kind, value).into_owned();
            Ok(writes.iter().map(|it| (it.dot, it.stamp, shown(&it.value))).collect::<Vec<_>>())
        })?;
        Ok(live.into_iter().map(|(dot, stamp, value)| (self.dot(dot), stamp, value)).collect())
    }

    /// The values that stand at this place and are seen: of a register, and of an element or flag
    /// that is there.
    ///
    /// # Errors
    /// As the source.
    pub fn standing(&self) -> Result<Vec<RawAtom>, ReadError> {
        let path = self.path.as_bytes();
        if is_hidden(self.source, path)? || !is_seen(self.source, &self.path)? {
            return Ok(Vec::new());
        }
        self.source.at(path, |cell| match (self.path.kind(), cell.and_then(CellRef::as_writes)) {
            (Some(kind @ Kind::Siblings), Some(writes)) => {
                writes.distinct(kind).into_iter().map(Cow::into_owned).collect()
            }
            _ => cell.map_or_else(Vec::new, |cell| standing(path, cell)),
        })
    }
}
