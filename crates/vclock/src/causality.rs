//! The four ways in which two histories can stand to each other.

use core::cmp::Ordering;

/// How one history stands to another: the order of causality, which is not total.
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
    /// The answer from what each side lacks: whether `self` lacks something of the other, and
    /// whether the other lacks something of `self`.
    pub(crate) fn from_lacks(lacks: bool, is_lacked: bool) -> Self {
        match (lacks, is_lacked) {
            (false, false) => Self::Equal,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (true, true) => Self::Concurrent,
        }
    }

    /// The same fact seen from the other side.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
            same => same,
        }
    }

    /// Whether neither side knew all of the other's.
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
