//! The text of a lock: the same for equal locks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::facts::{Ancestor, LockedBase, LockedPlatform, SystemFacts};
use crate::formats::elf::Dynamic;
use crate::oci::MediaType;
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::fingerprint::Fingerprint;

impl LockedBase {
    /// `[[base]]` and all that is below it.
    pub(super) fn render(&self) -> String {
        match self.render_facts() {
            Some(facts) => {
                let checksum = checksum(&self.digest, &facts);
                self.render_with(&format!("checksum = \"{checksum}\"\n{facts}"))
            }
            None => self.render_with(""),
        }
    }

    fn render_with(&self, rest: &str) -> String {
        format!("[[base]]\nreference = {}\ndigest = \"{}\"\n{rest}", quoted(&self.reference), self.digest)
    }

    /// The facts, in the lines below those of the decisions.
    pub(super) fn render_facts(&self) -> Option<String> {
        let facts = self.facts.as_ref()?;
        let mut text = String::new();
        describe(&mut text, &facts.media_type, facts.size);
        if !facts.signed_by.is_empty() {
            let keys: Vec<String> = facts.signed_by.iter().map(|key| quoted(key)).collect();
            line(&mut text, "signed-by", &format!("[{}]", keys.join(", ")));
        }
        let mut platforms: Vec<&LockedPlatform> = facts.platforms.iter().collect();
        platforms.sort_by_key(|platform| (&platform.platform, platform.digest));
        for platform in platforms {
            text.push_str("\n[[base.platform]]\n");
            line(&mut text, "platform", &quoted(&platform.platform.to_string()));
            line(&mut text, "digest", &quoted(&platform.digest.to_string()));
            describe(&mut text, &platform.media_type, platform.size);
            let ancestors = platform.ancestors.iter().filter_map(|(path, ancestor)| {
                Some((
                    quoted(&format!("/{}", std::str::from_utf8(path.as_bytes()).ok()?)),
                    ancestor.render()?,
                ))
            });
            let ancestors: Vec<(String, String)> = ancestors.collect();
            if !ancestors.is_empty() {
                text.push_str("\n[base.platform.ancestors]\n");
            }
            for (path, ancestor) in ancestors {
                line(&mut text, &path, &ancestor);
            }
            if !platform.accounts.is_empty() {
                text.push_str("\n[base.platform.accounts]\n");
            }
            for (account, is_there) in &platform.accounts {
                line(&mut text, &quoted(&account.to_string()), &is_there.to_string());
            }
            if let Some(system) = &platform.system {
                system.render(&mut text);
            }
        }
        if !facts.documents.is_empty() {
            text.push_str("\n[base.documents]\n");
        }
        for (digest, document) in &facts.documents {
            line(&mut text, &quoted(&digest.to_string()), &literal(document));
        }
        Some(text)
    }
}

/// The text of its entry: what is not written there follows from the digest.
impl Fingerprint for LockedBase {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self { reference, digest, facts } = self;
        key.field("reference", reference);
        key.field("digest", digest);
        key.field("has facts", &facts.is_some());
        key.field("facts", &self.render_facts());
    }
}

impl SystemFacts {
    fn render(&self, text: &mut String) {
        let list = |words: &mut dyn Iterator<Item = &String>| {
            let words: Vec<String> = words.map(|word| quoted(word)).collect();
            format!("[{}]", words.join(", "))
        };
        text.push_str("\n[base.platform.system]\n");
        if let Some(os) = &self.os {
            line(text, "os", &quoted(os));
        }
        line(text, "libc", &list(&mut self.libc.iter()));
        if let Some(java) = self.java {
            line(text, "java", &java.to_string());
        }
        line(text, "library-path", &list(&mut self.library_path.iter()));
        if let Some(node) = &self.node {
            line(text, "node", &quoted(node));
        }
        if !self.python.is_empty() {
            line(text, "python", &list(&mut self.python.iter()));
        }
    }
}

