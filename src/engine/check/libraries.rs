//! Libraries of a program and of its libraries, looked for where the loader looks.
//!
//! Files are loaded as a loader does it: breadth first, each once. A library that is loaded answers for its own name
//! (`DT_SONAME`) as well.

use std::collections::{BTreeMap, BTreeSet};

use super::image::CandidateImage;
use super::lookups::{FileAt, MAX_LOOKUPS};
use super::search::{FilePlaces, Loaded, PlaceList, SearchPath, is_part_of_musl};
use super::versions::{DefinedBy, VersionReport};
use crate::artifact::Libraries;
use crate::bases::{BaseAnswer, FileTree, Libc};
use crate::formats::elf::NeededVersions;
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::shown::listed;

/// No program loads more files.
const MAX_FILES: usize = 4096;

/// The result for one library.
enum LibrarySearch {
    /// The path as it is searched for, and the file behind all links.
    Found(String, EntryPath),
    /// Where the loader looks only once its cache was written again.
    NotInCache(String, String, EntryPath),
    Missing(Vec<String>),
    Unknown,
}

/// All that a program loads.
#[derive(Default)]
pub(super) struct Resolution {
    /// By name, the path that was found first.
    pub(super) found: BTreeMap<String, String>,
    /// Names, by the path of the file that needs them.
    missing: Vec<(String, Vec<String>)>,
    /// The same, where nothing at hand tells.
    unknown: Vec<(String, Vec<String>)>,
    /// Libraries that are there, but nothing at hand tells what they need.
    unread: Vec<String>,
    /// `NAME in DIRECTORY`, of what the loader does not see without its cache.
    uncached: Vec<String>,
    /// Files in the way: for another machine, or no libraries.
    near: Vec<String>,
    /// Where libraries of the program itself are looked for.
    places: Vec<String>,
    /// Why the search was given up before its end.
    given_up: Option<String>,
    /// By name or `DT_SONAME`, the path that was found and the file behind all links.
    files: BTreeMap<String, (String, EntryPath)>,
    /// The versions of symbols that the files of planned layers need, by their paths; `None` where nothing tells.
    versions: Vec<(String, Option<Vec<NeededVersions>>)>,
}

/// Adds `name` to those that the file at `path` needs.
fn add(list: &mut Vec<(String, Vec<String>)>, path: &str, name: &str) {
    match list.last_mut() {
        Some((by, names)) if by == path => names.push(name.to_owned()),
        _ => list.push((path.to_owned(), vec![name.to_owned()])),
    }
}

