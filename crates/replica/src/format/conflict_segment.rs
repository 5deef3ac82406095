//! Segments of the conflict log: some hundred records in a row, and which of them are about what.
//!
//! ```text
//! segment  envelope 'T' · records · bytes · earliest time · latest time · n, then n x term (8)
//!          · n, then n x (origin (16), its last transaction that caused a record)
//! opens    envelope 'U' · for each open record its offset (1), the hash of its path (8)
//! term     envelope 'Z' · the offsets of the records
//! ```
//!
//! The row of open records is written with the segment, and again from time to time: what was
//! settled since has a row of its own.
//!
//! A term is a hash of what a record is about: its object, a peer, its rule, its policy, its
//! strategy. Two that have one hash only cost a look at the record.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_crdts::Rule;
use rejoin_crdts::path::name_ends;
use rejoin_resolve::Policy;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::format::conflict::{Conflict, Strategy, Version, rule_tag};
use crate::format::stable_hash::stable_hash;
use crate::format::{envelope, row};

const VERSION: u8 = 1;
const WHAT: &str = "version of a segment of the conflict log";

/// A hash of what records are about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Term(pub u64);

impl Term {
    /// The object of a path.
    pub(crate) fn object(path: &[u8]) -> Self {
        let name = name_ends(path, 0).next().and_then(|end| path.get(..end));
        Self(stable_hash(1, name.unwrap_or(path)))
    }

    pub(crate) fn peer(peer: ReplicaId) -> Self {
        Self(stable_hash(2, &peer.to_bytes()))
    }

    pub(crate) fn rule(rule: Rule) -> Self {
        Self(stable_hash(3, &[rule_tag(rule)]))
    }

    pub(crate) fn policy(policy: &Policy) -> Self {
        Self(stable_hash(4, &policy.to_bytes()))
    }

    pub(crate) fn strategy(strategy: Strategy) -> Self {
        Self(stable_hash(5, &[strategy as u8]))
    }
}

/// What a record is about.
pub(crate) fn terms(conflict: &Conflict) -> Vec<Term> {
    let mut terms = Vec::with_capacity(5);
    terms.push(Term::object(conflict.path.as_bytes()));
    terms.push(Term::rule(conflict.rule));
    terms.push(Term::strategy(conflict.strategy()));
    terms.extend(conflict.policy.as_ref().map(Term::policy));
    terms.extend(conflict.versions().map(|version| Term::peer(version.dot.replica())));
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The bytes of a row that names records by their offsets.
pub(crate) fn seal(offsets: &[u8]) -> Vec<u8> {
    envelope::seal(b'Z', VERSION, offsets)
}

/// The offsets of the records that a row names.
///
/// # Errors
/// Damage, or a version that this program does not know.
pub(crate) fn offsets(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    envelope::open(b'Z', VERSION, WHAT, bytes)
}

/// Some records in a row.
#[derive(Clone, Default, Debug)]
pub(crate) struct Segment {
    /// The number of the first.
    pub first: u64,
    pub count: u64,
    /// The length of all of them.
    pub bytes: u64,
    /// The times of the earliest and of the latest.
    pub earliest: u64,
    pub latest: u64,
    /// How many of them are open, and how many were settled since the row says which; this is known
    /// in memory only.
    pub open: u64,
    pub settled: u64,
}

impl Segment {
    /// The number after the last record.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.count
    }

    pub(crate) fn add(&mut self, at: u64, bytes: u64) {
        self.earliest = if self.count == 0 { at } else { self.earliest.min(at) };
        self.latest = self.latest.max(at);
        self.count += 1;
        self.bytes += bytes;
    }

    pub(crate) fn encode(&self, terms: &[Term], last: &BTreeMap<ReplicaId, u64>) -> Vec<u8> {
        let mut body = Vec::with_capacity(8 * terms.len() + 18 * last.len() + 16);
        for number in [self.count, self.bytes, self.earliest, self.latest, terms.len() as u64] {
            write_varint(&mut body, number);
        }
        terms.iter().for_each(|term| body.extend(term.0.to_be_bytes()));
        write_varint(&mut body, last.len() as u64);
        for (origin, last) in last {
            origin.encode(&mut body);
            write_varint(&mut body, *last);
        }
        envelope::seal(b'T', VERSION, &body)
    }

    /// Reads a segment, its terms, and of each origin the last transaction that caused a record.
    ///
    /// # Errors
    /// Damage, or a version that this program does not know.
    pub(crate) fn decode(first: u64, bytes: &[u8]) -> Result<Summary, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'T', VERSION, WHAT, bytes)?);
        let [count, bytes, earliest, latest] =
            [reader.varint()?, reader.varint()?, reader.varint()?, reader.varint()?];
        if !(1..=256).contains(&count) {
            return Err(DecodeError::OutOfRange { what: "records in a segment", value: count });
        }
        let mut terms = Vec::new();
        for _ in 0..reader.count(8)? {
            terms.push(Term(u64::from_be_bytes(reader.array()?)));
        }
        let mut last = Vec::new();
        for _ in 0..reader.count(17)? {
            last.push((ReplicaId::decode(&mut reader)?, reader.varint()?));
        }
        reader.finish()?;
        let (open, settled) = (0, 0);
        let segment = Self { first, count, bytes, earliest, latest, open, settled };
        Ok(Summary { segment, terms, last })
    }
}

