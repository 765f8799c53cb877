//! The owner's browser: cookies, redirects, and as much HTML as a form needs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, http};

use crate::Outcome;

/// One person's browser, without a history.
pub(crate) struct Browser {
    agent: Agent,
    /// Paths and lives of cookies do not matter for one visit; only deletion does.
    cookies: BTreeMap<String, String>,
}

/// What the browser shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) url: String,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// The first form of a page, filled in as the page says.
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: BTreeMap<String, String>,
}

const MOST_REDIRECTS: usize = 10;

impl Browser {
    pub(crate) fn new() -> Self {
        Self { agent: agent(), cookies: BTreeMap::new() }
    }

    /// Opens a page, following redirects.
    pub(crate) fn open(&mut self, url: &str) -> Outcome<Page> {
        let page = self.request("GET", url, "", "")?;
        self.follow(page)
    }

    /// Submits a form, following redirects.
    pub(crate) fn submit(&mut self, form: &Form) -> Outcome<Page> {
        let fields: Vec<String> =
            form.fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let page = self.request("POST", &form.action, "application/x-www-form-urlencoded", &fields.join("&"))?;
        self.follow(page)
    }

    /// What a script on a page sends. No redirect is followed.
    pub(crate) fn json(&mut self, method: &str, url: &str, body: &Value) -> Outcome<Page> {
        self.request(method, url, "application/json", &body.to_string())
    }

    fn follow(&mut self, mut page: Page) -> Outcome<Page> {
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = page.location.take() else { return Ok(page) };
            page = self.request("GET", &absolute(&page.url, &location), "", "")?;
        }
        Err(format!("more than {MOST_REDIRECTS} redirects, the last one to {}", page.url).into())
    }

    /// One exchange.
    pub(crate) fn request(&mut self, method: &str, url: &str, kind: &str, body: &str) -> Outcome<Page> {
        let mut request = http::Request::builder().method(method).uri(url);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let mut answer = if kind.is_empty() {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.header("content-type", kind).body(body)?)?
        };
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            match pair.split_once('=') {
                Some((name, "")) => drop(self.cookies.remove(name)),
                Some((name, value)) => drop(self.cookies.insert(name.into(), value.into())),
                None => {}
            }
        }
        let location = answer.headers().get("location").map(|value| value.to_str().map(str::to_owned)).transpose()?;
        Ok(Page {
            status: answer.status().as_u16(),
            url: url.to_owned(),
            location,
            body: answer.body_mut().read_to_string()?,
        })
    }
}

/// One attempt a call, errors are answers, nothing waits for ever.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    config.proxy(None).timeout_global(Some(Duration::from_secs(20))).build().into()
}

impl Page {
    /// The first form on the page.
    pub(crate) fn form(&self) -> Outcome<Form> {
        let missing = || format!("no form at {} (HTTP {}): {}", self.url, self.status, self.body);
        let form = self.body.split("<form").nth(1).and_then(|rest| rest.split("</form>").next()).ok_or_else(missing)?;
        let action = attribute(form, "action").ok_or_else(missing)?;
        let inputs = form.split("<input").skip(1).filter_map(|input| {
            let input = input.split('>').next()?;
            Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
        });
        Ok(Form { action: absolute(&self.url, &action), fields: inputs.collect() })
    }
}

impl Form {
    /// Fills a field in.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Leaves a field out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.remove(name);
        self
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&"))
}

fn absolute(page: &str, link: &str) -> String {
    let after_scheme = page.find("://").map_or(0, |at| at + 3);
    let origin = page[after_scheme..].find('/').map_or(page, |at| &page[..after_scheme + at]);
    if link.starts_with('/') { format!("{origin}{link}") } else { link.to_owned() }
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out + &char::from(byte).to_string(),
        _ => out + &format!("%{byte:02X}"),
    })
}
