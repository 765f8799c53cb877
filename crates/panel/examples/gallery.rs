//! Writes a picture of every screen on every size of glass: `cargo run -p rowkeeper-panel --example gallery -- DIR`.

use std::time::Duration;
use std::{env, fs, io, path::PathBuf};

use rowkeeper_panel::{Geometry, Look, Queue, Screen, SignIn, png, render};

fn sign_in(code: &str, address: &str, complete: Option<&str>) -> Screen {
    Screen::SignIn(SignIn {
        code: code.into(),
        address: address.into(),
        complete_address: complete.map(Into::into),
        time_left: Duration::from_secs(1800),
        reason: None,
    })
}

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "gallery".into()));
    fs::create_dir_all(&folder)?;
    let google = "https://www.google.com/device";
    let screens = [
        ("sign-in", sign_in("WDJB-MJHT", google, Some("https://www.google.com/device?user_code=WDJB-MJHT"))),
        ("widest", sign_in(&"W".repeat(15), "https://login.example.org/a/b/device-app", None)),
        (
            "ready",
            Screen::Ready {
                title: "Workshop".into(),
                lines: vec!["21.5 °C, door open".into(), "last row 14:03".into()],
                queue: Queue { waiting: 3, set_aside: 0 },
            },
        ),
        (
            "attention",
            Screen::Attention { title: "Sheet is gone".into(), advice: "Make a new one: rowkeeper sheet new".into() },
        ),
        (
            "menu",
            Screen::Menu {
                title: "Project".into(),
                items: ["Küche", "Мастерская", "Εργαστήριο", "Website", "倉庫"].map(String::from).into(),
                selected: 1,
            },
        ),
        ("connecting", Screen::Connecting { to: "www.google.com".into() }),
        ("message", Screen::Message("Goodbye, Zoë".into())),
    ];
    let sizes = [
        ("16x2", Geometry::LCD_16X2),
        ("20x4", Geometry::LCD_20X4),
        ("128x32", Geometry::OLED_128X32),
        ("128x64", Geometry::OLED_128X64),
        ("256x64", Geometry::OLED_256X64),
    ];
    for (name, screen) in &screens {
        for (size, geometry) in sizes {
            let frame = render(screen, geometry, Duration::ZERO);
            fs::write(folder.join(format!("{name}-{size}.png")), png(&frame, 4, Look::Glass))?;
        }
    }
    Ok(())
}
