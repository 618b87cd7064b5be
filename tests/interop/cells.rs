//! Who is to do what with whom.

use std::sync::Arc;

use mqtt_sansio::Version;

use crate::outcome;
use crate::peers::{self, BrokerPeer, ClientPeer, Peer};
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
    Otherwise(String, &'static str),
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
            (None, Some((why, Some(shows)))) => State::Otherwise(why, shows),
            (None, None) => State::There,
        };
        let (client_name, broker_name) = (client.peer.name, broker.peer.name);
        let name = [client_name, broker_name, level(version), scenario.name].join("-");
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
            },
        }
    }

    /// Runs the scenario. Returns whether it goes as it should, or else as a peer is known to do it.
    pub(crate) fn run(&self) -> Result<bool, String> {
        if let State::Missing(why) = &self.state {
            return Err(why.clone());
        }
        let run = || outcome::of(|| (self.scenario.run)(&self.setting));
        let State::Otherwise(_, shows) = &self.state else {
            return run().map(|()| true);
        };
        self.setting.client.start();
        self.setting.broker.port();
        match impatiently(run) {
            Err(message) if message.contains(shows) => Ok(false),
            // Another version of the peer may do better.
            outcome => outcome.map(|()| true),
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
    /// What it does instead, and what that shows.
    fn lack(&self, scenario: Scenario, version: Version) -> Option<(String, Option<&'static str>)> {
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
        Some((format!("{}: {}", self.name, lack.why), lack.shows))
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
