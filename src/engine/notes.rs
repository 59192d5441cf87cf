//! Memos on their way to the store, written by a thread of their own: each is a file that is created and renamed,
//! and nobody who builds waits for that.
//!
//! They are written in the order in which they are given. Dropping the notes waits until all are written.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use serde::Serialize;

use crate::store::Store;
use crate::types::digest::Key;

type Note = Box<dyn FnOnce(&Store) + Send>;

/// Writes memos.
pub(super) struct Notes {
    store: Store,
    writer: Option<Writer>,
}

struct Writer {
    sender: Sender<Note>,
    thread: JoinHandle<()>,
}

impl Notes {
    /// Into this store; the thread is started with the first memo.
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), writer: None }
    }

    /// Remembers a value.
    pub(super) fn save<T: Serialize + Send + 'static>(
        &mut self,
        namespace: &'static str,
        key: Key,
        value: T,
    ) {
        if !self.store.is_writable() {
            return;
        }
        self.start();
        let note: Note = Box::new(move |store| store.memo_save(namespace, &key, &value));
        match &self.writer {
            // Where there is no thread, or none any more, whoever has something to note writes it.
            Some(writer) => writer.sender.send(note).unwrap_or_else(|back| (back.0)(&self.store)),
            None => note(&self.store),
        }
    }

    fn start(&mut self) {
        if self.writer.is_none() {
            let (sender, receiver) = channel::<Note>();
            let store = self.store.clone();
            let write = move || receiver.into_iter().for_each(|note| note(&store));
            let thread = thread::Builder::new().name("notes".to_owned()).spawn(write);
            self.writer = thread.ok().map(|thread| Writer { sender, thread });
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if let Some(Writer { sender, thread }) = self.writer.take() {
            drop(sender);
            // One that panicked has written what it could.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observer::Progress;
    use crate::types::digest::KeyBuilder;

    #[test]
    fn all_are_written_when_the_notes_are_dropped_and_the_last_of_a_key_counts() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(directory.path(), &Progress::default());
        let key = |number: u32| KeyBuilder::new("test").part(&number.to_le_bytes()).finish();
        let mut notes = Notes::new(&store);
        for number in 0..100_u32 {
            notes.save("layer", key(number), number);
            notes.save("recent", key(0), number);
        }
        drop(notes);
        for number in 0..100 {
            assert_eq!(store.memo_load::<u32>("layer", &key(number)), Some(number));
        }
        assert_eq!(store.memo_load::<u32>("recent", &key(0)), Some(99));
    }
}
