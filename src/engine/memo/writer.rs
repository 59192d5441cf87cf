//! Memos on their way to the store, written by a thread of their own: each is a file that is created and renamed,
//! and building does not wait for that.
//!
//! They are written in the order in which they are given. Dropping the last clone of the writer waits until all are written.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde::Serialize;

use crate::store::Store;
use crate::types::digest::Key;

type MemoJob = Box<dyn FnOnce(&Store) + Send>;

/// Writes memos. Cheap to clone: all clones have one thread.
#[derive(Clone)]
pub struct MemoWriter(Arc<MemoWriterState>);

struct MemoWriterState {
    store: Store,
    /// Started with the first memo.
    thread: Mutex<Option<WriterThread>>,
}

struct WriterThread {
    sender: Sender<MemoJob>,
    thread: JoinHandle<()>,
}

impl MemoWriter {
    /// Into this store.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self(Arc::new(MemoWriterState { store: store.clone(), thread: Mutex::default() }))
    }

    /// Remembers a value.
    pub(crate) fn save<T: Serialize + Send + 'static>(&self, namespace: &'static str, key: Key, value: T) {
        self.run(move |store| store.memo_save(namespace, &key, &value));
    }

    /// Changes memos on the thread, after all that was saved before.
    pub(super) fn run(&self, job: impl FnOnce(&Store) + Send + 'static) {
        if self.0.store.is_writable() {
            self.0.run(Box::new(job));
        }
    }
}

impl MemoWriterState {
    fn run(&self, job: MemoJob) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = WriterThread::start(&self.store);
        }
        match &*thread {
            // Where there is no thread, or none any more, the caller writes.
            Some(thread) => thread.sender.send(job).unwrap_or_else(|back| (back.0)(&self.store)),
            None => job(&self.store),
        }
    }
}

impl WriterThread {
    fn start(store: &Store) -> Option<Self> {
        let (sender, receiver) = channel::<MemoJob>();
        let store = store.clone();
        let write = move || receiver.into_iter().for_each(|job| job(&store));
        let thread = thread::Builder::new().name("memos".to_owned()).spawn(write).ok()?;
        Some(Self { sender, thread })
    }
}

impl Drop for MemoWriterState {
    fn drop(&mut self) {
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(WriterThread { sender, thread }) = thread.take() {
            drop(sender);
            // One that panicked has written what it could.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::events::Progress;
    use crate::types::digest::KeyBuilder;

    #[test]
    fn all_are_written_when_the_writer_is_dropped_and_the_last_of_a_key_counts() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(directory.path(), &Progress::default());
        let key = |number: u32| KeyBuilder::new("test").part(&number.to_le_bytes()).finish();
        let memos = MemoWriter::new(&store);
        for number in 0..100_u32 {
            memos.save("layer", key(number), number);
            memos.save("blobs", key(0), number);
        }
        drop(memos);
        for number in 0..100 {
            assert_eq!(store.memo_load::<u32>("layer", &key(number)), Some(number));
        }
        assert_eq!(store.memo_load::<u32>("blobs", &key(0)), Some(99));
    }
}
