//! The inverse of a transaction: operations after which everything is as if it had never been.
//!
//! At each place that the transaction touched, what is alive is compared with what would be alive
//! [without](Without) it, by all other operations that are known. What is left of it, and of what
//! was put there in its stead, ends; what only it had ended is written again. So an undo never
//! takes back what others did, and never brings back what others removed or replaced, too.
//!
//! Counters keep running totals, which say nothing of a single operation: they have
//! [corrections](crate::edit::Undoing).
//!
//! # References
//! Stewen, Kleppmann, *Undo and Redo Support for Replicated Registers*, PaPoC 2024, for the undo of
//! a register as a write of the values before.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::{ControlFlow, RangeInclusive};

use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::cell::{Cell, CellKind, CellRef, KindRef};
use crate::delta::{AddOrRemove, Change, Delta, Effect, Ends};
use crate::edit::{Cursor, Replayed, Source, Stage, Undoing, Undone, View, Without};
use crate::error::{EditError, ReadError};
use crate::path::{Kind, Path, RawAtom, last_segment, split};
use crate::register::siblings::{Written, shown};
use crate::value::visible::hidden_names;

/// The places at which an undo changed nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Remains {
    /// What the transaction did there makes no difference any more: others did it, too, or have
    /// changed it since.
    pub kept: Vec<Path>,
    /// What it did there cannot be undone: moves, and removed items and nodes, of lists and trees;
    /// nodes that it made; removals from a two-phase set; what it did to a bounded counter.
    pub cannot: Vec<Path>,
}

/// What a transaction did at a place.
#[derive(Debug)]
struct Touched {
    /// Its last operation there.
    last: Dot,
    /// Its own events there that it has not ended itself.
    left: BTreeSet<Dot>,
    /// True if it ended what had been there before.
    is_over_others: bool,
    /// True if it removed from a two-phase set.
    is_for_good: bool,
}

impl Touched {
    /// True if it changed anything there in the end.
    fn did(&self) -> bool {
        self.is_over_others || !self.left.is_empty()
    }
}

/// A transaction by the places that it touched.
#[derive(Debug)]
pub struct Inverse {
    origin: ReplicaId,
    range: RangeInclusive<u64>,
    places: BTreeMap<Vec<u8>, Touched>,
    /// What undoes its operations on counters, in their order.
    counts: Vec<(Path, Dot, Vec<Undoing>)>,
    cannot: Vec<Path>,
}

impl Inverse {
    /// The inverse of a transaction. Of counters it needs what its author saw before it.
    ///
    /// # Errors
    /// None in practice: all is in memory.
    pub fn of(delta: &Delta, mut before: Replayed) -> Result<Self, ReadError> {
        let mut inverse = Self {
            origin: delta.origin(),
            range: delta.first()..=delta.last(),
            places: BTreeMap::new(),
            counts: Vec::new(),
            cannot: Vec::new(),
        };
        before.replay(
            delta,
            |_| true,
            |before, dot, change| {
                inverse.note(before, dot, &change)?;
                Ok::<_, ReadError>(change)
            },
        )?;
        Ok(inverse)
    }

    fn note(&mut self, before: &Replayed, dot: Dot, change: &Change) -> Result<(), ReadError> {
        let path = change.path();
        let (ends, leaves, put) = match &change.effect {
            Effect::Count(_) | Effect::Reset { .. } | Effect::Correct { .. } => {
                let undoing = Undoing::of(change, dot, &before.source())?;
                self.counts.push((path.clone(), dot, undoing));
                return Ok(());
            }
            Effect::Move { .. } | Effect::Rights(_) => {
                self.cannot.push(path.clone());
                return Ok(());
            }
            Effect::Below { .. } => return self.note_below(before, path.as_bytes(), dot),
            Effect::Register { ends, value } => (ends, value.is_some(), None),
            Effect::Element { ends, add } => (ends, *add, None),
            Effect::Contest { ends, put } => (ends, put.is_some(), *put),
            Effect::Hide { ends, seen } => (ends, !seen.is_empty(), None),
        };
        let is_own = |dot: &Dot| self.is_own(*dot);
        let is_over_others = ends.iter().any(|dot| !is_own(dot));
        let is_for_good = put == Some(AddOrRemove::Remove) && is_in_two_phase_set(path);
        let touched = self.touched(path.as_bytes(), dot);
        touched.is_over_others |= is_over_others;
        touched.is_for_good |= is_for_good;
        touched.left.retain(|dot| !ends.contains(dot));
        touched.left.extend(leaves.then_some(dot));
        Ok(())
    }

