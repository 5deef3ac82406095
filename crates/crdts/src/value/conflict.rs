//! The decisions of a merge, each with its rule.
//!
//! Every merge here is deterministic and loses nothing, and people still want to know: two of you
//! wrote the delivery note, and yours was overridden. A record is local and derived: it is no part
//! of the state, and copies need not agree on their records.

use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellKind, Dots, Hidings};
use crate::counter::{Record, Tally};
use crate::delta::{Causal, Change, Delta, Effect};
use crate::edit::Source;
use crate::error::ReadError;
use crate::path::{Atom, Kind, Path, RawAtom, items_on_the_way};
use crate::register::{Write, Writes};
use crate::state::{Context, LocalDot};
use crate::value::visible::{hidden_names, is_there};

/// The rule by which concurrent changes of one place were brought together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Rule {
    /// Of concurrent writes the latest stands, by hybrid timestamp, then replica id.
    LastWriterWins,
    /// Concurrent writes all stay, until somebody who has seen them writes.
    EveryValueStays,
    /// Of concurrent writes the greatest stands.
    GreatestWins,
    /// Of concurrent writes the least stands.
    LeastWins,
    /// An add that the remover had not seen beats the remove.
    AddWins,
    /// A remove beats the adds that had not seen it.
    RemoveWins,
    /// Concurrent changes of a counter all count.
    EveryChangeCounts,
    /// A reset takes away what it had seen; what it had not seen stays.
    ResetSparesUnseen,
    /// An item or node that somebody removed is gone, even if somebody moved or changed it
    /// meanwhile: those changes are overridden, and nothing stands.
    RemovedIsGone,
    /// An item or node that was removed unless edited is still there: somebody who had not seen the
    /// removal moved or changed it, and the removal is overridden.
    EditKeeps,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LastWriterWins => "the last writer wins",
            Self::EveryValueStays => "every concurrent value stays",
            Self::GreatestWins => "the greatest value wins",
            Self::LeastWins => "the least value wins",
            Self::AddWins => "an add beats a remove that had not seen it",
            Self::RemoveWins => "a remove beats an add that had not seen it",
            Self::EveryChangeCounts => "every change counts",
            Self::RemovedIsGone => "what is removed is gone",
            Self::EditKeeps => "an edit keeps what is removed unless edited",
            Self::ResetSparesUnseen => "a removal takes away only what it had seen",
        })
    }
}

/// One side of a decision: the event and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// The event.
    pub dot: Dot,
    /// The value written, the amount counted or taken away; null for an element.
    pub value: RawAtom,
}

/// A decision that a merge took at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConflictRecord {
    /// The place.
    pub path: Path,
    /// The rule.
    pub rule: Rule,
    /// The sides that stand.
    pub kept: Vec<Side>,
    /// The sides that do not.
    pub overridden: Vec<Side>,
    /// The last dot of the delta that caused the decision.
    pub by: Dot,
}

impl fmt::Display for ConflictRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sides: &[Side]| {
            sides.iter().enumerate().try_for_each(|(index, side)| {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{} by {}", side.value, side.dot)
            })
        };
        write!(f, "{}: {}", self.path, self.rule)?;
        if !self.kept.is_empty() {
            f.write_str("; kept ")?;
            list(f, &self.kept)?;
        }
        if !self.overridden.is_empty() {
            f.write_str("; overridden ")?;
            list(f, &self.overridden)?;
        }
        Ok(())
    }
}

/// Reports the decisions that a change of another replica caused, once it is applied.
pub fn decisions<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    state: &dyn Source,
    causal: &Causal<D>,
    report: &mut dyn FnMut(ConflictRecord),
) {
    let mut show = |path: &[u8], decision: Option<Decision>| {
        if let Some((rule, kept, overridden)) = decision
            && let Ok(path) = Path::parse(path.to_vec())
            && let Ok(by) = Dot::new(delta.origin(), delta.last())
        {
            report(ConflictRecord { path, rule, kept, overridden, by });
        }
    };
    let mut speak = |path: &[u8], cell: &Cell| -> Result<(), ReadError> {
        show(path, decide_among(change, delta, state, (path, cell), causal)?);
        Ok(())
    };
    let place = change.path().as_bytes();
    let decided = match scope_of(change, state) {
        // Borrowed and not copied: a counter has a record of every replica.
        Ok(Scope::Place) => {
            let mut spoken = Ok(());
            state.look(place, &mut |cell| spoken = speak(place, cell)).and(spoken)
        }
        Ok(Scope::Below(scope)) => cells_below(scope, state)
            .and_then(|cells| cells.iter().try_for_each(|(path, cell)| speak(path, cell))),
        Ok(Scope::Nothing) => Ok(()),
        Err(error) => Err(error),
    };
    debug_assert!(decided.is_ok(), "the state that was just written can be read");
}

