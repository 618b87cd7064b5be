//! `mosquitto_sub` and `mosquitto_pub`: the one is a connection that subscribes, the other is
//! started for each message.

use std::collections::VecDeque;
use std::process::{Command, Stdio};

use mqtt_sansio::Version;

use crate::link::{Client, Link, Message, Opened, Opening, from_hex};
use crate::process::{Process, program};

/// The clients that come with mosquitto.
pub(crate) struct Mosquitto;

impl Client for Mosquitto {
    fn open(&self, port: u16, opening: &Opening) -> Result<Box<dyn Link>, u8> {
        Ok(Box::new(MosquittoLink::open(port, opening)?))
    }
}

struct MosquittoLink {
    port: u16,
    version: Version,
    /// None if nothing is subscribed to, which `mosquitto_sub` cannot do.
    subscriber: Option<Process>,
    opened: Opened,
    /// Messages that came before SUBACK.
    early: VecDeque<String>,
}

/// How the line of a message begins.
const MESSAGE: &str = "message|";

/// What `mosquitto_sub` prints of a message: `%t` is last since it may hold the separator.
const FORMAT: &str = "message|%x|%q|%r|%P|%C|%R|%D|%F|%E|%S|%t";

fn arguments(command: &mut Command, port: u16, version: Version) {
    let version = match version {
        Version::V311 => "mqttv311",
        _ => "mqttv5",
    };
    command.args(["-h", "127.0.0.1", "-V", version]);
    command.args(["-p", &port.to_string()]);
}

/// Adds properties of a message, or of a will.
fn properties(command: &mut Command, place: &str, message: &Message) {
    let correlation = message.correlation_data.as_deref();
    let single = [
        ("payload-format-indicator", message.text.then(|| "1".into())),
        (
            "message-expiry-interval",
            message.expiry.map(|s| s.to_string()),
        ),
        ("content-type", message.content_type.clone()),
        ("response-topic", message.response_topic.clone()),
        (
            "correlation-data",
            correlation.map(|data| String::from_utf8(data.to_vec()).unwrap()),
        ),
        ("topic-alias", message.alias.map(|alias| alias.to_string())),
    ];
    for (name, value) in single {
        if let Some(value) = value {
            command.args(["-D", place, name, &value]);
        }
    }
    for (name, value) in &message.user {
        command.args(["-D", place, "user-property", name, value]);
    }
}

impl MosquittoLink {
    fn open(port: u16, opening: &Opening) -> Result<Self, u8> {
        let mut link = Self {
            port,
            version: opening.version,
            subscriber: None,
            opened: Opened::default(),
            early: VecDeque::new(),
        };
        if !opening.filters.is_empty() {
            link.subscribe(opening)?;
        }
        Ok(link)
    }

    fn subscribe(&mut self, opening: &Opening) -> Result<(), u8> {
        // It would keep its lines back.
        let mut command = Command::new("stdbuf");
        command.arg("-oL").arg(program("mosquitto_sub").unwrap());
        arguments(&mut command, self.port, self.version);
        command.args(["-d", "-F", FORMAT, "-i", &opening.client_id]);
        command.args(["-k", &opening.keep_alive.to_string()]);
        for (filter, qos) in &opening.filters {
            command.args(["-t", filter, "-q", &qos.to_string()]);
        }
        if !opening.clean {
            command.arg("-c");
        }
        if opening.session_expiry > 0 && self.version == Version::V5 {
            command.args(["-x", &opening.session_expiry.to_string()]);
        }
        if opening.alias_maximum > 0 {
            let maximum = opening.alias_maximum.to_string();
            command.args(["-D", "connect", "topic-alias-maximum", &maximum]);
        }
        if let Some(id) = opening.subscription_id {
            let id = id.to_string();
            command.args(["-D", "subscribe", "subscription-identifier", &id]);
        }
        if let Some((name, password)) = &opening.user {
            command.args(["-u", name, "-P", password]);
        }
        if let Some(will) = &opening.will {
            let payload = String::from_utf8(will.payload.clone()).unwrap();
            command.args(["--will-topic", &will.topic, "--will-payload", &payload]);
            command.args(["--will-qos", &will.qos.to_string()]);
            if will.retain {
                command.arg("--will-retain");
            }
            properties(&mut command, "will", will);
        }
        // Its debug messages say more.
        command.stderr(Stdio::null());
        let subscriber = Process::start(command);
        let early = &mut self.early;
        self.opened.granted = subscriber.find("SUBACK", |line| {
            if line.starts_with(MESSAGE) {
                early.push_back(line.to_owned());
            }
            if let Some((_, code)) = line.split_once("received CONNACK (") {
                let code: u8 = code.trim_end_matches(')').parse().unwrap();
                return (code > 0).then_some(Err(code));
            }
            let (_, granted) = line.strip_prefix("Subscribed (mid: ")?.split_once("): ")?;
            Some(Ok(granted
                .split(", ")
                .map(|code| code.parse().unwrap())
                .collect()))
        })?;
        self.subscriber = Some(subscriber);
        Ok(())
    }

