//! `pack init` in projects of all sorts: it finds what the build made, and what it writes builds at once.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::apps::{base_with_java, hello_jar};
use crate::artifacts::{AMD64, base, elf, layout, war};
use crate::java::gzip;
use crate::support::{Project, Zip, chmod};

/// A file in a project.
type File<'a> = (&'a str, &'a [u8]);

/// A project whose `pack init` succeeds on this base; what it wrote, after `pack build` took it.
#[track_caller]
fn initialised(files: &[File<'_>], base: &str, says: &[&str]) -> String {
    let project = Project::new();
    for (name, content) in files {
        project.write(name, content);
        chmod(&project.path(name), 0o755);
    }
    project.pack("init").args(&format!("--base {base}")).ok().says(says);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    project.build("");
    assert!(written.lines().count() <= 25, "short: {written}");
    written
}

/// A project in which there is nothing yet: the message names the tool and the command.
#[track_caller]
fn not_built(files: &[File<'_>], tool: &str, command: &str) {
    let project = Project::new();
    for (name, content) in files {
        project.write(name, content);
    }
    let said = project.pack("init").fails(1);
    said.says(&[tool, &format!("run `{command}`")]).hints();
    assert!(!project.path("build.toml").exists());
}

#[test]
fn projects_of_java() {
    let (_base, java) = base_with_java("17.0.9");
    let (jar, library) = (hello_jar(""), Zip::default().stored("a/A.class", b"\xca\xfe\xba\xbe").finish());
    let files: &[File<'_>] = &[("pom.xml", b"<project/>"), ("target/shop-1.0.jar", &jar)];
    let written = initialised(files, &java, &["`target/shop-1.0.jar` is"]);
    assert!(
        written.contains("path = \"target/shop-1.0.jar\"") && written.contains("# `mvn package` makes"),
        "{written}"
    );
    assert!(written.contains("# env = { JDK_JAVA_OPTIONS = "), "{written}");
    let gradle: &[File<'_>] = &[("gradlew", b"#!/bin/sh\n"), ("build/libs/shop.jar", &jar)];
    assert!(initialised(gradle, &java, &[]).contains("# `./gradlew build` makes"));

    // Of several modules the one counts that can be started; libraries are none.
    let modules: &[File<'_>] = &[
        ("pom.xml", b"<project><modules/></project>"),
        ("core/pom.xml", b"<project/>"),
        ("core/target/core-1.0.jar", &library),
        ("web/pom.xml", b"<project/>"),
        ("web/target/web-1.0.jar", &jar),
        ("tools/cli/build.gradle", b""),
        ("tools/cli/build/libs/cli.jar", &jar),
    ];
    let written =
        initialised(modules, &java, &["is that of the module `tools/cli`", "another artifact here"]);
    assert!(written.contains("\npath = \"tools/cli/build/libs/cli.jar\""), "{written}");
    assert!(
        written.contains("# path = \"web/target/web-1.0.jar\"") && !written.contains("core-1.0"),
        "{written}"
    );

    not_built(&[("pom.xml", b"<project/>")], "Maven", "mvn package");
    not_built(&[("pom.xml", b"<project/>"), ("web/pom.xml", b"<project/>")], "Maven", "mvn package");
    not_built(&[("build.gradle.kts", b"")], "Gradle", "gradle build");
    // A web application goes onto a server.
    let tomcat = base(&["linux/amd64"], "env = { CATALINA_HOME = \"/usr/local/tomcat\" }\n", &[]);
    let application = war(&[("WEB-INF/web.xml", b"<web-app/>")]);
    let files: &[File<'_>] = &[("pom.xml", b"<project/>"), ("target/shop.war", &application)];
    initialised(files, &layout(&tomcat), &["`target/shop.war` is"]);
}

#[test]
fn projects_of_cargo_and_go() {
    let program = elf(AMD64, &[]);
    let cargo: &[File<'_>] = &[
        ("Cargo.toml", b"[package]\nname = \"shop\"\n"),
        ("target/release/shop", &program),
        ("target/release/shop.d", b"shop: src/main.rs"),
    ];
    let written = initialised(cargo, "scratch", &["`target/release/shop` is an ELF program"]);
    assert!(
        written.contains("base = \"scratch\"") && written.contains("`cargo build --release`"),
        "{written}"
    );
    // Of a workspace with two programs both are named: that of the package first, and the static one of two.
    let workspace: &[File<'_>] = &[
        ("Cargo.toml", b"[workspace]\nmembers = [\"admin\"]\n[package]\nname = \"shop\"\n"),
        ("target/release/admin", &program),
        ("target/release/shop", &program),
        ("target/x86_64-unknown-linux-musl/release/shop", &program),
    ];
    let written = initialised(workspace, "scratch", &["another artifact here"]);
    assert!(written.contains("\npath = \"target/x86_64-unknown-linux-musl/release/shop\""), "{written}");
    assert!(written.contains("# path = \"target/release/admin\""), "{written}");
    not_built(&[("Cargo.toml", b"[package]\nname = \"shop\"\n")], "Cargo", "cargo build --release");

    let go: &[File<'_>] = &[
        ("go.mod", b"module example.com/me/shop\n\ngo 1.24\n"),
        ("main.go", b"package main\n"),
        ("admin", &program),
        ("shop", &program),
    ];
    let written = initialised(go, "scratch", &["`shop` is an ELF program", "another artifact here"]);
    assert!(written.contains("\npath = \"shop\"") && written.contains("# path = \"admin\""), "{written}");
    not_built(&[("go.mod", b"module x\n"), ("main.go", b"")], "Go", "CGO_ENABLED=0 go build .");
    // The base of a new file has the loader of a dynamic program.
    let project = Project::new();
    project.write("Cargo.toml", "[package]\nname = \"shop\"\n");
    project.write("target/release/shop", elf(AMD64, &["libc.so.6"]));
    project.pack("init").ok();
    assert!(fs::read_to_string(project.path("build.toml")).unwrap().contains("library/debian:stable-slim"));
}

#[test]
fn projects_of_node_and_python() {
    let node = base(&["linux/amd64"], "", &[("usr/bin/node", "x")]);
    chmod(&node.path("files/usr/bin/node"), 0o755);
    node.pack("build -o oci:layout").ok();
    let package: &[u8] = br#"{"scripts":{"start":"node server.js"},"dependencies":{"a":"1"}}"#;
    let mut files: Vec<File<'_>> = vec![
        ("package.json", package),
        ("server.js", b"require('a')"),
        ("node_modules/a/package.json", b"{\"version\":\"1.0.0\"}"),
        ("node_modules/a/index.js", b""),
    ];
    for lock in ["pnpm-lock.yaml", "package.json"] {
        if lock != "package.json" {
            files.push((lock, b"lockfileVersion: '9.0'\n"));
        }
        let written = initialised(&files, &layout(&node), &["a Node.js application"]);
        assert!(written.contains("path = \".\""), "{written}");
        files.retain(|(name, _)| *name != lock || lock == "package.json");
    }
    for (lock, command) in [
        ("package-lock.json", "npm ci"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile"),
        ("yarn.lock", "yarn install"),
        ("bun.lock", "bun install --frozen-lockfile"),
    ] {
        not_built(&[("package.json", package), (lock, b"{}")], "not in `node_modules`", command);
    }

    let python = base(&["linux/amd64"], "", &[("usr/bin/python3.11", "x")]);
    chmod(&python.path("files/usr/bin/python3.11"), 0o755);
    python.pack("build -o oci:layout").ok();
    let site = ".venv/lib/python3.11/site-packages";
    let own = [
        format!("{site}/shop.py"),
        format!("{site}/shop-1.0.dist-info/METADATA"),
        format!("{site}/shop-1.0.dist-info/entry_points.txt"),
    ];
    for lock in ["uv.lock", "poetry.lock", "requirements.txt"] {
        let files: &[File<'_>] = &[
            (lock, b""),
            (".venv/pyvenv.cfg", b"home = /usr/bin\nversion = 3.11.2\n"),
            (".venv/bin/python", b"x"),
            (".venv/bin/shop", b"#!/home/me/.venv/bin/python\n"),
            (&own[0], b"def main(): pass\n"),
            (&own[1], b"Name: shop\nVersion: 1.0\n"),
            (&own[2], b"[console_scripts]\nshop = shop:main\n"),
        ];
        initialised(files, &layout(&python), &["a Python application"]);
    }
    not_built(&[("uv.lock", b""), ("pyproject.toml", b"")], "uv project", "uv sync --no-editable --no-dev");
    let pip = "python3 -m venv .venv && .venv/bin/pip install .";
    not_built(&[("poetry.lock", b""), ("pyproject.toml", b"")], "Poetry project", pip);
    let requirements = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt";
    not_built(&[("requirements.txt", b"x\n")], "Python project", requirements);
    let project = Project::new();
    project.write("app/go.mod", "module x\n");
    project.pack("init app").fails(1).says(&["Go project", "`pack init "]).hints();
}

#[test]
fn an_archive_and_a_plain_directory() {
    let (_base, java) = base_with_java("17.0.9");
    let project = Project::new();
    project.write("pages.tar.gz", gzip(&[0; 2048]));
    project.pack("init pages.tar.gz").fails(1).says(&["a gzip file"]).hints();
    project.write("public/index.html", "hello");
    project.pack("init").args(&format!("--base {java}")).ok();
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"public\"") && !written.contains("makes the artifact"), "{written}");
    project.build("--root /srv");
    // The note of `init` about a base without a web server helps.
    project.pack("init --force").args(&format!("--base {java}")).ok().says(&["take the `#` before `root`"]);
    project.write("build.toml", written.replace("# root =", "root ="));
    project.build("");
    // A directory builds at once, and the file of a build tool among its files made none of it.
    project.write("plain/a.txt", "a").write("site/package.json", "{}").write("site/index.html", "a");
    project.pack("init site --force").args(&format!("--base {java}")).ok();
    assert!(!fs::read_to_string(project.path("build.toml")).unwrap().contains("makes the artifact"));
    project.pack("init plain --force").args(&format!("--base {java}")).ok();
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("\nroot = \"/app\"") && !written.contains("makes the artifact"), "{written}");
    project.build("");
    Project::new().pack("init").fails(1).says(&["found no artifact"]).hints();
}

/// A directory with one program and nothing else is that program, and one without a build file is named by a setting.
#[test]
fn a_directory_with_one_program() {
    let (_base, java) = base_with_java("17.0.9");
    let project = Project::new();
    project.write("bin/tool", elf(AMD64, &[])).write("bin/.keep", "");
    chmod(&project.path("bin/tool"), 0o755);
    project.pack("init bin").args(&format!("--base {java}")).ok().says(&["`tool` is the only file in"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"bin/tool\""), "{written}");
    project.build("");
    fs::remove_file(project.path("build.toml")).unwrap();
    let by_flag = project.build(&format!("bin/tool --base {java} --name localhost/tool"));
    let by_setting = project.build(&format!("--set app.path=bin/tool --base {java} --name localhost/tool"));
    assert_eq!(by_flag.layers(), by_setting.layers());
    // Two files are a tree.
    project.write("bin/README", "a");
    project.pack("init bin --force").args(&format!("--base {java}")).ok();
    assert!(fs::read_to_string(project.path("build.toml")).unwrap().contains("path = \"bin\""));
}

/// Jars that builds put beside the application are neither artifacts nor versions of it.
#[test]
fn jars_of_sources_and_documentation_are_left_out() {
    let project = Project::new();
    let library = Zip::default().stored("a/A.class", b"\xca\xfe\xba\xbe").finish();
    project.write("pom.xml", "<project/>").write("target/shop-1.0.jar", hello_jar(""));
    for end in ["-sources", "-javadoc", "-tests", "-test-sources", "-plain"] {
        project.write(&format!("target/shop-1.0{end}.jar"), &library);
    }
    let said = project.pack("init").ok();
    assert!(!said.stderr.contains("newest of"), "{said:?}");
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"target/shop-1.0.jar\""), "{written}");
    assert_eq!(written.matches(".jar").count(), 1, "{written}");
    // An older version is told of.
    fs::remove_file(project.path("build.toml")).unwrap();
    project.write("target/shop-0.9.jar", hello_jar(""));
    project.pack("init").ok().says(&["`target/shop-1.0.jar` is the newest of 2 versions there"]);
}

