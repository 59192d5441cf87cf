//! Rules for all commands.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use std::num::NonZeroUsize;

use super::image::LayoutFlag;
use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_readme_begins_with_a_command_that_works() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = include_str!("../../../README.md");
    let line = readme.lines().find_map(|line| line.strip_prefix("cargo run --release -- ")).unwrap();
    let words = line.split('#').next().unwrap();
    let Command::Build(build) = parse(&format!("pack {words}")).unwrap().command else {
        panic!("no build: {line}")
    };
    assert!(root.join(build.image.path.unwrap()).join("build.toml").is_file(), "{line}");
    assert!(readme.contains("tests/run") && root.join("tests/run").is_file());
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

/// The words of every command, `pack` itself first.
fn commands(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
    let words = [words, &[command.get_name().to_owned()]].concat();
    let below = command.get_subcommands().flat_map(|subcommand| commands(subcommand, &words));
    std::iter::once(words.clone()).chain(below).collect()
}

#[test]
fn every_command_explains_itself() {
    let all = commands(&Cli::command(), &[]);
    let names: Vec<String> = all.iter().map(|words| words.join(" ")).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    pack
    pack build
    pack plan
    pack check
    pack deps
    pack merge
    pack update
    pack init
    pack inspect
    pack history
    pack verify
    pack sbom
    pack images
    pack rm
    pack serve
    pack copy
    pack tag
    pack diff
    pack rebase
    pack promote
    pack releases
    pack rollback
    pack sign
    pack attach
    pack referrers
    pack key
    pack key generate
    pack key public
    pack events
    pack events list
    pack events flush
    pack resolve
    pack render
    pack listen
    pack login
    pack logout
    pack doctor
    pack cache
    pack cache info
    pack cache prune
    pack cache verify
    pack completions
    pack man
    pack schema
    ");
    for words in all {
        for flag in ["-h", "--help"] {
            let line = words.iter().map(String::as_str).chain([flag]);
            let help = Cli::try_parse_from(line).expect_err("help");
            assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{words:?}");
            assert_eq!(help.exit_code(), 0);
            let text = help.to_string();
            assert!(text.contains("Usage: pack") && text.contains("--quiet"), "{text}");
        }
    }
}

#[test]
fn examples_fit_a_narrow_terminal() {
    for words in commands(&Cli::command(), &[]) {
        let root = Cli::command();
        let mut command = &root;
        for word in &words[1..] {
            command = command.find_subcommand(word).expect("a command");
        }
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
        }
    }
}

#[test]
fn a_build_line_in_full() {
    let cli = parse(
        "pack build app.war -f b.toml --push -o oci:out:1 -o docker -t 1.0 -t {git.short} --base tomcat:10 \
         --name localhost:5000/shop/app --root /srv --layout packaged --platform linux/x86_64,linux/arm64 \
         --set config.user=1000 --locked --metadata-file m.json --image-refs r --compression zstd:9 \
         --json --jobs 3 --cache-dir c -vv",
    )
    .expect("valid");
    assert_eq!((cli.global.verbose, cli.global.jobs.map(NonZeroUsize::get)), (2, Some(3)));
    let Command::Build(build) = cli.command else { panic!("not build") };
    assert!(build.format.json);
    assert_eq!(build.image.all_outputs(), ["registry", "oci:out:1", "docker"]);
    assert_eq!(build.image.tags, ["1.0", "{git.short}"]);
    assert_eq!(build.image.name.expect("name").path(), "shop/app");
    let platforms: Vec<String> = build.image.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(build.image.layout.map(LayoutFlag::as_str), Some("packaged"));
}

#[test]
fn mistakes_say_what_is_expected() {
    let cases = [
        ("pack build --platform linux", "expected `os/architecture`"),
        ("pack build --name localhost:5000/a:1.0", "give it with `--tag 1.0`"),
        ("pack build --root srv", "begins with `/`"),
        ("pack build --jobs 0", "--jobs"),
        ("pack build --push --offline", "cannot be used with"),
        ("pack biuld", "build"),
        ("pack -q -v build", "cannot be used with"),
        ("pack inspect", "<IMAGE>"),
        ("pack login team", "has a dot or a port"),
        ("pack login r.example --password-stdin", "--username"),
        ("pack login r.example -u a -p b --password-stdin", "cannot be used with"),
        ("pack cache prune --max-size 10XB", "10GB"),
        ("pack cache prune --max-age 3", "30d"),
        (
            "pack doctor http://localhost:5000/shop",
            "give `localhost:5000/shop`, with `--plain-http localhost:5000`",
        ),
        ("pack login http://r.example -u a", "give `r.example`, with `--plain-http r.example`"),
        ("pack login docker://r.example/team -u a", "without `docker://`: give `r.example/team`"),
        ("pack logout http://r.example", "without `http://`: give `r.example`"),
        ("pack doctor r.example/shop/app:1.0", "give `r.example/shop/app`"),
        ("pack doctor ftp://shop", "has a dot or a port"),
        ("pack build --metadata-file -", "`/dev/stdout`"),
        ("pack build --image-refs -", "`./-`"),
        ("pack build --timings=-", "`--json`"),
    ];
    for (line, part) in cases {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(part), "{line}: {error}");
    }
}
