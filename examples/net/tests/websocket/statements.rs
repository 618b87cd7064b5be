//! [MQTT-6.0.0-1] to [MQTT-6.0.0-4], for each side that they bind, in both versions.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::{CLIENT, PATIENCE, Program, server};

type Socket = WebSocketStream<TcpStream>;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// The packets of a version, as both sides may send them.
struct Packets {
    version: &'static str,
    connect: &'static [u8],
    connack: &'static [u8],
    subscribe: &'static [u8],
    suback: &'static [u8],
    publish: &'static [u8],
}

const VERSIONS: [Packets; 2] = [
    Packets {
        version: "3.1.1",
        connect: b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01c",
        connack: b"\x20\x02\0\0",
        subscribe: b"\x82\x06\0\x01\0\x01t\0",
        suback: b"\x90\x03\0\x01\0",
        publish: b"\x30\x05\0\x01thi",
    },
    Packets {
        version: "5.0",
        connect: b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01c",
        connack: b"\x20\x03\0\0\0",
        subscribe: b"\x82\x07\0\x01\0\0\x01t\0",
        suback: b"\x90\x04\0\x01\0\0",
        publish: b"\x30\x06\0\x01t\0hi",
    },
];

/// Opens a WebSocket to our server, with these offers. Returns the head of its answer, too. No client
/// of others judges it.
pub(super) async fn open(url: &str, offers: &[&str]) -> (Socket, String) {
    let address = url.strip_prefix("ws://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for offer in offers {
        request += &format!("{PROTOCOL}: {offer}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        head.push(byte.expect("an answer").unwrap());
    }
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    (
        socket,
        String::from_utf8(head).unwrap().to_ascii_lowercase(),
    )
}

/// Our client, connected to this test by a WebSocket.
struct Connected {
    client: Program,
    socket: Socket,
    /// What it offered.
    offers: Vec<String>,
}

/// Runs our client, and selects this subprotocol.
#[expect(clippy::result_large_err, reason = "the callback is called like this")]
async fn our_client(version: &str, select: Option<&'static str>) -> Connected {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = Program::start(CLIENT, &[&url, version, "t"]);
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut offers = Vec::new();
    let callback = |request: &Request, mut response: Response| {
        for offer in request.headers().get_all(PROTOCOL) {
            let names = offer.to_str().unwrap().split(',');
            offers.extend(names.map(|name| name.trim().to_owned()));
        }
        if let Some(select) = select {
            let select = HeaderValue::from_static(select);
            response.headers_mut().insert(PROTOCOL, select);
        }
        Ok(response)
    };
    let socket = accept_hdr_async(stream, callback).await.unwrap();
    Connected {
        client,
        socket,
        offers,
    }
}

/// Reads this many bytes, all of them from binary frames.
pub(super) async fn read(socket: &mut Socket, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let message = timeout(PATIENCE, socket.next()).await;
        match message.expect("a frame") {
            Some(Ok(Message::Binary(payload))) => bytes.extend_from_slice(&payload),
            other => panic!("{other:?} behind {bytes:02X?}"),
        }
    }
    bytes
}

/// Waits for the end of the network connection, before which nothing comes.
async fn closes(socket: &mut Socket) {
    let message = timeout(PATIENCE, socket.next()).await.expect("an end");
    assert!(matches!(message, None | Some(Err(_))), "{message:?}");
}

pub(super) async fn write(socket: &mut Socket, bytes: &[u8]) {
    let frame = Message::binary(bytes.to_vec());
    socket.send(frame).await.unwrap();
}

/// The length of the first packet, which is a short one.
fn first_packet(bytes: &[u8]) -> usize {
    2 + usize::from(bytes[1])
}

/// The server sends its packets in binary frames, and closes the connection at a text frame, be it
/// the first or a later one, and without looking at what is in it.
#[tokio::test]
async fn mqtt_6_0_0_1_server() {
    let (_server, url) = server().await;
    for packets in VERSIONS {
        let (mut socket, _) = open(&url, &["mqtt"]).await;
        let up = [packets.connect, packets.subscribe, packets.publish].concat();
        write(&mut socket, &up).await;
        let mut answers = Vec::new();
        while !answers.ends_with(packets.publish) {
            answers.extend(read(&mut socket, 1).await);
        }
        let text = "\0\0";
        socket.send(Message::text(text)).await.unwrap();
        closes(&mut socket).await;

        // A CONNECT of 3.1.1 is text, too.
        let (mut socket, _) = open(&url, &["mqtt"]).await;
        let text = std::str::from_utf8(packets.connect).unwrap();
        socket.send(Message::text(text)).await.unwrap();
        closes(&mut socket).await;
    }
}

