//! The little we ask of a URL beyond what the HTTP client checks.

/// Whether `url` is plain http to this machine: `localhost`, `127.0.0.0/8` or `[::1]`, any port.
///
/// Strict on purpose: user information before the host, other schemes and look-alikes (`127.evil.example`) are not.
pub fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    let host = match authority.strip_prefix('[') {
        Some(v6) => return v6.strip_prefix("::1]").is_some_and(is_port),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    loopback && is_port(&authority[host.len()..])
}

/// Scheme and host, without a path or query that may hold a secret.
pub(crate) fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    url[after..].find(['/', '?', '#']).map_or(url, |end| &url[..after + end])
}

/// What may follow a host: nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:8085/x", "http://localhost", "http://[::1]:80/", "http://127.9.9.9"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://127.0.0.1",
            "http://127.evil.example",
            "http://localhost@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "http://localhost.evil.example",
            "http://[::2]",
            "http://10.0.0.1",
            "ftp://localhost",
            "http://",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
