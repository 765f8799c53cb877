//! The configuration file: `rowkeeper.toml` and what stands in for it.
//!
//! Every key is documented in `docs/configuration.md`. A key that is not known is an error that names the line and the
//! nearest known key: a typing mistake must not turn into a silent default.

mod provider;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt, fs, io};

use serde::{Deserialize, Deserializer};

use self::provider::{ProviderTable, emulated, store_key};
use crate::seal::StoreKey;
use crate::table::{self, Table};

pub use provider::{ClientAuth, Provider};

/// All that a device is told before it starts.
#[derive(Debug)]
pub struct Config {
    /// The file it came from; `None` when there is none.
    pub file: Option<PathBuf>,
    /// Where the grant and the outbox live.
    pub state_dir: PathBuf,
    /// Who signs the device in. `None`: recording works, sending does not.
    pub provider: Option<Provider>,
    /// Why the provider that the file names cannot be used. What needs no provider works all the same: a secret that only
    /// the daemon may read must not keep others from recording.
    pub provider_error: Option<ConfigError>,
    /// The spreadsheet.
    pub sheet: Sheet,
    /// Its tabs; never empty.
    pub tables: Vec<Table>,
    /// The name in the `device` column.
    pub device: String,
    /// What the screen is; the panel crate reads it.
    pub panel: Panel,
    /// Limits of the outbox.
    pub outbox: Outbox,
    /// Where other programs record.
    pub socket: Socket,
    /// Nobody named the state directory: it is where this user's is by custom.
    pub state_dir_is_default: bool,
    /// What the grant is encrypted with at rest; `None`: it is not.
    pub state_key: Option<Arc<StoreKey>>,
    /// The file's content, for [`Config::also`].
    text: String,
}

/// `[sheet]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sheet {
    /// The title the spreadsheet is created with. The person may rename it.
    pub title: String,
    /// The zone of the times in the sheet, such as `Europe/Vienna`; the machine's own when left out.
    pub timezone: Option<String>,
    /// How much of a second is shown.
    pub precision: Precision,
    /// What says how times look.
    pub formats: Formats,
}

/// `formats`: whether new rows take over the number formats of their columns is unknown (docs/google.md, S11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formats {
    /// Each cell of a time brings its own; what a person chose for a column is not kept in new rows.
    #[default]
    Cell,
    /// The column does, as a person likes it.
    Column,
}

/// `precision`: how times and durations look in the sheet. The cell holds all of it either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `18:30:05`.
    #[default]
    Second,
    /// `18:30:05.250`.
    Millisecond,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { title: "Rowkeeper log".into(), timezone: None, precision: Precision::Second, formats: Formats::Cell }
    }
}

/// `[panel]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Panel {
    /// `terminal`, `png=FILE`, `none`, …
    pub kind: String,
    /// Where the display hangs: `/dev/i2c-1`, `/dev/spidev0.0`.
    pub bus: Option<PathBuf>,
    /// Its address on I2C.
    pub address: Option<u8>,
    /// `128x64`, `20x4`, …
    pub size: Option<String>,
    /// How it is built in, in degrees.
    pub rotation: u16,
    /// The GPIO chip that the lines below belong to.
    pub gpio: Option<PathBuf>,
    /// The line of SPI's data/command pin.
    pub data_command_line: Option<u32>,
    /// The line of the reset pin, where one is wired.
    pub reset_line: Option<u32>,
    /// An untouched display is dimmed after so many minutes; 0: never.
    pub dim_after_minutes: u32,
    /// An untouched display goes dark after so many minutes, if nobody has to find it; 0: never.
    pub dark_after_minutes: u32,
}

impl Default for Panel {
    fn default() -> Self {
        Self {
            kind: "terminal".into(),
            bus: None,
            address: None,
            size: None,
            rotation: 0,
            gpio: None,
            data_command_line: None,
            reset_line: None,
            dim_after_minutes: 5,
            dark_after_minutes: 60,
        }
    }
}

/// `[outbox]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// Records are refused (and said to be) when the waiting ones take this much.
    pub max_bytes: u64,
    /// How long delivered rows are remembered at least, such as `30d`.
    #[serde(deserialize_with = "some_time")]
    pub keep_delivered: Option<Duration>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, keep_delivered: None }
    }
}

/// `30d`, `12h`, `90m`: days, and what durations are written in elsewhere.
fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    let time = match days {
        Some(days) => Some(Duration::from_secs(u64::from(days) * 24 * 3600)),
        None => text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()),
    };
    time.map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not a time such as \"30d\" or \"12h\"")))
}

