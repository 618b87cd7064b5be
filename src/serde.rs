//! The feature `serde`: values, packets and frames to and from any data format.
//!
//! Values that are read pass the same checks as values that are built or decoded, and an error
//! names the rule that is broken. A packet that no version can encode is rejected as well. Both
//! forms are written alike; the owned one is read.
//!
//! Names are the specification's words in snake case: fields (`client_id`), properties
//! (`topic_alias`), reason codes (`not_authorized`), choices (`at_least_once`, `send_if_new`).
//! Those of packets are written in one (`puback`). In JSON this is:
//!
//! | type | form | example |
//! |---|---|---|
//! | [`Version`] | name | `"5.0"` |
//! | numbers, such as [`PacketId`] and [`VarInt`] | number | `7` |
//! | [`Text`](crate::Text), topic names and filters | text | `"sport/+"` |
//! | [`Binary`], payloads | array of bytes; text is read as its bytes, too | `[49,53]` |
//! | [`QoS`](crate::QoS), [`ReasonCode`] and all that is one of a few | name | `"at_least_once"` |
//! | [`Delivery`](crate::Delivery) | name, with the packet identifier where there is one | `{"at_least_once":7}` |
//! | [`Properties`](crate::property::Properties) | array, in order, of one name and value each | `[{"user_property":["k","v"]}]` |
//! | [`Subscriptions`] | array of filters and options | `[{"filter":"a","options":{...}}]` |
//! | packets, [`SubscriptionOptions`] | every field by name; what is optional or neutral may be absent | `{"packet_id":7,...}` |
//! | [`Packet`] | name and packet; the name alone of what is empty | `{"puback":{...}}`, `"pingreq"` |
//! | [`Frame`] | version and bytes | `{"version":"5.0","bytes":[192,0]}` |
//!
//! A neutral field may be absent: then flags are false (but Clean Start true), the keep alive is
//! off, the QoS of a will is 0, the reason is success, properties are empty, and subscription
//! options are those of QoS 0.
//!
//! Formats without names, such as postcard, put fields in the order of declaration and number names
//! in it: 0, 1 and so on.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::binary::Binary;
use crate::error::DecodeErrorKind;
use crate::frame::Frame;
use crate::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, ReasonCodes, SubAck, Subscribe,
    SubscriptionOptions, Subscriptions, TopicFilters, Unsubscribe,
};
use crate::packet::{Unchecked, check};
use crate::packet_id::PacketId;
use crate::serialize::{bytes, list};
use crate::topic::TopicFilter;
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
            #[serde(default)]
            options: SubscriptionOptions,
        }
        let all = Vec::<Subscription>::deserialize(deserializer)?;
        let all = all.into_iter().map(|one| (one.filter, one.options));
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
        Self::new(all).map_err(D::Error::custom)
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

/// A [`Packet`] whose fields are read but not yet checked together.
#[derive(Deserialize)]
#[serde(remote = "Packet", rename = "Packet", rename_all = "lowercase")]
enum PacketFields {
    Connect(#[serde(deserialize_with = "Unchecked::deserialize")] Connect),
    ConnAck(#[serde(deserialize_with = "Unchecked::deserialize")] ConnAck),
    Publish(#[serde(deserialize_with = "Unchecked::deserialize")] Publish),
    PubAck(#[serde(deserialize_with = "Unchecked::deserialize")] Ack),
    PubRec(#[serde(deserialize_with = "Unchecked::deserialize")] Ack),
    PubRel(#[serde(deserialize_with = "Unchecked::deserialize")] Ack),
    PubComp(#[serde(deserialize_with = "Unchecked::deserialize")] Ack),
    Subscribe(#[serde(deserialize_with = "Unchecked::deserialize")] Subscribe),
    SubAck(#[serde(deserialize_with = "Unchecked::deserialize")] SubAck),
    Unsubscribe(#[serde(deserialize_with = "Unchecked::deserialize")] Unsubscribe),
    UnsubAck(#[serde(deserialize_with = "Unchecked::deserialize")] SubAck),
    PingReq,
    PingResp,
    Disconnect(#[serde(deserialize_with = "Unchecked::deserialize")] Disconnect),
    Auth(#[serde(deserialize_with = "Unchecked::deserialize")] Auth),
}

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let packet = PacketFields::deserialize(deserializer)?;
        check(&[packet.as_borrowed()])?;
        Ok(packet)
    }
}
