//! What is no packet, in words.

use mqtt_sansio::{DecodeErrorKind, PacketType, Rule};

use super::capture::{Item, What};

/// What keeps bytes from being a packet. Nothing for a packet.
pub(crate) fn trouble(item: &Item) -> String {
    match &item.what {
        What::Packet(_) => String::new(),
        What::Skipped(error) => format!("skipped: {error}{}", let_go(&item.let_go)),
        What::Broken(error) => {
            let (at, code) = (item.at + error.offset(), error.reason_code());
            let hint = match error.kind() {
                DecodeErrorKind::NotConnect(_) => {
                    ". Bytes from the middle of a stream need --version 3.1.1 or 5.0"
                }
                _ => "",
            };
            format!("error at {at}: {error}; answer {code}{hint}")
        }
        What::Incomplete(missing) => {
            let kind = kind(item).map_or_else(String::new, |kind| format!(" {kind}"));
            format!("incomplete{kind}: {missing} bytes or more missing")
        }
        What::Gap(len) => format!("gap: {len} bytes were not captured"),
        What::Stray => "no packet begins here, as far as is known".to_owned(),
    }
}

/// The type of a packet that is not whole.
pub(crate) fn kind(item: &Item) -> Option<PacketType> {
    item.bytes
        .first()
        .and_then(|first| PacketType::new(first >> 4))
}

/// The rules that were let go, as the end of a line.
pub(crate) fn let_go(rules: &[Rule]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
    match &rules[..] {
        [] => String::new(),
        rules => format!(" (let go: {})", rules.join(", ")),
    }
}
