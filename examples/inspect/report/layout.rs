//! The bytes of a packet, by field. Bytes that are no packet are divided as far as they make sense.

use mqtt_sansio::property::PropertyId;
use mqtt_sansio::{Field, PacketType, ReasonCode, VarInt, Version};

use super::capture::{Item, What};

/// A field and its bytes, with their length in front if they have one.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'a> {
    /// The offset in the packet.
    pub(crate) at: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) name: String,
    /// What the bytes say.
    pub(crate) value: String,
}

/// Divides what was read. The parts cover all its bytes, in order.
pub(crate) fn parts(item: &Item) -> Vec<Part<'_>> {
    match item.what {
        What::Stray => vec![Part {
            at: 0,
            bytes: &item.bytes,
            name: "bytes".to_owned(),
            value: String::new(),
        }],
        _ => layout(item.version, &item.bytes),
    }
}

fn layout(version: Version, packet: &[u8]) -> Vec<Part<'_>> {
    let mut input = Input {
        rest: packet,
        at: 0,
        parts: Vec::new(),
        v5: version == Version::V5,
    };
    let read = input.packet();
    let (at, bytes) = (input.at, input.rest);
    if !bytes.is_empty() {
        // Where it broke off, this is a field that ends too early.
        let name = match read {
            Ok(()) => "bytes behind the packet".to_owned(),
            Err(name) => format!("{name} (not whole)"),
        };
        let value = escaped(bytes);
        input.parts.push(Part {
            at,
            bytes,
            name,
            value,
        });
    }
    input.parts
}

struct Input<'a> {
    rest: &'a [u8],
    at: usize,
    parts: Vec<Part<'a>>,
    v5: bool,
}

/// The name of the field that is not whole.
type Read<T = ()> = Result<T, String>;

