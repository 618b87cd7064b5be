//! What this crate makes of a frame, in the terms of the [reader](crate::read).

use mqtt_sansio::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Publish, SubAck, Subscribe, Unsubscribe,
};
use mqtt_sansio::property::{MaximumQoS, PayloadFormat, Properties, Property};
use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Version};

use crate::read::Field;
use crate::rules;

/// The packet, an error, or neither as bytes are missing.
pub fn decode(version: Version, frame: &[u8]) -> Result<Option<Packet<&[u8]>>, DecodeError> {
    let mut unread = frame;
    let packet = FrameDecoder::new(version)
        .max_packet_size(u32::MAX)
        .decode(&mut unread)?;
    // What a peer encodes may be more than one packet, which is none.
    match packet {
        Some(_) if !unread.is_empty() => Packet::decode(version, frame).map(Some),
        packet => Ok(packet),
    }
}

/// The fields of a packet, by what the API says of it.
pub fn fields(version: Version, packet: &Packet<&[u8]>) -> Vec<Field> {
    let mut list = List(version, Vec::new());
    let flags = match packet {
        Packet::Publish(publish) => {
            let qos = publish.delivery.qos().level() << 1;
            u8::from(publish.dup) << 3 | qos | u8::from(publish.retain)
        }
        Packet::PubRel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) => 2,
        _ => 0,
    };
    list.put("first byte", &[(packet.packet_type() as u8) << 4 | flags]);
    match packet {
        Packet::Connect(connect) => list.connect(connect),
        Packet::ConnAck(connack) => list.connack(connack),
        Packet::Publish(publish) => list.publish(publish),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            list.ack(ack);
        }
        Packet::Subscribe(subscribe) => list.subscribe(subscribe),
        Packet::SubAck(suback) => list.suback(suback, true),
        Packet::Unsubscribe(unsubscribe) => list.unsubscribe(unsubscribe),
        Packet::UnsubAck(unsuback) => list.suback(unsuback, version == Version::V5),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(Disconnect {
            reason, properties, ..
        }) => {
            list.code(reason.to_u8());
            list.properties("property", properties);
        }
        Packet::Auth(Auth {
            reason, properties, ..
        }) => {
            list.code(reason.to_u8());
            list.properties("property", properties);
        }
    }
    list.1
}

struct List(Version, Vec<Field>);

impl List {
    fn put(&mut self, name: &'static str, value: &[u8]) {
        let value = value.to_vec();
        self.1.push(Field {
            name,
            property: 0,
            value,
        });
    }

    fn code(&mut self, code: u8) {
        if self.0 == Version::V5 {
            self.put("code", &[code]);
        }
    }

    fn connect(&mut self, connect: &Connect<&[u8]>) {
        let will = connect.will.as_ref();
        let will_flags = will.map_or(0, |will| {
            u8::from(will.retain) << 5 | will.qos.level() << 3 | 4
        });
        let flags = u8::from(connect.user_name.is_some()) << 7
            | u8::from(connect.password.is_some()) << 6
            | u8::from(connect.clean_start) << 1;
        self.put("flags", &[flags | will_flags]);
        self.put("keep alive", &connect.keep_alive.as_secs().to_be_bytes());
        self.properties("property", &connect.properties);
        self.put("client identifier", connect.client_id.as_bytes());
        if let Some(will) = will {
            self.properties("will property", &will.properties);
            self.put("will topic", will.topic.as_bytes());
            self.put("will payload", will.payload.as_bytes());
        }
        if let Some(user_name) = &connect.user_name {
            self.put("user name", user_name.as_bytes());
        }
        if let Some(password) = &connect.password {
            self.put("password", password.as_bytes());
        }
    }

    fn connack(&mut self, connack: &ConnAck<&[u8]>) {
        self.put("flags", &[u8::from(connack.session_present)]);
        let code = match self.0 {
            Version::V5 => connack.reason.to_u8(),
            // Section 3.2.2.3 of 3.1.1.
            Version::V311 => match connack.reason.to_u8() {
                0x84 => 1,
                0x85 => 2,
                0x88 => 3,
                0x86 => 4,
                0x87 => 5,
                code => code,
            },
        };
        self.put("code", &[code]);
        self.properties("property", &connack.properties);
    }

