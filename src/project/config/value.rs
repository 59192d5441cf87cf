//! The values of a build file whose types carry their invariants.
//!
//! Each parses from the text that the user writes and says what is wrong with any other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::decode::{Decode, Decoder, FromText, Wrong, list, text_values};
use super::document::{Node, Value};
use crate::layer::EntryPath;
use crate::layer::scan;
use crate::types::error::{Explain as _, nearest};
use crate::types::location::{self, Location};
use crate::types::platform::Platform;
use crate::types::reference::{Reference, Registry, Repository, Scope};
use crate::types::time::Civil;

/// Permission bits with setuid, setgid and sticky: at most `0o7777`. Written `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromText for Mode {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7')) && (3..=5).contains(&text.len());
        match u16::from_str_radix(text, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(Wrong::new(format!("`{text}` is not a mode"))
                .hint("a mode is three or four octal digits, such as `\"0644\"`")),
        }
    }
}

impl Decode for Mode {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        // Decimal 644 is the octal mode 01204: nobody who writes it means it.
        if matches!(node.value, Value::Integer(_)) && !decoder.sources.is_typed(node.span) {
            let digits = decoder.sources.text(node.span).trim_start_matches("0o");
            let hint = format!("a mode is octal: write `\"{digits:0>4}\"`");
            return decoder.mismatch(node, "a string", Some(hint));
        }
        decoder.text(node)
    }
}

/// Numeric owner and group. Written `"1000:1000"`; the group is the owner's number where it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl FromText for Owner {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        match (decimal(uid), decimal(gid)) {
            // To chown(2) the last number means: leave it as it is.
            (Some(u32::MAX), _) | (_, Some(u32::MAX)) => Err(Wrong::new(format!("`{text}` is not an owner"))
                .hint("the largest number of a user or group is 4294967294")),
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(Wrong::new(format!("`{text}` is not an owner"))
                .hint("an owner is numeric, such as `\"1000:1000\"`: names mean different numbers in different bases")),
        }
    }
}

/// Digits only: `parse` alone would let `+1` through.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A span of time. Written `"30s"`, `"1m30s"` or `"500ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

impl Period {
    /// The duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whole nanoseconds, as image configurations count.
    #[must_use]
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Largest first, the order in which they are written.
const UNITS: [(&str, u64); 4] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];

impl FromText for Period {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let period = || {
            let (mut rest, mut units, mut total) = (text, &UNITS[..], 0_u64);
            while !rest.is_empty() {
                let digits = rest.find(|character: char| !character.is_ascii_digit())?;
                let number: u64 = decimal(&rest[..digits])?;
                rest = &rest[digits..];
                let letters = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
                let at = units.iter().position(|(unit, _)| *unit == &rest[..letters])?;
                total = total.checked_add(number.checked_mul(units[at].1)?)?;
                units = &units[at + 1..];
                rest = &rest[letters..];
            }
            // Docker's field is a signed 64-bit number, and zero there means "as the base has it".
            (total > 0 && i64::try_from(total).is_ok()).then_some(Self(Duration::from_nanos(total)))
        };
        period().ok_or_else(|| {
            Wrong::new(format!("`{text}` is not a duration"))
                .hint("write `\"30s\"`, `\"1m30s\"` or `\"500ms\"`; it must be above zero")
        })
    }
}

/// Ports of one protocol. Written `8080`, `"8080/udp"` or `"8000-8003"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
    protocol: Protocol,
}

/// A transport protocol that a port can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

impl Ports {
    /// Each port as image configurations write it: `8080/tcp`.
    pub fn exposed(self) -> impl Iterator<Item = String> {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        (self.first..=self.last).map(move |port| format!("{port}/{protocol}"))
    }
}

impl FromText for Ports {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            "sctp" => Some(Protocol::Sctp),
            _ => None,
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        match (decimal(first), decimal(last), protocol) {
            (Some(first), Some(last), Some(protocol)) if 0 < first && first <= last => {
                Ok(Self { first, last, protocol })
            }
            _ => Err(Wrong::new(format!("`{text}` is not a port"))
                .hint("write `8080`, `\"8080/udp\"` or `\"8000-8003\"`; ports are 1 to 65535")),
        }
    }
}

