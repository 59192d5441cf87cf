//! Logging in.

use super::super::fake::{Action, End, Fault, Kind, Reply};
use super::*;

fn bearer() -> Auth {
    Auth { bearer: true, login: Some(("alice".into(), "hunter2".into())), ..Auth::default() }
}

/// Settings that find `password` for the fake in a Docker configuration.
fn with_config(bench: &Bench, entry: &str) -> ClientSettings {
    let mut settings = quick();
    let config = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, bench.fake.address());
    settings.credentials.docker_auth_config = Some(Secret::new(config));
    settings
}

const RIGHT: &str = r#"{"username":"alice","password":"hunter2"}"#;
const WRONG: &str = r#"{"username":"alice","password":"wrong"}"#;

fn push(auth: Auth, entry: &str, faults: Vec<Fault>) -> (Bench, Result<(), String>) {
    let bench = Bench::new();
    bench.fake.set_auth(auth);
    for fault in faults {
        bench.fake.fault(fault);
    }
    let result = bench.push(&client(with_config(&bench, entry))).map_err(|error| shown(&error));
    assert_eq!(result.is_ok(), bench.holds_the_image());
    (bench, result)
}

#[test]
fn a_push_needs_one_token() {
    let (bench, result) = push(bearer(), RIGHT, vec![]);
    result.expect("succeeds");
    let log = bench.fake.take_log();
    let kinds = |kind| log.iter().filter(|request| request.kind == kind).count();
    assert_eq!(kinds(Kind::Token), 1);
    // The request that learns what is asked for, its repetition, and nine more less one.
    assert_eq!(log.len(), 2 + 9);
    assert_eq!(log[0].authorization, None);
}

#[test]
fn basic_is_shown_after_it_was_asked_for() {
    let (bench, result) = push(Auth { bearer: false, ..bearer() }, RIGHT, vec![]);
    result.expect("succeeds");
    assert_eq!(bench.fake.take_log().len(), 1 + 9);
}

#[test]
fn anonymous_tokens() {
    push(Auth { login: None, ..bearer() }, "{}", vec![]).1.expect("succeeds");
}

