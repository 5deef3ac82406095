//! The notes of what was externalized, of the present id and of former ones
//! ([`crate::core::externalized`] has the whole of it).

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::error::Result;
use crate::format::entry::Head;
use crate::format::row;
use crate::state::note::Note;
use crate::storage::{RowWrite, StorageError, StorageRead};

/// The state of the note of an id.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Noted {
    /// The counter in the durable note: entries up to here may leave.
    pub upto: u64,
    /// The running hash there.
    pub head: Head,
    /// The counter that was handed out to be written last, if any was.
    pub asked: Option<u64>,
}

impl Noted {
    /// A note that is damaged: everything that is here may have been seen.
    const UNKNOWN: Self = Self { upto: 0, head: Head([0; 16]), asked: Some(u64::MAX) };
}

/// The notes of the present id, and of the former ids that are not wholly externalized.
#[derive(Clone, Default, Debug)]
pub(crate) struct Externalized(BTreeMap<ReplicaId, Noted>);

impl Externalized {
    /// Reads the stored notes.
    pub(crate) fn read(rows: &dyn StorageRead, space: u32, own: ReplicaId) -> Result<Self> {
        let mut notes = BTreeMap::from([(own, Noted::default())]);
        if rejoin_vclock::mutant!("offers-forgotten") {
            return Ok(Self(notes));
        }
        let mut found = rows.rows(space, row::OFFERED, usize::MAX)?;
        found.retain(|(key, _)| key.starts_with(row::OFFERED));
        for (key, bytes) in found {
            let (id, noted) = match row::offered_id(&key) {
                Some(id) => (id, Note::decode(&bytes).map(|note| (note.upto, note.head))),
                None => match Note::decode_once(&bytes) {
                    // It lacks the running hash, so all that is there counts as externalized.
                    Ok((id, upto)) if id == own => (id, Ok((upto, Head::default()))),
                    Ok(_) => continue,
                    Err(error) => (own, Err(error)),
                },
            };
            let noted = match noted {
                Ok((upto, head)) => Noted { upto, head, asked: Some(upto) },
                Err(error) => match StorageError::of_decoding("what was externalized", &error) {
                    StorageError::Damaged(_) => Noted::UNKNOWN,
                    fault => return Err(fault),
                },
            };
            notes.insert(id, noted);
        }
        Ok(Self(notes))
    }

    /// Begins the notes of ids under which nothing was externalized.
    pub(crate) fn begin(&mut self, ids: &[ReplicaId], asked: Option<u64>) {
        let none = Noted { asked, ..Noted::default() };
        self.0.extend(ids.iter().map(|&id| (id, none)));
    }

    /// The notes, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &Noted)> {
        self.0.iter().map(|(&id, noted)| (id, noted))
    }

    /// Notes that some notes are about to be written.
    pub(crate) fn ask(&mut self, notes: &[Note]) {
        for note in notes {
            if let Some(noted) = self.0.get_mut(&note.id) {
                noted.asked = Some(note.upto);
                if note.is_last && noted.upto == note.upto {
                    self.0.remove(&note.id); // nothing waits for it
                }
            }
        }
    }

    /// Notes that some notes are durable.
    pub(crate) fn written(&mut self, notes: &[Note], own: ReplicaId) {
        for &Note { id, upto, head, is_last } in notes {
            if is_last && id != own {
                self.0.remove(&id);
            } else if let Some(noted) = self.0.get_mut(&id).filter(|noted| noted.upto <= upto) {
                (noted.upto, noted.head) = (upto, head);
            }
        }
    }

    /// True if some notes are durable, or no longer needed.
    pub(crate) fn has(&self, notes: &[Note]) -> bool {
        let is_new = |id| self.0.get(&id).is_some_and(|noted| noted.asked.is_none());
        notes.iter().all(|note| self.covers(note.id, note.upto) && !is_new(note.id))
    }

    /// Assumes that everything here may have been seen where a note cannot be read, and returns the
    /// rows that say so. `seen` and `head`: those of the present id. A later id has externalized
    /// nothing.
    pub(crate) fn assume_seen(&mut self, own: ReplicaId, seen: u64, head: Head) -> Vec<RowWrite> {
        let mut rows = Vec::new();
        let unknown = |noted: &Noted| noted.asked == Some(u64::MAX);
        if let Some(noted) = self.0.get_mut(&own) {
            let lacks_head = noted.upto > 0 && noted.head == Head::default();
            if unknown(noted) || lacks_head {
                *noted = Noted { upto: seen, head, asked: Some(seen) };
                rows.push(Note { id: own, upto: seen, head, is_last: false }.row());
                rows.push((row::OFFERED.to_vec(), None));
            }
        }
        self.0.retain(|&id, noted| {
            let is_seen = id != own && unknown(noted);
            rows.extend(is_seen.then(|| (row::externalized(id), None)));
            !is_seen
        });
        rows
    }

    /// Forgets the notes of all ids but some.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(ReplicaId) -> bool) {
        self.0.retain(|&id, _| is_kept(id));
    }

    /// Drops the note of an id: all of it counts as externalized.
    pub(crate) fn leave(&mut self, id: ReplicaId) {
        self.0.remove(&id);
    }

    /// True if a durable note covers an entry, so that it may leave.
    pub(crate) fn covers(&self, id: ReplicaId, counter: u64) -> bool {
        self.0.get(&id).is_none_or(|noted| counter <= noted.upto)
    }

    /// True if some entries of an id up to `seen` are held back.
    pub(crate) fn is_held_back(&self, id: ReplicaId, seen: u64) -> bool {
        self.0.get(&id).is_some_and(|noted| noted.asked.is_none_or(|asked| asked < seen))
    }

    /// The counter up to which somebody else may have seen entries of an id.
    pub(crate) fn seen_of(&self, id: ReplicaId) -> u64 {
        self.0.get(&id).map_or(u64::MAX, |noted| noted.asked.unwrap_or_default())
    }
}
