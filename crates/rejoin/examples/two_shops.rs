//! Two copies of one shop: edited apart, then merged, with the decisions of the merge.
//!
//! ```sh
//! cargo run -p rejoin --example two_shops
//! ```

use rejoin::prelude::*;

#[derive(Crdt, Default, Clone, Debug)]
struct Shop {
    shelves: OrMap<String, OrMap<String, PnCounter>>,
    motto: LwwRegister<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut north = Replica::<Shop>::new(FreshId::random());
    north.edit(|shop| shop.shelves().entry("fruit").entry("apples").add(5))?;
    let mut south = north.fork(FreshId::random());

    north.edit(|shop| {
        shop.shelves().remove("fruit")?;
        shop.motto().set("Everything must go")
    })?;
    let from_south = south.edit(|shop| {
        shop.shelves().entry("fruit").entry("apples").add(3)?;
        shop.motto().set("Fresh every day")
    })?;

    north.apply_reporting(&from_south, &mut |conflict| println!("{conflict}"));
    south.merge(&north);

    assert_eq!(south.shelves().at("fruit").at("apples").value()?, 3);
    assert_eq!(north.save(), south.save());
    println!("{}", north.to_value());
    Ok(())
}