impl Decode for Ports {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Value::Integer(port) = node.value else { return decoder.text(node) };
        match Self::from_text(&port.to_string()) {
            Ok(ports) => Some(ports),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

/// How layers are compressed. Written `gzip`, `estargz`, `soci`, `zstd` or `none`, with `:LEVEL` after all but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip with a level of 1 to 9, or the encoder's default.
    Gzip(Option<u8>),
    /// The same, with a table of contents: what is called eStargz.
    Estargz(Option<u8>),
    /// gzip, with a table of contents beside the image: what is called SOCI.
    Soci(Option<u8>),
    /// Zstandard with a level of 1 to 19, or the encoder's default.
    Zstd(Option<u8>),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip(None)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(None) => f.write_str("gzip"),
            Self::Estargz(None) => f.write_str("estargz"),
            Self::Soci(None) => f.write_str("soci"),
            Self::Zstd(None) => f.write_str("zstd"),
            Self::Gzip(Some(level)) => write!(f, "gzip:{level}"),
            Self::Estargz(Some(level)) => write!(f, "estargz:{level}"),
            Self::Soci(Some(level)) => write!(f, "soci:{level}"),
            Self::Zstd(Some(level)) => write!(f, "zstd:{level}"),
        }
    }
}

impl FromText for Compression {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let level = |max: u8| match level {
            None => Ok(None),
            Some(level) => match decimal(level) {
                Some(number) if (1..=max).contains(&number) => Ok(Some(number)),
                _ => Err(Wrong::new(format!("`{level}` is not a level of {name}"))
                    .hint(format!("the levels of {name} are 1 to {max}"))),
            },
        };
        match name {
            "gzip" => Ok(Self::Gzip(level(9)?)),
            "estargz" => Ok(Self::Estargz(level(9)?)),
            "soci" => Ok(Self::Soci(level(9)?)),
            "zstd" => Ok(Self::Zstd(level(19)?)),
            "none" if text == "none" => Ok(Self::None),
            "none" => Err(Wrong::new("`none` has no levels").hint("write `\"none\"`")),
            _ => Err(unknown("compression", name, &["gzip", "estargz", "soci", "zstd", "none"])),
        }
    }
}

/// Into how many layers a large one is split. Written `"auto"`, or 1, 2, 4, 8 or 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buckets {
    /// As its size wants it.
    #[default]
    Auto,
    /// A power of two; 1 never splits.
    Number(u8),
}

impl FromText for Buckets {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match (text, decimal::<u8>(text)) {
            ("auto", _) => Ok(Self::Auto),
            (_, Some(number)) if number <= 16 && number.is_power_of_two() => Ok(Self::Number(number)),
            _ => Err(Wrong::new(format!("`{text}` is not a number of buckets"))
                .hint("write `\"auto\"`, or 1, 2, 4, 8 or 16; 1 never splits")),
        }
    }
}

impl Decode for Buckets {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Value::Integer(number) = node.value else { return decoder.text(node) };
        match Self::from_text(&number.to_string()) {
            Ok(buckets) => Some(buckets),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

/// One of a few words, with the nearest suggested.
fn unknown(what: &str, given: &str, known: &[&str]) -> Wrong {
    let hint = match nearest(given, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", list(known.iter().copied())),
    };
    Wrong::new(format!("unknown {what} `{given}`")).hint(hint)
}

/// The name of a kind of artifact. Which kinds there are, the artifacts know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName(String);

impl KindName {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for KindName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "" => {
                Err(Wrong::new("a kind of artifact has a name").hint("write `\"war\"`, or leave `kind` out"))
            }
            text => String::from_text(text).map(Self),
        }
    }
}

/// An absolute, normal path in the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath {
    text: String,
    entry: Option<EntryPath>,
    slash: bool,
}

