//! Values that merge.
//!
//! Counters, registers, sets and maps that several copies change at once and that come back
//! together without losing anybody's work. Alone they are plain values in memory, held by a
//! [`Replica`]; in a store they live as cells that are read and written one by one.
//!
//! | you want | type | when two change it at once |
//! |---|---|---|
//! | a number | [`PnCounter`], [`GCounter`] | every change counts |
//! | a number that is promised | [`BoundedCounter`] | each spends its own rights |
//! | one value | [`LwwRegister`], [`MvRegister`] | the last writer wins; or both are shown |
//! | an extreme | [`MaxRegister`], [`MinRegister`] | the greatest, the least |
//! | on or off | [`EnableWinsFlag`], [`DisableWinsFlag`] | as the name says |
//! | a set | [`OrSet`], [`RwSet`], [`TwoPhaseSet`], [`GSet`] | an add wins; or a remove does |
//! | named things | [`OrMap`] | both change; a removal takes away only the data it saw |
//! | an order | [`List`] | one of two moves; runs stand together |
//! | a hierarchy | [`Tree`] | never a cycle |
//! | a record | `#[derive(Crdt)]` on a struct | each field by its own rule |
//! | one of several | [`OneOf`] an enum with `#[derive(Crdt)]` | by the rule that it declares |
//! | any shape | [`Doc`] | as the values in it |
//!
//! The [`guide`] helps to [choose](guide::choosing), says what each [costs](guide::catalogue), and
//! what will [surprise](guide::anomalies). The laws that all of these keep can be run on types of
//! your own: feature `laws`.
//!
//! # How it fits together
//! All state is in *cells* at *paths*. A transaction is a list of operations on cells; it makes a
//! [`Delta`], which carries its dependencies. [`causal`] lets a delta in when those are there, so
//! every copy is causally closed. Typed values ([`Crdt`]) and the untyped table ([`parts::Parts`])
//! hold the same cells and save to the same bytes.
//!
//! No clock, file or random source is read here: ids and time are arguments.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "laws"))]
extern crate std;

pub mod atom;
pub mod bounded_counter;
pub mod causal;
pub mod cell;
mod cell_codec;
pub mod clash;
mod clock;
pub mod conflict;
mod contest;
mod contest_table;
pub mod context;
pub mod crdt;
pub mod cursor;
pub mod delta;
mod delta_codec;
mod delta_ids;
pub mod doc;
mod dot_table;
mod dots;
pub mod draft;
mod element_table;
mod entries;
pub mod error;
pub mod extreme_register;
pub mod flags;
pub mod g_counter;
pub mod g_set;
pub mod guide;
pub mod hash;
mod hiding;
pub mod kind;
#[cfg(feature = "laws")]
pub mod laws;
pub mod list;
pub mod lww_register;
pub mod mv_register;
pub mod or_map;
pub mod or_set;
pub mod orders;
mod outline;
pub mod overlay;
pub mod parts;
pub mod path;
mod placed;
mod places;
pub mod pn_counter;
pub mod rebase;
pub mod replica;
mod rights;
pub mod rw_set;
mod sequence;
#[cfg(feature = "serde")]
mod serde_impls;
#[cfg(feature = "serde")]
mod serde_values;
pub mod set_reader;
pub mod source;
pub mod state_codec;
mod state_invariants;
mod tally;
pub mod tree;
pub mod two_phase_set;
pub mod value;
pub mod variants;
mod visible;
mod whole;

pub use atom::{Atom, Key, RawAtom};
pub use bounded_counter::{BoundedCounter, RetiredIds};
pub use clock::{Clock, Logical};
pub use conflict::{ConflictRecord, Rule, Side};
pub use crdt::Crdt;
pub use delta::Delta;
pub use doc::Doc;
pub use error::{EditError, ReadError};
pub use extreme_register::{MaxRegister, MinRegister};
pub use flags::{DisableWinsFlag, EnableWinsFlag};
pub use g_counter::GCounter;
pub use g_set::GSet;
pub use kind::Kind;
pub use list::List;
pub use lww_register::LwwRegister;
pub use mv_register::MvRegister;
pub use or_map::OrMap;
pub use or_set::OrSet;
pub use path::Path;
pub use pn_counter::PnCounter;
pub use rejoin_vclock::{Dot, FreshId, HybridTimestamp, ReplicaId, VersionVector};
pub use replica::Replica;
pub use rw_set::RwSet;
pub use tree::Tree;
pub use two_phase_set::TwoPhaseSet;
pub use value::Value;
pub use variants::{OneOf, Variants};
