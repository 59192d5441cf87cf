//! Memory for bodies, used again and again: fresh memory is cleared by the system first.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::body;

/// Buffers that went through the pipeline once and can go again, of this layer or of another.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    pub(super) fn take(&self) -> Vec<u8> {
        // Of full size at once: growing would move it, and only what is used of it takes memory.
        let fresh = || Vec::with_capacity(body::PIECE as usize + (64 << 10));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(fresh)
    }

    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    /// Gives the memory back: the system takes it while others work, and not when the process ends.
    pub fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn give_shared(&self, buffer: Arc<Vec<u8>>) {
        if let Ok(buffer) = Arc::try_unwrap(buffer) {
            self.give(buffer);
        }
    }
}