impl ImagePath {
    /// The path: absolute, without a trailing slash unless it is `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as entries have it; `None` for `/`.
    #[must_use]
    pub const fn entry(&self) -> Option<&EntryPath> {
        self.entry.as_ref()
    }

    /// Whether it was written with a trailing slash: a directory to put things into.
    #[must_use]
    pub const fn has_trailing_slash(&self) -> bool {
        self.slash
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromText for ImagePath {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if !text.starts_with('/') {
            return Err(Wrong::new(format!("`{text}` is not an absolute path"))
                .hint(format!("write `\"/{text}\"`: paths in the image start with `/`")));
        }
        let slash = text.ends_with('/');
        if text.split('/').all(|part| matches!(part, "" | ".")) {
            return Ok(Self { text: "/".to_owned(), entry: None, slash });
        }
        let entry = EntryPath::new(text.as_bytes()).map_err(|error| Wrong::new(error.to_string()))?;
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Ok(Self { text: format!("/{}", parts.join("/")), entry: Some(entry), slash })
    }
}

/// A path on disk: as it was written, and relative to where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskPath {
    written: String,
    path: PathBuf,
}

impl DiskPath {
    /// A path that was given as an argument.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { written: path.display().to_string(), path: path.to_owned() }
    }

    /// The path to open: joined to the directory of the file that it was written in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path as it was written, for messages and for whatever must not depend on the machine.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// This path, where what was written is a pattern that means `path`.
    #[must_use]
    pub fn found(&self, path: PathBuf) -> Self {
        Self { written: self.written.clone(), path }
    }

    /// The path without what a pattern means in it, so that a name made of it is the same for each version.
    #[must_use]
    pub fn without_pattern(&self) -> PathBuf {
        let written = Path::new(&self.written);
        if written.file_name().is_none() || written.file_name() == self.path.file_name() {
            return self.path.clone();
        }
        PathBuf::from(self.written.replace("{version}", "*"))
    }

    fn parse(text: &str, directory: &Path) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains('\0') {
            return Err(Wrong::new("a path cannot be empty or contain a NUL character"));
        }
        Ok(Self { written: text.to_owned(), path: directory.join(text) })
    }
}

