//! What a hostile or faulty peer makes an end hold: B4 and E1.

use mqtt_sansio::packet::Ack;
use mqtt_sansio::{Packet, PacketId};

use super::*;

const NOW: Duration = Duration::ZERO;
const OK: ReasonCode = ReasonCode::Success;

pub(super) fn peers() {
    for version in [Version::V311, Version::V5] {
        e01_pub_rec_for_what_was_never_sent(version);
        b04_acknowledgements_for_unknown_identifiers(version);
    }
}

fn client(version: Version, client: client::Connection) -> client::Connection {
    let mut client = client;
    let mut connect = Connect::new("c".parse().unwrap());
    connect.clean_start = true;
    client.connect(version, connect).unwrap();
    while client.poll_transmit(NOW).is_some() {}
    give(&mut client, version, ConnAck::new(OK).into());
    while client.poll_event().is_some() {}
    client.shrink_to_fit();
    client
}

fn give<R: Role>(end: &mut Connection<R>, version: Version, packet: Packet) {
    assert_eq!(end.handle_packet(NOW, version, &packet), Ok(None));
}

fn ids() -> impl Iterator<Item = PacketId> {
    (1..=u16::MAX).filter_map(PacketId::new)
}

fn e01_pub_rec_for_what_was_never_sent(version: Version) {
    let mut client = client(version, client::Connection::new());
    let region = Region::new(ALLOCATOR);
    for id in ids() {
        give(&mut client, version, Packet::PubRec(Ack::new(id)));
        assert!(client.poll_transmit(NOW).is_some());
    }
    assert_eq!(held(&region), 0, "PUBREL that were sent");
    for id in ids().take(4_096) {
        give(&mut client, version, Packet::PubRec(Ack::new(id)));
    }
    let waiting = held(&region);
    println!("{version}: 4,096 PUBREL that wait {waiting}");
    assert!(waiting <= 10_000);
    let session = client.session().clone();
    assert!(session.snapshot().releases.is_empty());
    drop(session);
    client.handle_close();
    while client.poll_event().is_some() {}
    client.shrink_to_fit();
    assert_eq!(held(&region), 0, "after the connection");
}

fn b04_acknowledgements_for_unknown_identifiers(version: Version) {
    let mut client = client(version, client::Connection::new());
    let region = Region::new(ALLOCATOR);
    for id in ids() {
        give(&mut client, version, Packet::PubAck(Ack::new(id)));
    }
    let waiting = held(&region);
    println!("{version}: 65,535 unknown PUBACK {waiting}");
    assert!(waiting <= 256);
}
