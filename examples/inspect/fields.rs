//! The fields of a packet as one line of text.

use std::fmt::Write as _;

use mqtt_sansio::packet::{Ack, Packet, SubAck, Will};
use mqtt_sansio::property::{Properties, Property};
use mqtt_sansio::{PacketType, ReasonCode, Version};

pub(crate) fn fields(version: Version, packet: &Packet<&[u8]>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_fields(&mut out, version, packet);
    out.trim_start().to_owned()
}

fn write_fields(
    out: &mut String,
    version: Version,
    packet: &Packet<&[u8]>,
) -> Result<(), std::fmt::Error> {
    match packet {
        Packet::Connect(connect) => {
            write!(out, "client_id={:?}", connect.client_id)?;
            write!(out, " clean_start={}", connect.clean_start)?;
            write!(out, " keep_alive={}", connect.keep_alive.as_secs())?;
            if connect.v31 {
                write!(out, " v31=true")?;
            }
            if connect.bridge {
                write!(out, " bridge=true")?;
            }
            if let Some(user_name) = &connect.user_name {
                write!(out, " user_name={user_name:?}")?;
            }
            if let Some(password) = &connect.password {
                write!(out, " password={password:?}")?;
            }
            write_properties(out, &connect.properties)?;
            connect
                .will
                .as_ref()
                .map_or(Ok(()), |will| write_will(out, will))
        }
        Packet::ConnAck(connack) => {
            write!(out, "session_present={}", connack.session_present)?;
            write_code(out, version, connack.reason)?;
            write_properties(out, &connack.properties)
        }
        Packet::Publish(publish) => {
            match &publish.topic {
                Some(topic) => write!(out, "topic={topic:?}")?,
                None => write!(out, "topic=\"\"")?,
            }
            write!(out, " qos={}", publish.qos().level())?;
            if let Some(id) = publish.packet_id() {
                write!(out, " id={id} dup={}", publish.dup)?;
            }
            write!(out, " retain={}", publish.retain)?;
            write_properties(out, &publish.properties)?;
            write_payload(out, publish.payload)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            let Ack {
                packet_id,
                reason,
                properties,
                ..
            } = ack;
            write!(out, "id={packet_id}")?;
            write_reason(out, *reason)?;
            write_properties(out, properties)
        }
        Packet::Subscribe(subscribe) => {
            write!(out, "id={}", subscribe.packet_id)?;
            write_properties(out, &subscribe.properties)?;
            for subscription in &subscribe.subscriptions {
                let options = subscription.options;
                write!(
                    out,
                    " {:?}:qos={}",
                    subscription.filter,
                    options.maximum_qos.level()
                )?;
                if options.no_local {
                    write!(out, ",no_local")?;
                }
                if options.retain_as_published {
                    write!(out, ",retain_as_published")?;
                }
                match options.retain_handling as u8 {
                    0 => {}
                    handling => write!(out, ",retain_handling={handling}")?,
                }
            }
            Ok(())
        }
        Packet::SubAck(suback) | Packet::UnsubAck(suback) => {
            let SubAck {
                packet_id,
                properties,
                reasons,
                ..
            } = suback;
            write!(out, "id={packet_id}")?;
            write_properties(out, properties)?;
            reasons
                .iter()
                .try_for_each(|reason| write_reason(out, reason))
        }
        Packet::Unsubscribe(unsubscribe) => {
            write!(out, "id={}", unsubscribe.packet_id)?;
            write_properties(out, &unsubscribe.properties)?;
            let mut filters = unsubscribe.filters.iter();
            filters.try_for_each(|filter| write!(out, " {filter:?}"))
        }
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(disconnect) => {
            write_reason(out, disconnect.reason)?;
            write_properties(out, &disconnect.properties)
        }
        Packet::Auth(auth) => {
            write_reason(out, auth.reason)?;
            write_properties(out, &auth.properties)
        }
    }
}

fn write_will(out: &mut String, will: &Will<&[u8]>) -> Result<(), std::fmt::Error> {
    let (topic, qos, retain) = (&will.topic, will.qos.level(), will.retain);
    write!(out, " will=(topic={topic:?} qos={qos} retain={retain}")?;
    write_properties(out, &will.properties)?;
    write_payload(out, will.payload.as_bytes())?;
    write!(out, ")")
}

/// The code of CONNACK as it is on the wire: 3.1.1 has codes of its own.
fn write_code(
    out: &mut String,
    version: Version,
    reason: ReasonCode,
) -> Result<(), std::fmt::Error> {
    let code = match version {
        Version::V311 => reason.to_v311(PacketType::ConnAck),
        Version::V5 => None,
    };
    let code = code.unwrap_or_else(|| reason.to_u8());
    write!(out, " reason={code:#04x}({})", reason.name())
}

fn write_reason(out: &mut String, reason: ReasonCode) -> Result<(), std::fmt::Error> {
    write!(out, " reason={:#04x}({})", reason.to_u8(), reason.name())
}

fn write_properties<K>(
    out: &mut String,
    properties: &Properties<K, &[u8]>,
) -> Result<(), std::fmt::Error> {
    for property in properties {
        let name = property.id().to_string().replace(' ', "_");
        match property {
            Property::UserProperty((key, value)) => write!(out, " {name}={key:?}:{value:?}")?,
            other => {
                let value = format!("{other:?}");
                // `Name(value)`: the name is already there.
                let inner = value.split_once('(').map_or("", |(_, inner)| inner);
                write!(out, " {name}={}", inner.strip_suffix(')').unwrap_or(inner))?;
            }
        }
    }
    Ok(())
}

fn write_payload(out: &mut String, payload: &[u8]) -> Result<(), std::fmt::Error> {
    const SHOWN: usize = 64;
    let shown = payload.get(..SHOWN).unwrap_or(payload);
    write!(
        out,
        " payload({})=b\"{}\"",
        payload.len(),
        shown.escape_ascii()
    )?;
    match payload.len() {
        0..=SHOWN => Ok(()),
        _ => write!(out, "..."),
    }
}
