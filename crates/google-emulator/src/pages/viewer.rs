//! A spreadsheet to look at while rows arrive.

use super::{escape, forms};
use crate::{
    Model,
    random::Random,
    sheets::{CellValue, a1, filter, formula::Calc, ranges::Dimension, render, sheet::Sheet, spreadsheet::Spreadsheet},
    wire::{Plus, Reply, Request, decode, encode},
};

/// Rows shown at once: the frozen ones and the last ones.
const MOST_ROWS: usize = 400;
const MOST_COLUMNS: usize = 100;

/// `path` is what follows `/spreadsheets/d/`: the id, and `/edit` or not.
pub(super) fn page(model: &Model, path: &str, request: &Request, random: &mut Random) -> Option<Reply> {
    let id = path.strip_suffix("/edit").unwrap_or(path);
    let main = body(model, id, request)?;
    let title = model.state.files.get(&decode(id, Plus::Literal))?.book.title().to_owned();
    let gid = request.query().get("gid").map(|gid| format!("?gid={}", encode(gid))).unwrap_or_default();
    let part = format!("/_emulator/part/spreadsheet/{id}{gid}");
    let sheet = current(&model.state.files.get(&decode(id, Plus::Literal))?.book, request)?.id;
    let token = forms::csrf(request, random);
    let below = forms::editor(&decode(id, Plus::Literal), sheet, &token);
    Some(forms::with_cookie(super::page(200, &title, &main, Some(&part), &below, random), &token))
}

/// The tab that `?gid=` names, else the first that is not hidden.
pub(super) fn current<'a>(book: &'a Spreadsheet, request: &Request) -> Option<&'a Sheet> {
    let wanted = request.query().get("gid").and_then(|gid| gid.parse::<i64>().ok());
    let visible = |sheet: &&Sheet| sheet.properties.get("hidden").and_then(|hidden| hidden.as_bool()) != Some(true);
    book.sheets
        .iter()
        .find(|sheet| Some(sheet.id) == wanted)
        .or_else(|| book.sheets.iter().find(visible))
        .or(book.sheets.first())
}

pub(super) fn body(model: &Model, id: &str, request: &Request) -> Option<String> {
    let file = model.state.files.get(&decode(id, Plus::Literal))?;
    let book = &file.book;
    let sheet = current(book, request)?;
    Some(format!(
        "<h1>{title}</h1>\n<p>Owner {owner}. {rows} rows with data. <a href=\"/\">All spreadsheets</a></p>\n{tabs}\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{tab}\">\n{grid}</div>\n",
        title = escape(book.title()),
        owner = escape(&file.owner),
        rows = sheet.grid.end_of_data(),
        tabs = tabs(book, sheet),
        tab = escape(&sheet.title),
        grid = grid(sheet, &Calc::new(book, model.now), book.sheets.iter().position(|s| s.id == sheet.id).unwrap_or(0)),
    ))
}

fn tabs(book: &Spreadsheet, current: &Sheet) -> String {
    let mut out = String::from("<nav class=\"tabs\" aria-label=\"Tabs\">\n");
    for sheet in &book.sheets {
        let mark = if sheet.id == current.id { " aria-current=\"page\"" } else { "" };
        out.push_str(&format!("<a href=\"?gid={}\"{mark}>{}</a>\n", sheet.id, escape(&sheet.title)));
    }
    out + "</nav>\n"
}

fn grid(sheet: &Sheet, calc: &Calc<'_>, tab: usize) -> String {
    let end = sheet.grid.end_of_data();
    let width = sheet.grid.width_of_data().clamp(1, MOST_COLUMNS);
    let columns: Vec<usize> = (0..width).filter(|&at| !sheet.is_hidden(Dimension::Columns, at)).collect();
    let mut out = String::from("<table class=\"grid\">\n<thead><tr><th></th>");
    for &column in &columns {
        out.push_str(&format!("<th scope=\"col\">{}</th>", a1::column_name(column)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let frozen = sheet.frozen_rows().min(end);
    let first_of_tail = frozen.max(end.saturating_sub(MOST_ROWS));
    for (at, row) in sheet.grid.rows().take(end).enumerate() {
        if at == frozen && first_of_tail > frozen {
            let (from, to) = (frozen + 1, first_of_tail);
            let span = columns.len() + 1;
            out.push_str(&format!("<tr><td colspan=\"{span}\">Rows {from} to {to} are not shown.</td></tr>\n"));
        }
        if (at >= frozen && at < first_of_tail)
            || sheet.is_hidden(Dimension::Rows, at)
            || filter::hides(sheet, calc, tab, at)
        {
            continue;
        }
        // One sticky line is enough for a header; more would cover a phone's screen.
        let class = if at == 0 && frozen > 0 { " class=\"frozen\"" } else { "" };
        out.push_str(&format!("<tr{class}><th scope=\"row\">{}</th>", at + 1));
        for &column in &columns {
            match row.cell(column) {
                None => out.push_str("<td></td>"),
                Some(cell) => {
                    let (cell, _) = render::shown(cell, calc, (tab, at, column));
                    let kind = match cell.value {
                        CellValue::Number(_) => "number",
                        CellValue::Bool(_) => "bool",
                        _ => "text",
                    };
                    let is_bold = cell.format.as_deref().is_some_and(|format| format["textFormat"]["bold"] == true);
                    let bold = if is_bold { " bold" } else { "" };
                    out.push_str(&format!("<td class=\"{kind}{bold}\">{}</td>", escape(&render::formatted(&cell))));
                }
            }
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody>\n</table>\n"
}
