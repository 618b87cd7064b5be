//! What an application knows, as text.

use mqtt_sansio::PacketId;
use mqtt_sansio::session::Token;

use super::{App, Record};

impl App {
    /// The message of a call, by name.
    pub(crate) fn message_of(&self, call: u64) -> String {
        let mut sent = self.sent.iter();
        let known = |record: &Record| record.open || record.stored;
        let at = sent.position(|record| known(record) && record.call.get() == call);
        at.map_or_else(|| format!("?{call}"), |at| format!("m{at}"))
    }

    /// What bears on the future, but for numbers of deliveries and calls. `live` are the deliveries
    /// that wait for their answer, and `next` is the number of the next one.
    pub(crate) fn write(&self, out: &mut String, live: &[(u64, u64)], next: u64) {
        for record in &self.sent {
            match record.open {
                false => out.push_str("over "),
                true => out.push_str(&format!(
                    "{:?} ",
                    (
                        record.qos as u8,
                        record.id,
                        [record.left, record.taken_back, record.stored],
                    )
                )),
            }
        }
        let over = self
            .sent
            .iter()
            .enumerate()
            .filter(|(_, record)| !record.open);
        let over = over.fold(0, |over, (at, _)| over | 1 << at);
        out.push_str(&format!(
            "{:?}",
            (&self.flying, &self.released, &self.to_release, self.last)
        ));
        out.push_str(&format!(
            "{:?}{over}",
            (self.seen, self.taken, self.refused, &self.pending)
        ));
        out.push_str(&format!("{:?}", (&self.owed, &self.receiving)));
        let write = |out: &mut String, token: &Token| {
            let id = token.packet_id().map_or(0, PacketId::get);
            let number = number_of(token);
            let lives = live.contains(&(u64::from(id), number));
            let ahead = number.saturating_sub(next.saturating_sub(1));
            out.push_str(&format!("{:?}", (id, token.qos() as u8, lives, ahead)));
        };
        for held in &self.held {
            write(out, &held.token);
            out.push_str(&format!("={} ", held.message));
        }
        let mut stale: Vec<_> = self.stale.iter().collect();
        stale.sort_unstable_by_key(|token| (token.packet_id(), token.qos()));
        stale.iter().for_each(|token| write(out, token));
    }
}

/// The number of the delivery, which a token does not tell but in its `Debug` text.
fn number_of(token: &Token) -> u64 {
    let text = format!("{token:?}");
    let number = text
        .split("number: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a token has a number")
}
