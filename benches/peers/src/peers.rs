//! The candidates, one file a codec, each by its cheapest path through its public interface.
//!
//! | codec | decode, from | encode, into |
//! |---|---|---|
//! | floor | by hand: fixed header, topic length, `core::str::from_utf8`; slice | - |
//! | mqtt-sansio | `FrameDecoder::decode`, slice; `decode_frame` and `decode_shared`, stream | `Packet::encode`: slice, `BytesMut`, `Vec` |
//! | flowsdk | `MqttPacket::from_bytes_v3` or `_v5`, slice | `MqttPacket::to_bytes`, which makes a `Vec` |
//! | mqttrs | `decode_slice`, slice; has neither an owned form nor 5.0 | `encode_slice`: slice |
//! | mqttbytes | `v4::read` or `v5::read`, stream | `write` of the packet's type: `BytesMut` |
//! | mqttbytes-ng, rumqttc, rumqttc-v4-next, rumqttc-v5-next | `Packet::read`, stream | `Packet::write`: `BytesMut` |
//! | mqtt-protocol-core | `parse` of the packet's type, slice, after a fixed header by hand | `to_buffers`, copied to a kept `Vec` |
//! | ntex-mqtt, with the feature `all-peers` | `Codec::decode`, stream in the `BytesMut` of ntex | `Codec::encodev`: `BytePages`, in the table of `BytesMut` |
//! | rmqtt-codec | `Codec::decode`, stream | `Codec::encode`: `BytesMut` |
//! | mqute-codec | `PacketCodec::try_decode`, `Packet::decode`, stream | `Packet::encode`: `BytesMut` |
//! | mqtt5-protocol | `FixedHeader::decode`, `Packet::decode_from_body_with_version`; a PUBLISH from a stream, others from a slice | `encode_body_direct` for a PUBLISH, else `encode_body` through a kept body: slice, `BytesMut`, `Vec` |
//! | mqtt-proto | `Header::new_with`, `PollHeader::decode_buffer`, slice, after a fixed header by hand | `Encodable::encode` after a fixed header by hand: `Write` of a slice, of `BytesMut` and of `Vec`; PUBACK 3.1.1 `Packet::encode` |
//!
//! minimq 0.13 and rust-mqtt 0.6 are not among them. Their decoders and encoders are private, and
//! only their clients can be called; what minimq has for fuzzing drops what it decoded.
//!
//! A `BytesMut` or `Vec` is kept and cleared for each packet, a slice is as long as the packet.
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
//! - ntex-mqtt and rmqtt-codec encode a packet by value. The packets are cloned outside of the loop
//!   and dropped in it, for the codec does that. ntex-mqtt does not copy a payload above 4 KiB.
//! - flowsdk checks what its feature `strict-protocol-compliance` adds, which is its default.
//! - mqtt5-protocol's `MqttPacket::encode` would allocate a body each time.
//!
//! Encoded alike, but not byte for byte: all but ours, mqttrs and mqtt-protocol-core write
//! properties in an order of their own, mqtt5-protocol in that of a hash map; rmqtt-codec writes the
//! reason code and the empty properties of a 5.0 PUBACK out.

mod floor;
mod flowsdk;
mod mqtt5_protocol;
mod mqtt_proto;
mod mqtt_protocol_core;
mod mqttbytes;
mod mqttrs;
mod mqute_codec;
#[cfg(feature = "all-peers")]
mod ntex_mqtt;
mod ours;
mod rmqtt_codec;
mod rumqttc;

use crate::packets::Case;
use crate::timing::Run;

pub struct Candidate {
    pub name: &'static str,
    /// What comes of the packet.
    pub form: &'static str,
    /// `None` if the codec cannot do the row.
    pub run: fn(&Case) -> Option<Run>,
}

pub struct Group {
    pub title: &'static str,
    pub floor: &'static [Candidate],
    pub ours: &'static [Candidate],
    pub peers: &'static [Candidate],
}

impl Group {
    /// The candidates, in the order of the columns.
    pub fn candidates(&self) -> impl Iterator<Item = &'static Candidate> {
        [self.floor, self.ours, self.peers].into_iter().flatten()
    }
}

