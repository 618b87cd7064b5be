//! What a connection tells, and what is held of it.

use mqtt_sansio::connection::{Closed, ConnectionError, Event, Outcome};
use mqtt_sansio::session::{Fate, SessionError};
use mqtt_sansio::{ReasonCode, Version};

use super::super::app::{Broken, Effect, hold};
use super::{ConnectionEnd, Role, either};

impl ConnectionEnd {
    /// Each call ends once, and nobody is blamed.
    pub(super) fn events(&mut self) -> Result<Effect, Broken> {
        let mut effect = Effect::default();
        while let Some(event) = either!(&mut self.role, connection => connection.poll_event()) {
            match event {
                Event::Published(call, outcome) => {
                    let open = self.app.open().find(|record| record.call == call).copied();
                    let (fate, given) = match outcome {
                        Outcome::Accepted(_) => (Some(Fate::Accepted), None),
                        Outcome::Refused(_, given) => (Some(Fate::Refused), Some(given)),
                        Outcome::Uncertain(_) => (Some(Fate::Uncertain), None),
                        Outcome::Sent => (None, None),
                        Outcome::GivenUp(_, given) => (None, Some(given)),
                        other => return Err(format!("{other:?}")),
                    };
                    let ended = self.app.ended(call, fate)?;
                    effect.accepted |= ended.accepted;
                    effect.refused |= ended.refused;
                    let back = open.is_some_and(|record| record.taken_back);
                    let right = given.as_ref().is_none_or(|given| given.is_none() == back);
                    hold!(right, "{given:?} is given back of {open:?}");
                }
                Event::Connected(_)
                | Event::Closed(Closed::Local | Closed::Lost | Closed::Disconnected(_)) => {}
                other => return Err(format!("{other:?}")),
            }
        }
        Ok(effect)
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        let app = &self.app;
        let Some(session) = self.session() else {
            return Ok(());
        };
        let used = usize::from(session.packet_ids_in_use());
        hold!(
            used == app.ids_in_use(),
            "{used} identifiers are in use by {:?}",
            app.sent
        );
        if session.is_connected() {
            let agreed = match self.setting.version {
                Version::V311 => (20, 65_535),
                Version::V5 => (usize::from(self.peer), usize::from(self.own)),
            };
            let quota = (
                usize::from(session.send_quota()),
                usize::from(session.receive_quota()),
            );
            let both = (quota.0 + app.flying.len(), quota.1 + app.receiving.len());
            hold!(
                both == agreed,
                "quotas {quota:?} with {app:?}, of {agreed:?}"
            );
        }
        for token in &app.stale {
            let late = match &self.kept {
                Some(kept) => kept
                    .clone()
                    .acknowledge(*token, ReasonCode::Success)
                    .map_err(Into::into),
                None => either!(&self.role, connection => connection.clone().acknowledge(*token)),
            };
            let over = ConnectionError::Session(SessionError::DeliveryOver);
            hold!(late == Err(over), "{token:?} is late: {late:?}");
        }
        if let (Some(store), false) = (&self.store, self.clone().store_one()) {
            let now = session.snapshot();
            hold!(*store == now, "stored {store:?}, not {now:?}");
        }
        Ok(())
    }
}
