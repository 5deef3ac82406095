//! The shop: a store file with its carts and its catalogue, kept in sync with its peers.
//!
//! This folder is what a program of your own would have. Read [`cart`] first: the type, how it is
//! changed and read. Then [`product`], whose values need policies, and [`delivery`], a policy of
//! one's own. Then this file: opening a store, making or joining its spaces, and putting it in
//! touch with others. [`requests`] only maps the driver's requests to such calls.

pub(crate) mod cart;
pub(crate) mod delivery;
pub(crate) mod product;
mod requests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rejoin::prelude::*;
use rejoin::replica::{Config, Link, OpenOptions};
use rejoin::resolve::{PatternError, Resolution, ResolveError};
use rejoin_node::{Dial, Node, Options};

use self::cart::Cart;
use self::product::Product;
use crate::args::ReplicaArgs;
use crate::driver::child_protocol::Refusal;

/// The names of the spaces in the store; each store may give them names of its own.
pub(crate) const CARTS: &str = "carts";
pub(crate) const PRODUCTS: &str = "products";
/// Maximum number of attempts to open the store again after closing, and the pause between them:
/// connections that were cut off release it within this time.
const CLOSING: (usize, Duration) = (500, Duration::from_millis(10));

/// A store with its spaces open and its connections up.
pub(crate) struct CartShop {
    path: PathBuf,
    name: String,
    store: Store,
    carts: Space<Cart>,
    /// The catalogue. A shop that only replays invoices keeps none.
    products: Option<Space<Product>>,
    /// Listens for peers and dials others; it moves whatever the spaces have for them.
    node: Node,
    /// A peer is dialled, again and again if need be, for as long as its `Dial` is kept.
    dials: Mutex<Vec<Dial>>,
}

impl CartShop {
    /// Opens the store, and opens, joins or creates its spaces.
    ///
    /// # Errors
    /// [`Refusal`]: the problem with the store or a ticket.
    pub(crate) fn open(args: &ReplicaArgs) -> Result<Self, Refusal> {
        let store = open_store(&args.store)?;
        let mut tickets = args.join.iter();
        let carts = enter(&store, CARTS, tickets.next())?;
        delivery::register(&carts)?;
        let products = match args.catalogue {
            true => Some(enter(&store, PRODUCTS, tickets.next())?),
            false => None,
        };
        // Policies are data: one shop sets them, and the others receive them with the carts.
        if let (Some(products), true) = (&products, args.join.is_empty()) {
            cart::set_policies(&carts)?;
            product::set_policies(products)?;
        }
        let name = args.name.clone();
        let node = Node::with_options(restless(), move |report| eprintln!("{name}: {report}"));
        let (path, name) = (args.store.clone(), args.name.clone());
        let shop = Self { path, name, store, carts, products, node, dials: Mutex::default() };
        // From here on peers that have the same spaces may sync them.
        for link in shop.links() {
            shop.node.share(&link).map_err(|error| refuse(&error, ""))?;
        }
        Ok(shop)
    }

    fn links(&self) -> impl Iterator<Item = Link> {
        [self.carts.link()].into_iter().chain(self.products.as_ref().map(Space::link))
    }

    /// Keeps up a connection to a peer; `None` if a space is not shared.
    fn dial(&self, address: SocketAddr) -> Option<()> {
        // One connection carries them all.
        let dials = self.links().map(|link| self.node.connect(&link, address));
        let dials = dials.collect::<Option<Vec<Dial>>>()?;
        self.dials.lock().unwrap_or_else(PoisonError::into_inner).extend(dials);
        Some(())
    }

    fn catalogue(&self) -> Result<&Space<Product>, Refusal> {
        let none = || refuse(&"this shop keeps no catalogue", "start it with --catalogue");
        self.products.as_ref().ok_or_else(none)
    }

    /// Closes the store, opens it again and returns the digests of its spaces, as proof that what
    /// they held is in the file.
    fn reopen(self) -> Result<String, Refusal> {
        let has_catalogue = self.products.is_some();
        // A store is closed when its last handle goes. Dials, the node and spaces are handles, too.
        let Self { path, name, store, carts, products, node, dials } = self;
        drop((dials, node, carts, products, store));
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
        let store = opened?;
        let mut digest = store.open_space::<Cart>(CARTS)?.digest()?.to_string();
        if has_catalogue {
            let products = store.open_space::<Product>(PRODUCTS)?.digest()?;
            digest = format!("{digest} {products}");
        }
        eprintln!("{name}: closed and reopened with digest {digest}");
        Ok(digest)
    }
}

/// Opens a space, or joins or creates it where it is new.
fn enter<T: Crdt>(store: &Store, name: &str, ticket: Option<&String>) -> Result<Space<T>, Refusal> {
    Ok(match ticket {
        // A ticket names a space that exists elsewhere. Joining it again opens it.
        Some(ticket) => {
            let ticket = ticket.parse::<Ticket>();
            let ticket = ticket.map_err(|error| refuse(&error, "copy it whole"))?;
            store.join_space(name, &ticket)?
        }
        // Two spaces that are created apart stay apart, whatever their names: so one shop creates
        // it, once, and all others join.
        None => match store.open_space(name) {
            Err(StoreError::NoSuchSpace { .. }) => store.create_space(name)?,
            opened => opened?,
        },
    })
}

/// Sets the policy of a pattern, unless there is one: the shop may be opened for the second time.
fn set_policy<T: Crdt>(space: &Space<T>, pattern: &str, policy: &Policy) -> Result<(), Refusal> {
    if !space.policies()?.iter().any(|set| set.pattern == pattern) {
        let pattern = pattern.parse().map_err(|error: PatternError| refuse(&error, ""))?;
        space.set_policy(&pattern, policy)?;
    }
    Ok(())
}

/// Returns what stands of a field: one value, unless its policy cannot decide between several.
fn standing<T: Atom>(resolution: &Resolution) -> Result<Vec<T>, Refusal> {
    let values = resolution.values.iter().map(|answer| answer.value.read_as());
    Ok(values.collect::<Result<_, ReadError>>()?)
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

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let retry = "end that process, or use another directory";
        refuse(&error, if error.is_retryable() { retry } else { "" })
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        refuse(&error, "")
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        refuse(&error, "")
    }
}
