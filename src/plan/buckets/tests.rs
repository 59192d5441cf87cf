use proptest::prelude::*;

use super::*;
use crate::layer::{Content, ContentSource, Entry, Metadata, Stamp};

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).expect("path")
}

const STAMP: Stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };

/// A file that is never read.
fn file(name: &str, size: u64) -> Entry {
    let content = Content { size, source: ContentSource::File(std::path::Path::new(name).into(), STAMP) };
    Entry { path: path(name), metadata: Metadata::file(false), kind: EntryKind::File(content) }
}

/// With all directories above the entries, as layers are placed.
fn layer(entries: Vec<Entry>) -> LayerSpec {
    let above: BTreeSet<EntryPath> = entries
        .iter()
        .flat_map(|entry| entry.path.ancestors().collect::<Vec<_>>())
        .filter(|directory| !entries.iter().any(|entry| entry.path == *directory))
        .collect();
    let all = entries.into_iter().chain(above.into_iter().map(Entry::directory));
    LayerSpec::new("app", all.collect()).expect("a layer")
}

fn count(number: usize) -> BucketCount {
    BucketCount::at_most(number)
}

/// The parts of an entry that are compared.
fn shape(entry: &Entry) -> String {
    format!("{} {:?} {:?}", entry.path, entry.metadata, entry.kind)
}

fn shapes(spec: &LayerSpec) -> Vec<String> {
    spec.entries().iter().map(shape).collect()
}

/// The parts, or the whole where it is not split.
fn parts(spec: &LayerSpec, root: Option<&EntryPath>, number: usize) -> Vec<LayerSpec> {
    match split(spec.clone(), root, count(number)) {
        Split::Parts(buckets) => buckets.into_iter().map(|bucket| bucket.spec).collect(),
        Split::Whole(spec) => vec![spec],
    }
}

fn link(name: &str, target: &str) -> Entry {
    let kind = EntryKind::Symlink(target.as_bytes().into());
    Entry { path: path(name), metadata: Metadata::file(false), kind }
}

/// A store of pnpm with one version of a package that needs nine others.
fn store(version: &str) -> LayerSpec {
    let mut entries = Vec::new();
    for number in 0..9 {
        entries
            .push(file(&format!("node_modules/.pnpm/need-{number}@1/node_modules/need-{number}/a.js"), 10));
        entries.push(link(
            &format!("node_modules/.pnpm/asks@{version}/node_modules/need-{number}"),
            &format!("../../need-{number}@1/node_modules/need-{number}"),
        ));
    }
    entries.push(file(&format!("node_modules/.pnpm/asks@{version}/node_modules/asks/a.js"), 10));
    entries.push(link("node_modules/asks", &format!(".pnpm/asks@{version}/node_modules/asks")));
    layer(entries)
}

#[test]
fn a_new_version_in_a_store_changes_its_own_bucket_and_the_links() {
    let (before, after) = (parts(&store("1"), None, 4), parts(&store("2"), None, 4));
    let names: Vec<&str> = after.iter().map(LayerSpec::name).collect();
    assert_eq!(names.last(), Some(&"app links"));
    assert!(names.len() > 3, "{names:?}");
    let links = &after[names.len() - 1];
    assert_eq!(links.file_count(), 9, "that of the application itself goes with the package");
    assert!(
        links
            .entries()
            .iter()
            .all(|entry| entry.is_directory() || matches!(entry.kind, EntryKind::Symlink(_)))
    );
    let changed = before.iter().zip(&after).filter(|(before, after)| shapes(before) != shapes(after));
    assert_eq!(changed.count(), 2);
}

#[test]
fn links_of_other_places_stay_with_their_package() {
    let entries = vec![
        file("node_modules/one/a.js", 10),
        link("node_modules/.bin/one", "../one/a.js"),
        link("node_modules/.pnpm/node_modules/one", "../one@1/node_modules/one"),
        file("node_modules/two/a.js", 10),
        file("node_modules/three/a.js", 10),
        file("node_modules/four/a.js", 10),
    ];
    let parts = parts(&layer(entries), None, 4);
    assert!(parts.iter().all(|part| part.name() != "app links"), "{parts:?}");
}

#[test]
fn the_number_follows_the_size() {
    const MIB: u64 = 1 << 20;
    let sizes = [
        (0, 1),
        (6 * MIB, 1),
        (32 * MIB - 1, 1),
        (32 * MIB, 2),
        (64 * MIB - 1, 2),
        (64 * MIB, 4),
        (128 * MIB - 1, 4),
        (128 * MIB, 8),
        (500 * MIB, 8),
        (u64::MAX, 8),
    ];
    for (size, expected) in sizes {
        assert_eq!(BucketCount::for_payload(size).get(), expected, "{size}");
    }
    for size in (32 * MIB..256 * MIB).step_by(1 << 16) {
        let each = size / BucketCount::for_payload(size).get() as u64;
        assert!((16 * MIB..32 * MIB).contains(&each), "{size}: {each}");
    }
}

