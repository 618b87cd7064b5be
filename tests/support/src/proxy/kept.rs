//! Messages of which an application keeps the payload, or not.

use mqtt_sansio::{Message, Publishable, Version};

use crate::link::Payload;

#[derive(Clone, Debug)]
pub(super) struct Kept {
    whole: Message,
    /// Whether the payload is no part of what the connection has.
    apart: bool,
}

impl Kept {
    pub(super) fn new(number: u32, len: usize, apart: bool) -> Self {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(4 + len, 0);
        let topic = format!("topic/{}", number % 3);
        Self {
            whole: Message::new(topic.parse().unwrap(), payload),
            apart,
        }
    }

    pub(super) fn number(&self) -> u32 {
        number_of(&self.whole.payload).unwrap()
    }
}

impl Publishable for Kept {
    fn message(&self, _: Version) -> Message<&[u8]> {
        let mut message = self.whole.as_borrowed();
        if self.apart {
            message.payload = &[];
        }
        message
    }

    fn payload_len(&self) -> Option<u32> {
        let len = u32::try_from(self.whole.payload.len());
        self.apart.then_some(len.unwrap())
    }
}

impl Payload for Kept {
    fn payload(&self) -> &[u8] {
        &self.whole.payload
    }
}

/// The number of the message with this payload, unless that is damaged.
pub(super) fn number_of(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|n| u32::from_be_bytes(*n))
}