    fn subscriber(&self) -> &Process {
        let subscriber = self.subscriber.as_ref();
        subscriber.expect("the scenario subscribes to something")
    }
}

impl Link for MosquittoLink {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn publish(&mut self, message: &Message) {
        let mut command = Command::new(program("mosquitto_pub").unwrap());
        arguments(&mut command, self.port, self.version);
        command.args(["-t", &message.topic, "-q", &message.qos.to_string()]);
        if message.retain {
            command.arg("-r");
        }
        properties(&mut command, "publish", message);
        // All of standard input, which may not be nothing.
        command.arg(if message.payload.is_empty() {
            "-n"
        } else {
            "-s"
        });
        let publisher = Process::start(command);
        publisher.write(message.payload.clone());
        assert_eq!(publisher.finish(), Some(0), "mosquitto_pub");
    }

    fn receive(&mut self) -> Message {
        match self.early.pop_front() {
            Some(line) => parse(&line).unwrap(),
            None => self.subscriber().find("message", parse),
        }
    }

    fn unsubscribe(&mut self, _: &str) {
        unreachable!("no such cell: mosquitto_sub only does that before anything else");
    }

    fn ended(&mut self) -> Option<u8> {
        unreachable!("no such cell: mosquitto_sub connects again without a word");
    }

    fn cut(&mut self) {
        // Killed, it sends nothing more.
        self.subscriber = None;
    }

    fn close(&mut self) {
        let subscriber = self.subscriber.take().unwrap();
        // At SIGINT it sends DISCONNECT.
        subscriber.interrupt();
        assert_eq!(subscriber.finish(), Some(0), "mosquitto_sub");
    }

    fn reopen(&mut self, opening: &Opening) {
        *self = Self::open(self.port, opening).unwrap();
    }
}

/// Reads a message as [`FORMAT`] prints it.
fn parse(line: &str) -> Option<Message> {
    let fields: Vec<_> = line.strip_prefix(MESSAGE)?.splitn(11, '|').collect();
    let [payload, qos, retain, user, rest @ ..] = fields.as_slice() else {
        panic!("{line}");
    };
    let [content, response, correlation, format, expiry, ids, topic] = rest else {
        panic!("{line}");
    };
    let text = |field: &str| (!field.is_empty()).then(|| field.to_owned());
    let pairs = user
        .split_terminator(' ')
        .map(|pair| pair.split_once(':').unwrap());
    let ids = ids.split_terminator(' ');
    Some(Message {
        topic: (*topic).to_owned(),
        payload: from_hex(payload),
        qos: qos.parse().unwrap(),
        retain: *retain == "1",
        user: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        content_type: text(content),
        response_topic: text(response),
        correlation_data: text(correlation).map(String::into_bytes),
        text: *format == "1",
        expiry: expiry.parse().ok(),
        subscription_ids: ids.map(|id| id.parse().unwrap()).collect(),
        ..Message::default()
    })
}
