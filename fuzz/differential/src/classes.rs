//! The classes that a disagreement can fall into.
//!
//! Where they accept what this crate refuses, the [plain reader](crate::read) finds the broken rule,
//! and the class is that of the rule. All others are listed by peer.

use mqtt_sansio::Version;

use crate::compare::{Case, Difference};
use crate::read::{Field, Reading, share};
use crate::rules::{FAULTS, Fault};

/// Who is right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    Ours,
    /// The text allows both.
    Both,
}

#[derive(Debug)]
pub struct Class {
    pub name: &'static str,
    /// The statement or section that decides it: of 3.1.1, of 5.0.
    pub statement: [&'static str; 2],
    pub right: Right,
    pub peers: &'static [&'static str],
    pub holds: fn(&Case<'_>, &Difference) -> bool,
}

const CORE: &str = "mqtt-protocol-core";
const MQTT5: &str = "mqtt5-protocol";
const MQTTBYTES: &str = "mqttbytes-ng";
const MQUTE: &str = "mqute-codec";
const PROTO: &str = "mqtt-proto";
const RMQTT: &str = "rmqtt-codec";
const RUMQTTC: &str = "rumqttc";

pub const CLASSES: &[Class] = &[
    Class {
        name: "refused: `$share/` in 3.1.1 that 5.0 would refuse",
        statement: ["section 4.7", "-"],
        right: Right::Ours,
        peers: &[PROTO],
        holds: |case, difference| {
            let shared = |filter: &[u8]| share(filter) == Some(false);
            refused(difference) && !case.frame.is_v5 && case.reading.all("filter").any(shared)
        },
    },
    Class {
        name: "encoded: SUBACK with failure",
        statement: ["MQTT-3.9.3-2", "-"],
        right: Right::Ours,
        peers: &[PROTO],
        holds: |case, difference| match difference {
            Difference::EncodedRefused(reading) => {
                let failed = case.reading.all("code").any(|code| code == [0x80]);
                !case.frame.is_v5 && failed && only(reading, Fault::Code)
            }
            _ => false,
        },
    },
    Class {
        name: "refused: DISCONNECT with 0x8C, which table 2-6 alone has",
        statement: ["-", "sections 2.4, 3.14.2.1"],
        right: Right::Both,
        peers: &[PROTO, CORE, MQTT5, MQTTBYTES, MQUTE, RUMQTTC],
        holds: |case, difference| refused(difference) && case.packet(14) && case.code() == 0x8C,
    },
    Class {
        name: "refused: payload that is not the UTF-8 it says it is",
        statement: ["-", "section 3.3.2.3.2"],
        right: Right::Both,
        peers: &[PROTO],
        holds: |case, difference| {
            let said = |name| case.property(name, 0x01) == Some(&[1][..]);
            let no_text = |name| {
                let payload = case.reading.get(name).unwrap_or_default();
                std::str::from_utf8(payload).is_err()
            };
            refused(difference)
                && (said("property") && no_text("payload")
                    || said("will property") && no_text("will payload"))
        },
    },
    Class {
        name: "refused: several subscription identifiers",
        statement: ["-", "section 3.3.2.3.8"],
        right: Right::Ours,
        peers: &[PROTO],
        holds: |case, difference| refused(difference) && case.packet(3) && case.ids() > 1,
    },
    Class {
        name: "decoded: several subscription identifiers as other properties",
        statement: ["-", "section 3.3.2.3.8"],
        right: Right::Ours,
        peers: &[MQTTBYTES, RUMQTTC],
        holds: |case, difference| {
            let values = match difference {
                Difference::Publish | Difference::Encoded(..) => true,
                // The topic alias is one of the properties that are lost.
                Difference::EncodedRefused(reading) => only(reading, Fault::EmptyTopic),
                _ => false,
            };
            values && case.packet(3) && case.ids() > 1
        },
    },
    Class {
        name: "refused: password without a user name",
        statement: ["-", "section 3.1.2.9"],
        right: Right::Ours,
        peers: &[CORE, MQTT5],
        holds: |case, difference| refused(difference) && case.lone_password(),
    },
    Class {
        name: "encoded: password without a user name",
        statement: ["-", "section 3.1.2.9"],
        right: Right::Ours,
        peers: &[MQUTE],
        holds: |case, difference| match difference {
            Difference::EncodedRefused(_) => case.lone_password(),
            _ => false,
        },
    },
    Class {
        name: "encoded: empty user name or password as none",
        statement: ["section 3.1.2.8", "section 3.1.2.8"],
        right: Right::Ours,
        peers: &[MQTTBYTES, RUMQTTC],
        holds: |case, difference| match difference {
            Difference::Encoded(left, right) => {
                let gone = |field: &Field| {
                    let name = matches!(field.name, "user name" | "password");
                    field.name == "flags" || name && field.value.is_empty()
                };
                let flags = |field: &Field| field.name == "flags";
                case.packet(1) && left.iter().all(gone) && right.iter().all(flags)
            }
            Difference::EncodedRefused(reading) => {
                let empty = case.reading.get("user name") == Some(b"");
                empty && only(reading, Fault::PasswordAlone)
            }
            _ => false,
        },
    },
    Class {
        name: "refused: password that is not UTF-8",
        statement: ["section 3.1.3.5", "section 3.1.3.6"],
        right: Right::Ours,
        peers: &[MQTTBYTES, MQUTE, RUMQTTC],
        holds: |case, difference| {
            let password = case.reading.get("password").unwrap_or_default();
            refused(difference) && std::str::from_utf8(password).is_err()
        },
    },
    Class {
        name: "refused: reason code without a property length",
        statement: ["-", "sections 3.4.2.2.1, 3.14.2.2.1"],
        right: Right::Ours,
        peers: &[MQTTBYTES, MQUTE, RUMQTTC],
        holds: |case, difference| {
            let acknowledged = matches!(case.frame.packet(), 4..=7) && case.body_len() == 3;
            let disconnect = case.packet(14) && case.body_len() == 1;
            refused(difference) && case.frame.is_v5 && (acknowledged || disconnect)
        },
    },
    Class {
        name: "refused: DISCONNECT without a reason code",
        statement: ["-", "section 3.14.2.1"],
        right: Right::Ours,
        peers: &[RUMQTTC],
        holds: |case, difference| {
            refused(difference) && case.packet(14) && case.frame.is_v5 && case.body_len() == 0
        },
    },
    Class {
        name: "encoded: DISCONNECT with a reason code and no properties",
        statement: ["-", "section 3.14.2"],
        right: Right::Ours,
        peers: &[MQTTBYTES, RUMQTTC],
        holds: |case, difference| match difference {
            Difference::EncodedRefused(reading) => {
                let bare = case.reading.fields.iter().all(|field| field.property == 0);
                case.packet(14) && bare && case.code() != 0 && only(reading, Fault::LeftOver)
            }
            _ => false,
        },
    },
    Class {
        name: "refused: AUTH",
        statement: ["-", "section 3.15"],
        right: Right::Ours,
        peers: &[MQTTBYTES, RUMQTTC],
        holds: |case, difference| refused(difference) && case.packet(15),
    },
    Class {
        name: "refused: Remaining Length longer than needed",
        statement: ["section 2.2.3", "-"],
        right: Right::Ours,
        peers: &[MQUTE],
        holds: |case, difference| refused(difference) && !case.frame.is_v5 && case.long_length(),
    },
    Class {
        name: "refused: topic alias without a topic",
        statement: ["-", "section 3.3.2.3.4"],
        right: Right::Ours,
        peers: &[MQUTE],
        holds: |case, difference| {
            let topic = case.reading.get("topic");
            refused(difference) && topic == Some(b"") && case.reading.has(0x23)
        },
    },
    Class {
        name: "refused: no client identifier, session kept",
        statement: ["MQTT-3.1.3-8", "section 3.1.3.1"],
        right: Right::Both,
        peers: &[RMQTT],
        holds: |case, difference| {
            let flags = case.reading.get("flags").unwrap_or_default();
            let kept = flags.first().is_some_and(|flags| flags & 2 == 0);
            refused(difference) && kept && case.reading.get("client identifier") == Some(b"")
        },
    },
    Class {
        name: "encoded: property of its default as none",
        statement: ["-", "sections 3.1.2.11, 3.2.2.3, 3.3.2.3"],
        right: Right::Both,
        peers: &[RMQTT],
        holds: |_, difference| match difference {
            Difference::Encoded(left, right) => {
                let default = |field: &Field| match field.property {
                    0x01 | 0x11 | 0x18 | 0x19 | 0x22 => field.value.iter().all(|&byte| byte == 0),
                    0x17 | 0x25 | 0x28..=0x2A => field.value == [1],
                    0x21 => field.value == [0xFF, 0xFF],
                    _ => false,
                };
                right.is_empty() && left.iter().all(default)
            }
            _ => false,
        },
    },
    Class {
        name: "refused: message expiry of 0",
        statement: ["-", "section 3.3.2.3.3"],
        right: Right::Ours,
        peers: &[RMQTT],
        holds: |case, difference| {
            let zero = |name| case.property(name, 0x02) == Some(&[0; 4][..]);
            refused(difference) && (zero("property") || zero("will property"))
        },
    },
];

fn refused(difference: &Difference) -> bool {
    matches!(difference, Difference::Refused)
}

fn only(reading: &Reading, fault: Fault) -> bool {
    reading.faults.len() == 1 && reading.faults.contains(&fault)
}

impl Case<'_> {
    fn packet(&self, packet: u8) -> bool {
        self.frame.packet() == packet
    }

