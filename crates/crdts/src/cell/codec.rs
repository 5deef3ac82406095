//! The canonical bytes of each cell.
//!
//! ```text
//! element   n, then n x dot
//! register  n, then n x (dot, stamp, value), the one that stands first
//! counter   n, then n x (id, last, totals, 0) or (id, last, totals, 1, last, totals, tag); where
//!           counts are corrected, 0 before, and behind: n, then n x (dot of the correction, 1 if
//!           it takes back or else 0, n, then n x (dot of the last count, its totals, 0 or (how far
//!           beyond the beginning of the record, increments and decrements before the first)))
//! contest   n, then n x dot of an add, then n, then n x dot of a remove
//! rights    n, then n x (id, last, granted, spent, n, then n x (id in full, amount)); where one's
//!           are another's, 0 before, and in each behind n, then n x id of a retired one in full,
//!           then 0 or (1, id of whom they are in full)
//! places    n, then n x (dot, stamp, value) and, in a list, 0 or (1, tag); where the thing is not
//!           there by its live places alone, 0 before, and behind n, then n x dot of its existence,
//!           then the removals that hide it
//! hidings   n, then n x (dot of the removal, n, then n x dot that it saw)
//! ```
//!
//! Dots name their replica by its place in the state's vector, or by its id in full if a cell
//! stands alone.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};
use smallvec::SmallVec;

use crate::cell::{Cell, CellKind, CellRef, Dots, Hiding, Hidings, KindRef, sorted};
use crate::counter::{Corrections, Live, Record, Rights, Share, Taken, Tally};
use crate::delta::codec::{read_totals, write_totals};
use crate::delta::correction::SPAN_BYTES;
use crate::delta::{Correction, Span};
use crate::ordered::{Mark, Place, Places, Tag};
use crate::path::{Atom, Kind, RawAtom};
use crate::register::{Write, Writes};
use crate::set::Contest;
use crate::state::invariants::{OneDotOnePlace, check_positions};
use crate::state::{Context, LocalDot, Slot};

/// The context for writing and reading cells: dots name their replica by its place in a list of
/// ids.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The slots that the cells use.
    pub context: &'a Context,
    /// All replicas that the cells name, ascending.
    pub ids: &'a [ReplicaId],
}

