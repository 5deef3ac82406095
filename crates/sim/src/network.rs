//! Ordered streams of bytes between sites, and what goes wrong with them.
//!
//! A connection keeps the order of its bytes, as TCP does, or loses some for good: then its stream
//! stalls or goes on with a hole in it. Whole messages can be delivered twice or overtaken, as by a
//! bad relay: the protocol does not promise to handle that, but the core has to withstand it.

use std::collections::VecDeque;

use rejoin_replica::SessionId;
use rejoin_replica::message::{Frames, Message};

use super::rng::Rng;
use super::summary::Count;

/// One of the two sites of a link, 0 or 1.
pub(super) type Side = usize;

/// One end of a connection: the connection's number and a side.
pub(super) type EndId = (u64, Side);

/// Two sites that can reach each other when nothing blocks the way.
#[derive(Debug)]
pub(super) struct Link {
    pub sites: [usize; 2],
    /// The sides that keep a connection up.
    pub dialers: Vec<Side>,
    pub latency: u64,
    /// Additional delay in milliseconds, and the time until which it lasts.
    pub delay: (u64, u64),
    /// Number of bytes that it carries per second, and the time until which that limit lasts.
    pub rate: (u64, u64),
    /// Additional delay of new connections in milliseconds, and the time until which it applies.
    pub detour: (u64, u64),
    /// The block on what is sent from each side.
    pub block: [Block; 2],
    pub rng: Rng,
}

/// A direction that lets nothing through for a while.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Block {
    pub until: u64,
    /// True if what runs into it is lost, rather than late.
    pub loses: bool,
}

impl Block {
    pub(super) const fn is_up(&self, now: u64) -> bool {
        now < self.until
    }
}

impl Link {
    pub(super) fn is_blocked(&self, now: u64) -> bool {
        self.block.iter().any(|block| block.is_up(now))
    }

    /// Returns the time that bytes take now, in milliseconds.
    pub(super) fn travel(&mut self, now: u64) -> u64 {
        let slow = if now < self.delay.1 { self.delay.0 } else { 0 };
        self.latency + slow + self.rng.below(self.latency + 1)
    }

    /// Returns the time at which bytes arrive, given when they would over a link without a rate
    /// limit.
    pub(super) fn squeeze(&self, arrives: u64, bytes: usize) -> u64 {
        let (rate, until) = self.rate;
        if arrives >= until {
            return arrives;
        }
        until.min(arrives + 1_000 * bytes as u64 / rate)
    }

    /// Ends everything that is wrong with it.
    pub(super) fn heal(&mut self) {
        (self.delay, self.rate, self.detour) = ((0, 0), (0, 0), (0, 0));
        self.block = [Block::default(); 2];
    }
}

/// A connection between the two sites of a link.
#[derive(Debug)]
pub(super) struct Connection {
    pub link: usize,
    pub dialer: Side,
    /// Delay beyond that of the other connections of its link, in milliseconds.
    pub detour: u64,
    pub ends: [End; 2],
}

impl Connection {
    pub(super) const fn is_open(&self, side: Side) -> bool {
        self.ends[side].session.is_some()
    }
}

/// One end of a connection, and the way from it to the other end.
#[derive(Default, Debug)]
pub(super) struct End {
    /// The session of this end, which is open while there is one.
    pub session: Option<SessionId>,
    /// The decoder of the bytes that arrive here.
    pub frames: Frames,
    pub relay: Relay,
    /// The decoder of the bytes that leave here, for the checkers.
    pub leaving: Frames,
    pub pipe: Pipe,
}

/// One direction of a connection.
#[derive(Default, Debug)]
pub(super) struct Pipe {
    /// The arrival of the last byte so far; no later one arrives before it.
    pub last_arrival: u64,
    /// Number of bytes that are under way, or lost and never confirmed.
    pub in_flight: usize,
    pub loss: Option<Loss>,
    /// True if bytes were lost in the middle: the other end can use nothing that comes later.
    pub is_torn: bool,
    /// The bytes that ran into a block that only delays.
    pub parked: VecDeque<Vec<u8>>,
}

