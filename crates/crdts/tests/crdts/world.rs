//! Worlds: a few copies of one value, edited and synced by a script, checked after every step.
//!
//! One state machine tests every type. A type joins with an alphabet of transactions, and with the
//! code that performs them and shows the result ([`Subject`]); the right result is defined by a
//! naive [`History`]. Every copy exists three times: as a typed `Replica<S>`, as an untyped
//! `Replica<Blind<S>>` that takes the same steps, and as a table that hears of deltas alone.

mod act;
mod blind;
mod checks;
mod history;
mod log_twin;
mod plan;
mod record;
mod subject;
mod undo;

use std::collections::HashMap;

use rejoin_crdts::{Delta, EditError, FreshId, Replica, ReplicaId};

pub(crate) use self::act::{Act, What, act, add, count, end, write};
pub(crate) use self::blind::Blind;
pub(crate) use self::checks::hold_to_oracle;
pub(crate) use self::history::{History, Seen};
pub(crate) use self::log_twin::LogTwin;
pub(crate) use self::plan::carry_out;
pub(crate) use self::record::{Record, Shop};
pub(crate) use self::subject::Subject;

/// The transactions that a script chooses from.
pub(crate) type Alphabet = Vec<Vec<Act>>;

/// One event in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A transaction of the alphabet.
    Edit { at: usize, choice: usize },
    /// One delta arrives: in order, too early, or again.
    Deliver { event: usize, to: usize },
    /// A whole state is merged.
    Merge { from: usize, to: usize },
    /// A copy goes on under a fresh id.
    Fork { at: usize },
    /// A copy goes on under a fresh id, from its saved bytes.
    Load { at: usize },
}

/// The answers of a copy when it was asked if anything changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) typed: bool,
    pub(crate) blind: bool,
}

impl Told {
    pub(crate) const NOTHING: Self = Self { typed: false, blind: false };
}

/// One copy, and the events that the oracle says it has seen and holds back.
pub(crate) struct Site<S: Subject> {
    pub(crate) typed: Replica<S>,
    pub(crate) blind: Replica<Blind<S>>,
    log: LogTwin,
    pub(crate) seen: Seen,
    pub(crate) held: Seen,
}

/// Some copies of one value, and everything that has happened to them.
pub(crate) struct World<S: Subject> {
    pub(crate) sites: Vec<Site<S>>,
    pub(crate) history: History,
    alphabet: Alphabet,
    next_id: u128,
    /// The bytes of every set of events that some copy has seen, by the set's name.
    saved: Saved,
}

/// The bytes that copies that have seen the same events must save.
pub(crate) type Saved = HashMap<u64, Vec<u8>>;

fn give_up<S: Subject>(editor: &mut S::Editor<'_>, plan: &[plan::Step]) -> Result<(), EditError> {
    carry_out::<S>(editor, plan)?;
    Err(EditError::CountersExhausted)
}

impl<S: Subject> World<S> {
    /// A world with one copy per id. `saved` has the bytes that other worlds of these ids have
    /// seen.
    pub(crate) fn new(ids: &[u128], alphabet: &Alphabet, saved: Saved) -> Self {
        let sites = ids.iter().map(|&id| Site {
            typed: Replica::new(fresh(id)),
            blind: Replica::new(fresh(id)),
            log: LogTwin::default(),
            seen: 0,
            held: 0,
        });
        let (sites, history) = (sites.collect(), History::default());
        Self { sites, history, alphabet: alphabet.clone(), next_id: 1000, saved }
    }

    /// Returns the bytes that the copies of this world have seen, for the next world.
    pub(crate) fn into_saved(self) -> Saved {
        self.saved
    }

    /// The delta of an event, as it comes over a wire.
    pub(crate) fn delta(&self, event: usize) -> &Delta {
        &self.history.event(event).delta
    }

