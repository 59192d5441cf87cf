//! Projects to build, the program to build them with, and what it said.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The program under test.
pub(crate) const PACK: &str = env!("CARGO_BIN_EXE_pack");
/// Where this repository is.
pub(crate) const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// The user and group `nobody`, by number as everywhere.
const NOBODY: &str = "65534";

/// A directory with a project, a store and a home.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pack-it-").tempdir().unwrap();
        // For tests that run the program as another user.
        chmod(dir.path(), 0o755);
        for name in ["project", "home", "tmp"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        chmod(&dir.path().join("tmp"), 0o1777);
        Self { dir }
    }

    /// A project with this build file.
    pub(crate) fn with(build_toml: &str) -> Self {
        let project = Self::new();
        project.write("build.toml", build_toml);
        project
    }

    /// A directory of two files on nothing: the smallest project that builds.
    pub(crate) fn small() -> Self {
        let project = Self::with(&tree_on("scratch"));
        project.write("files/a.txt", "a\n").write("files/sub/b.txt", "b\n");
        project
    }

    /// A web application on the base of the fixtures.
    pub(crate) fn bookstore() -> Self {
        let project = Self::new();
        copy_tree(&Path::new(REPOSITORY).join("fixtures/bookstore"), &project.root());
        project
    }

    /// The project's directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// A path in the project.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// A path beside the project.
    pub(crate) fn beside(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// The local store.
    pub(crate) fn cache(&self) -> PathBuf {
        self.beside("cache")
    }

    /// The records of a kind in the local store.
    pub(crate) fn memos(&self, kind: &str) -> Vec<PathBuf> {
        memos_in(&self.cache(), kind)
    }

    /// Removes the records of a kind from the local store.
    pub(crate) fn forget(&self, kind: &str) {
        for memo in self.memos(kind) {
            std::fs::remove_file(memo).unwrap();
        }
    }

    /// Writes a file of the project, and the directories above it.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds lines to a file of the project.
    pub(crate) fn append(&self, relative: &str, content: &str) -> &Self {
        let mut file = fs::OpenOptions::new().append(true).open(self.path(relative)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        self
    }

    /// The program with these arguments, separated by spaces.
    pub(crate) fn pack(&self, arguments: &str) -> Run<'_> {
        Run {
            project: self,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
            cwd: self.root(),
            cache: self.cache(),
            umask: None,
            nobody: false,
        }
    }

    /// `pack build` and `pack verify` of the result, which is returned.
    pub(crate) fn build(&self, arguments: &str) -> Built {
        self.pack("build").built(arguments)
    }

    /// `pack cache verify`: that a store has nothing half-written in it.
    pub(crate) fn check_store(&self) {
        self.pack("cache verify").ok();
        let leftovers: Vec<PathBuf> = files_below(&self.cache())
            .into_iter()
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".tmp-"))
            .collect();
        assert_eq!(leftovers, Vec::<PathBuf>::new(), "temporary files in the store");
        let left = fs::read_dir(self.beside("tmp")).unwrap().count();
        assert_eq!(left, 0, "temporary files in TMPDIR");
    }
}

/// A build file for the directory `files` below `/srv` on `base`.
pub(crate) fn tree_on(base: &str) -> String {
    format!(
        "[image]\nname = \"localhost/tree\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
    )
}

/// One run of the program, not started yet.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    project: &'a Project,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    cwd: PathBuf,
    cache: PathBuf,
    umask: Option<&'static str>,
    nobody: bool,
}

