//! The same inputs give the same digest: for every number of threads, state of the cache, user, directory,
//! locale and order of files. And the digests are those of the last release.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::support::{
    Built, LayerDigests, Project, REPOSITORY, chmod, files_below, is_emulated, is_root, noise, prose,
    skipped, tree_on, war, webapp,
};

/// The digests that this version gives.
const GOLDEN: &str = include_str!("golden.toml");

/// The image that is built from a fixed input.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Golden {
    manifest: String,
    layer: Vec<LayerDigests>,
}

impl Golden {
    fn of(built: &Built) -> Self {
        Self { manifest: built.digest(), layer: built.layers() }
    }
}

/// Compares with the committed digests.
#[track_caller]
pub(crate) fn check_golden(name: &str, built: &Built) {
    check_all_golden(BTreeMap::from([(name.to_owned(), Golden::of(built))]));
}

#[track_caller]
fn check_all_golden(mut found: BTreeMap<String, Golden>) {
    let all: BTreeMap<String, Golden> = toml::from_str(GOLDEN).unwrap();
    tell_compared(found.keys());
    found.retain(|name, golden| all.get(name) != Some(golden));
    assert!(
        found.is_empty(),
        "digests changed. If that is meant, write it below Digests in CHANGELOG.md, and into golden.toml:\n{}",
        toml::to_string(&found).unwrap()
    );
}

/// Adds names to the file that a variable names. `.ci/aarch64` asks whether all were compared.
#[expect(clippy::disallowed_methods, reason = "the harness gives the file in a variable")]
fn tell_compared<'a>(names: impl Iterator<Item = &'a String>) {
    if let Ok(path) = std::env::var("PACK_TEST_COMPARED") {
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        let lines: String = names.map(|name| format!("{name}\n")).collect();
        file.write_all(lines.as_bytes()).unwrap();
    }
}

const COMPRESSIONS: [&str; 5] = ["gzip", "gzip:1", "gzip:9", "zstd", "none"];

