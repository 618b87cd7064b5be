//! What is tried with each client and broker.

use std::time::Duration;

use mqtt_sansio::connection::Closed;
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::{ReasonCode, Version};

use crate::bridge;
use crate::brokers::{PASSWORD, USER};
use crate::link::{Link, Message, Opening};
use crate::ours::OurLink;
use crate::peers::{BOTH, V5, V311};
use crate::setting::Setting;
use crate::v5;

/// A thing to try.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What it shows, for people.
    pub(crate) title: &'static str,
    pub(crate) versions: &'static [Version],
    pub(crate) who: Who,
    pub(crate) run: fn(&Setting),
}

/// With whom a scenario can be tried.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    Anyone,
    /// Only this crate's client can be asked to do it.
    Ours,
    /// The client is a broker as well, which can be a bridge to another.
    Bridge,
    /// The broker does not speak the version.
    Refused,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    both("qos_0", "QoS 0", |s| qos(s, 0)),
    both("qos_1", "QoS 1", |s| qos(s, 1)),
    both("qos_2", "QoS 2, each once", |s| qos(s, 2)),
    both(
        "lower_qos",
        "the lower QoS of message and subscription",
        lower_qos,
    ),
    both("retained", "retained: kept, replaced by nothing", retained),
    both("will", "will after a cut", will),
    both("no_will", "no will after DISCONNECT", no_will),
    both("large_16_kib", "16,385 bytes at QoS 2", |s| {
        large(s, (16 << 10) + 1, 2)
    }),
    both("large_2_mib", "2,097,153 bytes at QoS 1", |s| {
        large(s, (2 << 20) + 1, 1)
    }),
    both("resume", "session resumed, queued QoS 1 and 2", resume),
    both("keep_alive", "kept alive while idle", keep_alive),
    both("unsubscribe", "UNSUBSCRIBE", unsubscribe),
    both("take_over", "session taken over; 0x8E in 5.0", take_over),
    both("password", "right and wrong password", password),
    both("burst", "100 of QoS 2 at once, each once", |s| {
        burst(s, 100)
    }),
    both("burst_400", "400 of QoS 2 at once, each once", |s| {
        burst(s, 400)
    }),
    both(
        "dollar",
        "`$SYS/brokers/+/clients/+/connected` and `$queue/..` as filters",
        dollar,
    ),
    Scenario {
        versions: V311,
        ..ours(
            "shared_311",
            "shared subscription of two, in 3.1.1",
            v5::shared,
        )
    },
    ours("resend", "QoS 1 and 2 sent again after a cut", resend),
    ours(
        "redelivery",
        "QoS 2 delivered again after a cut",
        redelivery,
    ),
    in_v5(
        "properties",
        "user properties in order, and all others of a message",
        v5::properties,
    ),
    in_v5(
        "will_properties",
        "user properties of a will",
        v5::will_properties,
    ),
    in_v5("expiry", "message expiry: counted down, over", v5::expiry),
    in_v5(
        "alias_to_broker",
        "topic alias, client to broker",
        v5::alias_to_broker,
    ),
    in_v5(
        "alias_to_client",
        "topic alias, broker to client",
        v5::alias_to_client,
    ),
    in_v5("shared", "shared subscription of two", v5::shared),
    in_v5(
        "subscription_id",
        "subscription identifier",
        v5::subscription_id,
    ),
    Scenario {
        who: Who::Ours,
        ..in_v5(
            "late",
            "1,000 messages acknowledged late, with Receive Maximum 5",
            v5::late,
        )
    },
    Scenario {
        who: Who::Bridge,
        ..both(
            "bridge",
            "as a bridge with its defaults: 100 of QoS 2 each way, each once",
            bridge::run,
        )
    },
    REFUSED_VERSION,
];

pub(crate) const REFUSED_VERSION: Scenario = Scenario {
    who: Who::Refused,
    ..in_v5(
        "refused_version",
        "5.0 refused, which the client reports",
        refused_version,
    )
};

const fn both(name: &'static str, title: &'static str, run: fn(&Setting)) -> Scenario {
    Scenario {
        name,
        title,
        versions: BOTH,
        who: Who::Anyone,
        run,
    }
}

const fn ours(name: &'static str, title: &'static str, run: fn(&Setting)) -> Scenario {
    Scenario {
        who: Who::Ours,
        ..both(name, title, run)
    }
}

const fn in_v5(name: &'static str, title: &'static str, run: fn(&Setting)) -> Scenario {
    Scenario {
        versions: V5,
        ..both(name, title, run)
    }
}

/// Messages of one topic come in order and as they are, each once.
fn qos(setting: &Setting, qos: u8) {
    let topic = setting.topic("Tür/°C");
    let mut subscriber = setting.subscriber("subscriber", &topic, qos);
    let mut publisher = setting.publisher();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let payloads = [b"one".to_vec(), all_bytes, Vec::new(), b"end".to_vec()];
    let messages = payloads.map(|payload| Message::new(&topic, qos, payload));
    for message in &messages {
        publisher.publish(message);
    }
    for message in messages {
        assert_eq!(subscriber.receive(), setting.arrives(&message));
    }
}

