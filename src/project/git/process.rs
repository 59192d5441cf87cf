//! Runs git: with a time, in an environment that is given whole, and without waiting for each other.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::GitError;
use super::obstacle;

/// The most bytes of one record of what git prints.
const MAX_RECORD: u64 = 1 << 20;
/// How long git may take before it is looked what it may wait for.
const SOON: Duration = Duration::from_secs(1);

/// git, and how it is run.
pub(super) struct Program<'a> {
    /// The program.
    pub(super) path: &'a Path,
    /// Where it runs.
    pub(super) directory: &'a Path,
    /// The top of the working tree that it is about: errors name it.
    pub(super) top: &'a Path,
    /// A directory for what it reads on standard input and for what it complains of.
    pub(super) files: &'a Path,
    /// All variables that it sees.
    pub(super) variables: &'a [(String, OsString)],
    /// How long it may take.
    pub(super) patience: Duration,
    /// The repository's directories, where git works in the working tree.
    pub(super) read: Option<[&'a Path; 2]>,
}

impl Program<'_> {
    /// Starts it with `input` on stdin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, arguments: &[&str], input: &[u8]) -> Result<Running, GitError> {
        self.spawn(arguments, input).map_err(GitError::Run)
    }

    fn spawn(&self, arguments: &[&str], input: &[u8]) -> io::Result<Running> {
        // Files instead of pipes: neither side can wait for the other. They have no name, so that runs share nothing.
        let stdin = match input {
            [] => Stdio::null(),
            input => given(self.files, input)?.into(),
        };
        let errors = tempfile::tempfile_in(self.files)?;
        let mut child = Command::new(self.path)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory)
            .arg("--no-pager")
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?)
            .spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
        let child = Arc::new(Mutex::new(child));
        let (done, is_done) = channel();
        let watcher = Watcher {
            child: Arc::clone(&child),
            is_done,
            patience: self.patience,
            top: self.top.to_owned(),
            read: self.read.map(|read| read.map(Path::to_owned)),
        };
        let watch = match thread::Builder::new().name("git".to_owned()).spawn(move || watcher.watch()) {
            Ok(watch) => Some((done, watch)),
            Err(error) => {
                let _ = lock(&child).kill();
                let _ = lock(&child).wait();
                return Err(error);
            }
        };
        Ok(Running { child, out, errors, watch, is_stopped: false, directory: self.top.to_owned() })
    }
}

/// A file of these bytes, to be read from its beginning.
fn given(directory: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// How a run ended, as its watcher sees it.
enum ProcessEnd {
    /// By itself.
    InTime,
    /// Killed: its time was over.
    Late,
    /// Killed: it waited for this.
    Blocked(PathBuf),
}

/// Kills a git that takes too long, or that waits for what never comes.
struct Watcher {
    child: Arc<Mutex<Child>>,
    is_done: Receiver<()>,
    patience: Duration,
    top: PathBuf,
    read: Option<[PathBuf; 2]>,
}

impl Watcher {
    fn watch(&self) -> ProcessEnd {
        let started = Instant::now();
        let is_over = |time: Duration| self.is_done.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
        if is_over(SOON.min(self.patience)) {
            return ProcessEnd::InTime;
        }
        let is_late = || started.elapsed() >= self.patience;
        if let Some([own, common]) = &self.read {
            let is_done = || self.is_done.try_recv() != Err(TryRecvError::Empty) || is_late();
            if let Some(file) = obstacle::find(&self.top, [own, common], is_done) {
                let _ = lock(&self.child).kill();
                return ProcessEnd::Blocked(file);
            }
        }
        if is_over(self.patience.saturating_sub(started.elapsed())) {
            return ProcessEnd::InTime;
        }
        let _ = lock(&self.child).kill();
        ProcessEnd::Late
    }
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A git that was started. It is killed when it is dropped before its end.
pub(super) struct Running {
    child: Arc<Mutex<Child>>,
    out: BufReader<ChildStdout>,
    /// Its complaints.
    errors: File,
    /// Kills it where it must be, and says whether it did.
    watch: Option<(Sender<()>, JoinHandle<ProcessEnd>)>,
    is_stopped: bool,
    directory: PathBuf,
}

impl Running {
    /// The next record of the output, without the byte that ends it; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any that git prints.
    pub(super) fn record(&mut self, end: u8) -> Result<Option<Vec<u8>>, GitError> {
        let mut record = Vec::new();
        (&mut self.out).take(MAX_RECORD).read_until(end, &mut record).map_err(GitError::Run)?;
        match record.pop() {
            None => Ok(None),
            Some(last) if last == end => Ok(Some(record)),
            Some(_) if record.len() as u64 + 1 >= MAX_RECORD => {
                let message = "what it prints is longer than 1 MiB".to_owned();
                Err(GitError::Refused { directory: self.directory.clone(), message })
            }
            Some(last) => {
                record.push(last);
                Ok(Some(record))
            }
        }
    }

    /// The next `size` bytes of the output.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn bytes(&mut self, size: usize) -> Result<Vec<u8>, GitError> {
        let mut bytes = vec![0; size];
        self.out.read_exact(&mut bytes).map_err(GitError::Run)?;
        Ok(bytes)
    }

    /// Ends it: what it said is enough.
    pub(super) fn stop(mut self) {
        self.is_stopped = true;
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it failed, with the first line of what it said, or took too long.
    pub(super) fn finish(mut self) -> Result<(), GitError> {
        let (end, status) = self.end();
        match end {
            ProcessEnd::InTime => {}
            ProcessEnd::Late => return Err(GitError::TooLong { directory: self.directory.clone() }),
            ProcessEnd::Blocked(file) => return Err(GitError::Blocked { file }),
        }
        let status = status.map_err(GitError::Run)?;
        if status.success() || self.is_stopped {
            return Ok(());
        }
        let mut said = Vec::new();
        // The file is shared with git, and so is the place in it.
        if self.errors.rewind().is_ok() {
            let _ = (&self.errors).take(4096).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().next().unwrap_or("it gave no reason");
        let message = line.trim_start_matches("fatal: ").to_owned();
        Err(GitError::Refused { directory: self.directory.clone(), message })
    }

    fn end(&mut self) -> (ProcessEnd, io::Result<ExitStatus>) {
        let end = self.watch.take().map_or(ProcessEnd::InTime, |(done, watch)| {
            drop(done);
            watch.join().unwrap_or(ProcessEnd::InTime)
        });
        (end, lock(&self.child).wait())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.watch.is_some() {
            let _ = lock(&self.child).kill();
            let _ = self.end();
        }
    }
}

/// A path as git prints it.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}