/// `[socket]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Socket {
    /// Where it is, relative to the file; an empty one for no socket at all.
    pub path: Option<PathBuf>,
    /// The group whose members may record, by name or number; the daemon's user alone when left out.
    pub group: Option<String>,
}

/// What the command line says about where things are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
}

/// The configuration cannot be used. Nothing was changed.
#[derive(Debug)]
pub enum ConfigError {
    /// A file that was named, or found, cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The file is not what it should be.
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A value is not usable.
    Value {
        /// Which, such as `[provider] client_id`.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// There is no place for the state.
    NoStateDir,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Invalid { path, line, what } => write!(f, "{} line {line}: {what}", path.display()),
            Self::Value { key, what } => write!(f, "{key}: {what}"),
            Self::NoStateDir => write!(f, "no place for the state: give --state-dir, or set STATE_DIRECTORY or HOME"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl Config {
    /// Finds and reads the file (`--config`, `$ROWKEEPER_CONFIG`, `./rowkeeper.toml`,
    /// `$XDG_CONFIG_HOME/rowkeeper/rowkeeper.toml`, `/etc/rowkeeper/rowkeeper.toml`) and the environment.
    ///
    /// No file at all is not an error: records are kept, and `$ROWKEEPER_EMULATOR` supplies a provider.
    ///
    /// # Errors
    /// When what was found cannot be used; the message names the file and line.
    pub fn load(places: &Places) -> Result<Self, ConfigError> {
        let file = find(places);
        let text = match &file {
            Some(path) => {
                fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.clone(), cause })?
            }
            None => String::new(),
        };
        // What is not text becomes a bad address, and is said as one: going to Google instead would be a surprise.
        let emulator = env::var_os("ROWKEEPER_EMULATOR").map(|origin| origin.to_string_lossy().into_owned());
        let emulator =
            emulator.filter(|origin| !origin.is_empty()).map(|origin| origin.trim_end_matches('/').to_owned());
        let named = named_state_dir(places);
        let state_dir_is_default = named.is_none();
        let state_dir = named.or_else(usual_state_dir).ok_or(ConfigError::NoStateDir)?;
        Ok(Self { state_dir_is_default, ..Self::parse(&text, file, state_dir, emulator)? })
    }

    /// Reads `text` as the content of `file`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        file: Option<PathBuf>,
        state_dir: PathBuf,
        emulator: Option<String>,
    ) -> Result<Self, ConfigError> {
        let written: File = toml::from_str(text).map_err(|error| invalid(text, file.as_deref(), &error))?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let provider = match (written.provider, emulator) {
            (provider, Some(origin)) => emulated(provider, &folder, origin).map(Some),
            (Some(provider), None) => provider.read(&folder).map(Some),
            (None, None) => Ok(None),
        };
        let (provider, provider_error) = match provider {
            Ok(provider) => (provider, None),
            Err(error) => (None, Some(error)),
        };
        let mut tables = written.table;
        if tables.is_empty() {
            tables.push(Table { name: "records".into(), columns: Vec::new(), rotate: None });
        }
        check_tables(&tables)?;
        if let Some(zone) = &written.sheet.timezone {
            jiff::tz::TimeZone::get(zone).map_err(|_| ConfigError::Value {
                key: "[sheet] timezone",
                what: format!("\"{zone}\" is not a time zone; write it like \"Europe/Vienna\""),
            })?;
        }
        Ok(Self {
            file,
            state_dir,
            provider,
            provider_error,
            sheet: written.sheet,
            tables,
            device: written.device.name.unwrap_or_else(host_name),
            panel: written.panel,
            outbox: written.outbox,
            socket: Socket {
                path: written
                    .socket
                    .path
                    .map(|path| if path.as_os_str().is_empty() { path } else { folder.join(path) }),
                ..written.socket
            },
            state_dir_is_default: false,
            state_key: written.state.key_file.map(|file| store_key(&folder, &file)).transpose()?,
            text: text.to_owned(),
        })
    }

