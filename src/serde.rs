//! The feature `serde`: values, packets and frames to and from any data format.
//!
//! What is read goes through the same checks as what is built or decoded, and the error says which
//! rule is broken. A packet that no version could encode is refused, too. Both forms are written
//! alike; the owned one is read.
//!
//! Names are the specification's words in snake case: fields (`client_id`), properties
//! (`topic_alias`), reason codes (`not_authorized`), choices (`at_least_once`, `send_if_new`). Those
//! of packets are written in one (`puback`). In JSON this is:
//!
//! | type | form | example |
//! |---|---|---|
//! | [`Version`] | name | `"5.0"` |
//! | numbers, such as [`PacketId`] and [`VarInt`] | number | `7` |
//! | [`Text`], topic names and filters | text | `"sport/+"` |
//! | [`Binary`], payloads | array of bytes; text is read as its bytes, too | `[49,53]` |
//! | [`QoS`], [`ReasonCode`] and all that is one of a few | name | `"at_least_once"` |
//! | [`Delivery`] | name, with the packet identifier where there is one | `{"at_least_once":7}` |
//! | [`Properties`](crate::property::Properties) | array, in order, of one name and value each | `[{"user_property":["k","v"]}]` |
//! | [`Subscriptions`] | array of filters and options | `[{"filter":"a","options":{...}}]` |
//! | packets, [`SubscriptionOptions`] | every field by name; what is optional may be absent | `{"packet_id":7,...}` |
//! | [`Packet`] | name and packet; the name alone of what is empty | `{"puback":{...}}`, `"pingreq"` |
//! | [`Frame`] | version and bytes | `{"version":"5.0","bytes":[192,0]}` |
//!
//! Formats without names, such as postcard, put fields in the order of declaration and number names
//! in it: 0, 1 and so on.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{DecodeErrorKind, EncodeError};
use crate::frame::Frame;
use crate::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, KeepAlive, Packet, Publish, ReasonCodes, SubAck,
    Subscribe, SubscriptionOptions, Subscriptions, TopicFilters, Unsubscribe, Will,
};
use crate::packet_id::PacketId;
use crate::property::{
    AckProperties, AuthProperties, ConnAckProperties, ConnectProperties, DisconnectProperties,
    PublishProperties, SubscribeProperties, UnsubscribeProperties, WillProperties,
};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::serialize::{bytes, list};
use crate::text::{Binary, Text};
use crate::topic::{TopicFilter, TopicName};
use crate::varint::VarInt;
use crate::version::Version;

impl<'de> Deserialize<'de> for PacketId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Self::new(u16::deserialize(deserializer)?);
        id.ok_or_else(|| D::Error::custom(DecodeErrorKind::ZeroPacketId))
    }
}

impl<'de> Deserialize<'de> for VarInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<B: AsRef<[u8]>> Serialize for Binary<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Bytes::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<B: AsRef<[u8]>> Serialize for Subscriptions<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        list(self.iter(), serializer)
    }
}

impl<'de> Deserialize<'de> for Subscriptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Subscription {
            filter: TopicFilter,
            options: SubscriptionOptions,
        }
        let all = Vec::<Subscription>::deserialize(deserializer)?;
        let all = all
            .iter()
            .map(|one| (one.filter.as_borrowed(), one.options));
        Self::new(all).map_err(D::Error::custom)
    }
}

impl<B: AsRef<[u8]>> Serialize for TopicFilters<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        list(self.iter(), serializer)
    }
}

impl<'de> Deserialize<'de> for TopicFilters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<TopicFilter>::deserialize(deserializer)?;
        let filters = Self::new(all.iter().map(TopicFilter::as_borrowed));
        filters.ok_or_else(|| D::Error::custom(DecodeErrorKind::EmptyList))
    }
}

impl<B: AsRef<[u8]>> Serialize for ReasonCodes<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        list(self.iter(), serializer)
    }
}

impl<'de> Deserialize<'de> for ReasonCodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

/// A [`Frame`], which keeps its fields to itself.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename = "Frame")]
struct FrameFields {
    version: Version,
    bytes: Bytes,
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (version, bytes) = (self.version(), self.bytes().clone());
        FrameFields { version, bytes }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FrameFields { version, bytes } = FrameFields::deserialize(deserializer)?;
        Self::new(version, bytes).map_err(D::Error::custom)
    }
}

/// Succeeds if there is a version that `packet` can be encoded in, and else says what 5.0 has
/// against it.
fn encodable(packet: Packet<&[u8]>) -> Result<(), EncodeError> {
    let Err(error) = packet.encoded_len(Version::V5) else {
        return Ok(());
    };
    match packet.encoded_len(Version::V311) {
        Ok(_) => Ok(()),
        Err(_) => Err(error),
    }
}

