//! Several replicas of one value, and the model beside each.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rejoin::crdts::{Clock, Replica};
use rejoin::prelude::{Delta, EditError};
use rejoin::{FreshId, ReplicaId};

use super::author::Author;
use super::deeds::Deed;
use super::perform::perform;
use super::steps::{BEGIN, End, Step};
use super::world::{self, World};
use crate::dice::Dice;
use crate::model::{Act, Fault, History, Seen, Shown, show};

thread_local! {
    /// What the clock of whoever acts at the moment shows.
    static WALL: Cell<u64> = const { Cell::new(BEGIN) };
}

/// A clock that shows what the run says.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Wall;

impl Clock for Wall {
    fn now_millis(&mut self) -> u64 {
        WALL.get()
    }
}

/// A transaction that somebody made.
struct Made {
    delta: Delta,
    /// The transactions that its author had seen.
    seen: Seen,
    ops: std::ops::Range<usize>,
}

/// One replica, and what the model knows of it.
struct Copy {
    replica: Replica<World, Wall>,
    wall: u64,
    /// The transactions that it has applied, and those that wait.
    applied: Seen,
    held: Seen,
    /// It has all deltas that it has seen.
    remembers: bool,
}

/// A run.
pub(crate) struct Copies {
    history: History,
    made: Vec<Made>,
    by_dot: BTreeMap<(ReplicaId, u64), usize>,
    copies: Vec<Copy>,
    ids: Vec<ReplicaId>,
    /// What was saved by those who had seen the same.
    saved: HashMap<Seen, Vec<u8>>,
    pub(crate) checks: u64,
}

type Checked = Result<(), String>;

/// The most ids in a run.
const MOST_IDS: usize = 10;

fn equal<T: PartialEq + std::fmt::Debug>(came: &T, expected: &T, what: &str) -> Checked {
    if came == expected { Ok(()) } else { Err(format!("{what}: {came:?}, and not {expected:?}")) }
}

/// The first line in which two differ.
pub(crate) fn same(came: &Shown, expected: &Shown, what: &str) -> Checked {
    let mut places: Vec<_> = came.keys().chain(expected.keys()).collect();
    places.sort();
    for place in places {
        let (came, expected) = (came.get(place), expected.get(place));
        if came != expected {
            return Err(format!("{what}: at {place} is {came:?}, expected is {expected:?}"));
        }
    }
    Ok(())
}

