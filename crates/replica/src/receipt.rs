//! Receipts: what a write returns.

use std::fmt;
use std::str::FromStr;

use rejoin_vclock::{MAX_COUNTER, ReplicaId};

/// The outcome of a transaction: its dots, and whether they are durable here.
///
/// Ask the space again later for how it stands then ([`receipt`](crate::Space::receipt)), and for
/// the peers that hold it, too ([`held_by`](crate::Space::held_by)). To ask after a restart, write
/// it down as a text: `to_string` writes its dots, and `parse` reads them; feature `serde` does the
/// same. What it was known to be is not kept: the space says that again.
///
/// ```
/// use rejoin_crdts::PnCounter;
/// use rejoin_replica::{Receipt, Store};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("shop.rejoin");
/// let shop = Store::open(&path)?.create_space::<PnCounter>("sold")?;
/// let receipt = shop.transact(|tx| tx.object("apples").add(2))?.receipt;
/// let written_down = receipt.to_string();
/// drop(shop);
///
/// let shop = Store::open(&path)?.open_space::<PnCounter>("sold")?;
/// let receipt = shop.receipt(written_down.parse::<Receipt>()?)?;
/// assert!(receipt.is_durable());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    origin: ReplicaId,
    first: u64,
    last: u64,
    sequence: u64,
    /// The beginning of the space's hash; 0 if it is not known.
    space: u64,
    /// The number of withdrawals before it.
    round: u64,
    durable: bool,
    withdrawn: bool,
}

/// The sequence of a receipt that was written down by an earlier run.
const UNKNOWN: u64 = u64::MAX;

impl Receipt {
    pub(crate) const fn new(origin: ReplicaId, first: u64, last: u64, sequence: u64) -> Self {
        let (space, round, durable, withdrawn) = (0, 0, false, false);
        Self { origin, first, last, sequence, space, round, durable, withdrawn }
    }

    /// The receipt of a transaction whose place in the log has to be looked up.
    pub(crate) const fn recalled(origin: ReplicaId, first: u64, last: u64) -> Self {
        Self::new(origin, first, last, UNKNOWN)
    }

    /// The same receipt, of this space.
    pub(crate) const fn of_space(self, space: u64) -> Self {
        Self { space, ..self }
    }

    /// True if it says that it is of this space.
    pub(crate) const fn is_of(&self, space: u64) -> bool {
        self.space == space
    }

    /// True if it is a receipt of another space than this one.
    pub(crate) const fn is_of_another(&self, space: u64) -> bool {
        self.space != 0 && self.space != space
    }

    pub(crate) const fn with_durability(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// The same receipt, known to be valid after this number of withdrawals.
    pub(crate) const fn as_of(self, round: u64) -> Self {
        Self { round, ..self }
    }

    /// The same receipt, with its place in the log.
    pub(crate) const fn at(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }

    pub(crate) const fn withdrawn(self) -> Self {
        Self { durable: false, withdrawn: true, ..self }
    }

    /// The same transaction, where dots of one replica beyond a counter became those of another.
    pub(crate) fn moved(self, from: (ReplicaId, u64), to: (ReplicaId, u64)) -> Self {
        if self.origin != from.0 || self.first <= from.1 {
            return self;
        }
        let counter = |counter: u64| counter - from.1 + to.1;
        let (first, last) = (counter(self.first), counter(self.last));
        Self { origin: to.0, first, last, ..self }
    }

    /// The replica that wrote.
    pub const fn origin(&self) -> ReplicaId {
        self.origin
    }

    /// The counter of the first dot.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// The counter of the last dot; one less than the first when nothing was changed.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// True if the transaction changed nothing and so wrote no entry.
    pub const fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// True if it survives a power loss here.
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// True if it was withdrawn before it was durable, because the medium was full: it is as if it
    /// had never been, and its dots may be those of another transaction by now.
    pub const fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// The mark up to which the log has to be durable for it.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { round: self.round, end: self.sequence.saturating_add(1) }
    }

    /// True if its place in the log has to be looked up.
    pub(crate) const fn is_recalled(&self) -> bool {
        self.sequence == UNKNOWN
    }

    /// Its sequence in the local log.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// Shows the dots: the replica's id, and the first and last counter; then a mark of the space.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.origin, self.first, self.last)?;
        if self.space == 0 { Ok(()) } else { write!(f, "@{:016x}", self.space) }
    }
}

/// A text that is no receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseReceiptError;

impl fmt::Display for ParseReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a receipt is an id, a colon, two counters with a dash between them, and maybe an @ \
             and the mark of a space",
        )
    }
}

impl std::error::Error for ParseReceiptError {}

impl FromStr for Receipt {
    type Err = ParseReceiptError;

    fn from_str(text: &str) -> Result<Self, ParseReceiptError> {
        let (text, space) = match text.split_once('@') {
            Some((text, space)) if space.len() == 16 => {
                (text, u64::from_str_radix(space, 16).map_err(|_| ParseReceiptError)?)
            }
            Some(_) => return Err(ParseReceiptError),
            None => (text, 0),
        };
        let parts = text.split_once(':').and_then(|(id, dots)| Some((id, dots.split_once('-')?)));
        let (id, (first, last)) = parts.ok_or(ParseReceiptError)?;
        let counter = |text: &str| text.parse().map_err(|_| ParseReceiptError);
        let (first, last): (u64, u64) = (counter(first)?, counter(last)?);
        if first == 0 || last > MAX_COUNTER || first > last + 1 {
            return Err(ParseReceiptError);
        }
        let origin = id.parse().map_err(|_| ParseReceiptError)?;
        Ok(Self::recalled(origin, first, last).of_space(space))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Receipt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Receipt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A position in the log, as of a number of withdrawals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Mark {
    /// The number of withdrawals at that time.
    pub round: u64,
    /// The sequence after the last entry that it is about.
    pub end: u64,
}