/// Makes a decision about a cell that may belong to items and nodes that are gone or hidden.
fn decide_among<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    state: &dyn Source,
    (path, cell): (&[u8], &Cell),
    causal: &Causal<D>,
) -> Result<Option<Decision>, ReadError> {
    let (takes, hides) = (change.removes(), matches!(change.effect, Effect::Hide { .. }));
    let of_interest = |dot: Dot| takes || spans(delta, dot);
    if is_gone(state, path)? {
        return Ok(if hides { None } else { gone(cell, causal, of_interest) });
    }
    let hidings = hidings_over(state, path)?;
    let kept = hidings.and_then(|hidings| kept(&hidings, cell, causal, of_interest));
    Ok(if hides { kept } else { kept.or_else(|| decide(change, delta, path, cell, causal)) })
}

/// The cells that a change is about.
enum Scope<'a> {
    /// The cell at its place.
    Place,
    /// The cells below, if the change ends everything there; or those of an item or node that it
    /// removes.
    /// removes.
    Below(&'a [u8]),
    /// None: a removal below a thing that is gone is reported with that thing.
    Nothing,
}

fn scope_of<'a>(change: &'a Change, state: &dyn Source) -> Result<Scope<'a>, ReadError> {
    let place = change.path().as_bytes();
    if change.removes() && any_gone(state, items_over(place))? {
        return Ok(Scope::Nothing);
    }
    Ok(match (&change.effect, place.split_last()) {
        (Effect::Below { .. }, _) => Scope::Below(place),
        (Effect::Hide { .. }, Some((_, name))) => Scope::Below(name),
        (_, Some((_, name))) if change.removes() && is_part(place) => Scope::Below(name),
        _ => Scope::Place,
    })
}

fn cells_below(scope: &[u8], state: &dyn Source) -> Result<Vec<(Vec<u8>, Cell)>, ReadError> {
    let mut cells = Vec::new();
    state.visit(scope, scope, &mut |path, cell| {
        cells.push((path.to_vec(), cell.clone()));
        ControlFlow::Continue(())
    })?;
    Ok(cells)
}

fn is_part(path: &[u8]) -> bool {
    let kind = path.last().and_then(|&tag| Kind::from_tag(tag).ok());
    matches!(kind, Some(Kind::ListItem | Kind::TreeNode))
}

/// Iterates over the parts of the items and nodes in whose value, or below it, a path ends.
fn items_over(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    items_on_the_way(None, path).map(|(end, part)| [&path[..end], &[part.tag()]].concat())
}

/// As [`items_over`], with the part itself where the path is one.
fn parts_over(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    items_over(path).chain(is_part(path).then(|| path.to_vec()))
}

/// True if a path belongs to an item or node, at any level, that is not there.
fn is_gone(state: &dyn Source, path: &[u8]) -> Result<bool, ReadError> {
    any_gone(state, parts_over(path))
}

fn any_gone(
    state: &dyn Source,
    mut parts: impl Iterator<Item = Vec<u8>>,
) -> Result<bool, ReadError> {
    let is_gone = |part: Vec<u8>| {
        let Some(cell) = state.cell(&part)? else { return Ok(true) };
        let name = part.split_last().map_or(&[][..], |(_, name)| name);
        is_there(&part, &cell, &mut |from, show| state.visit(name, from, show)).map(|there| !there)
    };
    parts.try_fold(false, |gone, part| Ok(gone || is_gone(part)?))
}

