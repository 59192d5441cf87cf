//! From layers to documents.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde_json::Value;

use super::catalog::{Cataloguer, DigestQueue, FileBody, FileCatalog, MAX_MEMORY};
use super::document::{ImageSubject, SpecVersion, write};
use super::inventory::{CataloguedLayer, Inventory};
use super::layer::{LayerCatalog, LayerMeans};
use crate::formats::zip::fixture::{Item, write as zip};
use crate::layer::{Entry, EntryPath, LayerSpec, Metadata};
use crate::oci::media_type::LayerCompression;
use crate::oci::{ConfigFile, Image};
use crate::runtime::budget::Budget;
use crate::runtime::workers::Workers;
use crate::types::digest::Digest;

/// A layer of these files; a path that ends in a slash is a directory.
fn layer(files: &[(&str, &[u8])]) -> LayerCatalog {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if path.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).expect("entry");
    }
    let tar = tar.into_inner().expect("tar");
    let scratch = tempfile::tempdir().expect("a directory");
    let (budget, workers) = (budget(), workers());
    let means = LayerMeans { scratch: scratch.path(), budget: &budget, workers: &workers };
    LayerCatalog::read(&tar[..], LayerCompression::None, means).expect("read")
}

fn workers() -> Workers {
    Workers::new(NonZeroUsize::new(2).expect("two"))
}

fn budget() -> Budget {
    Budget::new("the image", 64 << 20, 1 << 20)
}

/// The diffID of layer `number` in these tests.
fn diff_id(number: usize) -> Digest {
    Digest::of(&[u8::try_from(number).expect("few layers")])
}

fn inventory(layers: &[LayerCatalog]) -> Inventory {
    let layers: Vec<CataloguedLayer<'_>> = layers
        .iter()
        .enumerate()
        .map(|(number, catalog)| CataloguedLayer { diff_id: diff_id(number), catalog })
        .collect();
    Inventory::of(&layers, &budget()).expect("within the budget")
}

fn references(inventory: &Inventory) -> Vec<&str> {
    inventory.components.iter().map(|component| component.reference.as_str()).collect()
}

fn document(inventory: &Inventory, version: SpecVersion) -> Value {
    let config = ConfigFile { created: Some("2024-05-06T07:08:09.5Z".to_owned()), ..ConfigFile::default() };
    let image = Image::new(&config, Vec::new(), BTreeMap::new()).expect("image");
    let repository = "localhost:5000/shop/App".to_lowercase().parse().expect("a repository");
    let subject = ImageSubject::new(&image, Some(&repository));
    let written = write(inventory, &subject, version).expect("written");
    assert_eq!(written, write(inventory, &subject, version).expect("written"));
    serde_json::from_slice(&written.bytes).expect("JSON")
}

const DEBIAN: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
const STATUS: &[u8] =
    b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.36\n\n";

