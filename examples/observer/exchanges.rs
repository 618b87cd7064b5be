//! The exchanges of both sides, by the state machines of the crate.

use std::collections::BTreeMap;

use mqtt_sansio::packet::Publish;
use mqtt_sansio::session::{Inbound, Outbound, PublishStep, Step, Violation};
use mqtt_sansio::{PacketId, PacketType, ReasonCode, Side, Version};

use crate::capture::Item;

/// The exchanges that are under way: first those that the client began.
#[derive(Default)]
pub(crate) struct Session([BTreeMap<u16, Exchange>; 2]);

struct Exchange {
    began_with: PacketType,
    /// Where the side that began it is, and where the other is with a message.
    outbound: Outbound,
    inbound: Option<Inbound>,
    /// Topic filters in a request.
    filters: usize,
    /// Begun on an earlier connection, and not yet sent again on this one.
    carried: bool,
}

impl Session {
    pub(crate) fn unended(&self) -> Vec<String> {
        let sides = [Side::Client, Side::Server].into_iter().zip(&self.0);
        let all =
            sides.flat_map(|(side, begun)| begun.iter().map(move |(id, one)| (side, id, one)));
        let all = all.map(|(side, id, exchange)| {
            let due = match (exchange.outbound, exchange.inbound) {
                (Outbound::AwaitPubAck, _) => "PUBACK",
                (Outbound::AwaitPubRec, _) => "PUBREC",
                (Outbound::AwaitPubComp, Some(Inbound::AwaitPubRel)) => "PUBREL",
                (Outbound::AwaitPubComp, _) => "PUBCOMP",
                (Outbound::AwaitSubAck, _) => "SUBACK",
                (Outbound::AwaitUnsubAck, _) => "UNSUBACK",
            };
            let (began, side) = (exchange.began_with, name(side));
            format!("never ended: {began} {id} of the {side} had no {due}")
        });
        all.collect()
    }

    /// Takes out what ends with a connection.
    pub(crate) fn disconnect(&mut self, keep: bool) -> Self {
        let mut ended = Self::default();
        for (begun, ended) in self.0.iter_mut().zip(&mut ended.0) {
            let over = |one: &Exchange| !keep || one.outbound.reconnected().is_none();
            let ids: Vec<_> = begun
                .iter()
                .filter(|(_, one)| over(one))
                .map(|(&id, _)| id)
                .collect();
            ended.extend(ids.into_iter().filter_map(|id| begun.remove_entry(&id)));
            for exchange in begun.values_mut() {
                exchange.carried = true;
                exchange.inbound = exchange.inbound.and_then(Inbound::reconnected);
            }
        }
        ended
    }

    /// Takes a PUBLISH, of which `most` may be in flight, and returns the rule that it breaks.
    pub(crate) fn publish(&mut self, item: &Item, publish: &Publish, most: u16) -> Option<String> {
        let (id, outbound) = (publish.packet_id()?.get(), Outbound::new(publish.qos())?);
        let begun = of(&mut self.0, item.side);
        let known = begun.get_mut(&id);
        let Some(exchange) = known else {
            let PublishStep::Deliver(inbound) = Inbound::on_publish(None, publish.qos()).ok()?
            else {
                return None;
            };
            begun.insert(
                id,
                Exchange::new(PacketType::Publish, outbound, Some(inbound), 0),
            );
            let messages = begun.values().filter(|one| one.counts()).count();
            let excess = messages > most.into();
            return excess.then(|| says(Violation::ReceiveMaximumExceeded, item.version));
        };
        let carried = std::mem::take(&mut exchange.carried);
        if exchange.inbound.is_none() && carried {
            // The receiver of QoS 1 forgets what it did not acknowledge.
            exchange.inbound = Some(Inbound::OwePubAck);
        }
        if exchange.began_with != PacketType::Publish {
            return Some(says(Violation::PacketIdInUse(publish.qos()), item.version));
        }
        match Inbound::on_publish(exchange.inbound, publish.qos()) {
            Err(violation) => Some(says(violation, item.version)),
            Ok(_) if !publish.dup => Some(format!("PUBLISH {id} again without DUP [MQTT-3.3.1-1]")),
            Ok(_) if !carried && item.version == Version::V5 => Some(format!(
                "PUBLISH {id} again on the same connection [MQTT-4.4.0-1]"
            )),
            Ok(_) => None,
        }
    }

