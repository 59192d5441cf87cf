//! Readings of files that are remembered.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// So many readings are kept; the largest environments have some thousand libraries.
const MOST: usize = 10_000;

/// Readings of files: several parts of a build ask for the same.
#[derive(Debug, Default)]
pub struct Readings(Mutex<BTreeMap<PathBuf, Box<dyn Any + Send + Sync>>>);

impl Readings {
    /// As `read` says, the first time for the file at `path`; then what it said.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn once<T: Any + Clone + Send + Sync, E>(
        &self,
        path: &Path,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let known = self.all().get(path).and_then(|reading| reading.downcast_ref::<T>()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let reading = read()?;
        let mut all = self.all();
        if all.len() < MOST {
            all.insert(path.to_owned(), Box::new(reading.clone()));
        }
        Ok(reading)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Box<dyn Any + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
