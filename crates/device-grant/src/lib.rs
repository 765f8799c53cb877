//! Sign in a device that has no browser and no keyboard: the OAuth 2.0 device authorization grant, refresh, revocation
//! and discovery, as pure state machines. `no_std` with `alloc`, no `unsafe`, for any provider and any board.
//!
//! The device shows an address and a short code; its owner types the code on a phone; the device polls until the owner
//! has decided. That sounds like a loop with a sleep in it. What makes it hard is everything that is not in the happy
//! path, and that is what these machines hold: networks that lose the one answer that mattered, providers that say
//! `slow_down` with four different statuses, power cuts between two polls, clocks that jump or run fast.
//!
//! # How it works
//!
//! A machine never waits, sends, shows or looks at a clock. It says what to do next, you do it and tell what came of it:
//! so the same machine runs in a blocking loop, in an async task, in the main loop of a microcontroller, and in a test
//! that simulates half an hour in microseconds.
//!
//! ```text
//!      start                                                    resume (after a power cut)
//!        │                                                        │
//!        ▼                       a code: Show it                  ▼
//!  ╭─ asking for a code ─────────────────────────────► waiting for approval ─╮ pending: same pace
//!  │     ▲                                               │    │    ▲         │ slow_down: +5 s, for good
//!  ╰─────╯ trouble: wait 2, 4, 8 … 30 s                  │    │    ╰─────────╯ trouble: back off, capped, never
//!        │                                               │    │                below the pace
//!        │ refused, wrong address,                tokens │    │ denied, expired, any other OAuth error,
//!        │ unusable answer                               ▼    │ deadline (after one last poll), cancel
//!        ╰───────────────► Failed ◄──────────────────────┼────╯
//!                                                        ╰──► Done  (DoneLate, if it was cancelled meanwhile)
//! ```
//!
//! # A whole sign-in
//!
//! ```
//! use device_grant::{Answer, Ask, Client, ClientAuth, ClientSecret, Provider, Reply, SignIn, Step};
//! # use std::{cell::Cell, error::Error, time::Duration};
//! # use device_grant::{Mono, Request};
//! # thread_local!(static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) });
//! # fn clock() -> Mono { Mono::new(NOW.get()) } // yours: a clock that counts suspend, such as CLOCK_BOOTTIME
//! # fn sleep_until(time: Mono) { NOW.set(time.since_origin()) }
//! # struct Response { status: u16, body: &'static str }
//! # impl Response { fn header(&self, _: &str) -> Option<&str> { None } }
//! # fn send(request: &Request) -> Option<Response> { // yours: one HTTPS exchange
//! #     Some(match () {
//! #         _ if request.url.ends_with("/device/code") => Response { status: 200, body: r#"{"device_code":"4/4-GM",
//! #             "user_code":"GQVQ-JKEC","verification_url":"https://www.google.com/device","expires_in":1800}"# },
//! #         _ if NOW.get() < Duration::from_secs(15) => Response { status: 428, body: r#"{"error":"authorization_pending"}"# },
//! #         _ => Response { status: 200, body: r#"{"access_token":"ya29.a","token_type":"Bearer","expires_in":3599,
//! #             "refresh_token":"1//r"}"# },
//! #     })
//! # }
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! let secret = ClientSecret::parse("GOCSPX-example".into())?;
//! let client = Client::new(Provider::preset("google", None)?, "1234.apps.example", ClientAuth::Post(secret))?;
//! let scopes = client.provider().default_scopes();
//!
//! let mut sign_in = SignIn::start(&client, Ask::new(scopes), clock());
//! let tokens = loop {
//!     match sign_in.next(clock()) {
//!         Step::Show(prompt) => println!("open {} and type {}", prompt.verification_uri, prompt.user_code),
//!         Step::WaitUntil(time) => sleep_until(time),
//!         Step::Send(request) => match send(&request) {
//!             Some(response) => {
//!                 let answer = Answer::new(response.status, |name| response.header(name), response.body.as_bytes());
//!                 sign_in.reply(Reply::Answer(answer), clock());
//!             }
//!             None => sign_in.reply(Reply::Lost(device_grant::Lost::Unknown), clock()),
//!         },
//!         // Late: only after `cancel`. Keep them or revoke them, but never drop them.
//!         Step::Done(tokens) | Step::DoneLate(tokens) => break tokens,
//!         Step::Failed(error) => return Err(error.into()),
//!     }
//! };
//! assert_eq!(tokens.refresh.as_ref().map(|token| token.expose()), Some("1//r"));
//! # Ok(())
//! # }
//! ```
//!
//! To survive power cuts, store [`SignIn::seal`] before each [`Step::Send`], and go on with [`SignIn::resume`]. When the
//! access token nears its end ([`Tokens::refresh_after`]), use [`Refresh`]; to sign out, [`Revoke`]; to find the
//! endpoints of a provider by its issuer, [`Discovery`].
//!
//! # In scope
//!
//! RFC 8628 whole; refresh, client authentication (none, in the body, Basic) and errors of RFC 6749; RFC 7009; RFC 8414
//! and OpenID Connect Discovery; the device's part of RFC 6750 ([`bearer`]); RFC 7636 as an option ([`Pkce`]); the
//! dialects of the providers in [`PRESETS`], as data ([`Dialect`]). Each requirement and its test:
//! `CONFORMANCE.md` in the package.
//!
//! # Out of scope
//!
//! Sockets, TLS, files, clocks, randomness: yours. Other grants: a device with a browser is better served by the
//! authorization code grant with a proof key and a loopback redirect (RFC 8252 section 7.3), and no high-value resource
//! should depend on a code that can be phished out of its context (RFC 8628 section 5.4). DPoP, mutual TLS and
//! `private_key_jwt`: not yet; a token that needs them is refused. Checking signatures of id tokens: [`Account`] says
//! why that is right here. Client secrets that ship in many devices are not secrets (RFC 8628 section 5.6).
//!
//! # Units and errors
//!
//! Moments are [`Mono`], spans are [`Duration`](core::time::Duration), and every sum saturates. Numbers of a server are
//! read tolerantly (`"600"`, `600.0`) and cut to ten years; waits are rounded up, lives down, and a life counts from the
//! moment its request left. Sizes are in bytes; a body is read up to [`MAX_BODY_LEN_BYTES`].
//!
//! Errors say what to do: [`SignInError::what_next`] for a program, `Display` for a person (one lowercase line).
//! Whatever a server says is made safe to show ([`Text`], [`Url`], [`UserCode`]). Secrets are types without `Display`,
//! `Clone` or a telling `Debug`, wiped when dropped; `expose` is the one way out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod answer;
mod backoff;
pub mod bearer;
mod body;
mod client;
mod device_answer;
mod dialect;
mod discovery;
mod error;
mod exchange;
mod grant;
mod http_date;
mod pace;
mod pending;
mod pkce;
mod presets;
mod prompt;
mod refresh;
mod revoke;
mod scope;
mod secret;
mod sign_in;
mod text;
mod time;
mod tokens;
mod url;
mod wire;

