//! Removal of spaces: whenever the power fails, a space is there whole, or nothing of it is.

use std::ops::ControlFlow;
use std::sync::Arc;

use rejoin::prelude::*;
use rejoin_replica::OpenOptions;
use rejoin_replica::ops::Depth;
use rejoin_replica::storage::RedbFile;
use rejoin_replica::storage::power_loss::{Choice, FaultyFile};

type Counts = Space<OrMap<String, PnCounter>>;

fn open(file: &FaultyFile) -> Store {
    let storage = RedbFile::over_raw(file.clone()).expect("a store file");
    OpenOptions::new().over(Arc::new(storage)).expect("a store")
}

fn count(counts: &Counts) -> Option<i64> {
    let has = counts.keys().expect("readable").contains(&"all".to_owned());
    has.then(|| counts.object("all").at("here").value().expect("readable"))
}

#[test]
fn fault_15_a_crash_in_a_removal_leaves_the_space_or_nothing_of_it() {
    let file = FaultyFile::default();
    let store = open(&file);
    for name in ["kept", "gone"] {
        let counts: Counts = store.create_space(name).expect("a new name");
        for _ in 0..20 {
            counts.transact(|tx| tx.object("all").entry("here").add(1)).expect("room");
        }
    }
    store.close().expect("room");
    let before = file.steps();
    store.remove_space("gone", Removal::Anyway).expect("room");
    let recording = file.recording();
    let (mut there, mut gone) = (0, 0);
    for steps in before..=recording.len() {
        for choice in [Choice::None, Choice::All] {
            let store = open(&FaultyFile::new(recording.image(steps, choice)));
            match store.open_space("gone") {
                Ok(counts) => {
                    assert_eq!(count(&counts), Some(20), "{steps}, {choice:?}");
                    there += 1;
                }
                Err(StoreError::NoSuchSpace { .. }) => {
                    let next: Counts = store.create_space("next").expect("a new name");
                    assert_eq!(count(&next), None, "nothing is left for a successor");
                    gone += 1;
                }
                Err(error) => panic!("{steps}, {choice:?}: {error}"),
            }
            assert_eq!(count(&store.open_space("kept").expect("it is there")), Some(20));
            let found = store.verify(Depth::Replayed, &mut |_| ControlFlow::Continue(()));
            let found = found.expect("readable");
            assert!(found.is_sound(), "{steps}, {choice:?}: {:?}", found.findings);
        }
    }
    assert!(there > 0 && gone > 1, "{there} and {gone}");
}
