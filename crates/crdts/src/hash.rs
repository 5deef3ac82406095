//! Hash tables that a peer cannot flood; no randomness is read here.
//!
//! One secret seed per process is handed in at start ([`set_seed`]); every table made afterwards
//! uses it, so that merging two tables still walks both in the same order. The function is the
//! folded multiply of wyhash, 64 bits at a time.

use core::hash::{BuildHasher, Hash, Hasher};
use core::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

const UNSET: u64 = 0x9E37_79B9_7F4A_7C15;
static SEED: AtomicU64 = AtomicU64::new(UNSET);
const MIX: u64 = 0xD6E8_FEB8_6659_FD93;

/// Sets the secret of this process; only the first one counts. The facade and a store call this
/// with the system's randomness.
pub fn set_seed(seed: u64) {
    // An error means that there is a secret already: another one would only make merges slower.
    let _ = SEED.compare_exchange(UNSET, seed, Ordering::Relaxed, Ordering::Relaxed);
}

/// Builds hashers from the seed that was set when the table was made.
#[derive(Clone, Copy, Debug)]
pub struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(SEED.load(Ordering::Relaxed))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.0, seed: self.0 }
    }
}

/// The hasher of [`Seeded`].
#[derive(Clone, Debug)]
pub struct Folding {
    state: u64,
    seed: u64,
}

impl Folding {
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded")]
    const fn fold(&mut self, word: u64) {
        let product = (self.state ^ word) as u128 * (self.seed ^ MIX | 1) as u128;
        self.state = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.fold(chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)));
        }
        let rest = chunks.remainder();
        let last = rest.iter().fold(rest.len() as u64, |word, &byte| word << 8 | u64::from(byte));
        self.fold(last);
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.fold(MIX);
        last.state
    }
}

/// Changes the entry of a key: `empty` makes it on demand, and it is dropped when nothing is left.
pub(crate) fn with_entry<K: Hash + Eq, V, R>(
    table: &mut HashMap<K, V, Seeded>,
    key: K,
    empty: impl FnOnce() -> V,
    change: impl FnOnce(&mut V) -> R,
    is_gone: impl Fn(&V) -> bool,
) -> R {
    match table.entry(key) {
        Entry::Occupied(mut entry) => {
            let result = change(entry.get_mut());
            if is_gone(entry.get()) {
                entry.remove();
            }
            result
        }
        Entry::Vacant(entry) => {
            let mut new = empty();
            let result = change(&mut new);
            if !is_gone(&new) {
                entry.insert(new);
            }
            result
        }
    }
}
