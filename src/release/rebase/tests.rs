//! Refusals, kept settings, and requests to a registry.

use std::collections::BTreeMap;

use super::*;
use crate::bases::Empty;
use crate::formats::json::Raw;
use crate::inspect::verify;
use crate::oci::{ConfigChange, Descriptor, History, NewLayer, RootFs, RunConfig, derive};
use crate::project::lock::SystemFacts;
use crate::registry::fake::{Fake, Kind as Asked};
use crate::registry::{self, Client};
use crate::types::check_policy::CheckPolicy;
use crate::types::platform::Platform;

fn config(env: &[&str]) -> ConfigFile {
    let env = env.iter().map(|text| (*text).to_owned()).collect();
    ConfigFile {
        os: "linux".into(),
        architecture: "amd64".into(),
        config: Some(RunConfig { env, ..RunConfig::default() }),
        ..ConfigFile::default()
    }
}

/// The sentences about a new base that has not what the old one had.
fn reasons(old: &ConfigFile, new: &ConfigFile) -> String {
    let platform = Platform::linux_amd64();
    let settings = CheckedSettings::new(&config(&[]), old, new, "nothing tells");
    let mut tree = Empty;
    let mut image = settings.image(&mut tree, &platform, new, &Interrupt::default());
    let kept = requirements::kept(old, Some(&SystemFacts::default()));
    let findings = kept.iter().flat_map(|kept| check(kept, "the image", &mut image).expect("answered"));
    list(&findings.filter(|finding| finding.answer == Answer::NotMet).collect::<Vec<_>>())
}

#[test]
fn what_excludes_each_other() {
    let tomcat =
        |version: &str| config(&["CATALINA_HOME=/usr/local/tomcat", &format!("TOMCAT_VERSION={version}")]);
    assert_eq!(reasons(&tomcat("10.1.1"), &tomcat("10.1.30")), "");
    assert_eq!(reasons(&tomcat("10.1.1"), &tomcat("11.0.1")), "");
    assert!(reasons(&tomcat("9.0.1"), &tomcat("10.1.1")).contains("Tomcat 9"));
    assert!(reasons(&tomcat("10.1.1"), &config(&[])).contains("no servlet container"));
    let moved = config(&["CATALINA_HOME=/opt/tomcat", "TOMCAT_VERSION=10.1.1"]);
    assert!(reasons(&tomcat("10.1.1"), &moved).contains("/opt/tomcat/webapps"));
    assert_eq!(reasons(&config(&[]), &tomcat("9.0.1")), "", "nothing of the old base is missing");
    let java = |version: &str| config(&[&format!("JAVA_VERSION={version}")]);
    assert_eq!(reasons(&java("17.0.1"), &java("21.0.1")), "");
    assert_eq!(
        reasons(&java("jdk-21.0.1"), &java("1.8.0_392")),
        "the old base has Java 21, the new one Java 8 [java-version]"
    );
    assert_eq!(
        reasons(&java("21.0.1"), &config(&[])),
        "the old base has Java 21, the new one none [java-version]"
    );
    assert_eq!(reasons(&java("latest"), &java("17.0.1")), "", "no version that is known");
}

/// An image as other tools make it, of layers that are the texts themselves.
fn foreign(layers: &[&str], change: impl FnOnce(&mut ConfigFile)) -> Image {
    let mut config = config(&["PATH=/bin", "A=1"]);
    config.rootfs = RootFs {
        diff_ids: layers.iter().map(|text| Digest::of(text.as_bytes())).collect(),
        ..RootFs::default()
    };
    change(&mut config);
    let layers = layers.iter().map(|text| Descriptor::of(MediaType::ImageLayer, text.as_bytes())).collect();
    Image::new(&config, layers, BTreeMap::new()).expect("an image")
}

fn step(by: &str, empty_layer: bool) -> History {
    History { created_by: Some(by.into()), empty_layer, ..History::default() }
}