impl Decode for DiskPath {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = decoder.string(node)?;
        match Self::parse(&text, decoder.sources.directory(node.span)) {
            Ok(path) => Some(path),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

/// What an image is put on: a [`Location`] with paths that know what they are relative to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Nothing: `scratch`.
    Scratch,
    /// An image in a registry.
    Registry(Reference),
    /// An image in the local store: `store:NAME`.
    Store(location::Name),
    /// An OCI layout: `oci:DIR[:NAME]`.
    Layout {
        /// The directory.
        path: DiskPath,
        /// The name in the index, if one was given.
        name: Option<String>,
    },
    /// A tar of an OCI layout: `oci-archive:FILE[:NAME]`.
    OciArchive {
        /// The file.
        path: DiskPath,
        /// The name in the archive, if one was given.
        name: Option<String>,
    },
    /// A tar as `docker save` writes it: `docker-archive:FILE[:NAME]`.
    DockerArchive {
        /// The file.
        path: DiskPath,
        /// The name in the archive, if one was given.
        name: Option<String>,
    },
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, path, name) = match self {
            Self::Scratch => return f.write_str("scratch"),
            Self::Registry(reference) => return reference.fmt(f),
            Self::Store(name) => return write!(f, "store:{name}"),
            Self::Layout { path, name } => ("oci", path, name),
            Self::OciArchive { path, name } => ("oci-archive", path, name),
            Self::DockerArchive { path, name } => ("docker-archive", path, name),
        };
        write!(f, "{word}:{}", path.written)?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl Base {
    fn parse(text: &str, directory: &Path) -> Result<Self, Wrong> {
        let location = Location::parse(text).map_err(|error| {
            let spellings = "a base is a registry reference, `store:NAME`, `oci:DIR[:NAME]`, \
                             `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `scratch`";
            Wrong::new(error.to_string()).hint(error.hint().unwrap_or_else(|| spellings.to_owned()))
        })?;
        let path = |path: PathBuf| DiskPath::parse(&path.display().to_string(), directory);
        Ok(match location {
            Location::Name(name) => Self::Registry(name.reference().clone()),
            Location::Registry(reference) => Self::Registry(reference),
            Location::Store(name) => Self::Store(name),
            Location::OciLayout { dir, name } => Self::Layout { path: path(dir)?, name },
            Location::OciArchive { file, name } => Self::OciArchive { path: path(file)?, name },
            Location::DockerArchive { file, name } => Self::DockerArchive { path: path(file)?, name },
            Location::Scratch => Self::Scratch,
            Location::Docker | Location::OwnRegistry => {
                return Err(Wrong::new(format!("`{text}` is an output and not a base")));
            }
        })
    }
}

impl Decode for Base {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = decoder.string(node)?;
        match Self::parse(&text, decoder.sources.directory(node.span)) {
            Ok(base) => Some(base),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

/// A glob over paths below a directory: `*` stays within one part, `**` crosses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Pattern {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("a pattern cannot be empty"));
        }
        if let Some(relative) = text.strip_prefix('/') {
            return Err(Wrong::new(format!("`{text}` can never match")).hint(format!(
                "patterns are relative to the directory that is copied: write `\"{relative}\"`"
            )));
        }
        if scan::pattern_never_matches(text) {
            return Err(Wrong::new(format!("`{text}` can never match"))
                .hint("nothing below the directory that is copied has `..` in its path"));
        }
        if let Some(why) = scan::pattern_is_too_much(text) {
            return Err(Wrong::new(format!("the pattern is too much: {why}")));
        }
        // What it is compiled to takes a thousand times its memory: it is compiled again where it is used.
        globset::GlobBuilder::new(text).literal_separator(true).build().map_err(|error| {
            let wrong = Wrong::new(format!("`{text}` is not a pattern: {}", error.kind()));
            match scan::literally(text) {
                Some(literally) => wrong.hint(format!(
                    "`[…]` is one of several characters, `{{…}}` one of several texts: write `\"{literally}\"` for the name itself"
                )),
                None => wrong,
            }
        })?;
        Ok(Self(text.to_owned()))
    }
}

/// A user, and maybe a group: names or numbers. Written `1000`, `"1000:1000"` or `"app"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(String);

impl User {
    /// As image configurations have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for User {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let name = |name: &str| {
            !name.is_empty()
                && name.chars().all(|character| !character.is_whitespace() && !character.is_control())
        };
        let (user, group) = text.split_once(':').unwrap_or((text, "0"));
        if name(user) && name(group) && !group.contains(':') {
            Ok(Self(text.to_owned()))
        } else {
            Err(Wrong::new(format!("`{text}` is not a user"))
                .hint("write `\"1000\"`, `\"1000:1000\"` or a name that the base knows"))
        }
    }
}

impl Decode for User {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            Value::Integer(_) => decoder.number(node, u64::from(u32::MAX)).map(|uid| Self(uid.to_string())),
            _ => decoder.text(node),
        }
    }
}

/// A signal: `"SIGTERM"`, `"SIGRTMIN+3"` or a number of 1 to 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(String);

impl Signal {
    /// As image configurations have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

impl FromText for Signal {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let realtime = |rest: &str, sign| match rest.strip_prefix(sign) {
            Some(offset) => decimal(offset).is_some_and(|offset: u8| (1..=30).contains(&offset)),
            None => rest.is_empty(),
        };
        let known = SIGNALS.contains(&text)
            || text.strip_prefix("SIGRTMIN").is_some_and(|rest| realtime(rest, '+'))
            || text.strip_prefix("SIGRTMAX").is_some_and(|rest| realtime(rest, '-'))
            || decimal(text).is_some_and(|number: u8| (1..=64).contains(&number));
        if known {
            return Ok(Self(text.to_owned()));
        }
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        let hint = match nearest(&full, SIGNALS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name such as `\"SIGTERM\"`, or a number of 1 to 64".to_owned(),
        };
        Err(Wrong::new(format!("`{text}` is not a signal")).hint(hint))
    }
}

