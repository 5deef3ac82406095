//! What a node has to say about its connections.

use std::fmt;
use std::net::SocketAddr;

/// Something that happened to a connection. Data is not lost by any of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A connection to a peer stands.
    Connected {
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection is over.
    Ended {
        /// The other end.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A stranger sent something that is no sync, or asked for a space that is not shared here.
    Refused {
        /// The other end.
        peer: SocketAddr,
        /// What was wrong.
        reason: String,
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
            Self::Refused { peer, reason } => write!(f, "refused {peer}: {reason}"),
            Self::Stopped { reason } => write!(f, "sync stopped: {reason}"),
        }
    }
}
