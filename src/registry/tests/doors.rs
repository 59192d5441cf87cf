//! Things between the user and a registry: checking logins, mirrors, the doctor.

use std::io::Read;
use std::time::SystemTime;

use super::super::fake::{Action, End, Fate, Fault, Kind, Reply};
use super::*;

fn bearer() -> Auth {
    Auth { bearer: true, login: Some(("alice".into(), "hunter2".into())), ..Auth::default() }
}

/// Settings with a login for `fake` that was given to the command.
fn given(fake: &Fake, password: &str) -> ClientSettings {
    let mut settings = quick();
    let login = Some(("alice".to_owned(), Secret::new(password)));
    let registry = fake.address().parse().expect("valid");
    settings.registries.insert(registry, RegistrySettings { login, ..RegistrySettings::default() });
    settings
}

fn scope(fake: &Fake, path: &str) -> Scope {
    format!("{}{path}", fake.address()).parse().expect("valid")
}

#[test]
fn a_login_is_checked_before_anything_else_is_asked() {
    for auth in [bearer(), Auth { bearer: false, ..bearer() }] {
        let fake = Fake::start().expect("ports");
        fake.set_auth(auth);
        for path in ["", "/shop"] {
            let good = client(given(&fake, "hunter2")).check_login(&scope(&fake, path)).expect("is taken");
            assert_eq!(good, Greeting::Known);
        }
        assert!(fake.take_log().iter().all(|request| !request.target.contains("scope=")));
        let wrong = client(given(&fake, "hunter3")).check_login(&scope(&fake, "")).expect_err("is refused");
        let text = format!("{wrong} {}", wrong.hint().unwrap_or_default());
        assert!(text.contains("`alice` from this command") && !text.contains("hunter3"), "{text}");
        assert!(matches!(wrong, RegistryError::Denied { anonymous: false, .. }), "{text}");
        assert!(fake.take_log().len() <= 3);
    }
}

#[test]
fn what_is_no_registry_is_told_apart() {
    let fake = Fake::start().expect("ports");
    let open = client(given(&fake, "any")).check_login(&scope(&fake, "")).expect("answers");
    assert_eq!(open, Greeting::NotAsked);
    let html = Reply::new(200).header("Content-Type", "text/html").body("<html>");
    for reply in [Reply::new(404), html] {
        let fake = Fake::start().expect("ports");
        fake.fault(Fault::always("GET", Kind::Ping, Action::Answer(reply)));
        let error = client(given(&fake, "any")).check_login(&scope(&fake, "")).expect_err("is none");
        assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error}");
    }
}

/// Two registries, the second a mirror of the first below `hub`.
struct Mirrored {
    origin: Bench,
    mirror: Fake,
    bytes: Vec<u8>,
    descriptor: Descriptor,
}

