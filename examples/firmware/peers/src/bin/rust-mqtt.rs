//! rust-mqtt: it subscribes, and has four messages of QoS 2 in flight each way.
#![no_std]
#![no_main]

use core::num::NonZero;

use cortex_m_rt::entry;
use firmware::{NoHeap, Stack, fail, flash, print, succeed};
use peers::{Network, Script, run};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::config::KeepAlive;
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};

const SCRIPT: Script<'static> = &[
    (
        b"\x10\x18\0\x04MQTT\x05\x02\0\x3C\x05\x21\0\x04\x17\x00\0\x06device",
        b"\x20\x06\0\0\x03\x21\0\x08",
    ),
    (b"\x82\x0A\0\x01\0\0\x04in/#\x02", b"\x90\x04\0\x01\0\x02"),
    (
        b"\x34\x0E\0\x05out/t\0\x01\x0020.0\x34\x0E\0\x05out/t\0\x02\x0020.0\
          \x34\x0E\0\x05out/t\0\x03\x0020.0\x34\x0E\0\x05out/t\0\x04\x0020.0",
        b"\x50\x02\0\x01\x50\x02\0\x02\x50\x02\0\x03\x50\x02\0\x04\
          \x34\x0D\0\x04in/t\0\x01\x0021.5\x34\x0D\0\x04in/t\0\x02\x0021.5\
          \x34\x0D\0\x04in/t\0\x03\x0021.5\x34\x0D\0\x04in/t\0\x04\x0021.5",
    ),
    (
        b"\x62\x04\0\x01\0\0\x62\x04\0\x02\0\0\x62\x04\0\x03\0\0\x62\x04\0\x04\0\0\
          \x50\x04\0\x01\0\0\x50\x04\0\x02\0\0\x50\x04\0\x03\0\0\x50\x04\0\x04\0\0",
        b"\x62\x02\0\x01\x62\x02\0\x02\x62\x02\0\x03\x62\x02\0\x04\
          \x70\x02\0\x01\x70\x02\0\x02\x70\x02\0\x03\x70\x02\0\x04",
    ),
    (
        b"\x70\x04\0\x01\0\0\x70\x04\0\x02\0\0\x70\x04\0\x03\0\0\x70\x04\0\x04\0\0\xE0\x02\0\0",
        b"",
    ),
];

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    if run(client()).is_none() {
        fail();
    }
    print(&[b"rust-mqtt"], &[flash(), stack.most(), 0]);
    succeed()
}

async fn client() -> Option<()> {
    let mut memory = [0; 512];
    let mut buffer = BumpBuffer::new(&mut memory);
    let mut client = Client::<'_, '_, _, _, 1, 4, 4, 1, 1, 0, 0>::new(&mut buffer);
    let keep_alive = KeepAlive::Seconds(NonZero::new(60)?);
    let options = ConnectOptions::new().clean_start().keep_alive(keep_alive);
    let name = MqttString::from_str("device").ok()?;
    client
        .connect(Network::new(SCRIPT), &options, Some(name))
        .await
        .ok()?;
    let filter = TopicFilter::new(MqttString::from_str("in/#").ok()?)?;
    client
        .subscribe(filter, &SubscriptionOptions::new().exactly_once())
        .await
        .ok()?;
    let topic = TopicName::new(MqttString::from_str("out/t").ok()?)?;
    let options = PublicationOptions::new(TopicReference::Name(topic)).exactly_once();
    let (mut published, mut received) = (0, 0);
    while (published, received) != (4, 4) {
        match client.poll().await.ok()? {
            Event::Suback(answer) if answer.reason_code.is_success() => {
                for _ in 0..4 {
                    client
                        .publish(&options, Bytes::Borrowed(b"20.0"))
                        .await
                        .ok()?;
                }
            }
            Event::Publish(it) => {
                let topic = it.topic.name()?;
                if topic.as_ref().as_str() != "in/t" || it.message.as_bytes() != b"21.5" {
                    return None;
                }
            }
            Event::PublishReceived(_) => {}
            Event::PublishReleased(_) => received += 1,
            Event::PublishComplete(_) => published += 1,
            _ => return None,
        }
        // SAFETY: nothing of the event is left.
        unsafe { client.buffer_mut().reset() };
    }
    client
        .disconnect(&DisconnectOptions::new())
        .await
        .ok()?
        .is_done()
        .then_some(())
}
