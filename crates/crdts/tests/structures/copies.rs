//! A few copies of one value that edit and hear of each other, and the events that each has seen.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rejoin_crdts::{Crdt, Delta, Dot, FreshId, Replica, ReplicaId};

/// A set of events: bit `i` is the `i`-th event.
pub(crate) type Seen = u64;

/// Maximum number of events of a script.
pub(crate) const EVENTS: usize = 40;

/// One transaction, and the events that its origin had seen.
#[derive(Clone, Debug)]
pub(crate) struct Event<A> {
    pub(crate) act: A,
    pub(crate) delta: Delta,
    pub(crate) seen: Seen,
}

impl<A> Event<A> {
    /// The dot of the `index`-th operation of the transaction.
    pub(crate) fn dot(&self, index: u64) -> Dot {
        Dot::new(self.delta.origin(), self.delta.first() + index).expect("small counters")
    }
}

/// The events of a set.
pub(crate) fn of<A>(events: &[Event<A>], seen: Seen) -> impl Iterator<Item = (usize, &Event<A>)> {
    events.iter().enumerate().filter(move |(index, _)| seen >> index & 1 == 1)
}

/// True if an event had seen another one.
pub(crate) fn saw<A>(later: &Event<A>, earlier: usize) -> bool {
    later.seen >> earlier & 1 == 1
}

/// The operations and views of one type, with the oracle that predicts the views.
pub(crate) trait Kind: Sized {
    type Value: Crdt + Clone;
    /// A step of a script, before it is known which things it can act on.
    type Wish: Clone + Debug;
    /// The effect of a transaction.
    type Act: Clone + Debug;
    type Picture: PartialEq + Debug;

    fn wishes() -> BoxedStrategy<Self::Wish>;

    /// Performs a wish as far as it can be; the delta is empty if nothing was done.
    fn perform(
        copy: &mut Replica<Self::Value>,
        wish: &Self::Wish,
    ) -> (Option<Self::Act>, Option<Delta>);

    /// Returns the visible value in memory; asserts that the reader shows the same.
    fn picture(copy: &Replica<Self::Value>) -> Self::Picture;

    fn oracle(events: &[Event<Self::Act>], seen: Seen) -> Self::Picture;

    /// Checks what must hold right after an own transaction, beyond the oracle.
    fn took_effect(_: &Replica<Self::Value>, _: &Self::Act) {}
}

#[derive(Clone, Debug)]
pub(crate) enum Step<W> {
    Edit {
        at: usize,
        wish: W,
    },
    /// One copy hears one event, in order or too early.
    Hear {
        at: usize,
        event: usize,
    },
    Merge {
        from: usize,
        to: usize,
    },
    Load {
        at: usize,
    },
}

pub(crate) struct Copies<K: Kind> {
    copies: Vec<(Replica<K::Value>, Seen, Seen)>,
    events: Vec<Event<K::Act>>,
    next_id: u128,
}

pub(crate) fn fresh(number: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(number << 96))
}

impl<K: Kind> Copies<K> {
    pub(crate) fn new(ids: &[u128]) -> Self {
        let copies = ids.iter().map(|&id| (Replica::new(fresh(id)), 0, 0)).collect();
        Self { copies, events: Vec::new(), next_id: 100 }
    }

    pub(crate) fn step(&mut self, step: &Step<K::Wish>) {
        match step {
            Step::Edit { at, wish } => self.edit(*at, wish),
            Step::Hear { at, event } if *event < self.events.len() => self.hear(*at, *event),
            Step::Hear { .. } => {}
            Step::Merge { from, to } => self.merge(*from, *to),
            Step::Load { at } => self.load(*at),
        }
    }

    fn edit(&mut self, at: usize, wish: &K::Wish) {
        if self.events.len() == EVENTS {
            return;
        }
        let (copy, seen, _) = &mut self.copies[at];
        let before = copy.save();
        match K::perform(copy, wish) {
            (Some(act), Some(delta)) if !delta.is_empty() => {
                K::took_effect(copy, &act);
                self.events.push(Event { act, delta, seen: *seen });
                *seen |= 1 << (self.events.len() - 1);
            }
            _ => assert_eq!(copy.save(), before, "nothing was done: {wish:?}"),
        }
        self.check(at);
    }

    fn hear(&mut self, at: usize, event: usize) {
        let (copy, seen, held) = &mut self.copies[at];
        copy.apply(&self.events[event].delta);
        *held |= 1 << event;
        while let Some((ready, _)) =
            of(&self.events, *held & !*seen).find(|(_, event)| event.seen & !*seen == 0)
        {
            *seen |= 1 << ready;
        }
        *held &= !*seen;
        self.check(at);
    }

