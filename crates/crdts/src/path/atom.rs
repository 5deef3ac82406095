//! Atoms: the scalars that serve as map keys, set elements and register values.
//!
//! An atom's encoding describes itself (a reader without the Rust type can show it), delimits
//! itself (no length prefix), is canonical (one value, one byte string) and keeps order (comparing
//! the bytes compares the values). It follows the idea of FoundationDB's tuple layer.
//!
//! | first byte | value | rest |
//! |---|---|---|
//! | 01 | null (`None`) | |
//! | 02, 03 | bytes, string | content with 00 written as 00 FE, then 00 01 |
//! | 04 | list or tuple | the items, then 00 |
//! | 05, 06 | false, true | |
//! | 0C .. 1C | integer | 14 is zero; 14 + n: n big-endian bytes; 14 - n: n complemented bytes |
//! | 20 | float | 8 bytes, order-preserving; every NaN is one NaN |
//! | 21 | UUID | 16 bytes |

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hash;

use rejoin_vclock::codec::{DecodeError, Reader, position};
use rejoin_vclock::{Dot, ReplicaId};
use smallvec::SmallVec;

use crate::error::ReadError;

pub(crate) const NULL: u8 = 0x01;
const BYTES: u8 = 0x02;
const STRING: u8 = 0x03;
pub(super) const LIST: u8 = 0x04;
const FALSE: u8 = 0x05;
const TRUE: u8 = 0x06;
const ZERO: u8 = 0x14;
const FLOAT: u8 = 0x20;
const UUID: u8 = 0x21;
pub(super) const END: u8 = 0x00;
const ESCAPE: u8 = 0xFE;
const STOP: u8 = 0x01;
/// Maximum nesting depth of atoms in lists or pairs, so that hostile bytes cannot exhaust the
/// stack.
pub const MAX_DEPTH: usize = 16;

/// Maximum [bytes of content](RawAtom::content_bytes) of a value. Larger values are stored in
/// parts.
pub const MAX_VALUE_BYTES: usize = 8 << 20;

/// A scalar with one canonical, self-describing, order-preserving encoding.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value that a register, a key or an element can be",
    note = "an enum without fields, or a struct around one value: `#[derive(Atom, Clone)]`",
    note = "a struct whose fields merge one by one: `#[derive(Crdt, Default)]`, without a register"
)]
pub trait Atom: Clone {
    /// Appends the encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one atom; another type than the one asked for is an [`DecodeError::UnknownTag`].
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// An [`Atom`] that can be a map key or a set element.
///
/// Floats are not keys: they do not have the total equality that a user would expect.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can be no key of a map and no element of a set",
    note = "beside `Atom`: `#[derive(Key, PartialEq, Eq, PartialOrd, Ord, Hash)]`"
)]
pub trait Key: Atom + Eq + Ord + Hash {}

pub(super) fn wrong<T>(what: &'static str, tag: u8) -> Result<T, DecodeError> {
    Err(DecodeError::UnknownTag { what, tag })
}

fn write_escaped(content: &[u8], out: &mut Vec<u8>) {
    let mut left = content;
    while let Some((stretch, [_, rest @ ..])) =
        position(left, END).and_then(|at| left.split_at_checked(at))
    {
        out.extend_from_slice(stretch);
        out.extend_from_slice(&[END, ESCAPE]);
        left = rest;
    }
    out.extend_from_slice(left);
    out.extend_from_slice(&[END, STOP]);
}

/// Reads content, borrowed from the input unless something in it is escaped.
fn read_escaped<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    let mut content = Cow::Borrowed(reader.until(END)?);
    loop {
        match reader.byte()? {
            STOP => return Ok(content),
            ESCAPE => {
                let content = content.to_mut();
                content.push(END);
                content.extend_from_slice(reader.until(END)?);
            }
            _ => return Err(DecodeError::Invalid("escape in a string atom")),
        }
    }
}

fn check_utf8(content: &[u8]) -> Result<&str, DecodeError> {
    core::str::from_utf8(content)
        .map_err(|_| DecodeError::Invalid("a string atom that is not UTF-8"))
}

