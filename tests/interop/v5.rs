//! What is tried in 5.0 alone.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::link::{Link, Message};
use crate::scenarios::mortal;
use crate::setting::Setting;

pub(crate) fn properties(setting: &Setting) {
    let topic = setting.topic("properties");
    let mut subscriber = setting.subscriber("subscriber", &topic, 1);
    let message = Message {
        user: users(),
        content_type: Some("text/plain".to_owned()),
        response_topic: Some(setting.topic("answer")),
        correlation_data: Some(b"no-17".to_vec()),
        text: true,
        ..Message::new(&topic, 1, "text")
    };
    setting.publisher().publish(&message);
    assert_eq!(subscriber.receive(), message);
}

/// With a name twice. A client that keeps them by name has the same order.
fn users() -> Vec<(String, String)> {
    let pairs = [("b", "2"), ("b", "1"), ("ä", ""), ("a", "Ü")];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

pub(crate) fn will_properties(setting: &Setting) {
    let (mut watcher, mut opening) = mortal(setting);
    let will = opening.will.as_mut().unwrap();
    will.user = users();
    setting.open(&opening).cut();
    assert_eq!(watcher.receive(), opening.will.unwrap());
}

pub(crate) fn expiry(setting: &Setting) {
    let topic = setting.topic("queued");
    let gone = Message::new(&setting.topic("gone"), 0, "gone");
    let mut watcher = setting.subscriber("watcher", &gone.topic, 0);
    let mut opening = setting.staying("subscriber", &topic);
    opening.will = Some(gone.clone());
    let mut subscriber = setting.open(&opening);
    subscriber.cut();
    // From now on the broker does not begin to deliver.
    assert_eq!(watcher.receive(), gone);
    let mut publisher = setting.publisher();
    for expiry in [1, 100] {
        let mut message = Message::new(&topic, 1, format!("{expiry} s"));
        message.expiry = Some(expiry);
        publisher.publish(&message);
    }
    std::thread::sleep(Duration::from_millis(2_500));
    subscriber.reopen(&opening);
    let received = subscriber.receive();
    assert_eq!(received.payload, b"100 s", "{received:?}");
    let left = received.expiry.expect("the time that is left");
    assert!((80..=98).contains(&left), "{left} s are left");
}

pub(crate) fn alias_to_broker(setting: &Setting) {
    let topic = setting.topic("alias");
    let mut subscriber = setting.subscriber("subscriber", &topic, 1);
    let mut publisher = setting.publisher();
    for at in 0..3 {
        let mut message = Message::new(&topic, at % 2, format!("{at}"));
        (message.alias, message.bare) = (Some(1), at > 0);
        publisher.publish(&message);
        (message.alias, message.bare) = (None, false);
        assert_eq!(subscriber.receive(), message);
    }
}

pub(crate) fn alias_to_client(setting: &Setting) {
    let topic = setting.topic("alias");
    let mut opening = setting.subscribing("subscriber", &topic, 1);
    opening.alias_maximum = 5;
    let mut subscriber = setting.open(&opening);
    let mut publisher = setting.publisher();
    let mut aliases = Vec::new();
    for at in 0..3 {
        let mut message = Message::new(&topic, at % 2, format!("{at}"));
        publisher.publish(&message);
        let received = subscriber.receive();
        aliases.push(received.alias);
        message.alias = received.alias;
        assert_eq!(received, message);
    }
    assert!(aliases[0].is_some(), "the broker uses no alias");
}

/// Each message for one of two subscribers.
pub(crate) fn shared(setting: &Setting) {
    let topic = setting.topic("job");
    let filter = format!("$share/{}/{topic}", setting.name);
    let mut workers = ["worker-1", "worker-2"].map(|role| setting.subscriber(role, &filter, 1));
    let mut publisher = setting.publisher();
    let jobs: Vec<_> = (0..6)
        .map(|at| Message::new(&topic, 1, format!("{at}")))
        .collect();
    for job in &jobs {
        publisher.publish(job);
    }
    // All these brokers take turns.
    let mut received: Vec<_> = (0..6).map(|at| workers[at % 2].receive()).collect();
    received.sort_by(|a, b| a.payload.cmp(&b.payload));
    assert_eq!(received, jobs);
}

pub(crate) fn subscription_id(setting: &Setting) {
    let topic = setting.topic("numbered");
    let mut opening = setting.subscribing("subscriber", &topic, 1);
    opening.subscription_id = Some(128);
    let mut subscriber = setting.open(&opening);
    let mut message = Message::new(&topic, 1, "text");
    setting.publisher().publish(&message);
    message.subscription_ids.push(128);
    assert_eq!(subscriber.receive(), message);
}

/// The broker has more waiting than it may send, and sends the next when one is acknowledged.
pub(crate) fn late(setting: &Setting) {
    let topic = setting.topic("late");
    let mut opening = setting.subscribing("subscriber", &topic, 1);
    opening.receive_maximum = NonZeroU16::new(5);
    let mut subscriber = setting.ours(&opening);
    subscriber.late = Duration::from_millis(3);
    let messages: Vec<_> = (0..1_000)
        .map(|at| Message::new(&topic, 1, format!("{at}")))
        .collect();
    let mut publisher = setting.ours(&setting.opening("publisher"));
    let sent = publisher.send_all(&messages);
    publisher.wait_accepted(sent);
    for message in messages {
        assert_eq!(subscriber.receive(), message);
    }
}
