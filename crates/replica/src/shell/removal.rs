//! Removing a space with all that it takes, and giving it another name.
//!
//! A removal begins with one batch: the space's blob is deleted, and a mark with its number is
//! written. Then its rows and its log are [cleared away](crate::shell::clearing). Until then no
//! other space gets the number.
//!
//! A store that joins the same lineage again knows nothing of what it wrote there, but its peers
//! do: a dot that is used again would stand for two entries. So where a space was written in, a
//! small blob keeps the id, and a store that still has it takes a new one before it joins.
//!
//! ```text
//! left/LINEAGE   envelope 'L' · id (16)
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader};

use crate::error::{StoreError, at_most};
use crate::format::envelope;
use crate::format::space::{SPACE, read_space, write_space};
use crate::format::ticket::{MAX_NAME_BYTES, Ticket};
use crate::shell::clearing::{clear, mark, removed};
use crate::shell::identity::Incarnations;
use crate::shell::shared::Shared;
use crate::shell::store::Store;
use crate::shell::watch::Watchers;
use crate::storage::{Batch, Gone, Storage, StorageError, StorageRead};

const VERSION: u8 = 1;

/// The fate of a space's own entries that nobody else is known to have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Removal {
    /// Where there are any, the space stays, and an error names them. That goes by what peers have
    /// said to this end since the store was opened. Entries of others do not
    /// count: where their origins removed the space, too, this may be the last copy of them.
    #[default]
    IfHeld,
    /// They go with the space, for good.
    Anyway,
}

impl Store {
    /// Removes a space with all that it takes. The room in the file is used for other spaces, and
    /// given back by [`compact`](Self::compact). Handles of the space answer
    /// [`StoreError::SpaceRemoved`] from then on; peers keep what they have. A node that shares it
    /// stops once it notices; after joining it again, share and connect it again.
    ///
    /// The space can be joined again by its ticket. If this store wrote in it, the whole store goes
    /// on under a new [id](Self::replica_id) then. Rights of bounded counters stay with the old
    /// one: pass them on first.
    ///
    /// # Errors
    /// [`StoreError::OnlyHere`] when it has own entries that no peer has announced since the store
    /// was opened, and the removal is not [`Removal::Anyway`]; [`StoreError::NoSuchSpace`];
    /// [`StoreError::Storage`] when the medium fails: the space is there, or it is gone and the
    /// rest of it goes at the next start; [`StoreError::ReadOnly`].
    pub fn remove_space(&self, name: &str, removal: Removal) -> Result<(), StoreError> {
        self.check_writable()?;
        let mut open = self.open_spaces()?;
        self.storage().check_place()?;
        let (number, ticket) = self
            .stored_space(name)?
            .ok_or_else(|| StoreError::NoSuchSpace { name: name.to_owned() })?;
        let shared = match open.get(name) {
            Some(shared) => Some(Arc::clone(shared)),
            None => match self.recover(number, ticket.clone()) {
                Ok(shared) => Some(Arc::new(shared)),
                // A space that cannot be opened can still be removed.
                Err(error) if error.is_corruption() && removal == Removal::Anyway => None,
                Err(error) => return Err(error),
            },
        };
        let remove = |wrote_as: Option<ReplicaId>| -> Result<(), StorageError> {
            let mut meta = vec![mark(number)];
            meta.extend(wrote_as.map(|id| left(&ticket, id)));
            let gone = vec![Gone::Meta(format!("{SPACE}{name}"))];
            self.identity().forgets(self.storage().log_end(number)?);
            self.storage().commit(&Batch { meta, gone, ..Batch::default() })
        };
        match shared {
            Some(shared) => shared.end(name, removal, remove)?,
            None => remove(self.replica_id())?,
        }
        open.remove(name);
        drop(open);
        clear(self.storage(), number)?;
        Ok(())
    }

