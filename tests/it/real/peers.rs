//! Artifacts and judges from other languages' registries. Each part runs if it was to be had.

use super::server::{Server, uploaded};
use super::tools::{Pack, run};
use super::{inputs, project, say, scratch};

pub(crate) fn peer(name: &str) -> Option<std::path::PathBuf> {
    let wanted = std::env::var_os("PACK_TEST_PEERS").is_some();
    let path = std::env::var_os("PACK_TEST_INPUTS").map(|inputs| std::path::Path::new(&inputs).join(name));
    let path = path.filter(|path| wanted && path.exists());
    if path.is_none() {
        say(&format!("not run: `{name}` is missing; `tests/run --peers` fetches it"));
    }
    path
}

fn image_of(path: &str, more: &str) -> String {
    format!("[image]\nbase = \"scratch\"\ntags = [\"1\"]\n{more}\n[app]\npath = {path}\n")
}

/// An image of `app/files`, so compressed, in the layout `app/out`.
fn build_files(directory: &std::path::Path, app: &std::path::Path, compression: &str) {
    let pack = Pack::new(&directory.join("home"));
    let text = "root = \"/srv\"\nkind = \"tree\"\nbuckets = 1\n";
    let text = image_of("\"files\"", "platforms = [\"linux/amd64\"]\nname = \"localhost/app\"") + text;
    let out = format!("oci:{}", app.join("out").display());
    pack.ok(&["build", &project(app, &text), "--compression", compression, "-o", &out]);
}

/// The blob of a descriptor in the layout `app/out`.
fn blob_of(app: &std::path::Path, descriptor: &serde_json::Value) -> std::path::PathBuf {
    let digest = descriptor["digest"].as_str().expect("is text");
    app.join("out/blobs/sha256").join(&digest["sha256:".len()..])
}

/// The library that stargz-snapshotter reads its layers with finds every file and agrees with every digest.
#[test]
fn the_snapshotters_library_reads_estargz() {
    let (Some(_), Some(reader)) = (inputs(&[]), peer("estargz/reader")) else { return };
    let directory = scratch();
    let app = directory.path().join("app");
    crate::estargz::fill(&app.join("files"));
    build_files(directory.path(), &app, "estargz");
    let (layer, _) = crate::estargz::layer_in(&app.join("out"));
    let toc = &layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"];
    let mut command = std::process::Command::new(reader);
    let found = run(command.arg(blob_of(&app, &layer)).arg(toc.as_str().expect("is text")));
    assert_same_files(&app.join("files"), &found);
}

/// The library of soci-snapshotter finds every file through its own reader of spans, and its builder makes the same
/// table of contents of the layer.
#[test]
fn the_snapshotters_library_reads_soci() {
    let (Some(_), Some(reader)) = (inputs(&[]), peer("soci/reader")) else { return };
    let directory = scratch();
    let app = directory.path().join("app");
    let files = app.join("files");
    crate::estargz::fill(&files);
    std::fs::write(files.join("chunks/large"), crate::support::noise(7, 11 << 20)).expect("written");
    let long = files.join("d".repeat(90));
    std::fs::create_dir(&long).expect("made");
    std::fs::write(long.join("n".repeat(120)), "a PAX record").expect("written");
    std::os::unix::fs::symlink("t".repeat(150), files.join("far")).expect("made");
    build_files(directory.path(), &app, "soci");
    let (image, index) = crate::soci::both(&app.join("out"));
    let (layer, table) = (&image["layers"][0], &index["layers"][0]);
    let span = table["annotations"]["com.amazon.soci.span-size"].as_str().expect("is text");
    let mut command = std::process::Command::new(reader);
    let found = run(command.args([blob_of(&app, layer), blob_of(&app, table)]).arg(span).env("TZ", "UTC"));
    assert_same_files(&files, &found);
}

/// That what a reader printed is SHA-256 and name of each file.
fn assert_same_files(files: &std::path::Path, found: &str) {
    let mut found: Vec<&str> = found.lines().filter(|line| !line.ends_with(".landmark")).collect();
    let sums = "find . -type f -printf '%P\\0' | xargs -0 sha256sum | sed 's,  , /srv/,'";
    let sums = run(std::process::Command::new("sh").args(["-c", sums]).current_dir(files));
    // The one of two names that has the bytes.
    let mut expected: Vec<&str> = sums.lines().filter(|line| !line.ends_with("/zz-hard")).collect();
    found.retain(|line| !line.ends_with("/zz-hard"));
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn other_artifacts_and_other_judges() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let crane = peer("crane/crane");
    let mut check = |name: &str, text: &str| {
        let app = project(&directory.join(name), text);
        let name = format!("{host}/peers/{name}");
        pack.ok(&["build", &app, "--push", "--name", &name]);
        assert!(!uploaded(&server.requests()).is_empty());
        let image = format!("{name}:1");
        let ok = pack.ok(&["verify", &image]);
        assert!(ok.contains(": ok, "), "{ok}");
        if let Some(crane) = &crane {
            run(std::process::Command::new(crane).args(["validate", "--insecure", "--remote", &image]));
        }
        image
    };
    let quoted = |path: &std::path::Path| format!("{:?}", path.to_str().expect("is text"));

    let platform = "platforms = [\"linux/amd64\"]";
    if let Some(war) = peer("activemq/console.war") {
        let text = image_of(&quoted(&war), platform) + "root = \"/srv/webapps/ROOT\"\n";
        check("console", &text);
    }
    if let Some(esbuild) = peer("esbuild/arm64/bin/esbuild") {
        let programs = [inputs.join("esbuild/amd64/bin/esbuild"), esbuild];
        let paths = programs.each_ref().map(|path| quoted(path)).join(", ");
        let image = check("esbuild", &image_of(&format!("[{paths}]"), ""));
        let index = pack.json(&["inspect", &image]);
        let text = index.to_string();
        assert!(text.contains("linux/amd64") && text.contains("linux/arm64"), "{text}");
    }
    if let Some(ruff) = peer("ruff/ruff") {
        check("ruff", &image_of(&quoted(&ruff), ""));
    }
    if let Some(site) = peer("swagger-ui/site") {
        check("swagger-ui", &(image_of(&quoted(&site), platform) + "root = \"/srv/www\"\n"));
    }

    // With tables of contents; and on that, which brings its own along.
    let large = directory.join("large");
    std::fs::create_dir(&large).expect("made");
    std::fs::write(large.join("noise"), crate::support::noise(5, 11 << 20)).expect("written");
    let soci = format!("{platform}\ncompression = \"soci\"");
    let root = "kind = \"tree\"\nroot = \"/srv\"\n";
    let below = check("soci", &(image_of(&quoted(&large), &soci) + root));
    let on_it = image_of(&quoted(&large), &soci).replace("\"scratch\"", &format!("{below:?}"));
    let image = check("on-soci", &(on_it + &root.replace("srv", "app")));
    let inspected = pack.ok(&["inspect", &image]);
    assert!(inspected.contains("vnd.amazon.soci.index.v2+json"), "{inspected}");
}
