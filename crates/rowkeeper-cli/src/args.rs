//! The command line, as clap reads it. What it means is in the commands; the contract is in the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rowkeeper::outbox::Which;

/// Sign a device in once; it keeps rows in your Google Sheet for years. Every row once, none lost.
#[derive(Debug, Parser)]
#[command(name = "rowkeeper", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed for good or a record was refused, 2 wrong usage or configuration,\n\
    3 a person must sign in, 75 try again later.\n\n\
    Configuration: --config, $ROWKEEPER_CONFIG, ./rowkeeper.toml, ~/.config/rowkeeper/rowkeeper.toml,\n\
    /etc/rowkeeper/rowkeeper.toml. State: --state-dir, $ROWKEEPER_STATE_DIR, $STATE_DIRECTORY,\n\
    ~/.local/state/rowkeeper. To try things out: ROWKEEPER_EMULATOR=http://127.0.0.1:8085.\n\nNew here? `rowkeeper demo` shows the whole story on this machine, without an account."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// The configuration; default: the first that is found
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where the sign-in and the queue live
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// The screen: terminal, ssd1306, sh1106, hd44780, png=FILE, apng=FILE, none
    #[arg(long, value_name = "KIND", global = true)]
    pub panel: Option<String>,
    /// Answer in JSON, for scripts (status, doctor, sign-in, queue, sheet, amend)
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story on this machine, without an account; leaves nothing behind
    #[cfg(feature = "emulator")]
    Demo(Demo),
    /// Google's sign-in and Sheets, emulated on a local port
    #[cfg(feature = "emulator")]
    Emulator(Emulator),
    /// Write a commented rowkeeper.toml
    Init(Init),
    /// Look at everything that can be wrong, and say what to do about it
    Doctor,
    /// Say how things stand, without touching the network
    Status,
    /// Sign this device in: shows a code that you type on your phone
    SignIn,
    /// Give the sign-in back to the provider and forget it; queued records stay
    SignOut,
    /// Keep a record, or many from stdin; returns when no power cut can lose it any more
    Record(Record),
    /// Change a record that is queued or already in the sheet
    Amend(Amend),
    /// Send what is queued, then stop
    Deliver(Deliver),
    /// The outbox: what waits, and what was set aside
    Queue(Queue),
    /// The spreadsheet
    Sheet(Sheet),
    /// The daemon: keeps the sign-in, delivers, drives the screen
    Run,
    /// Print a valid access token and nothing else
    Token(Token),
    /// One authorised API call, with our retries
    Call(Call),
    /// A local forward that adds the token, for programs in other languages
    Proxy(Proxy),
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// You type the code yourself, in a browser; the sheet stays up until Ctrl-C
    #[arg(long)]
    pub by_hand: bool,
    /// How many readings to record
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rows: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Emulator {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8085")]
    pub listen: String,
    /// Approve every code for this account, after one "pending" answer
    #[arg(long, value_name = "EMAIL")]
    pub approve_as: Option<String>,
    /// Keep everything in this file, on disk before each reply leaves
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Google's write quota for one person
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub writes_per_minute: u32,
    /// Speak https; its certificate goes to FILE, else beside --data
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub tls: Option<Option<PathBuf>>,
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Write here; default: --config, else ./rowkeeper.toml
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The OAuth client's id; asked for on a terminal
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The file with its secret, relative to the configuration
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// google (the default), github, microsoft, …; none with an issuer
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Discover the provider's endpoints here
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// The spreadsheet's title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The zone of the times in the sheet, such as Europe/Vienna
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// A table (a tab); may be given more than once
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Record {
    /// The table (a tab); default: the first in the configuration
    #[arg(long, value_name = "T")]
    pub table: Option<String>,
    /// Your own id: a record whose id was seen in the last 90 days is not kept twice
    #[arg(long, value_name = "ID", conflicts_with = "stdin")]
    pub id: Option<String>,
    /// When it happened, such as 2026-11-22T18:30:00+01:00; default: now
    #[arg(long, value_name = "TIME", conflicts_with = "stdin")]
    pub at: Option<String>,
    /// Read many from stdin, one a line; each is answered by a line of JSON once it is on disk
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "jsonl", conflicts_with = "fields")]
    pub stdin: Option<Format>,
    /// The values: numbers, true/false, RFC 3339 times and texts are told apart by their looks
    #[arg(value_name = "KEY=VALUE", required_unless_present = "stdin")]
    pub fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line; _id, _table and _at are reserved
    Jsonl,
    /// A header line, then one record a line
    Csv,
}

