//! The compressed siblings of an artifact's files. Each is made once for a content: the memo `sibling` has the blob in the
//! store that it became, or says that the content does not shrink. A blob is checked before it is used, and one that is
//! lost or damaged is made again.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::BuildError;
use super::memo::Memos;
use crate::artifact::Proposal;
use crate::layer::{
    Content, ContentSource, Entry, EntryKind, EntryPath, SiblingForm, Stamp, may_have_siblings,
};
use crate::oci::{Descriptor, MediaType};
use crate::store::Store;
use crate::types::digest::{ContentId, Digest, Key, KeyBuilder};
use crate::types::error::BoxedError;

const NAMESPACE: &str = "sibling";

/// The outcome of compressing a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SiblingRecord {
    /// The blob and its size; `None` where the content does not shrink.
    blob: Option<(Digest, u64)>,
}

/// A file, and the form of a sibling that it may have.
struct SiblingCandidate<'e> {
    file: &'e Entry,
    content: &'e Content,
    path: EntryPath,
    form: SiblingForm,
    key: Key,
}

/// Adds the siblings of these forms to the layers of a proposal. A sibling that the artifact brings itself stays.
pub(super) fn add_siblings(
    store: &Store,
    memos: &mut Memos<'_>,
    forms: &BTreeSet<SiblingForm>,
    proposal: &mut Proposal,
) -> Result<(), BoxedError> {
    // Most artifacts ask for none: no file is read for them.
    if forms.is_empty() {
        return Ok(());
    }
    for layer in &mut proposal.layers {
        let own: BTreeSet<&EntryPath> = layer.entries.iter().map(|entry| &entry.path).collect();
        let files: Vec<(&Entry, &Content)> = layer
            .entries
            .iter()
            .filter_map(|entry| match &entry.kind {
                EntryKind::File(content) => Some((entry, content)),
                _ => None,
            })
            .filter(|(entry, content)| may_have_siblings(entry.path.file_name(), content.size))
            .collect();
        let contents: Vec<&Content> = files.iter().map(|(_, content)| *content).collect();
        let ids = memos.content_ids(&contents).map_err(BuildError::Content)?;
        let candidates: Vec<SiblingCandidate<'_>> = files
            .iter()
            .zip(&ids)
            .flat_map(|(file, id)| forms.iter().map(move |form| (*file, id, *form)))
            .filter_map(|((file, content), id, form)| {
                let name = [file.path.file_name(), form.suffix().as_bytes()].concat();
                let path = match file.path.parent() {
                    Some(parent) => parent.join(&name),
                    None => EntryPath::new(&name),
                };
                let path = path.ok().filter(|path| !own.contains(path))?;
                Some(SiblingCandidate { file, content, path, form, key: key_of(form, id) })
            })
            .collect();
        // Each content once: two writers of one blob would take it away from each other.
        let distinct: BTreeMap<Key, &SiblingCandidate<'_>> =
            candidates.iter().map(|candidate| (candidate.key, candidate)).collect();
        let found: BTreeMap<Key, (SiblingRecord, Option<Content>)> = distinct
            .into_par_iter()
            .map(|(key, candidate)| Ok((key, sibling(store, candidate)?)))
            .collect::<Result<_, BoxedError>>()?;
        let added: Vec<Entry> = candidates
            .iter()
            .filter_map(|SiblingCandidate { file, path, key, .. }| {
                let content = found.get(key)?.1.clone()?;
                Some(entry_of(file, path, content))
            })
            .collect();
        for (key, (record, _)) in found {
            memos.writer().save(NAMESPACE, key, record);
        }
        if !added.is_empty() {
            layer.why.push_str(&format!(", with {} compressed beside them", added.len()));
            layer.entries.extend(added);
            layer.entries.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }
    Ok(())
}

fn key_of(form: SiblingForm, id: &ContentId) -> Key {
    KeyBuilder::new("pack sibling 1").part(form.encoder_id().as_bytes()).part(&id.0).finish()
}

/// The content of a file's sibling, remembered or made now, and what is to be remembered of it.
fn sibling(
    store: &Store,
    candidate: &SiblingCandidate<'_>,
) -> Result<(SiblingRecord, Option<Content>), BoxedError> {
    let SiblingCandidate { content, path, form, key, .. } = candidate;
    if let Some(record) = store.memo_load::<SiblingRecord>(NAMESPACE, key) {
        let Some((digest, size)) = record.blob else { return Ok((record, None)) };
        if let Some(stored) = stored(store, digest, size) {
            return Ok((record, Some(stored)));
        }
    }
    let Some(bytes) = form.encode(content).map_err(BuildError::Content)? else {
        return Ok((SiblingRecord { blob: None }, None));
    };
    let size = bytes.len() as u64;
    let digest =
        store.blobs().put(&bytes).map_err(|source| BuildError::Sibling { path: path.to_string(), source })?;
    // Where it was taken away at once, it is in memory still.
    let stored = stored(store, digest, size)
        .unwrap_or_else(|| Content { size, source: ContentSource::Bytes(bytes.into()) });
    Ok((SiblingRecord { blob: Some((digest, size)) }, Some(stored)))
}

/// The blob as the content of a file, if its bytes are right.
fn stored(store: &Store, digest: Digest, size: u64) -> Option<Content> {
    let path = store.blobs().file(&digest)?;
    // Before its bytes are checked, so that a later change shows.
    let stamp = Stamp::of(&std::fs::metadata(&path).ok()?);
    let descriptor = Descriptor::new(MediaType::ImageLayer, digest, size);
    store.blobs().read(&descriptor, size).ok()?;
    Some(Content { size, source: ContentSource::File(path.into(), stamp) })
}

fn entry_of(file: &Entry, path: &EntryPath, content: Content) -> Entry {
    Entry { path: path.clone(), metadata: file.metadata.clone(), kind: EntryKind::File(content) }
}
