//! The connections to a node that listens: each is a stranger until it names a space that is shared
//! here, and then a guest.
//!
//! Nobody can keep others out. A stranger takes the place of the oldest other stranger, never of a
//! guest; a guest takes the place of the guest that has been idle longest, if that one has had its
//! turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::mux::Why;
use crate::options::Options;
use crate::shared::{Bell, lock};

/// The connections of a listener's peers.
#[derive(Default, Debug)]
pub(crate) struct Guests(Mutex<Rows>);

#[derive(Default, Debug)]
struct Rows {
    next: u64,
    rows: BTreeMap<u64, Row>,
}

#[derive(Debug)]
struct Row {
    bell: Arc<Bell>,
    /// The time at which it became a stranger, or a guest.
    since: Instant,
    /// The time at which it last brought data.
    busy: Instant,
    is_guest: bool,
}

impl Rows {
    /// Counts the guests, or the strangers.
    fn count(&self, guests: bool) -> usize {
        self.rows.values().filter(|row| row.is_guest == guests).count()
    }

    fn send_away(&mut self, number: u64, why: Why) {
        if let Some(row) = self.rows.remove(&number) {
            row.bell.ring(|rung| rung.leave = Some(why));
        }
    }
}

impl Guests {
    /// Adds a stranger, and returns the number of its connection.
    pub(crate) fn meet(&self, bell: &Arc<Bell>, options: &Options, now: Instant) -> u64 {
        let mut all = lock(&self.0);
        while all.count(false) >= options.strangers.max(1) {
            let strangers = all.rows.iter().filter(|(_, row)| !row.is_guest);
            let Some((&oldest, _)) = strangers.min_by_key(|(_, row)| row.since) else { break };
            all.send_away(oldest, Why::Silent);
        }
        let number = all.next;
        all.next += 1;
        let row = Row { bell: Arc::clone(bell), since: now, busy: now, is_guest: false };
        all.rows.insert(number, row);
        number
    }

    /// Turns a stranger into a guest: it named a space that is shared here.
    ///
    /// # Errors
    /// Returns the limit when it is reached and no guest has had its turn.
    pub(crate) fn admit(&self, number: u64, options: &Options, now: Instant) -> Result<(), u64> {
        let mut all = lock(&self.0);
        let most = options.connections.max(1);
        while all.count(true) >= most {
            let had_its_turn = |row: &Row| now.duration_since(row.since) >= options.turn;
            let guests = all.rows.iter().filter(|(_, row)| row.is_guest && had_its_turn(row));
            let limit = most as u64;
            let Some((&idle, _)) = guests.min_by_key(|(_, row)| row.busy) else {
                return Err(limit);
            };
            all.send_away(idle, Why::Full(limit));
        }
        if let Some(row) = all.rows.get_mut(&number) {
            (row.is_guest, row.since, row.busy) = (true, now, now);
        }
        Ok(())
    }

    /// Notes that a guest brought data.
    pub(crate) fn busy(&self, number: u64, now: Instant) {
        if let Some(row) = lock(&self.0).rows.get_mut(&number) {
            row.busy = now;
        }
    }

    /// Removes a connection that is over.
    pub(crate) fn forget(&self, number: u64) {
        lock(&self.0).rows.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Options {
        let mut options = Options::default();
        (options.connections, options.strangers) = (2, 3);
        options
    }

    #[test]
    fn a_stranger_takes_the_place_of_the_oldest_stranger_and_never_of_a_guest() {
        let (guests, options, now) = (Guests::default(), limits(), Instant::now());
        let bells: Vec<_> = (0..5).map(|_| Arc::<Bell>::default()).collect();
        let meet =
            |at: usize| guests.meet(&bells[at], &options, now + Duration::from_secs(at as u64));
        let first = meet(0);
        assert_eq!(guests.admit(first, &options, now), Ok(()));
        (1..5).for_each(|at| _ = meet(at));
        let left: Vec<_> = bells.iter().map(|bell| bell.take().leave).collect();
        assert_eq!(left, [None, Some(Why::Silent), None, None, None]);
    }

    #[test]
    fn the_guest_that_is_idle_longest_gives_way_once_it_had_its_turn() {
        let (guests, options, now) = (Guests::default(), limits(), Instant::now());
        let bells: Vec<_> = (0..3).map(|_| Arc::<Bell>::default()).collect();
        let [a, b, c] = [0, 1, 2].map(|at: usize| guests.meet(&bells[at], &options, now));
        assert_eq!(guests.admit(a, &options, now), Ok(()));
        assert_eq!(guests.admit(b, &options, now), Ok(()));
        assert_eq!(guests.admit(c, &options, now), Err(2), "nobody had a turn");
        let later = now + options.turn;
        guests.busy(a, later);
        assert_eq!(guests.admit(c, &options, later), Ok(()));
        let left: Vec<_> = bells.iter().map(|bell| bell.take().leave).collect();
        assert_eq!(left, [None, Some(Why::Full(2)), None]);
    }
}
