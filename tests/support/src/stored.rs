//! Sessions that are read back from a store, also a damaged one: refused, or sessions that keep all
//! promises.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_sansio::connection::{Connection, Event, Incoming, Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::session::{CallId, Change, Session, Snapshot};
use mqtt_sansio::{Delivery, Message, PacketId, QoS, ReasonCode, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::choices::Choices;
use crate::heap;

type Kept = (Snapshot<Message>, Vec<Change<Message>>);

const NOW: Duration = Duration::from_secs(100);

/// What a fuzz target calls: how to make what is stored and how to damage it, or what is stored.
///
/// # Panics
///
/// If a session that is read back breaks a promise.
pub fn stored(bytes: &[u8]) {
    let [how, rest @ ..] = bytes else {
        return;
    };
    let text = how & 1 == 0;
    let kept = match how & 2 {
        0 => rest.to_vec(),
        _ => damaged(rest, text),
    };
    let before = kept.len();
    let read: Option<Kept> = match text {
        true => serde_json::from_slice(&kept).ok(),
        false => postcard::from_bytes(&kept).ok(),
    };
    let Some((snapshot, changes)) = read else {
        return;
    };
    let held = heap::of(&snapshot, |_| ()) + heap::of(&changes, |_| ());
    let most = 1_024 + 64 * before;
    assert!(held <= most, "{held} bytes from {before}");
    let Ok(session) = Session::restore(snapshot, changes) else {
        return;
    };
    let held = heap::of(&session, Session::shrink_to_fit);
    assert!(held <= 2 * most, "{held} bytes from {before}");
    keeps(&session);
    for version in [Version::V311, Version::V5] {
        for present in [false, true] {
            let client = client::Connection::with_session(session.clone());
            let there = present.then(Session::new);
            resumes(version, client, there, &session, true);
            let client = client::Connection::with_session(Session::new());
            resumes(version, client, Some(session.clone()), &session, false);
        }
    }
}

/// Seeds: what is stored in both forms, and choices that make it.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for number in 1..=3_u64 {
        let mut choices = Choices::new(&[], number);
        let kept = made(&mut choices);
        let text = serde_json::to_vec(&kept).unwrap();
        let binary = postcard::to_allocvec(&kept).unwrap();
        seeds.push((format!("json-{number}"), [&[0], &text[..]].concat()));
        seeds.push((format!("postcard-{number}"), [&[1], &binary[..]].concat()));
        let choices: Vec<_> = (0..60_u64)
            .map(|at| (at * at * number).to_le_bytes()[0])
            .collect();
        let how = 2 + u8::try_from(number % 2).unwrap();
        seeds.push((format!("choices-{number}"), [&[how], &choices[..]].concat()));
    }
    seeds
}

