//! Tools that the benches share: deterministic ids and numbers, and two cores wired together.
//!
//! The group of each bench names what is timed. Compare figures within one run only: machines
//! differ, and the same machine differs from minute to minute.

use rejoin_crdts::FreshId;
use rejoin_replica::entry::HeadAt;
use rejoin_replica::message::{Frames, Message};
use rejoin_replica::sync::Transmit;
use rejoin_replica::{Now, SessionId, SpaceCore};
use rejoin_vclock::ReplicaId;
use std::collections::BTreeMap;

/// Returns the `n`-th replica of a bench; ids are spread over all 128 bits like random ones.
pub fn replica(n: u64) -> ReplicaId {
    let high = mix(n.wrapping_mul(2).wrapping_add(1));
    let low = mix(n.wrapping_mul(2).wrapping_add(2));
    ReplicaId::from_u128(u128::from(high) << 64 | u128::from(low))
}

/// Returns the same id for beginning a replica.
pub fn fresh(n: u64) -> FreshId {
    FreshId::assume_fresh(replica(n))
}

/// Returns a number that looks random (the finalizer of SplitMix64).
pub const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ n >> 31
}

/// A core with the entries that were written, as a store would keep them.
#[derive(Debug)]
pub struct Side {
    /// The core.
    pub core: SpaceCore,
    log: BTreeMap<u64, (HeadAt, Vec<u8>)>,
    session: Option<SessionId>,
    frames: Frames,
}

impl Side {
    /// Wraps a core that has written nothing yet.
    pub fn new(core: SpaceCore) -> Self {
        Self { core, log: BTreeMap::new(), session: None, frames: Frames::default() }
    }

    /// Makes everything durable that waits to be.
    pub fn settle(&mut self) {
        for (sequence, record) in self.core.poll_write() {
            let head = HeadAt::of(&record);
            self.log.insert(sequence, (head, record.entry.bytes().to_vec()));
        }
        self.core.handle_written(self.core.log().end());
        if let Some(externalization) = self.core.poll_externalization() {
            self.core.handle_externalized(&externalization);
        }
    }

    fn connect(&mut self, now: Now) {
        self.frames = Frames::default();
        self.session = Some(self.core.open_session(now));
    }

    fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            self.core.close_session(session);
        }
    }

    fn transmit(&mut self, now: Now) -> Option<Vec<u8>> {
        let session = self.session?;
        match self.core.poll_transmit(session, now).ok()?? {
            Transmit::Frame(frame) => Some(frame),
            Transmit::Entries { before, sequences } => {
                let head = |at: &u64| self.log.get(at).map(|&(head, _)| head);
                let before = before.iter().filter_map(head).collect();
                let entry = |at: &u64| self.log.get(at).map(|(_, bytes)| bytes.as_slice());
                let entries: Vec<&[u8]> = sequences.iter().filter_map(entry).collect();
                self.core.entries_frame(session, before, &entries).ok()
            }
        }
    }

    fn receive(&mut self, bytes: &[u8], now: Now) -> bool {
        self.frames.push(bytes);
        let mut hello = false;
        while let Ok(Some(message)) = self.frames.next_message() {
            hello |= matches!(message, Message::Hello { .. });
            if let Some(session) = self.session {
                assert_eq!(self.core.handle_message(session, message, now), Ok(()));
                while let Some(sequence) = self.core.poll_lookup() {
                    let Some(&(head, _)) = self.log.get(&sequence) else { break };
                    self.core.handle_lookup(head);
                }
            }
        }
        self.settle();
        hello
    }
}

/// The cost of one sync.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// Bytes both ways, hellos included.
    pub bytes: usize,
    /// Bytes both ways without hellos.
    pub bytes_after_hello: usize,
    /// Frames both ways.
    pub messages: usize,
}

/// Connects two sides, lets them exchange frames until both are silent, and hangs up.
pub fn sync(a: &mut Side, b: &mut Side) -> Cost {
    let now = Now::default();
    a.connect(now);
    b.connect(now);
    let mut cost = Cost::default();
    loop {
        let before = cost.messages;
        for turn in 0..2 {
            let (from, to) = if turn == 0 { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            while let Some(frame) = from.transmit(now) {
                let hello = to.receive(&frame, now);
                cost.messages += 1;
                cost.bytes += frame.len();
                cost.bytes_after_hello += if hello { 0 } else { frame.len() };
            }
        }
        if cost.messages == before {
            break;
        }
    }
    a.hang_up();
    b.hang_up();
    cost
}
