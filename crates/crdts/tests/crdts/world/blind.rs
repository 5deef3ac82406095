//! A value that does not know its type: all its cells stand beside it.
//!
//! It takes the same edits, deltas and merges as the typed value and must save the same bytes. So
//! the untyped table is checked by every law that checks the typed values.

use std::marker::PhantomData;

use rejoin_crdts::cell::{CellRef, Saved};
use rejoin_crdts::crdt::{Outcome, Visit};
use rejoin_crdts::delta::{At, Covered, Effect};
use rejoin_crdts::edit::{Cursor, View};
use rejoin_crdts::state::Join;
use rejoin_crdts::{Crdt, Kind, Path};

/// An `S` in a replica that has never heard of `S`.
#[derive(Debug)]
pub(crate) struct Blind<S>(PhantomData<S>);

impl<S> Clone for Blind<S> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Blind<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Crdt> Crdt for Blind<S> {
    const KIND: Kind = S::KIND;
    type Editor<'a> = S::Editor<'a>;
    type Reader<'a> = S::Reader<'a>;

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        S::editor(cursor)
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        S::reader(view)
    }

    fn apply(&mut self, _: &[u8], _: &Effect, _: &At<'_>) -> Outcome {
        Outcome::Unknown
    }

    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    fn merge(&mut self, _: &Self, _: &Join) -> bool {
        false
    }

    fn visit(&self, _: &Path, _: &mut Visit<'_>) {}

    fn cell(&self, _: &[u8]) -> Option<CellRef<'_>> {
        None
    }

    fn load(&mut self, _: &[u8], saved: Saved) -> Result<(), Saved> {
        Err(saved)
    }

    fn is_visible(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        true
    }
}
