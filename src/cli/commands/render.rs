//! `pack render`.

use std::collections::BTreeMap;

use super::super::args::RenderArgs;
use super::super::error::CommandError;
use super::super::invocation::Invocation;
use super::super::policy;
use super::descriptors;
use crate::release::gate;
use crate::release::ledger::Ledger;
use crate::release::resolve::{MemberImage, members};

/// Writes descriptors with the images of an environment.
///
/// # Errors
/// When an image has no release there, or its record is not sound; no descriptor is then written.
pub(super) fn run(invocation: &Invocation, args: &RenderArgs) -> Result<(), CommandError> {
    let files = descriptors::files(invocation, &args.descriptors)?.files;
    let named = members(&files);
    let places = named.names.clone();
    let projects = descriptors::projects(invocation, &args.descriptors, named)?;
    let mut images = BTreeMap::new();
    for (name, directory) in projects {
        let asked = descriptors::request(invocation, &directory, &args.registries, false)?;
        let session = invocation.session(&asked.request.settings)?;
        let settings = asked.request.settings.environments.get(&args.environment);
        let repository = settings.and_then(|settings| settings.name.as_ref());
        let repository = repository.map_or_else(|| asked.request.name.clone(), |name| name.value.clone());
        let ledger = Ledger::to_read(session.client.clone(), repository.clone());
        let at = |error: CommandError| match places.get(&name) {
            Some(place) => error.context(format!("{place}: cannot resolve `pack://{name}`")),
            None => error,
        };
        let releases = ledger.releases().map_err(|error| at(error.into()))?;
        let found = ledger.find(&releases, &args.environment, None);
        let release = found.map_err(|error| at(error.into()))?;
        let policies = policy::of(invocation, Some(&asked.request.settings.policy), args.policy.as_deref())?;
        gate::check(&ledger, &release, &policies).map_err(|error| at(error.into()))?;
        let image = MemberImage { repository, tag: Some(release.tag()), digest: release.record.digest };
        images.insert(name, image);
    }
    descriptors::deliver(invocation, &args.descriptors, args.format.json, &files, &images, None)
}
