//! Java applications: archives of Spring Boot and what else a Java runtime starts.

use std::io::Write as _;
use std::path::Path;

use crate::apps::{base_with_java, hello_jar};
use crate::artifacts::{layout, paths_in, tomcat_of};
use crate::reproducible::check_golden;
use crate::support::{Built, Project, Zip, chmod, noise, settle, text, tree_on};

/// The files of a small application: its main class, the class of its library, and a launcher.
pub(crate) struct Classes {
    pub(crate) main: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) launcher: Vec<u8>,
}

impl Classes {
    /// Without what they do.
    pub(crate) fn sketch() -> Self {
        let class = |name: &str| [b"\xca\xfe\xba\xbe\0\0\0\x37 ", name.as_bytes()].concat();
        Self {
            main: class("shop/Main"),
            library: class("greeting/Greeting"),
            launcher: class("loader/Launcher"),
        }
    }

    /// The library as a jar.
    pub(crate) fn library_jar(&self) -> Vec<u8> {
        let mut jar = Zip::default();
        jar.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n");
        jar.stored("greeting/Greeting.class", &self.library).finish()
    }
}

const BOOT: &str = "Manifest-Version: 1.0\r\nMain-Class: loader.Launcher\r\nStart-Class: shop.Main\r\n\
                    Implementation-Version: 1.2\r\nSpring-Boot-Version: 3.5.7\r\nSpring-Boot-Classes: BOOT-INF/classes/\r\n\
                    Spring-Boot-Lib: BOOT-INF/lib/\r\nSpring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\n\
                    Spring-Boot-Layers-Index: BOOT-INF/layers.idx\r\n\r\n";

const LAYERS: &str = "- \"dependencies\":\n  - \"BOOT-INF/lib/greeting-1.0.jar\"\n- \"loader\":\n  - \"loader/\"\n\
                      - \"snapshot dependencies\":\n  - \"BOOT-INF/lib/\"\n- \"empty\":\n- \"application\":\n  - \"BOOT-INF/\"\n  - \"META-INF/\"\n";

/// A Spring Boot jar with this index of layers, and a page with this text. Nothing is compressed: the thin jar keeps
/// compressed bytes, and those of this test's encoder are no promise.
pub(crate) fn boot_jar(classes: &Classes, layers: &str, page: &str) -> Vec<u8> {
    let mut jar = Zip::default();
    jar.stored("META-INF/", b"").stored("META-INF/MANIFEST.MF", BOOT.as_bytes());
    jar.stored("META-INF/services/java.nio.file.spi.FileSystemProvider", b"loader.Provider\n");
    jar.stored("META-INF/maven/shop/pom.xml", b"<project/>");
    jar.stored("loader/", b"").stored("loader/Launcher.class", &classes.launcher);
    jar.stored("BOOT-INF/", b"").stored("BOOT-INF/classes/", b"").stored("BOOT-INF/classes/shop/", b"");
    jar.stored("BOOT-INF/classes/shop/Main.class", &classes.main);
    jar.stored("BOOT-INF/classes/page.txt", page.as_bytes());
    jar.stored("BOOT-INF/lib/own-1-SNAPSHOT.jar", &hello_jar(""));
    jar.stored("BOOT-INF/lib/greeting-1.0.jar", &classes.library_jar());
    let class_path = "- \"BOOT-INF/lib/greeting-1.0.jar\"\n- \"BOOT-INF/lib/own-1-SNAPSHOT.jar\"\n";
    jar.stored("BOOT-INF/classpath.idx", class_path.as_bytes());
    jar.stored("BOOT-INF/layers.idx", layers.as_bytes()).finish()
}

/// A small Spring Boot jar that says `page` when it is started.
pub(crate) fn small_boot_jar(classes: &Classes, page: &str) -> Vec<u8> {
    boot_jar(classes, LAYERS, page)
}

fn project(name: &str, layout: &str, base: &str) -> Project {
    Project::with(&format!(
        "[image]\nname = \"localhost/boot\"\nbase = \"{base}\"\ntags = [\"1\"]\n[app]\npath = \"{name}\"\n{layout}"
    ))
}

fn names(built: &Built) -> Vec<String> {
    built.layers().into_iter().map(|layer| layer.name).collect()
}

