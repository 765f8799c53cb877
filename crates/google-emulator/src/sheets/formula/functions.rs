//! The functions: sums and counts, conditions, text, dates and times, look-ups.

mod dates;
mod lookup;
mod statistics;
mod texts;

use super::{
    Calc, Expr, Place, Stop,
    values::{Fault, Kind, Many, Operand, Worked},
};
use crate::random::Random;

type Outcome = Result<Worked, Stop>;

/// One call with its arguments, not yet worked out: `IF` looks at two of its three.
pub(super) struct Call<'c, 'b> {
    calc: &'c Calc<'b>,
    arguments: &'c [Expr],
    at: Place,
}

pub(super) fn call(calc: &Calc<'_>, name: &str, arguments: &[Expr], at: Place) -> Result<Operand, Stop> {
    let call = Call { calc, arguments, at };
    let (least, most) = arity(name)
        .ok_or_else(|| Fault::new(Kind::Name, format!("google-emulator does not know the function {name}.")))?;
    if arguments.len() < least || arguments.len() > most {
        return Err(Fault::new(Kind::NotAvailable, format!("Wrong number of arguments to {name}.")).into());
    }
    if name == "INDEX" {
        return lookup::index(&call);
    }
    call.result(name).map(Operand::One)
}

const MANY: usize = 255;

/// How few and how many arguments a function takes. None: there is no such function here.
fn arity(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "NOW" | "TODAY" | "PI" | "TRUE" | "FALSE" | "NA" | "RAND" => (0, 0),
        "ROW" | "COLUMN" => (0, 1),
        "ABS" | "SIGN" | "SQRT" | "EXP" | "LN" | "LOG10" | "NOT" | "LEN" | "TRIM" | "UPPER" | "LOWER" | "PROPER"
        | "VALUE" | "N" | "T" | "ISBLANK" | "ISNUMBER" | "ISTEXT" | "ISLOGICAL" | "ISERROR" | "ISERR" | "ISNA"
        | "ISFORMULA" | "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "SECOND" | "DATEVALUE" | "TIMEVALUE" | "INT"
        | "ROWS" | "COLUMNS" | "COUNTBLANK" | "CHAR" | "CODE" | "ISODD" | "ISEVEN" | "ISOWEEKNUM" => (1, 1),
        "ROUND" | "ROUNDUP" | "ROUNDDOWN" | "TRUNC" | "LOG" | "CEILING" | "FLOOR" | "LEFT" | "RIGHT" | "HYPERLINK"
        | "IFERROR" | "WEEKDAY" | "WEEKNUM" => (1, 2),
        "MOD" | "POWER" | "MROUND" | "QUOTIENT" | "TEXT" | "EXACT" | "REPT" | "CONCAT" | "IFNA" | "EDATE"
        | "EOMONTH" | "DAYS" | "COUNTIF" | "LARGE" | "SMALL" | "RANDBETWEEN" => (2, 2),
        "IF" | "SUMIF" | "AVERAGEIF" | "FIND" | "SEARCH" | "MATCH" | "INDEX" | "LOOKUP" => (2, 3),
        "DATE" | "TIME" | "MID" | "DATEDIF" => (3, 3),
        "SUBSTITUTE" | "VLOOKUP" | "HLOOKUP" => (3, 4),
        "SUM" | "AVERAGE" | "MIN" | "MAX" | "COUNT" | "COUNTA" | "MEDIAN" | "PRODUCT" | "STDEV" | "VAR" | "AND"
        | "OR" | "XOR" | "CONCATENATE" | "COUNTUNIQUE" | "SUMSQ" => (1, MANY),
        "IFS" | "COUNTIFS" | "CHOOSE" | "JOIN" | "SUMPRODUCT" => (1, MANY),
        "SWITCH" | "SUMIFS" | "AVERAGEIFS" | "MINIFS" | "MAXIFS" | "TEXTJOIN" => (3, MANY),
        _ => return None,
    })
}

