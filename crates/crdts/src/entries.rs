//! Table entries on demand: made to be changed, dropped when nothing is left.

use core::hash::Hash;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::hash::Seeded;

/// Changes the entry of a key.
pub(crate) fn with_entry<K: Hash + Eq, V: Default, R>(
    table: &mut HashMap<K, V, Seeded>,
    key: K,
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
            let mut new = V::default();
            let result = change(&mut new);
            if !is_gone(&new) {
                entry.insert(new);
            }
            result
        }
    }
}
