//! The most that an input from others may cost: bytes that are kept of it, and steps that are taken over it.
//!
//! Limits of single parts multiply: a hundred thousand names of eight kilobytes each respect the limits of names and
//! of their number, and fill the memory. So all parts of the program that read one input share one [`Budget`], and
//! the first part that finds it empty gives up with [`OverBudget`]. Clones share the budget, and threads may use it
//! at the same time.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The limits for one input. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Purse>);

#[derive(Debug)]
struct Purse {
    /// The name of the input in an error: "the archive `a.war`".
    input: String,
    bytes: Meter,
    steps: Meter,
    /// The steps for unpacking, where they are apart from the others.
    unpacking: Option<Meter>,
}

#[derive(Debug)]
struct Meter {
    limit: AtomicU64,
    left: AtomicU64,
}

impl Meter {
    const fn new(limit: u64) -> Self {
        Self { limit: AtomicU64::new(limit), left: AtomicU64::new(limit) }
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes `amount`, or nothing if there is less.
    fn take(&self, amount: u64) -> bool {
        let less = |left: u64| left.checked_sub(amount);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// A limited resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Bytes in memory.
    Bytes,
    /// Steps of work.
    Steps,
}

/// An input costs more than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input} takes more than {}, the most that is spent on input of unknown origin", ShownCost(*resource, *limit))]
pub struct OverBudget {
    /// The input that costs too much.
    pub input: String,
    /// The resource that ran out.
    pub resource: Resource,
    /// How much of it there was.
    pub limit: u64,
}

impl From<OverBudget> for io::Error {
    fn from(error: OverBudget) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, error)
    }
}

/// A limit in words.
struct ShownCost(Resource, u64);

impl fmt::Display for ShownCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Resource::Bytes if self.1 >= 1 << 20 => write!(f, "{} MiB of memory", self.1 >> 20),
            Resource::Bytes => write!(f, "{} bytes of memory", self.1),
            Resource::Steps => write!(f, "{} steps", self.1),
        }
    }
}

impl Budget {
    /// A budget for `input`, which errors call so: `bytes` to keep, `steps` to take.
    #[must_use]
    pub fn new(input: impl Into<String>, bytes: u64, steps: u64) -> Self {
        Self::of(input.into(), bytes, steps, None)
    }

    /// The same with steps for unpacking that are apart from the others.
    #[must_use]
    pub fn with_unpacking(input: impl Into<String>, bytes: u64, steps: u64, unpacking: u64) -> Self {
        Self::of(input.into(), bytes, steps, Some(Meter::new(unpacking)))
    }

    fn of(input: String, bytes: u64, steps: u64, unpacking: Option<Meter>) -> Self {
        Self(Arc::new(Purse { input, bytes: Meter::new(bytes), steps: Meter::new(steps), unpacking }))
    }

    fn unpacking(&self) -> &Meter {
        self.0.unpacking.as_ref().unwrap_or(&self.0.steps)
    }

    /// Pays for `bytes` that are kept. Call it before allocating them.
    ///
    /// # Errors
    /// When less than that is left.
    pub fn keep(&self, bytes: usize) -> Result<(), OverBudget> {
        self.pay(&self.0.bytes, Resource::Bytes, bytes as u64)
    }

    /// Pays for `steps` of work, such as comparisons or characters.
    ///
    /// # Errors
    /// When fewer than that are left.
    pub fn step(&self, steps: usize) -> Result<(), OverBudget> {
        self.pay(&self.0.steps, Resource::Steps, steps as u64)
    }

