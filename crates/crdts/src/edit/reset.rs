//! Taking values away: the operations that end all that is seen at a place and below.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::VersionVector;

use crate::cell::{CellRef, KindRef};
use crate::delta::Effect;
use crate::edit::Cursor;
use crate::edit::cursor::{parse, unread};
use crate::error::EditError;
use crate::path::{Atom, Kind};
use crate::state::Context;

impl Cursor<'_> {
    /// Takes away everything that is seen here and below; writes nothing if there is nothing.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] when there is nothing to take away but data of another kind;
    /// otherwise as [`Stage::write`].
    pub fn reset(&mut self) -> Result<(), EditError> {
        let resets = self.resets(self.path.as_bytes())?;
        match resets.is_empty() {
            true => _ = self.view().check_kinds()?,
            false => self.spare_above(self.path.above())?,
        }
        self.write_resets(&resets)
    }

    /// As [`reset`](Self::reset), for the data of one kind here, whatever stands here as others.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn reset_kind(&mut self, kind: Kind) -> Result<(), EditError> {
        let Some(path) = self.path.as_kind(kind) else { return Ok(()) };
        let mut there = Cursor { stage: &mut *self.stage, path };
        let resets = there.resets(there.path.as_bytes())?;
        if !resets.is_empty() {
            there.spare_above(there.path.above())?;
        }
        there.write_resets(&resets)
    }

    /// As [`reset`](Self::reset), but what removals hide below stays: it is there again when
    /// somebody has changed it meanwhile.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    #[cfg(feature = "json")]
    pub(crate) fn reset_seen(&mut self) -> Result<(), EditError> {
        let hidden = self.view().hidden_below()?;
        if hidden.is_empty() {
            return self.reset();
        }
        let mut resets = self.resets(self.path.as_bytes())?;
        resets.retain(|(at, _)| {
            let before = hidden.partition_point(|name| name <= at);
            !hidden.get(..before).and_then(<[_]>::last).is_some_and(|name| at.starts_with(name))
        });
        if !resets.is_empty() {
            self.spare_above(self.path.above())?;
        }
        self.write_all(resets)
    }

    /// Writes operations that take away all that is seen at or below this place.
    fn write_resets(&mut self, resets: &[(Vec<u8>, Effect)]) -> Result<(), EditError> {
        self.write_by_value(self.path.as_bytes().len(), resets)?;
        // The removals that hide it go with it.
        let Some((&tag, name)) = self.path.as_bytes().split_last() else { return Ok(()) };
        let kind = Kind::from_tag(tag).map_err(unread)?;
        if self.stage.other_kind(name, kind)? != Some(Kind::MapKey) {
            return Ok(());
        }
        let part = parse([name, &[Kind::MapKey.tag()]].concat())?;
        Cursor { stage: &mut *self.stage, path: part }.spare()
    }

    /// Takes away everything that is seen under a name below, of whatever kind.
    pub(crate) fn reset_name(&mut self, name: &impl Atom) -> Result<(), EditError> {
        let mut prefix = self.path.as_bytes().to_vec();
        name.write(&mut prefix);
        let resets = self.resets(&prefix)?;
        if resets.is_empty() {
            return Ok(self.view().check_kinds().map(drop)?);
        }
        self.spare_above(self.path.as_bytes().len())?;
        self.write_by_value(prefix.len() + 1, &resets)
    }

    /// Writes operations that take values away, whose places are as long as this. A value with
    /// parts goes by one operation (beside its counters): it says that all of it goes, and not
    /// only the parts that are there, so that whoever adds another part at the same time gets a
    /// report.
    fn write_by_value(
        &mut self,
        length: usize,
        resets: &[(Vec<u8>, Effect)],
    ) -> Result<(), EditError> {
        let own = self.stage.context().id(self.next_dot().slot());
        for of_value in resets.chunk_by(|(a, _), (b, _)| a.get(..length) == b.get(..length)) {
            let place = of_value.first().and_then(|(at, _)| at.get(..length));
            let value = place.map(|place| parse(place.to_vec())).transpose()?;
            let value = value.filter(|value| value.kind().is_some_and(|kind| !kind.is_leaf()));
            let by_name =
                |effect: &Effect| value.is_none() || matches!(effect, Effect::Reset { .. });
            if let Some(value) = &value {
                let mut seen = VersionVector::new();
                let ended = of_value.iter().filter(|(_, effect)| !by_name(effect));
                let dots = ended.flat_map(|(_, effect)| effect.named());
                dots.filter(|&(id, _)| id != own).for_each(|(id, counter)| {
                    seen.set_at_least(id, counter);
                });
                self.stage.write(value, Effect::Below { seen: Box::new(seen) })?;
            }
            let named = of_value.iter().filter(|(_, effect)| by_name(effect));
            self.write_all(named.cloned().collect())?;
        }
        Ok(())
    }

    /// Returns the operations that take away everything seen at paths that begin with these bytes.
    pub(crate) fn resets(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Effect)>, EditError> {
        let mut resets = Vec::new();
        let mut fixed = None;
        self.stage.visit(prefix, prefix, &mut |at, cell| {
            if matches!(cell.0, KindRef::Rights(_)) {
                fixed = Some(at.to_vec());
                return ControlFlow::Break(());
            }
            let taken = taking_away(cell, self.stage.context());
            resets.extend(taken.map(|effect| (at.to_vec(), effect)));
            ControlFlow::Continue(())
        })?;
        match fixed {
            Some(at) => Err(EditError::CannotReset { path: parse(at)? }),
            None => Ok(resets),
        }
    }

    pub(crate) fn write_all(&mut self, effects: Vec<(Vec<u8>, Effect)>) -> Result<(), EditError> {
        effects.into_iter().try_for_each(|(at, effect)| self.stage.write(&parse(at)?, effect))
    }
}

/// Returns the operation that ends all live dots of a cell, if there are any. Retained dots stay.
fn taking_away(cell: CellRef<'_>, context: &Context) -> Option<Effect> {
    let effect = match cell.0 {
        KindRef::Element(_) => Effect::Element { ends: cell.live(context), add: false },
        KindRef::Register(_)
        | KindRef::Positions(_)
        | KindRef::Candidates(_)
        | KindRef::Mark(_) => Effect::Register { ends: cell.live(context), value: None },
        KindRef::Counter(counter) => {
            Effect::Reset { floors: counter.floors(context), ends: counter.taken_with_it(context) }
        }
        KindRef::Contest(contest) => {
            Effect::Contest { ends: contest.adds.to_dots(context), put: None }
        }
        KindRef::Hidings(hidings) => {
            Effect::Hide { ends: hidings.dots(context), seen: Box::default() }
        }
        KindRef::Rights(_) => return None,
    };
    effect.takes_anything().then_some(effect)
}
