//! Each driver against its chip: what would be on the glass is the picture that was drawn, and little travels.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::time::Duration;

use rowkeeper_panel::chips::{CharacterLcd, Chip, Controller, DataCommand, ON_SPI, Oled, Wires};
use rowkeeper_panel::drivers::{
    DisplaySize128x32, DisplaySize128x64, Driver, Hd44780, I2CDisplayInterface, SPIInterface, Sh1106, Ssd1306, Turn,
};
use rowkeeper_panel::{Bitmap, Face, Frame, Geometry, Glow, Queue, Screen, SignIn, next_change, render};

const OLED: u8 = 0x3c;
const LCD: u8 = 0x27;

fn i2c(wires: &Wires) -> impl display_interface::WriteOnlyDataCommand + Send + use<> {
    I2CDisplayInterface::new_custom_address(wires.clone(), OLED)
}

fn spi(wires: &Wires) -> impl display_interface::WriteOnlyDataCommand + Send + use<> {
    SPIInterface::new(wires.clone(), DataCommand(wires.clone()))
}

/// Its name, its wires, its address, its driver, and how it is mounted.
type Display = (&'static str, Wires, u8, Box<dyn Driver>, Turn);

/// A display of each kind, on wires of its own.
fn displays() -> Vec<Display> {
    use Controller::{Sh1106 as SH1106, Ssd1306 as SSD1306};
    let oled = |controller, height, address| Wires::with(address, Chip::Oled(Oled::new(controller, height)));
    let lcd = |columns, rows| Wires::with(LCD, Chip::Lcd(CharacterLcd::new(columns, rows)));
    let mut displays: Vec<Display> = vec![];
    for turn in [Turn::Upright, Turn::UpsideDown] {
        let wires = oled(SSD1306, 64, OLED);
        let driver = Ssd1306::new(i2c(&wires), DisplaySize128x64, turn);
        displays.push(("ssd1306 128x64", wires, OLED, Box::new(driver), turn));
        let wires = oled(SSD1306, 32, OLED);
        let driver = Ssd1306::new(i2c(&wires), DisplaySize128x32, turn);
        displays.push(("ssd1306 128x32", wires, OLED, Box::new(driver), turn));
        let wires = oled(SSD1306, 64, ON_SPI);
        let driver = Ssd1306::new(spi(&wires), DisplaySize128x64, turn);
        displays.push(("ssd1306 on SPI", wires, ON_SPI, Box::new(driver), turn));
        let wires = oled(SH1106, 64, OLED);
        displays.push(("sh1106", wires.clone(), OLED, Box::new(Sh1106::new(i2c(&wires), turn)), turn));
        let wires = oled(SH1106, 64, ON_SPI);
        displays.push(("sh1106 on SPI", wires.clone(), ON_SPI, Box::new(Sh1106::new(spi(&wires), turn)), turn));
    }
    for (name, columns, rows) in [("hd44780 16x2", 16, 2), ("hd44780 20x4", 20, 4)] {
        let wires = lcd(columns, rows);
        let driver = Hd44780::new(wires.clone(), LCD, wires.clone(), columns, rows);
        displays.push((name, wires, LCD, Box::new(driver), Turn::Upright));
    }
    displays
}

fn upside_down(frame: Frame) -> Frame {
    let Frame::Pixels(dots) = frame else { return frame };
    let mut turned = Bitmap::new(dots.width(), dots.height());
    let (right, bottom) = (i32::from(dots.width()) - 1, i32::from(dots.height()) - 1);
    for y in 0..=bottom {
        for x in 0..=right {
            turned.set(right - x, bottom - y, dots.is_lit(x, y));
        }
    }
    Frame::Pixels(turned)
}

fn mounted(frame: Frame, turn: Turn) -> Frame {
    if turn == Turn::UpsideDown { upside_down(frame) } else { frame }
}

fn sign_in(code: &str) -> Screen {
    Screen::SignIn(SignIn {
        code: code.into(),
        address: "https://www.google.com/device".into(),
        complete_address: Some("https://www.google.com/device?user_code=WDJB-MJHT".into()),
        time_left: Duration::from_secs(1800),
        reason: Some("Access was withdrawn".into()),
    })
}

fn screens() -> Vec<Screen> {
    let items = ["Küche", "Мастерская", "A long name of a project that scrolls", "倉庫"].map(String::from);
    let lines = vec!["21.5 °C ~ \\o/".into(), "since 08:59".into()];
    vec![
        sign_in("WDJB-MJHT"),
        sign_in("WWWWWWWWWWWWWWW"),
        sign_in("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        Screen::Menu { title: "Project".into(), items: items.into(), selected: 2, running: Some(1) },
        Screen::Clock {
            title: "Küche umbauen".into(),
            face: Face::Elapsed(Duration::from_secs(3599)),
            lines,
            queue: Queue { waiting: 3, set_aside: 0 },
        },
        Screen::Attention { title: "Sheet is gone".into(), advice: "Make a new one: rowkeeper sheet new".into() },
        Screen::Message("Goodbye, Zoë".into()),
        Screen::Blank,
    ]
}

#[test]
fn the_glass_shows_what_was_drawn() {
    for (name, wires, address, mut driver, turn) in displays() {
        driver.start().unwrap();
        for screen in screens() {
            let mut at = Duration::ZERO;
            // Every change of the first seconds, one partial update after the other.
            for _ in 0..16 {
                let frame = render(&screen, driver.geometry(), at);
                driver.show(&frame).unwrap();
                let seen = wires.chip(address).unwrap().picture();
                let meant = mounted(frame, turn);
                assert!(seen == meant, "{name}, {turn:?}, {screen:?} after {at:?}:\n{seen}\nis not\n{meant}");
                match next_change(&screen, driver.geometry(), at) {
                    Some(next) if next < Duration::from_secs(60) => at = next,
                    _ => break,
                }
            }
        }
        assert_eq!(wires.chip(address).unwrap().complaints(), [""; 0], "{name}");
    }
}

#[test]
fn a_display_in_any_state_is_brought_into_ours() {
    for (name, wires, address, mut driver, turn) in displays() {
        // As another program left it: scrolled, inverted, in the middle of a command, with its lower half byte to come.
        let mut wires_of_another = wires.clone();
        for bytes in [&[0x00, 0xa7, 0xa5, 0x45, 0xd3, 0x07, 0xae][..], &[0x04, 0x00, 0x34], &[0x30]] {
            _ = embedded_hal::i2c::I2c::write(&mut wires_of_another, address, bytes);
        }
        driver.start().unwrap();
        let frame = render(&sign_in("WDJB-MJHT"), driver.geometry(), Duration::ZERO);
        driver.show(&frame).unwrap();
        assert_eq!(wires.chip(address).unwrap().picture(), mounted(frame, turn), "{name}");
    }
}

#[test]
fn a_display_that_was_unplugged_shows_all_of_it_again() {
    for (name, wires, address, mut driver, turn) in displays() {
        let frame = render(&sign_in("WDJB-MJHT"), driver.geometry(), Duration::ZERO);
        driver.start().unwrap();
        driver.show(&frame).unwrap();
        wires.unplug(true);
        let other = render(&Screen::Message("Goodbye".into()), driver.geometry(), Duration::ZERO);
        // SPI has no way to notice.
        assert_eq!(driver.show(&other).is_err(), address != ON_SPI, "{name}");
        wires.unplug(false);
        driver.start().unwrap();
        assert_eq!(wires.chip(address).unwrap().picture(), Frame::blank(driver.geometry()), "{name}: noise");
        driver.show(&frame).unwrap();
        assert_eq!(wires.chip(address).unwrap().picture(), mounted(frame, turn), "{name}");
    }
}

/// A loose wire: the power was away between two pictures, so no transfer failed.
#[test]
fn a_display_that_lost_its_power_unnoticed_comes_back_when_it_is_told_all_again() {
    for (name, wires, address, mut driver, turn) in displays() {
        let frame = render(&sign_in("WDJB-MJHT"), driver.geometry(), Duration::ZERO);
        driver.start().unwrap();
        driver.show(&frame).unwrap();
        driver.renew().unwrap();
        driver.glow(Glow::Full).unwrap();
        assert_eq!(wires.chip(address).unwrap().picture(), mounted(frame.clone(), turn), "{name}: it stayed");
        wires.unplug(true);
        wires.unplug(false);
        driver.show(&frame).unwrap();
        assert_ne!(wires.chip(address).unwrap().picture(), mounted(frame.clone(), turn), "{name} knows it all");
        // It was told to go on in a language that it had forgotten.
        let complaints = wires.chip(address).unwrap().complaints().to_vec();
        driver.renew().unwrap();
        driver.show(&frame).unwrap();
        driver.glow(Glow::Full).unwrap();
        assert_eq!(wires.chip(address).unwrap().picture(), mounted(frame, turn), "{name}");
        assert_eq!(wires.chip(address).unwrap().complaints(), complaints, "{name}");
    }
}

#[test]
fn the_glow_is_obeyed_and_dark_loses_nothing() {
    for (name, wires, address, mut driver, turn) in displays() {
        let frame = render(&sign_in("WDJB-MJHT"), driver.geometry(), Duration::ZERO);
        driver.start().unwrap();
        driver.show(&frame).unwrap();
        let contrast = || match wires.chip(address).unwrap() {
            Chip::Oled(oled) => oled.contrast(),
            Chip::Lcd(lcd) => lcd.backlight().then_some(1),
        };
        let full = contrast();
        driver.glow(Glow::Dim).unwrap();
        assert!(contrast().is_some() && contrast() <= full, "{name}: {:?} after {full:?}", contrast());
        driver.glow(Glow::Dark).unwrap();
        assert_eq!(contrast(), None, "{name}");
        driver.glow(Glow::Full).unwrap();
        assert_eq!((contrast(), wires.chip(address).unwrap().picture()), (full, mounted(frame, turn)), "{name}");
    }
}

#[test]
fn nothing_travels_when_nothing_changed() {
    for (name, wires, _, mut driver, _) in displays() {
        let frame = render(&sign_in("WDJB-MJHT"), driver.geometry(), Duration::ZERO);
        driver.start().unwrap();
        driver.show(&frame).unwrap();
        let before = wires.traffic();
        driver.show(&frame).unwrap();
        assert_eq!(wires.traffic(), before, "{name}");
    }
}

/// Bytes on the bus in ten seconds of motion, and pictures shown.
fn ten_seconds(wires: &Wires, driver: &mut dyn Driver, screen: &Screen) -> (u64, u32) {
    driver.start().unwrap();
    driver.show(&render(screen, driver.geometry(), Duration::ZERO)).unwrap();
    let (before, mut at, mut frames) = (wires.traffic().bytes, Duration::ZERO, 0);
    while let Some(next) = next_change(screen, driver.geometry(), at).filter(|next| *next < Duration::from_secs(10)) {
        at = next;
        driver.show(&render(screen, driver.geometry(), at)).unwrap();
        frames += 1;
    }
    (wires.traffic().bytes - before, frames)
}

/// The most that a scroll may put on the bus a second. A bus of 100 kHz carries 11,000 bytes, one of 400 kHz 44,000.
#[test]
fn a_scrolling_line_leaves_the_bus_room() {
    let long = "A project whose name is far too long for any glass that a gadget has, and then some";
    let menu = |selected| Screen::Menu {
        title: "Project".into(),
        items: vec![long.into(), "Garden".into()],
        selected,
        running: None,
    };
    for (name, wires, _, mut driver, _) in displays() {
        let whole = match driver.geometry() {
            Geometry::Pixels { width, height } => u64::from(width) * u64::from(height) / 8,
            Geometry::Characters { columns, rows } => u64::from(columns) * u64::from(rows) * 5,
        };
        let (bytes, frames) = ten_seconds(&wires, &mut *driver, &menu(0));
        println!("{name}: scrolling {} bytes/s, {} frames in 10 s", bytes / 10, frames);
        assert!(frames >= 20, "{name} moves");
        assert!(bytes / u64::from(frames) < whole * 3 / 5, "{name}: {bytes} bytes in {frames} frames of {whole}");
        assert!(bytes / 10 < 7_500, "{name}: {} bytes/s", bytes / 10);
        let (bytes, frames) = ten_seconds(&wires, &mut *driver, &menu(1));
        assert_eq!((bytes, frames), (0, 0), "{name}: what stands still costs nothing");
    }
}
