//! Bytes of counters with corrections: those that decode are canonical, and the others do no harm.

use rejoin_crdts::Replica;
use rejoin_crdts::delta::Delta;
use rejoin_vclock::codec::{Decode, Encode};

use crate::hostile_bytes::{ADD, COUNT, damaged, spelled, state};
use crate::types::{Stock, alphabets};
use crate::world::fresh;

#[test]
fn damaged_counters_with_undos() {
    damaged::<Stock>(&alphabets::undone_counter());
}

/// Operations that correct counters have one spelling each.
#[test]
fn spellings_of_corrections_that_no_encoder_writes() {
    let counter = |rest: &[u8]| [&COUNT[..3], rest].concat();
    let by_1 = |rest: &[u8]| spelled(9, &[], &[], &counter(rest));
    let by_2 = |rest: &[u8]| spelled(9, &[2], &[], &counter(rest));
    let good = [
        ("taken back", by_1(&[73, 1, 0, 8, 3, 5, 0, 0])),
        ("put back", by_2(&[65, 1, 1, 8, 3, 5, 0, 0])),
        ("from a count on", by_2(&[65, 1, 1, 8, 3, 5, 0, 1, 4, 0])),
        ("from a count of zero on", by_2(&[65, 1, 1, 8, 3, 5, 0, 1, 0, 0])),
        ("two rows", by_2(&[65, 2, 0, 8, 3, 5, 0, 0, 1, 8, 3, 5, 0, 0])),
        ("two rows of one", by_1(&[65, 2, 0, 5, 3, 4, 0, 0, 0, 8, 3, 5, 0, 3, 4, 0])),
        ("ended", by_2(&[66, 1, 1, 7])),
        ("ended and put", by_2(&[75, 1, 1, 7, 1, 1, 8, 3, 5, 0, 0])),
        ("ended by a reset", by_2(&[32, 1, 1, 7])),
        ("ended by a reset of counts", by_2(&[34, 1, 1, 8, 3, 5, 0, 1, 1, 7])),
    ];
    for (what, bytes) in good {
        let delta = Delta::from_bytes(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(delta.to_bytes(), bytes, "{what}");
    }
    let bad = [
        ("nothing", by_1(&[64])),
        ("taken back without counts", by_2(&[74, 1, 1, 7])),
        ("no rows", by_1(&[65, 0])),
        ("a reset of corrections that counts", by_2(&[33, 1, 1, 7, 9, 1, 0])),
        ("a reset that takes back", by_2(&[40, 1, 1, 7])),
        ("a correction that is a reset", by_2(&[98, 1, 1, 7])),
        ("ends of nothing", by_1(&[66, 0])),
        ("a reset that ends nothing", by_1(&[32, 0])),
        ("rows of nothing", by_1(&[65, 1, 0, 8, 3, 5, 0, 6, 1, 0])),
        ("a row that begins beyond all counters", {
            let far = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
            by_1(&[&[65, 1, 0, 8, 3, 5, 0], &far[..], &[1, 0]].concat())
        }),
        ("more before than behind", by_1(&[65, 1, 0, 8, 3, 5, 0, 2, 6, 0])),
        ("less behind than before", by_1(&[65, 1, 0, 8, 3, 5, 1, 2, 3, 2])),
        ("a record that begins behind", by_1(&[65, 1, 0, 8, 9, 5, 0, 0])),
        ("a start of 0", by_1(&[65, 1, 0, 8, 0, 5, 0, 0])),
        ("counts that come later", by_1(&[65, 1, 0, 9, 3, 5, 0, 0])),
        ("rows out of order", by_2(&[65, 2, 1, 8, 3, 5, 0, 0, 0, 8, 3, 5, 0, 0])),
        ("rows that overlap", by_1(&[65, 2, 0, 5, 3, 4, 0, 0, 0, 8, 3, 5, 0, 2, 4, 0])),
        ("a row twice", by_1(&[65, 2, 0, 8, 3, 5, 0, 0, 0, 8, 3, 5, 0, 0])),
        ("more rows than bytes", by_1(&[65, 99, 0, 8, 3, 5, 0, 0])),
        ("a correction of an element", spelled(9, &[], &[], &[&ADD[..5], &[65, 0]].concat())),
    ];
    for (what, bytes) in bad {
        assert!(Delta::from_bytes(&bytes).is_err(), "{what}: {bytes:?}");
    }
}

/// So have counters with corrections. A reader from before there were any refuses them by
/// name: to it they begin as a cell with nothing in it, and an effect with flags that it does not
/// know.
#[test]
fn cells_with_corrections_that_no_encoder_writes() {
    let counter: &[u8] = &[1, 3];
    let record: &[u8] = &[0, 1, 0, 4, 3, 5, 0, 0];
    let cell = |rest: &[u8]| state(counter, &[record, rest].concat());
    let good = [
        cell(&[1, 0, 5, 1, 1, 0, 4, 3, 5, 0, 0]),
        cell(&[2, 0, 5, 1, 1, 0, 4, 3, 5, 0, 1, 2, 0, 1, 5, 0, 1, 0, 4, 3, 5, 0, 0]),
        cell(&[1, 0, 5, 0, 2, 0, 4, 3, 5, 0, 0, 1, 4, 3, 5, 0, 0]),
        state(counter, &[0, 0, 1, 0, 5, 0, 1, 0, 4, 3, 5, 0, 0]),
    ];
    for bytes in good {
        let loaded = Replica::<Stock>::load(&bytes, fresh(9));
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        assert_eq!(loaded.save(), bytes);
    }
    let bad = [
        ("no corrections", cell(&[0])),
        ("no counts", cell(&[1, 0, 5, 1, 0])),
        ("an unknown kind", cell(&[1, 0, 5, 2, 1, 0, 4, 3, 5, 0, 0])),
        ("a dot beyond the vector", cell(&[1, 0, 10, 1, 1, 0, 4, 3, 5, 0, 0])),
        ("counts beyond the vector", cell(&[1, 0, 5, 1, 1, 0, 10, 3, 5, 0, 0])),
        ("a stranger's counts", cell(&[1, 0, 5, 1, 1, 2, 4, 3, 5, 0, 0])),
        ("a dot twice", cell(&[2, 0, 5, 1, 1, 0, 4, 3, 5, 0, 0, 0, 5, 0, 1, 0, 4, 3, 5, 0, 0])),
        (
            "corrections out of order",
            cell(&[2, 1, 5, 1, 1, 0, 4, 3, 5, 0, 0, 0, 5, 1, 1, 0, 4, 3, 5, 0, 0]),
        ),
        ("counts out of order", cell(&[1, 0, 5, 0, 2, 1, 4, 3, 5, 0, 0, 0, 4, 3, 5, 0, 0])),
        ("more corrections than bytes", cell(&[99, 0, 5, 1, 1, 0, 4, 3, 5, 0, 0])),
        ("neither records nor corrections", state(counter, &[0, 0, 0])),
    ];
    for (what, bytes) in bad {
        assert!(Replica::<Stock>::load(&bytes, fresh(9)).is_err(), "{what}: {bytes:?}");
    }
}
