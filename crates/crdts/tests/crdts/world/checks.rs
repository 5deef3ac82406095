//! The checks of a copy after every step, and of the step's answer.

use rejoin_crdts::Replica;
use rejoin_crdts::delta::Delta;
use rejoin_vclock::codec::{Decode, Encode};

use super::history::{Leaf, Picture};
use super::{History, LogTwin, Seen, Step, Subject, Told, World, fresh};

impl<S: Subject> World<S> {
    /// Takes a step and checks everything about it against the oracle.
    pub(crate) fn step(&mut self, step: Step) {
        let Some(target) = self.target(step) else {
            self.perform(step);
            return;
        };
        let site = &mut self.sites[target];
        let (before, seen) = (site.typed.save(), site.seen);
        let expected = self.is_expected_to_change(step);
        let told = self.perform(step);
        let site = &self.sites[target];
        let saved_anew = site.typed.save() != before;
        assert_eq!(saved_anew, site.seen != seen, "bytes change with what is seen: {step:?}");
        match step {
            Step::Edit { .. } => assert_eq!(told.typed, expected, "{step:?}"),
            Step::Deliver { .. } => {
                assert_eq!(told, Told { typed: saved_anew, blind: saved_anew }, "{step:?}");
            }
            Step::Merge { from, to } => {
                assert_eq!(told, Told { typed: saved_anew, blind: saved_anew }, "{step:?}");
                assert_eq!(self.merge(from, to), Told::NOTHING, "merged twice");
            }
            Step::Fork { .. } | Step::Load { .. } => {}
        }
        self.check(target);
    }

    /// The copy that a step may change.
    fn target(&self, step: Step) -> Option<usize> {
        match step {
            Step::Merge { from, to } if from == to => None,
            Step::Edit { at: to, .. }
            | Step::Fork { at: to }
            | Step::Load { at: to }
            | Step::Deliver { to, .. }
            | Step::Merge { to, .. } => Some(to),
        }
    }

    /// True if the oracle says that any operation of a transaction changes something.
    fn is_expected_to_change(&self, step: Step) -> bool {
        let Step::Edit { at, choice } = step else { return true };
        self.plan(at, choice).iter().any(|step| !step.performed.is_empty())
    }

    /// Checks one copy against the oracle, against its twins, and against every copy that has seen
    /// the same.
    pub(crate) fn check(&mut self, at: usize) {
        let site = &mut self.sites[at];
        assert_eq!(site.typed.held(), site.held.count_ones() as usize, "what is held back");
        assert_eq!(site.typed.missing().is_empty(), site.held == 0);
        site.typed.validate();
        let bytes = site.typed.save();
        assert_eq!(bytes, site.blind.save(), "typed and untyped copies save the same");
        let name = self.history.print(site.seen);
        if let Some(known) = self.saved.get(&name) {
            assert_eq!(*known, bytes, "two copies that have seen the same");
            return;
        }

        site.log.catch_up(&self.history, site.seen);
        hold_to_oracle(&site.typed, &bytes, &site.log, &self.history, site.seen);
        self.saved.insert(name, bytes);
    }

    /// Checks that every delta survives its bytes.
    pub(crate) fn check_deltas(&self) {
        for event in 0..self.history.len() {
            let bytes = self.delta(event).to_bytes();
            assert_eq!(Delta::from_bytes(&bytes).as_ref(), Ok(self.delta(event)));
        }
    }

    /// Brings all copies together, by all deltas in reverse order and then by merges, and checks
    /// that they agree.
    pub(crate) fn settle(&mut self) {
        for to in 0..self.sites.len() {
            for event in (0..self.history.len()).rev() {
                self.step(Step::Deliver { event, to });
            }
            assert_eq!(self.sites[to].held, 0, "all that was waited for has come");
        }
        for to in 0..self.sites.len() {
            self.step(Step::Merge { from: (to + 1) % self.sites.len(), to });
        }
        self.check_deltas();
    }
}

/// Checks the state, view and bytes of a copy that has seen these events, however it heard of them.
pub(crate) fn hold_to_oracle<S: Subject>(
    typed: &Replica<S>,
    bytes: &[u8],
    log: &LogTwin,
    history: &History,
    seen: Seen,
) {
    assert_eq!(typed.version_vector(), history.vector(seen));
    typed.validate();
    assert_eq!(bytes, log.save(), "by merges and by the log alone, the same");
    let picture = history.picture(seen);
    assert_eq!(show(&**typed), picture, "the value in memory");
    assert_eq!(log.picture::<S>(), without_spent(&picture), "the value by its reader");
    assert_eq!(typed.is_visible(), !picture.is_empty());
    let loaded = Replica::<S>::load(bytes, fresh(0)).expect("what is saved loads");
    assert_eq!(loaded.save(), bytes, "saved, loaded and saved");
    assert_eq!(show(&*loaded), picture);
    assert_eq!(loaded.version_vector(), typed.version_vector());
}

/// Returns everything visible of a value.
pub(crate) fn show<S: Subject>(value: &S) -> Picture {
    let mut picture = Picture::new();
    value.show(&mut Vec::new(), &mut picture);
    picture
}

/// A reader does not distinguish a bounded counter of which everything is spent from none.
fn without_spent(picture: &Picture) -> Picture {
    let spent = |leaf: &Leaf| matches!(leaf, Leaf::Rights(0, _));
    picture.clone().into_iter().filter(|(_, leaf)| !spent(leaf)).collect()
}
