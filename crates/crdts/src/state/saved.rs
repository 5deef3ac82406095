//! The bytes of a saved value: the cells of a state, and the elements of its sets in columns.
//!
//! ```text
//! 80 00 · vector · sets: n, then n x set · cells: n, then n x (shared, length, path suffix, cell)
//! set   shared, length, path suffix of the set · number of elements · runs · their names
//! run   steps from the replica before, gap behind the dot before, number of dots
//! ```
//!
//! An element with a single dot takes its name and next to nothing: the elements of a set stand in
//! the order of their dots, and dots that follow each other are a run. So stand the elements of a
//! set if they are [worth](is_worth) it. All other cells stand as in the canonical bytes of a state
//! ([`codec`](crate::state::codec)), and a state without columns is saved as those. States that
//! were saved as those before there were columns are loaded, too: none begins with the first two
//! bytes, a number that is spelled too long.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use hashbrown::HashMap;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{ReplicaId, VersionVector};
use smallvec::smallvec;

use crate::cell::{Cell, CellKind, CellRef, Dots, KindRef};
use crate::hash::Seeded;
use crate::path::{Kind, MAX_PATH_BYTES, atom, last_segment, shared_prefix};
use crate::state::codec::{CellReader, PathReader, PathWriter, read_context};
use crate::state::context::COUNTER_BITS;
use crate::state::invariants::OneDotOnePlace;
use crate::state::{Context, LocalDot, Names, Parts, ids};

const MAGIC: [u8; 2] = [0x80, 0x00];

/// True if so many elements, whose names take so many bytes, stand in columns behind the path of
/// their set. A path that is long beside the names would make a large state of few bytes.
const fn is_worth(path: usize, elements: usize, names: usize) -> bool {
    elements >= 4 && path * elements <= 4 * names
}

/// Returns the bytes of cells in any order. Equal states give equal bytes.
pub fn save<'a>(
    context: &Context,
    cells: impl IntoIterator<Item = (&'a [u8], CellRef<'a>)>,
) -> Vec<u8> {
    let mut saver = Saver::new(context);
    cells.into_iter().for_each(|(path, cell)| saver.add(path, cell));
    saver.finish()
}

/// Takes cells in any order, those of hash tables.
pub(crate) struct Saver<'a> {
    context: &'a Context,
    ids: Vec<ReplicaId>,
    /// For each slot the place of its replica in the vector: no bytes depend on slots.
    places: Vec<u64>,
    /// Of all cells beside sets, the path and then the cell, encoded; of elements the name.
    bytes: Vec<u8>,
    cells: Vec<Entry>,
    sets: Vec<Set>,
    /// The place of each set among them.
    known: HashMap<Vec<u8>, usize, Seeded>,
}

/// Where a cell stands among the bytes, behind as much of its path as compares at once.
struct Entry {
    rank: u64,
    start: usize,
    path: usize,
    end: usize,
}

/// The elements of a set that have a single dot.
struct Set {
    path: Vec<u8>,
    elements: Vec<Element>,
    /// Length of their names.
    names: usize,
}

/// One dot, by the place of its replica in the vector and its counter, which together are a number
/// by which dots are in order; and the name.
#[derive(Clone, Copy)]
struct Element {
    rank: u64,
    dot: LocalDot,
    start: usize,
    end: usize,
}

