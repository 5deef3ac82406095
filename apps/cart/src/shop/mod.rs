//! The shop: a store file with a space of carts, kept in sync with its peers.
//!
//! This folder is what a program of your own would have. Read [`cart`] first: the type, how it is
//! changed and read. Then this file: opening a store, making or joining its space, and putting it
//! in touch with others. [`requests`] only maps the driver's requests to such calls.

mod cart;
mod requests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rejoin::prelude::*;
use rejoin::replica::{Config, OpenOptions};
use rejoin_node::{Dial, Node, Options};

use self::cart::Cart;
use crate::args::ReplicaArgs;
use crate::driver::child_protocol::Refusal;

/// The name of the space in the store; each store may give it a name of its own.
const SPACE: &str = "carts";
/// Maximum number of attempts to open the store again after closing, and the pause between them:
/// connections that were cut off release it within this time.
const CLOSING: (usize, Duration) = (500, Duration::from_millis(10));

/// A store with its space open and its connections up.
pub(crate) struct CartShop {
    path: PathBuf,
    name: String,
    store: Store,
    carts: Space<Cart>,
    /// Listens for peers and dials others; it moves whatever the space has for them.
    node: Node,
    /// A peer is dialled, again and again if need be, for as long as its `Dial` is kept.
    dials: Mutex<Vec<Dial>>,
}

impl CartShop {
    /// Opens the store, and opens, joins or creates its space.
    ///
    /// # Errors
    /// [`Refusal`]: the problem with the store or the ticket.
    pub(crate) fn open(args: &ReplicaArgs) -> Result<Self, Refusal> {
        let store = open_store(&args.store).map_err(|error| of_store(&error))?;
        let carts = match &args.join {
            // A ticket names a space that exists elsewhere. Joining it again opens it.
            Some(ticket) => {
                let ticket = ticket.parse::<Ticket>();
                let ticket = ticket.map_err(|error| refuse(&error, "copy it whole"))?;
                store.join_space::<Cart>(SPACE, &ticket)
            }
            // Two spaces that are created apart stay apart, whatever their names: so one shop
            // creates it, once, and all others join.
            None => match store.open_space::<Cart>(SPACE) {
                Err(StoreError::NoSuchSpace { .. }) => store.create_space::<Cart>(SPACE),
                opened => opened,
            },
        };
        let carts = carts.map_err(|error| of_store(&error))?;
        let name = args.name.clone();
        let node = Node::with_options(restless(), move |report| eprintln!("{name}: {report}"));
        // From here on peers that have the same space may sync it.
        node.share(&carts.link()).map_err(|error| refuse(&error, ""))?;
        let (path, name) = (args.store.clone(), args.name.clone());
        Ok(Self { path, name, store, carts, node, dials: Mutex::default() })
    }

    /// Keeps up a connection to a peer; `None` if the space is not shared.
    fn dial(&self, address: SocketAddr) -> Option<()> {
        let dial = self.node.connect(&self.carts.link(), address)?;
        self.dials.lock().unwrap_or_else(PoisonError::into_inner).push(dial);
        Some(())
    }

    /// Closes the store, opens it again and returns the digest of its carts, as proof that what it
    /// held is in the file.
    fn reopen(self) -> Result<String, Refusal> {
        // A store is closed when its last handle goes. Dials, the node and spaces are handles, too.
        let Self { path, name, store, carts, node, dials } = self;
        drop((dials, node, carts, store));
        let (tries, pause) = CLOSING;
        let mut opened = open_store(&path);
        for _ in 0..tries {
            match &opened {
                Err(error) if error.is_retryable() => {
                    thread::sleep(pause);
                    opened = open_store(&path);
                }
                _ => break,
            }
        }
        let store = opened.map_err(|error| of_store(&error))?;
        let carts = store.open_space::<Cart>(SPACE).map_err(|error| of_store(&error))?;
        let digest = carts.digest().map_err(|error| of_store(&error))?;
        eprintln!("{name}: closed and reopened with digest {digest}");
        Ok(digest.to_string())
    }
}

fn open_store(path: &PathBuf) -> Result<Store, StoreError> {
    OpenOptions::new().config(impatient()).open(path)
}

/// Returns timeouts for one machine: a link that is cut is noticed within a second.
fn impatient() -> Config {
    let mut config = Config::default();
    config.have_interval = 50;
    config.grace = 300;
    config.request_timeout = 600;
    config
}

/// Returns the same for the network.
fn restless() -> Options {
    let mut options = Options::default();
    options.heartbeat = Duration::from_millis(200);
    options.idle_timeout = Duration::from_millis(700);
    options.longest_pause = Duration::from_secs(1);
    options
}

fn refuse(message: &impl ToString, help: &str) -> Refusal {
    Refusal { message: message.to_string(), help: help.to_owned() }
}

fn of_store(error: &StoreError) -> Refusal {
    let help = if error.is_retryable() { "end that process, or use another directory" } else { "" };
    refuse(error, help)
}
