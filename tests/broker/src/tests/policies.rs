use mqtt_sansio::packet::Auth;
use mqtt_sansio::property::ConnAckProperties;

use super::*;
use crate::{Access, AuthStep};

#[test]
fn passwords() {
    let mut net = Net::with_policy(Access::default().user("u", "secret"));
    for version in BOTH {
        for (user, password, expected) in [
            (None, None, ReasonCode::NotAuthorized),
            (Some("u"), None, ReasonCode::NotAuthorized),
            (Some("u"), Some("wrong"), ReasonCode::BadUserNameOrPassword),
            (Some("v"), Some("secret"), ReasonCode::BadUserNameOrPassword),
            (Some("u"), Some("secret"), ReasonCode::Success),
        ] {
            let mut connect = connect(version, "a", true, 0);
            connect.user_name = user.map(|user| text(user).to_owned());
            let binary = |bytes: &str| Binary::new(bytes.as_bytes()).unwrap().to_owned();
            connect.password = password.map(binary);
            let (peer, connack) = net.connect(version, connect);
            assert_eq!(connack.reason, expected);
            assert_eq!(net.broker.is_closing(peer.id), expected.is_error());
            net.cut(&peer);
        }
    }
}

#[test]
fn forbidden_topics() {
    let filter = |filter: &str| filter.parse().unwrap();
    let rules = Access::default().deny_subscribe(filter("secret/#"));
    let mut net = Net::with_policy(rules.deny_publish(filter("+/secret")));
    let mut watcher = net.join(Version::V5, "watcher");
    net.subscribe(&mut watcher, "#", QoS::AtMostOnce);
    for version in BOTH {
        let mut a = net.join(version, "a");
        let codes = net.subscribe_with(&mut a, "secret/+", options(QoS::AtMostOnce), None);
        let (refused, published) = match version {
            Version::V311 => (ReasonCode::UnspecifiedError, ReasonCode::Success),
            Version::V5 => (ReasonCode::NotAuthorized, ReasonCode::NotAuthorized),
        };
        assert_eq!(codes, [refused]);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let code = net.say(&mut a, qos, "a/secret", "m");
            assert_eq!(code, Some(published));
        }
        let code = net.say(&mut a, QoS::AtLeastOnce, "$SYS/broker/uptime", "m");
        assert_eq!(code, Some(published));
        assert_eq!(net.messages(&mut watcher), [""; 0]);

        let mut connect = connect(version, "b", true, 0);
        connect.will = Some(will("a/secret", "gone", 0));
        let (_, connack) = net.connect(version, connect);
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
    }
    let mut b = net.join(Version::V5, "b");
    let codes = net.subscribe_with(&mut b, "$share/g/secret/x", options(QoS::AtMostOnce), None);
    assert_eq!(codes, [ReasonCode::NotAuthorized]);
}

#[test]
fn response_information() {
    let rules = Access::default().response_information("answers".parse().unwrap());
    let mut net = Net::with_policy(rules);
    for (asks, told) in [
        (None, None),
        (Some(false), None),
        (Some(true), Some("answers")),
    ] {
        let mut connect = connect(Version::V5, "a", true, 0);
        let builder = ConnectProperties::builder();
        connect.properties = match asks {
            Some(asks) => builder.request_response_information(asks).build(),
            None => builder.build(),
        };
        let (_, connack) = net.connect(Version::V5, connect);
        let text = connack.properties.response_information();
        assert_eq!(told.map(super::text), text);
    }
    let mut asks = connect(Version::V5, "a", true, 0);
    let builder = ConnectProperties::builder();
    asks.properties = builder.request_response_information(true).build();
    let (_, connack) = Net::new(quiet()).connect(Version::V5, asks);
    assert_eq!(connack.properties.response_information(), None);
}

/// Refuses everyone for a reason that CONNACK does not have.
#[derive(Debug)]
struct Unclear(ReasonCode);

