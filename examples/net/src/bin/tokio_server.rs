//! A server on tokio for 3.1.1 and 5.0, to build on: `cargo run --bin tokio_server 127.0.0.1:1883`.
//!
//! Sessions, retained messages, wills and subscriptions are in memory, behind one lock, as nothing
//! below it waits. Anyone gets in: users and TLS are to be added.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io};

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::{Incoming, server};
use mqtt_sansio::packet::{ConnAck, Connect, Disconnect, RetainHandling};
use mqtt_sansio::packet::{Subscribe, SubscriptionOptions, Will};
use mqtt_sansio::property::{AckProperties, ConnAckProperties, SubscriptionId};
use mqtt_sansio::session::Session;
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicTree};
use mqtt_sansio::{Message, Publishable, QoS, ReasonCode, Shared, Text, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{interval, sleep};

const CONNECTIONS: usize = 10_000;
const SESSIONS: usize = 20_000;
const SUBSCRIPTIONS_OF_A_CLIENT: usize = 1_000;
const RETAINED: usize = 100_000;
/// Messages that wait for one client. Further ones are dropped.
const QUEUED: u16 = 1_000;
const PACKET_SIZE: u32 = 1024 * 1024;
/// Seconds for which a session is kept, at most.
const SESSION_EXPIRY: u32 = 24 * 3_600;
const CHUNK: usize = 16 * 1024;

type Connection = server::Connection<Shared>;
/// A subscription: the filter as it was sent, and the client.
type Key = (TopicFilter, Text);

/// A network connection, with the client that it was accepted for, and what wakes its task.
struct Link {
    mqtt: Connection,
    client: Option<Text>,
    wake: Arc<Notify>,
}

/// A client with a session. While it is connected, the connection holds the session.
#[derive(Default)]
struct Client {
    link: Option<u64>,
    session: Option<Session<Shared>>,
    filters: BTreeMap<TopicFilter, (SubscriptionOptions, Option<SubscriptionId>)>,
    /// When the session ends, and when the will is due.
    ends: Duration,
    will: Option<(Duration, Will)>,
    /// The last message that it got.
    served: u64,
}

#[derive(Default)]
struct Broker {
    now: Duration,
    links: HashMap<u64, Link>,
    clients: HashMap<Text, Client>,
    /// Under the filter to match names with, without `$share` and a share name.
    subscriptions: FilterTree<BTreeSet<Key>>,
    retained: TopicTree<(QoS, Shared)>,
    /// The number of the last connection or message.
    last: u64,
}

fn without_share(filter: &TopicFilter) -> TopicFilter<&[u8]> {
    let shared = filter.shared().ok().flatten();
    shared.map_or(filter.as_borrowed(), |shared| shared.filter)
}

impl Broker {
    fn open(&mut self, wake: Arc<Notify>) -> u64 {
        let mqtt = Connection::keeping(self.now, Duration::from_secs(10));
        let mqtt = mqtt.max_packet_size(PACKET_SIZE).max_queued(QUEUED.into());
        let client = None;
        self.last += 1;
        self.links.insert(self.last, Link { mqtt, client, wake });
        self.last
    }

    fn mqtt(&mut self, id: u64) -> Option<&mut Connection> {
        Some(&mut self.links.get_mut(&id)?.mqtt)
    }

    /// Handles what a client sent. Returns how long to wait, or `None` if the connection is over.
    fn turn(&mut self, id: u64, input: &mut BytesMut, output: &mut BytesMut) -> Option<Duration> {
        let now = self.now;
        while let Some(incoming) = self.mqtt(id)?.handle_bytes(now, input) {
            let client = self.links.get(&id)?.client.clone();
            match (incoming, client) {
                (Incoming::Connect(connect), _) => self.connect(id, &connect)?,
                (Incoming::Subscribe(subscribe, token), Some(client)) => {
                    let codes = self.subscribe(&client, &subscribe)?;
                    let _ = self.mqtt(id)?.sub_ack(token, codes);
                }
                (Incoming::Unsubscribe(unsubscribe, token), Some(client)) => {
                    let filters = unsubscribe.filters.iter().map(|filter| filter.to_owned());
                    let codes = filters.map(|filter| self.unsubscribe(&client, filter));
                    let codes: Vec<_> = codes.collect();
                    let _ = self.mqtt(id)?.unsub_ack(token, codes);
                }
                (Incoming::Message(message, token), Some(client)) => {
                    // A copy, as it may be kept for longer than what else was read with it.
                    let reason = self.publish(&client, token.qos(), message.to_owned());
                    let mqtt = self.mqtt(id)?;
                    let done = mqtt.acknowledge_with(token, reason, AckProperties::default());
                    // 3.1.1 cannot refuse a message.
                    let _ = done.or_else(|_| mqtt.acknowledge(token));
                }
                // AUTH, of which no method is accepted.
                _ => {}
            }
        }
        self.mqtt(id)?.handle_timeout(now);
        self.closed(id);
        let mqtt = self.mqtt(id)?;
        while mqtt.poll_event().is_some() {}
        if output.is_empty() {
            mqtt.poll_bytes(now, &mut output.limit(CHUNK));
        }
        let over = mqtt.is_closed() && output.is_empty();
        (!over).then(|| mqtt.wait(now).unwrap_or(Duration::MAX))
    }

    fn connect(&mut self, id: u64, connect: &Connect) -> Option<()> {
        let mut properties = ConnAckProperties::builder();
        let mut name = connect.client_id.to_owned();
        if name.is_empty() {
            name = format!("client-{id}").parse().ok()?;
            properties = properties.assigned_client_identifier(name.as_borrowed());
        }
        let is_full = self.clients.len() >= SESSIONS && !self.clients.contains_key(&name);
        let mut connack = ConnAck::new(match connect.properties.authentication_method() {
            Some(_) => ReasonCode::BadAuthenticationMethod,
            None if is_full => ReasonCode::ServerUnavailable,
            None => ReasonCode::Success,
        });
        if connack.reason.is_error() {
            return self.mqtt(id)?.refuse(connack).ok();
        }
        // An older connection of this client ends, and leaves the session here [MQTT-3.1.4-3].
        if let Some(older) = self.clients.get(&name).and_then(|client| client.link) {
            let link = self.links.get_mut(&older)?;
            let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
            let _ = link.mqtt.disconnect(taken_over);
            link.wake.notify_one();
            self.closed(older);
        }
        self.settle(&name, connect.clean_start);
        let link = self.links.get_mut(&id)?;
        if link.mqtt.version() == Version::V5 {
            let asked = connect.properties.session_expiry_interval().unwrap_or(0);
            properties = properties.session_expiry_interval(asked.min(SESSION_EXPIRY));
            connack.properties = properties.build();
        }
        let client = self.clients.entry(name.clone()).or_default();
        let accepted = link.mqtt.accept(self.now, connack, &mut client.session);
        accepted.ok()?;
        // The client is back before its will was due [MQTT-3.1.3-9].
        (client.link, client.ends, client.will) = (Some(id), Duration::MAX, None);
        link.client = Some(name);
        Some(())
    }

    /// Keeps the session and the will of a connection, if that is over.
    fn closed(&mut self, id: u64) -> Option<()> {
        let link = self.links.get_mut(&id)?;
        let name = link.client.take_if(|_| !link.mqtt.is_connected())?;
        let client = self.clients.get_mut(&name)?;
        let expiry = link.mqtt.session_expiry_interval().min(SESSION_EXPIRY);
        let after = |seconds: u32| self.now + Duration::from_secs(seconds.into());
        let delay = |will: &Will| will.properties.will_delay_interval().unwrap_or(0);
        let will = link.mqtt.take_will();
        client.will = will.map(|will| (after(delay(&will)), will));
        (client.link, client.ends) = (None, after(expiry));
        client.session = link.mqtt.take_session();
        self.settle(&name, false)
    }

    /// Publishes the will if it is due, and ends the session if that is `over` or has expired.
    fn settle(&mut self, name: &Text, over: bool) -> Option<()> {
        let client = self.clients.get_mut(name)?;
        let over = over || client.ends <= self.now;
        let will = client.will.take_if(|(due, _)| over || *due <= self.now);
        if over {
            for (filter, _) in self.clients.remove(name)?.filters {
                self.unsubscribe(name, filter);
            }
        }
        let (_, will) = will?;
        self.publish(name, will.qos, will.to_message());
        Some(())
    }

    /// Done once a second.
    fn tick(&mut self) {
        for name in self.clients.keys().cloned().collect::<Vec<_>>() {
            self.settle(&name, false);
        }
    }

    fn subscribe(&mut self, name: &Text, subscribe: &Subscribe) -> Option<Vec<ReasonCode>> {
        let id = subscribe.properties.subscription_identifier();
        let mut codes = Vec::new();
        for asked in &subscribe.subscriptions {
            let (options, key) = (asked.options, (asked.filter.to_owned(), name.clone()));
            let client = self.clients.get_mut(name)?;
            if client.filters.len() >= SUBSCRIPTIONS_OF_A_CLIENT || key.0.shared().is_err() {
                // The only code that both versions have.
                codes.push(ReasonCode::UnspecifiedError);
                continue;
            }
            codes.push(ReasonCode::from(options.maximum_qos));
            let old = client.filters.insert(key.0.clone(), (options, id));
            let wanted = match options.retain_handling {
                RetainHandling::SendAtSubscribe => !key.0.is_shared(),
                RetainHandling::SendIfNew => old.is_none() && !key.0.is_shared(),
                RetainHandling::DoNotSend => false,
            };
            let retained = self.retained.matching(&key.0).filter(|_| wanted);
            for (qos, message) in retained.cloned().collect::<Vec<_>>() {
                self.deliver(&key, None, qos, message);
            }
            let place = without_share(&key.0);
            let here = self.subscriptions.get_or_insert_with(&place, BTreeSet::new);
            here.insert(key);
        }
        Some(codes)
    }

    fn unsubscribe(&mut self, name: &Text, filter: TopicFilter) -> ReasonCode {
        let client = self.clients.get_mut(name);
        let removed = client.and_then(|client| client.filters.remove(&filter));
        let place = without_share(&filter).to_owned();
        let here = self.subscriptions.get_or_insert_with(&place, BTreeSet::new);
        here.remove(&(filter, name.clone()));
        if here.is_empty() {
            self.subscriptions.remove(&place);
        }
        removed.map_or(ReasonCode::NoSubscriptionExisted, |_| ReasonCode::Success)
    }

    /// Retains a message if it is to be, and gives it to its subscribers.
    fn publish(&mut self, from: &Text, qos: QoS, message: Message) -> ReasonCode {
        let (topic, retain) = (message.topic.clone(), message.retain);
        let message = Shared::new(message.forwarded()).received_at(self.now);
        let is_full = self.retained.len() >= RETAINED && self.retained.get(&topic).is_none();
        if retain && message.payload().is_empty() {
            self.retained.remove(&topic);
        } else if retain && is_full {
            return ReasonCode::QuotaExceeded;
        } else if retain {
            self.retained.insert(&topic, (qos, message.clone()));
        }
        let mut chosen = BTreeMap::new();
        for key in self.subscriptions.matches(&topic).flatten() {
            let client = self.clients.get(&key.1);
            // Of a share, one that is connected rather than not, and then the one served first.
            let rank = client.map(|client| (client.link.is_none(), client.served));
            let all = (!key.0.is_shared()).then_some(&key.1);
            let best = chosen.entry((&key.0, all)).or_insert((rank, key));
            *best = (rank, key).min(*best);
        }
        self.last += 1;
        let chosen: Vec<_> = chosen.into_values().map(|(_, key)| key.clone()).collect();
        for key in chosen {
            self.deliver(&key, Some(from), qos, message.clone());
        }
        ReasonCode::Success
    }

    /// Gives a client a message that `from` publishes, or a retained one if that is `None`.
    fn deliver(&mut self, to: &Key, from: Option<&Text>, qos: QoS, message: Shared) -> Option<()> {
        let client = self.clients.get_mut(&to.1)?;
        let (options, id) = *client.filters.get(&to.0)?;
        if options.no_local && from == Some(&to.1) {
            return None;
        }
        let (qos, mut message) = (qos.min(options.maximum_qos), message.with_ids(id));
        if from.is_some() && !options.retain_as_published {
            message = message.with_retain(false);
        }
        client.served = self.last;
        if let Some(link) = client.link.and_then(|link| self.links.get_mut(&link)) {
            // What is refused is above a limit.
            let _ = link.mqtt.publish(qos, message);
            link.wake.notify_one();
        } else {
            let session = client.session.as_mut();
            let session = session.filter(|session| session.packet_ids_in_use() < QUEUED)?;
            // QoS 0 is refused: it does not wait.
            let _ = session.publish_until(message.expires(), qos, message);
        }
        Some(())
    }
}

/// The broker for all tasks, and the beginning of its time.
#[derive(Clone)]
struct Server(Arc<Mutex<Broker>>, Instant);

impl Server {
    fn with<T>(&self, action: impl FnOnce(&mut Broker) -> T) -> T {
        let mut broker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        broker.now = self.1.elapsed();
        action(&mut broker)
    }

    async fn serve(self, mut socket: TcpStream, id: u64, wake: Arc<Notify>) {
        let (mut reader, mut writer) = socket.split();
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        while let Some(wait) = self.with(|broker| broker.turn(id, &mut input, &mut output)) {
            input.reserve(CHUNK);
            let lost = tokio::select! {
                read = reader.read_buf(&mut input) => !matches!(read, Ok(1..)),
                sent = writer.write_buf(&mut output), if !output.is_empty() => sent.is_err(),
                () = sleep(wait) => false,
                () = wake.notified() => false,
            };
            if lost {
                output.clear();
                self.with(|broker| broker.mqtt(id).map(Connection::handle_close));
            }
        }
        self.with(|broker| broker.links.remove(&id));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:1883")).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server(Arc::default(), Instant::now());
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        let is_free = server.with(|broker| broker.links.len() < CONNECTIONS);
        tokio::select! {
            accepted = listener.accept(), if is_free => if let Ok((socket, _)) = accepted {
                let wake = Arc::default();
                let id = server.with(|broker| broker.open(Arc::clone(&wake)));
                tokio::spawn(server.clone().serve(socket, id, wake));
            },
            _ = seconds.tick() => server.with(Broker::tick),
        }
    }
}