fn start(project: &Project) -> Vec<String> {
    let plan = project.pack("plan --json").ok().json();
    plan["images"][0]["entrypoint"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_boot_jar_is_taken_apart_as_its_tools_do() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop-1.2.jar", "", &base);
    let classes = Classes::sketch();
    project.write("shop-1.2.jar", small_boot_jar(&classes, "a page"));
    let built = project.build("");
    check_golden("boot jar", &built);
    assert_eq!(names(&built), ["dependencies", "snapshot dependencies", "application"]);
    assert_eq!(start(&project), ["java", "-jar", "/app/application.jar"]);
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(text(&plan["artifacts"][0]["kind"]), "a Spring Boot archive");
    assert_eq!(text(&plan["version"]), "1.2");

    // A page is in one layer, and nothing else is built again.
    let digest = built.digest();
    assert_eq!(project.build("").digest(), digest);
    project.write("shop-1.2.jar", small_boot_jar(&classes, "another page"));
    let changed = project.build("");
    assert_eq!(changed.built_layers(), ["application"]);
    project.write("shop-1.2.jar", small_boot_jar(&classes, "a page"));
    assert_eq!(project.build("").digest(), digest);

    let (_old, old) = base_with_java("1.8.0_80");
    project.pack("build").args(&format!("--base {old}")).fails(1).says(&["needs Java 11", "Java 8"]).hints();
    // An application is found without a build file, too.
    project.pack("init --force shop-1.2.jar").ok().says(&["is a Spring Boot archive"]);
    project.pack("plan").args(&format!("--base {base}")).ok();
}

/// The words of a command name the jar or class that Java is to run, wherever it would come from.
#[test]
fn what_java_is_to_run_is_there() {
    let (_base, base) = base_with_java("17.0.9");
    let boot = project("shop-1.2.jar", "layout = \"exploded\"\n", &base);
    let classes = Classes::sketch();
    let mut jar = Zip::default();
    for (name, content) in [
        ("META-INF/MANIFEST.MF", BOOT.replace("loader.Launcher", NEW_LAUNCHER).as_bytes()),
        ("org/springframework/boot/loader/launch/JarLauncher.class", &classes.launcher),
        ("BOOT-INF/classes/shop/Main.class", &classes.main),
        ("BOOT-INF/lib/greeting-1.0.jar", &classes.library_jar()),
    ] {
        jar.stored(name, content);
    }
    boot.write("shop-1.2.jar", jar.finish());
    boot.pack("build --strict").ok();
    let tree = Project::with(&tree_on(&base));
    tree.write("files/hello.jar", hello_jar(""))
        .write("files/more.jar", hello_jar("Class-Path: other.jar\n"))
        .write("files/lib/greeting.jar", classes.library_jar())
        .write("files/classes/shop/Main.class", &classes.main);
    for (project, words, says) in [
        (&boot, "\"-cp\", \"/app\", \"org.springframework.boot.loader.launch.JarLauncher\"", None),
        (
            &boot,
            "\"-cp\", \"/app\", \"org.springframework.boot.loader.JarLauncher\"",
            Some("hint: write `org.springframework.boot.loader.launch.JarLauncher`"),
        ),
        (&boot, "\"-cp\", \"/app/BOOT-INF/classes:/app/BOOT-INF/lib/*\", \"shop.Main\"", None),
        (&boot, "\"-cp\", \"/app/BOOT-INF/classes\", \"shop.Nope\"", Some("lacks the class `shop.Nope`")),
        (
            &boot,
            "\"-cp\", \"/app/BOOT-INF/classes:/app/BOOT-INF/lib/*\", \"shop.Nope\"",
            Some("lacks the class"),
        ),
        (&tree, "\"-jar\", \"hello.jar\"", None),
        (
            &tree,
            "\"-Xmx1g\", \"-jar\", \"/srv/app.jar\"",
            Some("a jar that is there, such as `/srv/hello.jar`"),
        ),
        (&tree, "\"-jar\", \"lib\"", Some("lacks `/srv/lib`, which `java` is to run")),
        (&tree, "\"-cp\", \"hello.jar\", \"Hello\"", None),
        (&tree, "\"-cp\", \"hello.jar:nothing\", \"Nope\"", Some("lacks the class `Nope`")),
        // Another jar may have it.
        (&tree, "\"-cp\", \"more.jar\", \"Nope\"", None),
        (&tree, "\"-cp\", \"lib/*\", \"greeting.Greeting\"", None),
        (&tree, "\"-cp\", \"lib\", \"greeting.Greeting\"", Some("lacks the class `greeting.Greeting`")),
        (&tree, "\"-cp\", \"lib/*:classes\", \"shop/Main\"", None),
        (&tree, "\"-cp\", \"lib/*\", \"shop.Main\"", Some("in the class path `lib/*`")),
        (&tree, "\"shop.Main\"", Some("lacks the class `shop.Main`, which `java` is to run")),
        (&tree, "\"-javaagent:hello.jar\", \"shop.Main\"", None),
        (&tree, "\"@options\", \"shop.Main\"", None),
        (&tree, "\"-p\", \"lib\", \"-m\", \"shop/shop.Main\"", None),
    ] {
        let entrypoint = format!("config.entrypoint=[\"java\", {words}]");
        let run = ["--set", "config.workdir=\"/srv\"", "--set", &entrypoint];
        let said = run.iter().fold(project.pack("build --strict"), |run, word| run.arg(*word)).run();
        match says {
            None => assert_eq!(said.code, Some(0), "{words}: {said:?}"),
            Some(says) => {
                said.has_code(1).says(&[says, "[entrypoint-missing]"]).hints();
            }
        }
    }
    let set = |env: &str| {
        let run = tree.pack("build --strict --set").arg("config.entrypoint=[\"java\", \"shop.Main\"]");
        run.arg("--set").arg(format!("config.env={{ {env} }}")).run()
    };
    set("CLASSPATH = \"/srv/classes\"").has_code(0);
    set("CLASSPATH = \"/srv/lib\"").has_code(1).says(&["the class `shop.Main` in the class path `/srv/lib`"]);
    set("JAVA_TOOL_OPTIONS = \"-XX:MaxRAMPercentage=75\"").has_code(1);
    set("JAVA_TOOL_OPTIONS = \"-javaagent:/srv/hello.jar\"").has_code(0);
    set("JDK_JAVA_OPTIONS = \"@/srv/options\"").has_code(0);
    // The words of `cmd` are a default.
    let base = tree.pack("build").arg("--set").arg("config.cmd=[\"java\", \"-jar\", \"/srv/app.jar\"]").ok();
    base.says(&["warning: the image lacks `/srv/app.jar`"]);
}

const NEW_LAUNCHER: &str = "org.springframework.boot.loader.launch.JarLauncher";

#[test]
fn a_boot_jar_has_other_layouts() {
    let (_base, base) = base_with_java("17.0.9");
    let jar = small_boot_jar(&Classes::sketch(), "a page");
    let exploded = project("shop.jar", "layout = \"exploded\"\n", &base);
    exploded.write("shop.jar", &jar);
    let built = exploded.build("");
    check_golden("boot jar exploded", &built);
    assert_eq!(names(&built), ["dependencies", "loader", "snapshot dependencies", "application"]);
    assert_eq!(start(&exploded), ["java", "-cp", "/app", "loader.Launcher"]);

    let packaged = project("shop.jar", "layout = \"packaged\"\n", &base);
    packaged.write("shop.jar", &jar);
    assert_eq!(names(&packaged.build("")), ["app"]);
    assert_eq!(start(&packaged), ["java", "-jar", "/app/app.jar"]);

    let elsewhere = project("shop.jar", "root = \"/srv/shop\"\n", &base);
    elsewhere.write("shop.jar", &jar);
    elsewhere.build("");
    assert_eq!(start(&elsewhere), ["java", "-jar", "/srv/shop/application.jar"]);
}

#[test]
fn an_index_that_is_wrong_is_said() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop.jar", "", &base);
    let classes = Classes::sketch();
    for (layers, says) in [
        (
            "- \"a\":\n  - \"BOOT-INF/lib/none.jar\"\n- \"b\":\n  - \"BOOT-INF/\"\n",
            "line 2 of `BOOT-INF/layers.idx`",
        ),
        (
            "- \"a\":\n  - \"BOOT-INF/\"\n- \"b\":\n  - \"BOOT-INF/\"\n",
            "into two layers, `a` in line 2 and `b` in line 4",
        ),
        ("- \"a\":\n  - \"BOOT-INF/classes/\"\n", "its index of layers has none for `BOOT-INF/layers.idx`"),
        ("- a\n", "line 1 of `BOOT-INF/layers.idx` in it is not understood: `- a`"),
    ] {
        project.write("shop.jar", boot_jar(&classes, layers, "a page"));
        project.pack("build").fails(1).says(&["shop.jar", says]).hints();
        // The way out works.
        project.pack("build --layout packaged").ok();
    }
}

/// A library that changes has its own part of a large layer.
#[test]
fn large_dependencies_are_split() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop.jar", "buckets = 4\n", &base);
    let jar = |changed: u64| {
        let mut jar = Zip::default();
        let manifest = BOOT.replace("Spring-Boot-Layers-Index: BOOT-INF/layers.idx\r\n", "");
        let manifest = manifest.replace("Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\n", "");
        jar.deflated("META-INF/MANIFEST.MF", manifest.as_bytes());
        jar.deflated("BOOT-INF/classes/shop/Main.class", &Classes::sketch().main);
        for number in 0..16 {
            let content = noise(if number == 3 { changed } else { number }, 20_000);
            jar.stored(
                &format!("BOOT-INF/lib/lib{number}-1.{}.jar", u64::from(number == 3) * changed),
                &content,
            );
        }
        jar.finish()
    };
    project.write("shop.jar", jar(100));
    let before = names(&project.build(""));
    assert_eq!(before.iter().filter(|name| name.starts_with("dependencies ")).count(), 4, "{before:?}");
    project.write("shop.jar", jar(101));
    let changed = project.build("");
    let built = changed.built_layers();
    assert_eq!(built.len(), 2, "one part, and the jar with the class path: {built:?}");
}

