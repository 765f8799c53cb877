//! Clients that nobody here wrote, held to the emulator over http and https: Google's libraries for Python and Node,
//! gspread and oauth4webapi, Google's generated Rust crate, and a real Chromium as the owner's browser, whose pictures are kept in target/clients/pages.
//! The programs are in `clients/`; what they need is installed here, pinned, below target
//! and into the git-ignored `clients/node/node_modules`.
//!
//! What cannot be had (no network, no Python, no Node) is skipped with its reason; what was had and misbehaves is a
//! failure. Google's generated Rust crate with `yup-oauth2`, and `oauth2`, are built in a workspace of their own, once.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;

use crate::{Outcome, Step};

/// A program by its language and file.
struct Program {
    runtime: Runtime,
    file: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runtime {
    Python,
    Node,
    /// Node, with a Chromium to drive.
    Browser,
    /// A program of the workspace in `clients/rust`; the file names it.
    Rust,
}

const PROGRAMS: [Program; 9] = [
    Program { runtime: Runtime::Python, file: "clients/python/control.py" },
    Program { runtime: Runtime::Python, file: "clients/python/google_api.py" },
    Program { runtime: Runtime::Python, file: "clients/python/gspread_verbs.py" },
    Program { runtime: Runtime::Python, file: "clients/python/rowkeeper_examples.py" },
    Program { runtime: Runtime::Node, file: "clients/node/openid.mjs" },
    Program { runtime: Runtime::Node, file: "clients/node/sheets.mjs" },
    Program { runtime: Runtime::Browser, file: "clients/node/pages.mjs" },
    Program { runtime: Runtime::Rust, file: "clients/rust/src/bin/google_sheets4.rs" },
    Program { runtime: Runtime::Rust, file: "clients/rust/src/bin/oauth2.rs" },
];

/// Where a program finds its browser, and leaves its pictures.
const CHROMIUM: &str = "CHROMIUM";
const PICTURES: &str = "PICTURES";

/// Where the examples' driver finds the command.
const ROWKEEPER: &str = "ROWKEEPER";

/// Each takes a few seconds; a loaded machine may need more.
const LONGEST: Duration = Duration::from_secs(120);

/// Downloads of 100 MB over a slow line.
const LONGEST_INSTALL: Duration = Duration::from_secs(600);

pub(crate) fn run() -> Step {
    let target = target_folder();
    let folder = target.join("clients");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let emulators = [Emulator::start(None)?, Emulator::start(Some(&folder.join("ca.pem")))?];

    let (mut skipped, mut failed) = (Vec::new(), Vec::new());
    for runtime in [Runtime::Python, Runtime::Node, Runtime::Browser, Runtime::Rust] {
        let command = match runtime.install(&folder) {
            Ok(command) => command,
            Err(Missing::Absent(why)) => {
                let named = PROGRAMS.iter().filter(|program| program.runtime == runtime);
                skipped.extend(named.map(|program| format!("{}: {why}", program.file)));
                continue;
            }
            Err(Missing::Broken(why)) => {
                failed.push(why);
                continue;
            }
        };
        let variables = match runtime {
            Runtime::Browser => match browser(&folder) {
                Ok(variables) => variables,
                Err(why) => {
                    skipped.push(format!("the pages in a browser: {why}"));
                    continue;
                }
            },
            Runtime::Python => vec![(ROWKEEPER, executable(&["--package", "rowkeeper-cli"])?)],
            Runtime::Node | Runtime::Rust => Vec::new(),
        };
        for program in PROGRAMS.iter().filter(|program| program.runtime == runtime) {
            for emulator in &emulators {
                match program.run(&command, emulator, &variables) {
                    Ok(took) => println!("{} with {}: {:.1} s", program.file, emulator.url, took.as_secs_f64()),
                    Err(why) => {
                        eprintln!("{} with {}: {why}", program.file, emulator.url);
                        failed.push(format!("{} with {}", program.file, emulator.url));
                    }
                }
            }
        }
    }
    match (failed.is_empty(), skipped.is_empty()) {
        (false, _) => Err(failed.join(", ")),
        (true, true) => Ok(Outcome::Done),
        (true, false) => Ok(Outcome::Skipped(skipped)),
    }
}

/// Why there is no interpreter with its libraries.
pub(crate) enum Missing {
    /// This machine has no such thing, or no network to get it from.
    Absent(String),
    /// It could be had, but what is pinned here does not install.
    Broken(String),
}

impl From<String> for Missing {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// How pip and npm say that the network is at fault.
const UNREACHABLE: [&str; 12] = [
    "Connection refused",
    "Could not resolve host",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ENOTFOUND",
    "ETIMEDOUT",
    "NewConnectionError",
    "ProxyError",
    "Temporary failure in name resolution",
    "timed out",
];

impl Runtime {
    fn install(self, folder: &Path) -> Result<PathBuf, Missing> {
        match self {
            Self::Python => python(folder),
            Self::Node | Self::Browser => node(folder),
            Self::Rust => rust(),
        }
    }
}

pub(crate) fn python(folder: &Path) -> Result<PathBuf, Missing> {
    let venv = folder.join("python");
    let interpreter = venv.join("bin/python");
    let stamp = Stamp::new(folder.join("python.stamp"), "clients/python/requirements.txt")?;
    if interpreter.exists() && stamp.is_current() {
        return Ok(interpreter);
    }
    install(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .map_err(|_| Missing::Absent("python3 with its module venv is not installed".into()))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    install(Command::new(&interpreter).args(pip).arg("clients/python/requirements.txt"))?;
    stamp.set()?;
    Ok(interpreter)
}

pub(crate) fn node(folder: &Path) -> Result<PathBuf, Missing> {
    let node = PathBuf::from("node");
    install(Command::new(&node).args(["--eval", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"]))
        .map_err(|_| Missing::Absent("node 20 or newer is not installed".into()))?;
    let stamp = Stamp::new(folder.join("node.stamp"), "clients/node/package-lock.json")?;
    if !Path::new("clients/node/node_modules").exists() || !stamp.is_current() {
        // Scripts of packages have no business here, and none of these has any.
        let ci = ["ci", "--prefix", "clients/node", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        install(Command::new("npm").args(ci))?;
        stamp.set()?;
    }
    Ok(node)
}

/// The folder of the programs, built without optimisation: they run for a second.
fn rust() -> Result<PathBuf, Missing> {
    let target = target_folder().join("peers");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let build = ["build", "--locked", "--quiet", "--manifest-path", "clients/rust/Cargo.toml", "--target-dir"];
    install(command.args(build).arg(&target))?;
    Ok(target.join("debug"))
}

/// The browser to drive; installed with apt where we may.
fn browser(folder: &Path) -> Result<Vec<(&'static str, PathBuf)>, String> {
    let find = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.exists())
    };
    let apt = ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"];
    let found = find().or_else(|| {
        // Fails at once for everybody but root.
        let mut command = Command::new("apt-get");
        install(command.args(apt).env("DEBIAN_FRONTEND", "noninteractive")).ok()?;
        find()
    });
    let chromium = found.ok_or("there is no Chromium, and apt could not install it (no network, or not root)")?;
    let pictures = folder.join("pages");
    fs::create_dir_all(&pictures).map_err(|error| format!("{}: {error}", pictures.display()))?;
    Ok(vec![(CHROMIUM, chromium), (PICTURES, pictures)])
}

/// What was installed from which list.
struct Stamp {
    path: PathBuf,
    list: String,
}

impl Stamp {
    fn new(path: PathBuf, list: &str) -> Result<Self, String> {
        let list = fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
        Ok(Self { path, list })
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|installed| installed == self.list)
    }

    fn set(&self) -> Result<(), String> {
        fs::write(&self.path, &self.list).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn install(command: &mut Command) -> Result<(), Missing> {
    let named = command.get_program().to_string_lossy().into_owned();
    finish(command.stdin(Stdio::null()), LONGEST_INSTALL).map_err(|why| {
        match why.lines().find(|line| UNREACHABLE.iter().any(|sign| line.contains(sign))) {
            Some(line) => Missing::Absent(format!("the registry cannot be reached: {}", line.trim())),
            None => Missing::Broken(format!("{named}: {why}")),
        }
    })
}

impl Program {
    fn run(
        &self,
        command: &Path,
        emulator: &Emulator,
        variables: &[(&'static str, PathBuf)],
    ) -> Result<Duration, String> {
        let start = now();
        let mut program = match self.runtime {
            Runtime::Rust => Command::new(command.join(Path::new(self.file).file_stem().unwrap_or_default())),
            _ => {
                let mut program = Command::new(command);
                program.arg(self.file);
                program
            }
        };
        program.stdin(Stdio::null()).env("EMULATOR", &emulator.url);
        program.envs(variables.iter().map(|(name, value)| (name, value)));
        // Nothing is left in the tree, and no proxy stands between.
        program.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        if let Some(certificate) = &emulator.certificate {
            for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPLIB2_CA_CERTS", "NODE_EXTRA_CA_CERTS"] {
                program.env(variable, certificate);
            }
        }
        finish(&mut program, LONGEST).map(|()| now() - start)
    }
}

/// Runs to the end or to the limit; what it printed is in the error. Output goes through a file: a pipe that nobody
/// empties would stop it, and a grandchild that keeps it open would stop us.
fn finish(command: &mut Command, limit: Duration) -> Result<(), String> {
    let path = env::temp_dir().join(format!("xtask-clients-{}", std::process::id()));
    let outcome = (|| {
        let file = fs::File::create(&path).map_err(|error| error.to_string())?;
        let both = file.try_clone().map_err(|error| error.to_string())?;
        let mut child = command.stdout(file).stderr(both).spawn().map_err(|error| error.to_string())?;
        let deadline = now() + limit;
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(status.to_string()),
                None if now() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("not done after {} s", limit.as_secs()));
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    })();
    let mut text = String::new();
    let _ = fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut text));
    let _ = fs::remove_file(&path);
    outcome.map_err(|why| format!("{why}\n{}", text.trim_end()))
}

/// The emulator on a free port, over when this is dropped.
struct Emulator {
    child: Child,
    url: String,
    certificate: Option<PathBuf>,
}

impl Emulator {
    fn start(certificate: Option<&Path>) -> Result<Self, String> {
        let mut command = Command::new(executable(&["--package", "google-emulator", "--example", "serve"])?);
        command.args(["127.0.0.1:0", "", ""]).args(certificate).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("the emulator did not start: {error}"))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let url = line.trim_end().strip_prefix("listening on ").unwrap_or_default().to_owned();
        // Dropped, and so ended, also when it did not say where it listens.
        let emulator = Self { child, url, certificate: certificate.map(Path::to_owned) };
        match emulator.url.is_empty() {
            true => Err("the emulator did not say where it listens".into()),
            false => Ok(emulator),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Built here, because `cargo run` would be another process between us and it.
fn executable(what: &[&str]) -> Result<PathBuf, String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked"])
        .args(what)
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let paths = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    paths.collect::<Vec<_>>().pop().ok_or_else(|| format!("{} could not be built", what.join(" ")))
}

#[expect(clippy::disallowed_methods, reason = "the limits of other programs are in real time")]
fn now() -> Instant {
    Instant::now()
}

fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
