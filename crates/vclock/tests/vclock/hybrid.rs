//! The skew rule, the carry, and the stamps after a wrong clock is set right.

use proptest::prelude::*;
use rejoin_vclock::{
    DEFAULT_MAX_SKEW_MILLIS, EARLIEST_MILLIS, HybridClock, HybridTimestamp, MAX_MILLIS,
    MillisOutOfRange, Now,
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

/// The guard is in milliseconds, like the clock, and a stamp exactly at the bound is still
/// followed.
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

const YEAR: u64 = 31_557_600_000;
const BOUND: u64 = DEFAULT_MAX_SKEW_MILLIS;

fn at(wall: u64, elapsed: u64) -> Now {
    Now { wall, elapsed }
}

#[test]
fn stamps_follow_a_clock_that_is_right_again() {
    let mut clock = HybridClock::new();
    clock.tick(at(NOW, 0));
    let wrong = clock.tick(at(NOW + 10 * YEAR, 1_000));
    assert_eq!(clock.tick(at(NOW + 2_000, 2_000)), stamp(wrong.millis(), 1));
    assert_eq!(clock.tick(at(NOW + BOUND + 999, BOUND + 999)), stamp(wrong.millis(), 2));
    let right = clock.tick(at(NOW + BOUND + 1_000, BOUND + 1_000));
    assert_eq!(right.millis(), NOW + BOUND + 1_000, "one bound after it was last vouched for");
    assert!(clock.tick(at(NOW + BOUND + 1_000, BOUND + 1_000)) > right);
}

/// Nobody looked at the clock in between.
#[test]
fn it_is_known_for_how_long_a_wrong_clock_was_not_seen() {
    let mut clock = HybridClock::new();
    clock.tick(at(NOW + YEAR, 0));
    assert_eq!(clock.tick(at(NOW + BOUND, BOUND)).millis(), NOW + BOUND);
}

#[test]
fn a_clock_that_is_set_back_for_a_moment_changes_nothing() {
    let mut clock = HybridClock::new();
    for round in 0..10 {
        let now = round * BOUND;
        assert_eq!(clock.tick(at(NOW + now, now)), stamp(NOW + now, 0));
        let back = clock.tick(at(NOW + now - 80_000_000, now + BOUND - 1));
        assert_eq!(back, stamp(NOW + now, 1), "round {round}");
    }
}

/// Such a machine boots in 1970, or with whatever its battery has left.
#[test]
fn a_machine_that_does_not_know_the_time_is_not_believed() {
    let mut clock = HybridClock::resume(stamp(NOW, 0));
    for (n, wall) in (1..).zip([0, 1, 946_684_800_000, EARLIEST_MILLIS]) {
        assert_eq!(clock.tick(at(wall, 10 * BOUND * u64::from(n))), stamp(NOW, n));
        assert_eq!(clock.take_report(), None, "that is no news of the stamps");
    }
    assert_eq!(clock.tick(at(NOW + 5, 50 * BOUND)), stamp(NOW + 5, 0));
}

/// The process that made the stamp is gone; nobody else could say when that was.
#[test]
fn a_clock_does_not_resume_in_the_future() {
    for ahead in [BOUND, BOUND + 1, YEAR] {
        let mut clock = HybridClock::resume(stamp(NOW + ahead, 0));
        let first = clock.tick(at(NOW, 7)).millis();
        assert_eq!(first, if ahead > BOUND { NOW } else { NOW + ahead }, "{ahead}");
        assert_eq!(clock.take_report().is_some(), ahead > BOUND);
    }
}

#[test]
fn the_owner_of_a_wrong_clock_is_told_once() {
    let mut clock = HybridClock::new();
    for round in 0..3 {
        let from = 10 * BOUND * round;
        let wrong = clock.tick(at(NOW + YEAR + from, from));
        assert_eq!(clock.take_report(), None, "nothing shows it yet");
        let mut told = Vec::new();
        for passed in [1_000, 2_000, BOUND + 1_000, BOUND + 2_000] {
            clock.read(at(NOW + from + passed, from + passed));
            told.extend(clock.take_report());
        }
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].stamp, told[0].physical), (wrong, NOW + from + 1_000));
        assert_eq!((told[0].ahead_by, told[0].bound), (YEAR - 1_000, BOUND));
        assert!(told[0].to_string().contains("was made here"), "{}", told[0]);
    }
}

