//! A policy of one's own, which two replicas of three know: the third serves what there is.
//!
//! ```sh
//! cargo run -p rejoin --example own_policy
//! ```

use rejoin::prelude::*;
use rejoin::resolve::Sibling;

#[derive(Crdt)]
struct Product {
    price: Siblings<u64>,
}

/// Of several prices the one that ends in 9, or else the lowest.
fn nine(siblings: &[Sibling]) -> Option<rejoin::crdts::RawAtom> {
    let prices = siblings.iter().filter_map(|sibling| sibling.value.to::<u64>().ok());
    let best = prices.min_by_key(|price| (price % 10 != 9, *price))?;
    Some(rejoin::crdts::RawAtom::of(&best))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stores = [Store::memory()?, Store::memory()?, Store::memory()?];
    let north: Space<Product> = stores[0].create_space("products")?;
    let join = |store: &Store| store.join_space::<Product>("products", north.ticket());
    let (south, east) = (join(&stores[1])?, join(&stores[2])?);
    north.register_policy("nine", 1, nine)?;
    south.register_policy("nine", 1, nine)?;
    north.set_policy(&"*/price".parse()?, &Policy::custom("nine", 1))?;

    north.transact(|tx| tx.object("tent").price().set(250_u64))?;
    south.transact(|tx| tx.object("tent").price().set(299_u64))?;
    for (a, b) in [(&north, &south), (&south, &east), (&east, &north)] {
        a.link().meet(&b.link())?;
    }
    for (name, space) in [("north", &north), ("south", &south), ("east", &east)] {
        match space.object("tent").price().resolved() {
            Ok(answer) => println!("{name}: {:?}", answer.to::<u64>()?),
            Err(error) => println!("{name}: {:?}; {error}", space.object("tent").price().values()?),
        }
    }
    east.register_policy("nine", 1, nine)?;
    println!("east, later: {:?}", east.object("tent").price().resolved()?.to::<u64>()?);
    Ok(())
}
