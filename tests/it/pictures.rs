//! The pages about the files of images, and the tree in a terminal.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::support::{PACK, Project, sha256, skipped, tree_on};

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

/// A layer of files of zeros: a name that ends in a slash is a directory, `name -> target` a hard link.
fn layer(entries: &[(&str, usize)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, size) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(*size as u64);
        if let Some((name, target)) = name.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut header, name, target).unwrap();
            continue;
        }
        if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder.append_data(&mut header, name, &vec![0; *size][..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An image `oci:base:1` with a file that has two names, an emptied directory, and a path that its own layer marks as removed.
fn layered() -> Project {
    let project = Project::new();
    let below: &[(&str, usize)] = &[
        ("d/x", 1000),
        ("h1", 4000),
        ("h2 -> h1", 0),
        ("large", 5_850_000),
        ("z", 60_000),
        ("both/z", 9),
        ("both/new", 90_000),
        ("gone/", 0),
        ("gone/a", 144_000),
    ];
    let above: &[(&str, usize)] = &[
        ("d/", 0),
        ("d/.wh..wh..opq", 0),
        ("d/z", 700),
        (".wh.h1", 0),
        ("both/z", 7),
        ("both/.wh.z", 0),
        ("z", 50_000),
        (".wh.gone", 0),
    ];
    crate::hostile::layout(&project.path("base"), &[layer(below), layer(above)]);
    project
}

#[test]
fn links_and_marks_of_layers_are_counted_as_a_container_sees_them() {
    let project = layered();
    let tree = project.pack("inspect oci:base:1 --tree --depth 1").ok().stdout;
    let row = |name: &str| {
        let of = |line: &str| {
            line.split_whitespace().filter(|word| !word.starts_with('=')).collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<String> = tree.lines().skip_while(|line| !line.is_empty()).map(of).collect();
        rows.into_iter().find(|row| row.ends_with(name)).unwrap_or_else(|| panic!("{name}: {tree}"))
    };
    assert_eq!(row(" h2"), "4.0 kB 1 h2");
    assert_eq!(row(" h1 (removed)"), "0 B h1 (removed)");
    assert_eq!(row(" d/"), "700 B 1.0 kB 2 d/");
    assert_eq!(row(" gone/ (removed)"), "0 B 144.0 kB gone/ (removed)");
    assert_eq!(row(" z"), "50.0 kB 60.0 kB 2 z");
    let both = project.pack("inspect oci:base:1 --tree --depth 2").ok().stdout;
    assert!(both.lines().any(|line| line.trim_start().starts_with("7 B") && line.ends_with("  z")), "{both}");
    // The table of layers does not count the file with another name as covered.
    let page = project.pack("inspect oci:base:1 --html -").ok().stdout;
    assert!(page.contains("205.0 kB in 4 files"), "{page}");
}

#[test]
fn a_diff_id_that_is_not_that_of_its_layer_is_told() {
    let project = Project::new();
    let [one, other] = [layer(&[("a", 10)]), layer(&[("a", 11)])];
    let mut longer = one.clone();
    longer.extend([0; 512]);
    let wrong = sha256(b"another tar");
    crate::hostile::layout(&project.path("a"), std::slice::from_ref(&one));
    crate::hostile::layout(&project.path("longer"), std::slice::from_ref(&longer));
    crate::hostile::layout_with(&project.path("other"), &[other], &[sha256(&one)]);
    crate::hostile::layout_with(
        &project.path("same-blob"),
        std::slice::from_ref(&one),
        std::slice::from_ref(&wrong),
    );
    let packed = zstd::encode_all(&one[..], 1).unwrap();
    crate::hostile::layout_with(&project.path("packed"), &[packed], std::slice::from_ref(&wrong));
    crate::hostile::layout_with(
        &project.path("longer-wrong"),
        std::slice::from_ref(&longer),
        std::slice::from_ref(&wrong),
    );
    let first = |image: &str| {
        let json = project.pack(&format!("diff --json oci:a:1 oci:{image}")).run().has_code(1).json();
        json["first"].as_str().unwrap().to_owned()
    };
    let padding = "layer 1: the entries are the same, padding or the end of the tar is not";
    let lie =
        |tar: &[u8]| format!("; the diff ID {wrong} in B is not that of its layer, which is {}", sha256(tar));
    assert_eq!(first("longer:1"), padding);
    assert_eq!(first("longer-wrong:1"), format!("{padding}{}", lie(&longer)));
    assert_eq!(first("packed:1"), format!("layer 1: the tars are the same{}", lie(&one)));
    let one = sha256(&one);
    let blob = format!(
        "layer 1: the same blob has the diff ID {one} in A and {wrong} in B, and one of them is wrong"
    );
    assert_eq!(first("same-blob:1"), blob);
    // Layers of one diff ID are only read on request.
    assert!(first("other:1").contains("same files, different compression"));
    let read =
        format!("layer 1: a: size: 10 → 11; both have the diff ID {one}, which is wrong for one of them");
    assert_eq!(first("other:1 --full"), read);
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

/// A browser that shows a page of a project.
struct Browser<'a>(&'a Project);

impl<'a> Browser<'a> {
    const PROGRAM: &'static str = "/usr/bin/chromium";

    fn of(project: &'a Project) -> Option<Self> {
        if Path::new(Self::PROGRAM).exists() {
            return Some(Self(project));
        }
        skipped("pages of files in a browser", "no chromium; `tests/run --peers` installs it");
        None
    }

    fn show(&self, page: &str, how: &str) -> String {
        let Self(project) = self;
        let mut command = Command::new(Self::PROGRAM);
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
    }

    /// The rows of the list, each with its cells between bars, without modes.
    fn rows(&self, page: &str) -> Vec<String> {
        let dom = self.show(page, "--dump-dom");
        let list = dom.split("id=\"space\"").nth(1).unwrap().split("<p class=\"help\"").next().unwrap();
        let row = |row: &str| {
            let cells: Vec<String> = row.split("<span").skip(1).map(text_of).collect();
            [&cells[..3], &cells[5..]].concat().join("|")
        };
        list.split("role=\"treeitem\"").skip(1).map(row).collect()
    }
}

/// The text of an element whose first tag has begun.
fn text_of(element: &str) -> String {
    element.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

/// Looks at what layers do to each other: some seconds.
#[test]
fn a_browser_shows_links_marks_and_figures() {
    let project = layered();
    let Some(browser) = Browser::of(&project) else { return };
    project.pack("inspect oci:base:1 --html page.html").ok();
    let rows = browser.rows("page.html");
    // Equal figures as in the facts, and the largest that a container sees first.
    insta::assert_snapshot!(rows.join("\n"), @r"
    6.0 MB|205.0 kB||▾/
    5.9 MB||layer 1|large
    90.0 kB|9 B||▸both/
    50.0 kB|60.0 kB|layer 2|z
    |60.0 kB|layer 1|z  replaced in layer 2
    4.0 kB||layer 1|h2=  is /h1
    700 B|1.0 kB|layer 2|▸d/
    ||layer 2|d/ (emptied)
    |144.0 kB|layer 1|▸gone/  removed in layer 2
    ||layer 2|gone (removed)
    ||layer 1|h1  removed in layer 2, still there by another name
    ||layer 2|h1 (removed)
    ");
    insta::assert_snapshot!(browser.rows("page.html#covered=1").join("\n"), @r"
    |205.0 kB||▾/
    |144.0 kB|layer 1|▾gone/  removed in layer 2
    |144.0 kB|layer 1|a  removed in layer 2
    |60.0 kB|layer 2|z
    |60.0 kB|layer 1|z  replaced in layer 2
    |1.0 kB|layer 2|▾d/
    |1.0 kB|layer 1|x  removed in layer 2
    |9 B||▾both/
    |9 B|layer 2|z
    |9 B|layer 1|z  replaced in layer 2
    ||layer 1|h1  removed in layer 2, still there by another name
    ");
    let one = browser.show("page.html#q=large", "--dump-dom");
    assert!(one.contains(">1 of ") && one.contains(" rows, 5.9 MB</output>"), "{one}");
    assert!(one.contains("<dd>6, 6.0 MB</dd>") && one.contains(">5.9 MB<svg"), "{one}");
}

/// Looks at the pages with a browser, if there is one: some seconds.
#[test]
fn a_browser_shows_the_files_of_an_image() {
    let project = project();
    let Some(browser) = Browser::of(&project) else { return };
    project.pack("inspect oci:out --html page.html").ok();
    project.append("files/conf/app.conf", "newer\n");
    project.build("-o oci:newer");
    project.pack("diff oci:out oci:newer --html diff.html").run().has_code(1);
    let browser = |page: &str, how: &str| browser.show(page, how);
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