impl<'c, 'b> Call<'c, 'b> {
    fn len(&self) -> usize {
        self.arguments.len()
    }

    fn has(&self, at: usize) -> bool {
        self.arguments.get(at).is_some_and(|argument| *argument != Expr::Blank)
    }

    fn value(&self, at: usize) -> Outcome {
        self.arguments.get(at).map_or(Ok(Worked::Blank), |argument| self.calc.value(argument, self.at))
    }

    /// The same, but an error is a value.
    fn outcome(&self, at: usize) -> Outcome {
        match self.value(at) {
            Err(Stop::Fault(fault)) => Ok(Worked::Error(fault)),
            other => other,
        }
    }

    fn number(&self, at: usize) -> Result<f64, Stop> {
        Ok(self.value(at)?.number()?)
    }

    fn number_or(&self, at: usize, default: f64) -> Result<f64, Stop> {
        if self.has(at) { self.number(at) } else { Ok(default) }
    }

    fn text(&self, at: usize) -> Result<String, Stop> {
        Ok(self.value(at)?.text()?)
    }

    fn truth(&self, at: usize) -> Result<bool, Stop> {
        Ok(self.value(at)?.truth()?)
    }

    fn operand(&self, at: usize) -> Result<Operand, Stop> {
        self.arguments.get(at).map_or(Ok(Operand::One(Worked::Blank)), |argument| self.calc.eval(argument, self.at))
    }

    /// An argument that must be cells.
    fn many(&self, at: usize) -> Result<Many, Stop> {
        Ok(match self.operand(at)? {
            Operand::Many(many) => many,
            Operand::One(value) => Many::List(vec![vec![value]]),
        })
    }

    /// Each value in a list of cells that is not blank, with its row and column in the list.
    fn each(&self, many: &Many, visit: &mut dyn FnMut(usize, usize, Worked) -> Result<(), Stop>) -> Result<(), Stop> {
        let area = match many {
            Many::Area(area) => area,
            Many::List(rows) => {
                for (at, row) in rows.iter().enumerate() {
                    for (column, value) in row.iter().enumerate() {
                        visit(at, column, value.clone())?;
                    }
                }
                return Ok(());
            }
        };
        let grid = &self.calc.book.sheets[area.sheet].grid;
        let rows = grid.rows().enumerate().skip(area.rows.start).take(area.rows.len());
        for (at, row) in rows {
            let end = area.columns.end.min(row.cells.len());
            for column in area.columns.start.min(end)..end {
                if row.cells[column].value.is_empty() {
                    continue;
                }
                let value = self.calc.cell((area.sheet, at, column))?;
                visit(at - area.rows.start, column - area.columns.start, value)?;
            }
        }
        Ok(())
    }

    fn fault(kind: Kind, message: &str) -> Stop {
        Fault::new(kind, message).into()
    }

    fn result(&self, name: &str) -> Outcome {
        match name {
            "NOW" | "TODAY" | "DATE" | "TIME" | "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "SECOND"
            | "DATEVALUE" | "TIMEVALUE" | "WEEKDAY" | "WEEKNUM" | "ISOWEEKNUM" | "EDATE" | "EOMONTH" | "DAYS"
            | "DATEDIF" => dates::result(self, name),
            "LEN" | "TRIM" | "UPPER" | "LOWER" | "PROPER" | "VALUE" | "T" | "LEFT" | "RIGHT" | "MID" | "TEXT"
            | "EXACT" | "REPT" | "CONCAT" | "CONCATENATE" | "JOIN" | "TEXTJOIN" | "FIND" | "SEARCH" | "SUBSTITUTE"
            | "CHAR" | "CODE" | "HYPERLINK" => texts::result(self, name),
            "SUM" | "AVERAGE" | "MIN" | "MAX" | "COUNT" | "COUNTA" | "MEDIAN" | "PRODUCT" | "STDEV" | "VAR"
            | "COUNTUNIQUE" | "SUMSQ" | "COUNTBLANK" | "LARGE" | "SMALL" | "SUMPRODUCT" | "COUNTIF" | "SUMIF"
            | "AVERAGEIF" | "COUNTIFS" | "SUMIFS" | "AVERAGEIFS" | "MINIFS" | "MAXIFS" => {
                statistics::result(self, name)
            }
            "MATCH" | "LOOKUP" | "VLOOKUP" | "HLOOKUP" | "ROW" | "COLUMN" | "ROWS" | "COLUMNS" => {
                lookup::result(self, name)
            }
            "IF" | "IFS" | "IFERROR" | "IFNA" | "SWITCH" | "CHOOSE" | "AND" | "OR" | "XOR" | "NOT" => self.logic(name),
            _ => self.plain(name),
        }
    }

