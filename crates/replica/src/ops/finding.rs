//! Findings: what is wrong with a store, and where.

use std::fmt;

pub use crate::format::location::Location;

/// Something that is wrong with a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The name of the space; empty if the finding is about the whole store.
    pub space: String,
    /// The place in it.
    pub place: Location,
    /// Description of what is wrong there.
    pub what: String,
}

impl Finding {
    /// Returns what to do next, as one sentence without a full stop.
    pub const fn advice(&self) -> &'static str {
        match self.place {
            Location::File | Location::Meta(_) => {
                "look at the name: it may be no store at all; otherwise `rejoin salvage` makes a \
                 new store of all that can be read, and a sync brings the rest from a peer; where \
                 none has it, restore a backup; keep the file until what it alone had is back"
            }
            Location::Record(_) => {
                "open the store and sync it: what cannot be read is quarantined and comes back \
                 from a peer that has it; where none has, restore a backup"
            }
            Location::Manifest
            | Location::LogIndex(_)
            | Location::Run(_)
            | Location::Block(..)
            | Location::Row(_) => {
                "this follows from the log: where no log record is named, nothing is lost, and \
                 the store makes it anew when it is opened and read"
            }
            Location::Fingerprints => {
                "the state is whole, and is compared with others' by what it is not: report it; \
                 `rejoin salvage` makes a new store, and fingerprints with it, out of the log"
            }
            Location::State => {
                "the state does not follow from the log: keep the file, report it, and go on with \
                 a backup or with what a peer has"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.space.is_empty() {
            write!(f, "{:?}: ", self.space)?;
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}
