use crate::error::{DecodeError, DecodeErrorKind, Fault, Field};
use crate::packet_type::PacketType;
use crate::property::{Place, Properties};
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::version::Version;
use crate::wire::{self, ParseResult};

/// The facts about the connection that a body parser needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) version: Version,
    /// `None` if the packet may come from either side.
    pub(crate) sender: Option<Side>,
}

impl Context {
    /// A packet of `version` that either side may have sent.
    #[inline]
    pub(super) const fn either(version: Version) -> Self {
        Self {
            version,
            sender: None,
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn error(self, packet: PacketType, frame: &[u8], fault: Fault<'_>) -> DecodeError {
        let Fault { at, kind, field } = fault;
        let offset = wire::offset(frame, at);
        DecodeError::new(kind, field, Some(packet), self.version, self.sender, offset)
    }

    /// Reads properties, which 3.1.1 lacks.
    #[inline]
    pub(super) fn properties<K: Place>(
        self,
        input: &[u8],
    ) -> ParseResult<'_, Properties<K, &[u8]>> {
        match self.version {
            Version::V311 => Ok((input, Properties::EMPTY)),
            Version::V5 => {
                let (rest, (properties, _)) = Properties::parse(input)?;
                Ok((rest, properties))
            }
        }
    }

    /// Reads a code that `packet` may carry.
    pub(super) fn reason_code(
        self,
        packet: PacketType,
        input: &[u8],
    ) -> ParseResult<'_, ReasonCode> {
        let (rest, value) = wire::u8(input, Field::ReasonCode)?;
        let code = match self.version {
            Version::V311 => ReasonCode::from_v311(packet, value),
            Version::V5 => {
                ReasonCode::from_u8(value).filter(|code| code.allowed_in(packet, self.sender))
            }
        };
        match code {
            Some(code) => Ok((rest, code)),
            None => {
                let kind = DecodeErrorKind::InvalidReasonCode(value);
                wire::fail(input, kind, Field::ReasonCode)
            }
        }
    }
}