fn burst(setting: &Setting, count: usize) {
    let topic = setting.topic("burst");
    let mut subscriber = setting.subscriber("subscriber", &topic, 2);
    let mut publisher = setting.ours(&setting.opening("publisher"));
    let messages: Vec<_> = (0..count)
        .map(|at| Message::new(&topic, 2, format!("{at}")))
        .collect();
    let sent = publisher.send_all(&messages);
    publisher.wait_accepted(sent);
    for message in &messages {
        assert_eq!(subscriber.receive(), setting.arrives(message));
    }
}

/// They are granted, and the others go on. No broker here knows such topics.
fn dollar(setting: &Setting) {
    let topic = setting.topic("text");
    let mut opening = setting.subscribing("subscriber", &topic, 1);
    let others = ["$SYS/brokers/+/clients/+/connected", "$queue/+/text"];
    let others = others.map(|filter| (filter.to_owned(), 1));
    opening.filters.extend(others);
    let mut subscriber = setting.open(&opening);
    let message = Message::new(&topic, 1, "text");
    setting.publisher().publish(&message);
    assert_eq!(subscriber.receive(), message);
}

fn lower_qos(setting: &Setting) {
    let topic = setting.topic("all");
    let filter = setting.topic("+");
    let mut publisher = setting.publisher();
    for maximum in 0..=2 {
        let role = format!("subscriber-{maximum}");
        let mut subscriber = setting.subscriber(&role, &filter, maximum);
        for qos in 0..=2 {
            publisher.publish(&Message::new(&topic, qos, "text"));
            let expected = Message::new(&topic, qos.min(maximum), "text");
            assert_eq!(subscriber.receive(), setting.arrives(&expected));
        }
    }
}

fn retained(setting: &Setting) {
    let topic = setting.topic("state");
    let mut early = setting.subscriber("early", &topic, 1);
    let mut publisher = setting.publisher();
    let message = Message::new(&topic, 1, "on").retained();
    publisher.publish(&message);
    assert_eq!(early.receive(), Message::new(&topic, 1, "on"));
    let mut late = setting.subscriber("late", &topic, 1);
    assert_eq!(late.receive(), message);

    publisher.publish(&Message::new(&topic, 1, "").retained());
    assert_eq!(early.receive(), Message::new(&topic, 1, ""));
    let mut last = setting.subscriber("last", &topic, 1);
    let live = Message::new(&topic, 1, "live");
    publisher.publish(&live);
    assert_eq!(last.receive(), live);
}

fn will(setting: &Setting) {
    let (mut watcher, opening) = mortal(setting);
    setting.open(&opening).cut();
    assert_eq!(watcher.receive(), opening.will.unwrap());
}

fn no_will(setting: &Setting) {
    let (mut watcher, opening) = mortal(setting);
    setting.open(&opening).close();
    let end = Message::new(&setting.topic("will"), 1, "end");
    setting.publisher().publish(&end);
    assert_eq!(watcher.receive(), end);
}

/// A client that watches, and how to open one that has a will.
pub(crate) fn mortal(setting: &Setting) -> (Box<dyn Link>, Opening) {
    let topic = setting.topic("will");
    let watcher = setting.subscriber("watcher", &topic, 1);
    let mut opening = setting.subscribing("mortal", &setting.topic("unused"), 0);
    opening.will = Some(Message::new(&topic, 1, "gone"));
    (watcher, opening)
}

fn large(setting: &Setting, len: usize, qos: u8) {
    let topic = setting.topic("large");
    let mut subscriber = setting.subscriber("subscriber", &topic, qos);
    // No period that is a power of two, as the pieces have in which bytes travel.
    let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let message = Message::new(&topic, qos, payload);
    setting.publisher().publish(&message);
    assert_eq!(subscriber.receive(), setting.arrives(&message));
}

fn resume(setting: &Setting) {
    let topic = setting.topic("queued");
    let opening = setting.staying("subscriber", &topic);
    let mut subscriber = setting.open(&opening);
    assert_ne!(subscriber.opened().present, Some(true));
    subscriber.cut();
    let mut publisher = setting.publisher();
    let queued = [1, 2].map(|qos| Message::new(&topic, qos, format!("at QoS {qos}")));
    for message in &queued {
        publisher.publish(message);
    }
    subscriber.reopen(&opening);
    assert_ne!(
        subscriber.opened().present,
        Some(false),
        "Session Present is 0"
    );
    let mut received = queued.each_ref().map(|_| subscriber.receive());
    // Their QoS differs, and so may their order.
    received.sort_by_key(|message| message.qos);
    assert_eq!(received, queued.map(|message| setting.arrives(&message)));
}

