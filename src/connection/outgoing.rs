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
use crate::session::Expiry;
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

impl How {
    /// At QoS 0.
    #[inline]
    pub(super) const fn at_most_once(version: Version, expiry: Expiry, now: Duration) -> Self {
        Self {
            version,
            delivery: Delivery::AtMostOnce,
            dup: false,
            expires: expiry.deadline(),
            now,
        }
    }

    /// Returns whether the message is sent as it is, but for its Subscription Identifiers.
    #[inline]
    pub(super) fn is_plain(&self, aliases: &OwnAliases) -> bool {
        self.version == Version::V311 || (aliases.is_idle() && self.expires.is_none())
    }

    /// The PUBLISH of a message as it is, without its Subscription Identifiers.
    #[inline]
    pub(super) fn plain<'a, M: Publishable>(&self, message: &'a M) -> Publish<&'a [u8]> {
        let mut publish = Publish::of(self.delivery, message.message(self.version));
        publish.dup = self.dup;
        publish
    }
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
    let mut publish = how.plain(message);
    if how.version == Version::V311 || (ids.is_empty() && how.is_plain(aliases)) {
        return Packet::Publish(publish);
    }
    let expiry = how
        .expires
        .map(|at| whole_seconds(at.saturating_sub(how.now)));
    let properties = publish.properties;
    let assigned = match &publish.topic {
        Some(topic) if !aliases.is_idle() => aliases.find(topic),
        _ => None,
    };
    if let Some(assigned) = assigned {
        properties.put_delivery(block, Some(assigned.alias), expiry, ids);
        let topic_to_send = publish.topic.filter(|_| !assigned.sent);
        let aliased = Publish {
            topic: topic_to_send,
            properties: PublishProperties::of_block(block),
            ..publish
        };
        // The alias makes some packets longer, and perhaps too long.
        let apart = message.payload_len().map(|len| len as usize);
        let len = aliased.encoded_len_with(&[], apart, Version::V5);
        if len.is_ok_and(|len| limits.fit(len)) {
            assigned.sent = true;
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
    let part = u64::from(left.subsec_nanos() > 0);
    let whole = left.as_secs().saturating_add(part);
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
