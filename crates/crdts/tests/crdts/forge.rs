//! Deltas written byte by byte, as a stranger would: a second source of truth for the wire format,
//! and the only way to make a delta that no honest editor makes.

use rejoin_crdts::delta::Delta;
use rejoin_crdts::{Path, RawAtom};
use rejoin_vclock::codec::{Decode, DecodeError, write_length_prefixed, write_varint};

use crate::world::id;

/// A replica's number and one of its counters.
pub(crate) type Named = (u128, u64);

/// Start, increments, decrements.
pub(crate) type Sums = [u64; 3];

/// Counts in a row: the last one, the totals there, and where it begins: how far beyond the
/// record's beginning, increments and decrements before.
pub(crate) type Row = (Named, Sums, Sums);

/// The claim of a forged operation.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    Element {
        ends: Vec<Named>,
        add: bool,
    },
    Register {
        ends: Vec<Named>,
        value: Option<RawAtom>,
    },
    Count(Sums),
    Reset {
        floors: Vec<(Named, Sums)>,
    },
    /// A reset of nothing but corrections.
    Lifts {
        ends: Vec<Named>,
    },
    /// `put` is true where counts are taken back, and has the counts.
    Correct {
        ends: Vec<Named>,
        put: Option<(bool, Vec<Row>)>,
    },
    /// `put` is true for a remove, false for an add.
    Contest {
        ends: Vec<Named>,
        put: Option<bool>,
    },
    Rights {
        granted: u64,
        spent: u64,
        moved: Option<(u128, u64)>,
        retires: Option<u128>,
        yields: Option<u128>,
    },
    Below {
        seen: Vec<Named>,
    },
}

/// A delta that claims whatever it likes.
#[derive(Clone, Debug)]
pub(crate) struct Forgery {
    pub(crate) origin: u128,
    pub(crate) first: u64,
    pub(crate) stamp: u64,
    pub(crate) deps: Vec<Named>,
    pub(crate) changes: Vec<(Path, Claim)>,
}

impl Forgery {
    /// The first delta of an origin, with one operation and without deps.
    pub(crate) fn first(origin: u128, path: Path, claim: Claim) -> Self {
        Self::at(origin, 1, path, claim)
    }

    /// A delta with one operation and without deps.
    pub(crate) fn at(origin: u128, first: u64, path: Path, claim: Claim) -> Self {
        Self { origin, first, stamp: first, deps: Vec::new(), changes: vec![(path, claim)] }
    }

    /// Decodes it as a receiver would.
    pub(crate) fn decode(&self) -> Result<Delta, DecodeError> {
        Delta::from_bytes(&self.to_bytes())
    }

    /// Returns the delta; panics if it does not pass for one.
    pub(crate) fn delta(&self) -> Delta {
        self.decode().unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let named = self.changes.iter().flat_map(|(_, claim)| claim.named());
        let mut ids: Vec<u128> = named.chain(self.deps.clone()).map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|&id| id != self.origin);
        let mut pen = Pen { ids, out: id(self.origin).to_bytes().to_vec() };
        pen.number(self.first);
        pen.number(self.stamp);
        pen.number(pen.ids.len() as u64);
        pen.out.extend(pen.ids.iter().flat_map(|&number| id(number).to_bytes()));
        pen.list(&self.deps);
        pen.number(self.changes.len() as u64);
        let mut before: &[u8] = &[];
        for (path, claim) in &self.changes {
            let bytes = path.as_bytes();
            let shared = bytes.iter().zip(before).take_while(|(a, b)| a == b).count();
            pen.number(shared as u64);
            write_length_prefixed(&mut pen.out, &bytes[shared..]);
            pen.claim(claim);
            before = bytes;
        }
        pen.out
    }
}

