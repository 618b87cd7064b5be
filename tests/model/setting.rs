//! What a search ranges over.

use mqtt_sansio::{QoS, Version};

use super::step::{Op, Side};

/// What becomes of the sessions at a reconnect.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Keep {
    Both,
    /// This end goes on with a new one, and the other is told.
    LostByA,
    LostByB,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// Whether the ends are connections, a client A and a server B, rather than sessions.
    pub(crate) connections: bool,
    pub(crate) version: Version,
    pub(crate) qos: &'static [QoS],
    /// The messages that A and B publish at most.
    pub(crate) messages: [u8; 2],
    /// What A and B receive at most at a time; each link has one of these.
    pub(crate) quotas: &'static [(u16, u16)],
    /// Identifiers begin again at 1 after this one; 0 is 65,535.
    pub(crate) ids: u16,
    pub(crate) keeps: &'static [Keep],
    /// How often the link is cut; 255 is any number.
    pub(crate) cuts: u8,
    /// Whether A and B store changes as they happen.
    pub(crate) journals: [bool; 2],
    pub(crate) crash: [bool; 2],
    pub(crate) abandon: bool,
    pub(crate) refuse: bool,
    /// Whether connections are ended by DISCONNECT as well.
    pub(crate) disconnect: bool,
    /// The length of histories in `cargo test`.
    pub(crate) depth: usize,
}

const ZERO: QoS = QoS::AtMostOnce;
const ONE: QoS = QoS::AtLeastOnce;
const TWO: QoS = QoS::ExactlyOnce;

impl Setting {
    /// What happens to this end.
    pub(crate) fn reconnect(&self, side: Side, keep: Keep, quotas: (u16, u16)) -> Vec<Op> {
        let (own, other, loses, is_told) = match side {
            Side::A => (quotas.0, quotas.1, Keep::LostByA, Keep::LostByB),
            Side::B => (quotas.1, quotas.0, Keep::LostByB, Keep::LostByA),
        };
        if self.connections {
            let (lose, maximum) = (keep == loses, own);
            return vec![Op::Open { lose, maximum }];
        }
        let mut ops = Vec::new();
        if keep == loses {
            ops.push(Op::Lose);
        } else if keep == is_told {
            ops.push(Op::Reset);
        }
        ops.push(Op::Connect(other, own));
        ops
    }
}

pub(crate) const BASE: Setting = Setting {
    name: "",
    connections: false,
    version: Version::V5,
    qos: &[ONE, TWO],
    messages: [2, 0],
    quotas: &[(2, 2)],
    ids: 0,
    keeps: &[Keep::Both],
    cuts: 255,
    journals: [false; 2],
    crash: [false; 2],
    abandon: false,
    refuse: false,
    disconnect: false,
    depth: 9,
};

pub(crate) const ALL_KEEPS: &[Keep] = &[Keep::Both, Keep::LostByA, Keep::LostByB];
const ONE_TO_THREE: &[(u16, u16)] = &[(3, 3), (2, 2), (1, 1)];

macro_rules! settings {
    ($($name:ident { $($field:ident: $value:expr),* $(,)? })+) => {
        $(pub(crate) const $name: Setting = Setting {
            name: stringify!($name),
            $($field: $value,)*
            ..BASE
        };)+

        /// All of them.
        pub(crate) const ALL: &[Setting] = &[$($name),+];
    };
}

settings! {
    // One message, with all that can happen to it: whole in a moment.
    ONE_MESSAGE {
        messages: [1, 0], quotas: &[(1, 1)], ids: 1, keeps: ALL_KEEPS, journals: [true; 2],
        crash: [true; 2], abandon: true, refuse: true, depth: usize::MAX,
    }
    ONE_EACH { messages: [1, 1], quotas: &[(1, 1)], keeps: ALL_KEEPS, depth: usize::MAX }
    TWO_TURNS { messages: [2, 0], quotas: &[(1, 1)], ids: 1, depth: usize::MAX }
    FROM_CLIENT {
        connections: true, messages: [1, 0], quotas: &[(1, 1)], ids: 1, keeps: ALL_KEEPS,
        journals: [true, false], crash: [true, false], disconnect: true, depth: usize::MAX,
    }
    FROM_SERVER {
        connections: true, messages: [0, 1], quotas: &[(1, 1)], ids: 1, keeps: ALL_KEEPS,
        journals: [false, true], crash: [false, true], disconnect: true, depth: usize::MAX,
    }
    // Two sessions.
    QUOTAS { messages: [3, 0], quotas: ONE_TO_THREE, keeps: ALL_KEEPS }
    TAKEN_BACK { messages: [3, 0], quotas: &[(3, 3)], abandon: true, refuse: true }
    BOTH_WAYS { messages: [2, 1], quotas: ONE_TO_THREE, keeps: ALL_KEEPS, depth: 7 }
    CRASHES { messages: [3, 0], keeps: ALL_KEEPS, journals: [true; 2], crash: [true; 2] }
    SNAPSHOTS { messages: [3, 0], keeps: ALL_KEEPS, crash: [true; 2] }
    ONE_ID { messages: [3, 0], keeps: ALL_KEEPS, ids: 1 }
    TWO_IDS { messages: [3, 0], abandon: true, ids: 2, depth: 6 }
    FOUR_IDS { messages: [5, 0], ids: 4 }
    OF_V311 { version: Version::V311, messages: [2, 1], keeps: ALL_KEEPS, abandon: true, ids: 2 }
    ALL_OF_TWO {
        messages: [2, 0], quotas: ONE_TO_THREE, ids: 2, keeps: ALL_KEEPS, journals: [true; 2],
        crash: [true; 2], abandon: true, refuse: true,
    }
    // A client and a server.
    CONNECTIONS { connections: true, messages: [3, 0], quotas: ONE_TO_THREE, keeps: ALL_KEEPS }
    CONNECTIONS_BOTH_WAYS {
        connections: true, qos: &[ZERO, ONE, TWO], messages: [1, 1], keeps: ALL_KEEPS,
        disconnect: true,
    }
    CONNECTIONS_TAKEN_BACK {
        connections: true, messages: [2, 0], keeps: ALL_KEEPS, abandon: true, refuse: true,
    }
    SERVER_TAKES_BACK {
        connections: true, messages: [0, 2], keeps: ALL_KEEPS, abandon: true, refuse: true,
    }
    CLIENT_CRASHES {
        connections: true, messages: [2, 0], quotas: &[(1, 1)], keeps: ALL_KEEPS, ids: 1,
        journals: [true; 2], crash: [true; 2],
    }
    SERVER_CRASHES {
        connections: true, messages: [0, 2], quotas: &[(1, 1)], keeps: ALL_KEEPS, ids: 1,
        journals: [true; 2], crash: [true; 2],
    }
    CONNECTIONS_OF_V311 {
        connections: true, version: Version::V311, messages: [2, 1], keeps: ALL_KEEPS,
        disconnect: true,
    }
    // The largest.
    ALL_OF_THREE {
        messages: [3, 0], quotas: ONE_TO_THREE, ids: 4, keeps: ALL_KEEPS, journals: [true; 2],
        crash: [true; 2], abandon: true, refuse: true, depth: 5,
    }
}
