//! The shop's answers to the driver: which call of the library stands behind each request.

use std::net::{Ipv4Addr, SocketAddr};

use rejoin::prelude::*;
use tokio::runtime::Handle;

use super::{CartShop, cart, of_store, refuse};
use crate::driver::child_protocol::{Command, Edit, Refusal, Reply};
use crate::driver::replica::Shop;

impl Shop for CartShop {
    fn serve(&self, command: Command) -> Result<Reply, Refusal> {
        let vector = |(id, counter): (ReplicaId, u64)| (id.to_string(), counter);
        let reply = match command {
            Command::Listen { port } => return self.listen(port),
            Command::Connect { address } => return self.connect(address),
            Command::Identity => Ok(Reply::Identity {
                replica: self.store.replica_id().map_or_else(String::new, |id| id.to_string()),
                ticket: self.carts.ticket().to_string(),
            }),
            Command::Transact { key, customer, edits } => {
                self.change(key.as_deref(), &customer, &edits)
            }
            Command::Cart { customer } => cart::read(&self.carts, &customer).map(Reply::Cart),
            Command::Customers => self.carts.keys().map(Reply::Customers),
            Command::Vector => {
                self.carts.version_vector().map(|v| Reply::Vector(v.iter().map(vector).collect()))
            }
            Command::Conflicts => {
                self.carts.conflicts().oldest_first().page(usize::MAX).map(|conflicts| {
                    Reply::Conflicts(conflicts.iter().map(ToString::to_string).collect())
                })
            }
            Command::Stats => self.carts.stats().map(|stats| Reply::Stats {
                entries: stats.entries,
                encoded_bytes: stats.entry_bytes,
            }),
            Command::Digest => self.carts.digest().map(|d| Reply::Digest(d.to_string())),
            Command::Close => return Err(refuse(&"closing ends the process", "send it alone")),
        };
        reply.map_err(|error| of_store(&error))
    }

    fn reopened_digest(self) -> Result<Reply, Refusal> {
        self.reopen().map(Reply::Digest)
    }
}

impl CartShop {
    fn change(
        &self,
        key: Option<&str>,
        customer: &str,
        edits: &[Edit],
    ) -> Result<Reply, StoreError> {
        let once = cart::change(&self.carts, key, customer, edits)?;
        // All shops take their keys from one sequence: a key that is done stands for this very
        // request.
        let repeated = !matches!(once, Once::First(_));
        Ok(Reply::Receipt { repeated, durable: once.receipt().is_durable() })
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
