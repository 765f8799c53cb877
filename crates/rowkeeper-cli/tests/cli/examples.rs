//! The examples in Python, run as they stand.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use google_emulator::CellValue;

use crate::device::{Device, eventually};
use crate::google::Google;

/// What an example prints; `None` where there is no Python.
fn python(device: &Device, example: &str, arguments: &[&str], input: &str) -> Option<String> {
    let bin = Path::new(env!("CARGO_BIN_EXE_rowkeeper")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example)).args(arguments);
    command
        .current_dir(device.home())
        .env_clear()
        .env("PATH", path)
        .env("HOME", std::env::var_os("HOME").unwrap_or_default());
    command.env("ROWKEEPER_STATE_DIR", device.state("")).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Not with eprintln!, which the test harness swallows.
            _ = std::io::stderr().write_all(format!("SKIPPED in examples.rs: no python3: {error}\n").as_bytes());
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

#[test]
fn many_records_through_one_process() {
    let device = Device::alone();
    let Some(said) = python(&device, "python/record_many.py", &[], "") else { return };
    assert_eq!(said.lines().filter(|line| line.ends_with("kept")).count(), 5, "{said}");
    let again = python(&device, "python/record_many.py", &[], "").unwrap();
    assert_eq!(again.lines().filter(|line| line.ends_with("known")).count(), 5, "{again}");
    assert_eq!(device.status()["queue"]["waiting"], 5);
}

#[test]
fn records_through_the_socket() {
    let google = Google::start();
    let device = google.signed_in();
    let _daemon = device.start(&["run", "--panel", "none"]);
    let socket = device.state("record.sock");
    eventually("the socket", || socket.exists().then_some(()));
    let Some(said) = python(&device, "python/record_through_socket.py", &[socket.to_str().unwrap()], "") else {
        return;
    };
    assert_eq!(said.lines().filter(|line| line.ends_with("kept")).count(), 5, "{said}");
    eventually("the rows", || (google.rows("records").len() == 5).then_some(()));
}

/// What Telegraf's `outputs.execd` writes with `data_format = "json"`, as its documentation shows it.
#[test]
fn metrics_of_telegraf_become_rows_once() {
    let google = Google::start();
    let device = google.device().configured("[[table]]\nname = \"records\"\n[[table]]\nname = \"telegraf\"\n");
    google.sign_in(&device);
    let metrics = concat!(
        r#"{"fields":{"field_1":30,"field_2":4.5,"up":true,"time":7},"name":"docker","tags":{"host":"raynor"},"timestamp":1795368600250}"#,
        "\n",
        r#"{"metrics":[{"fields":{"field_1":31},"name":"docker","tags":{"host":"raynor"},"timestamp":1795368610000},"#,
        r#"{"fields":{"note":"=1+1"},"name":"m\u00fcll","tags":{},"timestamp":1795368610000}]}"#,
        "\n",
    );
    for _ in 0..2 {
        if python(&device, "telegraf/rowkeeper_execd.py", &["--table", "telegraf"], metrics).is_none() {
            return;
        }
    }
    device.run(&["deliver"]).exits(0);
    let rows = google.rows("telegraf");
    assert_eq!(rows.len(), 3, "the second time they were known");
    let text = |text: &str| CellValue::Text(text.into());
    assert_eq!((&rows[0]["measurement"], &rows[0]["host"]), (&text("docker"), &text("raynor")));
    assert_eq!((&rows[0]["field_2"], &rows[0]["up"]), (&CellValue::Number(4.5), &CellValue::Bool(true)));
    assert_eq!((&rows[0]["time_"], &rows[2]["note"]), (&CellValue::Number(7.0), &text("=1+1")));
    // 2026-11-22T17:30:00.250Z, in days since 1899-12-30.
    let CellValue::Number(time) = rows[0]["time"] else { panic!("{rows:?}") };
    assert_eq!(((time - 25_569.0) * 86_400_000.0).round() as i64, 1_795_368_600_250);
}
