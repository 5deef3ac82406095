//! Every prefix of a catch-up is causally closed: cut the stream anywhere, and all that came can be
//! applied.
//!
//! A receiver whose buffer corrects a bad order still pays for it: with memory while it catches up,
//! and with everything it was sent if the connection breaks. So the order is checked at the sender:
//! no entry that was in the log when the peer said hello leaves before what it depends on, unless
//! the peer has that already.

use std::collections::BTreeMap;

use rejoin_replica::SpaceCore;
use rejoin_replica::entry::Entry;
use rejoin_replica::message::Message;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::network::EndId;
use crate::violation::{Broken, Checked};

/// The knowledge of each end of a connection about the other end.
#[derive(Default, Debug)]
pub(crate) struct Streams(BTreeMap<EndId, Stream>);

#[derive(Debug)]
struct Stream {
    /// The vector of what the peer is known to have, and of what it was sent.
    has: VersionVector,
    /// The entries before this sequence are the catch-up.
    until: u64,
}

impl Streams {
    /// Notes a message that came in at an end.
    pub(crate) fn heard(&mut self, end: EndId, message: &Message, core: &SpaceCore) {
        if let Message::Hello { pull, vector, .. } = message {
            let until = if *pull { core.log().end() } else { 0 };
            self.0.entry(end).or_insert_with(|| Stream { has: vector.clone(), until });
        }
        let Some(stream) = self.0.get_mut(&end) else { return };
        let mut learn = |id, counter| _ = stream.has.set_at_least(id, counter);
        match message {
            Message::Have(pairs) | Message::Want(pairs) => {
                pairs.iter().for_each(|&(id, counter)| learn(id, counter));
            }
            Message::Entries(entries) => {
                for delta in entries.iter().map(Entry::delta) {
                    learn(delta.origin(), delta.last());
                    delta.deps().into_iter().for_each(|(id, counter)| learn(id, counter));
                }
            }
            _ => {}
        }
    }

    /// Checks an entry, at this sequence of the log, that leaves through an end. `parted`: an
    /// origin, and the counter at which the peer parted from its history; the peer takes in later
    /// what builds upon more of it.
    pub(crate) fn sent(
        &mut self,
        end: EndId,
        sequence: u64,
        entry: &Entry,
        from: ReplicaId,
        parted: Option<(ReplicaId, u64)>,
    ) -> Checked {
        let Some(stream) = self.0.get_mut(&end) else { return Ok(()) };
        let (delta, has) = (entry.delta(), &stream.has);
        let before = (delta.origin(), delta.first() - 1);
        let mut needs = delta.needs().chain([before]);
        let other = |id, counter| parted.is_some_and(|(own, common)| id == own && counter > common);
        let ahead = needs.find(|&(id, counter)| has.get(id) < counter && !other(id, counter));
        if let Some((id, counter)) = ahead.filter(|_| sequence < stream.until) {
            let (origin, first) = (delta.origin(), delta.first());
            let what = format!("{from:?} streams {origin:?}:{first} ahead of {id:?}:{counter}");
            return Err(Broken { checker: "stream", what });
        }
        stream.has.set_at_least(delta.origin(), delta.last());
        Ok(())
    }

    /// Forgets an end that is closed.
    pub(crate) fn closed(&mut self, end: EndId) {
        self.0.remove(&end);
    }
}
