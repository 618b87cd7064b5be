//! What the proxy does.

use std::time::Duration;

use super::world::World;

impl World<'_> {
    /// Does something to what is under way.
    pub(super) fn tamper(&mut self, side: usize) {
        let choices = &mut self.choices;
        let pipe = match side {
            0 => &mut self.up,
            _ => &mut self.down,
        };
        let kind = choices.below(6);
        let (from, len) = (choices.below(256), choices.pick([1, 1, 2, 4, 30]));
        let byte = u8::try_from(choices.below(256)).unwrap();
        pipe.tamper(|flying| {
            let now = Duration::ZERO;
            let from = match flying.len() {
                0 => 0,
                some => from % some,
            };
            let to = (from + len).min(flying.len());
            match kind {
                0 => flying.drain(from..to).for_each(drop),
                1 => flying.truncate(from),
                2 => {
                    let again: Vec<_> = flying.range(from..to).copied().collect();
                    for (at, byte) in again.into_iter().enumerate() {
                        flying.insert(to + at, byte);
                    }
                }
                3 => flying.insert(from, (now, byte)),
                _ => {
                    if let Some(found) = flying.get_mut(from) {
                        found.1 = match kind {
                            4 => byte,
                            _ => found.1 ^ 1 << (byte % 8),
                        };
                    }
                }
            }
        });
    }
}
