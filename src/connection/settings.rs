use core::num::{NonZeroU16, NonZeroU32};
use core::time::Duration;

use super::{Connection, Role, client};
use crate::frame::FrameDecoder;
use crate::message::Publishable;
use crate::property::{Carries, Place, Properties};

/// The time that a packet may take to arrive.
pub(super) const PACKET_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of the caller, chosen once.
// In this order, as a connection is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Settings {
    /// `None` is the default of the version.
    pub(super) max_in_flight: Option<NonZeroU16>,
    pub(super) max_received: NonZeroU16,
    pub(super) max_unread_answers: u32,
    pub(super) max_packet_size: u32,
    pub(super) calls_before_conn_ack: bool,
    pub(super) record_changes: bool,
    pub(super) max_queued: usize,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_queued: 1_024,
        max_in_flight: None,
        max_received: NonZeroU16::MAX,
        max_unread_answers: 1 << 20,
        max_packet_size: FrameDecoder::DEFAULT_MAX_PACKET_SIZE,
        calls_before_conn_ack: false,
        record_changes: false,
    };
}

impl Settings {
    /// The properties of a CONNECT or CONNACK of 5.0 with the limits of this side, for those that
    /// are absent and differ from the defaults of the specification. `None` if there are none.
    pub(super) fn announce<K>(&self, properties: &Properties<K>) -> Option<Properties<K>>
    where
        K: Place + Carries<0x21> + Carries<0x27>,
    {
        let size = NonZeroU32::new(self.max_packet_size).filter(|size| *size < NonZeroU32::MAX);
        let size = size.filter(|_| properties.maximum_packet_size().is_none());
        let messages = Some(self.max_received).filter(|messages| *messages < NonZeroU16::MAX);
        let messages = messages.filter(|_| properties.receive_maximum().is_none());
        if size.is_none() && messages.is_none() {
            return None;
        }
        let mut builder = properties.to_builder();
        if let Some(size) = size {
            builder = builder.maximum_packet_size(size);
        }
        if let Some(messages) = messages {
            builder = builder.receive_maximum(messages);
        }
        Some(builder.build())
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

    /// The default of [`max_unread_answers`](Self::max_unread_answers): 1 MiB, which is 170,000
    /// answers to one topic filter each.
    pub const DEFAULT_MAX_UNREAD_ANSWERS: u32 = Settings::DEFAULT.max_unread_answers;

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

    /// Limits the messages of QoS 1 and 2 from the peer that are not acknowledged, those of QoS 2
    /// until PUBCOMP. One more than that ends the connection. Each takes up to 48 bytes of memory
    /// here, apart from its content. The default is 65,535.
    ///
    /// In 5.0 the limit is announced as Receive Maximum. A Receive Maximum that the caller put into
    /// CONNECT or CONNACK replaces it. A 3.1.1 peer cannot be told, so that a low limit may end
    /// connections of peers that follow that version.
    #[must_use]
    pub const fn max_received(mut self, messages: NonZeroU16) -> Self {
        self.settings.max_received = messages;
        self
    }

    /// Limits the answers that wait because the peer does not read them, or because the caller has
    /// not answered its requests: SUBACK, UNSUBACK and AUTH, in bytes. A request above that ends the
    /// connection.
    #[must_use]
    pub const fn max_unread_answers(mut self, bytes: u32) -> Self {
        self.settings.max_unread_answers = bytes;
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

    /// Delivers each message whose PUBLISH is larger than `bytes`, fixed header included, in pieces:
    /// [`Incoming::Begin`](super::Incoming::Begin), then [`Piece`](super::Incoming::Piece) for the
    /// bytes as they arrive, then [`End`](super::Incoming::End), with nothing else in between. The
    /// default is `u32::MAX`, which delivers each message whole.
    ///
    /// No more than the head of such a message is held here. Raise
    /// [`max_packet_size`](Self::max_packet_size), which limits the whole packet, and
    /// [`packet_timeout`](Self::packet_timeout) accordingly. The bytes door alone does this.
    ///
    /// ```
    /// use std::{fs::File, io::Write, time::Duration};
    /// use bytes::BytesMut;
    /// use mqtt_sansio::connection::{Incoming, client::Connection};
    ///
    /// # type Failure = Box<dyn std::error::Error>;
    /// struct Download { mqtt: Connection, file: Option<File> }
    ///
    /// impl Download {
    ///     fn new() -> Self {
    ///         let mqtt = Connection::new().pieces_above(16 * 1024).max_packet_size(u32::MAX);
    ///         Self { mqtt, file: None }
    ///     }
    ///
    ///     fn handle(&mut self, now: Duration, input: &mut BytesMut) -> Result<(), Failure> {
    ///         while let Some(incoming) = self.mqtt.handle_bytes(now, input) {
    ///             match incoming {
    ///                 Incoming::Begin(..) => self.file = Some(File::create("firmware.new")?),
    ///                 Incoming::Piece(bytes) => if let Some(file) = &mut self.file { file.write_all(&bytes)? },
    ///                 Incoming::End(token) => self.mqtt.acknowledge(token)?,
    ///                 _ => {}
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # assert!(Download::new().handle(Duration::ZERO, &mut BytesMut::new()).is_ok());
    /// ```
    #[must_use]
    pub fn pieces_above(mut self, bytes: u32) -> Self {
        self.decoder.set_pieces_above(bytes);
        self.extras().pieces = Some(Self::PIECES);
        self
    }

    /// Limits what is held of a packet while messages arrive [in pieces](Self::pieces_above): the
    /// bytes in front of the payload of such a message, and the size of every packet that is no
    /// PUBLISH. The default is 1 MiB.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: u32) -> Self {
        self.decoder.set_max_head_size(bytes);
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

/// Settings of a client.
impl<M: Publishable> client::Connection<M> {
    /// Limits the time that CONNACK, PINGRESP and each AUTH of the server may take. While other
    /// bytes arrive, PINGRESP has that time again.
    #[must_use]
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.role.pinger.response_timeout = timeout;
        self.answer.set_timeout(timeout);
        self
    }

    /// Sends PINGREQ earlier than at the end of Keep Alive, by so many percent of it: 0 to 90, by
    /// default 5. A real clock fires late, and the packet takes time to arrive.
    #[must_use]
    pub const fn keep_alive_margin(mut self, percent: u8) -> Self {
        self.role.pinger.margin = percent;
        self
    }

    /// Takes Session Present as 1 in every CONNACK of 3.1.1 that may have it, for a server that has
    /// the session and does not say so, such as ActiveMQ Classic.
    ///
    /// Exchanges go on then instead of ending with their outcome: 3.1.1 leaves it to the client what
    /// to do (section 3.2.2.2 of 3.1.1). If the server has lost the session after all, a message
    /// of QoS 2 may arrive twice, and subscriptions are missing.
    #[must_use]
    pub const fn assume_session_present(mut self) -> Self {
        self.role.assumes_session = true;
        self
    }

    /// Sends messages of QoS 0 and requests right behind CONNECT, without waiting for CONNACK,
    /// which saves a round trip (section 3.1.4). They cannot be checked against the server's
    /// limits, and are lost if the server refuses the connection.
    #[must_use]
    pub const fn send_before_conn_ack(mut self) -> Self {
        self.settings.calls_before_conn_ack = true;
        self
    }
}
