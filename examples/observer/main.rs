//! Reads a capture, pcap or pcapng, of both sides of MQTT connections, and says of each which packets
//! there were, which exchanges never ended, and which rules were broken.
//!
//! ```text
//! observer FILE
//! ```
//!
//! The codec finds what is wrong within a packet, and `session::Outbound` and `session::Inbound` what
//! is wrong between packets. The state of a session lives on in the next connection of its client. The
//! exit code is 1 if an exchange never ended or a rule was broken, and 2 if FILE is no capture.

#[expect(dead_code, reason = "inspect shows more of a capture")]
#[path = "../inspect/report/capture/mod.rs"]
mod capture;
mod exchanges;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io};

use capture::{Capture, Connection, Event, Item, Protocol, What};
use exchanges::{Session, name, of, opposite};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::property::MaximumQoS;
use mqtt_sansio::session::Outbound;
use mqtt_sansio::{Packet, PacketId, QoS, ReasonCode, Rules, Side, Version};

const USAGE: &str = "usage: observer FILE

Says of each MQTT connection in FILE, a pcap or pcapng capture, which packets there were, which
exchanges never ended, and which rules were broken. The exit code is 0 if there is nothing to say,
else 1, and 2 if FILE cannot be read.";

fn main() -> ExitCode {
    let Some(file) = env::args().nth(1).filter(|file| !file.starts_with('-')) else {
        let help = env::args().any(|arg| arg == "--help" || arg == "-h");
        eprintln!("{USAGE}");
        return ExitCode::from(if help { 0 } else { 2 });
    };
    let report = match fs::read(&file) {
        Ok(bytes) => report(&bytes).ok_or_else(|| "is neither pcap nor pcapng".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match report {
        Ok((text, good)) => {
            // Who reads the output may have seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!good))
        }
        Err(error) => {
            eprintln!("observer: {file}: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is to be said of a capture, and whether there is nothing to complain of.
fn report(file: &[u8]) -> Option<(String, bool)> {
    let capture = Capture::read(file, &[])?;
    let (mut text, mut good, mut sessions) = (String::new(), true, BTreeMap::new());
    for (index, connection) in capture.connections.iter().enumerate() {
        let (client, server) = (connection.client, connection.server);
        // Writing to a string does not fail.
        let _ = write!(text, "connection {}, {client} > {server}", index + 1);
        if connection.protocol != Protocol::Mqtt {
            let _ = writeln!(text, ": {:?}, not read", connection.protocol);
            continue;
        }
        let mut observer = Observer::new(&capture, connection);
        observer.watch(connection, &mut sessions);
        let _ = writeln!(text, ", client {:?}", observer.client_id);
        for ((side, name), count) in &observer.counts {
            let _ = writeln!(text, "  {count:6} {name} from the {side}");
        }
        for problem in &observer.problems {
            let _ = writeln!(text, "  {problem}");
        }
        good &= observer.problems.is_empty();
    }
    for (client, session) in sessions {
        for problem in session.unended() {
            good = false;
            let _ = writeln!(text, "session of client {client:?}: {problem}");
        }
    }
    for complaint in capture.complaints() {
        good = false;
        let _ = writeln!(text, "{complaint}");
    }
    Some((text, good))
}

/// What one side allows the other.
#[derive(Clone, Copy)]
struct Limits {
    receive_maximum: u16,
    topic_alias: u16,
    packet_size: u32,
    qos: QoS,
    retain: bool,
}

const ANY: Limits = Limits {
    receive_maximum: u16::MAX,
    topic_alias: 0,
    packet_size: u32::MAX,
    qos: QoS::ExactlyOnce,
    retain: true,
};

/// What is known of a connection.
struct Observer<'a> {
    capture: &'a Capture,
    client_id: String,
    counts: BTreeMap<(&'static str, String), usize>,
    problems: Vec<String>,
    session: Session,
    /// Whether all of the exchanges can be known.
    whole: bool,
    /// Whether the session outlives the connection.
    kept: bool,
    connects: usize,
    accepted: bool,
    pings: usize,
    /// The limits that the client sets, and those that the server sets.
    limits: [Limits; 2],
    disconnected: [bool; 2],
}

type Sessions = BTreeMap<String, Session>;

impl<'a> Observer<'a> {
    fn new(capture: &'a Capture, connection: &Connection) -> Self {
        let opened = connection
            .events
            .iter()
            .any(|&(_, event)| event == Event::Opened);
        Self {
            capture,
            client_id: String::new(),
            counts: BTreeMap::new(),
            problems: Vec::new(),
            session: Session::default(),
            whole: opened,
            kept: false,
            connects: 0,
            accepted: !opened,
            pings: 0,
            limits: [ANY; 2],
            disconnected: [false; 2],
        }
    }

    fn watch(&mut self, connection: &Connection, sessions: &mut Sessions) {
        // What was found, when first, and how often.
        let mut all: Vec<(String, Duration, usize)> = Vec::new();
        for item in connection.exchange(None, Rules::STRICT).items {
            let found = match &item.what {
                What::Packet(packet) => {
                    let kind = packet.packet_type().to_string();
                    *self.counts.entry((name(item.side), kind)).or_default() += 1;
                    self.packet(&item, packet, sessions)
                }
                What::Broken(error) | What::Skipped(error) => Some(error.to_string()),
                What::Incomplete(missing) => {
                    Some(format!("{missing} bytes of a packet are missing"))
                }
                What::Gap(len) => Some(format!("{len} bytes were not captured")),
                What::Stray => Some(format!("{} bytes are no packet", item.bytes.len())),
            };
            self.whole &= matches!(item.what, What::Packet(_) | What::Skipped(_));
            if let Some(found) = found {
                let found = format!("{}: {found}", name(item.side));
                match all.iter_mut().find(|(one, ..)| *one == found) {
                    Some((.., count)) => *count += 1,
                    None => all.push((found, self.capture.since_start(item.frame), 1)),
                }
            }
        }
        self.problems
            .extend(all.into_iter().map(|(one, time, count)| {
                let times = match count {
                    1 => String::new(),
                    _ => format!(" ({count} times)"),
                };
                format!("{:.6}, {one}{times}", time.as_secs_f64())
            }));
        // Of what was not captured nobody knows how it went on.
        let kept = self.kept && self.accepted && self.whole;
        let mut unended = self.session.disconnect(kept).unended();
        if self.connects > 0 && !self.accepted {
            unended.push("never ended: CONNECT had no CONNACK".to_owned());
        }
        if self.pings > 0 {
            let count = self.pings;
            unended.push(format!("never ended: {count} PINGREQ had no PINGRESP"));
        }
        let limit = if self.whole {
            ""
        } else {
            ", in what was captured"
        };
        let unended = unended.into_iter();
        self.problems.extend(unended.map(|one| one + limit));
        if kept {
            let session = std::mem::take(&mut self.session);
            sessions.insert(self.client_id.clone(), session);
        }
    }

    /// Takes a packet into account, and returns the rule that it breaks.
    fn packet(&mut self, item: &Item, packet: &Packet, sessions: &mut Sessions) -> Option<String> {
        let after = *of(&mut self.disconnected, item.side);
        let early = item.side == Side::Server && !self.accepted;
        let over = self.over_limit(item, packet);
        let broken = match packet {
            Packet::Connect(connect) => {
                self.connect(connect, item.version);
                (self.connects > 1).then(|| "a second CONNECT [MQTT-3.1.0-2]".to_owned())
            }
            Packet::ConnAck(connack) => {
                let again = self.accepted && self.connects > 0;
                self.accepted = true;
                self.conn_ack(connack, sessions);
                again.then(|| "a second CONNACK".to_owned())
            }
            Packet::Auth(_) | Packet::Disconnect(_) => {
                *of(&mut self.disconnected, item.side) |= matches!(packet, Packet::Disconnect(_));
                None
            }
            _ if early => Some("sent before CONNACK [MQTT-3.2.0-1]".to_owned()),
            Packet::PingReq => {
                self.pings += 1;
                None
            }
            Packet::PingResp => {
                let unasked = self.pings == 0;
                self.pings = self.pings.saturating_sub(1);
                unasked.then(|| "PINGRESP without PINGREQ".to_owned())
            }
            Packet::Publish(publish) => {
                let most = of(&mut self.limits, opposite(item.side)).receive_maximum;
                self.session.publish(item, publish, most)
            }
            Packet::PubRel(ack) => self.session.release(item.side, ack.packet_id),
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.subscriptions.iter().count();
                self.session
                    .request(subscribe.packet_id, Outbound::AwaitSubAck, filters)
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filters = unsubscribe.filters.iter().count();
                self.session
                    .request(unsubscribe.packet_id, Outbound::AwaitUnsubAck, filters)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.ack(item, packet, ack.packet_id, ack.reason)
            }
            Packet::SubAck(suback) | Packet::UnsubAck(suback) => {
                let broken =
                    self.session
                        .code_count(item, suback.packet_id, suback.reasons.iter().count());
                let unasked = self.ack(item, packet, suback.packet_id, ReasonCode::Success);
                unasked.or(broken)
            }
        };
        let after = after.then(|| format!("{} after DISCONNECT", packet.packet_type()));
        // An answer that was not captured would explain it.
        let broken = broken.filter(|_| self.whole);
        after.or(broken).or(over)
    }

    fn connect(&mut self, connect: &Connect, version: Version) {
        let of = &connect.properties;
        self.connects += 1;
        self.client_id = connect.client_id.to_string();
        self.kept = match version {
            Version::V311 => !connect.clean_start,
            Version::V5 => of.session_expiry_interval().unwrap_or_default() > 0,
        };
        self.limits[0] = Limits {
            receive_maximum: of.receive_maximum().map_or(u16::MAX, |most| most.get()),
            topic_alias: of.topic_alias_maximum().unwrap_or_default(),
            packet_size: of.maximum_packet_size().map_or(u32::MAX, |most| most.get()),
            ..ANY
        };
    }

    fn conn_ack(&mut self, connack: &ConnAck, sessions: &mut Sessions) {
        let of = &connack.properties;
        self.limits[1] = Limits {
            receive_maximum: of.receive_maximum().map_or(u16::MAX, |most| most.get()),
            topic_alias: of.topic_alias_maximum().unwrap_or_default(),
            packet_size: of.maximum_packet_size().map_or(u32::MAX, |most| most.get()),
            qos: match of.maximum_qos() {
                Some(MaximumQoS::AtMostOnce) => QoS::AtMostOnce,
                Some(MaximumQoS::AtLeastOnce) => QoS::AtLeastOnce,
                None => QoS::ExactlyOnce,
            },
            retain: of.retain_available().unwrap_or(true),
        };
        if let Some(id) = of.assigned_client_identifier() {
            self.client_id = id.to_string();
        }
        if let Some(expiry) = of.session_expiry_interval() {
            self.kept = expiry > 0;
        }
        self.kept &= !connack.reason.is_error();
        match (connack.session_present, sessions.remove(&self.client_id)) {
            (true, Some(session)) => self.session = session,
            // It may hold what the capture does not show.
            (true, None) => self.whole = false,
            (false, Some(lost)) if !connack.reason.is_error() => {
                let lost = lost.unended().into_iter();
                self.problems
                    .extend(lost.map(|lost| format!("of the session before: {lost}")));
            }
            (false, Some(session)) => _ = sessions.insert(self.client_id.clone(), session),
            (false, None) => {}
        }
    }

    /// Takes an acknowledgement of what the other side began.
    fn ack(
        &mut self,
        item: &Item,
        packet: &Packet,
        id: PacketId,
        reason: ReasonCode,
    ) -> Option<String> {
        let kind = packet.packet_type();
        match self.session.ack(item, kind, id, reason) {
            Some(broken) => broken,
            None => Some(format!("{kind} {id} answers nothing")),
        }
    }

    /// The limit of the other side that a packet is above.
    fn over_limit(&mut self, item: &Item, packet: &Packet) -> Option<String> {
        let limits = *of(&mut self.limits, opposite(item.side));
        let by_client = item.side == Side::Client;
        let statement = |client, server| if by_client { client } else { server };
        let broken = match packet {
            _ if item.bytes.len() > limits.packet_size as usize => {
                ("Maximum Packet Size", statement("3.2.2-15", "3.1.2-24"))
            }
            Packet::Publish(publish) => match publish.properties.topic_alias() {
                Some(alias) if alias.get() > limits.topic_alias => {
                    ("Topic Alias Maximum", statement("3.3.2-9", "3.3.2-11"))
                }
                _ if publish.qos() > limits.qos => ("Maximum QoS", "3.2.2-11"),
                _ if publish.retain && !limits.retain => ("Retain Available", "3.2.2-14"),
                _ => return None,
            },
            _ => return None,
        };
        let (limit, statement) = broken;
        let name = packet.packet_type();
        // A capture that begins later does not show the limits.
        self.whole
            .then(|| format!("{name} is above {limit} [MQTT-{statement}]"))
    }
}
