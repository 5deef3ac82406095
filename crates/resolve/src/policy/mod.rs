//! Policies: rules that are data, by which concurrent values become one answer.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod codec;
mod narrow;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use rejoin_crdts::{Atom, RawAtom};
use rejoin_vclock::codec::DecodeError;
use rejoin_vclock::{Dot, ReplicaId};

use crate::custom::{Context, CustomName, MissingPolicy};
use crate::sibling::Sibling;

pub use codec::{MAX_DEPTH, MAX_POLICY_BYTES};

/// A rule by which the concurrent values of a place become one answer.
///
/// It is data: it can be stored, sent, compared and shown, and every replica that has the same
/// siblings and the same policy has the same answer. A policy is a *view*: it drops no value. A
/// value that it sets aside is as alive as the one that it shows, until somebody who has seen both
/// writes.
///
/// A single value is its own answer, whatever the policy. One that cannot decide (a sum of texts,
/// say) leaves the values as they are; in a [`Chain`](Self::Chain) the next one is asked.
///
/// ```
/// use rejoin_resolve::{Context, Policy, Sibling};
/// use rejoin_crdts::{Dot, HybridTimestamp, RawAtom, ReplicaId};
///
/// let sibling = |author: u128, millis, value: &str| {
///     let dot = Dot::new(ReplicaId::from_u128(author), 1).expect("counted from one");
///     let stamp = HybridTimestamp::from_parts(millis, 0).expect("a time");
///     Sibling::new(RawAtom::of_str(value), dot, stamp)
/// };
/// let both = [sibling(1, 1_000, "ring once"), sibling(2, 2_000, "ring twice")];
/// let last = Policy::LastWriterWins.resolve(&both, &Context::default())?;
/// assert_eq!(last.value(), Some(&RawAtom::of_str("ring twice")));
/// assert_eq!(last.set_aside, [both[0].dot]);
/// let all = Policy::KeepAll.resolve(&both, &Context::default())?;
/// assert_eq!(all.values.len(), 2); // somebody has to choose
/// # Ok::<(), rejoin_resolve::MissingPolicy>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Policy {
    /// Every value stays, until somebody who has seen them all writes. It loses nothing, and
    /// somebody has to decide.
    KeepAll,
    /// The value with the latest stamp stands; of equal ones that of the greater replica id. The
    /// others are set aside, whatever they say: a clock that is ahead wins.
    LastWriterWins,
    /// The value with the earliest stamp stands. The later ones are set aside: a clock that is
    /// behind wins.
    FirstWriterWins,
    /// The greatest value stands, in the order of atoms: null, bytes, strings, lists, booleans,
    /// numbers. Lower ones are set aside.
    Max,
    /// The least value stands.
    Min,
    /// Of lists: the elements of all, ascending, each once. An element that somebody took out and
    /// somebody else left in is there.
    Union,
    /// Of integers: the sum. Equal values that settle the same conflict count once; any others
    /// count each, and what they were made of counts with each. For amounts that are changed by
    /// several people, take a counter.
    Sum,
    /// Of [records](crate::Record): each field by its own policy, among the records that have it.
    /// Fields that nobody names are decided `otherwise`. The answer may be a record that nobody has
    /// written.
    PerField {
        /// The policies by the names of fields.
        fields: BTreeMap<String, Self>,
        /// The policy of all other fields.
        otherwise: Box<Self>,
    },
    /// Of texts by lines and of [records](crate::Record) by fields: what only one side has changed
    /// since the value that both were made of is taken from it. More than two are brought together
    /// one after the other, in the order of their dots. Where two have changed the same, it cannot
    /// decide. The answer may be a value that nobody has written.
    ThreeWay,
    /// The value of the first of these replicas that has written one; the id of a replica stands
    /// for its later incarnations as well. If none has, it cannot decide.
    Priority(Vec<ReplicaId>),
    /// Drops what another value's author has seen, and keeps the rest. Writes of this crate end
    /// what they have seen, so it shows what [`KeepAll`](Self::KeepAll) does; values that were
    /// brought in from elsewhere may have it to drop.
    VersionVector,
    /// The first policy narrows the values down, the next one those that are left, until there is
    /// one.
    Chain(Vec<Self>),
    /// A function of the application's own, [registered](crate::Customs) under this name and
    /// version on every replica that is to show an answer. The others serve the siblings and say
    /// what they lack.
    Custom(CustomName),
}

