//! A broker and clients of both versions in one process and in memory: tells what they say to each
//! other, packet by packet.
//!
//! ```text
//! cargo run --example pubsub
//! ```

use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Event, Incoming};
use mqtt_sansio::packet::{Connect, Disconnect, Packet, Subscriptions, Will};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Binary, FrameDecoder, Message, QoS, ReasonCode, Version};
use reference_broker::{Broker, Config, ConnectionId};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The broker, its clients, and the time.
struct World {
    now: Duration,
    broker: Broker,
    clients: Vec<Client>,
}

/// A client and its connection, if there is one.
struct Client {
    name: &'static str,
    version: Version,
    connection: Connection,
    network: Option<Network>,
}

struct Network {
    id: ConnectionId,
    decoder: FrameDecoder,
    received: BytesMut,
    /// How many more packets get through to the client before the cable is cut.
    left: usize,
}

fn main() -> Outcome {
    let mut config = Config::default();
    config.sys_interval = None;
    let mut world = World {
        now: Duration::ZERO,
        broker: Broker::new(config),
        clients: Vec::new(),
    };

    chapter("QoS 0, 1 and 2, from 5.0 to 3.1.1");
    let meter = world.join("meter", Version::V5)?;
    let screen = world.join("screen", Version::V311)?;
    world.subscribe(screen, "home/#", QoS::ExactlyOnce)?;
    world.publish(meter, QoS::AtMostOnce, "home/power", "230 W")?;
    world.publish(meter, QoS::AtLeastOnce, "home/power", "240 W")?;
    world.publish(meter, QoS::ExactlyOnce, "home/energy", "1 kWh")?;

    chapter("A retained message waits for who subscribes later");
    world.retain(meter, "home/state", "on")?;
    let late = world.join("late", Version::V5)?;
    world.subscribe(late, "home/state", QoS::AtLeastOnce)?;

    chapter("A shared subscription: each message goes to one of the two");
    let left = world.join("left", Version::V5)?;
    let right = world.join("right", Version::V5)?;
    world.subscribe(left, "$share/workers/jobs", QoS::AtLeastOnce)?;
    world.subscribe(right, "$share/workers/jobs", QoS::AtLeastOnce)?;
    world.publish(meter, QoS::AtLeastOnce, "jobs", "first")?;
    world.publish(meter, QoS::AtLeastOnce, "jobs", "second")?;

    chapter("A connection is lost: the broker publishes the will");
    let mut connect = Connect::new("mortal".parse()?);
    let payload = Binary::new(b"mortal is gone")?.to_owned();
    connect.will = Some(Will::new("home/wills".parse()?, payload));
    let mortal = world.connect("mortal", Version::V311, connect)?;
    world.cut(mortal);
    world.run()?;

    chapter("A connection is cut in the middle of QoS 2, and the session resumed");
    let mut connect = Connect::new("walker".parse()?);
    connect.clean_start = false;
    let builder = ConnectProperties::builder().session_expiry_interval(3600);
    connect.properties = builder.build();
    let walker = world.connect("walker", Version::V5, connect.clone())?;
    world.subscribe(walker, "news", QoS::ExactlyOnce)?;
    world.cut_after(walker, 1);
    world.publish(meter, QoS::ExactlyOnce, "news", "delivered exactly once")?;
    world.publish(meter, QoS::AtLeastOnce, "news", "meanwhile")?;
    world.now += Duration::from_secs(60);
    world.reconnect(walker, connect)?;

    chapter("Goodbye");
    for client in [meter, screen, late, left, right, walker] {
        world.leave(client)?;
    }
    Ok(())
}

fn chapter(title: &str) {
    println!("\n== {title}");
}

impl World {
    fn join(&mut self, name: &'static str, version: Version) -> Outcome<usize> {
        self.connect(name, version, Connect::new(name.parse()?))
    }

    fn connect(
        &mut self,
        name: &'static str,
        version: Version,
        connect: Connect,
    ) -> Outcome<usize> {
        self.clients.push(Client {
            name,
            version,
            connection: Connection::new(),
            network: None,
        });
        let client = self.clients.len() - 1;
        self.reconnect(client, connect)?;
        Ok(client)
    }

    fn reconnect(&mut self, client: usize, connect: Connect) -> Outcome {
        let id = self.broker.accept(self.now);
        let client = self.client(client)?;
        client.connection.connect(client.version, connect)?;
        client.network = Some(Network {
            id,
            decoder: FrameDecoder::client(client.version),
            received: BytesMut::new(),
            left: usize::MAX,
        });
        self.run()
    }

    fn subscribe(&mut self, client: usize, filter: &str, qos: QoS) -> Outcome {
        let filter = TopicFilter::new(filter)?;
        let subscriptions = Subscriptions::new([(filter, qos)])?;
        self.client(client)?.connection.subscribe(subscriptions)?;
        self.run()
    }

