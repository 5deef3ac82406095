//! The place of a value: object key, then a (name, kind) pair per level.
//!
//! A path is one byte string, `atom kind atom kind ...`. Both halves delimit themselves and keep
//! order, so everything below a path is one contiguous range of byte strings, and a delta, a cell
//! in memory and a record in a block name a place in the same way. The first segment is the object:
//! its key in a space, null in a plain [`Replica`](crate::Replica). Atoms and kinds are here, too,
//! because whoever writes a name or a value down needs them, and nothing else of the crate.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub(crate) mod atom;
mod items;
mod kind;

use alloc::vec::Vec;
use core::fmt;

use rejoin_vclock::Dot;
use rejoin_vclock::codec::{DecodeError, Reader};
use smallvec::SmallVec;

use atom::skip;

/// What derived code names.
#[doc(hidden)]
pub mod derived {
    pub use alloc::vec::Vec;

    pub use rejoin_vclock::codec::{DecodeError, Reader};

    pub use super::atom::{read_name, write_str as write_name};
}

pub use atom::{Atom, Key, MAX_DEPTH, MAX_VALUE_BYTES, RawAtom};
pub use items::Items;
pub use kind::Kind;

/// Maximum length of a path in bytes: all keys on the way to a place, with three bytes for each of
/// them and a kind for each level. Longer keys belong into values.
pub const MAX_PATH_BYTES: usize = 4096;

/// Maximum number of levels of a path, so that hostile bytes cannot exhaust the stack.
pub const MAX_LEVELS: usize = 64;

/// The place of a value inside a space or a plain replica.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(SmallVec<[u8; INLINE]>);

/// A path that is no longer than this takes no memory of its own: an object, a key, and a field or
/// an element.
const INLINE: usize = 32;

impl Clone for Path {
    /// Copies the bytes in one piece, and inline if they fit.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl Path {
    /// The place of the one object of a plain replica.
    pub fn root(kind: Kind) -> Self {
        Self(SmallVec::from_slice(&[atom::NULL, kind.tag()]))
    }

    /// The place of an object of a space.
    pub fn object(key: &str, kind: Kind) -> Self {
        Self::default().child(kind, |out| atom::write_str(key, out))
    }

    /// The child named by a struct's field name.
    pub fn field(&self, name: &str, kind: Kind) -> Self {
        self.child(kind, |out| atom::write_str(name, out))
    }

    /// The child named by a map key or a set element.
    pub fn key(&self, key: &impl Atom, kind: Kind) -> Self {
        self.child(kind, |out| key.write(out))
    }

    /// The place at a path from here.
    pub(crate) fn below(&self, path: &[u8]) -> Self {
        Self::joined(&self.0, path)
    }

    /// True if a path continues from here with these bytes.
    pub(crate) fn is_followed(&self, path: &Self, below: &[u8]) -> bool {
        path.0.strip_prefix(self.0.as_slice()).is_some_and(|path| path.starts_with(below))
    }

