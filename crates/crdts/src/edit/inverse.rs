//! The inverse of a transaction: operations that take back what of its effects still stands.
//!
//! A transaction is undone at each place that it touched as a whole: what stood there before its
//! first operation is put over its last one. Where that is not what stands any more, because
//! somebody has written over it, removed it, or put something there again, the place stays as it
//! is. So an undo never takes back what others did, and never brings back what others removed.
//!
//! # References
//! Stewen, Kleppmann, *Undo and Redo Support for Replicated Registers*, PaPoC 2024, for the undo of
//! a register as a write of the values before.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::cell::{Cell, CellKind};
use crate::delta::{AddOrRemove, Causal, Change, Delta, Effect};
use crate::edit::{Cursor, Source, Stage, Undoing, Undone, View};
use crate::error::{EditError, ReadError};
use crate::index::standing;
use crate::path::{Kind, Path, RawAtom, last_segment, split};
use crate::register::Write;
use crate::register::siblings::Written;
use crate::state::{Context, LocalDot, Parts};

/// The state before a transaction, as its author saw it: some places of it, from the log.
#[derive(Debug)]
pub struct Before {
    parts: Parts,
    causal: Causal<Delta>,
}

impl Before {
    /// The state before everything. `None` when there is no slot for the replica.
    pub fn new(own: ReplicaId) -> Option<Self> {
        let context = Context::over(&VersionVector::new())?;
        Some(Self { parts: Parts::default(), causal: Causal::new(context, own, 0)? })
    }

    /// Applies the operations of a delta at some places, each after it is shown. The deltas come in
    /// the order of the author's log.
    ///
    /// # Errors
    /// Those of `show`.
    pub fn replay<E>(
        &mut self,
        delta: &Delta,
        is_wanted: impl Fn(&Path) -> bool,
        mut show: impl FnMut(&Self, Dot, &Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(first) = self.causal.begin(delta) else { return Ok(()) };
        for (index, change) in delta.changes().enumerate() {
            let Ok(dot) = Dot::new(delta.origin(), delta.first() + index as u64) else { break };
            if is_wanted(change.path()) {
                show(self, dot, &change)?;
                self.parts.apply(&change, &self.causal.at(first, index, delta));
            }
        }
        self.causal.finish(delta, first);
        Ok(())
    }

    fn source(&self) -> impl Source + '_ {
        self.parts.with(self.causal.context())
    }
}

/// What became of a place after a transaction, or without having seen it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// Nobody has changed it, but for what was undone since.
    Untouched,
    /// Somebody has changed it.
    Changed,
    /// Somebody has removed it, or something above it.
    Removed,
}

/// What came into the log after a transaction.
pub trait Later {
    /// What became of a place.
    fn since(&self, place: &[u8]) -> Since;

    /// True for an event that put back what the transaction had left: of an undo of something that
    /// came after it.
    fn stands_in(&self, dot: Dot) -> bool;

    /// True if somebody has written over a write at a place.
    fn has_replaced(&self, place: &[u8], write: Dot) -> bool;
}

/// The places at which an undo changed nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Remains {
    /// What the transaction did there does not stand any more.
    pub kept: Vec<Path>,
    /// What it did there cannot be undone: moves, and removed items and nodes, of lists and trees;
    /// nodes that it made; removals from a two-phase set; what it did to a bounded counter.
    pub cannot: Vec<Path>,
}

/// What stood at a place before a transaction.
#[derive(Debug)]
enum Was {
    /// The values of a register that were to be seen, as they were written; and which write each
    /// is of, where every write counts.
    Values(Vec<(Option<Dot>, RawAtom)>),
    /// An element, a flag, or the presence of something empty.
    There(bool),
    Contest(Option<AddOrRemove>),
    /// Removals that hide, or none.
    Hidings(Hidden),
    /// Whether an item was there, and where.
    Item,
    Other,
}

/// What removals had seen that hide a name.
#[derive(Default, Debug)]
struct Hidden {
    /// Of each replica the last event that any of them had seen; nothing if there is none.
    seen: VersionVector,
    /// True if nobody had changed what they hid, so that it was not to be seen.
    is_whole: bool,
}

