//! The settings for registries in Docker's and Podman's own files: certificates, registries without TLS, blocked
//! names.
//!
//! | file | what is read |
//! |---|---|
//! | `certs.d/HOST[:PORT]/` | `*.crt`: authorities; `NAME.cert` with `NAME.key`: the certificate to show. The first directory that has the host counts |
//! | `registries.conf`, `registries.conf.d/*.conf` | `[[registry]]`: `prefix`, `location`, `insecure`, `blocked` |
//! | `daemon.json` | `insecure-registries`: hosts, addresses and networks |
//!
//! They are read when the first registry is asked something. They fill in what our own settings leave open, and add
//! authorities to them. A file that is broken is no reason to fail: the user is warned, and it says nothing.
//! `insecure` is what it is for those tools: TLS with any certificate, or plain HTTP where no TLS is spoken. Mirrors and
//! other locations in `registries.conf` are not followed.

use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use url::Url;

use super::settings::{EngineFiles, HostSettings};
use super::tls;
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::formats::toml_cost;
use crate::runtime::events::Progress;
use crate::runtime::input::{MAX_TEXT, read_text};
use crate::types::reference::Registry;
use crate::types::shown::{Foreign, shown_path};

/// A directory with more entries is not one of certificates.
const MAX_ENTRIES: usize = 1_000;

/// The most memory that reading a `registries.conf` may take.
const MOST_MEMORY: u64 = 48 << 20;

/// The files' settings for all registries.
#[derive(Debug, Default)]
pub(in crate::registry) struct Engines {
    certificates: Vec<PathBuf>,
    /// In the order in which they were read: of two for one prefix, the later counts.
    entries: Vec<RegistryEntry>,
    insecure: Vec<(String, PathBuf)>,
}

/// A `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RegistryEntry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    file: PathBuf,
}

/// The files' settings for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct FileHostSettings {
    /// More authorities.
    pub(in crate::registry) authorities: Vec<PathBuf>,
    /// The certificate to show, and its key.
    pub(in crate::registry) identity: Option<(PathBuf, PathBuf)>,
    /// The file that calls it insecure.
    pub(in crate::registry) insecure: Option<PathBuf>,
}

impl Engines {
    /// Reads the files that are there.
    pub(in crate::registry) fn read(files: &EngineFiles, progress: &Progress) -> Self {
        let mut engines = Self { certificates: files.certificates.clone(), ..Self::default() };
        let main = files.registries_conf.iter().find(|path| path.exists());
        let drop_ins = files.drop_ins.iter().flat_map(|directory| listed(directory, "conf"));
        for path in main.cloned().into_iter().chain(drop_ins) {
            match read_text(&path, MAX_TEXT)
                .map_err(|error| error.to_string())
                .and_then(|text| entries(&text, &path))
            {
                Ok(entries) => engines.entries.extend(entries),
                Err(why) => warn(progress, &path, &why),
            }
        }
        for path in files.daemon_json.iter().filter(|path| path.exists()) {
            let daemon = read_text(path, MAX_TEXT).map_err(|error| error.to_string());
            match daemon
                .and_then(|text| json::decode::<Daemon>(text.as_bytes()).map_err(|error| error.to_string()))
            {
                Ok(daemon) => engines.insecure.extend(daemon.0.into_iter().map(|host| (host, path.clone()))),
                Err(why) => warn(progress, path, &why),
            }
        }
        engines
    }

    /// Their settings for a registry.
    pub(in crate::registry) fn of(&self, registry: &Registry) -> FileHostSettings {
        let directory = self
            .certificates
            .iter()
            .map(|all| all.join(registry.as_str()))
            .find(|directory| directory.is_dir());
        let mut said = FileHostSettings { insecure: self.insecure(registry), ..FileHostSettings::default() };
        if let Some(directory) = directory {
            said.authorities = listed(&directory, "crt");
            said.identity = listed(&directory, "cert").into_iter().find_map(|certificate| {
                let key = certificate.with_extension("key");
                key.is_file().then_some((certificate, key))
            });
        }
        said
    }

    fn insecure(&self, registry: &Registry) -> Option<PathBuf> {
        // Of a location that has a path, not every repository of the registry is said to be insecure.
        let is_meant = |entry: &&RegistryEntry| matches_host(&entry.location, registry.as_str());
        if let Some(entry) = self.entries.iter().rev().find(is_meant) {
            return entry.insecure.then(|| entry.file.clone());
        }
        let named = |(host, _): &&(String, PathBuf)| {
            host == registry.as_str() || is_in_network(registry.host(), host)
        };
        self.insecure.iter().find(named).map(|(_, file)| file.clone())
    }

    /// The file that forbids pulling from a repository: the longest prefix decides.
    pub(in crate::registry) fn blocking(&self, registry: &Registry, path: &str) -> Option<&Path> {
        let name = format!("{registry}/{path}");
        // Of equally long ones the last, since a later file overrides.
        let decides = self.entries.iter().filter(|entry| is_prefix(&entry.prefix, &name));
        let longest = decides.max_by_key(|entry| entry.prefix.len())?;
        longest.blocked.then_some(longest.file.as_path())
    }
}

