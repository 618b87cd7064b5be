use super::*;
use crate::backlog::STEPS;
use crate::policy::Anyone;
use crate::{Change, State};

/// What is stored of a broker.
#[derive(Default)]
struct Store(State);

impl Store {
    /// A broker that begins with what is stored, in place of the one before.
    fn restart(&self, net: &mut Net) {
        let restored = Broker::restore(quiet(), Anyone, net.now, self.0.clone());
        net.broker = restored.unwrap();
    }

    fn new() -> (Self, Net) {
        let (store, mut net) = (Self::default(), Net::new(quiet()));
        store.restart(&mut net);
        (store, net)
    }

    fn store(&mut self, net: &mut Net) -> usize {
        let changes: Vec<Change> = std::iter::from_fn(|| net.broker.poll_change()).collect();
        let count = changes.len();
        for change in changes {
            self.0.apply(change).unwrap();
        }
        let held = net.broker.state();
        assert_eq!(format!("{:?}", self.0), format!("{held:?}"));
        count
    }

    /// The messages that come, with their exchanges finished and stored, and without DUP: what was
    /// about to be sent may have been.
    fn messages(&mut self, net: &mut Net, peer: &mut Peer) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            self.store(net);
            if net.receive_some(peer, &mut all) == 0 {
                return all.iter().map(|words| words.replace(" dup", "")).collect();
            }
        }
    }
}

#[test]
fn sessions_after_a_crash_are_others_than_those_before() {
    for version in BOTH {
        let (mut store, mut net) = Store::new();
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            if name == "d" {
                store.store(&mut net);
                store.restart(&mut net);
            }
            let (mut peer, _) = net.connect(version, lasting(version, name));
            net.subscribe(&mut peer, name, QoS::AtLeastOnce);
        }
        let mut publisher = net.join(version, "publisher");
        for name in names {
            net.say(&mut publisher, QoS::AtLeastOnce, name, "m");
        }
        for name in names {
            let (mut peer, connack) = net.connect(version, lasting(version, name));
            assert!(connack.session_present);
            let found = store.messages(&mut net, &mut peer);
            assert_eq!(found, [format!("{name}=m q1")]);
        }
    }
}

/// However often the broker crashes while they come, and with one of them before its turn.
#[test]
fn retained_messages_come_once_across_crashes() {
    const MANY: usize = 2 * STEPS + STEPS / 2;
    for version in BOTH {
        let (mut store, mut net) = Store::new();
        let mut librarian = net.join(Version::V5, "librarian");
        let topics = (0..MANY).map(|number| format!("t/{number:04}"));
        let topics: Vec<_> = topics.chain(["u".to_owned()]).collect();
        for topic in &topics {
            let publish = message(QoS::ExactlyOnce, 1, topic, "m");
            net.publish(&mut librarian, retained(publish));
        }
        let (mut a, _) = net.connect(version, lasting(version, "a"));
        // At first, nothing is looked at for the second filter.
        let filters = ["t/#", "u"].map(|filter| (filter.parse().unwrap(), QoS::ExactlyOnce));
        let subscriptions = Subscriptions::new(filters).unwrap();
        net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
        let last = &topics[MANY - 1];
        net.say(&mut librarian, QoS::ExactlyOnce, last, "later");
        let mut all = Vec::new();
        let mut expected: Vec<_> = topics
            .iter()
            .map(|topic| format!("{topic}=m q2 retained"))
            .collect();
        expected.push(format!("{last}=later q2"));
        for round in 0.. {
            all.extend(store.messages(&mut net, &mut a));
            if net.broker.usage().backlogs == 0 {
                assert!(round > 1, "in fewer parts");
                break;
            }
            store.restart(&mut net);
            let (again, connack) = net.connect(version, lasting(version, "a"));
            assert!(connack.session_present);
            (a, librarian) = (again, net.join(Version::V5, "librarian"));
            // It is newer than the subscription, and no retained message for it.
            let topic = format!("t/new/{round}");
            let publish = message(QoS::ExactlyOnce, 1, &topic, "m");
            net.publish(&mut librarian, retained(publish));
            expected.push(format!("{topic}=m q2"));
            net.broker.handle_timeout(net.now);
        }
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
    }
}

