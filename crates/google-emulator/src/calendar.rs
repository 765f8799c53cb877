//! Days and dates without a time-zone library: the proleptic Gregorian calendar, and the `Date` header.

use std::time::Duration;

/// Days between 1899-12-30, the zero of serial numbers in Sheets, and 1970-01-01.
pub(crate) const SERIAL_OF_UNIX_EPOCH: i64 = 25_569;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

impl Date {
    /// From days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
    pub(crate) fn from_unix_days(days: i64) -> Self {
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let mp = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * mp + 2) / 5 + 1) as u32;
        let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// None for a day that does not exist, such as 30 February.
    pub(crate) fn new(year: i64, month: u32, day: u32) -> Option<Self> {
        let date = Self { year, month, day };
        let exists = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..=9_999).contains(&year)
            && Self::from_unix_days(date.unix_days()) == date;
        exists.then_some(date)
    }

    pub(crate) fn unix_days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let mp = i64::from(if self.month > 2 { self.month - 3 } else { self.month + 9 });
        let day_of_year = (153 * mp + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    pub(crate) fn serial(self) -> f64 {
        (self.unix_days() + SERIAL_OF_UNIX_EPOCH) as f64
    }

    pub(crate) fn month_name(self) -> &'static str {
        MONTHS[(self.month.clamp(1, 12) - 1) as usize]
    }

    pub(crate) fn weekday_name(self) -> &'static str {
        // 1970-01-01 was a Thursday.
        WEEKDAYS[(self.unix_days() + 4).rem_euclid(7) as usize]
    }
}

/// RFC 9110 section 5.6.7, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(unix: Duration) -> String {
    let seconds = unix.as_secs();
    let date = Date::from_unix_days((seconds / 86_400) as i64);
    let time = seconds % 86_400;
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        &date.weekday_name()[..3],
        date.day,
        &date.month_name()[..3],
        date.year,
        time / 3_600,
        time / 60 % 60,
        time % 60
    )
}

/// `2026-11-22T19:05:00.123Z`, for the request log and the index page.
pub(crate) fn rfc3339(unix: Duration) -> String {
    let date = Date::from_unix_days((unix.as_secs() / 86_400) as i64);
    let time = unix.as_secs() % 86_400;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year,
        date.month,
        date.day,
        time / 3_600,
        time / 60 % 60,
        time % 60,
        unix.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for days in (-800_000..2_000_000).step_by(97) {
            assert_eq!(Date::from_unix_days(days).unix_days(), days);
        }
        assert_eq!(Date::new(2026, 2, 29), None);
        assert_eq!(Date::new(1899, 12, 30).unwrap().serial(), 0.0);
        assert_eq!(Date::new(1900, 2, 1).unwrap().serial(), 33.0);
    }

    #[test]
    fn the_date_header_is_the_one_of_rfc_9110() {
        assert_eq!(http_date(Duration::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
