//! This crate's packets from what the scenarios ask for, and back.

use bytes::Bytes;
use mqtt_sansio::packet::{Connect, KeepAlive, Will};
use mqtt_sansio::property::{
    ConnectProperties, MessageProperties, PayloadFormat, Property, SubscriptionId, WillProperties,
};
use mqtt_sansio::session::Token;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Binary, QoS, Text, Version};

use crate::link::{Message, Opening};

fn text(text: &str) -> Text<&[u8]> {
    Text::new(text).unwrap()
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(crate) fn to_connect(opening: &Opening) -> Connect {
    let mut connect = Connect::new(opening.client_id.parse().unwrap());
    connect.clean_start = opening.clean;
    connect.keep_alive = KeepAlive::from_secs(opening.keep_alive);
    if opening.version == Version::V5 {
        let mut properties = ConnectProperties::builder();
        if opening.session_expiry > 0 {
            properties = properties.session_expiry_interval(opening.session_expiry);
        }
        if opening.alias_maximum > 0 {
            properties = properties.topic_alias_maximum(opening.alias_maximum);
        }
        if let Some(maximum) = opening.receive_maximum {
            properties = properties.receive_maximum(maximum);
        }
        connect.properties = properties.build();
    }
    connect.will = opening.will.as_ref().map(|message| {
        let payload = Binary::try_from(Bytes::from(message.payload.clone())).unwrap();
        let mut will = Will::new(topic_name(&message.topic), payload);
        will.qos = QoS::new(message.qos).unwrap();
        will.retain = message.retain;
        let users = message.user.iter();
        will.properties = users
            .fold(WillProperties::builder(), |made, (name, value)| {
                made.user_property(text(name), text(value))
            })
            .build();
        will
    });
    if let Some((name, password)) = &opening.user {
        connect.user_name = Some(name.parse().unwrap());
        let password = Bytes::from(password.clone());
        connect.password = Some(Binary::try_from(password).unwrap());
    }
    connect
}

pub(crate) fn to_properties(message: &Message) -> MessageProperties {
    let mut properties = MessageProperties::builder();
    if message.text {
        properties = properties.payload_format_indicator(PayloadFormat::Utf8);
    }
    if let Some(seconds) = message.expiry {
        properties = properties.message_expiry_interval(seconds);
    }
    if let Some(content_type) = &message.content_type {
        properties = properties.content_type(text(content_type));
    }
    if let Some(topic) = &message.response_topic {
        properties = properties.response_topic(TopicName::new(topic).unwrap());
    }
    if let Some(data) = &message.correlation_data {
        properties = properties.correlation_data(Binary::new(data).unwrap());
    }
    for (name, value) in &message.user {
        properties = properties.user_property(text(name), text(value));
    }
    properties.build()
}

pub(crate) fn from_message(message: &mqtt_sansio::Message, token: Token) -> Message {
    let properties = &message.properties;
    let users = properties.user_properties();
    Message {
        topic: message.topic.to_str().to_owned(),
        payload: message.payload.to_vec(),
        qos: token.qos().level(),
        retain: message.retain,
        user: users
            .map(|(name, value)| (name.to_str().to_owned(), value.to_str().to_owned()))
            .collect(),
        content_type: properties
            .content_type()
            .map(|text| text.to_str().to_owned()),
        response_topic: properties
            .response_topic()
            .map(|topic| topic.to_str().to_owned()),
        correlation_data: properties
            .correlation_data()
            .map(|data| data.as_bytes().to_vec()),
        text: properties.payload_format_indicator() == Some(PayloadFormat::Utf8),
        expiry: properties.message_expiry_interval(),
        subscription_ids: properties
            .subscription_identifiers()
            .map(SubscriptionId::get)
            .collect(),
        alias: properties.iter().find_map(|property| match property {
            Property::TopicAlias(alias) => Some(alias.get()),
            _ => None,
        }),
        bare: false,
    }
}
