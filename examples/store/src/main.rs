//! A client that keeps its session in SQLite, and may be killed at any moment: no message of QoS 1
//! is lost, and none of QoS 2 is lost or doubled, from application to application.
//!
//! ```text
//! cargo run --manifest-path examples/store/Cargo.toml -- DATABASE HOST:PORT 3.1.1|5.0 LAST
//! ```
//!
//! It publishes the numbers from 1 to LAST, at QoS 1 to `store/out/1` and at QoS 2 to `store/out/2`,
//! and records the messages of `store/in/#` until it is stopped, with Ctrl-C or by `kill -9`.
//! Started again, it goes on where it was.
//!
//! Each turn of its loop is one transaction, committed before anything is sent:
//!
//! - The **changes of the session** are one row each. Of a turn that ends before its commit the
//!   server has seen nothing, and sends again what was not acknowledged.
//! - The **record of a received message** is stored together with [`Change::Received`], which
//!   acknowledges it. With two transactions, a crash between them would lose or double the record,
//!   and exactly once would end at the door of the application.
//! - The **next number to publish** is stored together with the messages, [`Change::Stored`], so
//!   that no number is left out or published twice.
//!
//! A message of QoS 1 comes again if the client ends between its commit and its acknowledgement.
//!
//! `cargo test` kills the client 20 times in each version, at random moments, while messages go both
//! ways through mosquitto, and counts them. The table of 200 kills, at moments that can be repeated:
//!
//! ```text
//! KILLS=200 SEED=1 cargo test --manifest-path examples/store/Cargo.toml -- --nocapture
//! ```

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Event, Incoming, Outcome};
use mqtt_sansio::packet::{Connect, KeepAlive, Subscriptions};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::session::{Change, Session};
use mqtt_sansio::{Message, QoS, Version};
use rusqlite::{Connection as Db, Transaction};

type Failure = Box<dyn Error>;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; -- against power failures; a kill is harmless without
    -- One row, with the snapshot to which the changes are applied, at first an empty one.
    CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, snapshot TEXT, to_publish INTEGER);
    INSERT OR IGNORE INTO state VALUES (0, '{}', 1);
    CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, change TEXT);
    CREATE TABLE IF NOT EXISTS received (number INTEGER PRIMARY KEY, topic TEXT, payload BLOB);
";

/// So many changes are replaced by a snapshot.
const MAX_CHANGES: i64 = 1_000;

/// So many messages may wait for their outcome.
const MAX_WAITING: u16 = 40;

fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [database, address, version, last] = args.as_slice() else {
        return Err("store DATABASE HOST:PORT 3.1.1|5.0 LAST".into());
    };
    let version = match version.as_str() {
        "3.1.1" => Version::V311,
        "5.0" => Version::V5,
        other => return Err(format!("no version {other}").into()),
    };
    let db = Db::open(database)?;
    db.execute_batch(TABLES)?;
    run(db, address, version, last.parse()?)
}

fn run(mut db: Db, address: &str, version: Version, last: i64) -> Result<(), Failure> {
    let mut mqtt = Connection::with_session(restore(&db)?).changes();
    mqtt.connect(version, connect(version)?)?;
    // Also where the server has the session, as it may not have got as far as this.
    let filter = "store/in/#".parse()?;
    mqtt.subscribe(Subscriptions::new([(filter, QoS::ExactlyOnce)])?)?;
    let mut socket = TcpStream::connect(address)?;
    let (mut input, mut output, mut chunk) = (BytesMut::new(), BytesMut::new(), [0; 4096]);
    while !mqtt.is_closed() {
        let turn = db.transaction()?;
        while let Some(incoming) = mqtt.handle_bytes(now()?, &mut input) {
            if let Incoming::Message(message, token) = incoming {
                // What the application does with it.
                let record = "INSERT INTO received (topic, payload) VALUES (?1, ?2)";
                turn.execute(record, (message.topic.to_str(), &*message.payload))?;
                mqtt.acknowledge(token)?;
            }
        }
        mqtt.handle_timeout(now()?);
        while let Some(event) = mqtt.poll_event() {
            match event {
                Event::Published(_, Outcome::Accepted(_)) => {}
                // Refused, or the server has lost the session: an application may publish again.
                Event::Published(call, outcome) => eprintln!("{call}: {outcome:?}"),
                _ => {}
            }
        }
        publish(&turn, &mut mqtt, last)?;
        store(&turn, &mut mqtt)?;
        turn.commit()?;

        // Only now leaves what depends on it.
        mqtt.poll_bytes(now()?, &mut output);
        socket.write_all(&output.split())?;
        socket.set_read_timeout(mqtt.wait(now()?))?;
        match socket.read(&mut chunk) {
            Ok(0) => mqtt.handle_close(),
            Ok(len) => input.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(mqtt.ended()?)
}

/// CONNECT for a session that does not expire.
fn connect(version: Version) -> Result<Connect, Failure> {
    let mut connect = Connect::new("mqtt-sansio-store".parse()?);
    connect.clean_start = false;
    connect.keep_alive = KeepAlive::from_secs(30);
    if version == Version::V5 {
        let properties = ConnectProperties::builder().session_expiry_interval(u32::MAX);
        connect.properties = properties.build();
    }
    Ok(connect)
}

/// The session as it was after the last commit.
fn restore(db: &Db) -> Result<Session<Message>, Failure> {
    let mut query = db.prepare("SELECT snapshot FROM state")?;
    let snapshot: String = query.query_row([], |row| row.get(0))?;
    let mut query = db.prepare("SELECT change FROM changes ORDER BY number")?;
    let mut rows = query.query([])?;
    let mut changes = Vec::<Change<Message>>::new();
    while let Some(row) = rows.next()? {
        changes.push(serde_json::from_str(row.get_ref(0)?.as_str()?)?);
    }
    Ok(Session::restore(serde_json::from_str(&snapshot)?, changes)?)
}

/// Stores the changes of the session, or from time to time a snapshot in place of all of them.
fn store(turn: &Transaction<'_>, mqtt: &mut Connection) -> Result<(), Failure> {
    let mut insert = turn.prepare_cached("INSERT INTO changes (change) VALUES (?1)")?;
    let mut number = 0;
    while let Some(change) = mqtt.poll_change() {
        number = insert.insert([serde_json::to_string(&change)?])?;
    }
    if number >= MAX_CHANGES {
        let snapshot = serde_json::to_string(&mqtt.session().snapshot())?;
        turn.execute("UPDATE state SET snapshot = ?1", [snapshot])?;
        turn.execute("DELETE FROM changes", [])?;
    }
    Ok(())
}

/// Publishes the next numbers.
fn publish(turn: &Transaction<'_>, mqtt: &mut Connection, last: i64) -> Result<(), Failure> {
    let next = turn.query_row("SELECT to_publish FROM state", [], |row| row.get(0))?;
    let mut number: i64 = next;
    while number <= last && mqtt.session().packet_ids_in_use() < MAX_WAITING {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let topic = format!("store/out/{}", qos.level()).parse()?;
            mqtt.publish(qos, Message::new(topic, number.to_string()))?;
        }
        number += 1;
    }
    if number > next {
        turn.execute("UPDATE state SET to_publish = ?1", [number])?;
    }
    Ok(())
}

/// The time on a clock that continues across restarts, as messages may expire meanwhile.
fn now() -> Result<Duration, Failure> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}
