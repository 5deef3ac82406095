//! Removals that keep edited things: they hide what they saw instead of ending it.
//!
//! Such a removal leaves its own dot beside the thing, with the counter up to which it had seen
//! each replica that wrote there. Hidden data stay alive and are not shown. As soon as something is
//! alive there that no such removal had seen (a change or a move made without knowing of it), the
//! thing is there again, whole. Its visibility is a function of what is alive: the order of arrival
//! does not matter.
//!
//! The dot of the removal is also the tag by which a cut judges the data that it keeps.

use rejoin_vclock::{Dot, VersionVector};
use smallvec::SmallVec;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::cell::{CellRef, KindRef, Leaf};
use crate::delta::{At, Covered, Effect, Ends};
use crate::edit::cursor::parse;
use crate::edit::{Cursor, View};
use crate::error::EditError;
use crate::path::{Atom, Kind, Path};
use crate::state::{Context, Join, LocalDot};
use crate::value::visible::hidden_names;

/// One removal that hides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hiding {
    pub dot: LocalDot,
    /// The last dot seen of each replica that had written the hidden data.
    pub seen: SmallVec<[LocalDot; 1]>,
}

/// The removals that hide one thing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Hidings(pub Vec<Hiding>);

impl Hidings {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn dots(&self, context: &Context) -> Ends {
        let mut dots: Ends = self.0.iter().map(|hiding| context.dot(hiding.dot)).collect();
        dots.sort_unstable();
        dots
    }

    /// True if something is alive in a cell that none of the removals had seen.
    pub(crate) fn spare(&self, cell: CellRef<'_>) -> bool {
        let mut spared = false;
        cell.each_dot(&mut |dot| spared |= !self.cover(dot));
        spared
    }

    /// True if one of the removals had seen a dot.
    pub(crate) fn cover(&self, dot: LocalDot) -> bool {
        let saw = |last: &LocalDot| last.slot() == dot.slot() && dot.counter() <= last.counter();
        let most = if rejoin_vclock::mutant!("one-removal-hides") { 1 } else { usize::MAX };
        self.0.iter().take(most).any(|hiding| hiding.seen.iter().any(saw))
    }

    pub(crate) fn end_named(&mut self, ends: &[Dot], context: &Context) -> bool {
        let before = self.0.len();
        self.0.retain(|hiding| !ends.contains(&context.dot(hiding.dot)));
        self.0.len() < before
    }

    /// Adds a removal that had seen these events; one that had seen nothing hides nothing.
    fn hide(&mut self, seen: &VersionVector, at: &At<'_>) -> bool {
        let last = |(id, counter)| at.context.local(Dot::new(id, counter).ok()?);
        let seen: SmallVec<[LocalDot; 1]> = seen.iter().filter_map(last).collect();
        let hides = !seen.is_empty();
        if hides {
            self.0.push(Hiding { dot: at.dot, seen });
        }
        hides
    }
}

impl Leaf for Hidings {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Hide { ends, seen } = effect else { return false };
        self.end_named(ends, at.context) | self.hide(seen, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let before = self.0.len();
        self.0.retain(|hiding| !covered.contains(hiding.dot));
        self.0.len() < before
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let before = self.0.len();
        let theirs: Vec<Hiding> = theirs.0.iter().map(|hiding| hiding.joined(join)).collect();
        self.0.retain(|mine| {
            theirs.iter().any(|other| other.dot == mine.dot) || !join.they_saw(mine.dot)
        });
        let kept = self.0.len();
        self.0.extend(theirs.into_iter().filter(|other| !join.we_saw(other.dot)));
        self.0.len() > kept || kept < before
    }

    /// Never visible itself.
    fn is_visible(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hiding {
    /// The removal in our terms.
    fn joined(&self, join: &Join) -> Self {
        let seen = self.seen.iter().map(|&dot| join.dot(dot)).collect();
        Self { dot: join.dot(self.dot), seen }
    }
}

impl Cursor<'_> {
    /// Prepares this place for a write: where removals hide a name on the way, the hidden data end,
    /// as by a plain removal; where something was spared, the removals end, so that everything
    /// stays.
    pub(crate) fn open(&mut self) -> Result<(), EditError> {
        if self.stage.may_hide() { self.end_hiding() } else { Ok(()) }
    }

    fn end_hiding(&mut self) -> Result<(), EditError> {
        for part in hidden_names(&*self.stage, self.path.as_bytes())? {
            let name = part.split_last().map_or(&[][..], |(_, name)| name);
            let spared = View { source: &*self.stage, path: Path::default() }.spares(&part)?;
            if !spared && !rejoin_vclock::mutant!("hidden-outlives-a-write") {
                let resets = self.resets(name)?;
                self.write_all(resets)?;
            } else {
                Cursor { stage: &mut *self.stage, path: parse(part)? }.spare()?;
            }
        }
        Ok(())
    }

    /// Hides the data under a name below, unless somebody who has not seen this changes them.
    pub(crate) fn hide(&mut self, thing: &impl Atom, part: Kind) -> Result<(), EditError> {
        let name = self.path.key(thing, part);
        let name = name.as_bytes().split_last().map_or(&[][..], |(_, name)| name);
        let (mut seen, mut fixed) = (VersionVector::new(), None);
        let context = self.stage.context();
        self.stage.visit(name, name, &mut |at, cell| {
            if matches!(cell.0, KindRef::Rights(_)) {
                fixed = Some(at.to_vec());
                return ControlFlow::Break(());
            }
            cell.each_dot(&mut |dot| {
                seen.set_at_least(context.id(dot.slot()), dot.counter());
            });
            ControlFlow::Continue(())
        })?;
        if let Some(at) = fixed {
            return Err(EditError::CannotReset { path: parse(at)? });
        }
        if seen.is_empty() || self.view().key(thing, part).is_hidden()? {
            return Ok(());
        }
        if rejoin_vclock::mutant!("unless-edited-ends") {
            return self.reset_name(thing);
        }
        let mut part = self.key(thing, part);
        let ends = part.hidings()?;
        part.write(Effect::Hide { ends, seen: Box::new(seen) })
    }

    /// Keeps an item or node that somebody removed unless edited and that somebody else changed.
    pub(crate) fn keep(&mut self, thing: Dot, part: Kind) -> Result<(), EditError> {
        self.key(&thing, part).spare()
    }

    /// Ends the removals that hide the value beside this part.
    pub(crate) fn spare(&mut self) -> Result<(), EditError> {
        let ends = self.hidings()?;
        if ends.is_empty() {
            return Ok(());
        }
        self.write(Effect::Hide { ends, seen: Box::default() })
    }

    fn hidings(&self) -> Result<Ends, EditError> {
        let context = self.stage.context();
        self.cell(|cell| {
            let hidings = cell.and_then(CellRef::hidings);
            hidings.map_or_else(Ends::new, |hidings| hidings.dots(context))
        })
    }

    /// Keeps every name on the way up to here that somebody removed unless edited and that somebody
    /// else changed: a removal below is no reason for the name to go after all.
    pub(crate) fn spare_above(&mut self, end: usize) -> Result<(), EditError> {
        let above = self.path.as_bytes().get(..end).unwrap_or_default();
        for part in hidden_names(&*self.stage, above)? {
            if (View { source: &*self.stage, path: Path::default() }).spares(&part)? {
                Cursor { stage: &mut *self.stage, path: parse(part)? }.spare()?;
            }
        }
        Ok(())
    }
}