/// What a transaction found at a place, and left there.
#[derive(Debug)]
struct Touched {
    was: Was,
    /// Its own events that are alive there after it; none where it left nothing.
    own: Vec<Dot>,
    /// What they say, where adds and removes contend.
    stand: Option<AddOrRemove>,
}

/// A transaction by the places that it touched.
#[derive(Debug)]
pub struct Inverse {
    origin: ReplicaId,
    range: core::ops::RangeInclusive<u64>,
    places: BTreeMap<Vec<u8>, Touched>,
    /// What undoes its operations on counters, in their order.
    counts: Vec<(Path, Vec<Undoing>)>,
    cannot: Vec<Path>,
}

impl Inverse {
    /// The inverse of a transaction, from what its author saw before it.
    ///
    /// # Errors
    /// None in practice: all is in memory.
    pub fn of(delta: &Delta, mut before: Before) -> Result<Self, ReadError> {
        let range = delta.first()..=delta.last();
        let (places, counts, cannot) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut inverse = Self { origin: delta.origin(), range, places, counts, cannot };
        // Whether a name is hidden depends on all that is below, so it is noted before any of it.
        let changes = delta.changes();
        let hidings = changes.filter(|change| change.is_of_hiding());
        for change in hidings {
            inverse.touch(&before, change.path())?;
        }
        before.replay(delta, |_| true, |before, dot, change| inverse.note(before, dot, change))?;
        inverse.look_after(&before)?;
        Ok(inverse)
    }

    fn note(&mut self, before: &Before, dot: Dot, change: &Change) -> Result<(), ReadError> {
        let path = change.path();
        match &change.effect {
            Effect::Counter { .. } | Effect::Correct { .. } => {
                let undoing = Undoing::of(change, dot, &before.source())?;
                self.counts.push((path.clone(), undoing));
            }
            Effect::Move { .. } | Effect::Rights { .. } => self.cannot.push(path.clone()),
            Effect::Below { .. } => {
                let mut below = Vec::new();
                before.source().visit(path.as_bytes(), path.as_bytes(), &mut |at, _| {
                    below.push(at.to_vec());
                    ControlFlow::Continue(())
                })?;
                // Counters are named one by one.
                let is_other = |place: &Path| place.kind() != Some(Kind::Counter);
                let below = below.into_iter().filter_map(|at| Path::parse(at).ok());
                below.filter(is_other).try_for_each(|place| self.touch(before, &place))?;
            }
            _ => self.touch(before, path)?,
        }
        Ok(())
    }

    fn touch(&mut self, before: &Before, path: &Path) -> Result<(), ReadError> {
        let bytes = path.as_bytes();
        if !self.places.contains_key(bytes) {
            let empty = path.kind().and_then(Cell::empty);
            let cell = before.parts.get(bytes).or(empty.as_ref());
            let was = cell.map_or(Ok(Was::Other), |cell| was(&before.source(), path, cell))?;
            self.places.insert(bytes.to_vec(), Touched { was, own: Vec::new(), stand: None });
        }
        Ok(())
    }

    /// Notes what the transaction left, once all of it is applied.
    fn look_after(&mut self, after: &Before) -> Result<(), ReadError> {
        let source = after.source();
        let mut places = core::mem::take(&mut self.places);
        for (path, touched) in &mut places {
            let Some(cell) = after.parts.get(path) else { continue };
            let Ok(path) = Path::parse(path.clone()) else { continue };
            let is_own = |dot: &Dot| self.is_own(*dot);
            touched.own = dots_at(&View::new(&source, path))?;
            touched.own.retain(is_own);
            if let CellKind::Contest(contest) = &cell.0 {
                let is_against = |dot: &LocalDot| is_own(&source.dot(*dot));
                let is_remove = contest.removes.0.iter().any(is_against);
                let stand = if is_remove { AddOrRemove::Remove } else { AddOrRemove::Add };
                touched.stand = (!touched.own.is_empty()).then_some(stand);
            }
        }
        self.places = places;
        Ok(())
    }

