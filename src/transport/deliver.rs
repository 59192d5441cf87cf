//! Bringing blobs to one destination, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::Serialize;

use super::{Blob, Delivery, Destination};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers;
use crate::types::error::BoxedError;

/// The result for blobs: how many, and for those that were sent, how many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryCount {
    /// Were there.
    pub present: usize,
    /// Were taken from another repository of the same registry.
    pub mounted: usize,
    /// Were sent.
    pub uploaded: usize,
    /// Bytes of those that were sent.
    pub uploaded_bytes: u64,
}

/// Brings all blobs to `destination`, as many at a time as it takes. The first failure ends it.
pub(crate) fn deliver(
    destination: &dyn Destination,
    blobs: &[Blob],
    interrupt: &Interrupt,
) -> Result<DeliveryCount, BoxedError> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<BoxedError>> = Mutex::new(None);
    let total = Mutex::new(DeliveryCount::default());
    let work = || {
        while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = interrupt.check().map_err(BoxedError::from);
            match result.and_then(|()| destination.blob(blob)) {
                Ok(delivery) => total.lock().unwrap_or_else(PoisonError::into_inner).count(blob, delivery),
                Err(error) => {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    // No thread takes another blob.
                    next.store(blobs.len(), Ordering::Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..destination.capabilities().parallel_blobs.clamp(1, blobs.len().max(1)) {
            // If the system gives no more threads, the others bring the rest.
            if workers::spawn(scope, "copy", work).is_err() {
                break;
            }
        }
        work();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

impl DeliveryCount {
    fn count(&mut self, blob: &Blob, delivery: Delivery) {
        match delivery {
            Delivery::Present => self.present += 1,
            Delivery::Mounted => self.mounted += 1,
            Delivery::Uploaded => {
                self.uploaded += 1;
                self.uploaded_bytes += blob.descriptor.size;
            }
        }
    }
}
