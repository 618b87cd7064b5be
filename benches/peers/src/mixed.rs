//! A stream as a server has it: small packets of all kinds, read 64 KiB at a time, so that the end
//! of a read cuts a packet.
//!
//! Each candidate copies a read behind what was left of the one before, as a socket's read does, and
//! decodes what is whole. Those that borrow have a `Vec`, to whose front the cut packet is copied;
//! the others have a `BytesMut`. Inside the clock: these copies, decoding, and the drop of what was
//! decoded, each packet before the next.
//!
//! There are three floors, each by hand, with the reads of those that borrow:
//!
//! - `framing` reads the fixed header of each packet and goes on behind it.
//! - `fields` reads of a PUBLISH also the topic, the packet identifier that QoS 1 has, in 5.0 a
//!   property length of one byte, and the payload; of an acknowledgement its packet identifier.
//!   Beside the ends of fields it checks nothing.
//! - `floor` is `fields` with the topic checked by `core::str::from_utf8`.
//!
//! mqttrs does not say how long a packet was, so it has the framing in front.

use std::hint::black_box;
use std::rc::Rc;

use bytes::BytesMut;
use mqtt_sansio::FrameDecoder;
use mqute_codec::codec::PacketCodec;
use tokio_util::codec::Decoder;

use crate::packets::{MIXED, Version, mixed};
use crate::table::Columns;
use crate::timing::{Effort, Run};

const READ: usize = 64 * 1024;

pub fn print(filter: &str, effort: Effort) {
    let columns = Columns::above(
        &["framing", "fields", "floor"],
        "stream",
        &["borrowed", "`Frame`", "`Packet<Bytes>`"],
        &["mqttrs", "rumqttc", "rmqtt-codec", "mqute-codec"],
    );
    columns.print("A mixed stream", "a packet", effort);
    for (version, label) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
        let name = format!("{label} mixed stream");
        if name.contains(filter) {
            columns.row(&name, &mut runs(version), effort);
        }
    }
}

fn runs(version: Version) -> Vec<Option<Run>> {
    let stream: Rc<[u8]> = mixed(version).into();
    let from_slice = |take: fn(&mut &[u8]) -> bool| Some(slices(&stream, take));
    let ours = || {
        FrameDecoder::new(match version {
            Version::V311 => mqtt_sansio::Version::V311,
            Version::V5 => mqtt_sansio::Version::V5,
        })
    };
    let (mut borrowed, mut frame, mut shared) = (ours(), ours(), ours());
    let mut runs = vec![
        from_slice(|unread| framing(unread).is_some()),
        from_slice(match version {
            Version::V311 => |unread| fields::<false>(unread, any),
            Version::V5 => |unread| fields::<true>(unread, any),
        }),
        from_slice(match version {
            Version::V311 => |unread| fields::<false>(unread, text),
            Version::V5 => |unread| fields::<true>(unread, text),
        }),
        Some(slices(&stream, move |unread| {
            matches!(black_box(&borrowed.decode(unread)), Ok(Some(_)))
        })),
        Some(buffer(&stream, move |unread| {
            matches!(black_box(&frame.decode_frame(unread)), Ok(Some(_)))
        })),
        Some(buffer(&stream, move |unread| {
            matches!(black_box(&shared.decode_shared(unread)), Ok(Some(_)))
        })),
    ];
    runs.extend(match version {
        Version::V311 => peers_v311(&stream),
        Version::V5 => peers_v5(&stream),
    });
    runs
}

fn peers_v311(stream: &Rc<[u8]>) -> [Option<Run>; 4] {
    use mqute_codec::protocol::v4::Packet;
    use rumqttc::mqttbytes::v4::Packet as Rumqttc;
    let mut rmqtt = rmqtt_codec::v3::Codec::default();
    let mqute = PacketCodec::new(None, None);
    [
        Some(slices(stream, |unread| {
            framing(unread).is_some_and(|(_, _, packet)| {
                matches!(black_box(&mqttrs::decode_slice(packet)), Ok(Some(_)))
            })
        })),
        Some(buffer(stream, |unread| {
            black_box(&Rumqttc::read(unread, usize::MAX)).is_ok()
        })),
        Some(buffer(stream, move |unread| {
            matches!(black_box(&rmqtt.decode(unread)), Ok(Some(_)))
        })),
        Some(buffer(stream, move |unread| {
            black_box(&mqute.try_decode(unread).and_then(Packet::decode)).is_ok()
        })),
    ]
}

