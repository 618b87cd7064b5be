use super::error::Violation;
use crate::packet_type::PacketType;
use crate::qos::QoS;
use crate::reason::ReasonCode;

/// The packet that the receiver of a QoS 1 or QoS 2 message owes or awaits (section 4.3).
///
/// ```text
///   QoS 1   PUBLISH -> OwePubAck  -- PUBACK sent -----------------------> unknown
///
///   QoS 2   PUBLISH -> OwePubRec  -- PUBREC sent, 0x80 and above -------> unknown
///                          |
///              PUBREC sent, below 0x80
///                          v
///                     AwaitPubRel <---- PUBLISH: PUBREC again, no delivery
///                          |
///                        PUBREL
///                          v
///           PUBREL -> OwePubComp  -- PUBCOMP sent ----------------------> unknown
/// ```
///
/// The packet identifier alone identifies a message, not DUP [MQTT-4.3.2-5] [MQTT-4.3.3-10]. `None`
/// stands for an unknown identifier.
#[expect(
    clippy::exhaustive_enums,
    reason = "the states are the specification's"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Inbound {
    /// A QoS 1 message was received.
    OwePubAck,
    /// A QoS 2 message was received.
    OwePubRec,
    /// This side owns the message. No other message with its identifier is delivered.
    AwaitPubRel,
    /// PUBREL was received.
    OwePubComp,
}

impl Inbound {
    /// Advances on a PUBLISH. At QoS 0 there is no state.
    ///
    /// # Errors
    ///
    /// If the packet identifier is that of another message.
    pub const fn on_publish(state: Option<Self>, qos: QoS) -> Result<PublishStep, Violation> {
        match (state, qos) {
            (None, QoS::AtLeastOnce) => Ok(PublishStep::Deliver(Self::OwePubAck)),
            (None, QoS::ExactlyOnce) => Ok(PublishStep::Deliver(Self::OwePubRec)),
            (Some(Self::OwePubAck), QoS::AtLeastOnce)
            | (Some(Self::OwePubRec), QoS::ExactlyOnce) => Ok(PublishStep::Wait),
            (Some(Self::AwaitPubRel), QoS::ExactlyOnce) => Ok(PublishStep::SendPubRec),
            (_, qos) => Err(Violation::PacketIdInUse(qos)),
        }
    }

    /// Advances when the caller answers the message with this code, in PUBACK or PUBREC. Returns
    /// the state after that packet. Without effect in a state that owes neither.
    pub const fn acknowledged(self, reason: ReasonCode) -> Option<Self> {
        match self {
            Self::OwePubAck => None,
            // The next message with this identifier is a new one [MQTT-4.3.3-9].
            Self::OwePubRec if reason.is_error() => None,
            Self::OwePubRec => Some(Self::AwaitPubRel),
            state => Some(state),
        }
    }

    /// Advances on PUBREL, and returns the code for PUBCOMP, which always follows [MQTT-4.3.3-11].
    ///
    /// # Errors
    ///
    /// If the identifier is that of a QoS 1 message.
    pub const fn on_pub_rel(state: Option<Self>) -> Result<ReasonCode, Violation> {
        match state {
            None => Ok(ReasonCode::PacketIdentifierNotFound),
            // A sender that gives a message up may release it before it has PUBREC.
            Some(Self::OwePubRec | Self::AwaitPubRel | Self::OwePubComp) => Ok(ReasonCode::Success),
            Some(Self::OwePubAck) => Err(Violation::UnexpectedAck(PacketType::PubRel)),
        }
    }

    /// Returns the state on a new network connection, on which the peer sends unanswered packets
    /// again.
    pub const fn reconnected(self) -> Option<Self> {
        match self {
            Self::OwePubRec | Self::AwaitPubRel => Some(self),
            Self::OwePubAck | Self::OwePubComp => None,
        }
    }
}

/// The next step after [`Inbound::on_publish`].
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every step")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PublishStep {
    /// A new message: deliver it and answer it. The given state holds until then.
    Deliver(Inbound),
    /// A repetition of a message that is not answered yet.
    Wait,
    /// A repetition of a message that this side owns: send PUBREC again [MQTT-4.3.3-10].
    SendPubRec,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: ReasonCode = ReasonCode::Success;
    const REFUSED: ReasonCode = ReasonCode::NotAuthorized;

    /// Every state against every input.
    #[test]
    fn transition_table() {
        use Inbound::*;
        use PublishStep::*;

        let states = [
            None,
            Some(OwePubAck),
            Some(OwePubRec),
            Some(AwaitPubRel),
            Some(OwePubComp),
        ];
        let in_use = |qos| Err(Violation::PacketIdInUse(qos));
        let (one, two) = (in_use(QoS::AtLeastOnce), in_use(QoS::ExactlyOnce));
        let not_found = ReasonCode::PacketIdentifierNotFound;
        let unexpected = Err(Violation::UnexpectedAck(PacketType::PubRel));
        #[rustfmt::skip]
        let table = [
            // PUBLISH QoS 1           PUBLISH QoS 2           PUBREL
            (Ok(Deliver(OwePubAck)),   Ok(Deliver(OwePubRec)), Ok(not_found)),
            (Ok(Wait),                 two,                    unexpected),
            (one,                      Ok(Wait),               Ok(OK)),
            (one,                      Ok(SendPubRec),         Ok(OK)),
            (one,                      two,                    Ok(OK)),
        ];
        for (state, row) in states.into_iter().zip(table) {
            assert_eq!(
                Inbound::on_publish(state, QoS::AtLeastOnce),
                row.0,
                "{state:?}"
            );
            assert_eq!(
                Inbound::on_publish(state, QoS::ExactlyOnce),
                row.1,
                "{state:?}"
            );
            assert!(Inbound::on_publish(state, QoS::AtMostOnce).is_err());
            assert_eq!(Inbound::on_pub_rel(state), row.2, "{state:?}");
        }
        #[rustfmt::skip]
        let table = [
            // state       accepted             refused            reconnected
            (OwePubAck,   (None,                None,              None)),
            (OwePubRec,   (Some(AwaitPubRel),   None,              Some(OwePubRec))),
            (AwaitPubRel, (Some(AwaitPubRel),   Some(AwaitPubRel), Some(AwaitPubRel))),
            (OwePubComp,  (Some(OwePubComp),    Some(OwePubComp),  None)),
        ];
        for (state, row) in table {
            let accepted = state.acknowledged(ReasonCode::NoMatchingSubscribers);
            let refused = state.acknowledged(REFUSED);
            assert_eq!((accepted, refused, state.reconnected()), row, "{state:?}");
        }
    }
}
