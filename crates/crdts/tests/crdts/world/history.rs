//! The oracle: every transaction that ever happened, and the value by definition.
//!
//! It knows no dots that end, no floors and no vectors. It keeps who had seen what, and computes
//! the value of a set of events from scratch, as the wording of the documentation defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use rejoin_crdts::{Delta, Dot, HybridTimestamp, ReplicaId, VersionVector};

use super::act::{Act, Place, What};
use super::plan::{Step, Verdict};
use super::undo::{self, Inverse};
use super::{LogTwin, id};

/// A set of events: bit `i` is the `i`-th event of the history.
pub(crate) type Seen = u64;

/// The visible value at one leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Leaf {
    /// The sum of a counter.
    Count(i64),
    /// An element, or a flag that is on.
    Member,
    /// The live writes of a register, the one that stands first.
    Written(Vec<String>),
    /// The different live values of a register, ascending.
    Kept(Vec<String>),
    /// The value that stands.
    Stands(String),
    /// The value of a bounded counter, and who holds rights, the most first.
    Rights(u64, Vec<(ReplicaId, u64)>),
}

/// Everything visible of a value, whatever its type.
pub(crate) type Picture = BTreeMap<Vec<String>, Leaf>;

/// One transaction that changed something.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) delta: Delta,
    /// Its effects; operations that were refused or came to nothing are left out.
    pub(crate) acts: Vec<Act>,
    /// The events that its origin had seen.
    pub(crate) observed: Seen,
    /// Equal for the same transaction in the same situation, in any script.
    pub(crate) print: u64,
}

/// Everything that ever happened, in the order in which it did.
#[derive(Clone, Debug)]
pub(crate) struct History {
    events: Vec<Event>,
    /// A stamp is later than all that its origin had seen: true as long as no copy was loaded.
    pub(crate) stamps_ascend: bool,
}

impl Default for History {
    fn default() -> Self {
        Self { events: Vec::new(), stamps_ascend: true }
    }
}

/// One operation, and the events that had been seen when it was done.
pub(super) struct Done {
    pub(super) event: usize,
    pub(super) place_in_event: usize,
    observed: Seen,
    pub(super) stamp: HybridTimestamp,
    pub(super) origin: ReplicaId,
    /// Its dot, where every operation takes one: at a counter without anything above it.
    pub(super) dot: Dot,
    pub(super) act: Act,
}

impl Done {
    pub(super) fn saw(&self, put: &Self) -> bool {
        if self.event == put.event {
            self.place_in_event > put.place_in_event
        } else {
            self.observed >> put.event & 1 == 1
        }
    }

    fn takes_away(&self, put: &Self) -> bool {
        self.saw(put) && self.act.takes_away(&put.act)
    }
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn event(&self, event: usize) -> &Event {
        &self.events[event]
    }

    /// Notes a transaction and the events that its origin had seen.
    pub(crate) fn push(&mut self, delta: Delta, acts: Vec<Act>, observed: Seen) -> usize {
        for (_, earlier) in self.of(observed).filter(|_| self.stamps_ascend) {
            assert!(earlier.delta.stamp() < delta.stamp(), "a stamp from the past: {delta:?}");
        }
        let mut print = DefaultHasher::new();
        (delta.origin(), delta.first(), delta.stamp(), &acts).hash(&mut print);
        self.print(observed).hash(&mut print);
        let print = print.finish();
        self.events.push(Event { delta, acts, observed, print });
        assert!(self.events.len() < Seen::BITS as usize, "a script of too many transactions");
        self.events.len() - 1
    }

    /// The events of a set.
    pub(crate) fn of(&self, seen: Seen) -> impl Iterator<Item = (usize, &Event)> {
        self.events.iter().enumerate().filter(move |(index, _)| seen >> index & 1 == 1)
    }

    /// All events.
    pub(crate) const fn all(&self) -> Seen {
        (1 << self.events.len()) - 1
    }

    /// Every set of events that a copy can have seen.
    pub(crate) fn sets(&self) -> impl Iterator<Item = Seen> {
        (0..=self.all()).filter(|&set| self.of(set).all(|(_, event)| event.observed & !set == 0))
    }

    /// Returns the events of a set that no other of it had seen: any of them can have come last.
    pub(crate) fn last_of(&self, set: Seen) -> impl Iterator<Item = usize> {
        let had_seen = self.of(set).fold(0, |seen, (_, event)| seen | event.observed);
        self.of(set & !had_seen).map(|(index, _)| index)
    }

