//! Time as the registry and its clients know it.

use std::time::{Duration, Instant};

/// Where the registry's time comes from. A test may have a clock that stands still until it is moved: a delay moves it
/// rather than take its time.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Instant;

    /// Lets this much time go by.
    fn advance(&self, time: Duration);
}

/// The machine's own time.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn advance(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
