//! The user's wish to stop, as a flag that long work checks.
//!
//! The handler of signals calls [`Interrupt::trigger`]; code that works calls [`Interrupt::check`] between steps.
//! Nothing is torn down from outside, so half-done work can clean up after itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::deadline;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// How often a pause looks for the flag.
const GLANCE: Duration = Duration::from_millis(25);

/// A shared flag, cheap to clone. Once triggered it stays so.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_set: AtomicBool,
    /// Another whose wish is ours as well.
    above: Option<Interrupt>,
}

/// The user interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Asks everyone to stop.
    pub fn trigger(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
    }

    /// A flag for a part of the work: triggered with this one, or alone.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(Arc::new(Flag { is_set: AtomicBool::default(), above: Some(self.clone()) }))
    }

    /// Whether everyone should stop.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed) || self.0.above.as_ref().is_some_and(Self::is_triggered)
    }

    /// Goes on, or stops.
    ///
    /// # Errors
    /// When the user interrupted.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_triggered() { Err(Interrupted) } else { Ok(()) }
    }

    /// Waits, unless the user interrupts.
    ///
    /// # Errors
    /// When the user interrupted.
    pub fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        let end = deadline::after(time);
        loop {
            self.check()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            thread::sleep(rest.min(GLANCE));
        }
    }
}

impl Explain for Interrupted {
    fn kind(&self) -> Kind {
        Kind::Interrupted
    }

    fn code(&self) -> Option<ErrorCode> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_hear_it() {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        assert_eq!(heard.check(), Ok(()));
        interrupt.trigger();
        assert_eq!(heard.check(), Err(Interrupted));
    }

    #[test]
    fn a_pause_ends_with_its_time_or_the_wish_to_stop() {
        let interrupt = Interrupt::default();
        let begun = Instant::now();
        assert_eq!(interrupt.pause(Duration::from_millis(30)), Ok(()));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        interrupt.trigger();
        assert_eq!(interrupt.pause(Duration::MAX), Err(Interrupted));
    }

    #[test]
    fn a_part_stops_with_the_whole_and_the_whole_goes_on_without_it() {
        let whole = Interrupt::default();
        let (one, other) = (whole.part(), whole.part());
        one.trigger();
        assert_eq!((whole.check(), one.check(), other.check()), (Ok(()), Err(Interrupted), Ok(())));
        whole.trigger();
        assert_eq!(other.check(), Err(Interrupted));
    }
}
