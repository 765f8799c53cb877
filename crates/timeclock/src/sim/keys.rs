//! From the bytes of a terminal to keys. Only what the simulator uses is known; the rest is skipped.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Left,
    Right,
    Enter,
    Erase,
    Escape,
    /// Ctrl-C and Ctrl-D.
    End,
    Letter(char),
}

/// The keys in what was read at once. A terminal sends an arrow in one piece; an escape that stands alone is a person's.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (key, rest) = match (first, rest) {
            // ECMA-48 control sequences, and their form in application mode.
            (0x1b, [b'[' | b'O', sequence @ ..]) => {
                let end = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)).unwrap_or(sequence.len());
                let key = match sequence.get(end) {
                    Some(b'A' | b'D') => Some(Key::Left),
                    Some(b'B' | b'C') => Some(Key::Right),
                    _ => None,
                };
                (key, sequence.get(end + 1..).unwrap_or_default())
            }
            (0x1b, rest) => (Some(Key::Escape), rest),
            (b'\r' | b'\n', rest) => (Some(Key::Enter), rest),
            (0x7f | 0x08, rest) => (Some(Key::Erase), rest),
            (0x03 | 0x04, rest) => (Some(Key::End), rest),
            (byte, rest) if byte.is_ascii_graphic() || *byte == b' ' => (Some(Key::Letter(char::from(*byte))), rest),
            (_, rest) => (None, rest),
        };
        keys.extend(key);
        bytes = rest;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_send_is_understood() {
        for (bytes, wanted) in [
            (&b"\x1b[A\x1b[B\x1b[C\x1b[D"[..], &[Key::Left, Key::Right, Key::Right, Key::Left][..]),
            (b"\x1bOA\x1b[1;5C", &[Key::Left, Key::Right]),
            (b"47\r\x7f", &[Key::Letter('4'), Key::Letter('7'), Key::Enter, Key::Erase]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1b[3~q", &[Key::Letter('q')]),
            ("ä\0".as_bytes(), &[]),
            (b"\x03", &[Key::End]),
            (b"\x1b[", &[]),
        ] {
            assert_eq!(keys(bytes), wanted, "{bytes:?}");
        }
    }
}
