//! Salvage: all that can be read of a damaged store file becomes a new one.
//!
//! Every log record that is whole is copied to its place. A hole stands where one is missing, and
//! that record is requested from peers. State that is whole is copied, too: it has the effect of a
//! missing record, if that was flushed. Otherwise it is rebuilt from the log.
//!
//! Rescue: what a process still holds of a store whose file is gone becomes a new file, too. A file
//! that was removed, or whose name was given to another one, can be read as long as it is open. If
//! a file was cut off, the engine may still have its pages in memory; if the engine reads nothing
//! any more, what is left in the file is salvaged. What was not written yet is in memory, and is
//! saved as well.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use rejoin_vclock::FreshId;

use super::backup::{Copied, copy};
use super::contents::{Contents, Listed};
use super::copied;
use super::error::{Location, OperationError, Result};
use super::new_file;
use super::progress::{Progress, Step, Watch};
use super::reassemble::{Reassembled, reassemble};
use super::verify::{Depth, Verification, verify_storage};
use crate::config::Config;
use crate::core::digest::Digest;
use crate::core::recovery::Stored;
use crate::error::StoreError;
use crate::format::entry::is_marked;
use crate::format::row;
use crate::format::space::{SPACE, read_space_named};
use crate::shell::forks::name_of_choices;
use crate::shell::identity;
use crate::shell::store::{Store, explain};
use crate::storage::{
    Batch, DamagedFile, FailStop, Formats, RedbFile, Row, Storage, StorageError, StorageRead,
    Stored as StoredRecord, ValueRef,
};

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
/// be read; [`StoreError::AlreadyOpen`] when somebody has the file open; [`OperationError::Store`]
/// when the new file cannot be written.
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
fn salvaged(
    damaged_file: DamagedFile,
    from: &Path,
    to: &Path,
    at: u64,
    watch: &mut Watch<'_>,
) -> Result<Salvaged> {
    let reassembled = reassemble(damaged_file)?;
    if reassembled.spaces.is_empty() {
        return Err(OperationError::NothingLeft { path: from.to_owned() });
    }
    let made = make(&reassembled.damaged_file, to, at, watch)?;
    Ok(told(reassembled, made))
}

/// A file that was made from what could be read.
struct Made {
    copied: Copied,
    found: Verification,
    /// The names of the spaces whose state was not whole.
    rebuilt: Vec<String>,
}

/// Copies what can be read, repairs it, checks it, and gives it its name.
fn make(reader: &dyn StorageRead, to: &Path, at: u64, watch: &mut Watch<'_>) -> Result<Made> {
    let (file, mut copied) = copy(reader, to, at, watch)?;
    let rebuilt = repair(file.reopen()?, watch)?;
    let found = verify_storage(&Arc::new(file.reopen()?), Depth::Stored, watch)?;
    if !found.is_sound() {
        return Err(OperationError::Unsound { path: to.to_owned(), findings: found.findings });
    }
    copied.file_bytes = file.bytes()?;
    file.put()?;
    Ok(Made { copied, found, rebuilt })
}

/// The functions that tell the values of a store apart.
const FORMATS: Formats =
    Formats { name_of, is_record: is_marked, is_quarantined: row::is_quarantined };

fn read(from: &Path, watch: &mut Watch<'_>) -> Result<DamagedFile> {
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
fn repair(file: RedbFile, watch: &mut Watch<'_>) -> Result<Vec<String>> {
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
fn drop_state(storage: &FailStop, number: u32) -> Result<()> {
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

/// Log records that are not written, by the number of their space and their sequence.
type Unwritten = BTreeMap<(u32, u64), Vec<u8>>;

impl Store {
    /// Saves all that this process still holds in a new store file: what can be read through the
    /// file that it has open, whatever became of its name, and what was not written yet. It is for
    /// [`StoreError::Replaced`], and works after every other failure, too.
    ///
    /// All of the new file is checked before it gets its name. It is a copy and goes on under a new
    /// identity. Nothing that was acknowledged is missing from it, as far as that can be read; what
    /// is missing is named. A transaction that was refused may be in it, so that it counts twice if
    /// it is sent again without a key ([`transact_once`](crate::Space::transact_once)).
    ///
    /// To go on, drop this store with all its spaces and links, move the new file to where the
    /// store belongs, open it, and share and connect its spaces again.
    ///
    /// # Errors
    /// [`OperationError::Exists`]; [`OperationError::NothingLeft`] when there is no space in what
    /// can be read; [`OperationError::Store`] when the new file cannot be written.
    pub fn rescue_to(&self, to: impl AsRef<Path>) -> Result<Salvaged, OperationError> {
        let (to, at) = (to.as_ref(), self.now().wall);
        new_file::check_free(to)?;
        let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
        let mut watch = Watch(&mut go_on);
        let (unwritten, storage) = (self.unwritten()?, self.storage().untrusted());
        let held = storage.snapshot().map(|reader| Held { reader, unwritten: unwritten.clone() });
        let made =
            held.map_err(OperationError::from).and_then(|held| make(&held, to, at, &mut watch));
        match (made, storage.file()) {
            (Ok(made), _) => Ok(complete(made)),
            (Err(_), Some(file)) => {
                let told = &mut |_: u64, _: u64| ControlFlow::Continue(());
                let mut damaged_file = DamagedFile::of(file, FORMATS, told)?;
                for (name, bytes) in self.known_blobs()? {
                    damaged_file.metas.entry(name).or_insert(bytes);
                }
                let unwritten = unwritten.into_iter();
                damaged_file.log.extend(unwritten.map(|(key, bytes)| (key, ValueRef::Here(bytes))));
                salvaged(damaged_file, self.label(), to, at, &mut watch)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Returns the log records that the open spaces have not written.
    fn unwritten(&self) -> Result<Unwritten, StoreError> {
        let open = self.opened()?;
        let records = open.iter().flat_map(|shared| {
            let unwritten = shared.unwritten().into_iter();
            unwritten.map(|(sequence, bytes)| ((shared.number, sequence), bytes))
        });
        Ok(records.collect())
    }
}

/// Makes the result if all could be read through the engine.
fn complete(made: Made) -> Salvaged {
    let Made { copied, found, rebuilt } = made;
    let spaces = found.spaces.into_iter().map(|checked| SalvagedSpace {
        is_nameless: false,
        records: checked.records,
        missing: Vec::new(),
        quarantined: checked.quarantined,
        is_rebuilt: rebuilt.contains(&checked.name),
        digest: checked.digest,
        name: checked.name,
    });
    Salvaged { spaces: spaces.collect(), unknown: 0, is_counted: true, copied }
}

/// The content of a store in its file and in memory.
#[derive(Debug)]
struct Held {
    reader: Box<dyn StorageRead>,
    unwritten: Unwritten,
}

impl StorageRead for Held {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.meta(name)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.reader.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StorageError> {
        let mut log: BTreeMap<u64, Vec<u8>> =
            self.reader.log(space, from, limit)?.into_iter().collect();
        let unwritten = self.unwritten.range((space, from)..=(space, u64::MAX));
        log.extend(unwritten.map(|(key, bytes)| (key.1, bytes.clone())));
        Ok(log.into_iter().take(limit).collect())
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let unwritten = self.unwritten.range((space, 0)..=(space, u64::MAX)).next_back();
        let end = unwritten.map_or(0, |(key, _)| key.1 + 1);
        Ok(self.reader.log_end(space)?.max(end))
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.row(space, key)
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.reader.rows(space, from, limit)
    }
}
