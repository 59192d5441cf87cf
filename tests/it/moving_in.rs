//! `docs/moving-in.md`: each guide from its first command to its last. And descriptions of Jib and ko, taken over and built.

use std::fs;
use std::path::Path;

use pack_test_registry::Fake;

use crate::apps::{base_with_java, hello_jar};
use crate::artifacts::{AMD64, elf};
use crate::support::{Project, REPOSITORY, chmod};

/// The commands of a guide.
fn commands(guide: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(REPOSITORY).join("docs/moving-in.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n## From {guide}\n")).unwrap_or_else(|| panic!("{guide}"));
    let section = section.split("\n## ").next().unwrap();
    let commands: Vec<String> =
        section.lines().filter_map(|line| line.strip_prefix("$ pack ")).map(str::to_owned).collect();
    assert!(commands.len() > 1, "{guide}: {commands:?}");
    commands
}

/// A program of the project.
fn program(project: &Project, name: &str) {
    project.write(name, elf(AMD64, &[]));
    chmod(&project.path(name), 0o755);
}

const POM: &str = "<project><artifactId>shop</artifactId><version>1.0</version>
<properties><base>BASE</base></properties>
<build><plugins><plugin><artifactId>jib-maven-plugin</artifactId><configuration>
<from><image>${base}</image></from>
<container><jvmFlags><jvmFlag>-Xmx64m</jvmFlag></jvmFlags><ports><port>8080</port></ports></container>
<extraDirectories><paths>extra</paths><permissions><permission><file>/run.sh</file><mode>755</mode></permission></permissions></extraDirectories>
<pluginExtensions><pluginExtension/></pluginExtensions>
</configuration></plugin></plugins></build></project>
";

#[test]
fn guides_run_from_the_first_command_to_the_last() {
    let (_base, java) = base_with_java("17.0.9");
    for guide in ["`docker build`", "kaniko", "Jib", "ko", "buildpacks"] {
        let fake = Fake::start().unwrap();
        let project = Project::new();
        project.write("target/shop-1.0.jar", hello_jar("")).write("extra/run.sh", "#!/bin/sh\n");
        match guide {
            "Jib" => _ = project.write("pom.xml", POM.replace("BASE", &java)),
            "ko" => {
                project.write(
                    ".ko.yaml",
                    format!("defaultBaseImage: {java}\nbuilds: [{{id: shop, main: ./cmd/shop}}]\n"),
                );
                project.write("go.mod", "module example.com/shop\n");
                program(&project, "bin/shop");
            }
            "buildpacks" => _ = project.write("pom.xml", "<project/>"),
            _ => {
                let text = format!(
                    "FROM maven AS build\nWORKDIR /src\nCOPY . .\nRUN mvn package\nFROM {java}\nCOPY --from=build /src/target/shop-1.0.jar /app.jar\n\
                     CMD [\"java\", \"-jar\", \"/app.jar\"]\n"
                );
                project.write("Dockerfile", text);
            }
        }
        for command in commands(guide) {
            let mut command = command.replace("localhost:5000", &fake.address().to_string());
            // The usual base is in a registry of others.
            if guide == "buildpacks" && command.starts_with("init") {
                command = format!("{command} --base {java}");
            }
            project.pack(&command).ok();
        }
        let tags = project.pack(&format!("inspect {}/shop/app", fake.address())).ok();
        assert!(!tags.stdout.trim().is_empty(), "{guide}: {tags:?}");
    }
}

