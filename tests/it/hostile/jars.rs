//! Jars whose indexes and class paths are wrong, or odd and right. Java itself is the judge of class paths.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::apps::base_with_java;
use crate::artifacts::paths_in;
use crate::support::{Project, Zip, skipped};

const CLASS: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x37 a class";

fn project(base: &str) -> Project {
    Project::with(&format!(
        "[image]\nname = \"localhost/shop\"\nbase = \"{base}\"\ntags = [\"1\"]\n[app]\npath = \"app.jar\"\n"
    ))
}

/// A Spring Boot jar with these indexes and libraries.
fn boot(class_path: &str, layers: &str, libraries: &[&str]) -> Vec<u8> {
    const MANIFEST: &str = "Main-Class: loader.Launcher\nStart-Class: shop.Main\nSpring-Boot-Classes: BOOT-INF/classes/\n\
                            Spring-Boot-Lib: BOOT-INF/lib/\nSpring-Boot-Classpath-Index: BOOT-INF/classpath.idx\n\
                            Spring-Boot-Layers-Index: BOOT-INF/layers.idx\n";
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", MANIFEST.as_bytes()).stored("loader/Launcher.class", CLASS);
    jar.stored("BOOT-INF/classes/shop/Main.class", CLASS);
    for library in libraries {
        jar.stored(&format!("BOOT-INF/lib/{library}"), library.as_bytes());
    }
    jar.stored("BOOT-INF/classpath.idx", class_path.as_bytes());
    jar.stored("BOOT-INF/layers.idx", layers.as_bytes()).finish()
}

const ONE: &str = "- \"all\":\n  - \"BOOT-INF/\"\n  - \"META-INF/\"\n  - \"loader/\"\n";

#[test]
fn an_index_that_is_wrong_is_said_with_its_line() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project(&base);
    let class_path = "- \"BOOT-INF/lib/a.jar\"\n";
    for (class_path, layers, says) in [
        (
            "- \"BOOT-INF/lib/a.jar\"\n\n- \"BOOT-INF/lib/gone.jar\"\n",
            ONE,
            "line 3 of its index of the class path has `BOOT-INF/lib/gone.jar`",
        ),
        (
            "- \"BOOT-INF/lib/a.jar\"\n- a.jar\n",
            ONE,
            "line 2 of `BOOT-INF/classpath.idx` in it is not understood: `- a.jar`",
        ),
        ("- \"\"\n", ONE, "line 1 of `BOOT-INF/classpath.idx`"),
        ("- \"BOOT-INF/lib/b c.jar\"\n", ONE, "`BOOT-INF/lib/b c.jar` cannot be on a class path"),
        (
            class_path,
            "- \"a\":\n  - \"BOOT-INF/lib/gone.jar\"\n",
            "line 2 of `BOOT-INF/layers.idx` in it puts `BOOT-INF/lib/gone.jar` into the layer `a`, and the archive has no such file",
        ),
        (
            class_path,
            "- \"a\":\n  - \"BOOT-INF/\"\n\n- \"b\":\r\n  - \"BOOT-INF/\"\r\n",
            "into two layers, `a` in line 2 and `b` in line 5",
        ),
        (class_path, "- \"a\":\n- \"a\":\n  - \"BOOT-INF/\"\n", "has the layer `a` twice, again in line 2"),
        (class_path, "  - \"BOOT-INF/\"\n", "line 1 of `BOOT-INF/layers.idx` in it is not understood"),
        (class_path, "- \"a\":\n  - \"loader/\"\n", "has none for `BOOT-INF/layers.idx`"),
        (class_path, "\n\n", "names no layer"),
        (class_path, "- \"\u{1b}[2J\":\n", "line 1 of `BOOT-INF/layers.idx`"),
    ] {
        project.write("app.jar", boot(class_path, layers, &["a.jar", "b c.jar"]));
        project.pack("build").fails(1).says(&["app.jar", says]).hints();
        // The way out works.
        project.pack("build --layout packaged").ok();
    }
}

#[test]
fn an_index_may_have_line_ends_of_windows_empty_layers_and_any_names() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project(&base);
    let of = |class_path: &str, layers: &str| {
        project.write("app.jar", boot(class_path, layers, &["a.jar", "\u{fc}+~.jar"]));
        let built = project.build("");
        (built.digest(), built.layers().into_iter().map(|layer| layer.name).collect::<Vec<_>>())
    };
    let class_path = "- \"BOOT-INF/lib/\u{fc}+~.jar\"\n- \"BOOT-INF/lib/a.jar\"\n";
    let layers = "- \"my \"own\" libs, \u{fc}\":\n  - \"BOOT-INF/lib/\"\n- \"empty\":\n- \"rest\":\n  - \"BOOT-INF/\"\n  - \"META-INF/\"\n  - \"loader/\"\n";
    let (digest, names) = of(class_path, layers);
    assert_eq!(names, ["my \"own\" libs, \u{fc}", "rest"]);
    let windows = |text: &str| text.replace('\n', "\r\n");
    // The indexes are in no layer of the extracted application, so that their line ends are not either.
    assert_eq!(of(&windows(class_path), &windows(layers)), (digest.clone(), names.clone()));
    assert_eq!(of(&[class_path, class_path].concat(), &format!("\n{layers}\n\n")), (digest, names));
}

