//! The requests of the simulated users: small transactions over a few objects, often the same ones.

use std::fmt;

use rejoin_crdts::{BoundedCounter, Crdt, DisableWinsFlag, EditError, EnableWinsFlag};
use rejoin_vclock::ReplicaId;

use super::arranged::Arrangement;
use super::content::{self, Content};
use super::objects::{
    Choice, Family, Folders, Lines, Members, NAMES, Note, OBJECTS, ObjectPath, Racks, Record,
    Shelves, Steps, Tags,
};
use super::rules::{self, PATTERNS, Rule};
use crate::application::Transaction;
use crate::rng::Rng;

pub(super) type Editor<'a, T> = <T as Crdt>::Editor<'a>;
pub(super) type Edited = Result<(), EditError>;

/// One operation that a user asks for. The checkers know its meaning from the documentation alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// Adds an amount to a counter.
    Count(ObjectPath, i64),
    /// Writes a text into a register.
    Write(ObjectPath, String),
    /// Raises a register to a number.
    Raise(ObjectPath, u64),
    /// Adds an element to a set, or switches a flag on.
    Insert(ObjectPath),
    /// Removes everything that is visible at a place and below.
    Take(ObjectPath),
    /// Removes an element, or switches a flag off, and wins over concurrent additions.
    Bar(ObjectPath),
    /// Adds, moves, renames or removes an item or node.
    Arrange(ObjectPath, Arrangement),
    /// Writes a value in place of all siblings that are seen.
    Put(ObjectPath, Content),
    /// Sets the policy of a pattern.
    Decide(ObjectPath, Rule),
    /// Adds to the stock.
    Grant(ObjectPath, u64),
    /// Spends from the stock, out of the site's own rights.
    Spend(ObjectPath, u64),
    /// Passes rights to the site of this number.
    Transfer(ObjectPath, u64, usize),
}

impl Operation {
    pub(super) const fn place(&self) -> &ObjectPath {
        match self {
            Self::Count(place, _)
            | Self::Write(place, _)
            | Self::Raise(place, _)
            | Self::Insert(place)
            | Self::Take(place)
            | Self::Bar(place)
            | Self::Arrange(place, _)
            | Self::Put(place, _)
            | Self::Decide(place, _)
            | Self::Grant(place, _)
            | Self::Spend(place, _)
            | Self::Transfer(place, ..) => place,
        }
    }

    /// Returns true if it may be refused for lack of rights.
    pub(super) const fn spends(&self) -> bool {
        matches!(self, Self::Spend(..) | Self::Transfer(..))
    }

    /// Does it in a transaction, with the editors that a user has.
    pub(super) fn apply(&self, transaction: &mut Transaction<'_>) -> Edited {
        let (key, names) = (self.place().key(), self.place().names());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match self.place().family() {
            Family::Lines => self.edit_lines(transaction.object::<Lines>(&key), &names),
            Family::Racks => self.edit_racks(transaction.object::<Racks>(&key), &names),
            Family::Tags => self.edit_tags(transaction.object::<Tags>(&key), &names),
            Family::Shelves => self.edit_shelves(transaction.object::<Shelves>(&key), &names),
            Family::Members => self.edit_members(transaction.object::<Members>(&key), &names),
            Family::Steps => match self {
                Self::Arrange(_, wish) => wish.order(transaction.object::<Steps>(&key)),
                _ => misplaced(self),
            },
            Family::Folders => match self {
                Self::Arrange(_, wish) => wish.hang(transaction.object::<Folders>(&key)),
                _ => misplaced(self),
            },
            Family::Draft | Family::Price | Family::Prices | Family::Crew => match self {
                Self::Put(place, value) => content::edit(place, Some(value), transaction),
                Self::Take(place) => content::edit(place, None, transaction),
                _ => misplaced(self),
            },
            Family::Policies => self.edit_policies(transaction),
            Family::Stock => {
                let to = self.receiver(transaction);
                self.edit_stock(transaction.object::<BoundedCounter>(&key), to)
            }
            _ => self.edit_whole(transaction, &key),
        }
    }

