//! Encoding of any packet.

use bytes::BufMut;

use super::Packet;
use super::ack::Acked;
use super::body::{Body, Empty, packet_len, put};
use super::suback::SubAcked;
use crate::device::QUICK;
use crate::error::EncodeError;
use crate::packet_type::PacketType;
use crate::version::Version;

impl<B: AsRef<[u8]>> Packet<B> {
    /// Appends the packet in its shortest form.
    ///
    /// # Errors
    ///
    /// If the packet breaks a rule of `version` or does not fit. Nothing is written then.
    pub fn encode(&self, version: Version, out: &mut impl BufMut) -> Result<(), EncodeError> {
        match self {
            Self::Publish(publish) => publish.encode(version, out),
            // Half of all packets are such an acknowledgement.
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack)
                if QUICK && ack.is_short() =>
            {
                let (needed, available) = (4, out.remaining_mut());
                if available < needed {
                    return Err(EncodeError::too_small(needed, available));
                }
                let [high, low] = ack.packet_id.get().to_be_bytes();
                out.put_slice(&[self.packet_type().first_byte(), 2, high, low]);
                Ok(())
            }
            _ => self.encode_other(version, out),
        }
    }

    /// Apart from the packets of which there are many, to which it would add what it saves.
    #[inline(never)]
    fn encode_other(&self, version: Version, out: &mut impl BufMut) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => put(PacketType::Connect, connect, version, out),
            Self::ConnAck(connack) => put(PacketType::ConnAck, connack, version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                let packet = self.packet_type();
                put(packet, &Acked(packet, ack), version, out)
            }
            Self::Subscribe(subscribe) => put(PacketType::Subscribe, subscribe, version, out),
            Self::Unsubscribe(unsubscribe) => {
                put(PacketType::Unsubscribe, unsubscribe, version, out)
            }
            Self::SubAck(suback) | Self::UnsubAck(suback) => {
                let packet = self.packet_type();
                put(packet, &SubAcked(packet, suback), version, out)
            }
            Self::PingReq => put(PacketType::PingReq, &Empty, version, out),
            Self::PingResp => put(PacketType::PingResp, &Empty, version, out),
            Self::Disconnect(disconnect) => put(PacketType::Disconnect, disconnect, version, out),
            Self::Auth(auth) => put(PacketType::Auth, auth, version, out),
        }
    }

    /// Returns the length of the whole packet.
    ///
    /// # Errors
    ///
    /// If the packet cannot be encoded in `version`: this also tests whether it can.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        match self {
            Self::Publish(publish) => publish.encoded_len(version),
            _ => self.as_borrowed().len_of_other(version),
        }
    }
}

impl Packet<&[u8]> {
    /// The length of any packet but PUBLISH. Once for all kinds of storage, as it is long.
    fn len_of_other(&self, version: Version) -> Result<usize, EncodeError> {
        let packet = self.packet_type();
        packet_len(match self {
            Self::Connect(connect) => connect.body_len(version)?,
            Self::ConnAck(connack) => connack.body_len(version)?,
            Self::Publish(publish) => return publish.encoded_len(version),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                Acked(packet, ack).body_len(version)?
            }
            Self::Subscribe(subscribe) => subscribe.body_len(version)?,
            Self::Unsubscribe(unsubscribe) => unsubscribe.body_len(version)?,
            Self::SubAck(suback) | Self::UnsubAck(suback) => {
                SubAcked(packet, suback).body_len(version)?
            }
            Self::PingReq | Self::PingResp => Empty.body_len(version)?,
            Self::Disconnect(disconnect) => disconnect.body_len(version)?,
            Self::Auth(auth) => auth.body_len(version)?,
        })
    }
}