    fn publish(&mut self, client: usize, qos: QoS, topic: &str, payload: &'static str) -> Outcome {
        let message = Message::new(topic.parse()?, payload);
        self.client(client)?.connection.publish(qos, message)?;
        self.run()
    }

    fn retain(&mut self, client: usize, topic: &str, payload: &'static str) -> Outcome {
        let mut message = Message::new(topic.parse()?, payload);
        message.retain = true;
        let connection = &mut self.client(client)?.connection;
        connection.publish(QoS::AtLeastOnce, message)?;
        self.run()
    }

    fn leave(&mut self, client: usize) -> Outcome {
        let goodbye = Disconnect::new(ReasonCode::Success);
        self.client(client)?.connection.disconnect(goodbye)?;
        self.run()
    }

    /// The network connection ends after so many more packets to the client.
    fn cut_after(&mut self, client: usize, packets: usize) {
        let client = self.clients.get_mut(client);
        if let Some(network) = client.and_then(|client| client.network.as_mut()) {
            network.left = packets;
        }
    }

    /// The network connection ends.
    fn cut(&mut self, client: usize) {
        if let Some(client) = self.clients.get_mut(client) {
            client.cut(self.now, &mut self.broker);
        }
    }

    fn client(&mut self, client: usize) -> Outcome<&mut Client> {
        Ok(self.clients.get_mut(client).ok_or("no such client")?)
    }

    /// Carries bytes to and fro until nobody has anything to say.
    fn run(&mut self) -> Outcome {
        let mut moved = true;
        while moved {
            moved = false;
            for client in &mut self.clients {
                moved |= client.step(self.now, &mut self.broker)?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn step(&mut self, now: Duration, broker: &mut Broker) -> Outcome<bool> {
        let Some(network) = &mut self.network else {
            return Ok(false);
        };
        let (name, mut moved) = (self.name, false);
        while let Some(packet) = self.connection.poll_transmit(now) {
            println!("{name:>8} -> broker     {}", brief(&packet));
            let mut bytes = BytesMut::new();
            packet.encode(self.version, &mut bytes)?;
            broker.handle_bytes(now, network.id, &bytes);
            moved = true;
        }
        broker.poll_transmit(network.id, &mut network.received);
        while let Some(packet) = network.decoder.decode_shared(&mut network.received)? {
            moved = true;
            println!("{name:>8} <- broker     {}", brief(&packet));
            let incoming = self.connection.handle_packet(now, self.version, &packet)?;
            if let Some(Incoming::Message(message, token)) = incoming {
                println!("{name:>8}    takes     {}", brief_payload(message.payload));
                self.connection.acknowledge(token)?;
            }
            network.left -= 1;
            if network.left == 0 {
                self.cut(now, broker);
                return Ok(true);
            }
        }
        let over = self.connection.is_closed() || broker.is_closing(network.id);
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected(connack) if connack.session_present => {
                    println!("{name:>8}    is back: the broker has kept the session");
                }
                _ => {}
            }
        }
        if over {
            self.end(now, broker);
        }
        Ok(moved)
    }

    fn cut(&mut self, now: Duration, broker: &mut Broker) {
        println!("{:>8} -x-           the connection is cut", self.name);
        self.end(now, broker);
    }

    fn end(&mut self, now: Duration, broker: &mut Broker) {
        if let Some(network) = self.network.take() {
            broker.handle_close(now, network.id);
        }
        self.connection.handle_close();
    }
}

fn brief_payload(payload: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(payload))
}

/// A packet in a line.
fn brief<B: AsRef<[u8]>>(packet: &Packet<B>) -> String {
    let name = packet.packet_type().to_string();
    match packet {
        Packet::Publish(publish) => {
            let topic = publish.topic.as_ref().map_or("", |topic| topic.to_str());
            let id = publish.delivery.packet_id();
            let id = id.map_or(String::new(), |id| format!(", id {}", id.get()));
            let dup = if publish.dup { ", dup" } else { "" };
            let retain = if publish.retain { ", retain" } else { "" };
            let payload = brief_payload(publish.payload.as_ref());
            let qos = publish.qos().level();
            format!("{name} {topic} = {payload}, QoS {qos}{id}{dup}{retain}")
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{name} id {}, {}", ack.packet_id.get(), ack.reason)
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.subscriptions.iter();
            let filters: Vec<_> = filters.map(|s| s.filter.to_str().to_owned()).collect();
            format!("{name} {}", filters.join(", "))
        }
        Packet::Connect(connect) => {
            let clean = if connect.clean_start { ", clean" } else { "" };
            format!("{name} {}{clean}", connect.client_id)
        }
        Packet::ConnAck(connack) => format!("{name} {}", connack.reason),
        _ => name,
    }
}
