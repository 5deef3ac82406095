//! Tools that the benches share: deterministic ids and numbers, and two cores wired together.
//!
//! The group of each bench names what is timed. Compare figures within one run only: machines
//! differ, and the same machine differs from minute to minute.

mod growth;

use rejoin_crdts::FreshId;
use rejoin_replica::entry::{HeadAt, Record};
use rejoin_replica::message::{Direction, Frames, Message, SpaceHash};
use rejoin_replica::storage::{Batch, Memory, Storage, StorageRead};
use rejoin_replica::sync::Transmit;
use rejoin_replica::{Config, Now, SessionId, SpaceCore};
use rejoin_vclock::ReplicaId;
use std::sync::Arc;

pub use growth::exponent;

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
    storage: Arc<Memory>,
    session: Option<SessionId>,
    frames: Frames,
}

impl Side {
    /// A copy of a space that has written nothing yet.
    pub fn new(space: SpaceHash, replica: ReplicaId) -> Self {
        let storage = Arc::new(Memory::default());
        let rows = Arc::clone(&storage) as Arc<dyn StorageRead>;
        let core = SpaceCore::open(space, replica, Config::default(), rows, 0);
        let core = core.unwrap_or_else(|error| unreachable!("there is nothing to read: {error}"));
        Self { core, storage, session: None, frames: Frames::default() }
    }

    /// Makes everything durable that waits to be.
    pub fn settle(&mut self) {
        let log = self.core.poll_write().into_iter();
        let log = log.map(|(sequence, record)| (0, sequence, record.encode())).collect();
        self.storage.commit(&Batch { log, ..Batch::default() }).expect("memory takes all");
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
            Transmit::Frames(frames) => Some(frames),
            Transmit::Entries { before, sequences } => {
                let record = |&at: &u64| self.storage.log(0, at, 1).ok()?.pop();
                let head = |at| Record::decode(&record(at)?.1).ok().map(|it| HeadAt::of(&it));
                let before = before.iter().filter_map(head).collect();
                let records: Vec<_> = sequences.iter().filter_map(record).collect();
                let entries = records.iter().map(|(_, bytes)| Record::entry_bytes(bytes));
                let entries: Vec<&[u8]> = entries.collect::<Result<_, _>>().ok()?;
                self.core.entries_frame(session, before, &entries).ok()
            }
        }
    }

    /// Takes frames in, and returns the length of the hello among them, if there is one.
    fn receive(&mut self, bytes: &[u8], now: Now) -> usize {
        self.frames.push(bytes);
        let mut hello = 0;
        while let Ok(Some(message)) = self.frames.next_message() {
            if matches!(message, Message::Hello { .. }) {
                hello = message.frame(&mut Direction::default()).len();
            }
            if let Some(session) = self.session {
                assert_eq!(self.core.handle_message(session, message, now), Ok(()));
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
    /// Messages both ways: what one end sends before it listens, in one piece.
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
                cost.bytes_after_hello += frame.len() - hello;
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
