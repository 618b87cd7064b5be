//! The broker on TCP: what it takes of the system, in which order it handles what comes, and how
//! connections end.

#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod running;

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_sansio::{Packet, Version};
use running::{
    CONNACK, Client, DISCONNECT, NOT_AUTHORIZED, PINGREQ, PINGRESP, Running, SUBACK, UNSUBACK,
    connect, connect_with, packet, puback, publish, subscribe, unsubscribe, wait_until,
};

const ENOUGH: u32 = 1_000;

/// Nobody but this user may connect.
const USER: [&str; 2] = ["user", "password"];

fn strict(name: &str, descriptors: u32, options: &[&str]) -> Running {
    let file = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    std::fs::write(&file, USER.join(":")).unwrap();
    let password = ["--password-file", file.to_str().unwrap()];
    let running = Running::start(descriptors, &[&password, options].concat());
    std::fs::remove_file(file).unwrap();
    running
}

fn join_as_user(broker: &Running, name: &str) -> Client {
    let mut client = broker.open();
    client.send(&connect_with(0xC2, 0, &[name, USER[0], USER[1]]));
    client.expect(CONNACK);
    client
}

/// One that is refused and keeps its side of the connection open.
fn refused(broker: &Running) -> Client {
    let mut client = broker.open();
    client.send(&connect("nobody"));
    client.expect_end(NOT_AUTHORIZED);
    client
}

#[test]
fn e10_a_connection_takes_a_descriptor_and_no_thread() {
    const CLIENTS: usize = 200;
    let broker = Running::start(ENOUGH, &[]);
    let (descriptors, memory) = (broker.descriptors(), broker.memory());
    let clients: Vec<_> = (0..CLIENTS).map(|n| broker.join(&n.to_string())).collect();
    assert_eq!(broker.descriptors(), descriptors + CLIENTS);
    assert_eq!(broker.threads(), 1);
    // KiB, with the session; more is taken from the system at a time than is needed.
    assert!(broker.memory() - memory < 4 * CLIENTS + 500);
    drop(clients);
    wait_until("all are gone", || broker.descriptors() == descriptors);
}

#[test]
fn e10_without_descriptors_the_others_are_served() {
    let broker = Running::start(32, &[]);
    let mut clients: Vec<_> = (0..50).map(|_| broker.open()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&connect(&number.to_string()));
    }
    let mut waiting = clients.split_off(20);
    let mut served = clients;
    served.iter_mut().for_each(|client| client.expect(CONNACK));
    while waiting[0].hears(Duration::from_millis(500)) {
        waiting[0].expect(CONNACK);
        served.push(waiting.remove(0));
    }
    assert!(waiting.len() >= 50 - 32);
    let busy = broker.busy();
    thread::sleep(Duration::from_millis(1_500));
    let busy = broker.busy() - busy;
    assert!(busy < Duration::from_millis(100), "{busy:?}");
    served.iter_mut().for_each(Client::ping);
    assert!(
        waiting
            .iter_mut()
            .all(|client| !client.hears(Duration::from_millis(1)))
    );
    // For each one that ends there is another one, at once.
    let start = Instant::now();
    for mut client in waiting {
        served.remove(0);
        client.expect(CONNACK);
        served.push(client);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    served.iter_mut().for_each(Client::ping);
    let complaints = broker.complaints();
    // EMFILE, in the words of this libc.
    let none_left = std::io::Error::from_raw_os_error(24).to_string();
    assert!(complaints.len() == 1 && complaints[0].contains(&none_left));
}

#[test]
fn a_refused_client_gets_the_last_packet_whatever_it_sends() {
    let broker = strict("last-packet", ENOUGH, &[]);
    let mut client = broker.open();
    client.send(&connect("nobody"));
    client.send(&vec![0; 1 << 20]);
    client.expect_end(NOT_AUTHORIZED);
}

