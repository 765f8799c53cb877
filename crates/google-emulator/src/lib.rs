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
//! | `POST /_emulator/clients` | a [`Client`]; members left out have their defaults |
//! | `POST /_emulator/delete_spreadsheet` | `{"spreadsheet_id"}` |
//! | `GET`, `POST`, `PUT`, `DELETE /_emulator/faults` | [`Faults`] or one [`Rule`]: show, add, replace, end |
//! | `GET /_emulator/log?since=N`, `DELETE` | `{"entries": [{"number", "time", "unix", "method", "target", "path", "status", "grant_type", "error", "fault", "request_body", "reply_body"}]}`, secrets masked; status 0: no reply was made |
//! | `GET`, `POST /_emulator/clock` | `{"advance": seconds}`; answers `{"unix", "time", "advanced"}` |
//!
//! A rule is `{"method"?, "path"?, "body"?, "nth"?, "skip"?, "times"?, "probability"?, "seed"?, "action": {…}}`:
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
//!
//! # What is not here
//!
//! Of formulas there is what a time clock's sheet needs; results that spill over neighbours are not. Of Drive there are
//! spreadsheets and no other files, folders, permissions or uploads. Charts, slicers, filters and protected ranges are
//! kept and given back, not drawn or enforced. Comments and data sources are not emulated. What is missing is answered
//! with 501, which Google never sends, and named in `docs/emulator.md`.
//! The emulator knows none of our other crates: a misreading of Google's documents must be made twice to stay hidden.

mod calendar;
mod control;
mod drive;
mod faults;
mod log;
mod model;
mod oauth;
mod options;
mod pages;
mod quota;
mod random;
mod server;
mod sheets;
mod wire;

pub use faults::{Action, Faults, Rule, When};
pub use log::LogEntry;
pub use model::Model;
pub use oauth::{DecideError, PendingCode};
pub use options::{
    AfterExpiry, CLIENT_ID, CLIENT_SECRET, Client, Dialect, EarlyPoll, NoMatch, Numbers, Options, PROJECT_NUMBER,
    Rotation, Standing, Verification,
};
pub use server::{Server, ServerOptions, StartError, Tls};
pub use sheets::{CellValue, EditError};
pub use wire::{Delivery, Reply, Request};