    /// Returns `bytes` that are no longer kept.
    pub fn release(&self, bytes: usize) {
        let meter = &self.0.bytes;
        let more = |left: u64| Some(left.saturating_add(bytes as u64).min(meter.limit()));
        // The closure never declines.
        let _ = meter.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Adds steps for unpacking a part of the input that is known to be large.
    pub fn allow(&self, steps: u64) {
        let more = |of: u64| Some(of.saturating_add(steps));
        let meter = self.unpacking();
        for counter in [&meter.limit, &meter.left] {
            // The closure never declines.
            let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    fn pay(&self, meter: &Meter, resource: Resource, amount: u64) -> Result<(), OverBudget> {
        if meter.take(amount) {
            return Ok(());
        }
        Err(OverBudget { input: self.0.input.clone(), resource, limit: meter.limit() })
    }
}

/// How many bytes that are read are a step.
pub const STEP: u64 = 1024;

/// Pays a step for each [`STEP`] bytes that come out of a decoder, which a few bytes can keep busy for days.
#[derive(Debug)]
pub struct MeteredReader<'a, R> {
    inner: R,
    budget: &'a Budget,
    unpaid: u64,
}

impl<'a, R> MeteredReader<'a, R> {
    /// Reads `inner` at the expense of `budget`.
    pub const fn new(inner: R, budget: &'a Budget) -> Self {
        Self { inner, budget, unpaid: 0 }
    }
}

impl<R: io::Read> io::Read for MeteredReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpaid += read as u64;
        let steps = self.unpaid / STEP;
        if steps > 0 {
            self.unpaid %= STEP;
            self.budget.pay(self.budget.unpacking(), Resource::Steps, steps)?;
        }
        Ok(read)
    }
}

/// The steps for unpacking `packed` bytes: enough for ordinary data, not for a bomb.
#[must_use]
pub fn unpacking(packed: u64) -> u64 {
    // Inflating and hashing 2 GiB takes 15 s where the processor has no instructions for SHA-256.
    ((1 << 30) + packed.saturating_mul(128).min(1 << 50)) / STEP
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn steps_of_other_work_unpack_nothing() {
        let budget = Budget::with_unpacking("the layer", 0, 1 << 20, 1);
        let unpack =
            |size| io::copy(&mut MeteredReader::new(io::repeat(0).take(size), &budget), &mut io::sink());
        unpack(STEP).expect("paid for");
        unpack(STEP).expect_err("a bomb");
        budget.step(1 << 20).expect("apart");
        budget.allow(1);
        unpack(STEP).expect("paid for");
        budget.step(1).expect_err("none is left");
    }

    #[test]
    fn a_bomb_runs_out_of_steps() {
        let budget = Budget::new("the layer", 0, 100);
        let mut bomb = MeteredReader::new(io::repeat(0), &budget);
        let error = io::copy(&mut bomb, &mut io::sink()).expect_err("a bomb");
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        let mut small = MeteredReader::new(io::repeat(0).take(1000), &budget);
        assert_eq!(io::copy(&mut small, &mut io::sink()).expect("less than a step"), 1000);
    }

    #[test]
    fn all_that_is_made_of_one_input_draws_on_one_budget() {
        let budget = Budget::new("the layer", 10, 3);
        let other = budget.clone();
        budget.keep(6).expect("there are 10");
        other.keep(5).expect_err("there are 4");
        other.keep(4).expect("what was refused took nothing");
        budget.release(1);
        other.keep(1).expect("it was given back");
        budget.release(100);
        budget.keep(11).expect_err("there are never more than at first");
        budget.step(3).expect("there are 3");
        budget.allow(2);
        other.step(2).expect("there are 2 more");
        let error = other.step(1).expect_err("there are none");
        assert_eq!(error, OverBudget { input: "the layer".into(), resource: Resource::Steps, limit: 5 });
    }

    #[test]
    fn the_error_says_what_of_and_how_much() {
        let spent = |bytes, steps| {
            let budget = Budget::new("the archive `a.war`", bytes, steps);
            (budget.keep(usize::MAX).expect_err("too much"), budget.step(usize::MAX).expect_err("too many"))
        };
        let (bytes, steps) = spent(64 << 20, 1000);
        assert_eq!(
            bytes.to_string(),
            "the archive `a.war` takes more than 64 MiB of memory, the most that is spent on input of unknown origin"
        );
        assert!(steps.to_string().contains("more than 1000 steps"), "{steps}");
        assert!(spent(999, 1).0.to_string().contains("999 bytes of memory"));
        assert_eq!(io::Error::from(bytes).kind(), io::ErrorKind::QuotaExceeded);
    }
}
