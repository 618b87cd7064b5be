//! What one side alone sends, sent by that side: it is asked for the packet of a vector, and what
//! leaves it is the vector.

use std::time::Duration;

use mqtt_sansio::connection::client;
use mqtt_sansio::packet::{ConnAck, SubAck};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Packet, ReasonCode, VarInt, Version};
use support::script::{ClientEnd, ServerEnd};
use support::vectors::{Expectation, Vector};

use crate::sides;

/// CONNECT, CONNACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.
const TYPES: [u8; 6] = [0x10, 0x20, 0x82, 0x90, 0xA2, 0xB0];

/// Whether it is one packet, which one side alone sends.
pub(crate) fn writes(vector: &Vector) -> bool {
    let [first, rest @ ..] = &vector.bytes[..] else {
        return false;
    };
    // Not what the codec says: broken, it would leave nothing to prove.
    let header = VarInt::decode(vector.version, rest);
    let is_one = matches!(header, Ok(Some((len, used))) if used + len.get() as usize == rest.len());
    is_one && TYPES.contains(first)
}

/// The side that sends such packets sends this one.
pub(crate) fn check(vector: &Vector) {
    let (name, version) = (&vector.name, vector.version);
    let packet = Packet::decode(version, &vector.bytes).unwrap().to_owned();
    let sent = match packet {
        Packet::Connect(connect) => {
            let mut connection = client::Connection::new().max_packet_size(u32::MAX);
            connection.connect(version, connect).unwrap();
            ClientEnd::new(version, connection).peek().to_vec()
        }
        Packet::ConnAck(connack) => conn_ack(version, connack),
        Packet::Subscribe(subscribe) => {
            let mut server = ClientEnd::plain(version);
            let client = &mut server.end.connection;
            let (subscriptions, properties) = (subscribe.subscriptions, subscribe.properties);
            client.subscribe_with(subscriptions, properties).unwrap();
            with_id(server.peek(), &vector.bytes)
        }
        Packet::Unsubscribe(unsubscribe) => {
            let mut server = ClientEnd::plain(version);
            let client = &mut server.end.connection;
            let (filters, properties) = (unsubscribe.filters, unsubscribe.properties);
            client.unsubscribe_with(filters, properties).unwrap();
            with_id(server.peek(), &vector.bytes)
        }
        Packet::SubAck(answer) => answers(version, "82", " 02", &answer),
        Packet::UnsubAck(answer) => answers(version, "A2", "", &answer),
        other => panic!("{name}: {other:?}"),
    };
    let Expectation::Ok(expected) = &vector.expectation else {
        unreachable!("it is accepted");
    };
    assert!(sent == *expected, "{name}: {sent:02X?}");
}

/// A connection gives identifiers of its own to requests.
fn with_id(sent: &[u8], vector: &[u8]) -> Vec<u8> {
    let behind_len = |bytes: &[u8]| 2 + bytes[1..].iter().take_while(|&&byte| byte >= 0x80).count();
    let (own, id) = (behind_len(sent), behind_len(vector));
    let mut sent = sent.to_vec();
    sent[own..own + 2].copy_from_slice(&vector[id..id + 2]);
    sent
}

fn conn_ack(version: Version, connack: ConnAck) -> Vec<u8> {
    let properties = &connack.properties;
    let method = properties.authentication_method();
    let method = method.map_or(String::new(), |method| format!("15 '{method}'"));
    let name = match properties.assigned_client_identifier() {
        Some(_) => "",
        None => "c",
    };
    let mut client = ServerEnd::new(version);
    client.send(&format!(
        "10 ~ 'MQTT' VV 00 00 00 [19 01 {method}] '{name}'"
    ));
    let mut session = connack.session_present.then(Session::new);
    let server = &mut client.end.connection;
    match connack.reason {
        ReasonCode::Success => server
            .accept(Duration::ZERO, connack, &mut session)
            .unwrap(),
        _ => server.refuse(connack).unwrap(),
    }
    client.peek().to_vec()
}

/// The answer to a request with as many filters.
fn answers(version: Version, request: &str, options: &str, answer: &SubAck) -> Vec<u8> {
    let id = answer.packet_id.get().to_be_bytes();
    let codes = answer.reasons.iter();
    let filters = format!(" 't'{options}").repeat(codes.clone().count().max(1));
    let mut client = sides::server(version, "");
    client.send(&format!(
        "{request} ~ {:02X} {:02X} []{filters}",
        id[0], id[1]
    ));
    let (token, server) = (client.end.request(), &mut client.end.connection);
    let properties = answer.properties.clone();
    match request {
        "82" => server.sub_ack_with(token, codes, properties).unwrap(),
        _ => server.unsub_ack_with(token, codes, properties).unwrap(),
    }
    client.peek().to_vec()
}
