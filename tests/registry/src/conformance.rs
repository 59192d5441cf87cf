//! The workflows of the distribution specification's conformance list, asked of the fake over a plain socket.
//!
//! `end-NN` are the endpoints of the specification's table ("Endpoints", version 1.1).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::*;

const NAME: &str = "conformance/one";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A client that sends what it is told and believes nothing.
struct Raw(Fake);

impl Raw {
    fn new(quirks: Quirks) -> Self {
        let fake = Fake::start().expect("ports");
        fake.set_quirks(quirks);
        Self(fake)
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.0.address()).expect("listens");
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.0.address());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
        if !chunked {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("sends");
        stream.write_all(body).expect("sends");
        answer(stream, method == "HEAD")
    }

    fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], b"")
    }

    /// Opens a session; where it is.
    fn open(&self) -> String {
        let opened = self.ask("POST", &format!("/v2/{NAME}/blobs/uploads/"), &[], b"");
        assert_eq!(opened.status, 202);
        opened.get("Location").expect("has a place").to_owned()
    }

    fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let put = self.ask("PUT", &with_digest(&self.open(), &digest), &[], bytes);
        assert_eq!(put.status, 201);
        digest
    }

    fn manifest(&self, name: &str, manifest: &Value) -> (Digest, Reply) {
        let bytes = manifest.to_string().into_bytes();
        let target = format!("/v2/{NAME}/manifests/{name}");
        (Digest::of(&bytes), self.ask("PUT", &target, &[("Content-Type", MANIFEST)], &bytes))
    }

    /// A small image's manifest, whose blobs are there.
    fn image(&self, text: &str) -> Value {
        let (config, layer) = (self.blob(b"{}"), self.blob(text.as_bytes()));
        let link = |kind: &str, digest: Digest, size: usize| {
            let media_type = format!("application/vnd.oci.image.{kind}");
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
        };
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": link("config.v1+json", config, 2),
            "layers": [link("layer.v1.tar", layer, text.len())],
        })
    }
}

fn answer(stream: TcpStream, is_head: bool) -> Reply {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("answers");
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut reply = Reply::new(status);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("answers");
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        reply = reply.header(name, value);
    }
    let length = reply.get("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if !is_head {
        reply.body = vec![0; length];
        reader.read_exact(&mut reply.body).expect("sends its body");
    }
    reply
}

fn with_digest(place: &str, digest: &Digest) -> String {
    format!("{place}{}digest={digest}", if place.contains('?') { '&' } else { '?' })
}

/// The code of an error body, which is as the specification has it ("Error Codes").
fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    body["errors"][0]["code"].as_str().expect("a code").to_owned()
}

#[test]
fn end_1_says_that_it_is_a_registry() {
    let raw = Raw::new(Quirks::default());
    assert_eq!(raw.get("/v2/").status, 200);
    assert_eq!(raw.get("/v1/").status, 404);
}

#[test]
fn end_2_gives_blobs() {
    let raw = Raw::new(Quirks::default());
    let digest = raw.blob(b"0123456789");
    let target = format!("/v2/{NAME}/blobs/{digest}");
    let got = raw.get(&target);
    assert_eq!((got.status, got.body.as_slice()), (200, b"0123456789".as_slice()));
    assert_eq!(got.get("Docker-Content-Digest"), Some(digest.to_string().as_str()));
    let head = raw.ask("HEAD", &target, &[], b"");
    assert_eq!((head.status, head.get("Content-Length")), (200, Some("10")));

    for (range, body, shown) in
        [("bytes=4-", "456789", "4-9"), ("bytes=2-3", "23", "2-3"), ("bytes=8-99", "89", "8-9")]
    {
        let part = raw.ask("GET", &target, &[("Range", range)], b"");
        assert_eq!((part.status, part.body.as_slice()), (206, body.as_bytes()));
        assert_eq!(part.get("Content-Range"), Some(format!("bytes {shown}/10").as_str()));
    }
    assert_eq!(raw.ask("GET", &target, &[("Range", "bytes=10-")], b"").status, 416);

    let absent = raw.get(&format!("/v2/{NAME}/blobs/{}", Digest::of(b"absent")));
    assert_eq!((absent.status, code(&absent)), (404, "BLOB_UNKNOWN".to_owned()));
    let absent = raw.ask("HEAD", &format!("/v2/{NAME}/blobs/{}", Digest::of(b"absent")), &[], b"");
    assert_eq!(absent.status, 404);
    assert_eq!(raw.get(&format!("/v2/{NAME}/blobs/sha256:short")).status, 400);
}

