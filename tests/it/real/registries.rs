//! The same walk against registries of other makers, each with its own ways; with crane as judge.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::peers::peer;
use super::server::{Request, Server, mounted, uploaded};
use super::tools::{Pack, run};
use super::{http, inputs, project, say, scratch};
use crate::support::{noise, settle};

/// Differences between registries, seen from a client.
struct Ways {
    /// Its program in the prepared inputs.
    program: &'static str,
    /// Whether it lists what refers to a manifest.
    lists_referrers: bool,
    /// Whether it mounts a blob of another repository.
    mounts: bool,
}

const DISTRIBUTION: Ways = Ways { program: "distribution/registry", lists_referrers: false, mounts: true };
const IN_MEMORY: Ways = Ways { program: "referrers/registry", lists_referrers: true, mounts: false };

#[test]
fn distribution_3_takes_what_we_push() {
    walk(&DISTRIBUTION);
}

#[test]
fn a_registry_with_the_referrers_api_takes_what_we_push() {
    walk(&IN_MEMORY);
}

fn walk(ways: &Ways) {
    if inputs(&[]).is_none() {
        return;
    }
    let (Some(program), Some(crane)) = (peer(ways.program), peer("crane/crane")) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&program, &directory.join("registry"), false);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let name = format!("{host}/shop/app");
    let crane = |arguments: &[&str]| run(Command::new(&crane).args(arguments).arg("--insecure"));

    // A small layer and one that is sent while it is made.
    let app = directory.join("app");
    let text = format!(
        "[image]\nname = \"{name}\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/www\"\n\n\
         [[layer]]\nname = \"data\"\nfiles = [{{ from = \"data\", to = \"/srv/data\" }}]\n"
    );
    for part in ["files", "data"] {
        std::fs::create_dir_all(app.join(part)).expect("can be made");
    }
    std::fs::write(app.join("files/page.html"), "one").expect("can be written");
    std::fs::write(app.join("data/noise"), noise(7, 3 << 20)).expect("can be written");
    let app_directory = project(&app, &text);
    settle(&app.join("build.toml"));
    let build = |tag: &str| pack.ok(&["build", &app_directory, "--push", "--tag", tag]);
    let first = build("1");
    let log = server.requests();
    assert_eq!(uploaded(&log).len(), 2 + 1, "two layers and a configuration: {log:#?}");
    let streamed = sessions(&log);
    assert_eq!(streamed, 1, "one layer is above 1 MiB: {log:#?}");
    assert!(failed(&log).is_empty(), "{log:#?}");
    let image = format!("{name}:1");
    check(&pack, &crane, &image, &first);

    // Nothing new is one question.
    server.requests();
    assert_eq!(build("1"), first);
    let log = server.requests();
    assert!(log.len() == 1 && log[0].method == "HEAD", "{log:#?}");

    // One changed file is one layer and a configuration.
    std::fs::write(app.join("files/page.html"), "two").expect("can be written");
    let second = build("2");
    let log = server.requests();
    assert_eq!(uploaded(&log).len(), 1 + 1, "{log:#?}");
    check(&pack, &crane, &format!("{name}:2"), &second);
    let said = pack.run(&["diff", &image, &format!("{name}:2")]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("srv/www/page.html"), "{said:?}");

    // More names.
    pack.ok(&["tag", &image, "stable"]);
    assert_eq!(crane(&["digest", &format!("{name}:stable")]).trim(), digest_of(&first));
    pack.ok(&["diff", &image, &format!("{name}:stable")]);

    // A signature comes along.
    let signature = sign(directory, &crane, &name, &first);
    let port = server.port();
    let listed = |repository: &str| referrers(port, ways, repository, digest_of(&first));
    server.requests();
    assert_eq!(listed("shop/app"), std::slice::from_ref(&signature), "crane lists it");
    let mirror = format!("{host}/mirror/app");
    let json = pack.json(&["copy", "--referrers", &image, &format!("{mirror}:1")]);
    assert_eq!(json["referrers"].as_array().map(Vec::len), Some(1), "{json:#}");
    assert_eq!(listed("mirror/app"), std::slice::from_ref(&signature));
    let log = server.requests();
    assert_eq!(!mounted(&log).is_empty(), ways.mounts, "{log:#?}");
    let copy = format!("{mirror}:1");
    check(&pack, &crane, &copy, &first);
    crane(&["manifest", &format!("{mirror}@{signature}")]);

    // Again, there is nothing to do.
    pack.ok(&["copy", "--referrers", &image, &copy]);
    let log = server.requests();
    assert!(log.iter().all(|request| ["GET", "HEAD"].contains(&request.method.as_str())), "{log:#?}");
    say(&format!("{}: pushed, changed, tagged, compared, signed and copied", ways.program));
}

