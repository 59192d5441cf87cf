//! Error messages as the user sees them, precedence, and the example that must stay complete.

use std::path::Path;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::schema::{BuildFile, keys};
use super::*;
use crate::types::error::Explain as _;

fn document(text: &str) -> Document {
    Document::parse("build.toml", Path::new("shop"), text).unwrap_or_else(|error| panic!("{error}"))
}

fn settings(text: &str) -> Settings {
    assert_eq!(json_schema::verdict(text), Some(Ok(())), "by the schema: {text}");
    with(text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn with(text: &str, flags: &Overrides) -> Result<Settings, ConfigError> {
    Settings::resolve(document(text), flags, &Overrides::default())
}

/// The report on a build file that something is wrong with, as its schema says, too, where it is TOML.
fn report(text: &str) -> String {
    let verdict = json_schema::verdict(text);
    assert!(verdict.is_none_or(|verdict| verdict.is_err()), "accepted by the schema: {text}");
    report_beyond_schema(text)
}

/// The report on a build file with a fault that no schema knows, such as two values that contradict each other.
fn report_beyond_schema(text: &str) -> String {
    let document = Document::parse("build.toml", Path::new("shop"), text);
    let settings = document
        .and_then(|document| Settings::resolve(document, &Overrides::default(), &Overrides::default()));
    settings.expect_err("wrong").to_string()
}

fn set(assignments: &[&str]) -> Overrides {
    Overrides { set: assignments.iter().map(|&text| text.to_owned()).collect(), ..Overrides::default() }
}

#[test]
fn unknown_keys_are_reported_together_with_what_was_meant() {
    assert_snapshot!(report(
        r#"
[image]
nmae = "localhost:5000/shop/bookstore"
user = "1000"
colour = "red"

[[layer]]
name = "conf"
files = [{ from = "conf/", to = "/etc/", inlcude = ["**/*.xml"] }]

[registry."localhost:5000"]
plainHttp = true
"#
    ), @r#"
    unknown key `nmae` in `image`
     --> build.toml:3:1
      |
    3 | nmae = "localhost:5000/shop/bookstore"
      | ^^^^
      |
      = hint: did you mean `name`?

    error[setting-unknown]: unknown key `user` in `image`
     --> build.toml:4:1
      |
    4 | user = "1000"
      | ^^^^
      |
      = hint: did you mean `config.user`?

    error[setting-unknown]: unknown key `colour` in `image`
     --> build.toml:5:1
      |
    5 | colour = "red"
      | ^^^^^^
      |
      = hint: the keys are `name`, `base`, `tags`, `platforms`, `annotations`, `strict` and `compression`

    error[setting-unknown]: unknown key `inlcude` in `layer.files`
     --> build.toml:9:42
      |
    9 | files = [{ from = "conf/", to = "/etc/", inlcude = ["**/*.xml"] }]
      |                                          ^^^^^^^
      |
      = hint: did you mean `include`?

    error[setting-unknown]: unknown key `plainHttp` in `registry."localhost:5000"`
      --> build.toml:12:1
       |
    12 | plainHttp = true
       | ^^^^^^^^^
       |
       = hint: did you mean `plain-http`?
    "#);
}

#[test]
fn a_wrong_type_says_what_is_wanted() {
    assert_snapshot!(report(
        r#"
format = "1"
[image]
name = 1
tags = "v1"
platforms = ["linux/amd64", 7]
[config]
cmd = "run --now"
env = { DEBUG = true }
[layer]
name = "x"
"#
    ), @r#"
    `format` must be an integer, not a string
     --> build.toml:2:10
      |
    2 | format = "1"
      |          ^^^
      |
      = hint: write `format = 1`

    error[setting-wrong]: `image.name` must be a string, not an integer
     --> build.toml:4:8
      |
    4 | name = 1
      |        ^
      |
      = hint: write `"1"`

    error[setting-wrong]: `image.tags` must be an array, not a string
     --> build.toml:5:8
      |
    5 | tags = "v1"
      |        ^^^^
      |
      = hint: write `["v1"]`

    error[setting-wrong]: each of `image.platforms` must be a string, not an integer
     --> build.toml:6:29
      |
    6 | platforms = ["linux/amd64", 7]
      |                             ^
      |
      = hint: write `"7"`

    error[setting-wrong]: `config.cmd` must be an array of strings, not a string
     --> build.toml:8:7
      |
    8 | cmd = "run --now"
      |       ^^^^^^^^^^^
      |
      = hint: no shell splits it: write `["run", "--now"]`

    error[setting-wrong]: `config.env.DEBUG` must be a string, not a boolean
     --> build.toml:9:17
      |
    9 | env = { DEBUG = true }
      |                 ^^^^
      |
      = hint: write `"true"`; `unset-env` removes a variable of the base

    error[setting-wrong]: `layer` must be an array, not a table
      --> build.toml:10:1
       |
    10 | [layer]
       | ^^^^^^^
       |
       = hint: write `[[layer]]`, once for each
    "#);
}

#[test]
fn a_bad_reference() {
    assert_snapshot!(report("[image]\nname = \"Shop/Bookstore\"\nbase = \"tomcat:10:x\"\n"), @r#"
    `Shop/Bookstore` is not the name of a repository: `Shop` has upper-case letters; a repository is lower-case letters and digits, with `.`, `_`, `__` or `-` between them
     --> build.toml:2:8
      |
    2 | name = "Shop/Bookstore"
      |        ^^^^^^^^^^^^^^^^
      |
      = hint: write `shop/bookstore`

    error[setting-wrong]: `tomcat:10:x` is not an image reference: `tomcat:10` has `:` in it; a repository is lower-case letters and digits, with `.`, `_`, `__` or `-` between them
     --> build.toml:3:8
      |
    3 | base = "tomcat:10:x"
      |        ^^^^^^^^^^^^^
      |
      = hint: a base is a registry reference, `store:NAME`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `scratch`
    "#);
}

#[test]
fn a_name_with_a_tag() {
    assert_snapshot!(report("image.name = \"shop/bookstore:1.0\"\n"), @r#"
    `shop/bookstore:1.0` is not the name of a repository: `bookstore:1.0` has `:` in it; a repository is lower-case letters and digits, with `.`, `_`, `__` or `-` between them
     --> build.toml:1:14
      |
    1 | image.name = "shop/bookstore:1.0"
      |              ^^^^^^^^^^^^^^^^^^^^
      |
      = hint: write the name without a tag, and the tag into `tags`
    "#);
}

#[test]
fn a_bad_platform_and_compression() {
    assert_snapshot!(report("[image]\nplatforms = [\"linux\"]\ncompression = \"gzip:12\"\n"), @r#"
    `linux` is not a platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`
     --> build.toml:2:14
      |
    2 | platforms = ["linux"]
      |              ^^^^^^^

    error[setting-wrong]: `12` is not a level of gzip
     --> build.toml:3:15
      |
    3 | compression = "gzip:12"
      |               ^^^^^^^^^
      |
      = hint: the levels of gzip are 1 to 9
    "#);
}

#[test]
fn a_mode_without_quotes() {
    assert_snapshot!(report(
        "[[layer]]\nname = \"a\"\ndirectories = [{ path = \"/a\", mode = 644, owner = \"app:app:app\" }]\n"
    ), @r#"
    `layer.directories.mode` must be a string, not an integer
     --> build.toml:3:38
      |
    3 | directories = [{ path = "/a", mode = 644, owner = "app:app:app" }]
      |                                      ^^^
      |
      = hint: a mode is octal: write `"0644"`

    error[setting-wrong]: `app:app:app` is not an owner
     --> build.toml:3:51
      |
    3 | directories = [{ path = "/a", mode = 644, owner = "app:app:app" }]
      |                                                   ^^^^^^^^^^^^^
      |
      = hint: an owner is written "1000:1000", or with names as in "app:app"
    "#);
}

#[test]
fn a_bad_template_is_marked_inside_the_string() {
    assert_snapshot!(report("[image]\ntags = [\"v1-{git.shrot}\", \"a/b\", \"{version\"]\n"), @r#"
    unknown variable `git.shrot` in the template `v1-{git.shrot}`
     --> build.toml:2:13
      |
    2 | tags = ["v1-{git.shrot}", "a/b", "{version"]
      |             ^^^^^^^^^^^
      |
      = hint: did you mean `{git.short}`?

    error[setting-wrong]: `a/b` is not a tag: it has a `/`
     --> build.toml:2:27
      |
    2 | tags = ["v1-{git.shrot}", "a/b", "{version"]
      |                           ^^^^^
      |
      = hint: a tag is letters, digits, `_`, `.` and `-`, such as `"{git.short}"`

    error[setting-wrong]: `{` is never closed in the template `{version`
     --> build.toml:2:35
      |
    2 | tags = ["v1-{git.shrot}", "a/b", "{version"]
      |                                   ^^^^^^^^
      |
      = hint: close it with `}`, or write `{{` for the brace itself
    "#);
}

#[test]
fn a_missing_key() {
    assert_snapshot!(report(
        "[app]\nroot = \"/srv\"\n\n[[layer]]\nname = \"x\"\nfiles = [{ from = \"a\" }]\n"
    ), @r#"
    `app.path` is missing
     --> build.toml:1:1
      |
    1 | [app]
      | ^^^^^

    error[setting-wrong]: `layer.files.to` is missing
     --> build.toml:6:10
      |
    6 | files = [{ from = "a" }]
      |          ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn bad_values_of_the_run_configuration() {
    assert_snapshot!(report(
        r#"
[config]
ports = [8080, "80/icmp", 0]
volumes = ["data"]
stop-signal = "TERM"
healthcheck = { cmd = [], interval = "30" }
"#
    ), @r#"
    `80/icmp` is not a port
     --> build.toml:3:16
      |
    3 | ports = [8080, "80/icmp", 0]
      |                ^^^^^^^^^
      |
      = hint: write `8080`, `"8080/udp"` or `"8000-8003"`; ports are 1 to 65535

    error[setting-wrong]: `0` is not a port
     --> build.toml:3:27
      |
    3 | ports = [8080, "80/icmp", 0]
      |                           ^
      |
      = hint: write `8080`, `"8080/udp"` or `"8000-8003"`; ports are 1 to 65535

    error[setting-wrong]: `data` is not an absolute path
     --> build.toml:4:12
      |
    4 | volumes = ["data"]
      |            ^^^^^^
      |
      = hint: write `"/data"`: paths in the image start with `/`

    error[setting-wrong]: `TERM` is not a signal
     --> build.toml:5:15
      |
    5 | stop-signal = "TERM"
      |               ^^^^^^
      |
      = hint: did you mean `SIGTERM`?

    error[setting-wrong]: a health check needs a program to run
     --> build.toml:6:23
      |
    6 | healthcheck = { cmd = [], interval = "30" }
      |                       ^^

    error[setting-wrong]: `30` is not a duration
     --> build.toml:6:38
      |
    6 | healthcheck = { cmd = [], interval = "30" }
      |                                      ^^^^
      |
      = hint: write `"30s"`, `"1m30s"` or `"500ms"`; it must be above zero
    "#);
}

#[test]
fn a_syntax_error() {
    assert_snapshot!(report("[image]\nname = \"shop\nbase = 'x'\n"), @r#"
    invalid basic string, expected `"`
     --> build.toml:2:13
      |
    2 | name = "shop
      |             ^
    "#);
}

#[test]
fn a_duplicate_key() {
    assert_snapshot!(report("[image]\nname = 'a'\nname = 'b'\n"), @r#"
    the key `name` stands here twice
     --> build.toml:3:1
      |
    3 | name = 'b'
      | ^^^^
      |
      = hint: remove one of the two
    "#);
}

#[test]
fn contradictions() {
    assert_snapshot!(report_beyond_schema(
        r#"
[[layer]]
name = "a"
files = [{ from = "x", to = "/x", mode = "0644", keep-modes = true }]
[[layer]]
name = "a"
[config]
env = { A = "1" }
unset-env = ["A"]
[registry."localhost:5000"]
plain-http = true
skip-tls-verify = true
"#
    ), @r#"
    `mode` and `keep-modes` contradict each other
     --> build.toml:4:42
      |
    4 | files = [{ from = "x", to = "/x", mode = "0644", keep-modes = true }]
      |                                          ^^^^^^
      |
      = hint: remove one

    error[setting-wrong]: there are two layers named `a`
     --> build.toml:6:8
      |
    6 | name = "a"
      |        ^^^
      |
      = hint: rename one

    error[setting-wrong]: the layer `a` is empty
     --> build.toml:6:8
      |
    6 | name = "a"
      |        ^^^
      |
      = hint: give it `files`, `directories` or `links`, or remove it

    error[setting-wrong]: `A` is both in `env` and in `unset-env`
     --> build.toml:9:14
      |
    9 | unset-env = ["A"]
      |              ^^^
      |
      = hint: remove one

    error[setting-wrong]: `plain-http` and `skip-tls-verify` contradict each other
      --> build.toml:12:19
       |
    12 | skip-tls-verify = true
       |                   ^^^^
       |
       = hint: `plain-http` alone is enough: there is no certificate to check
    "#);
}

#[test]
fn an_error_in_a_flag_names_the_flag() {
    let flags = Overrides { base: Some("a b".to_owned()), ..set(&["image.nmae=x", "config.ports=[1, 'x']"]) };
    assert_snapshot!(with("", &flags).expect_err("wrong"), @r#"
    unknown key `nmae` in `image`
     |
     | --set image.nmae=x
     |             ^^^^
     |
     = hint: did you mean `name`?

    error: `x` is not a port
     |
     | --set config.ports=[1, 'x']
     |                        ^^^
     |
     = hint: write `8080`, `"8080/udp"` or `"8000-8003"`; ports are 1 to 65535

    error: `a b` is not an image reference: `a b` has a space in it; a repository is lower-case letters and digits, with `.`, `_`, `__` or `-` between them
     |
     | --base a b
     |        ^^^
     |
     = hint: a base is a registry reference, `store:NAME`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `scratch`
    "#);
}

#[test]
fn an_assignment_that_is_none() {
    let mut messages = String::new();
    for text in ["image.name", "=x", "a b=1", "a\nb=1", "format.x=1"] {
        let error = with("format = 1", &set(&[text])).expect_err(text);
        messages.push_str(&format!("{error}\n\n"));
    }
    assert_snapshot!(messages, @r#"
    `image.name` has no `=`
     |
     | --set image.name
     |       ^^^^^^^^^^
     |
     = hint: write `--set KEY=VALUE`, such as `--set config.user=1000`

    `=x` has no key
     |
     | --set =x
     |       ^
     |
     = hint: write `--set KEY=VALUE`, such as `--set config.user=1000`

    `a b` is not a key
     |
     | --set a b=1
     |       ^^^
     |
     = hint: write `--set KEY=VALUE`, such as `--set config.user=1000`

    `a\nb` is not a key
     |
     | --set a
     |       ^
     |
     = hint: write `--set KEY=VALUE`, such as `--set config.user=1000`

    `format` is an integer, not a table
     |
     | --set format.x=1
     |       ^^^^^^
     |
     = hint: set `format` as a whole
    "#);
}

#[test]
fn an_error_found_later_points_at_its_line() {
    let settings = settings("[app]\npath = \"build/größe.war\" # the artifact\r\nroot = \"/x\"\r\n");
    let app = settings.apps.first().expect("given");
    let path = &app.paths.as_slice()[0];
    assert_eq!(path.path(), Path::new("shop/build/größe.war"));
    assert_eq!(settings.sources.location(path.span), "build.toml:2:8");
    assert_snapshot!(settings.error_at(
        path.span,
        "the artifact `shop/build/größe.war` does not exist",
        Some("build it first".to_owned()),
    ), @r#"
    the artifact `shop/build/größe.war` does not exist
     --> build.toml:2:8
      |
    2 | path = "build/größe.war" # the artifact
      |        ^^^^^^^^^^^^^^^^^
      |
      = hint: build it first
    "#);
}

#[test]
fn a_bad_variable_names_itself() {
    let lookup = |name: &str| (name == "SOURCE_DATE_EPOCH").then(|| "yesterday".to_owned());
    assert_snapshot!(Overrides::from_environment(lookup).expect_err("wrong"), @r#"
    `SOURCE_DATE_EPOCH` is not a whole number
     |
     | SOURCE_DATE_EPOCH=yesterday
     |                   ^^^^^^^^^
     |
     = hint: write seconds since 1970, such as `date +%s` prints
    "#);
}

#[test]
fn a_build_file_that_is_not_there() {
    let error = Document::read(Path::new("/nonexistent/build.toml")).expect_err("wrong");
    assert_eq!(error.to_string(), "there is no `/nonexistent/build.toml`");
    assert!(error.hint().is_some());
}

/// One key at each rank: file, environment, `--set`, flag.
#[test]
fn a_flag_wins_over_set_over_environment_over_file() {
    let file = "[image]\nname = 'a/file'\nbase = 'file'\ntags = ['file']\nplatforms = ['linux/s390x']\ncompression = 'gzip:1'\n";
    let variables = |name: &str| {
        Some(match name {
            "PACK_NAME" => "a/env".to_owned(),
            "PACK_BASE" => "env".to_owned(),
            "PACK_TAGS" => "env, env2".to_owned(),
            "PACK_PLATFORMS" => "linux/ppc64le".to_owned(),
            "PACK_COMPRESSION" => "gzip:2".to_owned(),
            _ => return None,
        })
    };
    let environment = Overrides::from_environment(variables).expect("valid");
    let set = set(&[
        "image.name=a/set",
        "image.base=set",
        "image.tags=['set']",
        "image.platforms=['linux/386']",
        "image.compression=gzip:3",
    ]);
    let flags = Overrides {
        name: Some("a/flag".to_owned()),
        base: Some("flag".to_owned()),
        tags: vec!["flag".to_owned()],
        platforms: vec!["linux/amd64".to_owned(), "linux/x86_64".to_owned()],
        compression: Some("zstd:4".to_owned()),
        ..set.clone()
    };
    let none = Overrides::default();
    let ranks = [
        ("", &none, &none, "- - - - gzip"),
        (file, &none, &none, "file file file linux/s390x gzip:1"),
        (file, &none, &environment, "env env env,env2 linux/ppc64le gzip:2"),
        (file, &set, &environment, "set set set linux/386 gzip:3"),
        (file, &flags, &environment, "flag flag flag linux/amd64 zstd:4"),
        ("", &flags, &none, "flag flag flag linux/amd64 zstd:4"),
    ];
    for (file, flags, environment, expected) in ranks {
        let settings = Settings::resolve(document(file), flags, environment).expect(expected);
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let tail = |text: String| text.rsplit('/').next().unwrap_or_default().to_owned();
        let found = [
            or_none(settings.name.map(|name| tail(name.value.to_string())).unwrap_or_default()),
            or_none(settings.base.map(|base| tail(base.value.to_string())).unwrap_or_default()),
            or_none(settings.tags.iter().map(|tag| tag.template().to_string()).collect::<Vec<_>>().join(",")),
            or_none(settings.platforms.iter().map(|it| it.value.to_string()).collect::<Vec<_>>().join(",")),
            settings.compression.to_string(),
        ];
        assert_eq!(found.join(" "), expected);
    }
}

#[test]
fn switches_and_numbers_of_a_flag_win_over_the_environment() {
    let variables = |name: &str| {
        Some(match name {
            "PACK_OFFLINE" | "PACK_LOCKED" => "1".to_owned(),
            "PACK_JOBS" => "3".to_owned(),
            "SOURCE_DATE_EPOCH" => "7".to_owned(),
            _ => return None,
        })
    };
    let environment = Overrides::from_environment(variables).expect("valid");
    let flags = Overrides {
        offline: Some(false),
        locked: Some(false),
        jobs: std::num::NonZeroUsize::new(1),
        source_date_epoch: Some(8),
        ..Overrides::default()
    };
    let resolve = |flags: &Overrides, environment: &Overrides| {
        let settings = Settings::resolve(document(""), flags, environment).expect("valid");
        let jobs = settings.jobs.map(std::num::NonZeroUsize::get);
        (settings.offline, settings.locked, jobs, settings.source_date_epoch)
    };
    let none = Overrides::default();
    assert_eq!(resolve(&none, &none), (false, false, None, None));
    assert_eq!(resolve(&none, &environment), (true, true, Some(3), Some(7)));
    assert_eq!(resolve(&flags, &environment), (false, false, Some(1), Some(8)));
    for (name, value) in [
        ("PACK_OFFLINE", "yes"),
        ("PACK_JOBS", "0"),
        ("PACK_JOBS", "+1"),
        ("SOURCE_DATE_EPOCH", "-1"),
        ("SOURCE_DATE_EPOCH", "253402300800"),
        ("SOURCE_DATE_EPOCH", "1700000000000"),
    ] {
        let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
        assert!(Overrides::from_environment(lookup).is_err(), "{name}={value}");
    }
    assert_eq!(Overrides::from_environment(|_| Some(String::new())).expect("empty is unset"), none);
}

#[test]
fn a_tag_may_say_whether_it_moves() {
    let text = "[image]\ntags = ['1', 'latest', { name = 'dev', moves = true }, { name = 'latest', moves = false }]\n";
    let settings = settings(text);
    let moves: Vec<bool> = settings.tags.iter().map(|tag| tag.value.moves(&Facts::default())).collect();
    assert_eq!(moves, [false, true, true, false]);
    assert!(report("[image]\ntags = [{ name = 'a b', moves = true }]\n").contains("is not a tag"));
    assert!(report("[image]\ntags = [{ moves = true }]\n").contains("`image.tags.name` is missing"));
}

#[test]
fn a_ci_system_makes_builds_strict_unless_the_file_or_a_flag_says_otherwise() {
    let ci = Overrides { refuse_changes: Some(true), ..Overrides::default() };
    let no = Overrides { refuse_changes: Some(false), ..Overrides::default() };
    let none = Overrides::default();
    for (text, flags, environment, expected) in [
        ("", &none, &none, false),
        ("", &none, &ci, true),
        ("[image]\nstrict = false", &none, &ci, false),
        ("[image]\nstrict = true", &none, &none, true),
        ("[image]\nstrict = true", &no, &ci, false),
    ] {
        let settings = Settings::resolve(document(text), flags, environment).expect(text);
        assert_eq!(settings.refuse_changes, expected, "{text}");
    }
}

/// Every key, through `--set`: whatever the file says, the assignment holds.
#[test]
fn set_reaches_every_key() {
    let values = [
        ("format", "1"),
        ("image.name", "shop/x"),
        ("image.base", "scratch"),
        ("image.tags", "['a']"),
        ("image.strict", "true"),
        ("image.platforms", "['linux/amd64']"),
        ("image.annotations", "{ a = 'b' }"),
        ("image.compression", "none"),
        ("app.path", "x.war"),
        ("app.kind", "war"),
        ("app.layout", "packaged"),
        ("app.root", "/srv"),
        ("app.owner", "1"),
        ("app.mode", "0555"),
        ("app.mtime", "commit"),
        ("app.mtime", "content"),
        ("app.include", "['*']"),
        ("app.exclude", "['*']"),
        ("app.buckets", "4"),
        ("app.start", "java"),
        ("app.precompress", "['gz', 'zst']"),
        ("app.permissions", "[{ path = 'a', owner = '1' }]"),
        ("layer", "[]"),
        ("user", "[]"),
        ("config.env", "{ A = 'b' }"),
        ("config.unset-env", "['B']"),
        ("config.ports", "[1]"),
        ("config.volumes", "['/a']"),
        ("config.user", "1000"),
        ("config.workdir", "/a"),
        ("config.entrypoint", "['a']"),
        ("config.cmd", "[]"),
        ("config.labels", "{ a = 'b' }"),
        ("config.unset-labels", "['b']"),
        ("config.healthcheck", "false"),
        ("config.stop-signal", "SIGINT"),
        ("check.allow", "{ secret = 'a test' }"),
        ("check.levels", "{ runs-as-root = 'error' }"),
        ("attest.sbom", "spdx"),
        ("attest.sbom", "true"),
        ("attest.provenance", "true"),
        ("attest.place", "index"),
        ("attest.sign", "true"),
        ("attest.key", "pack.key"),
        ("cache.repository", "shop/cache"),
        ("cache.read", "false"),
        ("cache.verify", "5"),
        ("registry.\"localhost:5000\".plain-http", "true"),
        ("registry.localhost.skip-tls-verify", "true"),
        ("registry.localhost.ca-file", "ca.pem"),
        ("registry.localhost.client-cert", "client.pem"),
        ("registry.localhost.client-key", "client.key"),
        ("registry.localhost.chunk-size", "16MiB"),
        ("registry.localhost.mirrors", "['https://mirror.example/hub']"),
        ("webhook", "[{ url = 'https://hooks.example/x', form = 'cdevents' }]"),
        ("environment.prod.name", "localhost:5000/prod/app"),
        ("environment.prod.require", "['release:test', 'referrer:application/spdx+json']"),
        ("environment.prod.pointer", "false"),
        ("policy.file", "policy.toml"),
        ("policy.base.names", "['docker.io/library/*']"),
        (
            "policy.base.digests",
            "['sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a']",
        ),
        ("policy.base.max-age", "90d"),
        ("policy.base.signed-by", "['base.pub']"),
        ("policy.push.require", "['checks', 'sbom']"),
        ("policy.push.signed-by", "['ci.pub']"),
        ("policy.push.deny", "['pkg:maven/log4j/log4j']"),
        ("policy.push.licences.allow", "['MIT']"),
        ("policy.push.licences.deny", "['AGPL-*']"),
        ("policy.release.require", "['sbom', 'provenance']"),
        ("policy.release.signed-by", "['ci.pub']"),
        ("policy.release.deny", "['pkg:npm/event-stream@3.3.6']"),
        ("policy.release.licences.allow", "['MIT']"),
        ("policy.release.licences.deny", "['AGPL-*']"),
        ("workspace.members", "['a/*']"),
    ];
    let before = include_str!("../../../build.toml.example");
    for (key, value) in values {
        for text in ["app.path = 'x'\n", before] {
            let result = with(text, &set(&[&format!("{key}={value}")]));
            assert!(result.is_ok(), "{key}={value}: {}", result.expect_err("wrong"));
        }
    }
    let tested: Vec<&str> = values.iter().map(|(key, _)| *key).collect();
    for key in keys() {
        let known = |tested: &&str| {
            let tested =
                tested.replace(".\"localhost:5000\"", "").replace(".localhost", "").replace(".prod.", ".");
            key == tested || key.starts_with(&format!("{tested}.")) || tested.starts_with(&format!("{key}."))
        };
        assert!(tested.iter().any(known) || key.starts_with("workspace."), "{key}");
    }
}

#[test]
fn a_bare_value_is_a_string_where_one_is_wanted() {
    let flags =
        set(&["config.labels.version=1.0", "config.env.PORT=0x10", "app.path=2024-01-01", "app.mode=0644"]);
    let settings = with("", &flags).expect("valid");
    assert_eq!(settings.config.labels.values().next().map(|label| label.to_string()).as_deref(), Some("1.0"));
    assert_eq!(settings.config.env.values().next().map(|value| value.as_str()), Some("0x10"));
    let app = settings.apps.first().expect("given");
    assert_eq!(app.paths.as_slice()[0].path(), Path::new("shop/2024-01-01"));
    assert_eq!(app.mode.as_ref().map(|mode| mode.bits()), Some(0o644));
}

#[test]
fn several_artifacts_keep_their_order() {
    let text = "[[app]]\npath = 'a.war'\n[[app]]\npath = ['b', 'c']\nkind = 'elf'\nroot = '/b'\n";
    let names = |settings: &Settings| -> Vec<String> {
        let written = |app: &AppSettings| {
            app.paths.as_slice().iter().map(|path| path.written()).collect::<Vec<_>>().join(",")
        };
        settings.apps.iter().map(written).collect()
    };
    assert_eq!(names(&settings(text)), ["a.war", "b,c"]);
    assert_eq!(names(&settings("[app]\npath = 'a'\n")), ["a"]);
    assert!(settings("app = []\n").apps.is_empty());

    // The first one is what a single key means, and a flag adds one at the end.
    let flags = Overrides { apps: vec!["d:site=/srv/d".to_owned()], ..set(&["app.root=/x", "app.path=z"]) };
    let several = with(text, &flags).expect("valid");
    assert_eq!(names(&several), ["z", "b,c", "d"]);
    assert_eq!(several.apps[0].root.as_ref().map(|root| root.as_str()), Some("/x"));
    let last = &several.apps[2];
    assert_eq!(last.kind.as_ref().map(|kind| kind.as_str()), Some("site"));
    assert_eq!(last.paths.as_slice()[0].path(), Path::new("d"), "relative to where it was typed");
    assert_eq!(names(&with("[app]\npath = 'a'\n", &flags).expect("valid")), ["z", "d"]);
    let artifact = Some("p".into());
    let given = Overrides { artifact, apps: vec!["d".to_owned()], ..Overrides::default() };
    assert_eq!(names(&with("", &given).expect("valid")), ["p", "d"]);

    assert!(report("[[app]]\npath = 'a'\n[[app]]\nrot = '/b'\n").contains("did you mean `root`?"));
    let wrong = |text: &str| {
        let flags = Overrides { apps: vec![text.to_owned()], ..Overrides::default() };
        with("", &flags).expect_err("wrong").to_string()
    };
    assert!(wrong("d:site=/..").contains("--app d:site=/.."), "{}", wrong("d:site=/.."));
    assert!(wrong(":site").contains("`:site` has no path"), "{}", wrong(":site"));
}

#[test]
fn an_argument_is_the_artifact_whatever_bytes_it_has() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"\xff.war"));
    let flags = Overrides { artifact: Some(path.to_owned()), ..Overrides::default() };
    for text in ["", "[app]\npath = 'x'\nroot = '/y'\n"] {
        let settings = with(text, &flags).expect("valid");
        let app = settings.apps.first().expect("given");
        assert_eq!(app.paths.as_slice()[0].path(), path);
        assert_eq!(settings.sources.location(app.paths.as_slice()[0].span), "\u{fffd}.war");
    }
}

#[test]
fn a_member_inherits_from_its_workspace() {
    let workspace = Document::parse(
        "build.toml",
        Path::new("root"),
        "[workspace]\nmembers = ['services/*']\n[workspace.image]\nbase = 'oci:base'\ntags = ['w']\n[workspace.config]\nuser = 1\nenv = { A = 'w', B = 'w' }\nworkdir = 'wrong'\n",
    );
    let workspace = workspace.expect("valid");
    let text = "[image]\ntags = ['m']\n[config]\nworkdir = '/m'\nenv = { B = 'm' }\n";
    let member = workspace.parse_member("m", "m/build.toml", Path::new("m"), text).expect("valid");
    let settings = Settings::resolve(member, &Overrides::default(), &Overrides::default()).expect("valid");
    let Some(BaseSetting::Layout { path, .. }) = settings.base.map(|base| base.value) else {
        panic!("a layout")
    };
    assert_eq!(path.path(), Path::new("root/base"), "relative to the file that says it");
    assert_eq!(settings.tags[0].template().to_string(), "m");
    let env: Vec<_> =
        settings.config.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("A", "w"), ("B", "m")]);
    // An error in what is inherited points into the workspace's file.
    let member = workspace.parse_member("m", "m/build.toml", Path::new("m"), "").expect("valid");
    let error = Settings::resolve(member, &Overrides::default(), &Overrides::default()).expect_err("wrong");
    assert!(error.to_string().contains("--> build.toml:9:11"), "{error}");
}

#[test]
fn numbers_that_engines_refuse_are_refused_with_their_line() {
    for text in [
        "config.user = 3000000000\n",
        "config.user = \"1:99999999999\"\n",
        "[[user]]\nname = \"a\"\nuid = 2147483648\n",
        "[[user]]\nname = \"a\"\nuid = 1\ngid = 2147483648\n",
    ] {
        let said = report(text);
        assert!(said.contains("2147483647") && said.contains("--> build.toml:"), "{said}");
    }
}

#[test]
fn hints_of_values_work_when_followed() {
    for (text, hint) in [
        ("config.healthcheck = { cmd = 'x', interval = 30 }\n", "hint: write `\"30s\"`"),
        ("image.name = \"Foo/Bar:1\"\n", "hint: write `foo/bar`"),
        ("config.healthcheck = { cmd = ['CMD', 'curl'] }\n", "hint: leave `\"CMD\"` out"),
        ("config.healthcheck = { cmd = ['CMD-SHELL', 'curl x'] }\n", "as one string"),
        ("config.healthcheck = { cmd = ['NONE'] }\n", "hint: write `healthcheck = false`"),
    ] {
        let is_known = !text.contains("cmd = ['");
        let said = if is_known { report(text) } else { report_beyond_schema(text) };
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn a_health_check_is_as_image_configurations_have_it() {
    let check = |text: &str| {
        let settings = settings(&format!("config.healthcheck = {text}"));
        settings.config.healthcheck.expect("given").to_image()
    };
    let full = check(
        "{ cmd = ['a', 'b'], interval = '30s', timeout = '500ms', start-period = '1m', start-interval = '1s', retries = 3 }",
    );
    assert_eq!(full.test, ["CMD", "a", "b"]);
    assert_eq!((full.interval, full.timeout, full.retries), (30_000_000_000, 500_000_000, 3));
    assert_eq!((full.start_period, full.start_interval), (60_000_000_000, 1_000_000_000));
    assert_eq!(check("{ cmd = 'curl x || exit 1' }").test, ["CMD-SHELL", "curl x || exit 1"]);
    assert_eq!(check("false").test, ["NONE"]);
}

/// The example with all that it comments out.
fn whole_example() -> String {
    let example = include_str!("../../../build.toml.example");
    let lines = example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The dotted keys of a table; arrays of tables count as one, and so do all registries and all environments.
fn keys_of(table: &toml::Table, prefix: &str, found: &mut std::collections::BTreeSet<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        found.insert(path.clone());
        let hosts = ["registry", "environment"].contains(&path.as_str()).then(|| value.as_table()).flatten();
        let hosts: Option<Vec<_>> = hosts.map(|hosts| hosts.values().cloned().collect());
        let one = || value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let values = hosts.unwrap_or_else(one);
        for table in values.iter().filter_map(toml::Value::as_table) {
            keys_of(table, &path, found);
        }
    }
}

#[test]
fn the_example_parses_and_has_every_key() {
    assert!(settings(include_str!("../../../build.toml.example")).apps.len() == 1);
    let whole = whole_example();
    settings(&whole);
    let mut found = std::collections::BTreeSet::new();
    keys_of(&whole.parse().expect("TOML"), "", &mut found);
    let mut missing = keys();
    // The same tables as at the top, shown with one key each.
    missing.retain(|key| !key.starts_with("workspace.image.") && !key.starts_with("workspace.config."));
    missing.retain(|key| !found.contains(key));
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_reference_has_every_key() {
    let reference = include_str!("../../../docs/build-toml.md");
    for path in keys() {
        let key = path.rsplit('.').next().unwrap_or_default();
        assert!(reference.contains(&format!("`{key}`")) || reference.contains(&format!("[{key}")), "{path}");
    }
}

#[test]
fn the_reference_shows_files_that_parse() {
    let reference = include_str!("../../../docs/build-toml.md");
    let mut blocks = reference.split("```toml\n").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        settings(block.split("```").next().unwrap_or_default());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}|([\\[\\]{}=.,'\"# \n\r\t0-9a-zß]|image|app|layer|path|name|tags){0,40}") {
        if let Ok(document) = Document::parse("build.toml", Path::new(""), &text) {
            let _ = Settings::resolve(document, &Overrides::default(), &Overrides::default())
                .map_err(|error| error.to_string());
        }
        let _ = with("[image]\nname = 'a/b'", &set(&[&text])).map_err(|error| error.to_string());
        let base = Overrides { base: Some(text.clone()), tags: vec![text.clone()], ..Overrides::default() };
        let _ = with("", &base).map_err(|error| error.to_string());
    }

    #[test]
    fn no_value_makes_it_panic(
        key in proptest::sample::select(keys()),
        value in "[0-9]{1,25}|'[^'\n]{0,20}'|\\[('a'|1|\\{\\}|, ){0,4}\\]|\\{ [a-z]{1,4} = 1 \\}|true|1.5|1979-05-27",
    ) {
        let text = format!("{key} = {value}\r\n");
        if let Ok(document) = Document::parse("build.toml", Path::new(""), &text) {
            let accepted = Settings::resolve(document, &Overrides::default(), &Overrides::default())
                .map_err(|error| error.to_string());
            // The schema may accept more, and never less.
            let verdict = json_schema::verdict(&text);
            prop_assert!(accepted.is_err() || verdict == Some(Ok(())), "{} {:?}", text, verdict);
        }
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_error() {
    let text = "\u{feff}format = 1\r\n[image]\r\nnmae = 'ß'\r\n";
    let message = report(text);
    assert!(message.contains("build.toml:3:1") && message.contains("3 | nmae = 'ß'"), "{message}");
}

#[test]
fn one_slip_is_one_error() {
    let slips =
        ["[image\nname = 'a'\n", "a = [1, 2\nb = 3\n", "image = { name = 'a'\n[app]\n", "= 1\n", "a b = 1\n"];
    for text in slips {
        let Err(ConfigError::Invalid(report)) = Document::parse("build.toml", Path::new(""), text) else {
            panic!("{text}");
        };
        assert_eq!(report.diagnostics().len(), 1, "{report}");
    }
    let twice = report("a = 1\na = 2\nb = 1\nb = 2\n");
    assert!(twice.contains("`a` stands") && twice.contains("`b` stands"), "{twice}");
}

#[test]
fn a_deep_document_does_not_overflow_the_stack() {
    for text in [
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("[{}a]\n", "a.".repeat(50_000)),
    ] {
        assert!(with("", &set(&[&text])).is_err());
        let parsed = Document::parse("build.toml", Path::new(""), &text);
        assert!(parsed.and_then(|document| document.decode::<BuildFile>()).is_err());
    }
}

#[test]
fn more_layers_than_any_image_has_are_refused_at_the_first_too_many() {
    let layers = |count: usize| -> String {
        (0..count)
            .map(|number| format!("[[layer]]\nname = \"l{number}\"\ndirectories = [{{ path = \"/d\" }}]\n"))
            .collect()
    };
    assert_eq!(settings(&layers(127)).layers.len(), 127);
    let refused = report_beyond_schema(&layers(20_000));
    let line = 3 * 127 + 2;
    assert!(
        refused.contains("there are 20000 tables `[[layer]]`, and an image has at most 127 layers"),
        "{refused}"
    );
    assert!(refused.contains(&format!("build.toml:{line}:")) && refused.contains("hint: "), "{refused}");
    let apps = |count: usize| "[[app]]\npath = \"a\"\n".repeat(count);
    assert!(
        report_beyond_schema(&apps(128))
            .contains("there are 128 artifacts, and an image has at most 127 layers")
    );
}
