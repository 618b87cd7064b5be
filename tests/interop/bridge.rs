//! A mosquitto that is a bridge to our broker.

use crate::brokers;
use crate::link::{Link, Message, Opening};
use crate::ours::OurLink;
use crate::setting::Setting;

/// Half of what mosquitto takes at once in 3.1.1, as `burst` shows: what it sends comes back to it.
const AT_ONCE: usize = 10;

/// Messages of QoS 2 pass the bridge in both directions at once, each once and in order.
pub(crate) fn run(setting: &Setting) {
    // The bridge takes all messages of the broker.
    let broker = setting.broker.another();
    let mut far = subscriber(setting, broker.port(), "out");
    // The bridge gets it when it has subscribed.
    far.publish(&Message::new("in/ready", 1, "ready").retained());
    let bridge = brokers::bridge(broker.port(), setting.version);
    let mut near = subscriber(setting, bridge.port, "in");
    assert_eq!(near.receive().payload, b"ready");
    for round in 0..10 {
        let messages = |topic| {
            let payloads = (0..AT_ONCE).map(|at| format!("{}", round * AT_ONCE + at));
            payloads
                .map(|payload| Message::new(topic, 2, payload))
                .collect::<Vec<_>>()
        };
        let (out, back) = (messages("out/a"), messages("in/a"));
        let sent = (near.send_all(&out), far.send_all(&back));
        near.wait_accepted(sent.0);
        far.wait_accepted(sent.1);
        // If one came twice, the next is not what is expected.
        for (out, back) in out.iter().zip(&back) {
            assert_eq!(far.receive(), *out);
            assert_eq!(near.receive(), *back);
        }
    }
    let (out, back) = (
        Message::new("out/end", 2, ""),
        Message::new("in/end", 2, ""),
    );
    near.publish(&out);
    far.publish(&back);
    assert_eq!((far.receive(), near.receive()), (out, back));
}

/// A client that sees what comes from the other side.
fn subscriber(setting: &Setting, port: u16, from: &str) -> OurLink {
    let mut opening = Opening::new(setting.version, format!("sees-{from}"));
    opening.filters.push((format!("{from}/#"), 2));
    let mut link = OurLink::new(port, setting.version);
    link.reopen(&opening);
    link.subscribe(&opening);
    link
}
