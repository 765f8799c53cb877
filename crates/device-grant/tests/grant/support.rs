//! The tests' vocabulary: a person's day with a device, in virtual time.

use std::time::Duration;

pub(crate) use device_grant::*;

pub(crate) const DEVICE_ANSWER: &str = r#"{"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS","user_code":"WDJB-MJHT",
    "verification_uri":"https://example.com/device","expires_in":1800,"interval":5}"#;
pub(crate) const PENDING: (u16, &str) = (400, r#"{"error":"authorization_pending"}"#);
pub(crate) const SLOW_DOWN: (u16, &str) = (400, r#"{"error":"slow_down"}"#);
pub(crate) const TOKENS: (u16, &str) =
    (200, r#"{"access_token":"at-1","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-1"}"#);

pub(crate) fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(crate) fn at(s: f64) -> Mono {
    Mono::new(Duration::from_secs_f64(s))
}

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::new("https://as.example/device", "https://as.example/token", Some("https://as.example/revoke")).unwrap()
}

pub(crate) fn client() -> Client {
    client_of(Dialect::RFC)
}

pub(crate) fn client_of(dialect: Dialect) -> Client {
    Client::new(Provider { endpoints: endpoints(), dialect }, "gadget", ClientAuth::None).unwrap()
}

pub(crate) fn secret(text: &str) -> ClientSecret {
    ClientSecret::parse(text.into()).unwrap()
}

pub(crate) fn scopes(list: &str) -> Scopes {
    Scopes::parse(list.split_whitespace()).unwrap()
}

pub(crate) fn answer(status: u16, body: &str) -> Reply<'_> {
    Reply::Answer(Answer::bare(status, body.as_bytes()))
}

pub(crate) fn body(request: &Request) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

/// The decoded parameters of a form body.
pub(crate) fn form(request: &Request) -> Vec<(String, String)> {
    fn decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    }
    let text = body(request);
    let pairs = text.split('&').map(|pair| pair.split_once('=').expect("name=value"));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    form(request).into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

/// What the machine wants once time has passed.
#[derive(Debug)]
pub(crate) enum Wish {
    Send(Request),
    Done(Box<Tokens>),
    DoneLate(Box<Tokens>),
    Failed(SignInError),
}

impl Wish {
    pub(crate) fn request(self) -> Request {
        match self {
            Self::Send(request) => request,
            other => panic!("wanted a request, got {other:?}"),
        }
    }

    pub(crate) fn tokens(self) -> Box<Tokens> {
        match self {
            Self::Done(tokens) => tokens,
            other => panic!("wanted tokens, got {other:?}"),
        }
    }

    pub(crate) fn error(self) -> SignInError {
        match self {
            Self::Failed(error) => error,
            other => panic!("wanted an error, got {other:?}"),
        }
    }
}

/// A device in virtual time.
pub(crate) struct Device<'c> {
    pub(crate) machine: SignIn<'c>,
    pub(crate) now: Duration,
    pub(crate) prompts: Vec<Prompt>,
    /// When each request left.
    pub(crate) sent: Vec<Duration>,
    /// When each answer came, or was given up.
    pub(crate) answered: Vec<Duration>,
    pub(crate) latency: Duration,
}

impl<'c> Device<'c> {
    pub(crate) fn new(client: &'c Client) -> Self {
        Self::asking(client, Ask::default())
    }

    pub(crate) fn asking(client: &'c Client, ask: Ask) -> Self {
        Self::going_on(SignIn::start(client, ask, Mono::default()), Duration::ZERO)
    }

    pub(crate) fn going_on(machine: SignIn<'c>, now: Duration) -> Self {
        Self { machine, now, prompts: vec![], sent: vec![], answered: vec![], latency: Duration::ZERO }
    }

    /// A device that shows the usual code.
    pub(crate) fn with_code(client: &'c Client) -> Self {
        let mut device = Self::new(client);
        device.next().request();
        device.answer((200, DEVICE_ANSWER));
        device
    }

    /// Lets time pass until something has to be sent, or it is over.
    pub(crate) fn next(&mut self) -> Wish {
        loop {
            match self.machine.next(Mono::new(self.now)) {
                Step::Show(prompt) => self.prompts.push(prompt),
                Step::WaitUntil(time) => self.now = self.now.max(time.since_origin()),
                Step::Send(request) => {
                    self.sent.push(self.now);
                    self.now += self.latency;
                    return Wish::Send(request);
                }
                Step::Done(tokens) => return Wish::Done(tokens),
                Step::DoneLate(tokens) => return Wish::DoneLate(tokens),
                Step::Failed(error) => return Wish::Failed(error),
            }
        }
    }

    pub(crate) fn reply(&mut self, reply: Reply<'_>) {
        self.answered.push(self.now);
        self.machine.reply(reply, Mono::new(self.now));
    }

    pub(crate) fn answer(&mut self, (status, body): (u16, &str)) {
        self.reply(answer(status, body));
    }

    pub(crate) fn lose(&mut self, lost: Lost) {
        self.reply(Reply::Lost(lost));
    }

    /// Polls once and answers.
    pub(crate) fn poll(&mut self, said: (u16, &str)) -> &mut Self {
        self.next().request();
        self.answer(said);
        self
    }

    pub(crate) fn lose_poll(&mut self, lost: Lost) -> &mut Self {
        self.next().request();
        self.lose(lost);
        self
    }

    /// Waits between an answer and the next request, in seconds; the first is the wait for the first poll.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        self.answered.iter().zip(self.sent.iter().skip(1)).map(|(a, s)| (*s - *a).as_secs_f64()).collect()
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { mono: Mono::new(self.now), boot_id: Some("boot-1".into()), unix_ms: None }
    }
}
