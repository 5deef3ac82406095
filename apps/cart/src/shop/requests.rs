//! The shop's answers to the driver: which call of the library stands behind each request.

use std::net::{Ipv4Addr, SocketAddr};

use rejoin::prelude::*;
use tokio::runtime::Handle;

use super::{CartShop, PRODUCTS, cart, delivery, product, refuse};
use crate::driver::child_protocol::{Command, Edit, Refusal, Reply};
use crate::driver::replica::Shop;

impl Shop for CartShop {
    fn serve(&self, command: Command) -> Result<Reply, Refusal> {
        Ok(match command {
            Command::Listen { port } => self.listen(port)?,
            Command::Connect { address } => self.connect(address)?,
            Command::Tickets => {
                let products = self.products.as_ref().map(Space::ticket);
                let tickets = [self.carts.ticket()].into_iter().chain(products);
                Reply::Tickets(tickets.map(ToString::to_string).collect())
            }
            Command::Transact { key, author, customer, edits } => {
                self.change(key.as_deref(), author.as_deref(), &customer, &edits)?
            }
            Command::EditProduct { author, product, edits } => {
                done(product::change(self.catalogue()?, &author, &product, &edits)?)
            }
            Command::LetOtherPriceStand { author, product } => {
                let done_now =
                    product::let_other_price_stand(self.catalogue()?, &author, &product)?;
                let none = || refuse(&format!("no price of {product} is open"), "look again");
                done(done_now.ok_or_else(none)?)
            }
            Command::Undo { receipt } => self.undo(&receipt)?,
            Command::Cart { customer } => Reply::Cart(cart::read(&self.carts, &customer)?),
            Command::Product { product } => {
                Reply::Product(product::read(self.catalogue()?, &product)?)
            }
            Command::Customers => Reply::Customers(self.carts.keys()?),
            Command::Vector => self.vector()?,
            Command::Conflicts => {
                let mut sentences = sentences(&self.carts)?;
                if let Some(products) = &self.products {
                    sentences.extend(self::sentences(products)?);
                }
                Reply::Conflicts(sentences)
            }
            Command::Stats => {
                let stats = self.carts.stats()?;
                Reply::Stats { entries: stats.entries, encoded_bytes: stats.entry_bytes }
            }
            Command::Digest => Reply::Digest(self.carts.digest()?.to_string()),
            Command::Close => return Err(refuse(&"closing ends the process", "send it alone")),
        })
    }

    fn reopened_digest(self) -> Result<Reply, Refusal> {
        self.reopen().map(Reply::Digest)
    }
}

fn done(receipt: Receipt) -> Reply {
    Reply::Receipt { repeated: false, durable: receipt.is_durable(), receipt: receipt.to_string() }
}

/// Returns what merges decided in a space, the first decision first.
fn sentences<T: Crdt>(space: &Space<T>) -> Result<Vec<String>, StoreError> {
    let conflicts = space.conflicts().oldest_first().page(usize::MAX)?;
    Ok(conflicts.into_iter().map(delivery::sentence).collect())
}

impl CartShop {
    fn change(
        &self,
        key: Option<&str>,
        author: Option<&str>,
        customer: &str,
        edits: &[Edit],
    ) -> Result<Reply, StoreError> {
        let once = cart::change(&self.carts, key, author, customer, edits)?;
        // All shops take their keys from one sequence: a key that is done stands for this very
        // request.
        let repeated = !matches!(once, Once::First(_));
        let receipt = once.receipt();
        let (durable, receipt) = (receipt.is_durable(), receipt.to_string());
        Ok(Reply::Receipt { repeated, durable, receipt })
    }

    /// Undoes a transaction on the carts, by the receipt that it got.
    fn undo(&self, receipt: &str) -> Result<Reply, Refusal> {
        let receipt = receipt.parse::<Receipt>();
        let receipt = receipt.map_err(|error| refuse(&error, "copy it whole"))?;
        let undone = self.carts.undo(&receipt)?;
        // Whoever changed something since keeps that.
        let stays = undone.value.kept.iter().chain(&undone.value.cannot);
        Ok(Reply::Undone { stays: stays.map(ToString::to_string).collect() })
    }

    /// The vector of the carts, and that of the catalogue under names of their own.
    fn vector(&self) -> Result<Reply, StoreError> {
        let carts = self.carts.version_vector()?;
        let mut all: Vec<_> = carts.iter().map(|(id, n)| (id.to_string(), n)).collect();
        if let Some(products) = &self.products {
            let vector = products.version_vector()?;
            all.extend(vector.iter().map(|(id, n)| (format!("{PRODUCTS}/{id}"), n)));
        }
        Ok(Reply::Vector(all.into_iter().collect()))
    }

    fn listen(&self, port: u16) -> Result<Reply, Refusal> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let bound = Handle::current().block_on(self.node.listen(address));
        let address = bound.map_err(|error| {
            let help = "end the process that has it, or let the system choose one with port 0";
            refuse(&format!("cannot listen on {address}: {error}"), help)
        })?;
        Ok(Reply::Listening { address })
    }

    fn connect(&self, address: SocketAddr) -> Result<Reply, Refusal> {
        self.dial(address).ok_or_else(|| refuse(&"the space is not shared", ""))?;
        Ok(Reply::Connected)
    }
}