    /// Notes the places of a reset that does not name them, one by one.
    fn note_below(&mut self, before: &Replayed, path: &[u8], dot: Dot) -> Result<(), ReadError> {
        let source = before.source();
        source.visit(path, path, &mut |at, cell| {
            // Counters are named one by one.
            if at.last() != Some(&Kind::Counter.tag()) {
                let mut is_over_others = false;
                cell.each_dot(&mut |dot| is_over_others |= !self.is_own(source.dot(dot)));
                let touched = self.touched(at, dot);
                touched.is_over_others |= is_over_others;
                touched.left.clear();
            }
            ControlFlow::Continue(())
        })
    }

    fn touched(&mut self, place: &[u8], dot: Dot) -> &mut Touched {
        let touched = self.places.entry(place.to_vec()).or_insert_with(|| Touched {
            last: dot,
            left: BTreeSet::new(),
            is_over_others: false,
            is_for_good: false,
        });
        touched.last = dot;
        touched
    }

    fn is_own(&self, dot: Dot) -> bool {
        dot.replica() == self.origin && self.range.contains(&dot.counter())
    }

    /// Writes the inverse.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn write(mut self, stage: &mut dyn Stage, without: &Without) -> Result<Remains, EditError> {
        let before = stage.next_dot();
        let cannot = core::mem::take(&mut self.cannot);
        let mut remains = Remains { kept: Vec::new(), cannot };
        self.take_out_items(stage, without, &mut remains)?;
        // What is hidden is shown before anything is put back there, and hidden again after that.
        let mut shown = self.show_again(stage, without)?;
        self.count_back(stage, without, &mut remains)?;
        for (path, touched) in &self.places {
            let Ok(path) = Path::parse(path.clone()) else { continue };
            match path.kind() {
                Some(Kind::MapKey) => {}
                Some(kind) if kind.is_part() && !is_element(kind) => remains.cannot.push(path),
                _ if touched.is_for_good => remains.cannot.push(path),
                _ => {
                    let is_written = write_at(stage, &path, touched, without)?;
                    remains.kept.extend(Some(path).filter(|_| touched.did() && !is_written));
                }
            }
        }
        self.hide_again(stage, without, &mut shown)?;
        let kept = self.parts().filter(|(path, part)| part.did() && !shown.contains(path));
        remains.kept.extend(kept.map(|(path, _)| path));
        remains.kept.sort_unstable();
        remains.kept.dedup();
        remains.cannot.sort_unstable();
        remains.cannot.dedup();
        self.note_kept(stage, &remains.kept)?;
        if stage.next_dot() == before && remains.cannot.is_empty() {
            self.note_kept(stage, self.any_place().as_slice())?;
        }
        Ok(remains)
    }

    /// Writes an operation without effect at each place that the undo leaves as it is, and
    /// somewhere if it leaves everything: the transaction is undone from now on, also for whoever
    /// undoes what came since, and whoever undoes the undo finds its places.
    fn note_kept(&self, stage: &mut dyn Stage, kept: &[Path]) -> Result<(), EditError> {
        if rejoin_vclock::mutant!("undo-without-effect-is-forgotten") {
            return Ok(());
        }
        let of_counter = |path: &Path| self.counts.iter().rfind(|it| it.0 == *path).map(|it| it.1);
        for path in kept {
            let touched = self.places.get(path.as_bytes()).map(|touched| touched.last);
            let Some(dot) = touched.or_else(|| of_counter(path)) else { continue };
            let Some(effect) = ending(path, Ends::from([dot])) else { continue };
            Cursor::new(stage, path.clone()).write(effect)?;
        }
        Ok(())
    }

    /// The place of one of its operations.
    fn any_place(&self) -> Option<Path> {
        let mut places = self.places.keys().filter_map(|path| Path::parse(path.clone()).ok());
        places.next().or_else(|| self.counts.first().map(|(path, ..)| path.clone()))
    }

    /// Undoes what was counted, and what took counts away, from the last operation to the first.
    fn count_back(
        &self,
        stage: &mut dyn Stage,
        without: &Without,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        let revives = rejoin_vclock::mutant!("undo-revives-what-others-removed");
        for (path, _, undoing) in self.counts.iter().rev() {
            let is_removed = without.is_removed(path.as_bytes()) && !revives;
            let mut is_kept = false;
            for one in undoing {
                // Somebody else has removed the counts, too.
                let is_theirs = is_removed && one.puts_back();
                let mut cursor = Cursor::new(stage, path.clone());
                is_kept |= is_theirs || cursor.undo(one)? == Undone::Gone;
            }
            remains.kept.extend(is_kept.then(|| path.clone()));
        }
        Ok(())
    }

    /// Removes the list items that the transaction inserted, if nobody else has put anything into
    /// them.
    fn take_out_items(
        &mut self,
        stage: &mut dyn Stage,
        without: &Without,
        remains: &mut Remains,
    ) -> Result<(), EditError> {
        let is_inserted = |(path, touched): (&Vec<u8>, &Touched)| {
            let is_item = path.last() == Some(&Kind::ListItem.tag());
            (is_item && !touched.is_over_others && !touched.left.is_empty()).then(|| path.clone())
        };
        let items: Vec<Vec<u8>> = self.places.iter().filter_map(is_inserted).collect();
        for item in items {
            let Some((_, name)) = item.split_last() else { continue };
            let (mut is_there, mut is_others) = (false, false);
            let context = stage.context();
            stage.visit(name, name, &mut |_, cell| {
                is_there = true;
                cell.each_dot(&mut |dot| is_others |= !without.is_left_out(context.dot(dot)));
                ControlFlow::Continue(())
            })?;
            let list = item.get(..last_segment(&item)).map(<[u8]>::to_vec);
            let rest = item.get(last_segment(&item)..).and_then(split);
            if let (Some(Ok(list)), Some((id, ..))) = (list.map(Path::parse), rest)
                && is_there
                && !is_others
            {
                Cursor::new(stage, list).reset_name(&id)?;
            } else {
                remains.kept.extend(Path::parse(item.clone()));
            }
            self.places.retain(|path, _| !path.starts_with(name));
        }
        Ok(())
    }

    /// The names that the transaction hid, or showed again.
    fn parts(&self) -> impl Iterator<Item = (Path, &Touched)> {
        let parts = self.places.iter().filter(|(path, _)| path.last() == Some(&Kind::MapKey.tag()));
        parts.filter_map(|(path, touched)| Some((Path::parse(path.clone()).ok()?, touched)))
    }

    /// Ends the removals that would not hide anything without the transaction. Returns the places
    /// where there were any.
    fn show_again(
        &self,
        stage: &mut dyn Stage,
        without: &Without,
    ) -> Result<BTreeSet<Path>, EditError> {
        let mut shown = BTreeSet::new();
        for (path, _) in self.parts() {
            let hides = !hidings(&without.rest.source(), &path)?.is_empty();
            let mut ends: Ends = hidings(stage, &path)?.into_iter().map(|(dot, _)| dot).collect();
            // One that stands for another is left.
            ends.retain(|dot| without.is_undone(*dot) || (without.is_left_out(*dot) && !hides));
            if !ends.is_empty() {
                ends.sort_unstable();
                let effect = Effect::Hide { ends, seen: Box::default() };
                Cursor::new(stage, path.clone()).write(effect)?;
                shown.insert(path);
            }
        }
        Ok(shown)
    }

    /// Hides what would be hidden without the transaction.
    fn hide_again(
        &self,
        stage: &mut dyn Stage,
        without: &Without,
        done: &mut BTreeSet<Path>,
    ) -> Result<(), EditError> {
        if rejoin_vclock::mutant!("undo-shows-for-good") {
            return Ok(());
        }
        let source = without.rest.source();
        let mut parts: BTreeSet<Path> = self.parts().map(|(path, _)| path).collect();
        let counted = self.counts.iter().map(|(path, ..)| path.as_bytes());
        for place in self.places.keys().map(Vec::as_slice).chain(counted) {
            let hidden = hidden_names(&source, place)?.into_iter();
            parts.extend(hidden.filter_map(|part| Path::parse(part).ok()));
        }
        for part in parts {
            let seen = if View::new(&source, part.clone()).is_hidden()? {
                let is_hidden = View::new(stage, part.clone()).is_hidden()?;
                let to_hide =
                    if is_hidden { VersionVector::new() } else { alive_below(stage, &part)? };
                // Where nothing is, nothing is left to be hidden.
                done.extend((!is_hidden && to_hide.is_empty()).then(|| part.clone()));
                to_hide
            } else if hidings(stage, &part)?.is_empty() {
                let mut seen = VersionVector::new();
                for dot in hidings(&source, &part)?.into_iter().flat_map(|(_, saw)| saw) {
                    seen.set_at_least(dot.replica(), dot.counter());
                }
                seen
            } else {
                VersionVector::new()
            };
            if !seen.is_empty() {
                let effect = Effect::Hide { ends: Ends::new(), seen: Box::new(seen) };
                Cursor::new(stage, part.clone()).write(effect)?;
                done.insert(part);
            }
        }
        Ok(())
    }
}

