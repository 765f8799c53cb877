//! Which `Host` a request may name.
//!
//! A page of a stranger can make its own name point at 127.0.0.1 and would then be same-origin with the emulator (DNS
//! rebinding). The browser still sends that name, so names that anybody can own are refused unless they are expected.

use std::net::{IpAddr, Ipv6Addr};

/// Names that nobody on the Internet can own: special-use (RFC 6761, 6762, `internal`), or without a dot as in
/// container networks.
const PRIVATE_ENDINGS: [&str; 5] = [".localhost", ".local", ".test", ".internal", ".home.arpa"];

#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        Self(names.map(|name| name.to_ascii_lowercase()).collect())
    }

    /// A request without a `Host` cannot come from a browser.
    pub(super) fn allow(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        is_address(&name)
            || !name.contains('.')
            || PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || self.0.contains(&name)
    }
}

fn is_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.parse::<IpAddr>().is_ok() || inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

/// The host of `host:port` or `[v6]:port`.
pub(super) fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_stranger_can_own_are_refused() {
        let hosts = Hosts::new(["Sheets.Example.com".to_owned()].into_iter());
        for (host, allowed) in [
            (None, true),
            (Some("127.0.0.1:8085"), true),
            (Some("[::1]:8085"), true),
            (Some("[::1]"), true),
            (Some("192.168.1.5"), true),
            (Some("localhost:8085"), true),
            (Some("LOCALHOST."), true),
            (Some("emulator:8085"), true),
            (Some("laptop.local:8085"), true),
            (Some("host.docker.internal"), true),
            (Some("sheets.example.com:443"), true),
            (Some("evil.example.com:8085"), false),
            (Some("127.0.0.1.evil.example"), false),
            (Some("evil.example.com."), false),
            (Some("local.evil.example"), false),
        ] {
            assert_eq!(hosts.allow(host), allowed, "{host:?}");
        }
    }
}
