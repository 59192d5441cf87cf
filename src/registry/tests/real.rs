//! Against a real registry, where one is installed: `cargo test -- --ignored real`.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::oci::ManifestOrIndex;
use crate::transport::Source;

struct Real {
    process: Child,
    log: std::path::PathBuf,
    seen: usize,
    directory: tempfile::TempDir,
    address: String,
}

impl Real {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more settings under `http`; `DIRECTORY` in them is where it lives.
    fn start_with(http: &str) -> Self {
        let directory = tempfile::tempdir().expect("writable");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let config = directory.path().join("config.yml");
        let root = directory.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '{address}'{http}}}\n",
            root.display()
        );
        if !http.is_empty() {
            certify(directory.path());
        }
        let text = text.replace("DIRECTORY", &directory.path().display().to_string());
        std::fs::write(&config, text).expect("writable");
        let log = directory.path().join("log");
        let out = std::fs::File::create(&log).expect("writable");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed");
        let start = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "docker-registry does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, log, seen: 0, directory, address }
    }

    /// The requests since the last call.
    fn requests(&mut self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(50));
        let text = std::fs::read_to_string(&self.log).expect("readable");
        let all: Vec<String> = text
            .lines()
            .filter_map(|line| line.split('"').nth(1))
            .filter(|part| part.contains(" HTTP/"))
            .map(str::to_owned)
            .collect();
        let new = all[self.seen..].to_vec();
        self.seen = all.len();
        new
    }
}

/// A certificate for 127.0.0.1 without a known authority, made as the registry's manual says: its own authority.
fn certify(directory: &std::path::Path) {
    let status = Command::new("openssl")
        .current_dir(directory)
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '))
        .args("-keyout key.pem -out cert.pem -subj /CN=test -addext subjectAltName=IP:127.0.0.1".split(' '))
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("openssl is installed").success());
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn push(client: &Client, repository: &Repository, layers: &[Blob]) {
    let image = image(layers);
    let destination = destination(client.clone(), repository.clone());
    let text = |error| shown(&error);
    if destination.is_current(&image.digest(), &Bench::tags()).map_err(text).expect("answers") {
        return;
    }
    let config = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
    for blob in layers.iter().chain([&config]) {
        destination.blob(blob).map_err(text).expect("is pushed");
    }
    destination.finish(image.raw(), &Bench::tags()).map_err(text).expect("is tagged");
}

#[test]
#[ignore = "needs docker-registry"]
fn a_real_registry_and_how_many_requests_it_takes() {
    let mut real = Real::start();
    let new_client = || client(ClientSettings::default());
    let repository: Repository = format!("{}/shop/app", real.address).parse().expect("valid");
    let other: Repository = format!("{}/shop/other", real.address).parse().expect("valid");
    let bases: Vec<Blob> = (0..3).map(|n| layer(&vec![n; 5_000_000])).collect();
    let with = |last: &[u8]| bases.iter().cloned().chain([layer(last)]).collect::<Vec<_>>();
    let (first, second) = (with(b"first"), with(b"second"));
    let mounted: Vec<Blob> = second
        .iter()
        .map(|blob| Blob {
            origin: Some(repository.clone()).filter(|_| blob.descriptor.size > 10),
            ..blob.clone()
        })
        .collect();

    let steps = [
        ("cold", &repository, &first, 1 + 5 * 3 + 1),
        ("no change", &repository, &first, 1),
        ("one layer", &repository, &second, 1 + 1 + 2 * 3 + 1),
        ("other repository", &other, &mounted, 1 + 2 * 3 + 2 * 3 + 1),
    ];
    for (name, repository, layers, requests) in steps {
        push(&new_client(), repository, layers);
        let log = real.requests();
        assert_eq!(log.len(), requests, "{name}: {log:#?}");
    }
    let tag = TAG.parse().expect("valid");
    let source = crate::transport::registry::source(new_client(), other.at_tag(tag));
    let root = source.root().map_err(|error| shown(&error)).expect("pulls");
    assert_eq!(root, *image(&second).raw());
    let mut bytes = Vec::new();
    let stream = source.blob(&bases[2].descriptor).map_err(|error| shown(&error));
    stream.expect("opens").read_to_end(&mut bytes).expect("reads");
    assert_eq!(bytes, vec![2; 5_000_000]);
    assert_eq!(real.requests().len(), 2);
}

