//! The answers of the APIs when they say no: bodies and headers of docs/google.md 5.3 and 6.

use serde_json::{Value, json};

use crate::wire::{Params, Reply, Request};

const CHALLENGE: &str = "Bearer realm=\"https://accounts.google.com/\"";

/// Why an API call is refused, before it becomes HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None }
    }

    /// 400 `INVALID_ARGUMENT`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 400 in words of our own, or remembered without a source.
    ///
    /// unknown to us: Google's words, and sometimes whether it refuses at all; docs/google.md has none for these cases.
    /// Clients must not read them.
    pub(crate) fn unsourced(message: impl Into<String>) -> Self {
        Self::invalid(message)
    }

    /// Deleted for ever, never ours, or access lost: one answer (docs/google.md 3.3).
    pub(crate) fn not_found() -> Self {
        Self::new(404, "Requested entity was not found.")
    }

    pub(crate) fn no_permission() -> Self {
        Self::new(403, "The caller does not have permission")
    }

    /// What this emulator, unlike Google, cannot do.
    pub(crate) fn not_emulated(what: &str) -> Self {
        Self::new(501, format!("google-emulator does not emulate {what}"))
    }

    /// The message with a prefix, as batchUpdate names the request at fault.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.message = format!("Invalid {place}: {}", self.message);
        self
    }

    pub(crate) fn reply(self) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message, "status": canonical(self.code) });
        if let Some(details) = self.details {
            error["details"] = details;
        }
        Reply::json(self.code, &json!({ "error": error }))
            .with_header("Vary", "Origin, X-Origin, Referer")
            .with_header("Cache-Control", "private")
    }
}

/// An error in the form that the query asks for: `$.xgafv=1` is the older one with `errors[]`, `prettyPrint` as for answers.
///
/// unknown to us: reasons of the older form but those of docs/google.md 5.4 and 6.
pub(crate) fn in_form(mut reply: Reply, query: &Params) -> Reply {
    let is_old = query.get("$.xgafv") == Some("1");
    let is_compact = query.is_compact();
    if !is_old && !is_compact {
        return reply;
    }
    let mut body = reply.value();
    if is_old {
        let reason = match reply.status {
            400 => "badRequest",
            401 => "authError",
            403 => "forbidden",
            404 => "notFound",
            429 => "rateLimitExceeded",
            _ => "backendError",
        };
        let message = body["error"]["message"].clone();
        body["error"]["errors"] = json!([{ "message": message, "domain": "global", "reason": reason }]);
    }
    reply.body = if is_compact { body.to_string().into_bytes() } else { Reply::json(reply.status, &body).body };
    reply
}

/// google.rpc.Code names by HTTP status.
fn canonical(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

/// The token of the `Authorization` header, or of the parameters `access_token` and `oauth_token` that every API takes.
pub(crate) fn bearer(request: &Request) -> Option<String> {
    if let Some(header) = request.header("authorization") {
        let (scheme, token) = header.split_once(' ')?;
        return (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().to_owned());
    }
    let query = request.query();
    query.filled("access_token").or_else(|| query.filled("oauth_token")).map(String::from)
}

/// 401 without a token (docs/google.md 6.1).
pub(crate) fn no_credentials(method: &str, service: &str) -> Reply {
    Refusal {
        details: Some(json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CREDENTIALS_MISSING",
            "domain": "googleapis.com",
            "metadata": { "method": method, "service": format!("{service}.googleapis.com") },
        }])),
        ..Refusal::new(
            401,
            "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or \
             other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
    }
    .reply()
    .with_header("WWW-Authenticate", CHALLENGE)
}

/// 401 with a token that is dead or never was.
pub(crate) fn bad_credentials() -> Reply {
    Refusal::new(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
         authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    )
    .reply()
    .with_header("WWW-Authenticate", &format!("{CHALLENGE}, error=\"invalid_token\""))
}

/// 403 for a token without the scope (docs/google.md 6.2).
pub(crate) fn insufficient_scope(method: &str, service: &str, acceptable: &[&str]) -> Reply {
    Refusal {
        details: Some(json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": { "service": format!("{service}.googleapis.com"), "method": method },
        }])),
        ..Refusal::new(403, "Request had insufficient authentication scopes.")
    }
    .reply()
    .with_header(
        "WWW-Authenticate",
        &format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{}\"", acceptable.join(" ")),
    )
}

