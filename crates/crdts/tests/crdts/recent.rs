//! Deltas that a replica remembers: what they lead to is what a merge leads to, and where they are
//! not enough that is said.

use rejoin_crdts::{BelowFloor, OrMap, OrSet, Replica, VersionVector};

use crate::dice::Dice;
use crate::world::fresh;

type Shelf = Replica<OrMap<u64, OrSet<u64>>>;

fn change(shelf: &mut Shelf, dice: &mut Dice) {
    let (key, element) = (dice.roll(5), dice.roll(5));
    let changed = match dice.roll(5) {
        0 => shelf.edit(|shelf| shelf.remove(&key)),
        1 => shelf.edit(|shelf| shelf.entry(&key).remove(&element)),
        2 => shelf.edit(|shelf| shelf.remove_unless_edited(&key)),
        _ => shelf.edit(|shelf| shelf.entry(&key).insert(&element)),
    };
    changed.expect("an edit");
}

/// Brings what one has to the other, by deltas if they are remembered. True if they were.
fn bring(from: &Shelf, to: &mut Shelf) -> bool {
    match from.delta_since(&to.version_vector()) {
        Ok(deltas) => {
            let mut news = deltas.iter().map(|delta| to.apply(delta));
            assert!(news.all(|is_new| is_new), "each is new, and is the next");
            true
        }
        Err(BelowFloor { missing }) => {
            assert!(missing > 0);
            to.merge(from);
            false
        }
    }
}

#[test]
fn deltas_lead_to_what_a_merge_leads_to() {
    let (mut by_deltas, mut by_states) = (0, 0);
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut shelves: Vec<Shelf> = (1..=3).map(|id| Shelf::new(fresh(id))).collect();
        shelves.iter_mut().for_each(|shelf| shelf.remember(1000));
        for _ in 0..80 {
            let (from, to) = (dice.index(3), dice.index(3));
            change(&mut shelves[from], &mut dice);
            if from == to || dice.roll(3) > 0 {
                continue;
            }
            let [from, to] = shelves.get_disjoint_mut([from, to]).expect("two of them");
            let mut merged = Shelf::load(&to.save(), fresh(9)).expect("a state");
            merged.merge(from);
            *if bring(from, to) { &mut by_deltas } else { &mut by_states } += 1;
            assert_eq!(to.save(), merged.save());
            assert_eq!(to.delta_since(&to.version_vector()), Ok(Vec::new()));
        }
    }
    assert!(by_deltas > 100 && by_states > 100, "{by_deltas} by deltas, {by_states} by states");
}

#[test]
fn what_is_not_remembered_is_said() {
    let mut shelf = Shelf::new(fresh(1));
    let add = |shelf: &mut Shelf, n| shelf.edit(|it| it.entry(&1).insert(&n)).expect("an edit");
    (0..10).for_each(|n| _ = add(&mut shelf, n));
    let all = shelf.delta_since(&VersionVector::new()).expect("ten deltas");
    assert_eq!(all.len(), 10);
    shelf.remember(300);
    let below = shelf.delta_since(&VersionVector::new()).expect_err("most are forgotten");
    assert!((1..10).contains(&below.missing), "{below}");
    let nine: VersionVector = [(shelf.id(), 9)].into_iter().collect();
    assert_eq!(shelf.delta_since(&nine).expect("one delta"), all[9..]);
    shelf.remember(0);
    assert_eq!(shelf.delta_since(&nine), Err(BelowFloor { missing: 1 }));
    assert_eq!(shelf.delta_since(&shelf.version_vector()), Ok(Vec::new()));

    // What came with a state was never a delta here; what comes after it is one.
    let mut other = Shelf::new(fresh(2));
    other.merge(&shelf);
    let behind = other.version_vector();
    let added = add(&mut other, 77);
    assert_eq!(other.delta_since(&behind), Ok(vec![added]));
    assert_eq!(other.delta_since(&VersionVector::new()), Err(BelowFloor { missing: 10 }));
}
