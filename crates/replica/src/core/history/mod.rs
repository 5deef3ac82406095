//! The histories of all origins, as far as they are applied here: where each entry is in the log,
//! the running hash of each origin after it, and which origins turned out to have two.
//!
//! It answers one question for everybody: is this another history? Whoever asks acts on the
//! [`Verdict`].

pub(crate) mod forks;
pub(crate) mod rewritten;

use std::collections::BTreeMap;

use rejoin_crdts::Delta;
use rejoin_crdts::state::Context;
use rejoin_vclock::ReplicaId;

use crate::core::history::forks::Forks;
use crate::core::history::rewritten::{Rewritten, RewrittenHere};
use crate::core::outbox::Outbox;
use crate::error::Result;
use crate::format::entry::{Entry, Head, HeadAt};
use crate::log::{IndexEntry, Log};

/// An entry that arrived, and the heads of its origin before and after it at the sender, if they
/// are known from the sender's stream.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub entry: Entry,
    pub heads: Option<(Head, Head)>,
}

impl AsRef<Delta> for Arrival {
    fn as_ref(&self) -> &Delta {
        self.entry.delta()
    }
}

/// The judgement on an entry that is the next of its origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It goes on from the history that is here.
    Continues,
    /// Its origin has two histories, and nobody has chosen one.
    Frozen,
    /// The sender's history of the origin is another: its head before the entry, and the one here.
    Differs {
        /// The head there.
        theirs: HeadAt,
        /// The head here.
        ours: Head,
    },
    /// It begins a branch that is here under a derived id; the head after it.
    HereRewritten(HeadAt),
    /// It is the first of a derived id, and the branch is here under the id that it had before.
    HereBefore(Rewritten),
    /// It is the first of a derived id, and the record to compare it with cannot be read.
    Undecided,
}

/// The head of an origin's history at a counter, as far as it is known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    Head(Head),
    /// No entry ends there, though there are later ones.
    Nothing,
    /// The head is not known: the entry has not arrived or is not durable yet, or its record cannot
    /// be read.
    Unknown,
}

/// What is applied of each origin.
#[derive(Debug)]
pub(crate) struct History {
    pub log: Log,
    /// Per origin, the running hash of its entries that are applied here.
    heads: BTreeMap<ReplicaId, Head>,
    pub forks: Forks,
    /// The flushed entries whose log records are missing.
    pub missing: Missing,
    pub rewritten: RewrittenHere,
    /// True if records of the log are missing, as far as it was read.
    pub has_holes: bool,
    /// The sequence up to which the log was written before the opening, until somebody has looked
    /// back at it.
    pub earlier: Option<u64>,
}

impl History {
    pub(crate) fn over(log: Log, heads: BTreeMap<ReplicaId, Head>) -> Self {
        let earlier = Some(log.end()).filter(|&end| end > 0);
        let (forks, missing) = (Forks::default(), Missing::default());
        let rewritten = RewrittenHere::default();
        Self { log, heads, forks, missing, rewritten, has_holes: false, earlier }
    }

    /// The running hash of an origin's entries that are applied here.
    pub(crate) fn head(&self, origin: ReplicaId) -> Head {
        self.heads.get(&origin).copied().unwrap_or_default()
    }

    /// Adds the entry that was applied next, with the head of its origin after it. Returns its
    /// sequence in the log.
    pub(crate) fn push(&mut self, entry: &Entry, head: Head) -> u64 {
        Rewritten::told_by(entry).iter().for_each(|branch| self.rewritten.add(branch));
        self.heads.insert(entry.delta().origin(), head);
        self.log.push(entry.delta(), entry.bytes().len())
    }

    /// Leaves the next sequence without an entry.
    pub(crate) fn leave_hole(&mut self) {
        self.has_holes = true;
        self.log.leave_hole();
    }

    /// Finds out whether an entry, which is the next of its origin, goes on from the history that
    /// is here. `context`: what is applied.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a record that has to be compared is
    /// damaged.
    pub(crate) fn check(
        &self,
        Arrival { entry, heads }: &Arrival,
        context: &Context,
        outbox: &Outbox,
    ) -> Result<Verdict> {
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        let own = self.head(origin);
        let is_blind = rejoin_vclock::mutant!("branch-taken-twice");
        if self.forks.is_frozen(origin) {
            return Ok(Verdict::Frozen);
        }
        if self.rewritten.begins_at(origin, first) && !is_blind {
            let theirs = HeadAt { origin, counter: first, head: own.after(entry) };
            if self.rewritten.is_here(theirs) {
                return Ok(Verdict::HereRewritten(theirs));
            }
        }
        let is_here = |branch: &Rewritten| context.seen(branch.origin) >= branch.first;
        if let Some(branch) = Rewritten::told_by(entry).filter(is_here).filter(|_| !is_blind) {
            match self.head_after(branch.origin, branch.first - 1, outbox)? {
                Some(own) if own == branch.head => return Ok(Verdict::HereBefore(branch)),
                Some(_) => {}
                None => return Ok(Verdict::Undecided),
            }
        }
        let counter = first - 1;
        Ok(match *heads {
            Some((head, _)) if head != own && !rejoin_vclock::mutant!("head-not-compared") => {
                Verdict::Differs { theirs: HeadAt { origin, counter, head }, ours: own }
            }
            _ => Verdict::Continues,
        })
    }