#[test]
fn settings_of_jib_become_an_image() {
    let (_base, java) = base_with_java("17.0.9");
    let project = Project::new();
    project.write("pom.xml", POM.replace("BASE", &java)).write("extra/run.sh", "#!/bin/sh\n");
    project.write("target/shop-1.0.jar", hello_jar(""));
    let says = ["warning: line 7: extensions of Jib are programs", "1 thing is not in the image"];
    project.pack("init --from pom.xml").ok().says(&says);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    for line in [
        "path = \"target/shop-1.0.jar\"",
        "env = { JDK_JAVA_OPTIONS = \"-Xmx64m\" }",
        "permissions = [{ path = \"/run.sh\", mode = \"0755\" }]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    project.build("");

    let gradle = format!(
        "jib {{\n from.image = '{java}'\n to.image = 'localhost/shop:1'\n container {{ ports = ['80']; user = who() }}\n}}\n"
    );
    project.write("build.gradle", gradle).write("build/libs/shop-1.0.jar", hello_jar(""));
    project.write("settings.gradle", "rootProject.name = 'shop'\n");
    project
        .pack("init --force --from build.gradle")
        .ok()
        .says(&["warning: line 4: the value of `container.user`"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("name = \"localhost/shop\"") && written.contains("tags = [\"1\"]"), "{written}");
    project.build("");

    let yaml = format!(
        "kind: BuildFile\nfrom: {{image: '{java}'}}\nentrypoint: [java, -version]\nlayers:\n  entries:\n  - name: a\n    files: [{{src: extra, dest: /opt/x}}]\n"
    );
    project.write("jib.yaml", yaml);
    project.pack("init --force --from jib.yaml").ok().says(&["everything is carried over"]);
    project.build("");
}

#[test]
fn builds_of_ko_become_images() {
    let (_base, java) = base_with_java("17.0.9");
    let project = Project::new();
    project
        .write("go.mod", "module example.com/shop\n")
        .write("cmd/a/main.go", "")
        .write("cmd/b/kodata/page.txt", "hi");
    let text = format!(
        "defaultBaseImage: {java}\nbuilds:\n- {{id: a, main: ./cmd/a}}\n- {{id: b, main: ./cmd/b}}\n"
    );
    project.write(".ko.yaml", text);
    program(&project, "cmd/a/bin/a");
    program(&project, "cmd/b/bin/b");
    project.pack("init --from .ko.yaml --name localhost/shop").ok();
    let written = fs::read_to_string(project.path("cmd/b/build.toml")).unwrap();
    assert!(written.contains("`CGO_ENABLED=0 go build -trimpath -o cmd/b/bin/b ./cmd/b` makes"), "{written}");
    assert!(written.contains("KO_DATA_PATH") && written.contains("name = \"localhost/shop/b\""), "{written}");
    project.pack("build --workspace").ok();
    project.pack("init --from .ko.yaml").fails(1).hints();
}

#[test]
fn the_form_of_a_description_is_known() {
    let project = Project::new();
    project.write("compose.yaml", "services: {}\n").write("pom.xml", "<project/>").write("broken.xml", "<a>");
    project.pack("init --from compose.yaml").fails(1).says(&["no form of this name is known"]).hints();
    project.pack("init --from pom.xml").fails(1).says(&["`jib-maven-plugin` is missing"]).hints();
    project.pack("init --from broken.xml").fails(1).says(&["line 1: it is no XML"]);
    project.pack("init --from pom.xml --stage x").fails(2).says(&["`--stage` is for a Dockerfile"]);
    assert!(!project.path("build.toml").exists());
}

#[test]
fn a_value_that_a_build_refuses_is_left_out_with_its_line() {
    let (_base, java) = base_with_java("17.0.9");
    let project = Project::new();
    project.write("a", "1").write("b", "2");
    let text = format!(
        "FROM {java}\nCOPY a a /d/\nCOPY --chown=:5 b /c\nHEALTHCHECK --interval=0s --start-period=0s --timeout=1.5h CMD [\"java\"]\nSTOPSIGNAL INT\n\
         USER 1000:\nLABEL \"\"=x ok=\"a\u{202e}b\u{9b}\"\nVOLUME / /data\nENTRYPOINT [\"java\"]\n"
    );
    project.write("Dockerfile", text);
    let said = project.pack("init --from Dockerfile").ok().says(&[
        "warning: line 3: `owner` of the files from `b` is left out: `:5` is not an owner",
        "warning: line 7: the label `` is left out",
        "warning: line 8: the volume `/` is left out: `/` cannot be a volume",
        "3 things are not in the image",
    ]);
    assert!(!said.stderr.contains("everything is carried over"), "{said:?}");
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    for part in [
        "timeout = \"1h30m\"",
        "stop-signal = \"SIGINT\"",
        "user = \"1000\"",
        "ok = \"a\\u202Eb\\u009B\"",
        "volumes = [\"/data\"]",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    assert!(!written.contains(['\u{202e}', '\u{9b}']), "{written}");
    project.build("");
    project.write("Dockerfile", format!("FROM a\n{}", "# x\n".repeat(1 << 19)));
    project.pack("init --force --from Dockerfile").fails(1).says(&["it has more than 1 MiB"]);
}

#[test]
fn files_that_are_applied_to_a_build_file_of_gradle_are_read_or_named() {
    let (_base, java) = base_with_java("17.0.9");
    let outside = Project::new();
    outside.write("out.gradle", "jib { container { user = '9' } }\n");
    let project = Project::new();
    let gradle = format!(
        "apply from: 'docker.gradle'\napply from: 'link.gradle'\napply from: 'https://example.com/x.gradle'\napply from: '../out.gradle'\n\
         jib {{ from.image = '{java}' }}\n"
    );
    project.write("build.gradle", gradle).write("build/libs/shop-1.0.jar", hello_jar(""));
    project.write("docker.gradle", "jib {\n container { user = '7'; args = ['a'] }\n}\n");
    std::os::unix::fs::symlink(outside.path("out.gradle"), project.path("link.gradle")).unwrap();
    let said = project.pack("init --from build.gradle").ok().says(&[
        "warning: line 2: the applied file `link.gradle` is not read",
        "warning: line 3: the applied file `https://example.com/x.gradle` is not read",
        "warning: line 4: the applied file `../out.gradle` is not read",
        "3 things are not in the image",
    ]);
    assert!(!said.stderr.contains("everything is carried over"), "{said:?}");
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("user = \"7\"") && written.contains("cmd = [\"a\"]"), "{written}");
    project.build("");
}

#[test]
fn yaml_that_says_something_twice_or_by_an_alias_is_told() {
    let project = Project::new();
    project.write(".ko.yaml", "defaultFlags: &f [-v]\ndefaultLdflags: *f\n---\nbuilds: []\n");
    project.pack("init --from .ko.yaml").ok().says(&[
        "warning: line 2: ",
        "warning: line 4: another document begins here",
        "2 things are not in the image",
    ]);
    project.write(".ko.yaml", "defaultFlags: [-v]\ndefaultFlags: [-x]\n");
    project
        .pack("init --force --from .ko.yaml")
        .fails(1)
        .says(&["line 2: it is no YAML: the key `defaultFlags` is there twice"]);
}

/// A checkout of others may have links that lead out of it.
#[test]
fn no_build_file_is_written_through_a_link_and_a_workspace_whole_or_not_at_all() {
    let project = Project::new();
    let outside = project.beside("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(outside.join("new"), project.path("build.toml")).unwrap();
    project.write("Dockerfile", "FROM example.com/a\n");
    project.pack("init --from Dockerfile").fails(1).hints().says(&["there is a `build.toml` already"]);
    std::fs::remove_file(project.path("build.toml")).unwrap();
    project
        .write(".ko.yaml", "builds:\n- {id: one, dir: one}\n- {id: two, dir: two}\n")
        .write("one/main.go", "");
    std::os::unix::fs::symlink(&outside, project.path("two")).unwrap();
    project.pack("init --from .ko.yaml").fails(1).hints().says(&["is a link"]);
    assert!(!project.path("one/build.toml").exists() && !project.path("build.toml").exists());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    std::fs::remove_file(project.path("two")).unwrap();
    project.write("two/main.go", "");
    let written = project.pack("init --from .ko.yaml").ok().stdout;
    assert_eq!(written, "one/build.toml\ntwo/build.toml\nbuild.toml\n");
}
