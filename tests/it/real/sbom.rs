//! Lists of packages of real images, before the validators of their forms, and beside what another program lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::peers::peer;
use super::server::{Server, fetched};
use super::tools::{Pack, run};
use super::{inputs, project, say, scratch};

const CYCLONEDX: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
version = {'1.6': SchemaVersion.V1_6, '1.7': SchemaVersion.V1_7}[sys.argv[2]]
error = JsonStrictValidator(version).validate_str(open(sys.argv[1]).read())
assert error is None, error
";

const SPDX: &str = "\
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
messages = validate_full_spdx_document(parse_file(sys.argv[1]))
assert not messages, [message.validation_message for message in messages]
";

/// An image of a tree at the root of the layout `directory/out`.
fn image_of(pack: &Pack, directory: &Path, tree: &Path) -> String {
    let text = format!(
        "[image]\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\nname = \"localhost/app\"\n\
         compression = \"none\"\n[app]\npath = \"{}\"\nkind = \"tree\"\nroot = \"/\"\n",
        tree.display()
    );
    let layout = format!("oci:{}", directory.join("out").display());
    pack.ok(&["build", &project(&directory.join("app"), &text), "-o", &layout]);
    layout
}

/// A directory with this one file, since a tree is what is copied as it is.
fn tree_with(directory: &Path, file: &Path) -> PathBuf {
    let tree = directory.join("tree/srv");
    std::fs::create_dir_all(&tree).expect("made");
    std::fs::copy(file, tree.join(file.file_name().expect("a name"))).expect("copied");
    directory.join("tree")
}

fn python(judges: &Path) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", judges).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The package URLs of a document, decoded, without qualifiers, which programs choose differently.
fn purls(bom: &Value) -> BTreeSet<String> {
    let components = bom["components"].as_array().into_iter().flatten();
    components.filter_map(|component| component["purl"].as_str()).map(plain).collect()
}

fn plain(purl: &str) -> String {
    let mut bytes = purl.split(['?', '#']).next().unwrap_or_default().bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or_default()).to_digit(16).unwrap_or_default();
        plain.push(match byte {
            b'%' => u8::try_from(digit(bytes.next()) * 16 + digit(bytes.next())).expect("two digits"),
            byte => byte,
        });
    }
    String::from_utf8(plain).expect("text").to_lowercase()
}

/// A real image, and what differs from the other program's list on purpose.
struct Judged {
    name: &'static str,
    input: &'static str,
    is_file: bool,
    /// How package URLs begin that only the other program lists.
    theirs: &'static [&'static str],
    /// The most package URLs that only `pack` lists.
    ours: usize,
}

/// The other program alone lists groups that it derives from a class, a bundle or a module, versions that it reads off
/// the linker's flags or a library's name, and programs of other systems in a Python distribution.
const JUDGED: [Judged; 9] = [
    Judged { name: "Debian", input: "base/debian", is_file: false, theirs: &[], ours: 0 },
    Judged {
        name: "Boot jar",
        input: "boot/shop.jar",
        is_file: true,
        theirs: &[
            "pkg:maven/org.aspectj.weaver/",
            "pkg:maven/org.hibernate/",
            "pkg:maven/spring-boot-jarmode-tools/",
            "pkg:maven/thymeleaf",
        ],
        ours: 6,
    },
    Judged {
        name: "WAR",
        input: "activemq/console.war",
        is_file: true,
        theirs: &[
            "pkg:maven/org.apache.activemq.web-console/",
            "pkg:maven/org.jdom2/",
            "pkg:maven/xmlpull/",
            "pkg:maven/xpp3/",
        ],
        ours: 1,
    },
    Judged {
        name: "Quarkus",
        input: "quarkus/fast-jar",
        is_file: false,
        theirs: &[
            "pkg:maven/io.quarkus.bootstrap.runner.quarkusentrypoint/",
            "pkg:maven/org.reactivestreams/",
        ],
        ours: 0,
    },
    Judged { name: "uber jar", input: "quarkus/uber-jar", is_file: false, theirs: &[], ours: 0 },
    Judged {
        name: "Node",
        input: "bench/node",
        is_file: false,
        theirs: &["pkg:npm/@types/chalk", "pkg:npm/eslint-plugin-jsdom-internal@"],
        ours: 0,
    },
    Judged {
        name: "Go",
        input: "tools/docker-registry",
        is_file: true,
        theirs: &["pkg:golang/github.com/docker/distribution@"],
        ours: 0,
    },
    Judged { name: "Go and npm", input: "esbuild", is_file: false, theirs: &[], ours: 0 },
    Judged {
        name: "Python",
        input: "runtimes/python",
        is_file: false,
        theirs: &["pkg:generic/python@"],
        ours: 0,
    },
];

