//! The candidates, one file a codec, each by its cheapest path through its public interface.
//!
//! | codec | decode, from | encode, into |
//! |---|---|---|
//! | floor | by hand: fixed header, topic length, `core::str::from_utf8`; slice | - |
//! | mqtt-sansio | `FrameDecoder::decode`, slice; `decode_frame` and `decode_shared`, stream | `Packet::encode`, kept `BytesMut` |
//! | mqttrs | `decode_slice`, slice; has neither an owned form nor 5.0 | `encode_slice`, a slice |
//! | mqttbytes | `v4::read` or `v5::read`, stream | `write` of the packet's type, kept `BytesMut` |
//! | rumqttc | `Packet::read`, stream; leaves the topic unchecked in 5.0 | `Packet::write`, kept `BytesMut` |
//! | mqtt-protocol-core | `parse` of the packet's type, slice, after a fixed header by hand | `to_buffers`, copied to a kept `Vec` |
//! | rmqtt-codec | `Codec::decode`, stream | `Codec::encode`, kept `BytesMut` |
//! | mqute-codec | `PacketCodec::try_decode`, `Packet::decode`, stream | `Packet::encode`, kept `BytesMut` |
//! | mqtt5-protocol | `FixedHeader::decode`, `Packet::decode_from_body_with_version`; a PUBLISH from a stream, others from a slice | `encode_body_direct` for a PUBLISH, else `encode_body` through a kept body; kept `Vec` |
//! | mqtt-proto | `Header::new_with`, `PollHeader::decode_buffer`, slice, after a fixed header by hand | `Encodable::encode` after a fixed header by hand, kept `Vec`; PUBACK 3.1.1 `Packet::encode` |
//!
//! "Stream" is [`stream`](crate::timing::stream): packets one after another in one `BytesMut`, which
//! decoders that share their input take apart. "Slice" is [`slices`](crate::timing::slices): those
//! decoders borrow from it or copy, and do not pay for taking the packet off a buffer, which is most
//! of what a stream costs a PUBACK. The choices that are not the obvious ones:
//!
//! - Reading a `Frame` of ours costs a borrowed decode each time, on top of its row.
//! - mqtt-protocol-core wants the body of a PUBLISH as an `Arc<[u8]>`. No socket reads into one, so
//!   the copy is inside the loop, as it is in its `Connection::recv`. Its `to_continuous_buffer`
//!   costs a PUBLISH more than copying the parts that `to_buffers` gives; a vectored write does
//!   without that copy, which saves about 40 ns of a payload of 4 KiB. Its `sso-*` features make
//!   CONNECT cheaper and most else dearer, so they are off.
//! - mqtt-proto's `Packet::decode` runs the asynchronous decoder and costs at least twice as much as
//!   the synchronous one below it, and `Packet::encode` allocates its output.
//! - rmqtt-codec encodes a packet by value. The packets are cloned outside of the loop and dropped
//!   in it, for the codec does that.
//! - mqtt5-protocol's `MqttPacket::encode` would allocate a body each time.
//!
//! Encoded alike, but not byte for byte: mqttbytes, rumqttc, mqute-codec and mqtt-proto write
//! properties in an order of their own, mqtt5-protocol in that of a hash map; rmqtt-codec writes the
//! reason code and the empty properties of a 5.0 PUBACK out.

mod floor;
mod mqtt5_protocol;
mod mqtt_proto;
mod mqtt_protocol_core;
mod mqttbytes;
mod mqttrs;
mod mqute_codec;
mod ours;
mod rmqtt_codec;
mod rumqttc;

use crate::packets::Case;
use crate::timing::Run;

pub struct Candidate {
    pub name: &'static str,
    /// `None` if the codec cannot do the row.
    pub run: fn(&Case) -> Option<Run>,
}

pub struct Group {
    pub title: &'static str,
    pub floor: &'static [Candidate],
    pub ours: &'static [Candidate],
    pub peers: &'static [Candidate],
}

const fn by(name: &'static str, run: fn(&Case) -> Option<Run>) -> Candidate {
    Candidate { name, run }
}

pub const GROUPS: &[Group] = &[
    Group {
        title: "Decode, borrowed",
        floor: &[by("floor", floor::decode)],
        ours: &[by("mqtt-sansio", ours::decode_borrowed)],
        peers: &[by("mqttrs", mqttrs::decode_borrowed)],
    },
    Group {
        title: "Decode, owned",
        floor: &[],
        ours: &[
            by("mqtt-sansio `Frame`", ours::decode_frame),
            by("mqtt-sansio `Packet<Bytes>`", ours::decode_shared),
        ],
        peers: &[
            by("mqttbytes", mqttbytes::decode_owned),
            by("rumqttc", rumqttc::decode_owned),
            by("mqtt-protocol-core", mqtt_protocol_core::decode_owned),
            by("rmqtt-codec", rmqtt_codec::decode_owned),
            by("mqute-codec", mqute_codec::decode_owned),
            by("mqtt5-protocol", mqtt5_protocol::decode_owned),
            by("mqtt-proto", mqtt_proto::decode_owned),
        ],
    },
    Group {
        title: "Encode",
        floor: &[],
        ours: &[by("mqtt-sansio", ours::encode)],
        peers: &[
            by("mqttrs", mqttrs::encode),
            by("mqttbytes", mqttbytes::encode),
            by("rumqttc", rumqttc::encode),
            by("mqtt-protocol-core", mqtt_protocol_core::encode),
            by("rmqtt-codec", rmqtt_codec::encode),
            by("mqute-codec", mqute_codec::encode),
            by("mqtt5-protocol", mqtt5_protocol::encode),
            by("mqtt-proto", mqtt_proto::encode),
        ],
    },
];
