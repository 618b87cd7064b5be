use core::fmt;

use crate::number::number;

/// The protocol version that a byte stream speaks.
///
/// CONNECT chooses it once, and every later decode and encode receives it as a value.
#[expect(
    clippy::exhaustive_enums,
    reason = "a third version would change every match that a caller has"
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    #[cfg_attr(feature = "serde", serde(rename = "3.1.1"))]
    V311,
    /// MQTT 5.0, protocol level 5.
    #[cfg_attr(feature = "serde", serde(rename = "5.0"))]
    V5,
}

impl Version {
    /// Returns the version with this protocol level, the byte that CONNECT carries.
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            4 => Some(Self::V311),
            5 => Some(Self::V5),
            _ => None,
        }
    }

    /// Returns the protocol level: 4 or 5.
    pub const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

number!(Version: u8 by from_level and level, or "not a protocol level, 4 or 5");
