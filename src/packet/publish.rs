use bytes::{Buf, BufMut, Bytes};

use super::body::{self, FixedHeader};
use super::fields::packet;
use super::{Context, Packet};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Fault, Field, OnlyInV5};
use crate::header::Header;
use crate::message::Message;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property::{Properties, PropertyId, PublishProperties, SubscriptionId};
use crate::qos::{Delivery, QoS};
use crate::side::Side;
use crate::topic::TopicName;
use crate::varint::VarInt;
use crate::version::Version;
use crate::wire::{self, ParseResult};

/// PUBLISH: an application message (section 3.3).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Publish<B = Bytes> {
    /// DUP: true if this may repeat an earlier PUBLISH; false at QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// The QoS, and the packet identifier that goes with it.
    pub delivery: Delivery,
    /// RETAIN: true if the server keeps, or has kept, the message for later subscribers (section
    /// 3.3.1.3).
    pub retain: bool,
    /// The topic. `None` is sent as an empty name, for which a topic alias in the properties
    /// stands.
    pub topic: Option<TopicName<B>>,
    /// The properties; always empty in 3.1.1.
    pub properties: PublishProperties<B>,
    /// The message itself, up to the end of the packet.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::bytes"))]
    pub payload: B,
}

packet! { Publish is Publish {
    #[serde(default)] copy dup: bool,
    copy delivery: Delivery,
    #[serde(default)] copy retain: bool,
    option topic: Option<TopicName>,
    #[serde(default)] map properties: PublishProperties,
    bytes payload: Bytes,
}}

impl<B: Default> Publish<B> {
    /// Makes a packet without properties, not retained and not repeated. A connection publishes a
    /// [`Message`] instead.
    pub fn new(delivery: Delivery, topic: TopicName<B>, payload: B) -> Self {
        Self {
            dup: false,
            delivery,
            retain: false,
            topic: Some(topic),
            properties: Properties::default(),
            payload,
        }
    }
}

impl<B> Publish<B> {
    /// The PUBLISH that delivers `message`: the inverse of [`into_message`](Self::into_message).
    pub fn of(delivery: Delivery, message: Message<B>) -> Self {
        Self {
            dup: false,
            delivery,
            retain: message.retain,
            topic: Some(message.topic),
            properties: message.properties.into_publish(),
            payload: message.payload,
        }
    }

    /// Returns the message of the packet. `topic` is the topic of the packet, or the one for which
    /// its topic alias stands.
    pub fn into_message(self, topic: TopicName<B>) -> Message<B> {
        Message {
            topic,
            payload: self.payload,
            retain: self.retain,
            properties: self.properties.into_message(),
        }
    }
}

impl<'a> Publish<&'a [u8]> {
    /// Parses the packet straight into what [`FrameDecoder::decode`](crate::FrameDecoder::decode)
    /// returns, because a `Result<Self, _>` in between costs a third of the time.
    #[inline]
    pub(super) fn parse(
        ctx: Context,
        header: Header,
        frame: &'a [u8],
    ) -> Result<Option<Packet<&'a [u8]>>, DecodeError> {
        let fail = |error: nom::Err<Fault<'_>>| ctx.error(header.packet, frame, error.into());
        let body = header.body(frame);
        let (dup, retain) = (header.first & 0b1000 != 0, header.first & 1 != 0);

        let (rest, topic) = match body {
            // Only 5.0 has an alias to stand for an empty name.
            [0, 0, rest @ ..] if ctx.version == Version::V5 => (rest, None),
            _ => {
                let (rest, topic) = wire::topic_name(body, Field::TopicName).map_err(fail)?;
                (rest, Some(topic))
            }
        };
        let (rest, delivery) = parse_delivery(header.first, frame, rest).map_err(fail)?;
        let (payload, properties) = match ctx.version {
            Version::V311 => (rest, Properties::EMPTY),
            Version::V5 => {
                let (payload, (properties, seen)) = Properties::parse(rest).map_err(fail)?;
                if topic.is_none() && !seen.contains(PropertyId::TopicAlias) {
                    let kind = DecodeErrorKind::MissingTopic;
                    wire::fail::<()>(body, kind, Field::TopicName).map_err(fail)?;
                }
                let id = PropertyId::SubscriptionIdentifier;
                if ctx.sender == Some(Side::Client) && seen.contains(id) {
                    let kind = DecodeErrorKind::PropertyFromWrongSender;
                    wire::fail::<()>(rest, kind, Field::Property(id)).map_err(fail)?;
                }
                (payload, properties)
            }
        };
        Ok(Some(Packet::Publish(Self {
            dup,
            delivery,
            retain,
            topic,
            properties,
            payload,
        })))
    }
}

