//! Fault 22: the cost of an entry grew with the number of ids. Each count at a counter of a
//! thousand replicas copied the whole counter three times, and reported all thousand sides as a
//! conflict.

use rejoin::prelude::*;

use crate::wire::sync;

#[test]
fn fault_22_a_report_does_not_grow_with_the_ids() {
    let hub = Store::memory().unwrap();
    let counted = hub.create_space::<PnCounter>("counted").unwrap();
    counted.transact(|tx| tx.object("visits").add(1)).unwrap();
    for _ in 0..60 {
        let device = Store::memory().unwrap();
        let here = device.join_space::<PnCounter>("counted", counted.ticket()).unwrap();
        here.transact(|tx| tx.object("visits").add(1)).unwrap();
        sync(&here, &counted);
        assert_eq!(here.digest().unwrap(), counted.digest().unwrap());
    }
    assert_eq!(counted.object("visits").value().unwrap(), 61);
    let most = counted
        .conflicts()
        .oldest_first()
        .page(usize::MAX)
        .unwrap()
        .iter()
        .map(|told| told.kept.len())
        .max();
    assert!(most.is_some_and(|most| most <= 16), "{most:?} sides in one report");
}

/// A count that a reset took away without having seen it is still reported, among many.
#[test]
fn fault_22_a_reset_among_many_is_told() {
    let hub = Store::memory().unwrap();
    let counted = hub.create_space::<OrMap<String, PnCounter>>("counted").unwrap();
    let devices: Vec<_> = (0..20)
        .map(|_| {
            let device = Store::memory().unwrap();
            let here = device.join_space::<OrMap<String, PnCounter>>("counted", counted.ticket());
            let here = here.unwrap();
            here.transact(|tx| tx.object("shop").entry("visits").add(1)).unwrap();
            sync(&here, &counted);
            (device, here)
        })
        .collect();
    counted.transact(|tx| tx.object("shop").remove("visits")).unwrap();
    let (_, last) = devices.last().unwrap();
    last.transact(|tx| tx.object("shop").entry("visits").add(5)).unwrap();
    sync(last, &counted);
    assert_eq!(counted.object("shop").at("visits").value().unwrap(), 5);
    let told = counted.conflicts().oldest_first().page(usize::MAX).unwrap();
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("takes away only what it had seen")), "{told:?}");
}