const THIN: &str = "Manifest-Version: 1.0\r\nMain-Class: shop.Main\r\nClass-Path: lib/greeting-1.0.jar lib/a%20b+c.j\r\n ar config/\r\n\r\n";

/// A thin jar `shop-1.2.jar` with its dependencies beside it, as files by their names.
pub(crate) fn thin_jar(classes: &Classes) -> Vec<(&'static str, Vec<u8>)> {
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", THIN.as_bytes()).stored("shop/Main.class", &classes.main);
    jar.stored("page.txt", b"a thin jar");
    let mut other = Zip::default();
    // It leads back to the first, which leads to it.
    let back = "Manifest-Version: 1.0\r\nClass-Path: greeting-1.0.jar ../lib/a%20b+c.jar none.jar\r\n\r\n";
    other.stored("META-INF/MANIFEST.MF", back.as_bytes());
    vec![
        ("shop-1.2.jar", jar.finish()),
        ("lib/greeting-1.0.jar", classes.library_jar()),
        ("lib/a b+c.jar", other.finish()),
    ]
}

/// A Quarkus application as its build leaves it, as files by their names.
pub(crate) fn quarkus_app(classes: &Classes) -> Vec<(&'static str, Vec<u8>)> {
    let mut run = Zip::default();
    let manifest = "Manifest-Version: 1.0\r\nMain-Class: shop.Main\r\n\
                    Class-Path: lib/boot/greeting-1.0.jar lib/main/a.jar app/shop.jar\r\n\r\n";
    run.stored("META-INF/MANIFEST.MF", manifest.as_bytes());
    let mut app = Zip::default();
    app.stored("shop/Main.class", &classes.main).stored("page.txt", b"Quarkus");
    let mut empty = Zip::default();
    empty.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n");
    vec![
        ("quarkus-app/quarkus-run.jar", run.finish()),
        ("quarkus-app/quarkus-app-dependencies.txt", b"greeting:greeting::jar:1.0\n".to_vec()),
        ("quarkus-app/quarkus/quarkus-application.dat", b"data".to_vec()),
        ("quarkus-app/quarkus/generated-bytecode.jar", empty.finish()),
        ("quarkus-app/lib/boot/greeting-1.0.jar", classes.library_jar()),
        ("quarkus-app/lib/main/a.jar", empty.finish()),
        ("quarkus-app/app/shop.jar", app.finish()),
    ]
}

/// An executable WAR with a library that only its launcher loads.
pub(crate) fn boot_war(classes: &Classes) -> Vec<u8> {
    let manifest = BOOT.replace("BOOT-INF", "WEB-INF");
    let mut war = Zip::default();
    war.stored("META-INF/MANIFEST.MF", manifest.as_bytes())
        .stored("loader/Launcher.class", &classes.launcher);
    war.stored("index.html", b"<h1>a page</h1>");
    war.stored("WEB-INF/classes/shop/Main.class", &classes.main)
        .stored("WEB-INF/classes/page.txt", b"a web application");
    war.stored("WEB-INF/lib-provided/greeting-1.0.jar", &classes.library_jar());
    war.stored("WEB-INF/lib/own-1-SNAPSHOT.jar", &hello_jar("")).finish()
}

fn files(project: &Project, files: &[(&str, Vec<u8>)]) {
    for (name, content) in files {
        project.write(name, content);
    }
}

#[test]
fn a_boot_jar_without_its_main_class_is_refused() {
    let (_base, base) = base_with_java("17.0.9");
    let classes = Classes::sketch();
    let mut library = Zip::default();
    let library = library.stored("shop/Other.class", &classes.main).finish();
    let jar = |class: &str| {
        let manifest = BOOT.replace("shop.Main", class);
        let manifest: String =
            manifest.split_inclusive("\r\n").filter(|line| !line.contains("Index")).collect();
        let mut jar = Zip::default();
        jar.stored("META-INF/MANIFEST.MF", manifest.as_bytes());
        jar.stored("loader/Launcher.class", &classes.launcher);
        jar.stored("BOOT-INF/classes/shop/Main.class", &classes.main);
        jar.stored("BOOT-INF/lib/other.jar", &library).finish()
    };
    for layout in ["exploded", "extracted", "packaged"].map(|layout| format!("layout = \"{layout}\"\n")) {
        let layout = &*layout;
        let project = project("shop.jar", layout, &base);
        for class in ["shop.Main", "shop.Other"] {
            project.write("shop.jar", jar(class));
            project.build("");
        }
        project.write("shop.jar", jar("shop.None"));
        let refused = project.pack("build").fails(1);
        refused.says(&["`shop.None`", "META-INF/MANIFEST.MF", "BOOT-INF/classes/"]).hints();
    }
}

#[test]
fn a_thin_jar_has_its_class_path_beside_it() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop-1.2.jar", "", &base);
    let classes = Classes::sketch();
    files(&project, &thin_jar(&classes));
    let built = project.build("");
    check_golden("thin jar", &built);
    assert_eq!(names(&built), ["dependencies", "app"]);
    assert_eq!(start(&project), ["java", "-jar", "/app/app.jar"]);
    let plan = project.pack("plan").ok();
    plan.says(&["left out: `config/`", "Java passes over: `lib/none.jar`"]);

    // The files of the class path are inputs as the jar is.
    let digest = built.digest();
    assert_eq!(project.build("").digest(), digest);
    project.write("lib/greeting-1.0.jar", hello_jar(""));
    let changed = project.build("");
    assert_ne!(changed.digest(), digest);
    assert_eq!(changed.built_layers(), ["dependencies"]);

    let (_old, old) = base_with_java("1.8.0_80");
    project.pack("build").args(&format!("--base {old}")).fails(1).says(&["needs Java 11", "Java 8"]).hints();
    std::fs::remove_file(project.path("lib/greeting-1.0.jar")).unwrap();
    project
        .pack("build")
        .fails(1)
        .says(&["`Class-Path` names", "lib/greeting-1.0.jar`, which is not there"])
        .hints();
}

#[test]
fn a_class_path_stays_below_the_jar() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop.jar", "", &base);
    project.write("beside.jar", hello_jar(""));
    for (class_path, says) in [
        ("../beside.jar", "which is above the directory of the jar"),
        ("file:/etc/passwd", "which is not relative to the jar"),
        ("/etc/passwd", "which is not relative to the jar"),
        ("lib/a%2.jar", "a percent sign is wrong in it"),
        ("lib/link.jar", "a link that leads out of the directory of the jar"),
    ] {
        project.write("app/shop.jar", hello_jar(&format!("Class-Path: {class_path}\n")));
        let link = project.path("app/lib/link.jar");
        if !link.exists() {
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        }
        project.pack("build --set app.path=app/shop.jar").fails(1).says(&["shop.jar", says]).hints();
    }
    // A library is none.
    let mut library = Zip::default();
    project.write("shop.jar", library.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n\n").finish());
    project.pack("build").fails(1).says(&["it is a library", "has no `Main-Class`"]).hints();
}

