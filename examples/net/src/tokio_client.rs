//! A client on tokio, to copy into a program and to change there.
//!
//! [`new`] makes a [`Client`], the handle, and a [`Driver`], whose [`run`](Driver::run) is the future
//! that does the work: spawn it. `src/bin/tokio_subscriber.rs` is a whole program.
//!
//! * **Outcomes.** [`Client::publish`] and [`Client::subscribe`] return what became of the call. They
//!   wait while [`CALLS`] calls have no outcome. Dropping their future takes nothing back.
//! * **Acknowledgement is back-pressure.** A message is acknowledged by [`Delivery::acknowledge`] and
//!   by nothing else, as a future may be dropped anywhere. The server sends no more than its window
//!   of unacknowledged messages; in 5.0 `Connection::max_received` sets it. Acknowledgements leave in
//!   the order of the messages. Behind a delivery that is dropped they wait: at QoS 1 for the next
//!   connection, on which it comes again; at QoS 2 for ever, as it was delivered.
//! * **Reading never stops**, so that a program may wait for a publish between two messages. QoS 0
//!   has no acknowledgement: if [`WAITING`] messages wait, further ones of QoS 0 are dropped.
//! * **Connections** are opened again, after delays that double and are spread at random. Calls wait
//!   meanwhile, except messages of QoS 0, which are refused. In 5.0 a clean start is for the first
//!   connection only. In 3.1.1 choose `clean_start = false` for a session that outlives connections.
//!   If the server has no session any more, the subscriptions are made again, and messages that may
//!   have arrived come back as `Outcome::GivenUp(GivenUp::SessionLost, _)`.
//! * **The end.** [`Client::shutdown`] sends DISCONNECT after everything else. `run` also returns if
//!   trying again is no use.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Answer, Closed, ConnectionError, Event, Incoming, Outcome};
use mqtt_sansio::packet::{
    Connect, Disconnect, KeepAlive, SubAck, SubscriptionOptions, Subscriptions, TopicFilters,
};
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Message, QoS, ReasonCode, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::select;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// The number of calls that may be without an outcome.
pub const CALLS: u32 = 1_024;
/// The number of messages that may wait for `recv` before those of QoS 0 are dropped.
pub const WAITING: usize = 10_000;
/// The time that a network connection may take to open.
const OPENING: Duration = Duration::from_secs(20);
/// The bytes to read and to write at a time.
const CHUNK: usize = 64 * 1024;

/// Makes a client. `mqtt` has the settings, such as `Connection::new().max_received(100)`, and
/// perhaps a session of before; `connect` is what begins each connection, with a Keep Alive of a
/// minute if it has none.
pub fn new(mqtt: Connection, version: Version, mut connect: Connect) -> (Client, Driver) {
    if connect.keep_alive == KeepAlive::OFF {
        // Without it nobody notices a network that is dead.
        connect.keep_alive = KeepAlive::from_secs(60);
    }
    let state = State {
        // The permits are the limit.
        mqtt: mqtt.max_queued(usize::MAX),
        calls: HashMap::new(),
        subscriptions: HashMap::new(),
        messages: VecDeque::new(),
        ending: false,
        ended: false,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        start: Instant::now(),
        permits: Arc::new(Semaphore::new(CALLS as usize)),
        to_do: Notify::new(),
        arrived: Notify::new(),
    });
    let driver = Driver {
        first_delay: Duration::from_millis(200),
        longest_delay: Duration::from_secs(30),
        shared: Arc::clone(&shared),
        version,
        connect,
    };
    (Client(shared), driver)
}

/// The handle. A clone is the same client.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    /// Never locked across an `await`.
    state: Mutex<State>,
    start: Instant,
    permits: Arc<Semaphore>,
    /// Wakes the driver.
    to_do: Notify,
    /// Wakes those who wait for messages.
    arrived: Notify,
}

struct State {
    mqtt: Connection,
    /// The calls without an outcome, of which each holds a permit.
    calls: HashMap<CallId, (Call, Option<OwnedSemaphorePermit>)>,
    /// What the server has granted.
    subscriptions: HashMap<TopicFilter, SubscriptionOptions>,
    messages: VecDeque<(Message, Token)>,
    /// DISCONNECT was asked for.
    ending: bool,
    ended: bool,
}

