//! The text of a lock, read: the entries that it has, without the facts that are not those of their digests.

use std::collections::BTreeMap;

use super::encode::checksum;
use super::error::LockError;
use super::facts::{Ancestor, BaseFacts, LockedBase, LockedPlatform, SystemFacts};
use crate::formats::elf::{Dynamic, LibraryFlaw, Machine, SymbolVersions};
use crate::layer::{Account, AccountKind, EntryPath};
use crate::oci::MediaType;
use crate::project::config::decode::{Decode, Decoder, FromText, Wrong, table, text_values};
use crate::project::config::node::{TomlNode, TomlValue};
use crate::project::config::{Document, Mode, NonEmptyName, Spanned};
use crate::types::digest::{Digest, DigestError};
use crate::types::platform::Platform;

/// The entries of the lock that errors call `name`, by reference.
///
/// # Errors
/// When `text` is not a lock.
pub(super) fn decode(name: &str, text: &str, most: u64) -> Result<BTreeMap<String, LockedBase>, LockError> {
    if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        return Err(LockError::Conflict(name.to_owned()));
    }
    let document = Document::parse_large(name, text, most).map_err(LockError::Invalid)?;
    let file: LockText = document.decode().map_err(LockError::Invalid)?;
    let mut bases = BTreeMap::new();
    for base in file.bases {
        let reference = base.reference.as_str().to_owned();
        if bases.contains_key(&reference) {
            let message = format!("`{reference}` is locked twice");
            let hint = Some("remove one of the two".to_owned());
            return Err(LockError::Invalid(document.sources().error_at(base.reference.span, message, hint)));
        }
        bases.insert(reference, base.checked());
    }
    Ok(bases)
}

table! {
    /// The file.
    struct LockText {
        "version" => version: LockVersion,
        "base" => bases: Vec<BaseText>,
    }
}

table! {
    /// `[[base]]`. Facts that follow from the digest may be left out.
    struct BaseText {
        "reference" => reference: Spanned<NonEmptyName>,
        "digest" => digest: Digest,
        "checksum" => checksum: Option<String>,
        "media-type" => media_type: Option<MediaType>,
        "size" => size: Option<u64>,
        "signed-by" => signed_by: Vec<String>,
        "platform" => platforms: Vec<PlatformText>,
        "documents" => documents: BTreeMap<Digest, String>,
    }
}

table! {
    /// `[[base.platform]]`
    struct PlatformText {
        "platform" => platform: Platform,
        "digest" => digest: Digest,
        "media-type" => media_type: MediaType,
        "size" => size: u64,
        "ancestors" => ancestors: BTreeMap<EntryPath, Ancestor>,
        "accounts" => accounts: BTreeMap<Account, bool>,
        "system" => system: Option<SystemText>,
    }
}

table! {
    /// `[base.platform.system]`
    struct SystemText {
        "os" => os: Option<String>,
        "libc" => libc: Vec<String>,
        "java" => java: Option<u64>,
        "library-path" => library_path: Vec<String>,
        "node" => node: Option<String>,
        "python" => python: Vec<String>,
    }
}

table! {
    /// One value of `[base.platform.ancestors]`.
    struct AncestorText {
        "kind" => kind: Spanned<String>,
        "mode" => mode: Option<Mode>,
        "uid" => uid: Option<u64>,
        "gid" => gid: Option<u64>,
        "target" => target: Option<String>,
        "names" => names: Option<Vec<String>>,
        "machine" => machine: Option<String>,
        "needed" => needed: Option<Vec<String>>,
        "interpreter" => interpreter: Option<String>,
        "soname" => soname: Option<String>,
        "run-path" => run_path: Vec<String>,
        "inherited" => is_inherited: Option<bool>,
        "flaw" => flaw: Option<String>,
        "defines" => defines: Option<Vec<String>>,
        "content" => content: Option<String>,
    }
}

impl BaseText {
    /// The entry, without facts that are not those of its digest.
    fn checked(self) -> LockedBase {
        let mut base = LockedBase::pin(self.reference.as_str(), self.digest);
        let (Some(media_type), Some(size)) = (self.media_type, self.size) else { return base };
        let platforms = self.platforms.into_iter().map(|platform| LockedPlatform {
            platform: platform.platform,
            digest: platform.digest,
            media_type: platform.media_type,
            size: platform.size,
            ancestors: platform.ancestors,
            accounts: platform.accounts,
            system: platform.system.map(|system| SystemFacts {
                os: system.os,
                libc: system.libc.into_iter().collect(),
                java: system.java.and_then(|java| u32::try_from(java).ok()),
                library_path: system.library_path,
                node: system.node,
                python: system.python.into_iter().collect(),
            }),
        });
        let mut documents = self.documents;
        documents.retain(|digest, text| Digest::of(text.as_bytes()) == *digest);
        base.facts = Some(BaseFacts {
            media_type,
            size,
            signed_by: self.signed_by.into_iter().collect(),
            platforms: platforms.collect(),
            documents,
        });
        let expected = base.render_facts().map(|facts| checksum(&base.digest, &facts));
        if expected != self.checksum {
            base.invalidate();
        }
        base
    }
}

