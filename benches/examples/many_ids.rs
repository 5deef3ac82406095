//! The cost of many replicas: `cargo run --release -p rejoin-benches --example many_ids -- 200
//! 2000`.
//!
//! The given number of devices join one hub, one after the other; each counts one and syncs, which
//! brings it the entries of all before it. The cost of an entry must not depend on the number of
//! ids.

use std::time::{Duration, Instant};

use rejoin::prelude::*;
use rejoin::replica::message::Frames;
use rejoin::replica::{Link, SessionId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes: Result<Vec<u64>, _> = std::env::args().skip(1).map(|size| size.parse()).collect();
    let sizes = sizes?;
    if sizes.is_empty() {
        return Err("say how many devices join, for instance: many_ids 200 2000".into());
    }
    for devices in sizes {
        let hub = Store::memory()?;
        let counted = hub.create_space::<PnCounter>("counted")?;
        let begin = Instant::now();
        let mut entries = 0;
        for _ in 0..devices {
            entries += join(&counted)?.0;
        }
        let all = begin.elapsed();
        let (of_last, last) = join(&counted)?;
        println!(
            "{devices} devices joined in {:.2} s, {:.2} us per entry that moved; the next takes \
             {of_last} entries, {:.2} us each",
            all.as_secs_f64(),
            micros(all) / entries as f64,
            micros(last) / of_last as f64,
        );
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Makes a device join, count, and sync. Returns the number of entries that moved, and the time of
/// the sync.
fn join(counted: &Space<PnCounter>) -> Result<(u64, Duration), Box<dyn std::error::Error>> {
    let device = Store::memory()?;
    let here = device.join_space::<PnCounter>("counted", counted.ticket())?;
    here.transact(|tx| tx.object("visits").add(1))?;
    let begin = Instant::now();
    let mut ends = [End::open(here.link())?, End::open(counted.link())?];
    let mut moved = true;
    while moved {
        moved = false;
        for _ in 0..2 {
            ends.rotate_left(1);
            let [from, to] = &mut ends;
            while let Some(frame) = from.link.transmit(from.session)? {
                moved = true;
                to.take(&frame)?;
            }
        }
    }
    ends.iter().for_each(|end| end.link.close(end.session));
    Ok((here.stats()?.entries, begin.elapsed()))
}

/// One end of a session in this process.
struct End {
    link: Link,
    session: SessionId,
    frames: Frames,
}

impl End {
    fn open(link: Link) -> Result<Self, StoreError> {
        Ok(Self { session: link.open()?, link, frames: Frames::default() })
    }

    fn take(&mut self, frame: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        self.frames.push(frame);
        Ok(self.link.handle(self.session, &mut self.frames)?)
    }
}
