//! Many sessions over one connection, without any I/O: the connection protocol.
//!
//! Two processes have one connection, however many spaces they share. Each space has a *channel* on
//! it, a stream of bytes of its own that carries one session of the sync protocol unchanged
//! ([`rejoin_replica::message`]).
//!
//! ```text
//!   dialler                                     listener
//!     | -- preface, open(0, carts) --------------> |   a guest is let in once it names a space
//!     | <---------------------------- preface ---- |   that is shared here
//!     | -- data(0: hello) -----------------------> |
//!     | <------------------- data(0: hello) ------ |   either end, from here on
//!     | -- open(1, notes) -----------------------> |
//!     | <------------- close(1, unknown space) --- |   only that channel ends
//!     | <------------------- credit(0, 65536) ---- |   65536 more bytes may be sent
//!     | -- alive --------------------------------> |   when nothing else went out for a while
//!     | <------------------- leave(full, 256) ---- |   the connection ends, and why
//! ```
//!
//! # Bytes
//! Each end begins with the preface, `'R'` and the version, 3. The protocol without channels,
//! versions 1 and 2, had its version in the same place, so each side can name the version of the
//! other. Then:
//!
//! ```text
//! kind · checksum (4, little-endian) · channel (varint) · length (varint) · body
//! ```
//!
//! | kind | body |
//! |---|---|
//! | 1 open | space hash (16); channels are numbered 0, 1, 2, .. by the end that dialled |
//! | 2 data | at most 16 KiB of the session's stream |
//! | 3 credit | n: the number of further bytes of data that may be sent |
//! | 4 close | a reason: tag (1), a number (varint) |
//! | 5 alive | nothing |
//! | 6 leave | a reason, as in 4 |
//!
//! The checksum covers kind, channel and body of this frame and of all frames before it in its
//! direction: a gap in the stream is noticed at once, whichever channel lost the data.
//!
//! # Invariants
//! 1. A channel never has more than [`WINDOW_BYTES`] under way: sent, and not yet handled at the
//!    other end. An end that sends more breaks the protocol. So nobody has to stop reading because
//!    of one space.
//! 2. Channels that may send take turns of one piece. Between two pieces of a channel, every other
//!    channel that had something to send has sent a piece.
//! 3. Whatever arrives for a channel that either side has closed is ignored.
//!
//! # Limits
//! | what | limit | beyond it |
//! |---|---|---|
//! | data under way, per channel and direction | 256 KiB | the sender waits |
//! | piece of data | 16 KiB | refused, the connection ends |
//! | data not handled yet, per connection | 16 MiB | nothing is read until some is |
//! | channels, connections, strangers | [`Options`](crate::Options) | refused by name |

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod why;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rejoin_replica::message::SpaceHash;
use rejoin_vclock::codec::{DecodeError, Reader, write_varint};

pub(crate) use self::why::{Broken, Why};

const MAGIC: u8 = b'R';
/// Version of this protocol, in the place where the one without channels had its version.
const VERSION: u8 = 3;
const PIECE_BYTES: usize = 16 << 10;
/// Maximum number of bytes of a channel that may be under way.
pub(crate) const WINDOW_BYTES: u64 = 256 << 10;
/// Credit is returned in lots of at least this many bytes.
const LOT_BYTES: u64 = WINDOW_BYTES / 4;
/// Nothing is read while at least this many bytes wait to be handled.
const HELD_BYTES: u64 = 16 << 20;
/// Nothing is read while at least this many answers wait to be sent.
const ANSWERS: usize = 1024;

/// An event on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// The other end speaks this protocol.
    Greeted,
    /// It opened a channel: [abort](Mux::abort) it, or begin a session.
    Opened(u64, SpaceHash),
    /// There is something to [take](Mux::take).
    Arrived(u64),
    /// A channel has room again: all that was to be sent on it is on its way.
    Room(u64),
    /// It closed a channel: [abort](Mux::abort) it, when all that arrived is taken.
    Closed(u64, Why),
    /// It ends the connection.
    Left(Why),
}

