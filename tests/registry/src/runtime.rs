//! The threads behind HTTP/2, and locks whose holder may have panicked.

use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::{Builder, Runtime};

/// One runtime for the process: registries come and go, its threads need not.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        let built =
            Builder::new_multi_thread().worker_threads(2).thread_name("registry").enable_all().build();
        built.map_err(|error| error.to_string())
    };
    RUNTIME.get_or_init(build).as_ref().map_err(|why| io::Error::other(why.clone()))
}

/// A mutex is good after a panic: what is in it is replaced whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
