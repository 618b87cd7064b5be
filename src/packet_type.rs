use core::fmt;

use crate::number::number;
use crate::side::Side;
use crate::version::Version;

/// The fifteen packet types (table 2-1).
#[expect(clippy::exhaustive_enums, reason = "MQTT has exactly fifteen")]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "lowercase")
)]
#[repr(u8)]
pub enum PacketType {
    /// CONNECT.
    Connect = 1,
    /// CONNACK.
    ConnAck = 2,
    /// PUBLISH.
    Publish = 3,
    /// PUBACK.
    PubAck = 4,
    /// PUBREC.
    PubRec = 5,
    /// PUBREL.
    PubRel = 6,
    /// PUBCOMP.
    PubComp = 7,
    /// SUBSCRIBE.
    Subscribe = 8,
    /// SUBACK.
    SubAck = 9,
    /// UNSUBSCRIBE.
    Unsubscribe = 10,
    /// UNSUBACK.
    UnsubAck = 11,
    /// PINGREQ.
    PingReq = 12,
    /// PINGRESP.
    PingResp = 13,
    /// DISCONNECT.
    Disconnect = 14,
    /// AUTH; reserved in 3.1.1.
    Auth = 15,
}

impl PacketType {
    /// Succeeds iff `value` is from 1 to 15.
    #[inline]
    pub const fn new(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// Returns the number of the packet type: 1 to 15.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// Returns the only first byte that the packet may have; PUBLISH adds its flags (table 2-2).
    pub(crate) const fn first_byte(self) -> u8 {
        let flags = match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        };
        (self as u8) << 4 | flags
    }

    /// Returns the one side that may send this packet; `None` for both (table 2-1).
    const fn only_from(self, version: Version) -> Option<Side> {
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::PingReq => {
                Some(Side::Client)
            }
            Self::Disconnect if matches!(version, Version::V311) => Some(Side::Client),
            Self::ConnAck | Self::SubAck | Self::UnsubAck | Self::PingResp => Some(Side::Server),
            _ => None,
        }
    }
}

/// The name as the specification writes it.
impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}

/// Returns the packet types that may arrive: bit 1 for CONNECT to bit 15 for AUTH.
pub(crate) const fn accepted(version: Option<Version>, sender: Option<Side>) -> u16 {
    const CLIENT: Option<Side> = Some(Side::Client);
    const SERVER: Option<Side> = Some(Side::Server);
    const V311: [u16; 3] = [
        select(Version::V311, None),
        select(Version::V311, CLIENT),
        select(Version::V311, SERVER),
    ];
    const V5: [u16; 3] = [
        select(Version::V5, None),
        select(Version::V5, CLIENT),
        select(Version::V5, SERVER),
    ];
    let [both, client, server] = match version {
        Some(Version::V311) => V311,
        Some(Version::V5) => V5,
        None => return 1 << PacketType::Connect as u8,
    };
    match sender {
        None => both,
        Some(Side::Client) => client,
        Some(Side::Server) => server,
    }
}

/// Selects packet types by version and sender, at compile time.
const fn select(version: Version, sender: Option<Side>) -> u16 {
    let (mut types, mut value) = (0, 1);
    while let Some(packet) = PacketType::new(value) {
        let may = match (packet.only_from(version), sender) {
            _ if matches!((packet, version), (PacketType::Auth, Version::V311)) => false,
            (Some(only), Some(sender)) => only as u8 == sender as u8,
            _ => true,
        };
        if may {
            types |= 1 << value;
        }
        value += 1;
    }
    types
}

number!(PacketType: u8 by new and to_u8, or "not a packet type, 1 to 15");

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 2-1.
    #[test]
    fn who_sends_what() {
        let (client, server) = (Some(Side::Client), Some(Side::Server));
        let all = 0b1111_1111_1111_1110;
        let by_clients = 1 << 1 | 1 << 8 | 1 << 10 | 1 << 12;
        let by_servers = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 13;
        let (disconnect, auth) = (1 << 14, 1 << 15);
        for (version, sender, without) in [
            (Version::V311, None, auth),
            (Version::V311, client, auth | by_servers),
            (Version::V311, server, auth | by_clients | disconnect),
            (Version::V5, None, 0),
            (Version::V5, client, by_servers),
            (Version::V5, server, by_clients),
        ] {
            assert_eq!(select(version, sender), all & !without);
        }
    }
}
