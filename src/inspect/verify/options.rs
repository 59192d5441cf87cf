//! How to verify.

use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;

/// How to verify.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Layers checked at a time; 0 for one per processor.
    pub jobs: usize,
    /// Bytes that all layers may unpack to together; without it what the layers of an honest image of this size do.
    pub max_unpacked: Option<u64>,
    /// Receives events about the layers.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}
