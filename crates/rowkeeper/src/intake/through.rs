//! Recording through the socket of a daemon, for who may not touch its files.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::{fs, thread};

use serde::{Deserialize, Serialize};

use super::{Answer, Entry, Format, Raw, source};
use crate::config::Config;
use crate::record::{Refused, not_json, with_table};

/// How `record` reaches the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The files are ours, or may be.
    Own,
    /// The daemon of another user serves this socket.
    Socket(PathBuf),
}

/// Where records of this user go, if no state directory was named: through a socket that is another user's. A group's
/// socket that is not there is another user's too, for all we know, where this user has no outbox: one that nobody would
/// ever deliver must not be begun for that.
pub fn way(config: &Config) -> Way {
    let path = config.socket_path();
    let theirs = |path: &PathBuf| match fs::metadata(path) {
        Ok(file) => file.file_type().is_socket() && file.uid() != rustix::process::geteuid().as_raw(),
        Err(_) => config.socket.group.is_some() && !config.state_dir.join("outbox.sqlite").exists(),
    };
    match path.filter(|path| config.state_dir_is_default && theirs(path)) {
        Some(path) => Way::Socket(path),
        None => Way::Own,
    }
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Through {
    connection: UnixStream,
}

/// A record as it travels when its values have no types of their own: what they are is the daemon's to say, whose
/// configuration counts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    _texts: Vec<(String, String)>,
}

/// `{"_texts":[["temperature","21.5"],["_table","readings"]]}`: `KEY=VALUE` words, as a line of JSON.
pub(super) fn texts(line: &str) -> Result<Option<Vec<(String, String)>>, Refused> {
    if !line.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with("\"_texts\"")) {
        return Ok(None);
    }
    let texts: Texts = serde_json::from_str(line).map_err(|error| not_json(&error))?;
    Ok(Some(texts._texts))
}

/// The daemon may be waiting for a slow disk.
const PATIENCE: Duration = Duration::from_secs(120);

impl Through {
    /// Connects to the daemon at `path`.
    ///
    /// # Errors
    /// It does not run, or this user is not in its group.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let connection = UnixStream::connect(path)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { connection })
    }

    /// Records one, of keys and values as they were typed; `_id`, `_at` and `_table` among them.
    ///
    /// # Errors
    /// The daemon went away: whether the record was kept is not known.
    pub fn record(&self, pairs: Vec<(String, String)>) -> io::Result<Answer> {
        let mut line = line_of(&Raw::Texts(pairs), None)?.into_bytes();
        line.push(b'\n');
        (&self.connection).write_all(&line)?;
        answer(&mut BufReader::new(&self.connection))
    }

    /// As [`super::Stream::serve`], through the daemon. Records that name no table go to `table`.
    ///
    /// # Errors
    /// The input cannot be read any further, or the daemon went away: what was not answered may or may not be kept.
    pub fn serve(
        &self,
        format: Format,
        table: Option<String>,
        input: impl Read + Send + 'static,
        on: &mut dyn FnMut(&Answer) -> bool,
    ) -> io::Result<()> {
        // As many lines as are on their way; when they are not answered, reading stops.
        let (sent, lines) = sync_channel(512);
        let to = self.connection.try_clone()?;
        thread::spawn(move || {
            // The other end says what became of it: an answer, or that it is gone.
            let mut source = source(format, input);
            loop {
                let line = match source.next(true) {
                    Ok(Some(Entry { number, raw })) => match raw.map(|raw| line_of(&raw, table.as_deref())) {
                        Ok(Ok(line)) => Ok((number, Ok(line + "\n"))),
                        Ok(Err(error)) => Err(error),
                        Err(refused) => Ok((number, Err(Answer::refused(number, &refused)))),
                    },
                    Ok(None) => break,
                    Err(error) => Err(error),
                };
                let is_last = line.is_err();
                let passed = line.map(|(number, line)| match line {
                    Ok(line) => ((&to).write_all(line.as_bytes()).map_err(|_| ()), (number, None)),
                    Err(answer) => (Ok(()), (number, Some(answer))),
                });
                let (written, expected) = match passed {
                    Ok((written, expected)) => (written, Ok(expected)),
                    Err(error) => (Ok(()), Err(error)),
                };
                if sent.send(expected).is_err() || written.is_err() || is_last {
                    break;
                }
            }
            _ = to.shutdown(Shutdown::Write);
        });
        let mut replies = BufReader::new(&self.connection);
        for expected in lines {
            let answered = match expected? {
                (_, Some(answer)) => answer,
                (number, None) => match answer(&mut replies)? {
                    // Turned away at the door.
                    refusal @ Answer { line: 0, .. } => Answer { line: number, ..refusal },
                    answer => Answer { line: number, ..answer },
                },
            };
            if !on(&answered) {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn line_of(raw: &Raw, table: Option<&str>) -> io::Result<String> {
    Ok(match (raw, table) {
        (Raw::Texts(pairs), table) => {
            let named = pairs.iter().any(|(key, _)| key == "_table");
            let table = table.filter(|_| !named).map(|table| ("_table".to_owned(), table.to_owned()));
            serde_json::to_string(&Texts { _texts: table.into_iter().chain(pairs.iter().cloned()).collect() })?
        }
        (Raw::Json(line), Some(table)) => with_table(line, table).unwrap_or_else(|| line.clone()),
        (Raw::Json(line), None) => line.clone(),
    })
}

fn answer(replies: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    if replies.take(1 << 20).read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the daemon went away"));
    }
    serde_json::from_str(&line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the daemon's answer is none"))
}
