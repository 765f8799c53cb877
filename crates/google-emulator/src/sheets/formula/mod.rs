//! Formulas: kept as typed, worked out whenever they are read, and rewritten when what they point at moves.
//!
//! What a time clock's sheet needs is here: arithmetic, comparisons, text, references to cells, columns, other tabs and
//! named ranges, and the functions of [`functions`]. Not: results that spill over neighbours (`ARRAYFORMULA`,
//! `FILTER`, `QUERY`), and what would ask the Internet. A function that is not here says so in its error's message.
//!
//! unknown to us: the messages of errors, how many cells one formula may look at, and the zone of `NOW`; here it is the
//! spreadsheet's `timeZone`, and UTC where nobody knows a zone of that name.

mod functions;
mod parse;
mod refs;
mod values;

use std::{
    cell::{Cell as Counter, RefCell},
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use parse::{Expr, Operator};
use refs::Reference;
pub(crate) use values::{Fault, Kind, Worked};
use values::{Many, Operand, compare, serial_of};

use super::{cell::CellValue, ranges::Area, shift::Shift, spreadsheet::Spreadsheet};

/// Tab, row and column.
type Place = (usize, usize, usize);

/// Why a value is not there (yet).
enum Stop {
    Fault(Fault),
    /// This cell has to be worked out first, from the top of the stack.
    First(Place),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Works out formulas of one spreadsheet; what is known is kept, so one is made for each reading.
pub(crate) struct Calc<'a> {
    book: &'a Spreadsheet,
    /// The present.
    now: Duration,
    known: RefCell<HashMap<Place, Worked>>,
    running: RefCell<HashSet<Place>>,
    /// How many cells wait for each other on this stack.
    depth: Counter<usize>,
    /// Cells that may still be looked at.
    patience: Counter<usize>,
}

/// Cells on one stack. A running balance of a thousand rows is worked out in steps, not a thousand calls deep.
const DEEPEST: usize = 16;
/// A reading that looks at more cells is a mistake or an attack; it must not stop everybody else.
const MOST_CELLS: usize = 20_000_000;

impl<'a> Calc<'a> {
    pub(crate) fn new(book: &'a Spreadsheet, now: Duration) -> Self {
        Self {
            book,
            now,
            known: RefCell::default(),
            running: RefCell::default(),
            depth: Counter::new(0),
            patience: Counter::new(MOST_CELLS),
        }
    }

    /// What a formula gives. None for a cell that holds none.
    pub(crate) fn formula(&self, tab: usize, row: usize, column: usize) -> Option<Worked> {
        let cell = self.book.sheets[tab].grid.cell(row, column)?;
        matches!(cell.value, CellValue::Formula(_)).then(|| self.result((tab, row, column)))
    }

    /// Serial number of the present on a clock on the wall where the spreadsheet is.
    fn wall_clock(&self) -> f64 {
        let name = self.book.properties.get("timeZone").and_then(serde_json::Value::as_str).unwrap_or_default();
        let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
        let second = i64::try_from(self.now.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
        let offset = second.map_or(0, |second| zone.to_offset(second).seconds());
        serial_of(self.now) + f64::from(offset) / 86_400.0
    }

    /// `(type, pattern)` that a cell without a number format of its own takes from its formula: `=NOW()` shows a date.
    ///
    /// unknown to us: the whole of Google's rules; a reference and the functions of dates are the plain cases.
    pub(crate) fn implied_format(&self, tab: usize, row: usize, column: usize) -> Option<(String, Option<String>)> {
        let plain = |kind: &str, pattern: &str| Some((kind.to_owned(), Some(pattern.to_owned())));
        let CellValue::Formula(text) = &self.book.sheets[tab].grid.cell(row, column)?.value else { return None };
        let area = match parse::parse(text.strip_prefix('=')?)? {
            Expr::Call(name, mut arguments) => match name.as_str() {
                "NOW" => return plain("DATE_TIME", "m/d/yyyy h:mm:ss"),
                "TODAY" | "DATE" | "DATEVALUE" | "EDATE" | "EOMONTH" => return plain("DATE", "m/d/yyyy"),
                "TIME" | "TIMEVALUE" => return plain("TIME", "h:mm:ss am/pm"),
                "MIN" | "MAX" | "SUM" | "AVERAGE" if !arguments.is_empty() => match arguments.remove(0) {
                    Expr::Cells(reference) => self.area(&reference, tab).ok()?,
                    _ => return None,
                },
                _ => return None,
            },
            Expr::Cells(reference) => self.area(&reference, tab).ok()?,
            _ => return None,
        };
        let grid = &self.book.sheets[area.sheet].grid;
        let cell = (area.rows.start..area.rows.end.min(grid.len()))
            .take(1_000)
            .find_map(|row| grid.cell(row, area.columns.start).filter(|cell| !cell.value.is_empty()))?;
        cell.number_format().map(|(kind, pattern)| (kind.to_owned(), pattern.map(String::from)))
    }

    fn result(&self, place: Place) -> Worked {
        // Cells that wait, each for the next.
        let mut waiting = vec![place];
        while let Some(&place) = waiting.last() {
            match self.cell(place) {
                Ok(value) if waiting.len() == 1 => return value,
                Err(Stop::Fault(fault)) if waiting.len() == 1 => return Worked::Error(fault),
                Err(Stop::First(first)) if !waiting.contains(&first) => waiting.push(first),
                Err(Stop::First(first)) => {
                    self.known.borrow_mut().insert(first, Worked::Error(Fault::circular()));
                }
                _ => drop(waiting.pop()),
            }
        }
        Worked::Blank
    }

    fn cell(&self, place: Place) -> Result<Worked, Stop> {
        let (tab, row, column) = place;
        match self.patience.get().checked_sub(1) {
            Some(left) => self.patience.set(left),
            None => return Err(Fault::new(Kind::Error, "google-emulator stops here: too many cells").into()),
        }
        let Some(cell) = self.book.sheets[tab].grid.cell(row, column) else { return Ok(Worked::Blank) };
        let text = match &cell.value {
            CellValue::Empty => return Ok(Worked::Blank),
            CellValue::Number(number) => return Ok(Worked::Number(*number)),
            CellValue::Text(text) => return Ok(Worked::Text(text.clone())),
            CellValue::Bool(value) => return Ok(Worked::Bool(*value)),
            CellValue::Formula(text) => text,
        };
        if let Some(known) = self.known.borrow().get(&place) {
            return Ok(known.clone());
        }
        if self.depth.get() >= DEEPEST {
            return Err(Stop::First(place));
        }
        if !self.running.borrow_mut().insert(place) {
            return Err(Fault::circular().into());
        }
        self.depth.set(self.depth.get() + 1);
        let outcome = self.work(text, place);
        self.depth.set(self.depth.get() - 1);
        self.running.borrow_mut().remove(&place);
        let value = match outcome {
            Ok(Worked::Blank) => Worked::Number(0.0),
            Ok(value) => value,
            Err(Stop::Fault(fault)) => Worked::Error(fault),
            Err(first) => return Err(first),
        };
        self.known.borrow_mut().insert(place, value.clone());
        Ok(value)
    }

    fn work(&self, text: &str, at: Place) -> Result<Worked, Stop> {
        let expr = text.strip_prefix('=').and_then(parse::parse);
        let expr = expr.ok_or_else(|| Fault::new(Kind::Error, "Formula parse error."))?;
        let operand = self.eval(&expr, at)?;
        self.one(operand, at)
    }

    fn eval(&self, expr: &Expr, at: Place) -> Result<Operand, Stop> {
        Ok(Operand::One(match expr {
            Expr::Blank => Worked::Blank,
            Expr::Number(number) => Worked::Number(*number),
            Expr::Text(text) => Worked::Text(text.clone()),
            Expr::Bool(value) => Worked::Bool(*value),
            Expr::Error(shown) => return Err(Fault::new(Kind::of(shown), "It stands in the formula.").into()),
            Expr::Cells(reference) => return Ok(Operand::Many(Many::Area(self.area(reference, at.0)?))),
            Expr::Name(name) => return Ok(Operand::Many(Many::Area(self.named(name)?))),
            Expr::Negative(inner) => Worked::Number(-self.value(inner, at)?.number()?),
            Expr::Positive(inner) => self.value(inner, at)?,
            Expr::Percent(inner) => Worked::Number(self.value(inner, at)?.number()? / 100.0),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left, at)?, self.value(right, at)?);
                binary(*operator, &left, &right)?
            }
            Expr::Call(name, arguments) => return functions::call(self, name, arguments, at),
            Expr::Array(rows) => return self.array(rows, at),
        }))
    }

    /// One value of an expression.
    fn value(&self, expr: &Expr, at: Place) -> Result<Worked, Stop> {
        let operand = self.eval(expr, at)?;
        match self.one(operand, at)? {
            Worked::Error(fault) => Err(fault.into()),
            value => Ok(value),
        }
    }

    /// One value of what may be many: that of the formula's own row or column, if there is just one.
    fn one(&self, operand: Operand, (_, row, column): Place) -> Result<Worked, Stop> {
        match operand {
            Operand::One(value) => Ok(value),
            Operand::Many(Many::List(mut rows)) => Ok(if rows.is_empty() || rows[0].is_empty() {
                Worked::Blank
            } else {
                rows.swap_remove(0).swap_remove(0)
            }),
            Operand::Many(Many::Area(area)) => {
                let pick = |range: &std::ops::Range<usize>, own: usize| match range.len() {
                    1 => Some(range.start),
                    _ => range.contains(&own).then_some(own),
                };
                match (pick(&area.rows, row), pick(&area.columns, column)) {
                    (Some(row), Some(column)) => self.cell((area.sheet, row, column)),
                    _ => Err(Fault::new(Kind::Value, "A range stands where one value is expected.").into()),
                }
            }
        }
    }

    fn array(&self, rows: &[Vec<Expr>], at: Place) -> Result<Operand, Stop> {
        let row = |row: &Vec<Expr>| row.iter().map(|expr| self.value(expr, at)).collect::<Result<Vec<_>, _>>();
        Ok(Operand::Many(Many::List(rows.iter().map(row).collect::<Result<_, _>>()?)))
    }

    fn area(&self, reference: &Reference, own_tab: usize) -> Result<Area, Fault> {
        let gone = || Fault::new(Kind::Ref, "The reference points outside of the spreadsheet.");
        let tab = match &reference.tab {
            None => own_tab,
            Some(title) => {
                let lower = title.to_lowercase();
                self.book.sheets.iter().position(|sheet| sheet.title.to_lowercase() == lower).ok_or_else(gone)?
            }
        };
        let open = reference.open();
        let sheet = &self.book.sheets[tab];
        let rows = open.first_row..open.end_row.unwrap_or(sheet.row_count).min(sheet.row_count);
        let columns = open.first_column..open.end_column.unwrap_or(sheet.column_count).min(sheet.column_count);
        if rows.is_empty() || columns.is_empty() { Err(gone()) } else { Ok(Area { sheet: tab, rows, columns }) }
    }

    fn named(&self, name: &str) -> Result<Area, Fault> {
        let found = self.book.named_ranges.iter().find(|range| range["name"].as_str() == Some(name));
        found
            .and_then(|range| self.book.resolve_range(&range["range"]).ok())
            .ok_or_else(|| Fault::new(Kind::Name, format!("Unknown name: '{name}'.")))
    }
}

