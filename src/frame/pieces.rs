//! PUBLISH in pieces.

use core::fmt;

use bytes::{Bytes, BytesMut};

use super::decoder::{FrameDecoder, State};
use crate::binary::Escaped;
use crate::error::DecodeError;
use crate::header::Header;
use crate::packet::{Packet, Publish};
use crate::varint::VarInt;
use crate::version::Version;

/// A part of a PUBLISH that [arrives in pieces](FrameDecoder::pieces_above).
#[derive(Clone, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Part<B = Bytes> {
    /// The packet without its payload, whose length in bytes follows. All rules for a PUBLISH hold
    /// for it.
    Begin(Publish<B>, u32),
    /// The next bytes of the payload, at least one.
    Piece(B),
    /// The payload is complete.
    End,
}

impl<B: AsRef<[u8]>> fmt::Debug for Part<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(publish, len) => f.debug_tuple("Begin").field(publish).field(len).finish(),
            Self::Piece(bytes) => f
                .debug_tuple("Piece")
                .field(&Escaped(bytes.as_ref()))
                .finish(),
            Self::End => f.write_str("End"),
        }
    }
}

/// The next part, by its length.
enum Next {
    /// The fixed header, topic, packet identifier and properties.
    Head(Header, usize),
    Piece(usize),
    End,
}

impl FrameDecoder {
    /// The default of [`max_head_size`](Self::max_head_size): 1 MiB.
    pub const DEFAULT_MAX_HEAD_SIZE: u32 = Self::DEFAULT_MAX_PACKET_SIZE;

