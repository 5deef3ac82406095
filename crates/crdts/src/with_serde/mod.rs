//! serde for the public data types: readable where people read, canonical bytes elsewhere.
//!
//! Every value that comes in goes through the checked decoders of the crate's own encoding, so that
//! serde is no way around them. In a readable format (JSON) an [`Atom`] is the format's own value
//! where that is exact, and a map with one entry that names the type where it is not:
//!
//! | atom | readable |
//! |---|---|
//! | null, boolean, string | the format's own |
//! | integer up to 2^53 in magnitude | a number |
//! | other integer, float | `{"integer": "18446744073709551615"}`, `{"float": "0.5"}` |
//! | bytes, UUID | `{"bytes": "c0ffee"}`, `{"uuid": "00c0ffee..."}` |
//! | list | a sequence |
//!
//! A browser keeps all of these exactly: it would round a greater number, and turn `1.0` into `1`.
//! A [`Path`] is a sequence of (name, kind); a [`Delta`] is its bytes in hexadecimal, because only
//! its bytes are canonical. Values that are only to be seen go one way.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub(crate) mod values;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::delta::Delta;
use crate::path::{Atom, Kind, Path, RawAtom, split};
use crate::value::{Action, ConflictRecord, Rule, Side};

/// The first byte of a list atom, and the one after its last item.
const LIST: u8 = 0x04;
const LIST_END: u8 = 0x00;

/// The first byte of an integer atom below zero with the longest magnitude.
const LEAST_INTEGERS: u8 = 0x0C;

/// The greatest integer that a browser's numbers hold exactly.
const GREATEST_EXACT: u64 = 1 << 53;

/// Turns the outcome of a decoder into serde's.
fn checked<T, E: Error>(outcome: Result<T, DecodeError>) -> Result<T, E> {
    outcome.map_err(E::custom)
}

/// The atom with these canonical bytes.
fn atom_of(bytes: &[u8]) -> Result<RawAtom, DecodeError> {
    let mut reader = Reader::new(bytes);
    let atom = RawAtom::read(&mut reader)?;
    reader.finish()?;
    Ok(atom)
}

impl Serialize for RawAtom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serialize_readable(self, serializer)
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

fn serialize_readable<S: Serializer>(atom: &RawAtom, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(text) = atom.to::<Option<String>>() {
        text.serialize(serializer) // null, too
    } else if let Ok(truth) = atom.to::<bool>() {
        serializer.serialize_bool(truth)
    } else if let Ok(number) = atom.to::<i64>()
        && number.unsigned_abs() <= GREATEST_EXACT
    {
        serializer.serialize_i64(number)
    } else if let Ok(number) = atom.to::<f64>() {
        tagged("float", &number.to_string(), serializer)
    } else if let Ok(id) = atom.to::<ReplicaId>() {
        tagged("uuid", &id.to_string(), serializer)
    } else if let Ok(bytes) = atom.to::<Vec<u8>>() {
        tagged("bytes", &to_hex(&bytes), serializer)
    } else if let Some(items) = items(atom) {
        let mut list = serializer.serialize_seq(Some(items.len()))?;
        items.iter().try_for_each(|item| list.serialize_element(item))?;
        list.end()
    } else {
        tagged("integer", &atom.to_string(), serializer)
    }
}

/// A map with one entry: the name of the type and the value as text.
fn tagged<S: Serializer>(tag: &str, text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, text)?;
    map.end()
}

/// The items of a list atom.
pub(crate) fn items(list: &RawAtom) -> Option<Vec<RawAtom>> {
    let content = list.as_bytes().strip_prefix(&[LIST])?.strip_suffix(&[LIST_END])?;
    let mut reader = Reader::new(content);
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.push(RawAtom::read(&mut reader).ok()?);
    }
    Some(items)
}

impl<'de> Deserialize<'de> for RawAtom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Readable)
        } else {
            checked(atom_of(&deserializer.deserialize_byte_buf(Bytes)?))
        }
    }
}

/// Reads an atom from a readable format.
struct Readable;

