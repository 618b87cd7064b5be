use core::fmt;
use core::iter::FusedIterator;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::body::{Body, FixedHeader};
use super::fields::packet;
use super::{Context, SubscriptionOptions};
use crate::block::{Buffer, Storage};
use crate::device::checked;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field, OnlyInV5};
use crate::packet_id::PacketId;
use crate::property::{Properties, SubscribeProperties};
use crate::qos::QoS;
use crate::text::InvalidTextKind;
use crate::topic::{SharedFilter, TopicFilter};
use crate::version::Version;
use crate::wire::{self, ParseResult};

/// SUBSCRIBE: requests the messages that match topic filters (section 3.8).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Subscribe<B = Bytes> {
    /// The identifier that SUBACK repeats.
    pub packet_id: PacketId,
    /// The properties; always empty in 3.1.1.
    pub properties: SubscribeProperties<B>,
    /// The topic filters, at least one, with their options.
    pub subscriptions: Subscriptions<B>,
}

packet! { Subscribe is Subscribe {
    copy packet_id: PacketId,
    #[serde(default)] map properties: SubscribeProperties,
    map subscriptions: Subscriptions,
}}

impl<B: Default> Subscribe<B> {
    /// Makes a request for these subscriptions, without properties.
    pub fn new(packet_id: PacketId, subscriptions: Subscriptions<B>) -> Self {
        Self {
            packet_id,
            properties: Properties::default(),
            subscriptions,
        }
    }
}

impl<'a> Subscribe<&'a [u8]> {
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let (rest, packet_id) = wire::packet_id(body)?;
        let (rest, properties) = ctx.properties(rest)?;
        if rest.is_empty() {
            let kind = DecodeErrorKind::EmptyList;
            return Err(Fault::new(rest, kind, Field::TopicFilter));
        }
        let (mut unread, mut fits) = (rest, Fits::default());
        while !unread.is_empty() {
            let (tail, subscription) = Subscription::parse(ctx.version, unread)?;
            fits.add(&subscription.filter, subscription.options);
            unread = tail;
        }
        Ok(Self {
            packet_id,
            properties,
            subscriptions: Subscriptions { block: rest, fits },
        })
    }
}

impl<B: AsRef<[u8]>> Body for Subscribe<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        match (version, self.subscriptions.fits) {
            (Version::V311, fits) if fits.only_v5 => {
                let what = OnlyInV5::SubscriptionOption;
                return Err(EncodeError::NotInVersion { what, version });
            }
            (
                Version::V5,
                Fits {
                    bad_share: Some(kind),
                    ..
                },
            ) => {
                return Err(EncodeError::InvalidSharedSubscription(kind));
            }
            _ => {}
        }
        let properties = self.properties.encoded_len(version)?;
        Ok(2 + properties + self.subscriptions.block.as_ref().len())
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put_with(self.packet_id.get(), out);
        self.properties.put(version, out);
        out.put_slice(self.subscriptions.block.as_ref());
    }
}

/// The topic filters of a SUBSCRIBE and their options, at least one, in wire form.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Subscriptions<B = Bytes> {
    block: B,
    fits: Fits,
}

/// The versions that can carry some subscriptions, determined when they are collected.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
struct Fits {
    /// There is an option that 3.1.1 lacks.
    only_v5: bool,
    /// A filter starts with `$share/` and is no shared subscription, which 5.0 makes of it.
    bad_share: Option<InvalidTextKind>,
}

impl Fits {
    fn add(&mut self, filter: &TopicFilter<&[u8]>, options: SubscriptionOptions) {
        self.only_v5 |= options.to_byte() > QoS::ExactlyOnce.level();
        if let Err(error) = filter.shared() {
            self.bad_share.get_or_insert(error.kind);
        }
    }
}

impl Subscriptions {
    /// Collects topic filters, in any storage, with their options or only a QoS.
    ///
    /// ```
    /// use mqtt_sansio::QoS;
    /// use mqtt_sansio::packet::Subscriptions;
    ///
    /// let subscriptions = Subscriptions::new([("sensors/#".parse()?, QoS::AtLeastOnce)])?;
    /// assert_eq!(subscriptions.iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there are none, or one is shared and has No Local set.
    pub fn new<B: AsRef<[u8]>, O: Into<SubscriptionOptions>>(
        subscriptions: impl IntoIterator<Item = (TopicFilter<B>, O)>,
    ) -> Result<Self, InvalidSubscriptions> {
        let mut block = BytesMut::new();
        let fits = collect(&mut block, subscriptions)?;
        Ok(Self {
            block: block.freeze(),
            fits,
        })
    }
}

impl<'a> Subscriptions<&'a [u8]> {
    /// Collects topic filters as [`new`](Subscriptions::new) does, in a buffer of the caller's: the
    /// bytes of each, and three.
    ///
    /// ```
    /// use mqtt_sansio::QoS;
    /// use mqtt_sansio::packet::Subscriptions;
    /// use mqtt_sansio::topic::TopicFilter;
    ///
    /// let mut buffer = [0; 12];
    /// let wanted = [(TopicFilter::new("sensors/#")?, QoS::AtLeastOnce)];
    /// let subscriptions = Subscriptions::new_in(&mut buffer, wanted)?;
    /// assert_eq!(subscriptions.iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there are none, one is shared and has No Local set, or the buffer is too small.
    pub fn new_in<B: AsRef<[u8]>, O: Into<SubscriptionOptions>>(
        buffer: &'a mut [u8],
        subscriptions: impl IntoIterator<Item = (TopicFilter<B>, O)>,
    ) -> Result<Self, InvalidSubscriptions> {
        let mut block = Buffer::new(buffer);
        let fits = collect(&mut block, subscriptions)?;
        Ok(Self {
            block: block.finish()?,
            fits,
        })
    }
}

