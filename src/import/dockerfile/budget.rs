//! How much work and memory one Dockerfile may cost: some lines name many things, each with all others.

use std::cell::Cell;
use std::rc::Rc;

/// The most steps, each about a comparison of two paths.
pub(super) const MAX_STEPS: usize = 4_000_000;
/// The bytes that all copies of all stages may take.
const MAX_BYTES: usize = 16 << 20;

/// The steps and bytes that are left. All stages share them.
#[derive(Clone, Debug)]
pub(super) struct ImportBudget {
    steps: Rc<Cell<usize>>,
    bytes: Rc<Cell<usize>>,
}

impl Default for ImportBudget {
    fn default() -> Self {
        Self { steps: Rc::new(Cell::new(MAX_STEPS)), bytes: Rc::new(Cell::new(MAX_BYTES)) }
    }
}

impl ImportBudget {
    /// Takes steps; whether there were enough.
    pub(super) fn step(&self, steps: usize) -> bool {
        take(&self.steps, steps)
    }

    /// Takes bytes; whether there were enough.
    pub(super) fn keep(&self, bytes: usize) -> bool {
        take(&self.bytes, bytes)
    }

    /// Whether steps were asked for that were not there.
    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }
}

fn take(from: &Cell<usize>, count: usize) -> bool {
    let left = from.get().checked_sub(count);
    from.set(left.unwrap_or(0));
    left.is_some_and(|left| left > 0)
}
