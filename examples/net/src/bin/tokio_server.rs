//! A server on tokio for 3.1.1 and 5.0, to build on: `cargo run --bin tokio_server 127.0.0.1:1883`.
//!
//! Retained messages, wills with their delay, shared subscriptions, sessions that outlive their
//! connections, takeover, message expiry and limits, all in memory. Anyone gets in: users and TLS
//! are to be added. One lock holds everything, as nothing below it waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io};

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::{Event, Incoming, server};
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
/// Messages that wait for one client. What comes on top is dropped.
const QUEUED: u16 = 1_000;
const PACKET_SIZE: u32 = 1024 * 1024;
/// Seconds for which a session is kept, at most.
const SESSION_EXPIRY: u32 = 24 * 3_600;
const CHUNK: usize = 16 * 1024;

type Connection = server::Connection<Shared>;
/// The filter as it was sent, and the client.
type Key = (TopicFilter, Text);
type Subscription = (SubscriptionOptions, Option<SubscriptionId>);

/// A network connection: whose it is, and what wakes its task.
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
    filters: BTreeSet<TopicFilter>,
    /// When the session ends, and when the will is due.
    ends: Option<Duration>,
    will: Option<(Duration, Will)>,
}

#[derive(Default)]
struct Broker {
    now: Duration,
    links: HashMap<u64, Link>,
    clients: HashMap<Text, Client>,
    subscriptions: FilterTree<BTreeMap<Key, Subscription>>,
    retained: TopicTree<(QoS, Shared)>,
    /// The numbers of the last connection and of the last message.
    opened: u64,
    published: usize,
}

/// The filter to match names with, which for a shared subscription is behind its share name.
fn inner(filter: &TopicFilter) -> TopicFilter<&[u8]> {
    let shared = filter.shared().ok().flatten();
    shared.map_or(filter.as_borrowed(), |shared| shared.filter)
}

impl Broker {
    fn open(&mut self, wake: Arc<Notify>) -> Option<u64> {
        let mqtt = Connection::keeping(self.now, Duration::from_secs(10));
        let mqtt = mqtt.max_packet_size(PACKET_SIZE).max_queued(QUEUED.into());
        let (client, free) = (None, self.links.len() < CONNECTIONS);
        self.opened += 1;
        free.then(|| self.links.insert(self.opened, Link { mqtt, client, wake }));
        free.then_some(self.opened)
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
                    let codes = self.subscribe(client, &subscribe)?;
                    let _ = self.mqtt(id)?.sub_ack(token, codes);
                }
                (Incoming::Unsubscribe(unsubscribe, token), Some(client)) => {
                    let filters = unsubscribe.filters.iter().map(|filter| filter.to_owned());
                    let codes: Vec<_> =
                        filters.map(|filter| self.remove(&client, filter)).collect();
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
        while let Some(event) = self.mqtt(id)?.poll_event() {
            if let Event::Closed(_) = event {
                self.closed(id);
            }
        }
        let mqtt = self.mqtt(id)?;
        if output.is_empty() {
            mqtt.poll_bytes(now, &mut output.limit(CHUNK));
        }
        let over = mqtt.is_closed() && output.is_empty();
        (!over).then(|| mqtt.wait(now).unwrap_or(Duration::from_secs(3_600)))
    }

