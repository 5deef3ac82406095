//! The project's own chores, run as `cargo xtask <command>`.
//!
//! | command | writes? | last line |
//! |---|---|---|
//! | `tidy` | no | `0 findings` |
//! | `verify` | no | `verify: 7 of 7 passed` |
//! | `fix` | yes | `fix: 2 of 2 passed` |
//! | `no-std` | no | `no-std: 8 of 8 passed` |
//! | `wasm-check` | no | `wasm-check: 2 of 2 passed` |
//! | `sim` | no | the simulator's own figure |
//! | `fuzz-api` | no | `0 wrong, 100 seeds, ..` |
//! | `images` | no | `0 lost or corrupt, 2000 images` |
//! | `full` | no | `0 lost, 0 counted twice, ..` |
//! | `kill` | no | `0 acknowledged writes lost, ..` |
//! | `restore` | no | `0 dots reused, ..` |
//! | `flips` | no | `0 silent wrong reads, 0 panics, ..` |
//! | `worlds` | no | `worlds: 0 differences, ..` |
//! | `mutants` | no | `caught 6 of 6` |
//!
//! Every command exits non-zero when anything that it checks fails.

mod cargo;
mod fix;
mod mutants;
mod no_std;
mod sim;
mod tidy;
mod verify;
mod wasm_check;
mod worlds;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

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
    /// Prove that the core crates link no standard library
    NoStd,
    /// Build the facade for a browser, where that target is installed
    WasmCheck,
    /// Run the simulator over a range of seeds
    Sim(sim::Options),
    /// Run random programs over the public API, beside a naive model of what is documented
    #[command(disable_help_flag = true)]
    FuzzApi(Flags),
    /// Open store files as power losses leave them
    #[command(disable_help_flag = true)]
    Images(Flags),
    /// Flip bits in a store file, cut it off, and read it
    #[command(disable_help_flag = true)]
    Flips(Flags),
    /// Fill the disk under a store that is written to, and make room again
    #[command(disable_help_flag = true)]
    Full(Flags),
    /// Kill a process that writes to a store, again and again
    #[command(disable_help_flag = true)]
    Kill(Flags),
    /// Copy store files, put them back and clone them, and sync
    #[command(disable_help_flag = true)]
    Restore(Flags),
    /// Search the worlds of the types deeper than the gate does
    Worlds(worlds::Options),
    /// Switch each planted bug on and see that the tests catch it
    Mutants(mutants::Options),
}

/// Flags that a program reads by itself, `--help` among them.
#[derive(Args)]
struct Flags {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Tidy { root } => tidy::main(&root.unwrap_or_else(cargo::workspace_root)),
        Command::Verify => verify::main(),
        Command::Fix => fix::main(),
        Command::NoStd => no_std::main(),
        Command::WasmCheck => wasm_check::main(),
        Command::Sim(options) => sim::main(&options),
        Command::FuzzApi(flags) => cargo::run("fuzz-api", &mut cargo::fuzzer(&flags.flags)),
        Command::Images(flags) => harness("images", &flags),
        Command::Flips(flags) => harness("flips", &flags),
        Command::Full(flags) => harness("full", &flags),
        Command::Kill(flags) => harness("kill", &flags),
        Command::Restore(flags) => harness("restore", &flags),
        Command::Worlds(options) => worlds::main(&options),
        Command::Mutants(options) => mutants::main(&options),
    }
}

/// Runs a program of `crates/harness` and returns its exit code.
fn harness(name: &str, Flags { flags }: &Flags) -> ExitCode {
    cargo::run(name, &mut cargo::harness(name, flags))
}
