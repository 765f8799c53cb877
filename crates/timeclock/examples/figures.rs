//! What the clock takes: `cargo xtask gadget-figures`, which builds it and runs this with its path.
//!
//! The clock is the release build with glass, light and hands on pipes, so nothing of a GPIO or I2C driver is in its figures;
//! the display's driver is measured by itself, on wires with a simulated chip. Beside it the loop in `polling.py`.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{env, fs, thread};

use google_emulator::{Options, Server, ServerOptions};
use rowkeeper::clock::{Clock, Mono, SystemClock};
use rowkeeper_panel::chips::{Chip, Controller, Oled, Wires};
use rowkeeper_panel::drivers::{DisplaySize128x32, Driver, I2CDisplayInterface, Ssd1306, Turn};
use rowkeeper_panel::{Screen, next_change, render};
use timeclock::twin::Said;

type Outcome<T> = Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);
const OLED: u8 = 0x3c;
/// Idle and running are watched for this long.
const WATCHED: Duration = Duration::from_secs(60);
const LONG: &str = "A project whose name is far too long for any glass that a gadget has, and then some";
const PRESSES: usize = 20;
const SCROLLED: Duration = Duration::from_secs(10);

fn main() -> Outcome<()> {
    let words: Vec<String> = env::args().collect();
    let [_, clock, dir, polling] = &words[..] else { return Err("figures CLOCK DIRECTORY POLLING.PY".into()) };
    println!("{}\n", machine());
    let google = google()?;
    let mut gadget = Gadget::start(Path::new(clock), Path::new(dir), &google.url())?;
    gadget.signs_in()?;
    gadget.settles(Duration::from_secs(10));
    let idle = gadget.watched()?;
    let light = gadget.presses()?;
    // The list, and in it the long name. It is back at rest before it is left alone.
    gadget.does("press")?;
    gadget.settles(Duration::from_secs(1));
    gadget.does("turn 1")?;
    let scrolling = Used::within(gadget.process.id(), SCROLLED)?;
    let shown = gadget.said.try_iter().filter(|(_, said)| matches!(said, Said::Dots { .. })).count();
    gadget.does("turn -1")?;
    gadget.does("press")?;
    gadget.settles(Duration::from_secs(6));
    let running = gadget.watched()?;
    gadget.ends();
    let on_the_bus = on_the_bus()?;

    let old_idle = Polling::start(polling, "idle", WATCHED + Duration::from_secs(5))?.watched(WATCHED)?;
    let old_press = Polling::start(polling, "press", Duration::from_secs(20))?.says()?;
    let old_scrolling = Polling::start(polling, "scroll", SCROLLED + Duration::from_secs(2))?;
    let old_scroll_cpu = old_scrolling.process_watched(SCROLLED)?;
    let old_scroll = old_scrolling.says()?;

    let minute = |used: &Used| format!("{:.1} ms", used.processor.as_secs_f64() * 1000.0);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    println!("| | the clock | polling every 10 ms, in Python |\n|---|---|---|");
    println!("| idle: wake-ups a minute | {} | {} |", idle.wake_ups, old_idle.wake_ups);
    println!("| idle: processor time a minute | {} | {} |", minute(&idle), minute(&old_idle));
    println!("| something runs, light breathing: wake-ups a minute | {} | {} |", running.wake_ups, old_idle.wake_ups);
    println!("| something runs: processor time a minute | {} | {} |", minute(&running), minute(&old_idle));
    println!("| resident memory | {} | {} |", mib(running.resident), mib(old_idle.resident));
    println!(
        "| press to light, median and worst | {:.1} ms, {:.1} ms (on the disk by then) | {:.1} ms, {:.1} ms (seen by then; \
         nothing kept) |",
        light.0, light.1, old_press[2], old_press[3]
    );
    let seconds = SCROLLED.as_secs_f64();
    println!("| scrolling on 128x32: frames a second | {:.1} | {:.1} |", shown as f64 / seconds, old_scroll[0]);
    println!("| scrolling: bytes a second on the bus | {on_the_bus:.0} | {:.0} |", old_scroll[1]);
    let part = |used: &Used| used.processor.as_secs_f64() * 1000.0 / seconds;
    println!("| scrolling: processor time a second | {:.1} ms | {:.1} ms |", part(&scrolling), part(&old_scroll_cpu));
    Ok(())
}

fn now() -> Mono {
    SystemClock.mono()
}

fn google() -> Outcome<Server> {
    let model = Options { approve_as: Some("owner@example.com".into()), seed: 1, ..Options::default() };
    Ok(Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() })?)
}

fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} × {}, Linux {}; load when it began: {load}", model.unwrap_or("unknown"), kernel.trim())
}

/// What a process has taken since it began.
#[derive(Clone, Copy)]
struct Used {
    /// Times that one of its threads went to sleep, and so was woken.
    wake_ups: u64,
    processor: Duration,
    resident: u64,
}

impl Used {
    fn by(process: u32) -> Outcome<Self> {
        let (mut wake_ups, mut nanoseconds) = (0, 0);
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let task = task?.path();
            wake_ups += field(&fs::read_to_string(task.join("status"))?, "voluntary_ctxt_switches:");
            // Ticks, as in `stat`, are too coarse for the little that an idle clock does.
            let spent = fs::read_to_string(task.join("schedstat"))?;
            nanoseconds += spent.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
        let resident = field(&fs::read_to_string(format!("/proc/{process}/status"))?, "VmRSS:") * 1024;
        Ok(Self { wake_ups, processor: Duration::from_nanos(nanoseconds), resident })
    }