/// Looks for all libraries.
pub(super) fn resolve<T: FileTree>(
    libraries: &Libraries,
    image: &mut CandidateImage<'_, T>,
) -> Result<Resolution, BoxedError> {
    let mut configured = image.system()?.map(|system| system.library_path);
    if let Some(configured) = &mut configured {
        configured.extend(image.tree.own_loader_directories()?);
    }
    let search = SearchPath {
        libc: libraries.libc,
        platform: libraries.platform.clone(),
        library_path: image.library_path.clone(),
        directory: image.directory.clone(),
        configured,
    };
    let program = Loaded {
        path: libraries.program.to_string(),
        needed: libraries.names.clone(),
        run_path: libraries.run_path.clone(),
        is_inherited: libraries.is_inherited,
        inherited: PlaceList::default(),
    };
    let (mut files, mut number) = (vec![program], 0);
    let mut resolution = Resolution::default();
    resolution.versions.push((libraries.program.to_string(), libraries.versions.clone()));
    // The loader is there before all others.
    let mut names: BTreeSet<String> = libraries.loader.iter().map(|loader| file_name(loader)).collect();
    let mut paths: BTreeSet<EntryPath> = BTreeSet::new();
    let common = search.common(&files[0], &mut image.lookups)?;
    while number < files.len() {
        let places = search.places(&files[number], &common, &mut image.lookups)?;
        for name in files[number].needed.clone() {
            let is_loader = libraries.libc == Some(Libc::Musl) && is_part_of_musl(&name);
            if is_loader || !names.insert(name.clone()) {
                continue;
            }
            let by = files[number].path.clone();
            let (path, real) = match find(&name, &places, image)? {
                LibrarySearch::Found(path, real) => (path, real),
                LibrarySearch::NotInCache(directory, path, real) => {
                    resolution.uncached.push(format!("`{name}` in `{directory}`"));
                    (path, real)
                }
                LibrarySearch::Missing(others) => {
                    add(&mut resolution.missing, &by, &name);
                    resolution.near.extend(others);
                    continue;
                }
                LibrarySearch::Unknown if image.lookups.are_exhausted() => {
                    let limit = grouped(MAX_LOOKUPS);
                    resolution.given_up = Some(format!("it takes more than {limit} lookups of paths"));
                    return Ok(resolution);
                }
                LibrarySearch::Unknown => {
                    add(&mut resolution.unknown, &by, &name);
                    continue;
                }
            };
            resolution.found.insert(name.clone(), path.clone());
            resolution.files.insert(name, (path.clone(), real.clone()));
            if !paths.insert(real.clone()) {
                continue;
            }
            if files.len() >= MAX_FILES {
                let limit = grouped(MAX_FILES as u64);
                resolution.given_up = Some(format!("it loads more than {limit} files"));
                return Ok(resolution);
            }
            match image.tree.dynamic(&real)? {
                BaseAnswer::Here(dynamic) => {
                    // The libraries of a base fit each other.
                    if image.tree.is_ours(&real) {
                        let needed = dynamic.versions.map(|versions| versions.needed);
                        resolution.versions.push((path.clone(), needed));
                    }
                    // musl compares names of files alone.
                    if libraries.libc != Some(Libc::Musl)
                        && let Some(soname) = dynamic.soname
                    {
                        let file = || (path.clone(), real.clone());
                        resolution.files.entry(soname.clone()).or_insert_with(file);
                        names.insert(soname);
                    }
                    files.push(Loaded {
                        path,
                        needed: dynamic.needed,
                        run_path: dynamic.run_path,
                        is_inherited: dynamic.is_inherited,
                        inherited: places.handed_down.clone(),
                    });
                }
                // No file that a loader would load; another rule's concern.
                BaseAnswer::Nothing => {}
                BaseAnswer::Unknown => resolution.unread.push(path),
            }
        }
        if number == 0 {
            let path = |number| image.lookups.place(number).path.to_string();
            resolution.places = places.numbers().map(path).collect();
        }
        number += 1;
    }
    Ok(resolution)
}

/// A number with a comma after its thousands.
fn grouped(number: u64) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Compares the versions of symbols that files of planned layers need with those of the libraries that were found. musl's
/// loader knows no versions.
fn compare_versions<T: FileTree>(
    libraries: &Libraries,
    resolution: &mut Resolution,
    image: &mut CandidateImage<'_, T>,
    report: &mut VersionReport,
) -> Result<(), BoxedError> {
    if libraries.libc == Some(Libc::Musl) || resolution.given_up.is_some() {
        return Ok(());
    }
    if let Some(loader) = &libraries.loader
        && let FileAt::Fits(real, _) = image.file(loader)?
    {
        resolution.files.insert(file_name(loader), (loader.clone(), real));
    }
    let mut defined: BTreeMap<EntryPath, Option<BTreeSet<String>>> = BTreeMap::new();
    for (by, needed) in std::mem::take(&mut resolution.versions) {
        let Some(needed) = needed else {
            report.add_unread(&by);
            continue;
        };
        for NeededVersions { library, names } in needed {
            // Libraries that are missing, or loaded before the program, are told elsewhere or not known.
            let Some((path, real)) = resolution.files.get(&library) else { continue };
            if !defined.contains_key(real) {
                let versions = match image.tree.versions(real)? {
                    BaseAnswer::Here(versions) => Some(versions),
                    BaseAnswer::Nothing => Some(BTreeSet::new()),
                    BaseAnswer::Unknown => None,
                };
                defined.insert(real.clone(), versions);
            }
            let versions = defined.get(real).cloned().flatten();
            report.compare(&by, &names, DefinedBy { path, is_own: image.tree.is_ours(real), versions });
        }
    }
    Ok(())
}

