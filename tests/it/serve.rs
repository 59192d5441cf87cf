//! `pack serve` from the outside: what a strict client of registries finds, what it is refused, and what the service bounds.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pack_test_registry::Fake;
use serde_json::Value;

use crate::support::{Project, json, noise, sha256, text, tree_on};

/// A running registry.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(project: &Project) -> Self {
        let mut child = project.pack("serve 0").command().stdout(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut said).unwrap();
        let address = said.trim().split("http://").nth(1).unwrap_or_else(|| panic!("{said}")).to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    /// The answer to a request that is sent as it is.
    fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::of(&bytes)
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n",
            self.address
        ))
    }

    fn get(&self, path: &str) -> Answer {
        let got = self.ask("GET", path, "");
        let head = self.ask("HEAD", path, "");
        assert_eq!((got.status, &got.headers), (head.status, &head.headers), "HEAD of {path}");
        assert_eq!(head.body, b"", "HEAD of {path}");
        assert_eq!(got.header("content-length"), Some(got.body.len().to_string()), "{path}");
        got
    }

    /// Asks it to end, and returns the exit code.
    fn end(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let begun = Instant::now();
        let code = self.child.wait().unwrap().code();
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        code
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let header =
            |line: &str| Some((line.split_once(": ")?.0.to_lowercase(), line.split_once(": ")?.1.to_owned()));
        let headers = head.lines().skip(1).filter_map(header).filter(|(name, _)| name != "date").collect();
        Self { status, headers, body: bytes[end..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn json(&self) -> Value {
        json(std::str::from_utf8(&self.body).unwrap())
    }

    #[track_caller]
    fn is_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.json()["errors"][0]["code"], code);
    }
}

