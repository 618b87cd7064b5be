//! A guide by task, for the documentation alone.
//!
//! | to do | page |
//! |---|---|
//! | drive a connection over a socket | [`driver`] |
//! | connect again and go on | [`resume`] |
//! | slow the sender of messages down | [`back_pressure`] |
//! | serve a client that connects twice | [`takeover`] |
//! | publish wills, and messages that expire | [`wills`] |
//! | send one message to many subscribers | [`fan_out`] |
//! | send and receive payloads that do not fit into memory | [`large_payloads`] |
//! | keep sessions on disk | [`storage`] |
//! | authenticate in rounds | [`authentication`] |
//! | join a 3.1.1 and a 5.0 network | [`bridge`] |
//! | live with a peer that breaks rules | [`lenience`] |
//! | size a server or a device | [`sizes`] |
//! | run without a heap, and log errors as numbers | [`devices`] |
//! | test your own client or server | [`testing`] |
//! | move from another crate | [`coming_from`] |

macro_rules! pages {
    ($($page:ident)*) => {
        $(#[doc = include_str!(concat!(stringify!($page), ".md"))] pub mod $page {})*
    };
}

pages! {
    driver resume back_pressure takeover wills fan_out large_payloads storage authentication bridge
    lenience sizes devices testing coming_from
}
