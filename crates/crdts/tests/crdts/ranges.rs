//! Keys and elements within a range, beside a plain set, for all ranges of a small world.

use std::collections::BTreeSet;
use std::ops::Bound;

use rejoin_crdts::{OrMap, OrSet, PnCounter, Replica, RwSet};

use crate::world::fresh;

fn bounds<K: Clone>(keys: &[K]) -> Vec<Bound<K>> {
    let closed = keys.iter().cloned().map(Bound::Included);
    let open = keys.iter().cloned().map(Bound::Excluded);
    closed.chain(open).chain([Bound::Unbounded]).collect()
}

/// The keys of a plain set within a range; none where the range is no range.
fn expected<K: Ord + Clone>(
    set: &BTreeSet<K>,
    (from, to): (&Bound<K>, &Bound<K>),
    most: usize,
) -> Vec<K> {
    let from = |key: &K| match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    let to = |key: &K| match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    };
    set.iter().filter(|key| from(key) && to(key)).take(most).cloned().collect()
}

#[test]
fn every_range_of_numbers() {
    let there = BTreeSet::from([-300_i64, -1, 0, 1, 7, 256, 70_000]);
    let asked: Vec<i64> = [-301, -300, -2, -1, 0, 1, 2, 255, 256, 70_000, 70_001].to_vec();
    let mut map = Replica::<OrMap<i64, PnCounter>>::new(fresh(1));
    let mut set = Replica::<RwSet<i64>>::new(fresh(2));
    for key in there.iter().chain(&[3, 300]) {
        map.edit(|map| map.entry(key).add(1)).expect("an edit");
        set.edit(|set| set.insert(key)).expect("an edit");
    }
    for gone in [3, 300] {
        map.edit(|map| map.remove(&gone)).expect("an edit");
        set.edit(|set| set.remove(&gone)).expect("an edit");
    }
    for from in bounds(&asked) {
        for to in bounds(&asked) {
            for most in [0, 1, 3, 9] {
                let expected = expected(&there, (&from, &to), most);
                let keys = map.read(|map| map.range((from, to), most));
                assert_eq!(keys.as_ref(), Ok(&expected), "{from:?} to {to:?}");
                assert_eq!(set.read(|set| set.range((from, to), most)), keys);
            }
        }
    }
}

#[test]
fn every_range_of_texts() {
    let texts = ["", "a", "a\0", "a\0b", "aa", "b", "\u{ff}", "ζ"].map(str::to_owned);
    let there: BTreeSet<String> = texts.iter().step_by(2).cloned().collect();
    let mut set = Replica::<OrSet<String>>::new(fresh(1));
    set.edit(|set| there.iter().try_for_each(|text| set.insert(text))).expect("an edit");
    for from in bounds(&texts) {
        for to in bounds(&texts) {
            for most in [1, 9] {
                let expected = expected(&there, (&from, &to), most);
                let range = (from.clone(), to.clone());
                assert_eq!(set.read(|set| set.range(range, most)), Ok(expected));
            }
        }
    }
}
