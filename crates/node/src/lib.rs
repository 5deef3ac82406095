//! The tokio shell of Rejoin: spaces in sync over TCP.
//!
//! A [`Node`] listens for peers and dials others; what travels, and when, is decided by the space's
//! own core. Connect a pair of replicas in one direction: one listens, the other dials and goes on
//! dialling, with growing pauses, for as long as the [`Dial`] is kept; [`Dial::status`] reports its
//! state. However many spaces two processes share, they have one connection. [`Options`] has the
//! maximum number of peers, and the other limits.
//!
//! ```
//! use rejoin_crdts::{OrMap, PnCounter};
//! use rejoin_node::Node;
//! use rejoin_replica::Store;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = |name| directory.path().join(name);
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! // One end listens, and gives away the ticket of its space and its address, as texts.
//! let shop = Store::open(path("shop.rejoin"))?;
//! let carts = shop.create_space::<OrMap<String, PnCounter>>("carts")?;
//! let listener = Node::new(|report| eprintln!("shop: {report}"));
//! listener.share(&carts.link())?;
//! let address = listener.listen("127.0.0.1:0".parse()?).await?;
//! let ticket = carts.ticket().to_string();
//!
//! // The other end joins by the ticket, and dials; nearly always in another process.
//! let phone = Store::open(path("phone.rejoin"))?;
//! let mine = phone.join_space::<OrMap<String, PnCounter>>("carts", &ticket.parse()?)?;
//! let dialler = Node::new(|report| eprintln!("phone: {report}"));
//! dialler.share(&mine.link())?;
//! let dial = dialler.connect(&mine.link(), address).expect("the space is shared");
//! dial.outcome().await?; // in touch; kept so, and dialled again, while `dial` is there
//!
//! mine.transact(|tx| tx.object("alice").entry("apples").add(2))?;
//! dial.caught_up().await?; // both have the same
//! assert_eq!(carts.object("alice").at("apples").value()?, 2);
//! dialler.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no encryption and no authentication yet: listen on loopback or on a network you trust.

mod backoff;
mod connection;
mod dial;
mod end;
mod guests;
mod mux;
mod node;
mod options;
mod report;
mod shared;

pub use dial::{Dial, DialError, DialStatus};
pub use node::{Node, ShareError};
pub use options::Options;
pub use report::Report;
