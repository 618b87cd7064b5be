//! Arbitrary histories of a client and a server on one link after another: what a connection
//! promises its caller, held against what happens at both ends.
//!
//! The promises, by letter, and where each is held:
//!
//! - (a) each accepted call has exactly one outcome: `outcome`, and in the end `steps`;
//! - (b) a refused call gives back what it was given and changes nothing: `call`, `steps`;
//! - (c) an acknowledgement is for one delivery: `call`, `steps`;
//! - (d) what came first is handled first, a message of QoS 2 once, and what is owed leaves before
//!   the end: `arrival`, `outcome`;
//! - (e) calls leave in their order as far as quota allows, nothing starves, and all of it
//!   comes back: `departure`, `flood`, and in the end `actor`;
//! - (f) time never goes back, bytes are a sign of life, and what expired is not sent: `actor`,
//!   `departure`, `outcome`;
//! - (h) a snapshot with the changes since is the state now, and a crash between any two changes loses
//!   and doubles nothing, as text or not: `journal`, and in the end `steps`.

mod actor;
mod arrival;
mod call;
mod departure;
mod flood;
mod journal;
mod outcome;
mod steps;
mod stray;
mod world;

use std::fmt::Debug;

use mqtt_sansio::ReasonCode;
use mqtt_sansio::Version;
use mqtt_sansio::topic::TopicName;

pub use self::flood::flood;
use self::world::World;
use crate::choices::Choices;

const OK: ReasonCode = ReasonCode::Success;

/// Follows a history: its steps are in the bytes.
///
/// # Panics
///
/// If a promise is broken.
pub fn follow(bytes: &[u8]) {
    let seed = bytes.iter().fold(1_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let mut choices = Choices::new(bytes, seed);
    let version = choices.pick([Version::V5, Version::V5, Version::V311]);
    let mut world = World::new(choices, version);
    while !world.choices.is_over() {
        world.step();
    }
    world.settle();
}

fn number_of<B: AsRef<[u8]>>(payload: &B) -> u32 {
    u32::from_be_bytes(*payload.as_ref().first_chunk().unwrap())
}

/// The payload of the message with this number: of some it is longer.
fn payload_of(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(4 + number as usize % 3 * 150, 0);
    payload
}

/// Both are in the same state.
fn same<T: Debug>(one: &T, other: &T, what: &str) {
    let (one, other) = (format!("{one:?}"), format!("{other:?}"));
    if one != other {
        let at = one
            .bytes()
            .zip(other.bytes())
            .position(|(one, other)| one != other);
        let from = at.unwrap_or(0).saturating_sub(60);
        let part = |text: &str| text.chars().skip(from).take(200).collect::<String>();
        panic!("{what}: {} is not {}", part(&one), part(&other));
    }
}

fn topic_of(number: u32) -> TopicName {
    format!("topic/{}", number % 3).parse().unwrap()
}

/// The code with which the server answers a filter.
fn code_of(filter: &str) -> ReasonCode {
    match filter.ends_with('7') {
        true => ReasonCode::UnspecifiedError,
        false => OK,
    }
}