    fn within(process: u32, time: Duration) -> Outcome<Self> {
        let before = Self::by(process)?;
        thread::sleep(time);
        let after = Self::by(process)?;
        Ok(Self {
            wake_ups: after.wake_ups.saturating_sub(before.wake_ups),
            processor: after.processor.saturating_sub(before.processor),
            resident: after.resident,
        })
    }
}

fn field(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The clock, its hands, and what it says, with the time at which it was heard.
struct Gadget {
    process: Child,
    hands: ChildStdin,
    said: Receiver<(Mono, Said)>,
}

impl Gadget {
    fn start(clock: &Path, dir: &Path, google: &str) -> Outcome<Self> {
        _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        let config = dir.join("rowkeeper.toml");
        fs::write(&config, format!("[timeclock]\nprojects = [\"Website\", \"{LONG}\"]\n"))?;
        let mut command = Command::new(clock);
        command.args(["--twin", "--panel", "128x32", "--config"]).arg(config);
        command.arg("--state-dir").arg(dir.join("state")).env("ROWKEEPER_EMULATOR", google);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let (Some(hands), Some(out)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("no pipes".into());
        };
        let (to, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let heard = now();
                if let Ok(said) = serde_json::from_str(&line) {
                    _ = to.send((heard, said));
                }
            }
        });
        Ok(Self { process, hands, said })
    }

    fn does(&mut self, what: &str) -> Outcome<()> {
        writeln!(self.hands, "{what}")?;
        Ok(self.hands.flush()?)
    }

    /// Waits until it has its spreadsheet; the emulator approves by itself.
    fn signs_in(&self) -> Outcome<()> {
        loop {
            if let (_, Said::Standing(standing)) = self.said.recv_timeout(PATIENCE)?
                && standing.sheet.is_some()
            {
                return Ok(());
            }
        }
    }

    /// Lets it be, for at least this long, and forgets what it said.
    fn settles(&self, time: Duration) {
        thread::sleep(time);
        while self.said.try_recv().is_ok() {}
    }

    fn watched(&self) -> Outcome<Used> {
        Used::within(self.process.id(), WATCHED)
    }

    /// From the line that presses to the line with the first change of the light, which waits for the disk: median and
    /// worst, in milliseconds.
    fn presses(&mut self) -> Outcome<(f64, f64)> {
        let mut took = Vec::new();
        while took.len() < PRESSES {
            // With nothing running, the first press lists what there is. The light is steady.
            self.does("press")?;
            self.settles(Duration::from_millis(700));
            let pressed = now();
            self.does("press")?;
            let lit = loop {
                match self.said.recv_timeout(PATIENCE)? {
                    (heard, Said::Light(..)) => break heard,
                    _ => continue,
                }
            };
            took.push(lit.since(pressed).as_secs_f64() * 1000.0);
            self.settles(Duration::from_millis(500));
            self.does("press")?;
            // Stopped, and steady again.
            let mut quiet = now();
            while now().since(quiet) < Duration::from_secs(2) {
                match self.said.recv_timeout(Duration::from_millis(200)) {
                    Ok((heard, Said::Light(..))) => quiet = heard,
                    Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        took.sort_by(f64::total_cmp);
        Ok((took[took.len() / 2], took[took.len() - 1]))
    }

    fn ends(mut self) {
        drop(self.hands);
        _ = self.process.wait();
    }
}

/// The first clock's loop.
struct Polling(Child);

impl Polling {
    fn start(script: &str, what: &str, time: Duration) -> Outcome<Self> {
        let mut command = Command::new("python3");
        command.args([script, what, &time.as_secs().to_string()]).stdout(Stdio::piped());
        let running = Self(command.spawn()?);
        thread::sleep(Duration::from_secs(1));
        Ok(running)
    }

    fn process_watched(&self, time: Duration) -> Outcome<Used> {
        Used::within(self.0.id(), time)
    }

    fn watched(mut self, time: Duration) -> Outcome<Used> {
        let used = self.process_watched(time)?;
        self.0.wait()?;
        Ok(used)
    }

    /// Frames a second, bytes a second, and the time to a press: median and worst.
    fn says(self) -> Outcome<[f64; 4]> {
        let output = self.0.wait_with_output()?;
        let numbers: Result<Vec<f64>, _> =
            String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect();
        numbers?.try_into().map_err(|other| format!("not four numbers: {other:?}").into())
    }
}

/// Bytes a second of the same scroll by the display's driver: the same pictures at the same times, on wires.
fn on_the_bus() -> Outcome<f64> {
    let screen = Screen::Menu { title: "Start".into(), items: vec![LONG.into()], selected: 0, running: None };
    let wires = Wires::with(OLED, Chip::Oled(Oled::new(Controller::Ssd1306, 32)));
    let interface = I2CDisplayInterface::new_custom_address(wires.clone(), OLED);
    let mut driver = Ssd1306::new(interface, DisplaySize128x32, Turn::Upright);
    driver.start()?;
    driver.show(&render(&screen, driver.geometry(), Duration::ZERO))?;
    let (before, mut at) = (wires.traffic().bytes, Duration::ZERO);
    while let Some(next) = next_change(&screen, driver.geometry(), at).filter(|next| *next < SCROLLED) {
        at = next;
        driver.show(&render(&screen, driver.geometry(), at))?;
    }
    Ok((wires.traffic().bytes - before) as f64 / SCROLLED.as_secs_f64())
}
