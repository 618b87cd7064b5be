use core::fmt;

/// The identifier of a property (table 2-4 of MQTT 5.0).
///
/// [`Property`](crate::property::Property) says more about each.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
#[repr(u8)]
pub enum PropertyId {
    /// Payload Format Indicator, in PUBLISH and the will.
    PayloadFormatIndicator = 0x01,
    /// Message Expiry Interval, in PUBLISH and the will.
    MessageExpiryInterval = 0x02,
    /// Content Type, in PUBLISH and the will.
    ContentType = 0x03,
    /// Response Topic, in PUBLISH and the will.
    ResponseTopic = 0x08,
    /// Correlation Data, in PUBLISH and the will.
    CorrelationData = 0x09,
    /// Subscription Identifier, in PUBLISH and SUBSCRIBE.
    SubscriptionIdentifier = 0x0B,
    /// Session Expiry Interval, in CONNECT, CONNACK and DISCONNECT.
    SessionExpiryInterval = 0x11,
    /// Assigned Client Identifier, in CONNACK.
    AssignedClientIdentifier = 0x12,
    /// Server Keep Alive, in CONNACK.
    ServerKeepAlive = 0x13,
    /// Authentication Method, in CONNECT, CONNACK and AUTH.
    AuthenticationMethod = 0x15,
    /// Authentication Data, in CONNECT, CONNACK and AUTH.
    AuthenticationData = 0x16,
    /// Request Problem Information, in CONNECT.
    RequestProblemInformation = 0x17,
    /// Will Delay Interval, in the will.
    WillDelayInterval = 0x18,
    /// Request Response Information, in CONNECT.
    RequestResponseInformation = 0x19,
    /// Response Information, in CONNACK.
    ResponseInformation = 0x1A,
    /// Server Reference, in CONNACK and DISCONNECT.
    ServerReference = 0x1C,
    /// Reason String, in CONNACK, DISCONNECT, AUTH and all acknowledgements.
    ReasonString = 0x1F,
    /// Receive Maximum, in CONNECT and CONNACK.
    ReceiveMaximum = 0x21,
    /// Topic Alias Maximum, in CONNECT and CONNACK.
    TopicAliasMaximum = 0x22,
    /// Topic Alias, in PUBLISH.
    TopicAlias = 0x23,
    /// Maximum QoS, in CONNACK.
    #[cfg_attr(feature = "serde", serde(rename = "maximum_qos"))]
    MaximumQoS = 0x24,
    /// Retain Available, in CONNACK.
    RetainAvailable = 0x25,
    /// User Property, in every packet that has properties.
    UserProperty = 0x26,
    /// Maximum Packet Size, in CONNECT and CONNACK.
    MaximumPacketSize = 0x27,
    /// Wildcard Subscription Available, in CONNACK.
    WildcardSubscriptionAvailable = 0x28,
    /// Subscription Identifier Available, in CONNACK.
    SubscriptionIdentifierAvailable = 0x29,
    /// Shared Subscription Available, in CONNACK.
    SharedSubscriptionAvailable = 0x2A,
}

impl PropertyId {
    /// Returns the property with this identifier. The specification sends identifiers as variable
    /// byte integers, but all are below 128.
    #[inline]
    pub const fn from_u8(id: u8) -> Option<Self> {
        Some(match id {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0B => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1A => Self::ResponseInformation,
            0x1C => Self::ServerReference,
            0x1F => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQoS,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifierAvailable,
            0x2A => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }
}

/// The name, as the specification writes it but in lower case.
impl fmt::Display for PropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PayloadFormatIndicator => "payload format indicator",
            Self::MessageExpiryInterval => "message expiry interval",
            Self::ContentType => "content type",
            Self::ResponseTopic => "response topic",
            Self::CorrelationData => "correlation data",
            Self::SubscriptionIdentifier => "subscription identifier",
            Self::SessionExpiryInterval => "session expiry interval",
            Self::AssignedClientIdentifier => "assigned client identifier",
            Self::ServerKeepAlive => "server keep alive",
            Self::AuthenticationMethod => "authentication method",
            Self::AuthenticationData => "authentication data",
            Self::RequestProblemInformation => "request problem information",
            Self::WillDelayInterval => "will delay interval",
            Self::RequestResponseInformation => "request response information",
            Self::ResponseInformation => "response information",
            Self::ServerReference => "server reference",
            Self::ReasonString => "reason string",
            Self::ReceiveMaximum => "receive maximum",
            Self::TopicAliasMaximum => "topic alias maximum",
            Self::TopicAlias => "topic alias",
            Self::MaximumQoS => "maximum QoS",
            Self::RetainAvailable => "retain available",
            Self::UserProperty => "user property",
            Self::MaximumPacketSize => "maximum packet size",
            Self::WildcardSubscriptionAvailable => "wildcard subscription available",
            Self::SubscriptionIdentifierAvailable => "subscription identifier available",
            Self::SharedSubscriptionAvailable => "shared subscription available",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_is_its_own() {
        let all = (0..=u8::MAX).filter_map(|id| Some((id, PropertyId::from_u8(id)?)));
        assert!(all.clone().all(|(id, property)| property as u8 == id));
        assert_eq!(all.count(), 27);
    }
}
