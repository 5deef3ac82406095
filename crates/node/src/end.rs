//! The reasons why connections and channels end, and how they are shown.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rejoin_replica::{LinkError, SessionEnd, StoreError};

use crate::dial::DialError;
use crate::mux::{Broken, Why};

/// The reason why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// There is nothing to keep it for.
    Idle,
    Closed,
    Silent,
    Io(io::Error),
    Broken(Broken),
    /// The other end ended it and gave this reason.
    Left(Why),
    /// This end ended it and gave the other end this reason.
    SentAway(Why),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing is shared over it any more"),
            Self::Closed => f.write_str("the peer closed it"),
            Self::Silent => f.write_str("nothing was heard from the peer for too long"),
            Self::Io(error) => error.fmt(f),
            Self::Broken(broken) => broken.fmt(f),
            Self::Left(why) => why.fmt(f),
            Self::SentAway(Why::Full(limit)) => {
                write!(f, "it gave way to another: the limit is {limit}")
            }
            Self::SentAway(why) => why.fmt(f),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// The outcome of a connection.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub end: End,
    /// The other end spoke the protocol.
    pub greeted: bool,
    /// It was reported as connected.
    pub connected: bool,
    /// Some space was in session, and both ends agreed.
    pub agreed: bool,
}

/// The reason why a channel is over.
#[derive(Debug)]
pub(crate) enum Reason {
    Session(LinkError),
    /// One end closed it.
    Closed(Why),
}

impl From<LinkError> for Reason {
    fn from(end: LinkError) -> Self {
        Self::Session(end)
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(LinkError::Ended(SessionEnd::Refused(refusal))) => refusal.fmt(f),
            Self::Session(end) => end.fmt(f),
            Self::Closed(why) => why.fmt(f),
        }
    }
}

impl Reason {
    /// Returns the error that the dialler gets.
    pub(crate) fn of_dial(&self, address: SocketAddr) -> DialError {
        let reason = self.to_string();
        match self {
            Self::Closed(Why::Full(limit)) => DialError::Full { address, limit: *limit },
            Self::Closed(Why::UnknownSpace)
            | Self::Session(LinkError::Ended(SessionEnd::Refused(_))) => {
                DialError::Refused { address, reason }
            }
            _ => DialError::Ended { address, reason },
        }
    }
}