/// Integers as sign and magnitude, in as few bytes as the magnitude needs.
fn write_integer(negative: bool, magnitude: u64, out: &mut Vec<u8>) {
    let skip = magnitude.leading_zeros() / 8;
    #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
    let len = (8 - skip) as u8;
    let (tag, digits) = if negative { (ZERO - len, !magnitude) } else { (ZERO + len, magnitude) };
    out.push(tag);
    out.extend_from_slice(digits.to_be_bytes().get(skip as usize..).unwrap_or_default());
}

fn read_integer(reader: &mut Reader<'_>) -> Result<(bool, u64), DecodeError> {
    let tag = reader.byte()?;
    if !(ZERO - 8..=ZERO + 8).contains(&tag) {
        return wrong("integer atom", tag);
    }
    let negative = tag < ZERO;
    let len = usize::from(tag.abs_diff(ZERO));
    let digits = reader.bytes(len)?.iter().fold(0, |word: u64, &byte| word << 8 | u64::from(byte));
    let mask = u64::MAX.checked_shr(64 - 8 * u32::from(tag.abs_diff(ZERO))).unwrap_or(0);
    let magnitude = if negative { !digits & mask } else { digits };
    let minimal = 8 - (magnitude.leading_zeros() / 8) as usize;
    if minimal != len {
        return Err(DecodeError::NotCanonical("integer atom"));
    }
    Ok((negative, magnitude))
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Atom for $int {
            fn write(&self, out: &mut Vec<u8>) {
                let wide = i128::from(*self);
                #[expect(clippy::cast_possible_truncation, reason = "at most 64 bits wide")]
                write_integer(wide < 0, wide.unsigned_abs() as u64, out);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let (negative, magnitude) = read_integer(reader)?;
                let signed = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
                Self::try_from(signed)
                    .map_err(|_| DecodeError::OutOfRange { what: "integer atom", value: magnitude })
            }
        }

        impl Key for $int {}
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl Atom for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(if *self { TRUE } else { FALSE });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            tag => wrong("boolean atom", tag),
        }
    }
}

impl Key for bool {}

impl Atom for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_str(self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            STRING => check_utf8(&read_escaped(reader)?).map(ToOwned::to_owned),
            tag => wrong("string atom", tag),
        }
    }
}

impl Key for String {}

/// Reads the name of one of a type's values.
///
/// # Errors
/// A name that is not known; bytes that are no string.
pub fn read_name<T>(
    reader: &mut Reader<'_>,
    known: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DecodeError> {
    let name = String::read(reader)?;
    known(&name).ok_or(DecodeError::Invalid("a name that this version does not know"))
}

/// Appends the atom of a string, without the allocation that a `String` would cost.
pub fn write_str(text: &str, out: &mut Vec<u8>) {
    out.push(STRING);
    write_escaped(text.as_bytes(), out);
}

/// Appends the null atom.
pub(crate) fn write_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

impl Atom for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(BYTES);
        write_escaped(self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            BYTES => read_escaped(reader).map(Cow::into_owned),
            tag => wrong("bytes atom", tag),
        }
    }
}

impl Key for Vec<u8> {}

impl Atom for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        let one_nan = self.is_nan() && !rejoin_vclock::mutant!("nan-keeps-its-bits");
        let bits = if one_nan { Self::NAN.to_bits() } else { self.to_bits() };
        let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
        out.push(FLOAT);
        out.extend(ordered.to_be_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = reader.byte()?;
        if tag != FLOAT {
            return wrong("float atom", tag);
        }
        let bytes = reader.bytes(8)?;
        let ordered = bytes.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        let bits = if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered };
        let value = Self::from_bits(bits);
        if value.is_nan() && bits != Self::NAN.to_bits() {
            return Err(DecodeError::NotCanonical("float atom"));
        }
        Ok(value)
    }
}

impl Atom for ReplicaId {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(UUID);
        out.extend(self.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            UUID => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(reader.bytes(16)?);
                Ok(Self::from_bytes(bytes))
            }
            tag => wrong("UUID atom", tag),
        }
    }
}

impl Key for ReplicaId {}

/// A dot is the pair of its replica and its counter.
impl Atom for Dot {
    fn write(&self, out: &mut Vec<u8>) {
        (self.replica(), self.counter()).write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (replica, counter) = <(ReplicaId, u64)>::read(reader)?;
        let outside = DecodeError::OutOfRange { what: "counter of a dot", value: counter };
        Self::new(replica, counter).map_err(|_| outside)
    }
}