/// The names of a group of versions, such as `GLIBC_ 2.34 2.35`; a name without a blank stands for itself.
fn names_of(group: &str) -> Vec<String> {
    let mut words = group.split(' ');
    let start = words.next().unwrap_or_default();
    let names: Vec<String> = words.map(|rest| format!("{start}{rest}")).collect();
    if names.is_empty() { vec![start.to_owned()] } else { names }
}

/// The version of the lock's own format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LockVersion;

impl Decode for LockVersion {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            TomlValue::Integer(1) => Some(Self),
            TomlValue::Integer(number) => {
                let wrong =
                    Wrong::new(format!("this version of pack does not know locks of version {number}"));
                decoder.wrong(node.span, wrong.hint("use a newer version of pack"))
            }
            _ => decoder.mismatch(node, "an integer", None),
        }
    }
}

impl Decode for Ancestor {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = AncestorText::decode(node, decoder)?;
        let machine = text.machine.as_deref().and_then(Machine::parse);
        let dynamic = text.needed.map(|needed| Dynamic {
            interpreter: text.interpreter,
            soname: text.soname,
            needed,
            run_path: text.run_path,
            is_inherited: text.is_inherited.unwrap_or_default(),
            flaw: text.flaw.as_deref().and_then(LibraryFlaw::of_name),
            versions: text.defines.map(|groups| SymbolVersions {
                needed: Vec::new(),
                defined: groups.iter().flat_map(|group| names_of(group)).collect(),
            }),
        });
        let is_file = text.kind.as_str() == "file";
        let is_right = (text.machine.is_none() || (machine.is_some() && is_file))
            && ((dynamic.is_none() && text.content.is_none()) || is_file);
        match (text.kind.as_str(), text.mode, text.uid, text.gid, text.target, text.names) {
            _ if !is_right => decoder.wrong(text.kind.span, Wrong::new("this is not a valid kind of entry")),
            ("directory", Some(mode), Some(uid), Some(gid), None, None) => {
                Some(Self::Directory { mode: mode.bits(), uid, gid })
            }
            ("directory", Some(mode), Some(uid), Some(gid), None, Some(names)) => {
                Some(Self::Listed { mode: mode.bits(), uid, gid, names: names.into_iter().collect() })
            }
            ("symlink", None, None, None, Some(target), None) => {
                Some(Self::Symlink { target: target.into_bytes() })
            }
            ("file", mode, None, None, None, None) => Some(Self::File {
                mode: mode.map(Mode::bits),
                owner: None,
                machine,
                dynamic,
                content: text.content,
            }),
            ("file", Some(mode), Some(uid), Some(gid), None, None) => Some(Self::File {
                mode: Some(mode.bits()),
                owner: u32::try_from(uid).ok().zip(u32::try_from(gid).ok()),
                machine,
                dynamic,
                content: text.content,
            }),
            ("missing", None, None, None, None, None) => Some(Self::Missing),
            _ => {
                let hint = "a `directory` has `mode`, `uid`, `gid` and maybe `names`, a `symlink` a `target`, a `file` maybe `mode`, `uid` and `gid`, `machine`, `content` and what is loaded with it, a `missing` nothing";
                decoder.wrong(text.kind.span, Wrong::new("this is not a valid kind of entry").hint(hint))
            }
        }
    }
}

impl FromText for Digest {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: DigestError| Wrong::new(error.to_string()))
    }
}

impl FromText for MediaType {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        Ok(Self::from(text))
    }
}

impl FromText for Account {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let parts = text.split_once(' ').and_then(|(kind, name)| {
            Some(Self {
                kind: AccountKind::ALL.into_iter().find(|known| known.describe() == kind)?,
                name: name.to_owned(),
            })
        });
        parts.ok_or_else(|| Wrong::new(format!("`{text}` is neither `user NAME` nor `group NAME`")))
    }
}

impl FromText for EntryPath {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        Self::new(text.as_bytes()).map_err(|error| Wrong::new(error.to_string()))
    }
}

text_values!(Digest, MediaType);
