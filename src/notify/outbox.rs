//! The outbox: events that are not delivered yet, one file for each event and receiver.
//!
//! ```text
//! STORE/outbox/TIME-ID-RECEIVER.intent   written and synced before the tag moves; locked while its process lives
//! STORE/outbox/TIME-ID-RECEIVER.event    the same file, renamed after the tag moved: to be delivered
//! STORE/outbox/TIME-ID-RECEIVER.tries    how often that was tried, and when the next try is due; disposable
//! ```
//!
//! A file is written once and never changed, so that its lock lasts: a process that works on an entry holds an
//! exclusive lock on it, which the system releases if the process is killed. Names sort by time; a time is moved behind
//! those that are there, so that the order stays where the clock went back. Files are for their
//! owner alone, because addresses of receivers may have tokens in them. There is no secret in them otherwise.
//!
//! A file that is no entry, such as a link, a pipe or one that is cut off, is a [`DamagedEntry`]: it stays where it is, and
//! is told of.
//!
//! If no file can be written, entries wait in memory as long as the program runs.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::event::{DeliveryEvent, EventTime};
use super::receiver::Receiver;
use crate::runtime::atomic::{self, Durability, NewFileMode};

/// More entries are refused: the receivers of so many are gone for good.
pub const MOST_ENTRIES: usize = 10_000;
/// The longest file of an entry, in bytes.
const LONGEST_ENTRY: u64 = 256 << 10;
/// Unfinished files start with this.
const DRAFT: &str = ".tmp-";

/// An event for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// The event.
    pub event: DeliveryEvent,
    /// The receiver, as it was set when the event was made.
    pub receiver: Receiver,
}

/// A file of the outbox that is no entry: nothing can be delivered from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedEntry {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is none.
    pub why: String,
}

/// How often an entry was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxTries {
    /// Tries until now.
    pub count: u32,
    /// When the next one is due, in milliseconds since 1970.
    pub not_before: u64,
    /// Why the last one failed, for people.
    pub why: String,
}

/// The outbox of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    directory: Option<PathBuf>,
    memory: Arc<Mutex<Vec<OutboxEntry>>>,
}

/// An entry that this process holds.
#[derive(Debug)]
pub struct HeldEntry {
    /// The entry.
    pub entry: OutboxEntry,
    place: HeldPlace,
}

#[derive(Debug)]
enum HeldPlace {
    /// A file, locked as long as it is open.
    File { path: PathBuf, _locked: std::fs::File },
    /// Nowhere else.
    Memory(Outbox),
}

impl Outbox {
    /// The outbox in the store at `store`; in memory alone where there is none.
    #[must_use]
    pub fn new(store: Option<&Path>) -> Self {
        Self { directory: store.map(|store| store.join("outbox")), memory: Arc::default() }
    }

    /// Writes an intent, which this process holds.
    ///
    /// # Errors
    /// When it cannot be written, or there are too many entries.
    pub fn intend(&self, entry: OutboxEntry) -> io::Result<HeldEntry> {
        let Some(directory) = &self.directory else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no local store"));
        };
        fs::create_dir_all(directory)?;
        let names = self.names()?;
        if names.len() >= MOST_ENTRIES {
            return Err(io::Error::other(format!("the outbox has {MOST_ENTRIES} entries already")));
        }
        let OutboxEntry { event, receiver } = &entry;
        // Behind those that are there, also if the clock went back since then.
        let time = match names.last().and_then(time_in) {
            Some(newest) if newest > event.time.milliseconds() => newest.saturating_add(1),
            _ => event.time.milliseconds(),
        };
        let name = format!("{time:015}-{}-{}.intent", event.id(), receiver.tag());
        let path = directory.join(name);
        let mut draft = atomic::draft_in(directory, DRAFT, 0o600)?;
        draft.write_all(&serde_json::to_vec(&entry)?)?;
        // Before it has a name, so that no other process takes it for one of a killed process.
        let locked = draft.as_file().try_clone()?;
        locked.lock()?;
        atomic::persist(draft, &path, Durability::Fsync)?;
        Ok(HeldEntry { entry, place: HeldPlace::File { path, _locked: locked } })
    }

    /// An entry that lasts as long as the program, for an outbox that cannot be written.
    #[must_use]
    pub fn hold(&self, entry: OutboxEntry) -> HeldEntry {
        HeldEntry { entry, place: HeldPlace::Memory(self.clone()) }
    }

    /// The names of all entries, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let is_entry = |name: &OsString| {
            let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("intent" | "event"))
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names: Vec<OsString> = names.collect::<io::Result<_>>()?;
        names.retain(is_entry);
        names.sort_unstable();
        Ok(names)
    }

    /// Takes an entry; `None` if it is gone, or another process holds it.
    ///
    /// # Errors
    /// When the file is no entry.
    pub fn claim(&self, name: &OsString) -> Result<Option<HeldEntry>, DamagedEntry> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join(name);
        let Some(mut file) = found(open(&path, true), &path)? else { return Ok(None) };
        if file.try_lock().is_err() {
            return Ok(None);
        }
        // Its last holder may have delivered and removed it, or renamed it, since it was opened.
        let same = |metadata: io::Result<std::fs::Metadata>| {
            Some((metadata.as_ref().ok()?.dev(), metadata.ok()?.ino()))
        };
        if same(file.metadata()) != same(std::fs::symlink_metadata(&path)) {
            return Ok(None);
        }
        let entry = found(entry_in(&mut file), &path)?;
        Ok(entry.map(|entry| HeldEntry { entry, place: HeldPlace::File { path, _locked: file } }))
    }

    /// The entry of a name, without taking it; `None` if it is gone.
    ///
    /// # Errors
    /// When the file is no entry.
    pub fn look(&self, name: &OsString) -> Result<Option<(OutboxEntry, OutboxTries, bool)>, DamagedEntry> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join(name);
        let entry = found(open(&path, false).and_then(|mut file| entry_in(&mut file)), &path)?;
        Ok(entry.map(|entry| (entry, tries(&path), is_intent(&path))))
    }

    /// The entries that wait in memory, which are then no longer there.
    #[must_use]
    pub fn take_memory(&self) -> Vec<HeldEntry> {
        let entries = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        entries.into_iter().map(|entry| self.hold(entry)).collect()
    }
}

