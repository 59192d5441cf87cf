//! The threads that read, hash and encode: started when the first work comes, since a build that finds
//! everything as it was has none.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use crate::error::{Explain, Kind};

/// A pool of threads; cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    count: NonZeroUsize,
    pool: OnceLock<Result<rayon::ThreadPool, WorkersError>>,
}

/// The system gives no threads.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot start threads: {0}")]
pub struct WorkersError(String);

impl Explain for WorkersError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        Some("give fewer with `--jobs`, or raise the limit (`ulimit -u`)".to_owned())
    }
}

impl Default for Workers {
    /// One thread.
    fn default() -> Self {
        Self::new(NonZeroUsize::MIN)
    }
}

impl Workers {
    /// Up to `count` threads, none of them started.
    #[must_use]
    pub fn new(count: NonZeroUsize) -> Self {
        Self(Arc::new(Inner { count, pool: OnceLock::new() }))
    }

    /// The threads, running.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn pool(&self) -> Result<&rayon::ThreadPool, WorkersError> {
        let start = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(self.0.count.get())
                .thread_name(|number| format!("worker {number}"))
                .build()
                .map_err(|error| WorkersError(error.to_string()))
        };
        self.0.pool.get_or_init(start).as_ref().map_err(Clone::clone)
    }
}
