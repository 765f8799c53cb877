//! What a long queue and a long sheet cost.

use std::fs::{self, File};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Form;
use super::flood::{Watch, write_rows};
use crate::contestant::{ROWKEEPER, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, mib, number};

const HOW: &str = "The outbox is filled by one `rowkeeper record --stdin`. With so many \
rows waiting: what the next `rowkeeper record` and a `rowkeeper status` take (processes, processor time), and how large \
`rowkeeper run` is that tries to send them while Google answers 503 to everything. Then Google comes back, `rowkeeper deliver` empties the queue at its own pace \
(it allows itself 42 writes a minute), and with so many rows in the sheet one more row is recorded and delivered. Google's \
quota, no delay. The peers hold what waits in memory, or nowhere: there is nothing to measure beside this.";

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Growth", HOW);
    let sizes: &[u64] = match form {
        Form::Quick => &[1_000, 10_000],
        Form::Full => &[1_000, 100_000],
        Form::Long => &[1_000, 100_000, 1_000_000],
    };
    let mut queued = Table::new(
        "so many rows waiting",
        &[
            "rows",
            "recorded, rows a second",
            "disk bytes a row",
            "recorder's peak, MiB",
            "next `record`, ms",
            "its processor, ms",
            "`status`, ms",
            "`run`, resident MiB",
            "`run`, peak MiB",
        ],
    );
    let mut sent = Table::new(
        "sent, and so many rows in the sheet",
        &[
            "rows",
            "seconds",
            "rows a second",
            "processor, µs a row",
            "`deliver`, peak MiB",
            "calls per 1,000 rows",
            "next row, ms",
            "its requests",
            "its kB on the wire",
        ],
    );
    let (mut memory, mut cost) = (Vec::new(), Vec::new());
    for size in sizes {
        let point = grow(tools, *size)?;
        memory.push((*size as f64, mib(point.run_peak)));
        cost.push((*size as f64, point.record_ms.median()));
        let rows = number(*size as f64);
        queued.row([
            rows.clone(),
            number(point.recorded_per_second),
            number(point.disk_bytes),
            number(mib(point.recorder_peak)),
            point.record_ms.spread(),
            number(point.record_processor_ms.median()),
            point.status_ms.spread(),
            number(mib(point.run_resident)),
            number(mib(point.run_peak)),
        ]);
        sent.row([
            rows,
            number(point.deliver_seconds),
            number(*size as f64 / point.deliver_seconds),
            number(point.deliver_processor * 1e6 / *size as f64),
            number(mib(point.deliver_peak)),
            number(point.calls as f64 * 1000.0 / *size as f64),
            number(point.next_ms),
            point.next_requests.to_string(),
            number(point.next_kilobytes),
        ]);
    }
    section.tables = vec![queued, sent];
    section.plots.push(Plot {
        file: "growth".into(),
        title: "With so many rows waiting".into(),
        unit: "MiB, ms".into(),
        kind: Kind::Lines {
            x: "rows waiting".into(),
            lines: vec![("peak memory of `run`, MiB".into(), memory), ("the next `record`, ms".into(), cost)],
        },
    });
    Ok(section)
}

#[derive(Default)]
struct Point {
    recorded_per_second: f64,
    disk_bytes: f64,
    recorder_peak: u64,
    record_ms: Sample,
    record_processor_ms: Sample,
    status_ms: Sample,
    run_resident: u64,
    run_peak: u64,
    deliver_seconds: f64,
    deliver_processor: f64,
    deliver_peak: u64,
    calls: u64,
    next_ms: f64,
    next_requests: usize,
    next_kilobytes: f64,
}

fn grow(tools: &Tools, rows: u64) -> Result<Point> {
    let mut point = Point::default();
    let stage = Stage::set(tools, ROWKEEPER, Setup::GOOGLE, Duration::ZERO, Token::Valid)?;
    // The default limit is far above: nothing is refused.
    let input = stage.folder.join("rows");
    write_rows(&input, rows)?;

    let started = Instant::now();
    let mut record = stage.command(&["record", "--stdin"]);
    let mut record = record.stdin(File::open(input.with_extension("ours"))?).stdout(Stdio::null()).spawn()?;
    let watch = Watch::over(&[record.id()]);
    let recorded = record.wait()?;
    ensure!(recorded.success(), "record ended with {recorded}");
    point.recorded_per_second = rows as f64 / started.elapsed().as_secs_f64();
    point.recorder_peak = watch.end().peak_bytes;
    let disk = fs::read_dir(stage.folder.join("state"))?.flatten();
    let disk = disk.filter(|file| file.file_name().to_string_lossy().starts_with("outbox"));
    point.disk_bytes = disk.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>() as f64 / rows as f64;

    for n in 0..5 {
        let used = stage.finish(&["record", &format!("n={}", rows + n + 1), "value=1", "note=next"])?;
        point.record_ms.push_ms(used.wall);
        point.record_processor_ms.push_ms(used.processor);
        point.status_ms.push_ms(stage.finish(&["status"])?.wall);
    }

    let gone = json!({ "path": "/v4/spreadsheets", "action": { "do": "status", "status": 503 } });
    stage.emulator.post("/_emulator/faults", &gone)?;
    let mut daemon = stage.command(&["run"]);
    let mut daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    thread::sleep(Duration::from_secs(4));
    let living = meter::living(daemon.id())?;
    (point.run_resident, point.run_peak) = (living.resident_bytes, living.peak_bytes);
    meter::terminate(&daemon);
    daemon.wait()?;
    stage.emulator.clear_faults()?;

    stage.next_minute()?;
    let seen = stage.emulator.seen()?;
    let used = stage.finish(&["deliver", "--for", "30m"])?;
    point.calls = stage.emulator.seen()? - seen;
    point.deliver_seconds = used.wall.as_secs_f64();
    point.deliver_processor = used.processor.as_secs_f64();
    point.deliver_peak = used.peak_bytes;

    stage.next_minute()?;
    // Our own pace has a write left by then.
    thread::sleep(Duration::from_secs(3));
    let (seen, traffic, started) = (stage.emulator.seen()?, stage.relay.traffic(), meter::unix_now());
    stage.finish(&["record", &format!("n={}", rows + 6), "value=1", "note=next"])?;
    stage.finish(&["deliver"])?;
    let log = stage.emulator.log(seen)?;
    let row = log.iter().rev().find(|entry| entry.is_write() && entry.status == 200).context("no row came")?;
    let traffic = stage.relay.traffic() - traffic;
    point.next_ms = (row.at - started) * 1000.0;
    point.next_requests = log.len();
    point.next_kilobytes = (traffic.sent + traffic.received) as f64 / 1000.0;
    Ok(point)
}
