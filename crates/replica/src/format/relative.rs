//! The entries of a frame: each by what differs from the one before it of the same origin.
//!
//! Transactions of one origin are much alike: the same places but for a key, the next counter, an
//! end that names a dot one further on. So an entry repeats the bytes of the last one of its origin
//! in the frame, but for a few *pieces*; and where the pieces are is mostly the same, too.
//!
//! ```text
//! n, then n x:
//!   how (1) · origin, unless it is that of the entry before
//!   plain:    first · stamp · n, then n x id · length, rest
//!   relative: step of first, step of stamp, unless they are as the time before
//!             · n, then n x (copied, left out, put in), unless it is a known pattern
//!             · the bytes that are put in
//! ```
//!
//! `first` and `stamp` of a relative entry are those of its predecessor plus the steps, its ids are
//! the same, and its *rest* (deps, changes and section) is that of the predecessor, rewritten by
//! the pattern. How: 1 the origin is that of the entry before; 2 and 4 the step of first, of stamp,
//! is as the time before; the other bits are a number times 8: 0 plain, 1 a new pattern, from 2 on
//! one of the last six.
//!
//! The bytes that come out are the canonical bytes of the entry, which are hashed and stored; how a
//! sender puts them into a frame is its own affair. A pattern has at most 8 pieces, and only
//! entries of the first 64 origins of a frame are relative. All together are at most sixteen times
//! as long as the frame, and 16 KiB: a sender writes an entry plainly where they would be more.
//!
//! # References
//! - D. Korn et al., *The VCDIFF Generic Differencing and Compression Data Format*, RFC 3284, 2002:
//!   copies and additions against a source.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, varint_len, write_length_prefixed, write_varint,
};
use smallvec::SmallVec;

use crate::format::direction::Direction;
use crate::format::entry::Entry;

const SAME_ORIGIN: u8 = 1;
const SAME_FIRST_STEP: u8 = 2;
const SAME_STAMP_STEP: u8 = 4;
/// What the number of a pattern is multiplied by.
const PATTERN: u8 = 8;
/// The number of a pattern that is new; those that are known follow.
const NEW: u8 = 1;
/// The number of patterns that are known at a time.
const KNOWN: usize = 6;
/// Maximum number of pieces in a pattern: each takes more memory than it does in a frame.
const MOST_PIECES: usize = 8;
/// Maximum number of origins whose last entry is kept for the next.
const MOST_ORIGINS: usize = 64;
/// Equal bytes between two pieces that are not worth a piece of their own.
const GAP: usize = 4;
/// About how much memory the entries that are taken out of a frame at once may take, in bytes.
const AT_ONCE: usize = 32 << 10;
/// What an entry takes beside its bytes, while the vector that it stands in grows.
const PER_ENTRY: usize = 192;

/// True if so many bytes may come out of so many.
const fn may_unfold(unfolded: usize, coded: usize) -> bool {
    unfolded <= 16 * coded + (16 << 10)
}

/// The parts of the bytes of an entry.
#[derive(Clone, Copy)]
struct Parts<'a> {
    origin: ReplicaId,
    first: u64,
    stamp: u64,
    /// The number of ids, and the ids.
    ids: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let origin = ReplicaId::decode(&mut reader)?;
        let (first, stamp) = (reader.varint()?, reader.varint()?);
        let at = reader.position();
        let count = reader.count(16)?;
        reader.bytes(16 * count)?;
        let (head, rest) = bytes.split_at_checked(reader.position()).unwrap_or_default();
        Ok(Self { origin, first, stamp, ids: head.get(at..).unwrap_or_default(), rest })
    }
}

/// How far it is from one entry of an origin to the next.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Steps {
    first: u64,
    stamp: u64,
}

impl Steps {
    /// `None` if the second entry cannot be told by steps.
    fn between(last: &Parts<'_>, parts: &Parts<'_>) -> Option<Self> {
        let first = parts.first.checked_sub(last.first)?;
        let stamp = parts.stamp.checked_sub(last.stamp)?;
        (last.ids == parts.ids).then_some(Self { first, stamp })
    }
}

/// A place where two entries differ: what is the same before it, how much of the earlier entry is
/// left out, and how much is put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    copied: usize,
    left_out: usize,
    put_in: usize,
}

impl Piece {
    fn lengths(&self) -> [u64; 3] {
        [self.copied, self.left_out, self.put_in].map(|length| length as u64)
    }
}

type Pattern = SmallVec<[Piece; 4]>;

fn put_in(pattern: &Pattern) -> usize {
    pattern.iter().map(|piece| piece.put_in).sum()
}

