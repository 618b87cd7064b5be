//! The feature `tokio-util`.

use bytes::BytesMut;
use mqtt_sansio::{FrameDecoder, FramedError, Packet, PacketCodec, Version};
use tokio_util::codec::{Decoder, Encoder};

#[test]
fn packets_go_there_and_back_in_pieces() {
    let mut codec = PacketCodec::new(FrameDecoder::new(Version::V5));
    let publish = Packet::decode(Version::V5, b"\x30\x08\x00\x01a\x00data").unwrap();
    let mut bytes = BytesMut::new();
    codec.encode(publish.to_owned(), &mut bytes).unwrap();
    codec.encode(Packet::PingReq, &mut bytes).unwrap();
    let rest = bytes.split_off(5);
    assert_eq!(codec.decode(&mut bytes).unwrap(), None);
    bytes.extend_from_slice(&rest);
    let decoded = codec.decode(&mut bytes).unwrap().unwrap();
    assert_eq!(decoded.as_borrowed(), publish);
    assert_eq!(codec.decode(&mut bytes).unwrap(), Some(Packet::PingReq));
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
    let error = codec.encode(auth.to_owned(), &mut bytes).unwrap_err();
    assert!(matches!(error, FramedError::Encode(_)), "{error}");
}
