//! How to compare.

use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::types::platform::Platform;

/// How to compare.
#[derive(Clone, Debug, Default)]
pub struct DiffOptions {
    /// Only the images for this platform.
    pub platform: Option<Platform>,
    /// Read layers that both have, too, so that no difference is uncertain.
    pub full: bool,
    /// Layers read at a time; 0 for one per processor.
    pub jobs: usize,
    /// Receives progress events.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}
