//! The process that is killed: it writes, and reports what was acknowledged.
//!
//! Lines for the parent begin with `> `, because this may run inside a test harness: `> replica ID`
//! and `> last SPACE WRITER N` when the store is open, then `> told ...` for each transaction that
//! returned, `> done ...` for each that is durable too, and `> again ...` for each that was sent
//! again under its key, with their receipts.

use std::fmt::Display;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rejoin_replica::{Durability, Once, Receipt, Space};

use super::ledger::{Ledger, Outcome, SPACES, Writer, space};
use super::store_file::{open, replica};

/// Writes until standard input ends; then closes the store.
///
/// # Panics
/// When the store cannot be used, or does not hold what was written.
pub(crate) fn write_until_told(file: &Path) {
    if let Err(error) = run(file) {
        panic!("{}: {error}", file.display());
    }
}

fn run(file: &Path) -> Outcome<()> {
    let store = open(file)?;
    say(&replica(&store));
    let spaces = SPACES.map(|name| space(&store, name));
    let spaces: Vec<_> = spaces.into_iter().collect::<Result<_, _>>()?;
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

/// Prints one line per write: what was printed whole is what was acknowledged.
fn say(what: &dyn Display) {
    let line = format!("\n> {what}\n");
    let mut out = stdout().lock();
    // An error means that the parent is gone; its end of standard input is closed too.
    drop(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
}
