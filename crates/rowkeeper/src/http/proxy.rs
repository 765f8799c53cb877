//! Which proxy the environment names, and for which hosts.
//!
//! `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, in this order, the small letters first, as curl has it. What is
//! asked for in plain http never leaves this machine, so `HTTP_PROXY` has no say. Proxies speak http or https (`CONNECT`).
//! A SOCKS proxy, or an address that is none, is an error: a request that was to go through a proxy must not go past it.

use ureq::{Proxy, ProxyProtocol};

use super::NotSent;

/// The usual variables, first come first served.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The proxy for a request to `host`; `None` to connect directly.
pub(super) fn of_environment(host: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, NotSent> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let Some((name, address)) = VARIABLES.iter().find_map(|name| Some((name, set(name)?))) else { return Ok(None) };
    if set("no_proxy").or_else(|| set("NO_PROXY")).is_some_and(|list| is_exempt(host, &list)) {
        return Ok(None);
    }
    // The address may hold a password, so it is in no message.
    match Proxy::new(address.trim()) {
        Ok(proxy) if matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) => Ok(Some(proxy)),
        Ok(_) => Err(NotSent::Refused(format!(
            "{name} names a SOCKS proxy, which is not spoken here; name one that speaks http, such as http://proxy:3128"
        ))),
        Err(_) => Err(NotSent::Refused(format!(
            "the address in {name} is not one of a proxy; write one such as http://proxy:3128"
        ))),
    }
}

/// Whether `list` names `host`: itself, a domain above it (with or without a dot or `*.` before it), or `*` for all.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let name = entry.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
        entry == "*" || (!name.is_empty() && (host == name || host.ends_with(&format!(".{name}"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, variables: &[(&str, &str)]) -> Result<Option<String>, NotSent> {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Ok(of_environment(host, variable)?.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    #[test]
    fn the_usual_variables_name_the_proxy() {
        for (variables, wanted) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", "")], None),
            (&[("HTTP_PROXY", "http://p:1"), ("http_proxy", "http://p:1")], None),
            (&[("HTTPS_PROXY", "http://p:1")], Some("p:1")),
            (&[("https_proxy", " p:1 ")], Some("p:1")),
            (&[("ALL_PROXY", "http://all:1"), ("HTTPS_PROXY", "https://user:pass@p")], Some("p:443")),
            (&[("all_proxy", "http://all:1")], Some("all:1")),
        ] {
            assert_eq!(asked("example.org", variables).unwrap().as_deref(), wanted, "{variables:?}");
        }
    }

    /// Going past a proxy that was named would send what it was to see, or fail for a reason nobody can read.
    #[test]
    fn what_is_no_proxy_for_us_is_said_and_its_password_is_not() {
        for address in ["socks5://u:hidden@p:1", "socks5h://p:1", "socks4://p", "gopher://u:hidden@p", "http://", "::"]
        {
            let told = asked("example.org", &[("ALL_PROXY", address)]).unwrap_err().to_string();
            assert!(told.contains("ALL_PROXY") && !told.contains("hidden"), "{address}: {told}");
        }
    }

    #[test]
    fn exempt_hosts_are_reached_without() {
        for (list, exempt) in [
            ("", false),
            ("*", true),
            ("www.example.org", true),
            ("example.org", true),
            (".example.org", true),
            ("*.example.org", true),
            ("localhost, EXAMPLE.org", true),
            ("ample.org", false),
            ("example", false),
            ("www.example.org.evil", false),
            (".", false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let variables = [("HTTPS_PROXY", "http://p:1"), (name, list)];
                assert_eq!(asked("www.example.org", &variables).unwrap().is_none(), exempt, "{list}");
            }
        }
    }
}
