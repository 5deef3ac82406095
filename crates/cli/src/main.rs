//! `rejoin`: looking after a store from the command line.

mod bar;
mod commands;
mod failure;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; `verify` found nothing wrong, `salvage` brought everything over
  1  damage was found, in the store or in the backup; `salvage` made a store, and not of everything
  2  the command line cannot be understood
  3  it could not be done: no such file, no store, open elsewhere, name taken, no space left
  4  interrupted

Whatever the code, a store that was there is as it was unless the command says that it is done.
`backup`, `verify` and `inspect` read a store also while another process has it open. The others
need it for themselves; a program that has it open calls the same operations in its own process,
also while others write (Store::compact).";

/// Looks after a store file: backups, checks, compaction, and what is in it.
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
