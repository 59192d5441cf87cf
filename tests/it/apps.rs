//! Several artifacts in one image, kinds of artifacts by name, and Java applications in one jar.

use std::fs;

use crate::artifacts::{base, layout, war};
use crate::reproducible::check_golden;
use crate::support::{Project, Zip, chmod, text};
use crate::verdicts::TEN;

/// The class file `Hello`, for Java 8 and later: `System.out.println("hello from a jar")`.
pub(crate) const HELLO: &str = "yv66vgAAADQAGgoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWCQAIAAkHAAoMAAsADAEAEGph\
    dmEvbGFuZy9TeXN0ZW0BAANvdXQBABVMamF2YS9pby9QcmludFN0cmVhbTsIAA4BABBoZWxsbyBmcm9tIGEgamFyCgAQABEHABIM\
    ABMAFAEAE2phdmEvaW8vUHJpbnRTdHJlYW0BAAdwcmludGxuAQAVKExqYXZhL2xhbmcvU3RyaW5nOylWBwAWAQAFSGVsbG8BAARD\
    b2RlAQAEbWFpbgEAFihbTGphdmEvbGFuZy9TdHJpbmc7KVYAIQAVAAIAAAAAAAIAAQAFAAYAAQAXAAAAEQABAAEAAAAFKrcAAbEA\
    AAAAAAkAGAAZAAEAFwAAABUAAgABAAAACbIABxINtgAPsQAAAAAAAA==";

/// A jar with the class `Hello` and more lines in its manifest.
pub(crate) fn hello_jar(manifest: &str) -> Vec<u8> {
    hello_jar_with(manifest, &[])
}

/// The same, with more files.
pub(crate) fn hello_jar_with(manifest: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    use base64::Engine as _;
    let class = base64::engine::general_purpose::STANDARD.decode(HELLO).unwrap();
    let mut zip = Zip::default();
    let manifest = format!("Manifest-Version: 1.0\nMain-Class: Hello\n{manifest}");
    zip.stored("META-INF/MANIFEST.MF", manifest.as_bytes()).deflated("Hello.class", &class);
    for (name, content) in files {
        zip.deflated(name, content);
    }
    zip.finish()
}

/// A jar without a main class.
fn library_jar() -> Vec<u8> {
    let mut zip = Zip::default();
    zip.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n").stored("a/A.class", b"class");
    zip.finish()
}