/// Reads the QoS from the first byte, and the packet identifier that it asks for.
#[inline]
fn parse_delivery<'a>(first: u8, frame: &'a [u8], input: &'a [u8]) -> ParseResult<'a, Delivery> {
    let qos = first & 0b0110;
    if qos == 0 {
        return match first & 0b1000 {
            0 => Ok((input, Delivery::AtMostOnce)),
            _ => wire::fail(frame, DecodeErrorKind::DupAtQoS0, Field::FixedHeader),
        };
    }
    if qos == 0b0110 {
        return wire::fail(frame, DecodeErrorKind::InvalidQoS, Field::FixedHeader);
    }
    let (rest, id) = wire::packet_id(input)?;
    match qos {
        0b0010 => Ok((rest, Delivery::AtLeastOnce(id))),
        _ => Ok((rest, Delivery::ExactlyOnce(id))),
    }
}

impl Publish {
    /// Parses the packet that `bytes` are. The payload takes over their reference, so that only the
    /// topic and the properties cost one more each.
    #[inline]
    pub(super) fn parse_shared(
        ctx: Context,
        header: Header,
        bytes: Bytes,
    ) -> Result<Option<Packet>, DecodeError> {
        let Some(Packet::Publish(publish)) = Publish::parse(ctx, header, &bytes)? else {
            return Ok(None);
        };
        let Publish {
            dup,
            delivery,
            retain,
            ..
        } = publish;
        let share = |field: &&[u8]| wire::share(&bytes, field);
        let topic = publish.topic.as_ref().map(|topic| topic.map(share));
        let properties = publish.properties.map(share);
        let head_len = bytes.len() - publish.payload.len();
        let mut payload = bytes;
        payload.advance(head_len);
        Ok(Some(Packet::Publish(Self {
            dup,
            delivery,
            retain,
            topic,
            properties,
            payload,
        })))
    }
}

impl<B> Publish<B> {
    /// Returns the QoS.
    pub const fn qos(&self) -> QoS {
        self.delivery.qos()
    }

    /// Returns the packet identifier, which QoS 0 lacks.
    pub const fn packet_id(&self) -> Option<PacketId> {
        self.delivery.packet_id()
    }

    /// Returns the first byte of the packet.
    fn first(&self) -> u8 {
        let flags = u8::from(self.dup) << 3 | self.qos().level() << 1 | u8::from(self.retain);
        (PacketType::Publish as u8) << 4 | flags
    }
}

impl<B: AsRef<[u8]>> Publish<B> {
    /// Appends the packet.
    ///
    /// # Errors
    ///
    /// If the packet breaks a rule of `version` or does not fit; then nothing has been written.
    #[inline(never)]
    pub fn encode(&self, version: Version, out: &mut impl BufMut) -> Result<(), EncodeError> {
        self.encode_with(&[], None, version, out)
    }