    /// Takes each PUBLISH that is larger than `bytes`, fixed header included, in pieces:
    /// [`decode`](Self::decode) and its variants return `Ok(None)` in front of it and within it, and
    /// [`decode_part`](Self::decode_part) returns its parts. No more than its head is held at a
    /// time. The default is `u32::MAX`, which takes each PUBLISH whole.
    ///
    /// The size of the whole packet is limited by [`max_packet_size`](Self::max_packet_size) all the
    /// same.
    ///
    /// ```
    /// use mqtt_sansio::{FrameDecoder, Part, Version};
    ///
    /// let mut decoder = FrameDecoder::client(Version::V311).pieces_above(1_024).max_packet_size(u32::MAX);
    /// let mut input: &[u8] = b"\x30\x80\x80\x40\0\x08firmware\x7FELF"; // 1 MiB
    /// let mut written = 0;
    /// loop {
    ///     match decoder.decode(&mut input)? {
    ///         Some(packet) => println!("{packet:?}"),
    ///         None => match decoder.decode_part(&mut input)? {
    ///             Some(Part::Begin(publish, len)) => println!("{:?}: {len} bytes", publish.topic),
    ///             Some(Part::Piece(bytes)) => written += bytes.len(), // to a file
    ///             Some(Part::End) => println!("complete"),
    ///             None => break, // to read more
    ///         },
    ///     }
    /// }
    /// assert_eq!((written, decoder.missing()), (4, (1 << 20) - 2 - 8 - 4));
    /// # Ok::<(), mqtt_sansio::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn pieces_above(mut self, bytes: u32) -> Self {
        self.set_pieces_above(bytes);
        self
    }

    pub(crate) const fn set_pieces_above(&mut self, bytes: u32) {
        self.pieces_above = bytes;
        self.settle_whole_size();
    }

    /// Limits what is held of a packet while PUBLISH is taken [in pieces](Self::pieces_above): the
    /// bytes in front of the payload of a PUBLISH in pieces, and the size of every packet of
    /// another type. Above that a packet is rejected as one above
    /// [`max_packet_size`](Self::max_packet_size) is.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: u32) -> Self {
        self.set_max_head_size(bytes);
        self
    }

    pub(crate) const fn set_max_head_size(&mut self, bytes: u32) {
        self.max_head_size = bytes;
        self.settle_whole_size();
    }

    pub(super) const fn takes_pieces(&self) -> bool {
        self.pieces_above < u32::MAX
    }

    /// Settles [`whole_size`](Self::whole_size), once a limit has changed.
    pub(super) const fn settle_whole_size(&mut self) {
        let mut size = self.max_packet_size;
        if self.takes_pieces() {
            if self.pieces_above < size {
                size = self.pieces_above;
            }
            if self.max_head_size < size {
                size = self.max_head_size;
            }
        }
        self.whole_size = size;
    }

    /// Returns whether the bytes handled last are not the end of a packet.
    pub(crate) const fn is_within_packet(&self) -> bool {
        matches!(self.state, State::Skip(_)) || self.is_in_pieces()
    }

    /// Returns whether a PUBLISH in pieces has begun, at least its fixed header.
    pub(crate) const fn is_in_pieces(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Payload(_))
    }

    /// Returns whether the end of a packet that is passed over has not come.
    pub(crate) const fn is_passing_over(&self) -> bool {
        matches!(self.state, State::Skip(_))
    }

    /// Passes over the rest of a PUBLISH in pieces.
    pub(crate) fn skip_payload(&mut self) {
        if let State::Payload(left) = self.state {
            self.skip_bytes(left);
        }
    }

    /// Takes the next part of a PUBLISH in pieces from the front of `input`, borrowed. `Ok(None)`
    /// means that there is no such PUBLISH here, or that [`missing`](Self::missing) more bytes are
    /// needed; within a payload those are all that is left of it. Call it when
    /// [`decode`](Self::decode) returns `Ok(None)`.
    ///
    /// # Errors
    ///
    /// If the head is not one that the sender may send, as for [`decode`](Self::decode). The rest of
    /// the packet is passed over, unless the rule is let go and [`take_mended`](Self::take_mended)
    /// has the head: its payload follows.
    pub fn decode_part<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Part<&'a [u8]>>, DecodeError> {
        let part = self.next_part(input)?;
        let mut split = |len| {
            let (taken, rest) = input.split_at_checked(len).unwrap_or_default();
            *input = rest;
            taken
        };
        Ok(match part {
            None => None,
            Some(Next::End) => Some(Part::End),
            Some(Next::Piece(len)) => Some(Part::Piece(split(len))),
            Some(Next::Head(header, len)) => {
                let head = split(len);
                let parsed = self.parse_head(header, head);
                let parsed = parsed.map_err(|error| self.keep_mended(error, header, head));
                self.begin_payload(header, len, parsed)?
            }
        })
    }

    /// As [`decode_part`](Self::decode_part), for parts that share the allocation of `input`.
    ///
    /// # Errors
    ///
    /// As [`decode_part`](Self::decode_part).
    pub fn decode_part_shared(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<Part>, DecodeError> {
        Ok(match self.next_part(input)? {
            None => None,
            Some(Next::End) => Some(Part::End),
            Some(Next::Piece(len)) => Some(Part::Piece(input.split_to(len).freeze())),
            Some(Next::Head(header, len)) => {
                let head = input.split_to(len).freeze();
                let parsed = match self.parse_head(header, &head) {
                    Ok(packet) => {
                        Ok(packet.map(|packet| packet.map(|&field| head.slice_ref(field))))
                    }
                    Err(error) => self.recover(error, header, &head).map(Some),
                };
                self.begin_payload(header, len, parsed)?
            }
        })
    }

    /// Goes on to the next part, if all of it is there.
    fn next_part(&mut self, input: &[u8]) -> Result<Option<Next>, DecodeError> {
        match self.state {
            State::Head(header) => {
                let Some(head) = self.head_len(header, input) else {
                    self.state = self.reject(header)?;
                    return self.header(input).map(|_| None);
                };
                self.need(head.saturating_sub(input.len()));
                Ok((self.missing == 0).then_some(Next::Head(header, head)))
            }
            State::Payload(0) => {
                self.reset();
                Ok(Some(Next::End))
            }
            State::Payload(left) => {
                let here = left.min(input.len());
                self.state = State::Payload(left - here);
                self.need(left - here);
                Ok((here > 0).then_some(Next::Piece(here)))
            }
            _ => Ok(None),
        }
    }

    /// The number of bytes in front of the payload, as far as `input` shows them: more than it has
    /// if it does not show all. If a length in them is wrong, they end where the parser finds that.
    /// `None` if they are more than are allowed.
    fn head_len(&self, header: Header, input: &[u8]) -> Option<usize> {
        let (body, whole) = (header.body(input), header.body_len());
        let head = match body.first_chunk::<2>() {
            None => 2,
            Some(&topic) => {
                let id = if header.first & 0b0110 == 0 { 0 } else { 2 };
                let at = 2 + usize::from(u16::from_be_bytes(topic)) + id;
                match self.expected.version {
                    Some(Version::V5) if at <= whole => {
                        let rest = body.get(at..).unwrap_or_default();
                        // A padded length is shortened only once all of the head is there.
                        let length = match self.expected.padded {
                            true => Version::V311,
                            false => Version::V5,
                        };
                        at + properties_len(length, rest, whole - at)
                    }
                    _ => at,
                }
            }
        };
        let head = header.len() + head.min(whole);
        (head <= self.max_head_size as usize).then_some(head)
    }

    fn parse_head<'a>(
        &mut self,
        header: Header,
        head: &'a [u8],
    ) -> Result<Option<Packet<&'a [u8]>>, DecodeError> {
        self.forget_mended();
        let ctx = self.context(header, head)?;
        Packet::parse(ctx, header, head)
    }

    fn begin_payload<B>(
        &mut self,
        header: Header,
        head: usize,
        parsed: Result<Option<Packet<B>>, DecodeError>,
    ) -> Result<Option<Part<B>>, DecodeError> {
        let left = header.packet_len() - head;
        self.state = State::Payload(left);
        self.need(left);
        match parsed {
            Ok(Some(Packet::Publish(publish))) => Ok(Some(Part::Begin(publish, self.missing))),
            Ok(_) => Ok(None),
            Err(error) => {
                if self.mended().is_none() {
                    self.skip_payload();
                }
                Err(error)
            }
        }
    }
}

/// The length of the properties at the front of `rest` with their own length in front, as far as
/// `rest`, the beginning of `whole` bytes, shows it. Lengths are those of `version`.
fn properties_len(version: Version, rest: &[u8], whole: usize) -> usize {
    match VarInt::decode(version, rest) {
        Ok(Some((len, used))) => match used + len.get() as usize {
            len if len <= whole => len,
            _ => used,
        },
        Ok(None) => rest.len() + 1,
        Err(_) => rest.len().min(VarInt::MAX.encoded_len()),
    }
}
