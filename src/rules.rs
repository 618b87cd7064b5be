//! The rules that a peer can break and a receiver can live with.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::side::Side;
use crate::version::Version;

/// Lists the rules: name, the statement of 3.1.1 and of 5.0, the side that judges (`None` for
/// both), and what happens to a packet that breaks a rule that is let go.
macro_rules! rules {
    ($($Rule:ident, $name:literal, $v311:expr, $v5:expr, $judge:expr, $instead:literal;)+) => {
        /// A rule of the specification that real peers break and that a receiver can live with.
        ///
        /// [`Rules`] lets single rules go. The error of the strict decoder or connection names its
        /// rule, at its end: `PUBLISH fixed header at byte 0: DUP is set at QoS 0 [MQTT-3.3.1-2]
        /// (rule dup-at-qos-0)`.
        ///
        /// A rule is in this table if what its breach leaves is a packet of which the meaning is
        /// known, or a packet that can be passed over. It is not if the rest of the stream cannot
        /// be found (a remaining length of five bytes), if something that the packet needs is
        /// missing or has a value without meaning (QoS 3, a truncated field, an unknown property),
        /// if the receiver would have to hold more than it announced (topic aliases), if the caller
        /// chose the limit (what CONNACK excluded), or if two steps contradict each other (AUTH out
        /// of turn, a request with the packet identifier of another). Properties that are repeated
        /// or that the packet may not carry, and packets of the wrong side, are not in it either:
        /// nobody knows what their sender meant, and no peer in the field sends them.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Rule {
            $(#[doc = concat!("`", $name, "`: ", $instead)] $Rule,)+
        }

        impl Rule {
            /// Every rule of the table.
            pub const ALL: &'static [Self] = &[$(Self::$Rule,)+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$Rule => Row {
                        name: $name,
                        v311: $v311,
                        v5: $v5,
                        judge: $judge,
                        instead: $instead,
                    },)+
                }
            }
        }
    };
}

struct Row {
    name: &'static str,
    v311: Option<&'static str>,
    v5: Option<&'static str>,
    judge: Option<Side>,
    instead: &'static str,
}

const CLIENT: Option<Side> = Some(Side::Client);
const SERVER: Option<Side> = Some(Side::Server);