/// Whoever answers a stamp has followed it, or finds it too far ahead.
#[test]
fn an_answer_tells_whether_a_stamp_was_followed() {
    let mut clock = HybridClock::new();
    let own = clock.tick(at(NOW + YEAR, 0));
    for theirs in [own.millis() + 1, own.millis() - BOUND] {
        clock.answered(own, stamp(theirs, 0));
        assert_eq!(clock.take_report(), None);
    }
    for _ in 0..2 {
        clock.answered(own, stamp(NOW, 3));
        let report = clock.take_report().expect("it was not followed");
        assert_eq!((report.stamp, report.physical, report.ahead_by), (own, NOW, YEAR));
        clock.answered(own, stamp(NOW + 1, 0));
        assert_eq!(clock.take_report(), None, "that is known");
        clock.answered(own, stamp(own.millis() + 1, 0));
    }
}

/// Everything that can happen to a machine's clocks, and that is done with them.
#[derive(Clone, Debug)]
enum Act {
    Passes(u64),
    /// The wall clock is off by this much from now on.
    IsOff(i64),
    Ticks,
    Looks,
    Hears(HybridTimestamp),
    Restarts,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let bound = BOUND.cast_signed();
    let year = YEAR.cast_signed();
    let off = prop_oneof![
        3 => Just(0),
        2 => -2 * bound..2 * bound,
        1 => Just(10 * year),
        1 => Just(-year),
        1 => Just(-40 * year),
    ];
    let heard = (0..2 * YEAR, prop_oneof![Just(0), Just(u16::MAX)])
        .prop_map(|(ahead, logical)| stamp(NOW - YEAR + ahead, logical));
    let act = prop_oneof![
        3 => prop_oneof![0..10u64, 0..2 * BOUND].prop_map(Act::Passes),
        2 => off.prop_map(Act::IsOff),
        4 => Just(Act::Ticks),
        1 => Just(Act::Looks),
        1 => heard.prop_map(Act::Hears),
        1 => Just(Act::Restarts),
    ];
    proptest::collection::vec(act, 0..60)
}

/// Everything that can happen to a clock: a tick or a stamp from elsewhere, at any wall-clock time
/// near now.
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

    /// Once the clock has been right for one bound, no stamp is further ahead than the bound; and
    /// stamps go back only where no wall clock has vouched for the last one for that long.
    #[test]
    fn stamps_follow_the_wall_clock_and_only_rise_beside_it(acts in acts()) {
        let mut clock = HybridClock::new();
        let (mut elapsed, mut error, mut right_since) = (0_u64, 0_i64, Some(0_u64));
        let mut vouched = None;
        for act in acts {
            let now = at(NOW.saturating_add(elapsed).saturating_add_signed(error), elapsed);
            let before = clock.last();
            match act {
                Act::Passes(millis) => elapsed += millis,
                Act::IsOff(by) => {
                    error = by;
                    right_since = (by == 0).then_some(elapsed);
                }
                Act::Looks => clock.read(now),
                Act::Hears(theirs) => _ = clock.observe(theirs, now),
                Act::Restarts => {
                    clock = HybridClock::resume(clock.last());
                    vouched = None;
                }
                Act::Ticks => {
                    let made = clock.tick(now);
                    if right_since.is_some_and(|since| elapsed - since >= BOUND) {
                        // One more: a full count carries.
                        prop_assert!(made.millis() <= now.wall + BOUND + 1, "{made} at {now:?}");
                    }
                    if now.wall > EARLIEST_MILLIS {
                        prop_assert!(made.millis() >= now.wall);
                    }
                }
            }
            if matches!(act, Act::Passes(_) | Act::IsOff(_) | Act::Restarts) {
                continue;
            }
            if clock.last() < before {
                prop_assert!(now.wall > EARLIEST_MILLIS);
                prop_assert!(before.millis() > now.wall + BOUND);
                prop_assert!(vouched.is_none_or(|at| elapsed - at >= BOUND), "too soon");
            }
            if now.wall > EARLIEST_MILLIS && clock.last().millis() <= now.wall + BOUND {
                vouched = Some(elapsed);
            }
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

/// Copies of one disk, with wall clocks that stand still: no stamp of one is a stamp of the other.
#[test]
fn clocks_that_are_set_apart_make_different_stamps_by_the_same_time() {
    for behind in [0, 1, 5_000] {
        let first = |places| {
            let mut clock = HybridClock::resume(stamp(NOW - behind, 7)).apart_by(places);
            (clock.tick(NOW), clock.tick(NOW))
        };
        let (one, other) = (first(10), first(20));
        assert_eq!(other.0.as_u64() - one.0.as_u64(), 10);
        assert!(one.0 < one.1 && one.0 > stamp(NOW - behind, 7));
        assert_eq!(one.0.millis(), NOW);
    }
}
