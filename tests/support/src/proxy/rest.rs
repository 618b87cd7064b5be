//! How a history comes to rest, and what is held then.

use mqtt_sansio::connection::{Connection, Role};
use mqtt_sansio::{QoS, Shared};

use super::end::Side;
use super::world::World;
use crate::drive::IDLE;
use crate::heap;

impl World<'_> {
    fn is_quiet(&self) -> bool {
        self.client.end.connection.is_connected()
            && self.server.end.connection.is_connected()
            && self.client.open() + self.server.open() == 0
            && self.up.is_empty()
            && self.down.is_empty()
            && self.client.held.is_empty()
            && self.server.held.is_empty()
            && (self.is_deceived()
                || self.client.end.connection.session().is_empty()
                    && self.server.end.connection.session().is_empty())
    }

    fn is_deceived(&self) -> bool {
        self.client.deceived || self.server.deceived
    }

    /// On a kind link everything ends that was begun.
    pub(super) fn settle(mut self) {
        self.settling = true;
        self.cut();
        let mut steps = 0;
        while !self.is_quiet() {
            self.step();
            steps += 1;
            if steps >= 30_000 {
                panic!("no end: {:#?} {:#?}", self.client, self.server);
            }
        }
        if !self.is_deceived() {
            arrived(&self.client, &self.server);
            arrived(&self.server, &self.client);
        }
        ends(self.client.end.connection);
        ends(self.server.end.connection);
    }
}

/// What was accepted arrived, as its QoS says.
fn arrived<F, T>(from: &Side<F>, to: &Side<T>) {
    for call in from.calls.values() {
        let Some(qos) = call.qos else {
            continue;
        };
        let copies = to.taken.get(&call.number).copied().unwrap_or(0);
        assert!(copies <= 1 || qos == QoS::AtLeastOnce, "twice: {call:?}");
        let due = call.accepted && qos > QoS::AtMostOnce;
        assert!(copies >= 1 || !due, "lost: {call:?}");
    }
}

/// Nothing of what was received is left.
fn ends<R: Role>(mut connection: Connection<R, Shared>) {
    while connection.poll_event().is_some() {}
    connection.shrink_to_fit();
    let held = heap::by_drop(connection);
    assert!(held <= IDLE, "{held} bytes at rest");
}