    /// True if a set holds everything that a replica did itself.
    pub(crate) fn knows_itself(&self, set: Seen, id: ReplicaId) -> bool {
        self.of(!set).all(|(_, event)| event.delta.origin() != id)
    }

    /// A name for a set of events that holds across scripts.
    pub(crate) fn print(&self, seen: Seen) -> u64 {
        self.of(seen).fold(0, |sum, (_, event)| sum.wrapping_add(event.print))
    }

    /// Causal delivery: a held event is seen as soon as everything that its origin had seen is
    /// seen.
    pub(crate) fn release(&self, seen: &mut Seen, held: &mut Seen) {
        while let Some((index, _)) =
            self.of(*held & !*seen).find(|(_, event)| event.observed & !*seen == 0)
        {
            *seen |= 1 << index;
        }
        *held &= !*seen;
    }

    /// Returns the last counter of each origin in a set of events.
    pub(crate) fn vector(&self, seen: Seen) -> VersionVector {
        let mut vector = VersionVector::new();
        for (_, event) in self.of(seen) {
            vector.set_at_least(event.delta.origin(), event.delta.last());
        }
        vector
    }

    /// Returns the picture that a copy that has seen these events must show.
    pub(crate) fn picture(&self, seen: Seen) -> Picture {
        let mut picture = Picture::new();
        let done = self.done(seen);
        if done.iter().any(|op| op.act.what.undoes()) {
            picture.extend(undo::sum(&done).map(|sum| (Vec::new(), Leaf::Count(sum))));
            return picture;
        }
        let live = live(&done);
        for (place, live) in live.iter().filter(|(place, _)| !is_hidden(&live, place)) {
            if let Some(leaf) = leaf(live) {
                picture.insert(place.iter().map(|&name| name.to_owned()).collect(), leaf);
            }
        }
        picture
    }

    /// Decides the outcome of each operation of a transaction by `origin`, which has seen these
    /// events.
    pub(crate) fn plan(&self, seen: Seen, origin: ReplicaId, acts: &[Act]) -> Vec<Step> {
        let mut done = self.done(seen);
        let mut plan = Vec::new();
        let event = self.events.len();
        let (first, known) = (self.vector(seen).get(origin) + 1, done.len());
        for &act in acts {
            let act = self.aimed(act, &done[..known]);
            let (verdict, performed) = judge(&done, origin, act);
            for &act in &performed {
                let stamp = HybridTimestamp::default();
                let place_in_event = done.len();
                let own = first + (place_in_event - known) as u64;
                let dot = Dot::new(origin, own).expect("a few transactions");
                done.push(Done { event, place_in_event, observed: seen, stamp, origin, dot, act });
            }
            plan.push(Step { act, verdict, performed });
        }
        plan
    }

    /// Returns an undo with what it undoes, out of the operations that its author has seen.
    fn aimed(&self, act: Act, done: &[Done]) -> Act {
        let What::Undo(many) = act.what else { return act };
        let Some(target) = undo::last_but(many, done) else { return act };
        let event = &self.events[target.event];
        let mut log = LogTwin::default();
        log.catch_up(self, event.observed);
        let undoings = log.undoings(&event.delta).swap_remove(target.place_in_event);
        // Acts are letters, which are copied everywhere.
        let by = Box::leak(undoings.into_boxed_slice());
        Act { what: What::Undoes(Inverse { of: target.dot, by }), ..act }
    }

    /// Every operation of a set of events.
    fn done(&self, seen: Seen) -> Vec<Done> {
        let done = self.of(seen).flat_map(|(event, happened)| {
            happened.acts.iter().enumerate().map(move |(place_in_event, &act)| Done {
                event,
                place_in_event,
                observed: happened.observed,
                stamp: happened.delta.stamp(),
                origin: happened.delta.origin(),
                dot: {
                    let counter = happened.delta.first() + place_in_event as u64;
                    Dot::new(happened.delta.origin(), counter).expect("a few transactions")
                },
                act,
            })
        });
        done.collect()
    }
}

/// Returns everything put that nobody who had seen it has taken away.
fn live(done: &[Done]) -> BTreeMap<Place, Vec<&Done>> {
    let mut live = BTreeMap::<Place, Vec<&Done>>::new();
    for put in done.iter().filter(|put| put.act.what.puts()) {
        if !done.iter().any(|other| other.takes_away(put)) {
            live.entry(put.act.place).or_default().push(put);
        }
    }
    live
}

/// The state of a key that was removed unless changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Veiled {
    /// Everybody who removed it so had seen everything alive there.
    Hidden,
    /// Somebody who had not seen the removal had changed it.
    Spared,
}

