//! Where an image is: one grammar, which place is meant, and whose word counts about how it is reached.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::real::inputs;
use crate::real::machines::Authority;
use crate::real::server::Server;
use crate::support::{Outcome, Project, text, tree_on};

/// A server that has nothing, and remembers what it was asked: a line for each request, and its `Authorization`.
struct Listener {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    head.push(std::mem::take(&mut line).trim_end().to_owned());
                }
                let is_told = |line: &String| line.to_ascii_lowercase().starts_with("authorization:");
                let first = head.first().cloned().unwrap_or_default();
                let login = head.iter().find(|line| is_told(line)).cloned().unwrap_or_default();
                log.lock().unwrap().push(format!("{first} {login}"));
                let answer = match first.contains(" /v2/ ") || first.ends_with("/v2/ HTTP/1.1") {
                    true if login.is_empty() => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"",
                    true => "200 OK",
                    false => "404 Not Found",
                };
                let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, asked }
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Writes the user's own configuration.
fn configure(project: &Project, text: &str) {
    let directory = project.beside("home/.config/pack");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("config.toml"), text).unwrap();
}

#[test]
fn a_build_file_that_lies_about_has_no_say_in_commands_without_a_project() {
    let project = Project::small();
    project.build("-o oci:here:1");
    let hostile = Listener::start();
    // Port 9 is `discard`: no server listens there.
    let (registry, mirror) = ("127.0.0.1:9", &hostile.address);
    let text = format!("[registry.\"{registry}\"]\nmirrors = [\"http://{mirror}/x\"]\n");
    fs::create_dir_all(project.path("hostile")).unwrap();
    project.write("hostile/build.toml", &text);
    let image = format!("{registry}/a/b:1");
    let local = format!("oci:{}", project.path("here").display());
    let lines = [
        format!("inspect {image}"),
        format!("history {image}"),
        format!("verify {image}"),
        format!("diff {image} {local}"),
        format!("copy {image} oci:out"),
        format!("tag {image} 2"),
        format!("rebase {image} --base {image} -t 2"),
        format!("doctor {registry}"),
    ];
    let hostile_directory = project.path("hostile");
    for line in &lines {
        project.pack(line).cwd(&hostile_directory).run().has_code(3);
        assert_eq!(hostile.asked(), Vec::<String>::new(), "pack {line}");
    }
    // The same from the user's own configuration counts.
    configure(&project, &text);
    for line in &lines[..6] {
        project.pack(line).cwd(&hostile_directory).run().has_code(3);
        assert!(!hostile.asked().is_empty(), "pack {line}");
    }
}

