//! What an element costs that is added to sets of ten, and to one of ten million.

use std::path::Path;
use std::time::Duration;

use rejoin_benches::mix;
use rejoin_crdts::OrSet;
use rejoin_replica::message::Frames;
use rejoin_replica::{Durability, Link, SessionId, Space, Store};

use crate::Scale;
use crate::measure::{Result, Table, bytes_written, memory, ratio, timed};

type Sets = Space<OrSet<u64>>;

/// Every so many transactions are made durable together.
const FLUSH_EVERY: u64 = 100;
/// So many elements per transaction while the large set is built.
const BUILD_EACH: u64 = 20_000;

/// What adding costs, per element.
#[derive(Clone, Copy, Debug)]
struct Cost {
    time: Duration,
    written: u64,
    sent: u64,
    memory: u64,
    adds: u64,
}

pub(crate) fn rows(scale: Scale, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let small = {
        let sets = scale.adds / 10;
        let pair = Pair::new(&folder.path().join("small"))?;
        pair.add(scale, |n| format!("set-{:06}", n % sets))?
    };
    let large = {
        let mut pair = Pair::new(&folder.path().join("large"))?;
        let (built, took) = timed(|| pair.build(scale.elements));
        built?;
        println!("built and synced a set of {} elements: {took:?}", scale.elements);
        pair.add(scale, |_| "set-000000".to_owned())?
    };
    let title = format!("element added to a set of {} against sets of ten", scale.elements);
    let per = |bytes: u64| ratio(bytes, large.adds);
    let nanos = |cost: Cost| cost.time.as_secs_f64() * 1e9 / per(1).recip();
    let rows = [
        ("time", nanos(large), nanos(small), "ns"),
        ("bytes written", per(large.written), per(small.written), "B"),
        ("bytes sent", per(large.sent), per(small.sent), "B"),
        ("memory grown", per(large.memory), per(small.memory), "B"),
    ];
    for (what, large, small, unit) in rows {
        let measured = format!("{large:.1} / {small:.1} {unit}: {:.2} x", large / small);
        table.row(&format!("{title}: {what}"), measured, "<= 1.3 x");
    }
    Ok(())
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
        for first in (0..elements).step_by(usize::try_from(BUILD_EACH)?) {
            self.ends[0].1.transact(|tx| {
                let mut set = tx.object("set-000000");
                (first..first + BUILD_EACH).try_for_each(|n| set.insert(&mix(n)))
            })?;
            self.sync()?;
        }
        Ok(())
    }

    /// Moves frames until nothing moves. How many bytes the first end sent.
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
                    let messages = std::iter::from_fn(|| to.2.next_message().transpose());
                    let messages = messages.collect::<std::result::Result<Vec<_>, _>>()?;
                    to.0.handle(to.1, messages)?;
                }
            }
        }
        Ok(sent)
    }

    /// Adds elements one by one; then lets the other end catch up.
    fn add(mut self, scale: Scale, object: impl Fn(u64) -> String) -> Result<Cost> {
        let (written, before) = (bytes_written()?, memory()?);
        let buffered = self.ends[0].1.with_durability(Durability::Buffered);
        let (done, time) = timed(|| -> Result<()> {
            for n in 0..scale.adds {
                let element = mix(scale.elements + n);
                buffered.transact(|tx| tx.object(&object(n)).insert(&element))?;
                if n % FLUSH_EVERY == FLUSH_EVERY - 1 {
                    buffered.flush()?;
                }
            }
            Ok(())
        });
        done?;
        let written = bytes_written()? - written;
        let memory = memory()?.saturating_sub(before);
        let sent = self.sync()?;
        let [(north, _), _] = &self.ends;
        north.close()?;
        Ok(Cost { time, written, sent, memory, adds: scale.adds })
    }
}