    /// Writes the inverse.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn write(mut self, stage: &mut dyn Stage, later: &dyn Later) -> Result<Remains, EditError> {
        let mut remains = Remains { kept: Vec::new(), cannot: core::mem::take(&mut self.cannot) };
        self.take_out_items(stage, &mut remains)?;
        // What is hidden is shown before anything is put back there, and hidden again after that.
        self.show_again(stage, later, &mut remains)?;
        self.count_back(stage, later, &mut remains)?;
        for (path, touched) in &self.places {
            let Ok(path) = Path::parse(path.clone()) else { continue };
            match &touched.was {
                Was::Hidings(_) => {}
                Was::Other | Was::Item => remains.cannot.push(path),
                _ => write_at(stage, path, touched, later, &mut remains)?,
            }
        }
        self.hide_again(stage, later, &mut remains)?;
        remains.kept.sort_unstable();
        remains.kept.dedup();
        remains.cannot.sort_unstable();
        remains.cannot.dedup();
        Ok(remains)
    }

    /// The names that the transaction hid, or showed again.
    fn hidings(&self) -> impl Iterator<Item = (Path, &Hidden, &Touched)> {
        self.places.iter().filter_map(|(path, touched)| match &touched.was {
            Was::Hidings(hidden) => Some((Path::parse(path.clone()).ok()?, hidden, touched)),
            _ => None,
        })
    }

    /// Ends the removals by which the transaction hid something.
    fn show_again(
        &self,
        stage: &mut dyn Stage,
        later: &dyn Later,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        for (path, _, touched) in self.hidings().filter(|(.., touched)| !touched.own.is_empty()) {
            let mut cursor = Cursor::new(stage, path.clone());
            let mut ends = dots_at(&cursor.view())?;
            ends.retain(|dot| touched.own.contains(dot) || later.stands_in(*dot));
            if ends.is_empty() {
                remains.kept.push(path);
                continue;
            }
            cursor.write(Effect::Hide { ends, seen: VersionVector::new() })?;
        }
        Ok(())
    }

    /// Hides what had been hidden, if nobody has changed it since.
    fn hide_again(
        &self,
        stage: &mut dyn Stage,
        later: &dyn Later,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        let shows = rejoin_vclock::mutant!("undo-shows-for-good");
        let hidden = self.hidings().filter(|(_, was, _)| !was.seen.is_empty() && !shows);
        for (path, hidden, touched) in hidden {
            let is_untouched = later.since(path.as_bytes()) == Since::Untouched;
            let seen = match hidden.is_whole {
                true => self.seen_below(stage, later, &path, &hidden.seen)?,
                false => Some(hidden.seen.clone()),
            };
            match seen.filter(|_| is_untouched || !touched.own.is_empty()) {
                Some(seen) if seen.is_empty() => {}
                Some(seen) => {
                    let effect = Effect::Hide { ends: Vec::new(), seen };
                    Cursor::new(stage, path).write(effect)?;
                }
                None => remains.kept.push(path),
            }
        }
        Ok(())
    }

    /// What is alive below a name, of each replica the last event, if all of it is what removals
    /// had seen, or stands for that.
    fn seen_below(
        &self,
        stage: &dyn Stage,
        later: &dyn Later,
        part: &Path,
        had: &VersionVector,
    ) -> Result<Option<VersionVector>, EditError> {
        let Some((_, name)) = part.as_bytes().split_last() else { return Ok(None) };
        let (mut seen, mut is_changed) = (VersionVector::new(), false);
        let context = stage.context();
        stage.visit(name, name, &mut |_, cell| {
            cell.each_dot(&mut |dot| {
                let dot = context.dot(dot);
                let is_of_this = dot.counter() > context.seen(dot.replica());
                let stands_for_it = is_of_this || self.is_own(dot) || later.stands_in(dot);
                is_changed |= dot.counter() > had.get(dot.replica()) && !stands_for_it;
                seen.set_at_least(dot.replica(), dot.counter());
            });
            ControlFlow::Continue(())
        })?;
        Ok((!is_changed).then_some(seen))
    }

    fn is_own(&self, dot: Dot) -> bool {
        dot.replica() == self.origin && self.range.contains(&dot.counter())
    }

    /// Undoes what was counted, and what took counts away, from the last operation to the first.
    fn count_back(
        &self,
        stage: &mut dyn Stage,
        later: &dyn Later,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        for (path, undoing) in self.counts.iter().rev() {
            let is_removed = later.since(path.as_bytes()) == Since::Removed;
            let mut is_kept = false;
            for one in undoing {
                // Somebody else has removed the counts, too.
                let is_theirs = is_removed && one.puts_back();
                is_kept |= is_theirs || Cursor::new(stage, path.clone()).undo(one)? == Undone::Gone;
            }
            if is_kept && !remains.kept.contains(path) {
                remains.kept.push(path.clone());
            }
        }
        Ok(())
    }

    /// Removes the list items that the transaction inserted, if nobody else has put anything into
    /// them.
    fn take_out_items(
        &mut self,
        stage: &mut dyn Stage,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        let is_inserted = |(path, touched): (&Vec<u8>, &Touched)| {
            let is_item = path.last() == Some(&Kind::ListItem.tag());
            let is_it = is_item && matches!(touched.was, Was::Item) && !touched.own.is_empty();
            is_it.then(|| path.clone())
        };
        let items: Vec<Vec<u8>> = self.places.iter().filter_map(is_inserted).collect();
        for item in items {
            let Some((_, name)) = item.split_last() else { continue };
            let mut is_own = true;
            let mut is_there = false;
            let context = stage.context();
            stage.visit(name, name, &mut |_, cell| {
                is_there = true;
                cell.each_dot(&mut |dot| is_own &= self.is_own(context.dot(dot)));
                ControlFlow::Continue(())
            })?;
            let list = item.get(..last_segment(&item)).map(<[u8]>::to_vec);
            let rest = item.get(last_segment(&item)..).and_then(split);
            if let (Some(Ok(list)), Some((id, ..))) = (list.map(Path::parse), rest)
                && is_own
                && is_there
            {
                Cursor::new(stage, list).reset_name(&id)?;
            } else {
                remains.kept.extend(Path::parse(item.clone()));
            }
            self.places.retain(|path, _| !path.starts_with(name));
        }
        Ok(())
    }
}