impl Ancestor {
    fn render(&self) -> Option<String> {
        Some(match self {
            Self::Directory { mode, uid, gid } => {
                format!(
                    "{{ kind = \"directory\", mode = \"{:04o}\", uid = {uid}, gid = {gid} }}",
                    mode & 0o7777
                )
            }
            Self::Listed { mode, uid, gid, names } => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                format!(
                    "{{ kind = \"directory\", mode = \"{:04o}\", uid = {uid}, gid = {gid}, names = [{}] }}",
                    mode & 0o7777,
                    names.join(", ")
                )
            }
            Self::Symlink { target } => {
                format!("{{ kind = \"symlink\", target = {} }}", quoted(std::str::from_utf8(target).ok()?))
            }
            Self::File { mode, owner, machine, dynamic, content } => {
                let mode = mode.map(|mode| format!(", mode = \"{:04o}\"", mode & 0o7777)).unwrap_or_default();
                let owner = owner.map(|(uid, gid)| format!(", uid = {uid}, gid = {gid}")).unwrap_or_default();
                let machine = machine.map(|machine| format!(", machine = \"{machine}\"")).unwrap_or_default();
                let dynamic = dynamic.as_ref().map(render_dynamic).unwrap_or_default();
                let content = content.as_ref().map(|content| format!(", content = {}", quoted(content)));
                format!("{{ kind = \"file\"{mode}{owner}{machine}{dynamic}{} }}", content.unwrap_or_default())
            }
            Self::Missing => "{ kind = \"missing\" }".to_owned(),
        })
    }
}

/// The keys of what is loaded with a file; `needed` is always there.
fn render_dynamic(dynamic: &Dynamic) -> String {
    let Dynamic { interpreter, soname, needed, run_path, is_inherited, flaw, versions } = dynamic;
    let list = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    let mut text = format!(", needed = [{}]", list(needed));
    for (key, value) in [("interpreter", interpreter), ("soname", soname)] {
        if let Some(value) = value {
            text.push_str(&format!(", {key} = {}", quoted(value)));
        }
    }
    if !run_path.is_empty() {
        text.push_str(&format!(", run-path = [{}]", list(run_path)));
    }
    if *is_inherited {
        text.push_str(", inherited = true");
    }
    if let Some(flaw) = flaw {
        text.push_str(&format!(", flaw = \"{}\"", flaw.name()));
    }
    if let Some(versions) = versions {
        text.push_str(&format!(", defines = [{}]", list(&grouped(&versions.defined))));
    }
    text
}

/// Names of versions in short: those with one start together, as `GLIBC_ 2.34 2.35`.
fn grouped(names: &BTreeSet<String>) -> Vec<String> {
    let mut groups: BTreeMap<&str, String> = BTreeMap::new();
    let mut alone = Vec::new();
    for name in names {
        match name.rfind('_').map(|at| name.split_at(at + 1)) {
            Some((start, rest)) if !rest.is_empty() => {
                let group = groups.entry(start).or_insert_with(|| start.to_owned());
                group.push(' ');
                group.push_str(rest);
            }
            _ => alone.push(name.clone()),
        }
    }
    groups.into_values().chain(alone).collect()
}

fn describe(text: &mut String, media_type: &MediaType, size: u64) {
    line(text, "media-type", &quoted(media_type.as_ref()));
    line(text, "size", &size.to_string());
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(key);
    text.push_str(" = ");
    text.push_str(value);
    text.push('\n');
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ if character.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A TOML literal string, which leaves the quotes of JSON as they are, or a basic one.
fn literal(text: &str) -> String {
    if text.contains('\'') || text.chars().any(char::is_control) { quoted(text) } else { format!("'{text}'") }
}

/// Binds facts to their digest: an accident finder, not a signature, so 64 bits are enough.
pub(super) fn checksum(digest: &Digest, facts: &str) -> String {
    let mut hex = Digest::of(format!("{digest}\n{facts}").as_bytes()).hex();
    hex.truncate(16);
    hex
}