impl Mirrored {
    fn new() -> Self {
        let (origin, mirror) = (Bench::new(), Fake::start().expect("ports"));
        let raw = origin.image.raw();
        let bytes: Vec<u8> =
            (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (fake, path) in [(&origin.fake, "shop/app"), (&mirror, "hub/shop/app")] {
            fake.put_blob(path, &bytes);
            fake.put_blob(path, b"small");
            for blob in &origin.blobs {
                let mut bytes = Vec::new();
                blob.content.open().expect("opens").read_to_end(&mut bytes).expect("reads");
                fake.put_blob(path, &bytes);
            }
            fake.put_manifest(path, TAG, raw.media_type.as_ref(), &raw.bytes);
        }
        let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
        Self { origin, mirror, bytes, descriptor }
    }

    fn settings(&self) -> ClientSettings {
        let mut settings = quick();
        let mirror = Mirror::new(format!("{}/hub", self.mirror.address()).parse().expect("valid"), true);
        let own = RegistrySettings { mirrors: vec![mirror], ..RegistrySettings::default() };
        settings.registries.insert(self.origin.repository.registry().clone(), own);
        settings
    }

    /// Pulls a tag, a small blob and a large one.
    fn pull(&self, client: &Client) -> Result<Digest, String> {
        let repository = &self.origin.repository;
        let shown = |error: RegistryError| error.to_string();
        let document = client.document(repository, TAG, None).map_err(shown)?;
        let small = Descriptor::of(MediaType::ImageLayerGzip, b"small");
        for (descriptor, expected) in [(&small, &b"small"[..]), (&self.descriptor, &self.bytes)] {
            let mut bytes = Vec::new();
            let mut stream = client.blob(repository, descriptor).map_err(shown)?;
            stream.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            assert!(bytes == expected, "{} bytes", bytes.len());
        }
        Ok(document.digest())
    }
}

#[test]
fn a_mirror_is_asked_and_the_registry_is_not() {
    let both = Mirrored::new();
    assert_eq!(both.pull(&client(both.settings())), Ok(both.origin.image.digest()));
    assert_eq!(both.origin.fake.take_log().len(), 0);
    let log = both.mirror.take_log();
    assert!(log.len() == 3 && log.iter().all(|request| request.target.contains("/hub/shop/app/")), "{log:?}");
}

#[test]
fn whatever_a_mirror_does_the_registry_helps_out() {
    let wrong = |bytes: &'static [u8]| Action::Answer(Reply::new(200).body(bytes));
    let cases: Vec<(&str, Fault)> = vec![
        ("no manifest", Fault::always("GET", Kind::Manifest, Action::Answer(Reply::new(404)))),
        ("500", Fault::always("GET", Kind::Manifest, Action::Answer(Reply::new(500)))),
        ("401", Fault::always("GET", Kind::Manifest, Action::Answer(Reply::new(401)))),
        ("not JSON", Fault::always("GET", Kind::Manifest, wrong(b"<html>"))),
        ("reset", Fault::always("GET", Kind::Manifest, Action::Unanswered(End::Reset))),
        (
            "429",
            Fault::always("GET", Kind::Blob, Action::Answer(Reply::new(429).header("Retry-After", "3600"))),
        ),
        ("no blob", Fault::always("GET", Kind::Blob, Action::Answer(Reply::new(404)))),
        ("short blob", Fault::always("GET", Kind::Blob, Action::Truncate(3))),
        ("cut in the middle", Fault::nth("GET", Kind::Blob, 2, 9, Action::Truncate(1_000_000))),
        ("another small blob", Fault::once("GET", Kind::Blob, wrong(b"smell"))),
        ("stall", Fault::always("GET", Kind::Blob, Action::Delay(Duration::from_secs(3)))),
    ];
    for (name, fault) in cases {
        let both = Mirrored::new();
        both.mirror.fault(fault);
        let result = both.pull(&client(both.settings()));
        assert_eq!(result, Ok(both.origin.image.digest()), "{name}");
        assert!(!both.origin.fake.take_log().is_empty(), "{name}");
        assert!(both.mirror.take_log().len() <= 4, "{name}");
    }
    let both = Mirrored::new();
    let mut settings = both.settings();
    let nowhere = Mirror::new("127.0.0.1:1/hub".parse().expect("valid"), true);
    for own in settings.registries.values_mut() {
        own.mirrors = vec![nowhere.clone()];
    }
    assert_eq!(both.pull(&client(settings)), Ok(both.origin.image.digest()), "no server listens");
}

#[test]
fn a_large_blob_that_is_another_is_never_taken() {
    let both = Mirrored::new();
    let flip = || {
        Action::edit(|reply| {
            if let Some(byte) = reply.body.last_mut() {
                *byte ^= 1;
            }
        })
    };
    both.mirror.fault(Fault::nth("GET", Kind::Blob, 2, 1, flip()));
    let error = both.pull(&client(both.settings())).expect_err("is refused");
    assert!(error.contains(&both.mirror.address()), "names the mirror: {error}");
    // With a place to wait in, no reader sees it before it is known to be right.
    let scratch = tempfile::tempdir().expect("writable");
    let settings = ClientSettings { scratch: Some(scratch.path().to_owned()), ..both.settings() };
    assert!(both.origin.fake.take_log().is_empty());
    both.mirror.fault(Fault::nth("GET", Kind::Blob, 2, 1, flip()));
    assert_eq!(both.pull(&client(settings)), Ok(both.origin.image.digest()));
    assert_eq!(both.origin.fake.take_log().len(), 1);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("readable").count(), 0);
}

