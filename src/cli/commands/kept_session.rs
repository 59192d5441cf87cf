//! A session that lasts for several builds of one image: its store, its connections and its logins.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::super::error::CommandError;
use super::super::invocation::Invocation;
use crate::engine::Session;
use crate::project::config::{RegistryOptions, Settings};
use crate::types::reference::Registry;

/// A session that is opened by the first build.
#[derive(Default)]
pub(super) struct KeptSession(Option<(Session, BTreeMap<Registry, RegistryOptions>)>);

impl KeptSession {
    /// The session for a build with these settings, at the time of `invocation`. Other settings of registries open another.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(
        &mut self,
        invocation: &Invocation,
        settings: &Settings,
    ) -> Result<&Session, CommandError> {
        let session = match self.0.take() {
            Some((mut session, registries)) if registries == settings.registries => {
                let now = invocation.environment.now.duration_since(UNIX_EPOCH).unwrap_or_default();
                // A file that was written since the last build is as fresh as it was for that one.
                session.now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
                session
            }
            _ => invocation.session(settings)?,
        };
        Ok(&self.0.insert((session, settings.registries.clone())).0)
    }

    /// The session, if it is open.
    pub(super) fn session(&self) -> Option<&Session> {
        self.0.as_ref().map(|(session, _)| session)
    }

    /// Closes it: a store may be gone, and a login may be another.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }
}