/// The kind of a node of a tree.
enum Node {
    Directory,
    File(Vec<u8>),
    Executable(Vec<u8>),
    Setuid(Vec<u8>),
    Symlink(&'static str),
    HardLink(&'static str),
}

/// Makes a tree; `reversed` makes its files in the other order, so that directories list them in another.
fn make_tree(root: &Path, nodes: &[(Vec<u8>, Node)], reversed: bool) {
    let at = |name: &[u8]| root.join(std::ffi::OsStr::from_bytes(name));
    let make = |(name, node): &(Vec<u8>, Node)| {
        let path = at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::Directory => fs::create_dir_all(&path).unwrap(),
            Node::File(content) => fs::write(&path, content).unwrap(),
            Node::Executable(content) | Node::Setuid(content) => {
                fs::write(&path, content).unwrap();
                chmod(&path, if matches!(node, Node::Setuid(_)) { 0o4755 } else { 0o755 });
            }
            Node::Symlink(target) => symlink(target, &path).unwrap(),
            Node::HardLink(_) => {}
        }
    };
    if reversed {
        nodes.iter().rev().for_each(make);
    } else {
        nodes.iter().for_each(make);
    }
    for (name, node) in nodes {
        if let Node::HardLink(target) = node {
            fs::hard_link(root.join(target), at(name)).unwrap();
        }
    }
    // Not in the image unless asked for; not every file system has them.
    let _ = xattr::set(root.join("empty"), "user.pack.test", b"value");
}

fn nasty_tree() -> Vec<(Vec<u8>, Node)> {
    let mut nodes: Vec<(Vec<u8>, Node)> = vec![
        (b"empty".to_vec(), Node::File(Vec::new())),
        (b"empty-directory".to_vec(), Node::Directory),
        ("größe-日本語-\u{1f4e6}".as_bytes().to_vec(), Node::File(prose(1, 100))),
        // The same letter, composed and not: two files.
        ("\u{e9}".as_bytes().to_vec(), Node::File(b"composed".to_vec())),
        ("e\u{301}".as_bytes().to_vec(), Node::File(b"decomposed".to_vec())),
        (b"new\nline".to_vec(), Node::File(b"n".to_vec())),
        (b" leading and trailing ".to_vec(), Node::File(b"s".to_vec())),
        (b"back\\slash\"quote'".to_vec(), Node::File(b"q".to_vec())),
        (b"latin1-\xe9\xff".to_vec(), Node::File(b"not UTF-8".to_vec())),
        (b"-dash".to_vec(), Node::File(b"d".to_vec())),
        // Where the order of names with and without a slash matters.
        (b"sort/a".to_vec(), Node::File(b"1".to_vec())),
        (b"sort.d/a".to_vec(), Node::File(b"2".to_vec())),
        (b"sort-d/a".to_vec(), Node::File(b"3".to_vec())),
        (b"run.sh".to_vec(), Node::Executable(b"#!/bin/sh\n".to_vec())),
        (b"setuid".to_vec(), Node::Setuid(b"#!/bin/sh\n".to_vec())),
        (b"loop/a".to_vec(), Node::Symlink("b")),
        (b"loop/b".to_vec(), Node::Symlink("a")),
        (b"loop/self".to_vec(), Node::Symlink("self")),
        (b"loop/up".to_vec(), Node::Symlink("../loop")),
        (b"dangling".to_vec(), Node::Symlink("nowhere")),
        (b"hard".to_vec(), Node::HardLink("run.sh")),
        (b"body-exact".to_vec(), Node::File(noise(4, 262_144))),
        (b"body-minus".to_vec(), Node::File(noise(5, 262_143))),
        (b"body-plus".to_vec(), Node::File(noise(6, 262_145))),
        (b"large-text".to_vec(), Node::File(prose(7, 3_000_000))),
        (b"large-noise".to_vec(), Node::File(noise(8, 2_500_000))),
    ];
    for length in [99, 100, 101, 155, 255] {
        nodes.push((vec![b'n'; length], Node::File(length.to_string().into_bytes())));
    }
    let deep = ["d".repeat(60).as_str(); 8].join("/");
    nodes.push((format!("{deep}/file").into_bytes(), Node::File(b"deep".to_vec())));
    nodes.push((format!("{deep}/ü").into_bytes(), Node::File(b"deep and not ASCII".to_vec())));
    nodes.push((
        format!("{}/{}", "p".repeat(154), "q".repeat(100)).into_bytes(),
        Node::File(b"split".to_vec()),
    ));
    nodes
}

fn nasty_project(reversed: bool) -> Project {
    let project = Project::with(&tree_on("scratch"));
    make_tree(&project.path("files"), &nasty_tree(), reversed);
    project
}

fn many_files(reversed: bool) -> Project {
    let nodes: Vec<(Vec<u8>, Node)> = (0u64..10_000)
        .map(|number| {
            let name = format!("{:02}/{:02}/file-{number}.txt", number % 37, number % 11);
            (name.into_bytes(), Node::File(prose(number, 40 + (number % 300) as usize)))
        })
        .collect();
    let project = Project::with(&tree_on("scratch"));
    make_tree(&project.path("files"), &nodes, reversed);
    project
}

fn war_project(reversed: bool) -> Project {
    let project = Project::bookstore();
    project.write("app.war", war(&webapp()));
    let mut files = webapp();
    if reversed {
        files.reverse();
    }
    for (name, content) in files {
        project.write(&format!("app/{name}"), content);
    }
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", build_toml.replace("path = \"webapp\"", "path = \"app.war\""));
    project
}

/// The state of the cache before a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    Cold,
    Warm,
    Damaged,
}

/// A difference of another machine.
#[derive(Clone, Copy, Debug)]
enum Elsewhere {
    Plain,
    Umask022,
    Umask077,
    OtherDirectory,
    OtherUser,
    TimeZone,
    Locale,
    Touched,
    OtherOrder,
}

