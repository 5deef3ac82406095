//! State flushed to blocks equals the state that the log alone makes, whatever happens to the
//! blocks.

use std::sync::Arc;

use rejoin_crdts::{OrMap, OrSet, PnCounter};
use rejoin_replica::{Config, Digest, Event, Fingerprint, Once, Space, Store};

use crate::medium::Medium;
use crate::store_sync::settle;

type Shelves = OrMap<String, OrSet<String>>;

/// Returns settings under which compaction goes on all the time.
fn hurried() -> Config {
    let mut config = Config::default();
    (config.memtable_bytes, config.cache_bytes) = (2_000, 20_000);
    config
}

/// A source of numbers that look random (a linear congruential generator).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Adds, removes, clears and overwrites, some under keys.
fn work(space: &Space<Shelves>, chance: &mut Chance, transactions: u64) {
    for _ in 0..transactions {
        let (shelf, item) = (format!("{}", chance.below(20)), format!("{}", chance.below(200)));
        let (object, how) = (format!("room {}", chance.below(3)), chance.below(400));
        let key = if how > 350 { chance.below(1 << 40).to_le_bytes().to_vec() } else { Vec::new() };
        let done = space.transact_once(&key, |tx| match how {
            0 => tx.remove(&object),
            1 | 2 => tx.object(&object).remove(&shelf),
            3 => tx.object(&object).entry(&shelf).clear(),
            4..40 => tx.object(&object).entry(&shelf).remove(&item),
            _ => tx.object(&object).entry(&shelf).insert(&item),
        });
        done.expect("a transaction");
    }
}

fn digest(medium: &Arc<Medium>) -> Digest {
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect("there");
    space.digest().expect("readable")
}

fn worked(transactions: u64, seed: u64) -> (Arc<Medium>, Store, Space<Shelves>) {
    let medium = Medium::new();
    let store = medium.open_with(hurried());
    let space = store.create_space("shelves").expect("a first space");
    work(&space, &mut Chance(seed), transactions);
    (medium, store, space)
}

#[test]
fn flushed_state_is_what_the_log_makes_at_any_moment() {
    for seed in 0..8 {
        let (medium, store, space) = worked(0, seed);
        let mut chance = Chance(seed);
        for _ in 0..30 {
            work(&space, &mut chance, 20);
            let now = space.digest().expect("readable");
            assert_eq!(digest(&medium.after_power_loss()), now, "after a power loss, seed {seed}");
            assert_eq!(digest(&medium.log_alone()), now, "from the log alone, seed {seed}");
        }
        store.close().expect("closed");
        assert!(medium.rows().len() > 6, "there are blocks: {}", medium.rows().len());
    }
}

/// What a removal hides is hidden from the log, from blocks, and where nothing is hidden but what
/// others' blocks hide; and it comes back whole when somebody has changed it.
#[test]
fn what_removals_hide_stays_hidden_in_blocks() {
    let medium = Medium::new();
    let store = medium.open_with(hurried());
    let space: Space<Shelves> = store.create_space("shelves").expect("a first space");
    let there: Space<Shelves> = Medium::new()
        .open()
        .join_space("shelves", space.ticket())
        .expect("a space of the same lineage");
    for shelf in ["kept", "gone", "back"] {
        let add = space.transact(|tx| tx.object("room 9").entry(shelf).insert("lamp"));
        add.expect("a transaction");
    }
    settle(&space.link(), &there.link()).expect("an honest peer");
    there.transact(|tx| tx.object("room 9").entry("back").insert("rug")).expect("a transaction");
    let hide = |shelf: &str| space.transact(|tx| tx.object("room 9").remove_unless_edited(shelf));
    ["gone", "back"].iter().for_each(|shelf| _ = hide(shelf).expect("a transaction"));
    work(&space, &mut Chance(9), 400);
    store.close().expect("closed");
    assert!(medium.rows().len() > 6, "there are blocks: {}", medium.rows().len());
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect("there");
    let shelves = || space.object("room 9").keys().expect("readable");
    assert_eq!(shelves(), ["kept"]);
    settle(&space.link(), &there.link()).expect("an honest peer");
    assert_eq!(shelves(), ["back", "kept"]);
    let lamp = space.object("room 9").at("back").contains("lamp").expect("readable");
    assert!(lamp, "what was removed before is there again, with what was added");
}

#[test]
fn rows_do_not_pile_up() {
    let (medium, store, space) = worked(500, 3);
    let before = medium.rows().len();
    work(&space, &mut Chance(4), 4_000);
    store.close().expect("closed");
    let after = medium.rows().len();
    assert!(after < 4 * before, "{before} rows after 500 transactions, {after} after 4,500");
}

/// Merges take many flushes, and others of newer runs start before they end.
#[test]
fn large_merges_go_on_beside_small_ones_and_lose_nothing() {
    let mut config = Config::default();
    (config.memtable_bytes, config.cache_bytes) = (64 << 10, 64 << 10);
    let medium = Medium::new();
    let store = medium.open_with(config);
    let space: Space<OrSet<u64>> = store.create_space("numbers").expect("a first space");
    let (mut chance, mut most) = (Chance(5), 0);
    for round in 0..1_500_u64 {
        let numbers: Vec<u64> = (0..100).map(|_| chance.below(1 << 40)).collect();
        let add = space.transact(|tx| {
            let mut set = tx.object("set");
            numbers.iter().try_for_each(|number| set.insert(number))
        });
        add.expect("a transaction");
        most = most.max(medium.rows().len());
        if round % 250 == 249 {
            let lost = medium.after_power_loss();
            let again: Space<OrSet<u64>> = lost.open_with(config).open_space("numbers").unwrap();
            assert_eq!(again.digest().expect("readable"), space.digest().expect("readable"));
            assert!(numbers.iter().all(|number| space.object("set").contains(number).unwrap()));
        }
    }
    store.compact(&mut |_| std::ops::ControlFlow::Continue(())).expect("merged");
    let merged = medium.rows().len();
    assert!(most < 4 * merged, "{most} rows at most, {merged} when all is merged");
}