impl Claim {
    fn named(&self) -> Vec<Named> {
        match self {
            Self::Element { ends, .. }
            | Self::Register { ends, .. }
            | Self::Contest { ends, .. } => ends.clone(),
            Self::Rights { .. } | Self::Count(_) => Vec::new(),
            Self::Lifts { ends } => ends.clone(),
            Self::Correct { ends, put } => {
                let rows = put.iter().flat_map(|(_, rows)| rows);
                ends.iter().copied().chain(rows.map(|&(last, ..)| last)).collect()
            }
            Self::Reset { floors } => floors.iter().map(|(last, _)| *last).collect(),
            Self::Below { seen } => seen.clone(),
        }
    }
}

struct Pen {
    ids: Vec<u128>,
    out: Vec<u8>,
}

impl Pen {
    fn number(&mut self, number: u64) {
        write_varint(&mut self.out, number);
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|&number| self.number(number));
    }

    fn dot(&mut self, (id, counter): Named) {
        let place = self.ids.binary_search(&id).map_or(0, |place| place as u64 + 1);
        self.numbers(&[place, counter]);
    }

    fn list(&mut self, dots: &[Named]) {
        self.number(dots.len() as u64);
        dots.iter().for_each(|&dot| self.dot(dot));
    }

    fn flags(&mut self, put: bool, ends: bool) {
        self.out.push(u8::from(put) + 2 * u8::from(ends));
    }

    fn claim(&mut self, claim: &Claim) {
        match claim {
            Claim::Element { ends, add } => {
                self.flags(*add, !ends.is_empty());
                self.list_if_any(ends);
            }
            Claim::Register { ends, value } => {
                self.flags(value.is_some(), !ends.is_empty());
                self.list_if_any(ends);
                self.out.extend(value.iter().flat_map(RawAtom::as_bytes));
            }
            Claim::Count(sums) => {
                self.flags(true, false);
                self.numbers(sums);
            }
            Claim::Reset { floors } => {
                self.flags(false, !floors.is_empty());
                if !floors.is_empty() {
                    self.number(floors.len() as u64);
                }
                for (last, sums) in floors {
                    self.dot(*last);
                    self.numbers(sums);
                }
            }
            Claim::Lifts { ends } => {
                self.out.push(32);
                self.list(ends);
            }
            Claim::Correct { ends, put } => {
                let takes = 8 * u8::from(put.as_ref().is_some_and(|(takes, _)| *takes));
                let flags = u8::from(put.is_some()) + 2 * u8::from(!ends.is_empty());
                self.out.push(64 + takes + flags);
                self.list_if_any(ends);
                let Some((_, rows)) = put else { return };
                self.number(rows.len() as u64);
                for (last, sums, from) in rows {
                    self.dot(*last);
                    self.numbers(sums);
                    self.numbers(if from[0] == 0 { &from[..1] } else { from });
                }
            }
            Claim::Contest { ends, put } => {
                let remove = 8 * u8::from(*put == Some(true));
                let ending = 2 * u8::from(!ends.is_empty());
                self.out.push(u8::from(put.is_some()) + ending + remove);
                self.list_if_any(ends);
            }
            Claim::Rights { granted, spent, moved, retires, yields } => {
                let passed = 64 * u8::from(retires.is_some()) + 128 * u8::from(yields.is_some());
                self.out.push(1 + 2 * u8::from(moved.is_some()) + passed);
                self.numbers(&[*granted, *spent]);
                if let Some((to, amount)) = moved {
                    self.out.extend(id(*to).to_bytes());
                    self.number(*amount);
                }
                retires.iter().chain(yields).for_each(|&heir| self.out.extend(id(heir).to_bytes()));
            }
            Claim::Below { seen } => {
                self.out.push(4);
                self.list(seen);
            }
        }
    }

    fn list_if_any(&mut self, dots: &[Named]) {
        if !dots.is_empty() {
            self.list(dots);
        }
    }
}

/// A saved state without a cell: a copy that has seen these events, of which nothing is left.
pub(crate) fn bare_state(seen: &[Named]) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(&mut out, seen.len() as u64);
    out.extend(seen.iter().flat_map(|&(number, _)| id(number).to_bytes()));
    seen.iter().for_each(|&(_, counter)| write_varint(&mut out, counter));
    write_varint(&mut out, 0);
    out
}
