use alloc::vec::Vec;
use core::time::Duration;

use super::alias::OwnAliases;
use super::limits::Limits;
use crate::message::Publishable;
use crate::packet::{Ack, Packet, Publish};
use crate::packet_id::PacketId;
use crate::property::{Properties, PublishProperties};
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::version::Version;

/// The circumstances in which a message is sent.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) version: Version,
    pub(super) delivery: Delivery,
    pub(super) dup: bool,
    pub(super) expires: Option<Duration>,
    pub(super) now: Duration,
}

/// The PUBLISH of a message: with the rest of its expiry interval, its Subscription Identifiers,
/// and a topic alias in place of its topic if there is one. Not inlined, so that it is built where
/// it is returned.
#[inline(never)]
pub(super) fn outgoing<'a, M: Publishable>(
    message: &'a M,
    how: How,
    aliases: &mut OwnAliases,
    block: &'a mut Vec<u8>,
    limits: &Limits,
) -> Packet<&'a [u8]> {
    let ids = message.subscription_ids();
    let mut publish = Publish::of(how.delivery, message.message(how.version));
    publish.dup = how.dup;
    let plain = aliases.is_idle() && ids.is_empty() && how.expires.is_none();
    if plain || how.version == Version::V311 {
        return Packet::Publish(publish);
    }
    let expiry = how
        .expires
        .map(|at| whole_seconds(at.saturating_sub(how.now)));
    let properties = publish.properties;
    let topic = publish.topic.filter(|_| !aliases.is_idle());
    if let Some((topic, (alias, known))) = topic.and_then(|t| Some((t, aliases.find(&t)?))) {
        properties.put_delivery(block, Some(alias), expiry, ids);
        let topic_to_send = if known { None } else { Some(topic) };
        let aliased = Publish {
            topic: topic_to_send,
            properties: PublishProperties::of_block(block),
            ..publish
        };
        // The alias makes some packets longer, and perhaps too long.
        let payload_len = match message.payload_len() {
            None => publish.payload.len(),
            Some(len) => len as usize,
        };
        let len = aliased.encoded_len_with(Version::V5, payload_len);
        if len.is_ok_and(|len| limits.fit(len)) {
            aliases.sent(&topic);
            publish.topic = topic_to_send;
            publish.properties = PublishProperties::of_block(block);
            return Packet::Publish(publish);
        }
    }
    properties.put_delivery(block, None, expiry, ids);
    publish.properties = PublishProperties::of_block(block);
    Packet::Publish(publish)
}

/// The rest of a Message Expiry Interval, rounded up to whole seconds [MQTT-3.3.2-6].
fn whole_seconds(left: Duration) -> u32 {
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// An acknowledgement without an explanation.
pub(super) const fn plain<'a>(packet_id: PacketId, reason: ReasonCode) -> Ack<&'a [u8]> {
    Ack {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    }
}