#[test]
fn a_quarkus_application_has_layers_by_change() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("quarkus-app", "", &base);
    let classes = Classes::sketch();
    files(&project, &quarkus_app(&classes));
    std::fs::create_dir(project.path("quarkus-app/providers")).unwrap();
    let built = project.build("");
    check_golden("quarkus", &built);
    assert_eq!(names(&built), ["dependencies", "quarkus", "application"]);
    assert_eq!(start(&project), ["java", "-jar", "/app/quarkus-run.jar"]);
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(text(&plan["artifacts"][0]["kind"]), "a Quarkus application");

    let (_old, old) = base_with_java("1.8.0_80");
    project
        .pack("build")
        .args(&format!("--base {old}"))
        .fails(1)
        .says(&["needs Java 11", "`app/shop.jar`"])
        .hints();
    std::fs::remove_file(project.path("quarkus-app/lib/main/a.jar")).unwrap();
    project.pack("build").fails(1).says(&["class path of `quarkus-run.jar` has `lib/main/a.jar`"]).hints();
    for (name, lacks) in [
        ("quarkus/quarkus-application.dat", "lacks `quarkus/quarkus-application.dat`"),
        ("app/shop.jar", "lacks a jar in `app/`"),
    ] {
        files(&project, &quarkus_app(&classes)[..]);
        // Without the class path, which names the jar of the application.
        let mut run = Zip::default();
        run.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nMain-Class: shop.Main\r\n\r\n");
        project.write("quarkus-app/quarkus-run.jar", run.finish());
        std::fs::remove_file(project.path("quarkus-app").join(name)).unwrap();
        project.pack("build").fails(1).says(&["the build is not complete", lacks]).hints();
    }
    // Each jar of the record is there.
    files(&project, &quarkus_app(&classes)[..]);
    let record = |name: &str| [&b"record\0"[..], &[name.len() as u8], name.as_bytes()].concat();
    project.write("quarkus-app/quarkus/quarkus-application.dat", record("lib/main/a.jar"));
    project.pack("plan").ok();
    project.write("quarkus-app/quarkus/quarkus-application.dat", record("lib/main/b.jar"));
    project
        .pack("plan")
        .fails(1)
        .says(&[
            "`quarkus/quarkus-application.dat` names `lib/main/b.jar`, which is not there",
            "[module-missing]",
        ])
        .hints();
    project.pack("plan --allow module-missing=unused").ok();
    project.pack("build").fails(1).says(&["[module-missing]"]);
    files(&project, &quarkus_app(&classes)[..]);
    // The jar that starts it is a part of it, whatever its kind is said to be.
    for kind in ["", " --set app.kind=jar"] {
        let alone = format!("plan --set app.path=quarkus-app/quarkus-run.jar{kind}");
        let said = project.pack(&alone).fails(1);
        said.says(&[
            "starts the Quarkus application around it",
            "give the whole directory: `",
            "quarkus-app`",
        ])
        .hints();
    }
    // As Maven leaves it.
    std::fs::create_dir(project.path("target")).unwrap();
    std::fs::rename(project.path("quarkus-app"), project.path("target/quarkus-app")).unwrap();
    project.write("target/shop-1.0.jar", classes.library_jar());
    project.pack("init --force").ok().says(&["is a Quarkus application"]);
    project.pack("plan").args(&format!("--base {base}")).ok();
}

#[test]
fn an_executable_war_goes_onto_either_base() {
    let (_base, base) = base_with_java("17.0.9");
    let alone = project("shop.war", "", &base);
    alone.write("shop.war", boot_war(&Classes::sketch()));
    let built = alone.build("");
    check_golden("boot war", &built);
    assert_eq!(start(&alone), ["java", "-cp", "/app", "loader.Launcher"]);
    assert_eq!(names(&built), ["dependencies", "snapshot-dependencies", "application"]);
    alone.pack("plan").ok().says(&["no servlet container that is known"]);
    alone.pack("build --layout extracted").fails(1).hints();

    let ten = tomcat_of("10.1.24");
    let container = project("shop.war", "", &layout(&ten));
    container.write("shop.war", boot_war(&Classes::sketch()));
    let built = container.build("");
    assert_eq!(names(&built), ["snapshots", "resources", "classes"]);
    let plan = container.pack("plan").ok();
    plan.says(&["1 library of `WEB-INF/lib-provided`", "so they are left out"]);
    assert!(!paths_in(&container, "resources", "").iter().any(|path| path.contains("lib-provided")));
    // The launcher of Spring Boot, where it has its usual name, is left out too.
    let mut war = Zip::default();
    war.stored("META-INF/MANIFEST.MF", BOOT.replace("BOOT-INF", "WEB-INF").as_bytes());
    war.stored("WEB-INF/classes/shop/Main.class", &Classes::sketch().main);
    war.stored("org/springframework/boot/loader/launch/WarLauncher.class", &Classes::sketch().launcher);
    container.write("shop.war", war.finish());
    container.pack("plan").ok().says(&["1 class of Spring Boot's launcher only serve"]);
    let paths = paths_in(&container, "resources", "");
    assert!(!paths.iter().any(|path| path.contains("springframework")), "{paths:?}");
}

#[test]
fn boot_jars_of_unusual_forms() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop.jar", "", &base);
    let classes = Classes::sketch();
    let jar = small_boot_jar(&classes, "a page");
    project.write("shop.jar", &jar);
    let built = project.build("");

    // A launch script in front, as `executable = true` of the plugin puts it there.
    let script = [b"#!/bin/bash\nexec java -jar \"$0\" \"$@\"\nexit 0\n".to_vec(), jar].concat();
    project.write("shop.jar", script);
    assert_eq!(project.build("").layers(), built.layers());

    // Two entries of one name, as jars of merged builds have them.
    let mut twice = Zip::default();
    twice.stored("META-INF/MANIFEST.MF", BOOT.as_bytes());
    twice.stored("BOOT-INF/classes/a", b"1").stored("BOOT-INF/classes/a", b"2");
    project.write("shop.jar", twice.finish());
    project.pack("build").fails(1).says(&["`BOOT-INF/classes/a` in `", "occurs twice"]).hints();

    // A launcher that finds the class path by its own settings has no say in the extracted form.
    let mut properties = Zip::default();
    let manifest =
        BOOT.replace("loader.Launcher", "org.springframework.boot.loader.launch.PropertiesLauncher");
    let manifest = manifest.replace("Spring-Boot-Layers-Index: BOOT-INF/layers.idx\r\n", "");
    properties.stored("META-INF/MANIFEST.MF", manifest.as_bytes());
    properties.stored("BOOT-INF/classes/shop/Main.class", &classes.main);
    properties.stored("BOOT-INF/lib/greeting-1.0.jar", &classes.library_jar());
    let launcher = "org/springframework/boot/loader/launch/PropertiesLauncher.class";
    properties.stored(launcher, &classes.launcher);
    project.write("shop.jar", properties.finish());
    let plan = project.pack("plan").ok();
    plan.says(&["PropertiesLauncher` does not start the application", "`loader.path`"]);
    assert_eq!(start(&project), ["java", "-jar", "/app/application.jar"]);
    let exploded = project.pack("plan --layout exploded --json").ok();
    assert!(!exploded.stderr.contains("loader.path"), "{exploded:?}");
    assert_eq!(
        text(&exploded.json()["images"][0]["entrypoint"][3]),
        "org.springframework.boot.loader.launch.PropertiesLauncher"
    );
}

