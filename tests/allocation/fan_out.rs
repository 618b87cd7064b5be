use std::time::Duration;

use mqtt_sansio::connection::{Incoming, server};
use mqtt_sansio::packet::{Ack, ConnAck, Connect, Packet};
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::{FrameDecoder, Message, QoS, ReasonCode, Shared, Version};
use stats_alloc::Region;

use super::ALLOCATOR;

const NOW: Duration = Duration::ZERO;

struct Subscriber {
    connection: server::Connection<Shared>,
    output: Vec<u8>,
}

/// From the second message on, none of them and no outcome takes memory, in any connection.
pub(super) fn one_message_to_many() {
    for version in [Version::V311, Version::V5] {
        let mut subscribers: Vec<_> = (0..100).map(|_| Subscriber::new(version)).collect();
        let message = Message::new("a/b/c".parse().unwrap(), vec![b'x'; 64]);
        let mut shared = Shared::new(message);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for id in [None, SubscriptionId::new(7), SubscriptionId::new(700)] {
                shared = shared.with_ids(id);
                for round in 0..10 {
                    let region = Region::new(ALLOCATOR);
                    for to in &mut subscribers {
                        to.get(&shared, qos, round % 2 == 0);
                    }
                    let change = region.change();
                    if round > 1 {
                        let count = change.allocations + change.reallocations;
                        assert_eq!(count, 0, "{version} {qos:?} {id:?}");
                    }
                }
            }
        }
    }
}

impl Subscriber {
    fn new(version: Version) -> Self {
        let mut connection = server::Connection::keeping(NOW, Duration::MAX);
        let (mut input, mut output) = (Vec::new(), Vec::with_capacity(256));
        let connect = Packet::from(Connect::new("c".parse().unwrap()));
        connect.encode(version, &mut input).unwrap();
        let got = connection.handle_slice(NOW, &mut &input[..]);
        assert!(matches!(got, Some(Incoming::Connect(_))));
        let connack = ConnAck::new(ReasonCode::Success);
        connection.accept(NOW, connack, &mut None).unwrap();
        connection.poll_bytes(NOW, &mut output);
        output.clear();
        Self { connection, output }
    }

    /// Gets a message, in one call or in two, and acknowledges it.
    fn get(&mut self, message: &Shared, qos: QoS, in_one: bool) {
        let Self { connection, output } = self;
        let version = connection.version();
        if in_one {
            connection.publish_into(NOW, qos, message, output).unwrap();
        } else {
            connection.publish(qos, message.clone()).unwrap();
            connection.poll_bytes(NOW, output);
        }
        let mut decoder = FrameDecoder::client(version);
        let Ok(Some(Packet::Publish(publish))) = decoder.decode(&mut &output[..]) else {
            panic!("not a PUBLISH");
        };
        assert_eq!((publish.qos(), publish.payload.len()), (qos, 64));
        let id = publish.packet_id();
        let mut answer = |packet: Packet| {
            let answered = connection.handle_packet(NOW, version, &packet);
            assert_eq!(answered, Ok(None));
            connection.poll_bytes(NOW, output);
        };
        if let Some(ack) = id.map(Ack::new) {
            match qos {
                QoS::ExactlyOnce => {
                    answer(Packet::PubRec(ack.clone()));
                    answer(Packet::PubComp(ack));
                }
                _ => answer(Packet::PubAck(ack)),
            }
        }
        self.output.clear();
        assert!(self.connection.poll_event().is_some());
        assert!(self.connection.session().is_empty());
    }
}
