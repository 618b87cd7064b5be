//! Clients of rumqttc: commands and what comes of them are lines of JSON, as in script.rs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

/// The largest packet that is taken.
const MAXIMUM_PACKET_SIZE: u32 = 16 << 20;

/// A connection, as far as commands need it.
trait Link {
    /// Whether it is on its way.
    fn publish(&self, message: &Value) -> bool;
    fn unsubscribe(&self, filter: &str);
    fn close(&self);
}

/// Tells one thing, in one line.
fn say(link: &Value, what: &str, value: impl Into<Value>) {
    println!("{}", json!({"link": link, what: value.into()}));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn maybe(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap_or_default()).expect("a number of 32 bits")
}

/// A number that is not 0.
fn some(value: &Value) -> Option<u32> {
    Some(number(value)).filter(|number| *number > 0)
}

fn from_hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_default().as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair));
    pairs
        .map(|pair| u8::from_str_radix(pair.expect("ASCII"), 16).expect("digits"))
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("a string takes it");
    }
    hex
}

fn user(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_array().into_iter().flatten();
    pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// What both versions have in common, with the types of each.
macro_rules! link {
    () => {
        pub(crate) fn open(opening: Value, cut: Arc<Notify>) -> Box<dyn Link> {
            let (client, events) = AsyncClient::new(options(&opening), 10);
            tokio::spawn(run(opening, client.clone(), events, cut));
            Box::new(Opened(client))
        }

        struct Opened(AsyncClient);

        async fn run(opening: Value, client: AsyncClient, mut events: EventLoop, cut: Arc<Notify>) {
            let link = &opening["link"];
            let mut present = false;
            loop {
                let event = tokio::select! {
                    event = events.poll() => event,
                    () = cut.notified() => {
                        drop(events);
                        return say(link, "ended", Value::Null);
                    }
                };
                let packet = match event {
                    Ok(Event::Incoming(packet)) => packet,
                    Ok(Event::Outgoing(_)) => continue,
                    Err(ConnectionError::ConnectionRefused(code)) => {
                        return say(link, "refused", refusal(code));
                    }
                    Err(error) => return say(link, "ended", reason(&error)),
                };
                match packet {
                    Packet::ConnAck(ack) => {
                        present = ack.session_present;
                        if !subscribe(&client, &opening) {
                            say(link, "opened", json!({"present": present, "granted": []}));
                        }
                    }
                    Packet::SubAck(ack) => {
                        let granted = ack.return_codes.iter().map(|code| match code {
                            SubscribeReasonCode::Success(qos) => *qos as u8,
                            _ => 0x80,
                        });
                        let granted: Vec<_> = granted.collect();
                        say(link, "opened", json!({"present": present, "granted": granted}));
                    }
                    Packet::Publish(message) => say(link, "message", received(message)),
                    Packet::PubAck(_) | Packet::PubComp(_) | Packet::UnsubAck(_) => {
                        say(link, "done", true);
                    }
                    _ => {}
                }
            }
        }

        fn qos(value: &Value) -> QoS {
            match number(value) {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            }
        }
    };
}

mod v3 {
    use rumqttc::{
        AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
        Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
    };

    use crate::*;

    link!();

    fn options(opening: &Value) -> MqttOptions {
        let port = u16::try_from(number(&opening["port"])).expect("a port");
        let mut options = MqttOptions::new(text(&opening["client_id"]), "127.0.0.1", port);
        options
            .set_clean_session(opening["clean"] == true)
            .set_keep_alive(Duration::from_secs(number(&opening["keep_alive"]).into()))
            .set_max_packet_size(MAXIMUM_PACKET_SIZE as usize, MAXIMUM_PACKET_SIZE as usize);
        if let Some(user) = maybe(&opening["user_name"]) {
            options.set_credentials(user, text(&opening["password"]));
        }
        let will = &opening["will"];
        if will.is_object() {
            let (topic, payload) = (text(&will["topic"]), from_hex(&will["payload"]));
            let retain = will["retain"] == true;
            options.set_last_will(LastWill::new(topic, payload, qos(&will["qos"]), retain));
        }
        options
    }

    fn subscribe(client: &AsyncClient, opening: &Value) -> bool {
        let filters = opening["filters"].as_array().into_iter().flatten();
        let filters = filters.map(|pair| SubscribeFilter::new(text(&pair[0]), qos(&pair[1])));
        let filters: Vec<_> = filters.collect();
        !filters.is_empty() && client.try_subscribe_many(filters).is_ok()
    }

    fn refusal(code: ConnectReturnCode) -> u8 {
        code as u8
    }

    fn reason(_: &ConnectionError) -> Value {
        Value::Null
    }

    fn received(message: Publish) -> Value {
        json!({
            "topic": message.topic,
            "payload": to_hex(&message.payload),
            "qos": message.qos as u8,
            "retain": message.retain,
        })
    }

    impl Link for Opened {
        fn publish(&self, message: &Value) -> bool {
            let (topic, payload) = (text(&message["topic"]), from_hex(&message["payload"]));
            let retain = message["retain"] == true;
            let sent = self
                .0
                .try_publish(topic, qos(&message["qos"]), retain, payload);
            sent.is_ok()
        }

        fn unsubscribe(&self, filter: &str) {
            let _ = self.0.try_unsubscribe(filter);
        }

        fn close(&self) {
            let _ = self.0.try_disconnect();
        }
    }
}

mod v5 {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{
        ConnectReturnCode, Filter, LastWill, LastWillProperties, Packet, Publish,
        PublishProperties, SubscribeProperties, SubscribeReasonCode,
    };
    use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};

    use crate::*;

    link!();

    fn options(opening: &Value) -> MqttOptions {
        let port = u16::try_from(number(&opening["port"])).expect("a port");
        let mut options = MqttOptions::new(text(&opening["client_id"]), "127.0.0.1", port);
        options
            .set_clean_start(opening["clean"] == true)
            .set_keep_alive(Duration::from_secs(number(&opening["keep_alive"]).into()))
            .set_session_expiry_interval(Some(number(&opening["session_expiry"])))
            .set_topic_alias_max(some(&opening["alias_maximum"]).map(|maximum| maximum as u16))
            .set_max_packet_size(Some(MAXIMUM_PACKET_SIZE));
        if let Some(user) = maybe(&opening["user_name"]) {
            options.set_credentials(user, text(&opening["password"]));
        }
        let will = &opening["will"];
        if will.is_object() {
            let properties = LastWillProperties {
                delay_interval: None,
                payload_format_indicator: some(&will["payload_format"]).map(|_| 1),
                message_expiry_interval: some(&will["expiry"]),
                content_type: maybe(&will["content_type"]),
                response_topic: maybe(&will["response_topic"]),
                correlation_data: maybe(&will["correlation_data"])
                    .map(|_| from_hex(&will["correlation_data"]).into()),
                user_properties: user(&will["user"]),
            };
            let (topic, payload) = (text(&will["topic"]), from_hex(&will["payload"]));
            let retain = will["retain"] == true;
            let will = LastWill::new(topic, payload, qos(&will["qos"]), retain, Some(properties));
            options.set_last_will(will);
        }
        options
    }

    fn subscribe(client: &AsyncClient, opening: &Value) -> bool {
        let filters = opening["filters"].as_array().into_iter().flatten();
        let filters = filters.map(|pair| Filter::new(text(&pair[0]), qos(&pair[1])));
        let filters: Vec<_> = filters.collect();
        let properties = SubscribeProperties {
            id: some(&opening["subscription_id"]).map(|id| id as usize),
            user_properties: Vec::new(),
        };
        !filters.is_empty()
            && client
                .try_subscribe_many_with_properties(filters, properties)
                .is_ok()
    }

    fn refusal(code: ConnectReturnCode) -> u8 {
        match code {
            ConnectReturnCode::BadUserNamePassword => 0x86,
            ConnectReturnCode::NotAuthorized => 0x87,
            _ => 0x80,
        }
    }

    fn reason(error: &ConnectionError) -> Value {
        match error {
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
                (*reason_code as u8).into()
            }
            _ => Value::Null,
        }
    }

    fn received(message: Publish) -> Value {
        let has = message.properties.unwrap_or_default();
        json!({
            "topic": String::from_utf8_lossy(&message.topic),
            "payload": to_hex(&message.payload),
            "qos": message.qos as u8,
            "retain": message.retain,
            "user": has.user_properties,
            "content_type": has.content_type,
            "response_topic": has.response_topic,
            "correlation_data": has.correlation_data.map(|data| to_hex(&data)),
            "payload_format": has.payload_format_indicator,
            "expiry": has.message_expiry_interval,
            "subscription_ids": has.subscription_identifiers,
            "alias": has.topic_alias,
        })
    }

    impl Link for Opened {
        fn publish(&self, message: &Value) -> bool {
            let bare = message["bare"] == true;
            let topic = if bare {
                String::new()
            } else {
                text(&message["topic"])
            };
            let properties = PublishProperties {
                payload_format_indicator: some(&message["payload_format"]).map(|_| 1),
                message_expiry_interval: some(&message["expiry"]),
                topic_alias: some(&message["alias"]).map(|alias| alias as u16),
                response_topic: maybe(&message["response_topic"]),
                correlation_data: maybe(&message["correlation_data"])
                    .map(|_| from_hex(&message["correlation_data"]).into()),
                user_properties: user(&message["user"]),
                subscription_identifiers: Vec::new(),
                content_type: maybe(&message["content_type"]),
            };
            let (qos, payload) = (qos(&message["qos"]), from_hex(&message["payload"]));
            let retain = message["retain"] == true;
            let sent = self
                .0
                .try_publish_with_properties(topic, qos, retain, payload, properties);
            sent.is_ok()
        }

        fn unsubscribe(&self, filter: &str) {
            let _ = self.0.try_unsubscribe(filter);
        }

        fn close(&self) {
            let _ = self.0.try_disconnect();
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let mut links: HashMap<u64, (Box<dyn Link>, Arc<Notify>)> = HashMap::new();
    println!("{}", json!({"ready": true}));
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let command: Value = serde_json::from_str(&line).expect("JSON");
        let (name, with) = (&command["link"], &command["with"][0]);
        let id = name.as_u64().expect("a link");
        let Some((link, cut)) = links.get(&id) else {
            let cut = Arc::new(Notify::new());
            let open = if command["version"] == 5 {
                v5::open
            } else {
                v3::open
            };
            links.insert(id, (open(command, Arc::clone(&cut)), cut));
            continue;
        };
        match command["do"].as_str() {
            Some("publish") => match link.publish(with) {
                true if with["qos"] != 0 => {}
                done => say(name, "done", done),
            },
            Some("unsubscribe") => link.unsubscribe(with.as_str().unwrap_or_default()),
            Some("cut") => cut.notify_one(),
            _ => link.close(),
        }
    }
}
