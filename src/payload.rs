use crate::property::PayloadFormat;

/// Checks the format of a payload piece by piece (section 3.3.2.3.2).
///
/// ```
/// use mqtt_sansio::PayloadCheck;
/// use mqtt_sansio::property::PayloadFormat;
///
/// let mut check = PayloadCheck::new(PayloadFormat::Utf8);
/// check.add(b"21.5 \xC2"); // the first byte of a degree sign
/// assert!(!check.is_valid());
/// check.add(b"\xB0");
/// assert!(check.is_valid());
/// ```
#[derive(Clone, Debug)]
pub struct PayloadCheck {
    format: PayloadFormat,
    /// The beginning of a character that is not complete.
    open: [u8; 4],
    open_len: usize,
    failed: bool,
}

impl PayloadCheck {
    /// Begins the check of a payload that is to have this format.
    pub const fn new(format: PayloadFormat) -> Self {
        Self {
            format,
            open: [0; 4],
            open_len: 0,
            failed: false,
        }
    }

    /// Checks the next piece.
    pub fn add(&mut self, piece: &[u8]) {
        if self.format == PayloadFormat::Unspecified || self.failed {
            return;
        }
        let mut rest = piece;
        while self.open_len > 0 {
            let Some((&byte, behind)) = rest.split_first() else {
                return;
            };
            let (mut character, len) = (self.open, self.open_len + 1);
            for place in character.iter_mut().skip(self.open_len).take(1) {
                *place = byte;
            }
            self.open_len = 0;
            self.keep_open(character.get(..len).unwrap_or_default());
            rest = behind;
        }
        self.keep_open(rest);
    }

    /// Checks whole characters, and keeps the beginning of one behind them.
    fn keep_open(&mut self, text: &[u8]) {
        let Err(error) = core::str::from_utf8(text) else {
            return;
        };
        let open = text.get(error.valid_up_to()..).unwrap_or_default();
        match self.open.get_mut(..open.len()) {
            Some(kept) if error.error_len().is_none() => {
                kept.copy_from_slice(open);
                self.open_len = open.len();
            }
            _ => self.failed = true,
        }
    }

    /// Returns whether the pieces so far are a payload of the format.
    pub const fn is_valid(&self) -> bool {
        !self.failed && self.open_len == 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// All bytes of interest at four places, a plain one behind them, at every split.
    #[test]
    fn pieces_are_what_the_whole_is() {
        const BYTES: [u8; 15] = [
            0, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF,
        ];
        for number in 0..BYTES.len().pow(4) {
            let text = (0..4u32).map(|place| BYTES[number / BYTES.len().pow(place) % BYTES.len()]);
            let text: Vec<u8> = text.chain([b'a']).collect();
            let valid = core::str::from_utf8(&text).is_ok();
            for splits in 0..16 {
                let mut check = PayloadCheck::new(PayloadFormat::Utf8);
                let mut from = 0;
                for at in 1..=5 {
                    if at == 5 || splits >> (at - 1) & 1 != 0 {
                        check.add(&text[from..at]);
                        from = at;
                    }
                }
                assert_eq!(check.is_valid(), valid, "{text:x?} {splits:b}");
            }
        }
        let mut check = PayloadCheck::new(PayloadFormat::Unspecified);
        check.add(b"\xFF");
        assert!(check.is_valid());
    }
}
