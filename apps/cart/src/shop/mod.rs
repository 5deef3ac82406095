//! The shop that a child process keeps: a store file, a space of carts, and its peers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rejoin::prelude::*;
use rejoin::replica::{Config, OpenOptions};
use rejoin_node::{Dial, Node, Options};
use tokio::runtime::Handle;

use crate::args::ReplicaArgs;
use crate::driver::child_protocol::{CartState, Command, Edit, Refusal, Reply};
use crate::driver::replica::Shop;

const SPACE: &str = "carts";
/// Maximum number of attempts to open the store again after closing, and the pause between them:
/// connections that were cut off release it within this time.
const CLOSING: (usize, Duration) = (500, Duration::from_millis(10));

/// The cart of a customer.
#[derive(Crdt, Default)]
pub(crate) struct Cart {
    /// Stock code to quantity, which may be negative: a cancellation.
    lines: OrMap<String, PnCounter>,
    /// A message for the courier.
    note: LwwRegister<String>,
}

/// A store with its space open and its connections up.
pub(crate) struct CartShop {
    path: PathBuf,
    name: String,
    store: Store,
    carts: Space<Cart>,
    node: Node,
    dials: Mutex<Vec<Dial>>,
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

impl CartShop {
    /// Opens the store, and opens, joins or creates its space.
    ///
    /// # Errors
    /// [`Refusal`]: the problem with the store or the ticket.
    pub(crate) fn open(args: &ReplicaArgs) -> Result<Self, Refusal> {
        let store = open_store(&args.store).map_err(|error| of_store(&error))?;
        let carts = match &args.join {
            Some(ticket) => {
                let ticket = ticket.parse::<Ticket>();
                let ticket = ticket.map_err(|error| refuse(&error, "copy it whole"))?;
                store.join_space::<Cart>(SPACE, &ticket)
            }
            None => match store.open_space::<Cart>(SPACE) {
                Err(StoreError::NoSuchSpace { .. }) => store.create_space::<Cart>(SPACE),
                opened => opened,
            },
        };
        let carts = carts.map_err(|error| of_store(&error))?;
        let name = args.name.clone();
        let node = Node::with_options(restless(), move |report| eprintln!("{name}: {report}"));
        node.share(&carts.link()).map_err(|error| of_store(&error))?;
        let (path, name) = (args.store.clone(), args.name.clone());
        Ok(Self { path, name, store, carts, node, dials: Mutex::default() })
    }

    fn transact(
        &self,
        key: Option<&str>,
        customer: &str,
        edits: &[Edit],
    ) -> Result<Reply, StoreError> {
        let key = key.unwrap_or_default().as_bytes();
        let once = self.carts.transact_once(key, |tx| {
            let mut cart = tx.object(customer);
            edits.iter().try_for_each(|edit| match edit {
                Edit::Add(code, quantity) => cart.lines().entry(code.as_str()).add(*quantity),
                Edit::Remove(code) => cart.lines().remove(code.as_str()),
                Edit::Clear => cart.lines().clear(),
                Edit::Note(text) => cart.note().set(text.as_str()),
            })
        })?;
        // All shops take their keys from one sequence: a key that is done stands for this very
        // request.
        let repeated = !matches!(once, Once::First(_));
        Ok(Reply::Receipt { repeated, durable: once.receipt().is_durable() })
    }

    fn cart(&self, customer: &str) -> Result<CartState, StoreError> {
        self.carts.read(|carts| {
            let cart = carts.object(customer);
            let lines = cart.lines();
            let line = |code: String| Ok((code.clone(), lines.at(code.as_str()).value()?));
            let lines = lines.keys()?.into_iter().map(line).collect::<Result<_, ReadError>>()?;
            Ok(CartState { lines, note: cart.note().get()? })
        })?
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
        let dial = self.node.connect(&self.carts.link(), address);
        let dial = dial.ok_or_else(|| refuse(&"the space is not shared", ""))?;
        self.dials.lock().unwrap_or_else(PoisonError::into_inner).push(dial);
        Ok(Reply::Connected)
    }
}

fn open_store(path: &PathBuf) -> Result<Store, StoreError> {
    OpenOptions::new().config(impatient()).open(path)
}

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
                self.transact(key.as_deref(), &customer, &edits)
            }
            Command::Cart { customer } => self.cart(&customer).map(Reply::Cart),
            Command::Customers => self.carts.keys().map(Reply::Customers),
            Command::Vector => {
                self.carts.version_vector().map(|v| Reply::Vector(v.iter().map(vector).collect()))
            }
            Command::Conflicts => self.carts.conflicts().map(|conflicts| {
                Reply::Conflicts(conflicts.iter().map(ToString::to_string).collect())
            }),
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
        Ok(Reply::Digest(digest.to_string()))
    }
}
