//! The plain reader behind the fixed header: a method for each packet and each form of a field.

use mqtt_sansio::Version;

use crate::read::{Field, Reading, share, varint};
use crate::rules::{self, Fault};

/// The part of a frame behind the fixed header.
pub struct Body<'a, 'r> {
    pub reading: &'r mut Reading,
    pub version: Version,
    pub packet: u8,
    pub rest: &'a [u8],
}

impl<'a> Body<'a, '_> {
    fn v5(&self) -> bool {
        self.version == Version::V5
    }

    fn check(&mut self, kept: bool, fault: Fault) {
        self.reading.check(kept, fault);
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn behind_len(&mut self) -> Option<&'a [u8]> {
        let len = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([len[0], len[1]])))
    }

    fn fixed(&mut self, name: &'static str, len: usize) -> Option<&'a [u8]> {
        let value = self.take(len)?;
        self.reading.put(name, value);
        Some(value)
    }

    fn id(&mut self) -> Option<()> {
        let id = self.fixed("identifier", 2)?;
        self.check(id != [0, 0], Fault::ZeroPacketId);
        Some(())
    }

    fn binary(&mut self, name: &'static str) -> Option<&'a [u8]> {
        let value = self.behind_len()?;
        self.reading.put(name, value);
        Some(value)
    }

    fn text(&mut self, name: &'static str) -> Option<&'a [u8]> {
        let value = self.binary(name)?;
        self.check_text(value);
        Some(value)
    }

    fn check_text(&mut self, value: &[u8]) {
        self.check(std::str::from_utf8(value).is_ok(), Fault::NotUtf8);
        self.check(!value.contains(&0), Fault::NullCharacter);
    }

    fn check_topic(&mut self, topic: &[u8]) {
        let wildcard = topic.contains(&b'+') || topic.contains(&b'#');
        self.check(!wildcard, Fault::WildcardInTopic);
        self.check(!topic.is_empty(), Fault::EmptyTopic);
    }

    /// The filter, and whether it is that of a shared subscription.
    fn filter(&mut self) -> Option<bool> {
        let filter = self.text("filter")?;
        self.check(!filter.is_empty(), Fault::EmptyTopic);
        let levels: Vec<_> = filter.split(|&byte| byte == b'/').collect();
        for (at, level) in levels.iter().enumerate() {
            let last = at + 1 == levels.len();
            let hash = !level.contains(&b'#') || *level == b"#" && last;
            self.check(hash, Fault::Wildcards);
            self.check(!level.contains(&b'+') || *level == b"+", Fault::Wildcards);
        }
        let share = share(filter).filter(|_| self.v5());
        self.check(share != Some(false), Fault::ShareName);
        let shared = share.is_some();
        Some(shared)
    }

    pub fn packet(&mut self, first: u8) -> Option<()> {
        match self.packet {
            1 => self.connect(),
            2 => self.connack(),
            3 => self.publish(first),
            4..=7 => {
                self.id()?;
                self.code_and_properties(true)
            }
            8 => self.subscribe(),
            9 | 11 => self.suback(),
            10 => self.unsubscribe(),
            12 | 13 => Some(()),
            14 => self.code_and_properties(true),
            _ => self.auth(),
        }
    }

    fn connect(&mut self) -> Option<()> {
        let name = self.behind_len()?;
        self.check(name == b"MQTT", Fault::ProtocolName);
        let level = self.take(1)?[0];
        self.check(level == self.version.level(), Fault::ProtocolLevel);
        if !self.reading.faults.is_empty() {
            self.rest = &[];
            return Some(());
        }
        let flags = self.fixed("flags", 1)?[0];
        let bit = |at: u8| flags >> at & 1 == 1;
        self.check(!bit(0), Fault::ReservedConnectFlag);
        let will_qos = flags >> 3 & 3;
        self.check(will_qos < 3, Fault::QoS3);
        self.check(
            bit(2) || will_qos == 0 && !bit(5),
            Fault::WillFlagsWithoutWill,
        );
        self.check(self.v5() || bit(7) || !bit(6), Fault::PasswordAlone);
        self.fixed("keep alive", 2)?;
        self.properties("property", 1)?;
        self.check(
            !self.reading.has(0x16) || self.reading.has(0x15),
            Fault::NoMethod,
        );
        self.text("client identifier")?;
        if bit(2) {
            self.properties("will property", rules::WILL)?;
            let topic = self.text("will topic")?;
            self.check_topic(topic);
            self.binary("will payload")?;
        }
        if bit(7) {
            self.text("user name")?;
        }
        if bit(6) {
            self.binary("password")?;
        }
        Some(())
    }

    fn connack(&mut self) -> Option<()> {
        let flags = self.fixed("flags", 1)?[0];
        self.check(flags < 2, Fault::ConnAckFlags);
        let code = self.code()?;
        self.check(flags & 1 == 0 || code == 0, Fault::SessionPresentWithError);
        self.properties("property", 2)
    }

    fn publish(&mut self, first: u8) -> Option<()> {
        let qos = first >> 1 & 3;
        self.check(qos != 3, Fault::QoS3);
        self.check(qos != 0 || first & 8 == 0, Fault::DupAtQoS0);
        let topic = self.text("topic")?;
        if qos > 0 {
            self.id()?;
        }
        self.properties("property", 3)?;
        if !topic.is_empty() || !self.reading.has(0x23) {
            self.check_topic(topic);
        }
        let payload = self.take(self.rest.len())?;
        self.reading.put("payload", payload);
        Some(())
    }

    fn code(&mut self) -> Option<u8> {
        let code = self.fixed("code", 1)?[0];
        let known = rules::codes(self.version, self.packet).contains(&code);
        self.check(known, Fault::Code);
        Some(code)
    }

    /// Both may be left out, or the properties alone where that is allowed.
    fn code_and_properties(&mut self, without: bool) -> Option<()> {
        if !self.v5() {
            return Some(());
        }
        if self.rest.is_empty() {
            self.reading.put("code", &[0]);
            return Some(());
        }
        self.code()?;
        if self.rest.is_empty() && without {
            return Some(());
        }
        self.properties("property", self.packet)
    }

    fn auth(&mut self) -> Option<()> {
        if self.rest.is_empty() {
            self.check(false, Fault::EmptyAuth);
            return Some(());
        }
        self.code_and_properties(false)?;
        self.check(self.reading.has(0x15), Fault::NoMethod);
        Some(())
    }

    fn subscribe(&mut self) -> Option<()> {
        self.id()?;
        self.properties("property", 8)?;
        self.check(!self.rest.is_empty(), Fault::EmptyList);
        while !self.rest.is_empty() {
            let shared = self.filter()?;
            let options = self.fixed("options", 1)?[0];
            self.check(options & 3 < 3, Fault::QoS3);
            if self.v5() {
                self.check(options & 0xC0 == 0, Fault::ReservedOptions);
                self.check(options & 0x30 != 0x30, Fault::RetainHandling3);
                self.check(!shared || options & 4 == 0, Fault::NoLocalShared);
            } else {
                self.check(options & 0xFC == 0, Fault::ReservedOptions);
            }
        }
        Some(())
    }

    fn unsubscribe(&mut self) -> Option<()> {
        self.id()?;
        self.properties("property", 10)?;
        self.check(!self.rest.is_empty(), Fault::EmptyList);
        while !self.rest.is_empty() {
            self.filter()?;
        }
        Some(())
    }

    fn suback(&mut self) -> Option<()> {
        self.id()?;
        if self.packet == 11 && !self.v5() {
            return Some(());
        }
        self.properties("property", self.packet)?;
        self.check(!self.rest.is_empty(), Fault::EmptyList);
        while !self.rest.is_empty() {
            self.code()?;
        }
        Some(())
    }

    fn properties(&mut self, name: &'static str, place: u8) -> Option<()> {
        if !self.v5() {
            return Some(());
        }
        let (len, shortest) = match varint(&mut self.rest) {
            Ok(read) => read,
            Err(true) => {
                self.reading.faults.insert(Fault::LengthTooLong);
                return None;
            }
            Err(false) => return None,
        };
        self.check(shortest, Fault::LongLength);
        let block = self.take(len)?;
        let behind = std::mem::replace(&mut self.rest, block);
        let start = self.reading.fields.len();
        while !self.rest.is_empty() {
            self.property(name, place, start)?;
        }
        self.reading.fields[start..].sort_by_key(|field| field.property);
        self.rest = behind;
        Some(())
    }

    fn property(&mut self, name: &'static str, place: u8, start: usize) -> Option<()> {
        let property = self.take(1)?[0];
        let Some(kind) = rules::kind(property) else {
            self.reading.faults.insert(Fault::UnknownProperty);
            return None;
        };
        self.check(rules::carries(place, property), Fault::PropertyNotAllowed);
        let mut others = self.reading.fields[start..].iter();
        let again = others.any(|field| field.property == property);
        let repeats = property == 0x26 || property == 0x0B && place == 3;
        self.check(!again || repeats, Fault::PropertyTwice);
        let value = self.property_value(property, kind)?;
        self.reading.fields.push(Field {
            name,
            property,
            value,
        });
        Some(())
    }

    fn property_value(&mut self, property: u8, kind: rules::Kind) -> Option<Vec<u8>> {
        let value = match kind {
            rules::Kind::Number(len) => self.take(len)?.to_vec(),
            rules::Kind::VarInt => match varint(&mut self.rest) {
                Ok((value, shortest)) => {
                    self.check(shortest, Fault::LongLength);
                    u32::try_from(value).ok()?.to_be_bytes().to_vec()
                }
                Err(true) => {
                    self.reading.faults.insert(Fault::LengthTooLong);
                    return None;
                }
                Err(false) => return None,
            },
            rules::Kind::Binary => self.behind_len()?.to_vec(),
            rules::Kind::Text | rules::Kind::Topic => {
                let text = self.behind_len()?;
                self.check_text(text);
                if kind == rules::Kind::Topic {
                    self.check_topic(text);
                }
                text.to_vec()
            }
            rules::Kind::Pair => {
                let (name, value) = (self.behind_len()?, self.behind_len()?);
                self.check_text(name);
                self.check_text(value);
                rules::pair(name, value)
            }
        };
        self.check(rules::in_range(property, &value), Fault::PropertyRange);
        Some(value)
    }
}
