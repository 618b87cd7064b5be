//! What the tests of single connections share.

use std::time::Duration;

use mqtt_sansio::connection::{Closed, Event, Violation, client, server};
use mqtt_sansio::packet::{
    ConnAck, Connect, Disconnect, KeepAlive, Publish, SubscriptionOptions, Subscriptions,
};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties, DisconnectProperties};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Delivery, Packet, PacketId, QoS, ReasonCode, Version};

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
    let mut connack = ConnAck::new(OK).to_owned();
    connack.properties = properties;
    connack
}

pub(crate) fn message(topic: &str) -> Publish {
    Publish::new(
        Delivery::AtMostOnce,
        topic.parse().unwrap(),
        "payload".into(),
    )
}

/// A client whose CONNECT is sent.
pub(crate) fn connecting(version: Version, connect: Connect) -> client::Connection {
    let mut client = client::Connection::new();
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
    let _ = client.handle_packet(&Packet::ConnAck(connack)).unwrap();
    assert!(matches!(client.poll_event(), Some(Event::Connected { .. })));
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
    let _ = server.handle_packet(ZERO, version, &packet).unwrap();
    server
}

/// A server that has accepted.
pub(crate) fn accepted(version: Version, connect: Connect, connack: ConnAck) -> server::Connection {
    let mut server = asked(version, connect);
    server.accept(ZERO, connack, &mut None).unwrap();
    assert!(matches!(server.poll_transmit(), Some(Packet::ConnAck(_))));
    assert_eq!(server.poll_transmit(), None);
    server
}

/// A server that has accepted a plain client.
pub(crate) fn server(version: Version) -> server::Connection {
    let (connect, connack) = (connect(0, <_>::default()), connack(<_>::default()));
    accepted(version, connect, connack)
}

/// All that a client sends.
pub(crate) fn sent(client: &mut client::Connection) -> Vec<Packet> {
    std::iter::from_fn(|| Some(client.poll_transmit(ZERO)?.to_owned())).collect()
}

/// All that a server sends.
pub(crate) fn answered(server: &mut server::Connection) -> Vec<Packet> {
    std::iter::from_fn(|| Some(server.poll_transmit()?.to_owned())).collect()
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
    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    Subscriptions::new([(TopicFilter::new(filter).unwrap(), options)]).unwrap()
}

pub(crate) fn disconnect(reason: ReasonCode) -> Disconnect {
    Disconnect::new(reason).to_owned()
}

pub(crate) fn leaves(reason: ReasonCode, session_expiry: Option<u32>) -> Packet {
    let mut last = disconnect(reason);
    if let Some(seconds) = session_expiry {
        let builder = DisconnectProperties::builder();
        last.properties = builder.session_expiry_interval(seconds).build();
    }
    last.into()
}
