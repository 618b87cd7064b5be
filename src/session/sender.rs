use super::error::Violation;
use crate::packet_type::PacketType;
use crate::qos::QoS;
use crate::reason::ReasonCode;

/// The packet for which the sender of a packet with an identifier waits (section 4.3).
///
/// ```text
///   QoS 1   send PUBLISH ---> AwaitPubAck   -- PUBACK ------------------> done
///
///   QoS 2   send PUBLISH ---> AwaitPubRec   -- PUBREC, 0x80 and above --> done
///                                  |
///                           PUBREC, below 0x80
///                                  v
///           send PUBREL ----> AwaitPubComp  -- PUBCOMP, any code, ------> done
///                ^                 |           or PUBREC, 0x80 and above
///                |          PUBREC, below 0x80
///                +-----------------+
///
///   send SUBSCRIBE ---------> AwaitSubAck   -- SUBACK ------------------> done
///   send UNSUBSCRIBE -------> AwaitUnsubAck -- UNSUBACK ----------------> done
/// ```
///
/// The packet identifier is free again when the exchange is done.
#[expect(
    clippy::exhaustive_enums,
    reason = "the states are the specification's"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outbound {
    /// A QoS 1 PUBLISH was sent [MQTT-4.3.2-3].
    AwaitPubAck,
    /// A QoS 2 PUBLISH was sent [MQTT-4.3.3-3].
    AwaitPubRec,
    /// PUBREL was sent: the message itself may be discarded [MQTT-4.3.3-5].
    AwaitPubComp,
    /// SUBSCRIBE was sent.
    AwaitSubAck,
    /// UNSUBSCRIBE was sent.
    AwaitUnsubAck,
}

impl Outbound {
    /// Returns the exchange that begins with a PUBLISH of this QoS, or `None` at QoS 0.
    pub const fn new(qos: QoS) -> Option<Self> {
        match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Self::AwaitPubAck),
            QoS::ExactlyOnce => Some(Self::AwaitPubRec),
        }
    }

    /// Advances on an acknowledgement from the peer. The codes of SUBACK and UNSUBACK do not
    /// matter.
    ///
    /// # Errors
    ///
    /// If the packet does not answer the packet that was sent.
    pub const fn on_ack(self, ack: PacketType, reason: ReasonCode) -> Result<Step, Violation> {
        match (self, ack) {
            (Self::AwaitPubAck, PacketType::PubAck)
            | (Self::AwaitPubComp, PacketType::PubComp)
            | (Self::AwaitSubAck, PacketType::SubAck)
            | (Self::AwaitUnsubAck, PacketType::UnsubAck) => Ok(Step::Done),
            // The peer has discarded the message: no PUBREL, and no retry [MQTT-4.4.0-2].
            (Self::AwaitPubRec | Self::AwaitPubComp, PacketType::PubRec) if reason.is_error() => {
                Ok(Step::Done)
            }
            // A repeated PUBREC is answered again, as it was [MQTT-4.3.3-4].
            (Self::AwaitPubRec | Self::AwaitPubComp, PacketType::PubRec) => {
                Ok(Step::SendPubRel(Self::AwaitPubComp))
            }
            (Self::AwaitPubRec, PacketType::PubAck) => Err(Violation::PubAckAtQoS2),
            (_, ack) => Err(Violation::UnexpectedAck(ack)),
        }
    }

    /// Returns the packet that is sent again at the beginning of a new network connection, and only
    /// then [MQTT-4.4.0-1]. `None` if the exchange ended with the old one.
    pub const fn reconnected(self) -> Option<PacketType> {
        match self {
            Self::AwaitPubAck | Self::AwaitPubRec => Some(PacketType::Publish),
            // Never PUBLISH again [MQTT-4.3.3-6].
            Self::AwaitPubComp => Some(PacketType::PubRel),
            Self::AwaitSubAck | Self::AwaitUnsubAck => None,
        }
    }
}

/// The next step after [`Outbound::on_ack`].
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every step")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// The exchange is over: release the packet identifier.
    Done,
    /// Send PUBREL, then wait in the given state.
    SendPubRel(Outbound),
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: ReasonCode = ReasonCode::Success;
    const FAILED: ReasonCode = ReasonCode::QuotaExceeded;

    /// Every state against every packet with an identifier; `None` is a violation.
    #[test]
    fn transition_table() {
        use Outbound::*;
        use PacketType::*;

        let (done, released) = (Some(Step::Done), Some(Step::SendPubRel(AwaitPubComp)));
        let packets = [
            (PubAck, OK),
            (PubAck, FAILED),
            (PubRec, OK),
            (PubRec, FAILED),
            (PubComp, OK),
            (PubComp, ReasonCode::PacketIdentifierNotFound),
            (SubAck, OK),
            (UnsubAck, OK),
            (Publish, OK),
            (PubRel, OK),
            (Subscribe, OK),
            (Unsubscribe, OK),
        ];
        #[rustfmt::skip]
        let table = [
            //              PUBACK ok, no   PUBREC ok, no           PUBCOMP     SUBACK UNSUBACK
            (AwaitPubAck,  [done, done,     None, None,             None, None, None,  None]),
            (AwaitPubRec,  [None, None,     released, done,         None, None, None,  None]),
            (AwaitPubComp, [None, None,     released, done,         done, done, None,  None]),
            (AwaitSubAck,  [None, None,     None, None,             None, None, done,  None]),
            (AwaitUnsubAck,[None, None,     None, None,             None, None, None,  done]),
        ];
        for (state, row) in table {
            let row = row.into_iter().chain([None; 4]);
            for ((packet, reason), expected) in packets.into_iter().zip(row) {
                let expected = expected.ok_or(match (state, packet) {
                    (AwaitPubRec, PubAck) => Violation::PubAckAtQoS2,
                    _ => Violation::UnexpectedAck(packet),
                });
                let step = state.on_ack(packet, reason);
                assert_eq!(step, expected, "{state:?} on {packet} {reason}");
            }
        }
        let resent = table.map(|(state, _)| state.reconnected());
        let (publish, release) = (Some(Publish), Some(PubRel));
        assert_eq!(resent, [publish, publish, release, None, None]);
    }
}
