//! The costs of a store: one table, with redb doing the same beside it.
//!
//! ```sh
//! cargo bench -p rejoin-benches --bench store -- [--quick] [--elements N]
//! ```
//!
//! The workload: 100,000 objects of 100 bytes, overwritten at random, compaction included. Durable
//! means `fdatasync`. Ours and redb take turns within one run, and medians are shown: absolute
//! times vary from machine to machine and from minute to minute, ratios hardly do. Bytes written
//! are the file system's count (`write_bytes` of `/proc/self/io`), where it keeps one.

mod commit;
mod growth;
mod measure;
mod opening;
mod read;
mod workload;

use measure::{Result, Table};

/// The amount of work.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Durable transactions per row.
    commits: usize,
    /// Updates while bytes are counted.
    updates: u64,
    /// Elements of the large set.
    elements: u64,
    /// Elements that are added to it.
    adds: u64,
}

const FULL: Scale =
    Scale { commits: 1000, updates: 1_000_000, elements: 10_000_000, adds: 200_000 };
const QUICK: Scale = Scale { commits: 100, updates: 100_000, elements: 200_000, adds: 20_000 };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = arguments.iter().any(|argument| argument == "--quick" || argument == "--test");
    let mut scale = if is_quick { QUICK } else { FULL };
    if let Some(at) = arguments.iter().position(|argument| argument == "--elements") {
        scale.elements = arguments.get(at + 1).ok_or("--elements takes a number")?.parse()?;
    }
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.and_then(|at| arguments.get(at + 1)).map(String::as_str);
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let mut table = Table::default();
    if wanted("commit") {
        commit::rows(scale, &mut table)?;
    }
    if wanted("read") {
        read::rows(&mut table)?;
    }
    if wanted("open") {
        opening::rows(&mut table)?;
    }
    if wanted("growth") {
        growth::rows(scale, &mut table)?;
    }
    println!("{table}");
    Ok(())
}
