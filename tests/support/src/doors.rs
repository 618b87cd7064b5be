//! The bytes door, from bytes that are shared and that are borrowed.

use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::client;
use mqtt_sansio::packet::Connect;
use mqtt_sansio::{Rules, Version};

/// The bytes door gives the same from bytes that are shared and that are borrowed, and ends in the
/// same way, whichever rules are let go. No byte gives more than one thing to act on.
pub fn doors(bytes: &[u8]) {
    for version in [Version::V311, Version::V5] {
        for rules in [Rules::STRICT, Rules::LENIENT] {
            let client = || client::Connection::new().rules(rules);
            let shared = from_server(version, client(), |client| {
                let mut input = BytesMut::from(bytes);
                core::iter::from_fn(|| {
                    let incoming = client.handle_bytes(Duration::ZERO, &mut input)?;
                    Some(format!("{incoming:?}"))
                })
                .take(bytes.len() + 1)
                .collect()
            });
            let borrowed = from_server(version, client(), |client| {
                let mut unread = bytes;
                core::iter::from_fn(|| {
                    let incoming = client.handle_slice(Duration::ZERO, &mut unread)?;
                    Some(format!("{incoming:?}"))
                })
                .take(bytes.len() + 1)
                .collect()
            });
            assert!(shared.0.len() <= bytes.len(), "{shared:?}");
            assert_eq!(shared, borrowed);
        }
    }
}

/// What a client that is accepted gives its caller, and its events.
pub(crate) fn from_server(
    version: Version,
    mut client: client::Connection,
    read: impl FnOnce(&mut client::Connection) -> Vec<String>,
) -> (Vec<String>, Vec<String>) {
    let connect = Connect::new("c".parse().expect("it is text"));
    client.connect(version, connect).expect("it is idle");
    let mut sent = BytesMut::new();
    client.poll_bytes(Duration::ZERO, &mut sent);
    let connack = match version {
        Version::V311 => &b"\x20\x02\x00\x00"[..],
        Version::V5 => b"\x20\x03\x00\x00\x00",
    };
    let accepted = client.handle_bytes(Duration::ZERO, &mut BytesMut::from(connack));
    assert_eq!(accepted, None);
    let incoming = read(&mut client);
    let events = core::iter::from_fn(|| client.poll_event());
    let events = events.map(|event| format!("{event:?}")).collect();
    (incoming, events)
}