/// A jar with a text that says where it is, and a class path in lines of at most 72 bytes, which end within characters.
fn jar(place: &str, class_path: &str) -> Vec<u8> {
    let line = format!("Class-Path: {class_path}");
    let mut manifest = b"Manifest-Version: 1.0\r\nMain-Class: a.A\r\n".to_vec();
    let (first, rest) = line.as_bytes().split_at(line.len().min(72));
    manifest.extend(first);
    for part in rest.chunks(71) {
        manifest.extend(b"\r\n ");
        manifest.extend(part);
    }
    manifest.extend(b"\r\n\r\n");
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", &manifest).stored("a/A.class", CLASS);
    jar.stored("place.txt", place.as_bytes()).finish()
}

#[test]
fn a_class_path_is_what_java_reads() {
    let long = format!("lib/{}.jar", "\u{fc}\u{1f600}".repeat(30));
    let own = [
        "lib/a.jar",
        "lib/b%20c.jar",
        "lib/d+e.jar",
        "./lib/./f.jar",
        "lib/none/../g.jar",
        "lib/%C3%BC.jar",
        "lib//h.jar",
        "lib/i.jar",
        &long,
        "config/",
        "lib/%61gain.jar",
        "app.jar",
    ];
    let circular = "../lib/a.jar i.jar ../app.jar gone.jar j.jar ./k/k.jar http://127.0.0.1/x.jar file:l.jar";
    let files = [
        ("app.jar", own.join("  ")),
        ("lib/a.jar", circular.to_owned()),
        ("lib/b c.jar", String::new()),
        ("lib/d+e.jar", String::new()),
        ("lib/f.jar", String::new()),
        ("lib/g.jar", String::new()),
        ("lib/\u{fc}.jar", String::new()),
        ("lib/h.jar", String::new()),
        ("lib/i.jar", "a.jar".to_owned()),
        (&*long, String::new()),
        ("lib/again.jar", String::new()),
        ("lib/j.jar", "../m.jar".to_owned()),
        ("lib/k/k.jar", "../i.jar".to_owned()),
        ("m.jar", "app.jar".to_owned()),
        ("lib/not-named.jar", String::new()),
    ];
    let (_base, base) = base_with_java("17.0.9");
    let project = project(&base);
    for (name, class_path) in &files {
        project.write(name, jar(name, class_path));
    }
    project.write("config/x.txt", "x");
    let in_image: BTreeSet<String> = paths_in(&project, "dependencies", "")
        .into_iter()
        .filter_map(|path| Some(path.strip_prefix("app/")?.to_owned()))
        .filter(|path| path.ends_with(".jar"))
        .collect();
    project.pack("plan").ok().says(&["config/"]);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/ClassPath.java");
    let said = Command::new("java")
        .arg("-cp")
        .arg(project.path("app.jar"))
        .arg(script)
        .env("LC_ALL", "C.UTF-8")
        .output();
    let Some(said) = said.ok().filter(|said| said.status.success()) else {
        skipped("Java as a judge", "it is not installed");
        return;
    };
    let mut seen: BTreeSet<String> =
        String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(seen.remove("app.jar"));
    assert_eq!(in_image, seen);
}

#[test]
fn a_class_path_that_leads_elsewhere_is_refused() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project(&base);
    project.write("lib/a.jar", jar("lib/a.jar", ""));
    std::os::unix::fs::symlink("/etc", project.path("etc")).unwrap();
    std::os::unix::fs::symlink("circle.jar", project.path("circle.jar")).unwrap();
    for (class_path, says) in [
        ("lib/gone.jar", "lib/gone.jar`, which is not there"),
        ("lib/a.jar ../up.jar", "`../up.jar`, which is above the directory of the jar"),
        ("lib/../../up.jar", "which is above the directory of the jar"),
        ("%2e%2e/up.jar", "which is above the directory of the jar"),
        ("/etc/passwd", "which is not relative to the jar"),
        ("file:lib/a.jar", "which is not relative to the jar"),
        ("https://example.org/a.jar", "which is not relative to the jar"),
        ("lib/a%2.jar", "a percent sign is wrong in it"),
        ("lib/%ff.jar", "a percent sign is wrong in it"),
        ("lib/a%00.jar", "which is no path of a file"),
        ("etc/passwd", "a link that leads out of the directory of the jar"),
        ("circle.jar", "circle.jar`, which is not there"),
        ("lib/a.jar/x", "which is not there"),
    ] {
        project.write("app.jar", jar("app.jar", class_path));
        project.pack("build").fails(1).says(&["app.jar", says]).hints();
    }
}

#[test]
fn a_library_that_is_no_jar_is_named() {
    let (_base, base) = base_with_java("17.0.9");
    let project = project(&base);
    project.write("app.jar", jar("app.jar", "lib/a.jar"));
    project.write("lib/a.jar", "<html>not found</html>");
    project.pack("build").fails(1).says(&["lib/a.jar", "is not a zip archive"]).hints();
    project.write("lib/a.jar", &jar("lib/a.jar", "")[..100]);
    project.pack("build").fails(1).says(&["lib/a.jar", "truncated"]).hints();
}
