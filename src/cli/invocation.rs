//! The start of every command: flags, environment, terminal, and the store and registries that they lead to.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::args::{Global, RegistryArgs};
use super::environment::Environment;
use super::error::{CommandError, ExitStatus};
use super::files_of_run::FilesOfRun;
use super::printer::Printer;
use super::timings::Recorder;
use crate::engine;
use crate::notify::Outbox;
use crate::project::config::{self, Document, Overrides, RegistryOptions, Settings, UserFile, url_as_source};
use crate::registry::{self, Client, Credentials, Mirror, ProxySettings, RegistrySettings, Secret};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::{LayoutError, Scratch, Store};
use crate::transport::Source;
use crate::transport::archive::Archive;
use crate::transport::docker::{self, Engine};
use crate::transport::layout::OciLayout;
use crate::types::digest::Digest;
use crate::types::error_code::ErrorCode;
use crate::types::location::{Location, Name};
use crate::types::reference::{Reference, Registry};
use crate::types::shown::shown_path;

pub use crate::project::config::BUILD_FILE;

/// The most threads for each processor.
const MOST_JOBS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// One invocation of the program.
pub struct Invocation {
    /// The environment.
    pub environment: Environment,
    /// The terminal.
    pub printer: Printer,
    /// Receives progress events.
    pub progress: Progress,
    /// Records the events, if `--timings` asks for them.
    pub recorder: Option<Recorder>,
    /// Set by Ctrl-C.
    pub interrupt: Interrupt,
    /// When the program started.
    pub started: Instant,
    /// Flags of every command.
    pub global: Global,
    /// Flags of every command that reaches registries.
    pub registries: RegistryArgs,
    /// The store of this run, where nothing says where one is that lasts.
    pub temporary: OnceLock<Option<PathBuf>>,
    /// Where blobs go in this run that the store does not take.
    pub scratch: Scratch,
    /// The events that wait; see [`Invocation::outbox`].
    pub outbox: OnceLock<Outbox>,
    /// The files that it reads images from, and those that it writes.
    pub files: FilesOfRun,
}

impl Invocation {
    /// The same invocation for another build of the same process, which begins at this moment.
    #[must_use]
    pub fn renewed(&self, started: Instant, now: SystemTime) -> Self {
        Self {
            environment: self.environment.at(now),
            printer: self.printer.clone(),
            progress: self.progress.clone(),
            recorder: self.recorder.clone(),
            interrupt: self.interrupt.clone(),
            started,
            global: self.global.clone(),
            registries: self.registries.clone(),
            temporary: self.temporary.clone(),
            scratch: self.scratch.clone(),
            outbox: OnceLock::new(),
            files: FilesOfRun::default(),
        }
    }

