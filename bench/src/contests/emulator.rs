//! How many devices the emulator serves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Form;
use crate::contestant::Tools;
use crate::emulator::{Emulator, Setup};
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, mib, number};

const HOW: &str = "Devices, each with a spreadsheet of its own and a connection that it keeps (5,000: a new connection for each \
request, as devices that wake seldom have; the emulator keeps 2,000 at once), append one row after the other \
(`values.append`); eight of them at a time have a request under way. The quota is out of the way. *Memory* is the \
emulator's resident size afterwards, with all rows.";

/// Requests under way at once.
const AT_ONCE: usize = 8;

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Emulator", HOW);
    let columns =
        ["devices", "requests a second", "median, µs", "99 of 100, µs", "memory, MiB", "processor, µs a request"];
    let mut table = Table::new(String::new(), &columns);
    let mut points = Vec::new();
    for devices in form.pick(&[1_usize, 100][..], &[1, 100, 5_000]) {
        match load(tools, *devices, form.pick(2_000, 10_000)) {
            Ok(load) => {
                points.push((*devices as f64, load.per_second));
                table.row([
                    number(*devices as f64),
                    number(load.per_second),
                    number(load.median_us),
                    number(load.slow_us),
                    number(mib(load.memory)),
                    number(load.processor_us),
                ]);
            }
            Err(error) => section.notes.push(format!("{devices} devices: not run: {error:#}")),
        }
    }
    section.tables.push(table);
    section.plots.push(Plot {
        file: "emulator".into(),
        title: "The emulator".into(),
        unit: "requests a second".into(),
        kind: Kind::Lines { x: "devices".into(), lines: vec![("appends a second".into(), points)] },
    });
    Ok(section)
}

struct Load {
    per_second: f64,
    median_us: f64,
    slow_us: f64,
    memory: u64,
    processor_us: f64,
}

/// More than these do not keep their connections.
const MOST_KEPT: usize = 1_500;

/// One device: where it connects, its connection if it keeps one, and the bytes that it sends.
struct Device {
    address: SocketAddr,
    kept: Option<BufReader<TcpStream>>,
    keeps: bool,
    request: Vec<u8>,
}

fn load(tools: &Tools, devices: usize, requests: u64) -> Result<Load> {
    let folder = tempfile::tempdir_in(&tools.scratch)?;
    let emulator = Emulator::start(&tools.rowkeeper, folder.path(), Setup::NO_QUOTA)?;
    let tokens = emulator.sign_in()?;
    let token = tokens["access_token"].as_str().context("no token")?;
    let mut all: Vec<Device> = (0..devices)
        .map(|_| Device::new(emulator.address(), devices <= MOST_KEPT, &emulator.make_sheet(token)?, token))
        .collect::<Result<_>>()?;
    let before = meter::living(emulator.id())?;
    let done = AtomicU64::new(0);
    let share = devices.div_ceil(AT_ONCE.min(devices));
    let started = Instant::now();
    let times: Vec<Result<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = all
            .chunks_mut(share)
            .map(|mine| {
                let done = &done;
                scope.spawn(move || -> Result<Vec<f64>> {
                    let mut times = Vec::new();
                    loop {
                        for device in &mut *mine {
                            if done.fetch_add(1, Relaxed) >= requests {
                                return Ok(times);
                            }
                            let asked = Instant::now();
                            device.append()?;
                            times.push(asked.elapsed().as_secs_f64() * 1e6);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the load panicked"))).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    let mut each = Vec::new();
    for times in times {
        each.extend(times?);
    }
    each.sort_by(f64::total_cmp);
    let after = meter::living(emulator.id())?;
    Ok(Load {
        per_second: requests as f64 / seconds,
        median_us: each.iter().copied().collect::<Sample>().median(),
        slow_us: each.get(each.len() * 99 / 100).copied().unwrap_or(f64::NAN),
        memory: after.resident_bytes,
        processor_us: (after.processor - before.processor).as_secs_f64() * 1e6 / requests as f64,
    })
}

impl Device {
    fn new(address: SocketAddr, keeps: bool, sheet: &str, token: &str) -> Result<Self> {
        let body = r#"{"values":[["2026-11-22T08:00:00Z","bench",1,21.5,"a reading of the scale"]]}"#;
        let end = if keeps { "" } else { "Connection: close\r\n" };
        let request = format!(
            "POST /v4/spreadsheets/{sheet}/values/Log:append?valueInputOption=RAW HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{end}\r\n{body}",
            body.len()
        );
        Ok(Self { address, kept: None, keeps, request: request.into_bytes() })
    }

    fn append(&mut self) -> Result<()> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                BufReader::new(stream)
            }
        };
        connection.get_mut().write_all(&self.request)?;
        let (mut line, mut length) = (String::new(), 0);
        connection.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "answered {:?}", line.trim());
        loop {
            line.clear();
            connection.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body)?;
        self.kept = self.keeps.then_some(connection);
        Ok(())
    }
}
