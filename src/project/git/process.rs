//! Runs git in a repository, in a directory of our own that stands for the repository's.
//!
//! It has our configuration, HEAD, and links to the repository's branches and patterns; objects, index and working tree are
//! the repository's, by variables. So git never reads the repository's configuration, has no hook, no remote to fetch
//! from, no filter, and does not ask who owns what: there is nothing of the owner's that it could run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::config::{self, Own};
use super::repository::Repository;
use super::{GitError, Surroundings};
use crate::runtime::input;

/// The most bytes of one record of what git prints.
const MAX_RECORD: u64 = 1 << 20;

/// git, for one repository.
pub(super) struct Git<'a> {
    program: &'a Path,
    repository: &'a Repository,
    variables: Vec<(&'static str, OsString)>,
    patience: Duration,
    /// How many were started.
    started: AtomicUsize,
    /// Removed with this.
    stand_in: TempDir,
}

impl<'a> Git<'a> {
    /// Makes the directory that stands for the repository's.
    ///
    /// # Errors
    /// When it cannot be made, or the repository has something in the place of a file.
    pub(super) fn new(
        program: &'a Path,
        repository: &'a Repository,
        around: &Surroundings<'_>,
    ) -> Result<Self, GitError> {
        let stand_in = tempfile::Builder::new().prefix("pack-git-").tempdir_in(around.temporary);
        let stand_in = stand_in
            .map_err(|source| GitError::Temporary { directory: around.temporary.to_owned(), source })?;
        let Repository { top, own, common, entries, format } = repository;
        let refused = |message: String| GitError::Refused { directory: top.clone(), message };
        let at = |name: &str| stand_in.path().join(name);
        let temporary = |source| GitError::Temporary { directory: around.temporary.to_owned(), source };
        let head = input::read(&own.join("HEAD"), super::repository::MAX_LINE)
            .map_err(|error| refused(format!("`HEAD` cannot be read: {error}")))?;
        std::fs::write(at("HEAD"), head).map_err(temporary)?;
        let home = (around.variable)("HOME").map(PathBuf::from);
        let [files, given] = config::of_user(around.variable);
        let all = files.iter().chain(entries).chain(&given);
        let config = Own::new(all, format, home.as_deref(), top).to_bytes();
        std::fs::write(at("config"), config).map_err(temporary)?;
        std::fs::create_dir(at("info")).map_err(temporary)?;
        let links = [
            (common.join("info/exclude"), "info/exclude"),
            (common.join("info/attributes"), "info/attributes"),
            (own.join("info/sparse-checkout"), "info/sparse-checkout"),
            (common.join("packed-refs"), "packed-refs"),
        ];
        for (file, name) in links {
            match input::open(&file) {
                Ok(_) => std::os::unix::fs::symlink(&file, at(name)).map_err(temporary)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused(format!("`{}` cannot be read: {error}", file.display()))),
            }
        }
        let references: &[&str] = if format.references.is_some() { &["refs", "reftable"] } else { &["refs"] };
        for name in references {
            std::os::unix::fs::symlink(common.join(name), at(name)).map_err(temporary)?;
        }
        for file in [own.join("index"), common.join("objects/info/alternates")] {
            if let Err(error) = input::open(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(refused(format!("`{}` cannot be read: {error}", file.display())));
            }
        }
        let path = std::env::join_paths(around.search_path).unwrap_or_default();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("PATH", path),
            ("GIT_DIR", stand_in.path().into()),
            ("GIT_WORK_TREE", top.into()),
            ("GIT_INDEX_FILE", own.join("index").into()),
            ("GIT_OBJECT_DIRECTORY", common.join("objects").into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_SYSTEM", "/dev/null".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            // What is replaced or fetched later would be another answer on another machine.
            ("GIT_NO_REPLACE_OBJECTS", "1".into()),
            ("GIT_NO_LAZY_FETCH", "1".into()),
            // Messages are shown, and the index is not ours to refresh.
            ("LC_ALL", "C".into()),
            ("GIT_OPTIONAL_LOCKS", "0".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
        ];
        // Where the patterns of what the user never wants to see are.
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            variables.extend((around.variable)(name).map(|value| (name, value)));
        }
        Ok(Self {
            program,
            repository,
            variables,
            patience: around.patience,
            started: AtomicUsize::new(0),
            stand_in,
        })
    }

    /// Starts git with `input` on stdin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, arguments: &[&str], input: &[u8]) -> Result<Running, GitError> {
        self.spawn(arguments, input).map_err(GitError::Run)
    }

    fn spawn(&self, arguments: &[&str], input: &[u8]) -> io::Result<Running> {
        // Files instead of pipes: neither side can wait for the other.
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let file = |what: &str| self.stand_in.path().join(format!("{number}.{what}"));
        let stdin = match input {
            [] => Stdio::null(),
            input => {
                std::fs::write(file("in"), input)?;
                File::open(file("in"))?.into()
            }
        };
        let errors = file("err");
        let mut child = Command::new(self.program)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.repository.top)
            .arg("--no-pager")
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
        let child = Arc::new(Mutex::new(child));
        let (done, is_done) = channel();
        let (watched, patience) = (Arc::clone(&child), self.patience);
        let watch = thread::Builder::new().name("git".to_owned()).spawn(move || {
            let is_late = is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
            if is_late {
                let _ = lock(&watched).kill();
            }
            is_late
        });
        let watch = match watch {
            Ok(watch) => Some((done, watch)),
            Err(error) => {
                let _ = lock(&child).kill();
                let _ = lock(&child).wait();
                return Err(error);
            }
        };
        Ok(Running { child, out, errors, watch, is_stopped: false, directory: self.repository.top.clone() })
    }
}

/// The program `name` in `directories`.
pub(super) fn find_program(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let is_program =
        |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    directories
        .iter()
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(is_program)
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A git that was started. It is killed when it is dropped before its end.
pub(super) struct Running {
    child: Arc<Mutex<Child>>,
    out: BufReader<ChildStdout>,
    errors: PathBuf,
    /// Kills it when it takes too long, and says whether it did.
    watch: Option<(Sender<()>, JoinHandle<bool>)>,
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
        let (is_late, status) = self.end();
        if is_late {
            return Err(GitError::TooLong { directory: self.directory.clone() });
        }
        let status = status.map_err(GitError::Run)?;
        if status.success() || self.is_stopped {
            return Ok(());
        }
        let mut said = Vec::new();
        if let Ok(file) = File::open(&self.errors) {
            let _ = file.take(4096).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().next().unwrap_or("it gave no reason");
        let message = line.trim_start_matches("fatal: ").to_owned();
        Err(GitError::Refused { directory: self.directory.clone(), message })
    }

    fn end(&mut self) -> (bool, io::Result<ExitStatus>) {
        let is_late = self.watch.take().is_some_and(|(done, watch)| {
            drop(done);
            watch.join().unwrap_or(false)
        });
        (is_late, lock(&self.child).wait())
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
