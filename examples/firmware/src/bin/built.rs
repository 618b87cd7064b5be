//! Packets built without a heap: those of the vectors are built again from their fields, in a buffer of
//! the caller's, and encoded.
#![no_std]
#![no_main]

use core::mem::ManuallyDrop;

use cortex_m_rt::entry;
use firmware::vectors::{Kind, LEN, Vector, Vectors};
use firmware::{NoHeap, Stack, fail, flash, print, succeed};
use mqtt_sansio::packet::{
    Connect, Publish, ReasonCodes, SubAck, Subscribe, Subscriptions, TopicFilters, Unsubscribe,
    Will,
};
use mqtt_sansio::property::{Property, PublishProperties};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Binary, Packet, Text};

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[entry]
fn main() -> ! {
    static mut STREAM: [u8; LEN] = [0; LEN];
    static mut SHORTEST: [u8; LEN] = [0; LEN];
    static mut BUILT: [u8; LEN] = [0; LEN];
    static mut ENCODED: [u8; LEN] = [0; LEN];
    let stack = Stack::paint();
    let mut vectors = Vectors::all();
    let (mut passed, mut built) = (0, 0);
    while let Some(vector) = vectors.next(STREAM, SHORTEST) {
        passed += 1;
        if vector.kind == Kind::Ok && !check(&vector, BUILT, ENCODED, &mut built) {
            print(&[b"vector", b"is not built:"], &[passed]);
            fail();
        }
    }
    if built < 500 {
        fail();
    }
    print(&[b"# packets built:"], &[built]);
    print(&[b"built"], &[flash(), stack.most(), 0]);
    succeed()
}

/// Builds all packets of a stream again, and compares what they are encoded to.
#[inline(never)]
fn check(vector: &Vector<'_>, buffer: &mut [u8], encoded: &mut [u8], count: &mut usize) -> bool {
    let mut stream = vector.stream;
    // Its end would free what rules that are let go need.
    let mut decoder = ManuallyDrop::new(vector.decoder());
    let all = encoded.len();
    let mut out = &mut *encoded;
    while let Ok(Some(packet)) = decoder.decode(&mut stream) {
        let Some(built) = build(&packet, buffer) else {
            return false;
        };
        if built.encode(vector.version, &mut out).is_err() {
            return false;
        }
        *count += 1;
    }
    let len = all - out.len();
    stream.is_empty() && encoded[..len] == *vector.shortest
}

/// Builds a packet from the values of another one.
fn build<'a>(packet: &'a Packet<&'a [u8]>, buffer: &'a mut [u8]) -> Option<Packet<&'a [u8]>> {
    Some(match packet {
        Packet::Connect(it) => {
            let mut packet = Connect::new(text(&it.client_id)?);
            packet.clean_start = it.clean_start;
            packet.keep_alive = it.keep_alive;
            packet.properties = it.properties;
            packet.will = match &it.will {
                Some(it) => {
                    let topic = TopicName::new(it.topic.to_str()).ok()?;
                    let mut will = Will::new(topic, binary(&it.payload)?);
                    (will.qos, will.retain) = (it.qos, it.retain);
                    will.properties = it.properties;
                    Some(will)
                }
                None => None,
            };
            packet.user_name = match &it.user_name {
                Some(it) => Some(text(it)?),
                None => None,
            };
            packet.password = match &it.password {
                Some(it) => Some(binary(it)?),
                None => None,
            };
            packet.into()
        }
        Packet::Publish(it) => {
            let topic = it.topic.as_ref().map_or("-", TopicName::to_str);
            let topic = TopicName::new(topic).ok()?;
            let mut packet = Publish::new(it.delivery, topic, it.payload);
            // An alias stands for it.
            packet.topic = packet.topic.filter(|_| it.topic.is_some());
            (packet.dup, packet.retain) = (it.dup, it.retain);
            packet.properties = properties(&it.properties, buffer)?;
            packet.into()
        }
        Packet::Subscribe(it) => {
            let wanted = it.subscriptions.iter().map(|it| (it.filter, it.options));
            let subscriptions = Subscriptions::new_in(buffer, wanted).ok()?;
            let mut packet = Subscribe::new(it.packet_id, subscriptions);
            packet.properties = it.properties;
            packet.into()
        }
        Packet::Unsubscribe(it) => {
            let filters = TopicFilters::new_in(buffer, &it.filters).ok()?;
            let mut packet = Unsubscribe::new(it.packet_id, filters);
            packet.properties = it.properties;
            packet.into()
        }
        Packet::SubAck(it) => Packet::SubAck(sub_ack(it, buffer)?),
        Packet::UnsubAck(it) => Packet::UnsubAck(sub_ack(it, buffer)?),
        other => *other,
    })
}

fn text<'a>(text: &'a Text<&'a [u8]>) -> Option<Text<&'a [u8]>> {
    Text::new(text.to_str()).ok()
}

fn binary<'a>(bytes: &'a Binary<&'a [u8]>) -> Option<Binary<&'a [u8]>> {
    Binary::new(bytes.as_bytes()).ok()
}

fn sub_ack<'a>(it: &'a SubAck<&'a [u8]>, buffer: &'a mut [u8]) -> Option<SubAck<&'a [u8]>> {
    let reasons = ReasonCodes::new_in(buffer, &it.reasons).ok()?;
    let mut packet = SubAck::new(it.packet_id, reasons);
    packet.properties = it.properties;
    Some(packet)
}

fn properties<'a>(
    it: &'a PublishProperties<&'a [u8]>,
    buffer: &'a mut [u8],
) -> Option<PublishProperties<&'a [u8]>> {
    let mut builder = PublishProperties::builder_in(buffer);
    for property in it {
        builder = match property {
            Property::PayloadFormatIndicator(it) => builder.payload_format_indicator(it),
            Property::MessageExpiryInterval(it) => builder.message_expiry_interval(it),
            Property::ContentType(it) => builder.content_type(it),
            Property::ResponseTopic(it) => builder.response_topic(it),
            Property::CorrelationData(it) => builder.correlation_data(it),
            Property::SubscriptionIdentifier(it) => builder.subscription_identifier(it),
            Property::TopicAlias(it) => builder.topic_alias(it),
            Property::UserProperty((name, value)) => builder.user_property(name, value),
            _ => return None,
        };
    }
    builder.build().ok()
}