impl Decode for Signal {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(number) => match Self::from_text(&number.to_string()) {
                Ok(signal) => Some(signal),
                Err(wrong) => decoder.wrong(node.span, wrong),
            },
            _ => decoder.text(node),
        }
    }
}

/// A modification time. Written as seconds since the epoch, a date with an offset, `"commit"` or `"content"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mtime {
    /// Seconds since the epoch.
    At(u64),
    /// `SOURCE_DATE_EPOCH`, else the time of the git commit.
    Commit,
    /// For each file a time that is a function of its content.
    Content,
}

impl FromText for Mtime {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "content" => Ok(Self::Content),
            "commit" => Ok(Self::Commit),
            _ => Err(Wrong::new(format!("`{text}` is not a time"))
                .hint("write seconds since the epoch, a date such as `2024-01-31T12:00:00Z` without quotes, `\"commit\"` or `\"content\"`")),
        }
    }
}

impl Decode for Mtime {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(_) => decoder.number(node, MAX_MTIME).map(Self::At),
            Value::Datetime(datetime) => match seconds(datetime) {
                Some(seconds) => Some(Self::At(seconds)),
                None => {
                    let wrong = Wrong::new("a time needs a date, an offset and a year from 1970")
                        .hint("write `2024-01-31T12:00:00Z`");
                    decoder.wrong(node.span, wrong)
                }
            },
            _ => decoder.text(node),
        }
    }
}

/// What the octal field of a tar header can hold.
const MAX_MTIME: u64 = 0o777_7777_7777;

fn seconds(datetime: &toml::value::Datetime) -> Option<u64> {
    let (date, time) = (datetime.date?, datetime.time?);
    let minutes = match datetime.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let civil = Civil {
        year: date.year.into(),
        month: date.month.into(),
        day: date.day.into(),
        hour: time.hour.into(),
        minute: i64::from(time.minute) - minutes,
        second: time.second.unwrap_or(0).into(),
    };
    u64::try_from(civil.seconds()).ok()
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for EnvName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains(['=', '\0']) {
            return Err(Wrong::new(format!("`{text}` is not the name of a variable"))
                .hint("a name is not empty and has no `=`"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The value of an environment variable: a string, or a whole number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvValue(String);

impl EnvValue {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for EnvValue {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        String::from_text(text).map(Self)
    }
}

impl Decode for EnvValue {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(number) if !decoder.sources.is_typed(node.span) => Some(Self(number.to_string())),
            Value::Boolean(boolean) if !decoder.sources.is_typed(node.span) => {
                let hint = format!("write `\"{boolean}\"`; `unset-env` removes a variable of the base");
                decoder.mismatch(node, "a string", Some(hint))
            }
            _ => decoder.text(node),
        }
    }
}

/// Arguments that are run without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments; empty to have none where the base has some.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl Decode for Arguments {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        if let Value::String(text) = &node.value {
            let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
            let hint = format!("no shell splits it: write `[{}]`", words.join(", "));
            return decoder.mismatch(node, "an array of strings", Some(hint));
        }
        Vec::decode(node, decoder).map(Self)
    }
}

/// The output format: what turns the same inputs into the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(u32);

impl Format {
    /// The newest format.
    pub const CURRENT: Self = Self(1);

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Decode for Format {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            Value::Integer(1) => Some(Self(1)),
            Value::Integer(number) => {
                let wrong = Wrong::new(format!("this version does not know format {number}"))
                    .hint("write `format = 1`, or use a newer version");
                decoder.wrong(node.span, wrong)
            }
            _ => decoder.mismatch(node, "an integer", Some("write `format = 1`".to_owned())),
        }
    }
}

/// A small whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(u32);

impl Count {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Decode for Count {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let number = decoder.number(node, 1000)?;
        u32::try_from(number).ok().map(Self)
    }
}

