//! A copy that hears of deltas alone, one by one, in the order in which they were made.
//!
//! It never merges a state, so its content is the log's.

use rejoin_crdts::cell::Cell;
use rejoin_crdts::delta::{Admission, Causal};
use rejoin_crdts::edit::{Undoing, View};
use rejoin_crdts::state::{Context, Parts, save};
use rejoin_crdts::{Crdt, Delta, Dot, Path, ReplicaId};

use super::history::{History, Picture, Seen};
use super::subject::Subject;

/// A table of cells, and the deltas that made it.
pub(crate) struct LogTwin {
    parts: Parts,
    causal: Causal<Delta>,
    seen: Seen,
}

impl Default for LogTwin {
    fn default() -> Self {
        let causal = Causal::new(Context::default(), ReplicaId::from_u128(u128::MAX), 0);
        let causal = causal.expect("one replica has a slot");
        Self { parts: Parts::default(), causal, seen: 0 }
    }
}

impl LogTwin {
    /// Applies the deltas that it has not yet seen.
    pub(crate) fn catch_up(&mut self, history: &History, seen: Seen) {
        for (_, event) in history.of(seen & !self.seen) {
            self.hear(&event.delta);
        }
        self.seen |= seen;
    }

    /// Applies the next delta.
    pub(crate) fn hear(&mut self, delta: &Delta) {
        assert_eq!(self.causal.admit(delta), Admission::Ready, "{delta:?} in the order of making");
        let first = self.causal.begin(delta).expect("a few replicas have slots");
        for (index, change) in delta.changes().enumerate() {
            let before = self.cells();
            let changed = self.parts.apply(&change, &self.causal.at(first, index, delta.stamp()));
            assert_eq!(changed, before != self.cells(), "`changed` of {change:?}");
        }
        self.causal.finish(delta, first);
    }

    /// What undoes each operation of a delta that comes next.
    pub(crate) fn undoings(&mut self, delta: &Delta) -> Vec<Vec<Undoing>> {
        let first = self.causal.begin(delta).expect("a few replicas have slots");
        let changes = delta.changes().zip(delta.first()..).enumerate();
        let undoings = changes.map(|(index, (change, counter))| {
            let dot = Dot::new(delta.origin(), counter).expect("a few transactions");
            let before = self.parts.with(self.causal.context());
            let undoings = Undoing::of(&change, dot, &before).expect("memory can be read");
            self.parts.apply(&change, &self.causal.at(first, index, delta.stamp()));
            undoings
        });
        undoings.collect()
    }

    fn cells(&self) -> Vec<(Vec<u8>, Cell)> {
        self.parts.iter().map(|(path, cell)| (path.to_vec(), cell.to_cell())).collect()
    }

    /// The canonical bytes.
    pub(crate) fn save(&self) -> Vec<u8> {
        save(self.causal.context(), self.parts.iter())
    }

    /// Returns the value that a reader sees, key by key.
    pub(crate) fn picture<S: Subject>(&self) -> Picture {
        let source = self.parts.with(self.causal.context());
        let reader = <S as Crdt>::reader(View::new(&source, Path::root(S::KIND)));
        let mut picture = Picture::new();
        S::read(&reader, &mut Vec::new(), &mut picture);
        picture
    }
}