impl Names<'_> {
    /// A dot with its replica's full id.
    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    /// Appends a cell.
    pub fn write_cell(&self, cell: CellRef<'_>, out: &mut Vec<u8>) {
        CellWriter { context: self.context, ids: Some(self.ids) }.write_cell(cell, out);
    }

    /// Reads the cell of a place of this kind.
    ///
    /// # Errors
    /// Any deviation from the canonical bytes, by name.
    pub fn read_cell(&self, kind: Kind, reader: &mut Reader<'_>) -> Result<Cell, DecodeError> {
        let none = DecodeError::Invalid("a cell where no cell can stand");
        let empty = Cell::empty(kind).ok_or(none)?;
        let count = reader.count(2)?;
        let cell = Cell(match empty.0 {
            CellKind::Contest(_) => CellKind::Contest(self.read_contest(count, reader)?),
            CellKind::Element(_) => CellKind::Element(self.read_dots(count, reader)?),
            CellKind::Register(_) => CellKind::Register(self.read_writes(count, reader)?),
            CellKind::Mark(_) => CellKind::Mark(Mark(self.read_writes(count, reader)?)),
            CellKind::Counter(_) => CellKind::Counter(self.read_counter(count, reader)?),
            CellKind::Rights(_) => CellKind::Rights(self.read_rights(count, reader)?),
            CellKind::Positions(_) => CellKind::Positions(self.read_places(count, reader)?),
            CellKind::Candidates(_) => CellKind::Candidates(self.read_places(count, reader)?),
            CellKind::Hidings(_) => CellKind::Hidings(self.read_hidings(count, reader)?),
        });
        if cell.is_gone() {
            return Err(DecodeError::NotCanonical("a cell with nothing in it"));
        }
        cell.lend().as_positions().map_or(Ok(()), check_positions)?;
        let mut dots = OneDotOnePlace::default();
        dots.add(cell.lend());
        dots.check(self.context.seen_by_slot())?;
        Ok(cell)
    }

    fn read_dot(&self, reader: &mut Reader<'_>) -> Result<LocalDot, DecodeError> {
        let (place, counter) = (reader.varint()?, reader.varint()?);
        self.numbered(place, counter)
    }

    /// The dot of the replica at this place of the list, if it is covered.
    ///
    /// # Errors
    /// Any other.
    pub(crate) fn numbered(&self, place: u64, counter: u64) -> Result<LocalDot, DecodeError> {
        let unknown = DecodeError::OutOfRange { what: "replica of a state", value: place };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let id = *self.ids.get(place).ok_or(unknown)?;
        let outside = DecodeError::OutOfRange { what: "dot beyond the vector", value: counter };
        let dot = Dot::new(id, counter).map_err(|_| outside)?;
        // A state that is being loaded has its replicas in their order.
        let local = match self.context.ids().get(place) {
            Some(&own) if own == id => self.context.numbered(place, counter),
            _ => self.context.local(dot),
        };
        local.filter(|&dot| self.context.covers(dot)).ok_or(outside)
    }

    fn read_dots(&self, count: usize, reader: &mut Reader<'_>) -> Result<Dots, DecodeError> {
        let mut dots = Dots::default();
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let known = Some(self.context.dot(dot));
            if known <= before {
                return Err(DecodeError::NotCanonical("the order of dots"));
            }
            before = known;
            dots.0.push(dot);
        }
        Ok(dots)
    }

    fn read_writes(&self, count: usize, reader: &mut Reader<'_>) -> Result<Writes, DecodeError> {
        let mut writes = Writes::default();
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let stamp = HybridTimestamp::decode(reader)?;
            let rank = (stamp, self.context.dot(dot));
            if before.is_some_and(|before| rank >= before) {
                return Err(DecodeError::NotCanonical("the order of writes"));
            }
            before = Some(rank);
            writes.0.push(Write { dot, stamp, value: RawAtom::read(reader)? });
        }
        Ok(writes)
    }

    fn read_counter(&self, count: usize, reader: &mut Reader<'_>) -> Result<Tally, DecodeError> {
        if count > 0 {
            return self.read_records(count, reader);
        }
        let count = reader.count(6)?;
        let mut counter = self.read_records(count, reader)?;
        counter.corrections = self.read_corrections(reader)?;
        Ok(counter)
    }

    fn read_corrections(&self, reader: &mut Reader<'_>) -> Result<Corrections, DecodeError> {
        let mut corrections = Corrections::default();
        let mut before = None;
        for _ in 0..reader.count(4 + SPAN_BYTES)? {
            let dot = self.read_dot(reader)?;
            let known = Some(self.dot(dot));
            if known <= before {
                return Err(DecodeError::NotCanonical("the order of corrections"));
            }
            before = known;
            let takes = match reader.byte()? {
                tag @ (0 | 1) => tag == 1,
                tag => return Err(DecodeError::UnknownTag { what: "correction", tag }),
            };
            let spans = self.read_spans(reader)?;
            corrections.0.push(Live { dot, correction: Correction { takes, spans } });
        }
        match corrections.is_empty() {
            false => Ok(corrections),
            true => Err(DecodeError::NotCanonical("the corrections of a counter")),
        }
    }

    fn read_spans(&self, reader: &mut Reader<'_>) -> Result<Vec<Span<Slot>>, DecodeError> {
        let (mut spans, mut before) = (Vec::new(), None);
        for _ in 0..reader.count(SPAN_BYTES)? {
            let last = self.read_dot(reader)?;
            let span = Span::read_below(self.dot(last), reader)?;
            span.check_after(before.as_ref())?;
            before = Some(span);
            spans.push(span.named(last.slot()));
        }
        match spans.is_empty() {
            false => Ok(spans),
            true => Err(DecodeError::NotCanonical("the counts of a correction")),
        }
    }

    fn read_records(&self, count: usize, reader: &mut Reader<'_>) -> Result<Tally, DecodeError> {
        let (mut records, mut before) = (Vec::with_capacity(count), None);
        for _ in 0..count {
            let last = self.read_dot(reader)?;
            let totals = read_totals(reader)?;
            let floor = match reader.byte()? {
                0 => None,
                1 => Some(Box::new(Taken {
                    last: reader.varint()?,
                    totals: read_totals(reader)?,
                    tag: self.read_dot(reader)?,
                })),
                tag => return Err(DecodeError::UnknownTag { what: "floor", tag }),
            };
            let id = self.context.id(last.slot());
            // A floor beyond the record is a lie that every copy keeps alike, so it must load.
            let floor_fits = floor.as_ref().is_none_or(|floor| {
                totals.start <= floor.totals.start
                    && floor.totals.start <= floor.last
                    && floor.last <= self.context.seen(id)
            });
            if Some(id) <= before || totals.start > last.counter() || !floor_fits {
                return Err(DecodeError::NotCanonical("the records of a counter"));
            }
            before = Some(id);
            let (slot, last) = (last.slot(), last.counter());
            records.push(Record { slot, last, totals, floor });
        }
        Ok(Tally::of_records(records))
    }

    fn read_contest(&self, adds: usize, reader: &mut Reader<'_>) -> Result<Contest, DecodeError> {
        let adds = self.read_dots(adds, reader)?;
        let removes = reader.count(2)?;
        Ok(Contest { adds, removes: self.read_dots(removes, reader)? })
    }

    fn read_rights(&self, count: usize, reader: &mut Reader<'_>) -> Result<Rights, DecodeError> {
        let have_heirs = count == 0;
        let count = if have_heirs { reader.count(7)? } else { count };
        let mut rights = Rights::default();
        let mut before = None;
        for _ in 0..count {
            let last = self.read_dot(reader)?;
            let owner = self.dot(last).replica();
            if Some(owner) <= before {
                return Err(DecodeError::NotCanonical("the shares of a bounded counter"));
            }
            before = Some(owner);
            let (granted, spent) = (reader.varint()?, reader.varint()?);
            let moved = read_moved(reader)?;
            let (retired, yields) =
                if have_heirs { read_heirs(reader)? } else { (Vec::new(), None) };
            rights.0.push(Share { owner, last, granted, spent, moved, retired, yields });
        }
        if have_heirs != rights.have_heirs() {
            return Err(DecodeError::NotCanonical("the retired replicas of a bounded counter"));
        }
        rights.0.sort_unstable_by_key(|share| share.last.slot());
        Ok(rights)
    }

    fn read_places<const RETAINS: bool>(
        &self,
        count: usize,
        reader: &mut Reader<'_>,
    ) -> Result<Places<RETAINS>, DecodeError> {
        let told_apart = count == 0;
        let count = if told_apart { reader.count(2)? } else { count };
        let mut places = Places { all: Vec::with_capacity(count), ..Places::default() };
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let id = self.dot(dot);
            let stamp = HybridTimestamp::decode(reader)?;
            let value = RawAtom::read(reader)?;
            let dead = match if RETAINS { reader.byte()? } else { 0 } {
                0 => None,
                1 => Some(Tag(self.read_dot(reader)?)),
                tag => return Err(DecodeError::UnknownTag { what: "place", tag }),
            };
            let rank = (dead.is_some(), Reverse((stamp, id)));
            if before.is_some_and(|before| before >= rank) {
                return Err(DecodeError::NotCanonical("the order of places"));
            }
            before = Some(rank);
            places.all.push(Place { id, dot, stamp, value, dead });
        }
        if told_apart {
            let count = reader.count(2)?;
            places.existence = self.read_dots(count, reader)?;
            let count = reader.count(5)?;
            places.hidings = self.read_hidings(count, reader)?;
            if places.is_there_by_places() {
                return Err(DecodeError::NotCanonical("the existence of an item or node"));
            }
        } else {
            places.existence = Dots(places.live().map(|place| place.dot).collect());
        }
        Ok(places)
    }

    fn read_hidings(&self, count: usize, reader: &mut Reader<'_>) -> Result<Hidings, DecodeError> {
        let mut hidings = Hidings::default();
        let mut before = None;
        for _ in 0..count {
            let dot = self.read_dot(reader)?;
            let count = reader.count(2)?;
            let seen = self.read_dots(count, reader)?;
            let replicas = seen.0.iter().map(|dot| self.context.id(dot.slot()));
            let alone = replicas.clone().zip(replicas.skip(1)).all(|(a, b)| a != b);
            let known = Some(self.dot(dot));
            if known <= before || count == 0 || !alone {
                return Err(DecodeError::NotCanonical("the removals that hide a thing"));
            }
            before = known;
            hidings.0.push(Hiding { dot, seen: seen.0.into_iter().collect() });
        }
        Ok(hidings)
    }
}

