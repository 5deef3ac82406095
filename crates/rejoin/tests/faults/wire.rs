//! Two links joined by hand: each end takes in the frames that the other sends, until nothing
//! moves.

use rejoin::crdts::Crdt;
use rejoin::replica::message::Frames;
use rejoin::replica::{Link, SessionId, Space};

/// A session between two spaces in this process.
pub(crate) struct Wire {
    ends: [(Link, SessionId, Frames); 2],
}

impl Wire {
    /// Opens a session at both ends.
    pub(crate) fn between<T: Crdt>(a: &Space<T>, b: &Space<T>) -> Self {
        let end = |space: &Space<T>| {
            let link = space.link();
            let session = link.open().unwrap();
            (link, session, Frames::default())
        };
        Self { ends: [end(a), end(b)] }
    }

    /// Moves frames until nothing moves: all frames of one end, then all of the other's.
    pub(crate) fn settle(&mut self) {
        while self.pass(usize::MAX) {}
    }

    /// Moves at most one frame in each direction. True if any moved.
    pub(crate) fn step(&mut self) -> bool {
        self.pass(1)
    }

    /// Moves at most `most` frames in each direction. True if any moved.
    fn pass(&mut self, most: usize) -> bool {
        let mut moved = false;
        for _ in 0..2 {
            self.ends.rotate_left(1);
            let [from, to] = &mut self.ends;
            for _ in 0..most {
                let Some(frame) = from.0.transmit(from.1).unwrap() else { break };
                moved = true;
                to.2.push(&frame);
                to.0.handle(to.1, &mut to.2).unwrap();
            }
        }
        moved
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for (link, session, _) in &self.ends {
            link.close(*session);
        }
    }
}

/// One whole session: afterwards both hold everything that either held.
pub(crate) fn sync<T: Crdt>(a: &Space<T>, b: &Space<T>) {
    Wire::between(a, b).settle();
}
