//! `record --stdin`: one answer a line, in order.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use google_emulator::CellValue;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::device::{Device, Ran};
use crate::google::Google;

/// `line result` of each answer.
fn answers(ran: &Ran) -> Vec<String> {
    let answer = |line: &Value| format!("{} {}", line["line"], line["result"].as_str().unwrap());
    ran.lines().iter().map(answer).collect()
}

#[test]
fn lines_are_answered_in_order_and_refusals_stop_nothing() {
    let device = Device::alone();
    let input = [
        r#"{"_id":"a","n":1}"#,
        r#"{"_id":"b","list":[1]}"#,
        r#"{"_id":"a","n":1}"#,
        "",
        "nonsense",
        r#"{}"#,
        r#"{"time":"now"}"#,
        r#"{"n":1,"n":2}"#,
        r#"{"_id":"c","n":3,"_at":"2026-11-22T18:30:00+01:00"}"#,
        r#"{"_id":"d","_at":"yesterday","n":1}"#,
        "[1]",
        r#"{"_id":"e","n":5}"#,
    ];
    let ran = device.feed(&["record", "--stdin"], input.join("\n")).exits(1);
    let lines = ran.lines();
    assert_eq!(
        answers(&ran),
        [
            "1 kept",
            "2 refused",
            "3 known",
            "5 refused",
            "6 refused",
            "7 refused",
            "8 refused",
            "9 kept",
            "10 refused",
            "11 refused",
            "12 kept"
        ]
    );
    // Ours begin with the device's own mark: the ids of two devices never meet in one sheet.
    let id = lines[0]["id"].as_str().unwrap();
    assert!(id.ends_with("-a") && lines[1]["id"] == json!(null) && lines[2]["id"] == id, "{lines:?}");
    assert!(ran.out.starts_with(&format!("{{\"line\":1,\"id\":\"{id}\",\"result\":\"kept\"}}\n")));
    assert!(ran.out.contains("\n{\"line\":2,\"result\":\"refused\",\"error\":\""));
    assert!(lines.iter().filter(|line| line["result"] == "refused").all(|line| line["error"].is_string()));
    assert_eq!(device.status()["queue"]["waiting"], 3);
    let listed = device.run(&["queue", "list", "--json"]).exits(0).json();
    assert_eq!(listed[1]["recorded"], "2026-11-22T17:30:00Z");
}

#[test]
fn an_id_is_known_after_its_row_was_delivered() {
    let google = Google::start();
    let device = google.signed_in();
    let id = device.record(&["--id", "mine", "a=1"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.record(&["--id", "mine", "a=1"]), id);
    let again = device.feed(&["record", "--stdin"], "{\"_id\":\"mine\",\"a\":1}\n").exits(0);
    assert_eq!(again.lines()[0], json!({ "line": 1, "id": id, "result": "known" }));
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 1);
}

#[test]
fn files_from_elsewhere_are_read() {
    let device = Device::alone();
    let windows = "\u{feff}{\"a\":1}\r\n\r\n{\"a\":2}\r\n";
    assert_eq!(answers(&device.feed(&["record", "--stdin"], windows).exits(0)), ["1 kept", "3 kept"]);
    let unfinished = "{\"a\":3}\n{\"a\":";
    assert_eq!(answers(&device.feed(&["record", "--stdin"], unfinished).exits(1)), ["1 kept", "2 refused"]);
    let latin = b"{\"a\":\"\xfc\"}\n{\"a\":4}\n".to_vec();
    assert_eq!(answers(&device.feed(&["record", "--stdin"], latin).exits(1)), ["1 refused", "2 kept"]);
    assert_eq!(answers(&device.feed(&["record", "--stdin"], "").exits(0)), [] as [&str; 0]);
}

#[test]
fn a_line_of_ten_megabytes_is_refused_and_the_next_one_kept() {
    let device = Device::alone();
    let input = format!("{{\"a\":\"{}\"}}\n{{\"a\":1}}\n", "x".repeat(10 << 20));
    let ran = device.feed(&["record", "--stdin"], input.clone()).exits(1);
    assert_eq!(answers(&ran), ["1 refused", "2 kept"]);
    let csv = format!("a\n{}\n1\n", "x".repeat(10 << 20));
    assert_eq!(answers(&device.feed(&["record", "--stdin", "csv"], csv).exits(1)), ["2 refused", "3 kept"]);
}

#[test]
fn csv_is_read_under_its_header() {
    let google = Google::start();
    let device = google.signed_in();
    let input = "\u{feff}_id,badge,hours,when,note\r\n\
                 a,007,1.5,2026-11-22T18:30:00+01:00,\"two\r\nlines\"\r\n\
                 b,8,2\r\n\
                 c,1,2,3,4,too many\r\n\
                 \r\n\
                 a,007,1.5,,\r\n\
                 d,9,,,last\r\n";
    let ran = device.feed(&["record", "--stdin", "csv"], input).exits(1);
    assert_eq!(answers(&ran), ["2 kept", "4 kept", "5 refused", "7 known", "8 kept"]);
    device.run(&["deliver"]).exits(0);
    let rows = google.rows("records");
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[0]["badge"], &rows[0]["hours"]), (&CellValue::Text("007".into()), &CellValue::Number(1.5)));
    assert_eq!(rows[0]["note"], CellValue::Text("two\r\nlines".into()));
    assert!(matches!(rows[0]["when"], CellValue::Number(_)));
    assert!(!rows[1].contains_key("note"));
}

