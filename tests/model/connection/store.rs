//! What a connection stores, and a crash.

use mqtt_sansio::session::Session;

use super::super::app::Broken;
use super::super::session::turn_round;
use super::{ConnectionEnd, Role, client, either};

impl ConnectionEnd {
    /// Stores the next change, and returns whether there is one.
    pub(super) fn store_one(&mut self) -> bool {
        let change = match (&mut self.kept, self.has_session) {
            (Some(kept), false) => kept.poll_change(),
            (_, true) => either!(&mut self.role, connection => connection.poll_change()),
            _ => None,
        };
        let Some(change) = change.map(|change| change.map(Clone::clone)) else {
            return false;
        };
        self.app.store(&mut self.store, change);
        true
    }

    pub(super) fn crash(&mut self) -> Result<(), Broken> {
        let snapshot = match (&self.store, self.session()) {
            (Some(store), _) => store.clone(),
            (None, Some(session)) => {
                let snapshot = session.snapshot();
                self.app
                    .sent
                    .iter_mut()
                    .for_each(|record| record.stored = record.open);
                snapshot
            }
            (None, None) => return Err("no session".to_owned()),
        };
        let mut session = Session::restore(snapshot.clone(), []).unwrap();
        turn_round(&mut session, self.setting.ids);
        let journal = self.store.is_some();
        match &mut self.role {
            Role::Client(connection) => *connection = client(session, journal),
            Role::Server(_) => {
                if journal {
                    session.record_changes();
                }
                self.kept = Some(session);
            }
        }
        self.app.crash(&snapshot)
    }
}
