//! What the owner of the device meets: code, account, consent, done (AS-10 to AS-13).

use super::{
    escape,
    forms::{csrf, hidden, is_own, with_cookie},
    page,
};
use crate::{
    Client, DecideError, Model, PendingCode,
    random::Random,
    wire::{Params, Reply, Request},
};

/// Longest account name taken; RFC 5321 allows no longer address.
const LONGEST_ACCOUNT: usize = 254;

/// `GET /device`, also with `?user_code=` as QR codes have it. Looking approves nothing.
pub(super) fn ask_for_code(request: &Request, random: &mut Random) -> Reply {
    let query = request.query();
    code_page(200, query.get("user_code").unwrap_or_default(), None, &csrf(request, random), random)
}

/// `POST /device`: each form says in `step` which one it is.
pub(super) fn step(model: &mut Model, request: &Request, random: &mut Random) -> Reply {
    let form = request.form_or_json().unwrap_or_default();
    let token = form.get("csrf").unwrap_or_default();
    if !is_own(request, &form) {
        let text = "This form was not sent from this page, or your browser refuses cookies. Please start again.";
        return code_page(403, "", Some(text), &csrf(request, random), random);
    }
    let typed = form.get("user_code").unwrap_or_default();
    let pending = match model.state.sign_in.look_up(model.now, typed) {
        Ok(pending) => pending,
        Err(error) => {
            if error == DecideError::UnknownCode {
                let now = model.now;
                model.state.sign_in.count_wrong_code(now);
            }
            let mut text = error.to_string();
            text[..1].make_ascii_uppercase();
            return code_page(400, typed, Some(&format!("{text}.")), token, random);
        }
    };
    match form.get("step") {
        Some("account") => match account(&form) {
            Some(account) => consent_page(model, &pending, account, token, random),
            None => account_page(model, &pending, Some("Please choose or type an account."), token, random),
        },
        Some("decide") => match (account(&form), form.get("decision")) {
            // The form can be sent without the page before it.
            (Some(account), Some("allow")) => {
                let client = model.client(&pending.client_id).unwrap_or_default();
                match refusal(&client, account) {
                    Some(why) => done_page("Access blocked", &why, random),
                    None => allow(model, &pending, account, &form, random),
                }
            }
            (_, Some("deny")) => {
                // Looked up a moment ago, so it is waiting.
                let _ = model.deny(&pending.user_code);
                done_page("Access denied", "The device was told. You can close this page.", random)
            }
            _ => account_page(model, &pending, None, token, random),
        },
        _ => account_page(model, &pending, None, token, random),
    }
}

fn allow(model: &mut Model, pending: &PendingCode, account: &str, form: &Params, random: &mut Random) -> Reply {
    let ticked: Vec<String> = form.all("scope").map(String::from).collect();
    let now = model.now;
    match model.state.sign_in.approve(now, &pending.user_code, account, Some(ticked)) {
        Ok(()) => {
            done_page("Device connected", "Your device notices within a few seconds. You can close this page.", random)
        }
        Err(error) => done_page("Too late", &error.to_string(), random),
    }
}

/// Typed, or chosen from those known.
fn account(form: &Params) -> Option<&str> {
    let account = form.filled("other_account").or_else(|| form.filled("account"))?.trim();
    let (name, domain) = account.split_once('@')?;
    let is_plausible = !name.is_empty()
        && !domain.is_empty()
        && account.len() <= LONGEST_ACCOUNT
        && !account.contains(|c: char| c.is_control() || c.is_whitespace());
    is_plausible.then_some(account)
}

fn code_page(status: u16, typed: &str, problem: Option<&str>, token: &str, random: &mut Random) -> Reply {
    let (problem, marks) = match problem {
        Some(text) => (
            format!("<p class=\"problem\" role=\"alert\" id=\"problem\">{}</p>\n", escape(text)),
            " aria-invalid=\"true\" aria-describedby=\"problem\"",
        ),
        None => (String::new(), ""),
    };
    let main = format!(
        "<h1>Connect a device</h1>\n{problem}<form method=\"post\" action=\"/device\">\n{csrf}{step}\
         <label for=\"user_code\">Enter the code displayed on your device</label>\n\
         <input type=\"text\" id=\"user_code\" name=\"user_code\" value=\"{typed}\" required autofocus{marks}\n\
         autocomplete=\"one-time-code\" autocapitalize=\"characters\" autocorrect=\"off\" spellcheck=\"false\" \
         maxlength=\"40\">\n<button>Continue</button>\n</form>\n",
        csrf = hidden("csrf", token),
        step = hidden("step", "code"),
        typed = escape(typed),
    );
    with_cookie(page(status, "Connect a device", &main, None, "", random), token)
}

