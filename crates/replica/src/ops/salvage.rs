//! Salvage: all that can be read of a damaged store file becomes a new one.
//!
//! Every log record that is whole is copied to its place. A hole stands where one is missing, and
//! that record is requested from peers. State that is whole is copied, too: it has the effect of a
//! missing record, if that was flushed. Otherwise it is rebuilt from the log.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use rejoin_vclock::FreshId;

use super::backup::{Copied, copy};
use super::contents::{Contents, Listed};
use super::copied;
use super::error::OperationError;
use super::finding::Location;
use super::new_file;
use super::progress::{Progress, Step, Watch};
use super::reassemble::{Reassembled, reassemble};
use super::verify::{Depth, Verification, verify_storage};
use crate::config::Config;
use crate::core::digest::Digest;
use crate::core::recovery::Stored;
use crate::format::entry::is_marked;
use crate::format::row;
use crate::format::space::{SPACE, read_space_named};
use crate::shell::forks::name_of_choices;
use crate::shell::identity;
use crate::shell::store::explain;
use crate::storage::{Batch, DamagedFile, FailStop, Formats, RedbFile, Storage, StorageRead};

/// Number of rows that are listed at a time.
const ROWS: usize = 1024;

/// The result of salvaging a space.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SalvagedSpace {
    /// The name of the space here.
    pub name: String,
    /// True if its ticket could not be read. It then has a lineage of its own, under a made-up
    /// name: it can be read, but not synced with the space that it was a copy of.
    pub is_nameless: bool,
    /// Number of log records that were copied.
    pub records: u64,
    /// The sequences of the log records that were not copied.
    pub missing: Vec<RangeInclusive<u64>>,
    /// Number of quarantined log records that wait for others: the missing ones and what builds
    /// upon them. A sync with a peer that has the missing ones brings them back.
    pub quarantined: u64,
    /// True if the state was not whole and is rebuilt from the log.
    pub is_rebuilt: bool,
    /// The digest of the state.
    pub digest: Option<Digest>,
}

/// The result of salvaging a store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Salvaged {
    /// The spaces in the new store.
    pub spaces: Vec<SalvagedSpace>,
    /// Number of log records that are missing beyond those that are named; nobody knows of which
    /// space.
    pub unknown: u64,
    /// False if it cannot be read how many log records there were: any number may be missing beyond
    /// those that are named.
    pub is_counted: bool,
    /// The content that was written.
    pub copied: Copied,
}

impl Salvaged {
    /// Returns true if every log record was copied and can be used, and every ticket could be read.
    pub fn is_complete(&self) -> bool {
        let is_complete = |space: &SalvagedSpace| {
            space.missing.is_empty() && space.quarantined == 0 && !space.is_nameless
        };
        self.is_counted && self.unknown == 0 && self.spaces.iter().all(is_complete)
    }
}

