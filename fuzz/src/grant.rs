//! The machines of the grant, driven by any sequence of answers.

use std::time::Duration;

use device_grant::{
    Ask, History, Lost, Mono, Pending, Prompt, Refresh, RefreshToken, Refreshed, Reply, Revoke, Revoked, Scopes,
    SignIn, SignInError, Stamp, Step, Tokens, Trouble,
};

use crate::answers::{CLIENT_SECRET, Said, Script};
use crate::texts::{assert_account, assert_for_people, assert_scopes};

/// Its code is known, so a leak of it can be seen.
const DEVICE_CODE: &str = "GmRhmhcxhwAzkoEqiMEg";
const DEVICE_ANSWER: &[u8] = br#"{"device_code":"GmRhmhcxhwAzkoEqiMEg","user_code":"WDJB-MJHT",
    "verification_uri":"https://as.example/go","expires_in":1800,"interval":5}"#;
const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Device authorization responses, and what follows from them.
pub(crate) fn device_answer(data: &[u8]) {
    let script = Script::read(data);
    let client = script.client();
    Device::new(SignIn::start(&client, Ask::default(), Mono::default())).live(&client, &script.answers);
}

/// Poll responses, after a good device authorization response.
pub(crate) fn poll(data: &[u8]) {
    let script = Script::read(data);
    let client = script.client();
    let mut answers = vec![Said::Whole { status: 200, headers: Vec::new(), body: DEVICE_ANSWER }];
    answers.extend(script.answers.iter().cloned());
    let mut device = Device::new(SignIn::start(&client, Ask::default(), Mono::default()));
    device.secrets.push(DEVICE_CODE);
    // Facebook's dialect calls it `code` as well; all others read the answer above.
    device.floor = Duration::from_secs(5);
    device.live(&client, &answers);
}

/// A device in virtual time: asserts after each step.
struct Device<'c> {
    machine: SignIn<'c>,
    now: Mono,
    answered: Option<Mono>,
    /// What the server asked for at least, by our own simple reading.
    floor: Duration,
    prompts: Vec<Prompt>,
    polls_after_the_end: u32,
    /// What must not show up in an error.
    secrets: Vec<&'static str>,
}

impl<'c> Device<'c> {
    fn new(machine: SignIn<'c>) -> Self {
        let now = Mono::default();
        let floor = Duration::from_secs(1);
        let secrets = vec![CLIENT_SECRET];
        Self { machine, now, answered: None, floor, prompts: Vec::new(), polls_after_the_end: 0, secrets }
    }

