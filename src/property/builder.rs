use core::marker::PhantomData;

use bytes::BytesMut;

use super::{Carries, Place, Properties, Property, PropertyId, PropertyIter, SubscriptionId};
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
pub struct PropertiesBuilder<K> {
    pub(super) block: BytesMut,
    pub(super) place: PhantomData<fn() -> K>,
}

impl<K: Place> PropertiesBuilder<K> {
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
        // Most often called by `with`, for a property that is not there.
        if PropertyIter(&self.block).all(|property| property.id() != id) {
            return self;
        }
        let all = self.block.split().freeze();
        for property in PropertyIter(&all) {
            if property.id() != id {
                property.put(&mut self.block);
            }
        }
        self
    }

    /// Returns the properties.
    pub fn build(self) -> Properties<K> {
        Properties::new(self.block.freeze())
    }

    pub(crate) fn with(mut self, property: &Property<'_>) -> Self {
        if !K::REPEATABLE.contains(property.id()) {
            self = self.without(property.id());
        }
        property.put(&mut self.block);
        self
    }
}
