//! A ledger: every booking has a tag, and is counted as often as it was made, whatever was
//! restored, copied or rewritten.

use std::collections::BTreeMap;

use rejoin_crdts::{EditError, OrMap, PnCounter};

use super::application::{Application, Snapshot, Transaction};
use super::rng::Rng;
use super::violation::{Broken, Checked};

type Bookings = OrMap<u64, PnCounter>;
/// The key of the bookings.
const BOOKINGS: &str = "bookings";
/// The key of their total.
const ALL: &str = "all";

/// Bookings by tag, and their total.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ledger;

impl Application for Ledger {
    /// The tag of a booking.
    type Request = u64;

    fn request(&self, rng: &mut Rng) -> u64 {
        rng.next()
    }

    fn apply(&self, tag: &u64, transaction: &mut Transaction<'_>) -> Result<(), EditError> {
        transaction.object::<PnCounter>(ALL).add(1)?;
        transaction.object::<Bookings>(BOOKINGS).entry(tag).add(1)
    }

    fn check(&mut self, replica: &Snapshot<'_, u64>) -> Checked {
        let broken =
            |what: String| Broken::new("ledger", format!("{:?} {what}", replica.replica()));
        let unreadable = |error| broken(format!("cannot be read: {error}"));
        let bookings = replica.object::<Bookings>(BOOKINGS);
        // Whoever was set back, and sends a booking again before it has come back, books it twice.
        let mut booked = BTreeMap::<u64, i64>::new();
        replica.applied().for_each(|made| *booked.entry(*made.request).or_default() += 1);
        let told = bookings.keys().map_err(unreadable)?;
        if !told.iter().eq(booked.keys()) {
            return Err(broken(format!("has {} of {} bookings", told.len(), booked.len())));
        }
        for (tag, &times) in &booked {
            let count = bookings.at(tag).value().map_err(unreadable)?;
            if count != times {
                return Err(broken(format!("counts {tag} {count} times, and not {times}")));
            }
        }
        let all = replica.object::<PnCounter>(ALL).value().map_err(unreadable)?;
        let made: i64 = booked.values().sum();
        if all != made {
            return Err(broken(format!("counts {all} of {made} bookings")));
        }
        Ok(())
    }
}