fn binary(operator: Operator, left: &Worked, right: &Worked) -> Result<Worked, Fault> {
    use std::cmp::Ordering;
    let number = match operator {
        Operator::Plus => left.number()? + right.number()?,
        Operator::Minus => left.number()? - right.number()?,
        Operator::Times => left.number()? * right.number()?,
        Operator::Power => left.number()?.powf(right.number()?),
        Operator::Over => {
            let (left, right) = (left.number()?, right.number()?);
            if right == 0.0 {
                return Err(Fault::new(Kind::DivideByZero, "A division by zero."));
            }
            left / right
        }
        Operator::Join => return Ok(Worked::Text(left.text()? + &right.text()?)),
        comparison => {
            let order = compare(left, right);
            return Ok(Worked::Bool(match comparison {
                Operator::Is => order == Ordering::Equal,
                Operator::IsNot => order != Ordering::Equal,
                Operator::Less => order == Ordering::Less,
                Operator::LessOrSame => order != Ordering::Greater,
                Operator::More => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }));
        }
    };
    Worked::finite(number)
}

/// A formula as it stands in a cell so many rows and columns away.
pub(crate) fn copied(formula: &str, rows: i64, columns: i64) -> String {
    rewritten(formula, &mut |reference| reference.copied(rows, columns))
}

/// A formula on tab `own` after rows or columns of the tab `edited` came, went or moved.
pub(crate) fn shifted(formula: &str, own: &str, edited: &str, shift: &Shift, is_rows: bool) -> String {
    let edited = edited.to_lowercase();
    rewritten(formula, &mut |reference| {
        let tab = reference.tab.as_deref().unwrap_or(own).to_lowercase();
        if tab == edited { reference.shifted(shift, is_rows) } else { Some(reference.clone()) }
    })
}

/// A formula after a tab got a new title.
pub(crate) fn renamed(formula: &str, old: &str, new: &str) -> String {
    rewritten(formula, &mut |reference| {
        let mut reference = reference.clone();
        if reference.tab.as_ref().is_some_and(|tab| tab.to_lowercase() == old.to_lowercase()) {
            reference.tab = Some(new.to_owned());
        }
        Some(reference)
    })
}

fn rewritten(formula: &str, change: &mut dyn FnMut(&Reference) -> Option<Reference>) -> String {
    let body = formula.strip_prefix('=').and_then(|body| parse::rewrite(body, change));
    body.map_or_else(|| formula.to_owned(), |body| format!("={body}"))
}