/// The findings about all libraries of a program, but those about versions of symbols, which go into `report`.
pub(super) fn check<T: FileTree>(
    libraries: &Libraries,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
    report: &mut VersionReport,
) -> Result<Vec<Finding>, BoxedError> {
    let mut resolution = resolve(libraries, image)?;
    compare_versions(libraries, &mut resolution, image, report)?;
    let Resolution { missing, unknown, unread, uncached, near, places, given_up, .. } = resolution;
    let program = libraries.program.to_string();
    // A module of an application is one of many files, which the artifact's name does not tell apart; programs have loaders.
    let is_module = libraries.loader.is_none();
    let module = format!("`{program}`");
    let artifact = if is_module { &module } else { artifact };
    let mut findings = Vec::new();
    if !missing.is_empty() {
        let mut near = near;
        for name in missing.iter().flat_map(|(_, names)| names) {
            let like = image.tree.own_files_like(name).into_iter();
            near.extend(like.map(|path| format!("`{path}` lacks a link `{name}` beside it")));
        }
        let mut evidence = near.clone();
        evidence.extend(places.iter().map(|place| format!("looked in `{place}`")));
        if let Some(os) = image.system()?.and_then(|system| system.os) {
            evidence.push(format!("the base is {os}"));
        }
        let mut message = format!("{} lacks {}", image.name, needs(&missing, &program, artifact));
        if !near.is_empty() {
            message.push_str(&format!(": {}", listed(&near, "", ", ")));
        }
        let hint = remedy(&missing, is_module);
        findings.push(Finding::not_met(Rule::ElfLibrary, message).hint(hint).evidence(evidence));
    }
    if !unknown.is_empty() || !unread.is_empty() {
        let mut parts = Vec::new();
        if !unknown.is_empty() {
            parts.push(format!("whether {} has {},", image.name, needs(&unknown, &program, artifact)));
        }
        if !unread.is_empty() {
            let paths = quoted(&unread);
            parts.push(format!("which libraries {paths} needs in its turn for {artifact}"));
        }
        let finding = Finding::unknown(Rule::ElfLibrary, image.unknown(&parts.join(" and ")));
        findings.push(finding.hint(image.cure));
    }
    if let Some(reason) = given_up {
        let message = format!(
            "whether {} has all libraries that {artifact} loads cannot be known here: {reason}",
            image.name
        );
        findings.push(Finding::unknown(Rule::ElfLibrary, message));
    }
    if !uncached.is_empty() {
        let message = format!(
            "the loader of `{program}` finds {} only by its cache `/etc/ld.so.cache`, which no layer of files writes again",
            listed(&uncached, "", ", ")
        );
        let hint = "add the directory to `LD_LIBRARY_PATH` in `config.env`, or put the files into `/usr/lib`";
        findings.push(Finding::met(Rule::ElfLibrary, message).at(Severity::Warning).hint(hint));
    }
    if findings.is_empty() {
        let message = format!("{} has all libraries that {artifact} is linked with", image.name);
        findings.push(Finding::met(Rule::ElfLibrary, message));
    }
    Ok(findings)
}

/// The way to give a program the libraries that it misses.
fn remedy(missing: &[(String, Vec<String>)], is_module: bool) -> String {
    // A name with a directory is looked for nowhere else.
    let is_path = |name: &String| name.contains('/');
    let names = || missing.iter().flat_map(|(_, names)| names);
    let place = match (names().all(is_path), names().any(is_path)) {
        (true, _) => "at these paths",
        (false, true) => "to `/usr/lib`, those with a path at that path,",
        (false, false) => "to `/usr/lib`",
    };
    let add = format!("use a base that has them, or add them {place} in a `[[layer]]`");
    if is_module {
        format!("{add}; if nothing loads the module, leave it out with a line in `.packignore`")
    } else {
        format!("link it statically (Go: `CGO_ENABLED=0`; Rust: a `musl` target), {add}")
    }
}

fn quoted(names: &[String]) -> String {
    listed(names.iter().map(|name| format!("`{name}`")), "", ", ")
}

/// ``libfoo.so.1`, which `server` is linked with`, for each file that needs some.
fn needs(lists: &[(String, Vec<String>)], program: &str, artifact: &str) -> String {
    let of = lists.iter().map(|(by, names)| {
        let names = quoted(names);
        if by == program {
            format!("{names}, which {artifact} is linked with")
        } else {
            format!("{names}, which `{by}` needs, a library of {artifact}")
        }
    });
    of.collect::<Vec<_>>().join("; and ")
}