rules! {
    FixedHeaderFlags, "fixed-header-flags", Some("MQTT-2.2.2-2"), Some("MQTT-2.1.3-1"), None,
        "Reserved flags in the first byte of a packet are ignored.";
    DupAtQoS0, "dup-at-qos-0", Some("MQTT-3.3.1-2"), Some("MQTT-3.3.1-2"), None,
        "DUP in a PUBLISH at QoS 0 is ignored.";
    ShortestLength, "shortest-length", None, Some("MQTT-1.5.5-1"), None,
        "The length of a packet or of its properties may be padded.";
    TrailingBytes, "trailing-bytes", None, None, None,
        "Bytes behind the last field of a packet are ignored.";
    ZeroPacketId, "zero-packet-id", Some("MQTT-2.3.1-1"), Some("MQTT-2.2.1-3"), None,
        "A packet with a packet identifier of zero is skipped.";
    PacketTooLarge, "packet-too-large", None, Some("MQTT-3.1.2-24"), None,
        "A PUBLISH above the size limit is skipped; none of its bytes are kept.";
    PublishText, "publish-text", Some("MQTT-1.5.3-1"), Some("MQTT-1.5.4-1"), None,
        "A PUBLISH whose topic or properties hold text that is not allowed is skipped.";
    PayloadFormatIndicator, "payload-format-indicator", None, None, None,
        "A Payload Format Indicator above 1 is taken as 0.";
    BridgeBit, "bridge-bit", Some("MQTT-3.1.2-2"), Some("MQTT-3.1.2-2"), SERVER,
        "Bit 7 of the protocol level, with which a bridge announces itself, is accepted: `Connect::bridge`.";
    Mqtt31, "mqtt-3.1", Some("MQTT-3.1.2-1"), Some("MQTT-3.1.2-1"), SERVER,
        "A client of MQTT 3.1 is served as one of 3.1.1: `Connect::v31`.";
    ReservedConnectFlag, "reserved-connect-flag", Some("MQTT-3.1.2-3"), Some("MQTT-3.1.2-3"), SERVER,
        "Bit 0 of the connect flags is ignored.";
    WillFlags, "will-flags", Some("MQTT-3.1.2-13"), Some("MQTT-3.1.2-11"), SERVER,
        "Will QoS and Will Retain without a will are ignored.";
    PasswordWithoutUserName, "password-without-user-name", Some("MQTT-3.1.2-22"), None, SERVER,
        "A password without a user name in 3.1.1 is accepted, with an empty user name.";
    SubscriptionOptions, "subscription-options", Some("MQTT-3.8.3-4"), Some("MQTT-3.8.3-5"), SERVER,
        "Reserved bits of the subscription options are ignored.";
    NoLocalOnShared, "no-local-on-shared", None, Some("MQTT-3.8.3-4"), SERVER,
        "No Local on a shared subscription is ignored.";
    KeepAlive, "keep-alive", Some("MQTT-3.1.2-24"), Some("MQTT-3.1.2-22"), SERVER,
        "A client may be silent for longer than one and a half times its keep alive.";
    ConnAckFlags, "connack-flags", None, Some("MQTT-3.2.2-1"), CLIENT,
        "Reserved bits of the connect acknowledge flags are ignored.";
    SessionPresentWithError, "session-present-with-error", Some("MQTT-3.2.2-4"), Some("MQTT-3.2.2-6"), CLIENT,
        "Session Present in a CONNACK that refuses is ignored.";
    ConnAckCode, "connack-code", None, Some("MQTT-3.2.2-8"), CLIENT,
        "An unknown code in CONNACK refuses the connection.";
    SessionPresent, "session-present", Some("MQTT-3.2.2-1"), Some("MQTT-3.2.2-4"), CLIENT,
        "Session Present without a session at the client is taken as 0.";
    ConnAckMethod, "connack-method", None, Some("MQTT-4.12.0-5"), CLIENT,
        "A CONNACK without the authentication method of CONNECT is accepted.";
    SecondConnAck, "second-connack", None, Some("MQTT-3.2.0-2"), CLIENT,
        "A second CONNACK is ignored, or refuses the connection if it has such a code.";
    ServerDisconnect, "server-disconnect", Some("MQTT-3.14.0-1"), None, CLIENT,
        "A DISCONNECT from a server of 3.1.1 ends the connection as one of 5.0 does, with its code.";
    ProblemInformation, "problem-information", None, Some("MQTT-3.1.2-29"), CLIENT,
        "A Reason String or User Property that was not requested is ignored.";
    PubAckAtQoS2, "puback-at-qos-2", Some("MQTT-3.3.4-1"), Some("MQTT-3.3.4-1"), None,
        "PUBACK for a PUBLISH of QoS 2 completes it.";
    PacketIdInUse, "packet-id-in-use", Some("MQTT-2.3.1-2"), Some("MQTT-2.2.1-3"), None,
        "A new PUBLISH with the packet identifier of one that is not finished replaces it.";
    ReceiveMaximum, "receive-maximum", None, Some("MQTT-3.3.4-7"), None,
        "More messages than Receive Maximum are accepted.";
}

impl Rule {
    /// Returns the name, such as `"dup-at-qos-0"`, which [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the normative statement of `version`, or `None` where the rule has no number, or
    /// where that version does not have the rule. Where a rule has several statements, for packets
    /// of several types, it is that of the first; an error has its own.
    pub const fn statement(self, version: Version) -> Option<&'static str> {
        match version {
            Version::V311 => self.row().v311,
            Version::V5 => self.row().v5,
        }
    }

    /// Returns the side that judges: the one that receives the packet. `None` for both.
    pub const fn judge(self) -> Option<Side> {
        self.row().judge
    }

    /// Returns what happens when the rule is let go, as a sentence.
    pub const fn instead(self) -> &'static str {
        self.row().instead
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// The [name](Rule::name).
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let rule = Self::ALL.iter().find(|rule| rule.name() == name);
        rule.copied().ok_or(UnknownRule)
    }
}