#[test]
fn the_number_fits_the_image() {
    assert_eq!(room(0, 0), 16);
    assert_eq!(room(0, 3), 13);
    assert_eq!(room(90, 3), 7);
    assert_eq!(room(100, 0), 0);
    assert_eq!(room(126, 20), 0);
    for (base, others) in (0..130).flat_map(|base| (0..20).map(move |others| (base, others))) {
        for wanted in [1, 2, 4, 8, 16] {
            let fits = count(wanted).within(room(base, others)).get();
            assert!(fits <= wanted && fits.is_power_of_two());
            let all = others + fits;
            // A class that is not split is one layer, whatever else there is.
            assert!(fits == 1 || all <= MAX_OWN_LAYERS && base + all <= MAX_LAYERS, "{base} {others}");
        }
    }
    assert_eq!([0, 1, 3, 7, 16, 99].map(|number| count(number).get()), [1, 1, 2, 4, 16, 16]);
}

#[test]
fn the_bucket_is_the_documented_hash() {
    for name in ["spring-core", "guava", "@babel/core", "django", ""] {
        let hash = blake3::hash(name.as_bytes());
        let first = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"));
        for number in [1, 2, 4, 8, 16] {
            assert_eq!(count(number).bucket(name.as_bytes()) as u64, first & (number as u64 - 1));
        }
    }
    // Part of the format: these never move.
    let buckets = ["spring-core", "guava", "@babel/core", "django", ""];
    assert_eq!(buckets.map(|name| count(16).bucket(name.as_bytes())), GOLDEN_BUCKETS);
}

const GOLDEN_BUCKETS: [usize; 5] = [5, 13, 2, 14, 15];

