//! The QR code of a sign-in, for glass that is fine enough to be photographed.

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use crate::frame::{Area, Bitmap};
use crate::screen::SignIn;

/// 29 modules: at two dots a module 58 dots, the most that fits on 64 rows with a quiet zone.
const LARGEST: u8 = 3;

/// A QR code in modules.
pub(crate) struct Qr(QrCode);

impl Qr {
    /// The address with the code in it; when that is too long, the bare address, which still saves
    /// typing it. The code itself always stands beside it (RFC 8628 section 3.3.1).
    pub(crate) fn of(sign_in: &SignIn) -> Option<Self> {
        let complete = sign_in.complete_address.as_deref().and_then(Self::encode);
        complete.or_else(|| Self::encode(&sign_in.address))
    }

    fn encode(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return None;
        }
        let segments = QrSegment::make_segments(text);
        // Boosted: the strongest correction that fits the same size costs nothing.
        let code = QrCode::encode_segments_advanced(
            &segments,
            QrCodeEcc::Low,
            Version::MIN,
            Version::new(LARGEST),
            None,
            true,
        )
        .ok()?;
        Some(Self(code))
    }

    /// Modules on a side.
    pub(crate) fn modules(&self) -> i32 {
        self.0.size()
    }

    /// Whether a module is dark. Outside of the code all is light: the quiet zone.
    pub(crate) fn is_dark(&self, x: i32, y: i32) -> bool {
        self.0.get_module(x, y)
    }

    /// Fills a square with the code, dark on light: modules as large as leaves a quiet zone of one and a half.
    pub(crate) fn draw(&self, on: &mut Bitmap, square: Area) {
        on.fill(square, true);
        let module = (square.width / (self.modules() + 3)).max(1);
        let margin = (square.width - module * self.modules()) / 2;
        for y in 0..self.modules() {
            for x in 0..self.modules() {
                if self.is_dark(x, y) {
                    let (x, y) = (square.x + margin + module * x, square.y + margin + module * y);
                    on.fill(Area { x, y, width: module, height: module }, false);
                }
            }
        }
    }
}
