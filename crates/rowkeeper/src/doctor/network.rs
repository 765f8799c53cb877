//! Name, connection, certificate and clock, by one request to the provider.

use std::time::Duration;

use super::{Finding, Patient, TIMEOUTS, bad, good, skipped, told, warning};
use crate::clock::{EARLIEST_UNIX_MS, Wall, http_date};
use crate::http::{Lost, NotSent, Request, Response};
use crate::status::When;

/// A provider's clock and ours may differ by this much: answers travel, and clocks are read to the second.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// What sets the clock, on nearly every system.
const SET_THE_CLOCK: &str = "timedatectl set-ntp true; without a network: timedatectl set-time \"2026-12-31 23:59:59\"";

/// Whether the provider was reached.
pub(super) fn examine(patient: &Patient, findings: &mut Vec<Finding>) -> bool {
    // Before the request: its answer may teach the clock.
    let wall = patient.clock.wall();
    let Some(provider) = &patient.config.provider else {
        findings.extend(clock(wall, None));
        findings.push(told(
            "provider",
            &crate::session::ProviderError::missing(&patient.config),
            "correct [provider] in the configuration, or write a new one with `rowkeeper init`",
        ));
        return false;
    };
    let url = match patient.session.token_endpoint() {
        Ok(url) => url,
        Err(error) => {
            findings.extend(clock(wall, None));
            findings.push(told("provider", &error, "check [provider] in the configuration, and the network"));
            return false;
        }
    };
    let request = Request { method: "GET".into(), url: url.clone(), headers: Vec::new(), body: Vec::new().into() };
    match patient.http.send(&request, &TIMEOUTS) {
        // Any answer will do: a token endpoint has nothing to say to a GET.
        Ok(answer) => {
            findings.extend(clock(wall, Some(&answer)));
            findings.push(good("network", format!("{} answers", provider.preset)));
            true
        }
        Err(lost) => {
            findings.extend(clock(wall, None));
            findings.push(unreachable(&url, &lost, wall));
            false
        }
    }
}

fn unreachable(url: &str, lost: &Lost, wall: Wall) -> Finding {
    let what = format!("{url}: {lost}");
    let Lost::NotSent(cause) = lost else {
        return bad("network", what, "try again; if it stays so, check what is between this device and the network");
    };
    match cause {
        NotSent::Dns(_) => bad("network", what, "check the Wi-Fi and the name server (/etc/resolv.conf)"),
        NotSent::Connect(_) => bad("network", what, "check the network, a firewall, or HTTPS_PROXY"),
        NotSent::NotYetValid(_) => bad(
            "network",
            format!("{what}; this device takes it to be {}: its clock is behind", When(wall.unix_ms)),
            SET_THE_CLOCK,
        ),
        NotSent::Expired(_) => bad(
            "network",
            format!("{what}; this device takes it to be {}", When(wall.unix_ms)),
            format!("if that is not the time: {SET_THE_CLOCK}; if it is, the server needs a new certificate"),
        ),
        NotSent::Certificate(_) if !wall.trusted => {
            bad("network", what, format!("the clock of this device is not to be trusted, so first: {SET_THE_CLOCK}"))
        }
        NotSent::Certificate(_) => bad(
            "network",
            what,
            "something between here and the provider opens the connection; if that is your own proxy, name its root in ca_file",
        ),
        NotSent::Tls(_) => {
            bad("network", what, "check that the address is of a server that speaks https, and HTTPS_PROXY")
        }
        NotSent::Refused(_) => bad("network", what, "correct the address, HTTPS_PROXY or SSL_CERT_FILE"),
    }
}

/// Certificates, the life of tokens over a power cut and the times in the sheet rest on it.
fn clock(wall: Wall, answer: Option<&Response>) -> Option<Finding> {
    let now = When(wall.unix_ms);
    if wall.unix_ms < EARLIEST_UNIX_MS {
        return Some(bad("clock", format!("it says {now}"), SET_THE_CLOCK));
    }
    let Some(answer) = answer else {
        let doubted = || warning("clock", format!("it says {now}, and nobody vouches for it"), SET_THE_CLOCK);
        return (!wall.trusted).then(doubted);
    };
    let Some(theirs) = answer.header("date").and_then(http_date) else {
        return Some(skipped("clock", "the provider's answer has no date to compare with"));
    };
    let apart = Duration::from_millis(wall.unix_ms.abs_diff(theirs));
    Some(match apart > CLOCK_TOLERANCE {
        true => bad("clock", format!("it is {} s away from the provider's", apart.as_secs()), SET_THE_CLOCK),
        false if wall.trusted => good("clock", "right"),
        false => good("clock", "right by the provider's, though nobody here vouches for it"),
    })
}
