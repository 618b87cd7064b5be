//! A bridge between a server of 3.1.1 and one of 5.0: what is published below a topic on either
//! side is published on the other. `cargo run --bin bridge HOST:PORT HOST:PORT [FILTER]`, the server
//! of 3.1.1 first.
//!
//! A message is acknowledged on one side once the other side has taken it. If a connection is cut in
//! between, it is carried again: QoS 1 is kept, and QoS 2 becomes at least once over such a cut.
//! QoS 0 is carried while both sides are connected. Both sessions are kept for an hour by the servers, and
//! none by the bridge: what it had not handed over when it was stopped, the servers send again.
//!
//! # Loops
//!
//! What the bridge publishes on one side may not come back to it from there:
//!
//! * 5.0 has No Local, which every server of 5.0 has to know.
//! * 3.1.1 does not. The bridge sets the bridge bit of the protocol level, for which mosquitto and
//!   others do the same. **A server that does not know the bit either refuses the connection, or
//!   sends everything back: use topics for each direction there**, as two bridges with a filter each.
//! * Longer ways, over further servers and bridges: on 5.0 messages are marked with the user
//!   property `bridge`, and what has the mark of this bridge is not carried again. A way through
//!   3.1.1 alone loses the mark: let no two bridges connect the same two servers.

use std::env;
use std::error::Error;

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{ConnectionError, Event, GivenUp, Outcome};
use mqtt_sansio::packet::{Connect, KeepAlive, RetainHandling, SubscriptionOptions, Subscriptions};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::session::Session;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Message, QoS, Rules, Text, Version};
use net::tokio_client::{self, Client, Delivery};
use tokio::net::TcpStream;
use tokio::select;

/// The client identifier, and the value of the mark. Another bridge needs another one.
const NAME: &str = "bridge-1";
const MARK: &str = "bridge";
const SESSION_EXPIRY: u32 = 3_600;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let usage = "bridge HOST:PORT HOST:PORT [FILTER]";
    let (Some(old), Some(new)) = (arguments.next(), arguments.next()) else {
        return Err(usage.into());
    };
    let filter: TopicFilter = arguments.next().as_deref().unwrap_or("#").parse()?;

    let mut options = SubscriptionOptions::new(QoS::ExactlyOnce);
    let subscriptions = Subscriptions::new([(filter.as_borrowed(), options)])?;
    let old = open(Version::V311, old, subscriptions)?;
    (options.no_local, options.retain_as_published) = (true, true);
    options.retain_handling = RetainHandling::SendIfNew;
    let new = open(Version::V5, new, Subscriptions::new([(filter, options)])?)?;
    select! {
        () = carry(&old, &new, Version::V5) => {}
        () = carry(&new, &old, Version::V311) => {}
    }
    Err("one side has ended for good".into())
}

/// Connects to one side.
fn open(version: Version, address: String, filters: Subscriptions) -> Result<Client, Failure> {
    let mut connect = Connect::new(NAME.parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    connect.clean_start = false;
    match version {
        Version::V311 => connect.bridge = true,
        Version::V5 => {
            let builder = ConnectProperties::builder();
            connect.properties = builder.session_expiry_interval(SESSION_EXPIRY).build();
        }
    }
    // Whatever session the server has kept goes on, and what brokers get wrong is no reason to end.
    let mqtt = Connection::with_session(Session::new()).rules(Rules::BROKERS);
    let (client, driver) = tokio_client::new(mqtt, version, connect);
    let log = move |event: &Event| match event {
        Event::Connected(_) | Event::Closed(_) | Event::Subscribed(..) => {
            eprintln!("{version:?}: {event:?}");
        }
        _ => {}
    };
    tokio::spawn(async move {
        let ended = driver
            .run(move || TcpStream::connect(address.clone()), log)
            .await;
        eprintln!("{version:?}: {ended:?}");
    });
    let subscriber = client.clone();
    tokio::spawn(async move { subscriber.subscribe(filters).await });
    Ok(client)
}

/// Carries messages from one side to the other, in their order.
async fn carry(from: &Client, to: &Client, version: Version) {
    while let Some(delivery) = from.recv().await {
        let qos = delivery.qos();
        let Some(message) = forwarded(&delivery.message, version) else {
            delivery.acknowledge();
            continue;
        };
        // The place in the order is taken here, and the outcome awaited elsewhere. As many wait as
        // the window of the server that sends them allows.
        match to.enqueue(qos, message).await {
            Ok(outcome) => {
                let to = to.clone();
                tokio::spawn(async move { hand_over(&to, delivery, outcome.await.ok()).await });
            }
            // The other side is away, or has ended. Without an acknowledgement the message is kept.
            Err(ConnectionError::WrongState) => {}
            Err(why) => {
                eprintln!("not carried: {}: {why}", delivery.message.topic);
                delivery.acknowledge();
            }
        }
    }
}

/// Acknowledges a message once the other side has taken or refused it.
async fn hand_over(to: &Client, delivery: Delivery, mut outcome: Option<Outcome>) {
    // The other server lost its session, and perhaps the message with it.
    while let Some(Outcome::GivenUp(GivenUp::SessionLost, Some(message))) = outcome {
        outcome = to.publish(delivery.qos(), *message).await.ok();
    }
    let Some(outcome) = outcome else { return };
    if !matches!(outcome, Outcome::Sent | Outcome::Accepted(_)) {
        eprintln!("not carried: {}: {outcome:?}", delivery.message.topic);
    }
    delivery.acknowledge();
}

/// The message as the other side gets it, or `None` if it came from there.
fn forwarded(message: &Message, version: Version) -> Option<Message> {
    let mut marks = message.properties.user_properties();
    if marks.any(|(name, value)| name == MARK && value == NAME) {
        return None;
    }
    let mut forwarded = message.forwarded_in(version);
    if let (Version::V5, Ok(mark), Ok(name)) = (version, Text::new(MARK), Text::new(NAME)) {
        let builder = forwarded.properties.to_builder();
        forwarded.properties = builder.user_property(mark, name).build();
    }
    Some(forwarded)
}
