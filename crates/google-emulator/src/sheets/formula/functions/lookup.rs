//! Finding values in ranges.

use super::{
    super::{
        super::ranges::Area,
        values::{Kind, Many, Operand, Worked, compare},
    },
    Call, Outcome, Stop,
};

pub(super) fn result(call: &Call<'_, '_>, name: &str) -> Outcome {
    match name {
        "ROW" | "COLUMN" => {
            let at = match call.has(0).then(|| call.operand(0)).transpose()? {
                None if name == "ROW" => call.at.1,
                None => call.at.2,
                Some(Operand::Many(Many::Area(area))) if name == "ROW" => area.rows.start,
                Some(Operand::Many(Many::Area(area))) => area.columns.start,
                Some(_) => return Err(Call::fault(Kind::Value, "A reference is wanted.")),
            };
            Ok(Worked::Number((at + 1) as f64))
        }
        "ROWS" => Ok(Worked::Number(call.many(0)?.size().0 as f64)),
        "COLUMNS" => Ok(Worked::Number(call.many(0)?.size().1 as f64)),
        "MATCH" => {
            let many = call.many(1)?;
            let line = line(call, &many)?;
            let kind = call.number_or(2, 1.0)?;
            place(call, &line, kind).map(|at| Worked::Number((at + 1) as f64))
        }
        "LOOKUP" => {
            let (many, results) = (call.many(1)?, call.many(if call.has(2) { 2 } else { 1 })?);
            let at = place(call, &line(call, &many)?, 1.0)?;
            let results = line(call, &results)?;
            Ok(results.get(at).cloned().unwrap_or(Worked::Blank))
        }
        _ => {
            // VLOOKUP and HLOOKUP; sorted unless told otherwise.
            let is_sorted = !call.has(3) || call.truth(3)?;
            let by_rows = name == "VLOOKUP";
            let many = call.many(1)?;
            let (rows, columns) = many.size();
            let index = call.number(2)?;
            if index < 1.0 || index as usize > if by_rows { columns } else { rows } {
                return Err(Call::fault(Kind::Ref, "The index is outside of the range."));
            }
            let pick = |index: usize| -> Result<Vec<Worked>, Stop> {
                let mut values = vec![Worked::Blank; if by_rows { rows } else { columns }];
                call.each(&many, &mut |row, column, value| {
                    let (line, at) = if by_rows { (column, row) } else { (row, column) };
                    if line == index {
                        values[at] = value;
                    }
                    Ok(())
                })?;
                Ok(values)
            };
            let at = place(call, &pick(0)?, if is_sorted { 1.0 } else { 0.0 })?;
            Ok(pick(index as usize - 1)?.swap_remove(at))
        }
    }
}

/// Gives cells, not values, so that it can stand where a range is wanted.
pub(super) fn index(call: &Call<'_, '_>) -> Result<Operand, Stop> {
    let many = call.many(0)?;
    let (rows, columns) = many.size();
    let (mut row, mut column) = (call.number_or(1, 0.0)?, call.number_or(2, 0.0)?);
    // In a single row the one number counts columns.
    if rows == 1 && !call.has(2) && columns > 1 {
        (row, column) = (1.0, row);
    }
    if row < 0.0 || column < 0.0 || row as usize > rows || column as usize > columns {
        return Err(Call::fault(Kind::Ref, "INDEX points outside of the range."));
    }
    let pick = |at: f64, count: usize| if at == 0.0 { 0..count } else { at as usize - 1..at as usize };
    let (row, column) = (pick(row, rows), pick(column, columns));
    Ok(Operand::Many(match many {
        Many::Area(area) => Many::Area(Area {
            sheet: area.sheet,
            rows: area.rows.start + row.start..area.rows.start + row.end,
            columns: area.columns.start + column.start..area.columns.start + column.end,
        }),
        Many::List(list) => Many::List(list[row].iter().map(|line| line[column.clone()].to_vec()).collect()),
    }))
}

/// The values of one row or column, up to the last that is filled.
fn line(call: &Call<'_, '_>, many: &Many) -> Result<Vec<Worked>, Stop> {
    let (rows, columns) = many.size();
    if rows > 1 && columns > 1 {
        return Err(Call::fault(Kind::NotAvailable, "One row or one column is wanted."));
    }
    let mut values = Vec::new();
    call.each(many, &mut |row, column, value| {
        let at = row.max(column);
        values.resize(at, Worked::Blank);
        values.push(value);
        Ok(())
    })?;
    Ok(values)
}

/// `kind`: 0 for the first equal value, 1 for the last that is not greater in ascending order, -1 the other way round.
fn place(call: &Call<'_, '_>, values: &[Worked], kind: f64) -> Result<usize, Stop> {
    let wanted = call.value(0)?;
    let same_kind = |value: &&(usize, &Worked)| std::mem::discriminant(value.1) == std::mem::discriminant(&wanted);
    let candidates: Vec<(usize, &Worked)> = values.iter().enumerate().collect();
    let mut candidates = candidates.iter().filter(same_kind);
    let found = if kind == 0.0 {
        candidates.find(|(_, value)| compare(value, &wanted).is_eq())
    } else if kind > 0.0 {
        candidates.take_while(|(_, value)| compare(value, &wanted).is_le()).last()
    } else {
        candidates.take_while(|(_, value)| compare(value, &wanted).is_ge()).last()
    };
    found.map(|(at, _)| *at).ok_or_else(|| Call::fault(Kind::NotAvailable, "The value is not there."))
}