/// The text is not the name of a [`Rule`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no rule has this name; `Rule::ALL` lists the rules")]
#[non_exhaustive]
pub struct UnknownRule;

/// The rules that a decoder and a connection insist on: all of them, unless the caller lets some
/// go.
///
/// A value that was made of a packet that breaks a rule is as valid as any other: what breaks the
/// rule is removed, or the packet is skipped. What was let go is reported: see
/// [`Event::LetGo`](crate::connection::Event::LetGo) and
/// [`FrameDecoder::poll_let_go`](crate::FrameDecoder::poll_let_go).
///
/// ```
/// use mqtt_sansio::connection::client::Connection;
/// use mqtt_sansio::{Rule, Rules};
///
/// let rules = Rules::STRICT.without(Rule::ReceiveMaximum).without(Rule::DupAtQoS0);
/// let mut mqtt = Connection::new().rules(rules);
/// # assert!(rules.lets_go(Rule::DupAtQoS0) && !rules.lets_go(Rule::Mqtt31));
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Rules {
    let_go: u32,
    receive_slack: u16,
    keep_alive_percent: u16,
    replaced: Replaced,
}

/// The treatment of a PUBLISH with the packet identifier of another message that is not finished,
/// if [`Rule::PacketIdInUse`] is let go.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Replaced {
    /// It replaces the other message, as mosquitto does: the client has lost its memory. The token
    /// of the other message is spent.
    #[default]
    Replace,
    /// It is refused, in 5.0 with [`PacketIdentifierInUse`](crate::ReasonCode::PacketIdentifierInUse),
    /// as EMQX does. In 3.1.1, which cannot refuse a message, it replaces the other.
    Refuse,
}

impl Rules {
    /// All rules, as they are in the specification: the default.
    pub const STRICT: Self = Self {
        let_go: 0,
        receive_slack: u16::MAX,
        keep_alive_percent: 0,
        replaced: Replaced::Replace,
    };

    /// Lets every rule go that can be.
    pub const LENIENT: Self = {
        let (mut rules, mut at) = (Self::STRICT, 0);
        while at < Rule::ALL.len() {
            rules.let_go |= 1 << at;
            at += 1;
        }
        rules
    };

    /// Lets go what mosquitto does, as a broker and as a client: a bridge and a client of 3.1 are
    /// served, a message replaces an unfinished one with its packet identifier, Session Present
    /// that is not expected is taken as 0, and a DISCONNECT of a 3.1.1 server ends the connection.
    pub const AS_MOSQUITTO: Self = Self::STRICT
        .without(Rule::BridgeBit)
        .without(Rule::Mqtt31)
        .without(Rule::PacketIdInUse)
        .without(Rule::SessionPresent)
        .without(Rule::ServerDisconnect);

    /// For a server of small devices and old clients: MQTT 3.1, reserved flags and bits, DUP at QoS
    /// 0, padded lengths, trailing bytes, packet identifiers of zero, will flags without a will, a
    /// password without a user name, Payload Format Indicators that do not exist, and packet
    /// identifiers that are used again by a device without memory.
    pub const DEVICES: Self = Self::STRICT
        .without(Rule::Mqtt31)
        .without(Rule::FixedHeaderFlags)
        .without(Rule::DupAtQoS0)
        .without(Rule::ShortestLength)
        .without(Rule::TrailingBytes)
        .without(Rule::ZeroPacketId)
        .without(Rule::ReservedConnectFlag)
        .without(Rule::WillFlags)
        .without(Rule::PasswordWithoutUserName)
        .without(Rule::SubscriptionOptions)
        .without(Rule::PayloadFormatIndicator)
        .without(Rule::PacketIdInUse);

