//! The identity of a list's item.

use core::fmt;

use rejoin_vclock::Dot;

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
