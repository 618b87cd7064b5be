//! Who is to do what with whom.

use std::sync::Arc;

use mqtt_sansio::Version;

use crate::outcome;
use crate::peers::{self, BrokerPeer, ClientPeer, Lack, Peer};
use crate::process::impatiently;
use crate::scenarios::{REFUSED_VERSION, SCENARIOS, Scenario, Who};
use crate::setting::Setting;

/// A scenario with a client, a broker and a version.
pub(crate) struct Cell {
    pub(crate) client: &'static str,
    pub(crate) broker: &'static str,
    pub(crate) version: Version,
    pub(crate) scenario: Scenario,
    pub(crate) state: State,
    setting: Setting,
}

pub(crate) enum State {
    There,
    /// A peer is not installed.
    Missing(String),
    /// A peer does not do this.
    NotOffered(String),
    /// A peer is known to do this in another way, so that the scenario fails and shows this.
    Otherwise(String, Lack),
}

/// How a scenario went.
#[derive(Clone, Copy)]
pub(crate) enum Went {
    /// As it should.
    Well,
    /// As the peer is known to do it.
    Otherwise,
    /// As it should, with settings that let the peer do it.
    WithSettings,
}

pub(crate) const fn level(version: Version) -> &'static str {
    match version {
        Version::V311 => "3.1.1",
        _ => "5.0",
    }
}

impl Cell {
    fn new(client: &ClientPeer, broker: &BrokerPeer, version: Version, scenario: Scenario) -> Self {
        let peers = [&client.peer, &broker.peer];
        let missing = peers.iter().find_map(|peer| peer.version.as_ref().err());
        let lack = peers.iter().find_map(|peer| peer.lack(scenario, version));
        let state = match (missing, lack) {
            (_, Some((why, None))) => State::NotOffered(why),
            (Some(missing), _) => State::Missing(missing.clone()),
            (None, Some((why, Some(lack)))) => State::Otherwise(why, lack),
            (None, None) => State::There,
        };
        let (client_name, broker_name) = (client.peer.name, broker.peer.name);
        // Some brokers take a dot for a slash.
        let level = level(version).replace('.', "");
        let name = [client_name, broker_name, &level, scenario.name].join("-");
        Self {
            client: client_name,
            broker: broker_name,
            version,
            scenario,
            state,
            setting: Setting {
                client: Arc::clone(&client.client),
                broker: match broker.alone {
                    true => Arc::new(broker.broker.another()),
                    false => Arc::clone(&broker.broker),
                },
                version,
                name,
                set: |connection| connection,
            },
        }
    }

    /// Runs the scenario and, if it goes as the peer is known to do it, again with the settings for
    /// that.
    pub(crate) fn run(&self) -> Result<Went, String> {
        if let State::Missing(why) = &self.state {
            return Err(why.clone());
        }
        let run = |setting: &Setting| outcome::of(|| (self.scenario.run)(setting));
        let State::Otherwise(_, lack) = &self.state else {
            return run(&self.setting).map(|()| Went::Well);
        };
        self.setting.client.start();
        self.setting.broker.port();
        match (impatiently(|| run(&self.setting)), lack.settings) {
            (Err(message), None) if message.contains(lack.shows) => Ok(Went::Otherwise),
            (Err(message), Some((_, set))) if message.contains(lack.shows) => {
                run(&self.setting.with(set)).map(|()| Went::WithSettings)
            }
            // Another version of the peer may do better.
            (outcome, _) => outcome.map(|()| Went::Well),
        }
    }

    pub(crate) fn name(&self) -> String {
        let names = [
            self.client,
            self.broker,
            level(self.version),
            self.scenario.name,
        ];
        names.join("::")
    }
}

impl Peer {
    /// What it does instead, and how that is known if it can be asked at all.
    fn lack(&self, scenario: Scenario, version: Version) -> Option<(String, Option<Lack>)> {
        let speaks = self.versions.contains(&version);
        if !speaks && scenario.name != REFUSED_VERSION.name {
            return Some((
                format!("{}: speaks 3.1.1 alone and refuses 5.0", self.name),
                None,
            ));
        }
        let mut lacks = self.lacks.iter();
        let lack = lacks
            .find(|lack| lack.scenario == scenario.name && lack.versions.contains(&version))?;
        let with = lack
            .settings
            .map(|(name, _)| format!("; it works with {name}"));
        let why = format!("{}: {}{}", self.name, lack.why, with.unwrap_or_default());
        Some((why, (!lack.shows.is_empty()).then_some(*lack)))
    }
}

/// Our client with every broker, and every client with our broker.
pub(crate) fn all() -> Vec<Cell> {
    let (clients, brokers) = (peers::clients(), peers::brokers());
    let with_ours = clients.iter().map(|client| (client, &brokers[0]));
    let ours_with = brokers.iter().skip(1).map(|broker| (&clients[0], broker));
    let mut cells = Vec::new();
    for (client, broker) in with_ours.chain(ours_with) {
        for scenario in SCENARIOS {
            for version in [Version::V311, Version::V5] {
                let can = match scenario.who {
                    Who::Anyone => true,
                    Who::Ours => client.peer.name == peers::OURS,
                    Who::Bridge => client.peer.name == peers::MOSQUITTO_CLIENTS,
                    Who::Refused => !broker.peer.versions.contains(&version),
                };
                if can && scenario.versions.contains(&version) {
                    cells.push(Cell::new(client, broker, version, *scenario));
                }
            }
        }
    }
    cells
}

/// What is missing, each thing once.
pub(crate) fn missing(cells: &[Cell]) -> Vec<String> {
    let mut missing: Vec<_> = cells
        .iter()
        .filter_map(|cell| match &cell.state {
            State::Missing(why) => Some(why.clone()),
            _ => None,
        })
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
