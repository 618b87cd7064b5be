//! The properties of MQTT 5.0 packets (section 2.2.2).
//!
//! [`Properties`] is one block, in wire form, of the properties that one packet carries. The packet
//! is the first type parameter. A builder sets properties, and methods of the same names read them:
//!
//! ```
//! use mqtt_sansio::property::{PublishProperties, TopicAlias};
//!
//! let properties = PublishProperties::builder()
//!     .topic_alias(TopicAlias::try_from(7)?)
//!     .message_expiry_interval(60)
//!     .user_property("trace".try_into()?, "17".try_into()?)
//!     .build();
//! assert_eq!(properties.message_expiry_interval(), Some(60));
//! assert_eq!(properties.content_type(), None);
//! assert_eq!(properties.user_properties().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A property that the packet cannot carry does not compile:
//!
//! ```compile_fail,E0277
//! # use mqtt_sansio::property::{ConnectProperties, TopicAlias};
//! let alias = TopicAlias::new(1).unwrap();
//! ConnectProperties::builder().topic_alias(alias);
//! ```

use core::fmt;
use core::hash::{Hash, Hasher};
use core::iter::FusedIterator;
use core::marker::PhantomData;

use bytes::{BufMut, Bytes, BytesMut};

use crate::device::QUICK;
use crate::device::checked;
use crate::error::{DecodeErrorKind, EncodeError, Field, OnlyInV5};
use crate::text::Text;
use crate::varint::VarInt;
use crate::version::Version;
use crate::wire::{self, ParseResult};

mod builder;
mod message;
#[cfg(feature = "serde")]
mod serde;
mod spec;
mod value;

pub use crate::block::{Buffer, Storage};
pub use crate::property_id::PropertyId;
pub use builder::PropertiesBuilder;
pub(crate) use spec::PropertySet;
pub use spec::{
    Carries, InAck, InAuth, InConnAck, InConnect, InDisconnect, InMessage, InPublish, InSubscribe,
    InUnsubscribe, InWill, Place, Property,
};
pub use value::{MaximumQoS, PayloadFormat, SubscriptionId, TopicAlias};

/// The properties of CONNECT.
pub type ConnectProperties<B = Bytes> = Properties<InConnect, B>;
/// The properties of the will in CONNECT.
pub type WillProperties<B = Bytes> = Properties<InWill, B>;
/// The properties of CONNACK.
pub type ConnAckProperties<B = Bytes> = Properties<InConnAck, B>;
/// The properties of PUBLISH.
pub type PublishProperties<B = Bytes> = Properties<InPublish, B>;
/// The properties of a [`Message`](crate::Message).
pub type MessageProperties<B = Bytes> = Properties<InMessage, B>;
/// The properties of PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
pub type AckProperties<B = Bytes> = Properties<InAck, B>;
/// The properties of SUBSCRIBE.
pub type SubscribeProperties<B = Bytes> = Properties<InSubscribe, B>;
/// The properties of UNSUBSCRIBE.
pub type UnsubscribeProperties<B = Bytes> = Properties<InUnsubscribe, B>;
/// The properties of DISCONNECT.
pub type DisconnectProperties<B = Bytes> = Properties<InDisconnect, B>;
/// The properties of AUTH.
pub type AuthProperties<B = Bytes> = Properties<InAuth, B>;

/// The properties of one place `K`, in the order in which they were sent or set.
///
/// The block is kept in wire form: it is checked once, when it is decoded or built, and reading it
/// again cannot fail. Each read walks the block, so keep a value that is needed often. MQTT 3.1.1
/// has no properties: there the block is always empty.
pub struct Properties<K, B = Bytes> {
    block: B,
    place: PhantomData<fn() -> K>,
}

impl<K> Properties<K, &[u8]> {
    pub(crate) const EMPTY: Self = Self::new(&[]);
}

