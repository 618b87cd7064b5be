//! The peers: where they are, which version they have, and what they do not offer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::{Rule, Rules, Version};

use crate::brokers::{self, Broker, Running};
use crate::link::Client;
use crate::mosquitto::Mosquitto;
use crate::ours::{Ours, Set};
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
    /// What the scenario fails with; nothing if the peer cannot be asked at all.
    pub(crate) shows: &'static str,
    /// With which settings of this crate's client it works all the same, and their names.
    pub(crate) settings: Option<(&'static str, Set)>,
}

pub(crate) const BOTH: &[Version] = &[Version::V311, Version::V5];
pub(crate) const V311: &[Version] = &[Version::V311];
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
        shows,
        settings: None,
    }
}

const fn no_way(scenario: &'static str, why: &'static str) -> Lack {
    lack(scenario, BOTH, "", why)
}

impl Lack {
    const fn works_with(mut self, name: &'static str, set: Set) -> Self {
        self.settings = Some((name, set));
        self
    }
}

const MOSQUITTO_SUB: &[Lack] = &[
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

const NOT_SHARED_IN_V311: Lack = lack(
    "shared_311",
    V311,
    "no message",
    "`$share` is a level like others in 3.1.1, as it may be",
);

const RUMQTTC: &[Lack] = &[
    PAHO[0],
    lack(
        "take_over",
        V5,
        "the reason in DISCONNECT",
        "it waits for properties of a DISCONNECT that has none, until the connection is over",
    ),
];

const MOSQUITTO: &[Lack] = &[
    lack(
        "late",
        V5,
        "ReceiveMaximumExceeded",
        "it sends more than Receive Maximum [MQTT-3.3.4-9]",
    )
    .works_with("`Rule::ReceiveMaximum` let go", |connection| {
        connection.rules(Rules::STRICT.without(Rule::ReceiveMaximum))
    }),
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
    NOT_SHARED_IN_V311,
    lack(
        "lower_qos",
        V311,
        "left: mqtt-sansio-aedes-311-lower_qos/all qos 2",
        "a filter with wildcards does not lower the QoS [MQTT-3.8.4-6]",
    ),
    lack(
        "redelivery",
        V311,
        "not marked as repeated",
        "it comes again and once, but without DUP [MQTT-3.3.1-1]",
    ),
];

const AMQTT: &[Lack] = &[
    NOT_SHARED_IN_V311,
    lack(
        "lower_qos",
        V311,
        "left: mqtt-sansio-amqtt-311-lower_qos/all qos 1",
        "it raises the QoS to that of the subscription [MQTT-3.8.4-6]",
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
        "what was queued comes with RETAIN [MQTT-3.3.1-9] and at the QoS of the subscription",
    ),
    lack(
        "take_over",
        V311,
        "no end",
        "the first connection stays [MQTT-3.1.4-2]",
    ),
    lack(
        "redelivery",
        V311,
        "no message",
        "it does not come again [MQTT-4.4.0-1]",
    ),
];

const ACTIVEMQ: &[Lack] = &[
    NOT_SHARED_IN_V311,
    forgets("resume").works_with(
        "`assume_session_present`",
        Connection::assume_session_present,
    ),
    // With it, the message arrives twice.
    forgets("resend"),
    forgets("redelivery").works_with(
        "`assume_session_present`",
        Connection::assume_session_present,
    ),
];

const fn forgets(scenario: &'static str) -> Lack {
    lack(
        scenario,
        V311,
        "Session Present is 0",
        "it never says Session Present, though it has the session [MQTT-3.2.2-2]",
    )
}

const RABBITMQ: &[Lack] = &[
    NOT_SHARED_IN_V311,
    at_qos_2("burst"),
    at_qos_2("burst_400"),
    at_qos_2("qos_2"),
    at_qos_2("lower_qos"),
    at_qos_2("large_16_kib"),
    at_qos_2("resume"),
    // With the rule let go it arrives twice, since it is one of QoS 1.
    lack("resend", V311, "PubAck", NO_QOS_2),
    at_qos_2("redelivery"),
    lack(
        "take_over",
        V311,
        "over before SUBACK",
        "of 25 times, once it closes the new connection as well",
    ),
    lack(
        "refused_version",
        V5,
        "left: Err(Lost)",
        "it closes the connection without CONNACK [MQTT-3.1.2-2]",
    ),
];

const NO_QOS_2: &str = "it answers a PUBLISH of QoS 2 with PUBACK [MQTT-4.3.3-2]";

const fn at_qos_2(scenario: &'static str) -> Lack {
    lack(scenario, V311, "PubAck", NO_QOS_2)
        .works_with("`Rule::PubAckAtQoS2` let go", |connection| {
            connection.rules(Rules::STRICT.without(Rule::PubAckAtQoS2))
        })
}

const EJABBERD: &[Lack] = &[
    lack(
        "shared_311",
        V311,
        "over before SUBACK",
        "it closes the connection at `$share` in 3.1.1",
    ),
    lack(
        "expiry",
        V5,
        "\"1 s\"",
        "it delivers a message whose time is over [MQTT-3.3.2-5]",
    ),
    lack(
        "alias_to_client",
        V5,
        "the broker uses no alias",
        "it sends no aliases",
    ),
    lack(
        "shared",
        V5,
        "SharedSubscriptionsNotSupported",
        "it has no shared subscriptions, and says so",
    ),
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
pub(crate) const MOSQUITTO_CLIENTS: &str = "mosquitto-clients";

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

    /// A broker that Debian has, by its packages.
    fn of_debian(
        packages: &'static [&'static str],
        start: fn() -> Running,
        lacks: &'static [Lack],
    ) -> Self {
        let version = debian_packages(packages);
        Self::new(Peer::new(packages[0], version, lacks), start)
    }

    fn with(mut self, set: impl FnOnce(&mut Broker)) -> Self {
        let mut broker = self.broker.another();
        set(&mut broker);
        self.broker = Arc::new(broker);
        self
    }

    fn of_v311(mut self) -> Self {
        self.peer.versions = V311;
        self
    }
}

