//! Copies that catch up: spaces, transactions, log, sync.
//!
//! A [`Store`] is a file with an identity. It holds [`Space`]s: typed objects that are replicated
//! together under one version vector. A transaction is durable when it returns, with a [`Receipt`];
//! two stores that hold the same space exchange what the other lacks over any ordered stream of
//! bytes.
//!
//! ```
//! use rejoin_crdts::{OrMap, PnCounter};
//! use rejoin_replica::Store;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("shop.rejoin");
//! let store = Store::open(&path)?;
//! let carts = store.create_space::<OrMap<String, PnCounter>>("carts")?;
//! let receipt = carts.transact(|tx| tx.object("alice").entry("apples").add(2))?.receipt;
//! assert!(receipt.is_durable());
//! assert_eq!(carts.object("alice").at("apples").value()?, 2);
//! println!("join by {}", carts.ticket());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | open a store, with a clock or storage of your own | [`Store`], [`OpenOptions`], [`storage`] |
//! | read a store that another process has open | [`Store::open_read_only`] |
//! | read and change objects | [`Space`], [`Transaction`], [`Snapshot`], [`Once`] |
//! | find objects and parts of them by a value | `#[crdt(index)]` on a field, [`Space::find`] |
//! | know what became of a write | [`Receipt`], [`Space::held_by`] |
//! | learn of changes as they come, with their values | [`Space::watch`], a stream; [`Change`] |
//! | go on from a version vector; read what came since | [`Space::watch_since`], [`Changes`] |
//! | learn of conflicts and of what went wrong | [`Space::conflicts`], [`Event`] |
//! | bring two stores together | `rejoin-node` over TCP, [`Link`] over anything else, [`Ticket`] |
//! | back up, verify, repair | [`ops`], [`Loss`], [`Fork`] |
//!
//! # What blocks
//! Calls of stores and spaces are plain functions. A transaction returns when it is durable: it
//! waits for the disk, together with whoever writes at the same time, and holds no lock meanwhile.
//! [`Durability::Buffered`] does not wait. A read waits only for the transactions and reads that
//! are under way, and for the disk where something is not in memory.
//!
//! In an async program on tokio, feature `tokio` has `Space::transact_async`, `read_async` and
//! `flush_async`, which run on the runtime's threads for what blocks; `rejoin-node` brings it. Call
//! everything else that waits for the disk by `spawn_blocking`. A [`Watch`] is a stream on any
//! runtime and does not block, but for one that [goes on from a vector](Space::watch_since): until
//! it has caught up it reads the log as it is polled.
//!
//! # Words
//! | word | what it is |
//! |---|---|
//! | lineage | what makes two spaces of one name different ones; a ticket names it |
//! | incarnation | the store under one id; a copy, or one that was put back, begins another |
//! | witness | the file beside the store that proves that it is in its place, and no copy |
//! | externalized | may have been seen by a peer: it was sent, or is about to be |
//! | fork | an origin with two histories; it is frozen (nothing more of it is taken in) |
//! | quarantine | where a record is kept that cannot be used, until what it needs is there |
//!
//! # The core and its shell
//! What a space does is decided by a core that writes nothing, starts no thread and reads no clock;
//! what it reads is stored state and log, through a [trait](storage::StorageRead). Users do not
//! meet it. A write goes through it like this:
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

#![cfg_attr(docsrs, feature(doc_cfg))]

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
pub use error::{CannotResolve, CannotUndo, OwnOperations, StoreError};
pub use format::conflict::{Conflict, Origin, Strategy, Version};
pub use format::entry::{Head, Label, MAX_LABEL_BYTES};
pub use format::message;
pub use format::ticket::{MAX_NAME_BYTES, ParseTicketError, Ticket};
pub use receipt::{ParseReceiptError, Receipt};
pub use rejoin_crdts::edit::Remains;
pub use rejoin_storage as storage;
#[cfg(feature = "conformance")]
pub use rejoin_storage::storage_conformance;
pub use shell::changes::Changes;
pub use shell::conflicts::Conflicts;
pub use shell::history::{Past, PastEdit};
pub use shell::identity::Randomness;
pub use shell::link::{Link, LinkError};
pub use shell::loss::{Accepted, Loss};
#[cfg(feature = "machine")]
pub use shell::machine::MachineTime;
pub use shell::options::OpenOptions;
pub use shell::removal::Removal;
pub use shell::resolving::Choice;
pub use shell::shared::Wake;
pub use shell::space::{Committed, Durability, Once, Snapshot, Space, SpaceStats, Transaction};
pub use shell::store::Store;
pub use shell::time::Time;
pub use shell::watch::Watch;
#[cfg(feature = "redb")]
pub use shell::witness::STATE_DIR;
pub use state::Fingerprint;
pub use state::Found;

// The core, for tests, benches and whoever measures it; it may change at any time.
#[doc(hidden)]
pub use format::entry;
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