impl<'a, K: Place> Properties<K, &'a [u8]> {
    /// Reads the length, checks every property and returns the set of those that there are.
    #[inline]
    pub(crate) fn parse(input: &'a [u8]) -> ParseResult<'a, (Self, PropertySet)> {
        match input {
            [0, rest @ ..] if QUICK => Ok((rest, (Self::EMPTY, PropertySet::default()))),
            _ => {
                let (rest, (block, seen)) = parse_block(input, K::ALLOWED, K::REPEATABLE)?;
                Ok((rest, (Self::new(block), seen)))
            }
        }
    }
}

/// Reads the length and checks the properties behind it. Once for all places, as it is long.
#[inline(never)]
fn parse_block(
    input: &[u8],
    allowed: PropertySet,
    repeatable: PropertySet,
) -> ParseResult<'_, (&[u8], PropertySet)> {
    let (rest, len) = VarInt::parse(input, Field::PropertyLength)?;
    let (rest, block) = wire::take(rest, len.get() as usize, Field::PropertyLength)?;
    let mut seen = PropertySet::default();
    let mut unread = block;
    while let [id, tail @ ..] = unread {
        let Some(known) = PropertyId::from_u8(*id) else {
            let kind = DecodeErrorKind::UnknownProperty(*id);
            return wire::fail(unread, kind, Field::PropertyId);
        };
        if !allowed.contains(known) {
            let kind = DecodeErrorKind::PropertyNotAllowed;
            return wire::fail(unread, kind, Field::Property(known));
        }
        if seen.contains(known) && !repeatable.contains(known) {
            let kind = DecodeErrorKind::PropertyRepeated;
            return wire::fail(unread, kind, Field::Property(known));
        }
        seen = seen.with(known);
        (unread, _) = Property::parse(known, tail)?;
    }
    Ok((rest, (block, seen)))
}

impl<K> Properties<K, Bytes> {
    pub(crate) const fn none() -> Self {
        Self::new(Bytes::new())
    }
}

impl<K: Place> Properties<K, Bytes> {
    /// Returns a builder without properties.
    pub fn builder() -> PropertiesBuilder<K> {
        PropertiesBuilder::new(BytesMut::new())
    }
}

impl<'a, K: Place> Properties<K, &'a [u8]> {
    /// Returns a builder without properties that writes into a buffer of the caller's, and so needs
    /// no heap. It needs the [bytes](Self::byte_len) that it builds, and no more.
    ///
    /// ```
    /// use mqtt_sansio::property::ConnectProperties;
    ///
    /// let mut buffer = [0; 16];
    /// let properties = ConnectProperties::builder_in(&mut buffer)
    ///     .session_expiry_interval(3600)
    ///     .receive_maximum(4.try_into()?)
    ///     .build()?;
    /// assert_eq!(properties.byte_len(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn builder_in(buffer: &'a mut [u8]) -> PropertiesBuilder<K, Buffer<'a>> {
        PropertiesBuilder::new(Buffer::new(buffer))
    }
}

impl<K, B> Properties<K, B> {
    const fn new(block: B) -> Self {
        Self {
            block,
            place: PhantomData,
        }
    }

    pub(crate) fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> Properties<K, C> {
        Properties::new(f(&self.block))
    }
}

impl<K, B: AsRef<[u8]>> Properties<K, B> {
    /// Returns whether there are no properties.
    pub fn is_empty(&self) -> bool {
        self.block.as_ref().is_empty()
    }

    /// Returns the number of bytes of the properties, without their length in front.
    pub fn byte_len(&self) -> usize {
        self.block.as_ref().len()
    }

