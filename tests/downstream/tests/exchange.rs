//! The client and the server, and the client and the reference broker, in both versions.

use std::net::TcpListener;
use std::thread;

use downstream::{client, server};
use mqtt_sansio::{QoS, Version};
use reference_broker::{Config, spawn};

const PAYLOADS: [&str; 3] = ["one", "two", "three"];

#[test]
fn a_server_serves_clients_of_both_versions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || server::serve(&listener, 6));
    for version in [Version::V311, Version::V5] {
        for (topic, qos) in [
            ("a/0", QoS::AtMostOnce),
            ("a/1", QoS::AtLeastOnce),
            ("a/2", QoS::ExactlyOnce),
        ] {
            let received = client::echo(address, version, topic, qos, &PAYLOADS).unwrap();
            assert_eq!(received, PAYLOADS);
        }
    }
    server.join().unwrap().unwrap();
}

#[test]
fn the_reference_broker_takes_a_line() {
    let broker = spawn(Config::default()).unwrap();
    for version in [Version::V311, Version::V5] {
        let received =
            client::echo(broker.addr(), version, "b", QoS::ExactlyOnce, &PAYLOADS).unwrap();
        assert_eq!(received, PAYLOADS);
    }
}