/// Returns the removals that hide the innermost hidden item, node or name that a path belongs to.
fn hidings_over(state: &dyn Source, path: &[u8]) -> Result<Option<Hidings>, ReadError> {
    let mut innermost = None;
    for part in parts_over(path).chain(hidden_names(state, path)?) {
        let cell = state.cell(&part)?;
        let hidings = cell.as_ref().and_then(Cell::hidings).filter(|hidings| !hidings.is_empty());
        innermost = hidings.cloned().or(innermost);
    }
    Ok(innermost)
}

/// Decides about the live dots of an item's or node's cell that the removals had not seen; the
/// removals would have hidden it.
fn kept<D: AsRef<Delta>>(
    hidings: &Hidings,
    cell: &Cell,
    causal: &Causal<D>,
    of_interest: impl Fn(Dot) -> bool,
) -> Option<Decision> {
    let context = causal.context();
    let spared = |dot| context.local(dot).is_some_and(|local| !hidings.cover(local));
    let kept = sides(cell, context, |dot| spared(dot) && of_interest(dot));
    let null = || RawAtom::of(&None::<bool>);
    let removals = hidings.dots(context).into_iter().map(|dot| Side { dot, value: null() });
    (!kept.is_empty()).then(|| (Rule::EditKeeps, kept, removals.collect()))
}

fn spans(delta: &Delta, dot: Dot) -> bool {
    dot.replica() == delta.origin() && (delta.first()..=delta.last()).contains(&dot.counter())
}

/// Decides about the live dots of an item's or node's cell that is not there: its removal had not
/// seen them.
fn gone<D: AsRef<Delta>>(
    cell: &Cell,
    causal: &Causal<D>,
    of_interest: impl Fn(Dot) -> bool,
) -> Option<Decision> {
    let sides = sides(cell, causal.context(), of_interest);
    let is_told = !sides.is_empty() && !rejoin_vclock::mutant!("removal-is-not-told");
    is_told.then_some((Rule::RemovedIsGone, Vec::new(), sides))
}

/// Returns the live sides of a cell.
fn sides(cell: &Cell, context: &Context, of_interest: impl Fn(Dot) -> bool) -> Vec<Side> {
    let null = || RawAtom::of(&None::<bool>);
    let side = |dot: LocalDot, value| Side { dot: context.dot(dot), value };
    let dots = |dots: &Dots| dots.0.iter().map(|&dot| side(dot, null())).collect();
    let mut sides: Vec<Side> = match &cell.0 {
        CellKind::Element(there) => dots(there),
        CellKind::Contest(contest) => dots(&contest.adds),
        CellKind::Register(writes) => {
            writes.0.iter().map(|write| side(write.dot, write.value.clone())).collect()
        }
        CellKind::Counter(counter) => {
            let alive = counter.records().iter().filter(|record| !record.is_dead());
            alive.map(|record| counted(record, record.last, record.net(), context)).collect()
        }
        CellKind::Positions(places) => {
            places.live().map(|place| side(place.dot, place.value.clone())).collect()
        }
        CellKind::Candidates(places) => {
            places.live().map(|place| side(place.dot, place.value.clone())).collect()
        }
        CellKind::Mark(_) | CellKind::Rights(_) | CellKind::Hidings(_) => Vec::new(),
    };
    sides.retain(|side| of_interest(side.dot));
    sides
}

/// Makes one side of a decision about a counter.
fn counted(record: &Record, last: u64, net: i128, context: &Context) -> Side {
    let amount = RawAtom::of(&i64::try_from(net).unwrap_or(i64::MAX));
    Side { dot: context.dot(LocalDot::new(record.slot, last)), value: amount }
}

type Decision = (Rule, Vec<Side>, Vec<Side>);

