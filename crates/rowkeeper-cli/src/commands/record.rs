//! `rowkeeper record`: one record from the command line, or many from stdin; into the outbox, or through the daemon of
//! another user.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering;

use rowkeeper::config::Config;
use rowkeeper::intake::{self, Answer, Outcome, Through, Way};
use rowkeeper::record::{Record, Refused};
use rowkeeper::{Device, OpenError, RecordError, Recorder};
use rowkeeper_gadget::UntilSignalled;

use super::{Context, open_failure, print, print_json};
use crate::args;
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, arguments: &args::Record) -> Result<Exit, Failure> {
    let config = context.config()?;
    let (socket, for_others) = (config.socket_path(), config.socket.group.is_some());
    let recorder = match intake::way(&config) {
        Way::Socket(path) => return through(&config, &path, arguments),
        Way::Own => match Device::open_recorder(config) {
            Ok(recorder) => recorder,
            Err(error) => {
                let there = socket.filter(|path| error.is_forbidden() && (for_others || path.exists()));
                return match there {
                    Some(path) => through(&context.config()?, &path, arguments),
                    None => Err(forbidden(error)),
                };
            }
        },
    };
    if let Some(name) = &arguments.table
        && recorder.table(Some(name)).is_none()
    {
        return Err(Failure::new(Exit::Usage, Refused::NoTable(name.clone())));
    }
    match arguments.stdin {
        Some(format) => {
            let stream = recorder.stream().into_table(arguments.table.clone());
            many(|input, on| stream.serve(intake_format(format), input, on))
        }
        None => one(&recorder, arguments),
    }
}

fn forbidden(error: OpenError) -> Failure {
    let is_forbidden = error.is_forbidden();
    let failure = open_failure(error);
    let advice = if is_forbidden {
        "; other users record through the socket of `rowkeeper run`, if [socket] has a group"
    } else {
        ""
    };
    Failure::new(failure.exit, format!("not recorded: {failure}{advice}"))
}

fn one(recorder: &Recorder, arguments: &args::Record) -> Result<Exit, Failure> {
    let words = words(arguments)?;
    let table = recorder.table(words.iter().find_map(|word| word.strip_prefix("_table=")));
    let record = Record::from_words(words.iter().map(String::as_str), table).map_err(|error| match error {
        Refused::NoKey(_) => Failure::new(Exit::Usage, error),
        _ => Failure::new(Exit::Failed, error),
    })?;
    let accepted = recorder.record(record).map_err(failure)?;
    // Whoever cannot hear the answer must not take it for a refusal.
    print(&accepted.id).map_err(|error| Failure::new(error.exit, format!("kept as {}, but: {error}", accepted.id)))?;
    Ok(Exit::Done)
}

/// All that makes the record: what came as an option among the values, so that it cannot come twice.
fn words(arguments: &args::Record) -> Result<Vec<String>, Failure> {
    // What is wrong with this one is wrong usage.
    if let Some(at) = &arguments.at {
        Record::default().set_at(at).map_err(|error| Failure::new(Exit::Usage, error))?;
    }
    let options = [("_id", &arguments.id), ("_at", &arguments.at), ("_table", &arguments.table)];
    let options = options.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
    Ok(arguments.fields.iter().cloned().chain(options).collect())
}

fn failure(error: RecordError) -> Failure {
    let exit = match &error {
        RecordError::Refused(Refused::NoTable(_)) => Exit::Usage,
        RecordError::Refused(_) => Exit::Failed,
        RecordError::Full(_) | RecordError::Disk(_) => Exit::Later,
    };
    Failure::new(exit, error)
}

fn intake_format(format: args::Format) -> intake::Format {
    match format {
        args::Format::Jsonl => intake::Format::Jsonl,
        args::Format::Csv => intake::Format::Csv,
    }
}

/// Prints the answers. After the first record that could not be kept for now, or a signal, nothing more is read.
fn many(
    serve: impl FnOnce(UntilSignalled<File>, &mut dyn FnMut(&Answer) -> bool) -> io::Result<()>,
) -> Result<Exit, Failure> {
    // Without the buffer of `Stdin`, in which lines could wait that nobody is woken for.
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from).and_then(UntilSignalled::new);
    let input = input.map_err(|error| Failure::new(Exit::Failed, error))?;
    let signalled = input.signalled();
    let mut exit = Exit::Done;
    let mut failed = None;
    let served = serve(input, &mut |answer| {
        if answer.result == Outcome::NotRecorded {
            let why = answer.error.as_deref().unwrap_or_default();
            failed = Some(Failure::new(Exit::Later, format!("from line {} on: {why}", answer.line)));
            return false;
        }
        if answer.result == Outcome::Refused {
            exit = Exit::Failed;
        }
        failed = print_json(answer).err().map(|error| {
            let what = "cannot be answered, and may or may not be kept; try again with ids";
            Failure::new(error.exit, format!("from line {} on: {what} ({error})", answer.line))
        });
        failed.is_none()
    });
    match (failed, served) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(exit),
        (None, Err(_)) if signalled.load(Ordering::Relaxed) => {
            Err(Failure::new(Exit::Later, "stopped by a signal: what was answered is kept, and nothing else"))
        }
        (None, Err(error)) if is_gone(&error) => Err(gone(&error)),
        (None, Err(error)) => Err(Failure::new(Exit::Failed, format!("the input cannot be read any further: {error}"))),
    }
}

/// Through the daemon of another user, whose configuration counts.
fn through(config: &Config, path: &Path, arguments: &args::Record) -> Result<Exit, Failure> {
    let daemon = Through::connect(path).map_err(|error| {
        let (exit, advice) = match error.kind() {
            ErrorKind::PermissionDenied => (Exit::Usage, "is this user in the group that [socket] names?"),
            _ => (Exit::Later, "is `rowkeeper run` up?"),
        };
        Failure::new(exit, format!("not recorded: nobody answers on {} ({error}); {advice}", path.display()))
    })?;
    if let Some(format) = arguments.stdin {
        return many(|input, on| daemon.serve(intake_format(format), arguments.table.clone(), input, on));
    }
    let mut pairs = Vec::new();
    for word in words(arguments)? {
        let (key, value) =
            word.split_once('=').ok_or_else(|| Failure::new(Exit::Usage, Refused::NoKey(word.clone())))?;
        pairs.push((key.to_owned(), value.to_owned()));
    }
    let answer = daemon.record(pairs).map_err(|error| gone(&error))?;
    let why = answer.error.unwrap_or_default();
    match (answer.result, answer.id) {
        (Outcome::Kept | Outcome::Known, Some(id)) => print(&id).map(|()| Exit::Done),
        (Outcome::NotRecorded, _) => Err(Failure::new(Exit::Later, why)),
        _ if arguments.table.as_deref().is_some_and(|name| config.table(name).is_none()) => {
            Err(Failure::new(Exit::Usage, why))
        }
        _ => Err(Failure::new(Exit::Failed, why)),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    matches!(error.kind(), BrokenPipe | ConnectionReset | TimedOut | UnexpectedEof | WouldBlock)
}

fn gone(error: &io::Error) -> Failure {
    let what =
        "the daemon went away before it answered: what it did not answer may or may not be kept; try again with ids";
    Failure::new(Exit::Later, format!("{what} ({error})"))
}
