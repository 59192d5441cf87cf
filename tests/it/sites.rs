//! Static sites as web servers serve them: what a browser keeps is never taken for what is there now.
//!
//! The servers are Debian's nginx, Apache httpd and Caddy, each on a free port with the files of the image.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Built, Project, is_root, settle, skipped};

/// A web server; it is stopped when dropped.
struct Server {
    name: &'static str,
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An answer: status, headers in lower case, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts a server for the files below `root`, with its own files in `directory`.
    fn start(name: &'static str, root: &Path, directory: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::create_dir_all(directory).unwrap();
        let (root, own) = (root.display(), directory.display());
        let (program, config, arguments) = match name {
            "nginx" => (
                "/usr/sbin/nginx",
                format!(
                    "daemon off; master_process off; pid {own}/pid; error_log {own}/error.log;\nevents {{}}\n\
                     http {{ access_log off; client_body_temp_path {own}/a; proxy_temp_path {own}/b;\n\
                     fastcgi_temp_path {own}/c; uwsgi_temp_path {own}/d; scgi_temp_path {own}/e;\n\
                     server {{ listen 127.0.0.1:{port}; root {root}; gzip_static on; }} }}\n"
                ),
                format!("-e {own}/error.log -p {own} -c {own}/config"),
            ),
            "httpd" => (
                "/usr/sbin/apache2",
                format!(
                    "ServerRoot {own}\nPidFile {own}/pid\nErrorLog {own}/error.log\nDefaultRuntimeDir {own}\n\
                     ServerName localhost\nListen 127.0.0.1:{port}\nDocumentRoot {root}\n{}\
                     LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
                     LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
                     <Directory />\nRequire all granted\n</Directory>\n",
                    if is_root() { "User nobody\nGroup nogroup\n" } else { "" }
                ),
                format!("-X -f {own}/config"),
            ),
            _ => (
                "/usr/bin/caddy",
                format!(
                    "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://127.0.0.1:{port} {{\n\troot * {root}\n\tfile_server\n}}\n"
                ),
                format!("run --adapter caddyfile --config {own}/config"),
            ),
        };
        fs::write(directory.join("config"), config).unwrap();
        let output = fs::File::create(directory.join("output")).unwrap();
        let process = Command::new(program)
            .args(arguments.split(' '))
            .env("HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .env("XDG_CONFIG_HOME", directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Self { name, process, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(directory.join("output")).unwrap();
            assert!(server.process.try_wait().unwrap().is_none(), "{name} ended: {}", said());
            assert!(begun.elapsed() < Duration::from_secs(30), "{name} does not listen: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let host = format!("127.0.0.1:{}", self.port);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Answer { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }
}

/// Unpacks the layers of an image in a layout into a new directory, and returns what is at `/www` there.
fn unpack(project: &Project, layout: &str, built: &Built, to: &str) -> PathBuf {
    let root = project.beside(to);
    let _ = fs::remove_dir_all(&root);
    fs::create_dir(&root).unwrap();
    for layer in built.layers() {
        let blob = project.path(layout).join("blobs/sha256").join(&layer.blob["sha256:".len()..]);
        let status = Command::new("tar").arg("-xzpf").arg(blob).arg("-C").arg(&root).status().unwrap();
        assert!(status.success());
    }
    root.join("www")
}

fn site() -> Project {
    let project = Project::with(
        "[image]\nname = \"localhost/site\"\ntags = [\"1\"]\n[app]\npath = \"dist\"\nroot = \"/www\"\n",
    );
    project
        .write("dist/index.html", "<p>open\n")
        .write("dist/about.html", "<p>about us\n")
        .write("dist/empty.txt", "");
    project
}

#[test]
#[allow(clippy::disallowed_methods, reason = "whether servers are required is no content")]
fn an_old_validator_never_gets_new_content_called_unchanged() {
    let programs = ["/usr/sbin/nginx", "/usr/sbin/apache2", "/usr/bin/caddy"];
    if let Some(missing) = programs.iter().find(|program| !Path::new(program).exists()) {
        assert!(std::env::var_os("PACK_TEST_REQUIRE").is_none(), "{missing} is missing");
        return skipped("web servers", missing);
    }
    let project = site();
    let before = project.build("-o oci:old");
    // A page of the same length, so that its size does not tell the two apart.
    project.write("dist/index.html", "<p>shut\n");
    let after = project.build("-o oci:new");
    let (old, new) = (unpack(&project, "old", &before, "old"), unpack(&project, "new", &after, "new"));
    let date = |answer: &Answer| answer.header("last-modified").map(str::to_owned);
    for name in ["nginx", "httpd", "caddy"] {
        let first = Server::start(name, &old, &project.beside(&format!("{name}-old")));
        let [page, other, empty] =
            ["/index.html", "/about.html", "/empty.txt"].map(|path| first.get(path, &[]));
        drop(first);
        let now = Server::start(name, &new, &project.beside(&format!("{name}-new")));
        let tag = page.header("etag").unwrap_or_else(|| panic!("{name}: {page:?}")).to_owned();
        let modified = date(&page).unwrap();
        for headers in [
            &[("If-None-Match", tag.as_str())][..],
            &[("If-None-Match", &tag), ("If-Modified-Since", &modified)],
        ] {
            let answer = now.get("/index.html", headers);
            assert_eq!((answer.status, &*answer.body), (200, "<p>shut\n"), "{name} {headers:?}: {answer:?}");
            assert_ne!(answer.header("etag"), Some(&*tag), "{name}");
        }
        // The effect of a date alone differs between servers, and is documented: here the new time is the later one
        // or not.
        let by_date = now.get("/index.html", &[("If-Modified-Since", &modified)]);
        let is_later = seconds(&new.join("index.html")) > seconds(&old.join("index.html"));
        if now.name == "nginx" || is_later {
            assert_eq!(by_date.status, 200, "{name}: {by_date:?}");
        }
        for (path, kept) in [("/about.html", &other), ("/empty.txt", &empty)] {
            let tag = kept.header("etag").unwrap();
            let answer =
                now.get(path, &[("If-None-Match", tag), ("If-Modified-Since", &date(kept).unwrap())]);
            assert_eq!(answer.status, 304, "{name} {path} is unchanged: {answer:?}");
        }
        // It is a time of the past, as a server must give.
        assert!(["2022", "2023", "2024"].iter().any(|year| modified.contains(year)), "{name}: {modified}");
    }
}

fn seconds(path: &Path) -> i64 {
    std::os::unix::fs::MetadataExt::mtime(&fs::metadata(path).unwrap())
}

#[test]
fn a_commit_sends_no_file_of_a_site_again() {
    let project = site();
    let git = |arguments: &str| {
        let status = Command::new("git")
            .current_dir(project.root())
            .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
            .args(arguments.split_whitespace())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status();
        assert!(status.unwrap().success());
    };
    let without = project.build("");
    git("init -q -b main");
    git("add .");
    git("commit -q -m first");
    let first = project.build("");
    project.write("README", "read me\n");
    git("add .");
    git("commit -q -m second");
    settle(&project.path("dist/index.html"));
    let second = project.build("");
    assert_ne!(first.digest(), second.digest(), "the image names its commit");
    assert_eq!(first.layers(), second.layers());
    assert_eq!(first.layers(), without.layers(), "with and without git");
    assert_eq!(second.built_layers(), Vec::<String>::new());
    // And no file is read to find that out.
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(plan["images"][0]["layers"][0]["fileMemo"]["readBytes"], 0, "{plan:#}");
    assert_eq!(project.pack("build --set app.mtime=commit").built("").layers().len(), 1);
    // Without a commit there is no such time.
    std::fs::rename(project.path(".git"), project.path("away")).unwrap();
    project
        .pack("build --set app.mtime=commit")
        .fails(1)
        .says(&["neither a git commit nor `SOURCE_DATE_EPOCH`"])
        .hints();
    let timed = project.pack("build --set app.mtime=commit").env("SOURCE_DATE_EPOCH", "1700000000");
    assert_eq!(timed.built("").layers().len(), 1);
    std::fs::rename(project.path("away"), project.path(".git")).unwrap();
    assert_ne!(project.build("--set app.mtime=commit").layers(), first.layers());
}

#[test]
fn times_are_those_of_contents_wherever_they_lie() {
    let project = site();
    project.write("dist/deep/copy.html", "<p>open\n").write("dist/large.bin", vec![7; 300_000]);
    fs::hard_link(project.path("dist/large.bin"), project.path("dist/other.bin")).unwrap();
    let huge: Vec<u8> = (0..2_500_000_u32).map(|at| (at % 251) as u8).collect();
    project.write("dist/huge.bin", &huge);
    let built = project.build("-o oci:out");
    let root = unpack(&project, "out", &built, "files");
    assert_eq!(seconds(&root.join("index.html")), seconds(&root.join("deep/copy.html")));
    assert_ne!(seconds(&root.join("index.html")), seconds(&root.join("about.html")));
    assert_eq!(seconds(&root.join("large.bin")), seconds(&root.join("other.bin")), "one file, one time");
    assert_eq!(seconds(&root.join("deep")), 1, "a directory has no content");
    // As `docs/layer-format.md` defines it.
    let time_of = |content: &[u8]| 1_668_000_000 + i64::from(crc32fast::hash(content) % (1 << 26));
    assert_eq!(seconds(&root.join("index.html")), time_of(b"<p>open\n"));
    assert_eq!(seconds(&root.join("large.bin")), time_of(&[7; 300_000]));
    assert_eq!(seconds(&root.join("huge.bin")), time_of(&huge), "made of pieces");

    // For a declared layer, too.
    let layer = "layer=[{name=\"l\",files=[{from=\"dist/index.html\",to=\"/www/x\"}]}]";
    let built = project.pack("build").arg("--set").arg(layer).built("-o oci:declared");
    let root = unpack(&project, "declared", &built, "declared");
    assert_eq!(seconds(&root.join("x")), time_of(b"<p>open\n"));
}

#[test]
fn a_war_has_the_times_of_its_files_packed_or_not() {
    let project = site();
    let page = b"<p>a page of a web application, which is longer than its compressed form is: aaaaaaaaaaaaaaaaaaaa\n";
    let web_xml = b"<web-app version=\"6.0\"></web-app>\n";
    let mut zip = crate::support::Zip::default();
    let archive = zip.stored("WEB-INF/web.xml", web_xml).deflated("index.html", page).finish();
    project.write("a.war", archive);
    project.write("a/WEB-INF/web.xml", web_xml).write("a/index.html", page);
    let build = |path: &str| project.pack(&format!("build {path} --name localhost/a --root /app")).built("");
    assert_eq!(build("a.war").layers(), build("a").layers());
    let built = project.pack("build a.war --name localhost/a --root /app").built("-o oci:war");
    let root = unpack(&project, "war", &built, "war").with_file_name("app");
    assert_eq!(
        seconds(&root.join("index.html")),
        1_668_000_000 + i64::from(crc32fast::hash(page) % (1 << 26))
    );
}

/// The files of the only layer, by name.
fn site_files(project: &Project, arguments: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    let built = project.build(&format!("{arguments} -o oci:siblings"));
    let root = unpack(project, "siblings", &built, "siblings");
    let files = crate::support::files_below(&root).into_iter();
    files
        .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn a_site_has_compressed_siblings_where_they_are_smaller() {
    let project = site();
    let page = "<p>the shop is open\n".repeat(200);
    project.write("dist/index.html", &page).write("dist/app.js", "let shop = 1;\n".repeat(500));
    project.write("dist/photo.png", &page).write("dist/noise.bin", crate::support::noise(1, 5000));
    project.write("dist/own.css", &page).write("dist/own.css.gz", "made by the user");
    let plain = site_files(&project, "");
    let set = "--set app.precompress=[\"gz\",\"zst\"]";
    let files = site_files(&project, set);
    let added: Vec<&str> =
        files.keys().filter(|name| !plain.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(
        added,
        ["app.js.gz", "app.js.zst", "index.html.gz", "index.html.zst", "own.css.zst"],
        "neither what is compressed or small already, nor what is there"
    );
    assert!(plain.iter().all(|(name, content)| files[name] == *content));
    assert_eq!(files["own.css.gz"], b"made by the user");
    let mut decoded = String::new();
    flate2::read::GzDecoder::new(&files["index.html.gz"][..]).read_to_string(&mut decoded).unwrap();
    assert_eq!(decoded, page);
    assert_eq!(files["index.html.gz"][..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "no name and no time");
    let digest = project.build(set).digest();

    // Of one page that changed, its siblings alone are made.
    let known = project.memos("sibling").len();
    project.write("dist/index.html", page.replace("open", "shut"));
    let changed = site_files(&project, set);
    assert_ne!(changed["index.html.gz"], files["index.html.gz"]);
    assert_eq!(project.memos("sibling").len(), known + 2);
    project.write("dist/index.html", &page);

    // The image is the same with another store, and with one that lies.
    let other = project.beside("other-store");
    assert_eq!(project.pack("build").args(set).cache(&other).built("").digest(), digest);
    let digest_of = crate::support::sha256(&files["app.js.gz"]);
    let blob = project.cache().join("blobs/sha256").join(digest_of.trim_start_matches("sha256:"));
    let mut damaged = fs::read(&blob).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&blob, damaged).unwrap();
    project.forget("outcome");
    project.forget("layer");
    assert_eq!(project.build(set).digest(), digest);

    let wrong = project.pack("build").args("--set app.precompress=[\"br\"]").fails(2);
    wrong.says(&["unknown compressed form `br`", "hint: it is one of `gz` and `zst`"]);
    project.write("hello.js", "console.log(1)\n");
    let wrong = "--set app.precompress=[\"gz\"] --set app.path=hello.js --set app.root=/app";
    project.pack("build").args(wrong).fails(1).says(&["`precompress` has no meaning for"]).hints();
}

#[test]
#[allow(clippy::disallowed_methods, reason = "whether servers are required is no content")]
fn nginx_sends_the_siblings() {
    if !Path::new("/usr/sbin/nginx").exists() {
        assert!(std::env::var_os("PACK_TEST_REQUIRE").is_none(), "nginx is missing");
        return skipped("web servers", "nginx");
    }
    let project = site();
    project.write("dist/index.html", "<p>the shop is open\n".repeat(200));
    let files = site_files(&project, "--set app.precompress=[\"gz\"]");
    let root = project.beside("siblings/www");
    let server = Server::start("nginx", &root, &project.beside("nginx"));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request =
        "GET /index.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&files["index.html.gz"]), "{}", String::from_utf8_lossy(&answer));
    assert!(String::from_utf8_lossy(&answer).contains("Content-Encoding: gzip"));
    assert_eq!(server.get("/index.html", &[]).body.len(), 4000, "who does not ask for it gets the page");
}
