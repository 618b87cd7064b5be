use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use super::event::{Head, Incoming};
use super::receive::Verdict;
use super::{Connection, Role};
use crate::error::DecodeError;
use crate::frame::Part;
use crate::message::Publishable;
use crate::packet::Packet;
use crate::packet_id::PacketId;

/// A part of a message, handled.
pub(super) enum Taken<B> {
    /// The caller has nothing to do.
    Nothing,
    /// A piece, or the end.
    Part(Incoming<B>),
    /// The head of a message to deliver, and the length of its payload.
    Head(Packet<B>, u32),
    /// As `Head`, for one that the decoder keeps as it was mended.
    MendedHead(u32),
}

type Shared<R, M> = fn(&mut Connection<R, M>, &mut BytesMut) -> Option<Taken<Bytes>>;
type Borrowed<R, M> = for<'i> fn(&mut Connection<R, M>, &mut &'i [u8]) -> Option<Taken<&'i [u8]>>;

/// Takes the next part of a message. A connection that takes no pieces does not link them.
#[derive(Clone, Debug)]
pub(super) struct Pieces<R, M> {
    pub(super) shared: Shared<R, M>,
    pub(super) borrowed: Borrowed<R, M>,
}

/// Messages that arrive in pieces.
impl<R: Role, M: Publishable> Connection<R, M> {
    pub(super) const PIECES: Pieces<R, M> = Pieces {
        shared: |connection, input| {
            let part = connection.decoder.decode_part_shared(input);
            connection.take_part(part)
        },
        borrowed: |connection, input| {
            let part = connection.decoder.decode_part(input);
            connection.take_part(part)
        },
    };

    /// Handles a part of a message. `None` if more bytes are needed.
    ///
    /// The exchange begins with the head, and ends as if it had not begun if the end does not come.
    pub(super) fn take_part<B: AsRef<[u8]>>(
        &mut self,
        part: Result<Option<Part<B>>, DecodeError>,
    ) -> Option<Taken<B>> {
        Some(match part {
            Ok(None) => return None,
            Ok(Some(Part::Begin(publish, len))) => {
                let packet = Packet::Publish(publish);
                match self.begin(&packet) {
                    true => Taken::Head(packet, len),
                    false => Taken::Nothing,
                }
            }
            Ok(Some(Part::Piece(bytes))) => Taken::Part(Incoming::Piece(bytes)),
            Ok(Some(Part::End)) => {
                self.arrival.complete();
                let (delivery, dup) = self.arriving.take()?;
                let mut token = self.session.latest_token(delivery);
                token.dup = dup;
                Taken::Part(Incoming::End(token))
            }
            Err(_) if self.decoder.mended().is_some() => {
                let packet = self.decoder.take_mended()?;
                let begun = self.begin(&packet.as_borrowed());
                self.decoder.keep(Some(packet));
                match u32::try_from(self.decoder.missing()) {
                    Ok(len) if begun => Taken::MendedHead(len),
                    _ => Taken::Nothing,
                }
            }
            Err(error) if error.is_skipped() => {
                self.arrival.complete();
                match self.skip(error) {
                    Some(Verdict::Skipped(error, token)) => {
                        Taken::Part(Incoming::Skipped(error, token))
                    }
                    _ => Taken::Nothing,
                }
            }
            Err(error) => {
                self.fail(error);
                Taken::Nothing
            }
        })
    }

    /// Judges the head of a message, and passes over the payload unless it is to be delivered.
    fn begin<B: AsRef<[u8]>>(&mut self, packet: &Packet<B>) -> bool {
        self.extras().refused = false;
        match (self.judge(self.agreement.version, packet), packet) {
            (Ok(Verdict::Deliver), Packet::Publish(publish)) => {
                self.arriving = Some((publish.delivery, publish.dup));
                true
            }
            (_, packet) => {
                self.decoder.skip_payload();
                self.pass_over(match packet {
                    Packet::Publish(publish) => publish.packet_id(),
                    _ => None,
                });
                false
            }
        }
    }

    /// Notes the message whose rest is passed over, if one is. It is not answered before its end: its
    /// sender may still be writing it, and takes no answer before.
    pub(super) fn pass_over(&mut self, id: Option<PacketId>) {
        self.extras().passed_over = id;
    }

    /// Returns whether the message that is answered next has not come to its end.
    #[cold]
    pub(super) fn is_receipt_early(&self) -> bool {
        let passed_over = self.extras.as_ref().and_then(|extras| extras.passed_over);
        let next = passed_over.and_then(|id| self.session.delivery(id));
        self.decoder.is_passing_over() && next.is_some() && next == self.session.next_receipt()
    }

    /// Returns whether a message is refused that has not come to its end.
    #[cold]
    pub(super) fn is_refusal_early(&self) -> bool {
        let extras = self.extras.as_ref();
        self.decoder.is_passing_over() && extras.is_some_and(|extras| extras.refused)
    }

    /// Forgets the message that is arriving, whose end does not come any more.
    pub(super) fn drop_arriving(&mut self) {
        let arriving = self.arriving.take();
        if let Some(id) = arriving.and_then(|(delivery, _)| delivery.packet_id()) {
            self.session.forget(id);
        }
    }
}

/// The beginning of a message, made of one without its payload.
pub(super) fn headed<B>(message: Option<Incoming<B>>, len: u32) -> Option<Incoming<B>> {
    let Some(Incoming::Message(message, token)) = message else {
        return None;
    };
    let (delivery, dup) = (token.delivery(), token.dup());
    let head = Head {
        message,
        delivery,
        dup,
    };
    Some(Incoming::Begin(Box::new(head), len))
}