    /// `path` as it is from the directory that the program was started in.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.environment.cwd.join(path)
    }

    /// The absolute path of an artifact or a project that was given as an argument.
    ///
    /// # Errors
    /// When it is a URL.
    pub fn source(&self, path: &Path) -> Result<PathBuf, CommandError> {
        match path.to_str().and_then(url_as_source) {
            Some((message, hint)) => Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::ArtifactUnknown)
                .hint(hint)),
            None => Ok(self.absolute(path)),
        }
    }

    /// Opens the local store.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub fn store(&self) -> Result<Store, CommandError> {
        let dir = self.environment.cache_dir(self.global.cache_dir.as_deref())?;
        Ok(Store::open(&self.absolute(&dir), &self.progress))
    }

    /// Opens the local store to tell what is in it, which a command cannot do without.
    ///
    /// # Errors
    /// When nothing says where it is, or this user may not read it.
    pub fn store_to_read(&self) -> Result<Store, CommandError> {
        let dir = self.absolute(&self.environment.cache_dir(self.global.cache_dir.as_deref())?);
        // Nothing is opened: a pipe would wait for its other end.
        let denied = |name: &&&str| access(dir.join(name), Access::READ_OK) == Err(Errno::ACCESS);
        match ["oci-layout", "index.json"].iter().find(denied) {
            None => self.store(),
            Some(name) => {
                let path = dir.join(name);
                let why = format!("this user may not read the local store: `{}`", shown_path(&path));
                Err(CommandError::new(ExitStatus::Input, why)
                    .coded(ErrorCode::StoreUnusable)
                    .hint("let this user read it, or set `PACK_CACHE_DIR` to another one"))
            }
        }
    }

    /// The outbox of events, in the local store. Without a store events wait in memory.
    pub fn outbox(&self) -> &Outbox {
        self.outbox.get_or_init(|| {
            let directory = self.environment.cache_dir(self.global.cache_dir.as_deref()).ok();
            Outbox::new(directory.map(|directory| self.absolute(&directory)).as_deref())
        })
    }

    /// Opens the local store to work with: where nothing says where it is, one that lasts as long as the program.
    ///
    /// # Errors
    /// When nothing says where it is, and none can be made.
    pub fn store_of_run(&self) -> Result<Store, CommandError> {
        let no_place = match self.store() {
            Ok(store) => return Ok(store),
            Err(no_place) => no_place,
        };
        let make = || {
            let made = self.scratch.dir().ok()?.join("store");
            self.printer.note(
                "there is no HOME, so the local store lasts for this run alone; `PACK_CACHE_DIR` names one that stays",
            );
            Some(made)
        };
        let made = self.temporary.get_or_init(make).as_ref().ok_or(no_place)?;
        Ok(Store::open(made, &self.progress))
    }

    /// A client for registries where there is no project, which opens nothing before it is asked something.
    ///
    /// # Errors
    /// When the user's configuration is not valid.
    pub fn client(&self) -> Result<Client, CommandError> {
        Ok(self.client_with(self.credentials(None), self.registries(None)?))
    }

    /// A client for registries in a project, whose file may come from anyone: what it adds is said.
    ///
    /// # Errors
    /// When the user's configuration is not valid.
    pub fn client_of(&self, settings: &Settings) -> Result<Client, CommandError> {
        let user = self.user_registries()?;
        for addition in settings.additions(&user) {
            self.printer.warning(addition.to_string());
        }
        let registries = self.with_flags(&settings.registries_with(&user))?;
        Ok(self.client_with(self.credentials(None), registries))
    }

    /// Where logins are, or in `authfile` alone.
    #[must_use]
    pub fn credentials(&self, authfile: Option<&Path>) -> Credentials {
        let environment = &self.environment;
        let helper_path = environment.raw("PATH").map(ToOwned::to_owned);
        if let Some(file) = authfile {
            let registry_auth_file = Some(self.absolute(file));
            return Credentials { registry_auth_file, helper_path, ..Credentials::default() };
        }
        Credentials {
            docker_auth_config: environment.docker_auth_config().map(Secret::new),
            registry_auth_file: environment.registry_auth_file(),
            xdg_runtime_dir: environment.runtime_dir(),
            xdg_config_home: environment.config_home(),
            docker_config: environment.docker_config(),
            home: environment.home(),
            helper_path,
            ..Credentials::default()
        }
    }

    /// How registries are reached where there is no project: what flags say, then `file`, which is a flag, too, then
    /// the user's configuration. Files in the working directory do not count.
    ///
    /// # Errors
    /// When a file is not valid.
    pub fn registries(
        &self,
        file: Option<&Path>,
    ) -> Result<BTreeMap<Registry, RegistrySettings>, CommandError> {
        let user = self.user_registries()?;
        let Some(file) = file else { return self.with_flags(&user) };
        let document = Document::read(&self.absolute(file))?;
        let settings = Settings::resolve(document, &Overrides::default(), &Overrides::default())?;
        self.with_flags(&config::merge(&settings.registries, &user))
    }

    /// The user's own settings for registries.
    fn user_registries(&self) -> Result<BTreeMap<Registry, RegistryOptions>, CommandError> {
        let Some(path) = self.environment.user_config() else { return Ok(BTreeMap::new()) };
        let file = match UserFile::read(&path) {
            // A HOME of somebody else, as under sudo: what is in it was not written for this user.
            Err(config::ConfigError::Read { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                let path = shown_path(&path);
                self.printer
                    .warning(format!("`{path}` cannot be read: its settings of registries do not count"));
                None
            }
            read => read?,
        };
        Ok(file.map(|file| file.registries).unwrap_or_default())
    }

    /// `options` for the client, with what flags say.
    fn with_flags(
        &self,
        options: &BTreeMap<Registry, RegistryOptions>,
    ) -> Result<BTreeMap<Registry, RegistrySettings>, CommandError> {
        let RegistryArgs { plain_http, skip_tls_verify, ca_file: _ } = &self.registries;
        if let Some(both) = plain_http.iter().find(|host| skip_tls_verify.contains(host)) {
            let message =
                format!("`--plain-http {both}` and `--skip-tls-verify {both}` contradict each other");
            return Err(
                CommandError::usage(message).hint("`--plain-http` alone is enough: there is no certificate")
            );
        }
        let mut settings: BTreeMap<Registry, RegistrySettings> =
            options.iter().map(|(host, options)| (host.clone(), registry_settings(options))).collect();
        for host in plain_http {
            let own = settings.entry(host.clone()).or_default();
            (own.plain_http, own.skip_tls_verify) = (Some(true), false);
        }
        for host in skip_tls_verify {
            let own = settings.entry(host.clone()).or_default();
            (own.plain_http, own.skip_tls_verify) = (Some(false), true);
        }
        Ok(settings)
    }

    /// A client with other logins or settings than those of a build.
    #[must_use]
    pub fn client_with(
        &self,
        credentials: Credentials,
        registries: BTreeMap<Registry, RegistrySettings>,
    ) -> Client {
        let environment = &self.environment;
        let given = self.registries.ca_file.iter().map(|file| self.absolute(file));
        let proxies = environment.proxies();
        let proxy = (proxies.https.is_some() || proxies.http.is_some() || proxies.all.is_some()).then(|| {
            let or_all = |one: Option<String>| one.or_else(|| proxies.all.clone()).map(Secret::new);
            ProxySettings {
                https: or_all(proxies.https.clone()),
                http: or_all(proxies.http.clone()),
                no_proxy: proxies.none.clone().unwrap_or_default(),
            }
        });
        let settings = registry::ClientSettings {
            credentials,
            registries,
            ca_files: environment.ssl_cert_file().into_iter().chain(given).collect(),
            proxy,
            engines: environment.engine_files(),
            scratch: Some(self.scratch.parent().to_owned()),
            ..registry::ClientSettings::default()
        };
        Client::new(settings, self.progress.clone(), self.interrupt.clone())
    }

    /// The Docker or Podman that `DOCKER_HOST` names, else the first of the usual sockets that answers.
    ///
    /// # Errors
    /// When there is none.
    pub fn engine(&self) -> Result<Engine, CommandError> {
        let given = self.environment.text("DOCKER_HOST").filter(|host| !host.is_empty());
        if let Some(host) = given {
            return Ok(Engine::find([docker::socket_of(host)?], &self.interrupt)?);
        }
        let of_user = self.environment.runtime_dir().map(|directory| directory.join("podman/podman.sock"));
        let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
        let [docker, podman] = usual;
        Ok(Engine::find([Some(docker), of_user, Some(podman)].into_iter().flatten(), &self.interrupt)?)
    }

    /// How many threads to use: at most so many for each processor, since more only wait and take memory.
    #[must_use]
    pub fn jobs(&self, settings: Option<&Settings>) -> NonZeroUsize {
        let given = self.global.jobs.or_else(|| settings.and_then(|settings| settings.jobs));
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        given.map_or(processors, |given| given.min(processors.saturating_mul(MOST_JOBS)))
    }

    /// The session of a build. A store that cannot be written gives way to one that lasts as long as the program.
    ///
    /// # Errors
    /// When there is no place for a store or threads cannot be started.
    pub fn session(&self, settings: &Settings) -> Result<engine::Session, CommandError> {
        let store = self.store_of_run()?;
        let store = store.with_scratch(&self.scratch);
        let now = self.environment.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(engine::Session::new(
            store,
            self.client_of(settings)?,
            Workers::new(self.jobs(Some(settings))),
            self.progress.clone(),
            self.interrupt.clone(),
            i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        ))
    }

    /// Opens an image to look at, where nothing is written: a name is looked for in the store, then in its registry.
    ///
    /// # Errors
    /// When the name is none or what it names cannot be opened.
    pub fn image(&self, name: &str) -> Result<Opened, CommandError> {
        self.open(name, Look::StoreFirst, || self.client())
    }

    /// As [`Invocation::image`], with a client that others use, too.
    ///
    /// # Errors
    /// As for [`Invocation::image`].
    pub fn image_with(&self, name: &str, client: &Client) -> Result<Opened, CommandError> {
        self.open(name, Look::StoreFirst, || Ok(client.clone()))
    }

    /// Opens an image that something is to be made of or published from: a name is the registry's, for what is in
    /// the store may never have been pushed.
    ///
    /// # Errors
    /// As for [`Invocation::image`].
    pub fn published(&self, name: &str, client: &Client) -> Result<Opened, CommandError> {
        self.open(name, Look::Registry, || Ok(client.clone()))
    }

    fn open(
        &self,
        text: &str,
        look: Look,
        client: impl FnOnce() -> Result<Client, CommandError>,
    ) -> Result<Opened, CommandError> {
        let location = Location::parse(text)?;
        let (source, location): (Arc<dyn Source>, Location) = match location {
            Location::OciLayout { ref dir, ref name } => {
                (Arc::new(OciLayout::open(&self.absolute(dir), name.as_deref())?), location)
            }
            Location::OciArchive { ref file, ref name } => {
                let file = self.absolute(file);
                self.files.read(&file)?;
                (Arc::new(Archive::open_oci(&file, name.as_deref())?), location)
            }
            Location::DockerArchive { ref file, ref name } => {
                let (file, name) = (self.absolute(file), name.as_deref());
                self.files.read(&file)?;
                // `docker save` knows no digests. An archive that was written here is also a layout's, which knows
                // digests.
                let by_digest = name.filter(|name| name.parse::<Digest>().is_ok());
                let layout = by_digest.and_then(|digest| Archive::open_oci(&file, Some(digest)).ok());
                let archive = match layout {
                    Some(layout) => layout,
                    None => Archive::open_docker(&file, name)?,
                };
                (Arc::new(archive), location)
            }
            Location::Store(name) => {
                let stored = OciLayout::stored(&self.store_to_read()?, &name)
                    .map_err(|error| not_stored(error, &name))?;
                in_store(stored, name)
            }
            Location::Name(name) => match look {
                Look::StoreFirst => match self.stored(&name) {
                    Some(stored) => in_store(stored, name),
                    None => in_registry(client()?, name.reference()),
                },
                Look::Registry => in_registry(client()?, name.reference()),
            },
            Location::Registry(reference) => in_registry(client()?, &reference),
            Location::Scratch => {
                let why = "`scratch` is nothing that an image could be moved to or read from".to_owned();
                let hint = "name an image, such as `oci:DIR`; an image on no base is built with `base = \"scratch\"`";
                return Err(CommandError::usage(why).hint(hint));
            }
            Location::Docker | Location::OwnRegistry => {
                return Err(CommandError::usage(format!("`{text}` is not an image")));
            }
        };
        Ok(Opened { source, location })
    }

    /// The image in the local store, if there is a store and it has one of this name.
    #[must_use]
    pub fn stored(&self, name: &Name) -> Option<OciLayout> {
        OciLayout::in_store(&self.store().ok()?, name)
    }

    /// An error of a registry that a name was looked for in; where the local store has the name, with a hint at it.
    #[must_use]
    pub fn or_in_store(&self, error: CommandError, text: &str) -> CommandError {
        match Location::parse(text) {
            Ok(Location::Name(name)) if error.status == ExitStatus::Registry => match self.stored(&name) {
                Some(stored) => {
                    let name = stored.image_name().unwrap_or(text);
                    error.hint(format!("the local store has it: write `store:{name}` for that image"))
                }
                None => error,
            },
            _ => error,
        }
    }
}

