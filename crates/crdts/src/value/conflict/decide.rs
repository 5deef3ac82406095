//! The decision about one cell, from what is alive in it and what its author knew.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef, Dots, Hidings, KindRef};
use crate::counter::{Record, Standing, Tally};
use crate::delta::concurrency::Concurrency;
use crate::delta::{Change, Delta, Effect};
use crate::edit::Source;
use crate::error::ReadError;
use crate::ordered::Place;
use crate::path::Kind;
use crate::register::siblings::shown;
use crate::register::{Write, Writes};
use crate::state::{Context, LocalDot};
use crate::value::conflict::{Action, Decision, Rule, Side};
use crate::value::visible::{has, hidden_names, items_over};

/// If more replicas than this have counted, nobody would read a list of all their amounts.
const PARTIES: usize = 16;

/// One change of a delta, beside the state that it is applied to.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub delta: &'a Delta,
    pub change: &'a Change,
    /// The dot of the change.
    pub dot: Dot,
    pub state: &'a dyn Source,
    pub context: &'a Context,
    pub concurrency: &'a Concurrency,
}

/// The cells that a change is about.
enum Scope<'a> {
    /// The cell at its place.
    Place,
    /// The cells below, if the change ends everything there; or those of an item or node that it
    /// removes.
    Below(&'a [u8]),
    /// None: a removal below a thing that is gone is reported with that thing.
    Nothing,
}

