//! The codecs of others, each by its decoder of whole packets and its encoder.

use std::sync::Arc;

use bytes::BytesMut;
use mqtt_sansio::Version;
use tokio_util::codec::{Decoder, Encoder};

/// What a codec says of a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    Accepted(Accepted),
    Refused,
    /// It waits for more bytes.
    Incomplete,
    /// It has no way to be asked.
    NotAsked,
    /// It did not return, or not in time.
    None,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Of a PUBLISH.
    pub publish: Option<Publish>,
    /// What it encodes of what it decoded, or `None` if it refuses to.
    pub encoded: Option<Vec<u8>>,
}

/// The values of a PUBLISH by the fields or methods of the peer's type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    pub flags: u8,
    pub topic: Vec<u8>,
    pub id: u16,
    pub payload: Vec<u8>,
}

impl Publish {
    fn new(flags: (bool, u8, bool), topic: &[u8], id: u16, payload: &[u8]) -> Self {
        Self {
            flags: u8::from(flags.0) << 3 | flags.1 << 1 | u8::from(flags.2),
            topic: topic.to_vec(),
            id,
            payload: payload.to_vec(),
        }
    }
}

#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    pub ask: fn(Version, &[u8]) -> Answer,
}

pub const PEERS: &[Peer] = &[
    Peer {
        name: "mqtt-proto",
        ask: mqtt_proto,
    },
    Peer {
        name: "mqtt-protocol-core",
        ask: mqtt_protocol_core,
    },
    Peer {
        name: "mqtt5-protocol",
        ask: mqtt5_protocol,
    },
    Peer {
        name: "mqttbytes-ng",
        ask: mqttbytes_ng,
    },
    Peer {
        name: "mqute-codec",
        ask: mqute_codec,
    },
    Peer {
        name: "rmqtt-codec",
        ask: rmqtt_codec,
    },
    Peer {
        name: "rumqttc",
        ask: rumqttc,
    },
];

fn accepted(publish: Option<Publish>, encoded: Option<Vec<u8>>) -> Answer {
    Answer::Accepted(Accepted { publish, encoded })
}

/// `read` and `write` of rumqttc and mqttbytes-ng, which have one origin.
macro_rules! mqttbytes {
    ($read:expr, $Packet:ident, $insufficient:pat, $max:expr, $input:expr) => {{
        match $read {
            Ok(_) if !$input.is_empty() => Answer::Refused,
            Ok(packet) => {
                let publish = match &packet {
                    $Packet::Publish(publish) => Some(Publish::new(
                        (publish.dup, publish.qos as u8, publish.retain),
                        publish.topic.as_ref(),
                        publish.pkid,
                        &publish.payload,
                    )),
                    _ => None,
                };
                let mut out = BytesMut::new();
                let encoded = packet.write(&mut out, $max).is_ok();
                accepted(publish, encoded.then(|| out.to_vec()))
            }
            Err($insufficient) => Answer::Incomplete,
            Err(_) => Answer::Refused,
        }
    }};
}

fn rumqttc(version: Version, frame: &[u8]) -> Answer {
    use rumqttc::mqttbytes::{Error as Error4, v4::Packet as Packet4};
    use rumqttc::v5::mqttbytes::{Error as Error5, v5::Packet as Packet5};
    let mut input = BytesMut::from(frame);
    match version {
        Version::V311 => mqttbytes!(
            Packet4::read(&mut input, usize::MAX),
            Packet4,
            Error4::InsufficientBytes(_),
            usize::MAX,
            input
        ),
        Version::V5 => mqttbytes!(
            Packet5::read(&mut input, None),
            Packet5,
            Error5::InsufficientBytes(_),
            None,
            input
        ),
    }
}

fn mqttbytes_ng(version: Version, frame: &[u8]) -> Answer {
    use mqttbytes_ng::{Error, v4::Packet as Packet4, v5::Packet as Packet5};
    let mut input = BytesMut::from(frame);
    match version {
        Version::V311 => mqttbytes!(
            Packet4::read(&mut input, usize::MAX),
            Packet4,
            Error::InsufficientBytes(_),
            usize::MAX,
            input
        ),
        Version::V5 => mqttbytes!(
            Packet5::read(&mut input, None),
            Packet5,
            Error::InsufficientBytes(_),
            None,
            input
        ),
    }
}