#[test]
fn no_login_goes_in_the_clear_because_of_a_file_that_lies_about() {
    let project = Project::new();
    let proxy = Listener::start();
    project.write("build.toml", "[registry.\"registry.test\"]\nplain-http = true\n");
    let login = |line: &str| {
        let line = format!("login registry.test -u a -p secret {line}");
        project.pack(&line).env("HTTP_PROXY", &format!("http://{}", proxy.address)).run()
    };
    login("").has_code(3);
    assert_eq!(proxy.asked(), Vec::<String>::new());
    // A flag is the user's word, and so is the user's own configuration.
    login("-f build.toml").has_code(0);
    let basic = "Basic YTpzZWNyZXQ=";
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    login("--plain-http registry.test").has_code(0);
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    configure(&project, "[registry.\"registry.test\"]\nplain-http = true\n");
    login("").has_code(0);
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    login("--plain-http registry.test --skip-tls-verify registry.test").has_code(2).hints();
    configure(&project, "[registry.\"registry.test\"]\nplain-htp = true\n");
    login("").has_code(1).says(&["config.toml", "plain-http"]);
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

/// That each of `texts` is in a warning.
#[track_caller]
fn warns(outcome: Outcome, texts: &[&str]) -> Outcome {
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    for text in texts {
        assert!(lines.iter().any(|line| line.contains(text)), "no warning says {text:?}: {outcome:?}");
    }
    outcome
}

#[test]
fn what_a_project_adds_to_how_registries_are_reached_is_said() {
    let project = Project::small();
    project.append(
        "build.toml",
        "\n[registry.\"r.example\"]\nplain-http = true\nmirrors = [\"https://m.example/hub\"]\n\
         [registry.\"s.example\"]\nskip-tls-verify = true\nca-file = \"ca.pem\"\n\
         [registry.\"localhost:5000\"]\nplain-http = true\n",
    );
    for command in ["build", "plan", "update"] {
        let said = warns(
            project.pack(command).ok(),
            &[
                "build.toml:12:14: `plain-http` for `r.example`",
                "`mirrors` for `r.example`: this project has pulls ask `https://m.example/hub` first",
                "`skip-tls-verify` for `s.example`",
                "`ca-file` for `s.example`: this project trusts the authorities in `ca.pem`",
            ],
        );
        assert!(!said.stderr.contains("localhost:5000"), "{said:?}");
    }
    // The project cannot add to a decision of the user.
    configure(
        &project,
        "[registry.\"r.example\"]\nplain-http = false\n[registry.\"s.example\"]\nplain-http = false\n",
    );
    let said = warns(project.pack("build").ok(), &["`ca-file` for `s.example`"]);
    assert!(!said.stderr.contains("`plain-http`") && !said.stderr.contains("`skip-tls-verify`"), "{said:?}");
    // And what is typed is the user's word.
    let plain = Project::small();
    let said = plain.pack("build --set").arg("registry.\"r.example\".plain-http=true").ok();
    assert!(said.warnings().is_empty(), "{said:?}");
}

#[test]
fn a_users_configuration_that_cannot_be_read_is_an_error() {
    let project = Project::small();
    project.build("-o oci:here:1");
    configure(&project, "");
    let file = project.beside("home/.config/pack/config.toml");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    project.pack("copy oci:here:1 127.0.0.1:9/a:1").fails(1).says(&["config.toml", "not a regular file"]);
    assert!(Path::new("/dev/zero").exists());
}

/// A real registry with `shop/app:1.0`, and the local store with another image under that very name. The project, the
/// registry, the digest in it and the digest in the store.
fn two_places() -> Option<(Project, Server, String, String)> {
    const REGISTRY: &str = "tools/docker-registry";
    let program = inputs(&[REGISTRY])?.join(REGISTRY);
    let project = Project::small();
    let server = Server::start(&program, &project.beside("registry"), false);
    let name = format!("{}/shop/app", server.host());
    let released = project.pack(&format!("build --name {name} -t 1.0 --push -q")).ok();
    project.write("files/a.txt", "never pushed\n");
    let local = project.pack(&format!("build --name {name} -t 1.0 -q")).ok();
    let digest = |said: &Outcome| said.stdout.trim_end().rsplit('@').next().unwrap().to_owned();
    let (released, local) = (digest(&released), digest(&local));
    assert_ne!(released, local);
    Some((project, server, released, local))
}

/// The digest that a name has in the registry.
fn in_registry(project: &Project, name: &str) -> String {
    text(&project.pack(&format!("inspect --json docker://{name}")).ok().json()["digest"])
}

#[test]
fn what_publishes_reads_the_registry_unless_the_store_is_named() {
    let Some((project, server, released, local)) = two_places() else { return };
    let host = server.host();
    let app = format!("{host}/shop/app:1.0");
    for (source, digest) in
        [(app.clone(), &released), (format!("docker://{app}"), &released), (format!("store:{app}"), &local)]
    {
        let copied = project.pack(&format!("copy {source} {host}/shop/prod:1.0 --allow-retag")).ok();
        assert_eq!(copied.stdout.trim_end(), format!("{host}/shop/prod@{digest}"));
        assert_eq!(&in_registry(&project, &format!("{host}/shop/prod:1.0")), digest, "{source}");
    }
    project.pack(&format!("copy {app} docker://{host}/shop/other:2")).ok();
    assert_eq!(in_registry(&project, &format!("{host}/shop/other:2")), released);

    let tagged = project.pack(&format!("tag {app} stable")).ok();
    assert_eq!(tagged.stdout.trim_end(), format!("{host}/shop/app@{released}"));
    assert_eq!(in_registry(&project, &format!("{host}/shop/app:stable")), released);
    let tagged = project.pack(&format!("tag store:{app} mine")).ok();
    assert_eq!(tagged.stdout.trim_end(), format!("store:{host}/shop/app@{local}"));
    assert!(project.pack(&format!("verify store:{host}/shop/app:mine")).ok().stdout.starts_with(&local));
    project.pack(&format!("inspect docker://{host}/shop/app:mine")).fails(3);

    // A rebase: the image, its old base and its new one, each from the place that is named.
    project.write("base/build.toml", tree_on("scratch").replace("files", "etc").replace("/srv", "/etc"));
    project.write("base/etc/os", "one\n");
    let base = format!("{host}/base/os");
    let build_base = |tag: &str, more: &str| {
        project.pack(&format!("build base --name {base} -t {tag} {more}")).ok();
    };
    build_base("1", "--push");
    project.write("base/etc/os", "two\n");
    build_base("2", "--push");
    project.write("base/etc/os", "of the store\n");
    build_base("2", "");
    project.pack(&format!("build --name {host}/shop/on -t 1 --base {base}:1 --push")).ok();
    let on = |name: &str| {
        text(&project.pack(&format!("inspect --json {name}")).ok().json()["layers"][0]["digest"])
    };
    for new in [format!("{base}:2"), format!("docker://{base}:2"), format!("store:{base}:2")] {
        let line =
            format!("rebase {host}/shop/on:1 --base {new} --old-base docker://{base}:1 -t 2 --allow-retag");
        project.pack(&line).ok();
        let expected = if new.starts_with("store:") { new.clone() } else { format!("docker://{base}:2") };
        assert_eq!(on(&format!("docker://{host}/shop/on:2")), on(&expected), "{new}");
    }
    assert_ne!(on(&format!("store:{base}:2")), on(&format!("docker://{base}:2")));
}

#[test]
fn what_looks_says_where_it_found_the_image() {
    let Some((project, server, released, local)) = two_places() else { return };
    let app = format!("{}/shop/app:1.0", server.host());
    for (name, place, digest) in [
        (app.clone(), format!("store:{app}"), &local),
        (format!("store:{app}"), format!("store:{app}"), &local),
        (format!("docker://{app}"), format!("docker://{app}"), &released),
    ] {
        for command in ["inspect", "history"] {
            let said = project.pack(&format!("{command} {name}")).ok().stdout;
            assert_eq!(said.lines().next(), Some(place.as_str()), "{command} {name}");
            let json = project.pack(&format!("{command} --json {name}")).ok().json();
            assert_eq!((&json["place"], &json["digest"]), (&place.clone().into(), &digest.clone().into()));
        }
        let said = project.pack(&format!("verify {name}")).ok().stdout;
        assert!(
            said.starts_with(digest.as_str()) && said.trim_end().ends_with(&format!(", {place}")),
            "{said}"
        );
        assert_eq!(project.pack(&format!("verify --json {name}")).ok().json()["place"], place);
    }
    let said = project.pack(&format!("diff {app} docker://{app}")).run().has_code(1).stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("A  {local}  store:{app}"));
    assert_eq!(lines[1], format!("B  {released}  docker://{app}"));
    let json = project.pack(&format!("diff --json {app} docker://{app}")).run().has_code(1).json();
    assert_eq!(text(&json["a"]["name"]), format!("store:{app}"));
}

