//! What a write of siblings holds: a value, the writes that it replaced, and the value that it was
//! made of.
//!
//! Siblings are the live writes of a register, like everything else here, and every one of them
//! says what it came from, so that a policy can bring them together: which of them settle the same
//! conflict alike, and what is common to all of them. The policies are in `rejoin-resolve`.
//!
//! ```text
//! value · the dots that it replaced · base: its dot, and how many bytes of the value stand at its
//! beginning and at its end as they do here, and what it has between them
//! ```
//!
//! A base costs what was changed, and not what there is.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::borrow::Cow;
use alloc::vec::Vec;

use rejoin_vclock::codec::{DecodeError, Reader};
use rejoin_vclock::{Dot, HybridTimestamp};

use crate::delta::{Effect, Ends};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Items, Kind, MAX_VALUE_BYTES, RawAtom};
use crate::register::Write;

/// The value that a write was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// The write that it came with.
    pub dot: Dot,
    /// The value.
    pub value: RawAtom,
}

/// One write of siblings, as it stands in a register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The value.
    pub value: RawAtom,
    /// The dots of the writes that it replaced, ascending.
    pub parents: Vec<Dot>,
    /// The value that it was made of, if its author had it.
    pub base: Option<Base>,
}

/// The base of a value: the dot, the numbers of bytes that agree at the beginning and at the end,
/// and the bytes between them.
type StoredBase = (Dot, (u64, (u64, Vec<u8>)));

impl Atom for Written {
    fn write(&self, out: &mut Vec<u8>) {
        let base = self.base.as_ref().map(|base| difference(&self.value, base));
        (self.value.clone(), (Items(self.parents.clone()), base)).write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (value, (Items(parents), base)) =
            <(RawAtom, (Items<Dot>, Option<StoredBase>))>::read(reader)?;
        let base = base.map(|base| whole(&value, base)).transpose()?;
        Ok(Self { value, parents, base })
    }
}

fn difference(value: &RawAtom, base: &Base) -> StoredBase {
    let (value, whole) = (value.as_bytes(), base.value.as_bytes());
    let before = value.iter().zip(whole).take_while(|(a, b)| a == b).count();
    let rest = |bytes: &[u8]| bytes.len() - before;
    let after = value.iter().rev().zip(whole.iter().rev()).take_while(|(a, b)| a == b).count();
    let after = after.min(rest(value)).min(rest(whole));
    let between = whole.get(before..whole.len() - after).unwrap_or_default();
    (base.dot, (before as u64, (after as u64, between.to_vec())))
}

fn whole(
    value: &RawAtom,
    (dot, (before, (after, between))): StoredBase,
) -> Result<Base, DecodeError> {
    let value = value.as_bytes();
    let part = |count: u64| usize::try_from(count).ok().filter(|&count| count <= value.len());
    let parts = part(before).zip(part(after)).and_then(|(before, after)| {
        Some((value.get(..before)?, value.get(value.len().checked_sub(after)?..)?))
    });
    let beyond = DecodeError::Invalid("a base that is longer than its value");
    let (before, after) = parts.ok_or(beyond)?;
    let bytes = [before, &between, after].concat();
    let broken = DecodeError::Invalid("a base that is no value");
    let value = RawAtom::from_bytes(bytes).ok_or(broken)?;
    Ok(Base { dot, value })
}

/// The value of a write, as people see it: of a register of this kind, or the write itself where it
/// is no sibling.
pub(crate) fn shown(kind: Option<Kind>, written: &RawAtom) -> Cow<'_, RawAtom> {
    let value = || {
        let mut reader = Reader::new(written.as_bytes());
        reader.byte().ok()?;
        RawAtom::read(&mut reader).ok()
    };
    let is_written = kind == Some(Kind::Siblings) && written.type_name() == "list";
    is_written.then(value).flatten().map_or(Cow::Borrowed(written), Cow::Owned)
}

/// One of the siblings that stand at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Live {
    /// The write; its replica is the author.
    pub dot: Dot,
    /// The author's time.
    pub stamp: HybridTimestamp,
    /// What was written.
    pub written: Written,
}

/// The siblings at a place, in ascending order of their dots.
///
/// # Errors
/// [`ReadError::WrongType`] for a write that is no sibling; otherwise as the source.
pub fn live(view: &View<'_>) -> Result<Vec<Live>, ReadError> {
    view.at_once(|view| {
        let writes = view.leaf(|cell| {
            let writes = cell.as_writes().map_or(&[][..], |writes| &writes.0);
            let read = |write: &Write| Ok((write.dot, write.stamp, write.value.read_as()?));
            writes.iter().map(read).collect::<Result<Vec<_>, _>>()
        })?;
        let whole = |(dot, stamp, written)| Live { dot: view.dot(dot), stamp, written };
        let mut live: Vec<Live> = writes.into_iter().map(whole).collect();
        live.sort_unstable_by_key(|live| live.dot);
        if rejoin_vclock::mutant!("equal-siblings-are-one") {
            live.dedup_by(|a, b| a.written.value == b.written.value);
        }
        Ok(live)
    })
}

/// Writes a value over every sibling that is seen.
///
/// # Errors
/// As [`live`], and as [`Cursor::overwrite`].
pub fn set(cursor: &mut Cursor<'_>, value: RawAtom) -> Result<(), EditError> {
    cursor.open()?;
    let seen = live(&cursor.view())?;
    let base = base_of_next(&seen, cursor.view().dot(cursor.next_dot()));
    let base = base.filter(|base| {
        let content = |atom: &RawAtom| atom.content_bytes().unwrap_or(usize::MAX);
        content(&base.value).saturating_add(content(&value)) <= MAX_VALUE_BYTES
    });
    if rejoin_vclock::mutant!("siblings-explode") {
        let written = Written { value, parents: Vec::new(), base };
        return cursor
            .write(Effect::Register { ends: Ends::new(), value: Some(RawAtom::of(&written)) });
    }
    let written = Written { value, parents: seen.iter().map(|live| live.dot).collect(), base };
    cursor.overwrite(RawAtom::of(&written))
}

/// Returns the base of a write over these. It is what its author began with: whoever writes twice
/// has still to be brought together with those who had seen neither of the two.
fn base_of_next(seen: &[Live], next: Dot) -> Option<Base> {
    match seen {
        [] => None,
        [one] if one.dot.replica() == next.replica() => one.written.base.clone(),
        [one] => Some(Base { dot: one.dot, value: one.written.value.clone() }),
        [first, rest @ ..] => {
            let base = first.written.base.as_ref()?;
            let is_shared = |live: &Live| live.written.base.as_ref() == Some(base);
            rest.iter().all(is_shared).then(|| base.clone())
        }
    }
}
