//! Clocks, counters and the table.

use std::fmt;
use std::time::{Duration, Instant};

/// The result of a bench.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The rows measured so far; each is shown on stderr at once.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    pub(crate) fn row(&mut self, work: &str, measured: String, target: &str) {
        eprintln!("{work}: {measured} (target: {target})");
        self.0.push([work.to_owned(), measured, target.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| work | measured | target |\n|---|---|---|")?;
        self.0.iter().try_for_each(|[work, measured, target]| {
            writeln!(f, "| {work} | {measured} | {target} |")
        })
    }
}

/// Runs a function; returns its result and the time that it took.
pub(crate) fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = run();
    (result, started.elapsed())
}

/// Returns the median.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Returns `a` divided by `b`.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
pub(crate) fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// Returns the number of bytes that this process has had the file system write so far.
pub(crate) fn bytes_written() -> Result<u64> {
    number_of("/proc/self/io", "write_bytes:")
}

/// Returns the time that this thread has spent on a processor so far, including in the kernel.
pub(crate) fn cpu_time() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().unwrap_or_default();
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// Returns the resident memory, in bytes.
pub(crate) fn memory() -> Result<u64> {
    Ok(number_of("/proc/self/status", "VmRSS:")? << 10)
}

fn number_of(file: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or_else(|| format!("{file} has no {name}"))?.parse()?)
}