/// An image, and where it was found: a place that names no other.
pub struct Opened {
    /// The image.
    pub source: Arc<dyn Source>,
    /// Where it is.
    pub location: Location,
}

/// Where a name alone is looked for.
#[derive(Clone, Copy)]
enum Look {
    StoreFirst,
    Registry,
}

fn in_registry(client: Client, reference: &Reference) -> (Arc<dyn Source>, Location) {
    let source = crate::transport::registry::source(client, reference.clone());
    (Arc::new(source), Location::Registry(reference.clone()))
}

fn in_store(stored: OciLayout, name: Name) -> (Arc<dyn Source>, Location) {
    // By its name there, unless a digest led to it.
    let found = stored.image_name().and_then(|found| found.parse().ok());
    (Arc::new(stored), Location::Store(found.unwrap_or(name)))
}

fn not_stored(error: LayoutError, name: &Name) -> CommandError {
    let is_known = matches!(&error, LayoutError::Pick { .. });
    let error = CommandError::from(error);
    match is_known && error.hints.is_empty() {
        true => error.hint(format!(
            "`pack images` lists the names in the local store; `docker://{name}` asks the registry for it"
        )),
        false => error,
    }
}

/// The build file's settings for a registry, for the client.
#[must_use]
pub fn registry_settings(options: &RegistryOptions) -> RegistrySettings {
    RegistrySettings {
        plain_http: options.plain_http.as_ref().map(|plain| plain.value),
        skip_tls_verify: options.skip_tls_verify.as_ref().is_some_and(|skip| skip.value),
        ca_file: options.ca_file.as_ref().map(|file| file.value.path().to_owned()),
        client_cert: options.client_cert.as_ref().map(|file| file.value.path().to_owned()),
        client_key: options.client_key.as_ref().map(|file| file.value.path().to_owned()),
        login: None,
        chunk_size: options.chunk_size.as_ref().map(|size| size.value.get()),
        mirrors: options
            .mirrors
            .iter()
            .map(|mirror| Mirror::new(mirror.value.scope().clone(), mirror.value.is_plain()))
            .collect(),
    }
}
