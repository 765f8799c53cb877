//! HTTP dates and `Retry-After`.

use core::time::Duration;

/// Seconds since 1970 of an HTTP date in its one current form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
/// The two forms that went out of use before OAuth existed are not read.
pub(crate) fn unix_seconds(date: &str) -> Option<i64> {
    let mut parts = date.trim().split_once(", ")?.1.split(' ');
    let day: i64 = number(parts.next()?, 1, 31)?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = number(parts.next()?, 1970, 9999)?;
    let mut clock = parts.next()?.split(':');
    let (hour, minute, second) =
        (number(clock.next()?, 0, 23)?, number(clock.next()?, 0, 59)?, number(clock.next()?, 0, 60)?);
    if parts.next()? != "GMT" || parts.next().is_some() || clock.next().is_some() {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// How long to wait, from `Retry-After` in seconds, or as a date next to the server's own `Date`.
pub(crate) fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    let seconds = match number(value, 0, i64::MAX) {
        Some(seconds) => seconds,
        None => unix_seconds(value)?.checked_sub(unix_seconds(date?)?)?,
    };
    u64::try_from(seconds).ok().map(|seconds| Duration::from_secs(seconds).min(crate::body::LONGEST))
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn number(digits: &str, least: i64, most: i64) -> Option<i64> {
    let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|n| good && (least..=most).contains(n))
}

/// Days since 1970-01-01 in the Gregorian calendar; `month` counts from 0.
fn days(year: i64, month: usize, day: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    (year - 1970) * 365 + leap_days + BEFORE[month] + i64::from(leap && month > 1) + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT x", None),
            ("Sun, 06 Brumaire 1994 08:49:37 GMT", None),
            ("06 Nov 1994", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(date), seconds, "{date}");
        }
    }

    #[test]
    fn a_date_to_come_back_is_measured_on_the_servers_own_clock() {
        let leap = retry_after(Some("Wed, 01 Mar 2028 00:01:00 GMT"), Some("Tue, 29 Feb 2028 23:59:00 GMT"));
        assert_eq!(leap, Some(Duration::from_secs(120)));
        assert_eq!(retry_after(Some("Wed, 01 Mar 2028 00:01:00 GMT"), None), None);
        assert_eq!(retry_after(Some(" 7 "), None), Some(Duration::from_secs(7)));
    }
}
