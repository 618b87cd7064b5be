use core::fmt;

use thiserror::Error;

use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::text::InvalidTextKind;
use crate::version::Version;

/// The reason for which a packet cannot be encoded: always the caller's fault. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet uses a part that this version does not have.
    #[error("{what} cannot be sent in MQTT {version}")]
    NotInVersion {
        /// The part that cannot be encoded.
        what: OnlyInV5,
        /// The version.
        version: Version,
    },
    /// The packet is longer than 268,435,460 bytes.
    #[error("packet is longer than a remaining length of 268435455 allows")]
    TooLarge,
    /// The buffer cannot grow and is too small; one of `needed` bytes is large enough.
    #[error("buffer has room for {available} bytes of {needed}")]
    BufferTooSmall {
        /// The length of the packet, or of the list or properties that are built.
        needed: u32,
        /// The room in the buffer, or `u32::MAX` if there is more.
        available: u32,
    },
    /// The packet may not carry this reason code.
    #[error("{packet} cannot carry reason code {code}")]
    InvalidReasonCode {
        /// The packet.
        packet: PacketType,
        /// The code.
        code: ReasonCode,
    },
    /// DUP at QoS 0 [MQTT-3.3.1-2].
    #[error("DUP is set at QoS 0")]
    DupAtQoS0,
    /// PUBLISH with neither a topic nor a topic alias.
    #[error("neither a topic name nor a topic alias is set")]
    MissingTopic,
    /// CONNACK with a session and a refusal.
    #[error("session present with a refusal")]
    SessionPresentWithError,
    /// AUTH, or CONNECT with authentication data, without an authentication method.
    #[error("authentication method is missing")]
    MissingAuthenticationMethod,
    /// A topic filter that starts with `$share/` but is no shared subscription
    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    #[error("topic filter of a shared subscription: {0}")]
    InvalidSharedSubscription(InvalidTextKind),
    /// UNSUBACK without reason codes in 5.0.
    #[error("at least one reason code is needed")]
    EmptyList,
    /// A CONNECT of 5.0 that is to be one of 3.1, or to have the bit of a bridge.
    #[error("5.0 has neither the protocol level of 3.1 nor the bit of a bridge")]
    OnlyInV311,
}

impl EncodeError {
    /// The error for a buffer with too little room.
    #[cold]
    pub(crate) fn too_small(needed: usize, available: usize) -> Self {
        let [needed, available] =
            [needed, available].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        Self::BufferTooSmall { needed, available }
    }
}

/// A part of a packet that 3.1.1 does not have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OnlyInV5 {
    /// AUTH.
    Auth,
    /// A password without a user name.
    LonePassword,
    /// A property.
    Property,
    /// A reason code without a return code in 3.1.1.
    ReasonCode,
    /// Any option of a subscription but its QoS.
    SubscriptionOption,
    /// A reason code in UNSUBACK.
    UnsubAckCode,
}

impl fmt::Display for OnlyInV5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "AUTH",
            Self::LonePassword => "a password without a user name",
            Self::Property => "a property",
            Self::ReasonCode => "this reason code",
            Self::SubscriptionOption => "a subscription option other than QoS",
            Self::UnsubAckCode => "a reason code in UNSUBACK",
        })
    }
}