/// Appends a cell that names its replicas by their ids in full: its bytes mean the same everywhere,
/// with no list of ids beside them.
pub fn write_in_full(context: &Context, cell: CellRef<'_>, out: &mut Vec<u8>) {
    CellWriter { context, ids: None }.write_cell(cell, out);
}

/// Writes cells; `ids` are those that dots name by their places, or `None` where ids are written in
/// full.
struct CellWriter<'a> {
    context: &'a Context,
    ids: Option<&'a [ReplicaId]>,
}

impl CellWriter<'_> {
    fn write_cell(&self, cell: CellRef<'_>, out: &mut Vec<u8>) {
        match cell.0 {
            KindRef::Element(dots) => {
                write_varint(out, dots.len() as u64);
                self.write_dots(dots, out);
            }
            KindRef::Register(writes) | KindRef::Mark(Mark(writes)) => {
                self.write_writes(writes, out);
            }
            KindRef::Counter(counter) => self.write_counter(counter, out),
            KindRef::Contest(contest) => self.write_contest(contest, out),
            KindRef::Rights(rights) => self.write_rights(rights, out),
            KindRef::Positions(places) => self.write_places(places, out),
            KindRef::Candidates(places) => self.write_places(places, out),
            KindRef::Hidings(hidings) => self.write_hidings(hidings, out),
        }
    }

    fn write_dot(&self, dot: Dot, out: &mut Vec<u8>) {
        self.write_id(dot.replica(), out);
        write_varint(out, dot.counter());
    }

    fn write_id(&self, id: ReplicaId, out: &mut Vec<u8>) {
        match self.ids {
            None if rejoin_vclock::mutant!("fingerprint-by-slot") => {
                let slot = self.context.slot(id);
                write_varint(out, slot.map_or(0, |slot| slot.index() as u64));
            }
            None => id.encode(out),
            Some(ids) => write_varint(out, ids.binary_search(&id).unwrap_or(0) as u64),
        }
    }

    fn write_local(&self, dot: LocalDot, out: &mut Vec<u8>) {
        self.write_dot(self.context.dot(dot), out);
    }

    fn write_dots(&self, dots: &[LocalDot], out: &mut Vec<u8>) {
        match dots {
            [dot] => self.write_local(*dot, out),
            _ => sorted(dots.iter().copied(), self.context)
                .into_iter()
                .for_each(|dot| self.write_dot(dot, out)),
        }
    }

    fn write_writes(&self, Writes(writes): &Writes, out: &mut Vec<u8>) {
        write_varint(out, writes.len() as u64);
        for write in writes {
            self.write_local(write.dot, out);
            write.stamp.encode(out);
            write.value.write(out);
        }
    }

    fn write_counter(&self, counter: &Tally, out: &mut Vec<u8>) {
        let last = |record: &Record| self.context.dot(LocalDot::new(record.slot, record.last));
        let mut records: Vec<&Record> = counter.records().iter().collect();
        records.sort_unstable_by_key(|record| last(record));
        if !counter.corrections.is_empty() {
            write_varint(out, 0);
        }
        write_varint(out, records.len() as u64);
        for record in records {
            self.write_dot(last(record), out);
            write_totals(&record.totals, out);
            match &record.floor {
                None => out.push(0),
                Some(floor) => {
                    out.push(1);
                    write_varint(out, floor.last);
                    write_totals(&floor.totals, out);
                    self.write_dot(self.context.dot(floor.tag), out);
                }
            }
        }
        self.write_corrections(&counter.corrections, out);
    }

    fn write_corrections(&self, corrections: &Corrections, out: &mut Vec<u8>) {
        let corrections = corrections.in_full(|dot| self.context.dot(dot));
        if !corrections.is_empty() {
            write_varint(out, corrections.len() as u64);
        }
        for (dot, Correction { takes, spans }) in &corrections {
            self.write_dot(*dot, out);
            out.push(u8::from(*takes));
            write_varint(out, spans.len() as u64);
            for span in spans {
                self.write_id(span.owner, out);
                write_varint(out, span.to.counter);
                span.write_below(out);
            }
        }
    }

    fn write_contest(&self, contest: &Contest, out: &mut Vec<u8>) {
        for dots in [&contest.adds, &contest.removes] {
            write_varint(out, dots.0.len() as u64);
            self.write_dots(&dots.0, out);
        }
    }

    fn write_rights(&self, rights: &Rights, out: &mut Vec<u8>) {
        let have_heirs = rights.have_heirs();
        if have_heirs {
            write_varint(out, 0);
        }
        let mut shares: Vec<&Share> = rights.0.iter().collect();
        shares.sort_unstable_by_key(|share| share.owner);
        write_varint(out, shares.len() as u64);
        for share in shares {
            self.write_local(share.last, out);
            write_varint(out, share.granted);
            write_varint(out, share.spent);
            write_varint(out, share.moved.len() as u64);
            for (to, amount) in &share.moved {
                to.encode(out);
                write_varint(out, *amount);
            }
            if have_heirs {
                write_varint(out, share.retired.len() as u64);
                share.retired.iter().for_each(|id| id.encode(out));
                out.push(u8::from(share.yields.is_some()));
                share.yields.iter().for_each(|id| id.encode(out));
            }
        }
    }

    fn write_hidings(&self, Hidings(hidings): &Hidings, out: &mut Vec<u8>) {
        let mut hidings: Vec<&Hiding> = hidings.iter().collect();
        hidings.sort_unstable_by_key(|hiding| self.context.dot(hiding.dot));
        write_varint(out, hidings.len() as u64);
        for hiding in hidings {
            self.write_local(hiding.dot, out);
            write_varint(out, hiding.seen.len() as u64);
            let seen = sorted(hiding.seen.iter().copied(), self.context);
            seen.into_iter().for_each(|dot| self.write_dot(dot, out));
        }
    }

    fn write_places<const RETAINS: bool>(&self, places: &Places<RETAINS>, out: &mut Vec<u8>) {
        let told_apart = !places.is_there_by_places();
        if told_apart {
            write_varint(out, 0);
        }
        write_varint(out, places.all.len() as u64);
        for place in &places.all {
            self.write_dot(place.id, out);
            place.stamp.encode(out);
            place.value.write(out);
            match place.dead {
                _ if !RETAINS => {}
                None => out.push(0),
                Some(Tag(tag)) => {
                    out.push(1);
                    self.write_local(tag, out);
                }
            }
        }
        if told_apart {
            write_varint(out, places.existence.0.len() as u64);
            self.write_dots(&places.existence.0, out);
            self.write_hidings(&places.hidings, out);
        }
    }
}

