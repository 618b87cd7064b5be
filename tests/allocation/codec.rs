//! Decoding and encoding do not touch the heap.

use bytes::{BufMut, BytesMut};
use mqtt_sansio::Packet;
use stats_alloc::Region;
use support::vectors;

use crate::ALLOCATOR;

pub(crate) fn neither_decoding_nor_encoding_allocates() {
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

        let region = Region::new(ALLOCATOR);
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
        let change = region.change();
        let calls = change.allocations + change.reallocations;
        assert_eq!(calls, 0, "{} allocates: {change:?}", vector.name);
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