/// Unless it becomes a share, to which no retained messages come.
#[test]
fn a_subscription_that_is_replaced_keeps_what_it_waits_for() {
    const MANY: usize = 3 * STEPS;
    let (mut store, mut net) = Store::new();
    let mut librarian = net.join(Version::V5, "librarian");
    for number in 0..MANY {
        let publish = message(QoS::AtLeastOnce, 1, &format!("t/{number}"), "m");
        net.publish(&mut librarian, retained(publish));
    }
    let (a, _) = net.connect(Version::V311, lasting(Version::V311, "a"));
    let filters = ["t/#", "$share/g/t"].map(|filter| (filter.parse().unwrap(), QoS::AtLeastOnce));
    let subscriptions = Subscriptions::new(filters).unwrap();
    net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    assert_eq!(net.broker.usage().backlogs, 2);
    store.store(&mut net);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    let mut again = options(QoS::AtLeastOnce);
    again.retain_handling = mqtt_sansio::packet::RetainHandling::DoNotSend;
    for (filter, backlogs) in [("t/#", 2), ("$share/g/t", 1)] {
        let filter = TopicFilter::new(filter).unwrap();
        let subscriptions = Subscriptions::new([(filter, again)]).unwrap();
        net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
        assert_eq!(net.broker.usage().backlogs, backlogs);
        store.store(&mut net);
    }
    store.restart(&mut net);
    (a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    net.wait(seconds(0));
    assert_eq!(store.messages(&mut net, &mut a).len(), MANY);
}

/// The will of a connection that the crash has cut comes after its delay, once.
#[test]
fn wills_come_once_across_crashes() {
    for version in BOTH {
        let (mut store, mut net) = Store::new();
        let delay = if version == Version::V5 { 10 } else { 0 };
        let (mut watcher, _) = net.connect(version, lasting(version, "watcher"));
        net.subscribe(&mut watcher, "w", QoS::ExactlyOnce);
        let mut mortal = lasting(version, "mortal");
        let mut last = will("w", "gone", delay);
        last.qos = QoS::ExactlyOnce;
        mortal.will = Some(last);
        let _ = net.connect(version, mortal);
        let (mut all, mut times) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            store.store(&mut net);
            store.restart(&mut net);
            (watcher, _) = net.connect(version, lasting(version, "watcher"));
            all.extend(store.messages(&mut net, &mut watcher));
            times.push(all.len());
            net.wait(seconds(3));
        }
        assert_eq!(all, ["w=gone q2"]);
        // After 9 seconds not yet, after 12 it is there.
        assert_eq!(times[3], usize::from(delay == 0));
    }
}

/// However much there is. What waits is counted as before.
#[test]
fn one_message_is_a_few_changes() {
    let (mut store, mut net) = Store::new();
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    for number in 0..100 {
        net.subscribe(&mut a, &format!("{number}/#"), QoS::AtLeastOnce);
    }
    let mut b = net.join(Version::V5, "b");
    store.store(&mut net);
    for _ in 0..100 {
        net.say(&mut b, QoS::ExactlyOnce, "7/x", "m");
        // Received, Stored, Sent and Forgotten, that these are complete, and perhaps Calls.
        assert!(store.store(&mut net) <= 6);
    }
    let before = net.broker.client_usage("a").unwrap();
    store.restart(&mut net);
    let after = net.broker.client_usage("a").unwrap();
    assert!(before.message_bytes > 0);
    assert_eq!(after.message_bytes, before.message_bytes);
    assert_eq!(after.subscription_bytes, before.subscription_bytes);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert_eq!(store.messages(&mut net, &mut a).len(), 100);
}

/// The publisher has its answer, so all have the message: also more than are served in one call
/// otherwise.
#[test]
fn everyone_has_what_is_answered() {
    let count = crate::route::STEPS / crate::route::SERVED + 1;
    let (mut store, mut net) = Store::new();
    for number in 0..count {
        let (mut peer, _) = net.connect(Version::V5, lasting(Version::V5, &format!("c{number}")));
        net.subscribe(&mut peer, "t", QoS::AtLeastOnce);
        net.cut(&peer);
    }
    let mut b = net.join(Version::V5, "b");
    net.say(&mut b, QoS::AtLeastOnce, "t", "m");
    store.store(&mut net);
    store.restart(&mut net);
    assert_eq!(net.broker.usage().messages, count);
}

/// Also while nobody calls for the time.
#[test]
fn what_expires_is_a_change() {
    let (mut store, mut net) = Store::new();
    let mut slow = lasting(Version::V5, "slow");
    let one = std::num::NonZeroU16::MIN;
    let builder = slow.properties.to_builder();
    slow.properties = builder.receive_maximum(one).build();
    let (mut slow, _) = net.connect(Version::V5, slow);
    net.subscribe(&mut slow, "t", QoS::AtLeastOnce);
    let mut b = net.join(Version::V5, "b");
    for packet in 1..=2 {
        let publish = message(QoS::AtLeastOnce, packet, "t", "m");
        net.publish(&mut b, retained(expiring(publish, 5)));
    }
    store.store(&mut net);
    assert_eq!(net.receive(&mut slow).len(), 1);
    net.now += seconds(9);
    net.send(&b, Packet::PingReq);
    assert!(net.receive(&mut slow).is_empty());
    assert_eq!(store.store(&mut net), 2, "Done, and that it is complete");
    net.broker.retained.purge(net.now, 1);
    assert_eq!(store.store(&mut net), 2);
}

#[test]
fn nobody_pays_for_changes_that_are_not_asked_for() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    net.subscribe(&mut a, "t", QoS::ExactlyOnce);
    net.say(&mut a, QoS::ExactlyOnce, "t", "m");
    assert!(net.broker.poll_change().is_none());
    assert_eq!(net.messages(&mut a), ["t=m q2"]);
}
