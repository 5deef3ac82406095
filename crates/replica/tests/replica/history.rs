//! The history of an object: whose change, from what to what, newest first, at the cost of a page.

use rejoin::prelude::*;
use rejoin_crdts::Path;
use rejoin_replica::{Past, PastEdit};

use crate::medium::Medium;

#[derive(Crdt)]
struct Product {
    price: LwwRegister<u64>,
    tags: OrSet<String>,
    text: Siblings<String>,
    stock: PnCounter,
}

type Products = Space<Product>;

fn set_price(space: &Products, to: u64, by: &str) {
    space
        .transact(|tx| {
            tx.author(by)?;
            tx.object("tent").price().set(to)
        })
        .expect("a transaction");
}

/// Each change as its author, and what it did with what it replaced.
fn told(history: &[Past]) -> Vec<String> {
    let edit = |PastEdit { edit, replaced, .. }: &PastEdit| {
        let before: Vec<String> = replaced.iter().map(ToString::to_string).collect();
        format!("{} {} over [{}]", edit.path, edit.action, before.join(", "))
    };
    let change = |past: &Past| {
        let edits: Vec<String> = past.edits.iter().map(edit).collect();
        format!("{}: {}", past.change.label().author.unwrap_or_default(), edits.join("; "))
    };
    history.iter().map(change).collect()
}

#[test]
fn a_history_says_from_what_to_what() {
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let here: Products = stores[0].create_space("products").expect("a first space");
    let there: Products = stores[1].join_space("products", here.ticket()).expect("joined");
    // Made before anything is there: it is kept with every entry that comes, and not read anew.
    assert!(there.history("tent", None, 9).expect("readable").is_empty());
    set_price(&here, 300, "Ann");
    here.link().meet(&there.link()).expect("met");
    set_price(&here, 280, "Ann");
    set_price(&there, 250, "Ben");
    there.transact(|tx| tx.object("rope").price().set(9_u64)).expect("a transaction");
    here.link().meet(&there.link()).expect("met");
    set_price(&there, 270, "Cleo");
    let both = |tx: &mut rejoin_replica::Transaction<'_, Product>| {
        tx.object("tent").tags().insert("sale")?;
        tx.object("tent").stock().add(3)?;
        tx.object("rope").stock().add(1)
    };
    there.transact(both).expect("a transaction");
    there.transact(|tx| tx.remove("tent")).expect("a transaction");

    let history = there.history("tent", None, 100).expect("readable");
    let lines = told(&history);
    assert!(lines[0].contains("tent removed over []"), "{lines:?}");
    assert_eq!(lines[1], ": tent/tags/sale added over []; tent/stock +3 over []");
    // In the order of the dots, which are random here.
    let both = ["[280, 250]", "[250, 280]"].map(|of| format!("Cleo: tent/price 270 over {of}"));
    assert!(both.contains(&lines[2]), "{lines:?}");
    let concurrent = ["Ann: tent/price 280 over [300]", "Ben: tent/price 250 over [300]"];
    let mut two = lines[3..5].to_vec();
    two.sort();
    assert_eq!(two, concurrent);
    assert_eq!(lines[5..], ["Ann: tent/price 300 over []"]);

    // A place: its own changes, and what was removed above it.
    let price = Path::object("tent", Product::KIND).field("price", LwwRegister::<u64>::KIND);
    let of_price = there.history_at(&price, None, 100).expect("readable");
    assert_eq!(of_price.len(), 5);
    assert!(told(&of_price)[0].contains("removed"));
    let mut pages = Vec::new();
    while let page = there.history_at(&price, pages.last(), 2).expect("readable")
        && !page.is_empty()
    {
        pages.extend(page);
    }
    assert_eq!(pages, of_price);
    assert!(there.history("boat", None, 10).expect("readable").is_empty());
    assert!(there.history("tent", None, 0).expect("readable").is_empty());
}

/// It is stored with the state: after a start a page is read, and not the log.
#[test]
fn a_history_costs_a_page() {
    let medium = Medium::new();
    let store = medium.open();
    let space: Products = store.create_space("products").expect("a first space");
    let quick = space.with_durability(Durability::Buffered);
    for n in 0..3_000_u64 {
        let object = if n % 300 == 0 { "tent".to_owned() } else { format!("other {}", n % 50) };
        quick.transact(|tx| tx.object(&object).price().set(n)).expect("a transaction");
    }
    assert_eq!(space.history("tent", None, 100).expect("readable").len(), 10);
    space.flush().expect("written");
    drop((quick, space, store));
    let store = medium.open();
    let space: Products = store.open_space("products").expect("the space");
    let before = medium.reads();
    let page = space.history("tent", None, 3).expect("readable");
    let values = page.iter().map(|past| past.edits[0].edit.action.value::<u64>());
    assert_eq!(values.collect::<Result<Vec<_>, _>>(), Ok(vec![2_700, 2_400, 2_100]));
    let reads = medium.reads() - before;
    assert!(reads < 30, "{reads} reads for a page of three");
}
