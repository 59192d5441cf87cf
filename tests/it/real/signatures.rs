//! Signatures with cosign as judge, both ways, in registries of three makers.

use std::path::Path;
use std::process::{Command, Stdio};

use super::peers::peer;
use super::server::Server;
use super::tools::{Pack, run};
use super::{inputs, project, say, scratch};

#[test]
fn cosign_and_pack_agree_in_docker_registry() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    walk(&inputs.join("tools/docker-registry"));
}

#[test]
fn cosign_and_pack_agree_in_distribution_3() {
    if let Some(program) = inputs(&[]).and(peer("distribution/registry")) {
        walk(&program);
    }
}

#[test]
fn cosign_and_pack_agree_in_a_registry_with_the_referrers_api() {
    if let Some(program) = inputs(&[]).and(peer("referrers/registry")) {
        walk(&program);
    }
}

const PASSWORD: &str = "correct-horse-7Zq";

fn walk(program: &Path) {
    let Some(cosign) = peer("cosign/cosign") else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(program, &directory.join("registry"), false);
    let home = directory.join("home");
    let pack = Pack::new(&home);
    let cosign = |arguments: &[&str]| {
        let mut command = Command::new(&cosign);
        command.args(arguments).env("HOME", &home).env("COSIGN_PASSWORD", PASSWORD).current_dir(&home);
        command
    };
    let with_password = |arguments: &[&str]| {
        let output = pack.command(arguments).env("COSIGN_PASSWORD", PASSWORD).output().expect("pack starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let app = directory.join("app");
    std::fs::create_dir_all(app.join("files")).expect("can be made");
    let image = |name: &str| {
        std::fs::write(app.join("files/page.html"), name).expect("can be written");
        let repository = format!("{}/shop/{name}", server.host());
        let text = format!(
            "[image]\nname = \"{repository}\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/www\"\n"
        );
        pack.ok(&["build", &project(&app, &text), "--push"]).trim().to_owned()
    };
    let is_verified = |image: &str, key: &str, bundle: bool| {
        let form = format!("--new-bundle-format={bundle}");
        let mut command = cosign(&["verify", "--key", key, "--insecure-ignore-tlog=true", &form, image]);
        command.stdin(Stdio::null()).output().expect("cosign starts").status.success()
    };

    // Our key and our signatures, judged by cosign.
    with_password(&["key", "generate", "--output", "ours"]);
    let ours = image("ours");
    assert!(!is_verified(&ours, "ours.pub", true), "nothing is signed yet");
    with_password(&["sign", &ours, "--key", "ours.key", "--signature-format", "both"]);
    assert!(is_verified(&ours, "ours.pub", true), "{ours}");
    assert!(is_verified(&ours, "ours.pub", false), "{ours}");

    // Signatures that a build attaches, and the list of packages beside them.
    let signed = directory.join("app/build.toml");
    let signed = signed.to_str().expect("a path").to_owned();
    std::fs::write(app.join("files/page.html"), "built").expect("can be written");
    let build = ["build", "-f", &signed, "--push", "--sbom", "--sign", "--key", "ours.key", "--tag", "built"];
    with_password(&[&build[..], &["--signature-format", "both"]].concat());
    let built = format!("{}:built", ours.split('@').next().expect("a name"));
    assert!(is_verified(&built, "ours.pub", true), "{built}");
    assert!(is_verified(&built, "ours.pub", false), "{built}");
    let tree = cosign(&["tree", &built]).output().expect("cosign starts");
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    // One registry lists the type of the configuration in place of the document's.
    assert_eq!(tree.matches("artifacts via OCI referrer").count(), 3, "{tree}");
    let mut attestation = cosign(&["verify-attestation", "--key", "ours.pub", "--insecure-ignore-tlog=true"]);
    attestation.args(["--type", "cyclonedx", "--new-bundle-format=true", &built]).stdin(Stdio::null());
    let attestation = attestation.output().expect("cosign starts");
    assert!(attestation.status.success(), "{}", String::from_utf8_lossy(&attestation.stderr));
    assert!(pack.ok(&["referrers", &built]).contains("application/vnd.cyclonedx+json"), "{tree}");
    // Nothing is attached twice, and the signatures stay good.
    let before = pack.ok(&["referrers", &built]);
    with_password(&build);
    assert_eq!(pack.ok(&["referrers", &built]), before);

    // A key of cosign, and its signatures, judged by us.
    run(&mut cosign(&["generate-key-pair"]));
    let public = pack.ok(&["key", "public", "cosign.pub"]);
    let opened = pack.command(&["key", "public", "cosign.key"]).env("COSIGN_PASSWORD", PASSWORD).output();
    assert_eq!(String::from_utf8_lossy(&opened.expect("pack starts").stdout), public);
    for (name, form) in [("bundle", "--new-bundle-format=true"), ("legacy", "--new-bundle-format=false")] {
        let theirs = image(name);
        assert_eq!(pack.run(&["verify", &theirs, "--key", "cosign.pub"]).code, Some(4));
        let offline = ["--tlog-upload=false", "--use-signing-config=false", form];
        run(&mut cosign(
            &[&["sign", "--yes", "--key", "cosign.key"][..], &offline, &[theirs.as_str()]].concat(),
        ));
        let verified = pack.ok(&["verify", &theirs, "--key", "cosign.pub"]);
        assert!(verified.contains("signed by"), "{verified}");
        assert_eq!(pack.run(&["verify", &theirs, "--key", "ours.pub"]).code, Some(4));
        // A signature by the same key is not written again, though another program wrote it.
        let mut ours = pack.command(&["sign", &theirs, "--key", "cosign.key", "--signature-format", name]);
        let said = ours.env("COSIGN_PASSWORD", PASSWORD).output().expect("pack starts");
        assert!(String::from_utf8_lossy(&said.stderr).contains("already"), "{said:?}");
    }

    // Our keys sign with cosign, too, and both signatures stay.
    run(&mut cosign(&[
        "sign",
        "--yes",
        "--key",
        "ours.key",
        "--tlog-upload=false",
        "--use-signing-config=false",
        &ours,
    ]));
    with_password(&["sign", &ours, "--key", "cosign.key"]);
    for key in ["ours.pub", "cosign.pub"] {
        assert!(is_verified(&ours, key, true), "{key}");
        pack.ok(&["verify", &ours, "--key", key]);
    }
    say(&format!("{}: signatures of cosign and pack agree", program.display()));
}

/// A registry without the referrers API has the list under a tag, which each writer reads, changes and writes.
#[test]
fn documents_of_eight_writers_at_once_are_all_listed() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let home = directory.join("home");
    let pack = Pack::new(&home);
    let app = directory.join("app");
    std::fs::create_dir_all(app.join("files")).expect("can be made");
    std::fs::write(app.join("files/page.html"), "one").expect("can be written");
    let text = format!(
        "[image]\nname = \"{}/shop/app\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/www\"\n",
        server.host()
    );
    let image = pack.ok(&["build", &project(&app, &text), "--push"]).trim().to_owned();
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let (file, kind) = (format!("{number}.json"), format!("application/vnd.example.n{number}+json"));
            std::fs::write(home.join(&file), format!("{{\"writer\":{number}}}")).expect("can be written");
            // Each is a machine of its own, which remembers nothing of the others.
            let mut command = pack.command(&["attach", &image, &file, "--type", &kind]);
            command.env("PACK_CACHE_DIR", directory.join(format!("cache-{number}")));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            (kind, command.spawn().expect("pack starts"))
        })
        .collect();
    let mut kinds = Vec::new();
    for (kind, writer) in writers {
        let said = writer.wait_with_output().expect("it ends");
        assert!(said.status.success(), "{kind}: {}", String::from_utf8_lossy(&said.stderr));
        kinds.push(kind);
    }
    let listed = pack.json(&["referrers", &image]);
    let listed = listed["referrers"].as_array().expect("a list");
    let mut found: Vec<&str> = listed.iter().filter_map(|entry| entry["artifactType"].as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, kinds, "{listed:#?}");
    pack.ok(&["verify", &image]);
    say("docker-registry: eight writers at once, and all documents are listed");
}

