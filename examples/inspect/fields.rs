//! The fields of a packet, by name: as one line of text, or as JSON.

use std::fmt;

use mqtt_sansio::packet::{Connect, Packet, Subscription, Will};
use mqtt_sansio::property::{Properties, Property};
use mqtt_sansio::{PacketType, ReasonCode, Version};

use crate::json::quoted;
use crate::report::hex::hex;

/// The fields of a packet in the order of the packet.
pub(crate) struct Fields(Vec<(String, Value)>);

pub(crate) enum Value {
    Flag(bool),
    Number(u32),
    Text(String),
    Bytes(Vec<u8>),
    /// A reason code as it is on the wire, and its name.
    Code(u8, &'static str),
    List(Vec<Self>),
    Group(Fields),
}

pub(crate) fn fields(version: Version, packet: &Packet<&[u8]>) -> Fields {
    let mut out = Fields(Vec::new());
    match packet {
        Packet::Connect(connect) => out.connect(connect),
        Packet::ConnAck(connack) => {
            out.add("session_present", Value::Flag(connack.session_present));
            out.add("reason", code(version, connack.reason));
            out.properties(&connack.properties);
        }
        Packet::Publish(publish) => {
            let topic = publish.topic.as_ref();
            out.add(
                "topic",
                topic.map_or_else(|| Value::Text(String::new()), text),
            );
            out.add("qos", Value::Number(publish.qos().level().into()));
            if let Some(id) = publish.packet_id() {
                out.add("id", id.get().into());
                out.add("dup", Value::Flag(publish.dup));
            }
            out.add("retain", Value::Flag(publish.retain));
            out.properties(&publish.properties);
            out.add("payload", Value::Bytes(publish.payload.to_vec()));
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            out.add("id", ack.packet_id.get().into());
            out.add("reason", reason(ack.reason));
            out.properties(&ack.properties);
        }
        Packet::Subscribe(subscribe) => {
            out.add("id", subscribe.packet_id.get().into());
            out.properties(&subscribe.properties);
            let all = subscribe.subscriptions.iter();
            let all = all.map(|one| Value::Group(Fields::subscription(&one)));
            out.add("subscriptions", Value::List(all.collect()));
        }
        Packet::SubAck(suback) | Packet::UnsubAck(suback) => {
            out.add("id", suback.packet_id.get().into());
            out.properties(&suback.properties);
            let reasons = suback.reasons.iter().map(reason).collect();
            out.add("reasons", Value::List(reasons));
        }
        Packet::Unsubscribe(unsubscribe) => {
            out.add("id", unsubscribe.packet_id.get().into());
            out.properties(&unsubscribe.properties);
            let filters = unsubscribe.filters.iter().map(|filter| text(&filter));
            out.add("filters", Value::List(filters.collect()));
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            out.add("reason", reason(disconnect.reason));
            out.properties(&disconnect.properties);
        }
        Packet::Auth(auth) => {
            out.add("reason", reason(auth.reason));
            out.properties(&auth.properties);
        }
    }
    out
}

impl Fields {
    fn add(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    fn connect(&mut self, connect: &Connect<&[u8]>) {
        self.add("client_id", text(&connect.client_id));
        self.add("clean_start", Value::Flag(connect.clean_start));
        self.add("keep_alive", connect.keep_alive.as_secs().into());
        if connect.v31 {
            self.add("v31", Value::Flag(true));
        }
        if connect.bridge {
            self.add("bridge", Value::Flag(true));
        }
        if let Some(user_name) = &connect.user_name {
            self.add("user_name", text(user_name));
        }
        if let Some(password) = &connect.password {
            self.add("password", Value::Bytes(password.as_bytes().to_vec()));
        }
        self.properties(&connect.properties);
        if let Some(will) = &connect.will {
            self.add("will", Value::Group(Self::will(will)));
        }
    }

    fn subscription(subscription: &Subscription<'_>) -> Self {
        let options = subscription.options;
        let mut out = Self(Vec::new());
        out.add("filter", text(&subscription.filter));
        out.add("qos", Value::Number(options.maximum_qos.level().into()));
        if options.no_local {
            out.add("no_local", Value::Flag(true));
        }
        if options.retain_as_published {
            out.add("retain_as_published", Value::Flag(true));
        }
        match options.retain_handling as u8 {
            0 => {}
            handling => out.add("retain_handling", Value::Number(handling.into())),
        }
        out
    }

    fn will(will: &Will<&[u8]>) -> Self {
        let mut out = Self(Vec::new());
        out.add("topic", text(&will.topic));
        out.add("qos", Value::Number(will.qos.level().into()));
        out.add("retain", Value::Flag(will.retain));
        out.properties(&will.properties);
        out.add("payload", Value::Bytes(will.payload.as_bytes().to_vec()));
        out
    }

    /// Adds each property. Those that may repeat are one list, where the first is.
    fn properties<K>(&mut self, properties: &Properties<K, &[u8]>) {
        for property in properties {
            let mut name = property.id().to_string().replace(' ', "_");
            let value = value(property);
            if !matches!(
                property,
                Property::UserProperty(_) | Property::SubscriptionIdentifier(_)
            ) {
                self.add(&name, value);
                continue;
            }
            name = name
                .replace("property", "properties")
                .replace("identifier", "identifiers");
            match self.0.iter_mut().find(|(other, _)| *other == name) {
                Some((_, Value::List(list))) => list.push(value),
                _ => self.add(&name, Value::List(vec![value])),
            }
        }
    }

    pub(crate) fn json(&self) -> String {
        let members = self.0.iter();
        let members = members.map(|(name, value)| format!("{}:{}", quoted(name), value.json()));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

fn value(property: Property<'_>) -> Value {
    match property {
        Property::UserProperty((name, value)) => Value::List(vec![text(&name), text(&value)]),
        Property::SubscriptionIdentifier(id) => Value::Number(id.get()),
        Property::PayloadFormatIndicator(format) => Value::Number(format as u32),
        Property::MaximumQoS(qos) => Value::Number(qos as u32),
        Property::TopicAlias(alias) => alias.get().into(),
        Property::ReceiveMaximum(maximum) => maximum.get().into(),
        Property::MaximumPacketSize(size) => Value::Number(size.get()),
        Property::TopicAliasMaximum(number) | Property::ServerKeepAlive(number) => number.into(),
        Property::MessageExpiryInterval(seconds)
        | Property::SessionExpiryInterval(seconds)
        | Property::WillDelayInterval(seconds) => Value::Number(seconds),
        Property::ContentType(string)
        | Property::AssignedClientIdentifier(string)
        | Property::AuthenticationMethod(string)
        | Property::ResponseInformation(string)
        | Property::ServerReference(string)
        | Property::ReasonString(string) => text(&string),
        Property::ResponseTopic(topic) => text(&topic),
        Property::CorrelationData(data) | Property::AuthenticationData(data) => {
            Value::Bytes(data.as_bytes().to_vec())
        }
        Property::RequestProblemInformation(flag)
        | Property::RequestResponseInformation(flag)
        | Property::RetainAvailable(flag)
        | Property::WildcardSubscriptionAvailable(flag)
        | Property::SubscriptionIdentifierAvailable(flag)
        | Property::SharedSubscriptionAvailable(flag) => Value::Flag(flag),
        other => Value::Text(format!("{other:?}")),
    }
}

fn text(text: &impl fmt::Display) -> Value {
    Value::Text(text.to_string())
}

fn reason(reason: ReasonCode) -> Value {
    Value::Code(reason.to_u8(), reason.name())
}

/// The code of CONNACK as it is on the wire: 3.1.1 has codes of its own.
fn code(version: Version, reason: ReasonCode) -> Value {
    let code = match version {
        Version::V311 => reason.to_v311(PacketType::ConnAck),
        Version::V5 => None,
    };
    Value::Code(code.unwrap_or_else(|| reason.to_u8()), reason.name())
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match value {
                Value::Bytes(bytes) if name == "payload" => {
                    write!(f, "{space}{name}({})={value}", bytes.len())?;
                }
                _ => write!(f, "{space}{name}={value}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => match bytes.get(..SHOWN) {
                Some(shown) if bytes.len() > SHOWN => {
                    write!(f, "b\"{}\"...", shown.escape_ascii())
                }
                _ => write!(f, "b\"{}\"", bytes.escape_ascii()),
            },
            Self::Code(code, name) => write!(f, "{code:#04x}({name})"),
            Self::List(list) => {
                let list: Vec<_> = list.iter().map(Self::to_string).collect();
                write!(f, "[{}]", list.join(", "))
            }
            Self::Group(fields) => write!(f, "({fields})"),
        }
    }
}

impl Value {
    fn json(&self) -> String {
        match self {
            Self::Flag(_) | Self::Number(_) => self.to_string(),
            Self::Text(text) => quoted(text),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => quoted(text),
                Err(_) => format!("{{\"hex\":\"{}\"}}", hex(bytes)),
            },
            Self::Code(code, name) => format!("{{\"code\":{code},\"name\":{}}}", quoted(name)),
            Self::List(list) => {
                let list: Vec<_> = list.iter().map(Self::json).collect();
                format!("[{}]", list.join(","))
            }
            Self::Group(fields) => fields.json(),
        }
    }
}
