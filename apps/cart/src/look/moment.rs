//! Times as people write and read them: RFC 3339, seconds since 1970, or an age.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Reads `2026-11-03T14:00:00Z`, `2026-11-03`, seconds since 1970, or an age such as `2h`, as
/// milliseconds since 1970.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, now()).ok_or_else(|| {
        "neither a time nor an age; write 2026-11-03T14:00:00Z, seconds since 1970, or an age in \
         s, m, h, d or w, such as 2h"
            .to_owned()
    })
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn parse_at(text: &str, now: u64) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    if let Some((count, unit)) = text.split_at_checked(text.len().checked_sub(1)?)
        && let Ok(count) = count.parse::<u64>()
    {
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        return Some(now.saturating_sub(count.checked_mul(seconds)?.checked_mul(1_000)?));
    }
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00Z"));
    u64::try_from(days(date)? * DAY * 1_000 + millis(time)?).ok()
}

/// Returns the days since 1970 of a date that there is.
fn days(date: &str) -> Option<i64> {
    let mut fields = date.split('-');
    let (year, month) = (number(fields.next()?, 4)?, number(fields.next()?, 2)?);
    let day = number(fields.next()?, 2)?;
    let days = days_before(year, month, day);
    let is_one = (1..=12).contains(&month) && civil(days) == (year, month, day);
    (fields.next().is_none() && is_one).then_some(days)
}

/// Returns the milliseconds of a day at a time, at Greenwich.
fn millis(time: &str) -> Option<i64> {
    let (clock, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, zone) = time.split_at_checked(time.rfind(['+', '-'])?)?;
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = below(hours, 24)? * 60 + below(minutes, 60)?;
            (clock, if zone.starts_with('-') { -minutes } else { minutes })
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = clock.split(':');
    let (hour, minute) = (below(fields.next()?, 24)?, below(fields.next()?, 60)?);
    // A leap second is the last one of its minute.
    let second = below(fields.next()?, 61)?.min(59);
    let fraction = number(fraction, fraction.len()).and(fraction.get(..fraction.len().min(3)))?;
    let fraction = format!("{fraction:0<3}").parse::<i64>().ok()?;
    let seconds = (hour * 60 + minute - offset) * 60 + second;
    fields.next().is_none().then_some(seconds * 1_000 + fraction)
}

fn below(text: &str, end: i64) -> Option<i64> {
    number(text, 2).filter(|number| *number < end)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_one = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse().ok())?
}

/// Returns the days from 1970 to a date. Years are counted from March on, so that the leap day is
/// the last one.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + ((month + 9) % 12 * 153 + 2) / 5 + day - 1 - 719_468
}

/// Returns the date of a day: the inverse of [`days_before`].
fn civil(days: i64) -> (i64, i64, i64) {
    let guess = 1970 + days.div_euclid(366) - 1;
    let later = (guess..).take_while(|year| days_before(*year, 1, 1) <= days);
    let year = later.last().unwrap_or(guess);
    let months = (1..=12).take_while(|month| days_before(year, *month, 1) <= days);
    let month = months.last().unwrap_or(1);
    (year, month, days - days_before(year, month, 1) + 1)
}

/// Shows milliseconds since 1970 as `2026-11-03T14:00:00Z`, which [`parse`] reads.
pub(crate) fn show(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages_are_read() {
        let now = 1_000_000_000_000;
        for (text, millis) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000),
            ("2h", now - 7_200_000),
            ("90s", now - 90_000),
            ("999w", now - 999 * 604_800_000),
            ("9999w", 0),
            ("1970-01-02", 86_400_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14t22:13:20.25z", 1_700_000_000_250),
            ("2023-11-14 23:43:20.123456+01:30", 1_700_000_000_123),
            ("2023-11-14T16:13:20-06:00", 1_700_000_000_000),
            ("2024-02-29", 1_709_164_800_000),
        ] {
            assert_eq!(parse_at(text, now), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "h",
            "yesterday",
            "-2h",
            "2y",
            "é",
            "2é",
            "2023-02-29",
            "2023-13-01",
            "2023-00-10",
            "2023-1-1",
            "2023-11-14T22:13Z",
            "2023-11-14T22:13:20",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20+1:00",
            "1969-12-31T23:59:59Z",
            "18446744073709551615",
            "18446744073709551615w",
        ] {
            assert_eq!(parse_at(text, 0), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for day in (0..80_000).step_by(13) {
            let millis = (day * 86_400 + day % 86_400) * 1_000;
            assert_eq!(parse_at(&show(millis), 0), Some(millis), "{}", show(millis));
        }
        assert_eq!(show(1_700_000_000_999), "2023-11-14T22:13:20Z");
    }
}
