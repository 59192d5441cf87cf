//! Java applications with a start script: a directory, or a zip or tar archive of one, with scripts in `bin/` and jars in `lib/`, as
//! Gradle's `installDist`, Maven's appassembler and sbt's `stage` make them. The script starts the application, so that the
//! image needs a shell and the programs that the script calls.

mod command;
mod directory;
mod script;

use std::sync::Arc;

use command::DistributionFiles;
use script::{Script, application_jar};

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::groups::grouped;
use super::super::java;
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot, StartWay};
use super::super::placed;
use super::super::proposal::{Proposal, ProposedLayer, not_empty};
use super::super::requirement::{Requirement, Requirements, Search};
use super::super::root::root_entry;
use super::super::unpacked::Unpacked;
use super::super::words::count;
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::scan::{FoundKind, Scanner, TreeItem, entries};
use crate::layer::{Entry, EntryKind, EntryPath};
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// A distribution with a start script.
pub(super) struct Distribution;

/// Where it goes.
const ROOT: &[u8] = b"app";

/// How many files of `bin` are looked at.
const MOST_SCRIPTS: usize = 100;

/// Generated scripts have 10 KiB.
const MAX_SCRIPT: u64 = 1 << 20;

/// The change classes of its files, in layer order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Dependencies,
    Snapshots,
    Application,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Dependencies => "dependencies",
            Self::Snapshots => "snapshots",
            Self::Application => "application",
        }
    }

    fn why(self, files: usize) -> String {
        match self {
            Self::Dependencies => {
                format!("{} of `lib`, which change seldom", count(files, "library", "libraries"))
            }
            Self::Snapshots => format!(
                "{} of `lib`, named `SNAPSHOT`, which change more often than others",
                count(files, "library", "libraries")
            ),
            Self::Application => {
                format!(
                    "{}: the start script, the application's own jar and the rest",
                    count(files, "file", "files")
                )
            }
        }
    }
}

