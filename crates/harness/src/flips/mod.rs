//! Flips bits in a store file, cuts it off, and reads it.
//!
//! Every K-th bit of a file that was closed, and of one whose process was killed, is flipped once.
//! The store is opened and read; if it reads as it was written, it is written to and read again.
//! Two outcomes are fine: a named error, or everything as it was. Some of the refused files are
//! salvaged: only records that were hit may be lost. Children do the work, so that aborts and hangs
//! are found as well.

mod content;
mod damage;
mod parent;
mod rescue;

use std::path::PathBuf;

use clap::Args;

pub(crate) use self::damage::child;
pub(crate) use self::parent::main;
use crate::campaign::{Budget, above_zero};

/// The bits to flip, and the time for it.
#[derive(Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    bits: Bits,
    #[command(flatten)]
    budget: Budget,
}

/// The bits to flip.
#[derive(Args)]
struct Bits {
    /// Flip every K-th bit; 1 is the whole campaign
    #[arg(long, value_name = "K", default_value_t = 97, value_parser = above_zero())]
    every: u64,
    /// The seed: it decides the contents of the files, and the first bit
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// The flags of a child.
#[derive(Args)]
pub(crate) struct ChildFlags {
    #[command(flatten)]
    bits: Bits,
    /// The place of the files.
    files: PathBuf,
    /// The first damage.
    first: u64,
    /// The number of children, which share the damages.
    step: usize,
}