    fn edit_lines(&self, mut lines: Editor<'_, Lines>, names: &[&str]) -> Edited {
        match (self, names) {
            (Self::Count(_, amount), [key]) => lines.entry(*key).add(*amount),
            (Self::Take(_), [key]) => lines.remove(*key),
            (Self::Take(_), []) => lines.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_racks(&self, mut racks: Editor<'_, Racks>, names: &[&str]) -> Edited {
        match (self, names) {
            (_, [rack, line]) => self.edit_lines(racks.entry(*rack), &[line]),
            (Self::Take(_), [rack]) => racks.remove(*rack),
            (Self::Take(_), []) => racks.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_tags(&self, mut tags: Editor<'_, Tags>, names: &[&str]) -> Edited {
        match (self, names) {
            (Self::Insert(_), [element]) => tags.insert(*element),
            (Self::Take(_), [element]) => tags.remove(*element),
            (Self::Take(_), []) => tags.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_shelves(&self, mut shelves: Editor<'_, Shelves>, names: &[&str]) -> Edited {
        match (self, names) {
            (_, [shelf, element]) => self.edit_tags(shelves.entry(*shelf), &[element]),
            (Self::Take(_), [key]) => shelves.remove(*key),
            (Self::Take(_), []) => shelves.clear(),
            _ => misplaced(self),
        }
    }

    fn edit_members(&self, mut members: Editor<'_, Members>, names: &[&str]) -> Edited {
        match (self, names) {
            (Self::Insert(_), [element]) => members.insert(*element),
            (Self::Bar(_), [element]) => members.remove(*element),
            _ => misplaced(self),
        }
    }

    fn edit_stock(&self, mut stock: Editor<'_, BoundedCounter>, to: Option<ReplicaId>) -> Edited {
        match (self, to) {
            (Self::Grant(_, amount), _) => stock.add(*amount),
            (Self::Spend(_, amount), _) => stock.spend(*amount),
            (Self::Transfer(_, amount, _), Some(to)) => stock.transfer(*amount, to),
            _ => misplaced(self),
        }
    }

    fn edit_policies(&self, transaction: &mut Transaction<'_>) -> Edited {
        let Some(pattern) = rules::pattern(self.place()) else { return misplaced(self) };
        match self {
            Self::Decide(_, rule) => {
                let policy = rule.policy(transaction.replicas());
                transaction.set_policy(&pattern, &policy)
            }
            Self::Take(_) => transaction.remove_policy(&pattern.to_string()),
            _ => misplaced(self),
        }
    }

    fn receiver(&self, transaction: &Transaction<'_>) -> Option<ReplicaId> {
        let Self::Transfer(_, _, site) = self else { return None };
        let replicas = transaction.replicas();
        replicas.get(site % replicas.len().max(1)).copied()
    }

    /// Edits an object that has nothing below.
    fn edit_whole(&self, to: &mut Transaction<'_>, key: &str) -> Edited {
        match (self.place().family(), self) {
            (Family::Note, Self::Write(_, text)) => to.object::<Note>(key).set(text.as_str()),
            (Family::Note, Self::Take(_)) => to.object::<Note>(key).clear(),
            (Family::Choice, Self::Write(_, text)) => to.object::<Choice>(key).set(text.as_str()),
            (Family::Choice, Self::Take(_)) => to.object::<Choice>(key).clear(),
            (Family::Record, Self::Raise(_, number)) => to.object::<Record>(key).set(*number),
            (Family::Record, Self::Take(_)) => to.object::<Record>(key).clear(),
            (Family::Open, Self::Insert(_)) => to.object::<EnableWinsFlag>(key).enable(),
            (Family::Open, Self::Take(_)) => to.object::<EnableWinsFlag>(key).disable(),
            (Family::Calm, Self::Insert(_)) => to.object::<DisableWinsFlag>(key).enable(),
            (Family::Calm, Self::Bar(_)) => to.object::<DisableWinsFlag>(key).disable(),
            _ => misplaced(self),
        }
    }
}

pub(super) fn misplaced(operation: &impl fmt::Debug) -> Edited {
    Err(EditError::Aborted(format!("{operation:?} does not fit its place")))
}

/// Draws a transaction: mostly one to four operations, sometimes a trade or a whole set filled at
/// once.
pub(super) fn transaction(rng: &mut Rng) -> Vec<Operation> {
    match rng.below(100) {
        0..8 => fill(rng),
        8..20 => vec![trade(rng)],
        _ => (0..rng.within(1..=4)).map(|_| operation(rng)).collect(),
    }
}

/// Fills a set, so that clearing it later is cheaper by vector than by dots.
fn fill(rng: &mut Rng) -> Vec<Operation> {
    let set = match *rng.pick(&[2, 3, 6, 7]) {
        shelves @ (3 | 7) => ObjectPath::object(shelves).below(some_name(rng)),
        tags => ObjectPath::object(tags),
    };
    (0..NAMES).map(|element| Operation::Insert(set.below(element))).collect()
}

/// Draws an operation on the stock, alone in its transaction: a refusal affects nothing else.
fn trade(rng: &mut Rng) -> Operation {
    let stock = ObjectPath::object(STOCK);
    match rng.below(10) {
        0 | 1 => Operation::Grant(stock, rng.within(1..=10)),
        2..5 => Operation::Transfer(stock, rng.within(1..=5), rng.index(5)),
        _ => Operation::Spend(stock, rng.within(1..=4)),
    }
}

fn operation(rng: &mut Rng) -> Operation {
    let number = u8::try_from(rng.below(u64::from(STOCK))).unwrap_or(0);
    let object = ObjectPath::object(number);
    let takes = rng.percent(30);
    let everything = rng.percent(20);
    let key = object.below(some_name(rng));
    match object.family() {
        Family::Steps | Family::Folders => Operation::Arrange(object, Arrangement::some(rng)),
        Family::Members if takes => Operation::Bar(key),
        Family::Calm if takes => Operation::Bar(object),
        Family::Calm | Family::Open if !takes => Operation::Insert(object),
        Family::Note | Family::Choice | Family::Record | Family::Open if takes => {
            Operation::Take(object)
        }
        Family::Draft | Family::Price | Family::Crew if takes => Operation::Take(object),
        family @ (Family::Draft | Family::Price | Family::Crew) => {
            Operation::Put(object, Content::some(family, rng))
        }
        Family::Policies => {
            let place = object.below(number_below(rng, PATTERNS.len()));
            if takes { Operation::Take(place) } else { Operation::Decide(place, Rule::some(rng)) }
        }
        _ if takes && everything => Operation::Take(object),
        Family::Lines if takes => Operation::Take(key),
        Family::Lines => Operation::Count(key, amount(rng)),
        Family::Note | Family::Choice => {
            Operation::Write(object, format!("note {:04x}", rng.below(1 << 16)))
        }
        Family::Record => Operation::Raise(object, rng.below(1_000)),
        Family::Prices => {
            let key = object.below(number_below(rng, PRICES));
            if takes {
                return Operation::Take(key);
            }
            Operation::Put(key, Content::some(Family::Prices, rng))
        }
        Family::Tags if takes => Operation::Take(key),
        Family::Tags | Family::Members => Operation::Insert(key),
        Family::Shelves | Family::Racks if takes && rng.percent(50) => Operation::Take(key),
        Family::Shelves | Family::Racks if takes => Operation::Take(key.below(some_name(rng))),
        Family::Racks => Operation::Count(key.below(some_name(rng)), amount(rng)),
        _ => Operation::Insert(key.below(some_name(rng))),
    }
}

fn some_name(rng: &mut Rng) -> u8 {
    number_below(rng, usize::from(NAMES))
}

fn number_below(rng: &mut Rng, end: usize) -> u8 {
    u8::try_from(rng.index(end)).unwrap_or(0)
}

/// Number of keys in a map of siblings: few, so that they are often written concurrently.
const PRICES: usize = 4;

/// Draws an amount from -5 to 9. Zero makes a line visible and changes nothing else.
fn amount(rng: &mut Rng) -> i64 {
    i64::try_from(rng.below(15)).unwrap_or(0) - 5
}

/// The number of the last object, the stock; only trades touch it.
const STOCK: u8 = 21;

const _: () = assert!(matches!(OBJECTS[STOCK as usize], Family::Stock));
