//! The journal: a file of lines that each change is appended to, and synced, before it counts.
//!
//! A line is the CRC-32 of a JSON text in eight hexadecimal digits, a space, and the text. A crash can tear the last
//! line, which then does not count; its sender got no answer. Many changes that come at the same time
//! share one sync. When the file has grown, what still counts is written to a new one that takes its place.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::notice::Notice;
use crate::runtime::atomic::{self, Durability};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum JournalRecord {
    /// A message was taken, for these actions.
    Accept {
        /// The message.
        notice: Notice,
        /// The names of the actions.
        actions: Vec<String>,
    },
    /// A run begins.
    Start {
        /// The action.
        action: String,
        /// Its notice.
        notice: Notice,
        /// The number of this try; the first is 1.
        attempt: u32,
    },
    /// A run has ended.
    End {
        /// The action.
        action: String,
        /// The tag's full name.
        target: String,
        /// How.
        outcome: RunOutcome,
    },
    /// Identities of messages that were taken before, in hexadecimal digits.
    Seen {
        /// The identities.
        keys: Vec<String>,
    },
    /// The last image that an action was told of for a tag.
    Last {
        /// The action.
        action: String,
        /// The tag's full name.
        target: String,
        /// Its digest.
        digest: crate::types::digest::Digest,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// The command succeeded, or the receiver took the event.
    Done,
    /// It failed, and is tried again.
    Retry,
    /// It failed for good.
    Failed,
    /// A crash or the end of the service interrupted it, and it is not repeated.
    Interrupted,
    /// A crash or the end of the service interrupted it, and it is repeated.
    Requeued,
}

/// The journal of one service.
pub struct Journal {
    path: PathBuf,
    state: Mutex<JournalState>,
    synced: Condvar,
}

struct JournalState {
    file: File,
    /// Lines that are not written yet.
    buffer: Vec<u8>,
    /// Bytes that were appended in all, which are tickets.
    appended: u64,
    /// Of these, bytes that are durable.
    durable: u64,
    /// Whether a thread writes.
    busy: bool,
    /// Bytes of the file.
    length: u64,
    /// Why nothing can be written any more.
    broken: Option<String>,
}

/// A promise of [`Journal::wait`] that all until here is durable.
#[derive(Clone, Copy, Debug)]
pub struct JournalTicket(u64);

/// The name of the file.
const NAME: &str = "journal";
/// Unfinished files start with this.
const DRAFT: &str = ".tmp-";
/// The largest journal that is read, in bytes.
const LARGEST: u64 = 1 << 30;

impl Journal {
    /// Opens the journal in `directory`, and returns its records and how many lines were damaged.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(directory: &Path) -> io::Result<(Self, Vec<JournalRecord>, usize)> {
        let path = directory.join(NAME);
        let text = match crate::runtime::input::read(&path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut damaged = 0;
        let mut records = Vec::new();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match record(line) {
                Some(record) => records.push(record),
                None => damaged += 1,
            }
        }
        // A new file, so that the end of a torn line does not spoil the next one.
        let file = replace(&path, &records)?;
        let length = file.metadata()?.len();
        let state = JournalState {
            file,
            buffer: Vec::new(),
            appended: 0,
            durable: 0,
            busy: false,
            length,
            broken: None,
        };
        Ok((Self { path, state: Mutex::new(state), synced: Condvar::new() }, records, damaged))
    }

    fn lock(&self) -> MutexGuard<'_, JournalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record. It counts once [`Journal::wait`] has returned.
    pub fn append(&self, record: &JournalRecord) -> JournalTicket {
        let line = line(record);
        let mut state = self.lock();
        state.buffer.extend_from_slice(&line);
        state.appended += line.len() as u64;
        JournalTicket(state.appended)
    }

    /// A ticket for all that was appended until now.
    pub fn ticket(&self) -> JournalTicket {
        JournalTicket(self.lock().appended)
    }

    /// Waits until all up to `ticket` is durable. One of those who wait writes for all.
    ///
    /// # Errors
    /// When it cannot be written, now or ever before.
    pub fn wait(&self, ticket: JournalTicket) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            if let Some(why) = &state.broken {
                return Err(io::Error::other(why.clone()));
            }
            if state.durable >= ticket.0 {
                return Ok(());
            }
            if state.busy {
                state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let bytes = std::mem::take(&mut state.buffer);
            let upto = state.appended;
            let file = state.file.try_clone();
            drop(state);
            let written = file.and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_data()
            });
            state = self.lock();
            state.busy = false;
            match written {
                Ok(()) => {
                    state.durable = upto;
                    state.length += bytes.len() as u64;
                }
                // The file's end is not known now: nothing more is taken.
                Err(error) => state.broken = Some(error.to_string()),
            }
            self.synced.notify_all();
        }
    }

    /// The bytes of the file.
    pub fn length(&self) -> u64 {
        self.lock().length
    }

    /// Whether it can be written, as far as is known.
    pub fn is_sound(&self) -> bool {
        self.lock().broken.is_none()
    }

    /// Puts a file with these records alone in the place of the old one. The caller lets nothing else be appended
    /// meanwhile.
    ///
    /// # Errors
    /// When it cannot be written; the old file stays.
    pub fn compact(&self, records: &[JournalRecord]) -> io::Result<()> {
        self.wait(self.ticket())?;
        let file = replace(&self.path, records)?;
        let mut state = self.lock();
        state.length = file.metadata()?.len();
        state.file = file;
        Ok(())
    }
}

