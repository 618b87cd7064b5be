//! What each codec checks, by the malformed frames that it accepts: those of `testdata/vectors`.
//!
//! A frame counts for the first rule that the plain reader of `fuzz/differential` finds broken, and
//! each of the codecs is asked about it as there. `2/7` means that two of seven were accepted; `-`
//! that no frame could be asked about, as mqtt-protocol-core and mqtt5-protocol are given right
//! fixed headers, or as 3.1.1 has no properties. The last column has the valid frames that the
//! codec refuses.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, panic, thread};

use bytes::BytesMut;
use mqtt_sansio::{Packet, Version};

use crate::asked::{self, Answer};
use crate::hex;
use crate::read::{Reading, varint};
use crate::rules::Fault;

/// Whether a frame is accepted, or `None` if the codec cannot be asked about it.
type Ask = fn(Version, &[u8]) -> Option<bool>;

struct Peer {
    name: &'static str,
    ask: Ask,
}

const PEERS: &[Peer] = &[
    Peer {
        name: "mqtt-sansio",
        ask: |version, frame| Some(Packet::decode(version, frame).is_ok()),
    },
    Peer {
        name: "flowsdk",
        ask: flowsdk,
    },
    Peer {
        name: "mqttbytes",
        ask: |version, frame| {
            let mut input = BytesMut::from(frame);
            let read = match version {
                Version::V311 => mqttbytes::v4::read(&mut input, usize::MAX).is_ok(),
                Version::V5 => mqttbytes::v5::read(&mut input, usize::MAX).is_ok(),
            };
            Some(read && input.is_empty())
        },
    },
    Peer {
        name: "mqttrs",
        ask: |version, frame| {
            let decoded = || matches!(mqttrs::decode_slice(frame), Ok(Some(_)));
            (version == Version::V311).then(decoded)
        },
    },
    Peer {
        name: "rumqttc-v4-next",
        ask: |version, frame| {
            use rumqttc4::mqttbytes::v4::Packet;
            let mut input = BytesMut::from(frame);
            let accepted = || Packet::read(&mut input, usize::MAX).is_ok() && input.is_empty();
            (version == Version::V311).then(accepted)
        },
    },
    Peer {
        name: "rumqttc-v5-next",
        ask: |version, frame| {
            use rumqttc5::mqttbytes::v5::Packet;
            let mut input = BytesMut::from(frame);
            let accepted = || Packet::read(&mut input, None).is_ok() && input.is_empty();
            (version == Version::V5).then(accepted)
        },
    },
    #[cfg(feature = "all-peers")]
    Peer {
        name: "ntex-mqtt",
        ask: ntex_mqtt,
    },
];

fn flowsdk(version: Version, frame: &[u8]) -> Option<bool> {
    use flowsdk::mqtt_serde::control_packet::MqttPacket;
    use flowsdk::mqtt_serde::parser::ParseOk;
    let parsed = match version {
        Version::V311 => MqttPacket::from_bytes_v3(frame),
        Version::V5 => MqttPacket::from_bytes_v5(frame),
    };
    Some(matches!(parsed, Ok(ParseOk::Packet(_, consumed)) if consumed == frame.len()))
}

#[cfg(feature = "all-peers")]
fn ntex_mqtt(version: Version, frame: &[u8]) -> Option<bool> {
    use ntex_codec::Decoder;
    let mut input = ntex_bytes::BytesMut::copy_from_slice(frame);
    let decoded = match version {
        Version::V311 => {
            let decoded = ntex_mqtt::v3::codec::Codec::default().decode(&mut input);
            matches!(decoded, Ok(Some(_)))
        }
        Version::V5 => {
            let decoded = ntex_mqtt::v5::codec::Codec::new().decode(&mut input);
            matches!(decoded, Ok(Some(_)))
        }
    };
    Some(decoded && input.is_empty())
}