enum Call {
    Publish(oneshot::Sender<Outcome>),
    /// Nobody waits for a subscription that is made again.
    Subscribe(Subscriptions, Option<oneshot::Sender<SubAck>>),
    Unsubscribe(TopicFilters, oneshot::Sender<SubAck>),
}

impl Client {
    /// Publishes a message and returns what became of it.
    ///
    /// The error is that of `Connection::publish`, or `WrongState` if the driver has ended.
    pub async fn publish(&self, qos: QoS, message: Message) -> Result<Outcome, ConnectionError> {
        let outcome = self.enqueue(qos, message).await?.await;
        outcome.map_err(|_| ConnectionError::WrongState)
    }

    /// Publishes a message as [`publish`](Self::publish) does, and returns once its place among the
    /// messages is certain. What it returns is the future of the outcome.
    pub async fn enqueue(
        &self,
        qos: QoS,
        message: Message,
    ) -> Result<oneshot::Receiver<Outcome>, ConnectionError> {
        let (sender, outcome) = oneshot::channel();
        self.call(
            Call::Publish(sender),
            |mqtt| Ok(mqtt.publish(qos, message)?),
        )
        .await?;
        Ok(outcome)
    }

    /// Subscribes and returns SUBACK, whose codes say what was granted. A request whose connection
    /// ends is made again on the next one.
    pub async fn subscribe(&self, subscriptions: Subscriptions) -> Result<SubAck, ConnectionError> {
        let (sender, answer) = oneshot::channel();
        let call = Call::Subscribe(subscriptions.clone(), Some(sender));
        self.call(call, |mqtt| Ok(mqtt.subscribe(subscriptions)?))
            .await?;
        answer.await.map_err(|_| ConnectionError::WrongState)
    }

    /// Unsubscribes, as [`subscribe`](Self::subscribe) subscribes.
    pub async fn unsubscribe(&self, filters: TopicFilters) -> Result<SubAck, ConnectionError> {
        let (sender, answer) = oneshot::channel();
        let call = Call::Unsubscribe(filters.clone(), sender);
        self.call(call, |mqtt| Ok(mqtt.unsubscribe(filters)?))
            .await?;
        answer.await.map_err(|_| ConnectionError::WrongState)
    }