/// The registry has the image that `build` printed, by our own judgement and crane's.
fn check(pack: &Pack, crane: &dyn Fn(&[&str]) -> String, image: &str, built: &str) {
    assert_eq!(crane(&["digest", image]).trim(), digest_of(built));
    crane(&["validate", "--remote", image]);
    let ok = pack.ok(&["verify", image]);
    assert!(ok.contains(": ok, "), "{ok}");
}

fn digest_of(built: &str) -> &str {
    built.trim().rsplit('@').next().expect("ends with a digest")
}

/// Upload sessions that went POST, PATCH, PUT, each answered as the specification says.
fn sessions(log: &[Request]) -> usize {
    let patches = log.iter().filter(|request| request.method == "PATCH");
    patches
        .filter(|patch| {
            let session = patch.path.split('?').next().expect("has a path");
            let put = |request: &Request| {
                request.method == "PUT" && request.path.starts_with(session) && request.status == 201
            };
            patch.status == 202 && log.iter().any(put)
        })
        .count()
}

/// Requests that a registry refused; that something is not there is an answer.
fn failed(log: &[Request]) -> Vec<&Request> {
    log.iter().filter(|request| request.status >= 400 && request.status != 404).collect()
}

/// Pushes a manifest that refers to `image`, as signing tools make it; its digest.
fn sign(directory: &Path, crane: &dyn Fn(&[&str]) -> String, name: &str, image: &str) -> String {
    let layout = directory.join("signature");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("can be made");
    let put = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = sha256(bytes);
        std::fs::write(blobs.join(&digest), bytes).expect("can be written");
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    };
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let subject = crane(&["manifest", &format!("{name}@{}", digest_of(image))]);
    let subject = json!({ "mediaType": manifest, "digest": digest_of(image), "size": subject.len() });
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": manifest,
        "artifactType": "application/vnd.example.signature",
        "config": put("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [put("application/vnd.example.signature", b"as good as signed")],
        "subject": subject,
    });
    let entry = put(manifest, signature.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    std::fs::write(layout.join("index.json"), index.to_string()).expect("can be written");
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("can be written");
    crane(&["push", layout.to_str().expect("is text"), &format!("{name}:signature")]);
    entry["digest"].as_str().expect("has a digest").to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The list of referrers of a manifest, from the registry or from the tag that stands in for its API.
fn referrers(port: u16, ways: &Ways, repository: &str, digest: &str) -> Vec<String> {
    let api = format!("/v2/{repository}/referrers/{digest}");
    let tag = format!("/v2/{repository}/manifests/{}", digest.replace(':', "-"));
    let (status, body) = http::get(port, &api).expect("answers");
    assert_eq!(status == 200, ways.lists_referrers, "{body}");
    let (status, body) =
        if ways.lists_referrers { (status, body) } else { http::get(port, &tag).expect("answers") };
    assert_eq!(status, 200, "{body}");
    let index: Value = serde_json::from_str(&body).expect("is JSON");
    let listed = index["manifests"].as_array().expect("is a list").iter();
    listed.filter_map(|entry| entry["digest"].as_str()).map(str::to_owned).collect()
}
