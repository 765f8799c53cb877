//! Every QR code that is drawn is read back by a decoder that shares nothing with the encoder, also from PNG.

use std::time::Duration;

use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Bitmap, Frame, Geometry, Look, Screen, SignIn, animated_png, film, png, render};

const COMPLETE: &str = "https://www.google.com/device?user_code=WDJB-MJHT";

fn sign_in(code: &str, address: &str, complete: Option<&str>) -> Screen {
    Screen::SignIn(SignIn {
        code: code.into(),
        address: address.into(),
        complete_address: complete.map(Into::into),
        time_left: Duration::from_secs(1800),
        reason: None,
    })
}

/// What a camera reads from a picture, given as brightness.
fn read(width: usize, height: usize, brightness: impl FnMut(usize, usize) -> u8) -> Option<String> {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, brightness);
    let grids = image.detect_grids();
    grids.first().and_then(|grid| grid.decode().ok()).map(|(_, content)| content)
}

fn read_dots(dots: &Bitmap) -> Option<String> {
    // Each dot is 3x3 pixels to the camera, which stands a little away: dark all around.
    let (width, height) = (usize::from(dots.width()), usize::from(dots.height()));
    read(
        3 * (width + 8),
        3 * (height + 8),
        |x, y| {
            if dots.is_lit(x as i32 / 3 - 4, y as i32 / 3 - 4) { 255 } else { 0 }
        },
    )
}

fn read_frame(screen: &Screen, geometry: Geometry) -> Option<String> {
    match render(screen, geometry, Duration::ZERO) {
        Frame::Pixels(dots) => read_dots(&dots),
        Frame::Characters(_) => None,
    }
}

#[test]
fn a_phone_reads_the_address_with_the_code_in_it() {
    let google = "https://www.google.com/device";
    let too_long = format!("{google}?user_code=WDJB-MJHT&and=more");
    for (complete, expected) in [(Some(COMPLETE), COMPLETE), (None, google), (Some(&*too_long), google)] {
        let screen = sign_in("WDJB-MJHT", google, complete);
        let paper = Geometry::Pixels { width: 400, height: 300 };
        for geometry in [Geometry::OLED_128X64, Geometry::OLED_256X64, paper] {
            assert_eq!(read_frame(&screen, geometry).as_deref(), Some(expected), "{geometry:?}");
        }
        assert_eq!(read_frame(&screen, Geometry::OLED_128X32), None, "one dot a module cannot be photographed");
    }
}

#[test]
fn nothing_is_drawn_that_would_not_fit_its_glass() {
    let long = format!("https://login.example.org/{}", "x".repeat(60));
    assert_eq!(read_frame(&sign_in("WDJB-MJHT", &long, None), Geometry::OLED_256X64), None);
}

#[test]
fn the_picture_of_the_glass_can_be_scanned_from_a_page() {
    let frame = render(
        &sign_in("WDJB-MJHT", "https://www.google.com/device", Some(COMPLETE)),
        Geometry::OLED_128X64,
        Duration::ZERO,
    );
    for (scale, look) in [(1, Look::Bare), (3, Look::Bare), (4, Look::Glass), (6, Look::Glass)] {
        let bytes = png(&frame, scale, look);
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (info.width as usize, info.height as usize);
        let bytes_a_pixel = info.line_size / width;
        let read = read(width, height, |x, y| pixels[y * info.line_size + x * bytes_a_pixel]);
        assert_eq!(read.as_deref(), Some(COMPLETE), "scale {scale}, {look:?}");
    }
}

#[test]
fn a_phone_reads_the_terminal() {
    let screen = sign_in("WDJB-MJHT", "https://www.google.com/device", Some(COMPLETE));
    for columns in [40, 80, 120] {
        for colour in [Colour::Never, Colour::Ansi] {
            let style = Style { columns, rows: None, charset: Charset::Unicode, colour };
            let text = terminal::paint(&screen, &style, Duration::ZERO);
            assert_eq!(read_terminal(&text).as_deref(), Some(COMPLETE), "{columns} columns, {colour:?}\n{text}");
        }
    }
}

/// The terminal as a camera sees it: light letters on a dark ground, except where escape sequences say otherwise.
fn read_terminal(text: &str) -> Option<String> {
    let rows: Vec<Vec<[bool; 2]>> = text
        .lines()
        .map(|line| {
            let mut halves = vec![];
            let mut dark_on_light = false;
            let mut chars = line.chars();
            while let Some(c) = chars.next() {
                let lit = match c {
                    '\x1b' => {
                        let sequence: String = chars.by_ref().take_while(|c| *c != 'm').collect();
                        dark_on_light = sequence.ends_with("48;5;231");
                        continue;
                    }
                    '█' => [true, true],
                    '▀' => [true, false],
                    '▄' => [false, true],
                    _ => [false, false],
                };
                halves.push(lit.map(|lit| lit != dark_on_light));
            }
            halves
        })
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    read(4 * columns, 8 * rows.len(), |x, y| {
        let lit = rows[y / 8].get(x / 4).is_some_and(|halves| halves[y / 4 % 2]);
        if lit { 255 } else { 0 }
    })
}

#[test]
fn a_film_is_every_picture_for_as_long_as_it_stays() {
    let screen =
        Screen::Message("one two three four five six seven eight nine ten eleven twelve thirteen fourteen".into());
    let reel = film(&screen, Geometry::LCD_16X2, Duration::ZERO..Duration::from_secs(6));
    let stays: Vec<_> = reel.iter().map(|(_, stays)| stays.as_millis()).collect();
    assert_eq!(stays, [2500, 2500, 1000]);
    let bytes = animated_png(&reel, 1, Look::Bare);
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    assert_eq!(reader.info().animation_control().map(|control| control.num_frames), Some(3));
    // A picture is laid over the one before, from its own row on: what is seen then is what a still picture shows.
    let mut seen = vec![0; reader.output_buffer_size().unwrap()];
    for (frame, _) in &reel {
        let mut part = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut part).unwrap();
        let top = reader.info().frame_control().map_or(0, |control| control.y_offset as usize);
        seen[top * info.line_size..][..info.buffer_size()].copy_from_slice(&part[..info.buffer_size()]);
        let still = png(frame, 1, Look::Bare);
        let mut still = png::Decoder::new(std::io::Cursor::new(still)).read_info().unwrap();
        let mut whole = vec![0; still.output_buffer_size().unwrap()];
        still.next_frame(&mut whole).unwrap();
        assert_eq!(seen, whole, "\n{frame}");
    }
    assert!(animated_png(&[], 1, Look::Bare).is_empty());
}
