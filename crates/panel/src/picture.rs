//! Frames as PNG, still and animated, for screens without glass and for the documentation.

use std::ops::Range;
use std::time::Duration;

use crate::frame::{Bitmap, Frame, Geometry};
use crate::screen::Screen;
use crate::{next_change, render};

/// What surrounds the dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As it would look on the desk: dark glass in a frame for dots, a lit LCD for characters.
    Glass,
    /// The dots alone, white on black.
    Bare,
}

/// The frame as a PNG, every dot `scale` pixels wide (1 to 32; others are brought into that range).
pub fn png(frame: &Frame, scale: u8, look: Look) -> Vec<u8> {
    let canvas = Canvas::of(frame, scale, look);
    let mut bytes = vec![];
    let written = canvas.encoder(&mut bytes).write_header().and_then(|mut png| png.write_image_data(&canvas.pixels));
    debug_assert!(written.is_ok(), "{written:?}"); // A vector takes every byte; the rest is in the tests.
    bytes
}

/// What `screen` shows in that time, counted from when it was first shown: every picture and how long it stays.
pub fn film(screen: &Screen, geometry: Geometry, time: Range<Duration>) -> Vec<(Frame, Duration)> {
    let mut film = vec![];
    let mut at = time.start;
    while at < time.end {
        let next = next_change(screen, geometry, at).map_or(time.end, |next| next.min(time.end));
        film.push((render(screen, geometry, at), next - at));
        at = next;
    }
    film
}

/// A [`film`] as an animated PNG that runs for ever. Viewers that know no animation show its first picture.
///
/// All frames must be of one size, as those of a film are; others are left out. No frames, no picture: the
/// bytes are empty.
pub fn animated_png(film: &[(Frame, Duration)], scale: u8, look: Look) -> Vec<u8> {
    let mut pictures = film.iter().map(|(frame, stays)| (Canvas::of(frame, scale, look), *stays));
    let Some(first) = pictures.next() else { return vec![] };
    let same_size = pictures.filter(|(canvas, _)| (canvas.width, canvas.height) == (first.0.width, first.0.height));
    let pictures: Vec<_> = same_size.collect();
    let mut bytes = vec![];
    let written = first.0.encode_with(&pictures, first.1, &mut bytes);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// Colours and measures of a display, in RGB and in dots.
struct Scene {
    lit: [u8; 3],
    /// Where one lit dot meets the next; close to `lit`, so that a camera still sees one area.
    seam: [u8; 3],
    dark: [u8; 3],
    bezel: [u8; 3],
    /// Dark glass around the dots.
    glass: usize,
    /// The frame around the glass.
    frame: usize,
}

const BARE: Scene = Scene { lit: [255; 3], seam: [255; 3], dark: [0; 3], bezel: [0; 3], glass: 0, frame: 0 };

const OLED: Scene =
    Scene { lit: [214, 240, 255], seam: [160, 190, 210], dark: [8, 10, 14], bezel: [38, 42, 48], glass: 4, frame: 3 };

const LCD: Scene =
    Scene { lit: [240, 246, 255], seam: [200, 214, 245], dark: [24, 62, 190], bezel: [30, 30, 32], glass: 5, frame: 4 };

/// Palette indices.
const LIT: u8 = 0;
const SEAM: u8 = 1;
const DARK: u8 = 2;
const BEZEL: u8 = 3;
const OUTSIDE: u8 = 4;

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    palette: Vec<u8>,
}

impl Canvas {
    fn of(frame: &Frame, scale: u8, look: Look) -> Self {
        let scene = match (look, frame) {
            (Look::Bare, _) => BARE,
            (Look::Glass, Frame::Pixels(_)) => OLED,
            (Look::Glass, Frame::Characters(_)) => LCD,
        };
        Self::paint(&frame.to_bitmap(), usize::from(scale.clamp(1, 32)), &scene)
    }

    fn paint(dots: &Bitmap, scale: usize, scene: &Scene) -> Self {
        let border = scene.glass + scene.frame;
        // PNG knows no empty picture.
        let width = ((usize::from(dots.width()) + 2 * border) * scale).max(1);
        let height = ((usize::from(dots.height()) + 2 * border) * scale).max(1);
        let corner = scene.frame * scale;
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let inset = |at: usize, length: usize| at.min(length - 1 - at);
                let (from_side, from_end) = (inset(x, width), inset(y, height));
                let dot = |at: usize| (at / scale) as i32 - border as i32;
                pixels.push(if dots.is_lit(dot(x), dot(y)) {
                    if scale > 2 && (x % scale == scale - 1 || y % scale == scale - 1) { SEAM } else { LIT }
                } else if from_side.min(from_end) >= scene.frame * scale {
                    DARK
                } else if is_cut_off(from_side, from_end, corner) {
                    OUTSIDE
                } else {
                    BEZEL
                });
            }
        }
        let palette = [scene.lit, scene.seam, scene.dark, scene.bezel, [0; 3]].concat();
        Self { width, height, pixels, palette }
    }

    fn encoder<'a>(&'a self, bytes: &'a mut Vec<u8>) -> png::Encoder<'a, &'a mut Vec<u8>> {
        let mut encoder = png::Encoder::new(bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette.as_slice());
        encoder.set_trns([255, 255, 255, 255, 0].as_slice());
        encoder
    }

    fn encode_with(
        &self,
        others: &[(Self, Duration)],
        stays: Duration,
        bytes: &mut Vec<u8>,
    ) -> Result<(), png::EncodingError> {
        let mut encoder = self.encoder(bytes);
        encoder.set_animated(1 + others.len() as u32, 0)?;
        let mut png = encoder.write_header()?;
        let delay = |stays: Duration| (u16::try_from(stays.as_millis()).unwrap_or(u16::MAX), 1000);
        png.set_frame_delay(delay(stays).0, delay(stays).1)?;
        png.write_image_data(&self.pixels)?;
        let mut before = self;
        for (canvas, stays) in others {
            // Over the picture before, only the rows that are others now: a scroll is one line of many.
            let rows = canvas.changed_rows(before);
            png.set_frame_delay(delay(*stays).0, delay(*stays).1)?;
            png.reset_frame_position()?;
            png.set_frame_dimension(self.width as u32, rows.len() as u32)?;
            png.set_frame_position(0, rows.start as u32)?;
            png.write_image_data(&canvas.pixels[rows.start * self.width..rows.end * self.width])?;
            before = canvas;
        }
        png.finish()
    }

    /// From the first to the last row that differs; never none, for no picture is empty.
    fn changed_rows(&self, before: &Self) -> Range<usize> {
        let differs = |row: &usize| {
            let row = row * self.width..(row + 1) * self.width;
            self.pixels.get(row.clone()) != before.pixels.get(row)
        };
        let first = (0..self.height).find(differs).unwrap_or(0);
        first..(first..self.height).rfind(differs).unwrap_or(first) + 1
    }
}

/// Outside of the quarter circle that rounds a corner.
fn is_cut_off(from_side: usize, from_end: usize, radius: usize) -> bool {
    if from_side >= radius || from_end >= radius {
        return false;
    }
    let (x, y) = (radius - from_side, radius - from_end);
    x * x + y * y > radius * radius
}
