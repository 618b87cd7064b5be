//! The steps of a history, and how it comes to rest.

use std::time::Duration;

use mqtt_sansio::connection::{ConnectionError, server};
use mqtt_sansio::packet::{Subscriptions, TopicFilters};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Message, Packet, QoS};

use super::actor::{Actor, Asked, Held};
use super::world::{Act, World};
use super::{OK, code_of, payload_of, same, topic_of};

impl World<'_> {
    /// What clients or servers alone do.
    fn request(&mut self) {
        let number = self.next;
        let filter: TopicFilter = format!("s/{number}").parse().unwrap();
        let client = &mut self.client;
        let before = client.end.connection.clone();
        self.next += 1;
        if self.choices.one_in(3) {
            let filters = TopicFilters::new([filter]).unwrap();
            match client.end.connection.unsubscribe(filters.clone()) {
                Ok(call) => return client.accepted(call, number, Asked::Unsubscribe(filters)),
                Err(refused) => assert_eq!(refused.given, filters, "(b)"),
            }
        } else {
            let subscriptions = Subscriptions::new([(filter, QoS::AtLeastOnce)]).unwrap();
            match client.end.connection.subscribe(subscriptions.clone()) {
                Ok(call) => return client.accepted(call, number, Asked::Subscribe(subscriptions)),
                Err(refused) => assert_eq!(refused.given, subscriptions, "(b)"),
            }
        }
        same(&before, &client.end.connection, "(b)");
    }

    fn answer(&mut self) {
        let server = &mut self.server;
        if server.requests.is_empty() {
            return;
        }
        let at = self.choices.below(server.requests.len());
        let (token, request) = server.requests.swap_remove(at);
        let connection = &mut server.end.connection;
        let answer = |connection: &mut server::Connection| match &request {
            Packet::Subscribe(request) => {
                let filters = request.subscriptions.iter();
                connection.sub_ack(token, filters.map(|s| code_of(s.filter.to_str())))
            }
            _ => connection.unsub_ack(token, [OK]),
        };
        if answer(connection).is_ok() {
            server.answers += 1;
        } else {
            assert!(!connection.is_connected());
        }
        // (c) One answer for each.
        let before = connection.clone();
        let again = answer(connection);
        assert!(
            matches!(
                again,
                Err(ConnectionError::NoSuchRequest | ConnectionError::WrongState)
            ),
            "(c)"
        );
        same(&before, &*connection, "(c)");
    }

    /// A server keeps messages for a client that is away.
    fn publish_offline(&mut self) {
        if let Some(session) = &mut self.stored {
            let qos = self.choices.pick([QoS::AtLeastOnce, QoS::ExactlyOnce]);
            let message = Message::new(topic_of(self.next), payload_of(self.next));
            let call = session.publish(qos, message.clone()).unwrap();
            self.server
                .accepted(call, self.next, Asked::Publish(qos, message));
            self.next += 1;
        }
    }

    pub(super) fn step(&mut self) {
        let side = self.choices.below(2);
        match self.choices.below(if self.settling { 22 } else { 38 }) {
            0..=6 => self.act(side, Act::Send),
            7..=13 => self.act(side, Act::Receive),
            14..=16 => self.act(side, Act::Acknowledge),
            17 | 18 => self.answer(),
            19 => self.act(side, Act::Journal),
            20 | 21 => {
                let far = match self.choices.below(64) {
                    0 if !self.settling => 3_100,
                    1..=3 => 600,
                    _ => 5,
                };
                self.now += Duration::from_millis(far);
                for side in 0..2 {
                    self.act(side, Act::Timeout);
                }
            }
            22..=28 => self.act(side, Act::Publish),
            29 | 30 => self.request(),
            31 => self.act(side, Act::Abandon),
            32 => self.publish_offline(),
            33 if self.choices.one_in(8) => self.act(side, Act::Disconnect),
            34 if self.choices.one_in(6) => self.cut(),
            35 | 36 => self.act(side, Act::Stray),
            _ => {}
        }
        self.check();
        if self.client.end.connection.is_closed() || self.server.end.connection.is_closed() {
            self.cut();
        }
    }

    fn is_quiet(&self) -> bool {
        let held = |held: &[Held]| held.iter().all(|held| held.spent);
        self.client.end.connection.is_connected()
            && self.server.end.connection.is_connected()
            && self.client.open().is_none()
            && self.server.open().is_none()
            && self.up.is_empty()
            && self.down.is_empty()
            && held(&self.client.held)
            && held(&self.server.held)
            && self.client.end.connection.session().is_empty()
            && self.server.end.connection.session().is_empty()
    }

    /// Lets everything end that was begun.
    pub(super) fn settle(&mut self) {
        self.settling = true;
        let mut steps = 0;
        while !self.is_quiet() {
            self.step();
            self.client.drop_late();
            self.server.drop_late();
            steps += 1;
            if steps >= 30_000 {
                let states = (&self.client.end.connection, &self.server.end.connection);
                let open = (self.client.open(), self.server.open());
                panic!(
                    "(a) no outcome: {open:?} in {states:#?} {:?}",
                    self.server.held
                );
            }
        }
        self.client.check_journal(true);
        self.server.check_journal(true);
        arrived(&self.client, &self.server);
        arrived(&self.server, &self.client);
        self.client.check_rest(self.server.receive_maximum);
        self.server.check_rest(self.client.receive_maximum);
    }
}

/// What was accepted arrived, as its QoS says.
fn arrived<F, T>(from: &Actor<F>, to: &Actor<T>) {
    for record in from.records.values() {
        let Asked::Publish(qos, _) = &record.asked else {
            continue;
        };
        let copies = to.delivered.get(&record.number).copied().unwrap_or(0);
        assert!(copies <= 1 || *qos == QoS::AtLeastOnce, "twice: {record:?}");
        if record.accepted && !record.taken_back && !to.refused.contains(&record.number) {
            assert!(copies >= 1, "lost: {record:?}");
        }
    }
}