/// How a registry is reached: our own settings, and what the files say where those leave it open.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct HostRoute {
    /// The settings.
    pub(in crate::registry) settings: HostSettings,
    /// Authorities besides those of the settings.
    pub(in crate::registry) authorities: Vec<PathBuf>,
    /// The effects of the files, for people.
    pub(in crate::registry) notes: Vec<String>,
    decides_tls: bool,
}

impl HostRoute {
    /// Puts both together. `speaks_tls` is asked about a registry that may do without.
    pub(in crate::registry) fn new(
        settings: Option<&HostSettings>,
        said: FileHostSettings,
        registry: &Registry,
        speaks_tls: impl FnOnce() -> bool,
    ) -> Self {
        let mut own = Self { settings: settings.cloned().unwrap_or_default(), ..Self::default() };
        let is_open = own.settings.plain_http.is_none() && !own.settings.skip_tls_verify;
        let has_certificates = !said.authorities.is_empty() || said.identity.is_some();
        if let Some(file) = said.insecure.filter(|_| is_open) {
            let speaks_tls = speaks_tls();
            (own.settings.plain_http, own.settings.skip_tls_verify) = (Some(!speaks_tls), speaks_tls);
            own.notes
                .push(format!("`{}` calls it insecure: its certificate need not be good", shown_path(&file)));
            own.decides_tls = true;
        } else if is_open && has_certificates && registry.is_loopback() {
            // Who put a certificate there speaks TLS, also on this machine.
            own.settings.plain_http = Some(false);
            own.decides_tls = true;
        }
        for file in said.authorities {
            own.notes.push(format!("`{}` is trusted, too", shown_path(&file)));
            own.authorities.push(file);
        }
        let shows_none = own.settings.client_cert.is_none() && own.settings.client_key.is_none();
        if let Some((certificate, key)) = said.identity.filter(|_| shows_none) {
            (own.settings.client_cert, own.settings.client_key) = (Some(certificate), Some(key));
        }
        own
    }

    /// Whether the files decided that TLS is spoken, or not.
    pub(in crate::registry) const fn is_engines(&self) -> bool {
        self.decides_tls
    }
}

/// Whether the server at `url` answers to TLS. One that does not answer at all is taken to.
pub(in crate::registry) fn speaks_tls(url: &Url, timeout: Duration) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let connect = |port: u16| {
        let addresses = (host, port).to_socket_addrs().ok()?;
        addresses.into_iter().find_map(|address| TcpStream::connect_timeout(&address, timeout).ok())
    };
    let Some(mut stream) = connect(url.port().unwrap_or(443)) else {
        // Without a port, plain HTTP has another one.
        return url.port().is_some() || connect(80).is_none();
    };
    let limited = stream.set_read_timeout(Some(timeout)).and(stream.set_write_timeout(Some(timeout)));
    let (Ok(()), Ok(config), Ok(name)) = (limited, tls::curious(None), ServerName::try_from(host.to_owned()))
    else {
        return true;
    };
    let Ok(mut connection) = ClientConnection::new(Arc::new(config), name) else { return true };
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            let kind = error.kind();
            // Another answer than TLS, or none; an alert is TLS, and silence may be.
            return match error.downcast::<rustls::Error>() {
                Ok(error) => !matches!(error, rustls::Error::InvalidMessage(_)),
                Err(_) => matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            };
        }
    }
    true
}

fn warn(progress: &Progress, path: &Path, why: &str) {
    let why = Foreign::short(why, 200);
    progress.warn(format!("`{}` is not understood and says nothing: {why}", shown_path(path)));
}

