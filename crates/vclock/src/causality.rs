//! The four ways in which two histories can relate to each other.

use core::cmp::Ordering;

/// How one history relates to another: the order of causality, which is partial.
///
/// ```
/// use rejoin_vclock::Causality;
///
/// assert_eq!(Causality::Before.reverse(), Causality::After);
/// assert!(Causality::Concurrent.is_concurrent());
/// assert_eq!(Option::from(Causality::Concurrent), None::<core::cmp::Ordering>);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Causality {
    /// Both have seen the same events.
    Equal,
    /// The other has seen everything seen here, and more.
    Before,
    /// Everything the other has seen was seen here, and more.
    After,
    /// Each has seen something that the other has not.
    Concurrent,
}

impl Causality {
    /// Derives the answer from two facts: `self` lacks something that the other has, and the other
    /// lacks something that `self` has.
    pub(crate) fn from_lacks(lacks: bool, is_lacked: bool) -> Self {
        match (lacks, is_lacked) {
            (false, false) => Self::Equal,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (true, true) => Self::Concurrent,
        }
    }

    /// Returns the same fact seen from the other side.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
            same => same,
        }
    }

    /// True if neither side knew everything that the other knew.
    #[must_use]
    pub fn is_concurrent(self) -> bool {
        self == Self::Concurrent
    }
}

impl From<Causality> for Option<Ordering> {
    fn from(causality: Causality) -> Self {
        match causality {
            Causality::Equal => Some(Ordering::Equal),
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Concurrent => None,
        }
    }
}
