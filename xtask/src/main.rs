//! The project's own chores, run as `cargo xtask <command>`.
//!
//! | command | writes? | last line |
//! |---|---|---|
//! | `tidy` | no | `0 findings` |
//! | `verify` | no | `verify: 7 of 7 passed` |
//! | `fix` | yes | `fix: 2 of 2 passed` |
//! | `sim` | no | the simulator's own figure |
//! | `mutants` | no | `caught 6 of 6` |
//!
//! Every command exits non-zero when anything that it checks fails.

mod cargo;
mod fix;
mod mutants;
mod sim;
mod tidy;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the house style: budgets, the arrow, orphans, links
    Tidy {
        /// The tree to check instead of this workspace
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Check everything that a change must pass besides the tests; never writes
    Verify,
    /// Apply clippy's suggestions and format; writes
    Fix,
    /// Run the simulator over a range of seeds
    Sim(sim::Options),
    /// Switch each planted bug on and see that the tests catch it
    Mutants {
        /// Only this one
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Print the table and run nothing
        #[arg(long)]
        list: bool,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Tidy { root } => tidy::main(&root.unwrap_or_else(cargo::workspace_root)),
        Command::Verify => verify::main(),
        Command::Fix => fix::main(),
        Command::Sim(options) => sim::main(&options),
        Command::Mutants { list: true, .. } => mutants::list(),
        Command::Mutants { only, list: false } => mutants::main(only.as_deref()),
    }
}