    pub(crate) fn release(&mut self, side: Side, id: PacketId) -> Option<String> {
        let begun = of(&mut self.0, side);
        let exchange = begun.entry(id.get()).or_insert_with(|| {
            // It is answered all the same.
            Exchange::new(PacketType::PubRel, Outbound::AwaitPubComp, None, 0)
        });
        exchange.carried = false;
        match Inbound::on_pub_rel(exchange.inbound) {
            Ok(_) => {
                exchange.inbound = Some(Inbound::OwePubComp);
                None
            }
            Err(violation) => Some(violation.to_string()),
        }
    }

    pub(crate) fn request(
        &mut self,
        id: PacketId,
        outbound: Outbound,
        filters: usize,
    ) -> Option<String> {
        let kind = match outbound {
            Outbound::AwaitSubAck => PacketType::Subscribe,
            _ => PacketType::Unsubscribe,
        };
        let exchange = Exchange::new(kind, outbound, None, filters);
        let before = self.0[0].insert(id.get(), exchange);
        before.map(|_| format!("{kind} {id} takes an identifier that is in use [MQTT-2.2.1-3]"))
    }

    pub(crate) fn code_count(&mut self, item: &Item, id: PacketId, codes: usize) -> Option<String> {
        let exchange = self.0[0].get(&id.get())?;
        let (kind, has_codes) = match exchange.outbound {
            Outbound::AwaitUnsubAck => (PacketType::UnsubAck, item.version == Version::V5),
            _ => (PacketType::SubAck, true),
        };
        let wrong = has_codes && exchange.filters != codes;
        wrong.then(|| says(Violation::WrongCodeCount(kind), item.version))
    }

    /// Takes an acknowledgement of what the other side began, and returns the rule that it breaks.
    /// `None` if it answers nothing.
    pub(crate) fn ack(
        &mut self,
        item: &Item,
        kind: PacketType,
        id: PacketId,
        reason: ReasonCode,
    ) -> Option<Option<String>> {
        let begun = of(&mut self.0, opposite(item.side));
        let exchange = begun.get_mut(&id.get())?;
        Some(match exchange.outbound.on_ack(kind, reason) {
            Ok(Step::Done) => {
                begun.remove(&id.get());
                None
            }
            Ok(Step::SendPubRel(outbound)) => {
                exchange.outbound = outbound;
                exchange.inbound = exchange
                    .inbound
                    .and_then(|state| state.acknowledged(reason));
                None
            }
            Err(violation) => Some(says(violation, item.version)),
        })
    }
}

impl Exchange {
    const fn new(
        began_with: PacketType,
        outbound: Outbound,
        inbound: Option<Inbound>,
        filters: usize,
    ) -> Self {
        Self {
            began_with,
            outbound,
            inbound,
            filters,
            carried: false,
        }
    }

    /// Whether it counts against Receive Maximum.
    fn counts(&self) -> bool {
        self.began_with == PacketType::Publish && !self.carried
    }
}

/// A violation and its statement.
fn says(violation: Violation, version: Version) -> String {
    let statement = violation.statement(version);
    match statement {
        Some(statement) => format!("{violation} [{statement}]"),
        None => violation.to_string(),
    }
}

pub(crate) const fn of<T>(both: &mut [T; 2], side: Side) -> &mut T {
    let [client, server] = both;
    match side {
        Side::Client => client,
        Side::Server => server,
    }
}

pub(crate) const fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

pub(crate) const fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}