impl Run<'_> {
    /// One more argument, which may have spaces.
    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments, separated by spaces.
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// With a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From another directory.
    pub(crate) fn cwd(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.cwd);
        self
    }

    /// With another store.
    pub(crate) fn cache(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.cache);
        self
    }

    /// With this umask.
    pub(crate) fn umask(mut self, umask: &'static str) -> Self {
        self.umask = Some(umask);
        self
    }

    /// As a user without rights, which only root can do.
    pub(crate) fn nobody(mut self) -> Self {
        self.nobody = true;
        self
    }

    /// The command to start.
    pub(crate) fn command(&self) -> Command {
        let mut program: Vec<String> = Vec::new();
        if self.nobody {
            let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
            program.push("setpriv".to_owned());
            program.extend(user.map(str::to_owned));
        }
        if let Some(umask) = self.umask {
            program.extend(["sh".into(), "-c".into(), format!("umask {umask}; exec \"$0\" \"$@\"")]);
        }
        // A judge of images need not be emulated.
        let judges =
            self.arguments.first().is_some_and(|command| ["verify", "cache"].contains(&command.as_str()));
        program.push(match self.nobody {
            true => for_everybody(self.project),
            false if judges => PACK.to_owned(),
            false => program_under_test(),
        });
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).args(&self.arguments).current_dir(&self.cwd).env_clear();
        let beside = |name: &str| self.project.beside(name);
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", beside("home"))
            .env("TMPDIR", beside("tmp"))
            .env("PACK_CACHE_DIR", &self.cache)
            .env("NO_COLOR", "1")
            .env("PACK_SYSTEM_CONFIG", beside("etc"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it.
    pub(crate) fn run(&self) -> Outcome {
        let outcome =
            outcome(&format!("pack {}", self.arguments.join(" ")), &self.command().output().unwrap());
        crate::schemas::hold(&self.arguments, &outcome.stdout);
        crate::errors::hold(&outcome.stderr);
        outcome
    }

    /// Runs it; it must succeed.
    pub(crate) fn ok(&self) -> Outcome {
        self.run().has_code(0)
    }

    /// Runs it; it must fail with this exit code, an error, and nothing on stdout.
    pub(crate) fn fails(&self, code: i32) -> Outcome {
        let outcome = self.run().has_code(code);
        assert!(outcome.has_error(), "{outcome:?}");
        assert_eq!(outcome.stdout, "", "{outcome:?}");
        outcome
    }

    /// `pack build` with more arguments, and `pack verify` of what it gave.
    pub(crate) fn built(&self, arguments: &str) -> Built {
        let directory = tempfile::tempdir_in(self.project.beside("")).unwrap();
        chmod(directory.path(), 0o777);
        let metadata = directory.path().join("metadata.json");
        let mut run = self.clone();
        run.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        run.arg("--metadata-file").arg(metadata.display().to_string()).ok();
        let built = Built { metadata: json(&fs::read_to_string(&metadata).unwrap()) };
        let outputs: Vec<&str> = arguments
            .split_whitespace()
            .zip(arguments.split_whitespace().skip(1))
            .filter_map(|(flag, value)| (flag == "-o").then_some(value))
            .collect();
        let names = if outputs.is_empty() { vec![built.name_and_tag()] } else { Vec::new() };
        for name in names.iter().map(String::as_str).chain(outputs) {
            let mut verify = self.clone();
            verify.arguments = vec!["verify".to_owned(), name.to_owned()];
            let said = verify.ok();
            // Docker's image is the same with another manifest.
            let is_docker = name.starts_with("docker-archive:");
            assert!(is_docker || said.stdout.starts_with(&built.digest()), "{said:?} {built:?}");
        }
        built
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    what: String,
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Results.
    pub(crate) stdout: String,
    /// Everything else.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn has_code(self, code: i32) -> Self {
        let Self { what, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "`{what}`\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// Whether stderr has an error, with or without a code.
    pub(crate) fn has_error(&self) -> bool {
        has_error(&self.stderr)
    }

    /// Checks that stderr has each of these, with or without the codes of errors.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            let is_said = self.stderr.contains(text) || without_codes(&self.stderr).contains(text);
            assert!(is_said, "`{}` does not say {text:?}:\n{}", self.what, self.stderr);
        }
        self
    }

    /// Checks that stderr has a hint.
    #[track_caller]
    pub(crate) fn hints(self) -> Self {
        self.says(&["hint: "])
    }

    /// The warnings, but for that of an image that starts nothing, as most of the tests' trees are.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let lines = self.stderr.lines().filter(|line| line.starts_with("warning"));
        lines.filter(|line| !line.contains("[no-entrypoint]")).collect()
    }

    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        json(&self.stdout)
    }
}

