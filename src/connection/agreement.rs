use alloc::boxed::Box;

use super::auth::Turn;
use super::error::ConnectionError;
use super::limits::Limits;
use super::{Connection, Role, State};
use crate::message::{Outline, Publishable};
use crate::packet::{ConnAck, Connect, KeepAlive, Packet, publish_len};
use crate::property::Property;
use crate::qos::Delivery;
use crate::session::Link;
use crate::side::Side;
use crate::text::Text;
use crate::topic::TopicName;
use crate::version::Version;

/// The agreement of CONNECT and CONNACK for one network connection.
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Agreement {
    pub(super) version: Version,
    pub(super) clean_start: bool,
    /// True if the client identifier of CONNECT is empty.
    pub(super) is_anonymous: bool,
    /// True if CONNECT left Request Problem Information on.
    pub(super) problem_information: bool,
    /// The limits of the peer, and those of this side.
    pub(super) peer: Limits,
    pub(super) own: Limits,
    /// The Session Expiry Interval of CONNECT, and the one in force.
    pub(super) asked_expiry: u32,
    pub(super) session_expiry: u32,
    pub(super) keep_alive: KeepAlive,
    /// True if CONNECT has Request Response Information.
    pub(super) response_information: bool,
    /// The authentication method of CONNECT.
    pub(super) method: Option<Box<Text>>,
}

impl Agreement {
    /// Before CONNECT.
    pub(super) const NONE: Self = Self {
        version: Version::V5,
        own: Limits::DEFAULT,
        peer: Limits::DEFAULT,
        clean_start: true,
        keep_alive: KeepAlive::OFF,
        asked_expiry: 0,
        session_expiry: 0,
        is_anonymous: false,
        method: None,
        problem_information: true,
        response_information: false,
    };

    /// The requests of `connect`, sent or received by `side`.
    pub(super) fn asked<B: AsRef<[u8]>>(
        side: Side,
        version: Version,
        connect: &Connect<B>,
    ) -> Self {
        let mut asked = Self {
            version,
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            is_anonymous: connect.client_id.is_empty(),
            ..Self::NONE
        };
        if version == Version::V311 && !connect.clean_start {
            asked.asked_expiry = u32::MAX;
        }
        for property in &connect.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => asked.asked_expiry = seconds,
                Property::AuthenticationMethod(method) => {
                    asked.method = Some(Box::new(method.to_owned()));
                }
                Property::RequestProblemInformation(on) => asked.problem_information = on,
                Property::RequestResponseInformation(on) => asked.response_information = on,
                _ => {}
            }
        }
        let limits = Limits::new(version, &connect.properties);
        match side {
            Side::Client => {
                asked.own = limits;
                // As long as the server has not accepted it, the session does not end with it.
                asked.session_expiry = u32::MAX;
            }
            Side::Server => {
                asked.peer = limits;
                asked.session_expiry = asked.asked_expiry;
            }
        }
        asked
    }

    /// Succeeds if the peer supports this message of `side`, as it is sent without an alias.
    #[inline]
    pub(super) fn check_message<M: Publishable>(
        &self,
        side: Side,
        message: &M,
        outline: &Outline,
        delivery: Delivery,
    ) -> Result<(), ConnectionError> {
        if side == Side::Client {
            let checked = self.peer.check_publish(delivery.qos(), outline.retain());
            checked.map_err(ConnectionError::NotSupported)?;
        }
        let (ids, apart) = (message.subscription_ids(), message.payload_len());
        let lens = outline.lens(apart);
        self.check_len(publish_len(delivery, lens, ids, self.version)?)
    }

    /// Succeeds if the peer supports a packet of this length.
    pub(super) fn check_len(&self, len: usize) -> Result<(), ConnectionError> {
        match self.peer.fit(len) {
            true => Ok(()),
            false => Err(ConnectionError::PacketTooLarge),
        }
    }

    /// Returns whether a packet of the peer is no larger than the Maximum Packet Size of this side.
    #[inline]
    pub(super) fn takes<B: AsRef<[u8]>>(&self, packet: &Packet<B>) -> bool {
        // More than there is beside topic, properties and payload.
        const REST: usize = 16;
        let at_most = match packet {
            _ if self.own.maximum_packet_size.is_none() => return true,
            Packet::Publish(publish) => {
                let topic = publish.topic.as_ref().map_or(0, TopicName::len);
                REST + topic + publish.properties.byte_len() + publish.payload.as_ref().len()
            }
            Packet::PubAck(ack)
            | Packet::PubRec(ack)
            | Packet::PubRel(ack)
            | Packet::PubComp(ack) => REST + ack.properties.byte_len(),
            _ => return self.takes_exactly(packet),
        };
        self.own.fit(at_most) || self.takes_exactly(packet)
    }

    #[cold]
    fn takes_exactly<B: AsRef<[u8]>>(&self, packet: &Packet<B>) -> bool {
        let len = packet.encoded_len(self.version);
        len.is_ok_and(|len| self.own.fit(len))
    }

    /// Completes the agreement with `connack`, sent or received by `side`.
    pub(super) fn settle<B: AsRef<[u8]>>(&mut self, side: Side, connack: &ConnAck<B>) {
        let limits = Limits::new(self.version, &connack.properties);
        match side {
            Side::Client => self.peer = limits,
            Side::Server => self.own = limits,
        }
        self.session_expiry = self.asked_expiry;
        for property in &connack.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => self.session_expiry = seconds,
                // The server's replaces the client's [MQTT-3.1.2-21] [MQTT-3.2.2-21].
                Property::ServerKeepAlive(seconds) => {
                    self.keep_alive = KeepAlive::from_secs(seconds);
                }
                _ => {}
            }
        }
    }
}

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Begins what CONNECT and CONNACK agreed.
    pub(super) fn establish(&mut self) {
        self.state = State::Connected { turn: Turn::Nobody };
        self.answer.complete();
        (self.outbox.unchecked, self.outbox.attention) = (true, true);
        self.peer_aliases.reset();
        self.own_aliases
            .reset(self.agreement.peer.topic_alias_maximum);
        if self.settings.record_changes {
            self.session.record_changes();
        }
        let mut link = Link::new(self.agreement.version);
        let quota = self.agreement.peer.receive_maximum;
        let most = self.settings.max_in_flight;
        link.send_maximum = quota.min(most.unwrap_or(match self.agreement.version {
            Version::V311 => Self::DEFAULT_MAX_IN_FLIGHT_V311,
            Version::V5 => Self::DEFAULT_MAX_IN_FLIGHT,
        }));
        link.receive_maximum = self.agreement.own.receive_maximum;
        self.session.connect(link);
    }
}
