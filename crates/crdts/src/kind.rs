//! The kinds of thing that can stand at a path, and their frozen one-byte tags.

use core::fmt;

use rejoin_vclock::codec::DecodeError;

/// What stands at a path: half of a child's identity, beside its name.
///
/// Two replicas that create one name as different kinds keep both, because a kind is part of the
/// path. The byte of each kind is part of the encoding and never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Named children of any kind: an [`OrMap`](crate::OrMap) or a derived struct.
    Map,
    /// Elements: an [`OrSet`](crate::OrSet).
    Set,
    /// A [`PnCounter`](crate::PnCounter).
    Counter,
    /// An [`LwwRegister`](crate::LwwRegister).
    LwwRegister,
    /// One element of a set.
    Element,
}

impl Kind {
    /// The byte that stands for this kind in every encoding.
    pub const fn tag(self) -> u8 {
        match self {
            Self::Map => 1,
            Self::Set => 2,
            Self::Counter => 3,
            Self::LwwRegister => 4,
            Self::Element => 5,
        }
    }

    /// The kind a byte stands for; an unknown byte comes from a later version and is refused.
    pub const fn from_tag(tag: u8) -> Result<Self, DecodeError> {
        Ok(match tag {
            1 => Self::Map,
            2 => Self::Set,
            3 => Self::Counter,
            4 => Self::LwwRegister,
            5 => Self::Element,
            _ => return Err(DecodeError::UnknownTag { what: "kind", tag }),
        })
    }

    /// Whether a thing of this kind holds state itself (a leaf) rather than children.
    pub const fn is_leaf(self) -> bool {
        matches!(self, Self::Counter | Self::LwwRegister | Self::Element)
    }

    /// Whether a child of kind `child` may stand directly below a thing of this kind.
    pub const fn may_hold(self, child: Self) -> bool {
        match self {
            Self::Map => !matches!(child, Self::Element),
            Self::Set => matches!(child, Self::Element),
            Self::Counter | Self::LwwRegister | Self::Element => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Set => "set",
            Self::Counter => "counter",
            Self::LwwRegister => "last-writer-wins register",
            Self::Element => "set element",
        })
    }
}
