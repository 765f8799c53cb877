//! Forms that change something: only our own pages' forms count, and what they do is what a person does by hand.
//!
//! Their addresses are under `/_emulator`, so that no fault rule keeps a person from ending it.

use super::{escape, index, viewer};
use crate::{
    EditError, Faults, Model, Rule,
    control::is_cross_site,
    random::Random,
    sheets::a1,
    wire::{Params, Plus, Reply, Request, decode, encode},
};

pub(super) const FAULTS: &str = "/_emulator/form/faults";
pub(super) const SPREADSHEET: &str = "/_emulator/form/spreadsheet/";

/// A bad day to switch on: its name, and the rules.
type Switch = (&'static str, &'static str, &'static [&'static str]);

/// They leave the pages alone.
const SWITCHES: [Switch; 7] = [
    (
        "lost",
        "The next write is kept, its answer lost",
        &[r#"{"method":"POST","path":"/v4/","times":1,"action":{"do":"reset","when":"after"}}"#],
    ),
    (
        "unavailable",
        "The next write is kept and answered with 503",
        &[r#"{"method":"POST","path":"/v4/","times":1,"action":{"do":"status","status":503,"when":"after"}}"#],
    ),
    (
        "offline",
        "No network",
        &[r#"{"path":"/v4/","action":{"do":"drop"}}"#, r#"{"path":"/token","action":{"do":"drop"}}"#],
    ),
    ("quota", "The quota is used up", &[r#"{"path":"/v4/","action":{"do":"quota"}}"#]),
    ("html", "A proxy answers with a page", &[r#"{"path":"/v4/","action":{"do":"html","status":502}}"#]),
    ("token", "The next access token has died", &[r#"{"path":"/v4/","times":1,"action":{"do":"expire_token"}}"#]),
    ("revoked", "The owner takes the access away", &[r#"{"path":"/v4/","times":1,"action":{"do":"revoke_grant"}}"#]),
];

/// None if this is no form of ours.
pub(super) fn submit(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Option<Reply> {
    let path = request.path();
    let spreadsheet = path.strip_prefix(SPREADSHEET).map(|id| decode(id, Plus::Literal));
    if request.method != "POST" || (path != FAULTS && spreadsheet.is_none()) {
        return None;
    }
    let form = request.form_or_json().unwrap_or_default();
    if !is_own(request, &form) {
        let main = "<h1>Not done</h1>\n<p role=\"alert\">This form was not sent from this page, or your browser refuses \
                    cookies.</p>\n<p><a href=\"/\">Start again</a></p>\n";
        return Some(super::page(403, "Not done", main, None, "", random));
    }
    let Some(id) = spreadsheet else {
        switch(model, form.get("switch").unwrap_or_default());
        return Some(see(&format!("{origin}/")));
    };
    let gid = request.query().get("gid").map(|gid| format!("?gid={}", encode(gid))).unwrap_or_default();
    Some(match edit(model, &id, request, &form) {
        Ok(()) => see(&format!("{origin}/spreadsheets/d/{}/edit{gid}", encode(&id))),
        Err(error) => {
            let main = format!(
                "<h1>Not done</h1>\n<p class=\"problem\" role=\"alert\">{}</p>\n<p><a href=\"/spreadsheets/d/{}/edit{}\">\
                 Back to the spreadsheet</a></p>\n",
                escape(&error.to_string()),
                escape(&encode(&id)),
                escape(&gid),
            );
            super::page(400, "Not done", &main, None, "", random)
        }
    })
}

/// The cookie is not sent from another site (SameSite), and another site cannot read it to fill the form.
pub(super) fn is_own(request: &Request, form: &Params) -> bool {
    let token = form.get("csrf").unwrap_or_default();
    !is_cross_site(request) && !token.is_empty() && csrf_cookie(request).as_deref() == Some(token)
}

/// Keeps the browser's token while it has one, so that two tabs do not spoil each other.
pub(super) fn csrf(request: &Request, random: &mut Random) -> String {
    csrf_cookie(request).unwrap_or_else(|| random.opaque(32))
}

pub(super) fn with_cookie(reply: Reply, token: &str) -> Reply {
    reply.with_header("Set-Cookie", &format!("csrf={token}; Path=/; HttpOnly; SameSite=Strict"))
}

fn csrf_cookie(request: &Request) -> Option<String> {
    let cookies = request.header("cookie")?;
    let value = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("csrf="))?;
    let is_ours = value.len() == 32 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    is_ours.then(|| value.to_owned())
}

pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escape(value))
}

/// RFC 9110 section 15.4.4: look there, with GET; loading again does not send the form again.
fn see(address: &str) -> Reply {
    Reply::html(303, String::new()).with_header("Location", address)
}

/// A switch replaces all rules; anything unknown, such as `none`, ends them.
fn switch(model: &mut Model, name: &str) {
    let rules = SWITCHES.iter().find(|(known, ..)| *known == name).map(|(.., rules)| *rules).unwrap_or_default();
    let rules: Vec<Rule> = rules.iter().filter_map(|rule| serde_json::from_str(rule).ok()).collect();
    model.set_faults(Faults { rules, ..Faults::default() });
}

/// What stands below the index.
pub(super) fn switches(token: &str) -> String {
    let mut out = format!(
        "<section class=\"hand\">\n<h2>Bad days</h2>\n<form method=\"post\" action=\"{FAULTS}\">\n{}",
        hidden("csrf", token)
    );
    for (name, text, _) in SWITCHES {
        out.push_str(&format!("<button class=\"quiet\" name=\"switch\" value=\"{name}\">{text}</button>\n"));
    }
    out + "<button name=\"switch\" value=\"none\">All is well</button>\n</form>\n</section>\n"
}

/// What stands below a spreadsheet.
pub(super) fn editor(id: &str, gid: i64, token: &str) -> String {
    let form = |legend: &str, edit: &str, fields: &[(&str, &str)]| {
        let inputs: String = fields
            .iter()
            .map(|(name, label)| {
                format!("<label>{label} <input type=\"text\" name=\"{name}\" maxlength=\"50000\"></label>\n")
            })
            .collect();
        format!(
            "<form method=\"post\" action=\"{SPREADSHEET}{id}?gid={gid}\">\n<fieldset><legend>{legend}</legend>\n{csrf}{inputs}\
             <button name=\"edit\" value=\"{edit}\">{legend}</button>\n</fieldset>\n</form>\n",
            id = escape(&encode(id)),
            csrf = hidden("csrf", token),
        )
    };
    format!(
        "<section class=\"hand\">\n<h2>By hand</h2>\n{}{}{}{}{}</section>\n",
        form("Type", "type", &[("cell", "Cell, such as B3"), ("text", "Text, as Sheets reads it")]),
        form("Sort", "sort", &[("column", "By column, such as B")]),
        form("Delete row", "delete_row", &[("row", "Row number")]),
        form("Add column", "add_column", &[("column", "Before column, such as B")]),
        form("Rename tab", "rename_tab", &[("title", "New name")]),
    )
}

fn edit(model: &mut Model, id: &str, request: &Request, form: &Params) -> Result<(), EditError> {
    let book = &model.state.files.get(id).ok_or(EditError::NoSpreadsheet)?.book;
    let sheet = viewer::current(book, request).ok_or(EditError::NoTab)?;
    let (tab, frozen) = (sheet.title.clone(), sheet.frozen_rows());
    let field = |name: &str| form.get(name).unwrap_or_default().trim();
    let wrong = |what: &str| EditError::Refused(format!("Please write {what}."));
    let column = || {
        let cell = a1::parse(&format!("{}1", field("column")));
        cell.and_then(|cell| cell.cells).map(|cells| cells.first_column).ok_or_else(|| wrong("a column such as B"))
    };
    match field("edit") {
        "type" => {
            let cells = a1::parse(field("cell")).filter(|cell| cell.tab.is_none()).and_then(|cell| cell.cells);
            let cells = cells.ok_or_else(|| wrong("a cell such as B3"))?;
            model.type_in(id, &tab, cells.first_row, cells.first_column, form.get("text").unwrap_or_default())
        }
        "sort" => model.sort(id, &tab, frozen, column()?, false),
        "delete_row" => {
            let row = field("row").parse::<usize>().ok().and_then(|row| row.checked_sub(1));
            let row = row.filter(|row| *row < usize::MAX).ok_or_else(|| wrong("the number of a row"))?;
            model.delete_rows(id, &tab, row..row + 1)
        }
        "add_column" => model.insert_column(id, &tab, column()?),
        "rename_tab" => model.rename_tab(id, &tab, field("title")),
        _ => Err(wrong("what to do")),
    }
}

/// The index with its switches.
pub(super) fn index_page(model: &Model, request: &Request, origin: &str, random: &mut Random) -> Reply {
    let token = csrf(request, random);
    let reply = super::page(
        200,
        "Google emulator",
        &index::body(model, origin),
        Some("/_emulator/part/index"),
        &switches(&token),
        random,
    );
    with_cookie(reply, &token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_a_rule() {
        for (name, _, rules) in SWITCHES {
            for rule in rules {
                assert!(serde_json::from_str::<Rule>(rule).is_ok(), "{name}: {rule}");
            }
        }
    }
}
