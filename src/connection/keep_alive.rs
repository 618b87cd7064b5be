use core::time::Duration;

/// The client's clock: when to send PINGREQ, and until when an answer must have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pinger {
    /// Keep Alive; `None` is never.
    interval: Option<Duration>,
    /// How long CONNACK and PINGRESP may take.
    patience: Duration,
    last: Duration,
    ping_at: Option<Duration>,
    answer_by: Option<Duration>,
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Ping,
    Answer,
}

impl Pinger {
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            interval: None,
            patience,
            last: Duration::ZERO,
            ping_at: None,
            answer_by: None,
        }
    }

    pub(super) const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// CONNECT is about to be sent: nothing is due before it is.
    pub(super) const fn start(&mut self) {
        *self = Self::new(self.patience);
    }

    /// CONNACK came: from what was sent last on, this is the interval.
    pub(super) fn keep_alive(&mut self, interval: Option<Duration>) {
        self.interval = interval;
        self.ping_at = interval.map(|interval| self.last.saturating_add(interval));
        self.answer_by = None;
    }

    /// A packet is sent. Only these count [MQTT-3.1.2-20].
    pub(super) fn sent(&mut self, now: Duration, awaits_answer: bool) {
        self.last = now;
        self.ping_at = self.interval.map(|interval| now.saturating_add(interval));
        if awaits_answer {
            self.answer_by
                .get_or_insert_with(|| now.saturating_add(self.patience));
        }
    }

    /// PINGRESP came.
    pub(super) const fn answered(&mut self) {
        self.answer_by = None;
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match (self.ping_at, self.answer_by) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        if self.answer_by.is_some_and(|at| at <= now) {
            return Some(Due::Answer);
        }
        self.ping_at.take_if(|at| *at <= now).map(|_| Due::Ping)
    }
}

/// The server's clock: until when the client must have sent something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// `None` is for ever.
    patience: Option<Duration>,
    last: Duration,
}

impl Watch {
    pub(super) const fn new(now: Duration, patience: Duration) -> Self {
        Self {
            patience: Some(patience),
            last: now,
        }
    }

    /// The connection is accepted: one and a half times Keep Alive [MQTT-3.1.2-22].
    pub(super) fn keep_alive(&mut self, now: Duration, interval: Option<Duration>) {
        self.last = now;
        self.patience = interval.map(|interval| interval.saturating_add(interval / 2));
    }

    /// A packet came.
    pub(super) const fn received(&mut self, now: Duration) {
        self.last = now;
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        Some(self.last.saturating_add(self.patience?))
    }
}