#[test]
fn an_image_of_the_store_is_pulled_as_from_a_registry() {
    let project = Project::small();
    let built = project.build("--tag 1 --tag b --tag a --tag dev");
    project.build("--name localhost/other --tag 2");
    let served = Served::start(&project);
    let base = served.get("/v2/");
    assert_eq!(
        (base.status, base.header("docker-distribution-api-version")),
        (200, Some("registry/2.0".into()))
    );
    let manifest = served.get("/v2/tree/manifests/dev");
    assert_eq!(manifest.status, 200);
    assert_eq!(manifest.header("content-type").unwrap(), "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest.header("docker-content-digest").unwrap(), built.digest());
    assert_eq!(sha256(&manifest.body), built.digest());
    let by_digest = served.get(&format!("/v2/tree/manifests/{}", built.digest()));
    assert_eq!(by_digest.body, manifest.body);
    let manifest = manifest.json();
    let layers = manifest["layers"].as_array().unwrap();
    for blob in layers.iter().chain([&manifest["config"]]) {
        let digest = text(&blob["digest"]);
        let whole = served.get(&format!("/v2/tree/blobs/{digest}"));
        assert_eq!((whole.status, sha256(&whole.body)), (200, digest.clone()));
        assert_eq!(whole.header("accept-ranges").unwrap(), "bytes");
        // containerd writes the colon so.
        assert_eq!(served.get(&format!("/v2/tree/blobs/{}", digest.replace(':', "%3A"))).body, whole.body);
        let path = format!("/v2/tree/blobs/{digest}");
        let part = served.ask("GET", &path, "range: bytes=2-9\r\n");
        assert_eq!((part.status, &*part.body), (206, &whole.body[2..10]));
        assert_eq!(part.header("content-range").unwrap(), format!("bytes 2-9/{}", whole.body.len()));
        let end = served.ask("GET", &path, "range: bytes=-3\r\n");
        assert_eq!((end.status, &*end.body), (206, &whole.body[whole.body.len() - 3..]));
        let none = served.ask("GET", &path, "range: bytes=99999999-\r\n");
        assert_eq!(
            (none.status, none.header("content-range").unwrap()),
            (416, format!("bytes */{}", whole.body.len()))
        );
        let other = served.ask("GET", &path, "range: bytes=2-9\r\nif-range: \"other\"\r\n");
        assert_eq!((other.status, other.body), (200, whole.body.clone()));
        let head = served.ask("HEAD", &path, "range: bytes=2-9\r\n");
        assert_eq!(
            (head.status, head.header("content-length").unwrap()),
            (200, whole.body.len().to_string())
        );
    }
    let tags = |query: &str| served.get(&format!("/v2/tree/tags/list{query}"));
    assert_eq!(tags("").json(), json(r#"{"name":"tree","tags":["1","a","b","dev"]}"#));
    let page = tags("?n=2&last=1");
    assert_eq!(page.json()["tags"], json(r#"["a","b"]"#));
    let next = page.header("link").unwrap();
    assert_eq!(next, "</v2/tree/tags/list?n=2&last=b>; rel=\"next\"");
    let last = served.get(next[1..].split('>').next().unwrap());
    assert_eq!((last.json()["tags"].clone(), last.header("link")), (json(r#"["dev"]"#), None));
    assert_eq!(tags("?n=0").json()["tags"], json("[]"));
    tags("?n=x").is_refused(400, "PAGINATION_NUMBER_INVALID");
    assert_eq!(served.get("/v2/_catalog").json(), json(r#"{"repositories":["other","tree"]}"#));
    // As a mirror, by the name in the registry that it stands in for.
    assert_eq!(served.get("/v2/tree/manifests/dev?ns=localhost").status, 200);
    served.get("/v2/tree/manifests/dev?ns=docker.io").is_refused(404, "NAME_UNKNOWN");
    // A new build is there at once.
    project.write("files/a.txt", "new");
    let new = project.build("--tag dev").digest();
    assert_eq!(served.get("/v2/tree/manifests/dev").header("docker-content-digest").unwrap(), new);
}

#[test]
fn what_refers_to_an_image_is_listed() {
    let project = Project::small();
    let built = project.build("--sbom");
    let served = Served::start(&project);
    let list = served.get(&format!("/v2/tree/referrers/{}", built.digest()));
    assert_eq!(list.header("content-type").unwrap(), "application/vnd.oci.image.index.v1+json");
    let entries = list.json()["manifests"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 1, "{entries}");
    let kind = text(&entries[0]["artifactType"]);
    let manifest = served.get(&format!("/v2/tree/manifests/{}", text(&entries[0]["digest"])));
    assert_eq!(manifest.json()["subject"]["digest"], Value::from(built.digest()));
    let of_kind = |kind: &str| {
        let answer = served.get(&format!(
            "/v2/tree/referrers/{}?artifactType={}",
            built.digest(),
            kind.replace('+', "%2B")
        ));
        assert_eq!(answer.header("oci-filters-applied").unwrap(), "artifactType");
        answer.json()["manifests"].as_array().unwrap().len()
    };
    assert_eq!((of_kind(&kind), of_kind("application/other")), (1, 0));
    let nothing = served.get(&format!("/v2/tree/referrers/sha256:{}", "0".repeat(64)));
    assert_eq!((nothing.status, nothing.json()["manifests"].clone()), (200, json("[]")));
}

#[test]
fn nothing_else_of_the_disk_is_served() {
    let project = Project::small();
    let built = project.build("");
    let secret = sha256(b"a blob that no name reaches")["sha256:".len()..].to_owned();
    std::fs::write(project.cache().join("blobs/sha256").join(&secret), "a blob that no name reaches")
        .unwrap();
    let mut served = Served::start(&project);
    served.get(&format!("/v2/tree/blobs/sha256:{secret}")).is_refused(404, "BLOB_UNKNOWN");
    served.get(&format!("/v2/tree/manifests/sha256:{secret}")).is_refused(404, "MANIFEST_UNKNOWN");
    served.get("/v2/tree/manifests/none").is_refused(404, "MANIFEST_UNKNOWN");
    served.get("/v2/none/manifests/1").is_refused(404, "NAME_UNKNOWN");
    served.get(&format!("/v2/tree/blobs/sha512:{}", "a".repeat(128))).is_refused(404, "BLOB_UNKNOWN");
    for wrong in ["sha256:abc", "abc"] {
        served.get(&format!("/v2/tree/blobs/{wrong}")).is_refused(400, "DIGEST_INVALID");
    }
    for path in [
        "/",
        "/v1/",
        "/index.json",
        "/v2/../index.json",
        "/v2/tree/blobs/../../index.json",
        "/v2/..%2f..%2fetc/manifests/passwd",
        "/v2//tree/manifests/1",
        "/v2/tree/blobs/uploads/",
        "/v2/TREE/manifests/1",
    ] {
        let answer = served.ask("GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let refused =
            served.ask(method, &format!("/v2/tree/manifests/{}", built.digest()), "content-length: 0\r\n");
        refused.is_refused(405, "UNSUPPORTED");
        assert_eq!(refused.header("allow").unwrap(), "GET, HEAD");
    }
    // A page that lets its own name resolve to this machine.
    let rebound =
        served.raw("GET /v2/tree/tags/list HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    rebound.is_refused(403, "DENIED");
    assert_eq!(served.end(), Some(0));
}

#[test]
fn hostile_clients_cost_little_and_others_go_on() {
    let project = Project::small();
    project.build("");
    let served = Served::start(&project);
    let long = format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 << 10));
    assert!(matches!(served.raw(&long).status, 431 | 0));
    let many = "a: b\r\n".repeat(1_000);
    assert!(matches!(served.ask("GET", "/v2/", &many).status, 431 | 0));
    assert!(matches!(served.raw("nonsense\r\n\r\n").status, 400 | 0));
    // Connections that send nothing, beside one that asks.
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
    assert_eq!(served.get("/v2/tree/tags/list").status, 200);
    drop(idle);
    // Several requests on one connection.
    let one = format!("GET /v2/ HTTP/1.1\r\nhost: {}\r\n\r\n", served.address);
    let two = served
        .raw(&format!("{one}GET /v2/ HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", served.address));
    assert!(
        String::from_utf8_lossy(&two.body).contains("HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&two.body)
    );
}

#[test]
fn layers_of_a_base_that_the_store_lacks_come_from_its_registry() {
    let fake = Fake::start().unwrap();
    let project = Project::with(&tree_on("scratch"));
    project.write("files/base.txt", "base");
    let name = format!("{}/base", fake.address());
    project.build(&format!("--name {name} --tag 1 --push"));
    project.write("files/base.txt", "mine");
    let built = project.build(&format!("--base {name}:1 --set app.root=/mine"));
    let served = Served::start(&project);
    let manifest = served.get("/v2/tree/manifests/1").json();
    let digest = text(&manifest["layers"][0]["digest"]);
    let path = format!("/v2/tree/blobs/{digest}");
    let stored = served.get(&path);
    assert_eq!(stored.status, 200);
    let _ = std::fs::remove_file(project.cache().join("blobs/sha256").join(&digest["sha256:".len()..]));
    assert_eq!(served.get(&path).body, stored.body);
    // A layer of its own has no other place.
    let own = text(&manifest["layers"].as_array().unwrap().last().unwrap()["digest"]);
    std::fs::remove_file(project.cache().join("blobs/sha256").join(&own["sha256:".len()..])).unwrap();
    let gone = served.get(&format!("/v2/tree/blobs/{own}"));
    gone.is_refused(404, "BLOB_UNKNOWN");
    let said = String::from_utf8_lossy(&gone.body).into_owned();
    assert!(said.contains("the local store has lost") && said.contains("build the image again"), "{said}");
    drop(built);
}

#[test]
fn another_address_needs_a_word() {
    let project = Project::small();
    project.pack("serve 0.0.0.0:0").fails(2).hints().says(&["--allow-network", "login"]);
    project.pack("serve example.com:1").fails(2).hints().says(&["not a port"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    project.pack(&format!("serve {address}")).fails(1).hints().says(&["cannot listen on", &address]);
}

#[test]
fn a_damaged_blob_is_never_sent_whole() {
    let project = Project::small();
    project.write("files/large", noise(7, 3 << 20));
    project.build("--tag 1");
    let served = Served::start(&project);
    let manifest = served.get("/v2/tree/manifests/1").json();
    for blob in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
        let digest = text(&blob["digest"]);
        let path = format!("/v2/tree/blobs/{digest}");
        let file = project.cache().join("blobs/sha256").join(&digest["sha256:".len()..]);
        let right = std::fs::read(&file).unwrap();
        let mut wrong = right.clone();
        *wrong.last_mut().unwrap() ^= 1;
        for range in ["", "range: bytes=0-3\r\n"] {
            // It was right when it was first asked for.
            assert_eq!(served.get(&path).body, right);
            assert_eq!(served.ask("GET", &path, "range: bytes=1-2\r\n").body, right[1..3]);
            std::fs::write(&file, &wrong).unwrap();
            let answer = served.ask("GET", &path, range);
            assert!(answer.status == 404 || answer.body.len() < right.len(), "{range}: {}", answer.status);
            assert!(range.is_empty() || answer.status == 404, "{}", answer.status);
            // Reading has put it out of the way.
            served.get(&path).is_refused(404, "BLOB_UNKNOWN");
            std::fs::write(&file, &right).unwrap();
        }
    }
}

#[test]
fn a_client_that_has_said_all_gets_its_answer() {
    let project = Project::small();
    let served = Served::start(&project);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let request = format!("GET /v2/ HTTP/1.1\r\nhost: {}\r\n\r\n", served.address);
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(Answer::of(&bytes).status, 200);
    }
}
