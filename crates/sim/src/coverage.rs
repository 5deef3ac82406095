//! The kinds of faults that took effect, and the pairs of kinds that met.

use super::fault::Fault;

/// Two kinds met if both were in effect within this many virtual milliseconds.
const WINDOW: u64 = 30_000;

const KINDS: usize = Fault::ALL.len();

const _: () = assert!(KINDS <= 64, "a set of kinds is a word");

/// Number of times that each kind took effect, and the pairs that met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Coverage {
    counts: [u64; KINDS],
    /// The kinds that each kind met, as bits.
    met: [u64; KINDS],
    /// The time until which each kind is in effect in this run.
    until: [Option<u64>; KINDS],
}

impl Default for Coverage {
    fn default() -> Self {
        Self { counts: [0; KINDS], met: [0; KINDS], until: [None; KINDS] }
    }
}

impl Coverage {
    /// Notes that a fault is in effect from now until then.
    pub(super) fn felt(&mut self, fault: Fault, now: u64, until: u64) {
        let own = fault as usize;
        self.counts[own] += 1;
        for other in (0..KINDS).filter(|&other| other != own) {
            if self.until[other].is_some_and(|until| now <= until + WINDOW) {
                self.met[own] |= 1 << other;
                self.met[other] |= 1 << own;
            }
        }
        let last = self.until[own].get_or_insert(until);
        *last = until.max(*last);
    }

    pub(super) const fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// Adds the counts and pairs of another run; faults of different runs never meet.
    pub(super) fn join(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, more)| *mine += more);
        self.met.iter_mut().zip(other.met).for_each(|(mine, more)| *mine |= more);
    }

    /// Returns the pairs of kinds that never met.
    pub(super) fn missing(&self) -> Vec<(Fault, Fault)> {
        let pairs_of = |a| Fault::ALL.into_iter().filter(move |&b| a < b).map(move |b| (a, b));
        let pairs = Fault::ALL.into_iter().flat_map(pairs_of);
        pairs.filter(|&(a, b)| self.met[a as usize] & (1 << b as usize) == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_kinds_in_effect_within_one_window() {
        let mut run = Coverage::default();
        let pairs = run.missing().len();
        assert_eq!(pairs, KINDS * (KINDS - 1) / 2);
        run.felt(Fault::Crash, 1_000, 1_000);
        run.felt(Fault::Pause, 1_000 + WINDOW, 5_000 + WINDOW);
        run.felt(Fault::Delay, 1_001 + WINDOW, 1_001 + WINDOW);
        assert_eq!(run.missing().len(), pairs - 2, "crash and delay are too far apart");
        let mut other = Coverage::default();
        other.felt(Fault::Crash, 0, 0);
        other.join(&run);
        assert_eq!((other.missing().len(), other.count(Fault::Crash)), (pairs - 2, 2));
    }
}