fn mqute_codec(version: Version, frame: &[u8]) -> Answer {
    use mqute_codec::Error;
    use mqute_codec::codec::PacketCodec;
    use mqute_codec::protocol::{v4, v5};
    let mut input = BytesMut::from(frame);
    let raw = match PacketCodec::new(None, None).try_decode(&mut input) {
        Ok(raw) => raw,
        Err(Error::NotEnoughBytes(_)) => return Answer::Incomplete,
        Err(_) => return Answer::Refused,
    };
    if !input.is_empty() {
        return Answer::Refused;
    }
    macro_rules! decode {
        ($version:ident) => {{
            let Ok(packet) = $version::Packet::decode(raw) else {
                return Answer::Refused;
            };
            let publish = match &packet {
                $version::Packet::Publish(publish) => {
                    let flags = publish.flags();
                    Some(Publish::new(
                        (flags.dup, flags.qos as u8, flags.retain),
                        publish.topic().as_bytes(),
                        publish.packet_id().unwrap_or(0),
                        &publish.payload(),
                    ))
                }
                _ => None,
            };
            let mut out = BytesMut::new();
            let encoded = packet.encode(&mut out).is_ok();
            accepted(publish, encoded.then(|| out.to_vec()))
        }};
    }
    match version {
        Version::V311 => decode!(v4),
        Version::V5 => decode!(v5),
    }
}

fn rmqtt_codec(version: Version, frame: &[u8]) -> Answer {
    use rmqtt_codec::{v3, v5};
    let mut input = BytesMut::from(frame);
    macro_rules! decode {
        ($version:ident) => {{
            let mut codec = $version::Codec::default();
            let packet = match codec.decode(&mut input) {
                Ok(Some(_)) if !input.is_empty() => return Answer::Refused,
                Ok(Some((packet, _))) => packet,
                Ok(None) => return Answer::Incomplete,
                Err(_) => return Answer::Refused,
            };
            let publish = match &packet {
                $version::Packet::Publish(publish) => Some(Publish::new(
                    (publish.dup, publish.qos.value(), publish.retain),
                    publish.topic.as_bytes(),
                    publish.packet_id.map_or(0, |id| id.get()),
                    &publish.payload,
                )),
                _ => None,
            };
            let mut out = BytesMut::new();
            let encoded = codec.encode(packet, &mut out).is_ok();
            accepted(publish, encoded.then(|| out.to_vec()))
        }};
    }
    match version {
        Version::V311 => decode!(v3),
        Version::V5 => decode!(v5),
    }
}

fn mqtt_proto(version: Version, frame: &[u8]) -> Answer {
    use mqtt_proto::{QosPid, v3, v5};
    macro_rules! decode {
        ($version:ident) => {{
            let packet = match $version::Packet::decode(frame) {
                Ok(Some(packet)) => packet,
                Ok(None) => return Answer::Incomplete,
                Err(_) => return Answer::Refused,
            };
            let publish = match &packet {
                $version::Packet::Publish(publish) => {
                    let (qos, id) = match publish.qos_pid {
                        QosPid::Level0 => (0, 0),
                        QosPid::Level1(id) => (1, id.value()),
                        QosPid::Level2(id) => (2, id.value()),
                    };
                    let flags = (publish.dup, qos, publish.retain);
                    let topic = publish.topic_name.as_bytes();
                    Some(Publish::new(flags, topic, id, &publish.payload))
                }
                _ => None,
            };
            let encoded = packet.encode();
            accepted(publish, encoded.ok().map(|out| out.as_ref().to_vec()))
        }};
    }
    match version {
        Version::V311 => decode!(v3),
        Version::V5 => decode!(v5),
    }
}

/// The first byte and the body, if the fixed header has its shortest form and is right.
fn split(version: Version, frame: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = frame.split_first()?;
    let len = rest.iter().position(|&byte| byte < 0x80)? + 1;
    let mut value = 0;
    for (at, &byte) in rest[..len].iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7F) << (7 * at);
    }
    let flags = match first >> 4 {
        0 => return None,
        15 if version == Version::V311 => return None,
        3 => first & 15,
        6 | 8 | 10 => 2,
        _ => 0,
    };
    let shortest = len == 1 || rest[len - 1] != 0;
    let right = len <= 4 && shortest && first & 15 == flags && rest.len() - len == value;
    right.then(|| (first, &rest[len..]))
}

