//! Filters, which say whether a data block may have something under a name before it is read (Bloom
//! 1970).
//!
//! An index entry carries the filter of the block below it, ten bits for each name in it: for each
//! cell the name that it stands under and all names above, for any other entry its key. To look up
//! something new, as most additions to a set are, then reads no data block: about one in a hundred
//! is looked for in vain.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_crdts::path::{is_name, name_ends, names};

use super::table::{CELLS, KEYS, PRINTS, RETURNED};
use crate::format::stable_hash::{StableHash, stable_hash};

const BITS_PER_NAME: usize = 10;
/// Number of bits that are set per name.
const PROBES: u64 = 6;

/// Iterates over the places of the bits of a hash (double hashing, Kirsch and Mitzenmacher 2006).
fn places(hash: u64, bits: u64) -> impl Iterator<Item = (usize, u8)> {
    let (first, step) = (hash >> 32, hash & 0xFFFF_FFFF | 1);
    (0..PROBES).map(move |probe| {
        let bit = first.wrapping_add(probe.wrapping_mul(step)) % bits;
        (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
    })
}

/// The names in a block, while it is filled.
#[derive(Default, Debug)]
pub(super) struct Names {
    hashes: Vec<u64>,
    /// The names on the way to the last cell, by level: where each ends in the path, and the hash
    /// up to there.
    last: Vec<(usize, StableHash)>,
}

impl Names {
    /// Adds the names of an entry's key, which shares its first `shared` bytes with the last one.
    /// Returns the probe that asks for the entry itself.
    pub(super) fn add(&mut self, key: &[u8], shared: usize) -> Probe {
        let (&table, path) = key.split_first().unwrap_or((&CELLS, &[]));
        if table != CELLS {
            let hash = stable_hash(table, path);
            self.hashes.push(hash);
            return Probe(hash);
        }
        while self.last.last().is_some_and(|(end, _)| *end >= shared) {
            self.last.pop();
        }
        let (known, mut hash) = self.last.last().copied().unwrap_or((0, StableHash::of(CELLS)));
        let (mut at, from) = (known, known + usize::from(!self.last.is_empty()));
        for end in name_ends(path, from) {
            hash = hash.then(path.get(at..end).unwrap_or_default());
            at = end;
            self.last.push((end, hash));
            self.hashes.push(hash.finish());
        }
        Probe(hash.finish())
    }

    /// Returns the filter of the names.
    pub(super) fn filter(&self) -> Vec<u8> {
        let mut filter = vec![0; (self.hashes.len() * BITS_PER_NAME).div_ceil(8)];
        let bits = (filter.len() as u64 * 8).max(1);
        for &hash in &self.hashes {
            for (byte, bit) in places(hash, bits) {
                if let Some(byte) = filter.get_mut(byte) {
                    *byte |= bit;
                }
            }
        }
        filter
    }
}

/// A filter of all entries of a run, kept in memory only: runs that are written after a start have
/// one, as far as there is memory for it. The bits of an entry are in one line of the processor's
/// cache, so that the answer costs one miss (Putze, Sanders and Singler 2007).
#[derive(PartialEq, Eq, Debug)]
pub(super) struct WideFilter(Vec<[u64; 8]>);

impl WideFilter {
    const LINE: usize = 64;

    /// Returns the size in bytes of the filter of this number of entries.
    pub(super) fn bytes_for(entries: u64) -> usize {
        let bits = usize::try_from(entries).unwrap_or(usize::MAX).saturating_mul(BITS_PER_NAME);
        (bits / 8 / Self::LINE + 1).saturating_mul(Self::LINE)
    }

    pub(super) fn new(entries: u64) -> Self {
        Self(vec![[0; 8]; Self::bytes_for(entries) / Self::LINE])
    }

    pub(super) const fn bytes(&self) -> usize {
        self.0.len() * Self::LINE
    }

    /// Returns the line of an entry, and the bits of the entry in each of its words.
    fn place(&self, Probe(hash): Probe) -> (usize, [u64; 8]) {
        let line = (u128::from(hash) * self.0.len() as u128) >> 64;
        let mut rest = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut bits = [0; 8];
        for _ in 0..PROBES {
            let (word, bit) = (usize::try_from(rest >> 61).unwrap_or_default(), rest >> 55 & 63);
            bits.get_mut(word).into_iter().for_each(|word| *word |= 1 << bit);
            rest <<= 9;
        }
        (usize::try_from(line).unwrap_or_default(), bits)
    }

    pub(super) fn add(&mut self, entry: Probe) {
        let (line, bits) = self.place(entry);
        let line = self.0.get_mut(line).into_iter().flatten();
        line.zip(bits).for_each(|(word, bits)| *word |= bits);
    }

    /// Returns true if the run may have an entry.
    pub(super) fn may_have(&self, entry: Probe) -> bool {
        let (line, bits) = self.place(entry);
        let line = self.0.get(line).into_iter().flatten();
        line.zip(bits).all(|(word, bits)| word & bits == bits)
    }
}

/// A question to a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe(u64);

impl Probe {
    /// Asks for the entry of a key.
    pub(super) fn entry(key: &[u8]) -> Option<Self> {
        match key.split_first()? {
            (&CELLS, path) => path.split_last().map(|(_, name)| Self(stable_hash(CELLS, name))),
            (&table @ (RETURNED | KEYS | PRINTS), key) => Some(Self(stable_hash(table, key))),
            _ => None,
        }
    }

    /// Asks for anything below a path or under a name; `None` if that cannot be asked.
    pub(super) fn below(prefix: &[u8]) -> Option<Self> {
        let (&CELLS, path) = prefix.split_first()? else { return None };
        if is_name(path) {
            return Some(Self(stable_hash(CELLS, path)));
        }
        let (mut name, mut end) = (None, 0);
        names(path, &mut |at| {
            name = Some(Self(stable_hash(CELLS, at)));
            end = at.len() + 1;
        });
        name.filter(|_| end == path.len())
    }

    /// Returns true if it may be in the block of a filter. Without a filter it may.
    pub(super) fn may_be_in(self, filter: &[u8]) -> bool {
        let bits = filter.len() as u64 * 8;
        let is_set = |(byte, bit): (usize, u8)| filter.get(byte).is_none_or(|byte| byte & bit != 0);
        bits == 0 || places(self.0, bits).all(is_set)
    }
}

#[cfg(test)]
mod tests {
    use rejoin_crdts::{Kind, Path};

    use super::super::block::common;
    use super::*;

    fn key(element: u32) -> Vec<u8> {
        let set = Path::object("shelf", Kind::Map).key(&"apples".to_owned(), Kind::Set);
        [&[CELLS], set.key(&element, Kind::Element).as_bytes()].concat()
    }

    #[test]
    fn what_is_there_is_never_missed_and_little_else_is_found() {
        let mut names = Names::default();
        let mut last = Vec::new();
        for key in (0..1_000).map(key) {
            names.add(&key, common(&last, &key));
            last = key;
        }
        let filter = names.filter();
        let found = |element| {
            let key = key(element);
            let name = &key[..key.len() - 1];
            let asked = [Probe::entry(&key), Probe::below(name), Probe::below(&key)];
            asked.map(|probe| probe.expect("a path").may_be_in(&filter))
        };
        assert!((0..1_000).all(|element| found(element) == [true; 3]));
        let in_vain = (1_000..21_000).filter(|&element| found(element) != [false; 3]).count();
        assert!(in_vain < 400, "{in_vain} of 20,000");
        let above = Path::object("shelf", Kind::Map);
        let above = [&[CELLS], above.as_bytes()].concat();
        assert!(Probe::below(&above).is_some_and(|probe| probe.may_be_in(&filter)));
        assert!(Probe::below(&[CELLS]).is_none() && Probe::below(&key(1)[..7]).is_none());
        assert_eq!(filter.len(), 1_002 * BITS_PER_NAME / 8 + 1);
    }

    #[test]
    fn a_wide_filter_misses_nothing_and_finds_little_else() {
        let mut wide = WideFilter::new(10_000);
        let probe = |element| Probe::entry(&key(element)).expect("a path");
        (0..10_000).for_each(|element| wide.add(probe(element)));
        assert!((0..10_000).all(|element| wide.may_have(probe(element))));
        let in_vain = (10_000..30_000).filter(|&element| wide.may_have(probe(element))).count();
        assert!(in_vain < 600, "{in_vain} of 20,000");
        assert_eq!(wide.bytes(), WideFilter::bytes_for(10_000));
    }
}