impl ArtifactKind for Distribution {
    fn name(&self) -> &'static str {
        "distribution"
    }

    fn describe(&self) -> &'static str {
        "a Java distribution with a start script"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::Archive, Form::Tar]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form != Form::File).then_some("a start script in `bin/` beside jars in `lib/`")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if glimpse.form() == Form::Directory && !(glimpse.has_name("bin") && glimpse.has_name("lib")) {
            return Ok(None);
        }
        let Some(above) = top(glimpse.material()) else { return Ok(None) };
        if !has_jars(glimpse.material(), &above)? {
            return Ok(None);
        }
        let scripts = scripts(glimpse.material(), &above)?;
        let Some(first) = scripts.first() else { return Ok(None) };
        let what = match glimpse.form() {
            Form::Directory => "a directory",
            Form::Tar => "a tar archive of a directory",
            _ => "a zip archive of a directory",
        };
        Ok(Some(vec![format!(
            "It is {what} with the start script `bin/{}` and jars in `lib/`.",
            shown(first.name.as_bytes())
        )]))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let root = root_of(options)?;
        let above = top(material).unwrap_or_default();
        let scripts = scripts(material, &above)?;
        let start = chosen(material, &above, &scripts);
        let own_jar = start.and_then(script::Script::own_jar);
        let part_of = |name: &[u8]| {
            let Some(library) = library_name(name) else { return Part::Application };
            let is_own = name.len() == b"lib/".len() + library.len()
                && (own_jar.as_deref().is_some_and(|own| own.as_bytes() == library)
                    || start.is_some_and(|script| application_jar(&script.name, library)));
            match memchr::memmem::find(library, b"SNAPSHOT") {
                _ if is_own => Part::Application,
                Some(_) => Part::Snapshots,
                None => Part::Dependencies,
            }
        };
        let is_script = |path: &EntryPath| {
            let below = root.path().map_or(Some(path.as_bytes()), |root| {
                path.as_bytes().strip_prefix(root.as_bytes())?.strip_prefix(b"/")
            });
            let name = below.and_then(|below| below.strip_prefix(b"bin/"));
            name.is_some_and(|name| scripts.iter().any(|script| script.name.as_bytes() == name))
        };
        let found: Arc<Vec<TreeItem>>;
        let unpacked = material.archive().map(|archive| Unpacked::below(archive, &above)).transpose()?;
        // Each name without the directory above all, with its place in the archive or tree.
        let items: Vec<(&[u8], bool, usize)> = match material.archive() {
            Some(archive) => {
                found = Arc::default();
                let all = archive.entries().iter().enumerate();
                all.filter_map(|(index, entry)| {
                    let name = entry.name.strip_prefix(&above[..])?;
                    (!name.is_empty()).then_some((name, entry.kind == ArchiveEntryKind::Directory, index))
                })
                .collect()
            }
            None => {
                found = scanner.scan(material.path(), &options.scan_options())?;
                let all = found.iter().enumerate();
                all.map(|(index, item)| (item.relative(), item.kind == FoundKind::Directory, index)).collect()
            }
        };
        let names = items.iter().map(|(name, is_directory, _)| (*name, *is_directory));
        let mut layers = Vec::new();
        for (part, members) in grouped(names, part_of, &Part::Application) {
            let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
            match &unpacked {
                Some(unpacked) => {
                    for (name, position) in &members {
                        let index = position.map(|position| items[position].2);
                        all.push(unpacked.entry(name, index, root.path(), options)?);
                    }
                }
                None => {
                    let members: Vec<&TreeItem> = members
                        .iter()
                        .filter_map(|(_, position)| Some(&found[items[(*position)?].2]))
                        .collect();
                    all.extend(entries(members, root.path(), &options.rules)?);
                }
            }
            for entry in &mut all {
                // Some archives have no modes, and a start script is there to be started.
                if matches!(entry.kind, EntryKind::File(_))
                    && options.rules.file_mode.is_none()
                    && is_script(&entry.path)
                {
                    entry.metadata.mode |= 0o111;
                }
            }
            let files = all.iter().filter(|entry| !entry.is_directory()).count();
            layers.push(ProposedLayer {
                name: part.name().to_owned(),
                why: part.why(files),
                entries: all,
                is_divisible: part == Part::Dependencies,
            });
        }
        not_empty(material.path(), &layers)?;
        let mut proposal = Proposal { layers, app_root: root.path().cloned(), ..Proposal::default() };
        match start {
            Some(script) if starts_by_java(options) => {
                let home = placed::absolute(&root, "");
                let files = PackedFiles { material, above: &above };
                let command = command::java_command(script, home.trim_end_matches('/'), &files)
                    .map_err(|why| not_understood(material, script, &why))?;
                proposal.entrypoint = Some([java::java(base)].into_iter().chain(command.arguments).collect());
                proposal.workdir =
                    command.directory.and_then(|directory| EntryPath::new(directory.as_bytes()).ok());
                proposal.notes.push(format!(
                    "The image starts with what `bin/{}` gives Java. Variables that only the script reads, such as \
                     `JAVA_OPTS`, have no effect: Java itself reads `JDK_JAVA_OPTIONS`.",
                    script.name
                ));
            }
            Some(script) => {
                proposal.entrypoint = Some(vec![placed::absolute(&root, &format!("bin/{}", script.name))]);
            }
            None if scripts.is_empty() => {
                let why = "it has no start script in `bin`, where a link that leads out of it is none";
                return Err(java::unfit(
                    material,
                    why,
                    "put the script itself there, or set `app.kind` to `tree`",
                ));
            }
            None if starts_by_java(options) => {
                let why = "no script in `bin` has its name, so that none says what to start";
                let hint = "write what starts it as `entrypoint` into `[config]`, and remove `start`";
                return Err(java::unfit(material, why, hint));
            }
            None => {
                let program = |script: &Script| placed::absolute(&root, &format!("bin/{}", script.name));
                proposal.programs = scripts.iter().map(program).collect();
            }
        }
        Ok(proposal)
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Search,
        _: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        let above = top(material).unwrap_or_default();
        let scripts = scripts(material, &above)?;
        if options.has_entrypoint {
            // The settings may start any of the scripts, or Java itself.
            let mut requirements = java::requirements(material, options, newest(material, &above, &scripts)?);
            for script in &scripts {
                requirements.all.extend(programs_of(material, options, script, &scripts)?);
            }
            return Ok(requirements);
        }
        let Some(script) = chosen(material, &above, &scripts) else {
            return Ok(java::requirements(material, options, None));
        };
        let version = newest(material, &above, &scripts)?;
        let mut requirements = java::requirements(material, options, version);
        if !starts_by_java(options) {
            requirements.all.extend(programs_of(material, options, script, &scripts)?);
        }
        Ok(requirements)
    }

    fn starts(&self) -> &'static [StartWay] {
        &[StartWay::Script, StartWay::Java]
    }

    fn usual_base(&self, _: &Material) -> String {
        java::USUAL_BASE.to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}

