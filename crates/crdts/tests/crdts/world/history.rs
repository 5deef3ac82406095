//! The oracle: every transaction that ever happened, and what a value is by definition.
//!
//! It knows no dots that end, no floors and no vectors. It keeps who had seen what, and computes
//! the value of a set of events from scratch, as the words of the documentation say it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rejoin_crdts::{Delta, HybridTimestamp, ReplicaId, VersionVector};

/// A set of events: bit `i` is the `i`-th event of the history.
pub(crate) type Seen = u64;

/// Names from the value down; the last may be a set's element.
pub(crate) type Place = &'static [&'static str];

/// What an operation does at its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum What {
    /// Adds to a counter.
    Count(i64),
    /// Adds an element.
    Member,
    /// Writes a register.
    Write(&'static str),
    /// Resets, clears or removes what is at the place and below.
    End,
}

/// One operation of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Act {
    pub(crate) place: Place,
    pub(crate) what: What,
}

/// Adds to the counter at a place.
pub(crate) const fn count(place: Place, amount: i64) -> Act {
    Act { place, what: What::Count(amount) }
}

/// Adds the element at a place.
pub(crate) const fn add(place: Place) -> Act {
    Act { place, what: What::Member }
}

/// Writes the register at a place.
pub(crate) const fn write(place: Place, text: &'static str) -> Act {
    Act { place, what: What::Write(text) }
}

/// Takes away whatever is at a place and below.
pub(crate) const fn end(place: Place) -> Act {
    Act { place, what: What::End }
}

/// What is to be seen at one leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Leaf {
    /// The sum of a counter.
    Count(i64),
    /// An element.
    Member,
    /// The live writes of a register, the one that stands first.
    Written(Vec<String>),
}

/// All that is to be seen of a value, whatever its type.
pub(crate) type Picture = BTreeMap<Vec<String>, Leaf>;

/// One transaction that changed something.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) delta: Delta,
    pub(crate) acts: Vec<Act>,
    /// The events that its origin had seen.
    pub(crate) observed: Seen,
    /// Equal for the same transaction in the same situation, in whichever script.
    pub(crate) print: u64,
}

/// Everything that ever happened, in the order in which it did.
#[derive(Debug)]
pub(crate) struct History {
    events: Vec<Event>,
    /// Whether a stamp is later than all that its origin had seen: as long as no copy was loaded.
    pub(crate) stamps_ascend: bool,
}

impl Default for History {
    fn default() -> Self {
        Self { events: Vec::new(), stamps_ascend: true }
    }
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn event(&self, event: usize) -> &Event {
        &self.events[event]
    }

    /// Notes a transaction and what its origin had seen.
    pub(crate) fn push(&mut self, delta: Delta, acts: Vec<Act>, observed: Seen) -> usize {
        for (_, earlier) in self.of(observed).filter(|_| self.stamps_ascend) {
            assert!(earlier.delta.stamp() < delta.stamp(), "a stamp from the past: {delta:?}");
        }
        let mut print = DefaultHasher::new();
        (delta.origin(), delta.first(), delta.stamp(), &acts).hash(&mut print);
        self.print(observed).hash(&mut print);
        let print = print.finish();
        self.events.push(Event { delta, acts, observed, print });
        assert!(self.events.len() <= Seen::BITS as usize, "a script of too many transactions");
        self.events.len() - 1
    }

    /// The events of a set.
    pub(crate) fn of(&self, seen: Seen) -> impl Iterator<Item = (usize, &Event)> {
        self.events.iter().enumerate().filter(move |(index, _)| seen >> index & 1 == 1)
    }

    /// A name for a set of events that holds across scripts.
    pub(crate) fn print(&self, seen: Seen) -> u64 {
        self.of(seen).fold(0, |sum, (_, event)| sum.wrapping_add(event.print))
    }

    /// Causal delivery: what is held is seen as soon as all that its origin had seen is.
    pub(crate) fn release(&self, seen: &mut Seen, held: &mut Seen) {
        while let Some((index, _)) =
            self.of(*held & !*seen).find(|(_, event)| event.observed & !*seen == 0)
        {
            *seen |= 1 << index;
        }
        *held &= !*seen;
    }

    /// Up to where a set of events reaches, per origin.
    pub(crate) fn vector(&self, seen: Seen) -> VersionVector {
        let mut vector = VersionVector::new();
        for (_, event) in self.of(seen) {
            vector.set_at_least(event.delta.origin(), event.delta.last());
        }
        vector
    }

    /// What a copy that has seen these events must show.
    pub(crate) fn picture(&self, seen: Seen) -> Picture {
        let mut picture = Picture::new();
        for (place, mut live) in self.live(seen) {
            let leaf = match live[0].what {
                What::Count(_) => Leaf::Count(live.iter().map(|put| put.what.amount()).sum()),
                What::Member | What::End => Leaf::Member,
                What::Write(_) => {
                    live.sort_by_key(|put| std::cmp::Reverse((put.stamp, put.origin)));
                    Leaf::Written(live.iter().map(|put| put.what.text()).collect())
                }
            };
            picture.insert(place.iter().map(|&name| name.to_owned()).collect(), leaf);
        }
        picture
    }

    /// Everything put that nobody who had seen it has taken away.
    fn live(&self, seen: Seen) -> BTreeMap<Place, Vec<Put>> {
        let mut live = BTreeMap::<Place, Vec<Put>>::new();
        for (index, event) in self.of(seen) {
            for (at, act) in event.acts.iter().enumerate() {
                if act.what != What::End && !self.is_ended((index, at), act, seen) {
                    let (stamp, origin) = (event.delta.stamp(), event.delta.origin());
                    live.entry(act.place).or_default().push(Put { stamp, origin, what: act.what });
                }
            }
        }
        live
    }

    fn is_ended(&self, put: (usize, usize), act: &Act, seen: Seen) -> bool {
        self.of(seen).any(|(index, event)| {
            event.acts.iter().enumerate().any(|(at, other)| {
                let observed = event.observed >> put.0 & 1 == 1 || (index == put.0 && at > put.1);
                observed && other.takes_away(act)
            })
        })
    }
}

impl Act {
    /// Whether it takes away an operation that it has seen.
    fn takes_away(&self, put: &Self) -> bool {
        match self.what {
            What::End => put.place.starts_with(self.place),
            What::Write(_) => put.place == self.place,
            What::Count(_) | What::Member => false,
        }
    }
}

/// One operation that is alive.
struct Put {
    stamp: HybridTimestamp,
    origin: ReplicaId,
    what: What,
}

impl What {
    fn amount(self) -> i64 {
        if let Self::Count(amount) = self { amount } else { 0 }
    }

    fn text(self) -> String {
        if let Self::Write(text) = self { text.to_owned() } else { String::new() }
    }
}
