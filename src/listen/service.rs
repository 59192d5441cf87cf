//! The service as a whole: how it starts, also after a crash, and how it ends.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use fs_err as fs;

use super::action::Action;
use super::job_queue::JobQueue;
use super::journal::Journal;
use super::metrics::Metrics;
use super::runner;
use super::server;
use super::settings::{DEFAULT_ADDRESS, ListenSettings, SourceSettings, secret_place};
use super::state::{MessageSource, ServiceState, Tell};
use super::verify::SourceSecret;
use crate::notify::{Now, SecretError, SigningKey, Variables};
use crate::registry::Client;
use crate::runtime::deadline;
use crate::runtime::interrupt::Interrupt;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Runs at the same time where nothing else is set.
const DEFAULT_CONCURRENCY: u32 = 2;
/// How long runs may go on after the end was asked for, where nothing else is set.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// The part that the command line passes in.
pub struct ListenOptions {
    /// The directory of what waits, where the settings name none.
    pub state: PathBuf,
    /// Where commands run.
    pub directory: PathBuf,
    /// The environment.
    pub variables: Arc<Variables>,
    /// The current time.
    pub now: Arc<Now>,
    /// The way to registries and receivers.
    pub client: Client,
    /// Receives news.
    pub tell: Arc<Tell>,
    /// Receives what an operator should look at.
    pub warn: Arc<Tell>,
    /// Set when the service is to end.
    pub interrupt: Interrupt,
}

/// Why the service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A secret is not there.
    #[error("cannot check what is sent to `{path}`: {source}")]
    Secret {
        /// The path of the source.
        path: String,
        /// Why.
        source: SecretError,
    },
    /// The secret of an action is not there.
    #[error("cannot sign what `{action}` posts: {source}")]
    ActionSecret {
        /// The action.
        action: String,
        /// Why.
        source: SecretError,
    },
    /// The directory cannot be used.
    #[error("cannot use the directory `{}`", shown_path(path))]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another service has it.
    #[error("another `pack listen` uses the directory `{}`", shown_path(.0))]
    Taken(PathBuf),
    /// The address cannot be had.
    #[error("cannot listen on `{address}`")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The journal cannot be written any more.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
    /// The system gives no threads, or the server failed.
    #[error("the server failed")]
    Server(#[source] io::Error),
}

impl Explain for ListenError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Secret { .. } | Self::ActionSecret { .. } => Some(ErrorCode::SecretMissing),
            Self::State { source, .. } | Self::Journal(source) => io_code(source, ErrorCode::FileUnwritable),
            Self::Taken(_) | Self::Address { .. } => Some(ErrorCode::AddressTaken),
            Self::Server(source) => io_code(source, ErrorCode::SystemLimit),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Secret { .. } | Self::ActionSecret { .. } => {
                "set the variable, or write the file".to_owned()
            }
            Self::Taken(_) => "stop the other one, or set another `state`".to_owned(),
            Self::Address { .. } => "set another `address`".to_owned(),
            Self::Journal(_) => {
                "make room on the disk, and start it again: nothing that was accepted is lost".to_owned()
            }
            Self::State { .. } => "set `state` to a directory that can be written".to_owned(),
            Self::Server(_) => return None,
        })
    }
}

/// Checks that the secrets of all sources and actions are there.
///
/// # Errors
/// When one is not.
pub fn check(settings: &ListenSettings, variables: &Variables) -> Result<(), ListenError> {
    for source in &settings.sources {
        open_source(source, variables)?;
    }
    for action in &settings.actions {
        if let Some(place) = secret_place(action.secret_env.as_ref(), action.secret_file.as_ref()) {
            let path = action.name.as_str().to_owned();
            place.key(variables).map_err(|source| ListenError::ActionSecret { action: path, source })?;
        }
    }
    Ok(())
}

