//! The real command on a display that hangs on `/dev/i2c-1`: the device file is a preloaded stand-in, and what would be
//! on the glass is read from what the command put on the bus.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rowkeeper_panel::chips::{Chip, Controller, Oled};
use rowkeeper_panel::{Frame, Geometry, Screen, SignIn, render};
use rustix::process::Signal;

use crate::device::{Device, eventually};
use crate::google::Google;

/// The device, with an I2C bus on which one address answers.
fn with_bus(device: Device, address: &str) -> Device {
    let shim = device.home().join("i2c_shim.so");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/i2c_shim.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source).arg("-ldl").status();
    assert!(built.is_ok_and(|status| status.success()), "Rust itself needs cc");
    let (log, unplugged) = (device.home().join("i2c.log"), device.home().join("unplugged"));
    fs::write(&log, "").unwrap();
    device
        .with("LD_PRELOAD", shim.to_str().unwrap())
        .with("I2C_LOG", log.to_str().unwrap())
        .with("I2C_UNPLUGGED", unplugged.to_str().unwrap())
        .with("I2C_ADDRESS", address)
}

/// What a person sees on an SSD1306 that was sent all this.
fn glass(device: &Device) -> Frame {
    let mut chip = Chip::Oled(Oled::new(Controller::Ssd1306, 64));
    for line in fs::read_to_string(device.home().join("i2c.log")).unwrap().lines() {
        let bytes: Option<Vec<u8>> =
            (0..line.len()).step_by(2).map(|at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok()).collect();
        chip.write(&bytes.unwrap_or_default());
    }
    assert_eq!(chip.complaints(), [""; 0]);
    chip.picture()
}

#[test]
fn the_code_is_on_the_glass_and_leaves_it() {
    let google = Google::start();
    let device = with_bus(google.device(), "0x3c").configured("[panel]\nkind = \"ssd1306\"\n");
    let daemon = device.start(&["run"]);
    let code = google.code();
    // What is drawn for this code at some moment of its first minute; how, is the business of the panel's own tests.
    let status = device.status();
    let of = |key: &str| status["grant"]["code"][key].as_str().map(str::to_owned);
    let shown = |seconds: u64, minutes: u64| {
        let screen = Screen::SignIn(SignIn {
            code: code.clone(),
            address: of("verification_uri").unwrap(),
            complete_address: of("verification_uri_complete"),
            time_left: Duration::from_secs(minutes * 60),
            reason: None,
        });
        render(&screen, Geometry::OLED_128X64, Duration::from_secs(seconds))
    };
    eventually("the code on the glass", || {
        let seen = glass(&device);
        (28..=30).any(|minutes| (0..10).any(|seconds| shown(seconds, minutes) == seen)).then_some(())
    });
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    daemon.signal(Signal::TERM);
    daemon.end().exits(0);
    assert_eq!(glass(&device), Frame::blank(Geometry::OLED_128X64), "nothing stale stays");
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
