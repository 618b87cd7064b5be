//! What is on the heap, and when. Without the test harness, whose threads would be counted too.

#![allow(clippy::unwrap_used)]

mod codec;
mod fan_out;
mod hostile;
mod pieces;

use std::alloc::System;
use std::io::Write;
use std::time::Duration;

use mqtt_sansio::connection::{Connection, Incoming, Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive};
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use mqtt_sansio::{Message, QoS, ReasonCode, Version};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FILTERS: [&str; 9] = [
    "#",
    "+/+/+/+/+",
    "a/#",
    "a/+/c/+/#",
    "+/b/#",
    "a/b/c/d/e",
    "+/b/+/d/+",
    "a/b/c/d/+",
    "a/b/c/d/e/#",
];

fn main() {
    the_counter_counts();
    codec::neither_decoding_nor_encoding_allocates();
    topics();
    connections();
    reserved();
    fan_out::one_message_to_many();
    pieces::large_messages_are_not_held();
    hostile::peers();
}

/// An idle connection with its session, and messages in the steady state.
fn connections() {
    for version in [Version::V311, Version::V5] {
        for door in [Door::Packets, Door::Bytes] {
            exchanges(version, door);
        }
    }
}

/// What a device takes when it starts is all that it takes for messages.
fn reserved() {
    for version in [Version::V311, Version::V5] {
        for count in [1, 4, 8, 100] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                without_growing(version, qos, count);
            }
        }
    }
}

fn without_growing(version: Version, qos: QoS, count: u16) {
    let now = Duration::ZERO;
    let message = Message::new("a/b/c".parse().unwrap(), "x");
    // The first clone makes it shared.
    drop(message.clone());
    let (mut up, mut down) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let mut client = client::Connection::new();
    let mut server = server::Connection::new(now, Duration::MAX);
    let before = Region::new(ALLOCATOR);
    client.reserve(count, count);
    let reserved = held(&before);

    let connect = Connect::new("c".parse().unwrap());
    client.connect(version, connect).unwrap();
    carry(Door::Bytes, version, &mut client, &mut server, &mut up);
    let connack = ConnAck::new(ReasonCode::Success);
    server.accept(now, connack, &mut None).unwrap();
    server.reserve(count, count);
    carry(Door::Bytes, version, &mut server, &mut client, &mut down);
    while client.poll_event().is_some() {}

    let region = Region::new(ALLOCATOR);
    for _ in 0..300 {
        for _ in 0..count {
            client.publish(qos, message.clone()).unwrap();
            server.publish(qos, message.clone()).unwrap();
        }
        loop {
            let (sent, _) = carry(Door::Bytes, version, &mut client, &mut server, &mut up);
            let (answered, _) = carry(Door::Bytes, version, &mut server, &mut client, &mut down);
            if !sent && !answered {
                break;
            }
        }
        while client.poll_event().is_some() || server.poll_event().is_some() {}
    }
    let change = region.change();
    let grown = (change.allocations, change.reallocations);
    assert_eq!(grown, (0, 0), "{count} messages of {qos:?}, {version}");
    // As `guide::devices` says.
    let tables = if count <= 8 { 0 } else { 1_000 };
    assert!(
        reserved <= usize::from(count) * 332 + tables,
        "{reserved} for {count}"
    );
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Packets,
    Bytes,
}

fn exchanges(version: Version, door: Door) {
    let now = Duration::ZERO;
    let message = Message::new("a/b/c".parse().unwrap(), "x");
    let (mut up, mut down) = (Vec::with_capacity(1024), Vec::with_capacity(1024));
    let region = Region::new(ALLOCATOR);
    let mut client = client::Connection::new();
    let mut server = server::Connection::new(now, Duration::MAX);
    let made = region.change();
    assert_eq!(made.allocations, 0, "connections of nobody");

    let mut connect = Connect::new("c".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(60);
    client.connect(version, connect).unwrap();
    carry(door, version, &mut client, &mut server, &mut up);
    let connack = ConnAck::new(ReasonCode::Success);
    server.accept(now, connack, &mut None).unwrap();
    carry(door, version, &mut server, &mut client, &mut down);
    while client.poll_event().is_some() {}

    let mut exchange = || {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.publish(qos, message.clone()).unwrap();
            server.publish(qos, message.clone()).unwrap();
        }
        let mut messages = 0;
        loop {
            let (up, to_server) = carry(door, version, &mut client, &mut server, &mut up);
            let (down, to_client) = carry(door, version, &mut server, &mut client, &mut down);
            messages += to_server + to_client;
            if !up && !down {
                break;
            }
        }
        assert_eq!(messages, 6);
        let mut outcomes = 0;
        while client.poll_event().is_some() || server.poll_event().is_some() {
            outcomes += 1;
        }
        assert_eq!(outcomes, 6);
    };
    exchange();
    let steady = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        exchange();
    }
    let change = steady.change();
    assert_eq!(change.allocations, 0, "6,000 messages");
    // The tables of identifiers grow with the numbers in them.
    assert!(change.reallocations < 10, "{}", change.reallocations);
    assert!(client.session().is_empty() && server.session().is_empty());
    let kept = held(&region);
    client.shrink_to_fit();
    server.shrink_to_fit();
    let both = held(&region);
    let sizes = (size_of_val(&client), size_of_val(&server));
    drop(client);
    let servers = held(&region);
    let clients = both - servers;
    println!(
        "{version}, {door:?}: idle client {} and {clients}, server {} and {servers}; {kept} before they are shrunk",
        sizes.0, sizes.1
    );
    assert!(sizes.0 + clients < 1024);
    assert!(sizes.1 + servers < 1024);
}

