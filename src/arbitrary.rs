//! Feature `arbitrary`: values from unstructured bytes, always valid.
//!
//! Every packet can be encoded in 5.0 or in 3.1.1, many in both.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;

use crate::binary::Binary;
use crate::frame::Frame;
use crate::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, ReasonCodes, SubAck, Subscribe,
    SubscriptionOptions, Subscriptions, TopicFilters, Unsubscribe, Will,
};
use crate::packet_type::PacketType;
use crate::property::{Place, Properties, PropertiesBuilder, Property, PropertyId, SubscriptionId};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::topic::{TopicFilter, TopicName};
use crate::varint::VarInt;
use crate::version::Version;

impl<'a> Arbitrary<'a> for VarInt {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.int_in_range(0..=Self::MAX.get())?).unwrap_or_default())
    }
}

impl<'a> Arbitrary<'a> for SubscriptionId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let value = u.int_in_range(1..=VarInt::MAX.get())?;
        Self::new(value).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

/// Text of at most 65,535 bytes without U+0000.
fn string(u: &mut Unstructured<'_>) -> Result<String> {
    let text = u.arbitrary::<&str>()?;
    let mut text: String = text.chars().filter(|&c| c != '\0').collect();
    let end = (0..=text.len().min(0xFFFF))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    Ok(text)
}

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(string(u)?.into()))
    }
}

impl<'a> Arbitrary<'a> for Binary {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let bytes = u.arbitrary::<&[u8]>()?;
        let bytes = bytes.get(..0xFFFF).unwrap_or(bytes);
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }
}

impl<'a> Arbitrary<'a> for TopicName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut name = string(u)?.replace(['+', '#'], "/");
        if name.is_empty() {
            name.push('/');
        }
        Ok(Self(name.into()))
    }
}

impl<'a> Arbitrary<'a> for TopicFilter {
    /// A name in which some levels are wildcards, or a shared subscription of one.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let name = TopicName::arbitrary(u)?;
        let mut filter = match u.ratio(1, 8)? {
            true => Vec::from(*b"$share/g"),
            false => Vec::new(),
        };
        for (at, level) in name.levels().enumerate() {
            if at > 0 || !filter.is_empty() {
                filter.push(b'/');
            }
            match u.ratio(1, 4)? {
                true => filter.push(b'+'),
                false => filter.extend_from_slice(level),
            }
        }
        if u.ratio(1, 4)? {
            filter.extend_from_slice(b"/#");
        }
        // Too long, or in 5.0 a shared subscription without a filter: something else, then.
        let filter = Self::try_from(Bytes::from(filter)).ok();
        let filter = filter.filter(|filter| filter.shared().is_ok());
        Ok(filter.unwrap_or(Self(Bytes::from_static(b"#"))))
    }
}

impl<'a, K: Place> Arbitrary<'a> for Properties<K> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut builder = Self::builder();
        while u.arbitrary()? {
            let id = u.arbitrary()?;
            if K::ALLOWED.contains(id) {
                builder = with(builder, id, u)?;
            }
        }
        Ok(builder.build())
    }
}