const ELSEWHERE: [Elsewhere; 9] = [
    Elsewhere::Plain,
    Elsewhere::Umask022,
    Elsewhere::Umask077,
    Elsewhere::OtherDirectory,
    Elsewhere::OtherUser,
    Elsewhere::TimeZone,
    Elsewhere::Locale,
    Elsewhere::Touched,
    Elsewhere::OtherOrder,
];

/// Which of the 81 cells of the matrix are built in.
#[derive(Clone, Copy)]
enum Cells {
    /// Every two conditions meet: 27.
    Pairs,
    /// Every condition occurs, and every number of threads meets every state of the cache: 9.
    Each,
}

impl Cells {
    /// Whether the cell of these places in the lists of conditions is one. None is on an emulated processor, which is
    /// the condition itself, and slow.
    fn has(self, elsewhere: usize, jobs: usize, cache: usize) -> bool {
        match self {
            _ if is_emulated() => false,
            Self::Pairs => (elsewhere + jobs + cache).is_multiple_of(3),
            Self::Each => jobs == elsewhere % 3 && cache == elsewhere / 3,
        }
    }
}

/// Every blob, memo and index of a store is cut, changed, zeroed or gone. Blobs keep no length: one whose
/// length is right is trusted until it is read, which is another test's.
fn damage(store: &Path, round: usize) {
    for (number, path) in files_below(store).iter().enumerate() {
        let is_blob = path.starts_with(store.join("blobs"));
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        match (number + round) % 4 {
            0 => bytes.truncate(middle),
            1 if is_blob => bytes.clear(),
            1 => bytes.fill(0),
            2 if is_blob => bytes.push(0),
            2 => bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x10),
            _ => {
                fs::remove_file(path).unwrap();
                continue;
            }
        }
        fs::write(path, bytes).unwrap();
    }
}

fn touch(root: &Path, round: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + round * 12_345);
    for path in files_below(root) {
        fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    }
}

/// Builds in one cell of the matrix.
fn build_there(
    projects: [&Project; 2],
    elsewhere: Elsewhere,
    jobs: usize,
    cache: Cache,
    round: usize,
) -> Option<Built> {
    let [first, other] = projects;
    let project = if matches!(elsewhere, Elsewhere::OtherOrder) { other } else { first };
    let store = project.beside(&format!("store-{round}"));
    fs::create_dir(&store).unwrap();
    chmod(&store, 0o777);
    let arguments = format!("build --jobs {jobs}");
    let run = project.pack(&arguments).cache(&store);
    let run = match elsewhere {
        Elsewhere::Plain | Elsewhere::OtherOrder => run,
        Elsewhere::Umask022 => run.umask("022"),
        Elsewhere::Umask077 => run.umask("077"),
        Elsewhere::OtherDirectory => run.cwd(Path::new("/")).arg(project.root().display().to_string()),
        Elsewhere::OtherUser if is_root() => run.nobody(),
        Elsewhere::OtherUser => return None,
        Elsewhere::TimeZone => run.env("TZ", "Asia/Kathmandu"),
        Elsewhere::Locale => run.env("LC_ALL", "tr_TR.UTF-8").env("LANG", "C"),
        Elsewhere::Touched => {
            touch(&project.root(), round as u64);
            run
        }
    };
    if cache != Cache::Cold {
        run.ok();
    }
    if matches!(elsewhere, Elsewhere::Touched) {
        touch(&project.root(), 1000 + round as u64);
    }
    if cache == Cache::Damaged {
        damage(&store, round);
    }
    let built = run.built("");
    match cache {
        Cache::Warm => assert_eq!(built.encoded_bytes(), 0, "{elsewhere:?}, {jobs} jobs: warm, {built:?}"),
        Cache::Cold => assert_ne!(built.encoded_bytes(), 0),
        Cache::Damaged => {}
    }
    fs::remove_dir_all(&store).unwrap();
    Some(built)
}