impl<'a> Saver<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        let (bytes, cells, sets, known) = (Vec::new(), Vec::new(), Vec::new(), HashMap::default());
        let ids = ids(context);
        let place = |id: &ReplicaId| ids.binary_search(id).unwrap_or_default() as u64;
        let mut places: Vec<u64> = context.ids().iter().map(place).collect();
        if rejoin_vclock::mutant!("columns-by-slot") {
            places = (0..context.ids().len() as u64).collect();
        }
        Self { context, ids, places, bytes, cells, sets, known }
    }

    pub(crate) fn add(&mut self, path: &[u8], cell: CellRef<'_>) {
        let Some((set, name, dot)) = element(path, cell) else { return self.add_cell(path, cell) };
        let at = match self.sets.last() {
            Some(last) if last.path == set => self.sets.len() - 1,
            _ => self.set(set),
        };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let place = self.places.get(dot.slot().index()).copied().unwrap_or_default();
        let rank = place << COUNTER_BITS | dot.counter();
        if let Some(set) = self.sets.get_mut(at) {
            set.names += name.len();
            set.elements.push(Element { rank, dot, start, end: self.bytes.len() });
        }
    }

    fn set(&mut self, path: &[u8]) -> usize {
        if let Some(&known) = self.known.get(path) {
            return known;
        }
        self.sets.push(Set { path: path.to_vec(), elements: Vec::new(), names: 0 });
        self.known.insert(path.to_vec(), self.sets.len() - 1);
        self.sets.len() - 1
    }

    fn add_cell(&mut self, path: &[u8], cell: CellRef<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(path);
        Names { context: self.context, ids: &self.ids }.write_cell(cell, &mut self.bytes);
        self.cells.push(Entry { rank: 0, start, path: path.len(), end: self.bytes.len() });
    }

    fn path(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.start..entry.start + entry.path).unwrap_or_default()
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let (mut sets, few): (Vec<Set>, Vec<Set>) = core::mem::take(&mut self.sets)
            .into_iter()
            .partition(|set| is_worth(set.path.len(), set.elements.len(), set.names));
        for set in few {
            for Element { dot, start, end, .. } in set.elements {
                let name = self.bytes.get(start..end).unwrap_or_default();
                let path = [&set.path, name, &[Kind::Element.tag()]].concat();
                self.add_cell(&path, CellRef(KindRef::Element(&[dot])));
            }
        }
        let mut cells = core::mem::take(&mut self.cells);
        if !rejoin_vclock::mutant!("bytes-in-table-order") {
            sets.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            self.sort(&mut cells);
        }
        let mut out = Vec::with_capacity(self.bytes.len() + 64);
        let in_columns = !sets.is_empty();
        out.extend_from_slice(if in_columns { &MAGIC } else { &[] });
        self.context.version_vector().encode(&mut out);
        if in_columns {
            write_varint(&mut out, sets.len() as u64);
        }
        let mut paths = PathWriter::default();
        for Set { path, elements, .. } in sets {
            paths.write(&path, &mut out, |out| self.write_set(elements, out));
        }
        write_varint(&mut out, cells.len() as u64);
        let mut paths = PathWriter::default();
        for entry in &cells {
            let cell = self.bytes.get(entry.start + entry.path..entry.end).unwrap_or_default();
            paths.write(self.path(entry), &mut out, |out| out.extend_from_slice(cell));
        }
        out
    }

    fn sort(&self, cells: &mut [Entry]) {
        let Some((first, rest)) = cells.split_first() else { return };
        // What all paths share says nothing about their order.
        let first = self.path(first);
        let shared = |shared: usize, other: &Entry| {
            shared_prefix(first.get(..shared).unwrap_or_default(), self.path(other))
        };
        let shared = rest.iter().fold(first.len(), shared);
        for entry in &mut *cells {
            let path = self.path(entry).get(shared..).unwrap_or_default();
            let mut rank = [0; 8];
            rank.iter_mut().zip(path).for_each(|(rank, byte)| *rank = *byte);
            entry.rank = u64::from_be_bytes(rank);
        }
        cells.sort_unstable_by(|a, b| {
            a.rank.cmp(&b.rank).then_with(|| self.path(a).cmp(self.path(b)))
        });
    }

    /// Writes the elements of a set behind its path.
    fn write_set(&self, elements: Vec<Element>, out: &mut Vec<u8>) {
        let elements = in_order(elements);
        write_varint(out, elements.len() as u64);
        let counter = |rank: u64| rank & ((1 << COUNTER_BITS) - 1);
        let mut before = 0;
        for run in elements.chunk_by(|a, b| a.rank + 1 == b.rank) {
            let Some(Element { rank: first, .. }) = run.first() else { continue };
            let steps = (first >> COUNTER_BITS) - (before >> COUNTER_BITS);
            let last = if steps == 0 { counter(before) } else { 0 };
            write_varint(out, steps);
            write_varint(out, counter(*first) - last - 1);
            write_varint(out, run.len() as u64);
            before = first + run.len() as u64 - 1;
        }
        for Element { start, end, .. } in elements {
            out.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        }
    }
}