/// An index with statements in it, as other programs see it: one image for each platform, and BuildKit's marks.
#[test]
fn crane_and_cosign_read_an_index_with_statements() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let (Some(crane), Some(cosign)) = (peer("crane/crane"), peer("cosign/cosign")) else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let home = directory.join("home");
    let pack = Pack::new(&home);
    let app = directory.join("app");
    std::fs::create_dir_all(app.join("files")).expect("can be made");
    std::fs::write(app.join("files/page.html"), "one").expect("can be written");
    let text = format!(
        "[image]\nname = \"{}/shop/app\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/www\"\n",
        server.host()
    );
    let path = project(&app, &text);
    let documents = ["--sbom=spdx", "--provenance"];
    let plain = pack.ok(&[&["build", &path, "--push"][..], &documents].concat());
    let plain = plain.trim().rsplit('@').next().expect("a digest").to_owned();
    let listed =
        pack.ok(&[&["build", &path, "--push", "--tag", "2", "--attest=index"][..], &documents].concat());
    let image = listed.trim();
    let crane = |arguments: &[&str]| run(Command::new(&crane).args(arguments).arg("--insecure"));
    // The image of the platform is the one without statements.
    assert_eq!(crane(&["digest", "--platform", "linux/amd64", image]).trim(), plain);
    let index: serde_json::Value = serde_json::from_str(&crane(&["manifest", image])).expect("JSON");
    let statements = index["manifests"][1]["digest"].as_str().expect("a digest");
    assert_eq!(index["manifests"][1]["annotations"]["vnd.docker.reference.digest"], plain.as_str());
    let name = image.split('@').next().expect("a name");
    let manifest = crane(&["manifest", &format!("{name}@{statements}")]);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    // Its configuration is one of an image, with as many layers.
    let config = crane(&["config", &format!("{name}@{statements}")]);
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let count = |value: &serde_json::Value| value.as_array().map(Vec::len);
    assert_eq!(count(&config["rootfs"]["diff_ids"]), count(&manifest["layers"]));
    for layer in manifest["layers"].as_array().expect("layers") {
        let digest = layer["digest"].as_str().expect("a digest");
        let statement = crane(&["blob", &format!("{name}@{digest}")]);
        let statement: serde_json::Value = serde_json::from_str(&statement).expect("JSON");
        assert_eq!(statement["predicateType"], layer["annotations"]["in-toto.io/predicate-type"]);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], plain["sha256:".len()..]);
    }
    crane(&["validate", "--remote", &format!("{name}@{plain}")]);
    let copied = format!("{}/mirror/app:2", server.host());
    crane(&["copy", image, &copied]);
    pack.ok(&["verify", &copied, "--provenance"]);
    // Signed as ever.
    let key = |arguments: &[&str]| {
        let said = pack.command(arguments).env("COSIGN_PASSWORD", PASSWORD).output().expect("pack starts");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    };
    key(&["key", "generate", "--output", "ours"]);
    key(&["sign", &copied, "--key", "ours.key", "--recursive"]);
    let mut verify = Command::new(&cosign);
    verify.args(["verify", "--key", "ours.pub", "--insecure-ignore-tlog=true", "--new-bundle-format=true"]);
    run(verify.arg(&copied).env("HOME", &home).current_dir(&home));
    say("crane and cosign read an index with statements");
}
