//! After a store continues under a new id it is as sound as before: `verify` finds nothing, and
//! `backup` accepts it.

use rejoin::prelude::*;
use rejoin::replica::Config;

use crate::rolled_back::{Shelf, findings, go_on};

fn add(space: &Space<PnCounter>, times: u64) {
    for _ in 0..times {
        space.transact(|tx| tx.object("o").add(1)).unwrap();
    }
}

/// `anew`: the number of counts on the restored store before it meets anybody.
fn is_sound_throughout(times: u64, anew: u64, memtable_bytes: usize) {
    let mut config = Config::default();
    config.memtable_bytes = memtable_bytes;
    let shelf = Shelf::new(config);
    let p = shelf.memory();
    let d = shelf.open("d");
    let of_d = d.create_space::<PnCounter>("s").unwrap();
    let of_p = p.join_space::<PnCounter>("s", of_d.ticket()).unwrap();
    add(&of_d, times);
    shelf.meet(&of_d, &of_p);
    drop((of_d, d));
    let image = shelf.image();
    let d = shelf.open("d");
    let of_d = d.open_space::<PnCounter>("s").unwrap();
    add(&of_d, times);
    shelf.meet(&of_d, &of_p);
    drop((of_d, d));
    shelf.put_back(&image);
    let d = shelf.open("d");
    let of_d = d.open_space::<PnCounter>("s").unwrap();
    add(&of_d, anew);
    let mut backups = 0;
    let mut check = |store: &Store, when: &str| {
        assert_eq!(findings(store), [], "{when}");
        backups += 1;
        let copied = store.backup(shelf.path(&format!("b{backups}")), &mut go_on);
        assert!(copied.is_ok(), "{when}: {:?}", copied.err());
    };
    check(&d, "before");
    shelf.meet(&of_d, &of_p);
    check(&d, "after the new id");
    add(&of_d, times);
    check(&d, "later");
    assert_eq!(of_d.object("o").value(), Ok(i64::try_from(3 * times + anew).unwrap()));
    drop((of_d, d));
    let d = shelf.open("d");
    let of_d = d.open_space::<PnCounter>("s").unwrap();
    check(&d, "opened again");
    assert_eq!(of_d.object("o").value(), Ok(i64::try_from(3 * times + anew).unwrap()));
    check(&p, "the peer");
}

#[test]
fn with_all_in_memory() {
    is_sound_throughout(10, 10, 16 << 20);
}

#[test]
fn with_blocks_written_all_the_while() {
    is_sound_throughout(10, 10, 2_000);
    is_sound_throughout(300, 300, 2_000);
}

/// More entries than a chunk of the log's index holds.
#[test]
fn with_an_index_of_several_chunks() {
    is_sound_throughout(700, 700, 16 << 20);
}

#[test]
fn with_nothing_to_write_anew() {
    is_sound_throughout(10, 0, 16 << 20);
    is_sound_throughout(300, 0, 2_000);
}
