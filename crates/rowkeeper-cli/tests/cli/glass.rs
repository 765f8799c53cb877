//! The real command on a display that hangs on `/dev/i2c-1` or `/dev/spidev0.0`: the device files are preloaded
//! stand-ins, and what would be on the glass is read from what the command put on the wires.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use embedded_hal::digital::OutputPin;
use embedded_hal::i2c::I2c;
use embedded_hal::spi::SpiDevice;
use rowkeeper_panel::chips::{Chip, Controller, DataCommand, ON_SPI, Oled, Wires};
use rowkeeper_panel::{Frame, Geometry, Screen, SignIn, render};
use rustix::process::Signal;

use crate::device::{Device, eventually};
use crate::google::Google;

/// The device on a board without hardware.
fn on_board(device: Device) -> Device {
    let board = device.home().join("board.so");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gadget/tests/board.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&board).arg(source).arg("-ldl").status();
    assert!(built.is_ok_and(|status| status.success()), "Rust itself needs cc");
    let (log, unplugged) = (device.home().join("wires.log"), device.home().join("unplugged"));
    fs::write(&log, "").unwrap();
    device
        .with("LD_PRELOAD", board.to_str().unwrap())
        .with("BOARD_LOG", log.to_str().unwrap())
        .with("BOARD_UNPLUGGED", unplugged.to_str().unwrap())
}

/// An I2C bus on which one address answers.
fn with_bus(device: Device, address: &str) -> Device {
    on_board(device).with("BOARD_I2C", address)
}

/// What passed over the wires so far, in the words of the board.
fn wires_of(device: &Device) -> String {
    fs::read_to_string(device.home().join("wires.log")).unwrap()
}

/// Everything that was sent is sent to this chip. A line `power` is a plug that was pulled and put back.
fn sent_to(wires: &Wires, device: &Device) {
    let mut line_of_data = DataCommand(wires.clone());
    let mut bus = wires.clone();
    for line in wires_of(device).lines() {
        let (way, hex) = line.rsplit_once(' ').unwrap_or((line, ""));
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).filter_map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
        match way {
            "i 3c" => I2c::write(&mut bus, 0x3c, &bytes).unwrap(),
            "d" | "c" => {
                line_of_data.set_state((way == "d").into()).unwrap();
                SpiDevice::write(&mut bus, &bytes).unwrap();
            }
            "power" => {
                wires.unplug(true);
                wires.unplug(false);
            }
            // A display that is held in reset is told nothing.
            "reset" => {}
            other => panic!("{other} of {line}"),
        }
    }
}

/// What a person sees on an SSD1306 of 64 rows that was sent all this.
fn glass(device: &Device) -> Frame {
    shown_by(Controller::Ssd1306, 0x3c, device)
}

fn shown_by(controller: Controller, address: u8, device: &Device) -> Frame {
    let wires = Wires::with(address, Chip::Oled(Oled::new(controller, 64)));
    sent_to(&wires, device);
    let chip = wires.chip(address).unwrap();
    assert_eq!(chip.complaints(), [""; 0]);
    chip.picture()
}

/// Whether a picture is what is drawn for the code that waits, at some moment of its first minute; how, is the business
/// of the panel's own tests.
fn is_the_code(seen: &Frame, device: &Device) -> bool {
    let status = device.status();
    let of = |key: &str| status["grant"]["code"][key].as_str().map(str::to_owned);
    // The owner's side may know of the code before the device has written it down.
    let (Some(code), Some(address)) = (of("user_code"), of("verification_uri")) else { return false };
    let shown = |seconds: u64, minutes: u64| {
        let screen = Screen::SignIn(SignIn {
            code: code.clone(),
            address: address.clone(),
            complete_address: of("verification_uri_complete"),
            time_left: Duration::from_secs(minutes * 60),
            reason: None,
        });
        render(&screen, Geometry::OLED_128X64, Duration::from_secs(seconds))
    };
    (28..=30).any(|minutes| (0..10).any(|seconds| shown(seconds, minutes) == *seen))
}

#[test]
fn the_code_is_on_the_glass_and_leaves_it() {
    let google = Google::start();
    let device = with_bus(google.device(), "0x3c").configured("[panel]\nkind = \"ssd1306\"\n");
    let daemon = device.start(&["run"]);
    google.code();
    eventually("the code on the glass", || is_the_code(&glass(&device), &device).then_some(()));
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    daemon.signal(Signal::TERM);
    daemon.end().exits(0);
    assert_eq!(glass(&device), Frame::blank(Geometry::OLED_128X64), "nothing stale stays");
}

/// The whole way to a display on SPI: its chip select is the device file's, data and commands are told apart by a line,
/// and another line that resets it is held up for as long as it is used.
#[test]
fn the_code_is_on_a_glass_on_spi_with_its_lines() {
    for (kind, controller) in [("ssd1306", Controller::Ssd1306), ("sh1106", Controller::Sh1106)] {
        let google = Google::start();
        let toml =
            format!("[panel]\nkind = \"{kind}\"\nbus = \"/dev/spidev0.0\"\ndata_command_line = 24\nreset_line = 25\n");
        let device = on_board(google.device()).with("BOARD_DC", "24").with("BOARD_RESET", "25").configured(&toml);
        let daemon = device.start(&["run"]);
        google.code();
        let seen = || shown_by(controller, ON_SPI, &device);
        eventually("the code on the glass", || is_the_code(&seen(), &device).then_some(()));
        let said = wires_of(&device);
        let began: Vec<_> = said.lines().take_while(|line| line.starts_with("reset")).collect();
        assert_eq!(began, ["reset up", "reset down", "reset up"], "{kind} is reset before it is told anything");
        assert!(said.lines().all(|line| !line.starts_with("r ")), "{kind} was told something while held in reset");
        daemon.signal(Signal::TERM);
        daemon.end().exits(0);
        assert_eq!(seen(), Frame::blank(Geometry::OLED_128X64), "nothing stale stays");
    }
}

