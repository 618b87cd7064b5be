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
#[cfg(feature = "arbitrary")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod connection;
mod error;
mod frame;
pub mod packet;
mod packet_id;
pub mod property;
mod qos;
mod reason;
#[cfg(feature = "serde")]
mod serde;
pub mod session;
mod text;
pub mod topic;
mod varint;
mod version;
mod wire;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, Field};
pub use frame::{Frame, FrameDecoder, PacketType};
#[doc(inline)]
pub use packet::Packet;
pub use packet_id::PacketId;
pub use qos::{Delivery, QoS};
pub use reason::ReasonCode;
pub use text::{Binary, Text, TextError, TextErrorKind};
pub use varint::{InvalidVarInt, VarInt, VarIntRangeError};
pub use version::{Sender, Version};
