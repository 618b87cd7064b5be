//! The tables of the specifications that the reader needs, and the rules that a frame can break.

use mqtt_sansio::Version;

/// A rule that a frame breaks. Each is a class: a frame that breaks it is refused by this crate,
/// whoever accepts it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    ReservedPacketType,
    HeaderFlags,
    LengthTooLong,
    LongLength,
    CutShort,
    LeftOver,
    ZeroPacketId,
    NotUtf8,
    NullCharacter,
    WildcardInTopic,
    EmptyTopic,
    Wildcards,
    ShareName,
    ProtocolName,
    ProtocolLevel,
    ReservedConnectFlag,
    WillFlagsWithoutWill,
    PasswordAlone,
    ConnAckFlags,
    SessionPresentWithError,
    QoS3,
    DupAtQoS0,
    Code,
    EmptyList,
    ReservedOptions,
    RetainHandling3,
    NoLocalShared,
    UnknownProperty,
    PropertyNotAllowed,
    PropertyTwice,
    PropertyRange,
    NoMethod,
    /// Success without properties, which one sentence allows and another forbids.
    EmptyAuth,
}

/// Each rule, what decides it in 3.1.1 and in 5.0, and its name.
pub const FAULTS: &[(Fault, &str, &str, &str)] = {
    use Fault::*;
    &[
        (
            ReservedPacketType,
            "section 2.2.1",
            "section 2.1.2",
            "reserved packet type",
        ),
        (
            HeaderFlags,
            "MQTT-2.2.2-1, -2",
            "MQTT-2.1.3-1",
            "flags of the fixed header",
        ),
        (
            LengthTooLong,
            "section 2.2.3",
            "section 1.5.5",
            "variable byte integer of five bytes",
        ),
        (
            LongLength,
            "-",
            "MQTT-1.5.5-1",
            "variable byte integer longer than needed",
        ),
        (
            CutShort,
            "section 2.2.3",
            "sections 2.1.4, 2.2.2",
            "field past the end",
        ),
        (
            LeftOver,
            "section 2.2.3",
            "section 2.1.4",
            "bytes behind the last field",
        ),
        (
            ZeroPacketId,
            "MQTT-2.3.1-1",
            "MQTT-2.2.1-3, -4",
            "packet identifier 0",
        ),
        (NotUtf8, "MQTT-1.5.3-1", "MQTT-1.5.4-1", "ill-formed UTF-8"),
        (NullCharacter, "MQTT-1.5.3-2", "MQTT-1.5.4-2", "U+0000"),
        (
            WildcardInTopic,
            "MQTT-3.3.2-2",
            "MQTT-3.3.2-2, -14",
            "wildcard in a topic name",
        ),
        (EmptyTopic, "MQTT-4.7.3-1", "MQTT-4.7.3-1", "empty topic"),
        (
            Wildcards,
            "MQTT-4.7.1-2, -3",
            "MQTT-4.7.1-1, -2",
            "wildcard that is no whole level",
        ),
        (
            ShareName,
            "-",
            "MQTT-4.8.2-1, -2",
            "share name or filter of a shared subscription",
        ),
        (
            ProtocolName,
            "MQTT-3.1.2-1",
            "MQTT-3.1.2-1",
            "protocol name",
        ),
        (
            ProtocolLevel,
            "MQTT-3.1.2-2",
            "MQTT-3.1.2-2",
            "protocol level of another version",
        ),
        (
            ReservedConnectFlag,
            "MQTT-3.1.2-3",
            "MQTT-3.1.2-3",
            "reserved connect flag",
        ),
        (
            WillFlagsWithoutWill,
            "MQTT-3.1.2-13, -15",
            "MQTT-3.1.2-11, -13",
            "will flags, no will",
        ),
        (
            PasswordAlone,
            "MQTT-3.1.2-22",
            "-",
            "password without a user name",
        ),
        (
            ConnAckFlags,
            "section 3.2.2.1",
            "MQTT-3.2.2-1",
            "flags of CONNACK",
        ),
        (
            SessionPresentWithError,
            "MQTT-3.2.2-4",
            "MQTT-3.2.2-6",
            "session present, refused",
        ),
        (QoS3, "MQTT-3.3.1-4", "MQTT-3.3.1-4", "QoS 3"),
        (DupAtQoS0, "MQTT-3.3.1-2", "MQTT-3.3.1-2", "DUP at QoS 0"),
        (
            Code,
            "MQTT-3.9.3-2, table 3.1",
            "section 2.4",
            "reason code of another packet",
        ),
        (
            EmptyList,
            "MQTT-3.8.3-3, -3.10.3-2",
            "MQTT-3.8.3-2, -3.10.3-2",
            "empty list",
        ),
        (
            ReservedOptions,
            "MQTT-3.8.3-4",
            "MQTT-3.8.3-5",
            "reserved subscription options",
        ),
        (RetainHandling3, "-", "section 3.8.3.1", "retain handling 3"),
        (
            NoLocalShared,
            "-",
            "MQTT-3.8.3-4",
            "no local on a shared subscription",
        ),
        (
            UnknownProperty,
            "-",
            "section 2.2.2.2",
            "property that does not exist",
        ),
        (
            PropertyNotAllowed,
            "-",
            "section 2.2.2.2",
            "property of another packet",
        ),
        (
            PropertyTwice,
            "-",
            "sections 3.1.2.11 to 3.15.2.2",
            "property twice",
        ),
        (
            PropertyRange,
            "-",
            "sections 3.1.2.11 to 3.15.2.2",
            "value of a property",
        ),
        (
            NoMethod,
            "-",
            "sections 3.1.2.11.10, 3.15.2.2.2",
            "no authentication method",
        ),
        (
            EmptyAuth,
            "-",
            "sections 3.15.2.1, 3.15.2.2.2",
            "AUTH of no bytes",
        ),
    ]
};

