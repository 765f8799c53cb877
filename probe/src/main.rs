//! `cargo xtask probe-google`: see the crate documentation.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use device_grant::ClientSecret;
use probe::{Options, Person, run};
use rowkeeper::Edges;
use rowkeeper::clock::{Stop, SystemClock};
use rowkeeper::config::{Config, Places};
use rowkeeper::http::Client;
use serde_json::Value;

const HELP: &str = "\
Asks Google, for you, what docs/google.md relies on and does not know, and prints a report.

usage: cargo xtask probe-google (--client FILE | --config FILE) [options]
  --client FILE      the JSON that the Google Cloud console gives for a client of type
                     \"TVs and Limited Input devices\"
  --config FILE      a rowkeeper.toml, instead
  --state-dir DIR    where the sign-in is kept, so that a second run asks nobody
                     (default: probe-state)
  --json             the report as JSON
  --long             also what takes half an hour, and a minute of your quota
  --sign-out         give the sign-in back at the end; this ends the access of ALL devices of
                     that project and account
  --keep             leave the spreadsheet where it is
  --yes              do not ask before beginning
With $ROWKEEPER_EMULATOR it asks an emulator, and needs neither file.";

const CONSENT: &str = "\
This signs in with your Google account (scope drive.file: it sees only what it makes), makes ONE
spreadsheet, \"Rowkeeper probe (may be deleted)\", writes test rows into it for about five minutes, and
moves it to the bin at the end (where the Drive API is not enabled, it tells you its address instead).
It asks for some sign-in codes that nobody needs to type. It touches nothing else, prints no secret,
and sends nothing to anybody but Google. The sign-in stays in the state directory unless you say
--sign-out. Begin? Type yes: ";

struct Arguments {
    options: Options,
    client: Option<PathBuf>,
    config: Option<PathBuf>,
    state_dir: PathBuf,
    json: bool,
    yes: bool,
}

fn main() -> ExitCode {
    let outcome = arguments(std::env::args().skip(1)).and_then(|arguments| match arguments {
        Some(arguments) => probe(&arguments),
        None => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
    });
    outcome.unwrap_or_else(|why| {
        eprintln!("probe-google: {why}");
        ExitCode::FAILURE
    })
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let (options, state_dir) = (Options::default(), PathBuf::from("probe-state"));
    let mut given = Arguments { options, client: None, config: None, state_dir, json: false, yes: false };
    while let Some(word) = words.next() {
        let mut file = || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a file"));
        match word.as_str() {
            "--client" => given.client = Some(file()?),
            "--config" => given.config = Some(file()?),
            "--state-dir" => given.state_dir = file()?,
            "--json" => given.json = true,
            "--yes" => given.yes = true,
            "--long" => given.options.long = true,
            "--sign-out" => given.options.sign_out = true,
            "--keep" => given.options.keep = true,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("no option \"{other}\"\n{HELP}")),
        }
    }
    Ok(Some(given))
}

fn probe(arguments: &Arguments) -> Result<ExitCode, String> {
    let config = config(arguments)?;
    let mut person = Terminal;
    eprint!("{CONSENT}");
    if arguments.yes {
        eprintln!("yes (--yes)");
    } else if person.answer() != "yes" {
        return Err("nothing was done".into());
    }
    let http = Client::new(config.provider.as_ref().and_then(|provider| provider.ca_file.clone()));
    let edges = Edges { http: Arc::new(http.map_err(|error| error.to_string())?), clock: Arc::new(SystemClock) };
    let report = run(config, edges, arguments.options.clone(), &mut person, &Stop::new());
    let report = report.map_err(|error| error.to_string())?;
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        println!("{report}");
    }
    Ok(if report.differs() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn config(arguments: &Arguments) -> Result<Config, String> {
    let state_dir = Some(arguments.state_dir.clone());
    let Some(client) = &arguments.client else {
        let config = Config::load(&Places { config: arguments.config.clone(), state_dir });
        let config = config.map_err(|error| error.to_string())?;
        let why = config.provider_error.as_ref().map_or_else(|| HELP.to_owned(), ToString::to_string);
        return if config.provider.is_some() { Ok(config) } else { Err(why) };
    };
    let file = |why: &dyn std::fmt::Display| format!("{}: {why}", client.display());
    let text = std::fs::read_to_string(client).map_err(|error| file(&error))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| file(&error))?;
    let inner = json.as_object().and_then(|object| object.values().find(|value| value["client_id"].is_string()));
    let inner = inner.unwrap_or(&json);
    let (Some(id), Some(secret)) = (inner["client_id"].as_str(), inner["client_secret"].as_str()) else {
        return Err(file(&"no client_id and client_secret in it; is it the file of an OAuth client?"));
    };
    let toml = format!("[provider]\nclient_id = {}\n", Value::from(id));
    let config = Config::parse(&toml, None, arguments.state_dir.clone(), None);
    let mut config = config.map_err(|error| error.to_string())?;
    let provider = config.provider.as_mut().ok_or_else(|| file(&"its client cannot be used"))?;
    provider.client_secret = Some(ClientSecret::parse(secret.to_owned()).map_err(|_| file(&"a bad client_secret"))?);
    Ok(config)
}

struct Terminal;

impl Terminal {
    fn answer(&self) -> String {
        let mut line = String::new();
        // Nobody there is no consent.
        _ = io::stderr().flush();
        _ = io::stdin().lock().read_line(&mut line);
        line.trim().to_owned()
    }
}

impl Person for Terminal {
    fn hear(&mut self, what: &str) {
        eprintln!("{what}");
    }

    fn did(&mut self, what: &str) -> bool {
        eprint!("{what}; then type done (or nothing, to pass): ");
        self.answer() == "done"
    }
}
