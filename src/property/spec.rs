//! Table 2-4 of MQTT 5.0 as data: what each property is and which packets carry it.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::BufMut;

use super::value::{MaximumQoS, PayloadFormat, SubscriptionId, TopicAlias, Value};
use super::{Properties, PropertiesBuilder};
use crate::binary::Binary;
use crate::block::Storage;
use crate::error::Field;
use crate::property_id::PropertyId;
use crate::text::Text;
use crate::topic::TopicName;
use crate::wire::ParseResult;

/// Lists the packets that carry a property, as in a sentence.
macro_rules! places {
    (InConnect) => { "[CONNECT](super::ConnectProperties)" };
    (InWill) => { "the [will](super::WillProperties)" };
    (InConnAck) => { "[CONNACK](super::ConnAckProperties)" };
    (InPublish) => { "[PUBLISH](super::PublishProperties)" };
    (InAck) => { "[acknowledgements](super::AckProperties)" };
    (InSubscribe) => { "[SUBSCRIBE](super::SubscribeProperties)" };
    (InUnsubscribe) => { "[UNSUBSCRIBE](super::UnsubscribeProperties)" };
    (InDisconnect) => { "[DISCONNECT](super::DisconnectProperties)" };
    (InAuth) => { "[AUTH](super::AuthProperties)" };
    (InMessage) => { "[messages](super::MessageProperties)" };
    ($First:ident $Last:ident) => { concat!(places!($First), " and ", places!($Last)) };
    ($First:ident $($Rest:ident)+) => { concat!(places!($First), ", ", places!($($Rest)+)) };
}

