//! The pages about the files of images, and the tree in a terminal.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::support::{PACK, Project, skipped, tree_on};

/// A name that would be a script, an image, another direction of writing and a new line if it were no text.
const HOSTILE: &str = "<!--<script><img src=x onerror=alert(1)>\u{202e}gpj\n.txt";

/// An image on a base, which replaces a file of the base and has hostile names.
fn project() -> Project {
    let project = Project::with(
        "[image]\nname = \"localhost/below\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[app]\npath = \"below\"\nkind = \"tree\"\nroot = \"/srv\"\n",
    );
    project.write("below/conf/app.conf", "old ".repeat(500)).write("below/keep.txt", "kept\n");
    project.pack("build -o oci:base").ok();
    project.write("build.toml", tree_on("oci:base"));
    project.write("files/conf/app.conf", "new\n").write(&format!("files/{HOSTILE}"), "x\n");
    project.build("-o oci:out");
    project
}

#[test]
fn a_page_is_one_file_that_is_the_same_each_time() {
    let project = project();
    let run = project.pack("inspect oci:out --html page.html").ok();
    assert!(run.stdout.contains("Layers, bottom first") && run.stderr.contains("page in"), "{}", run.stderr);
    let page = fs::read_to_string(project.path("page.html")).unwrap();
    assert_eq!(project.pack("inspect oci:out --html -").ok().stdout, page);
    assert!(page.contains("default-src 'none'; script-src 'sha256-") && !page.contains("http:"));
    assert!(!page.contains("<img") && !page.contains(['\u{202e}']), "names are data");
    assert_eq!(page.matches("</script>").count(), 2, "the data, and the script");
    assert!(page.contains("replaces it</td>"), "what is covered is in a table, too");
    // The result is what it is without a page.
    let json = project.pack("inspect oci:out --json --html page.html").ok().json();
    assert_eq!(json, project.pack("inspect oci:out --json").ok().json());
}

#[test]
fn a_page_that_cannot_be_written_or_has_no_subject_is_refused() {
    let project = project();
    project.pack("inspect oci:out --html files").fails(1).says(&["it is a directory"]);
    project.pack("inspect oci:none --html page.html").fails(1);
    project.pack("inspect oci:out --html {name}.html").fails(2).says(&["{name}"]);
    project.build("");
    project.pack("inspect store:localhost/tree --html page.html").fails(2).says(&["no single image"]).hints();
    project.pack("inspect oci:out --tree --json").fails(2);
    project.pack("inspect oci:out --depth 3").fails(2);
    assert!(!project.path("page.html").exists());
}

#[test]
fn a_page_of_differences_says_what_a_pull_fetches() {
    let project = project();
    project.append("files/conf/app.conf", "newer\n");
    project.write("files/added.txt", "added\n");
    project.build("-o oci:newer");
    let run = project.pack("diff oci:out oci:newer --html page.html").run().has_code(1);
    assert!(run.stdout.contains("First difference"), "{}", run.stdout);
    let page = fs::read_to_string(project.path("page.html")).unwrap();
    assert_eq!(project.pack("diff oci:out oci:newer --html -").run().has_code(1).stdout, page);
    assert!(page.contains("<dt>a pull of B fetches</dt><dd>1 layer, "), "{page}");
    assert!(page.contains("+ only in B") || page.contains("entries differ") || page.contains("~ "), "{page}");
    assert!(page.contains("added.txt") && page.contains("app.conf"), "{page}");
    // No difference is a page, too.
    project.pack("diff oci:out oci:out --html page.html").ok();
    assert!(fs::read_to_string(project.path("page.html")).unwrap().contains("the images are the same"));
}

#[test]
fn a_tree_shows_the_largest_directories() {
    let project = project();
    let tree = project.pack("inspect oci:out --tree").ok().stdout;
    let row = |name: &str| {
        tree.lines().find(|line| line.trim_end().ends_with(name)).unwrap_or_else(|| panic!("{tree}"))
    };
    assert!(row("conf/").contains("2.0 kB") && row("conf/").contains('2'), "{tree}");
    assert!(tree.contains("COVERED") && !tree.contains("app.conf"), "{tree}");
    assert!(!tree.contains('\u{202e}') && !tree.contains('\u{1b}'), "{tree}");
    let deeper = project.pack("inspect oci:out --tree --depth 3").ok().stdout;
    assert!(deeper.contains("app.conf"), "{deeper}");
    let root = project.pack("inspect oci:out --tree --depth 0").ok().stdout;
    assert_eq!(root.lines().skip_while(|line| !line.is_empty()).count(), 3, "{root}");
}