/// A number of bytes, such as `16MiB`; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromText for ByteSize {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor: Option<u64> = match unit.trim() {
            "" | "B" => Some(1),
            "kB" | "KB" => Some(1000),
            "MB" => Some(1_000_000),
            "GB" => Some(1_000_000_000),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let size =
            number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        size.filter(|size| *size > 0).map(Self).ok_or_else(|| {
            Wrong::new(format!("`{text}` is not a size")).hint("write a number and a unit, such as `16MiB`")
        })
    }
}

/// Where a registry's mirror is: `https://HOST[:PORT][/PATH]`, or `http://` for one without TLS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorAddress {
    scope: Scope,
    is_plain: bool,
}

impl MirrorAddress {
    /// Its registry, and the path that stands before each repository.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is reached without TLS.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

impl fmt::Display for MirrorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_plain { "http" } else { "https" }, self.scope)
    }
}

impl FromText for MirrorAddress {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let hint = "a mirror is written as `https://HOST[:PORT][/PATH]`, without user and password";
        let (rest, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(Wrong::new(format!("`{text}` has no scheme")).hint(hint)),
        };
        match rest.parse() {
            Ok(scope) if !rest.starts_with("https://") => Ok(Self { scope, is_plain }),
            Ok(_) => Err(Wrong::new(format!("`{text}` has two schemes")).hint(hint)),
            Err(error) => {
                let error: crate::types::reference::ReferenceError = error;
                Err(Wrong::new(error.to_string()).hint(hint))
            }
        }
    }
}

/// A share of all, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// All of them.
    pub const ALL: Self = Self(100);

    /// The number, from 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Decode for Percent {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let number = decoder.number(node, 100)?;
        u8::try_from(number).ok().map(Self)
    }
}

impl FromText for Repository {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::reference::ReferenceError| {
            let wrong = Wrong::new(error.to_string());
            if let Some(hint) = error.hint() {
                return wrong.hint(hint);
            }
            match text.parse::<Reference>() {
                Ok(reference) if reference.tag().is_some() => {
                    wrong.hint("write the name without a tag, and the tag into `tags`")
                }
                _ => wrong.hint("a name is a repository, such as `ghcr.io/shop/bookstore`"),
            }
        })
    }
}

impl FromText for Platform {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::platform::PlatformError| Wrong::new(error.to_string()))
    }
}

impl FromText for Registry {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::reference::ReferenceError| {
            let wrong = Wrong::new(error.to_string());
            match text.split_once("://") {
                Some((_, host)) => wrong.hint(format!("write `[registry.\"{host}\"]`, without the scheme")),
                None => wrong.hint("write a host and maybe a port, such as `[registry.\"localhost:5000\"]`"),
            }
        })
    }
}

text_values!(
    ByteSize,
    MirrorAddress,
    Owner,
    Period,
    Compression,
    ImagePath,
    KindName,
    Pattern,
    Repository,
    Platform,
    EnvName,
);

/// Defines an enum whose variants are written as words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
        }

        impl $name {
            /// The word that it is written as.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromText for $name {
            fn from_text(text: &str) -> Result<Self, Wrong> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(unknown($what, text, &[$($word),*])),
                }
            }
        }

        text_values!($name);
    };
}

words! {
    /// Whether an archive is unpacked into layers by rate of change, or shipped as one file.
    Layout: "layout" {
        /// Unpacked.
        Exploded = "exploded",
        /// As it is.
        Packaged = "packaged",
    }
}

/// Artifacts: one path, or one for each platform.
pub(crate) fn one_or_many<T: Decode>(node: &Node, decoder: &mut Decoder<'_>) -> Option<Vec<T>> {
    match &node.value {
        Value::Array(_) => Vec::decode(node, decoder),
        _ => T::decode(node, decoder).map(|value| vec![value]),
    }
}