    /// Appends everything but the payload. The caller sends that right behind it: `payload_len`
    /// bytes, whatever the payload here is.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_head(
        &self,
        version: Version,
        payload_len: usize,
        out: &mut impl BufMut,
    ) -> Result<(), EncodeError> {
        self.encode_with(&[], Some(payload_len), version, out)
    }

    /// Appends the packet, in 5.0 with these Subscription Identifiers behind its properties, and
    /// without the payload if that of this length is sent `apart`.
    // The parts of a packet would else be passed through memory.
    #[inline(always)]
    pub(crate) fn encode_with(
        &self,
        ids: &[SubscriptionId],
        apart: Option<usize>,
        version: Version,
        out: &mut impl BufMut,
    ) -> Result<(), EncodeError> {
        let payload = self.payload.as_ref();
        let topic = self.topic_bytes();
        let (head_len, block_len) = self.lens(topic, ids, version)?;
        let body_len = match apart {
            None => head_len + payload.len(),
            Some(len) => head_len.saturating_add(len),
        };
        let header = FixedHeader::new(self.first(), body_len, apart.unwrap_or(0), out)?;
        header.put_with(wire::prefix(topic), out);
        out.put_slice(topic);
        self.put_id_and_properties(ids, block_len, version, out);
        if apart.is_none() {
            out.put_slice(payload);
        }
        Ok(())
    }

    /// The topic, or an empty name where an alias stands for it.
    #[inline]
    fn topic_bytes(&self) -> &[u8] {
        self.topic.as_ref().map_or(&[], TopicName::as_bytes)
    }

    /// Returns the length of the whole packet.
    ///
    /// # Errors
    ///
    /// If the packet cannot be encoded in `version`.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.encoded_len_with(&[], None, version)
    }

    /// Returns the length of the whole packet with these Subscription Identifiers, and with a payload
    /// of this length if it is sent `apart`.
    #[inline]
    pub(crate) fn encoded_len_with(
        &self,
        ids: &[SubscriptionId],
        apart: Option<usize>,
        version: Version,
    ) -> Result<usize, EncodeError> {
        let (head_len, _) = self.lens(self.topic_bytes(), ids, version)?;
        let payload_len = apart.unwrap_or_else(|| self.payload.as_ref().len());
        body::packet_len(head_len.saturating_add(payload_len))
    }

    /// The length of the body without the payload, and of the properties and identifiers in it.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn lens(
        &self,
        topic: &[u8],
        ids: &[SubscriptionId],
        version: Version,
    ) -> Result<(usize, VarInt), EncodeError> {
        if self.dup && self.qos() == QoS::AtMostOnce {
            return Err(EncodeError::DupAtQoS0);
        }
        // A topic name is not empty.
        if topic.is_empty() && (version == Version::V311 || self.properties.topic_alias().is_none())
        {
            return Err(EncodeError::MissingTopic);
        }
        let block_len = self.properties.byte_len();
        head_lens(self.delivery, topic.len(), block_len, ids, version)
    }

    #[inline(always)]
    fn put_id_and_properties(
        &self,
        ids: &[SubscriptionId],
        block_len: VarInt,
        version: Version,
        out: &mut impl BufMut,
    ) {
        let id = self.packet_id().map(|id| id.get().to_be_bytes());
        match (id, version, block_len.get()) {
            (None, Version::V311, _) => {}
            (Some(id), Version::V311, _) => out.put_slice(&id),
            (None, Version::V5, len @ 0..=0x7F) => out.put_u8((len & 0x7F) as u8),
            (Some([high, low]), Version::V5, len @ 0..=0x7F) => {
                out.put_slice(&[high, low, (len & 0x7F) as u8]);
            }
            (id, Version::V5, _) => {
                out.put_slice(id.as_ref().map_or(&[], |id| id));
                block_len.encode(out);
            }
        }
        if block_len.get() > 0 {
            self.properties.put_block(ids, out);
        }
    }
}

/// The length of a PUBLISH with these lengths of topic, properties and payload, and with these
/// Subscription Identifiers.
#[inline]
pub(crate) fn publish_len(
    delivery: Delivery,
    [topic_len, block_len, payload_len]: [usize; 3],
    ids: &[SubscriptionId],
    version: Version,
) -> Result<usize, EncodeError> {
    let (head_len, _) = head_lens(delivery, topic_len, block_len, ids, version)?;
    body::packet_len(head_len.saturating_add(payload_len))
}

/// The length of the body without the payload, and of the properties and identifiers in it.
#[cfg_attr(not(target_os = "none"), inline(always))]
fn head_lens(
    delivery: Delivery,
    topic_len: usize,
    block_len: usize,
    ids: &[SubscriptionId],
    version: Version,
) -> Result<(usize, VarInt), EncodeError> {
    let id = match delivery {
        Delivery::AtMostOnce => 0,
        Delivery::AtLeastOnce(_) | Delivery::ExactlyOnce(_) => 2,
    };
    let len = 2 + topic_len + id;
    match version {
        Version::V311 if block_len == 0 => Ok((len, VarInt::default())),
        Version::V311 => Err(EncodeError::NotInVersion {
            what: OnlyInV5::Property,
            version,
        }),
        Version::V5 => {
            let ids = ids.iter().map(|id| 1 + id.varint().encoded_len());
            let block = VarInt::try_from(block_len + ids.sum::<usize>());
            let block = block.map_err(|_| EncodeError::TooLarge)?;
            Ok((len + block.encoded_len() + block.get() as usize, block))
        }
    }
}