#[test]
fn documents_are_valid_and_list_what_another_program_lists() {
    let (Some(inputs), Some(judges)) = (inputs(&["base", "tools"]), peer("sbom/python")) else { return };
    for judged in JUDGED {
        let input = inputs.join(judged.input);
        if !input.exists() {
            say(&format!("not run: `{}` is missing", judged.input));
            continue;
        }
        let directory = scratch();
        let pack = Pack::new(&directory.path().join("home"));
        let tree = if judged.is_file { tree_with(directory.path(), &input) } else { input };
        let layout = image_of(&pack, directory.path(), &tree);
        let file = |name: &str| directory.path().join(name).display().to_string();
        // The versions differ in a word, and the judge takes its time.
        let versions: &[&str] = if judged.name == "Debian" { &["1.6", "1.7"] } else { &["1.6"] };
        for version in versions {
            let path = file(version);
            pack.ok(&["sbom", &layout, "--spec-version", version, "-o", &path]);
            run(python(&judges).args(["-c", CYCLONEDX, &path, version]));
        }
        let spdx = file("document.spdx.json");
        pack.ok(&["sbom", &layout, "--format", "spdx", "-o", &spdx]);
        run(python(&judges).args(["-c", SPDX, &spdx]));
        let text = std::fs::read_to_string(file("1.6")).expect("read");
        let ours = purls(&serde_json::from_str(&text).expect("JSON"));
        let mut syft = Command::new(judges.join("bin/syft"));
        let place = format!("oci-dir:{}", directory.path().join("out").display());
        let said = run(syft.env("PYTHONPATH", &judges).env("SYFT_CHECK_FOR_APP_UPDATE", "false").args([
            "-q",
            &place,
            "-o",
            "cyclonedx-json",
        ]));
        let theirs = purls(&serde_json::from_str(&said).expect("JSON"));
        let is_known = |purl: &&String| judged.theirs.iter().any(|start| purl.starts_with(start));
        let missing: Vec<&String> = theirs.difference(&ours).filter(|purl| !is_known(purl)).collect();
        let more: Vec<&String> = ours.difference(&theirs).collect();
        say(&format!("{:12} {} package URLs, the other program {}", judged.name, ours.len(), theirs.len()));
        assert!(missing.is_empty(), "{}: only the other program lists {missing:#?}", judged.name);
        assert!(more.len() <= judged.ours, "{}: only `pack` lists {more:#?}", judged.name);
    }
}

/// The components of rpm in a document, as `NAME VERSION ARCHITECTURE` with the epoch before the version.
fn rpm_packages(bom: &Value) -> BTreeSet<String> {
    let components = bom["components"].as_array().into_iter().flatten();
    let packages =
        components.filter(|it| it["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:rpm/")));
    packages
        .map(|it| {
            let purl = it["purl"].as_str().unwrap_or_default();
            let architecture = purl.split(['?', '&']).find_map(|part| part.strip_prefix("arch="));
            let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
            let version = text("version");
            let version = if version.contains(':') { version } else { format!("0:{version}") };
            format!("{} {version} {}", text("name"), architecture.unwrap_or_default())
        })
        .collect()
}