pub use account::Account;
pub use backoff::Backoff;
pub use client::{BadClientId, BadEndpoint, Client, ClientAuth, Endpoints, PresetError, Provider};
pub use dialect::{ClientParam, DeviceAuth, Dialect, Encoding, IssuerCheck, RepeatScope, RevokeStyle, Word};
pub use discovery::{Discovery, DiscoveryError, DiscoveryStep, Metadata};
pub use error::{BadAnswer, OAuthError, SignInError, Trouble, WhatNext};
pub use exchange::{Answer, Lost, MAX_BODY_LEN_BYTES, Reply, Request};
pub use pending::{DamagedPending, Pending, ResumeError};
pub use pkce::Pkce;
pub use presets::{Base, PRESETS, Preset};
pub use prompt::{BadUserCode, Prompt, UserCode};
pub use refresh::{DeadReason, History, Refresh, Refreshed};
pub use revoke::{Revoke, Revoked};
pub use scope::{BadScope, Scopes};
pub use secret::{AccessToken, BadSecret, ClientSecret, DeviceCode, IdToken, RefreshToken};
pub use sign_in::{Ask, SignIn, Step};
pub use text::Text;
pub use time::{Mono, Stamp};
pub use tokens::{Tokens, refresh_after};
pub use url::{BadUrl, Url};
