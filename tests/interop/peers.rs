//! The peers: where they are, which version they have, and what they do not offer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mqtt_sansio::Version;

use crate::brokers::{self, Broker, Running};
use crate::link::Client;
use crate::mosquitto::Mosquitto;
use crate::ours::Ours;
use crate::process::program;
use crate::script::Script;

/// What can be said of a client and of a broker alike.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Its version, or what is missing.
    pub(crate) version: Result<String, String>,
    /// The versions of MQTT that it speaks.
    pub(crate) versions: &'static [Version],
    pub(crate) lacks: &'static [Lack],
}

/// A scenario that does not go as it should with a peer.
#[derive(Clone, Copy)]
pub(crate) struct Lack {
    pub(crate) scenario: &'static str,
    pub(crate) versions: &'static [Version],
    pub(crate) why: &'static str,
    /// What the scenario fails with, if the peer can be asked at all.
    pub(crate) shows: Option<&'static str>,
}

pub(crate) const BOTH: &[Version] = &[Version::V311, Version::V5];
const V311: &[Version] = &[Version::V311];
pub(crate) const V5: &[Version] = &[Version::V5];

const fn lack(
    scenario: &'static str,
    versions: &'static [Version],
    shows: &'static str,
    why: &'static str,
) -> Lack {
    Lack {
        scenario,
        versions,
        why,
        shows: Some(shows),
    }
}

const fn no_way(scenario: &'static str, why: &'static str) -> Lack {
    Lack {
        shows: None,
        ..lack(scenario, BOTH, "", why)
    }
}

const MOSQUITTO_CLIENTS: &[Lack] = &[
    no_way("unsubscribe", "mosquitto_sub has no command for it"),
    no_way("take_over", "mosquitto_sub connects again without a word"),
    lack(
        "no_will",
        V5,
        "\"gone\"",
        "mosquitto_sub sends DISCONNECT 0x04, which asks for the will",
    ),
    lack(
        "alias_to_client",
        V5,
        "ended before its message",
        "mosquitto_sub ends at a PUBLISH without a topic",
    ),
];

const PAHO: &[Lack] = &[lack(
    "alias_to_client",
    V5,
    "left:  qos",
    "it gives an empty topic to the application",
)];

const AIOMQTT: &[Lack] = &[lack(
    "alias_to_client",
    V5,
    "instead of [\"message\"]",
    "it breaks at an empty topic",
)];

const MOSQUITTO: &[Lack] = &[
    lack(
        "take_over",
        V5,
        "the reason in DISCONNECT",
        "it closes the connection without DISCONNECT",
    ),
    lack(
        "alias_to_client",
        V5,
        "the broker uses no alias",
        "it sends no aliases",
    ),
];

const AEDES: &[Lack] = &[
    lack(
        "lower_qos",
        V311,
        "left: mqtt-sansio-aedes-3.1.1-lower_qos/all qos 2",
        "a filter with wildcards does not lower the QoS",
    ),
    lack(
        "redelivery",
        V311,
        "not marked as repeated",
        "it comes again and once, but without DUP",
    ),
];

const AMQTT: &[Lack] = &[
    lack(
        "lower_qos",
        V311,
        "left: mqtt-sansio-amqtt-3.1.1-lower_qos/all qos 1",
        "it raises the QoS to that of the subscription",
    ),
    lack(
        "retained",
        V311,
        "qos 0 retained",
        "whoever connects gets, at QoS 0, the retained messages that others subscribe to",
    ),
    lack(
        "resume",
        V311,
        "queued qos 2 retained",
        "what was queued comes with RETAIN and at the QoS of the subscription",
    ),
    lack("take_over", V311, "no end", "the first connection stays"),
    lack("redelivery", V311, "no message", "it does not come again"),
];

pub(crate) struct ClientPeer {
    pub(crate) peer: Peer,
    pub(crate) client: Arc<dyn Client>,
}

pub(crate) struct BrokerPeer {
    pub(crate) peer: Peer,
    pub(crate) broker: Arc<Broker>,
    /// Whether each test needs one of its own.
    pub(crate) alone: bool,
}

pub(crate) const OURS: &str = "mqtt-sansio";

impl Peer {
    fn new(name: &'static str, version: Result<String, String>, lacks: &'static [Lack]) -> Self {
        Self {
            name,
            version,
            versions: BOTH,
            lacks,
        }
    }
}

impl ClientPeer {
    fn new(peer: Peer, client: impl Client + 'static) -> Self {
        Self {
            peer,
            client: Arc::new(client),
        }
    }
}

impl BrokerPeer {
    fn new(peer: Peer, start: fn() -> Running) -> Self {
        Self {
            peer,
            broker: Arc::new(Broker::new(start)),
            alone: false,
        }
    }