/// What the row of a segment says.
pub(crate) struct Summary {
    pub segment: Segment,
    pub terms: Vec<Term>,
    pub last: Vec<(ReplicaId, u64)>,
}

/// The hash of a path in the row of open records.
pub(crate) fn path_hash(path: &[u8]) -> u64 {
    stable_hash(0, path)
}

/// The bytes of the row of a segment's open records; `None` if there are none.
pub(crate) fn seal_opens(opens: impl Iterator<Item = (u8, u64)>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (offset, path) in opens {
        body.push(offset);
        body.extend(path.to_be_bytes());
    }
    (!body.is_empty()).then(|| envelope::seal(b'U', VERSION, &body))
}

/// The offsets of open records and the hashes of their paths, from a row; none where there is no
/// row.
///
/// # Errors
/// Damage, or a version that this program does not know.
pub(crate) fn opens(bytes: Option<&[u8]>) -> Result<Vec<(u8, u64)>, DecodeError> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let mut reader = Reader::new(envelope::open(b'U', VERSION, WHAT, bytes)?);
    let mut opens = Vec::new();
    while !reader.is_empty() {
        opens.push((reader.byte()?, u64::from_be_bytes(reader.array()?)));
    }
    Ok(opens)
}

/// Checks a row of the conflict log.
///
/// # Errors
/// Damage, or a version that this program does not know.
pub(crate) fn check(key: &[u8], bytes: &[u8]) -> Result<(), DecodeError> {
    let (table, number) = row::of_conflicts(key).ok_or(DecodeError::Invalid("no such row"))?;
    match table {
        row::CONFLICTS => Conflict::decode(number, bytes).map(drop),
        row::CONFLICTS_SETTLED => Version::decode(bytes).map(drop),
        row::CONFLICT_SEGMENTS => Segment::decode(number, bytes).map(drop),
        row::CONFLICT_OPENS => opens(Some(bytes)).map(drop),
        _ => offsets(bytes).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn segments_are_as_documented() {
        let bytes = example("conflict-segment");
        let Summary { segment, terms, last } = Segment::decode(7, &bytes).expect("a segment");
        let id = ReplicaId::from_bytes([2; 16]);
        assert_eq!((segment.first, segment.count, segment.bytes), (7, 2, 300));
        assert_eq!((terms.len(), &last[..]), (2, &[(id, 9)][..]));
        assert_eq!(segment.encode(&terms, &last.into_iter().collect()), bytes);
        let bytes = example("conflict-opens");
        let open = opens(Some(&bytes)).expect("open records");
        assert_eq!(open, [(1, path_hash(b"a"))]);
        assert_eq!(seal_opens(open.into_iter()), Some(bytes));
        let bytes = example("conflict-term");
        assert_eq!(offsets(&bytes), Ok(&[0, 1][..]));
        assert_eq!(seal(&[0, 1]), bytes);
    }

    /// Whatever stands in a row, it is read or refused, and what is read is written back as it was.
    #[test]
    fn changed_rows_never_panic() {
        let rows = [
            (row::conflict(7), "conflict", b'K'),
            (row::conflict_settled(7), "conflict-settled", b'V'),
            (row::conflict_segment(7), "conflict-segment", b'T'),
            (row::conflict_opens(7), "conflict-opens", b'U'),
            (row::conflict_term(2, 7), "conflict-term", b'Z'),
        ];
        let mut refused = 0;
        for (key, name, tag) in rows {
            let bytes = example(name);
            assert_eq!(check(&key, &bytes), Ok(()), "{name}");
            let body = envelope::open(tag, VERSION, WHAT, &bytes).expect("whole").to_vec();
            for at in 0..body.len() {
                for change in [1, 0x40, 0x80, 0xFF] {
                    let mut other = body.clone();
                    other[at] ^= change;
                    refused +=
                        usize::from(check(&key, &envelope::seal(tag, VERSION, &other)).is_err());
                }
                refused +=
                    usize::from(check(&key, &envelope::seal(tag, VERSION, &body[..at])).is_err());
            }
            assert!(check(&key, &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(refused > 200, "{refused}");
    }
}
