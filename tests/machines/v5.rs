//! What 5.0 alone has.

use std::num::NonZeroU16;

use mqtt_sansio::Version;

use crate::alphabets::{
    A, Alphabet, DISCONNECT, PLAIN, PUBLISH, PUBLISH_1, PUBLISH_2, PUBLISHER, RETAIN,
    RETAIN_NOTHING, SUBSCRIBE, UNSUBSCRIBE,
};
use crate::world::Act::{Answer, Cut, Open, Refuse, Send, SendBelow, Wait};

const V5: &[Version] = &[Version::V5];

pub(crate) const ALPHABETS: &[Alphabet] = &[
    Alphabet {
        name: "options",
        versions: V5,
        inputs: &[
            ("connect", Open('a', A)),
            ("disconnect", Send('a', DISCONNECT)),
            ("subscribe", Send('a', SUBSCRIBE)),
            ("subscribe no local", Send('a', "82 ~ 00 01 [] 't' 04")),
            ("subscribe as published", Send('a', "82 ~ 00 01 [] 't' 08")),
            ("subscribe if new", Send('a', "82 ~ 00 01 [] 't' 10")),
            ("subscribe unsent", Send('a', "82 ~ 00 01 [] 't' 20")),
            (
                "subscribe shared no local",
                Send('a', "82 ~ 00 01 [] '$share/g/t' 04"),
            ),
            ("unsubscribe", Send('a', UNSUBSCRIBE)),
            ("retain", Send('a', RETAIN)),
            ("retain nothing", Send('a', RETAIN_NOTHING)),
            ("p.publish", Send('p', PUBLISH)),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        ..PLAIN
    },
    Alphabet {
        name: "aliases_in",
        versions: V5,
        inputs: &[
            ("connect", Open('a', A)),
            ("cut", Cut('a')),
            ("t as 1", Send('a', "30 ~ 't' [23 00 01] 6D")),
            ("u as 1", Send('a', "30 ~ 'u' [23 00 01] 6D")),
            ("t as 2", Send('a', "30 ~ 't' [23 00 02] 6D")),
            ("1", Send('a', "30 ~ '' [23 00 01] 6D")),
            ("2", Send('a', "30 ~ '' [23 00 02] 6D")),
            ("t", Send('a', PUBLISH)),
            ("t as 0", Send('a', "30 ~ 't' [23 00 00] 6D")),
            ("t as 3", Send('a', "30 ~ 't' [23 00 03] 6D")),
            ("no topic", Send('a', "30 ~ '' [] 6D")),
        ],
        config: |config| config.topic_alias_maximum = 2,
        start: &[
            Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'"),
            Send('b', "82 ~ 00 01 [] '#' 00"),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "aliases_out",
        versions: V5,
        inputs: &[
            (
                "resume 1",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF 22 00 01] 'a'"),
            ),
            (
                "resume 2",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF 22 00 02] 'a'"),
            ),
            ("cut", Cut('a')),
            ("subscribe", Send('a', "82 ~ 00 01 [] '#' 01")),
            (
                "p.publish t",
                SendBelow('p', "32 ~ 't' 00 01 [] 6D", 1, "a"),
            ),
            ("p.publish u", SendBelow('p', "30 ~ 'u' [] 6D", 1, "a")),
            ("p.publish v", SendBelow('p', "30 ~ 'v' [] 6D", 1, "a")),
            ("answer", Answer('a')),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "receive_maximum_out",
        versions: V5,
        inputs: &[
            (
                "resume",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF 21 00 01] 'a'"),
            ),
            ("cut", Cut('a')),
            ("subscribe", Send('a', "82 ~ 00 01 [] 't' 02")),
            ("p.publish 0", Send('p', PUBLISH)),
            ("p.publish 1", PUBLISH_1),
            ("p.publish 2", PUBLISH_2),
            ("answer", Answer('a')),
            ("refuse", Refuse('a')),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "receive_maximum_in",
        versions: V5,
        inputs: &[
            ("connect", Open('a', A)),
            ("publish 0", Send('a', PUBLISH)),
            ("publish 1 id 3", Send('a', "32 ~ 't' 00 03 [] 6D")),
            ("publish 2 id 1", Send('a', "34 ~ 't' 00 01 [] 6D")),
            ("publish 2 id 2", Send('a', "34 ~ 't' 00 02 [] 6D")),
            ("publish 2 id 3", Send('a', "34 ~ 't' 00 03 [] 6D")),
            ("pubrel 1", Send('a', "62 ~ 00 01")),
            ("pubrel 2", Send('a', "62 ~ 00 02")),
        ],
        config: |config| config.receive_maximum = const { NonZeroU16::new(2).unwrap() },
        start: &[
            Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'"),
            Send('b', SUBSCRIBE),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "session_expiry",
        versions: V5,
        inputs: &[
            ("resume", Open('a', "10 ~ 'MQTT' VV 00 00 00 [] 'a'")),
            (
                "resume, 20 seconds",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 14] 'a'"),
            ),
            (
                "clean, 10 seconds",
                Open('a', "10 ~ 'MQTT' VV 02 00 00 [11 00 00 00 0A] 'a'"),
            ),
            ("disconnect", Send('a', DISCONNECT)),
            (
                "disconnect, 0 seconds",
                Send('a', "E0 ~ 00 [11 00 00 00 00]"),
            ),
            (
                "disconnect, 10 seconds",
                Send('a', "E0 ~ 00 [11 00 00 00 0A]"),
            ),
            ("cut", Cut('a')),
            ("subscribe", Send('a', SUBSCRIBE)),
            ("p.publish", Send('p', PUBLISH)),
            ("10 seconds", Wait(10)),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        ..PLAIN
    },
    Alphabet {
        name: "will_delay",
        versions: V5,
        inputs: &[
            // The will after 20 seconds, the session 10 seconds longer than the connection, or 30.
            (
                "short",
                Open(
                    'a',
                    "10 ~ 'MQTT' VV 04 00 00 [11 00 00 00 0A] 'a' [18 00 00 00 14] 't' 's'",
                ),
            ),
            (
                "long",
                Open(
                    'a',
                    "10 ~ 'MQTT' VV 04 00 00 [11 00 00 00 1E] 'a' [18 00 00 00 14] 't' 'l'",
                ),
            ),
            (
                "clean",
                Open(
                    'a',
                    "10 ~ 'MQTT' VV 06 00 00 [] 'a' [18 00 00 00 14] 't' 'c'",
                ),
            ),
            ("disconnect", Send('a', DISCONNECT)),
            ("disconnect with will", Send('a', "E0 ~ 04")),
            ("cut", Cut('a')),
            ("10 seconds", Wait(10)),
        ],
        start: &[
            Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'"),
            Send('b', SUBSCRIBE),
        ],
        ..PLAIN
    },
    Alphabet {
        name: "message_expiry",
        versions: V5,
        inputs: &[
            (
                "resume",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'a'"),
            ),
            ("cut", Cut('a')),
            ("subscribe", Send('a', "82 ~ 00 01 [] 't' 01")),
            (
                "p.publish",
                SendBelow('p', "32 ~ 't' 00 01 [02 00 00 00 14] 6D", 1, "a"),
            ),
            (
                "p.retain",
                SendBelow('p', "31 ~ 't' [02 00 00 00 14] 72", 1, "a"),
            ),
            ("answer", Answer('a')),
            ("10 seconds", Wait(10)),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "shared",
        versions: V5,
        inputs: &[
            ("connect", Open('a', A)),
            ("cut", Cut('a')),
            ("subscribe", Send('a', "82 ~ 00 01 [] '$share/g/t' 00")),
            ("unsubscribe", Send('a', "A2 ~ 00 01 [] '$share/g/t'")),
            ("b.connect", Open('b', "10 ~ 'MQTT' VV 02 00 00 [] 'b'")),
            ("b.cut", Cut('b')),
            ("b.subscribe", Send('b', "82 ~ 00 01 [] '$share/g/t' 00")),
            ("p.publish", Send('p', PUBLISH)),
        ],
        start: &[PUBLISHER],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
    Alphabet {
        name: "shared_sessions",
        versions: V5,
        inputs: &[
            (
                "resume",
                Open('a', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'a'"),
            ),
            ("cut", Cut('a')),
            ("answer", Answer('a')),
            ("refuse", Refuse('a')),
            (
                "b.resume",
                Open('b', "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'b'"),
            ),
            ("b.cut", Cut('b')),
            ("b.answer", Answer('b')),
            (
                "p.publish 1",
                SendBelow('p', "32 ~ 't' 00 01 [] 6D", 1, "ab"),
            ),
            (
                "p.publish 2",
                SendBelow('p', "34 ~ 't' 00 02 [] 6D | 62 ~ 00 02", 1, "ab"),
            ),
        ],
        start: &[
            PUBLISHER,
            Open('a', "10 ~ 'MQTT' VV 02 00 00 [11 FF FF FF FF] 'a'"),
            Send('a', "82 ~ 00 01 [] '$share/g/t' 02"),
            Open('b', "10 ~ 'MQTT' VV 02 00 00 [11 FF FF FF FF] 'b'"),
            Send('b', "82 ~ 00 01 [] '$share/g/t' 02"),
        ],
        hidden: &['p'],
        extra: 0,
        random: 1_000,
        ..PLAIN
    },
];
