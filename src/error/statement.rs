//! The normative statement that an error breaks, and the rule to let go.

use super::{DecodeError, DecodeErrorKind, Field};
use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::rules::Rule;
use crate::side::Side;
use crate::text::InvalidTextKind;
use crate::version::Version::{V5, V311};

impl DecodeError {
    /// The normative statement that is broken, such as `"MQTT-3.8.3-5"`, of the specification of
    /// [`version`](Self::version). `None` where the rule has no number.
    pub const fn statement(&self) -> Option<&'static str> {
        use DecodeErrorKind as Kind;
        let packet = match (self.kind, self.packet()) {
            (Kind::NotConnect(_), _) => return Some("MQTT-3.1.0-1"),
            (_, Some(packet)) => packet,
            (_, None) => return None,
        };
        Some(match (self.kind, self.version()) {
            (Kind::InvalidFlags(_), _) => self.of_flags(packet),
            (Kind::InvalidQoS, version) => match (self.field, version) {
                (Field::ConnectFlags, V311) => "MQTT-3.1.2-14",
                (Field::ConnectFlags, V5) => "MQTT-3.1.2-12",
                (Field::SubscriptionOptions, V311) => "MQTT-3.8.3-4",
                (Field::SubscriptionOptions, V5) => return None,
                _ => "MQTT-3.3.1-4",
            },
            (Kind::DupAtQoS0, _) => "MQTT-3.3.1-2",
            (Kind::VarIntNotMinimal, _) => "MQTT-1.5.5-1",
            (Kind::UnexpectedProtocolName | Kind::Mqtt31, _) => "MQTT-3.1.2-1",
            (Kind::UnsupportedProtocolLevel(_), _) => "MQTT-3.1.2-2",
            (Kind::Missing, _) => return self.of_missing_field(packet),
            (Kind::Truncated | Kind::TrailingBytes, _) if matches!(packet, PacketType::Connect) => {
                "MQTT-3.1.4-1"
            }
            (Kind::Truncated, _) => return self.of_required_field(packet),
            (Kind::Text(InvalidTextKind::WildcardInName), version) => match (self.field, packet) {
                (Field::TopicName, _) => "MQTT-3.3.2-2",
                (Field::Property(_), PacketType::Publish) => "MQTT-3.3.2-14",
                _ => InvalidTextKind::WildcardInName.statement(version),
            },
            (Kind::Text(kind), version) => kind.statement(version),
            (Kind::MissingTopic, _) => "MQTT-4.7.3-1",
            (Kind::ZeroPacketId, _) => self.of_packet_id(packet),
            (Kind::ReservedConnectFlag, _) => "MQTT-3.1.2-3",
            (Kind::WillQoSWithoutWill, V311) => "MQTT-3.1.2-13",
            (Kind::WillQoSWithoutWill, V5) => "MQTT-3.1.2-11",
            (Kind::WillRetainWithoutWill, V311) => "MQTT-3.1.2-15",
            (Kind::WillRetainWithoutWill, V5) => "MQTT-3.1.2-13",
            (Kind::PasswordWithoutUserName, _) => "MQTT-3.1.2-22",
            (Kind::ReservedConnAckFlags(_), V5) => "MQTT-3.2.2-1",
            (Kind::SessionPresentWithError, V311) => "MQTT-3.2.2-4",
            (Kind::SessionPresentWithError, V5) => "MQTT-3.2.2-6",
            (Kind::InvalidReasonCode(_), _) => return self.of_reason_code(packet),
            (Kind::PropertyOutOfRange, _) => match self.field {
                Field::Property(PropertyId::TopicAlias) => "MQTT-3.3.2-8",
                _ => return None,
            },
            (Kind::PropertyFromWrongSender, _) => match self.field {
                Field::Property(PropertyId::SubscriptionIdentifier) => "MQTT-3.3.4-6",
                Field::Property(PropertyId::SessionExpiryInterval) => "MQTT-3.14.2-2",
                _ => return None,
            },
            (Kind::EmptyList, _) => return self.of_list(packet),
            (Kind::ReservedSubscriptionOptions(_), V311) => "MQTT-3.8.3-4",
            (Kind::ReservedSubscriptionOptions(_), V5) => "MQTT-3.8.3-5",
            (Kind::NoLocalOnSharedSubscription, _) => "MQTT-3.8.3-4",
            _ => return None,
        })
    }

    /// The rule to [let go](crate::Rules) in order to live with this peer, or `None` if there is
    /// none.
    pub const fn rule(&self) -> Option<Rule> {
        use DecodeErrorKind as Kind;
        use PacketType::{ConnAck, Disconnect, Publish};
        Some(match (self.kind, self.packet()) {
            (Kind::InvalidFlags(_), Some(_)) => Rule::FixedHeaderFlags,
            (Kind::DupAtQoS0, _) => Rule::DupAtQoS0,
            (Kind::VarIntNotMinimal, _) => match self.field {
                Field::RemainingLength | Field::PropertyLength => Rule::ShortestLength,
                _ => return None,
            },
            (Kind::PacketTooLarge(_), Some(Publish)) => Rule::PacketTooLarge,
            (Kind::WrongSender | Kind::TrailingBytes, Some(Disconnect))
                if matches!((self.version(), self.sender()), (V311, Some(Side::Server))) =>
            {
                Rule::ServerDisconnect
            }
            (Kind::Mqtt31, _) => Rule::Mqtt31,
            (Kind::UnsupportedProtocolLevel(0x84), _) => Rule::BridgeBit,
            (Kind::TrailingBytes, Some(_)) => Rule::TrailingBytes,
            (Kind::Text(_) | Kind::MissingTopic, Some(Publish)) => Rule::PublishText,
            (Kind::ZeroPacketId, _) => Rule::ZeroPacketId,
            (Kind::ReservedConnectFlag, _) => Rule::ReservedConnectFlag,
            (Kind::WillQoSWithoutWill | Kind::WillRetainWithoutWill, _) => Rule::WillFlags,
            (Kind::PasswordWithoutUserName, _) => Rule::PasswordWithoutUserName,
            (Kind::ReservedConnAckFlags(_), _) => Rule::ConnAckFlags,
            (Kind::SessionPresentWithError, _) => Rule::SessionPresentWithError,
            (Kind::InvalidReasonCode(code), Some(ConnAck)) => match (self.version(), code) {
                // Below 0x80 a code of 5.0 would be a success.
                (V311, _) | (V5, 0x80..) => Rule::ConnAckCode,
                _ => return None,
            },
            (Kind::PropertyOutOfRange, _) => match self.field {
                Field::Property(PropertyId::PayloadFormatIndicator) => Rule::PayloadFormatIndicator,
                _ => return None,
            },
            (Kind::ReservedSubscriptionOptions(_), _) => Rule::SubscriptionOptions,
            (Kind::NoLocalOnSharedSubscription, _) => Rule::NoLocalOnShared,
            _ => return None,
        })
    }

    /// The statement about the flags of a fixed header.
    const fn of_flags(&self, packet: PacketType) -> &'static str {
        match (packet, self.version()) {
            (PacketType::PubRel, _) => "MQTT-3.6.1-1",
            (PacketType::Subscribe, _) => "MQTT-3.8.1-1",
            (PacketType::Unsubscribe, _) => "MQTT-3.10.1-1",
            (PacketType::Disconnect, _) => "MQTT-3.14.1-1",
            (PacketType::Auth, _) => "MQTT-3.15.1-1",
            (_, V311) => "MQTT-2.2.2-1",
            (_, V5) => "MQTT-2.1.3-1",
        }
    }

    /// The statement that a packet must hold the field, of which there is nothing.
    const fn of_missing_field(&self, packet: PacketType) -> Option<&'static str> {
        Some(match (self.field, self.version()) {
            (Field::ClientId, _) => "MQTT-3.1.3-3",
            (Field::WillTopic | Field::WillPayload, _) => "MQTT-3.1.2-9",
            (Field::UserName, V311) => "MQTT-3.1.2-19",
            (Field::UserName, V5) => "MQTT-3.1.2-17",
            (Field::Password, V311) => "MQTT-3.1.2-21",
            (Field::Password, V5) => "MQTT-3.1.2-19",
            (Field::PropertyLength, _) => "MQTT-2.2.2-1",
            (Field::SubscriptionOptions, V311) => "MQTT-3.8.3-3",
            (Field::SubscriptionOptions, V5) => "MQTT-3.8.3-2",
            (Field::TopicName | Field::TopicFilter | Field::PacketId, _) => {
                return self.of_required_field(packet);
            }
            _ if matches!(packet, PacketType::Connect) => "MQTT-3.1.4-1",
            _ => return None,
        })
    }

    /// The statement about the packet identifier 0.
    const fn of_packet_id(&self, packet: PacketType) -> &'static str {
        match (packet, self.version()) {
            (PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe, V311) => {
                "MQTT-2.3.1-1"
            }
            (PacketType::SubAck | PacketType::UnsubAck, V311) => "MQTT-2.3.1-7",
            (PacketType::PubComp, V311) => "MQTT-4.3.3-2",
            (_, V311) => "MQTT-2.3.1-6",
            (PacketType::Publish, V5) if matches!(self.sender(), Some(Side::Server)) => {
                "MQTT-2.2.1-4"
            }
            (PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe, V5) => {
                "MQTT-2.2.1-3"
            }
            (PacketType::SubAck | PacketType::UnsubAck, V5) => "MQTT-2.2.1-6",
            (_, V5) => "MQTT-2.2.1-5",
        }
    }

    /// The statement about the reason codes of a packet.
    const fn of_reason_code(&self, packet: PacketType) -> Option<&'static str> {
        Some(match (packet, self.version()) {
            (PacketType::SubAck, _) => "MQTT-3.9.3-2",
            (PacketType::ConnAck, V5) => "MQTT-3.2.2-8",
            (PacketType::PubAck, V5) => "MQTT-3.4.2-1",
            (PacketType::PubRec, V5) => "MQTT-3.5.2-1",
            (PacketType::PubRel, V5) => "MQTT-3.6.2-1",
            (PacketType::PubComp, V5) => "MQTT-3.7.2-1",
            (PacketType::UnsubAck, V5) => "MQTT-3.11.3-2",
            (PacketType::Disconnect, V5) => "MQTT-3.14.2-1",
            (PacketType::Auth, V5) => "MQTT-3.15.2-1",
            _ => return None,
        })
    }

    /// The statement that a packet must hold one entry at least.
    const fn of_list(&self, packet: PacketType) -> Option<&'static str> {
        Some(match (packet, self.version()) {
            (PacketType::Subscribe, V311) => "MQTT-3.8.3-3",
            (PacketType::Subscribe, V5) => "MQTT-3.8.3-2",
            (PacketType::Unsubscribe, _) => "MQTT-3.10.3-2",
            (PacketType::SubAck, V311) => "MQTT-3.8.4-5",
            _ => return None,
        })
    }

    /// The statement that a packet must hold the field, which is not there in full.
    const fn of_required_field(&self, packet: PacketType) -> Option<&'static str> {
        Some(match (self.field, packet) {
            (Field::TopicName, _) => "MQTT-3.3.2-1",
            (Field::TopicFilter, PacketType::Subscribe) => "MQTT-3.8.3-1",
            (Field::TopicFilter, _) => "MQTT-3.10.3-1",
            // 5.0 says only what the sender assigns.
            (
                Field::PacketId,
                PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe,
            ) if matches!(self.version(), V311) => "MQTT-2.3.1-1",
            _ => return None,
        })
    }
}
