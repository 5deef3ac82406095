//! The shell around the core: the driver, which takes no lock and does not wait, and the handles of
//! a store and its spaces, which do both.
//!
//! - [`driver`]: drives one space: transactions, messages, batches. The simulator runs it, too.
//! - `repair`, `rollback`, `withdrawal`, `quarantine`: the driver's answers to damage, to another
//!   history of its own id, and to a full medium.
//! - `shared`, `space`, `find`, `on_tokio`, `link`: a space behind a lock, for users and for
//!   transports.
//! - `changes`, `watch`: what was changed in it, from the log and as it comes. `conflicts`: what
//!   merges decided.
//! - `store`, `options`, `identity`, `witness`: a store: its spaces, and the id it writes under.
//! - `machine`: time and randomness, for a store whose host gives it no others.
//! - `forks`, `loss`, `removal`: decisions that a person makes.

pub(crate) mod changes;
pub(crate) mod clearing;
pub(crate) mod conflicts;
pub(crate) mod driver;
mod find;
pub(crate) mod forks;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod loss;
#[cfg(feature = "machine")]
pub(crate) mod machine;
#[cfg(feature = "tokio")]
mod on_tokio;
pub(crate) mod options;
pub(crate) mod policies;
pub(crate) mod quarantine;
mod receipts;
pub(crate) mod removal;
pub(crate) mod repair;
pub(crate) mod resolving;
pub(crate) mod rollback;
pub(crate) mod shared;
pub(crate) mod space;
pub(crate) mod store;
pub(crate) mod time;
mod undo;
pub(crate) mod watch;
pub(crate) mod withdrawal;
pub(crate) mod witness;
