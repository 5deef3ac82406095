//! Indexes: under which values the places stand that a type declares.
//!
//! An index is a table of a run like the cells themselves: what changes in it is in the memtable,
//! flushed with the cells that it follows from, and merged with them. So it is exact with every
//! entry that is applied, and after a kill the tail of the log brings it up to date. It is no part
//! of what replicas compare.
//!
//! An index is made when it is asked for first, from all cells, and the row that names it is
//! written with the entries: a crash before that makes it again.
//!
//! # Invariants
//! 1. Whatever is seen at a place that a kept index names has an entry.
//! 2. What removals [hide](is_hidden) has none. Where something above a place is gone for good, an
//!    entry may be left: whoever reads looks at the place.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::{ControlFlow, RangeBounds};

use rejoin_crdts::edit::Source;
use rejoin_crdts::index::{Index, each_standing, hiding, is_hidden, is_seen, standing};
use rejoin_crdts::path::name_ends;
use rejoin_crdts::state::Context;
use rejoin_crdts::{Path, RawAtom, ReadError};
use rejoin_vclock::codec::Reader;

use super::State;
use super::index::{LONGEST, entry};
use super::merged::Merged;
use super::source::StateSource;
use super::table::{INDEX, prefixed};

/// Takes the first bytes of a value and the path of each entry, until it stops.
type Show<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ReadError> + 'a;

/// The entries of some places: their keys, and the number of bytes of the value in them.
pub(crate) type Stands = Vec<(Vec<u8>, usize)>;

/// A place, and the number of an index that names it.
pub(crate) type Named<'a> = (u32, Cow<'a, [u8]>);

/// One place that an index names, and the value that stands there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The value.
    pub value: RawAtom,
    /// The place of the value: the field, or the element of a set.
    pub path: Path,
    pub(crate) keys: Vec<RawAtom>,
}

impl State {
    /// Makes the indexes among these that are not kept yet.
    ///
    /// # Errors
    /// [`ReadError`] when a block cannot be read; nothing has changed then.
    pub(crate) fn keep_indexes(
        &mut self,
        wanted: &[Index],
        context: &Context,
    ) -> Result<(), ReadError> {
        let lacks = |index: &&Index| self.indexes.number(index).is_none();
        let new: Vec<_> = (self.indexes.next..).zip(wanted.iter().filter(lacks).cloned()).collect();
        if new.is_empty() {
            return Ok(());
        }
        let (mut named, mut is_hiding) = (Vec::<Named<'_>>::new(), false);
        let source = self.with(context);
        source.visit(&[], &[], &mut |path, cell| {
            is_hiding |= cell.is_undecided();
            let naming = new.iter().filter(|(_, index)| index.names(path));
            named.extend(naming.map(|(number, _)| (*number, path.to_vec().into())));
            ControlFlow::Continue(())
        })?;
        let found = stands(&named, &source, is_hiding)?;
        for (key, length) in found {
            self.memtable.note_entry(key, Some(length));
        }
        self.indexes.is_hiding |= is_hiding;
        self.indexes.next += u32::try_from(new.len()).unwrap_or(u32::MAX);
        self.indexes.kept.extend(new);
        self.indexes.is_changed = true;
        self.request_flush();
        Ok(())
    }

    /// True if it is kept which entries of the log changed an object.
    pub(crate) const fn keeps_history(&self) -> bool {
        self.indexes.history.is_some()
    }

    /// Takes a number for a history that is about to be made: one that fails half-way leaves
    /// entries that nobody reads.
    pub(crate) const fn begin_history(&mut self) -> u32 {
        self.indexes.next += 1;
        self.indexes.next - 1
    }

    /// Keeps from now on which entries of the log change an object. Those that did so far are
    /// [noted](Self::note_history_under) under this number.
    pub(crate) fn keep_history(&mut self, number: u32) {
        self.indexes.history = Some(number);
        self.indexes.is_changed = true;
        self.request_flush();
    }

    /// Notes the places that an entry of the log changed, if the history is kept.
    pub(crate) fn note_history<'a>(
        &mut self,
        sequence: u64,
        paths: impl Iterator<Item = &'a [u8]>,
    ) {
        if let Some(number) = self.indexes.history {
            self.note_history_under(number, sequence, paths);
        }
    }

