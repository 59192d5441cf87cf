//! All that a name reaches: documents first, then the blobs that they name.

use rayon::prelude::*;

use super::blob;
use super::documents::{DocumentWalk, ExpectedBlob};
use super::options::VerifyOptions;
use super::report::{Findings, Verification};
use super::soci;
use super::watched::WatchedSource;
use crate::oci::Descriptor;
use crate::oci::select::MAX_DEPTH;
use crate::runtime::budget::{Budget, STEP, unpacking};
use crate::runtime::workers;
use crate::transport::Source;
use crate::types::error::BoxedError;

/// Reads the documents that `source` reaches, manifests, indexes and configurations, and lists what disagrees. Layers are
/// not read.
///
/// # Errors
/// As for [`verify`].
pub fn verify_documents(source: &dyn Source, options: &VerifyOptions) -> Result<Verification, BoxedError> {
    let place = WatchedSource::new(source, options.interrupt.clone());
    let source: &dyn Source = &place;
    let root = source.root().map_err(|error| place.failed().err().unwrap_or(error))?;
    let mut graph = DocumentWalk::new(source);
    graph.document(&root, root.digest(), None, MAX_DEPTH);
    let DocumentWalk { images, findings, .. } = graph;
    place.failed()?;
    Ok(Verification {
        source: source.name(),
        root: root.digest(),
        images,
        blobs: 0,
        bytes: findings.bytes,
        problems: findings.problems,
        warnings: findings.warnings,
    })
}

/// Reads everything that `source` reaches and lists what disagrees.
///
/// # Errors
/// When the root document cannot be read, and when the place of the image fails or the user interrupts: neither says
/// anything about the image.
pub fn verify(source: &dyn Source, options: &VerifyOptions) -> Result<Verification, BoxedError> {
    let place = WatchedSource::new(source, options.interrupt.clone());
    let source: &dyn Source = &place;
    let root = source.root().map_err(|error| place.failed().err().unwrap_or(error))?;
    let mut graph = DocumentWalk::new(source);
    graph.document(&root, root.digest(), None, MAX_DEPTH);
    let tables = graph.tables();
    let DocumentWalk { images, mut findings, blobs, .. } = graph;

    let blobs: Vec<ExpectedBlob> = blobs.into_values().collect();
    let packed = blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.descriptor.size));
    // Layers with a table of contents are unpacked once more, to be compared with it.
    let steps = options.max_unpacked.map_or_else(|| unpacking(packed), |bytes| bytes / STEP);
    let steps = steps.saturating_mul(if tables.is_empty() { 1 } else { 2 });
    let budget = Budget::new(format!("the image `{}`", source.name()), u64::MAX, steps);
    let check = || {
        let of_blobs = blobs.par_iter().map(|wanted| blob::check(source, wanted, options, &budget));
        let mut checked: Vec<Findings> = of_blobs.collect();
        let of_table = |(table, layer): &(Descriptor, Descriptor)| soci::check(source, table, layer, &budget);
        // The parsed form of all tables of an honest image fits together, and that of any one always.
        let fits = tables.iter().map(|(table, _)| soci::cost(table)).sum::<u64>() <= soci::MAX_COST;
        if fits {
            checked.extend(tables.par_iter().map(of_table).collect::<Vec<_>>());
        } else {
            checked.extend(tables.iter().map(of_table));
        }
        checked
    };
    let checked = workers::run(options.jobs, check)?;
    place.failed()?;
    checked.into_iter().for_each(|found| findings.extend(found));
    Ok(Verification {
        source: source.name(),
        root: root.digest(),
        images,
        blobs: blobs.len() as u64,
        bytes: findings.bytes,
        problems: findings.problems,
        warnings: findings.warnings,
    })
}
