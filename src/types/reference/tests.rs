use proptest::prelude::*;

use super::*;

#[test]
fn fills_in_dockers_defaults() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let cases = [
        ("debian", "docker.io/library/debian".to_owned()),
        ("debian:12", "docker.io/library/debian:12".to_owned()),
        ("shop/bookstore", "docker.io/shop/bookstore".to_owned()),
        ("localhost/a", "localhost/a".to_owned()),
        ("localhost:5000/shop/bookstore:1.0", "localhost:5000/shop/bookstore:1.0".to_owned()),
        ("GHCR.io/a/b", "ghcr.io/a/b".to_owned()),
        ("[::1]:5000/a", "[::1]:5000/a".to_owned()),
        ("index.docker.io/a", "docker.io/library/a".to_owned()),
    ];
    for (given, full) in cases {
        assert_eq!(given.parse::<Reference>().expect(given).to_string(), full);
    }
    let pinned = format!("localhost:5000/a:b@{digest}");
    let reference: Reference = pinned.parse().expect("valid");
    assert_eq!(reference.to_string(), pinned);
    assert_eq!(reference.manifest_name(), digest);
}

#[test]
fn refuses_what_is_no_reference() {
    let cases = [
        "",
        "/",
        "a//b",
        "A/b",
        "localhost:5000/",
        "localhost:99999/a",
        "localhost:+5000/a",
        "127.1/a",
        "010.0.0.1/a",
        "r.090/a",
        "xn--o.example/a",
        "a:b:c",
        "a@sha256:x",
        "a_-b",
        "a/../b",
        "a:.x",
        "-a",
        "a-",
        "x y",
    ];
    for text in cases {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

#[test]
fn a_scope_without_tls_is_told_how_to_go_on() {
    let error = "http://localhost:5000/a/".parse::<Scope>().expect_err("a scheme");
    let hint = error.hint().expect("a hint");
    assert_eq!(hint, "write `localhost:5000/a`, and `--plain-http localhost:5000` where it speaks no TLS");
    assert!("localhost:5000/a".parse::<Scope>().is_ok() && "localhost:5000".parse::<Registry>().is_ok());
}

#[test]
fn each_fault_is_named_with_what_is_allowed() {
    let cases = [
        ("https://ghcr.io/x/y", "a reference has no scheme", Some("write `ghcr.io/x/y`")),
        (
            "shop/App:1",
            "`App` has upper-case letters; a repository is lower-case",
            Some("write `shop/app:1`"),
        ),
        ("ghcr.io/Shop/app", "`Shop` has upper-case letters", Some("write `ghcr.io/shop/app`")),
        ("H.local:5801/DUP/x:B1", "`DUP` has upper-case letters", Some("write `h.local:5801/dup/x:B1`")),
        ("[::1]:5801/DUP/x", "`DUP` has upper-case letters", Some("write `[::1]:5801/dup/x`")),
        ("DUP/x y", "`DUP` has upper-case letters", None),
        ("DUP/x:", "`DUP` has upper-case letters", None),
        ("a//b", "a part of `a//b` is empty", None),
        ("localhost:5000/", "there is no repository after `localhost:5000/`", None),
        ("x y", "`x y` has a space in it", None),
        ("a$b", "`a$b` has `$` in it", None),
        ("tomcat:10:x", "`tomcat:10` has `:` in it", None),
        ("a_-b", "`a_-b` has `_-` in it", None),
        ("-a", "`-a` begins or ends with `-`", None),
        ("a:", "the tag is empty", None),
        ("a:.x", "the tag `.x` begins with `.`; a tag begins with a letter, a digit or `_`", None),
        ("a:1+2", "the tag `1+2` has `+` in it; a tag is letters", None),
        ("a@sha256:abc", "the digest after `@` has 3 digits; a digest is `sha256:` and 64", None),
        ("a@md5:x", "`md5:x` after `@` is not a digest", None),
        (
            "h.local/a@prod",
            "`prod` after `@` is not a digest",
            Some(
                "`@prod` is a release in `pack promote`, `releases`, `rollback` and `diff` alone; the image of the environment \
                 `prod` has the tag `h.local/a:prod`",
            ),
        ),
        ("localhost:99999/a", "its port `99999` is not a number below 65536", None),
        ("r_.example-/a", "`r_.example-` is not a host name", None),
        ("", "it is empty", None),
    ];
    for (text, why, hint) in cases {
        let error = text.parse::<Reference>().expect_err(text);
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert_eq!(error.hint().as_deref(), hint, "{text}");
        if let Some(better) = hint.and_then(|hint| hint.strip_prefix("write `")?.strip_suffix('`')) {
            assert!(better.parse::<Reference>().is_ok(), "{better}");
        }
    }
    let long = format!("a/{}", "b".repeat(300)).parse::<Reference>().expect_err("too long");
    assert!(long.to_string().ends_with("the repository has 302 characters; its name has at most 255"));
    let long = format!("a:{}", "b".repeat(129)).parse::<Reference>().expect_err("too long");
    assert!(long.to_string().ends_with("the tag has 129 characters; a tag has at most 128"));
}

/// The whole name is written in lower case, with the port, and without the tag where none belongs to it.
#[test]
fn a_name_with_upper_case_letters_is_told_in_lower_case() {
    for (text, better) in [
        ("localhost:5801/DUP/x", Some("localhost:5801/dup/x")),
        ("localhost:5801/DUP/x:1", Some("localhost:5801/dup/x")),
        ("LOCALHOST:5801/dup/X", Some("localhost:5801/dup/x")),
        ("[::1]:5801/DUP/x", Some("[::1]:5801/dup/x")),
        ("Shop/App:1", Some("shop/app")),
        ("localhost:5801/DUP/-x", None),
        ("localhost:58010000/DUP/x", None),
    ] {
        let hint = text.parse::<Repository>().expect_err(text).hint();
        assert_eq!(hint, better.map(|better| format!("write `{better}`")), "{text}");
        if let Some(better) = better {
            assert!(better.parse::<Repository>().is_ok(), "{better}");
        }
    }
    let scope = "localhost:5801/Team".parse::<Scope>().expect_err("upper case");
    assert_eq!(scope.hint().as_deref(), Some("write `localhost:5801/team`"));
    let long = format!("localhost:5801/{}", "Ab".repeat(80)).parse::<Repository>().expect_err("upper case");
    assert_eq!(long.hint(), None, "a name that is cut cannot be written");
}

#[test]
fn knows_this_machine() {
    for (host, loopback) in
        [("localhost:5000", true), ("127.0.0.1", true), ("[::1]:1", true), ("localhost.evil.com", false)]
    {
        assert_eq!(host.parse::<Registry>().expect(host).is_loopback(), loopback, "{host}");
    }
}

proptest! {
    #[test]
    fn what_parses_prints_and_parses_to_itself(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference));
        }
    }
}