/// One channel.
#[derive(Debug)]
struct Lane {
    outgoing: Vec<u8>,
    /// Number of bytes of `outgoing` that are sent.
    sent: usize,
    /// Number of further bytes that may be sent.
    credit: u64,
    /// Set while the channel is in `turns`.
    queued: bool,
    incoming: Vec<u8>,
    /// Number of bytes that came in and were not returned as credit.
    unreturned: u64,
    /// Number of those that are handled.
    handled: u64,
    /// Set when the channel is to be closed once all is sent.
    closing: Option<Why>,
    /// The other end has closed the channel.
    gone: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Mux {
    dialled: bool,
    lanes: BTreeMap<u64, Lane>,
    next_channel: u64,
    control: VecDeque<(u8, u64, Vec<u8>)>,
    /// Channels that have something to send and credit for it, in the order of their turns.
    turns: VecDeque<u64>,
    /// Channels that owe credit.
    owing: BTreeSet<u64>,
    held: u64,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    greeted: bool,
    prefaced: bool,
    /// Checksum of all frames that were sent.
    sealed: u32,
    /// Checksum of all frames that were received.
    opened: u32,
}

const OPEN: u8 = 1;
const DATA: u8 = 2;
const CREDIT: u8 = 3;
const CLOSE: u8 = 4;
const ALIVE: u8 = 5;
const LEAVE: u8 = 6;

impl Mux {
    /// Makes one end; only the one that `dialled` opens channels.
    pub(crate) fn new(dialled: bool) -> Self {
        Self {
            dialled,
            lanes: BTreeMap::new(),
            next_channel: 0,
            control: VecDeque::new(),
            turns: VecDeque::new(),
            owing: BTreeSet::new(),
            held: 0,
            events: VecDeque::new(),
            buffer: Vec::new(),
            greeted: false,
            prefaced: false,
            sealed: 0,
            opened: 0,
        }
    }

    // Getters.

    /// Returns the number of channels.
    pub(crate) fn channels(&self) -> usize {
        self.lanes.len()
    }

    /// True when nothing more is to be read until input is handled or answers are sent.
    pub(crate) fn is_full(&self) -> bool {
        self.held >= HELD_BYTES || self.control.len() >= ANSWERS
    }

    /// True when there is nothing to send now.
    pub(crate) fn is_quiet(&self) -> bool {
        let nothing = self.control.is_empty() && self.turns.is_empty() && self.owing.is_empty();
        nothing && self.prefaced
    }

    /// True when a channel is open and nothing waits to be sent on it.
    pub(crate) fn has_room(&self, channel: u64) -> bool {
        self.lanes.get(&channel).is_some_and(|lane| lane.outgoing.is_empty() && !lane.gone)
    }

    /// True when there is something to take.
    pub(crate) fn has_arrived(&self, channel: u64) -> bool {
        self.lanes.get(&channel).is_some_and(|lane| !lane.incoming.is_empty())
    }

    // Commands.

    /// Opens a channel for a space.
    pub(crate) fn open(&mut self, space: SpaceHash) -> u64 {
        let channel = self.next_channel;
        self.next_channel += 1;
        self.control.push_back((OPEN, channel, space.0.to_vec()));
        self.lanes.insert(channel, Lane::new());
        channel
    }

    /// Sends bytes of a channel's session, in their turn.
    pub(crate) fn send(&mut self, channel: u64, bytes: Vec<u8>) {
        let lane = self.lanes.get_mut(&channel).filter(|lane| !lane.gone);
        let Some(lane) = lane else { return };
        if lane.outgoing.is_empty() {
            lane.outgoing = bytes;
        } else {
            lane.outgoing.extend(bytes);
        }
        self.take_turn(channel);
    }

    /// Takes the bytes that arrived on a channel.
    pub(crate) fn take(&mut self, channel: u64) -> Vec<u8> {
        let lane = self.lanes.get_mut(&channel);
        lane.map(|lane| std::mem::take(&mut lane.incoming)).unwrap_or_default()
    }

    /// Notes that `bytes` of the bytes taken are handled, so that as many more may come.
    pub(crate) fn handled(&mut self, channel: u64, bytes: u64) {
        let Some(lane) = self.lanes.get_mut(&channel) else { return };
        self.held -= bytes;
        lane.handled += bytes;
        if lane.handled >= LOT_BYTES {
            self.owing.insert(channel);
        }
    }

    /// Closes a channel once everything it has to send is sent.
    pub(crate) fn close(&mut self, channel: u64, why: Why) {
        let Some(lane) = self.lanes.get_mut(&channel) else { return };
        if lane.outgoing.is_empty() {
            self.abort(channel, why);
        } else {
            lane.closing = Some(why);
        }
    }