/// The files of a directory with this extension, in the order of their names; none where there is no directory.
fn listed(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

/// The `[[registry]]` tables of a `registries.conf` of version 2.
fn entries(text: &str, file: &Path) -> Result<Vec<RegistryEntry>, String> {
    let table: toml::Table = toml_cost::read(text, MOST_MEMORY)?;
    let Some(registries) = table.get("registry") else { return Ok(Vec::new()) };
    let registries = registries.as_array().ok_or("`registry` is not an array of tables")?;
    registries
        .iter()
        .map(|entry| {
            let entry = entry.as_table().ok_or("`registry` is not an array of tables")?;
            let text = |key: &str| match entry.get(key) {
                None => Ok(None),
                Some(value) => value.as_str().map(Some).ok_or(format!("`{key}` is not a string")),
            };
            let switch = |key: &str| match entry.get(key) {
                None => Ok(false),
                Some(value) => value.as_bool().ok_or(format!("`{key}` is not `true` or `false`")),
            };
            let (prefix, location) = (text("prefix")?, text("location")?);
            let prefix = prefix.or(location).ok_or("a `[[registry]]` has neither `prefix` nor `location`")?;
            Ok(RegistryEntry {
                prefix: prefix.trim_end_matches('/').to_owned(),
                location: location.unwrap_or(prefix).trim_end_matches('/').to_owned(),
                insecure: switch("insecure")?,
                blocked: switch("blocked")?,
                file: file.to_owned(),
            })
        })
        .collect()
}

/// Whether `pattern`, a host or `*.` and a domain, means `host`.
fn matches_host(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

/// Whether `prefix` is the beginning of `name`, up to the end of a part of it.
fn is_prefix(prefix: &str, name: &str) -> bool {
    if prefix.starts_with("*.") {
        let (host, path) = name.split_once('/').unwrap_or((name, ""));
        let (pattern, below) = prefix.split_once('/').unwrap_or((prefix, ""));
        return matches_host(pattern, host) && (below.is_empty() || is_prefix(below, path));
    }
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
}

/// Whether `host` is an address in `network`, such as `10.0.0.0/8`.
fn is_in_network(host: &str, network: &str) -> bool {
    let parse = || {
        let (address, bits) = network.split_once('/')?;
        let host: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let (network, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        Some(match (host, network) {
            (IpAddr::V4(host), IpAddr::V4(network)) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                u32::from(host) & mask == u32::from(network) & mask
            }
            (IpAddr::V6(host), IpAddr::V6(network)) if bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                u128::from(host) & mask == u128::from(network) & mask
            }
            _ => false,
        })
    };
    parse().unwrap_or(false)
}

/// The `insecure-registries` of a `daemon.json`.
struct Daemon(Vec<String>);

impl FromJson for Daemon {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        Ok(Self(Object::open(value, &["insecure-registries"])?.take_or_default("insecure-registries")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Registry {
        text.parse().expect(text)
    }

    #[test]
    fn registries_conf_is_read_as_podman_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("conf.d")).expect("made");
        let main = "unqualified-search-registries = [\"docker.io\"]\n\
                    [[registry]]\nlocation = \"plain.example:5000\"\ninsecure = true\n\
                    [[registry]]\nprefix = \"*.inner.example\"\ninsecure = true\n\
                    [[registry]]\nprefix = \"r.example/bad\"\nblocked = true\n\
                    [[registry]]\nlocation = \"r.example/bad/good\"\n\
                    [[registry]]\nlocation = \"safe.example\"\ninsecure = true\n";
        std::fs::write(at("registries.conf"), main).expect("written");
        std::fs::write(at("conf.d/1.conf"), "[[registry]]\nlocation = \"safe.example\"\nblocked = true\n")
            .expect("written");
        std::fs::write(at("conf.d/2.conf"), "registry = 1\n").expect("written");
        std::fs::write(
            at("daemon.json"),
            "{\"insecure-registries\": [\"d.example:80\", \"10.1.0.0/16\"], \"x\": 1}",
        )
        .expect("written");
        std::fs::write(at("broken.json"), "{").expect("written");
        let files = EngineFiles {
            registries_conf: vec![at("missing.conf"), at("registries.conf")],
            drop_ins: vec![at("missing.d"), at("conf.d")],
            daemon_json: vec![at("missing.json"), at("daemon.json"), at("broken.json")],
            ..EngineFiles::default()
        };
        let engines = Engines::read(&files, &Progress::default());
        for (name, file) in [
            ("plain.example:5000", Some("registries.conf")),
            ("plain.example", None),
            ("a.inner.example", Some("registries.conf")),
            ("inner.example", None),
            ("xinner.example", None),
            ("r.example", None),
            ("safe.example", None),
            ("d.example:80", Some("daemon.json")),
            ("d.example", None),
            ("10.1.2.3:5000", Some("daemon.json")),
            ("10.2.2.3:5000", None),
        ] {
            assert_eq!(engines.of(&host(name)).insecure, file.map(at), "{name}");
        }
        for (name, path, is_blocked) in [
            ("r.example", "bad", true),
            ("r.example", "bad/other", true),
            ("r.example", "bad/good", false),
            ("r.example", "badly", false),
            ("safe.example", "a", true),
            ("docker.io", "library/debian", false),
        ] {
            assert_eq!(engines.blocking(&host(name), path).is_some(), is_blocked, "{name}/{path}");
        }
    }

    #[test]
    fn the_first_directory_of_a_host_has_its_certificates() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for file in [
            "b/r.example:5000/ca.crt",
            "b/r.example:5000/two.crt",
            "b/r.example:5000/client.cert",
            "b/r.example:5000/client.key",
            "b/r.example:5000/lone.cert",
            "c/r.example:5000/other.crt",
        ] {
            std::fs::create_dir_all(at(file).parent().expect("a parent")).expect("made");
            std::fs::write(at(file), "").expect("written");
        }
        let certificates = vec![at("a"), at("b"), at("c")];
        let engines =
            Engines::read(&EngineFiles { certificates, ..EngineFiles::default() }, &Progress::default());
        let said = engines.of(&host("r.example:5000"));
        let of = |name: &str| at("b/r.example:5000").join(name);
        assert_eq!(said.authorities, [of("ca.crt"), of("two.crt")]);
        assert_eq!(said.identity, Some((of("client.cert"), of("client.key"))));
        assert_eq!(engines.of(&host("r.example")), FileHostSettings::default());
    }
}
