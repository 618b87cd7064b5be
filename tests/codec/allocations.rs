//! Decoding and encoding do not touch the heap.

use alloc_counter::{AllocCounterSystem, count_alloc};
use bytes::{BufMut, BytesMut};
use mqtt_sansio::Packet;
use support::vectors;

#[global_allocator]
static COUNTER: AllocCounterSystem = AllocCounterSystem;

#[test]
fn neither_decoding_nor_encoding_allocates() {
    let mut packets = 0;
    for vector in vectors::all() {
        let mut out = BytesMut::with_capacity(2 * vector.bytes.len() + 64);
        // A read buffer that has been split before, as all are after the first packet.
        let mut shared = BytesMut::with_capacity(2 * vector.bytes.len() + 2);
        shared.put_slice(b"__");
        shared.put_slice(&vector.bytes);
        shared.put_slice(&vector.bytes);
        let _ = shared.split_to(2);
        let mut framed = shared.split_off(vector.bytes.len());

        let (counts, ()) = count_alloc(|| {
            let mut decoder = vector.decoder();
            let mut unread = &vector.bytes[..];
            while let Ok(Some(packet)) = decoder.decode(&mut unread) {
                packets += 1;
                packet.encode(vector.version, &mut out).unwrap();
                let read = walk(&packet);
                assert!(read <= vector.bytes.len());
            }
            let mut decoder = vector.decoder();
            while let Ok(Some(packet)) = decoder.decode_shared(&mut shared) {
                drop(packet);
            }
            let mut decoder = vector.decoder();
            while let Ok(Some(frame)) = decoder.decode_frame(&mut framed) {
                let _ = frame.packet();
            }
        });
        assert_eq!(
            counts.0 + counts.1,
            0,
            "{} allocates: {counts:?}",
            vector.name
        );
    }
    assert!(packets > 900, "only {packets}");
}

/// Reads what stays in wire form; says how many entries there are.
fn walk(packet: &Packet<&[u8]>) -> usize {
    match packet {
        Packet::Connect(connect) => connect.properties.iter().count(),
        Packet::Publish(publish) => publish.properties.iter().count(),
        Packet::Subscribe(subscribe) => subscribe.subscriptions.iter().count(),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().count(),
        Packet::SubAck(suback) => suback.reasons.iter().count(),
        _ => 0,
    }
}

/// The counter counts: else the test above could not fail.
#[test]
fn the_counter_counts() {
    let (counts, _) = count_alloc(|| vec![0_u8; 10]);
    assert_eq!(counts.0, 1);
}