    /// Closes a channel at once.
    pub(crate) fn abort(&mut self, channel: u64, why: Why) {
        let Some(lane) = self.lanes.remove(&channel) else { return };
        self.owing.remove(&channel);
        self.held -= lane.held();
        if !lane.gone {
            self.answer(CLOSE, channel, why);
        }
    }

    /// Queues the frame that says that this end is alive.
    pub(crate) fn say_alive(&mut self) {
        self.control.push_back((ALIVE, 0, Vec::new()));
    }

    /// Ends the connection; whatever else is queued is not sent.
    pub(crate) fn leave(&mut self, why: Why) {
        self.control.clear();
        self.turns.clear();
        self.owing.clear();
        self.answer(LEAVE, 0, why);
    }

    // Input.

    /// Takes in bytes that arrived.
    ///
    /// # Errors
    /// [`Broken`]: the connection is over.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        if !self.greeted {
            at = match *buffer {
                [MAGIC, VERSION, ..] => 2,
                [MAGIC, theirs, ..] => return Err(Broken::Version(theirs)),
                [] | [MAGIC] => 0,
                _ => return Err(Broken::Foreign),
            };
            self.greeted = at > 0;
            self.events.extend(self.greeted.then_some(Event::Greeted));
        }
        while self.greeted
            && let Some(taken) = self.handle_frame(buffer.get(at..).unwrap_or_default())?
        {
            at += taken;
        }
        if at < buffer.len() {
            buffer.drain(..at);
            self.buffer = buffer;
        }
        Ok(())
    }

    /// Handles the frame at the beginning and returns its length; `None` until it is complete.
    fn handle_frame(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<(u8, u32, u64, u64), DecodeError> {
            let (kind, checksum) = (reader.byte()?, u32::from_le_bytes(reader.array()?));
            Ok((kind, checksum, reader.varint()?, reader.varint()?))
        };
        let (kind, checksum, channel, length) = match read() {
            Ok(head) => head,
            Err(DecodeError::UnexpectedEnd { .. }) => return Ok(None),
            Err(_) => return Err(Broken::Damaged),
        };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length <= PIECE_BYTES)
        else {
            return Err(Broken::Damaged);
        };
        let start = reader.position();
        let Some(body) = bytes.get(start..start + length) else { return Ok(None) };
        if checksum_with(self.opened, kind, channel, body) != checksum {
            return Err(Broken::Damaged);
        }
        self.opened = checksum;
        self.handle(kind, channel, body)?;
        Ok(Some(start + length))
    }

    fn handle(&mut self, kind: u8, channel: u64, body: &[u8]) -> Result<(), Broken> {
        match kind {
            OPEN => self.handle_open(channel, SpaceHash(Reader::new(body).array()?))?,
            DATA => self.handle_data(channel, body)?,
            CREDIT => {
                let more = Reader::new(body).varint()?;
                if let Some(lane) = self.lanes.get_mut(&channel) {
                    lane.credit = lane.credit.saturating_add(more);
                    if lane.credit > WINDOW_BYTES {
                        return Err(Broken::Protocol("more credit than there is"));
                    }
                    self.take_turn(channel);
                }
            }
            CLOSE => {
                let why = Why::read(body)?;
                if let Some(lane) = self.lanes.get_mut(&channel) {
                    (lane.outgoing, lane.sent, lane.gone) = (Vec::new(), 0, true);
                    self.events.push_back(Event::Closed(channel, why));
                }
            }
            ALIVE => {}
            LEAVE => self.events.push_back(Event::Left(Why::read(body)?)),
            _ => return Err(Broken::Protocol("an unknown kind of frame")),
        }
        Ok(())
    }

    fn handle_open(&mut self, channel: u64, space: SpaceHash) -> Result<(), Broken> {
        if self.dialled || channel != self.next_channel {
            return Err(Broken::Protocol("a channel out of order"));
        }
        self.next_channel += 1;
        self.lanes.insert(channel, Lane::new());
        self.events.push_back(Event::Opened(channel, space));
        Ok(())
    }

    fn handle_data(&mut self, channel: u64, body: &[u8]) -> Result<(), Broken> {
        if channel >= self.next_channel {
            return Err(Broken::Protocol("data of no channel"));
        }
        // It may have been closed here meanwhile.
        let lane = self.lanes.get_mut(&channel).filter(|lane| !lane.gone);
        let Some(lane) = lane else { return Ok(()) };
        lane.unreturned += body.len() as u64;
        if lane.unreturned > WINDOW_BYTES {
            return Err(Broken::Protocol("more data than it has credit for"));
        }
        self.held += body.len() as u64;
        if lane.incoming.is_empty() {
            self.events.push_back(Event::Arrived(channel));
        }
        lane.incoming.extend_from_slice(body);
        Ok(())
    }

    // Output.

    /// Takes the next event.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the next bytes for the other end: about `most` of them, none if there is nothing to
    /// send.
    pub(crate) fn poll_transmit(&mut self, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.prefaced {
            self.prefaced = true;
            out.extend([MAGIC, VERSION]);
        }
        while out.len() < most {
            if let Some((kind, channel, body)) = self.control.pop_front() {
                self.frame(kind, channel, &body, &mut out);
            } else if let Some(channel) = self.owing.pop_first() {
                let Some(lane) = self.lanes.get_mut(&channel) else { continue };
                let more = std::mem::take(&mut lane.handled);
                lane.unreturned -= more;
                let mut body = Vec::new();
                write_varint(&mut body, more);
                self.frame(CREDIT, channel, &body, &mut out);
            } else if let Some(channel) = self.turns.pop_front() {
                self.send_piece(channel, &mut out);
            } else {
                break;
            }
        }
        out
    }

    fn send_piece(&mut self, channel: u64, out: &mut Vec<u8>) {
        let Some(mut lane) = self.lanes.remove(&channel) else { return };
        lane.queued = false;
        let left = lane.outgoing.get(lane.sent..).unwrap_or_default();
        let may = usize::try_from(lane.credit).unwrap_or(usize::MAX);
        let greedy = rejoin_vclock::mutant!("one-space-first");
        let most = if greedy { left.len().min(may) } else { PIECE_BYTES.min(may) };
        for piece in left.get(..most.min(left.len())).unwrap_or_default().chunks(PIECE_BYTES) {
            self.frame(DATA, channel, piece, out);
            lane.sent += piece.len();
            lane.credit -= piece.len() as u64;
        }
        let is_drained = lane.sent == lane.outgoing.len();
        if is_drained {
            (lane.outgoing, lane.sent) = (Vec::new(), 0);
        }
        let closing = lane.closing.filter(|_| is_drained);
        self.lanes.insert(channel, lane);
        match closing {
            Some(why) => self.abort(channel, why),
            None if is_drained => self.events.push_back(Event::Room(channel)),
            None => self.take_turn(channel),
        }
    }

    /// Queues a channel, if it has something to send and credit for it.
    fn take_turn(&mut self, channel: u64) {
        let Some(lane) = self.lanes.get_mut(&channel) else { return };
        let may = !lane.outgoing.is_empty() && lane.credit > 0;
        if may && !lane.queued {
            lane.queued = true;
            self.turns.push_back(channel);
        }
    }

    fn answer(&mut self, kind: u8, channel: u64, why: Why) {
        let mut body = Vec::new();
        why.write(&mut body);
        self.control.push_back((kind, channel, body));
    }

    fn frame(&mut self, kind: u8, channel: u64, body: &[u8], out: &mut Vec<u8>) {
        self.sealed = checksum_with(self.sealed, kind, channel, body);
        out.push(kind);
        out.extend(self.sealed.to_le_bytes());
        write_varint(out, channel);
        write_varint(out, body.len() as u64);
        out.extend_from_slice(body);
    }
}

/// Extends the checksum of all earlier frames by one frame.
fn checksum_with(before: u32, kind: u8, channel: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(&[kind]);
    hasher.update(&channel.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

impl Lane {
    const fn new() -> Self {
        Self {
            outgoing: Vec::new(),
            sent: 0,
            credit: WINDOW_BYTES,
            queued: false,
            incoming: Vec::new(),
            unreturned: 0,
            handled: 0,
            closing: None,
            gone: false,
        }
    }

    /// Returns the number of bytes that came in and are not handled.
    const fn held(&self) -> u64 {
        self.unreturned - self.handled
    }
}

#[cfg(test)]
mod tests;