// The fields of the packets. These read one field after another, which is not enough: what they
// read has yet to be asked whether it can be encoded.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Connect", rename = "Connect")]
struct ConnectFields {
    clean_start: bool,
    keep_alive: KeepAlive,
    properties: ConnectProperties,
    client_id: Text,
    will: Option<Will>,
    user_name: Option<Text>,
    password: Option<Binary>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Will", rename = "Will")]
struct WillFields {
    qos: QoS,
    retain: bool,
    properties: WillProperties,
    topic: TopicName,
    payload: Binary,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "ConnAck", rename = "ConnAck")]
struct ConnAckFields {
    session_present: bool,
    reason: ReasonCode,
    properties: ConnAckProperties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Publish", rename = "Publish")]
struct PublishFields {
    dup: bool,
    delivery: Delivery,
    retain: bool,
    topic: Option<TopicName>,
    properties: PublishProperties,
    payload: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Ack", rename = "Ack")]
struct AckFields {
    packet_id: PacketId,
    reason: ReasonCode,
    properties: AckProperties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Subscribe", rename = "Subscribe")]
struct SubscribeFields {
    packet_id: PacketId,
    properties: SubscribeProperties,
    subscriptions: Subscriptions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "SubAck", rename = "SubAck")]
struct SubAckFields {
    packet_id: PacketId,
    properties: AckProperties,
    reasons: ReasonCodes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Unsubscribe", rename = "Unsubscribe")]
struct UnsubscribeFields {
    packet_id: PacketId,
    properties: UnsubscribeProperties,
    filters: TopicFilters,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Disconnect", rename = "Disconnect")]
struct DisconnectFields {
    reason: ReasonCode,
    properties: DisconnectProperties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Auth", rename = "Auth")]
struct AuthFields {
    reason: ReasonCode,
    properties: AuthProperties,
}

#[derive(Deserialize)]
#[serde(remote = "Packet", rename = "Packet", rename_all = "lowercase")]
enum PacketFields {
    Connect(#[serde(with = "ConnectFields")] Connect),
    ConnAck(#[serde(with = "ConnAckFields")] ConnAck),
    Publish(#[serde(with = "PublishFields")] Publish),
    PubAck(#[serde(with = "AckFields")] Ack),
    PubRec(#[serde(with = "AckFields")] Ack),
    PubRel(#[serde(with = "AckFields")] Ack),
    PubComp(#[serde(with = "AckFields")] Ack),
    Subscribe(#[serde(with = "SubscribeFields")] Subscribe),
    SubAck(#[serde(with = "SubAckFields")] SubAck),
    Unsubscribe(#[serde(with = "UnsubscribeFields")] Unsubscribe),
    UnsubAck(#[serde(with = "SubAckFields")] SubAck),
    PingReq,
    PingResp,
    Disconnect(#[serde(with = "DisconnectFields")] Disconnect),
    Auth(#[serde(with = "AuthFields")] Auth),
}

impl<'de> Deserialize<'de> for Connect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let connect = ConnectFields::deserialize(deserializer)?;
        let checked = encodable(connect.as_borrowed().into());
        checked.map(|()| connect).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Will {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WillFields::deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for ConnAck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let connack = ConnAckFields::deserialize(deserializer)?;
        let checked = encodable(connack.as_borrowed().into());
        checked.map(|()| connack).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let publish = PublishFields::deserialize(deserializer)?;
        let checked = encodable(publish.as_borrowed().into());
        checked.map(|()| publish).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Ack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ack = AckFields::deserialize(deserializer)?;
        // PUBREC may say what PUBACK may, and PUBCOMP what PUBREL may.
        let checked = encodable(Packet::PubAck(ack.as_borrowed()))
            .or_else(|_| encodable(Packet::PubRel(ack.as_borrowed())));
        checked.map(|()| ack).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Subscribe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let subscribe = SubscribeFields::deserialize(deserializer)?;
        let checked = encodable(subscribe.as_borrowed().into());
        checked.map(|()| subscribe).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for SubAck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let suback = SubAckFields::deserialize(deserializer)?;
        let checked = encodable(Packet::SubAck(suback.as_borrowed()))
            .or_else(|_| encodable(Packet::UnsubAck(suback.as_borrowed())));
        checked.map(|()| suback).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Unsubscribe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unsubscribe = UnsubscribeFields::deserialize(deserializer)?;
        let checked = encodable(unsubscribe.as_borrowed().into());
        checked.map(|()| unsubscribe).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Disconnect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let disconnect = DisconnectFields::deserialize(deserializer)?;
        let checked = encodable(disconnect.as_borrowed().into());
        checked.map(|()| disconnect).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let auth = AuthFields::deserialize(deserializer)?;
        let checked = encodable(auth.as_borrowed().into());
        checked.map(|()| auth).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let packet = PacketFields::deserialize(deserializer)?;
        let checked = encodable(packet.as_borrowed());
        checked.map(|()| packet).map_err(D::Error::custom)
    }
}