#[test]
fn what_another_tool_made_keeps_what_is_its_own() {
    let history = [step("base", false), step("CMD base", true)];
    let run = |config: &mut ConfigFile| config.config.clone().unwrap_or_default();
    let old = foreign(&["base"], |config| {
        config.history = history.to_vec();
        let mut run = run(config);
        run.entrypoint = Some(vec!["sh".into()]);
        run.exposed_ports.insert("80/tcp".into(), Raw::empty_object());
        run.exposed_ports.insert("81/tcp".into(), Raw::empty_object());
        run.labels.insert("from".into(), "old".into());
        run.rest.insert("Shell".into(), r#"["sh"]"#.parse().expect("JSON"));
        config.config = Some(run);
    });
    let image = foreign(&["base", "own"], |config| {
        *config = ConfigFile { rootfs: config.rootfs.clone(), ..old.config().clone() };
        config.author = Some("me".into());
        config.history.extend([step("ENV B=2", true), step("COPY own", false), step("USER 1", true)]);
        let mut run = run(config);
        run.entrypoint = None;
        run.exposed_ports.remove("80/tcp");
        run.env.push("B=2".into());
        run.user = "1".into();
        run.rest.insert("Shell".into(), r#"["bash"]"#.parse().expect("JSON"));
        config.config = Some(run);
    });
    let new = foreign(&["newer", "base"], |config| {
        config.history = vec![step("one", false), step("two", false), step("CMD new", true)];
        let mut run = run(config);
        run.env = vec!["PATH=/usr/bin".into(), "A=1".into(), "C=3".into()];
        run.entrypoint = Some(vec!["bash".into()]);
        run.exposed_ports.insert("80/tcp".into(), Raw::empty_object());
        run.exposed_ports.insert("82/tcp".into(), Raw::empty_object());
        run.labels.insert("from".into(), "new".into());
        config.config = Some(run);
    });
    assert_eq!(oci::begins_with(&image, &old), Some(1));
    assert_eq!(oci::begins_with(&image, &new), None);
    let digest = new.digest().to_string();
    let result =
        oci::rebase(&image, &old, &new, &Platform::linux_amd64(), (Some("new:1"), &digest), Vec::new())
            .expect("rebased")
            .image;
    let by: Vec<&str> =
        result.config().history.iter().filter_map(|step| step.created_by.as_deref()).collect();
    assert_eq!(by, ["one", "two", "CMD new", "ENV B=2", "COPY own", "USER 1"]);
    let diff_ids = ["newer", "base", "own"].map(|text| Digest::of(text.as_bytes()));
    assert_eq!(result.diff_ids(), diff_ids);
    let run = result.config().config.as_ref().expect("there");
    assert_eq!(run.env, ["PATH=/usr/bin", "A=1", "C=3", "B=2"]);
    assert_eq!((run.entrypoint.as_ref(), run.user.as_str()), (None, "1"));
    assert_eq!(run.exposed_ports.keys().collect::<Vec<_>>(), ["82/tcp"]);
    assert_eq!(run.labels["from"], "new");
    assert_eq!(run.rest["Shell"].value().text(), r#"["bash"]"#);
    assert_eq!(result.config().author.as_deref(), Some("me"));
    assert_eq!(result.manifest().annotations[oci::BASE_DIGEST], digest);
    // And back: what the old base has comes back, and the image is what it was but for the annotations.
    let digest = old.digest().to_string();
    let back = oci::rebase(&result, &new, &old, &Platform::linux_amd64(), (None, &digest), Vec::new())
        .expect("rebased")
        .image;
    assert_eq!(back.config().rootfs, image.config().rootfs);
    assert_eq!(back.config().history, image.config().history);
    assert_eq!(
        back.config().config.as_ref().map(|run| &run.env),
        image.config().config.as_ref().map(|run| &run.env)
    );
    assert_eq!(back.manifest().annotations.get(oci::BASE_NAME), None);
}

fn tar_of(text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, text, text.as_bytes()).expect("appended");
    builder.into_inner().expect("finished")
}

fn base_of(layers: &[Vec<u8>]) -> Image {
    let mut config = config(&["PATH=/bin"]);
    config.rootfs.diff_ids = layers.iter().map(|layer| Digest::of(layer)).collect();
    config.history = layers.iter().map(|_| step("base", false)).collect();
    let layers = layers.iter().map(|layer| Descriptor::of(MediaType::ImageLayer, layer)).collect();
    Image::new(&config, layers, BTreeMap::new()).expect("an image")
}

fn put(fake: &Fake, repository: &str, tag: &str, image: &Image, blobs: &[Vec<u8>]) {
    blobs.iter().for_each(|blob| {
        fake.put_blob(repository, blob);
    });
    fake.put_blob(repository, image.raw_config());
    fake.put_manifest(repository, tag, image.raw().media_type.as_ref(), &image.raw().bytes);
}

#[test]
fn in_a_registry_no_layer_is_read_and_the_bases_are_mounted() {
    let fake = Fake::start().expect("ports");
    let (one, two, own) = (tar_of("one"), tar_of("two"), tar_of("own"));
    let (old, new) = (base_of(std::slice::from_ref(&one)), base_of(std::slice::from_ref(&two)));
    put(&fake, "base", "1", &old, std::slice::from_ref(&one));
    put(&fake, "base", "2", &new, std::slice::from_ref(&two));
    let layer = NewLayer {
        descriptor: Descriptor::of(MediaType::ImageLayer, &own),
        diff_id: Digest::of(&own),
        name: "own".into(),
        table: None,
    };
    let change = |base: &Image, name: &str| ConfigChange {
        created: "1970-01-01T00:00:01Z".into(),
        env: vec![("B".into(), "1".into())],
        annotations: [
            (oci::BASE_NAME.to_owned(), name.to_owned()),
            (oci::BASE_DIGEST.to_owned(), base.digest().to_string()),
        ]
        .into(),
        ..ConfigChange::default()
    };
    let platform = Platform::linux_amd64();
    let on = |base: &Image, name: &str| {
        derive(Some(base), &platform, std::slice::from_ref(&layer), &change(base, name)).expect("derived").0
    };
    let names = ["1", "2"].map(|tag| format!("{}/base:{tag}", fake.address()));
    put(&fake, "app", "1.0", &on(&old, &names[0]), &[one, own.clone()]);

    let client = Client::new(registry::ClientSettings::default(), Progress::default(), Interrupt::default());
    let source = |name: &str| -> Arc<dyn Source> {
        let reference = format!("{}/{name}", fake.address()).parse().expect("a reference");
        Arc::new(crate::transport::registry::source(client.clone(), reference))
    };
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), &Progress::default());
    let repository = format!("{}/app", fake.address()).parse().expect("a repository");
    let destination = crate::transport::registry::destination(client.clone(), repository);
    let named = |at: usize| NamedBase {
        name: Some(names[at].clone()),
        source: source(&format!("base:{}", at + 1)),
        is_near: false,
    };
    let (old_base, new_base) = (named(0), named(1));
    let tags: Vec<Tag> = vec!["1.1".parse().expect("a tag")];
    let _ = fake.take_log();
    let report = rebase(&RebaseRequest {
        image: source("app:1.0"),
        old: &old_base,
        new: &new_base,
        platform: None,
        force: false,
        policy: &CheckPolicy::default(),
        image_is_near: false,
        read_bases: false,
        shared: None,
        destination: &destination,
        tags: &tags,
        allow_retag: false,
        store: &store,
        progress: Progress::default(),
        interrupt: Interrupt::default(),
    })
    .expect("rebased");
    let expected = on(&new, &names[1]);
    assert_eq!(fake.tag("app", "1.1"), Some(expected.digest()), "as a build on the new base");
    assert_eq!((report.blobs.mounted, report.blobs.present, report.blobs.uploaded), (1, 1, 1));
    let log = fake.take_log();
    let read = |blob: &[u8]| {
        let digest = Digest::of(blob).to_string();
        log.iter()
            .filter(|it| it.method == "GET" && it.kind == Asked::Blob && it.target.contains(&digest))
            .count()
    };
    assert_eq!((read(&two), read(&own)), (0, 0), "{log:?}");
    let found = verify::verify(&*source("app:1.1"), &verify::VerifyOptions::default()).expect("readable");
    assert!(found.is_sound(), "{:?}", found.problems);
}
