//! `rowkeeper call`: one authorised API call.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rowkeeper::clock::Stop;
use rowkeeper::config::Provider;
use rowkeeper::http::{Download, Request, Response, Upload};
use rowkeeper::session::{CallError, Settle, broke_off};
use zeroize::Zeroizing;

use super::{Context, printable, signals, token_exit};
use crate::args::Call;
use crate::exit::{Exit, Failure};

/// How long retries go on.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(context: &Context, call: &Call) -> Result<Exit, Failure> {
    let device = context.device()?;
    if !(call.url.starts_with("https://") || rowkeeper::is_loopback(&call.url)) {
        let why = format!(
            "\"{}\" is not an address for a token; write https://…, or http:// on this machine",
            printable(&call.url)
        );
        return Err(Failure::new(Exit::Usage, why));
    }
    if let Some(host) = refused_host(&call.url, device.config().provider.as_ref()) {
        let why = format!("the token is not sent to {host}: it is for Google's APIs (googleapis.com)");
        return Err(Failure::new(Exit::Usage, why));
    }
    let body = body(call.data.as_deref())?;
    let method = call.method.to_ascii_uppercase();
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Failure::new(Exit::Usage, format!("\"{}\" is not a method such as GET", printable(&call.method))));
    }
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), Zeroizing::new("application/json".to_owned())));
    }
    let settle = Settle::by_method(&method);
    let request = Request { method, url: call.url.clone(), headers, body };
    let stop = signals()?;
    let answer = device.session().open(&request, settle, device.clock().mono() + PATIENCE, &stop).map_err(|error| {
        let failure = failure(error);
        if failure.exit == Exit::SignIn { context.without_grant(&device, failure) } else { failure }
    })?;
    let exit = match answer.status {
        408 | 425 | 429 | 500.. => Exit::Later,
        400..=499 => Exit::Failed,
        _ => Exit::Done,
    };
    match pass_on(answer, call.include, settle, &stop) {
        // Whoever read has what it wanted, as with other commands.
        Err(Broken::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        Err(Broken::Out(error)) => Err(Failure::new(Exit::Failed, format!("cannot write the answer: {error}"))),
        Err(Broken::Off(error)) => Err(failure(error)),
        Ok(()) => Ok(exit),
    }
}

pub(super) fn failure(error: CallError) -> Failure {
    let exit = match &error {
        CallError::Token(error) => token_exit(error),
        CallError::NotSent(_) | CallError::Stopped => Exit::Later,
        CallError::OutcomeUnknown(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// Google's token opens a person's files to whoever holds it: it goes to Google's APIs, or to this machine, where the
/// emulator is. For other providers we cannot know which hosts are theirs.
fn refused_host<'u>(url: &'u str, provider: Option<&Provider>) -> Option<&'u str> {
    let host = host(url);
    let google = provider.is_some_and(|provider| provider.preset == "google" && provider.emulator.is_none());
    let theirs = host == "googleapis.com" || host.ends_with(".googleapis.com");
    (google && !theirs && !rowkeeper::is_loopback(url)).then_some(host)
}

/// The host of an absolute URL, without user information and port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

fn body(data: Option<&str>) -> Result<Upload, Failure> {
    let read = match data {
        None => Ok(Vec::new().into()),
        // A file that stdin was redirected from is sent from the disk, like any other.
        Some("@-") => io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .and_then(|stdin| Upload::of(stdin.into()))
            .map_err(|error| ("stdin", error)),
        Some(data) => match data.strip_prefix('@') {
            Some(file) => File::open(file).and_then(Upload::of).map_err(|error| (file, error)),
            None => Ok(data.as_bytes().to_vec().into()),
        },
    };
    read.map_err(|(what, error)| Failure::new(Exit::Usage, format!("cannot read {what}: {error}")))
}

/// The answer was not passed on whole.
enum Broken {
    /// On its way out of here.
    Out(io::Error),
    /// On its way here, or somebody pressed the stop; what was written is a part of it.
    Off(CallError),
}

/// Writes the answer as it arrives.
fn pass_on(mut answer: Response<Download>, include: bool, settle: Settle, stop: &Stop) -> Result<(), Broken> {
    let mut out = io::stdout().lock();
    if include {
        let mut head = format!("HTTP/1.1 {}\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\n");
        }
        writeln!(out, "{head}").map_err(Broken::Out)?;
    }
    let (mut part, mut bytes) = (vec![0; 64 << 10], 0);
    loop {
        let got = match answer.body.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            got => got.map_err(|error| Broken::Off(broke_off(settle, bytes, &error)))?,
        };
        if got == 0 {
            return out.flush().map_err(Broken::Out);
        }
        out.write_all(&part[..got]).map_err(Broken::Out)?;
        bytes += got as u64;
        if stop.is_stopped() {
            return Err(Broken::Off(CallError::Stopped));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_a_client_would_connect_to() {
        for (url, wanted) in [
            ("https://sheets.googleapis.com/v4/x", "sheets.googleapis.com"),
            ("https://sheets.googleapis.com@evil.example/", "evil.example"),
            ("https://evil.example/?sheets.googleapis.com", "evil.example"),
            ("https://evil.example:443#.googleapis.com", "evil.example"),
            ("http://127.0.0.1:8085/v4", "127.0.0.1"),
        ] {
            assert_eq!(host(url), wanted);
        }
    }
}