/// Sets the property with this identifier.
fn with<K: Place>(
    builder: PropertiesBuilder<K>,
    id: PropertyId,
    u: &mut Unstructured<'_>,
) -> Result<PropertiesBuilder<K>> {
    let (text, other) = (Text::arbitrary(u)?, Text::arbitrary(u)?);
    let text = text.as_borrowed();
    let binary = Binary::arbitrary(u)?;
    let topic = TopicName::arbitrary(u)?;
    let property = match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(u.arbitrary()?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(u.arbitrary()?),
        PropertyId::ContentType => Property::ContentType(text),
        PropertyId::ResponseTopic => Property::ResponseTopic(topic.as_borrowed()),
        PropertyId::CorrelationData => Property::CorrelationData(binary.as_borrowed()),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(u.arbitrary()?),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(u.arbitrary()?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(u.arbitrary()?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
        PropertyId::AuthenticationData => Property::AuthenticationData(binary.as_borrowed()),
        PropertyId::RequestProblemInformation => {
            Property::RequestProblemInformation(u.arbitrary()?)
        }
        PropertyId::WillDelayInterval => Property::WillDelayInterval(u.arbitrary()?),
        PropertyId::RequestResponseInformation => {
            Property::RequestResponseInformation(u.arbitrary()?)
        }
        PropertyId::ResponseInformation => Property::ResponseInformation(text),
        PropertyId::ServerReference => Property::ServerReference(text),
        PropertyId::ReasonString => Property::ReasonString(text),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(u.arbitrary()?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(u.arbitrary()?),
        PropertyId::TopicAlias => Property::TopicAlias(u.arbitrary()?),
        PropertyId::MaximumQoS => Property::MaximumQoS(u.arbitrary()?),
        PropertyId::RetainAvailable => Property::RetainAvailable(u.arbitrary()?),
        PropertyId::UserProperty => Property::UserProperty((text, other.as_borrowed())),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(u.arbitrary()?),
        PropertyId::WildcardSubscriptionAvailable => {
            Property::WildcardSubscriptionAvailable(u.arbitrary()?)
        }
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(u.arbitrary()?)
        }
        PropertyId::SharedSubscriptionAvailable => {
            Property::SharedSubscriptionAvailable(u.arbitrary()?)
        }
    };
    Ok(builder.with(&property))
}

/// Properties for 5.0, none for 3.1.1.
fn properties<K: Place>(version: Version, u: &mut Unstructured<'_>) -> Result<Properties<K>> {
    match version {
        Version::V311 => Ok(Properties::default()),
        Version::V5 => u.arbitrary(),
    }
}

/// A reason code that the packet may carry.
fn reason(version: Version, packet: PacketType, u: &mut Unstructured<'_>) -> Result<ReasonCode> {
    let code: ReasonCode = u.arbitrary()?;
    let allowed = match version {
        Version::V311 => code.to_v311(packet).is_some(),
        Version::V5 => code.allowed_in(packet, None),
    };
    Ok(if allowed { code } else { ReasonCode::Success })
}

impl<'a> Arbitrary<'a> for Packet {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let packet = u.arbitrary()?;
        Ok(match packet {
            PacketType::Connect => Self::Connect(u.arbitrary()?),
            PacketType::ConnAck => Self::ConnAck(u.arbitrary()?),
            PacketType::Publish => Self::Publish(u.arbitrary()?),
            PacketType::PubAck => Self::PubAck(ack(packet, u)?),
            PacketType::PubRec => Self::PubRec(ack(packet, u)?),
            PacketType::PubRel => Self::PubRel(ack(packet, u)?),
            PacketType::PubComp => Self::PubComp(ack(packet, u)?),
            PacketType::Subscribe => Self::Subscribe(u.arbitrary()?),
            PacketType::SubAck => Self::SubAck(suback(packet, u)?),
            PacketType::Unsubscribe => Self::Unsubscribe(u.arbitrary()?),
            PacketType::UnsubAck => Self::UnsubAck(suback(packet, u)?),
            PacketType::PingReq => Self::PingReq,
            PacketType::PingResp => Self::PingResp,
            PacketType::Disconnect => Self::Disconnect(u.arbitrary()?),
            PacketType::Auth => Self::Auth(u.arbitrary()?),
        })
    }
}

impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let packet = Packet::arbitrary(u)?;
        let mut bytes = Vec::new();
        let version = match packet.encode(Version::V311, &mut bytes) {
            Ok(()) => Version::V311,
            Err(_) => Version::V5,
        };
        if version == Version::V5 {
            let encoded = packet.encode(Version::V5, &mut bytes);
            encoded.map_err(|_| arbitrary::Error::IncorrectFormat)?;
        }
        Self::new(version, bytes.into()).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Connect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = u.arbitrary()?;
        let mut connect = Self::new(u.arbitrary()?);
        connect.clean_start = u.arbitrary()?;
        connect.keep_alive = u.arbitrary()?;
        connect.properties = properties(version, u)?;
        if connect.properties.authentication_method().is_none() {
            let builder = connect.properties.to_builder();
            connect.properties = builder.without(PropertyId::AuthenticationData).build();
        }
        connect.user_name = u.arbitrary()?;
        if version == Version::V5 || connect.user_name.is_some() {
            connect.password = u.arbitrary()?;
        }
        if u.arbitrary()? {
            connect.will = Some(will(version, u)?);
        }
        Ok(connect)
    }
}

impl<'a> Arbitrary<'a> for Will {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        will(u.arbitrary()?, u)
    }
}

fn will(version: Version, u: &mut Unstructured<'_>) -> Result<Will> {
    let mut will = Will::new(u.arbitrary()?, u.arbitrary()?);
    will.qos = u.arbitrary()?;
    will.retain = u.arbitrary()?;
    will.properties = properties(version, u)?;
    Ok(will)
}