impl Copies {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        let mut new = Self {
            history: History { ops: Vec::new(), fault },
            made: Vec::new(),
            by_dot: BTreeMap::new(),
            copies: Vec::new(),
            ids: Vec::new(),
            saved: HashMap::new(),
            checks: 0,
        };
        for _ in 0..3 {
            let replica = Replica::new(new.fresh());
            new.add(replica, Seen::default(), BEGIN, true);
        }
        new
    }

    /// A new id. They do not ascend, so that the order of ids is not that of time.
    fn fresh(&mut self) -> FreshId {
        let number = u128::try_from(self.ids.len()).expect("a few") * 7 % 11 + 1;
        // People see the beginning of an id.
        let id = ReplicaId::from_u128(number << 96);
        self.ids.push(id);
        FreshId::assume_fresh(id)
    }

    fn add(&mut self, replica: Replica<World, Wall>, applied: Seen, wall: u64, remembers: bool) {
        self.copies.push(Copy { replica, wall, applied, held: Seen::default(), remembers });
    }

    pub(crate) fn step(&mut self, step: &Step) -> Checked {
        let many = self.copies.len();
        match *step {
            Step::Edit { who, ref deeds, end } => self.edit(who % many, deeds, end),
            Step::Deliver { to, back, as_bytes } => {
                let Some(last) = self.made.len().checked_sub(1) else { return Ok(()) };
                self.deliver(to % many, last - back % self.made.len(), as_bytes)
            }
            Step::CatchUp { to, from } => self.catch_up(to % many, from % many),
            Step::Merge { to, from } => self.merge(to % many, from % many),
            Step::Fork { from } => self.fork(from % many),
            Step::Reload { who } => self.reload(who % many),
            Step::Remember { who, bytes } => {
                let copy = &mut self.copies[who % many];
                copy.replica.remember(bytes);
                copy.remembers = false;
                Ok(())
            }
            Step::Clock { who, wall } => {
                self.copies[who % many].wall = wall;
                Ok(())
            }
        }
    }

    /// The operations that somebody who has these transactions has seen.
    fn ops(&self, applied: &Seen) -> Seen {
        let mut seen = Seen::default();
        for transaction in applied.iter() {
            self.made[transaction].ops.clone().for_each(|op| seen.insert(op));
        }
        seen
    }

    fn edit(&mut self, who: usize, deeds: &[Deed], end: End) -> Checked {
        let seen = self.ops(&self.copies[who].applied);
        let begin = self.history.ops.len();
        let copy = &mut self.copies[who];
        WALL.set(copy.wall);
        let before = copy.replica.save();
        let mut author = Author {
            history: &mut self.history,
            seen,
            id: copy.replica.id(),
            ids: self.ids.clone(),
            wrong: Vec::new(),
            checks: 0,
        };
        let edited = catch_unwind(AssertUnwindSafe(|| {
            copy.replica.edit(|world| {
                for deed in deeds {
                    perform(world, deed, &mut author)?;
                }
                match end {
                    End::Commit => Ok(()),
                    End::GiveUp => Err(world::given_up()),
                    End::Panic => resume_unwind(Box::new(Deliberate)),
                }
            })
        }));
        self.checks += author.checks;
        let after = author.seen.clone();
        if let Some(wrong) = author.wrong.first() {
            return Err(wrong.clone());
        }
        match (edited, end) {
            (Ok(Ok(delta)), End::Commit) => self.made(who, delta, begin, &after),
            (Ok(Err(EditError::Aborted(_))), End::GiveUp) | (Err(_), End::Panic) => {
                self.history.ops.truncate(begin);
                self.checks += 1;
                equal(&self.copies[who].replica.save(), &before, "bytes after a failed edit")?;
                self.check(who)
            }
            (Ok(other), _) => Err(format!("the edit answers {other:?}")),
            (Err(panicked), _) => resume_unwind(panicked),
        }
    }

    fn made(&mut self, who: usize, delta: Delta, begin: usize, after: &Seen) -> Checked {
        if delta.is_empty() {
            let before = self.ops(&self.copies[who].applied);
            let (was, is) = (self.expected(&before), self.expected(after));
            same(&was, &is, "an edit without changes")?;
            self.history.ops.truncate(begin);
            return self.check(who);
        }
        for op in &mut self.history.ops[begin..] {
            op.stamp = delta.stamp().as_u64();
        }
        let number = self.made.len();
        self.by_dot.insert((delta.origin(), delta.first()), number);
        let seen = self.copies[who].applied.clone();
        self.made.push(Made { delta, seen, ops: begin..self.history.ops.len() });
        self.copies[who].applied.insert(number);
        self.check(who)
    }

    fn deliver(&mut self, to: usize, number: usize, as_bytes: bool) -> Checked {
        let made = &self.made[number];
        let delta = if as_bytes {
            let bytes: std::sync::Arc<[u8]> = made.delta.bytes().to_vec().into();
            Delta::from_shared(bytes).map_err(|error| format!("its own bytes: {error}"))?
        } else {
            made.delta.clone()
        };
        let copy = &mut self.copies[to];
        WALL.set(copy.wall);
        let known = copy.applied.contains(number);
        let ready = !known && copy.applied.has_all(&made.seen);
        let changed = copy.replica.apply(&delta);
        self.checks += 1;
        equal(&changed, &ready, &format!("apply of {number} says that it changed something"))?;
        if known && self.history.fault == Some(Fault::CountsTwice) {
            // A counter of the driver's own, which counts what comes twice.
            let mut seen = Seen::default();
            let place = vec!["plain".into(), "sum".into()];
            self.history.note(&mut seen, delta.origin(), place, Act::Count(1));
            self.made[number].ops.end += usize::from(self.made.len() == number + 1);
        }
        if ready {
            self.copies[to].applied.insert(number);
        } else if !known {
            self.copies[to].held.insert(number);
        }
        self.take_ready(to);
        self.check(to)
    }

    /// Applies in the model what waited for what has come.
    fn take_ready(&mut self, who: usize) {
        let copy = &mut self.copies[who];
        loop {
            let ready = copy.held.iter().find(|&number| {
                !copy.applied.contains(number) && copy.applied.has_all(&self.made[number].seen)
            });
            match ready {
                Some(number) => copy.applied.insert(number),
                None => break,
            }
        }
        let mut held = Seen::default();
        copy.held.iter().filter(|&it| !copy.applied.contains(it)).for_each(|it| held.insert(it));
        copy.held = held;
    }

    fn catch_up(&mut self, to: usize, from: usize) -> Checked {
        let vector = self.copies[to].replica.version_vector();
        let (theirs, ours) = (&self.copies[from], &self.copies[to]);
        let missing: Vec<usize> =
            theirs.applied.iter().filter(|&number| !ours.applied.contains(number)).collect();
        self.checks += 1;
        match theirs.replica.delta_since(&vector) {
            Ok(deltas) => {
                let dots = deltas.iter().map(|delta| (delta.origin(), delta.first()));
                let numbers: Vec<usize> = dots.map(|dot| self.by_dot[&dot]).collect();
                let mut sorted = numbers.clone();
                sorted.sort_unstable();
                equal(&sorted, &missing, "the deltas that are missing")?;
                for number in numbers {
                    let ready = self.copies[to].applied.has_all(&self.made[number].seen);
                    let known = self.copies[to].applied.contains(number);
                    equal(&(ready || known), &true, "the order of deltas that are missing")?;
                    self.deliver(to, number, false)?;
                }
                Ok(())
            }
            Err(floor) if theirs.remembers || missing.is_empty() => {
                Err(format!("all are remembered, and yet: {floor}"))
            }
            Err(_) => self.merge(to, from),
        }
    }

    fn merge(&mut self, to: usize, from: usize) -> Checked {
        if to == from {
            return Ok(());
        }
        let [ours, theirs] = self.copies.get_disjoint_mut([to, from]).expect("two of them");
        WALL.set(ours.wall);
        let news = !ours.applied.has_all(&theirs.applied);
        let changed = ours.replica.merge(&theirs.replica);
        ours.applied.add_all(&theirs.applied);
        ours.remembers &= !news;
        self.checks += 1;
        equal(&changed, &news, "merge says that it changed something")?;
        self.take_ready(to);
        self.check(to)
    }

    fn fork(&mut self, from: usize) -> Checked {
        if self.ids.len() >= MOST_IDS || self.copies.len() >= 6 {
            return Ok(());
        }
        let id = self.fresh();
        let (replica, applied, wall) = {
            let copy = &self.copies[from];
            (copy.replica.fork(id), copy.applied.clone(), copy.wall)
        };
        let is_new = applied == Seen::default();
        self.add(replica, applied, wall, is_new);
        self.check(self.copies.len() - 1)
    }

    fn reload(&mut self, who: usize) -> Checked {
        if self.ids.len() >= MOST_IDS {
            return Ok(());
        }
        let id = self.fresh();
        let copy = &mut self.copies[who];
        let loaded = Replica::load(&copy.replica.save(), id);
        copy.replica = loaded.map_err(|error| format!("what was saved does not load: {error}"))?;
        copy.held = Seen::default();
        copy.remembers = copy.applied == Seen::default();
        self.check(who)
    }

    fn expected(&self, seen: &Seen) -> Shown {
        let mut shown = Shown::new();
        show(&self.history.alive(seen), &[], &world::WORLD, &mut shown);
        shown
    }

    /// Compares a copy with the model.
    fn check(&mut self, who: usize) -> Checked {
        let copy = &self.copies[who];
        let expected = self.expected(&self.ops(&copy.applied));
        let read = copy.replica.read(world::read).map_err(|error| format!("a read: {error}"))?;
        same(&read, &expected, &format!("copy {who}, read"))?;
        let plain = world::plain(&copy.replica).map_err(|error| format!("a value: {error}"))?;
        let mut expected = expected;
        expected.retain(|place, _| !place.contains("/doc/"));
        same(&plain, &expected, &format!("copy {who}, plain"))?;
        let held = copy.held.iter().count();
        equal(&copy.replica.held(), &held, &format!("what copy {who} holds back"))?;
        let bytes = copy.replica.save();
        let known = self.saved.entry(copy.applied.clone()).or_insert_with(|| bytes.clone());
        self.checks += 4;
        if *known == bytes { Ok(()) } else { Err(format!("copy {who} saves other bytes")) }
    }

    /// Hands everything to everybody, in any order and partly twice, and compares all.
    pub(crate) fn finish(&mut self, dice: &mut Dice) -> Checked {
        for who in 0..self.copies.len() {
            let mut all: Vec<usize> = (0..self.made.len()).collect();
            all.extend(0..self.made.len() / 4);
            dice.shuffle(&mut all);
            for number in all {
                self.deliver(who, number, dice.percent(50))?;
            }
            let has = self.copies[who].applied.iter().count();
            equal(&has, &self.made.len(), &format!("transactions that copy {who} has"))?;
            self.fresh_look(who)?;
        }
        Ok(())
    }

    /// What was saved loads to the same, and vectors are equal where all is.
    fn fresh_look(&mut self, who: usize) -> Checked {
        let bytes = self.copies[who].replica.save();
        let id = FreshId::assume_fresh(ReplicaId::from_u128(1000));
        let loaded = Replica::<World, Wall>::load(&bytes, id)
            .map_err(|error| format!("what was saved does not load: {error}"))?;
        let read = loaded.read(world::read).map_err(|error| format!("a read: {error}"))?;
        let vector = self.copies[0].replica.version_vector();
        self.checks += 3;
        equal(&(loaded.save() == bytes), &true, "bytes that were loaded and saved")?;
        equal(&loaded.version_vector(), &vector, "the vector of what was loaded")?;
        same(&read, &self.expected(&self.ops(&self.copies[who].applied)), "what was loaded")
    }
}

/// What a closure panics with.
#[derive(Debug)]
struct Deliberate;