impl HeldEntry {
    /// Whether it is not known yet if the event happened.
    #[must_use]
    pub fn is_intent(&self) -> bool {
        matches!(&self.place, HeldPlace::File { path, .. } if is_intent(path))
    }

    /// Says that the event happened.
    ///
    /// # Errors
    /// When the file cannot be renamed; the intent stays, and the registry is asked later.
    pub fn confirm(self) -> io::Result<Self> {
        let place = match self.place {
            HeldPlace::File { path, _locked } => {
                let confirmed = path.with_extension("event");
                fs::rename(&path, &confirmed)?;
                HeldPlace::File { path: confirmed, _locked }
            }
            HeldPlace::Memory(outbox) => HeldPlace::Memory(outbox),
        };
        Ok(Self { entry: self.entry, place })
    }

    /// Leaves it for a later delivery.
    pub fn leave(self) {
        if let HeldPlace::Memory(outbox) = self.place {
            outbox.memory.lock().unwrap_or_else(PoisonError::into_inner).push(self.entry);
        }
    }

    /// Removes it: it is delivered, or tells of nothing that happened.
    pub fn remove(self) {
        if let HeldPlace::File { path, .. } = &self.place {
            // A file that stays is delivered again, with the same id.
            let _ = std::fs::remove_file(path);
            let _ = std::fs::remove_file(path.with_extension("tries"));
        }
    }

    /// How often it was tried.
    #[must_use]
    pub fn tries(&self) -> OutboxTries {
        match &self.place {
            HeldPlace::File { path, .. } => tries(path),
            HeldPlace::Memory(_) => OutboxTries::default(),
        }
    }

    /// Remembers how often it was tried, as far as that is possible.
    pub fn remember(&self, tries: &OutboxTries) {
        if let HeldPlace::File { path, .. } = &self.place
            && let Ok(text) = serde_json::to_vec(tries)
        {
            let path = path.with_extension("tries");
            let _ = atomic::replace(&path, &text, DRAFT, NewFileMode::Private, None, Durability::Relaxed);
        }
    }

    /// The age of the event at `now`, in milliseconds.
    #[must_use]
    pub fn age(&self, now: EventTime) -> u64 {
        now.milliseconds().saturating_sub(self.entry.event.time.milliseconds())
    }
}

/// The time that a name begins with.
fn time_in(name: &OsString) -> Option<u64> {
    name.to_str()?.split('-').next()?.parse().ok()
}

fn is_intent(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "intent")
}

/// Opens a regular file that is no link. A pipe blocks nothing.
fn open(path: &Path, writes: bool) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits())
        .map_err(io::Error::other)?;
    let refused =
        |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"));
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return Err(refused("a symbolic link"));
    }
    // To open a device can have effects, so it is asked first; then again, because it may have changed.
    let file = match kind.is_file() {
        true => OpenOptions::new().read(true).write(writes).custom_flags(flags).open(path)?,
        false => return Err(refused("a pipe, a device or a directory")),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("a pipe or a device")) }
}

fn text_in(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if file.take(LONGEST_ENTRY + 1).read_to_end(&mut text)? as u64 > LONGEST_ENTRY {
        return Err(io::Error::other(format!("it has more than {LONGEST_ENTRY} bytes")));
    }
    Ok(text)
}

fn entry_in(file: &mut File) -> io::Result<OutboxEntry> {
    serde_json::from_slice(&text_in(file)?).map_err(io::Error::other)
}

