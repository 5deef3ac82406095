//! Copies store files, puts them back and clones them.
//!
//! In each world a few stores write and sync. Their files are copied, cold and hot; copies are put
//! back over the originals, renamed into their places, or opened beside them. Then all sync, and
//! everything is compared: no dot is used twice, nothing that any store held is lost, and no more
//! is sold than there was. On a loss the files are kept.

mod site;
mod world;

use std::fmt;

use self::world::Tally;
use crate::campaign::{Campaign, Outcome};

/// Worlds, one after the other, each from the next seed.
pub(crate) struct Worlds {
    seed: u64,
    tally: Tally,
}

impl Worlds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, tally: Tally::default() }
    }
}

impl Campaign for Worlds {
    const PROMISE: &str = "0 dots reused, 0 acknowledged writes lost";

    fn cycle(&mut self) -> Outcome<()> {
        let seed = self.seed;
        self.seed += 1;
        world::run(seed, &mut self.tally)
    }

    fn cycles(&self) -> u64 {
        self.tally.cycles
    }

    fn tally(&self) -> &dyn fmt::Display {
        &self.tally
    }

    fn figure(&self) -> String {
        format!("{} cycles", self.tally.cycles)
    }
}