fn collect<B: AsRef<[u8]>, O: Into<SubscriptionOptions>>(
    block: &mut impl Storage,
    subscriptions: impl IntoIterator<Item = (TopicFilter<B>, O)>,
) -> Result<Fits, InvalidSubscriptions> {
    let (mut count, mut fits) = (0_u32, Fits::default());
    for (filter, options) in subscriptions {
        let (filter, options) = (filter.as_borrowed(), options.into());
        fits.add(&filter, options);
        if options.no_local && filter.is_shared() {
            return Err(InvalidSubscriptions::NoLocalOnSharedSubscription);
        }
        block.append(3 + filter.as_bytes().len(), |out| {
            wire::put_prefixed(filter.as_bytes(), out);
            out.put_u8(options.to_byte());
        });
        count += 1;
    }
    match count {
        0 => Err(InvalidSubscriptions::Empty),
        _ => Ok(fits),
    }
}

impl<B> Subscriptions<B> {
    fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> Subscriptions<C> {
        Subscriptions {
            block: f(&self.block),
            fits: self.fits,
        }
    }
}

impl<B: AsRef<[u8]>> Subscriptions<B> {
    /// Borrows the filters.
    pub fn as_borrowed(&self) -> Subscriptions<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// Iterates over the subscriptions in order.
    pub fn iter(&self) -> SubscriptionIter<'_> {
        SubscriptionIter(self.block.as_ref())
    }
}

impl<'a, B: AsRef<[u8]>> IntoIterator for &'a Subscriptions<B> {
    type Item = Subscription<'a>;
    type IntoIter = SubscriptionIter<'a>;

    fn into_iter(self) -> SubscriptionIter<'a> {
        self.iter()
    }
}

/// The reason for which [`Subscriptions`] cannot be made.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidSubscriptions {
    /// SUBSCRIBE needs at least one topic filter [MQTT-3.8.3-2].
    #[error("at least one topic filter is needed")]
    Empty,
    /// A shared subscription cannot have No Local [MQTT-3.8.3-4].
    #[error("no local is set on a shared subscription")]
    NoLocalOnSharedSubscription,
    /// The buffer is too small.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A topic filter and the options for the messages that match it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Subscription<'a> {
    /// The filter that topic names are matched with.
    pub filter: TopicFilter<&'a [u8]>,
    /// The options for the messages that match.
    pub options: SubscriptionOptions,
}

impl<'a> Subscription<'a> {
    fn parse(version: Version, input: &'a [u8]) -> ParseResult<'a, Self> {
        let (after_filter, filter) = wire::topic_filter(input, Field::TopicFilter)?;
        let (rest, byte) = wire::u8(after_filter, Field::SubscriptionOptions)?;
        let options = match SubscriptionOptions::from_byte(version, byte) {
            Ok(options) => options,
            Err(kind) => return wire::fail(after_filter, kind, Field::SubscriptionOptions),
        };
        if version == Version::V5 {
            let (_, is_shared) = shared(&filter)?;
            if is_shared && options.no_local {
                let kind = DecodeErrorKind::NoLocalOnSharedSubscription;
                return wire::fail(after_filter, kind, Field::SubscriptionOptions);
            }
        }
        Ok((rest, Self { filter, options }))
    }
}

/// Returns whether a filter is a shared subscription, as 5.0 reads it.
pub(super) fn shared<'a>(filter: &TopicFilter<&'a [u8]>) -> ParseResult<'a, bool> {
    match SharedFilter::split(filter.0) {
        Ok(shared) => Ok((&[], shared.is_some())),
        Err(error) => {
            let at = filter.0.get(error.offset..).unwrap_or_default();
            wire::fail(at, DecodeErrorKind::Text(error.kind), Field::TopicFilter)
        }
    }
}

/// Iterator over [`Subscriptions`].
#[derive(Clone, Debug)]
pub struct SubscriptionIter<'a>(&'a [u8]);

impl<'a> Iterator for SubscriptionIter<'a> {
    type Item = Subscription<'a>;

    fn next(&mut self) -> Option<Subscription<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let (rest, filter) = checked(wire::binary(self.0, Field::TopicFilter));
        let (rest, byte) = checked(wire::u8(rest, Field::SubscriptionOptions));
        // What is valid in 3.1.1 means the same in 5.0.
        let options = checked(SubscriptionOptions::from_byte(Version::V5, byte));
        self.0 = rest;
        let filter = TopicFilter(filter.0);
        Some(Subscription { filter, options })
    }
}

impl FusedIterator for SubscriptionIter<'_> {}

impl<B: AsRef<[u8]>> fmt::Debug for Subscriptions<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