#[test]
fn a_tag_keeps_what_it_was_first() {
    let both = Mirrored::new();
    let client = client(both.settings());
    assert_eq!(both.pull(&client), Ok(both.origin.image.digest()));
    // The tag moves at both, and the mirror is gone.
    let other = image(&[layer(b"other")]);
    let raw = other.raw();
    both.origin.fake.put_manifest("shop/app", TAG, raw.media_type.as_ref(), &raw.bytes);
    both.mirror.fault(Fault::always("GET", Kind::Manifest, Action::Unanswered(End::Reset)));
    assert_eq!(both.pull(&client), Ok(both.origin.image.digest()));
}

#[test]
fn a_mirror_has_logins_of_its_own_and_is_never_pushed_to() {
    let both = Mirrored::new();
    both.origin.fake.set_auth(bearer());
    both.mirror.set_auth(Auth { login: Some(("mira".into(), "mirror-password".into())), ..bearer() });
    let config = |mirror: &str| {
        Secret::new(format!(
            r#"{{"auths":{{"{}":{{"username":"alice","password":"hunter2"}},"{}":{mirror}}}}}"#,
            both.origin.fake.address(),
            both.mirror.address()
        ))
    };
    let mut settings = both.settings();
    settings.credentials.docker_auth_config =
        Some(config(r#"{"username":"mira","password":"mirror-password"}"#));
    let client_of_both = client(settings.clone());
    assert_eq!(both.pull(&client_of_both), Ok(both.origin.image.digest()));
    assert_eq!(both.origin.fake.take_log().len(), 0);
    assert!(!both.mirror.take_log().is_empty());
    both.origin.push(&client_of_both).map_err(|error| shown(&error)).expect("is pushed");
    assert_eq!(both.mirror.take_log().len(), 0);
    assert!(!both.origin.fake.take_log().is_empty());

    // Without a login of its own, a mirror gets none.
    settings.credentials.docker_auth_config = Some(config("{}"));
    assert_eq!(both.pull(&client(settings)), Ok(both.origin.image.digest()));
    assert!(both.mirror.take_log().iter().all(|request| request.authorization.is_none()));
}

fn health(diagnosis: &Diagnosis, name: &str) -> CheckStatus {
    let check = diagnosis.checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("{name}: {diagnosis:#?}")).health
}

fn diagnose(fake: &Fake, settings: ClientSettings, path: &str, push: bool) -> Diagnosis {
    #[allow(clippy::disallowed_methods, reason = "the doctor compares clocks")]
    let now = SystemTime::now();
    let diagnosis = client(settings).diagnose(&scope(fake, path), push, now).expect("is examined");
    assert_eq!(diagnosis.well, diagnosis.checks.iter().all(|check| check.health != CheckStatus::Bad));
    for check in diagnosis.checks.iter().filter(|check| check.health == CheckStatus::Bad) {
        assert!(check.advice.is_some(), "{check:?}");
    }
    assert!(!format!("{diagnosis:?}").contains("hunter2"));
    diagnosis
}

#[test]
fn the_doctor_finds_a_well_registry_well() {
    let bench = Bench::new();
    bench.fake.set_auth(bearer());
    let found = diagnose(&bench.fake, given(&bench.fake, "hunter2"), "/shop/app", true);
    assert!(found.well, "{found:#?}");
    for name in ["address", "network", "registry", "login", "pull", "push"] {
        assert_eq!(health(&found, name), CheckStatus::Good, "{name}: {found:#?}");
    }
    assert_eq!(bench.fake.open_sessions(), 0, "what was begun is cancelled");
    assert_eq!(
        health(&diagnose(&bench.fake, given(&bench.fake, "hunter2"), "/shop/app", false), "push"),
        CheckStatus::Skipped
    );
}

#[test]
fn the_doctor_finds_what_fails() {
    let bench = Bench::new();
    bench.fake.set_auth(bearer());
    let found = diagnose(&bench.fake, given(&bench.fake, "wrong"), "/shop/app", true);
    assert_eq!(
        (health(&found, "login"), health(&found, "pull")),
        (CheckStatus::Bad, CheckStatus::Skipped),
        "{found:#?}"
    );

    bench.fake.set_auth(Auth { bearer: false, ..bearer() });
    let found = diagnose(&bench.fake, quick(), "", false);
    assert_eq!(
        (health(&found, "credentials"), health(&found, "login")),
        (CheckStatus::Note, CheckStatus::Bad),
        "{found:#?}"
    );

    let bench = Bench::new();
    bench.fake.fault(Fault::always(
        "POST",
        Kind::Start,
        Action::Answer(Reply::error(403, "DENIED", "read only")),
    ));
    let found = diagnose(&bench.fake, quick(), "/shop/app", true);
    assert_eq!(
        (health(&found, "pull"), health(&found, "push")),
        (CheckStatus::Good, CheckStatus::Bad),
        "{found:#?}"
    );

    let bench = Bench::new();
    bench.fake.fault(Fault::always("GET", Kind::Ping, Action::Answer(Reply::new(404))));
    let found = diagnose(&bench.fake, quick(), "/shop/app", true);
    assert_eq!(
        (health(&found, "registry"), health(&found, "pull")),
        (CheckStatus::Bad, CheckStatus::Skipped),
        "{found:#?}"
    );

    let bench = Bench::new();
    let skewed = Action::edit(|reply| reply.set("Date", Some("Tue, 01 Jul 2025 10:00:00 GMT")));
    bench.fake.fault(Fault::always("GET", Kind::Ping, skewed));
    let found = diagnose(&bench.fake, quick(), "", false);
    assert_eq!(health(&found, "registry"), CheckStatus::Note, "{found:#?}");
    assert!(found.well);

    let nowhere =
        client(quick()).diagnose(&"127.0.0.1:1".parse().expect("valid"), true, SystemTime::UNIX_EPOCH);
    let nowhere = nowhere.expect("is examined");
    assert_eq!(
        (health(&nowhere, "network"), health(&nowhere, "login")),
        (CheckStatus::Bad, CheckStatus::Skipped)
    );

    let mut settings = quick();
    let tls = RegistrySettings { plain_http: Some(false), ..RegistrySettings::default() };
    settings.registries.insert(bench.repository.registry().clone(), tls);
    let found = diagnose(&bench.fake, settings, "", false);
    assert_eq!(health(&found, "certificate"), CheckStatus::Bad, "it does not speak TLS: {found:#?}");
}

/// The client's message about a tag that it asks for by HTTP/2, with this fault in every request, and the number of
/// requests.
fn asked_by_http2(action: Action) -> (String, usize) {
    let mut fake = Fake::start().expect("ports");
    fake.fault(Fault::always("HEAD", Kind::Manifest, action));
    let (address, certificate) = fake.listen_http2().expect("a port");
    let directory = tempfile::tempdir().expect("a directory");
    let ca_file = directory.path().join("certificate.pem");
    std::fs::write(&ca_file, certificate).expect("can be written");
    let mut settings = quick();
    let own =
        RegistrySettings { plain_http: Some(false), ca_file: Some(ca_file), ..RegistrySettings::default() };
    settings.registries.insert(address.to_string().parse().expect("valid"), own);
    let repository: Repository = format!("{address}/shop/app").parse().expect("valid");
    let error = client(settings).resolve(&repository.at_tag(TAG.parse().expect("valid"))).expect_err("fails");
    let log = fake.take_log();
    assert!(log.iter().all(|request| request.head.contains(" HTTP/2\r\n")), "{log:?}");
    (error.to_string(), log.len())
}

#[test]
fn what_http2_says_of_requests_is_heard_and_told() {
    let met = [
        (Action::GoAway { code: 11, fate: Fate::Refused }, "detected excessive load"),
        // In order or not, as the kernel has read what came last or has not.
        (Action::GoAway { code: 2, fate: Fate::Lost }, "the connection broke"),
        (Action::ResetStream { code: 7, done: false }, "refused stream"),
        (Action::ResetStream { code: 2, done: true }, "unexpected internal error"),
        (Action::Unanswered(End::Closed), "the connection broke"),
    ];
    for (action, text) in met {
        let (error, requests) = asked_by_http2(action);
        assert!(error.contains(text), "{error}");
        assert_eq!(requests, quick().retry.attempts as usize, "{error}");
    }
}
