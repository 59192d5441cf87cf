//! Where a dynamic loader looks for a library: glibc's rules and musl's.
//!
//! | | glibc | musl |
//! |---|---|---|
//! | 1 | `DT_RPATH` of the file that needs it, then of those that loaded that file; not if the file has a `DT_RUNPATH` | `LD_LIBRARY_PATH` |
//! | 2 | `LD_LIBRARY_PATH` | `DT_RUNPATH` or `DT_RPATH` of the file, then of those that loaded it |
//! | 3 | `DT_RUNPATH` of the file alone | `/etc/ld-musl-*.path`, else `/lib:/usr/local/lib:/usr/lib` |
//! | 4 | `ld.so.cache`, which has the directories of `ld.so.conf` | |
//! | 5 | the loader's own directories | |
//!
//! glibc's own directories are those that a distribution compiled in: Debian's and Fedora's are both taken.

use crate::bases::Libc;
use crate::types::platform::Platform;

/// A directory where the loader looks, and how it knows of the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SearchedPlace {
    pub(super) path: String,
    /// Whether it looks there by the configuration of the base alone, of which the base has a cache (`ld.so.cache`).
    pub(super) is_cached: bool,
}

impl SearchedPlace {
    const fn direct(path: String) -> Self {
        Self { path, is_cached: false }
    }
}

/// A file that is loaded: the program, or a library.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Its path in the image, as it was found.
    pub(super) path: String,
    /// The libraries that it is linked with.
    pub(super) needed: Vec<String>,
    /// The directories that it wants searched, as they are written.
    pub(super) run_path: Vec<String>,
    /// Whether they are searched for the libraries of its libraries, too.
    pub(super) is_inherited: bool,
    /// The file that loaded it, by its number.
    pub(super) loaded_by: Option<usize>,
}

/// The part of a search that is the same for all files of a process.
pub(super) struct SearchPath {
    pub(super) libc: Option<Libc>,
    pub(super) platform: Platform,
    /// `LD_LIBRARY_PATH`.
    pub(super) library_path: Option<String>,
    /// Where the process starts.
    pub(super) directory: Option<String>,
    /// The directories of the loader's configuration, in their order; `None` where they are not known.
    pub(super) configured: Option<Vec<String>>,
}

impl SearchPath {
    /// Where the loader looks for the libraries of the file `number`, in its order, and whether that is all.
    pub(super) fn places(&self, files: &[Loaded], number: usize) -> (Vec<SearchedPlace>, bool) {
        let mut places = Vec::new();
        let mut is_sure = self.configured.is_some();
        let mut add = |written: &mut dyn Iterator<Item = &str>, origin: &Loaded| {
            for written in written {
                match self.expanded(written, origin) {
                    Some(paths) => places.extend(paths.into_iter().map(SearchedPlace::direct)),
                    None => is_sure = false,
                }
            }
        };
        let file = &files[number];
        let variable = self.library_path.as_deref().filter(|path| !path.is_empty());
        let mut variable = variable.into_iter().flat_map(|path| path.split([':', ';']));
        let is_musl = self.libc == Some(Libc::Musl);
        if is_musl {
            add(&mut variable, &files[0]);
        }
        let has_own = !file.run_path.is_empty() && !file.is_inherited;
        if is_musl || !has_own {
            let mut next = Some(number);
            while let Some(file) = next.map(|next| &files[next]) {
                if is_musl || file.is_inherited {
                    add(&mut file.run_path.iter().map(String::as_str), file);
                }
                next = file.loaded_by;
            }
        }
        if !is_musl {
            add(&mut variable, &files[0]);
            if has_own {
                add(&mut file.run_path.iter().map(String::as_str), file);
            }
        }
        let own = defaults(self.libc, &self.platform);
        // Where the loader looks in any case, no cache is needed.
        let configured = self.configured.iter().flatten().filter(|path| !own.contains(path));
        let is_cached = !is_musl;
        places.extend(configured.map(|path| SearchedPlace { path: path.clone(), is_cached }));
        places.extend(own.into_iter().map(SearchedPlace::direct));
        (places, is_sure)
    }

    /// The directories that one entry of a search path means; `None` for what only the loader can tell.
    fn expanded(&self, written: &str, file: &Loaded) -> Option<Vec<String>> {
        // An empty entry is the directory that the process starts in.
        let written = if written.is_empty() { "." } else { written };
        let origin = match file.path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((directory, _)) => directory,
        };
        let replaced = |text: &str, name: &str, value: &str| {
            text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
        };
        let mut texts = vec![replaced(written, "ORIGIN", origin)];
        if texts[0].contains("$LIB") || texts[0].contains("${LIB}") {
            let libs = ["lib".to_owned(), "lib64".to_owned(), format!("lib/{}", triplet(&self.platform))];
            texts = libs.iter().map(|lib| replaced(&texts[0], "LIB", lib)).collect();
        }
        // Of other machines, the processor decides.
        if self.platform.architecture() == "arm64" {
            texts = texts.iter().map(|text| replaced(text, "PLATFORM", "aarch64")).collect();
        }
        if texts.iter().any(|text| text.contains('$')) {
            return None;
        }
        let absolute = |text: String| {
            if text.starts_with('/') {
                text
            } else {
                format!("{}/{text}", self.directory.as_deref().unwrap_or_default())
            }
        };
        Some(texts.into_iter().map(absolute).collect())
    }
}