    fn publish(&mut self, publish: &Publish<&[u8]>) {
        let topic = publish.topic.as_ref().map(|topic| topic.as_bytes());
        self.put("topic", topic.unwrap_or_default());
        if let Some(id) = publish.packet_id() {
            self.put("identifier", &id.get().to_be_bytes());
        }
        self.properties("property", &publish.properties);
        self.put("payload", publish.payload);
    }

    fn ack(&mut self, ack: &Ack<&[u8]>) {
        self.put("identifier", &ack.packet_id.get().to_be_bytes());
        self.code(ack.reason.to_u8());
        self.properties("property", &ack.properties);
    }

    fn subscribe(&mut self, subscribe: &Subscribe<&[u8]>) {
        self.put("identifier", &subscribe.packet_id.get().to_be_bytes());
        self.properties("property", &subscribe.properties);
        for subscription in &subscribe.subscriptions {
            self.put("filter", subscription.filter.as_bytes());
            let options = subscription.options;
            let bits = (options.retain_handling as u8) << 4
                | u8::from(options.retain_as_published) << 3
                | u8::from(options.no_local) << 2
                | options.maximum_qos.level();
            self.put("options", &[bits]);
        }
    }

    fn suback(&mut self, suback: &SubAck<&[u8]>, codes: bool) {
        self.put("identifier", &suback.packet_id.get().to_be_bytes());
        self.properties("property", &suback.properties);
        for code in suback.reasons.iter().filter(|_| codes) {
            self.put("code", &[code.to_u8()]);
        }
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<&[u8]>) {
        self.put("identifier", &unsubscribe.packet_id.get().to_be_bytes());
        self.properties("property", &unsubscribe.properties);
        for filter in &unsubscribe.filters {
            self.put("filter", filter.as_bytes());
        }
    }

    fn properties<K>(&mut self, name: &'static str, properties: &Properties<K, &[u8]>) {
        let start = self.1.len();
        self.1.extend(properties.iter().map(|property| Field {
            name,
            property: property.id() as u8,
            value: value(&property),
        }));
        self.1[start..].sort_by_key(|field| field.property);
    }
}

fn value(property: &Property<'_>) -> Vec<u8> {
    use Property::*;
    match property {
        PayloadFormatIndicator(format) => vec![u8::from(*format == PayloadFormat::Utf8)],
        MaximumQoS(qos) => vec![u8::from(*qos == self::MaximumQoS::AtLeastOnce)],
        RequestProblemInformation(flag)
        | RequestResponseInformation(flag)
        | RetainAvailable(flag)
        | SharedSubscriptionAvailable(flag)
        | SubscriptionIdentifierAvailable(flag)
        | WildcardSubscriptionAvailable(flag) => vec![u8::from(*flag)],
        ServerKeepAlive(number) | TopicAliasMaximum(number) => number.to_be_bytes().to_vec(),
        ReceiveMaximum(number) => number.get().to_be_bytes().to_vec(),
        TopicAlias(alias) => alias.get().to_be_bytes().to_vec(),
        MessageExpiryInterval(number)
        | SessionExpiryInterval(number)
        | WillDelayInterval(number) => number.to_be_bytes().to_vec(),
        MaximumPacketSize(number) => number.get().to_be_bytes().to_vec(),
        SubscriptionIdentifier(id) => id.get().to_be_bytes().to_vec(),
        AssignedClientIdentifier(text)
        | AuthenticationMethod(text)
        | ContentType(text)
        | ReasonString(text)
        | ResponseInformation(text)
        | ServerReference(text) => text.as_bytes().to_vec(),
        AuthenticationData(data) | CorrelationData(data) => data.as_bytes().to_vec(),
        ResponseTopic(topic) => topic.as_bytes().to_vec(),
        UserProperty((name, value)) => rules::pair(name.as_bytes(), value.as_bytes()),
        other => panic!("{other:?} has no value here"),
    }
}
