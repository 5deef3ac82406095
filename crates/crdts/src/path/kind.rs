//! The kinds that can stand at a path, and their frozen one-byte tags.

use core::fmt;

use rejoin_vclock::codec::DecodeError;

/// The kind of value at a path: half of a child's identity, beside its name.
///
/// Two replicas that create one name as different kinds keep both, because a kind is part of the
/// path. The byte of each kind is part of the encoding and never changes; 20 is kept for text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Named children of any kind: an [`OrMap`](crate::OrMap), a [`Doc`](crate::Doc) or a derived
    /// struct. Its own cell holds the presence of an empty one.
    Map,
    /// Elements that an add brings back: an [`OrSet`](crate::OrSet).
    Set,
    /// A [`PnCounter`](crate::PnCounter).
    Counter,
    /// An [`LwwRegister`](crate::LwwRegister).
    LwwRegister,
    /// One element of a set in which adds win, or that only grows.
    Element,
    /// A [`GCounter`](crate::GCounter).
    GCounter,
    /// An [`MvRegister`](crate::MvRegister).
    MvRegister,
    /// A [`MaxRegister`](crate::MaxRegister).
    MaxRegister,
    /// A [`MinRegister`](crate::MinRegister).
    MinRegister,
    /// An [`EnableWinsFlag`](crate::EnableWinsFlag).
    EnableWinsFlag,
    /// A [`DisableWinsFlag`](crate::DisableWinsFlag).
    DisableWinsFlag,
    /// A [`GSet`](crate::GSet).
    GSet,
    /// An [`RwSet`](crate::RwSet).
    RwSet,
    /// A [`TwoPhaseSet`](crate::TwoPhaseSet).
    TwoPhaseSet,
    /// One element of a set in which removes win.
    Contested,
    /// A [`BoundedCounter`](crate::BoundedCounter).
    BoundedCounter,
    /// A [`List`](crate::List). Its own cell holds the presence of an empty one.
    List,
    /// The position of one item of a list, beside the item's value under the same name.
    ListItem,
    /// A [`Tree`](crate::Tree). Its own cell holds the greatest priority of its moves.
    Tree,
    /// The place of one node of a tree, beside the node's value under the same name.
    TreeNode,
    /// The removals that hide the value under one name of a map, beside it. Its byte is the least:
    /// a walk through a map meets it before the data that it hides.
    MapKey,
    /// Every concurrent value, brought together by a policy that is data: `Siblings` of
    /// `rejoin-resolve`.
    Siblings,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 22] = [
        Self::Map,
        Self::Set,
        Self::Counter,
        Self::LwwRegister,
        Self::Element,
        Self::GCounter,
        Self::MvRegister,
        Self::MaxRegister,
        Self::MinRegister,
        Self::EnableWinsFlag,
        Self::DisableWinsFlag,
        Self::GSet,
        Self::RwSet,
        Self::TwoPhaseSet,
        Self::Contested,
        Self::BoundedCounter,
        Self::List,
        Self::ListItem,
        Self::Tree,
        Self::TreeNode,
        Self::MapKey,
        Self::Siblings,
    ];

    /// The byte that stands for this kind in every encoding.
    pub const fn tag(self) -> u8 {
        match self {
            Self::Map => 1,
            Self::Set => 2,
            Self::Counter => 3,
            Self::LwwRegister => 4,
            Self::Element => 5,
            Self::GCounter => 6,
            Self::MvRegister => 7,
            Self::MaxRegister => 8,
            Self::MinRegister => 9,
            Self::EnableWinsFlag => 10,
            Self::DisableWinsFlag => 11,
            Self::GSet => 12,
            Self::RwSet => 13,
            Self::TwoPhaseSet => 14,
            Self::Contested => 15,
            Self::BoundedCounter => 16,
            Self::List => 17,
            Self::ListItem => 18,
            Self::Tree => 19,
            Self::TreeNode => 21,
            Self::MapKey => 0,
            Self::Siblings => 22,
        }
    }

    /// The kind a byte stands for; an unknown byte comes from a later version and is refused.
    #[expect(clippy::indexing_slicing, reason = "a constant function; the loop ends at the length")]
    pub const fn from_tag(tag: u8) -> Result<Self, DecodeError> {
        let mut index = 0;
        while index < Self::ALL.len() {
            if Self::ALL[index].tag() == tag {
                return Ok(Self::ALL[index]);
            }
            index += 1;
        }
        Err(DecodeError::UnknownTag { what: "kind", tag })
    }

    /// True if nothing can stand below a value of this kind.
    pub const fn is_leaf(self) -> bool {
        !matches!(
            self,
            Self::Map
                | Self::Set
                | Self::GSet
                | Self::RwSet
                | Self::TwoPhaseSet
                | Self::List
                | Self::Tree
        )
    }

    /// True if it is a part of a set, list or tree and no value of its own.
    pub const fn is_part(self) -> bool {
        matches!(
            self,
            Self::Element | Self::Contested | Self::ListItem | Self::TreeNode | Self::MapKey
        )
    }

    /// Returns the kind of the part that says of a child that it is there and where, if the child's
    /// value does not.
    pub(crate) const fn part(self) -> Option<Self> {
        match self {
            Self::List => Some(Self::ListItem),
            Self::Tree => Some(Self::TreeNode),
            _ => None,
        }
    }

    /// Returns the kind of the elements of a set.
    pub const fn element(self) -> Option<Self> {
        match self {
            Self::Set | Self::GSet => Some(Self::Element),
            Self::RwSet | Self::TwoPhaseSet => Some(Self::Contested),
            _ => None,
        }
    }

    /// True if a child of kind `child` may stand directly below a value of this kind.
    pub const fn may_hold(self, child: Self) -> bool {
        match self {
            Self::Map => !child.is_part() || matches!(child, Self::MapKey),
            Self::Set | Self::GSet => matches!(child, Self::Element),
            Self::RwSet | Self::TwoPhaseSet => matches!(child, Self::Contested),
            Self::List => !child.is_part() || matches!(child, Self::ListItem),
            Self::Tree => !child.is_part() || matches!(child, Self::TreeNode),
            _ => false,
        }
    }

    /// True if the children are named by the dots that created them, as items and nodes are.
    pub(crate) const fn names_by_dot(self) -> bool {
        matches!(self, Self::List | Self::Tree)
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
            Self::GCounter => "grow-only counter",
            Self::MvRegister => "multi-value register",
            Self::MaxRegister => "max register",
            Self::MinRegister => "min register",
            Self::EnableWinsFlag => "enable-wins flag",
            Self::DisableWinsFlag => "disable-wins flag",
            Self::GSet => "grow-only set",
            Self::RwSet => "remove-wins set",
            Self::TwoPhaseSet => "two-phase set",
            Self::Contested => "element of a set in which removes win",
            Self::BoundedCounter => "bounded counter",
            Self::List => "list",
            Self::ListItem => "list item",
            Self::Tree => "tree",
            Self::TreeNode => "tree node",
            Self::MapKey => "key of a map",
            Self::Siblings => "siblings",
        })
    }
}