    /// Reads the same file for what a gadget's own program keeps in it: `T` has one field for each table of that
    /// program, and no `deny_unknown_fields` of its own, for the other tables are not its.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn also<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| invalid(&self.text, self.file.as_deref(), &error))
    }

    /// The zone of the times in the sheet: the configured one, else the machine's.
    pub fn timezone(&self) -> jiff::tz::TimeZone {
        // `parse` proved the name; the data is built in.
        self.sheet
            .timezone
            .as_deref()
            .and_then(|zone| jiff::tz::TimeZone::get(zone).ok())
            .unwrap_or_else(jiff::tz::TimeZone::system)
    }

    /// Where the daemon's socket is: configured, or in `/run` for a group, which may not look into the state directory.
    pub fn socket_path(&self) -> Option<PathBuf> {
        match (&self.socket.path, &self.socket.group) {
            (Some(path), _) if path.as_os_str().is_empty() => None,
            (Some(path), _) => Some(path.clone()),
            (None, Some(_)) => Some(PathBuf::from("/run/rowkeeper/record.sock")),
            (None, None) => Some(self.state_dir.join("record.sock")),
        }
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Option<ProviderTable>,
    #[serde(default)]
    sheet: Sheet,
    #[serde(default)]
    table: Vec<Table>,
    #[serde(default)]
    device: DeviceTable,
    #[serde(default)]
    panel: Panel,
    #[serde(default)]
    outbox: Outbox,
    #[serde(default)]
    socket: Socket,
    #[serde(default)]
    state: StateTable,
    /// The time clock's own, which reads it with [`Config::also`].
    #[serde(default, rename = "timeclock")]
    _timeclock: serde::de::IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateTable {
    key_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceTable {
    name: Option<String>,
}

fn check_tables(tables: &[Table]) -> Result<(), ConfigError> {
    let bad = |what: String| Err(ConfigError::Value { key: "[[table]]", what });
    for (at, table) in tables.iter().enumerate() {
        if table.name.trim().is_empty() || table.name.chars().any(char::is_control) || table.name.len() > 100 {
            return bad("a table needs a name of one to a hundred printable characters".into());
        }
        if tables[..at].iter().any(|other| other.name == table.name) {
            return bad(format!("two tables are called \"{}\"", table.name));
        }
        if table.rotate.is_some() && table.name.len() > 90 {
            return bad(format!(
                "\"{}\" is too long to rotate: its tabs are called after it and the month",
                table.name
            ));
        }
        if let Some(other) = tables.iter().find(|other| other.rotate.is_some() && other.may_be_called(&table.name)) {
            return bad(format!("\"{}\" is also a tab of \"{}\", which rotates", table.name, other.name));
        }
        for column in &table.columns {
            if table.columns.iter().filter(|other| other.name == column.name).count() > 1 {
                return bad(format!("\"{}\" has two columns called \"{}\"", table.name, column.name));
            }
            if let Err(what) = table::check_key(&column.name) {
                return bad(format!("column \"{}\" of \"{}\": {what}", column.name, table.name));
            }
        }
    }
    Ok(())
}

/// Turns serde's complaint into a line number and advice.
fn invalid(text: &str, file: Option<&Path>, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let path = file.unwrap_or(Path::new("rowkeeper.toml")).to_owned();
    ConfigError::Invalid { path, line, what: advise(error.message()) }
}

/// serde says: unknown field `titel`, expected one of `title`, `timezone`.
fn advise(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next().filter(|_| message.starts_with("unknown field")) else {
        return message.trim().replace('\n', " ");
    };
    match quoted.max_by_key(|known| (strsim::jaro_winkler(unknown, known) * 1000.0) as u32) {
        Some(nearest) => format!("unknown key \"{unknown}\"; did you mean \"{nearest}\"?"),
        None => format!("unknown key \"{unknown}\""),
    }
}

fn find(places: &Places) -> Option<PathBuf> {
    // What a person named must be there; what is merely looked for may be missing.
    let named = places.config.clone().or_else(|| path_variable("ROWKEEPER_CONFIG"));
    named.or_else(|| {
        let user = base_directory("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        [
            Some(PathBuf::from("rowkeeper.toml")),
            user.map(|folder| folder.join("rowkeeper/rowkeeper.toml")),
            Some(PathBuf::from("/etc/rowkeeper/rowkeeper.toml")),
        ]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
    })
}

fn named_state_dir(places: &Places) -> Option<PathBuf> {
    places
        .state_dir
        .clone()
        .or_else(|| path_variable("ROWKEEPER_STATE_DIR"))
        // systemd may name several, separated by colons; the first is ours.
        .or_else(|| variable("STATE_DIRECTORY").map(|dirs| PathBuf::from(dirs.split(':').next().unwrap_or_default())))
}

fn usual_state_dir() -> Option<PathBuf> {
    base_directory("XDG_STATE_HOME")
        .map(|dir| dir.join("rowkeeper"))
        .or_else(|| Some(home()?.join(".local/state/rowkeeper")))
}

fn home() -> Option<PathBuf> {
    path_variable("HOME")
}

/// A path need not be UTF-8.
fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Paths that are not absolute are to be ignored (XDG Base Directory Specification).
fn base_directory(name: &str) -> Option<PathBuf> {
    path_variable(name).filter(|path| path.is_absolute())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "device".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Some("/etc/rowkeeper.toml".into()), "/state".into(), None)
    }

    fn complaint(text: &str) -> String {
        match parse(text) {
            Ok(config) => config.provider_error.unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_empty_file_records_into_one_table() {
        let config = parse("").unwrap();
        assert!(config.provider.is_none());
        assert_eq!(config.tables[0].name, "records");
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_nearest() {
        assert_eq!(
            complaint("[sheet]\n\ntitel = \"x\"\n"),
            "/etc/rowkeeper.toml line 3: unknown key \"titel\"; did you mean \"title\"?"
        );
        assert!(complaint("[tabel]\n").contains("line 1: unknown key \"tabel\"; did you mean \"table\"?"));
    }

    #[test]
    fn another_program_reads_its_own_table_with_the_same_complaints() {
        #[derive(Debug, Deserialize)]
        struct Also {
            timeclock: Clock,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Clock {
            shift: String,
        }
        let read = |text: &str| parse(text).unwrap().also::<Also>();
        assert_eq!(read("[sheet]\n[timeclock]\nshift = \"8h\"\n").unwrap().timeclock.shift, "8h");
        assert_eq!(
            read("[timeclock]\nshfit = \"8h\"\n").unwrap_err().to_string(),
            "/etc/rowkeeper.toml line 2: unknown key \"shfit\"; did you mean \"shift\"?"
        );
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        for (text, part) in [
            ("[provider]\n", "[provider] client_id: missing"),
            ("[provider]\nclient_id = \"a\"\npreset = \"gogle\"\n", "no provider preset `gogle`; use one of google"),
            ("[sheet]\ntimezone = \"Vienna\"\n", "[sheet] timezone: \"Vienna\" is not a time zone"),
            ("[[table]]\nname = \"\"\n", "a table needs a name"),
            ("[[table]]\nname = \"a\"\n[[table]]\nname = \"a\"\n", "two tables are called \"a\""),
            ("[[table]]\nname = \"a\"\ncolumns = [{ name = \"time\" }]\n", "column \"time\" of \"a\""),
            (
                "[[table]]\nname = \"a\"\ncolumns = [{ name = \"x\" }, { name = \"x\" }]\n",
                "\"a\" has two columns called \"x\"",
            ),
            (
                "[[table]]\nname = \"a\"\ncolumns = [{ name = \"x\", type = \"int\" }]\n",
                "unknown variant `int`, expected one of `auto`, `text`",
            ),
            ("[[table]]\nname = \"a\"\nrotate = \"week\"\n", "unknown variant `week`, expected `month` or `year`"),
            (
                "[[table]]\nname = \"a\"\nrotate = \"year\"\n[[table]]\nname = \"a 2026\"\n",
                "\"a 2026\" is also a tab of \"a\"",
            ),
            ("[sheet]\nprecision = \"minute\"\n", "expected `second` or `millisecond`"),
            ("[outbox]\nkeep_delivered = \"soon\"\n", "line 2: \"soon\" is not a time such as \"30d\""),
            ("[sheet\n", "line 1"),
            ("[provider]\nclient_id = \"a\"\n[provider.extra]\nx = [1]\n", "x must be a text"),
        ] {
            assert!(complaint(text).contains(part), "{text:?} gave {}", complaint(text));
        }
    }

    #[test]
    fn an_issuer_or_endpoints_mean_another_provider_than_google() {
        let preset = |text: &str| parse(text).unwrap().provider.unwrap().preset;
        assert_eq!(preset("[provider]\nclient_id = \"a\"\n"), "google");
        assert_eq!(preset("[provider]\nclient_id = \"a\"\nissuer = \"https://i.example\"\n"), "none");
    }

    #[test]
    fn an_emulator_brings_its_client_and_must_be_near() {
        let at = |origin: &str| Config::parse("", None, "/s".into(), Some(origin.into()));
        let provider = at("http://127.0.0.1:8085").unwrap().provider.unwrap();
        assert_eq!(provider.client_id, "emulator-client");
        assert_eq!(provider.token_endpoint.as_deref(), Some("http://127.0.0.1:8085/token"));
        let named = Config::parse(
            "[provider]\nclient_id = \"c\"\nca_file = \"ca.pem\"\n",
            Some("/etc/rowkeeper/rowkeeper.toml".into()),
            "/s".into(),
            Some("https://127.0.0.1:8085".into()),
        );
        let ca_file = named.unwrap().provider.unwrap().ca_file;
        assert_eq!(ca_file, Some("/etc/rowkeeper/ca.pem".into()), "beside the file that names it");
        let far = at("http://203.0.113.9").unwrap();
        assert!(far.provider.is_none(), "its token would travel in the clear");
        assert!(far.provider_error.unwrap().to_string().starts_with("ROWKEEPER_EMULATOR: "));
    }
}