/// One answer, and the writes that it was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Answer {
    /// The value. It may be one that nobody has written, where a policy brings values together.
    pub value: RawAtom,
    /// The dots of the writes in it, ascending.
    pub from: Vec<Dot>,
}

/// The result of a policy for the siblings of a place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Resolution {
    /// What stands, in ascending order of the values, each once: several where the policy cannot
    /// decide, and none where nothing was written.
    pub values: Vec<Answer>,
    /// The dots of the writes that are in none of them, ascending.
    pub set_aside: Vec<Dot>,
}

impl Resolution {
    /// The one value that stands; `None` if there are several, or none.
    pub fn value(&self) -> Option<&RawAtom> {
        match self.values.as_slice() {
            [one] => Some(&one.value),
            _ => None,
        }
    }

    /// The one value that stands, as a type; `None` if there are several, or none.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn to<T: Atom>(&self) -> Result<Option<T>, DecodeError> {
        self.value().map(RawAtom::to).transpose()
    }

    /// True if somebody has to choose.
    pub fn is_open(&self) -> bool {
        self.values.len() > 1
    }
}

impl Policy {
    /// Each field by its own policy; fields that are not among them by the last one.
    pub fn per_field<N: Into<String>>(
        fields: impl IntoIterator<Item = (N, Self)>,
        otherwise: Self,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, policy)| (name.into(), policy)).collect();
        Self::PerField { fields, otherwise: Box::new(otherwise) }
    }

    /// A function of the application's own.
    pub fn custom(name: impl Into<String>, version: u32) -> Self {
        Self::Custom(CustomName { name: name.into(), version })
    }

    /// Brings the siblings of a place together. The order in which they come does not matter, nor
    /// that one comes twice.
    ///
    /// # Errors
    /// [`MissingPolicy`] if it needs a function that is not registered here.
    pub fn resolve(
        &self,
        siblings: &[Sibling],
        context: &Context<'_>,
    ) -> Result<Resolution, MissingPolicy> {
        narrow::resolve(self, siblings, context)
    }

    /// True if it asks for the places of replicas.
    pub(crate) fn ranks_replicas(&self) -> bool {
        match self {
            Self::Priority(_) => true,
            Self::Chain(policies) => policies.iter().any(Self::ranks_replicas),
            Self::PerField { fields, otherwise } => {
                otherwise.ranks_replicas() || fields.values().any(Self::ranks_replicas)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAll => f.write_str("every value stays"),
            Self::LastWriterWins => f.write_str("the last writer wins"),
            Self::FirstWriterWins => f.write_str("the first writer wins"),
            Self::Max => f.write_str("the greatest value stands"),
            Self::Min => f.write_str("the least value stands"),
            Self::Union => f.write_str("the elements of all"),
            Self::Sum => f.write_str("the sum"),
            Self::PerField { fields, otherwise } => {
                for (name, policy) in fields {
                    write!(f, "{name}: {policy}; ")?;
                }
                write!(f, "other fields: {otherwise}")
            }
            Self::ThreeWay => f.write_str("the changes of all, where they do not meet"),
            Self::Priority(replicas) => {
                f.write_str("the value of the first of")?;
                replicas.iter().try_for_each(|replica| write!(f, " {replica}"))
            }
            Self::VersionVector => f.write_str("what nobody has seen who wrote after it"),
            Self::Chain(policies) => {
                for (index, policy) in policies.iter().enumerate() {
                    write!(f, "{}{policy}", if index > 0 { ", then " } else { "" })?;
                }
                Ok(())
            }
            Self::Custom(name) => write!(f, "{name}"),
        }
    }
}