/// A session of some calls and packets, written and damaged.
fn damaged(bytes: &[u8], text: bool) -> Vec<u8> {
    let mut choices = Choices::new(bytes, bytes.len() as u64);
    let damages = choices.below(6);
    let kept = made(&mut choices);
    let mut bytes = match text {
        true => write_read(&kept, serde_json::to_vec, |bytes| {
            serde_json::from_slice(bytes)
        }),
        false => write_read(&kept, postcard::to_allocvec, |bytes| {
            postcard::from_bytes(bytes)
        }),
    };
    for _ in 0..damages {
        if bytes.is_empty() {
            break;
        }
        let at = (choices.below(256) << 8 | choices.below(256)) % bytes.len();
        let byte = u8::try_from(choices.below(256)).unwrap();
        match choices.below(5) {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, b"0123456789"[usize::from(byte) % 10]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// What is written, which is read as it was.
fn write_read<E: std::fmt::Debug, F: std::fmt::Debug>(
    kept: &Kept,
    write: impl FnOnce(&Kept) -> Result<Vec<u8>, E>,
    read: impl FnOnce(&[u8]) -> Result<Kept, F>,
) -> Vec<u8> {
    let bytes = write(kept).unwrap();
    assert_eq!(read(&bytes).unwrap(), *kept);
    bytes
}

/// A snapshot, and the changes since.
fn made(choices: &mut Choices<'_>) -> Kept {
    let mut session = Session::<Message>::new();
    let (mut base, mut changes) = (Snapshot::new(), Vec::new());
    session.record_changes();
    let link = mqtt_sansio::session::Link::new(Version::V5);
    session.connect(link);
    for number in 0..24_u32 {
        let id = PacketId::new(u16::try_from(choices.below(4) + 1).unwrap()).unwrap();
        match choices.below(10) {
            0..=2 => {
                let qos = choices.pick([QoS::AtLeastOnce, QoS::ExactlyOnce]);
                let topic = format!("t/{number}");
                let message = Message::new(topic.parse().unwrap(), number.to_be_bytes().to_vec());
                let after = choices.pick([None, None, Some(NOW)]);
                let _ = session.publish_until(after, qos, message);
            }
            3 | 4 => while session.poll_transmit().is_some() {},
            5 => drop(session.handle_pub_ack(id, ReasonCode::Success)),
            6 => drop(session.handle_pub_rec(id, ReasonCode::Success)),
            7 => drop(session.abandon(id)),
            8 => {
                use mqtt_sansio::session::Receipt;
                if let Ok(Receipt::New(token)) = session.handle_publish(Delivery::ExactlyOnce(id)) {
                    session.acknowledge(token, ReasonCode::Success).unwrap();
                }
            }
            _ => {
                let _ = session.handle_pub_rel(id);
            }
        }
        while let Some(change) = session.poll_change() {
            changes.push(change.map(Message::clone));
        }
        if choices.one_in(16) {
            (base, changes) = (session.snapshot(), Vec::new());
        }
    }
    (base, changes)
}

/// What a session says it is, it is.
fn keeps(session: &Session<Message>) {
    let snapshot = session.snapshot();
    let again = Session::restore(snapshot.clone(), []).unwrap();
    assert_eq!(again.snapshot(), snapshot);
    assert_eq!(session.messages().count(), snapshot.messages.len());
    same(&snapshot, serde_json::to_vec, |bytes| {
        serde_json::from_slice(bytes)
    });
    same(&snapshot, postcard::to_allocvec, |bytes| {
        postcard::from_bytes(bytes)
    });
}

fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug, E, F>(
    value: &T,
    write: impl FnOnce(&T) -> Result<Vec<u8>, E>,
    read: impl FnOnce(&[u8]) -> Result<T, F>,
) where
    E: std::fmt::Debug,
    F: std::fmt::Debug,
{
    assert_eq!(read(&write(value).unwrap()).unwrap(), *value);
}

/// The calls of a session and how often each is in it.
fn calls(session: &Session<Message>) -> BTreeMap<CallId, u32> {
    let snapshot = session.snapshot();
    let mut calls = BTreeMap::new();
    let messages = snapshot.messages.iter().map(|stored| stored.call);
    let releases = snapshot.releases.iter().chain(&snapshot.abandoned);
    for call in messages.chain(releases.map(|release| release.call)) {
        *calls.entry(call).or_default() += 1;
    }
    calls
}

/// With a connection all that was begun ends, each call once.
fn resumes(
    version: Version,
    mut client: client::Connection,
    mut there: Option<Session<Message>>,
    session: &Session<Message>,
    is_client: bool,
) {
    let mut due = calls(session);
    let present = there.is_some();
    let mut connect = Connect::new("c".parse().unwrap());
    connect.clean_start = false;
    client.connect(version, connect).unwrap();
    let mut server = server::Connection::new(NOW, Duration::from_secs(9));
    // Each message takes eight packets at the most, and each packet an answer.
    let most = 100 + 20 * due.values().sum::<u32>();
    let mut steps = 0;
    loop {
        let mut moved = carry(version, &mut client, &mut server, |server| {
            let connack = ConnAck::new(ReasonCode::Success);
            server.accept(NOW, connack, &mut there).unwrap();
        });
        moved |= carry(version, &mut server, &mut client, |_| panic!("CONNECT"));
        ends(&mut client, is_client.then_some(&mut due));
        ends(&mut server, (!is_client).then_some(&mut due));
        if !moved {
            break;
        }
        steps += 1;
        assert!(steps <= most, "no end");
    }
    let snapshot = session.snapshot();
    assert!(
        due.is_empty(),
        "{version} {is_client} {present}: no outcome: {due:?} of {snapshot:?}"
    );
    let call = match is_client {
        true => client.publish(QoS::ExactlyOnce, message()),
        false => server.publish(QoS::ExactlyOnce, message()),
    };
    let Ok(call) = call else {
        // There is no call identifier left, or no packet identifier.
        return;
    };
    due.insert(call, 1);
    for _ in 0..4 {
        carry(version, &mut client, &mut server, |_| panic!("CONNECT"));
        carry(version, &mut server, &mut client, |_| panic!("CONNECT"));
    }
    ends(&mut client, is_client.then_some(&mut due));
    ends(&mut server, (!is_client).then_some(&mut due));
    assert!(due.is_empty(), "no outcome of a new call: {due:?}");
}

fn message() -> Message {
    Message::new("new".parse().unwrap(), "new")
}

/// Takes all packets across. `false` if there was none.
fn carry<F: Role, T: Role>(
    version: Version,
    from: &mut Connection<F>,
    to: &mut Connection<T>,
    mut accept: impl FnMut(&mut Connection<T>),
) -> bool {
    let mut moved = false;
    for count in 0.. {
        let Some(packet) = from.poll_transmit(NOW) else {
            break;
        };
        assert!(count < 200_000, "no end of packets");
        moved = true;
        let incoming = to.handle_packet(NOW, version, &packet);
        match incoming.unwrap_or_else(|violation| panic!("{violation}: {packet:?}")) {
            Some(Incoming::Connect(_)) => accept(to),
            Some(Incoming::Message(_, token)) => to.acknowledge(token).unwrap(),
            _ => {}
        }
    }
    moved
}

/// Takes the outcomes.
fn ends<R: Role>(end: &mut Connection<R>, mut due: Option<&mut BTreeMap<CallId, u32>>) {
    while let Some(event) = end.poll_event() {
        match (event, &mut due) {
            (Event::Published(call, _), Some(due)) => {
                let count = due.get_mut(&call).unwrap_or_else(|| panic!("{call} again"));
                *count -= 1;
                if *count == 0 {
                    due.remove(&call);
                }
            }
            (Event::Connected(_), _) => {}
            (event, _) => panic!("{event:?}"),
        }
    }
}
