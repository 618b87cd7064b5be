//! The crates that read and write as rumqttc does: its own codec, the one that it came from, and
//! the two that came of it.

use bytes::BytesMut;

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

macro_rules! codec {
    ($name:ident: $($version:ident reads $Packet:ty, at most $max:expr;)+) => {
        pub mod $name {
            use std::hint::black_box;

            use super::*;

            pub fn decode_owned(case: &Case) -> Option<Run> {
                $(if case.version == Version::$version {
                    return Some(timing::stream(case, |input| {
                        black_box(&<$Packet>::read(input, $max)).is_ok()
                    }));
                })+
                None
            }

            pub fn encode(case: &Case) -> Option<Run> {
                let mut input = BytesMut::from(&case.bytes[..]);
                let out = BytesMut::new();
                $(if case.version == Version::$version {
                    let packet = <$Packet>::read(&mut input, $max).unwrap();
                    return Some(timing::encode(case, packet, out, |packet, out| {
                        out.clear();
                        packet.write(out, $max).is_ok()
                    }));
                })+
                None
            }
        }
    };
}

codec!(rumqttc:
    V311 reads ::rumqttc::mqttbytes::v4::Packet, at most usize::MAX;
    V5 reads ::rumqttc::v5::mqttbytes::v5::Packet, at most None;
);

codec!(mqttbytes_ng:
    V311 reads ::mqttbytes_ng::v4::Packet, at most usize::MAX;
    V5 reads ::mqttbytes_ng::v5::Packet, at most None;
);

codec!(rumqttc_v4_next:
    V311 reads ::rumqttc4::mqttbytes::v4::Packet, at most usize::MAX;
);

codec!(rumqttc_v5_next:
    V5 reads ::rumqttc5::mqttbytes::v5::Packet, at most None;
);