/// An archive is read by its directory, and an entry whose compressed bytes are known is not inflated; but a false checksum,
/// which decides the time of the file, is found wherever it is.
#[test]
fn a_changed_page_of_an_archive_inflates_nothing_else() {
    let ten = tomcat_of("10.1.24");
    let mut library = Zip::default();
    library.stored("words.txt", &(0u32..100_000).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let library = library.finish();
    let war = |page: &str| {
        let mut zip = Zip::default();
        zip.deflated("WEB-INF/lib/words-1.0.jar", &library).deflated("index.html", page.as_bytes());
        // It settles the servlet API, for which libraries would be opened.
        zip.deflated("WEB-INF/classes/Page.class", b"\xca\xfe\xba\xbe\0\0\0\x37 jakarta/servlet/Servlet");
        zip.finish()
    };
    let falsified = |mut war: Vec<u8>| {
        let checksum = crc32fast::hash(&library).to_le_bytes();
        let places: Vec<usize> = memchr::memmem::find_iter(&war, &checksum).collect();
        assert_eq!(places.len(), 2, "beside the data, and in the directory");
        for place in places {
            war[place] ^= 1;
        }
        war
    };
    let known = project("shop.war", "", &layout(&ten));
    known.write("shop.war", war("a page"));
    known.build("");
    known.write("shop.war", war("another page"));
    assert_eq!(known.build("").built_layers(), ["resources"]);
    known.write("shop.war", falsified(war("another page")));
    known.pack("build").fails(1).says(&["words-1.0.jar", "CRC-32"]);

    let unknown = project("shop.war", "", &layout(&ten));
    unknown.write("shop.war", falsified(war("another page")));
    unknown.pack("build").fails(1).says(&["words-1.0.jar", "CRC-32"]);
}

/// The start script that Gradle's would be, without what only other systems need.
const START: &str = "#!/bin/sh\n\
                     APP_HOME=$( cd -P \"$( dirname \"$0\" )/..\" && pwd ) || exit\n\
                     CLASSPATH=$APP_HOME/lib/shop-1.2.jar:$APP_HOME/lib/greeting-1.0.jar\n\
                     case \"$( uname )\" in Linux ) ;; esac\n\
                     exec \"${JAVA_HOME:+$JAVA_HOME/bin/}java\" -cp \"$CLASSPATH\" shop.Main \"$@\"\n";

/// A distribution, as files by their names.
pub(crate) fn distribution(classes: &Classes) -> Vec<(&'static str, Vec<u8>)> {
    let mut jar = Zip::default();
    jar.stored("shop/Main.class", &classes.main).stored("page.txt", b"a distribution");
    vec![
        ("shop-1.2/bin/shop", START.as_bytes().to_vec()),
        ("shop-1.2/bin/shop.bat", b"@rem\r\n".to_vec()),
        ("shop-1.2/lib/shop-1.2.jar", jar.finish()),
        ("shop-1.2/lib/greeting-1.0.jar", classes.library_jar()),
        ("shop-1.2/README", b"a text".to_vec()),
    ]
}

/// The same as a zip archive.
pub(crate) fn distribution_zip(classes: &Classes) -> Vec<u8> {
    let mut zip = Zip::default();
    zip.stored("shop-1.2/", b"");
    for (name, content) in distribution(classes) {
        zip.stored(name, &content);
    }
    zip.finish()
}

/// A tar archive of these files.
fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The distribution as a tar archive.
pub(crate) fn distribution_tar(classes: &Classes) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> =
        distribution(classes).into_iter().map(|(name, content)| (name.to_owned(), content)).collect();
    tar_of(&files)
}

