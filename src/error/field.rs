use core::fmt;

use crate::property_id::PropertyId;

/// The fields in which a [`DecodeError`](super::DecodeError) lies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// The first byte.
    FixedHeader,
    /// The length in the fixed header.
    RemainingLength,
    /// The packet as a whole.
    Packet,
    /// `MQTT` in CONNECT.
    ProtocolName,
    /// The protocol level, or version, in CONNECT.
    ProtocolLevel,
    /// The connect flags.
    ConnectFlags,
    /// Keep alive in CONNECT.
    KeepAlive,
    /// The client identifier.
    ClientId,
    /// The will topic.
    WillTopic,
    /// The will payload.
    WillPayload,
    /// The user name.
    UserName,
    /// The password.
    Password,
    /// The connect acknowledge flags.
    ConnAckFlags,
    /// A reason code or return code.
    ReasonCode,
    /// The packet identifier.
    PacketId,
    /// The topic name of PUBLISH.
    TopicName,
    /// A topic filter of SUBSCRIBE or UNSUBSCRIBE.
    TopicFilter,
    /// The subscription options, or requested QoS, behind a topic filter.
    SubscriptionOptions,
    /// The length of the properties.
    PropertyLength,
    /// The identifier of a property.
    PropertyId,
    /// The value of a property.
    Property(PropertyId),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FixedHeader => "fixed header",
            Self::RemainingLength => "remaining length",
            Self::Packet => "packet",
            Self::ProtocolName => "protocol name",
            Self::ProtocolLevel => "protocol level",
            Self::ConnectFlags => "connect flags",
            Self::KeepAlive => "keep alive",
            Self::ClientId => "client identifier",
            Self::WillTopic => "will topic",
            Self::WillPayload => "will payload",
            Self::UserName => "user name",
            Self::Password => "password",
            Self::ConnAckFlags => "connect acknowledge flags",
            Self::ReasonCode => "reason code",
            Self::PacketId => "packet identifier",
            Self::TopicName => "topic name",
            Self::TopicFilter => "topic filter",
            Self::SubscriptionOptions => "subscription options",
            Self::PropertyLength => "property length",
            Self::PropertyId => "property identifier",
            Self::Property(id) => return id.fmt(f),
        })
    }
}
