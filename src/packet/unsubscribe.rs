use core::fmt;
use core::iter::FusedIterator;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::Context;
use super::body::{Body, FixedHeader};
use super::fields::packet;
use super::subscribe::shared;
use crate::block::{Buffer, Storage};
use crate::device::checked;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::packet_id::PacketId;
use crate::property::{Properties, UnsubscribeProperties};
use crate::topic::TopicFilter;
use crate::version::Version;
use crate::wire;

/// UNSUBSCRIBE: ends subscriptions (section 3.10).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Unsubscribe<B = Bytes> {
    /// The identifier that UNSUBACK repeats.
    pub packet_id: PacketId,
    /// The properties; always empty in 3.1.1.
    pub properties: UnsubscribeProperties<B>,
    /// The topic filters, at least one, as they were subscribed to.
    pub filters: TopicFilters<B>,
}

packet! { Unsubscribe is Unsubscribe {
    copy packet_id: PacketId,
    #[serde(default)] map properties: UnsubscribeProperties,
    map filters: TopicFilters,
}}

impl<B: Default> Unsubscribe<B> {
    /// Makes a request to end these subscriptions, without properties.
    pub fn new(packet_id: PacketId, filters: TopicFilters<B>) -> Self {
        Self {
            packet_id,
            properties: Properties::default(),
            filters,
        }
    }
}

impl<'a> Unsubscribe<&'a [u8]> {
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let (rest, packet_id) = wire::packet_id(body)?;
        let (rest, properties) = ctx.properties(rest)?;
        if rest.is_empty() {
            let kind = DecodeErrorKind::EmptyList;
            return Err(Fault::new(rest, kind, Field::TopicFilter));
        }
        let mut unread = rest;
        while !unread.is_empty() {
            let (tail, filter) = wire::topic_filter(unread, Field::TopicFilter)?;
            if ctx.version == Version::V5 {
                shared(&filter)?;
            }
            unread = tail;
        }
        Ok(Self {
            packet_id,
            properties,
            filters: TopicFilters(rest),
        })
    }
}

impl<B: AsRef<[u8]>> Body for Unsubscribe<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V5 {
            for filter in &self.filters {
                if let Err(error) = filter.shared() {
                    return Err(EncodeError::InvalidSharedSubscription(error.kind));
                }
            }
        }
        let properties = self.properties.encoded_len(version)?;
        Ok(2 + properties + self.filters.0.as_ref().len())
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put_with(self.packet_id.get(), out);
        self.properties.put(version, out);
        out.put_slice(self.filters.0.as_ref());
    }
}

/// The topic filters of an UNSUBSCRIBE, at least one, in wire form.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TopicFilters<B = Bytes>(B);

impl TopicFilters {
    /// Collects filters in any storage.
    ///
    /// ```
    /// use mqtt_sansio::packet::TopicFilters;
    ///
    /// let filters = TopicFilters::new(["sensors/#".parse()?])?;
    /// assert_eq!(filters.iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there are none.
    pub fn new<B: AsRef<[u8]>>(
        filters: impl IntoIterator<Item = TopicFilter<B>>,
    ) -> Result<Self, InvalidTopicFilters> {
        let mut block = BytesMut::new();
        collect(&mut block, filters)?;
        Ok(Self(block.freeze()))
    }
}

impl<'a> TopicFilters<&'a [u8]> {
    /// Collects filters as [`new`](TopicFilters::new) does, in a buffer of the caller's: the bytes of
    /// each, and two.
    ///
    /// # Errors
    ///
    /// If there are none, or the buffer is too small.
    pub fn new_in<B: AsRef<[u8]>>(
        buffer: &'a mut [u8],
        filters: impl IntoIterator<Item = TopicFilter<B>>,
    ) -> Result<Self, InvalidTopicFilters> {
        let mut block = Buffer::new(buffer);
        collect(&mut block, filters)?;
        Ok(Self(block.finish()?))
    }
}

fn collect<B: AsRef<[u8]>>(
    block: &mut impl Storage,
    filters: impl IntoIterator<Item = TopicFilter<B>>,
) -> Result<(), InvalidTopicFilters> {
    let mut count = 0_u32;
    for filter in filters {
        let filter = filter.as_bytes();
        block.append(2 + filter.len(), |out| wire::put_prefixed(filter, out));
        count += 1;
    }
    match count {
        0 => Err(InvalidTopicFilters::Empty),
        _ => Ok(()),
    }
}

impl<B> TopicFilters<B> {
    fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> TopicFilters<C> {
        TopicFilters(f(&self.0))
    }
}

impl<B: AsRef<[u8]>> TopicFilters<B> {
    /// Borrows the filters.
    pub fn as_borrowed(&self) -> TopicFilters<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// Iterates over the filters in order.
    pub fn iter(&self) -> TopicFilterIter<'_> {
        TopicFilterIter(self.0.as_ref())
    }
}

impl<'a, B: AsRef<[u8]>> IntoIterator for &'a TopicFilters<B> {
    type Item = TopicFilter<&'a [u8]>;
    type IntoIter = TopicFilterIter<'a>;

    fn into_iter(self) -> TopicFilterIter<'a> {
        self.iter()
    }
}

/// The reason for which [`TopicFilters`] cannot be made.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidTopicFilters {
    /// UNSUBSCRIBE needs at least one topic filter [MQTT-3.10.3-2].
    #[error("at least one topic filter is needed")]
    Empty,
    /// The buffer is too small.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Iterator over [`TopicFilters`].
#[derive(Clone, Debug)]
pub struct TopicFilterIter<'a>(&'a [u8]);

impl<'a> Iterator for TopicFilterIter<'a> {
    type Item = TopicFilter<&'a [u8]>;

    fn next(&mut self) -> Option<TopicFilter<&'a [u8]>> {
        if self.0.is_empty() {
            return None;
        }
        let (rest, filter) = checked(wire::binary(self.0, Field::TopicFilter));
        self.0 = rest;
        Some(TopicFilter(filter.0))
    }
}

impl FusedIterator for TopicFilterIter<'_> {}

impl<B: AsRef<[u8]>> fmt::Debug for TopicFilters<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