#[test]
fn hints_lead_from_one_place_to_the_other() {
    let project = Project::small();
    project.build("--name 127.0.0.1:9/shop/app -t 1.0");
    let app = "127.0.0.1:9/shop/app:1.0";
    for line in [
        format!("copy {app} oci:out"),
        format!("tag {app} 2"),
        format!("rebase {app} --base scratch -t 2"),
        format!("rebase {app} --base {app} --old-base {app} -t 2"),
    ] {
        let expected = if line.contains("--base scratch") { 2 } else { 3 };
        let said = project.pack(&line).fails(expected);
        if expected == 3 {
            said.says(&[&format!("hint: the local store has it: write `store:{app}` for that image")]);
        }
    }
    for command in ["build", "plan", "update"] {
        let other = Project::with(&tree_on(app));
        other.write("files/a.txt", "a\n");
        let said = other.pack(command).cache(&project.cache()).fails(3);
        said.says(&["hint: ", &format!("the local store has it: write `store:{app}` for that image\n")]);
        let followed = Project::with(&tree_on(&format!("store:{app}")));
        followed.write("files/a.txt", "a\n");
        followed.pack(command).cache(&project.cache()).ok();
    }
    project.pack(&format!("copy store:{app} oci:out")).ok();
    project.pack(&format!("tag store:{app} 2")).ok();
    // A build without a registry in its name, by the name that it says.
    project.build("--name localhost/tree -t 1");
    project.pack("copy localhost/tree:1 oci:second").fails(3).says(&["write `store:localhost/tree:1`"]);
    project.pack("copy store:tree:1 oci:second").ok();
    // And from the store to what is not there.
    let said = project.pack("copy store:localhost/tree:3 oci:third").fails(1);
    said.says(&["the local store: there is no image `localhost/tree:3`", "did you mean `localhost/tree:1`?"]);
    let said = project.pack("copy store:registry.example.com/some/thing/else:9 oci:third").fails(1);
    said.says(&["hint: `pack images` lists the names in the local store; `docker://registry.example.com/some/thing/else:9` asks"]);
}

