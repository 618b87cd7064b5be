use core::fmt;

use crate::number::number;
use crate::packet_id::PacketId;

/// The quality of service of a message: how often it may arrive (section 4.3).
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification has three levels"
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0.
    #[default]
    AtMostOnce = 0,
    /// QoS 1.
    AtLeastOnce = 1,
    /// QoS 2.
    ExactlyOnce = 2,
}

impl QoS {
    /// Succeeds iff `value` is 0, 1 or 2.
    pub const fn new(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Returns the level as a number: 0, 1 or 2.
    pub const fn level(self) -> u8 {
        self as u8
    }
}

/// The name as the specification writes it: QoS 0, QoS 1 or QoS 2.
impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AtMostOnce => "QoS 0",
            Self::AtLeastOnce => "QoS 1",
            Self::ExactlyOnce => "QoS 2",
        })
    }
}

/// The delivery of a PUBLISH: its QoS, with the packet identifier that QoS 1 and 2 need and QoS 0
/// cannot have [MQTT-2.2.1-2].
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification has three levels"
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Delivery {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce(PacketId),
    /// QoS 2.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// Returns the QoS alone.
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce(_) => QoS::AtLeastOnce,
            Self::ExactlyOnce(_) => QoS::ExactlyOnce,
        }
    }

    /// Returns the packet identifier, which QoS 0 lacks.
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(id) | Self::ExactlyOnce(id) => Some(id),
        }
    }
}

number!(QoS: u8 by new and level, or "not a QoS, 0 to 2");