/// The header of a static program and nothing else.
fn program(machine: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    bytes.extend(machine.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.resize(64 + 56, 0);
    // One program header, which loads what can be executed.
    for (at, value) in [(32, 64), (52, 64), (54, 56), (56, 1), (64, 1), (68, 5)] {
        bytes[at] = value;
    }
    bytes
}

const AMD64: u16 = 62;
const ARM64: u16 = 183;

fn on_scratch(apps: &str) -> Project {
    Project::with(&format!(
        "[image]\nname = \"localhost/several\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n{apps}"
    ))
}

/// A site, a directory and a program.
fn three() -> Project {
    let project = on_scratch(
        "[[app]]\npath = \"site\"\nroot = \"/srv/site\"\n\n\
         [[app]]\npath = \"data\"\nkind = \"tree\"\nroot = \"/srv/data\"\nowner = \"1000\"\n\n\
         [[app]]\npath = \"server\"\n",
    );
    project.write("site/index.html", "<h1>hello</h1>");
    project.write("data/a.txt", "a").write("data/deep/b.txt", "b");
    project.write("server", program(AMD64));
    project
}

#[test]
fn several_artifacts_are_one_image() {
    let project = three();
    let built = project.build("");
    let names: Vec<String> = built.layers().into_iter().map(|layer| layer.name).collect();
    assert_eq!(names, ["site", "app", "app-2"]);
    check_golden("several apps", &built);

    let plan = project.pack("plan --json").ok().json();
    let artifacts: Vec<String> =
        plan["artifacts"].as_array().unwrap().iter().map(|artifact| text(&artifact["kind"])).collect();
    assert_eq!(artifacts, ["a static site", "a directory", "an ELF program"]);
    let start = &plan["images"][0]["entrypoint"];
    assert_eq!(start.as_array().unwrap().len(), 1, "{start}");
    assert_eq!(text(&start[0]), "/app/server");
    project.pack("build --explain").ok();

    // A change of any of them is seen, also where the outcome of the last build is remembered.
    let first = built.digest();
    assert_eq!(project.build("").digest(), first);
    project.write("data/deep/b.txt", "c");
    let changed = project.build("");
    assert_ne!(changed.digest(), first);
    assert_eq!(changed.built_layers(), ["app"]);
    project.write("data/deep/b.txt", "b");
    assert_eq!(project.build("").digest(), first);
}

#[test]
fn artifacts_of_the_command_line_come_last() {
    let project = Project::new();
    project.write("site/index.html", "hello").write("data/a", "a").write("server", program(AMD64));
    let given = "--base scratch --name localhost/x -t 1 --app site:site=/srv/site --app data=/srv/data";
    let digest = project.build(&format!("server {given}")).digest();
    assert_eq!(project.build(&format!("server {given}")).digest(), digest, "the order is that of the flags");
    let alone = project.build("--base scratch --name localhost/x -t 1 --app data=/srv/data");
    assert_eq!(alone.layers().len(), 1);
    for (wrong, said) in [("data:tre=/x", "unknown kind of artifact `tre`"), ("=/x", "`=/x` has no path")] {
        let run = project.pack("build --base scratch").args(&format!("--app {wrong}"));
        run.fails(2).says(&["--app", said]).hints();
    }
    project.pack("build --help").ok().says(&[]);
    let help = project.pack("build --help").ok().stdout;
    assert!(help.contains("executable-jar") && help.contains("PATH[:KIND][=ROOT]"), "{help}");
}

#[test]
fn kinds_have_names() {
    let project = on_scratch("[app]\npath = \"data\"\nkind = \"tree\"\nroot = \"/srv\"\n");
    project.write("data/a", "a");
    project.pack("build").ok();
    project.write("build.toml", "[image]\nbase = \"scratch\"\n[app]\npath = \"data\"\nkind = \"sit\"\n");
    project.pack("build").fails(1).says(&[
        "build.toml:5:8",
        "unknown kind of artifact `sit`",
        "did you mean `site`?",
    ]);
    project.pack("build --set app.kind=nothing").fails(2).says(&["the kinds are elf, war,"]);
    project.pack("build --set app.kind=elf").fails(1).says(&["is a directory, not an ELF program"]);
    project
        .pack("build --set app.kind=tree --set app.root=/x --layout packaged")
        .fails(1)
        .says(&["`layout` has no meaning for a directory"]);
}

#[test]
fn artifacts_do_not_overlap() {
    for (roots, said) in [
        (["/srv", "/srv"], "goes to `/srv`"),
        (["/srv", "/srv/x"], "to `/srv/x`"),
        (["/srv/x", "/srv"], "to `/srv`"),
        (["/", "/srv"], "the image's root"),
    ] {
        let [one, other] = roots;
        let project = on_scratch(&format!(
            "[[app]]\npath = \"one\"\nroot = \"{one}\"\n[[app]]\npath = \"other\"\nroot = \"{other}\"\n"
        ));
        project.write("one/a", "a").write("other/b", "b");
        project.pack("build").fails(1).says(&["`one` (", "build.toml:7:8", "build.toml:10:8", said]).hints();
    }
    // Beside each other they do not.
    let project = on_scratch(
        "[[app]]\npath = \"one\"\nroot = \"/srv/a\"\n[[app]]\npath = \"other\"\nroot = \"/srv/ab\"\n",
    );
    project.write("one/a", "a").write("other/b", "b");
    project.pack("build").ok();
}

/// The upper one would hide the other.
#[test]
fn a_path_of_a_layer_is_in_no_artifact() {
    let of = |layers: &str| {
        let project =
            on_scratch(&format!("[[app]]\npath = \"app\"\nkind = \"tree\"\nroot = \"/srv/app\"\n{layers}"));
        project.write("app/a.txt", "of the app").write("app/d/b.txt", "b");
        project.write("one/a.txt", "of a layer").write("one/d/c.txt", "c");
        project.write("two/a.txt", "of another").write("d", "a file");
        project
    };
    let layer = |name: &str, from: &str, to: &str| {
        format!("[[layer]]\nname = \"{name}\"\nfiles = [{{ from = \"{from}\", to = \"{to}\" }}]\n")
    };
    for (layers, says) in [
        (
            layer("conf", "one/", "/srv/app/"),
            "the layer `conf` and the layer `app` of an artifact both have `/srv/app/a.txt`",
        ),
        (layer("conf", "d", "/srv/app/d"), "both have `/srv/app/d`"),
    ] {
        of(&layers).pack("build").fails(1).says(&[says, "build.toml:"]).hints();
    }
    // Beside each other, directories of several, and a layer that replaces a file of another.
    of(&(layer("conf", "one/", "/etc/x/") + &layer("more", "two/", "/etc/x/"))).pack("build").ok();
    of(&(layer("conf", "one/", "/etc/x/") + &layer("more", "two/a.txt", "/etc/x/b.txt"))).pack("build").ok();
    of(&layer("conf", "one/d/", "/srv/app/d/")).pack("build").ok();
}

#[test]
fn one_artifact_says_how_the_image_starts() {
    let two = "[[app]]\npath = \"one\"\n[[app]]\npath = \"other\"\n";
    let project = on_scratch(two);
    project.write("one", program(AMD64)).write("other", program(AMD64));
    project.pack("build").fails(1).says(&[
        "both `one`",
        "and `other`",
        "build.toml:9:8",
        "`entrypoint` into `[config]`",
    ]);
    project.append("build.toml", "[config]\nentrypoint = [\"/app/other\"]\n");
    let built = project.build("");
    assert_eq!(built.layers().len(), 2);
}

/// The server of a base must start for a WAR or pages to be there.
#[test]
fn a_server_of_the_base_is_not_replaced_in_silence() {
    let classes: &[(&str, &[u8])] = &[("WEB-INF/web.xml", b"<web-app/>"), ("index.jsp", b"hello")];
    let tomcat = base(&["linux/amd64"], TEN, &[]);
    let nginx = base(&["linux/amd64"], "env = { NGINX_VERSION = \"1.27.0\" }\n", &[]);
    for (on, path, more, server, starts) in [
        (&tomcat, "shop.war", "", "Tomcat 10", false),
        (&tomcat, "shop.war", "root = \"/usr/local/tomcat/webapps/shop\"\n", "Tomcat 10", false),
        (&tomcat, "shop.war", "layout = \"packaged\"\n", "Tomcat 10", false),
        (&nginx, "site", "", "nginx", false),
        (&nginx, "site", "root = \"/usr/share/nginx/html/docs\"\n", "nginx", false),
        // A program may read them itself.
        (&nginx, "site", "root = \"/srv/site\"\n", "", true),
        (&tomcat, "site", "root = \"/srv/site\"\n", "", true),
        (&tomcat, "shop.war", "root = \"/srv/shop\"\n", "", true),
    ] {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/both\"\nbase = \"{}\"\ntags = [\"1\"]\n\n\
             [[app]]\npath = \"{path}\"\n{more}\n[[app]]\npath = \"server\"\n",
            layout(on)
        ));
        project.write("shop.war", war(classes)).write("site/index.html", "hello");
        project.write("server", program(AMD64));
        for command in ["plan", "build"] {
            let what = format!("{command}: {path} {more}");
            if starts {
                assert_eq!(project.pack(command).run().code, Some(0), "{what}");
                continue;
            }
            let said = project.pack(command).fails(1).hints();
            said.says(&[
                &format!("`{path}` ("),
                &format!("needs {server} of the base, which does not start: `server` ("),
                "as `entrypoint`",
            ]);
            // The hint works when it is followed.
            project.pack(command).arg("--set").arg("config.entrypoint=[\"/app/server\"]").ok();
        }
    }
    // Without another artifact that starts, the base's own entrypoint stays.
    let project = Project::new();
    project.write("shop.war", war(classes)).write("site/index.html", "hello");
    project.pack("build shop.war --app site:site=/srv/site --base").arg(layout(&tomcat)).ok();
}

