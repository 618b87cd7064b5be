//! minimq: it subscribes, and has four messages of QoS 2 in flight each way.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware::{NoHeap, Stack, fail, flash, print, succeed};

use minimq::{Buffers, ConfigBuilder, Publication, QoS, Session, SubscriptionOptions, TopicFilter};
use peers::{Network, Script, run};

const SCRIPT: Script<'static> = &[
    (
        b"\x10\x20\0\x04MQTT\x05\x02\0\x3C\x0D\x27\0\0\x02\0\x11\0\0\0\0\x21\0\x08\0\x06device",
        b"\x20\x06\0\0\x03\x21\0\x08",
    ),
    (b"\x82\x0A\0\x01\0\0\x04in/#\x02", b"\x90\x04\0\x01\0\x02"),
    (
        b"\x34\x0E\0\x05out/t\0\x02\x0020.0\x34\x0E\0\x05out/t\0\x03\x0020.0\
          \x34\x0E\0\x05out/t\0\x04\x0020.0\x34\x0E\0\x05out/t\0\x05\x0020.0",
        b"\x50\x02\0\x02\x50\x02\0\x03\x50\x02\0\x04\x50\x02\0\x05\
          \x34\x0D\0\x04in/t\0\x01\x0021.5\x34\x0D\0\x04in/t\0\x02\x0021.5\
          \x34\x0D\0\x04in/t\0\x03\x0021.5\x34\x0D\0\x04in/t\0\x04\x0021.5",
    ),
    (
        b"\x62\x03\0\x02\0\x62\x03\0\x03\0\x62\x03\0\x04\0\x62\x03\0\x05\0\
          \x50\x03\0\x01\0\x50\x03\0\x02\0\x50\x03\0\x03\0\x50\x03\0\x04\0",
        b"\x62\x02\0\x01\x62\x02\0\x02\x62\x02\0\x03\x62\x02\0\x04\
          \x70\x02\0\x02\x70\x02\0\x03\x70\x02\0\x04\x70\x02\0\x05",
    ),
    (
        b"\x70\x03\0\x01\0\x70\x03\0\x02\0\x70\x03\0\x03\0\x70\x03\0\x04\0\xE0\0",
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
    print(&[b"minimq"], &[flash(), stack.most(), 0]);
    succeed()
}

async fn client() -> Option<()> {
    let (mut received, mut sent) = ([0; 512], [0; 512]);
    let config = ConfigBuilder::new(Buffers::new(&mut received, &mut sent));
    let config = config.client_id("device").ok()?.keepalive_interval(60);
    let mut session = Session::new(config);
    let mut client = session.connect(Network::new(SCRIPT)).await.ok()?;
    let options = SubscriptionOptions::default().maximum_qos(QoS::ExactlyOnce);
    let filter = TopicFilter::new("in/#").options(options);
    let subscribed = client.subscribe(&[filter], &[]).await.ok()?;
    while client.is_pending(&subscribed) {
        client.poll().await.ok()?;
    }
    let mut published = [None; 4];
    for published in &mut published {
        let message = Publication::new("out/t", &b"20.0"[..]).qos(QoS::ExactlyOnce);
        *published = client.publish(message).await.ok()?;
    }
    let mut received = 0;
    while received < 4
        || published
            .iter()
            .flatten()
            .any(|published| client.is_pending(published))
    {
        if let Some(message) = client.poll().await.ok()? {
            if message.topic() != "in/t" || message.payload() != b"21.5" {
                return None;
            }
            received += 1;
        }
    }
    client.disconnect().await.ok()?;
    client.into_inner().is_done().then_some(())
}