impl Policy for Unclear {
    fn connect(&mut self, _: &Text, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<(), ReasonCode> {
        Err(self.0)
    }
}

#[test]
fn refusals_that_conn_ack_does_not_have() {
    for reason in [
        ReasonCode::Success,
        ReasonCode::NoSubscriptionExisted,
        ReasonCode::PacketIdentifierNotFound,
    ] {
        let mut net = Net::with_policy(Unclear(reason));
        let (_, connack) = net.connect(Version::V5, connect(Version::V5, "a", true, 0));
        assert_eq!(connack.reason, ReasonCode::UnspecifiedError);
    }
}

/// Sends everyone elsewhere.
#[derive(Debug)]
struct Elsewhere;

impl Policy for Elsewhere {
    fn connect(&mut self, _: &Text, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<(), ReasonCode> {
        Err(ReasonCode::ServerMoved)
    }

    fn server_reference(&mut self, client: &Text) -> Option<Text> {
        Some(format!("{client}.example:1883").parse().unwrap())
    }
}

#[test]
fn server_reference() {
    let mut net = Net::with_policy(Elsewhere);
    for (most, told) in [(100, Some("a.example:1883")), (10, None)] {
        let mut connect = connect(Version::V5, "a", true, 0);
        let builder = ConnectProperties::builder();
        let most = std::num::NonZeroU32::new(most).unwrap();
        connect.properties = builder.maximum_packet_size(most).build();
        let (_, connack) = net.connect(Version::V5, connect);
        assert_eq!(connack.reason, ReasonCode::ServerMoved);
        let text = connack.properties.server_reference();
        assert_eq!(told.map(super::text), text);
    }
    // 3.1.1 has no code for it.
    let mut old = net.open(Version::V311);
    net.send(&old, connect(Version::V311, "a", true, 0));
    assert_eq!(net.last_words(&mut old), []);
    // There may be no other.
    let mut net = Net::with_policy(Unclear(ReasonCode::UseAnotherServer));
    let (_, connack) = net.connect(Version::V5, connect(Version::V5, "a", true, 0));
    assert_eq!(connack.reason, ReasonCode::UseAnotherServer);
    assert_eq!(connack.properties.server_reference(), None);
}

/// Says `ping`, and wants `pong`.
#[derive(Debug)]
struct PingPong;

impl Policy for PingPong {
    fn auth(&mut self, _: ConnectionId, method: &str, data: &[u8]) -> AuthStep {
        match (method, data) {
            ("ping-pong", b"") => AuthStep::Continue(b"ping".to_vec()),
            ("ping-pong", b"pong") => AuthStep::Success(b"well".to_vec()),
            ("ping-pong", _) => AuthStep::Refused(ReasonCode::NotAuthorized),
            _ => AuthStep::Refused(ReasonCode::BadAuthenticationMethod),
        }
    }
}

fn auth(reason: ReasonCode, data: &[u8]) -> Auth {
    let mut auth = Auth::new(reason, text("ping-pong"));
    if !data.is_empty() {
        let builder = auth.properties.to_builder();
        let data = Binary::new(data).unwrap();
        auth.properties = builder.authentication_data(data).build();
    }
    auth
}

fn with_method(method: &str) -> Connect {
    let mut connect = connect(Version::V5, "a", true, 0);
    let builder = ConnectProperties::builder().authentication_method(text(method));
    connect.properties = builder.build();
    connect
}

#[test]
fn enhanced_authentication() {
    let mut net = Net::with_policy(PingPong);
    let mut a = net.open(Version::V5);
    let ping = Packet::Auth(auth(ReasonCode::ContinueAuthentication, b"ping"));
    net.send(&a, with_method("ping-pong"));
    assert_eq!(net.receive(&mut a), std::slice::from_ref(&ping));
    net.send(&a, auth(ReasonCode::ContinueAuthentication, b"pong"));
    let packets = net.receive(&mut a);
    let [Packet::ConnAck(connack)] = &packets[..] else {
        panic!("{packets:?}");
    };
    let properties: &ConnAckProperties = &connack.properties;
    assert_eq!(properties.authentication_method(), Some(text("ping-pong")));
    let data = Binary::new(b"well").unwrap();
    assert_eq!(properties.authentication_data(), Some(data));
    // Again, on the connection, and then with the wrong word.
    net.send(&a, auth(ReasonCode::ReAuthenticate, b""));
    assert_eq!(net.receive(&mut a), std::slice::from_ref(&ping));
    net.send(&a, auth(ReasonCode::ContinueAuthentication, b"pong"));
    let done = Packet::Auth(auth(ReasonCode::Success, b"well"));
    assert_eq!(net.receive(&mut a), [done]);
    net.send(&a, auth(ReasonCode::ReAuthenticate, b"pang"));
    let last = Disconnect::new(ReasonCode::NotAuthorized);
    assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]);

    let mut b = net.open(Version::V5);
    net.send(&b, with_method("ping-pong"));
    assert_eq!(net.receive(&mut b), [ping]);
    net.send(&b, auth(ReasonCode::ContinueAuthentication, b"pang"));
    let refused = ConnAck::new(ReasonCode::NotAuthorized);
    assert_eq!(net.last_words(&mut b), [Packet::ConnAck(refused)]);
    let (_, connack) = net.connect(Version::V5, with_method("other"));
    assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod);
}
