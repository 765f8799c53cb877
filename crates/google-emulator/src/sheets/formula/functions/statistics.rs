//! Sums, counts and their conditions.

use super::{
    super::values::{Fault, Kind, Many, Worked, compare},
    Call, Outcome, Stop,
};

pub(super) fn result(call: &Call<'_, '_>, name: &str) -> Outcome {
    let number = match name {
        "COUNTA" => counted(call)?.len() as f64,
        "COUNTUNIQUE" => {
            let mut seen: Vec<String> = Vec::new();
            for value in counted(call)? {
                seen.push(value.text().unwrap_or_default().to_lowercase());
            }
            seen.sort();
            seen.dedup();
            seen.len() as f64
        }
        "COUNT" => {
            let is_number = |value: &&Worked| matches!(value, Worked::Number(_));
            counted(call)?.iter().filter(is_number).count() as f64
        }
        "COUNTBLANK" => {
            let many = call.many(0)?;
            let (rows, columns) = many.size();
            let mut filled = 0;
            call.each(&many, &mut |_, _, value| {
                filled += usize::from(!matches!(&value, Worked::Text(text) if text.is_empty()));
                Ok(())
            })?;
            (rows * columns - filled) as f64
        }
        "COUNTIF" | "SUMIF" | "AVERAGEIF" => {
            let rows = chosen(call, &[(0, 1)])?;
            let values = if name != "COUNTIF" && call.has(2) { 2 } else { 0 };
            conditional(call, name, values, &rows)?
        }
        "COUNTIFS" => {
            let pairs: Vec<(usize, usize)> = (0..call.len()).step_by(2).map(|at| (at, at + 1)).collect();
            conditional(call, name, 0, &chosen(call, &pairs)?)?
        }
        "SUMIFS" | "AVERAGEIFS" | "MINIFS" | "MAXIFS" => {
            let pairs: Vec<(usize, usize)> = (1..call.len()).step_by(2).map(|at| (at, at + 1)).collect();
            conditional(call, name, 0, &chosen(call, &pairs)?)?
        }
        "LARGE" | "SMALL" => {
            let mut numbers = numbers_of(call, 0)?;
            numbers.sort_by(f64::total_cmp);
            if name == "LARGE" {
                numbers.reverse();
            }
            let nth = call.number(1)?;
            let found = (nth >= 1.0).then(|| numbers.get(nth as usize - 1).copied()).flatten();
            found.ok_or_else(|| Call::fault(Kind::Num, "There are not so many numbers."))?
        }
        "SUMPRODUCT" => sum_product(call)?,
        _ => {
            let mut numbers = Vec::new();
            for at in 0..call.len() {
                numbers.extend(numbers_of(call, at)?);
            }
            of_all(name, &mut numbers)?
        }
    };
    Ok(Worked::finite(number)?)
}

/// Values of all arguments; blank cells are none.
fn counted(call: &Call<'_, '_>) -> Result<Vec<Worked>, Stop> {
    let mut values = Vec::new();
    for at in 0..call.len() {
        call.each(&call.many(at)?, &mut |_, _, value| {
            values.push(value);
            Ok(())
        })?;
    }
    Ok(values)
}

