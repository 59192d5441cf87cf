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

use std::collections::BTreeSet;
use std::rc::Rc;

use super::lookups::{PathLookups, SearchedPlace};
use crate::bases::{BaseAnswer, Libc};
use crate::runtime::interrupt::Interrupted;
use crate::types::platform::Platform;

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
    /// The places that those have handed down that loaded it.
    pub(super) inherited: PlaceList,
}

/// Places in their order, by their numbers. Files that are loaded by the same file share one list.
#[derive(Clone, Debug)]
pub(super) struct PlaceList {
    numbers: Rc<[usize]>,
    /// Whether that is all.
    is_sure: bool,
}

impl Default for PlaceList {
    fn default() -> Self {
        Self { numbers: Rc::default(), is_sure: true }
    }
}

/// The places for the libraries of one file.
pub(super) struct FilePlaces {
    parts: Vec<PlaceList>,
    /// The places that it hands down to the files that it loads.
    pub(super) handed_down: PlaceList,
}

impl FilePlaces {
    /// All in their order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().flat_map(|part| part.numbers.iter().copied())
    }

    /// Whether the loader looks nowhere else.
    pub(super) fn are_all(&self) -> bool {
        self.parts.iter().all(|part| part.is_sure)
    }
}

/// The places that are the same for all files of a process.
pub(super) struct CommonPlaces {
    /// Those of `LD_LIBRARY_PATH`.
    variable: PlaceList,
    /// Those of the loader's configuration, and its own.
    last: PlaceList,
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
    /// The places that are the same for all files of the process that `program` starts.
    pub(super) fn common(
        &self,
        program: &Loaded,
        lookups: &mut PathLookups,
    ) -> Result<CommonPlaces, Interrupted> {
        let variable = self.library_path.as_deref().filter(|path| !path.is_empty());
        let variable = variable.into_iter().flat_map(|path| path.split([':', ';']));
        let own = defaults(self.libc, &self.platform);
        // Where the loader looks in any case, no cache is needed.
        let configured = self.configured.iter().flatten().filter(|path| !own.contains(path));
        let is_cached = self.libc != Some(Libc::Musl);
        let configured = configured.map(|path| SearchedPlace { path: path.as_str().into(), is_cached });
        let mut last = NumberedPlaces::new(lookups);
        for place in configured.chain(own.iter().map(|path| SearchedPlace::direct(path))) {
            last.add(place)?;
        }
        last.is_sure &= self.configured.is_some();
        let last = last.into_list();
        Ok(CommonPlaces { variable: self.written(variable, program, lookups)?, last })
    }

    /// Where the loader looks for the libraries of `file`.
    pub(super) fn places(
        &self,
        file: &Loaded,
        common: &CommonPlaces,
        lookups: &mut PathLookups,
    ) -> Result<FilePlaces, Interrupted> {
        let is_musl = self.libc == Some(Libc::Musl);
        let own = self.written(file.run_path.iter().map(String::as_str), file, lookups)?;
        let handed_down = if is_musl || file.is_inherited {
            joined(&own, &file.inherited, lookups)?
        } else {
            file.inherited.clone()
        };
        let CommonPlaces { variable, last } = common;
        let has_own = !file.run_path.is_empty() && !file.is_inherited;
        let parts = match (is_musl, has_own) {
            (true, _) => [variable, &handed_down, last],
            (false, true) => [variable, &own, last],
            (false, false) => [&handed_down, variable, last],
        };
        Ok(FilePlaces { parts: parts.map(PlaceList::clone).to_vec(), handed_down })
    }

    /// The places that the entries of a search path mean, which `file` has written.
    fn written<'w>(
        &self,
        entries: impl Iterator<Item = &'w str>,
        file: &Loaded,
        lookups: &mut PathLookups,
    ) -> Result<PlaceList, Interrupted> {
        let mut places = NumberedPlaces::new(lookups);
        for written in entries {
            match self.expanded(written, file) {
                Some(paths) => {
                    for path in paths.iter().filter(|path| path.len() <= MAX_PATH) {
                        places.add(SearchedPlace::direct(path))?;
                    }
                }
                None => places.is_sure = false,
            }
            if places.lookups.are_exhausted() {
                break;
            }
        }
        Ok(places.into_list())
    }

    /// The directories that one entry of a search path means; `None` for what only the loader can tell.
    fn expanded(&self, written: &str, file: &Loaded) -> Option<Vec<String>> {
        // An empty entry is the directory that the process starts in.
        let written = if written.is_empty() { "." } else { written };
        let origin = match file.path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((directory, _)) => directory,
        };
        // Of a path that is too long for any file, no more is written.
        let is_long = written.matches("ORIGIN").count() * origin.len() > MAX_PATH;
        if is_long || written.len() > MAX_PATH {
            return Some(Vec::new());
        }
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

/// The kernel opens no longer path, in bytes.
const MAX_PATH: usize = 4096;

/// The places of a list that is being written.
struct NumberedPlaces<'a> {
    lookups: &'a mut PathLookups,
    numbers: Vec<usize>,
    seen: BTreeSet<usize>,
    is_sure: bool,
}

impl<'a> NumberedPlaces<'a> {
    const fn new(lookups: &'a mut PathLookups) -> Self {
        Self { lookups, numbers: Vec::new(), seen: BTreeSet::new(), is_sure: true }
    }

