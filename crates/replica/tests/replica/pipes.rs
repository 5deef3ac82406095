//! Cores joined by byte pipes that are driven by hand: no thread, no clock, no file.

use std::collections::VecDeque;
use std::sync::Arc;

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{EditError, OrMap, Path, PnCounter, ReplicaId};
use rejoin_replica::core::SpaceCore;
use rejoin_replica::entry::{HeadAt, Record};
use rejoin_replica::message::{Frames, Message, SpaceHash};
use rejoin_replica::storage::{Batch, Memory, Storage, StorageRead};
use rejoin_replica::sync::Transmit;
use rejoin_replica::{Config, Now, Receipt, SessionEnd, SessionId};

/// The type of the spaces of these tests.
pub(crate) type Cart = OrMap<String, PnCounter>;

/// The space that the cores share unless a test names another.
pub(crate) const SPACE: SpaceHash = SpaceHash([7; 16]);

/// Returns the id of the `n`-th replica.
pub(crate) fn id(n: u8) -> ReplicaId {
    ReplicaId::from_bytes([n; 16])
}

/// Adds to a line of Alice's cart; the entry is committed and not yet durable.
pub(crate) fn add(core: &mut SpaceCore, now: Now, line: &str, amount: i64) -> Receipt {
    edit(core, now, |cart| Cart::editor(cart).entry(line).add(amount))
}

/// Changes Alice's cart; the entry is committed and not yet durable.
pub(crate) fn edit(
    core: &mut SpaceCore,
    now: Now,
    change: impl FnOnce(Cursor<'_>) -> Result<(), EditError>,
) -> Receipt {
    let stamp = core.stamp(now);
    let base = core.source();
    let mut draft = core.draft(&base, stamp);
    change(Cursor::new(&mut draft, Path::object("alice", Cart::KIND))).expect("the edit is fine");
    let entry = core.entry(draft.finish().0, stamp).expect("the edit changes something");
    core.commit(entry, Vec::new()).expect("all is in memory")
}

/// A core and its storage.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) core: SpaceCore,
    pub(crate) records: Vec<Record>,
    storage: Arc<Memory>,
}

impl Peer {
    pub(crate) fn new(id: ReplicaId) -> Self {
        Self::of(SPACE, id)
    }

    /// A peer that holds a space.
    pub(crate) fn of(space: SpaceHash, id: ReplicaId) -> Self {
        let storage = Arc::new(Memory::default());
        let rows = Arc::clone(&storage) as Arc<dyn StorageRead>;
        let core = SpaceCore::open(space, id, Config::default(), rows, 0).expect("it is empty");
        Self { core, records: Vec::new(), storage }
    }

    /// Makes everything durable that waits.
    pub(crate) fn write(&mut self) {
        for (sequence, record) in self.core.poll_write() {
            assert_eq!(sequence, self.records.len() as u64, "records come in the order of the log");
            self.keep(record);
        }
        self.core.handle_written(self.records.len() as u64);
        if let Some(externalization) = self.core.poll_externalization() {
            self.core.handle_externalized(&externalization);
        }
    }

    /// Stores the next record.
    pub(crate) fn keep(&mut self, record: Record) {
        let log = vec![(0, self.records.len() as u64, record.encode())];
        self.storage.commit(&Batch { log, ..Batch::default() }).expect("in memory");
        self.records.push(record);
    }

    /// Returns the next frame of a session.
    pub(crate) fn frame(&mut self, session: SessionId, now: Now) -> Option<Vec<u8>> {
        match self.core.poll_transmit(session, now).expect("all is in memory")? {
            Transmit::Frames(frames) => Some(frames),
            Transmit::Entries { before, sequences } => {
                let index = |sequence: u64| usize::try_from(sequence).expect("a small log");
                let record = |&sequence: &u64| &self.records[index(sequence)];
                let before = before.iter().map(record).map(HeadAt::of).collect();
                let entries: Vec<&[u8]> =
                    sequences.iter().map(record).map(|record| &**record.entry.bytes()).collect();
                Some(self.core.entries_frame(session, before, &entries).expect("what was written"))
            }
        }
    }

    /// Handles a message.
    pub(crate) fn handle(&mut self, session: SessionId, message: Message, now: Now) {
        assert_eq!(self.core.handle_message(session, message, now), Ok(()));
    }

    /// Returns a line of Alice's cart.
    pub(crate) fn line(&self, line: &str) -> i64 {
        let source = self.core.source();
        let view = rejoin_crdts::edit::View::new(&source, Path::object("alice", Cart::KIND));
        Cart::reader(view).at(line).value().expect("small numbers")
    }
}

/// Returns the message of a whole frame, the first of its stream.
pub(crate) fn message(frame: &[u8]) -> Message {
    let mut frames = Frames::default();
    frames.push(frame);
    frames.next_message().expect("a frame").expect("a whole one")
}

/// Opens a session at `to` in which `from` has sent a hello and agreed, and nothing else.
pub(crate) fn greeted(from: &mut Peer, to: &mut Peer, now: Now) -> SessionId {
    let there = from.core.open_session(now);
    let hello = from.frame(there, now).expect("a session begins with a hello");
    let here = to.core.open_session(now);
    let answer = to.frame(here, now).expect("a session begins with a hello");
    to.handle(here, message(&hello), now);
    from.handle(there, message(&answer), now);
    let mut frames = Frames::default();
    frames.push(&hello);
    frames.push(&from.frame(there, now).unwrap_or_default());
    frames.next_message().expect("a frame");
    if let Some(agreed) = frames.next_message().expect("a frame") {
        to.handle(here, agreed, now);
    }
    here
}