    fn logic(&self, name: &str) -> Outcome {
        Ok(match name {
            "IF" => match (self.truth(0)?, self.len()) {
                (true, _) => return self.value(1),
                (false, 2) => Worked::Bool(false),
                (false, _) => return self.value(2),
            },
            "IFS" => {
                for at in (0..self.len()).step_by(2) {
                    if self.truth(at)? {
                        return self.value(at + 1);
                    }
                }
                return Err(Self::fault(Kind::NotAvailable, "No condition of IFS is met."));
            }
            "IFERROR" => match self.outcome(0)? {
                Worked::Error(_) => return self.value(1),
                value => value,
            },
            "IFNA" => match self.outcome(0)? {
                Worked::Error(fault) if fault.kind == Kind::NotAvailable => return self.value(1),
                Worked::Error(fault) => return Err(fault.into()),
                value => value,
            },
            "SWITCH" => {
                let wanted = self.value(0)?;
                for at in (1..self.len() - 1).step_by(2) {
                    if super::compare(&wanted, &self.value(at)?).is_eq() {
                        return self.value(at + 1);
                    }
                }
                match self.len() % 2 {
                    0 => return self.value(self.len() - 1),
                    _ => return Err(Self::fault(Kind::NotAvailable, "No case of SWITCH fits.")),
                }
            }
            "CHOOSE" => match self.number(0)? {
                at if at >= 1.0 && (at as usize) < self.len() => return self.value(at as usize),
                _ => return Err(Self::fault(Kind::Num, "CHOOSE has no such choice.")),
            },
            "NOT" => Worked::Bool(!self.truth(0)?),
            _ => {
                let mut truths = Vec::new();
                for at in 0..self.len() {
                    let many = self.many(at)?;
                    let is_list = matches!(many, Many::List(_));
                    self.each(&many, &mut |_, _, value| {
                        // Text in cells does not count.
                        if is_list || !matches!(value, Worked::Text(_)) {
                            truths.push(value.truth()?);
                        }
                        Ok(())
                    })?;
                }
                Worked::Bool(match name {
                    "AND" => truths.iter().all(|truth| *truth),
                    "OR" => truths.iter().any(|truth| *truth),
                    _ => truths.iter().filter(|truth| **truth).count() % 2 == 1,
                })
            }
        })
    }