    /// As [`note_history`](Self::note_history), of a history that is being made.
    pub(crate) fn note_history_under<'a>(
        &mut self,
        number: u32,
        sequence: u64,
        paths: impl Iterator<Item = &'a [u8]>,
    ) {
        let mut last = None;
        for name in paths.filter_map(object_name) {
            if last.replace(name) != Some(name) {
                let (key, length) = entry(number, name, &(!sequence).to_be_bytes());
                self.memtable.note_entry(key, Some(length));
            }
        }
    }

    /// The sequences of at most `most` entries of the log that changed the object of a path, the
    /// latest first, before one of them.
    ///
    /// # Errors
    /// [`ReadError`] when a block cannot be read.
    pub(crate) fn history(
        &self,
        path: &[u8],
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let mut sequences = Vec::new();
        let (Some(number), Some(name)) = (self.indexes.history, object_name(path)) else {
            return Ok(sequences);
        };
        // Before the first one there is none.
        let Some(next) = before.map_or(Some(0), |before| (!before).checked_add(1)) else {
            return Ok(sequences);
        };
        let (from, length) = entry(number, name, &next.to_be_bytes());
        self.entries(number, &from, &mut |object, sequence| {
            let is_it = name.get(..length) == Some(object) && sequences.len() < most;
            let sequence = sequence.try_into().map(u64::from_be_bytes);
            Ok(match sequence.ok().filter(|_| is_it) {
                Some(sequence) => {
                    sequences.push(!sequence);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            })
        })?;
        Ok(sequences)
    }

    /// True if removals may hide anything: none ever did, or this was noted with the state.
    pub(crate) const fn hides(&self) -> bool {
        self.indexes.is_hiding
    }

    /// Notes that from now on removals may hide what indexes name.
    pub(crate) const fn note_hiding(&mut self) {
        self.indexes.is_hiding = true;
    }

    /// The places among some paths that indexes name. If removals hide anything, also those that a
    /// change at the paths may show or hide: all under the names on the way that removals hide in
    /// one of the sources, by what stands in the last.
    ///
    /// # Errors
    /// As the sources.
    pub(crate) fn named<'a>(
        &self,
        paths: impl Iterator<Item = &'a [u8]>,
        hides: bool,
        sources: &[&dyn Source],
    ) -> Result<Vec<Named<'a>>, ReadError> {
        if self.indexes.kept.is_empty() || rejoin_vclock::mutant!("index-is-not-kept") {
            return Ok(Vec::new());
        }
        if !hides {
            return Ok(paths.flat_map(|path| self.naming(path)).collect());
        }
        let (mut names, mut named) = (BTreeSet::new(), BTreeSet::new());
        for path in paths {
            named.extend(self.naming(path));
            for source in sources {
                let mut hiding = hiding(*source, path)?;
                if rejoin_vclock::mutant!("index-forgets-what-comes-back") {
                    hiding.retain(|name| path.len() == name.len() + 1);
                }
                names.extend(hiding);
            }
        }
        if let Some(source) = sources.last() {
            for name in names {
                source.visit(&name, &name, &mut |path, _| {
                    let owned = |(number, path): Named<'_>| (number, path.into_owned().into());
                    named.extend(self.naming(path).map(owned));
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(named.into_iter().collect())
    }

    fn naming<'a>(&self, path: &'a [u8]) -> impl Iterator<Item = Named<'a>> {
        let naming = self.indexes.kept.iter().filter(move |(_, index)| index.names(path));
        naming.map(move |(number, _)| (*number, path.into()))
    }

    /// Notes in the indexes what some places were and have become.
    pub(crate) fn note_changed(&mut self, mut before: Stands, mut after: Stands) {
        // Long values may have one entry, as they agree in their first bytes.
        for stands in [&mut before, &mut after] {
            stands.sort_unstable();
            stands.dedup();
        }
        let mut before = before.into_iter().peekable();
        for (key, length) in after {
            while let Some((gone, _)) = before.next_if(|(there, _)| *there < key) {
                self.memtable.note_entry(gone, None);
            }
            if before.next_if(|(there, _)| *there == key).is_none() {
                self.memtable.note_entry(key, Some(length));
            }
        }
        before.for_each(|(gone, _)| self.memtable.note_entry(gone, None));
    }

    /// Shows the entries of an index from a key on, until the callback stops it: the first bytes of
    /// the value, and the path.
    fn entries(&self, number: u32, from: &[u8], show: &mut Show<'_>) -> Result<(), ReadError> {
        let told = |error| self.told(error);
        let start = prefixed(INDEX, from);
        let mut flushed = Merged::seek(&self.runs, &self.blocks, &start, &[]).map_err(told)?;
        let mut layers: Vec<_> = [Some(&self.memtable), self.immutable.as_ref()]
            .into_iter()
            .flatten()
            .map(|layer| layer.entries.range(from.to_vec()..).peekable())
            .collect();
        loop {
            let below = flushed.entry().and_then(|(_, key, value)| Some((key.get(1..)?, value)));
            let above = layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| &key[..]));
            let Some(key) = above.chain(below.map(|(key, _)| key)).min().map(<[u8]>::to_vec) else {
                return Ok(());
            };
            // The newest layer that has it counts.
            let mut found = None;
            for layer in &mut layers {
                if let Some((_, noted)) = layer.next_if(|(at, _)| **at == key) {
                    found = found.or(Some(noted.length));
                }
            }
            if let Some((_, value)) = below.filter(|(at, _)| *at == key) {
                let length = Reader::new(value).varint().ok();
                found = found.or(Some(length.and_then(|length| usize::try_from(length).ok())));
                flushed.advance(&self.runs, &self.blocks).map_err(told)?;
            }
            let Some(rest) = key.strip_prefix(&number.to_be_bytes()) else { return Ok(()) };
            if let Some((value, path)) = found.flatten().and_then(|at| rest.split_at_checked(at))
                && show(value, path)?.is_break()
            {
                return Ok(());
            }
        }
    }
}

