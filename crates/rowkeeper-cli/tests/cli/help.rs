//! Help that a maker reads on a small screen.

use crate::device::Device;

/// The commands that a help text names.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_explains_itself_within_a_hundred_columns() {
    let device = Device::alone();
    let mut unread = vec![Vec::new()];
    let mut read = 0;
    while let Some(words) = unread.pop() {
        let arguments: Vec<_> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = device.run(&arguments).exits(0);
        unread.extend(commands(&help.out).into_iter().map(|name| [&words[..], &[name]].concat()));
        read += 1;
        let command = words.join(" ");
        assert_eq!(help.err, "");
        for line in help.out.lines() {
            assert!(line.chars().count() <= 100, "{command}: {} columns: {line}", line.chars().count());
        }
        for option in ["--config", "--state-dir", "--panel", "--json", "--verbose", "--help"] {
            assert!(help.out.contains(option), "{command}: no {option}");
        }
        // An option without a word about it is of no help.
        for line in help.out.lines().filter(|line| line.trim_start().starts_with('-')) {
            let words = line.trim().split("  ").filter(|part| !part.is_empty()).count();
            assert!(words > 1 || help.out.contains(&format!("{line}\n          ")), "{command}: {line}");
        }
    }
    assert!(read > 15, "only {read} help texts were found");
}

#[test]
fn help_names_the_options_of_each_command() {
    let device = Device::alone();
    for (command, options) in [
        ("demo", &["--by-hand", "--rows"][..]),
        ("emulator", &["--listen", "--approve-as", "--data", "--writes-per-minute"]),
        (
            "init",
            &[
                "--client-id",
                "--client-secret-file",
                "--preset",
                "--issuer",
                "--title",
                "--timezone",
                "--table",
                "--force",
                "--output",
            ],
        ),
        ("record", &["--table", "--id", "--at", "--stdin", "KEY=VALUE", "jsonl", "csv"]),
        ("deliver", &["--for"]),
        ("token", &["--min-validity"]),
        ("call", &["METHOD", "URL", "--data", "--include"]),
    ] {
        let help = device.run(&[command, "--help"]).exits(0);
        for option in options {
            assert!(help.out.contains(option), "{command}: {option}");
        }
    }
    let whole = device.run(&["--help"]).exits(0);
    for code in ["0 done", "1 failed", "2 wrong usage", "3 a person", "75 try again"] {
        assert!(whole.out.contains(code), "{code}");
    }
    assert!(device.run(&["--version"]).exits(0).out.starts_with("rowkeeper "));
}

#[test]
fn a_mistyped_command_is_guessed() {
    Device::alone().run(&["delivr"]).exits(2).says("deliver");
    Device::alone().run(&["record", "--tabel", "x", "a=1"]).exits(2).says("--table");
}
