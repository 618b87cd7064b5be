//! Packets built without a heap: those of the vectors are built again from their fields, in a buffer of
//! the caller's, and encoded.
#![no_std]
#![no_main]

use core::mem::{ManuallyDrop, take};

use cortex_m_rt::entry;
use firmware::vectors::{Kind, LEN, Vector, Vectors};
use firmware::{NoHeap, Stack, fail, flash, print, succeed};
use mqtt_sansio::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Publish, ReasonCodes, SubAck, Subscribe,
    Subscriptions, TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{AckProperties, Properties, Property};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Binary, Packet, PacketType, Text};

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
    let (mut passed, mut built) = (0, Built::default());
    while let Some(vector) = vectors.next(STREAM, SHORTEST) {
        passed += 1;
        if vector.kind == Kind::Ok && !check(&vector, BUILT, ENCODED, &mut built) {
            print(&[b"vector", b"is not built:"], &[passed]);
            fail();
        }
    }
    let places = built.places.count_ones() as usize;
    print(
        &[b"# packets built, kinds with properties:"],
        &[built.packets, places],
    );
    // All but PINGREQ and PINGRESP, and the will.
    if built.packets < 500 || places != 14 {
        fail();
    }
    print(&[b"built"], &[flash(), stack.most(), 0]);
    succeed()
}

/// What was built.
#[derive(Default)]
struct Built {
    packets: usize,
    /// A bit for each kind of packet that had properties, and bit 0 for the will.
    places: u16,
}

/// Room for what is built.
struct Room<'a> {
    free: &'a mut [u8],
    places: &'a mut u16,
}

impl<'a> Room<'a> {
    fn take(&mut self, len: usize) -> Option<&'a mut [u8]> {
        let (room, rest) = take(&mut self.free).split_at_mut_checked(len)?;
        self.free = rest;
        Some(room)
    }
}

/// Builds properties again, each by its method, in just the room that they need.
macro_rules! properties {
    ($it:expr, $place:expr, $room:expr $(, $Name:ident $set:ident)* $(,)?) => {{
        *$room.places |= u16::from(!$it.is_empty()) << $place as u8;
        let mut builder = Properties::builder_in($room.take($it.byte_len())?);
        for property in &$it {
            builder = match property {
                $(Property::$Name(value) => builder.$set(value),)*
                Property::UserProperty((name, value)) => builder.user_property(name, value),
                _ => return None,
            };
        }
        builder.build().ok()?
    }};
}

/// Builds all packets of a stream again, and compares what they are encoded to.
#[inline(never)]
fn check(vector: &Vector<'_>, buffer: &mut [u8], encoded: &mut [u8], built: &mut Built) -> bool {
    let mut stream = vector.stream;
    // Its end would free what rules that are let go need.
    let mut decoder = ManuallyDrop::new(vector.decoder());
    let all = encoded.len();
    let mut out = &mut *encoded;
    while let Ok(Some(packet)) = decoder.decode(&mut stream) {
        let room = Room {
            free: &mut *buffer,
            places: &mut built.places,
        };
        let Some(packet) = build(&packet, room) else {
            return false;
        };
        if packet.encode(vector.version, &mut out).is_err() {
            return false;
        }
        built.packets += 1;
    }
    let len = all - out.len();
    stream.is_empty() && encoded[..len] == *vector.shortest
}

/// Builds a packet from the values of another one.
fn build<'a>(packet: &'a Packet<&'a [u8]>, mut room: Room<'a>) -> Option<Packet<&'a [u8]>> {
    Some(match packet {
        Packet::Connect(it) => connect(it, &mut room)?.into(),
        Packet::ConnAck(it) => {
            let properties = properties!(
                it.properties,
                PacketType::ConnAck,
                room,
                SessionExpiryInterval session_expiry_interval,
                AssignedClientIdentifier assigned_client_identifier,
                ServerKeepAlive server_keep_alive,
                AuthenticationMethod authentication_method,
                AuthenticationData authentication_data,
                ResponseInformation response_information,
                ServerReference server_reference,
                ReasonString reason_string,
                ReceiveMaximum receive_maximum,
                TopicAliasMaximum topic_alias_maximum,
                MaximumQoS maximum_qos,
                RetainAvailable retain_available,
                MaximumPacketSize maximum_packet_size,
                WildcardSubscriptionAvailable wildcard_subscription_available,
                SubscriptionIdentifierAvailable subscription_identifier_available,
                SharedSubscriptionAvailable shared_subscription_available,
            );
            let mut packet = ConnAck::with_properties(it.reason, properties);
            packet.session_present = it.session_present;
            packet.into()
        }
        Packet::Publish(it) => publish(it, &mut room)?.into(),
        Packet::PubAck(it) => Packet::PubAck(ack(it, PacketType::PubAck, &mut room)?),
        Packet::PubRec(it) => Packet::PubRec(ack(it, PacketType::PubRec, &mut room)?),
        Packet::PubRel(it) => Packet::PubRel(ack(it, PacketType::PubRel, &mut room)?),
        Packet::PubComp(it) => Packet::PubComp(ack(it, PacketType::PubComp, &mut room)?),
        Packet::Subscribe(it) => {
            let properties = properties!(
                it.properties,
                PacketType::Subscribe,
                room,
                SubscriptionIdentifier subscription_identifier,
            );
            let wanted = it.subscriptions.iter().map(|it| (it.filter, it.options));
            let subscriptions = Subscriptions::new_in(room.free, wanted).ok()?;
            let mut packet = Subscribe::new(it.packet_id, subscriptions);
            packet.properties = properties;
            packet.into()
        }
        Packet::SubAck(it) => Packet::SubAck(sub_ack(it, PacketType::SubAck, room)?),
        Packet::Unsubscribe(it) => {
            let properties = properties!(it.properties, PacketType::Unsubscribe, room);
            let filters = TopicFilters::new_in(room.free, &it.filters).ok()?;
            let mut packet = Unsubscribe::new(it.packet_id, filters);
            packet.properties = properties;
            packet.into()
        }
        Packet::UnsubAck(it) => Packet::UnsubAck(sub_ack(it, PacketType::UnsubAck, room)?),
        Packet::PingReq => Packet::PingReq,
        Packet::PingResp => Packet::PingResp,
        Packet::Disconnect(it) => {
            let properties = properties!(
                it.properties,
                PacketType::Disconnect,
                room,
                SessionExpiryInterval session_expiry_interval,
                ServerReference server_reference,
                ReasonString reason_string,
            );
            Disconnect::with_properties(it.reason, properties).into()
        }
        Packet::Auth(it) => {
            let properties = properties!(
                it.properties,
                PacketType::Auth,
                room,
                AuthenticationMethod authentication_method,
                AuthenticationData authentication_data,
                ReasonString reason_string,
            );
            Auth::with_properties(it.reason, properties).into()
        }
    })
}

