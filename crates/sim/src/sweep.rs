//! Many runs, on all available threads.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::application::Application;
use super::{Simulation, Summary, Violation};

/// The results of many runs together.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct Sweep {
    /// The sum over the runs that kept every promise.
    pub summary: Summary,
    /// The violation that ended the sweep, if a promise was broken; of several, that of the lowest
    /// seed.
    pub violation: Option<Box<Violation>>,
}

impl Sweep {
    /// Returns the summary, if every promise was kept.
    ///
    /// # Errors
    /// The [`Violation`] that ended the sweep.
    pub fn into_result(self) -> Result<Summary, Box<Violation>> {
        self.violation.map_or(Ok(self.summary), Err)
    }

    fn take(&mut self, outcome: Result<Summary, Box<Violation>>) {
        match (outcome, &self.violation) {
            (Ok(summary), _) => self.summary += &summary,
            (Err(violation), Some(earlier)) if earlier.seed <= violation.seed => {}
            (Err(violation), _) => self.violation = Some(violation),
        }
    }
}

/// Runs seeds until a promise is broken or `each` breaks off; it sees the sum so far after every
/// run. The sum does not depend on the number of threads.
pub fn sweep<A: Application>(
    seeds: Range<u64>,
    simulation: impl Fn(u64) -> Simulation<A> + Sync,
    each: impl Fn(&Summary) -> ControlFlow<()> + Sync,
) -> Sweep {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Sweep::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = simulation(seed).run();
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.take(outcome);
            if total.violation.is_some() || each(&total.summary).is_break() {
                next.store(seeds.end, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}
