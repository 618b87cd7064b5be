//! Sends each message to all clients that subscribed to its topic.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_sansio::connection::{Incoming, server::Connection};
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::session::Session;
use mqtt_sansio::topic::FilterTree;
use mqtt_sansio::{QoS, ReasonCode, Shared, Text};

use crate::Failure;

struct Client {
    socket: TcpStream,
    mqtt: Connection<Shared>,
    input: BytesMut,
    output: BytesMut,
}

#[derive(Default)]
struct Server {
    clients: HashMap<usize, Client>,
    sessions: HashMap<Text, Option<Session<Shared>>>,
    subscribers: FilterTree<HashMap<usize, QoS>>,
}

/// Serves until `clients` have come and all of them have gone.
pub fn serve(listener: &TcpListener, clients: usize) -> Result<(), Failure> {
    listener.set_nonblocking(true)?;
    let (start, mut server, mut came) = (Instant::now(), Server::default(), 0);
    while came < clients || !server.clients.is_empty() {
        let now = start.elapsed();
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(true)?;
                let client = Client {
                    socket,
                    mqtt: Connection::keeping(now, Duration::from_secs(10)),
                    input: BytesMut::new(),
                    output: BytesMut::new(),
                };
                server.clients.insert(came, client);
                came += 1;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let ids: Vec<_> = server.clients.keys().copied().collect();
        for id in ids {
            server.turn(now, id)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

impl Server {
    fn turn(&mut self, now: Duration, id: usize) -> Result<(), Failure> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let mut chunk = [0; 4096];
        match client.socket.read(&mut chunk) {
            Ok(0) => client.mqtt.handle_close(),
            Ok(len) => client.input.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => client.mqtt.handle_close(),
        }
        let mut input = std::mem::take(&mut client.input);
        while let Some(client) = self.clients.get_mut(&id) {
            let Some(incoming) = client.mqtt.handle_bytes(now, &mut input) else {
                break;
            };
            self.handle(now, id, incoming)?;
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.input = input;
            client.mqtt.handle_timeout(now);
            while client.mqtt.poll_event().is_some() {}
            client.mqtt.poll_bytes(now, &mut client.output);
            match client.socket.write(&client.output) {
                Ok(len) => drop(client.output.split_to(len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => client.mqtt.handle_close(),
            }
            if client.mqtt.is_closed() && client.output.is_empty() {
                self.clients.remove(&id);
            }
        }
        Ok(())
    }

    fn handle(&mut self, now: Duration, id: usize, incoming: Incoming) -> Result<(), Failure> {
        let Some(Client { mqtt, .. }) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        match incoming {
            Incoming::Connect(connect) => {
                let session = self.sessions.entry(connect.client_id).or_default();
                mqtt.accept(now, ConnAck::new(ReasonCode::Success), session)?;
            }
            Incoming::Subscribe(subscribe, token) => {
                let mut codes = Vec::new();
                for subscription in &subscribe.subscriptions {
                    let qos = subscription.options.maximum_qos;
                    let filter = &subscription.filter;
                    let subscribers = self.subscribers.get_or_insert_with(filter, HashMap::new);
                    subscribers.insert(id, qos);
                    codes.push(ReasonCode::try_from(qos.level())?);
                }
                mqtt.sub_ack(token, codes)?;
            }
            Incoming::Message(message, token) => {
                let shared = Shared::new(message.forwarded());
                mqtt.acknowledge(token)?;
                for (client, qos) in self.subscribers.matches(&message.topic).flatten() {
                    if let Some(client) = self.clients.get_mut(client) {
                        // A message that is refused comes back: this client does not get it.
                        let _ = client.mqtt.publish(token.qos().min(*qos), shared.clone());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