fn read_moved(reader: &mut Reader<'_>) -> Result<SmallVec<[(ReplicaId, u64); 1]>, DecodeError> {
    let count = reader.count(17)?;
    let mut moved: SmallVec<[(ReplicaId, u64); 1]> = SmallVec::with_capacity(count);
    for _ in 0..count {
        let to = ReplicaId::decode(reader)?;
        if moved.last().is_some_and(|&(before, _)| before >= to) {
            return Err(DecodeError::NotCanonical("the transfers of a bounded counter"));
        }
        moved.push((to, reader.varint()?));
    }
    Ok(moved)
}

/// Reads the replicas whose rights this one took over, and the replica to which its own belong.
fn read_heirs(reader: &mut Reader<'_>) -> Result<(Vec<ReplicaId>, Option<ReplicaId>), DecodeError> {
    let count = reader.count(16)?;
    let mut retired = Vec::with_capacity(count);
    for _ in 0..count {
        let id = ReplicaId::decode(reader)?;
        if retired.last().is_some_and(|&before| before >= id) {
            return Err(DecodeError::NotCanonical("the retired replicas of a bounded counter"));
        }
        retired.push(id);
    }
    match reader.byte()? {
        0 => Ok((retired, None)),
        1 => Ok((retired, Some(ReplicaId::decode(reader)?))),
        tag => Err(DecodeError::UnknownTag { what: "heir", tag }),
    }
}
