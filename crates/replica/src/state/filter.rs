//! Filters: whether a data block may have something under a name, asked before it is read (Bloom
//! 1970).
//!
//! An index entry carries the filter of the block below it, ten bits for each name in it: of each
//! cell the name that it stands under and all names above, of any other entry its key. What is
//! new, as most that is added to a set is, then costs no data block to look up: about one in a
//! hundred is looked for in vain.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_crdts::path::{is_name, names};

use super::{CELLS, KEYS, PRINTS};

const BITS_PER_NAME: usize = 10;
/// So many bits are set per name.
const PROBES: u64 = 6;

/// A hash that is the same in every process: filters are stored.
fn hash(table: u8, name: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    let start = 0xCBF2_9CE4_8422_2325 ^ u64::from(table) << 56;
    let hash = name.iter().fold(start, fold);
    let hash = (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ hash >> 29
}

/// Where the bits of a hash are (double hashing, Kirsch and Mitzenmacher 2006).
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
    /// The names on the way to the last cell, by level.
    last: Vec<u64>,
}

impl Names {
    /// Adds the names of an entry's key.
    pub(super) fn add(&mut self, key: &[u8]) {
        let Some((&table, rest)) = key.split_first() else { return };
        if table != CELLS {
            return self.hashes.push(hash(table, rest));
        }
        let mut level = 0;
        names(rest, &mut |name| {
            let hash = hash(CELLS, name);
            if self.last.get(level) != Some(&hash) {
                self.last.truncate(level);
                self.last.push(hash);
                self.hashes.push(hash);
            }
            level += 1;
        });
    }

    /// The filter of the names.
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

/// What is asked of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe(u64);

impl Probe {
    /// Asks for the entry of a key.
    pub(super) fn entry(key: &[u8]) -> Option<Self> {
        match key.split_first()? {
            (&CELLS, path) => path.split_last().map(|(_, name)| Self(hash(CELLS, name))),
            (&table @ (KEYS | PRINTS), key) => Some(Self(hash(table, key))),
            _ => None,
        }
    }

    /// Asks for anything below a path or under a name; `None` where that cannot be asked.
    pub(super) fn below(prefix: &[u8]) -> Option<Self> {
        let (&CELLS, path) = prefix.split_first()? else { return None };
        if is_name(path) {
            return Some(Self(hash(CELLS, path)));
        }
        let (mut name, mut end) = (None, 0);
        names(path, &mut |at| {
            name = Some(Self(hash(CELLS, at)));
            end = at.len() + 1;
        });
        name.filter(|_| end == path.len())
    }

    /// Whether it may be in the block of a filter. Without a filter it may.
    pub(super) fn may_be_in(self, filter: &[u8]) -> bool {
        let bits = filter.len() as u64 * 8;
        let is_set = |(byte, bit): (usize, u8)| filter.get(byte).is_none_or(|byte| byte & bit != 0);
        bits == 0 || places(self.0, bits).all(is_set)
    }
}

#[cfg(test)]
mod tests {
    use rejoin_crdts::{Kind, Path};

    use super::*;

    fn key(element: u32) -> Vec<u8> {
        let set = Path::object("shelf", Kind::Map).key(&"apples".to_owned(), Kind::Set);
        [&[CELLS], set.key(&element, Kind::Element).as_bytes()].concat()
    }

    #[test]
    fn what_is_there_is_never_missed_and_little_else_is_found() {
        let mut names = Names::default();
        (0..1_000).for_each(|element| names.add(&key(element)));
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
}