/// Our client first.
pub(crate) fn clients() -> [ClientPeer; 9] {
    let mosquitto =
        debian("mosquitto_pub", "--help").and_then(|_| debian("mosquitto_sub", "--help"));
    let mosquitto = Peer::new(MOSQUITTO_CLIENTS, mosquitto, MOSQUITTO_SUB);
    let paho = Peer::new("paho-mqtt", python_package("paho-mqtt"), PAHO);
    let aiomqtt = Peer::new("aiomqtt", python_package("aiomqtt"), AIOMQTT);
    let gmqtt = Peer::new("gmqtt", python_package("gmqtt"), &[]);
    let mqttjs = Peer::new("MQTT.js", node_package("mqtt"), &[]);
    let paho_c = Peer::new(
        "paho.mqtt.c",
        built("client_paho_c", "libpaho-mqtt-dev"),
        PAHO,
    );
    let paho_cpp = built("client_paho_cpp", "libpaho-mqttpp-dev");
    let paho_cpp = Peer::new("paho.mqtt.cpp", paho_cpp, PAHO);
    let rumqttc = Peer::new("rumqttc", cargo_package("rumqttc"), RUMQTTC);
    [
        ClientPeer::new(
            Peer::new(OURS, own_version(), &[]),
            Ours(|connection| connection),
        ),
        ClientPeer::new(mosquitto, Mosquitto),
        ClientPeer::new(paho, Script::new(|| python("client_paho.py"))),
        ClientPeer::new(aiomqtt, Script::new(|| python("client_aiomqtt.py"))),
        ClientPeer::new(gmqtt, Script::new(|| python("client_gmqtt.py"))),
        ClientPeer::new(mqttjs, Script::new(|| node("client_mqttjs.mjs"))),
        ClientPeer::new(
            paho_c,
            Script::new(|| Command::new(folder().join("client_paho_c"))),
        ),
        ClientPeer::new(
            paho_cpp,
            Script::new(|| Command::new(folder().join("client_paho_cpp"))),
        ),
        ClientPeer::new(
            rumqttc,
            Script::new(|| Command::new(folder().join("rumqttc/debug/client_rumqttc"))),
        ),
    ]
}

/// Our broker first.
pub(crate) fn brokers() -> [BrokerPeer; 7] {
    let reference = Peer::new("reference-broker", own_version(), &[NOT_SHARED_IN_V311]);
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
        BrokerPeer::of_debian(
            &["activemq", "libmqtt-client-java", "libosgi-core-java"],
            || brokers::script(broker("activemq")),
            ACTIVEMQ,
        )
        .of_v311(),
        BrokerPeer::of_debian(
            &["rabbitmq-server"],
            || brokers::script(broker("rabbitmq")),
            RABBITMQ,
        )
        .of_v311()
        .with(|broker| broker.highest_qos = 1),
        BrokerPeer::of_debian(
            &["ejabberd"],
            || brokers::script(broker("ejabberd")),
            EJABBERD,
        )
        .with(|broker| broker.users_only = true),
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

/// Packages of Debian, by the version of the first.
fn debian_packages(names: &[&str]) -> Result<String, String> {
    let versions = names.iter().map(|name| {
        let output = Command::new("dpkg-query")
            .args([
                "--show",
                "--showformat",
                "${db:Status-Status} ${Version}",
                name,
            ])
            .output();
        let output = output.map_err(|_| not_there(name))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text
            .strip_prefix("installed ")
            .ok_or_else(|| not_there(name))?;
        let upstream = version.split(['+', '-']).next().unwrap_or_default();
        Ok(upstream.to_owned())
    });
    let versions = versions.collect::<Result<Vec<_>, String>>()?;
    Ok(versions[0].clone())
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

/// A program that was built with a library of Debian, by the version of that.
fn built(program: &str, library: &str) -> Result<String, String> {
    match folder().join(program).is_file() {
        true => debian_packages(&[library]),
        false => Err(not_there(program)),
    }
}

/// A crate whose client was built, by what its lock file says.
fn cargo_package(name: &str) -> Result<String, String> {
    let program = folder().join(format!("{name}/debug/client_{name}"));
    let lock = std::fs::read_to_string(here().join(name).join("Cargo.lock"));
    let lock = lock.map_err(|error| format!("{name}: {error}"))?;
    let start = format!("name = \"{name}\"\nversion = \"");
    let (_, version) = lock.split_once(&start).ok_or_else(|| not_there(name))?;
    let version = version.split('"').next().unwrap_or_default();
    match program.is_file() {
        true => Ok(version.to_owned()),
        false => Err(not_there(name)),
    }
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

fn broker(name: &str) -> Command {
    let mut command = Command::new(here().join("broker"));
    command.arg(name);
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
