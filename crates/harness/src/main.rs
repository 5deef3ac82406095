//! What stores must survive, tried again and again: kills, copies, power losses, full disks and
//! flipped bits. `cargo xtask kill` and its like run it; `tests/gate.rs` runs a share of each.
//!
//! Progress goes to stderr; the last line on stdout is the figure. On a loss the exit code is 1,
//! and what shows it is kept, or named so that it can be made again.

mod campaign;
mod children;
mod dice;
mod flips;
mod full;
mod images;
mod kill;
mod ledger;
mod restore;

use std::process::ExitCode;

use clap::Parser;

/// One of the programs.
#[derive(Parser)]
#[command(name = "harness", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Harness {
    /// Kill a process that writes to a store, again and again
    Kill(campaign::Cycles),
    /// Copy store files, put them back and clone them, and sync
    Restore(campaign::Cycles),
    /// Fill the disk under a store that is written to, and make room again
    Full(campaign::Cycles),
    /// Open store files as power losses leave them
    Images(images::Flags),
    /// Flip bits in a store file, cut it off, and read it
    Flips(flips::Flags),
    /// Be the process that is killed
    #[command(hide = true)]
    KillChild(kill::ChildFlags),
    /// Be a process that reads what is damaged
    #[command(hide = true)]
    FlipsChild(flips::ChildFlags),
}

fn main() -> ExitCode {
    match Harness::parse() {
        Harness::Kill(cycles) => campaign::run(&cycles, kill::Parent::new(cycles.seed)),
        Harness::Restore(cycles) => campaign::run(&cycles, restore::Worlds::new(cycles.seed)),
        Harness::Full(cycles) => campaign::run(&cycles, full::Disks::new(cycles.seed)),
        Harness::Images(flags) => images::main(&flags),
        Harness::Flips(flags) => flips::main(&flags),
        Harness::KillChild(flags) => kill::child(&flags),
        Harness::FlipsChild(flags) => flips::child(&flags),
    }
}