fn veiled(live: &BTreeMap<Place, Vec<&Done>>, key: &[&str]) -> Option<Veiled> {
    let is_veil = |put: &&&Done| put.act.what == What::Veil;
    let veils: Vec<&Done> = live.get(key)?.iter().filter(is_veil).copied().collect();
    let below = live.iter().filter(|(place, _)| place.starts_with(key)).flat_map(|(_, live)| live);
    let mut changes = below.filter(|put| !is_veil(put));
    let spared = changes.any(|put| !veils.iter().any(|veil| veil.saw(put)));
    (!veils.is_empty()).then_some(if spared { Veiled::Spared } else { Veiled::Hidden })
}

fn is_hidden(live: &BTreeMap<Place, Vec<&Done>>, place: &[&str]) -> bool {
    (1..=place.len()).any(|end| veiled(live, &place[..end]) == Some(Veiled::Hidden))
}

/// Returns the operations that precede one that writes at a place: hidden data on the way there
/// end, and data that were spared stay. An operation that only takes away leaves hidden data alone.
fn opens(live: &BTreeMap<Place, Vec<&Done>>, act: Act) -> Vec<Act> {
    let mut before = Vec::new();
    let ends = act.what == What::End;
    let longest = if ends { act.place.len().saturating_sub(1) } else { act.place.len() };
    for end in 1..=longest {
        let place = &act.place[..end];
        match veiled(live, place) {
            Some(Veiled::Hidden) if ends => {}
            Some(Veiled::Hidden) => {
                before.push(Act { place, what: What::End });
                break;
            }
            Some(Veiled::Spared) => before.push(Act { place, what: What::Unveil }),
            None => {}
        }
    }
    before
}

/// Returns the visible value where these operations are alive.
fn leaf(live: &[&Done]) -> Option<Leaf> {
    let live: Vec<&Done> = live.iter().filter(|put| put.act.what != What::Veil).copied().collect();
    let live = live.as_slice();
    let texts = || live.iter().map(|put| put.act.what.text().to_owned());
    Some(match live.first()?.act.what {
        What::Count(_) => {
            let amount = |put: &&Done| if let What::Count(n) = put.act.what { n } else { 0 };
            Leaf::Count(live.iter().map(amount).sum())
        }
        What::Member => Leaf::Member,
        What::Write(_) => {
            let mut writes: Vec<_> =
                live.iter().map(|put| (put.stamp, put.origin)).zip(texts()).collect();
            writes.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
            Leaf::Written(writes.into_iter().map(|(_, text)| text).collect())
        }
        What::Keep(_) => Leaf::Kept(texts().collect::<BTreeSet<_>>().into_iter().collect()),
        What::Raise(_) => Leaf::Stands(texts().max()?),
        What::Lower(_) => Leaf::Stands(texts().min()?),
        What::Admit | What::Bar | What::Enter | What::Leave => {
            let against = |put: &&Done| matches!(put.act.what, What::Bar | What::Leave);
            return (!live.iter().any(against)).then_some(Leaf::Member);
        }
        What::Grant(_) | What::Spend(_) | What::Pass(..) | What::Reclaim(_) => rights(live),
        What::End | What::BarAll | What::Veil | What::Unveil => return None,
        What::Undo(_) | What::Undoes(_) | What::Corrects { .. } | What::Lifts { .. } => {
            return None;
        }
    })
}

/// Returns the visible value of a bounded counter. Panics if the bound is broken.
fn rights(live: &[&Done]) -> Leaf {
    let (value, balances) = balances(live);
    let positive = |(id, balance)| Some((id, u64::try_from(balance).ok()?));
    let mut holders: Vec<_> = balances.into_iter().filter_map(positive).collect();
    holders.retain(|&(_, held)| held > 0);
    holders.sort_by_key(|&(id, held)| (std::cmp::Reverse(held), id));
    Leaf::Rights(u64::try_from(value).expect("never below zero"), holders)
}

/// Returns the holder of the rights of each retired replica, by going through all claims one by
/// one.
fn heirs(live: &[&Done]) -> BTreeMap<ReplicaId, ReplicaId> {
    let claim = |put: &&Done| match put.act.what {
        What::Reclaim(retired) => Some((id(retired), put.origin)),
        _ => None,
    };
    let mut heirs = BTreeMap::new();
    for (retired, heir) in live.iter().filter_map(claim).collect::<BTreeSet<_>>() {
        if !heirs.contains_key(&retired) && last_heir(&heirs, heir) != retired {
            heirs.insert(retired, heir);
        }
    }
    heirs
}