fn peers_v5(stream: &Rc<[u8]>) -> [Option<Run>; 4] {
    use mqute_codec::protocol::v5::Packet;
    use rumqttc::v5::mqttbytes::v5::Packet as Rumqttc;
    let mut rmqtt = rmqtt_codec::v5::Codec::default();
    let mqute = PacketCodec::new(None, None);
    [
        None,
        Some(buffer(stream, |unread| {
            black_box(&Rumqttc::read(unread, None)).is_ok()
        })),
        Some(buffer(stream, move |unread| {
            matches!(black_box(&rmqtt.decode(unread)), Ok(Some(_)))
        })),
        Some(buffer(stream, move |unread| {
            black_box(&mqute.try_decode(unread).and_then(Packet::decode)).is_ok()
        })),
    ]
}

/// For decoders of a slice: `take` decodes the packet in front and goes on behind it, and is false
/// if there is no whole one.
fn slices(stream: &Rc<[u8]>, mut take: impl FnMut(&mut &[u8]) -> bool + 'static) -> Run {
    let stream = Rc::clone(stream);
    let mut buffer = vec![0; 2 * READ];
    Box::new(move |meter| {
        let (mut kept, mut packets) = (0, 0);
        meter.measure(MIXED, || {
            for read in stream.chunks(READ) {
                let end = kept + read.len();
                buffer[kept..end].copy_from_slice(read);
                let mut unread = &buffer[..end];
                while take(&mut unread) {
                    packets += 1;
                }
                kept = unread.len();
                buffer.copy_within(end - kept..end, 0);
            }
        });
        assert_eq!((kept, packets), (0, MIXED), "other packets");
    })
}

/// [`slices`] for decoders of a `BytesMut`.
fn buffer(stream: &Rc<[u8]>, mut take: impl FnMut(&mut BytesMut) -> bool + 'static) -> Run {
    let stream = Rc::clone(stream);
    let mut buffer = BytesMut::with_capacity(2 * READ);
    Box::new(move |meter| {
        let mut packets = 0;
        meter.measure(MIXED, || {
            for read in stream.chunks(READ) {
                buffer.extend_from_slice(read);
                while take(&mut buffer) {
                    packets += 1;
                }
            }
        });
        assert_eq!((buffer.len(), packets), (0, MIXED), "other packets");
    })
}

/// Takes a packet off the front: its first byte, its body, and all of it.
#[inline(always)]
fn framing<'a>(unread: &mut &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
    let (first, header, length) = match **unread {
        [first, low @ 0..=0x7f, ..] => (first, 2, usize::from(low)),
        [first, low, high @ 0..=0x7f, ..] => {
            (first, 3, usize::from(low & 0x7f) | usize::from(high) << 7)
        }
        [first, low, mid, high @ 0..=0x7f, ..] => {
            let low = usize::from(low & 0x7f) | usize::from(mid & 0x7f) << 7;
            (first, 4, low | usize::from(high) << 14)
        }
        _ => return None,
    };
    let (packet, rest) = unread.split_at_checked(header + length)?;
    *unread = rest;
    Some((first, &packet[header..], packet))
}

/// What `fields` reads, in 5.0 with `PROPERTIES`, and with a topic for which `topic` is true.
#[inline(always)]
fn fields<const PROPERTIES: bool>(unread: &mut &[u8], topic: impl Fn(&[u8]) -> bool) -> bool {
    let Some((first, body, _)) = framing(unread) else {
        return false;
    };
    match first >> 4 {
        3 => black_box(&publish::<PROPERTIES>(first, body)).is_some_and(|(bytes, ..)| topic(bytes)),
        4..=7 => black_box(&body.split_first_chunk().map(id)).is_some(),
        _ => true,
    }
}

fn any(_: &[u8]) -> bool {
    true
}

fn text(topic: &[u8]) -> bool {
    core::str::from_utf8(topic).is_ok()
}

fn id((id, _): (&[u8; 2], &[u8])) -> u16 {
    u16::from_be_bytes(*id)
}

#[inline(always)]
fn publish<const PROPERTIES: bool>(first: u8, body: &[u8]) -> Option<(&[u8], u16, &[u8])> {
    let (&length, rest) = body.split_first_chunk()?;
    let (topic, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
    let mut packet_id = 0;
    if first & 6 != 0 {
        let (&bytes, behind) = rest.split_first_chunk()?;
        (packet_id, rest) = (u16::from_be_bytes(bytes), behind);
    }
    if PROPERTIES {
        let (&length, behind) = rest.split_first()?;
        rest = behind.get(usize::from(length)..)?;
    }
    Some((topic, packet_id, rest))
}
