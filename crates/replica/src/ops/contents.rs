//! The contents of a storage, as it lists them: an identity, and spaces.

use rejoin_vclock::ReplicaId;

use super::error::{Finding, Location};
use crate::format::space::{SPACE, read_space};
use crate::format::ticket::Ticket;
use crate::shell::identity::{self, NAME};
use crate::storage::{StorageError, StorageRead};

/// A space as storage names it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub name: String,
    pub number: u32,
    pub ticket: Ticket,
}

/// The identity and the spaces that a storage lists.
#[derive(Debug)]
pub(super) struct Contents {
    pub identity: Option<ReplicaId>,
    /// The identities before it, the oldest first.
    pub before: Vec<ReplicaId>,
    pub spaces: Vec<Listed>,
    /// The findings about what cannot be read of it.
    pub findings: Vec<Finding>,
}

impl Contents {
    pub(super) fn read(storage: &dyn StorageRead) -> Result<Self, StorageError> {
        let mut findings = Vec::new();
        let mut wrong = |name: &str, what: String| {
            let (space, place) = (String::new(), Location::Meta(name.to_owned()));
            findings.push(Finding { space, place, what });
        };
        let identity = match storage.meta(NAME)? {
            None => Err("it is missing".to_owned()),
            Some(bytes) => identity::read(&bytes).map_err(|error| error.to_string()),
        };
        let identity = identity.map_err(|what| wrong(NAME, what)).ok();
        let (identity, before) = identity.map_or((None, Vec::new()), |(id, ids)| (Some(id), ids));
        let mut spaces: Vec<Listed> = Vec::new();
        for (key, bytes) in storage.metas(SPACE)? {
            let Some(name) = key.strip_prefix(SPACE).map(str::to_owned) else { continue };
            match read_space(&bytes) {
                Err(error) => wrong(&key, error.to_string()),
                Ok((number, _)) if spaces.iter().any(|space| space.number == number) => {
                    wrong(&key, format!("another space has its number, {number}"));
                }
                Ok((number, ticket)) => spaces.push(Listed { name, number, ticket }),
            }
        }
        Ok(Self { identity, before, spaces, findings })
    }
}