impl Was {
    /// True if there is something to put back.
    fn is_something(&self) -> bool {
        match self {
            Self::Values(values) => !values.is_empty(),
            Self::There(there) => *there,
            Self::Contest(put) => *put == Some(AddOrRemove::Add),
            Self::Hidings(_) | Self::Item | Self::Other => false,
        }
    }
}

/// True if one of these events stands, and not somebody else's write beside it. Of other types than
/// a last-writer-wins register all that is alive has its part.
fn is_shown(view: &View<'_>, own: &[Dot]) -> Result<bool, ReadError> {
    if view.path().kind() != Some(Kind::LwwRegister) {
        return Ok(true);
    }
    let first = view.writes()?.into_iter().next();
    Ok(first.is_some_and(|(dot, ..)| own.contains(&dot)))
}

/// What is to be seen of a cell.
fn was(source: &dyn Source, path: &Path, cell: &Cell) -> Result<Was, ReadError> {
    Ok(match (&cell.0, path.kind()) {
        (CellKind::Register(writes), Some(Kind::MvRegister | Kind::Siblings)) => {
            let value = |it: &Write| (Some(source.dot(it.dot)), it.value.clone());
            Was::Values(writes.0.iter().map(value).collect())
        }
        (CellKind::Register(_), _) => {
            let shown = standing(path.as_bytes(), cell).into_iter();
            Was::Values(shown.map(|value| (None, value)).collect())
        }
        (CellKind::Element(dots), _) => Was::There(!dots.0.is_empty()),
        (CellKind::Contest(contest), _) => {
            let removed = (!contest.removes.0.is_empty()).then_some(AddOrRemove::Remove);
            let added = (!contest.adds.0.is_empty()).then_some(AddOrRemove::Add);
            Was::Contest(removed.or(added))
        }
        (CellKind::Hidings(hidings), _) => {
            let mut seen = VersionVector::new();
            for dot in hidings.0.iter().flat_map(|hiding| &hiding.seen) {
                let dot = source.dot(*dot);
                seen.set_at_least(dot.replica(), dot.counter());
            }
            let is_whole = View::new(source, path.clone()).is_hidden()?;
            Was::Hidings(Hidden { seen, is_whole })
        }
        (CellKind::Positions(_), _) => Was::Item,
        _ => Was::Other,
    })
}

