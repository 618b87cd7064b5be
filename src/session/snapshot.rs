use alloc::vec::Vec;

use super::Session;
use super::error::InvalidSnapshot;
use super::in_flight::Lane;
use super::receiver::{Inbound, Received};
use super::sender::{Outbound, Sent};
use crate::packet_id::PacketId;
use crate::qos::Delivery;

/// All of a session that outlives a network connection, as plain data (section 4.1).
///
/// Taken by [`Session::snapshot`] at any time, and checked by [`Session::restore`]. Quotas, requests
/// and what is owed on a network connection are not in it, and neither is a message that came and is
/// not yet taken over: it comes again.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot<M> {
    /// The layout of this structure: [`LAYOUT`](Self::LAYOUT).
    pub layout: u8,
    /// The packet identifier that was taken last.
    pub last_packet_id: Option<PacketId>,
    /// The messages that are to be sent, or sent again, in order.
    pub messages: Vec<StoredMessage<M>>,
    /// For which PUBREL is to be sent again, in order.
    pub releases: Vec<PacketId>,
    /// The QoS 2 messages that the peer sent, until it sends PUBREL.
    pub received: Vec<PacketId>,
}

/// One outbound message in a [`Snapshot`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct StoredMessage<M> {
    /// QoS 1 or 2.
    pub delivery: Delivery,
    /// Whether it has been sent at least once.
    pub sent: bool,
    /// What the caller keeps.
    pub message: M,
}

impl<M> Snapshot<M> {
    /// The one layout so far.
    pub const LAYOUT: u8 = 1;

    /// That of a session in which nothing has happened.
    pub const fn new() -> Self {
        Self {
            layout: Self::LAYOUT,
            last_packet_id: None,
            messages: Vec::new(),
            releases: Vec::new(),
            received: Vec::new(),
        }
    }
}

impl<M> Default for Snapshot<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Session<M> {
    /// The state as plain data.
    pub fn snapshot(&self) -> Snapshot<M>
    where
        M: Clone,
    {
        let mut snapshot = Snapshot::new();
        snapshot.last_packet_id = self.outbound.ids().last();
        for (id, sent) in self.outbound.iter(Lane::Message) {
            let delivery = match sent.state {
                Outbound::AwaitPubAck => Delivery::AtLeastOnce(id),
                _ => Delivery::ExactlyOnce(id),
            };
            if let Some(message) = &sent.message {
                snapshot.messages.push(StoredMessage {
                    delivery,
                    sent: sent.sent,
                    message: message.clone(),
                });
            }
        }
        let released = self.outbound.iter(Lane::Release).map(|(id, _)| id);
        // What was given up after it was sent is released in place of PUBLISH.
        let given_up = self
            .outbound
            .iter(Lane::Message)
            .filter(|(_, sent)| sent.message.is_none() && sent.state == Outbound::AwaitPubRec);
        let released = released.chain(given_up.map(|(id, _)| id));
        snapshot.releases.extend(released);
        let received = self.inbound.iter(Lane::Message);
        let received = received.filter(|(_, received)| received.state == Inbound::AwaitPubRel);
        snapshot.received.extend(received.map(|(id, _)| id));
        snapshot
    }

    /// A session from its state, not connected.
    pub fn restore(snapshot: Snapshot<M>) -> Result<Self, InvalidSnapshot> {
        if snapshot.layout != Snapshot::<M>::LAYOUT {
            return Err(InvalidSnapshot::UnknownLayout(snapshot.layout));
        }
        let mut session = Self::new();
        let once = |new, id| match new {
            true => Ok(()),
            false => Err(InvalidSnapshot::RepeatedPacketId(id)),
        };
        for stored in snapshot.messages {
            let (id, state) = match stored.delivery {
                Delivery::AtMostOnce => return Err(InvalidSnapshot::AtMostOnce),
                Delivery::AtLeastOnce(id) => (id, Outbound::AwaitPubAck),
                Delivery::ExactlyOnce(id) => (id, Outbound::AwaitPubRec),
            };
            let sent = Sent::new(state, Some(stored.message), stored.sent);
            once(session.outbound.push(Lane::Message, id, sent), id)?;
        }
        for id in snapshot.releases {
            let sent = Sent::new(Outbound::AwaitPubComp, None, true);
            once(session.outbound.push(Lane::Release, id, sent), id)?;
        }
        for id in snapshot.received {
            let received = Received::new(Inbound::AwaitPubRel);
            once(session.inbound.push(Lane::Message, id, received), id)?;
        }
        session.outbound.set_last_id(snapshot.last_packet_id);
        Ok(session)
    }
}

