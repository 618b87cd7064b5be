use nom::error::{ErrorKind, ParseError};

use super::{DecodeErrorKind, Field};

/// A [`DecodeError`] in the making: knows the place as the bytes that were not read any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault<'a> {
    pub(crate) at: &'a [u8],
    pub(crate) kind: DecodeErrorKind,
    pub(crate) field: Field,
}

impl<'a> Fault<'a> {
    #[cold]
    pub(crate) const fn new(at: &'a [u8], kind: DecodeErrorKind, field: Field) -> Self {
        Self { at, kind, field }
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Self::new(at, DecodeErrorKind::Truncated, Field::Packet)
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> From<nom::Err<Self>> for Fault<'a> {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
            nom::Err::Incomplete(_) => Self::new(&[], DecodeErrorKind::Truncated, Field::Packet),
        }
    }
}