/// The live events at a place, removals that hide among them, ascending.
fn dots_at(view: &View<'_>) -> Result<Vec<Dot>, ReadError> {
    let mut live = view.live()?;
    if let Some(cell) = view.source().cell(view.path().as_bytes())? {
        let hidings = cell.hidings().into_iter().flat_map(|hidings| &hidings.0);
        live.extend(hidings.map(|hiding| view.dot(hiding.dot)));
    }
    live.sort_unstable();
    live.dedup();
    Ok(live)
}

/// Writes the inverse of what a transaction did at one place.
fn write_at(
    stage: &mut dyn Stage,
    path: Path,
    touched: &Touched,
    later: &dyn Later,
    remains: &mut Remains,
) -> Result<(), EditError> {
    let mut cursor = Cursor::new(stage, path.clone());
    let view = cursor.view();
    let live = dots_at(&view)?;
    let since = later.since(path.as_bytes());
    let revives = rejoin_vclock::mutant!("undo-revives-what-others-removed");
    let is_removed = since == Since::Removed && touched.was.is_something() && !revives;
    let is_own = |dot: &&Dot| touched.own.contains(dot) || later.stands_in(**dot);
    let mut ends: Vec<Dot> = live.iter().filter(is_own).copied().collect();
    let mut stands = match touched.own.is_empty() {
        true => live.is_empty() && (revives || since == Since::Untouched),
        false => !ends.is_empty() && is_shown(&view, &ends)?,
    };
    if rejoin_vclock::mutant!("undo-over-what-came-since") {
        if ends.is_empty() {
            ends.clone_from(&touched.own);
        }
        stands = true;
    }
    if !stands || is_removed || view.is_hidden()? {
        remains.kept.push(path);
    } else if !put_back(&mut cursor, touched, ends, &live, later)? {
        remains.cannot.push(path);
    }
    Ok(())
}

/// Puts what was at a place over what a transaction left there. False where nothing can.
fn put_back(
    cursor: &mut Cursor<'_>,
    touched: &Touched,
    ends: Vec<Dot>,
    live: &[Dot],
    later: &dyn Later,
) -> Result<bool, EditError> {
    let path = cursor.path().clone();
    let is_there = !touched.own.is_empty();
    let kind = cursor.path().kind();
    // Who wrote beside it has written over what was there before.
    let is_beside = live.iter().any(|dot| !ends.contains(dot));
    match &touched.was {
        Was::Values(values) => {
            let mut ends = Some(ends);
            let is_over = kind == Some(Kind::LwwRegister) && is_beside;
            let is_replaced = |write: Dot| later.has_replaced(path.as_bytes(), write);
            let values = values.iter().filter(|(write, _)| !write.is_some_and(is_replaced));
            for (_, value) in values.filter(|_| !is_over) {
                let value = match kind {
                    Some(Kind::Siblings) => put_back_by(value, &touched.own),
                    _ => value.clone(),
                };
                let ends = ends.take().unwrap_or_default();
                cursor.write(Effect::Register { ends, value: Some(value) })?;
            }
            if let Some(ends) = ends.filter(|ends| !ends.is_empty()) {
                cursor.write(Effect::Register { ends, value: None })?;
            }
        }
        // Also where it was there before: then it stands for what was there.
        Was::There(was_there) if *was_there || is_there => {
            cursor.write(Effect::Element { ends, add: *was_there })?;
        }
        Was::Contest(_) if is_removal_for_good(cursor.path(), touched.stand) => return Ok(false),
        Was::Contest(was_put) if was_put.is_some() || is_there => {
            cursor.write(Effect::Contest { ends, put: *was_put })?;
        }
        _ => {}
    }
    Ok(true)
}

/// A write of siblings as an undo puts it back. It names what the transaction had left, so that two
/// copies that undo it have put back one value, and not two.
fn put_back_by(value: &RawAtom, own: &[Dot]) -> RawAtom {
    match value.to::<Written>() {
        Ok(written) if !own.is_empty() => {
            RawAtom::of(&Written { parents: own.to_vec(), ..written })
        }
        _ => value.clone(),
    }
}

/// True for a removal from a two-phase set.
fn is_removal_for_good(path: &Path, stand: Option<AddOrRemove>) -> bool {
    let bytes = path.as_bytes();
    let set = last_segment(bytes).checked_sub(1).and_then(|at| bytes.get(at));
    stand == Some(AddOrRemove::Remove) && set == Some(&Kind::TwoPhaseSet.tag())
}
