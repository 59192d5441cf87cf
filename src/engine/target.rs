//! Where images go.

use std::sync::Arc;

use crate::transport::Destination;

/// A destination and how it likes to be fed.
pub struct Target {
    /// Where images go.
    pub destination: Arc<dyn Destination>,
    /// How many blobs it takes at a time.
    pub parallel: usize,
    /// Whether it is the local store.
    pub is_local: bool,
}
