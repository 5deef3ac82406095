//! A wrong clock moves no clock elsewhere by more than the skew bound, and its own for no longer
//! than it is wrong.
//!
//! When a wall clock has been right for one bound, no new stamp of its site is further ahead of it
//! than the bound: whatever it said before, whatever others say, and however often its process was
//! started meanwhile.

use std::collections::BTreeMap;

use rejoin_vclock::{EARLIEST_MILLIS, HybridTimestamp};

use crate::core::Now;
use crate::sim::violation::{Broken, Checked};

/// What each site's wall clock said when it was set, and when that was.
#[derive(Default, Debug)]
pub(in crate::sim) struct Clock(BTreeMap<usize, Vec<Now>>);

impl Clock {
    /// The wall clock of a site says something else from now on.
    pub(in crate::sim) fn set(&mut self, site: usize, before: Now) {
        self.0.entry(site).or_default().push(before);
    }

    /// A site stamped a transaction. `bound`: how far a stamp may be ahead, in milliseconds.
    pub(in crate::sim) fn stamped(
        &self,
        site: usize,
        now: Now,
        stamp: HybridTimestamp,
        bound: u64,
    ) -> Checked {
        if now.wall <= EARLIEST_MILLIS {
            // It knows that it does not know the time, and goes on from where it was.
            return Ok(());
        }
        let set = self.0.get(&site).into_iter().flatten();
        let of_late = set.filter(|before| before.elapsed + bound >= now.elapsed);
        let latest = of_late.map(|before| before.wall).fold(now.wall, u64::max);
        // One more: a full logical part carries into the milliseconds.
        if stamp.millis() <= latest + bound + 1 {
            return Ok(());
        }
        let what = format!(
            "site {site} stamps {stamp}; its wall clock says {}, and for {bound} ms has said no \
             more than {latest}",
            now.wall
        );
        Err(Broken { checker: "clock", what })
    }
}