/// What a live event says, as far as an undo can say it again.
#[derive(Clone, Debug)]
enum Said {
    /// A value, as it was written and as people see it.
    Value(RawAtom, RawAtom),
    There,
    Put(AddOrRemove),
}

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(_, a), Self::Value(_, b)) => a == b,
            (Self::There, Self::There) => true,
            (Self::Put(a), Self::Put(b)) => a == b,
            _ => false,
        }
    }
}

/// The live events of a register, an element, a flag or a contest, the one that stands first.
fn said(source: &dyn Source, path: &Path) -> Result<Vec<(Dot, Said)>, ReadError> {
    source.at(path.as_bytes(), |cell| match cell.map(|cell| cell.0) {
        Some(KindRef::Register(writes)) => {
            let value =
                |raw: &RawAtom| Said::Value(raw.clone(), shown(path.kind(), raw).into_owned());
            writes.0.iter().map(|it| (source.dot(it.dot), value(&it.value))).collect()
        }
        Some(KindRef::Element(dots)) => {
            dots.iter().map(|dot| (source.dot(*dot), Said::There)).collect()
        }
        Some(KindRef::Contest(contest)) => {
            let put = |put| move |dot: &_| (source.dot(*dot), Said::Put(put));
            let adds = contest.adds.0.iter().map(put(AddOrRemove::Add));
            adds.chain(contest.removes.0.iter().map(put(AddOrRemove::Remove))).collect()
        }
        _ => Vec::new(),
    })
}

