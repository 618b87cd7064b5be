use core::fmt;

use crate::number::number;
use crate::packet_type::PacketType;
use crate::qos::QoS;
use crate::side::Side;

/// The outcome of an operation (section 2.4 of 5.0).
///
/// [`Success`](Self::Success) is also called Normal disconnection in DISCONNECT and Granted QoS 0
/// in SUBACK. The return codes of 3.1.1 are mapped by [`from_v311`](Self::from_v311) and
/// [`to_v311`](Self::to_v311).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
#[repr(u8)]
pub enum ReasonCode {
    /// The operation succeeded.
    Success = 0x00,
    /// The subscription is accepted with at most QoS 1.
    #[cfg_attr(feature = "serde", serde(rename = "granted_qos_1"))]
    GrantedQoS1 = 0x01,
    /// The subscription is accepted with at most QoS 2.
    #[cfg_attr(feature = "serde", serde(rename = "granted_qos_2"))]
    GrantedQoS2 = 0x02,
    /// The client disconnects, but its will is to be published.
    DisconnectWithWillMessage = 0x04,
    /// The message is accepted, but there is no matching subscription.
    NoMatchingSubscribers = 0x10,
    /// No such subscription existed.
    NoSubscriptionExisted = 0x11,
    /// Another step of the authentication follows.
    ContinueAuthentication = 0x18,
    /// The client starts a new authentication.
    ReAuthenticate = 0x19,
    /// No other code applies, or the sender does not disclose the reason.
    UnspecifiedError = 0x80,
    /// The packet does not follow the format of the specification.
    MalformedPacket = 0x81,
    /// The packet is well formed, but unexpected or against a rule.
    ProtocolError = 0x82,
    /// The packet is valid, but this implementation does not accept it.
    ImplementationSpecificError = 0x83,
    /// The server does not support the requested version.
    UnsupportedProtocolVersion = 0x84,
    /// The client identifier is not allowed.
    ClientIdentifierNotValid = 0x85,
    /// The server does not accept the user name or the password.
    BadUserNameOrPassword = 0x86,
    /// The client may not do this.
    NotAuthorized = 0x87,
    /// The server is not available.
    ServerUnavailable = 0x88,
    /// The server is busy: try again later.
    ServerBusy = 0x89,
    /// The client has been banned.
    Banned = 0x8A,
    /// The server is shutting down.
    ServerShuttingDown = 0x8B,
    /// The authentication method is not supported, or not the one in use.
    BadAuthenticationMethod = 0x8C,
    /// No packet arrived for one and a half times the keep alive.
    KeepAliveTimeout = 0x8D,
    /// Another connection took this client identifier.
    SessionTakenOver = 0x8E,
    /// The topic filter is not accepted.
    TopicFilterInvalid = 0x8F,
    /// The topic name is not accepted.
    TopicNameInvalid = 0x90,
    /// The packet identifier is in use.
    PacketIdentifierInUse = 0x91,
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92,
    /// More messages than Receive Maximum are unacknowledged.
    ReceiveMaximumExceeded = 0x93,
    /// The topic alias is zero, above the maximum, or unknown.
    TopicAliasInvalid = 0x94,
    /// The packet is larger than the receiver accepts.
    PacketTooLarge = 0x95,
    /// The rate of messages is too high.
    MessageRateTooHigh = 0x96,
    /// A limit that was set for this client is reached.
    QuotaExceeded = 0x97,
    /// An administrator closed the connection.
    AdministrativeAction = 0x98,
    /// The payload does not match the payload format indicator.
    PayloadFormatInvalid = 0x99,
    /// The server does not support retained messages.
    RetainNotSupported = 0x9A,
    /// The QoS is above the server's maximum.
    #[cfg_attr(feature = "serde", serde(rename = "qos_not_supported"))]
    QoSNotSupported = 0x9B,
    /// Use another server for now.
    UseAnotherServer = 0x9C,
    /// Use another server from now on.
    ServerMoved = 0x9D,
    /// The server does not support shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E,
    /// The rate of connections is too high.
    ConnectionRateExceeded = 0x9F,
    /// The connection has reached its maximum time.
    MaximumConnectTime = 0xA0,
    /// The server does not support subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1,
    /// The server does not support wildcards in topic filters.
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl ReasonCode {
    /// Returns the code with this value, if MQTT 5.0 defines it.
    pub const fn from_u8(value: u8) -> Option<Self> {
        const BY_VALUE: [Option<ReasonCode>; 256] = {
            let mut by_value = [None; 256];
            let mut row = 0;
            while row < NAMES.len() {
                #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
                (by_value[NAMES[row].0 as usize] = Some(NAMES[row].0));
                row += 1;
            }
            by_value
        };
        #[expect(clippy::indexing_slicing, reason = "there is a row for every value")]
        BY_VALUE[value as usize]
    }

    /// Returns the value as it is sent in 5.0.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// Returns whether this code reports a failure, that is, is 0x80 or above.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Returns whether MQTT 5.0 allows this code in `packet`, sent by `sender`, or by either side
    /// if that is `None` (table 2-6 and the tables of the packets).
    pub fn allowed_in(self, packet: PacketType, sender: Option<Side>) -> bool {
        let only_from = match (packet, self as u8) {
            (PacketType::Disconnect, 0x04) | (PacketType::Auth, 0x19) => Some(Side::Client),
            // 0x9B is the server's in table 3-10, but section 3.3.4 tells the client to send it.
            // 0x8C stands in table 2-6 alone.
            (PacketType::Disconnect, 0x87 | 0x89 | 0x8B..=0x8F | 0x9A | 0x9C..=0xA2)
            | (PacketType::Auth, 0x00) => Some(Side::Server),
            _ => None,
        };
        let sender_may = match (only_from, sender) {
            (Some(only), Some(sender)) => only == sender,
            _ => true,
        };
        sender_may && codes_of(packet).contains(&(self as u8))
    }

    /// Returns the code for a return code of 3.1.1 in CONNACK (0 to 5) or SUBACK (0 to 2 and 0x80).
    pub fn from_v311(packet: PacketType, value: u8) -> Option<Self> {
        let row = v311_codes(packet).iter().find(|row| row.0 == value)?;
        Some(row.1)
    }

    /// Returns the return code of 3.1.1 for this code in CONNACK or SUBACK.
    ///
    /// `None` if 3.1.1 has none that means the same. A failed subscription can then be reported as
    /// [`UnspecifiedError`](Self::UnspecifiedError), 0x80; a refused connection is closed without
    /// CONNACK (3.1.1 \[MQTT-3.2.2-6\]).
    ///
    /// ```
    /// use mqtt_sansio::{PacketType, ReasonCode};
    ///
    /// assert_eq!(ReasonCode::NotAuthorized.to_v311(PacketType::ConnAck), Some(5));
    /// assert_eq!(ReasonCode::Banned.to_v311(PacketType::ConnAck), None);
    /// ```
    pub fn to_v311(self, packet: PacketType) -> Option<u8> {
        let row = v311_codes(packet).iter().find(|row| row.1 == self)?;
        Some(row.0)
    }

    /// Returns the name in table 2-6.
    pub fn name(self) -> &'static str {
        let row = NAMES.iter().find(|row| row.0 == self);
        row.map_or("", |row| row.1)
    }
}

