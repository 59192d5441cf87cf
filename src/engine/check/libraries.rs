//! Libraries of a program, looked for where its loader looks.

use super::image::{CandidateImage, FileAt};
use crate::artifact::Libraries;
use crate::bases::{FileTree, Libc};
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Rule, Severity};
use crate::types::platform::Platform;

/// Where the loader looks, and how it knows of the place.
struct LibraryDirectory {
    path: String,
    /// Whether it looks there by the configuration of the base alone, of which the base has a cache (`ld.so.cache`).
    is_cached: bool,
}

/// The result for one library.
enum Search {
    Found,
    /// Where the loader looks only once its cache was written again.
    NotInCache(String),
    Missing(Vec<String>),
    Unknown,
}

/// Looks for all libraries.
pub(super) fn check<T: FileTree>(
    libraries: &Libraries,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let (directories, is_sure) = directories(libraries, image)?;
    let (mut missing, mut unknown, mut uncached, mut evidence) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in &libraries.names {
        match find(name, &directories, is_sure, image)? {
            Search::Found => {}
            Search::NotInCache(directory) => uncached.push(format!("`{name}` in `{directory}`")),
            Search::Missing(others) => {
                missing.push(format!("`{name}`"));
                evidence.extend(others);
            }
            Search::Unknown => unknown.push(format!("`{name}`")),
        }
    }
    let mut findings = Vec::new();
    if !missing.is_empty() {
        evidence.extend(directories.iter().map(|directory| format!("looked in `{}`", directory.path)));
        if let Some(os) = image.system()?.and_then(|system| system.os) {
            evidence.push(format!("the base is {os}"));
        }
        let message = format!("the image lacks {}, which `{artifact}` is linked with", missing.join(", "));
        findings.push(
            Finding::not_met(Rule::ElfLibrary, message)
                .hint(
                    "link it statically (Go: `CGO_ENABLED=0`; Rust: a `musl` target), use a base that has them, or add \
                     them in a `[[layer]]`",
                )
                .evidence(evidence),
        );
    }
    if !unknown.is_empty() {
        let what =
            format!("whether the image has {}, which `{artifact}` is linked with,", unknown.join(", "));
        findings.push(Finding::unknown(Rule::ElfLibrary, image.unknown(&what)).hint(image.cure));
    }
    if !uncached.is_empty() {
        let message = format!(
            "the loader of `{artifact}` finds {} only by its cache `/etc/ld.so.cache`, which no layer of files writes again",
            uncached.join(", ")
        );
        let hint = "add the directory to `LD_LIBRARY_PATH` in `config.env`, or put the files into `/usr/lib`";
        findings.push(Finding::met(Rule::ElfLibrary, message).at(Severity::Warning).hint(hint));
    }
    if findings.is_empty() {
        let message = format!("the image has all libraries that `{artifact}` is linked with");
        findings.push(Finding::met(Rule::ElfLibrary, message));
    }
    Ok(findings)
}

fn find<T: FileTree>(
    name: &str,
    directories: &[LibraryDirectory],
    is_sure: bool,
    image: &mut CandidateImage<'_, T>,
) -> Result<Search, BoxedError> {
    let mut others = Vec::new();
    let mut is_known = is_sure;
    let places: Vec<(String, Option<&LibraryDirectory>)> = if name.starts_with('/') {
        vec![(name.to_owned(), None)]
    } else if name.contains('/') {
        let directory = image.directory.clone().unwrap_or_default();
        vec![(format!("{directory}/{name}"), None)]
    } else {
        directories.iter().map(|place| (format!("{}/{name}", place.path), Some(place))).collect()
    };
    for (path, place) in places {
        match image.file(&path)? {
            FileAt::Fits(found, _) => {
                let is_ours = image.tree.is_ours(&found);
                return Ok(match place {
                    Some(place) if place.is_cached && is_ours => Search::NotInCache(place.path.clone()),
                    _ => Search::Found,
                });
            }
            FileAt::OtherMachine(machine) => others.push(format!("`{path}` is for {machine}")),
            FileAt::Nothing => {}
            FileAt::Unknown => is_known = false,
        }
    }
    Ok(if is_known { Search::Missing(others) } else { Search::Unknown })
}

