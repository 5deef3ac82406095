//! The proof that a store file is where it was: a witness outside of it.
//!
//! A copy of a store that writes on under the store's id uses its dots a second time. So a file
//! goes on under its id only if a small file elsewhere, in the user's state directory, agrees: it
//! knows the file by device and inode, by a *generation* that moves on at every open and close, and
//! by a *mark* below which the log cannot have shrunk. Copying a directory, restoring a backup or
//! moving a file does not take the witness along.
//!
//! ```text
//! at       witness                 store
//! open     current, next durable   -
//!          -                       commits next
//! commits  -                       log records
//!          mark, not synced        -
//! close    as at open
//! ```
//!
//! A crash between any two of these leaves the store at `current` or at `next`, so a kill does not
//! disprove the store's place. The mark is written after the commit and not synced: it is a lower
//! bound, exact after a kill and perhaps too low after a power loss, so that less is noticed. What
//! the proof misses, the heads of the origins find at the next sync.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{DecodeError, Reader};

use crate::storage::FileId;

/// The environment variable that names the directory of the witnesses, before the user's own.
#[cfg(feature = "redb")]
pub const STATE_DIR: &str = "REJOIN_STATE_DIR";

const MAGIC: [u8; 8] = *b"rejoinW\x01";
/// The offset of the mark, behind magic, two generations, the file's device and inode, and a
/// checksum.
const MARK: u64 = 8 + 16 + 16 + 16 + 4;

/// A random number that stands for one stretch of a store's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation(pub [u8; 16]);

/// The place of a store, and the directory in which its witness is kept.
#[derive(Clone, Debug)]
pub(crate) struct WitnessPath {
    store: PathBuf,
    directory: Option<PathBuf>,
}

impl WitnessPath {
    /// The place of a store file, with its witness in the given directory or in the user's.
    #[cfg(feature = "redb")]
    pub(crate) fn new(store: &Path, directory: Option<PathBuf>) -> Self {
        Self { store: store.to_owned(), directory: directory.or_else(state_directory) }
    }

    fn witness(&self, id: ReplicaId) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{id}.witness")))
    }

    /// Returns the witness that this file, at this generation and with this number of log records,
    /// is the one that writes under an id, if there is one.
    pub(crate) fn proof(&self, id: ReplicaId, at: Generation, records: u64) -> Option<Witness> {
        if rejoin_vclock::mutant!("continue-after-restore") {
            return Witness::create(&self.witness(id)?, FileId::of(&self.store).ok()?, at).ok();
        }
        let mut file = OpenOptions::new().read(true).write(true).open(self.witness(id)?).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let told = Told::decode(&bytes).ok()?;
        let same = told.file == FileId::of(&self.store).ok()?
            && [told.current, told.next].contains(&at)
            && told.mark <= records;
        same.then_some(Witness { file, of: told.file })
    }

    /// Makes a witness for an id that nobody else ever wrote under. `None` where none can be kept.
    pub(crate) fn attest(&self, id: ReplicaId, at: Generation) -> Option<Witness> {
        Witness::create(&self.witness(id)?, FileId::of(&self.store).ok()?, at).ok()
    }
}

/// The user's directory for such things.
#[cfg(feature = "redb")]
fn state_directory() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named(STATE_DIR)
        .or_else(|| Some(named("XDG_STATE_HOME")?.join("rejoin")))
        .or_else(|| Some(std::env::home_dir()?.join(".local").join("state").join("rejoin")))
}

/// A witness that is kept up to date.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
    of: FileId,
}

impl Witness {
    fn create(path: &Path, of: FileId, at: Generation) -> Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
        let mut witness = Self { file: options.open(path)?, of };
        witness.begin(at, at)?;
        witness.mark(0)?;
        witness.file.sync_all()?;
        #[cfg(unix)]
        File::open(directory)?.sync_all()?;
        Ok(witness)
    }

    /// Durably expects a generation, or still the one before it.
    pub(crate) fn begin(&mut self, current: Generation, next: Generation) -> Result<()> {
        self.expect(current, next)?;
        self.file.sync_data()
    }

    /// Expects the generation that the store is at, and no other. Not synced: until it is, the one
    /// before is expected as well.
    pub(crate) fn confirm(&mut self, at: Generation) -> Result<()> {
        self.expect(at, at)
    }

    fn expect(&mut self, current: Generation, next: Generation) -> Result<()> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(current.0);
        bytes.extend(next.0);
        self.of.0.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        self.file.rewind()?;
        self.file.write_all(&bytes)
    }

    /// Notes the minimum number of log records. Not synced.
    pub(crate) fn mark(&mut self, records: u64) -> Result<()> {
        let mut bytes = Vec::from(records.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        self.file.seek(SeekFrom::Start(MARK))?;
        self.file.write_all(&bytes)
    }
}

/// The contents of a witness.
struct Told {
    current: Generation,
    next: Generation,
    file: FileId,
    mark: u64,
}

impl Told {
    fn decode(bytes: &[u8]) -> std::result::Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let head = reader.bytes(8 + 16 + 16 + 16)?;
        let sum = u32::from_le_bytes(reader.array()?);
        let mark: [u8; 8] = reader.array().unwrap_or_default();
        let mark_sum = reader.array().map(u32::from_le_bytes).unwrap_or_default();
        if !head.starts_with(&MAGIC) || crc32fast::hash(head) != sum {
            return Err(DecodeError::Invalid("a witness that is not whole"));
        }
        let mut reader = Reader::new(head);
        reader.bytes(MAGIC.len())?;
        let (current, next) = (Generation(reader.array()?), Generation(reader.array()?));
        let mut number = || Ok::<_, DecodeError>(u64::from_le_bytes(reader.array()?));
        let file = FileId([number()?, number()?]);
        // A mark that a power loss has torn is not a bound.
        let is_whole = crc32fast::hash(&mark) == mark_sum;
        let mark = if is_whole { u64::from_le_bytes(mark) } else { 0 };
        Ok(Self { current, next, file, mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_witness_is_as_documented() -> Result<()> {
        let bytes = example("witness");
        let told = Told::decode(&bytes).expect("a witness");
        assert_eq!((told.file, told.mark), (FileId([2049, 131_074]), 7));
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("id.witness");
        let mut witness = Witness::create(&path, told.file, told.current)?;
        witness.begin(told.current, told.next)?;
        witness.mark(told.mark)?;
        assert_eq!(std::fs::read(&path)?, bytes);
        Ok(())
    }
}
