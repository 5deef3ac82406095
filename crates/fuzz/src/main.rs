//! Random programs over the public API, each beside a naive model of what the documentation says.

mod dice;
mod model;
mod shrink;
mod values;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use indicatif::ProgressBar;

/// Runs seeds, each of which is one deterministic program.
#[derive(Parser, Debug)]
struct Args {
    /// The number of seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only one of the programs.
    #[arg(long)]
    only: Option<Only>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Only {
    Values,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic is an outcome like others, and is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let bar = ProgressBar::new(args.seeds);
    let mut checks = 0;
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        match values::run(seed, None) {
            Ok(made) => checks += made,
            Err(wrong) => {
                bar.abandon();
                println!("values, seed {seed}: {wrong}");
                return ExitCode::FAILURE;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("0 wrong, {} seeds, {checks} checks", args.seeds);
    ExitCode::SUCCESS
}
