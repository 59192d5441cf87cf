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