fn heir(live: &[&Done], id: ReplicaId) -> ReplicaId {
    last_heir(&heirs(live), id)
}

fn last_heir(heirs: &BTreeMap<ReplicaId, ReplicaId>, id: ReplicaId) -> ReplicaId {
    heirs.get(&id).map_or(id, |&heir| last_heir(heirs, heir))
}

/// Returns the value of a bounded counter, and each replica's part of it.
fn balances(live: &[&Done]) -> (i128, BTreeMap<ReplicaId, i128>) {
    let heirs = heirs(live);
    let mut value = 0;
    let mut held = BTreeMap::<ReplicaId, i128>::new();
    for put in live {
        let mut gets = |id, amount: i128| *held.entry(last_heir(&heirs, id)).or_default() += amount;
        match put.act.what {
            What::Grant(amount) => {
                gets(put.origin, amount.into());
                value += i128::from(amount);
            }
            What::Spend(amount) => {
                gets(put.origin, -i128::from(amount));
                value -= i128::from(amount);
            }
            What::Pass(amount, to) => {
                gets(put.origin, -i128::from(amount));
                gets(id(to), amount.into());
            }
            What::Reclaim(_) => gets(put.origin, 0),
            _ => {}
        }
    }
    (value, held)
}

/// Decides the outcome of an operation after these others, and the effects that history records.
fn judge(done: &[Done], origin: ReplicaId, act: Act) -> (Verdict, Vec<Act>) {
    let live = live(done);
    let here = live.get(act.place);
    let counted = here.map_or(&[][..], |here| here.as_slice());
    let any = |what| here.is_some_and(|here| here.iter().any(|put| put.act.what == what));
    let verdict = match act.what {
        What::End => {
            let any = live.values().flatten().any(|put| act.takes_away(&put.act));
            Verdict::of(any || undo::any_put_back(done))
        }
        What::Undo(_) => Verdict::Nothing,
        What::Undoes(inverse) => {
            let target = done.iter().find(|op| op.dot == inverse.of).expect("it was seen");
            let outcome = undo::outcome(target, done);
            let performed = outcome.map(|what| Act { what, ..act }).into_iter().collect();
            return (Verdict::of(outcome.is_some()), performed);
        }
        What::BarAll => {
            let there = live.iter().filter(|(place, here)| {
                place.starts_with(act.place)
                    && leaf(here) == Some(Leaf::Member)
                    && !is_hidden(&live, place)
            });
            let bars: Vec<Act> = there.map(|(place, _)| Act { place, what: What::Bar }).collect();
            let verdict = Verdict::of(!bars.is_empty());
            let before = if bars.is_empty() { Vec::new() } else { opens(&live, act) };
            return (verdict, [before, bars].concat());
        }
        What::Veil => {
            let below = live.iter().filter(|(place, _)| place.starts_with(act.place));
            let any = below.flat_map(|(_, live)| live).any(|put| put.act.what != What::Veil);
            Verdict::of(any && !is_hidden(&live, act.place))
        }
        What::Enter if any(What::Leave) => Verdict::Gone,
        What::Leave => Verdict::of(any(What::Enter) && !any(What::Leave)),
        What::Grant(_) | What::Spend(_) | What::Pass(..) | What::Reclaim(_)
            if heir(counted, origin) != origin =>
        {
            Verdict::Retired { id: origin, heir: heir(counted, origin) }
        }
        What::Reclaim(retired) => {
            let (_, balances) = balances(counted);
            Verdict::of(balances.contains_key(&id(retired)) && id(retired) != origin)
        }
        What::Spend(amount) | What::Pass(amount, _) => {
            let Leaf::Rights(_, holders) = rights(counted) else {
                unreachable!("it counts rights")
            };
            let held = holders.iter().find(|(id, _)| *id == origin).map_or(0, |&(_, held)| held);
            let others = holders.into_iter().filter(|(id, _)| *id != origin).collect();
            match act.what {
                _ if held < amount => Verdict::Lacks { held, others },
                What::Pass(_, to) if heir(counted, id(to)) != id(to) => {
                    Verdict::Retired { id: id(to), heir: heir(counted, id(to)) }
                }
                What::Pass(_, to) => Verdict::of(id(to) != origin),
                _ => Verdict::Done,
            }
        }
        _ => Verdict::Done,
    };
    if verdict != Verdict::Done {
        return (verdict, Vec::new());
    }
    let mut performed = if act.what == What::Veil { Vec::new() } else { opens(&live, act) };
    performed.push(act);
    (verdict, performed)
}