/// Whether a library is a part of musl's loader, which has them all in one file.
pub(super) fn is_part_of_musl(name: &str) -> bool {
    const PARTS: [&str; 7] = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];
    let Some(rest) = name.strip_prefix("lib") else { return name.starts_with("ld-musl-") };
    PARTS.iter().any(|part| rest.starts_with(part))
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

    fn search(libc: Libc) -> SearchPath {
        SearchPath {
            libc: Some(libc),
            platform: Platform::linux_amd64(),
            library_path: None,
            directory: Some("/srv".to_owned()),
            configured: Some(Vec::new()),
        }
    }

    fn file(path: &str, run_path: &[&str], is_inherited: bool, loaded_by: Option<usize>) -> Loaded {
        Loaded {
            path: path.to_owned(),
            needed: Vec::new(),
            run_path: run_path.iter().map(|path| (*path).to_owned()).collect(),
            is_inherited,
            loaded_by,
        }
    }

    /// The places before the loader's own directories.
    fn first(search: &SearchPath, files: &[Loaded], number: usize) -> Vec<String> {
        let own = defaults(search.libc, &search.platform).len();
        let (places, _) = search.places(files, number);
        places[..places.len() - own].iter().map(|place| place.path.clone()).collect()
    }

    #[test]
    fn search_paths_mean_directories() {
        let of = |text: &str| search(Libc::Glibc).expanded(text, &file("/app/bin/server", &[], false, None));
        let one = |path: &str| Some(vec![path.to_owned()]);
        assert_eq!(of("$ORIGIN/../lib"), one("/app/bin/../lib"));
        assert_eq!(of("${ORIGIN}"), one("/app/bin"));
        assert_eq!(of("/opt/lib"), one("/opt/lib"));
        assert_eq!(of("plugins"), one("/srv/plugins"));
        assert_eq!(of("").as_deref(), Some(&["/srv/.".to_owned()][..]));
        assert_eq!(of("/opt/$LIB").map(|paths| paths.len()), Some(3));
        assert_eq!(of("/opt/$PLATFORM"), None);
        let arm = SearchPath { platform: "linux/arm64".parse().expect("a platform"), ..search(Libc::Glibc) };
        assert_eq!(arm.expanded("/opt/$PLATFORM", &file("/a", &[], false, None)), one("/opt/aarch64"));
    }

    #[test]
    fn loaders_have_directories_of_their_own() {
        let amd64 = Platform::linux_amd64();
        assert!(defaults(Some(Libc::Glibc), &amd64).contains(&"/usr/lib/x86_64-linux-gnu".to_owned()));
        assert!(!defaults(Some(Libc::Glibc), &amd64).contains(&"/usr/local/lib".to_owned()));
        assert_eq!(defaults(Some(Libc::Musl), &amd64).len(), 3);
    }

    #[test]
    fn an_old_run_path_is_inherited_and_a_new_one_is_not() {
        let glibc = search(Libc::Glibc);
        let of = |program: bool, library: &[&str], is_old: bool| {
            let files = [
                file("/app/server", &["/program"], program, None),
                file("/opt/liba.so", library, is_old, Some(0)),
            ];
            first(&glibc, &files, 1)
        };
        assert_eq!(of(true, &[], false), ["/program"]);
        assert_eq!(of(false, &[], false), [""; 0]);
        assert_eq!(of(true, &["$ORIGIN"], true), ["/opt", "/program"]);
        assert_eq!(of(true, &["$ORIGIN"], false), ["/opt"], "a new one excludes all old ones");
    }

    #[test]
    fn the_variable_comes_between_the_two_and_first_for_musl() {
        let files = [
            file("/app/server", &["/program"], true, None),
            file("/opt/liba.so", &["/library"], false, Some(0)),
        ];
        let with = |libc| SearchPath { library_path: Some("/variable".to_owned()), ..search(libc) };
        assert_eq!(first(&with(Libc::Glibc), &files, 0), ["/program", "/variable"]);
        assert_eq!(first(&with(Libc::Glibc), &files, 1), ["/variable", "/library"]);
        assert_eq!(first(&with(Libc::Musl), &files, 1), ["/variable", "/library", "/program"]);
    }

    #[test]
    fn directories_of_the_configuration_are_cached_unless_they_are_the_loaders_own() {
        let configured = vec!["/opt/lib".to_owned(), "/usr/lib".to_owned()];
        let with = |libc| SearchPath { configured: Some(configured.clone()), ..search(libc) };
        let cached = |search: &SearchPath| -> Vec<String> {
            let (places, is_sure) = search.places(&[file("/app/server", &[], false, None)], 0);
            assert!(is_sure);
            places.into_iter().filter(|place| place.is_cached).map(|place| place.path).collect()
        };
        assert_eq!(cached(&with(Libc::Glibc)), ["/opt/lib"]);
        assert_eq!(cached(&with(Libc::Musl)), [""; 0]);
        let unknown = SearchPath { configured: None, ..search(Libc::Glibc) };
        assert!(!unknown.places(&[file("/app/server", &[], false, None)], 0).1);
    }

    #[test]
    fn musl_has_its_parts_in_one_file() {
        for part in ["libc.musl-x86_64.so.1", "libc.so", "libpthread.so.0", "ld-musl-x86_64.so.1"] {
            assert!(is_part_of_musl(part), "{part}");
        }
        for other in ["libz.so.1", "libcrypto.so.3", "libmagic.so.1"] {
            assert!(!is_part_of_musl(other), "{other}");
        }
    }
}