/// Where the loader looks, in its order, and whether that is all.
fn directories<T: FileTree>(
    libraries: &Libraries,
    image: &mut CandidateImage<'_, T>,
) -> Result<(Vec<LibraryDirectory>, bool), BoxedError> {
    let mut all: Vec<String> = Vec::new();
    let mut is_sure = true;
    for written in &libraries.run_path {
        match expanded(written, libraries, image.directory.as_deref()) {
            Some(paths) => all.extend(paths),
            None => is_sure = false,
        }
    }
    if let Some(path) = &image.library_path {
        for written in path.split([':', ';']) {
            match expanded(written, libraries, image.directory.as_deref()) {
                Some(paths) => all.extend(paths),
                None => is_sure = false,
            }
        }
    }
    all.extend(defaults(libraries.libc, &libraries.platform));
    let mut directories: Vec<LibraryDirectory> =
        all.into_iter().map(|path| LibraryDirectory { path, is_cached: false }).collect();
    match image.system()? {
        Some(system) => {
            let cached = |path| LibraryDirectory { path, is_cached: libraries.libc != Some(Libc::Musl) };
            directories.extend(system.library_path.into_iter().map(cached));
        }
        None => is_sure = false,
    }
    let own = image.tree.own_loader_directories()?;
    directories.extend(own.into_iter().map(|path| LibraryDirectory { path, is_cached: true }));
    Ok((directories, is_sure))
}

/// The directories that one entry of a search path means; `None` for what only the loader can tell.
fn expanded(written: &str, libraries: &Libraries, directory: Option<&str>) -> Option<Vec<String>> {
    // An empty entry is the directory that the process starts in.
    let written = if written.is_empty() { "." } else { written };
    let origin = String::from_utf8_lossy(libraries.program.directory()).into_owned();
    let origin = format!("/{}", origin.trim_end_matches('/'));
    let text = written.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
    let texts: Vec<String> = if text.contains("$LIB") || text.contains("${LIB}") {
        let triplet = triplet(&libraries.platform);
        let libs = ["lib".to_owned(), "lib64".to_owned(), format!("lib/{triplet}")];
        libs.iter().map(|lib| text.replace("${LIB}", lib).replace("$LIB", lib)).collect()
    } else {
        vec![text]
    };
    if texts.iter().any(|text| text.contains('$')) {
        return None;
    }
    let absolute = |text: String| {
        if text.starts_with('/') { text } else { format!("{}/{text}", directory.unwrap_or_default()) }
    };
    Some(texts.into_iter().map(absolute).collect())
}

/// Debian's name for a platform, which its libraries lie below.
fn triplet(platform: &Platform) -> &'static str {
    match (platform.architecture(), platform.variant()) {
        ("amd64", _) => "x86_64-linux-gnu",
        ("386", _) => "i386-linux-gnu",
        ("arm64", _) => "aarch64-linux-gnu",
        ("arm", Some("v5" | "v6")) => "arm-linux-gnueabi",
        ("arm", _) => "arm-linux-gnueabihf",
        ("ppc64le", _) => "powerpc64le-linux-gnu",
        ("riscv64", _) => "riscv64-linux-gnu",
        ("s390x", _) => "s390x-linux-gnu",
        ("loong64", _) => "loongarch64-linux-gnu",
        _ => "",
    }
}

/// Where loaders look without being told. musl's have three directories; glibc's those of Debian and Fedora.
fn defaults(libc: Option<Libc>, platform: &Platform) -> Vec<String> {
    if libc == Some(Libc::Musl) {
        return ["/lib", "/usr/local/lib", "/usr/lib"].map(str::to_owned).to_vec();
    }
    let triplet = triplet(platform);
    let mut directories = Vec::new();
    if !triplet.is_empty() {
        directories.extend(["/lib", "/usr/lib"].map(|lib| format!("{lib}/{triplet}")));
    }
    directories.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned));
    if libc.is_none() {
        directories.push("/usr/local/lib".to_owned());
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::EntryPath;

    fn libraries() -> Libraries {
        Libraries {
            names: vec!["libfoo.so.1".to_owned()],
            run_path: Vec::new(),
            program: EntryPath::new(b"app/bin/server").expect("a path"),
            platform: Platform::linux_amd64(),
            libc: Some(Libc::Glibc),
        }
    }

    #[test]
    fn search_paths_mean_directories() {
        let of = |text: &str| expanded(text, &libraries(), Some("/srv"));
        let one = |path: &str| Some(vec![path.to_owned()]);
        assert_eq!(of("$ORIGIN/../lib"), one("/app/bin/../lib"));
        assert_eq!(of("${ORIGIN}"), one("/app/bin"));
        assert_eq!(of("/opt/lib"), one("/opt/lib"));
        assert_eq!(of("plugins"), one("/srv/plugins"));
        assert_eq!(of("").as_deref(), Some(&["/srv/.".to_owned()][..]));
        assert_eq!(of("/opt/$LIB").map(|paths| paths.len()), Some(3));
        assert_eq!(of("/opt/$PLATFORM"), None);
    }

    #[test]
    fn loaders_have_directories_of_their_own() {
        let amd64 = Platform::linux_amd64();
        assert!(defaults(Some(Libc::Glibc), &amd64).contains(&"/usr/lib/x86_64-linux-gnu".to_owned()));
        assert!(!defaults(Some(Libc::Glibc), &amd64).contains(&"/usr/local/lib".to_owned()));
        assert_eq!(defaults(Some(Libc::Musl), &amd64).len(), 3);
    }
}
