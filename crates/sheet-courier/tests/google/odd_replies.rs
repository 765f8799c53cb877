//! Every odd reply that Google, or something on the way, is known to give (docs/google.md 5 and 6), by name: what it is
//! taken for, and what is in the sheet at the end.

use std::time::Duration;

use serde_json::{Value, json};
use sheet_courier::{Answer, Cause, Cell, Closed, D, Hold, Outcome, Transition, Verdict, Wish};

use crate::bench::{Bench, is_rows, row};

const HTML_404: &str = "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>";
const HTML_502: &str = "<!DOCTYPE html><p>The server encountered a temporary error and could not complete your request. \
                        Please try again in 30 seconds.";
const HTML_408: &str = "<!DOCTYPE html><title>Error 408 (Request Timeout)!!1</title>";
/// What a café's network says to everything.
const CAPTIVE_PORTAL: &str = "<html><head><title>Welcome! Please accept our terms</title></head></html>";
const STORAGE_LIMIT: &str = "Invalid requests[0].createDeveloperMetadata: Adding the requested developer metadata would \
                             exceed the allowed storage limit";
const CELL_LIMIT: &str = "Invalid requests[1].appendCells: This action would increase the number of cells in the \
                          workbook above the limit of 10000000 cells.";

type Reply = (u16, Vec<u8>);

fn html(status: u16, text: &str) -> Reply {
    (status, text.into())
}

fn error(code: u16, status: &str, message: &str, more: &Value) -> Reply {
    let mut error = json!({"code": code, "status": status, "message": message});
    for (name, value) in more.as_object().into_iter().flatten() {
        error[name] = value.clone();
    }
    (code, json!({ "error": error }).to_string().into())
}

fn plain(code: u16, status: &str, message: &str) -> Reply {
    error(code, status, message, &json!({}))
}

fn refusal(message: &str) -> Reply {
    plain(400, "INVALID_ARGUMENT", message)
}

/// Anything may have happened: the batch is in doubt, and the same bytes go again after a while.
fn is_unknown(name: &str, (status, body): Reply) {
    for arrives in [false, true] {
        let mut bench = Bench::with_rows(2);
        let first = bench.until_rows();
        if arrives {
            assert_eq!(bench.arrives(&first).status, 200);
        }
        bench.replies(status, &body);
        goes_again(name, bench, &first);
    }
}

fn goes_again(name: &str, mut bench: Bench, first: &sheet_courier::Call) {
    assert!(bench.courier.in_doubt(), "{name}: not in doubt");
    let before = bench.now;
    let second = bench.until_rows();
    assert!(bench.now > before, "{name}: not after a while");
    assert_eq!((&second.path, &second.body), (&first.path, &first.body), "{name}: other bytes");
    bench.pass_on(&second);
    bench.runs_to_the_end();
    bench.is_whole(2, name);
    assert_eq!(bench.causes(), [], "{name}");
}

/// Not executed: nothing is in doubt, and it goes again after `at_least`.
fn is_waited_out(name: &str, (status, body): Reply, at_least: Duration, retry_after: Option<&str>) {
    let mut bench = Bench::with_rows(2);
    let first = bench.until_rows();
    let before = bench.now;
    let retry_after = retry_after.map(str::to_owned);
    bench.hears(Outcome::Answered(Answer { status, body, date: None, retry_after }));
    assert!(!bench.courier.in_doubt(), "{name}: in doubt");
    let second = bench.until_rows();
    let waited = bench.now.saturating_sub(before);
    assert!(waited >= at_least, "{name}: after {waited:?}");
    assert!(waited < Duration::from_secs(3_700), "{name}: only after {waited:?}");
    assert_eq!(second.body, first.body, "{name}: other bytes");
    bench.pass_on(&second);
    bench.runs_to_the_end();
    bench.is_whole(2, name);
}

/// The spreadsheet is not for us: rows are kept, a person is told why, and it is asked for once an hour.
fn is_closed(name: &str, (status, body): Reply, why: Closed) {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    bench.replies(status, &body);
    assert!(bench.next_call().is_none(), "{name}");
    let held = bench.changes.last();
    let is_it = matches!(held, Some(Transition::Held(Hold::Closed { why: said, .. })) if *said == why);
    assert!(is_it, "{name}: {held:?}");
    bench.now += Duration::from_secs(3600);
    bench.runs_to_the_end();
    bench.is_whole(2, name);
}

#[test]
fn html_instead_of_an_answer() {
    for status in [400, 403, 404, 429, 500] {
        is_unknown(&format!("{status}"), html(status, HTML_404));
    }
    is_unknown("502", html(502, HTML_502));
    is_unknown("408", html(408, HTML_408));
}