/// Names that take six times their bytes in a page, more of them than are shown: some seconds.
#[test]
fn hostile_names_cost_little() {
    if !Path::new("/usr/bin/time").exists() {
        return skipped("what names cost", "/usr/bin/time is not installed");
    }
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for number in 0..150_000 {
        let mut header = tar::Header::new_ustar();
        header.set_mode(number % 0o7777);
        header.set_uid(u64::from(number));
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let name = [&[0xff; 80][..], number.to_string().as_bytes()].concat();
        header.as_old_mut().name[..name.len()].copy_from_slice(&name);
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    let layer = builder.into_inner().unwrap().finish().unwrap();
    let project = Project::new();
    crate::hostile::layout(&project.path("base"), &[layer]);
    for arguments in ["inspect oci:base:1 --html page.html", "inspect oci:base:1 --tree"] {
        let figures = project.beside("figures");
        let mut command = Command::new("/usr/bin/time");
        command.args(["-q", "-f", "%M %U", "-o"]).arg(&figures).arg(PACK).args(arguments.split(' '));
        command.current_dir(project.root()).env("PACK_CACHE_DIR", project.cache());
        let output = command.env("HOME", project.beside("home")).output().unwrap();
        let figures = fs::read_to_string(&figures).unwrap();
        let (peak, seconds) = figures.trim().split_once(' ').unwrap();
        let (peak, seconds): (u64, f64) = (peak.parse().unwrap(), seconds.parse().unwrap());
        eprintln!("pack {arguments}: {} MiB, {seconds} s of processor time", peak >> 10);
        let said = String::from_utf8_lossy(&output.stderr);
        // Other tests run at the same time, so that the clock tells less.
        assert!(peak < 256 << 10 && seconds < 20.0, "{arguments}: {peak} kB, {seconds} s");
        match arguments.ends_with("--tree") {
            true => assert!(output.status.success(), "{said}"),
            false => assert!(said.contains("takes more than 176 MiB of memory"), "{said}"),
        }
    }
}

/// Looks at the pages with a browser, if there is one: some seconds.
#[test]
fn a_browser_shows_the_files_of_an_image() {
    const BROWSER: &str = "/usr/bin/chromium";
    if !Path::new(BROWSER).exists() {
        return skipped("pages of files in a browser", "no chromium; `tests/run --peers` installs it");
    }
    let project = project();
    project.pack("inspect oci:out --html page.html").ok();
    project.append("files/conf/app.conf", "newer\n");
    project.build("-o oci:newer");
    project.pack("diff oci:out oci:newer --html diff.html").run().has_code(1);
    let browser = |page: &str, how: &str| {
        let mut command = Command::new(BROWSER);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--enable-logging=stderr", "--window-size=1200,1400", how]);
        command.arg(format!("--user-data-dir={}", project.beside("browser").display()));
        let (file, fragment) = page.split_once('#').unwrap_or((page, ""));
        command.arg(format!("file://{}#{fragment}", project.path(file).display()));
        let shown =
            command.env("HOME", project.beside("home")).current_dir(project.beside("tmp")).output().unwrap();
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{said}");
        // The page's log, errors of scripts and of its policy included.
        assert!(!said.contains("CONSOLE"), "{said}");
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    let started = Instant::now();
    let dom = browser("page.html", "--dump-dom");
    let rows = |dom: &str| dom.matches("role=\"treeitem\"").count();
    assert!(dom.contains("data-ready=") && !dom.contains("data-error"), "{dom}");
    assert!(rows(&dom) >= 2 && dom.contains("<button") && !dom.contains("<img"), "{dom}");
    let found = browser("page.html#q=CONF/app", "--dump-dom");
    assert!(found.contains(">app.conf</bdi>") && found.contains("replaced in layer 2"), "{found}");
    assert!(!found.contains(">keep.txt</bdi>"), "{found}");
    let hostile = browser("page.html#q=onerror", "--dump-dom");
    let name = "&lt;img src=x onerror=alert(1)&gt;\\u{202e}gpj\\u{a}.txt</bdi>";
    assert!(hostile.contains(name) && !hostile.contains("<img"), "{hostile}");
    let nothing = browser("page.html#q=no-such-name", "--dump-dom");
    assert!(nothing.contains("nothing has this") && rows(&nothing) <= 1, "{nothing}");
    let of_layer = browser("page.html#group=0", "--dump-dom");
    assert!(of_layer.contains("aria-pressed=\"true\""), "{of_layer}");
    let changes = browser("diff.html#q=app.conf", "--dump-dom");
    assert!(changes.contains(">app.conf</bdi>") && changes.contains("size: 4 → 10"), "{changes}");
    let picture = project.beside("page.png");
    browser("page.html", &format!("--screenshot={}", picture.display()));
    assert!(fs::metadata(&picture).unwrap().len() > 10_000);
    eprintln!("the browser took {} ms", started.elapsed().as_millis());
}
