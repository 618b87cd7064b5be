use core::marker::PhantomData;

use bytes::BytesMut;

use super::{Carries, Place, Properties, Property, PropertyId, PropertyIter, SubscriptionId};
use crate::block::{Buffer, Storage};
use crate::error::EncodeError;
use crate::text::Text;

/// Builds [`Properties`], in the order of the calls.
///
/// A property that a packet carries once is replaced when it is set again.
///
/// ```
/// use mqtt_sansio::property::MessageProperties;
///
/// let properties = MessageProperties::builder()
///     .content_type("text/plain".try_into()?)
///     .message_expiry_interval(60)
///     .message_expiry_interval(90)
///     .build();
/// assert_eq!(properties.iter().count(), 2);
/// assert_eq!(properties.message_expiry_interval(), Some(90));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PropertiesBuilder<K, S = BytesMut> {
    block: S,
    place: PhantomData<fn() -> K>,
}

impl<K> PropertiesBuilder<K> {
    /// Returns the properties.
    pub fn build(self) -> Properties<K> {
        Properties::new(self.block.freeze())
    }
}

impl<'a, K> PropertiesBuilder<K, Buffer<'a>> {
    /// Returns the properties, which are in the buffer.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BufferTooSmall`] if there was no room for one of them.
    pub fn build(self) -> Result<Properties<K, &'a [u8]>, EncodeError> {
        self.block.finish().map(Properties::new)
    }
}

impl<K, S> PropertiesBuilder<K, S> {
    pub(super) const fn new(block: S) -> Self {
        Self {
            block,
            place: PhantomData,
        }
    }
}

impl<K: Place, S: Storage> PropertiesBuilder<K, S> {
    /// Adds a user property: a name and a value that the application defines.
    ///
    /// In any packet with properties, any number of times.
    #[must_use]
    pub fn user_property(self, name: Text<&[u8]>, value: Text<&[u8]>) -> Self {
        self.with(&Property::UserProperty((name, value)))
    }

    /// Adds the subscription identifier, or sets it in SUBSCRIBE, which carries only one.
    ///
    /// In [SUBSCRIBE](super::SubscribeProperties) and [PUBLISH](super::PublishProperties).
    #[must_use]
    pub fn subscription_identifier(self, id: SubscriptionId) -> Self
    where
        K: Carries<0x0B>,
    {
        self.with(&Property::SubscriptionIdentifier(id))
    }

    /// Removes every property with this identifier.
    #[must_use]
    pub fn without(mut self, id: PropertyId) -> Self {
        let block = self.block.written();
        let (mut start, mut kept) = (0, 0);
        while let Some(unread) = block.get(start..).filter(|unread| !unread.is_empty()) {
            let mut rest = PropertyIter(unread);
            let is_kept = rest.next().is_some_and(|property| property.id() != id);
            let end = block.len() - rest.0.len();
            if is_kept {
                block.copy_within(start..end, kept);
                kept += end - start;
            }
            start = end;
        }
        self.block.truncate(kept);
        self
    }

    pub(crate) fn with(mut self, property: &Property<'_>) -> Self {
        if !K::REPEATABLE.contains(property.id()) {
            self = self.without(property.id());
        }
        let len = property.encoded_len();
        self.block.append(len, |out| property.put(out));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::{
        ConnAckProperties, InConnAck, MaximumQoS, PublishProperties, TopicAlias,
    };

    /// Every property of CONNACK, and two that replace others.
    fn build<S: Storage>(
        builder: PropertiesBuilder<InConnAck, S>,
    ) -> PropertiesBuilder<InConnAck, S> {
        let text = Text::new("text").unwrap();
        builder
            .session_expiry_interval(1)
            .receive_maximum(2.try_into().unwrap())
            .reason_string(Text::new("replaced").unwrap())
            .maximum_qos(MaximumQoS::AtLeastOnce)
            .retain_available(false)
            .user_property(text, text)
            .maximum_packet_size(3.try_into().unwrap())
            .assigned_client_identifier(text)
            .topic_alias_maximum(4)
            .reason_string(text)
            .user_property(text, Text::new("").unwrap())
            .wildcard_subscription_available(true)
            .subscription_identifier_available(true)
            .shared_subscription_available(true)
            .server_keep_alive(5)
            .response_information(text)
            .server_reference(text)
            .authentication_method(text)
            .authentication_data(crate::Binary::new(b"data").unwrap())
            .topic_alias_maximum(6)
    }

    #[test]
    fn a_buffer_holds_what_a_heap_holds() {
        let expected = build(ConnAckProperties::builder()).build();
        assert_eq!(expected.iter().count(), 18);
        let mut buffer = [0; 256];
        let built = build(Properties::builder_in(&mut buffer)).build();
        assert_eq!(built, Ok(expected.as_borrowed()));
    }

    #[test]
    fn a_buffer_that_is_too_small_says_how_large_is_enough() {
        let whole = build(ConnAckProperties::builder()).build();
        for len in 0..256 {
            let mut buffer = [0; 256];
            let built = build(Properties::builder_in(buffer.get_mut(..len).unwrap())).build();
            match built {
                Ok(built) => assert_eq!(built, whole.as_borrowed()),
                Err(EncodeError::BufferTooSmall { needed, available }) => {
                    assert_eq!(available as usize, len);
                    assert!(needed > available);
                    let mut buffer = [0; 256];
                    let enough = buffer.get_mut(..needed as usize).unwrap();
                    assert!(build(Properties::builder_in(enough)).build().is_ok());
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(built.is_ok(), len >= whole.byte_len());
        }
    }

    #[test]
    fn what_is_removed_leaves_the_rest_in_order() {
        let text = Text::new("t").unwrap();
        let alias = TopicAlias::new(1).unwrap();
        let builder = PublishProperties::builder()
            .user_property(text, text)
            .topic_alias(alias)
            .user_property(text, text)
            .message_expiry_interval(7)
            .user_property(text, text);
        let rest = builder.clone().without(PropertyId::UserProperty).build();
        let expected = [
            Property::TopicAlias(alias),
            Property::MessageExpiryInterval(7),
        ];
        assert!(rest.iter().eq(expected));
        let rest = builder.clone().without(PropertyId::TopicAlias).build();
        assert_eq!((rest.iter().count(), rest.topic_alias()), (4, None));
        let whole = builder.clone().build();
        assert_eq!(builder.without(PropertyId::ContentType).build(), whole);
    }
}
