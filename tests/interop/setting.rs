//! Who talks to whom, and how they begin.

use std::sync::Arc;

use mqtt_sansio::Version;

use crate::brokers::{Broker, PASSWORD, USER};
use crate::link::{Client, Link, Message, Opening};
use crate::ours::{OurLink, Ours, Set};

/// Who talks to whom. Clients and topics have names of their own, so that tests share brokers.
pub(crate) struct Setting {
    pub(crate) client: Arc<dyn Client>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) version: Version,
    pub(crate) name: String,
    /// Settings of this crate's client.
    pub(crate) set: Set,
}

impl Setting {
    /// The same with settings that the broker needs.
    pub(crate) fn with(&self, set: Set) -> Self {
        Self {
            client: Arc::new(Ours(set)),
            broker: Arc::clone(&self.broker),
            version: self.version,
            name: format!("{}-set", self.name),
            set,
        }
    }

    pub(crate) fn opening(&self, role: &str) -> Opening {
        let mut opening = Opening::new(self.version, format!("{}-{role}", self.name));
        if self.broker.users_only {
            opening.user = Some((USER.to_owned(), PASSWORD.to_owned()));
        }
        opening
    }

    /// Connects and gets what it asks for.
    pub(crate) fn open(&self, opening: &Opening) -> Box<dyn Link> {
        let link = self.client.open(self.broker.port(), opening);
        let link = link.unwrap_or_else(|code| panic!("{} refused: {code:#x}", opening.client_id));
        let asked = opening.filters.iter();
        let granted: Vec<_> = asked.map(|(_, qos)| self.granted(*qos)).collect();
        assert_eq!(link.opened().granted, granted);
        link
    }

    /// What the broker makes of a QoS.
    fn granted(&self, qos: u8) -> u8 {
        qos.min(self.broker.highest_qos)
    }

    /// A message as it arrives, if the subscription asks for all.
    pub(crate) fn arrives(&self, message: &Message) -> Message {
        let mut message = message.clone();
        message.qos = self.granted(message.qos);
        message
    }

    pub(crate) fn subscriber(&self, role: &str, filter: &str, qos: u8) -> Box<dyn Link> {
        self.open(&self.subscribing(role, filter, qos))
    }

    pub(crate) fn subscribing(&self, role: &str, filter: &str, qos: u8) -> Opening {
        let mut opening = self.opening(role);
        opening.filters.push((filter.to_owned(), qos));
        opening
    }

    pub(crate) fn publisher(&self) -> Box<dyn Link> {
        self.open(&self.opening("publisher"))
    }

    pub(crate) fn topic(&self, level: &str) -> String {
        format!("{}/{level}", self.name)
    }

    /// This crate's client, for more than others can be asked to do.
    pub(crate) fn ours(&self, opening: &Opening) -> OurLink {
        let mut link = OurLink::new(self.broker.port(), self.version).set(self.set);
        link.reopen(opening);
        link.subscribe(opening);
        link
    }

    /// How to open a subscriber whose session stays.
    pub(crate) fn staying(&self, role: &str, topic: &str) -> Opening {
        let mut opening = self.subscribing(role, topic, 2);
        (opening.clean, opening.session_expiry) = (false, 300);
        opening
    }
}
