//! Makes a frame of fields, so that a mutation of a value leaves the lengths around it right.

use mqtt_sansio::Version;

use crate::frames::with_len;
use crate::read::Field;
use crate::rules::{self, Kind};

/// The frame with these fields, in their order.
pub fn frame(version: Version, fields: &[Field]) -> Option<Vec<u8>> {
    let (first, fields) = fields.split_first()?;
    let first = *first.value.first()?;
    let mut body = Vec::new();
    if first >> 4 == 1 {
        body.extend(b"\0\x04MQTT");
        body.push(version.level());
    }
    let (mut block, mut missing) = (Vec::new(), false);
    for (at, field) in fields.iter().enumerate() {
        if field.property > 0 {
            put_property(&mut block, field)?;
            continue;
        }
        let first_of_list = at == 1 && matches!(first >> 4, 8..=11);
        let behind = matches!(field.name, "client identifier" | "will topic" | "payload");
        if version == Version::V5 && (behind || first_of_list) {
            put_block(&mut body, &mut block);
        }
        missing = matches!(first >> 4, 2 | 4..=7 | 14 | 15);
        match field.name {
            "flags" | "keep alive" | "identifier" | "code" | "options" | "payload" => {
                body.extend(&field.value);
            }
            _ => put_behind_len(&mut body, &field.value)?,
        }
    }
    if version == Version::V5 && (missing || !block.is_empty()) {
        put_block(&mut body, &mut block);
    }
    Some(with_len(first, &body))
}

fn put_block(body: &mut Vec<u8>, block: &mut Vec<u8>) {
    crate::frames::put_varint(body, block.len());
    body.append(block);
}

fn put_behind_len(out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    out.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
    out.extend(value);
    Some(())
}

fn put_property(out: &mut Vec<u8>, field: &Field) -> Option<()> {
    out.push(field.property);
    match rules::kind(field.property)? {
        Kind::Number(_) => out.extend(&field.value),
        Kind::VarInt => {
            let value = u32::from_be_bytes(field.value[..].try_into().ok()?);
            crate::frames::put_varint(out, usize::try_from(value).ok()?);
        }
        Kind::Binary | Kind::Text | Kind::Topic => put_behind_len(out, &field.value)?,
        Kind::Pair => {
            let (len, rest) = field.value.split_first_chunk::<2>()?;
            let (name, value) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            put_behind_len(out, name)?;
            put_behind_len(out, value)?;
        }
    }
    Some(())
}
