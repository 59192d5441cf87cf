//! When to try again: exponential pauses with full jitter, `Retry-After`, a budget.
//!
//! There is one owner of retries per unit of work: the holder of a [`Retry`]. Pauses that a registry asks for are
//! shared by all work on that host; see `http::Host`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use super::clock::Clock;
use super::error::{Chance, RegistryError};
use super::settings::RetryPolicy;

/// The tries of one unit of work.
pub(in crate::registry) struct Retry {
    policy: RetryPolicy,
    failures: u32,
    since: Instant,
    clock: Clock,
}

impl Retry {
    pub(in crate::registry) fn new(policy: RetryPolicy, clock: Clock) -> Self {
        Self { policy, failures: 0, since: clock.now(), clock }
    }

    /// Something was achieved: counting starts again.
    pub(in crate::registry) fn progress(&mut self) {
        self.failures = 0;
        self.since = self.clock.now();
    }

    /// The pause before the next try, or the error if there is none.
    pub(in crate::registry) fn after(&mut self, error: RegistryError) -> Result<Pause, RegistryError> {
        let chance = error.chance();
        self.after_chance(error, chance)
    }

    /// As [`Retry::after`], for a failure that deserves another try whatever its kind.
    pub(in crate::registry) fn after_chance(
        &mut self,
        error: RegistryError,
        chance: Chance,
    ) -> Result<Pause, RegistryError> {
        self.failures += 1;
        let pause = match chance {
            Chance::Never => return Err(error),
            Chance::Later => Pause { time: self.jitter(), shared: false },
            Chance::After(wait) if wait > self.policy.retry_after_cap => {
                return Err(too_long(error, wait, self.policy.retry_after_cap));
            }
            // No time, or one that is over, is no reason for less patience than without any.
            Chance::After(wait) => Pause { time: wait.max(self.jitter()), shared: true },
        };
        let spent = self.clock.now().duration_since(self.since);
        if self.failures >= self.policy.attempts || spent + pause.time > self.policy.budget {
            return Err(error);
        }
        tracing::info!(
            "try {} of {} in {:.1} s, because: {error}",
            self.failures + 1,
            self.policy.attempts,
            pause.time.as_secs_f64()
        );
        Ok(pause)
    }

    /// Full jitter: anything from nothing to the exponential bound, so that many clients spread out.
    fn jitter(&self) -> Duration {
        let bound = self
            .policy
            .first
            .saturating_mul(1_u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX))
            .min(self.policy.cap);
        let random = RandomState::new().build_hasher().finish();
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(random % nanos.max(1))
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Pause {
    pub(in crate::registry) time: Duration,
    /// Whether the registry asked for it, which concerns everyone.
    pub(in crate::registry) shared: bool,
}

fn too_long(error: RegistryError, wait: Duration, allowed: Duration) -> RegistryError {
    match error {
        RegistryError::Refused { context, answer } => {
            RegistryError::WaitTooLong { context, wait, allowed, answer }
        }
        other => other,
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which is compared with the answer's own `Date`
/// where there is one, because the two clocks are the same.
#[allow(clippy::disallowed_methods, reason = "how long to wait is no content")]
pub(in crate::registry) fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    if value.is_empty() {
        return None;
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to hold is a very long time.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::answer::ErrorAnswer;
    use super::super::context::{Context, RequestStep};
    use super::*;

    fn error(status: u16, wait: Option<u64>) -> RegistryError {
        let registry = "r.example".parse().expect("valid");
        let context = Box::new(Context { registry, step: RequestStep::CheckBlob, subject: String::new() });
        let retry_after = wait.map(Duration::from_secs);
        RegistryError::Refused {
            context,
            answer: Box::new(ErrorAnswer { status, retry_after, ..ErrorAnswer::default() }),
        }
    }

    #[test]
    fn reads_every_form() {
        let date = "Tue, 01 Jul 2025 10:00:00 GMT";
        let later = "Tue, 01 Jul 2025 10:00:07 GMT";
        let seconds = |value, date| retry_after(Some(value), date).map(|wait| wait.as_secs());
        assert_eq!(seconds("7", None), Some(7));
        assert_eq!(seconds(" 0 ", None), Some(0));
        assert_eq!(seconds(later, Some(date)), Some(7));
        assert_eq!(seconds(date, Some(later)), Some(0));
        assert_eq!(seconds(date, None), Some(0));
        assert!(seconds("99999999999999999999999", None) > Some(1_000_000));
        for nonsense in ["", "-1", "1.5", "soon"] {
            assert_eq!(seconds(nonsense, None), None, "{nonsense}");
        }
        assert_eq!(retry_after(None, Some(date)), None);
    }

    #[test]
    fn gives_up_after_the_tries_and_counts_again_after_progress() {
        let mut retry = Retry::new(RetryPolicy { attempts: 3, ..RetryPolicy::default() }, Clock::default());
        assert!(retry.after(error(500, None)).is_ok());
        assert!(retry.after(error(500, None)).is_ok());
        retry.progress();
        assert!(retry.after(error(500, None)).is_ok());
        assert!(retry.after(error(500, None)).is_ok());
        assert!(retry.after(error(500, None)).is_err());
    }

    #[test]
    fn waits_as_told_up_to_the_cap() {
        let mut retry = Retry::new(RetryPolicy::default(), Clock::default());
        let pause = retry.after(error(429, Some(9))).expect("within the cap");
        assert_eq!(pause, Pause { time: Duration::from_secs(9), shared: true });
        let refused = retry.after(error(429, Some(3600))).expect_err("over the cap");
        assert!(refused.to_string().contains("wait 3600 s"), "{refused}");
    }

    #[test]
    fn stops_when_the_budget_is_spent() {
        let policy = RetryPolicy { budget: Duration::from_secs(5), ..RetryPolicy::default() };
        assert!(Retry::new(policy, Clock::default()).after(error(429, Some(9))).is_err());
    }

    proptest! {
        #[test]
        fn pauses_are_bounded(failures in 1_u32..100) {
            let policy = RetryPolicy { attempts: 1000, ..RetryPolicy::default() };
            let mut retry = Retry::new(policy, Clock::default());
            retry.failures = failures;
            prop_assert!(retry.jitter() <= policy.cap);
        }

        #[test]
        fn any_header_is_survived(value in "\\PC{0,40}", date in "\\PC{0,40}") {
            let _ = retry_after(Some(&value), Some(&date));
        }
    }
}
