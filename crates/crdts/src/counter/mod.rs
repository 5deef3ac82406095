//! Counters: numbers that several copies change at once, and every change counts.
//!
//! Beside the types are their cells. A [`GCounter`] and a [`PnCounter`] keep a tally, the total of
//! each replica; a [`BoundedCounter`] keeps rights, because it promises never to go below zero.

mod bounded;
pub(crate) mod corrections;
mod g;
mod pn;
mod rights;
mod tally;

pub use bounded::{
    BoundedCounter, BoundedCounterEditor, BoundedCounterReader, RetiredIds, RightsRequest,
    TransferPolicy,
};
pub(crate) use corrections::{Corrections, Live, Standing, are_apart, are_within, rows};
pub use g::{GCounter, GCounterEditor, GCounterReader};
pub use pn::{PnCounter, PnCounterEditor, PnCounterReader};
pub(crate) use rights::{Rights, Share};
pub(crate) use tally::{Record, Taken, Tally};