impl<'a> Arbitrary<'a> for ConnAck {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = u.arbitrary()?;
        let reason = reason(version, PacketType::ConnAck, u)?;
        let mut connack = Self::new(reason);
        connack.session_present = reason == ReasonCode::Success && u.arbitrary()?;
        connack.properties = properties(version, u)?;
        Ok(connack)
    }
}

impl<'a> Arbitrary<'a> for Publish {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let payload = Bytes::copy_from_slice(u.arbitrary()?);
        let mut publish = Self::new(u.arbitrary()?, u.arbitrary()?, payload);
        publish.dup = publish.qos() != QoS::AtMostOnce && u.arbitrary()?;
        publish.retain = u.arbitrary()?;
        publish.properties = properties(u.arbitrary()?, u)?;
        if publish.properties.topic_alias().is_some() && u.arbitrary()? {
            publish.topic = None;
        }
        Ok(publish)
    }
}

impl<'a> Arbitrary<'a> for Ack {
    /// Success, which each of the four packets may carry.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut ack = Self::new(u.arbitrary()?);
        ack.properties = properties(u.arbitrary()?, u)?;
        Ok(ack)
    }
}

fn ack(packet: PacketType, u: &mut Unstructured<'_>) -> Result<Ack> {
    let mut ack = Ack::arbitrary(u)?;
    ack.reason = reason(u.arbitrary()?, packet, u)?;
    Ok(ack)
}

impl<'a> Arbitrary<'a> for Subscriptions {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version: Version = u.arbitrary()?;
        let mut subscriptions = Vec::new();
        while subscriptions.is_empty() || u.arbitrary()? {
            let filter = TopicFilter::arbitrary(u)?;
            let mut options: SubscriptionOptions = u.arbitrary()?;
            if version == Version::V311 {
                options = SubscriptionOptions::new(options.maximum_qos);
            }
            options.no_local &= !filter.is_shared();
            subscriptions.push((filter, options));
        }
        Self::new(subscriptions).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Subscribe {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut subscribe = Self::new(u.arbitrary()?, u.arbitrary()?);
        subscribe.properties = properties(u.arbitrary()?, u)?;
        Ok(subscribe)
    }
}

impl<'a> Arbitrary<'a> for ReasonCodes {
    /// At least one Success, which SUBACK and UNSUBACK may both carry.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.int_in_range(1..=8)?;
        Ok(Self::new((0..count).map(|_| ReasonCode::Success)))
    }
}

impl<'a> Arbitrary<'a> for SubAck {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?))
    }
}

fn suback(packet: PacketType, u: &mut Unstructured<'_>) -> Result<SubAck> {
    let version = u.arbitrary()?;
    let mut reasons = Vec::new();
    while u.arbitrary()? {
        reasons.push(reason(version, packet, u)?);
    }
    if (version, packet) == (Version::V311, PacketType::UnsubAck) {
        reasons.clear();
    } else if reasons.is_empty() {
        reasons.push(ReasonCode::Success);
    }
    let mut suback = SubAck::new(u.arbitrary()?, ReasonCodes::new(reasons));
    suback.properties = properties(version, u)?;
    Ok(suback)
}

impl<'a> Arbitrary<'a> for TopicFilters {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let first = TopicFilter::arbitrary(u)?;
        let more: Vec<TopicFilter> = u.arbitrary()?;
        let all = Self::new(core::iter::once(first).chain(more));
        all.map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Unsubscribe {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut unsubscribe = Self::new(u.arbitrary()?, u.arbitrary()?);
        unsubscribe.properties = properties(u.arbitrary()?, u)?;
        Ok(unsubscribe)
    }
}

impl<'a> Arbitrary<'a> for Disconnect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = u.arbitrary()?;
        let reason = match version {
            Version::V311 => ReasonCode::Success,
            Version::V5 => reason(version, PacketType::Disconnect, u)?,
        };
        let mut disconnect = Self::new(reason);
        disconnect.properties = properties(version, u)?;
        Ok(disconnect)
    }
}

impl<'a> Arbitrary<'a> for Auth {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let reason = reason(Version::V5, PacketType::Auth, u)?;
        let method = Text::arbitrary(u)?;
        let mut auth = Self::new(reason, method.as_borrowed());
        let more: Properties<_> = u.arbitrary()?;
        let more = more
            .to_builder()
            .authentication_method(method.as_borrowed());
        auth.properties = more.build();
        Ok(auth)
    }
}
