use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::message::{Arc, Message, Outline, Publishable};
use crate::property::{Properties, SubscriptionId};
use crate::version::Version;

/// One message for many subscribers, each with its own Subscription Identifiers and RETAIN flag. To
/// clone it does not copy the message. The quickest way to send it is
/// [`publish_into`](crate::connection::Connection::publish_into).
///
/// It is sent without properties in 3.1.1. On targets without compare-and-swap it is not `Send`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Shared {
    message: Arc<(Outline, Message)>,
    retain: bool,
    apart: bool,
    ids: Ids,
    expires: Option<Duration>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Ids {
    /// No or one identifier, as nearly all subscriptions have.
    Few(Option<SubscriptionId>),
    Many(Arc<[SubscriptionId]>),
}

impl Shared {
    /// Makes a message to share.
    pub fn new(message: Message) -> Self {
        Self {
            retain: message.retain,
            apart: false,
            message: Arc::new((Outline::new(&message), message)),
            ids: Ids::Few(None),
            expires: None,
        }
    }

    /// Replaces the Subscription Identifiers. Does not allocate for one.
    #[must_use]
    pub fn with_ids(mut self, ids: impl IntoIterator<Item = SubscriptionId>) -> Self {
        let mut ids = ids.into_iter();
        let first = ids.next();
        self.ids = match (first, ids.next()) {
            (Some(first), Some(second)) => Ids::Many(
                [first, second]
                    .into_iter()
                    .chain(ids)
                    .collect::<Vec<_>>()
                    .into(),
            ),
            _ => Ids::Few(first),
        };
        self
    }

    /// Sets the RETAIN flag, for subscriptions without Retain As Published and for retained
    /// messages (section 3.3.1.3).
    #[must_use]
    pub const fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Sets the time at which the message was received, from which its Message Expiry Interval
    /// counts [MQTT-3.3.2-6]: for one that is retained or waits elsewhere before it is published.
    #[must_use]
    pub fn received_at(mut self, now: Duration) -> Self {
        let seconds = self.message.0.expiry();
        let end = |seconds: u32| now.saturating_add(Duration::from_secs(seconds.into()));
        self.expires = seconds.map(end);
        self
    }
}

impl Shared {
    /// Sends the payload apart from the head, so that it is not copied for each subscriber:
    /// [`poll_bytes`](crate::connection::Connection::poll_bytes) writes the head, and
    /// [`poll_payload`](crate::connection::Connection::poll_payload) returns this message. Worth it
    /// for payloads of some kilobytes, with a vectored write:
    ///
    /// ```
    /// use std::io::{self, IoSlice, Write};
    /// use std::time::Duration;
    /// use mqtt_sansio::Shared;
    /// use mqtt_sansio::connection::server::Connection;
    ///
    /// fn write(mqtt: &mut Connection<Shared>, now: Duration, socket: &mut impl Write) -> io::Result<()> {
    ///     let mut head = Vec::new();
    ///     while mqtt.poll_bytes(now, &mut head) {
    ///         let Some(part) = mqtt.poll_payload() else { continue };
    ///         let payload = &part.message.payload()[part.position as usize..];
    ///         let written = socket.write_vectored(&[IoSlice::new(&head), IoSlice::new(payload)])?;
    ///         // What the socket did not take is copied here, for brevity.
    ///         if let Some(rest) = head.get(written..) { socket.write_all(rest)?; }
    ///         socket.write_all(&payload[written.saturating_sub(head.len())..])?;
    ///         let len = part.len;
    ///         mqtt.payload_written(now, len).map_err(io::Error::other)?;
    ///         head.clear();
    ///     }
    ///     socket.write_all(&head)
    /// }
    /// # let mut mqtt = Connection::keeping(Duration::ZERO, Duration::MAX);
    /// # write(&mut mqtt, Duration::ZERO, &mut Vec::new())?;
    /// # Ok::<(), io::Error>(())
    /// ```
    #[must_use]
    pub const fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.message.1.payload
    }
}

impl From<Message> for Shared {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}

impl Publishable for Shared {
    fn message(&self, version: Version) -> Message<&[u8]> {
        let mut message = self.message.1.as_borrowed();
        message.retain = self.retain;
        if version == Version::V311 {
            message.properties = Properties::EMPTY;
        }
        if self.apart {
            message.payload = &[];
        }
        message
    }

    #[inline]
    fn outline(&self, version: Version) -> Outline {
        let outline = self.message.0.with_retain(self.retain);
        outline.in_version(version)
    }

    fn payload_len(&self) -> Option<u32> {
        let len = u32::try_from(self.payload().len());
        self.apart.then(|| len.unwrap_or(u32::MAX))
    }

    fn expires(&self) -> Option<Duration> {
        self.expires
    }

    fn subscription_ids(&self) -> &[SubscriptionId] {
        match &self.ids {
            Ids::Few(id) => id.as_slice(),
            Ids::Many(ids) => ids,
        }
    }
}
