//! The feature `arbitrary`: all that packets can be is made, sooner or later.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use mqtt_sansio::packet::ReasonCodes;
use mqtt_sansio::property::{Properties, PropertyId};
use mqtt_sansio::{Frame, Packet, PacketType, VarInt, Version};
use support::random::Rng;

#[derive(Default)]
struct Made {
    packets: BTreeSet<PacketType>,
    properties: BTreeSet<PropertyId>,
    others: BTreeSet<&'static str>,
}

impl Made {
    fn note<K, B: AsRef<[u8]>>(&mut self, properties: &Properties<K, B>) {
        self.properties.extend(properties.iter().map(|it| it.id()));
    }

    fn say(&mut self, what: &'static str, is_so: bool) {
        if is_so {
            self.others.insert(what);
        }
    }

    fn packet(&mut self, packet: &Packet) {
        self.packets.insert(packet.packet_type());
        match packet {
            Packet::Connect(connect) => {
                self.note(&connect.properties);
                let is_alone = connect.user_name.is_none() && connect.password.is_some();
                let has_properties = !connect.properties.is_empty();
                self.say("password alone", is_alone && has_properties);
                let id = connect.client_id.to_str();
                self.say("text", !id.is_empty() && id != "xyzzy");
                if let Some(will) = &connect.will {
                    self.note(&will.properties);
                    self.say("binary", !will.payload.as_bytes().is_empty());
                }
            }
            Packet::ConnAck(connack) => self.note(&connack.properties),
            Packet::Publish(publish) => self.note(&publish.properties),
            Packet::PubAck(ack) => self.note(&ack.properties),
            Packet::Disconnect(disconnect) => self.note(&disconnect.properties),
            Packet::Auth(auth) => self.note(&auth.properties),
            Packet::Subscribe(subscribe) => {
                self.say(
                    "many filters",
                    subscribe.subscriptions.iter().nth(1).is_some(),
                );
                for subscription in &subscribe.subscriptions {
                    let filter = subscription.filter.to_str();
                    let (no_local, is_shared) = (
                        subscription.options.no_local,
                        subscription.filter.is_shared(),
                    );
                    self.say("no local", no_local);
                    self.say("local", !no_local && !is_shared);
                    self.say(
                        "shared",
                        filter
                            .strip_prefix("$share/g/")
                            .is_some_and(|it| !it.contains('/')),
                    );
                    let rest = filter.strip_prefix('/').unwrap_or_default();
                    self.say("absolute", rest.starts_with(char::is_alphanumeric));
                    self.say("relative", filter.starts_with(char::is_alphanumeric));
                    self.say(
                        "levels",
                        filter.as_bytes()[1..].contains(&b'/') && !is_shared,
                    );
                    self.say("one", filter.starts_with('+'));
                    self.say("all", filter.ends_with("/#"));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn everything_is_made() {
    let mut made = Made::default();
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..300)
            .map(|_| u8::try_from(rng.below(256)).unwrap())
            .collect();
        let all = || Unstructured::new(&bytes);
        if let Ok(packet) = Packet::arbitrary(&mut all()) {
            made.packet(&packet);
        }
        if let Ok(frame) = Frame::arbitrary(&mut all()) {
            made.say("3.1.1", frame.version() == Version::V311);
            made.say("5.0", frame.version() == Version::V5);
        }
        let codes = ReasonCodes::arbitrary(&mut all()).unwrap();
        made.say("many codes", codes.iter().len() > 1);
        let number = VarInt::arbitrary(&mut all()).unwrap();
        made.say("number", number != VarInt::default());
    }
    assert_eq!(made.packets.len(), 15);
    assert_eq!(made.properties.len(), 27, "{:?}", made.properties);
    assert_eq!(made.others.len(), 16, "{:?}", made.others);
}
