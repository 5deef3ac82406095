//! Copies that catch up: spaces, transactions, log, sync.
//!
//! A [`Store`] is a file with an identity. It holds [`Space`]s: typed objects that are replicated
//! together under one version vector. A transaction is durable when it returns, with a [`Receipt`];
//! two stores that hold the same space exchange what the other lacks over any ordered stream of
//! bytes.
//!
//! # The core and its shell
//! `SpaceCore` writes nothing, starts no thread and reads no clock; what it reads is stored state
//! and log, through a [trait](storage::StorageRead). Users do not meet it, and it is not in this
//! documentation. Its verbs, everywhere:
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
//! The same core runs under the simulator (`rejoin-sim`), which is how its promises are tested.

mod config;
mod error;
mod format;
mod receipt;
mod shell;
mod state;

pub mod ops;

pub use crate::core::digest::Digest;
pub use crate::core::history::forks::{Fork, Keep};
pub use crate::core::incarnation::Incarnation;
pub use crate::core::peers::progress::SyncProgress;
pub use crate::core::peers::session::{SessionEnd, SessionId};
pub use crate::core::reports::{Reincarnated, Remedy};
pub use crate::core::{Change, Event, Now, session};
pub use config::Config;
pub use error::{OwnOperations, StoreError};
pub use format::ticket::{MAX_NAME_BYTES, ParseTicketError, Ticket};
pub use format::{entry, message};
pub use receipt::Receipt;
pub use rejoin_storage as storage;
#[cfg(feature = "conformance")]
pub use rejoin_storage::storage_conformance;
pub use shell::identity::Randomness;
pub use shell::link::{Link, LinkError};
pub use shell::loss::{Accepted, Loss};
#[cfg(feature = "machine")]
pub use shell::machine::MachineTime;
pub use shell::options::OpenOptions;
pub use shell::removal::Removal;
pub use shell::shared::Wake;
pub use shell::space::{Committed, Durability, Once, Snapshot, Space, SpaceStats, Transaction};
pub use shell::store::Store;
pub use shell::time::Time;
pub use shell::watch::{Lagged, Watch};
#[cfg(feature = "redb")]
pub use shell::witness::STATE_DIR;
pub use state::Fingerprint;

// The core, for tests, benches and whoever measures it; it may change at any time.
#[doc(hidden)]
pub mod core;
#[doc(hidden)]
pub mod internals;
#[doc(hidden)]
pub mod log;
#[doc(hidden)]
pub use crate::core::externalized::Externalization;
#[doc(hidden)]
pub use crate::core::once::Used;
#[doc(hidden)]
pub use crate::core::transact::Transacted;
#[doc(hidden)]
pub use crate::core::{SpaceCore, sync};
#[doc(hidden)]
pub use format::entry::KeyHash;
#[doc(hidden)]
pub use state::{FullCell, Range, StateSource};