#[test]
fn a_repository_is_inspected_by_its_tags() {
    let Some((project, server, _, _)) = two_places() else { return };
    let app = format!("{}/shop/app", server.host());
    project.pack(&format!("tag {app}:1.0 1.1 stable")).ok();
    project.pack(&format!("tag store:{app}:1.0 local")).ok();
    for name in [app.clone(), format!("docker://{app}")] {
        let said = project.pack(&format!("inspect {name}")).ok();
        assert_eq!(said.stdout, format!("docker://{app}\n1.0\n1.1\nstable\n"));
    }
    // The note's advice is followed.
    project.pack(&format!("inspect {app}")).ok().says(&[&format!("`pack inspect store:{app}`")]);
    let said = project.pack(&format!("inspect store:{app}")).ok();
    assert_eq!(said.stdout, format!("store:{app}\n1.0\nlocal\n"));
    let json = project.pack(&format!("inspect --json {app}")).ok().json();
    assert_eq!(
        json,
        serde_json::json!({ "place": format!("docker://{app}"), "tags": ["1.0", "1.1", "stable"] })
    );
    project.pack(&format!("inspect {app} --platform linux/amd64")).fails(2).says(&[&format!("`{app}:1.0`")]);
    project
        .pack(&format!("inspect {}/no/body", server.host()))
        .fails(3)
        .says(&["listing the tags of no/body"]);
    let unreachable = Project::small();
    unreachable.build("--name 127.0.0.1:9/a/b -t 1");
    unreachable.pack("inspect 127.0.0.1:9/a/b").fails(3).says(&["`pack inspect store:127.0.0.1:9/a/b`"]);
    unreachable.pack("inspect store:127.0.0.1:9/a/b").ok();
    unreachable.pack("inspect store:127.0.0.1:9/a/c").fails(1);
    // A layout of several images, and of one.
    project.pack(&format!("copy {app}:1.0 oci:some:1")).ok();
    assert!(project.pack("inspect oci:some").ok().stdout.contains("Digest"));
    project.pack(&format!("copy store:{app}:1.0 oci:some:2")).ok();
    assert_eq!(project.pack("inspect oci:some").ok().stdout, "oci:some\n1\n2\n");
    assert!(project.pack("inspect oci:some:2").ok().stdout.starts_with("oci:some:2\n"));
}

