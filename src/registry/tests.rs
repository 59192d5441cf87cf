//! Against a real registry, where one is installed: `cargo test -- --ignored real`.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::image::{ConfigFile, Image, MediaType};
use crate::reference::Tag;
use crate::transport::{Destination, Source};

struct Real {
    process: Child,
    log: std::path::PathBuf,
    seen: usize,
    _directory: tempfile::TempDir,
    address: String,
}

impl Real {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("writable");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let config = directory.path().join("config.yml");
        let root = directory.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '{address}'}}\n",
            root.display()
        );
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
        Self { process, log, seen: 0, _directory: directory, address }
    }

    /// The requests since the last call.
    fn requests(&mut self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(50));
        let text = std::fs::read_to_string(&self.log).expect("readable");
        let all: Vec<String> = text
            .lines()
            .filter_map(|line| line.split('"').nth(1))
            .filter(|part| part.contains(" HTTP/1.1"))
            .map(str::to_owned)
            .collect();
        let new = all[self.seen..].to_vec();
        self.seen = all.len();
        new
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn layer(text: &[u8]) -> Blob {
    Blob::in_memory(Descriptor::of(MediaType::ImageLayerGzip, text), text.to_vec(), "layer")
}

fn image(layers: &[&Blob], created: &str) -> Image {
    let mut config = ConfigFile { created: Some(created.to_owned()), ..ConfigFile::default() };
    (config.os, config.architecture) = ("linux".to_owned(), "amd64".to_owned());
    config.rootfs.diff_ids = layers.iter().map(|layer| layer.descriptor.digest).collect();
    let layers = layers.iter().map(|layer| layer.descriptor.clone()).collect();
    Image::new(&config, layers, std::collections::BTreeMap::new()).expect("belongs together")
}

fn push(
    client: &Client,
    repository: &Repository,
    image: &Image,
    blobs: &[&Blob],
    tags: &[Tag],
) -> Vec<Delivery> {
    let destination = crate::transport::registry::destination(client.clone(), repository.clone());
    if destination.is_current(&image.digest(), tags).map_err(|e| e.to_string()).expect("answers") {
        return Vec::new();
    }
    let config = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
    let deliveries = blobs
        .iter()
        .copied()
        .chain([&config])
        .map(|blob| destination.blob(blob).map_err(|error| error.to_string()).expect("is pushed"));
    let deliveries = deliveries.collect();
    destination.finish(image.raw(), tags).map_err(|error| error.to_string()).expect("is tagged");
    deliveries
}

#[test]
#[ignore = "needs docker-registry"]
fn real_registry_and_how_many_requests_it_takes() {
    let mut real = Real::start();
    let settings = || Settings::default();
    let new_client = || Client::new(settings(), Progress::default(), Interrupt::default());
    let repository: Repository = format!("{}/shop/app", real.address).parse().expect("valid");
    let other: Repository = format!("{}/shop/other", real.address).parse().expect("valid");
    let tags: Vec<Tag> = vec!["1".parse().expect("valid")];
    let bases: Vec<Blob> = (0..3).map(|n| layer(&vec![n; 5_000_000])).collect();
    let small = layer(b"first");
    let first = image(&[&bases[0], &bases[1], &bases[2], &small], "2020-01-01T00:00:00Z");
    let all = [&bases[0], &bases[1], &bases[2], &small];
    let mut report = |what: &str,
                      real: &mut Real,
                      client: &Client,
                      repository: &Repository,
                      image: &Image,
                      blobs: &[&Blob]| {
        let start = Instant::now();
        let deliveries = push(client, repository, image, blobs, &tags);
        let took = start.elapsed();
        let requests = real.requests();
        eprintln!("{what}: {took:?} {deliveries:?} {} requests", requests.len());
        for request in &requests {
            eprintln!("    {}", &request[..request.len().min(60)]);
        }
        requests.len()
    };
    report("cold push", &mut real, &new_client(), &repository, &first, &all);
    report("no change", &mut real, &new_client(), &repository, &first, &all);
    let second_small = layer(b"second");
    let second = image(&[&bases[0], &bases[1], &bases[2], &second_small], "2020-01-01T00:00:00Z");
    report(
        "one layer",
        &mut real,
        &new_client(),
        &repository,
        &second,
        &[&bases[0], &bases[1], &bases[2], &second_small],
    );
    let with_origin: Vec<Blob> =
        bases.iter().map(|base| Blob { origin: Some(repository.clone()), ..base.clone() }).collect();
    report(
        "other repository",
        &mut real,
        &new_client(),
        &other,
        &second,
        &[&with_origin[0], &with_origin[1], &with_origin[2], &second_small],
    );
    let source = crate::transport::registry::source(new_client(), repository.at_tag(tags[0].clone()));
    let root = source.root().map_err(|error| error.to_string()).expect("pulls");
    assert_eq!(root, *second.raw());
    let mut bytes = Vec::new();
    source
        .blob(&bases[2].descriptor)
        .map_err(|e| e.to_string())
        .expect("opens")
        .read_to_end(&mut bytes)
        .expect("reads");
    assert_eq!(bytes, vec![2; 5_000_000]);
    eprintln!("pull: {:?}", real.requests().len());
}