impl Key for Dot {}

impl<T: Atom> Atom for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => write_null(out),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ahead = reader.clone();
        if ahead.byte()? == NULL {
            *reader = ahead;
            return Ok(None);
        }
        T::read(reader).map(Some)
    }
}

impl<A: Atom, B: Atom> Atom for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(LIST);
        self.0.write(out);
        self.1.write(out);
        out.push(END);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            LIST => {}
            tag => return wrong("list atom", tag),
        }
        let pair = (A::read(reader)?, B::read(reader)?);
        match reader.byte()? {
            END => Ok(pair),
            tag => wrong("end of a pair", tag),
        }
    }
}

impl<A: Key, B: Key> Key for (A, B) {}

/// An atom of any type, kept as its canonical bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawAtom(SmallVec<[u8; INLINE]>);

/// As many bytes as a pointer to more would take: a number or a short word has no memory of its
/// own.
const INLINE: usize = 16;

impl Clone for RawAtom {
    /// Copies the bytes in one piece, and inline if they fit.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl RawAtom {
    /// The bytes of any atom.
    pub fn of(atom: &impl Atom) -> Self {
        Self::of_over(&mut Vec::new(), atom)
    }

    /// As [`of`](Self::of), over a buffer that whoever makes many atoms keeps.
    pub(crate) fn of_over(buffer: &mut Vec<u8>, atom: &impl Atom) -> Self {
        buffer.clear();
        atom.write(buffer);
        Self(SmallVec::from_slice(buffer))
    }

    /// The bytes of a string.
    pub fn of_str(text: &str) -> Self {
        let mut bytes = Vec::new();
        write_str(text, &mut bytes);
        Self(SmallVec::from_vec(bytes))
    }

    /// Takes bytes that are one canonical atom.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let mut reader = Reader::new(&bytes);
        skip(&mut reader).ok()?;
        reader.is_empty().then(|| Self(SmallVec::from_vec(bytes)))
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes of content, whatever the encoding takes: the length of a string or of bytes,
    /// the sum over the items of a list, the encoding of any other scalar.
    ///
    /// # Errors
    /// Bytes that are no canonical atom, as a user-defined [`Atom`] may write them, or lists that
    /// nest deeper than [`MAX_DEPTH`].
    pub fn content_bytes(&self) -> Result<usize, DecodeError> {
        let mut reader = Reader::new(&self.0);
        let content = check_one(&mut reader, MAX_DEPTH, &check_text)?;
        reader.finish().map(|()| content)
    }

    /// Names the type of the value in words for people.
    pub fn type_name(&self) -> &'static str {
        match self.0.first() {
            Some(&NULL) => "null",
            Some(&BYTES) => "bytes",
            Some(&STRING) => "string",
            Some(&LIST) => "list",
            Some(&(FALSE | TRUE)) => "boolean",
            Some(&FLOAT) => "float",
            Some(&UUID) => "UUID",
            _ => "integer",
        }
    }

    /// Reads the atom as a type; an atom of another type is an error that names it.
    ///
    /// # Errors
    /// [`ReadError::WrongType`], without the place.
    #[doc(hidden)]
    pub fn read_as<T: Atom>(&self) -> Result<T, ReadError> {
        self.to().map_err(|_| ReadError::wrong_type::<T>(self))
    }

    /// Reads the atom as a type; an atom of another type is an error.
    pub fn to<T: Atom>(&self) -> Result<T, DecodeError> {
        let mut reader = Reader::new(&self.0);
        let value = T::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

impl Atom for RawAtom {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (bytes, content) = measure(reader)?;
        if content > MAX_VALUE_BYTES {
            let value = content as u64;
            return Err(DecodeError::OutOfRange { what: "length of a value", value });
        }
        Ok(Self(SmallVec::from_slice(bytes)))
    }
}

impl Key for RawAtom {}

/// True if these bytes begin a list, or end one.
pub(crate) fn opens_list(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(&(LIST | END)))
}

/// Steps over one atom of any type, checking that it is canonical, and returns its bytes.
pub(crate) fn skip<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    measure(reader).map(|(bytes, _)| bytes)
}

