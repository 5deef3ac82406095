//! The process that kills, and compares what was reported to it with what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rejoin::prelude::*;
use rejoin::replica::entry::Record;
use rejoin::replica::storage::{RedbFile, StorageRead};
use rejoin::replica::{Config, Digest, SpaceCore};
use tempfile::TempDir;

use super::{open, replica};
use crate::campaign::{Campaign, Outcome};
use crate::children;
use crate::dice::mix;
use crate::ledger::{Writer, spaces};

/// Number of cycles that use one file; then a new one is begun, because checks read all of it.
const CYCLES_PER_FILE: u64 = 25;
const SIGKILL: i32 = 9;

/// The counts so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Tally {
    cycles: u64,
    /// Children that were killed.
    kills: u64,
    /// Those that were killed before they had opened the store.
    while_opening: u64,
    /// Those that were killed after they had been told to close it.
    while_closing: u64,
    /// Transactions that were acknowledged as durable.
    acknowledged: u64,
    /// Transactions that were in the store without having been reported.
    unheard_of: u64,
    /// Times that everything was checked.
    checks: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycles, kills, while_opening, while_closing, unheard_of, checks, .. } = self;
        write!(
            f,
            "{cycles} cycles, {kills} kills: {while_opening} while opening or recovering, \
             {while_closing} while closing; {unheard_of} writes were there and unheard of; \
             everything compared {checks} times"
        )
    }
}

/// Kills children that write to one file after another.
pub(crate) struct Parent {
    seed: u64,
    file: Option<Book>,
    tally: Tally,
}

/// A file, and what is known about it.
struct Book {
    folder: TempDir,
    replica: Option<String>,
    known: BTreeMap<Writer, Known>,
}

/// The parent's knowledge about a writer.
#[derive(Clone, Default, Debug)]
struct Known {
    /// The last transaction that is durable.
    done: u64,
    /// The last one that returned.
    told: u64,
    /// The dots of transactions under a key.
    dots: BTreeMap<u64, String>,
}

/// The moment at which a child is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// This long after its start.
    After(Duration),
    /// When it has printed this many lines.
    Lines(u64),
    /// When it has printed this many lines, and this long after it was told to close.
    Closing(u64, Duration),
    /// Never: it closes after this many lines.
    Never(u64),
}

impl Parent {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, file: None, tally: Tally::default() }
    }
}

impl Campaign for Parent {
    const PROMISE: &str = "0 acknowledged writes lost";

    /// Runs one child, which writes until it is killed.
    fn cycle(&mut self) -> Outcome<()> {
        let cycle = self.tally.cycles;
        self.tally.cycles += 1;
        if cycle > 0 && cycle.is_multiple_of(CYCLES_PER_FILE) {
            self.finish()?;
        }
        if self.file.is_none() {
            self.file = Some(Book::new()?);
        }
        let (die, fate) = (mix(self.seed ^ mix(cycle)), Moment::picked(self.seed, cycle));
        let told = self.run(fate);
        let checked = told.and_then(|()| if die.is_multiple_of(2) { self.check() } else { Ok(()) });
        checked.map_err(|what| self.loss(cycle, &*what))
    }

    /// Checks everything once more, and gives the file up.
    fn finish(&mut self) -> Outcome<()> {
        let checked = self.check();
        checked.map_err(|what| self.loss(self.tally.cycles, &*what))?;
        self.file = None;
        Ok(())
    }

    fn cycles(&self) -> u64 {
        self.tally.cycles
    }

    fn tally(&self) -> &dyn fmt::Display {
        &self.tally
    }

    fn figure(&self) -> String {
        format!("{} kills, {} acknowledged", self.tally.kills, self.tally.acknowledged)
    }
}

impl Parent {
    fn loss(
        &mut self,
        cycle: u64,
        what: &dyn std::error::Error,
    ) -> Box<dyn std::error::Error + Send + Sync> {
        let seed = self.seed;
        let kept = self.file.take().map(|book| book.folder.keep());
        let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
        format!("seed {seed}, cycle {cycle}: {what}\nthe store: {kept}").into()
    }

    fn run(&mut self, moment: Moment) -> Outcome<()> {
        let Self { file, tally, .. } = self;
        let book = file.as_mut().ok_or("no file")?;
        let (mut child, said) = children::start(children::child("kill-child")?.arg(book.path()))?;
        let mut said = said.map_while(Result::ok);
        let mut heard = 0;
        let lines = match moment {
            Moment::After(wait) => {
                std::thread::sleep(wait);
                0
            }
            Moment::Lines(lines) | Moment::Closing(lines, _) | Moment::Never(lines) => lines,
        };
        for line in said.by_ref().take(usize::try_from(lines)?) {
            heard += 1;
            book.hear(&line, tally)?;
        }
        match moment {
            Moment::After(_) | Moment::Lines(_) => child.kill()?,
            Moment::Closing(_, wait) => {
                drop(child.stdin.take());
                std::thread::sleep(wait);
                child.kill()?;
            }
            Moment::Never(_) => drop(child.stdin.take()),
        }
        for line in said {
            heard += 1;
            book.hear(&line, tally)?;
        }
        tally.note(moment, child.wait()?, heard)
    }

