//! Work that is the same on every map of keys to numbers, and on every set, whoever keeps it.

use crate::data::{element, keys as all, place};
use crate::peer::{Bench, is, on_fresh, on_kept};
use crate::work::{Edits, Work};

/// Number of operations in a round of short ones.
pub(crate) const ROUND: u64 = 1_000;

/// A map of keys to numbers.
pub(crate) trait Keyed: Sized + 'static {
    /// An empty one, of this writer.
    fn new(writer: u64) -> Self;

    /// Puts keys into the map, in one edit each, or in one edit.
    fn put(&mut self, keys: &[String], value: i64, edits: Edits);

    fn get(&self, key: &str) -> Option<i64>;

    /// The number of keys.
    fn len(&self) -> u64;
}

/// A map with all keys, each with the value 1.
pub(crate) fn full<M: Keyed>(keys: u64) -> M {
    let mut map = M::new(1);
    map.put(&all(keys), 1, Edits::All);
    map
}

/// Gets ready for puts, overwrites and reads.
pub(crate) fn prepare<M: Keyed>(work: Work) -> Option<Bench> {
    Some(match work {
        Work::MapPut { keys, edits } => on_fresh(
            keys,
            move || (M::new(1), all(keys)),
            move |(map, keys)| map.put(keys, 1, edits),
            move |(map, _), ()| is(&map.len(), &keys),
        ),
        Work::MapOverwrite { keys, edits } => {
            let mut round = 1;
            on_kept(
                keys,
                (full::<M>(keys), all(keys), 1),
                move |(map, keys, value)| {
                    round += 1;
                    *value = round;
                    map.put(keys, round, edits);
                },
                |(map, keys, value)| is(&map.get(&keys[0]), &Some(*value)),
            )
        }
        Work::MapGet { keys } => on_kept(
            ROUND,
            (full::<M>(keys), all(keys), 0, 0),
            move |(map, all, n, sum)| {
                for _ in 0..ROUND {
                    *n += 1;
                    let at = place(*n as u64, keys) as usize;
                    *sum += map.get(&all[at]).unwrap_or_default();
                }
            },
            |(_, _, n, sum)| is(sum, n),
        ),
        _ => return None,
    })
}

/// A bench of looking for elements of a set, all of which are there.
pub(crate) fn looks_for<S: 'static>(
    set: S,
    elements: u64,
    has: impl Fn(&S, u64) -> bool + 'static,
) -> Bench {
    on_kept(
        ROUND,
        (set, 0, 0),
        move |(set, n, found)| {
            for _ in 0..ROUND {
                *n += 1;
                *found += u64::from(has(set, element(place(*n, elements))));
            }
        },
        |(_, n, found)| is(found, n),
    )
}
