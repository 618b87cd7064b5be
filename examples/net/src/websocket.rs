//! MQTT over WebSocket (section 6): a WebSocket as a stream of bytes, for what runs over TCP too.
//!
//! Each write is a binary frame. What is read is the payloads of binary frames, one behind the other,
//! wherever packets begin and end [MQTT-6.0.0-2]. A text frame is an error of the read, upon which
//! the caller drops the stream, and with it the network connection [MQTT-6.0.0-1].

use std::future::ready;
use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, connect_async};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// The name of the subprotocol, in 3.1.1 as in 5.0.
const MQTT: HeaderValue = HeaderValue::from_static("mqtt");

/// Opens a WebSocket to a server, offering the subprotocol `mqtt` [MQTT-6.0.0-3]. The handshake fails
/// if the server selects no subprotocol, or another.
pub async fn connect(url: &str) -> Result<impl AsyncRead + AsyncWrite + Unpin, Error> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, MQTT);
    let (socket, _) = connect_async(request).await?;
    Ok(bytes(socket))
}

/// Accepts a WebSocket of a client that offers the subprotocol `mqtt`, and selects it
/// [MQTT-6.0.0-4]. Other clients get the status 400.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> Result<impl AsyncRead + AsyncWrite + Unpin, Error> {
    Ok(bytes(accept_hdr_async(stream, select).await?))
}

#[expect(clippy::result_large_err, reason = "the callback is called like this")]
fn select(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let mut names = offers
        .iter()
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(',').map(str::trim));
    if names.any(|name| name == MQTT) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, MQTT);
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("the subprotocol is mqtt".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

fn bytes<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
) -> impl AsyncRead + AsyncWrite + Unpin {
    let (sink, stream) = socket.split();
    let payloads = stream.map_err(io::Error::other).try_filter_map(|message| {
        ready(match message {
            Message::Binary(payload) => Ok(Some(payload)),
            Message::Text(_) => Err(io::Error::other("a text frame [MQTT-6.0.0-1]")),
            // The WebSocket answers Ping and Close by itself.
            _ => Ok(None),
        })
    });
    let frames = sink
        .with(|payload: Bytes| ready(Ok::<_, Error>(Message::Binary(payload))))
        .sink_map_err(io::Error::other);
    let writer = SinkWriter::new(CopyToBytes::new(frames));
    tokio::io::join(StreamReader::new(payloads), writer)
}
