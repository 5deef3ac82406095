//! A few replicas with a copy each, a few clients with the context each has read last, and beside
//! all of them the oracle.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rejoin_vclock::{Dot, VersionVector, codec::Decode, codec::Encode};

use super::{
    Siblings,
    oracle::{Oracle, Read},
};
use crate::strategies::id;

/// Everything that can happen. The numbers are those of clients and replicas.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Read { client: usize, at: usize },
    Write { client: usize, at: usize },
    Discard { client: usize, at: usize },
    Merge { from: usize, to: usize },
}

/// Every command in a world of this size.
pub(super) fn alphabet(replicas: usize, clients: usize) -> Vec<Command> {
    let at = |client| (0..replicas).map(move |at| (client, at));
    let by_clients = (0..clients).flat_map(at).flat_map(|(client, at)| {
        [
            Command::Read { client, at },
            Command::Write { client, at },
            Command::Discard { client, at },
        ]
    });
    let pairs = (0..replicas).flat_map(at).filter(|(from, to)| from != to);
    by_clients.chain(pairs.map(|(from, to)| Command::Merge { from, to })).collect()
}

pub(super) fn commands(replicas: usize, clients: usize) -> impl Strategy<Value = Command> {
    proptest::sample::select(alphabet(replicas, clients))
}

#[derive(Clone, Debug)]
pub(super) struct World {
    copies: Vec<(Siblings, Oracle)>,
    clients: Vec<(VersionVector, Read)>,
    writes: u64,
}

impl World {
    pub(super) fn new(replicas: usize, clients: usize) -> Self {
        Self {
            copies: vec![Default::default(); replicas],
            clients: vec![Default::default(); clients],
            writes: 0,
        }
    }

    pub(super) fn copy(&self, replica: usize) -> &Siblings {
        &self.copies[replica].0
    }

    /// Performs a command. False if nothing happened and the world is the same as before.
    pub(super) fn run(&mut self, command: Command) -> bool {
        match command {
            Command::Read { client, at } => {
                let (siblings, oracle) = &self.copies[at];
                let now = (siblings.context(), oracle.read());
                std::mem::replace(&mut self.clients[client], now) != self.clients[client]
            }
            Command::Write { client, at } => {
                self.write(client, at);
                true
            }
            Command::Discard { client, at } => {
                let (context, read) = &self.clients[client];
                let (siblings, oracle) = &mut self.copies[at];
                let before = oracle.clone();
                oracle.discard(read);
                assert_eq!(siblings.discard(context), *oracle != before, "{siblings:?}");
                *oracle != before
            }
            Command::Merge { from, to } => {
                let (other, other_oracle) = self.copies[from].clone();
                let (siblings, oracle) = &mut self.copies[to];
                let before = oracle.clone();
                oracle.merge(&other_oracle);
                assert_eq!(siblings.merge(&other), *oracle != before, "{siblings:?}, {other:?}");
                *oracle != before
            }
        }
    }

    fn write(&mut self, client: usize, at: usize) {
        let (context, read) = &self.clients[client];
        let (siblings, oracle) = &mut self.copies[at];
        // One replica is the twin of another in half of its id.
        let replica = replica(at);
        let dot = siblings.update(context, replica, self.writes).expect("in range");
        assert_eq!(dot, oracle.write(read, replica, self.writes));
        self.writes += 1;
    }

    /// Checks that every copy shows what its oracle says, and relates to the others as the oracles
    /// do.
    pub(super) fn check(&self) {
        for (siblings, oracle) in &self.copies {
            check_copy(siblings, oracle);
            for (other, other_oracle) in &self.copies {
                let order = oracle.compare(other_oracle);
                assert_eq!(siblings.compare(other), order, "{siblings:?} and {other:?}");
                assert_eq!(siblings.partial_cmp(other), order.into());
                assert_eq!(siblings == other, oracle == other_oracle);
            }
        }
    }
}

fn replica(n: usize) -> rejoin_vclock::ReplicaId {
    id(u8::try_from(3 * n).expect("a small world"))
}

fn check_copy(siblings: &Siblings, oracle: &Oracle) {
    assert_eq!(siblings.validate(), Ok(()), "{siblings:?}");
    let expected = oracle.siblings();
    let shown: Vec<(Dot, u64)> = siblings.siblings().map(|(dot, value)| (dot, *value)).collect();
    assert_eq!(shown.iter().copied().collect::<BTreeMap<_, _>>(), expected, "{siblings:?}");
    let newest_first = |(dot, _): &(Dot, u64)| (dot.replica(), std::cmp::Reverse(dot.counter()));
    assert!(shown.is_sorted_by_key(newest_first), "{siblings:?}");
    assert!(siblings.values().eq(shown.iter().map(|(_, value)| value)), "{siblings:?}");
    assert_eq!(siblings.len(), expected.len());
    assert_eq!(siblings.is_empty(), expected.is_empty());
    assert_eq!(siblings.is_conflict(), expected.len() > 1);
    for dot in oracle.read() {
        assert!(siblings.contains(dot), "{dot} is known to {siblings:?}");
        assert_eq!(siblings.get(dot), expected.get(&dot), "{dot} in {siblings:?}");
    }
    let known = siblings.context();
    assert_eq!(known.iter().map(|(_, count)| count).sum::<u64>(), oracle.read().len() as u64);
    assert_eq!(Siblings::from_bytes(&siblings.to_bytes()).as_ref(), Ok(siblings));
}
