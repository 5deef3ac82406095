//! What a peer is, and how it is timed.

use std::fmt;
use std::time::{Duration, Instant};

use crate::work::Work;

/// Somebody who can do some of the work.
pub(crate) trait Peer {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// The package whose version is named in the results; empty for what is not a package.
    fn package(&self) -> &'static str;

    /// What it is to us.
    fn role(&self) -> Role {
        Role::Peer
    }

    /// Gets ready for some work. `None` if it cannot do it.
    fn prepare(&self, work: Work) -> Option<Bench>;
}

/// What a peer is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Rejoin, as its documentation shows it.
    Ours,
    /// Rejoin, by the fastest way that is public.
    OursFastest,
    /// Another library.
    Peer,
    /// A plain collection, which is no CRDT.
    Limit,
}

/// Does the work once, and says what it took. An error is a wrong result.
pub(crate) type Bench = Box<dyn FnMut() -> Result<Sample, Wrong>>;

/// What the work took.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sample {
    /// The number of operations.
    pub units: u64,
    pub time: Duration,
    /// The length of what was written, if that is what the work is about.
    pub bytes: Option<u64>,
    /// The number of messages, if it is about those.
    pub messages: Option<u64>,
    /// The bytes of memory that are in use after it.
    pub live: Option<u64>,
}

/// A result that is not what it has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Compares a result with what it has to be.
///
/// # Errors
/// [`Wrong`] if it is something else.
pub(crate) fn is<T: PartialEq + fmt::Debug>(found: &T, expected: &T) -> Result<(), Wrong> {
    if found == expected {
        return Ok(());
    }
    Err(Wrong(format!("{found:?} instead of {expected:?}")))
}

/// Times some work.
pub(crate) fn timed<R>(units: u64, work: impl FnOnce() -> R) -> Sample {
    let start = Instant::now();
    std::hint::black_box(work());
    Sample { units, time: start.elapsed(), ..Sample::default() }
}

/// A bench of work on a value that is kept from round to round: `work` does so many operations, and
/// returns whether the result is right.
pub(crate) fn on_kept<S: 'static>(
    units: u64,
    mut state: S,
    mut work: impl FnMut(&mut S) + 'static,
    mut check: impl FnMut(&S) -> Result<(), Wrong> + 'static,
) -> Bench {
    Box::new(move || {
        let sample = timed(units, || work(&mut state));
        check(&state)?;
        Ok(sample)
    })
}

/// A bench of work on what is made anew for each round, outside the time.
pub(crate) fn on_fresh<S: 'static, R: 'static>(
    units: u64,
    mut fresh: impl FnMut() -> S + 'static,
    mut work: impl FnMut(&mut S) -> R + 'static,
    mut check: impl FnMut(&S, &R) -> Result<(), Wrong> + 'static,
) -> Bench {
    Box::new(move || {
        let mut state = fresh();
        let start = Instant::now();
        let result = work(&mut state);
        let time = start.elapsed();
        check(&state, &result)?;
        Ok(Sample { units, time, ..Sample::default() })
    })
}

/// A bench of writing bytes; `check` reads them back.
pub(crate) fn of_bytes<S: 'static>(
    mut state: S,
    mut encode: impl FnMut(&mut S) -> Vec<u8> + 'static,
    mut check: impl FnMut(&[u8]) -> Result<(), Wrong> + 'static,
) -> Bench {
    Box::new(move || {
        let start = Instant::now();
        let bytes = encode(&mut state);
        let time = start.elapsed();
        check(&bytes)?;
        let bytes = Some(bytes.len() as u64);
        Ok(Sample { units: 1, time, bytes, ..Sample::default() })
    })
}

/// What something takes in memory that is made of so many elements. To be run in a process of its
/// own, which then knows the most that it took, too.
pub(crate) fn of_memory<S: 'static>(units: u64, mut make: impl FnMut() -> S + 'static) -> Bench {
    Box::new(move || {
        let before = crate::ALLOCATOR.allocated();
        let start = Instant::now();
        let made = make();
        let time = start.elapsed();
        let live = (crate::ALLOCATOR.allocated() - before) as u64;
        drop(std::hint::black_box(made));
        Ok(Sample { units, time, live: Some(live), ..Sample::default() })
    })
}
