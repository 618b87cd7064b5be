//! The code of every packet that follows from the list of its fields.

/// Lists the fields of a packet, the packets that it is, and how each field is mapped: `copy` is
/// the same in every storage, `map` has a `map` of its own, `option` may have, and `bytes` is the
/// storage itself. A type is what serde reads; what may be left out there says so.
macro_rules! packet {
    (
        $Name:ident $(is $Only:ident)? $(either $One:ident or $Other:ident)?
        { $($(#[$attr:meta])* $kind:ident $field:ident: $Type:ty,)+ }
    ) => {
        impl<B> $Name<B> {
            pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> $Name<C> {
                $Name { $($field: $crate::packet::fields::mapped!($kind, self.$field, f),)+ }
            }
        }

        impl<B: AsRef<[u8]>> $Name<B> {
            /// Borrows every field.
            pub fn as_borrowed(&self) -> $Name<&[u8]> {
                self.map(AsRef::as_ref)
            }

            /// Copies every field into buffers of its own.
            pub fn to_owned(&self) -> $Name {
                self.map(|field| bytes::Bytes::copy_from_slice(field.as_ref()))
            }
        }

        impl<B: AsRef<[u8]>> core::fmt::Debug for $Name<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut fields = f.debug_struct(stringify!($Name));
                $($crate::packet::fields::show!($kind, self.$field, fields, stringify!($field));)+
                fields.finish()
            }
        }

        $(impl<B> From<$Name<B>> for $crate::packet::Packet<B> {
            fn from(packet: $Name<B>) -> Self {
                Self::$Only(packet)
            }
        })?

        #[cfg(feature = "serde")]
        const _: () = {
            use $crate::packet as checked;

            #[derive(serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            struct $Name { $($(#[$attr])* $field: $Type,)+ }

            impl<'de> $crate::packet::fields::Unchecked<'de> for checked::$Name {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let $Name { $($field,)+ } = serde::Deserialize::deserialize(from)?;
                    Ok(Self { $($field,)+ })
                }
            }

            impl<'de> serde::Deserialize<'de> for checked::$Name {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let packet: Self = $crate::packet::fields::Unchecked::deserialize(from)?;
                    let encodable = [
                        $(checked::Packet::$Only(packet.as_borrowed()),)?
                        $(checked::Packet::$One(packet.as_borrowed()),
                        checked::Packet::$Other(packet.as_borrowed()),)?
                    ];
                    $crate::packet::fields::check(&encodable)?;
                    Ok(packet)
                }
            }
        };
    };
}

/// Maps a field from one storage to another.
macro_rules! mapped {
    (copy, $field:expr, $f:ident) => {
        $field
    };
    (map, $field:expr, $f:ident) => {
        $field.map(&$f)
    };
    (option, $field:expr, $f:ident) => {
        $field.as_ref().map(|field| field.map(&$f))
    };
    (bytes, $field:expr, $f:ident) => {
        $f(&$field)
    };
}

/// Prints a field, and bytes that have no type of their own as a byte string.
macro_rules! show {
    (bytes, $field:expr, $fields:ident, $name:expr) => {
        $fields.field($name, &$crate::binary::Escaped($field.as_ref()))
    };
    ($kind:ident, $field:expr, $fields:ident, $name:expr) => {
        $fields.field($name, &$field)
    };
}

/// A packet read field by field, which may be one that cannot be encoded.
#[cfg(feature = "serde")]
pub(crate) trait Unchecked<'de>: Sized {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Succeeds if one of these packets can be encoded in one of the versions, or there are none, and
/// otherwise returns the rule of 5.0 that the last one breaks.
#[cfg(feature = "serde")]
pub(crate) fn check<E: serde::de::Error>(packets: &[super::Packet<&[u8]>]) -> Result<(), E> {
    let mut outcome = Ok(0);
    for packet in packets {
        outcome = packet.encoded_len(crate::version::Version::V5);
        if outcome.is_ok() || packet.encoded_len(crate::version::Version::V311).is_ok() {
            return Ok(());
        }
    }
    outcome.map(drop).map_err(E::custom)
}

/// The reason code of a packet that does not name one.
#[cfg(feature = "serde")]
pub(crate) const fn success() -> crate::reason::ReasonCode {
    crate::reason::ReasonCode::Success
}

/// Clean Start of a CONNECT that does not name it, as in `Connect::new`.
#[cfg(feature = "serde")]
pub(crate) const fn clean_start() -> bool {
    true
}

pub(super) use {mapped, packet, show};