/// While there is room, nobody who comes or is refused afterwards takes the time from it.
#[test]
fn a23_a_refused_client_gets_the_last_packet_whoever_comes_after_it() {
    let broker = strict("after", ENOUGH, &[]);
    for others_are_refused in [false, true] {
        let mut client = broker.open();
        client.send(&connect("nobody"));
        assert!(client.hears(Duration::from_secs(5)));
        let _other = match others_are_refused {
            true => refused(&broker),
            false => join_as_user(&broker, "somebody"),
        };
        client.send(&vec![0; 1 << 20]);
        client.expect_end(NOT_AUTHORIZED);
    }
}

/// The system resets a connection whose end has not read everything.
#[test]
fn a_connection_that_was_reset_is_over() {
    let broker = Running::start(ENOUGH, &[]);
    let descriptors = broker.descriptors();
    let mut client = broker.join("a");
    client.send(&subscribe("t"));
    assert!(client.hears(Duration::from_secs(5)));
    drop(client);
    wait_until("it is gone", || broker.descriptors() == descriptors);
}

#[test]
fn a23_a_refused_client_that_leaves_takes_no_descriptor() {
    let broker = strict("leaves", ENOUGH, &[]);
    let descriptors = broker.descriptors();
    // Two seconds later they would be gone anyway. The machine may be slow once.
    let quick = (0..5).any(|_| {
        (0..100).for_each(|_| drop(refused(&broker)));
        let start = Instant::now();
        wait_until("all are gone", || broker.descriptors() == descriptors);
        start.elapsed() < Duration::from_secs(1)
    });
    assert!(quick);
}

#[test]
fn a23_refused_clients_that_stay_keep_nobody_out() {
    let broker = strict("stay", 64, &[]);
    let start = Instant::now();
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for number in 0..24 {
        bad.extend((0..10).map(|_| refused(&broker)));
        good.push(join_as_user(&broker, &number.to_string()));
    }
    // It takes 10 seconds if nobody goes before his time is up.
    assert!(start.elapsed() < Duration::from_secs(5));
    good.iter_mut().for_each(Client::ping);
}

#[test]
fn a23_refused_clients_that_stay_are_few_and_do_not_stay_for_long() {
    let broker = strict("few", ENOUGH, &[]);
    let descriptors = broker.descriptors();
    let bad: Vec<_> = (0..300).map(|_| refused(&broker)).collect();
    assert!(broker.descriptors() <= descriptors + 256);
    wait_until("all are gone", || broker.descriptors() == descriptors);
    drop(bad);
}

#[test]
fn a23_refused_clients_are_counted_until_they_are_gone() {
    let broker = strict("counted", ENOUGH, &["--max-connections", "10"]);
    let descriptors = broker.descriptors();
    let mut good: Vec<_> = (0..8)
        .map(|n| join_as_user(&broker, &n.to_string()))
        .collect();
    let bad: Vec<_> = (0..20).map(|_| refused(&broker)).collect();
    assert!(broker.descriptors() <= descriptors + 10);
    good.extend(["8", "9"].map(|name| join_as_user(&broker, name)));
    good.iter_mut().for_each(Client::ping);
    broker.open().expect_end(&[]);
    good.remove(0);
    wait_until("there is room", || broker.descriptors() == descriptors + 9);
    join_as_user(&broker, "10").ping();
    drop(bad);
}

/// Tells other threads to end, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps the machine busy.
fn busily(run: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(0);
                }
            });
        }
        run();
    });
}

/// Gives up a subscription, and another client sends a message afterwards, by `and_then`.
///
/// The broker has answered a bystander in between, and so has done with the socket of the subscriber. As
/// long as it writes SUBACK, the system keeps back what comes for that socket, and sees it after what
/// comes for others meanwhile.
fn give_up(subscriber: &mut Client, bystander: &mut Client, and_then: impl FnOnce()) {
    subscriber.send(&subscribe("t"));
    subscriber.expect(SUBACK);
    bystander.ping();
    subscriber.send(&unsubscribe("t"));
    and_then();
    subscriber.expect(UNSUBACK);
    subscriber.ping();
}

