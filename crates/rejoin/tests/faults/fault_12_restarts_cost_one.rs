//! A store whose state directory is lost at every start, as in a container: each start has a new
//! id, and its cost does not grow with the earlier ones.

use std::sync::Arc;

use rejoin::prelude::*;
use rejoin::replica::storage::Memory;
use rejoin::replica::{Config, OpenOptions, StoreError};

use crate::rolled_back::Shelf;

const STARTS: i64 = 1_000;

#[test]
fn the_log_grows_by_as_much_with_each_start() {
    let storage = Arc::new(Memory::default());
    let open = || OpenOptions::new().unproven().over(storage.clone()).unwrap();
    let store = open();
    let ticket = store.create_space::<PnCounter>("s").unwrap().ticket().clone();
    drop(store);
    let mut sizes = Vec::new();
    for _ in 0..STARTS {
        let store = open();
        let space = store.open_space::<PnCounter>("s").unwrap();
        space.transact(|tx| tx.object("o").add(1)).unwrap();
        sizes.push(space.stats().unwrap().entry_bytes);
    }
    let grown: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (first, last) = (sizes[0], sizes.last().copied().unwrap_or_default());
    println!("{last} bytes of log for {STARTS} starts: {first}, later {}", grown[198]);
    assert!(grown.iter().all(|&bytes| bytes <= grown[0] + 2), "{grown:?}");
    assert!(last <= 100_000, "{last}");
    // All of it arrives elsewhere, in a causal order.
    let shelf = Shelf::new(Config::default());
    let peer = shelf.memory();
    let there = peer.join_space::<PnCounter>("s", &ticket).unwrap();
    let store = open();
    let space = store.open_space::<PnCounter>("s").unwrap();
    shelf.meet(&space, &there);
    assert_eq!(there.object("o").value(), Ok(STARTS));
    assert_eq!(there.digest(), space.digest());
}

/// Rights stay with the id that had them; the error names that id and the declaration to make.
/// Whoever makes the declaration gets them: after each restart, with a peer that knows every one of
/// them.
#[test]
fn rights_of_former_ids_are_reclaimed() {
    let storage = Arc::new(Memory::default());
    let open = || OpenOptions::new().unproven().over(storage.clone()).unwrap();
    let store = open();
    let space = store.create_space::<BoundedCounter>("seats").unwrap();
    space.transact(|tx| tx.object("tonight").add(100)).unwrap();
    let ticket = space.ticket().clone();
    drop((store, space));
    let shelf = Shelf::new(Config::default());
    let peer = shelf.memory();
    let there = peer.join_space::<BoundedCounter>("seats", &ticket).unwrap();
    for left in (0..100).rev() {
        let store = open();
        let space = store.open_space::<BoundedCounter>("seats").unwrap();
        let sell = || space.transact(|tx| tx.object("tonight").spend(1));
        let refused = sell().unwrap_err();
        let former = match &refused {
            StoreError::Edit(EditError::NotEnoughRights { held: 0, former, .. }) => former.clone(),
            other => panic!("{other}"),
        };
        assert_eq!(former, store.predecessors());
        assert!(refused.to_string().contains("declare its predecessors retired"), "{refused}");
        let retired = RetiredIds::assume_retired(store.predecessors());
        let reclaimed = space.transact(|tx| tx.object("tonight").reclaim(&retired)).unwrap();
        assert_eq!(reclaimed.value, left + 1);
        sell().unwrap();
        shelf.meet(&space, &there);
        assert_eq!(there.object("tonight").value(), Ok(left));
        let elsewhere = there.transact(|tx| tx.object("tonight").spend(1)).unwrap_err();
        assert!(!elsewhere.to_string().contains("former ids"), "{elsewhere}");
    }
}