const fn by(name: &'static str, form: &'static str, run: fn(&Case) -> Option<Run>) -> Candidate {
    Candidate { name, form, run }
}

const SHARED: &str = "text and payload share the input";
const TEXT_COPIED: &str = "text `String`, payload shares the input";
const COPIED: &str = "all copied";

pub const GROUPS: &[Group] = &[
    Group {
        title: "Decode, borrowed",
        floor: &[by("floor", "the topic, borrowed", floor::decode)],
        ours: &[by("mqtt-sansio", "all borrowed", ours::decode_borrowed)],
        peers: &[by("mqttrs", "all borrowed", mqttrs::decode_borrowed)],
    },
    Group {
        title: "Decode, owned",
        floor: &[],
        ours: &[
            by(
                "mqtt-sansio `Frame`",
                "the bytes of the packet, checked; one `Bytes` of the input",
                ours::decode_frame,
            ),
            by(
                "mqtt-sansio `Packet<Bytes>`",
                "all `Bytes` of the input",
                ours::decode_shared,
            ),
        ],
        peers: &[
            by("flowsdk", COPIED, flowsdk::decode_owned),
            by("mqttbytes", TEXT_COPIED, mqttbytes::decode_owned),
            by("mqttbytes-ng", SHARED, rumqttc::mqttbytes_ng::decode_owned),
            by("rumqttc", SHARED, rumqttc::rumqttc::decode_owned),
            by(
                "rumqttc-v4-next",
                SHARED,
                rumqttc::rumqttc_v4_next::decode_owned,
            ),
            by(
                "rumqttc-v5-next",
                SHARED,
                rumqttc::rumqttc_v5_next::decode_owned,
            ),
            by(
                "mqtt-protocol-core",
                COPIED,
                mqtt_protocol_core::decode_owned,
            ),
            by("rmqtt-codec", SHARED, rmqtt_codec::decode_owned),
            by("mqute-codec", TEXT_COPIED, mqute_codec::decode_owned),
            by("mqtt5-protocol", TEXT_COPIED, mqtt5_protocol::decode_owned),
            by("mqtt-proto", COPIED, mqtt_proto::decode_owned),
            #[cfg(feature = "all-peers")]
            by("ntex-mqtt", SHARED, ntex_mqtt::decode_owned),
        ],
    },
    Group {
        title: "Encode into `&mut [u8]`",
        floor: &[],
        ours: &[by("mqtt-sansio", "", ours::encode_slice)],
        peers: &[
            by("mqttrs", "", mqttrs::encode_slice),
            by("mqtt5-protocol", "", mqtt5_protocol::encode_slice),
            by("mqtt-proto", "", mqtt_proto::encode_slice),
        ],
    },
    Group {
        title: "Encode into `BytesMut`",
        floor: &[],
        ours: &[by("mqtt-sansio", "", ours::encode_bytes_mut)],
        peers: &[
            by("mqttbytes", "", mqttbytes::encode),
            by("mqttbytes-ng", "", rumqttc::mqttbytes_ng::encode),
            by("rumqttc", "", rumqttc::rumqttc::encode),
            by("rumqttc-v4-next", "", rumqttc::rumqttc_v4_next::encode),
            by("rumqttc-v5-next", "", rumqttc::rumqttc_v5_next::encode),
            by("rmqtt-codec", "", rmqtt_codec::encode),
            by("mqute-codec", "", mqute_codec::encode),
            by("mqtt5-protocol", "", mqtt5_protocol::encode_bytes_mut),
            by("mqtt-proto", "", mqtt_proto::encode_bytes_mut),
            #[cfg(feature = "all-peers")]
            by("ntex-mqtt", "its own `BytePages`", ntex_mqtt::encode),
        ],
    },
    Group {
        title: "Encode into `Vec<u8>`",
        floor: &[],
        ours: &[by("mqtt-sansio", "", ours::encode_vec)],
        peers: &[
            by("flowsdk", "a new one each time", flowsdk::encode_vec),
            by(
                "mqtt-protocol-core",
                "its parts, copied",
                mqtt_protocol_core::encode_vec,
            ),
            by("mqtt5-protocol", "", mqtt5_protocol::encode_vec),
            by("mqtt-proto", "", mqtt_proto::encode_vec),
        ],
    },
];
