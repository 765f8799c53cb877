//! Google's device sign-in, consent pages, token endpoint, Sheets v4 and what is needed of Drive v3 on one local port.
//!
//! The whole emulated world is a value, [`Model`]: `handle(now, request) -> reply`, deterministic from a seed and
//! without sockets, files or clocks. A [`Server`] puts it on a port; a simulation calls it directly and treats
//! [`Reply::delivery`] as its network would.
//!
//! ```
//! use std::time::Duration;
//! use google_emulator::{CLIENT_ID, Model, Options, Request};
//!
//! let mut model = Model::new(Options::default());
//! let scope = "https://www.googleapis.com/auth/drive.file";
//! let request = Request::form("/device/code", &[("client_id", CLIENT_ID), ("scope", scope)]);
//! let reply = model.handle(Duration::from_secs(1_800_000_000), &request);
//! assert_eq!(reply.value()["interval"], 5);
//! assert_eq!(model.pending_codes().len(), 1);
//! ```
//!
//! # Addresses
//!
//! One origin carries what Google spreads over several hosts. Addresses in replies follow the request's `Host`.
//!
//! | path | what |
//! |---|---|
//! | `/.well-known/openid-configuration` | discovery |
//! | `/device/code`, `/token`, `/revoke`, `/v1/userinfo`, `/tokeninfo` | sign-in, as form or JSON; older names too |
//! | `/device` | the page where a person enters a code |
//! | `/oauth2/v3/certs` | the keys of the signed `id_token`s |
//! | `/v4/spreadsheets…` | Sheets v4 |
//! | `/drive/v3/files…`, `/drive/v3/about` | Drive v3, for spreadsheets |
//! | `/batch`, `/batch/drive/v3` | many calls in one, as `multipart/mixed` |
//! | `/spreadsheets/d/{id}` | a viewer that refreshes itself |
//! | `/` | an index for people |
//! | `/_emulator/…` | control, below; never faulted, never logged |
//!
//! # Control
//!
//! All bodies are JSON; an error is `{"error": "…"}` with 400, 404 or 409.
//!
//! | call | body or answer |
//! |---|---|
//! | `GET /_emulator` | `{"name", "version", "time", "spreadsheets": [id], "accounts": [email]}` |
//! | `GET /_emulator/codes` | `{"codes": [{"user_code", "client_id", "client_name", "scopes", "expires_in"}]}` |
//! | `POST /_emulator/approve` | `{"user_code", "account", "scopes"?: […]}`; without scopes, all |
//! | `POST /_emulator/deny` | `{"user_code"}` |
//! | `POST /_emulator/expire_code` | `{"user_code"}`: its time is over |
//! | `POST /_emulator/revoke` | `{"account"?}`: the owner removes the app; without it everybody does |
//! | `POST /_emulator/expire_access_tokens` | no body: refresh tokens stay |
//! | `GET /_emulator/clients` | `{"clients": [client]}`, each a [`Client`] with `***` for its secret |
//! | `POST /_emulator/clients` | a [`Client`]; members left out have their defaults |
//! | `POST /_emulator/spreadsheet` | `{"spreadsheet_id", "trashed"?, "read_only"?}`: the owner bins it, or takes writing away |
//! | `POST /_emulator/delete_spreadsheet` | `{"spreadsheet_id"}` |
//! | `GET`, `POST`, `PUT`, `DELETE /_emulator/faults` | [`Faults`] or one [`Rule`]: show, add, replace, end |
//! | `GET /_emulator/log?since=N`, `DELETE` | `{"entries": [{"number", "time", "unix", "method", "target", "path", "status", "grant_type", "error", "fault", "request_body", "reply_body"}]}`, secrets masked; status 0: no reply was made |
//! | `GET`, `POST /_emulator/clock` | `{"advance": seconds}`; answers `{"unix", "time", "advanced"}` |
//! | `GET`, `POST /_emulator/snapshots`, `POST /_emulator/restore` | `{"name"}`: the whole world is kept in memory, and back |
//! | `GET`, `PUT /_emulator/snapshot` | the whole world as a document, tokens included |
//! | `POST /_emulator/reset` | an empty world |
//! | `GET`, `POST /_emulator/options` | [`Switches`]: quotas, and each behaviour of Google's that nobody knows |
//! | `GET /_emulator/openapi.json` | all of these as OpenAPI 3.1 |
//!
//! [`client::Control`] has a method for each.
//!
//! A rule is `{"method"?, "path"?, "body"?, "account"?, "nth"?, "skip"?, "times"?, "probability"?, "seed"?, "action": {…}}`:
//! `path` and `body` match by containing, `nth` counts matching requests from 1. Actions, with `when` being `"before"`
//! (nothing was applied, the default) or `"after"`:
//!
//! | action | what happens |
//! |---|---|
//! | `{"do":"status","status":503,"when","body"?,"content_type"?,"retry_after"?}` | that answer |
//! | `{"do":"html","status":502,"when"}` | the front end's page |
//! | `{"do":"drop","when"}`, `{"do":"reset","when"}` | no answer; the connection is closed, or reset |
//! | `{"do":"delay","seconds":200}` | applied at once, answered later |
//! | `{"do":"late","seconds":200}` | reset now, applied later by the model's clock |
//! | `{"do":"truncate","bytes":100}`, `{"do":"slow","bytes_per_second":50}` | applied, half an answer or a slow one |
//! | `{"do":"quota"}` | 429, not applied |
//! | `{"do":"expire_token"}`, `{"do":"revoke_grant"}` | the request's token, or its whole grant, dies first |
//! | `{"do":"delete_spreadsheet"}` | the spreadsheet is deleted for ever first |
//!
//! `{"rules": [rule…], "idle_close_seconds": 4}` also closes kept connections after that time without notice.
//! `{"tls_failure": {"kind": "alert", "times"?: 1}}` lets handshakes fail: `alert`, `reset`, `garbage` or `untrusted`.
//!
//! # A world for each test
//!
//! A [`Model`] needs no port, a clone of it is a snapshot, and its clock is an argument:
//!
//! ```
//! use std::time::Duration;
//! use google_emulator::{Action, CellValue, Faults, Model, Options, Request, Rule, When};
//! use serde_json::json;
//!
//! let mut google = Model::new(Options { approve_as: Some("maker@example.com".into()), ..Options::default() });
//! let mut now = Duration::from_secs(1_800_000_000);
//! let code = google.handle(now, &Request::form("/device/code", &[
//!     ("client_id", google_emulator::CLIENT_ID), ("scope", "https://www.googleapis.com/auth/drive.file"),
//! ]));
//! let code = code.value()["device_code"].as_str().unwrap_or_default().to_owned();
//! let poll = Request::form("/token", &[
//!     ("client_id", google_emulator::CLIENT_ID), ("client_secret", google_emulator::CLIENT_SECRET),
//!     ("device_code", &code), ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
//! ]);
//! assert_eq!(google.handle(now, &poll).status, 428, "nobody has allowed it yet");
//! now += Duration::from_secs(5);
//! let token = google.handle(now, &poll).value()["access_token"].as_str().unwrap_or_default().to_owned();
//!
//! let create = Request::json("POST", "/v4/spreadsheets", &json!({})).with_bearer(&token);
//! let id = google.handle(now, &create).value()["spreadsheetId"].as_str().unwrap_or_default().to_owned();
//! // A bad day: the row is kept, the answer lost.
//! let lost = Rule { times: Some(1), ..Rule::new(Action::Reset { when: When::After }) };
//! google.set_faults(Faults { rules: vec![lost], ..Faults::default() });
//! let before = google.clone();
//! let append = format!("/v4/spreadsheets/{id}/values/A1:append?valueInputOption=RAW");
//! let append = Request::json("POST", &append, &json!({"values": [["open"]]})).with_bearer(&token);
//! assert_eq!(google.handle(now, &append).delivery, google_emulator::Delivery::Reset);
//! assert_eq!(google.rows(&id, "Sheet1"), Some(vec![vec![CellValue::Text("open".into())]]));
//! assert_eq!(before.rows(&id, "Sheet1"), Some(vec![]), "the copy knows nothing of it");
//! ```
//!
//! # What is not here
//!
//! Of formulas there is what a time clock's sheet needs; results that spill over neighbours are not. Of Drive there are
//! spreadsheets, folders and permissions, and no other files or uploads. Charts, slicers, filters and protected ranges are
//! kept and given back, not drawn or enforced. Comments and data sources are not emulated. What is missing is answered
//! with 501, which Google never sends, and named in `docs/emulator.md`.
//! The emulator knows none of our other crates: a misreading of Google's documents must be made twice to stay hidden.

mod calendar;
pub mod client;
mod control;
mod drive;
mod faults;
mod log;
mod model;
mod multipart;
mod oauth;
mod options;
mod pages;
mod quota;
mod random;
mod server;
mod sheets;
mod wire;

pub use faults::{Action, Faults, Rule, TlsFailure, TlsFailureKind, When};
pub use log::LogEntry;
pub use model::Model;
pub use oauth::{DecideError, PendingCode};
pub use options::{
    AfterExpiry, CLIENT_ID, CLIENT_SECRET, Client, Dialect, EarlyPoll, NoMatch, Numbers, Options, PROJECT_NUMBER,
    Rotation, Standing, Switches, Verification,
};
pub use server::{Server, ServerOptions, StartError, Tls};
pub use sheets::{CellValue, EditError};
pub use wire::{Delivery, Reply, Request};
