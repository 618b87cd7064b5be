#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;
#[cfg(any(feature = "arbitrary", feature = "tokio-util"))]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
#[cfg(feature = "tokio-util")]
mod codec;
pub mod connection;
mod error;
mod frame;
mod header;
pub mod packet;
mod packet_id;
mod packet_type;
pub mod property;
mod property_id;
mod qos;
mod reason;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "serde")]
mod serialize;
pub mod session;
mod side;
#[cfg(feature = "proptest")]
mod strategy;
mod text;
pub mod topic;
mod varint;
mod version;
mod wire;

#[cfg(feature = "tokio-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-util")))]
pub use codec::{FramedError, PacketCodec};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, Field};
pub use frame::{Frame, FrameDecoder};
#[doc(inline)]
pub use packet::Packet;
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use qos::{Delivery, QoS};
pub use reason::ReasonCode;
pub use side::Side;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub use strategy::strategy;
pub use text::{Binary, Text, TextError, TextErrorKind};
pub use varint::{InvalidVarInt, VarInt, VarIntRangeError};
pub use version::Version;