/// Runs the service until it is interrupted.
///
/// # Errors
/// When it cannot start, or its journal cannot be written any more.
pub fn run(settings: &ListenSettings, options: ListenOptions) -> Result<(), ListenError> {
    let ListenOptions { state, directory, variables, now, client, tell, warn, interrupt } = options;
    check(settings, &*variables)?;
    let sources = settings.sources.iter().map(|source| open_source(source, &*variables));
    let sources: Vec<MessageSource> = sources.collect::<Result<_, _>>()?;
    let path = settings.state.as_ref().map_or(state, |state| state.value.path().to_owned());
    let _lock = lock(&path)?;
    let unusable = |source| ListenError::State { path: path.clone(), source };
    let (journal, records, damaged) = Journal::open(&path).map_err(unusable)?;
    if damaged > 0 {
        warn(&format!("{damaged} damaged lines of the journal do not count"));
    }
    let mut queue = JobQueue::default();
    for record in &records {
        queue.apply(record);
    }
    let address = settings.address.as_ref().map_or(DEFAULT_ADDRESS, |address| address.value.0);
    let cannot_listen = |source| ListenError::Address { address, source };
    let listener = TcpListener::bind(address).map_err(cannot_listen)?;
    let local = listener.local_addr().map_err(cannot_listen)?;
    let state = Arc::new(ServiceState {
        jobs: Mutex::new(queue),
        work: Condvar::new(),
        journal,
        compacted: AtomicU64::new(0),
        metrics: Metrics::default(),
        connections: Arc::new(AtomicUsize::new(0)),
        sources,
        actions: settings.actions.iter().map(Action::new).collect(),
        client,
        variables,
        now,
        directory,
        hidden: settings.secret_variables().map(str::to_owned).collect(),
        tell,
        warn,
        is_ending: AtomicBool::new(false),
        deadline: Mutex::new(None),
        interrupt,
    });
    state.recover();
    (state.tell)(&format!("listening on http://{local}"));
    let concurrency = settings.concurrency.as_ref().map_or(DEFAULT_CONCURRENCY, |count| count.value.get());
    let grace = settings.grace.as_ref().map_or(DEFAULT_GRACE, |grace| grace.value.duration());
    let served = std::thread::scope(|scope| {
        let mut runs = Vec::new();
        for _ in 0..concurrency {
            let state = &state;
            match crate::runtime::workers::spawn(scope, "run", move || runner::work(state)) {
                Ok(run) => runs.push(run),
                Err(error) => {
                    state.end();
                    return Err(io::Error::other(error));
                }
            }
        }
        let served = server::serve(&state, listener);
        *state.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline::after(grace));
        state.end();
        served
    });
    served.map_err(ListenError::Server)?;
    state.journal.wait(state.journal.ticket()).map_err(ListenError::Journal)?;
    let waiting = state.queue().waiting();
    (state.tell)(&format!("ended; {waiting} waiting"));
    Ok(())
}

fn open_source(settings: &SourceSettings, variables: &Variables) -> Result<MessageSource, ListenError> {
    let path = settings.path.as_str().to_owned();
    let place = secret_place(settings.secret_env.as_ref(), settings.secret_file.as_ref());
    let secret = |place: crate::notify::SecretPlace| {
        let secret = place.secret(variables)?;
        let key = SigningKey::new(&secret).map_err(|why| SecretError::Unusable { place, why })?;
        Ok(SourceSecret::new(secret, key))
    };
    // The settings are checked: there is one.
    let place = place.unwrap_or_else(|| crate::notify::SecretPlace::Env(String::new()));
    let secret = secret(place).map_err(|source| ListenError::Secret { path: path.clone(), source })?;
    let registry = settings.registry.as_ref().map(|registry| registry.value.clone());
    Ok(MessageSource { path, kind: settings.kind.value, registry, secret })
}

/// Keeps other services out of the directory, which is made if it is missing.
fn lock(path: &Path) -> Result<std::fs::File, ListenError> {
    let unusable = |source| ListenError::State { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(unusable)?;
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
    let (file, _) = file.map_err(unusable)?.into_parts();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ListenError::Taken(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}