/// A Dockerfile that is taken over; what was written, after `pack build` took it.
#[track_caller]
fn taken_over(dockerfile: &str, files: &[File<'_>], base: &str, says: &[&str]) -> (Project, String) {
    let project = Project::new();
    project.write("Dockerfile", dockerfile);
    for (name, content) in files {
        project.write(name, content);
    }
    project.pack("init --from Dockerfile").args(&format!("--base {base}")).ok().says(says);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    project.build("");
    (project, written)
}

#[test]
fn a_dockerfile_of_a_jar() {
    let (_base, java) = base_with_java("17.0.9");
    let text = "FROM maven AS build\nWORKDIR /src\nCOPY . .\nRUN mvn package\n\nFROM java\nCOPY --from=build /src/target/shop.jar /app.jar\n\
                EXPOSE 8080\nENTRYPOINT [\"java\", \"-Xmx64m\", \"-jar\", \"/app.jar\", \"--x\"]\n";
    let says = [
        "note: line 7: ",
        "of the stage `build` is taken to be `target/shop.jar`",
        "everything is carried over",
    ];
    let (_, written) = taken_over(text, &[("target/shop.jar", &hello_jar(""))], &java, &says);
    for line in [
        "path = \"target/shop.jar\"",
        "ports = [8080]",
        "env = { JDK_JAVA_OPTIONS = \"-Xmx64m\" }",
        "cmd = [\"--x\"]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
}

#[test]
fn a_dockerfile_of_files_and_users() {
    let (_base, java) = base_with_java("17.0.9");
    let text = "FROM nginx\nRUN apk add curl && mkdir -p /data && addgroup -g 2000 app && \\\n    adduser -D -u 2000 -G app app && chown app /data\n\
                COPY --chown=app:app dist /srv/www\nCOPY tool.jar /opt/tools/\nRUN chmod 755 /opt/tools/tool.jar\nUSER app\nLABEL a=\"{b}\"\n\
                HEALTHCHECK --interval=5s CMD [\"java\", \"-version\"]\nCMD [\"java\", \"-version\"]\n";
    let files: &[File<'_>] = &[
        ("dist/index.html", b"<p>"),
        ("dist/x.map", b"x"),
        ("tool.jar", &hello_jar("")),
        (".dockerignore", b"**/*.map\n"),
    ];
    let says = [
        "warning: line 2: `RUN apk add curl` is not run: packages of the system belong into the base",
        "1 thing is not in the image",
    ];
    let (_project, written) = taken_over(text, files, &java, &says);
    for line in [
        "# Not in this image, by the lines that say so:\n# line 2: `RUN apk add curl`",
        "exclude = [\"**/*.map\"]",
        "healthcheck = { cmd = [\"java\", \"-version\"], interval = \"5s\" }",
        "labels = { a = \"{{b}}\" }",
        "mode = \"0755\"",
        "uid = 2000\ngroup = \"app\"\ngid = 2000\n",
        "directories = [{ path = \"/data\", owner = \"app:0\" }]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
}

/// The paths of the image's own layers, each with its mode and owner, and its configuration.
fn image_of(project: &Project) -> (BTreeMap<String, String>, Value) {
    let built = project.build("-o oci:out");
    let mut paths = BTreeMap::new();
    for layer in built.layers() {
        let blob = project.path("out/blobs/sha256").join(layer.blob.strip_prefix("sha256:").unwrap());
        let blob = fs::File::open(blob).unwrap();
        let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(blob));
        for entry in tar.entries().unwrap() {
            let entry = entry.unwrap();
            let (path, header) = (entry.path().unwrap().display().to_string(), entry.header());
            let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            paths.insert(path.trim_end_matches('/').to_owned(), format!("{:o} {uid}:{gid}", mode & 0o7777));
        }
    }
    let config = project.pack(&format!("inspect --json {}", built.name_and_tag())).ok().json();
    (paths, config)
}

/// Modes, owners, patterns and commands that may fail: the image has the same as Docker's, or a line says that it is left out.
#[test]
fn a_dockerfile_makes_the_same_image() {
    let (_base, java) = base_with_java("17.0.9");
    let text = "FROM registry.example/none\nCOPY run.sh relative/\nRUN addgroup -g 2000 app && adduser -D -u 2000 -G app app\nWORKDIR /w\n\
                COPY config ./config\nCOPY run.sh tool.sh /opt/bin/\n\
                RUN chown -R app: /w && chmod 750 /w/config && chmod 755 /opt/bin/run.sh\nCOPY ctx/* /e/\n\
                RUN mkdir /no || true\nRUN x && mkdir /not; true\nCMD [\"java\", \"-version\"]\n";
    let files: &[File<'_>] = &[
        ("config/x.conf", b"x"),
        ("run.sh", b"x"),
        ("tool.sh", b"x"),
        ("ctx/a.txt", b"x"),
        ("ctx/temp1", b"x"),
        ("ctx/sub/deep.txt", b"x"),
        (".dockerignore", b"ctx\n"),
        ("Dockerfile.dockerignore", b"*/temp*\n"),
    ];
    let says = [
        "line 2: ",
        "line 9: `RUN mkdir /no || true`",
        "line 10: `RUN mkdir /not`",
        "4 things are not in the image",
    ];
    let (project, _) = taken_over(text, files, &java, &says);
    let (paths, config) = image_of(&project);
    for (path, expected) in [
        ("w", Some("755 2000:2000")),
        ("w/config", Some("750 2000:2000")),
        ("w/config/x.conf", Some("644 2000:2000")),
        ("opt/bin/run.sh", Some("755 0:0")),
        ("opt/bin/tool.sh", Some("644 0:0")),
        ("e/a.txt", Some("644 0:0")),
        ("e/deep.txt", Some("644 0:0")),
        ("e/sub", None),
        ("e/temp1", None),
        ("no", None),
        ("true", None),
        ("not", None),
        ("relative", None),
        ("relative/run.sh", None),
    ] {
        assert_eq!(paths.get(path).map(String::as_str), expected, "{path}: {paths:?}");
    }
    assert!(config.to_string().contains("\"java\",\"-version\""), "{config}");
}

/// The project would start by itself in another way than the Dockerfile says.
#[test]
fn the_command_of_a_dockerfile_wins() {
    let (_base, java) = base_with_java("17.0.9");
    let text = "FROM registry.example/none\nWORKDIR /srv\nCOPY . .\nCMD [\"java\", \"-version\"]\n";
    let files: &[File<'_>] = &[
        ("package.json", br#"{"name": "shop", "scripts": {"start": "node server.js"}}"#),
        ("server.js", b"1"),
        (".dockerignore", b"*\n!server.js\n"),
    ];
    let (project, _) = taken_over(text, files, &java, &["everything is carried over"]);
    let (paths, config) = image_of(&project);
    let below: Vec<&String> = paths.keys().filter(|path| path.starts_with("srv/")).collect();
    assert_eq!(below, ["srv/server.js"]);
    let text = config.to_string();
    assert!(text.contains("\"java\",\"-version\"") && !text.contains("server.js"), "{text}");
}

#[test]
fn a_dockerfile_that_is_none_writes_nothing() {
    let project = Project::new();
    project.write("Dockerfile", "FROM a\nCOPPY . .\n");
    let said = project.pack("init --from Dockerfile").fails(1);
    said.says(&["`Dockerfile` cannot be taken over", "line 2: there is no instruction `COPPY`"]).hints();
    project.pack("init --from nowhere").fails(1).says(&["cannot read `nowhere`"]);
    project.pack("init --stage x").fails(2);
    assert!(!project.path("build.toml").exists());
}
