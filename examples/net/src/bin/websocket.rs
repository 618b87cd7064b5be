//! A server over WebSocket, for MQTT 3.1.1 and 5.0. Each message goes to the clients that subscribed
//! to it. There are wills and takeover, but no retained messages, no sessions that outlive their
//! connection, and no limits but those of each connection.
//!
//! ```text
//! websocket [HOST:PORT]
//! ```

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::{ConnectionError, Incoming, server::Connection};
use mqtt_sansio::packet::{ConnAck, Connect, Disconnect, Subscribe, SubscriptionOptions};
use mqtt_sansio::property::{ConnAckProperties, SubscriptionId};
use mqtt_sansio::topic::{FilterTree, TopicFilter};
use mqtt_sansio::{Message, QoS, ReasonCode, Shared, Text, Version};
use net::websocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout, timeout_at};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The time for the handshake, for CONNECT, and for a frame to a client to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes in one frame to a client.
const FRAME: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("ws://{}", listener.local_addr()?);
    let hub = Rc::new(RefCell::new(Hub::new()));
    let serving = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let hub = hub.clone();
                    spawn_local(async move {
                        if let Err(error) = serve(&hub, stream).await {
                            eprintln!("{error}");
                        }
                    });
                }
                // Too many files are open, for example.
                Err(error) => {
                    eprintln!("{error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    LocalSet::new().run_until(serving).await;
    Ok(())
}

/// Serves one client.
async fn serve(hub: &RefCell<Hub>, stream: TcpStream) -> Outcome {
    stream.set_nodelay(true)?;
    let socket = timeout(PATIENCE, websocket::accept(stream)).await??;
    let me = hub.borrow_mut().open();
    let outcome = exchange(hub, me, socket).await;
    hub.borrow_mut().leave(me);
    outcome
}

/// Carries bytes between a client and its connection, until that is over.
async fn exchange(
    hub: &RefCell<Hub>,
    me: usize,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Outcome {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut is_sending = false;
    let mut deadline = Instant::now();
    loop {
        let (wait, wake) = {
            let mut hub = hub.borrow_mut();
            let (now, client) = hub.client(me)?;
            if !is_sending {
                is_sending = client.mqtt.poll_bytes(now, &mut (&mut output).limit(FRAME));
                deadline = Instant::now() + PATIENCE;
            }
            if client.mqtt.is_closed() && !is_sending {
                break;
            }
            (client.mqtt.wait(now), client.wake.clone())
        };
        // Reading goes on while the client does not read: it may be waiting in the same way.
        tokio::select! {
            sent = timeout_at(deadline, send(&mut writer, &mut output)), if is_sending => {
                sent??;
                is_sending = false;
            }
            read = reader.read_buf(&mut input) => if read? == 0 {
                hub.borrow_mut().client(me)?.1.mqtt.handle_close();
            },
            () = wake.notified() => {}
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
        hub.borrow_mut().handle(me, &mut input)?;
    }
    timeout(PATIENCE, writer.shutdown()).await??;
    Ok(hub.borrow_mut().client(me)?.1.mqtt.ended()?)
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), output: &mut BytesMut) -> io::Result<()> {
    writer.write_all_buf(output).await?;
    writer.flush().await
}

/// All clients, and who gets which messages.
struct Hub {
    start: Instant,
    opened: usize,
    clients: HashMap<usize, Client>,
    /// The clients that have a client identifier.
    ids: HashMap<Text, usize>,
    tree: FilterTree<HashMap<usize, (SubscriptionOptions, Option<SubscriptionId>)>>,
}

struct Client {
    mqtt: Connection<Shared>,
    /// Wakes its task when another client has given `mqtt` something to do.
    wake: Rc<Notify>,
    id: Text,
    filters: HashSet<TopicFilter>,
}

impl Hub {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            opened: 0,
            clients: HashMap::new(),
            ids: HashMap::new(),
            tree: FilterTree::new(),
        }
    }

    fn open(&mut self) -> usize {
        self.opened += 1;
        let client = Client {
            mqtt: Connection::keeping(self.start.elapsed(), PATIENCE),
            wake: Rc::default(),
            id: Text::default(),
            filters: HashSet::new(),
        };
        self.clients.insert(self.opened, client);
        self.opened
    }

    fn client(&mut self, me: usize) -> Outcome<(Duration, &mut Client)> {
        let client = self.clients.get_mut(&me).ok_or("the client is gone")?;
        Ok((self.start.elapsed(), client))
    }

    fn handle(&mut self, me: usize, input: &mut BytesMut) -> Outcome {
        loop {
            let (now, client) = self.client(me)?;
            match client.mqtt.handle_bytes(now, input) {
                Some(Incoming::Connect(connect)) => self.connect(me, &connect)?,
                Some(Incoming::Subscribe(subscribe, token)) => {
                    let codes = self.subscribe(me, &subscribe)?;
                    self.client(me)?.1.mqtt.sub_ack(token, codes)?;
                }
                Some(Incoming::Unsubscribe(unsubscribe, token)) => {
                    let codes = unsubscribe
                        .filters
                        .iter()
                        .map(|filter| self.unsubscribe(me, &filter.to_owned()));
                    let codes: Vec<_> = codes.collect();
                    self.client(me)?.1.mqtt.unsub_ack(token, codes)?;
                }
                Some(Incoming::Message(message, token)) => {
                    self.publish(me, token.qos(), message.forwarded());
                    // It fails if the connection is over.
                    let _ = self.client(me)?.1.mqtt.acknowledge(token);
                }
                Some(_) => {}
                None => break,
            }
        }
        let (now, client) = self.client(me)?;
        client.mqtt.handle_timeout(now);
        while client.mqtt.poll_event().is_some() {}
        Ok(())
    }

    fn connect(&mut self, me: usize, connect: &Connect) -> Outcome {
        let (now, client) = self.client(me)?;
        let will = connect.will.as_ref();
        let refusal = if connect.properties.authentication_method().is_some() {
            Some(ReasonCode::BadAuthenticationMethod)
        } else if will.is_some_and(|will| will.retain) {
            Some(ReasonCode::RetainNotSupported)
        } else {
            None
        };
        if let Some(reason) = refusal {
            return Ok(client.mqtt.refuse(ConnAck::new(reason))?);
        }
        let mut connack = ConnAck::new(ReasonCode::Success);
        let assigned = format!("websocket-{me}");
        client.id = match connect.client_id.is_empty() {
            true => assigned.parse()?,
            false => connect.client_id.to_owned(),
        };
        if client.mqtt.version() == Version::V5 {
            let properties = ConnAckProperties::builder()
                .session_expiry_interval(0)
                .retain_available(false)
                .shared_subscription_available(false);
            connack.properties = match connect.client_id.is_empty() {
                true => properties
                    .assigned_client_identifier(client.id.as_borrowed())
                    .build(),
                false => properties.build(),
            };
        }
        client.mqtt.accept(now, connack, &mut None)?;
        let id = client.id.clone();
        let old = self.ids.insert(id, me);
        if let Some(old) = old.and_then(|old| self.clients.get_mut(&old)) {
            old.end(ReasonCode::SessionTakenOver);
        }
        Ok(())
    }

    fn subscribe(&mut self, me: usize, subscribe: &Subscribe) -> Outcome<Vec<ReasonCode>> {
        let id = subscribe.properties.subscription_identifier();
        let mut codes = Vec::new();
        for subscription in &subscribe.subscriptions {
            let filter = subscription.filter.to_owned();
            let subscribers = self.tree.get_or_insert_with(&filter, HashMap::new);
            subscribers.insert(me, (subscription.options, id));
            codes.push(ReasonCode::from(subscription.options.maximum_qos));
            self.client(me)?.1.filters.insert(filter);
        }
        Ok(codes)
    }

    fn unsubscribe(&mut self, me: usize, filter: &TopicFilter) -> ReasonCode {
        let Some(subscribers) = self.tree.get_mut(filter) else {
            return ReasonCode::NoSubscriptionExisted;
        };
        let was_there = subscribers.remove(&me).is_some();
        if subscribers.is_empty() {
            self.tree.remove(filter);
        }
        match was_there {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        }
    }

    fn publish(&mut self, from: usize, qos: QoS, message: Message) {
        let topic = message.topic.clone();
        let message = Shared::new(message).with_retain(false);
        for (to, (options, id)) in self.tree.matches(&topic).flatten() {
            let Some(client) = self.clients.get_mut(to) else {
                continue;
            };
            if options.no_local && *to == from {
                continue;
            }
            let qos = qos.min(options.maximum_qos);
            match client.mqtt.publish(qos, message.clone().with_ids(*id)) {
                Err(refused)
                    if refused.why == ConnectionError::QueueFull && qos > QoS::AtMostOnce =>
                {
                    client.end(ReasonCode::QuotaExceeded);
                }
                // The others are for a client that is going, or does not support the message.
                _ => client.wake.notify_one(),
            }
        }
    }

    /// Forgets a client, whose connection is over or lost.
    fn leave(&mut self, me: usize) {
        let Some(mut client) = self.clients.remove(&me) else {
            return;
        };
        for filter in &client.filters {
            self.unsubscribe(me, filter);
        }
        if self.ids.get(&client.id) == Some(&me) {
            self.ids.remove(&client.id);
        }
        client.mqtt.handle_close();
        if let Some(will) = client.mqtt.take_will() {
            self.publish(me, will.qos, will.to_message());
        }
    }
}

impl Client {
    fn end(&mut self, reason: ReasonCode) {
        // It fails if the connection is over.
        let _ = self.mqtt.disconnect(Disconnect::new(reason));
        self.wake.notify_one();
    }
}
