//! A client and a server with a proxy between them that cuts, splits, delays, repeats and damages,
//! and with clocks that jump.
//!
//! Whatever comes, each answer belongs to a packet that came and a call, each call has one outcome,
//! and an end that reads what is no packet reports it and closes. While no end takes a packet for
//! another than was sent, all of QoS holds too.

mod call;
mod end;
mod numbered;
pub mod plan;
mod rest;
mod tamper;
mod world;

use mqtt_sansio::ReasonCode;

use self::world::World;
use crate::choices::Choices;

const OK: ReasonCode = ReasonCode::Success;

/// Follows a history: its steps are in the bytes.
///
/// # Panics
///
/// If a promise is broken.
pub fn proxy(bytes: &[u8]) {
    let seed = bytes.iter().fold(7_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let mut world = World::new(Choices::new(bytes, seed));
    while !world.is_over() {
        world.step();
    }
    world.settle();
}
