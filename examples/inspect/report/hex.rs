//! Bytes as hex text.

use std::fmt;

/// Why text is not hex.
pub(crate) enum NotHex {
    Byte(u8),
    Odd,
}

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "b'{}' is no hex digit", byte.escape_ascii()),
            Self::Odd => f.write_str("an odd number of hex digits"),
        }
    }
}

pub(crate) fn unhex(text: &[u8]) -> Result<Vec<u8>, NotHex> {
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|&byte| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(NotHex::Byte(byte)),
    });
    let digits: Vec<u8> = digits.collect::<Result<_, _>>()?;
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    match digits.len() % 2 {
        0 => Ok(digits.chunks(2).map(byte).collect()),
        _ => Err(NotHex::Odd),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
