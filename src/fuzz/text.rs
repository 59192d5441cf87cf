//! Texts: names, headers, settings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use crate::layer::EntryPath;
use crate::layer::scan::fuzz as scan;
use crate::project::config::{Document, Overrides, Settings};
use crate::project::lock::Lock;
use crate::types::platform::Platform;
use crate::types::reference::{Reference, Registry, Repository, Scope, Tag};

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// A value parses to the same from its text, and prints the same text again.
fn survives<T: FromStr + Display + PartialEq>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let shown = value.to_string();
    let again: Option<T> = shown.parse().ok();
    assert!(
        again.is_some_and(|again| again == value && again.to_string() == shown),
        "`{text}` became `{shown}`"
    );
    Some(value)
}

pub(super) fn reference(data: &[u8]) {
    let Some(text) = text(data) else { return };
    survives::<Scope>(text);
    survives::<Repository>(text);
    survives::<Tag>(text);
    if let Some(registry) = survives::<Registry>(text) {
        let host = registry.host();
        assert!(!host.is_empty() && (host.starts_with('[') || !host.contains(':')), "{registry}");
        assert_eq!(format!("https://{registry}/").parse::<url::Url>().map(|url| url.path() == "/"), Ok(true));
    }
    if let Some(reference) = survives::<Reference>(text) {
        let repository = reference.repository();
        assert!(repository.path().len() <= 255 && !repository.path().contains(".."), "{reference}");
        assert!(reference.manifest_name().len() <= 128, "{reference}");
    }
}

pub(super) fn platform(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let parsed = survives::<Platform>(text);
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    if let [os, architecture, ..] = parts[..]
        && let Ok(made) = Platform::new(os, architecture, parts.get(2).copied())
    {
        assert!(parsed.is_none_or(|parsed| parsed == made), "{made}");
        assert_eq!(Platform::new(made.os(), made.architecture(), made.variant()), Ok(made));
    }
}

pub(super) fn challenge(data: &[u8]) {
    crate::registry::fuzz::challenge(&String::from_utf8_lossy(data));
}

pub(super) fn location(data: &[u8]) {
    crate::registry::fuzz::location(&String::from_utf8_lossy(data));
}

pub(super) fn retry_after(data: &[u8]) {
    crate::registry::fuzz::retry(&String::from_utf8_lossy(data));
}

/// A build file gives settings or a report with at least one message; flags on top of it as well.
pub(super) fn build_toml(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let settle = |set: &[String]| {
        let document = Document::parse("build.toml", Path::new("/project"), text)?;
        let flags = Overrides { set: set.to_vec(), ..Overrides::default() };
        Settings::resolve(document, &flags, &Overrides::default())
    };
    let line: Vec<String> = text.lines().last().map(str::to_owned).into_iter().collect();
    for set in [&[], &line[..]] {
        match (settle(set), settle(set)) {
            (Ok(one), Ok(two)) => assert_eq!(format!("{one:?}"), format!("{two:?}")),
            (Err(one), Err(two)) => {
                let shown = one.to_string();
                assert_eq!(shown, two.to_string());
                assert!(!shown.trim().is_empty());
            }
            _ => panic!("the same text, once right and once wrong"),
        }
    }
    // As a member of a workspace that it is itself.
    if let Ok(workspace) = Document::parse("build.toml", Path::new("/project"), text) {
        let member =
            workspace.parse_member("member", "member/build.toml", Path::new("/project/member"), text);
        assert!(member.is_ok(), "a text that parses alone parses as a member");
    }
}

/// A written lock parses again, and writing it again changes nothing.
pub(super) fn build_lock(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match Lock::parse("build.lock", text) {
        Ok(lock) => {
            let written = lock.render();
            let again = Lock::parse("build.lock", &written);
            let again = again.unwrap_or_else(|error| panic!("{error}:\n{written}"));
            assert_eq!(again.render(), written);
            assert!(lock.changes(&again).is_empty());
            for base in lock.bases() {
                assert_eq!(
                    base.is_consistent(),
                    again.get(&base.reference).is_some_and(crate::project::lock::LockedBase::is_consistent)
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The first line is a path, the rest an ignore file, whose last line decides.
pub(super) fn ignore(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (first, file) = data.split_at(at);
    let path = EntryPath::new(first);
    let path = path.as_ref().map_or(&b"src/main.rs"[..], EntryPath::as_bytes);
    let paths = [path, b"a", b"src/main.rs", b".git/config"];
    let excluded = |file: &[u8], directory| scan::ignored(file, &paths, directory);
    if let Some(found) = excluded(file, false) {
        let with = |line: &str| excluded(&[file, line.as_bytes()].concat(), false);
        assert_eq!(with("\n# a remark\n\n"), Some(found));
        assert_eq!(with("\n**\n"), Some(vec![true; paths.len()]));
        assert_eq!(with("\n!**\n"), Some(vec![false; paths.len()]));
        assert_eq!(excluded(file, true).map(|found| found.len()), Some(paths.len()));
    }
    let Some(text) = text(file) else { return };
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(together) = scan::matched(&lines, &paths) {
        // A set of globs matches what one of them matches.
        let mut one_by_one = BTreeMap::new();
        for line in lines.iter().take(8) {
            let alone = scan::matched(std::slice::from_ref(line), &paths).unwrap_or_default();
            for (path, matched) in alone.into_iter().enumerate() {
                *one_by_one.entry(path).or_insert(false) |= matched;
            }
        }
        for (path, matched) in one_by_one {
            assert!(together[path] || !matched, "{:?}", String::from_utf8_lossy(paths[path]));
        }
    }
}
