//! What the clock reads from `rowkeeper.toml`, besides what every device does: `[timeclock]`. Each key is documented in
//! `docs/timeclock.md`.

use std::path::PathBuf;
use std::time::Duration;

use rowkeeper::SignedDuration;
use rowkeeper::config::{Config, ConfigError};
use rowkeeper::table::{Column, ColumnType, Table};
use serde::{Deserialize, Deserializer};

/// The tab of the rows.
pub const TIMESHEET: &str = "Timesheet";

/// `[timeclock]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeclock {
    /// After this long without a clock-out it is taken for forgotten.
    #[serde(deserialize_with = "time")]
    pub shift: Duration,
    /// How often the tabs of projects and people are read.
    #[serde(deserialize_with = "time")]
    pub refresh: Duration,
    /// The first rows of the tab of projects, and what there is to choose from until it was read.
    pub projects: Vec<String>,
    /// The spreadsheet of another clock, by id or address: this one will use it too.
    pub join: Option<String>,
    /// The knob, if there is one.
    pub knob: Option<Knob>,
    /// The light, if there is one.
    pub light: Option<Light>,
    /// The reader of badges, if there is one.
    pub reader: Option<Reader>,
}

/// `[timeclock.knob]`: GPIO lines by their numbers, as in the wiring table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knob {
    /// The chip of the lines.
    pub gpio: PathBuf,
    /// The encoder's A (CLK).
    pub a: u32,
    /// The encoder's B (DT).
    pub b: u32,
    /// The button (SW).
    pub button: u32,
    /// Edges from detent to detent: 4, or 2 for an encoder with twice as many detents as pulses.
    pub edges: u8,
}

impl Default for Knob {
    fn default() -> Self {
        Self { gpio: "/dev/gpiochip0".into(), a: 17, b: 27, button: 22, edges: 4 }
    }
}

/// `[timeclock.light]`: PWM channels.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Light {
    /// Such as `/sys/class/pwm/pwmchip0/pwm0`.
    pub red: PathBuf,
    /// As `red`.
    pub green: PathBuf,
    /// As `red`.
    pub blue: PathBuf,
    /// The common leg goes to 3.3 V.
    #[serde(default)]
    pub common_anode: bool,
}

/// `[timeclock.reader]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// Such as `/dev/badge-reader`.
    pub device: PathBuf,
}

impl Default for Timeclock {
    fn default() -> Self {
        Self {
            shift: Duration::from_secs(10 * 3600),
            refresh: Duration::from_secs(300),
            projects: vec!["Work".into()],
            join: None,
            knob: None,
            light: None,
            reader: None,
        }
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    timeclock: Timeclock,
    #[serde(default)]
    sheet: Title,
}

#[derive(Default, Deserialize)]
struct Title {
    title: Option<String>,
}

impl Timeclock {
    /// Reads the clock's part of the configuration, and puts into `config` what a time clock has and others have not: its
    /// tab, in front of all others, and its title.
    ///
    /// # Errors
    /// The message names the line, or the key.
    pub fn read(config: &mut Config) -> Result<Self, ConfigError> {
        let File { timeclock, sheet } = config.also()?;
        let wrong = |key: &'static str, what: &str| Err(ConfigError::Value { key, what: what.into() });
        if !(Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600)).contains(&timeclock.shift) {
            return wrong("[timeclock] shift", "between a minute and seven days, such as \"10h\"");
        }
        if !(Duration::from_secs(10)..=Duration::from_secs(24 * 3600)).contains(&timeclock.refresh) {
            return wrong("[timeclock] refresh", "between ten seconds and a day, such as \"5m\"");
        }
        if timeclock.knob.as_ref().is_some_and(|knob| !matches!(knob.edges, 2 | 4)) {
            return wrong("[timeclock.knob] edges", "4, or 2 for an encoder with twice as many detents as pulses");
        }
        let usable =
            |name: &String| !name.trim().is_empty() && name.len() <= 200 && !name.chars().any(char::is_control);
        if timeclock.projects.is_empty() || !timeclock.projects.iter().all(usable) {
            return wrong("[timeclock] projects", "at least one name, and each of 1 to 200 printable characters");
        }
        if sheet.title.is_none() {
            config.sheet.title = "Time clock".into();
        }
        if config.table(TIMESHEET).is_none() {
            let only_the_default = !config.tables.iter().any(|table| table.name != "records");
            if only_the_default {
                config.tables.clear();
            }
            config.tables.insert(0, timesheet());
        }
        Ok(timeclock)
    }
}

