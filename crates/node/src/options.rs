//! How a node treats its peers, and the limits for strangers.

use std::time::Duration;

/// How a node treats its peers, and the limits for strangers.
///
/// ```
/// use std::time::Duration;
///
/// let mut options = rejoin_node::Options::default();
/// options.connections = 1_000;
/// options.longest_pause = Duration::from_secs(5);
/// let node = rejoin_node::Node::with_options(options, |report| eprintln!("sync: {report}"));
/// # drop(node);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Maximum number of processes that are connected to what this node listens on, each with all
    /// of its spaces. When one more comes, the one that has been idle longest gives way, if it had
    /// its [`turn`](Self::turn); otherwise the new one is refused. Either is told why, and tries
    /// again. By default 256.
    pub connections: usize,
    /// Minimum time before a connection is closed to make room for another. By default 10 s.
    pub turn: Duration,
    /// Maximum number of open connections that have not yet named a space that is shared here. When
    /// one more comes, the oldest of them is closed. By default 64.
    pub strangers: usize,
    /// A connection that has not named such a space within this time is closed. By default 5 s.
    pub hello: Duration,
    /// Maximum number of spaces open on one connection; more are refused, and try again later. By
    /// default 10,000.
    pub channels: usize,
    /// A connection on which nothing else is sent sends a sign of life at this interval. By default
    /// 1 s.
    pub heartbeat: Duration,
    /// A connection on which nothing arrives for this long is over. By default 4 s.
    pub idle_timeout: Duration,
    /// A connection whose other end takes no bytes for this long is over. By default 10 s.
    pub write_timeout: Duration,
    /// A peer that does not answer within this time is dialled again later. By default 3 s.
    pub dial_timeout: Duration,
    /// The first pause between two attempts; each failure doubles it. The actual pause is random,
    /// between half of that and all of it. By default 50 ms.
    pub first_pause: Duration,
    /// The longest pause. By default 30 s.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 256,
            turn: Duration::from_secs(10),
            strangers: 64,
            hello: Duration::from_secs(5),
            channels: 10_000,
            heartbeat: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            write_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(3),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(30),
        }
    }
}
