//! Virtual time: the events that happen next, and when.

use std::collections::BTreeMap;

/// Events in the order of their times; those of the same time, in the order of their insertion.
#[derive(Debug)]
pub(super) struct Schedule<E> {
    now: u64,
    next: u64,
    waiting: BTreeMap<(u64, u64), E>,
}

impl<E> Schedule<E> {
    pub(super) const fn new() -> Self {
        Self { now: 0, next: 0, waiting: BTreeMap::new() }
    }

    /// Returns the milliseconds since the simulation began.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// Schedules an event at a time, or now if that is past.
    pub(super) fn at(&mut self, time: u64, event: E) {
        self.waiting.insert((time.max(self.now), self.next), event);
        self.next += 1;
    }

    /// Schedules an event `millis` milliseconds from now.
    pub(super) fn after(&mut self, millis: u64, event: E) {
        self.at(self.now + millis, event);
    }

    /// Moves on to the next event.
    pub(super) fn advance(&mut self) -> Option<E> {
        let ((time, _), event) = self.waiting.pop_first()?;
        self.now = time;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_turn() {
        let mut schedule = Schedule::new();
        schedule.at(5, 'c');
        schedule.at(2, 'a');
        schedule.at(5, 'd');
        schedule.at(2, 'b');
        let order: String = std::iter::from_fn(|| schedule.advance()).collect();
        assert_eq!((order.as_str(), schedule.now()), ("abcd", 5));
        schedule.at(1, 'e');
        schedule.advance();
        assert_eq!(schedule.now(), 5, "time never goes back");
    }
}