#[test]
fn a_package_is_in_one_layer_with_its_directories() {
    let spec = layer(vec![
        file("srv/node_modules/express/index.js", 1),
        file("srv/node_modules/express/lib/router.js", 1),
        file("srv/node_modules/react/index.js", 1),
        file("srv/node_modules/lodash/index.js", 1),
        file("srv/server.js", 1),
        Entry::directory(path("srv/empty/deep")),
    ]);
    let Split::Parts(buckets) = split(spec, Some(&path("srv")), count(16)) else { panic!("several") };
    let outline: Vec<String> = buckets
        .iter()
        .map(|bucket| {
            let entries = bucket
                .spec
                .entries()
                .iter()
                .map(|entry| format!(" {}{}", entry.path, if entry.is_directory() { "/" } else { "" }));
            format!("{}:{}", bucket.spec.name(), entries.collect::<String>())
        })
        .collect();
    insta::assert_snapshot!(outline.join("\n"), @r"
    app 10/16: /srv/ /srv/node_modules/ /srv/node_modules/react/ /srv/node_modules/react/index.js
    app 12/16: /srv/ /srv/empty/ /srv/empty/deep/ /srv/node_modules/ /srv/node_modules/express/ /srv/node_modules/express/index.js /srv/node_modules/express/lib/ /srv/node_modules/express/lib/router.js
    app 15/16: /srv/ /srv/node_modules/ /srv/node_modules/lodash/ /srv/node_modules/lodash/index.js
    app 16/16: /srv/ /srv/server.js
    ");
    let why: Vec<String> = buckets.iter().map(|bucket| bucket.why("5 files, to `/srv`")).collect();
    insta::assert_snapshot!(why.join("\n"), @r"
    1 of 5 files, to `/srv`; by name: react
    2 of 5 files, to `/srv`; by name: empty, express
    1 of 5 files, to `/srv`; by name: lodash
    1 of 5 files, to `/srv`; by name: .
    ");
}

#[test]
fn why_names_a_few_packages() {
    let files = (0..9).map(|number| file(&format!("lib/p{number}-1.0.jar"), 1)).collect();
    let bucket = Bucket { spec: layer(files), packages: (0..9).map(|number| format!("p{number}")).collect() };
    assert_eq!(bucket.why("20 libraries"), "9 of 20 libraries; by name: p0, p1, p2 and 6 more");
}

#[test]
fn what_has_one_package_is_not_split() {
    let spec = layer(vec![file("lib/a-1.0.jar", 1 << 30), file("other/a-1.0.jar", 1)]);
    assert!(matches!(split(spec, None, count(8)), Split::Whole(_)));
    let two = layer(vec![file("lib/a-1.0.jar", 1), file("lib/b-1.0.jar", 1)]);
    assert!(matches!(split(two, None, count(1)), Split::Whole(_)));
}

#[test]
fn names_of_one_inode_stay_together() {
    let link = |name: &str, first: &str| Entry {
        path: path(name),
        metadata: Metadata::file(false),
        kind: EntryKind::Hardlink(path(first)),
    };
    for number in 0..40 {
        let (first, second) = (format!("a{number}/x"), format!("b{number}/x"));
        let spec = layer(vec![file(&first, 9), link(&second, &first), file("c/x", 1), file("d/x", 1)]);
        for part in parts(&spec, None, 16) {
            let has = |name: &str| part.entries().iter().any(|entry| entry.path == path(name));
            assert_eq!(has(&first), has(&second));
        }
    }
}

#[test]
fn the_place_of_the_application_does_not_matter() {
    let names = |root: &str| -> Vec<Vec<String>> {
        let files = (0..50).map(|number| file(&format!("{root}/d{number}/f"), 1)).collect();
        let strip = |entry: &Entry| entry.path.to_string().trim_start_matches(&format!("/{root}")).to_owned();
        parts(&layer(files), Some(&path(root)), 8)
            .iter()
            .map(|part| part.entries().iter().filter(|entry| !entry.is_directory()).map(strip).collect())
            .collect()
    };
    assert_eq!(names("srv"), names("var/www/html"));
}

/// 125 libraries as a web application has them: most are small, a few are large.
fn libraries(bumped: &[usize]) -> LayerSpec {
    let jars = (0..125).map(|number| {
        let size = 40_000 + (number as u64 * 7_919 % 125).pow(3) * 2;
        let version = if bumped.contains(&number) { "2.1.0" } else { "2.0.7" };
        file(&format!("ROOT/WEB-INF/lib/library-{}-{version}.jar", name_of(number)), size)
    });
    layer(jars.collect())
}

fn name_of(number: usize) -> String {
    // Letters alone: digits could look like a version.
    blake3::hash(&number.to_le_bytes()).as_bytes()[..8]
        .iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect()
}

/// Bytes of payload in layers that are not the same as before.
fn sent_again(before: &[LayerSpec], after: &[LayerSpec]) -> u64 {
    let known: BTreeSet<Vec<String>> = before.iter().map(shapes).collect();
    after.iter().filter(|part| !known.contains(&shapes(part))).map(LayerSpec::payload_size).sum()
}

#[test]
fn one_new_version_sends_its_bucket() {
    for number in [2, 4, 8] {
        let before = parts(&libraries(&[]), None, number);
        assert_eq!(before.len(), number);
        let total: u64 = before.iter().map(LayerSpec::payload_size).sum();
        for bumped in 0..125 {
            let after = parts(&libraries(&[bumped]), None, number);
            let sent = sent_again(&before, &after);
            assert!(sent > 0 && sent <= total * 2 / number as u64, "{bumped}: {sent} of {total} in {number}");
        }
    }
}

#[test]
fn ten_new_versions_one_after_the_other() {
    let mut sent = 0;
    let mut bumped = Vec::new();
    let mut before = parts(&libraries(&[]), None, 8);
    let total: u64 = before.iter().map(LayerSpec::payload_size).sum();
    for round in 0..10 {
        bumped.push(round * 37 % 125);
        let after = parts(&libraries(&bumped), None, 8);
        sent += sent_again(&before, &after);
        before = after;
    }
    assert!(sent <= total * 10 / 8 * 3 / 2, "{sent} of {total} each");
}

fn trees() -> impl Strategy<Value = Vec<(String, u8)>> {
    let name = "(node_modules/(@s/)?[a-c]|[a-d]|lib/[a-f]-[0-9]\\.jar|site-packages/[a-c])(/[a-d]){0,2}";
    proptest::collection::vec((name, 0_u8..4), 1..60)
}

/// Entries without contradictions: nothing twice, nothing below a file.
fn entries_of(names: &[(String, u8)]) -> Vec<Entry> {
    let mut entries: BTreeMap<EntryPath, Entry> = BTreeMap::new();
    let mut first: Option<EntryPath> = None;
    let mut sorted = names.to_vec();
    sorted.sort();
    for (name, kind) in &sorted {
        let at = path(&format!("root/{name}"));
        let taken = entries.contains_key(&at)
            || entries.values().any(|entry| {
                entry.path.starts_with(&at) || at.starts_with(&entry.path) && !entry.is_directory()
            });
        if taken {
            continue;
        }
        let entry = match (kind, &first) {
            (0, _) => Entry::directory(at.clone()),
            (1, Some(first)) => Entry {
                path: at.clone(),
                metadata: Metadata::file(false),
                kind: EntryKind::Hardlink(first.clone()),
            },
            (2, _) => Entry {
                path: at.clone(),
                metadata: Metadata::symlink(),
                kind: EntryKind::Symlink(b"x".to_vec()),
            },
            _ => {
                first.get_or_insert(at.clone());
                file(&format!("root/{name}"), name.len() as u64)
            }
        };
        entries.insert(at, entry);
    }
    entries.into_values().collect()
}

proptest! {
    #[test]
    fn buckets_are_a_partition(names in trees(), exponent in 0_u32..5) {
        let spec = layer(entries_of(&names));
        let number = 1 << exponent;
        let parts = parts(&spec, Some(&path("root")), number);
        prop_assert!(parts.len() <= number);
        let mut files = Vec::new();
        let mut all = BTreeSet::new();
        for part in &parts {
            let has = |path: &EntryPath| part.entries().iter().any(|entry| entry.path == *path);
            let mut leaf = false;
            for entry in part.entries() {
                prop_assert!(entry.path.ancestors().all(|above| has(&above)), "{} lacks a parent", entry.path);
                if let EntryKind::Hardlink(first) = &entry.kind {
                    prop_assert!(has(first));
                }
                all.insert(shape(entry));
                if entry.is_directory() {
                    let is_needed = part.entries().iter().any(|other| {
                        other.path != entry.path && other.path.starts_with(&entry.path)
                    });
                    let is_empty = !spec.entries().iter().any(|other| {
                        other.path != entry.path && other.path.starts_with(&entry.path)
                    });
                    prop_assert!(is_needed || is_empty, "{} is there for nothing", entry.path);
                    leaf |= is_empty;
                } else {
                    files.push(shape(entry));
                    leaf = true;
                }
            }
            prop_assert!(leaf, "an empty bucket");
            // Sorted and without contradictions, as any layer is.
            let again = LayerSpec::new(part.name(), part.entries().to_vec());
            prop_assert_eq!(again.map(|again| shapes(&again)), Ok(shapes(part)));
        }
        files.sort();
        let mut expected: Vec<String> =
            spec.entries().iter().filter(|entry| !entry.is_directory()).map(shape).collect();
        expected.sort();
        prop_assert_eq!(files, expected, "every entry once");
        prop_assert_eq!(all, spec.entries().iter().map(shape).collect::<BTreeSet<_>>());
    }

    #[test]
    fn order_does_not_matter(names in trees(), seed in any::<u64>()) {
        let entries = entries_of(&names);
        let mut shuffled = entries.clone();
        shuffled.sort_by_key(|entry| blake3::hash(&[&seed.to_le_bytes()[..], entry.path.as_bytes()].concat()).as_bytes()[0]);
        let one: Vec<_> = parts(&layer(entries), None, 8).iter().map(|part| (part.name().to_owned(), shapes(part))).collect();
        let other: Vec<_> = parts(&layer(shuffled), None, 8).iter().map(|part| (part.name().to_owned(), shapes(part))).collect();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn twice_as_many_split_each_in_two(names in trees(), exponent in 0_u32..4) {
        let spec = layer(entries_of(&names));
        let coarse = parts(&spec, None, 1 << exponent);
        for fine in parts(&spec, None, 2 << exponent) {
            let leaves: Vec<String> =
                fine.entries().iter().filter(|entry| !entry.is_directory()).map(shape).collect();
            let holds_all = |part: &&LayerSpec| {
                let held: BTreeSet<String> = part.entries().iter().map(shape).collect();
                leaves.iter().all(|leaf| held.contains(leaf))
            };
            prop_assert_eq!(coarse.iter().filter(holds_all).count().min(1), 1);
        }
    }

    #[test]
    fn a_change_changes_one_bucket(names in trees(), changed in any::<prop::sample::Index>()) {
        let entries = entries_of(&names);
        let mut other = entries.clone();
        let mut files: Vec<&mut Entry> = other.iter_mut().filter(|entry| !entry.is_directory()).collect();
        if !files.is_empty() {
            let index = changed.index(files.len());
            files[index].metadata.mode = 0o600;
            let root = path("root");
            let before: BTreeSet<_> = parts(&layer(entries), Some(&root), 16).iter().map(shapes).collect();
            let after = parts(&layer(other), Some(&root), 16);
            prop_assert_eq!(after.iter().filter(|part| !before.contains(&shapes(part))).count(), 1);
        }
    }
}
