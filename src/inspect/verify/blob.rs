//! A blob, read to its end: its digest, and of a layer what it unpacks to.

use std::io::{self, BufReader, Cursor, Read};

use sha2::Digest as _;

use super::documents::{ExpectedBlob, TOC_DIGEST};
use super::hashing::HashingReader;
use super::options::VerifyOptions;
use super::report::{Disagreement, DisagreementKind, Findings};
use crate::formats::untar::{LAYER, ReadThrough, TarEntry, TarWalk};
use crate::inspect::unpack::unpacked;
use crate::oci::media_type::{self, LayerCompression};
use crate::oci::{Descriptor, MediaType};
use crate::runtime::budget::{Budget, MeteredReader};
use crate::runtime::events::Phase;
use crate::transport::Source;
use crate::types::digest::Digest;

/// Reads a blob to its end: its digest, and of a layer what it unpacks to.
pub(super) fn check(
    source: &dyn Source,
    wanted: &ExpectedBlob,
    options: &VerifyOptions,
    budget: &Budget,
) -> Findings {
    let descriptor = &wanted.descriptor;
    let mut outcome = Findings::default();
    let stream = match source.blob(descriptor) {
        Ok(stream) => stream,
        Err(error) => {
            let finding =
                Disagreement::new(DisagreementKind::Unreadable, descriptor.digest, error.to_string());
            // Registries do not hold such layers, and nothing but Windows needs them.
            if is_foreign(&descriptor.media_type) { &mut outcome.warnings } else { &mut outcome.problems }
                .push(finding);
            return outcome;
        }
    };
    let task = options.progress.task(Phase::Verify, descriptor.digest.short(), Some(descriptor.size));
    let mut raw = HashingReader::new(stream, Some(&task));
    let unpacked = media_type::layer_compression(&descriptor.media_type)
        .map(|announced| unpack(&mut raw, announced, descriptor, budget, &mut outcome));
    // Bytes after the end of the decoded stream are content too.
    let _ = io::copy(&mut raw, &mut io::sink());
    outcome.bytes = raw.length;
    if let Some(finding) = raw.compare(descriptor, "blob") {
        // Wrong bytes explain everything that they led to.
        outcome.problems = vec![finding];
        outcome.warnings.clear();
        task.finish("damaged");
        return outcome;
    }
    let diff_id = match unpacked {
        Some(diff_id) => diff_id,
        None => Some(raw.digest()),
    };
    let mut expected: Vec<&(Digest, Digest)> = wanted.diff_ids.iter().collect();
    expected.sort_unstable();
    expected.dedup();
    for (diff_id_expected, image) in expected {
        if let Some(found) = diff_id
            && found != *diff_id_expected
        {
            let message = format!("diff ID in the configuration of {image}");
            let subject = descriptor.digest;
            outcome.problems.push(Disagreement::other(
                DisagreementKind::DiffId,
                subject,
                &message,
                diff_id_expected,
                &found,
            ));
        }
    }
    task.finish(if outcome.problems.is_empty() { "sound" } else { "damaged" });
    outcome
}

const fn is_foreign(media_type: &MediaType) -> bool {
    matches!(
        media_type,
        MediaType::ImageLayerNonDistributable
            | MediaType::ImageLayerNonDistributableGzip
            | MediaType::ImageLayerNonDistributableZstd
    )
}

/// Decompresses a layer and reads its tar; the digest of the tar, if it could be read to its end.
fn unpack(
    raw: &mut HashingReader<'_, impl Read>,
    announced: LayerCompression,
    descriptor: &Descriptor,
    budget: &Budget,
    outcome: &mut Findings,
) -> Option<Digest> {
    let mut start = Vec::new();
    if raw.take(media_type::MAGIC as u64).read_to_end(&mut start).is_err() {
        return None;
    }
    let actual = LayerCompression::of_bytes(&start);
    // Not a problem: runtimes go by the bytes, and so do builds on such a layer.
    if actual != announced {
        let message = "compression of the layer, which readers that go by its media type cannot read";
        let (announced, actual) = (compression_name(announced), compression_name(actual));
        let subject = descriptor.digest;
        outcome.warnings.push(Disagreement::other(
            DisagreementKind::MediaType,
            subject,
            message,
            &announced,
            &actual,
        ));
    }
    let packed = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(raw));
    match unpacked(packed, actual) {
        Ok(plain) => read_tar(MeteredReader::new(plain, budget), descriptor, outcome),
        Err(error) => {
            outcome.problems.push(Disagreement::new(
                DisagreementKind::Compression,
                descriptor.digest,
                error.to_string(),
            ));
            None
        }
    }
}

