//! The reasons for closing a channel or a connection, and their encoding.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;

use rejoin_vclock::codec::{DecodeError, Reader, write_varint};

use super::VERSION;

/// The reason for closing a channel or a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// It is not needed any more; the session itself may have said more.
    Done,
    /// No such space is shared there.
    UnknownSpace,
    /// The limit is reached: of connections, or of channels on this one.
    Full(u64),
    /// The store there cannot be used.
    Unusable,
    /// No space that is shared there was named in time.
    Silent,
    /// A reason that only a later version knows.
    Other(u8),
}

impl Why {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (tag, number) = match self {
            Self::Done => (0, 0),
            Self::UnknownSpace => (1, 0),
            Self::Full(limit) => (2, limit),
            Self::Unusable => (3, 0),
            Self::Silent => (4, 0),
            Self::Other(tag) => (tag, 0),
        };
        out.push(tag);
        write_varint(out, number);
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (tag, number) = (reader.byte()?, reader.varint()?);
        Ok(match tag {
            0 => Self::Done,
            1 => Self::UnknownSpace,
            2 => Self::Full(number),
            3 => Self::Unusable,
            4 => Self::Silent,
            tag => Self::Other(tag),
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("the other end needs it no more"),
            Self::UnknownSpace => rejoin_replica::message::Refusal::UnknownSpace.fmt(f),
            Self::Full(limit) => {
                write!(f, "the other end has as many as it takes, {limit}; it is tried again later")
            }
            Self::Unusable => {
                f.write_str("the other end cannot use its store, or has removed the space")
            }
            Self::Silent => f.write_str("no space that is shared there was named in time"),
            Self::Other(tag) => write!(f, "the other end gives reason {tag}, of a later version"),
        }
    }
}

/// The reason why a connection cannot be followed any further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// The bytes are not of this protocol.
    Foreign,
    /// The other end speaks another version.
    Version(u8),
    /// A frame is damaged, or follows a gap.
    Damaged,
    /// The other end does not keep to the protocol.
    Protocol(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("bytes that are no sync"),
            Self::Version(theirs) => {
                let of = "version of the protocol";
                write!(
                    f,
                    "the other end speaks {of} {theirs}, this one {VERSION}; update the older"
                )
            }
            Self::Damaged => f.write_str("bytes were lost or changed on the way"),
            Self::Protocol(what) => write!(f, "the peer does not follow the protocol: {what}"),
        }
    }
}

impl From<DecodeError> for Broken {
    fn from(_: DecodeError) -> Self {
        Self::Protocol("a frame that says nothing")
    }
}