/// 403 while the API is not enabled in the project (docs/google.md 6.3).
pub(crate) fn api_disabled(project_number: &str) -> Reply {
    let address = format!(
        "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project={project_number}"
    );
    Refusal {
        details: Some(json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": { "service": "sheets.googleapis.com", "consumer": format!("projects/{project_number}") },
        }])),
        ..Refusal::new(
            403,
            format!(
                "Google Sheets API has not been used in project {project_number} before or it is disabled. Enable it \
                 by visiting {address} then retry. If you enabled this API recently, wait a few minutes for the \
                 action to propagate to our systems and retry."
            ),
        )
    }
    .reply()
}

/// Which of the four buckets is empty (docs/google.md 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) is_write: bool,
    pub(crate) is_per_user: bool,
}

/// 429 exactly as captured (docs/google.md 5.3): no `Retry-After`, no `errors`.
pub(crate) fn quota_exceeded(bucket: Bucket, limit: u32, project_number: &str, window_start: u64) -> Reply {
    let (word, metric, name) = match bucket.is_write {
        true => ("Write", "write_requests", "WriteRequests"),
        false => ("Read", "read_requests", "ReadRequests"),
    };
    let (limit_text, unit, quota_limit) = match bucket.is_per_user {
        true => (format!("{word} requests per minute per user"), "1/min/{project}/{user}", "PerMinutePerUser"),
        false => (format!("{word} requests per minute"), "1/min/{project}", "PerMinutePerProject"),
    };
    Refusal {
        details: Some(json!([
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
                "metadata": {
                    "quota_metric": format!("sheets.googleapis.com/{metric}"), "quota_location": "global",
                    "service": "sheets.googleapis.com", "quota_unit": unit,
                    "quota_limit": format!("{name}{quota_limit}"), "consumer": format!("projects/{project_number}"),
                    "quota_limit_value": limit.to_string(), "window_start_time": window_start.to_string(),
                },
            },
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{
                    "description": "Request a higher quota limit.",
                    "url": "https://cloud.google.com/docs/quotas/help/request_increase",
                }],
            },
        ])),
        ..Refusal::new(
            429,
            format!(
                "Quota exceeded for quota metric '{word} requests' and limit '{limit_text}' of service \
                 'sheets.googleapis.com' for consumer 'project_number:{project_number}'."
            ),
        )
    }
    .reply()
}

/// A JSON error of that status in Google's words, for faults (docs/google.md 6.5).
pub(crate) fn plain(status: u16) -> Reply {
    let message = match status {
        500 => "Internal error encountered.",
        503 => "The service is currently unavailable.",
        504 => "Deadline expired before operation could complete.",
        403 => "The caller does not have permission",
        404 => "Requested entity was not found.",
        // unknown to us: the words that go with other statuses.
        _ => "Request failed.",
    };
    Refusal::new(status, message).reply()
}

/// The front end's page, for unknown paths and wrong verbs: 404, never 405 (docs/google.md 6).
pub(crate) fn html(status: u16) -> Reply {
    let (title, text) = match status {
        404 => ("Not Found", "The requested URL was not found on this server."),
        408 => ("Request Timeout", "Your client has taken too long to issue its request."),
        // unknown to us: titles and texts but those of 404, 408 and 502 (docs/google.md 6).
        502 => (
            "Server Error",
            "The server encountered a temporary error and could not complete your request. Please try again in 30 \
             seconds.",
        ),
        200 => ("Welcome", "Please accept the terms of this network."),
        _ => ("Server Error", "The server encountered an error and could not complete your request."),
    };
    let heading = if status == 200 { title.to_owned() } else { format!("Error {status} ({title})!!1") };
    Reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{heading}</title>\n<p><b>{status}.</b> \
             <ins>That\u{2019}s an error.</ins>\n<p>{text} <ins>That\u{2019}s all we know.</ins>\n"
        ),
    )
}