#[test]
fn each_platform_has_all_artifacts() {
    let project =
        on_scratch("[[app]]\npath = [\"amd\", \"arm\"]\n[[app]]\npath = \"data\"\nroot = \"/srv\"\n");
    project.write("amd", program(AMD64)).write("arm", program(ARM64)).write("data/a", "a");
    let plan = project.pack("plan --json").ok().json();
    let images = plan["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert!(images.iter().all(|image| image["layers"].as_array().unwrap().len() == 2));
    project.append("build.toml", "[[app]]\npath = \"tool\"\n[config]\nentrypoint = [\"/app/amd\"]\n");
    project.write("tool", program(AMD64));
    // Nothing asks for a platform: those are built that all have, and a note names the others.
    project.pack("build").ok().says(&[
        "note: ",
        "arm` is left out: it is for linux/arm64, and",
        "tool` is for linux/amd64",
    ]);
    assert_eq!(project.build("").metadata["images"].as_array().unwrap().len(), 1);
    let asked = project.pack("build --platform linux/amd64,linux/arm64").fails(1);
    asked.says(&["no artifact is for linux/arm64", "tool"]).hints();
    project.pack("build --platform linux/amd64").ok();
    project.write("tool", program(ARM64)).write("arm", program(3));
    project.pack("build").fails(1).says(&["the artifacts have no platform in common: "]).hints();
}

#[test]
fn outputs_lie_in_none_of_the_artifacts() {
    let project = three();
    project.pack("build -o oci:data/out").fails(1).says(&["lies in", "data"]).hints();
    project.write("data/.packignore", "/out\n");
    project.pack("build -o oci:data/out").ok();
}

#[test]
fn a_program_goes_into_a_directory() {
    let project = on_scratch("[app]\npath = \"server\"\nroot = \"/opt/tools/\"\n");
    project.write("server", program(AMD64));
    let start = |arguments: &str| {
        let plan = project.pack(&format!("plan --json {arguments}")).ok().json();
        text(&plan["images"][0]["entrypoint"][0])
    };
    assert_eq!(start(""), "/opt/tools/server");
    assert_eq!(start("--root /opt/tools"), "/opt/tools");
    assert_eq!(start("--root /x/"), "/x/server");
}

/// A base in a layout that has a program `java` and says its version.
pub(crate) fn base_with_java(version: &str) -> (Project, String) {
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/jre\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n\n\
         [config]\nenv = {{ PATH = \"/usr/bin\", JAVA_VERSION = \"{version}\" }}\n"
    ));
    project.write("files/usr/bin/java", "a program");
    chmod(&project.path("files/usr/bin/java"), 0o755);
    project.pack("build -o oci:layout").ok();
    let layout = format!("oci:{}", project.path("layout").display());
    (project, layout)
}

#[test]
fn a_jar_is_an_application() {
    let (_base, layout) = base_with_java("17.0.9");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/jar\"\nbase = \"{layout}\"\ntags = [\"1\"]\n[app]\npath = \"shop-1.2.jar\"\n"
    ));
    project.write("shop-1.2.jar", hello_jar("Implementation-Version: 1.2\n"));
    let built = project.build("");
    check_golden("jar", &built);
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(text(&plan["artifacts"][0]["kind"]), "an executable jar");
    assert_eq!(text(&plan["version"]), "1.2");
    let start: Vec<String> = plan["images"][0]["entrypoint"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(start, ["java", "-jar", "/app/app.jar"]);

    let (_old, old) = base_with_java("1.7.0_80");
    project
        .pack("build")
        .args(&format!("--base {old}"))
        .fails(1)
        .says(&["needs Java 8", "has Java 7"])
        .hints();
    project.pack("build --base scratch").fails(1).hints();
    project.write("shop-1.2.jar", hello_jar("Class-Path: lib/a.jar lib/b.jar\n"));
    project
        .pack("build")
        .fails(1)
        .says(&["its `Class-Path` names", "lib/a.jar`, which is not there"])
        .hints();
}

#[test]
fn init_names_all_artifacts() {
    let project = Project::new();
    let web: &[u8] = b"<web-app/>";
    for name in ["admin-1.0.war", "admin-1.1.war", "shop.war"] {
        let mut zip = Zip::default();
        project.write(&format!("target/{name}"), zip.stored("WEB-INF/web.xml", web).finish());
    }
    project.write("dist/index.html", "hello");
    // A jar that can be started is one of them, and a library is none.
    project.write("target/tool.jar", hello_jar("")).write("target/library.jar", library_jar());
    project.pack("init").ok().says(&["`target/admin-1.1.war` is the newest of 2", "other artifacts here"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("[app]\npath = \"target/admin-1.1.war\"\n"), "{written}");
    assert!(
        written.contains(
            "# [[app]]\n# path = \"target/shop.war\"\n# [[app]]\n# path = \"target/tool.jar\"\n\
             # [[app]]\n# path = \"dist\"\n"
        ),
        "{written}"
    );
    assert!(!written.contains("admin-1.0"), "{written}");
    project.pack("plan --base scratch --root /srv").ok();
}
