//! Device sign-in and tokens: tables D and T.

use std::time::Duration;

use serde_json::Value;

use crate::probe::{Answer, Probe};
use crate::report::Verdict::{AsWritten, Differs, Learnt, NotAsked};
use crate::watch::Seen;

const FILE_SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device request; what was answered, without secrets.
fn ask_code(probe: &Probe<'_>, form: &[(&str, &str)]) -> Result<Seen, String> {
    probe.oauth("/device/code", form).map(|answer| Seen::of("/device/code", &answer))
}

/// A fresh code to poll with. Nobody approves it; it dies by itself.
fn device_code(probe: &Probe<'_>) -> Result<(String, Seen), String> {
    let answer = probe.oauth("/device/code", &[("client_id", &probe.client_id), ("scope", FILE_SCOPE)])?;
    let seen = Seen::of("/device/code", &answer);
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["device_code"].as_str().ok_or_else(|| format!("no code: {}", said(&seen)))?;
    Ok((code.to_owned(), seen))
}

fn poll(probe: &Probe<'_>, code: &str, with_secret: bool) -> Result<Seen, String> {
    let mut form = vec![("client_id", probe.client_id.as_str()), ("device_code", code), ("grant_type", DEVICE_GRANT)];
    if with_secret {
        form.push(("client_secret", probe.client_secret.as_str()));
    }
    probe.oauth("/token", &form).map(|answer| Seen::of("/token", &answer))
}

/// Status, code and words of an answer.
fn said(seen: &Seen) -> String {
    let error = seen.text("error").or(seen.text("error_code")).unwrap_or("no error");
    let words = seen.text("error_description").map(|words| format!(" ({words})")).unwrap_or_default();
    format!("{} {error}{words}", seen.status)
}

fn seen(probe: &Probe<'_>, path: &str) -> Option<Seen> {
    probe.watched.seen(path).into_iter().rev().find(|seen| seen.status == 200)
}

pub(crate) fn device_request(probe: &mut Probe<'_>) -> Answer {
    let (_, seen) = device_code(probe)?;
    let fits = seen.status == 200 && seen.members.contains_key("user_code");
    let verdict = if fits { AsWritten } else { Differs };
    Ok(("200 with device_code and user_code".into(), said(&seen), verdict))
}

pub(crate) fn names(probe: &mut Probe<'_>) -> Answer {
    let seen = seen(probe, "/device/code").ok_or("no code was asked for in this run")?;
    let names: Vec<_> = seen.members.keys().map(String::as_str).collect();
    let (lives, interval) = (seen.number("expires_in"), seen.number("interval"));
    let observed = format!("{}; expires_in {}, interval {}", names.join(", "), shown(lives), shown(interval));
    let verdict = if names.contains(&"verification_url") && lives.is_some() { AsWritten } else { Differs };
    Ok(("verification_url, expires_in 1800, interval 5 (any number will do)".into(), observed, verdict))
}

pub(crate) fn spreadsheets_scope(probe: &mut Probe<'_>) -> Answer {
    let scope = "https://www.googleapis.com/auth/spreadsheets";
    let seen = ask_code(probe, &[("client_id", &probe.client_id), ("scope", scope)])?;
    let verdict = if seen.text("error") == Some("invalid_scope") { AsWritten } else { Differs };
    Ok(("400 invalid_scope".into(), said(&seen), verdict))
}

pub(crate) fn appdata_scope(probe: &mut Probe<'_>) -> Answer {
    let scope = "https://www.googleapis.com/auth/drive.appdata";
    let seen = ask_code(probe, &[("client_id", &probe.client_id), ("scope", scope)])?;
    let verdict = if seen.text("error") == Some("invalid_scope") { AsWritten } else { Differs };
    Ok(("invalid_scope, as two projects saw, though it is on the list".into(), said(&seen), verdict))
}

pub(crate) fn pending_and_slow_down(probe: &mut Probe<'_>) -> Answer {
    let (code, _) = device_code(probe)?;
    let first = poll(probe, &code, true)?;
    // Too fast on purpose: what is asked is how Google says so.
    let second = poll(probe, &code, true)?;
    let third = poll(probe, &code, true)?;
    let is = |seen: &Seen, status, error| seen.status == status && seen.text("error") == Some(error);
    let pending =
        [&first, &second, &third].into_iter().find(|seen| seen.text("error") == Some("authorization_pending"));
    let slow = [&second, &third].into_iter().find(|seen| seen.text("error") == Some("slow_down"));
    let observed = format!("{}; then {}; then {}", said(&first), said(&second), said(&third));
    let good = pending.is_none_or(|seen| is(seen, 428, "authorization_pending"))
        && slow.is_none_or(|seen| is(seen, 403, "slow_down"))
        && (pending.is_some() || slow.is_some());
    Ok(("428 authorization_pending, 403 slow_down".into(), observed, if good { AsWritten } else { Differs }))
}