    fn connect(&mut self, id: u64, connect: &Connect) -> Option<()> {
        let name = match connect.client_id.is_empty() {
            true => format!("client-{id}").parse().ok()?,
            false => connect.client_id.to_owned(),
        };
        // An older connection of this client ends, and leaves the session here [MQTT-3.1.4-3].
        if let Some(older) = self.clients.get(&name).and_then(|client| client.link) {
            let link = self.links.get_mut(&older)?;
            let _ = link
                .mqtt
                .disconnect(Disconnect::new(ReasonCode::SessionTakenOver));
            link.wake.notify_one();
            self.closed(older);
        }
        if connect.clean_start {
            self.end_session(&name);
        }
        let mut connack = ConnAck::new(ReasonCode::Success);
        if connect.properties.authentication_method().is_some() {
            connack.reason = ReasonCode::BadAuthenticationMethod;
        } else if self.clients.len() >= SESSIONS && !self.clients.contains_key(&name) {
            connack.reason = ReasonCode::ServerUnavailable;
        }
        let (now, link) = (self.now, self.links.get_mut(&id)?);
        if connack.reason.is_error() {
            let _ = link.mqtt.refuse(connack);
            return Some(());
        }
        if link.mqtt.version() == Version::V5 {
            let asked = connect.properties.session_expiry_interval().unwrap_or(0);
            let builder =
                ConnAckProperties::builder().session_expiry_interval(asked.min(SESSION_EXPIRY));
            connack.properties = match connect.client_id.is_empty() {
                true => builder
                    .assigned_client_identifier(name.as_borrowed())
                    .build(),
                false => builder.build(),
            };
        }
        let client = self.clients.entry(name.clone()).or_default();
        // The client is back before its will was due [MQTT-3.1.3-9].
        (client.link, client.ends, client.will) = (Some(id), None, None);
        link.client = Some(name);
        let accepted = link.mqtt.accept(now, connack, &mut client.session);
        accepted.map_err(|_| link.mqtt.handle_close()).ok()
    }

    /// A connection is over: what becomes of its session and its will.
    fn closed(&mut self, id: u64) -> Option<()> {
        let link = self.links.get_mut(&id)?;
        let name = link.client.take()?;
        let client = self.clients.get_mut(&name)?;
        let expiry = link.mqtt.session_expiry_interval().min(SESSION_EXPIRY);
        let after = |seconds: u32| self.now + Duration::from_secs(seconds.into());
        client.will = link.mqtt.take_will().map(|will| {
            let delay = will.properties.will_delay_interval().unwrap_or(0);
            (after(delay.min(expiry)), will)
        });
        (client.link, client.ends) = (None, Some(after(expiry)));
        client.session = link.mqtt.take_session();
        self.settle(&name)
    }

    /// Publishes the will if it is due, and ends the session if its time is over.
    fn settle(&mut self, name: &Text) -> Option<()> {
        let client = self.clients.get_mut(name)?;
        let will = client.will.take_if(|(due, _)| *due <= self.now);
        let over = client.ends.is_some_and(|at| at <= self.now);
        if let Some((_, will)) = will {
            self.publish(name, will.qos, will.to_message());
        }
        over.then(|| self.end_session(name))?
    }

    fn end_session(&mut self, name: &Text) -> Option<()> {
        let client = self.clients.remove(name)?;
        for filter in client.filters {
            self.remove(name, filter);
        }
        // Its delay ends with the session.
        let (_, will) = client.will?;
        self.publish(name, will.qos, will.to_message());
        Some(())
    }

    /// Done once a second.
    fn tick(&mut self) {
        let names: Vec<_> = self.clients.keys().cloned().collect();
        for name in names {
            self.settle(&name);
        }
    }

    fn subscribe(&mut self, name: Text, subscribe: &Subscribe) -> Option<Vec<ReasonCode>> {
        let id = subscribe.properties.subscription_identifier();
        let mut codes = Vec::new();
        for asked in &subscribe.subscriptions {
            let (filter, options) = (asked.filter.to_owned(), asked.options);
            let client = self.clients.get_mut(&name)?;
            if client.filters.len() >= SUBSCRIPTIONS_OF_A_CLIENT || filter.shared().is_err() {
                // The only code that both versions have.
                codes.push(ReasonCode::UnspecifiedError);
                continue;
            }
            codes.push(ReasonCode::try_from(options.maximum_qos.level()).ok()?);
            let is_new = client.filters.insert(filter.clone());
            let handling = options.retain_handling;
            let wanted = is_new && handling == RetainHandling::SendIfNew
                || handling == RetainHandling::SendAtSubscribe;
            let retained = self
                .retained
                .matching(&filter)
                .filter(|_| wanted && !filter.is_shared());
            for (qos, message) in retained.cloned().collect::<Vec<_>>() {
                self.deliver(&name, (options, id), qos, message.with_retain(true));
            }
            let place = inner(&filter);
            let here = self.subscriptions.get_or_insert_with(&place, BTreeMap::new);
            here.insert((filter.clone(), name.clone()), (options, id));
        }
        Some(codes)
    }