fn decide<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    path: &[u8],
    cell: &Cell,
    causal: &Causal<D>,
) -> Option<Decision> {
    let kind = path.last().and_then(|&tag| Kind::from_tag(tag).ok())?;
    let side = |dot: LocalDot, value| Side { dot: causal.context().dot(dot), value };
    match &cell.0 {
        CellKind::Element(dots) if change.removes() && cell.is_visible() => {
            let null = RawAtom::of(&None::<bool>);
            let kept = dots.0.iter().map(|&dot| side(dot, null.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Register(writes) if writes.0.len() > 1 => {
            decide_register(delta, kind, writes, causal)
        }
        CellKind::Register(writes) if change.removes() && cell.is_visible() => {
            let kept = writes.0.iter().map(|write| side(write.dot, write.value.clone())).collect();
            Some((Rule::AddWins, kept, Vec::new()))
        }
        CellKind::Counter(counter) if cell.is_visible() => {
            decide_counter(change, delta, counter, causal)
        }
        CellKind::Contest(contest) if !contest.adds.0.is_empty() && !cell.is_visible() => {
            let null = RawAtom::of(&None::<bool>);
            let sides = |dots: &Dots| dots.0.iter().map(|&dot| side(dot, null.clone())).collect();
            Some((Rule::RemoveWins, sides(&contest.removes), sides(&contest.adds)))
        }
        _ => None,
    }
}

/// If more replicas than this have counted, nobody would read a list of all their amounts.
const PARTIES: usize = 16;

/// Decides among several live writes. A write that was beaten before it was made is alive and no
/// conflict.
fn decide_register<D: AsRef<Delta>>(
    delta: &Delta,
    kind: Kind,
    Writes(writes): &Writes,
    causal: &Causal<D>,
) -> Option<Decision> {
    let dot = |write: &Write| causal.context().dot(write.dot);
    let side = |write: &Write| Side { dot: dot(write), value: write.value.clone() };
    let values = || writes.iter().map(|write| &write.value);
    let (rule, best) = match kind {
        Kind::MvRegister => (Rule::EveryValueStays, None),
        Kind::MaxRegister => (Rule::GreatestWins, values().max()),
        Kind::MinRegister => (Rule::LeastWins, values().min()),
        _ => {
            let mut sides = writes.iter().map(side);
            let kept = sides.by_ref().take(1).collect();
            return Some((Rule::LastWriterWins, kept, sides.collect()));
        }
    };
    let stands = |write: &&Write| best.is_none_or(|best| write.value == *best);
    let (kept, overridden): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(stands);
    let alike = values().all(|value| *value == writes[0].value);
    let concurrent = writes.iter().any(|write| !causal.knew(delta, dot(write)));
    let sides = |writes: Vec<&Write>| writes.into_iter().map(side).collect();
    (concurrent && !alike).then(|| (rule, sides(kept), sides(overridden)))
}

fn decide_counter<D: AsRef<Delta>>(
    change: &Change,
    delta: &Delta,
    counter: &Tally,
    causal: &Causal<D>,
) -> Option<Decision> {
    let context = causal.context();
    let side = |record: &Record, last: u64, net: i128| counted(record, last, net, context);
    if counter.records().len() > PARTIES && !change.removes() {
        let record = counter.of(context.slot(delta.origin())?)?;
        let floor = record.floor.as_ref()?;
        let unseen = !causal.knew(delta, context.dot(floor.tag));
        let kept = alloc::vec![side(record, record.last, record.net())];
        let taken = alloc::vec![side(record, floor.last, floor.totals.net())];
        return unseen.then_some((Rule::ResetSparesUnseen, kept, taken));
    }
    let alive = || counter.records().iter().filter(|record| !record.is_dead());
    let mut kept: Vec<Side> = alive().map(|r| side(r, r.last, r.net())).collect();
    kept.sort_unstable_by_key(|side| side.dot);
    let floors = || counter.records().iter().filter_map(|r| Some((r, r.floor.as_ref()?)));
    // A reset names everything that it saw: what is alive beside a reset that either side did not
    // know of was not seen by that reset.
    let unseen_reset = floors().any(|(_, floor)| !causal.knew(delta, context.dot(floor.tag)));
    if change.removes() || unseen_reset {
        let taken = floors().map(|(r, floor)| side(r, floor.last, floor.totals.net()));
        return Some((Rule::ResetSparesUnseen, kept, taken.collect()));
    }
    let concurrent = kept.iter().any(|side| !causal.knew(delta, side.dot));
    concurrent.then_some((Rule::EveryChangeCounts, kept, Vec::new()))
}

impl Side {
    /// Returns the value as a type.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn value<T: Atom>(&self) -> Result<T, rejoin_vclock::codec::DecodeError> {
        self.value.to()
    }
}
