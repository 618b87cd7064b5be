//! What is learned: inputs, and the broker that gets them. Here is what both versions have.

use mqtt_sansio::Version;
use reference_broker::Config;

use crate::BOTH;
use crate::world::Act::{self, Answer, Cut, Open, Send, SendBelow, Wait};

/// The inputs of one machine.
pub(crate) struct Alphabet {
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [Version],
    pub(crate) config: fn(&mut Config),
    /// Before the first input.
    pub(crate) start: &'static [Act],
    /// Clients whose answers are no output.
    pub(crate) hidden: &'static [char],
    pub(crate) inputs: &'static [(&'static str, Act)],
    /// More inputs in 5.0.
    pub(crate) in_v5: &'static [(&'static str, Act)],
    /// States beyond those of the machine that would be found in any case.
    pub(crate) extra: usize,
    /// Words with random inputs, which may find more.
    pub(crate) random: usize,
}

pub(crate) const PLAIN: Alphabet = Alphabet {
    name: "",
    versions: &BOTH,
    config: |_| {},
    start: &[],
    hidden: &[],
    inputs: &[],
    in_v5: &[],
    extra: 1,
    random: 500,
};

/// `p` only publishes, and has a connection all the time.
pub(crate) const PUBLISHER: Act = Open('p', "10 ~ 'MQTT' VV 02 00 00 [] 'p'");
pub(crate) const A: &str = "10 ~ 'MQTT' VV 02 00 00 [] 'a'";
pub(crate) const DISCONNECT: &str = "E0 00";
pub(crate) const SUBSCRIBE: &str = "82 ~ 00 01 [] 't' 00";
pub(crate) const UNSUBSCRIBE: &str = "A2 ~ 00 01 [] 't'";
pub(crate) const PUBLISH: &str = "30 ~ 't' [] 6D";
/// From `p`, at QoS 1 and 2, while fewer than two wait for `a`.
pub(crate) const PUBLISH_1: Act = SendBelow('p', "32 ~ 't' 00 01 [] 6D", 2, "a");
pub(crate) const PUBLISH_2: Act = SendBelow('p', "34 ~ 't' 00 02 [] 6D | 62 ~ 00 02", 2, "a");
pub(crate) const RETAIN: &str = "31 ~ 't' [] 72";
pub(crate) const RETAIN_NOTHING: &str = "31 ~ 't' []";