    /// The head after the first entry of an origin beyond a counter, whether it is durable or not.
    /// `None` if it cannot be found out.
    fn head_after(&self, origin: ReplicaId, counter: u64, outbox: &Outbox) -> Result<Option<Head>> {
        // Damage of the index is reported and repaired elsewhere.
        let Ok(Some(sequence)) = self.log.first_after(origin, counter) else { return Ok(None) };
        let is_blind = rejoin_vclock::mutant!("early-branch-not-compared");
        let coming = outbox.head_to_come(sequence).filter(|_| !is_blind);
        Ok(coming.or(self.look_up(sequence, outbox)?).map(|at| at.head))
    }

    /// The head of an origin at a counter, as far as it may be compared with that of a peer: the
    /// latest one, or that of a durable entry. `seen`: the counter up to which it is applied.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when the record is damaged.
    pub(crate) fn known(
        &self,
        origin: ReplicaId,
        counter: u64,
        seen: u64,
        outbox: &Outbox,
    ) -> Result<Known> {
        if counter == 0 {
            return Ok(Known::Head(Head::default()));
        }
        if counter >= seen {
            let is_here = counter == seen;
            return Ok(if is_here { Known::Head(self.head(origin)) } else { Known::Unknown });
        }
        Ok(match self.log.ending_at(origin, counter) {
            Ok(Some(sequence)) => {
                let found = self.look_up(sequence, outbox)?;
                found.map_or(Known::Unknown, |at| Known::Head(at.head))
            }
            // Damage is reported and repaired elsewhere; it is not another history.
            Err(_) => Known::Unknown,
            Ok(None) if self.log.floor().get(origin) >= counter => Known::Unknown,
            Ok(None) => Known::Nothing,
        })
    }

    /// Reads the heads of at most `most` durable entries of an origin that end between two
    /// counters, spread evenly. `None` when the log's index cannot be read.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a record is damaged.
    pub(crate) fn spread(
        &self,
        origin: ReplicaId,
        (low, high): (u64, u64),
        most: u64,
        outbox: &Outbox,
    ) -> Result<Option<Vec<HeadAt>>> {
        let Ok(sequences) = self.log.spread(origin, low, high, most) else { return Ok(None) };
        let found = sequences.into_iter().map(|sequence| self.look_up(sequence, outbox));
        found.filter_map(Result::transpose).collect::<Result<_, _>>().map(Some)
    }

    /// Reads the head in the log record at a sequence. `None` if it is not durable yet, or known to
    /// be missing.
    fn look_up(&self, sequence: u64, outbox: &Outbox) -> Result<Option<HeadAt>> {
        let is_there = sequence < outbox.durable() && !self.log.is_unreadable(sequence);
        match is_there && !rejoin_vclock::mutant!("look-up-lost") {
            true => self.log.head_at(sequence).map(Some),
            false => Ok(None),
        }
    }

    /// Notes that the record at a sequence cannot be read any more. Its entry is not passed on, and
    /// is asked for again.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when the log's index cannot be read.
    pub(crate) fn mark_unreadable(&mut self, sequence: u64) -> Result<()> {
        if let Some(entry) = self.log.entry_at(sequence)?.filter(|entry| entry.last > 0) {
            self.log.unreadable.insert(sequence);
            self.missing.add(sequence, &entry);
        }
        Ok(())
    }

    /// Notes that the record at a sequence is there again. `dot`: the first one of its entry.
    pub(crate) fn mark_restored(&mut self, sequence: u64, dot: (ReplicaId, u64)) {
        self.log.unreadable.remove(&sequence);
        self.missing.remove(dot);
    }

    /// Finds the sequences of the entries of its origin before and after an entry.
    ///
    /// # Errors
    /// As [`mark_unreadable`](Self::mark_unreadable).
    pub(crate) fn around(&self, entry: &Entry) -> Result<(Option<u64>, Option<u64>)> {
        let delta = entry.delta();
        let before = self.log.ending_at(delta.origin(), delta.first() - 1)?;
        Ok((before, self.log.first_after(delta.origin(), delta.last())?))
    }
}

/// The entries that the log lacks, because their records were lost after they were flushed, and
/// those that have come in their place.
///
/// The state contains their effect, so nothing is wrong here; but a peer that lacks them cannot be
/// served, and the state could not be rebuilt from the log. An entry that a peer sends in their
/// place is accepted only if the running hash over it meets the hash of the record that comes
/// after, or the origin's head where there is none.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    /// By origin and first counter.
    entries: BTreeMap<(ReplicaId, u64), MissingEntry>,
    restored: Vec<(u64, Entry)>,
}

/// An entry that the log lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MissingEntry {
    pub last: u64,
    sequence: u64,
    /// When a peer was last asked for it.
    pub asked: Option<u64>,
}

impl Missing {
    pub(crate) fn add(&mut self, sequence: u64, entry: &IndexEntry) {
        let lost = MissingEntry { last: entry.last, sequence, asked: None };
        self.entries.insert((entry.origin, entry.first), lost);
    }

    pub(crate) fn remove(&mut self, dot: (ReplicaId, u64)) {
        self.entries.remove(&dot);
    }

    /// The entries by their first dots, to ask for them.
    pub(crate) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = ((ReplicaId, u64), &mut MissingEntry)> {
        self.entries.iter_mut().map(|(&dot, missing)| (dot, missing))
    }

    /// The first dots of the entries.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.entries.keys().copied()
    }

    /// Keeps an entry that is applied here already, if it is one that the log lacks.
    pub(crate) fn keep(&mut self, entry: &Entry) {
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        let lost = self.entries.get(&(origin, first));
        if let Some(lost) = lost.filter(|lost| lost.last == entry.delta().last()) {
            self.restored.push((lost.sequence, entry.clone()));
        }
    }

    /// Takes the entries that came in the place of lost ones, and where those stood.
    pub(crate) fn take_restored(&mut self) -> Vec<(u64, Entry)> {
        std::mem::take(&mut self.restored)
    }
}
