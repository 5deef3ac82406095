//! The reports of a node about its connections.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happened to a connection. No data is lost by it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A connection to a peer is established. All spaces that both share use it.
    Connected {
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection, or the session of one space over it, is over; also because the other end
    /// shares the space no more.
    Ended {
        /// The other end.
        peer: SocketAddr,
        /// The reason.
        reason: String,
    },
    /// A stranger sent bytes that are not of the protocol, or one end asked for a space that the
    /// other does not share or cannot use.
    Refused {
        /// The other end.
        peer: SocketAddr,
        /// The reason for the refusal.
        reason: String,
    },
    /// A peer cannot be reached, or a connection to it ended. It is dialled again.
    Unreached {
        /// The address that was dialled.
        peer: SocketAddr,
        /// The error.
        reason: String,
        /// The pause before the next attempt.
        again_in: Duration,
    },
    /// One end has reached its limit of connections, or of channels on one: one of them had to give
    /// way, or was refused. Both ends report it, and the one that dialled tries again.
    Full {
        /// The other end.
        peer: SocketAddr,
        /// The limit of the end that is full.
        limit: u64,
    },
    /// The store behind a space cannot be used any more.
    Stopped {
        /// The reason.
        reason: String,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { peer } => write!(f, "connected to {peer}"),
            Self::Ended { peer, reason } => write!(f, "connection to {peer} ended: {reason}"),
            Self::Refused { peer, reason } => write!(f, "refused, {peer}: {reason}"),
            Self::Unreached { reason, again_in, .. } => {
                write!(f, "{reason}; dialled again in {again_in:.1?}")
            }
            Self::Full { peer, limit } => {
                write!(
                    f,
                    "no room between here and {peer}: the limit is {limit}; it is tried again"
                )
            }
            Self::Stopped { reason } => write!(f, "sync stopped: {reason}"),
        }
    }
}
