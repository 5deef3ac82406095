//! An author at work: a transaction in the model, beside the one of the replica.

use rejoin::ReplicaId;

use crate::model::{Act, History, Op, Place, Seen};

/// What an author sees while a transaction runs, and what it has noted.
#[derive(Debug)]
pub(crate) struct Author<'h> {
    pub(crate) history: &'h mut History,
    pub(crate) seen: Seen,
    pub(crate) id: ReplicaId,
    /// Every id that rights may be passed to.
    pub(crate) ids: Vec<ReplicaId>,
    /// What the replica answered otherwise than the documentation says.
    pub(crate) wrong: Vec<String>,
    pub(crate) checks: u64,
}

impl Author<'_> {
    /// Compares what came out with what was to be expected.
    pub(crate) fn check(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !is_right {
            self.wrong.push(what());
        }
    }

    /// Notes an operation, and what it does to the hidden things that it stands in.
    pub(crate) fn note(&mut self, place: Place, act: Act) {
        let takes = matches!(act, Act::Remove | Act::Hide);
        let alive = self.history.alive(&self.seen);
        let is_below = |op: &Op| op.place.starts_with(&place);
        let takes_any = match act {
            Act::Remove => alive.ops.iter().any(|(_, op)| is_below(op) && !is_retained(&op.act)),
            // Also where nothing is visible and something is retained. The documentation says that
            // one that does not exist changes nothing; the replica hides what is retained.
            Act::Hide => {
                alive.ops.iter().any(|(_, op)| is_below(op) && op.act != Act::Hide)
                    && alive.is_spared(&place)
            }
            _ => true,
        };
        if !takes_any {
            return;
        }
        let mut before = Vec::new();
        // A hiding in something that was kept leaves the hiding above as it is: the documentation
        // says that a write below ends it.
        let ends = if act == Act::Hide { 0 } else { place.len() + usize::from(!takes) };
        for end in 1..ends {
            let above = &place[..end];
            if alive.is_hidden_by_any(above) {
                let kept = alive.is_visible(above);
                before.push((above.to_vec(), if kept { Act::Keep } else { Act::Remove }));
            }
        }
        for (place, act) in before {
            self.history.note(&mut self.seen, self.id, place, act);
        }
        self.history.note(&mut self.seen, self.id, place, act);
    }

    /// True if a place is hidden from this author, here or above.
    pub(crate) fn is_hidden(&self, place: &[String]) -> bool {
        let alive = self.history.alive(&self.seen);
        (1..=place.len())
            .any(|end| alive.is_hidden_by_any(&place[..end]) && !alive.is_visible(&place[..end]))
    }

    pub(crate) fn items(&self, place: &[String]) -> Vec<String> {
        self.history.alive(&self.seen).items(place)
    }

    pub(crate) fn is_vouched(&self, place: &[String]) -> bool {
        self.history.alive(&self.seen).is_vouched(place)
    }

    pub(crate) fn is_barred(&self, place: &[String]) -> bool {
        self.history.alive(&self.seen).at(place).any(|op| op.act == Act::Bar)
    }

    pub(crate) fn names(&self, place: &[String]) -> Vec<String> {
        self.history.alive(&self.seen).names(place).into_iter().collect()
    }

    /// The rights of this author in a bounded counter.
    pub(crate) fn rights(&self, place: &[String]) -> i128 {
        let alive = self.history.alive(&self.seen);
        let of = |op: &Op| match op.act {
            Act::Grant(amount) if op.author == self.id => i128::from(amount),
            Act::Spend(amount) if op.author == self.id => -i128::from(amount),
            Act::Pass(amount, to) => {
                let amount = i128::from(amount);
                amount * (i128::from(to == self.id) - i128::from(op.author == self.id))
            }
            _ => 0,
        };
        alive.at(place).map(of).sum()
    }
}

const fn is_retained(act: &Act) -> bool {
    matches!(act, Act::Bar | Act::Grant(_) | Act::Spend(_) | Act::Pass(..))
}