/// Compressed as `gzip` does it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_distribution_starts_by_its_script() {
    let java = base_with_a_shell();
    let base = layout(&java);
    let classes = Classes::sketch();
    let project = project("shop-1.2", "", &base);
    files(&project, &distribution(&classes));
    let built = project.build("");
    check_golden("distribution", &built);
    assert_eq!(names(&built), ["dependencies", "application"]);
    assert_eq!(start(&project), ["/app/bin/shop"]);
    let paths = paths_in(&project, "application", "");
    assert!(paths.contains(&"app/lib/shop-1.2.jar".to_owned()), "{paths:?}");

    // The archive is the same image, whatever its modes are.
    project.write("shop-1.2.zip", distribution_zip(&classes));
    assert_eq!(project.build("--set app.path=shop-1.2.zip").layers(), built.layers());

    // So are tar archives; and one that did not change is not unpacked, for which there would be no room.
    let tar = distribution_tar(&classes);
    project.write("shop-1.2.tar", &tar).write("shop-1.2.tar.gz", gzip(&tar)).write("shop.tgz", gzip(&tar));
    for name in ["shop-1.2.tar", "shop-1.2.tar.gz", "shop.tgz"] {
        settle(&project.path(name));
        let path = format!("--set app.path={name}");
        assert_eq!(project.build(&path).layers(), built.layers(), "{name}");
        let again = project.pack("build").args(&path).env("TMPDIR", "/nowhere").built("");
        assert_eq!(again.layers(), built.layers(), "{name}");
    }
    let plan = project.pack("plan --set app.path=shop.tgz --json").ok().json();
    assert!(text(&plan["artifacts"][0]["why"][0]).contains("a tar archive of a directory"), "{plan}");
    let forgot = project.pack("build --set app.path=shop.tgz --set config.user=1").env("TMPDIR", "/nowhere");
    forgot.fails(1).says(&["cannot unpack", "/nowhere", "`TMPDIR`"]).hints();
    // An archive of something else is looked into no further.
    project.write("pages.tar.gz", gzip(&tar_of(&[("pages/index.html".to_owned(), b"hello".to_vec())])));
    project.pack("plan --set app.path=pages.tar.gz").fails(1).says(&["`tar xf pages.tar.gz`"]).hints();

    // A base without what the script calls.
    let (_bare, bare) = base_with_java("17.0.9");
    project
        .pack("build")
        .args(&format!("--base {bare}"))
        .fails(1)
        .says(&["lacks `/bin/sh`", "`uname`"])
        .hints();

    // Java itself needs none of it.
    let java = project.pack("plan --set app.start=java --json").args(&format!("--base {bare}")).ok();
    let entrypoint: Vec<String> =
        java.json()["images"][0]["entrypoint"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(entrypoint, ["java", "-cp", "/app/lib/shop-1.2.jar:/app/lib/greeting-1.0.jar", "shop.Main"]);
    project.pack("plan --set app.start=java").ok().says(&["`JDK_JAVA_OPTIONS`"]);
    let elsewhere = project.pack("plan --json --set app.start=java --set app.root=/opt/shop").ok();
    let class_path = text(&elsewhere.json()["images"][0]["entrypoint"][2]);
    assert_eq!(class_path, "/opt/shop/lib/shop-1.2.jar:/opt/shop/lib/greeting-1.0.jar");
    project.write("shop-1.2/bin/shop", START.replace("greeting-1.0", "greeting-2.0"));
    let gone = project.pack("plan --set app.start=java").fails(1);
    gone.says(&["`bin/shop` names `lib/greeting-2.0.jar`, which is not there", "remove `start`"]).hints();
    project.write("shop-1.2/bin/shop", START);
    project.write("tree/file", "a file");
    let tree = "plan --set app.start=java --set app.path=tree --set app.root=/x";
    project.pack(tree).fails(1).says(&["`start` has no meaning for"]).hints();

    // The libraries of plugins are libraries, too.
    project.write("shop-1.2/plugins/pay/lib/pay-2.0.jar", classes.library_jar());
    project.write("shop-1.2/plugins/pay/pay.jar", classes.library_jar());
    let paths = paths_in(&project, "dependencies", "");
    assert!(paths.contains(&"app/plugins/pay/lib/pay-2.0.jar".to_owned()), "{paths:?}");
    assert!(!paths.contains(&"app/plugins/pay/pay.jar".to_owned()), "{paths:?}");

    // Which of several?
    project.write("shop-1.2/bin/admin", START);
    assert_eq!(start(&project), ["/app/bin/shop"], "the one with the name of the directory");
    std::fs::rename(project.path("shop-1.2/bin/shop"), project.path("shop-1.2/bin/other")).unwrap();
    project.pack("plan").ok().says(&["`/app/bin/admin` or `/app/bin/other`", "[\"/app/bin/admin\"]"]);
    project.pack("plan --strict").fails(1).says(&["[no-entrypoint]"]).hints();
    project.pack("plan --strict").arg("--set").arg("config.entrypoint=[\"/app/bin/admin\"]").ok();
    // A jar of its libraries is a part of it.
    project
        .pack("plan --set app.path=shop-1.2/lib/greeting-1.0.jar")
        .fails(1)
        .says(&["is a library", "shop-1.2`"]);
    project.write("shop-1.2/lib/shop-1.2.jar", hello_jar(""));
    project.pack("plan --set app.path=shop-1.2/lib/shop-1.2.jar").ok().says(&["the whole distribution is"]);

    std::fs::create_dir_all(project.path("build/install")).unwrap();
    std::fs::rename(project.path("shop-1.2"), project.path("build/install/shop")).unwrap();
    project.pack("init --force").ok().says(&["is a Java distribution with a start script"]);
}

/// A base with Java and the programs that a start script calls.
fn base_with_a_shell() -> Project {
    let java = base_with_java("17.0.9").0;
    for program in ["bin/sh", "usr/bin/uname", "usr/bin/dirname"] {
        java.write(&format!("files/{program}"), "a program");
        chmod(&java.path(&format!("files/{program}")), 0o755);
    }
    java.pack("build -o oci:layout").ok();
    java
}

#[test]
fn a_start_script_with_line_ends_of_windows_is_refused() {
    let java = base_with_a_shell();
    let classes = Classes::sketch();
    let project = project("shop-1.2", "", &layout(&java));
    files(&project, &distribution(&classes));
    project.pack("check --strict").ok();
    let windows = |text: &str| text.replace('\n', "\r\n");
    project.write("shop-1.2/bin/shop", windows(START));
    for command in ["build", "plan"] {
        let said = project.pack(command).fails(1);
        said.says(&["[entrypoint-no-shell]", "`/app/bin/shop` has line ends of Windows"]).hints();
    }
    // In an archive as well.
    let mut files: Vec<(String, Vec<u8>)> =
        distribution(&classes).into_iter().map(|(name, content)| (name.to_owned(), content)).collect();
    files[0].1 = windows(START).into_bytes();
    project.write("shop.tar", tar_of(&files));
    project.pack("plan --set app.path=shop.tar").fails(1).says(&["has line ends of Windows"]);
    let starts = "CLASSPATH=$APP_HOME/lib/shop-1.2.jar\nexec java -cp \"$CLASSPATH\" shop.Main \"$@\"\n";
    // A script that the start script starts is one, too; one that it does not start is not.
    let outer = "#!/bin/sh\nexec \"$(dirname \"$0\")/run\" \"$@\"\n";
    project
        .write("shop-1.2/bin/shop", outer)
        .write("shop-1.2/bin/run", windows(&format!("#!/bin/sh\n{starts}")));
    let said = project.pack("plan").fails(1);
    said.says(&["[entrypoint-no-shell]", "`/app/bin/run` has line ends of Windows"]).hints();
    project.write("shop-1.2/bin/run", format!("#!/bin/sh\n{starts}"));
    project.write("shop-1.2/bin/other", windows("#!/bin/sh\n"));
    project.pack("check --strict").ok();
    // A mode of the settings can take the right to execute it.
    let mode = project.pack("plan --set app.mode=0644").fails(1);
    mode.says(&["[entrypoint-not-executable]", "`/app/bin/shop`"]).hints();
}

/// The command of Java that a script really ends in, by a `java` that tells it: its directory and its arguments.
fn executed(script: &Path, tools: &Path, from: &Path) -> (String, Vec<String>) {
    let output = std::process::Command::new(script)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
        .current_dir(from)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines().map(str::to_owned);
    let directory = lines.next().unwrap_or_else(|| panic!("{}: {:?}", script.display(), output.stderr));
    (directory, lines.collect())
}

/// Arguments of Java with each path as Java finds it in this directory.
fn resolved(arguments: &[String], directory: &str) -> Vec<String> {
    let path = |path: &str| {
        let mut parts: Vec<&str> = Vec::new();
        let above = if path.starts_with('/') { "" } else { directory };
        for part in above.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    };
    let entry = |entry: &str| match entry.strip_suffix('*') {
        None => vec![path(entry)],
        Some(directory) => {
            let directory = path(directory);
            let names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
            let mut jars: Vec<String> = names.map(|name| format!("{directory}/{}", name.display())).collect();
            jars.sort();
            jars
        }
    };
    let mut out: Vec<String> = Vec::new();
    for argument in arguments {
        let before = out.last().map(String::as_str).unwrap_or_default();
        out.push(match argument.strip_prefix("-javaagent:").and_then(|agent| agent.split_once('=')) {
            Some((agent, options)) => format!("-javaagent:{}={options}", path(agent)),
            None if before == "-cp" => argument.split(':').flat_map(entry).collect::<Vec<_>>().join(":"),
            None if before == "-jar" => path(argument),
            None => argument.clone(),
        });
    }
    out
}

