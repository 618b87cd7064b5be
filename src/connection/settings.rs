use core::num::{NonZeroU16, NonZeroU32};
use core::time::Duration;

use super::{Connection, Role};
use crate::frame::FrameDecoder;
use crate::message::Publishable;
use crate::rules::Rules;
use crate::version::Version;

/// The time that a packet may take to arrive.
pub(super) const PACKET_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of the caller, chosen once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_queued: usize,
    /// `None` is the default of the version.
    pub(super) max_in_flight: Option<NonZeroU16>,
    pub(super) max_packet_size: u32,
    pub(super) calls_before_conn_ack: bool,
    pub(super) record_changes: bool,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_queued: 1_024,
        max_in_flight: None,
        max_packet_size: FrameDecoder::DEFAULT_MAX_PACKET_SIZE,
        calls_before_conn_ack: false,
        record_changes: false,
    };

    /// The Maximum Packet Size to announce, unless the caller has `set` one.
    pub(super) fn announced_size(
        &self,
        version: Version,
        set: Option<NonZeroU32>,
    ) -> Option<NonZeroU32> {
        let maximum = NonZeroU32::new(self.max_packet_size);
        let wanted = version == Version::V5 && set.is_none();
        maximum.filter(|maximum| wanted && *maximum < NonZeroU32::MAX)
    }
}

/// Settings, chosen before the connection begins.
impl<R: Role, M: Publishable> Connection<R, M> {
    /// The default of [`max_queued`](Self::max_queued).
    pub const DEFAULT_MAX_QUEUED: usize = Settings::DEFAULT.max_queued;

    /// The default of [`max_in_flight`](Self::max_in_flight) in 5.0, in which the peer has a
    /// Receive Maximum as well. A hundred fill a link with a round trip of 100 ms at a thousand
    /// messages a second.
    pub const DEFAULT_MAX_IN_FLIGHT: NonZeroU16 = NonZeroU16::new(100).expect("it is not zero");

    /// The default of [`max_in_flight`](Self::max_in_flight) in 3.1.1, in which a peer cannot say
    /// what it takes. mosquitto takes 20 messages by its defaults, and above that acknowledges
    /// messages of QoS 2 which it then loses; EMQ X takes 100, and refuses or closes above that.
    pub const DEFAULT_MAX_IN_FLIGHT_V311: NonZeroU16 = NonZeroU16::new(20).expect("it is not zero");

    /// The default of [`packet_timeout`](Self::packet_timeout): two minutes.
    pub const DEFAULT_PACKET_TIMEOUT: Duration = PACKET_TIMEOUT;

    /// Limits the number of calls whose outcome has not been polled.
    #[must_use]
    pub const fn max_queued(mut self, calls: usize) -> Self {
        self.settings.max_queued = calls;
        self
    }

    /// Limits the messages of QoS 1 and 2 that are sent and not acknowledged. A lower Receive
    /// Maximum of the peer takes precedence. In 3.1.1 this is the only limit.
    #[must_use]
    pub const fn max_in_flight(mut self, messages: NonZeroU16) -> Self {
        self.settings.max_in_flight = Some(messages);
        self
    }

    /// Limits the size of the peer's packets, in bytes with the fixed header.
    ///
    /// In 5.0 the limit is announced as Maximum Packet Size, unless it is `u32::MAX`. A Maximum
    /// Packet Size that the caller put into CONNECT or CONNACK replaces it.
    #[must_use]
    pub const fn max_packet_size(mut self, bytes: u32) -> Self {
        self.settings.max_packet_size = bytes;
        self.decoder.set_max_packet_size(bytes);
        self
    }

    /// Lets rules go, so as to live with a peer that breaks them: see [`Rules`]. Each rule that the
    /// peer broke is reported by [`Event::LetGo`](super::Event::LetGo).
    ///
    /// A 3.1.1 client cannot announce a limit of size. Unless
    /// [`Rule::PacketTooLarge`](crate::Rule::PacketTooLarge) is let go, one message above the limit
    /// ends each connection on which the server sends it again.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.decoder.set_rules(rules);
        self
    }

    /// Limits the time that a packet may take to arrive, from its first byte to its last.
    #[must_use]
    pub const fn packet_timeout(mut self, timeout: Duration) -> Self {
        self.arrival.set_timeout(timeout);
        self
    }

    /// Assigns up to `aliases` topic aliases automatically, and reassigns the least recently used.
    /// A new topic costs a walk over all of them, so some tens are a sensible number.
    #[must_use]
    pub const fn automatic_aliases(mut self, aliases: u16) -> Self {
        self.own_aliases.set_automatic(aliases);
        self
    }

    /// Records the changes of the session, for [`poll_change`](Self::poll_change).
    ///
    /// A message of QoS 1 or 2 is then sent only after its
    /// [`Change::Sent`](crate::session::Change::Sent) was polled.
    ///
    /// ```
    /// use mqtt_sansio::connection::client::Connection;
    /// use mqtt_sansio::session::Session;
    /// use mqtt_sansio::{Message, QoS};
    ///
    /// let mut journal = Vec::new(); // rather a file
    /// let mut mqtt = Connection::new().changes();
    /// mqtt.publish(QoS::AtLeastOnce, Message::new("orders/17".parse()?, "2 pears"))?;
    /// while let Some(change) = mqtt.poll_change() {
    ///     journal.push(change.map(Message::clone)); // before poll_bytes
    /// }
    ///
    /// // after a crash
    /// let session = Session::restore(Session::new().snapshot(), journal)?;
    /// let mqtt = Connection::with_session(session);
    /// assert_eq!(mqtt.session().messages().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn changes(mut self) -> Self {
        self.settings.record_changes = true;
        self.session.record_changes();
        self
    }
}