#[test]
fn a24_what_was_sent_first_is_handled_first_on_a_busy_machine() {
    let broker = Running::start(ENOUGH, &[]);
    let (mut first, mut second) = (broker.join("first"), broker.join("second"));
    let mut bystander = broker.join("bystander");
    let message = publish("t", 1, b"");
    busily(|| {
        for round in 0..1_000 {
            // A client that comes after it.
            give_up(&mut first, &mut bystander, || {
                let mut late = broker.open();
                late.send(&connect("late"));
                late.send(&message);
                late.expect(CONNACK);
                late.expect(&puback(1));
            });
            if round % 4 > 0 {
                continue;
            }
            // One that is there already and has said nothing yet.
            let mut silent = broker.open();
            give_up(&mut first, &mut bystander, || {
                silent.send(&[&connect("silent")[..], &message].concat());
                silent.expect(CONNACK);
                silent.expect(&puback(1));
            });
            // Two that are there, one way and the other.
            give_up(&mut first, &mut bystander, || second.send(&message));
            second.expect(&puback(1));
            give_up(&mut second, &mut bystander, || first.send(&message));
            first.expect(&puback(1));
        }
    });
}

#[test]
fn who_sends_without_end_keeps_nobody_waiting() {
    let broker = Running::start(ENOUGH, &[]);
    let mut other = broker.join("other");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for name in ["a", "b"] {
            let (mut flood, stop) = (broker.join(name), &stop);
            let messages = packet(0x30, b"\0\x01t").repeat(10_000);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    flood.send(&messages);
                }
            });
        }
        (0..20).for_each(|_| other.ping());
        drop(broker.join("another"));
    });
}

/// The system ends the wait for input with an error.
#[test]
fn a_process_that_is_stopped_while_it_waits_goes_on() {
    let broker = Running::start(ENOUGH, &[]);
    let mut client = broker.join("a");
    for _ in 0..3 {
        client.ping();
        thread::sleep(Duration::from_millis(50));
        broker.stopped(|| thread::sleep(Duration::from_millis(50)));
        thread::sleep(Duration::from_millis(50));
    }
    client.ping();
}

#[test]
fn a_process_that_slept_handles_what_came_before_it_judges_time() {
    let broker = Running::start(ENOUGH, &[]);
    let [mut lively, mut silent] = ["lively", "silent"].map(|name| {
        let mut client = broker.open();
        client.send(&connect_with(2, 1, &[name]));
        client.expect(CONNACK);
        client
    });
    broker.stopped(|| {
        for _ in 0..8 {
            lively.send(PINGREQ);
            thread::sleep(Duration::from_millis(300));
        }
    });
    lively.expect(&PINGRESP.repeat(8));
    lively.ping();
    silent.expect_end(&[]);
}

#[test]
fn options_are_heeded() {
    let options = [
        ["--receive-maximum", "7"],
        ["--topic-alias-maximum", "8"],
        ["--max-keep-alive", "9"],
        ["--maximum-packet-size", "900"],
        ["--maximum-qos", "1"],
        ["--response-information", "r"],
        ["--deny-subscribe", "a/#"],
        ["--deny-publish", "b"],
        ["--allow", "dup-at-qos-0"],
    ];
    let flags = ["--no-retain", "--no-shared", "--log"];
    let broker = Running::start(ENOUGH, &[options.as_flattened(), &flags].concat());
    let mut client = broker.open();
    // A clean start, a keep alive of 60 seconds; response information is requested.
    let connect = b"\0\x04MQTT\x05\x02\0\x3C\x02\x19\x01\0\x01c";
    client.send(&packet(0x10, connect));
    let bytes = client.next_packet();
    let Ok(Packet::ConnAck(connack)) = Packet::decode(Version::V5, &bytes) else {
        panic!("{bytes:x?}");
    };
    let mut said: Vec<_> = connack
        .properties
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    said.sort();
    let expected = [
        "MaximumPacketSize(900)",
        "MaximumQoS(AtLeastOnce)",
        "ReceiveMaximum(7)",
        "ResponseInformation(\"r\")",
        "RetainAvailable(false)",
        "ServerKeepAlive(9)",
        "SharedSubscriptionAvailable(false)",
        "TopicAliasMaximum(8)",
    ];
    assert_eq!(said, expected);
    client.send(&packet(0x82, b"\0\x01\0\0\x03a/b\0"));
    client.expect(b"\x90\x04\0\x01\0\x87");
    client.send(&packet(0x32, b"\0\x01b\0\x02\0"));
    client.expect(b"\x40\x03\0\x02\x87");
    client.send(&packet(0x38, b"\0\x01c\0"));
    client.ping();
    client.send(DISCONNECT);
    client.expect_end(&[]);
    wait_until("it says so", || !broker.complaints().is_empty());

    let broker = Running::start(ENOUGH, &["--allow", "all"]);
    let mut client = broker.join("c");
    client.send(&packet(0x38, b"\0\x01c"));
    client.ping();
    let help = running::output(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"reference-broker"));
    for wrong in [&["--unknown"][..], &["--listen"], &["--maximum-qos", "3"]] {
        assert!(!running::output(wrong).status.success());
    }
    let users = |lines: &str| {
        let file = std::env::temp_dir().join(format!("users-{}", std::process::id()));
        std::fs::write(&file, lines).unwrap();
        let path = file.to_str().unwrap();
        // The address is none: it ends, whatever the file has.
        let found = running::output(&["--password-file", path, "--listen", "none"]);
        std::fs::remove_file(file).unwrap();
        String::from_utf8(found.stderr).unwrap()
    };
    assert!(users("a:b\nc\n").contains("colon"));
    assert!(!users("a:b\r\n\nc:\n").contains("colon"));
}