/// A table by names of variables.
pub type EnvTable = BTreeMap<EnvName, EnvValue>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok<T: FromText>(text: &str) -> T {
        T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    fn all_wrong<T: FromText>(texts: &[&str]) {
        for text in texts {
            assert!(T::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(ok::<Mode>("0644").bits(), 0o644);
        assert_eq!(ok::<Mode>("755").bits(), 0o755);
        assert_eq!(ok::<Mode>("1777").to_string(), "1777");
        assert_eq!(ok::<Mode>("04755").bits(), 0o4755);
        all_wrong::<Mode>(&["", "7", "08", "0648", "10000", "77777", "-644", "+644", "0o644", "rw-r--r--"]);
    }

    #[test]
    fn owners_are_numeric() {
        assert_eq!(ok::<Owner>("1000"), Owner { uid: 1000, gid: 1000 });
        assert_eq!(ok::<Owner>("1000:0"), Owner { uid: 1000, gid: 0 });
        all_wrong::<Owner>(&["", ":", "1:", ":1", "app", "1:2:3", "+1", "4294967296"]);
    }

    #[test]
    fn periods_have_units() {
        assert_eq!(ok::<Period>("30s").nanoseconds(), 30_000_000_000);
        assert_eq!(ok::<Period>("1m30s").duration(), Duration::from_secs(90));
        assert_eq!(ok::<Period>("1h500ms").duration(), Duration::from_millis(3_600_500));
        assert_eq!(ok::<ByteSize>("16MiB").get(), 16 << 20);
        assert_eq!(ok::<ByteSize>("5000000").get(), 5_000_000);
        all_wrong::<ByteSize>(&["", "0", "MiB", "-1", "1.5MB", "16mb", "99999999999GiB"]);
        assert_eq!(
            ok::<MirrorAddress>("https://m.example:5000/hub/").scope().to_string(),
            "m.example:5000/hub"
        );
        assert!(ok::<MirrorAddress>("http://10.0.0.1").is_plain());
        all_wrong::<MirrorAddress>(&[
            "",
            "m.example",
            "https://",
            "https://u:p@m.example",
            "ftp://m.example",
            "https://m.example/A",
        ]);
        all_wrong::<Period>(&["", "30", "s", "0s", "1s1m", "1s1s", "1.5s", "-1s", "1 s", "99999999999h"]);
    }

    #[test]
    fn ports_have_ranges_and_protocols() {
        let exposed = |text| ok::<Ports>(text).exposed().collect::<Vec<_>>();
        assert_eq!(exposed("8080"), ["8080/tcp"]);
        assert_eq!(exposed("53/udp"), ["53/udp"]);
        assert_eq!(exposed("8000-8002"), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(exposed("65535").len(), 1);
        all_wrong::<Ports>(&["", "0", "65536", "2-1", "80/", "80/icmp", "a", "80:80", "+80", "1-"]);
    }

    #[test]
    fn compression_has_checked_levels() {
        for text in ["gzip", "gzip:1", "gzip:9", "zstd", "zstd:19", "none"] {
            assert_eq!(ok::<Compression>(text).to_string(), text);
        }
        all_wrong::<Compression>(&[
            "", "gzip:", "gzip:0", "gzip:10", "zstd:23", "none:1", "bzip2", "gzip:+1",
        ]);
    }

    #[test]
    fn buckets_are_powers_of_two() {
        assert_eq!(ok::<Buckets>("auto"), Buckets::Auto);
        for number in [1, 2, 4, 8, 16] {
            assert_eq!(ok::<Buckets>(&number.to_string()), Buckets::Number(number));
        }
        all_wrong::<Buckets>(&["", "0", "3", "12", "32", "256", "-1", "+1", "1.0", "Auto", "all"]);
    }

    #[test]
    fn image_paths_are_absolute_and_normal() {
        let path: ImagePath = ok("/a//./b/");
        assert_eq!((path.as_str(), path.has_trailing_slash()), ("/a/b", true));
        assert_eq!(path.entry().map(EntryPath::as_bytes), Some(&b"a/b"[..]));
        assert_eq!(ok::<ImagePath>("/").entry(), None);
        assert_eq!(ok::<ImagePath>("//.").as_str(), "/");
        all_wrong::<ImagePath>(&["", "a", "./a", "/a/../b", "/..", "/\0"]);
    }

    #[test]
    fn bases_name_their_transport() {
        let base = |text| Base::parse(text, Path::new("d")).expect(text);
        assert_eq!(base("scratch"), Base::Scratch);
        assert_eq!(base("debian:12").to_string(), "docker.io/library/debian:12");
        let Base::Layout { path, name } = base("oci:a/b:localhost:5000/x:1.0") else { panic!("a layout") };
        assert_eq!((path.path(), name.as_deref()), (Path::new("d/a/b"), Some("localhost:5000/x:1.0")));
        for text in [
            "oci:a",
            "oci:a/b:t",
            "oci-archive:x.tar",
            "oci-archive:x.tar:shop/app:1",
            "docker-archive:/x.tar",
            "docker-archive:/x.tar:1",
            "store:localhost/tree:1",
            "store:tree:1",
        ] {
            assert_eq!(base(text).to_string(), text);
        }
        // Both are the registry's, and one in a lock.
        assert_eq!(base("docker://debian:12"), base("debian:12"));
        assert_eq!(
            base("docker-archive:/x.tar"),
            Base::DockerArchive {
                path: DiskPath { written: "/x.tar".to_owned(), path: "/x.tar".into() },
                name: None
            }
        );
        for text in ["", "oci:", "oci-archive:", "oci:a:", "store:", "Scratch:", "a b", "dir:x"] {
            assert!(Base::parse(text, Path::new("")).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_base_prints_and_parses_to_itself(
            text in "(oci:|oci-archive:|docker-archive:|store:|docker://)?[a-z0-9./:@-]{0,30}"
        ) {
            let parse = |text: &str| Base::parse(text, Path::new("d"));
            if let Ok(base) = parse(&text) {
                prop_assert_eq!(parse(&base.to_string()), Ok(base));
            }
        }
    }

    #[test]
    fn patterns_stay_within_a_part() {
        let matches = |pattern, path| {
            let pattern = ok::<Pattern>(pattern);
            let glob = globset::GlobBuilder::new(pattern.as_str()).literal_separator(true).build();
            glob.expect("a glob").compile_matcher().is_match(path)
        };
        assert!(matches("*.xml", "a.xml") && !matches("*.xml", "b/a.xml") && matches("**/*.xml", "b/a.xml"));
        all_wrong::<Pattern>(&["", "/a", "[", "{a", "../a", "a/../b", ".."]);
    }

    #[test]
    fn users_and_signals() {
        for text in ["1000", "app", "app:staff", "1000:0"] {
            assert_eq!(ok::<User>(text).as_str(), text);
        }
        all_wrong::<User>(&["", ":", "a:", ":a", "a b", "a:b:c", "a\n"]);
        for text in ["SIGTERM", "15", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX-14"] {
            assert_eq!(ok::<Signal>(text).as_str(), text);
        }
        all_wrong::<Signal>(&["", "TERM", "sigterm", "0", "65", "SIGRTMIN+31", "SIGRTMAX+1"]);
    }

    #[test]
    fn dates_become_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("2024-01-31T12:00:00+02:00", Some(1_706_695_200)),
            ("1969-12-31T23:59:59Z", None),
            ("2024-01-31T12:00:00", None),
            ("2024-01-31", None),
        ] {
            assert_eq!(seconds(&text.parse().expect(text)), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,20}|[0-9a-z:/.+-]{0,12}") {
            let _ = Mode::from_text(&text);
            let _ = Owner::from_text(&text);
            let _ = Period::from_text(&text);
            let _ = Ports::from_text(&text);
            let _ = Compression::from_text(&text);
            let _ = ImagePath::from_text(&text);
            let _ = Pattern::from_text(&text);
            let _ = User::from_text(&text);
            let _ = Signal::from_text(&text);
            let _ = Base::parse(&text, Path::new(""));
        }
    }
}
