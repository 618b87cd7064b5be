//! What connections and their sessions cost.

use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive, Packet};
use mqtt_sansio::{Message, QoS, ReasonCode, Shared, Version};

use crate::chart::Chart;
use crate::{Failure, heap, nanoseconds, steps};

const NOW: Duration = Duration::ZERO;

/// The server's end of a connection that a client has opened.
fn accepted() -> Result<server::Connection<Shared>, Failure> {
    let mut server = server::Connection::keeping(NOW, Duration::MAX);
    let mut connect = Connect::new("device".parse()?);
    connect.keep_alive = KeepAlive::from_secs(60);
    server.handle_packet(NOW, Version::V5, &Packet::from(connect))?;
    server.accept(NOW, ConnAck::new(ReasonCode::Success), &mut None)?;
    server.poll_bytes(NOW, &mut Vec::new());
    server.shrink_to_fit();
    Ok(server)
}

pub fn in_flight() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "One exchange among many in flight",
        "messages in flight",
        "nanoseconds, both ends, bytes included",
    );
    for (name, qos) in [("QoS 1", QoS::AtLeastOnce), ("QoS 2", QoS::ExactlyOnce)] {
        for count in steps(1, 50_000).chain([65_535]) {
            let mut pair = Pair::new(count)?;
            let rounds = (100_000 / count).max(1);
            let exchange = || (0..rounds).try_for_each(|_| pair.exchange(qos, count));
            chart.add(name, count, nanoseconds(rounds * count, exchange));
        }
    }
    Ok(chart)
}

/// Both ends of a connection.
struct Pair {
    client: client::Connection,
    server: server::Connection,
    up: BytesMut,
    down: BytesMut,
    message: Message,
}

impl Pair {
    fn new(count: usize) -> Result<Self, Failure> {
        let most = u16::try_from(count)?.try_into()?;
        let mut pair = Self {
            client: client::Connection::new()
                .max_in_flight(most)
                .max_queued(70_000),
            server: server::Connection::new(NOW, Duration::MAX).max_unread_answers(1 << 24),
            up: BytesMut::new(),
            down: BytesMut::new(),
            message: Message::new("factory/line4/press12/state".parse()?, vec![b'x'; 64]),
        };
        pair.client
            .connect(Version::V5, Connect::new("c".parse()?))?;
        pair.client.poll_bytes(NOW, &mut pair.up);
        assert!(matches!(
            pair.server.handle_bytes(NOW, &mut pair.up),
            Some(Incoming::Connect(_))
        ));
        pair.server
            .accept(NOW, ConnAck::new(ReasonCode::Success), &mut None)?;
        pair.carry()?;
        Ok(pair)
    }

    fn exchange(&mut self, qos: QoS, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            self.client.publish(qos, self.message.clone())?;
        }
        let delivered = self.carry()?;
        assert_eq!(delivered, count);
        Ok(())
    }

    /// Until nothing is left to send. Returns the number of messages.
    fn carry(&mut self) -> Result<usize, Failure> {
        let mut messages = 0;
        loop {
            let up = self.client.poll_bytes(NOW, &mut self.up);
            while let Some(incoming) = self.server.handle_bytes(NOW, &mut self.up) {
                if let Incoming::Message(_, token) = incoming {
                    messages += 1;
                    self.server.acknowledge(token)?;
                }
            }
            let down = self.server.poll_bytes(NOW, &mut self.down);
            while self.client.handle_bytes(NOW, &mut self.down).is_some() {}
            while self.client.poll_event().is_some() {}
            if !up && !down {
                return Ok(messages);
            }
        }
    }
}

pub fn connections() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "Idle connections of a server, each with its session",
        "connections",
        "bytes, nanoseconds of a sweep over all timers",
    );
    for count in steps(100, 100_000) {
        let (all, bytes) = heap(|| {
            let mut all = Vec::with_capacity(count);
            for _ in 0..count {
                all.push(accepted()?);
            }
            Ok::<_, Failure>(all)
        });
        let mut all = all?;
        chart.add("bytes a connection", count, bytes as f64 / count as f64);
        let sweep = || {
            let due = |each: &&mut server::Connection<Shared>| {
                each.next_timeout().is_some_and(|at| at <= NOW)
            };
            all.iter_mut().filter(due).count()
        };
        chart.add("sweep, a connection", count, nanoseconds(count, sweep));
    }
    Ok(chart)
}

pub fn subscribers() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "One message of 64 bytes to many subscribers",
        "subscribers",
        "nanoseconds a subscriber",
    );
    let message = Shared::new(Message::new("a/b/c".parse()?, vec![b'x'; 64]));
    for count in steps(10, 100_000) {
        for (name, qos) in [("QoS 0", QoS::AtMostOnce), ("QoS 1", QoS::AtLeastOnce)] {
            let all = (0..count).map(|_| Ok((accepted()?, BytesMut::with_capacity(256))));
            let mut all = all.collect::<Result<Vec<_>, Failure>>()?;
            let mut round = 0_u16;
            let deliver = || {
                round += 1;
                for (server, output) in &mut all {
                    output.clear();
                    let _ = server.publish_into(NOW, qos, &message, output);
                }
            };
            // Those of QoS 1 are not acknowledged: nine rounds are below all limits.
            chart.add(name, count, nanoseconds(count, deliver));
            assert!(all.iter().all(|(_, output)| output.len() > 64));
        }
    }
    Ok(chart)
}
