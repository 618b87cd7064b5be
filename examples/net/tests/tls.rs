//! The client over TLS: with a server that checks its token, which is one of this crate as mosquitto
//! checks none, and with mosquitto.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod peers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_sansio::connection::{Event, Incoming, server::Connection};
use mqtt_sansio::packet::{Auth, ConnAck, Disconnect};
use mqtt_sansio::{Binary, Message, QoS, ReasonCode, Text};
use peers::{PATIENCE, Program, mosquitto, program, temporary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const CLIENT: &str = env!("CARGO_BIN_EXE_tls");
const METHOD: &str = "OAUTHBEARER";

/// A certificate for `localhost` that signs itself, made on the spot.
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
}

impl Identity {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = temporary(&format!("{name}.pem"));
        let key = temporary(&format!("{name}.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let private = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], private);
        Self {
            certificate,
            key,
            config: Arc::new(config.unwrap()),
        }
    }

    fn path(&self) -> &str {
        self.certificate.to_str().unwrap()
    }
}

/// With this token the client gets a message.
const LAST: u32 = 3;

/// A server that accepts `token-1`, then `token-2` and so on, each once.
struct Server {
    mqtt: Connection,
    start: Instant,
    /// Where the client finds its token.
    file: PathBuf,
    /// The number of the next token.
    next: u32,
    /// The number of the last token that the client finds.
    issued: u32,
    lifetime: Duration,
    /// When the token in use expires.
    expires: Option<Instant>,
}

impl Server {
    /// Serves one client until its connection is over. Returns the address.
    async fn start(mut self, identity: &Identity) -> (String, JoinHandle<Self>) {
        let acceptor = TlsAcceptor::from(identity.config.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                self.run(stream).await;
            }
            self
        });
        (format!("localhost:{port}"), serving)
    }

    fn new(name: &str, issued: u32, lifetime: Duration) -> Self {
        let file = temporary(&format!("{name}.token"));
        std::fs::write(&file, "token-1\n").unwrap();
        Self {
            mqtt: Connection::new(Duration::ZERO, PATIENCE),
            start: Instant::now(),
            file,
            next: 1,
            issued,
            lifetime,
            expires: None,
        }
    }

    async fn run(&mut self, mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        loop {
            self.mqtt.poll_bytes(self.start.elapsed(), &mut output);
            if stream.write_all_buf(&mut output).await.is_err() || self.mqtt.is_closed() {
                let _ = stream.shutdown().await;
                return;
            }
            stream.flush().await.unwrap();
            tokio::select! {
                read = stream.read_buf(&mut input) => if read.unwrap_or(0) == 0 {
                    self.mqtt.handle_close();
                },
                () = sleep(Duration::from_millis(50)) => {}
            }
            if self.expires.is_some_and(|at| at < Instant::now()) {
                panic!("the client lets its token expire");
            }
            self.handle(&mut input);
        }
    }

    fn handle(&mut self, input: &mut BytesMut) {
        while let Some(incoming) = self.mqtt.handle_bytes(self.start.elapsed(), input) {
            match incoming {
                Incoming::Connect(connect) => {
                    let method = connect.properties.authentication_method();
                    assert_eq!(method, Some(Text::new(METHOD).unwrap()));
                    if self.is_valid(connect.properties.authentication_data()) {
                        let connack = ConnAck::new(ReasonCode::Success);
                        let now = self.start.elapsed();
                        self.mqtt.accept(now, connack, &mut None).unwrap();
                    }
                }
                Incoming::Auth(auth) if auth.reason == ReasonCode::ReAuthenticate => {
                    if self.is_valid(auth.properties.authentication_data()) {
                        let method = Text::new(METHOD).unwrap();
                        let success = Auth::new(ReasonCode::Success, method);
                        self.mqtt.auth(success).unwrap();
                        if self.next > LAST {
                            let message = Message::new("a/b".parse().unwrap(), "hello");
                            self.mqtt.publish(QoS::AtLeastOnce, message).unwrap();
                        }
                    }
                }
                Incoming::Auth(auth) => {
                    let data = auth.properties.authentication_data();
                    assert_eq!(data, Some(Binary::new(b"\x01").unwrap()));
                    let reason = ReasonCode::NotAuthorized;
                    let ended = match self.mqtt.is_connected() {
                        true => self.mqtt.disconnect(Disconnect::new(reason)),
                        false => self.mqtt.refuse(ConnAck::new(reason)),
                    };
                    ended.unwrap();
                }
                Incoming::Subscribe(_, token) => {
                    let code = ReasonCode::GrantedQoS1;
                    self.mqtt.sub_ack(token, [code]).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.mqtt.poll_event() {
            if let Event::Published(..) = event {
                let last = Disconnect::new(ReasonCode::ServerShuttingDown);
                self.mqtt.disconnect(last).unwrap();
            }
        }
    }

    /// Checks a token, and tells the client what is wrong with it if it is not the next one. The
    /// client finds the one behind it at once.
    fn is_valid(&mut self, data: Option<Binary<&[u8]>>) -> bool {
        let expected = format!("n,,\x01auth=Bearer token-{}\x01\x01", self.next);
        if data.unwrap().as_bytes() != expected.as_bytes() {
            let mut auth = Auth::new(
                ReasonCode::ContinueAuthentication,
                Text::new(METHOD).unwrap(),
            );
            let status = Binary::new(br#"{"status":"invalid_token"}"#).unwrap();
            let properties = auth.properties.to_builder().authentication_data(status);
            auth.properties = properties.build();
            self.mqtt.auth(auth).unwrap();
            return false;
        }
        self.next += 1;
        self.expires = Some(Instant::now() + self.lifetime);
        if self.next <= self.issued {
            std::fs::write(&self.file, format!("token-{}", self.next)).unwrap();
        }
        true
    }
}

#[tokio::test]
async fn authenticates_again_before_each_token_expires() {
    let identity = Identity::new("renewed");
    let server = Server::new("renewed", LAST, Duration::from_secs(5));
    let file = server.file.clone();
    let (address, serving) = server.start(&identity).await;
    let args = [
        &address,
        identity.path(),
        "a/#",
        file.to_str().unwrap(),
        "5",
    ];
    let mut client = Program::start(CLIENT, &args);
    assert_eq!(client.line().await, "connected");
    assert_eq!(client.line().await, "authenticated again");
    // Messages are handled before events.
    assert_eq!(client.line().await, "a/b: b\"hello\"");
    assert_eq!(client.line().await, "authenticated again");
    let error = client.fails().await;
    assert!(error.contains("ServerShuttingDown"), "{error}");
    let server = timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert_eq!(server.next, LAST + 1);
}

/// The rounds of a client whose token is not accepted, at the beginning and later.
#[tokio::test]
async fn tokens_are_refused() {
    let identity = Identity::new("refused");
    for (name, token, lines) in [("forged", "token-2", 0), ("stale", "token-1", 1)] {
        let server = Server::new(name, 1, PATIENCE);
        let file = server.file.clone();
        std::fs::write(&file, token).unwrap();
        let (address, serving) = server.start(&identity).await;
        let args = [
            &address,
            identity.path(),
            "a/#",
            file.to_str().unwrap(),
            "1",
        ];
        let mut client = Program::start(CLIENT, &args);
        for _ in 0..lines {
            assert_eq!(client.line().await, "connected");
        }
        let error = client.fails().await;
        assert!(error.contains("invalid_token"), "{error}");
        assert!(error.contains("NotAuthorized"), "{error}");
        let server = timeout(PATIENCE, serving).await.unwrap().unwrap();
        assert_eq!(server.next, 1 + lines);
    }
}

#[tokio::test]
async fn a_server_with_another_certificate_is_refused() {
    let (theirs, trusted) = (Identity::new("theirs"), Identity::new("trusted"));
    let server = Server::new("untrusted", 1, PATIENCE);
    let file = server.file.clone();
    let (address, serving) = server.start(&theirs).await;
    let args = [
        &address,
        trusted.path(),
        "a/#",
        file.to_str().unwrap(),
        "60",
    ];
    let error = Program::start(CLIENT, &args).fails().await;
    assert!(error.contains("InvalidCertificate"), "{error}");
    let server = timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert_eq!(server.next, 1, "it has no token");
}

#[tokio::test]
async fn mosquitto_over_tls() {
    let (Some(broker), Some(publisher)) = (program("mosquitto"), program("mosquitto_pub")) else {
        return;
    };
    let identity = Identity::new("mosquitto");
    let key = identity.key.display();
    let lines = format!("certfile {}\nkeyfile {key}", identity.path());
    let (_broker, port) = mosquitto(&broker, &lines).await;
    let port = port.to_string();
    let mut args = vec!["-h", "localhost", "-p", &port, "--cafile", identity.path()];
    args.extend(["-t", "a/b", "-m", "hello", "-r"]);
    Program::start(publisher, &args).succeeds().await;
    let address = format!("localhost:{port}");
    let mut client = Program::start(CLIENT, &[&address, identity.path(), "a/#"]);
    assert_eq!(client.line().await, "connected");
    assert_eq!(client.line().await, "a/b: b\"hello\"");
}