/// Puts elements into the order of their dots. A set that one replica filled has nearly all of a
/// row of dots, and each finds its place without being compared.
fn in_order(mut elements: Vec<Element>) -> Vec<Element> {
    let ranks = || elements.iter().map(|it| it.rank);
    let (least, most) = (ranks().min().unwrap_or_default(), ranks().max().unwrap_or_default());
    let span = usize::try_from(most - least).unwrap_or(usize::MAX);
    if span / 4 > elements.len() {
        elements.sort_unstable_by_key(|it| it.rank);
        return elements;
    }
    // For each dot the number of its element, counted from one.
    let mut row = alloc::vec![0_u32; span + 1];
    for (number, element) in (1..).zip(&elements) {
        let place = usize::try_from(element.rank - least).unwrap_or(usize::MAX);
        if let Some(place) = row.get_mut(place) {
            *place = number;
        }
    }
    let numbered = |number: u32| elements.get((number as usize).checked_sub(1)?).copied();
    row.into_iter().filter_map(numbered).collect()
}

/// Takes the cell of an element with a single dot apart: the path of its set, its name, its dot.
fn element<'a>(path: &'a [u8], cell: CellRef<'_>) -> Option<(&'a [u8], &'a [u8], LocalDot)> {
    let KindRef::Element(&[dot]) = cell.0 else { return None };
    let (_, named) = path.split_last().filter(|(tag, _)| **tag == Kind::Element.tag())?;
    let (set, name) = named.split_at_checked(last_segment(path))?;
    Some((set, name, dot))
}

/// Reads what [`save`] wrote, or a state in its canonical bytes.
///
/// # Errors
/// Any deviation from what is written, and any invariant of cells that does not hold, by name.
pub fn load(bytes: &[u8]) -> Result<(Context, Parts), DecodeError> {
    let mut parts = Parts::default();
    let read = read_saved(bytes, &mut |path, cell| _ = parts.load(path, cell.into()))?;
    read.check(parts.iter().count())?;
    Ok((read.context, parts))
}

/// A state that was read.
pub(crate) struct Read {
    pub(crate) context: Context,
    cells: usize,
}

impl Read {
    /// Checks that as many cells as were read are there now.
    ///
    /// # Errors
    /// Two cells at one place.
    pub(crate) fn check(&self, there: usize) -> Result<(), DecodeError> {
        match there == self.cells || rejoin_vclock::mutant!("element-twice-loaded") {
            true => Ok(()),
            false => Err(DecodeError::Invalid("two cells at one place")),
        }
    }
}

/// As [`load`], showing each cell as soon as it is read. What was shown of bytes that are refused
/// in the end is no state, nor if two cells were shown at one place.
///
/// # Errors
/// As [`load`].
pub(crate) fn read_saved(
    bytes: &[u8],
    show: &mut dyn FnMut(&[u8], Cell),
) -> Result<Read, DecodeError> {
    let in_columns = bytes.starts_with(&MAGIC);
    let mut reader = Reader::new(bytes);
    if in_columns {
        reader.bytes(MAGIC.len())?;
    }
    let vector = VersionVector::decode(&mut reader)?;
    let (context, ids) = read_context(&vector)?;
    let names = Names { context: &context, ids: &ids };
    let (mut dots, mut cells, mut sets) = (OneDotOnePlace::default(), 0, Vec::new());
    if in_columns {
        let mut paths = PathReader::default();
        for _ in 0..reader.count(7)? {
            let set = paths.read(&mut reader)?;
            cells += read_set(set.as_bytes(), names, &mut reader, &mut dots, show)?;
            sets.push(set.as_bytes().to_vec());
        }
        if sets.is_empty() {
            return Err(DecodeError::NotCanonical("a state without columns"));
        }
    }
    let (mut rest, mut alone) = (CellReader::new(names, &mut reader)?, Alone::default());
    while let Some((path, cell)) = rest.next(&mut reader)? {
        if in_columns {
            alone.hear(path.as_bytes(), cell.lend(), &sets)?;
        }
        dots.add(cell.lend());
        show(path.as_bytes(), cell);
        cells += 1;
    }
    if in_columns {
        alone.check(&sets)?;
    }
    if !rejoin_vclock::mutant!("trailing-bytes-loaded") {
        reader.finish()?;
    }
    dots.check(context.seen_by_slot())?;
    Ok(Read { context, cells })
}