#[test]
fn names_in_the_store_are_listed_and_removed_all_or_none() {
    let project = Project::small();
    assert_eq!(project.pack("images").ok().says(&["has no images"]).stdout, "");
    let digest = project.build("-t 1 -t 2").digest();
    project.pack("build --platform linux/amd64,linux/arm64 --name shop/two -t 1").ok();
    let said = project.pack("images").ok().stdout;
    let names: Vec<&str> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["NAME", "docker.io/shop/two:1", "localhost/tree:1", "localhost/tree:2"]);
    let two = said.lines().nth(1).unwrap();
    assert!(two.ends_with("linux/amd64, linux/arm64"), "{two}");
    assert!(said.lines().nth(2).unwrap().contains(&digest[7..19]), "{said}");
    let images = project.pack("images --json").ok().json();
    assert_eq!(
        (&images[1]["name"], &images[1]["digest"]),
        (&"localhost/tree:1".into(), &digest.clone().into())
    );
    // The size is that of all blobs of the image, as a layout of it alone has them.
    project.pack("copy store:tree:1 oci:alone:1").ok();
    let blobs = crate::support::files_below(&project.path("alone/blobs"));
    let size: u64 = blobs.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(images[1]["size"], size);

    project.pack("rm tree:1 tree:3").fails(1).says(&[
        "`tree:3`",
        "nothing was removed",
        "did you mean `tree:",
    ]);
    assert_eq!(project.pack("images --json").ok().json().as_array().unwrap().len(), 3);
    project.pack("rm oci:alone:1").fails(2);
    project.pack("rm UPPER").fails(2);
    let said = project.pack("rm tree:1 store:shop/two:1 tree:1").ok().says(&["`pack cache prune`"]);
    assert_eq!(said.stdout, "localhost/tree:1\ndocker.io/shop/two:1\n");
    let left = project.pack("images --json").ok().json();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["name"]), (1, &"localhost/tree:2".into()));
    // The blobs of what is left are all there.
    project.pack("cache prune").ok();
    project.pack("verify store:tree:2").ok();
    assert_eq!(project.pack("rm --json tree:2").ok().json()["removed"][0], "localhost/tree:2");
    project.check_store();
}

#[test]
fn a_base_may_be_in_every_kind_of_place() {
    let project = Project::small();
    project.write("base/build.toml", tree_on("scratch").replace("files", "etc").replace("/srv", "/etc"));
    project.write("base/etc/os", "base\n");
    let base = project.pack("build base --name localhost/base -t 1").built("");
    let layer = base.layers()[0].blob.clone();
    project.pack("copy store:localhost/base:1 oci:layout:localhost:5000/os:1").ok();
    project.pack("build -o oci:layout:other").ok();
    project.pack("copy store:localhost/base:1 oci-archive:a.tar:localhost:5000/os:1").ok();
    for place in [
        "store:localhost/base:1",
        "store:base:1",
        "oci:layout:localhost:5000/os:1",
        "oci-archive:a.tar:localhost:5000/os:1",
        "docker-archive:a.tar:localhost:5000/os:1",
        "oci-archive:a.tar",
    ] {
        let file = format!(
            "[image]\nname = \"localhost/on\"\nbase = \"{place}\"\ntags = [\"1\"]\n\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
        );
        project.write("build.toml", &file);
        let _ = fs::remove_file(project.path("build.lock"));
        project.build("");
        let inspected = project.pack("inspect --json store:on:1").ok().json();
        assert_eq!(text(&inspected["layers"][0]["digest"]), layer, "{place}");
        project.pack("build --locked").ok();
    }
    project.write("build.toml", tree_on("store:localhost/none:1"));
    project.pack("build").fails(1).says(&["the local store: there is no image `localhost/none:1`"]);
    // Without a scheme a base is the registry's, whatever the store has.
    project.write("build.toml", tree_on("127.0.0.1:9/base:1"));
    project.pack("build base --name 127.0.0.1:9/base -t 1").ok();
    project.pack("build").fails(3);
    project.write("build.toml", tree_on("store:127.0.0.1:9/base:1"));
    project.pack("build").ok();
}

