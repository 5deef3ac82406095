//! The skew rule, the carry, and that time never goes back.

use proptest::prelude::*;
use rejoin_vclock::{
    DEFAULT_MAX_SKEW_MILLIS, HybridClock, HybridTimestamp, MAX_MILLIS, MillisOutOfRange,
};

const NOW: u64 = 1_700_000_000_000;

fn stamp(millis: u64, logical: u16) -> HybridTimestamp {
    HybridTimestamp::from_parts(millis, logical).expect("the test's time is in range")
}

#[test]
fn a_far_future_stamp_is_reported_and_not_followed() {
    let mut clock = HybridClock::new();
    let before = clock.tick(NOW);
    let future = stamp(NOW + 10 * 365 * 86_400_000, 0);
    let report = clock.observe(future, NOW + 1).expect_err("ten years ahead");
    assert_eq!(report.stamp, future);
    assert_eq!(report.physical, NOW + 1);
    assert_eq!(report.ahead_by, future.millis() - (NOW + 1));
    assert_eq!(report.bound, DEFAULT_MAX_SKEW_MILLIS);
    assert_eq!(clock.last(), before, "the clock stays where it is");
    assert_eq!(clock.tick(NOW + 2), stamp(NOW + 2, 0), "and goes on by its own time");
}

/// The guard is in milliseconds, like the clock, and the bound itself is still followed.
#[test]
fn the_bound_is_five_minutes_to_the_millisecond() {
    let followed = stamp(NOW + 5 * 60 * 1000, u16::MAX);
    let mut clock = HybridClock::new();
    assert_eq!(clock.max_skew_millis(), 5 * 60 * 1000);
    assert_eq!(clock.observe(followed, NOW), Ok(()));
    assert_eq!(clock.last(), followed);
    let beyond = stamp(NOW + 5 * 60 * 1000 + 1, 0);
    let report = clock.observe(beyond, NOW).expect_err("one millisecond too far");
    assert_eq!(report.ahead_by, 5 * 60 * 1000 + 1);
}

#[test]
fn the_bound_can_be_set() {
    let mut strict = HybridClock::new().with_max_skew_millis(0);
    assert_eq!(strict.observe(stamp(NOW, 9), NOW), Ok(()));
    assert!(strict.observe(stamp(NOW + 1, 0), NOW).is_err());
    let mut trusting = HybridClock::new().with_max_skew_millis(u64::MAX);
    assert_eq!(trusting.observe(HybridTimestamp::MAX, 0), Ok(()));
    assert_eq!(trusting.tick(NOW), HybridTimestamp::MAX, "the end of time, without a panic");
}

#[test]
fn a_stamp_of_the_past_is_followed_and_moves_nothing() {
    let mut clock = HybridClock::resume(stamp(NOW, 3));
    assert_eq!(clock.observe(stamp(1, 0), NOW), Ok(()));
    assert_eq!(clock.observe(HybridTimestamp::ZERO, u64::MAX), Ok(()));
    assert_eq!(clock.last(), stamp(NOW, 3));
}

#[test]
fn a_full_logical_part_carries_into_the_milliseconds() {
    let mut clock = HybridClock::resume(stamp(NOW, u16::MAX));
    assert_eq!(clock.tick(NOW), stamp(NOW + 1, 0));
    assert_eq!(clock.tick(NOW), stamp(NOW + 1, 1));
    assert_eq!(clock.tick(NOW + 2), stamp(NOW + 2, 0));
}

#[test]
fn a_wall_clock_set_back_does_not_turn_stamps_back() {
    let mut clock = HybridClock::new();
    assert_eq!(clock.tick(NOW), stamp(NOW, 0));
    assert_eq!(clock.tick(NOW - 86_400_000), stamp(NOW, 1));
    assert_eq!(clock.tick(0), stamp(NOW, 2));
    assert_eq!(clock.tick(NOW + 1), stamp(NOW + 1, 0));
}