#[derive(Args, Debug)]
pub(crate) struct Amend {
    /// The record's id, as `record` printed it
    #[arg(value_name = "ID")]
    pub id: String,
    /// The new values; KEY= empties a cell, other cells stay as they are
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub fields: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Deliver {
    /// How long to go on trying
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub limit: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Queue {
    #[command(subcommand)]
    pub command: QueueCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List what waits and what was set aside, oldest first
    List {
        /// Only what was set aside
        #[arg(long)]
        set_aside: bool,
        /// Delivered records too, as far as they are remembered (`[outbox] keep_delivered`)
        #[arg(long, conflicts_with = "set_aside")]
        delivered: bool,
    },
    /// All about single records
    Show {
        /// Ids, as `record` and `queue list` print them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Send records again that were set aside
    Retry(Picked),
    /// Forget records for good, also one under way if it turns out not to be in the sheet
    Drop(Picked),
    /// Write the queue to stdout, in a form that another device's `record --stdin` reads
    Export {
        /// The form
        #[arg(value_name = "FORMAT", default_value = "jsonl")]
        format: Format,
        /// Only what was set aside
        #[arg(long)]
        set_aside: bool,
        /// Delivered records too, as far as they are remembered (`[outbox] keep_delivered`)
        #[arg(long, conflicts_with = "set_aside")]
        delivered: bool,
    },
}

/// Nothing happens to records that nobody named.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Picked {
    /// Ids, as `record` and `queue list` print them
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All that were set aside
    #[arg(long)]
    pub set_aside: bool,
    /// All
    #[arg(long)]
    pub all: bool,
}

impl Picked {
    pub(crate) fn which(&self) -> Which<'_> {
        match (self.all, self.set_aside) {
            (true, _) => Which::All,
            (_, true) => Which::SetAside,
            _ => Which::Ids(&self.ids),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Sheet {
    #[command(subcommand)]
    pub command: SheetCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SheetCommand {
    /// Where the rows go
    Show,
    /// Go on in a new spreadsheet
    New {
        /// How long to go on trying
        #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
        limit: Duration,
    },
    /// Go on in a spreadsheet that Rowkeeper made before, with the same account
    Adopt {
        /// Its id, or its address in the browser
        #[arg(value_name = "ID")]
        sheet: String,
        /// How long to go on trying
        #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
        limit: Duration,
    },
    /// List the markers of all devices; remove old ones of those that are gone
    ///
    /// By answering yes you promise that the device is not in the middle of sending: it is switched off
    /// for good, or its `rowkeeper status` says that nothing waits. Else a row of it may come twice.
    /// The newest marker stays. A device removes its own markers by itself.
    #[command(verbatim_doc_comment)]
    Tidy {
        /// Remove the old markers of this device; asks first on a terminal
        #[arg(long, value_name = "TAG")]
        device: Option<String>,
        /// Do not ask: the promise above is made
        #[arg(long, requires = "device")]
        yes: bool,
    },
    /// Go on here, as a new device, although another copy of this state directory was found
    ///
    /// You promise that no other copy will send what waits here: it is switched off for good, or
    /// has sent all that both of them have (`rowkeeper queue list` on both). What is in the sheet
    /// by then is not sent again; anything else that both copies send comes twice. It takes 20 minutes.
    #[command(verbatim_doc_comment)]
    Release,
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// Refresh first if the token lives shorter than this
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub min_validity: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Call {
    /// GET, POST, …
    #[arg(value_name = "METHOD")]
    pub method: String,
    /// The whole URL
    #[arg(value_name = "URL")]
    pub url: String,
    /// The body: text, @FILE, or @- for stdin; sent as JSON
    #[arg(long, value_name = "@FILE")]
    pub data: Option<String>,
    /// Print the status line and the headers too
    #[arg(long)]
    pub include: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Proxy {
    /// Where programs connect; a loopback address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8086", conflicts_with = "socket")]
    pub(crate) listen: String,
    /// Listen on a socket of the file system instead, which only this user may use
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// One more host that programs may name in full, besides Sheets and Drive
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
}

/// `30s`, `5m`, `1h 30m`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let signed: rowkeeper::SignedDuration =
        text.parse().map_err(|_| "write a time such as 30s, 5m or 2h".to_owned())?;
    Duration::try_from(signed).map_err(|_| "it must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("soon").is_err());
        assert!(duration("-5s").is_err());
    }
}
