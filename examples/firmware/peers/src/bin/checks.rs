//! What a server may not send, and which client takes it: each is connected, and gets one of them.
#![no_std]
#![no_main]

use core::num::NonZero;
use core::time::Duration;

use cortex_m_rt::entry;
use firmware::{Heap, print, succeed};
use peers::{Network, Script, poll};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Success, and nothing else.
const CONNACK: &[u8] = b"\x20\x03\0\0\0";

/// Nine messages of QoS 2, where eight at most are asked for.
const TOO_MANY: &[u8] =
    b"\x34\x08\0\x03a/b\0\x01\0\x34\x08\0\x03a/b\0\x02\0\x34\x08\0\x03a/b\0\x03\0\
    \x34\x08\0\x03a/b\0\x04\0\x34\x08\0\x03a/b\0\x05\0\x34\x08\0\x03a/b\0\x06\0\
    \x34\x08\0\x03a/b\0\x07\0\x34\x08\0\x03a/b\0\x08\0\x34\x08\0\x03a/b\0\x09\0";

/// A message of 600 bytes, where 512 at most are asked for.
const TOO_LARGE: &[u8] = &{
    let mut packet = [b'.'; 603];
    let head = *b"\x30\xD8\x04\0\x03a/b\0";
    let mut at = 0;
    while at < head.len() {
        packet[at] = head[at];
        at += 1;
    }
    packet
};

/// What is wrong with a packet, and the packet.
const ROWS: &[(&[u8], &[u8])] = &[
    (b"nothing: a message of QoS 0", b"\x30\x08\0\x03a/b\0hi"),
    (
        b"nothing: QoS 1, with properties",
        b"\x32\x0F\0\x03a/b\0\x01\x05\x02\0\0\0\x3Chi",
    ),
    (b"wildcard in a topic name", b"\x30\x08\0\x03a/#\x0021"),
    (b"topic name that is not UTF-8", b"\x30\x06\0\x03a\xFFb\0"),
    (b"U+0000 in a topic name", b"\x30\x06\0\x03a\0b\0"),
    (b"no topic name and no alias", b"\x30\x03\0\0\0"),
    (b"QoS 3", b"\x36\x08\0\x03a/b\0\x01\0"),
    (b"DUP at QoS 0", b"\x38\x06\0\x03a/b\0"),
    (b"packet identifier 0", b"\x32\x08\0\x03a/b\0\0\0"),
    (
        b"property of another packet",
        b"\x30\x09\0\x03a/b\x03\x21\0\x01",
    ),
    (b"property twice", b"\x30\x0A\0\x03a/b\x04\x01\0\x01\0"),
    (b"property out of range", b"\x30\x08\0\x03a/b\x02\x01\x02"),
    (b"properties beyond the packet", b"\x30\x06\0\x03a/b\x05"),
    (
        b"wildcard in a Response Topic",
        b"\x30\x0C\0\x03a/b\x06\x08\0\x03a/#",
    ),
    (b"topic alias 0", b"\x30\x09\0\x03a/b\x03\x23\0\0"),
    (
        b"topic alias above the maximum",
        b"\x30\x09\0\x03a/b\x03\x23\0\x01",
    ),
    (b"flags of PUBREL", b"\x60\x02\0\x01"),
    (b"unknown reason code in PUBACK", b"\x40\x03\0\x01\x05"),
    (b"second CONNACK", b"\x20\x03\0\0\0"),
    (b"SUBSCRIBE from a server", b"\x82\x07\0\x01\0\0\x01a\0"),
    (b"PINGREQ from a server", b"\xC0\0"),
    (b"PINGRESP with a body", b"\xD0\x01\0"),
    (b"PINGRESP with flags", b"\xD1\0"),
    (b"AUTH that was not asked for", b"\xF0\x02\x18\0"),
    (b"length of five bytes", b"\x30\x80\x80\x80\x80\x01"),
    (b"length with a needless byte", b"\xD0\x80\0"),
    (b"more than Receive Maximum", TOO_MANY),
    (b"more than Maximum Packet Size", TOO_LARGE),
];

#[entry]
fn main() -> ! {
    for &(name, packet) in ROWS {
        let script = [(&b""[..], CONNACK), (b"", packet)];
        let refused = [ours(packet), rust_mqtt(&script), minimq(&script)];
        let word = |refused| {
            if refused {
                &b"refused"[..]
            } else {
                b"accepted"
            }
        };
        print(
            &[
                b"|",
                name,
                b"|",
                word(refused[0]),
                b"|",
                word(refused[1]),
                b"|",
                word(refused[2]),
                b"|",
            ],
            &[],
        );
    }
    succeed()
}

fn ours(packet: &[u8]) -> bool {
    use mqtt_sansio::Version;
    use mqtt_sansio::connection::client::Connection;
    use mqtt_sansio::packet::Connect;

    let eight = NonZero::new(8).unwrap_or(NonZero::<u16>::MIN);
    let mut client = Connection::new().max_packet_size(512).max_received(eight);
    let name = "device".parse().unwrap_or_default();
    let _ = client.connect(Version::V5, Connect::new(name));
    let mut out = [0; 512];
    client.poll_bytes(Duration::ZERO, &mut &mut out[..]);
    for mut input in [CONNACK, packet] {
        while client.handle_slice(Duration::ZERO, &mut input).is_some() {}
    }
    !client.is_connected()
}

fn rust_mqtt(script: Script<'_>) -> bool {
    use rust_mqtt::buffer::BumpBuffer;
    use rust_mqtt::client::Client;
    use rust_mqtt::client::options::ConnectOptions;
    use rust_mqtt::types::MqttString;

    let mut memory = [0; 1024];
    let mut buffer = BumpBuffer::new(&mut memory);
    let mut client = Client::<'_, '_, _, _, 1, 8, 8, 1, 1, 0, 0>::new(&mut buffer);
    let largest = NonZero::new(512).unwrap_or(NonZero::<u32>::MIN);
    let options = ConnectOptions::new()
        .clean_start()
        .maximum_packet_size(largest);
    poll(async {
        if client
            .connect(
                Network::new(script),
                &options,
                MqttString::from_str("device").ok(),
            )
            .await
            .is_err()
        {
            return;
        }
        while client.poll().await.is_ok() {}
    })
    .is_some()
}

fn minimq(script: Script<'_>) -> bool {
    use minimq::{Buffers, ConfigBuilder, Session};

    let (mut received, mut sent) = ([0; 512], [0; 512]);
    let config = ConfigBuilder::new(Buffers::new(&mut received, &mut sent));
    let Ok(config) = config.client_id("device") else {
        return true;
    };
    let mut session = Session::new(config);
    poll(async {
        let Ok(mut client) = session.connect(Network::new(script)).await else {
            return;
        };
        while client.poll().await.is_ok() {}
    })
    .is_some()
}
