//! `rowkeeper init`: writes a commented `rowkeeper.toml`.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rowkeeper::config::Config;

use super::{Context, print, printable};
use crate::args::Init;
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, mut init: Init) -> Result<Exit, Failure> {
    let path = init.output.take().or_else(|| context.global.config.clone()).unwrap_or_else(|| "rowkeeper.toml".into());
    if path.exists() && !init.force {
        let why = format!("{} is there already; --force replaces it, --output writes elsewhere", path.display());
        return Err(Failure::new(Exit::Usage, why));
    }
    if io::stdin().is_terminal() && init.client_id.is_none() {
        ask(&mut init).map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    usable(&init)?;
    let text = write(&init);
    // What is written must be readable: a wrong time zone is noticed now, not at the first boot.
    let check = text.replacen("client_id = \"\"", "client_id = \"x\"", 1);
    let without_secret =
        check.lines().filter(|line| !line.starts_with("client_secret_file")).collect::<Vec<_>>().join("\n");
    let checked = Config::parse(&without_secret, Some(path.clone()), PathBuf::new(), None);
    if let Err(error) = checked.and_then(|config| config.provider_error.map_or(Ok(()), Err)) {
        return Err(Failure::new(Exit::Usage, error));
    }
    save(&path, &text, init.force)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", path.display())))?;
    print(&format!("wrote {}", path.display()))?;
    if let Some(origin) = std::env::var_os("ROWKEEPER_EMULATOR") {
        eprintln!(
            "rowkeeper: ROWKEEPER_EMULATOR is set, so the emulator at {} stands in for this provider until you unset it",
            printable(&origin.to_string_lossy())
        );
    }
    if let Some(secret) = &init.client_secret_file
        && !path.parent().unwrap_or(Path::new("")).join(secret).exists()
    {
        print(&format!("next: put the client's secret into {}, beside that file", secret.display()))?;
    }
    if init.client_id.is_none() {
        print("next: fill in client_id (the README says how to get one), then `rowkeeper sign-in`")?;
    } else {
        print("next: `rowkeeper sign-in`")?;
    }
    Ok(Exit::Done)
}

/// What the configuration's parser leaves to the sign-in, which may be weeks away.
fn usable(init: &Init) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::new(Exit::Usage, why));
    match init.issuer.as_deref() {
        None if init.preset.as_deref() == Some("none") => wrong("--preset none needs an --issuer"),
        Some(issuer) if !(issuer.starts_with("https://") || rowkeeper::is_loopback(issuer)) => {
            wrong("--issuer must be an https address")
        }
        _ => Ok(()),
    }
}

fn ask(init: &mut Init) -> io::Result<()> {
    init.client_id = question("The OAuth client's id (Enter to fill it in later)", "")?;
    if init.client_id.is_some() && init.client_secret_file.is_none() {
        init.client_secret_file =
            question("The file with its secret, beside the configuration", "client_secret")?.map(Into::into);
    }
    if init.title.is_none() {
        init.title = question("The spreadsheet's title", "Rowkeeper log")?;
    }
    if init.timezone.is_none() {
        let here = rowkeeper::system_timezone();
        init.timezone = question("The time zone of the sheet", here.as_deref().unwrap_or("UTC"))?;
    }
    if init.table.is_empty() {
        init.table.extend(question("The first table (a tab)", "records")?);
    }
    Ok(())
}

fn question(text: &str, default: &str) -> io::Result<Option<String>> {
    let mut err = io::stderr().lock();
    if default.is_empty() {
        write!(err, "{text}: ")?
    } else {
        write!(err, "{text} [{default}]: ")?
    }
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = if answer.trim().is_empty() { default } else { answer.trim() };
    Ok((!answer.is_empty()).then(|| answer.to_owned()))
}

fn write(init: &Init) -> String {
    let quoted = |text: &str| toml_string(text);
    let id = init.client_id.as_deref().unwrap_or_default();
    let secret = match &init.client_secret_file {
        Some(file) => format!("client_secret_file = {}", quoted(&file.to_string_lossy())),
        None => "# client_secret_file = \"client_secret\"   # a file beside this one, or a systemd credential".into(),
    };
    let issuer = match &init.issuer {
        Some(issuer) => format!("issuer = {}", quoted(issuer)),
        None => "# issuer = \"https://login.example.org\"   # another provider: its endpoints are discovered".into(),
    };
    let zone = match &init.timezone {
        Some(zone) => format!("timezone = {}", quoted(zone)),
        None => "# timezone = \"Europe/Vienna\"            # default: the machine's".into(),
    };
    let preset = init.preset.as_deref().unwrap_or(if init.issuer.is_some() { "none" } else { "google" });
    let names = if init.table.is_empty() { vec!["records".to_owned()] } else { init.table.clone() };
    let tables: Vec<_> = names.iter().map(|name| format!("[[table]]\nname = {}\n", quoted(name))).collect();
    format!(
        "# Rowkeeper. Every key is explained in docs/configuration.md.\n\n\
         [provider]\npreset = {preset}\n{issuer}\nclient_id = {id}\n{secret}\n\
         # scopes = [\"…\"]                        # default: the preset's (google: drive.file)\n\n\
         [sheet]\ntitle = {title}                  # made with the first delivery; rename it as you like\n{zone}\n\n\
         # A tab. Columns come by themselves; declare one to fix its place and type:\n\
         # columns = [{{ name = \"badge\", type = \"text\" }}]\n\
         # rotate = \"month\"                       # a tab for each month\n{tables}\n\
         [panel]\nkind = \"terminal\"                    # terminal, none, or png=FILE\n",
        preset = quoted(preset),
        id = quoted(id),
        title = quoted(init.title.as_deref().unwrap_or("Rowkeeper log")),
        tables = tables.join("\n"),
    )
}

/// A TOML basic string: what JSON escapes, TOML reads.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn save(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    let mut file = if replace { options.create(true).open(path)? } else { options.create_new(true).open(path)? };
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let init = Init {
            output: None,
            client_id: Some("id \"quoted\" \\ and \n more".into()),
            client_secret_file: None,
            preset: None,
            issuer: None,
            title: Some("Bücher & \"Zeiten\"".into()),
            timezone: Some("Europe/Vienna".into()),
            table: vec!["readings".into(), "doors".into()],
            force: false,
        };
        let config = Config::parse(&write(&init), None, "/state".into(), None).unwrap();
        assert_eq!(config.provider.unwrap().client_id, "id \"quoted\" \\ and \n more");
        assert_eq!(config.sheet.title, "Bücher & \"Zeiten\"");
        assert_eq!(config.tables.len(), 2);
    }
}