#[cfg(feature = "serde")]
impl<M: Clone + serde::Serialize> serde::Serialize for Session<M> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.snapshot().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de, M: serde::Deserialize<'de>> serde::Deserialize<'de> for Session<M> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let snapshot = Snapshot::deserialize(deserializer)?;
        Self::restore(snapshot).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::ReasonCode;
    use crate::session::Link;
    use crate::session::tests::{Wire, drain, id};
    use crate::version::Version;
    use alloc::vec;

    fn sample() -> Snapshot<u32> {
        let stored = |delivery, sent, message| StoredMessage {
            delivery,
            sent,
            message,
        };
        Snapshot {
            layout: 1,
            last_packet_id: Some(id(65_535)),
            messages: vec![
                stored(Delivery::ExactlyOnce(id(9)), true, 1),
                stored(Delivery::AtLeastOnce(id(65_535)), false, 2),
            ],
            releases: vec![id(8), id(3)],
            received: vec![id(3), id(9)],
        }
    }

    #[test]
    fn restored_as_it_was() {
        let mut session = Session::restore(sample()).unwrap();
        session.check();
        assert_eq!(session.snapshot(), sample());
        assert_eq!(session.next_packet_id(), Some(id(1)));
        session.connect(Link::new(Version::V5));
        let ok = ReasonCode::Success;
        let expected = [
            Wire::PubRel(id(8), ok),
            Wire::PubRel(id(3), ok),
            Wire::Publish(Delivery::ExactlyOnce(id(9)), true, 1),
            Wire::Publish(Delivery::AtLeastOnce(id(65_535)), false, 2),
        ];
        assert_eq!(drain(&mut session), expected);
    }

    #[test]
    fn what_is_not_in_it() {
        let mut session = Session::<u32>::new();
        session.connect(Link::new(Version::V5));
        session.subscribe(1).unwrap();
        for value in 1..=3 {
            let _ = session
                .handle_publish(Delivery::ExactlyOnce(id(value)))
                .unwrap();
        }
        session.acknowledge(id(2), ReasonCode::Success).unwrap();
        session
            .acknowledge(id(3), ReasonCode::QuotaExceeded)
            .unwrap();
        session.handle_pub_rel(id(4)).unwrap();
        let snapshot = session.snapshot();
        assert_eq!(snapshot.received, [id(2)], "taken over");
        assert_eq!((snapshot.messages, snapshot.releases), (vec![], vec![]));
    }

    #[test]
    fn checked() {
        let fails = |change: fn(&mut Snapshot<u32>)| {
            let mut snapshot = sample();
            change(&mut snapshot);
            Session::restore(snapshot).map(|_| ())
        };
        let twice = |value| Err(InvalidSnapshot::RepeatedPacketId(id(value)));
        assert_eq!(fails(|_| {}), Ok(()));
        assert_eq!(
            fails(|s| s.layout = 2),
            Err(InvalidSnapshot::UnknownLayout(2))
        );
        let zero = fails(|s| s.messages[0].delivery = Delivery::AtMostOnce);
        assert_eq!(zero, Err(InvalidSnapshot::AtMostOnce));
        assert_eq!(fails(|s| s.releases.push(id(9))), twice(9));
        assert_eq!(fails(|s| s.releases.push(id(8))), twice(8));
        assert_eq!(fails(|s| s.received.push(id(3))), twice(3));
        let message = |s: &mut Snapshot<u32>| s.messages.push(s.messages[1].clone());
        assert_eq!(fails(message), twice(65_535));
    }

    /// what is read is checked.
    #[cfg(feature = "serde")]
    #[test]
    fn read_and_written() {
        let session = Session::restore(sample()).unwrap();
        let json = serde_json::to_string(&session).unwrap();
        assert_eq!(json, serde_json::to_string(&sample()).unwrap());
        let read: Session<u32> = serde_json::from_str(&json).unwrap();
        assert_eq!(read.snapshot(), sample());
        let read = |json: &str| serde_json::from_str::<Session<u32>>(json).is_ok();
        assert!(read(&json));
        for (good, bad) in [
            ("\"layout\":1", "\"layout\":2"),
            ("[8,3]", "[8,8]"),
            ("[8,3]", "[8,0]"),
            ("[3,9]", "[9,9]"),
            ("{\"exactly_once\":9}", "\"at_most_once\""),
        ] {
            assert!(json.contains(good), "{json}");
            assert!(!read(&json.replace(good, bad)), "{bad}");
        }
    }
}
