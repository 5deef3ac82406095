//! Pauses between attempts: they grow with every attempt that fails, and no two nodes keep step.
//!
//! Pauses start from the first one again only after a session in which both ends agreed. Otherwise
//! a peer that answers and refuses would be dialled twenty times a second. Without the jitter, all
//! peers of a listener that was down would come back at the same moment, again and again.

use std::time::Duration;

/// The number of attempts that have failed since one succeeded.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// Notes that both ends agreed.
    pub(crate) const fn agreed(&mut self) {
        self.failed = 0;
    }

    /// Counts a failed attempt and returns how long to wait: `first`, doubled per earlier failure
    /// up to `longest`, of which the `random` number takes between half and all.
    pub(crate) fn fail(&mut self, first: Duration, longest: Duration, random: u32) -> Duration {
        let whole = first.saturating_mul(1 << self.failed.min(30)).min(longest);
        self.failed = self.failed.saturating_add(1);
        whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(30);

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let mut backoff = Backoff::default();
        let mut whole = FIRST;
        for _ in 0..40 {
            let [least, most] = [0, u32::MAX].map(|random| {
                let mut copy = backoff;
                copy.fail(FIRST, LONGEST, random)
            });
            assert_eq!((least, most), (whole / 2, whole));
            backoff.fail(FIRST, LONGEST, 7);
            whole = (whole * 2).min(LONGEST);
        }
        backoff.agreed();
        assert_eq!(backoff.fail(FIRST, LONGEST, u32::MAX), FIRST);
    }
}
