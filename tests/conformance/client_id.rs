//! MQTT 5.0 section 3.1.3.1: the client identifier.

use mqtt_sansio::connection::{ConnectionError, client};
use mqtt_sansio::{QoS, ReasonCode, Text, Version};
use reference_broker::Policy;
use support::script::{ClientEnd, Net, ServerEnd, connack, connect, lasting, message};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "client_id_names_the_session",
        v311: &["3.1.3-2"],
        v5: &["3.1.3-2"],
        run: client_id_names_the_session,
    },
    Test {
        name: "client_ids_of_letters_and_digits",
        v311: &["3.1.3-5"],
        v5: &["3.1.3-5"],
        run: client_ids_of_letters_and_digits,
    },
    Test {
        name: "empty_client_id",
        v311: &["3.1.3-6"],
        v5: &["3.1.3-6", "3.1.3-7", "3.2.2-16"],
        run: empty_client_id,
    },
    Test {
        name: "empty_client_id_of_a_session",
        v311: &["3.1.3-7", "3.1.3-8"],
        v5: &[],
        run: empty_client_id_of_a_session,
    },
    Test {
        name: "client_id_is_refused",
        v311: &["3.1.3-9", "U311-3.2.2.3-18"],
        v5: &["3.1.3-8", "U5-3.2.2.2-61"],
        run: client_id_is_refused,
    },
];

/// Each name has its own session, at the server and at the client.
fn client_id_names_the_session(version: Version) {
    let net = Net::new();
    let (mut a, mut b) = (net.resume(version, "a"), net.resume(version, "A"));
    a.subscribe("t", 1);
    b.subscribe("u", 1);
    a.cut();
    b.cut();
    let mut other = net.connect(version, "other");
    other.send("32 ~ 't' 00 01 [] \"x\" | 32 ~ 'u' 00 02 [] \"y\"");
    other.expect("40 02 00 01 | 40 02 00 02");
    let mut b = net.resume(version, "A");
    b.expect("32 ~ 'u' 00 01 [] \"y\"");
    b.expect_open();
    let mut a = net.resume(version, "a");
    a.expect("32 ~ 't' 00 01 [] \"x\"");
    a.expect_open();

    let mut server = ClientEnd::accepted(version, lasting(version, "a"), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.reconnect(lasting(version, "a"), "20 ~ 01 00 []");
    server.expect("3A ~ 't' 00 01 [] \"x\"");
    // What was begun as `a` is nothing of `b`, whose session the server has.
    server.reconnect(lasting(version, "b"), "20 ~ 01 00 []");
    match version {
        Version::V311 => server.expect_open(),
        Version::V5 => server.expect_close_with(0x82),
    }
}

/// All that every server has to take.
fn client_ids_of_letters_and_digits(version: Version) {
    let net = Net::new();
    for name in [
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "a",
    ] {
        net.connect(version, name).expect_open();
    }
}

/// Without a name a client gets one that nobody has, which 5.0 tells.
fn empty_client_id(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 00 [11 00 00 00 64] ''";
    // Who has the name that comes next.
    let mut known = vec![net.connect(version, "auto-2")];
    let mut names = vec!["auto-2".to_owned()];
    for _ in 0..3 {
        let (client, connack) = net.connect_with(version, connect);
        known.push(client);
        let name = connack.properties.assigned_client_identifier();
        match version {
            Version::V311 => assert_eq!(name, None),
            Version::V5 => {
                let name = name.unwrap().to_str().to_owned();
                assert!(!names.contains(&name), "{name} is used");
                names.push(name);
            }
        }
    }
    // None of them took another one over.
    for client in &mut known {
        client.expect_open();
    }
    if version == Version::V5 {
        let mut client = known.pop().unwrap();
        client.subscribe("t", 1);
        client.cut();
        known[0].send("32 ~ 't' 00 01 [] \"x\"");
        let mut client = net.resume(version, names.last().unwrap());
        client.expect("32 ~ 't' 00 01 [] \"x\"");

        // A server's connection cannot keep it to itself.
        let mut nameless = ServerEnd::new(version);
        nameless.send(connect);
        let server = &mut nameless.end.connection;
        let untold = connack(<_>::default());
        let refused = server.accept(nameless.end.now, untold, &mut None);
        assert_eq!(refused, Err(ConnectionError::ClientIdNotAssigned));
        nameless.expect_open();

        // The client has its session under that name.
        let named = |name| lasting(version, name);
        let assigned = "20 ~ 00 00 [12 00 03 \"abc\"]";
        let mut server = ClientEnd::accepted(version, named(""), assigned);
        let client = &mut server.end.connection;
        client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
        server.expect("32 ~ 't' 00 01 [] \"x\"");
        server.reconnect(named("abc"), "20 ~ 01 00 []");
        server.expect("3A ~ 't' 00 01 [] \"x\"");
        server.reconnect(named(""), "20 ~ 01 00 []");
        server.expect_close_with(0x82);
    }
}

/// 3.1.1 has no way to tell the name, so that the session could not be found again.
fn empty_client_id_of_a_session(version: Version) {
    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 00 00 00 ''");
    client.expect("20 02 00 02");
    client.expect_close();

    let mut nameless = connect("");
    nameless.clean_start = false;
    let mut connection = client::Connection::new();
    assert_eq!(
        connection.connect(version, nameless),
        Err(ConnectionError::EmptyClientId)
    );
    let mut server = ClientEnd::new(version, connection);
    server.expect_nothing();
}

/// Does not like any name.
#[derive(Debug)]
struct Nobody;

impl Policy for Nobody {
    fn connect(&mut self, _: &Text, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<(), ReasonCode> {
        Err(ReasonCode::ClientIdentifierNotValid)
    }
}

/// The code for it, and the end.
fn client_id_is_refused(version: Version) {
    let mut client = Net::with_policy(Nobody).open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    match version {
        Version::V311 => client.expect("20 02 00 02"),
        Version::V5 => client.expect("20 ~ 00 85 []"),
    }
    client.expect_close();
}