impl<'de> Visitor<'de> for Readable {
    type Value = RawAtom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, number, string or list, or a map from a type to its text")
    }

    fn visit_unit<E: Error>(self) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&None::<bool>))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawAtom, E> {
        Ok(RawAtom::of(&text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawAtom, A::Error> {
        let mut bytes = Vec::from([LIST]);
        while let Some(item) = list.next_element::<RawAtom>()? {
            bytes.extend_from_slice(item.as_bytes());
        }
        bytes.push(LIST_END);
        checked(atom_of(&bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawAtom, A::Error> {
        let Some((tag, text)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::custom("an empty map names no type"));
        };
        if map.next_entry::<String, String>()?.is_some() {
            return Err(A::Error::custom("an atom has one type"));
        }
        atom_from_text(&tag, &text)
            .ok_or_else(|| A::Error::custom(format!("`{text}` is no atom of the type `{tag}`")))
    }
}

pub(crate) fn atom_from_text(tag: &str, text: &str) -> Option<RawAtom> {
    match tag {
        "integer" => integer_from_text(text),
        "float" => text.parse::<f64>().ok().map(|number| RawAtom::of(&number)),
        "uuid" => text.parse::<ReplicaId>().ok().map(|id| RawAtom::of(&id)),
        "bytes" => from_hex(text).map(|bytes| RawAtom::of(&bytes)),
        _ => None,
    }
}

fn integer_from_text(text: &str) -> Option<RawAtom> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(RawAtom::of(&number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(RawAtom::of(&number));
    }
    // No Rust integer of 64 bits holds it, but the encoding does.
    let magnitude = text.strip_prefix('-')?.parse::<u64>().ok()?;
    let mut bytes = Vec::from([LEAST_INTEGERS]);
    bytes.extend((!magnitude).to_be_bytes());
    atom_of(&bytes).ok()
}

impl Serialize for Kind {
    /// Writes the variant's name, or the tag of the encoding.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{self:?}"))
        } else {
            serializer.serialize_u8(self.tag())
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return checked(Self::from_tag(u8::deserialize(deserializer)?));
        }
        let name = String::deserialize(deserializer)?;
        let found = Self::ALL.into_iter().find(|kind| format!("{kind:?}") == name);
        found.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&name), &"the name of a kind"))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.as_bytes());
        }
        let mut rest = self.as_bytes();
        serializer.collect_seq(core::iter::from_fn(|| {
            let (name, kind, below) = split(rest)?;
            rest = below;
            Some((name, kind))
        }))
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = if deserializer.is_human_readable() {
            let segments = Vec::<(RawAtom, Kind)>::deserialize(deserializer)?;
            let bytes_of =
                |(name, kind): &(RawAtom, Kind)| [name.as_bytes(), &[kind.tag()]].concat();
            segments.iter().flat_map(bytes_of).collect()
        } else {
            deserializer.deserialize_byte_buf(Bytes)?
        };
        if bytes.is_empty() { Ok(Self::default()) } else { checked(Self::parse(bytes)) }
    }
}

impl Serialize for Delta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return Err(S::Error::custom("a delta that changes nothing is not sent"));
        }
        let bytes = self.to_bytes();
        if serializer.is_human_readable() {
            serializer.serialize_str(&to_hex(&bytes))
        } else {
            serializer.serialize_bytes(&bytes)
        }
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            from_hex(&text).ok_or_else(|| D::Error::custom("a delta is lower-case hex digits"))?
        } else {
            deserializer.deserialize_byte_buf(Bytes)?
        };
        checked(Self::from_bytes(&bytes))
    }
}

/// Mirrors a type for serde's derive, and keeps the derive's traits on the type itself.
macro_rules! mirrored {
    ($($mirror:ident for $type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $mirror::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $mirror::deserialize(deserializer)
            }
        }
    )*};
}
mirrored!(MirrorOfSide for Side, MirrorOfRecord for ConflictRecord);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Side", rename = "Side")]
struct MirrorOfSide {
    dot: Dot,
    action: Action,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ConflictRecord", rename = "ConflictRecord")]
struct MirrorOfRecord {
    path: Path,
    rule: Rule,
    kept: Vec<Side>,
    overridden: Vec<Side>,
    by: Dot,
    stamp: HybridTimestamp,
}

/// Accepts a byte string in any form that the format gives.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canonical bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new(); // a claimed length reserves nothing
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses the bytes of an even number of lower-case hex digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}
