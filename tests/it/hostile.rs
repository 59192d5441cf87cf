//! Hostile layers, archives and documents: refused in bounded memory and time.

mod archives;
mod jars;
mod programs;
mod projects;
mod runtimes;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{PACK, Project, REPOSITORY, is_root, sha256, skipped, tree_on};

/// An entry of a tar: name, mode, content; a name that ends in a slash is a directory.
fn tar_of(entries: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in entries {
        let mut header = tar::Header::new_ustar();
        let kind = if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
        header.set_entry_type(kind);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn hex_of(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

/// An OCI layout with one image of these layers, as tars.
pub(crate) fn layout(directory: &Path, layers: &[Vec<u8>]) {
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
    layout_with(directory, layers, &diff_ids);
}

/// An OCI layout with one image whose configuration has these diff IDs.
pub(crate) fn layout_with(directory: &Path, layers: &[Vec<u8>], diff_ids: &[String]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = sha256(bytes);
        fs::write(blobs.join(hex_of(&digest)), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let listed: Vec<Value> = layers.iter().map(|layer| blob("layer.v1.tar", layer)).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", config.to_string().as_bytes()), "layers": listed });
    let mut root = blob("manifest.v1+json", manifest.to_string().as_bytes());
    root["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    fs::write(directory.join("index.json"), json!({ "schemaVersion": 2, "manifests": [root] }).to_string())
        .unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A project with one file below `root`, on the layout `base` beside it.
fn project_on(layers: &[Vec<u8>], root: &str) -> Project {
    let project = Project::new();
    layout(&project.path("base"), layers);
    project.write("build.toml", tree_on("oci:base:1").replace("/srv", root)).write("files/a.txt", "a\n");
    project
}

#[test]
fn a_layer_that_tools_do_not_read_alike_is_refused_by_every_command() {
    let mut odd = tar_of(&[("etc/", 0o755, ""), ("etc/app", 0o644, "x")]);
    // GNU tar unpacks a directory where Go's reader sees a file.
    odd[512..520].copy_from_slice(b"etc/app/");
    odd[660..668].fill(b' ');
    let sum: u32 = odd[512..1024].iter().map(|byte| u32::from(*byte)).sum();
    odd[660..668].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let project = project_on(&[odd.clone()], "/etc/app");
    layout(&project.path("other"), &[tar_of(&[("etc/", 0o755, "")])]);
    let words = ["entry 2 of the tar, at byte 512", "`name`", &sha256(&odd)];
    let report = project.pack("verify oci:base:1 --json").run().has_code(1).json();
    let problem = &report["problems"][0];
    assert_eq!((&problem["check"], &problem["subject"]), (&json!("tar"), &json!(sha256(&odd))));
    assert!(problem["message"].as_str().unwrap().contains(words[0]), "{report}");
    project.pack("build").fails(1).says(&words).hints();
    project.pack("diff oci:base:1 oci:other:1").fails(1).says(&words);
    project.pack("inspect oci:base:1 --html page.html").fails(1).says(&words).hints();
    project.pack("inspect oci:base:1 --tree").fails(1).says(&words).hints();
}

#[test]
fn a_whiteout_is_about_lower_layers_wherever_it_stands() {
    let lower = tar_of(&[("a/", 0o755, ""), ("a/kept/", 0o700, "")]);
    let directory = ("a/", 0o755, "");
    let whiteout = ("a/.wh.kept", 0o644, "");
    let opaque = ("a/.wh..wh..opq", 0o644, "");
    let cases = [
        (vec![directory], true),
        (vec![whiteout, directory], false),
        (vec![directory, whiteout], false),
        (vec![directory, opaque], false),
        (vec![opaque, directory], false),
        (vec![(".wh.a", 0o644, ""), directory], false),
        (vec![(".wh..wh..opq", 0o644, ""), directory], false),
    ];
    for (upper, is_there) in cases {
        let layers = [lower.clone(), tar_of(&upper)];
        let project = project_on(&layers, "/a/kept/app");
        project.build("");
        let lock = fs::read_to_string(project.path("build.lock")).unwrap();
        let line = lock.lines().find(|line| line.starts_with("\"/a/kept\"")).unwrap_or_default();
        assert_eq!(line.contains("mode = \"0700\""), is_there, "{upper:?}: {line}");
        assert_eq!(line.contains("missing"), !is_there, "{upper:?}: {line}");
        if !is_root() {
            skipped("umoci as a judge", "it takes root");
            continue;
        }
        // The judge, of the same layers.
        let (layout, bundle) = (project.path("base"), project.beside("bundle"));
        let image = format!("{}:1", layout.display());
        let said = Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle).output();
        match said {
            Ok(said) if said.status.success() => {
                assert_eq!(bundle.join("rootfs/a/kept").exists(), is_there, "{upper:?}");
            }
            Ok(said) => panic!("{upper:?}: {}", String::from_utf8_lossy(&said.stderr)),
            Err(_) => skipped("umoci as a judge", "it is not installed"),
        }
    }
}

/// The lock with `from` replaced by `to`, and the checksum that fits.
fn edited(lock: &str, from: &str, to: &str) -> String {
    let lock = lock.replace(from, to);
    let after = |key: &str| lock.split_once(&format!("\n{key} = \"")).unwrap().1.split_once('"').unwrap();
    let (digest, _) = after("digest");
    let (checksum, facts) = after("checksum");
    let facts = facts.strip_prefix('\n').unwrap();
    let right = sha256(format!("{digest}\n{facts}").as_bytes());
    lock.replace(checksum, &hex_of(&right)[..16])
}

#[test]
fn a_lock_that_lies_about_the_base_is_found_out_by_the_layers() {
    let base = tar_of(&[("etc/", 0o755, ""), ("etc/app/", 0o750, "")]);
    let project = project_on(&[base], "/etc/app/new");
    project.build("");
    let honest = fs::read_to_string(project.path("build.lock")).unwrap();
    assert_eq!(edited(&honest, "nothing", "else"), honest, "the checksum of the test is that of the program");
    project.pack("update --check").ok();
    project.pack("build --locked").ok();
    // The store remembers which facts agreed. A lie is not among them.
    let memos = fs::read_dir(project.cache().join("memo")).unwrap();
    let mut names = memos.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.starts_with("lock-agrees-")));

    let lie = edited(&honest, "mode = \"0755\", uid = 0", "mode = \"0777\", uid = 1000");
    assert_ne!(lie, honest);
    project.write("build.lock", &lie);
    let words = ["`/etc`", "0777 of 1000:0", "0755 of 0:0, says layer sha256:"];
    project.pack("build --locked").fails(4).says(&words).hints();
    project.pack("build").fails(1).says(&words).hints();
    project.pack("update --check").fails(4).says(&words).hints();
    // A fresh store knows no index of the layer, and the base lies here all the same.
    project.pack("build --locked").cache(&project.beside("fresh")).fails(4).says(&words);
    // The hint's advice.
    project.pack("update").ok();
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), honest);
    project.pack("build --locked").ok();

    let lie = edited(
        &honest,
        "\"/etc/app\" = { kind = \"directory\", mode = \"0750\", uid = 0, gid = 0 }",
        "\"/etc/app\" = { kind = \"missing\" }",
    );
    project.write("build.lock", &lie);
    project.pack("update --check").fails(4).says(&["`/etc/app`", "is missing", "a directory 0750 of 0:0"]);
}

#[test]
fn paths_that_are_no_text_are_told_apart_in_json() {
    let mut layer = tar_of(&[("caf1", 0o644, "x"), ("caf2", 0o644, "x")]);
    for (at, byte) in [(3, 0xe9), (1024 + 3, 0xe8)] {
        layer[at] = byte;
        let block = &mut layer[at - 3..][..512];
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let project = project_on(&[layer], "/srv");
    layout(&project.path("other"), &[tar_of(&[("a", 0o644, "x")])]);
    let report = project.pack("diff --json oci:base:1 oci:other:1").run().has_code(1).json();
    let files = report["images"][0]["files"].as_array().unwrap();
    let found: Vec<(&Value, &Value)> = files.iter().map(|file| (&file["path"], &file["pathBytes"])).collect();
    let text = json!("caf\u{fffd}");
    let expected = [(&json!("a"), &Value::Null), (&text, &json!("636166e8")), (&text, &json!("636166e9"))];
    assert_eq!(found, expected);
}

/// A document of an image that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Missing,
    Truncated,
    OtherBytes,
    /// Its digest is right, and it is no document all the same.
    NotJson,
}

/// The digests of the manifest and the configuration of the image in a layout.
fn documents_of(directory: &Path) -> [String; 2] {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    let manifest = digest(&read(&directory.join("index.json"))["manifests"][0]);
    let config = digest(&read(&directory.join("blobs/sha256").join(hex_of(&manifest)))["config"]);
    [manifest, config]
}

/// Damages the manifest or the configuration of the image in a layout; the digest of the damaged document.
fn damage(directory: &Path, is_config: bool, how: Damage) -> String {
    let blobs = directory.join("blobs/sha256");
    let digest = documents_of(directory)[usize::from(is_config)].clone();
    let path = blobs.join(hex_of(&digest));
    let mut bytes = fs::read(&path).unwrap();
    match how {
        Damage::Missing => fs::remove_file(&path).unwrap(),
        Damage::Truncated => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
        Damage::OtherBytes => {
            bytes[10] ^= 1;
            fs::write(&path, &bytes).unwrap();
        }
        Damage::NotJson => {
            bytes.fill(b'x');
            let other = sha256(&bytes);
            fs::write(blobs.join(hex_of(&other)), &bytes).unwrap();
            // All that links to it links to the new bytes.
            let index = directory.join("index.json");
            let link = |text: String, from: &str, to: &str| text.replace(hex_of(from), hex_of(to));
            let listed = fs::read_to_string(&index).unwrap();
            if is_config {
                let manifest = &documents_of(directory)[0];
                let text = link(fs::read_to_string(blobs.join(hex_of(manifest))).unwrap(), &digest, &other);
                let above = sha256(text.as_bytes());
                fs::write(blobs.join(hex_of(&above)), text).unwrap();
                fs::write(&index, link(listed, manifest, &above)).unwrap();
            } else {
                fs::write(&index, link(listed, &digest, &other)).unwrap();
            }
            return other;
        }
    }
    digest
}

#[test]
fn a_damaged_document_is_named_with_its_place_and_a_way_out_by_every_command() {
    let tar = tar_of(&[("srv/", 0o755, "")]);
    let mut wrong = Vec::new();
    for is_config in [false, true] {
        for how in [Damage::Missing, Damage::Truncated, Damage::OtherBytes, Damage::NotJson] {
            let project = project_on(std::slice::from_ref(&tar), "/srv/app");
            layout(&project.path("good"), &[tar.clone(), tar_of(&[("a", 0o644, "x")])]);
            let digest = damage(&project.path("base"), is_config, how);
            let mut archive = tar::Builder::new(fs::File::create(project.path("base.tar")).unwrap());
            archive.append_dir_all(".", project.path("base")).unwrap();
            archive.finish().unwrap();
            for place in ["oci:base:1", "oci-archive:base.tar:1"] {
                project.write("build.toml", tree_on(place).replace("/srv", "/srv/app"));
                let file = place.split(':').nth(1).unwrap();
                let commands = [
                    format!("copy {place} oci:copied:1"),
                    format!("verify {place}"),
                    format!("inspect {place}"),
                    format!("inspect {place} --tree"),
                    format!("history {place}"),
                    format!("diff {place} oci:good:1"),
                    format!("diff oci:good:1 {place}"),
                    format!("rebase oci:good:1 --old-base oci:good:1 --base {place} -t 2"),
                    "build".to_owned(),
                    "plan".to_owned(),
                ];
                for command in commands {
                    // Nothing of an earlier command helps out.
                    let cache = project.beside(&format!("cache{}", wrong.len()));
                    let _ = fs::remove_dir_all(&cache);
                    let _ = fs::remove_file(project.path("build.lock"));
                    let output = project.pack(&command).cache(&cache).run();
                    let said = format!("{}{}", output.stdout, output.stderr);
                    let reports = command.starts_with("verify") && is_config;
                    let good = output.code == Some(1)
                        && said.contains(hex_of(&digest))
                        && said.contains(file)
                        && (reports || output.stderr.contains("hint: "));
                    // A configuration is copied and not read.
                    let copies_not_json = command.starts_with("copy") && is_config && how == Damage::NotJson;
                    let is_expected = good || copies_not_json && output.code == Some(0);
                    if !is_expected {
                        wrong.push(format!(
                            "{how:?} config={is_config} pack {command} ({:?}):\n{said}",
                            output.code
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Escape codes, line ends and marks that turn the direction of writing.
const CODES: &str = "a\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J\rb\nc\u{202e}d";

/// Whether a terminal prints it as it is read.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|sign| {
        matches!(sign, '\n' | '\t')
            || !(sign.is_control() || matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    })
}

#[test]
fn no_name_or_text_of_an_image_steers_the_terminal() {
    let project = project_on(&[tar_of(&[(CODES, 0o644, "x"), ("up\u{1b}[2J", 0o644, "x")])], "/srv");
    let base = project.path("base");
    layout(&project.path("other"), &[tar_of(&[("a", 0o644, "x")])]);
    // The same image with such texts in all of its documents.
    let [manifest, config] = documents_of(&base);
    let blobs = base.join("blobs/sha256");
    let read = |digest: &str| -> Value {
        serde_json::from_slice(&fs::read(blobs.join(hex_of(digest))).unwrap()).unwrap()
    };
    let write = |value: &Value| -> Value {
        let (bytes, digest) = (value.to_string(), sha256(value.to_string().as_bytes()));
        fs::write(blobs.join(hex_of(&digest)), &bytes).unwrap();
        json!({ "digest": digest, "size": bytes.len() })
    };
    let mut configuration = read(&config);
    configuration["author"] = json!(CODES);
    configuration["config"] = json!({ "Env": [format!("A={CODES}")], "Labels": { CODES: CODES }, "User": CODES,
        "Cmd": [CODES], "Entrypoint": [CODES], "WorkingDir": format!("/{CODES}"), "ExposedPorts": { CODES: {} } });
    configuration["history"] = json!([{ "created_by": CODES, "comment": CODES, "author": CODES }]);
    let mut document = read(&manifest);
    document["annotations"] = json!({ CODES: CODES });
    let written = write(&configuration);
    for key in ["digest", "size"] {
        document["config"][key] = written[key].clone();
    }
    let mut root = write(&document);
    root["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    root["platform"] = json!({ "os": "linux", "architecture": CODES });
    let mut index = json!({ "schemaVersion": 2, "manifests": [root, root] });
    for (number, name) in ["1", CODES].iter().enumerate() {
        index["manifests"][number]["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    }
    fs::write(base.join("index.json"), index.to_string()).unwrap();
    let commands = [
        "inspect oci:base:1",
        "inspect oci:base:1 --json",
        "inspect oci:base:1 --html -",
        "inspect oci:base:1 --tree",
        "inspect oci:base:none",
        "history oci:base:1",
        "history oci:base:1 --no-trunc",
        "verify oci:base:1",
        "diff oci:base:1 oci:other:1",
        "diff oci:other:1 oci:base:1 --json",
        "diff oci:other:1 oci:base:1 --html -",
        "copy oci:base:1 oci:copied:1",
        "copy oci:base oci:copied2",
        "copy oci:base:1 store:copied:1",
        "rebase oci:other:1 --old-base oci:other:1 --base oci:base:1 -t 2",
        "build",
        "plan",
    ];
    for command in commands {
        let said = project.pack(command).run();
        for text in [&said.stdout, &said.stderr] {
            assert!(is_harmless(text), "pack {command}: {}", text.escape_debug());
        }
        assert!(matches!(said.code, Some(0 | 1 | 4)), "pack {command}: {said:?}");
    }
}

#[test]
fn an_archive_or_layout_that_leads_elsewhere_gives_nothing_of_it() {
    let project = project_on(&[tar_of(&[("srv/", 0o755, "")])], "/srv/app");
    let base = project.path("base");
    let [manifest, config] = documents_of(&base);
    let secret = project.write("secret.txt", "not for images\n").path("secret.txt");
    // A blob of a layout that is a link to a file which is not its content, to a directory, to itself, to a pipe.
    let blob = base.join("blobs/sha256").join(hex_of(&config));
    let right = fs::read(&blob).unwrap();
    for target in
        [secret.as_path(), &project.root(), &blob, Path::new("/dev/zero"), Path::new("/proc/self/mem")]
    {
        fs::remove_file(&blob).unwrap();
        std::os::unix::fs::symlink(target, &blob).unwrap();
        for command in ["inspect oci:base:1", "copy oci:base:1 oci:copied:1", "build"] {
            let said = project.pack(command).fails(1).hints();
            assert!(!said.stderr.contains("not for images"), "{said:?}");
        }
        assert!(!project.path("copied").join("index.json").exists());
    }
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, right).unwrap();
    // Archives: a member that leads out, one that is sparse, two of one name of which the last counts.
    let tar = |change: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all(".", &base).unwrap();
        change(&mut archive);
        fs::write(project.path("base.tar"), archive.into_inner().unwrap()).unwrap();
    };
    let name = format!("blobs/sha256/{}", hex_of(&manifest));
    let link = |archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, &name, target).unwrap();
    };
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        for target in ["/etc/passwd", "../../../../../../etc/passwd", "../../secret.txt"] {
            tar(&|archive| link(archive, kind, target));
            project.pack("inspect oci-archive:base.tar:1").run();
            let said = project.pack("copy oci-archive:base.tar:1 oci:copied:1").run();
            assert!(!said.stderr.contains("root:") && said.code != Some(70), "{said:?}");
        }
        tar(&|archive| link(archive, kind, &name));
        project.pack("inspect oci-archive:base.tar:1").fails(1).hints();
    }
    tar(&|archive| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(0);
        archive.append_data(&mut header, &name, &b""[..]).unwrap();
    });
    let said = project.pack("inspect oci-archive:base.tar:1").run();
    assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
    tar(&|archive| {
        let mut header = tar::Header::new_gnu();
        header.set_size(9);
        header.set_mode(0o644);
        archive.append_data(&mut header, &name, &b"otherwise"[..]).unwrap();
    });
    project.pack("inspect oci-archive:base.tar:1").fails(1).says(&[hex_of(&manifest)]).hints();
}

/// `benches/hostile` measures the cost of hostile input of every kind; here is some that is made quickly.
#[test]
fn hostile_images_cost_little_memory() {
    let cases = [
        "variables",
        "history",
        "an index",
        "numbers",
        "1,900 parts above",
        "layers.idx",
        "jars that name",
        "a window of 2^31",
        "its parts many times",
        "table above the limit",
        "indexes",
        "20,000 packages of npm",
        "jars in each other",
        "shaded jars",
        "of dotted keys",
        "images.lock",
        "results with",
    ];
    let mut command = Command::new("python3");
    command.arg(Path::new(REPOSITORY).join("benches/hostile")).args(["--json", "--pack", PACK]);
    let Ok(output) = command.args(cases.iter().flat_map(|case| ["--only", case])).output() else {
        return skipped("hostile images", "there is no python3");
    };
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    for case in cases {
        assert!(rows.iter().any(|row| row["input"].as_str().unwrap().contains(case)), "{case}");
    }
    for row in &rows {
        assert!(row["memory"].as_u64().unwrap() <= 256, "{row}");
        assert!(matches!(row["code"].as_i64(), Some(0 | 1 | 4)), "{row}");
        // Results of hostile images are not larger than a reader bears, either.
        assert!(row["stdout"].as_u64().unwrap() < 64 << 20, "{row}");
    }
}
