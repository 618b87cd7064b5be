//! Both sides of a network connection, for rules that bind both: the test plays the peer, and the
//! same bytes go to a client of the crate and to the broker.

use std::num::NonZeroU16;

use mqtt_sansio::connection::{ConnectionError, Refused, client};
use mqtt_sansio::property::{AckProperties, ConnAckProperties};
use mqtt_sansio::{Message, Packet, PacketId, QoS, Version};
use support::notation::bytes;
use support::script::{
    ClientEnd, End, Link, Net, Script, ServerEnd, connack, connect, lasting, message,
};

/// One of both sides, with a session that is kept.
///
/// What it takes on topic `in` it delivers. Its own messages have topic `out` and the packet
/// identifiers 1, 2, ....
pub(crate) struct Side {
    pub(crate) peer: Script<Far>,
    /// The broker, and a client that publishes to `out` and gets what is published to `in`.
    broker: Option<(Net, Script<Link>)>,
    /// Properties of CONNECT or CONNACK.
    limits: String,
    published: u8,
}

/// What the test speaks to.
pub(crate) enum Far {
    Broker(Link),
    Client(Box<ClientEnd>),
    /// There is no network connection.
    Nobody,
}

impl Side {
    /// The broker and a client.
    pub(crate) fn both(version: Version) -> [Self; 2] {
        Self::both_limited(version, "")
    }

    /// The broker and a client, which CONNECT and CONNACK tell these properties of their peer.
    pub(crate) fn both_limited(version: Version, limits: &str) -> [Self; 2] {
        // CONNACK is as short as can be.
        let net = Net::with(|config| {
            (config.topic_alias_maximum, config.max_in_flight) = (0, 1_000);
        });
        let mut other = net.connect(version, "other");
        other.subscribe("in", 0);
        let broker = Self::new(version, Some((net, other)), limits);
        [broker, Self::new(version, None, limits)]
    }

    fn new(version: Version, broker: Option<(Net, Script<Link>)>, limits: &str) -> Self {
        let far = match broker {
            Some(_) => Far::Nobody,
            None => {
                // No more limits than the peer says.
                let connection = client::Connection::new()
                    .max_packet_size(u32::MAX)
                    .max_in_flight(NonZeroU16::MAX);
                Far::Client(Box::new(ClientEnd::new(version, connection).end))
            }
        };
        let mut side = Self {
            peer: Script::new(version, far),
            broker,
            limits: limits.into(),
            published: 0,
        };
        side.connect(false);
        if side.broker.is_some() {
            side.peer.send("82 ~ 7F FF [] 'out' 02");
            side.peer.expect("90 ~ 7F FF [] 02");
        }
        side
    }

    /// A network connection, for a session that is there or not.
    fn connect(&mut self, present: bool) {
        let version = self.peer.version;
        let limits = &self.limits;
        match (
            &self.broker,
            std::mem::replace(&mut self.peer.end, Far::Nobody),
        ) {
            (Some((net, _)), _) => {
                self.peer = Script::new(version, Far::Broker(net.open(version).end));
                let connect = format!("10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF {limits}] 'peer'");
                self.peer.send(&connect);
                let Packet::ConnAck(connack) = self.peer.receive() else {
                    panic!("no CONNACK");
                };
                assert_eq!(connack.session_present, present);
            }
            (None, Far::Client(mut end)) => {
                let lasting = lasting(version, "c");
                end.connection.connect(version, lasting).unwrap();
                self.peer = Script::new(version, Far::Client(end));
                assert!(matches!(self.peer.receive(), Packet::Connect(_)));
                let present = u8::from(present);
                self.peer.send(&format!("20 ~ {present:02X} 00 [{limits}]"));
            }
            _ => unreachable!("a client is always there"),
        }
    }

    /// The network connection ends.
    pub(crate) fn cut(&mut self) {
        let version = self.peer.version;
        self.peer = match std::mem::replace(&mut self.peer.end, Far::Nobody) {
            Far::Broker(link) => {
                Script::new(version, link).cut();
                Script::new(version, Far::Nobody)
            }
            Far::Client(mut end) => {
                end.connection.handle_close();
                Script::new(version, Far::Client(end))
            }
            Far::Nobody => panic!("there is no connection"),
        };
    }

    /// A new network connection, on which the session goes on.
    pub(crate) fn come_back(&mut self) {
        self.connect(true);
    }