/// Columns are made at once and in this order; ours (`time`, `device`) come before them.
fn timesheet() -> Table {
    let column = |(name, kind): (&str, ColumnType)| Column { name: name.into(), kind };
    let columns = [
        ("project", ColumnType::Text),
        ("start", ColumnType::DateTime),
        ("finish", ColumnType::DateTime),
        ("minutes", ColumnType::Number),
        ("person", ColumnType::Text),
        ("note", ColumnType::Text),
    ];
    Table { name: TIMESHEET.into(), columns: columns.map(column).into(), rotate: None }
}

/// `10h`, `1h 30m`, `90s`.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not a time such as \"10h\" or \"5m\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Config, Timeclock), String> {
        let mut config = Config::parse(text, Some("/etc/rowkeeper.toml".into()), "/s".into(), None)
            .map_err(|error| error.to_string())?;
        let clock = Timeclock::read(&mut config).map_err(|error| error.to_string())?;
        Ok((config, clock))
    }

    #[test]
    fn a_clock_needs_no_configuration_of_its_own() {
        let (config, clock) = read("").unwrap();
        assert_eq!((clock.shift, clock.projects), (Duration::from_secs(36_000), vec!["Work".to_owned()]));
        assert_eq!(config.sheet.title, "Time clock");
        assert_eq!(config.tables.len(), 1);
        let columns: Vec<_> = config.tables[0].columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(columns, ["project", "start", "finish", "minutes", "person", "note"]);
    }

    #[test]
    fn what_else_the_device_records_stays() {
        let (config, clock) =
            read("[sheet]\ntitle = \"Shop\"\n[[table]]\nname = \"scale\"\n[timeclock]\nshift = \"8h 30m\"\n").unwrap();
        assert_eq!(config.sheet.title, "Shop");
        assert_eq!(config.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["Timesheet", "scale"]);
        assert_eq!(clock.shift, Duration::from_secs(30_600));
        assert_eq!(clock.knob, None);
    }

    #[test]
    fn hands_are_wired_as_the_table_says_unless_told_otherwise() {
        let (_, clock) =
            read("[timeclock.knob]\nbutton = 5\n[timeclock.reader]\ndevice = \"/dev/badge-reader\"\n").unwrap();
        assert_eq!(clock.knob, Some(Knob { gpio: "/dev/gpiochip0".into(), a: 17, b: 27, button: 5, edges: 4 }));
        assert_eq!(clock.reader, Some(Reader { device: "/dev/badge-reader".into() }));
    }

    /// The example of the page is one that works, all but its secret.
    #[test]
    fn the_documented_example_is_read() {
        let page = include_str!("../../../docs/timeclock.md");
        let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let example = example.replace("client_secret_file", "# client_secret_file");
        let (config, clock) = read(&example).unwrap();
        assert_eq!((config.device.as_str(), clock.shift), ("workshop door", Duration::from_secs(9 * 3600)));
        assert_eq!(clock.knob, Some(Knob::default()));
        assert_eq!(clock.light.unwrap().blue, PathBuf::from("/sys/class/pwm/pwmchip2/pwm0"));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, part) in [
            ("[timeclock]\nshfit = \"8h\"\n", "line 2: unknown key \"shfit\"; did you mean \"shift\"?"),
            ("[timeclock]\nshift = \"long\"\n", "line 2: \"long\" is not a time"),
            ("[timeclock]\nshift = \"0s\"\n", "[timeclock] shift: between a minute and seven days"),
            ("[timeclock]\nrefresh = \"1s\"\n", "[timeclock] refresh: between ten seconds"),
            ("[timeclock]\nprojects = []\n", "[timeclock] projects: at least one"),
            ("[timeclock.knob]\nbuton = 1\n", "line 2: unknown key \"buton\"; did you mean \"button\"?"),
            ("[timeclock.knob]\nedges = 3\n", "[timeclock.knob] edges: 4, or 2 for an encoder"),
            ("[timeclock.light]\nred = \"x\"\n", "missing field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text:?} gave {error}");
        }
    }
}
