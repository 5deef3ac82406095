//! The laws, each with a statement in words.

use std::fmt;

/// A property of every CRDT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Law {
    /// `a ⊔ b = b ⊔ a`
    Commutative,
    /// `(a ⊔ b) ⊔ c = a ⊔ (b ⊔ c)`
    Associative,
    /// `a ⊔ a = a`
    Idempotent,
    /// `new ⊔ a = a = a ⊔ new`
    Identity,
    /// An edit's delta, joined in, is the edit.
    DeltaIsMutation,
    /// A delta that comes again changes nothing.
    DeltaAgain,
    /// Edit, apply and merge only add to what a copy has.
    Inflation,
    /// Apply and merge say truthfully whether something changed.
    Truthful,
    /// The order written by hand is the order that merge implies.
    Order,
    /// Concurrent deltas give one state in every order.
    ConcurrentOrder,
    /// Equal states have equal bytes and show the same, whoever holds them.
    EqualBytes,
    /// Saved bytes load, as the same state.
    RoundTrip,
    /// Bytes that are cut off or have something behind them are refused.
    StrictBytes,
    /// Copies that lose, duplicate and reorder messages agree in the end.
    Delivery,
    /// An old reader and a new one lose nothing of each other's data
    /// ([`check_matrix`](super::check_matrix)).
    Versions,
}

impl Law {
    /// The laws of a single type, the simplest first. (All but [`Law::Versions`], for which it
    /// takes two.)
    pub const ALL: [Self; 14] = [
        Self::Commutative,
        Self::Associative,
        Self::Idempotent,
        Self::Identity,
        Self::DeltaIsMutation,
        Self::DeltaAgain,
        Self::Inflation,
        Self::Truthful,
        Self::Order,
        Self::ConcurrentOrder,
        Self::EqualBytes,
        Self::RoundTrip,
        Self::StrictBytes,
        Self::Delivery,
    ];

    /// States the law in a sentence.
    pub const fn statement(self) -> &'static str {
        match self {
            Self::Commutative => "merging b into a gives what merging a into b gives",
            Self::Associative => {
                "merging three copies gives the same whichever two are merged first"
            }
            Self::Idempotent => "merging a copy with itself changes nothing",
            Self::Identity => "merging with a new, empty copy changes nothing",
            Self::DeltaIsMutation => "applying an edit's delta gives what the edit gave",
            Self::DeltaAgain => "a delta that is applied again changes nothing",
            Self::Inflation => "an edit, a delta or a merge only adds: nothing known is forgotten",
            Self::Truthful => "`apply` and `merge` return true exactly when the state changed",
            Self::Order => "`is_covered_by` says yes exactly when merging brings nothing new",
            Self::ConcurrentOrder => {
                "deltas of concurrent edits give one state in whichever order they come"
            }
            Self::EqualBytes => "copies in the same state save the same bytes and show the same",
            Self::RoundTrip => "a saved state loads, saves to the same bytes and shows the same",
            Self::StrictBytes => {
                "bytes that are cut off, or that have something behind them, do not load"
            }
            Self::Delivery => {
                "copies agree once each has heard of every edit, however the messages went"
            }
            Self::Versions => {
                "an old reader and a new one keep all of each other's data, to the byte"
            }
        }
    }

    /// Describes the consequence for users of a type that breaks it.
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Commutative => "two copies that merge each other show different values for ever",
            Self::Associative => "what a copy shows depends on who synced with whom first",
            Self::Idempotent => "syncing twice changes the value; every reconnect makes it worse",
            Self::Identity => "a fresh replica damages what it syncs with, or never catches up",
            Self::DeltaIsMutation => "copies that sync by deltas drift from the one that edited",
            Self::DeltaAgain => "a message that is sent twice is counted twice",
            Self::Inflation => "an older copy brings back what was changed since, or undoes it",
            Self::Truthful => "changes are not passed on, or are passed on in circles for ever",
            Self::Order => "a sync that compares before it sends leaves out what is needed",
            Self::ConcurrentOrder => "copies that heard the same in another order stay different",
            Self::EqualBytes => "digests of equal copies differ, and they sync for ever",
            Self::RoundTrip => "a restart loses or changes data",
            Self::StrictBytes => "a torn write or a mangled message is taken for a real state",
            Self::Delivery => "on a real network, copies stay different",
            Self::Versions => "a rolling upgrade loses what the older program does not know",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commutative => "merge is commutative",
            Self::Associative => "merge is associative",
            Self::Idempotent => "merge is idempotent",
            Self::Identity => "a new copy is the identity of merge",
            Self::DeltaIsMutation => "a delta is its edit",
            Self::DeltaAgain => "a delta again is nothing new",
            Self::Inflation => "changes only add",
            Self::Truthful => "the answers are truthful",
            Self::Order => "the order is the order of merge",
            Self::ConcurrentOrder => "concurrent deltas commute",
            Self::EqualBytes => "equal states, equal bytes",
            Self::RoundTrip => "what is saved loads",
            Self::StrictBytes => "mangled bytes are refused",
            Self::Delivery => "delivery in any order converges",
            Self::Versions => "old and new readers keep each other's data",
        })
    }
}
