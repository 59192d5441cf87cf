//! The values of a build file in the keys of caches.

use super::template::Facts;
use super::value::{
    AccountName, AccountNumber, Arguments, AttestPlaceSetting, BaseSetting, Buckets, ByteSize,
    CapabilityText, CompressionSetting, Count, DiskPath, EnvName, EnvValue, Format, ImagePath, ImagePattern,
    KindName, Layout, LinkTarget, MemberPattern, MirrorAddress, Mode, Mtime, Owner, Pattern, Percent, Period,
    Ports, SbomSetting, ShellPath, SiblingSetting, Signal, StartSetting, User,
};
use crate::project::git::GitFacts;
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::digest::KeyBuilder;
use crate::types::fingerprint::{Fingerprint, fingerprint_as_text, fingerprint_fields};
use crate::types::webhook_url::WebhookUrl;

fingerprint_as_text!(
    AttestPlaceSetting,
    DeliveryKind,
    EventForm,
    ImagePattern,
    Layout,
    MirrorAddress,
    Mode,
    Owner,
    Ports,
    SiblingSetting,
    StartSetting
);

/// Values whose text is all that there is to them.
macro_rules! written_as {
    ($($type:ty: |$value:ident| $text:expr),* $(,)?) => {$(
        impl Fingerprint for $type {
            fn add_to(&self, key: &mut KeyBuilder) {
                let $value = self;
                $text.add_to(key);
            }
        }
    )*};
}

written_as! {
    AccountName: |value| value.as_str(),
    AccountNumber: |value| value.get(),
    Arguments: |value| value.as_slice(),
    ByteSize: |value| value.get(),
    CapabilityText: |value| value.as_str(),
    Count: |value| value.get(),
    EnvName: |value| value.as_str(),
    EnvValue: |value| value.as_str(),
    Format: |value| value.number(),
    KindName: |value| value.as_str(),
    LinkTarget: |value| value.as_str(),
    MemberPattern: |value| value.as_str(),
    Pattern: |value| value.as_str(),
    Percent: |value| value.get(),
    Period: |value| value.nanoseconds(),
    SbomSetting: |value| value.as_str(),
    ShellPath: |value| value.as_str(),
    Signal: |value| value.as_str(),
    User: |value| value.as_str(),
    WebhookUrl: |value| value.expose(),
}

/// As it was written, and what it means.
impl Fingerprint for DiskPath {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.field("written", self.written());
        key.field("path", self.path());
    }
}

/// With the slash at its end, which means something where files are copied.
impl Fingerprint for ImagePath {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.field("path", self.as_str());
        key.field("slash", &self.has_trailing_slash());
    }
}

impl Fingerprint for Buckets {
    fn add_to(&self, key: &mut KeyBuilder) {
        match self {
            Self::Auto => key.text("auto"),
            Self::Number(number) => key.field("number", number),
        }
    }
}

impl Fingerprint for CompressionSetting {
    fn add_to(&self, key: &mut KeyBuilder) {
        match self {
            Self::None => key.text("none"),
            Self::Gzip(level) => key.field("gzip", level),
            Self::Estargz(level) => key.field("estargz", level),
            Self::Soci(level) => key.field("soci", level),
            Self::Zstd(level) => key.field("zstd", level),
        }
    }
}

impl Fingerprint for Mtime {
    fn add_to(&self, key: &mut KeyBuilder) {
        match self {
            Self::At(seconds) => key.field("at", seconds),
            Self::Commit => key.text("commit"),
            Self::Content => key.text("content"),
        }
    }
}

impl Fingerprint for BaseSetting {
    fn add_to(&self, key: &mut KeyBuilder) {
        let (place, path, name) = match self {
            Self::Scratch => return key.text("scratch"),
            Self::Registry(reference) => return key.field("registry", reference),
            Self::Store(name) => return key.field("store", name),
            Self::Layout { path, name } => ("layout", path, name),
            Self::OciArchive { path, name } => ("oci-archive", path, name),
            Self::DockerArchive { path, name } => ("docker-archive", path, name),
        };
        key.field(place, path);
        key.field("name", name);
    }
}

// Where a version was looked for is for messages, and the content follows from the layers.
fingerprint_fields!(Facts { git, version, env } without { version_sought, content });
fingerprint_fields!(GitFacts { commit, branch, time, dirty, origin } without { first_change });

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Document;
    use super::super::schema::BuildFile;
    use crate::types::digest::Key;
    use crate::types::fingerprint::fingerprint;

    fn key(text: &str) -> Option<Key> {
        let document = Document::parse("build.toml", Path::new("shop"), text).ok()?;
        let file: BuildFile = document.decode().ok()?;
        Some(fingerprint("test", &file))
    }

    #[test]
    fn every_line_of_the_example_is_in_the_key() {
        let example = include_str!("../../../build.toml.example").replace("#: ", "");
        let lines: Vec<&str> = example.lines().filter(|line| !line.starts_with('#')).collect();
        let whole = key(&lines.join("\n")).expect("the example is right");
        let mut told = 0;
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
            let mut without = lines.clone();
            without.remove(number);
            if let Some(other) = key(&without.join("\n")) {
                assert_ne!(other, whole, "{line}");
                told += 1;
            }
        }
        assert!(told > 40, "{told}");
    }

    #[test]
    fn places_and_comments_are_not_in_the_key() {
        let one = key("[image]\nbase = \"scratch\"\ntags = [\"1\"]\n");
        assert!(one.is_some());
        assert_eq!(one, key("# A comment.\n\n[image]\ntags = ['1']\nbase = \"scratch\"\n"));
        assert_ne!(one, key("[image]\nbase = \"scratch\"\ntags = [\"2\"]\n"));
    }
}
