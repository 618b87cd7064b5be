//! The feature `tokio-util`.

use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use bytes::BytesMut;
use futures_core::Stream;
use mqtt_sansio::connection::{client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::{
    DecodeErrorKind, FrameDecoder, FramedError, Packet, PacketCodec, ReasonCode, Rule, Rules,
    Version,
};
use tokio_util::codec::{Decoder, Encoder, FramedRead};

#[test]
fn packets_go_there_and_back_in_pieces() {
    let mut codec = PacketCodec::new(FrameDecoder::new(Version::V5));
    let publish = Packet::decode(Version::V5, b"\x30\x08\x00\x01a\x00data").unwrap();
    let mut bytes = BytesMut::new();
    codec.encode(publish, &mut bytes).unwrap();
    codec.encode(<Packet>::PingReq, &mut bytes).unwrap();
    let rest = bytes.split_off(5);
    assert_eq!(codec.decode(&mut bytes).unwrap(), None);
    bytes.extend_from_slice(&rest);
    let decoded = codec.decode(&mut bytes).unwrap().unwrap().unwrap();
    assert_eq!(decoded.as_borrowed(), publish);
    assert_eq!(codec.decode(&mut bytes).unwrap(), Some(Ok(Packet::PingReq)));
}

#[test]
fn errors_say_whose_fault_it_is() {
    let mut codec = PacketCodec::new(FrameDecoder::server());
    let mut bytes = BytesMut::from(&b"GET / HTTP/1.1"[..]);
    let error = codec.decode(&mut bytes).unwrap_err();
    assert!(matches!(error, FramedError::Decode(_)), "{error}");
    assert!(codec.decoder().has_failed());
    let auth = b"\xF0\x06\x18\x04\x15\x00\x01m";
    let auth = Packet::decode(Version::V5, auth).unwrap();
    let error = codec.encode(auth, &mut bytes).unwrap_err();
    assert!(matches!(error, FramedError::Encode(_)), "{error}");
}

/// A CONNECT of 5.0 with the reserved connect flag set.
const RESERVED_FLAG: &[u8] = b"\x10\x0E\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01a";

/// Gives a server the first packet of a client, with an error, and returns the answer as it is sent.
fn refusal(connect: &[u8]) -> BytesMut {
    let mut codec = PacketCodec::new(FrameDecoder::server());
    let mut server = server::Connection::new(Duration::ZERO, Duration::from_secs(5));
    let error = match codec.decode(&mut connect.into()) {
        Ok(item) => item.unwrap().unwrap_err(),
        Err(FramedError::Decode(error)) => error,
        Err(error) => panic!("{error}"),
    };
    server.handle_decode_error(Duration::ZERO, error);
    let mut sent = BytesMut::new();
    codec
        .encode(server.poll_transmit(Duration::ZERO).unwrap(), &mut sent)
        .unwrap();
    sent
}

#[test]
fn a3_a_refusal_is_written_in_the_version_of_the_error() {
    // The reserved flag leaves the decoder in step, an unknown level does not.
    assert_eq!(refusal(RESERVED_FLAG), b"\x20\x03\x00\x81\x00"[..]);
    let level_6 = b"\x10\x0E\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x01a";
    assert_eq!(refusal(level_6), b"\x20\x02\x00\x01"[..]);
    let bridge = b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x00\x00\x01a";
    assert_eq!(refusal(bridge), b"\x20\x02\x00\x01"[..], "A18");
    let of_3_1 = b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01a";
    assert_eq!(refusal(of_3_1), b"\x20\x02\x00\x01"[..], "B3");
    let level_3 = b"\x10\x0D\x00\x04MQTT\x03\x02\x00\x00\x00\x01a";
    assert_eq!(refusal(level_3), b"\x20\x02\x00\x01"[..]);
}

#[test]
fn a3_a_connect_that_is_read_decides_the_version() {
    let mut codec = PacketCodec::new(FrameDecoder::server());
    let good = b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01a";
    let mut bytes = BytesMut::from(&[RESERVED_FLAG, good].concat()[..]);
    assert!(codec.decode(&mut bytes).unwrap().unwrap().is_err());
    assert!(codec.decode(&mut bytes).unwrap().unwrap().is_ok());
    let connack = Packet::from(ConnAck::new(ReasonCode::NotAuthorized));
    codec.encode(connack, &mut bytes).unwrap();
    assert_eq!(bytes, b"\x20\x02\x00\x05"[..]);
}

/// Rules are let go as the decoder has them.
#[test]
fn rules_are_let_go() {
    let rules = Rules::STRICT
        .without(Rule::DupAtQoS0)
        .without(Rule::PublishText);
    let mut codec = PacketCodec::new(FrameDecoder::client(Version::V311).rules(rules));
    let mut bytes = BytesMut::from(&b"\x38\x03\x00\x01t\x30\x03\x00\x01+\xD0\x00"[..]);
    let Some(Ok(Packet::Publish(publish))) = codec.decode(&mut bytes).unwrap() else {
        panic!();
    };
    assert!(!publish.dup);
    assert_eq!(codec.poll_let_go(), Some(Rule::DupAtQoS0));
    let skipped = codec.decode(&mut bytes).unwrap().unwrap().unwrap_err();
    assert!(skipped.is_skipped());
    assert_eq!(
        codec.decode(&mut bytes).unwrap(),
        Some(Ok(Packet::PingResp))
    );
}

/// The next item, or `None` at the end: all bytes are there.
fn next<S: Stream>(stream: Pin<&mut S>) -> Option<S::Item> {
    match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(item) => item,
        Poll::Pending => panic!("a slice never waits"),
    }
}

#[test]
fn a9_packets_behind_a_bad_one_are_read() {
    let bytes = b"\xD0\x00\x40\x02\x00\x00\xD0\x00";
    let codec = PacketCodec::new(FrameDecoder::client(Version::V5));
    let mut stream = pin!(FramedRead::new(&bytes[..], codec));
    let mut next = || next(stream.as_mut()).map(Result::unwrap);
    assert_eq!(next(), Some(Ok(Packet::PingResp)));
    let error = next().unwrap().unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::ZeroPacketId);
    assert_eq!(next(), Some(Ok(Packet::PingResp)));
    assert_eq!(next(), None);
}

#[test]
fn a9_a_stream_out_of_step_ends() {
    let bytes = b"\xD0\x00\x00\x00\xD0\x00";
    let codec = PacketCodec::new(FrameDecoder::client(Version::V5));
    let mut stream = pin!(FramedRead::new(&bytes[..], codec));
    let item = next(stream.as_mut()).unwrap();
    assert_eq!(item.unwrap(), Ok(Packet::PingResp));
    let item = next(stream.as_mut()).unwrap();
    let Err(FramedError::Decode(error)) = item else {
        panic!("{item:?}");
    };
    assert_eq!(error.kind(), DecodeErrorKind::ReservedPacketType(0));
    assert!(stream.decoder().decoder().has_failed());
    assert!(next(stream.as_mut()).is_none());
}

#[test]
fn a10_borrowed_packets_are_encoded() {
    let (now, mut out) = (Duration::ZERO, BytesMut::new());
    let mut codec = PacketCodec::new(FrameDecoder::client(Version::V311));
    let mut client = client::Connection::new();
    let connect = Connect::new("a".parse().unwrap());
    client.connect(Version::V311, connect).unwrap();
    codec
        .encode(client.poll_transmit(now).unwrap(), &mut out)
        .unwrap();
    assert_eq!(out, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01a"[..]);
}