/// The programs that a start script needs: those that it calls, and the scripts beside it that it starts.
fn programs_of(
    material: &Material,
    options: &AppOptions,
    script: &Script,
    scripts: &[Script],
) -> Result<Vec<Requirement>, ArtifactError> {
    let root = root_of(options)?;
    let in_image = |name: &str| placed::absolute(&root, &format!("bin/{name}"));
    let above = top(material).unwrap_or_default();
    let files = PackedFiles { material, above: &above };
    let is_optional =
        command::java_command(script, placed::absolute(&root, "").trim_end_matches('/'), &files).is_ok();
    let beside = scripts.iter().filter(|other| other.name != script.name && script.starts(&other.name));
    let names = script.programs().into_iter().chain(beside.map(|other| in_image(&other.name)));
    let needed = |name| Requirement::ScriptProgram { script: in_image(&script.name), name, is_optional };
    Ok(names.map(needed).collect())
}

/// Where it goes.
fn root_of(options: &AppOptions) -> Result<AppRoot, ArtifactError> {
    let usual = || EntryPath::new(ROOT).map_err(|error| ArtifactError::BadName { name: error.to_string() });
    options.root.clone().map_or_else(|| usual().map(AppRoot::At), Ok)
}

/// Whether Java is to start it without its script.
fn starts_by_java(options: &AppOptions) -> bool {
    options.start == Some(StartWay::Java) && !options.has_entrypoint
}

/// The error for a script that is more than the command that it ends in.
fn not_understood(material: &Material, script: &Script, why: &str) -> ArtifactError {
    let why = format!("its start script `bin/{}` {why}", script.name);
    let hint = "remove `start`, so that the script starts the application, or write what starts it as `entrypoint` into `[config]`";
    java::unfit(material, why, hint)
}

/// The files of a distribution, packed or not.
struct PackedFiles<'a> {
    material: &'a Material,
    above: &'a [u8],
}

impl PackedFiles<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}{path}", String::from_utf8_lossy(self.above))
    }
}