/// An image with something of each ecosystem, and with what makes documents invalid elsewhere.
fn mixed() -> Inventory {
    let jar = |name: &str, version: &str| {
        let text = format!("groupId=g\nartifactId={name}\nversion={version}\n");
        zip(&[Item::stored(format!("META-INF/maven/g/{name}/pom.properties").as_bytes(), text.as_bytes())])
    };
    let war = zip(&[
        Item::stored(b"WEB-INF/lib/a-1.jar", &jar("a", "1")),
        Item::stored(b"WEB-INF/lib/unnamed.jar", &zip(&[Item::stored(b"x", b"")])),
    ]);
    inventory(&[
        layer(&[
            ("etc/os-release", DEBIAN),
            ("var/lib/dpkg/status", STATUS),
            (
                "usr/share/doc/libc6/copyright",
                b"Format: x\n\nFiles: *\nLicense: LGPL-2.1+\n\nFiles: b\nLicense: MIT OR ISC\n",
            ),
            ("var/lib/rpm/rpmdb.sqlite", b""),
        ]),
        layer(&[
            ("srv/shop.war", &war),
            ("srv/a-1.jar", &jar("a", "1")),
            (
                "app/node_modules/@s/A_b/package.json",
                br#"{"name":"@s/A_b","version":"1.0.0","license":"MIT OR ISC","dependencies":{"a_B":"1"}}"#,
            ),
            ("app/node_modules/a_B/package.json", br#"{"name":"a_B","version":"1.0.0","license":"my own"}"#),
            (
                "site/a-1.dist-info/METADATA",
                b"Name: A\nVersion: 1\nLicense-Expression: MIT\nRequires-Dist: b\n\n",
            ),
            ("site/a-1.dist-info/sboms/x.json", b"{}"),
            ("site/b-2.dist-info/METADATA", b"Name: b\nVersion: 2\n\n"),
        ]),
    ])
}

/// A database that is too large is said not to be read, and never taken for one without packages.
#[test]
fn a_planned_layer_tells_what_its_blob_tells() {
    let pom = Item::stored(b"META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a\nversion=1\n");
    let jar = zip(&[pom]);
    let files: [(&str, &[u8]); 8] = [
        ("app/", b""),
        ("app/a.jar", &jar),
        ("app/broken.jar", b"no archive"),
        ("app/empty.jar", b""),
        ("app/node_modules/.package-lock.json", br#"{"packages":{"node_modules/left":{"version":"1.0.0"}}}"#),
        ("app/node_modules/left/package.json", br#"{"name":"left","version":"1.0.0"}"#),
        ("bin/script", b"#!/bin/sh\n"),
        ("bin/tool", b"\x7fELF and no more"),
    ];
    let entries = files.iter().map(|(path, content)| {
        let is_directory = path.ends_with('/');
        let path = EntryPath::new(path.trim_end_matches('/').as_bytes()).expect("a path");
        match is_directory {
            true => Entry::directory(path),
            false => Entry::bytes(path, Metadata::with_mode(0o755), content),
        }
    });
    let spec = LayerSpec::new("app", entries.collect()).expect("a layer");
    let scratch = tempfile::tempdir().expect("a directory");
    let (budget, workers) = (budget(), workers());
    let means = LayerMeans { scratch: scratch.path(), budget: &budget, workers: &workers };
    let planned = LayerCatalog::of_files(&spec, means).expect("within the budget");
    assert_eq!(planned, Some(layer(&files)));
    assert!(planned.is_some_and(|planned| planned.files.len() >= 4));
}

#[test]
fn a_database_of_any_size_is_read_or_is_said_not_to_be() {
    let stanza = |number: usize| {
        format!("Package: p{number}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n")
    };
    let path = EntryPath::new(b"var/lib/dpkg/status").expect("a path");
    let cataloguer = Cataloguer::of(&path, 0o644).expect("a database");
    assert!(cataloguer.limit() <= MAX_MEMORY, "a larger file is not in memory");
    let budget = Budget::new("a test", 128 << 20, u64::MAX);
    for (count, is_read) in [(10, true), (150_000, false)] {
        let text: String = (0..count).map(stanza).collect();
        let body = FileBody::Memory(text.into_bytes());
        let workers = Workers::default();
        let draft = cataloguer.read(&path, body, &budget, &mut DigestQueue::new(&workers));
        match draft.map(|draft| draft.catalog) {
            Some(FileCatalog::Database(_, packages, _)) => assert!(is_read && packages.len() == count),
            Some(FileCatalog::Unread(why)) => assert!(!is_read && why.contains("more packages"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_an_upper_layer_hides_is_not_listed() {
    let package = |version: &str| format!(r#"{{"name":"p","version":"{version}"}}"#).into_bytes();
    let lower = layer(&[
        ("app/node_modules/p/package.json", &package("1")),
        ("app/node_modules/q/package.json", br#"{"name":"q","version":"1"}"#),
        ("opt/a.dist-info/METADATA", b"Name: a\nVersion: 1\n\n"),
        ("srv/x.dist-info/METADATA", b"Name: x\nVersion: 1\n\n"),
    ]);
    let upper = layer(&[
        ("app/node_modules/p/package.json", &package("2")),
        ("app/node_modules/.wh.q", b""),
        ("opt/", b""),
        ("opt/.wh..wh..opq", b""),
        ("srv", b"a file"),
    ]);
    assert_eq!(references(&inventory(&[lower.clone(), upper])), ["pkg:npm/p@2"]);
    assert_eq!(inventory(&[lower]).components.len(), 4);
}

#[test]
fn a_later_entry_of_a_layer_replaces_an_earlier_one() {
    let one = |version: &str| format!("Name: a\nVersion: {version}\n\n").into_bytes();
    let path = "a.dist-info/METADATA";
    assert_eq!(references(&inventory(&[layer(&[(path, &one("1")), (path, &one("2"))])])), ["pkg:pypi/a@2"]);
    assert!(inventory(&[layer(&[(path, &one("1")), ("a.dist-info", b"")])]).components.is_empty());
}

#[test]
fn a_package_of_a_database_lies_in_the_layer_that_installed_it() {
    let second = [
        STATUS,
        b"Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 8\nDepends: libc6\n\n",
    ];
    let found = inventory(&[
        layer(&[("etc/os-release", DEBIAN), ("var/lib/dpkg/status", STATUS)]),
        layer(&[("other", b"")]),
        layer(&[("var/lib/dpkg/status", &second.concat())]),
    ]);
    let layer_of = |name: &str| {
        let component = found.components.iter().find(|component| component.name == name).expect(name);
        component.places.iter().next().expect("a place").layer
    };
    assert_eq!((layer_of("libc6"), layer_of("curl")), (diff_id(0), diff_id(2)));
    assert_eq!(
        references(&found),
        [
            "pkg:deb/debian/curl@8?arch=amd64&distro=debian-12",
            "pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12&upstream=glibc"
        ]
    );
    assert_eq!(found.components[0].needs.iter().collect::<Vec<_>>(), [&found.components[1].reference]);
}

#[test]
fn packages_of_rpm_have_edges_and_the_names_of_their_vendor() {
    let [database, own_form] = ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db"].map(|path| {
        let seeds = super::catalog::binary_seeds();
        seeds.into_iter().find(|(seed, _)| *seed == path).expect("a seed").1
    });
    for (path, database) in
        [("var/lib/rpm/rpmdb.sqlite", &database), ("usr/lib/sysimage/rpm/Packages.db", &own_form)]
    {
        let found = inventory(&[
            layer(&[
                ("etc/os-release", b"ID=\"rhel\"\nVERSION_ID=\"9.4\"\n"),
                (path, database),
                ("var/lib/rpm/rpmdb.sqlite-wal", b""),
                ("site/app-3.1.dist-info/METADATA", b"Name: App\nVersion: 3.1\n\n"),
            ]),
            layer(&[("other", b"")]),
        ]);
        let library = "pkg:rpm/redhat/libx@2.0~rc1-3.el9?arch=x86_64&distro=rhel-9.4&epoch=1\
            &upstream=x-2.0~rc1-3.el9.src.rpm";
        let tool = "pkg:rpm/redhat/tool@1-1?distro=rhel-9.4";
        let app = "pkg:rpm/redhat/App@3.1%2Bgit-1.el9?arch=noarch&distro=rhel-9.4";
        assert_eq!(
            references(&found),
            [app, library, tool],
            "the system's distribution is its package alone"
        );
        assert_eq!(found.components[0].needs.iter().collect::<Vec<_>>(), [library, tool]);
        assert_eq!(found.components[1].version, "1:2.0~rc1-3.el9");
        assert!(found.unknown.is_empty(), "an empty journal has nothing: {:?}", found.unknown);
    }
    let journal = inventory(&[layer(&[("var/lib/rpm/rpmdb.sqlite-wal", b"changes")])]);
    assert!(
        journal.unknown[0].why.contains("changes that the database of rpm may lack"),
        "{:?}",
        journal.unknown
    );
}

#[test]
fn a_distribution_that_the_system_installed_is_its_package_alone() {
    let list = b"/.\n/usr/lib/python3/dist-packages/six-1.dist-info/METADATA\n/usr/bin/x\n";
    let found = inventory(&[layer(&[
        ("var/lib/dpkg/info/python3-six.list", list),
        ("usr/lib/python3/dist-packages/six-1.dist-info/METADATA", b"Name: six\nVersion: 1\n\n"),
        ("usr/local/lib/six-2.dist-info/METADATA", b"Name: six\nVersion: 2\n\n"),
    ])]);
    assert_eq!(references(&found), ["pkg:pypi/six@2"]);
}

#[test]
fn equal_packages_are_one_component_with_all_its_places() {
    let found = mixed();
    let jar =
        found.components.iter().find(|component| component.reference == "pkg:maven/g/a@1").expect("the jar");
    let places: Vec<&str> = jar.places.iter().map(|place| place.path.as_str()).collect();
    assert_eq!(places, ["srv/a-1.jar", "srv/shop.war!/WEB-INF/lib/a-1.jar"]);
    assert!(jar.digest().is_some(), "both have one digest");
    let war = found.components.iter().find(|component| component.name == "shop").expect("the war");
    assert_eq!((war.purl.as_ref(), war.needs.len()), (None, 2), "no coordinates are made up");
}

#[test]
fn edges_of_maven_lead_to_artifacts_of_the_image_alone() {
    let jar = |name: &str, version: &str, needs: &[&str]| {
        let needs: String = needs
            .iter()
            .map(|needed| {
                let mut parts = needed.split(':');
                let name = parts.next().unwrap_or_default();
                let version =
                    parts.next().map(|version| format!("<version>{version}</version>")).unwrap_or_default();
                format!(
                    "<dependency><groupId>g</groupId><artifactId>{name}</artifactId>{version}</dependency>"
                )
            })
            .collect();
        let properties = format!("groupId=g\nartifactId={name}\nversion={version}\n");
        let pom = format!("<project><dependencies>{needs}</dependencies></project>");
        let path = |file: &str| format!("META-INF/maven/g/{name}/{file}").into_bytes();
        zip(&[
            Item::stored(path("pom.properties"), properties.as_bytes()),
            Item::stored(path("pom.xml"), pom.as_bytes()),
        ])
    };
    let found = inventory(&[layer(&[
        ("lib/app-1.jar", &jar("app", "1", &["one:9", "two:2", "two", "missing", "app"])),
        ("lib/one-1.jar", &jar("one", "1", &["two:3"])),
        ("lib/two-1.jar", &jar("two", "1", &[])),
        ("other/two-2.jar", &jar("two", "2", &[])),
    ])]);
    let needs = |name| needs_of(&found, name);
    // Of one there is one version, of two there are two.
    assert_eq!(needs("app"), ["pkg:maven/g/one@1", "pkg:maven/g/two@2"]);
    assert!(needs("one").is_empty(), "{:?}", needs("one"));
}

#[test]
fn names_are_looked_up_as_node_and_python_do() {
    let package = |name: &str, needs: &str| {
        format!(r#"{{"name":"{name}","version":"{needs}","dependencies":{{"x":"1"}}}}"#)
    };
    let found = inventory(&[layer(&[
        ("app/package.json", package("app", "1").as_bytes()),
        ("app/node_modules/x/package.json", br#"{"name":"x","version":"1"}"#),
        ("app/node_modules/y/package.json", package("y", "1").as_bytes()),
        ("app/node_modules/y/node_modules/x/package.json", br#"{"name":"x","version":"2"}"#),
        ("other/node_modules/z/package.json", package("z", "1").as_bytes()),
        ("one/a.egg-info/PKG-INFO", b"Name: a\nVersion: 1\nRequires-Dist: B.b\n\n"),
        ("one/b.dist-info/METADATA", b"Name: b_b\nVersion: 1\n\n"),
        ("two/b.dist-info/METADATA", b"Name: b_b\nVersion: 2\n\n"),
    ])]);
    let needs = |name| needs_of(&found, name);
    assert_eq!(needs("app"), ["pkg:npm/x@1"]);
    assert_eq!(needs("y"), ["pkg:npm/x@2"]);
    assert!(needs("z").is_empty());
    assert_eq!(needs("a"), ["pkg:pypi/b-b@1"]);
}

/// The needs of the component with this name.
fn needs_of<'a>(inventory: &'a Inventory, name: &str) -> Vec<&'a str> {
    let component = inventory.components.iter().find(|component| component.name == name).expect(name);
    component.needs.iter().map(String::as_str).collect()
}

fn node_package(name: &str, version: &str) -> Vec<u8> {
    format!(r#"{{"name":"{name}","version":"{version}"}}"#).into_bytes()
}

#[test]
fn a_lock_of_npm_states_needs_of_packages_that_are_as_it_has_them() {
    let flat: &[u8] = br#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1","dependencies":{"c":"1"}},
        "node_modules/a":{"version":"1","dependencies":{"b":"1","c":"1","missing":"1"}},
        "node_modules/a/node_modules/b":{"version":"2"},"node_modules/b":{"version":"1","dependencies":{"a":"1"}},
        "node_modules/c":{"version":"1","dependencies":{"a":"1"}},
        "node_modules/@s/d":{"version":"1","peerDependencies":{"b":"1"}}}}"#;
    let nested: &[u8] = br#"{"lockfileVersion":1,"dependencies":{
        "a":{"version":"1","requires":{"b":"1","c":"1"},"dependencies":{"b":{"version":"2"}}},
        "b":{"version":"1","requires":{"a":"1"}},"c":{"version":"1","requires":{"a":"1"}},
        "@s/d":{"version":"1","requires":{"b":"1"}}}}"#;
    for (lock, text) in [
        ("app/package-lock.json", flat),
        ("app/node_modules/.package-lock.json", flat),
        ("app/package-lock.json", nested),
        ("app/npm-shrinkwrap.json", nested),
    ] {
        let found = inventory(&[
            layer(&[
                ("app/package.json", &node_package("app", "1")),
                ("app/node_modules/a/package.json", &node_package("a", "1")),
                ("app/node_modules/a/node_modules/b/package.json", &node_package("b", "2")),
                ("app/node_modules/b/package.json", &node_package("b", "1")),
                // Not as the lock has it.
                ("app/node_modules/c/package.json", &node_package("c", "9")),
                ("app/node_modules/@s/d/package.json", &node_package("@s/d", "1")),
            ]),
            layer(&[(lock, text)]),
        ]);
        assert_eq!(needs_of(&found, "a"), ["pkg:npm/b@2"], "{lock}");
        assert_eq!(needs_of(&found, "d"), ["pkg:npm/b@1"], "{lock}");
        assert!(needs_of(&found, "c").is_empty(), "another version has needs of its own");
        assert!(needs_of(&found, "app").is_empty(), "its `package.json` states none");
        let old = found.components.iter().find(|component| component.reference == "pkg:npm/b@1").expect("b");
        assert_eq!(old.needs.iter().collect::<Vec<_>>(), ["pkg:npm/a@1"], "a circle is two edges");
        assert_eq!(references(&found).len(), 6, "a lock lists no packages");
        assert!(found.unknown.is_empty());
    }
}

/// As pnpm and workspaces install.
#[test]
fn links_to_packages_are_followed_as_node_follows_them() {
    let mut tar = tar::Builder::new(Vec::new());
    let needs = |name: &str, needed: &str| {
        format!(r#"{{"name":"{name}","version":"1","dependencies":{{"{needed}":"1"}}}}"#)
    };
    for (path, content) in [
        ("package.json", needs("app", "a")),
        ("node_modules/.pnpm/a@1/node_modules/a/package.json", needs("a", "b")),
        ("node_modules/.pnpm/b@1/node_modules/b/package.json", needs("b", "gone")),
        ("node_modules/gone/package.json", needs("gone", "round")),
        ("node_modules/round/package.json", needs("round", "w")),
        ("packages/w/package.json", needs("w", "hidden")),
        ("packages/w/node_modules/hidden/package.json", "{}".to_owned()),
        ("node_modules/hidden/package.json", needs("hidden", "b")),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).expect("entry");
    }
    for (path, target) in [
        ("node_modules/a", ".pnpm/a@1/node_modules/a"),
        ("node_modules/.pnpm/a@1/node_modules/b", "../../b@1/node_modules/b"),
        ("node_modules/.pnpm/b@1/node_modules/gone", "../../gone@1/node_modules/gone"),
        ("node_modules/w", "../packages/w"),
        ("node_modules/b", "b"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, path, target).expect("entry");
    }
    let tar = tar.into_inner().expect("tar");
    let scratch = tempfile::tempdir().expect("a directory");
    let (budget, workers) = (budget(), workers());
    let means = LayerMeans { scratch: scratch.path(), budget: &budget, workers: &workers };
    let read = LayerCatalog::read(&tar[..], LayerCompression::None, means).expect("read");
    let found = inventory(&[read]);
    assert_eq!(needs_of(&found, "app"), ["pkg:npm/a@1"]);
    assert_eq!(needs_of(&found, "a"), ["pkg:npm/b@1"]);
    assert!(needs_of(&found, "b").is_empty(), "a link that leads nowhere");
    assert_eq!(needs_of(&found, "round"), ["pkg:npm/w@1"]);
    assert!(needs_of(&found, "w").is_empty(), "the nearest directory is no component");
    assert!(needs_of(&found, "hidden").is_empty(), "a link to itself");
}

/// Deep paths and many needs cost steps, and not the square of their number.
#[test]
fn hostile_trees_of_node_cost_little() {
    let deep = format!("{}app", "d/".repeat(1_000));
    let needs: Vec<String> = (0..20_000).map(|number| format!(r#""n{number}":"1""#)).collect();
    let text = format!(r#"{{"name":"app","version":"1","dependencies":{{{}}}}}"#, needs.join(","));
    let layers = [layer(&[
        (&format!("{deep}/package.json"), text.as_bytes()),
        ("node_modules/n7/package.json", &node_package("n7", "1")),
    ])];
    let layers = [CataloguedLayer { diff_id: diff_id(0), catalog: &layers[0] }];
    let began = std::time::Instant::now();
    Inventory::of(&layers, &budget()).expect_err("twenty million steps");
    let found = Inventory::of(&layers, &Budget::new("the image", 64 << 20, 1 << 26)).expect("enough");
    assert_eq!(needs_of(&found, "app"), ["pkg:npm/n7@1"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn cyclonedx_says_what_its_readers_take() {
    let found = mixed();
    for (version, number) in [(SpecVersion::CycloneDx16, "1.6"), (SpecVersion::CycloneDx17, "1.7")] {
        let bom = document(&found, version);
        assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &number.into()));
        assert_eq!(bom["metadata"]["timestamp"], "2024-05-06T07:08:09Z");
        let root = &bom["metadata"]["component"];
        assert_eq!(root["type"], "container");
        assert!(root["purl"].as_str().expect("a purl").starts_with("pkg:oci/app@sha256%3A"), "{root}");
        let components = bom["components"].as_array().expect("components");
        let mut references: Vec<&str> =
            components.iter().map(|it| it["bom-ref"].as_str().expect("text")).collect();
        assert!(!references.contains(&root["bom-ref"].as_str().expect("text")), "the root is no component");
        let all = references.len();
        references.sort_unstable();
        references.dedup();
        assert_eq!(references.len(), all, "components are unique");
        let text = bom.to_string();
        assert!(
            !text.contains("NOASSERTION") && !text.contains("\"identity\"") && !text.contains("null"),
            "{text}"
        );
        let licences =
            |name: &str| components.iter().find(|it| it["name"] == name).expect(name)["licenses"].to_string();
        assert_eq!(licences("A"), r#"[{"license":{"id":"MIT"}}]"#);
        assert_eq!(licences("A_b"), r#"[{"expression":"MIT OR ISC"}]"#);
        assert_eq!(licences("a_B"), r#"[{"license":{"name":"my own"}}]"#);
        assert_eq!(
            licences("libc6"),
            r#"[{"license":{"name":"LGPL-2.1+"}},{"license":{"name":"MIT OR ISC"}}]"#,
            "an expression stands alone, or is a name"
        );
        assert_eq!(bom["compositions"][0]["aggregate"], "incomplete");
        assert!(bom["metadata"]["properties"][0]["value"].as_str().expect("text").contains("rpmdb.sqlite"));
        let dependencies = bom["dependencies"].as_array().expect("edges");
        for edge in dependencies.iter().flat_map(|it| it["dependsOn"].as_array().expect("a list")) {
            let edge = edge.as_str().expect("text");
            assert!(references.contains(&edge), "{edge} is a component");
        }
        assert!(text.contains(&diff_id(1).to_string()) && text.contains("pack:sbom"), "{text}");
    }
}

#[test]
fn spdx_says_what_its_readers_take() {
    let spdx = document(&mixed(), SpecVersion::Spdx23);
    assert_eq!((&spdx["spdxVersion"], &spdx["dataLicense"]), (&"SPDX-2.3".into(), &"CC0-1.0".into()));
    assert_eq!(spdx["creationInfo"]["created"], "2024-05-06T07:08:09Z");
    let packages = spdx["packages"].as_array().expect("packages");
    let mut ids: Vec<String> =
        packages.iter().map(|it| it["SPDXID"].as_str().expect("text").to_lowercase()).collect();
    let is_fit = |id: &String| id.chars().all(|it| it.is_ascii_alphanumeric() || "-.".contains(it));
    assert!(ids.iter().all(is_fit), "{ids:?}");
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "unique without regard to case");
    let text = spdx.to_string();
    assert!(!text.contains("null"), "arrays are never null: {text}");
    let relationships = spdx["relationships"].as_array().expect("relationships");
    assert_eq!(relationships[0]["relationshipType"], "DESCRIBES");
    let of = |kind: &str| relationships.iter().filter(|it| it["relationshipType"] == kind).count();
    assert_eq!(of("CONTAINS"), all - 1, "the image contains all others");
    assert!(of("DEPENDS_ON") >= 4);
    let defined = spdx["hasExtractedLicensingInfos"].as_array().expect("names of licences");
    let names: Vec<&str> = defined.iter().map(|it| it["name"].as_str().expect("text")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let declared =
        |name: &str| packages.iter().find(|it| it["name"] == name).expect(name)["licenseDeclared"].clone();
    assert_eq!(declared("@s/A_b"), "(MIT OR ISC)");
    assert_eq!(declared("g:a"), "NOASSERTION");
    for package in packages {
        assert_eq!(
            (&package["downloadLocation"], &package["filesAnalyzed"]),
            (&"NOASSERTION".into(), &false.into())
        );
    }
    assert!(spdx["comment"].as_str().expect("what is unknown").contains("rpmdb.sqlite"));
}

#[test]
fn an_image_without_packages_has_a_document() {
    let empty = inventory(&[layer(&[("etc/hosts", b"")])]);
    let bom = document(&empty, SpecVersion::CycloneDx16);
    assert_eq!(bom["components"], serde_json::json!([]));
    assert_eq!(bom.get("compositions"), None);
    assert_eq!(document(&empty, SpecVersion::Spdx23)["packages"].as_array().map(Vec::len), Some(1));
}

#[test]
fn many_packages_of_one_name_run_out_of_the_budget() {
    let stanza = |number: usize| {
        format!("Package: p{number}\nStatus: install ok installed\nVersion: 1\nProvides: x\nDepends: x\n\n")
    };
    let status: String = (0..4000).map(stanza).collect();
    let layers = [layer(&[("var/lib/dpkg/status", status.as_bytes())])];
    let layers = [CataloguedLayer { diff_id: diff_id(0), catalog: &layers[0] }];
    Inventory::of(&layers, &Budget::new("the image", 64 << 20, 1 << 20)).expect_err("sixteen million edges");
}
