//! The tokio shell of Rejoin: spaces in sync over TCP.
//!
//! A [`Node`] listens for peers and dials others; what travels, and when, is decided by the space's
//! own core. Connect a pair of replicas in one direction: one listens, the other dials and goes on
//! dialling, with growing pauses, for as long as the [`Dial`] is kept; [`Dial::status`] reports its
//! state. However many spaces two processes share, they have one connection. [`Options`] has the
//! maximum number of peers, and the other limits.
//!
//! ```no_run
//! use rejoin_crdts::{OrMap, PnCounter};
//! use rejoin_node::Node;
//! use rejoin_replica::Store;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("shop.rejoin")?;
//! let carts = store.create_space::<OrMap<String, PnCounter>>("carts")?;
//! let node = Node::new(|report| eprintln!("sync: {report}"));
//! node.share(&carts.link())?;
//! let here = node.listen("127.0.0.1:0".parse()?).await?;
//! println!("join by {} at {here}", carts.ticket());
//! # Ok(())
//! # }
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
pub use node::Node;
pub use options::Options;
pub use report::Report;