/// A path alone is no name; a directory and a file have a word each.
#[test]
fn the_hint_about_a_path_that_is_no_name_is_followed() {
    let project = Project::small();
    project.build("-o oci:base -o oci-archive:base.tar");
    project.pack("build -o docker-archive:saved.tar").ok();
    let (directory, file) = (project.path("base"), project.path("base.tar"));
    for path in [directory.display().to_string(), "./base".to_owned(), "../project/base".to_owned()] {
        for command in
            [format!("build --base {path}"), format!("inspect {path}"), format!("copy {path} oci:out")]
        {
            let said = project.pack(&command).run();
            assert_eq!(said.code, Some(2), "{command}: {said:?}");
            said.says(&[
                "is a path",
                &format!("hint: write `oci:{path}` for the directory of an image layout"),
            ]);
        }
        project.pack(&format!("build --base oci:{path}")).ok();
        project.pack(&format!("inspect oci:{path}")).ok();
    }
    let said = project.pack(&format!("build --base {}", file.display())).run().has_code(2);
    said.says(&[&format!("`oci-archive:{}` for a file", file.display())]);
    project.pack(&format!("build --base oci-archive:{}", file.display())).ok();
    // Each word with what the other one is for.
    for command in ["build --base", "inspect"] {
        for word in ["oci-archive", "docker-archive"] {
            let said = project.pack(&format!("{command} {word}:base")).fails(1);
            said.says(&["hint: an image layout in a directory is written `oci:", "base`"]);
        }
        let said = project.pack(&format!("{command} oci:base.tar")).fails(1);
        said.says(&["base.tar` is a file", "hint: write `oci-archive:", "base.tar`"]);
        project.pack(&format!("{command} oci:base")).ok();
        project.pack(&format!("{command} oci-archive:base.tar")).ok();
        project.pack(&format!("{command} docker-archive:saved.tar")).ok();
    }
}

#[test]
fn a_hint_about_several_images_is_followed() {
    let project = Project::small();
    project.build("-o oci:some:1");
    project.write("files/a.txt", "other\n");
    project.build("-t 2 -o oci:some:2");
    let several =
        project.pack("copy oci:some oci-archive:none.tar").fails(1).says(&["append the name, such as `:1`"]);
    drop(several);
    project.pack("copy oci:some:1 oci-archive:one.tar").ok();
    // An archive of several images, as skopeo and podman write them: two layouts' entries in one tar.
    let tar = std::process::Command::new("tar")
        .args(["-C", "some", "-cf", "several.tar", "oci-layout", "index.json", "blobs"])
        .current_dir(project.root())
        .status()
        .unwrap();
    assert!(tar.success());
    for command in ["inspect oci-archive:several.tar", "copy oci-archive:several.tar oci:none"] {
        project.pack(command).fails(1).says(&["append the name, such as `:1`"]);
    }
    project.write("build.toml", tree_on("oci-archive:several.tar"));
    project.pack("build").fails(1).says(&["append the name, such as `:1`"]);
    project.pack("inspect oci-archive:several.tar:1").ok();
    project.write("build.toml", tree_on("oci-archive:several.tar:1"));
    project.build("");
}

