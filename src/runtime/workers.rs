//! The threads that do the work: started when there is some, since a build that finds everything as it was has none,
//! and as many as the system gives.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// A pool of threads; cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers(Arc<WorkerPool>);

#[derive(Debug)]
struct WorkerPool {
    count: NonZeroUsize,
    pool: OnceLock<Result<rayon::ThreadPool, WorkersError>>,
}

/// The system gives no threads.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot start a thread, since this user has reached the limit of the system: {0}")]
pub struct WorkersError(String);

impl Explain for WorkersError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::SystemLimit)
    }

    fn hint(&self) -> Option<String> {
        Some(
            "raise the limit (`ulimit -u`, or `pids` of the container), or use fewer threads: `--jobs 1`"
                .to_owned(),
        )
    }
}

impl From<io::Error> for WorkersError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
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
        Self(Arc::new(WorkerPool { count, pool: OnceLock::new() }))
    }

    /// How many threads were asked for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count.get()
    }

    /// The threads, running: fewer than were asked for where the system does not give so many.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn pool(&self) -> Result<&rayon::ThreadPool, WorkersError> {
        self.0.pool.get_or_init(|| pool(self.0.count)).as_ref().map_err(Clone::clone)
    }
}

/// Half as many each time, so that some are left for what else must run.
fn pool(count: NonZeroUsize) -> Result<rayon::ThreadPool, WorkersError> {
    let mut count = count.get();
    loop {
        let built = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("worker {number}"))
            .build();
        match built {
            Ok(pool) => return Ok(pool),
            Err(_) if count > 1 => count /= 2,
            Err(error) => return Err(WorkersError(error.to_string())),
        }
    }
}

/// Does `work` with a pool of its own: of `jobs` threads, or of one for each processor for 0.
///
/// # Errors
/// When the system gives no thread at all.
pub fn run<T: Send>(jobs: usize, work: impl FnOnce() -> T + Send) -> Result<T, WorkersError> {
    let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(pool(NonZeroUsize::new(jobs).unwrap_or_else(processors))?.install(work))
}

/// Asks whether the system gives so many threads at once, for what would panic without them.
///
/// # Errors
/// When it does not.
pub fn check(count: usize) -> Result<(), WorkersError> {
    let (wait, release) = std::sync::mpsc::channel::<()>();
    let release = Arc::new(std::sync::Mutex::new(release));
    let probe = |_| {
        let release = Arc::clone(&release);
        Builder::new().spawn(move || drop(release.lock().map(|release| release.recv())))
    };
    let started: Vec<_> = (0..count).map(probe).collect();
    drop(wait);
    let mut missing = None;
    for thread in started {
        match thread {
            Ok(thread) => drop(thread.join()),
            Err(error) => missing = Some(error),
        }
    }
    missing.map_or(Ok(()), |error| Err(error.into()))
}

/// Starts a thread that may borrow what outlives `scope`.
///
/// # Errors
/// When the system gives none.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, WorkersError> {
    Ok(Builder::new().name(name.to_owned()).spawn_scoped(scope, work)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_by_as_many_threads_as_were_asked_for() {
        let workers = Workers::new(NonZeroUsize::new(3).expect("three"));
        assert_eq!(workers.pool().expect("threads").current_num_threads(), 3);
        assert_eq!(run(2, rayon::current_num_threads).expect("threads"), 2);
        assert!(run(0, rayon::current_num_threads).expect("threads") >= 1);
        check(3).expect("threads");
    }
}