/// The result of looking at `path`; `None` where nothing is.
fn found<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, DamagedEntry> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DamagedEntry { path: path.to_owned(), why: error.to_string() }),
    }
}

fn tries(path: &Path) -> OutboxTries {
    let text = open(&path.with_extension("tries"), false).and_then(|mut file| text_in(&mut file));
    text.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::event::example;
    use super::*;
    use crate::types::delivery::{DeliveryKind, EventForm};

    fn entry(url: &str) -> OutboxEntry {
        let receiver = Receiver {
            url: url.parse().expect("an address"),
            form: EventForm::Webhook,
            on: BTreeSet::new(),
            secret: None,
            required: false,
            timeout: Duration::from_secs(1),
        };
        OutboxEntry { event: example(DeliveryKind::Push), receiver }
    }

    #[test]
    fn an_intent_becomes_an_event_and_goes() {
        let store = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::new(Some(store.path()));
        assert!(outbox.names().expect("none").is_empty());
        let held = outbox.intend(entry("http://h/one")).expect("written");
        let names = outbox.names().expect("one");
        assert_eq!(names.len(), 1);
        // It belongs to the process that made it.
        let claim = |name: &OsString| outbox.claim(name).expect("no damage");
        assert!(claim(&names[0]).is_none());
        assert!(held.is_intent());
        let held = held.confirm().expect("renamed");
        assert!(claim(&names[0]).is_none(), "its old name is gone");
        let names = outbox.names().expect("one");
        assert!(claim(&names[0]).is_none());
        held.remember(&OutboxTries { count: 2, not_before: 9, why: "no".to_owned() });
        held.leave();
        let held = claim(&names[0]).expect("free");
        assert_eq!((held.is_intent(), held.tries().count), (false, 2));
        assert_eq!(held.entry, entry("http://h/one"));
        held.remove();
        assert_eq!(std::fs::read_dir(store.path().join("outbox")).expect("a directory").count(), 0);
    }

    #[test]
    fn a_clock_that_goes_back_changes_no_order() {
        let store = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::new(Some(store.path()));
        let times = [1_700_000_000_000, 1_600_000_000_000, 1_650_000_000_000, 1_700_000_000_001];
        for time in times {
            let mut entry = entry("http://h/one");
            entry.event.time = EventTime::from_milliseconds(time);
            outbox.intend(entry).expect("written").leave();
        }
        let names = outbox.names().expect("four");
        let held = names.iter().map(|name| {
            let held = outbox.claim(name).expect("no damage").expect("free");
            held.entry.event.time.milliseconds()
        });
        assert_eq!(held.collect::<Vec<_>>(), [times[0], times[1], times[2], times[3]]);
    }

    #[test]
    fn receivers_have_files_of_their_own_which_only_the_owner_reads() {
        let store = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::new(Some(store.path()));
        for url in ["http://h/one", "http://h/two"] {
            outbox.intend(entry(url)).expect("written").confirm().expect("renamed").leave();
        }
        let names = outbox.names().expect("two");
        assert_eq!(names.len(), 2);
        for name in names {
            let metadata = std::fs::metadata(store.path().join("outbox").join(name)).expect("a file");
            assert_eq!(metadata.mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_entry_is_told_of_and_not_followed() {
        let store = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::new(Some(store.path()));
        outbox.intend(entry("http://h/one")).expect("written").leave();
        let names = outbox.names().expect("one");
        let path = store.path().join("outbox").join(&names[0]);
        let whole = std::fs::read(&path).expect("read");
        let elsewhere = store.path().join("elsewhere");
        std::fs::write(&elsewhere, &whole).expect("written");
        let damaged = |says: &str| {
            let (claimed, looked) =
                (outbox.claim(&names[0]).expect_err(says), outbox.look(&names[0]).expect_err(says));
            assert_eq!(claimed, looked);
            assert!(claimed.path == path && claimed.why.contains(says), "{claimed:?}");
            std::fs::remove_file(&path).expect("removed");
        };
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("cut off");
        damaged("EOF while parsing");
        std::fs::write(&path, vec![b' '; 300 << 10]).expect("written");
        damaged("more than 262144 bytes");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
        damaged("a symbolic link");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .expect("a pipe");
        damaged("a pipe");
        assert!(
            outbox.claim(&names[0]).expect("no damage").is_none()
                && outbox.look(&names[0]).expect("none").is_none()
        );
        std::fs::write(&path, &whole).expect("written");
        assert!(outbox.claim(&names[0]).expect("no damage").is_some());
    }

    #[test]
    fn without_a_store_entries_wait_in_memory() {
        let outbox = Outbox::new(None);
        assert!(outbox.intend(entry("http://h/one")).is_err());
        let held = outbox.hold(entry("http://h/one"));
        held.confirm().expect("nothing to do").leave();
        assert_eq!(outbox.take_memory().len(), 1);
        assert_eq!(outbox.take_memory().len(), 0);
    }
}