    fn code(&self) -> u8 {
        let code = self.reading.get("code").unwrap_or_default();
        code.first().copied().unwrap_or(0)
    }

    fn property(&self, name: &str, property: u8) -> Option<&[u8]> {
        let of = |field: &&Field| field.name == name && field.property == property;
        let found = self.reading.fields.iter().find(of);
        found.map(|field| &field.value[..])
    }

    /// The number of subscription identifiers.
    fn ids(&self) -> usize {
        let ids = |field: &&Field| field.property == 0x0B;
        self.reading.fields.iter().filter(ids).count()
    }

    fn lone_password(&self) -> bool {
        let password = self.reading.get("password").is_some();
        self.frame.is_v5 && password && self.reading.get("user name").is_none()
    }

    fn length_len(&self) -> usize {
        let bytes = self.frame.bytes.iter().skip(1);
        bytes.take_while(|&&byte| byte >= 0x80).count() + 1
    }

    fn body_len(&self) -> usize {
        self.frame.bytes.len() - 1 - self.length_len()
    }

    /// Remaining Length has more bytes than it needs.
    fn long_length(&self) -> bool {
        let len = self.length_len();
        len > 1 && self.frame.bytes[len] == 0
    }
}

/// The name of the class, what decides it, and who is right.
pub fn of(
    case: &Case<'_>,
    peer: &str,
    difference: &Difference,
) -> Option<(&'static str, &'static str, Right)> {
    let of_version = |[v311, v5]: [&'static str; 2]| match case.frame.version() {
        Version::V311 => v311,
        Version::V5 => v5,
    };
    if let Difference::Accepted = difference {
        if case.reading.incomplete {
            let statement = of_version(["section 2.2.3", "section 2.1.4"]);
            return Some((
                "accepted: less than Remaining Length",
                statement,
                Right::Ours,
            ));
        }
        let broken = |fault: &Fault| case.reading.faults.contains(fault);
        let (fault, v311, v5, name) = FAULTS.iter().find(|(fault, ..)| broken(fault))?;
        let right = match fault {
            Fault::EmptyAuth => Right::Both,
            _ => Right::Ours,
        };
        return Some((name, of_version([v311, v5]), right));
    }
    let mut of_peer = CLASSES.iter().filter(|class| class.peers.contains(&peer));
    let class = of_peer.find(|class| (class.holds)(case, difference))?;
    Some((class.name, of_version(class.statement), class.right))
}