#[test]
#[ignore = "needs docker-registry"]
fn a_real_registry_deletes_lists_and_moves() {
    use crate::oci::artifact::{OciArtifact, empty_blob};
    let real = Real::start();
    let client = client(ClientSettings::default());
    let repository: Repository = format!("{}/shop/app", real.address).parse().expect("valid");
    let layers = [layer(b"one"), layer(b"two")];
    push(&client, &repository, &layers);
    let image = image(&layers);
    let (digest, raw) = (image.digest(), image.raw());
    let tag = |name: &str| name.parse::<Tag>().expect("a tag");
    let over = |name: &str, expected| {
        client.push_document_over(&repository, &tag(name), raw, expected, PushedParts::default())
    };
    assert_eq!(over("2.0", None).expect("made"), Delivery::Uploaded);
    assert_eq!(over("2.0", None).expect("is there"), Delivery::Present);
    let tags: Vec<String> =
        client.tags(&repository).expect("listed").iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["1.0", "2.0"]);

    client.push_blob(&repository, &empty_blob("config")).expect("pushed");
    let artifact = OciArtifact::new("application/sbom").layers([empty_blob("config").descriptor]);
    let artifact = artifact.subject(raw.descriptor()).document("referrer").expect("written");
    let destination = destination(client.clone(), repository.clone());
    destination.document(&artifact).map_err(|error| shown(&error)).expect("pushed");
    let ManifestOrIndex::Manifest(manifest) = artifact.parse().expect("a manifest") else { panic!("one") };
    let entry = crate::transport::referrer(
        &manifest,
        artifact.media_type.clone(),
        artifact.digest(),
        artifact.bytes.len() as u64,
    );
    destination.refer(&digest, &[entry]).map_err(|error| shown(&error)).expect("listed");
    for (wanted, count) in [(None, 1), (Some("application/sbom"), 1), (Some("application/other"), 0)] {
        let listed = match client.referrers(&repository, &digest, wanted).expect("listed") {
            Referrers::Api(listed) | Referrers::Tag(listed, _) => listed,
            Referrers::Nothing => Vec::new(),
        };
        assert_eq!(listed.len(), count, "{wanted:?}");
    }

    // Some versions delete tags, and the others say that they do not; none takes the manifest with it.
    match client.delete(&repository.at_tag(tag("2.0"))) {
        Ok(deleted) => assert!(deleted),
        Err(error) => assert!(error.hint().is_some_and(|hint| hint.contains("does not delete")), "{error}"),
    }
    assert!(client.confirm(&repository, TAG, &digest).expect("asked"));
    assert!(client.delete(&repository.at_digest(digest)).expect("deleted"));
    assert!(!client.delete(&repository.at_digest(digest)).expect("it is gone"));
    assert_eq!(client.resolve(&repository.at_tag(tag(TAG))).expect("asked"), None);
}

#[test]
#[ignore = "needs docker-registry and openssl"]
fn a_real_registry_over_tls() {
    let mut real = Real::start_with(", tls: {certificate: DIRECTORY/cert.pem, key: DIRECTORY/key.pem}");
    let repository: Repository = format!("{}/shop/app", real.address).parse().expect("valid");
    let layers = [layer(&vec![1; 20_000_000]), layer(b"small")];
    let with = |own: RegistrySettings| {
        let mut settings = ClientSettings::default();
        settings.registries.insert(repository.registry().clone(), own);
        client(settings)
    };
    let reference = repository.at_tag(TAG.parse().expect("valid"));
    let tls = || RegistrySettings { plain_http: Some(false), ..RegistrySettings::default() };
    let untrusted = with(tls()).resolve(&reference).expect_err("is not trusted");
    assert!(untrusted.to_string().contains("not trusted"), "{untrusted}");
    assert!(untrusted.hint().is_some_and(|hint| hint.contains("ca-file")));
    let plain = with(RegistrySettings::default()).resolve(&reference).expect_err("speaks TLS");
    assert!(plain.hint().is_some_and(|hint| hint.contains("plain-http = false")), "{plain}");

    let ca_file = Some(real.directory.path().join("cert.pem"));
    push(&with(RegistrySettings { ca_file, ..tls() }), &repository, &layers);
    let log = real.requests();
    assert_eq!(log.len(), 1 + 3 * 3 + 1, "{log:#?}");
    // All but the one body of 20 MB.
    let (two, one): (Vec<_>, Vec<_>) = log.iter().partition(|request| request.ends_with("HTTP/2.0"));
    assert_eq!((two.len(), one.len()), (log.len() - 1, 1), "{log:#?}");
    assert!(one[0].starts_with("PUT ") && one[0].ends_with("HTTP/1.1"), "{one:#?}");
    // Another name than the certificate's, or another certificate than the file's, is not good enough.
    let elsewhere = real.address.replace("127.0.0.1", "localhost");
    let elsewhere: Repository = format!("{elsewhere}/shop/app").parse().expect("valid");
    let ca_file = Some(real.directory.path().join("cert.pem"));
    let mut settings = quick();
    let own = RegistrySettings { ca_file, ..tls() };
    settings.registries.insert(elsewhere.registry().clone(), own);
    let other = client(settings).resolve(&elsewhere.at_tag(Tag::latest())).expect_err("is not named");
    assert!(other.to_string().contains("not trusted"), "{other}");
    certify(real.directory.path());
    let ca_file = Some(real.directory.path().join("cert.pem"));
    let other = with(RegistrySettings { ca_file, ..tls() }).resolve(&reference).expect_err("is another");
    assert!(other.to_string().contains("not trusted"), "{other}");
    let trusting = with(RegistrySettings { skip_tls_verify: true, ..tls() });
    let mut bytes = Vec::new();
    trusting.blob(&repository, &layers[0].descriptor).expect("opens").read_to_end(&mut bytes).expect("reads");
    assert_eq!(bytes, vec![1; 20_000_000]);
}
