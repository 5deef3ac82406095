//! Random programs over the public API, each beside a naive model of what the documentation says.

mod dice;
mod model;
mod shrink;
mod stores;
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
    Stores,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic is an outcome like others, and is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let bar = ProgressBar::new(args.seeds);
    let mut checks = 0;
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        match seed_of(seed, args.only) {
            Ok(made) => checks += made,
            Err(wrong) => {
                bar.abandon();
                println!("{wrong}");
                return ExitCode::FAILURE;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("0 wrong, {} seeds, {checks} checks", args.seeds);
    ExitCode::SUCCESS
}

/// Runs what one seed stands for.
fn seed_of(seed: u64, only: Option<Only>) -> Result<u64, String> {
    let mut checks = 0;
    if only != Some(Only::Stores) {
        checks += values::run(seed, None).map_err(|it| format!("values, seed {seed}: {it}"))?;
    }
    if only != Some(Only::Values) {
        checks += stores::run(seed, None).map_err(|it| format!("stores, seed {seed}: {it}"))?;
    }
    Ok(checks)
}