/// The code of SUBACK that grants a QoS (section 3.9.3).
impl From<QoS> for ReasonCode {
    fn from(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => Self::Success,
            QoS::AtLeastOnce => Self::GrantedQoS1,
            QoS::ExactlyOnce => Self::GrantedQoS2,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", *self as u8, self.name())
    }
}

/// The values that each packet may carry in 5.0.
#[rustfmt::skip]
const fn codes_of(packet: PacketType) -> &'static [u8] {
    match packet {
        PacketType::ConnAck => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
            0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        PacketType::PubAck | PacketType::PubRec => &[
            0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99,
        ],
        PacketType::PubRel | PacketType::PubComp => &[0x00, 0x92],
        PacketType::SubAck => &[
            0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
        PacketType::UnsubAck => &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        PacketType::Disconnect => &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
            0xA1, 0xA2,
        ],
        PacketType::Auth => &[0x00, 0x18, 0x19],
        _ => &[],
    }
}

/// The return codes of 3.1.1 and what they are called in 5.0.
const fn v311_codes(packet: PacketType) -> &'static [(u8, ReasonCode)] {
    match packet {
        PacketType::ConnAck => &[
            (0, ReasonCode::Success),
            (1, ReasonCode::UnsupportedProtocolVersion),
            (2, ReasonCode::ClientIdentifierNotValid),
            (3, ReasonCode::ServerUnavailable),
            (4, ReasonCode::BadUserNameOrPassword),
            (5, ReasonCode::NotAuthorized),
        ],
        PacketType::SubAck => &[
            (0x00, ReasonCode::Success),
            (0x01, ReasonCode::GrantedQoS1),
            (0x02, ReasonCode::GrantedQoS2),
            (0x80, ReasonCode::UnspecifiedError),
        ],
        _ => &[],
    }
}