/// Makes a place as it would be without the transaction. False if nothing was to be written.
fn write_at(
    stage: &mut dyn Stage,
    path: &Path,
    touched: &Touched,
    without: &Without,
) -> Result<bool, EditError> {
    let here = said(stage, path)?;
    let mut wanted = said(&without.rest.source(), path)?;
    let is_kept = |dot: Dot| !without.is_left_out(dot);
    let mut ends: Ends = here.iter().map(|(dot, _)| *dot).filter(|dot| !is_kept(*dot)).collect();
    if path.kind() == Some(Kind::LwwRegister) {
        // Only the one that stands is to be seen.
        wanted.truncate(1);
    }
    wanted.retain(|(dot, _)| !here.iter().any(|(other, _)| other == dot));
    // What an undo has put there for something else is left.
    let stands_in = |dot: Dot, said: &Said, ends: &[Dot]| {
        let is_first = here.first().is_some_and(|(first, _)| *first == dot);
        let is_seen = is_first || path.kind() != Some(Kind::LwwRegister);
        let is_it = |(other, says): &(Dot, Said)| *other == dot && says == said;
        ends.contains(&dot) && !without.is_undone(dot) && is_seen && here.iter().any(is_it)
    };
    wanted.retain(|(_, said)| {
        let found = here.iter().map(|(dot, _)| *dot).find(|dot| stands_in(*dot, said, &ends));
        found.is_none_or(|found| {
            ends.retain(|dot| *dot != found);
            false
        })
    });
    if rejoin_vclock::mutant!("undo-over-what-came-since") {
        ends = here.iter().map(|(dot, _)| *dot).collect();
    }
    if ends.is_empty() && wanted.is_empty() {
        return Ok(false);
    }
    ends.sort_unstable();
    let replaced: Vec<Dot> =
        match ends.iter().copied().filter(|dot| without.is_undone(*dot)).collect::<Vec<_>>() {
            own if own.is_empty() => alloc::vec![touched.last],
            own => own,
        };
    let mut cursor = Cursor::new(stage, path.clone());
    if wanted.is_empty() {
        ending(path, ends).map_or(Ok(()), |effect| cursor.write(effect))?;
        return Ok(true);
    }
    // Of elements one says what all say.
    wanted.dedup_by(|(_, next), (_, said)| matches!((next, said), (Said::There, Said::There)));
    for (_, said) in wanted {
        let ends = core::mem::take(&mut ends);
        cursor.write(match said {
            Said::Value(raw, _) => {
                let value = put_back(path, raw, &replaced);
                Effect::Register { ends, value: Some(value) }
            }
            Said::Put(put) => Effect::Contest { ends, put: Some(put) },
            Said::There => Effect::Element { ends, add: true },
        })?;
    }
    Ok(true)
}