#[test]
fn keys_and_places_are_found_again_after_flushing_and_closing() {
    let (medium, store, space) = worked(0, 0);
    for number in 0..3_000_u64 {
        let item = number.to_string();
        let add = space
            .transact_once(item.as_bytes(), |tx| tx.object("room").entry("shelf").insert(&item));
        assert!(matches!(add, Ok(Once::First(_))), "{add:?}");
    }
    store.close().expect("closed");
    drop((store, space));
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect("there");
    for number in (0..3_000_u64).step_by(37) {
        let key = number.to_string();
        let again = space.transact_once(key.as_bytes(), |tx| tx.remove("room"));
        let Ok(Once::Repeated(receipt)) = again else { panic!("{again:?}") };
        assert_eq!((receipt.last(), receipt.is_durable()), (number + 1, true));
    }
    let peer: Space<Shelves> =
        Medium::new().open().join_space("shelves", space.ticket()).expect("a space");
    settle(&space.link(), &peer.link()).expect("it goes on");
    assert_eq!(peer.digest(), space.digest(), "the whole log was found and sent");
}

/// Every row is needed: whatever happens to one is found, reported and repaired.
#[test]
fn a_damaged_or_missing_row_is_found_and_written_anew_from_the_log() {
    let (medium, store, space) = worked(1_500, 9);
    store.close().expect("closed");
    let right = space.digest().expect("readable");
    let print = space.fingerprint().expect("readable");
    drop((store, space));
    let rows = medium.rows();
    assert!(rows.len() > 10);
    for (index, (key, bytes)) in rows.iter().enumerate() {
        let flipped = |bit: usize| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Some(bytes)
        };
        let (first, last) = (flipped(index % 64), flipped(bytes.len() * 8 - 1 - index % 64));
        let other = Some(rows[(index + 1) % rows.len()].1.clone());
        for (how, damaged) in
            [("missing", None), ("front", first), ("end", last), ("swapped", other)]
        {
            let medium = medium.after_power_loss();
            medium.put_row(key, damaged);
            let compared = medium.after_power_loss();
            assert_mended(&medium, right, &format!("row {key:?}, {how}"));
            assert_compared(&compared, print, &format!("row {key:?}, {how}"));
        }
    }
}

fn assert_mended(medium: &Arc<Medium>, right: Digest, how: &str) {
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect(how);
    // A read that meets the damage reports it; the next one finds it repaired.
    let first = space.digest();
    assert!(first.is_err() || first == Ok(right), "{how}: {first:?}");
    assert_eq!(space.digest(), Ok(right), "{how}");
    let counted = Medium::new();
    let peer: Space<Shelves> =
        counted.open().join_space("shelves", space.ticket()).expect("a space");
    // The first time it may find damage.
    if settle(&space.link(), &peer.link()).is_err() {
        settle(&space.link(), &peer.link()).expect(how);
    }
    assert_eq!(peer.digest(), Ok(right), "{how}");
    let reports = space.take_reports().expect("readable");
    let told = reports.iter().any(|report| matches!(report, Event::Damage { .. }));
    let lost_head = first.is_ok() && how.contains("row [0], missing");
    assert!(told || lost_head || first == Ok(right), "{how}: {reports:?}");
}

/// Fingerprints are in the same blocks.
fn assert_compared(medium: &Arc<Medium>, right: Fingerprint, how: &str) {
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect(how);
    let first = space.fingerprint();
    assert!(first.is_err() || first == Ok(right), "{how}: {first:?}");
    assert_eq!(space.fingerprint(), Ok(right), "{how}");
}

/// Counters in a map of a space that is flushed all the time go on after each restart.
#[test]
fn counters_go_on_where_they_were() {
    let medium = Medium::new();
    let mut sum = 0;
    for round in 0..20 {
        let store = medium.open_with(hurried());
        let space: Space<OrMap<String, PnCounter>> = match round {
            0 => store.create_space("sums").expect("a first space"),
            _ => store.open_space("sums").expect("there"),
        };
        assert_eq!(space.object("all").at("sum").value(), Ok(sum));
        for amount in 0..50 {
            space.transact(|tx| tx.object("all").entry("sum").add(amount)).expect("a transaction");
            sum += amount;
        }
    }
}

#[test]
fn a_large_set_is_read_page_by_page() {
    let (medium, store, space) = worked(0, 0);
    let names: Vec<String> = (0..1_000).map(|number| format!("{number:04}")).collect();
    let add = space.transact(|tx| {
        let mut room = tx.object("room");
        let mut shelf = room.entry("shelf");
        names.iter().try_for_each(|name| shelf.insert(name))
    });
    add.expect("a transaction");
    store.close().expect("closed");
    drop((store, space));
    let space: Space<Shelves> = medium.open_with(hurried()).open_space("shelves").expect("there");
    let room = space.object("room");
    let shelf = room.at("shelf");
    assert_eq!(
        (shelf.contains("0500"), shelf.contains("x"), shelf.len()),
        (Ok(true), Ok(false), Ok(1_000))
    );
    let (mut read, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = shelf.page(after.as_deref(), 64).expect("readable");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 64);
        after = Some(last.clone());
        read.extend(page);
    }
    assert_eq!(read, names);
    assert_eq!(
        shelf.page(Some("0123x"), 2),
        Ok(names[124..126].to_vec()),
        "after what is not there"
    );
    assert_eq!(room.page(None::<&str>, 5), Ok(vec!["shelf".to_owned()]));
}