/// As [`skip`], and also returns the number of bytes of content.
fn measure<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], usize), DecodeError> {
    let mut ahead = reader.clone();
    let start = ahead.position();
    let content = check_one(&mut ahead, MAX_DEPTH, &check_text)?;
    Ok((reader.bytes(ahead.position() - start)?, content))
}

/// Steps over one atom that was checked before: a walk through paths does not check text again.
pub(crate) fn pass(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    check_one(reader, MAX_DEPTH, &|_| Ok(())).map(drop)
}

fn check_text(bytes: &[u8]) -> Result<(), DecodeError> {
    check_utf8(bytes).map(drop)
}

/// Steps over one atom and returns the number of its bytes of content; `text` checks each part of a
/// string between two escaped bytes.
fn check_one(
    reader: &mut Reader<'_>,
    depth: usize,
    text: &impl Fn(&[u8]) -> Result<(), DecodeError>,
) -> Result<usize, DecodeError> {
    let Some(deeper) = depth.checked_sub(1) else {
        return Err(DecodeError::Invalid("an atom that nests too deep"));
    };
    let start = reader.position();
    let mut ahead = reader.clone();
    let tag = ahead.byte()?;
    match tag {
        NULL | FALSE | TRUE => *reader = ahead,
        BYTES => {
            *reader = ahead;
            return check_escaped(reader, &|_: &[u8]| Ok(()));
        }
        STRING => {
            *reader = ahead;
            return check_escaped(reader, text);
        }
        FLOAT => drop(f64::read(reader)?),
        UUID => drop(ReplicaId::read(reader)?),
        LIST => {
            *reader = ahead;
            return check_list(reader, deeper, text);
        }
        _ => drop(read_integer(reader)?),
    }
    Ok(reader.position() - start)
}

/// Steps over content, checking each part between two escaped bytes, and returns its length.
fn check_escaped(
    reader: &mut Reader<'_>,
    check: &impl Fn(&[u8]) -> Result<(), DecodeError>,
) -> Result<usize, DecodeError> {
    let mut content = 0;
    loop {
        let stretch = reader.until(END)?;
        check(stretch)?;
        content += stretch.len();
        match reader.byte()? {
            STOP => return Ok(content),
            ESCAPE => content += 1,
            _ => return Err(DecodeError::Invalid("escape in a string atom")),
        }
    }
}

fn check_list(
    reader: &mut Reader<'_>,
    depth: usize,
    text: &impl Fn(&[u8]) -> Result<(), DecodeError>,
) -> Result<usize, DecodeError> {
    let mut content = 0;
    loop {
        let mut ahead = reader.clone();
        if ahead.byte()? == END {
            *reader = ahead;
            return Ok(content);
        }
        content += check_one(reader, depth, text)?;
    }
}

impl fmt::Display for RawAtom {
    /// Shows the value as a person would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&mut Reader::new(&self.0), f)
    }
}

impl fmt::Debug for RawAtom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn show(reader: &mut Reader<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut ahead = reader.clone();
    match ahead.byte().map_err(|_| fmt::Error)? {
        NULL => {
            *reader = ahead;
            f.write_str("null")
        }
        STRING => f.write_str(&String::read(reader).map_err(|_| fmt::Error)?),
        FALSE | TRUE => write!(f, "{}", bool::read(reader).map_err(|_| fmt::Error)?),
        FLOAT => write!(f, "{}", f64::read(reader).map_err(|_| fmt::Error)?),
        UUID => write!(f, "{}", ReplicaId::read(reader).map_err(|_| fmt::Error)?),
        BYTES => {
            f.write_str("0x")?;
            let bytes = Vec::<u8>::read(reader).map_err(|_| fmt::Error)?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
        LIST => {
            *reader = ahead;
            show_list(reader, f)
        }
        _ => {
            let (negative, magnitude) = read_integer(reader).map_err(|_| fmt::Error)?;
            write!(f, "{}{magnitude}", if negative { "-" } else { "" })
        }
    }
}

fn show_list(reader: &mut Reader<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    let mut first = true;
    loop {
        let mut ahead = reader.clone();
        if ahead.byte().map_err(|_| fmt::Error)? == END {
            *reader = ahead;
            return f.write_str(")");
        }
        if !first {
            f.write_str(", ")?;
        }
        first = false;
        show(reader, f)?;
    }
}