    /// Returns the rest of `below`, which begins here, for a child: empty if it does not reach
    /// further; `None` if it leads elsewhere.
    pub fn left_for<'a>(&self, child: &Self, below: &'a [u8]) -> Option<&'a [u8]> {
        let child = child.0.strip_prefix(self.0.as_slice())?;
        below.strip_prefix(child).or_else(|| child.starts_with(below).then_some(&[]))
    }

    /// The same name as another kind; `None` for the empty path, which has no name.
    pub(crate) fn as_kind(&self, kind: Kind) -> Option<Self> {
        let (_, name) = self.0.split_last()?;
        Some(Self::joined(name, &[kind.tag()]))
    }

    fn child(&self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut name = Vec::with_capacity(24);
        self.child_over(&mut name, kind, write)
    }

    /// The child with a name that is written into a buffer first, whatever was in there: who makes
    /// many paths keeps one.
    pub(crate) fn child_over(
        &self,
        buffer: &mut Vec<u8>,
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        buffer.clear();
        write(buffer);
        buffer.push(kind.tag());
        Self::joined(&self.0, buffer)
    }

    /// Takes bytes from outside as a path.
    ///
    /// # Errors
    /// Bytes that are not canonical, a kind that may not stand where it stands, or too many levels.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        Self(SmallVec::from_vec(bytes)).checked()
    }

    /// As [`parse`](Self::parse), of bytes in two pieces.
    pub(crate) fn parse_pieces(first: &[u8], then: &[u8]) -> Result<Self, DecodeError> {
        Self::joined(first, then).checked()
    }

    /// As [`parse_pieces`](Self::parse_pieces), of bytes that were checked before.
    pub(crate) fn joined(first: &[u8], then: &[u8]) -> Self {
        let (ends, length) = (first.len(), first.len() + then.len());
        let mut inline = [0; INLINE];
        if let Some((front, back)) =
            inline.get_mut(..length).and_then(|bytes| bytes.split_at_mut_checked(ends))
        {
            front.copy_from_slice(first);
            back.copy_from_slice(then);
            return Self(SmallVec::from_buf_and_len(inline, length));
        }
        Self(SmallVec::from_vec([first, then].concat()))
    }

    fn checked(self) -> Result<Self, DecodeError> {
        self.check().map(|()| self)
    }

    /// Checks that [`parse`](Self::parse) accepts it, as every receiver will.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        Self::check_bytes(&self.0)
    }

    /// Checks that bytes are a path.
    pub(crate) fn check_bytes(path: &[u8]) -> Result<(), DecodeError> {
        let value = path.len() as u64;
        if value > MAX_PATH_BYTES as u64 {
            return Err(DecodeError::OutOfRange { what: "length of a path", value });
        }
        let mut reader = Reader::new(path);
        let mut above = Kind::Map;
        for _ in 0..MAX_LEVELS {
            if above.names_by_dot() {
                let _: Dot = Atom::read(&mut reader)?;
            } else {
                atom::skip(&mut reader)?;
            }
            let kind = Kind::from_tag(reader.byte()?)?;
            if !above.may_hold(kind) {
                return Err(DecodeError::Invalid("a kind that may not stand at its place"));
            }
            above = kind;
            if reader.is_empty() {
                return Ok(());
            }
        }
        let what = "number of levels of a path";
        Err(DecodeError::OutOfRange { what, value: MAX_LEVELS as u64 + 1 })
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The kind of the thing at this place; `None` for the empty path only.
    pub fn kind(&self) -> Option<Kind> {
        self.0.last().and_then(|&tag| Kind::from_tag(tag).ok())
    }

    /// Returns the end of the path of the value that this one stands in.
    pub(crate) fn above(&self) -> usize {
        last_segment(&self.0)
    }

    /// The names along the way, the object's key first.
    pub fn names(&self) -> impl Iterator<Item = RawAtom> + '_ {
        let mut rest = self.0.as_slice();
        core::iter::from_fn(move || {
            let (name, _, below) = split(rest)?;
            rest = below;
            Some(name)
        })
    }

    /// Returns the number of names along the way.
    pub fn levels(&self) -> usize {
        name_ends(&self.0, 0).count()
    }

    /// The object's key, when it is a string.
    pub fn object_key(&self) -> Option<alloc::string::String> {
        self.names().next()?.to().ok()
    }
}

