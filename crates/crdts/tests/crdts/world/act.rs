//! The operations that the transactions of a script are made of.

use rejoin_crdts::Dot;

use super::undo::Inverse;

/// Names from the value down; the last may be a set's element.
pub(crate) type Place = &'static [&'static str];

/// The effect of an operation at its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum What {
    /// Adds to a counter.
    Count(i64),
    /// Adds an element, or switches on, where adding wins.
    Member,
    /// Writes a register in which the last writer wins.
    Write(&'static str),
    /// Writes a register that keeps every concurrent value.
    Keep(&'static str),
    /// Writes a register in which the greatest value stands.
    Raise(&'static str),
    /// Writes a register in which the least value stands.
    Lower(&'static str),
    /// Adds an element, or switches on, where a remove wins.
    Admit,
    /// Removes the element, or switches off, also against anybody who adds it concurrently.
    Bar,
    /// Removes every element that is there, as `Bar` does.
    BarAll,
    /// Adds an element that can be removed once.
    Enter,
    /// Removes such an element for ever.
    Leave,
    /// Adds to a bounded counter, with the same number of rights.
    Grant(u64),
    /// Spends rights.
    Spend(u64),
    /// Passes rights to a replica.
    Pass(u64, u128),
    /// Takes over the rights of a replica that is said to write no more.
    Reclaim(u128),
    /// Resets, clears or removes what is at the place and below.
    End,
    /// Removes a key unless somebody who has not seen that changes it.
    Veil,
    /// Keeps a key that was removed so and changed by somebody: no letter of an alphabet.
    Unveil,
    /// Undoes the operation on a counter that was done last but so many.
    Undo(usize),
    /// The same, when it is known which one: no letter of an alphabet, as those below.
    Undoes(Inverse),
    /// Takes a count back, or puts back what a reset took away.
    Corrects { takes: bool, of: Dot },
    /// Undoes that, and any other that does the same.
    Lifts { takes: bool, of: Dot },
}

/// One operation of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Act {
    pub(crate) place: Place,
    pub(crate) what: What,
}

impl Act {
    /// True if it takes away an operation that it has seen, by the wording of the documentation.
    pub(super) fn takes_away(&self, put: &Self) -> bool {
        match self.what {
            What::End => put.place.starts_with(self.place) && !put.what.is_retained(),
            What::Veil | What::Unveil => put.what == What::Veil && put.place == self.place,
            _ if put.what == What::Veil => false,
            _ if put.place != self.place => false,
            What::Write(_) | What::Keep(_) => true,
            What::Raise(own) => matches!(put.what, What::Raise(other) if other <= own),
            What::Lower(own) => matches!(put.what, What::Lower(other) if other >= own),
            What::Admit | What::Bar => true,
            What::Leave => put.what == What::Enter,
            _ => false,
        }
    }
}

impl What {
    /// True if it puts something that is there until it is taken away.
    pub(super) const fn puts(self) -> bool {
        !matches!(self, Self::End | Self::BarAll | Self::Unveil) && !self.undoes()
    }

    /// True if it undoes an operation.
    pub(super) const fn undoes(self) -> bool {
        let to_be = matches!(self, Self::Undo(_) | Self::Undoes(_));
        to_be || matches!(self, Self::Corrects { .. } | Self::Lifts { .. })
    }

    /// True if no reset from above takes it away.
    const fn is_retained(self) -> bool {
        let counts = matches!(self, Self::Grant(_) | Self::Spend(_) | Self::Pass(..));
        counts || matches!(self, Self::Bar | Self::Leave | Self::Reclaim(_))
    }

    /// The text of a write.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Write(text) | Self::Keep(text) | Self::Raise(text) | Self::Lower(text) => text,
            _ => "",
        }
    }
}

/// Takes away whatever is at a place and below.
pub(crate) const fn end(place: Place) -> Act {
    act(place, What::End)
}

/// Adds to the counter at a place.
pub(crate) const fn count(place: Place, amount: i64) -> Act {
    act(place, What::Count(amount))
}

/// Adds the element at a place.
pub(crate) const fn add(place: Place) -> Act {
    act(place, What::Member)
}

/// Writes the register at a place.
pub(crate) const fn write(place: Place, text: &'static str) -> Act {
    act(place, What::Write(text))
}

/// Does something at a place.
pub(crate) const fn act(place: Place, what: What) -> Act {
    Act { place, what }
}