/// The same messages without the codes of errors.
pub(crate) fn without_codes(text: &str) -> String {
    let plain = |line: &str| match line.strip_prefix("error[").and_then(|rest| rest.split_once("]: ")) {
        Some((_, message)) => format!("error: {message}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(plain).collect()
}

/// Whether a text has the line of an error, with or without a code.
pub(crate) fn has_error(text: &str) -> bool {
    text.lines().any(is_error)
}

/// Whether a line begins an error, with or without a code.
pub(crate) fn is_error(line: &str) -> bool {
    line.starts_with("error: ") || (line.starts_with("error[") && line.contains("]: "))
}

/// The result of a process that ran the program in its own way.
pub(crate) fn outcome(what: &str, output: &std::process::Output) -> Outcome {
    Outcome {
        what: what.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The image that was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// As `--metadata-file` has it.
    pub(crate) metadata: Value,
}

/// One layer: its blob's digest and its diff ID.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LayerDigests {
    pub(crate) name: String,
    pub(crate) blob: String,
    pub(crate) diff_id: String,
}

impl Built {
    /// The digest of the manifest or index.
    pub(crate) fn digest(&self) -> String {
        text(&self.metadata["containerimage.digest"])
    }

    /// The first of the image's names, with its tag.
    pub(crate) fn name_and_tag(&self) -> String {
        let names = text(&self.metadata["image.name"]);
        names.split(',').next().unwrap().to_owned()
    }

    /// The layers of the first image, without the base's.
    pub(crate) fn layers(&self) -> Vec<LayerDigests> {
        let layers = self.metadata["images"][0]["layers"].as_array().unwrap();
        let digests = |layer: &Value| LayerDigests {
            name: text(&layer["name"]),
            blob: text(&layer["facts"]["digest"]),
            diff_id: text(&layer["facts"]["diffId"]),
        };
        layers.iter().map(digests).collect()
    }

    /// How many bytes had to be compressed.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        let layers = self.metadata["images"][0]["layers"].as_array().unwrap();
        layers.iter().filter_map(|layer| layer["work"]["encodedBytes"].as_u64()).sum()
    }

    /// The names of the layers that had to be built.
    pub(crate) fn built_layers(&self) -> Vec<String> {
        let layers = self.metadata["images"][0]["layers"].as_array().unwrap();
        layers.iter().filter(|layer| !layer["work"].is_null()).map(|layer| text(&layer["name"])).collect()
    }
}

/// JSON from text.
#[track_caller]
pub(crate) fn json(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// A JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}")).to_owned()
}

/// Whether the tests run as root, which can become another user and ignores permissions.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Tells why a test, or a part of one, cannot run here.
pub(crate) fn skipped(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
}

/// The program that a [`Run`] starts: [`PACK`], or the one that a variable names. `.ci/aarch64` has one for another processor.
#[expect(clippy::disallowed_methods, reason = "the harness gives the program in a variable")]
fn program_under_test() -> String {
    std::env::var("PACK_TEST_PROGRAM").unwrap_or_else(|_| PACK.to_owned())
}

/// Whether the tests run a program for another processor, which takes some twenty times as long.
pub(crate) fn is_emulated() -> bool {
    program_under_test() != PACK
}

/// The program at a place that every user can run it from.
fn for_everybody(project: &Project) -> String {
    let (program, original) = (project.beside("pack"), program_under_test());
    if !program.exists() && fs::hard_link(&original, &program).is_err() {
        fs::copy(&original, &program).unwrap();
    }
    program.display().to_string()
}

/// Sets permissions.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Copies a tree, links as links.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() {
            copy_tree(&source, &target);
        } else if file_type.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// All regular files below a directory, sorted.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(directory)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// As a digest is written.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Bytes that look like nothing, the same on every run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Text that compresses as text does, the same on every run.