impl fmt::Display for Path {
    /// Shows names joined by slashes: `alice/lines/apples`. The one object of a plain replica,
    /// which has no name, is left out: `lines/apples`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nameless = self.0.first() == Some(&atom::NULL);
        let mut names = self.names().skip(usize::from(nameless)).peekable();
        if names.peek().is_none() {
            return f.write_str("the value");
        }
        while let Some(name) = names.next() {
            write!(f, "{name}{}", if names.peek().is_some() { "/" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Takes the first segment off: its name, its kind, and what follows.
#[doc(hidden)]
pub fn split(path: &[u8]) -> Option<(RawAtom, Kind, &[u8])> {
    let mut reader = Reader::new(path);
    let name = RawAtom::read(&mut reader).ok()?;
    let kind = Kind::from_tag(reader.byte().ok()?).ok()?;
    let rest = path.get(reader.position()..)?;
    Some((name, kind, rest))
}

/// True if a path leads to a leaf, below which nothing can stand.
pub(crate) fn leads_to_leaf(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some((_, kind, below)) = split(rest) {
        if below.is_empty() {
            return kind.is_leaf();
        }
        rest = below;
    }
    false
}

/// Takes the first segment off when its name reads as a `K`.
pub(crate) fn split_as<K: Atom>(path: &[u8]) -> Option<(K, Kind, &[u8])> {
    let mut reader = Reader::new(path);
    let key = K::read(&mut reader).ok()?;
    let kind = Kind::from_tag(reader.byte().ok()?).ok()?;
    let rest = path.get(reader.position()..)?;
    Some((key, kind, rest))
}

/// Reads the name at the beginning of a path as a `K`; a kind may follow or not.
pub(crate) fn first_name<K: Atom>(path: &[u8]) -> Option<K> {
    K::read(&mut Reader::new(path)).ok()
}

/// Shows the names on the way to a path: for each level, the path up to its name, without a kind.
#[doc(hidden)]
pub fn names(path: &[u8], show: &mut dyn FnMut(&[u8])) {
    name_ends(path, 0).for_each(|end| show(path.get(..end).unwrap_or_default()));
}

/// Iterates over the ends of the names, for each level from the segment that begins at `from`. The
/// next segment begins one byte, the kind's, behind each end. The path is one that was checked.
#[doc(hidden)]
pub fn name_ends(path: &[u8], from: usize) -> impl Iterator<Item = usize> {
    let mut at = from;
    core::iter::from_fn(move || {
        let mut reader = Reader::new(path.get(at..)?);
        atom::pass(&mut reader).ok()?;
        let end = at + reader.position();
        Kind::from_tag(reader.byte().ok()?).ok()?;
        at = end + 1;
        Some(end)
    })
}

/// Returns the beginning of the last segment of a path.
pub(crate) fn last_segment(path: &[u8]) -> usize {
    let (mut last, mut next) = (0, 0);
    for end in name_ends(path, 0) {
        (last, next) = (next, end + 1);
    }
    last
}

/// Iterates over the items and nodes in whose value, or below it, a path ends, from a place of the
/// kind `above`: the end of each one's name, and the kind of the part that stands beside the value
/// and says if it is there.
pub(crate) fn items_on_the_way(
    mut above: Option<Kind>,
    below: &[u8],
) -> impl Iterator<Item = (usize, Kind)> + '_ {
    name_ends(below, 0).filter_map(move |end| {
        let here = below.get(end).and_then(|&tag| Kind::from_tag(tag).ok());
        let part = core::mem::replace(&mut above, here).and_then(Kind::part)?;
        if rejoin_vclock::mutant!("gone-items-are-seen") {
            return None;
        }
        (here != Some(part)).then_some((end, part))
    })
}

/// True if these bytes are a path with one more name behind it, and no kind.
#[doc(hidden)]
pub fn is_name(bytes: &[u8]) -> bool {
    let last = name_ends(bytes, 0).last().map_or(0, |end| end + 1);
    let mut reader = Reader::new(bytes.get(last..).unwrap_or_default());
    !reader.is_empty() && skip(&mut reader).is_ok() && reader.is_empty()
}

/// Takes the first segment off when its name is a string, as a struct's fields are.
#[doc(hidden)]
pub fn split_field(path: &[u8]) -> Option<(alloc::string::String, Kind, &[u8])> {
    split_as(path)
}

/// Reads the name if it is the whole of a path, without a kind.
pub(crate) fn last_name<K: Atom>(name: &[u8]) -> Option<K> {
    let mut reader = Reader::new(name);
    let key = K::read(&mut reader).ok()?;
    reader.is_empty().then_some(key)
}

/// Reads a struct's field name if it is the whole of a path, without a kind.
#[doc(hidden)]
pub fn last_field(name: &[u8]) -> Option<alloc::string::String> {
    last_name(name)
}

/// Returns the number of bytes that two paths share at their beginnings.
pub(crate) fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}