fn find<T: FileTree>(
    name: &str,
    places: &FilePlaces,
    image: &mut CandidateImage<'_, T>,
) -> Result<LibrarySearch, BoxedError> {
    let mut others = Vec::new();
    let mut is_known = places.are_all();
    let mut not_in_cache = None;
    let alone = if name.starts_with('/') {
        Some(name.to_owned())
    } else if name.contains('/') {
        let directory = image.directory.clone().unwrap_or_default();
        Some(format!("{directory}/{name}"))
    } else {
        None
    };
    let numbers = places.numbers().map(Some);
    let numbers: &mut dyn Iterator<Item = Option<usize>> =
        if alone.is_some() { &mut std::iter::once(None) } else { &mut { numbers } };
    for number in numbers {
        let found = match (&alone, number) {
            (Some(path), _) => image.file(path)?,
            (None, Some(number)) => image.file_in(number, name)?,
            (None, None) => break,
        };
        let place = number.map(|number| image.lookups.place(number).clone());
        let path = || match (&alone, &place) {
            (Some(path), _) => path.clone(),
            (None, place) => format!("{}/{name}", place.as_ref().map_or("", |place| &place.path)),
        };
        match found {
            FileAt::Fits(real, _) => match &place {
                Some(place) if place.is_cached && image.tree.is_ours(&real) => {
                    not_in_cache.get_or_insert((place.path.to_string(), path(), real));
                }
                _ => return Ok(LibrarySearch::Found(path(), real)),
            },
            FileAt::OtherMachine(machine) => others.push(format!("`{}` is for {machine}", path())),
            // A loader looks no further than at the first file for its machine.
            FileAt::Unfit(real, reason) if is_known => {
                let path = path();
                let via = if real == path { String::new() } else { format!(", which `{path}` leads to,") };
                return Ok(LibrarySearch::Missing(vec![format!("`{real}`{via} {reason}")]));
            }
            FileAt::Unfit(..) | FileAt::Nothing => {}
            FileAt::Unknown => is_known = false,
        }
        if image.lookups.are_exhausted() {
            return Ok(LibrarySearch::Unknown);
        }
    }
    Ok(match not_in_cache {
        Some((directory, path, real)) => LibrarySearch::NotInCache(directory, path, real),
        None if is_known => LibrarySearch::Missing(others),
        None => LibrarySearch::Unknown,
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use fs_err as fs;
    use object::ReadCache;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::bases::{BaseNode, FileFacts, LoaderLine, ProbeResult};
    use crate::engine::check::PathLookups;
    use crate::formats::elf::{Dynamic, ElfFile};
    use crate::project::lock::SystemFacts;
    use crate::runtime::interrupt::Interrupt;
    use crate::types::finding::Answer;
    use crate::types::platform::Platform;

    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

    /// The files of the machine that the test runs on.
    struct Root;

    fn on_disk(path: &EntryPath) -> PathBuf {
        Path::new("/").join(std::str::from_utf8(path.as_bytes()).expect("text"))
    }

    fn elf(path: &Path) -> Option<ElfFile> {
        let file = std::fs::File::open(path).ok()?;
        ElfFile::read(&ReadCache::new(file)).ok()
    }

    impl FileTree for Root {
        fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
            let path = on_disk(path);
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { return Ok(None) };
            Ok(Some(if metadata.is_symlink() {
                let target = std::fs::read_link(&path).expect("a link");
                BaseNode::Symlink(target.into_os_string().into_encoded_bytes())
            } else if metadata.is_dir() {
                BaseNode::Directory { mode: 0o755, uid: 0, gid: 0 }
            } else {
                let machine = elf(&path).map(|file| file.machine);
                BaseNode::File(FileFacts {
                    mode: Some(0o755),
                    size: Some(metadata.len()),
                    machine,
                    owner: None,
                })
            }))
        }

        fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
            Ok(elf(&on_disk(path)).map_or(BaseAnswer::Nothing, |file| BaseAnswer::Here(file.dynamic)))
        }

        fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
            Ok(Some(SystemFacts { library_path: configured("etc/ld.so.conf"), ..SystemFacts::default() }))
        }
    }

    /// The directories that a configuration of the loader names.
    fn configured(path: &str) -> Vec<String> {
        let bytes = std::fs::read(Path::new("/").join(path)).unwrap_or_default();
        let path = EntryPath::new(path.as_bytes()).expect("a path");
        let Some(ProbeResult::Loader(lines)) = ProbeResult::of(&path, &bytes) else { return Vec::new() };
        let mut found = Vec::new();
        for line in lines {
            match line {
                LoaderLine::Directory(directory) => found.push(directory),
                LoaderLine::Include(pattern) => {
                    let directory = pattern.trim_end_matches("/*.conf");
                    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
                    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
                    names.sort();
                    for name in names.iter().filter(|name| name.extension() == Some("conf".as_ref())) {
                        found.extend(configured(name.to_str().expect("text").trim_start_matches('/')));
                    }
                }
            }
        }
        found
    }

    /// The libraries that the loader itself lists for a program: name and file.
    fn listed(program: &Path) -> Option<BTreeMap<String, PathBuf>> {
        let run = Command::new(LOADER).env_clear().arg("--list").arg(program).output().expect("it starts");
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        let line = |line: &str| {
            let (name, rest) = line.trim().split_once(" => ")?;
            let path = rest.rsplit_once(" (")?.0;
            Some((name.to_owned(), fs::canonicalize(path).ok()?))
        };
        let is_whole = run.status.success() && !text.contains("not found");
        is_whole.then(|| text.lines().filter_map(line).collect())
    }

    /// The loader of this machine is the oracle: for programs of this machine, the same files are found.
    #[test]
    fn the_files_are_those_that_the_real_loader_finds() {
        if !Path::new(LOADER).exists() {
            return;
        }
        let programs = std::fs::read_dir("/usr/bin").expect("programs").flatten();
        let mut programs: Vec<PathBuf> = programs.map(|entry| entry.path()).collect();
        programs.sort();
        let platform = Platform::linux_amd64();
        let mut compared = 0;
        for program in programs {
            if compared == 200 {
                break;
            }
            let is_program = |metadata: std::fs::Metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            };
            if !std::fs::symlink_metadata(&program).is_ok_and(is_program) {
                continue;
            }
            let Some(file) = elf(&program).filter(|file| file.dynamic.interpreter.as_deref() == Some(LOADER))
            else {
                continue;
            };
            let Some(expected) = listed(&program) else { continue };
            let libraries = Libraries {
                names: file.dynamic.needed,
                run_path: file.dynamic.run_path,
                is_inherited: file.dynamic.is_inherited,
                loader: file.dynamic.interpreter,
                program: EntryPath::new(program.to_str().expect("text").as_bytes()).expect("a path"),
                platform: platform.clone(),
                libc: Some(Libc::Glibc),
                versions: file.dynamic.versions.map(|versions| versions.needed),
            };
            let mut image = CandidateImage {
                tree: &mut Root,
                platform: &platform,
                base: None,
                library_path: None,
                path: None,
                node_path: None,
                node_options: None,
                user: String::new(),
                directory: None,
                cure: "look",
                name: "the image",
                base_name: "the base",
                why_unknown: "nothing tells",
                lookups: PathLookups::new(&Interrupt::default()),
            };
            let mut found = resolve(&libraries, &mut image).expect("resolved");
            let mut report = VersionReport::default();
            compare_versions(&libraries, &mut found, &mut image, &mut report).expect("compared");
            let said = report.findings(&image);
            assert!(said.iter().all(|finding| finding.answer == Answer::Met), "{said:?}");
            let paths: BTreeMap<String, PathBuf> = found
                .found
                .into_iter()
                .map(|(name, path)| (name, fs::canonicalize(path).expect("a file")))
                .collect();
            assert_eq!(paths, expected, "{}", program.display());
            assert!(found.missing.is_empty() && found.unknown.is_empty() && found.unread.is_empty());
            compared += 1;
        }
        assert!(compared > 10, "only {compared} programs were compared");
    }
}