#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Kind {
    Number(usize),
    VarInt,
    Binary,
    Text,
    Topic,
    Pair,
}

/// Where the properties of the will stand in [`carries`].
pub const WILL: u8 = 0;

/// Table 2-4: the form of a property.
pub fn kind(property: u8) -> Option<Kind> {
    Some(match property {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => Kind::Number(1),
        0x13 | 0x21..=0x23 => Kind::Number(2),
        0x02 | 0x11 | 0x18 | 0x27 => Kind::Number(4),
        0x0B => Kind::VarInt,
        0x09 | 0x16 => Kind::Binary,
        0x03 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => Kind::Text,
        0x08 => Kind::Topic,
        0x26 => Kind::Pair,
        _ => return None,
    })
}

/// Table 2-4: whether the packet of this type carries a property.
pub fn carries(packet: u8, property: u8) -> bool {
    let properties: &[u8] = match packet {
        WILL => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
        1 => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        2 => &[
            0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
            0x28, 0x29, 0x2A,
        ],
        3 => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26],
        4..=7 | 9 | 11 => &[0x1F, 0x26],
        8 => &[0x0B, 0x26],
        10 => &[0x26],
        14 => &[0x11, 0x1C, 0x1F, 0x26],
        15 => &[0x15, 0x16, 0x1F, 0x26],
        _ => &[],
    };
    properties.contains(&property)
}

/// Whether a property may have this value.
pub fn in_range(property: u8, value: &[u8]) -> bool {
    match property {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => value[0] < 2,
        0x0B | 0x21 | 0x23 | 0x27 => value.iter().any(|&byte| byte != 0),
        _ => true,
    }
}

/// The codes that a packet of this type carries, whichever side sends it.
pub fn codes(version: Version, packet: u8) -> &'static [u8] {
    match (version, packet) {
        (Version::V311, 2) => &[0, 1, 2, 3, 4, 5],
        (Version::V311, 9) => &[0, 1, 2, 0x80],
        (Version::V5, 2) => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
            0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        (Version::V5, 4 | 5) => &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        (Version::V5, 6 | 7) => &[0x00, 0x92],
        (Version::V5, 9) => &[
            0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
        (Version::V5, 11) => &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        (Version::V5, 14) => &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
            0xA1, 0xA2,
        ],
        (Version::V5, 15) => &[0x00, 0x18, 0x19],
        _ => &[],
    }
}

/// A user property as one value.
pub fn pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(name.len()).expect("a length of two bytes");
    [&len.to_be_bytes(), name, value].concat()
}
