//! What people do about it afterwards: they decide otherwise than a policy, and take a slip back.

use crate::demo::{
    NORTH, PRODUCT, REGIONS, SOUTH, WEST, carts, done, in_touch, list_carts, product, say,
};
use crate::driver::child_protocol::{Command, Reply};
use crate::driver::cluster::Cluster;
use crate::failure::Failure;

/// Lets the other price stand, and undoes the transaction of the receipt, which north made.
pub(super) async fn have(cluster: &Cluster, slip: String) -> Result<(), Failure> {
    say("\nNothing of it is final; both are transactions like any other:");
    say(&format!(
        "  south looks the price of {PRODUCT} up in the conflict log: the overridden one is right"
    ));
    let (author, product_key) = (REGIONS[SOUTH].to_owned(), PRODUCT.to_owned());
    done(cluster, SOUTH, Command::LetOtherPriceStand { author, product: product_key }).await?;
    say("  north undoes its own \"+2 apples\" for alice; what the others did to them stays");
    match cluster.ask(NORTH, Command::Undo { receipt: slip }).await? {
        Reply::Undone { stays } if stays.is_empty() => {}
        other => return Err(cluster.seat(NORTH).astray(other).into()),
    }
    in_touch(cluster).await?;
    let mut shown = carts(cluster, WEST).await?;
    shown.retain(|(customer, _)| customer == "alice");
    say(&list_carts("  west  ", &shown));
    say(&format!("        {}", product(cluster, WEST).await?));
    Ok(())
}
