//! Flags: on or off; when two people disagree, the type's name says which one wins.

use crate::cell::{Dots, Leaf};
use crate::crdt::leaf_value;
use crate::delta::AddOrRemove;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::Kind;
use crate::set::Contest;

/// A flag in which enabling wins.
///
/// # Example
/// ```
/// use rejoin_crdts::{DisableWinsFlag, EnableWinsFlag, FreshId, Replica, ReplicaId};
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut paid = Replica::<EnableWinsFlag>::new(id(1));
/// paid.edit(|paid| paid.enable())?;
/// let mut other = paid.fork(id(2));
/// paid.edit(|paid| paid.disable())?;
/// other.edit(|paid| paid.enable())?;
/// paid.merge(&other);
/// assert!(paid.is_enabled());
///
/// let mut consent = Replica::<DisableWinsFlag>::new(id(3));
/// consent.edit(|consent| consent.enable())?;
/// let mut other = consent.fork(id(4));
/// consent.edit(|consent| consent.disable())?;
/// other.edit(|consent| consent.enable())?;
/// consent.merge(&other);
/// assert!(!consent.is_enabled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One side switches off while the other switches on. Is it on?
/// ```text
/// phone   on --+-- off --+---> enable wins: on      disable wins: off
///              |         x
/// laptop       +-- on ---+---> enable wins: on      disable wins: off
/// ```
///
/// # Semantics
/// Both start out off. [`EnableWinsFlag`]: enabling ends the enables it saw and adds its own dot,
/// disabling ends those it saw, and the flag is on while one is alive. [`DisableWinsFlag`]: each
/// ends what it saw of both and leaves its own dot, and the flag is on while an enable is alive and
/// no disable is.
///
/// # Anomalies
/// The winner is decided by name and not by time: a stale enable (or disable) whose writer had not
/// heard of the other one stands.
///
/// # Retained
/// [`EnableWinsFlag`]: nothing. [`DisableWinsFlag`]: the dots of disables that no enable has seen,
/// until a cut; a removed key above does not take them.
///
/// # Complexity
/// | operation | time | memory | delta |
/// |---|---|---|---|
/// | enable, disable, merge | O(concurrent) | 8 bytes per live dot | a dot per dot seen |
///
/// # References
/// Riak's `riak_dt_od_flag` and `riak_dt_oe_flag`; Baquero, Almeida, Shoker, *Pure operation-based
/// replicated data types*, 2017.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct EnableWinsFlag {
    enables: Dots,
}

impl EnableWinsFlag {
    /// True if it is on.
    pub fn is_enabled(&self) -> bool {
        self.enables.is_visible()
    }
}

leaf_value! {
    impl [] for EnableWinsFlag {
        kind: Kind::EnableWinsFlag,
        cell: enables,
        editor: EnableWinsFlagEditor { cursor },
        reader: FlagReader { view },
    }
}

/// Switches an [`EnableWinsFlag`] in a transaction.
#[derive(Debug)]
pub struct EnableWinsFlagEditor<'a> {
    cursor: Cursor<'a>,
}

impl EnableWinsFlagEditor<'_> {
    /// Switches on, even if it is on already: somebody who switches off without having seen this
    /// loses.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn enable(&mut self) -> Result<(), EditError> {
        self.cursor.add()
    }

    /// Switches off every enable that is seen.
    ///
    /// # Errors
    /// As [`enable`](Self::enable).
    pub fn disable(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// True if this transaction sees it on.
    ///
    /// # Errors
    /// As [`FlagReader::is_enabled`].
    pub fn is_enabled(&self) -> Result<bool, ReadError> {
        FlagReader { view: self.cursor.view() }.is_enabled()
    }
}

/// A flag in which disabling wins; see [`EnableWinsFlag`], which has the same paper.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct DisableWinsFlag {
    contest: Contest,
}

impl DisableWinsFlag {
    /// True if it is on.
    pub fn is_enabled(&self) -> bool {
        self.contest.is_visible()
    }
}

leaf_value! {
    impl [] for DisableWinsFlag {
        kind: Kind::DisableWinsFlag,
        cell: contest,
        editor: DisableWinsFlagEditor { cursor },
        reader: FlagReader { view },
    }
}

/// Switches a [`DisableWinsFlag`] in a transaction.
#[derive(Debug)]
pub struct DisableWinsFlagEditor<'a> {
    cursor: Cursor<'a>,
}

impl DisableWinsFlagEditor<'_> {
    /// Switches on over every disable seen.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn enable(&mut self) -> Result<(), EditError> {
        self.cursor.contend(AddOrRemove::Add)
    }

    /// Switches off, also against anybody who switches on concurrently.
    ///
    /// # Errors
    /// As [`enable`](Self::enable).
    pub fn disable(&mut self) -> Result<(), EditError> {
        self.cursor.contend(AddOrRemove::Remove)
    }

    /// True if this transaction sees it on.
    ///
    /// # Errors
    /// As [`FlagReader::is_enabled`].
    pub fn is_enabled(&self) -> Result<bool, ReadError> {
        FlagReader { view: self.cursor.view() }.is_enabled()
    }
}

/// Reads a flag of either kind in a space.
#[derive(Debug)]
pub struct FlagReader<'a> {
    view: View<'a>,
}

impl FlagReader<'_> {
    /// True if it is on.
    ///
    /// # Errors
    /// As the source.
    pub fn is_enabled(&self) -> Result<bool, ReadError> {
        self.view.leaf(|cell| Ok(cell.is_visible()))
    }
}