/// The name of the object of a place, encoded.
fn object_name(path: &[u8]) -> Option<&[u8]> {
    path.get(..name_ends(path, 0).next()?)
}

/// The entries of places that indexes name, by the cells of a source. If removals hide anything in
/// it, what they hide has none.
///
/// # Errors
/// As the source.
pub(crate) fn stands(
    named: &[Named<'_>],
    source: &dyn Source,
    hides: bool,
) -> Result<Stands, ReadError> {
    let mut stands = Stands::new();
    for (number, path) in named {
        if hides && is_hidden(source, path)? {
            continue;
        }
        source.look(path, &mut |cell| {
            each_standing(path, cell, &mut |value| stands.push(entry(*number, value, path)));
        })?;
    }
    Ok(stands)
}

impl StateSource<'_> {
    /// Finds at most `most` places at which a value of a type and within a range stands, by value
    /// and then by path, behind one that was found before. `None` if the index is not kept.
    ///
    /// # Errors
    /// [`ReadError`] when a block cannot be read.
    pub fn find(
        &self,
        index: &Index,
        range: &impl RangeBounds<RawAtom>,
        is_of_type: &dyn Fn(&RawAtom) -> bool,
        after: Option<&Found>,
        most: usize,
    ) -> Result<Option<Vec<Found>>, ReadError> {
        let Some(number) = self.state.indexes.number(index) else { return Ok(None) };
        let (value, path) = match (after, range.start_bound()) {
            (Some(after), _) => (after.value.as_bytes(), after.path.as_bytes()),
            (None, Included(value) | Excluded(value)) => (value.as_bytes(), &[][..]),
            (None, Unbounded) => (&[][..], &[][..]),
        };
        let from = entry(number, value, path).0;
        let mut found: Vec<Found> = Vec::new();
        if most == 0 {
            return Ok(Some(found));
        }
        self.state.entries(number, &from, &mut |value, path| {
            let is_past = match range.end_bound() {
                Included(end) | Excluded(end) => {
                    value > end.as_bytes().get(..LONGEST).unwrap_or(end.as_bytes())
                }
                Unbounded => false,
            };
            if is_past {
                return Ok(ControlFlow::Break(()));
            }
            let mut values = Vec::new();
            self.look(path, &mut |cell| values = standing(path, cell))?;
            let is_asked = |it: &RawAtom| range.contains(it) && is_of_type(it);
            values.retain(|it| it.as_bytes().starts_with(value) && is_asked(it));
            let Ok(place) = Path::parse(path.to_vec()) else {
                return Ok(ControlFlow::Continue(()));
            };
            let is_shown = !values.is_empty()
                && (rejoin_vclock::mutant!("index-shows-what-is-gone") || is_seen(self, &place)?);
            if !is_shown {
                return Ok(ControlFlow::Continue(()));
            }
            values.sort_unstable();
            for value in values {
                let this = Found { value, path: place.clone(), keys: index.keys(path) };
                let is_new =
                    after.is_none_or(|after| this.path != after.path || this.value > after.value);
                if is_new && found.len() < most {
                    found.push(this);
                }
            }
            let is_full = found.len() >= most;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(Some(found))
    }
}