/// A loss of bytes: first `pass` bytes get through, then `lose` bytes do not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub pass: usize,
    /// Number of bytes lost; `usize::MAX` means all from there on.
    pub lose: usize,
}

impl Loss {
    /// The loss of everything from now on.
    pub(super) const EVERYTHING: Self = Self { pass: 0, lose: usize::MAX };
}

impl Pipe {
    /// Returns true if nothing will ever come through again.
    pub(super) fn is_dead(&self) -> bool {
        self.loss.is_some_and(|loss| loss.pass == 0 && loss.lose == usize::MAX)
    }

    /// Returns the bytes that come out at the other end.
    pub(super) fn carry(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let length = bytes.len();
        let Some(loss) = &mut self.loss else {
            self.in_flight -= length;
            return bytes;
        };
        let passed = loss.pass.min(length);
        let lost = loss.lose.min(length - passed);
        loss.pass -= passed;
        if loss.lose == usize::MAX {
            self.in_flight -= passed;
        } else {
            self.in_flight -= length;
            loss.lose -= lost;
        }
        self.is_torn |= lost > 0;
        if loss.lose == 0 {
            self.loss = None;
        }
        bytes.drain(passed..passed + lost);
        bytes
    }
}

/// A bad relay, which duplicates and delays whole messages.
#[derive(Default, Debug)]
pub(super) struct Relay {
    /// Number of future messages that are delivered twice.
    pub duplicates: u32,
    /// Number of future messages that are overtaken.
    pub swaps: u32,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    /// Number of messages that still overtake it.
    behind: u64,
    message: Message,
    /// The count of what is done to it.
    done: Count,
}

impl Relay {
    /// Takes a message in and hands out what is due, with the count of what was done to it, if
    /// anything.
    pub(super) fn pass(
        &mut self,
        message: Message,
        rng: &mut Rng,
    ) -> Vec<(Message, Option<Count>)> {
        let mut due = Vec::new();
        let hold = self.swaps > 0 && rng.percent(50);
        let copy = !hold && self.duplicates > 0 && rng.percent(50);
        self.swaps -= u32::from(hold);
        self.duplicates -= u32::from(copy);
        let kept = (hold || copy).then(|| Held {
            behind: rng.within(1..=4),
            message: message.clone(),
            done: if copy { Count::Duplicates } else { Count::Reorders },
        });
        if !hold {
            due.push((message, None));
        }
        for held in &mut self.held {
            held.behind = held.behind.saturating_sub(u64::from(!hold));
        }
        let now = self.held.extract_if(.., |held| held.behind == 0);
        due.extend(now.map(|held| (held.message, Some(held.done))));
        self.held.extend(kept);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(loss: Loss, chunks: &[&[u8]]) -> (Vec<u8>, usize) {
        let in_flight = chunks.iter().map(|chunk| chunk.len()).sum();
        let mut pipe = Pipe { loss: Some(loss), in_flight, ..Pipe::default() };
        let out = chunks.iter().flat_map(|chunk| pipe.carry(chunk.to_vec())).collect();
        (out, pipe.in_flight)
    }

    #[test]
    fn a_hole_begins_and_ends_within_chunks() {
        let hole = Loss { pass: 2, lose: 3 };
        assert_eq!(carried(hole, &[b"abc", b"def", b"ghi"]), (b"abfghi".to_vec(), 0));
    }

    #[test]
    fn a_stream_that_ends_unnoticed_confirms_nothing_more() {
        let end = Loss { pass: 4, lose: usize::MAX };
        assert_eq!(carried(end, &[b"abc", b"def"]), (b"abcd".to_vec(), 2));
    }

    #[test]
    fn a_relay_loses_nothing_but_order_and_uniqueness() {
        let mut rng = Rng::new(1);
        let mut relay = Relay { duplicates: 3, swaps: 3, ..Relay::default() };
        let mut out = [0; 2];
        for _ in 0..100 {
            for (_, done) in relay.pass(Message::Have(Vec::new()), &mut rng) {
                out[usize::from(done == Some(Count::Duplicates))] += 1;
            }
        }
        assert_eq!((out, relay.held.len()), ([100, 3], 0));
    }
}
