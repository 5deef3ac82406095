//! Knowledge of who has seen which events.
//!
//! Replicas that write while they are apart need three answers when they meet again: which events
//! does the other lack, did one of two values know of the other, and which time should be shown.
//! This crate holds the small types that answer, and nothing about the data itself:
//!
//! | question | type |
//! |---|---|
//! | who wrote? | [`ReplicaId`], made once from a [`FreshId`] |
//! | which event? | [`Dot`] |
//! | everything up to where? | [`VersionVector`] |
//! | and which events beyond the gaps? | [`DotSet`] |
//! | which values of a key did no later write see? | [`DottedVersionVector`] |
//! | who knew of whom? | [`Causality`] |
//! | what time to show, and to break ties with? | [`HybridTimestamp`], [`HybridClock`] |
//!
//! ```
//! use rejoin_vclock::{Causality, ReplicaId, VersionVector};
//!
//! let (phone, laptop) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
//! let mut on_phone = VersionVector::new();
//! on_phone.increment(phone)?;
//! let mut on_laptop = on_phone.clone(); // the laptop syncs,
//! on_laptop.increment(laptop)?; //         then both write while they are apart
//! on_phone.increment(phone)?;
//!
//! assert_eq!(on_phone.compare(&on_laptop), Causality::Concurrent);
//! let lacking: Vec<_> = on_phone.missing_from(&on_laptop).collect();
//! assert_eq!(lacking, [(phone, 1, 2)]); // the laptop needs phone's events after 1, up to 2
//!
//! assert!(on_laptop.join(&on_phone));
//! assert_eq!(on_laptop.compare(&on_phone), Causality::After);
//! # Ok::<(), rejoin_vclock::CounterOutOfRange>(())
//! ```
//!
//! Everything here is plain data: no clock is read, no thread started, no byte sent. Time is an
//! argument. Every type has one canonical encoding ([`codec`]), and bytes from outside enter only
//! through checked constructors.
//!
//! # Features
//!
//! `serde`: `Serialize` and `Deserialize` for the value types. `uuid`: [`ReplicaId`] from and to
//! `Uuid`. `random`: `FreshId::random`, with the operating system's randomness. `js`: the same with
//! that of a browser or of Node.js, where there is no operating system (wasm32-unknown-unknown).
//! None is on by default; without them the crate is `no_std` and needs only an allocator.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

extern crate alloc;
#[cfg(rejoin_mutants)]
extern crate std;

mod causality;
pub mod codec;
mod dot;
pub mod dot_set;
pub mod dotted_version_vector;
pub mod hybrid;
mod invariant;
#[doc(hidden)]
pub mod mutants;
mod replica_id;
#[cfg(feature = "serde")]
mod serde_impls;
pub mod version_vector;

pub use causality::Causality;
pub use dot::{CounterOutOfRange, Dot, MAX_COUNTER};
pub use dot_set::{DotRun, DotSet};
pub use dotted_version_vector::DottedVersionVector;
pub use hybrid::{
    DEFAULT_MAX_SKEW_MILLIS, EARLIEST_MILLIS, HybridClock, HybridTimestamp, MAX_MILLIS,
    MillisOutOfRange, Now, OwnSkew, SkewReport,
};
pub use invariant::BrokenInvariant;
pub use replica_id::{FreshId, ParseReplicaIdError, ReplicaId};
pub use version_vector::VersionVector;
