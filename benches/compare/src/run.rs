//! Runs the rows: everybody does the same work, in passes, so that a slow minute of the machine
//! falls on all.

use std::process::Command;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::peer::{Bench, Peer, Sample, Wrong};
use crate::work::{Row, Unit, Work};

/// How long to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub passes: usize,
    /// For each peer and row, in one pass.
    pub time: Duration,
    /// At least so many rounds, unless one takes too long, and at most so many.
    pub rounds: (usize, usize),
}

/// What a round may take: if one takes longer, it is the only one of its pass.
const LONG: Duration = Duration::from_secs(5);

impl Effort {
    pub(crate) const fn new(is_quick: bool) -> Self {
        match is_quick {
            true => Self { passes: 1, time: Duration::from_millis(200), rounds: (2, 20) },
            false => Self { passes: 3, time: Duration::from_millis(400), rounds: (3, 50) },
        }
    }
}

/// What a peer did with a row.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Measured {
    pub peer: String,
    /// In the unit of the row.
    pub median: f64,
    /// The middle half of all rounds.
    pub quartiles: (f64, f64),
    pub rounds: usize,
}

/// A row, and what everybody did with it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub row: Row,
    pub measured: Vec<Measured>,
    /// Who came to a wrong result, and which.
    pub wrong: Vec<(String, Wrong)>,
}

/// Runs a row.
pub(crate) fn run(row: Row, peers: &[Box<dyn Peer>], effort: Effort, bar: &ProgressBar) -> Outcome {
    let mut found: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
    let mut wrong = Vec::new();
    for _ in 0..effort.passes {
        for (peer, found) in peers.iter().zip(&mut found) {
            bar.set_message(format!("{}: {}", row.work, peer.name()));
            let samples = match row.work {
                Work::SetMemory { .. } => in_a_process(row.work, peer.as_ref()),
                _ => peer.prepare(row.work).map(|bench| rounds(bench, effort)),
            };
            match samples {
                None => {}
                Some(Ok(samples)) => found.extend(samples.iter().map(|it| it.in_unit(row.unit))),
                Some(Err(error)) => wrong.push((peer.name().to_owned(), error)),
            }
        }
    }
    let measured = peers.iter().zip(found).filter(|(_, found)| !found.is_empty());
    let measured = measured.map(|(peer, found)| Measured::of(peer.name(), found)).collect();
    Outcome { row, measured, wrong }
}

fn rounds(mut bench: Bench, effort: Effort) -> Result<Vec<Measurement>, Wrong> {
    let start = Instant::now();
    // The first one fills caches and asks the allocator for memory.
    let first = bench()?;
    if first.time > LONG {
        return Ok(vec![Measurement { sample: first, peak: None }]);
    }
    let (least, most) = effort.rounds;
    let mut samples = Vec::new();
    while samples.len() < least || (samples.len() < most && start.elapsed() < effort.time) {
        samples.push(Measurement { sample: bench()?, peak: None });
    }
    Ok(samples)
}

/// A sample, with the most memory that its process took.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    sample: Sample,
    peak: Option<u64>,
}

impl Measurement {
    fn in_unit(&self, unit: Unit) -> f64 {
        let Sample { units, time, bytes, messages, live } = self.sample;
        let live = live.unwrap_or_default() as f64;
        match unit {
            Unit::Nanos => time.as_secs_f64() * 1e9 / units as f64,
            Unit::Bytes => bytes.unwrap_or_default() as f64,
            Unit::Messages => messages.unwrap_or_default() as f64,
            Unit::BytesEach => live / units as f64,
            Unit::PeakOfLive => self.peak.unwrap_or_default() as f64 / live,
        }
    }
}

impl Measured {
    fn of(peer: &str, mut found: Vec<f64>) -> Self {
        found.sort_unstable_by(f64::total_cmp);
        let at = |part: usize| found[(found.len() - 1) * part / 4];
        let (median, quartiles) = (at(2), (at(1), at(3)));
        Self { peer: peer.to_owned(), median, quartiles, rounds: found.len() }
    }
}

/// What a process of its own says of the memory that some work took there.
#[derive(Serialize, Deserialize)]
struct Told {
    units: u64,
    live: u64,
    peak: u64,
}

/// Does some work in a process of its own: what else this one had would be counted otherwise.
fn in_a_process(work: Work, peer: &dyn Peer) -> Option<Result<Vec<Measurement>, Wrong>> {
    let Work::SetMemory { elements, edits } = work else { return None };
    let program = std::env::current_exe().expect("a program has a path");
    let edits = format!("{edits:?}");
    let told = Command::new(program)
        .args(["memory", peer.name(), &elements.to_string(), &edits])
        .output()
        .expect("the program starts again");
    if told.stdout.is_empty() && told.status.success() {
        return None;
    }
    Some(match serde_json::from_slice::<Told>(&told.stdout) {
        Ok(Told { units, live, peak }) => {
            let sample = Sample { units, live: Some(live), ..Sample::default() };
            Ok(vec![Measurement { sample, peak: Some(peak) }])
        }
        Err(error) => Err(Wrong(format!("{error}: {}", String::from_utf8_lossy(&told.stderr)))),
    })
}

/// Does some work once and tells what it took in memory, as a line of JSON; nothing if the peer
/// cannot do it.
///
/// # Errors
/// A wrong result.
pub(crate) fn tell_memory(work: Work, peer: &dyn Peer) -> Result<(), Wrong> {
    let Some(mut bench) = peer.prepare(work) else { return Ok(()) };
    let before = crate::ALLOCATOR.allocated();
    let sample = bench()?;
    let peak = (crate::ALLOCATOR.max_allocated() - before) as u64;
    let told = Told { units: sample.units, live: sample.live.unwrap_or_default(), peak };
    println!("{}", serde_json::to_string(&told).unwrap_or_default());
    Ok(())
}
