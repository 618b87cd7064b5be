use super::Message;
use crate::property::Property;
use crate::version::Version;

/// A summary of a message that a connection checks before it takes the message: the lengths, the
/// Message Expiry Interval, the RETAIN flag, and whether the message can be published at all.
///
/// To make one takes a pass over the properties, and over the payload if the Payload Format Indicator
/// says UTF-8. A type whose messages go to many connections can make it once, as
/// [`Shared`](crate::Shared) does, and return it from [`outline`](crate::Publishable::outline).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Outline {
    topic_len: u32,
    block_len: u32,
    payload_len: u32,
    expiry: Option<u32>,
    retain: bool,
    fault: Option<Fault>,
}

/// The reason that a message cannot be published.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Fault {
    /// The payload does not have the format that its indicator says.
    PayloadFormat,
    /// It has a property that belongs to one delivery.
    NotForwarded,
}

impl Outline {
    /// Makes the outline of a message.
    // Callers use a part of it, and the rest is left out where it is inlined.
    #[inline(always)]
    pub fn new<B: AsRef<[u8]>>(message: &Message<B>) -> Self {
        let payload = message.payload.as_ref();
        let (mut expiry, mut fault) = (None, None);
        for property in &message.properties {
            let found = match property {
                Property::MessageExpiryInterval(seconds) => {
                    expiry = Some(seconds);
                    None
                }
                Property::PayloadFormatIndicator(format) => {
                    (!format.allows(payload)).then_some(Fault::PayloadFormat)
                }
                Property::TopicAlias(_) | Property::SubscriptionIdentifier(_) => {
                    Some(Fault::NotForwarded)
                }
                _ => None,
            };
            fault = fault.or(found);
        }
        Self {
            topic_len: at_most(message.topic.len()),
            block_len: at_most(message.properties.byte_len()),
            payload_len: at_most(payload.len()),
            expiry,
            retain: message.retain,
            fault,
        }
    }

    /// The same with another RETAIN flag.
    #[must_use]
    pub const fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// The same in a version: without properties in 3.1.1.
    #[inline]
    #[must_use]
    pub const fn in_version(mut self, version: Version) -> Self {
        if matches!(version, Version::V311) {
            (self.block_len, self.expiry, self.fault) = (0, None, None);
        }
        self
    }

    pub(crate) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The Message Expiry Interval in seconds.
    pub(crate) const fn expiry(&self) -> Option<u32> {
        self.expiry
    }

    pub(crate) const fn retain(&self) -> bool {
        self.retain
    }

    /// The lengths of topic, properties and payload, or of a payload that is sent `apart`.
    #[inline]
    pub(crate) fn lens(&self, apart: Option<u32>) -> [usize; 3] {
        let payload_len = apart.unwrap_or(self.payload_len);
        [self.topic_len, self.block_len, payload_len].map(|len| len as usize)
    }
}

/// A length as `u32`. One that does not fit is too large for a packet in any case.
#[inline]
fn at_most(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use bytes::Bytes;

    use super::*;
    use crate::message::Publishable;
    use crate::packet::{Publish, publish_len};
    use crate::packet_id::PacketId;
    use crate::property::{MessageProperties, PayloadFormat, PublishProperties, SubscriptionId};
    use crate::qos::Delivery;
    use crate::shared::Shared;
    use crate::text::Text;

    fn messages() -> impl Iterator<Item = Message> {
        let long = "x".repeat(130);
        let text = Text::new(&long[..]).unwrap();
        let properties = [
            MessageProperties::default(),
            MessageProperties::builder()
                .payload_format_indicator(PayloadFormat::Unspecified)
                .message_expiry_interval(60)
                .build(),
            MessageProperties::builder()
                .payload_format_indicator(PayloadFormat::Utf8)
                .user_property(text, text)
                .build(),
            // As it is received.
            PublishProperties::of_block(b"\x0B\x07")
                .into_message()
                .map(|block| Bytes::from_static(block)),
            PublishProperties::of_block(b"\x23\x00\x01")
                .into_message()
                .map(|block| Bytes::from_static(block)),
        ];
        let payloads: [&'static [u8]; 3] = [b"", b"15:0", b"\xFF"];
        properties.into_iter().flat_map(move |properties| {
            payloads.into_iter().flat_map(move |payload| {
                let properties = properties.clone();
                [false, true].into_iter().map(move |retain| {
                    let mut message = Message::new("press/12".parse().unwrap(), payload);
                    message.retain = retain;
                    message.properties = properties.clone();
                    message
                })
            })
        })
    }

    #[test]
    fn has_the_length_of_the_packet() {
        let id = PacketId::MAX;
        let deliveries = [
            Delivery::AtMostOnce,
            Delivery::AtLeastOnce(id),
            Delivery::ExactlyOnce(id),
        ];
        let ids = [1, 200].map(|id| SubscriptionId::try_from(id).unwrap());
        for (message, delivery) in messages().flat_map(|it| deliveries.map(|how| (it.clone(), how)))
        {
            let outline = Outline::new(&message);
            let publish = Publish::of(delivery, message.as_borrowed());
            for version in [Version::V311, Version::V5] {
                for ids in [&[], &ids[..]] {
                    for apart in [None, Some(0), Some(1_000)] {
                        let len = publish_len(delivery, outline.lens(apart), ids, version);
                        let mut head = Vec::new();
                        let there = apart.map(|len| len as usize);
                        let encoded = publish.encode_with(ids, there, version, &mut head);
                        assert_eq!(len, encoded.map(|()| head.len() + there.unwrap_or(0)));
                    }
                }
            }
        }
    }

    #[test]
    fn is_kept_as_it_would_be_made() {
        let mut faults = Vec::new();
        for message in messages() {
            for retain in [false, true] {
                let shared = Shared::new(message.clone()).with_retain(retain);
                for version in [Version::V311, Version::V5] {
                    let outline = shared.outline(version);
                    assert_eq!(outline, Outline::new(&shared.message(version)));
                    faults.push(outline.fault());
                }
            }
        }
        for fault in [None, Some(Fault::PayloadFormat), Some(Fault::NotForwarded)] {
            assert!(faults.contains(&fault));
        }
    }
}
