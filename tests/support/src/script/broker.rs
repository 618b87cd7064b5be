use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::{Packet, ReasonCode, Side, Version};
use reference_broker::{Broker, Config, ConnectionId, Policy};

use super::{End, Script, drive};

/// A broker and the time.
#[derive(Clone, Debug)]
pub struct Net(Rc<RefCell<(Broker, Duration)>>);

impl Net {
    /// A broker with all that there is, which publishes no `$SYS` topics.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A broker with other settings.
    pub fn with(set: impl FnOnce(&mut Config)) -> Self {
        Self::of(Broker::new(config(set)))
    }

    /// A broker that asks who may do what.
    pub fn with_policy(policy: impl Policy + 'static) -> Self {
        Self::of(Broker::with_policy(config(|_| {}), policy))
    }

    fn of(broker: Broker) -> Self {
        Self(Rc::new(RefCell::new((broker, Duration::ZERO))))
    }

    fn call<T>(&self, call: impl FnOnce(&mut Broker, Duration) -> T) -> T {
        let (broker, now) = &mut *self.0.borrow_mut();
        call(broker, *now)
    }

    /// A network connection on which nothing has been said.
    pub fn open(&self, version: Version) -> Script<Link> {
        drive(Side::Server);
        let id = self.call(|broker, now| broker.accept(now));
        let net = self.clone();
        Script::new(version, Link { net, id })
    }

    /// A client with a clean session, which ends with the connection.
    #[track_caller]
    pub fn connect(&self, version: Version, name: &str) -> Script<Link> {
        let connect = format!("10 ~ 'MQTT' VV 02 00 00 [] '{name}'");
        self.connect_with(version, &connect).0
    }

    /// A client whose session is kept for ever, and is gone on with if it is there.
    #[track_caller]
    pub fn resume(&self, version: Version, name: &str) -> Script<Link> {
        let connect = format!("10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] '{name}'");
        self.connect_with(version, &connect).0
    }

    /// A client that is accepted, and CONNACK.
    #[track_caller]
    pub fn connect_with(&self, version: Version, connect: &str) -> (Script<Link>, ConnAck) {
        let mut client = self.open(version);
        client.send(connect);
        match client.receive() {
            Packet::ConnAck(connack) if connack.reason == ReasonCode::Success => (client, connack),
            other => panic!("{other:?}"),
        }
    }

    /// How many messages wait for a session or are unacknowledged.
    pub fn messages(&self, name: &str) -> usize {
        let usage = self.call(|broker, _| broker.client_usage(name));
        usage.map_or(0, |usage| usage.messages)
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u64) {
        self.wait_for(Duration::from_secs(seconds));
    }

    /// Lets time pass.
    pub fn wait_for(&self, time: Duration) {
        let (broker, now) = &mut *self.0.borrow_mut();
        let until = *now + time;
        while let Some(at) = broker.next_timeout().filter(|&at| at <= until) {
            *now = at.max(*now);
            broker.handle_timeout(*now);
        }
        *now = until;
        broker.handle_timeout(until);
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

fn config(set: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.sys_interval = None;
    set(&mut config);
    config
}

/// The broker's end of a connection.
#[derive(Debug)]
pub struct Link {
    net: Net,
    id: ConnectionId,
}

impl End for Link {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        let id = self.id;
        self.net
            .call(|broker, now| broker.handle_bytes(now, id, bytes));
    }

    fn take_output(&mut self) -> Vec<u8> {
        self.net
            .call(|broker, _| broker.take_output(self.id))
            .to_vec()
    }

    fn is_closing(&self) -> bool {
        self.net.call(|broker, _| broker.is_closing(self.id))
    }
}

impl Script<Link> {
    /// The network connection ends without DISCONNECT.
    pub fn cut(self) {
        let id = self.end.id;
        self.end
            .net
            .call(|broker, now| broker.handle_close(now, id));
    }

    /// DISCONNECT, and the end.
    #[track_caller]
    pub fn leave(mut self) {
        self.send("E0 00");
        assert!(self.end.is_closing());
        self.cut();
    }

    /// SUBSCRIBE with one filter and its options, which is granted as asked.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        self.send(&format!("82 ~ 7F FF [] '{filter}' {options:02X}"));
        self.expect(&format!("90 ~ 7F FF [] {:02X}", options & 3));
    }
}