    /// Opens the store, compares everything, and closes it.
    fn check(&mut self) -> Outcome<()> {
        self.tally.checks += 1;
        let book = self.file.as_mut().ok_or("no file")?;
        let store = open(&book.path())?;
        book.is_replica(&replica(&store))?;
        let spaces = spaces(&store)?;
        for writer in Writer::all() {
            let last = writer.check(&spaces[writer.space])?;
            book.is_last(writer, last, &mut self.tally)?;
        }
        let known: Vec<(Ticket, Digest)> = spaces
            .iter()
            .map(|space| Ok((space.ticket().clone(), space.digest()?)))
            .collect::<Outcome<_>>()?;
        drop((spaces, store));
        let file = RedbFile::open(&book.path())?;
        for (number, (ticket, digest)) in known.into_iter().enumerate() {
            let nobody = FreshId::random().into_id();
            let mut core = SpaceCore::new(ticket.hash(), nobody, Config::default());
            replay(&file, u32::try_from(number)?, &mut core)?;
            if core.digest()? != digest {
                return Err(format!("{} is not what its log says", ticket.name()).into());
            }
        }
        Ok(())
    }
}

/// Applies a whole log from its beginning.
fn replay(file: &RedbFile, space: u32, core: &mut SpaceCore) -> Outcome<()> {
    loop {
        let records = file.log(space, core.log().end(), 1000)?;
        if records.is_empty() {
            return Ok(());
        }
        for (sequence, bytes) in records {
            let follows = sequence == core.log().end() && core.recover(Record::decode(&bytes)?)?;
            if !follows {
                return Err(format!("record {sequence} of space {space} does not follow").into());
            }
        }
    }
}

impl Moment {
    fn picked(seed: u64, cycle: u64) -> Self {
        let die = |n: u64, sides: u64| mix(mix(seed) ^ mix(cycle << 8 | n)) % sides;
        let lines = 13 + die(1, 250);
        match die(0, 20) {
            0..6 => Self::After(Duration::from_micros(die(2, 30_000))),
            6..12 => Self::Lines(lines),
            12..17 => Self::Closing(lines, Duration::from_micros(die(3, 12_000))),
            _ => Self::Never(lines),
        }
    }
}

impl Tally {
    fn note(&mut self, moment: Moment, status: ExitStatus, heard: u64) -> Outcome<()> {
        match (moment, status.signal()) {
            (Moment::Never(_), None) if status.success() => Ok(()),
            (Moment::Closing(..), None) if status.success() => Ok(()),
            (Moment::Never(_), _) => Err(format!("a child did not close: {status}").into()),
            (_, Some(SIGKILL)) => {
                self.kills += 1;
                self.while_opening += u64::from(heard <= Writer::all().count() as u64);
                self.while_closing += u64::from(matches!(moment, Moment::Closing(..)));
                Ok(())
            }
            _ => Err(format!("a child ended by itself: {status}").into()),
        }
    }
}

impl Book {
    fn new() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("rejoin-kill").tempdir()?;
        Ok(Self { folder, replica: None, known: BTreeMap::new() })
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("killed.rejoin")
    }

    /// Checks that a kill made no new identity. A kill while the store is made may leave it without
    /// one.
    fn is_replica(&mut self, says: &str) -> Outcome<()> {
        if self.replica.is_none() && says.ends_with("nobody") {
            return Ok(());
        }
        let known = self.replica.get_or_insert_with(|| says.to_owned());
        if known == says { Ok(()) } else { Err(format!("{known} became {says}").into()) }
    }

    /// Checks that the last transaction fits what was reported; from here on it is known.
    fn is_last(&mut self, writer: Writer, last: u64, tally: &mut Tally) -> Outcome<()> {
        let known = self.known.entry(writer).or_default();
        if last < known.done {
            let done = known.done;
            return Err(format!("{writer:?}: {done} was acknowledged, the last is {last}").into());
        }
        if last > known.told + 1 {
            let told = known.told;
            return Err(
                format!("{writer:?}: {told} was the last to return, {last} is there").into()
            );
        }
        tally.unheard_of += last - last.min(known.told);
        (known.done, known.told) = (last, last);
        // A transaction that returned before it was durable, and is gone, will have another
        // receipt.
        known.dots.retain(|&n, _| n <= last);
        Ok(())
    }

    fn hear(&mut self, line: &str, tally: &mut Tally) -> Outcome<()> {
        let mut words = line.splitn(5, ' ');
        let what = words.next().unwrap_or_default();
        if what == "replica" {
            return self.is_replica(line);
        }
        let mut number = || -> Outcome<u64> { Ok(words.next().ok_or("a short line")?.parse()?) };
        let (space, writer, n) = (number()?, number()?, number()?);
        let writer = Writer { space: usize::try_from(space)?, number: writer };
        let dots = words.next().unwrap_or_default().to_owned();
        if what == "last" {
            return self.is_last(writer, n, tally);
        }
        let known = self.known.entry(writer).or_default();
        if what == "again" {
            let first = known.dots.get(&n).is_none_or(|first| *first == dots);
            let changed = || format!("{writer:?}: {n} has another receipt now: {dots}").into();
            return if first { Ok(()) } else { Err(changed()) };
        }
        known.told = n;
        if what == "done" {
            tally.acknowledged += n - known.done;
            known.done = n;
        }
        if !writer.key(n).is_empty() {
            known.dots.insert(n, dots);
        }
        Ok(())
    }
}
