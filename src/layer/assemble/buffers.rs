//! Memory for bodies, used again and again: fresh memory is cleared by the system first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::body;

/// Buffers that went through the pipeline once and can go again, of this layer or of another.
///
/// Those for bodies as they are and those for encoded bodies are kept apart: the former are filled to their end, of the
/// latter a part is enough, and what is never touched takes no memory.
#[derive(Clone, Default)]
pub struct Buffers {
    pub(super) plain: Shelf,
    pub(super) encoded: Shelf,
}

impl Buffers {
    /// Gives the memory back: the system takes it while others work, and not when the process ends.
    pub fn release(&self) {
        self.plain.release();
        self.encoded.release();
    }
}

/// Buffers for one purpose; `None` once they are not needed any more.
#[derive(Clone)]
pub(super) struct Shelf(Arc<Mutex<Option<Vec<Vec<u8>>>>>);

/// Bytes in a buffer that goes back when the last reader has let go of them.
struct BufferLoan {
    buffer: Arc<Vec<u8>>,
    home: Shelf,
}

impl Default for Shelf {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }
}

impl Shelf {
    /// A buffer with its former bytes, to be overwritten: memory need not be cleared to be read into.
    pub(super) fn take(&self) -> Vec<u8> {
        // Of full size at once: growing would move it, and only what is used of it takes memory.
        let fresh = || Vec::with_capacity(body::PIECE as usize + (64 << 10));
        self.lock().as_mut().and_then(Vec::pop).unwrap_or_else(fresh)
    }

    pub(super) fn take_empty(&self) -> Vec<u8> {
        let mut buffer = self.take();
        buffer.clear();
        buffer
    }

    /// Takes a buffer back, unless it is still being read: then the last reader gives it back.
    pub(super) fn give(&self, buffer: Arc<Vec<u8>>) {
        if let Some(buffer) = Arc::into_inner(buffer)
            && let Some(buffers) = self.lock().as_mut()
        {
            buffers.push(buffer);
        }
    }

    pub(super) fn lend(&self, buffer: Arc<Vec<u8>>) -> Bytes {
        Bytes::from_owner(BufferLoan { buffer, home: self.clone() })
    }

    fn release(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for BufferLoan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for BufferLoan {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}
