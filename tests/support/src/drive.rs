//! Any packets, commands and times, in any order: nothing panics, and what is sent keeps the rules.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use mqtt_sansio::connection::{client, server};
use mqtt_sansio::packet::{Ack, Connect};
use mqtt_sansio::{Delivery, Packet, PacketId, ReasonCode, Version};

/// What one side has sent on a network connection.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// CONNECT or CONNACK.
    greetings: u32,
    over: bool,
}

impl Sent {
    /// Holds a packet of a server against the rules.
    pub(crate) fn by_server(&mut self, packet: &Packet<&[u8]>) {
        assert!(!self.over, "{packet:?} after the end");
        match packet {
            // [MQTT-3.2.0-2]
            Packet::ConnAck(ack) => {
                self.greetings += 1;
                assert_eq!(self.greetings, 1);
                self.over = ack.reason.is_error();
            }
            Packet::Auth(_) => {}
            // [MQTT-3.2.0-1] [MQTT-3.14.0-1]
            _ => assert_eq!(self.greetings, 1, "{packet:?}"),
        }
        // [MQTT-3.14.4-1]
        self.over |= matches!(packet, Packet::Disconnect(_));
    }

    /// Holds a packet of a client against the rules.
    fn by_client(&mut self, packet: &Packet<&[u8]>) {
        assert!(!self.over, "{packet:?} after the end");
        // [MQTT-3.1.0-1] [MQTT-3.1.0-2]
        self.greetings += u32::from(matches!(packet, Packet::Connect(_)));
        assert_eq!(self.greetings, 1, "{packet:?}");
        self.over = matches!(packet, Packet::Disconnect(_));
    }
}

/// Holds the size of a packet against the peer's Maximum Packet Size.
pub(crate) fn check_size(packet: &Packet<&[u8]>, version: Version, maximum: Option<u32>) {
    let len = packet.encoded_len(version).unwrap();
    // What is five bytes long at most is not held against it.
    let maximum = usize::try_from(maximum.unwrap_or(u32::MAX).max(5)).unwrap();
    assert!(len <= maximum, "{packet:?}");
}

/// A packet: often one with an identifier that is in use.
pub(crate) fn packet(u: &mut Unstructured<'_>) -> Result<Packet> {
    let id = PacketId::new(u.int_in_range(1..=4)?).unwrap();
    let ack = Ack::new(id).to_owned();
    Ok(match u.int_in_range(0..=9)? {
        0 => Packet::PubAck(ack),
        1 => Packet::PubRec(ack),
        2 => Packet::PubRel(ack),
        3 => Packet::PubComp(ack),
        4 => Packet::PingReq,
        5 => Packet::PingResp,
        6 => {
            let mut publish: mqtt_sansio::packet::Publish = u.arbitrary()?;
            publish.delivery = match publish.delivery {
                Delivery::AtMostOnce => Delivery::AtMostOnce,
                Delivery::AtLeastOnce(_) => Delivery::AtLeastOnce(id),
                Delivery::ExactlyOnce(_) => Delivery::ExactlyOnce(id),
            };
            Packet::Publish(publish)
        }
        _ => u.arbitrary()?,
    })
}

/// Drives a server.
pub fn server(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    // Running out of bytes ends the drive.
    let _ = drive_server(&mut u);
}

fn drive_server(u: &mut Unstructured<'_>) -> Result<()> {
    let version: Version = u.arbitrary()?;
    let mut now = Duration::ZERO;
    let mut server = server::Connection::new(now, Duration::from_secs(5));
    let mut server_sent = Sent::default();
    if u.arbitrary()? {
        let connect = Packet::Connect(u.arbitrary::<Connect>()?);
        let judged = server.handle_packet(now, version, &connect);
        if judged.is_ok() && u.arbitrary()? {
            let mut connack: mqtt_sansio::packet::ConnAck = u.arbitrary()?;
            connack.reason = ReasonCode::Success;
            let _ = server.accept(now, connack, &mut None);
        }
    }
    while !u.is_empty() {
        let id = PacketId::new(u.int_in_range(1..=4)?).unwrap();
        match u.int_in_range(0..=15)? {
            0..=5 => drop(server.handle_packet(now, version, &packet(u)?)),
            6 => drop(server.publish(u.arbitrary()?, u.arbitrary()?)),
            7 => drop(server.acknowledge(id, u.arbitrary()?)),
            8 => drop(server.sub_ack(u.arbitrary()?)),
            9 => drop(server.unsub_ack(u.arbitrary()?)),
            10 => drop(server.auth(u.arbitrary()?)),
            11 => {
                now += Duration::from_millis(u64::from(u.arbitrary::<u16>()?));
                server.handle_timeout(now);
            }
            12 if u.ratio(1, 8)? => server.handle_close(),
            13 if u.ratio(1, 8)? => drop(server.disconnect(u.arbitrary()?)),
            14 if u.ratio(1, 8)? => {
                let error = Packet::decode(version, b"\x30\x00").unwrap_err();
                server.handle_decode_error(error);
            }
            15 => drop(server.refuse(u.arbitrary()?)),
            _ => {}
        }
        let spoken = server.version();
        let maximum = server
            .limits()
            .maximum_packet_size
            .map(|maximum| maximum.get());
        while let Some(packet) = server.poll_transmit() {
            server_sent.by_server(&packet);
            check_size(&packet, spoken, maximum);
        }
        while server.poll_event().is_some() {}
        if server.is_closed() {
            assert_eq!(
                (server.is_connected(), server.next_timeout()),
                (false, None)
            );
            server_sent.over = true;
        }
    }
    Ok(())
}

/// Drives a client.
pub fn client(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    // Running out of bytes ends the drive.
    let _ = drive_client(&mut u);
}

fn drive_client(u: &mut Unstructured<'_>) -> Result<()> {
    let version: Version = u.arbitrary()?;
    let mut now = Duration::ZERO;
    let mut client = client::Connection::new().automatic_aliases(u.int_in_range(0..=3)?);
    let mut client_sent = Sent::default();
    while !u.is_empty() {
        let id = PacketId::new(u.int_in_range(1..=4)?).unwrap();
        match u.int_in_range(0..=14)? {
            0..=4 => drop(client.handle_packet(&packet(u)?)),
            5 => drop(client.publish(u.arbitrary()?, u.arbitrary()?)),
            6 => drop(client.acknowledge(id, u.arbitrary()?)),
            7 => drop(client.subscribe(u.arbitrary()?, u.arbitrary()?)),
            8 => drop(client.auth(u.arbitrary()?)),
            9 => {
                now += Duration::from_millis(u64::from(u.arbitrary::<u16>()?));
                client.handle_timeout(now);
            }
            10 if client.connect(version, u.arbitrary()?).is_ok() => {
                client_sent = Sent::default();
            }
            11 => {
                let mut connack: mqtt_sansio::packet::ConnAck = u.arbitrary()?;
                connack.reason = ReasonCode::Success;
                drop(client.handle_packet(&Packet::ConnAck(connack)));
            }
            12 if u.ratio(1, 8)? => client.handle_close(),
            13 if u.ratio(1, 8)? => drop(client.disconnect(u.arbitrary()?)),
            14 => drop(client.abandon(id)),
            _ => {}
        }
        let spoken = client.version();
        let maximum = client
            .limits()
            .maximum_packet_size
            .map(|maximum| maximum.get());
        while let Some(packet) = client.poll_transmit(now) {
            client_sent.by_client(&packet);
            check_size(&packet, spoken, maximum);
        }
        while client.poll_event().is_some() {}
        assert!(!(client.is_closed() && client.is_connected()));
    }
    Ok(())
}
