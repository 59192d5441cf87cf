//! Promotions, rollbacks and histories against the registry of the tests: their requests, their faults, and writers that
//! meet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::append::{PointerState, ReleaseClock, ReleaseOptions, ReleaseReport};
use super::history::{HistoryOptions, ReleaseHistory, history};
use super::ledger::Ledger;
use super::promote::{PromotionRequest, PromotionSource, promote};
use super::record::{ARTIFACT_TYPE, ReleaseKind, ReleaseNonce, ReleaseNote, StoredRelease};
use super::rollback::rollback;
use super::shelf::ReleaseShelf as _;
use crate::oci::artifact::OciArtifact;
use crate::oci::{ConfigFile, Descriptor, Image, MediaType, RootFs};
use crate::registry::fake::{Action, At, End, Fake, Fault, Kind, Logged, PROFILES, Quirks, Reply};
use crate::registry::{self, Client, Credentials, RetryPolicy, Secret};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::registry::source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind as Fails};
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, Gate, ReleaseChoice, ReleaseKey, ReleaseNumber, ReleaseTime};

const APP: &str = "shop/app";

/// A registry with images, and a client for it.
struct Shop {
    fake: Fake,
    client: Client,
}

fn client(login: Option<&str>) -> Client {
    let quick = Duration::from_millis(1);
    let retry = RetryPolicy { attempts: 2, first: quick, cap: quick, ..RetryPolicy::default() };
    let auth =
        |address: &str| format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"YWxpY2U6aHVudGVyMg==\"}}}}}}");
    let credentials = Credentials {
        docker_auth_config: login.map(|address| Secret::new(auth(address))),
        ..Credentials::default()
    };
    let settings = registry::ClientSettings { retry, credentials, ..registry::ClientSettings::default() };
    Client::new(settings, Progress::default(), Interrupt::default())
}

fn environment(name: &str) -> EnvironmentName {
    name.parse().expect("a name")
}

fn number(number: u32) -> ReleaseNumber {
    ReleaseNumber::new(number).expect("a number")
}

