//! A ledger: every booking has a tag of its own, and is counted once, whatever was restored,
//! copied or written anew.

use std::collections::BTreeSet;

use rejoin_crdts::{EditError, OrMap, PnCounter};

use super::application::{Application, Snapshot, Transaction};
use super::rng::Rng;
use super::violation::{Broken, Checked};

type Bookings = OrMap<u64, PnCounter>;
/// Where the bookings are.
const BOOKINGS: &str = "bookings";
/// Where they are counted.
const ALL: &str = "all";

/// Bookings under tags, and how many there are.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ledger;

impl Application for Ledger {
    /// The tag of a booking.
    type Request = u64;

    fn request(&self, rng: &mut Rng) -> u64 {
        rng.next()
    }

    fn apply(&self, tag: &u64, transaction: &mut Transaction<'_, '_>) -> Result<(), EditError> {
        transaction.object::<PnCounter>(ALL).add(1)?;
        transaction.object::<Bookings>(BOOKINGS).entry(tag).add(1)
    }

    fn check(&mut self, replica: &Snapshot<'_, u64>) -> Checked {
        let broken =
            |what: String| Broken::new("ledger", format!("{:?} {what}", replica.replica()));
        let unreadable = |error| broken(format!("cannot be read: {error}"));
        let bookings = replica.object::<Bookings>(BOOKINGS);
        let told = bookings.keys().map_err(unreadable)?;
        let booked: BTreeSet<u64> = replica.applied().map(|made| *made.request).collect();
        if !told.iter().eq(&booked) {
            return Err(broken(format!("has {} of {} bookings", told.len(), booked.len())));
        }
        for tag in &booked {
            let count = bookings.at(tag).value().map_err(unreadable)?;
            if count != 1 {
                return Err(broken(format!("counts {tag} {count} times")));
            }
        }
        let all = replica.object::<PnCounter>(ALL).value().map_err(unreadable)?;
        if usize::try_from(all) != Ok(booked.len()) {
            return Err(broken(format!("counts {all} of {} bookings", booked.len())));
        }
        Ok(())
    }
}
