//! Pages for people: sign-in and consent, a viewer for spreadsheets, and an index. They work without scripts; the
//! viewer and the index refresh themselves with one.

mod consent;
mod forms;
mod index;
mod style;
mod viewer;

use crate::{
    Model,
    random::Random,
    wire::{Reply, Request},
};

/// A form that changes something; never faulted. None if this is none.
pub(crate) fn form(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Option<Reply> {
    let is_exposed = model.options.is_exposed;
    forms::submit(model, request, origin, random).map(|reply| warned(reply, is_exposed))
}

/// What stands above every page.
const BANNER: &str = "Emulator: not Google. Nothing here leaves this machine.";
/// The same where that would not be true.
const EXPOSED: &str =
    "Emulator: not Google. Other machines can reach it, and everybody there can allow, read and change all of it.";

/// Pages are made without the model, so the warning comes last.
fn warned(mut reply: Reply, is_exposed: bool) -> Reply {
    if is_exposed {
        reply.body = reply.text().replacen(BANNER, EXPOSED, 1).into_bytes();
    }
    reply
}

/// None if this is no page of ours.
pub(crate) fn handle(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Option<Reply> {
    let is_exposed = model.options.is_exposed;
    let page = match (request.method.as_str(), request.path()) {
        ("GET" | "HEAD", "/") => Some(forms::index_page(model, request, origin, random)),
        ("GET" | "HEAD", "/device") => Some(consent::ask_for_code(request, random)),
        ("POST", "/device") => Some(consent::step(model, request, random)),
        ("GET" | "HEAD", path) => {
            path.strip_prefix("/spreadsheets/d/").and_then(|path| viewer::page(model, path, request, random))
        }
        _ => None,
    };
    page.map(|reply| warned(reply, is_exposed))
}

/// The parts of pages that refresh themselves; under `/_emulator`, so that they are neither logged nor faulted.
pub(crate) fn part(model: &Model, request: &Request, origin: &str) -> Option<Reply> {
    let html = match request.path().strip_prefix("/_emulator/part/")? {
        "index" => index::body(model, origin),
        path => viewer::body(model, path.strip_prefix("spreadsheet/")?, request)?,
    };
    Some(Reply::html(200, html).with_header("Cache-Control", "no-store"))
}

/// Text between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction marks could make an account name look like another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A whole page. `refresh`: the address of the part that replaces `<main>` every second; `below` stays, with what a
/// person is typing in it.
fn page(status: u16, title: &str, main: &str, refresh: Option<&str>, below: &str, random: &mut Random) -> Reply {
    let nonce = random.opaque(22);
    let script = match refresh {
        None => String::new(),
        Some(address) => format!(
            "<script nonce=\"{nonce}\">\n\
             const part = {address};\n{SCRIPT}</script>\n",
            // JSON, and no `<` that could end the script.
            address = serde_json::Value::from(address).to_string().replace('<', "\\u003c"),
            SCRIPT = style::REFRESH,
        ),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style nonce=\"{nonce}\">{css}</style>\n</head>\n<body>\n\
         <p class=\"banner\">{BANNER}</p>\n\
         <main>\n{main}</main>\n{below}{script}</body>\n</html>\n",
        title = escape(title),
        css = style::CSS,
    );
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    Reply::html(status, html)
        .with_header("Content-Security-Policy", &policy)
        .with_header("X-Frame-Options", "DENY")
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("Referrer-Policy", "same-origin")
        .with_header("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_stranger_wrote_becomes_markup() {
        assert_eq!(escape("<b a='1' b=\"2\">&"), "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;");
        assert_eq!(escape("a\u{202e}b\u{7}"), "a\u{fffd}b\u{fffd}");
    }
}