#[test]
fn java_gets_the_files_that_the_start_script_gives_it() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop-1.2", "start = \"java\"\n", &base);
    let java = "#!/bin/sh\npwd\nfor argument; do echo \"$argument\"; done\n";
    project.write("tools/java", java);
    chmod(&project.path("tools/java"), 0o755);
    for name in ["lib/shop.jar", "lib/a.jar", "app.jar", "conf/x"] {
        project.write(&format!("shop-1.2/{name}"), "");
    }
    let home = project.path("shop-1.2");
    let set_root = format!("app.root={}", home.display());
    let plan = |script: &str| {
        let path = project.path("shop-1.2/bin/shop");
        project.write("shop-1.2/bin/shop", format!("#!/bin/sh\n{script}\n"));
        chmod(&path, 0o755);
        project.pack("plan --json").arg("--set").arg(&set_root).run()
    };
    let ways = [
        "cd \"$(dirname \"$0\")/..\"\nexec java ARGUMENTS \"$@\"",
        "cd \"$(dirname $0)/..\" || exit 1\nexec java ARGUMENTS",
        "cd `dirname \"$0\"`/.. >/dev/null 2>&1\nexec \"${JAVACMD:-java}\" ARGUMENTS \"$@\"",
        "cd \"${0%/*}/..\"\nset -e\nexec java ARGUMENTS",
        "cd -P -- \"$(dirname \"$(readlink -f \"$0\")\")/..\"\nexec java ARGUMENTS",
        "cd \"$(dirname \"$0\")/..\" && exec java ARGUMENTS \"$@\"",
        "cd \"$(dirname \"$0\")/..\" || exit; exec java ARGUMENTS",
        "cd \"$(dirname \"$0\")\"\ncd ..\nexec java ARGUMENTS",
        "APP_HOME=$(cd \"$(dirname \"$0\")/..\" && pwd)\ncd \"$APP_HOME\"\nexec java ARGUMENTS",
        "DIR=\"$(cd \"$(dirname \"$0\")\" && pwd -P)\"\ncd \"$DIR/../\"\nexec java ARGUMENTS",
        "f() {\n cd /\n}\n(\ncd /\n)\ncd \"$(dirname \"$0\")/..\"\nexec java ARGUMENTS",
        "cd \"$(dirname \"$0\")/..\"\nHERE=`pwd`\ncd /\ncd \"$HERE\"\nexec java ARGUMENTS",
        // Without a directory of its own, it is started in that of the distribution.
        "exec java ARGUMENTS",
    ];
    let arguments = [
        "-cp \"lib/*\" shop.Main",
        "-cp lib/shop.jar:lib/a.jar shop.Main serve",
        "-Dfile=conf/x -cp \"./conf:./lib/*\" shop.Main",
        "-jar app.jar",
        "-javaagent:lib/a.jar=x=y -Dfile=conf/x -jar lib/shop.jar",
    ];
    let check = |script: &str, from: &Path| {
        let outcome = plan(script);
        assert_eq!(outcome.code, Some(0), "{script}: {outcome:?}");
        let image = outcome.json()["images"][0].clone();
        let words: Vec<String> = image["entrypoint"].as_array().unwrap().iter().map(text).collect();
        let (directory, given) = executed(&project.path("shop-1.2/bin/shop"), &project.path("tools"), from);
        let expected = resolved(&given, &directory);
        assert_eq!(resolved(&words[1..], "/nowhere"), expected, "{script}");
        match image["workdir"].as_str() {
            Some(workdir) => assert_eq!(workdir, directory, "{script}"),
            None => assert_eq!(directory, from.display().to_string(), "{script}"),
        }
    };
    for way in ways {
        for arguments in arguments {
            check(&way.replace("ARGUMENTS", arguments), &home);
        }
    }
    for script in [
        "cd \"$(dirname \"$0\")\"\nexec java -cp \"../lib/*\" shop.Main",
        "exec java -cp \"$(dirname \"$0\")/../lib/*\" shop.Main",
        // As the scripts of Gradle before version 7 go back.
        "PRG=\"$0\"\nSAVED=\"`pwd`\"\ncd \"`dirname \\\"$PRG\\\"`/..\" >/dev/null\nAPP_HOME=\"`pwd -P`\"\ncd \"$SAVED\" >/dev/null\n\
         exec java -cp \"$APP_HOME/lib/*\" shop.Main",
    ] {
        check(script, Path::new("/"));
    }
    for (script, says) in [
        (
            "cd \"$SHOP\"\nexec java -cp \"lib/*\" shop.Main",
            "changes to a directory that its text does not tell",
        ),
        ("cd \"$1\"\nexec java -jar app.jar", "changes to a directory that its text does not tell"),
        ("cd \"$(dirname \"$0\")\"\nexec java -cp \"lib/*\" shop.Main", "names `lib/*`, where no jar is"),
        ("exec java -cp lib/none.jar shop.Main", "names `lib/none.jar`, which is not there"),
        ("exec java -javaagent:lib/none.jar -jar app.jar", "names `lib/none.jar`, which is not there"),
    ] {
        plan(script).has_code(1).says(&[says, "remove `start`, so that the script starts"]).hints();
    }
}

#[test]
fn options_that_java_does_not_read_are_noted() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project("shop.jar", "", &base);
    project.write("shop.jar", hello_jar(""));
    let plan = |set: &[&str]| {
        let run = project.pack("plan");
        set.iter().fold(run, |run, set| run.arg("--set").arg(*set)).ok()
    };
    let note = "`config.env` has `JAVA_OPTS`, which Java does not read";
    plan(&["config.env.JAVA_OPTS=-Xmx1g"]).says(&[note, "`JDK_JAVA_OPTIONS`"]);
    for sound in [
        &["config.env.JDK_JAVA_OPTIONS=-Xmx1g"][..],
        &[
            "config.env.JAVA_OPTS=-Xmx1g",
            "config.entrypoint=[\"/bin/sh\", \"-c\", \"java $JAVA_OPTS -jar /app/app.jar\"]",
        ],
    ] {
        let set = project.pack("plan --allow entrypoint-no-shell=x --allow entrypoint-missing=x");
        let said = sound.iter().fold(set, |run, set| run.arg("--set").arg(*set)).run();
        assert!(!said.stderr.contains(note), "{said:?}");
    }
}

