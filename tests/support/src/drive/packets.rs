//! Any packets, of which many go on with what is under way.

use arbitrary::{Result, Unstructured};
use mqtt_sansio::packet::{Ack, Auth, ConnAck, Connect, Publish};
use mqtt_sansio::property::{Carries, Properties};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Delivery, Message, Packet, PacketId, ReasonCode, Text};

/// A packet: often one with an identifier that is in use.
pub(crate) fn packet(u: &mut Unstructured<'_>) -> Result<Packet> {
    let id = PacketId::new(u.int_in_range(1..=4)?).unwrap();
    let ack = Ack::new(id);
    Ok(match u.int_in_range(0..=10)? {
        0 => Packet::PubAck(ack),
        1 => Packet::PubRec(ack),
        2 => Packet::PubRel(ack),
        3 => Packet::PubComp(ack),
        4 => Packet::PingReq,
        5 => Packet::PingResp,
        6 => {
            let mut publish: Publish = u.arbitrary()?;
            publish.delivery = match publish.delivery {
                Delivery::AtMostOnce => Delivery::AtMostOnce,
                Delivery::AtLeastOnce(_) => Delivery::AtLeastOnce(id),
                Delivery::ExactlyOnce(_) => Delivery::ExactlyOnce(id),
            };
            Packet::Publish(publish)
        }
        7 => Packet::Auth(auth(u)?),
        _ => u.arbitrary()?,
    })
}

/// AUTH, often with a code that all may send.
pub(super) fn auth(u: &mut Unstructured<'_>) -> Result<Auth> {
    let mut auth: Auth = u.arbitrary()?;
    if u.arbitrary()? {
        auth.reason = ReasonCode::ContinueAuthentication;
    }
    auth.properties = with_method(u, auth.properties)?;
    Ok(auth)
}

pub(super) fn connect(u: &mut Unstructured<'_>) -> Result<Connect> {
    let mut connect: Connect = u.arbitrary()?;
    if u.arbitrary()? {
        connect.client_id = "c".parse().unwrap();
    }
    connect.properties = with_method(u, connect.properties)?;
    Ok(connect)
}

/// CONNACK that accepts, mostly a plain one.
pub(super) fn accepting(u: &mut Unstructured<'_>) -> Result<ConnAck> {
    let mut connack = match u.ratio(1, 3)? {
        true => u.arbitrary()?,
        false => ConnAck::new(ReasonCode::Success),
    };
    connack.reason = ReasonCode::Success;
    if u.ratio(1, 3)? {
        let builder = connack.properties.to_builder();
        connack.properties = builder.topic_alias_maximum(2).build();
    }
    connack.properties = with_method(u, connack.properties)?;
    Ok(connack)
}

/// Half of them have the same authentication method.
fn with_method<K: Carries<0x15>>(
    u: &mut Unstructured<'_>,
    properties: Properties<K>,
) -> Result<Properties<K>> {
    let method = Text::new("m").unwrap();
    Ok(match u.arbitrary()? {
        true => properties
            .to_builder()
            .authentication_method(method)
            .build(),
        false => properties,
    })
}

/// A message that can be published.
pub(super) fn message(u: &mut Unstructured<'_>) -> Result<Message> {
    let publish: Publish = u.arbitrary()?;
    let topic = topic(u)?;
    let message = publish.into_message(topic);
    Ok(match u.arbitrary()? {
        true => message.forwarded(),
        false => message,
    })
}

/// A topic, often one that has been published to.
pub(super) fn topic(u: &mut Unstructured<'_>) -> Result<TopicName> {
    Ok(match u.int_in_range(0..=3)? {
        0 => "a".parse().unwrap(),
        1 => "a/b".parse().unwrap(),
        _ => u.arbitrary()?,
    })
}