    /// Removes a subscription. Returns the code for UNSUBACK.
    fn remove(&mut self, name: &Text, filter: TopicFilter) -> ReasonCode {
        let client = self.clients.get_mut(name);
        client.map(|client| client.filters.remove(&filter));
        let place = inner(&filter).to_owned();
        let Some(here) = self.subscriptions.get_mut(&place) else {
            return ReasonCode::NoSubscriptionExisted;
        };
        let removed = here.remove(&(filter, name.clone()));
        if here.is_empty() {
            self.subscriptions.remove(&place);
        }
        removed.map_or(ReasonCode::NoSubscriptionExisted, |_| ReasonCode::Success)
    }

    /// Retains a message if it is to be, and gives it to its subscribers.
    fn publish(&mut self, from: &Text, qos: QoS, message: Message) -> ReasonCode {
        let (topic, retain) = (message.topic.clone(), message.retain);
        let (seconds, empty) = (
            message.properties.message_expiry_interval(),
            message.payload.is_empty(),
        );
        let expiry = seconds.map(|seconds| self.now + Duration::from_secs(seconds.into()));
        let message = Shared::new(message.forwarded()).with_expiry(expiry);
        if retain && empty {
            self.retained.remove(&topic);
        } else if retain {
            if self.retained.len() >= RETAINED && self.retained.get(&topic).is_none() {
                return ReasonCode::QuotaExceeded;
            }
            self.retained.insert(&topic, (qos, message.clone()));
        }
        let (mut to, mut shares) = (Vec::new(), BTreeMap::<_, [Vec<_>; 2]>::new());
        for ((filter, name), subscription) in self.subscriptions.matches(&topic).flatten() {
            if filter.is_shared() {
                // Rather a member that is connected.
                let [here, away] = shares.entry(filter).or_default();
                let client = self.clients.get(name);
                let connected = client.is_some_and(|client| client.link.is_some());
                if connected { here } else { away }.push((name.clone(), *subscription));
            } else if !(subscription.0.no_local && name == from) {
                to.push((name.clone(), *subscription));
            }
        }
        self.published = self.published.wrapping_add(1);
        for [here, away] in shares.into_values() {
            let mut members = if here.is_empty() { away } else { here };
            to.push(members.swap_remove(self.published % members.len()));
        }
        for (name, subscription) in to {
            let retain = retain && subscription.0.retain_as_published;
            self.deliver(
                &name,
                subscription,
                qos,
                message.clone().with_retain(retain),
            );
        }
        ReasonCode::Success
    }

    fn deliver(&mut self, to: &Text, (options, id): Subscription, qos: QoS, message: Shared) {
        let (qos, message) = (qos.min(options.maximum_qos), message.with_ids(id));
        let Some(client) = self.clients.get_mut(to) else {
            return;
        };
        if let Some(link) = client.link.and_then(|link| self.links.get_mut(&link)) {
            // What is refused is above a limit.
            let _ = link.mqtt.publish(qos, message);
            link.wake.notify_one();
        } else if let Some(session) = client
            .session
            .as_mut()
            .filter(|s| s.packet_ids_in_use() < QUEUED)
        {
            // QoS 0 is refused: it does not wait.
            let _ = match message.expires() {
                Some(at) => session.publish_until(at, qos, message),
                None => session.publish(qos, message),
            };
        }
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

    async fn serve(self, mut socket: TcpStream) {
        let (mut reader, mut writer) = socket.split();
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let wake = Arc::new(Notify::new());
        let Some(id) = self.with(|broker| broker.open(wake.clone())) else {
            return;
        };
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
    let address = env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:1883".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server(Arc::default(), Instant::now());
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                tokio::spawn(server.clone().serve(socket));
            },
            _ = seconds.tick() => server.with(Broker::tick),
        }
    }
}