/// Declares the properties from one table: places, identifiers, values, and for those that a
/// packet carries once, the methods that read and set them.
macro_rules! properties {
    (
        places { $($(#[$pdoc:meta])+ $P:ident = $bit:literal;)* }
        once { $(#[doc = $doc:literal] $(#[doc = $more:literal])* $id:literal $Name:ident $name:ident $(as $wire:literal)?: $Type:ty, in $($Place:ident)+;)* }
        repeatable {
            $(#[doc = $rdoc:literal] $(#[doc = $rmore:literal])* $rid:literal $RName:ident: $RType:ty,
                once in [$($ROnce:ident)*] repeats in [$($RMany:ident)*];)*
        }
    ) => {
        $($(#[$pdoc])+
        #[expect(clippy::exhaustive_enums, reason = "a name for the type system, without values")]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $P {}

        impl Sealed for $P {
            const BIT: u16 = 1 << $bit;
        })*

        /// A property and its value.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum Property<'a> {
            $(#[doc = concat!("Property ", stringify!($id), ":", $doc)] $(#[doc = $more])*
            $(#[cfg_attr(feature = "serde", serde(rename = $wire))])? $Name($Type),)*
            $(#[doc = concat!("Property ", stringify!($rid), ":", $rdoc)] $(#[doc = $rmore])*
            $RName($RType),)*
        }

        impl<'a> Property<'a> {
            /// The identifier of this property.
            pub const fn id(&self) -> PropertyId {
                match self {
                    $(Self::$Name(_) => PropertyId::$Name,)*
                    $(Self::$RName(_) => PropertyId::$RName,)*
                }
            }

            /// Reads the value behind an identifier.
            // The check of a block needs only the rest, and what it does not need is left out.
            #[cfg_attr(not(target_os = "none"), inline(always))]
            pub(super) fn parse(id: PropertyId, input: &'a [u8]) -> ParseResult<'a, Self> {
                let field = Field::Property(id);
                Ok(match id {
                    $(PropertyId::$Name => {
                        let (rest, value) = <$Type>::parse(input, field)?;
                        (rest, Self::$Name(value))
                    })*
                    $(PropertyId::$RName => {
                        let (rest, value) = <$RType>::parse(input, field)?;
                        (rest, Self::$RName(value))
                    })*
                })
            }

            pub(super) fn put(&self, out: &mut impl BufMut) {
                out.put_u8(self.id() as u8);
                match self {
                    $(Self::$Name(value) => value.put(out),)*
                    $(Self::$RName(value) => value.put(out),)*
                }
            }

            /// The length of the identifier and the value.
            pub(super) fn encoded_len(&self) -> usize {
                1 + match self {
                    $(Self::$Name(value) => value.encoded_len(),)*
                    $(Self::$RName(value) => value.encoded_len(),)*
                }
            }
        }

        #[expect(clippy::needless_lifetimes, reason = "the types in the table need the name")]
        impl<K, B: AsRef<[u8]>> Properties<K, B> {
            $(#[doc = concat!("Returns", $doc)]
            $(#[doc = $more])*
            #[doc = ""]
            #[doc = concat!("In ", places!($($Place)+), ".")]
            pub fn $name<'a>(&'a self) -> Option<$Type>
            where
                K: Carries<$id>,
            {
                self.iter().find_map(|property| match property {
                    Property::$Name(value) => Some(value),
                    _ => None,
                })
            })*
        }

        #[expect(clippy::extra_unused_lifetimes, reason = "the types in the table need the name")]
        impl<K: Place, S: Storage> PropertiesBuilder<K, S> {
            $(#[doc = concat!("Sets", $doc)]
            $(#[doc = $more])*
            #[doc = ""]
            #[doc = concat!("In ", places!($($Place)+), ".")]
            #[must_use]
            pub fn $name<'a>(self, value: $Type) -> Self
            where
                K: Carries<$id>,
            {
                self.with(&Property::$Name(value))
            })*
        }

        $($(impl Carries<$id> for $Place {})+)*
        $($(impl Carries<$rid> for $ROnce {})* $(impl Carries<$rid> for $RMany {})*)*

        // The table and `PropertyId` give each property the same number.
        $(const _: () = assert!(PropertyId::$Name as u8 == $id);)*
        $(const _: () = assert!(PropertyId::$RName as u8 == $rid);)*

        /// Every property: its identifier, the places that carry it, and those where it repeats.
        const TABLE: &[(PropertyId, u16, u16)] = &[
            $((PropertyId::$Name, 0 $(| $Place::BIT)+, 0),)*
            $((PropertyId::$RName, 0 $(| $ROnce::BIT)* $(| $RMany::BIT)*, 0 $(| $RMany::BIT)*),)*
        ];
    };
}

properties! {
    places {
        /// In CONNECT.
        InConnect = 0;
        /// In the payload of CONNECT, for the will.
        InWill = 1;
        /// In CONNACK.
        InConnAck = 2;
        /// In PUBLISH.
        InPublish = 3;
        /// In PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK, which carry the same two.
        InAck = 4;
        /// In SUBSCRIBE.
        InSubscribe = 5;
        /// In UNSUBSCRIBE.
        InUnsubscribe = 6;
        /// In DISCONNECT.
        InDisconnect = 7;
        /// In AUTH.
        InAuth = 8;
        /// Of a message, apart from any delivery: those of PUBLISH but the Topic Alias and the
        /// Subscription Identifiers.
        InMessage = 9;
    }
    once {
        /// the format of the payload (sections 3.3.2.3.2 and 3.1.3.2.3). Absent: unspecified.
        0x01 PayloadFormatIndicator payload_format_indicator: PayloadFormat, in InPublish InWill InMessage;
        /// the lifetime of the message, in seconds (sections 3.3.2.3.3 and 3.1.3.2.4). Absent:
        /// unlimited.
        0x02 MessageExpiryInterval message_expiry_interval: u32, in InPublish InWill InMessage;
        /// the content type of the payload, in terms that the application defines (sections
        /// 3.3.2.3.9 and 3.1.3.2.5).
        0x03 ContentType content_type: Text<&'a [u8]>, in InPublish InWill InMessage;
        /// the topic for a response, which makes the message a request (sections 3.3.2.3.5 and
        /// 3.1.3.2.6).
        0x08 ResponseTopic response_topic: TopicName<&'a [u8]>, in InPublish InWill InMessage;
        /// the data by which the requester recognizes the response (sections 3.3.2.3.6 and
        /// 3.1.3.2.7).
        0x09 CorrelationData correlation_data: Binary<&'a [u8]>, in InPublish InWill InMessage;
        /// how long the server keeps the session after the connection, in seconds; with `u32::MAX`
        /// the session does not expire (sections 3.1.2.11.2, 3.2.2.3.2 and 3.14.2.2.2). Only the
        /// client sends it in DISCONNECT [MQTT-3.14.2-2].
        0x11 SessionExpiryInterval session_expiry_interval: u32, in InConnect InConnAck InDisconnect;
        /// the client identifier that the server assigned (section 3.2.2.3.7).
        0x12 AssignedClientIdentifier assigned_client_identifier: Text<&'a [u8]>, in InConnAck;
        /// the keep alive that replaces the client's, in seconds; 0 turns it off (section
        /// 3.2.2.3.14).
        0x13 ServerKeepAlive server_keep_alive: u16, in InConnAck;
        /// the name of the authentication method (sections 3.1.2.11.9, 3.2.2.3.17 and 3.15.2.2.2).
        0x15 AuthenticationMethod authentication_method: Text<&'a [u8]>, in InConnect InConnAck InAuth;
        /// the data that the authentication method defines (sections 3.1.2.11.10, 3.2.2.3.18 and
        /// 3.15.2.2.3).
        0x16 AuthenticationData authentication_data: Binary<&'a [u8]>, in InConnect InConnAck InAuth;
        /// whether the server may explain errors with reason strings and user properties (section
        /// 3.1.2.11.7). Absent: true.
        0x17 RequestProblemInformation request_problem_information: bool, in InConnect;
        /// how long the server delays the will, in seconds (section 3.1.3.2.2). Absent: 0.
        0x18 WillDelayInterval will_delay_interval: u32, in InWill;
        /// whether the client requests response information in CONNACK (section 3.1.2.11.6).
        /// Absent: false.
        0x19 RequestResponseInformation request_response_information: bool, in InConnect;
        /// the basis for response topics (section 3.2.2.3.15).
        0x1A ResponseInformation response_information: Text<&'a [u8]>, in InConnAck;
        /// the name of another server to use (sections 3.2.2.3.16 and 3.14.2.2.5). Only the server
        /// sends it.
        0x1C ServerReference server_reference: Text<&'a [u8]>, in InConnAck InDisconnect;
        /// a human-readable explanation of the reason code, for diagnosis only.
        0x1F ReasonString reason_string: Text<&'a [u8]>, in InConnAck InAck InDisconnect InAuth;
        /// how many QoS 1 and QoS 2 messages the sender processes concurrently (sections 3.1.2.11.3
        /// and 3.2.2.3.3). Absent: 65,535.
        0x21 ReceiveMaximum receive_maximum: NonZeroU16, in InConnect InConnAck;
        /// the highest topic alias that the sender accepts (sections 3.1.2.11.5 and 3.2.2.3.8).
        /// Absent: 0, none.
        0x22 TopicAliasMaximum topic_alias_maximum: u16, in InConnect InConnAck;
        /// the number that stands for the topic name (section 3.3.2.3.4).
        0x23 TopicAlias topic_alias: TopicAlias, in InPublish;
        /// the highest QoS of PUBLISH that the server supports (section 3.2.2.3.4). Absent: 2.
        0x24 MaximumQoS maximum_qos as "maximum_qos": MaximumQoS, in InConnAck;
        /// whether the server supports retained messages (section 3.2.2.3.5). Absent: true.
        0x25 RetainAvailable retain_available: bool, in InConnAck;
        /// the largest packet that the sender accepts, in bytes with the fixed header (sections
        /// 3.1.2.11.4 and 3.2.2.3.6). Absent: no limit but the protocol's.
        0x27 MaximumPacketSize maximum_packet_size: NonZeroU32, in InConnect InConnAck;
        /// whether the server supports wildcards in topic filters (section 3.2.2.3.11). Absent:
        /// true.
        0x28 WildcardSubscriptionAvailable wildcard_subscription_available: bool, in InConnAck;
        /// whether the server supports subscription identifiers (section 3.2.2.3.12). Absent: true.
        0x29 SubscriptionIdentifierAvailable subscription_identifier_available: bool, in InConnAck;
        /// whether the server supports shared subscriptions (section 3.2.2.3.13). Absent: true.
        0x2A SharedSubscriptionAvailable shared_subscription_available: bool, in InConnAck;
    }
    repeatable {
        /// the number by which the client identifies a subscription (sections 3.8.2.1.2 and
        /// 3.3.2.3.8). Only the server sends it in PUBLISH [MQTT-3.3.4-6], once for each
        /// subscription that matches.
        0x0B SubscriptionIdentifier: SubscriptionId, once in [InSubscribe] repeats in [InPublish];
        /// a name and a value that the application defines.
        0x26 UserProperty: (Text<&'a [u8]>, Text<&'a [u8]>), once in []
            repeats in [InConnect InWill InConnAck InPublish InAck InSubscribe InUnsubscribe InDisconnect InAuth InMessage];
    }
}

/// A set of properties, one bit for each identifier.
#[expect(unnameable_types, reason = "public in the sealed trait alone")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PropertySet(u64);

impl PropertySet {
    #[inline]
    pub(crate) const fn contains(self, id: PropertyId) -> bool {
        self.0 >> id as u8 & 1 != 0
    }

    #[inline]
    pub(crate) const fn with(self, id: PropertyId) -> Self {
        Self(self.0 | 1 << id as u8)
    }
}

/// A place for properties: a packet, the will, or a message. Sealed.
pub trait Place: Sealed {}

impl<P: Sealed> Place for P {}

/// A [`Place`] that may hold the property with this identifier.
#[diagnostic::on_unimplemented(
    message = "`{Self}` properties may not hold property {ID}",
    note = "table 2-4 of MQTT 5.0 lists which packet carries which property"
)]
pub trait Carries<const ID: u8>: Place {}

mod sealed {
    use super::{PropertySet, TABLE};

    #[expect(
        unnameable_types,
        reason = "that no other crate can name it is the seal"
    )]
    pub trait Sealed {
        const BIT: u16;
        const ALLOWED: PropertySet = select(Self::BIT, false);
        const REPEATABLE: PropertySet = select(Self::BIT, true);
    }

    /// The properties that the place with this bit may hold, or may hold more than once.
    pub(super) const fn select(bit: u16, repeated: bool) -> PropertySet {
        let (mut set, mut row) = (PropertySet(0), 0);
        while row < TABLE.len() {
            #[expect(clippy::indexing_slicing, reason = "row is below the length")]
            let (id, carried, repeats) = TABLE[row];
            if bit & if repeated { repeats } else { carried } != 0 {
                set = set.with(id);
            }
            row += 1;
        }
        set
    }
}
pub(super) use sealed::Sealed;

#[cfg(test)]
mod tests {
    use super::sealed::select;
    use super::*;

    #[test]
    fn a_place_has_its_properties() {
        let none = PropertySet::default();
        let explanation = none
            .with(PropertyId::ReasonString)
            .with(PropertyId::UserProperty);
        assert_eq!(select(InAck::BIT, false), explanation);
        let many = none.with(PropertyId::UserProperty);
        assert_eq!(select(InAck::BIT, true), many);
        let many = many.with(PropertyId::SubscriptionIdentifier);
        assert_eq!(select(InPublish::BIT, true), many);
    }
}