#[test]
fn a_200_that_proves_nothing() {
    for (name, body) in [
        ("empty", ""),
        ("a captive portal", CAPTIVE_PORTAL),
        ("cut", r#"{"spreadsheetId": "abc", "repl"#),
        ("foreign JSON", r#"{"login": "please"}"#),
        ("an empty object", "{}"),
        ("a list", "[]"),
        ("another spreadsheet", r#"{"spreadsheetId":"other","replies":[{}]}"#),
        ("an error inside", r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#),
    ] {
        is_unknown(name, (200, body.into()));
    }
}

/// As it comes from a proxy that did not unpack what it says is plain, or lost the end of it.
#[test]
fn an_answer_that_was_damaged_on_the_way() {
    is_unknown("packed", (200, vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56]));
    is_unknown("no UTF-8", (200, vec![b'{', 0xff, 0xfe, b'}']));
    is_unknown("a refusal, cut", (400, b"{\"error\":{\"code\":400,\"mess".to_vec()));
    // Every cut of the true answer, to the batch that is in the sheet.
    let mut bench = Bench::with_rows(2);
    let call = bench.until_rows();
    let answer = bench.arrives(&call).body;
    let whole = answer.trim_ascii_end();
    for at in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        is_unknown(&format!("cut at {at}"), (200, whole[..at].to_vec()));
    }
}

#[test]
fn a_200_without_our_id() {
    // The same seed: the same spreadsheet.
    let id = Bench::with_rows(1).google.spreadsheet_ids().remove(0);
    for replies in [
        json!([{}, {}]),
        json!([]),
        json!([{"createDeveloperMetadata": {"developerMetadata": {"metadataId": 1}}}]),
        json!([{"createDeveloperMetadata": {}}]),
    ] {
        let body = json!({"spreadsheetId": id, "replies": replies}).to_string();
        is_unknown(&body, (200, body.clone().into()));
    }
}

#[test]
fn redirects_and_other_successes() {
    for status in [201, 202, 204, 206, 301, 302, 303, 307, 308] {
        is_unknown(&status.to_string(), (status, Vec::new()));
        is_unknown(&status.to_string(), html(status, HTML_404));
    }
}

#[test]
fn server_errors_and_a_request_time_out() {
    is_unknown("500", plain(500, "INTERNAL", "Internal error encountered."));
    is_unknown("503", plain(503, "UNAVAILABLE", "The service is currently unavailable."));
    is_unknown("504", plain(504, "DEADLINE_EXCEEDED", "Deadline exceeded."));
    is_unknown("408", plain(408, "X", "Request time-out"));
    is_unknown("JSON, but not Google's word for it", plain(404, "X", "m"));
}

#[test]
fn no_answer_at_all() {
    for arrives in [false, true] {
        let mut bench = Bench::with_rows(2);
        let first = bench.until_rows();
        if arrives {
            assert_eq!(bench.arrives(&first).status, 200);
        }
        bench.hears(Outcome::Unknown("connection reset".into()));
        goes_again("reset", bench, &first);
    }
}

#[test]
fn what_was_not_sent_is_not_in_doubt() {
    let mut bench = Bench::with_rows(2);
    let first = bench.until_rows();
    bench.hears(Outcome::NotSent("no route".into()));
    assert!(!bench.courier.in_doubt());
    assert_eq!(bench.until_rows().body, first.body);
    let until = bench.now + Duration::from_secs(50);
    bench.hears(Outcome::NoToken("sign in".into(), until));
    assert!(!bench.courier.in_doubt());
    assert_eq!(bench.until_rows().body, first.body);
    assert!(bench.now >= until, "there is a token only then");
    bench.hears(Outcome::NotSent("no route".into()));
    bench.runs_to_the_end();
    bench.is_whole(2, "not sent");
}

#[test]
fn a_429_is_waited_out() {
    let quota = |more: Value| error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", &more);
    let second = Duration::from_secs(1);
    is_waited_out("bare", quota(json!({})), second, None);
    let info = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]);
    is_waited_out("as captured", quota(json!({ "details": info })), second, None);
    let retry = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "42s"}]);
    is_waited_out("with RetryInfo", quota(json!({ "details": retry })), Duration::from_secs(42), None);
    is_waited_out("with Retry-After", quota(json!({})), Duration::from_secs(77), Some("77"));
    is_waited_out("with a date for it", quota(json!({})), second, Some("Mon, 23 Nov 2026 05:00:00 GMT"));
    is_waited_out("with a year", quota(json!({})), Duration::from_secs(3600), Some("31536000"));
}

