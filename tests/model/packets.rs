//! The packets of the search as those of the library.

use mqtt_sansio::packet::{Ack, ConnAck, Connect, Disconnect, Publish};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::{Message, Packet, PacketId, ReasonCode, Version};

use super::app::{Broken, Wire, hold};

/// The message with this number.
pub(crate) fn message(number: u8) -> Message {
    Message::new("t".parse().unwrap(), vec![number])
}

pub(crate) fn packet(version: Version, wire: Wire) -> Packet {
    let ack = |id: PacketId, reason: ReasonCode| {
        let mut ack = Ack::new(id);
        ack.reason = reason;
        ack
    };
    match wire {
        Wire::Connect { clean, maximum } => {
            let mut connect = Connect::new("c".parse().unwrap());
            connect.clean_start = clean;
            if version == Version::V5 {
                let builder = ConnectProperties::builder().session_expiry_interval(u32::MAX);
                connect.properties = builder.receive_maximum(maximum.try_into().unwrap()).build();
            }
            connect.into()
        }
        Wire::ConnAck { present, maximum } => {
            let mut connack = ConnAck::new(ReasonCode::Success);
            connack.session_present = present;
            if version == Version::V5 {
                let builder = ConnAckProperties::builder();
                connack.properties = builder.receive_maximum(maximum.try_into().unwrap()).build();
            }
            connack.into()
        }
        Wire::Publish(delivery, dup, number) => {
            let mut publish = Publish::new(delivery, "t".parse().unwrap(), vec![number].into());
            publish.dup = dup;
            publish.into()
        }
        Wire::PubAck(id, reason) => Packet::PubAck(ack(id, reason)),
        Wire::PubRec(id, reason) => Packet::PubRec(ack(id, reason)),
        Wire::PubRel(id, reason) => Packet::PubRel(ack(id, reason)),
        Wire::PubComp(id, reason) => Packet::PubComp(ack(id, reason)),
        Wire::Disconnect => Disconnect::new(ReasonCode::Success).into(),
    }
}

/// What a packet says. It has nothing else.
pub(crate) fn wire(version: Version, sent: &Packet<&[u8]>) -> Result<Wire, Broken> {
    let wire = match sent {
        Packet::Connect(connect) => Wire::Connect {
            clean: connect.clean_start,
            maximum: connect
                .properties
                .receive_maximum()
                .map_or(0, |most| most.get()),
        },
        Packet::ConnAck(connack) => Wire::ConnAck {
            present: connack.session_present,
            maximum: connack
                .properties
                .receive_maximum()
                .map_or(0, |most| most.get()),
        },
        Packet::Publish(publish) => {
            Wire::Publish(publish.delivery, publish.dup, publish.payload[0])
        }
        Packet::PubAck(ack) => Wire::PubAck(ack.packet_id, ack.reason),
        Packet::PubRec(ack) => Wire::PubRec(ack.packet_id, ack.reason),
        Packet::PubRel(ack) => Wire::PubRel(ack.packet_id, ack.reason),
        Packet::PubComp(ack) => Wire::PubComp(ack.packet_id, ack.reason),
        Packet::Disconnect(_) => Wire::Disconnect,
        other => return Err(format!("{other:?} is sent")),
    };
    hold!(
        packet(version, wire) == sent.to_owned(),
        "{sent:?} is not {wire:?}"
    );
    Ok(wire)
}
