//! Lists of packages of real images, before the validators of their forms, and beside what another program lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::peers::peer;
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
         [app]\npath = \"{}\"\nkind = \"tree\"\nroot = \"/\"\n",
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
        for version in ["1.6", "1.7"] {
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
