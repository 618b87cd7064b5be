//! The clock of minimq, which moves when it is read.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::task::Waker;

use embassy_time_driver::{Driver, time_driver_impl};

struct Clock(AtomicU32);

impl Driver for Clock {
    fn now(&self) -> u64 {
        let now = self.0.load(Relaxed);
        self.0.store(now + 1, Relaxed);
        now.into()
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

time_driver_impl!(static CLOCK: Clock = Clock(AtomicU32::new(0)));