fn account_page(
    model: &Model,
    pending: &PendingCode,
    problem: Option<&str>,
    token: &str,
    random: &mut Random,
) -> Reply {
    let problem = problem.map_or_else(String::new, |text| format!("<p class=\"problem\" role=\"alert\">{text}</p>\n"));
    let mut known = model.state.sign_in.accounts();
    known.truncate(20);
    let mut choices = String::new();
    for (at, account) in known.iter().enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        let account = escape(account);
        choices.push_str(&format!(
            "<label class=\"choice\"><input type=\"radio\" name=\"account\" value=\"{account}\"{checked}> {account}</label>\n"
        ));
    }
    let (choices, label) = match choices.as_str() {
        "" => (String::new(), "Email of your account"),
        choices => (format!("<fieldset><legend>Accounts</legend>\n{choices}</fieldset>\n"), "Or use another account"),
    };
    let main = format!(
        "<h1>Choose an account</h1>\n<p>to continue to <strong>{client}</strong></p>\n{problem}\
         <form method=\"post\" action=\"/device\">\n{csrf}{step}{code}{choices}\
         <label for=\"other_account\">{label}</label>\n\
         <input type=\"email\" id=\"other_account\" name=\"other_account\" autocomplete=\"username\" maxlength=\"254\">\n\
         <button>Next</button>\n</form>\n",
        client = escape(&pending.client_name),
        csrf = hidden("csrf", token),
        step = hidden("step", "account"),
        code = hidden("user_code", &pending.user_code),
    );
    page(200, "Choose an account", &main, None, "", random)
}

/// Why this account gets no further. unknown to us: Google's words, on all these pages.
fn refusal(client: &Client, account: &str) -> Option<String> {
    let name = &client.name;
    if client.blocks(account) {
        return Some(format!("The administrator of {account} does not allow {name}."));
    }
    if client.is_foreign(account) {
        return Some(format!("{name} is for accounts of its own organisation only."));
    }
    let text = format!("{name} is being tested, and {account} is not among its test users.");
    (!client.admits(account)).then_some(text)
}

/// What a person is told about the app before they allow anything.
fn warnings(client: &Client) -> String {
    let mut out = String::new();
    if client.unverified {
        out.push_str("<p class=\"problem\" role=\"note\">Nobody has verified this app. Go on only if you know who made it.</p>\n");
    }
    if client.testing {
        out.push_str(
            "<p class=\"problem\" role=\"note\">This app is being tested: its access ends after seven days.</p>\n",
        );
    }
    out
}

fn consent_page(model: &Model, pending: &PendingCode, account: &str, token: &str, random: &mut Random) -> Reply {
    let known = model.client(&pending.client_id).unwrap_or_default();
    if let Some(why) = refusal(&known, account) {
        return done_page("Access blocked", &why, random);
    }
    let warnings = warnings(&known);
    let mut scopes = String::new();
    for scope in &pending.scopes {
        scopes.push_str(&format!(
            "<label class=\"choice\"><input type=\"checkbox\" name=\"scope\" value=\"{value}\" checked> \
             <span>{meaning}<br><small><code>{value}</code></small></span></label>\n",
            value = escape(scope),
            meaning = meaning(scope),
        ));
    }
    let main = format!(
        "<h1>{client} wants access to your account</h1>\n<p>Account: <strong>{account}</strong></p>\n\
         <p>A device will get this access. Allow it only if the device in front of you shows this code:</p>\n\
         <p class=\"code\">{code}</p>\n{warnings}<form method=\"post\" action=\"/device\">\n{csrf}{step}{hidden_code}{hidden_account}\
         <fieldset><legend>The device will be able to</legend>\n{scopes}</fieldset>\n\
         <button name=\"decision\" value=\"allow\">Allow</button>\n\
         <button name=\"decision\" value=\"deny\" class=\"quiet\">Deny</button>\n</form>\n",
        client = escape(&pending.client_name),
        account = escape(account),
        code = escape(&pending.user_code),
        csrf = hidden("csrf", token),
        step = hidden("step", "decide"),
        hidden_code = hidden("user_code", &pending.user_code),
        hidden_account = hidden("account", account),
    );
    page(200, "Allow access?", &main, None, "", random)
}

fn done_page(title: &str, text: &str, random: &mut Random) -> Reply {
    let main = format!("<h1>{}</h1>\n<p role=\"status\">{}</p>\n", escape(title), escape(text));
    page(200, title, &main, None, "", random)
}

fn meaning(scope: &str) -> &'static str {
    match scope.rsplit('/').next().unwrap_or_default() {
        "drive.file" => "See, change, create and delete only the files that this app made or that you open with it",
        "drive.appdata" => "Keep its own settings in your account",
        "openid" => "Know who you are",
        "userinfo.email" => "See your email address",
        "userinfo.profile" => "See your name",
        "youtube" => "Manage your YouTube account",
        "youtube.readonly" => "View your YouTube account",
        _ => "Something else",
    }
}
