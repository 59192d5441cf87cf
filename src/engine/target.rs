//! Where images go.

use std::sync::Arc;

use crate::transport::Destination;

/// A destination of a build.
pub type Target = Arc<dyn Destination>;
