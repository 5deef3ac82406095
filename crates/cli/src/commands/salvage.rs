//! `rejoin salvage`.

use std::path::Path;
use std::process::ExitCode;

use rejoin_replica::ops::{Salvaged, SalvagedSpace, salvage};

use super::now;
use crate::bar::Bar;
use crate::failure::{DAMAGED, Failure};

/// Maximum number of ranges of missing records that are shown per space.
const SHOWN: usize = 20;

pub(super) fn run(store: &Path, to: &Path, mut bar: Bar) -> Result<ExitCode, Failure> {
    let salvaged = salvage(store, to, now(), &mut |at| bar.show(at))?;
    drop(bar);
    print(to, &salvaged);
    Ok(if salvaged.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn print(to: &Path, salvaged: &Salvaged) {
    let Salvaged { spaces, unknown, is_counted, copied, .. } = salvaged;
    println!("{}: {} bytes; checked", to.display(), copied.file_bytes);
    spaces.iter().for_each(print_space);
    if *unknown > 0 {
        println!("{unknown} log records more are missing; nobody knows of which space");
    }
    if !is_counted {
        println!("how many log records there were cannot be read: any number may be missing");
    }
    if !salvaged.is_complete() {
        println!("help: sync with a peer: it brings back what it has of the missing records");
        println!("help: where nobody has them: `rejoin accept-loss` has what waits go on without");
        println!("help: keep the damaged file until all is back that it alone had");
    }
    println!("it goes on under a new identity");
}

fn print_space(space: &SalvagedSpace) {
    let missing = space.missing.iter().map(|range| range.end() - range.start() + 1).sum::<u64>();
    let records = space.records;
    println!("{:?}: {records} log records brought over, {missing} missing", space.name);
    for range in space.missing.iter().take(SHOWN) {
        match range.start() == range.end() {
            true => println!("  missing: {}", range.start()),
            false => println!("  missing: {} to {}", range.start(), range.end()),
        }
    }
    if space.missing.len() > SHOWN {
        println!("  and {} more ranges", space.missing.len() - SHOWN);
    }
    if space.quarantined > 0 {
        println!("  {} are quarantined until the missing ones are back", space.quarantined);
    }
    if space.is_nameless {
        println!("  its ticket and name are lost: it can be read, and not be synced");
    }
    if space.is_rebuilt {
        println!("  its state was not whole and is made again from the log");
    }
    if let Some(digest) = space.digest {
        println!("  digest {digest}");
    }
}
