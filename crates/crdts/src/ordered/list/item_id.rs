//! The identity of a list's item.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::fmt;

use rejoin_vclock::Dot;
use rejoin_vclock::codec::{DecodeError, Reader};

use crate::path::Atom;

/// Identity of an item, wherever it stands: the dot that inserted it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ItemId(pub(crate) Dot);

impl ItemId {
    /// The dot that inserted the item.
    pub const fn dot(self) -> Dot {
        self.0
    }
}

/// In a register it points to an item, wherever that moves.
impl Atom for ItemId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Dot::read(reader).map(Self)
    }
}

impl From<Dot> for ItemId {
    fn from(dot: Dot) -> Self {
        Self(dot)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