const fn compression_name(compression: LayerCompression) -> &'static str {
    match compression {
        LayerCompression::None => "none",
        LayerCompression::Gzip => "gzip",
        LayerCompression::Zstd => "zstd",
    }
}

/// The entry of an eStargz layer that is its table of contents.
const TOC: &[u8] = b"stargz.index.json";

/// The decoder's output is hashed in pieces of so many bytes.
const PIECE: usize = 64 << 10;
/// Odd paths of one layer that are listed one by one.
const MAX_PATHS: usize = 10;

fn read_tar(plain: impl Read, descriptor: &Descriptor, outcome: &mut Findings) -> Option<Digest> {
    let subject = descriptor.digest;
    let mut plain = HashingReader::new(plain, None);
    let mut walk = TarWalk::new(ReadThrough(BufReader::with_capacity(PIECE, &mut plain)), LAYER);
    let mut odd = 0;
    let announced = descriptor.annotations.get(TOC_DIGEST);
    let mut contents = None;
    let tar = loop {
        match walk.next() {
            Ok(Some(entry)) => {
                if announced.is_some() && entry.path == TOC {
                    let mut hasher = sha2::Sha256::new();
                    if let Err(error) = walk.payload(|bytes| hasher.update(bytes)) {
                        break Err(error);
                    }
                    contents = Some(Digest::from_bytes(hasher.finalize().into()));
                }
                if let Some(why) = oddity(&entry) {
                    odd += 1;
                    if odd <= MAX_PATHS {
                        let message = format!("`{}` {why}", String::from_utf8_lossy(&entry.path));
                        outcome.warnings.push(Disagreement::new(DisagreementKind::Path, subject, message));
                    }
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if odd > MAX_PATHS {
        let message = format!("{} more such paths", odd - MAX_PATHS);
        outcome.warnings.push(Disagreement::new(DisagreementKind::Path, subject, message));
    }
    let (terminated, entries) = (walk.is_terminated(), walk.entries());
    // The digest is over everything, also over what lies behind the tar's end.
    let _ = io::copy(&mut plain, &mut io::sink());
    if let Some(error) = &plain.error {
        outcome.problems.push(Disagreement::new(DisagreementKind::Compression, subject, error.to_string()));
        return None;
    }
    if let (Some(announced), Ok(())) = (announced, &tar)
        && contents.is_none_or(|found| found.to_string() != *announced)
    {
        let found = contents.map_or_else(|| "none".to_owned(), |found| found.to_string());
        let what = "digest of the table of contents";
        outcome.problems.push(Disagreement::other(
            DisagreementKind::Digest,
            subject,
            what,
            announced,
            &found,
        ));
    }
    match tar {
        Err(error) => {
            outcome.problems.push(Disagreement::new(DisagreementKind::Tar, subject, error.to_string()));
        }
        // Nothing at all is an empty layer as some tools write it.
        Ok(()) if !terminated && entries > 0 => {
            let message = "the tar ends without an end marker";
            outcome.warnings.push(Disagreement::new(DisagreementKind::Tar, subject, message));
        }
        Ok(()) => {}
    }
    Some(plain.digest())
}

/// Why a path is not what a layer should have.
fn oddity(entry: &TarEntry) -> Option<&'static str> {
    let climbs = |path: &[u8]| path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if climbs(&entry.path) {
        return Some("contains `..`");
    }
    // The root itself is an entry of many layers, in any spelling.
    if entry.path.starts_with(b"/") && entry.path != b"/" {
        return Some("is absolute");
    }
    if entry.path.contains(&0) {
        return Some("contains a NUL byte");
    }
    if entry.kind == tar::EntryType::Link && climbs(&entry.link) {
        return Some("is a hard link through `..`");
    }
    None
}
