//! The index: what this is, what waits for a person, which spreadsheets there are, what was asked lately.

use super::escape;
use crate::{CLIENT_ID, CLIENT_SECRET, Model, calendar::rfc3339, wire::encode};

/// Requests shown; the log has more.
const SHOWN: usize = 30;

pub(super) fn body(model: &Model, origin: &str) -> String {
    let origin = escape(origin);
    format!(
        "<div class=\"wide\">\n<h1>Google emulator</h1>\n\
         <p>This stands in for Google\u{2019}s device sign-in and Google Sheets. Point a program at \
         <code>{origin}</code> with client <code>{CLIENT_ID}</code> and secret <code>{CLIENT_SECRET}</code>; its code is \
         entered at <a href=\"/device\">{origin}/device</a>.</p>\n{codes}{sheets}{faults}{requests}</div>\n",
        codes = codes(model),
        sheets = spreadsheets(model),
        faults = faults(model),
        requests = requests(model),
    )
}

fn codes(model: &Model) -> String {
    let mut out = String::from("<h2>Codes that wait</h2>\n");
    let pending = model.pending_codes();
    if pending.is_empty() {
        return out + "<p>None.</p>\n";
    }
    out.push_str("<ul>\n");
    for code in pending.iter().rev().take(SHOWN) {
        let minutes = code.expires.saturating_sub(model.now).as_secs().div_ceil(60);
        out.push_str(&format!(
            "<li><a href=\"/device?user_code={}\"><code>{}</code></a> for {}, {minutes} min left</li>\n",
            encode(&code.user_code),
            escape(&code.user_code),
            escape(&code.client_name),
        ));
    }
    out + "</ul>\n"
}

fn spreadsheets(model: &Model) -> String {
    let files = model.state.files.all();
    let mut out = String::from("<h2>Spreadsheets</h2>\n");
    if files.is_empty() {
        return out + "<p>None.</p>\n";
    }
    out.push_str("<ul>\n");
    for file in files.iter().rev().take(100) {
        let rows: usize = file.book.sheets.iter().map(|sheet| sheet.grid.end_of_data()).sum();
        out.push_str(&format!(
            "<li><a href=\"/spreadsheets/d/{}/edit\">{}</a>, {rows} rows, of {}</li>\n",
            encode(&file.book.id),
            escape(file.book.title()),
            escape(&file.owner),
        ));
    }
    out + "</ul>\n"
}

fn faults(model: &Model) -> String {
    let faults = model.faults();
    if faults.rules.is_empty() && faults.idle_close_seconds.is_none() {
        return "<h2>Faults</h2>\n<p>None. The buttons below set some, <code>POST /_emulator/faults</code> sets any.</p>\n".into();
    }
    let text = serde_json::to_string(faults).unwrap_or_default();
    format!("<h2>Faults</h2>\n<p><code>{}</code></p>\n", escape(&text))
}

fn requests(model: &Model) -> String {
    let mut out = String::from(
        "<h2>Latest requests</h2>\n<table>\n<thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Request</th>\
         <th scope=\"col\">Status</th><th scope=\"col\">Fault</th></tr></thead>\n<tbody>\n",
    );
    for entry in model.log.latest(SHOWN) {
        let target: String = entry.target.chars().take(120).collect();
        let class = if entry.status >= 400 { " class=\"bad\"" } else { "" };
        out.push_str(&format!(
            "<tr><td>{}</td><td>{} <code>{}</code></td><td{class}>{} {}</td><td>{}</td></tr>\n",
            &rfc3339(entry.time)[11..23],
            escape(&entry.method),
            escape(&target),
            entry.status,
            escape(entry.error.as_deref().unwrap_or_default()),
            escape(&entry.fault.map(|fault| fault.to_string()).unwrap_or_default()),
        ));
    }
    out + "</tbody>\n</table>\n"
}