    fn add(&mut self, place: SearchedPlace) -> Result<(), Interrupted> {
        match self.lookups.number(place)? {
            Some(number) => self.add_number(number),
            None => self.is_sure = false,
        }
        Ok(())
    }

    /// A place that comes twice is searched where it comes first.
    fn add_number(&mut self, number: usize) {
        if self.seen.insert(number) {
            self.numbers.push(number);
        }
    }

    fn into_list(self) -> PlaceList {
        PlaceList { numbers: self.numbers.into(), is_sure: self.is_sure }
    }
}

/// The places of `own` before those of `inherited`, without those that are known not to be there.
fn joined(
    own: &PlaceList,
    inherited: &PlaceList,
    lookups: &mut PathLookups,
) -> Result<PlaceList, Interrupted> {
    if own.numbers.is_empty() && own.is_sure {
        return Ok(inherited.clone());
    }
    let count = own.numbers.len() + inherited.numbers.len();
    let mut places = NumberedPlaces::new(lookups);
    places.is_sure = own.is_sure && inherited.is_sure;
    if !places.lookups.pass(count)? {
        places.is_sure = false;
        return Ok(places.into_list());
    }
    for number in own.numbers.iter().chain(&*inherited.numbers) {
        if places.lookups.known(*number) != Some(&BaseAnswer::Nothing) {
            places.add_number(*number);
        }
    }
    let places = places.into_list();
    Ok(if places.numbers == inherited.numbers && places.is_sure == inherited.is_sure {
        inherited.clone()
    } else {
        places
    })
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
    use crate::runtime::interrupt::Interrupt;

    fn search(libc: Libc) -> SearchPath {
        SearchPath {
            libc: Some(libc),
            platform: Platform::linux_amd64(),
            library_path: None,
            directory: Some("/srv".to_owned()),
            configured: Some(Vec::new()),
        }
    }

    fn file(path: &str, run_path: &[&str], is_inherited: bool) -> Loaded {
        Loaded {
            path: path.to_owned(),
            needed: Vec::new(),
            run_path: run_path.iter().map(|path| (*path).to_owned()).collect(),
            is_inherited,
            inherited: PlaceList::default(),
        }
    }

    /// The places for the libraries of the last of `files`, each of which loads the next one, and whether they are all.
    fn places(search: &SearchPath, files: &[Loaded]) -> (Vec<SearchedPlace>, bool) {
        let mut lookups = PathLookups::new(&Interrupt::default());
        let common = search.common(&files[0], &mut lookups).expect("not interrupted");
        let mut inherited = PlaceList::default();
        let mut last = None;
        for file in files {
            let file = Loaded { inherited: inherited.clone(), ..file.clone() };
            let places = search.places(&file, &common, &mut lookups).expect("not interrupted");
            inherited = places.handed_down.clone();
            last = Some(places);
        }
        let last = last.expect("a file");
        (last.numbers().map(|number| lookups.place(number).clone()).collect(), last.are_all())
    }

    /// The places before the loader's own directories.
    fn first(search: &SearchPath, files: &[Loaded], number: usize) -> Vec<String> {
        let own = defaults(search.libc, &search.platform).len();
        let (places, _) = places(search, &files[..=number]);
        places[..places.len() - own].iter().map(|place| place.path.to_string()).collect()
    }

    #[test]
    fn search_paths_mean_directories() {
        let of = |text: &str| search(Libc::Glibc).expanded(text, &file("/app/bin/server", &[], false));
        let one = |path: &str| Some(vec![path.to_owned()]);
        assert_eq!(of("$ORIGIN/../lib"), one("/app/bin/../lib"));
        assert_eq!(of("${ORIGIN}"), one("/app/bin"));
        assert_eq!(of("/opt/lib"), one("/opt/lib"));
        assert_eq!(of("plugins"), one("/srv/plugins"));
        assert_eq!(of("").as_deref(), Some(&["/srv/.".to_owned()][..]));
        assert_eq!(of("/opt/$LIB").map(|paths| paths.len()), Some(3));
        assert_eq!(of("/opt/$PLATFORM"), None);
        let arm = SearchPath { platform: "linux/arm64".parse().expect("a platform"), ..search(Libc::Glibc) };
        assert_eq!(arm.expanded("/opt/$PLATFORM", &file("/a", &[], false)), one("/opt/aarch64"));
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
            let files = [file("/app/server", &["/program"], program), file("/opt/liba.so", library, is_old)];
            first(&glibc, &files, 1)
        };
        assert_eq!(of(true, &[], false), ["/program"]);
        assert_eq!(of(false, &[], false), [""; 0]);
        assert_eq!(of(true, &["$ORIGIN"], true), ["/opt", "/program"]);
        assert_eq!(of(true, &["$ORIGIN"], false), ["/opt"], "a new one excludes all old ones");
    }

    #[test]
    fn the_variable_comes_between_the_two_and_first_for_musl() {
        let files = [file("/app/server", &["/program"], true), file("/opt/liba.so", &["/library"], false)];
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
            let (places, is_sure) = places(search, &[file("/app/server", &[], false)]);
            assert!(is_sure);
            places.into_iter().filter(|place| place.is_cached).map(|place| place.path.to_string()).collect()
        };
        assert_eq!(cached(&with(Libc::Glibc)), ["/opt/lib"]);
        assert_eq!(cached(&with(Libc::Musl)), [""; 0]);
        let unknown = SearchPath { configured: None, ..search(Libc::Glibc) };
        assert!(!places(&unknown, &[file("/app/server", &[], false)]).1);
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