#[test]
fn a_csv_header_that_cannot_be_used_is_said_once() {
    let device = Device::alone();
    let ran = device.feed(&["record", "--stdin", "csv"], "a,time\n1,2\n3,4\n").exits(1);
    assert_eq!(answers(&ran), ["2 refused", "3 refused"]);
    let ran = device.feed(&["record", "--stdin", "csv"], b"a\n\xff\n1\n".to_vec()).exits(1);
    assert_eq!(answers(&ran), ["2 refused", "3 kept"]);
    device.feed(&["record", "--stdin", "csv"], "").exits(0);
}

/// A program that writes a line and waits for its answer must not wait for ever.
#[test]
fn each_line_is_answered_before_the_next_is_sent() {
    let device = Device::alone();
    for format in ["jsonl", "csv"] {
        let mut command = device.command(&["record", "--stdin", format]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        if format == "csv" {
            input.write_all(b"a\n").unwrap();
        }
        for number in 1..=5 {
            let line = if format == "csv" { format!("{number}\n") } else { format!("{{\"a\":{number}}}\n") };
            input.write_all(line.as_bytes()).unwrap();
            let mut answer = String::new();
            output.read_line(&mut answer).unwrap();
            assert!(answer.contains("kept"), "{answer}");
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(device.status()["queue"]["waiting"], 10);
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_recording() {
    let device = Device::alone();
    let mut command = device.command(&["record", "--stdin"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    for number in 0..2_000 {
        writeln!(input, "{{\"a\":{number}}}").expect("it stopped reading");
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(device.status()["queue"]["waiting"], 2_000);
}

/// Whoever cannot hear the answers must not take them for refusals.
#[test]
fn answers_that_cannot_be_written_are_said() {
    let device = Device::alone();
    let mut command = device.command(&["record", "--stdin"]);
    command.stdin(Stdio::piped()).stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"a\":1}\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("from line 1 on: cannot be answered"), "{ended:?}");
    assert_eq!(device.status()["queue"]["waiting"], 1);
}

#[test]
fn programs_may_record_at_once() {
    let device = Device::alone();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let device = &device;
            scope.spawn(move || {
                let lines: String = (0..250).map(|n| format!("{{\"_id\":\"{writer}-{n}\",\"n\":{n}}}\n")).collect();
                device.feed(&["record", "--stdin"], lines).exits(0);
            });
        }
        for _ in 0..10 {
            device.record(&["lone=1"]);
        }
    });
    assert_eq!(device.status()["queue"]["waiting"], 1_010);
}

/// One stray quote must not make one cell of the rest of the file.
#[test]
fn a_quote_that_is_never_closed_is_refused_and_literal_ones_are_kept() {
    let device = Device::alone();
    let csv = |input: &str| device.feed(&["record", "--stdin", "csv"], input);
    let ran = csv("a,b\n1,x\n\"5 inch,2\n3,y\n4,z\n").exits(1);
    let answers = ran.lines();
    assert_eq!(answers.len(), 2, "{ran:?}");
    assert_eq!((&answers[0]["result"], &answers[1]["result"]), (&"kept".into(), &"refused".into()));
    assert!(answers[1]["error"].as_str().unwrap().contains("not closed"));
    csv("a,b\n\"5 inch,2").exits(1);

    let fine = "a,b\n5\" pipe,x\n\"say \"\"hi\"\"\",\"two\nlines\"\n7,8\" end\n";
    let kept = csv(fine).exits(0);
    assert_eq!(kept.lines().iter().map(|answer| answer["line"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 5]);
}

/// What was answered is kept, and half a line is no record, though it could pass for one.
#[test]
fn a_signal_ends_a_stream_between_two_lines() {
    for (signal, format) in [(Signal::TERM, "jsonl"), (Signal::INT, "csv")] {
        let device = Device::alone();
        let mut command = device.command(&["record", "--stdin", format]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let lines = if format == "csv" { "a\n1\n23" } else { "{\"a\":1}\n{\"a\":23}" };
        input.write_all(lines.as_bytes()).unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(75), "{ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("stopped by a signal"), "{ended:?}");
        drop(input);
        assert_eq!(device.status()["queue"]["waiting"], 1, "{format}");
    }
}

/// Bytes that a record costs the card, from the kernel's own count. `-- --nocapture wear` prints them.
#[test]
fn a_record_wears_the_disk_little() {
    for (group, with_id, most) in [(1, false, 7_000), (1, true, 10_000), (50, false, 700), (50, true, 2_500)] {
        let device = Device::alone();
        let mut command = device.command(&["record", "--stdin"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut number = 0;
        let mut put = |count: u32| {
            let mut lines = String::new();
            for _ in 0..count {
                number += 1;
                let id = if with_id { format!("\"_id\":\"r{number}\",") } else { String::new() };
                lines += &format!(
                    "{{{id}\"temperature\":21.5,\"humidity\":40.25,\"door\":\"open\",\"note\":\"workshop\"}}\n"
                );
            }
            input.write_all(lines.as_bytes()).unwrap();
            (0..count).for_each(|_| _ = output.read_line(&mut String::new()).unwrap());
        };
        let written = || {
            let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
            io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse::<u64>().ok()).unwrap_or(0)
        };
        put(1);
        let before = written();
        (0..20).for_each(|_| put(group));
        let each = (written() - before) / u64::from(20 * group);
        println!("{each} bytes a record, {group} at a time{}", if with_id { ", with ids" } else { "" });
        // A file system in memory writes nothing.
        assert!(each < most, "{each} bytes a record, {group} at a time, ids: {with_id}");
        drop(input);
        child.wait().unwrap();
    }
}
