//! Makes the pictures of the documentation: `cargo run -p rowkeeper-panel --example pictures -- FOLDER [--all]`.
//!
//! Without `--all` only the code screen on five displays; with it every screen, and a film.

use std::time::Duration;
use std::{env, fs, io, path::Path};

use rowkeeper_panel::{Geometry, Look, Queue, Screen, SignIn, animated_png, film, png, render};

const SIZES: [(&str, Geometry); 5] = [
    ("16x2", Geometry::LCD_16X2),
    ("20x4", Geometry::LCD_20X4),
    ("128x32", Geometry::OLED_128X32),
    ("128x64", Geometry::OLED_128X64),
    ("256x64", Geometry::OLED_256X64),
];

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let all = arguments.iter().any(|argument| argument == "--all");
    let Some(folder) = arguments.iter().find(|argument| *argument != "--all") else {
        return Err(io::Error::other("say into which folder"));
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    stills(folder, "code", &code())?;
    if all {
        for (name, screen) in others() {
            stills(folder, name, &screen)?;
        }
        let reel = film(&widest(), Geometry::LCD_16X2, Duration::ZERO..Duration::from_secs(30));
        fs::write(folder.join("film-16x2.png"), animated_png(&reel, 4, Look::Glass))?;
    }
    Ok(())
}

fn stills(folder: &Path, name: &str, screen: &Screen) -> io::Result<()> {
    for (size, geometry) in SIZES {
        let frame = render(screen, geometry, Duration::ZERO);
        fs::write(folder.join(format!("{name}-{size}.png")), png(&frame, 4, Look::Glass))?;
    }
    Ok(())
}

fn code() -> Screen {
    Screen::SignIn(SignIn {
        code: "WDJB-MJHT".into(),
        address: "https://www.google.com/device".into(),
        complete_address: Some("https://www.google.com/device?user_code=WDJB-MJHT".into()),
        time_left: Duration::from_secs(29 * 60),
        reason: None,
    })
}

/// The longest that Google may send: 15 of the widest letter, and an address of 40 characters.
fn widest() -> Screen {
    Screen::SignIn(SignIn {
        code: "W".repeat(15),
        address: "https://login.example.org/a/b/device-app".into(),
        complete_address: None,
        time_left: Duration::from_secs(1800),
        reason: Some("Access was withdrawn".into()),
    })
}

fn others() -> [(&'static str, Screen); 6] {
    let lines = vec!["21.5 °C, door open".into(), "last row 14:03".into()];
    let items = ["Küche", "Мастерская", "Εργαστήριο", "Website", "倉庫"].map(String::from);
    [
        ("widest", widest()),
        ("ready", Screen::Ready { title: "Workshop".into(), lines, queue: Queue { waiting: 3, set_aside: 0 } }),
        (
            "attention",
            Screen::Attention { title: "Sheet is gone".into(), advice: "Make a new one: rowkeeper sheet new".into() },
        ),
        ("menu", Screen::Menu { title: "Project".into(), items: items.into(), selected: 1, running: Some(2) }),
        ("connecting", Screen::Connecting { to: "www.google.com".into() }),
        ("message", Screen::Message("Goodbye, Zoë".into())),
    ]
}