#[test]
fn what_is_wrong_in_the_words_of_the_command_line_is_exit_code_2_and_in_a_file_1() {
    let project = Project::small();
    project.build("-o oci:here:1");
    for flags in [
        "-o oci",
        "-o oci:",
        "-o oci-archive:-",
        "-o localhost:5000/a:1",
        "-o scratch",
        "-t a:b",
        "-t {nothing}",
        "--base UPPER",
        "--base https://ghcr.io/x",
        "--base dir:x",
        "--name UPPER",
        "--name a:1",
        "--platform linux",
        "--compression bzip2",
        "--root srv",
        "--layout folded",
        "--set nothing",
        "--set image.nothing=1",
        "--set config.ports=['x']",
        "--cache-repo UPPER",
        "--cache-verify 101",
        "--jobs 0",
        "--plain-http https://r.example",
        "--skip-tls-verify a_b-",
    ] {
        for command in ["build", "plan"] {
            project
                .pack(command)
                .arg(flags.split(' ').next().unwrap())
                .arg(flags.split(' ').nth(1).unwrap())
                .fails(2);
        }
    }
    for (variable, value) in [
        ("PACK_NAME", "UPPER"),
        ("PACK_BASE", "https://ghcr.io/x"),
        ("PACK_TAGS", "a:b"),
        ("PACK_PLATFORMS", "linux"),
        ("PACK_COMPRESSION", "bzip2"),
        ("PACK_JOBS", "0"),
        ("PACK_JOBS", "many"),
        ("PACK_OFFLINE", "maybe"),
        ("PACK_LOCKED", "maybe"),
        ("SOURCE_DATE_EPOCH", "yesterday"),
    ] {
        let said = project.pack("build").env(variable, value).fails(2);
        assert!(said.stderr.contains(variable), "{said:?}");
    }
    for line in [
        "copy UPPER oci:x",
        "copy oci:here:1 UPPER",
        "copy oci:here:1 oci:",
        "copy oci:here:1 oci-archive:-",
        "copy oci:here:1 scratch",
        "copy scratch oci:x",
        "copy oci:here:1 https://ghcr.io/x:1",
        "copy docker-daemon:x oci:x",
        "copy --platform linux oci:here:1 oci:x",
        "tag UPPER 2",
        "tag oci:here:1 a:b",
        "inspect https://ghcr.io/x",
        "history oci:",
        "verify UPPER",
        "diff oci:here:1 UPPER",
        "rebase UPPER --base scratch -t 2",
        "rebase oci:here:1 --base UPPER -t 2",
        "rebase oci:here:1 --base scratch -t a:b",
        "rebase oci:here:1 --base scratch --old-base UPPER -t 2",
        "doctor UPPER",
        "init files --force --base UPPER",
    ] {
        project.pack(line).fails(2);
    }
    // The names in them may still be wrong.
    for line in [
        "build --base oci:missing",
        "build missing",
        "build -f missing.toml",
        "build -o oci:files",
        "copy oci:missing oci:x",
        "copy oci:here:2 oci:x",
        "login r.example -u a -p b -f missing.toml",
    ] {
        project.pack(line).fails(1);
    }
    for (wrong, right) in [("base = \"scratch\"", "base = \"UPPER\""), ("tags = [\"1\"]", "tags = [\"a:b\"]")]
    {
        let project = Project::small();
        project.write("build.toml", tree_on("scratch").replace(wrong, right));
        project.pack("build").fails(1);
        // Both at once: the file has to be mended in any case.
        project.pack("build --compression bzip2").fails(1);
    }
}