/// Makes a new store file out of all that can be read of a damaged one, which is not open and is
/// only read. `at`: the time that the new store notes, in milliseconds since the Unix epoch.
///
/// All of the new store is checked before it gets its name. It is a copy and goes on under a new
/// identity. Damage that a store repairs itself (see [`verify_file`](super::verify_file)) needs no
/// salvage.
///
/// # Errors
/// [`OperationError::Exists`]; [`OperationError::NothingLeft`] when there is no space in what can
/// be read; [`StoreError::AlreadyOpen`](crate::StoreError::AlreadyOpen) when somebody has the file
/// open; [`OperationError::Store`] when the new file cannot be written.
pub fn salvage(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    at: u64,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Salvaged, OperationError> {
    let (from, to, mut watch) = (from.as_ref(), to.as_ref(), Watch(progress));
    new_file::find(from)?;
    new_file::check_free(to)?;
    salvaged(read(from, &mut watch)?, from, to, at, &mut watch)
}

/// Makes a new store file out of what was found of another.
pub(super) fn salvaged(
    damaged_file: DamagedFile,
    from: &Path,
    to: &Path,
    at: u64,
    watch: &mut Watch<'_>,
) -> Result<Salvaged, OperationError> {
    let reassembled = reassemble(damaged_file)?;
    if reassembled.spaces.is_empty() {
        return Err(OperationError::NothingLeft { path: from.to_owned() });
    }
    let made = make(&reassembled.damaged_file, to, at, watch)?;
    Ok(told(reassembled, made))
}

/// A file that was made from what could be read.
pub(super) struct Made {
    pub copied: Copied,
    pub found: Verification,
    /// The names of the spaces whose state was not whole.
    pub rebuilt: Vec<String>,
}

/// Copies what can be read, repairs it, checks it, and gives it its name.
pub(super) fn make(
    reader: &dyn StorageRead,
    to: &Path,
    at: u64,
    watch: &mut Watch<'_>,
) -> Result<Made, OperationError> {
    let (file, copied) = copy(reader, to, at, watch)?;
    let rebuilt = repair(file.reopen()?, watch)?;
    let found = verify_storage(&Arc::new(file.reopen()?), Depth::Stored, watch)?;
    if !found.is_sound() {
        return Err(OperationError::Unsound { path: to.to_owned(), findings: found.findings });
    }
    file.put()?;
    Ok(Made { copied, found, rebuilt })
}

/// The functions that tell the values of a store apart.
pub(super) const FORMATS: Formats =
    Formats { name_of, is_record: is_marked, is_quarantined: row::is_quarantined };

fn read(from: &Path, watch: &mut Watch<'_>) -> Result<DamagedFile, OperationError> {
    let mut told = |done, total| match watch.at(Step::Salvage, "", done, total) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    match DamagedFile::read(from, FORMATS, &mut told).map_err(|error| explain(from, error))? {
        ControlFlow::Continue(damaged_file) => Ok(damaged_file),
        ControlFlow::Break(()) => Err(OperationError::Stopped),
    }
}

/// Returns the name of a blob by its content.
fn name_of(bytes: &[u8]) -> Option<String> {
    if let Ok((_, name, _)) = read_space_named(bytes) {
        return Some(format!("{SPACE}{name}"));
    }
    if identity::read(bytes).is_ok() {
        return Some(identity::NAME.to_owned());
    }
    name_of_choices(bytes).ok().or_else(|| copied::name_of(bytes))
}

/// Quarantines what does not follow from what is there, and drops state that is not whole. Returns
/// the names of the spaces whose state was dropped.
fn repair(file: RedbFile, watch: &mut Watch<'_>) -> Result<Vec<String>, OperationError> {
    let file = Arc::new(file);
    let found = verify_storage(&file, Depth::Stored, watch)?;
    let of_rows = |place: &Location| !matches!(place, Location::Record(_) | Location::Meta(_));
    let contents = Contents::read(&*file)?;
    let id = contents.identity.unwrap_or_else(|| FreshId::random().into_id());
    let mut rebuilt = Vec::new();
    let storage = Arc::new(FailStop::new(file));
    for Listed { name, number, ticket } in contents.spaces {
        let is_damaged = |of: &str| of == name;
        if found.findings.iter().any(|at| is_damaged(&at.space) && of_rows(&at.place)) {
            drop_state(&storage, number)?;
            rebuilt.push(name.clone());
        }
        watch.at(Step::Replay, &name, 0, 0)?;
        let (before, config) = (contents.before.clone(), Config::default());
        let storage = Arc::clone(&storage);
        Stored { storage, number, ticket, replica: id, before, config }.recover()?;
    }
    Ok(rebuilt)
}

/// Removes all rows that are not quarantined.
fn drop_state(storage: &FailStop, number: u32) -> Result<(), OperationError> {
    let mut from = Vec::new();
    loop {
        let rows = storage.rows(number, &from, ROWS)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from.clone_from(last);
        from.push(0);
        let derived = rows.into_iter().filter(|(key, _)| !row::is_kept(key));
        let rows = derived.map(|(key, _)| (number, key, None)).collect();
        storage.commit(&Batch { rows, ..Batch::default() })?;
    }
}

fn told(reassembled: Reassembled, made: Made) -> Salvaged {
    let Made { copied, found, rebuilt } = made;
    let spaces = reassembled.spaces.into_iter().map(|space| {
        let checked = found.spaces.iter().find(|checked| checked.name == space.name);
        SalvagedSpace {
            is_rebuilt: rebuilt.contains(&space.name),
            quarantined: checked.map_or(0, |checked| checked.quarantined),
            digest: checked.and_then(|checked| checked.digest),
            name: space.name,
            is_nameless: space.is_nameless,
            records: space.records,
            missing: space.missing,
        }
    });
    let Reassembled { unknown, is_counted, .. } = reassembled;
    Salvaged { spaces: spaces.collect(), unknown, is_counted, copied }
}