/// Settings that start another script, or Java, need the programs of that one alone.
#[test]
fn a_script_that_is_not_started_needs_no_programs() {
    let (_bare, bare) = base_with_java("17.0.9");
    let project = project("shop-1.2", "", &bare);
    files(&project, &distribution(&Classes::sketch()));
    let said = project.pack("plan").fails(1);
    said.says(&[
        "lacks `/bin/sh`, the interpreter of the start script `/app/bin/shop`",
        "[entrypoint-no-shell]",
    ])
    .says(&["lacks `uname`, which the start script `/app/bin/shop` calls", "[entrypoint-missing]"])
    .says(&["or start the application without the script: `app.start = \"java\"`"]);
    let entrypoint =
        |words: &str| project.pack("plan --strict").arg("--set").arg(format!("config.entrypoint={words}"));
    entrypoint("[\"java\", \"-cp\", \"/app/lib/*\", \"shop.Main\"]").ok();
    entrypoint("[\"/app/bin/shop\"]").fails(1).says(&["lacks `uname`"]);
    // The way out works.
    project.pack("check --strict --set app.start=java").ok();
}

/// A base with this configuration and a link.
fn server(config: &str) -> Project {
    let base = Project::with(&format!(
        "[image]\nname = \"localhost/server\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n\n[config]\n{config}\n"
    ));
    base.write("files/opt/ol/wlp/usr/servers/defaultServer/server.xml", "<server/>");
    std::os::unix::fs::symlink("/opt/ol/wlp/usr/servers/defaultServer", base.path("files/config")).unwrap();
    base.pack("build -o oci:layout").ok();
    base
}

#[test]
fn other_servers_get_the_archive() {
    let class: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x3d Ljakarta/servlet/http/HttpServlet;";
    let mut war = Zip::default();
    let war = war.stored("WEB-INF/classes/A.class", class).finish();
    for (config, path, refuses) in [
        (
            "env = { JBOSS_HOME = \"/opt/jboss/wildfly\", WILDFLY_VERSION = \"30.0.0.Final\" }",
            "opt/jboss/wildfly/standalone/deployments/ROOT.war",
            false,
        ),
        (
            "env = { JBOSS_HOME = \"/opt/jboss/wildfly\", WILDFLY_VERSION = \"26.1.3.Final\" }",
            "opt/jboss/wildfly/standalone/deployments/ROOT.war",
            true,
        ),
        (
            "labels = { \"io.openliberty.version\" = \"24.0.0.1\" }",
            "opt/ol/wlp/usr/servers/defaultServer/dropins/shop.war",
            false,
        ),
        ("env = { PAYARA_HOME = \"/opt/payara\" }", "opt/payara/deployments/ROOT.war", false),
        (
            "env = { PATH_GF_HOME = \"/opt/glassfish7\" }",
            "opt/glassfish7/glassfish/domains/domain1/autodeploy/shop.war",
            false,
        ),
    ] {
        let base = server(config);
        let project = project("shop.war", "", &layout(&base));
        project.write("shop.war", &war);
        if refuses {
            project
                .pack("build")
                .fails(1)
                .says(&["jakarta.servlet", "WildFly 26 in the base runs javax.servlet"])
                .hints();
            continue;
        }
        assert_eq!(names(&project.build("")), ["app"]);
        let paths = paths_in(&project, "app", "");
        assert!(paths.contains(&path.to_owned()), "{paths:?}");
        if config.contains("JBOSS") {
            let deployments = "opt/jboss/wildfly/standalone/deployments";
            std::fs::create_dir_all(project.path("open/WEB-INF/classes")).unwrap();
            std::fs::write(project.path("open/WEB-INF/classes/A.class"), class).unwrap();
            for unpacked in ["--layout exploded", "--set app.path=open"] {
                let built = project.build(unpacked);
                assert_eq!(names(&built), ["classes"], "{unpacked}");
                let paths = paths_in(&project, "classes", unpacked);
                for path in ["ROOT.war.dodeploy", "ROOT.war/WEB-INF/classes/A.class"] {
                    assert!(paths.contains(&format!("{deployments}/{path}")), "{unpacked}: {paths:?}");
                }
                assert!(!paths.contains(&format!("{deployments}/ROOT.war.war")), "{paths:?}");
            }
            // At a place of its own nothing deploys it by a marker.
            let own = "--layout exploded --root /srv/shop";
            project.build(own);
            assert!(!paths_in(&project, "classes", own).iter().any(|path| path.ends_with(".dodeploy")));
            continue;
        }
        project
            .pack("build --layout exploded")
            .fails(1)
            .says(&["deploys web applications as archives"])
            .hints();
    }
    // TomEE is a Tomcat.
    let tomee = server("env = { TOMEE_VER = \"10.0.0\" }\ncmd = [\"catalina.sh\", \"run\"]");
    let project = project("shop.war", "", &layout(&tomee));
    project.write("shop.war", &war);
    assert_eq!(names(&project.build("")), ["classes"]);
    assert!(
        paths_in(&project, "classes", "")
            .contains(&"usr/local/tomee/webapps/ROOT/WEB-INF/classes/A.class".to_owned())
    );
}

/// Names in the code page of old tools, which Java refuses.
#[test]
fn a_jar_that_java_cannot_open_is_refused() {
    let (_base, base) = base_with_java("17.0.9");
    let spoilt = |jar: Vec<u8>| -> Vec<u8> {
        let mut jar = jar;
        let mut found = 0;
        for at in 0..jar.len() - 8 {
            if jar[at..].starts_with(b"page.txt") {
                jar[at] = 0x81;
                found += 1;
            }
        }
        assert_eq!(found, 2, "its two headers");
        jar
    };
    let classes = Classes::sketch();
    let thin = thin_jar(&classes);
    for jar in [boot_jar(&classes, LAYERS, "a page"), thin[0].1.clone()] {
        let project = project("shop.jar", "", &base);
        files(&project, &thin);
        project.write("shop.jar", spoilt(jar));
        project
            .pack("build")
            .fails(1)
            .says(&["shop.jar", "has a name that is said to be UTF-8 and is not"])
            .hints();
    }
}

/// An entry with a signature of the whole, and a file in both of the places that become one.
#[test]
fn a_jar_that_cannot_be_taken_apart_is_refused() {
    let (_base, base) = base_with_java("17.0.9");
    let classes = Classes::sketch();
    for (entries, says) in [
        (&["META-INF/SHOP.SF"][..], "it is signed (`META-INF/SHOP.SF`)"),
        (
            &["META-INF/x.txt", "BOOT-INF/classes/META-INF/x.txt"],
            "`META-INF/x.txt` occurs twice in the thin jar",
        ),
        (&["BOOT-INF/lib/a b.jar"], "cannot be on a class path of a manifest"),
    ] {
        let mut jar = Zip::default();
        let manifest = BOOT.replace("Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\n", "");
        let manifest = manifest.replace("Spring-Boot-Layers-Index: BOOT-INF/layers.idx\r\n", "");
        jar.stored("META-INF/MANIFEST.MF", manifest.as_bytes());
        jar.stored("loader/Launcher.class", &classes.launcher);
        jar.stored("BOOT-INF/classes/shop/Main.class", &classes.main);
        for entry in entries {
            jar.stored(entry, b"content");
        }
        let project = project("shop.jar", "", &base);
        project.write("shop.jar", jar.finish());
        project.pack("build").fails(1).says(&["shop.jar", says]).hints();
        project.pack("build --layout packaged").ok();
    }
}
