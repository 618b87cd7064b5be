use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use mqtt_sansio::{QoS, Rules};

use crate::Broker;

/// What the broker offers, and how much a client may make it hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The rules that clients may break.
    pub rules: Rules,
    /// How long CONNECT, and each AUTH before CONNACK, may take.
    pub connect_timeout: Duration,
    /// The longest Keep Alive in seconds, announced in 5.0 where the client asks for more. 0 leaves
    /// it to the client, and so does 3.1.1, which has no Server Keep Alive.
    pub max_keep_alive: u16,
    /// Messages of QoS 1 and 2 that a client may have unacknowledged. 3.1.1 is not told: there it may
    /// have one for each packet identifier, which costs about 3 MB.
    pub receive_maximum: NonZeroU16,
    /// The highest topic alias that a client may use.
    pub topic_alias_maximum: u16,
    /// How many topic aliases are used towards a client that takes them.
    pub aliases_to_clients: u16,
    /// The largest packet that is taken, in bytes.
    pub maximum_packet_size: NonZeroU32,
    /// The highest QoS that is taken and granted.
    pub maximum_qos: QoS,
    /// Whether there are retained messages.
    pub retain: bool,
    /// Whether there are shared subscriptions.
    pub shared: bool,
    /// Whether clients may exchange messages on topics that begin with `$`, which servers should
    /// prevent (section 4.7.2). Those that begin with `$SYS/` are the broker's in any case.
    pub dollar_topics: bool,
    /// The longest that a session outlives its connection, in seconds; `u32::MAX` is for ever.
    pub max_session_expiry: u32,
    /// How often the `$SYS` topics are published, at most once a second; `None` is never.
    pub sys_interval: Option<Duration>,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections that have not finished CONNECT; above that the oldest of them is closed.
    pub max_pending: usize,
    /// Bytes of the beginnings of packets, of all connections together; above that the connection
    /// with the most of them is closed.
    pub max_input_bytes: usize,
    /// Sessions, with and without a connection.
    pub max_sessions: usize,
    /// Subscriptions of one session, and filters in one SUBSCRIBE.
    pub max_subscriptions: usize,
    /// Bytes that the subscriptions of one session take.
    pub max_subscription_bytes: usize,
    /// Messages that wait for one session, to be sent or to be sent again.
    pub max_queued: usize,
    /// Bytes of the messages that wait for one session or are unacknowledged.
    pub max_queued_bytes: usize,
    /// Messages of QoS 1 and 2 that are unacknowledged by one client, whatever it allows; at
    /// least one.
    pub max_in_flight: u16,
    /// Bytes of SUBACK and UNSUBACK that one client leaves unread, but for the last of these
    /// packets: 384 for each, and one for each reason code.
    pub max_answer_bytes: usize,
    /// Retained messages.
    pub max_retained: usize,
    /// Bytes of the retained messages.
    pub max_retained_bytes: usize,
    /// Whether [`serve`](crate::serve) and [`spawn`](crate::spawn) say on standard error who comes
    /// and goes.
    pub log: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rules: Rules::STRICT,
            connect_timeout: Duration::from_secs(10),
            max_keep_alive: 0,
            receive_maximum: NonZeroU16::MAX,
            topic_alias_maximum: 16,
            aliases_to_clients: 16,
            maximum_packet_size: const { NonZeroU32::new(16 << 20).unwrap() },
            maximum_qos: QoS::ExactlyOnce,
            retain: true,
            shared: true,
            dollar_topics: false,
            max_session_expiry: u32::MAX,
            sys_interval: Some(Duration::from_secs(10)),
            max_connections: 10_000,
            max_pending: 1_000,
            max_input_bytes: 256 << 20,
            max_sessions: 20_000,
            max_subscriptions: 1_000,
            max_subscription_bytes: 4 << 20,
            max_queued: 10_000,
            max_queued_bytes: 64 << 20,
            max_in_flight: 20,
            max_answer_bytes: 512 << 10,
            max_retained: 100_000,
            max_retained_bytes: 256 << 20,
            log: false,
        }
    }
}

/// A broker that lets everyone do everything.
impl From<Config> for Broker {
    fn from(config: Config) -> Self {
        Self::new(config)
    }
}

impl Config {
    pub(crate) fn in_flight(&self) -> NonZeroU16 {
        NonZeroU16::new(self.max_in_flight).unwrap_or(NonZeroU16::MIN)
    }
}
