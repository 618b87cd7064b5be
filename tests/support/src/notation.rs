//! Packets as text that serves both versions.

use mqtt_sansio::{VarInt, Version};

use crate::hex;

/// The bytes of packets. The same text serves both versions:
///
/// | token | bytes |
/// |---|---|
/// | `30`, `61*9`, `"text"` | as in the [vectors](crate::vectors) |
/// | `~` | Remaining Length |
/// | `'text'` | text behind its length |
/// | `VV` | the version, as in CONNECT |
/// | `[11 00 00 00 05]` | properties behind their length; nothing in 3.1.1 |
/// | `{00}` | nothing in 3.1.1 |
/// | <code>&#124;</code> | the end of a packet, where another one follows |
pub fn bytes(version: Version, text: &str) -> Vec<u8> {
    text.split('|')
        .flat_map(|packet| match packet.split_once('~') {
            Some((head, body)) => {
                let (mut bytes, body) = (part(version, head), part(version, body));
                push_behind_len(&mut bytes, &body);
                bytes
            }
            None => part(version, packet),
        })
        .collect()
}

/// A number of two bytes, in the notation of [`bytes()`].
pub fn number(value: u16) -> String {
    let [high, low] = value.to_be_bytes();
    format!("{high:02X} {low:02X}")
}

fn part(version: Version, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let until = |end: char| {
            let inner = rest[1..].split_once(end);
            inner.unwrap_or_else(|| panic!("no {end} in {text}"))
        };
        let (token, tail) = match first {
            '\'' => until('\''),
            '[' => until(']'),
            '{' => until('}'),
            '"' => {
                let (inner, tail) = until('"');
                (&rest[..inner.len() + 2], tail)
            }
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        match (first, version) {
            ('\'', _) => {
                bytes.extend(u16::try_from(token.len()).unwrap().to_be_bytes());
                bytes.extend(token.as_bytes());
            }
            ('[' | '{', Version::V311) => {}
            ('[', Version::V5) => push_behind_len(&mut bytes, &part(version, token)),
            ('{', Version::V5) => bytes.extend(part(version, token)),
            ('V', _) if token == "VV" => bytes.push(version.level()),
            _ => bytes.extend(hex::parse(token)),
        }
        rest = tail.trim_start();
    }
    bytes
}

fn push_behind_len(bytes: &mut Vec<u8>, body: &[u8]) {
    let len = u32::try_from(body.len()).unwrap();
    VarInt::new(len).unwrap().encode(bytes);
    bytes.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_both_versions() {
        let text = "82 ~ 00 01 [0B 07] 'a' 01 | C0 00 | 10 ~ VV {FF} \"x y\"";
        let v311 = b"\x82\x06\0\x01\0\x01a\x01\xC0\0\x10\x04\x04x y";
        assert_eq!(bytes(Version::V311, text), v311);
        let v5 = b"\x82\x09\0\x01\x02\x0B\x07\0\x01a\x01\xC0\0\x10\x05\x05\xFFx y";
        assert_eq!(bytes(Version::V5, text), v5);
    }
}
