//! The broker on TCP: `cargo run -p reference-broker -- --listen 127.0.0.1:1883`.

use std::error::Error;
use std::net::TcpListener;

use mqtt_sansio::QoS;
use reference_broker::{Access, Broker, Config, serve};

const USAGE: &str = "\
reference-broker [OPTION...]
    --listen ADDRESS           where to listen; 127.0.0.1:1883 unless this says otherwise
    --password-file FILE       a line USER:PASSWORD for each user, in clear; nobody else may connect
    --deny-subscribe FILTER    refuse subscriptions that FILTER covers, not those that go beyond it;
                               may be repeated
    --deny-publish FILTER      refuse messages to topics that match FILTER; may be repeated
    --response-information TEXT
                               what clients get that ask for it
    --max-connections NUMBER   connections at once, 10000 unless this says otherwise; each needs a file
                               descriptor, everything else up to 16 (see ulimit -n)
    --max-keep-alive SECONDS   the longest keep alive of a 5.0 client; a 3.1.1 client has its own
    --receive-maximum NUMBER   QoS 1 and 2 messages that a client may have unacknowledged
    --topic-alias-maximum NUMBER
    --maximum-packet-size BYTES
    --maximum-qos 0|1|2
    --no-retain                keep no retained messages
    --no-shared                no shared subscriptions
    --allow RULE               let a rule go that errors name, such as mqtt-3.1, or all of them; may be
                               repeated
    --log                      say on standard error who comes and goes";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut config, mut rules) = (Config::default(), Access::default());
    let mut address = "127.0.0.1:1883".to_owned();
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| format!("{flag} lacks its value\n{USAGE}"))
        };
        match flag.as_str() {
            "--listen" => address = value()?,
            "--password-file" => rules = users(rules, &std::fs::read(value()?)?)?,
            "--deny-subscribe" => rules = rules.deny_subscribe(value()?.parse()?),
            "--deny-publish" => rules = rules.deny_publish(value()?.parse()?),
            "--response-information" => rules = rules.response_information(value()?.parse()?),
            "--max-connections" => config.max_connections = value()?.parse()?,
            "--max-keep-alive" => config.max_keep_alive = value()?.parse()?,
            "--receive-maximum" => config.receive_maximum = value()?.parse()?,
            "--topic-alias-maximum" => config.topic_alias_maximum = value()?.parse()?,
            "--maximum-packet-size" => config.maximum_packet_size = value()?.parse()?,
            "--maximum-qos" => {
                config.maximum_qos = QoS::new(value()?.parse()?).ok_or("QoS is 0, 1 or 2")?;
            }
            "--no-retain" => config.retain = false,
            "--no-shared" => config.shared = false,
            "--allow" => {
                config.rules = match value()?.as_str() {
                    "all" => mqtt_sansio::Rules::LENIENT,
                    name => config.rules.without(name.parse()?),
                }
            }
            "--log" => config.log = true,
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(format!("no option {flag}\n{USAGE}").into()),
        }
    }
    let listener = TcpListener::bind(&address)?;
    println!("listening on {}", listener.local_addr()?);
    match serve(listener, Broker::with_policy(config, rules))? {}
}

/// Reads the lines of a password file.
fn users(mut rules: Access, file: &[u8]) -> Result<Access, Box<dyn Error>> {
    for line in file.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
            return Err("a line of the password file lacks its colon".into());
        };
        rules = rules.user(name, password);
    }
    Ok(rules)
}
