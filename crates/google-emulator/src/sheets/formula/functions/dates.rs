//! Functions of dates and times; all are serial numbers (docs/google.md 8).

use super::{
    super::values::{Kind, Worked},
    Call, Outcome, Stop,
};
use crate::calendar::{Date, SERIAL_OF_UNIX_EPOCH};

pub(super) fn result(call: &Call<'_, '_>, name: &str) -> Outcome {
    let number = match name {
        "NOW" => call.calc.wall_clock(),
        "TODAY" => call.calc.wall_clock().floor(),
        "DATE" => {
            let year = call.number(0)?.floor();
            let year = if (0.0..1900.0).contains(&year) { year + 1900.0 } else { year };
            months_on(year as i64, call.number(1)?.floor() as i64 - 1)?.serial() + call.number(2)?.floor() - 1.0
        }
        "TIME" => {
            let seconds = call.number(0)?.floor() * 3_600.0 + call.number(1)?.floor() * 60.0 + call.number(2)?.floor();
            (seconds / 86_400.0).rem_euclid(1.0)
        }
        "DATEVALUE" => call.number(0)?.floor(),
        "TIMEVALUE" => call.number(0)?.rem_euclid(1.0),
        "DAYS" => call.number(0)?.floor() - call.number(1)?.floor(),
        "HOUR" | "MINUTE" | "SECOND" => {
            // To the second first: 8:59:59.9999999 was meant as nine.
            let seconds = (call.number(0)?.rem_euclid(1.0) * 86_400.0).round() % 86_400.0;
            match name {
                "HOUR" => (seconds / 3_600.0).floor(),
                "MINUTE" => (seconds / 60.0).floor() % 60.0,
                _ => seconds % 60.0,
            }
        }
        "YEAR" => date(call, 0)?.year as f64,
        "MONTH" => f64::from(date(call, 0)?.month),
        "DAY" => f64::from(date(call, 0)?.day),
        "WEEKDAY" => {
            let day = (date(call, 0)?.unix_days() + 4).rem_euclid(7) as f64;
            match call.number_or(1, 1.0)? as i64 {
                2 => (day + 6.0) % 7.0 + 1.0,
                3 => (day + 6.0) % 7.0,
                _ => day + 1.0,
            }
        }
        "ISOWEEKNUM" => iso_week(date(call, 0)?),
        "WEEKNUM" if call.number_or(1, 1.0)? == 21.0 => iso_week(date(call, 0)?),
        "WEEKNUM" => {
            let date = date(call, 0)?;
            let first = Date { year: date.year, month: 1, day: 1 }.unix_days();
            let starts_monday = i64::from(call.number_or(1, 1.0)? == 2.0);
            let weekday = (first + 4 - starts_monday).rem_euclid(7);
            ((date.unix_days() - first + weekday) / 7 + 1) as f64
        }
        "EDATE" | "EOMONTH" => {
            let date = date(call, 0)?;
            let months = i64::from(date.month) - 1 + call.number(1)?.trunc() as i64;
            let first = months_on(date.year, months)?;
            let last = months_on(date.year, months + 1)?.serial() - 1.0;
            if name == "EOMONTH" { last } else { (first.serial() + f64::from(date.day) - 1.0).min(last) }
        }
        _ => date_dif(call)?,
    };
    Ok(Worked::finite(number)?)
}

fn date(call: &Call<'_, '_>, at: usize) -> Result<Date, Stop> {
    match call.number(at)?.floor() {
        serial if (-700_000.0..3_000_000.0).contains(&serial) => {
            Ok(Date::from_unix_days(serial as i64 - SERIAL_OF_UNIX_EPOCH))
        }
        _ => Err(Call::fault(Kind::Num, "This is no date.")),
    }
}

/// The first day so many months after January of that year.
fn months_on(year: i64, months: i64) -> Result<Date, Stop> {
    let year = year.clamp(-100_000, 100_000) + months.clamp(-100_000, 100_000).div_euclid(12);
    let month = months.rem_euclid(12) as u32 + 1;
    Date::new(year, month, 1).ok_or_else(|| Call::fault(Kind::Num, "This is no date."))
}

fn iso_week(date: Date) -> f64 {
    // The Thursday of a week decides its year.
    let thursday = date.unix_days() - (date.unix_days() + 3).rem_euclid(7) + 3;
    let first = Date { year: Date::from_unix_days(thursday).year, month: 1, day: 1 }.unix_days();
    ((thursday - first) / 7 + 1) as f64
}

fn date_dif(call: &Call<'_, '_>) -> Result<f64, Stop> {
    let (from, to) = (date(call, 0)?, date(call, 1)?);
    if to.unix_days() < from.unix_days() {
        return Err(Call::fault(Kind::Num, "The end is before the start."));
    }
    let months =
        (to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month) - i64::from(to.day < from.day);
    match call.text(2)?.to_ascii_uppercase().as_str() {
        "D" => Ok((to.unix_days() - from.unix_days()) as f64),
        "M" => Ok(months as f64),
        "Y" => Ok((months / 12) as f64),
        "YM" => Ok((months % 12) as f64),
        _ => Err(Call::fault(Kind::Num, "DATEDIF takes D, M, Y or YM here.")),
    }
}