impl DistributionFiles for PackedFiles<'_> {
    fn has_file(&self, path: &str) -> bool {
        self.material.size_of(&self.path(path)).is_some()
    }

    fn jars_in(&self, directory: &str) -> Vec<String> {
        let own = self.path(directory);
        let names = match self.material.archive() {
            Some(archive) => {
                let prefix = format!("{own}/").into_bytes();
                let below = archive.entries().iter().filter_map(|entry| entry.name.strip_prefix(&prefix[..]));
                below.filter(|name| !name.contains(&b'/')).map(<[u8]>::to_vec).collect()
            }
            None => self.material.names_in(&own).unwrap_or_default(),
        };
        let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
        let mut jars: Vec<String> = names.filter(|name| name.ends_with(".jar")).collect();
        jars.sort_unstable();
        jars
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = self.material.read(&self.path(path), MAX_SCRIPT).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The directory above everything in an archive, with a slash at the end; nothing for a directory. `None` where there are
/// several.
fn top(material: &Material) -> Option<Vec<u8>> {
    let Some(archive) = material.archive() else { return Some(Vec::new()) };
    let parts = |name: &[u8]| name.iter().position(|byte| *byte == b'/').map(|slash| name[..=slash].to_vec());
    let mut tops = archive.entries().iter().map(|entry| match entry.kind {
        ArchiveEntryKind::Directory => parts(&[&entry.name[..], b"/"].concat()),
        _ => parts(&entry.name),
    });
    let first = tops.next()??;
    if matches!(&first[..], b"bin/" | b"lib/") {
        return Some(Vec::new());
    }
    tops.all(|top| top.as_ref() == Some(&first)).then_some(first)
}

/// The name of a jar that lies in a directory `lib`: that of the application, or one of its plugins' own.
fn library_name(path: &[u8]) -> Option<&[u8]> {
    let (directory, name) = path.split_at(memchr::memrchr(b'/', path)?);
    let is_lib = directory == b"lib" || directory.ends_with(b"/lib");
    name.strip_prefix(b"/").filter(|name| is_lib && name.ends_with(b".jar"))
}

/// Whether there are jars in `lib`.
fn has_jars(material: &Material, above: &[u8]) -> Result<bool, ArtifactError> {
    let is_jar = |name: &[u8]| !name.contains(&b'/') && name.ends_with(b".jar");
    if let Some(archive) = material.archive() {
        let prefix = [above, b"lib/"].concat();
        return Ok(archive
            .entries()
            .iter()
            .any(|entry| entry.name.strip_prefix(&prefix[..]).is_some_and(is_jar)));
    }
    Ok(material.names_in("lib")?.iter().any(|name| is_jar(name)))
}

/// The start scripts, sorted: files of `bin` that begin as scripts do.
fn scripts(material: &Material, above: &[u8]) -> Result<Vec<Script>, ArtifactError> {
    let mut names: Vec<Vec<u8>> = match material.archive() {
        Some(archive) => {
            let prefix = [above, b"bin/"].concat();
            let files = archive.entries().iter().filter(|entry| entry.kind == ArchiveEntryKind::File);
            let below = files.filter_map(|entry| entry.name.strip_prefix(&prefix[..]));
            below.filter(|name| !name.contains(&b'/')).map(<[u8]>::to_vec).collect()
        }
        None => material.names_in("bin")?,
    };
    names.sort_unstable();
    let mut scripts = Vec::new();
    for name in names.into_iter().take(MOST_SCRIPTS) {
        let (Ok(name), Ok(above)) = (String::from_utf8(name), std::str::from_utf8(above)) else { continue };
        let path = format!("{above}bin/{name}");
        if let Some(size) = material.size_of(&path)
            && size <= MAX_SCRIPT
            && let Some(bytes) = material.read(&path, MAX_SCRIPT)?
        {
            scripts.extend(Script::parse(name, &bytes));
        }
    }
    Ok(scripts)
}

/// The script that starts the application: the only one, or the one with the name of the distribution.
fn chosen<'s>(material: &Material, above: &[u8], scripts: &'s [Script]) -> Option<&'s Script> {
    if let [only] = scripts {
        return Some(only);
    }
    let real = std::fs::canonicalize(material.path()).unwrap_or_else(|_| material.path().to_owned());
    let own = real.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    let name = if above.is_empty() { &own[..] } else { &above[..above.len() - 1] };
    let is_named = |script: &&Script| {
        let rest = name.strip_prefix(script.name.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
    };
    scripts.iter().filter(is_named).max_by_key(|script| script.name.len())
}

/// The newest Java that a class of the application's own jar was compiled for, and what shows it.
fn newest(
    material: &Material,
    above: &[u8],
    scripts: &[Script],
) -> Result<Option<(u32, String)>, ArtifactError> {
    let jar = chosen(material, above, scripts).and_then(Script::own_jar);
    let Some(jar) = jar else { return Ok(None) };
    let Some(archive) = library(material, above, &jar)? else { return Ok(None) };
    let newest = java::newest_class(&archive, |_| true)?;
    Ok(newest.map(|(java, class)| (java, format!("`{}` in `lib/{}`", shown(&class), shown(jar.as_bytes())))))
}

/// A jar of `lib`, open.
fn library(material: &Material, above: &[u8], name: &str) -> Result<Option<ZipArchive>, ArtifactError> {
    /// Larger ones are not looked into: they would be in memory.
    const MAX_JAR: u64 = 64 << 20;
    match material.archive() {
        None => {
            let path = material.file_on_disk(&[b"lib/", name.as_bytes()].concat());
            Ok(path.map(|path| ZipArchive::open(&path)).transpose()?)
        }
        Some(archive) => {
            let path = [above, b"lib/", name.as_bytes()].concat();
            let index = archive.position(&path).filter(|index| archive.entries()[*index].size <= MAX_JAR);
            let Some(index) = index else { return Ok(None) };
            Ok(Some(ZipArchive::from_bytes(material.path(), archive.read(index, MAX_JAR)?)?))
        }
    }
}