#[test]
fn a_code_that_was_denied_or_given_up_leaves_nothing_on_the_glass() {
    let google = Google::start();
    for (ends, exit) in [("denied", 3), ("stopped", 75)] {
        let device = with_bus(google.device(), "0x3c").configured("[panel]\nkind = \"ssd1306\"\n");
        let sign_in = device.start(&["sign-in", "--json"]);
        let told = sign_in.line(|line| line.contains("\"user_code\""));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        eventually("the code on the glass", || is_the_code(&glass(&device), &device).then_some(()));
        match ends {
            "denied" => google.model(|model| model.deny(told["user_code"].as_str().unwrap())).unwrap(),
            _ => sign_in.signal(Signal::INT),
        }
        sign_in.end().exits(exit);
        assert_eq!(glass(&device), Frame::blank(Geometry::OLED_128X64), "{ends}");
    }
}

/// The animated picture: something moves in it, a phone reads its QR code, and it is gone with the code.
#[test]
fn an_animated_picture_is_scanned_and_does_not_outlive_its_code() {
    let google = Google::start();
    let device = google.device().configured("[panel]\nkind = \"apng=glass.png\"\n");
    let daemon = device.start(&["run"]);
    google.code();
    let scanned = || {
        let mut picture = png::Decoder::new(std::io::Cursor::new(fs::read(device.home().join("glass.png")).ok()?));
        picture.set_transformations(png::Transformations::EXPAND);
        let mut reader = picture.read_info().ok()?;
        let frames = reader.info().animation_control().map_or(1, |control| control.num_frames);
        let mut pixels = vec![0; reader.output_buffer_size()?];
        let mut found = None;
        for _ in 0..frames {
            let info = reader.next_frame(&mut pixels).unwrap();
            let (width, height, line) = (info.width as usize, info.height as usize, info.line_size);
            let bright = |x: usize, y: usize| pixels[y * line + x * (line / width)];
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, bright);
            found = found.or(image.detect_grids().first().and_then(|grid| Some(grid.decode().ok()?.1)));
        }
        Some((frames, found))
    };
    let (frames, address) = eventually("a picture with a code", || scanned().filter(|(_, found)| found.is_some()));
    assert!(frames > 1, "the words below the code take turns");
    assert_eq!(address, device.status()["grant"]["code"]["verification_uri"].as_str().map(str::to_owned));
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    eventually("a picture without it", || scanned().filter(|(_, found)| found.is_none()));
    daemon.signal(Signal::TERM);
    daemon.end().exits(0);
}

#[test]
fn a_line_that_cannot_be_had_is_named_with_what_to_do() {
    let google = Google::start();
    let toml = "[panel]\nkind = \"ssd1306\"\nbus = \"/dev/spidev0.0\"\ndata_command_line = 24\n";
    for (errno, says) in [("16", "another program has it"), ("13", "sudo usermod -aG gpio USER")] {
        let device = on_board(google.device()).with("BOARD_REFUSES", errno).configured(toml);
        let daemon = device.start(&["run"]);
        let line = daemon.line(|line| line.contains("/dev/gpiochip0 line 24: "));
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn a_display_at_another_address_is_found_and_one_that_is_gone_stops_nothing() {
    let google = Google::start();
    let device = with_bus(google.device(), "0x3d").configured("[panel]\nkind = \"ssd1306\"\n");
    let mut daemon = device.start(&["run"]);
    daemon.line(|line| line.contains("/dev/i2c-1: no device answers at 0x3c; one answers at 0x3d: set address = 0x3d"));
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    device.record(&["a=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    assert!(daemon.is_running());
}

/// The plug is pulled while the code is shown, the owner signs in and records meanwhile, and what comes back is the
/// picture of now, whole, on a chip that has forgotten everything.
#[test]
fn a_display_that_is_unplugged_stops_nothing_and_comes_back_whole() {
    let google = Google::start();
    let device = with_bus(google.device(), "0x3c").configured("[panel]\nkind = \"ssd1306\"\n");
    let mut daemon = device.start(&["run"]);
    google.code();
    eventually("the code on the glass", || is_the_code(&glass(&device), &device).then_some(()));

    device.write("unplugged", b"");
    google.approve();
    daemon.line(|line| line.contains("no device answers at 0x3c"));
    daemon.line(|line| line.contains("signed in"));
    for value in ["a=1", "a=2", "a=3"] {
        device.record(&[value]);
    }
    eventually("the rows", || (google.rows("records").len() == 3).then_some(()));

    let before = wires_of(&device);
    device.write("wires.log", (before + "power\n").as_bytes());
    fs::remove_file(device.home().join("unplugged")).unwrap();
    let title = device.status()["sheet"]["title"].as_str().unwrap().to_owned();
    let ready = Screen::Ready { title, lines: Vec::new(), queue: rowkeeper_panel::Queue::EMPTY };
    let wanted = render(&ready, Geometry::OLED_128X64, Duration::ZERO);
    eventually("the picture of now", || (glass(&device) == wanted).then_some(()));
    assert!(daemon.is_running());
}
