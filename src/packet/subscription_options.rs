use crate::error::DecodeErrorKind;
use crate::qos::QoS;
use crate::version::Version;

/// The options of a subscription (section 3.8.3.1 of 5.0); 3.1.1 has the QoS alone.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct SubscriptionOptions {
    /// The highest QoS to send messages with.
    pub maximum_qos: QoS,
    /// No Local: true to leave out the messages that this client publishes itself.
    pub no_local: bool,
    /// Retain As Published: true to keep the RETAIN flag of the publisher.
    pub retain_as_published: bool,
    /// Retain Handling: when to send retained messages.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Makes options with this maximum QoS; all other bits are zero.
    pub const fn new(maximum_qos: QoS) -> Self {
        Self {
            maximum_qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }

    pub(super) const fn from_byte(version: Version, byte: u8) -> Result<Self, DecodeErrorKind> {
        let reserved = match version {
            Version::V311 => 0b1111_1100,
            Version::V5 => 0b1100_0000,
        };
        if byte & reserved != 0 {
            return Err(DecodeErrorKind::ReservedSubscriptionOptions(byte));
        }
        let Some(maximum_qos) = QoS::new(byte & 0b11) else {
            return Err(DecodeErrorKind::InvalidQoS);
        };
        Ok(Self {
            maximum_qos,
            no_local: byte & 1 << 2 != 0,
            retain_as_published: byte & 1 << 3 != 0,
            retain_handling: match byte >> 4 & 0b11 {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeErrorKind::InvalidRetainHandling),
            },
        })
    }

    pub(super) fn to_byte(self) -> u8 {
        self.maximum_qos.level()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }
}

/// The options of [`SubscriptionOptions::new`].
impl From<QoS> for SubscriptionOptions {
    fn from(maximum_qos: QoS) -> Self {
        Self::new(maximum_qos)
    }
}

/// The subscriptions for which the server sends the retained messages that match.
#[expect(clippy::exhaustive_enums, reason = "the fourth value is an error")]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[repr(u8)]
pub enum RetainHandling {
    /// Every subscription.
    #[default]
    SendAtSubscribe = 0,
    /// Only a subscription that did not exist before [MQTT-3.3.1-10].
    SendIfNew = 1,
    /// No subscription.
    DoNotSend = 2,
}
