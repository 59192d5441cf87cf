//! What other languages' registries have: other artifacts, other judges. Each part runs if it was to be had.

use super::server::{Server, uploaded};
use super::tools::{Pack, run};
use super::{inputs, project, say, scratch};

pub(super) fn peer(name: &str) -> Option<std::path::PathBuf> {
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

/// The library that stargz-snapshotter reads its layers with finds every file and agrees with every digest.
#[test]
fn the_snapshotters_library_reads_estargz() {
    if inputs(&[]).is_none() {
        return;
    }
    let Some(reader) = peer("estargz/reader") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let app = directory.join("app");
    crate::estargz::fill(&app.join("files"));
    let text = "root = \"/srv\"\nkind = \"tree\"\nbuckets = 1\n";
    let text = image_of("\"files\"", "platforms = [\"linux/amd64\"]\nname = \"localhost/app\"") + text;
    let out = format!("oci:{}", app.join("out").display());
    pack.ok(&["build", &project(&app, &text), "--compression", "estargz", "-o", &out]);
    let (layer, _) = crate::estargz::layer_in(&app.join("out"));
    let digest = layer["digest"].as_str().expect("is text");
    let blob = app.join("out/blobs/sha256").join(&digest["sha256:".len()..]);
    let toc = &layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"];
    let mut command = std::process::Command::new(reader);
    let found = run(command.arg(&blob).arg(toc.as_str().expect("is text")));
    let mut found: Vec<&str> = found.lines().filter(|line| !line.ends_with(".landmark")).collect();
    let files = app.join("files");
    let sums = "find . -type f -printf '%P\\0' | xargs -0 sha256sum | sed 's,  , /srv/,'";
    let sums = run(std::process::Command::new("sh").args(["-c", sums]).current_dir(&files));
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
}
