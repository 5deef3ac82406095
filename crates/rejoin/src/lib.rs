//! Data that several copies change while they are apart, and that comes back together.
//!
//! A phone in a tunnel and a laptop at home each hold the cart, and each go on changing it. When
//! they meet, both have everything that either did: nobody's work is overwritten, and nobody is
//! asked to choose.
//!
//! ```
//! use rejoin::prelude::*;
//!
//! #[derive(Crdt, Default, Clone)]
//! struct Cart {
//!     lines: OrMap<String, PnCounter>,
//!     note: LwwRegister<String>,
//!     tags: OrSet<String>,
//! }
//!
//! // Two copies, edited apart.
//! let mut phone = Replica::<Cart>::new(FreshId::random());
//! let mut laptop = phone.fork(FreshId::random());
//! let delta = phone.edit(|cart| cart.lines().entry("apples").add(2))?;
//! laptop.edit(|cart| {
//!     cart.lines().entry("apples").add(1)?;
//!     cart.note().set("ring twice")
//! })?;
//!
//! // A delta carries one edit, to whoever lacks it ...
//! laptop.apply(&delta);
//! assert_eq!(laptop.lines().at("apples").value()?, 3); // both counted
//!
//! // ... and a merge takes over all that the other has.
//! phone.merge(&laptop);
//! assert_eq!(phone.note().get()?.as_deref(), Some("ring twice"));
//! assert_eq!(phone.save(), laptop.save());
//!
//! // A removal takes away what it saw, and never what it did not.
//! phone.edit(|cart| cart.lines().remove("apples"))?;
//! laptop.edit(|cart| cart.lines().entry("apples").add(5))?;
//! phone.merge(&laptop);
//! assert_eq!(phone.lines().at("apples").value()?, 5);
//! assert!(phone.lines().get("pears").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to reach for
//!
//! | you have | take |
//! |---|---|
//! | values in memory, exchanged by means of your own | [`Replica`], as above |
//! | values that outlive the program and sync | a [`Store`], its [`Space`]s, and `rejoin-node` |
//! | things to be found by a value | `#[crdt(index)]` on a field, and `Space::find` |
//! | a program that follows changes | `Space::watch_since`, `Space::changes` |
//! | your own struct | [`derive(Crdt)`](macro@Crdt) |
//! | your own enum in a register, or as a key | [`derive(Atom)`](macro@Atom) |
//! | a value that is no CRDT, and a rule for it | [`resolve::Siblings`], [`resolve::Policy`] |
//! | a clock of your own, or none | [`crdts::Replica`] with a [`crdts::Clock`] |
//!
//! The limits on the length of a key, a value or a transaction are in [`limits`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `redb` (default) | `Store::open`; without it stores are in memory or on a backend of yours |
//! | `machine` (with `redb`) | the machine's clock and randomness, and so `Store::memory` |
//! | `js` | random ids in a browser or under Node.js, on `wasm32-unknown-unknown` |
//! | `uuid` | ids from and to `Uuid` |
//! | `fjall` | stores in a directory, for servers that write much |
//! | `serde` | ids, deltas and conflicts in and out |
//! | `json` | JSON in and out (`PutJson`, `Value::to_json`, `resolve::Json`); `serde`, too |
//! | `tokio` | `Space::transact_async` and the like, on your runtime; `rejoin-node` brings it |
//! | `laws` | the laws of a CRDT, to test types of your own |
//! | `conformance` | what every storage backend must hold, to test one of your own |
//!
//! Without `machine` you bring a clock and randomness:
//! `OpenOptions::hosted(time, random).over(storage)`.
//!
//! The crates of the family are here under their short names: [`vclock`] (who has seen what),
//! [`crdts`] (values that merge), [`resolve`] (one answer out of many), [`replica`] (copies that
//! catch up).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "machine")]
mod clock;
pub mod limits;
pub mod prelude;

pub use rejoin_crdts as crdts;
pub use rejoin_replica as replica;
pub use rejoin_resolve as resolve;
pub use rejoin_vclock as vclock;

pub use rejoin_crdts::{Atom, Crdt, Key};
pub use rejoin_derive::{Atom, Crdt, Key};
pub use rejoin_replica::{Space, Store, StoreError, Ticket};
pub use rejoin_vclock::{FreshId, ReplicaId};

#[cfg(feature = "machine")]
pub use crate::clock::SystemClock;

/// One copy of a value in memory, with an identity and the system's clock.
///
/// See [`crdts::Replica`], which takes any clock.
#[cfg(feature = "machine")]
pub type Replica<T> = crdts::Replica<T, SystemClock>;

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
