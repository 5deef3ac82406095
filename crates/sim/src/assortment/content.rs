//! Values that are no CRDTs: what users write as siblings, and how siblings are read.

use std::collections::BTreeSet;

use rejoin_crdts::{Atom, OrMap, RawAtom, ReadError};
use rejoin_resolve::{Siblings, SiblingsReader};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use super::Wishes;
use super::load::{Edited, Editor, misplaced};
use super::objects::{Family, ObjectPath};
use crate::application::{Snapshot, Transaction};
use crate::rng::Rng;

pub(super) type Draft = Siblings<String>;
pub(super) type Price = Siblings<i64>;
pub(super) type Prices = OrMap<String, Price>;
pub(super) type Crew = Siblings<BTreeSet<String>>;

/// A value that is replaced as a whole. Values of one type are in the order that `Max` and `Min`
/// have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Content {
    /// A text of three lines.
    Text(String),
    Names(BTreeSet<String>),
    Number(i64),
}

impl Content {
    /// Draws a value for an object. There are few, so that two often write the same, and texts are
    /// of lines that two can change without meeting.
    pub(super) fn some(family: Family, rng: &mut Rng) -> Self {
        match family {
            Family::Draft => {
                let mut line = |what| format!("{what} {}\n", rng.below(3));
                Self::Text(["eggs", "milk", "bread"].map(&mut line).concat())
            }
            Family::Crew => {
                let names = ["Ann", "Ben", "Cleo", "Dee"].map(str::to_owned);
                Self::Names(names.into_iter().filter(|_| rng.percent(50)).collect())
            }
            _ => Self::Number(i64::try_from(rng.below(6)).unwrap_or(0) - 1),
        }
    }

    /// Reads an answer of a policy.
    pub(super) fn of(value: &RawAtom) -> Option<Self> {
        let text = value.to().map(Self::Text);
        let names = || value.to().map(Self::Names);
        text.or_else(|_| names()).or_else(|_| value.to().map(Self::Number)).ok()
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<BTreeSet<String>> for Content {
    fn from(names: BTreeSet<String>) -> Self {
        Self::Names(names)
    }
}

impl From<i64> for Content {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A live write of a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Written {
    pub author: ReplicaId,
    pub stamp: HybridTimestamp,
    pub content: Content,
    /// The origins and first counters of the transactions whose writes it replaced.
    pub replaced: BTreeSet<(ReplicaId, u64)>,
}

/// Writes a value in place of all that is seen at a place, or takes that away.
pub(super) fn edit(
    place: &ObjectPath,
    content: Option<&Content>,
    transaction: &mut Transaction<'_>,
) -> Edited {
    let (key, names) = (place.key(), place.names());
    match (place.family(), names.as_slice(), content) {
        (Family::Draft, [], Some(Content::Text(text))) => {
            transaction.object::<Draft>(&key).set(text.as_str())
        }
        (Family::Draft, [], None) => transaction.object::<Draft>(&key).clear(),
        (Family::Crew, [], Some(Content::Names(names))) => {
            transaction.object::<Crew>(&key).set(names.clone())
        }
        (Family::Crew, [], None) => transaction.object::<Crew>(&key).clear(),
        (Family::Price, [], _) => edit_price(transaction.object::<Price>(&key), content),
        (Family::Prices, [], None) => transaction.object::<Prices>(&key).clear(),
        (Family::Prices, [key_below], None) => {
            transaction.object::<Prices>(&key).remove(key_below.as_str())
        }
        (Family::Prices, [key_below], _) => {
            edit_price(transaction.object::<Prices>(&key).entry(key_below.as_str()), content)
        }
        _ => misplaced(&(place, content)),
    }
}

fn edit_price(mut price: Editor<'_, Price>, content: Option<&Content>) -> Edited {
    match content {
        Some(Content::Number(number)) => price.set(*number),
        None => price.clear(),
        _ => misplaced(&content),
    }
}

/// Reads the live writes at a place, in the order of their dots.
pub(super) fn read<T: Atom + Into<Content>>(
    snapshot: &Snapshot<'_, Wishes>,
    siblings: &SiblingsReader<'_, T>,
) -> Result<Vec<Written>, ReadError> {
    let transaction = |&dot: &Dot| match snapshot.transaction_of(dot) {
        Some(committed) => Ok((committed.origin, committed.first)),
        None => Err(ReadError::Unavailable(format!("{dot} was replaced, and is no transaction"))),
    };
    let written = siblings.all()?.into_iter().map(|sibling| {
        let replaced = sibling.replaced.iter().map(transaction).collect::<Result<_, _>>()?;
        let (author, stamp) = (sibling.author(), sibling.stamp);
        Ok(Written { author, stamp, content: sibling.value.into(), replaced })
    });
    written.collect()
}

/// Shows the siblings at a place to a function, whatever type they have.
pub(super) fn with_siblings<R>(
    snapshot: &Snapshot<'_, Wishes>,
    place: &ObjectPath,
    see: impl FnOnce(&SiblingsReader<'_, RawAtom>) -> R,
) -> R {
    type Any = Siblings<RawAtom>;
    match place.names().first() {
        None => see(&snapshot.object::<Any>(&place.key())),
        Some(key) => {
            let map = snapshot.object::<OrMap<String, Any>>(&place.key());
            see(&map.at(key.as_str()))
        }
    }
}