fn line(record: &JournalRecord) -> Vec<u8> {
    let text = serde_json::to_vec(record).unwrap_or_default();
    let mut line = format!("{:08x} ", crc32fast::hash(&text)).into_bytes();
    line.extend_from_slice(&text);
    line.push(b'\n');
    line
}

fn record(line: &[u8]) -> Option<JournalRecord> {
    let (sum, text) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?.strip_suffix(' ')?, 16).ok()?;
    if crc32fast::hash(text) != sum {
        return None;
    }
    serde_json::from_slice(text).ok()
}

/// Writes a journal anew, and opens it to append.
fn replace(path: &Path, records: &[JournalRecord]) -> io::Result<File> {
    let mut draft = atomic::draft_in(atomic::directory_of(path), DRAFT, 0o600)?;
    let bytes: Vec<u8> = records.iter().flat_map(line).collect();
    draft.write_all(&bytes)?;
    atomic::persist(draft, path, Durability::Fsync)?;
    let file = fs::OpenOptions::new().append(true).open(path)?;
    Ok(file.into_parts().0)
}

#[cfg(test)]
mod tests {
    use super::super::notice::example;
    use super::*;

    fn accept(id: &str) -> JournalRecord {
        JournalRecord::Accept { notice: example(id, "1", "x"), actions: vec!["a".to_owned()] }
    }

    #[test]
    fn a_torn_line_does_not_count_and_spoils_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let (journal, records, damaged) = Journal::open(directory.path()).expect("opened");
        assert_eq!((records.len(), damaged), (0, 0));
        for id in ["1", "2"] {
            journal.wait(journal.append(&accept(id))).expect("written");
        }
        drop(journal);
        let path = directory.path().join(NAME);
        let bytes = std::fs::read(&path).expect("read");
        for end in bytes.len() / 2 + 1..bytes.len() - 1 {
            std::fs::write(&path, &bytes[..end]).expect("torn");
            let (journal, records, damaged) = Journal::open(directory.path()).expect("opened");
            assert_eq!((records, damaged), (vec![accept("1")], 1), "{end}");
            journal.wait(journal.append(&accept("3"))).expect("written");
            drop(journal);
            let (_, records, damaged) = Journal::open(directory.path()).expect("opened");
            assert_eq!((records, damaged), (vec![accept("1"), accept("3")], 0));
        }
    }

    #[test]
    fn many_who_wait_share_a_sync() {
        let directory = tempfile::tempdir().expect("a directory");
        let (journal, ..) = Journal::open(directory.path()).expect("opened");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let journal = &journal;
                scope.spawn(move || {
                    for number in 0..50 {
                        journal
                            .wait(journal.append(&accept(&format!("{thread}-{number}"))))
                            .expect("written");
                    }
                });
            }
        });
        let length = journal.length();
        drop(journal);
        let (journal, records, damaged) = Journal::open(directory.path()).expect("opened");
        assert_eq!((records.len(), damaged, journal.length()), (400, 0, length));
        journal.compact(&records[..3]).expect("written");
        journal.wait(journal.append(&accept("last"))).expect("written");
        drop(journal);
        assert_eq!(Journal::open(directory.path()).expect("opened").1.len(), 4);
    }
}
