//! Receipts that are written down, and asked about by another run.

use rejoin_replica::{Config, Receipt, Space};

use crate::identity::sync;
use crate::medium::Medium;
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn add(carts: &Carts, line: &str) -> Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(1)).expect("a transaction").receipt
}

#[test]
fn a_receipt_is_asked_about_after_a_restart() {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    let receipts = ["apples", "pears", "figs"].map(|line| add(&carts, line));
    let nothing = carts.transact(|_| Ok(())).expect("nothing to do").receipt;
    let texts = receipts.map(|receipt| receipt.to_string());
    let json = serde_json::to_string(&receipts).expect("written");
    assert_eq!(json, format!("[\"{}\"]", texts.join("\",\"")));
    drop(carts);
    let medium = medium.after_power_loss();
    let carts: Carts = medium.open().open_space("carts").expect("the space");
    let read: Vec<Receipt> = serde_json::from_str(&json).expect("receipts");
    for ((receipt, text), read) in receipts.iter().zip(&texts).zip(read) {
        let parsed: Receipt = text.parse().expect("a receipt");
        assert_eq!(parsed, read);
        assert!(!parsed.is_durable(), "a text proves nothing");
        let now = carts.receipt(parsed).expect("readable");
        assert!(now.is_durable() && !now.is_withdrawn());
        assert_eq!((now.origin(), now.first(), now.last()), dots(receipt));
    }
    let empty = carts.receipt(nothing.to_string().parse().expect("a receipt")).expect("readable");
    assert!(empty.is_empty() && empty.is_durable());
    // Dots that are not here, or not those of one transaction.
    let (origin, last) = (receipts[2].origin(), receipts[2].last());
    for text in [format!("{origin}:{}-{}", last + 1, last + 1), format!("{origin}:1-{last}")] {
        let asked = carts.receipt(text.parse().expect("a receipt")).expect("readable");
        assert!(!asked.is_durable(), "{text}");
    }
    let other = "0123456789abcdef0123456789abcdef:1-1".parse().expect("a receipt");
    assert!(!carts.receipt(other).expect("readable").is_durable());
}

fn dots(receipt: &Receipt) -> (rejoin_vclock::ReplicaId, u64, u64) {
    (receipt.origin(), receipt.first(), receipt.last())
}

#[test]
fn what_is_no_receipt_is_refused() {
    let id = "0123456789abcdef0123456789abcdef";
    for text in [
        String::new(),
        id.to_owned(),
        format!("{id}:"),
        format!("{id}:1"),
        format!("{id}:0-1"),
        format!("{id}:3-1"),
        format!("{id}:1-{}", u64::MAX),
        format!("{id}:1-x"),
        format!("{id}x:1-1"),
        format!("{id}:-1-1"),
    ] {
        assert!(text.parse::<Receipt>().is_err(), "{text}");
        assert!(serde_json::from_value::<Receipt>(serde_json::json!(text)).is_err());
    }
}

/// The far end of a chain is named as soon as something that it wrote has come through.
#[test]
fn who_holds_it_behind_a_relay() {
    // Nobody waits for an origin that may send its entries itself.
    let mut config = Config::default();
    config.grace = 0;
    let stores = [(); 3].map(|()| Medium::new().open_with(config));
    let [near, relay, far] = &stores;
    let here: Carts = near.create_space("carts").expect("a first space");
    let between: Carts = relay.join_space("carts", here.ticket()).expect("joined");
    let there: Carts = far.join_space("carts", here.ticket()).expect("joined");
    let receipt = add(&here, "apples");
    let ids = |stores: &[&rejoin_replica::Store]| {
        let mut ids: Vec<_> = stores.iter().filter_map(|store| store.replica_id()).collect();
        ids.sort();
        ids
    };
    sync(&here.link(), &between.link());
    sync(&between.link(), &there.link());
    sync(&here.link(), &between.link());
    assert_eq!(here.held_by(&receipt), Ok(ids(&[relay])), "the far one has written nothing");
    add(&there, "pears");
    sync(&between.link(), &there.link());
    sync(&here.link(), &between.link());
    let value = |carts: &Carts, line: &str| carts.object("alice").at(line).value();
    assert_eq!((value(&there, "apples"), value(&here, "pears")), (Ok(1), Ok(1)));
    assert_eq!(here.held_by(&receipt), Ok(ids(&[relay, far])));
    let later = add(&here, "figs");
    (0..2).for_each(|_| sync(&here.link(), &between.link()));
    assert_eq!(here.held_by(&later), Ok(ids(&[relay])), "it has not heard of this one");
}
