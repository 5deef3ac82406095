//! The bytes of a policy: one policy, one byte string.
//!
//! ```text
//! policy   tag, then
//!   8  per field   policy of the others · n, then n x (name: length, bytes; policy), ascending
//!  10  priority    n, then n x id (16)
//!  12  chain       n, then n x policy
//!  13  custom      name: length, bytes · version
//! ```
//!
//! The other tags stand alone: 1 keep all, 2 last writer, 3 first writer, 4 max, 5 min, 6 union, 7
//! sum, 9 three-way, 11 version vector.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};

use crate::custom::CustomName;
use crate::policy::Policy;

/// Maximum number of bytes of a policy. A larger one encodes, and no one reads it back.
pub const MAX_POLICY_BYTES: usize = 64 << 10;
/// Maximum nesting depth of chains and of fields within fields.
pub const MAX_DEPTH: usize = 8;

impl Policy {
    /// A hash of the policy's bytes, to tell policies apart: FNV-1a of 128 bits. It is no
    /// protection against somebody who makes two policies of one hash.
    pub fn hash(&self) -> [u8; 16] {
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let bytes = self.to_bytes();
        let mixed =
            bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
        mixed.to_be_bytes()
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::KeepAll => 1,
            Self::LastWriterWins => 2,
            Self::FirstWriterWins => 3,
            Self::Max => 4,
            Self::Min => 5,
            Self::Union => 6,
            Self::Sum => 7,
            Self::PerField { .. } => 8,
            Self::ThreeWay => 9,
            Self::Priority(_) => 10,
            Self::VersionVector => 11,
            Self::Chain(_) => 12,
            Self::Custom(_) => 13,
        }
    }
}

impl Encode for Policy {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            Self::PerField { fields, otherwise } => {
                otherwise.encode(out);
                write_varint(out, fields.len() as u64);
                for (name, policy) in fields {
                    write_length_prefixed(out, name.as_bytes());
                    policy.encode(out);
                }
            }
            Self::Priority(replicas) => {
                write_varint(out, replicas.len() as u64);
                replicas.iter().for_each(|replica| out.extend(replica.to_bytes()));
            }
            Self::Chain(policies) => {
                write_varint(out, policies.len() as u64);
                policies.iter().for_each(|policy| policy.encode(out));
            }
            Self::Custom(CustomName { name, version }) => {
                write_length_prefixed(out, name.as_bytes());
                write_varint(out, u64::from(*version));
            }
            _ => {}
        }
    }
}

impl Decode for Policy {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.remaining() as u64;
        if value > MAX_POLICY_BYTES as u64 {
            return Err(DecodeError::OutOfRange { what: "length of a policy", value });
        }
        decode(reader, MAX_DEPTH)
    }
}

fn decode(reader: &mut Reader<'_>, depth: usize) -> Result<Policy, DecodeError> {
    let Some(deeper) = depth.checked_sub(1) else {
        return Err(DecodeError::Invalid("a policy that nests too deep"));
    };
    Ok(match reader.byte()? {
        1 => Policy::KeepAll,
        2 => Policy::LastWriterWins,
        3 => Policy::FirstWriterWins,
        4 => Policy::Max,
        5 => Policy::Min,
        6 => Policy::Union,
        7 => Policy::Sum,
        8 => per_field(reader, deeper)?,
        9 => Policy::ThreeWay,
        10 => {
            let id = |reader: &mut Reader<'_>| reader.array().map(ReplicaId::from_bytes);
            Policy::Priority(list(reader, 16, id)?)
        }
        11 => Policy::VersionVector,
        12 => Policy::Chain(list(reader, 1, |reader| decode(reader, deeper))?),
        13 => {
            let name = text(reader)?;
            let value = reader.varint()?;
            let beyond = DecodeError::OutOfRange { what: "version of a policy", value };
            let version = u32::try_from(value).map_err(|_| beyond)?;
            Policy::Custom(CustomName { name, version })
        }
        tag => return Err(DecodeError::UnknownTag { what: "policy", tag }),
    })
}

fn per_field(reader: &mut Reader<'_>, deeper: usize) -> Result<Policy, DecodeError> {
    let otherwise = Box::new(decode(reader, deeper)?);
    let mut fields = BTreeMap::new();
    for _ in 0..reader.count(2)? {
        let name = text(reader)?;
        if fields.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(DecodeError::NotCanonical("the fields of a policy"));
        }
        fields.insert(name, decode(reader, deeper)?);
    }
    Ok(Policy::PerField { fields, otherwise })
}

fn list<T>(
    reader: &mut Reader<'_>,
    least: usize,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    (0..reader.count(least)?).map(|_| item(reader)).collect()
}

fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let bytes = reader.length_prefixed()?;
    let text = core::str::from_utf8(bytes);
    text.map(String::from).map_err(|_| DecodeError::Invalid("a name that is not UTF-8"))
}
