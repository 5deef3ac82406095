//! Settings of a space.

use rejoin_vclock::DEFAULT_MAX_SKEW_MILLIS;

/// Settings of a space: how it talks to its peers, and what it keeps in memory. All times are in
/// milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Minimum time between two announcements of what became durable. By default 50.
    pub have_interval: u64,
    /// Time after which a session that watches its peer itself, and has nothing to say, sends a
    /// heartbeat. By default 1,000.
    pub heartbeat: u64,
    /// Time after which a session that watches its peer itself, and hears nothing, is given up. By
    /// default 4,000.
    pub idle_timeout: u64,
    /// Time for which an origin that is connected may send its entries itself, before a peer that
    /// has them is asked. By default 250.
    pub grace: u64,
    /// Time after which a request that brings nothing is put to another peer. By default 2,000.
    pub request_timeout: u64,
    /// Approximate size of a frame of entries, in bytes. By default 64 KiB.
    pub batch_bytes: usize,
    /// Maximum number of bytes per space for entries that came too early, or for a single one that
    /// is longer; beyond that they are dropped, and asked for again. By default 4 MiB.
    pub waiting_bytes: usize,
    /// Maximum number of peers that are remembered per space, with what each has of what was
    /// written here; if there are more, the one that was heard of least recently is forgotten. A
    /// receipt does not name a forgotten peer among those that hold it, until it is heard of again.
    /// By default 1,000.
    pub peers: usize,
    /// Approximate number of bytes of changes that are kept in memory per space before they are
    /// flushed to blocks. More means fewer bytes written, and a longer start after a crash. By
    /// default 16 MiB.
    pub memtable_bytes: usize,
    /// Approximate number of bytes of recently read blocks that are kept per space; up to a quarter
    /// of that are filters, which say what is not in the runs that were written since the start.
    /// The orders of lists that were asked for take at most as much again, or what the longest of
    /// them takes. By default 48 MiB.
    pub cache_bytes: usize,
    /// Maximum number of records of a space's conflict log; the oldest go first. With 0 none is
    /// kept. By default 100,000.
    pub conflicts: usize,
    /// Maximum number of bytes of these records; what finds them takes about as much again. By
    /// default 64 MiB.
    pub conflict_bytes: usize,
    /// Maximum lead of a stamp over the wall clock here at which it is still followed, in
    /// milliseconds. Own stamps that are further ahead fall back when the clock was right for as
    /// long as that. By default 5 minutes.
    pub max_skew: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            have_interval: 50,
            heartbeat: 1_000,
            idle_timeout: 4_000,
            grace: 250,
            request_timeout: 2_000,
            batch_bytes: 64 << 10,
            waiting_bytes: 4 << 20,
            peers: 1000,
            memtable_bytes: 16 << 20,
            cache_bytes: 48 << 20,
            conflicts: 100_000,
            conflict_bytes: 64 << 20,
            max_skew: DEFAULT_MAX_SKEW_MILLIS,
        }
    }
}
