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
//! # Changing and reading
//! A transaction hands out *editors*; in a space, and in a [`Replica::read`], there are *readers*,
//! which look up only what is asked for. The plain value has methods of its own.
//!
//! | type | changed by | read by |
//! |---|---|---|
//! | [`PnCounter`] | [`PnCounterEditor`] | [`PnCounterReader`] |
//! | [`GCounter`] | [`GCounterEditor`] | [`GCounterReader`] |
//! | [`BoundedCounter`] | [`BoundedCounterEditor`] | [`BoundedCounterReader`] |
//! | [`LwwRegister`] | [`LwwRegisterEditor`] | [`LwwRegisterReader`] |
//! | [`MvRegister`] | [`MvRegisterEditor`] | [`MvRegisterReader`] |
//! | [`MaxRegister`], [`MinRegister`] | [`ExtremeRegisterEditor`] | [`ExtremeRegisterReader`] |
//! | [`EnableWinsFlag`] | [`EnableWinsFlagEditor`] | [`FlagReader`] |
//! | [`DisableWinsFlag`] | [`DisableWinsFlagEditor`] | [`FlagReader`] |
//! | [`OrSet`] | [`OrSetEditor`] | [`SetReader`] |
//! | [`RwSet`] | [`RwSetEditor`] | [`SetReader`] |
//! | [`TwoPhaseSet`] | [`TwoPhaseSetEditor`] | [`SetReader`] |
//! | [`GSet`] | [`GSetEditor`] | [`SetReader`] |
//! | [`OrMap`] | [`OrMapEditor`] | [`OrMapReader`] |
//! | [`Doc`] | [`DocEditor`] | [`DocReader`] |
//! | [`List`] | [`ListEditor`] | [`ListReader`] |
//! | [`Tree`] | [`TreeEditor`] | [`TreeReader`] |
//!
//! [`BoundedCounterEditor`]: counter::BoundedCounterEditor
//! [`BoundedCounterReader`]: counter::BoundedCounterReader
//! [`DisableWinsFlagEditor`]: set::DisableWinsFlagEditor
//! [`DocEditor`]: map::DocEditor
//! [`DocReader`]: map::DocReader
//! [`EnableWinsFlagEditor`]: set::EnableWinsFlagEditor
//! [`ExtremeRegisterEditor`]: register::ExtremeRegisterEditor
//! [`ExtremeRegisterReader`]: register::ExtremeRegisterReader
//! [`FlagReader`]: set::FlagReader
//! [`GCounterEditor`]: counter::GCounterEditor
//! [`GCounterReader`]: counter::GCounterReader
//! [`GSetEditor`]: set::GSetEditor
//! [`ListEditor`]: ordered::ListEditor
//! [`ListReader`]: ordered::ListReader
//! [`LwwRegisterEditor`]: register::LwwRegisterEditor
//! [`LwwRegisterReader`]: register::LwwRegisterReader
//! [`MvRegisterEditor`]: register::MvRegisterEditor
//! [`MvRegisterReader`]: register::MvRegisterReader
//! [`OrMapEditor`]: map::OrMapEditor
//! [`OrMapReader`]: map::OrMapReader
//! [`OrSetEditor`]: set::OrSetEditor
//! [`PnCounterEditor`]: counter::PnCounterEditor
//! [`PnCounterReader`]: counter::PnCounterReader
//! [`RwSetEditor`]: set::RwSetEditor
//! [`SetReader`]: set::SetReader
//! [`TreeEditor`]: ordered::TreeEditor
//! [`TreeReader`]: ordered::TreeReader
//! [`TwoPhaseSetEditor`]: set::TwoPhaseSetEditor
//!
//! # How it fits together
//! All state is in *cells* at *paths*. A transaction is a list of operations on cells; it makes a
//! [`Delta`], which carries its dependencies. A copy lets a delta in when those are there, so every
//! copy is causally closed. Typed values ([`Crdt`]) and the untyped table that a space is hold the
//! same cells and save to the same bytes.
//!
//! No clock, file or random source is read here: ids and time are arguments.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "laws"))]
extern crate std;

// What is hidden here is for the other crates of the family, and may change at any time.
#[doc(hidden)]
pub mod cell;
pub mod counter;
#[doc(hidden)]
pub mod crdt;
#[doc(hidden)]
pub mod delta;
#[doc(hidden)]
pub mod edit;
mod error;
pub mod guide;
#[doc(hidden)]
pub mod hash;
#[doc(hidden)]
pub mod index;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "laws")]
pub mod laws;
pub mod map;
pub mod ordered;
pub mod path;
pub mod register;
mod replica;
pub mod set;
#[doc(hidden)]
pub mod state;
pub mod value;
#[cfg(feature = "serde")]
mod with_serde;

pub use counter::{BoundedCounter, GCounter, PnCounter, RetiredIds};
pub use crdt::Crdt;
pub use delta::Delta;
pub use error::{EditError, ReadError};
#[cfg(feature = "json")]
pub use json::PutJson;
pub use map::{Doc, OneOf, OrMap, Variants};
pub use ordered::{List, Tree};
pub use path::{Atom, Key, Kind, Path, RawAtom};
pub use register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
pub use rejoin_vclock::{Dot, FreshId, HybridTimestamp, ReplicaId, VersionVector};
pub use replica::{BelowFloor, Clock, Logical, Replica};
pub use set::{DisableWinsFlag, EnableWinsFlag, GSet, OrSet, RwSet, TwoPhaseSet};
pub use value::{Action, ConflictRecord, Edit, Rule, Side, Value};
