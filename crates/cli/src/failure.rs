//! Errors of the commands, each with advice on what to do next and an exit code.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use rejoin_replica::StoreError;
use rejoin_replica::ops::{Finding, OperationError};
use rejoin_replica::storage::StorageError;

/// Damage was found.
pub(crate) const DAMAGED: u8 = 1;
const NOT_DONE: u8 = 3;
pub(crate) const INTERRUPTED: u8 = 4;

/// The reason why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    details: Vec<String>,
    help: &'static str,
    code: u8,
}

impl Failure {
    /// Makes the error for a reason that the caller knows.
    pub(crate) fn new(what: &impl ToString, help: &'static str) -> Self {
        Self { what: what.to_string(), details: Vec::new(), help, code: NOT_DONE }
    }

    /// Prints it to standard error, and returns its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.what);
        self.details.iter().for_each(|line| eprintln!("  {line}"));
        if !self.help.is_empty() {
            eprintln!("help: {}", self.help);
        }
        ExitCode::from(self.code)
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let help = match &error {
            OperationError::Exists { .. } => "a file that is there is never written over",
            OperationError::Unsound { findings, .. } => {
                findings.first().map_or("", Finding::advice)
            }
            OperationError::Store(error) => return Self::from(error.clone()),
            _ => "",
        };
        let code = match &error {
            OperationError::Stopped => INTERRUPTED,
            error if error.is_corruption() => DAMAGED,
            _ => NOT_DONE,
        };
        let details = match &error {
            OperationError::Unsound { findings, .. } => {
                findings.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        Self { what: error.to_string(), details, help, code }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let help = match &error {
            StoreError::AlreadyOpen { .. } => {
                "or have that process do it: a store that is open is backed up, checked and \
                 compacted by calls of its own"
            }
            StoreError::Damaged { .. } => {
                "`rejoin salvage STORE NEW` makes a \
                 new store of all that can be read of it; `rejoin restore BACKUP STORE --replace` \
                 puts a backup in its place and keeps this file beside"
            }
            StoreError::MayComeBack { .. } => {
                "sync with the peers that it had; `--for-good` gives up what they alone could \
                 bring back"
            }
            StoreError::Replaced { .. } => "put the store's file back under its name",
            StoreError::Storage(StorageError::Io(_) | StorageError::Full) => {
                "make room, or look at who may read and write there, and run it again"
            }
            _ => "",
        };
        let code = if error.is_corruption() { DAMAGED } else { NOT_DONE };
        Self { what: error.to_string(), details: Vec::new(), help, code }
    }
}

/// Makes the error for a file that the operating system cannot read or write.
pub(crate) fn of_io(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        &format!("{}: {error}", path.display()),
        "make room, or look at who may read and write there, and run it again",
    )
}