/// The last patterns of a frame. Both ends keep the same.
#[derive(Default, Debug)]
struct Patterns {
    known: SmallVec<[Pattern; KNOWN]>,
    /// Where the next one goes.
    next: usize,
}

impl Patterns {
    /// Keeps a new pattern, and returns its place.
    fn keep(&mut self, pattern: Pattern) -> usize {
        let place = self.next;
        match self.known.get_mut(place) {
            Some(known) => *known = pattern,
            None => self.known.push(pattern),
        }
        self.next = (place + 1) % KNOWN;
        place
    }
}

/// Keeps the last entry of an origin, if it is one of the first. Both ends keep the same.
fn keep<T>(before: &mut BTreeMap<ReplicaId, T>, origin: ReplicaId, last: T) {
    if before.len() < MOST_ORIGINS || before.contains_key(&origin) {
        before.insert(origin, last);
    }
}

/// Writes entries, whose canonical bytes these are.
///
/// # Errors
/// Bytes that are no entry.
pub(crate) fn write(
    entries: &[&[u8]],
    direction: &mut Direction,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut before: BTreeMap<ReplicaId, (Parts<'_>, Steps)> = BTreeMap::new();
    let (mut patterns, mut unfolded, mut origin) = (Patterns::default(), 0, None);
    write_varint(out, entries.len() as u64);
    for &bytes in entries {
        let parts = Parts::of(bytes)?;
        unfolded += bytes.len();
        let last = before.get(&parts.origin).filter(|_| may_unfold(unfolded, out.len()));
        let relative = last.and_then(|&(last, before)| {
            let steps = Steps::between(&last, &parts)?;
            let (number, pattern) = choose(last.rest, parts.rest, &patterns)?;
            Some((steps, before, number, pattern))
        });
        let same_origin = origin.replace(parts.origin) == Some(parts.origin);
        let how = out.len();
        out.push(u8::from(same_origin) * SAME_ORIGIN);
        if !same_origin {
            direction.write(parts.origin, out);
        }
        let Some((steps, steps_before, number, pattern)) = relative else {
            write_plain(&parts, direction, out)?;
            keep(&mut before, parts.origin, (parts, Steps::default()));
            continue;
        };
        let mut flags = number * PATTERN;
        for (step, before, flag) in [
            (steps.first, steps_before.first, SAME_FIRST_STEP),
            (steps.stamp, steps_before.stamp, SAME_STAMP_STEP),
        ] {
            if step == before {
                flags |= flag;
            } else {
                write_varint(out, step);
            }
        }
        out.get_mut(how).into_iter().for_each(|how| *how |= flags);
        write_pieces(number == NEW, &pattern, parts.rest, out);
        if number == NEW {
            patterns.keep(pattern);
        }
        keep(&mut before, parts.origin, (parts, steps));
    }
    Ok(())
}

fn write_plain(
    parts: &Parts<'_>,
    direction: &mut Direction,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    write_varint(out, parts.first);
    write_varint(out, parts.stamp);
    let mut ids = Reader::new(parts.ids);
    let count = ids.count(16)?;
    write_varint(out, count as u64);
    for _ in 0..count {
        direction.write(ReplicaId::decode(&mut ids)?, out);
    }
    write_length_prefixed(out, parts.rest);
    Ok(())
}

/// Chooses the pattern by which the least has to be written, and its number. `None` if the rest is
/// shorter as it is.
fn choose(last: &[u8], rest: &[u8], patterns: &Patterns) -> Option<(u8, Pattern)> {
    let fits = |pattern: &&Pattern| fits(pattern, last, rest);
    let known = (NEW + 1..).zip(&patterns.known).filter(|(_, pattern)| fits(pattern));
    let known = known.map(|(number, pattern)| (put_in(pattern), number, pattern));
    let known = known.min_by_key(|&(cost, ..)| cost);
    let new = difference(last, rest);
    let lengths = new.iter().flat_map(Piece::lengths).map(varint_len);
    let cost = 1 + lengths.sum::<usize>() + put_in(&new);
    match known {
        Some((known, number, pattern)) if known <= cost => Some((number, pattern.clone())),
        _ if cost < rest.len() => Some((NEW, new)),
        _ => None,
    }
}

/// True if one text becomes another by a pattern.
fn fits(pattern: &Pattern, last: &[u8], rest: &[u8]) -> bool {
    let (mut from, mut to) = (0, 0);
    for piece in pattern {
        let same = last.get(from..from + piece.copied);
        if same.is_none() || same != rest.get(to..to + piece.copied) {
            return false;
        }
        (from, to) = (from + piece.copied + piece.left_out, to + piece.copied + piece.put_in);
    }
    let end = last.get(from..);
    end.is_some() && (end == rest.get(to..) || rejoin_vclock::mutant!("pattern-without-end"))
}

/// The pattern by which one text becomes another: byte by byte where they are equally long, and
/// else in one piece.
fn difference(last: &[u8], rest: &[u8]) -> Pattern {
    let mut pattern = Pattern::new();
    let same = |(a, b): &(&u8, &u8)| a == b;
    let prefix = last.iter().zip(rest).take_while(same).count();
    let (left_out, put_in) = (last.len() - prefix, rest.len() - prefix);
    if left_out + put_in == 0 {
        return pattern;
    }
    let suffix = last.iter().rev().zip(rest.iter().rev()).take_while(same).count();
    let suffix = suffix.min(left_out).min(put_in);
    let whole = Piece { copied: prefix, left_out: left_out - suffix, put_in: put_in - suffix };
    if last.len() == rest.len() {
        let end = last.len() - suffix;
        let differs = |&at: &usize| last.get(at) != rest.get(at);
        let mut done = 0; // up to here, the pieces cover both
        for at in (prefix..end).filter(differs) {
            if let Some(piece) = pattern.last_mut().filter(|_| at < done + GAP) {
                piece.left_out += at + 1 - done;
                piece.put_in = piece.left_out;
            } else if pattern.len() < MOST_PIECES {
                pattern.push(Piece { copied: at - done, left_out: 1, put_in: 1 });
            } else {
                pattern.clear();
                break;
            }
            done = at + 1;
        }
    }
    if pattern.is_empty() {
        pattern.push(whole);
    }
    pattern
}

fn write_pieces(is_new: bool, pattern: &Pattern, rest: &[u8], out: &mut Vec<u8>) {
    if is_new {
        write_varint(out, pattern.len() as u64);
        pattern.iter().flat_map(Piece::lengths).for_each(|n| write_varint(out, n));
    }
    let mut at = 0;
    for piece in pattern {
        at += piece.copied;
        out.extend_from_slice(rest.get(at..at + piece.put_in).unwrap_or_default());
        at += piece.put_in;
    }
}

/// The entries of a frame, while they are taken out.
#[derive(Debug)]
pub(crate) struct Unfolding {
    left: usize,
    /// How much of the frame was read, and how much came out of it.
    coded: usize,
    unfolded: usize,
    origin: Option<ReplicaId>,
    before: BTreeMap<ReplicaId, (Entry, Steps)>,
    patterns: Patterns,
}

impl Unfolding {
    /// Begins with the number of the entries.
    pub(crate) fn begin(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let left = reader.count(1)?;
        Ok(Self {
            left,
            coded: reader.position(),
            unfolded: 0,
            origin: None,
            before: BTreeMap::new(),
            patterns: Patterns::default(),
        })
    }

    /// True if all were taken.
    pub(crate) const fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Takes the next ones, from where the last ones ended.
    ///
    /// # Errors
    /// Bytes that are no entries; those before them were taken.
    pub(crate) fn take(
        &mut self,
        direction: &mut Direction,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Entry>, DecodeError> {
        let (mut entries, mut memory) = (Vec::new(), 0);
        while self.left > 0 && memory < AT_ONCE {
            let at = reader.position();
            let entry = self.next(direction, reader)?;
            self.coded += reader.position() - at;
            self.unfolded += entry.bytes().len();
            memory += entry.bytes().len() + PER_ENTRY;
            self.left -= 1;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn next(
        &mut self,
        direction: &mut Direction,
        reader: &mut Reader<'_>,
    ) -> Result<Entry, DecodeError> {
        let how = reader.byte()?;
        let same = self.origin.filter(|_| how & SAME_ORIGIN != 0);
        let origin = same.map_or_else(|| direction.read(reader), Ok)?;
        self.origin = Some(origin);
        let number = how / PATTERN;
        let (bytes, steps) = match number {
            0 => (read_plain(origin, direction, reader)?, Steps::default()),
            _ => self.read_relative(origin, how, number, reader)?,
        };
        let entry = Entry::parse(&bytes)?;
        keep(&mut self.before, origin, (entry.clone(), steps));
        Ok(entry)
    }

    fn read_relative(
        &mut self,
        origin: ReplicaId,
        how: u8,
        number: u8,
        reader: &mut Reader<'_>,
    ) -> Result<(Vec<u8>, Steps), DecodeError> {
        let unknown = DecodeError::Invalid("an entry that is relative to none");
        let &(ref last, mut steps) = self.before.get(&origin).ok_or(unknown)?;
        if how & SAME_FIRST_STEP == 0 {
            steps.first = reader.varint()?;
        }
        if how & SAME_STAMP_STEP == 0 {
            steps.stamp = reader.varint()?;
        }
        let place = match number {
            NEW => self.patterns.keep(read_pattern(reader)?),
            _ => usize::from(number - NEW - 1),
        };
        let unknown = DecodeError::OutOfRange { what: "number of a pattern", value: number.into() };
        let pattern = self.patterns.known.get(place).ok_or(unknown)?;
        let last = Parts::of(last.bytes())?;
        let beyond = |value| DecodeError::OutOfRange { what: "step of an entry", value };
        let first = last.first.checked_add(steps.first).ok_or(beyond(steps.first))?;
        let stamp = last.stamp.checked_add(steps.stamp).ok_or(beyond(steps.stamp))?;
        let mut bytes = head_of(origin, first, stamp);
        bytes.extend_from_slice(last.ids);
        let length = bytes.len().saturating_add(unfolded_length(last.rest, pattern)?);
        Entry::check_length(length)?;
        let is_bound = !rejoin_vclock::mutant!("unfolds-without-end");
        if is_bound && !may_unfold(self.unfolded + length, self.coded) {
            return Err(DecodeError::Invalid("a frame that unfolds to too much"));
        }
        bytes.reserve_exact(length - bytes.len());
        unfold(last.rest, pattern, reader, &mut bytes)?;
        Ok((bytes, steps))
    }
}

/// The first bytes of an entry.
fn head_of(origin: ReplicaId, first: u64, stamp: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    origin.encode(&mut head);
    write_varint(&mut head, first);
    write_varint(&mut head, stamp);
    head
}

fn read_pattern(reader: &mut Reader<'_>) -> Result<Pattern, DecodeError> {
    let mut pattern = Pattern::new();
    let count = reader.count(3)?;
    if count > MOST_PIECES && !rejoin_vclock::mutant!("pieces-without-end") {
        return Err(DecodeError::Invalid("a pattern of too many pieces"));
    }
    for _ in 0..count {
        let mut length = || reader.varint().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let (copied, left_out, put_in) = (length()?, length()?, length()?);
        if left_out == 0 && put_in == 0 {
            return Err(DecodeError::NotCanonical("a piece that changes nothing"));
        }
        pattern.push(Piece { copied, left_out, put_in });
    }
    Ok(pattern)
}

/// The length of what a rest becomes by a pattern.
fn unfolded_length(rest: &[u8], pattern: &Pattern) -> Result<usize, DecodeError> {
    let (mut left, mut length) = (rest.len(), 0_usize);
    let outside = DecodeError::Invalid("a piece beyond the end of an entry");
    for piece in pattern {
        left = left.checked_sub(piece.copied).ok_or(outside)?;
        left = left.checked_sub(piece.left_out).ok_or(outside)?;
        length = length.saturating_add(piece.copied).saturating_add(piece.put_in);
    }
    Ok(length.saturating_add(left))
}

/// Adds what a rest becomes by a pattern to `out`.
fn unfold(
    rest: &[u8],
    pattern: &Pattern,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut rest = Reader::new(rest);
    for piece in pattern {
        out.extend_from_slice(rest.bytes(piece.copied)?);
        rest.bytes(piece.left_out)?;
        out.extend_from_slice(reader.bytes(piece.put_in)?);
    }
    out.extend_from_slice(rest.bytes(rest.remaining())?);
    Ok(())
}

/// Reads the bytes of an entry that is written plainly.
fn read_plain(
    origin: ReplicaId,
    direction: &mut Direction,
    reader: &mut Reader<'_>,
) -> Result<Vec<u8>, DecodeError> {
    let (first, stamp, count) = (reader.varint()?, reader.varint()?, reader.count(1)?);
    let mut bytes = head_of(origin, first, stamp);
    write_varint(&mut bytes, count as u64);
    let mut before = None;
    for _ in 0..count {
        let id = direction.read(reader)?;
        if before.replace(id) >= Some(id) {
            // Refused early: one byte that repeats a number must not become 16 bytes here.
            return Err(DecodeError::NotCanonical("replicas of an entry"));
        }
        id.encode(&mut bytes);
    }
    let rest = reader.length_prefixed()?;
    Entry::check_length(bytes.len() + rest.len())?;
    bytes.reserve_exact(rest.len());
    bytes.extend_from_slice(rest);
    Ok(bytes)
}
