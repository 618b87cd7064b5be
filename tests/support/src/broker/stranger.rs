//! A client that sends anything.

use std::num::NonZeroU32;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use mqtt_sansio::packet::{Connect, Subscribe};
use mqtt_sansio::{FrameDecoder, Packet, Side, Version};
use reference_broker::ConnectionId;

use super::net::Net;
use crate::choices::part;
use crate::drive::{Sent, check_size};

#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) id: ConnectionId,
    /// What it means to speak.
    version: Version,
    /// What the broker should take it to speak: `None` before the first packet.
    spoken: Option<Version>,
    decoder: FrameDecoder,
    first: BytesMut,
    /// Its Maximum Packet Size.
    maximum: Option<u32>,
    sent: Sent,
}

impl Stranger {
    pub(super) fn new(u: &mut Unstructured<'_>, net: &mut Net) -> Result<Self> {
        let version = u.arbitrary()?;
        let id = net.accept();
        Ok(Self {
            id,
            version,
            spoken: None,
            decoder: FrameDecoder::server(),
            first: BytesMut::new(),
            maximum: None,
            sent: Sent::new(Side::Server),
        })
    }

    /// Sends a packet, whole or not quite, or any bytes.
    pub(super) fn send(&mut self, u: &mut Unstructured<'_>, net: &mut Net) -> Result<()> {
        let u = &mut part(u)?;
        let mut bytes = Vec::new();
        let packet = match u.int_in_range(0..=7)? {
            0 => None,
            1 | 2 => {
                let mut connect: Connect = u.arbitrary()?;
                let name = format!("stranger-{}", u.int_in_range(0..=2)?);
                connect.client_id = name.parse().unwrap();
                Some(Packet::Connect(connect))
            }
            3 => Some(Packet::Subscribe(u.arbitrary::<Subscribe>()?)),
            _ => Some(crate::drive::packet(u)?),
        };
        match packet {
            Some(packet) if packet.encode(self.version, &mut bytes).is_ok() => {}
            _ => bytes = u.arbitrary()?,
        }
        if u.ratio(1, 4)? && !bytes.is_empty() {
            let at = u.choose_index(bytes.len())?;
            bytes[at] = u.arbitrary()?;
        }
        if u.ratio(1, 8)? {
            bytes.truncate(u.int_in_range(0..=bytes.len())?);
        }
        if self.spoken.is_none() {
            self.first.extend_from_slice(&bytes);
            self.spoken = match self.decoder.decode(&mut &self.first[..]) {
                Ok(Some(first)) => {
                    if let Packet::Connect(connect) = first {
                        let maximum = connect.properties.maximum_packet_size();
                        self.maximum = maximum.map(NonZeroU32::get);
                    }
                    self.decoder.version()
                }
                Ok(None) => None,
                Err(error) => Some(error.version()),
            };
        }
        net.bytes(self.id, &bytes, false);
        Ok(())
    }

    /// Holds what the broker sends against the rules.
    pub(super) fn read(&mut self, net: &mut Net) {
        let bytes = net.take_output(self.id);
        let mut unread = &bytes[..];
        let Some(version) = self.spoken else {
            assert_eq!(unread, b"", "before CONNECT");
            return;
        };
        let mut decoder = FrameDecoder::client(version);
        while let Some(packet) = decoder.decode(&mut unread).unwrap() {
            self.sent.check(&packet);
            check_size(&packet, version, self.maximum);
        }
        assert!(unread.is_empty(), "half a packet");
    }
}
