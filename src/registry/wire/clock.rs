//! Time as the client knows it: pauses, limits, and how old something is.
//!
//! Outside of tests it is the machine's. A test can have a clock that stands still until it is moved: a pause
//! moves it by its own length, a slow peer by its delay, and a limit is over once the clock has passed it. So
//! an hour of waiting takes no time, and how long something would have taken can be asked exactly.

use std::future::Future;
#[cfg(any(test, feature = "testing"))]
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a client's time comes from. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(any(test, feature = "testing"))]
    moved: Option<Arc<Moved>>,
}

#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
struct Moved {
    start: Instant,
    by: tokio::sync::watch::Sender<Duration>,
}

impl Clock {
    pub(in crate::registry) fn now(&self) -> Instant {
        #[cfg(any(test, feature = "testing"))]
        if let Some(moved) = &self.moved {
            return moved.start + *moved.by.borrow();
        }
        Instant::now()
    }

    /// Waits for `time`.
    pub(in crate::registry) async fn pause(&self, time: Duration) {
        #[cfg(any(test, feature = "testing"))]
        if self.moved.is_some() {
            self.advance(time);
            tokio::task::yield_now().await;
            return;
        }
        tokio::time::sleep(time).await;
    }

    /// Waits until `then`, and does nothing for it to come.
    pub(in crate::registry) async fn reach(&self, then: Instant) {
        #[cfg(any(test, feature = "testing"))]
        if let Some(moved) = &self.moved {
            let mut by = moved.by.subscribe();
            // The sender is in our own hands.
            let _ = by.wait_for(|by| moved.start + *by >= then).await;
            return;
        }
        tokio::time::sleep_until(then.into()).await;
    }

    /// The result of `work`, unless it takes longer than `limit`.
    pub(in crate::registry) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let end = self.now() + limit;
        // A result at the very end of the limit comes too late, so that a moved clock gives one outcome.
        tokio::select! {
            biased;
            () = self.reach(end) => None,
            result = work => (self.now() < end).then_some(result),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock {
    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn standing() -> Self {
        let by = tokio::sync::watch::Sender::new(Duration::ZERO);
        Self { moved: Some(Arc::new(Moved { start: Instant::now(), by })) }
    }

    /// Moves the clock; the machine's cannot be, so this waits.
    pub fn advance(&self, time: Duration) {
        match &self.moved {
            Some(moved) => moved.by.send_modify(|by| *by += time),
            None => std::thread::sleep(time),
        }
    }

    /// How far the clock was moved; the machine's was not.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.moved.as_ref().map_or(Duration::ZERO, |moved| *moved.by.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_standing_clock_moves_by_what_is_waited_for() {
        let clock = Clock::standing();
        let (start, hour) = (clock.now(), Duration::from_secs(3600));
        clock.pause(hour).await;
        assert_eq!((clock.elapsed(), clock.now()), (hour, start + hour));
        assert_eq!(clock.within(hour, async { 1 }).await, Some(1));
        let late = clock.within(hour, async {
            clock.advance(hour);
            tokio::task::yield_now().await;
        });
        assert_eq!(late.await, None);
    }

    #[tokio::test]
    async fn the_machines_clock_goes_by_itself() {
        let clock = Clock::default();
        let start = clock.now();
        assert_eq!(clock.within(Duration::from_millis(5), std::future::pending::<()>()).await, None);
        assert!(clock.now() - start >= Duration::from_millis(5));
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }
}
