//! The salvage of a file that is refused: it must save every record that the damage did not hit.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use rejoin::replica::entry::Record;
use rejoin::replica::ops::{OperationError, salvage};
use rejoin::replica::storage::{RedbFile, StorageError, StorageRead};

use super::damage::Damage;

/// The number of spaces of a store.
const SPACES: u32 = 3;
/// The first byte of a record.
const MARK: u8 = b'J';
/// The first byte of the key of a row with a record that was quarantined.
const ASIDE: u8 = 4;

type Records = BTreeMap<(u32, Vec<u8>), Vec<Range<usize>>>;

/// The records of a file, and the places of each in it.
pub(super) struct Expected(Records);

impl Expected {
    pub(super) fn of(bytes: &[u8], path: &Path) -> Result<Self, String> {
        std::fs::write(path, bytes).map_err(|error| error.to_string())?;
        let mut records = records(path).map_err(|error| error.to_string())?;
        let marks: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == MARK).collect();
        for ((_, record), places) in &mut records {
            let starts = marks.iter().filter(|&&at| bytes[at..].starts_with(record));
            places.extend(starts.map(|&at| at..at + record.len()));
        }
        Ok(Self(records))
    }

    /// Salvages a damaged file. Returns the number of records lost that the file has whole.
    pub(super) fn rescue(&self, damaged: &Path, damage: Damage) -> Result<usize, String> {
        let salvaged = damaged.with_extension("salvaged");
        drop(std::fs::remove_file(&salvaged));
        let there = match salvage(damaged, &salvaged, 0, &mut |_| ControlFlow::Continue(())) {
            Ok(_) => records(&salvaged).map_err(|error| error.to_string())?,
            Err(OperationError::NothingLeft { .. }) => Records::new(),
            Err(error) => return Err(format!("it cannot be salvaged: {error}")),
        };
        if there.keys().any(|record| !self.0.contains_key(record)) {
            return Err("salvage brings a record that never was".to_owned());
        }
        let lost = self.0.iter().filter(|(record, _)| !there.contains_key(*record));
        Ok(lost.filter(|(_, places)| !places.iter().any(|at| damage.hits(at))).count())
    }
}

fn records(path: &Path) -> Result<Records, StorageError> {
    let file = RedbFile::open(path)?;
    let mut found = Records::new();
    for space in 0..SPACES {
        let log = file.log(space, 0, usize::MAX)?.into_iter();
        let quarantine = file.rows(space, &[ASIDE], usize::MAX)?.into_iter();
        let quarantine =
            quarantine.filter(|(key, _)| key.first() == Some(&ASIDE)).map(|(_, bytes)| bytes);
        let stored = log.map(|(_, bytes)| bytes).chain(quarantine);
        let stored = stored.filter(|bytes| Record::decode(bytes).is_ok());
        found.extend(stored.map(|bytes| ((space, bytes), Vec::new())));
    }
    Ok(found)
}
