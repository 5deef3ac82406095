//! One of the concurrent values of a place, with all that a policy may ask of it.

use alloc::vec::Vec;

use rejoin_crdts::RawAtom;
use rejoin_crdts::register::siblings::{Base, Live};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

/// A value that stands beside others, because nobody who had seen them all has written yet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sibling<T = RawAtom> {
    /// The value.
    pub value: T,
    /// The write.
    pub dot: Dot,
    /// The author's time when it was written.
    pub stamp: HybridTimestamp,
    /// The writes that it replaced, ascending. Two that replaced the same ones by the same value
    /// have settled a conflict alike, and count once.
    pub replaced: Vec<Dot>,
    /// The value that its author began with, and the write that this came with. Whoever writes
    /// twice, with nobody's write between, began with what was there before the first. `None` for a
    /// first value, or where its author brought together values of several beginnings.
    pub base: Option<(Dot, T)>,
}

impl<T> Sibling<T> {
    /// A first value, which replaced nothing.
    pub const fn new(value: T, dot: Dot, stamp: HybridTimestamp) -> Self {
        Self { value, dot, stamp, replaced: Vec::new(), base: None }
    }

    /// The replica that wrote it.
    pub fn author(&self) -> ReplicaId {
        self.dot.replica()
    }

    /// True if its author had seen a write, as far as it shows: each author has seen its own
    /// earlier ones, and what it replaced or began with.
    pub(crate) fn has_seen(&self, dot: Dot) -> bool {
        let is_own = dot.replica() == self.author() && dot.counter() < self.dot.counter();
        let is_base = self.base.as_ref().is_some_and(|(base, _)| *base == dot);
        is_own || is_base || self.replaced.contains(&dot)
    }

    /// The same with another value, and another base's value.
    pub(crate) fn map<U, E>(self, mut to: impl FnMut(T) -> Result<U, E>) -> Result<Sibling<U>, E> {
        let Self { value, dot, stamp, replaced, base } = self;
        let base = base.map(|(dot, value)| Ok((dot, to(value)?))).transpose()?;
        Ok(Sibling { value: to(value)?, dot, stamp, replaced, base })
    }
}

impl From<Live> for Sibling {
    fn from(Live { dot, stamp, written }: Live) -> Self {
        let base = written.base.map(|Base { dot, value }| (dot, value));
        Self { value: written.value, dot, stamp, replaced: written.parents, base }
    }
}
