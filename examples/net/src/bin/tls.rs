//! Subscribes over TLS and prints what arrives. With a token, it authenticates as clients of OAuth
//! do: by SASL OAUTHBEARER (RFC 7628) in AUTH packets of MQTT 5.0 (section 4.12), and again before
//! the token expires.
//!
//! ```text
//! tls HOST:PORT CA.pem TOPIC [TOKEN-FILE SECONDS]
//! ```
//!
//! Something else writes TOKEN-FILE anew in time, as Kubernetes does; a token lasts SECONDS.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{Event, Incoming, client::Connection};
use mqtt_sansio::packet::{Auth, Connect, KeepAlive, Subscriptions};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::{Binary, QoS, ReasonCode, Text, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const METHOD: &str = "OAUTHBEARER";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (address, ca, topic, token) = match &args[..] {
        [address, ca, topic] => (address, ca, topic, None),
        [address, ca, topic, file, seconds] => {
            let lifetime = Duration::from_secs(seconds.parse()?);
            (address, ca, topic, Some(Token { file, lifetime }))
        }
        _ => return Err("tls HOST:PORT CA.pem TOPIC [TOKEN-FILE SECONDS]".into()),
    };
    let mut connect = Connect::new(format!("tls-{}", std::process::id()).parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    if let Some(token) = &token {
        connect.properties = ConnectProperties::builder()
            .authentication_method(Text::new(METHOD)?)
            .authentication_data(Binary::new(&token.read()?)?)
            .build();
    }
    let mut mqtt = Connection::new();
    mqtt.connect(Version::V5, connect)?;
    mqtt.subscribe(Subscriptions::new([(topic.parse()?, QoS::AtLeastOnce)])?)?;
    run(mqtt, open(address, ca).await?, token).await
}

/// Opens a TLS connection to a server whose certificate one in this file has signed.
async fn open(address: &str, ca: &str) -> Outcome<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, _) = address.rsplit_once(':').ok_or("no port")?;
    let host = ServerName::try_from(host.to_owned())?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(host, stream)
        .await?)
}

async fn run(
    mut mqtt: Connection,
    mut stream: TlsStream<TcpStream>,
    token: Option<Token<'_>>,
) -> Outcome {
    let start = Instant::now();
    let mut renewal = start + token.as_ref().map_or(Duration::ZERO, Token::use_for);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        mqtt.poll_bytes(start.elapsed(), &mut output);
        stream.write_all_buf(&mut output).await?;
        stream.flush().await?;
        if mqtt.is_closed() {
            return Ok(mqtt.ended()?);
        }
        let wait = mqtt.wait(start.elapsed()).unwrap_or(Duration::MAX);
        tokio::select! {
            read = stream.read_buf(&mut input) => if read? == 0 { mqtt.handle_close() },
            () = sleep(wait) => {}
            () = sleep_until(renewal), if mqtt.is_connected() && token.is_some() => {
                if let Some(token) = &token {
                    mqtt.auth(step(ReasonCode::ReAuthenticate, &token.read()?)?)?;
                    renewal = Instant::now() + token.use_for();
                }
            }
        }
        while let Some(incoming) = mqtt.handle_bytes(start.elapsed(), &mut input) {
            match incoming {
                Incoming::Message(message, token) => {
                    println!("{}: {:?}", message.topic, message.payload);
                    mqtt.acknowledge(token)?;
                }
                // The server says what is wrong with the token. It ends the authentication when it
                // has this answer.
                Incoming::Auth(auth) => {
                    eprintln!("{:?}", auth.properties.authentication_data());
                    mqtt.auth(step(ReasonCode::ContinueAuthentication, b"\x01")?)?;
                }
                _ => {}
            }
        }
        mqtt.handle_timeout(start.elapsed());
        while let Some(event) = mqtt.poll_event() {
            match event {
                Event::Connected(_) => println!("connected"),
                Event::Reauthenticated => println!("authenticated again"),
                _ => {}
            }
        }
    }
}

/// AUTH with these data.
fn step(reason: ReasonCode, data: &[u8]) -> Outcome<Auth> {
    let mut auth = Auth::new(reason, Text::new(METHOD)?);
    let properties = auth.properties.to_builder();
    auth.properties = properties.authentication_data(Binary::new(data)?).build();
    Ok(auth)
}

struct Token<'a> {
    file: &'a str,
    lifetime: Duration,
}

impl Token<'_> {
    /// What a client sends first (RFC 7628, section 3.1).
    fn read(&self) -> Outcome<Vec<u8>> {
        let token = std::fs::read_to_string(self.file)?;
        Ok(format!("n,,\x01auth=Bearer {}\x01\x01", token.trim()).into_bytes())
    }

    fn use_for(&self) -> Duration {
        self.lifetime.mul_f32(0.8)
    }
}