/// In cells only numbers count; an argument of its own is taken for a number.
fn numbers_of(call: &Call<'_, '_>, at: usize) -> Result<Vec<f64>, Stop> {
    let many = call.many(at)?;
    let is_own = matches!(many, Many::List(_));
    let mut numbers = Vec::new();
    call.each(&many, &mut |_, _, value| {
        match value {
            Worked::Number(number) => numbers.push(number),
            Worked::Error(fault) => return Err(fault.into()),
            value if is_own => numbers.push(value.number()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(numbers)
}

fn of_all(name: &str, numbers: &mut [f64]) -> Result<f64, Fault> {
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let nothing = || Fault::new(Kind::DivideByZero, "There are no numbers.");
    Ok(match name {
        "SUM" => sum,
        "SUMSQ" => numbers.iter().map(|number| number * number).sum(),
        "PRODUCT" => numbers.iter().product(),
        "MIN" => numbers.iter().copied().reduce(f64::min).unwrap_or_default(),
        "MAX" => numbers.iter().copied().reduce(f64::max).unwrap_or_default(),
        "AVERAGE" if numbers.is_empty() => return Err(nothing()),
        "AVERAGE" => sum / count,
        "MEDIAN" => {
            numbers.sort_by(f64::total_cmp);
            let upper = *numbers.get(numbers.len() / 2).ok_or_else(nothing)?;
            let lower = numbers[(numbers.len() - 1) / 2];
            (lower + upper) / 2.0
        }
        _ if numbers.len() < 2 => return Err(nothing()),
        name => {
            let mean = sum / count;
            let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (count - 1.0);
            if name == "VAR" { variance } else { variance.sqrt() }
        }
    })
}

/// Places (row, column) in the ranges at which all conditions hold, each by its own range.
fn chosen(call: &Call<'_, '_>, pairs: &[(usize, usize)]) -> Result<Vec<(usize, usize)>, Stop> {
    let mut places: Option<Vec<(usize, usize)>> = None;
    let mut shape = None;
    for &(range, condition) in pairs {
        let many = call.many(range)?;
        if *shape.get_or_insert(many.size()) != many.size() {
            return Err(Call::fault(Kind::Value, "The ranges are not of one size."));
        }
        let condition = Condition::new(&call.value(condition)?);
        let mut hits = Vec::new();
        if condition.takes_blank() {
            // Blanks count too, so all places have to be looked at.
            let (rows, columns) = many.size();
            let mut misses = Vec::new();
            call.each(&many, &mut |row, column, value| {
                if !condition.holds(&value) {
                    misses.push((row, column));
                }
                Ok(())
            })?;
            let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
            hits.extend(all.filter(|place| misses.binary_search(place).is_err()));
        } else {
            call.each(&many, &mut |row, column, value| {
                if condition.holds(&value) {
                    hits.push((row, column));
                }
                Ok(())
            })?;
        }
        places = Some(match places {
            None => hits,
            Some(before) => before.into_iter().filter(|place| hits.binary_search(place).is_ok()).collect(),
        });
    }
    Ok(places.unwrap_or_default())
}

fn conditional(call: &Call<'_, '_>, name: &str, values: usize, places: &[(usize, usize)]) -> Result<f64, Stop> {
    if name.starts_with("COUNT") {
        return Ok(places.len() as f64);
    }
    let many = match call.many(values)? {
        // `SUMIF` takes the first cell of its sum range and the size of the other.
        Many::Area(mut area) => {
            let (rows, columns) = call.many(usize::from(values == 0 && name.ends_with("IFS")))?.size();
            area.rows.end = area.rows.start + rows;
            area.columns.end = area.columns.start + columns;
            Many::Area(area)
        }
        list => list,
    };
    let mut numbers = Vec::new();
    call.each(&many, &mut |row, column, value| {
        if let Worked::Number(number) = value
            && places.binary_search(&(row, column)).is_ok()
        {
            numbers.push(number);
        }
        Ok(())
    })?;
    let plain = name.trim_end_matches('S').trim_end_matches("IF");
    Ok(of_all(plain, &mut numbers)?)
}

fn sum_product(call: &Call<'_, '_>) -> Result<f64, Stop> {
    let (rows, columns) = call.many(0)?.size();
    let mut products: std::collections::BTreeMap<(usize, usize), f64> = std::collections::BTreeMap::new();
    for at in 0..call.len() {
        let many = call.many(at)?;
        if many.size() != (rows, columns) {
            return Err(Call::fault(Kind::Value, "The ranges are not of one size."));
        }
        let mut next = std::collections::BTreeMap::new();
        call.each(&many, &mut |row, column, value| {
            let number = match value {
                Worked::Number(number) => number,
                Worked::Error(fault) => return Err(fault.into()),
                _ => 0.0,
            };
            let before = if at == 0 { 1.0 } else { products.get(&(row, column)).copied().unwrap_or(0.0) };
            next.insert((row, column), before * number);
            Ok(())
        })?;
        products = next;
    }
    Ok(products.values().sum())
}

/// `">5"`, `"<>in"`, `"Mar*"`, `7`.
struct Condition {
    operator: &'static str,
    wanted: Worked,
}

impl Condition {
    fn new(value: &Worked) -> Self {
        let Worked::Text(text) = value else { return Self { operator: "=", wanted: value.clone() } };
        let operator = ["<=", ">=", "<>", "=", "<", ">"].into_iter().find(|sign| text.starts_with(sign));
        let rest = text.strip_prefix(operator.unwrap_or_default()).unwrap_or(text);
        let wanted = match Worked::Text(rest.to_owned()).number() {
            Ok(number) if !rest.trim().is_empty() => Worked::Number(number),
            _ if rest.eq_ignore_ascii_case("true") || rest.eq_ignore_ascii_case("false") => {
                Worked::Bool(rest.eq_ignore_ascii_case("true"))
            }
            _ => Worked::Text(rest.to_owned()),
        };
        Self { operator: operator.unwrap_or("="), wanted }
    }

    fn takes_blank(&self) -> bool {
        match (self.operator, &self.wanted) {
            ("<>", Worked::Text(text)) => !text.is_empty(),
            ("<>", _) => true,
            ("=", Worked::Text(text)) => text.is_empty(),
            ("=", Worked::Blank) => true,
            _ => false,
        }
    }

    fn holds(&self, value: &Worked) -> bool {
        let is_same = match (value, &self.wanted) {
            (Worked::Text(text), Worked::Text(pattern)) => is_like(&text.to_lowercase(), &pattern.to_lowercase()),
            (Worked::Number(a), Worked::Number(b)) => a == b,
            (Worked::Bool(a), Worked::Bool(b)) => a == b,
            // A number that was entered as text is still that number to a condition.
            (Worked::Text(_), Worked::Number(b)) => value.number().is_ok_and(|a| a == *b),
            _ => false,
        };
        let is_same_kind = std::mem::discriminant(value) == std::mem::discriminant(&self.wanted);
        match self.operator {
            "=" => is_same,
            "<>" => !is_same,
            "<" => is_same_kind && compare(value, &self.wanted).is_lt(),
            "<=" => is_same_kind && compare(value, &self.wanted).is_le(),
            ">" => is_same_kind && compare(value, &self.wanted).is_gt(),
            _ => is_same_kind && compare(value, &self.wanted).is_ge(),
        }
    }
}

/// `*` for any characters, `?` for one, `~` before either for itself.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // The usual two-pointer way, which does not go wild on `*****`.
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => (t, p) = (t + 1, p + 1),
            Some('~') if pattern.get(p + 1) == Some(&text[t]) => (t, p) = (t + 1, p + 2),
            Some(c) if *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (t, p) = (from + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