#[test]
fn a_wall_clock_beyond_the_stamps_counts_as_their_last_millisecond() {
    let mut clock = HybridClock::new();
    assert_eq!(clock.tick(u64::MAX), stamp(MAX_MILLIS, 0));
    assert_eq!(clock.tick(MAX_MILLIS + 1), stamp(MAX_MILLIS, 1));
    assert_eq!(HybridClock::new().tick(MAX_MILLIS + 1), stamp(MAX_MILLIS, 0));
    let refused: MillisOutOfRange =
        HybridTimestamp::from_parts(MAX_MILLIS + 1, 0).expect_err("49 bits");
    assert_eq!(refused.millis, MAX_MILLIS + 1);
}

#[test]
fn a_stamp_shows_its_parts() {
    let shown = stamp(NOW, 7);
    assert_eq!((shown.millis(), shown.logical()), (NOW, 7));
    assert_eq!(shown.to_string(), "1700000000000+7");
    assert_eq!(HybridTimestamp::from_u64(shown.as_u64()), shown);
    assert_eq!(HybridTimestamp::default(), HybridTimestamp::ZERO);
    assert_eq!(HybridTimestamp::MAX, stamp(MAX_MILLIS, u16::MAX));
}

#[test]
fn a_report_says_what_to_look_at() {
    let report = HybridClock::new().observe(stamp(NOW + 300_001, 0), NOW).expect_err("too far");
    assert_eq!(
        report.to_string(),
        "stamp 1700000300001+0 is 300001 ms ahead of the clock here, and up to 300000 ms are \
         followed; check the clocks of both machines"
    );
}

/// What can happen to a clock: a tick or a stamp from elsewhere, at any wall-clock time near now.
fn happenings() -> impl Strategy<Value = Vec<(Option<HybridTimestamp>, u64)>> {
    let times = || NOW - 3..NOW + 3;
    let far = Just(NOW + DEFAULT_MAX_SKEW_MILLIS * 2);
    let near = (prop_oneof![8 => times(), 1 => far], prop_oneof![Just(0), Just(u16::MAX)])
        .prop_map(|(millis, logical)| stamp(millis, logical));
    proptest::collection::vec((proptest::option::of(near), times()), 0..60)
}

proptest! {
    #[test]
    fn time_never_goes_back(happenings in happenings()) {
        let mut clock = HybridClock::new();
        for (remote, now) in happenings {
            let before = clock.last();
            match remote {
                None => {
                    let made = clock.tick(now);
                    prop_assert!(made > before);
                    prop_assert!(made >= stamp(now, 0));
                    prop_assert_eq!(clock.last(), made);
                }
                Some(remote) => {
                    let followed = clock.observe(remote, now).is_ok();
                    prop_assert_eq!(followed, remote.millis() <= now + DEFAULT_MAX_SKEW_MILLIS);
                    let expected = if followed { before.max(remote) } else { before };
                    prop_assert_eq!(clock.last(), expected);
                }
            }
        }
    }

    #[test]
    fn an_answer_is_later_than_what_it_answers(
        mine in NOW - 200_000..NOW, theirs in NOW - 200_000..NOW, rounds in 1..20u8,
    ) {
        let (mut here, mut there) = (HybridClock::new(), HybridClock::new());
        let mut last = HybridTimestamp::ZERO;
        for _ in 0..rounds {
            let question = here.tick(mine);
            prop_assert!(question > last);
            prop_assert_eq!(there.observe(question, theirs), Ok(()));
            last = there.tick(theirs);
            prop_assert!(last > question);
            prop_assert_eq!(here.observe(last, mine), Ok(()));
        }
    }

    #[test]
    fn stamps_are_ordered_as_their_parts(a in any::<u64>(), b in any::<u64>()) {
        let (a, b) = (HybridTimestamp::from_u64(a), HybridTimestamp::from_u64(b));
        let parts = |stamp: HybridTimestamp| (stamp.millis(), stamp.logical());
        prop_assert_eq!(a.cmp(&b), parts(a).cmp(&parts(b)));
        prop_assert_eq!(HybridTimestamp::from_parts(a.millis(), a.logical()), Ok(a));
    }
}