fn connect<'a>(it: &'a Connect<&'a [u8]>, room: &mut Room<'a>) -> Option<Connect<&'a [u8]>> {
    let mut packet = Connect::new(text(&it.client_id)?);
    packet.clean_start = it.clean_start;
    packet.keep_alive = it.keep_alive;
    packet.properties = properties!(
        it.properties,
        PacketType::Connect,
        room,
        SessionExpiryInterval session_expiry_interval,
        AuthenticationMethod authentication_method,
        AuthenticationData authentication_data,
        RequestProblemInformation request_problem_information,
        RequestResponseInformation request_response_information,
        ReceiveMaximum receive_maximum,
        TopicAliasMaximum topic_alias_maximum,
        MaximumPacketSize maximum_packet_size,
    );
    if let Some(it) = &it.will {
        let topic = TopicName::new(it.topic.to_str()).ok()?;
        let mut will = Will::new(topic, binary(&it.payload)?);
        (will.qos, will.retain) = (it.qos, it.retain);
        will.properties = properties!(
            it.properties,
            0_u8,
            room,
            WillDelayInterval will_delay_interval,
            PayloadFormatIndicator payload_format_indicator,
            MessageExpiryInterval message_expiry_interval,
            ContentType content_type,
            ResponseTopic response_topic,
            CorrelationData correlation_data,
        );
        packet.will = Some(will);
    }
    if let Some(it) = &it.user_name {
        packet.user_name = Some(text(it)?);
    }
    if let Some(it) = &it.password {
        packet.password = Some(binary(it)?);
    }
    Some(packet)
}

fn publish<'a>(it: &'a Publish<&'a [u8]>, room: &mut Room<'a>) -> Option<Publish<&'a [u8]>> {
    let topic = it.topic.as_ref().map_or("-", TopicName::to_str);
    let mut packet = Publish::new(it.delivery, TopicName::new(topic).ok()?, it.payload);
    // An alias stands for it.
    packet.topic = packet.topic.filter(|_| it.topic.is_some());
    (packet.dup, packet.retain) = (it.dup, it.retain);
    packet.properties = properties!(
        it.properties,
        PacketType::Publish,
        room,
        PayloadFormatIndicator payload_format_indicator,
        MessageExpiryInterval message_expiry_interval,
        ContentType content_type,
        ResponseTopic response_topic,
        CorrelationData correlation_data,
        SubscriptionIdentifier subscription_identifier,
        TopicAlias topic_alias,
    );
    Some(packet)
}

fn ack<'a>(it: &'a Ack<&'a [u8]>, kind: PacketType, room: &mut Room<'a>) -> Option<Ack<&'a [u8]>> {
    let mut packet = Ack::with_properties(it.packet_id, explained(&it.properties, kind, room)?);
    packet.reason = it.reason;
    Some(packet)
}

fn sub_ack<'a>(
    it: &'a SubAck<&'a [u8]>,
    kind: PacketType,
    mut room: Room<'a>,
) -> Option<SubAck<&'a [u8]>> {
    let properties = explained(&it.properties, kind, &mut room)?;
    let reasons = ReasonCodes::new_in(room.free, &it.reasons).ok()?;
    let mut packet = SubAck::new(it.packet_id, reasons);
    packet.properties = properties;
    Some(packet)
}

fn explained<'a>(
    it: &'a AckProperties<&'a [u8]>,
    kind: PacketType,
    room: &mut Room<'a>,
) -> Option<AckProperties<&'a [u8]>> {
    Some(properties!(*it, kind, room, ReasonString reason_string))
}

fn text<'a>(text: &'a Text<&'a [u8]>) -> Option<Text<&'a [u8]>> {
    Text::new(text.to_str()).ok()
}

fn binary<'a>(bytes: &'a Binary<&'a [u8]>) -> Option<Binary<&'a [u8]>> {
    Binary::new(bytes.as_bytes()).ok()
}
