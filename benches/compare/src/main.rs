//! Rejoin beside its best peers: the same work in one run, checked, with medians and ratios.
//!
//! ```text
//! cargo run --profile compare -p rejoin-compare -- values
//! ```
//!
//! - [`work`]: the rows. [`data`]: what everybody is given.
//! - [`peer`]: what a peer is, and how it is timed; `peers`: all of them.
//! - [`run`]: rounds and passes; [`growth`]: how cost grows; [`report`], [`machine`]: what is said;
//!   [`page`]: the page of what runs have kept.

#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of a bench fit everywhere; figures are rounded for people"
)]

mod data;
mod growth;
mod machine;
mod page;
mod peer;
mod peers;
mod report;
mod run;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cap::Cap;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use mimalloc::MiMalloc;

use crate::peer::{Peer, Role};
use crate::run::Effort;
use crate::work::{Edits, Row, Work};

/// Counts what is in use, and the most that ever was.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Rejoin beside its best peers, in one run.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// Values in memory: vectors, counters, sets, maps, lists.
    Values(Asked),
    /// Two copies catch up: bytes, messages, time.
    Sync(Asked),
    /// Objects on the disk: durable updates, reads, opening.
    Store(Asked),
    /// How the cost of ours grows with size.
    Growth(Asked),
    /// Prints the page of results (`> benches/RESULTS.md`), from the files that `--save` wrote.
    Page {
        /// Their directory.
        #[arg(default_value = "benches/results")]
        results: PathBuf,
    },
    /// What one piece of work takes in memory, in a process of its own.
    #[command(hide = true)]
    Memory { peer: String, elements: u64, edits: String },
}

#[derive(Args)]
struct Asked {
    /// Smaller sizes and one pass: under four minutes.
    #[arg(long)]
    quick: bool,
    /// JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Only this peer, beside ours and the plain collections: crdts, lattices, yrs, loro,
    /// automerge, redb, fjall, sqlite.
    #[arg(long)]
    only: Option<String>,
    /// Only rows whose names contain this, as the table names them: "counter of 3".
    #[arg(long)]
    row: Option<String>,
    /// Writes the JSON into this directory, too, as SUITE.json: all rows of this run, and no
    /// others.
    #[arg(long)]
    save: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Cli::parse().suite {
        Suite::Values(asked) => suite("values", work::values(asked.quick), &asked),
        Suite::Sync(asked) => suite("sync", work::sync(asked.quick), &asked),
        Suite::Store(asked) => suite("store", work::store(asked.quick), &asked),
        Suite::Growth(asked) => growth(&asked),
        Suite::Page { results } => match page::page(&results) {
            Ok(page) => {
                print!("{page}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        },
        Suite::Memory { peer, elements, edits } => memory(&peer, elements, &edits),
    }
}

/// The peers that were asked for; `None` if there is none of that name.
fn peers(asked: &Asked) -> Option<Vec<Box<dyn Peer>>> {
    let mut peers = peers::all();
    if let Some(only) = &asked.only {
        if !peers.iter().any(|peer| peer.name() == only) {
            let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
            eprintln!("there is no peer {only:?}; there are {}", names.join(", "));
            return None;
        }
        peers.retain(|peer| peer.role() != Role::Peer || peer.name() == only);
    }
    Some(peers)
}

fn bar(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
    ProgressBar::new(steps as u64).with_style(style.expect("a template"))
}

/// Runs the rows of a suite, and says what came of it.
fn suite(name: &str, mut rows: Vec<Row>, asked: &Asked) -> ExitCode {
    let Some(peers) = peers(asked) else { return ExitCode::from(2) };
    if let Some(part) = &asked.row {
        rows.retain(|row| row.work.to_string().contains(part.as_str()));
    }
    let (bar, effort) = (bar(rows.len()), Effort::new(asked.quick));
    let mut outcomes = Vec::new();
    for row in rows {
        let outcome = run::run(row, &peers, effort, &bar);
        let kept = report::judge(&outcome, &peers);
        outcomes.push((outcome, kept));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let wrong: Vec<String> = outcomes
        .iter()
        .flat_map(|(outcome, _)| {
            let told = |(peer, error): &(String, peer::Wrong)| {
                format!("{}: {peer}: {error}", outcome.row.work)
            };
            outcome.wrong.iter().map(told).collect::<Vec<_>>()
        })
        .collect();
    let (table, summary) = (report::table(&outcomes, &peers), report::summary(&outcomes));
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let kept = report::Run {
        suite: name.to_owned(),
        is_quick: asked.quick,
        at,
        revision: machine::revision(),
        machine: machine::machine(),
        compiler: machine::compiler(),
        versions: machine::versions(&peers),
        rows: outcomes.into_iter().map(|(_, kept)| kept).collect(),
    };
    let json = serde_json::to_string_pretty(&kept).unwrap_or_default();
    if let Some(directory) = &asked.save
        && let Err(error) = save(directory, &kept.suite, &json)
    {
        eprintln!("cannot write to {}: {error}", directory.display());
        return ExitCode::from(2);
    }
    if asked.json {
        println!("{json}");
    } else {
        println!("{}; {}\n\n{table}\n{summary}", kept.machine, kept.compiler);
    }
    wrong.iter().for_each(|line| eprintln!("wrong result: {line}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn save(directory: &Path, suite: &str, json: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join(format!("{suite}.json")), format!("{json}\n"))
}

fn growth(asked: &Asked) -> ExitCode {
    let mut ours = peers::all();
    ours.retain(|peer| matches!(peer.role(), Role::Ours | Role::OursFastest));
    let (all, effort) = (growth::all(), Effort::new(asked.quick));
    let bar = bar(all.len());
    let mut lines = Vec::new();
    for grows in &all {
        lines.push(growth::line(grows, &ours, effort, &bar));
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("| work | at 100 (3 replicas) and up | exponent | promised | |\n|-|-|-|-|-|");
    lines.iter().for_each(|(line, _)| println!("{line}"));
    let met = lines.iter().filter(|(_, is_met)| *is_met).count();
    println!("\n{met} of {} rows met", lines.len());
    ExitCode::SUCCESS
}

fn memory(peer: &str, elements: u64, edits: &str) -> ExitCode {
    let edits = if edits == "All" { Edits::All } else { Edits::One };
    let peers = peers::all();
    let Some(peer) = peers.iter().find(|it| it.name() == peer) else { return ExitCode::from(2) };
    match run::tell_memory(Work::SetMemory { elements, edits }, peer.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
