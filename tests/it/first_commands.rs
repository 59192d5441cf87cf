//! First commands of new users, most of them wrong: each is answered by what to do.

use crate::artifacts::war;
use crate::support::Project;

/// The line, the exit code, and what the hint says.
const LINES: [(&str, i32, &str); 46] = [
    ("run app", 2, "`pack build -o docker` loads the image"),
    ("push", 2, "`pack build --push` builds and pushes"),
    ("push shop/app:1", 2, "`pack copy SRC DST` pushes an image that exists"),
    ("pull debian", 2, "`pack copy docker://NAME store:NAME`"),
    ("ls", 2, "`pack images` lists the images"),
    ("list", 2, "`pack images` lists the images"),
    ("image ls", 2, "`pack images` lists the images"),
    ("rmi app", 2, "`pack rm NAME`"),
    ("save app", 2, "`pack build -o docker-archive:FILE`"),
    ("load -i app.tar", 2, "`pack copy docker-archive:FILE store:NAME`"),
    ("watch", 2, "`pack build --watch` builds again"),
    ("-v", 2, "`pack --help` lists the commands"),
    ("cache -q", 2, "`pack cache --help` lists the commands"),
    ("version", 2, "`pack --version`"),
    ("deploy", 2, "`pack promote IMAGE --to ENV`"),
    ("test", 2, "`pack check`"),
    ("prune", 2, "`pack cache prune`"),
    ("search tomcat", 2, "`pack inspect REPOSITORY`"),
    ("create", 2, "`pack init` writes a build.toml"),
    ("buildx build .", 2, "`pack build` makes an image"),
    ("builder suggest", 2, "not the `pack` of buildpacks"),
    ("config default-builder x", 2, "not the `pack` of buildpacks"),
    ("inspect-image app", 2, "`pack inspect IMAGE`"),
    ("app.war", 2, "write `pack build app.war`"),
    (".", 2, "write `pack build .`"),
    ("help commands", 2, "`pack help` lists the commands and topics"),
    ("biuld", 2, "did you mean `build`?"),
    ("build", 1, "`pack init --from Dockerfile` takes the Dockerfile over"),
    ("build Dockerfile", 1, "`pack init --from Dockerfile` writes a build.toml"),
    ("build -f Dockerfile .", 1, "Dockerfile` writes a build.toml from it"),
    ("build -t app .", 1, "`pack init --from Dockerfile` writes a build.toml"),
    ("build -t shop/app:1.0 app.war", 2, "write `--name shop/app --tag 1.0`"),
    ("build app.war", 1, "hint: "),
    ("build nothing.war", 1, "check the path, or build the artifact first"),
    ("build nothing.zip", 1, "check the path, or build the artifact first"),
    ("build empty", 1, "build the artifact first"),
    ("build https://git.example/shop.git", 1, "download it before the build"),
    ("build app.war --builder x", 2, "not the `pack` of buildpacks"),
    ("build app.war --publish", 2, "`--push` pushes the image"),
    ("build app.war --load", 2, "`-o docker` loads the image"),
    ("build --build-arg A=B .", 2, "`--set KEY=VALUE`"),
    ("build app.war --no-cache", 2, "the cache decides nothing about the image"),
    ("build app.war --platform linux", 2, "`pack build --help` says what `--platform` takes"),
    ("login", 2, "write `pack login <REGISTRY[/PATH]>`"),
    ("init", 1, "`pack init --from Dockerfile` takes the Dockerfile over"),
    ("init --dockerfile Dockerfile", 2, "`pack init --from Dockerfile` writes a build.toml"),
];

#[test]
fn a_wrong_first_command_is_answered_by_what_to_do() {
    let project = Project::new();
    project
        .write("Dockerfile", "FROM debian\nCOPY app.war /app.war\n")
        .write("app.war", war(&[("WEB-INF/web.xml", b"<web-app/>")]));
    std::fs::create_dir(project.path("empty")).unwrap();
    for (line, code, hint) in LINES {
        let said = project.pack(line).fails(code).hints();
        assert!(said.stderr.contains(hint), "`pack {line}` does not say {hint:?}: {}", said.stderr);
        // Within what a new user reads.
        assert!(said.stderr.lines().count() < 12, "`pack {line}`: {}", said.stderr);
    }
    // Without a command, the help says which there are.
    let said = project.pack("").run();
    assert!(said.code == Some(2) && said.stderr.contains("Commands:"), "{said:?}");
}

/// The commands of the hints are commands.
#[test]
fn the_hints_name_commands_that_exist() {
    let project = Project::new();
    for line in [
        "build --push",
        "copy SRC DST",
        "copy docker://NAME store:NAME",
        "build -o docker",
        "build --watch",
        "images",
        "inspect REPOSITORY",
        "rm NAME",
        "build -o docker-archive:FILE",
        "copy IMAGE oci-archive:FILE",
        "copy docker-archive:FILE store:NAME",
        "promote IMAGE --to prod",
        "resolve -f FILE",
        "check",
        "cache prune",
        "build ARTIFACT --base IMAGE",
        "init --from Dockerfile",
        "update",
        "build --set config.labels.NAME=VALUE",
    ] {
        project.pack(&format!("{line} --help")).ok();
    }
    project.pack("--version").ok();
}
