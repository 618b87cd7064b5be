//! Properties for the feature `serde`, whose forms `src/serde.rs` describes.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::BytesMut;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    MaximumQoS, PayloadFormat, Place, Properties, Property, PropertyId, SubscriptionId, TopicAlias,
};
use crate::binary::Binary;
use crate::error::{DecodeErrorKind, Fault};
use crate::serialize::list;
use crate::text::Text;
use crate::topic::TopicName;
use crate::varint::VarInt;

impl<'de> Deserialize<'de> for TopicAlias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let alias = Self::new(u16::deserialize(deserializer)?);
        alias.ok_or_else(|| out_of_range(PropertyId::TopicAlias))
    }
}

impl<'de> Deserialize<'de> for SubscriptionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Self::new(u32::deserialize(deserializer)?);
        id.ok_or_else(|| out_of_range(PropertyId::SubscriptionIdentifier))
    }
}

fn out_of_range<E: Error>(id: PropertyId) -> E {
    let kind = DecodeErrorKind::PropertyOutOfRange;
    E::custom(format_args!("{id}: {kind}"))
}

impl<K, B: AsRef<[u8]>> Serialize for Properties<K, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        list(self.iter(), serializer)
    }
}

impl<'de, K: Place> Deserialize<'de> for Properties<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut block = BytesMut::new();
        for property in Vec::<OwnedProperty>::deserialize(deserializer)? {
            property.as_property().put(&mut block);
        }
        // The parser knows what may stand here, and wants the length in front.
        let mut wire = BytesMut::with_capacity(4 + block.len());
        let len = VarInt::try_from(block.len()).map_err(D::Error::custom)?;
        len.encode(&mut wire);
        wire.extend_from_slice(&block);
        let wire = wire.freeze();
        match Properties::parse(&wire) {
            Ok((_, (properties, _))) => Ok(properties.map(|block| wire.slice_ref(block))),
            Err(error) => {
                let Fault { kind, field, .. } = error.into();
                Err(D::Error::custom(format_args!("{field}: {kind}")))
            }
        }
    }
}

/// A [`Property`] that owns its value, variant by variant in the same order.
#[derive(Deserialize)]
#[serde(rename = "Property", rename_all = "snake_case")]
enum OwnedProperty {
    PayloadFormatIndicator(PayloadFormat),
    MessageExpiryInterval(u32),
    ContentType(Text),
    ResponseTopic(TopicName),
    CorrelationData(Binary),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(Text),
    ServerKeepAlive(u16),
    AuthenticationMethod(Text),
    AuthenticationData(Binary),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(Text),
    ServerReference(Text),
    ReasonString(Text),
    ReceiveMaximum(NonZeroU16),
    TopicAliasMaximum(u16),
    TopicAlias(TopicAlias),
    #[serde(rename = "maximum_qos")]
    MaximumQoS(MaximumQoS),
    RetainAvailable(bool),
    MaximumPacketSize(NonZeroU32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
    SubscriptionIdentifier(SubscriptionId),
    UserProperty((Text, Text)),
}

impl OwnedProperty {
    fn as_property(&self) -> Property<'_> {
        match self {
            Self::PayloadFormatIndicator(v) => Property::PayloadFormatIndicator(*v),
            Self::MessageExpiryInterval(v) => Property::MessageExpiryInterval(*v),
            Self::ContentType(v) => Property::ContentType(v.as_borrowed()),
            Self::ResponseTopic(v) => Property::ResponseTopic(v.as_borrowed()),
            Self::CorrelationData(v) => Property::CorrelationData(v.as_borrowed()),
            Self::SessionExpiryInterval(v) => Property::SessionExpiryInterval(*v),
            Self::AssignedClientIdentifier(v) => {
                Property::AssignedClientIdentifier(v.as_borrowed())
            }
            Self::ServerKeepAlive(v) => Property::ServerKeepAlive(*v),
            Self::AuthenticationMethod(v) => Property::AuthenticationMethod(v.as_borrowed()),
            Self::AuthenticationData(v) => Property::AuthenticationData(v.as_borrowed()),
            Self::RequestProblemInformation(v) => Property::RequestProblemInformation(*v),
            Self::WillDelayInterval(v) => Property::WillDelayInterval(*v),
            Self::RequestResponseInformation(v) => Property::RequestResponseInformation(*v),
            Self::ResponseInformation(v) => Property::ResponseInformation(v.as_borrowed()),
            Self::ServerReference(v) => Property::ServerReference(v.as_borrowed()),
            Self::ReasonString(v) => Property::ReasonString(v.as_borrowed()),
            Self::ReceiveMaximum(v) => Property::ReceiveMaximum(*v),
            Self::TopicAliasMaximum(v) => Property::TopicAliasMaximum(*v),
            Self::TopicAlias(v) => Property::TopicAlias(*v),
            Self::MaximumQoS(v) => Property::MaximumQoS(*v),
            Self::RetainAvailable(v) => Property::RetainAvailable(*v),
            Self::MaximumPacketSize(v) => Property::MaximumPacketSize(*v),
            Self::WildcardSubscriptionAvailable(v) => Property::WildcardSubscriptionAvailable(*v),
            Self::SubscriptionIdentifierAvailable(v) => {
                Property::SubscriptionIdentifierAvailable(*v)
            }
            Self::SharedSubscriptionAvailable(v) => Property::SharedSubscriptionAvailable(*v),
            Self::SubscriptionIdentifier(v) => Property::SubscriptionIdentifier(*v),
            Self::UserProperty((name, value)) => {
                Property::UserProperty((name.as_borrowed(), value.as_borrowed()))
            }
        }
    }
}
