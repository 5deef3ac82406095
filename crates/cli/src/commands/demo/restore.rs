//! A store is put back from a backup while others know more of it than the backup does.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use rejoin_replica::message::Frames;
use rejoin_replica::ops::{Overwrite, Restore, restore};
use rejoin_replica::{Link, LinkError, OpenOptions, Receipt, SessionId, Space, Store};
use rejoin_vclock::ReplicaId;

use super::{SPACE, Stock, directory};
use crate::failure::{DAMAGED, Failure};

type Dots = Vec<(ReplicaId, u64)>;

pub(super) fn run() -> Result<ExitCode, Failure> {
    let directory = directory()?;
    let at = |name: &str| directory.path().join(name);
    let (path, backup) = (at("shop.rejoin"), at("shop.backup"));
    let mut dots = Dots::new();

    let shop = open(&path)?;
    let stock: Space<Stock> = shop.create_space(SPACE)?;
    write(&stock, 0..5, &mut dots)?;
    shop.backup(&backup, &mut |_| ControlFlow::Continue(()))?;
    println!("the shop writes 5 lines as {} and is backed up", name(&shop));

    write(&stock, 5..10, &mut dots)?;
    let office = open(&at("office.rejoin"))?;
    let copy: Space<Stock> = office.join_space(SPACE, stock.ticket())?;
    sync(&stock.link(), &copy.link())?;
    println!("it writes 5 more; the office syncs, and holds {} lines", lines(&copy)?);
    drop((stock, shop));

    let how = Restore { overwrite: Overwrite::Replace, ..Restore::default() };
    restore(&backup, &path, how, &mut |_| ControlFlow::Continue(()))?;
    let shop = open(&path)?;
    let stock: Space<Stock> = shop.open_space(SPACE)?;
    println!("the backup is put back: the shop holds {} lines, and has no name", lines(&stock)?);

    write(&stock, 10..15, &mut dots)?;
    println!("it writes 5 lines as {}, without having heard of anybody", name(&shop));
    sync(&stock.link(), &copy.link())?;
    let twice = dots.len() - dots.iter().collect::<BTreeSet<_>>().len();
    let (here, there) = (lines(&stock)?, lines(&copy)?);
    let same = stock.digest()? == copy.digest()?;
    println!("they sync: the shop holds {here} lines, the office {there}");
    println!("both hold the same: {}", if same { "yes" } else { "NO" });
    println!("{twice} of {} dots used twice", dots.len());
    let kept = twice == 0 && same && here == 15 && there == 15;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// Opens a store whose witnesses are in the demo's directory, too.
fn open(path: &Path) -> Result<Store, Failure> {
    let state = path.with_file_name("state");
    Ok(OpenOptions::new().state_dir(state).open(path)?)
}

fn name(store: &Store) -> String {
    store.replica_id().map_or_else(|| "nobody".to_owned(), |id| id.to_string())
}

fn write(
    stock: &Space<Stock>,
    lines: std::ops::Range<u32>,
    dots: &mut Dots,
) -> Result<(), Failure> {
    for line in lines {
        let line = format!("line {line}");
        let receipt: Receipt = stock.transact(|tx| tx.object("all").entry(&line).add(1))?.receipt;
        dots.extend((receipt.first()..=receipt.last()).map(|counter| (receipt.origin(), counter)));
    }
    Ok(())
}

fn lines(stock: &Space<Stock>) -> Result<usize, Failure> {
    stock.object("all").len().map_err(|error| Failure::new(&error, ""))
}

/// Moves frames between two stores of this process until nothing moves.
fn sync(a: &Link, b: &Link) -> Result<(), Failure> {
    let mut ends = [End::open(a)?, End::open(b)?];
    let mut still = 0;
    while still < 2 {
        ends.rotate_left(1);
        let [from, to] = &mut ends;
        let moved = from.send_to(to).map_err(|error| Failure::new(&error, ""))?;
        still = if moved { 0 } else { still + 1 };
    }
    ends.iter().for_each(|end| end.link.close(end.session));
    Ok(())
}

struct End {
    link: Link,
    session: SessionId,
    frames: Frames,
}

impl End {
    fn open(link: &Link) -> Result<Self, Failure> {
        Ok(Self { link: link.clone(), session: link.open()?, frames: Frames::default() })
    }

    fn send_to(&self, to: &mut Self) -> Result<bool, LinkError> {
        let mut moved = false;
        while let Some(frame) = self.link.transmit(self.session)? {
            moved = true;
            to.frames.push(&frame);
            to.link.handle(to.session, &mut to.frames)?;
        }
        Ok(moved)
    }
}
