//! Copies that catch up: spaces, transactions, log, sync.
//!
//! A [`Store`] is a file with an identity. It holds [`Space`]s: typed objects that are replicated
//! together under one version vector. A transaction is durable when it returns, with a [`Receipt`];
//! two stores that hold the same space exchange what the other lacks over any ordered stream of
//! bytes.
//!
//! # The core and its shell
//! [`SpaceCore`] does no I/O, starts no thread and reads no clock. Its verbs, everywhere:
//!
//! - *getters* read (`version_vector`, `digest`);
//! - *commands* change state on the user's behalf (`commit`, `open_session`);
//! - `handle_*` takes input: a message, the passing of time, the news that something is durable;
//! - `poll_*` returns output: records to write, notes of what will be externalized (to be written
//!   with them), frames to send, events to report.
//!
//! ```text
//!  user            shell (Space, Link)             core                  storage      peer
//!   | transact(..)     |                             |                      |           |
//!   |----------------->| stamp, draft, entry, commit |                      |           |
//!   |                  |---------------------------->|                      |           |
//!   |                  |<-- poll_write: records -----|                      |           |
//!   |                  |---------------- commit, fsync -------------------->|           |
//!   |                  |--- handle_written --------->|  from here on it may leave       |
//!   |<-- receipt ------|                             |                      |           |
//!   |                  |<-- poll_transmit: entries --|                      |           |
//!   |                  |--------------------------- frame ---------------------------->|
//! ```
//!
//! The same core runs under the simulator (feature `sim`), which is how its promises are tested.

mod canonical;
pub mod core;
mod digest;
mod driver;
pub mod entry;
mod envelope;
mod error;
mod externalized;
mod fingerprint;
mod flush;
mod forks;
mod head_check;
mod identity;
mod incarnation;
mod link;
pub mod log;
mod loss;
pub mod message;
mod missing;
mod once;
pub mod ops;
mod options;
mod peers;
mod progress;
mod quarantine;
mod receipt;
mod records;
mod recovery;
mod reincarnation;
mod removal;
mod rollback;
mod section;
pub mod session;
mod shared;
#[cfg(feature = "sim")]
pub mod sim;
mod space;
mod state;
pub mod storage;
mod store;
pub mod sync;
mod ticket;
mod timing;
mod transact;
mod twice;
mod watch;
mod withdrawal;
mod witness;

pub use crate::core::{Change, Event, Now, SpaceCore};
pub use digest::Digest;
pub use error::StoreError;
pub use externalized::Externalization;
pub use fingerprint::{Fingerprint, FullCell, Range};
pub use forks::{Fork, Keep};
pub use incarnation::Incarnation;
pub use link::{Link, LinkError};
pub use loss::{Accepted, Loss};
pub use once::{KeyHash, Used};
pub use options::OpenOptions;
pub use progress::SyncProgress;
pub use receipt::Receipt;
pub use removal::{OwnOperations, Removal};
pub use rollback::Reincarnated;
pub use session::{Config, SessionEnd, SessionId};
pub use shared::{Time, Wake};
pub use space::{Committed, Durability, Once, Snapshot, Space, SpaceStats, Transaction};
pub use state::StateSource;
pub use store::{MachineTime, Store};
pub use ticket::{MAX_NAME_BYTES, ParseTicketError, Ticket};
pub use transact::Transacted;
pub use watch::{Lagged, Watch};
#[cfg(feature = "redb")]
pub use witness::STATE_DIR;