    /// Until it is over, or the answers are used up and a while longer.
    fn live(mut self, client: &device_grant::Client, answers: &[Said<'_>]) {
        let mut left = answers.iter();
        let mut silence = 0;
        loop {
            match self.machine.next(self.now) {
                Step::Show(prompt) => self.shows(prompt),
                Step::WaitUntil(time) => {
                    assert!(time > self.now, "a wait that is over is no wait");
                    self.keeps(client);
                    self.now = time;
                }
                Step::Send(request) => {
                    assert!(request.method == "POST" && request.url.starts_with("https://as.example/"));
                    if request.url.ends_with("/token") {
                        self.polls();
                    }
                    let Some(said) = left.next() else {
                        silence += 1;
                        if silence > 3 {
                            return;
                        }
                        self.machine.reply(Reply::Lost(Lost::Unknown), self.now);
                        self.answered = Some(self.now);
                        continue;
                    };
                    self.hears(said);
                    assert!(self.machine.prompt().is_none_or(|prompt| prompt.expires_in <= TEN_YEARS));
                }
                Step::Done(tokens) => {
                    self.assert_tokens(&tokens);
                    assert!(matches!(self.machine.next(self.now), Step::Failed(SignInError::Finished)));
                    return;
                }
                Step::DoneLate(_) => panic!("nobody cancelled"),
                Step::Failed(error) => {
                    self.assert_error(&error.to_string());
                    assert!(self.machine.prompt().is_none(), "a dead code must not stay on the glass");
                    return;
                }
            }
        }
    }

    fn shows(&mut self, prompt: Prompt) {
        assert_for_people(prompt.user_code.as_str());
        let complete = prompt.verification_uri_complete.as_ref();
        for url in std::iter::once(&prompt.verification_uri).chain(complete) {
            assert_for_people(url.as_str());
            assert!(url.as_str().is_ascii());
        }
        assert!(prompt.deadline > self.now);
        assert!(self.prompts.is_empty(), "shown once");
        self.prompts.push(prompt);
    }

    /// Never sooner than allowed, and at most once after the end.
    fn polls(&mut self) {
        if let Some(answered) = self.answered {
            assert!(self.now.since(answered) >= self.floor, "polled after {:?}", self.now.since(answered));
        }
        let is_dead = self.prompts.iter().all(|prompt| self.now >= prompt.deadline);
        self.polls_after_the_end += u32::from(is_dead);
        assert!(self.polls_after_the_end <= 1, "polls a dead code");
    }

    fn hears(&mut self, said: &Said<'_>) {
        let had_code = self.is_waiting();
        self.machine.reply(said.reply(), self.now);
        self.answered = Some(self.now);
        let error = serde_json::from_slice::<serde_json::Value>(said.body()).ok();
        if had_code && error.is_some_and(|body| body["error"] == "slow_down") && self.is_waiting() {
            self.floor += Duration::from_secs(5);
        }
        if let Some(trouble) = self.machine.trouble() {
            self.assert_error(&trouble.to_string());
        }
    }

    fn is_waiting(&self) -> bool {
        self.machine.seal(&Stamp::default()).is_some()
    }

    /// What is sealed comes back as it was.
    fn keeps(&self, client: &device_grant::Client) {
        let stamp = Stamp { mono: self.now, boot_id: Some("boot".into()), unix_ms: Some(1_800_000_000_000) };
        let Some(sealed) = self.machine.seal(&stamp) else { return };
        let pending = Pending::unseal(&sealed).expect("what we sealed");
        if let Some(prompt) = self.machine.prompt() {
            assert_eq!(pending.user_code(), &prompt.user_code);
        }
        let resumed = SignIn::resume(client, pending, &stamp).expect("the same client");
        assert_same_seal(&resumed.seal(&stamp).expect("it is waiting"), &sealed);
    }

    fn assert_error(&self, text: &str) {
        assert_for_people(text);
        for secret in &self.secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }

    fn assert_tokens(&self, tokens: &Tokens) {
        assert_tokens(tokens);
        assert!(tokens.asked_at <= self.now);
    }
}

fn assert_tokens(tokens: &Tokens) {
    assert!(tokens.access.expose().bytes().all(|b| b.is_ascii_graphic()) && !tokens.access.expose().is_empty());
    if let Some(token) = &tokens.refresh {
        assert!(!token.expose().is_empty() && token.expose().bytes().all(|b| matches!(b, b' '..=b'~')));
    }
    let lives = [tokens.expires_in, tokens.ext_expires_in, tokens.refresh_expires_in, tokens.refresh_in];
    assert!(lives.into_iter().flatten().all(|life| !life.is_zero() && life <= TEN_YEARS));
    for random in [0, 1, u32::MAX] {
        if let Some(wait) = tokens.refresh_after(random) {
            assert!(wait <= tokens.expires_in.unwrap_or_default(), "refreshed before the end");
        }
    }
    assert_scopes(&tokens.scopes);
    assert_scopes(&tokens.missing_scopes);
    tokens.account.iter().for_each(assert_account);
}

/// The same, but for the wait, which each sealing rounds up so that it never creeps below the floor.
fn assert_same_seal(now: &[u8], before: &[u8]) {
    let read = |sealed: &[u8]| {
        let mut members: serde_json::Value = serde_json::from_slice(sealed).expect("JSON");
        let wait = members["next_poll_in_ms"].take();
        (members, wait.as_str().and_then(|ms| ms.parse::<u128>().ok()).expect("a number"))
    };
    let ((now, wait_ms), (before, wait_before_ms)) = (read(now), read(before));
    assert_eq!(now, before);
    assert!((0..=1).contains(&wait_ms.saturating_sub(wait_before_ms)) && wait_ms >= wait_before_ms);
}

const REFRESH_TOKEN: &str = "1//refresh-token";

/// Refresh responses.
pub(crate) fn refresh(data: &[u8]) {
    let script = Script::read(data);
    let client = script.client();
    let token = RefreshToken::parse(REFRESH_TOKEN.into()).expect("printable");
    let scopes = Scopes::parse(["email", "offline_access"]).expect("scopes");
    for said in &script.answers {
        for history in [History::Clear, History::AnswerLost] {
            match Refresh::new(&client, &token, &scopes, history).outcome(said.reply(), Mono::default()) {
                Refreshed::Renewed(tokens) => assert_tokens(&tokens),
                Refreshed::Later { trouble, .. } => assert_trouble(&trouble),
                Refreshed::Dead { reason, error } => {
                    // Only words end a grant that worked: never a status, a page or a lost answer.
                    assert!(!said.body().is_empty());
                    assert_error(&format!("{reason} ({error})"));
                }
                Refreshed::Misconfigured(error) => assert_error(&error.to_string()),
                Refreshed::Unusable { fault, .. } => assert_error(&fault.to_string()),
            }
        }
    }
}

/// Revocation responses.
pub(crate) fn revoke(data: &[u8]) {
    let script = Script::read(data);
    let client = script.client();
    let token = RefreshToken::parse(REFRESH_TOKEN.into()).expect("printable");
    let attempt = Revoke::refresh_token(&client, &token).expect("there is an endpoint");
    for said in &script.answers {
        match attempt.outcome(said.reply()) {
            Revoked::Done => assert!(matches!(said, Said::Whole { .. }), "a lost answer proves nothing"),
            Revoked::Later { trouble, .. } => assert_trouble(&trouble),
            Revoked::OtherKind(error) => assert_error(&error.to_string()),
            Revoked::Refused(error) => error.iter().for_each(|error| assert_error(&error.to_string())),
        }
    }
}

fn assert_trouble(trouble: &Trouble) {
    assert_error(&trouble.to_string());
}

fn assert_error(text: &str) {
    assert_for_people(text);
    assert!(!text.contains(REFRESH_TOKEN) && !text.contains(CLIENT_SECRET), "a secret in {text}");
}

/// Sealed grants: what is not ours is refused, what is accepted goes on and seals to the same.
pub(crate) fn pending(data: &[u8]) {
    let client = Script { dialect: "", answers: Vec::new() }.client();
    let boots = [None, Some("boot-1".to_owned())];
    for (boot_id, unix_ms) in boots.into_iter().zip([None, Some(1_800_000_600_000)]) {
        let Ok(pending) = Pending::unseal(data) else { return };
        let stamp = Stamp { mono: Mono::new(Duration::from_secs(1000)), boot_id, unix_ms };
        assert_for_people(pending.user_code().as_str());
        assert_for_people(pending.verification_uri().as_str());
        let left = pending.expires_in(&stamp);
        let mut machine = match SignIn::resume(&client, pending, &stamp) {
            Ok(machine) => machine,
            Err(error) => return assert_for_people(&error.to_string()),
        };
        let Some(sealed) = machine.seal(&stamp) else {
            assert!(matches!(machine.next(stamp.mono), Step::Failed(_)));
            continue;
        };
        let again = Pending::unseal(&sealed).expect("what we sealed");
        if left > TEN_YEARS {
            // Not ours: bent. It was read and written without a panic; near the largest number, sums are cut.
            continue;
        }
        assert_eq!(again.expires_in(&stamp), left);
        let again = SignIn::resume(&client, again, &stamp).expect("the same client");
        assert_same_seal(&again.seal(&stamp).expect("it is waiting"), &sealed);
        Device { now: stamp.mono, ..Device::new(machine) }.live(&client, &[]);
    }
}
