//! Messages that a history tells apart by a number: a server sends one to each of many subscribers.

use std::time::Duration;

use mqtt_sansio::property::{MessageProperties, SubscriptionId};
use mqtt_sansio::{Message, Shared, Side as Sender};

/// The message of this number, with the payload in the hands of the caller if it is `apart`.
pub(super) fn numbered(
    number: u32,
    len: usize,
    apart: bool,
    sender: Sender,
    now: Duration,
) -> Shared {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(4 + len, 0);
    let topic = format!("topic/{}", number % 3);
    let mut message = Message::new(topic.parse().unwrap(), payload);
    if number % 5 == 4 {
        let builder = MessageProperties::builder();
        message.properties = builder.message_expiry_interval(2).build();
    }
    let mut shared = Shared::new(message);
    if sender == Sender::Server {
        let ids = [1, 268_435_455].map(|id| SubscriptionId::new(id).unwrap());
        shared = shared.with_ids(ids.into_iter().take(number as usize % 3));
        shared = shared.received_at(now);
    }
    match apart {
        true => shared.apart(),
        false => shared,
    }
}

/// The number of the message with this payload, unless that is damaged.
pub(super) fn number_of(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|n| u32::from_be_bytes(*n))
}
