//! What a node has to say about its connections.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happened to a connection. Data is not lost by any of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A connection to a peer stands. All spaces that both share go over it.
    Connected {
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection, or the session of one space over it, is over.
    Ended {
        /// The other end.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A stranger sent something that is no sync, or one end asked for a space that the other does
    /// not share.
    Refused {
        /// The other end.
        peer: SocketAddr,
        /// What was wrong.
        reason: String,
    },
    /// A peer cannot be reached, or a connection to it ended. It is dialled again.
    Unreached {
        /// Who was dialled.
        peer: SocketAddr,
        /// What failed.
        reason: String,
        /// After this pause.
        again_in: Duration,
    },
    /// There are as many connections, or channels of one, as may be at one end: one of them had to
    /// give way, or was refused. Both ends are told, and the one that dialled comes again.
    Full {
        /// The other end.
        peer: SocketAddr,
        /// The limit, at the end that is full.
        limit: u64,
    },
    /// The store behind a space cannot be used any more.
    Stopped {
        /// Why.
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