    /// Iterates over the properties in order.
    pub fn iter(&self) -> PropertyIter<'_> {
        PropertyIter(self.block.as_ref())
    }

    /// Iterates over the names and values of the user properties, in order. Any packet with
    /// properties may carry them.
    pub fn user_properties(
        &self,
    ) -> impl Iterator<Item = (Text<&[u8]>, Text<&[u8]>)> + Clone + use<'_, K, B> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// Borrows the properties.
    pub fn as_borrowed(&self) -> Properties<K, &[u8]> {
        Properties::new(self.block.as_ref())
    }

    /// Copies the properties into a buffer of their own.
    pub fn to_owned(&self) -> Properties<K, Bytes> {
        Properties::new(Bytes::copy_from_slice(self.block.as_ref()))
    }

    /// Returns a builder that starts with these properties.
    pub fn to_builder(&self) -> PropertiesBuilder<K> {
        PropertiesBuilder::new(BytesMut::from(self.block.as_ref()))
    }

    /// Returns the length with the length in front; 3.1.1 has no properties.
    pub(crate) fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        match (version, self.block.as_ref().len()) {
            (Version::V311, 0) => Ok(0),
            (Version::V311, _) => Err(EncodeError::NotInVersion {
                what: OnlyInV5::Property,
                version,
            }),
            (Version::V5, len) => match VarInt::try_from(len) {
                Ok(prefix) => Ok(prefix.encoded_len() + len),
                Err(_) => Err(EncodeError::TooLarge),
            },
        }
    }

    /// Appends the length and the properties. [`encoded_len`](Self::encoded_len) has succeeded.
    pub(crate) fn put(&self, version: Version, out: &mut impl BufMut) {
        if version == Version::V5 {
            let block = self.block.as_ref();
            if block.is_empty() {
                return out.put_u8(0);
            }
            VarInt::try_from(block.len())
                .unwrap_or(VarInt::MAX)
                .encode(out);
            out.put_slice(block);
        }
    }
}

impl<'a, K, B: AsRef<[u8]>> IntoIterator for &'a Properties<K, B> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

// Written out, as derives would ask the same of `K`, which has no values.
impl<K, B: Clone> Clone for Properties<K, B> {
    fn clone(&self) -> Self {
        Self::new(self.block.clone())
    }
}

impl<K, B: Copy> Copy for Properties<K, B> {}

impl<K, B: Default> Default for Properties<K, B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<K, B: PartialEq<C>, C> PartialEq<Properties<K, C>> for Properties<K, B> {
    fn eq(&self, other: &Properties<K, C>) -> bool {
        self.block == other.block
    }
}

impl<K, B: Eq> Eq for Properties<K, B> {}

impl<K, B: Hash> Hash for Properties<K, B> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.block.hash(state);
    }
}

impl<K, B: AsRef<[u8]>> fmt::Debug for Properties<K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Iterator over [`Properties`].
#[derive(Clone, Debug)]
pub struct PropertyIter<'a>(&'a [u8]);

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        let [id, tail @ ..] = self.0 else { return None };
        let id = PropertyId::from_u8(*id).expect("checked when the block was made");
        let (rest, property) = read(id, tail);
        self.0 = rest;
        Some(property)
    }
}

impl FusedIterator for PropertyIter<'_> {}