impl<'a> Judge<'a> {
    /// Reports the decisions about the cells that the change is about.
    pub(super) fn each_cell(
        &self,
        report: &mut dyn FnMut(&[u8], Decision),
    ) -> Result<(), ReadError> {
        let place = self.place();
        let mut speak = |path: &[u8], cell: CellRef<'_>| -> Result<(), ReadError> {
            let decided = self.decide_among(path, cell)?;
            decided.into_iter().flatten().for_each(|decision| report(path, decision));
            Ok(())
        };
        match self.scope()? {
            // Borrowed and not copied: a counter has a record of every replica.
            Scope::Place => {
                let mut spoken = Ok(());
                self.state.look(place, &mut |cell| spoken = speak(place, cell)).and(spoken)
            }
            Scope::Below(scope) => cells_below(scope, self.state)?
                .iter()
                .try_for_each(|(path, cell)| speak(path, cell.lend())),
            Scope::Nothing => Ok(()),
        }
    }

    pub(super) fn place(&self) -> &'a [u8] {
        self.change.path().as_bytes()
    }

    fn scope(&self) -> Result<Scope<'a>, ReadError> {
        let (place, removes) = (self.place(), self.change.removes());
        if removes && self.first_gone(items_over(place))?.is_some() {
            return Ok(Scope::Nothing);
        }
        Ok(match (&self.change.effect, place.split_last()) {
            (Effect::Below { .. }, _) => Scope::Below(place),
            (Effect::Hide { .. }, Some((_, name))) => Scope::Below(name),
            (_, Some((_, name))) if removes && is_part(place) => Scope::Below(name),
            _ => Scope::Place,
        })
    }

    /// Makes the decisions about a cell that may belong to items and nodes that are gone or hidden:
    /// about a removal above it, and about what is in it.
    fn decide_among(
        &self,
        path: &[u8],
        cell: CellRef<'_>,
    ) -> Result<[Option<Decision>; 2], ReadError> {
        let hides = matches!(self.change.effect, Effect::Hide { .. });
        if let Some(part) = self.first_gone(parts_over(path))? {
            let hidden = self.state.cell(&part)?;
            let hidings = hidden.as_ref().and_then(|cell| cell.lend().hidings());
            return Ok([if hides { None } else { self.gone(&part, hidings, path, cell) }, None]);
        }
        let kept = self.hidings_over(path)?.and_then(|hidings| self.kept(&hidings, path, cell));
        Ok([kept, if hides { None } else { self.decide(path, cell) }])
    }

    /// True if the change's author did not know of a dot when making it.
    pub(super) fn unknown(&self, dot: Dot) -> bool {
        !self.concurrency.knew(self.delta.origin(), dot)
    }

    /// True if a dot belongs to the delta.
    pub(super) fn spans(&self, dot: Dot) -> bool {
        let own = self.delta.first()..=self.delta.last();
        dot.replica() == self.delta.origin() && own.contains(&dot.counter())
    }

    /// True if a side is the news of this change: what a removal spared, or what was added.
    fn is_of_interest(&self, dot: Dot) -> bool {
        if self.change.removes() { self.unknown(dot) } else { self.spans(dot) }
    }

    /// Returns the outermost of these items and nodes that is not there.
    fn first_gone(
        &self,
        parts: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        for part in parts {
            if self.is_gone(&part)? {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// True if the item or node whose part is at a path is not there.
    pub(super) fn is_gone(&self, part: &[u8]) -> Result<bool, ReadError> {
        let Some(cell) = self.state.cell(part)? else { return Ok(true) };
        has(self.state, part, cell.lend()).map(|there| !there)
    }

    /// Returns the removals that hide the innermost hidden item, node or name that a path belongs
    /// to.
    fn hidings_over(&self, path: &[u8]) -> Result<Option<Hidings>, ReadError> {
        let mut innermost = None;
        for part in parts_over(path).chain(hidden_names(self.state, path)?) {
            let cell = self.state.cell(&part)?;
            let hidings = cell.as_ref().and_then(|cell| cell.lend().hidings());
            let hidings = hidings.filter(|it| !it.is_empty());
            innermost = hidings.cloned().or(innermost);
        }
        Ok(innermost)
    }

    /// Decides about the live dots of an item's or node's cell that the removals had not seen; the
    /// removals would have hidden it.
    fn kept(&self, hidings: &Hidings, path: &[u8], cell: CellRef<'_>) -> Option<Decision> {
        let spared = |dot| self.context.local(dot).is_some_and(|local| !hidings.cover(local));
        let kept = self.sides(path, cell, |dot| spared(dot) && self.is_of_interest(dot));
        let removals = hidings.dots(self.context).into_iter();
        let removals = removals.map(|dot| Side { dot, action: Action::Removed }).collect();
        (!kept.is_empty()).then_some((Rule::EditKeeps, kept, removals))
    }

    /// Decides about the live dots of a cell of an item or node that is not there: its removal had
    /// not seen them.
    fn gone(
        &self,
        part: &[u8],
        hidings: Option<&Hidings>,
        path: &[u8],
        cell: CellRef<'_>,
    ) -> Option<Decision> {
        // Of what a removal hides, it has seen all.
        let hidden = |dot| {
            hidings
                .zip(self.context.local(dot))
                .is_some_and(|(hidings, local)| hidings.cover(local))
        };
        let overridden = self.sides(path, cell, |dot| self.is_of_interest(dot) && !hidden(dot));
        let is_told = !overridden.is_empty() && !rejoin_vclock::mutant!("removal-is-not-told");
        is_told.then(|| {
            let kept = match self.change.removes() {
                true => vec![self.removed(path)],
                false => self.removals_of(part),
            };
            (Rule::RemovedIsGone, kept, overridden)
        })
    }

    /// The change as the removal of what is at a path.
    pub(super) fn removed(&self, path: &[u8]) -> Side {
        let action = if self.place() == path { absent(path) } else { Action::Removed };
        Side { dot: self.dot, action }
    }

    /// Returns the removals of a place, or of something above it, that the change's author had not
    /// seen: the last one of each replica.
    pub(super) fn removals_of(&self, place: &[u8]) -> Vec<Side> {
        let side = |(length, dot): (usize, Dot)| {
            let action = if length == place.len() { absent(place) } else { Action::Removed };
            Side { dot, action }
        };
        last_of_each(self.removals_at(place).map(side).collect())
    }

    fn removals_at(&self, place: &'a [u8]) -> impl Iterator<Item = (usize, Dot)> {
        self.concurrency.removals_over(place, self.delta.origin())
    }

    /// Returns the live sides of a cell.
    fn sides(
        &self,
        path: &[u8],
        cell: CellRef<'_>,
        of_interest: impl Fn(Dot) -> bool,
    ) -> Vec<Side> {
        let side = |dot: LocalDot, action| Side { dot: self.context.dot(dot), action };
        let dots = |dots: &[LocalDot]| dots.iter().map(|&dot| side(dot, present(path))).collect();
        let mut sides: Vec<Side> = match cell.0 {
            KindRef::Element(there) => dots(there),
            KindRef::Contest(contest) => dots(&contest.adds.0),
            KindRef::Register(writes) => {
                writes.0.iter().map(|write| self.written(path, write)).collect()
            }
            KindRef::Counter(counter) => {
                counter.standing().iter().map(|standing| self.counted(standing)).collect()
            }
            KindRef::Positions(places) => {
                places.live().map(|place| placed(place, &places.existence)).collect()
            }
            KindRef::Candidates(places) => {
                places.live().map(|place| placed(place, &places.existence)).collect()
            }
            KindRef::Mark(_) | KindRef::Rights(_) | KindRef::Hidings(_) => Vec::new(),
        };
        sides.retain(|side| of_interest(side.dot));
        sides
    }

    fn written(&self, path: &[u8], write: &Write) -> Side {
        let action = Action::Wrote(shown(kind_of(path), &write.value).into_owned());
        Side { dot: self.context.dot(write.dot), action }
    }

    fn counted(&self, standing: &Standing) -> Side {
        let action = Action::Counted(clamped(standing.span.net()));
        Side { dot: self.context.dot(standing.dot()), action }
    }

    fn decide(&self, path: &[u8], cell: CellRef<'_>) -> Option<Decision> {
        if self.change.removes() && !matches!(cell.0, KindRef::Counter(_) | KindRef::Contest(_)) {
            return self.spared(path, cell);
        }
        let decision = match cell.0 {
            KindRef::Register(writes) if writes.0.len() > 1 => self.decide_register(path, writes),
            KindRef::Counter(counter) if cell.is_visible() => {
                self.decide_counter(path, cell, counter)
            }
            KindRef::Contest(contest) if !contest.adds.0.is_empty() => {
                let sides = |dots: &Dots, action: fn(&[u8]) -> Action| {
                    let dots = dots.0.iter().map(|&dot| self.context.dot(dot));
                    dots.map(|dot| Side { dot, action: action(path) }).collect::<Vec<_>>()
                };
                let (kept, overridden) =
                    (sides(&contest.removes, absent), sides(&contest.adds, present));
                match kept.is_empty() {
                    false => Some((Rule::RemoveWins, kept, overridden)),
                    true if self.change.removes() => self.spared(path, cell),
                    true => None,
                }
            }
            KindRef::Positions(places) if places.live().nth(1).is_some() => {
                self.decide_moves(places.live().map(|place| placed(place, &places.existence)))
            }
            _ => None,
        };
        decision.or_else(|| self.survives(path, cell))
    }

    /// Decides about a removal that had not seen everything.
    fn spared(&self, path: &[u8], cell: CellRef<'_>) -> Option<Decision> {
        let kept = self.sides(path, cell, |dot| self.unknown(dot));
        // Who removes a thing and puts it there again has not removed it.
        let is_back = !self.sides(path, cell, |dot| self.spans(dot)).is_empty();
        let is_seen = cell.is_visible() && !kept.is_empty() && !is_back;
        is_seen.then(|| (Rule::AddWins, kept, vec![self.removed(path)]))
    }

    /// Decides about an add whose author had not seen a removal.
    fn survives(&self, path: &[u8], cell: CellRef<'_>) -> Option<Decision> {
        if self.change.removes() || !cell.is_visible() {
            return None;
        }
        let mut removals = self.removals_of(path);
        removals.retain(|Side { dot: removal, .. }| {
            let is_back =
                |dot: Dot| dot.replica() == removal.replica() && dot.counter() > removal.counter();
            self.sides(path, cell, is_back).is_empty()
        });
        if removals.is_empty() || rejoin_vclock::mutant!("remover-is-not-told") {
            return None;
        }
        let kept = self.sides(path, cell, |dot| self.spans(dot));
        (!kept.is_empty()).then_some((Rule::AddWins, kept, removals))
    }

    /// Decides among several live writes. A write that was beaten before it was made is alive and
    /// no conflict.
    fn decide_register(&self, path: &[u8], Writes(writes): &Writes) -> Option<Decision> {
        let kind = kind_of(path)?;
        let dot = |write: &Write| self.context.dot(write.dot);
        let values = || writes.iter().map(|write| &write.value);
        let (rule, best) = match kind {
            Kind::MvRegister | Kind::Siblings => (Rule::EveryValueStays, None),
            Kind::MaxRegister => (Rule::GreatestWins, values().max()),
            Kind::MinRegister => (Rule::LeastWins, values().min()),
            _ => {
                let mut sides = writes.iter().map(|write| self.written(path, write));
                let kept = sides.by_ref().take(1).collect();
                return Some((Rule::LastWriterWins, kept, sides.collect()));
            }
        };
        let stands = |write: &&Write| best.is_none_or(|best| write.value == *best);
        let (kept, overridden): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(stands);
        let first = shown(Some(kind), &writes[0].value);
        let alike = values().all(|value| shown(Some(kind), value) == first);
        let concurrent = writes.iter().any(|write| self.unknown(dot(write)));
        let sides = |writes: Vec<&Write>| {
            writes.into_iter().map(|write| self.written(path, write)).collect()
        };
        (concurrent && !alike).then(|| (rule, sides(kept), sides(overridden)))
    }

    fn decide_counter(&self, path: &[u8], cell: CellRef<'_>, counter: &Tally) -> Option<Decision> {
        let removes = self.change.removes();
        let reset =
            |record: &Record| record.floor.as_ref().map(|floor| self.context.dot(floor.tag));
        if matches!(self.change.effect, Effect::Below { .. }) {
            return self.spared(path, cell);
        }
        let unseen = |record: &Record| reset(record).filter(|&tag| self.unknown(tag));
        let removal = |dot| Side { dot, action: Action::Removed };
        if counter.records().len() > PARTIES && !removes {
            let own = self.context.slot(self.delta.origin())?;
            let taken = vec![removal(unseen(counter.of(own)?)?)];
            let standing = counter.standing();
            let kept = self.counted(standing.iter().rfind(|it| it.span.owner == own)?);
            return Some((Rule::ResetSparesUnseen, vec![kept], taken));
        }
        let mut kept: Vec<Side> = counter.standing().iter().map(|it| self.counted(it)).collect();
        kept.sort_unstable_by_key(|side| side.dot);
        if removes {
            kept.retain(|side| self.unknown(side.dot));
            let is_seen = !kept.is_empty();
            return is_seen.then(|| (Rule::ResetSparesUnseen, kept, vec![removal(self.dot)]));
        }
        // A reset names everything that it saw: what is alive beside a reset that either side did
        // not know of was not seen by that reset. Of two resets that saw the same, the state keeps
        // one.
        let named = self.removals_at(path).filter(|&(length, _)| length == path.len());
        let named = named.map(|(_, dot)| dot);
        let unseen = counter.records().iter().filter_map(unseen).chain(named);
        let unseen = last_of_each(unseen.map(removal).collect());
        if !unseen.is_empty() {
            kept.retain(|side| self.spans(side.dot));
            // To take something back is no change that a reset could take away.
            let is_none = kept.is_empty() && matches!(self.change.effect, Effect::Correct { .. });
            return (!is_none).then_some((Rule::ResetSparesUnseen, kept, unseen));
        }
        let concurrent = kept.iter().any(|side| self.unknown(side.dot));
        let concurrent = concurrent && kept.iter().any(|side| self.spans(side.dot));
        concurrent.then_some((Rule::EveryChangeCounts, kept, Vec::new()))
    }

    /// Decides among several live places of an item; the first one is where it stands.
    fn decide_moves(&self, mut places: impl Iterator<Item = Side>) -> Option<Decision> {
        let kept: Vec<Side> = places.by_ref().take(1).collect();
        let overridden: Vec<Side> = places.collect();
        let concurrent = kept.iter().chain(&overridden).any(|side| self.unknown(side.dot));
        let is_told = concurrent && !rejoin_vclock::mutant!("move-is-not-told");
        is_told.then_some((Rule::LastWriterWins, kept, overridden))
    }
}

/// The side that put a thing at a place, by insertion or by a move.
pub(super) fn placed(place: &Place, existence: &Dots) -> Side {
    let inserted = existence.0.contains(&place.dot);
    Side { dot: place.id, action: if inserted { Action::Added } else { Action::Moved } }
}

/// Of each replica the last side.
fn last_of_each(mut sides: Vec<Side>) -> Vec<Side> {
    sides.sort_unstable_by_key(|side| core::cmp::Reverse(side.dot));
    sides.dedup_by_key(|side| side.dot.replica());
    sides
}

fn cells_below(scope: &[u8], state: &dyn Source) -> Result<Vec<(Vec<u8>, Cell)>, ReadError> {
    let mut cells = Vec::new();
    state.visit(scope, scope, &mut |path, cell| {
        cells.push((path.to_vec(), cell.to_cell()));
        ControlFlow::Continue(())
    })?;
    Ok(cells)
}

pub(super) fn kind_of(path: &[u8]) -> Option<Kind> {
    path.last().and_then(|&tag| Kind::from_tag(tag).ok())
}

fn is_flag(path: &[u8]) -> bool {
    matches!(kind_of(path), Some(Kind::EnableWinsFlag | Kind::DisableWinsFlag))
}

/// The action that puts something at a place without a value.
pub(in crate::value) fn present(path: &[u8]) -> Action {
    if is_flag(path) { Action::SwitchedOn } else { Action::Added }
}

/// The action that takes away what is at a place.
pub(in crate::value) fn absent(path: &[u8]) -> Action {
    if is_flag(path) { Action::SwitchedOff } else { Action::Removed }
}

/// An amount as near as a number of its type comes to it.
pub(in crate::value) fn clamped(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

fn is_part(path: &[u8]) -> bool {
    matches!(kind_of(path), Some(Kind::ListItem | Kind::TreeNode))
}

/// As [`items_over`], with the part itself where the path is one.
fn parts_over(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    items_over(path).chain(is_part(path).then(|| path.to_vec()))
}