    fn plain(&self, name: &str) -> Outcome {
        let number = match name {
            "TRUE" => return Ok(Worked::Bool(true)),
            "FALSE" => return Ok(Worked::Bool(false)),
            "NA" => return Err(Self::fault(Kind::NotAvailable, "It was asked for.")),
            "ISBLANK" => return Ok(Worked::Bool(self.outcome(0)? == Worked::Blank)),
            "ISNUMBER" => return Ok(Worked::Bool(matches!(self.outcome(0)?, Worked::Number(_)))),
            "ISTEXT" => return Ok(Worked::Bool(matches!(self.outcome(0)?, Worked::Text(_)))),
            "ISLOGICAL" => return Ok(Worked::Bool(matches!(self.outcome(0)?, Worked::Bool(_)))),
            "ISERROR" => return Ok(Worked::Bool(matches!(self.outcome(0)?, Worked::Error(_)))),
            "ISNA" | "ISERR" => {
                let is_na = matches!(self.outcome(0)?, Worked::Error(Fault { kind: Kind::NotAvailable, .. }));
                let is_error = matches!(self.outcome(0)?, Worked::Error(_));
                return Ok(Worked::Bool(if name == "ISNA" { is_na } else { is_error && !is_na }));
            }
            "ISFORMULA" => {
                let Operand::Many(Many::Area(area)) = self.operand(0)? else {
                    return Err(Self::fault(Kind::Value, "ISFORMULA wants a reference."));
                };
                let known = self.calc.formula(area.sheet, area.rows.start, area.columns.start);
                return Ok(Worked::Bool(known.is_some()));
            }
            "ISODD" => return Ok(Worked::Bool(self.number(0)?.trunc() % 2.0 != 0.0)),
            "ISEVEN" => return Ok(Worked::Bool(self.number(0)?.trunc() % 2.0 == 0.0)),
            "N" => match self.value(0)? {
                Worked::Text(_) => 0.0,
                value => value.number()?,
            },
            "PI" => std::f64::consts::PI,
            "ABS" => self.number(0)?.abs(),
            "SIGN" => match self.number(0)? {
                0.0 => 0.0,
                number => number.signum(),
            },
            "SQRT" => self.number(0)?.sqrt(),
            "EXP" => self.number(0)?.exp(),
            "LN" => self.number(0)?.ln(),
            "LOG10" => self.number(0)?.log10(),
            "LOG" => self.number(0)?.log(self.number_or(1, 10.0)?),
            "POWER" => self.number(0)?.powf(self.number(1)?),
            "INT" => self.number(0)?.floor(),
            "ROUND" | "ROUNDUP" | "ROUNDDOWN" | "TRUNC" => round(name, self.number(0)?, self.number_or(1, 0.0)?),
            "MOD" | "QUOTIENT" | "MROUND" | "CEILING" | "FLOOR" => {
                let (number, by) = (self.number(0)?, self.number_or(1, 1.0)?);
                if by == 0.0 && matches!(name, "MOD" | "QUOTIENT") {
                    return Err(Self::fault(Kind::DivideByZero, "A division by zero."));
                }
                match name {
                    "MOD" => number - by * (number / by).floor(),
                    "QUOTIENT" => (number / by).trunc(),
                    _ if by == 0.0 => 0.0,
                    "MROUND" => clean(number / by).round() * by,
                    "CEILING" => clean(number / by).ceil() * by,
                    _ => clean(number / by).floor() * by,
                }
            }
            _ => {
                // `RAND` and `RANDBETWEEN`: repeatable, as everything here is for one moment.
                let (tab, row, column) = self.at;
                let seed =
                    (self.calc.now.as_nanos() as u64) ^ ((tab as u64) << 48) ^ ((row as u64) << 20) ^ column as u64;
                let chance = (Random::seeded(seed).next() >> 11) as f64 / (1u64 << 53) as f64;
                match name {
                    "RANDBETWEEN" => {
                        let (low, high) = (self.number(0)?.ceil(), self.number(1)?.floor());
                        low + (chance * (high - low + 1.0)).floor()
                    }
                    _ => chance,
                }
            }
        };
        Ok(Worked::finite(number)?)
    }
}

/// Half away from zero, by the number as it is written: 2.675 is a little less than it looks.
fn round(name: &str, number: f64, digits: f64) -> f64 {
    let scale = 10f64.powi(digits.clamp(-300.0, 300.0) as i32);
    let scaled = clean(number * scale);
    let whole = match name {
        "ROUND" => scaled.round(),
        "ROUNDUP" => scaled.abs().ceil() * scaled.signum(),
        _ => scaled.trunc(),
    };
    if scale.is_finite() && scale != 0.0 { whole / scale } else { number }
}

/// Without what only binary arithmetic sees.
fn clean(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}