/// Table 2-6: every code and its name.
#[rustfmt::skip]
const NAMES: &[(ReasonCode, &str)] = &[
    (ReasonCode::Success,                             "Success"),
    (ReasonCode::GrantedQoS1,                         "Granted QoS 1"),
    (ReasonCode::GrantedQoS2,                         "Granted QoS 2"),
    (ReasonCode::DisconnectWithWillMessage,           "Disconnect with Will Message"),
    (ReasonCode::NoMatchingSubscribers,               "No matching subscribers"),
    (ReasonCode::NoSubscriptionExisted,               "No subscription existed"),
    (ReasonCode::ContinueAuthentication,              "Continue authentication"),
    (ReasonCode::ReAuthenticate,                      "Re-authenticate"),
    (ReasonCode::UnspecifiedError,                    "Unspecified error"),
    (ReasonCode::MalformedPacket,                     "Malformed Packet"),
    (ReasonCode::ProtocolError,                       "Protocol Error"),
    (ReasonCode::ImplementationSpecificError,         "Implementation specific error"),
    (ReasonCode::UnsupportedProtocolVersion,          "Unsupported Protocol Version"),
    (ReasonCode::ClientIdentifierNotValid,            "Client Identifier not valid"),
    (ReasonCode::BadUserNameOrPassword,               "Bad User Name or Password"),
    (ReasonCode::NotAuthorized,                       "Not authorized"),
    (ReasonCode::ServerUnavailable,                   "Server unavailable"),
    (ReasonCode::ServerBusy,                          "Server busy"),
    (ReasonCode::Banned,                              "Banned"),
    (ReasonCode::ServerShuttingDown,                  "Server shutting down"),
    (ReasonCode::BadAuthenticationMethod,             "Bad authentication method"),
    (ReasonCode::KeepAliveTimeout,                    "Keep Alive timeout"),
    (ReasonCode::SessionTakenOver,                    "Session taken over"),
    (ReasonCode::TopicFilterInvalid,                  "Topic Filter invalid"),
    (ReasonCode::TopicNameInvalid,                    "Topic Name invalid"),
    (ReasonCode::PacketIdentifierInUse,               "Packet Identifier in use"),
    (ReasonCode::PacketIdentifierNotFound,            "Packet Identifier not found"),
    (ReasonCode::ReceiveMaximumExceeded,              "Receive Maximum exceeded"),
    (ReasonCode::TopicAliasInvalid,                   "Topic Alias invalid"),
    (ReasonCode::PacketTooLarge,                      "Packet too large"),
    (ReasonCode::MessageRateTooHigh,                  "Message rate too high"),
    (ReasonCode::QuotaExceeded,                       "Quota exceeded"),
    (ReasonCode::AdministrativeAction,                "Administrative action"),
    (ReasonCode::PayloadFormatInvalid,                "Payload format invalid"),
    (ReasonCode::RetainNotSupported,                  "Retain not supported"),
    (ReasonCode::QoSNotSupported,                     "QoS not supported"),
    (ReasonCode::UseAnotherServer,                    "Use another server"),
    (ReasonCode::ServerMoved,                         "Server moved"),
    (ReasonCode::SharedSubscriptionsNotSupported,     "Shared Subscriptions not supported"),
    (ReasonCode::ConnectionRateExceeded,              "Connection rate exceeded"),
    (ReasonCode::MaximumConnectTime,                  "Maximum connect time"),
    (ReasonCode::SubscriptionIdentifiersNotSupported, "Subscription Identifiers not supported"),
    (ReasonCode::WildcardSubscriptionsNotSupported,   "Wildcard Subscriptions not supported"),
];

number!(ReasonCode: u8 by from_u8 and to_u8, or "not a reason code of MQTT 5.0");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_43_codes_in_order() {
        assert_eq!(NAMES.len(), 43);
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let known = (0..=255).filter_map(ReasonCode::from_u8).count();
        assert_eq!(known, 43);
    }

    /// The counts that the tables of the packets give, and the two directions.
    #[test]
    fn codes_by_packet_and_sender() {
        use PacketType::*;
        let count = |packet, sender| {
            let codes = NAMES.iter().filter(|row| row.0.allowed_in(packet, sender));
            codes.count()
        };
        #[rustfmt::skip]
        let table = [
            (ConnAck, 22, 22), (PubAck, 9, 9), (PubRec, 9, 9), (PubRel, 2, 2), (PubComp, 2, 2),
            (SubAck, 12, 12), (UnsubAck, 7, 7), (Disconnect, 15, 29), (Auth, 2, 2),
            (Connect, 0, 0), (Publish, 0, 0),
        ];
        for (packet, client, server) in table {
            assert_eq!(count(packet, Some(Side::Client)), client, "{packet}");
            assert_eq!(count(packet, Some(Side::Server)), server, "{packet}");
        }
        assert_eq!(count(Disconnect, None), 30);
        assert_eq!(count(Auth, None), 3);
    }

    #[test]
    fn v311_codes_map_both_ways() {
        for packet in [PacketType::ConnAck, PacketType::SubAck] {
            let known = (0..=255).filter_map(|value| {
                let code = ReasonCode::from_v311(packet, value)?;
                assert_eq!(code.to_v311(packet), Some(value));
                assert!(code.allowed_in(packet, Some(Side::Server)));
                Some(code)
            });
            let expected = if packet == PacketType::ConnAck { 6 } else { 4 };
            assert_eq!(known.count(), expected);
        }
        assert_eq!(ReasonCode::Banned.to_v311(PacketType::ConnAck), None);
        assert_eq!(ReasonCode::NotAuthorized.to_v311(PacketType::SubAck), None);
    }
}
