//! Transactions of writers, such that a look at the store shows what they did, and how often.
//!
//! Each writer has an object of its own and numbers its transactions. Most add a line, some take
//! one away; each notes its number as the last, mirrors the line in a set, and counts. So the whole
//! content of an object follows from its last number, which reveals half a transaction, one that
//! happened twice, a lost one, and one that came back.

use std::collections::BTreeSet;

use rejoin::prelude::*;
use rejoin::replica::{Config, OpenOptions, Transaction};

use crate::campaign::Outcome;
use crate::dice::mix;

/// The spaces that are written to.
const SPACES: [&str; 2] = ["north", "south"];
/// The writers of each space.
const WRITERS: u64 = 3;

/// The object of a writer.
#[derive(Crdt, Default, Debug)]
pub(crate) struct Ledger {
    /// The present lines.
    lines: OrMap<String, LwwRegister<String>>,
    /// Their names again.
    mirror: OrSet<String>,
    /// The number of lines.
    total: PnCounter,
    /// The number of the last transaction.
    last: LwwRegister<u64>,
}

/// Returns settings that keep compaction and merging busy.
pub(crate) fn settings() -> OpenOptions {
    let mut config = Config::default();
    config.memtable_bytes = 12 << 10;
    config.cache_bytes = 32 << 10;
    OpenOptions::new().config(config)
}

/// Returns the spaces of the store; one is made if a kill came before that.
pub(crate) fn spaces(store: &Store) -> Result<Vec<Space<Ledger>>, StoreError> {
    let space = |name| match store.open_space(name) {
        Err(StoreError::NoSuchSpace { .. }) => store.create_space(name),
        opened => opened,
    };
    SPACES.into_iter().map(space).collect()
}

/// One writer of one space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Writer {
    pub(crate) space: usize,
    pub(crate) number: u64,
}

impl Writer {
    /// Returns all writers.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of = |space| (0..WRITERS).map(move |number| Self { space, number });
        (0..SPACES.len()).flat_map(of)
    }

    fn object(self) -> String {
        format!("writer-{}", self.number)
    }

    /// Returns the idempotency key of a transaction; some have none.
    pub(crate) fn key(self, n: u64) -> Vec<u8> {
        if n % 3 == 1 { format!("{}-{n}", self.number).into_bytes() } else { Vec::new() }
    }

    /// True if a transaction need not be durable when it returns.
    pub(crate) const fn is_buffered(n: u64) -> bool {
        matches!(n % 11, 6..=8)
    }

    /// Runs a transaction, at most once if it has a key.
    pub(crate) fn write(self, space: &Space<Ledger>, n: u64) -> Result<Once<()>, StoreError> {
        space.transact_once(&self.key(n), |tx| self.edit(tx, n))
    }

    fn edit(self, tx: &mut Transaction<'_, Ledger>, n: u64) -> Result<(), EditError> {
        let object = self.object();
        let mut ledger = tx.object(&object);
        ledger.last().set(n)?;
        if let Some(gone) = taken_away_by(n) {
            ledger.lines().remove(name(gone).as_str())?;
            ledger.mirror().remove(name(gone).as_str())?;
            ledger.total().add(-1)
        } else {
            ledger.lines().entry(name(n).as_str()).set(value(n).as_str())?;
            ledger.mirror().insert(name(n).as_str())?;
            ledger.total().add(1)
        }
    }

    /// Returns the number of this writer's last transaction in the store.
    pub(crate) fn last(self, space: &Space<Ledger>) -> Outcome<u64> {
        Ok(space.object(&self.object()).last().get()?.unwrap_or(0))
    }

    /// Compares everything that this writer wrote with what follows from its last number.
    pub(crate) fn check(self, space: &Space<Ledger>) -> Outcome<u64> {
        let last = self.last(space)?;
        let object = self.object();
        space.read(|snapshot| -> Outcome<()> {
            let ledger = snapshot.object(&object);
            let expected = lines_after(last);
            let differs = |what: &str, found: &BTreeSet<String>| {
                let [lost, extra] = [&expected - found, found - &expected];
                format!("{self:?} after {last}: {what}: lost {lost:?}, too many {extra:?}")
            };
            let lines = ledger.lines().keys()?.into_iter().collect();
            if lines != expected {
                return Err(differs("lines", &lines).into());
            }
            let mirror = ledger.mirror().items()?.into_iter().collect();
            if mirror != expected {
                return Err(differs("their mirror", &mirror).into());
            }
            let total = ledger.total().value()?;
            if usize::try_from(total) != Ok(expected.len()) {
                return Err(format!("{self:?} after {last}: counted {total} lines").into());
            }
            let wrong = |name: &&String| {
                let held = ledger.lines().at(name.as_str()).get();
                held != Ok(name.parse().ok().map(value))
            };
            match expected.iter().find(wrong) {
                Some(name) => {
                    Err(format!("{self:?} after {last}: line {name} is not right").into())
                }
                None => Ok(()),
            }
        })??;
        Ok(last)
    }

    /// Sends the last transaction again: it must not happen again.
    pub(crate) fn repeat(self, space: &Space<Ledger>) -> Outcome<Option<(u64, Receipt)>> {
        let last = self.last(space)?;
        if self.key(last).is_empty() {
            return Ok(None);
        }
        match self.write(space, last)? {
            Once::Repeated(receipt) if receipt.is_durable() => Ok(Some((last, receipt))),
            once => Err(format!("{self:?}: {last}, under its key, once more: {once:?}").into()),
        }
    }
}

fn name(n: u64) -> String {
    format!("{n:08}")
}

/// Returns the line that a transaction takes away instead of adding one.
const fn taken_away_by(n: u64) -> Option<u64> {
    if n.is_multiple_of(5) && n > 2 { Some(n - 2) } else { None }
}

/// Returns the names of the lines that are there after a transaction.
fn lines_after(last: u64) -> BTreeSet<String> {
    let mut there: BTreeSet<u64> = (1..=last).filter(|&n| taken_away_by(n).is_none()).collect();
    (1..=last).filter_map(taken_away_by).for_each(|gone| _ = there.remove(&gone));
    there.into_iter().map(name).collect()
}

/// Returns the content of a line; some are large.
fn value(n: u64) -> String {
    let length = if n % 41 == 7 { 60_000 } else { 20 + mix(n) % 200 };
    let parts = (0..length.div_ceil(16)).map(|part| format!("{:016x}", mix(n ^ part << 32)));
    parts.collect()
}