#[test]
fn who_closes_one_side_gets_the_answers() {
    let broker = Running::start(ENOUGH, &[]);
    let mut client = broker.open();
    broker.stopped(|| {
        client.send(&connect("a"));
        client.send(&publish("t", 1, b""));
        client.0.shutdown(Shutdown::Write).unwrap();
    });
    client.expect_end(&[CONNACK, &puback(1)].concat());
}

/// Writing to it fails, and then its DISCONNECT is read.
#[test]
fn who_says_goodbye_and_does_not_read_has_no_will() {
    let broker = Running::start(ENOUGH, &[]);
    let mut watcher = broker.join("watcher");
    watcher.send(&subscribe("will"));
    watcher.expect(SUBACK);
    let mut publisher = broker.join("publisher");
    let mut leaving = broker.open();
    leaving.send(&connect_with(6, 0, &["leaving", "will", "gone"]));
    leaving.expect(CONNACK);
    leaving.send(&subscribe("t"));
    leaving.expect(SUBACK);
    broker.stopped(|| {
        for id in [1, 2, 3] {
            publisher.send(&publish("t", id, &[0; 20_000]));
        }
        leaving.send(DISCONNECT);
        drop(leaving);
    });
    for id in [1, 2, 3] {
        publisher.expect(&puback(id));
    }
    wait_until("it is gone", || {
        broker.join("leaving").0.peer_addr().is_ok()
    });
    watcher.ping();
}

#[test]
fn slow_readers_get_everything_and_cost_little() {
    // More in flight to each than the system takes.
    const MESSAGES: u16 = 25;
    let broker = Running::start(ENOUGH, &[]);
    let memory = broker.memory();
    let mut readers: Vec<_> = (0..20).map(|n| broker.join(&n.to_string())).collect();
    for reader in &mut readers {
        reader.send(&subscribe("t"));
        reader.expect(SUBACK);
    }
    let mut publisher = broker.join("publisher");
    let payload = |id: u16| id.to_be_bytes().repeat(200_000);
    for id in 1..=MESSAGES {
        publisher.send(&publish("t", id, &payload(id)));
        publisher.expect(&puback(id));
    }
    // The messages are 10 MB, and 200 MB with a copy for each reader.
    let memory = broker.memory() - memory;
    assert!(memory < 40_000, "{memory} KiB");
    for reader in &mut readers {
        // It says nothing until it has all that may be in flight.
        for ids in [1..=20, 21..=MESSAGES] {
            for id in ids.clone() {
                reader.expect(&publish("t", id, &payload(id)));
            }
            ids.for_each(|id| reader.send(&puback(id)));
        }
        reader.ping();
    }
}
