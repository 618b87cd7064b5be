//! Bytes as text: hex pairs, `"text"` and `61*65535`, separated by spaces.

/// Reads bytes. Panics, naming the token, if one is none of the three forms.
pub fn parse(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, tail) = quoted.split_once('"').expect("text without its end");
            bytes.extend_from_slice(text.as_bytes());
            rest = tail.trim_start();
            continue;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (token, tail) = rest.split_at(end);
        let (pair, count) = token.split_once('*').unwrap_or((token, "1"));
        let byte = u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("no byte: {token}"));
        assert_eq!(pair.len(), 2, "no byte: {token}");
        let count: usize = count.parse().expect("a count");
        bytes.resize(bytes.len() + count, byte);
        rest = tail.trim_start();
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_all_three_forms() {
        assert_eq!(super::parse("30 \"a b\" 00*2 ff"), b"0a b\0\0\xFF");
    }
}
