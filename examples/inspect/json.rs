//! A row as the members of a JSON object.

use mqtt_sansio::{DecodeError, Rule};

use crate::fields::fields;
use crate::report::capture::{Item, What};
use crate::report::captured::name;
use crate::report::hex::hex;
use crate::report::layout::parts;
use crate::report::trouble::kind;
use crate::report::{Place, Row};

/// The members that tell of a row.
pub(crate) fn row(row: &Row) -> String {
    match row {
        Row::Item(None, item) => members(item),
        Row::Item(Some(place), item) => {
            let (frame, members) = (place.frame + 1, members(item));
            format!("{},\"frame\":{frame},{members}", placed(*place))
        }
        Row::Event(place, event) => format!("{},\"event\":{}", placed(*place), quoted(event)),
        Row::Note(note) => format!("\"note\":{}", quoted(note)),
    }
}

fn placed(place: Place) -> String {
    let (connection, time) = (place.connection, place.time);
    // As a JSON number, of seconds.
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    format!("\"connection\":{connection},\"time\":{seconds}.{nanos:09}")
}

/// The members that tell of a packet.
pub(crate) fn members(item: &Item) -> String {
    let mut all = Vec::new();
    let mut add = |name: &str, value: String| all.push(format!("\"{name}\":{value}"));
    add("from", quoted(name(item.side)));
    add("offset", item.at.to_string());
    add("size", item.bytes.len().to_string());
    match &item.what {
        What::Packet(packet) => {
            add("version", quoted(&item.version.to_string()));
            add("type", quoted(&packet.packet_type().to_string()));
            add("fields", fields(item.version, &packet.as_borrowed()).json());
        }
        What::Skipped(error) => add("skipped", error_json(error)),
        What::Broken(error) => add("error", error_json(error)),
        What::Incomplete(missing) => {
            if let Some(kind) = kind(item) {
                add("type", quoted(&kind.to_string()));
            }
            add("missing", missing.to_string());
        }
        What::Gap(len) => add("gap", len.to_string()),
        What::Stray => add("stray", "true".to_owned()),
    }
    if !item.let_go.is_empty() {
        let rules: Vec<_> = item.let_go.iter().map(|rule| quoted(rule.name())).collect();
        add("let_go", format!("[{}]", rules.join(",")));
    }
    all.join(",")
}

fn error_json(error: &DecodeError) -> String {
    let optional = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), quoted);
    format!(
        "{{\"message\":{},\"field\":{},\"at\":{},\"answer\":{},\"statement\":{},\"rule\":{}}}",
        quoted(&error.to_string()),
        quoted(&error.field().to_string()),
        error.offset(),
        error.reason_code().to_u8(),
        optional(error.statement()),
        optional(error.rule().map(Rule::name)),
    )
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            ' '..='~' => out.push(char),
            '\u{80}'.. if char.is_alphanumeric() => out.push(char),
            // Surrogates, as JSON writes what is not in the first plane.
            _ => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out + "\""
}

/// A member of a JSON object, behind others: the bytes of a packet by field.
pub(crate) fn bytes_json(item: &Item) -> String {
    let parts = parts(item);
    let parts = parts.iter().map(|part| {
        let (at, name, bytes) = (part.at, quoted(&part.name), hex(part.bytes));
        format!("{{\"at\":{at},\"hex\":\"{bytes}\",\"field\":{name}}}")
    });
    format!(",\"bytes\":[{}]", parts.collect::<Vec<_>>().join(","))
}