    fn of_v311(mut self) -> Self {
        self.peer.versions = V311;
        self
    }
}

/// Our client first.
pub(crate) fn clients() -> [ClientPeer; 5] {
    let mosquitto =
        debian("mosquitto_pub", "--help").and_then(|_| debian("mosquitto_sub", "--help"));
    let mosquitto = Peer::new("mosquitto-clients", mosquitto, MOSQUITTO_CLIENTS);
    let paho = Peer::new("paho-mqtt", python_package("paho-mqtt"), PAHO);
    let aiomqtt = Peer::new("aiomqtt", python_package("aiomqtt"), AIOMQTT);
    let mqttjs = Peer::new("MQTT.js", node_package("mqtt"), &[]);
    [
        ClientPeer::new(Peer::new(OURS, own_version(), &[]), Ours),
        ClientPeer::new(mosquitto, Mosquitto),
        ClientPeer::new(paho, Script::new(|| python("client_paho.py"))),
        ClientPeer::new(aiomqtt, Script::new(|| python("client_aiomqtt.py"))),
        ClientPeer::new(mqttjs, Script::new(|| node("client_mqttjs.mjs"))),
    ]
}

/// Our broker first.
pub(crate) fn brokers() -> [BrokerPeer; 4] {
    let reference = Peer::new("reference-broker", own_version(), &[]);
    let mosquitto = debian("mosquitto", "-h").and_then(|version| {
        let passwords = program("mosquitto_passwd");
        passwords.map_or_else(|| Err(not_there("mosquitto_passwd")), |_| Ok(version))
    });
    let mosquitto = Peer::new("mosquitto", mosquitto, MOSQUITTO);
    let aedes = Peer::new("aedes", node_package("aedes"), AEDES);
    let amqtt = Peer::new("amqtt", python_package("amqtt"), AMQTT);
    [
        BrokerPeer::new(reference, brokers::reference),
        BrokerPeer::new(mosquitto, brokers::mosquitto),
        BrokerPeer::new(aedes, || brokers::script(node("broker_aedes.mjs"))).of_v311(),
        BrokerPeer {
            // Whoever connects gets the retained messages that others subscribe to.
            alone: true,
            ..BrokerPeer::new(amqtt, || brokers::script(python("broker_amqtt.py"))).of_v311()
        },
    ]
}

fn own_version() -> Result<String, String> {
    Ok(env!("CARGO_PKG_VERSION").to_owned())
}

/// A program that Debian has, which tells its version with this argument.
fn debian(name: &str, argument: &str) -> Result<String, String> {
    let program = program(name).ok_or_else(|| not_there(name))?;
    let output = Command::new(program).arg(argument).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = text.split_once(" version ").unwrap_or_default();
    Ok(rest.split_whitespace().next().unwrap_or("?").to_owned())
}

/// A package of Python, by the folder that its installation left.
fn python_package(name: &str) -> Result<String, String> {
    let start = format!("{}-", name.replace('-', "_"));
    let interpreters = std::fs::read_dir(folder().join("venv/lib")).into_iter();
    interpreters
        .flatten()
        .flatten()
        .filter_map(|interpreter| std::fs::read_dir(interpreter.path().join("site-packages")).ok())
        .flatten()
        .flatten()
        .find_map(|package| {
            let package = package.file_name().into_string().ok()?;
            let version = package.strip_prefix(&start)?.strip_suffix(".dist-info")?;
            Some(version.to_owned())
        })
        .ok_or_else(|| not_there(name))
}

/// A package of Node, by what it says of itself.
fn node_package(name: &str) -> Result<String, String> {
    program("node").ok_or_else(|| not_there("node"))?;
    let file = folder()
        .join("node_modules")
        .join(name)
        .join("package.json");
    let text = std::fs::read(file).map_err(|_| not_there(name))?;
    let package: serde_json::Value = serde_json::from_slice(&text).map_err(|_| not_there(name))?;
    let version = package["version"].as_str();
    version.map(str::to_owned).ok_or_else(|| not_there(name))
}

fn not_there(name: &str) -> String {
    format!("{name} is not installed")
}

fn python(script: &str) -> Command {
    let mut command = Command::new(folder().join("venv/bin/python"));
    // Nothing is left behind in the source.
    command.arg("-B").arg(here().join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new(program("node").unwrap());
    command.arg(here().join(script));
    command.env("INTEROP_PEERS", folder());
    command
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peers")
}

/// Where the packages are.
fn folder() -> PathBuf {
    let chosen = std::env::var_os("INTEROP_PEERS").map(PathBuf::from);
    chosen.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop"))
}