    /// Gives a space another name here. Its ticket stays as it is, with the name under which the
    /// space was created, and peers do not notice.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSpace`] when there is none of the old name; [`StoreError::SpaceExists`]
    /// when there is one of the new name; [`StoreError::NameTooLong`] when that is longer than
    /// [`MAX_NAME_BYTES`]; [`StoreError::ReadOnly`].
    pub fn rename_space(&self, old: &str, new: &str) -> Result<(), StoreError> {
        self.check_writable()?;
        let mut open = self.open_spaces()?;
        self.storage().check_place()?;
        let (number, ticket) = self
            .stored_space(old)?
            .ok_or_else(|| StoreError::NoSuchSpace { name: old.to_owned() })?;
        if self.stored_space(new)?.is_some() {
            return Err(StoreError::SpaceExists { name: new.to_owned() });
        }
        at_most(MAX_NAME_BYTES, "name of a space", new.as_bytes())?;
        let meta = vec![(format!("{SPACE}{new}"), write_space(number, new, &ticket))];
        let gone = vec![Gone::Meta(format!("{SPACE}{old}"))];
        self.storage().commit(&Batch { meta, gone, ..Batch::default() })?;
        if let Some(shared) = open.remove(old) {
            open.insert(new.to_owned(), shared);
        }
        Ok(())
    }

    /// Takes a new id where the present one has entries in a lineage that was left. Returns what is
    /// to be deleted in the batch that joins it.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub(crate) fn return_to(&self, ticket: &Ticket) -> Result<Vec<Gone>, StorageError> {
        let name = left_name(ticket);
        let Some(bytes) = self.storage().meta(&name)? else { return Ok(Vec::new()) };
        if !rejoin_vclock::mutant!("rejoin-under-the-old-id") {
            // If it cannot be read, any id may be the one.
            let id = read_left(&bytes).unwrap_or_else(|_| self.identity().history().0);
            self.identity().give_up(id, &[], Batch::default())?;
        }
        Ok(vec![Gone::Meta(name)])
    }

    /// Finds a number that no space has, nor a removed one that is not cleared away yet.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    pub(crate) fn free_number(&self) -> Result<u32, StorageError> {
        let storage = self.storage();
        let spaces = storage.metas(SPACE)?.into_iter();
        let spaces = spaces.filter_map(|(_, bytes)| read_space(&bytes).ok());
        let spaces = spaces.map(|(number, _)| number);
        let taken: BTreeSet<u32> = spaces.chain(removed(storage)?).collect();
        for number in 0..u32::MAX {
            // The blob of a space that is there may be unreadable.
            if !taken.contains(&number)
                && storage.log_end(number)? == 0
                && storage.rows(number, &[], 1)?.is_empty()
            {
                return Ok(number);
            }
        }
        Ok(u32::MAX)
    }
}

impl Shared {
    /// Ends the use of the space, once `remove` has recorded the removal. It is given the id under
    /// which the store wrote in the space, if it did.
    ///
    /// # Errors
    /// [`StoreError::OnlyHere`], or the error of `remove`: the space goes on.
    fn end(
        &self,
        name: &str,
        removal: Removal,
        remove: impl FnOnce(Option<ReplicaId>) -> Result<(), StorageError>,
    ) -> Result<(), StoreError> {
        let mut inner = self.lock_quiet()?;
        let own = inner.driver.core.unheld();
        if removal == Removal::IfHeld && !own.is_empty() {
            return Err(StoreError::OnlyHere { name: name.to_owned(), own });
        }
        let id = inner.driver.core.replica();
        remove((inner.driver.core.version_vector().get(id) > 0).then_some(id))?;
        inner.is_removed = true;
        inner.watchers = Watchers::default();
        // Whoever carries a session of the space finds out at once.
        self.wake(inner);
        Ok(())
    }
}

fn left_name(ticket: &Ticket) -> String {
    format!("left/{:032x}", u128::from_be_bytes(ticket.hash().0))
}

fn left(ticket: &Ticket, id: ReplicaId) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    id.encode(&mut body);
    (left_name(ticket), envelope::seal(b'L', VERSION, &body))
}

fn read_left(bytes: &[u8]) -> Result<ReplicaId, DecodeError> {
    let what = "version of a space that was left";
    ReplicaId::decode(&mut Reader::new(envelope::open(b'L', VERSION, what, bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn the_mark_of_a_space_that_was_left_is_as_documented() {
        let id = read_left(&example("left")).expect("a mark");
        let ticket = Ticket::with_lineage("carts", [0xab; 16]);
        let name = "left/ef30d55db65cb1b9455741bf4aba0634".to_owned();
        assert_eq!(left(&ticket, id), (name, example("left")));
    }
}
