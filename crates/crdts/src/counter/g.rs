//! A counter that only goes up.

use crate::counter::Tally;
use crate::crdt::leaf_value;
use crate::delta::Effect;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::Kind;

/// A counter that only goes up.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, GCounter, Replica, ReplicaId};
///
/// let mut north = Replica::<GCounter>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// north.edit(|visits| visits.add(5))?;
/// south.edit(|visits| visits.add(2))?;
/// north.merge(&south);
/// assert_eq!(north.value()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every change counts, and there is nothing to conflict. Below a map's key it can be taken away
/// with the key, as far as it was seen: it keeps the same records as a
/// [`PnCounter`](crate::PnCounter), with the same costs and the same floors retained. It goes down
/// where a change is undone, as that does.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct GCounter {
    tally: Tally,
}

impl GCounter {
    /// The sum of all that is counted and not taken away.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits.
    pub fn value(&self) -> Result<u64, ReadError> {
        value(&self.tally)
    }
}

fn value(tally: &Tally) -> Result<u64, ReadError> {
    let total = tally.total();
    u64::try_from(total).map_err(|_| ReadError::Overflow { total })
}

leaf_value! {
    impl [] for GCounter {
        kind: Kind::GCounter,
        cell: tally,
        editor: GCounterEditor { cursor },
        reader: GCounterReader { view },
    }
}

/// Changes a [`GCounter`] in a transaction.
#[derive(Debug)]
pub struct GCounterEditor<'a> {
    cursor: Cursor<'a>,
}

impl GCounterEditor<'_> {
    /// Adds an amount. Adding zero makes the counter visible.
    ///
    /// # Errors
    /// [`EditError::Overflow`] when this replica's total would leave 64 bits; otherwise
    /// [`EditError`] when the place cannot be read or named.
    pub fn add(&mut self, amount: u64) -> Result<(), EditError> {
        self.cursor.open()?;
        let dot = self.cursor.next_dot();
        let totals =
            self.cursor.cell(|cell| Tally::seen_in(cell, |it| it.counted(dot, amount, 0)))?;
        let totals = totals.ok_or(EditError::Overflow)?;
        self.cursor.write(Effect::Count(totals))
    }

    /// The value as this transaction sees it.
    ///
    /// # Errors
    /// As [`GCounterReader::value`].
    pub fn value(&self) -> Result<u64, ReadError> {
        GCounterReader { view: self.cursor.view() }.value()
    }
}

/// Reads a [`GCounter`] in a space.
#[derive(Debug)]
pub struct GCounterReader<'a> {
    view: View<'a>,
}

impl GCounterReader<'_> {
    /// The sum of all that is counted; zero where nothing is.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits; otherwise as the source.
    pub fn value(&self) -> Result<u64, ReadError> {
        self.view.leaf(|cell| cell.as_counter().map_or(Ok(0), value))
    }
}
