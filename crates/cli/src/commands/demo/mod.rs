//! `rejoin demo`: shows guarantees at work, on files that are created for it and removed
//! afterwards.

mod kill;
mod restore;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use rejoin_crdts::{OrMap, PnCounter};

use crate::failure::Failure;

/// The contents of a demo's stores: a quantity of each item.
type Stock = OrMap<String, PnCounter>;

/// The name of the space in them.
const SPACE: &str = "stock";

/// A demo.
#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// A store that is put back from a backup uses none of its dots twice, and nothing is lost
    Restore,
    /// A process that is killed in the middle of writing loses nothing that was acknowledged
    Kill {
        /// How often it is killed.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        times: u32,
    },
    /// Writes until it is killed, and prints what is written
    #[command(hide = true)]
    Writer {
        /// The store file.
        store: PathBuf,
        /// The number to go on with.
        from: u64,
    },
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Restore => restore::run(),
            Self::Kill { times } => kill::run(times),
            Self::Writer { store, from } => kill::write(&store, from),
        }
    }
}

/// Makes a directory for the files of a demo.
fn directory() -> Result<tempfile::TempDir, Failure> {
    let made = tempfile::tempdir();
    made.map_err(|error| crate::failure::of_io(&std::env::temp_dir(), &error))
}
