//! The cost of adding an element to sets of ten, and to one of ten million.
//!
//! Both are added to in turns within one run, so that a machine that becomes slower does so for
//! both. Small sets are picked at random, like places in a large one. The first rounds are not
//! measured: in a new file there is nothing to look into yet, and the engine's trees are shallow.
//! Compaction goes on by itself meanwhile, and the figures include the merges that are under way.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rejoin_benches::mix;
use rejoin_crdts::OrSet;
use rejoin_replica::message::Frames;
use rejoin_replica::{Durability, Link, SessionId, Space, Store};

use crate::Scale;
use crate::measure::{Result, Table, bytes_written, cpu_time, median, memory, ratio, timed};

type Sets = Space<OrSet<u64>>;

/// Number of transactions that are made durable together.
const FLUSH_EVERY: u64 = 100;
/// Number of elements per transaction while the large set is built.
const BUILD_EACH: u64 = 20_000;
/// Number of measured rounds, in which elements are added to small sets and the large one in turns.
const ROUNDS: u64 = 40;
/// Number of rounds before those that are measured: they include a flush.
const BEFORE: u64 = 40;

/// The cost of adding elements.
#[derive(Default, Debug)]
struct Cost {
    /// The time of each round.
    times: Vec<Duration>,
    on_cpu: Duration,
    written: u64,
    sent: u64,
    memory: i64,
}

pub(crate) fn rows(scale: Scale, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut small = Pair::new(&folder.path().join("small"))?;
    let mut large = Pair::new(&folder.path().join("large"))?;
    let before = bytes_written()?;
    let (built, took) = timed(|| large.build(scale.elements));
    built?;
    // Everything written while the set grew, including merges of all sizes, on both ends.
    let written = ratio(bytes_written()? - before, 2 * scale.elements);
    println!("built and synced a set of {} elements: {took:?}", scale.elements);
    println!("... {written:.1} bytes written per element and copy, {BUILD_EACH} at a time");
    let each = scale.adds / ROUNDS;
    let sets = each * (BEFORE + ROUNDS) / 10;
    let (mut of_small, mut of_large) = (Cost::default(), Cost::default());
    let bar = bar("rounds", BEFORE + ROUNDS);
    for round in 0..BEFORE + ROUNDS {
        if round == BEFORE {
            (of_small, of_large) = (Cost::default(), Cost::default());
        }
        let numbers = round * each..(round + 1) * each;
        let number = |n| (n, scale.elements + n);
        let in_small = numbers.clone().map(number);
        small
            .add(in_small.map(|(n, e)| (format!("set-{:06}", mix(n) % sets), e)), &mut of_small)?;
        let in_large = numbers.map(number);
        large.add(in_large.map(|(_, e)| ("set-000000".to_owned(), e)), &mut of_large)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{} elements added to each, in {ROUNDS} rounds", ROUNDS * each);
    show(scale, table, of_large, of_small, ROUNDS * each);
    small.close()?;
    large.close()
}

fn show(scale: Scale, table: &mut Table, mut large: Cost, mut small: Cost, adds: u64) {
    let title = format!("element added to a set of {} against sets of ten", scale.elements);
    let adds_of_round = Duration::from_nanos(adds / ROUNDS);
    let by_round = |cost: &mut Cost| median(&mut cost.times).div_duration_f64(adds_of_round);
    let on_cpu = |cost: &Cost| cost.on_cpu.div_duration_f64(Duration::from_nanos(adds));
    let grown = |cost: &Cost| ratio(cost.memory.max(0).unsigned_abs(), adds);
    let rows = [
        ("time, median of rounds", by_round(&mut large), by_round(&mut small), "ns"),
        ("time on the processor, mean", on_cpu(&large), on_cpu(&small), "ns"),
        ("bytes written", ratio(large.written, adds), ratio(small.written, adds), "B"),
        ("bytes sent", ratio(large.sent, adds), ratio(small.sent, adds), "B"),
        ("memory grown", grown(&large), grown(&small), "B"),
    ];
    for (what, large, small, unit) in rows {
        let measured = format!("{large:.1} / {small:.1} {unit}: {:.2} x", large / small);
        table.row(&format!("{title}: {what}"), measured, "<= 1.3 x");
    }
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}

/// Two stores in sync, so that the bytes sent can be counted.
struct Pair {
    ends: [(Store, Sets); 2],
    wire: [(Link, SessionId, Frames); 2],
}

impl Pair {
    fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let north = Store::open(folder.join("north.rejoin"))?;
        let sets: Sets = north.create_space("sets")?;
        let south = Store::open(folder.join("south.rejoin"))?;
        let joined: Sets = south.join_space("sets", sets.ticket())?;
        let end = |sets: &Sets| -> Result<_> {
            let link = sets.link();
            let session = link.open()?;
            Ok((link, session, Frames::default()))
        };
        let wire = [end(&sets)?, end(&joined)?];
        Ok(Self { ends: [(north, sets), (south, joined)], wire })
    }

    fn build(&mut self, elements: u64) -> Result<()> {
        let bar = bar("building", elements);
        for first in (0..elements).step_by(usize::try_from(BUILD_EACH)?) {
            self.ends[0].1.transact(|tx| {
                let mut set = tx.object("set-000000");
                (first..first + BUILD_EACH).try_for_each(|n| set.insert(&mix(n)))
            })?;
            self.sync()?;
            bar.inc(BUILD_EACH);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Moves frames until nothing moves. Returns the number of bytes that the first end sent.
    fn sync(&mut self) -> Result<u64> {
        let (mut sent, mut moved) = (0, true);
        while moved {
            moved = false;
            for turn in 0..2 {
                let [a, b] = &mut self.wire;
                let (from, to) = if turn == 0 { (a, b) } else { (b, a) };
                while let Some(frame) = from.0.transmit(from.1)? {
                    moved = true;
                    sent += if turn == 0 { frame.len() as u64 } else { 0 };
                    to.2.push(&frame);
                    to.0.handle(to.1, &mut to.2)?;
                }
            }
        }
        Ok(sent)
    }

    /// Adds elements to sets one by one, and then lets the other end catch up.
    fn add(&mut self, adds: impl Iterator<Item = (String, u64)>, cost: &mut Cost) -> Result<()> {
        let (written, before, on_cpu) = (bytes_written()?, memory()?, cpu_time()?);
        let buffered = self.ends[0].1.with_durability(Durability::Buffered);
        let (done, time) = timed(|| -> Result<()> {
            for (n, (set, element)) in (1..).zip(adds) {
                buffered.transact(|tx| tx.object(&set).insert(&mix(element)))?;
                if n % FLUSH_EVERY == 0 {
                    buffered.flush()?;
                }
            }
            Ok(())
        });
        done?;
        cost.times.push(time);
        cost.on_cpu += cpu_time()? - on_cpu;
        cost.written += bytes_written()? - written;
        cost.memory += memory()?.cast_signed() - before.cast_signed();
        cost.sent += self.sync()?;
        Ok(())
    }

    fn close(self) -> Result<()> {
        let [(north, _), _] = &self.ends;
        Ok(north.close()?)
    }
}