/// Reads a set in columns, and returns the number of its elements.
fn read_set(
    set: &[u8],
    names: Names<'_>,
    reader: &mut Reader<'_>,
    dots: &mut OneDotOnePlace,
    show: &mut dyn FnMut(&[u8], Cell),
) -> Result<usize, DecodeError> {
    let count = reader.count(1)?;
    let kind = set.last().and_then(|&tag| Kind::from_tag(tag).ok());
    if !kind.is_some_and(|kind| kind.may_hold(Kind::Element)) {
        return Err(DecodeError::Invalid("a kind that may not stand at its place"));
    }
    let runs = read_runs(count, names, reader)?;
    // Before an element is shown: their paths take memory.
    let start = reader.position();
    let mut ahead = reader.clone();
    (0..count).try_for_each(|_| atom::skip(&mut ahead).map(drop))?;
    if !is_worth(set.len(), count, ahead.position() - start) {
        return Err(DecodeError::NotCanonical("a set in columns"));
    }
    let mut path = set.to_vec();
    for (first, length) in runs {
        for next in 0..length {
            let dot = LocalDot::new(first.slot(), first.counter() + next);
            path.truncate(set.len());
            path.extend_from_slice(atom::skip(reader)?);
            path.push(Kind::Element.tag());
            if path.len() > MAX_PATH_BYTES {
                let value = path.len() as u64;
                return Err(DecodeError::OutOfRange { what: "length of a path", value });
            }
            let cell = Cell(CellKind::Element(Dots(smallvec![dot])));
            dots.add(cell.lend());
            show(&path, cell);
        }
    }
    Ok(count)
}

/// Reads the runs of so many dots: the first of each, and their number.
fn read_runs(
    count: usize,
    names: Names<'_>,
    reader: &mut Reader<'_>,
) -> Result<Vec<(LocalDot, u64)>, DecodeError> {
    let (mut runs, mut left) = (Vec::new(), count as u64);
    let mut before: Option<(u64, u64)> = None;
    while left > 0 {
        let (steps, gap, length) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let continues = before.is_some() && steps == 0;
        let (last_replica, last) = before.unwrap_or_default();
        let replica = last_replica.saturating_add(steps);
        let first = gap.saturating_add(1).saturating_add(if steps == 0 { last } else { 0 });
        if length == 0 || length > left || (continues && gap == 0) {
            return Err(DecodeError::NotCanonical("the dots of a set"));
        }
        let end = first.saturating_add(length - 1);
        // Both ends are dots that the vector covers, and so is what lies between.
        let first_dot = names.numbered(replica, first)?;
        names.numbered(replica, end)?;
        runs.push((first_dot, length));
        (before, left) = (Some((replica, end)), left - length);
    }
    Ok(runs)
}

/// The elements of one set that stand alone.
#[derive(Default)]
struct Alone {
    set: Vec<u8>,
    elements: usize,
    names: usize,
}

impl Alone {
    /// Takes note of a cell beside the columns; paths ascend, and the elements of a set stand
    /// together.
    fn hear(
        &mut self,
        path: &[u8],
        cell: CellRef<'_>,
        in_columns: &[Vec<u8>],
    ) -> Result<(), DecodeError> {
        let Some((set, name, _)) = element(path, cell) else { return Ok(()) };
        if self.set != set {
            self.check(in_columns)?;
            *self = Self { set: set.to_vec(), ..Self::default() };
        }
        self.elements += 1;
        self.names += name.len();
        Ok(())
    }

    /// Checks that the elements of the set have to stand alone.
    fn check(&self, in_columns: &[Vec<u8>]) -> Result<(), DecodeError> {
        let Self { set, elements, names } = self;
        let are_others = *elements > 0 && in_columns.binary_search(set).is_ok();
        match are_others || is_worth(set.len(), *elements, *names) {
            true => Err(DecodeError::NotCanonical("an element beside the columns of its set")),
            false => Ok(()),
        }
    }
}