    /// The network connection ends, and there is a new one.
    pub(crate) fn reconnect(&mut self) {
        self.cut();
        self.come_back();
    }

    /// The side has a message of its own to send.
    pub(crate) fn publish(&mut self, qos: QoS, payload: &'static str) {
        self.published = self.published.checked_add(1).unwrap_or(1);
        let id = self.published;
        match (&mut self.broker, &mut self.peer.end) {
            (Some((_, other)), _) => {
                other.send(&match qos {
                    QoS::AtMostOnce => format!("30 ~ 'out' [] \"{payload}\""),
                    QoS::AtLeastOnce => format!("32 ~ 'out' 00 {id:02X} [] \"{payload}\""),
                    QoS::ExactlyOnce => {
                        format!("34 ~ 'out' 00 {id:02X} [] \"{payload}\" | 62 ~ 00 {id:02X}")
                    }
                });
            }
            (None, Far::Client(end)) => {
                let publish = message("out", payload);
                end.connection.publish(qos, publish).unwrap();
            }
            _ => unreachable!("a client is always there"),
        }
    }

    /// What the side has delivered since the last time.
    pub(crate) fn delivered(&mut self) -> Vec<String> {
        match (&mut self.broker, &mut self.peer.end) {
            (Some((_, other)), _) => messages(&other.receive_all()),
            (None, Far::Client(end)) => std::mem::take(&mut end.delivered),
            _ => unreachable!("a client is always there"),
        }
    }

    /// The client, if this is one.
    pub(crate) fn client(&mut self) -> Option<&mut ClientEnd> {
        match &mut self.peer.end {
            Far::Client(end) => Some(end),
            _ => None,
        }
    }
}

/// The messages among these packets, each as `topic=payload`.
pub(crate) fn messages(packets: &[Packet]) -> Vec<String> {
    let messages = packets.iter().filter_map(|packet| match packet {
        Packet::Publish(publish) => {
            let topic = publish.topic.as_ref().map_or("", |topic| topic.to_str());
            let payload = String::from_utf8_lossy(&publish.payload);
            Some(format!("{topic}={payload}"))
        }
        _ => None,
    });
    messages.collect()
}

impl End for Far {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::Broker(link) => link.handle_bytes(bytes),
            Self::Client(end) => end.handle_bytes(bytes),
            Self::Nobody => panic!("there is no connection"),
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        match self {
            Self::Broker(link) => link.take_output(),
            Self::Client(end) => end.take_output(),
            Self::Nobody => panic!("there is no connection"),
        }
    }

    fn is_closing(&self) -> bool {
        match self {
            Self::Broker(link) => link.is_closing(),
            Self::Client(end) => end.is_closing(),
            Self::Nobody => panic!("there is no connection"),
        }
    }
}

/// A client that has sent a plain CONNECT, and was sent CONNACK with these properties.
pub(crate) fn client(version: Version, properties: &str) -> Script<ClientEnd> {
    let connack = format!("20 ~ 00 00 [{properties}]");
    ClientEnd::accepted(version, connect("c"), &connack)
}

/// A server's connection that has accepted CONNECT with these properties.
pub(crate) fn server(version: Version, properties: &str) -> Script<ServerEnd> {
    let connect = format!("10 ~ 'MQTT' VV 02 00 00 [{properties}] 'c'");
    let connack = connack(ConnAckProperties::default());
    ServerEnd::accepted(version, &connect, connack)
}

/// One packet, of any kind and from any side.
pub(crate) fn packet(version: Version, text: &str) -> Packet {
    let bytes = bytes(version, text);
    Packet::decode(version, &bytes).unwrap().to_owned()
}

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// The message of this PUBLISH.
pub(crate) fn received(version: Version, text: &str) -> Message {
    match packet(version, text) {
        Packet::Publish(mut publish) => {
            let topic = publish.topic.take().unwrap();
            publish.into_message(topic)
        }
        other => panic!("{other:?}"),
    }
}

/// Properties of an acknowledgement.
pub(crate) fn explaining(version: Version, explanation: &str) -> AckProperties {
    match packet(version, &format!("40 ~ 00 01 00 [{explanation}]")) {
        Packet::PubAck(ack) => ack.properties,
        other => panic!("{other:?}"),
    }
}

/// Why a call was refused, if it was.
pub(crate) fn refusal<T, M>(said: Result<T, Refused<M>>) -> Option<ConnectionError> {
    Some(said.err()?.why)
}
