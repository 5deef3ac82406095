//! Kills a process that writes to a store, again and again.
//!
//! A child opens a store and writes from several threads; it reports what was acknowledged. It gets
//! SIGKILL at a moment that the seed picks: while it opens or recovers, writes, flushes, merges or
//! closes. Then another one goes on with the same file. On a loss the file is kept.

mod child;
mod parent;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rejoin::prelude::*;

pub(crate) use self::parent::Parent;
use crate::ledger::settings;

/// The flags of a child.
#[derive(Args)]
pub(crate) struct ChildFlags {
    /// The store file.
    file: PathBuf,
}

/// Writes until standard input ends; then closes the store.
///
/// # Panics
/// When the store cannot be used, or does not hold what was written.
pub(crate) fn child(flags: &ChildFlags) -> ExitCode {
    if let Err(error) = child::run(&flags.file) {
        panic!("{}: {error}", flags.file.display());
    }
    ExitCode::SUCCESS
}

/// Opens a store. The witnesses of its place are kept beside it: nobody copies it here.
fn open(file: &Path) -> Result<Store, StoreError> {
    settings().state_dir(file.with_extension("state")).open(file)
}

/// Returns the identity of a store.
fn replica(store: &Store) -> String {
    let id = store.replica_id().map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    format!("replica {id}")
}