/// Its decoder of a stream is part of a connection, which has a state. A packet's type parses its
/// body, and is given the right fixed header.
fn mqtt_protocol_core(version: Version, frame: &[u8]) -> Answer {
    use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, v3_1_1, v5_0};
    let Some((first, body)) = split(version, frame) else {
        return Answer::NotAsked;
    };
    let shared = || Arc::from(body);
    macro_rules! parse {
        ($version:ident, $Type:ident) => {
            $version::$Type::parse(body).map(|(packet, len)| (Packet::from(packet), len))
        };
    }
    macro_rules! by_type {
        ($version:ident, $auth:expr) => {
            match first >> 4 {
                1 => parse!($version, Connect),
                2 => parse!($version, Connack),
                3 => $version::Publish::parse(first & 15, shared())
                    .map(|(packet, len)| (Packet::from(packet), len)),
                4 => parse!($version, Puback),
                5 => parse!($version, Pubrec),
                6 => parse!($version, Pubrel),
                7 => parse!($version, Pubcomp),
                8 => parse!($version, Subscribe),
                9 => parse!($version, Suback),
                10 => parse!($version, Unsubscribe),
                11 => parse!($version, Unsuback),
                12 => parse!($version, Pingreq),
                13 => parse!($version, Pingresp),
                14 => parse!($version, Disconnect),
                _ => $auth,
            }
        };
    }
    let parsed = match version {
        Version::V311 => by_type!(v3_1_1, return Answer::NotAsked),
        Version::V5 => by_type!(v5_0, parse!(v5_0, Auth)),
    };
    let packet = match parsed {
        Ok((packet, len)) if len == body.len() => packet,
        _ => return Answer::Refused,
    };
    macro_rules! publish {
        ($publish:expr) => {
            Some(Publish::new(
                ($publish.dup(), $publish.qos() as u8, $publish.retain()),
                $publish.topic_name().as_bytes(),
                $publish.packet_id().unwrap_or(0),
                $publish.payload().as_slice(),
            ))
        };
    }
    let publish = match &packet {
        Packet::V3_1_1Publish(publish) => publish!(publish),
        Packet::V5_0Publish(publish) => publish!(publish),
        _ => None,
    };
    let slices = packet.to_buffers();
    let encoded = slices.iter().flat_map(|slice| slice.iter().copied());
    accepted(publish, Some(encoded.collect()))
}

fn mqtt5_protocol(version: Version, frame: &[u8]) -> Answer {
    use mqtt5_protocol::packet::MqttPacket;
    use mqtt5_protocol::{FixedHeader, Packet};
    let mut input = frame;
    let Ok(header) = FixedHeader::decode(&mut input) else {
        // It has one error for both.
        return match split(version, frame) {
            None => Answer::NotAsked,
            Some(_) => Answer::Refused,
        };
    };
    if header.remaining_length as usize != input.len() {
        return Answer::Incomplete;
    }
    let kind = header.packet_type;
    let level = version.level();
    let packet = match Packet::decode_from_body_with_version(kind, &header, &mut input, level) {
        Ok(packet) if input.is_empty() => packet,
        _ => return Answer::Refused,
    };
    let publish = match &packet {
        Packet::Publish(publish) => Some(Publish::new(
            (publish.dup, publish.qos as u8, publish.retain),
            publish.topic_name.as_bytes(),
            publish.packet_id.unwrap_or(0),
            &publish.payload,
        )),
        _ => None,
    };
    let mut out = Vec::new();
    let encoded = match &packet {
        Packet::Connect(packet) => packet.encode(&mut out),
        Packet::ConnAck(packet) => packet.encode(&mut out),
        Packet::Publish(packet) => packet.encode(&mut out),
        Packet::PubAck(packet) => packet.encode(&mut out),
        Packet::PubRec(packet) => packet.encode(&mut out),
        Packet::PubRel(packet) => packet.encode(&mut out),
        Packet::PubComp(packet) => packet.encode(&mut out),
        Packet::Subscribe(packet) => packet.encode(&mut out),
        Packet::SubAck(packet) => packet.encode(&mut out),
        Packet::Unsubscribe(packet) => packet.encode(&mut out),
        Packet::UnsubAck(packet) => packet.encode(&mut out),
        Packet::PingReq | Packet::PingResp => header.encode(&mut out),
        Packet::Disconnect(packet) => packet.encode(&mut out),
        Packet::Auth(packet) => packet.encode(&mut out),
    };
    accepted(publish, encoded.is_ok().then_some(out))
}