/// Builds in these cells.
fn check_matrix(projects: [&Project; 2], cells: Cells) -> Built {
    if !is_root() {
        skipped("another user", "only root can become one");
    }
    // The lock is written before users without the right to do so come.
    let reference = projects[0].build("");
    projects[1].build("");
    let mut round = 0;
    for (row, elsewhere) in ELSEWHERE.into_iter().enumerate() {
        for (column, jobs) in [1, 2, 8].into_iter().enumerate() {
            for (state, cache) in [Cache::Cold, Cache::Warm, Cache::Damaged].into_iter().enumerate() {
                if !cells.has(row, column, state) {
                    continue;
                }
                round += 1;
                if let Some(built) = build_there(projects, elsewhere, jobs, cache, round) {
                    let there = format!("{elsewhere:?}, {jobs} jobs, {cache:?}");
                    assert_eq!(Golden::of(&built), Golden::of(&reference), "{there}");
                }
            }
        }
    }
    reference
}

#[test]
fn a_war_has_one_digest() {
    let projects = [&war_project(false), &war_project(true)];
    check_golden("war gzip", &check_matrix(projects, Cells::Pairs));
}

#[test]
fn a_nasty_tree_has_one_digest() {
    let projects = [&nasty_project(false), &nasty_project(true)];
    let project = projects[0];
    assert_eq!(fs::metadata(project.path("files/run.sh")).unwrap().nlink(), 2);
    check_golden("nasty gzip", &check_matrix(projects, Cells::Pairs));
}

#[test]
fn a_split_tree_has_one_digest() {
    let projects = [&nasty_project(false), &nasty_project(true)];
    for project in projects {
        project.append("build.toml", "buckets = 4\n");
    }
    let built = check_matrix(projects, Cells::Each);
    // One of the four has nothing in it.
    assert_eq!(built.layers().len(), 3);
    check_golden("nasty split", &built);
}

#[test]
fn ten_thousand_files_have_one_digest() {
    let built = check_matrix([&many_files(false), &many_files(true)], Cells::Each);
    check_golden("many gzip", &built);
}

#[test]
fn every_compression_has_its_digests() {
    let projects = [("war", war_project(false)), ("nasty", nasty_project(false))];
    let mut found = BTreeMap::new();
    for (name, project) in &projects {
        for compression in COMPRESSIONS {
            let built = project.build(&format!("--compression {compression}"));
            if !is_emulated() {
                let again = project.build(&format!("--compression {compression} --jobs 1"));
                assert_eq!(again.encoded_bytes(), 0);
                assert_eq!(Golden::of(&again), Golden::of(&built));
            }
            found.insert(format!("{name} {compression}"), Golden::of(&built));
        }
        project.check_store();
    }
    // The nasty tree has a name that a table of contents cannot have.
    let built = projects[0].1.build("--compression estargz");
    found.insert("war estargz".to_owned(), Golden::of(&built));
    check_all_golden(found);
}

#[test]
fn a_war_has_the_layers_of_its_directory() {
    let project = war_project(false);
    let packed = project.build("");
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", build_toml.replace("path = \"app.war\"", "path = \"app\""));
    let unpacked = project.pack("build").cache(&project.beside("other-store")).built("");
    assert_eq!(packed.layers(), unpacked.layers());
}

/// No build reads every blob. But damage that kept the length never reaches another place, and it is found and
/// repaired by who looks for it.
#[test]
fn a_blob_with_other_bytes_is_never_passed_on() {
    let project = war_project(false);
    let built = project.build("");
    for layer in built.layers() {
        let blob = project.cache().join("blobs/sha256").join(layer.blob.trim_start_matches("sha256:"));
        let mut bytes = fs::read(&blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&blob, bytes).unwrap();
        let output = project.pack("build -o oci:copy").run();
        if output.code != Some(0) {
            let failed = output.says(&["error: ", &layer.blob]);
            assert_eq!(failed.code, Some(1), "{failed:?}");
            assert!(!project.path("copy/index.json").exists() || names_nothing(&project.path("copy")));
        }
        project.pack("cache verify").run();
        assert_eq!(project.build("").digest(), built.digest());
        assert_eq!(project.build("-o oci:copy").digest(), built.digest());
        project.check_store();
        fs::remove_dir_all(project.path("copy")).unwrap();
    }
}