#[test]
fn the_files_of_docker_and_podman_about_registries_count() {
    const REGISTRY: &str = "tools/docker-registry";
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let program = inputs.join(REGISTRY);
    let project = Project::small();
    let authority = Authority::new(&project.beside("authority"));
    authority.sign("server", "IP:127.0.0.1");
    authority.sign("client", "IP:127.0.0.1");
    let ca = authority.path("ca.pem");
    let start = |name: &str, mutual: bool| {
        Server::start_with(&program, &project.beside(name), |config| {
            config["http"]["tls"] = authority.tls("server");
            if mutual {
                config["http"]["tls"]["clientcas"] = serde_json::json!([ca]);
            }
        })
    };
    let install = |path: &str, text: &[u8]| {
        let path = project.beside(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let push = |host: &str| project.pack(&format!("build --name {host}/shop/app -t 1 --push"));
    let look = |host: &str| project.pack(&format!("verify docker://{host}/shop/app:1"));
    let pem = |name: &str| fs::read(authority.path(name)).unwrap();

    // An authority, in each of the directories; and a certificate to show.
    let server = start("tls", false);
    let host = server.host();
    push(&host).fails(3);
    for directory in ["etc/docker", "etc/containers", "home/.config/containers"] {
        let file = format!("{directory}/certs.d/{host}/ca.crt");
        install(&file, &pem("ca.pem"));
        push(&host).ok();
        look(&host).ok();
        let said = project.pack(&format!("doctor {host}")).ok().stdout;
        assert!(said.contains(&project.beside(&file).display().to_string()), "{said}");
        fs::remove_dir_all(project.beside(&format!("{directory}/certs.d"))).unwrap();
    }
    look(&host).fails(3);
    let mutual = start("mutual", true);
    install(&format!("etc/docker/certs.d/{}/ca.crt", mutual.host()), &pem("ca.pem"));
    push(&mutual.host()).fails(3);
    install(&format!("etc/docker/certs.d/{}/client.cert", mutual.host()), &pem("client.pem"));
    install(&format!("etc/docker/certs.d/{}/client.key", mutual.host()), &pem("client.key"));
    push(&mutual.host()).ok();

    // Insecure: TLS without a trusted certificate, and no TLS.
    let plain = Server::start(&program, &project.beside("plain"), false);
    push(&plain.host()).ok();
    let conf = |host: &str, more: &str| format!("[[registry]]\nlocation = \"{host}\"\n{more}\n");
    let daemon = |host: &str| format!("{{\"insecure-registries\": [\"{host}\"]}}");
    for server in [host.clone(), plain.host()] {
        for (file, text) in [
            ("etc/containers/registries.conf", conf(&server, "insecure = true")),
            ("etc/containers/registries.conf.d/1.conf", conf(&server, "insecure = true")),
            ("home/.config/containers/registries.conf", conf(&server, "insecure = true")),
            ("etc/docker/daemon.json", daemon(&server)),
            ("etc/docker/daemon.json", daemon("127.0.0.0/8")),
        ] {
            install(file, text.as_bytes());
            look(&server).ok();
            let said = project.pack(&format!("doctor {server}")).ok().stdout;
            assert!(said.contains(&project.beside(file).display().to_string()), "{said}");
            fs::remove_file(project.beside(file)).unwrap();
        }
        let flag = project.pack(&format!("verify docker://{server}/shop/app:1"));
        let flag = if server == host { flag.arg("--skip-tls-verify") } else { flag.arg("--plain-http") };
        flag.arg(&server).ok();
    }
    // Our own settings count more.
    install("etc/docker/daemon.json", daemon(&host).as_bytes());
    configure(&project, &format!("[registry.\"{host}\"]\nplain-http = false\n"));
    look(&host).fails(3);
    configure(
        &project,
        &format!("[registry.\"{host}\"]\nplain-http = false\nca-file = \"{}\"\n", ca.display()),
    );
    look(&host).ok();
    configure(&project, &format!("[registry.\"{host}\"]\nplain-http = false\n"));
    look(&host).arg("--ca-file").arg(ca.display().to_string()).ok();
    configure(&project, "");

    // A blocked registry is not pulled from; a broken file is told and no failure.
    let blocked = conf(&format!("{}/shop", plain.host()), "blocked = true");
    install("etc/containers/registries.conf", blocked.as_bytes());
    look(&plain.host()).fails(4).says(&["registries.conf", "blocked"]);
    project.pack(&format!("copy {}/shop/app:1 oci:x", plain.host())).fails(4);
    for file in [
        "etc/containers/registries.conf",
        "etc/docker/daemon.json",
        "etc/containers/registries.conf.d/2.conf",
    ] {
        install(file, b"[broken");
        warns(look(&plain.host()).ok(), &[file]);
        fs::remove_file(project.beside(file)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", project.beside(file)).unwrap();
        warns(look(&plain.host()).ok(), &[file]);
        fs::remove_file(project.beside(file)).unwrap();
    }
}

#[test]
fn a_copy_has_the_one_name_that_the_image_has_in_its_place() {
    let project = Project::small();
    project.pack("build -t 1.0 -o oci:one -o oci-archive:one.tar -o docker-archive:saved.tar").ok();
    for (number, place) in ["oci:one", "oci-archive:one.tar", "docker-archive:saved.tar"].iter().enumerate() {
        project.pack(&format!("copy {place} oci:to{number}")).ok();
        project.pack(&format!("inspect oci:to{number}:1.0")).ok();
    }
    // Two names of one image: none of them is the one.
    project.pack("copy oci:one:1.0 oci:one:stable").ok();
    project.pack("copy oci:one oci:nameless").ok();
    project.pack("inspect oci:nameless:1.0").fails(1);
    project.pack("inspect oci:nameless").ok();
    // Where a name must be given, the hint says how.
    project.pack("copy oci:one store:shop").fails(2).hints();
}