/// The client does the same.
#[tokio::test]
async fn mqtt_6_0_0_1_client() {
    for packets in VERSIONS {
        let mut ours = our_client(packets.version, Some("mqtt")).await;
        let connect = read(&mut ours.socket, 2).await;
        assert_eq!(connect[0], 0x10);
        assert_eq!(connect.len(), first_packet(&connect));
        write(&mut ours.socket, packets.connack).await;
        let subscribe = read(&mut ours.socket, 2).await;
        assert_eq!(subscribe[0], 0x82);
        write(&mut ours.socket, packets.suback).await;
        // It would print the message if this was a binary frame.
        let text = std::str::from_utf8(packets.publish).unwrap();
        ours.socket.send(Message::text(text)).await.unwrap();
        closes(&mut ours.socket).await;
        assert!(ours.client.fails().await.contains("a text frame"));
        assert_eq!(ours.client.lines.next_line().await.unwrap(), None);
    }
}

/// Wherever frames end, the server answers the same.
#[tokio::test]
async fn mqtt_6_0_0_2_server() {
    let (_server, url) = server().await;
    for packets in VERSIONS {
        let up = [packets.connect, packets.subscribe, packets.publish].concat();
        let mut expected = Vec::new();
        let bytewise = (0..=up.len()).collect();
        let cut_once = (0..=up.len()).map(|cut| vec![0, cut, up.len()]);
        for ends in cut_once.chain([bytewise]) {
            let (mut socket, _) = open(&url, &["mqtt"]).await;
            for frame in ends.windows(2) {
                write(&mut socket, &up[frame[0]..frame[1]]).await;
            }
            let mut answers = Vec::new();
            while !answers.ends_with(packets.publish) {
                answers.extend(read(&mut socket, 1).await);
            }
            if expected.is_empty() {
                expected.clone_from(&answers);
                let behind = [packets.suback, packets.publish].concat();
                let connack = first_packet(&answers);
                assert_eq!(answers[connack..], behind);
            }
            assert_eq!(answers, expected, "{ends:?}");
        }
    }
}

/// The client gets the same message, whether all packets are in one frame or each byte in its own.
#[tokio::test]
async fn mqtt_6_0_0_2_client() {
    for packets in VERSIONS {
        let down = [packets.connack, packets.suback, packets.publish].concat();
        let subscribed = packets.connack.len();
        for size in [1, 3, down.len()] {
            let mut ours = our_client(packets.version, Some("mqtt")).await;
            read(&mut ours.socket, 2).await;
            // SUBACK may only come behind SUBSCRIBE, and that is sent behind CONNACK.
            for frame in down[..subscribed].chunks(size) {
                write(&mut ours.socket, frame).await;
            }
            read(&mut ours.socket, 2).await;
            for frame in down[subscribed..].chunks(size) {
                write(&mut ours.socket, frame).await;
            }
            assert_eq!(ours.client.line().await, "t: hi");
        }
    }
}

/// The client offers `mqtt`.
#[tokio::test]
async fn mqtt_6_0_0_3_client() {
    for packets in VERSIONS {
        let ours = our_client(packets.version, Some("mqtt")).await;
        assert!(ours.offers.iter().any(|offer| offer == "mqtt"));
    }
}

/// The server selects `mqtt`, whatever else is offered, and no other subprotocol.
#[tokio::test]
async fn mqtt_6_0_0_4_server() {
    let (_server, url) = server().await;
    for packets in VERSIONS {
        let offers: [&[&str]; 3] = [&["mqtt"], &["chat, mqtt,mqttv3.1"], &["chat", "mqtt"]];
        for offers in offers {
            let (mut socket, answer) = open(&url, offers).await;
            let lines = answer.lines();
            let selected: Vec<_> = lines.filter(|line| line.contains("protocol:")).collect();
            assert_eq!(selected, ["sec-websocket-protocol: mqtt"], "{offers:?}");
            write(&mut socket, packets.connect).await;
            assert_eq!(read(&mut socket, 2).await[0], 0x20);
        }
    }
    let offers: [&[&str]; 3] = [&[], &["chat"], &["mqttv3.1, MQTT"]];
    for offers in offers {
        let (_, answer) = open(&url, offers).await;
        assert!(answer.starts_with("http/1.1 400 "), "{offers:?}: {answer}");
    }
}

/// The client goes on with no server that selects another subprotocol, or none.
#[tokio::test]
async fn mqtt_6_0_0_4_client() {
    for packets in VERSIONS {
        for select in [None, Some("chat")] {
            let mut ours = our_client(packets.version, select).await;
            closes(&mut ours.socket).await;
            let errors = ours.client.fails().await;
            assert!(errors.contains("SubProtocol"), "{errors}");
        }
    }
}
