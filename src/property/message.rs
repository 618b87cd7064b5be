//! What the properties of a message and its deliveries offer beyond those of every packet.

use alloc::vec::Vec;

use bytes::BufMut;

use super::{
    MessageProperties, Properties, Property, PropertyId, PublishProperties, SubscribeProperties,
    SubscriptionId, TopicAlias, WillProperties,
};

impl<B: AsRef<[u8]>> WillProperties<B> {
    /// Returns the properties of the message to publish for the will: all but the delay.
    pub(crate) fn to_message(&self) -> MessageProperties {
        let builder = self.to_builder().without(PropertyId::WillDelayInterval);
        Properties::new(builder.build().block)
    }
}

impl<B: AsRef<[u8]>> PublishProperties<B> {
    /// Iterates over the numbers by which the client identifies the subscriptions that match, in
    /// order (section 3.3.2.3.8). Only the server sends them [MQTT-3.3.4-6].
    ///
    /// In PUBLISH.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionId> + Clone + use<'_, B> {
        self.iter().filter_map(subscription_id)
    }

    /// Appends these properties and Subscription Identifiers, without the length in front.
    #[inline]
    pub(crate) fn put_block(&self, ids: &[SubscriptionId], out: &mut impl BufMut) {
        if !self.is_empty() {
            out.put_slice(self.block.as_ref());
        }
        for id in ids {
            match id.get() {
                id @ 0..=0x7F => {
                    out.put_slice(&[PropertyId::SubscriptionIdentifier as u8, (id & 0x7F) as u8]);
                }
                _ => Property::SubscriptionIdentifier(*id).put(out),
            }
        }
    }
}

impl<B> PublishProperties<B> {
    /// The same block as the properties of a message.
    pub(crate) fn into_message(self) -> MessageProperties<B> {
        Properties::new(self.block)
    }
}

impl<'a> PublishProperties<&'a [u8]> {
    /// The properties in a block that [`put_delivery`](Self::put_delivery) wrote.
    pub(crate) const fn of_block(block: &'a [u8]) -> Self {
        Properties::new(block)
    }

    /// The properties of a message together with those of its delivery, written into `block`: a
    /// topic alias, what is left of the Message Expiry Interval in place of the whole, and
    /// Subscription Identifiers.
    pub(crate) fn put_delivery(
        &self,
        block: &mut Vec<u8>,
        alias: Option<TopicAlias>,
        expiry: Option<u32>,
        ids: &[SubscriptionId],
    ) {
        block.clear();
        if let Some(alias) = alias {
            Property::TopicAlias(alias).put(block);
        }
        match expiry {
            None => block.extend_from_slice(self.block),
            Some(left) => {
                for property in self {
                    match property {
                        Property::MessageExpiryInterval(_) => {
                            Property::MessageExpiryInterval(left).put(block);
                        }
                        other => other.put(block),
                    }
                }
            }
        }
        for &id in ids {
            Property::SubscriptionIdentifier(id).put(block);
        }
    }
}

impl<B: AsRef<[u8]>> MessageProperties<B> {
    /// Identifiers of the subscriptions that match a received message (section 3.3.2.3.8), in
    /// order. A message that is to be published has none.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionId> + Clone + use<'_, B> {
        self.iter().filter_map(subscription_id)
    }
}

impl<B> MessageProperties<B> {
    /// The same block as the properties of a PUBLISH.
    pub(crate) fn into_publish(self) -> PublishProperties<B> {
        Properties::new(self.block)
    }
}

const fn subscription_id(property: Property<'_>) -> Option<SubscriptionId> {
    match property {
        Property::SubscriptionIdentifier(id) => Some(id),
        _ => None,
    }
}

impl<B: AsRef<[u8]>> SubscribeProperties<B> {
    /// Returns the number by which the client will identify these subscriptions (section
    /// 3.8.2.1.2).
    ///
    /// In SUBSCRIBE.
    pub fn subscription_identifier(&self) -> Option<SubscriptionId> {
        self.iter().find_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }
}
