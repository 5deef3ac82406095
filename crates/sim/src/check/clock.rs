//! A wrong wall clock moves no other site's clock by more than the skew bound, and its own site's
//! clock only while it is wrong.
//!
//! Once a wall clock has been right for one bound, no new stamp of its site is further ahead of it
//! than the bound: whatever it said before, whatever others say, and however often its process was
//! started meanwhile.

use std::collections::BTreeMap;

use rejoin_replica::Now;
use rejoin_vclock::{EARLIEST_MILLIS, HybridTimestamp};

use crate::violation::{Broken, Checked};

/// The last reading of each site's wall clock whenever it was set, with its time.
#[derive(Default, Debug)]
pub(crate) struct Clock(BTreeMap<usize, Vec<Now>>);

impl Clock {
    /// Notes that the wall clock of a site is set; `before` is its last reading.
    pub(crate) fn set(&mut self, site: usize, before: Now) {
        self.0.entry(site).or_default().push(before);
    }

    /// Checks the stamp of a transaction. `bound`: how far a stamp may be ahead, in milliseconds.
    pub(crate) fn stamped(
        &self,
        site: usize,
        now: Now,
        stamp: HybridTimestamp,
        bound: u64,
    ) -> Checked {
        if now.wall <= EARLIEST_MILLIS {
            // A clock this early is known to be no clock yet, and stamps go on from where they
            // were.
            return Ok(());
        }
        let set = self.0.get(&site).into_iter().flatten();
        let of_late = set.filter(|before| before.elapsed + bound >= now.elapsed);
        let latest = of_late.map(|before| before.wall).fold(now.wall, u64::max);
        // One more: a full logical part carries into the milliseconds.
        Broken::unless(stamp.millis() <= latest + bound + 1, "clock", || {
            format!(
                "site {site} stamps {stamp}; its wall clock says {}, and for {bound} ms has said \
                 no more than {latest}",
                now.wall
            )
        })
    }
}
