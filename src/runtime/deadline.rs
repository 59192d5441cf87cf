//! Points of time that lie ahead.

use std::time::{Duration, Instant};

/// The longest time that is waited for anything: more than a year.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// The time in `duration` from now. A duration that others say, such as a registry in `Retry-After`, may be any number of
/// seconds, and a sum that has no value would end the program.
#[must_use]
pub fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_duration_has_an_end() {
        let now = Instant::now();
        assert!(after(Duration::MAX) > now + Duration::from_secs(3600));
        assert!(after(Duration::from_secs(1)) >= now + Duration::from_secs(1));
    }
}
