use alloc::boxed::Box;

use super::leniency::Obey;
use super::pieces::Pieces;
use super::{Connection, Role};
use crate::message::Publishable;
use crate::packet_id::PacketId;

/// What few connections do, behind pointers that the setting sets, so that others do not link it.
#[derive(Clone, Debug)]
pub(super) struct Extras<R, M> {
    /// Handles a packet that breaks a rule, where rules are let go.
    pub(super) obey: Option<Obey<R, M>>,
    /// Takes parts of messages, where they arrive in pieces.
    pub(super) pieces: Option<Pieces<R, M>>,
    /// The packet identifier of the message that was passed over last.
    pub(super) passed_over: Option<PacketId>,
    /// True if that message is refused.
    pub(super) refused: bool,
}

impl<R: Role, M: Publishable> Connection<R, M> {
    pub(super) fn extras(&mut self) -> &mut Extras<R, M> {
        let none = || {
            Box::new(Extras {
                obey: None,
                pieces: None,
                passed_over: None,
                refused: false,
            })
        };
        self.extras.get_or_insert_with(none)
    }
}
