//! The broker in a thread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic;
use std::time::Duration;

use mqtt_sansio::{ReasonCode, Text};

use crate::{Broker, Config, Policy, Running, spawn};

const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01a";

fn connect(broker: &Running) -> TcpStream {
    let mut socket = TcpStream::connect(broker.addr()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    socket.write_all(CONNECT).unwrap();
    socket
}

#[test]
fn it_ends_when_it_is_dropped() {
    let (one, other) = (
        spawn(Config::default()).unwrap(),
        spawn(Config::default()).unwrap(),
    );
    let address = one.addr();
    assert_ne!(address, other.addr());
    let mut socket = connect(&one);
    socket.read_exact(&mut [0; 4]).unwrap();
    drop(one);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
    connect(&other).read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_panic_in_it_is_not_lost() {
    #[derive(Debug)]
    struct Panics;
    impl Policy for Panics {
        fn connect(
            &mut self,
            _: &Text,
            _: Option<&[u8]>,
            _: Option<&[u8]>,
        ) -> Result<(), ReasonCode> {
            panic!("on purpose")
        }
    }
    let broker = spawn(Broker::with_policy(Config::default(), Panics)).unwrap();
    let _ = connect(&broker).read(&mut [0]);
    let cause = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(broker))).unwrap_err();
    assert_eq!(cause.downcast_ref(), Some(&"on purpose"));
}