    fn merge(&mut self, from: usize, to: usize) {
        let Ok([from, into]) = self.copies.get_disjoint_mut([from, to]) else { return };
        let news = from.1 & !into.1 != 0;
        assert_eq!(into.0.merge(&from.0), news, "a merge says whether anything was new");
        into.1 |= from.1;
        let known = into.1;
        // Deltas that were held back may be ready now: hearing them again changes nothing else.
        for (event, _) in
            of(&self.events, into.2 & !known).map(|(i, e)| (i, e.seen)).collect::<Vec<_>>()
        {
            self.hear(to, event);
        }
        self.copies[to].2 &= !self.copies[to].1;
        self.check(to);
    }

    fn load(&mut self, at: usize) {
        self.next_id += 1;
        let (copy, _, held) = &mut self.copies[at];
        let bytes = copy.save();
        *copy = Replica::load(&bytes, fresh(self.next_id)).expect("what is saved loads");
        *held = 0;
        assert_eq!(copy.save(), bytes, "what is loaded saves to the same bytes");
        self.check(at);
    }

    fn check(&self, at: usize) {
        let (copy, seen, _) = &self.copies[at];
        assert_eq!(K::picture(copy), K::oracle(&self.events, *seen), "copy {at}");
    }

    /// Delivers everything to every copy, in order or in reverse; all must save the same bytes.
    pub(crate) fn settle(&mut self) {
        let all = self.events.len();
        for at in 0..self.copies.len() {
            for step in 0..all {
                let event = if at % 2 == 0 { step } else { all - 1 - step };
                self.hear(at, event);
            }
            assert_eq!(self.copies[at].0.held(), 0);
        }
        let mut merged = Replica::<K::Value>::new(fresh(99));
        self.copies.iter().rev().for_each(|(copy, ..)| _ = merged.merge(copy));
        for (copy, ..) in &self.copies {
            assert_eq!(copy.save(), merged.save(), "all have seen the same");
        }
    }
}

fn steps<K: Kind>() -> impl Strategy<Value = Step<K::Wish>> {
    let at = 0..3_usize;
    prop_oneof![
        10 => (at.clone(), K::wishes()).prop_map(|(at, wish)| Step::Edit { at, wish }),
        6 => (at.clone(), 0..EVENTS).prop_map(|(at, event)| Step::Hear { at, event }),
        4 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Merge { from, to }),
        1 => at.prop_map(|at| Step::Load { at }),
    ]
}

/// Runs random scripts, shrunk to the shortest that fails.
pub(crate) fn search<K: Kind>() {
    let strategy = proptest::collection::vec(steps::<K>(), 1..60);
    let config = Config {
        failure_persistence: None,
        cases: Config::default().cases.max(512),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&strategy, |script| {
        let mut copies = Copies::<K>::new(&[2, 3, 1]);
        script.iter().for_each(|step| copies.step(step));
        copies.settle();
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Runs every sequence of `depth` wishes, and merges between them, on three copies that start from
/// the same few events.
pub(crate) fn exhaust<K: Kind>(start: &[K::Wish], wishes: &[K::Wish], depth: usize) {
    let mut scripts: Vec<Vec<Step<K::Wish>>> = vec![Vec::new()];
    for _ in 0..depth {
        scripts = scripts.iter().flat_map(|script| extended::<K>(script, wishes)).collect();
    }
    for script in &scripts {
        let mut copies = Copies::<K>::new(&[2, 3, 1]);
        for wish in start {
            copies.step(&Step::Edit { at: 0, wish: wish.clone() });
        }
        for to in [1, 2] {
            copies.step(&Step::Merge { from: 0, to });
        }
        script.iter().for_each(|step| copies.step(step));
        copies.settle();
    }
    println!("{} scripts", scripts.len());
    assert!(scripts.len() > 1000, "the search has come nowhere");
}

/// Extends a script by a wish at any copy, alone or after that copy has heard everything of any
/// other one.
fn extended<K: Kind>(script: &[Step<K::Wish>], wishes: &[K::Wish]) -> Vec<Vec<Step<K::Wish>>> {
    let mut longer = Vec::new();
    for at in 0..3 {
        for wish in wishes {
            let edit = Step::Edit { at, wish: wish.clone() };
            longer.push([script, std::slice::from_ref(&edit)].concat());
            for from in (0..3).filter(|&from| from != at && !script.is_empty()) {
                let merge = Step::Merge { from, to: at };
                longer.push([script, &[merge, edit.clone()]].concat());
            }
        }
    }
    longer
}