/// Whether a layout has no image.
fn names_nothing(layout: &Path) -> bool {
    let index = crate::support::json(&fs::read_to_string(layout.join("index.json")).unwrap());
    index["manifests"].as_array().unwrap().is_empty()
}

#[test]
fn a_sparse_file_is_read_as_the_zeros_it_has() {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/sparse", b"start");
    let file = fs::File::options().write(true).open(project.path("files/sparse")).unwrap();
    file.set_len(40 << 20).unwrap();
    drop(file);
    let built = project.build("--jobs 2");
    check_golden("sparse gzip", &built);
    let again = project.pack("build").cache(&project.beside("other-store")).built("--jobs 1");
    assert_eq!(Golden::of(&again), Golden::of(&built));
}

/// Files of a layout that are content, with their content.
fn layout(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(directory)
        .into_iter()
        .map(|path| (path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn the_base_in_the_fixtures_is_what_its_build_file_gives() {
    let project = Project::new();
    crate::support::copy_tree(&Path::new(REPOSITORY).join("fixtures/base"), &project.root());
    project.build("-o oci:made");
    let committed = layout(&Path::new(REPOSITORY).join("fixtures/bookstore/base"));
    let mut made = layout(&project.path("made"));
    made.retain(|path, _| committed.contains_key(path) || path.starts_with("blobs"));
    assert_eq!(made, committed);
}

#[test]
fn the_bookstore_has_its_digest() {
    let project = Project::bookstore();
    let lock = fs::read(project.path("build.lock")).unwrap();
    check_golden("bookstore", &project.build("--locked"));
    assert_eq!(fs::read(project.path("build.lock")).unwrap(), lock);
}

#[test]
fn the_time_of_the_image_is_the_one_that_was_asked_for() {
    let project = Project::small();
    let plain = project.build("");
    let timed = project.pack("build").env("SOURCE_DATE_EPOCH", "1700000000").built("");
    assert_ne!(plain.digest(), timed.digest());
    let shown = project.pack(&format!("inspect {}", timed.name_and_tag())).ok();
    assert!(shown.stdout.contains("2023-11-14T22:13:20Z"), "{shown:?}");
}

/// Features of the processor that AWS-LC may use (`OPENSSL_ia32cap`): all of them; no SHA instructions; neither those
/// nor SSSE3, AVX and AVX2. Elsewhere than on x86-64 this changes nothing.
const PROCESSORS: [&str; 3] = ["", ":~0x20000000", "~0x1000020000000000:~0x20000020"];

#[test]
fn a_layer_goes_on_from_states_that_another_processor_kept() {
    let project = Project::with(&tree_on("scratch"));
    for number in 0..60_u64 {
        project.write(&format!("files/part-{number:02}.txt"), prose(number, 90_000));
    }
    let changed = |seed: u64| project.write("files/part-58.txt", prose(1000 + seed, 91_000));
    let mut seed = 0;
    for keeps in PROCESSORS {
        project.pack("build").env("OPENSSL_ia32cap", keeps).built("");
        for resumes in PROCESSORS {
            seed += 1;
            changed(seed);
            let said = project.pack("build --json").env("OPENSSL_ia32cap", resumes).ok().json();
            let work = &said["images"][0]["layers"][0]["state"];
            let (kept, bodies) = (work["kept"].as_u64().unwrap(), work["bodies"].as_u64().unwrap());
            assert!(kept >= 16 && kept < bodies, "{work}");
            let cold = project.pack("build").cache(&project.beside("cold")).built("");
            assert_eq!(said["digest"], cold.digest(), "{keeps:?}, {resumes:?}");
            fs::remove_dir_all(project.beside("cold")).unwrap();
        }
    }
}