    async fn call(
        &self,
        call: Call,
        begin: impl FnOnce(&mut Connection) -> Result<CallId, ConnectionError>,
    ) -> Result<(), ConnectionError> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        let permit = permit.map_err(|_| ConnectionError::WrongState)?;
        let mut state = self.0.lock();
        if state.ended {
            return Err(ConnectionError::WrongState);
        }
        let id = begin(&mut state.mqtt)?;
        state.calls.insert(id, (call, Some(permit)));
        self.0.to_do.notify_one();
        Ok(())
    }

    /// The next message, or `None` once the driver has ended. Several tasks may wait: each message
    /// goes to one of them.
    pub async fn recv(&self) -> Option<Delivery> {
        loop {
            // Before looking, so that no message arrives unnoticed in between.
            let arrived = self.0.arrived.notified();
            {
                let mut state = self.0.lock();
                if let Some((message, token)) = state.messages.pop_front() {
                    let shared = Arc::clone(&self.0);
                    return Some(Delivery {
                        message,
                        token,
                        shared,
                    });
                }
                if state.ended {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Waits for the outcome of every call, and ends the connection: acknowledgements that were
    /// given leave, then DISCONNECT. No call is accepted meanwhile, and none afterwards.
    ///
    /// While the server is away this waits for it. To wait no longer, use `tokio::time::timeout`,
    /// and drop the future of the driver.
    pub async fn shutdown(&self) {
        // An error says that the driver has ended, or is about to.
        if let Ok(_all) = self.0.permits.acquire_many(CALLS).await {
            self.0.permits.close();
            let mut state = self.0.lock();
            state.ending = true;
            // Without a connection there is none to end.
            let _ = state.mqtt.disconnect(Disconnect::new(ReasonCode::Success));
            self.0.to_do.notify_one();
        }
    }
}

/// A message. At QoS 1 it is delivered again on the next connection if it was not acknowledged on
/// this one; at QoS 2 it is delivered once.
pub struct Delivery {
    pub message: Message,
    token: Token,
    shared: Arc<Shared>,
}

impl Delivery {
    pub fn qos(&self) -> QoS {
        self.token.qos()
    }

    /// Acknowledges the message. False if it was acknowledged before; at QoS 1 if its connection has
    /// ended, so that the server sends it again; and at QoS 2 if its session is lost.
    pub fn acknowledge(&self) -> bool {
        let acknowledged = self.shared.lock().mqtt.acknowledge(self.token).is_ok();
        self.shared.to_do.notify_one();
        acknowledged
    }
}

/// The part that does the work.
pub struct Driver {
    /// The delay before the second attempt to connect, which doubles from one to the next ...
    pub first_delay: Duration,
    /// ... up to this. A connection that lasted longer is a new beginning.
    pub longest_delay: Duration,
    shared: Arc<Shared>,
    version: Version,
    connect: Connect,
}

impl Driver {
    /// Connects and reconnects until the client is shut down. `open` opens a network connection,
    /// such as `|| TcpStream::connect("127.0.0.1:1883")`, and `observe` sees each event, for the log.
    ///
    /// # Errors
    ///
    /// The `ConnectionError` of a CONNECT that is not possible, or the `Closed` of a server that says
    /// that trying again is no use.
    pub async fn run<S, O>(
        mut self,
        mut open: impl FnMut() -> O,
        mut observe: impl FnMut(&Event),
    ) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite,
        O: Future<Output = io::Result<S>>,
    {
        let mut delay = self.first_delay;
        loop {
            let begun = Instant::now();
            self.shared
                .lock()
                .mqtt
                .connect(self.version, self.connect.clone())?;
            let opened = select! {
                opened = timeout(OPENING, open()) => opened.ok().and_then(Result::ok),
                () = self.shared.is_ending() => return Ok(()),
            };
            match opened {
                Some(socket) => self.serve(socket, &mut observe).await,
                None => self.lose(&mut observe),
            }
            let end = self.shared.lock().mqtt.ended();
            match end {
                Ok(()) => return Ok(()),
                Err(why) if is_final(&why) => return Err(why.into()),
                Err(_) => {}
            }
            if begun.elapsed() > self.longest_delay {
                delay = self.first_delay;
            }
            // Clients that lost the same server do not come back together.
            let random = RandomState::new().hash_one(()) as u8;
            select! {
                () = sleep(delay.mul_f64(0.5 + f64::from(random) / 256.0)) => {}
                () = self.shared.is_ending() => return Ok(()),
            }
            delay = self.longest_delay.min(delay * 2);
        }
    }

    /// One network connection. Reading and writing go on side by side, as a server that does not
    /// read until it has written is not to be waited for.
    async fn serve<S: AsyncRead + AsyncWrite>(
        &mut self,
        socket: S,
        observe: &mut impl FnMut(&Event),
    ) {
        let (mut reader, mut writer) = tokio::io::split(socket);
        let (mut input, mut output, mut to_flush) = (BytesMut::new(), BytesMut::new(), false);
        while let Some(wait) = self.turn(&mut input, &mut output, observe) {
            input.reserve(CHUNK);
            let lost = select! {
                read = reader.read_buf(&mut input) => !matches!(read, Ok(1..)),
                sent = send(&mut writer, &mut output, &mut to_flush), if to_flush || !output.is_empty() => sent.is_err(),
                () = sleep(wait) => false,
                () = self.shared.to_do.notified() => false,
            };
            if lost {
                output.clear();
                self.lose(observe);
            }
        }
        let _ = timeout(OPENING, writer.shutdown()).await;
    }

    fn lose(&mut self, observe: &mut impl FnMut(&Event)) {
        self.shared.lock().mqtt.handle_close();
        self.turn(&mut BytesMut::new(), &mut BytesMut::new(), observe);
    }

    /// Handles what was read and writes what is to be sent. Returns how long to wait, or `None` if
    /// the connection is over.
    fn turn(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
        observe: &mut impl FnMut(&Event),
    ) -> Option<Duration> {
        let now = self.shared.start.elapsed();
        self.shared.lock().handle(now, input);
        self.shared.arrived.notify_waiters();
        loop {
            // Not locked while it is observed, by a function that may use the client.
            let event = self.shared.lock().mqtt.poll_event();
            let Some(event) = event else { break };
            observe(&event);
            if let Event::Connected(connack) = &event {
                let assigned = connack.properties.assigned_client_identifier();
                self.connect.client_id =
                    assigned.map_or(self.connect.client_id.clone(), |id| id.to_owned());
                self.connect.clean_start &= self.version == Version::V311;
            }
            self.shared.lock().settle(event);
        }
        let mqtt = &mut self.shared.lock().mqtt;
        if output.is_empty() {
            mqtt.poll_bytes(now, &mut output.limit(CHUNK));
        }
        let over = mqtt.is_closed() && output.is_empty();
        (!over).then(|| mqtt.wait(now).unwrap_or(Duration::from_secs(3_600)))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.calls.clear();
        self.shared.permits.close();
        self.shared.arrived.notify_waiters();
    }
}

/// Returns whether another attempt would end as this one did.
fn is_final(why: &Closed) -> bool {
    use ReasonCode::*;
    match why {
        Closed::Refused(connack) => !matches!(
            connack.reason,
            ServerUnavailable
                | ServerBusy
                | QuotaExceeded
                | ConnectionRateExceeded
                | UnspecifiedError
        ),
        // Two clients of one name would take the session from each other for ever.
        Closed::Disconnected(last) => {
            matches!(
                last.reason,
                SessionTakenOver | UseAnotherServer | ServerMoved
            )
        }
        _ => false,
    }
}

/// Writes all of `output`. May be dropped at any time, and called again.
async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
    to_flush: &mut bool,
) -> io::Result<()> {
    *to_flush = true;
    while !output.is_empty() {
        if writer.write_buf(output).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    writer.flush().await?;
    *to_flush = false;
    Ok(())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_ending(&self) {
        while !self.lock().ending {
            self.to_do.notified().await;
        }
    }
}

impl State {
    fn handle(&mut self, now: Duration, input: &mut BytesMut) {
        while let Some(incoming) = self.mqtt.handle_bytes(now, input) {
            let Incoming::Message(message, token) = incoming else {
                continue;
            };
            if token.qos() > QoS::AtMostOnce || self.messages.len() < WAITING {
                self.messages.push_back((message, token));
            }
        }
        self.mqtt.handle_timeout(now);
    }

    fn settle(&mut self, event: Event) {
        match event {
            Event::Connected(connack) if !connack.session_present => {
                let granted: Vec<_> = self.subscriptions.drain().collect();
                for subscription in granted {
                    if let Ok(again) = Subscriptions::new([subscription]) {
                        self.subscribe(again, None, None);
                    }
                }
            }
            Event::Published(id, outcome) => {
                if let Some((Call::Publish(caller), _)) = self.calls.remove(&id) {
                    let _ = caller.send(outcome);
                }
            }
            Event::Subscribed(id, answer) => {
                let Some((Call::Subscribe(asked, caller), permit)) = self.calls.remove(&id) else {
                    return;
                };
                let Answer::Codes(codes) = answer else {
                    return self.subscribe(asked, caller, permit);
                };
                for (subscription, code) in asked.iter().zip(codes.reasons.iter()) {
                    if !code.is_error() {
                        self.subscriptions
                            .insert(subscription.filter.to_owned(), subscription.options);
                    }
                }
                let _ = caller.map(|caller| caller.send(*codes));
            }
            Event::Unsubscribed(id, answer) => {
                let Some((Call::Unsubscribe(filters, caller), permit)) = self.calls.remove(&id)
                else {
                    return;
                };
                match answer {
                    Answer::Codes(codes) => {
                        self.subscriptions
                            .retain(|held, _| !filters.iter().any(|filter| *held == filter));
                        let _ = caller.send(*codes);
                    }
                    Answer::GivenUp(_) => {
                        if let Ok(id) = self.mqtt.unsubscribe(filters.clone()) {
                            self.calls
                                .insert(id, (Call::Unsubscribe(filters, caller), permit));
                        }
                    }
                }
            }
            // The server sends them again. One of QoS 2 stays, as it is delivered once.
            Event::Closed(_) => self
                .messages
                .retain(|(_, token)| token.qos() != QoS::AtLeastOnce),
            _ => {}
        }
    }

    fn subscribe(
        &mut self,
        subscriptions: Subscriptions,
        caller: Option<oneshot::Sender<SubAck>>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        if let Ok(id) = self.mqtt.subscribe(subscriptions.clone()) {
            self.calls
                .insert(id, (Call::Subscribe(subscriptions, caller), permit));
        }
    }
}
