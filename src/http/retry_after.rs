//! How long an endpoint wants to be left alone: the `Retry-After` header in both of its forms (RFC 9110, 10.2.3), and
//! `retry-after-ms`, which some gateways send beside it. Total: whatever does not read as one is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// What time it is for people. Only a date that a server sends is compared with it: clocks are set, and every deadline,
/// pause and time to live of ours is counted by a clock that is not (`Instant`).
#[expect(clippy::disallowed_methods, reason = "this is where a date is read")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The wanted pause, counted from `now`. A date that has passed wants none.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let header = text(RETRY_AFTER.as_str())?;
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number can hold are for ever.
        return Some(header.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = UNIX_EPOCH.checked_add(Duration::from_secs(date(header)?))?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = fields[..] else { return None };
    let number = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number <= most);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (year, day) = (number(year, 9_999)?, number(day, 31)?);
    let clock: Vec<&str> = time.split(':').collect();
    let [hours, minutes, seconds] = clock[..] else { return None };
    // Days since 1970 of a date in the Gregorian calendar, years counted from March: "days_from_civil" of H. Hinnant,
    // "chrono-Compatible Low-Level Date Algorithms".
    let years = if month > 2 { year } else { year.checked_sub(1)? };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = (365 * years + years / 4 - years / 100 + years / 400 + day_of_year).checked_sub(719_468)?;
    Some(days * 86_400 + number(hours, 23)? * 3_600 + number(minutes, 59)? * 60 + number(seconds, 60)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn given(name: &'static str, value: &str, now: SystemTime) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())]), now)
    }

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let now = at(784_111_777);
        for (value, wanted) in [
            ("1", Some(Duration::from_secs(1))),
            (" 3600 ", Some(Duration::from_secs(3_600))),
            ("99999999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(Duration::from_secs(10))),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(Duration::ZERO)),
            ("Sun, 06 Nov 1994 08:49:47 CET", None),
            ("Sun, 00 Nov 1994 08:49:47 GMT", None),
            ("Sun, 06 Nov 0000 08:49:47 GMT", None),
            ("Sun, 06 Foo 1994 08:49:47 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(given("retry-after", value, now), wanted, "{value:?}");
        }
        assert_eq!(given("retry-after-ms", "250", now), Some(Duration::from_millis(250)));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Thu, 26 Nov 2026 06:30:00 GMT", 1_795_674_600),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
        ] {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_it_ends(text in "[ -~]{0,40}", seconds in 0_u64..1 << 40) {
            let _ = given("retry-after", &text, at(seconds));
        }
    }
}
