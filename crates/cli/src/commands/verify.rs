//! `rejoin verify`.

use std::path::Path;
use std::process::ExitCode;

use rejoin_replica::ops::{Depth, Verification, verify_file};

use crate::bar::Bar;
use crate::failure::{DAMAGED, Failure};

pub(super) fn run(store: &Path, deep: bool, mut bar: Bar) -> Result<ExitCode, Failure> {
    let depth = if deep { Depth::Replayed } else { Depth::Stored };
    let found = verify_file(store, depth, &mut |at| bar.show(at))?;
    drop(bar);
    print(&found, depth);
    let is_whole = found.is_sound() && found.spaces.iter().all(|space| space.quarantined == 0);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn print(found: &Verification, depth: Depth) {
    for space in &found.spaces {
        let (records, blocks) = (space.records, space.blocks);
        println!("{:?}: {records} log records, {blocks} blocks", space.name);
        if space.left_over > 0 {
            println!(
                "  {} rows that are of no use any more; compaction takes them away",
                space.left_over
            );
        }
        if space.quarantined > 0 {
            let wait = "quarantined as damaged; sync with a peer that has them";
            println!("  {} log records are {wait}", space.quarantined);
        }
        if let Some(digest) = space.digest {
            let replayed = if depth == Depth::Replayed { ", which the log makes too" } else { "" };
            println!("  digest {digest}{replayed}");
        }
    }
    if found.spaces.is_empty() {
        println!("it has no spaces: there is no data to check in it");
    }
    let mut advised = Vec::new();
    for finding in &found.findings {
        println!("damaged: {finding}");
        if !advised.contains(&finding.advice()) {
            advised.push(finding.advice());
        }
    }
    advised.iter().for_each(|advice| println!("help: {advice}"));
    match found.findings.len() as u64 + found.more {
        0 => println!("0 findings"),
        findings => println!("{findings} findings; the file was left as it is"),
    }
}
