//! One answer out of many: values that are no CRDTs, every concurrent one of them, and policies
//! that are data.
//!
//! Some values have no rule by which two of them merge: a description, a price, an address. Written
//! concurrently, they become [`Siblings`]. Nothing is lost, and somebody, or something, has to
//! choose. A [`Policy`] is a rule for that. It is data and no closure: so it can be sent to every
//! replica, and all of them show the same.
//!
//! ```text
//! phone   "red"  ---+--> red, blue --policy--> blue
//!                   x
//! laptop  "blue" ---+--> red, blue --policy--> blue
//! ```
//!
//! Policies are views. None of them takes a value away, because a replica that has heard of less
//! would then differ from the others for ever; a resolution becomes data only when somebody who has
//! seen the values writes one over them. The registers of `rejoin-crdts` are the same live writes,
//! with a fixed policy each: [`LwwRegister`](rejoin_crdts::LwwRegister),
//! [`MvRegister`](rejoin_crdts::MvRegister) and [`MaxRegister`](rejoin_crdts::MaxRegister) show
//! what [`Policy::LastWriterWins`], [`Policy::KeepAll`] and [`Policy::Max`] do.
//!
//! What each policy loses, and what surprises: [`guide::choosing`].
//!
//! No clock, file or random source is read here, and the order in which values come does not
//! matter. The laws that a policy of one's own has to hold are in `laws` (feature `laws`).

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "laws"))]
extern crate std;

mod custom;
pub mod guide;
#[doc(hidden)]
pub mod incarnations;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "laws")]
pub mod laws;
mod merge;
mod pattern;
#[doc(hidden)]
pub mod policies;
mod policy;
mod record;
mod sibling;
mod siblings;

pub use custom::{Context, CustomName, Customs, Decide, MissingPolicy};
#[cfg(feature = "json")]
pub use json::Json;
pub use pattern::{Misfit, PathPattern, PatternError};
pub use policies::SpacePolicy;
pub use policy::{Answer, MAX_DEPTH, MAX_POLICY_BYTES, Policy, Resolution};
pub use record::Record;
pub use sibling::Sibling;
pub use siblings::{ResolveError, Siblings, SiblingsEditor, SiblingsReader};