pub(crate) const ALPHABETS: &[Alphabet] = &[
    Alphabet {
        name: "retained",
        inputs: &[
            ("connect", Open('a', A)),
            ("disconnect", Send('a', DISCONNECT)),
            ("cut", Cut('a')),
            ("subscribe", Send('a', SUBSCRIBE)),
            ("unsubscribe", Send('a', UNSUBSCRIBE)),
            ("publish 0", Send('a', PUBLISH)),
            ("publish 1", Send('a', "32 ~ 't' 00 01 [] 6D")),
            ("publish 2", Send('a', "34 ~ 't' 00 02 [] 6D")),
            ("pubrel", Send('a', "62 ~ 00 02")),
            ("retain", Send('a', RETAIN)),
            ("retain nothing", Send('a', RETAIN_NOTHING)),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "overlapping",
        inputs: &[
            ("connect", Open('a', A)),
            ("disconnect", Send('a', DISCONNECT)),
            ("subscribe t", Send('a', "82 ~ 00 01 [0B 01] 't' 00")),
            ("subscribe #", Send('a', "82 ~ 00 01 [0B 02] '#' 01")),
            ("unsubscribe t", Send('a', UNSUBSCRIBE)),
            ("unsubscribe #", Send('a', "A2 ~ 00 01 [] '#'")),
            ("unsubscribe both", Send('a', "A2 ~ 00 01 [] 't' '#'")),
            ("p.publish 0", Send('p', PUBLISH)),
            (
                "p.publish 1",
                SendBelow('p', "32 ~ 't' 00 01 [] 6D", 1, "a"),
            ),
            (
                "p.publish u",
                SendBelow('p', "32 ~ 'u' 00 01 [] 6D", 1, "a"),
            ),
            (
                "p.publish $",
                SendBelow('p', "32 ~ '$u' 00 01 [] 6D", 1, "a"),
            ),
            ("answer", Answer('a')),
        ],
        config: |config| config.dollar_topics = true,
        start: &[PUBLISHER],
        hidden: &['p'],
        ..PLAIN
    },
    Alphabet {
        name: "will",
        inputs: &[
            ("connect", Open('a', A)),
            (
                "connect will",
                Open('a', "10 ~ 'MQTT' VV 06 00 00 [] 'a' [] 't' 'w'"),
            ),
            (
                "connect retained will",
                Open('a', "10 ~ 'MQTT' VV 26 00 00 [] 'a' [] 't' 'w'"),
            ),
            ("disconnect", Send('a', DISCONNECT)),
            ("cut", Cut('a')),
            ("break a rule", Send('a', "36 ~ 't' 00 01 []")),
            ("b.connect", Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'")),
            ("b.cut", Cut('b')),
            ("b.subscribe", Send('b', SUBSCRIBE)),
            ("b.retain nothing", Send('b', RETAIN_NOTHING)),
        ],
        in_v5: &[("disconnect with will", Send('a', "E0 ~ 04"))],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "delivery",
        inputs: &[
            (
                "resume",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'a'"),
            ),
            ("cut", Cut('a')),
            ("subscribe", Send('a', "82 ~ 00 01 [] 't' 02")),
            ("p.publish 0", Send('p', PUBLISH)),
            ("p.publish 1", PUBLISH_1),
            ("p.publish 2", PUBLISH_2),
            ("answer", Answer('a')),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "receipt",
        inputs: &[
            (
                "resume",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'a'"),
            ),
            ("connect", Open('a', A)),
            ("disconnect", Send('a', DISCONNECT)),
            ("cut", Cut('a')),
            ("publish 1", Send('a', "34 ~ 't' 00 01 [] 6D")),
            ("publish 1 dup", Send('a', "3C ~ 't' 00 01 [] 6D")),
            ("pubrel 1", Send('a', "62 ~ 00 01")),
            ("publish 2", Send('a', "34 ~ 't' 00 02 [] 6E")),
            ("publish 2 dup", Send('a', "3C ~ 't' 00 02 [] 6E")),
            ("pubrel 2", Send('a', "62 ~ 00 02")),
            ("publish 2 qos 1", Send('a', "32 ~ 't' 00 02 [] 6F")),
        ],
        start: &[
            Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'"),
            Send('b', SUBSCRIBE),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "invalid",
        inputs: &[
            ("open", Open('a', "")),
            ("connect", Send('a', A)),
            ("connect MQTX", Send('a', "10 ~ 'MQTX' VV 02 00 00 [] 'a'")),
            (
                "connect version 9",
                Send('a', "10 ~ 'MQTT' 09 02 00 00 [] 'a'"),
            ),
            (
                "connect reserved flag",
                Send('a', "10 ~ 'MQTT' VV 03 00 00 [] 'a'"),
            ),
            (
                "connect no name, kept",
                Send('a', "10 ~ 'MQTT' VV 00 00 00 [] ''"),
            ),
            ("connack", Send('a', "20 ~ 00 00 []")),
            ("publish qos 3", Send('a', "36 ~ 't' 00 01 [] 6D")),
            ("publish qos 0 dup", Send('a', "38 ~ 't' [] 6D")),
            ("publish to #", Send('a', "30 ~ '#' [] 6D")),
            ("publish to nothing", Send('a', "30 ~ '' [] 6D")),
            ("publish id 0", Send('a', "32 ~ 't' 00 00 [] 6D")),
            ("publish bad utf-8", Send('a', "30 ~ 00 01 FF [] 6D")),
            ("puback", Send('a', "40 ~ 00 01")),
            ("pubrec", Send('a', "50 ~ 00 01")),
            ("pubrel", Send('a', "62 ~ 00 01")),
            ("pubrel flags", Send('a', "60 ~ 00 01")),
            ("pubcomp", Send('a', "70 ~ 00 01")),
            ("subscribe flags", Send('a', "80 ~ 00 01 [] 't' 00")),
            ("subscribe to nothing", Send('a', "82 ~ 00 01 []")),
            ("subscribe qos 3", Send('a', "82 ~ 00 01 [] 't' 03")),
            ("subscribe t#", Send('a', "82 ~ 00 01 [] 't#' 00")),
            ("suback", Send('a', "90 ~ 00 01 [] 00")),
            ("unsubscribe from nothing", Send('a', "A2 ~ 00 01 []")),
            ("pingreq", Send('a', "C0 00")),
            ("pingresp", Send('a', "D0 00")),
            ("disconnect flags", Send('a', "E1 00")),
            ("auth", Send('a', "F0 00")),
            ("type 0", Send('a', "00 00")),
            ("length of five bytes", Send('a', "30 FF FF FF FF 01")),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "keep_alive",
        inputs: &[
            ("open", Open('a', "")),
            ("connect", Send('a', "10 ~ 'MQTT' VV 02 00 0A [] 'a'")),
            ("ping", Send('a', "C0 00")),
            ("publish", Send('a', PUBLISH)),
            ("disconnect", Send('a', DISCONNECT)),
            ("5 seconds", Wait(5)),
        ],
        extra: 2,
        ..PLAIN
    },
];