impl<'a> Input<'a> {
    fn take(&mut self, len: usize, name: &str, value: impl Fn(&[u8]) -> String) -> Read<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(name)?;
        self.parts.push(Part {
            at: self.at,
            bytes,
            name: name.to_owned(),
            value: value(bytes),
        });
        (self.rest, self.at) = (rest, self.at + len);
        Ok(bytes)
    }

    fn number(&mut self, len: usize, name: &str) -> Read<u64> {
        self.take(len, name, |bytes| number(bytes).to_string())
            .map(number)
    }

    /// Text or bytes behind a length of two bytes.
    fn string(&mut self, name: &str) -> Read {
        let len = self.rest.get(..2).map(number).ok_or(name)?;
        let len = usize::try_from(len).unwrap_or_default();
        let value = |bytes: &[u8]| escaped(bytes.get(2..).unwrap_or_default());
        self.take(2 + len, name, value).map(drop)
    }

    fn varint(&mut self, name: &str) -> Read<usize> {
        match VarInt::decode(Version::V311, self.rest) {
            Ok(Some((value, len))) => {
                self.take(len, name, |_| value.get().to_string())?;
                Ok(value.get() as usize)
            }
            _ => Err(name.to_owned()),
        }
    }

    fn packet(&mut self) -> Read {
        let kind = self
            .rest
            .first()
            .and_then(|first| PacketType::new(first >> 4));
        let name = Field::FixedHeader.to_string();
        let first = self.take(1, &name, |first| flags(kind, first))?;
        self.varint(&Field::RemainingLength.to_string())?;
        match kind {
            Some(PacketType::Connect) => self.connect(),
            Some(PacketType::ConnAck) => {
                self.number(1, &Field::ConnAckFlags.to_string())?;
                self.code(kind)?;
                self.properties("")
            }
            Some(PacketType::Publish) => {
                self.string(&Field::TopicName.to_string())?;
                if first.iter().any(|first| first & 0x06 != 0) {
                    self.id()?;
                }
                self.properties("")?;
                self.take(self.rest.len(), "payload", escaped).map(drop)
            }
            Some(
                PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp,
            ) => {
                self.id()?;
                self.tail(kind)
            }
            Some(kind @ (PacketType::Subscribe | PacketType::Unsubscribe)) => {
                self.id()?;
                self.properties("")?;
                while !self.rest.is_empty() {
                    self.string(&Field::TopicFilter.to_string())?;
                    if kind == PacketType::Subscribe {
                        let name = Field::SubscriptionOptions.to_string();
                        self.take(1, &name, |byte| format!("{:#010b}", number(byte)))?;
                    }
                }
                Ok(())
            }
            Some(PacketType::SubAck | PacketType::UnsubAck) => {
                self.id()?;
                self.properties("")?;
                while !self.rest.is_empty() {
                    self.code(kind)?;
                }
                Ok(())
            }
            Some(PacketType::Disconnect | PacketType::Auth) => self.tail(kind),
            Some(PacketType::PingReq | PacketType::PingResp) => Ok(()),
            _ => Err("bytes of no packet type".to_owned()),
        }
    }

    fn id(&mut self) -> Read {
        self.number(2, &Field::PacketId.to_string()).map(drop)
    }

    fn code(&mut self, kind: Option<PacketType>) -> Read {
        let v5 = self.v5;
        let name = |code: u8| match kind {
            Some(kind) if !v5 => ReasonCode::from_v311(kind, code),
            _ => ReasonCode::from_u8(code),
        };
        let value = |bytes: &[u8]| {
            let name = bytes.first().and_then(|&code| name(code));
            name.map_or_else(String::new, |code| code.name().to_owned())
        };
        self.take(1, &Field::ReasonCode.to_string(), value)
            .map(drop)
    }

    /// A code and properties that may be left out.
    fn tail(&mut self, kind: Option<PacketType>) -> Read {
        if !self.rest.is_empty() {
            self.code(kind)?;
        }
        match self.rest {
            [] => Ok(()),
            _ => self.properties(""),
        }
    }

    fn connect(&mut self) -> Read {
        self.string(&Field::ProtocolName.to_string())?;
        let level = self.number(1, &Field::ProtocolLevel.to_string())?;
        self.v5 = level == 5;
        let name = Field::ConnectFlags.to_string();
        let flags = self.take(1, &name, connect_flags)?;
        let has = |flag: u8| flags.iter().any(|flags| flags & flag != 0);
        self.number(2, &Field::KeepAlive.to_string())?;
        self.properties("")?;
        self.string(&Field::ClientId.to_string())?;
        if has(0x04) {
            self.properties("will ")?;
            self.string(&Field::WillTopic.to_string())?;
            self.string(&Field::WillPayload.to_string())?;
        }
        if has(0x80) {
            self.string(&Field::UserName.to_string())?;
        }
        if has(0x40) {
            self.string(&Field::Password.to_string())?;
        }
        Ok(())
    }

    /// The properties, which 3.1.1 does not have. `of` is put before their names.
    fn properties(&mut self, of: &str) -> Read {
        if !self.v5 {
            return Ok(());
        }
        let len = self.varint(&format!("{of}{}", Field::PropertyLength))?;
        let end = self.rest.len().saturating_sub(len);
        while self.rest.len() > end {
            let id = self.rest.first().and_then(|&id| PropertyId::from_u8(id));
            let Some(id) = id else {
                return Err(format!("{of}{}", Field::PropertyId));
            };
            let name = match id {
                PropertyId::WillDelayInterval => id.to_string(),
                _ => format!("{of}{id}"),
            };
            self.take(1, &format!("{of}{}", Field::PropertyId), |_| id.to_string())?;
            self.property(id, &name)?;
        }
        Ok(())
    }

    fn property(&mut self, id: PropertyId, name: &str) -> Read {
        use PropertyId as Id;
        match id {
            Id::PayloadFormatIndicator
            | Id::RequestProblemInformation
            | Id::RequestResponseInformation
            | Id::MaximumQoS
            | Id::RetainAvailable
            | Id::WildcardSubscriptionAvailable
            | Id::SubscriptionIdentifierAvailable
            | Id::SharedSubscriptionAvailable => self.number(1, name).map(drop),
            Id::ServerKeepAlive | Id::ReceiveMaximum | Id::TopicAliasMaximum | Id::TopicAlias => {
                self.number(2, name).map(drop)
            }
            Id::MessageExpiryInterval
            | Id::SessionExpiryInterval
            | Id::WillDelayInterval
            | Id::MaximumPacketSize => self.number(4, name).map(drop),
            Id::SubscriptionIdentifier => self.varint(name).map(drop),
            Id::UserProperty => {
                self.string(&format!("{name} name"))?;
                self.string(&format!("{name} value"))
            }
            _ => self.string(name),
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn escaped(bytes: &[u8]) -> String {
    const SHOWN: usize = 64;
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= SHOWN => format!("{text:?}"),
        _ => {
            let shown = bytes.get(..SHOWN).unwrap_or(bytes);
            let more = if bytes.len() > SHOWN { "..." } else { "" };
            format!("b\"{}\"{more}", shown.escape_ascii())
        }
    }
}

fn flags(kind: Option<PacketType>, first: &[u8]) -> String {
    let first = first.first().copied().unwrap_or_default();
    match kind {
        Some(kind @ PacketType::Publish) => {
            let (dup, qos, retain) = (first >> 3 & 1, first >> 1 & 3, first & 1);
            format!("{kind} dup={dup} qos={qos} retain={retain}")
        }
        Some(kind) => kind.to_string(),
        None => "no packet type".to_owned(),
    }
}

fn connect_flags(flags: &[u8]) -> String {
    let flags = flags.first().copied().unwrap_or_default();
    let names = [
        (0x80, "user_name"),
        (0x40, "password"),
        (0x20, "will_retain"),
        (0x04, "will"),
        (0x02, "clean_start"),
        (0x01, "reserved"),
    ];
    let set = names.iter().filter(|(bit, _)| flags & bit != 0);
    let set: Vec<_> = set.map(|&(_, name)| name.to_owned()).collect();
    format!("{} will_qos={}", set.join(" "), flags >> 3 & 3)
        .trim_start()
        .to_owned()
}