/// An entry that arrived somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: usize,
    pub(crate) from: usize,
    pub(crate) origin: ReplicaId,
    pub(crate) first: u64,
}

/// One end of a wire.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) peer: usize,
    pub(crate) session: SessionId,
    frames: Frames,
    /// Bytes on their way to this end.
    coming: VecDeque<Vec<u8>>,
    /// Set while arriving bytes are not delivered.
    pub(crate) stalled: bool,
    pub(crate) bytes_in: usize,
    pub(crate) messages_in: usize,
}

/// Some cores, the wires between them, and a record of what went over those.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) peers: Vec<Peer>,
    pub(crate) wires: Vec<[End; 2]>,
    pub(crate) now: Now,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) wants: Vec<(usize, usize)>,
}

impl Net {
    pub(crate) fn new(peers: u8) -> Self {
        let peers = (1..=peers).map(|n| Peer::new(id(n))).collect();
        let now = Now { wall: 1_700_000_000_000, elapsed: 0 };
        Self { peers, now, ..Self::default() }
    }

    /// Adds to a line at a replica, durably.
    pub(crate) fn add(&mut self, peer: usize, line: &str, amount: i64) -> Receipt {
        let receipt = add(&mut self.peers[peer].core, self.now, line, amount);
        self.peers[peer].write();
        receipt
    }

    /// Connects two replicas. Returns the number of the connection.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> usize {
        let now = self.now;
        let mut end = |peer: usize| End {
            peer,
            session: self.peers[peer].core.open_session(now),
            frames: Frames::default(),
            coming: VecDeque::new(),
            stalled: false,
            bytes_in: 0,
            messages_in: 0,
        };
        let ends = [end(a), end(b)];
        self.wires.push(ends);
        self.wires.len() - 1
    }

    /// Tells both ends that the connection is gone; bytes on their way are lost.
    pub(crate) fn cut(&mut self, wire: usize) {
        for end in &mut self.wires[wire] {
            self.peers[end.peer].core.close_session(end.session);
            end.coming.clear();
            end.stalled = true;
        }
    }

    /// Moves bytes until nothing moves.
    pub(crate) fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for wire in 0..self.wires.len() {
                for from in [0, 1] {
                    moved |= self.send(wire, from);
                    moved |= self.deliver(wire, 1 - from);
                }
            }
        }
    }

    /// Lets time pass in steps of 10 ms, with everything that happens meanwhile.
    pub(crate) fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now.elapsed += 10;
            self.now.wall += 10;
            for peer in &mut self.peers {
                // A core's timeout is handled only if the core asked for it.
                if peer.core.next_timeout().is_some_and(|due| due <= self.now.elapsed) {
                    peer.core.handle_timeout(self.now);
                }
            }
            self.settle();
        }
    }

    /// Puts what an end has to send on its way.
    fn send(&mut self, wire: usize, from: usize) -> bool {
        let End { peer, session, .. } = self.wires[wire][from];
        let mut sent = false;
        while let Some(frame) = self.peers[peer].frame(session, self.now) {
            self.wires[wire][1 - from].coming.push_back(frame);
            sent = true;
        }
        sent
    }

    fn deliver(&mut self, wire: usize, at: usize) -> bool {
        let sender = self.wires[wire][1 - at].peer;
        let end = &mut self.wires[wire][at];
        let mut moved = false;
        while !end.stalled
            && let Some(bytes) = end.coming.pop_front()
        {
            moved = true;
            end.bytes_in += bytes.len();
            // In two pieces, as may happen with a socket.
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            for piece in [head, tail] {
                end.frames.push(piece);
                while let Some(message) = end.frames.next_message().expect("an honest peer") {
                    end.messages_in += 1;
                    if let Message::Entries(entries) = &message {
                        self.arrivals.extend(entries.iter().map(|entry| Arrival {
                            at: end.peer,
                            from: sender,
                            origin: entry.delta().origin(),
                            first: entry.delta().first(),
                        }));
                    }
                    if matches!(message, Message::Want(_)) {
                        self.wants.push((sender, end.peer));
                    }
                    let peer = &mut self.peers[end.peer];
                    peer.handle(end.session, message, self.now);
                    peer.write();
                }
            }
        }
        moved
    }

    /// Returns the reason why the session at an end is over.
    pub(crate) fn over(&self, wire: usize, end: usize) -> Option<SessionEnd> {
        let End { peer, session, .. } = self.wires[wire][end];
        self.peers[peer].core.session_end(session).cloned()
    }

    /// Returns the number of frames of entries that are on their way to an end.
    pub(crate) fn entries_coming(&self, wire: usize, end: usize) -> usize {
        self.wires[wire][end].coming.iter().filter(|frame| frame[2] == 2).count()
    }

    /// Checks that all replicas have the same state, and wait for nothing.
    pub(crate) fn assert_converged(&self) {
        for peer in &self.peers {
            assert_eq!(peer.core.version_vector(), self.peers[0].core.version_vector());
            assert_eq!(peer.core.digest(), self.peers[0].core.digest());
            assert_eq!(peer.core.waiting(), 0);
        }
    }

    /// Checks that no replica was sent an entry of its own, or one twice.
    pub(crate) fn assert_no_echo(&self) {
        for (index, arrival) in self.arrivals.iter().enumerate() {
            assert_ne!(
                arrival.origin,
                self.peers[arrival.at].core.replica(),
                "{arrival:?}: an echo"
            );
            let same = |other: &&Arrival| {
                Arrival { from: 0, ..**other } == Arrival { from: 0, ..*arrival }
            };
            let twice = self.arrivals[..index].iter().find(same);
            assert_eq!(twice, None, "{arrival:?}: it came before");
        }
    }
}