#[test]
fn a_403_of_quota_kind_is_waited_out() {
    let denied = |more: Value| error(403, "PERMISSION_DENIED", "m", &more);
    let second = Duration::from_secs(1);
    for reason in ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"] {
        let more = json!({"errors": [{"domain": "usageLimits", "reason": reason, "message": "m"}]});
        is_waited_out(reason, denied(more), second, None);
    }
    is_waited_out("details", denied(json!({"details": [{"reason": "RATE_LIMIT_EXCEEDED"}]})), second, None);
    is_waited_out("status", plain(403, "RESOURCE_EXHAUSTED", "m"), second, None);
}

#[test]
fn a_401_that_is_left_after_refreshing_is_waited_out() {
    let answer = plain(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
    is_waited_out("401", answer, Duration::from_secs(1), None);
}

#[test]
fn a_403_or_404_of_permission_kind_closes() {
    let denied = |more: Value| error(403, "PERMISSION_DENIED", "m", &more);
    is_closed("403", denied(json!({})), Closed::Forbidden);
    is_closed("forbidden", denied(json!({"errors": [{"reason": "forbidden"}]})), Closed::Forbidden);
    let disabled = json!({"details": [{"reason": "SERVICE_DISABLED", "domain": "googleapis.com"}]});
    is_closed("API not enabled", denied(disabled), Closed::ApiDisabled);
    is_closed("legacy", denied(json!({"errors": [{"reason": "accessNotConfigured"}]})), Closed::ApiDisabled);
    let scope = json!({"details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]});
    is_closed("scope", denied(scope), Closed::Scope);
    is_closed("scope, legacy", denied(json!({"errors": [{"reason": "insufficientPermissions"}]})), Closed::Scope);
    is_closed("404", plain(404, "NOT_FOUND", "Requested entity was not found."), Closed::NotFound);
}

/// An old batch is held against the columns before it goes again. Where its tab was not there yet that took a list of all
/// tabs, which was thrown away for being no look at columns, and asked for again, without a pause and for ever.
#[test]
fn an_old_batch_for_a_tab_that_is_not_there_goes_on() {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    bench.hears(Outcome::NotSent("no route".into()));
    bench.now += Duration::from_secs(3600);
    bench.runs_to_the_end();
    bench.is_whole(2, "after an hour");
}

/// Sheets answers for a spreadsheet in the bin as ever; only Drive tells.
#[test]
fn a_spreadsheet_in_the_bin_takes_rows() {
    let mut bench = Bench::with_rows(2);
    let id = bench.google.spreadsheet_ids().remove(0);
    bench.asks("PATCH", &format!("/drive/v3/files/{id}"), &json!({"trashed": true}));
    bench.runs_to_the_end();
    bench.is_whole(2, "in the bin");
}

#[test]
fn a_413_voids_the_batch_and_halves_it() {
    for body in [Vec::new(), HTML_502.into(), plain(413, "X", "Request too large").1] {
        let mut bench = Bench::with_rows(4);
        let _ = bench.until_rows();
        bench.replies(413, &body);
        bench.runs_to_the_end();
        bench.is_whole(4, "413");
        assert_eq!(bench.causes(), [Cause::TooBig]);
        let halved = bench.changes.iter().any(|change| {
            matches!(change, Transition::Voided { verdict: Verdict::Halve(2), tally, .. } if tally.size_limit_bytes < 2_000)
        });
        assert!(halved, "{:?}", bench.changes);
    }
}

#[test]
fn a_413_for_a_batch_that_arrived_doubles_nothing() {
    let mut bench = Bench::with_rows(4);
    let call = bench.until_rows();
    assert_eq!(bench.arrives(&call).status, 200);
    bench.replies(413, b"");
    bench.runs_to_the_end();
    bench.is_whole(4, "413");
    assert_eq!(bench.causes(), [Cause::TooBig], "the void is refused, and the marker says that it was applied");
}

/// On the first attempt too: something below us may have sent it twice. The text decides nothing.
#[test]
fn a_400_after_which_the_marker_is_there_means_applied() {
    for text in ["anything at all", CELL_LIMIT, STORAGE_LIMIT] {
        let mut bench = Bench::with_rows(2);
        let call = bench.until_rows();
        assert_eq!(bench.arrives(&call).status, 200);
        let (status, body) = refusal(text);
        bench.replies(status, &body);
        bench.runs_to_the_end();
        bench.is_whole(2, text);
        assert_eq!(bench.causes(), [], "{text}");
    }
}

#[test]
fn a_400_of_any_wording_voids_the_batch_and_loses_nothing() {
    for text in [
        "Invalid requests[0].createDeveloperMetadata: Cannot add developer metadata with ID [8] because developer \
         metadata with that ID already exists.",
        "Invalid requests[3].appendCells: No grid with id: 7",
        "Invalid requests[3].updateCells: Range exceeds grid limits. Max rows: 2, max columns: 2",
        "Unable to parse range: 't'!1:1",
        "Must specify at least one request.",
        "A sheet with the name \"t\" already exists. Please enter another name.",
        "Invalid JSON payload received. Unknown name \"x\": Cannot find field.",
        "Invalid value at 'requests[0]' (type.googleapis.com/google.apps.sheets.v4.Request), \"\"",
        "",
    ] {
        let mut bench = Bench::with_rows(2);
        let _ = bench.until_rows();
        let (status, body) = refusal(text);
        bench.replies(status, &body);
        bench.runs_to_the_end();
        bench.is_whole(2, text);
        assert_eq!(bench.causes(), [Cause::Content], "{text}");
    }
}

/// Google's own refusal: the row is found by halving, and the others are in the sheet.
#[test]
fn a_text_above_50_000_characters_is_set_aside_alone() {
    let mut bench = Bench::with_rows(5);
    bench.queued.insert(2, row(99, Cell::Text("x".repeat(50_001))));
    bench.runs_to_the_end();
    assert_eq!(bench.sheet(), ["row-0", "row-1", "row-2", "row-3", "row-4"]);
    assert_eq!(bench.aside.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["row-99"]);
    let reason = bench.changes.iter().find_map(|change| match change {
        Transition::Voided { verdict: Verdict::Aside(reason), .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.is_some_and(|reason| reason.contains("50000 characters in a single cell")));
}

#[test]
fn the_cell_limit_voids_the_batch_and_asks_for_the_next_spreadsheet() {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    let (status, body) = refusal(CELL_LIMIT);
    bench.replies(status, &body);
    while !bench.changes.iter().any(|change| matches!(change, Transition::Voided { .. })) {
        let call = bench.next_call().unwrap();
        assert!(!is_rows(&call));
        bench.pass_on(&call);
    }
    assert_eq!(bench.causes(), [Cause::Full]);
    let last = bench.changes.last();
    let is_it = matches!(last, Some(Transition::Voided { verdict: Verdict::Return, wish: Some(Wish::Next), .. }));
    assert!(is_it, "the rows go back whole: {last:?}");
    assert_eq!(bench.queued.len(), 2);
}

#[test]
fn the_storage_limit_takes_another_id_only_when_no_attempt_can_be_alive() {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    let attempted = bench.now;
    let (status, body) = refusal(STORAGE_LIMIT);
    bench.replies(status, &body);
    // No room for the void's marker either.
    loop {
        let call = bench.next_call().unwrap();
        if bench.changes.iter().any(|change| matches!(change, Transition::Rekeyed { .. })) {
            break;
        }
        match call.writes {
            true => bench.replies(status, &body),
            false => bench.pass_on(&call),
        }
    }
    assert!(bench.now - attempted >= D, "after {:?}", bench.now - attempted);
    assert_eq!(bench.causes(), [Cause::Content]);
}

/// Not to the rows alone: whatever is asked on the way, from the first request of a device on, and on the way of a void too.
#[test]
fn an_odd_reply_to_any_question_loses_and_doubles_nothing() {
    let replies = [
        html(200, CAPTIVE_PORTAL),
        html(404, HTML_404),
        html(502, HTML_502),
        (200, Vec::new()),
        (200, b"{}".to_vec()),
        (200, b"{\"spreadsheetId\":\"".to_vec()),
        (302, Vec::new()),
        (413, Vec::new()),
        plain(401, "UNAUTHENTICATED", "m"),
        plain(403, "PERMISSION_DENIED", "m"),
        plain(429, "RESOURCE_EXHAUSTED", "m"),
        plain(503, "UNAVAILABLE", "m"),
    ];
    for (status, body) in replies {
        for (nth, arrives) in (0..9).flat_map(|nth| [(nth, false), (nth, true)]) {
            let name = format!("{status} {:?} to question {nth}, {arrives}", String::from_utf8_lossy(&body));
            let mut bench = Bench::new(3);
            let mut refused = false;
            for asked in 0.. {
                assert!(asked < 100, "{name}: never comes to an end: {:?}", bench.story());
                let Some(call) = bench.next_call() else { break };
                if asked == nth {
                    if arrives {
                        bench.arrives(&call);
                    }
                    bench.replies(status, &body);
                } else if is_rows(&call) && !std::mem::replace(&mut refused, true) {
                    let (status, body) = refusal("something is wrong with it");
                    bench.replies(status, &body);
                } else {
                    bench.pass_on(&call);
                }
            }
            // A spreadsheet that seemed closed is asked for again in an hour.
            bench.now += Duration::from_secs(3700);
            bench.runs_to_the_end();
            bench.is_whole(3, &name);
        }
    }
}