pub(crate) fn prose(seed: u64, length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "layer", "digest", "the", "of", "blob", "manifest", "and", "a", "image", "is", "index", "by",
        "content", "tag", "registry", "\n",
    ];
    let choice = noise(seed, length / 2 + 1);
    let mut text = Vec::with_capacity(length + 16);
    for byte in choice {
        text.extend_from_slice(WORDS[usize::from(byte % 16)].as_bytes());
        text.push(b' ');
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

/// Writes zip archives.
#[derive(Default)]
pub(crate) struct Zip {
    bytes: Vec<u8>,
    central: Vec<u8>,
    entries: u16,
}

impl Zip {
    /// Adds a file without compression.
    pub(crate) fn stored(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.add(name, 0, content, content)
    }

    /// Adds a compressed file.
    pub(crate) fn deflated(&mut self, name: &str, content: &[u8]) -> &mut Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        let data = encoder.finish().unwrap();
        self.add(name, 8, content, &data)
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(&mut self, name: &str, target: &[u8]) -> &mut Self {
        self.add_with(name, 0, target, target, 3, 0o120_777)
    }

    fn add(&mut self, name: &str, method: u16, content: &[u8], data: &[u8]) -> &mut Self {
        self.add_with(name, method, content, data, 0, 0)
    }

    fn add_with(
        &mut self,
        name: &str,
        method: u16,
        content: &[u8],
        data: &[u8],
        system: u8,
        mode: u32,
    ) -> &mut Self {
        let offset = u32::try_from(self.bytes.len()).unwrap();
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        // Version, flags, method, time, date, checksum, sizes, lengths of name and extra field.
        let mut common = Vec::new();
        for field in [20u16, 0x0800, method, 0, 0x21] {
            common.extend(field.to_le_bytes());
        }
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend(size(data));
        common.extend(size(content));
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(data);
        self.central.extend([b'P', b'K', 1, 2, 0x14, system]);
        self.central.extend(&common);
        self.central.extend([0; 6]);
        self.central.extend((mode << 16).to_le_bytes());
        self.central.extend(offset.to_le_bytes());
        self.central.extend(name.as_bytes());
        self.entries += 1;
        self
    }

    /// The archive.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let offset = u32::try_from(bytes.len()).unwrap();
        bytes.extend(&self.central);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(u32::try_from(self.central.len()).unwrap().to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }
}

/// A small web application, as names and contents.
pub(crate) fn webapp() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("WEB-INF/web.xml".into(), b"<web-app version=\"6.0\"></web-app>\n".to_vec()),
        ("index.html".into(), prose(1, 3000)),
        ("WEB-INF/classes/shop/Book.class".into(), noise(2, 5000)),
        ("WEB-INF/classes/messages.properties".into(), prose(3, 800)),
        ("empty.txt".into(), Vec::new()),
    ];
    let jars = (0..6).map(|number| {
        let mut jar = Zip::default();
        jar.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n");
        jar.deflated("org/lib/Data.class", &noise(10 + number, 90_000));
        (format!("WEB-INF/lib/lib-{number}.jar"), jar.finish())
    });
    files.extend(jars);
    files
}

/// The application packed.
pub(crate) fn war(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = Zip::default();
    for (number, (name, content)) in files.iter().enumerate() {
        if number % 2 == 0 {
            zip.deflated(name, content)
        } else {
            zip.stored(name, content)
        };
    }
    zip.finish()
}

/// The records of a kind in the local store at `cache`: their names are the kind and a key in hex.
pub(crate) fn memos_in(cache: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("memo")).into_iter().flatten();
    let files = entries.map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        path.file_name().unwrap().to_string_lossy().rsplit_once('-').is_some_and(|(of, _)| of == kind)
    };
    files.filter(is_one).collect()
}

/// Waits until any change of `path` after now shows in its times: before that, what a build finds out about
/// it is not trusted by the next one.
pub(crate) fn settle(path: &Path) {
    let changed = fs::metadata(path).unwrap();
    // The change time cannot be set. Where it is whole milliseconds, the file system's clock may tick slowly.
    let coarse = changed.ctime_nsec() % 1_000_000 == 0;
    std::thread::sleep(Duration::from_millis(if coarse { 2_100 } else { 60 }));
}