/// Carries all that `from` has to send, and acknowledges the messages in it. Returns whether there was
/// anything, and how many messages.
fn carry<S: Role, R: Role>(
    door: Door,
    version: Version,
    from: &mut Connection<S>,
    to: &mut Connection<R>,
    bytes: &mut Vec<u8>,
) -> (bool, usize) {
    let now = Duration::ZERO;
    let (mut any, mut messages) = (false, 0);
    match door {
        Door::Packets => {
            while let Some(packet) = from.poll_transmit(now) {
                any = true;
                let incoming = to.handle_packet(now, version, &packet).unwrap();
                if let Some(Incoming::Message(_, token)) = incoming {
                    messages += 1;
                    to.acknowledge(token).unwrap();
                }
            }
        }
        Door::Bytes => {
            any = from.poll_bytes(now, bytes);
            let mut unread = &bytes[..];
            while let Some(incoming) = to.handle_slice(now, &mut unread) {
                if let Incoming::Message(_, token) = incoming {
                    messages += 1;
                    to.acknowledge(token).unwrap();
                }
            }
            assert!(unread.is_empty());
            bytes.clear();
        }
    }
    (any, messages)
}

/// Else nothing here could fail.
fn the_counter_counts() {
    let region = Region::new(ALLOCATOR);
    let bytes = vec![0_u8; 10];
    assert_eq!((region.change().allocations, held(&region)), (1, 10));
    drop(bytes);
}

fn topics() {
    let name: TopicName = "a/b/c/d/e".parse().unwrap();
    let filters: Vec<TopicFilter> = FILTERS.iter().map(|text| text.parse().unwrap()).collect();
    let region = Region::new(ALLOCATOR);

    let (mut tree, mut names) = (FilterTree::new(), TopicTree::new());
    assert_eq!(region.change().allocations, 0, "an empty tree");
    for (value, filter) in filters.iter().enumerate() {
        tree.insert(filter, value);
    }
    names.insert(&name, ());

    let matching = Region::new(ALLOCATOR);
    assert!(filters.iter().all(|filter| filter.matches(&name)));
    assert_eq!(tree.matches(&name).count(), FILTERS.len());
    let mut buffer = [0; 16];
    for (filter, &value) in tree.matches(&name).with_filters() {
        let inserted = filters.get(value).unwrap();
        assert_eq!(filter, *inserted);
        assert_eq!(filter.copy_to(&mut buffer).unwrap(), *inserted);
        write!(&mut buffer[..], "{filter}").unwrap();
        assert!(buffer.starts_with(inserted.as_bytes()));
    }
    for filter in &filters {
        assert_eq!(names.matching(filter).count(), 1);
        assert!(
            names
                .matching(filter)
                .with_names()
                .all(|(found, ())| found == name)
        );
    }
    assert_eq!(matching.change().allocations, 0, "matching");
    assert_eq!(matching.change().reallocations, 0, "matching");

    for filter in &filters {
        tree.remove(filter);
    }
    names.remove(&name);
    assert_eq!(held(&region), 0, "emptied trees");

    // Such filters as this crate is made for, and those that suit its nodes the least: so many
    // children that they need a table, each with text that fits its node no more.
    for filter in [
        |n| format!("fleet/{}/site-{}/{n:06}/temperature", n % 10, n / 10 % 100),
        |n| format!("{}/{}", n / 12, char::from(b'a' + (n % 12) as u8)),
        |n| format!("{n:x}/{}", "a-very-long-level".repeat(6)),
    ] {
        let region = Region::new(ALLOCATOR);
        let mut tree = FilterTree::new();
        let mut text = 0;
        for n in 0..20_000_u32 {
            let filter = TopicFilter::try_from(filter(n)).unwrap();
            tree.insert(&filter, n);
            text += filter.len();
        }
        let beyond = held(&region).saturating_sub(text) / tree.len();
        assert!(beyond < 200, "{beyond} bytes a filter beyond its text");
        drop(tree);
        assert_eq!(held(&region), 0);
    }
}

fn held(region: &Region<'_, System>) -> usize {
    let stats = region.change();
    stats.bytes_allocated - stats.bytes_deallocated
}
