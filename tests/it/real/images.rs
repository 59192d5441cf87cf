//! `copy`, `tag`, `diff` and `rebase` against a real registry, with skopeo as judge.

use std::path::Path;

use super::server::{Server, fetched, mounted, uploaded};
use super::tools::{Pack, line, run};
use super::{inputs, project, scratch};

/// Builds and pushes a tree with this content on `base`, whatever its tag was before.
fn push(pack: &Pack, directory: &Path, name: &str, base: &str, content: &str) {
    let (_, last) = name.rsplit_once('/').expect("a path");
    let directory = directory.join(format!("{last}-{content}"));
    std::fs::create_dir_all(directory.join("files")).expect("can be made");
    std::fs::write(directory.join(format!("files/{last}")), content).expect("can be written");
    let platforms = if base == "scratch" { "platforms = [\"linux/amd64\", \"linux/arm64\"]" } else { "" };
    let text = format!(
        "[image]\nname = \"{name}\"\nbase = \"{base}\"\ntags = [\"{content}\"]\n{platforms}\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
    );
    pack.ok(&["build", &project(&directory, &text), "--push", "--allow-retag"]);
}

/// The bytes that skopeo reads for a name.
fn raw(image: &str) -> String {
    run(&mut line(&format!("skopeo inspect --raw --tls-verify=false docker://{image}")))
}

#[test]
fn images_are_copied_tagged_compared_and_rebased() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    for content in ["1", "2"] {
        push(&pack, directory, &format!("{host}/base"), "scratch", content);
    }
    let (base, app) = (format!("{host}/base:1"), format!("{host}/app"));
    push(&pack, directory, &app, &base, "1.0");
    server.requests();

    // An index with its images, mounted.
    let (image, copy) = (format!("{app}:1.0"), format!("{host}/mirror/app"));
    let said = pack.run(&["copy", "--referrers", &image, &copy]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("neither the referrers API nor the tag"), "{said:?}");
    let log = server.requests();
    assert_eq!((uploaded(&log), mounted(&log).len()), (Vec::new(), 4), "{log:?}");
    assert_eq!(raw(&format!("{copy}:1.0")), raw(&image));
    server.requests();
    pack.ok(&["copy", &image, &copy]);
    let log = server.requests();
    let of_target = log.iter().filter(|request| request.path.contains("/mirror/")).count();
    assert_eq!((of_target, log.len()), (1, 2), "{log:?}");

    // Docker's formats, as skopeo writes them, through a layout and back.
    let docker = format!("{host}/docker:1.0");
    run(&mut line(&format!(
        "skopeo copy -q --format v2s2 --override-arch amd64 --src-tls-verify=false --dest-tls-verify=false \
         docker://{image} docker://{docker}"
    )));
    assert!(raw(&docker).contains("vnd.docker.distribution.manifest.v2+json"));
    pack.ok(&["copy", &docker, "oci:docker:1.0"]);
    let back = format!("{host}/back:1.0");
    pack.ok(&["copy", "oci:docker:1.0", &back]);
    assert_eq!(raw(&back), raw(&docker));
    pack.ok(&["verify", &back]);

    // More names; what differs.
    pack.ok(&["tag", &image, "stable", "1"]);
    assert_eq!(raw(&format!("{app}:stable")), raw(&image));
    assert_eq!(raw(&format!("{app}:1")), raw(&image));
    push(&pack, directory, &app, &base, "1.1");
    server.requests();
    let said = pack.run(&["diff", "--json", &image, &format!("{app}:1.1")]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("is JSON");
    assert!(
        json["first"].as_str().is_some_and(|first| first.contains("layer 2: srv/app: content")),
        "{json:#}"
    );
    let own = fetched(&server.requests());
    // The configurations of two platforms, and of each side the one layer that is not shared, once for both.
    assert_eq!(own.len(), 2 * 2 + 2, "{own:?}");

    // Another base, without a layer on its way.
    let said = pack.run(&["rebase", &image, "--base", &format!("{host}/base:2"), "-t", "1.0-2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let log = server.requests();
    assert_eq!((uploaded(&log).len(), mounted(&log).len()), (2, 1), "two configurations: {log:?}");
    let rebased = raw(&format!("{app}:1.0-2"));
    push(&pack, &directory.join("again"), &app, &format!("{host}/base:2"), "1.0");
    assert_eq!(rebased, raw(&image), "as a build on the new base");
}
