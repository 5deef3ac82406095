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
    /// The values of a register that were to be seen, as they were written.
    Values(Vec<RawAtom>),
    /// An element, a flag, or the presence of something empty.
    There(bool),
    Contest(Option<AddOrRemove>),
    /// A removal that hides, or none.
    Hidden,
    /// Whether an item was there, and where.
    Item,
    Other,
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
            // Earlier removals end, so that what is edited stays: the edit is undone by itself.
            Effect::Hide { seen, .. } if seen.is_empty() => {}
            Effect::Below { .. } => {
                let mut below = Vec::new();
                before.source().visit(path.as_bytes(), path.as_bytes(), &mut |at, _| {
                    below.push(at.to_vec());
                    ControlFlow::Continue(())
                })?;
                // Counters are named one by one.
                let is_other = |place: &Path| place.kind() != Some(Kind::Counter);
                let below = below.into_iter().filter_map(|at| Path::parse(at).ok());
                below.filter(is_other).for_each(|place| self.touch(before, &place));
            }
            _ => self.touch(before, path),
        }
        Ok(())
    }

    fn touch(&mut self, before: &Before, path: &Path) {
        let bytes = path.as_bytes();
        self.places.entry(bytes.to_vec()).or_insert_with(|| {
            let empty = path.kind().and_then(Cell::empty);
            let cell = before.parts.get(bytes).or(empty.as_ref());
            let was = cell.map_or(Was::Other, |cell| was(bytes, cell));
            Touched { was, own: Vec::new(), stand: None }
        });
    }

    /// Notes what the transaction left, once all of it is applied.
    fn look_after(&mut self, after: &Before) -> Result<(), ReadError> {
        let source = after.source();
        for (path, touched) in &mut self.places {
            let Some(cell) = after.parts.get(path) else { continue };
            let Ok(path) = Path::parse(path.clone()) else { continue };
            let is_own =
                |dot: &Dot| dot.replica() == self.origin && self.range.contains(&dot.counter());
            touched.own = dots_at(&View::new(&source, path))?;
            touched.own.retain(is_own);
            if let CellKind::Contest(contest) = &cell.0 {
                let is_against = |dot: &LocalDot| is_own(&source.dot(*dot));
                let is_remove = contest.removes.0.iter().any(is_against);
                let stand = if is_remove { AddOrRemove::Remove } else { AddOrRemove::Add };
                touched.stand = (!touched.own.is_empty()).then_some(stand);
            }
        }
        Ok(())
    }

    /// Writes the inverse. `is_changed_since` tells of a place if somebody has changed it, or
    /// removed it, after the transaction or without having seen it.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn write(
        mut self,
        stage: &mut dyn Stage,
        is_changed_since: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Remains, EditError> {
        let mut remains = Remains { kept: Vec::new(), cannot: core::mem::take(&mut self.cannot) };
        self.take_out_items(stage, &mut remains)?;
        self.count_back(stage, &mut remains)?;
        for (path, touched) in &self.places {
            let Ok(path) = Path::parse(path.clone()) else { continue };
            let mut cursor = Cursor::new(stage, path.clone());
            let view = cursor.view();
            let live = dots_at(&view)?;
            let is_hidden = !matches!(touched.was, Was::Hidden) && view.is_hidden()?;
            let overwrites = rejoin_vclock::mutant!("undo-over-what-came-since");
            let is_there = |dot: &&Dot| overwrites || live.contains(dot);
            let ends = touched.own.iter().filter(is_there).copied().collect();
            let stands = match touched.own.is_empty() {
                true => {
                    let is_changed = is_changed_since(path.as_bytes());
                    let revives = rejoin_vclock::mutant!("undo-revives-what-others-removed");
                    live.is_empty() && (revives || !is_changed)
                }
                false => touched.own.iter().any(|dot| is_there(&dot)),
            };
            if matches!(touched.was, Was::Other | Was::Item) {
                remains.cannot.push(path);
            } else if !stands || is_hidden {
                remains.kept.push(path);
            } else if !put_back(&mut cursor, touched, ends)? {
                remains.cannot.push(path);
            }
        }
        remains.kept.sort_unstable();
        remains.cannot.sort_unstable();
        remains.cannot.dedup();
        Ok(remains)
    }

    /// Undoes what was counted, and what took counts away, from the last operation to the first.
    fn count_back(&self, stage: &mut dyn Stage, remains: &mut Remains) -> Result<(), EditError> {
        for (path, undoing) in self.counts.iter().rev() {
            let mut is_gone = false;
            for one in undoing {
                is_gone |= Cursor::new(stage, path.clone()).undo(one)? == Undone::Gone;
            }
            if is_gone && !remains.kept.contains(path) {
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
            let mut show = |dot: Dot| {
                is_own &= dot.replica() == self.origin && self.range.contains(&dot.counter());
            };
            let context = stage.context();
            stage.visit(name, name, &mut |_, cell| {
                is_there = true;
                cell.each_dot(&mut |dot| show(context.dot(dot)));
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

/// What is to be seen of a cell.
fn was(path: &[u8], cell: &Cell) -> Was {
    let kind = path.last().and_then(|&tag| Kind::from_tag(tag).ok());
    match (&cell.0, kind) {
        (CellKind::Register(writes), Some(Kind::MvRegister | Kind::Siblings)) => {
            Was::Values(writes.0.iter().map(|write| write.value.clone()).collect())
        }
        (CellKind::Register(_), _) => Was::Values(standing(path, cell)),
        (CellKind::Element(dots), _) => Was::There(!dots.0.is_empty()),
        (CellKind::Contest(contest), _) => {
            let removed = (!contest.removes.0.is_empty()).then_some(AddOrRemove::Remove);
            let added = (!contest.adds.0.is_empty()).then_some(AddOrRemove::Add);
            Was::Contest(removed.or(added))
        }
        (CellKind::Hidings(_), _) => Was::Hidden,
        (CellKind::Positions(_), _) => Was::Item,
        _ => Was::Other,
    }
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

/// Puts what was at a place over what a transaction left there. False where nothing can.
fn put_back(cursor: &mut Cursor<'_>, touched: &Touched, ends: Vec<Dot>) -> Result<bool, EditError> {
    let is_there = !touched.own.is_empty();
    match &touched.was {
        Was::Values(values) => {
            let mut ends = Some(ends);
            for value in values {
                let ends = ends.take().unwrap_or_default();
                cursor.write(Effect::Register { ends, value: Some(value.clone()) })?;
            }
            if let Some(ends) = ends.filter(|ends| !ends.is_empty()) {
                cursor.write(Effect::Register { ends, value: None })?;
            }
        }
        Was::There(was_there) if *was_there != is_there => {
            cursor.write(Effect::Element { ends, add: *was_there })?;
        }
        Was::Contest(_) if is_removal_for_good(cursor.path(), touched.stand) => return Ok(false),
        Was::Contest(was_put) if *was_put != touched.stand => {
            cursor.write(Effect::Contest { ends, put: *was_put })?;
        }
        Was::Hidden if is_there => {
            cursor.write(Effect::Hide { ends, seen: VersionVector::new() })?;
        }
        _ => {}
    }
    Ok(true)
}

/// True for a removal from a two-phase set.
fn is_removal_for_good(path: &Path, stand: Option<AddOrRemove>) -> bool {
    let bytes = path.as_bytes();
    let set = last_segment(bytes).checked_sub(1).and_then(|at| bytes.get(at));
    stand == Some(AddOrRemove::Remove) && set == Some(&Kind::TwoPhaseSet.tag())
}
