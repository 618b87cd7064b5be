use core::num::{NonZeroU16, NonZeroU32};

use crate::packet::Subscribe;
use crate::property::{MaximumQoS, Properties, Property};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::version::Version;

/// The limits of one side on a connection, from its CONNECT or CONNACK (sections 3.1.2.11 and
/// 3.2.2.3). 3.1.1 has no limits and no topic aliases.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The number of messages of QoS 1 and 2 that may be unacknowledged.
    pub receive_maximum: NonZeroU16,
    /// The size of the largest packet, in bytes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The highest topic alias; 0 means that there are none.
    pub topic_alias_maximum: u16,
    /// The highest QoS of a PUBLISH. Only a server sets this and the fields below.
    pub maximum_qos: QoS,
    /// True if a PUBLISH may be retained.
    pub retain_available: bool,
    /// True if a topic filter may contain wildcards.
    pub wildcard_subscriptions: bool,
    /// True if subscription identifiers are available.
    pub subscription_identifiers: bool,
    /// True if shared subscriptions are available.
    pub shared_subscriptions: bool,
}

impl Limits {
    /// The limits if CONNECT or CONNACK has none.
    pub(super) const DEFAULT: Self = Self {
        receive_maximum: NonZeroU16::MAX,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_subscriptions: true,
        subscription_identifiers: true,
        shared_subscriptions: true,
    };

    /// The limits in the properties of CONNECT or CONNACK.
    pub(super) fn new<K, B: AsRef<[u8]>>(version: Version, properties: &Properties<K, B>) -> Self {
        let mut limits = Self::DEFAULT;
        if version == Version::V311 {
            return limits;
        }
        for property in properties {
            match property {
                Property::ReceiveMaximum(value) => limits.receive_maximum = value,
                Property::MaximumPacketSize(value) => limits.maximum_packet_size = Some(value),
                Property::TopicAliasMaximum(value) => limits.topic_alias_maximum = value,
                Property::MaximumQoS(MaximumQoS::AtMostOnce) => {
                    limits.maximum_qos = QoS::AtMostOnce;
                }
                Property::MaximumQoS(MaximumQoS::AtLeastOnce) => {
                    limits.maximum_qos = QoS::AtLeastOnce;
                }
                Property::RetainAvailable(value) => limits.retain_available = value,
                Property::WildcardSubscriptionAvailable(value) => {
                    limits.wildcard_subscriptions = value;
                }
                Property::SubscriptionIdentifierAvailable(value) => {
                    limits.subscription_identifiers = value;
                }
                Property::SharedSubscriptionAvailable(value) => {
                    limits.shared_subscriptions = value;
                }
                _ => {}
            }
        }
        limits
    }

    /// Returns whether a packet of `len` bytes may be sent [MQTT-3.1.2-24] [MQTT-3.2.2-15].
    pub(super) fn fit(&self, len: usize) -> bool {
        let maximum = self.maximum_packet_size.map(NonZeroU32::get);
        maximum.is_none_or(|maximum| u32::try_from(len).is_ok_and(|len| len <= maximum))
    }

    /// The code for a PUBLISH that may not be sent [MQTT-3.2.2-11] [MQTT-3.2.2-14].
    pub(super) fn check_publish(&self, qos: QoS, retain: bool) -> Result<(), ReasonCode> {
        if qos > self.maximum_qos {
            return Err(ReasonCode::QoSNotSupported);
        }
        if retain && !self.retain_available {
            return Err(ReasonCode::RetainNotSupported);
        }
        Ok(())
    }

    /// The code for a SUBSCRIBE that may not be sent (sections 3.2.2.3.11 to 3.2.2.3.13).
    pub(super) fn check_subscribe<B: AsRef<[u8]>>(
        &self,
        subscribe: &Subscribe<B>,
    ) -> Result<(), ReasonCode> {
        if !self.subscription_identifiers
            && subscribe.properties.subscription_identifier().is_some()
        {
            return Err(ReasonCode::SubscriptionIdentifiersNotSupported);
        }
        if self.wildcard_subscriptions && self.shared_subscriptions {
            return Ok(());
        }
        for subscription in &subscribe.subscriptions {
            let filter = subscription.filter;
            if !self.wildcard_subscriptions && filter.has_wildcards() {
                return Err(ReasonCode::WildcardSubscriptionsNotSupported);
            }
            if !self.shared_subscriptions && filter.is_shared() {
                return Err(ReasonCode::SharedSubscriptionsNotSupported);
            }
        }
        Ok(())
    }
}