pub(crate) fn without_secret(probe: &mut Probe<'_>) -> Answer {
    let (code, seen) = device_code(probe)?;
    probe.wait(pause(&seen))?;
    let seen = poll(probe, &code, false)?;
    let meaning = match seen.text("error") {
        Some("authorization_pending" | "slow_down") => "it may be left out",
        _ => "it may not be left out",
    };
    Ok(("either; we always send it".into(), format!("{meaning}: {}", said(&seen)), Learnt))
}

fn shown(number: Option<i64>) -> String {
    number.map_or_else(|| "missing".to_owned(), |number| number.to_string())
}

/// The interval that was asked for, and a little.
fn pause(seen: &Seen) -> Duration {
    Duration::from_secs(seen.number("interval").unwrap_or(5).clamp(0, 60) as u64) + Duration::from_millis(200)
}

pub(crate) fn after_expiry(probe: &mut Probe<'_>) -> Answer {
    if !probe.options.long {
        return Ok((String::new(), "takes half an hour: --long".into(), NotAsked));
    }
    let (code, seen) = device_code(probe)?;
    let lives = seen.number("expires_in").unwrap_or(1_800).clamp(0, 7_200) as u64;
    probe.person.hear(&format!("D9 waits {lives} s for a code to die"));
    probe.wait(Duration::from_secs(lives + 2))?;
    let seen = poll(probe, &code, true)?;
    Ok(("expired_token or invalid_grant; both end the code".into(), said(&seen), Learnt))
}

pub(crate) fn missing_parameters(probe: &mut Probe<'_>) -> Answer {
    let no_scope = ask_code(probe, &[("client_id", &probe.client_id)])?;
    let no_client = ask_code(probe, &[("scope", FILE_SCOPE)])?;
    let observed = format!("without scope: {}; without client_id: {}", said(&no_scope), said(&no_client));
    Ok(("400 invalid_request; only `error` is read".into(), observed, Learnt))
}

pub(crate) fn rotation(probe: &mut Probe<'_>) -> Answer {
    for _ in 0..2 {
        let bearer = probe.session.bearer().map_err(|error| error.to_string())?;
        probe.session.replace(&bearer.token).map_err(|error| error.to_string())?;
    }
    let tokens: Vec<_> = probe.watched.seen("/token").into_iter().filter(|seen| seen.status == 200).collect();
    let refreshed = &tokens[tokens.len().saturating_sub(2)..];
    let rotated = refreshed.iter().any(|seen| seen.members.contains_key("refresh_token"));
    let observed =
        if rotated { "a refresh brought a new refresh token" } else { "two refreshes, no new refresh token" };
    Ok(("a refresh does not rotate".into(), observed.into(), if rotated { Differs } else { AsWritten }))
}

pub(crate) fn lifetime(probe: &mut Probe<'_>) -> Answer {
    let seen = seen(probe, "/token").ok_or("no token was asked for in this run")?;
    let lives = seen.number("expires_in");
    let observed = format!("expires_in {}", shown(lives));
    // Any number will do; what was captured is worth knowing.
    Ok(("3599, or any other number".into(), observed, if lives.is_some() { AsWritten } else { Differs }))
}

pub(crate) fn refresh_lifetime(probe: &mut Probe<'_>) -> Answer {
    let tokens = probe.watched.seen("/token");
    let days = tokens.iter().find_map(|seen| seen.number("refresh_token_expires_in")).map(|seconds| seconds / 86_400);
    let observed = match days {
        Some(days) => format!("this sign-in ends in about {days} days: is the app in Testing?"),
        None => "no refresh_token_expires_in: this sign-in does not end by itself".into(),
    };
    Ok(("only with time-based access, and in Testing (about 7 days)".into(), observed, AsWritten))
}

pub(crate) fn scope_names(probe: &mut Probe<'_>) -> Answer {
    let seen = seen(probe, "/token").ok_or("no token was asked for in this run")?;
    let scope = seen.text("scope").unwrap_or_default().to_owned();
    let granted = scope.split(' ').any(|scope| scope == FILE_SCOPE);
    Ok(("drive.file among them, in any order".into(), scope, if granted { AsWritten } else { Differs }))
}