#[test]
fn end_3_and_7_give_and_take_manifests() {
    let raw = Raw::new(Quirks::default());
    let manifest = raw.image("layer");
    let (digest, put) = raw.manifest("tag1", &manifest);
    assert_eq!(put.status, 201);
    assert_eq!(put.get("Location"), Some(format!("/v2/{NAME}/manifests/{digest}").as_str()));
    assert_eq!(put.get("Docker-Content-Digest"), Some(digest.to_string().as_str()));
    assert_eq!(raw.manifest(&digest.to_string(), &manifest).1.status, 201);
    for name in ["tag1".to_owned(), digest.to_string()] {
        let got = raw.get(&format!("/v2/{NAME}/manifests/{name}"));
        assert_eq!((got.status, got.body), (200, manifest.to_string().into_bytes()));
        let head = raw.ask("HEAD", &format!("/v2/{NAME}/manifests/{name}"), &[], b"");
        assert_eq!((head.status, head.get("Content-Type")), (200, Some(MANIFEST)));
        assert_eq!(head.get("Docker-Content-Digest"), Some(digest.to_string().as_str()));
    }
    assert_eq!(code(&raw.get(&format!("/v2/{NAME}/manifests/absent"))), "MANIFEST_UNKNOWN");
    assert_eq!(raw.ask("HEAD", &format!("/v2/{NAME}/manifests/absent"), &[], b"").status, 404);

    let other = Digest::of(b"other").to_string();
    assert_eq!(code(&raw.manifest(&other, &manifest).1), "DIGEST_INVALID");
    assert_eq!(code(&raw.manifest("-no-tag", &manifest).1), "TAG_INVALID");
    let mut broken = manifest;
    broken["layers"][0]["digest"] = json!(other);
    let refused = raw.manifest("tag2", &broken).1;
    assert_eq!((refused.status, code(&refused)), (400, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    assert!(String::from_utf8_lossy(&refused.body).contains(&other));
    let index = json!({ "schemaVersion": 2, "manifests": [{ "digest": other }] });
    assert_eq!(code(&raw.manifest("tag2", &index).1), "MANIFEST_UNKNOWN");
}

#[test]
fn end_4a_and_6_take_a_blob_in_one_piece() {
    let raw = Raw::new(Quirks::default());
    let digest = Digest::of(b"blob");
    let put = raw.ask("PUT", &with_digest(&raw.open(), &digest), &[], b"blob");
    assert_eq!(put.status, 201);
    assert_eq!(put.get("Location"), Some(format!("/v2/{NAME}/blobs/{digest}").as_str()));
    let wrong = raw.ask("PUT", &with_digest(&raw.open(), &digest), &[], b"other");
    assert_eq!((wrong.status, code(&wrong)), (400, "DIGEST_INVALID".to_owned()));
    let gone = raw.ask("PUT", &with_digest(&format!("/v2/{NAME}/blobs/uploads/none"), &digest), &[], b"blob");
    assert_eq!((gone.status, code(&gone)), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(code(&raw.ask("POST", "/v2/UPPER/blobs/uploads/", &[], b"")), "NAME_INVALID");
}

#[test]
fn end_4b_takes_a_blob_with_its_post() {
    let raw = Raw::new(Quirks::default());
    let digest = Digest::of(b"at once");
    let post = raw.ask("POST", &with_digest(&format!("/v2/{NAME}/blobs/uploads/"), &digest), &[], b"at once");
    assert_eq!((post.status, raw.0.open_sessions()), (201, 0));
    assert_eq!(raw.0.blob(NAME, &digest).as_deref(), Some(b"at once".as_slice()));
}

#[test]
fn end_5_and_13_take_a_blob_in_pieces() {
    let raw = Raw::new(Quirks { chunk_minimum: Some(4), ..Quirks::default() });
    let opened = raw.ask("POST", &format!("/v2/{NAME}/blobs/uploads/"), &[], b"");
    assert_eq!(opened.get("OCI-Chunk-Min-Length"), Some("4"));
    let place = opened.get("Location").expect("has a place").to_owned();
    let short = raw.open();
    assert_eq!(raw.ask("PATCH", &short, &[("Content-Range", "0-1")], b"01").status, 202);
    assert_eq!(raw.ask("PATCH", &short, &[("Content-Range", "2-5")], b"2345").status, 416);
    let first = raw.ask("PATCH", &place, &[("Content-Range", "0-3")], b"0123");
    assert_eq!((first.status, first.get("Range")), (202, Some("0-3")));
    // Out of order, and then where it really is.
    let wrong = raw.ask("PATCH", &place, &[("Content-Range", "6-9")], b"6789");
    assert_eq!(
        (wrong.status, wrong.get("Range"), code(&wrong)),
        (416, Some("0-3"), "RANGE_INVALID".to_owned())
    );
    let again = raw.ask("PATCH", &place, &[("Content-Range", "0-3")], b"0123");
    assert_eq!(again.status, 416);
    let state = raw.get(&place);
    assert_eq!((state.status, state.get("Range")), (204, Some("0-3")));
    assert_eq!(raw.ask("PATCH", &place, &[("Content-Range", "4-9")], b"4567").status, 400);
    let second = raw.ask("PATCH", &place, &[("Content-Range", "4-7")], b"4567");
    assert_eq!((second.status, second.get("Range")), (202, Some("0-7")));
    // The last piece may come with the PUT, and may be short.
    let digest = Digest::of(b"0123456789");
    let put = raw.ask("PUT", &with_digest(&place, &digest), &[("Content-Range", "8-9")], b"89");
    assert_eq!(put.status, 201);
    assert_eq!(raw.get(&place).status, 404);
    assert_eq!(raw.0.blob(NAME, &digest).as_deref(), Some(b"0123456789".as_slice()));
}

#[test]
fn end_5_takes_a_stream() {
    let raw = Raw::new(Quirks::default());
    let place = raw.open();
    let headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/octet-stream")];
    let patched = raw.ask("PATCH", &place, &headers, b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
    assert_eq!((patched.status, patched.get("Range")), (202, Some("0-6")));
    assert_eq!(raw.ask("PUT", &with_digest(&place, &Digest::of(b"abcdefg")), &[], b"").status, 201);
}

#[test]
fn sessions_can_be_given_up() {
    let raw = Raw::new(Quirks::default());
    let place = raw.open();
    assert_eq!(raw.ask("DELETE", &place, &[], b"").status, 204);
    assert_eq!(raw.ask("DELETE", &place, &[], b"").status, 404);
    assert_eq!(raw.0.open_sessions(), 0);
}

#[test]
fn end_8_lists_tags_in_pages() {
    let raw = Raw::new(Quirks::default());
    assert_eq!(code(&raw.get("/v2/not/known/tags/list")), "NAME_UNKNOWN");
    let manifest = raw.image("layer");
    for tag in ["b", "a", "d", "c"] {
        assert_eq!(raw.manifest(tag, &manifest).1.status, 201);
    }
    let list = |query: &str| {
        let reply = raw.get(&format!("/v2/{NAME}/tags/list{query}"));
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["name"], NAME);
        (body["tags"].clone(), reply.get("Link").map(str::to_owned))
    };
    assert_eq!(list(""), (json!(["a", "b", "c", "d"]), None));
    let next = format!("</v2/{NAME}/tags/list?n=2&last=b>; rel=\"next\"");
    assert_eq!(list("?n=2"), (json!(["a", "b"]), Some(next)));
    assert_eq!(list("?n=2&last=b"), (json!(["c", "d"]), None));
    assert_eq!(list("?last=c"), (json!(["d"]), None));
    assert_eq!(list("?n=0").0, json!([]));
}

#[test]
fn end_9_and_10_delete() {
    let raw = Raw::new(Quirks::default());
    let manifest = raw.image("layer");
    let (digest, _) = raw.manifest("one", &manifest);
    let _ = raw.manifest("two", &manifest);
    assert_eq!(raw.ask("DELETE", &format!("/v2/{NAME}/manifests/one"), &[], b"").status, 202);
    assert_eq!(raw.get(&format!("/v2/{NAME}/manifests/one")).status, 404);
    assert_eq!(raw.get(&format!("/v2/{NAME}/manifests/two")).status, 200);
    assert_eq!(raw.ask("DELETE", &format!("/v2/{NAME}/manifests/{digest}"), &[], b"").status, 202);
    assert_eq!(raw.get(&format!("/v2/{NAME}/manifests/two")).status, 404);
    assert_eq!(raw.ask("DELETE", &format!("/v2/{NAME}/manifests/{digest}"), &[], b"").status, 404);
    let blob = format!("/v2/{NAME}/blobs/{}", Digest::of(b"layer"));
    assert_eq!(raw.ask("DELETE", &blob, &[], b"").status, 202);
    assert_eq!(raw.get(&blob).status, 404);
    assert_eq!(raw.ask("DELETE", &blob, &[], b"").status, 404);
}

#[test]
fn end_11_mounts() {
    let raw = Raw::new(Quirks::default());
    let digest = raw.blob(b"shared");
    let post =
        |query: &str| raw.ask("POST", &format!("/v2/conformance/two/blobs/uploads/?mount={query}"), &[], b"");
    let mounted = post(&format!("{digest}&from={NAME}"));
    assert_eq!(mounted.status, 201);
    assert_eq!(mounted.get("Location"), Some(format!("/v2/conformance/two/blobs/{digest}").as_str()));
    assert!(raw.0.blob("conformance/two", &digest).is_some());
    let declined = post(&format!("{}&from={NAME}", Digest::of(b"absent")));
    assert_eq!((declined.status, raw.0.open_sessions()), (202, 1));
    assert!(declined.get("Location").is_some_and(|place| place.starts_with("/v2/conformance/two/")));
    assert_eq!(post(&format!("{digest}&from=conformance/none")).status, 202);
}

#[test]
fn end_12_lists_referrers() {
    let raw = Raw::new(Quirks::default());
    let subject = raw.image("subject");
    let (digest, put) = raw.manifest("subject", &subject);
    assert_eq!(put.get("OCI-Subject"), None);
    let refers = |kind: &str| {
        let mut manifest = raw.image(kind);
        manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": digest.to_string(), "size": 1 });
        manifest["artifactType"] = json!(kind);
        manifest["annotations"] = json!({ "of": kind });
        let referrer = Digest::of(manifest.to_string().as_bytes());
        let (_, put) = raw.manifest(&referrer.to_string(), &manifest);
        assert_eq!((put.status, put.get("OCI-Subject")), (201, Some(digest.to_string().as_str())));
        referrer
    };
    let (sbom, _) = (refers("application/sbom"), refers("application/signature"));
    let list = |query: &str| {
        let reply = raw.get(&format!("/v2/{NAME}/referrers/{query}"));
        assert_eq!(reply.get("Content-Type"), Some("application/vnd.oci.image.index.v1+json"));
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        (body["manifests"].clone(), reply.get("OCI-Filters-Applied").map(str::to_owned))
    };
    let (all, filters) = list(&digest.to_string());
    assert_eq!((all.as_array().map(Vec::len), filters), (Some(2), None));
    let (some, filters) = list(&format!("{digest}?artifactType=application%2Fsbom"));
    assert_eq!(filters.as_deref(), Some("artifactType"));
    assert_eq!(some.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&some[0]["digest"], &some[0]["artifactType"]),
        (&json!(sbom.to_string()), &json!("application/sbom"))
    );
    assert_eq!(some[0]["annotations"], json!({ "of": "application/sbom" }));
    assert_eq!(list(&Digest::of(b"absent").to_string()).0, json!([]));
    assert_eq!(raw.get(&format!("/v2/{NAME}/referrers/nonsense")).status, 400);
}

#[test]
fn connections_end_where_they_are_told_to() {
    let raw = Raw::new(Quirks::default());
    for (end, kind) in [(End::Closed, None), (End::Reset, Some(std::io::ErrorKind::ConnectionReset))] {
        raw.0.heal();
        raw.0.fault(Fault::always("GET", Kind::Ping, Action::CutAnswer(At::Start, end)));
        let mut stream = TcpStream::connect(raw.0.address()).expect("listens");
        stream.write_all(b"GET /v2/ HTTP/1.1\r\n\r\n").expect("sends");
        assert_eq!(stream.read(&mut [0; 1]).map_err(|error| error.kind()).err(), kind, "{end}");
    }
    raw.0.heal();
    raw.0.fault(Fault::always("PUT", Kind::Session, Action::Cut(At::Middle, End::Reset)));
    let target = with_digest(&raw.open(), &Digest::of(b"0123456789"));
    let mut stream = TcpStream::connect(raw.0.address()).expect("listens");
    stream
        .write_all(format!("PUT {target} HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234").as_bytes())
        .expect("sends");
    assert!(stream.read(&mut [0; 1]).is_err());
    assert!(raw.0.commits().is_empty());
}

#[test]
fn two_machines_learn_of_each_other_late() {
    let raw = Raw::new(Quirks::default());
    raw.0.set_replicas(Replicas { every: 1, lag: 3 });
    // The session is unknown to the second.
    let target = with_digest(&raw.open(), &Digest::of(b"blob"));
    assert_eq!(raw.ask("PUT", &target, &[], b"blob").status, 404);
    assert_eq!(raw.ask("PUT", &target, &[], b"blob").status, 201);
    let blob = format!("/v2/{NAME}/blobs/{}", Digest::of(b"blob"));
    let seen: Vec<u16> = (0..4).map(|_| raw.get(&blob).status).collect();
    assert_eq!(seen, [404, 200, 200, 200]);
}
