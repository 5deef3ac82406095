//! The commands; each that is more than a call has a file of its own.

mod accept_loss;
mod demo;
mod inspect;
mod salvage;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use rejoin_replica::ops::{
    Copied, OperationError, Overwrite, Restore, backup_file, compact_file, restore,
};

use crate::bar::Bar;
use crate::failure::Failure;

/// A command of `rejoin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy a store into a new file, which is checked whole before it gets its name
    Backup {
        /// The store file.
        store: PathBuf,
        /// The file to make; there must be none of that name.
        to: PathBuf,
    },
    /// Make a store out of a backup, which is checked whole before anything is created
    Restore {
        /// The backup.
        from: PathBuf,
        /// The store file to make.
        store: PathBuf,
        /// Replace a file that is there; it is kept beside the new one.
        #[arg(long)]
        replace: bool,
    },
    /// Merge what is stored into one piece, and give back what is not used
    Compact {
        /// The store file.
        store: PathBuf,
    },
    /// Look for damage: in pages, log records, blocks, indexes; exit code 1 when there is any
    Verify {
        /// The store file, or a backup.
        store: PathBuf,
        /// Also apply the log again and compare; takes memory in proportion to the state.
        #[arg(long)]
        deep: bool,
    },
    /// Make a new store out of all that can be read of a damaged one, which is left as it is; exit
    /// code 1 when log records are missing
    Salvage {
        /// The damaged store file.
        store: PathBuf,
        /// The store file to make; there must be none of that name.
        to: PathBuf,
    },
    /// Go on without log records that are lost: transactions that wait for them are written again
    AcceptLoss {
        /// The store file.
        store: PathBuf,
        /// Also give up records that others may have seen; they never come back.
        #[arg(long)]
        for_good: bool,
    },
    /// Show what is in a store: identity, spaces, tickets, sizes, vectors, digests
    Inspect {
        /// The store file, or a backup.
        store: PathBuf,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show a guarantee at work, on files that are created for it and removed afterwards
    #[command(subcommand)]
    Demo(demo::Demo),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Backup { store, to } => {
                let mut bar = Bar::new();
                let copied = backup_file(&store, &to, now(), &mut |at| bar.show(at))?;
                drop(bar);
                println!("{}: {}", to.display(), told(&copied));
            }
            Self::Restore { from, store, replace } => {
                let mut bar = Bar::new();
                let overwrite = if replace { Overwrite::Replace } else { Overwrite::Refuse };
                let how = Restore { overwrite, at: now() };
                let restored = restore(&from, &store, how, &mut |at| bar.show(at));
                let restored = restored.map_err(|error| advise_to_replace(error, replace))?;
                drop(bar);
                println!("{}: {}", store.display(), told(&restored.copied));
                if let Some(kept) = restored.kept {
                    println!("the file that was there is {} now", kept.display());
                }
                println!("it goes on under a new identity; sync brings back what came later");
            }
            Self::Compact { store } => {
                let mut bar = Bar::new();
                let compacted = compact_file(&store, &mut |at| bar.show(at))?;
                drop(bar);
                let (before, after) = (compacted.before, compacted.after);
                let (runs, run) = (compacted.runs_before, compacted.runs_after);
                println!("{}: {before} bytes before, {after} now", store.display());
                println!("{runs} runs of blocks before, {run} now");
            }
            Self::Verify { store, deep } => return verify::run(&store, deep, Bar::new()),
            Self::Salvage { store, to } => return salvage::run(&store, &to, Bar::new()),
            Self::AcceptLoss { store, for_good } => accept_loss::run(&store, for_good)?,
            Self::Inspect { store, json } => inspect::run(&store, json)?,
            Self::Demo(demo) => return demo.run(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn advise_to_replace(error: OperationError, replace: bool) -> Failure {
    match error {
        OperationError::Exists { .. } if !replace => Failure::new(
            &error,
            "--replace puts the backup in its place and keeps that file beside",
        ),
        error => error.into(),
    }
}

fn told(copied: &Copied) -> String {
    let Copied { records, rows, file_bytes, .. } = copied;
    let spaces = match copied.spaces.len() {
        1 => "1 space".to_owned(),
        spaces => format!("{spaces} spaces"),
    };
    format!("{spaces}, {records} log records, {rows} rows, {file_bytes} bytes; checked")
}

/// Returns the milliseconds since the Unix epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