#[test]
fn identity_tokens_are_posted() {
    let auth = Auth { identity: Some("refresh".into()), login: None, ..bearer() };
    let (bench, result) = push(auth, r#"{"identitytoken":"refresh"}"#, vec![]);
    result.expect("succeeds");
    let log = bench.fake.take_log();
    assert!(log.iter().any(|request| request.method == "POST" && request.kind == Kind::Token));
    assert!(log.iter().all(|request| !request.target.contains("refresh")));
}

#[test]
fn wrong_logins_name_their_source_and_are_not_tried_for_ever() {
    for bearer_auth in [true, false] {
        let (bench, result) = push(Auth { bearer: bearer_auth, ..bearer() }, WRONG, vec![]);
        let error = result.expect_err("is refused");
        assert!(error.contains("the login `alice` from DOCKER_AUTH_CONFIG"), "{error}");
        assert!(error.contains(&bench.fake.address()) && !error.contains("wrong\""), "{error}");
        assert!(bench.fake.take_log().len() <= 3);
    }
}

#[test]
fn no_login_says_where_it_was_looked_for() {
    let (_, result) = push(Auth { bearer: false, ..bearer() }, "{}", vec![]);
    let error = result.expect_err("is refused");
    assert!(error.contains("no login found in DOCKER_AUTH_CONFIG"), "{error}");
    assert!(error.contains("pack login"), "{error}");
}

#[test]
fn tokens_that_end_are_renewed() {
    for uses in [4, 5, 6, 7] {
        let (bench, result) = push(Auth { uses: Some(uses), ..bearer() }, RIGHT, vec![]);
        result.unwrap_or_else(|error| panic!("{uses} uses: {error}"));
        assert!(bench.fake.commits().values().all(|times| *times == 1));
    }
}

#[test]
fn a_401_for_ever_ends() {
    let unauthorized = || Action::Answer(Reply::error(401, "UNAUTHORIZED", "no"));
    for (method, kind) in
        [("HEAD", Kind::Manifest), ("POST", Kind::Start), ("PUT", Kind::Session), ("PUT", Kind::Manifest)]
    {
        let (bench, result) = push(bearer(), RIGHT, vec![Fault::always(method, kind, unauthorized())]);
        let error = result.expect_err("is refused");
        assert!(error.contains("401") && error.contains("DOCKER_AUTH_CONFIG"), "{error}");
        assert!(bench.fake.take_log().len() < 30);
    }
}

#[test]
fn token_servers_that_fail() {
    let html = Reply::new(200).header("Content-Type", "text/html").body("<html>");
    let huge = Reply::new(200).body(vec![b' '; 100_000]);
    let cases = [
        ("500 once", Fault::once("GET", Kind::Token, Action::Answer(Reply::new(500))), None),
        ("reset once", Fault::once("GET", Kind::Token, Action::Unanswered(End::Closed)), None),
        (
            "500 for ever",
            Fault::always("GET", Kind::Token, Action::Answer(Reply::new(500))),
            Some("getting a token"),
        ),
        (
            "stall for ever",
            Fault::always("GET", Kind::Token, Action::Delay(Duration::from_secs(2))),
            Some("timed out"),
        ),
        ("HTML", Fault::always("GET", Kind::Token, Action::Answer(html)), Some("other than JSON")),
        ("huge", Fault::always("GET", Kind::Token, Action::Answer(huge)), Some("more than 65536 bytes")),
        (
            "empty",
            Fault::always("GET", Kind::Token, Action::Answer(Reply::new(200).body(r#"{"token":""}"#))),
            Some("without a token"),
        ),
        (
            "broken",
            Fault::always("GET", Kind::Token, Action::Answer(Reply::new(200).body(r#"{"token":"a\nb"}"#))),
            Some("no valid token"),
        ),
    ];
    for (name, fault, fails) in cases {
        let (bench, result) = push(bearer(), RIGHT, vec![fault]);
        match (fails, result) {
            (None, result) => result.unwrap_or_else(|error| panic!("{name}: {error}")),
            (Some(text), result) => {
                let error = result.expect_err(name);
                assert!(error.contains(text), "{name}: {error}");
                assert_eq!(bench.fake.tag("shop/app", TAG), Some(bench.old));
            }
        }
        assert!(bench.fake.take_log().len() < 30);
    }
}

#[test]
fn hostile_realms_get_nothing() {
    for realm in [
        "http://169.254.169.254/token",
        "http://10.0.0.1/token",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/",
        "",
    ] {
        let (_, result) = push(Auth { realm: Some(realm.to_owned()), ..bearer() }, RIGHT, vec![]);
        assert!(result.is_err(), "{realm}");
    }
}

#[test]
fn a_token_server_may_be_elsewhere_but_does_not_pass_the_password_on() {
    let bench = Bench::new();
    let foreign = format!("http://{}/token", bench.fake.foreign_address());
    bench.fake.set_auth(Auth { realm: Some(foreign.clone()), ..bearer() });
    bench.push(&client(with_config(&bench, RIGHT))).map_err(|error| shown(&error)).expect("succeeds");
    let log = bench.fake.take_log();
    assert!(log.iter().any(|request| request.foreign && request.kind == Kind::Token));

    let bench = Bench::new();
    let foreign = format!("http://{}/token", bench.fake.foreign_address());
    bench.fake.set_auth(bearer());
    bench.fake.fault(Fault::once(
        "GET",
        Kind::Token,
        Action::Answer(Reply::new(307).header("Location", foreign)),
    ));
    assert!(bench.push(&client(with_config(&bench, RIGHT))).is_err());
    for request in bench.fake.take_log() {
        assert!(!request.foreign || request.authorization.is_none(), "{request}");
    }
}

#[test]
fn a_refused_mount_scope_does_not_break_the_push() {
    let bench = Bench::new();
    bench.fake.set_auth(Auth { refused_scope: Some("secret/base".to_owned()), ..bearer() });
    let origin: Repository = format!("{}/secret/base", bench.fake.address()).parse().expect("valid");
    let blob = Blob { origin: Some(origin), ..bench.blobs[1].clone() };
    let client = client(with_config(&bench, RIGHT));
    // Something before it, so that the challenge is known.
    assert!(client.has_blob(&bench.repository, &bench.blobs[0].descriptor).expect("answers"));
    assert_eq!(client.push_blob(&bench.repository, &blob).expect("succeeds"), Delivery::Uploaded);
}

#[test]
fn one_token_for_all_threads() {
    let bench = Bench::new();
    bench.fake.set_auth(bearer());
    let client = client(with_config(&bench, RIGHT));
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let (client, repository) = (&client, &bench.repository);
            scope.spawn(move || client.push_blob(repository, &layer(&[number; 100])).expect("succeeds"));
        }
    });
    let tokens = bench.fake.take_log().into_iter().filter(|request| request.kind == Kind::Token).count();
    assert_eq!(tokens, 1);
}

#[test]
fn pulling_uses_the_token_for_pushing() {
    let bench = Bench::new();
    bench.fake.set_auth(bearer());
    let client = client(with_config(&bench, RIGHT));
    client.push_blob(&bench.repository, &bench.blobs[1]).expect("succeeds");
    client.blob(&bench.repository, &bench.blobs[1].descriptor).expect("succeeds");
    let tokens = bench.fake.take_log().into_iter().filter(|request| request.kind == Kind::Token).count();
    assert_eq!(tokens, 1);
}
