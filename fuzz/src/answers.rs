//! Inputs: HTTP answers as text.
//!
//! ```text
//! @github                      the dialect of this preset; without the line, plain RFC 8628
//! 400                          the status; without a head, 200
//! content-type: text/html      headers
//!
//! {"error":"slow_down"}        the body, up to a line `---`
//! ---
//! lost                         no answer came; `unsent`: the request never left
//! ```

use std::str;

use device_grant::{Answer, Client, ClientAuth, ClientSecret, Endpoints, Lost, PRESETS, Provider, Reply};

/// What comes back, in order.
pub(crate) struct Script<'a> {
    pub(crate) dialect: &'a str,
    pub(crate) answers: Vec<Said<'a>>,
}

/// One answer.
#[derive(Clone)]
pub(crate) enum Said<'a> {
    Whole { status: u16, headers: Vec<(String, &'a str)>, body: &'a [u8] },
    Lost(Lost),
}

/// More answers than this prove nothing new, and cost time.
const MOST_ANSWERS: usize = 24;

impl<'a> Script<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Self {
        let (dialect, data) = match data.strip_prefix(b"@") {
            Some(rest) => split(rest, b"\n"),
            None => (&b""[..], data),
        };
        let mut answers = Vec::new();
        let mut rest = data;
        while !rest.is_empty() && answers.len() < MOST_ANSWERS {
            let (answer, after) = split(rest, b"\n---\n");
            answers.push(Said::read(answer));
            rest = after;
        }
        Self { dialect: str::from_utf8(dialect).unwrap_or_default().trim(), answers }
    }

    /// A client that speaks this dialect, always at the same addresses.
    pub(crate) fn client(&self) -> Client {
        let endpoints =
            Endpoints::new("https://as.example/device", "https://as.example/token", Some("https://as.example/revoke"));
        let mut provider = Provider::rfc(endpoints.expect("good addresses"));
        if let Some(preset) = PRESETS.iter().find(|preset| preset.name == self.dialect) {
            provider.dialect = preset.dialect;
        }
        let secret = ClientSecret::parse(CLIENT_SECRET.into()).expect("printable");
        Client::new(provider, "gadget", ClientAuth::Post(secret)).expect("printable")
    }
}

pub(crate) const CLIENT_SECRET: &str = "GOCSPX-client-secret";

impl<'a> Said<'a> {
    fn read(text: &'a [u8]) -> Self {
        match text {
            b"lost" | b"lost\n" => return Self::Lost(Lost::Unknown),
            b"unsent" | b"unsent\n" => return Self::Lost(Lost::NotSent),
            _ => {}
        }
        let (head, body) = split(text, b"\n\n");
        let head = str::from_utf8(head).unwrap_or_default();
        let Some(status) = head.get(..3).and_then(|digits| digits.parse().ok()) else {
            return Self::Whole { status: 200, headers: Vec::new(), body: text };
        };
        let header =
            |line: &'a str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
        Self::Whole { status, headers: head.lines().skip(1).filter_map(header).collect(), body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        match self {
            Self::Whole { headers, .. } => headers.iter().find(|(n, _)| n == name).map(|(_, value)| *value),
            Self::Lost(_) => None,
        }
    }

    pub(crate) fn body(&self) -> &'a [u8] {
        match self {
            Self::Whole { body, .. } => body,
            Self::Lost(_) => b"",
        }
    }

    pub(crate) fn reply(&self) -> Reply<'a> {
        match self {
            Self::Whole { status, body, .. } => Reply::Answer(Answer::new(*status, |name| self.header(name), body)),
            Self::Lost(lost) => Reply::Lost(*lost),
        }
    }
}

/// Before and after the first `at`; all and nothing without one.
fn split<'a>(data: &'a [u8], at: &[u8]) -> (&'a [u8], &'a [u8]) {
    match data.windows(at.len()).position(|window| window == at) {
        Some(found) => (&data[..found], &data[found + at.len()..]),
        None => (data, b""),
    }
}
