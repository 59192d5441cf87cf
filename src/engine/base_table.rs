//! The bases of a run: each is opened once, however many images stand on it.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use super::error::BuildError;
use super::request::Request;
use super::session::Session;
use crate::bases::Base;
use crate::project::config;
use crate::runtime::flight::Flight;
use crate::transport::Source;
use crate::transport::archive::Archive;
use crate::transport::layout::OciLayout;
use crate::types::digest::{Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::fingerprint::fingerprint;

/// Open bases by their place and their entry in the lock. Its documents, also the meaning of a tag that nothing pins, are
/// read once in a run: all images of it see the same base.
#[derive(Default)]
pub struct BaseTable {
    opened: Flight<Key, Base>,
}

impl BaseTable {
    /// The base that the settings of `request` name; `None` for scratch.
    ///
    /// # Errors
    /// When it is not there or not pinned, or the user interrupts while another image opens it.
    pub(super) fn open(&self, session: &Session, request: &Request) -> Result<Option<Base>, BoxedError> {
        let Some(base) = &request.settings.base else { return Ok(None) };
        if matches!(base.value, config::BaseSetting::Scratch) {
            return Ok(None);
        }
        if request.settings.locked && request.locked_base().is_none() {
            source(session, request, &base.value)?;
            return Err(BuildError::NotLocked(base.value.to_string()).into());
        }
        let open = || {
            let (written, locked) = (base.value.to_string(), request.locked_base().cloned());
            let source = source(session, request, &base.value)?;
            Ok::<_, BoxedError>(Base::new(written, source, locked, &session.store, request.settings.offline))
        };
        let opened = self.opened.get(&key(request, &base.value), &session.interrupt, open)?;
        Ok(Some(opened.of_one_image().strict(request.settings.locked)))
    }
}

fn source(
    session: &Session,
    request: &Request,
    base: &config::BaseSetting,
) -> Result<Arc<dyn Source>, BoxedError> {
    Ok(match base {
        config::BaseSetting::Scratch => return Err(BuildError::Nothing.into()),
        config::BaseSetting::Registry(reference) => {
            // The lock pins bytes; what the tag means by now is not asked.
            let pinned = request.locked_base().map(|locked| reference.repository().at_digest(locked.digest));
            let reference = pinned.unwrap_or_else(|| reference.clone());
            Arc::new(crate::transport::registry::source(session.client.clone(), reference))
        }
        config::BaseSetting::Store(name) => Arc::new(OciLayout::stored(&session.store, name)?),
        config::BaseSetting::Layout { path, name } => {
            Arc::new(OciLayout::open(path.path(), name.as_deref())?)
        }
        config::BaseSetting::OciArchive { path, name } => {
            Arc::new(Archive::open_oci(path.path(), name.as_deref())?)
        }
        config::BaseSetting::DockerArchive { path, name } => {
            Arc::new(Archive::open_docker(path.path(), name.as_deref())?)
        }
    })
}

/// Two projects may write the same relative path for two bases, so the path counts as it is.
fn key(request: &Request, base: &config::BaseSetting) -> Key {
    let mut key = KeyBuilder::new("pack open base 1");
    key.text(base);
    match base {
        config::BaseSetting::Layout { path, .. }
        | config::BaseSetting::OciArchive { path, .. }
        | config::BaseSetting::DockerArchive { path, .. } => key.add(path.path().as_os_str().as_bytes()),
        config::BaseSetting::Scratch | config::BaseSetting::Registry(_) | config::BaseSetting::Store(_) => {}
    }
    key.field("offline", &request.settings.offline);
    key.add(&fingerprint("pack locked 2", &request.locked_base()).0);
    key.finish()
}
