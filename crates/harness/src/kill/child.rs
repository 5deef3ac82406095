//! The process that is killed: it writes, and reports what was acknowledged.
//!
//! It says `replica ID` and `last SPACE WRITER N` when the store is open, then `told ...` for each
//! transaction that returned, `done ...` for each that is durable too, and `again ...` for each
//! that was sent again under its key, with their receipts.

use std::io::stdin;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rejoin::prelude::*;

use super::{open, replica};
use crate::campaign::Outcome;
use crate::children;
use crate::ledger::{Ledger, Writer, spaces};

pub(super) fn run(file: &Path) -> Outcome<()> {
    let store = open(file)?;
    say(&replica(&store));
    let spaces = spaces(&store)?;
    for writer in Writer::all() {
        let space = &spaces[writer.space];
        say(&line("last", writer, writer.last(space)?, None));
        if let Some((n, receipt)) = writer.repeat(space)? {
            say(&line("again", writer, n, Some(receipt)));
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let write = |writer: Writer| write(writer, &spaces[writer.space], &stop);
        let threads: Vec<_> =
            Writer::all().map(|writer| scope.spawn(move || write(writer))).collect();
        stdin().lines().for_each(drop);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer died")?)
    })?;
    Ok(store.close()?)
}

fn write(writer: Writer, space: &Space<Ledger>, stop: &AtomicBool) -> Outcome<()> {
    let buffered = space.with_durability(Durability::Buffered);
    for n in writer.last(space)? + 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let space = if Writer::is_buffered(n) { &buffered } else { space };
        let Once::First(committed) = writer.write(space, n)? else {
            return Err(format!("{writer:?} never wrote {n}, and its key is known").into());
        };
        let what = if committed.is_durable() { "done" } else { "told" };
        say(&line(what, writer, n, Some(committed.receipt)));
    }
    Ok(())
}

fn line(what: &str, writer: Writer, n: u64, receipt: Option<Receipt>) -> String {
    let dots = receipt.map(|receipt| format!(" {} {}", receipt.first(), receipt.last()));
    let Writer { space, number } = writer;
    format!("{what} {space} {number} {n}{}", dots.unwrap_or_default())
}

/// An error means that the parent is gone; its end of standard input is closed, too.
fn say(line: &str) {
    drop(children::say(line));
}