/// The columns: a name, and the rules that are counted in it.
const COLUMNS: &[(&str, &[Fault])] = {
    use Fault::*;
    &[
        ("UTF-8", &[NotUtf8]),
        ("U+0000", &[NullCharacter]),
        ("topic name", &[WildcardInTopic, EmptyTopic]),
        ("filter", &[Wildcards, ShareName, NoLocalShared, EmptyList]),
        ("packet identifier 0", &[ZeroPacketId]),
        (
            "reserved bits and flags",
            &[
                ReservedPacketType,
                HeaderFlags,
                ReservedConnectFlag,
                WillFlagsWithoutWill,
                PasswordAlone,
                ConnAckFlags,
                SessionPresentWithError,
                QoS3,
                DupAtQoS0,
                ReservedOptions,
                RetainHandling3,
            ],
        ),
        ("lengths", &[CutShort, LengthTooLong, LongLength]),
        ("remaining bytes", &[LeftOver]),
        ("reason code", &[Code]),
        ("protocol", &[ProtocolName, ProtocolLevel]),
        ("property's place", &[UnknownProperty, PropertyNotAllowed]),
        ("property's value", &[PropertyRange]),
        ("property repeated", &[PropertyTwice]),
        ("authentication", &[NoMethod, EmptyAuth]),
    ]
};

pub fn print() {
    let vectors = vectors();
    let names = COLUMNS.iter().map(|(name, _)| *name);
    let head: Vec<_> = names.chain(["all", "valid, refused"]).collect();
    let malformed = vectors.iter().filter(|vector| vector.column.is_some());
    println!("\n## Malformed frames accepted\n");
    println!("Of {} of `testdata/vectors`.\n", malformed.count());
    println!("| codec | {} |", head.join(" | "));
    println!("|---|{}", "--:|".repeat(head.len()));
    for peer in PEERS {
        row(peer.name, &vectors, peer.ask);
    }
    for peer in asked::PEERS {
        row(peer.name, &vectors, move |version, frame| {
            match (peer.ask)(version, frame) {
                Answer::Accepted(_) => Some(true),
                Answer::NotAsked => None,
                Answer::Refused | Answer::Incomplete | Answer::None => Some(false),
            }
        });
    }
}

fn row<A>(name: &str, vectors: &[Vector], ask: A)
where
    A: Fn(Version, &[u8]) -> Option<bool> + Clone + Send + 'static,
{
    // An answer that does not come is no acceptance.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut counts = vec![(0, 0); COLUMNS.len() + 2];
    let (all, valid) = (COLUMNS.len(), COLUMNS.len() + 1);
    for vector in vectors {
        let (sender, answer) = mpsc::channel();
        let (version, frame, ask) = (vector.version, vector.frame.clone(), ask.clone());
        thread::spawn(move || sender.send(ask(version, &frame)));
        let accepted = match answer.recv_timeout(Duration::from_secs(2)) {
            Ok(None) => continue,
            Ok(Some(accepted)) => accepted,
            Err(_) => false,
        };
        let mut count = |column: usize, counted: bool| {
            counts[column].0 += usize::from(counted);
            counts[column].1 += 1;
        };
        match vector.column {
            Some(column) => {
                count(column, accepted);
                count(all, accepted);
            }
            None => count(valid, !accepted),
        }
    }
    panic::set_hook(hook);
    assert!(
        name != "mqtt-sansio" || counts[all].0 + counts[valid].0 == 0,
        "mqtt-sansio is wrong about a vector"
    );
    let cells = counts.iter().map(|&(counted, of)| match of {
        0 => "-".to_string(),
        _ => format!("{counted}/{of}"),
    });
    println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

struct Vector {
    version: Version,
    frame: Vec<u8>,
    /// That of the rule it breaks, or `None` if it is valid.
    column: Option<usize>,
}

/// The vectors that are one frame whose validity does not depend on its sender.
fn vectors() -> Vec<Vector> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors");
    let mut vectors = Vec::new();
    for (folder, version) in [("v311", Version::V311), ("v5", Version::V5)] {
        for file in fs::read_dir(root.join(folder)).expect("there are vectors") {
            let file = file.expect("it can be read").path();
            let text = fs::read_to_string(file).expect("it can be read");
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let Some(bytes) = line.split(" | ").nth(2) else {
                    continue;
                };
                let frame = hex::parse(bytes);
                if is_longer(&frame) {
                    continue;
                }
                let reading = Reading::of(version, &frame);
                let column = reading.faults.first().map(|fault| {
                    let place = COLUMNS
                        .iter()
                        .position(|(_, faults)| faults.contains(fault));
                    place.expect("each rule is in a column")
                });
                if column.is_some() || reading.is_valid() {
                    vectors.push(Vector {
                        version,
                        frame,
                        column,
                    });
                }
            }
        }
    }
    vectors
}

/// Whether other frames are behind the first.
fn is_longer(stream: &[u8]) -> bool {
    let mut rest = stream.get(1..).unwrap_or_default();
    varint(&mut rest).is_ok_and(|(length, _)| rest.len() > length)
}