/// An operation that ends some events of a place, and puts nothing there.
fn ending(path: &Path, ends: Ends) -> Option<Effect> {
    Some(match path.kind().and_then(Cell::empty)?.0 {
        CellKind::Register(_) => Effect::Register { ends, value: None },
        CellKind::Element(_) => Effect::Element { ends, add: false },
        CellKind::Contest(_) => Effect::Contest { ends, put: None },
        CellKind::Counter(_) => Effect::Correct { ends, put: None },
        CellKind::Hidings(_) => Effect::Hide { ends, seen: Box::default() },
        _ => return None,
    })
}

/// A write as an undo puts it back. One of siblings names what of the transaction it replaces, so
/// that two copies that undo it have put back one value, and not two.
fn put_back(path: &Path, value: RawAtom, replaced: &[Dot]) -> RawAtom {
    match value.to::<Written>() {
        Ok(written) if path.kind() == Some(Kind::Siblings) => {
            RawAtom::of(&Written { parents: replaced.to_vec(), ..written })
        }
        _ => value,
    }
}

/// The removals that hide a name, each with what it had seen.
fn hidings(source: &dyn Source, part: &Path) -> Result<Vec<(Dot, Vec<Dot>)>, ReadError> {
    source.at(part.as_bytes(), |cell| {
        let hidings = cell.and_then(CellRef::hidings).into_iter().flat_map(|it| &it.0);
        let full = |dots: &[_]| dots.iter().map(|dot| source.dot(*dot)).collect();
        hidings.map(|hiding| (source.dot(hiding.dot), full(&hiding.seen))).collect()
    })
}

/// What is alive below a name: of each replica the last event.
fn alive_below(stage: &dyn Stage, part: &Path) -> Result<VersionVector, ReadError> {
    let Some((_, name)) = part.as_bytes().split_last() else { return Ok(VersionVector::new()) };
    let mut alive = VersionVector::new();
    let context = stage.context();
    stage.visit(name, name, &mut |_, cell| {
        cell.each_dot(&mut |dot| {
            let dot = context.dot(dot);
            alive.set_at_least(dot.replica(), dot.counter());
        });
        ControlFlow::Continue(())
    })?;
    Ok(alive)
}

const fn is_element(kind: Kind) -> bool {
    matches!(kind, Kind::Element | Kind::Contested)
}

fn is_in_two_phase_set(path: &Path) -> bool {
    let bytes = path.as_bytes();
    let set = last_segment(bytes).checked_sub(1).and_then(|at| bytes.get(at));
    set == Some(&Kind::TwoPhaseSet.tag())
}
