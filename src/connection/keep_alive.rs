use core::time::Duration;

use crate::packet::KeepAlive;

/// The timer for a thing that the peer has to complete: a packet whose beginning has arrived, or the
/// answer to CONNECT or AUTH.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    /// The time at which its time began; `None` means that nothing is awaited.
    since: Option<Duration>,
    timeout: Duration,
}

impl Awaited {
    pub(super) const fn new(timeout: Duration) -> Self {
        Self {
            since: None,
            timeout,
        }
    }

    pub(super) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// It has its whole time from now on.
    pub(super) const fn start(&mut self, now: Duration) {
        self.since = Some(now);
    }

    /// It is complete: what follows has its own time.
    #[inline]
    pub(super) const fn complete(&mut self) {
        self.since = None;
    }

    /// It has begun, now or before, and is not complete.
    pub(super) fn incomplete(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Restarts the peer's time.
    pub(super) fn restart(&mut self, now: Duration) {
        self.since = self.since.map(|_| now);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(self.timeout))
    }
}

/// The default of the part of Keep Alive by which PINGREQ is early, in percent.
const KEEP_ALIVE_MARGIN: u8 = 5;

/// The client's timers: the time to send PINGREQ, and the time by which PINGRESP has to arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pinger {
    /// The time between packets, in hundredths of a second; 0 means that Keep Alive is off.
    interval: u32,
    /// The time that PINGRESP may take.
    pub(super) response_timeout: Duration,
    /// The part of Keep Alive by which PINGREQ is early, in percent.
    pub(super) margin: u8,
    /// The time of the packet that was sent last.
    last: Duration,
    /// True if PINGREQ was due since.
    pinged: bool,
    pub(super) answer_by: Option<Duration>,
}

impl Pinger {
    pub(super) const fn new(response_timeout: Duration) -> Self {
        Self {
            interval: 0,
            response_timeout,
            margin: KEEP_ALIVE_MARGIN,
            last: Duration::ZERO,
            pinged: false,
            answer_by: None,
        }
    }

    /// A new network connection: nothing is due before CONNECT is sent.
    pub(super) const fn start(&mut self) {
        let margin = self.margin;
        *self = Self::new(self.response_timeout);
        self.margin = margin;
    }

    /// CONNACK is accepted: the interval counts from the packet that was sent last.
    pub(super) fn keep_alive(&mut self, keep_alive: KeepAlive) {
        let early = u32::from(self.margin.min(90));
        self.interval = u32::from(keep_alive.as_secs()) * (100 - early);
        self.pinged = false;
    }

    /// Notes that a packet is sent. Only sent packets count [MQTT-3.1.2-20].
    pub(super) fn sent(&mut self, now: Duration, is_ping: bool) {
        (self.last, self.pinged) = (now, false);
        if is_ping {
            self.answer_by
                .get_or_insert_with(|| now.saturating_add(self.response_timeout));
        }
    }

    /// Notes that bytes arrived, so that the link is alive: PINGRESP may take as long again.
    pub(super) fn postpone(&mut self, now: Duration) {
        if self.answer_by.is_some() {
            self.answer_by = Some(now.saturating_add(self.response_timeout));
        }
    }

    /// PINGRESP is there.
    pub(super) const fn answered(&mut self) {
        self.answer_by = None;
    }

    /// The time at which PINGREQ is due, unless it was.
    pub(super) fn ping_at(&self) -> Option<Duration> {
        if self.interval == 0 || self.pinged {
            return None;
        }
        let interval = Duration::from_millis(u64::from(self.interval) * 10);
        Some(self.last.saturating_add(interval))
    }

    /// Returns whether PINGREQ is due, once.
    pub(super) fn take_ping(&mut self, now: Duration) -> bool {
        let due = self.ping_at().is_some_and(|at| at <= now);
        self.pinged |= due;
        due
    }
}