/// Another one for each run.
fn nonce() -> ReleaseNonce {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ReleaseNonce(NEXT.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// An image whose one layer has this text.
fn image(text: &str) -> (Image, Vec<u8>) {
    let layer = text.as_bytes().to_vec();
    let config = ConfigFile {
        os: "linux".into(),
        architecture: "amd64".into(),
        rootfs: RootFs { diff_ids: vec![Digest::of(&layer)], ..RootFs::default() },
        ..ConfigFile::default()
    };
    let annotations = [("org.opencontainers.image.revision".to_owned(), format!("commit-{text}"))].into();
    let layers = vec![Descriptor::of(MediaType::ImageLayer, &layer)];
    (Image::new(&config, layers, annotations).expect("an image"), layer)
}

impl Shop {
    fn new() -> Self {
        let fake = Fake::start().expect("ports");
        Self { fake, client: client(None) }
    }

    /// Puts an image under a tag; its digest.
    fn push(&self, repository: &str, tag: &str) -> Digest {
        let (image, layer) = image(tag);
        self.fake.put_blob(repository, &layer);
        self.fake.put_blob(repository, image.raw_config());
        let raw = image.raw();
        self.fake.put_manifest(repository, tag, raw.media_type.as_ref(), &raw.bytes)
    }

    fn repository(&self, path: &str) -> Repository {
        format!("{}/{path}", self.fake.address()).parse().expect("a repository")
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(self.client.clone(), self.repository(APP))
    }

    fn options() -> ReleaseOptions {
        Self::options_at(1_700_000_000_000)
    }

    fn options_at(milliseconds: u64) -> ReleaseOptions {
        ReleaseOptions {
            policies: Arc::default(),
            actor: ReleaseNote::fitted("alice"),
            reason: ReleaseNote::fitted("it is time"),
            pointer: true,
            dry_run: false,
            clock: ReleaseClock::starting(ReleaseTime::from_milliseconds(milliseconds)),
            nonce: nonce(),
            witness: None,
            interrupt: Interrupt::default(),
        }
    }

    /// Promotes an image by its tag.
    fn deploy(&self, tag: &str, to: &str) -> Result<ReleaseReport, BoxedError> {
        self.release(self.by_tag(APP, tag), to, &[], Self::options())
    }

    fn by_tag(&self, path: &str, tag: &str) -> PromotionSource {
        let reference = self.repository(path).at_tag(tag.parse().expect("a tag"));
        let name = reference.to_string();
        PromotionSource::Image { source: Arc::new(source(self.client.clone(), reference)), name }
    }

    fn by_environment(&self, from: &str) -> PromotionSource {
        PromotionSource::Release { ledger: self.ledger(), environment: environment(from), choice: None }
    }

    /// Promotes the newest release of an environment.
    fn promote(&self, from: &str, to: &str) -> Result<ReleaseReport, BoxedError> {
        self.release(self.by_environment(from), to, &[], Self::options())
    }

    fn release(
        &self,
        source: PromotionSource,
        to: &str,
        gates: &[Gate],
        options: ReleaseOptions,
    ) -> Result<ReleaseReport, BoxedError> {
        let place = |_: &EnvironmentName| self.ledger();
        promote(&PromotionRequest {
            source,
            target: self.ledger(),
            environment: environment(to),
            gates,
            place: &place,
            options,
            progress: Progress::default(),
        })
    }

    fn back(&self, from: &str, to: Option<u32>) -> Result<ReleaseReport, BoxedError> {
        rollback(&self.ledger(), &environment(from), to.map(|to| number(to).into()), &Self::options())
    }

    fn history(&self, of: &str) -> ReleaseHistory {
        let options = HistoryOptions { most: 100, files: None, interrupt: Interrupt::default() };
        history(&self.ledger(), &environment(of), &options).expect("a history")
    }

    /// The key of the release of a number.
    fn key(&self, of: &str, of_number: u32) -> ReleaseKey {
        let list = self.ledger().releases().expect("a list");
        let choice = ReleaseChoice::from(number(of_number));
        self.ledger().choose(&list, &environment(of), Some(choice)).expect("a release")
    }

    /// The tag of its record.
    fn record_tag(&self, of: &str, of_number: u32) -> String {
        environment(of).record_tag(self.key(of, of_number)).to_string()
    }

    /// The digests of the releases of an environment, oldest first; all of it is sound.
    fn sound(&self, of: &str) -> Vec<Digest> {
        let history = self.history(of);
        assert_eq!(history.faults, []);
        let numbers: Vec<u32> = history.releases.iter().rev().map(|past| past.record.number.get()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let digests: Vec<Digest> = history.releases.iter().rev().map(|past| past.record.digest).collect();
        assert_eq!(history.pointer.as_ref(), digests.last(), "the tag means the newest release");
        digests
    }
}

/// Requests that change something.
fn writes(log: &[Logged]) -> Vec<String> {
    log.iter()
        .filter(|logged| !["GET", "HEAD"].contains(&logged.method.as_str()))
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_version_goes_from_stage_to_stage_and_back() {
    let shop = Shop::new();
    let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
    let first = shop.deploy("1", "dev").expect("deployed");
    assert_eq!((first.number, first.kind, first.digest), (number(1), ReleaseKind::Deploy, one));
    assert_eq!(first.revision.as_ref().map(ReleaseNote::as_str), Some("commit-1"));
    assert_eq!(first.previous, None);
    let test = shop.promote("dev", "test").expect("promoted");
    assert_eq!((test.kind, test.source.as_str(), test.digest), (ReleaseKind::Promote, "dev@1", one));
    assert_eq!(test.checks, first.checks, "it was verified when it was deployed");
    shop.deploy("2", "dev").expect("deployed");
    let second = shop.promote("dev", "test").expect("promoted");
    assert_eq!((second.number, second.source.as_str()), (number(2), "dev@2"));
    let previous = second.previous.expect("there was one");
    assert_eq!((previous.release, previous.image, previous.record), (number(1), one, test.record));
    let back = shop.back("test", None).expect("rolled back");
    assert_eq!((back.number, back.kind, back.digest), (number(3), ReleaseKind::Rollback, one));
    assert_eq!(back.source.as_str(), "test@1");
    assert_eq!(shop.sound("test"), [one, two, one]);
    assert_eq!(shop.sound("dev"), [one, two]);
    // Once more is forward again; to the current one, there is nothing to do.
    assert_eq!(shop.back("test", None).expect("rolled back").digest, two);
    let nothing = shop.back("test", Some(2)).expect("nothing to do");
    assert!(nothing.current && nothing.number == number(4), "{nothing:?}");
    assert!(shop.back("test", Some(4)).expect("nothing to do").current);
    assert_eq!(shop.sound("test"), [one, two, one, two]);
    let history = shop.history("test");
    let change = history.releases[2].change.as_ref().expect("it follows one");
    assert_eq!((change.added_layers, change.removed_layers, change.added_bytes), (1, 1, 1));
}

#[test]
fn six_requests_and_no_blob() {
    let shop = Shop::new();
    shop.push(APP, "1");
    shop.push(APP, "2");
    shop.deploy("2", "prod").expect("deployed");
    let mut fewest = [usize::MAX; 3];
    let count = |fewest: &mut usize, release: &dyn Fn() -> Result<ReleaseReport, BoxedError>| {
        let _ = shop.fake.take_log();
        assert!(!release().expect("released").current);
        let log = shop.fake.take_log();
        let only = [Kind::Manifest, Kind::Tags];
        assert!(log.iter().all(|logged| only.contains(&logged.kind)), "{log:#?}");
        *fewest = log.len().min(*fewest);
    };
    // On a busy machine, a writer may take so long that it looks once more.
    for _ in 0..8 {
        shop.deploy("1", "dev").expect("deployed");
        count(&mut fewest[0], &|| shop.promote("dev", "prod"));
        shop.deploy("2", "dev").expect("deployed");
        count(&mut fewest[0], &|| shop.promote("dev", "prod"));
        count(&mut fewest[1], &|| shop.back("prod", None));
        let first = shop.sound("prod").len() - 1;
        count(&mut fewest[2], &|| shop.back("prod", Some(u32::try_from(first).expect("few"))));
        if fewest.iter().all(|fewest| *fewest <= 6) {
            break;
        }
    }
    assert_eq!(fewest, [6, 6, 6], "a promotion, a rollback, a rollback to a number");
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let shop = Shop::new();
    shop.push(APP, "1");
    shop.deploy("1", "dev").expect("deployed");
    shop.promote("dev", "prod").expect("promoted");
    let _ = shop.fake.take_log();
    let again = shop.promote("dev", "prod").expect("nothing to do");
    assert!(again.current && again.pointer == PointerState::Current, "{again:?}");
    assert!(shop.deploy("1", "prod").expect("nothing to do").current);
    assert_eq!(writes(&shop.fake.take_log()), Vec::<String>::new());
    assert_eq!(shop.sound("prod").len(), 1);
    // A dry run tells the number and writes nothing.
    shop.push(APP, "2");
    let options = ReleaseOptions { dry_run: true, ..Shop::options() };
    let planned = shop.release(shop.by_tag(APP, "2"), "prod", &[], options).expect("planned");
    assert_eq!((planned.number, planned.dry_run, planned.current), (number(2), true, false));
    assert_eq!(writes(&shop.fake.take_log()), Vec::<String>::new());
}

#[test]
fn releases_of_all_registries() {
    for profile in &PROFILES {
        let fake = Fake::start().expect("ports");
        let client = client(Some(&fake.address()));
        let shop = Shop { fake, client };
        let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
        shop.fake.become_like(profile);
        let name = profile.name;
        let told = |error: BoxedError| format!("{name}: {error}");
        shop.deploy("1", "dev").map_err(told).expect("deployed");
        shop.promote("dev", "prod").map_err(told).expect("promoted");
        shop.deploy("2", "prod").map_err(told).expect("deployed");
        assert_eq!(shop.back("prod", None).map_err(told).expect("back").digest, one, "{name}");
        assert_eq!(shop.sound("prod"), [one, two, one], "{name}");
    }
}

#[test]
fn a_registry_without_the_referrers_api_has_the_same_history() {
    let shop = Shop::new();
    shop.fake.set_quirks(Quirks { hides_referrers: true, ..Quirks::default() });
    let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
    shop.deploy("1", "prod").expect("deployed");
    shop.deploy("2", "prod").expect("deployed");
    shop.back("prod", None).expect("rolled back");
    assert_eq!(shop.sound("prod"), [one, two, one]);
    let gate = Gate::Release(environment("prod"));
    shop.release(shop.by_tag(APP, "1"), "live", &[gate], Shop::options()).expect("it was in prod");
}

#[test]
fn tags_that_do_not_move_need_no_pointer() {
    let shop = Shop::new();
    let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
    let message =
        "The image tag already exists and cannot be overwritten because the repository is immutable.";
    let immutable = Some((400, "TAG_INVALID", message));
    shop.fake.set_quirks(Quirks { immutable, ..Quirks::default() });
    shop.deploy("1", "prod").expect("the first has a new tag");
    let error = shop.deploy("2", "prod").expect_err("the tag does not move");
    assert_eq!(error.kind(), Fails::Registry);
    assert!(error.to_string().contains("the release 2 of `prod` is recorded"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--no-pointer")));
    let options = || ReleaseOptions { pointer: false, ..Shop::options() };
    let again = shop.release(shop.by_tag(APP, "2"), "prod", &[], options()).expect("nothing to do");
    assert!(again.current && again.pointer == PointerState::Left, "{again:?}");
    let back = rollback(&shop.ledger(), &environment("prod"), None, &options()).expect("rolled back");
    assert_eq!((back.digest, back.number), (one, number(3)));
    let history = shop.history("prod");
    assert_eq!(history.releases.iter().map(|past| past.record.digest).collect::<Vec<_>>(), [one, two, one]);
    assert_eq!(history.faults, []);
}

#[test]
fn an_unknown_environment_is_named_with_the_nearest() {
    let shop = Shop::new();
    shop.push(APP, "1");
    let unknown = |error: BoxedError, hint: &str| {
        assert_eq!(error.kind(), Fails::Input, "{error}");
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{error}: {found}");
    };
    unknown(shop.promote("dev", "prod").expect_err("no release"), "pack promote IMAGE --to dev");
    shop.deploy("1", "prod").expect("deployed");
    unknown(shop.back("prdo", None).expect_err("no such environment"), "did you mean `prod`?");
    unknown(shop.promote("staging", "prod").expect_err("no such environment"), "it has `prod`");
    unknown(shop.back("prod", Some(7)).expect_err("no such release"), "the newest one is 1");
    unknown(shop.back("prod", None).expect_err("nothing before"), "pack promote IMAGE --to prod");
    let same = PromotionSource::Release {
        ledger: shop.ledger(),
        environment: environment("prod"),
        choice: Some(number(1).into()),
    };
    assert!(shop.release(same, "prod", &[], Shop::options()).expect("it is there").current);
    let record = shop.by_tag(APP, &shop.record_tag("prod", 1));
    let error = shop.release(record, "live", &[], Shop::options()).expect_err("a record");
    unknown(error, "IMAGE@ENV@N");
}

#[test]
fn gates_are_closed_until_what_they_want_is_there() {
    let shop = Shop::new();
    let one = shop.push(APP, "1");
    shop.push(APP, "2");
    let spdx = "application/spdx+json";
    let gates = [Gate::Release(environment("test")), Gate::Referrer(spdx.to_owned())];
    let try_it = || shop.release(shop.by_tag(APP, "1"), "prod", &gates, Shop::options());
    let closed = |says: &str| {
        let _ = shop.fake.take_log();
        let error = try_it().expect_err("closed");
        assert_eq!(error.kind(), Fails::Policy);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(writes(&shop.fake.take_log()), Vec::<String>::new());
    };
    closed("the gate `release:test` is closed");
    shop.deploy("1", "test").expect("deployed");
    // It was there once.
    shop.deploy("2", "test").expect("deployed");
    closed("nothing of type `application/spdx+json` refers to it");
    // A list that is wrong proves nothing.
    let lying = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    shop.fake.put_manifest(APP, "x", "application/vnd.oci.image.index.v1+json", lying.as_bytes());
    let (image, _) = image("1");
    shop.fake.put_blob(APP, b"{}");
    let sbom = OciArtifact::new(spdx).subject(image.descriptor()).document("SBOM").expect("an artifact");
    let evidence = shop.fake.put_manifest(APP, "sbom", sbom.media_type.as_ref(), &sbom.bytes);
    let report = try_it().expect("open");
    assert_eq!(report.digest, one);
    let checks: Vec<(&str, bool)> =
        report.checks.iter().map(|gate| (gate.check.as_str(), gate.evidence == Some(evidence))).collect();
    assert_eq!(
        checks,
        [("documents", false), ("release:test", false), ("referrer:application/spdx+json", true)]
    );
    let record = shop.ledger().read(&environment("test"), shop.key("test", 1)).expect("a record");
    assert_eq!(report.checks[1].evidence, Some(record.descriptor.digest));
}

#[test]
fn an_image_whose_documents_disagree_is_refused() {
    let shop = Shop::new();
    let (image, layer) = image("1");
    shop.fake.put_blob(APP, &layer);
    // A configuration with one more layer than the manifest has.
    let mut config = image.config().clone();
    config.rootfs.diff_ids.push(Digest::of(b"x"));
    let bytes = serde_json::to_vec(&config).expect("JSON");
    shop.fake.put_blob(APP, &bytes);
    let mut manifest = image.manifest().clone();
    manifest.config = Descriptor::of(MediaType::ImageConfig, &bytes);
    let bytes = serde_json::to_vec(&manifest).expect("JSON");
    shop.fake.put_manifest(APP, "1", MediaType::ImageManifest.as_ref(), &bytes);
    let error = shop.deploy("1", "dev").expect_err("it does not verify");
    assert_eq!(error.kind(), Fails::Policy);
    assert!(error.to_string().contains("does not verify"), "{error}");
}

#[test]
fn another_repository_gets_the_image_with_its_referrers_and_no_foreign_record() {
    let (shop, other) = (Shop::new(), Shop::new());
    let one = shop.push(APP, "1");
    shop.fake.put_blob(APP, b"{}");
    let (image, _) = image("1");
    let sbom = OciArtifact::new("application/spdx+json").subject(image.descriptor());
    let sbom = sbom.document("SBOM").expect("an artifact");
    let attached = shop.fake.put_manifest(APP, "sbom", sbom.media_type.as_ref(), &sbom.bytes);
    // A signature of the older form has a tag of its own.
    let older = format!("sha256-{}.sig", one.hex());
    let payload =
        Descriptor::of(MediaType::from("application/vnd.dev.cosign.simplesigning.v1+json"), b"signed");
    shop.fake.put_blob(APP, b"signed");
    let mut signature = image.manifest().clone();
    signature.config = Descriptor::of(MediaType::ImageConfig, b"{}");
    signature.layers = vec![payload];
    let signature = serde_json::to_vec(&signature).expect("JSON");
    shop.fake.put_manifest(APP, &older, MediaType::ImageManifest.as_ref(), &signature);
    shop.deploy("1", "test").expect("deployed");
    let target = Ledger::new(shop.client.clone(), other.repository("prod/app"));
    let place = |_: &EnvironmentName| target.clone();
    let gates = [Gate::Release(environment("test"))];
    let request = |from: PromotionSource| PromotionRequest {
        source: from,
        target: target.clone(),
        environment: environment("prod"),
        gates: &gates,
        place: &place,
        options: Shop::options(),
        progress: Progress::default(),
    };
    let report = promote(&request(shop.by_environment("test"))).expect("promoted");
    let name = format!("{}/shop/app@test@1", shop.fake.address());
    assert_eq!((report.digest, report.source.as_str()), (one, name.as_str()));
    assert_eq!(report.referrers, Some(vec![attached]));
    assert!(other.fake.tag("prod/app", &older).is_some(), "signatures under a tag come along");
    assert_eq!(other.fake.tag("prod/app", "prod"), Some(one));
    assert_eq!(other.fake.manifest("prod/app", &attached), Some(sbom.bytes));
    assert!(target.listed_for(&one).expect("listed").is_some_and(|records| records.len() == 1));
    assert!(promote(&request(shop.by_tag(APP, "1"))).expect("nothing to do").current);
}

/// Puts a document where a record was.
fn put_over(shop: &Shop, tag: &str, bytes: &[u8]) {
    shop.fake.put_manifest(APP, tag, MediaType::ImageIndex.as_ref(), bytes);
}

fn record_bytes(shop: &Shop, tag: &str) -> Vec<u8> {
    let digest = shop.fake.tag(APP, tag).expect("the tag");
    shop.fake.manifest(APP, &digest).expect("the record")
}

#[test]
fn what_is_wrong_with_a_history_is_named() {
    let shop = Shop::new();
    for tag in ["1", "2", "3"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    let tags = [1, 2, 3].map(|number| shop.record_tag("prod", number));
    let [tag_one, tag_two, tag_three] = tags.each_ref().map(String::as_str);
    let [one, two, three] = [tag_one, tag_two, tag_three].map(|tag| record_bytes(&shop, tag));
    let faults = || -> Vec<(String, &'static str)> {
        shop.history("prod").faults.into_iter().map(|fault| (fault.tag, fault.fault)).collect()
    };
    let case = |tag: &str, fault| (tag.to_owned(), fault);
    assert_eq!(faults(), []);
    // A record of another number, in the middle: those around it cannot be compared with it.
    put_over(&shop, tag_two, &one);
    assert_eq!(faults(), [case(tag_two, "tampered")]);
    let kind = |history: &ReleaseHistory| {
        history.check().map_err(|error| crate::types::error::Explain::kind(&error))
    };
    assert_eq!(kind(&shop.history("prod")), Err(Fails::Policy));
    // The newest one: nothing can follow it.
    put_over(&shop, tag_two, &two);
    let mallory = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text").replace("alice", "mallory");
    put_over(&shop, tag_three, mallory(&three).as_bytes());
    assert_eq!(faults(), [case(tag_three, "tampered")], "the tag tells what the record says");
    put_over(&shop, tag_three, b"{\"schemaVersion\":2,\"manifests\":[]}");
    let error = shop.deploy("1", "prod").expect_err("tampered with");
    assert_eq!(error.kind(), Fails::Policy);
    assert!(error.to_string().contains(&format!("`{tag_three}` was tampered with")), "{error}");
    // An older record that says to follow another one: the tag does not tell, the record after it does.
    put_over(&shop, tag_three, &three);
    let digest = shop.fake.tag(APP, tag_one).expect("the tag").to_string();
    let other = String::from_utf8(two.clone()).expect("text").replace(&digest, &Digest::of(b"x").to_string());
    put_over(&shop, tag_two, other.as_bytes());
    assert_eq!(faults(), [case(tag_three, "fork"), case(tag_two, "fork")]);
    let told = shop.history("prod").check().expect_err("unsound").to_string();
    let says = format!("the history forks at `{tag_three}`");
    assert!(told.contains(&says) && told.contains("and 1 more"), "{told}");
    // One that is gone.
    put_over(&shop, tag_two, &two);
    let tag = shop.repository(APP).at_tag(tag_two.parse().expect("a tag"));
    shop.client.delete(&tag).expect("deleted");
    assert_eq!(faults(), [case("prod-r0002-*", "missing")]);
    assert_eq!(kind(&shop.history("prod")), Err(Fails::Input));
    let error = shop.back("prod", Some(2)).expect_err("missing");
    assert!(error.to_string().contains("`prod-r0002-*` is missing"), "{error}");
    // The rest can be worked with.
    assert_eq!(shop.back("prod", None).expect("rolled back").source.as_str(), "prod@1");
}

/// Two writers met, and one of them was killed before it could take another number.
#[test]
fn two_releases_of_one_number_are_both_there() {
    let shop = Shop::new();
    let (one, two, three) = (shop.push(APP, "1"), shop.push(APP, "2"), shop.push(APP, "3"));
    shop.deploy("1", "prod").expect("deployed");
    let first = record_bytes(&shop, &shop.record_tag("prod", 1));
    // The same without the first one in the list.
    let tag = shop.record_tag("prod", 1);
    shop.client.delete(&shop.repository(APP).at_tag(tag.parse().expect("a tag"))).expect("deleted");
    shop.deploy("2", "prod").expect("deployed");
    put_over(&shop, &tag, &first);
    let history = shop.history("prod");
    assert_eq!((history.faults.as_slice(), history.total), ([].as_slice(), 2));
    let order: Vec<Digest> = history.releases.iter().map(|past| past.record.digest).collect();
    assert!(order == [one, two] || order == [two, one], "{order:?}");
    // A number tells neither; the names of the hint do.
    let error = shop.back("prod", Some(1)).expect_err("two");
    assert_eq!(error.kind(), Fails::Input);
    assert!(error.to_string().contains("has 2 releases 1"), "{error}");
    let hint = error.hint().expect("a hint");
    let names: Vec<&str> = hint.split('`').skip(1).step_by(2).collect();
    let choices: Vec<ReleaseChoice> = names.iter().map(|name| name.parse().expect("a release")).collect();
    let release = shop.release(shop.by_tag(APP, "3"), "prod", &[], Shop::options()).expect("deployed");
    assert_eq!((release.number, release.digest), (number(2), three));
    assert_eq!(release.previous.as_ref().map(|previous| previous.image), Some(order[0]));
    for (choice, digest) in choices.iter().zip([order[1], order[0]]) {
        let back = rollback(&shop.ledger(), &environment("prod"), Some(*choice), &Shop::options());
        assert_eq!(back.expect("rolled back").digest, digest);
    }
    assert_eq!(shop.history("prod").faults, []);
}

#[test]
fn a_clock_that_goes_back_orders_nothing() {
    let shop = Shop::new();
    for (tag, time) in [("1", 1_700_000_000_000), ("2", 1_600_000_000_000), ("3", 1_650_000_000_000)] {
        shop.push(APP, tag);
        let options = Shop::options_at(time);
        shop.release(shop.by_tag(APP, tag), "prod", &[], options).expect("released");
    }
    assert_eq!(shop.sound("prod").len(), 3);
    let history = shop.history("prod");
    let times: Vec<u64> =
        history.releases.iter().map(|past| past.record.time.milliseconds() / 1_000_000_000).collect();
    assert_eq!(times, [1650, 1600, 1700], "newest first, by number");
}

#[test]
fn an_image_that_was_collected_is_sent_again_from_its_record() {
    let shop = Shop::new();
    let one = shop.push(APP, "1");
    shop.push(APP, "2");
    shop.deploy("1", "prod").expect("deployed");
    shop.deploy("2", "prod").expect("deployed");
    // A clean-up that looks at tags of images alone.
    shop.client.delete(&shop.repository(APP).at_digest(one)).expect("deleted");
    assert_eq!(shop.fake.manifest(APP, &one), None);
    assert_eq!(shop.back("prod", None).expect("rolled back").digest, one);
    assert!(shop.fake.manifest(APP, &one).is_some());
}

/// The names of all images that the writers of a test release.
fn images(shop: &Shop, count: usize) -> Vec<(String, Digest)> {
    (1..=count).map(|number| (number.to_string(), shop.push(APP, &number.to_string()))).collect()
}

/// As many writers as there are images, at once; afterwards each has one record, in order, and the tag means the newest.
fn meet(shop: &Shop, count: usize) {
    let images = images(shop, count);
    std::thread::scope(|scope| {
        for (tag, _) in &images {
            scope.spawn(move || {
                let own = Shop { fake: Fake::start().expect("ports"), client: client(None) };
                let options = ReleaseOptions { clock: now(), ..Shop::options() };
                let target = Ledger::new(own.client.clone(), shop.repository(APP));
                let reference = shop.repository(APP).at_tag(tag.parse().expect("a tag"));
                let from = PromotionSource::Image {
                    name: reference.to_string(),
                    source: Arc::new(source(own.client.clone(), reference)),
                };
                let place = |_: &EnvironmentName| target.clone();
                let report = promote(&PromotionRequest {
                    source: from,
                    target: target.clone(),
                    environment: environment("prod"),
                    gates: &[],
                    place: &place,
                    options,
                    progress: Progress::default(),
                });
                assert!(!report.expect("promoted").current);
            });
        }
    });
    let mut digests = shop.sound("prod");
    let mut wanted: Vec<Digest> = images.iter().map(|(_, digest)| *digest).collect();
    digests.sort();
    wanted.sort();
    assert_eq!(digests, wanted, "each once");
}

/// The clock of this machine, which writers that meet share.
#[allow(clippy::disallowed_methods, reason = "a test's clock")]
fn now() -> ReleaseClock {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    ReleaseClock::starting(ReleaseTime::from_milliseconds(u64::try_from(now.as_millis()).expect("soon")))
}

#[test]
fn eight_writers_at_once_lose_nothing() {
    meet(&Shop::new(), 8);
}

/// Each request of a promotion and of a rollback fails, before and after it took effect, once and for ever. Afterwards no
/// record is lost or written twice, the tag is not ahead, and running again finishes the work and writes nothing twice.
#[test]
fn each_request_may_fail_before_and_after_it_took_effect() {
    type Trouble = (&'static str, fn() -> Action);
    const TROUBLES: [Trouble; 7] = [
        ("500, not done", || Action::Answer(Reply::new(500))),
        ("500, done", || Action::Instead(Reply::new(500))),
        ("503, not done", || Action::Answer(Reply::new(503))),
        ("reset before", || Action::Cut(At::Start, End::Reset)),
        ("reset when done", || Action::Unanswered(End::Reset)),
        ("403", || Action::Answer(Reply::new(403))),
        ("a false 201", || Action::Lose),
    ];
    const STEPS: [(&str, Kind, usize); 4] = [
        ("GET", Kind::Tags, 2),
        ("GET", Kind::Manifest, 3),
        ("PUT", Kind::Manifest, 2),
        ("HEAD", Kind::Manifest, 2),
    ];
    let mut cells: Vec<FaultCell> = Vec::new();
    for (method, kind, count) in STEPS {
        for (trouble, action) in TROUBLES {
            for nth in 1..=count {
                // The tag of an environment is believed to be set: one that is not is set by the next run.
                if trouble == "a false 201" && (method, nth) == ("PUT", 2) {
                    continue;
                }
                for times in [1, usize::MAX] {
                    for is_rollback in [false, true] {
                        cells.push(FaultCell { is_rollback, method, kind, nth, times, trouble, action });
                    }
                }
            }
        }
    }
    assert_eq!(cells.len(), 4 * (9 * 7 - 1));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    cell.play();
                }
            });
        }
    });
}

/// A fault of one request of a promotion or a rollback.
struct FaultCell {
    is_rollback: bool,
    method: &'static str,
    kind: Kind,
    nth: usize,
    times: usize,
    trouble: &'static str,
    action: fn() -> Action,
}

impl FaultCell {
    fn play(&self) {
        let shop = Shop::new();
        let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
        let first = if self.is_rollback { "prod" } else { "test" };
        shop.deploy("1", first).expect("prepared");
        shop.deploy("2", "prod").expect("prepared");
        let play =
            || if self.is_rollback { shop.back("prod", Some(1)) } else { shop.promote("test", "prod") };
        let Self { is_rollback, method, kind, nth, times, trouble, action } = self;
        shop.fake.fault(Fault::nth(method, *kind, *nth, *times, action()));
        let result = play();
        let what = format!("rollback {is_rollback}/{method} {kind:?} {nth}/{trouble}/{times}: {result:?}");
        shop.fake.heal();
        let history = shop.history("prod");
        assert_eq!(history.faults, [], "{what}");
        let records: Vec<Digest> = history.releases.iter().map(|past| past.record.digest).collect();
        let before = if *is_rollback { vec![two, one] } else { vec![two] };
        let after: Vec<Digest> = [vec![one], before.clone()].concat();
        assert!(records == before || records == after, "{what}: {records:?}");
        assert!(history.pointer == Some(two) || records == after, "{what}: the tag is ahead");
        if result.is_ok() {
            assert!(records == after && history.pointer == Some(one), "{what}");
        }
        // Again, without the fault.
        play().expect(&what);
        assert_eq!(shop.history("prod").pointer, Some(one), "{what}");
        assert_eq!(shop.sound("prod").len(), after.len(), "{what}");
        let _ = shop.fake.take_log();
        // To the release that it is now, or to the image that it has now.
        assert!(play().expect(&what).current, "{what}");
        assert_eq!(writes(&shop.fake.take_log()), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_record_is_an_artifact_that_refers_to_its_image() {
    let shop = Shop::new();
    let one = shop.push(APP, "1");
    shop.deploy("1", "prod").expect("deployed");
    let listed = shop.ledger().listed_for(&one).expect("listed").expect("there is an API");
    let [record] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(record.artifact_type.as_deref(), Some(ARTIFACT_TYPE));
    let annotations: BTreeMap<&str, &str> =
        record.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(annotations["pack.release.environment"], "prod");
    assert_eq!(annotations["pack.release.number"], "1");
    assert_eq!(annotations["pack.release.kind"], "deploy");
    assert_eq!(annotations["org.opencontainers.image.revision"], "commit-1");
    let read: StoredRelease =
        shop.ledger().read(&environment("prod"), shop.key("prod", 1)).expect("a record");
    assert_eq!((read.descriptor.digest, read.image.digest), (record.digest, one));
}

/// A registry that does not list tags has no releases: nothing is written, whatever is promoted.
#[test]
fn a_registry_that_refuses_its_list_of_tags_gets_no_release() {
    for status in [401, 403, 404, 405] {
        let shop = Shop::new();
        for tag in ["1", "2", "3"] {
            shop.push(APP, tag);
        }
        shop.deploy("1", "dev").expect("deployed");
        shop.deploy("2", "prod").expect("deployed");
        shop.fake.fault(Fault::always("GET", Kind::Tags, Action::Answer(Reply::new(status))));
        let _ = shop.fake.take_log();
        type Play<'a> = (&'static str, &'a dyn Fn() -> Result<ReleaseReport, BoxedError>);
        let plays: [Play<'_>; 4] = [
            ("an image into a new environment", &|| shop.deploy("3", "live")),
            ("an image into another one", &|| shop.deploy("3", "prod")),
            ("a release", &|| shop.promote("dev", "prod")),
            ("a rollback", &|| shop.back("prod", None)),
        ];
        for (name, play) in plays {
            let error = play().expect_err(name);
            let what = format!("{status}, {name}: {error}");
            // A repository that is only named may not be there at all.
            let is_named = status == 404 && ["a release", "a rollback"].contains(&name);
            assert_eq!(error.kind(), if is_named { Fails::Input } else { Fails::Registry }, "{what}");
            assert!(error.to_string().contains(&shop.fake.address()), "{what}");
            assert_eq!(writes(&shop.fake.take_log()), Vec::<String>::new(), "{what}");
        }
    }
}

/// The list is refused only after the record was written: no tag moves, and another run goes on.
#[test]
fn a_list_that_is_refused_in_between_moves_no_tag() {
    for status in [401, 403, 404, 405] {
        let shop = Shop::new();
        let (one, two) = (shop.push(APP, "1"), shop.push(APP, "2"));
        shop.deploy("1", "prod").expect("deployed");
        shop.fake.fault(Fault::nth("GET", Kind::Tags, 2, usize::MAX, Action::Answer(Reply::new(status))));
        let error = shop.deploy("2", "prod").expect_err("no list");
        assert_eq!(error.kind(), Fails::Registry, "{status}: {error}");
        assert_eq!(shop.fake.tag(APP, "prod"), Some(one), "{status}");
        shop.fake.heal();
        shop.deploy("2", "prod").expect("again");
        assert_eq!(shop.sound("prod"), [one, two], "{status}");
    }
}

/// A record that was made for another repository, with a tag that agrees with it.
#[test]
fn a_record_of_another_repository_is_tampered_with() {
    let shop = Shop::new();
    shop.push(APP, "1");
    let (image, _) = image("1");
    shop.deploy("1", "dev").expect("deployed");
    let mut record = shop.ledger().read(&environment("dev"), shop.key("dev", 1)).expect("a record").record;
    record.environment = environment("img");
    record.image = "evil.example.com/x/y".parse().expect("a repository");
    let (evil, document) = StoredRelease::new(record, image.raw()).expect("a record");
    put_over(&shop, evil.tag().as_str(), &document.bytes);
    let history = shop.history("img");
    assert_eq!(history.faults[0].fault, "tampered");
    assert!(history.faults[0].message.contains("its image is `evil.example.com/x/y`"), "{history:?}");
    let error = shop.promote("img", "z").expect_err("tampered with");
    assert_eq!(error.kind(), Fails::Policy);
    assert!(error.hint().is_some_and(|hint| hint.contains("by its digest")), "{error}");
    let error = shop.back("img", None).expect_err("tampered with");
    assert!(error.hint().is_some_and(|hint| hint.contains("once its tag is deleted")), "{error}");
}

/// A number that is far away costs nothing, and gaps are told as ranges.
#[test]
fn a_history_with_gaps_is_read_by_the_numbers_that_there_are() {
    let shop = Shop::new();
    for tag in ["1", "2", "3"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    put_over(&shop, "prod-r9999999-000000000000", b"{\"schemaVersion\":2,\"manifests\":[]}");
    let tag = shop.record_tag("prod", 2);
    shop.client.delete(&shop.repository(APP).at_tag(tag.parse().expect("a tag"))).expect("deleted");
    let _ = shop.fake.take_log();
    let begun = std::time::Instant::now();
    let options = HistoryOptions { most: usize::MAX, files: None, interrupt: Interrupt::default() };
    let history = history(&shop.ledger(), &environment("prod"), &options).expect("a history");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(shop.fake.take_log().len() < 12);
    let faults: Vec<(&str, &str)> =
        history.faults.iter().map(|fault| (fault.fault, fault.tag.as_str())).collect();
    assert_eq!(
        faults[..3],
        [
            ("tampered", "prod-r9999999-000000000000"),
            ("missing", "prod-r0004-* to prod-r9999998-*"),
            ("missing", "prod-r0002-*"),
        ]
    );
    assert!(
        history.faults[1].message.contains("the records `prod-r0004-*` to `prod-r9999998-*` are missing")
    );
    assert_eq!((history.releases.len(), history.total, history.older), (2, 3, 0));
    // The oldest ones may be cleaned up: that is told, and is no fault.
    let shop = Shop::new();
    for tag in ["1", "2"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    let tag = shop.record_tag("prod", 1);
    shop.client.delete(&shop.repository(APP).at_tag(tag.parse().expect("a tag"))).expect("deleted");
    let history = shop.history("prod");
    assert_eq!((history.faults.as_slice(), history.first), ([].as_slice(), number(2)));
}

/// A long history ends when the user wants that.
#[test]
fn a_history_and_a_rollback_hear_an_interrupt() {
    let shop = Shop::new();
    for tag in ["1", "2"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    let interrupt = Interrupt::default();
    interrupt.trigger();
    let options = HistoryOptions { most: 100, files: None, interrupt: interrupt.clone() };
    let error = history(&shop.ledger(), &environment("prod"), &options).expect_err("interrupted");
    assert_eq!(error.kind(), Fails::Interrupted);
    let options = ReleaseOptions { interrupt, ..Shop::options() };
    let error = rollback(&shop.ledger(), &environment("prod"), None, &options).expect_err("interrupted");
    assert_eq!(error.kind(), Fails::Interrupted);
}

/// A rollback that goes back further than the user may think says so.
#[test]
fn a_rollback_over_a_record_that_is_gone_warns() {
    let shop = Shop::new();
    for tag in ["1", "2", "3"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    assert_eq!(shop.back("prod", None).expect("rolled back").warnings, Vec::<String>::new());
    shop.deploy("3", "prod").expect("deployed");
    let tag = shop.record_tag("prod", 4);
    shop.client.delete(&shop.repository(APP).at_tag(tag.parse().expect("a tag"))).expect("deleted");
    let back = shop.back("prod", None).expect("rolled back");
    let [warning] = back.warnings.as_slice() else { panic!("{back:?}") };
    let says = ["`prod-r0004-*` is missing", "goes back to release 2", "keep all tags of releases"];
    assert!(says.iter().all(|says| warning.contains(says)), "{warning}");
    // Where the release was named, the user knows.
    assert_eq!(shop.back("prod", Some(1)).expect("rolled back").warnings, Vec::<String>::new());
}

/// The image is gone, and a registry has its own words for that.
#[test]
fn an_image_that_is_gone_is_told_and_comes_back() {
    for calls_manifests_blobs in [false, true] {
        for pointer in [true, false] {
            let shop = Shop::new();
            shop.fake.set_quirks(Quirks { calls_manifests_blobs, ..Quirks::default() });
            let one = shop.push(APP, "1");
            shop.push(APP, "2");
            shop.deploy("1", "dev").expect("deployed");
            shop.deploy("1", "prod").expect("deployed");
            shop.deploy("2", "prod").expect("deployed");
            shop.client.delete(&shop.repository(APP).at_digest(one)).expect("deleted");
            let history = shop.history("prod");
            assert_eq!(
                history.releases.iter().map(|past| past.image_gone).collect::<Vec<_>>(),
                [false, true]
            );
            let [fault] = history.faults.as_slice() else { panic!("{history:?}") };
            assert_eq!((fault.fault, fault.tag.as_str()), ("gone", shop.record_tag("prod", 1).as_str()));
            let unsound = history.check().expect_err("an image is gone");
            let error: BoxedError = unsound.into();
            assert_eq!(error.kind(), Fails::Input);
            assert!(error.hint().is_some_and(|hint| hint.contains("puts an image back")), "{error}");
            let _ = shop.fake.take_log();
            let options = || ReleaseOptions { pointer, ..Shop::options() };
            let back = rollback(&shop.ledger(), &environment("prod"), None, &options()).expect("rolled back");
            assert_eq!(back.digest, one);
            assert!(shop.fake.manifest(APP, &one).is_some(), "the image is there again");
            let puts = writes(&shop.fake.take_log());
            let own = format!("/manifests/{one}");
            assert!(puts.iter().filter(|put| put.contains(&own)).count() == 1 && puts.len() <= 4, "{puts:?}");
            // A promotion of the other release of it, after the same again.
            shop.client.delete(&shop.repository(APP).at_digest(one)).expect("deleted");
            let report = shop.release(shop.by_environment("dev"), "live", &[], options()).expect("promoted");
            assert_eq!(report.digest, one);
            assert!(shop.fake.manifest(APP, &one).is_some(), "the image is there again");
            assert_eq!(shop.history("live").faults, []);
        }
    }
}

/// With its layers gone, too, nothing helps: it is said at once, and nothing is written.
#[test]
fn an_image_without_its_layers_is_not_tried_again() {
    let shop = Shop::new();
    let one = shop.push(APP, "1");
    shop.deploy("1", "dev").expect("deployed");
    shop.push(APP, "2");
    shop.deploy("2", "dev").expect("deployed");
    shop.client.delete(&shop.repository(APP).at_digest(one)).expect("deleted");
    for code in ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"] {
        let _ = shop.fake.take_log();
        let reply = Reply::error(400, code, "blob unknown to registry");
        shop.fake.fault(Fault::always("PUT", Kind::Manifest, Action::Answer(reply)));
        let error = shop.back("dev", None).expect_err("refused");
        assert_eq!(error.kind(), Fails::Registry);
        assert!(error.to_string().contains("does not have all of the image"), "{error}");
        assert!(
            error.hint().is_some_and(|hint| hint.contains("build or copy the image once more")),
            "{error}"
        );
        // The record, the image that it names, and what that is answered.
        assert!(writes(&shop.fake.take_log()).len() <= 2, "{code}");
        shop.fake.heal();
        assert_eq!(shop.history("dev").total, 2);
    }
}

/// A promotion to another repository has the manifest from the record.
#[test]
fn an_image_that_is_gone_comes_to_another_repository() {
    let shop = Shop::new();
    let one = shop.push(APP, "1");
    shop.deploy("1", "test").expect("deployed");
    shop.client.delete(&shop.repository(APP).at_digest(one)).expect("deleted");
    let target = Ledger::new(shop.client.clone(), shop.repository("prod/app"));
    let place = |_: &EnvironmentName| target.clone();
    let report = promote(&PromotionRequest {
        source: shop.by_environment("test"),
        target: target.clone(),
        environment: environment("prod"),
        gates: &[],
        place: &place,
        options: Shop::options(),
        progress: Progress::default(),
    });
    assert_eq!(report.expect("promoted").digest, one);
    assert_eq!(shop.fake.tag("prod/app", "prod"), Some(one));
}

/// An environment is given its own release: the current one is there already, an older one is for a rollback.
#[test]
fn an_environment_has_its_current_release_already() {
    let shop = Shop::new();
    for tag in ["1", "2"] {
        shop.push(APP, tag);
        shop.deploy(tag, "prod").expect("deployed");
    }
    let own = |choice: Option<u32>| {
        let choice = choice.map(|choice| number(choice).into());
        let source =
            PromotionSource::Release { ledger: shop.ledger(), environment: environment("prod"), choice };
        shop.release(source, "prod", &[], Shop::options())
    };
    assert!(own(None).expect("nothing to do").current);
    assert!(own(Some(2)).expect("nothing to do").current);
    let error = own(Some(1)).expect_err("an older one");
    assert!(error.hint().is_some_and(|hint| hint.contains("pack rollback prod --to 1")), "{error}");
}

/// The requests of a run that writes a release, and of one that finds it there.
#[test]
fn a_promotion_takes_at_most_six_requests_each_time() {
    type Play<'a> = (&'static str, &'a dyn Fn() -> Result<ReleaseReport, BoxedError>);
    let shop = Shop::new();
    let promotion = || shop.promote("dev", "prod");
    let back = || shop.back("prod", None);
    let plays: [Play<'_>; 2] = [("a promotion", &promotion), ("a rollback", &back)];
    for tag in ["1", "2"] {
        shop.push(APP, tag);
    }
    let mut fewest = std::collections::BTreeMap::new();
    let mut count = |name: String, is_current: bool, play: &dyn Fn() -> Result<ReleaseReport, BoxedError>| {
        let _ = shop.fake.take_log();
        assert_eq!(play().expect("released").current, is_current, "{name}");
        let log = shop.fake.take_log();
        let most = fewest.entry(name).or_insert(usize::MAX);
        *most = log.len().min(*most);
    };
    // On a busy machine, a writer may take so long that it looks once more.
    for _ in 0..8 {
        shop.deploy("1", "dev").expect("deployed");
        shop.deploy("2", "prod").expect("deployed");
        for (name, play) in plays {
            count(name.to_owned(), false, play);
            if name == "a promotion" {
                count(format!("{name} again"), true, play);
            }
        }
        let newest = shop.key("prod", shop.history("prod").releases[0].record.number.get());
        let to_it = || rollback(&shop.ledger(), &environment("prod"), Some(newest.into()), &Shop::options());
        count("a rollback to the current one".to_owned(), true, &to_it);
        count("an image by its tag".to_owned(), false, &|| shop.deploy("1", "prod"));
        count("an image by its tag again".to_owned(), true, &|| shop.deploy("1", "prod"));
    }
    eprintln!("requests: {fewest:?}");
    assert!(
        fewest.iter().all(|(name, count)| *count <= if name == "an image by its tag" { 7 } else { 6 }),
        "{fewest:?}"
    );
}