    /// For a client of brokers of any make: more messages than Receive Maximum (mosquitto 2.0.11),
    /// PUBACK at QoS 2 (RabbitMQ), reserved flags (ThingsBoard), a topic that is not UTF-8 and a
    /// message that is too large, both often retained; and what brokers get wrong in CONNACK, in
    /// DISCONNECT and with explanations.
    pub const BROKERS: Self = Self::STRICT
        .without(Rule::ReceiveMaximum)
        .without(Rule::PubAckAtQoS2)
        .without(Rule::FixedHeaderFlags)
        .without(Rule::PublishText)
        .without(Rule::PacketTooLarge)
        .without(Rule::PayloadFormatIndicator)
        .without(Rule::ConnAckFlags)
        .without(Rule::SessionPresentWithError)
        .without(Rule::ConnAckCode)
        .without(Rule::SessionPresent)
        .without(Rule::ConnAckMethod)
        .without(Rule::SecondConnAck)
        .without(Rule::ServerDisconnect)
        .without(Rule::ProblemInformation);

    /// Lets a rule go.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.let_go |= rule.bit();
        self
    }

    /// Insists on a rule again.
    #[must_use]
    pub const fn with(mut self, rule: Rule) -> Self {
        self.let_go &= !rule.bit();
        self
    }

    /// Lets [`Rule::ReceiveMaximum`] go for at most so many messages beyond the limit. Without
    /// this, all 65,535 packet identifiers may be in use.
    #[must_use]
    pub const fn receive_slack(mut self, messages: u16) -> Self {
        self.receive_slack = messages;
        self.without(Rule::ReceiveMaximum)
    }

    /// Lets [`Rule::PacketIdInUse`] go in this way.
    #[must_use]
    pub const fn packet_id_in_use(mut self, replaced: Replaced) -> Self {
        self.replaced = replaced;
        self.without(Rule::PacketIdInUse)
    }

    /// Lets [`Rule::KeepAlive`] go: a client may be silent for so many percent of its keep alive,
    /// where the specification has 150. Without this, or with 0, it may be silent for ever.
    #[must_use]
    pub const fn keep_alive_percent(mut self, percent: u16) -> Self {
        self.keep_alive_percent = percent;
        self.without(Rule::KeepAlive)
    }

    /// Returns whether a rule is let go.
    pub const fn lets_go(self, rule: Rule) -> bool {
        self.let_go & rule.bit() != 0
    }

    /// The number of messages beyond Receive Maximum that are accepted.
    pub(crate) const fn slack(self) -> u16 {
        self.receive_slack
    }

    /// The time that a client may be silent, in percent of its keep alive; `None` is for ever.
    pub(crate) const fn silence_percent(self) -> Option<u16> {
        match (self.lets_go(Rule::KeepAlive), self.keep_alive_percent) {
            (false, _) => Some(150),
            (true, 0) => None,
            (true, percent) => Some(percent),
        }
    }

    /// Returns whether a packet identifier in use refuses the new message.
    pub(crate) const fn refuses(self) -> bool {
        matches!(self.replaced, Replaced::Refuse)
    }

    /// Iterates over the rules that are let go.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        let rules = Rule::ALL.iter().copied();
        rules.filter(move |&rule| self.lets_go(rule))
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::STRICT
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules without ")?;
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len(), "no name twice");
        for &rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        assert_eq!("no-such-rule".parse::<Rule>(), Err(UnknownRule));
    }

    #[test]
    fn rules_are_independent() {
        for &rule in Rule::ALL {
            let (only, all_but) = (Rules::STRICT.without(rule), Rules::LENIENT.with(rule));
            for &other in Rule::ALL {
                assert_eq!(only.lets_go(other), other == rule);
                assert_eq!(all_but.lets_go(other), other != rule);
            }
            assert!(only.iter().eq([rule]));
            assert_eq!(only.with(rule), Rules::STRICT);
        }
        let all = Rule::ALL.iter().copied();
        assert_eq!(all.fold(Rules::STRICT, Rules::without), Rules::LENIENT);
        assert!(size_of::<Rules>() <= 12);
    }
}