/// rpm itself made the database, and says what is in it.
#[test]
fn packages_of_rpm_are_those_that_rpm_lists() {
    let Some(inputs) = inputs(&["rpm"]) else { return };
    let directory = scratch();
    let pack = Pack::new(&directory.path().join("home"));
    let layout = image_of(&pack, directory.path(), &inputs.join("rpm/root"));
    let bom: Value = serde_json::from_str(&pack.ok(&["sbom", &layout])).expect("JSON");
    let read = |name: &str| std::fs::read_to_string(inputs.join("rpm").join(name)).expect("read");
    let expected: BTreeSet<String> = read("packages")
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}:{} {}", words[0], words[1], words[2], words[3])
        })
        .collect();
    assert_eq!(rpm_packages(&bom), expected);
    let all: BTreeSet<String> = purls(&bom);
    assert_eq!(all.len(), expected.len(), "the Python distribution is its package alone: {all:?}");
    let name = |reference: &Value| {
        let purl = plain(reference.as_str().unwrap_or_default());
        purl.trim_start_matches("pkg:rpm/redhat/").split('@').next().unwrap_or_default().to_owned()
    };
    let dependencies = bom["dependencies"].as_array().expect("edges").iter();
    let needs: BTreeSet<String> = dependencies
        .filter(|edge| edge["ref"].as_str().is_some_and(|from| from.starts_with("pkg:rpm/")))
        .flat_map(|edge| edge["dependsOn"].as_array().into_iter().flatten().map(move |to| (edge, to)))
        .map(|(edge, to)| format!("{} {}", name(&edge["ref"]), name(to)))
        .collect();
    assert_eq!(needs, read("needs").lines().map(str::to_owned).collect());
}

/// Systems whose databases are read, and one whose database has the form that is not.
const RPM_SYSTEMS: [(&str, &str); 6] = [
    ("cbl-mariner-2.0", "rpmdb.sqlite"),
    ("fedora35", "rpmdb.sqlite"),
    ("oraclelinux-9", "rpmdb.sqlite"),
    ("rockylinux-9", "rpmdb.sqlite"),
    ("sle15-bci", "Packages.db"),
    ("centos7-plain", "Packages"),
];

#[test]
fn databases_of_rpm_of_real_systems_tell_what_another_program_reads() {
    let (Some(_), Some(systems), Some(judges)) = (inputs(&[]), peer("rpm-databases"), peer("sbom/python"))
    else {
        return;
    };
    for (system, file) in RPM_SYSTEMS {
        let directory = scratch();
        let pack = Pack::new(&directory.path().join("home"));
        let tree = directory.path().join("tree");
        std::fs::create_dir_all(tree.join("var/lib/rpm")).expect("made");
        std::fs::create_dir_all(tree.join("etc")).expect("made");
        std::fs::copy(systems.join(system).join(file), tree.join("var/lib/rpm").join(file)).expect("copied");
        std::fs::write(tree.join("etc/os-release"), "ID=\"rhel\"\nVERSION_ID=\"9.4\"\n").expect("written");
        let layout = image_of(&pack, directory.path(), &tree);
        let bom: Value = serde_json::from_str(&pack.ok(&["sbom", &layout])).expect("JSON");
        let ours = purls(&bom);
        if file == "Packages" {
            assert!(
                ours.is_empty() && bom.to_string().contains("Berkeley DB"),
                "{system}: it is said to be unknown"
            );
            continue;
        }
        let place = format!("oci-dir:{}", directory.path().join("out").display());
        let mut syft = Command::new(judges.join("bin/syft"));
        syft.env("PYTHONPATH", &judges).env("SYFT_CHECK_FOR_APP_UPDATE", "false");
        let said = run(syft.args(["-q", &place, "-o", "cyclonedx-json"]));
        let mut theirs = purls(&serde_json::from_str(&said).expect("JSON"));
        theirs.retain(|purl| !purl.contains("/gpg-pubkey@"));
        say(&format!("{system:16} {} packages", ours.len()));
        assert!(ours.len() > 30, "{system}: {} packages", ours.len());
        assert_eq!(ours, theirs, "{system}");
    }
}

