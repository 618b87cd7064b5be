//! What packets cost by their size.

use bytes::Bytes;
use mqtt_sansio::packet::Publish;
use mqtt_sansio::property::PublishProperties;
use mqtt_sansio::{Delivery, Frame, Packet, Text, Version};

use crate::chart::Chart;
use crate::{Failure, nanoseconds};

fn encoded(publish: Publish) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    Packet::from(publish).encode(Version::V5, &mut bytes)?;
    Ok(bytes.into())
}

/// Few of large ones, so that each takes some milliseconds at most.
const fn repeats(bytes: usize) -> usize {
    let repeats = 4_000_000 / (bytes + 64);
    if repeats < 4 { 4 } else { repeats }
}

pub fn payload() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "One PUBLISH by the size of its payload",
        "bytes of payload",
        "nanoseconds",
    );
    for len in (4..=24).step_by(2).map(|power| 1_usize << power) {
        let publish = Publish::new(Delivery::AtMostOnce, "a/b/c".parse()?, vec![7; len].into());
        let packet = Packet::from(publish.clone());
        let bytes = encoded(publish)?;
        let repeats = repeats(len);
        let mut out = vec![0; bytes.len()];
        let encode = || (0..repeats).all(|_| packet.encode(Version::V5, &mut &mut out[..]).is_ok());
        chart.add("encode", len, nanoseconds(repeats, encode));
        let decode = || (0..repeats).all(|_| Packet::decode(Version::V5, &bytes).is_ok());
        chart.add("decode, borrowed", len, nanoseconds(repeats, decode));
        let frame = || (0..repeats).all(|_| Frame::new(Version::V5, bytes.clone()).is_ok());
        chart.add("decode, as a frame", len, nanoseconds(repeats, frame));
    }
    Ok(chart)
}

pub fn properties() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "One PUBLISH by the number of its user properties",
        "properties",
        "nanoseconds a property",
    );
    for count in crate::steps(1, 10_000) {
        let mut builder = PublishProperties::builder();
        for _ in 0..count {
            builder = builder.user_property(Text::new("name")?, Text::new("value")?);
        }
        let mut publish = Publish::new(Delivery::AtMostOnce, "a/b/c".parse()?, "payload".into());
        publish.properties = builder.build();
        let bytes = encoded(publish)?;
        let repeats = repeats(bytes.len());
        let decode = || (0..repeats).all(|_| Packet::decode(Version::V5, &bytes).is_ok());
        chart.add("decode", count, nanoseconds(repeats * count, decode));
        let Packet::Publish(publish) = Packet::decode(Version::V5, &bytes)? else {
            return Err("not PUBLISH".into());
        };
        let read = || {
            (0..repeats)
                .map(|_| publish.properties.iter().count())
                .sum::<usize>()
        };
        chart.add("read again", count, nanoseconds(repeats * count, read));
    }
    Ok(chart)
}
