//! What the tests of single connections share.

use std::time::Duration;

use mqtt_sansio::connection::{
    Closed, Connection, Event, Incoming, RequestToken, Role, Violation, client, server,
};
use mqtt_sansio::packet::{ConnAck, Connect, Disconnect, KeepAlive, Publish, Subscriptions};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties, DisconnectProperties};
use mqtt_sansio::session::Token;
use mqtt_sansio::{Delivery, Message, Packet, PacketId, QoS, ReasonCode, Version};

pub(crate) const ZERO: Duration = Duration::ZERO;
pub(crate) const OK: ReasonCode = ReasonCode::Success;
pub(crate) const BOTH: [Version; 2] = [Version::V311, Version::V5];

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(crate) fn connect(keep_alive: u16, properties: ConnectProperties) -> Connect {
    let mut connect = Connect::new("c".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(keep_alive);
    connect.properties = properties;
    connect
}

pub(crate) fn connack(properties: ConnAckProperties) -> ConnAck {
    let mut connack = ConnAck::new(OK);
    connack.properties = properties;
    connack
}

pub(crate) fn message(topic: &str) -> Message {
    Message::new(topic.parse().unwrap(), "payload")
}

/// What the peer sends.
pub(crate) fn publish(delivery: Delivery, topic: &str) -> Publish {
    Publish::new(delivery, topic.parse().unwrap(), "payload".into())
}

/// What a packet comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    Nothing,
    Connect,
    Message(String, Token),
    Subscribe(RequestToken),
    Unsubscribe(RequestToken),
    Auth,
    Early,
}

impl Found {
    pub(crate) fn of<B: AsRef<[u8]>>(incoming: Option<Incoming<B>>) -> Self {
        match incoming {
            None => Self::Nothing,
            Some(Incoming::Connect(_)) => Self::Connect,
            Some(Incoming::Message(message, token)) => {
                Self::Message(message.topic.as_borrowed().to_string(), token)
            }
            Some(Incoming::Subscribe(_, token)) => Self::Subscribe(token),
            Some(Incoming::Unsubscribe(_, token)) => Self::Unsubscribe(token),
            Some(Incoming::Auth(_)) => Self::Auth,
            Some(Incoming::Early) => Self::Early,
            Some(_) => panic!("a new kind"),
        }
    }

    /// The topic and the token of a message.
    pub(crate) fn message(self) -> (String, Token) {
        match self {
            Self::Message(topic, token) => (topic, token),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_message(&self) -> bool {
        matches!(self, Self::Message(..))
    }

    /// The token of a request.
    pub(crate) fn request(self) -> RequestToken {
        match self {
            Self::Subscribe(token) | Self::Unsubscribe(token) => token,
            other => panic!("{other:?}"),
        }
    }
}

/// Hands in a packet in a version, at a time.
pub(crate) fn handle_at<R: Role, B: AsRef<[u8]>>(
    connection: &mut Connection<R>,
    now: Duration,
    version: Version,
    packet: &Packet<B>,
) -> Result<Found, Violation> {
    let incoming = connection.handle_packet(now, version, packet)?;
    Ok(Found::of(incoming))
}

/// Hands in a packet in the version that is spoken.
pub(crate) fn handle<R: Role>(
    connection: &mut Connection<R>,
    packet: &Packet,
) -> Result<Found, Violation> {
    let version = connection.version();
    handle_at(connection, ZERO, version, packet)
}

/// A client whose CONNECT is sent.
pub(crate) fn connecting(version: Version, connect: Connect) -> client::Connection {
    let mut client = client::Connection::new().keep_alive_margin(0);
    client.connect(version, connect).unwrap();
    assert!(matches!(
        client.poll_transmit(ZERO),
        Some(Packet::Connect(_))
    ));
    assert_eq!(client.poll_transmit(ZERO), None);
    client
}

/// A client that is accepted.
pub(crate) fn connected(
    version: Version,
    connect: Connect,
    connack: ConnAck,
) -> client::Connection {
    let mut client = connecting(version, connect);
    handle(&mut client, &Packet::ConnAck(connack)).unwrap();
    assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
    client
}

/// A plain client that is accepted.
pub(crate) fn client(version: Version) -> client::Connection {
    let (connect, connack) = (connect(0, <_>::default()), connack(<_>::default()));
    connected(version, connect, connack)
}

/// A server that has CONNECT.
pub(crate) fn asked(version: Version, connect: Connect) -> server::Connection {
    let mut server = server::Connection::new(ZERO, secs(10));
    let packet = Packet::Connect(connect);
    let found = handle_at(&mut server, ZERO, version, &packet);
    assert_eq!(found, Ok(Found::Connect));
    server
}

/// A server that has accepted.
pub(crate) fn accepted(version: Version, connect: Connect, connack: ConnAck) -> server::Connection {
    let mut server = asked(version, connect);
    server.accept(ZERO, connack, &mut None).unwrap();
    assert!(matches!(
        server.poll_transmit(ZERO),
        Some(Packet::ConnAck(_))
    ));
    assert_eq!(server.poll_transmit(ZERO), None);
    server
}

/// A server that has accepted a plain client.
pub(crate) fn server(version: Version) -> server::Connection {
    let (connect, connack) = (connect(0, <_>::default()), connack(<_>::default()));
    accepted(version, connect, connack)
}

/// All that a side sends.
pub(crate) fn sent<R: Role>(connection: &mut Connection<R>) -> Vec<Packet> {
    std::iter::from_fn(|| Some(connection.poll_transmit(ZERO)?.to_owned())).collect()
}

/// All that has happened on a side.
pub(crate) fn events<R: Role>(connection: &mut Connection<R>) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// Why a connection is over, as its one event says.
pub(crate) fn closed(event: Option<Event>) -> Option<Closed> {
    match event {
        Some(Event::Closed(closed)) => Some(closed),
        None => None,
        other => panic!("{other:?}"),
    }
}

/// What a violation puts on the wire: the packet type and the code, if anything.
pub(crate) fn last(packets: &[Packet]) -> Option<(u8, ReasonCode)> {
    match packets {
        [] => None,
        [Packet::ConnAck(ack)] => Some((2, ack.reason)),
        [Packet::Disconnect(last)] => Some((14, last.reason)),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn code(violation: Violation) -> u8 {
    violation.reason_code().to_u8()
}

pub(crate) fn subscriptions(filter: &str) -> Subscriptions {
    Subscriptions::new([(filter.parse().unwrap(), QoS::ExactlyOnce)]).unwrap()
}

pub(crate) fn disconnect(reason: ReasonCode) -> Disconnect {
    Disconnect::new(reason)
}

pub(crate) fn leaves(reason: ReasonCode, session_expiry: Option<u32>) -> Packet {
    let mut last = disconnect(reason);
    if let Some(seconds) = session_expiry {
        let builder = DisconnectProperties::builder();
        last.properties = builder.session_expiry_interval(seconds).build();
    }
    last.into()
}