/// A property that was checked. Once for all iterators, as it is long.
#[inline(never)]
fn read(id: PropertyId, tail: &[u8]) -> (&[u8], Property<'_>) {
    checked(Property::parse(id, tail))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::topic::TopicName;

    fn parse<K: Place>(block: &[u8]) -> Result<Properties<K, &[u8]>, DecodeErrorKind> {
        match Properties::<K, _>::parse(block) {
            Ok((_, (properties, _))) => Ok(properties),
            Err(error) => Err(crate::error::Fault::from(error).kind),
        }
    }

    #[test]
    fn builder_keeps_order_and_replaces() {
        let name = Text::new("n").unwrap();
        let value = Text::new("v").unwrap();
        let properties = PublishProperties::builder()
            .message_expiry_interval(1)
            .user_property(name, value)
            .subscription_identifier(SubscriptionId::new(200).unwrap())
            .subscription_identifier(SubscriptionId::new(200).unwrap())
            .message_expiry_interval(2)
            .user_property(name, name)
            .build();
        let mut out = Vec::new();
        properties.put(Version::V5, &mut out);
        assert_eq!(
            out,
            b"\x19\x26\x00\x01n\x00\x01v\x0b\xc8\x01\x0b\xc8\x01\x02\x00\x00\x00\x02\x26\x00\x01n\x00\x01n"
        );
        assert_eq!(parse::<InPublish>(&out), Ok(properties.as_borrowed()));
        assert_eq!(properties.message_expiry_interval(), Some(2));
        assert_eq!(properties.content_type(), None);
        assert_eq!(properties.subscription_identifiers().count(), 2);
        let pairs: Vec<_> = properties.user_properties().collect();
        assert_eq!(pairs, [(name, value), (name, name)]);
        let rest = properties
            .to_builder()
            .without(PropertyId::UserProperty)
            .build();
        assert_eq!(rest.iter().count(), 3);
    }

    #[test]
    fn getters_read_what_was_set() {
        let topic = TopicName::new("a/b").unwrap();
        let properties = PublishProperties::builder()
            .payload_format_indicator(PayloadFormat::Utf8)
            .response_topic(topic)
            .topic_alias(TopicAlias::new(7).unwrap())
            .build();
        assert_eq!(
            properties.payload_format_indicator(),
            Some(PayloadFormat::Utf8)
        );
        assert_eq!(properties.response_topic(), Some(topic));
        assert_eq!(properties.topic_alias(), TopicAlias::new(7));
    }

    #[test]
    fn equal_blocks_are_equal_and_hash_alike() {
        let id = |id| {
            let builder = SubscribeProperties::builder();
            let id = SubscriptionId::new(id).unwrap();
            builder.subscription_identifier(id).build()
        };
        let (one, two) = (id(1), id(2));
        assert_eq!(one.subscription_identifier(), SubscriptionId::new(1));
        assert_eq!(
            SubscribeProperties::<Bytes>::default().subscription_identifier(),
            None
        );
        assert_ne!(one, two);
        assert_eq!(one, one.to_builder().build());

        struct Hashed(Vec<u8>);
        impl Hasher for Hashed {
            fn finish(&self) -> u64 {
                0
            }
            fn write(&mut self, bytes: &[u8]) {
                self.0.extend_from_slice(bytes);
            }
        }
        let hashed = |properties: &SubscribeProperties| {
            let mut hasher = Hashed(Vec::new());
            properties.hash(&mut hasher);
            hasher.0
        };
        assert_eq!(hashed(&one), hashed(&id(1)));
        assert_ne!(hashed(&one), hashed(&two));
    }

    #[test]
    fn repeats() {
        let twice = b"\x04\x0b\x01\x0b\x01";
        assert!(parse::<InPublish>(twice).is_ok());
        let repeated = Err(DecodeErrorKind::PropertyRepeated);
        assert_eq!(parse::<InSubscribe>(twice), repeated);
        let not_allowed = Err(DecodeErrorKind::PropertyNotAllowed);
        assert_eq!(parse::<InConnect>(twice), not_allowed);
        let unknown = Err(DecodeErrorKind::UnknownProperty(0x8B));
        assert_eq!(parse::<InPublish>(b"\x02\x8b\x01"), unknown);
    }

    /// How many properties each packet may carry, from table 2-4.
    #[test]
    fn allowed_counts() {
        fn count<K: Place>() -> usize {
            let known = (0..=255).filter_map(PropertyId::from_u8);
            known.filter(|&id| K::ALLOWED.contains(id)).count()
        }
        assert_eq!(count::<InConnect>(), 9);
        assert_eq!(count::<InWill>(), 7);
        assert_eq!(count::<InConnAck>(), 17);
        assert_eq!(count::<InPublish>(), 8);
        assert_eq!(count::<InAck>(), 2);
        assert_eq!(count::<InSubscribe>(), 2);
        assert_eq!(count::<InUnsubscribe>(), 1);
        assert_eq!(count::<InDisconnect>(), 4);
        assert_eq!(count::<InAuth>(), 4);
        assert_eq!((0..=255).filter_map(PropertyId::from_u8).count(), 27);
    }
}
