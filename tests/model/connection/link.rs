//! Where a link begins and ends.

use std::time::Duration;

use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::session::Snapshot;
use mqtt_sansio::{Packet, Version};

use super::super::app::{Broken, Wire, hold};
use super::super::packets::packet;
use super::super::session::turn_round;
use super::{ConnectionEnd, Role, either, server};

impl ConnectionEnd {
    /// The server's answer to CONNECT.
    pub(super) fn accept(&mut self, clean: bool) -> Result<(), Broken> {
        let is_new = self.kept.is_none();
        let Packet::ConnAck(connack) = packet(
            self.setting.version,
            Wire::ConnAck {
                present: false,
                maximum: self.own,
            },
        ) else {
            return Err("no CONNACK".to_owned());
        };
        let connack: ConnAck = connack;
        let (now, kept) = (self.now, &mut self.kept);
        let Role::Server(connection) = &mut self.role else {
            return Err("CONNECT at a client".to_owned());
        };
        connection
            .accept(now, connack, kept)
            .map_err(|error| error.to_string())?;
        hold!(kept.is_none(), "the session is not taken");
        self.ends_session = clean && self.setting.version == Version::V311;
        self.has_session = true;
        if is_new {
            self.app.forget(|_| true);
            self.app
                .sent
                .iter_mut()
                .for_each(|record| record.stored = false);
            self.store = self.store.take().map(|_| Snapshot::new());
        }
        if is_new || clean {
            self.unsettled = true;
            self.is_reset();
        }
        Ok(())
    }

    /// What had begun is over. That is stored before anything else is done, as otherwise a crash
    /// would bring back exchanges of which the peer knows nothing.
    pub(super) fn is_reset(&mut self) {
        while self.store_one() {}
        self.app.drop_held(|_| true);
        self.app.pending.clear();
    }

    pub(super) fn cut(&mut self) -> Result<(), Broken> {
        either!(&mut self.role, connection => connection.handle_close());
        let closed = either!(&self.role, connection => connection.is_closed());
        hold!(closed || !self.up, "not closed");
        Ok(())
    }

    pub(super) fn open(&mut self, lose: bool, maximum: u16) -> Result<(), Broken> {
        (self.up, self.own, self.peer, self.ends_session) = (true, maximum, 0, false);
        self.now += Duration::from_secs(1);
        match &mut self.role {
            Role::Client(connection) => {
                self.unsettled |= lose;
                let clean = self.unsettled;
                let version = self.setting.version;
                let Packet::Connect(connect) = packet(version, Wire::Connect { clean, maximum })
                else {
                    return Err("no CONNECT".to_owned());
                };
                connection
                    .connect(version, connect)
                    .map_err(|error| error.to_string())?;
                if clean {
                    self.ends_session = version == Version::V311;
                    self.is_reset();
                }
            }
            Role::Server(connection) => {
                *connection = server(self.now, self.store.is_some());
                if lose || self.unsettled {
                    self.kept = None;
                }
                if let Some(kept) = &mut self.kept {
                    turn_round(kept, self.setting.ids);
                }
            }
        }
        Ok(())
    }
}