/// Scanners take each package of the document for one that they would look up. Trivy is one; grype reads documents with the library of
/// syft, which `syft convert` shows.
#[test]
fn scanners_read_the_packages_of_a_document() {
    let (Some(inputs), Some(trivy), Some(judges)) =
        (inputs(&["base", "rpm"]), peer("trivy/trivy"), peer("sbom/python"))
    else {
        return;
    };
    for (tree, kinds) in
        [("base/debian", &["deb"][..]), ("rpm/root", &["rpm"]), ("quarkus/fast-jar", &["maven"])]
    {
        if !inputs.join(tree).exists() {
            say(&format!("not run: `{tree}` is missing"));
            continue;
        }
        let directory = scratch();
        let pack = Pack::new(&directory.path().join("home"));
        let layout = image_of(&pack, directory.path(), &inputs.join(tree));
        let bom: Value = serde_json::from_str(&pack.ok(&["sbom", &layout])).expect("JSON");
        let is_of_kind = |purl: &String| kinds.iter().any(|kind| purl.starts_with(&format!("pkg:{kind}/")));
        let ours: BTreeSet<String> = purls(&bom).into_iter().filter(is_of_kind).collect();
        for format in ["cyclonedx", "spdx"] {
            let path = directory.path().join(format).display().to_string();
            pack.ok(&["sbom", &layout, "--format", format, "-o", &path]);
            for (scanner, read) in [
                ("trivy", read_by_trivy(&trivy, directory.path(), &path)),
                ("syft", read_by_syft(&judges, &path)),
            ] {
                let found = ours.intersection(&read).count();
                say(&format!("{tree:18} {format:10} {scanner}: {found} of {} packages", ours.len()));
                let missing: Vec<&String> = ours.difference(&read).collect();
                assert!(missing.is_empty(), "{tree}, {format}: {scanner} does not list {missing:?}");
            }
        }
    }
}

/// docker-registry has no referrers API: the document is found by the tag that takes its place, and no layer is looked at.
#[test]
fn a_scanner_finds_the_document_beside_an_image() {
    let (Some(inputs), Some(trivy)) =
        (inputs(&["base/debian", "tools/docker-registry"]), peer("trivy/trivy"))
    else {
        return;
    };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let pack = Pack::new(&directory.join("home"));
    let layout = image_of(&pack, directory, &inputs.join("base/debian"));
    let name = format!("{}/app:1", server.host());
    pack.ok(&["copy", &layout, &name]);
    let document = directory.join("document");
    pack.ok(&["sbom", &name, "-o", &document.display().to_string()]);
    let kind = "application/vnd.cyclonedx+json";
    pack.ok(&["attach", &name, &document.display().to_string(), "--type", kind]);
    let ours = purls(&serde_json::from_slice(&std::fs::read(&document).expect("read")).expect("JSON"));
    server.requests();
    let read = trivy_lists(&trivy, directory, &["image", "--insecure", "--sbom-sources", "oci", &name]);
    assert!(ours.len() > 90 && ours.is_subset(&read), "{:?}", ours.difference(&read));
    let blobs = fetched(&server.requests());
    assert!(blobs.len() <= 2, "the document, and the configuration of the image: {blobs:?}");
}

fn read_by_trivy(trivy: &Path, home: &Path, document: &str) -> BTreeSet<String> {
    trivy_lists(trivy, home, &["sbom", document])
}

fn trivy_lists(trivy: &Path, home: &Path, arguments: &[&str]) -> BTreeSet<String> {
    let mut scanner = Command::new(trivy);
    scanner.env("HOME", home).args(arguments).args(["-q", "--offline-scan", "--skip-db-update"]);
    scanner.args(["--skip-java-db-update", "--scanners", "license", "--list-all-pkgs", "--format", "json"]);
    let report: Value = serde_json::from_str(&run(&mut scanner)).expect("JSON");
    let results = report["Results"].as_array().into_iter().flatten();
    let packages = results.flat_map(|result| result["Packages"].as_array().into_iter().flatten());
    packages.filter_map(|it| it["Identifier"]["PURL"].as_str()).map(plain).collect()
}

fn read_by_syft(judges: &Path, document: &str) -> BTreeSet<String> {
    let mut syft = Command::new(judges.join("bin/syft"));
    syft.env("PYTHONPATH", judges).env("SYFT_CHECK_FOR_APP_UPDATE", "false");
    let read: Value =
        serde_json::from_str(&run(syft.args(["convert", "-q", document, "-o", "json"]))).expect("JSON");
    let packages = read["artifacts"].as_array().into_iter().flatten();
    packages.filter_map(|it| it["purl"].as_str()).map(plain).collect()
}