fn keep_alive(setting: &Setting) {
    let topic = setting.topic("idle");
    let mut opening = setting.subscribing("subscriber", &topic, 0);
    // The shortest that mosquitto_sub takes.
    opening.keep_alive = 5;
    let mut subscriber = setting.open(&opening);
    // After one and a half of it the broker would end the connection.
    subscriber.idle(Duration::from_secs(10));
    let message = Message::new(&topic, 0, "still there");
    setting.publisher().publish(&message);
    assert_eq!(subscriber.receive(), message);
}

fn unsubscribe(setting: &Setting) {
    let (over, on) = (setting.topic("over"), setting.topic("on"));
    let mut opening = setting.subscribing("subscriber", &over, 1);
    opening.filters.push((on.clone(), 1));
    let mut subscriber = setting.open(&opening);
    subscriber.unsubscribe(&over);
    let mut publisher = setting.publisher();
    for topic in [over, on.clone()] {
        publisher.publish(&Message::new(&topic, 1, "text"));
    }
    assert_eq!(subscriber.receive(), Message::new(&on, 1, "text"));
}

fn take_over(setting: &Setting) {
    let opening = setting.subscribing("double", &setting.topic("unused"), 0);
    let mut first = setting.open(&opening);
    let _second = setting.open(&opening);
    let told = first.ended();
    if setting.version == Version::V5 {
        let taken_over = ReasonCode::SessionTakenOver.to_u8();
        assert_eq!(told, Some(taken_over), "the reason in DISCONNECT");
    }
}

fn password(setting: &Setting) {
    let mut opening = setting.subscribing("user", &setting.topic("unused"), 0);
    let user = |password: &str| Some((USER.to_owned(), password.to_owned()));
    opening.user = user(PASSWORD);
    let _accepted = setting.open(&opening);
    opening.user = user("guessed");
    opening.client_id += "-2";
    let refused = setting.client.open(setting.broker.port(), &opening);
    let code = refused.err().expect("refused");
    // Some clients tell the codes of 3.1.1, some the same in 5.0.
    let codes: &[u8] = match setting.version {
        Version::V311 => &[4, 5, 0x86, 0x87],
        _ => &[0x86, 0x87],
    };
    assert!(codes.contains(&code), "refused with {code:#x}");
}

/// Whatever the broker had of the messages when the connection was cut, at QoS 1 they arrive, and at
/// QoS 2 they arrive once.
fn resend(setting: &Setting) {
    let topic = setting.topic("again");
    let mut subscriber = setting.subscriber("subscriber", &topic, 2);
    // A session with a subscription is one to every broker.
    let opening = setting.staying("sender", &setting.topic("unused"));
    let mut sender = setting.ours(&opening);
    let messages = [1, 2].map(|qos| Message::new(&topic, qos, format!("at QoS {qos}")));
    let ids = messages.each_ref().map(|message| sender.send(message));
    sender.cut();
    sender.reopen(&opening);
    assert_eq!(sender.opened().present, Some(true), "Session Present is 0");
    sender.wait_accepted(ids.to_vec());
    let end = Message::new(&topic, 2, "end");
    sender.publish(&end);
    let mut received = vec![subscriber.receive()];
    while received
        .last()
        .is_some_and(|last| last.payload != end.payload)
    {
        received.push(subscriber.receive());
    }
    let count = |payload: &[u8]| received.iter().filter(|one| one.payload == payload).count();
    assert!(count(&messages[0].payload) >= 1, "{received:?}");
    assert_eq!(count(&messages[1].payload), 1, "{received:?}");
}

/// A message that was sent and not acknowledged comes again, and is marked.
fn redelivery(setting: &Setting) {
    let topic = setting.topic("again");
    let opening = setting.staying("receiver", &topic);
    let mut receiver = setting.ours(&opening);
    let message = Message::new(&topic, 2, "text");
    setting.publisher().publish(&message);
    receiver.wait_unread();
    receiver.cut();
    receiver.reopen(&opening);
    assert_eq!(
        receiver.opened().present,
        Some(true),
        "Session Present is 0"
    );
    assert_eq!(receiver.receive(), setting.arrives(&message));
    let marked = receiver.dup;
    let end = Message::new(&topic, 2, "end");
    receiver.publish(&end);
    assert_eq!(receiver.receive(), setting.arrives(&end));
    assert!(marked, "not marked as repeated");
}

/// CONNECT has no properties: amqtt takes their length for that of the client identifier, and waits.
fn refused_version(setting: &Setting) {
    let mut link = OurLink::new(setting.broker.port(), setting.version).without_properties();
    let refusal = ConnAck::new(ReasonCode::UnsupportedProtocolVersion);
    let refused = Closed::Refused(Box::new(refusal));
    assert_eq!(link.connect(&setting.opening("client")), Err(refused));
}
