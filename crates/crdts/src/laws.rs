//! The laws that make a type a CRDT, to run on types of your own (feature `laws`).
//!
//! Copies of a CRDT agree once they have heard the same, whatever the network did. That rests on a
//! handful of laws, and a type that breaks one of them works in the demo and drifts apart in the
//! field. This kit looks for a history on which a law is broken, shrinks it to the shortest one,
//! and prints it in words.
//!
//! # A type of your own
//! Say how it is edited, merged and saved ([`DeltaCrdt`]); it need not know anything else of this
//! crate. Then hand it to [`check_all`] with a [proptest] strategy for its operations. This is a
//! counter of likes, and it is wrong:
//!
//! ```
//! use proptest::prelude::*;
//! use rejoin_crdts::ReplicaId;
//! use rejoin_crdts::laws::{DeltaCrdt, Law, Laws};
//!
//! #[derive(Clone)]
//! struct Likes(u64);
//!
//! #[derive(Clone, Debug)]
//! struct Like;
//!
//! impl DeltaCrdt for Likes {
//!     type Op = Like;
//!     type Delta = u64;
//!     type View = u64;
//!
//!     fn new(_: ReplicaId) -> Self {
//!         Likes(0)
//!     }
//!     fn edit(&mut self, _: &Like) -> Option<u64> {
//!         self.0 += 1;
//!         Some(1)
//!     }
//!     fn apply(&mut self, delta: &u64) -> bool {
//!         self.0 += delta;
//!         true
//!     }
//!     fn merge(&mut self, theirs: &Self) -> bool {
//!         self.0 += theirs.0; // what did both know already?
//!         theirs.0 > 0
//!     }
//!     fn save(&self) -> Vec<u8> {
//!         self.0.to_be_bytes().to_vec()
//!     }
//!     fn load(bytes: &[u8], _: ReplicaId) -> Option<Self> {
//!         Some(Likes(u64::from_be_bytes(bytes.try_into().ok()?)))
//!     }
//!     fn view(&self) -> u64 {
//!         self.0
//!     }
//! }
//!
//! let found = Laws::<Likes>::new(Just(Like)).check_all().expect_err("it only adds");
//! assert_eq!(found.law(), Law::Idempotent);
//! # assert_eq!(found.to_string(), include_str!("laws/likes.txt"), "{found}");
//! println!("{found}");
//! ```
//!
//! It prints:
//!
//! ```text
#![doc = include_str!("laws/likes.txt")]
//! ```
//!
//! In a test, [`check_all`] panics with this text.
//!
//! # A type made of this crate's types
//! [`Operation`] describes the edits of your program; [`ReplicaOf`] does the rest:
//!
//! ```
//! use proptest::prelude::*;
//! use rejoin_crdts::laws::{Operation, ReplicaOf, check_all};
//! use rejoin_crdts::{Crdt, EditError, OrMap, PnCounter, Replica};
//!
//! type Lines = OrMap<String, PnCounter>;
//!
//! #[derive(Clone, Debug)]
//! enum Edit {
//!     Add(&'static str, i64),
//!     Remove(&'static str),
//! }
//!
//! impl Operation for Edit {
//!     type Value = Lines;
//!     type View = Vec<(String, i64)>;
//!
//!     fn perform(&self, lines: &mut <Lines as Crdt>::Editor<'_>) -> Result<(), EditError> {
//!         match self {
//!             Edit::Add(name, amount) => lines.entry(*name).add(*amount),
//!             Edit::Remove(name) => lines.remove(*name),
//!         }
//!     }
//!     fn view(lines: &Replica<Lines>) -> Self::View {
//!         let value = |(name, line): (&String, &PnCounter)| (name.clone(), line.value().unwrap());
//!         let mut all: Vec<_> = lines.iter().map(value).collect();
//!         all.sort();
//!         all
//!     }
//! }
//!
//! let name = prop::sample::select(vec!["apples", "pears"]);
//! check_all::<ReplicaOf<Edit>>(prop_oneof![
//!     (name.clone(), -3..=3_i64).prop_map(|(name, amount)| Edit::Add(name, amount)),
//!     name.prop_map(Edit::Remove),
//! ]);
//! ```
//!
//! # The checks
//! Every [`Law`], the simplest first, each on 256 random histories (the environment variable
//! `PROPTEST_CASES`, or [`Laws::cases`], sets another number). A history is a script of edits and
//! of network events: deltas are delivered, delayed, duplicated and lost, links are cut and healed;
//! copies fork, are saved and loaded, and merge whole states. Nothing is written to disk.
//! [`Law::Delivery`] checks everything after every step, and at the end that all copies agree.
//!
//! [`check_matrix`] holds two versions of one type to each other: the program before a change of
//! the data's shape, and the one after it.
//!
//! # Its limits
//! It does not show that the type does what you want. A counter that ignores all likes keeps every
//! law.
//!
//! # References
//! Shapiro, Preguiça, Baquero, Zawirski, *Conflict-free Replicated Data Types*, SSS 2011, for the
//! laws of states; Almeida, Shoker, Baquero, *Delta State Replicated Data Types*, JPDC 2018, for
//! those of deltas.
//!
//! [proptest]: https://docs.rs/proptest

mod algebra;
mod any_op;
mod bytes;
mod counterexample;
mod delivery;
mod law;
mod matrix;
mod replica_of;
mod runner;
mod shrink;
mod subject;
mod world;
#[cfg(test)]
mod wrong;

use proptest::strategy::Strategy;

pub use self::counterexample::Counterexample;
pub use self::law::Law;
pub use self::matrix::compare_versions;
pub use self::replica_of::{Operation, ReplicaOf};
pub use self::runner::Laws;
pub use self::subject::DeltaCrdt;

/// Holds a type to every law of [`Law::ALL`].
///
/// `operations` generates the edits of its copies. To see conflicts, keep the operations few and
/// alike: two keys find more than two hundred.
///
/// # Panics
/// With the counter-example, when a law is broken.
pub fn check_all<C: DeltaCrdt>(operations: impl Strategy<Value = C::Op> + 'static) {
    runner::or_panic(Laws::<C>::new(operations).check_all());
}

/// Holds two versions of a type to each other ([`Law::Versions`]): each loads the state that the
/// other has saved, merges it, edits it, and loses nothing of it, not even the parts that it does
/// not understand.
///
/// They may have different operations, and different views; their bytes have to agree.
///
/// # Panics
/// With the counter-example, when data are lost.
pub fn check_matrix<Old: DeltaCrdt, New: DeltaCrdt>(
    old: impl Strategy<Value = Old::Op> + 'static,
    new: impl Strategy<Value = New::Op> + 'static,
) {
    runner::or_panic(compare_versions::<Old, New>(old, new));
}