    /// Takes a step without checking.
    pub(crate) fn perform(&mut self, step: Step) -> Told {
        match step {
            Step::Edit { at, choice } => self.edit(at, choice),
            Step::Deliver { event, to } => self.deliver(event, to),
            Step::Merge { from, to } => self.merge(from, to),
            Step::Fork { at } => self.fork(at),
            Step::Load { at } => self.load(at),
        }
    }

    fn plan(&self, at: usize, choice: usize) -> Vec<plan::Step> {
        let site = &self.sites[at];
        self.history.plan(site.seen, site.typed.id(), &self.alphabet[choice])
    }

    /// Begins some transaction at one copy, and gives it up.
    fn give_up(&mut self, at: usize, choice: usize) {
        let plan = self.plan(at, (choice + 1 + self.history.len()) % self.alphabet.len());
        let site = &mut self.sites[at];
        let before = (site.typed.save(), site.blind.save());
        let given_up = site.typed.edit(|editor| give_up::<S>(editor, &plan));
        let also_blind = site.blind.edit(|editor| give_up::<S>(editor, &plan));
        assert_eq!(given_up, also_blind, "typed and untyped editing fail alike");
        assert!(given_up.is_err());
        let after = (site.typed.save(), site.blind.save());
        assert_eq!(before, after, "nothing is left of an edit that failed");
    }

    fn edit(&mut self, at: usize, choice: usize) -> Told {
        let plan = self.plan(at, choice);
        self.give_up(at, choice);
        let site = &mut self.sites[at];
        let delta = site.typed.edit(|editor| carry_out::<S>(editor, &plan));
        let untyped = site.blind.edit(|editor| carry_out::<S>(editor, &plan));
        assert_eq!(delta, untyped, "typed and untyped editing make one delta");
        let delta = delta.expect("what is refused was left out");
        if delta.is_empty() {
            return Told::NOTHING;
        }
        let acts = plan.into_iter().flat_map(|step| step.performed).collect();
        let event = self.history.push(delta, acts, site.seen);
        site.seen |= 1 << event;
        Told { typed: true, blind: true }
    }

    fn deliver(&mut self, event: usize, to: usize) -> Told {
        let delta = self.history.event(event).delta.clone();
        let site = &mut self.sites[to];
        let told = Told { typed: site.typed.apply(&delta), blind: site.blind.apply(&delta) };
        site.held |= 1 << event;
        self.history.release(&mut site.seen, &mut site.held);
        told
    }

    fn merge(&mut self, from: usize, to: usize) -> Told {
        let Ok([from, to]) = self.sites.get_disjoint_mut([from, to]) else { return Told::NOTHING };
        let told = Told { typed: to.typed.merge(&from.typed), blind: to.blind.merge(&from.blind) };
        to.seen |= from.seen;
        self.history.release(&mut to.seen, &mut to.held);
        told
    }

    /// Deltas that are held back do not survive the copying.
    fn fork(&mut self, at: usize) -> Told {
        let [typed, blind] = self.two_names_of_one();
        let site = &mut self.sites[at];
        site.typed = site.typed.fork(typed);
        site.blind = site.blind.fork(blind);
        site.held = 0;
        Told::NOTHING
    }

    /// The clock is no part of a state: from here on stamps may be older than those already seen.
    fn load(&mut self, at: usize) -> Told {
        let [typed, blind] = self.two_names_of_one();
        let site = &mut self.sites[at];
        let bytes = site.typed.save();
        site.typed = Replica::load(&bytes, typed).expect("what is saved loads");
        site.blind = Replica::load(&bytes, blind).expect("what is saved loads");
        site.held = 0;
        self.history.stamps_ascend = false;
        Told::NOTHING
    }

    fn two_names_of_one(&mut self) -> [FreshId; 2] {
        self.next_id += 1;
        [fresh(self.next_id), fresh(self.next_id)]
    }
}

/// The id of a small number, which shows in its first digits.
pub(crate) const fn id(number: u128) -> ReplicaId {
    ReplicaId::from_u128(number << 96)
}

/// The same, to be used up.
pub(crate) fn fresh(number: u128) -> FreshId {
    FreshId::assume_fresh(id(number))
}
