//! The store's file is removed, replaced or cut off while the store is open: writes to it are no
//! longer acknowledged, and the data that the process holds can be saved.

use std::fs;
use std::path::{Path, PathBuf};

use rejoin::prelude::*;
use rejoin::replica::{OpenOptions, Transaction};

type Cart = OrMap<String, PnCounter>;

struct Shop {
    directory: tempfile::TempDir,
    store: Store,
    carts: Space<Cart>,
}

impl Shop {
    /// Opens a store with ten orders in it; an older copy of its file has five.
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.rejoin");
        let store = open(&path);
        let carts = store.create_space("carts").unwrap();
        for _ in 0..5 {
            order(&carts).unwrap();
        }
        fs::copy(&path, directory.path().join("older")).unwrap();
        for _ in 0..5 {
            order(&carts).unwrap();
        }
        Self { directory, store, carts }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("shop.rejoin")
    }

    fn older(&self) -> PathBuf {
        self.directory.path().join("older")
    }
}

fn open(path: &Path) -> Store {
    let state = path.parent().unwrap().join("state");
    OpenOptions::new().state_dir(state).open(path).unwrap()
}

fn order(carts: &Space<Cart>) -> Result<bool, StoreError> {
    let order = carts.transact(|tx| tx.object("alice").entry("apples").add(1))?;
    Ok(order.is_durable())
}

/// The names of the harms, and the harms: each is done to the file by somebody who does not know
/// that it is in use.
type Harm = (&'static str, fn(&Shop));

fn harms() -> [Harm; 5] {
    [
        ("removed", |shop| fs::remove_file(shop.path()).unwrap()),
        ("renamed over", |shop| fs::rename(shop.older(), shop.path()).unwrap()),
        ("moved away", |shop| fs::rename(shop.path(), shop.directory.path().join("x")).unwrap()),
        ("cut off", |shop| {
            let file = fs::OpenOptions::new().write(true).open(shop.path()).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("written over in place", |shop| {
            let (older, now) = (fs::read(shop.older()).unwrap(), fs::read(shop.path()).unwrap());
            assert_eq!(older.len(), now.len(), "its length tells nothing");
            fs::write(shop.path(), older).unwrap();
        }),
    ]
}

#[test]
fn nothing_is_acknowledged_for_a_file_that_nobody_can_find() {
    for (harm, strike) in harms() {
        let shop = Shop::open();
        strike(&shop);
        for attempt in 0..3 {
            let refused = order(&shop.carts).expect_err(harm);
            let what = refused.to_string();
            assert!(what.contains("shop.rejoin"), "{harm}, {attempt}: {what}");
        }
    }
}

/// Calls that write nothing acknowledge no more than calls that write.
#[test]
fn nothing_is_acknowledged_that_needs_no_write() {
    type Contact = fn(&Shop, Receipt) -> Option<StoreError>;
    let contacts: [Contact; 7] = [
        |shop, _| shop.carts.transact_once(b"first", |_| Ok(())).err(),
        |shop, _| shop.carts.transact(|_| Ok(())).err(),
        |shop, receipt| shop.carts.receipt(receipt).err(),
        |shop, _| shop.carts.flush().err(),
        |shop, _| shop.store.close().err(),
        |shop, _| shop.store.remove_space("carts", Removal::Anyway).err(),
        |shop, _| shop.store.rename_space("carts", "old carts").err(),
    ];
    for (harm, strike) in harms() {
        for (number, contact) in contacts.iter().enumerate() {
            let shop = Shop::open();
            let add = |tx: &mut Transaction<'_, Cart>| tx.object("alice").entry("apples").add(1);
            let first = *shop.carts.transact_once(b"first", add).unwrap().receipt();
            strike(&shop);
            let expected = Some(StoreError::Replaced { path: shop.path() });
            assert_eq!(contact(&shop, first), expected, "{harm}, contact {number}");
            let rescued = shop.directory.path().join("rescued");
            shop.store.rescue_to(&rescued).unwrap();
            assert_eq!(open(&rescued).spaces(), Ok(vec!["carts".to_owned()]), "{harm}, {number}");
        }
    }
}

#[test]
fn what_the_process_still_holds_is_saved() {
    for (harm, strike) in harms() {
        let shop = Shop::open();
        let buffered = shop.carts.with_durability(Durability::Buffered);
        order(&buffered).unwrap();
        strike(&shop);
        let refused = order(&shop.carts).expect_err(harm);
        assert_eq!(refused, StoreError::Replaced { path: shop.path() }, "{harm}");
        assert!(refused.to_string().contains("rescue_to"), "{refused}");
        assert!(!refused.is_retryable() && !refused.is_corruption());
        let rescued = shop.directory.path().join("rescued");
        let saved =
            shop.store.rescue_to(&rescued).unwrap_or_else(|error| panic!("{harm}: {error}"));
        assert!(saved.is_complete(), "{harm}: {saved:?}");
        assert!(shop.store.rescue_to(&rescued).is_err(), "{harm}: nothing is written over");
        let again = open(&rescued);
        let carts: Space<Cart> = again.open_space("carts").unwrap();
        // Ten were acknowledged, one was only buffered, and one was refused; a caller that sends
        // the refused one again does so under a key.
        assert_eq!(carts.object("alice").at("apples").value(), Ok(12), "{harm}");
        assert!(order(&carts).unwrap());
        assert_ne!(again.replica_id(), shop.store.replica_id(), "{harm}: it is a copy");
        drop((carts, again));
        drop(shop.carts);
        drop(shop.store);
        assert_eq!(apples_in(&rescued), 13, "{harm}: closing the old store harms nothing");
    }
}

fn apples_in(path: &Path) -> i64 {
    let carts: Space<Cart> = open(path).open_space("carts").unwrap();
    carts.object("alice").at("apples").value().unwrap()
}

/// A store that writes nothing finds out by its timer.
#[test]
fn an_idle_store_finds_out_too() {
    for (harm, strike) in harms() {
        let shop = Shop::open();
        shop.carts.link().tick().unwrap();
        strike(&shop);
        let refused = shop.carts.link().tick().expect_err(harm);
        assert_eq!(refused, StoreError::Replaced { path: shop.path() }, "{harm}");
        assert!(shop.carts.keys().is_err(), "{harm}: what it says would not last");
    }
}

/// A name that belongs to another file between two writes, and is given back in time, does no harm.
#[test]
fn what_was_put_back_in_time_is_no_harm() {
    let shop = Shop::open();
    let aside = shop.directory.path().join("aside");
    fs::rename(shop.path(), &aside).unwrap();
    fs::rename(&aside, shop.path()).unwrap();
    assert!(order(&shop.carts).unwrap());
    shop.store.close().unwrap();
}
